"""Which credential of a pool a call is given: by weight, among those that the provider is known to take.

Where every one of a pool rests (``policy.credential_health``), calls are still given one: the provider's own
answer tells more than a refusal of ours would, and whoever can make it refuse keys cannot stop a tenant so.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate

from policy.identifiers import CredentialId, ExchangeId
from policy.snapshot import Credential


def choose(
    pool: Sequence[Credential], resting: Collection[CredentialId], call: ExchangeId
) -> Credential | None:
    """The credential for ``call``; the same for the same arguments. ``None`` for an empty pool only.

    Over many calls each one's share is its weight's. Weight 0 is a spare: used where no other is fit.
    """
    fit = [credential for credential in pool if credential.id not in resting]
    for candidates in (_weighted(fit), fit, _weighted(pool), pool):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            return _by_weight(candidates, call)
    return None


def _weighted(pool: Sequence[Credential]) -> list[Credential]:
    return [credential for credential in pool if credential.weight > 0]


def _by_weight(candidates: Sequence[Credential], call: ExchangeId) -> Credential:
    """The hash spreads calls evenly, whatever their ids have in common."""
    ordered = sorted(candidates, key=lambda credential: credential.id)
    ends = list(accumulate(max(credential.weight, 1) for credential in ordered))
    point = int.from_bytes(hashlib.sha256(call.bytes).digest()[:8]) % ends[-1]
    return ordered[bisect_right(ends, point)]
