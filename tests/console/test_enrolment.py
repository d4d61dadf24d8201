"""An account that is being made keeps a rotation of the key-encryption key waiting."""

import asyncio
from typing import Any

import pyotp
from sqlalchemy import func, select

from console.enrolment import Chosen, Enroller, invite
from console.passwords import Passwords
from console.permissions import Role
from console.second_factors import SecondFactors
from store import key_custody
from store.claim import Purpose
from store.door import Store
from store.tenants import PLATFORM
from tests.console.conftest import CHEAP, PASSWORD, TESTER, Clock
from vault.kek import KeyDocument, LocalKeys
from vault.vault import Vault


class Slow(SecondFactors):
    """Seals, and then lets a rotation pass, as a slow machine or a far key source would."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault)
        self.sealed, self.go_on = asyncio.Event(), asyncio.Event()

    async def seal(self, *args: Any, **kwargs: Any) -> bytes:
        made = await super().seal(*args, **kwargs)
        self.sealed.set()
        await self.go_on.wait()
        return made


async def test_no_account_is_left_under_a_key_that_a_rotation_drops(store: Store, clock: Clock) -> None:
    factors = Slow(Vault(LocalKeys(KeyDocument.fresh())))
    enroller = Enroller(store, Passwords(CHEAP), factors, clock, key=bytes(32))
    role, name = Role.PLATFORM_ADMINISTRATOR, f"late {id(factors)}"
    token = await invite(store, tenant_id=PLATFORM, name=name, role=role, actor=TESTER, now=clock())
    form = await enroller.form(token)
    code = pyotp.TOTP(form.secret).at(clock())
    chosen = Chosen(token=token, sealed=form.sealed, password=PASSWORD, code=code)
    accepting = asyncio.create_task(enroller.accept(chosen))
    await factors.sealed.wait()
    assert not await a_rotation_could_begin(store)
    factors.go_on.set()
    await accepting
    assert await a_rotation_could_begin(store)


async def a_rotation_could_begin(store: Store) -> bool:
    """Whether the lock that a rotation of the key-encryption key takes is to be had."""
    async with store.platform(Purpose.ADMINISTRATION) as session:
        asked = select(func.pg_try_advisory_xact_lock(key_custody._KEK_LOCK, 0))
        return bool((await session.execute(asked)).scalar_one())
