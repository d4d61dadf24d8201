"""Probes of the isolation canary: limits, money, events and what is told of them."""

from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from policy.identifiers import ExchangeId
from policy.incident import Severity
from policy.limit_setting import LimitSetting
from policy.limits import LimitKind, LimitScope
from policy.money import MicroDollars
from store import (
    alerts,
    consumption,
    events,
    limits,
    prices,
    retention,
    usage,
)
from store.canary_rows import AGES_AGO, AGES_AHEAD, Probe, Rows, a_discount


def _usage_row(rows: Rows) -> usage.UsageRow:
    return usage.UsageRow(
        tenant_id=rows.tenant_id,
        id=ExchangeId(uuid7()),
        at=datetime.now(UTC),
        team_id=None,
        member_id=rows.member_id,
        placeholder_id=None,
        credential_id=None,
        provider=None,
        model=None,
        input_tokens=1,
        output_tokens=1,
        cache_read_tokens=0,
        cache_write_tokens=0,
        reasoning_tokens=0,
        cost_micro_dollars=MicroDollars(1),
        estimated=False,
        outcome="finished",
    )


def _message(rows: Rows) -> alerts.Message:
    return alerts.Message(rows.tenant_id, rows.team_id, rows.name, "{}", 0, AGES_AGO, 0, 0, told=False)


_SUBSCRIPTION = alerts.Subscription("canary", Severity.NOTICE)


RECORD: tuple[Probe, ...] = (
    Probe(
        limits.put,
        lambda s, r: limits.put(
            s,
            setting=LimitSetting(LimitKind.CONCURRENT, 0),
            subject=limits.LimitSubject(member_id=r.member_id),
        ),
    ),
    Probe(limits.every, lambda s, _: limits.every(s)),
    Probe(limits.remove, lambda s, r: limits.remove(s, limit_id=r.limit_id)),
    Probe(prices.add, lambda s, _: prices.add(s, new=a_discount(AGES_AHEAD)), aims=False),
    Probe(prices.add, lambda s, _: prices.add(s, new=a_discount(AGES_AHEAD), for_all=True)),
    Probe(prices.remove, lambda s, r: prices.remove(s, rule_id=r.price_id)),
    Probe(prices.every, lambda s, _: prices.every(s)),
    Probe(prices.in_force_for, lambda s, r: prices.in_force_for(s, tenant_id=r.tenant_id)),
    Probe(usage.add, lambda s, r: usage.add(s, rows=[_usage_row(r)])),
    Probe(
        usage.totals,
        lambda s, _: usage.totals(s, since=AGES_AGO, until=AGES_AHEAD, grouping=usage.Grouping.TENANT),
    ),
    Probe(
        consumption.consumed,
        lambda s, r: consumption.consumed(
            s,
            consumption.Consumption(
                LimitScope.USER, r.member_id, LimitKind.TOKENS, None, since=AGES_AGO, until=AGES_AHEAD
            ),
        ),
    ),
    Probe(
        usage.by_credential_and_day,
        lambda s, _: usage.by_credential_and_day(s, since=AGES_AGO, until=AGES_AHEAD),
    ),
    Probe(usage.latest, lambda s, _: usage.latest(s, limit=1000)),
    Probe(usage.prepare_months, lambda s, _: usage.prepare_months(s, months_ahead=1)),
    Probe(alerts.take_in, lambda s, _: alerts.take_in(s, subscription=_SUBSCRIPTION)),
    Probe(alerts.claim, lambda s, _: alerts.claim(s, destination="canary", lease=timedelta(0))),
    Probe(alerts.delivered, lambda s, r: alerts.delivered(s, message=_message(r), window=timedelta(0))),
    Probe(
        alerts.failed, lambda s, r: alerts.failed(s, message=_message(r), wait=timedelta(0), problem="theirs")
    ),
    Probe(alerts.standings, lambda s, _: alerts.standings(s)),
    Probe(alerts.deliveries, lambda s, _: alerts.deliveries(s, destination=None, limit=100)),
    Probe(events.latest, lambda s, _: events.latest(s, limit=1000)),
    Probe(retention.find, lambda s, _: retention.find(s)),
    Probe(retention.put, lambda s, _: retention.put(s, event_days=1, content_days=1), aims=False),
    Probe(retention.place, lambda s, r: retention.place(s, reason=r.name, placed_by="theirs"), aims=False),
    Probe(
        retention.release,
        lambda s, r: retention.release(s, hold_id=r.hold_id, released_by="theirs", reason="theirs"),
    ),
    Probe(retention.held, lambda s, r: retention.held(s, tenant_id=r.tenant_id)),
    Probe(retention.holds, lambda s, _: retention.holds(s)),
)
