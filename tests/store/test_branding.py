import pytest

from policy.branding import Branding
from policy.identifiers import TenantId
from store import branding, branding_acts
from store.acts import Actor
from store.door import Store
from store.errors import InvalidRecord, NotFound
from store.snapshot import SnapshotSource

ADA = Actor("ada", "command line")


async def test_a_tenants_page_reaches_its_workers_and_nobody_elses(
    store: Store, gateway: Store, tenant: TenantId
) -> None:
    acme = Branding("Acme", "#004488", b"", "it@acme.example", "", 4)
    await branding_acts.set_branding(store, actor=ADA, tenant_id=tenant, branding=acme)
    policy = await SnapshotSource(gateway).load()
    assert policy.branding_of(tenant) == acme
    others = {policy.branding_of(each) for each in policy.tenants if each != tenant}
    assert acme not in others
    await branding_acts.clear_branding(store, actor=ADA, tenant_id=tenant)
    async with store.tenant(tenant) as session:
        assert await branding.find(session) is None
    with pytest.raises(NotFound):
        await branding_acts.clear_branding(store, actor=ADA, tenant_id=tenant)


async def test_an_unsound_page_is_refused(store: Store, tenant: TenantId) -> None:
    with pytest.raises(InvalidRecord):
        await branding_acts.set_branding(store, actor=ADA, tenant_id=tenant, branding=Branding(colour="red"))
