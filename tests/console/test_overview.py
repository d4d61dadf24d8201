"""A caller's hostile text does not take the analyst's page away."""

from datetime import UTC, datetime

from console.services import Services
from store import overview
from store.door import Store
from store.roles import RoleSecrets
from tests.console.seeds import call_event, ship
from tests.console.test_access import a_tenant


async def test_a_name_with_a_nul_is_shown_like_any_other(
    role_secrets: RoleSecrets, services: Services
) -> None:
    gateway = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    tenant_id = await a_tenant(services)
    await ship(gateway, [call_event(tenant_id, datetime.now(UTC), model="gpt\x00o")])
    await gateway.close()
    async with services.store.tenant(tenant_id) as session:
        (event,) = await overview.events(session, most=1)
    assert event.model == "gpto"  # a text column holds no NUL
