"""Ceilings of single calls: what is over one is refused, and an unbounded stream is told where it ends."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.ceilings import CostOf, OutputAllowance, judge
from policy.exchange import Call
from policy.identifiers import LimitId, TenantId
from policy.limits import Limit, LimitKind, LimitScope, Refused
from policy.money import MicroDollars
from policy.refusals import Reason

TENANT = TenantId(uuid4())
CALL = Call("chat_completions", "gpt-4o", True, 100, 50, 1, asks_usage=False, body_bytes=36)
STREAM = replace(CALL, output_ceiling=None)
WHOLE = replace(STREAM, stream=False)


def a_ceiling(kind: LimitKind, amount: int) -> Limit:
    return Limit(LimitId(uuid4()), TENANT, LimitScope.TENANT, TENANT, kind, amount)


def of_input(amount: int) -> Limit:
    return a_ceiling(LimitKind.INPUT_TOKENS_PER_CALL, amount)


def of_output(amount: int) -> Limit:
    return a_ceiling(LimitKind.OUTPUT_TOKENS_PER_CALL, amount)


def in_dollars(amount: int) -> Limit:
    return a_ceiling(LimitKind.MICRO_DOLLARS_PER_CALL, amount)


def cost_of(call: Call, each: int = 3) -> CostOf:
    """An input token costs one micro-dollar, an output token ``each``."""

    def cost(step: int) -> MicroDollars:
        output = step if call.output_ceiling is None else call.output_ceiling
        return MicroDollars(call.input_tokens_ceiling + each * output * call.choices)

    return cost


@pytest.mark.parametrize(
    ("call", "within", "over", "reason"),
    [
        (CALL, of_input(100), of_input(99), Reason.TOKENS_LIMITED),
        (CALL, of_output(50), of_output(49), Reason.TOKENS_LIMITED),
        (replace(CALL, choices=3), of_output(150), of_output(149), Reason.TOKENS_LIMITED),
        (CALL, in_dollars(250), in_dollars(249), Reason.BUDGET_EXHAUSTED),
        (replace(CALL, choices=2), in_dollars(400), in_dollars(399), Reason.BUDGET_EXHAUSTED),
    ],
)
def test_what_a_call_states_is_held_to_its_ceiling(
    call: Call, within: Limit, over: Limit, reason: Reason
) -> None:
    assert judge((within,), call, cost_of(call)) is None
    refused = judge((within, over), call, cost_of(call))
    assert isinstance(refused, Refused)
    assert (refused.limit, refused.reason, refused.retry_after_s) == (over, reason, None)


def test_an_unbounded_stream_ends_at_the_tightest_ceiling() -> None:
    roomy, tight = of_output(40), in_dollars(190)
    assert judge((roomy, tight), STREAM, cost_of(STREAM)) == OutputAllowance(30, tight)
    assert judge((roomy,), STREAM, cost_of(STREAM)) == OutputAllowance(40, roomy)
    assert judge((of_input(100),), STREAM, cost_of(STREAM)) is None


@pytest.mark.parametrize("limit", [of_output(40), in_dollars(10**6)])
def test_an_unbounded_answer_that_comes_whole_is_refused(limit: Limit) -> None:
    refused = judge((limit,), WHOLE, cost_of(WHOLE))
    assert isinstance(refused, Refused)
    assert judge((limit,), replace(WHOLE, operation="embeddings"), lambda _: MicroDollars(1)) is None
    assert judge((of_input(100),), WHOLE, cost_of(WHOLE)) is None


@pytest.mark.parametrize("limit", [of_output(0), in_dollars(102), in_dollars(99)])
def test_a_stream_that_may_have_no_token_is_refused(limit: Limit) -> None:
    assert isinstance(judge((limit,), STREAM, cost_of(STREAM)), Refused)


def test_an_operation_that_costs_nothing_is_not_held_to_its_output() -> None:
    free = replace(WHOLE, operation="read")
    assert judge((of_output(1), in_dollars(1)), free, lambda _: MicroDollars(0)) is None


@given(
    amount=st.integers(0, 10**7),
    each=st.integers(0, 900),
    tokens=st.integers(0, 1000),
    choices=st.integers(1, 8),
)
def test_what_is_allowed_is_the_most_that_the_dollars_pay(
    amount: int, each: int, tokens: int, choices: int
) -> None:
    call = replace(STREAM, input_tokens_ceiling=tokens, choices=choices)
    cost = cost_of(call, each)
    found = judge((in_dollars(amount),), call, cost)
    if isinstance(found, Refused):
        assert cost(1) > amount
    elif each:
        assert found is not None
        assert cost(found.tokens // choices) <= amount < cost(found.tokens // choices + 1)
