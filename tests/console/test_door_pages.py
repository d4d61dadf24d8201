"""Signing in, out and setting up, through the pages."""

import asyncio
from collections import Counter

import httpx
import pytest
from litestar import Litestar

from console.enrolment import invite
from console.permissions import Role
from console.services import Services
from console.sign_in import FAILURES_BEFORE_LOCK
from store import administrators
from store.claim import Purpose
from store.tenants import PLATFORM
from tests.console.conftest import PASSWORD, TESTER, Clock, a_client, enrol, sign_in, signed_in


async def test_password_and_code_let_somebody_in(client: httpx.AsyncClient, services: Services) -> None:
    answer = await sign_in(client, await enrol(services))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("conduit="))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("wrong", [{"password": "not the password"}, {"code": "000000"}, {"name": "nobody"}])
async def test_whatever_is_wrong_the_answer_is_the_same(
    client: httpx.AsyncClient, services: Services, wrong: dict[str, str]
) -> None:
    answer = await sign_in(client, await enrol(services), **wrong)
    assert answer.status_code == 401
    assert "Name, password or code did not match" in answer.text
    assert "conduit=" not in str(answer.headers.get_list("set-cookie"))


async def test_one_code_lets_one_of_ten_in(app: Litestar, services: Services) -> None:
    person = await enrol(services)
    clients = [a_client(app) for _ in range(10)]
    answers = await asyncio.gather(*(sign_in(client, person) for client in clients))
    assert Counter(answer.status_code for answer in answers) == {303: 1, 401: 9}


async def test_a_used_code_is_refused_and_the_next_accepted(
    app: Litestar, services: Services, clock: Clock
) -> None:
    person = await enrol(services)
    assert (await sign_in(a_client(app), person)).status_code == 303
    assert (await sign_in(a_client(app), person)).status_code == 401
    clock.advance(seconds=30)
    assert (await sign_in(a_client(app), person)).status_code == 303


async def test_after_failures_even_the_right_password_waits(
    app: Litestar, services: Services, clock: Clock
) -> None:
    person = await enrol(services)
    for _ in range(FAILURES_BEFORE_LOCK):
        assert (await sign_in(a_client(app), person, password="a wrong password")).status_code == 401
    assert (await sign_in(a_client(app), person)).status_code == 401
    clock.advance(minutes=1)
    assert (await sign_in(a_client(app), person)).status_code == 303


async def test_signing_out_ends_the_session_in_the_database(app: Litestar, services: Services) -> None:
    client = await signed_in(app, services)
    stolen = dict(client.cookies)
    answer = await client.post("/sign-out", data={"_csrf_token": await _page_token(client)})
    assert answer.headers["location"] == "/sign-in"
    thief = a_client(app)
    thief.cookies.update(stolen)
    assert (await thief.get("/")).headers["location"] == "/sign-in"


async def test_signing_in_again_ends_the_earlier_session(
    client: httpx.AsyncClient, app: Litestar, services: Services, clock: Clock
) -> None:
    person = await enrol(services)
    await sign_in(client, person)
    earlier = dict(client.cookies)
    clock.advance(seconds=30)
    token = await _page_token(client)
    sent = {"name": person.name, "password": PASSWORD, "code": person.code(), "_csrf_token": token}
    assert (await client.post("/sign-in", data=sent)).status_code == 303
    thief = a_client(app)
    thief.cookies.update(earlier)
    assert (await thief.get("/")).status_code == 303


@pytest.mark.parametrize(("idle", "status"), [({"minutes": 29}, 200), ({"minutes": 31}, 303)])
async def test_an_idle_session_ends(
    app: Litestar, services: Services, clock: Clock, idle: dict[str, float], status: int
) -> None:
    client = await signed_in(app, services)
    clock.advance(**idle)
    assert (await client.get("/")).status_code == status


async def test_an_open_page_does_not_keep_its_session(
    app: Litestar, services: Services, clock: Clock
) -> None:
    client = await signed_in(app, services)
    for _ in range(3):
        clock.advance(minutes=9)
        assert (await client.get("/panels")).status_code == 200
    clock.advance(minutes=9)
    assert (await client.get("/panels")).status_code == 303


