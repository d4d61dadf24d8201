"""An exception is written with its event, or not at all."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policy.accounts import Restriction
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from store import accounts, endpoint_acts, endpoints, events, members
from store.acts import Actor
from store.claim import Purpose
from store.door import Store
from store.endpoint_acts import NewException
from store.endpoints import ExceptionSubject
from store.errors import InvalidRecord, NotFound
from store.policy_rows import read_policy

ADA = Actor("ada", "console", "192.0.2.1")
KNOWN = (Restriction("claude", "x-accounts", ("claude.ai",), (), "test"),)


async def a_subject(store: Store, tenant: TenantId) -> ExceptionSubject:
    async with store.tenant(tenant) as session:
        return ExceptionSubject(member_id=(await members.create(session, name="bob")).id)


def an_exception(subject: ExceptionSubject, **changed: Any) -> NewException:
    week = datetime.now(UTC) + timedelta(days=7)
    return replace(NewException("Chat.Example", subject, " a trial ", week), **changed)


async def test_an_exception_is_in_policy_and_record(store: Store, gateway: Store, tenant: TenantId) -> None:
    subject = await a_subject(store, tenant)
    made = await endpoint_acts.except_subject(store, actor=ADA, tenant_id=tenant, new=an_exception(subject))
    assert (made.host, made.reason, made.approved_by) == ("chat.example", "a trial", "ada")
    async with gateway.platform(Purpose.SNAPSHOT, consistent=True) as session:
        policy = await read_policy(session)
    (held,) = policy._exceptions[tenant, "chat.example"]
    assert (held.id, held.user_id, held.expires_at) == (made.id, subject.member_id, made.expires_at)
    await endpoint_acts.end_exception(store, actor=ADA, tenant_id=tenant, exception_id=made.id)
    async with store.tenant(tenant) as session:
        assert await endpoints.exceptions(session) == []
        told = [json.loads(each.body)["action"] for each in await events.latest(session, limit=9)]
    assert told == ["endpoint.unexcept", "endpoint.except"]


@pytest.mark.parametrize(
    "wrong", [{"reason": " "}, {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, {"host": "two hosts"}]
)
async def test_an_exception_without_reason_host_or_future_is_not_made(
    store: Store, tenant: TenantId, wrong: dict[str, Any]
) -> None:
    subject = await a_subject(store, tenant)
    new = an_exception(subject, **wrong)
    with pytest.raises(InvalidRecord):
        await endpoint_acts.except_subject(store, actor=ADA, tenant_id=tenant, new=new)
    async with store.tenant(tenant) as session:
        assert await endpoints.exceptions(session) == []


async def test_stated_accounts_are_in_both(store: Store, gateway: Store, tenant: TenantId) -> None:
    stating: dict[str, Any] = {"actor": ADA, "tenant_id": tenant, "product": "claude"}
    await endpoint_acts.state_accounts(store, stated=["org-1"], restrictions=KNOWN, **stating)
    await endpoint_acts.state_accounts(store, stated=["org-2", " org-3 "], restrictions=KNOWN, **stating)
    async with gateway.platform(Purpose.SNAPSHOT, consistent=True) as session:
        policy = await read_policy(session)
    assert policy.accounts_of(tenant, "claude") == ("org-2", "org-3")
    await endpoint_acts.clear_accounts(store, **stating)
    async with store.tenant(tenant) as session:
        assert await accounts.every(session) == []
        told = [json.loads(each.body)["action"] for each in await events.latest(session, limit=9)]
    assert told == ["accounts.clear", "accounts.set", "accounts.set"]


@pytest.mark.parametrize(("product", "account"), [("claude", "a\r\nx: y"), ("unknown", "org-1")])
async def test_what_is_no_account_of_a_known_product_is_not_stated(
    store: Store, tenant: TenantId, product: str, account: str
) -> None:
    stating: dict[str, Any] = {"actor": ADA, "tenant_id": tenant, "product": product, "restrictions": KNOWN}
    with pytest.raises(InvalidRecord):
        await endpoint_acts.state_accounts(store, stated=[account], **stating)
    async with store.tenant(tenant) as session:
        assert await accounts.every(session) == []


async def test_a_decision_is_taken_back_with_its_event(store: Store, tenant: TenantId) -> None:
    deciding: dict[str, Any] = {"actor": ADA, "tenant_id": tenant, "host": "Chat.Example"}
    await endpoint_acts.set_endpoint_state(store, state=EndpointState.COACHED, **deciding)
    await endpoint_acts.clear_endpoint_state(store, **deciding)
    with pytest.raises(NotFound):
        await endpoint_acts.clear_endpoint_state(store, **deciding)
    async with store.tenant(tenant) as session:
        assert await endpoints.rules(session) == []
        told = [json.loads(each.body)["action"] for each in await events.latest(session, limit=9)]
    assert told == ["endpoint.clear", "endpoint.set"]
