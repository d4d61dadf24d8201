"""What somebody looks for in the record: the same words on the page and in the API, from the query string."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from console.errors import Invalid
from policy.identifiers import CredentialId, PlaceholderId, TenantId, UserId
from store import credentials, members
from store.events import Search


def _filled(value: object) -> object:
    """A field of a form that was left empty says nothing."""
    text = value.strip() if isinstance(value, str) else value
    return text or None


def _in_utc(value: object) -> object:
    """A time without offset, as a browser's field gives it, is UTC."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Text = Annotated[str | None, BeforeValidator(_filled), Field(max_length=300)]
Moment = Annotated[datetime | None, BeforeValidator(_in_utc)]
EVENTS_MAX = 1000


class Question(BaseModel):
    """Which events; what is left out does not narrow. ``user`` and ``credential`` are names or ids."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    since: Moment = None
    until: Moment = None
    kind: Text = None
    user: Text = None
    placeholder: Annotated[UUID | None, BeforeValidator(_filled)] = None
    credential: Text = None
    host: Text = None
    model: Text = None
    address: Text = None
    decision: Annotated[Literal["allow", "deny"] | None, BeforeValidator(_filled)] = None
    reason: Text = None
    outcome: Text = None
    finding: Text = None
    ja4: Text = None
    limit: int = Field(100, ge=1, le=EVENTS_MAX)


def question_of(query: Mapping[str, Any], *, without: tuple[str, ...] = ()) -> Question:
    """Read a query string; an unknown word in it is refused. Raises ``Invalid``."""
    try:
        return Question.model_validate({name: query[name] for name in query if name not in without})
    except ValidationError as error:
        named = {".".join(map(str, problem["loc"])): problem["msg"] for problem in error.errors()}
        raise Invalid("; ".join(f"{name}: {said}" for name, said in named.items())) from None


async def search_of(
    session: AsyncSession, question: Question, *, tenant_id: TenantId | None
) -> Search | None:
    """The search that a question means; ``None`` where it names somebody or something that is not there.

    Raises ``Invalid`` for a user or credential without the tenant whose it is.
    """
    if tenant_id is None and (question.user or question.credential):
        raise Invalid("choose a tenant to look for one of its users or credentials")
    user = await _user(session, question.user) if question.user else None
    credential = await _credential(session, question.credential) if question.credential else None
    if (question.user and user is None) or (question.credential and credential is None):
        return None
    return Search(
        since=question.since,
        until=question.until,
        kind=question.kind,
        user_id=user,
        placeholder_id=PlaceholderId(question.placeholder) if question.placeholder else None,
        credential_id=credential,
        host=question.host.lower() if question.host else None,
        model=question.model,
        reason=question.reason,
        outcome=question.outcome,
        allowed=None if question.decision is None else question.decision == "allow",
        source_address=question.address,
        finding=question.finding,
        ja4=question.ja4,
    )


async def _user(session: AsyncSession, text: str) -> UserId | None:
    identity = _id(text)
    if identity is not None:
        return UserId(identity)
    found = await members.find(session, name=text)
    return found.id if found else None


async def _credential(session: AsyncSession, text: str) -> CredentialId | None:
    identity = _id(text)
    if identity is not None:
        return CredentialId(identity)
    found = await credentials.find(session, name=text)
    return found.id if found else None


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
