"""What is known of each client connection, from its first byte to its last.

mitmproxy keeps one object a connection; the facts that the chain adds to it stand here, under its id.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mitmproxy import connection
from mitmproxy.proxy import mode_specs

from addons.connection_handler import Volume
from addons.visit import Visit
from policy.attribution import ProxyCredentials
from policy.certificates import VerifiedCertificate
from policy.destination import Destination
from policy.evidence import Verdict
from policy.exchange import Client, Mode, Principal
from policy.refusals import Refusal
from policy.snapshot import PolicySnapshot

MODES: dict[type[mode_specs.ProxyMode], Mode] = {
    mode_specs.RegularMode: Mode.EXPLICIT,
    mode_specs.ReverseMode: Mode.GATEWAY,
    mode_specs.TransparentMode: Mode.TRANSPARENT,
}


@dataclass(slots=True)
class Tunnel:
    """TLS that is passed through undecrypted, to ``name`` and ``port``; ``volume`` is how much went through.

    ``suspected`` is what its name and client say of it, ``cut`` why it was ended.
    """

    name: str
    port: int
    volume: Volume
    suspected: Verdict | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    cut: Refusal | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class ClientConnection:
    """One client connection. ``connect`` is the authority of its CONNECT, ``names`` what its TLS claims,
    ``judged_by`` the policy that decided whether it is looked into, and ``tunnel`` is there where it is not.

    ``dialable`` are the destinations that an admitted exchange, or the tunnel, may reach: ``server_connect``
    opens no other. ``open_visits`` are the exchanges that have not ended.

    Who it belongs to: ``source`` is the address that a CONNECT came from where a trusted hop stands between;
    ``proxy`` the credentials of that CONNECT; ``certificate`` what the client showed to a door of ours, or
    the refusal that it deserves; ``principal`` whose TLS it is, as far as can be told from outside.
    ``is_ai`` is true once its names alone said so, ``bypassed`` where its tenant lets it pass unread all
    the same. ``ja4`` is the fingerprint of the innermost TLS that the client began,
    ``program`` whose that is if no browser's.
    """

    mode: Mode
    connect: Destination | None = None
    names: tuple[str, ...] = ()
    tunnel: Tunnel | None = None
    judged_by: PolicySnapshot | None = field(default=None, repr=False)
    started_ns: int = field(default_factory=time.monotonic_ns)
    dialable: set[tuple[str, int]] = field(default_factory=set)
    open_visits: dict[int, Visit] = field(default_factory=dict)
    source: str | None = None
    proxy: ProxyCredentials | None = None
    certificate: VerifiedCertificate | Refusal | None = None
    principal: Principal | None = None
    is_ai: bool = False
    bypassed: bool = False
    ja4: str | None = None
    program: str | None = None

    @property
    def ends_here(self) -> bool:
        """Whether TLS that begins now is between the client and a door of ours, not one of its peers."""
        return self.mode is Mode.GATEWAY or (self.mode is Mode.EXPLICIT and self.connect is None)


class Connections:
    """The open client connections of this worker. ``draining`` is set once no new one is taken."""

    def __init__(self) -> None:
        self.draining = False
        self._open: dict[str, ClientConnection] = {}
        self._by_address: dict[str, int] = {}

    def begin(self, client: connection.Client) -> ClientConnection:
        """Note a new connection."""
        facts = self._open[client.id] = ClientConnection(MODES[type(client.proxy_mode)])
        address = client.peername[0]
        self._by_address[address] = self._by_address.get(address, 0) + 1
        return facts

    def of(self, client: connection.Client) -> ClientConnection:
        """The facts of an open connection; raises ``KeyError`` for one that never began."""
        return self._open[client.id]

    def find(self, client: connection.Client) -> ClientConnection | None:
        """The facts of a connection, ``None`` once it has ended."""
        return self._open.get(client.id)

    def end(self, client: connection.Client) -> ClientConnection | None:
        """Forget a connection and give back what was known of it."""
        facts = self._open.pop(client.id, None)
        if facts is not None:
            address = client.peername[0]
            left = self._by_address.get(address, 1) - 1
            if left:
                self._by_address[address] = left
            else:
                self._by_address.pop(address, None)
        return facts

    def count(self, address: str) -> int:
        """Open connections from one source address."""
        return self._by_address.get(address, 0)

    def __len__(self) -> int:
        return len(self._open)

    def open_visits(self) -> list[Visit]:
        """Every exchange that has not ended."""
        return [visit for facts in self._open.values() for visit in facts.open_visits.values()]

    def open_tunnels(self) -> list[tuple[str, ClientConnection]]:
        """Every connection that is passed through undecrypted, by the id of its client."""
        return [(name, facts) for name, facts in self._open.items() if facts.tunnel is not None]


def client_facts(client: connection.Client, facts: ClientConnection) -> Client:
    """The connection facts that an exchange carries."""
    connect = facts.connect
    return Client(
        mode=facts.mode,
        address=facts.source or client.peername[0],
        port=client.peername[1],
        sni=client.sni,
        connect_host=connect.host if connect else None,
        connect_port=connect.port if connect else None,
        ja4=facts.ja4,
    )
