"""What one limit's subject has used, from the usage rows: the truth that its counters are rebuilt from."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from policy.limits import LimitKind, LimitScope
from store.tables import USAGE

_SUBJECTS = {
    LimitScope.TENANT: USAGE.c.tenant_id,
    LimitScope.TEAM: USAGE.c.team_id,
    LimitScope.USER: USAGE.c.member_id,
    LimitScope.PLACEHOLDER: USAGE.c.placeholder_id,
}


@dataclass(frozen=True, slots=True)
class Consumption:
    """Whose use of what, over the half-open time ``[since, until)``; ``model`` as in ``policy.limits.Limit``.

    With ``slice_ms`` time is cut into slices of that length, counted from 1970, of which ``newest`` is that
    of now; the sums are one for each.
    """

    scope: LimitScope
    subject: UUID
    kind: LimitKind
    model: str | None
    since: datetime
    until: datetime
    slice_ms: int = 0
    newest: int = 0


async def consumed(session: AsyncSession, of: Consumption) -> tuple[tuple[int, int], ...]:
    """What was used, by age in slices, the youngest first: tokens, or micro-dollars that our keys spent.

    Without slices all of it has age 0. Calls without a known price spent nothing that a budget counts.
    """
    used = USAGE.c
    age: ColumnElement[int] = literal(0)
    if of.slice_ms:
        slice_of = func.div(func.extract("epoch", used.at) * 1000, of.slice_ms)
        age = func.greatest(0, of.newest - slice_of)  # a worker's clock may be a moment ahead of this one
    conditions = [_SUBJECTS[of.scope] == of.subject, used.at >= of.since, used.at < of.until]
    if of.kind is LimitKind.BUDGET_MICRO_DOLLARS:
        amount: ColumnElement[int] = func.coalesce(func.sum(used.cost_micro_dollars), 0)
        conditions.append(used.placeholder_id.is_not(None))
    else:
        amount = func.coalesce(func.sum(used.input_tokens + used.output_tokens), 0)
    if of.model is not None:
        conditions.append(_model_is(of.model))
    query = select(age.label("age"), amount).where(*conditions).group_by("age").order_by("age")
    return tuple((int(row[0]), int(row[1])) for row in await session.execute(query))


def _model_is(pattern: str) -> ColumnElement[bool]:
    # As it stands in the index (migration 0021); patterns are shorter.
    model = func.left(func.lower(USAGE.c.model), literal_column("300"))
    if pattern.endswith("*"):
        return model.startswith(pattern[:-1], autoescape=True)
    return model == pattern
