"""The account that the demo gives: each step says what is tried, what must come of it, and what came."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_WIDTH = 100


def _coloured(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


class NotAsTold(Exception):
    """A step came out differently from what it promises; the text says how."""


@dataclass(slots=True)
class Story:
    """Prints as it goes; ``failures`` are the steps that did not come out as told."""

    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def chapter(self, title: str) -> None:
        self.say()
        self.say(_coloured(title, "1"))
        self.say("─" * min(len(title), _WIDTH))

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Something that takes its time."""
        began = time.monotonic()
        self.say(f"  … {what}")
        yield
        self.say(f"    done in {time.monotonic() - began:.1f} s")

    def step[**Arguments](
        self, what: str, act: Callable[Arguments, str], *given: Arguments.args, **named: Arguments.kwargs
    ) -> None:
        """Do it; ``act`` returns what came of it, or raises ``NotAsTold``."""
        self.steps += 1
        try:
            outcome = act(*given, **named)
        except Exception as problem:
            self.failures.append(what)
            self.say(f"  {_coloured('✗ ' + what, '31')}")
            self.say(f"      {type(problem).__name__}: {problem}")
            return
        self.say(f"  {_coloured('✓', '32')} {what}")
        for line in outcome.splitlines():
            self.say(f"      {line}")

    def skip(self, what: str, why: str) -> None:
        self.skipped.append(what)
        self.say(f"  {_coloured('– ' + what, '33')}: left out, {why}")

    def end(self) -> int:
        """The last lines, and the exit code."""
        self.chapter("In short")
        took = time.monotonic() - self.started
        good = self.steps - len(self.failures)
        self.say(f"  {good} of {self.steps} steps went as told, in {took:.0f} s.")
        for what in self.skipped:
            self.say(f"  Left out: {what}")
        for what in self.failures:
            self.say(_coloured(f"  Not as told: {what}", "31"))
        return 1 if self.failures else 0


def require(condition: bool, otherwise: str) -> None:
    """Raise ``NotAsTold`` unless ``condition``."""
    if not condition:
        raise NotAsTold(otherwise)
