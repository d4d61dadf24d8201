"""The isolation canary: two synthetic tenants that keep trying to get at each other's rows, in production.

Each run lets either tenant call every repository function with what it knows of the other. A failure means
that the database no longer keeps tenants apart, and is an incident of the highest kind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from loguru import logger

from policy.identifiers import TenantId
from store import tenants
from store.canary_probes import PROBES
from store.canary_rows import Probe, Rows, furnish, rows_of, state_of
from store.claim import Purpose
from store.door import Store
from store.errors import (
    AlreadyExists,
    InvalidRecord,
    MissingReference,
    NotApproved,
    NotFound,
    OneTimeUseSpent,
    StoreError,
    TenancyViolation,
)

INTERVAL_S = 300.0
# After a run that could not be, such as while the console is being started.
AGAIN_S = 5.0

# How the database, or a repository, says no. ``AlreadyExists`` is none of these: it would tell one tenant
# that the other has a row of that name.
_REFUSALS = (NotFound, NotApproved, MissingReference, TenancyViolation, InvalidRecord, OneTimeUseSpent)


@dataclass(frozen=True, slots=True)
class Breach:
    """One repository function through which a tenant saw, changed or learned of another's row."""

    function: str
    what: str


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """One run. It stands for isolation only if ``probes`` is not zero and ``breaches`` is empty."""

    at: datetime
    probes: int
    breaches: tuple[Breach, ...]

    @property
    def held(self) -> bool:
        return self.probes > 0 and not self.breaches


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one tenant tried on the other elsewhere than through repository functions."""

    probes: int
    breaches: tuple[Breach, ...]


class CannotTry(StoreError):
    """A part of the canary could not try what it should, so that its silence would prove nothing."""


type Attack = Callable[[Rows, Rows], Awaitable[Attempt]]
"""Given the attacker's own rows and the target's. Raises ``CannotTry``."""


class Canary:
    """Runs the probes with a store of the console's role, which may call every repository function.

    ``further`` are attacks by other ways: the API, the vault.
    """

    def __init__(self, store: Store, further: Sequence[Attack] = ()) -> None:
        self._store, self._further = store, tuple(further)
        self._last: CanaryResult | None = None

    @property
    def last(self) -> CanaryResult | None:
        """The result of the last whole run; ``None`` before the first."""
        return self._last

    async def run_once(self) -> CanaryResult:
        """Try everything in both directions; raises a ``StoreError`` where PostgreSQL is away."""
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            await tenants.create_canaries(session)
        one, two = [
            await self._rows(tenant_id, number) for number, tenant_id in enumerate(tenants.CANARIES, start=1)
        ]
        attempts = [await self._attack(one, two), await self._attack(two, one)]
        probes = sum(attempt.probes for attempt in attempts)
        breaches = tuple(breach for attempt in attempts for breach in attempt.breaches)
        self._last = CanaryResult(datetime.now(UTC), probes, breaches)
        return self._last

    async def run(
        self, report: Callable[[CanaryResult], Awaitable[None]], *, interval_s: float = INTERVAL_S
    ) -> NoReturn:
        """Run for ever and report each result: to a metric, the readiness check, the audit chain."""
        while True:
            pause_s = interval_s
            try:
                result = await self.run_once()
                for breach in result.breaches:
                    logger.critical("tenants are not kept apart: {} {}", breach.function, breach.what)
                await report(result)
            except StoreError as error:
                logger.warning("the isolation canary could not run: {}", error)
                pause_s = min(interval_s, AGAIN_S)
            await asyncio.sleep(pause_s)

    async def _rows(self, tenant_id: TenantId, number: int) -> Rows:
        async with self._store.tenant(tenant_id) as session:
            known = await rows_of(session, tenant_id)
            return known or await furnish(session, tenant_id, number=number)

    async def _attack(self, own: Rows, target: Rows) -> Attempt:
        before = await self._state(target.tenant_id)
        tried = [await self._try(probe, own.tenant_id, target) for probe in PROBES]
        breaches = [breach for breach in tried if breach is not None]
        further = [await attack(own, target) for attack in self._further]
        breaches += [breach for attempt in further for breach in attempt.breaches]
        if await self._state(target.tenant_id) != before:
            breaches.append(Breach("one of all", "changed the other tenant's rows"))
        return Attempt(len(PROBES) + sum(attempt.probes for attempt in further), tuple(breaches))

    async def _state(self, tenant_id: TenantId) -> tuple[object, ...]:
        async with self._store.tenant(tenant_id) as session:
            return await state_of(session)

    async def _try(self, probe: Probe, attacker: TenantId, target: Rows) -> Breach | None:
        try:
            async with self._store.tenant(attacker) as session:
                seen = await probe.call(session, target)
                if not probe.aims:
                    raise _Undo(seen)
        except _REFUSALS:
            return None
        except AlreadyExists:
            return Breach(probe.name, "told that the other tenant has such a row")
        except _Undo as undone:
            seen = undone.seen
        if shows(seen, target):
            return Breach(probe.name, "showed the other tenant's row")
        if probe.aims and isinstance(seen, int) and seen:
            return Breach(probe.name, "counted, or acted on, the other tenant's row")
        return None


class _Undo(Exception):
    """Rolls back what a probe wrote for its own tenant, so that a run leaves no trace and bumps no policy."""

    def __init__(self, seen: object) -> None:
        self.seen = seen


def shows(seen: Any, target: Rows) -> bool:
    """Whether an answer holds a row of the target: its tenant, or its secret bytes."""
    if isinstance(seen, list | tuple):
        return any(shows(item, target) for item in seen)
    if is_dataclass(seen):
        return any(getattr(seen, field.name) in (target.tenant_id, target.envelope) for field in fields(seen))
    return False
