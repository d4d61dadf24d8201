"""What a worker knows of a credential: the provider's last word, its own or the one that another worker met.

A refused credential rests, then one call tries it; in vain, it rests twice as long. Time is passed in.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from policy.snapshot import Credential

FIRST_REST = timedelta(minutes=1)
REST_MAX = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """The last word about one version of a credential, said at ``at``.

    ``refusals`` counts how often it fell from favour. A refused one rests until ``try_at``; ``rest`` is how
    long that is.
    """

    version: int
    at: datetime
    refused: bool
    refusals: int
    rest: timedelta
    try_at: datetime


def standing(credential: Credential, seen: Standing | None) -> Standing | None:
    """The later of what this worker has ``seen`` and what the policy tells; ``None`` without a word yet.

    What was seen of an earlier version says nothing of this one.
    """
    own = seen if seen is not None and seen.version == credential.version else None
    health, told_at = credential.health, credential.health.judged_at
    if told_at is None or (own is not None and told_at <= own.at):
        return own
    if own is not None and own.refused is health.refused:
        return replace(own, at=told_at)  # the rest goes on as it was
    refusals = max(health.refusals, own.refusals if own is not None else 0)
    return _new(credential, told_at, refused=health.refused, refusals=refusals)


def refused(credential: Credential, seen: Standing | None, now: datetime) -> Standing:
    """The standing after a refusal; the same as before where it was refused already."""
    before = standing(credential, seen)
    if before is not None and before.refused:
        return before
    refusals = max(credential.health.refusals, before.refusals if before is not None else 0) + 1
    return _new(credential, now, refused=True, refusals=refusals)


def accepted(before: Standing, now: datetime) -> Standing:
    """The standing after the provider has taken a credential.

    A refused one is not well before its first rest is over: else a provider that says yes and no in turns
    would have every worker told, and the policy replaced, with each call.
    """
    if not before.refused or now < before.at + FIRST_REST:
        return before
    return replace(before, at=now, refused=False)


def rests(known: Standing | None, now: datetime) -> bool:
    """Whether a credential is not to be used now, if it can be helped."""
    return known is not None and known.refused and now < known.try_at


def tried(known: Standing, now: datetime) -> Standing:
    """The standing while one call tries it: for all others it rests."""
    if not known.refused or now < known.try_at:
        return known
    rest = min(known.rest * 2, REST_MAX)
    return replace(known, rest=rest, try_at=now + rest)


def _new(credential: Credential, at: datetime, *, refused: bool, refusals: int) -> Standing:
    return Standing(credential.version, at, refused, refusals, FIRST_REST, at + FIRST_REST)
