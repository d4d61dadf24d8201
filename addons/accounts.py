"""Hosts are used with the organisation's own accounts: sets the headers by which vendors see to it."""

from addons.step import Step
from addons.visit import Visit
from policy.accounts import Restriction, accountless, in_force
from policy.refusals import Refusal


class Accounts(Step):
    """Sets the tenant's list on every decrypted request to a host that knows such a header.

    What the client sent under that name is replaced. Where the tenant has stated no accounts, nothing is.
    """

    name = "accounts"

    def __init__(self, restrictions: tuple[Restriction, ...]) -> None:
        self._restrictions = restrictions

    async def head(self, visit: Visit) -> Refusal | None:
        """Refuse what would be answered without any account."""
        found = (accountless(each, visit.path) for each, _ in self._in_force(visit))
        return next((refusal for refusal in found if refusal is not None), None)

    async def body(self, visit: Visit) -> Refusal | None:
        """Set the headers, and say so in the event."""
        for each, value in self._in_force(visit):
            visit.flow.request.headers[each.header] = value
            visit.exchange.findings.append(f"accounts:{each.product}")
        return None

    def _in_force(self, visit: Visit) -> list[tuple[Restriction, str]]:
        principal, destination = visit.exchange.principal, visit.destination
        if principal is None or destination is None or destination.scheme != "https":
            return []
        return in_force(self._restrictions, visit.snapshot, principal.tenant_id, destination.host)
