"""The command line: the table of contents of all commands. What each does is in ``conduit.commands``."""

import typer

from conduit.command import ConfigOption, DataOption, JsonOption
from conduit.commands import (
    accounts,
    alert,
    audit,
    backup,
    ca,
    catalogue,
    coaching,
    content,
    credential,
    discovery,
    doctor,
    endpoint,
    evidence,
    identity,
    limit,
    network,
    placeholder,
    price,
    retention,
    tenant,
    up,
    usage,
    user,
    vault,
)
from conduit.hardening import forbid_dumps

application = typer.Typer(
    name="conduit",
    help="Egress gateway that attributes, meters and secures every AI call of an organisation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Help texts are read as they are written: as markup, [default: …] would be lost.
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)

for module in (
    up,
    doctor,
    tenant,
    user,
    credential,
    placeholder,
    network,
    identity,
    limit,
    endpoint,
    discovery,
    coaching,
    catalogue,
    accounts,
    price,
    usage,
    alert,
    audit,
    retention,
    content,
    evidence,
    vault,
    backup,
    ca,
):
    module.register(application)


@application.callback()
def shared(
    context: typer.Context,
    data: DataOption = None,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Options that may also stand behind the command."""
    context.obj = {"data": data, "config": config, "json_output": json_output}


def main() -> None:
    """The program ``conduit``. Some commands hold a key for a moment, so that none of them leaves a dump."""
    forbid_dumps()
    application()
