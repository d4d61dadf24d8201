"""Hosts as somebody stated them, made the one spelling that is kept."""

from policy.destination import InvalidDestination, canonical_host
from store.errors import InvalidRecord


def stated_host(text: str) -> str:
    """The canonical host; raises ``InvalidRecord`` where ``text`` names none."""
    try:
        return canonical_host(text)
    except InvalidDestination as error:
        raise InvalidRecord(str(error)) from error


def stated_pattern(text: str) -> str:
    """A canonical host, or ``*.`` and one, for the names below it; raises ``InvalidRecord`` as above."""
    below = "*." if text.startswith("*.") else ""
    return below + stated_host(text.removeprefix("*."))
