"""Signs a checkpoint of every record that has grown, and hands it to the witnesses.

It signs nothing that contradicts what it signed before: the leaves since the last checkpoint must lead
from the held edge of the tree to the record's present one. A record that was restored from an older
backup, or rewritten below its last checkpoint, is reported and gets no new signature until somebody has
looked and removed the held file.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from loguru import logger
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.event import timestamp
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from store.chain import append
from store.checkpoint import Checkpoint, SigningKey
from store.claim import Purpose
from store.door import Store
from store.errors import StoreError
from store.merkle import Frontier
from store.shipper import wait
from store.witness import HeldCheckpoints, HeldInvalid, Witness, WitnessUnavailable

INTERVAL_S = 10.0
LEAVES_PAGE = 10_000

GROWN = text(
    "SELECT tenant_id, sequence, frontier FROM conduit.chain_head AS head WHERE sequence > coalesce("
    "(SELECT max(sequence) FROM conduit.checkpoint WHERE tenant_id = head.tenant_id), 0) ORDER BY tenant_id"
)
LEAVES = text(
    "SELECT leaf FROM conduit.event WHERE tenant_id = :tenant AND sequence > :after AND sequence <= :last"
    " ORDER BY sequence LIMIT :limit"
)
KEEP = text(
    "INSERT INTO conduit.checkpoint (tenant_id, sequence, root, note)"
    " VALUES (:tenant, :sequence, :root, :note) ON CONFLICT DO NOTHING"
)
WITNESSED = text(
    "UPDATE conduit.checkpoint SET witnessed_at = now() WHERE tenant_id = :tenant AND sequence = :sequence"
)


class RecordRewritten(Exception):
    """The record does not continue what was signed before."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a record stands: whose, and the right edge of its tree."""

    tenant: TenantId
    frontier: Frontier


class Checkpointer:
    """``sign_once`` is one round over all tenants; ``run`` repeats it every ``interval_s`` seconds."""

    def __init__(
        self,
        store: Store,
        key: SigningKey,
        held: HeldCheckpoints,
        *,
        witnesses: Sequence[Witness] = (),
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._store = store
        self._key = key
        self._held = held
        self._witnesses = tuple(witnesses)
        self._interval_s = interval_s
        self._unwitnessed: dict[TenantId, tuple[Checkpoint, str]] = {}
        self._reported: set[TenantId] = set()

    @property
    def unwitnessed(self) -> int:
        """How many records have a checkpoint that some witness has not taken yet."""
        return len(self._unwitnessed)

    async def run(self, stopping: asyncio.Event) -> None:
        """Sign until ``stopping`` is set."""
        while not stopping.is_set():
            await self.try_round()
            await wait(stopping, self._interval_s)

    async def sign_once(self) -> int:
        """Sign what has grown, offer what is not witnessed; how many were signed. Raises ``StoreError``."""
        signed = 0
        for edge in await self._grown():
            try:
                await self._sign(edge)
                signed += 1
            except (RecordRewritten, HeldInvalid) as error:
                await self._report(edge.tenant, str(error))
        await self._offer()
        return signed

    async def try_round(self) -> None:
        """As ``sign_once``; a database that is away is logged and waited for."""
        try:
            await self.sign_once()
        except (StoreError, OSError) as error:
            logger.warning("no checkpoints were signed in this round: {}", error)

    async def _grown(self) -> list[Edge]:
        async with self._store.platform(Purpose.SHIPPING) as session:
            rows = (await session.execute(GROWN)).all()
        return [Edge(row.tenant_id, Frontier.from_bytes(row.sequence, row.frontier)) for row in rows]

    async def _sign(self, edge: Edge) -> None:
        async with self._store.platform(Purpose.SHIPPING) as session:
            await self._must_continue(session, edge)
            at = timestamp(datetime.now(UTC))
            checkpoint = Checkpoint(edge.tenant, edge.frontier.size, edge.frontier.root(), at)
            note = self._key.sign(checkpoint)
            place = {"tenant": edge.tenant, "sequence": checkpoint.size}
            await session.execute(KEEP, {**place, "root": checkpoint.root, "note": note})
        await asyncio.to_thread(self._held.keep, checkpoint, note, edge.frontier)
        if self._witnesses:
            self._unwitnessed[edge.tenant] = (checkpoint, note)

    async def _must_continue(self, session: AsyncSession, edge: Edge) -> None:
        held = await asyncio.to_thread(self._held.load, edge.tenant)
        if held is None:
            return
        if edge.frontier.size < held.checkpoint.size:
            raise RecordRewritten(
                f"it has {edge.frontier.size} events, but {held.checkpoint.size} were signed at"
                f" {held.checkpoint.at}: events were removed, or the database was restored"
            )
        frontier = held.frontier
        while frontier.size < edge.frontier.size:
            place = {"after": frontier.size, "last": edge.frontier.size, "limit": LEAVES_PAGE}
            leaves = (await session.scalars(LEAVES, {"tenant": edge.tenant, **place})).all()
            if not leaves:
                break
            frontier = frontier.appended(leaves)
        if frontier != edge.frontier:
            raise RecordRewritten(
                f"it does not continue the {held.checkpoint.size} events signed at {held.checkpoint.at}"
            )

    async def _report(self, tenant: TenantId, problem: str) -> None:
        if tenant in self._reported:
            return
        self._reported.add(tenant)
        logger.critical("the record of tenant {} gets no more checkpoints: {}", tenant, problem)
        once = f"{tenant} {problem}"
        event = incident(
            "record.rewritten",
            datetime.now(UTC),
            severity=Severity.ALARM,
            once=once,
            detail={"tenant": str(tenant), "problem": problem},
        )
        async with self._store.platform(Purpose.SHIPPING) as session:
            await append(session, [event])

    async def _offer(self) -> None:
        """Hand the newest checkpoint of each record to all witnesses; a failure is repeated next round."""
        for tenant, (checkpoint, note) in list(self._unwitnessed.items()):
            try:
                for witness in self._witnesses:
                    await witness.publish(checkpoint, note)
            except WitnessUnavailable as error:
                logger.warning("a checkpoint of tenant {} is not witnessed yet: {}", tenant, error)
                continue
            async with self._store.platform(Purpose.SHIPPING) as session:
                await session.execute(WITNESSED, {"tenant": tenant, "sequence": checkpoint.size})
            del self._unwitnessed[tenant]
