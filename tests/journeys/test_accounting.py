"""What a call cost is what the provider said; every call is written down once, whatever its ending."""

import json

import httpx
import pytest

from tests.standins.answers import Answer
from tests.standins.office import HOSTS, Place
from tests.standins.recordings import load

BEFORE_THE_GATE = 4


def newcomer(place: Place, name: str) -> tuple[str, str]:
    """A user of this test alone, and a placeholder that is in force."""
    user = place.office.hire(name)
    _, placeholder = place.office.issue("openai", user=user)
    place.office.in_force()
    return user, placeholder


def test_usage_and_money_of_a_call_are_in_its_event(gateway_place: Place) -> None:
    place = gateway_place
    user, placeholder = newcomer(place, "usage-reader")
    place.machine.call(
        "openai", recording="openai-chat-stream", stream=True, asynchronous=False, key=placeholder
    )
    event = place.office.event(user=user, outcome="finished")
    assert (event["input_tokens"], event["output_tokens"], event["estimated"]) == (12, 5, False)
    assert event["cost_micro_dollars"] == 12 * 30 + 5 * 60
    assert event["model"].startswith("gpt-4")
    used = place.office.product.cli("usage", "--tenant", place.office.tenant, "--user", user)
    assert (used["requests"], used["micro_dollars"]) == (1, 12 * 30 + 5 * 60)


def test_a_stream_without_usage_is_counted_all_the_same(gateway_place: Place) -> None:
    place = gateway_place
    user, placeholder = newcomer(place, "usage-estimated")
    place.office.provider.play(HOSTS["openai"], Answer.of("openai-chat-stream-without-usage"))
    done = place.machine.call(
        "openai",
        recording="openai-chat-stream-without-usage",
        stream=True,
        asynchronous=False,
        key=placeholder,
    )
    assert "error" not in done, done
    event = place.office.event(user=user, outcome="finished")
    assert event["estimated"] is True
    assert event["output_tokens"] > 0


def test_a_caller_who_hangs_up_is_charged_for_what_flowed(gateway_place: Place) -> None:
    """Seen from the record: the provider's connection is closed, the call ends as aborted by the client."""
    place = gateway_place
    user, placeholder = newcomer(place, "hangs-up")
    answer = Answer.of("openai-chat-stream").held(before=BEFORE_THE_GATE)
    assert answer.gate is not None
    place.office.provider.play(HOSTS["openai"], answer)
    try:
        _ask_and_hang_up(place, placeholder)
        event = place.office.event(user=user, outcome="aborted_by_client")
        assert event["estimated"] is True
        assert event["output_tokens"] > 0
    finally:
        answer.gate.open()


def _ask_and_hang_up(place: Place, placeholder: str) -> None:
    with (
        httpx.Client(trust_env=False) as client,
        client.stream(
            "POST",
            place.url("openai", "/v1/chat/completions"),
            content=json.dumps(load("openai-chat-stream").request),
            headers={"authorization": f"Bearer {placeholder}", "content-type": "application/json"},
        ) as response,
    ):
        heard = b""
        for piece in response.iter_raw():
            heard += piece
            if heard.count(b"data:") >= BEFORE_THE_GATE:
                return


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_call_that_the_provider_refused_costs_nothing(gateway_place: Place, status: int) -> None:
    place = gateway_place
    user, placeholder = newcomer(place, f"refused-{status}")
    place.office.provider.play(HOSTS["openai"], Answer.error("openai", status))
    place.machine.call(
        "openai", recording="openai-chat", stream=False, asynchronous=False, key=placeholder, max_retries=0
    )
    event = place.office.event(user=user, status=status)
    assert not event.get("cost_micro_dollars")
