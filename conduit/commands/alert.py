"""``conduit alert``: whether incidents reach those whom they are told to."""

from typing import Annotated

import typer

from conduit.command import CommandFailed, Invocation, command, group


def register(application: typer.Typer) -> None:
    alert = group("alert", "Incidents told to people and their systems.", application)
    command(alert, "list")(show)
    command(alert, "deliveries")(deliveries)
    command(alert, "test")(try_out)


async def show(invocation: Invocation) -> None:
    """List the destinations, what waits for each, and why."""
    from conduit.alerting import destinations
    from conduit.instance import opened
    from console.alert_destinations import standings

    async with opened(invocation) as instance:
        found = await standings(instance.store, destinations(instance.settings.alerts))
    invocation.show(
        [
            {
                "destination": each.name,
                "kind": each.kind,
                "severity": each.severity.value,
                "tenant": each.tenant,
                "waiting": each.waiting,
                "failing_since": each.failing_since.isoformat() if each.failing_since else None,
                "problem": each.problem,
            }
            for each in found
        ]
    )


async def deliveries(
    invocation: Invocation,
    destination: Annotated[str | None, typer.Option(help="Its name.  [default: all]")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The latest so many.")] = 100,
) -> None:
    """List what is to be told, and what was told lately, whose repetitions are counted."""
    import json

    from conduit.instance import opened
    from store import alerts
    from store.claim import Purpose

    async with opened(invocation) as instance, instance.store.platform(Purpose.ADMINISTRATION) as session:
        found = await alerts.deliveries(session, destination=destination, limit=limit)
    invocation.show(
        [
            {
                "id": str(each.id),
                "destination": each.destination,
                "tenant": each.tenant,
                "action": json.loads(each.body).get("action"),
                "last_at": each.last_at.isoformat(),
                "told_at": each.told_at.isoformat() if each.told_at else None,
                "repeats": each.repeats,
                "attempts": each.attempts,
                "due_at": each.due_at.isoformat(),
                "problem": each.problem,
            }
            for each in found
        ]
    )


async def try_out(
    invocation: Invocation,
    destination: Annotated[str | None, typer.Option(help="Its name.  [default: all]")] = None,
) -> None:
    """Send a test alert and say what came back. Exit code 1 if a destination did not take it."""
    from conduit.alerting import destinations
    from conduit.instance import settings_of
    from console.alert_destinations import NotTaken

    found = {each.name: each for each in destinations(settings_of(invocation).alerts)}
    if destination is not None and destination not in found:
        raise CommandFailed(f"the settings name no alert destination {destination!r}")
    if not found:
        raise CommandFailed("the settings name no alert destination; see docs/alerts.md")
    shown: list[dict[str, object]] = []
    for name in [destination] if destination is not None else list(found):
        try:
            answer, taken = await found[name].test(), True
        except NotTaken as problem:
            answer, taken = str(problem), False
        shown.append({"destination": name, "taken": taken, "answer": answer})
    invocation.show(shown)
    failed = [str(each["destination"]) for each in shown if not each["taken"]]
    if failed:
        raise CommandFailed(f"not taken by {', '.join(failed)}")
