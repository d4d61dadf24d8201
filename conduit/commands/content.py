"""``conduit content``: whether what is said is kept, and opening one call's content by two people.

Whoever asks, decides or opens is an administrator of the console, and proves it by a one-time code on
standard input: the account of the operating system alone says too little.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conduit.command import CommandFailed, Invocation, command, group, read_id, read_secret
from policy.content import BYTES_MAX

if TYPE_CHECKING:
    from conduit.instance import Instance
    from policy.identifiers import TenantId
    from store.acts import Actor

TenantOption = Annotated[str, typer.Option("--tenant", help="Name or id of the tenant.")]
AsOption = Annotated[
    str, typer.Option("--as", help="Sign-in name of the administrator, whose one-time code comes on stdin.")
]
OpeningArgument = Annotated[str, typer.Argument(help="Id of the request.", metavar="OPENING_ID")]


def register(application: typer.Typer) -> None:
    content = group("content", "What is said in calls, where a tenant keeps it.", application)
    command(content, "policy")(policy)
    command(content, "list")(show)
    command(content, "openings")(openings)
    command(content, "request")(request)
    command(content, "approve")(approve)
    command(content, "refuse")(refuse)
    command(content, "open")(open_content)


async def policy(
    invocation: Invocation,
    tenant: TenantOption,
    keep: Annotated[bool | None, typer.Option("--keep/--drop", help="Keep what is said from now on.")] = None,
    bytes_max: Annotated[
        int, typer.Option(min=1, max=BYTES_MAX, help="Kept of each direction of a call.")
    ] = BYTES_MAX,
) -> None:
    """Show whether a tenant keeps what is said, or decide it. Off until somebody decides otherwise."""
    from conduit import lookup
    from conduit.instance import actor
    from store import content, content_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        if keep is None:
            async with instance.store.tenant(owner.tenant_id) as session:
                found = await content.find_policy(session)
        else:
            found = await content_acts.set_policy(
                instance.store,
                instance.vault,
                actor=actor(),
                tenant_id=owner.tenant_id,
                keep=keep,
                bytes_max=bytes_max,
            )
    invocation.show(
        {
            "tenant": owner.name,
            "keep": found.keep if found else False,
            "bytes_max": found.bytes_max if found else None,
        }
    )


async def show(
    invocation: Invocation,
    tenant: TenantOption,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 100,
) -> None:
    """List the calls whose content is kept, without it."""
    from conduit import lookup
    from store import content

    async with (
        lookup.opened_for(invocation, tenant) as (instance, owner),
        instance.store.tenant(owner.tenant_id) as session,
    ):
        found = await content.latest(session, limit=limit)
    invocation.show(
        [{"event": str(each.event_id), "at": each.at.isoformat(), "bytes": each.bytes} for each in found]
    )


async def openings(invocation: Invocation, tenant: TenantOption) -> None:
    """List the requests to open content, newest first."""
    from conduit import lookup
    from store import content_acts

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        found = await content_acts.openings(instance.store, tenant_id=owner.tenant_id)
    invocation.show([_document(each) for each in found])


async def request(
    invocation: Invocation,
    event: Annotated[str, typer.Argument(help="Id of the call's event.", metavar="EVENT_ID")],
    tenant: TenantOption,
    person: AsOption,
    reason: Annotated[str, typer.Option(help="Why, as it stands in the record.")],
) -> None:
    """Ask that the content of a call be opened. Somebody else decides within a day."""
    from store import content_acts

    async with _proven(invocation, tenant, person) as (instance, tenant_id, who):
        made = await content_acts.request_opening(
            instance.store, actor=who, tenant_id=tenant_id, event_id=read_id(event), reason=reason
        )
    invocation.show(_document(made))


async def approve(
    invocation: Invocation, opening: OpeningArgument, tenant: TenantOption, person: AsOption
) -> None:
    """Approve another person's request: for an hour that person can open the content."""
    await _decide(invocation, opening, tenant, person, approved=True)


async def refuse(
    invocation: Invocation, opening: OpeningArgument, tenant: TenantOption, person: AsOption
) -> None:
    """Refuse another person's request."""
    await _decide(invocation, opening, tenant, person, approved=False)


async def _decide(invocation: Invocation, opening: str, tenant: str, person: str, *, approved: bool) -> None:
    from store import content_acts

    async with _proven(invocation, tenant, person) as (instance, tenant_id, who):
        decided = await content_acts.decide_opening(
            instance.store, actor=who, tenant_id=tenant_id, approval_id=read_id(opening), approve=approved
        )
    invocation.show(_document(decided))


async def open_content(
    invocation: Invocation, opening: OpeningArgument, tenant: TenantOption, person: AsOption
) -> None:
    """Show what was said, to who asked, within an hour of the approval. Each look is on record."""
    from store import content_acts

    async with _proven(invocation, tenant, person) as (instance, tenant_id, who):
        document = await content_acts.open_content(
            instance.store, instance.vault, actor=who, tenant_id=tenant_id, approval_id=read_id(opening)
        )
    invocation.show(document)


@asynccontextmanager
async def _proven(
    invocation: Invocation, tenant: str, person: str
) -> AsyncIterator[tuple["Instance", "TenantId", "Actor"]]:
    """The instance, the tenant, and an administrator who may act on it and has proven to be that one."""
    from conduit import lookup
    from console.permissions import Permission, Role, permissions_of
    from console.second_factors import SecondFactors
    from console.step_up import StepUp
    from store.acts import Actor
    from store.tenants import PLATFORM

    async with lookup.opened_for(invocation, tenant) as (instance, owner):
        step_up = StepUp(instance.store, SecondFactors(instance.vault), lambda: datetime.now(UTC))
        account = await step_up.prove(person, read_secret("one-time code"))
        of_platform = account.tenant_id == PLATFORM
        granted = permissions_of(Role(account.role), platform=of_platform)
        if Permission.TENANT_CONTENT_APPROVE not in granted or not (
            of_platform or account.tenant_id == owner.tenant_id
        ):
            raise CommandFailed(f"{person} may not do this for {owner.name}")
        yield instance, owner.tenant_id, Actor(account.name, "command line")


def _document(opening: Any) -> dict[str, object]:
    approval = opening.approval
    return {
        "id": str(approval.id),
        "event": str(opening.event_id),
        "reason": opening.reason,
        "state": approval.state.value,
        "requested_by": approval.requested_by,
        "decided_by": approval.decided_by,
        "decided_at": approval.decided_at.isoformat() if approval.decided_at else None,
        "expires_at": approval.expires_at.isoformat(),
    }
