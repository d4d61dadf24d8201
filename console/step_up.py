"""Proving again who one is, for an act that a stolen session must not do: a fresh one-time code.

A code counts once, as at the sign-in, and failures lock the account as there: a session is no way to guess.
"""

from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address

from console import events
from console.errors import SignInFailed
from console.one_time_codes import accepted_step
from console.second_factors import SecondFactors
from console.sign_in import FAILURES_BEFORE_LOCK, wait_after
from store import administrators, chain
from store.administrators import Administrator
from store.claim import Purpose
from store.door import Store
from store.errors import OneTimeUseSpent
from vault.errors import Unopenable


class StepUp:
    """Checks codes. ``clock`` gives an aware UTC datetime."""

    def __init__(self, store: Store, factors: SecondFactors, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._factors = factors
        self._clock = clock

    async def prove(
        self, name: str, code: str, *, address: IPv4Address | IPv6Address | None = None
    ) -> Administrator:
        """The administrator of this sign-in name, whose code this is; raises ``SignInFailed``, ``Sealed``."""
        self._factors.check_open()
        async with self._store.platform(Purpose.SIGN_IN) as session:
            account = await administrators.find(session, name=name)
        now = self._clock()
        if account is None or not account.enabled:
            raise SignInFailed
        if account.locked_until is not None and now < account.locked_until:
            raise SignInFailed
        try:
            secret = await self._factors.open(
                account.totp_secret, tenant_id=account.tenant_id, name=account.name
            )
            step = accepted_step(secret, code, now=now)
            async with self._store.platform(Purpose.SIGN_IN) as session:
                await administrators.accept_totp_step(session, administrator_id=account.id, step=step)
        except (SignInFailed, OneTimeUseSpent, Unopenable) as error:
            await self._refuse(account, now, address, counted=not isinstance(error, OneTimeUseSpent))
            raise SignInFailed from None
        return account

    async def _refuse(
        self,
        account: Administrator,
        now: datetime,
        address: IPv4Address | IPv6Address | None,
        *,
        counted: bool,
    ) -> None:
        async with self._store.platform(Purpose.SIGN_IN) as session:
            if counted:
                await administrators.count_failure(
                    session,
                    administrator_id=account.id,
                    attempts_max=FAILURES_BEFORE_LOCK,
                    locked_until=now + wait_after(account.failed_attempts + 1),
                )
            told = events.sign_in(
                now, "refused", tenant_id=account.tenant_id, name=account.name, address=address
            )
            await chain.append(session, [told])
