from dataclasses import replace

import pytest

from policy.catalogue import Entry, Training
from policy.exchange import EndpointState
from policy.risk import RISK_MAX, Facts, risk

ENTRY = Entry("a.example", "acme", "chat", "web", "eu", "DE", False, "test", "", "Acme", Training.NO)
QUIET = Facts(ENTRY, EndpointState.SANCTIONED, bytes_up=0, class_hits=0, private_uses=0)


def test_a_sanctioned_endpoint_that_nothing_speaks_against_has_no_risk():
    assert risk(QUIET).score == 0
    assert risk(QUIET).parts == ()


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (replace(QUIET, entry=replace(ENTRY, training=Training.YES)), "training"),
        (replace(QUIET, entry=replace(ENTRY, country="CN")), "country"),
        (replace(QUIET, entry=replace(ENTRY, country="US")), "country"),
        (replace(QUIET, class_hits=1), "data classes"),
        (replace(QUIET, private_uses=1), "private use"),
        (replace(QUIET, state=EndpointState.MONITORED, bytes_up=10_000), "volume"),
    ],
)
def test_each_fact_adds_its_part_and_says_why(facts, name):
    found = risk(facts)
    assert [part.name for part in found.parts] == [name]
    assert found.score == found.parts[0].points > 0
    assert found.parts[0].reason


def test_what_is_not_known_counts_and_the_heaviest_part_stands_first():
    found = risk(Facts(None, EndpointState.MONITORED, 10**9, 1000, 5))
    assert {part.name for part in found.parts} >= {"training", "country", "unlisted", "volume"}
    assert [part.points for part in found.parts] == sorted((p.points for p in found.parts), reverse=True)
    assert found.score == min(sum(part.points for part in found.parts), RISK_MAX)


def test_volume_that_was_sanctioned_adds_nothing():
    assert risk(replace(QUIET, bytes_up=10**9)).score == 0
