"""The event: what is written down about one call or tunnel, as a flat JSON object.

The field names are public and versioned by ``schema`` (docs/events.md). Facts that do not exist are left
out. No secret and no content is ever a field.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from policy.exchange import Client, Exchange, Outcome, Priced, Principal
from policy.identifiers import ExchangeId, TenantId
from policy.refusals import Refusal

SCHEMA = 1
PLATFORM_TENANT = "00000000-0000-0000-0000-000000000000"

Event = dict[str, Any]


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def asked(exchange: Exchange) -> Event:
    """What is known when a call leaves, and does not change any more."""
    return _present(
        {
            "schema": SCHEMA,
            "id": str(exchange.id),
            "at": timestamp(exchange.timing.started_at),
            "kind": "call",
            "tenant_id": PLATFORM_TENANT,
            "mode": exchange.client.mode.value,
            "source_address": exchange.client.address,
            "ja4": exchange.client.ja4,
            "method": exchange.method,
            "snapshot_version": exchange.snapshot_version,
            "bytes_up": exchange.bytes_up,
            "justification": exchange.justification,
            **principal_facts(exchange.principal or exchange.concerned),
            **_credential(exchange),
            **_call(exchange),
        }
    )


def answered(exchange: Exchange) -> Event:
    """What the end of a call says; the endpoint too, since an answer may give it away."""
    return _present(
        {
            "decision": "allow" if exchange.refusal is None else "deny",
            "status": exchange.status,
            "outcome": exchange.outcome.value if exchange.outcome else None,
            "bytes_down": exchange.bytes_down,
            "first_byte_us": exchange.timing.first_byte_us,
            "total_us": exchange.timing.total_us,
            "findings": exchange.findings or None,
            "content_kept": None if exchange.content_digest is None else bool(exchange.content_digest),
            "content_digest": exchange.content_digest or None,
            **_endpoint(exchange),
            **_refusal(exchange.refusal),
            "overshoot_micro_dollars": exchange.overshoot,
            **_usage(exchange),
            **_session(exchange),
        }
    )


def _present(event: Event) -> Event:
    return {name: value for name, value in event.items() if value is not None}


def tunnel_event(
    event_id: ExchangeId,
    at: datetime,
    *,
    whose: Principal | TenantId | None,
    client: Client,
    refusal: Refusal | None = None,
    cut: bool = False,
) -> Event:
    """The event of a TLS connection that was passed through undecrypted, or of a CONNECT that was refused.

    ``client.connect_host`` and ``connect_port`` are the name that it went by and the port. ``cut`` tells that
    the refusal came while it was open.
    """
    outcome = Outcome.CUT if cut else Outcome.FINISHED if refusal is None else Outcome.REFUSED
    event: Event = {
        "schema": SCHEMA,
        "id": str(event_id),
        "at": timestamp(at),
        "kind": "tunnel",
        "tenant_id": PLATFORM_TENANT,
        "mode": client.mode.value,
        "source_address": client.address,
        "ja4": client.ja4,
        "host": client.connect_host,
        "port": client.connect_port,
        "decision": "allow" if refusal is None else "deny",
        "status": refusal.status if refusal is not None and not cut else None,
        "outcome": outcome.value,
        **(principal_facts(whose) if isinstance(whose, Principal) else {}),
        **_refusal(refusal),
    }
    if whose is not None and not isinstance(whose, Principal):
        event["tenant_id"] = str(whose)
    return _present(event)


def connection_event(
    event_id: ExchangeId, at: datetime, *, whose: TenantId | None, client: Client, refusal: Refusal
) -> Event:
    """The event of a connection that was refused before there was a call or tunnel.

    Where more of the same come within a minute, a second event has their number as ``count``.
    """
    event = tunnel_event(event_id, at, whose=whose, client=client, refusal=refusal)
    return {**event, "kind": "connection"}


@lru_cache(maxsize=4096)
def principal_facts(principal: Principal | None) -> Mapping[str, Any]:
    """Who it was, as each of a caller's events says it: always the same, and written twice a call."""
    if principal is None:
        return {}
    return {
        "tenant_id": str(principal.tenant_id),
        "tenant": principal.tenant_name,
        "user_id": str(principal.user_id) if principal.user_id else None,
        "user": principal.user_name,
        "team_id": str(principal.team_id) if principal.team_id else None,
        "team": principal.team,
        "cost_centre": principal.cost_centre,
        "placeholder_id": str(principal.placeholder_id) if principal.placeholder_id else None,
        "credential_id": str(principal.credential_id) if principal.credential_id else None,
        "identity_sources": [source.value for source in principal.sources] or None,
    }


def _credential(exchange: Exchange) -> Event:
    """The credential that the call was given; before, the one that its placeholder names, if it names one."""
    return {} if exchange.credential_id is None else {"credential_id": str(exchange.credential_id)}


def _endpoint(exchange: Exchange) -> Event:
    endpoint = exchange.endpoint
    if endpoint is None:
        return {}
    return {
        "provider": endpoint.provider,
        "host": endpoint.host,
        "port": endpoint.port,
        "path": endpoint.path,
        "shape": endpoint.shape.value,
        "region": endpoint.region,
        "catalogued": endpoint.catalogued,
        "endpoint_state": endpoint.state.value,
        "verdict": endpoint.verdict,
        "score": endpoint.score,
        "evidence": list(endpoint.evidence),
    }


def _call(exchange: Exchange) -> Event:
    call = exchange.call
    if call is None:
        return {}
    grant = exchange.grant
    return {
        "operation": call.operation,
        "model": call.model,
        "stream": call.stream,
        "reserved_micro_dollars": grant.cost if grant else None,
        "degraded": True if grant and grant.local else None,
    }


def _refusal(refusal: Refusal | None) -> Event:
    if refusal is None:
        return {}
    return {"reason": refusal.reason.value, "rule": refusal.rule, "message": refusal.message}


def _session(exchange: Exchange) -> Event:
    """Of a WebSocket session: what went up, and often the model, is known at its end only."""
    if exchange.messages_up is None:
        return {}
    return {
        "model": exchange.call.model if exchange.call is not None else None,
        "bytes_up": exchange.bytes_up,
        "messages_up": exchange.messages_up,
        "messages_down": exchange.messages_down,
        "close_code": exchange.close_code,
    }


def _usage(exchange: Exchange) -> Event:
    usage = exchange.usage
    if usage is None:
        return {}
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost_micro_dollars": usage.cost,
        "estimated": usage.estimated,
        **_price(usage.priced),
    }


def _price(priced: Priced | None) -> Event:
    if priced is None:
        return {}
    return {
        "list_micro_dollars": priced.listed,
        "discount_basis_points": priced.discount,
        "price_source": priced.source,
        "price_version": priced.version,
    }
