"""``conduit alert``: whether incidents reach those whom they are told to."""

from typing import Annotated

import typer

from conduit.command import CommandFailed, Invocation, command, group


def register(application: typer.Typer) -> None:
    alert = group("alert", "Incidents told to people and their systems.", application)
    command(alert, "list")(show)
    command(alert, "test")(try_out)


async def show(invocation: Invocation) -> None:
    """List the destinations, what waits for each, and why."""
    from conduit.instance import opened
    from store import alerts
    from store.claim import Purpose

    async with opened(invocation) as instance:
        async with instance.store.platform(Purpose.ADMINISTRATION) as session:
            standings = {found.destination: found for found in await alerts.standings(session)}
        destinations = instance.settings.alerts.destinations
    shown = []
    for destination in destinations:
        found = standings.get(destination.name)
        failing = found.failing_since if found else None
        shown.append(
            {
                "destination": destination.name,
                "kind": type(destination).__name__.lower(),
                "severity": destination.severity.value,
                "tenant": destination.tenant,
                "waiting": found.waiting if found else 0,
                "failing_since": failing.isoformat() if failing else None,
                "problem": found.problem if found else None,
            }
        )
    invocation.show(shown)


async def try_out(
    invocation: Invocation,
    destination: Annotated[str | None, typer.Option(help="Its name.  [default: all]")] = None,
) -> None:
    """Send a test alert and say what came back. Exit code 1 if a destination did not take it."""
    from uuid_utils.compat import uuid7

    from conduit.alert_channels import DeliveryFailed, channels
    from conduit.alerting import send_test
    from conduit.instance import settings_of

    found = channels(settings_of(invocation).alerts)
    if destination is not None and destination not in found:
        raise CommandFailed(f"the settings name no alert destination {destination!r}")
    if not found:
        raise CommandFailed("the settings name no alert destination; see docs/alerts.md")
    shown: list[dict[str, object]] = []
    for name in [destination] if destination is not None else list(found):
        try:
            answer, taken = await send_test(found[name], str(uuid7())), True
        except (DeliveryFailed, TimeoutError) as problem:
            answer, taken = str(problem) or "it did not answer in time", False
        shown.append({"destination": name, "taken": taken, "answer": answer})
    invocation.show(shown)
    failed = [str(each["destination"]) for each in shown if not each["taken"]]
    if failed:
        raise CommandFailed(f"not taken by {', '.join(failed)}")
