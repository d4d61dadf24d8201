"""Kept content, asked of the real program: off by default, and nobody asks or opens without a code."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pyotp
import pytest
from uuid_utils.compat import uuid7

from conduit.data_folder import DataFolder
from conduit.embedded_postgres import EmbeddedPostgres
from conduit.instance import vault_of
from conduit.settings import Settings
from console.enrolment import Chosen, Enroller, invite
from console.passwords import Passwords
from console.permissions import Role
from console.second_factors import SecondFactors
from policy.identifiers import TenantId
from store import content
from store.acts import Actor
from store.claim import Purpose
from store.door import Store
from store.roles import read_secrets
from store.tenants import PLATFORM
from tests.conduit.instances import Program, running_store


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    path = Path(tempfile.mkdtemp(prefix="conduit-test-"))
    with running_store(path / "var") as running:
        running.json("tenant", "create", "acme")
        yield running
    shutil.rmtree(path)


async def enrolled(program: Program, name: str) -> str:
    """An administrator of the platform; the secret of the one-time codes."""
    roles = read_secrets(EmbeddedPostgres(DataFolder(program.data)).owner_url)
    store = await Store.open(roles.console_dsn, roles.claim_key)
    factors = SecondFactors(vault_of(program.data, Settings()))
    now = datetime.now(UTC)
    enroller = Enroller(store, Passwords(), factors, lambda: now, key=bytes(32))
    token = await invite(
        store,
        tenant_id=TenantId(PLATFORM),
        name=name,
        role=Role.PLATFORM_ADMINISTRATOR,
        actor=Actor("tester", "command line"),
        now=now,
    )
    form = await enroller.form(token)
    code = pyotp.TOTP(form.secret).at(now, counter_offset=-1)
    await enroller.accept(Chosen(token=token, sealed=form.sealed, password="correct horse staple", code=code))
    await store.close()
    return form.secret


async def kept(program: Program, tenant: TenantId) -> str:
    """The event of a call of acme's, something of which is kept; what, nobody here opens."""
    roles, event_id = read_secrets(EmbeddedPostgres(DataFolder(program.data)).owner_url), str(uuid7())
    told = {"id": event_id, "at": datetime.now(UTC).isoformat(), "sealed": "AAAA"}
    gateway = await Store.open(roles.gateway_dsn, roles.claim_key)
    async with gateway.platform(Purpose.SHIPPING) as session:
        await content.keep(session, tenant, [told])
    await gateway.close()
    return event_id


def test_it_is_off_until_somebody_decides(program: Program) -> None:
    assert program.json("content", "policy", "--tenant", "acme")["keep"] is False
    kept = program.json("content", "policy", "--tenant", "acme", "--keep", "--bytes-max", "100")
    assert (kept["keep"], kept["bytes_max"]) == (True, 100)
    assert program.json("content", "policy", "--tenant", "acme", "--drop")["keep"] is False
    assert program.json("content", "list", "--tenant", "acme") == []


def test_asking_needs_a_code_that_is_right_and_fresh(program: Program) -> None:
    secret, tenant = asyncio.run(enrolled(program, "ada")), program.json("tenant", "list")[0]["id"]
    event_id = asyncio.run(kept(program, TenantId(UUID(tenant))))
    ask = ("content", "request", event_id, "--tenant", "acme", "--as", "ada", "--reason", "incident 12")
    assert program(*ask, stdin="000000").code == 1
    code = pyotp.TOTP(secret).now()
    asked = program.json(*ask, stdin=code)
    assert (asked["state"], asked["requested_by"]) == ("requested", "ada")
    assert program(*ask, stdin=code).code == 1
    assert [each["id"] for each in program.json("content", "openings", "--tenant", "acme")] == [asked["id"]]
    nobody = program("content", "approve", asked["id"], "--tenant", "acme", "--as", "eve", stdin="123456")
    assert (nobody.code, "did not match" in nobody.err) == (1, True)


def test_what_is_not_kept_cannot_be_asked_for(program: Program) -> None:
    secret = asyncio.run(enrolled(program, "grace"))
    ask = ("content", "request", str(uuid4()), "--tenant", "acme", "--as", "grace", "--reason", "incident 13")
    before = program.json("content", "openings", "--tenant", "acme")
    refused = program(*ask, stdin=pyotp.TOTP(secret).now())
    assert (refused.code, "no content is kept" in refused.err) == (1, True)
    assert program.json("content", "openings", "--tenant", "acme") == before