async def test_a_session_ends_after_its_longest_life(app: Litestar, services: Services, clock: Clock) -> None:
    client = await signed_in(app, services)
    for _ in range(28):
        clock.advance(minutes=25)
        assert (await client.get("/")).status_code == 200
    clock.advance(minutes=25)
    assert (await client.get("/")).status_code == 303


async def test_a_disabled_account_is_out_at_once(app: Litestar, services: Services) -> None:
    person = await enrol(services)
    client = a_client(app)
    await sign_in(client, person)
    async with services.store.platform(Purpose.SIGN_IN) as session:
        found = await administrators.find(session, name=person.name)
        assert found is not None
        await administrators.set_enabled(session, administrator_id=found.id, enabled=False)
    assert (await client.get("/")).status_code == 303


async def test_a_form_without_its_token_is_refused(client: httpx.AsyncClient, services: Services) -> None:
    person = await enrol(services)
    sent = {"name": person.name, "password": PASSWORD, "code": person.code()}
    assert (await client.post("/sign-in", data=sent)).status_code == 403


async def test_the_link_shows_a_picture_and_makes_an_account_once(
    client: httpx.AsyncClient, services: Services, clock: Clock
) -> None:
    token = await invite(
        services.store,
        tenant_id=PLATFORM,
        name=f"new {clock()}",
        role=Role.AUDITOR,
        actor=TESTER,
        now=clock(),
    )
    page = await client.get("/setup", params={"token": token})
    assert "<svg" in page.text
    assert (await _set_up(client, page, token, clock)).headers["location"].startswith("/sign-in")
    assert (await client.get("/setup", params={"token": token})).status_code == 410
    assert (await _set_up(client, page, token, clock)).status_code == 410


async def test_a_wrong_code_or_short_password_leaves_the_link_whole(
    client: httpx.AsyncClient, services: Services, clock: Clock
) -> None:
    token = await invite(
        services.store,
        tenant_id=PLATFORM,
        name=f"new {clock()}",
        role=Role.AUDITOR,
        actor=TESTER,
        now=clock(),
    )
    page = await client.get("/setup", params={"token": token})
    assert (await _set_up(client, page, token, clock, code="000000")).status_code == 422
    assert (await _set_up(client, page, token, clock, password="short")).status_code == 422
    assert (await _set_up(client, page, token, clock)).status_code == 303


async def test_a_link_does_not_replace_an_account(
    client: httpx.AsyncClient, services: Services, clock: Clock
) -> None:
    person = await enrol(services)
    token = await invite(
        services.store,
        tenant_id=PLATFORM,
        name=person.name,
        role=Role.AUDITOR,
        actor=TESTER,
        now=clock(),
    )
    page = await client.get("/setup", params={"token": token})
    assert (await _set_up(client, page, token, clock)).status_code == 409
    assert (await sign_in(client, person)).status_code == 303


@pytest.mark.parametrize("token", ["", "made up", "x" * 43])
async def test_a_made_up_link_is_refused(client: httpx.AsyncClient, token: str) -> None:
    assert (await client.get("/setup", params={"token": token})).status_code == 410


async def test_an_old_link_is_refused(client: httpx.AsyncClient, services: Services, clock: Clock) -> None:
    token = await invite(
        services.store,
        tenant_id=PLATFORM,
        name=f"new {clock()}",
        role=Role.AUDITOR,
        actor=TESTER,
        now=clock(),
    )
    clock.advance(hours=25)
    assert (await client.get("/setup", params={"token": token})).status_code == 410


async def _set_up(
    client: httpx.AsyncClient, page: httpx.Response, token: str, clock: Clock, **wrong: str
) -> httpx.Response:
    import pyotp

    secret = page.text.split('<span class="secret">')[1].split("<")[0]
    enrolment = page.text.split('name="enrolment" value="')[1].split('"')[0]
    sent = {
        "token": token,
        "enrolment": enrolment,
        "password": PASSWORD,
        "code": pyotp.TOTP(secret).at(clock()),
    }
    return await client.post(
        "/setup",
        data={**sent, **wrong, "_csrf_token": page.text.split('name="_csrf_token" value="')[1].split('"')[0]},
    )


async def _page_token(client: httpx.AsyncClient) -> str:
    return (await client.get("/")).text.split('name="_csrf_token" value="')[1].split('"')[0]
