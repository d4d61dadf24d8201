"""A key that is used outside the gateway shows in the provider's usage report, and nothing else does."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from conduit.settings import Settings
from conduit.usage_check import UsageChecker, usage_checker
from policy.identifiers import ExchangeId
from policy.used_elsewhere import Finding
from store import credential_acts, events, usage
from store.claim import Purpose
from store.credential_acts import NewCredential
from store.credentials import Credential, Options
from store.credentials import Purpose as For
from store.door import Store
from store.roles import RoleSecrets
from tests.standins.answers import Answer
from tests.standins.authority import Authority
from tests.standins.provider import StandIn
from tests.standins.usage_reports import ANTHROPIC, OPENAI, UsageReports
from tests.store.test_acts import ADA, Plant, a_plant
from vault.kek import KeyDocument, LocalKeys
from vault.secret import Secret
from vault.vault import Vault

ADMIN = {"openai": "sk-admin-openai", "anthropic": "sk-ant-admin01-x"}
HOSTS = {"openai": OPENAI, "anthropic": ANTHROPIC}
KEY_ID = {"openai": "key_abc", "anthropic": "apikey_01"}
NOW = datetime.combine(datetime.now(UTC).date(), time(12), UTC) + timedelta(days=3)
DAY = NOW.date() - timedelta(days=1)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(Authority(tmp_path_factory.mktemp("authority"))) as provider:
        yield provider


@dataclass
class Place:
    plant: Plant
    gateway: Store
    checker: UsageChecker
    provider: StandIn
    reports: UsageReports
    credentials: dict[str, Credential]

    async def meter(self, provider: str, tokens: int, *, day: Any = DAY, estimated: bool = False) -> None:
        """So much went through the gateway."""
        row = usage.UsageRow(
            tenant_id=self.plant.tenant_id,
            id=ExchangeId(uuid7()),
            at=datetime.combine(day, time(23, 59), UTC),
            team_id=None,
            member_id=self.plant.user.id,
            placeholder_id=None,
            credential_id=self.credentials[provider].id,
            provider=provider,
            model="m",
            input_tokens=tokens - tokens // 2,
            output_tokens=tokens // 2,
            cache_read_tokens=0,
            cache_write_tokens=0,
            reasoning_tokens=0,
            cost_micro_dollars=None,
            estimated=estimated,
            outcome="finished",
        )
        async with self.gateway.tenant(self.plant.tenant_id) as session:
            await usage.add(session, rows=[row])

    async def findings(self) -> dict[str, Finding]:
        """By provider, of yesterday."""
        outcomes = await self.checker.check(self.plant.tenant_id, now=NOW)
        assert [each.failure for each in outcomes] == [None] * len(outcomes)
        return {
            item.credential.provider: item.finding
            for each in outcomes
            for item in each.compared
            if item.day == DAY
        }

    async def incidents(self) -> list[dict[str, Any]]:
        async with self.plant.store.tenant(self.plant.tenant_id) as session:
            found = await events.latest(session, limit=100, search=events.Search(kind="incident"))
        return [json.loads(each.body) for each in found]

    async def failure(self) -> str:
        """Why OpenAI's report could not be had."""
        outcomes = await self.checker.check(self.plant.tenant_id, now=NOW)
        return next(each.failure or "" for each in outcomes if each.key.provider == "openai")


@pytest.fixture
async def place(
    store: Store, role_secrets: RoleSecrets, stand_in: StandIn, tmp_path: Path
) -> AsyncIterator[Place]:
    stand_in.forget()
    vault = Vault(LocalKeys(KeyDocument.fresh()))
    plant = await a_plant(store, vault)

    async def add(provider: str, name: str, secret: str, **options: Any) -> Credential:
        new = NewCredential(provider, name, [HOSTS[provider]], Secret(secret), Options(**options))
        return await credential_acts.add_credential(
            store, vault, actor=ADA, tenant_id=plant.tenant_id, new=new
        )

    held = {each: await add(each, f"{each}-key", "sk", provider_key_id=KEY_ID[each]) for each in ADMIN}
    for provider, key in ADMIN.items():
        await add(provider, f"{provider}-admin", key, purpose=For.USAGE)
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await usage.prepare_months(session, months_ahead=1)
    reports = UsageReports(ADMIN)
    stand_in.special = reports.answer
    (tmp_path / "run").mkdir()
    settings = Settings.model_validate(
        {
            "upstream": {
                "resolve": stand_in.resolve(OPENAI, ANTHROPIC),
                "ca_file": stand_in.authority.ca_file,
            },
            "usage_check": {"tolerance_tokens": 1000, "tolerance_percent": 5, "timeout_s": 5},
        }
    )
    gateway = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    async with usage_checker(store, vault, tmp_path, settings) as checker:
        yield Place(plant, gateway, checker, stand_in, reports, held)
    await gateway.close()


