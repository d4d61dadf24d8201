"""May they: the endpoint's state, the placeholder's bindings, then every limit in one reservation."""

from dataclasses import replace

from addons.growth import first_step
from addons.reservations import AllowanceSpent, LimiterUnavailable, Reservations
from addons.session import Message
from addons.step import Step
from addons.visit import Visit
from policy.admission import endpoint_allowed, holds_foreign_key, placeholder_allowed, region_allowed
from policy.allowance import Fallback
from policy.attribution import UNVAULTED
from policy.ceilings import judge
from policy.exchange import Call, Endpoint, Principal
from policy.limit_words import described
from policy.limits import CEILINGS, MONEY, REASONS, Demand, Limit, LimitKind, Refused, rate_headers
from policy.money import MicroDollars
from policy.pricing import Unpriced, ceiling
from policy.refusals import Reason, Refusal
from policy.session_messages import Dialect
from policy.sufficiency import OperatorRule, insufficient


class Admission(Step):
    """Fills ``exchange.grant``. ``output_step_tokens`` is held where a request sets no output ceiling."""

    name = "admission"

    def __init__(
        self, limiter: Reservations, *, output_step_tokens: int, sufficiency: tuple[OperatorRule, ...] = ()
    ) -> None:
        self._limiter = limiter
        self._step = output_step_tokens
        self._sufficiency = sufficiency

    async def head(self, visit: Visit) -> Refusal | None:
        """Judge what the head tells: nobody need send a body to a blocked endpoint."""
        endpoint = visit.exchange.endpoint
        if endpoint is None or visit.passes or visit.states_reason:
            return None
        return self._allowed(visit, endpoint)

    async def body(self, visit: Visit) -> Refusal | None:
        """Judge the whole call, and reserve for it."""
        exchange = visit.exchange
        endpoint, call, principal = exchange.endpoint, exchange.call, exchange.principal
        if visit.passes or endpoint is None:
            return None
        if call is None or principal is None:
            raise TypeError("admission needs the call and its principal")
        refusal = self._allowed(visit, endpoint)
        refusal = refusal or _refused_by_placeholder(
            visit, endpoint, call, named_later=_names_later(visit, call)
        )
        return refusal or await self._reserve(visit, endpoint, call, principal)

    async def message(self, visit: Visit, message: Message) -> Refusal | None:
        """Judge a model that is named within a session as one that is named in a request."""
        session, said, call = visit.session, message.said, visit.exchange.call
        if session is None or session.meter is None or said is None or call is None:
            return None
        model = said.model or session.meter.model
        refusal = None
        if model != call.model or model is None:
            refusal = self._named(visit, replace(call, model=model), starts=said.starts)
        if refusal is None and (said.starts or said.model is not None):
            refusal = self._answer_allowed(visit, session.meter.next_call(said.call, said))
        return refusal

    def _answer_allowed(self, visit: Visit, answer: Call) -> Refusal | None:
        """Hold one answer of a session to the ceilings of single calls: it is what a call is elsewhere."""
        principal, endpoint = visit.exchange.principal, visit.exchange.endpoint
        if principal is None or endpoint is None:
            raise TypeError("a session has a principal and an endpoint")
        ceilings = [each for each in _limits(visit, principal, answer.model) if each.kind in CEILINGS]
        try:
            allowance = judge(ceilings, answer, lambda step: self._cost(visit, endpoint, answer, step))
        except Unpriced:
            return _unpriced(answer.model)
        if isinstance(allowance, Refused):
            return _limited(allowance)
        visit.allowance = allowance
        return None

    def _named(self, visit: Visit, call: Call, *, starts: bool) -> Refusal | None:
        endpoint, session = visit.exchange.endpoint, visit.session
        if endpoint is None or session is None:
            raise TypeError("a session has no endpoint")
        later = not starts and _names_later(visit, call)
        refusal = _refused_by_placeholder(visit, endpoint, call, named_later=later)
        refusal = refusal or self._counted_apart(visit, call)
        if refusal is not None:
            return refusal
        try:
            if session.budgeted:
                self._cost(visit, endpoint, call, self._step)
        except Unpriced:
            return _unpriced(call.model)
        if call.model is not None:
            visit.exchange.call = call
        return None

    def _counted_apart(self, visit: Visit, call: Call) -> Refusal | None:
        """Refuse a model that limits of its own count: the session was not reserved against them."""
        principal, before = visit.exchange.principal, visit.exchange.call
        if principal is None or before is None:
            raise TypeError("a session has a principal and a call")
        reserved = _limits(visit, principal, before.model)
        for limit in _limits(visit, principal, call.model):
            if limit not in reserved and limit.kind not in CEILINGS:
                message = f"{call.model} has limits of its own; name the model when the session is opened."
                return Refusal(REASONS[limit.kind], message, f"limit:{limit.id}")
        return None

    def _allowed(self, visit: Visit, endpoint: Endpoint) -> Refusal | None:
        principal = visit.exchange.principal
        refusal = None
        if principal is not None:
            refusal = insufficient(visit.snapshot, principal, endpoint.host, self._sufficiency)
        if holds_foreign_key(endpoint, visit.keys):
            visit.exchange.note(UNVAULTED)
        refusal = refusal or endpoint_allowed(endpoint, visit.keys, visit.exchange.justification)
        tenant = visit.snapshot.tenants.get(principal.tenant_id) if principal is not None else None
        return refusal or (region_allowed(endpoint, tenant.residency) if tenant is not None else None)

    async def _reserve(
        self, visit: Visit, endpoint: Endpoint, call: Call, principal: Principal
    ) -> Refusal | None:
        limits = _limits(visit, principal, call.model)
        try:
            allowance = None
            if not _names_later(visit, call):
                allowance = judge(limits, call, lambda step: self._cost(visit, endpoint, call, step))
            if isinstance(allowance, Refused):
                return _limited(allowance)
            visit.allowance = allowance
            demand = self._demand(visit, endpoint, call, principal, limits)
        except Unpriced:
            return _unpriced(call.model)
        try:
            answer = await self._limiter.reserve(demand)
        except LimiterUnavailable as problem:
            return _degraded(problem)
        visit.rate_headers = rate_headers(answer)
        if isinstance(answer, Refused):
            return _limited(answer)
        visit.exchange.grant = answer
        return None

    def _demand(
        self, visit: Visit, endpoint: Endpoint, call: Call, principal: Principal, limits: tuple[Limit, ...]
    ) -> Demand:
        """The most that the call can use, or an unbounded stream's first step. Raises ``Unpriced``."""
        step = first_step(self._step, visit.allowance)
        output = call.output_ceiling if call.output_ceiling is not None else step
        budgeted = any(limit.kind is LimitKind.BUDGET_MICRO_DOLLARS for limit in limits)
        if visit.session is not None:
            visit.session.budgeted = budgeted
        named = visit.session is None or call.model is not None
        return Demand(
            reservation=visit.exchange.id,
            tenant_id=principal.tenant_id,
            limits=tuple(limit for limit in limits if limit.kind not in CEILINGS),
            zone=visit.snapshot.tenants[principal.tenant_id].time_zone,
            tokens=call.input_tokens_ceiling + output * call.choices,
            cost=self._cost(visit, endpoint, call, step) if budgeted and named else MicroDollars(0),
            fallback=self._fallback(visit, endpoint, call, step),
        )

    def _fallback(self, visit: Visit, endpoint: Endpoint, call: Call, step: int) -> Fallback | None:
        """What the tenant lets pass without the limiter: of money that our keys spend, at a known price."""
        principal = visit.exchange.principal
        allowance = visit.snapshot.tenants[principal.tenant_id].allowance if principal is not None else None
        if allowance is None or visit.placeholder is None:
            return None
        try:
            return Fallback(allowance, self._cost(visit, endpoint, call, step))
        except Unpriced:
            return None

    def _cost(self, visit: Visit, endpoint: Endpoint, call: Call, step: int) -> MicroDollars:
        """By the prices of the moment at which the call began, by which it is settled too."""
        began, terms = visit.exchange.timing.started_at, visit.terms
        return ceiling(endpoint.provider, call.model, call, began, step_tokens=step, terms=terms)


