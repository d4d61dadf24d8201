"""The instance's housekeeping, beside the calls: months made ahead, leases reaped, isolation tried.

No call waits for any of it. Started by the supervisor; ``Boot`` comes on standard input.
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

from loguru import logger
from prometheus_client import Counter, Gauge

from conduit import lookup
from conduit.addresses import reachable
from conduit.alerting import LOOK_EVERY_S, dispatchers
from conduit.boot import Boot, announce_ready, receive
from conduit.errors import ConfigurationError
from conduit.identity_settings import Radius, Syslog
from conduit.instance import vault_of
from conduit.radius_listener import RadiusListener, clients_of
from conduit.syslog_listener import SyslogListener, sources_of, tls_of
from policy.incident import Severity, incident
from policy.limits import Crossed
from policy.thresholds import threshold_incident
from store import content_acts, credentials, retention_acts, usage
from store.acts import Actor
from store.canary import Attack, Canary, CanaryResult
from store.chain import append
from store.claim import Purpose
from store.door import Store
from store.limiter import Limiter
from store.limiter_rebuild import reconcile, used_from
from store.tenants import Tenant
from store.valkey import connect
from store.vault_canary import VaultCanary
from vault.vault import Vault

RETENTION = Actor("retention", "duties")
MONTHS_AHEAD = 3
MONTHS_EVERY_S = 6 * 3600.0
REAP_EVERY_S = 60.0
RADIUS_AGAIN_S = 5.0
SYSLOG_AGAIN_S = 5.0
RETENTION_EVERY_S = 3600.0
RECONCILE_EVERY_S = 300.0

ISOLATION = Gauge(
    "conduit_isolation_held",
    "1 where the canaries could not reach each other's rows in the last run, 0 where they could.",
    multiprocess_mode="mostrecent",
)
ISOLATION_AT = Gauge(
    "conduit_isolation_tried_at_seconds",
    "When the isolation canary last ran, in seconds since 1970.",
    multiprocess_mode="mostrecent",
)
PRUNED = Counter("conduit_events_deleted", "Events whose text was deleted when its period was over.")
USAGE_CHECKED = Gauge(
    "conduit_usage_report_read",
    "1 where the provider's last usage report could be read, 0 where it could not.",
    ["provider"],
    multiprocess_mode="livemostrecent",
)
FAILURES = Counter("conduit_duty_failures", "Runs of a duty that did not end well.", ["duty"])


def main() -> None:
    """Run until told to stop."""
    asyncio.run(serve(receive()))


async def serve(boot: Boot) -> None:
    """Do every duty at its own pace until SIGTERM."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    store = await Store.open(boot.dsn, boot.claim_key, pool_size=4, pooler=boot.settings.database.pooler)
    crossings: list[Crossed] = []
    limiter = Limiter(connect(boot.redis_url), used=used_from(store), on_crossed=crossings.append)
    isolation = Isolation(store, boot.data / "run" / "isolation.json")
    duties = [
        asyncio.create_task(every(MONTHS_EVERY_S, "months", lambda: prepare_months(store))),
        asyncio.create_task(every(REAP_EVERY_S, "leases", lambda: reap(store, limiter))),
        asyncio.create_task(
            every(RECONCILE_EVERY_S, "budgets", lambda: reconcile_all(store, limiter, crossings))
        ),
        asyncio.create_task(every(RETENTION_EVERY_S, "retention", lambda: delete_what_is_due(store))),
        asyncio.create_task(try_isolation(boot, store, vault_of(boot.data, boot.settings), isolation)),
        asyncio.create_task(
            every(boot.settings.usage_check.interval_s, "usage", lambda: check_usage(store, boot))
        ),
    ]
    radius = boot.settings.identity.radius
    if radius.listen is not None:
        duties.append(
            asyncio.create_task(every(RADIUS_AGAIN_S, "radius", lambda: hear_radius(store, radius)))
        )
    syslog = boot.settings.identity.syslog
    if syslog.udp is not None or syslog.tcp is not None:
        duties.append(
            asyncio.create_task(every(SYSLOG_AGAIN_S, "syslog", lambda: hear_syslog(store, syslog)))
        )
    duties += [
        asyncio.create_task(every(LOOK_EVERY_S, "alerts", dispatcher.turn))
        for dispatcher in dispatchers(store, boot.settings.alerts)
    ]
    announce_ready()
    await stopping.wait()
    for duty in duties:
        duty.cancel()
    await asyncio.gather(*duties, return_exceptions=True)
    await store.close()


async def try_isolation(boot: Boot, store: Store, vault: Vault, isolation: "Isolation") -> NoReturn:
    """Run the isolation canary, with its ways through the API of this instance and through its vault."""
    # Its routes load all of the console; the instance is not to wait for that before it is ready.
    api = await asyncio.to_thread(_api_attack, boot, store)
    await Canary(store, [api, VaultCanary(vault).attack]).run(isolation.report)


def _api_attack(boot: Boot, store: Store) -> Attack:
    from conduit.api_canary import ApiCanary

    return ApiCanary(store, f"http://{reachable(boot.settings.listen.console)}").attack


async def every(seconds: float, name: str, work: Callable[[], Awaitable[None]]) -> NoReturn:
    """Do ``work`` now and then every ``seconds``. What it raises is told and counted; the next run comes."""
    while True:
        try:
            await work()
        except Exception as error:  # a duty must not end because one run of it failed
            FAILURES.labels(name).inc()
            logger.error("the duty {} failed: {}", name, type(error).__name__)
        await asyncio.sleep(seconds)


