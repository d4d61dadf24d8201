"""The accounts of each product that are a tenant's own (``policy.accounts``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId
from store.rows import columns, many, one
from store.tables import ACCOUNT_LIST, CLAIMED_TENANT


@dataclass(frozen=True, slots=True)
class StatedAccounts:
    """Ids of workspaces, organisations or domains, as the product's header takes them."""

    tenant_id: TenantId
    product: str
    accounts: tuple[str, ...]
    updated_at: datetime


_COLUMNS = columns(ACCOUNT_LIST, StatedAccounts)


async def put(session: AsyncSession, *, product: str, accounts: Sequence[str]) -> StatedAccounts:
    """State the accounts of a product; an earlier list is replaced."""
    statement = insert(ACCOUNT_LIST).values(
        tenant_id=CLAIMED_TENANT, product=product, accounts=list(accounts)
    )
    replaced = statement.on_conflict_do_update(
        index_elements=["tenant_id", "product"],
        set_={"accounts": list(accounts), "updated_at": func.now()},
    )
    return await one(session, StatedAccounts, replaced.returning(*_COLUMNS))


async def clear(session: AsyncSession, *, product: str) -> StatedAccounts:
    """Take a list back, so that any account may be used; raises ``NotFound``."""
    statement = delete(ACCOUNT_LIST).where(ACCOUNT_LIST.c.product == product)
    return await one(session, StatedAccounts, statement.returning(*_COLUMNS))


async def every(session: AsyncSession) -> list[StatedAccounts]:
    """Every list of the tenant, by product."""
    return await many(session, StatedAccounts, select(*_COLUMNS).order_by(ACCOUNT_LIST.c.product))
