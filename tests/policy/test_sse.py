import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import sse
from policy.sse import Event, Events, JsonArray, JsonLines, ServerSentEvents

PARSERS = [ServerSentEvents, JsonLines, JsonArray]
DOCUMENTS = [{"a": 'x"}]{[\\'}, {"b": [1, {"c": "é\n"}]}, {}, {"long": "y" * 100}]
STREAMS = {
    ServerSentEvents: b": hi\n\nevent: a\ndata: 1\n\ndata: x\r\n\r\ndata: y\rdata:z\r\rdata\n\n\n\ndata: end",
    JsonLines: b'{"a":1}\n\n{"b":"\\n"}\r\n{"c":2}',
    JsonArray: json.dumps(DOCUMENTS, indent=2).encode(),
}


def parts(content: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    return [content[start:end] for start, end in pairwise(edges)]


def parsed(parser: Events, chunks: list[bytes]) -> list[Event]:
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.finish()


def test_events_have_name_and_data_whatever_ends_their_lines() -> None:
    events = parsed(ServerSentEvents(), [STREAMS[ServerSentEvents]])
    assert [(event.name, event.data) for event in events] == [
        (b"", None),
        (b"a", b"1"),
        (b"", b"x"),
        (b"", b"y\nz"),
        (b"", b""),
        (b"", None),
        (b"", b"end"),
    ]


def test_a_carriage_return_at_the_end_of_a_chunk_waits_for_its_line_feed() -> None:
    parser = ServerSentEvents()
    assert parser.feed(b"data: 1\r\n\r") == []
    assert [event.raw for event in parser.feed(b"\ndata: 2\n\n")] == [b"data: 1\r\n\r\n", b"data: 2\n\n"]


def test_an_event_is_given_as_soon_as_it_is_whole() -> None:
    assert [event.data for event in ServerSentEvents().feed(b"data: 1\n\ndata: 2\n\nda")] == [b"1", b"2"]
    assert [event.data for event in JsonArray().feed(b'[{"a":1}\n,{"b"')] == [b'{"a":1}']
    assert [event.data for event in JsonLines().feed(b'{"a":1}\n{"b"')] == [b'{"a":1}']


def test_elements_of_an_array_are_documents() -> None:
    events = parsed(JsonArray(), [STREAMS[JsonArray]])
    assert [json.loads(event.data) for event in events if event.data] == DOCUMENTS


@pytest.mark.parametrize("kind", PARSERS)
@given(cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_chunking_gives_the_same_events(kind: type[Events], cuts: list[int]) -> None:
    content = STREAMS[kind]
    assert parsed(kind(), parts(content, cuts)) == parsed(kind(), [content])


@pytest.mark.parametrize("kind", PARSERS)
@given(chunks=st.lists(st.binary(max_size=20) | st.text('\r\n:"\\[]{}da ', max_size=20).map(str.encode)))
def test_no_byte_is_lost_or_altered(kind: type[Events], chunks: list[bytes]) -> None:
    assert b"".join(event.raw for event in parsed(kind(), chunks)) == b"".join(chunks)


@pytest.mark.parametrize(
    ("kind", "opening", "closing"),
    [(ServerSentEvents, b"data: ", b"\n\n"), (JsonLines, b'"', b"\n"), (JsonArray, b'["', b'"]')],
)
def test_an_endless_event_passes_in_parts_and_is_not_kept(
    kind: type[Events], opening: bytes, closing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 1_000)
    parser = kind()
    chunks = [opening, *[b"x" * 100] * 50, closing]
    events = parsed(parser, chunks)
    assert b"".join(event.raw for event in events) == b"".join(chunks)
    assert all(event.data is None for event in events)
    assert max(len(event.raw) for event in events) <= 1_100
