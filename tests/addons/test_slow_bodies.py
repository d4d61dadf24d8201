"""A body that trickles in is refused; one that comes at a fair rate is waited for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from addons.slow_bodies import SlowBodies
from tests.addons.running import Running, running
from tests.addons.test_metering import wait_for_end
from tests.standins.provider import StandIn

BODY = b'{"model":"gpt-4o-mini","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}'
HEAD = (
    b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
    b"authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n"
)


@contextlib.asynccontextmanager
async def begun(
    gateway: Running, size: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A call of which the head and so many bytes of the body have been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["gateway"])
    writer.write(HEAD % (gateway.placeholder.encode(), len(BODY)) + BODY[:size])
    async with asyncio.timeout(10):
        yield reader, writer
    writer.close()


async def test_a_body_that_does_not_come_to_its_end_is_refused(
    short_path: Path, valkey_url: str, provider: StandIn
) -> None:
    limits = {"body_timeout_s": 0.1, "body_bytes_per_second_min": 1_000_000}
    async with running(short_path, valkey_url, provider, limits=limits) as gateway:
        for size in (0, 1, len(BODY) - 1):
            async with begun(gateway, size) as (reader, _):
                answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 400")
            assert b"x-conduit-reason: request_malformed" in answer
        event = await wait_for_end(gateway)
        assert (event["rule"], event["outcome"], event["tenant"]) == ("body-in-time", "refused", "acme")
        assert gateway.engine.calls_in_flight == 0
        assert provider.seen == []
        assert (await gateway.ask()).status_code == 200


async def test_a_long_body_over_a_slow_line_is_waited_for(
    short_path: Path, valkey_url: str, provider: StandIn, monkeypatch
) -> None:
    limits = {"body_timeout_s": 0.1, "body_bytes_per_second_min": 1}
    looks: asyncio.Queue[bool] = asyncio.Queue()
    judge = SlowBodies._is_late

    def noting(self, visit):
        late = judge(self, visit)
        looks.put_nowait(late)
        return late

    monkeypatch.setattr(SlowBodies, "_is_late", noting)
    async with (
        running(short_path, valkey_url, provider, limits=limits) as gateway,
        begun(gateway, 60) as (reader, writer),
    ):
        assert not any([await looks.get() for _ in range(3)])
        writer.write(BODY[60:])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_an_http2_body_that_trickles_in_is_refused(
    short_path: Path, valkey_url: str, provider: StandIn
) -> None:
    limits = {"body_timeout_s": 0.1, "body_bytes_per_second_min": 1_000_000}
    async with running(short_path, valkey_url, provider, limits=limits) as gateway:
        curl = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--http2", "--proxy", gateway.proxy),
            *("--cacert", str(gateway.folder / "ca" / "ca.pem"), "--output", "/dev/null"),
            *("--write-out", "%{http_code} %{http_version}", "--request", "POST", "--upload-file", "."),
            *("--header", f"authorization: Bearer {gateway.placeholder}"),
            "https://api.openai.com/v1/chat/completions",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert curl.stdin is not None
        assert curl.stdout is not None
        curl.stdin.write(BODY[:1])
        async with asyncio.timeout(10):
            assert await curl.stdout.read() == b"400 2"
        curl.stdin.close()
        await curl.wait()
        assert (await wait_for_end(gateway))["rule"] == "body-in-time"
        assert provider.seen == []
