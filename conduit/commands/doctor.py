"""``conduit doctor``: is everything there that an instance needs, and is it as it should be?"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from conduit.command import CommandFailed, Invocation, command

if TYPE_CHECKING:
    from addons.coverage import Row


def register(application: typer.Typer) -> None:
    command(application, "doctor")(doctor)


async def doctor(
    invocation: Invocation,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what needs a running instance.")] = False,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Show which step runs on which route, and nothing else.")
    ] = False,
) -> None:
    """Check every dependency, right and rule, and say what to mend. Exit code 1 if anything must be."""
    if coverage:
        await _coverage(invocation)
        return
    from conduit.diagnosis import examine

    findings = await examine(invocation, running=not quick)
    invocation.show(
        [finding.document() for finding in findings], columns=("result", "check", "detail", "mend")
    )
    failed = sum(finding.result == "fail" for finding in findings)
    if failed:
        raise CommandFailed(f"{failed} of {len(findings)} checks failed")


async def _coverage(invocation: Invocation) -> None:
    """Every route and path through the chain, against every step. Exit code 1 where one has a hole."""
    from addons.coverage import examine

    found = await examine()
    if invocation.json:
        invocation.show_json({**asdict(found), "complete": not found.holes})
    else:
        invocation.show([_shown(row) for row in found.rows])
    cells = sum(len(row.cells) for row in found.rows)
    invocation.say(f"{len(found.rows)} routes and paths, {cells} cells, {len(found.holes)} holes")
    if found.holes:
        raise CommandFailed(f"{len(found.holes)} holes: {'; '.join(found.holes)}")


def _shown(row: "Row") -> dict[str, str]:
    """Phases by step; the excuses of a row once, at its end."""
    excuses = dict.fromkeys(cell.excused for cell in row.cells if cell.excused)
    return {
        "route": row.route,
        "path": row.path,
        "leaves": "yes" if row.left else "no",
        **{
            cell.step: "HOLE" if cell.empty else " ".join(cell.phases).replace("_", "-") or "-"
            for cell in row.cells
        },
        "because": "; ".join(excuses),
    }
