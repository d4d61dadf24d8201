"""Whether the providers have seen our keys elsewhere: their usage reports beside what went through here.

Per tenant and provider, with an administrator's key that the tenant keeps for it; off without one. Findings
are incidents, written once for each key and day; so is a report that could not be had, for each day.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
from loguru import logger

from conduit.gateway import configuration
from conduit.provider_reports import ReportFailed, Source, fetch_used
from conduit.settings import Settings, UsageCheck
from conduit.token_client import token_client
from policy.event import Event
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from policy.usage_reports import KeyDay, Used
from policy.used_elsewhere import Finding, Tolerance, begins, compare, settled_days
from store import chain, credentials, key_custody, usage
from store.credentials import Credential, Purpose
from store.door import Store
from store.errors import NotFound
from vault.errors import VaultError
from vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Comparison:
    """One credential on one day: tokens in and out, and how many of our counts are ``estimated``."""

    credential: Credential
    day: date
    metered: int
    reported: int
    estimated: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the check of one administrator's key showed; ``failure`` says why it showed nothing.

    ``unstated`` are credentials of its provider of which nobody has said by which id the provider knows them,
    ``waiting`` those that have not been ours for a whole day yet.
    """

    key: Credential
    compared: tuple[Comparison, ...] = ()
    unstated: tuple[Credential, ...] = ()
    waiting: tuple[Credential, ...] = ()
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class UsageChecker:
    """Compares, and writes down what it finds. ``client`` follows no redirect: a key goes along."""

    store: Store
    vault: Vault
    client: httpx.AsyncClient
    settings: UsageCheck

    async def check(self, tenant_id: TenantId, *, now: datetime) -> list[Outcome]:
        """Check a tenant with every administrator's key that it has; raises only errors of the store."""
        async with self.store.tenant(tenant_id) as session:
            held = [item for item in await credentials.every(session) if item.revoked_at is None]
        outcomes = []
        for key in held:
            if key.purpose is Purpose.USAGE:
                outcome = await self._with(key, held, now)
                await self._record(tenant_id, outcome, now)
                outcomes.append(outcome)
        return outcomes

    async def _with(self, key: Credential, held: Sequence[Credential], now: datetime) -> Outcome:
        ours = [each for each in held if each.provider == key.provider and each.purpose is Purpose.CALLS]
        unstated = tuple(each for each in ours if each.provider_key_id is None)
        delay = timedelta(seconds=self.settings.delay_s)
        days = settled_days(now, delay=delay, days=self.settings.days)
        since, until = begins(days[0]), begins(days[-1]) + timedelta(days=1)
        try:
            told = await self._reported(key, since, until)
        except (ReportFailed, VaultError) as problem:
            return Outcome(key, unstated=unstated, failure=str(problem))
        async with self.store.tenant(key.tenant_id) as session:
            metered = await usage.by_credential_and_day(session, since=since, until=until)
        compared = _compare(ours, days, metered, told, self.settings.tolerance)
        done = {item.credential.id for item in compared}
        waiting = tuple(each for each in ours if each not in unstated and each.id not in done)
        return Outcome(key, compared, unstated, waiting)

    async def _reported(self, key: Credential, since: datetime, until: datetime) -> dict[KeyDay, Used]:
        """What the provider counts for each of its keys. Raises ``ReportFailed``, ``VaultError``."""
        async with self.store.tenant(key.tenant_id) as session:
            try:
                tenant = await key_custody.keyed_tenant(session, key.tenant_id)
            except NotFound as problem:
                raise ReportFailed(str(problem)) from None
            sealed = await key_custody.sealed_credential(session, key)
        await self.vault.unlock(tenant)
        secret = self.vault.open_credential(tenant, sealed, host=key.hosts[0])
        self.vault.forget(tenant.id)  # nothing else is opened for it here before the next check
        source = Source(key.provider, key.hosts[0], secret)
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                return await fetch_used(self.client, source, (since, until))
        except TimeoutError:
            raise ReportFailed(f"{key.provider} took too long for its usage report") from None

    async def _record(self, tenant_id: TenantId, outcome: Outcome, now: datetime) -> None:
        events = list(_incidents(tenant_id, outcome, now))
        if outcome.failure is not None:
            logger.warning("usage of {} is not checked: {}", outcome.key.provider, outcome.failure)
        if events:
            async with self.store.tenant(tenant_id) as session:
                await chain.append(session, events)


