"""What a provider says of one key of a pool decides which key the next calls get."""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from addons.credential_health import CredentialHealth
from policy.credential_health import FIRST_REST
from policy.identifiers import CredentialId
from policy.snapshot import Credential, Health
from tests.addons.running import Running
from tests.builders import a_credential, a_snapshot
from tests.standins.answers import Answer
from vault import key_file
from vault.envelope import Binding
from vault.secret import Secret
from vault.vault import Vault

HOST = "api.openai.com"


@dataclass
class Pool:
    """The gateway's placeholder stands for two keys, by the key's text."""

    gateway: Running
    credentials: dict[str, Credential]

    @property
    def ids(self) -> dict[CredentialId, str]:
        return {credential.id: key for key, credential in self.credentials.items()}

    def state(self, **changed: Any) -> None:
        """Change every credential, as another worker or an administrator would."""
        for key, credential in self.credentials.items():
            self.credentials[key] = replace(credential, **changed)
        policy = self.gateway.snapshots.current
        self.gateway.snapshots.current = a_snapshot(
            tenants=policy.tenants.values(),
            users=policy.users.values(),
            credentials=self.credentials.values(),
            placeholders=[
                replace(each, credential_id=None, pool="gpt") for each in policy.placeholders.values()
            ],
        )

    async def used(self, calls: int, **headers: str) -> list[str]:
        """Which key each of so many calls was given."""
        self.gateway.provider.seen.clear()
        for _ in range(calls):
            await self.ask(**headers)
        return [key for seen in self.gateway.provider.wait_for(calls) for key in seen.keys]

    async def ask(self, **headers: str) -> int:
        key = {"authorization": f"Bearer {self.gateway.placeholder}"}
        body = {"model": "gpt-4o-mini", "messages": [], "max_tokens": 5}
        async with self.gateway.client() as client:
            url = self.gateway.url("openai", "/v1/chat/completions")
            return (await client.post(url, json=body, headers=key | headers)).status_code

    async def refuse_one(self, answer: Answer | None = None, **headers: str) -> str:
        """The key of one call that the provider refuses."""
        self.gateway.provider.play(HOST, answer or Answer.error("openai", 401))
        return (await self.used(1, **headers))[0]

    def later(self, by: timedelta) -> None:
        """Let the health's clock go on."""
        steps = self.gateway.engine.chain.steps
        health = next(step for step in steps if isinstance(step, CredentialHealth))
        health._clock = lambda: datetime.now(UTC) + by

    def incidents(self) -> list[dict[str, Any]]:
        return [event for event in self.gateway.events() if event["kind"] == "incident"]


@pytest.fixture
def pool(gateway: Running) -> Pool:
    policy = gateway.snapshots.current
    (tenant,) = policy.tenants.values()
    vault = Vault(key_file.FileKeys(gateway.folder / "kek"))
    made = {}
    for key in ("sk-proj-" + "A" * 40, "sk-proj-" + "B" * 40):
        credential = a_credential(tenant, name=key[-1], pool="gpt")
        sealed = vault.seal_credential(tenant, Binding.of(credential), Secret(key))
        made[key] = replace(credential, envelope=sealed)
    found = Pool(gateway, made)
    found.state()
    return found


async def test_calls_are_spread_and_the_event_names_the_credential(pool: Pool) -> None:
    used = await pool.used(16)
    assert set(used) == set(pool.credentials)
    ended = [event for event in pool.gateway.events() if "outcome" in event]
    named = [pool.ids[CredentialId(UUID(event["credential_id"]))] for event in ended]
    assert named == used


async def test_a_refused_key_is_passed_over_from_the_next_call_on(pool: Pool) -> None:
    refused = await pool.refuse_one()
    assert refused not in await pool.used(12)


async def test_its_administrators_are_told_once_with_what_happened_and_no_key(pool: Pool) -> None:
    refused = await pool.refuse_one()
    (told,) = pool.incidents()
    credential = pool.credentials[refused]
    assert told["action"] == "credential.refused"
    assert told["tenant_id"] == str(credential.tenant_id)
    assert told["severity"] == "warning"
    assert told["detail"]["status"] == 401
    assert told["detail"]["credential_id"] == str(credential.id)
    assert refused not in json.dumps(told)
    for _ in range(3):  # then both rest, and are tried all the same: it is the same illness
        await pool.refuse_one()
    assert len([each for each in pool.incidents() if each["detail"]["credential"] == credential.name]) == 1


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_other_errors_are_not_held_against_a_key(pool: Pool, status: int) -> None:
    await pool.refuse_one(Answer.error("openai", status))
    assert pool.incidents() == []
    assert len(set(await pool.used(16))) == 2


async def test_a_caller_cannot_have_a_key_marked(pool: Pool) -> None:
    await pool.refuse_one(**{"openai-organization": "org-of-another"})
    assert pool.incidents() == []
    assert len(set(await pool.used(16))) == 2


async def test_with_none_fit_calls_still_go_and_a_success_makes_it_well(pool: Pool) -> None:
    while len({each["detail"]["credential_id"] for each in pool.incidents()}) < 2:
        await pool.refuse_one()
    assert await pool.ask() == 200
    assert "credential.accepted" not in [
        each["action"] for each in pool.incidents()
    ]  # it rests at least once
    pool.later(FIRST_REST)
    assert await pool.ask() == 200
    assert [each["action"] for each in pool.incidents()].count("credential.accepted") == 1


async def test_one_that_rested_is_given_to_one_call_to_try_it(pool: Pool) -> None:
    refused = await pool.refuse_one()
    pool.later(FIRST_REST)
    pool.gateway.provider.play(HOST, *(Answer.error("openai", 500) for _ in range(40)))
    assert (await pool.used(30)).count(refused) == 1


async def test_a_refusal_that_comes_after_rotation_is_not_told(pool: Pool) -> None:
    gate = Answer.error("openai", 401).held(before=0)
    pool.gateway.provider.play(HOST, gate)
    asking = asyncio.create_task(pool.ask())
    while not pool.gateway.provider.seen:
        await asyncio.sleep(0.01)
    pool.state(version=2)
    assert gate.gate is not None
    gate.gate.open()
    assert await asking == 401
    assert pool.incidents() == []


async def test_what_another_worker_met_counts_here_too(pool: Pool) -> None:
    ill, well = pool.credentials
    pool.credentials[ill] = replace(pool.credentials[ill], health=Health(datetime.now(UTC), None, 1))
    pool.state()
    assert set(await pool.used(12)) == {well}


async def test_rotation_makes_it_well(pool: Pool) -> None:
    refused = await pool.refuse_one()
    assert refused not in await pool.used(6)
    credential = replace(pool.credentials[refused], version=2)
    (tenant,) = pool.gateway.snapshots.current.tenants.values()
    vault = Vault(key_file.FileKeys(pool.gateway.folder / "kek"))
    sealed = vault.seal_credential(tenant, Binding.of(credential), Secret(refused))
    pool.credentials[refused] = replace(credential, envelope=sealed)
    pool.state()
    assert refused in await pool.used(16)


async def test_a_pools_placeholder_goes_to_its_hosts_alone(pool: Pool) -> None:
    headers = {"x-api-key": pool.gateway.placeholder}
    async with pool.gateway.client() as client:
        url = pool.gateway.url("anthropic", "/v1/messages")
        refused = await client.post(
            url, json={"model": "m", "messages": [], "max_tokens": 5}, headers=headers
        )
    assert refused.status_code == 403
    assert pool.gateway.provider.seen == []
    assert len(await pool.used(1)) == 1
