"""Whatever goes wrong in a step, the caller gets a refusal and the provider sees nothing."""

import asyncio
import contextlib
from dataclasses import replace

import httpx
import pytest

from addons import STEPS
from addons.step import implemented
from tests.addons.running import REAL_KEY, Running


def _with(phase):
    return [kind for kind in STEPS if phase in implemented(kind)]


def _name(of):
    return of if isinstance(of, str) else of.name


async def test_an_admitted_call_carries_the_real_key_and_never_the_placeholder(gateway: Running):
    answer = await gateway.ask()
    (seen,) = gateway.provider.wait_for(1)
    assert answer.status_code == 200
    assert seen.keys == (REAL_KEY,)
    assert gateway.placeholder.encode() not in seen.everything
    assert answer.headers["x-conduit-request-id"]


async def test_an_admitted_call_is_written_down_before_and_after(gateway: Running):
    answer = await gateway.ask()
    admitted, ended = gateway.events()
    assert admitted["id"] == ended["id"] == answer.headers["x-conduit-request-id"]
    assert "outcome" not in admitted
    assert (ended["outcome"], ended["status"], ended["decision"]) == ("finished", 200, "allow")
    assert ended["cost_micro_dollars"] > 0


@pytest.mark.parametrize(
    ("phase", "kind"), [(phase, kind) for phase in ("head", "body") for kind in _with(phase)], ids=_name
)
async def test_a_step_that_raises_refuses_as_internal(gateway: Running, monkeypatch, kind, phase):
    async def fail(*_):
        raise RuntimeError(f"the secret is {REAL_KEY}")

    monkeypatch.setattr(kind, phase, fail)
    answer = await gateway.ask()
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (500, "internal")
    assert REAL_KEY not in answer.text
    assert gateway.provider.seen == []


@pytest.mark.parametrize("kind", _with("body"), ids=_name)
async def test_a_step_that_hangs_refuses_as_degraded(gateway: Running, monkeypatch, kind):
    async def hang(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(kind, "body", hang)
    monkeypatch.setattr(
        gateway.engine.chain, "bounds", replace(gateway.engine.chain.bounds, step_timeout_s=0.05)
    )
    answer = await gateway.ask()
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (503, "degraded")
    assert gateway.provider.seen == []


async def test_a_policy_that_is_too_old_refuses_as_degraded(gateway: Running):
    gateway.snapshots.age_s = 1_000
    answer = await gateway.ask()
    assert answer.headers["x-conduit-reason"] == "degraded"
    assert gateway.provider.seen == []


async def test_a_spool_that_cannot_be_written_refuses_as_degraded(gateway: Running):
    gateway.spool.close()
    answer = await gateway.ask()
    assert answer.headers["x-conduit-reason"] == "degraded"
    assert gateway.provider.seen == []


@pytest.mark.parametrize("method", ["answer_head", "answer_chunk", "answer_end"])
async def test_a_step_that_fails_on_the_answer_never_leaves_the_client_waiting(gateway, monkeypatch, method):
    def fail(*_):
        raise RuntimeError("no")

    metering = next(step for step in gateway.engine.chain.steps if step.name == "metering")
    monkeypatch.setattr(metering, method, fail)
    async with asyncio.timeout(5):
        with contextlib.suppress(httpx.RemoteProtocolError):
            await gateway.ask(stream=True)
