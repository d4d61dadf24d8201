"""The oldest PostgreSQL that is supported, as Debian packages it: the migrations, the guard and the canary.

`make test-postgresql` runs every test of the store on it.
"""

import asyncio

import pytest

from store.canary import Canary
from store.door import Store
from store.guard import inspect_role, inspect_schema
from store.migrate import upgrade
from tests.standins.debian_cluster import cluster, newest


@pytest.mark.skipif(newest() is None, reason="Debian's postgresql is not installed")
async def test_tenants_are_kept_apart_there_too() -> None:
    with cluster() as url:
        secrets = await asyncio.to_thread(upgrade, url)
        store = await Store.open(secrets.console_dsn, secrets.claim_key)
        async with store.engine.connect() as connection:
            assert await inspect_role(connection) == []
            assert await inspect_schema(connection) == []
        result = await Canary(store).run_once()
        assert result.breaches == ()
        await store.close()
