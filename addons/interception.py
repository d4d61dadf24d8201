"""Whether to look inside a TLS connection, decided at its ClientHello.

AI endpoints are decrypted, all else is tunnelled untouched and counted by name only. A blocked endpoint is
decrypted too, so that its caller reads why.
"""

from datetime import UTC, datetime

from mitmproxy import connection, tls

from addons.configuration import Configuration
from addons.connection_handler import measured
from addons.connections import ClientConnection, Connections, Tunnel
from addons.snapshots import Snapshots, stale
from addons.step import Step
from policy.destination import InvalidDestination, canonical_host
from policy.evasion import refused_hello
from policy.evidence import score_tunnel
from policy.ja4 import ja4, read_hello
from policy.pinning import bypasses
from policy.refusals import Refusal
from policy.tls_client import UNKNOWN_PROGRAM, program_of


class TlsRefused(Exception):
    """This TLS connection ends here, and the refusal is written down."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Interception(Step):
    """Sets ``ignore_connection`` on what is none of ours."""

    name = "interception"

    def __init__(self, configuration: Configuration, connections: Connections, snapshots: Snapshots) -> None:
        self._configuration = configuration
        self._connections = connections
        self._snapshots = snapshots
        self._pinning = configuration.pinning
        self._decryption = configuration.decryption

    def client_hello(self, hello: tls.ClientHelloData) -> None:
        """Decrypt or tunnel. An exception here closes the connection (see the chain)."""
        client = hello.context.client
        facts = self._connections.of(client)
        _note_client(facts, hello.client_hello)
        if facts.ends_here:
            return  # TLS to a listener of ours
        snapshot = facts.judged_by = self._snapshots.current
        names = self._names(hello, client)
        facts.names = tuple(names)
        tenant = facts.principal.tenant_id if facts.principal is not None else None
        facts.is_ai = any(self._decryption.is_ai(snapshot, tenant, name) for name in names)
        facts.bypassed = facts.is_ai and self._bypasses(facts, names)
        if facts.is_ai and not facts.bypassed:
            return
        self._refuse_evasion(hello.client_hello, names, facts)
        if not facts.bypassed and self._decryption.looks_into(snapshot, tenant, names):
            return
        blocked = self._decryption.blocked(snapshot, tenant, names)
        if blocked is not None and not facts.bypassed:
            raise TlsRefused(blocked)
        address = hello.context.server.address
        if address is None:
            raise InvalidDestination("a tunnel without a destination")
        hello.ignore_connection = True
        tunnel = facts.tunnel = Tunnel(names[0] if names else address[0], address[1], measured(client))
        if not facts.is_ai and not any(self._decryption.excludes(snapshot, tenant, name) for name in names):
            tunnel.suspected = score_tunnel(names, facts.program)
        # What is dialled is what was named, whatever address the client chose: else a false name would lead
        # anywhere.
        hello.context.server.address = (tunnel.name, tunnel.port)
        facts.dialable.add((tunnel.name, tunnel.port))

    def _bypasses(self, facts: ClientConnection, names: list[str]) -> bool:
        """Whether the tenant lets AI endpoints of these names be reached unread, since a client pins."""
        too_old = stale(self._snapshots, self._configuration.bounds.snapshot_age_max_s)
        if facts.principal is None or too_old is not None:
            return False
        return bypasses(self._snapshots.current, facts.principal, names, self._pinning, datetime.now(UTC))

    def _refuse_evasion(self, hello: tls.ClientHello, names: list[str], facts: ClientConnection) -> None:
        """Nothing that hides its name is tunnelled, since a tunnel is known by its name alone."""
        kinds = [kind for kind, _ in hello.extensions]
        refusal = refused_hello(
            names,
            sni=hello.sni,
            connect=facts.connect.host if facts.connect is not None else None,
            extensions=kinds,
            evasions=self._configuration.evasions,
        )
        if refusal is not None:
            raise TlsRefused(refusal)

    def _names(self, hello: tls.ClientHelloData, client: connection.Client) -> list[str]:
        """The names that this connection claims, canonical; one that has no single reading is refused."""
        facts = self._connections.of(client)
        names = [canonical_host(hello.client_hello.sni)] if hello.client_hello.sni else []
        if facts.connect is not None and facts.connect.host not in names:
            names.append(facts.connect.host)
        return names


def _note_client(facts: ClientConnection, hello: tls.ClientHello) -> None:
    """Whose TLS this is, once a connection."""
    said = read_hello(hello.raw_bytes(wrap_in_record=False))
    facts.ja4 = ja4(said) if said is not None else None
    facts.program = program_of(said, facts.ja4) if said is not None and facts.ja4 else UNKNOWN_PROGRAM
