"""What a listener can be told of an address."""

from enum import StrEnum


class Change(StrEnum):
    """What is told of an address. ``OTHER`` concerns no session."""

    START = "start"
    RENEWAL = "renewal"
    STOP = "stop"
    OTHER = "other"
