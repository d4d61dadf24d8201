"""What must be well for the instance to be sent traffic, as the console's process can see it.

Each check says one sentence; ``console.health`` runs them, bounded in time, and reports.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from conduit.addresses import Address, reachable
from console.health import Check, Unready
from store.canary import INTERVAL_S
from store.claim import Purpose
from store.door import Store
from store.spool import BYTES_MAX
from store.spool_folder import waiting
from store.valkey import Client
from vault.vault import Vault

# Below this the spool's writers are about to refuse calls (store.spool keeps 4 MiB of ballast each).
SPOOL_FREE_BYTES_MIN = 64 * 1024 * 1024
# Beyond this an instance whose database is away should get no new traffic (the bound is BYTES_MAX).
SPOOL_WAITING_MAX = BYTES_MAX * 9 // 10
# Two runs of the canary may fail before its silence counts.
ISOLATION_AGE_MAX = timedelta(seconds=3 * INTERVAL_S)


def checks(
    *, data: Path, listeners: Mapping[str, Address], store: Store, valkey: Client, vault: Vault
) -> dict[str, Check]:
    """The checks by name. ``listeners`` are those that workers serve."""
    return {
        "postgresql": lambda: _postgresql(store),
        "valkey": lambda: _valkey(valkey),
        "workers": lambda: _workers(data, listeners),
        "spool": lambda: asyncio.to_thread(_spool, data / "spool"),
        "vault": lambda: _vault(vault),
        "isolation": lambda: asyncio.to_thread(_isolation, data / "run" / "isolation.json"),
    }


async def _postgresql(store: Store) -> str:
    async with store.platform(Purpose.SIGN_IN) as session:
        await session.execute(text("SELECT 1"))
    return "answers"


async def _valkey(client: Client) -> str:
    await client.ping()
    return "answers"


async def _workers(data: Path, listeners: Mapping[str, Address]) -> str:
    """Whether somebody takes connections on every listener, and the instance is not about to end."""
    if (data / "run" / "draining").exists():
        raise Unready("draining")
    for name, address in listeners.items():
        place = reachable(address)
        try:
            _, writer = await asyncio.open_connection(place.host, place.port)
        except OSError:
            raise Unready(f"nobody takes connections on listen.{name}") from None
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return "take connections"


def _spool(folder: Path) -> str:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Unready("the spool cannot be written")
    space = os.statvfs(folder)
    if space.f_bavail * space.f_frsize < SPOOL_FREE_BYTES_MIN:
        raise Unready("the spool's disk is nearly full")
    waits = waiting(folder)
    if waits > SPOOL_WAITING_MAX:
        raise Unready(f"{waits} bytes of records wait for the database; calls are refused soon")
    return f"writable, {waits} bytes wait for the database"


async def _vault(vault: Vault) -> str:
    if vault.sealed:
        raise Unready("sealed: no key-encryption key")
    return "open"


def _isolation(path: Path) -> str:
    """The canary's last result. Before its first run there is none, which is no failure of isolation."""
    try:
        found = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return "not tried yet"
    if not found["held"]:
        raise Unready("tenants are not kept apart")
    if datetime.now(UTC) - datetime.fromisoformat(found["at"]) > ISOLATION_AGE_MAX:
        raise Unready("not tried lately")
    return "tenants are kept apart"
