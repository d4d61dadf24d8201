"""What the layers of a client connection tell of what has not become a call: heads that have begun, and
bytes that are none.

mitmproxy makes the layers itself, so they find who is to be told at the connection that they are for.
"""

from collections.abc import Generator
from typing import Any, Protocol

from mitmproxy import connection
from mitmproxy.proxy import commands

Commands = Generator[commands.Command, Any, Any]

_KEY = "conduit.watcher"


class Watcher(Protocol):
    """Of one worker, for all its client connections."""

    @property
    def head_bytes_max(self) -> int:
        """How long a request head may be."""

    @property
    def header_count_max(self) -> int:
        """How many header lines it may have."""

    def head_begun(self, client: connection.Client) -> None:
        """The first bytes of a request head have come, and not yet its last."""

    def unreadable(self, client: connection.Client, rule: str) -> None:
        """The connection is ended because of what came over it; ``rule`` names what it broke."""


def watch(client: connection.Client, watcher: Watcher) -> None:
    """Have the layers of this connection tell ``watcher``."""
    setattr(client, _KEY, watcher)


def watcher_of(client: connection.Client) -> Watcher:
    """Who watches over this connection; raises ``AttributeError`` for one that was never admitted."""
    watcher: Watcher = getattr(client, _KEY)
    return watcher
