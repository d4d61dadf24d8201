"""The live stream tells of what is new, to whom may see it, for as long as they are signed in."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from litestar import Litestar

from console import live
from console.errors import NotSignedIn, TooBusy
from console.live import Live
from console.services import Services
from policy.identifiers import TenantId
from store.door import Store
from tests.console.conftest import Clock, a_client
from tests.console.seeds import call_event, ship
from tests.console.test_access import a_tenant


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.01)


async def signed_in() -> None:
    return None


async def signed_out() -> None:
    raise NotSignedIn


async def next_event(stream: AsyncIterator[object]) -> str:
    """The next message that is an event and no comment."""
    async with asyncio.timeout(20):
        async for message in stream:
            if getattr(message, "event", None):
                return str(message.event)  # type: ignore[attr-defined]
    return "nothing more"


async def following(stream: AsyncIterator[object]) -> None:
    """Read the first comment: from here on the stream has seen what there is."""
    assert getattr(await anext(stream), "comment", None) == "connected"


async def test_a_tenants_own_event_is_told(services: Services, gateway: Store, clock: Clock) -> None:
    tenant_id = await a_tenant(services)
    stream = Live(services.store).changes(tenant_id, signed_in)
    await following(stream)
    await ship(gateway, [call_event(tenant_id, clock.now)])
    assert await next_event(stream) == "changed"


async def test_another_tenants_event_is_not(services: Services, gateway: Store, clock: Clock) -> None:
    own, other = await a_tenant(services), await a_tenant(services)
    stream = Live(services.store).changes(own, signed_in)
    await following(stream)
    await ship(gateway, [call_event(other, clock.now)])
    for _ in range(5):
        assert getattr(await anext(stream), "event", None) is None


async def test_the_stream_ends_with_the_session(services: Services) -> None:
    stream = Live(services.store).changes(TenantId(await a_tenant(services)), signed_out)
    assert await next_event(stream) == "ended"
    assert await next_event(stream) == "nothing more"


async def test_every_stream_ends_when_the_process_is_to_end(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_S", 3600)
    streams = Live(services.store)
    stream = streams.changes(await a_tenant(services), signed_in)
    await following(stream)
    streams.end()
    assert await next_event(stream) == "nothing more"


async def test_only_so_many_streams_at_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STREAMS_MAX", 1)
    streams = Live(services.store)
    tenant_id = await a_tenant(services)
    first = streams.changes(tenant_id, signed_in)
    await following(first)
    with pytest.raises(TooBusy):
        await anext(streams.changes(tenant_id, signed_in))
    await first.aclose()  # type: ignore[attr-defined]
    await following(streams.changes(tenant_id, signed_in))


async def test_without_a_session_the_page_is_told_so(app: Litestar) -> None:
    answer = await a_client(app).get("/live")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: ended" in answer.text
