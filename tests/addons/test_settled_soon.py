"""However an answer ends, in whatever shape: what it used is charged at once, and marked where estimated."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.addons.running import Running, running, with_limits
from tests.addons.test_metering import a_budget, settled
from tests.standins.answers import Answer
from tests.standins.office import HOSTS, key_headers
from tests.standins.provider import StandIn
from tests.standins.recordings import load

STREAMS = (
    "openai-chat-stream",
    "openai-responses-stream",
    "anthropic-messages-stream",
    "google-generate-stream",
)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("ending", ["client", "provider", "ours"])
async def test_an_aborted_stream_is_charged_at_once(
    short_path: Path, valkey_url: str, provider: StandIn, name: str, ending: str
) -> None:
    recording = load(name)
    upstream = {"resolve": provider.resolve(*HOSTS.values()), "ca_file": provider.authority.ca_file}
    started = running(short_path, valkey_url, provider, provider_id=recording.provider, upstream=upstream)
    async with started as gateway:
        gateway.limiter._runner.timeout_s = (
            10.0  # the machine may be busy: what is bounded is tested elsewhere
        )
        limit = a_budget(gateway, 10**9)
        gateway.snapshots.current = with_limits(gateway.snapshots.current, limit)
        answer = Answer.of(name).reset(before=3) if ending == "provider" else Answer.of(name).held(before=3)
        provider.play(recording.host, answer)
        try:
            ended = await _until_the_end(gateway, name, ending)
            event = await _event(gateway)
        finally:
            if answer.gate is not None:
                answer.gate.open()  # only now, or the provider might finish before the end is noticed
        passed = time.monotonic() - ended
        assert event.get("reason") is None
        assert event["estimated"] is True
        assert event["cost_micro_dollars"] > 0
        assert await settled(gateway, limit) == event["cost_micro_dollars"]
    print(f"{name}, ended by {ending}: {passed * 1000:.0f} ms until it was recorded and charged")


async def _until_the_end(gateway: Running, name: str, ending: str) -> float:
    """Ask, and have it ended; when that was (monotonic seconds)."""
    recording = load(name)
    asked: dict[str, Any] = {
        "method": "POST",
        "url": gateway.url(recording.provider, recording.path),
        "json": recording.request,
        "headers": key_headers(recording.provider, gateway.placeholder),
    }
    async with gateway.client() as client:
        if ending == "provider":
            with pytest.raises(httpx.RemoteProtocolError):
                await client.request(**asked)
            return time.monotonic()
        async with client.stream(**asked) as stream:
            chunks = stream.aiter_raw()
            await asyncio.wait_for(anext(chunks), 5)
            if ending == "ours":
                gateway.engine.chain.done()
    return time.monotonic()


async def _event(gateway: Running) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while not (found := [event for event in gateway.events() if "outcome" in event]):
            await asyncio.sleep(0.005)
    return found[0]
