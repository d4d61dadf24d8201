"""Acts about a tenant's users, each with its event in the same transaction."""

from dataclasses import dataclass

from policy.identifiers import TenantId, UserId
from store import members, teams
from store.acts import Actor, record
from store.door import Store
from store.errors import AlreadyExists


@dataclass(frozen=True, slots=True)
class NewUser:
    """Whom calls will be attributed to; ``team`` and ``cost_centre`` ride along to usage and events."""

    name: str
    role: str = "member"
    team: str | None = None
    cost_centre: str | None = None


async def create_user(store: Store, *, actor: Actor, tenant_id: TenantId, new: NewUser) -> members.Member:
    """Create a user of a tenant; a team that does not exist yet is created with it."""
    async with store.tenant(tenant_id) as session:
        if await members.find(session, name=new.name):
            raise AlreadyExists(f"the tenant has a user named {new.name!r} already")
        team_id = None
        if new.team is not None:
            found = await teams.find(session, name=new.team) or await teams.create(session, name=new.team)
            team_id = found.id
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


async def set_user_enabled(
    store: Store, *, actor: Actor, tenant_id: TenantId, user_id: UserId, enabled: bool
) -> members.Member:
    """Let a user's calls through, or stop them."""
    action = "user.enable" if enabled else "user.disable"
    async with store.tenant(tenant_id) as session:
        user = await members.set_enabled(session, member_id=user_id, enabled=enabled)
        await record(session, actor, action, tenant_id=tenant_id, target=user_id, name=user.name)
    return user
