"""Read every policy row of one moment into the records that a snapshot is built from.

Rows that contradict each other are left out and reported: two tenants with the same network or the same
placeholder digest would each act in the other's name, so neither has it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loguru import logger
from sqlalchemy import Row, Select, TableClause, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy import snapshot
from policy.branding import Branding, TenantBranding
from policy.catalogue import Catalogue
from policy.exchange import EndpointState, IdentitySource
from policy.identifiers import TenantId
from policy.price_rules import PriceRule
from store import custody, prices
from store.limits import limit_of
from store.tables import (
    ACCOUNT_LIST,
    ADDRESS_SESSION,
    BRANDING,
    CONTENT_POLICY,
    CREDENTIAL,
    ENDPOINT_EXCEPTION,
    ENDPOINT_RULE,
    LIMIT_RULE,
    MEMBER,
    NETWORK,
    PINNED_BYPASS,
    PLACEHOLDER,
    PLATFORM_ENDPOINT_RULE,
    POLICY_CHANGE,
    POLICY_VERSION,
    PRICE_RULE,
    SUFFICIENCY_RULE,
    TEAM,
    TENANT,
)
from store.tenants import INTERNAL, PLATFORM, TenantState

# Rows fetched at a time: a batch is turned into records while other threads wait for no longer than that.
BATCH_ROWS = 1000


async def read_version(session: AsyncSession) -> int:
    """The version of the policy as this transaction sees it."""
    return int((await session.execute(select(POLICY_VERSION.c.version))).scalar_one())


async def read_policy(session: AsyncSession) -> snapshot.PolicySnapshot:
    """The whole policy; ``session`` is a consistent platform session for ``Purpose.SNAPSHOT``."""
    return assemble(await read_version(session), datetime.now(UTC), await read_records(session))


async def changed_since(session: AsyncSession, version: int) -> list[TenantId]:
    """The tenants whose policy was changed after ``version``."""
    query = select(POLICY_CHANGE.c.tenant).where(POLICY_CHANGE.c.version > version)
    return list(await session.scalars(query))


async def read_records(
    session: AsyncSession, changed: Collection[TenantId] | None = None
) -> snapshot.Records:
    """The rows of all tenants, or of those in ``changed`` alone, and the rules for all either way."""
    now = datetime.now(UTC)

    def of(table: TableClause) -> Select[Any]:
        query = select(*table.c)
        return query if changed is None else query.where(table.c.tenant_id.in_(changed))

    keys = {key.tenant_id: key.data_key for key in await custody.every_data_key(session)}
    envelopes = {
        (item.tenant_id, item.credential_id): item.envelope for item in await custody.every_envelope(session)
    }
    keeps = {
        row.tenant_id: snapshot.KeepsContent(row.tenant_id, row.bytes_max, row.content_key)
        async for row in _rows(session, of(CONTENT_POLICY).where(CONTENT_POLICY.c.keep))
    }
    teams = {(row.tenant_id, row.id): row.name async for row in _rows(session, of(TEAM))}
    return snapshot.Records(
        tenants=[
            replace(_tenant(row, keys.get(row.tenant_id, b"")), keeps=keeps.get(row.tenant_id))
            async for row in _rows(session, of(TENANT).where(TENANT.c.tenant_id.not_in(INTERNAL)))
        ],
        users=[_user(row, teams) async for row in _rows(session, of(MEMBER))],
        credentials=[
            _credential(row, envelopes.get((row.tenant_id, row.id), b""))
            async for row in _rows(session, of(CREDENTIAL).where(CREDENTIAL.c.purpose == "calls"))
        ],
        placeholders=[_placeholder(row) async for row in _rows(session, of(PLACEHOLDER))],
        networks=[
            snapshot.TenantNetwork(row.tenant_id, row.network) async for row in _rows(session, of(NETWORK))
        ],
        limits=[limit_of(row) async for row in _rows(session, of(LIMIT_RULE))],
        rules=await _rules(session, of(ENDPOINT_RULE)),
        sessions=[
            snapshot.AddressSession(row.tenant_id, row.address, row.user_name, row.started_at, row.expires_at)
            async for row in _rows(session, of(ADDRESS_SESSION).where(ADDRESS_SESSION.c.expires_at > now))
        ],
        brandings=[_branding(row) async for row in _rows(session, of(BRANDING))],
        bypasses=[
            snapshot.PinnedBypass(row.tenant_id, row.host, row.expires_at)
            async for row in _rows(session, of(PINNED_BYPASS).where(PINNED_BYPASS.c.expires_at > now))
        ],
        accounts=[
            snapshot.AccountList(row.tenant_id, row.product, tuple(row.accounts))
            async for row in _rows(session, of(ACCOUNT_LIST))
        ],
        sufficient=[_sufficient(row) async for row in _rows(session, of(SUFFICIENCY_RULE))],
        prices=[_price(row) async for row in _rows(session, _prices(changed))],
        exceptions=[
            _exception(row, teams)
            async for row in _rows(
                session, of(ENDPOINT_EXCEPTION).where(ENDPOINT_EXCEPTION.c.expires_at > now)
            )
        ],
    )


def assemble(
    version: int, loaded_at: datetime, records: snapshot.Records, catalogue: Catalogue | None = None
) -> snapshot.PolicySnapshot:
    """Build the snapshot of rows that ``read_records`` read, without those that contradict each other."""
    return snapshot.build(
        version,
        loaded_at,
        replace(
            records,
            placeholders=_unambiguous(records.placeholders, lambda each: each.digest, "placeholder digest"),
            networks=_unambiguous(records.networks, lambda each: each.network, "network"),
        ),
        catalogue,
    )


def merged(
    before: snapshot.Records, changed: Collection[TenantId], after: snapshot.Records
) -> snapshot.Records:
    """``before`` with the rows of the changed tenants, and the rules for all, taken from ``after``."""
    gone = {None, *changed}
    return snapshot.Records(
        **{
            field.name: [
                *(each for each in getattr(before, field.name) if _owner(each) not in gone),
                *getattr(after, field.name),
            ]
            for field in fields(snapshot.Records)
        }
    )


def _owner(record: Any) -> TenantId | None:
    return record.id if isinstance(record, snapshot.Tenant) else record.tenant_id


async def _rows(session: AsyncSession, query: Select[Any]) -> AsyncIterator[Row[Any]]:
    """Every row, a batch at a time: a switch of contexts for each row would take most of the time."""
    result = await session.stream(query.execution_options(yield_per=BATCH_ROWS))
    async for batch in result.partitions():
        for row in batch:
            yield row


def _tenant(row: Row[Any], data_key: bytes) -> snapshot.Tenant:
    enabled = row.enabled and row.state == TenantState.ACTIVE
    try:
        zone = ZoneInfo(row.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone, enabled = ZoneInfo("UTC"), False
        logger.error("tenant {} is stopped: its time zone is unknown here", row.tenant_id)
    return snapshot.Tenant(
        row.tenant_id,
        row.name,
        row.region,
        zone,
        enabled,
        data_key,
        allowance=row.degraded_allowance,
        residency=frozenset(row.data_residency),
        decrypt_unknown=row.decrypt_unknown,
        never_decrypted=frozenset(row.never_decrypted),
    )


def _user(row: Row[Any], teams: dict[tuple[UUID, UUID], str]) -> snapshot.User:
    team = teams.get((row.tenant_id, row.team_id))
    return snapshot.User(row.id, row.tenant_id, row.name, team, row.cost_centre, row.enabled, row.team_id)


def _exception(row: Row[Any], teams: dict[tuple[UUID, UUID], str]) -> snapshot.EndpointException:
    team = teams.get((row.tenant_id, row.team_id))
    return snapshot.EndpointException(row.id, row.tenant_id, row.host, row.member_id, team, row.expires_at)


def _branding(row: Row[Any]) -> TenantBranding:
    said = Branding(row.name, row.colour, row.logo, row.contact, row.alternative, row.hours)
    return TenantBranding(row.tenant_id, said)


def _sufficient(row: Row[Any]) -> snapshot.SufficientSources:
    sources = frozenset(IdentitySource(source) for source in row.sources)
    return snapshot.SufficientSources(row.tenant_id, row.host, sources)


def _credential(row: Row[Any], envelope: bytes) -> snapshot.Credential:
    return snapshot.Credential(
        id=row.id,
        tenant_id=row.tenant_id,
        provider=row.provider,
        name=row.name,
        hosts=tuple(row.hosts),
        version=row.version,
        envelope=envelope,
        revoked=row.revoked_at is not None,
        pool=row.pool,
        weight=row.weight,
        health=snapshot.Health(row.refused_at, row.accepted_at, row.refusals),
    )


def _placeholder(row: Row[Any]) -> snapshot.Placeholder:
    return snapshot.Placeholder(
        id=row.id,
        tenant_id=row.tenant_id,
        user_id=row.member_id,
        credential_id=row.credential_id,
        digest=row.digest,
        models=frozenset(row.models),
        networks=tuple(row.networks),
        expires_at=row.expires_at,
        revoked=row.revoked_at is not None,
        honeytoken=row.honeytoken,
        pool=row.pool,
    )


def _prices(changed: Collection[TenantId] | None) -> Select[Any]:
    """The price rules of the changed tenants, and always the operator's, which hold for all."""
    query = select(*PRICE_RULE.c)
    return query if changed is None else query.where(PRICE_RULE.c.tenant_id.in_([*changed, PLATFORM]))


def _price(row: Row[Any]) -> PriceRule:
    return prices.Rule(**{**row._mapping, "kind": prices.Kind(row.kind)}).as_policy()


async def _rules(session: AsyncSession, own_rules: Select[Any]) -> list[snapshot.EndpointRule]:
    own = [
        snapshot.EndpointRule(row.tenant_id, row.host, EndpointState(row.state))
        async for row in _rows(session, own_rules)
    ]
    for_all = [
        snapshot.EndpointRule(None, row.host, EndpointState(row.state))
        async for row in _rows(session, select(*PLATFORM_ENDPOINT_RULE.c))
    ]
    return own + for_all


def _unambiguous[T](found: Iterable[T], key: Callable[[T], object], what: str) -> Sequence[T]:
    records = list(found)
    counts = Counter(key(record) for record in records)
    if len(counts) == len(records):
        return records
    logger.error("{} {}(s) held by more than one tenant are ignored", len(records) - len(counts), what)
    return [record for record in records if counts[key(record)] == 1]
