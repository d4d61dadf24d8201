"""What the caller receives is, byte for byte, what the provider sent."""

from base64 import b64decode

import pytest

from tests.standins.answers import Answer
from tests.standins.office import Place
from tests.standins.recordings import Recording, every

_HELD = tuple(recording for recording in every() if recording.provider in ("openai", "anthropic", "google"))


@pytest.mark.parametrize("recording", _HELD, ids=lambda item: item.name)
def test_an_answer_passes_unchanged(place: Place, recording: Recording) -> None:
    place.office.provider.play(recording.host, Answer.of(recording))
    done = place.machine.call("raw", **place.raw(recording))
    assert "error" not in done, done
    assert done["result"]["status"] == recording.status
    assert b64decode(done["result"]["body"]) == recording.body
    headers = dict(done["result"]["headers"])
    for name, value in recording.headers:
        assert headers[name] == value
    assert headers["x-conduit-request-id"]


@pytest.mark.parametrize("recording", _HELD, ids=lambda item: item.name)
def test_a_question_passes_with_its_meaning(place: Place, recording: Recording) -> None:
    """Nothing of what was asked changes, except that a stream may be asked to report its usage."""
    place.machine.call("raw", **place.raw(recording))
    (seen,) = place.office.provider.seen
    asked, arrived = dict(recording.request or {}), dict(seen.json)
    if recording.path.endswith("/chat/completions") and asked.get("stream"):
        assert arrived.pop("stream_options")["include_usage"] is True
        asked.pop("stream_options", None)
    assert arrived == asked
    assert seen.target == recording.path
