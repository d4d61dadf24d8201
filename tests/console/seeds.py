"""Events as the gateway would have shipped them, for pages to show."""

from datetime import datetime, timedelta
from typing import Any

from uuid_utils.compat import uuid7

from policy.event import SCHEMA, timestamp
from policy.identifiers import TenantId
from store import chain
from store.claim import Purpose
from store.derived import record_derived
from store.door import Store

MODELS = (
    ("openai", "api.openai.com", "gpt-5.2", "sanctioned", 41_230),
    ("anthropic", "api.anthropic.com", "claude-sonnet-5", "sanctioned", 98_415),
    ("google", "generativelanguage.googleapis.com", "gemini-3-flash", "sanctioned", 1_207),
)


def call_event(tenant_id: TenantId, at: datetime, **facts: Any) -> dict[str, Any]:
    """One call; keywords add or replace facts, ``None`` removes one."""
    event = {
        "schema": SCHEMA,
        "id": str(uuid7()),
        "at": timestamp(at),
        "kind": "call",
        "tenant_id": str(tenant_id),
        "tenant": "Acme",
        "user": "ada",
        "mode": "gateway",
        "method": "POST",
        "provider": "openai",
        "host": "api.openai.com",
        "catalogued": True,
        "verdict": "ai",
        "score": 100,
        "evidence": ["catalogue"],
        "endpoint_state": "sanctioned",
        "model": "gpt-5.2",
        "decision": "allow",
        "outcome": "finished",
        "input_tokens": 812,
        "output_tokens": 344,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "cost_micro_dollars": 4_215,
        "estimated": False,
        "bytes_up": 3_120,
        "bytes_down": 9_873,
        **facts,
    }
    return {name: value for name, value in event.items() if value is not None}


def refusal(tenant_id: TenantId, at: datetime, reason: str, **facts: Any) -> dict[str, Any]:
    """One refused call: no tokens, no cost."""
    nothing = dict.fromkeys(
        ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    )
    gone = {**nothing, "cost_micro_dollars": None, "estimated": None}
    return call_event(
        tenant_id, at, **{**gone, "decision": "deny", "outcome": "refused", "reason": reason, **facts}
    )


async def ship(gateway: Store, events: list[dict[str, Any]]) -> None:
    """Write events of one tenant, and what follows from them, as the shipper does."""
    tenant_id = chain.tenant_of(events[0])
    async with gateway.platform(Purpose.SHIPPING) as session:
        await chain.append(session, events)
        await record_derived(session, tenant_id, events)


def a_busy_day(tenant_id: TenantId, tenant: str, now: datetime) -> list[dict[str, Any]]:
    """A day of calls and refusals, of several users, models and endpoints."""
    events: list[dict[str, Any]] = []
    for number in range(180):
        at = now - timedelta(minutes=7.7 * number)
        provider, host, model, state, cost = MODELS[(number * number) % 3]
        user = ("ada", "grace", "linus", "margaret")[number % 4]
        named = {"tenant": tenant, "user": user, "provider": provider, "host": host, "model": model}
        if number % 9 == 4:
            reason = ("budget_exhausted", "rate_limited", "placeholder_revoked", "model_denied")[number % 4]
            events.append(refusal(tenant_id, at, reason, **named))
        elif number % 13 == 5:
            shadow = {"host": "api.deepseek.com", "provider": "deepseek", "model": "deepseek-chat"}
            shadow |= {"endpoint_state": "blocked"}
            events.append(refusal(tenant_id, at, "shadow_endpoint", **{**named, **shadow}))
        elif number % 17 == 6:
            unknown = {"host": "llm.sidecar.example", "provider": None, "catalogued": False}
            unknown |= {
                "verdict": "suspect",
                "score": 65,
                "endpoint_state": "monitored",
                "model": "qwen3-32b",
            }
            unknown |= {"evidence": ["path /v1/chat/completions", "body has model and messages"]}
            unknown |= {"cost_micro_dollars": None, "estimated": True}
            events.append(call_event(tenant_id, at, **{**named, **unknown}))
        else:
            cost += number * 37
            events.append(call_event(tenant_id, at, **named, endpoint_state=state, cost_micro_dollars=cost))
    return events[::-1]