@pytest.mark.parametrize("provider", ADMIN)
async def test_what_went_through_here_agrees(place: Place, provider: str) -> None:
    await place.meter(provider, 40_000)
    await place.meter(provider, 10_000)
    place.reports.used[KEY_ID[provider], DAY] = 50_500
    assert (await place.findings())[provider] is Finding.AGREES
    assert await place.incidents() == []


@pytest.mark.parametrize("provider", ADMIN)
async def test_more_than_that_was_used_elsewhere_and_is_told_once_with_numbers(
    place: Place, provider: str
) -> None:
    await place.meter(provider, 50_000, estimated=True)
    place.reports.used[KEY_ID[provider], DAY] = 90_000
    for _ in range(2):
        assert (await place.findings())[provider] is Finding.USED_ELSEWHERE
    (told,) = await place.incidents()
    assert (told["action"], told["severity"]) == ("credential.used_elsewhere", "alarm")
    assert told["detail"] == {
        "credential_id": str(place.credentials[provider].id),
        "credential": f"{provider}-key",
        "provider": provider,
        "provider_key_id": KEY_ID[provider],
        "day": DAY.isoformat(),
        "metered_tokens": 50_000,
        "reported_tokens": 90_000,
        "surplus_tokens": 40_000,
        "estimated_calls": 1,
    }


async def test_the_report_is_read_to_its_last_page(place: Place) -> None:
    days = [DAY - timedelta(days=back) for back in (0, 1)]
    for day in days:
        place.reports.used["key_abc", day] = 5000
    await place.findings()
    assert {each["detail"]["day"] for each in await place.incidents()} == {DAY.isoformat(), str(days[1])}
    pages = [seen for seen in place.provider.seen if seen.host == OPENAI and "completions" in seen.target]
    assert len(pages) == 3


async def test_keys_that_are_not_ours_count_for_nothing(place: Place) -> None:
    place.reports.used["key_of_another_project", DAY] = 10**9
    assert set((await place.findings()).values()) == {Finding.AGREES}


async def test_days_on_which_the_key_was_not_ours_all_day_are_not_compared(place: Place) -> None:
    added_on = place.credentials["openai"].created_at.date()
    place.reports.used["key_abc", added_on] = 10**9
    await place.findings()
    assert await place.incidents() == []


async def test_a_provider_that_counts_nothing_of_what_went_through_here_is_told(place: Place) -> None:
    await place.meter("openai", 50_000)
    assert (await place.findings())["openai"] is Finding.UNCONFIRMED
    assert [each["action"] for each in await place.incidents()] == ["credential.usage_unconfirmed"]


async def test_without_an_administrators_key_nobody_is_asked(place: Place) -> None:
    other = await a_plant(place.plant.store, place.plant.vault)
    assert await place.checker.check(other.tenant_id, now=NOW) == []
    assert place.provider.seen == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer.error("openai", 401), "answered 401"),
        (Answer.error("openai", 429), "answered 429"),
        (Answer.error("openai", 500), "answered 500"),
        (Answer(302, (("location", "https://evil.test/"),), (b"",)), "answered 302"),
        (Answer.json(200, {"object": "page"}), "wrong at: data"),
        (Answer.json(200, {"object": "page", "data": [], "has_more": True}), "no page to go to"),
        (Answer.verbatim(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}"), "could not be asked"),
    ],
    ids=("401", "429", "500", "redirect", "no report", "no next page", "cut off"),
)
async def test_a_report_that_cannot_be_had_is_told_and_finds_nothing(
    place: Place, answer: Answer, why: str
) -> None:
    place.reports.used["key_abc", DAY] = 10**9
    place.provider.play(OPENAI, answer)
    assert why in await place.failure()
    (told,) = await place.incidents()
    assert (told["action"], told["severity"]) == ("credential.usage_unchecked", "warning")
    assert ADMIN["openai"] not in json.dumps(told)


async def test_pages_that_lead_back_to_themselves_end(place: Place) -> None:
    page = Answer.json(200, {"object": "page", "data": [], "has_more": True, "next_page": "again"})
    place.provider.play(OPENAI, page, page)
    assert "lead back" in await place.failure()


async def test_a_provider_that_trickles_is_given_up(place: Place) -> None:
    from dataclasses import replace

    checker = replace(place.checker, settings=place.checker.settings.model_copy(update={"timeout_s": 0.3}))
    gate = Answer.json(200, {"object": "page"}).held(before=0)
    place.provider.play(OPENAI, gate)
    outcomes = await checker.check(place.plant.tenant_id, now=NOW)
    assert gate.gate is not None
    gate.gate.open()
    assert any("took too long" in (each.failure or "") for each in outcomes)
