"""Each kind of event is a valid event of its OCSF class, however much or little it says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.event_ocsf import ocsf, ocsf_line
from tests.policy.test_event_formats import CALL

# github.com/ocsf/ocsf-schema: what is required of each class, and of objects "at_least_one" (constraints).
BASE = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}
REQUIRED = {
    6003: BASE | {"actor", "api", "src_endpoint"},
    3002: BASE | {"user"},
    3004: BASE | {"entity"},
    2004: BASE | {"finding_info"},
}
ACTIVITIES = {
    6003: {0, 1, 2, 3, 4, 99},
    3002: {0, 1, 2, 3, 4, 5, 6, 7, 99},
    3004: {*range(14), 99},
    2004: {0, 1, 2, 3, 99},
}
AT_LEAST_ONE = {
    "actor": {"process", "user", "iam_role", "invoked_by", "session", "app_name", "app_uid"},
    "src_endpoint": {"ip", "uid", "name", "hostname"},
    "dst_endpoint": {"ip", "uid", "name", "hostname"},
    "user": {"account", "name", "uid"},
    "service": {"name", "uid"},
    "entity": {"name", "uid"},
    "url": {"url_string", "path"},
    "product": {"name", "uid"},
}
NEEDS = {"metadata": {"product", "version"}, "api": {"operation"}, "finding_info": {"uid"}}
TEXTS = ("status_code", "status_detail", "activity_name", "class_name", "category_name", "severity", "status")


def problems(found: dict[str, Any]) -> list[str]:
    """What the schema would object to."""
    kind = found["class_uid"]
    said = [f"lacks {name}" for name in REQUIRED[kind] - found.keys()]
    if found["activity_id"] not in ACTIVITIES[kind]:
        said.append("its activity is none of its class")
    if found["type_uid"] != kind * 100 + found["activity_id"] or found["category_uid"] != kind // 1000:
        said.append("its numbers do not fit each other")
    if kind == 3002 and not {"service", "dst_endpoint"} & found.keys():
        said.append("names neither service nor destination")
    said += [f"{name} is no text" for name in TEXTS if not isinstance(found.get(name, ""), str)]
    return said + [
        problem for name, value in found.items() if name != "unmapped" for problem in objects(name, value)
    ]


def objects(name: str, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [f"{name} is empty"] if value in (None, {}) else []
    said = (
        [f"{name} names none of {AT_LEAST_ONE[name]}"]
        if AT_LEAST_ONE.get(name, value.keys()).isdisjoint(value)
        else []
    )
    said += [f"{name} lacks {part}" for part in NEEDS.get(name, set()) - value.keys()]
    return said + [problem for part, inner in value.items() for problem in objects(part, inner)]


BARE = {"id": "01a20cf2-c9d9-76bb-bf21-d7c31575f0e8", "at": CALL["at"]}
EVENTS = {
    "a call": (CALL, 600301),
    "a refusal": ({**CALL, "outcome": "refused", "reason": "rate_limited", "message": "Wait."}, 600301),
    "a call of nobody": ({**BARE, "kind": "call"}, 600399),
    "a tunnel": (
        {**BARE, "kind": "tunnel", "host": "x.example", "port": 443, "source_address": "::1"},
        600399,
    ),
    "an act": (
        {**BARE, "kind": "act", "action": "user.create", "actor": "ada", "target": "u1", "via": "api"},
        300401,
    ),
    "a revocation": (
        {**BARE, "kind": "act", "action": "placeholder.revoke", "actor": "ada", "target": "p"},
        300404,
    ),
    "another act": (
        {**BARE, "kind": "act", "action": "isolation.breach", "actor": "canary", "target": "x"},
        300499,
    ),
    "a sign-in": ({**BARE, "kind": "sign_in", "actor": "ada", "outcome": "accepted"}, 300201),
    "a refused sign-in of nobody": ({**BARE, "kind": "sign_in", "outcome": "refused"}, 300201),
    "a sign-out": ({**BARE, "kind": "sign_in", "actor": "ada", "outcome": "signed_out"}, 300202),
    "an incident": (
        {**BARE, "kind": "incident", "action": "record.rewritten", "severity": "alarm", "detail": {"n": 1}},
        200401,
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_each_kind_is_a_valid_event_of_its_class(name: str) -> None:
    event, type_uid = EVENTS[name]
    found = json.loads(ocsf_line({**event, "sequence": 4}))
    assert problems(found) == []
    assert (found["type_uid"], found["metadata"]["sequence"]) == (type_uid, 4)


def test_nothing_of_an_event_is_lost() -> None:
    found = ocsf({**CALL, "outcome": "refused", "reason": "rate_limited", "message": "Wait."})
    assert (found["status_id"], found["status_code"], found["time"]) == (2, "rate_limited", 1795507200123)
    assert found["actor"]["user"] == {"uid": CALL["user_id"], "name": "alice"}
    assert found["unmapped"]["cost_micro_dollars"] == 120


def test_how_grave_an_incident_is_stands_in_its_severity() -> None:
    incident = EVENTS["an incident"][0]
    graded = [ocsf({**incident, "severity": each})["severity_id"] for each in ("notice", "warning", "alarm")]
    assert graded == [2, 3, 5]


FACTS = st.dictionaries(st.sampled_from(sorted(CALL.keys() - {"id", "at", "kind"})), st.just("x"), max_size=6)


@given(FACTS, st.sampled_from(["call", "tunnel", "act", "sign_in", "incident"]))
def test_whatever_is_missing_the_event_stays_valid(facts: dict[str, str], kind: str) -> None:
    assert problems(ocsf({**BARE, **facts, "kind": kind})) == []
