"""Calendar windows in the tenant's time zone, and the headers that tell what is left."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.identifiers import ExchangeId, LimitId, TenantId
from policy.limits import (
    REASONS,
    Granted,
    Limit,
    LimitKind,
    LimitScope,
    Period,
    Refused,
    Remaining,
    Window,
    period_of,
    rate_headers,
)
from policy.money import MicroDollars
from policy.refusals import RETRYABLE, STATUS

BERLIN = ZoneInfo("Europe/Berlin")

moments = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2099, 12, 31), timezones=st.just(UTC)
)
zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
windows = st.sampled_from([window for window in Window if window is not Window.ROLLING])


@given(window=windows, moment=moments, zone=zones)
def test_a_moment_lies_in_its_period(window: Window, moment: datetime, zone: ZoneInfo) -> None:
    period = period_of(window, moment, zone)
    assert period.starts_at.astimezone(UTC) <= moment < period.ends_at.astimezone(UTC)


@given(window=windows, moment=moments, zone=zones)
def test_the_next_period_begins_where_one_ends(window: Window, moment: datetime, zone: ZoneInfo) -> None:
    period = period_of(window, moment, zone)
    following = period_of(window, period.ends_at, zone)
    last = period_of(window, period.ends_at.astimezone(UTC) - timedelta(microseconds=1), zone)
    assert following.starts_at.astimezone(UTC) == period.ends_at.astimezone(UTC)
    assert (last.name, last.starts_at) == (period.name, period.starts_at)
    assert following.name > period.name


@given(window=windows, moment=moments, zone=zones)
def test_every_moment_of_a_period_names_it_alike(window: Window, moment: datetime, zone: ZoneInfo) -> None:
    period = period_of(window, moment, zone)
    assert period_of(window, period.starts_at, zone) == period


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param(datetime(2026, 3, 29, 12), 23, id="clocks go forward"),
        pytest.param(datetime(2026, 10, 25, 12), 25, id="clocks go back"),
        pytest.param(datetime(2026, 11, 24, 12), 24, id="an ordinary day"),
    ],
)
def test_a_day_lasts_as_long_as_the_tenants_clocks_say(day: datetime, hours: int) -> None:
    period = period_of(Window.DAY, day.replace(tzinfo=BERLIN), BERLIN)
    assert period.ends_at.astimezone(UTC) - period.starts_at.astimezone(UTC) == timedelta(hours=hours)
    assert period.name == f"{day:%Y-%m-%d}"


def test_both_of_a_repeated_hour_lie_in_one_day() -> None:
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    assert period_of(Window.DAY, first, BERLIN) == period_of(Window.DAY, second, BERLIN)


@pytest.mark.parametrize("zone", ["America/Santiago", "Asia/Beirut", "America/Sao_Paulo", "Africa/Cairo"])
def test_days_whose_midnight_does_not_exist_or_exists_twice_join_without_gap(zone: str) -> None:
    moment = datetime(2000, 1, 1, tzinfo=UTC)
    period = period_of(Window.DAY, moment, ZoneInfo(zone))
    while period.ends_at.year < 2027:
        following = period_of(Window.DAY, period.ends_at, ZoneInfo(zone))
        assert following.starts_at.astimezone(UTC) == period.ends_at.astimezone(UTC)
        assert following.starts_at.astimezone(UTC) < following.ends_at.astimezone(UTC)
        period = following


def test_a_month_ends_with_the_year() -> None:
    period = period_of(Window.MONTH, datetime(2026, 12, 31, 22, 59, tzinfo=UTC), BERLIN)
    assert period == Period(
        "2026-12", datetime(2026, 12, 1, tzinfo=BERLIN), datetime(2027, 1, 1, tzinfo=BERLIN)
    )


def test_headers_tell_what_is_left_as_providers_do() -> None:
    granted = Granted(
        ExchangeId(uuid4()), 0, MicroDollars(0), Remaining(60, 59, 1000), Remaining(9000, 8500, 3_330)
    )
    assert dict(rate_headers(granted)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "9000",
        "x-ratelimit-remaining-tokens": "8500",
        "x-ratelimit-reset-tokens": "3.33s",
    }


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0ms"), (999, "999ms"), (1000, "1s"), (59_040, "59.04s"), (60_000, "1m0s"), (360_250, "6m0.25s")],
)
def test_a_reset_is_written_as_a_duration(milliseconds: int, text: str) -> None:
    granted = Granted(ExchangeId(uuid4()), 0, MicroDollars(0), Remaining(1, 0, milliseconds))
    assert dict(rate_headers(granted))["x-ratelimit-reset-requests"] == text


def test_without_limits_per_minute_there_are_no_headers() -> None:
    assert rate_headers(Granted(ExchangeId(uuid4()), 0, MicroDollars(0))) == ()


@pytest.mark.parametrize("kind", LimitKind)
def test_every_kind_of_limit_refuses_with_a_reason_that_time_mends(kind: LimitKind) -> None:
    tenant = TenantId(uuid4())
    refused = Refused(Limit(LimitId(uuid4()), tenant, LimitScope.TENANT, tenant, kind, 1), 1)
    assert refused.reason is REASONS[kind]
    assert STATUS[refused.reason] == 429
    assert refused.reason in RETRYABLE
