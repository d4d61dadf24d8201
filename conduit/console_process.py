"""The console's process: web pages, REST API, health and metrics. Started by the supervisor, never by hand.

Reads its ``Boot`` from standard input, says ``ready`` on standard output when it answers, ends on SIGTERM.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import NoReturn

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

from conduit.addresses import Address, reachable
from conduit.alerting import destinations
from conduit.boot import Boot, announce_ready, receive
from conduit.errors import ChildFailed
from conduit.instance import inventory_defaults, restrictions, vault_of
from conduit.listeners import hindrance
from conduit.provider_hosts import provider_hosts
from conduit.readiness import checks
from console.api_tokens import ApiTokens
from console.app import create_app
from console.enrolment import Enroller
from console.health import Health
from console.live import Live
from console.passwords import Passwords
from console.second_factors import SecondFactors
from console.services import Services
from console.sign_in import SignIn
from console.step_up import StepUp
from store.checkpoint import signing_key
from store.door import Store
from store.valkey import connect
from vault import aead
from vault.vault import Vault

CONNECTIONS = 8
LISTEN_TIMEOUT_S = 20.0
LOOK_S = 0.02
# For answers under way; live streams are told to end.
STOP_TIMEOUT_S = 3
HEADER_READ_TIMEOUT_MS = 10_000
WIPE_EVERY_S = 30.0


def main() -> None:
    """Run until told to stop."""
    asyncio.run(serve(receive()))


async def serve(boot: Boot) -> None:
    """Assemble, listen, end."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        store = await Store.open(
            boot.dsn, boot.claim_key, pool_size=CONNECTIONS, pooler=boot.settings.database.pooler
        )
        stack.push_async_callback(store.close)
        services = assembled(boot, store)
        address = boot.settings.listen.console
        await stack.enter_async_context(listening(create_app(services), address))
        stack.callback(services.live.end)
        stack.callback(asyncio.create_task(wipe_keys(services.vault)).cancel)
        announce_ready()
        await stopping.wait()


async def wipe_keys(vault: Vault) -> NoReturn:
    """Hold no tenant's data key for longer than its time, also where nobody seals for it again."""
    while True:
        await asyncio.sleep(WIPE_EVERY_S)
        vault.forget_ended()


def assembled(boot: Boot, store: Store) -> Services:
    """What the handlers work with. Keys of forms derive from the claim key, so all instances agree."""
    settings, vault = boot.settings, vault_of(boot.data, boot.settings)
    passwords, factors = Passwords(), SecondFactors(vault)
    listeners = {"proxy": settings.listen.proxy, "gateway": settings.listen.gateway}
    health = Health(
        checks(
            data=boot.data,
            listeners=listeners,
            store=store,
            valkey=connect(boot.redis_url),
            vault=vault,
        )
    )
    return Services(
        store=store,
        vault=vault,
        sign_in=SignIn(store, passwords, factors, now),
        step_up=StepUp(store, factors, now),
        tokens=ApiTokens(store, now),
        enroller=Enroller(
            store, passwords, factors, now, key=aead.derive(boot.claim_key, b"console enrolment")
        ),
        live=Live(store),
        health=health,
        defaults=inventory_defaults(settings),
        restrictions=restrictions(),
        destinations=destinations(settings.alerts),
        provider_hosts=lambda provider: provider_hosts(settings, provider),
        record_key=lambda: signing_key(boot.data / "audit").verifier,
        retention_days_min=settings.audit.retention_days_min,
        clock=now,
        proxy=str(settings.console.proxy or settings.listen.proxy),
        secure=(settings.console.origin or "").startswith("https://"),
        form_key=aead.derive(boot.claim_key, b"console forms").hex(),
    )


def now() -> datetime:
    """The clock of everything here."""
    return datetime.now(UTC)


@contextlib.asynccontextmanager
async def listening(app: Litestar, address: Address) -> AsyncIterator[None]:
    """Serve on ``address`` for as long as the block lasts. Raises ``ChildFailed`` when it cannot be had."""
    # Granian shares ports (SO_REUSEPORT): with another console there, each would get half the calls.
    if (reason := hindrance(address)) is not None:
        raise ChildFailed(f"the console cannot listen: {address} {reason}")
    server = Server(
        app,
        address.host,
        address.port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_TIMEOUT_MS),
    )
    server.workers_kill_timeout = STOP_TIMEOUT_S
    serving = asyncio.create_task(server.serve())
    try:
        await _until_it_listens(serving, address)
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(serving, 2 * STOP_TIMEOUT_S)


async def _until_it_listens(serving: "asyncio.Task[None]", address: Address) -> None:
    place = reachable(address)
    for _ in range(int(LISTEN_TIMEOUT_S / LOOK_S)):
        if serving.done():
            break
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(place.host, place.port)
            writer.close()
            if not serving.done():  # else it was somebody else who answered
                return
        await asyncio.wait((serving,), timeout=LOOK_S)
    reason = serving.exception() if serving.done() and not serving.cancelled() else None
    raise ChildFailed(f"the console cannot listen on {address}: {reason or 'no answer'}")


if __name__ == "__main__":
    main()
