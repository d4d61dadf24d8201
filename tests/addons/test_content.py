"""What is said is kept only where the tenant's policy says so: sealed, bounded, and not held back."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any
from uuid import UUID

from policy.content import Content, unpacked
from policy.identifiers import ExchangeId, TenantId
from policy.snapshot import KeepsContent
from tests.addons.running import REAL_KEY, Running
from tests.standins.answers import Answer, Gate
from vault import content
from vault.sources import KeySource, open_vault

JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)
TOLD = "the secret recipe"
QUESTION = [{"role": "user", "content": f"{TOLD} {REAL_KEY}"}]


def keep(gateway: Running, *, bytes_max: int = 4096) -> bytes:
    """Let the tenant keep content from now on; its content key."""
    vault = open_vault(source=KeySource.FILE, path=gateway.folder / "kek")
    (tenant,) = gateway.snapshots.current.tenants.values()
    wrapped = vault.new_content_key(tenant)
    keeping = replace(tenant, keeps=KeepsContent(tenant.id, bytes_max, wrapped))
    gateway.snapshots.current = replace(gateway.snapshots.current, tenants={tenant.id: keeping})
    return vault.content_key(tenant, wrapped)


def kept(gateway: Running) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sealed record in the spool, and the event of the call."""
    sealed = [event for event in gateway.events() if "sealed" in event]
    assert len(sealed) == 1
    return sealed[0], gateway.events()[-1]


def opened(gateway: Running, key: bytes) -> Content:
    record, event = kept(gateway)
    sealed = base64.b64decode(record["sealed"])
    assert (event["content_kept"], event["content_digest"]) == (True, hashlib.sha256(sealed).hexdigest())
    assert record["id"] == event["id"]
    tenant, identity = TenantId(UUID(record["tenant_id"])), ExchangeId(UUID(record["id"]))
    return unpacked(content.unseal(key, sealed, tenant_id=tenant, event_id=identity))


def spooled(gateway: Running) -> bytes:
    return b"".join(path.read_bytes() for path in gateway.spool.directory.glob("*.segment"))


async def test_nothing_is_kept_unless_the_tenant_says_so(gateway: Running) -> None:
    gateway.provider.play("api.openai.com", Answer(200, JSON, (b'{"a": "yes"}',)))
    await gateway.ask(messages=[{"role": "user", "content": TOLD}])
    assert all("sealed" not in event and "content_kept" not in event for event in gateway.events())
    assert TOLD.encode() not in spooled(gateway)


async def test_question_and_answer_are_kept_sealed_without_any_key(gateway: Running) -> None:
    key = keep(gateway)
    gateway.provider.play("api.openai.com", Answer(200, JSON, (b'{"a": "', REAL_KEY.encode(), b'"}')))
    await gateway.ask(messages=QUESTION)
    said = opened(gateway, key)
    asked = json.loads(said.question)["messages"][0]["content"]
    assert asked == f"{TOLD} {'*' * len(REAL_KEY)}"
    assert said.answer == b'{"a": "' + b"*" * len(REAL_KEY) + b'"}'
    assert (said.answer_bytes, said.content_type) == (len(said.answer), "application/json")
    assert TOLD.encode() not in spooled(gateway)


async def test_what_is_kept_is_bounded(gateway: Running) -> None:
    key = keep(gateway, bytes_max=50)
    gateway.provider.play("api.openai.com", Answer(200, JSON, (b'{"a": "' + b"x" * 5000 + b'"}',)))
    await gateway.ask(messages=QUESTION)
    said = opened(gateway, key)
    assert (len(said.question), len(said.answer)) == (50, 50)
    assert said.answer_bytes == 5009
    assert not said.document()["answer_whole"]


async def test_a_stream_reaches_the_client_before_it_has_ended(gateway: Running) -> None:
    key = keep(gateway)
    gate = Gate()
    first, second = b'data: {"choices": []}\n\n', b"data: [DONE]\n\n"
    gateway.provider.play("api.openai.com", Answer(200, EVENTS, (first, second), gate=gate, gate_before=1))
    headers = {"authorization": f"Bearer {gateway.placeholder}"}
    body = {"model": "gpt-4o-mini", "messages": QUESTION, "stream": True, "max_tokens": 5}
    async with gateway.client() as client:
        url = gateway.url("openai", "/v1/chat/completions")
        async with client.stream("POST", url, json=body, headers=headers) as answer:
            chunks = answer.aiter_raw()
            assert await anext(chunks) == first
            assert not any("sealed" in event for event in gateway.events())
            gate.open()
            rest = b"".join([chunk async for chunk in chunks])
    assert rest.endswith(second)
    assert opened(gateway, key).answer == first + rest


async def test_a_call_whose_content_could_not_be_sealed_does_not_leave(gateway: Running) -> None:
    keep(gateway)
    (tenant,) = gateway.snapshots.current.tenants.values()
    assert tenant.keeps is not None
    broken = replace(tenant, keeps=replace(tenant.keeps, content_key=b"CDK1" + bytes(100)))
    gateway.snapshots.current = replace(gateway.snapshots.current, tenants={tenant.id: broken})
    answer = await gateway.ask()
    assert (answer.status_code, answer.headers["x-conduit-reason"]) == (503, "degraded")
    assert gateway.provider.seen == []
