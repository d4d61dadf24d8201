"""The stand-ins are what they claim to be; else the journeys would prove nothing."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.standins.answers import Answer
from tests.standins.authority import Authority
from tests.standins.provider import StandIn
from tests.standins.recordings import Recording, every

HOST = "api.openai.com"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(Authority(tmp_path)) as standing:
        yield standing


def connect(provider: StandIn, host: str = HOST) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=provider.authority.ca_file)
    raw = socket.create_connection((provider.address, provider.port), 10)
    return context.wrap_socket(raw, server_hostname=host)


def client(provider: StandIn) -> httpx.Client:
    context = ssl.create_default_context(cafile=provider.authority.ca_file)
    return httpx.Client(verify=context, base_url=f"https://{provider.address}:{provider.port}")


def post(provider: StandIn, path: str, host: str = HOST, **body: object) -> httpx.Response:
    with client(provider) as http:
        return http.post(path, json=body, headers={"host": host}, extensions={"sni_hostname": host})


@pytest.mark.parametrize("recording", list(every()), ids=lambda item: item.name)
def test_a_recording_is_played_byte_for_byte(provider: StandIn, recording: Recording) -> None:
    provider.play(recording.host, Answer.of(recording))
    with (
        client(provider) as http,
        http.stream(
            recording.method,
            recording.path,
            headers={"host": recording.host},
            extensions={"sni_hostname": recording.host},
        ) as answer,
    ):
        assert answer.status_code == recording.status
        assert b"".join(answer.iter_raw()) == recording.body


def test_each_name_shows_its_own_certificate(provider: StandIn) -> None:
    for host in ("api.anthropic.com", "www.example.org"):
        with connect(provider, host) as tls:
            assert ("DNS", host) in (tls.getpeercert() or {})["subjectAltName"]


def test_an_expired_certificate_is_refused_by_a_client(provider: StandIn) -> None:
    provider.expired_hosts.add(HOST)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        connect(provider)


def test_every_request_is_kept_with_its_key(provider: StandIn) -> None:
    with client(provider) as http:
        http.post(
            "/v1/messages", headers={"x-api-key": "k"}, extensions={"sni_hostname": "api.anthropic.com"}
        )
    (seen,) = provider.wait_for(1)
    assert (seen.host, seen.method, seen.target, seen.keys) == (
        "api.anthropic.com",
        "POST",
        "/v1/messages",
        ("k",),
    )


def test_the_default_answer_follows_the_shape_of_the_call(provider: StandIn) -> None:
    streamed = post(provider, "/v1/chat/completions", stream=True, stream_options={"include_usage": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert post(provider, "/v1/chat/completions").json()["object"] == "chat.completion"


def test_a_held_stream_waits_for_the_test(provider: StandIn) -> None:
    answer = Answer.of("openai-chat-stream").held(before=2)
    provider.play(HOST, answer)
    with connect(provider) as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nhost: api.openai.com\r\nconnection: close\r\n\r\n")
        assert answer.gate is not None
        assert answer.gate.reached.wait(10)
        early = tls.recv(1 << 16)
        answer.gate.open()
        whole = early + b"".join(iter(lambda: tls.recv(1 << 16), b""))
    assert b"data: [DONE]" not in early
    assert b"data: [DONE]" in whole


def test_a_reset_breaks_the_connection_off(provider: StandIn) -> None:
    provider.play(HOST, Answer.of("openai-chat-stream").reset(before=2))
    with pytest.raises(httpx.TransportError):
        post(provider, "/v1/chat/completions")


def test_an_error_has_the_providers_shape(provider: StandIn) -> None:
    provider.play("api.anthropic.com", Answer.error("anthropic", 429, ("retry-after", "7")))
    answer = post(provider, "/v1/messages", host="api.anthropic.com")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["type"] == "rate_limit_error"