async def for_each_tenant(store: Store, name: str, work: Callable[[Tenant], Awaitable[None]]) -> None:
    """Do the duty ``name`` for every tenant. What one raises is told and counted; the next is not held up."""
    for tenant in await lookup.every_tenant(store, None):
        try:
            await work(tenant)
        except Exception as error:  # no tenant's turn waits for another's
            FAILURES.labels(name).inc()
            logger.error("the duty {} failed for {}: {}", name, tenant.name, type(error).__name__)


async def hear_radius(store: Store, settings: Radius) -> None:
    """Listen to RADIUS accounting for as long as nothing goes wrong."""
    if settings.listen is None:
        return
    try:
        clients = await asyncio.to_thread(clients_of, settings)
    except ConfigurationError as problem:
        logger.error("{}", problem)
        raise
    listener = RadiusListener(store, clients, session_s=settings.session_s)
    await listener.run(settings.listen.host, settings.listen.port)


async def hear_syslog(store: Store, settings: Syslog) -> None:
    """Listen to syslog for as long as nothing goes wrong."""
    try:
        tls = await asyncio.to_thread(tls_of, settings)
    except ConfigurationError as problem:
        logger.error("{}", problem)
        raise
    listener = SyslogListener(store, sources_of(settings), session_s=settings.session_s, tls=tls)
    await listener.run(settings.udp, settings.tcp)


async def check_usage(store: Store, boot: Boot) -> None:
    """Compare usage with the providers' reports, for the tenants that keep an administrator's key for it."""
    await for_each_tenant(store, "usage", lambda tenant: _check_usage_of(store, boot, tenant))


async def _check_usage_of(store: Store, boot: Boot, tenant: Tenant) -> None:
    async with store.tenant(tenant.tenant_id) as session:
        held = await credentials.every(session)
    if not any(each.purpose is credentials.Purpose.USAGE and each.revoked_at is None for each in held):
        return
    # Loads the data plane's settings, which nobody without such a key needs here.
    from conduit.usage_check import usage_checker

    vault = vault_of(boot.data, boot.settings)
    async with usage_checker(store, vault, boot.data, boot.settings) as checker:
        for outcome in await checker.check(tenant.tenant_id, now=datetime.now(UTC)):
            USAGE_CHECKED.labels(outcome.key.provider).set(outcome.failure is None)


async def prepare_months(store: Store) -> None:
    """See that the usage of the coming months has a partition to go to."""
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await usage.prepare_months(session, months_ahead=MONTHS_AHEAD)


async def reap(store: Store, limiter: Limiter) -> None:
    """Give back what dead workers held of tenants that have no traffic of their own to do it."""
    for tenant in await lookup.every_tenant(store, None):
        while await limiter.reap(tenant.tenant_id):
            pass


async def reconcile_all(store: Store, limiter: Limiter, crossings: list[Crossed]) -> None:
    """Hold every tenant's windows to the usage rows, and open the next period before it begins.

    ``crossings`` is where ``limiter`` puts thresholds that are crossed: those that a worker died before it
    told of are recorded here, the others are known already.
    """
    await for_each_tenant(store, "budgets", lambda tenant: _reconcile_one(store, limiter, tenant, crossings))


async def _reconcile_one(store: Store, limiter: Limiter, tenant: Tenant, crossings: list[Crossed]) -> None:
    crossings.clear()
    await reconcile(store, limiter, tenant.tenant_id, ZoneInfo(tenant.time_zone))
    if crossings:
        now = datetime.now(UTC)
        async with store.tenant(tenant.tenant_id) as session:
            await append(session, [threshold_incident(each, now) for each in crossings])


async def delete_what_is_due(store: Store) -> None:
    """Delete the text of events, and the content, that are older than their tenant keeps them."""
    await for_each_tenant(store, "retention", lambda tenant: _delete_of(store, tenant))


async def _delete_of(store: Store, tenant: Tenant) -> None:
    pruned = await retention_acts.prune(store, actor=RETENTION, tenant_id=tenant.tenant_id)
    PRUNED.inc(pruned.events)
    await content_acts.delete_due(store, actor=RETENTION, tenant_id=tenant.tenant_id)


class Isolation:
    """Where the canary's results go: metrics, a file that the readiness check reads, the audit chain."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store, self._path = store, path

    async def report(self, result: CanaryResult) -> None:
        """Publish one run. A breach is an incident each time it is found, one for each function."""
        ISOLATION.set(1 if result.held else 0)
        ISOLATION_AT.set(result.at.timestamp())
        await asyncio.to_thread(self._write, result)
        if result.held:
            return
        found = [
            incident(
                "isolation.breach",
                result.at,
                severity=Severity.ALARM,
                detail={"function": breach.function, "what": breach.what},
            )
            for breach in result.breaches
        ]
        async with self._store.platform(Purpose.ADMINISTRATION) as session:
            await append(session, found)

    def _write(self, result: CanaryResult) -> None:
        beside = self._path.with_suffix(".new")
        found = {"at": result.at.isoformat(), "held": result.held, "probes": result.probes}
        beside.write_text(json.dumps(found), encoding="ascii")
        os.replace(beside, self._path)


if __name__ == "__main__":
    main()
