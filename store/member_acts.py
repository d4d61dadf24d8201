"""Acts about a tenant's users, each with its event in the same transaction."""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from policy.identifiers import TenantId, UserId
from store import members, teams
from store.acts import Actor, record
from store.door import Store
from store.errors import AlreadyExists, InvalidRecord
from store.names import stated_name

_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class NewUser:
    """Whom calls will be attributed to; ``team`` and ``cost_centre`` ride along to usage and events."""

    name: str
    role: str = "member"
    team: str | None = None
    cost_centre: str | None = None


async def create_user(store: Store, *, actor: Actor, tenant_id: TenantId, new: NewUser) -> members.Member:
    """Create a user of a tenant; a team that does not exist yet is created with it.

    ``role`` is a word that reports show; it grants nothing. Raises ``InvalidRecord``, ``AlreadyExists``.
    """
    stated_name(new.name, "a user")
    if not _ROLE.fullmatch(new.role):
        raise InvalidRecord("a role is a word, such as member or service; it grants nothing")
    _check_cost_centre(new.cost_centre)
    async with store.tenant(tenant_id) as session:
        if await members.find(session, name=new.name):
            raise AlreadyExists(f"the tenant has a user named {new.name!r} already")
        team_id = await _team(session, new.team) if new.team is not None else None
        user = await members.create(
            session, name=new.name, role=new.role, team_id=team_id, cost_centre=new.cost_centre
        )
        await record(
            session,
            actor,
            "user.create",
            tenant_id=tenant_id,
            target=user.id,
            name=new.name,
            role=new.role,
            team=new.team,
            cost_centre=new.cost_centre,
        )
    return user


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is ``None`` stays; an empty ``team`` or ``cost_centre`` is taken away."""

    team: str | None = None
    cost_centre: str | None = None
    enabled: bool | None = None


async def change_user(
    store: Store, *, actor: Actor, tenant_id: TenantId, user_id: UserId, change: UserChange
) -> members.Member:
    """Put a user elsewhere, let the calls through, or stop them. A team that does not exist is created."""
    changes: dict[str, dict[str, str | None]] = {}
    _check_cost_centre(change.cost_centre)
    async with store.tenant(tenant_id) as session:
        user = await members.get(session, member_id=user_id)
        if change.team is not None or change.cost_centre is not None:
            team_id, centre = user.team_id, user.cost_centre
            if change.team is not None:
                team_id = await _team(session, change.team) if change.team else None
            if change.cost_centre is not None:
                centre = change.cost_centre or None
            user = await members.assign(session, member_id=user_id, team_id=team_id, cost_centre=centre)
            changes["user.assign"] = {"team": change.team, "cost_centre": change.cost_centre}
        if change.enabled is not None:
            user = await members.set_enabled(session, member_id=user_id, enabled=change.enabled)
            changes["user.enable" if change.enabled else "user.disable"] = {}
        for action, detail in changes.items():
            await record(
                session, actor, action, tenant_id=tenant_id, target=user_id, name=user.name, **detail
            )
    return user


async def _team(session: AsyncSession, name: str) -> UUID:
    stated_name(name, "a team")
    found = await teams.find(session, name=name) or await teams.create(session, name=name)
    return found.id


def _check_cost_centre(stated: str | None) -> None:
    if stated:
        stated_name(stated, "a cost centre")
