"""Whose account a sanctioned host is used with: headers by which vendors admit an organisation's own alone.

``config/account_restrictions.csv`` names header and hosts of each product; a tenant states which accounts
are its own. A path of such a product that carries no account cannot be restricted, so it is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from policy.destination import covers
from policy.identifiers import TenantId
from policy.refusals import Reason, Refusal

ACCOUNTS_MAX = 100
# Ids, domains and `directory:policy`: nothing that ends a header or adds a second account.
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}\Z")


class InvalidAccount(ValueError):
    """An account id that cannot stand in a header's list; the text names it."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """One product's header. ``hosts`` may start with ``*.``; ``refused_paths`` are whole first segments.

    ``header`` is empty where the vendor has none; ``answer_header`` (lower case) names the account in
    answers, and is empty where the vendor does not say.
    """

    product: str
    header: str
    hosts: tuple[str, ...]
    refused_paths: tuple[str, ...]
    source: str
    answer_header: str = ""

    def covers(self, host: str) -> bool:
        """Whether the header counts at ``host`` (canonical)."""
        return any(covers(pattern, host) for pattern in self.hosts)


class AllowedAccounts(Protocol):
    """What a tenant has stated about its accounts, as ``policy.snapshot`` holds it."""

    def accounts_of(self, tenant: TenantId, product: str) -> tuple[str, ...]: ...


def covering(restrictions: Iterable[Restriction], host: str) -> tuple[Restriction, ...]:
    """Those that count at ``host`` (canonical)."""
    return tuple(each for each in restrictions if each.covers(host))


def in_force(
    restrictions: Iterable[Restriction], stated: AllowedAccounts, tenant: TenantId
) -> list[tuple[Restriction, tuple[str, ...]]]:
    """The restrictions that apply to a call, of those that count at its host, with the tenant's accounts."""
    return [
        (each, accounts) for each in restrictions if (accounts := stated.accounts_of(tenant, each.product))
    ]


def accountless(restriction: Restriction, path: str) -> Refusal | None:
    """The refusal of a path that the product answers without any account."""
    first = unquote(path).split("/", 2)[1] if path.startswith("/") else ""
    for refused in restriction.refused_paths:
        if f"/{first.strip().lower()}" == refused:
            message = "This service is used with your organisation's account only; sign in to it first."
            return Refusal(Reason.SHADOW_ENDPOINT, message, f"account-required:{restriction.product}")
    return None


def checked(accounts: Iterable[str]) -> tuple[str, ...]:
    """Account ids as they may stand in a header; raises ``InvalidAccount``."""
    found = tuple(dict.fromkeys(account.strip() for account in accounts))
    for account in found:
        if _ACCOUNT.match(account) is None:
            raise InvalidAccount(f"{account[:50]!r} is not an account id, organisation id or domain")
    if not 1 <= len(found) <= ACCOUNTS_MAX:
        raise InvalidAccount(f"state between 1 and {ACCOUNTS_MAX} accounts")
    return found
