"""Valkey is lost: calls are refused, or pass up to the worker's share where the tenant chose so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from policy.identifiers import LimitId
from policy.limits import Limit, LimitKind, LimitScope, Window
from policy.money import MicroDollars
from policy.snapshot import PolicySnapshot
from tests.addons.running import Running, running, with_limits
from tests.addons.test_metering import long_stream
from tests.standins.provider import StandIn


def with_allowance(policy: PolicySnapshot, micro_dollars: int | None) -> PolicySnapshot:
    """The same policy; its tenant has a large budget, and this allowance."""
    (tenant,) = policy.tenants.values()
    kind, window = LimitKind.BUDGET_MICRO_DOLLARS, Window.MONTH
    budget = Limit(LimitId(uuid7()), tenant.id, LimitScope.TENANT, tenant.id, kind, 10**9, window)
    allowance = MicroDollars(micro_dollars) if micro_dollars is not None else None
    changed = replace(tenant, allowance=allowance)
    return with_limits(replace(policy, tenants={tenant.id: changed}), budget)


@pytest.fixture
async def hung(tmp_path: Path, provider: StandIn) -> AsyncIterator[Running]:
    """A gateway whose Valkey takes connections and never answers."""

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(tmp_path, f"redis://127.0.0.1:{port}", provider) as started:
        yield started
    server.close()


async def ended(gateway: Running) -> list[dict[str, Any]]:
    return [event for event in gateway.events() if "outcome" in event]


async def test_without_an_allowance_nothing_passes(hung: Running) -> None:
    hung.snapshots.current = with_allowance(hung.snapshots.current, None)
    answer = await hung.ask()
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (503, "degraded")
    assert hung.provider.seen == []


async def test_calls_pass_up_to_the_share_are_marked_and_then_refused(hung: Running) -> None:
    hung.snapshots.current = with_allowance(hung.snapshots.current, 1_000)
    answers = []
    while not answers or (answers[-1].status_code == 200 and len(answers) < 100):
        answers.append(await hung.ask())
    assert len(answers) > 1
    assert answers[-1].headers["x-conduit-reason"] == "degraded"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
    passed = [event for event in await ended(hung) if event["decision"] == "allow"]
    assert all(event["degraded"] is True for event in passed)
    costs = [event["cost_micro_dollars"] for event in passed]
    # This provider bills more than it was asked for: the last call may be that much over.
    assert sum(costs[:-1]) <= 1_000
    (refused,) = [event for event in await ended(hung) if event["decision"] == "deny"]
    assert refused["rule"] == "local-allowance"


async def test_that_calls_pass_on_an_allowance_is_told_once(hung: Running) -> None:
    hung.snapshots.current = with_allowance(hung.snapshots.current, 10**9)
    for _ in range(2):
        assert (await hung.ask()).status_code == 200
    (told,) = [event for event in hung.events() if event["kind"] == "incident"]
    assert (told["action"], told["severity"]) == ("limits.local_allowance", "warning")


async def test_a_call_without_a_price_does_not_pass_on_an_allowance(hung: Running) -> None:
    policy = with_allowance(hung.snapshots.current, 10**9)
    (limits,) = policy._limits.values()
    rate = replace(limits[0], kind=LimitKind.CONCURRENT, amount=5, window=None)
    hung.snapshots.current = with_limits(policy, rate)
    assert (await hung.ask(model="nobody-knows-this")).headers["x-conduit-reason"] == "degraded"
    assert (await hung.ask()).status_code == 200


async def test_while_valkey_is_there_an_allowance_changes_nothing(gateway: Running) -> None:
    gateway.snapshots.current = with_allowance(gateway.snapshots.current, 1)
    assert (await gateway.ask()).status_code == 200
    assert all("degraded" not in event for event in gateway.events())


@pytest.fixture
def stream() -> Callable[[Running], dict[str, Any]]:
    def body(gateway: Running) -> dict[str, Any]:
        asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        headers = {"authorization": f"Bearer {gateway.placeholder}"}
        return {"url": gateway.url("openai", "/v1/chat/completions"), "json": asked, "headers": headers}

    return body


async def test_a_stream_without_a_ceiling_grows_within_the_share_and_is_cut(
    hung: Running, stream: Callable[[Running], dict[str, Any]]
) -> None:
    hung.snapshots.current = with_allowance(hung.snapshots.current, 700)
    hung.provider.play("api.openai.com", long_stream())
    async with hung.client() as client:
        answer = await client.post(**stream(hung))
    assert "degraded" in answer.text
    (event,) = await ended(hung)
    assert (event["outcome"], event["degraded"]) == ("cut", True)
