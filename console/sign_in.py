"""Signing in and out: password and one-time code together, one answer for every way they can be wrong.

The password is always hashed and the code always compared, also for names that do not exist and accounts
that wait, so that neither text nor time tells them apart. Success and failure are events in the same
transaction as what they change.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

from loguru import logger

from console import events
from console.errors import SignInFailed
from console.metrics import SIGN_INS
from console.one_time_codes import accepted_step, new_secret
from console.passwords import Passwords
from console.people import Person, person_in
from console.second_factors import SecondFactors
from console.tokens import digest, new_token
from store import administrators, chain, console_sessions
from store.administrators import Administrator
from store.claim import Purpose
from store.door import Store
from store.errors import OneTimeUseSpent
from vault.errors import Unopenable
from vault.secret import Secret

# NIST SP 800-63B-4 at AAL2: at most 24 h, and an hour without use; an admin console can be stricter.
SESSION_LIFETIME = timedelta(hours=12)
SESSION_IDLE = timedelta(minutes=30)

# NIST allows 100 failures in a row; five, and then waits that double, leave a guesser some 100 a day.
FAILURES_BEFORE_LOCK = 5
LOCK_SHORTEST_S = 30
LOCK_LONGEST_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody who wants in sent. ``address`` is where it came from."""

    name: str
    password: str = field(repr=False)
    code: str = field(repr=False)
    address: IPv4Address | IPv6Address | None


class SignIn:
    """The door of the console. ``clock`` gives an aware UTC datetime."""

    def __init__(
        self, store: Store, passwords: Passwords, factors: SecondFactors, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._factors = factors
        self._clock = clock
        self._decoy_secret = new_secret()

    async def enter(self, claim: Claim, *, earlier_token: str | None) -> str:
        """Let somebody in and return the token of their new session; ``earlier_token``'s session ends.

        Raises ``SignInFailed`` for anything wrong, ``TooBusy``, and ``vault.errors.Sealed`` before looking.
        """
        self._factors.check_open()
        async with self._store.platform(Purpose.SIGN_IN) as session:
            account = await administrators.find(session, name=claim.name)
        waits = account is not None and self._waits(account)
        try:
            admitted, step = await self._judge(account, claim)
        except SignInFailed:
            await self._refuse(account, claim, counted=not waits)
            raise
        try:
            token = await self._admit(admitted, claim, step, earlier_token)
        except OneTimeUseSpent:
            # Everything was right but the code has been used: not a guess, so it does not count towards a
            # lock, or whoever overhears a code could lock its owner out.
            await self._refuse(account, claim, counted=False)
            raise SignInFailed from None
        SIGN_INS.labels("accepted").inc()
        return token

    async def person(self, token: str, *, used: bool) -> Person:
        """Whose session a token is; raises ``NotSignedIn``.

        ``used`` keeps the session from ending by idleness. It is false for what an open page asks by itself,
        or a session would last as long as a forgotten tab.
        """
        now = self._clock()
        ask = console_sessions.resume if used else console_sessions.look_up
        async with self._store.platform(Purpose.SIGN_IN) as session:
            found = await ask(session, digest=digest(token), now=now, idle_since=now - SESSION_IDLE)
        return person_in(found)

    async def leave(self, token: str, person: Person) -> None:
        """End the session of a token; harmless when it has ended."""
        now = self._clock()
        async with self._store.platform(Purpose.SIGN_IN) as session:
            if await console_sessions.revoke(session, digest=digest(token), now=now):
                event = events.sign_in(now, "signed_out", tenant_id=person.tenant_id, name=person.name)
                await chain.append(session, [event])

    async def _judge(self, account: Administrator | None, claim: Claim) -> tuple[Administrator, int]:
        """The account and the step of its code; raises ``SignInFailed``, after as long for every reason."""
        secret = await self._secret(account)
        wrong = False
        try:
            await self._passwords.verify(claim.password, account.password_hash if account else None)
        except SignInFailed:
            wrong = True
        step = accepted_step(secret, claim.code, now=self._clock())
        if wrong or account is None or not account.enabled or self._waits(account):
            raise SignInFailed
        return account, step

    async def _secret(self, account: Administrator | None) -> Secret:
        if account is None:
            return self._decoy_secret
        try:
            return await self._factors.open(
                account.totp_secret, tenant_id=account.tenant_id, name=account.name
            )
        except Unopenable:
            logger.error("the second factor of administrator {} cannot be opened", account.id)
            return self._decoy_secret

    def _waits(self, account: Administrator) -> bool:
        return account.locked_until is not None and self._clock() < account.locked_until

    async def _admit(self, account: Administrator, claim: Claim, step: int, earlier_token: str | None) -> str:
        """Take the code's step and open the session, together; raises ``OneTimeUseSpent``."""
        now, token = self._clock(), new_token()
        async with self._store.platform(Purpose.SIGN_IN) as session:
            await administrators.accept_totp_step(session, administrator_id=account.id, step=step)
            if earlier_token is not None:
                await console_sessions.revoke(session, digest=digest(earlier_token), now=now)
            await console_sessions.start(
                session,
                tenant_id=account.tenant_id,
                administrator_id=account.id,
                digest=digest(token),
                source_address=claim.address,
                expires_at=now + SESSION_LIFETIME,
            )
            await chain.append(session, [self._event("accepted", account, claim, now)])
        return token

    async def _refuse(self, account: Administrator | None, claim: Claim, *, counted: bool) -> None:
        now = self._clock()
        async with self._store.platform(Purpose.SIGN_IN) as session:
            if account is not None and counted:
                await administrators.count_failure(
                    session,
                    administrator_id=account.id,
                    attempts_max=FAILURES_BEFORE_LOCK,
                    locked_until=now + wait_after(account.failed_attempts + 1),
                )
            await chain.append(session, [self._event("refused", account, claim, now)])
        SIGN_INS.labels("refused").inc()

    def _event(
        self, outcome: str, account: Administrator | None, claim: Claim, now: datetime
    ) -> dict[str, object]:
        """A name that is no account's is not written down: people type passwords into the wrong field."""
        return events.sign_in(
            now,
            outcome,
            tenant_id=account.tenant_id if account else None,
            name=account.name if account else None,
            address=claim.address,
        )


def wait_after(failures: int) -> timedelta:
    """How long an account waits after so many failures in a row, once it waits at all."""
    doublings = min(max(failures - FAILURES_BEFORE_LOCK, 0), 10)
    return timedelta(seconds=min(LOCK_SHORTEST_S * 2**doublings, LOCK_LONGEST_S))
