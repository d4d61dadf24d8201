import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.addons.running import Running, running
from tests.standins.authority import Authority
from tests.standins.provider import StandIn
from tests.standins.realtime import Realtime
from tests.standins.sessions import Behaviour, SessionStandIn, echo, session_stand_in

SESSION_HOSTS = ("api.openai.com", "chat.example")
REALTIME_HOSTS = ("api.openai.com", "generativelanguage.googleapis.com")


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(Authority(tmp_path_factory.mktemp("authority"))) as provider:
        yield provider


@pytest.fixture
def provider(stand_in: StandIn) -> StandIn:
    stand_in.forget()
    return stand_in


@pytest_asyncio.fixture
async def gateway(short_path: Path, valkey_url: str, provider: StandIn) -> AsyncIterator[Running]:
    async with running(short_path, valkey_url, provider) as started:
        yield started


@pytest.fixture
def launched(short_path, valkey_url, provider):
    """Start a gateway before a provider that behaves so."""

    @contextlib.asynccontextmanager
    async def launch(behave: Behaviour, **settings) -> AsyncIterator[tuple[Running, SessionStandIn]]:
        async with session_stand_in(provider.authority, behave) as there:
            upstream = there.upstream(provider.authority, *SESSION_HOSTS)
            async with running(short_path, valkey_url, provider, upstream=upstream, **settings) as gateway:
                yield gateway, there

    return launch


@pytest_asyncio.fixture
async def echoing(launched):
    async with launched(echo) as both:
        yield both


@pytest.fixture
def launched_realtime(short_path, valkey_url, provider, monkeypatch):
    """Start a gateway before a stand-in of a realtime API, trusted by this process."""

    @contextlib.asynccontextmanager
    async def launch(there: Realtime, host: str = REALTIME_HOSTS[0], **policy):
        async with session_stand_in(provider.authority, there, host=host) as listening:
            upstream = listening.upstream(provider.authority, *REALTIME_HOSTS)
            async with running(short_path, valkey_url, provider, upstream=upstream, **policy) as gateway:
                monkeypatch.setenv("SSL_CERT_FILE", str(gateway.folder / "ca" / "ca.pem"))
                yield gateway

    return launch
