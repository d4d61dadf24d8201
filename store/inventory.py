"""The inventory of AI endpoints as people read it: what is used, by how many, what was decided, at what risk.

Rows follow from events (``store.derived_endpoints``) and from reviews. A tenant's session sees its own, a
platform session for reporting every tenant's. The state in force is judged as the data plane judges it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from policy import endpoints as policy_endpoints
from policy.catalogue import Catalogue, Entry, is_api
from policy.exchange import EndpointState
from policy.identifiers import TenantId
from policy.money import MicroDollars
from policy.risk import Facts, Risk, risk
from store.catalogues import Catalogues
from store.errors import NotFound
from store.rows import columns, one, optional
from store.tables import CLAIMED_TENANT, ENDPOINT_REVIEW

HOSTS_MAX = 1000
USES_MAX = 200


@dataclass(frozen=True, slots=True)
class Defaults:
    """What judges an endpoint that nobody decided on: the operator's states, and the catalogues known."""

    states: policy_endpoints.Defaults
    catalogues: Catalogues


class Stage(StrEnum):
    """Where an endpoint is on its way from being seen to being decided on, for one tenant."""

    NEW = "new"
    IN_REVIEW = "in review"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which endpoints to show: of one stage, with ``search`` in the host, in the catalogue or in none.

    Of these at most ``limit``, after the first ``offset``.
    """

    stage: Stage | None = None
    search: str = ""
    catalogued: bool | None = None
    limit: int = HOSTS_MAX
    offset: int = 0


EVERY = Wanted()


@dataclass(frozen=True, slots=True)
class Decision:
    """Why the state in force is in force. ``source`` is ``tenant``, ``all tenants``, ``credential`` or
    ``default``; who, when and why are known of the first two.
    """

    source: str
    by: str | None
    at: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Review:
    """Who looks after an endpoint, and what was found."""

    tenant_id: TenantId
    host: str
    owner: str
    note: str
    reviewed_by: str
    started_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """One AI endpoint of one tenant. ``refused`` are among ``calls``; ``cost`` is of the priced calls alone.

    ``users`` are known users, ``networks`` source networks (IPv4 /24, IPv6 /64); ``data_classes`` are calls
    by class of sensitive data in them, ``private_use`` calls with a key or an account of somebody's own.
    """

    tenant_id: TenantId
    tenant: str
    host: str
    entry: Entry | None
    provider: str | None
    verdict: str
    score: int
    evidence: tuple[str, ...]
    first_seen: datetime
    last_seen: datetime
    calls: int
    refused: int
    bytes_up: int
    bytes_down: int
    cost: MicroDollars
    users: int
    networks: int
    data_classes: Mapping[str, int]
    private_use: Mapping[str, int]
    state: EndpointState
    stage: Stage
    decision: Decision
    review: Review | None
    risk: Risk


@dataclass(frozen=True, slots=True)
class Use:
    """Who, or which network, used an endpoint how often. ``name`` is a user's, or the network."""

    name: str
    calls: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Detail:
    """An item with its users and networks, the busiest first."""

    item: Item
    users: tuple[Use, ...]
    networks: tuple[Use, ...]


_COUNTED = """
    SELECT count(*) FILTER (WHERE kind = 'user') AS users,
        count(*) FILTER (WHERE kind = 'network') AS networks,
        coalesce(jsonb_object_agg(subject, calls) FILTER (WHERE kind = 'data_class'), '{}') AS data_classes,
        coalesce(jsonb_object_agg(subject, calls) FILTER (WHERE kind = 'private'), '{}') AS private_use
    FROM conduit.endpoint_use AS used WHERE used.tenant_id = seen.tenant_id AND used.host = seen.host
"""
_STAGE = """CASE WHEN own.state IS NOT NULL THEN 'decided'
    WHEN review.reviewed_by IS NOT NULL THEN 'in review' ELSE 'new' END"""
_SEEN = """
    conduit.endpoint_seen AS seen
    LEFT JOIN conduit.endpoint_rule AS own USING (tenant_id, host)
    LEFT JOIN conduit.endpoint_review AS review USING (tenant_id, host)
"""
_WANTED = f"""
    (CAST(:stage AS text) IS NULL OR {_STAGE} = :stage) AND position(CAST(:search AS text) IN host) > 0
    AND (CAST(:catalogued AS boolean) IS NULL OR (seen.provider IS NOT NULL) = :catalogued)
"""
_COUNTS = text(f"SELECT {_STAGE} AS stage, count(*) AS hosts FROM {_SEEN} WHERE {_WANTED} GROUP BY 1")  # noqa: S608 - from above
_ITEMS = text(f"""
    SELECT seen.*, tenant.name AS tenant, counted.*, own.state AS own_state, own.note AS own_note,
        own.decided_by, own.updated_at AS decided_at, everyone.state AS shared_state,
        everyone.note AS shared_note, everyone.updated_at AS shared_at, review.owner, review.note,
        review.reviewed_by, review.started_at, review.updated_at,
        EXISTS (SELECT FROM conduit.credential WHERE credential.tenant_id = seen.tenant_id
            AND credential.provider = seen.provider AND credential.revoked_at IS NULL) AS credential
    FROM {_SEEN}
    JOIN conduit.tenant USING (tenant_id)
    CROSS JOIN LATERAL ({_COUNTED}) AS counted
    LEFT JOIN conduit.platform_endpoint_rule AS everyone USING (host)
    WHERE (CAST(:host AS text) IS NULL OR host = :host) AND {_WANTED}
    ORDER BY seen.last_seen DESC, host, tenant_id LIMIT :limit OFFSET :offset""")  # noqa: S608 - from above
