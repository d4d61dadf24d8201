"""``conduit up``: start an instance and serve until told to stop."""

from typing import Annotated

import typer

from conduit.command import Invocation, command


def register(application: typer.Typer) -> None:
    command(application, "up")(up)


def up(
    invocation: Invocation,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Gateway processes; one a core without it.")
    ] = None,
) -> None:
    """Start; SIGTERM drains and stops, SIGHUP reads the settings again."""
    from conduit import supervisor

    supervisor.up(invocation.data, invocation.config, workers)
