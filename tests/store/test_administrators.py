"""Invitations and one-time codes are used once, also when two come at once; sessions end when told."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from store import administrators, console_sessions
from store.administrators import Administrator, Enrolment
from store.claim import Purpose
from store.door import Store
from store.errors import AlreadyExists, OneTimeUseSpent, TenancyViolation
from store.tenants import PLATFORM

NOW = datetime.now(UTC)
ENROLMENT = Enrolment(password_hash="$argon2id$", totp_secret=b"wrapped", totp_step=100)


def a_digest() -> bytes:
    return uuid4().bytes + uuid4().bytes


async def invited(store: Store, name: str, expires_at: datetime = NOW + timedelta(hours=1)) -> bytes:
    digest = a_digest()
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await administrators.invite(
            session, tenant_id=PLATFORM, name=name, role="administrator", digest=digest, expires_at=expires_at
        )
    return digest


async def accepted(store: Store, digest: bytes) -> Administrator:
    async with store.platform(Purpose.SIGN_IN) as session:
        return await administrators.accept(session, digest=digest, now=NOW, enrolment=ENROLMENT)


async def an_administrator(store: Store) -> Administrator:
    return await accepted(store, await invited(store, f"Admin {uuid4()}"))


async def test_an_invitation_makes_one_administrator(store: Store) -> None:
    name = f"Ada {uuid4()}"
    digest = await invited(store, name)
    async with store.platform(Purpose.SIGN_IN) as session:
        assert (await administrators.open_invitation(session, digest=digest, now=NOW)).name == name
    answers = await asyncio.gather(*(accepted(store, digest) for _ in range(4)), return_exceptions=True)
    [made] = [answer for answer in answers if isinstance(answer, Administrator)]
    assert made.name == name
    assert {type(answer) for answer in answers} == {Administrator, OneTimeUseSpent}
    async with store.platform(Purpose.SIGN_IN) as session:
        assert await administrators.find(session, name=name.upper()) == made


@pytest.mark.parametrize("case", ["unknown", "expired"])
async def test_an_invitation_that_is_not_open_says_no_more(store: Store, case: str) -> None:
    digest = a_digest() if case == "unknown" else await invited(store, f"late {uuid4()}", NOW)
    with pytest.raises(OneTimeUseSpent, match="not valid, or no longer"):
        await accepted(store, digest)


async def test_a_sign_in_name_is_taken_whatever_its_case(store: Store) -> None:
    made = await an_administrator(store)
    digest = await invited(store, made.name.upper())
    with pytest.raises(AlreadyExists):
        await accepted(store, digest)


async def test_a_code_is_accepted_once(store: Store) -> None:
    made = await an_administrator(store)

    async def enter(step: int) -> Administrator:
        async with store.platform(Purpose.SIGN_IN) as session:
            return await administrators.accept_totp_step(session, administrator_id=made.id, step=step)

    answers = await asyncio.gather(*(enter(101) for _ in range(4)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Administrator"] + ["OneTimeUseSpent"] * 3
    with pytest.raises(OneTimeUseSpent):
        await enter(100)
    assert (await enter(102)).totp_step == 102


async def test_failures_lock_and_a_success_unlocks(store: Store) -> None:
    made, until = await an_administrator(store), NOW + timedelta(minutes=15)
    for attempt in (1, 2, 3):
        async with store.platform(Purpose.SIGN_IN) as session:
            failed = await administrators.count_failure(
                session, administrator_id=made.id, attempts_max=3, locked_until=until
            )
        assert failed.failed_attempts == attempt
        assert failed.locked_until == (until if attempt == 3 else None)
    async with store.platform(Purpose.SIGN_IN) as session:
        freed = await administrators.accept_totp_step(session, administrator_id=made.id, step=500)
    assert (freed.failed_attempts, freed.locked_until) == (0, None)


async def a_session(store: Store, owner: Administrator) -> bytes:
    digest = a_digest()
    async with store.platform(Purpose.SIGN_IN) as session:
        await console_sessions.start(
            session,
            tenant_id=owner.tenant_id,
            administrator_id=owner.id,
            digest=digest,
            source_address=None,
            expires_at=NOW + timedelta(hours=8),
        )
    return digest


async def resumed(store: Store, digest: bytes, now: datetime) -> console_sessions.ConsoleSession | None:
    async with store.platform(Purpose.SIGN_IN) as session:
        return await console_sessions.resume(
            session, digest=digest, now=now, idle_since=now - timedelta(minutes=30)
        )


async def test_a_session_lives_while_it_is_used(store: Store) -> None:
    owner = await an_administrator(store)
    digest = await a_session(store, owner)
    for minutes in (20, 40, 60):
        found = await resumed(store, digest, NOW + timedelta(minutes=minutes))
        assert (found.name, found.role) == (owner.name, owner.role)
    assert await resumed(store, digest, NOW + timedelta(minutes=100)) is None
    assert await resumed(store, a_digest(), NOW) is None


@pytest.mark.parametrize("end", ["revoked", "all revoked", "owner disabled", "expired"])
async def test_a_session_ends(store: Store, end: str) -> None:
    owner = await an_administrator(store)
    digest, now = await a_session(store, owner), NOW
    assert await resumed(store, digest, NOW) is not None
    async with store.platform(Purpose.SIGN_IN) as session:
        if end == "revoked":
            assert await console_sessions.revoke(session, digest=digest, now=NOW)
        elif end == "all revoked":
            assert await console_sessions.revoke_all(session, administrator_id=owner.id, now=NOW) == 1
        elif end == "owner disabled":
            await administrators.set_enabled(session, administrator_id=owner.id, enabled=False)
        else:
            now = NOW + timedelta(hours=9)
    assert await resumed(store, digest, now) is None


async def test_a_tenants_session_sees_no_password(store: Store) -> None:
    await an_administrator(store)
    with pytest.raises(TenancyViolation):
        async with store.tenant(PLATFORM) as session:
            await administrators.every(session)
