"""TLS connections that were passed through undecrypted: their name is recorded, nothing else."""

from dataclasses import replace
from datetime import UTC, datetime

from loguru import logger
from mitmproxy import connection
from uuid_utils.compat import uuid7

from addons.connections import ClientConnection, Tunnel, client_facts
from policy.decoys import decoy_used
from policy.event import Event, tunnel_event
from policy.evidence import Verdict
from policy.exchange import Client, Mode, Principal
from policy.forwarding import address_of
from policy.identifiers import ExchangeId, TenantId
from policy.pinning import BYPASSED
from policy.refusals import Refusal
from policy.snapshot import PolicySnapshot
from store.spool import Spool, SpoolError

# What the name of an AI host tells.
_AI: Event = {"verdict": "ai", "score": 100}


class Tunnels:
    """Writes one event a tunnel."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def ended(
        self, client: connection.Client, facts: ClientConnection, tunnel: Tunnel, snapshot: PolicySnapshot
    ) -> None:
        """The tunnel has closed."""
        seen = client_facts(client, facts)
        seen = replace(seen, connect_host=tunnel.name, connect_port=tunnel.port)
        event = tunnel_event(
            ExchangeId(uuid7()),
            tunnel.started_at,
            whose=_whose(facts, seen, snapshot),
            client=seen,
            refusal=tunnel.cut,
            cut=tunnel.cut is not None,
        )
        event |= {"bytes_up": tunnel.volume.up, "bytes_down": tunnel.volume.down}
        if tunnel.suspected is not None and tunnel.suspected.verdict != "none":
            event |= _verdict(tunnel.suspected)
        if facts.bypassed:
            event |= _AI | {
                "pinned": BYPASSED,
                "evidence": ["passes unread, as its client pins a certificate"],
            }
        self._write(event)

    def refused(
        self,
        client: connection.Client,
        facts: ClientConnection,
        refusal: Refusal,
        snapshot: PolicySnapshot,
    ) -> None:
        """A CONNECT, or TLS, that was not let through or led nowhere; whose it is, the source network says,
        unless the caller is known.

        A honeytoken in its credentials raises the alarm.
        """
        seen, use, now = _named(client, facts), ExchangeId(uuid7()), datetime.now(UTC)
        whose = _whose(facts, seen, snapshot)
        self._write(tunnel_event(use, now, whose=whose, client=seen, refusal=refusal))
        digest = facts.proxy.digest if facts.proxy is not None else None
        decoy = snapshot.placeholder(digest) if digest is not None else None
        if decoy is not None and decoy.honeytoken:
            self._write(decoy_used(decoy, seen, now, use=use, host=seen.connect_host))

    def distrusted(
        self,
        client: connection.Client,
        facts: ClientConnection,
        refusal: Refusal,
        snapshot: PolicySnapshot,
    ) -> None:
        """TLS that a client broke off over our certificate; in the inventory, if it was to an AI host."""
        seen = _named(client, facts)
        whose = _whose(facts, seen, snapshot)
        event = tunnel_event(
            ExchangeId(uuid7()), datetime.now(UTC), whose=whose, client=seen, refusal=refusal
        )
        if facts.is_ai:
            event |= _AI | {"evidence": ["client does not take the certificate"]}
        self._write(event)

    def _write(self, event: Event) -> None:
        try:
            self._spool.append_event(event)
        except SpoolError as problem:
            logger.error("a tunnel to {} was not recorded: {}", event.get("host"), problem)


def _verdict(found: Verdict) -> Event:
    return {"verdict": found.verdict, "score": found.score, "evidence": list(found.evidence)}


def _whose(facts: ClientConnection, seen: Client, snapshot: PolicySnapshot) -> Principal | TenantId | None:
    """The caller where it is known, else the tenant of the source network."""
    return facts.principal or snapshot.tenant_at(address_of(seen.address))


def _named(client: connection.Client, facts: ClientConnection) -> Client:
    """The facts of a connection that goes by the name of its CONNECT, else by its SNI."""
    seen = client_facts(client, facts)
    port = client.sockname[1] if facts.mode is Mode.TRANSPARENT else seen.connect_port
    name = facts.tunnel.name if facts.tunnel is not None else seen.connect_host or seen.sni
    return replace(seen, connect_host=name, connect_port=port)
