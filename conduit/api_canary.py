"""The isolation canary at the REST API: each synthetic tenant's token tries every route on the other's rows.

The routes are read from the console itself, and what they take is made from their own schemas, so a new
route is tried as soon as it is there. For each: the other tenant in the path; the own tenant in the path,
and the other's ids elsewhere; and what the own tenant, or the platform, shows.
"""

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar
from litestar.routes import HTTPRoute
from pydantic import BaseModel

from console.api import ROUTER
from console.api_tokens import ApiTokens
from console.enrolment import invite
from console.passwords import Passwords
from console.people import Person
from console.permissions import Role
from console.tokens import digest
from store import administrators
from store.acts import Actor
from store.canary import Attempt, Breach, CannotTry
from store.canary_rows import Rows
from store.claim import Purpose
from store.door import Store

PREFIX = "/api/v1"
TOKEN_LIFETIME = timedelta(days=1)
REQUEST_TIMEOUT_S = 10.0
# Of a kind of row that the synthetic tenants do not have: it is the other tenant's by its path alone.
NOBODYS = UUID(int=0xCA_0A_27)
_ACTOR = Actor("isolation canary", "duties")
_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")

# What a model takes beyond its schema's own demands.
EXAMPLES: dict[str, dict[str, Any]] = {
    "NewPriceRule": {"discount": 100},
    "NewEndpointException": {"team_id": None},
}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. ``model`` is what it takes as a body."""

    method: str
    path: str
    model: type[BaseModel] | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``refused`` is true where any success at all is a breach."""

    route: Route
    path: str
    body: dict[str, Any] | None
    refused: bool


def routes() -> list[Route]:
    """Every route of the API, as the console serves it, in one order."""
    application = Litestar(route_handlers=[ROUTER], logging_config=None, openapi_config=None)
    found = [
        Route(method, route.path, _model(handler))
        for route in application.routes
        if isinstance(route, HTTPRoute) and route.path.startswith(PREFIX)
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
    ]
    return sorted(found, key=lambda route: (route.path, route.method))


def _model(handler: Any) -> type[BaseModel] | None:
    field = handler.parsed_data_field
    return field.annotation if field is not None else None


def asks(route: Route, own: Rows, target: Rows) -> Iterator[Ask]:
    """What one tenant asks of a route to get at the other's rows."""
    body = example(route.model, target) if route.model is not None else None
    if "{tenant_id:uuid}" not in route.path:
        path = _filled(route.path, target.tenant_id, target)
        yield Ask(route, path, body, refused=route.method != "GET")
        return
    yield Ask(route, _filled(route.path, target.tenant_id, target), body, refused=True)
    mine = _filled(route.path, own.tenant_id, target)
    names_theirs = bool(_ids(target) & set(_words(mine.replace(str(own.tenant_id), ""), body)))
    if names_theirs or route.method == "GET":
        yield Ask(route, mine, body, refused=names_theirs)


def _filled(path: str, tenant_id: UUID, rows: Rows) -> str:
    def value(match: re.Match[str]) -> str:
        name, kind = match.groups()
        if name == "tenant_id":
            return str(tenant_id)
        return str(_id_for(name, rows)) if kind == "uuid" else "canary.invalid"

    return _PARAMETER.sub(value, path)


def _id_for(name: str, rows: Rows) -> UUID:
    """The row that a parameter or field of this name means; where there is none of the kind, any id."""
    named = {"user_id": rows.member_id, "rule_id": rows.price_id}
    found = named.get(name) or getattr(rows, name, None)
    return found if isinstance(found, UUID) else NOBODYS


def example(model: type[BaseModel], rows: Rows) -> dict[str, Any]:
    """A body that the model takes, with the other tenant's ids wherever it takes an id."""
    schema = model.model_json_schema()
    found: dict[str, Any] = {
        name: _value(name, field, schema, rows)
        for name, field in schema.get("properties", {}).items()
        if name in schema.get("required", ()) or name.endswith("_id")
    }
    return found | EXAMPLES.get(model.__name__, {})


def _value(name: str, field: dict[str, Any], schema: dict[str, Any], rows: Rows) -> Any:
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rpartition("/")[2]]
    if "anyOf" in field:
        return _value(name, field["anyOf"][0], schema, rows)
    if "enum" in field:
        return field["enum"][0]
    kind = field.get("type")
    if kind == "object":
        required = field.get("required", ())
        inner = field.get("properties", {}).items()
        return {key: _value(key, part, schema, rows) for key, part in inner if key in required}
    if kind == "array":
        return [_value(name, field["items"], schema, rows)]
    if kind == "string":
        return _text(name, field.get("format"), rows)
    return {"integer": field.get("minimum", 1), "boolean": False, "null": None}.get(str(kind), 1)


