"""Prices and discounts from the command line: what they change, and what is refused."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conduit.instances import Program, running_store

OVERRIDE = ("price", "set", "--provider", "openai", "--input-usd-per-million", "1.5")
OVERRIDE = (*OVERRIDE, "--output-usd-per-million", "6.000001", "--model")


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    with running_store(path / "var") as started:
        yield started
    shutil.rmtree(path)


@pytest.fixture
def tenant(program: Program) -> str:
    name = f"tenant-{uuid4()}"
    program.json("tenant", "create", name, "--time-zone", "Asia/Tokyo")
    return name


def quoted(program: Program, tenant: str, model: str, *more: str) -> dict[str, str]:
    found = program.json(
        "price", "quote", "--provider", "openai", "--tenant", tenant, "--model", model, *more
    )
    return {name: str(value) for name, value in found.items()}


def test_an_override_is_listed_quoted_and_removed(program: Program, tenant: str) -> None:
    model = f"model-{uuid4()}"
    made = program.json(*OVERRIDE, model)
    assert quoted(program, tenant, model)["output_tokens_usd_per_million"] == "6.000001"
    listed = program.json("price", "list")
    assert listed["price_data"]["date"] >= "2026-11-10"
    assert made["id"] in {rule["id"] for rule in listed["rules"]}
    program.json("price", "remove", made["id"])
    assert program("price", "quote", "--provider", "openai", "--model", model).code == 1
    assert program("price", "remove", made["id"]).code == 1


def test_a_tenants_price_is_its_own_and_its_discount_goes_on_top(program: Program, tenant: str) -> None:
    model = f"model-{uuid4()}"
    program.json(*OVERRIDE, model, "--tenant", tenant)
    program.json("price", "discount", "--tenant", tenant, "--percent", "12.5", "--provider", "openai")
    mine = quoted(program, tenant, model)
    assert (mine["input_tokens_usd_per_million"], mine["list_input_tokens_usd_per_million"]) == (
        "1.3125",
        "1.5",
    )
    assert (mine["discount_percent"], mine["price_source"]) == ("12.50", "tenant")
    assert program("price", "quote", "--provider", "openai", "--model", model).code == 1  # nobody else's


def test_a_day_is_the_tenants_own_midnight(program: Program, tenant: str) -> None:
    model = f"model-{uuid4()}"
    made = program.json(*OVERRIDE, model, "--tenant", tenant, "--from", "2026-12-01", "--until", "2027-01-01")
    assert made["since"].startswith("2026-11-30T15:00")  # midnight in Tokyo, in UTC
    assert quoted(program, tenant, model, "--at", "2026-11-30T15:00:00Z")["price_source"] == "tenant"
    early = program(*("price", "quote", "--provider", "openai", "--tenant", tenant, "--model", model),
                    *("--at", "2026-11-30T14:59:59Z"))  # fmt: skip
    assert early.code == 1


@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "1e400", "0.0000001", "1000000.1", "free", "1,5"])
def test_an_absurd_price_is_refused_in_one_line(program: Program, amount: str) -> None:
    refused = program(*OVERRIDE, "m", "--cached-input-usd-per-million", amount)
    assert refused.code == 1
    assert len(refused.err.strip().splitlines()) == 1


@pytest.mark.parametrize("percent", ["0", "100.01", "-5", "nan", "1e9", "12.345"])
def test_an_absurd_discount_is_refused(program: Program, tenant: str, percent: str) -> None:
    assert program("price", "discount", "--tenant", tenant, "--percent", percent).code == 1


def test_a_whole_discount_is_free_and_a_second_price_from_the_same_moment_is_refused(
    program: Program, tenant: str
) -> None:
    program.json("price", "discount", "--tenant", tenant, "--percent", "100")
    assert quoted(program, tenant, "gpt-4o")["input_tokens_usd_per_million"] == "0"
    model, since = f"model-{uuid4()}", ("--from", "2026-12-01")
    program.json(*OVERRIDE, model, *since)
    assert "remove it first" in program(*OVERRIDE, model, *since).err
    assert program(*OVERRIDE, model, *since, "--until", "2026-11-01").code == 1


def test_every_change_of_a_price_is_in_the_record(program: Program, tenant: str) -> None:
    made = program.json(*OVERRIDE, "m", "--tenant", tenant)
    program.json("price", "remove", made["id"], "--tenant", tenant)
    acts = program.json("audit", "list", "--tenant", tenant)
    assert {"price.set", "price.remove"} <= {event.get("action") for event in acts}
