"""Ceilings of single calls: judged by the most that a call can be, before anything is counted.

A token is at least one byte, so a call that passes is within its ceiling, whatever the tokenizer. A stream
that states no output ceiling of its own is given one here, at which it is cut; an answer that comes whole
cannot be cut, so it must state one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from policy.exchange import Call
from policy.limits import Limit, LimitKind, Refused
from policy.money import MicroDollars
from policy.operations import WITHOUT_OUTPUT, WITHOUT_PRICE

# So many output tokens are priced to learn what one costs.
_PROBE_TOKENS = 1_000_000

# The cost of a call of which each answer has so many output tokens, unless it states a ceiling itself.
type CostOf = Callable[[int], MicroDollars]


@dataclass(frozen=True, slots=True)
class OutputAllowance:
    """The most output tokens of a stream, over all its choices, and the limit that says so."""

    tokens: int
    limit: Limit


def judge(limits: Iterable[Limit], call: Call, cost_of: CostOf) -> Refused | OutputAllowance | None:
    """The first ceiling that the call is over, else the tightest at which its stream has to end, if any.

    ``cost_of`` may raise ``policy.pricing.Unpriced``; it is asked only where a ceiling is in dollars.
    """
    tightest: OutputAllowance | None = None
    for limit in limits:
        allowed = _allowed(limit, call, cost_of)
        if allowed is None:
            continue
        if allowed < 0 or (_unbounded(call) and (allowed == 0 or not call.stream)):
            return Refused(limit, None)
        if _unbounded(call) and (tightest is None or allowed < tightest.tokens):
            tightest = OutputAllowance(allowed, limit)
    return tightest


def _unbounded(call: Call) -> bool:
    """Whether the call's output has no bound before it comes."""
    return call.output_ceiling is None and call.operation not in WITHOUT_OUTPUT | WITHOUT_PRICE


def _allowed(limit: Limit, call: Call, cost_of: CostOf) -> int | None:
    """How many output tokens the limit leaves to the call: negative where none of it is allowed.

    ``None``: it says nothing about output, and allows the rest.
    """
    match limit.kind:
        case LimitKind.INPUT_TOKENS_PER_CALL:
            return None if call.input_tokens_ceiling <= limit.amount else -1
        case LimitKind.OUTPUT_TOKENS_PER_CALL:
            stated = (call.output_ceiling or 0) * call.choices
            return limit.amount if stated <= limit.amount else -1
        case LimitKind.MICRO_DOLLARS_PER_CALL:
            return _affordable(limit.amount, call, cost_of)
        case _:
            return None


def _affordable(amount: int, call: Call, cost_of: CostOf) -> int:
    """The most output tokens that ``amount`` micro-dollars pay for, after the input."""
    least = cost_of(0)
    if least > amount:
        return -1
    slope = cost_of(_PROBE_TOKENS) - least
    if slope <= 0:
        return _PROBE_TOKENS * call.choices
    each = (amount - least) * _PROBE_TOKENS // slope + 1
    while each > 0 and cost_of(each) > amount:
        each -= 1
    return each * call.choices
