"""What a call holds is given back when its client goes, however early."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from policy.limits import Granted, LimitKind
from tests.addons.running import Running, running
from tests.addons.test_limits import set_limit
from tests.addons.test_metering import wait_for_end
from tests.standins.provider import StandIn

BODY = json.dumps({"model": "gpt-4o-mini", "messages": [], "max_tokens": 5}).encode()


async def test_what_was_reserved_for_a_client_that_is_gone_is_given_back(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was held for a day: nobody settled what was granted after the end."""
    set_limit(gateway, LimitKind.CONCURRENT, 1)
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    reserve = gateway.limiter.reserve

    async def slow(demand: Any) -> Any:
        answer = await reserve(demand)
        assert isinstance(answer, Granted)
        begun.set()
        await may_go_on.wait()
        return answer

    with monkeypatch.context() as changed:
        changed.setattr(gateway.limiter, "reserve", slow)
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["gateway"])
        head = f"authorization: Bearer {gateway.placeholder}\r\ncontent-length: {len(BODY)}\r\n\r\n"
        writer.write(f"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\n{head}".encode() + BODY)
        await begun.wait()
        writer.transport.abort()
        while gateway.engine.calls_in_flight:
            await asyncio.sleep(0.01)
        may_go_on.set()
    event = await wait_for_end(gateway)
    assert event["outcome"] == "aborted_by_client"
    assert gateway.provider.seen == []
    assert (await gateway.ask()).status_code == 200


async def a_body_that_waits(gateway: Running, size: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A call to a host that nobody knows, without any identity, all but the end of its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["proxy"])
    head = f"POST http://bank.example/ HTTP/1.1\r\nhost: bank.example\r\ncontent-length: {size + 1}\r\n\r\n"
    writer.write(head.encode() + b"x" * size)
    return reader, writer


async def test_bodies_are_held_up_to_a_bound_of_all_together(
    short_path: Path, valkey_url: str, provider: StandIn
) -> None:
    limits = {"held_bytes_max": 300_000, "body_bytes_max": 200_000}
    async with running(short_path, valkey_url, provider, limits=limits) as gateway, asyncio.timeout(10):
        _, first = await a_body_that_waits(gateway, 190_000)
        second, _ = await a_body_that_waits(gateway, 190_000)
        answer = await second.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"x-conduit-reason: degraded" in answer
        first.transport.abort()
        while gateway.engine.calls_in_flight:
            await asyncio.sleep(0.01)
        third, writer = await a_body_that_waits(gateway, 190_000)
        writer.write(b"x")
        assert (await third.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
