"""Reservations that grow with what set no ceiling, one step at a time: a stream, or a WebSocket session.

A stream callable cannot wait, so the next step is asked for while half of the last one is left. Where the
answer is late, at most one more step passes: that is the overshoot which such a stream can have.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from addons.reservations import Reservations
from policy.ceilings import OutputAllowance
from policy.exchange import Call, Endpoint
from policy.identifiers import ExchangeId
from policy.limit_words import described
from policy.limits import REASONS, Granted, Refused
from policy.money import MicroDollars
from policy.price_rules import Terms
from policy.pricing import Unpriced, ceiling
from policy.refusals import Reason, Refusal
from policy.session_meter import Used
from store.errors import StoreError


def first_step(step: int, allowance: OutputAllowance | None) -> int:
    """How many output tokens are held to begin with, where the request sets no ceiling."""
    return step if allowance is None else min(step, allowance.tokens)


@dataclass(frozen=True, slots=True)
class UnboundedAnswer:
    """A stream whose request set no ceiling. ``step`` is in output tokens of each choice."""

    endpoint: Endpoint
    call: Call
    terms: Terms
    step: int
    allowance: OutputAllowance | None


class GrowingReservation:
    """Keeps what is held ahead of what has flowed.

    ``refusal`` is set once no further step is to be had.
    """

    def __init__(self, limiter: Reservations, reservation: ExchangeId, answer: UnboundedAnswer) -> None:
        self._limiter = limiter
        self._reservation = reservation
        self._endpoint, self._call, self._terms = answer.endpoint, answer.call, answer.terms
        self._step, self._allowance = answer.step, answer.allowance
        self._held = first_step(answer.step, answer.allowance)
        self._asking: asyncio.Task[None] | None = None
        self.refusal: Refusal | None = None

    def note(self, output_tokens: int, now: datetime) -> bool:
        """Take note of how much has flowed; false when the stream must end now."""
        if self._allowance is not None and output_tokens > self._allowance.tokens:
            self.refusal = at_its_ceiling(self._allowance)
            return False
        # A task that never waits ends before it can be kept: tasks of this loop are eager.
        asking = self._asking is not None and not self._asking.done()
        if output_tokens > self._held - self._step // 2 and not asking and self.refusal is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask(now))
        if output_tokens <= self._held:
            return True
        return self.refusal is None and output_tokens <= self._held + self._step

    def worst_case(self, began: datetime) -> MicroDollars:
        """The most by which this stream can exceed what is held for it: one more step of output."""
        return MicroDollars(self._cost(2 * self._step, began) - self._cost(self._step, began))

    def outrun(self) -> Refusal:
        """The refusal of a stream that ran faster than its next step could be asked for."""
        return Refusal(
            Reason.DEGRADED, "This answer came faster than its limits could be checked.", "limits-available"
        )

    def close(self) -> None:
        """The stream has ended: ask for nothing more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self, now: datetime) -> None:
        held = first_step(self._held + self._step, self._allowance)
        try:
            tokens = self._call.input_tokens_ceiling + held * self._call.choices
            cost = self._cost(held, now)
            answer: Granted | Refused = await self._limiter.top_up(
                self._reservation, tokens=tokens, cost=cost
            )
        except StoreError:
            self.refusal = Refusal(
                Reason.DEGRADED, "Limits could not be checked while this answer came.", "limits-available"
            )
        else:
            self._take(answer, held)
        self._asking = None

    def _cost(self, output_tokens: int, now: datetime) -> MicroDollars:
        """Admission has priced whatever a budget counts; what has no price costs no budget anything."""
        try:
            return ceiling(
                self._endpoint.provider,
                self._call.model,
                self._call,
                now,
                step_tokens=output_tokens,
                terms=self._terms,
            )
        except Unpriced:
            return MicroDollars(0)

    def _take(self, answer: Granted | Refused, held: int) -> None:
        if isinstance(answer, Granted):
            self._held = held
        else:
            message = "A limit was reached while this answer came; it ends here."
            self.refusal = Refusal(answer.reason, message, f"limit:{answer.limit.id}", answer.retry_after_s)


def at_its_ceiling(allowance: OutputAllowance) -> Refusal:
    """The refusal of an answer that has come to the most output that one call may have."""
    limit = allowance.limit
    message = f"One call of this {limit.scope} may have at most {described(limit)}; this answer ends there."
    return Refusal(REASONS[limit.kind], message, f"limit:{limit.id}")


class SessionReservation:
    """Keeps what is held a step ahead of what a session has used. A message can wait: none outruns it."""

    def __init__(self, limiter: Reservations, reservation: ExchangeId, granted: Granted) -> None:
        self._limiter = limiter
        self._reservation = reservation
        self._held = Used(granted.tokens, granted.cost)
        self._refusal: Refusal | None = None

    async def keep(self, used: Used, step: Used) -> Refusal | None:
        """Hold ``step`` beyond ``used`` once half of it is left; refuses when what is held is used up."""
        if _within(
            Used(used.tokens + step.tokens // 2, MicroDollars(used.cost + step.cost // 2)), self._held
        ):
            return None
        if self._refusal is None:
            self._refusal = await self._top_up(used + step)
        return None if _within(used, self._held) else self._refusal

    async def require(self, used: Used, step: Used) -> Refusal | None:
        """Hold ``step`` beyond ``used`` before it begins, or refuse it."""
        if _within(used + step, self._held):
            return None
        refusal = await self._top_up(used + step)
        self._refusal = None if refusal is None else self._refusal
        return refusal

    async def _top_up(self, total: Used) -> Refusal | None:
        try:
            answer = await self._limiter.top_up(self._reservation, tokens=total.tokens, cost=total.cost)
        except StoreError:
            message = "Limits could not be checked while this session went on."
            return Refusal(Reason.DEGRADED, message, "limits-available", 2)
        if isinstance(answer, Granted):
            self._held = Used(max(total.tokens, self._held.tokens), max(total.cost, self._held.cost))
            return None
        message = "A limit was reached in this session; it ends here."
        return Refusal(answer.reason, message, f"limit:{answer.limit.id}", answer.retry_after_s)


def _within(wanted: Used, held: Used) -> bool:
    return wanted.tokens <= held.tokens and wanted.cost <= held.cost
