import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.usage_reports import REPORTS, KeyDay, UnreadableReport, Used
from policy.used_elsewhere import Finding, Tolerance, compare, settled_days

OPENAI, ANTHROPIC = REPORTS["openai"][0].read, REPORTS["anthropic"][0].read
TOLERANCE = Tolerance(tokens=1000, percent=5)

# As the providers' own pages show them.
OPENAI_PAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": 1730419200,
            "end_time": 1730505600,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1000,
                    "output_tokens": 500,
                    "input_cached_tokens": 800,
                    "num_model_requests": 5,
                    "api_key_id": "key_abc",
                    "model": None,
                }
            ],
        }
    ],
    "has_more": True,
    "next_page": "page_AAAAAGdGxdEiJdKOAAAAAGcqsYA=",
}
ANTHROPIC_PAGE = {
    "data": [
        {
            "starting_at": "2025-08-01T00:00:00Z",
            "ending_at": "2025-08-02T00:00:00Z",
            "results": [
                {
                    "api_key_id": "apikey_01Rj2N8SVvo6BePZj99NhmiT",
                    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
                    "cache_read_input_tokens": 200,
                    "output_tokens": 500,
                    "uncached_input_tokens": 1500,
                    "workspace_id": None,
                },
                {
                    "api_key_id": None,
                    "cache_creation": {},
                    "cache_read_input_tokens": 0,
                    "output_tokens": 7,
                    "uncached_input_tokens": 7,
                },
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}


def page(document, **changed):
    return json.dumps(document | changed).encode()


def test_openais_page():
    found = OPENAI(page(OPENAI_PAGE))
    assert found.used == {KeyDay("key_abc", date(2024, 11, 1)): Used(1500, 5)}
    assert found.next == "page_AAAAAGdGxdEiJdKOAAAAAGcqsYA="


def test_anthropics_page_counts_all_that_is_cached_and_nothing_of_the_workbench():
    found = ANTHROPIC(page(ANTHROPIC_PAGE))
    assert found.used == {KeyDay("apikey_01Rj2N8SVvo6BePZj99NhmiT", date(2025, 8, 1)): Used(3700)}
    assert found.next is None


@pytest.mark.parametrize("count", [-1, 1.5, "7", True, 2**60, None])
def test_a_count_that_is_none_is_an_error_not_a_zero(count):
    result = OPENAI_PAGE["data"][0]["results"][0] | {"input_tokens": count}
    lying = page(OPENAI_PAGE, data=[OPENAI_PAGE["data"][0] | {"results": [result]}])
    with pytest.raises(UnreadableReport, match="input_tokens"):
        OPENAI(lying)


@pytest.mark.parametrize(
    "changed", [{"next_page": None}, {"object": "list"}, {"has_more": "yes"}, {"data": None}]
)
def test_a_page_that_is_none_is_an_error(changed):
    with pytest.raises(UnreadableReport):
        OPENAI(page(OPENAI_PAGE, **changed))


@given(st.binary(max_size=200))
def test_whatever_comes_it_is_a_page_or_an_error(body):
    for read in (OPENAI, ANTHROPIC):
        with pytest.raises(UnreadableReport):
            read(body)


# The comparison


@pytest.mark.parametrize(
    ("metered", "reported", "finding"),
    [
        (0, 0, Finding.AGREES),
        (0, 1000, Finding.AGREES),
        (0, 1001, Finding.USED_ELSEWHERE),
        (100_000, 105_000, Finding.AGREES),
        (100_000, 105_001, Finding.USED_ELSEWHERE),
        (50_000, 0, Finding.UNCONFIRMED),
        (1000, 0, Finding.AGREES),
    ],
)
def test_more_than_tolerated_is_use_elsewhere(metered, reported, finding):
    assert compare(metered, reported, TOLERANCE) is finding


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_what_agrees_differs_by_no_more_than_is_tolerated(metered, reported):
    finding = compare(metered, reported, TOLERANCE)
    assert (finding is Finding.USED_ELSEWHERE) == (reported - metered > TOLERANCE.of(metered))
    assert compare(reported, reported, TOLERANCE) is Finding.AGREES


def test_only_whole_days_that_ended_long_enough_ago_are_compared():
    early = datetime(2026, 11, 24, 5, 59, tzinfo=UTC)
    late = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    six_hours = timedelta(hours=6)
    assert settled_days(early, delay=six_hours, days=2) == [date(2026, 11, 21), date(2026, 11, 22)]
    assert settled_days(late, delay=six_hours, days=2) == [date(2026, 11, 22), date(2026, 11, 23)]
