"""Who is calling. Reads the head once, strictly, and finds the identities in it; ``policy`` judges them.

Does not refuse a call for want of an identity: whether it needs one depends on where it goes.
"""

from datetime import UTC, datetime
from ipaddress import ip_address

from addons.step import Step
from addons.visit import Visit
from policy.attribution import PresentedKey, attribute
from policy.exchange import Principal
from policy.head import METHODS, AmbiguousHead, FoundKey, check_target, find_keys, read_fields
from policy.provider_keys import has_provider_form
from policy.refusals import Reason, Refusal
from vault.errors import Sealed
from vault.placeholder import PATTERN
from vault.vault import Vault

# What a caller writes to state why a coached endpoint is needed.
JUSTIFICATION = "x-conduit-justification"
JUSTIFICATION_LENGTH_MAX = 500


class Attribution(Step):
    """Fills ``exchange.principal``, and the keys that later steps judge."""

    name = "attribution"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def head(self, visit: Visit) -> Refusal | None:
        """Read the head, then attribute it."""
        request = visit.flow.request
        try:
            check_target(request.path)
            visit.headers = read_fields(request.headers.fields)
            visit.path, _, visit.query = request.path.partition("?")
            visit.found_keys = find_keys(visit.headers, visit.query)
        except AmbiguousHead as problem:
            return malformed(f"The request cannot be read in one way: {problem}.", "strict-head")
        if request.method not in METHODS:
            return malformed("This method is not let through.", "methods")
        stated = visit.headers.get(JUSTIFICATION, "").strip()
        visit.exchange.justification = stated[:JUSTIFICATION_LENGTH_MAX] or None
        try:
            visit.keys = tuple(self._present(key) for key in visit.found_keys)
        except Sealed:
            return Refusal(Reason.DEGRADED, "The vault is sealed; try again later.", "vault-open", 5)
        self._attribute(visit)
        return None

    def _present(self, key: FoundKey) -> PresentedKey:
        # By form alone: one that was mistyped is to be told that it is unknown, not that it is a real key.
        ours = PATTERN.fullmatch(key.text) is not None
        digest = self._vault.digest(key.text) if ours else None
        return PresentedKey(key.place, digest, not ours and has_provider_form(key.text))

    def _attribute(self, visit: Visit) -> None:
        source = ip_address(visit.exchange.client.address)
        if source.version == 6 and source.ipv4_mapped:
            source = source.ipv4_mapped
        found = attribute(visit.snapshot, keys=visit.keys, source=source, now=datetime.now(UTC))
        if isinstance(found, Principal):
            visit.exchange.principal = found
        else:
            visit.identity_refusal = found
        for key, presented in zip(visit.found_keys, visit.keys, strict=True):
            if presented.digest is not None:
                visit.placeholder = visit.snapshot.placeholder(presented.digest)
                visit.placeholder_key = key


def malformed(message: str, rule: str) -> Refusal:
    """The refusal of a request that cannot be read as what it claims to be."""
    return Refusal(Reason.REQUEST_MALFORMED, message, rule)
