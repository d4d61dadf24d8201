"""Credentials and placeholders through the API: pools, and what the provider says of a key."""

import httpx
import pytest

from console.services import Services
from store import credential_acts, member_acts
from store.credentials import Options
from tests.console.conftest import TESTER
from tests.console.test_api import a_tenant, program
from vault.secret import Secret

__all__ = ["program"]


@pytest.fixture
async def place(services: Services) -> tuple[str, str]:
    """The address of a tenant with a pool, and the id of a user of it."""
    tenant_id = await a_tenant(services)
    user = await member_acts.create_user(
        services.store, actor=TESTER, tenant_id=tenant_id, new=member_acts.NewUser("ada")
    )
    new = credential_acts.NewCredential(
        "openai", "one", ["api.openai.com"], Secret("sk-one"), Options(weight=3, pool="gpt")
    )
    await credential_acts.add_credential(
        services.store, services.vault, actor=TESTER, tenant_id=tenant_id, new=new
    )
    return f"/api/v1/tenants/{tenant_id}", str(user.id)


async def test_a_credential_shows_its_pool_and_what_the_provider_says_of_it(
    program: httpx.AsyncClient, place: tuple[str, str]
) -> None:
    (shown,) = (await program.get(f"{place[0]}/credentials")).json()
    told = {"purpose": "calls", "pool": "gpt", "weight": 3, "refused_at": None, "refused_status": None}
    assert shown.items() >= told.items()


async def test_a_placeholder_is_issued_for_a_pool(program: httpx.AsyncClient, place: tuple[str, str]) -> None:
    at, user = place
    issued = await program.post(f"{at}/placeholders", json={"user_id": user, "pool": "gpt"})
    assert issued.status_code == 201, issued.text
    (shown,) = (await program.get(f"{at}/placeholders")).json()
    assert (shown["pool"], shown["credential_id"]) == ("gpt", None)


@pytest.mark.parametrize("stands_for", [{}, {"pool": "gpt", "credential_id": "CREDENTIAL"}, {"pool": "none"}])
async def test_it_stands_for_one_of_both_that_is_there(
    program: httpx.AsyncClient, place: tuple[str, str], stands_for: dict[str, str]
) -> None:
    at, user = place
    (credential,) = (await program.get(f"{at}/credentials")).json()
    named = {name: text.replace("CREDENTIAL", credential["id"]) for name, text in stands_for.items()}
    refused = await program.post(f"{at}/placeholders", json={"user_id": user, **named})
    assert 400 <= refused.status_code < 500
    assert (await program.get(f"{at}/placeholders")).json() == []
