"""Decisions replace each other; an exception is for one subject and a time."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from policy.exchange import EndpointState
from policy.identifiers import TenantId
from store import endpoints, members
from store.claim import Purpose
from store.door import Store
from store.endpoints import ExceptionSubject
from store.errors import InvalidRecord, NotFound

NOW = datetime.now(UTC)


async def test_the_last_decision_holds_until_taken_back(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        for state in (EndpointState.BLOCKED, EndpointState.SANCTIONED):
            await endpoints.set_rule(session, host="chat.example", state=state, note="reviewed")
        [rule] = await endpoints.rules(session)
        assert (rule.state, rule.note) == (EndpointState.SANCTIONED, "reviewed")
        await endpoints.clear_rule(session, host="chat.example")
        with pytest.raises(NotFound):
            await endpoints.clear_rule(session, host="chat.example")


async def test_a_rule_for_all_is_the_platforms(store: Store, tenant: TenantId) -> None:
    host = f"{uuid4()}.example"
    async with store.platform(Purpose.ADMINISTRATION) as session:
        await endpoints.set_platform_rule(session, host=host, state=EndpointState.COACHED)
    async with store.tenant(tenant) as session:
        assert host in {rule.host for rule in await endpoints.platform_rules(session)}
    async with store.platform(Purpose.ADMINISTRATION) as session:
        assert (await endpoints.clear_platform_rule(session, host=host)).state is EndpointState.COACHED


async def test_an_exception_is_for_exactly_one_subject(store: Store, tenant: TenantId) -> None:
    async with store.tenant(tenant) as session:
        member = await members.create(session, name="Ada")

    async def added(subject: ExceptionSubject) -> endpoints.EndpointException:
        async with store.tenant(tenant) as session:
            return await endpoints.add_exception(
                session,
                host="chat.example",
                subject=subject,
                reason="trial",
                approved_by="Grace",
                expires_at=NOW + timedelta(days=7),
            )

    made = await added(ExceptionSubject(member_id=member.id))
    with pytest.raises(InvalidRecord):
        await added(ExceptionSubject())
    async with store.tenant(tenant) as session:
        assert await endpoints.exceptions(session) == [made]
        await endpoints.remove_exception(session, exception_id=made.id)
        assert await endpoints.exceptions(session) == []
