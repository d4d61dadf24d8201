import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from policy.evidence import RequestEvidence
from policy.session_evidence import MESSAGES_MAX, first_messages, judge
from tests.standins.sessions import CONTINUATION, PING, TEXT, frame

OPENED = RequestEvidence("GET", "x.test", "/ws", {"upgrade": "websocket"}, b"")
TURN = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "temperature": 0.2}
CHUNK = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "hi"}}]}


def framed(document: object, *, mask: bool) -> bytes:
    return frame(TEXT, json.dumps(document).encode(), mask=mask)


@given(st.lists(st.binary(max_size=300), max_size=MESSAGES_MAX), st.booleans())
def test_messages_are_read_as_they_were_framed(sent: list[bytes], mask: bool) -> None:
    assert first_messages(b"".join(frame(TEXT, each, mask=mask) for each in sent)) == sent


@given(st.lists(st.text(min_size=1, max_size=300), max_size=MESSAGES_MAX), st.booleans())
def test_packed_messages_are_unpacked(sent: list[str], client: bool) -> None:
    packing = PerMessageDeflate()
    packing.finalize("permessage-deflate")
    protocol = FrameProtocol(client=client, extensions=[packing])
    assert first_messages(b"".join(protocol.send_data(each, fin=True) for each in sent)) == [
        each.encode() for each in sent
    ]


def test_parts_are_put_together_and_control_frames_left_out() -> None:
    copy = (
        frame(TEXT, b"one ", fin=False) + frame(PING, b"x") + frame(CONTINUATION, b"two") + frame(TEXT, b"3")
    )
    assert first_messages(copy) == [b"one two", b"3"]


@pytest.mark.parametrize("size", [20, 300, 70_000])
def test_of_a_message_that_is_cut_off_the_beginning_counts(size: int) -> None:
    whole = frame(TEXT, b"x" * size, mask=True)
    assert first_messages(whole[:-5]) == [b"x" * (size - 5)]


def test_no_more_is_unpacked_than_is_read() -> None:
    packing = PerMessageDeflate()
    packing.finalize("permessage-deflate")
    bomb = FrameProtocol(client=False, extensions=[packing]).send_data(b"\0" * 50_000_000, fin=True)
    assert sum(map(len, first_messages(bytes(bomb)))) <= 128 * 1024


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_judged_and_none_raises(said: bytes, heard: bytes) -> None:
    assert judge(OPENED, said, heard).score <= 100


def test_the_question_that_tells_most_counts_with_the_answer() -> None:
    said = framed({"token": "t"}, mask=True) + framed(TURN, mask=True)
    verdict = judge(OPENED, said, framed({"ok": True}, mask=False) + framed(CHUNK, mask=False))
    assert verdict.verdict == "ai"
    assert "body of a chat request, an AI model's name" in verdict.evidence


def test_talk_between_people_is_none() -> None:
    remark = {"type": "message", "channel": "C1", "user": "ada", "text": "hello team", "role": "user"}
    assert judge(OPENED, framed(remark, mask=True), framed(remark, mask=False)).verdict == "none"
