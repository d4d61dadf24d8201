"""Every event that a running instance writes is what docs/event.schema.json says; nothing else is written."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.standins.office import Place

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "event.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def problems(event: dict[str, Any]) -> list[str]:
    """What the schema objects to; the sequence is the record's, not the event's."""
    said = {name: value for name, value in event.items() if name != "sequence"}
    return [f"{event['kind']}: {error.message}" for error in VALIDATOR.iter_errors(said)]


def test_every_event_of_the_instance_is_as_documented(gateway_place: Place) -> None:
    """Calls and refusals of this test, and whatever other journeys have done on the instance before it."""
    place = gateway_place
    place.machine.call("openai", recording="openai-chat", stream=False, asynchronous=False)
    place.machine.call("openai", recording="openai-chat", stream=False, asynchronous=False, key="sk-unknown")
    place.office.event(kind="call", decision="allow", outcome="finished")
    found = place.office.product.cli("audit", "list", "--limit", "10000")
    assert {"call", "act"} <= {event["kind"] for event in found}
    assert sorted({problem for event in found for problem in problems(event)}) == []


def test_the_page_names_every_field() -> None:
    page = (DOCS / "events.md").read_text()
    assert [name for name in SCHEMA["properties"] if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": "hello"},
        {"kind": "note"},
        {"at": "yesterday"},
        {"decision": "deny"},
        {"score": 101},
        {"outcome": None},
    ],
)
def test_the_schema_refuses_what_is_no_event(changed: dict[str, Any]) -> None:
    call = {
        "schema": 1,
        "id": "01a20cf2-c9d9-76bb-bf21-d7c31575f0e8",
        "at": "2026-11-24T08:00:00.123456Z",
        "kind": "call",
        "tenant_id": "00000000-0000-0000-0000-000000000007",
        "mode": "gateway",
        "source_address": "10.0.0.7",
        "decision": "allow",
        "outcome": "finished",
    }
    assert problems(call) == []
    assert problems({**call, **changed}) != []
