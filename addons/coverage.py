"""Does every route lead through every step? A matrix, made by sending calls through the real chain.

A row is a route (door, CONNECT or not, TLS or not) and a path (how the call went). A column is a step. A cell
holds the phases of the step that ran, or the stated reason why none has to. A cell with neither is a hole:
a route or a step was added, or one removed, and nobody has said what that means.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path as File

from mitmproxy import hooks

from addons import STEPS
from addons.chain import Chain
from addons.rehearsal import Passage, Path, rehearse
from addons.step import PHASES, Step, implemented
from policy.exchange import Outcome

# No reason excuses these from a call of which anything left.
DUTIES = {"attribution": "attributed", "metering": "metered", "record": "recorded"}
# They judge, count or scrub each message of a WebSocket session, not only what opens it.
SESSION_DUTIES = ("inspection", "admission", "metering", "redaction")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one step does on one path: the ``phases`` that ran, else why that is right (``excused``)."""

    step: str
    phases: tuple[str, ...]
    excused: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing ran and nothing excuses it."""
        return not self.phases and not self.excused


@dataclass(frozen=True, slots=True)
class Row:
    """One path of one route; ``left`` tells whether anything went on to a provider or a site."""

    route: str
    path: str
    left: bool
    outcome: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The matrix, and what is wrong with it, a line each; none means that nothing escapes the chain."""

    rows: tuple[Row, ...]
    holes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why steps need not run on some paths."""

    steps: frozenset[str]
    where: Callable[[Passage], bool]
    reason: str


def _on(*paths: Path) -> Callable[[Passage], bool]:
    return lambda passage: passage.path in paths


# They judge or change what leaves, and have nothing to do where nothing does.
_GUARDS = frozenset(
    {
        *("interception", "discovery", "coaching", "inspection", "admission", "accounts", "credentials"),
        *("credential health", "redaction", "content", "settlement"),
    }
)
_ALL = frozenset({*_GUARDS, *DUTIES, "measurement"})
_TUNNELS = _on(Path.TUNNEL_REFUSED, Path.TLS_REFUSED)

EXCUSES = (
    Excuse(frozenset({"interception"}), lambda passage: not passage.route.tls, "there is no TLS"),
    Excuse(_GUARDS, lambda passage: not passage.left, "nothing leaves"),
    Excuse(frozenset({"attribution"}), _on(Path.STALE), "no policy says who; nothing leaves"),
    Excuse(frozenset({"metering", "measurement"}), _TUNNELS, "no call, so nothing was used"),
    Excuse(_ALL, _on(Path.CROWDED), "closed before its first byte"),
    Excuse(_ALL, _on(Path.NOT_HTTP), "there is no request, and nothing leaves"),
    Excuse(
        (_GUARDS | {"measurement"}) - {"interception"},
        _on(Path.TUNNELLED),
        "no AI endpoint by name: not looked into, no key of ours",
    ),
    Excuse(frozenset({"metering"}), _on(Path.TUNNELLED), "undecrypted: there is no usage to read"),
)


async def examine(steps: Sequence[type[Step]] = STEPS) -> Coverage:
    """Rehearse every path of every route; takes less than a second and touches nothing."""
    passages = await rehearse(steps)
    names = list(dict.fromkeys(kind.name for kind in (*steps, *every_step())))
    rows = tuple(_row(passage, names) for passage in passages)
    return Coverage(rows, (*_empty(rows), *_undone(passages), *_unrehearsed(steps, passages)))


def every_step() -> list[type[Step]]:
    """Every step that this package has a file for, whether the chain uses it or not."""
    for module in pkgutil.iter_modules([str(File(__file__).parent)]):
        importlib.import_module(f"addons.{module.name}")
    found = [kind for kind in Step.__subclasses__() if kind.__module__.startswith("addons.")]
    return sorted((kind for kind in found if "rehearsal" not in kind.__module__), key=lambda kind: kind.name)


def _row(passage: Passage, names: Sequence[str]) -> Row:
    cells = tuple(_cell(passage, name) for name in names)
    outcome = passage.outcome.value if passage.outcome else ""
    return Row(str(passage.route), passage.path.value, passage.left, outcome, cells)


def _cell(passage: Passage, step: str) -> Cell:
    phases = tuple(dict.fromkeys(passage.phases.get(step, ())))
    if phases:
        return Cell(step, phases)
    reasons = (excuse.reason for excuse in EXCUSES if step in excuse.steps and excuse.where(passage))
    return Cell(step, (), next(reasons, ""))


def _empty(rows: Sequence[Row]) -> list[str]:
    return [
        f"{row.route}, {row.path}: nothing says what {cell.step} does"
        for row in rows
        for cell in row.cells
        if cell.empty
    ]


def _undone(passages: Sequence[Passage]) -> list[str]:
    """What left without a duty done, and what never ended. A tunnel's bytes cannot be metered."""
    found = [f"{item.route}, {item.path}: the call never ends" for item in passages if item.unended]
    for passage in passages:
        for step, duty in DUTIES.items():
            tunnel = step == "metering" and passage.path is Path.TUNNELLED
            if passage.left and not tunnel and not passage.phases.get(step):
                found.append(f"{passage.route}, {passage.path}: leaves without being {duty}")
    sessions = [item for item in passages if item.path in (Path.SESSION, Path.SESSION_ABORTED)]
    return found + [
        f"{passage.route}, {passage.path}: {step} sees no message"
        for passage in sessions
        for step in SESSION_DUTIES
        if "message" not in passage.phases.get(step, ())
    ]


def _unrehearsed(steps: Sequence[type[Step]], passages: Sequence[Passage]) -> list[str]:
    """Hooks of the chain, phases of steps and outcomes that no path has shown: the matrix lacks rows."""
    used = {hook for passage in passages for hook in passage.hooks}
    ran = {(step, phase) for item in passages for step, phases in item.phases.items() for phase in phases}
    ended = {passage.outcome for passage in passages}
    has_hooks = [name for name in vars(Chain) if name in hooks.all_hooks]
    return [
        *(f"no path uses the chain's hook {name}" for name in has_hooks if name not in used),
        *(
            f"no path runs {phase} of {kind.name}"
            for kind in steps
            for phase in implemented(kind)
            if (kind.name, phase) not in ran
        ),
        # The shipper's word for a call whose worker died.
        *(f"no path ends as {o}" for o in Outcome if o not in ended and o is not Outcome.LOST),
        *(f"no step has the phase {p}" for p in PHASES if not any(p in implemented(k) for k in steps)),
    ]
