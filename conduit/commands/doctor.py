"""``conduit doctor``: is everything there that an instance needs, and is it as it should be?"""

from typing import Annotated

import typer

from conduit.command import CommandFailed, Invocation, command


def register(application: typer.Typer) -> None:
    command(application, "doctor")(doctor)


async def doctor(
    invocation: Invocation,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what needs a running instance.")] = False,
) -> None:
    """Check every dependency, right and rule, and say what to mend. Exit code 1 if anything must be."""
    from conduit.diagnosis import examine

    findings = await examine(invocation, running=not quick)
    invocation.show(
        [finding.document() for finding in findings], columns=("result", "check", "detail", "mend")
    )
    failed = sum(finding.result == "fail" for finding in findings)
    if failed:
        raise CommandFailed(f"{failed} of {len(findings)} checks failed")
