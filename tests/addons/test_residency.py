"""A tenant's data residency decides where its calls may go."""

from dataclasses import replace

import pytest

from tests.addons.running import Running, running


@pytest.fixture
async def gateway(tmp_path, valkey_url, provider):
    async with running(tmp_path, valkey_url, provider) as started:
        yield started


def keep_in(gateway: Running, *regions: str) -> None:
    policy = gateway.snapshots.current
    tenants = {key: replace(each, residency=frozenset(regions)) for key, each in policy.tenants.items()}
    gateway.snapshots.current = replace(policy, tenants=tenants)


async def test_a_call_that_would_leave_the_regions_is_refused_and_recorded(gateway: Running):
    keep_in(gateway, "cn")
    answer = await gateway.ask()
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (403, "region_denied")
    assert gateway.events()[-1]["rule"] == "data-residency"


async def test_a_call_within_the_regions_goes_through(gateway: Running):
    keep_in(gateway, "cn", "global", "us")
    assert (await gateway.ask()).status_code == 200
