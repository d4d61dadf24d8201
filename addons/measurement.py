"""Figures for monitoring: counts, money and times by outcome, never by tenant content or caller text.

Labels are drawn from closed lists, so their number is bounded whatever is sent.
"""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from addons.step import Step
from addons.visit import Visit
from policy.exchange import Outcome

CALLS = Counter("conduit_calls", "Calls to AI endpoints, by how they ended.", ["mode", "outcome", "reason"])
TOKENS = Counter("conduit_tokens", "Tokens that answers consumed.", ["direction", "estimated"])
SPENT = Counter("conduit_spent_micro_dollars", "Cost of answers, in micro-dollars.")
OVERSHOOT = Histogram(
    "conduit_overshoot_micro_dollars",
    "By how much calls under a budget exceeded what was held for them, in micro-dollars.",
    buckets=(0, 10, 100, 1_000, 10_000, 100_000, 1_000_000),
)
WORST_CASE = Gauge(
    "conduit_overshoot_worst_case_micro_dollars",
    "By how much the streams without a ceiling that are under way can exceed what is held for them, at most.",
    multiprocess_mode="livesum",
)
DEGRADED = Counter(
    "conduit_local_allowance_micro_dollars", "Cost of calls that passed while limits could not be counted."
)
MESSAGES = Counter("conduit_websocket_messages", "Messages in WebSocket sessions.", ["direction"])
FIRST_BYTE = Histogram(
    "conduit_first_byte_seconds",
    "From the request's head to the answer's first byte.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)

# The client checks and looks up labels anew each time; of these there are few.
_calls, _tokens = cache(CALLS.labels), cache(TOKENS.labels)


class Measurement(Step):
    """Counts an exchange when it has ended."""

    name = "measurement"

    def __init__(self) -> None:
        self._up, self._down = MESSAGES.labels("up"), MESSAGES.labels("down")

    def answer_head(self, visit: Visit) -> None:
        """Count what a stream without a ceiling puts at risk for as long as it is under way."""
        grant = visit.exchange.grant
        if visit.growth is not None and grant is not None and grant.cost > 0:
            visit.at_risk = visit.growth.worst_case(visit.exchange.timing.started_at)
            WORST_CASE.inc(visit.at_risk)

    def ended(self, visit: Visit) -> None:
        """Count it."""
        exchange = visit.exchange
        if visit.at_risk:
            WORST_CASE.dec(visit.at_risk)
        if exchange.endpoint is None and exchange.refusal is None:
            return
        reason = exchange.refusal.reason.value if exchange.refusal else ""
        outcome = exchange.outcome or Outcome.FAILED
        _calls(exchange.client.mode.value, outcome.value, reason).inc()
        if exchange.timing.first_byte_us is not None:
            FIRST_BYTE.observe(exchange.timing.first_byte_us / 1_000_000)
        if exchange.messages_up:
            self._up.inc(exchange.messages_up)
        if exchange.messages_down:
            self._down.inc(exchange.messages_down)
        self._count_usage(visit)

    def _count_usage(self, visit: Visit) -> None:
        usage, grant = visit.exchange.usage, visit.exchange.grant
        if usage is None:
            return
        estimated = "yes" if usage.estimated else "no"
        _tokens("input", estimated).inc(usage.input_tokens)
        _tokens("output", estimated).inc(usage.output_tokens)
        if visit.exchange.overshoot is not None:
            OVERSHOOT.observe(visit.exchange.overshoot)
        if usage.cost:
            SPENT.inc(usage.cost)
            if grant is not None and grant.local:
                DEGRADED.inc(usage.cost)