@asynccontextmanager
async def usage_checker(
    store: Store, vault: Vault, data: Path, settings: Settings
) -> AsyncIterator[UsageChecker]:
    """A checker that asks providers under the operator's rules for upstreams."""
    upstreams = configuration(settings, data).upstreams
    async with token_client(upstreams, timeout_s=settings.usage_check.timeout_s) as client:
        yield UsageChecker(store, vault, client, settings.usage_check)


def _compare(
    ours: Sequence[Credential],
    days: Sequence[date],
    metered: Sequence[usage.CredentialDay],
    told: Mapping[KeyDay, Used],
    tolerance: Tolerance,
) -> tuple[Comparison, ...]:
    """Each credential on each of its days. What several credentials with one key used counts together."""
    known_as = {each.id: each.provider_key_id for each in ours}
    tokens: dict[tuple[str | None, date], int] = {}
    estimated: dict[tuple[str | None, date], int] = {}
    for row in metered:
        place = (known_as.get(row.credential_id), row.day)
        tokens[place] = tokens.get(place, 0) + row.tokens
        estimated[place] = estimated.get(place, 0) + row.estimated
    found = []
    for credential in ours:
        key_id, ours_since = credential.provider_key_id, credential.rotated_at or credential.created_at
        # On earlier days, and on the day itself, the key may have been used elsewhere by right.
        for day in (each for each in days if key_id is not None and begins(each) >= ours_since):
            here, there = tokens.get((key_id, day), 0), told.get(KeyDay(key_id or "", day), Used()).tokens
            finding = compare(here, there, tolerance)
            found.append(Comparison(credential, day, here, there, estimated.get((key_id, day), 0), finding))
    return tuple(found)


def _incidents(tenant_id: TenantId, outcome: Outcome, now: datetime) -> Sequence[Event]:
    found = []
    if outcome.failure is not None:
        detail: dict[str, int | str] = {
            "credential_id": str(outcome.key.id),
            "credential": outcome.key.name,
            "provider": outcome.key.provider,
            "problem": outcome.failure,
        }
        once = f"{outcome.key.id} {now.astimezone(UTC).date()}"
        found.append(
            incident(
                "credential.usage_unchecked",
                now,
                severity=Severity.WARNING,
                whose=tenant_id,
                once=once,
                detail=detail,
            )
        )
    for item in outcome.compared:
        if item.finding is Finding.USED_ELSEWHERE:
            found.append(_finding("credential.used_elsewhere", Severity.ALARM, tenant_id, item, now))
        elif item.finding is Finding.UNCONFIRMED:
            found.append(_finding("credential.usage_unconfirmed", Severity.NOTICE, tenant_id, item, now))
    return found


def _finding(action: str, severity: Severity, tenant_id: TenantId, item: Comparison, now: datetime) -> Event:
    return incident(
        action,
        now,
        severity=severity,
        whose=tenant_id,
        once=f"{item.credential.id} {item.credential.version} {item.day}",
        detail={
            "credential_id": str(item.credential.id),
            "credential": item.credential.name,
            "provider": item.credential.provider,
            "provider_key_id": item.credential.provider_key_id or "",
            "day": item.day.isoformat(),
            "metered_tokens": item.metered,
            "reported_tokens": item.reported,
            "surplus_tokens": item.reported - item.metered,
            "estimated_calls": item.estimated,
        },
    )