def _text(name: str, form: str | None, rows: Rows) -> str:
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    formats = {
        "uuid": str(_id_for(name, rows)),
        "date-time": ahead,
        "ipv4": "192.0.2.77",
        "ipv4network": "192.0.2.64/26",
    }
    return formats.get(form or "", "member" if name == "role" else "canary")


class ApiCanary:
    """Tries the routes of the console at ``base_url``. ``transport`` is for an application in memory."""

    def __init__(
        self, store: Store, base_url: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._store, self._base_url, self._transport = store, base_url, transport
        self._routes = routes()
        self._tokens: dict[UUID, tuple[str, datetime]] = {}

    async def attack(self, own: Rows, target: Rows) -> Attempt:
        """Every request of one tenant against the other; raises ``CannotTry`` where it proves nothing."""
        breaches: list[Breach] = []
        tried = 0
        headers = {"authorization": f"Bearer {await self._token(own)}"}
        try:
            async with httpx.AsyncClient(
                base_url=self._base_url,
                transport=self._transport,
                headers=headers,
                timeout=REQUEST_TIMEOUT_S,
                trust_env=False,
            ) as client:
                await self._let_in(client, own)
                for ask in (ask for route in self._routes for ask in asks(route, own, target)):
                    tried += 1
                    answer = await client.request(ask.route.method, ask.path, json=ask.body)
                    what = judge(ask, answer, target)
                    if what is not None:
                        breaches.append(Breach(ask.route.name, what))
                await self._let_in(client, own)
        except httpx.HTTPError as error:
            raise CannotTry(f"the API does not answer: {type(error).__name__}") from error
        return Attempt(tried, tuple(breaches))

    async def _let_in(self, client: httpx.AsyncClient, own: Rows) -> None:
        """What is refused to everybody proves nothing: the own tenant has to be shown."""
        answer = await client.get(f"{PREFIX}/tenants/{own.tenant_id}")
        if answer.status_code != 200:
            self._tokens.pop(own.tenant_id, None)
            raise CannotTry(f"the API does not let the canary in: HTTP {answer.status_code}")

    async def _token(self, rows: Rows) -> str:
        """A token of the synthetic tenant's one administrator, whom nobody can sign in as."""
        now = datetime.now(UTC)
        text, expires_at = self._tokens.get(rows.tenant_id, ("", now))
        if expires_at - now < TOKEN_LIFETIME / 4:
            person = await self._person(rows)
            issued = await ApiTokens(self._store, lambda: now).issue(
                person, lifetime=TOKEN_LIFETIME, address=None
            )
            text, expires_at = issued.text, issued.expires_at
            self._tokens[rows.tenant_id] = (text, expires_at)
        return text

    async def _person(self, rows: Rows) -> Person:
        name, role = f"isolation {rows.name}", Role.TENANT_ADMINISTRATOR
        async with self._store.platform(Purpose.SIGN_IN) as session:
            found = await administrators.find(session, name=name)
        if found is None:
            now = datetime.now(UTC)
            token = await invite(
                self._store, tenant_id=rows.tenant_id, name=name, role=role, actor=_ACTOR, now=now
            )
            unknown = await Passwords().hash(secrets.token_urlsafe(32))
            # No one-time code: none is ever right, and a rotation finds nothing to wrap anew.
            enrolment = administrators.Enrolment(unknown, totp_secret=b"", totp_step=0)
            async with self._store.platform(Purpose.SIGN_IN) as session:
                found = await administrators.accept(
                    session, digest=digest(token), now=now, enrolment=enrolment
                )
        return Person(found.id, found.tenant_id, found.name, role)


def judge(ask: Ask, answer: httpx.Response, target: Rows) -> str | None:
    """What an answer gives away of the target; ``None`` for a refusal. Raises ``CannotTry`` for a fault."""
    if answer.status_code >= 500 or answer.status_code == 429:
        raise CannotTry(f"{ask.route.name} answers HTTP {answer.status_code}")
    said = set(_words(ask.path, ask.body))
    if {word for word in _ids(target) | {target.host} if word in answer.text} - said:
        return "showed the other tenant's row"
    if ask.refused and answer.is_success:
        return "did not refuse what is the other tenant's"
    return None


def _ids(rows: Rows) -> set[str]:
    return {str(value) for name in rows.__slots__ if isinstance(value := getattr(rows, name), UUID)}


def _words(path: str, body: dict[str, Any] | None) -> list[str]:
    """Every path segment and every text of a body."""
    return [*path.split("/"), *re.findall(r'"([^"]*)"', json.dumps(body))]