_USES = text("""
    SELECT used.kind, coalesce(member.name, used.subject) AS name, used.calls, used.first_seen, used.last_seen
    FROM conduit.endpoint_use AS used
    LEFT JOIN conduit.member ON used.kind = 'user' AND member.tenant_id = used.tenant_id
        AND member.id::text = used.subject
    WHERE used.host = :host AND used.kind IN ('user', 'network')
    ORDER BY used.calls DESC, name LIMIT :most""")

_REVIEW = columns(ENDPOINT_REVIEW, Review)


async def items(session: AsyncSession, *, defaults: Defaults, wanted: Wanted = EVERY) -> list[Item]:
    """The endpoints, last seen first, one of each tenant that the session sees."""
    rows = await session.execute(_ITEMS, {"host": None, **_values(wanted)})
    catalogue = await defaults.catalogues.in_force(session)
    return [_item(row, catalogue, defaults.states) for row in rows]


async def counts(session: AsyncSession, *, wanted: Wanted = EVERY) -> dict[Stage, int]:
    """How many endpoints are in each stage, whatever part of them is shown."""
    found = {
        row.stage: row.hosts for row in await session.execute(_COUNTS, _values(replace(wanted, stage=None)))
    }
    return {stage: found.get(stage.value, 0) for stage in Stage}


def number_found(counts: Mapping[Stage, int], stage: Stage | None) -> int:
    """How many endpoints there are to show, of one stage or of all."""
    return sum(counts.values()) if stage is None else counts[stage]


def _values(wanted: Wanted) -> dict[str, Any]:
    values = asdict(wanted)
    return {**values, "search": wanted.search.strip().lower(), "stage": wanted.stage and wanted.stage.value}


async def detail(session: AsyncSession, *, host: str, defaults: Defaults) -> Detail:
    """One endpoint of the session's tenant, canonical; raises ``NotFound`` for one that was never seen."""
    row = (await session.execute(_ITEMS, {"host": host, **_values(EVERY)})).one_or_none()
    if row is None:
        raise NotFound(f"{host} was not seen")
    uses = list(await session.execute(_USES, {"host": host, "most": USES_MAX}))
    by_kind = {
        kind: tuple(
            Use(use.name, use.calls, use.first_seen, use.last_seen) for use in uses if use.kind == kind
        )
        for kind in ("user", "network")
    }
    catalogue = await defaults.catalogues.in_force(session)
    return Detail(_item(row, catalogue, defaults.states), by_kind["user"], by_kind["network"])


async def find_review(session: AsyncSession, *, host: str) -> Review | None:
    """The review of an endpoint, if there is one."""
    return await optional(session, Review, select(*_REVIEW).where(ENDPOINT_REVIEW.c.host == host))


async def put_review(session: AsyncSession, *, host: str, owner: str, note: str, reviewed_by: str) -> Review:
    """Say who looks after an endpoint, and what was found; raises ``MissingReference`` for one never seen."""
    said = {"owner": owner, "note": note, "reviewed_by": reviewed_by}
    statement = insert(ENDPOINT_REVIEW).values(tenant_id=CLAIMED_TENANT, host=host, **said)
    replaced = statement.on_conflict_do_update(
        index_elements=["tenant_id", "host"], set_={**said, "updated_at": func.now()}
    )
    return await one(session, Review, replaced.returning(*_REVIEW))


async def clear_review(session: AsyncSession, *, host: str) -> Review:
    """Take a review back, so that the endpoint is new again; raises ``NotFound``."""
    statement = delete(ENDPOINT_REVIEW).where(ENDPOINT_REVIEW.c.host == host)
    return await one(session, Review, statement.returning(*_REVIEW))


def _item(row: Row[Any], catalogue: Catalogue, defaults: policy_endpoints.Defaults) -> Item:
    entry = catalogue.find(row.host)
    state, decision = _decided(row, entry, defaults)
    review = _review(row)
    stage = Stage.IN_REVIEW if review else Stage.NEW
    classes, private = dict(row.data_classes), dict(row.private_use)
    facts = Facts(entry, state, row.bytes_up, sum(classes.values()), sum(private.values()))
    return Item(
        tenant_id=TenantId(UUID(str(row.tenant_id))),
        tenant=row.tenant,
        host=row.host,
        entry=entry,
        provider=row.provider,
        verdict=row.verdict,
        score=row.score,
        evidence=tuple(row.evidence),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        calls=row.calls,
        refused=row.refused,
        bytes_up=row.bytes_up,
        bytes_down=row.bytes_down,
        cost=MicroDollars(row.cost_micro_dollars),
        users=row.users,
        networks=row.networks,
        data_classes=classes,
        private_use=private,
        state=state,
        stage=Stage.DECIDED if decision.source == "tenant" else stage,
        decision=decision,
        review=review,
        risk=risk(facts),
    )


def _decided(
    row: Row[Any], entry: Entry | None, defaults: policy_endpoints.Defaults
) -> tuple[EndpointState, Decision]:
    """In the order of ``policy.endpoints.state_of``."""
    if row.own_state is not None:
        by = row.decided_by or None
        return EndpointState(row.own_state), Decision("tenant", by, row.decided_at, row.own_note or None)
    if row.shared_state is not None:
        note = row.shared_note or None
        return EndpointState(row.shared_state), Decision("all tenants", None, row.shared_at, note)
    if entry is not None and is_api(entry) and row.credential:
        return EndpointState.SANCTIONED, Decision("credential", None, None, None)
    default = defaults.unknown if entry is None else defaults.catalogued
    return default, Decision("default", None, None, None)


def _review(row: Row[Any]) -> Review | None:
    if row.reviewed_by is None:
        return None
    return Review(
        row.tenant_id, row.host, row.owner, row.note, row.reviewed_by, row.started_at, row.updated_at
    )
