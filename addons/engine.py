"""The proxy around the chain: our own mitmproxy ``Master`` with only the addons that a gateway needs.

One Master a process. ``Engine`` starts it, tells where it listens, drains it and stops it.
"""

import asyncio
import dataclasses
import functools
import inspect
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

from loguru import logger
from mitmproxy import certs, exceptions, hooks, http, options, tls
from mitmproxy.addonmanager import AddonManager, traverse
from mitmproxy.addons import core, disable_h2c, next_layer, proxyserver, tlsconfig
from mitmproxy.master import Master
from mitmproxy.net import tls as net_tls
from mitmproxy.proxy import mode_servers
from OpenSSL import SSL

from addons import answering, protocol
from addons.attribution import ASKED_FOR_CERTIFICATE
from addons.chain import REFUSED_TLS, Chain
from addons.configuration import Configuration, Listeners

# Leaf certificates by name; a miss costs half a millisecond on the event loop.
LEAVES_MAX = 10_000
BACKLOG = 4096
# TLS 1.2 suites with forward secrecy and authenticated encryption (Mozilla "intermediate", version 5.7).
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
# Never resolved: what base-URL mode would dial if the chain forgot to say where.
_NOWHERE = "https://gateway.invalid"


Background = Callable[[], Coroutine[Any, Any, None]]


class NotListening(OSError):
    """A door could not be opened; the text says which."""


class QuietTlsConfig(tlsconfig.TlsConfig):
    """mitmproxy's TLS set-up, with leafs by name alone and without its certificate revocation answers."""

    name = "tlsconfig"

    def request(self, flow: http.HTTPFlow) -> None:
        """Answer nothing: mitmproxy's own would answer any path that ends in its CRL's name."""

    def get_cert(self, conn_context: Any) -> certs.CertStoreEntry:
        """A leaf for the name that the client asked for; in transparent mode the address says nothing."""
        sni = conn_context.client.sni
        if not sni:
            return super().get_cert(conn_context)
        return self.certstore.get_cert(sni, [certs.x509.DNSName(sni)], None)

    def __init__(self, client_ca_file: Path | None) -> None:
        super().__init__()
        self._client_ca_file = client_ca_file
        self._asking: SSL.Context | None = None

    def tls_start_client(self, tls_start: tls.TlsData) -> None:
        """As mitmproxy, unless the chain has refused this connection: then TLS is not begun.

        Where attribution wants a certificate of the client, it is asked for one, and may have none.
        """
        if getattr(tls_start.conn, REFUSED_TLS, False):
            return
        super().tls_start_client(tls_start)
        if tls_start.ssl_conn is not None and getattr(tls_start.conn, ASKED_FOR_CERTIFICATE, False):
            tls_start.ssl_conn = self._ask_for_certificate(tls_start, tls_start.ssl_conn)

    def _ask_for_certificate(self, tls_start: tls.TlsData, plain: SSL.Connection) -> SSL.Connection:
        """The same connection, from a context of its own: a resumed session would show no chain to verify."""
        if self._asking is None:
            self._asking = net_tls.create_client_proxy_context(
                method=net_tls.Method.TLS_SERVER_METHOD,
                min_version=net_tls.Version.TLS1_2,
                max_version=net_tls.Version.UNBOUNDED,
                cipher_list=tuple(_CIPHERS.split(":")),
                ecdh_curve=None,
                chain_file=None,
                alpn_select_callback=tlsconfig.alpn_select_callback,
                request_client_cert=True,
                extra_chain_certs=(),
                dhparams=self.certstore.dhparams,
            )
            self._asking.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            self._asking.set_options(SSL.OP_NO_TICKET)
            self._asking.load_client_ca(str(self._client_ca_file).encode())
        entry = self.get_cert(tls_start.context)
        asking = SSL.Connection(self._asking)
        asking.use_certificate(entry.cert.to_cryptography())
        asking.use_privatekey(entry.privatekey)
        asking.set_app_data(plain.get_app_data())
        asking.set_accept_state()
        return asking


class Engine:
    """A running data plane. Make it inside a running event loop.

    ``background`` is work that goes on for as long as the doors are open.
    """

    def __init__(
        self, configuration: Configuration, chain: Chain, background: Sequence[Background] = ()
    ) -> None:
        _prepare_process()
        self.chain = chain
        self._background = background
        self._tasks: list[asyncio.Task[None]] = []
        self._master = Master(options.Options())
        self._proxyserver = proxyserver.Proxyserver()
        self._master.addons.add(
            core.Core(),
            chain,
            disable_h2c.DisableH2C(),
            self._proxyserver,
            next_layer.NextLayer(),
            QuietTlsConfig(configuration.identity.client_ca_file),
        )
        self._master.options.update(**_options(configuration))
        chain.deadlines.handlers = self._proxyserver.connections
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the doors; raises ``NotListening``."""
        self._running = asyncio.get_running_loop().create_task(self._master.run())
        self._tasks = [asyncio.create_task(_attended(work)) for work in self._background]
        while not self._is_listening():
            if self._running.done():
                await self._running
            failed = [server for server in self._proxyserver.servers if server.last_exception]
            if failed:
                problem = failed[0].last_exception
                raise NotListening(f"{failed[0].mode.full_spec}: {problem}") from problem
            await asyncio.sleep(0.005)

    def _is_listening(self) -> bool:
        servers = list(self._proxyserver.servers)
        return self._proxyserver.is_running and bool(servers) and all(server.is_running for server in servers)

    @property
    def calls_in_flight(self) -> int:
        """Exchanges that have not ended."""
        return self.chain.calls_in_flight

    async def drain(self, within_s: float) -> bool:
        """Close the doors, let calls in flight finish; false if some had not when the time was up."""
        self._master.options.update(server=False)
        self.chain.drain()
        deadline = asyncio.get_running_loop().time() + within_s
        while self.chain.calls_in_flight and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - mitmproxy has no event to wait for
            await asyncio.sleep(0.02)
        return self.chain.calls_in_flight == 0

    async def stop(self) -> None:
        """End what is still open, and the Master."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._master.shutdown()
        if self._running is not None:
            await self._running


