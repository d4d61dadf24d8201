"""How a tenant's coaching page looks (``policy.branding``)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from policy.branding import Branding
from policy.identifiers import TenantId
from store.rows import columns, one, optional
from store.tables import BRANDING, CLAIMED_TENANT


@dataclass(frozen=True, slots=True)
class KeptBranding:
    """The fields of ``policy.branding.Branding``, and when they were set."""

    tenant_id: TenantId
    name: str
    colour: str
    logo: bytes
    contact: str
    alternative: str
    hours: int
    updated_at: datetime


_COLUMNS = columns(BRANDING, KeptBranding)


async def put(session: AsyncSession, *, branding: Branding) -> KeptBranding:
    """Say how the page looks; what was said before is replaced."""
    said = {
        "name": branding.name,
        "colour": branding.colour,
        "logo": branding.logo,
        "contact": branding.contact,
        "alternative": branding.alternative,
        "hours": branding.hours,
    }
    statement = insert(BRANDING).values(tenant_id=CLAIMED_TENANT, **said)
    replaced = statement.on_conflict_do_update(
        index_elements=["tenant_id"], set_={**said, "updated_at": func.now()}
    )
    return await one(session, KeptBranding, replaced.returning(*_COLUMNS))


async def find(session: AsyncSession) -> KeptBranding | None:
    """What the tenant has said, if anything."""
    return await optional(
        session, KeptBranding, select(*_COLUMNS).where(BRANDING.c.tenant_id == CLAIMED_TENANT)
    )


async def clear(session: AsyncSession) -> KeptBranding:
    """Take it back, so that the plain page is shown; raises ``NotFound``."""
    statement = delete(BRANDING).where(BRANDING.c.tenant_id == CLAIMED_TENANT)
    return await one(session, KeptBranding, statement.returning(*_COLUMNS))
