"""What can be set as a limit, and which calls a pattern of models covers."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from policy.identifiers import LimitId, TenantId
from policy.limit_setting import InvalidLimit, LimitSetting, check, check_model
from policy.limit_words import described
from policy.limits import Limit, LimitKind, LimitScope, Window, crossed

BUDGET, TOKENS = LimitKind.BUDGET_MICRO_DOLLARS, LimitKind.TOKENS
REQUESTS = LimitKind.REQUESTS_PER_MINUTE


def a_limit(**changed: Any) -> Limit:
    tenant = TenantId(uuid4())
    limit = Limit(LimitId(uuid4()), tenant, LimitScope.TENANT, tenant, BUDGET, 1_000_000, Window.WEEK)
    return replace(limit, **changed)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (LimitSetting(BUDGET, 1, Window.DAY), LimitSetting(BUDGET, 1)),
        (LimitSetting(TOKENS, 1, Window.WEEK), LimitSetting(REQUESTS, 1, Window.WEEK)),
        (LimitSetting(TOKENS, 1, Window.ROLLING, 1), LimitSetting(TOKENS, 1, Window.ROLLING)),
        (LimitSetting(TOKENS, 1, Window.ROLLING, 8784), LimitSetting(TOKENS, 1, Window.ROLLING, 8785)),
        (LimitSetting(TOKENS, 1, Window.ROLLING, 24), LimitSetting(TOKENS, 1, Window.DAY, 24)),
        (LimitSetting(REQUESTS, 0), LimitSetting(REQUESTS, -1)),
        (LimitSetting(REQUESTS, 2**53 - 1), LimitSetting(REQUESTS, 2**53)),
        (LimitSetting(REQUESTS, 1, burst=1), LimitSetting(REQUESTS, 1, burst=0)),
        (LimitSetting(REQUESTS, 1, burst=9), LimitSetting(LimitKind.CONCURRENT, 1, burst=9)),
        (
            LimitSetting(BUDGET, 1, Window.DAY, thresholds=(1, 100)),
            LimitSetting(BUDGET, 1, Window.DAY, thresholds=(100, 1)),
        ),
        (
            LimitSetting(BUDGET, 1, Window.DAY, thresholds=()),
            LimitSetting(BUDGET, 1, Window.DAY, thresholds=(101,)),
        ),
        (
            LimitSetting(BUDGET, 1, Window.DAY, thresholds=tuple(range(1, 11))),
            LimitSetting(BUDGET, 1, Window.DAY, thresholds=tuple(range(1, 12))),
        ),
        (
            LimitSetting(LimitKind.OUTPUT_TOKENS_PER_CALL, 1),
            LimitSetting(LimitKind.OUTPUT_TOKENS_PER_CALL, 1, thresholds=(50,)),
        ),
    ],
)
def test_a_setting_is_taken_or_refused(good: LimitSetting, bad: LimitSetting) -> None:
    check(good)
    with pytest.raises(InvalidLimit):
        check(bad)


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("gpt-4*", ("gpt-4", "gpt-4o-mini", "GPT-4O"), ("gpt-5", "xgpt-4", None, "")),
        ("GPT-4", ("gpt-4", "Gpt-4"), ("gpt-4o", None)),
        ("*", ("anything", None), ()),
        ("anthropic.claude-v2:1", ("anthropic.claude-v2:1",), ("anthropic.claude-v2",)),
    ],
)
def test_a_pattern_covers_its_models(
    pattern: str, covered: tuple[str | None, ...], not_covered: tuple[str | None, ...]
) -> None:
    limit = a_limit(model=check_model(pattern))
    assert all(limit.covers(model) for model in covered)
    assert not any(limit.covers(model) for model in not_covered)
    assert all(a_limit().covers(model) for model in (*covered, *not_covered))


@pytest.mark.parametrize("pattern", ["", "a*b", "**", "*a", "a b", "é", "a\n", "x" * 202])
def test_a_pattern_that_means_something_else_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidLimit):
        check_model(pattern)


def test_a_threshold_is_reached_at_its_share_and_not_below() -> None:
    limit = a_limit(amount=3, thresholds=(50, 100))
    assert [len(crossed(limit, used, "2026-W48")) for used in range(4)] == [0, 0, 1, 2]
    assert crossed(replace(limit, amount=0), 0, "2026-W48") == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "a budget of 1.00 dollars a week"),
        ({"amount": 1_234_567, "model": "gpt-4*"}, "a budget of 1.234567 dollars a week for gpt-4*"),
        ({"kind": TOKENS, "window": Window.ROLLING, "hours": 24}, "1000000 tokens in 24 hours"),
        ({"kind": REQUESTS, "window": None, "amount": 5}, "5 requests a minute"),
        ({"kind": LimitKind.MICRO_DOLLARS_PER_CALL, "window": None}, "1.00 dollars"),
    ],
)
def test_a_limit_is_told_in_words(changed: dict[str, object], words: str) -> None:
    assert described(a_limit(**changed)) == words