async def _attended(work: Background) -> None:
    """Tell when work that should go on has ended; what depends on it refuses by itself."""
    try:
        await work()
    except Exception:
        logger.opt(exception=True).error("work in the background has failed")


def _options(configuration: Configuration) -> dict[str, Any]:
    upstreams = configuration.upstreams
    return {
        "mode": _modes(configuration.listeners),
        "confdir": str(configuration.authority_directory),
        "connection_strategy": "lazy",
        "upstream_cert": False,
        # The chain reads the Host that the client sent, and writes the one that the provider gets.
        "keep_host_header": True,
        "ssl_verify_upstream_trusted_ca": str(upstreams.ca_bundle),
        "ciphers_client": _CIPHERS,
        "http3": False,
        "rawtcp": False,
        "tcp_timeout": int(max(upstreams.first_byte_timeout_s, upstreams.idle_timeout_s)),
    }


def _modes(listeners: Listeners) -> list[str]:
    return [
        f"regular@{_place(listeners.proxy)}",
        f"reverse:{_NOWHERE}@{_place(listeners.gateway)}",
        f"transparent@{_place(listeners.transparent)}",
    ]


def _place(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


@functools.cache
def _prepare_process() -> None:
    """Once a process: mend the layers, share the ports, silence what may hold a key."""
    # They would write TLS secrets to a file.
    for name in ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE"):
        os.environ.pop(name, None)
    # Below warnings, mitmproxy logs raw bytes of what it could not parse.
    logging.getLogger("mitmproxy").setLevel(logging.ERROR)
    certs.CertStore.STORE_CAP = LEAVES_MAX
    protocol.install(answering.core_refusal)
    replacements: tuple[tuple[type, str, Callable[..., Any]], ...] = (
        (mode_servers.AsyncioServerInstance, "listen", _listen),
        (AddonManager, "handle_lifecycle", _handle_lifecycle),
        (http.Headers, "get_all", _get_all),
        (http.Headers, "get", _get),
        (http.Headers, "set_all", _set_all),
        (AddonManager, "trigger_event", _trigger_event),
    )
    for owner, name, replacement in replacements:
        setattr(owner, name, replacement)


async def _listen(
    self: mode_servers.AsyncioServerInstance[Any], host: str, port: int
) -> list[asyncio.Server]:
    """Bind with ``SO_REUSEPORT``, so that every worker listens on the same ports."""
    servers = []
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, _, _, _, address in dict.fromkeys(found):
        # By its protocol asyncio knows it for TCP, and then switches Nagle's algorithm off.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        servers.append(await asyncio.start_server(self.handle_stream, sock=listener, backlog=BACKLOG))
    return servers


def _get_all(self: http.Headers, name: str | bytes) -> list[str]:
    """As mitmproxy's, in one pass: it is asked some thirty times a call."""
    wanted = name.lower().encode() if isinstance(name, str) else name.lower()
    length = len(wanted)
    return [
        value.decode("utf-8", "surrogateescape")
        for key, value in self.fields
        if len(key) == length and key.lower() == wanted
    ]


def _get(self: http.Headers, name: str | bytes, default: Any = None) -> Any:
    """As ``Mapping.get``, which would raise an exception for each header that is not there."""
    values = _get_all(self, name)
    return ", ".join(values) if values else default


def _set_all(self: http.Headers, name: str | bytes, values: Iterable[str | bytes]) -> None:
    """As mitmproxy's, in one pass: the first fields of this name are given the values, in place."""
    written = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    wanted, left = written.lower(), [_bytes(value) for value in values]
    fields = []
    for field in self.fields:
        if field[0].lower() != wanted:
            fields.append(field)
        elif left:
            fields.append((field[0], left.pop(0)))
    self.fields = (*fields, *((written, value) for value in left))


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


async def _handle_lifecycle(self: AddonManager, event: hooks.Hook) -> None:
    """As mitmproxy's, without the ``update`` event after each hook: nobody here listens for it."""
    await _trigger_event(self, event)


@functools.cache
def _field_names(kind: Any) -> tuple[str, ...]:
    """A hook is a dataclass whose fields are its arguments; its own `args` looks them up at each call."""
    return tuple(field.name for field in dataclasses.fields(kind))


async def _trigger_event(self: AddonManager, event: hooks.Hook) -> None:
    """Call every addon's hook from a table made once: the addons do not change after the start.

    The chain turns its own failures into refusals. A failure in one of mitmproxy's addons ends the flow that
    it concerns; mitmproxy would let it go on.
    """
    table: dict[str, list[Callable[..., Any]]] = self.__dict__.setdefault("_hook_table", {})
    functions = table.get(event.name)
    if functions is None:
        functions = table[event.name] = [
            function
            for addon in self.chain
            for nested in traverse([addon])
            if callable(function := getattr(nested, event.name, None))
        ]
    kind: Any = type(event)
    arguments = [getattr(event, name) for name in _field_names(kind)]
    for function in functions:
        try:
            result = function(*arguments)
            if result is not None and inspect.isawaitable(result):
                await result
        except exceptions.AddonHalt:
            return
        except Exception:
            logger.opt(exception=True).error("hook {} failed", event.name)
            for argument in arguments:
                if isinstance(argument, http.HTTPFlow) and argument.killable:
                    argument.kill()
