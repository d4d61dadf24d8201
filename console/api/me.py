"""Who is asking, and the tokens with which their programs ask."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody

from console.api.shapes import PROBLEMS, IssuedToken, NewToken, Profile, Token
from console.errors import NotAllowed
from console.people import person_of, requires
from console.permissions import Permission, permissions_of
from console.services import services_of
from console.sessions import Proof, address_of


@get("/me", guards=[requires(Permission.SELF_PROFILE_VIEW)], responses=PROBLEMS)
async def show(request: Request[Any, Any, Any]) -> Profile:
    """Who is asking, and what they may do."""
    person = person_of(request)
    return Profile(
        id=person.id,
        tenant_id=person.tenant_id,
        name=person.name,
        role=person.role,
        permissions=sorted(permissions_of(person.role, platform=person.of_platform)),
    )


@get("/me/tokens", guards=[requires(Permission.SELF_TOKEN_VIEW)], responses=PROBLEMS)
async def list_tokens(request: Request[Any, Any, Any]) -> list[Token]:
    """The asker's live tokens, without their text."""
    found = await services_of(request).tokens.live(person_of(request))
    return [Token.model_validate(token) for token in found]


@post("/me/tokens", guards=[requires(Permission.SELF_TOKEN_CREATE)], responses=PROBLEMS)
async def create_token(request: Request[Any, Any, Any], data: JSONBody[NewToken]) -> IssuedToken:
    """A token for a program: it may what the asker may. Its text is in this answer and nowhere else."""
    if request.auth is not Proof.COOKIE:
        raise NotAllowed("A token cannot make tokens; sign in.")
    issued = await services_of(request).tokens.issue(
        person_of(request), lifetime=timedelta(days=data.days), address=address_of(request)
    )
    return IssuedToken(id=issued.id, token=issued.text, expires_at=issued.expires_at)


@delete("/me/tokens/{token_id:uuid}", guards=[requires(Permission.SELF_TOKEN_REVOKE)], responses=PROBLEMS)
async def revoke_token(request: Request[Any, Any, Any], token_id: FromPath[UUID]) -> None:
    """End one of the asker's tokens."""
    await services_of(request).tokens.revoke(person_of(request), token_id=token_id)
