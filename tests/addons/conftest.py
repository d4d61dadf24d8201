from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.addons.running import Running, running
from tests.standins.authority import Authority
from tests.standins.provider import StandIn


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
