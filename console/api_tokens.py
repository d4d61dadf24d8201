"""Tokens for programs: sessions that live longer, do not end by idleness, and come in a header.

A token may what its owner may, ends when its owner is disabled, and cannot make further tokens. Its prefix
keeps it from passing for a cookie, lets secret scanners find it, and a cookie's token from passing for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from console.errors import NotFound, NotSignedIn
from console.people import Person, person_in
from console.sign_in import SESSION_LIFETIME
from console.tokens import digest, new_token
from store import console_sessions
from store.acts import Actor, record
from store.claim import Purpose
from store.console_sessions import ConsoleSession
from store.door import Store

PREFIX = "conduit_api_"
NEVER_IDLE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token; ``text`` is shown once and kept nowhere."""

    id: UUID
    text: str = field(repr=False)
    expires_at: datetime


class ApiTokens:
    """Issues, recognises, lists and revokes. ``clock`` gives an aware UTC datetime."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def person(self, text: str) -> Person:
        """Whose token it is; raises ``NotSignedIn``."""
        if not text.startswith(PREFIX):
            raise NotSignedIn
        async with self._store.platform(Purpose.SIGN_IN) as session:
            found = await console_sessions.resume(
                session, digest=digest(text), now=self._clock(), idle_since=NEVER_IDLE
            )
        return person_in(found)

    async def issue(
        self, person: Person, *, lifetime: timedelta, address: IPv4Address | IPv6Address | None
    ) -> Issued:
        """Make a token for somebody; ``lifetime`` is longer than a browser's session."""
        text, expires_at = PREFIX + new_token(), self._clock() + lifetime
        async with self._store.platform(Purpose.SIGN_IN) as session:
            token_id = await console_sessions.start(
                session,
                tenant_id=person.tenant_id,
                administrator_id=person.id,
                digest=digest(text),
                source_address=address,
                expires_at=expires_at,
            )
            await record(session, _actor(person), "token.create", tenant_id=person.tenant_id, target=token_id)
        return Issued(token_id, text, expires_at)

    async def live(self, person: Person) -> list[ConsoleSession]:
        """Somebody's tokens that still work, newest first."""
        now = self._clock()
        async with self._store.platform(Purpose.SIGN_IN) as session:
            every = await console_sessions.every(session, administrator_id=person.id)
        return [
            row
            for row in every
            if row.revoked_at is None
            and row.expires_at > now
            and row.expires_at - row.created_at > SESSION_LIFETIME
        ]

    async def revoke(self, person: Person, *, token_id: UUID) -> None:
        """End one of somebody's tokens; raises ``NotFound`` for any other."""
        found = next((row for row in await self.live(person) if row.id == token_id), None)
        if found is None:
            raise NotFound
        async with self._store.platform(Purpose.SIGN_IN) as session:
            await console_sessions.revoke(session, digest=found.digest, now=self._clock())
            await record(session, _actor(person), "token.revoke", tenant_id=person.tenant_id, target=token_id)


def _actor(person: Person) -> Actor:
    return Actor(person.name, "api")
