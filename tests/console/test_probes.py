"""What machines ask: alive, ready, metrics."""

import asyncio
import dataclasses

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from console import health
from console.app import create_app
from console.health import Health, Unready
from console.services import Services
from tests.console.conftest import a_client, enrol, sign_in


async def fine() -> str:
    return "answers"


async def unwell() -> str:
    raise Unready("sealed")


async def broken() -> str:
    raise RuntimeError("postgresql://owner:password@db/")


async def hung() -> str:
    await asyncio.Event().wait()
    return "never"


def asking(services: Services, **checks: health.Check) -> httpx.AsyncClient:
    return a_client(create_app(dataclasses.replace(services, health=Health(checks))))


async def test_alive_asks_nothing_else(services: Services) -> None:
    assert (await asking(services, database=broken).get("/healthz/live")).status_code == 200


async def test_ready_when_every_check_passes(services: Services) -> None:
    answer = await asking(services, database=fine, cache=fine).get("/healthz/ready")
    assert answer.status_code == 200
    assert answer.json()["checks"]["database"]["ok"] is True


@pytest.mark.parametrize(
    ("check", "detail"), [(unwell, "sealed"), (hung, "no answer within"), (broken, "failed")]
)
async def test_not_ready_when_one_does_not(
    services: Services, monkeypatch: pytest.MonkeyPatch, check: health.Check, detail: str
) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.05)
    answer = await asking(services, database=fine, vault=check).get("/healthz/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"]["ok"] is True
    assert detail in answer.json()["checks"]["vault"]["detail"]
    assert "password" not in answer.text


async def test_the_dependencies_are_not_asked_more_than_once_a_moment(services: Services) -> None:
    asked: list[int] = []

    async def counted() -> str:
        asked.append(1)
        return "answers"

    client = asking(services, database=counted)
    await asyncio.gather(*(client.get("/healthz/ready") for _ in range(20)))
    assert len(asked) == 1


async def test_metrics_tell_readiness_and_sign_ins_and_name_nobody(services: Services) -> None:
    client = asking(services, database=fine, vault=unwell)
    person = await enrol(services)
    await sign_in(client, person)
    text = (await client.get("/metrics")).text
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["conduit_ready", "database"] == 1
    assert found["conduit_ready", "vault"] == 0
    assert found["conduit_console_sign_ins_total", "accepted"] >= 1
    assert person.name not in text
