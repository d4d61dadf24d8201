"""Whether the doors' addresses can be had, before any process is started on them.

Workers share each port (``SO_REUSEPORT``). The kernel would let a second instance of the same account share
it too, and split the calls between the two in silence.
"""

import errno
import os
import socket

from conduit.addresses import Address
from conduit.errors import ConfigurationError
from conduit.settings import Listen


def require_free(listen: Listen) -> None:
    """Raise ``ConfigurationError`` that names the first door whose address cannot be had, and why."""
    taken: dict[Address, str] = {}
    for door in Listen.model_fields:
        address: Address = getattr(listen, door)
        if address in taken:
            raise ConfigurationError(f"listen.{door} and listen.{taken[address]} are both {address}")
        taken[address] = door
        if (reason := hindrance(address)) is not None:
            raise ConfigurationError(f"listen.{door}: {address} {reason}")


def hindrance(address: Address) -> str | None:
    """Why an address cannot be listened on, as the end of a sentence; ``None`` where it can."""
    try:
        _bind(address, listen=True)
    except OSError as error:
        return _reason(error)
    return None


def taken(address: Address) -> bool | None:
    """Whether somebody listens there, found out without a connection, which its owner would have to judge.

    ``None`` where this account may not try.
    """
    try:
        _bind(address, listen=False)
    except OSError as error:
        return None if error.errno == errno.EACCES else error.errno == errno.EADDRINUSE
    return False


def _bind(address: Address, *, listen: bool) -> None:
    """Bind without sharing, which fails where anybody listens; connections that are ending do not count."""
    family, kind, protocol, _, place = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)
        if listen:
            probe.listen(1)


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "is in use by another program"
        case errno.EADDRNOTAVAIL:
            return "is not an address of this machine"
        case errno.EACCES:
            return "is a port that this account may not listen on"
        case number if isinstance(error, socket.gaierror) or number is None:
            return "is not an address of this machine"
        case number:
            return f"cannot be had: {os.strerror(number)}"
