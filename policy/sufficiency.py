"""Which sources of identity are enough for which endpoint: what the operator demands, and what a tenant does.

Both must be met: a tenant can ask for more than its operator does, never for less.
"""

from dataclasses import dataclass

from policy.attribution import SOURCE_NAMES
from policy.destination import covers
from policy.exchange import IdentitySource, Principal
from policy.refusals import Reason, Refusal
from policy.snapshot import PolicySnapshot


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """Which sources are enough, each alone, for calls of ``tenant`` (or any) to ``hosts`` (or any)."""

    tenant: str | None
    hosts: frozenset[str]
    sources: frozenset[IdentitySource]


def insufficient(
    snapshot: PolicySnapshot, principal: Principal, host: str, rules: tuple[OperatorRule, ...]
) -> Refusal | None:
    """The refusal of a call whose sources do not suffice for ``host``.

    Of the operator's ``rules`` the first for it decides, of the tenant's own the most exact. Where there is
    none, any source suffices.
    """
    for demanded in (_demanded(principal, host, rules), snapshot.sufficient(principal.tenant_id, host)):
        if demanded is not None and demanded.isdisjoint(principal.sources):
            return Refusal(
                Reason.UNIDENTIFIED,
                "What says who is calling is not enough for this endpoint; it takes one of: "
                f"{', '.join(sorted(SOURCE_NAMES[source] for source in demanded))}.",
                "identity-sufficient",
            )
    return None


def _demanded(
    principal: Principal, host: str, rules: tuple[OperatorRule, ...]
) -> frozenset[IdentitySource] | None:
    for rule in rules:
        if rule.tenant is not None and rule.tenant.casefold() != principal.tenant_name.casefold():
            continue
        if not rule.hosts or any(covers(pattern, host) for pattern in rule.hosts):
            return rule.sources
    return None
