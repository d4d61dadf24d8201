"""Hosts are used with the organisation's own accounts: the vendors' headers see to it, and so do we.

A session whose request names another account is refused. Where only the answer names it, the first answer
marks the credential, and its next call is refused.
"""

import hashlib
import secrets
from collections import OrderedDict

from addons.step import Step
from addons.visit import Visit
from policy.accounts import Restriction, accountless, in_force
from policy.head import AmbiguousHead, read_fields
from policy.private_accounts import answered, foreign, named, private_account
from policy.refusals import Refusal

MARKS_MAX = 10_000
_CREDENTIAL_HEADERS = ("authorization", "x-api-key", "api-key", "cookie")


class Accounts(Step):
    """Sets the tenant's list on every decrypted request to a host that knows such a header.

    What the client sent under that name is replaced. Where the tenant has stated no accounts, nothing is.
    """

    name = "accounts"

    def __init__(self, restrictions: tuple[Restriction, ...]) -> None:
        self._restrictions = restrictions
        self._key = secrets.token_bytes(32)
        self._marks: OrderedDict[bytes, str] = OrderedDict()

    async def head(self, visit: Visit) -> Refusal | None:
        """Refuse what would be answered without any account, or with one that is not the tenant's."""
        for each, own in self._in_force(visit):
            refusal = accountless(each, visit.path)
            if refusal is None and self._is_private(visit, each, own):
                visit.exchange.findings.append(f"private_account:{each.product}")
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
        try:
            headers = read_fields(response.headers.fields)
        except AmbiguousHead:
            return
        for each, own in self._in_force(visit):
            account = answered(each, headers)
            if account is None or not foreign(account, own):
                continue
            visit.exchange.findings.append(f"private_account:{each.product}")
            digest = self._digest(visit, each)
            if digest is not None:
                self._marks[digest] = account
                self._marks.move_to_end(digest)
                if len(self._marks) > MARKS_MAX:
                    self._marks.popitem(last=False)

    def _is_private(self, visit: Visit, restriction: Restriction, own: tuple[str, ...]) -> bool:
        if visit.placeholder_key is not None:
            return False
        if any(foreign(account, own) for account in named(restriction.product, visit.path, visit.headers)):
            return True
        digest = self._digest(visit, restriction)
        marked = self._marks.get(digest) if digest is not None else None
        return marked is not None and foreign(marked, own)

    def _digest(self, visit: Visit, restriction: Restriction) -> bytes | None:
        """What a caller's credential is remembered by, in this process alone."""
        held = [visit.headers[name] for name in _CREDENTIAL_HEADERS if name in visit.headers]
        principal = visit.exchange.principal
        if not held or principal is None:
            return None
        text = "\n".join((str(principal.tenant_id), restriction.product, *held))
        return hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()

    def _in_force(self, visit: Visit) -> list[tuple[Restriction, tuple[str, ...]]]:
        principal, destination = visit.exchange.principal, visit.destination
        if principal is None or destination is None or destination.scheme != "https":
            return []
        return in_force(self._restrictions, visit.snapshot, principal.tenant_id, destination.host)
