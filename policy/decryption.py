"""Whose TLS is looked into: that to AI endpoints, and to hosts that nobody knows where this is asked for.

What one tenant decides opens no connection of another tenant. A caller that nothing names may be of any, so
for it the decisions of all count: it is then told to say who it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from policy.catalogue import Catalogue
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from policy.refusals import Reason, Refusal
from policy.snapshot import PolicySnapshot


@dataclass(frozen=True, slots=True)
class Decryption:
    """What the operator decided: the shipped catalogue, and how TLS to hosts outside it is treated.

    ``unknown`` holds for callers whose tenant has not said otherwise. ``exclusions`` are canonical hosts, and
    ``*.`` patterns for what is below; no tenant can take one away.
    """

    catalogue: Catalogue
    unknown: bool = False
    exclusions: frozenset[str] = frozenset()

    def is_ai(self, snapshot: PolicySnapshot, tenant: TenantId | None, name: str) -> bool:
        """Whether the canonical name says AI: by the catalogue, the operator, or the caller's own tenant.

        What is never decrypted stays so whatever a tenant decides: only the operator knows why it is there.
        """
        if snapshot.named_ai(name, self.catalogue):
            return True
        return snapshot.is_decided(tenant, name) and not self.excludes(snapshot, tenant, name)

    def blocked(
        self, snapshot: PolicySnapshot, tenant: TenantId | None, names: Sequence[str]
    ) -> Refusal | None:
        """The refusal of TLS that is never looked into to a host which the tenant has blocked."""
        if tenant is None or all(
            snapshot.endpoint_state(tenant, name) is not EndpointState.BLOCKED for name in names
        ):
            return None
        return Refusal(
            Reason.SHADOW_ENDPOINT, "This host is not sanctioned for your organisation.", "endpoint-state"
        )

    def looks_into(self, snapshot: PolicySnapshot, tenant: TenantId | None, names: Sequence[str]) -> bool:
        """Whether TLS that claims these canonical names, none of them AI, is looked into all the same."""
        settings = snapshot.tenants.get(tenant) if tenant is not None else None
        stated = settings.decrypt_unknown if settings is not None else None
        wanted = self.unknown if stated is None else stated
        return wanted and not any(self.excludes(snapshot, tenant, name) for name in names)

    def excludes(self, snapshot: PolicySnapshot, tenant: TenantId | None, name: str) -> bool:
        """Whether the operator, or the tenant beside it, has named the canonical host as never decrypted."""
        settings = snapshot.tenants.get(tenant) if tenant is not None else None
        own = settings.never_decrypted if settings is not None else frozenset()
        labels = name.split(".")
        patterns = (name, *(f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels))))
        return any(pattern in self.exclusions or pattern in own for pattern in patterns)
