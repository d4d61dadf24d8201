"""Streams arrive while the provider is still writing them, and end as the provider ended them."""

import pytest

from tests.standins.answers import Answer
from tests.standins.office import HOSTS, Place

STREAMS = [
    ("openai", "openai-chat-stream"),
    ("openai", "openai-responses-stream"),
    ("anthropic", "anthropic-messages-stream"),
    ("google", "google-generate-stream"),
]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("provider", "name"), STREAMS, ids=[name for _, name in STREAMS])
def test_chunks_arrive_while_the_provider_holds_the_stream(
    place: Place, provider: str, name: str, asynchronous: bool
) -> None:
    answer = Answer.of(name)
    answer = answer.held(before=len(answer.chunks) - 1)
    assert answer.gate is not None
    place.office.provider.play(HOSTS[provider], answer)
    pending = place.machine.begin(provider, recording=name, stream=True, asynchronous=asynchronous)
    try:
        assert answer.gate.reached.wait(20)
        assert pending.chunk() == 1
        assert not answer.gate.opened.is_set()
    finally:
        answer.gate.open()
    done = pending.finish()
    assert "error" not in done, done
    assert len(done["result"]) > 1


def test_the_first_event_alone_arrives_before_the_second_is_written(place: Place) -> None:
    answer = Answer.of("openai-chat-stream").held(before=1)
    assert answer.gate is not None
    place.office.provider.play(HOSTS["openai"], answer)
    pending = place.machine.begin("openai", recording="openai-chat-stream", stream=True, asynchronous=True)
    try:
        assert pending.chunk() == 1
    finally:
        answer.gate.open()
    assert "error" not in pending.finish()


@pytest.mark.parametrize(("provider", "name"), STREAMS, ids=[name for _, name in STREAMS])
def test_a_stream_that_the_provider_breaks_off_never_looks_finished(
    place: Place, provider: str, name: str
) -> None:
    place.office.provider.play(HOSTS[provider], Answer.of(name).reset(before=2))
    done = place.machine.call(provider, recording=name, stream=True, asynchronous=False)
    assert "error" in done, done
