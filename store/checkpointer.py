"""Signs a checkpoint of every record that has grown, and hands it to the witnesses.

It signs nothing that contradicts what it signed before: the leaves since the last checkpoint must lead
from the held edge of the tree to the record's present one. A record that was restored from an older
backup, or rewritten below its last checkpoint, is reported and gets no new signature until somebody has
looked and removed the held file.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from loguru import logger
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from policy.event import timestamp
from policy.identifiers import TenantId
from policy.incident import Severity, incident
from store.chain import append, leaves
from store.checkpoint import Checkpoint, CheckpointInvalid, SigningKey
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
KEEP = text(
    "INSERT INTO conduit.checkpoint (tenant_id, sequence, root, note)"
    " VALUES (:tenant, :sequence, :root, :note) ON CONFLICT DO NOTHING"
)
WITNESSED = text(
    "UPDATE conduit.checkpoint SET witnessed_at = now() WHERE tenant_id = :tenant AND sequence = :sequence"
)


UNWITNESSED = text(
    "SELECT DISTINCT ON (tenant_id) tenant_id, note FROM conduit.checkpoint AS c WHERE witnessed_at IS NULL"
    " AND sequence >= (SELECT max(sequence) FROM conduit.checkpoint WHERE tenant_id = c.tenant_id)"
    " ORDER BY tenant_id"
)


class RecordRewritten(Exception):
    """The record does not continue what was signed before."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a record stands: whose, and the right edge of its tree."""

    tenant: TenantId
    frontier: Frontier


@dataclass(slots=True)
class Outbox:
    """What waits for one witness: of each record the newest checkpoint. ``due`` is monotonic seconds."""

    witness: Witness
    waiting: dict[TenantId, tuple[Checkpoint, str]] = field(default_factory=dict)
    due: float = 0.0
    failing: bool = False


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
        self._outboxes = [Outbox(witness) for witness in witnesses]
        self._interval_s = interval_s
        self._remembered = False
        self._reported: set[TenantId] = set()

    @property
    def unwitnessed(self) -> int:
        """How many records have a checkpoint that some witness has not taken yet."""
        return len({tenant for outbox in self._outboxes for tenant in outbox.waiting})

    @property
    def failing(self) -> dict[str, bool]:
        """Of each witness, by its name, whether it did not take what it was last offered."""
        return {outbox.witness.name: outbox.failing for outbox in self._outboxes}

    async def run(self, stopping: asyncio.Event) -> None:
        """Sign until ``stopping`` is set."""
        while not stopping.is_set():
            await self.try_round()
            await wait(stopping, self._interval_s)

    async def sign_once(self, *, last: bool = False) -> int:
        """Sign what has grown, offer what is not witnessed; how many were signed. Raises ``StoreError``.

        ``last`` offers also what a witness would have been offered later only.
        """
        signed = 0
        await self._remember()
        for edge in await self._grown():
            try:
                await self._sign(edge)
                signed += 1
            except (RecordRewritten, HeldInvalid) as error:
                await self._report(edge.tenant, str(error))
        for outbox in self._outboxes:
            if outbox.waiting and (last or time.monotonic() >= outbox.due):
                await self._offer(outbox)
        return signed

    async def try_round(self, *, last: bool = False) -> None:
        """As ``sign_once``; a database that is away is logged and waited for."""
        try:
            await self.sign_once(last=last)
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
        for outbox in self._outboxes:
            outbox.waiting[edge.tenant] = (checkpoint, note)

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
            page = await leaves(
                session, edge.tenant, after=frontier.size, last=edge.frontier.size, limit=LEAVES_PAGE
            )
            if not page:
                break
            frontier = frontier.appended(page)
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

    async def _remember(self) -> None:
        """Take up, once, what an earlier process signed and some witness had not taken."""
        if self._remembered or not self._outboxes:
            return
        async with self._store.platform(Purpose.SHIPPING) as session:
            rows = (await session.execute(UNWITNESSED)).all()
        for row in rows:
            try:
                checkpoint = self._key.verifier.open(row.note)
            except CheckpointInvalid:
                continue  # another instance's, which offers it itself
            for outbox in self._outboxes:
                outbox.waiting.setdefault(row.tenant_id, (checkpoint, row.note))
        self._remembered = True

    async def _offer(self, outbox: "Outbox") -> None:
        """Hand a witness the newest checkpoint of each record; the first failure ends it until next time.

        So one that does not answer costs one time-out a round, however many tenants there are.
        """
        for tenant, (checkpoint, note) in list(outbox.waiting.items()):
            try:
                await outbox.witness.publish(checkpoint, note)
            except WitnessUnavailable as error:
                await self._failed(outbox, str(error))
                return
            del outbox.waiting[tenant]
            if all(tenant not in other.waiting for other in self._outboxes):
                async with self._store.platform(Purpose.SHIPPING) as session:
                    await session.execute(WITNESSED, {"tenant": tenant, "sequence": checkpoint.size})
        if outbox.failing:
            logger.info("the witness {} takes checkpoints again", outbox.witness.name)
        outbox.failing = False
        outbox.due = time.monotonic() + outbox.witness.interval_s

    async def _failed(self, outbox: "Outbox", problem: str) -> None:
        """Tell once when a witness goes away; the record goes on meanwhile."""
        if outbox.failing:
            return
        outbox.failing = True
        logger.warning("checkpoints wait for the witness {}: {}", outbox.witness.name, problem)
        event = incident(
            "witness.unavailable",
            datetime.now(UTC),
            severity=Severity.WARNING,
            detail={"witness": outbox.witness.name, "problem": problem},
        )
        async with self._store.platform(Purpose.SHIPPING) as session:
            await append(session, [event])
