"""TLS connections that were passed through undecrypted: their name is recorded, nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

from loguru import logger
from mitmproxy import connection
from uuid_utils.compat import uuid7

from addons.connections import ClientConnection, client_facts
from policy.event import tunnel_event
from policy.identifiers import ExchangeId
from policy.snapshot import PolicySnapshot
from store.spool import Spool, SpoolError


class Tunnels:
    """Writes one event a tunnel."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def ended(self, client: connection.Client, facts: ClientConnection, snapshot: PolicySnapshot) -> None:
        """The tunnel has closed."""
        tenant = snapshot.tenant_at(ip_address(client.peername[0]))
        port = next(iter(facts.dialable))[1]
        seen = replace(client_facts(client, facts), connect_host=facts.tunnel, connect_port=port)
        started_at = facts.tunnel_started_at or datetime.now(UTC)
        event = tunnel_event(ExchangeId(uuid7()), started_at, tenant=tenant, client=seen)
        try:
            self._spool.append({"type": "ended", "event": event})
        except SpoolError as problem:
            logger.error("a tunnel to {} was not recorded: {}", facts.tunnel, problem)
