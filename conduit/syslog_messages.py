"""Syslog as it comes over the wire (RFC 5424, RFC 3164; RFC 6587 over TCP), and what it says of sessions.

A message is not taken apart beyond its priority and, where it has one, the time of RFC 5424: what stands
where differs from product to product, so the operator's patterns look at all the rest.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

from conduit.session_change import Change
from policy.forwarding import plain
from policy.snapshot import Address

MESSAGE_BYTES_MAX = 8192  # RFC 5424 section 6.1: receivers should take 2,048 and may take more.
USER_LENGTH_MAX = 200
PATTERN_BYTES_MAX = 1 << 20  # what the compiled pattern may take
GROUPS = frozenset({"address", "user", "event", "ttl"})
# A message's own time counts where it lies within this of ours: clocks differ, and messages wait.
LATE_MAX = timedelta(hours=1)
EARLY_MAX = timedelta(minutes=1)
TTL_DIGITS_MAX = 9

_PRIORITY = re.compile(rb"<(\d{1,3})>")
_PRIORITY_MAX = 191
# VERSION SP TIMESTAMP SP, the timestamp with an offset (section 6.2.3).
_STAMPED = re.compile(r"1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ")


class Malformed(ValueError):
    """No syslog message, or one whose pattern gave what is no address, user or time; never quotes it."""


@dataclass(frozen=True, slots=True)
class Message:
    """``text`` is all behind the priority; ``at`` is when it was sent, as far as that can be known."""

    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What a message says of one address. ``lasts`` is ``None`` where it does not say for how long."""

    change: Change
    address: Address
    user: str
    at: datetime
    lasts: timedelta | None


class Pattern:
    """An operator's regular expression, by RE2, so that no message can make it take long.

    Groups: ``address``; ``user``, without which a stop ends whoever's session it is; ``event``, one of
    ``starts`` or ``stops``, in any case, without which every match is a start; ``ttl`` in seconds. Raises
    ``ValueError`` for an expression that is none or lacks a group.
    """

    def __init__(self, expression: str, *, starts: tuple[str, ...], stops: tuple[str, ...]) -> None:
        options = re2.Options()
        options.max_mem = PATTERN_BYTES_MAX
        options.log_errors = False
        try:
            self._regex = re2.compile(expression, options)
        except re2.error as error:
            raise ValueError("is no regular expression that RE2 knows") from error
        named = set(self._regex.groupindex)
        if named - GROUPS:
            raise ValueError(f"has groups that mean nothing; there are {', '.join(sorted(GROUPS))}")
        if "address" not in named or ("user" not in named and "event" not in named):
            raise ValueError("should have the groups address and user")
        self._changes = {word.casefold(): Change.RENEWAL for word in starts}
        self._changes |= {word.casefold(): Change.STOP for word in stops}

    def read(self, message: Message) -> Told | None:
        """What it says; ``None`` where the expression does not match, or the event is neither."""
        found = self._regex.search(message.text)
        if found is None:
            return None
        groups: dict[str, str] = {name: text or "" for name, text in found.groupdict().items()}
        change = self._changes.get(groups["event"].casefold()) if "event" in groups else Change.RENEWAL
        if change is None:
            return None
        user = groups.get("user", "").strip()
        if len(user) > USER_LENGTH_MAX or not user.isprintable() or (not user and change is not Change.STOP):
            raise Malformed("it names no user")
        return Told(change, _address(groups["address"]), user, message.at, _lasts(groups.get("ttl", "")))


def _address(text: str) -> Address:
    try:
        found = ip_address(text)
    except ValueError as error:
        raise Malformed("it names no address") from error
    if getattr(found, "scope_id", None) is not None:
        raise Malformed("it names an address of another machine's own link")
    return plain(found)


def _lasts(text: str) -> timedelta | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > TTL_DIGITS_MAX or int(text) == 0:
        raise Malformed("its time to live is no number of seconds")
    return timedelta(seconds=int(text))


def read_message(raw: bytes, now: datetime) -> Message:
    """Read one message, without its framing; raises ``Malformed``."""
    priority = _PRIORITY.match(raw)
    if len(raw) > MESSAGE_BYTES_MAX or priority is None or int(priority[1]) > _PRIORITY_MAX:
        raise Malformed("it is no syslog message")
    try:
        text = raw[priority.end() :].decode("utf-8").rstrip("\r\n\x00")
    except UnicodeDecodeError as error:
        raise Malformed("it is no text") from error
    stamped = _STAMPED.match(text)
    return Message(text, _sent_at(stamped[1], now) if stamped else now)


def _sent_at(text: str, now: datetime) -> datetime:
    try:
        stated = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed("its time is none") from error
    return stated if now - LATE_MAX <= stated <= now + EARLY_MAX else now


class Framing:
    """Takes a TCP stream apart (RFC 6587): ``LENGTH SP MESSAGE``, or messages that end with a line feed.

    Each message says by its first byte which it is. Raises ``Malformed`` where it can be neither; what
    follows then has no beginning, so the connection is of no more use.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete now."""
        self._buffer += data
        found: list[bytes] = []
        while self._buffer:
            taken = self._counted() if self._buffer[:1].isdigit() else self._line()
            if taken is None:
                break
            if taken:
                found.append(taken)
        return found

    def _counted(self) -> bytes | None:
        digits, space, _ = self._buffer[:6].partition(b" ")
        if not space:
            if len(self._buffer) > 5 or not digits.isdigit():
                raise Malformed("its length is none")
            return None
        length = int(digits) if digits.isdigit() else 0
        if not 0 < length <= MESSAGE_BYTES_MAX:
            raise Malformed("its length is none, or too much")
        end = len(digits) + 1 + length
        if len(self._buffer) < end:
            return None
        message = bytes(self._buffer[len(digits) + 1 : end])
        del self._buffer[:end]
        return message

    def _line(self) -> bytes | None:
        line, feed, _ = self._buffer.partition(b"\n")
        if len(line) > MESSAGE_BYTES_MAX:
            raise Malformed("it is too long")
        if not feed:
            return None
        del self._buffer[: len(line) + 1]
        return bytes(line)
