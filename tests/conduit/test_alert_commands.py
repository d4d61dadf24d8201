"""``conduit alert`` says whether incidents would arrive; ``conduit doctor`` says which do not."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conduit.instance import owner_url
from conduit.settings import Settings
from policy.incident import Severity, incident
from store import alerts, chain, tenants
from store.claim import Purpose
from store.door import Store
from store.roles import read_secrets
from tests.conduit.instances import Program, Ran, running_store
from tests.standins import receivers

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running_store(tmp_path_factory.mktemp("alerts")) as running:
        yield running


async def with_webhooks(program: Program, *arguments: str, **urls: str) -> Ran:
    hooks = [{"name": name, "url": url, "secret": SECRET} for name, url in urls.items()]
    return await asyncio.to_thread(
        lambda: program(*arguments, "--json", CONDUIT_ALERTS__WEBHOOKS=json.dumps(hooks))
    )


async def test_a_test_alert_says_what_came_back(tmp_path: Path) -> None:
    program = Program(tmp_path)
    async with receivers.web() as there, receivers.web(b"HTTP/1.1 503 No\r\n\r\n") as broken:
        urls = {"there": f"http://{there.address}/?secret=sesame", "broken": f"http://{broken.address}/"}
        ran = await with_webhooks(program, "alert", "test", **urls)
        only = await with_webhooks(program, "alert", "test", "--destination", "there", **urls)
    assert (ran.code, only.code) == (1, 0)
    assert json.loads(ran.out) == [
        {"destination": "there", "taken": True, "answer": "HTTP 204"},
        {"destination": "broken", "taken": False, "answer": "HTTP 503"},
    ]
    assert "sesame" not in ran.out + ran.err
    assert len(there.received) == 2


@pytest.mark.parametrize("arguments", [("alert", "test"), ("alert", "test", "--destination", "other")])
def test_what_is_not_in_the_settings_cannot_be_tested(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ran = Program(tmp_path)(*arguments)
    assert (ran.code, "no alert destination" in ran.err) == (1, True)


async def test_doctor_and_list_name_the_destination_that_takes_nothing(program: Program) -> None:
    await fail_once(program, "broken")
    urls = {"broken": "http://127.0.0.1:9/", "idle": "http://127.0.0.1:9/"}
    listed = await with_webhooks(program, "alert", "list", **urls)
    found: dict[str, dict[str, Any]] = {row["destination"]: row for row in listed.document}
    assert (found["broken"]["waiting"], found["broken"]["problem"]) == (1, "HTTP 503")
    assert (found["idle"]["waiting"], found["idle"]["problem"]) == (0, None)
    examined = await with_webhooks(program, "doctor", **urls)
    checks = {finding["check"]: finding for finding in json.loads(examined.out)}
    assert (checks["alerts"]["result"], "broken" in checks["alerts"]["detail"]) == ("fail", True)
    quiet = await with_webhooks(program, "doctor", idle="http://127.0.0.1:9/")
    assert {f["check"]: f["result"] for f in json.loads(quiet.out)}["alerts"] == "ok"


async def fail_once(program: Program, destination: str) -> None:
    secrets = await asyncio.to_thread(read_secrets, owner_url(program.data, Settings()))
    store = await Store.open(secrets.console_dsn, secrets.claim_key)
    wanted = alerts.Subscription(destination, Severity.NOTICE)
    event = incident("a.thing", datetime.now(UTC), severity=Severity.ALARM, detail={})
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await alerts.take_in(session, subscription=wanted)
    async with store.tenant(tenants.PLATFORM) as session:
        await chain.append(session, [event])
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await alerts.take_in(session, subscription=wanted)
        message = await alerts.claim(session, destination=destination, lease=timedelta(hours=1))
        assert message is not None
        await alerts.failed(session, message=message, wait=timedelta(hours=1), problem="HTTP 503")
    await store.close()


def test_doctor_reads_the_files_that_destinations_name(tmp_path: Path) -> None:
    hooks = [{"name": "soc", "url": "https://hooks.example/", "secret_file": str(tmp_path / "secret")}]
    (tmp_path / "secret").write_text("no secret")
    refused = check(tmp_path, hooks)
    assert (refused["result"], "no secret" in refused["detail"]) == ("fail", False)
    (tmp_path / "secret").write_text(SECRET)
    assert check(tmp_path, hooks)["result"] == "ok"


def check(data: Path, hooks: list[dict[str, str]]) -> dict[str, str]:
    ran = Program(data)("doctor", "--quick", "--json", CONDUIT_ALERTS__WEBHOOKS=json.dumps(hooks))
    return next(found for found in json.loads(ran.out) if found["check"] == "alert secrets")


@pytest.mark.parametrize(
    "section",
    [
        {"webhooks": [{"name": "a", "url": "http://hooks.example/", "secret": SECRET}]},
        {"webhooks": [{"name": "a", "url": "https://user:word@hooks.example/", "secret": SECRET}]},
        {"webhooks": [{"name": "a", "url": "https://hooks.example/"}]},
        {"webhooks": [{"name": "a b", "url": "https://hooks.example/", "secret": SECRET}]},
        {"syslog": [{"name": "a", "address": "siem.example:514"}] * 2},
        {
            "mail": [
                {
                    "name": "a",
                    "server": "mail.example:25",
                    "security": "none",
                    "sender": "a@b.example",
                    "recipients": ["c@d.example"],
                }
            ]
        },
        {
            "mail": [
                {"name": "a", "server": "mail.example:25", "sender": "a@b.example", "recipients": ["c, d@e"]}
            ]
        },
    ],
    ids=["clear text", "user in URL", "no secret", "name", "same name", "mail without TLS", "two mailboxes"],
)
def test_what_is_not_safe_or_not_clear_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="alerts") as refused:
        Settings.model_validate({"alerts": section})
    assert SECRET not in str(refused.value)
