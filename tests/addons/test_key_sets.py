"""An issuer's keys are what it last said, for a stated time, whatever else comes from its address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from addons import key_sets
from addons.key_sets import KeySets, KeysUnavailable
from policy.tokens import Issuer
from tests.addons.identity import OTHER_KEY, SIGNING_KEY, key_set
from tests.standins.answers import Answer
from tests.standins.provider import StandIn

GOOD = Answer.json(200, key_set(SIGNING_KEY))


def issuer_at(provider: StandIn, **changed: str) -> Issuer:
    url = f"https://localhost:{provider.port}/jwks"
    stated = {"issuer": "https://id.example", "audience": "a", "jwks_url": url, "user_claim": "sub"} | changed
    return Issuer(
        **stated, algorithms=frozenset({"ES256"}), types=frozenset({"jwt"}), tenant="acme", tenant_claim=None
    )


@asynccontextmanager
async def following(provider: StandIn, *issuers: Issuer, clock=None) -> AsyncIterator[KeySets]:
    named = {"monotonic": clock} if clock else {}
    sets = KeySets(issuers, provider.authority.ca_file, **named)
    task = asyncio.create_task(sets.run())
    try:
        yield sets
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_calls_wait_for_one_fetch(provider: StandIn):
    provider.play("localhost", GOOD)
    issuer = issuer_at(provider)
    async with following(provider, issuer) as sets:
        found = await asyncio.gather(*(sets.keys(issuer) for _ in range(20)))
    assert {key.kid for keys in found for key in keys} == {"k0"}
    assert len(provider.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer.json(503, {}),
        Answer.json(200, {}),
        Answer.json(200, {"keys": []}),
        Answer(302, (("location", "/elsewhere"),)),
        Answer(200, chunks=(b" " * 100_000,) * 3),
        Answer.verbatim(b""),
        Answer.verbatim(b"nonsense\r\n\r\n"),
    ],
    ids=["an error", "no set", "an empty set", "a redirect", "too much", "nothing", "nonsense"],
)
async def test_whatever_is_no_key_set_gives_no_keys(provider: StandIn, answer: Answer):
    provider.play("localhost", answer)
    issuer = issuer_at(provider)
    async with following(provider, issuer) as sets:
        with pytest.raises(KeysUnavailable):
            await sets.keys(issuer)
    assert [seen.target for seen in provider.seen] == ["/jwks"]


async def test_a_server_that_nobody_vouches_for_gives_no_keys(provider: StandIn):
    provider.expired_hosts.add("localhost")
    issuer = issuer_at(provider)
    try:
        async with following(provider, issuer) as sets:
            with pytest.raises(KeysUnavailable):
                await sets.keys(issuer)
    finally:
        provider.expired_hosts.clear()
    assert provider.seen == []


async def test_the_last_good_keys_are_believed_for_a_stated_time(provider: StandIn, monkeypatch):
    monkeypatch.setattr(key_sets, "REFRESH_S", 0.01)
    monkeypatch.setattr(key_sets, "RETRY_S", 0.01)
    provider.play("localhost", GOOD, *[Answer.json(500, {})] * 1000)
    now = [1000.0]
    issuer = issuer_at(provider)
    async with following(provider, issuer, clock=lambda: now[0]) as sets:
        keys = await sets.keys(issuer)
        await asyncio.to_thread(provider.wait_for, 3)
        now[0] += key_sets.LAST_GOOD_S
        assert await sets.keys(issuer) is keys
        now[0] += 1
        with pytest.raises(KeysUnavailable):
            await sets.keys(issuer)


async def test_keys_are_fetched_again_before_they_are_needed(provider: StandIn, monkeypatch):
    monkeypatch.setattr(key_sets, "REFRESH_S", 0.01)
    provider.play("localhost", GOOD, *[Answer.json(200, key_set(OTHER_KEY, SIGNING_KEY))] * 1000)
    issuer = issuer_at(provider)
    async with following(provider, issuer) as sets:
        async with asyncio.timeout(5):
            while len(await sets.keys(issuer)) != 2:
                await asyncio.sleep(0.01)


async def test_asking_for_new_keys_is_bounded(provider: StandIn):
    provider.play("localhost", GOOD, GOOD)
    now = [1000.0]
    issuer = issuer_at(provider)
    async with following(provider, issuer, clock=lambda: now[0]) as sets:
        await sets.keys(issuer)
        assert not any(sets.refresh(issuer) for _ in range(100))
        now[0] += key_sets.ASKED_EVERY_S
        assert sets.refresh(issuer)
        await asyncio.to_thread(provider.wait_for, 2)
    assert len(provider.seen) == 2


async def test_one_issuer_that_is_lost_leaves_the_others(provider: StandIn):
    provider.play("localhost", GOOD)
    good, lost = issuer_at(provider), issuer_at(provider, jwks_url="https://localhost:1/jwks")
    async with following(provider, good, lost) as sets:
        assert await sets.keys(good)
        with pytest.raises(KeysUnavailable):
            await sets.keys(lost)
