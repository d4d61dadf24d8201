"""Bodies that two readers take differently, or that cost more to read than to send."""

import gzip
import json
from typing import Any

import pytest

from tests.attacks.conversation import BODY, Attacker, Reply, request
from tests.standins.office import Office

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}


def send(attacker: Attacker, body: bytes, *headers: tuple[str, str]) -> Reply:
    given = [attacker.bearer, ("Content-Type", "application/json"), *headers]
    return attacker.gateway(request(attacker.path(), given, body, host=attacker.gateway_host))


def chat(**changes: Any) -> bytes:
    return json.dumps({**CHAT, **changes}).encode()


MALFORMED = {
    "duplicate-key": b'{"model": "gpt-4o-mini", "model": "gpt-4o", "messages": []}',
    "duplicate-key-nested": b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "role": "system"}]}',
    "utf-16": json.dumps(CHAT).encode("utf-16"),
    "utf-32": json.dumps(CHAT).encode("utf-32"),
    "byte-order-mark": b"\xef\xbb\xbf" + json.dumps(CHAT).encode(),
    "invalid-utf-8": b'{"model": "gpt-4o-mini\xff", "messages": []}',
    "nan": b'{"model": "gpt-4o-mini", "messages": [], "temperature": NaN}',
    "infinity": b'{"model": "gpt-4o-mini", "messages": [], "temperature": Infinity}',
    "overflow": b'{"model": "gpt-4o-mini", "messages": [], "temperature": 1e400}',
    "deep": b'{"model": "gpt-4o-mini", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "long-number": b'{"model": "gpt-4o-mini", "messages": [], "n": ' + b"9" * 6000 + b"}",
    "not-json": b"model=gpt-4o-mini",
    "cut-off": json.dumps(CHAT).encode()[:-5],
    "two-documents": json.dumps(CHAT).encode() * 2,
    "an-array": json.dumps([CHAT]).encode(),
    "empty": b"",
    "lone-surrogate": b'{"model": "gpt-4o-mini\\ud800", "messages": []}',
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_body_that_can_be_read_in_two_ways(attacker: Attacker, kind: str) -> None:
    attacker.assert_refused(send(attacker, MALFORMED[kind]), 400, 403)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_tokens": -1},
        {"max_tokens": 1.5},
        {"max_tokens": "100"},
        {"max_tokens": True},
        {"max_tokens": 10**30},
        {"n": 0},
        {"n": -1},
        {"n": "2"},
        {"stream": "true"},
        {"stream": 1},
        {"model": 5},
        {"model": ["gpt-4o"]},
        {"model": ""},
        {"stream_options": "x", "stream": True},
    ],
    ids=lambda changes: json.dumps(changes)[:40],
)
def test_a_parameter_of_the_wrong_kind(attacker: Attacker, changes: dict[str, Any]) -> None:
    attacker.assert_refused(send(attacker, chat(**changes)), 400, 403)


def test_a_compressed_body_is_read(attacker: Attacker) -> None:
    reply = send(attacker, gzip.compress(BODY), ("Content-Encoding", "gzip"))
    assert reply.status in (200, 400, 415), reply.raw[:500]
    for seen in attacker.office.provider.seen:
        assert seen.keys == (attacker.office.keys["openai"],)


@pytest.mark.parametrize("coding", ["gzip, br", "unknown", "identity, gzip", "gzip,gzip", "br, identity"])
def test_a_coding_that_cannot_be_looked_into(attacker: Attacker, coding: str) -> None:
    attacker.assert_refused(send(attacker, gzip.compress(BODY), ("Content-Encoding", coding)), 400, 403, 415)


@pytest.fixture(scope="module")
def for_one_model(office: Office) -> str:
    """A placeholder that is good for ``gpt-4`` alone, in force."""
    _, placeholder = office.issue("openai", "--models", "gpt-4")
    office.in_force()
    return placeholder


@pytest.mark.parametrize(
    "model",
    ["gpt-4ο", "ｇｐｔ-4", "gpt-4\u200b", "GPT-4", "gpt-4 ", "gpt-4:free", "ft:gpt-4:evil", "../gpt-4"],
)
def test_a_model_name_that_resembles_the_allowed_one(
    attacker: Attacker, for_one_model: str, model: str
) -> None:
    headers = [("Authorization", f"Bearer {for_one_model}"), ("Content-Type", "application/json")]
    raw = request(attacker.path(), headers, chat(model=model), host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 400, 403)


def test_the_allowed_model_is_served(attacker: Attacker, for_one_model: str) -> None:
    headers = [("Authorization", f"Bearer {for_one_model}"), ("Content-Type", "application/json")]
    raw = request(attacker.path(), headers, chat(model="gpt-4"), host=attacker.gateway_host)
    assert attacker.gateway(raw).status == 200


def form(head: str, model: str = "dear") -> bytes:
    return f"--x\r\n{head}\r\n\r\n{model}\r\n--x--\r\n".encode()


HIDDEN_MODELS = {
    "behind-blanks": (" " * 65 + json.dumps({"model": "dear"})).encode(),
    "in-a-form": form('Content-Disposition: form-data; name="model"'),
    "with-a-parameter": form('Content-Disposition: form-data; name="model"; x="y"'),
    "without-quotes": form("content-disposition:form-data;name=model"),
    "twice": form('Content-Disposition: form-data; name="model"; name="x"', "gpt-4"),
    "behind-many-headers": form("X-A: b\r\n" * 50 + 'Content-Disposition: form-data; name="model"'),
    "nowhere": form('Content-Disposition: form-data; name="x"'),
}


@pytest.mark.parametrize("place", HIDDEN_MODELS)
def test_a_model_that_is_not_the_allowed_one_by_another_spelling(
    attacker: Attacker, for_one_model: str, place: str
) -> None:
    headers = [
        ("Authorization", f"Bearer {for_one_model}"),
        ("Content-Type", "multipart/form-data; boundary=x"),
    ]
    path = attacker.path("/v1/audio/transcriptions")
    raw = request(path, headers, HIDDEN_MODELS[place], host=attacker.gateway_host)
    attacker.assert_refused(attacker.gateway(raw), 400, 403)
    named = form('Content-Disposition: form-data; name="model"', "gpt-4")
    assert attacker.gateway(request(path, headers, named, host=attacker.gateway_host)).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/openai/../anthropic/v1/messages",
        "/openai/%2e%2e/anthropic/v1/messages",
        "/openai/v1/%2e%2e/%2e%2e/admin",
        "/openai//evil.test/v1",
        "//openai/v1/chat/completions",
        "/openai/v1/chat%2fcompletions",
        "/openai/v1/chat/completions;x=1",
        "/openai/v1/chat/completions#x",
        "/openai/v1/chat\\completions",
        "/openai/v1/./chat/completions",
        "/openai/v1/chat/completions%00",
        "/openai/v1/realtime/client_secret%73",
        "/openai/v1/realtime/client_secret%2573",
    ],
)
def test_a_path_that_can_be_read_in_two_ways(attacker: Attacker, target: str) -> None:
    """Either refused, or passed on as that and nothing else: never another host, never a call unmetered."""
    reply = attacker.gateway(request(target, [attacker.bearer], host=attacker.gateway_host))
    attacker.assert_refused(reply)
