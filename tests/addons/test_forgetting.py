"""A worker holds no key of a tenant that was shredded, also where no call comes any more."""

import asyncio
from dataclasses import replace

from addons.credentials import Credentials
from tests.addons.running import Running


async def test_a_shredded_tenants_keys_leave_the_memory_of_workers_without_a_call(gateway: Running) -> None:
    assert (await gateway.ask()).status_code == 200
    credentials = next(step for step in gateway.engine.chain.steps if isinstance(step, Credentials))
    (ring,) = credentials._vault._rings.values()
    assert any(any(key) for key in ring.keys.values())
    policy = gateway.snapshots.current
    shredded = {name: replace(each, data_key=b"") for name, each in policy.tenants.items()}
    gateway.snapshots.current = replace(policy, tenants=shredded)
    async with asyncio.timeout(10):
        while credentials._vault._rings:
            await asyncio.sleep(0.02)
    assert not any(any(key) for key in ring.keys.values())
