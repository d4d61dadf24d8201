"""A coached endpoint in a browser: asks for a reason on a page, and remembers it for some hours."""

from uuid import UUID

from mitmproxy import http

from addons.answering import wants_html
from addons.step import Step
from addons.visit import Visit
from policy import coaching
from policy.answers import Answer, coaching_page
from policy.coaching import Caller
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from policy.refusals import Reason, Refusal
from vault.errors import Sealed
from vault.vault import Vault

# Longer is no form of ours.
_FORM_BYTES_MAX = 16 * 1024


class Coaching(Step):
    """Takes a stated reason from a cookie of ours, and makes the page where none was stated.

    The cookie never goes upstream. Whether the call may go on is admission's to say.
    """

    name = "coaching"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def head(self, visit: Visit) -> Refusal | None:
        """Read the grant; where the reason is being stated now, wait for it."""
        grant = _take_cookie(visit.flow.request) if "cookie" in visit.headers else None
        endpoint, caller = visit.exchange.endpoint, _caller(visit)
        if endpoint is None or caller is None or visit.passes:
            return None
        try:
            return self._judge(visit, caller, grant)
        except Sealed:
            return None  # no grant can be read; admission asks for the header instead

    async def body(self, visit: Visit) -> Refusal | None:
        """Take the reason, and send the browser back to where it was."""
        caller = _caller(visit) if visit.states_reason else None
        if caller is None:
            return None
        try:
            return self._hear(visit, caller)
        except Sealed:
            return Refusal(Reason.DEGRADED, "The vault is sealed; try again later.", "vault-open", 5)

    def _judge(self, visit: Visit, caller: Caller, grant: str | None) -> Refusal | None:
        exchange, now_s = visit.exchange, visit.exchange.timing.started_at.timestamp()
        request = visit.flow.request
        if visit.path == coaching.PATH and request.method == "POST":
            visit.states_reason = not request.stream
            return None if visit.states_reason else _once_more("This form is too long.")
        if grant is not None and exchange.justification is None:
            exchange.justification = coaching.opened(grant, "grant", caller, now_s, self._vault.digest)
        coached = exchange.endpoint is not None and exchange.endpoint.state is EndpointState.COACHED
        if coached and exchange.justification is None and wants_html(visit.headers.get("accept", "")):
            back = coaching.return_path(request.path) if request.method == "GET" else "/"
            visit.page = self._page(visit, caller, "/" if visit.path == coaching.PATH else back)
        return None

    def _hear(self, visit: Visit, caller: Caller) -> Refusal:
        """The form carries a ticket of ours, or nobody has seen the page and nothing was stated."""
        exchange, started_at = visit.exchange, visit.exchange.timing.started_at
        body = visit.flow.request.raw_content or b""
        reason, ticket = coaching.read_form(body[:_FORM_BYTES_MAX])
        back = coaching.opened(ticket, "ticket", caller, started_at.timestamp(), self._vault.digest)
        if back is None or not reason:
            visit.page = self._page(visit, caller, back or "/", problem="State a reason in a sentence.")
            return _once_more("State a reason for the use of this service.")
        lifetime_s = visit.snapshot.branding_of(TenantId(UUID(caller.tenant))).hours * 3600
        expires_s = int(started_at.timestamp()) + lifetime_s
        grant = coaching.seal("grant", caller, reason, expires_s, self._vault.digest)
        exchange.justification = reason
        secure = visit.destination is not None and visit.destination.scheme == "https"
        set_cookie = coaching.cookie(grant, lifetime_s=lifetime_s, secure=secure)
        headers = (("location", back), ("set-cookie", set_cookie), ("cache-control", "no-store"))
        visit.page = Answer(303, (*headers, ("x-conduit-request-id", str(exchange.id))), b"")
        return Refusal(Reason.COACHED, "A reason was stated; the browser goes on.", "reason-stated")

    def _page(self, visit: Visit, caller: Caller, back: str, problem: str = "") -> Answer:
        expires_s = int(visit.exchange.timing.started_at.timestamp()) + coaching.TICKET_S
        ticket = coaching.seal("ticket", caller, back, expires_s, self._vault.digest)
        branding = visit.snapshot.branding_of(TenantId(UUID(caller.tenant)))
        request_id = str(visit.exchange.id)
        return coaching_page(
            caller.host, branding=branding, ticket=ticket, request_id=request_id, problem=problem
        )


def _caller(visit: Visit) -> Caller | None:
    principal, destination = visit.exchange.principal, visit.destination
    if principal is None or destination is None:
        return None
    return coaching.caller_of(principal, visit.exchange.client, destination.host)


def _take_cookie(request: http.Request) -> str | None:
    """The grant, which no host is shown."""
    values = request.headers.get_all("cookie")
    grant, rest = coaching.without_grant(values)
    if grant is not None:
        request.headers.pop("cookie")
        if rest:
            request.headers["cookie"] = rest
    return grant


def _once_more(message: str) -> Refusal:
    return Refusal(Reason.COACHED, message, "endpoint-state")
