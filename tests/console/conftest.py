"""The console over the real store, once in memory (``client``) and once behind granian (``address``)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pyotp
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from litestar import Litestar

from console.alert_destinations import Destination, NotTaken
from console.api_tokens import ApiTokens
from console.app import create_app
from console.enrolment import Chosen, Enroller, invite
from console.health import Health
from console.live import Live
from console.passwords import Passwords
from console.permissions import Role
from console.second_factors import SecondFactors
from console.services import Services
from console.sign_in import SignIn
from console.step_up import StepUp
from policy.endpoints import Defaults as States
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from policy.incident import Severity
from store.acts import Actor
from store.catalogue import load_catalogue, load_restrictions
from store.catalogues import Catalogues
from store.checkpoint import SigningKey
from store.door import Store
from store.inventory import Defaults
from store.roles import RoleSecrets
from store.tenants import PLATFORM
from vault.kek import KeyDocument, LocalKeys
from vault.vault import Vault

CONFIG = Path(__file__).parents[2] / "config"
RECORD_KEY = SigningKey.generate()
PASSWORD = "correct horse battery staple"
CHEAP = PasswordHasher.from_parameters(CHEAPEST)
ORIGIN = "http://console.test"
TESTER = Actor("tester", "command line")


class Clock:
    """A clock that a test moves; it starts at the real time, because claims in the database do."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass
class Enrolled:
    """Somebody with an account: what they know and hold. ``code`` is the one for the current step."""

    name: str
    secret: str = field(repr=False)
    clock: Clock

    def code(self) -> str:
        return pyotp.TOTP(self.secret).at(self.clock())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def keys() -> LocalKeys:
    return LocalKeys(KeyDocument.fresh())


async def refusing() -> str:
    """What an alert destination says that takes nothing."""
    raise NotTaken("HTTP 500")


@pytest.fixture
def services(store: Store, clock: Clock, keys: LocalKeys) -> Services:
    passwords = Passwords(CHEAP)
    vault = Vault(keys)
    factors = SecondFactors(vault)
    return Services(
        store=store,
        vault=vault,
        sign_in=SignIn(store, passwords, factors, clock),
        step_up=StepUp(store, factors, clock),
        tokens=ApiTokens(store, clock),
        enroller=Enroller(store, passwords, factors, clock, key=bytes(32)),
        live=Live(store),
        health=Health({}),
        defaults=Defaults(
            States(EndpointState.BLOCKED, EndpointState.MONITORED),
            Catalogues(load_catalogue(CONFIG / "ai_endpoints.csv"), ()),
        ),
        restrictions=load_restrictions(CONFIG / "account_restrictions.csv"),
        destinations=[Destination("soc", "webhook", Severity.WARNING, None, 30, refusing)],
        provider_hosts=lambda provider: [f"api.{provider}.example"],
        record_key=lambda: RECORD_KEY.verifier,
        retention_days_min=1,
        clock=clock,
        proxy="proxy.test:8080",
        secure=False,
        form_key="a key of the tests alone",
    )


@pytest.fixture
def app(services: Services) -> Litestar:
    return create_app(services)


@pytest.fixture
async def gateway(role_secrets: RoleSecrets) -> AsyncIterator[Store]:
    """The store as the gateway's processes open it, to ship events."""
    opened = await Store.open(role_secrets.gateway_dsn, role_secrets.claim_key)
    yield opened
    await opened.close()


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(app) as opened:
        yield opened


def a_client(app: Litestar) -> httpx.AsyncClient:
    """A browser's cookie jar and nothing more; redirects are not followed."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)


async def enrol(
    services: Services, *, role: Role = Role.PLATFORM_ADMINISTRATOR, tenant_id: TenantId = PLATFORM
) -> Enrolled:
    """Somebody new, who went through the one-time link."""
    name = f"{role}-{uuid4()}"
    clock = services.clock
    assert isinstance(clock, Clock)
    token = await invite(services.store, tenant_id=tenant_id, name=name, role=role, actor=TESTER, now=clock())
    form = await services.enroller.form(token)
    person = Enrolled(name, form.secret, clock)
    await services.enroller.accept(
        Chosen(token=token, sealed=form.sealed, password=PASSWORD, code=person.code())
    )
    clock.advance(seconds=30)
    return person


async def form_token(client: httpx.AsyncClient) -> str:
    """The token that a form must send along with its cookie."""
    page = await client.get("/sign-in")
    return page.text.split('name="_csrf_token" value="')[1].split('"')[0]


async def sign_in(client: httpx.AsyncClient, person: Enrolled, **wrong: str) -> httpx.Response:
    """Send the sign-in form; keywords replace what the person would send."""
    sent = {"name": person.name, "password": PASSWORD, "code": person.code(), **wrong}
    return await client.post("/sign-in", data={**sent, "_csrf_token": await form_token(client)})


async def signed_in(app: Litestar, services: Services, **who: object) -> httpx.AsyncClient:
    """The browser of somebody new who has signed in."""
    client = a_client(app)
    answer = await sign_in(client, await enrol(services, **who))  # type: ignore[arg-type]
    assert answer.status_code == 303, answer.text
    return client