def _limits(visit: Visit, principal: Principal, model: str | None) -> tuple[Limit, ...]:
    """The limits that a call of ``model`` is held to; those of money are about what our keys spend."""
    limits = visit.snapshot.limits_for(
        principal.tenant_id, principal.user_id, principal.placeholder_id, model
    )
    if visit.placeholder is not None:
        return limits
    return tuple(limit for limit in limits if limit.kind not in MONEY)


def _refused_by_placeholder(
    visit: Visit, endpoint: Endpoint, call: Call, *, named_later: bool
) -> Refusal | None:
    """The refusal of a call that its placeholder, where it has one, is not for."""
    if visit.placeholder is None:
        return None
    # Those of a pool are all for the same hosts (store.credential_acts).
    credential = visit.snapshot.credentials_of(visit.placeholder)[0]
    return placeholder_allowed(visit.placeholder, credential.hosts, endpoint, call, named_later=named_later)


def _names_later(visit: Visit, call: Call) -> bool:
    """Whether this session's first message names its model: it is held to prices and ceilings then."""
    session = visit.session
    return session is not None and session.dialect is not Dialect.OTHER and call.model is None


def _unpriced(model: str | None) -> Refusal:
    return Refusal(
        Reason.UNPRICED_MODEL,
        f"A budget is in force and the price of {model or 'this call'} is not known; "
        "ask your administrator to set one.",
        "budget-needs-price",
    )


def _degraded(problem: LimiterUnavailable) -> Refusal:
    if isinstance(problem, AllowanceSpent):
        message = "Limits cannot be checked, and what may be spent meanwhile is used up; try again later."
        return Refusal(Reason.DEGRADED, message, "local-allowance", problem.retry_after_s)
    message = "Limits cannot be checked at the moment; try again."
    return Refusal(Reason.DEGRADED, message, "limits-available", 2)


def _limited(refused: Refused) -> Refusal:
    limit = refused.limit
    if limit.kind in CEILINGS:
        message = (
            f"One call of this {limit.scope} may have at most {described(limit)}; ask for less, and state "
            "how much output there may be, as with max_tokens."
        )
    else:
        message = f"The {limit.scope} has reached its limit: {described(limit)}. {_when(refused)}"
    return Refusal(refused.reason, message, f"limit:{limit.id}", refused.retry_after_s)


def _when(refused: Refused) -> str:
    if refused.retry_after_s is None:
        return "This call alone is over it; ask for less."
    return f"Try again in {refused.retry_after_s} seconds."
