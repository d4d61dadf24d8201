"""The WebSocket handshake of RFC 6455: one reading, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.answers import close_reason, session_ending
from policy.handshake import InvalidHandshake, accept_of, check_answer, check_request
from policy.operations import PAST_THE_GATEWAY, operation_of, session_of
from policy.refusals import Reason, Refusal
from policy.session_messages import Dialect

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASKED = {
    "upgrade": "WebSocket",
    "connection": "keep-alive, Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": KEY,
}
ANSWERED = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": accept_of(KEY)}


def test_the_example_of_the_rfc():
    assert accept_of(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_handshake_is_taken():
    check_request("GET", "HTTP/1.1", ASKED)
    assert check_answer(KEY, "", ANSWERED) is None
    assert check_answer(KEY, "a, b", ANSWERED | {"sec-websocket-protocol": "b"}) == "b"


@pytest.mark.parametrize(
    "changed",
    [
        {"upgrade": "websocket, foo"},
        {"upgrade": "h2c"},
        {"connection": "keep-alive"},
        {"connection": "upgraded"},
        {"sec-websocket-version": "13, 8"},
        {"sec-websocket-key": f"{KEY}, {KEY}"},
        {"sec-websocket-key": "c2hvcnQ="},
        {"content-length": "1"},
        {"transfer-encoding": "chunked"},
    ],
)
def test_what_could_be_read_otherwise_is_refused(changed):
    with pytest.raises(InvalidHandshake):
        check_request("GET", "HTTP/1.1", ASKED | changed)


@pytest.mark.parametrize(
    ("method", "version"), [("POST", "HTTP/1.1"), ("GET", "HTTP/1.0"), ("GET", "HTTP/2.0")]
)
def test_only_get_of_http_1_1_opens_one(method, version):
    with pytest.raises(InvalidHandshake):
        check_request(method, version, ASKED)


@pytest.mark.parametrize(
    "changed",
    [
        {"upgrade": "h2c"},
        {"connection": "close"},
        {"sec-websocket-accept": accept_of("another")},
        {"sec-websocket-extensions": "permessage-deflate"},
        {"sec-websocket-protocol": "c"},
        {"sec-websocket-protocol": "a, b"},
    ],
)
def test_an_answer_to_something_else_is_refused(changed):
    with pytest.raises(InvalidHandshake):
        check_answer(KEY, "a, b", ANSWERED | changed)


@given(st.text(max_size=200), st.sampled_from(Reason))
def test_a_close_frame_holds_any_reason(message, reason):
    told = close_reason(Refusal(reason, message, "rule"))
    assert len(told.encode()) <= 123
    assert told.startswith(f"conduit: {reason.value}")


@pytest.mark.parametrize("dialect", Dialect)
def test_an_ending_is_in_the_protocols_own_shape_where_it_has_one(dialect):
    told = session_ending(Refusal(Reason.BUDGET_EXHAUSTED, "No more.", "rule"), dialect, "1")
    assert (told is not None) == (dialect in (Dialect.REALTIME, Dialect.RESPONSES))
    assert told is None or '"code":"budget_exhausted"' in told


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/realtime", "realtime"),
        ("/openai/realtime", "realtime"),
        ("/openai/v1/realtime", "realtime"),
        ("/v1/realtime/translations", "realtime"),
        ("/v1/responses", "responses"),
        ("/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", "live"),
        ("/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent", "live"),
        ("/v1/listen", "other"),
        ("/v1/chat/completions", "other"),
    ],
)
def test_the_path_tells_what_a_session_is_for(path, name):
    assert session_of(path).name == name


@pytest.mark.parametrize(
    "path",
    [
        "/v1/realtime/client_secrets",
        "/v1/realtime/sessions",
        "/v1/realtime/transcription_sessions",
        "/v1/realtime/translations/client_secrets",
        "/v1/realtime/calls",
        "/v1alpha/auth_tokens",
    ],
)
def test_what_leads_past_the_gateway_is_known(path):
    assert operation_of(path, "POST").name in PAST_THE_GATEWAY
