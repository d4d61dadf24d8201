"""``conduit backup`` and ``conduit restore``: the database as one file, without the key that opens it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from conduit.command import CommandFailed, Invocation, access_to, command

NOTE = (
    "The key-encryption key is not in it: keep a copy of that elsewhere, or nothing restored can be opened."
)


def register(application: typer.Typer) -> None:
    command(application, "backup")(backup)
    command(application, "restore")(restore)


async def backup(
    invocation: Invocation, file: Annotated[Path, typer.Argument(help="The archive to write.")]
) -> None:
    """Write every tenant's rows, with the wrapped keys, to an archive; calls go on."""
    from conduit.embedded_postgres import programs
    from conduit.instance import actor, opened, owner_url, settings_of
    from store.acts import record
    from store.backup import backup as write
    from store.claim import Purpose

    with access_to(file, "written"):
        if file.exists():
            raise CommandFailed(f"{file} is there already")
    folder = invocation.data.expanduser().absolute()
    url = owner_url(folder, settings_of(invocation))
    await asyncio.to_thread(write, url, file, binaries=programs())
    async with (
        opened(invocation) as instance,
        instance.store.platform(Purpose.ADMINISTRATION) as session,
    ):
        await record(session, actor(), "backup.write", tenant_id=None, target=file.name)
    invocation.show({"file": str(file), "bytes": file.stat().st_size}, note=NOTE)


def restore(
    invocation: Invocation, file: Annotated[Path, typer.Argument(help="An archive of `conduit backup`.")]
) -> None:
    """Restore an archive into a new instance that is not running; start it afterwards with `conduit up`."""
    from conduit.data_folder import DataFolder
    from conduit.embedded import started
    from conduit.embedded_postgres import programs
    from conduit.instance import settings_of
    from store.backup import restore as read

    with started(DataFolder(invocation.data), settings_of(invocation)) as urls:
        read(urls.owner, file, binaries=programs())
    invocation.show({"restored": str(file)}, note=NOTE)
