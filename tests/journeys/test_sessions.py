"""Realtime sessions of the unmodified SDKs, in every mode, from the machine to the provider."""

from tests.journeys.test_accounting import newcomer
from tests.standins.office import HOSTS, Place
from tests.standins.realtime import LIVE_USAGE, REALTIME_USAGE


def test_a_realtime_session_goes_through_with_the_key_swapped(place: Place) -> None:
    done = place.machine.call("realtime", model="gpt-realtime")
    assert "error" not in done, done
    assert "".join(event["delta"] for event in done["result"] if "delta" in event) == "Hello"
    (seen,) = place.office.provider.seen
    assert seen.keys == (place.office.keys["openai"],)
    # Other tests of the same office open such sessions to other hosts.
    event = place.office.event(
        operation="realtime", host=HOSTS["openai"], mode=mode_of(place), outcome="finished"
    )
    assert (event["model"], event["output_tokens"]) == ("gpt-realtime", REALTIME_USAGE["output_tokens"])
    assert event["cost_micro_dollars"] == 6_966


def test_a_live_session_goes_through_with_the_key_swapped(intercepted: Place) -> None:
    done = intercepted.machine.call("live", model="gemini-live-2.5-flash")
    assert "error" not in done, done
    (seen,) = intercepted.office.provider.seen
    assert seen.keys == (intercepted.office.keys["google"],)
    event = intercepted.office.event(operation="live", mode=mode_of(intercepted), outcome="finished")
    assert event["output_tokens"] == LIVE_USAGE["responseTokenCount"]


def test_what_a_session_cost_is_in_the_usage(gateway_place: Place) -> None:
    place = gateway_place
    user, placeholder = newcomer(place, "session-reader")
    place.machine.call("realtime", model="gpt-realtime", key=placeholder)
    place.office.event(operation="realtime", user=user, outcome="finished")
    used = place.office.product.cli("usage", "--tenant", place.office.tenant, "--user", user)
    assert (used["requests"], used["micro_dollars"]) == (1, 6_966)


def mode_of(place: Place) -> str:
    """As the event calls it."""
    return {"proxy": "explicit"}.get(place.mode, place.mode)
