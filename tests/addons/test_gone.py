"""A client that goes while its call is judged takes nothing with it."""

import asyncio
import json
from typing import Any

import pytest

from policy.limits import Granted, LimitKind
from tests.addons.running import Running
from tests.addons.test_limits import set_limit
from tests.addons.test_metering import wait_for_end

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
