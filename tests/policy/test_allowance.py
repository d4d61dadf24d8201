"""A worker's share is never exceeded, is given back, and begins anew with the hour."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from policy.allowance import Fallback, LocalAllowance, seconds_left
from policy.identifiers import ExchangeId, TenantId
from policy.money import MicroDollars

TENANT, OTHER = TenantId(UUID(int=1)), TenantId(UUID(int=2))


def call(number: int) -> ExchangeId:
    return ExchangeId(UUID(int=number))


def asking(cost: int, allowance: int = 1_000) -> Fallback:
    return Fallback(MicroDollars(allowance), MicroDollars(cost))


def test_a_share_is_the_allowance_over_the_workers() -> None:
    allowance = LocalAllowance(workers=4)
    assert allowance.hold(call(1), TENANT, asking(250), 0) == 250
    assert allowance.hold(call(2), TENANT, asking(1), 0) is None
    assert allowance.hold(call(3), OTHER, asking(250), 0) == 250


def test_what_was_not_used_is_there_for_others_and_what_was_is_not() -> None:
    allowance = LocalAllowance(workers=1)
    allowance.hold(call(1), TENANT, asking(1_000), 0)
    allowance.settle(call(1), MicroDollars(400))
    assert allowance.hold(call(2), TENANT, asking(601), 0) is None
    assert allowance.hold(call(2), TENANT, asking(600), 0) == 600
    allowance.settle(call(2), None)
    assert allowance.hold(call(3), TENANT, asking(1), 0) is None


def test_an_hour_begins_anew_and_a_clock_that_goes_back_does_not() -> None:
    allowance = LocalAllowance(workers=1)
    assert allowance.hold(call(1), TENANT, asking(1_000), 7_199) == 1_000
    assert allowance.hold(call(2), TENANT, asking(1_000), 7_200) == 1_000
    assert allowance.hold(call(3), TENANT, asking(1), 3_600) is None
    assert (seconds_left(7_199), seconds_left(7_200)) == (1, 3_600)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 500), st.booleans()), max_size=60))
def test_spent_and_held_never_exceed_the_share(steps: list[tuple[int, int, bool]]) -> None:
    allowance, held, spent = LocalAllowance(workers=2), dict[int, int](), 0
    for number, cost, ends in steps:
        if ends and number in held:
            used = min(cost, held.pop(number))
            allowance.settle(call(number), MicroDollars(used))
            spent += used
        elif allowance.hold(call(number), TENANT, asking(cost), 0) is not None:
            held[number] = held.get(number, 0) + cost
        assert spent + sum(held.values()) <= 500
