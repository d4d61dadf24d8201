"""Several keys for one provider, and decoys, as an administrator sees them from outside."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import httpx
import psycopg
import pytest

from tests.journeys.test_canary_key import assert_absent
from tests.standins.answers import Answer
from tests.standins.office import HOSTS, Office
from tests.standins.product import Refused, superuser_url
from tests.standins.usage_reports import UsageReports

KEYS = [f"sk-proj-CaNaRy{letter * 2}{secrets.token_hex(22)}" for letter in "ab"]


def until[Found](find: Callable[[], Found | None], what: str) -> Found:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.1)
    raise TimeoutError(what)


@pytest.fixture(scope="module")
def placeholder(office: Office) -> str:
    """A placeholder of a pool of two keys."""
    for name, key in zip(("gpt-a", "gpt-b"), KEYS, strict=True):
        office.product.cli(
            *("credential", "add", "--tenant", office.tenant, "--provider", "openai"),
            *("--name", name, "--pool", "gpt"),
            stdin=key,
        )
    made = office.product.cli(
        "placeholder", "issue", "--tenant", office.tenant, "--user", office.user, "--credential", "gpt"
    )
    office.in_force()
    return str(made["placeholder"])


def ask(office: Office, placeholder: str) -> httpx.Response:
    """One call on a connection of its own, so that every worker gets some."""
    return httpx.post(
        f"{office.product.url('gateway')}/openai/v1/chat/completions",
        headers={"authorization": f"Bearer {placeholder}"},
        json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5},
        trust_env=False,
        timeout=20,
    )


def credential(office: Office, name: str) -> dict[str, Any]:
    listed = office.product.cli("credential", "list", "--tenant", office.tenant)
    return next(each for each in listed if each["name"] == name)


def incident(office: Office, action: str, **detail: object) -> dict[str, Any]:
    def find() -> dict[str, Any] | None:
        events = office.events("--kind", "incident")
        fitting = [each for each in events if each["action"] == action]
        return next((each for each in fitting if detail.items() <= each["detail"].items()), None)

    return until(find, f"no incident {action} with {detail}")


def assert_absent_everywhere(office: Office, keys: list[str]) -> None:
    """In no event, no log and no file of the data folder."""
    assert_absent(keys, "an event", json.dumps(office.events()).encode())
    assert_absent(keys, "the log", office.product.log.read_bytes())
    for path in office.product.data.rglob("*"):
        if path.is_file():
            assert_absent(keys, str(path), path.read_bytes())


def used(office: Office, placeholder: str, calls: int) -> set[str]:
    office.provider.seen.clear()
    for _ in range(calls):
        ask(office, placeholder)
    return {key for seen in office.provider.wait_for(calls) for key in seen.keys}


def test_a_refused_key_is_shown_told_and_passed_over_by_every_worker(
    office: Office, placeholder: str
) -> None:
    assert used(office, placeholder, 16) == set(KEYS)
    office.provider.play(HOSTS["openai"], Answer.error("openai", 401))
    (refused,) = used(office, placeholder, 1)
    name = ("gpt-a", "gpt-b")[KEYS.index(refused)]
    told = incident(office, "credential.refused", credential=name)
    assert (told["severity"], told["detail"]["status"]) == ("warning", 401)
    shown = until(lambda: (found := credential(office, name))["health"] == "refused" and found, "not marked")
    assert shown["refused_status"] == 401
    office.in_force()  # by now each worker has read it
    assert used(office, placeholder, 16) == set(KEYS) - {refused}
    office.product.cli("credential", "rotate", "--tenant", office.tenant, "--name", name, stdin=refused)
    office.in_force()
    assert credential(office, name)["health"] == "good"
    assert used(office, placeholder, 16) == set(KEYS)


def test_a_weight_of_none_makes_a_spare(office: Office, placeholder: str) -> None:
    weigh = ("credential", "set", "--tenant", office.tenant, "--name", "gpt-a", "--weight")
    office.product.cli(*weigh, "0")
    office.in_force()
    assert used(office, placeholder, 10) == {KEYS[1]}
    office.product.cli(*weigh, "1")


def test_the_event_says_which_credential_was_used(office: Office, placeholder: str) -> None:
    (key,) = used(office, placeholder, 1)
    wanted = credential(office, ("gpt-a", "gpt-b")[KEYS.index(key)])["id"]
    assert office.event(kind="call", credential_id=wanted)["outcome"] == "finished"


def test_the_keys_of_a_pool_stand_in_no_file_and_no_event(office: Office, placeholder: str) -> None:
    used(office, placeholder, 2)
    assert_absent_everywhere(office, KEYS)


# Decoys


def test_a_used_honeytoken_is_answered_as_an_unknown_placeholder_and_raises_one_alarm(office: Office) -> None:
    identity, decoy = office.issue("openai", "--honeytoken")
    office.in_force()
    unknown = decoy[:-1] + ("x" if decoy[-1] != "x" else "y")
    assert _told(ask(office, decoy)) == _told(ask(office, unknown))
    assert office.provider.seen == []
    told = incident(office, "honeytoken.used", placeholder_id=identity)
    call = office.event(kind="call", rule="honeytoken")
    assert (told["severity"], told["tenant_id"]) == ("alarm", call["tenant_id"])
    assert told["detail"]["host"] == HOSTS["openai"]
    assert told["detail"]["source_address"] == call["source_address"]
    assert told["detail"]["call_id"] == call["id"]
    alarms = [each for each in office.events("--kind", "incident") if each["action"] == "honeytoken.used"]
    assert [each["detail"]["placeholder_id"] for each in alarms].count(identity) == 1


def _told(answer: httpx.Response) -> tuple[object, ...]:
    """All that a caller can tell answers by, but for the id of the request."""
    identity = answer.headers.pop("x-conduit-request-id")
    return answer.status_code, sorted(answer.headers.items()), answer.text.replace(identity, "ID")


# Keys used elsewhere

ADMIN = f"sk-admin-CaNaRy{secrets.token_hex(24)}"


@pytest.fixture
def watched(office: Office, placeholder: str) -> Iterator[UsageReports]:
    """OpenAI's usage report, an administrator's key for it, and gpt-a known to it, as of five days ago."""
    reports = UsageReports({"openai": ADMIN, "anthropic": ""})
    office.provider.special = reports.answer
    tenant = ("--tenant", office.tenant)
    add = ("credential", "add", *tenant, "--provider", "openai", "--name", "openai-admin")
    office.product.cli(*add, "--purpose", "usage", stdin=ADMIN)
    office.product.cli("credential", "set", *tenant, "--name", "gpt-a", "--key-id", "key_abc")
    aged = "UPDATE conduit.credential SET created_at = now() - interval '5 days', rotated_at = NULL"
    with psycopg.connect(superuser_url(office.product), autocommit=True) as database:
        database.execute(f"{aged} WHERE name = 'gpt-a'".encode())
    yield reports
    office.provider.special = lambda _: None
    office.product.cli("credential", "revoke", *tenant, "--name", "openai-admin")


def check(office: Office) -> dict[str, str]:
    """The findings for gpt-a by day."""
    rows = office.product.cli("credential", "check-usage", "--tenant", office.tenant)
    return {row["day"]: row["finding"] for row in rows if row["credential"] == "gpt-a"}


def test_use_outside_the_gateway_is_found_by_one_command(office: Office, watched: UsageReports) -> None:
    days = sorted(check(office))
    assert set(check(office).values()) == {"agrees"}
    watched.used["key_abc", date.fromisoformat(days[0])] = 250_000
    assert check(office)[days[0]] == "used_elsewhere"
    told = incident(office, "credential.used_elsewhere", credential="gpt-a", day=days[0])
    assert (told["severity"], told["detail"]["surplus_tokens"]) == ("alarm", 250_000)
    office.provider.play(HOSTS["openai"], Answer.error("openai", 500))
    with pytest.raises(Refused, match="answered 500"):
        check(office)
    assert_absent_everywhere(office, [ADMIN])
