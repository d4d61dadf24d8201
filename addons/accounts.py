"""Hosts are used with the organisation's own accounts: the vendors' headers see to it, and so do we.

A session whose request names another account is refused. Where only the answer names it, the first answer
marks the credential, and its next call is refused.
"""

from collections import OrderedDict
from datetime import UTC, datetime
from functools import lru_cache

from loguru import logger

from addons.account_marks import SharedMarks
from addons.step import Step
from addons.visit import Visit
from policy.accounts import Restriction, accountless, covering, in_force
from policy.head import AmbiguousHead, read_fields
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from policy.private_accounts import answered, foreign, named, private_account
from policy.refusals import Refusal
from store.spool import Spool, SpoolError

# Users and products of which this worker has told; the oldest is told of again.
TOLD_MAX = 10_000
# What restricts a host is looked for once, not at each call; who calls chooses the host.
HOSTS_MAX = 1000
_CREDENTIAL_HEADERS = ("authorization", "x-api-key", "api-key", "cookie")


class Accounts(Step):
    """Sets the tenant's list on every decrypted request to a host that knows such a header.

    What the client sent under that name is replaced. Where the tenant has stated no accounts, nothing is.
    """

    name = "accounts"

    def __init__(self, restrictions: tuple[Restriction, ...], spool: Spool, marks: SharedMarks) -> None:
        self._spool = spool
        self._told: OrderedDict[tuple[TenantId, str], None] = OrderedDict()
        self._covering = lru_cache(HOSTS_MAX)(lambda host: covering(restrictions, host))
        self._marks = marks

    async def head(self, visit: Visit) -> Refusal | None:
        """Refuse what would be answered without any account, or with one that is not the tenant's."""
        for each, own in self._in_force(visit):
            refusal = accountless(each, visit.path)
            if refusal is None and self._is_private(visit, each, own):
                self._found(visit, each)
                refusal = private_account(each)
            if refusal is not None:
                return refusal
        return None

    async def body(self, visit: Visit) -> Refusal | None:
        """Set the headers, and say so in the event."""
        for each, own in self._in_force(visit):
            if each.header:
                visit.flow.request.headers[each.header] = ",".join(own)
                visit.exchange.findings.append(f"accounts:{each.product}")
        return None

    def answer_head(self, visit: Visit) -> None:
        """Mark a credential whose answer names an account that is not the tenant's."""
        response = visit.flow.response
        # A placeholder's key is the tenant's own, whatever its account is called.
        if response is None or visit.placeholder is not None:
            return
        restrictions = self._in_force(visit)
        if not restrictions:
            return
        try:
            headers = read_fields(response.headers.fields)
        except AmbiguousHead:
            return  # an answer that can be read in two ways names no account
        for each, own in restrictions:
            account = answered(each, headers)
            if account is None or not foreign(account, own):
                continue
            self._found(visit, each)
            digest = self._digest(visit, each)
            if digest is not None:
                self._marks.note(digest, self._account(account))

    def _found(self, visit: Visit, restriction: Restriction) -> None:
        """Say so in the event, and tell of it once a day for each user and product.

        Without a user it is the source network's address that counts as one. The account is not named: it is
        the person's own.
        """
        exchange, now = visit.exchange, datetime.now(UTC)
        exchange.findings.append(f"private_account:{restriction.product}")
        principal, destination = exchange.principal, visit.destination
        if principal is None or destination is None:
            return
        who = principal.user_name or exchange.client.address
        once = f"{restriction.product} {now.date()} {who}"
        if not self._is_new((principal.tenant_id, once)):
            return
        told = incident(
            "account.private",
            now,
            severity=Severity.WARNING,
            whose=principal,
            once=once,
            detail={"product": restriction.product, "host": destination.host, "user": who},
        )
        try:
            self._spool.append_event(told)
        except SpoolError as problem:
            logger.error("a private account was not told of: {}", problem)

    def _is_new(self, mark: tuple[TenantId, str]) -> bool:
        """Whether this worker has not told of it; the record itself takes it once from all of them."""
        if mark in self._told:
            return False
        self._told[mark] = None
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)
        return True

    def _is_private(self, visit: Visit, restriction: Restriction, own: tuple[str, ...]) -> bool:
        if visit.placeholder_key is not None:
            return False
        if any(foreign(account, own) for account in named(restriction.product, visit.path, visit.headers)):
            return True
        digest = self._digest(visit, restriction)
        marked = self._marks.account_of(digest) if digest is not None else None
        return marked is not None and marked not in map(self._account, own)

    def _account(self, account: str) -> bytes:
        return self._marks.digest(f"account\n{account.casefold()}")

    def _digest(self, visit: Visit, restriction: Restriction) -> bytes | None:
        """What a caller's credential is remembered by."""
        held = [visit.headers[name] for name in _CREDENTIAL_HEADERS if name in visit.headers]
        principal = visit.exchange.principal
        if not held or principal is None:
            return None
        text = "\n".join((str(principal.tenant_id), restriction.product, *held))
        return self._marks.digest(f"credential\n{text}")

    def _in_force(self, visit: Visit) -> list[tuple[Restriction, tuple[str, ...]]]:
        principal, destination = visit.exchange.principal, visit.destination
        if principal is None or destination is None or destination.scheme != "https":
            return []
        return in_force(self._covering(destination.host), visit.snapshot, principal.tenant_id)
