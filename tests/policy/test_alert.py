"""Alerts: what makes incidents the same, and that nothing from the wire reaches a terminal or a header."""

import json
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from policy import syslog
from policy.alert import Alert, document, fingerprint, lines, reaches, sentence, severity_of
from policy.event import Event
from policy.identifiers import TenantId
from policy.incident import Severity, incident

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
TENANT = TenantId(uuid4())


def event(action: str = "honeytoken.used", **detail: int | str) -> Event:
    return incident(action, AT, severity=Severity.ALARM, whose=TENANT, detail=detail)


def alert(happened: Event, *, tenant: str = "acme", repeats: int = 0) -> Alert:
    return Alert(id="one", event=happened, tenant=tenant, repeats=repeats)


def test_numbers_do_not_make_incidents_differ_and_texts_do() -> None:
    one = fingerprint(event(host="a", count=1), folded=False)
    assert one == fingerprint(event(host="a", count=2), folded=False)
    assert one != fingerprint(event(host="b", count=1), folded=False)
    assert one != fingerprint(event("other.thing", host="a", count=1), folded=False)


def test_folded_by_action_and_tenant_alone() -> None:
    assert fingerprint(event(host="a"), folded=True) == fingerprint(event(host="b"), folded=True)
    elsewhere = event(host="a") | {"tenant_id": str(uuid4())}
    assert fingerprint(event(host="a"), folded=True) != fingerprint(elsewhere, folded=True)


def test_severities_have_an_order_and_an_unsaid_one_is_for_today() -> None:
    assert [reaches(each, Severity.WARNING) for each in Severity] == [False, True, True]
    assert severity_of({"action": "record.torn"}) is Severity.WARNING


def test_one_line_says_where_it_was_unless_it_was_in_several_places() -> None:
    assert sentence(alert(event(host="llm.example"))) == "alarm: honeytoken.used of acme at llm.example"
    assert "llm.example" not in sentence(alert(event(host="llm.example"), repeats=2))
    assert sentence(alert(event(host=3))) == "alarm: honeytoken.used of acme"


def test_repetitions_are_told_with_their_number() -> None:
    assert "12 more times" in sentence(alert(event(), repeats=12))
    assert document(alert(event(), repeats=12))["data"]["repeats"] == 12
    assert "repeats" not in document(alert(event()))["data"]


@given(st.text(), st.text(), st.text())
def test_whatever_comes_from_the_wire_stays_one_bounded_line(action: str, tenant: str, value: str) -> None:
    hostile = alert(event(action, host=value * 500), tenant=tenant)
    assert sentence(hostile).isprintable()
    assert all(line.isprintable() for line in lines(hostile).split("\n"))
    assert len(lines(hostile)) < 2500
    packet = syslog.message(hostile, facility=13, host=tenant)
    assert packet.isascii()
    assert b"\n" not in packet
    *_, structured_data, body = packet.split(b" ", 7)
    assert structured_data == b"-"
    assert json.loads(body)["data"]["severity"] == "alarm"


def test_a_message_too_long_for_receivers_goes_without_its_detail() -> None:
    many = event(**{f"field{number}": "\u2713" * 300 for number in range(20)})
    packet = syslog.message(alert(many), facility=13, host="gateway")
    assert len(packet) < 8192
    assert json.loads(packet[packet.index(b"{") :])["data"]["detail"] == {}


def test_priority_is_facility_and_severity() -> None:
    packet = syslog.message(alert(event()), facility=13, host="gateway")
    assert packet.startswith(b"<105>1 2026-11-24T08:00:00.000000Z gateway conduit - honeytoken.used - {")
    assert syslog.counted(b"four") == b"4 four"
