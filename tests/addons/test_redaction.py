"""The real key never comes back, in whatever form the provider sends it."""

import base64
import gzip
import json

import pytest

from tests.addons.running import REAL_KEY, Running
from tests.standins.answers import Answer

KEY = REAL_KEY.encode()
PLAIN = b'{"error": "incorrect key: ' + KEY + b'"}'


@pytest.mark.parametrize(
    "body",
    [PLAIN, b'{"k": "' + base64.b64encode(b"Bearer " + KEY) + b'"}', json.dumps({"key": REAL_KEY}).encode()],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_body_that_echoes_the_key_is_scrubbed(gateway: Running, body, size):
    chunks = tuple(body[start : start + size] for start in range(0, len(body), size))
    gateway.provider.play("api.openai.com", Answer(200, (("content-type", "application/json"),), chunks))
    answer = await gateway.ask()
    assert answer.status_code == 200
    assert KEY not in answer.content
    assert base64.b64encode(KEY)[4:-8] not in answer.content
    assert "key_echoed" in gateway.events()[-1]["findings"]


async def test_an_encoded_body_that_echoes_the_key_is_scrubbed(gateway: Running):
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    gateway.provider.play("api.openai.com", Answer(200, headers, (gzip.compress(PLAIN),)))
    assert REAL_KEY not in (await gateway.ask()).text


async def test_an_encoding_that_cannot_be_looked_into_is_not_passed_on(gateway: Running):
    headers = (("content-type", "application/json"), ("content-encoding", "br"))
    gateway.provider.play("api.openai.com", Answer(200, headers, (b"\x0b\x02\x80abc\x03",)))
    answer = await gateway.ask()
    assert answer.status_code == 502
    assert b"abc" not in answer.content


async def test_a_header_that_echoes_the_key_is_scrubbed(gateway: Running):
    headers = (("content-type", "application/json"), ("x-debug", f"Bearer {REAL_KEY}"))
    gateway.provider.play("api.openai.com", Answer(200, headers, (b"{}",)))
    answer = await gateway.ask()
    assert REAL_KEY not in str(answer.headers)


async def test_an_encoded_body_without_the_key_is_left_encoded(gateway: Running):
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    gateway.provider.play("api.openai.com", Answer(200, headers, (gzip.compress(b"{}"),)))
    answer = await gateway.ask()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == "{}"


async def test_an_answer_without_the_key_is_left_as_it_is(gateway: Running):
    body = b'{"choices": [], "note": "sk-proj-REAL"}'
    gateway.provider.play("api.openai.com", Answer(200, (("content-type", "application/json"),), (body,)))
    assert (await gateway.ask()).content == body
