"""What mitmproxy's layers get wrong, and ours must not: hangs, wrong endings, unbounded heads."""

import asyncio
import json

import pytest

from tests.addons.running import Running
from tests.standins.answers import Answer

BODY = json.dumps({"model": "gpt-4o-mini", "messages": [], "max_tokens": 5}).encode()


async def talk(gateway: Running, *parts: bytes, timeout_s: float = 10) -> bytes:
    """Send bytes to the gateway's listener as they are; everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["gateway"])
    try:
        async with asyncio.timeout(timeout_s):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
    finally:
        writer.close()


def head(gateway: Running, *extra: str, key: str | None = None) -> bytes:
    lines = [
        "POST /openai/v1/chat/completions HTTP/1.1",
        "host: gateway",
        f"authorization: Bearer {key or gateway.placeholder}",
        "content-type: application/json",
        *extra,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


async def test_a_refusal_does_not_wait_for_the_body(gateway: Running):
    answer = await talk(gateway, head(gateway, "content-length: 1000000", key="sk-none"), b"{")
    assert b"x-conduit-reason: unidentified" in answer
    assert gateway.provider.seen == []


async def test_a_refusal_comes_whole_though_the_client_goes_on_sending(gateway: Running):
    answer = await talk(gateway, head(gateway, "content-length: 300000", key="sk-none"), b"x" * 300_000)
    assert answer.endswith(b"}")


async def test_an_expectation_is_not_met_for_a_refused_request(gateway: Running):
    request = head(gateway, "expect: 100-continue", "content-length: 5", key="sk-none")
    assert not (await talk(gateway, request)).startswith(b"HTTP/1.1 100")


async def test_an_endless_head_is_refused_at_its_bound(gateway: Running):
    answer = await talk(gateway, b"GET / HTTP/1.1\r\nx: " + b"a" * (32 * 1024 + 1))
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_body_over_its_bound_is_refused(gateway: Running):
    answer = await talk(gateway, head(gateway, f"content-length: {65 * 1024 * 1024}"))
    assert b"x-conduit-reason: request_too_large" in answer


async def test_a_chunked_body_over_its_bound_is_refused(gateway: Running):
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["gateway"])
    writer.write(head(gateway, "transfer-encoding: chunked"))
    sent = 0
    try:
        while sent < 80 * 1024 * 1024 and not reader.at_eof() and not reader._buffer:
            writer.write(chunk)
            await writer.drain()
            sent += 65536
    except ConnectionError:
        pass
    async with asyncio.timeout(10):
        assert b"request_too_large" in await reader.read()
    writer.close()


@pytest.mark.parametrize(
    "lines",
    [
        ["content-length: 2", "content-length: 3"],
        ["content-length: 2", "transfer-encoding: chunked"],
        ["content-length: 2", "x: a\r\n Authorization: Bearer b"],
        ["content-length: 2", "x: a\x00b"],
        ["content-length: 2", "authorization: Bearer second"],
        ["content-length: 2", "host: second"],
        ["content-length: 2", "connection: authorization"],
        ["content-length: +2"],
        ["transfer-encoding: chunked, identity"],
    ],
)
async def test_ambiguous_framing_or_headers_never_reach_the_provider(gateway: Running, lines):
    answer = await talk(gateway, head(gateway, *lines, "connection: close"), b"{}")
    assert answer.split(b" ")[1] == b"400"
    assert b"x-conduit-reason: request_malformed" in answer
    assert gateway.provider.seen == []


@pytest.mark.parametrize("method", ["TRACE", "FOO", "CONNECT"])
async def test_methods_that_nobody_needs_are_refused(gateway: Running, method):
    request = f"{method} /openai/v1/models HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n".encode()
    assert b"request_malformed" in await talk(gateway, request)


async def test_request_trailers_do_not_hang_the_client(gateway: Running):
    chunks = b"%x\r\n%s\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(BODY), BODY)
    answer = await talk(gateway, head(gateway, "transfer-encoding: chunked", "connection: close"), chunks)
    assert answer.startswith(b"HTTP/1.1 200")


async def test_early_hints_are_not_taken_for_the_answer(gateway: Running):
    raw = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    gateway.provider.play("api.openai.com", Answer.verbatim(raw))
    assert (await gateway.ask()).text == "{}"


async def test_response_trailers_do_not_hang_the_client(gateway: Running):
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-trailer: 1\r\n\r\n"
    gateway.provider.play("api.openai.com", Answer.verbatim(raw))
    assert (await gateway.ask()).text == "{}"


async def test_a_provider_that_breaks_off_before_its_answer_is_unreachable(gateway: Running):
    gateway.provider.play("api.openai.com", Answer.verbatim(b""))
    answer = await gateway.ask()
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (502, "upstream_unreachable")
    assert "error" in answer.json()


async def test_http2_clients_are_served_and_refused_alike(gateway: Running):
    """Three calls on one connection: admitted, refused, admitted."""
    command = ["curl", "--silent", "--show-error"]
    for key in (gateway.placeholder, "x", gateway.placeholder):
        command += [
            *("--http2", "--proxy", gateway.proxy),
            *("--cacert", str(gateway.folder / "ca" / "ca.pem"), "--data-binary", BODY.decode()),
            *("--header", "content-type: application/json", "--header", f"authorization: Bearer {key}"),
            *("--output", "/dev/null", "--write-out", "%{http_version} %{http_code} %{num_connects} "),
            "https://api.openai.com/v1/chat/completions",
            "--next",
        ]
    process = await asyncio.create_subprocess_exec(*command[:-1], stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert said.decode().split() == ["2", "200", "1", "2", "401", "0", "2", "200", "0"]


async def test_a_slow_head_is_timed_out(gateway: Running):
    gateway.engine.chain.deadlines.head_timeout_s = 0.1
    async with asyncio.timeout(5):
        assert await talk(gateway, b"GET / HT") == b""


async def test_a_provider_is_told_no_other_method_than_the_one_that_was_judged(gateway: Running):
    asked = {"authorization": f"Bearer {gateway.placeholder}", "x-http-method-override": "POST"}
    async with gateway.client() as client:
        answer = await client.get(gateway.url("openai", "/v1/models"), headers=asked)
    assert answer.status_code == 200
    assert gateway.provider.seen[-1].header("x-http-method-override") is None
