"""The WebSocket opening handshake (RFC 6455 section 4): what may ask for one, and what may answer it.

One reading only: a request that a server could take for another upgrade, or for one with a body, is refused.
Extensions are not negotiated, so that what is inspected is what is sent.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping

VERSION = "13"
EXTENSIONS = "sec-websocket-extensions"
PROTOCOL = "sec-websocket-protocol"

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NONCE_BYTES = 16


class InvalidHandshake(ValueError):
    """A handshake that is not one; the text is one sentence for the caller, and quotes nothing."""


def asks_upgrade(headers: Mapping[str, str]) -> bool:
    """Whether a request asks for another protocol. Header names are lower case."""
    return "upgrade" in headers


def check_request(method: str, version: str, headers: Mapping[str, str]) -> None:
    """Raise ``InvalidHandshake`` unless this asks for a WebSocket and for nothing else."""
    if headers["upgrade"].strip().lower() != "websocket":
        raise InvalidHandshake("Of upgrades, only the one to websocket is let through.")
    if method != "GET" or version != "HTTP/1.1":
        raise InvalidHandshake("A WebSocket is opened by GET over HTTP/1.1.")
    if "upgrade" not in _tokens(headers.get("connection", "")):
        raise InvalidHandshake("The header connection must name upgrade.")
    if headers.get("sec-websocket-version", "").strip() != VERSION:
        raise InvalidHandshake(f"WebSocket version {VERSION} is spoken here.")
    if not _is_nonce(headers.get("sec-websocket-key", "")):
        raise InvalidHandshake("The header sec-websocket-key must be 16 bytes in base64.")
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise InvalidHandshake("The request that opens a WebSocket has no body.")


def check_answer(key: str, offered: str, headers: Mapping[str, str]) -> str | None:
    """The subprotocol that a 101 answer chose; raises ``InvalidHandshake``.

    ``key`` and ``offered`` are what the request that it answers had in ``sec-websocket-key`` and
    ``sec-websocket-protocol``.
    """
    if headers.get("upgrade", "").strip().lower() != "websocket":
        raise InvalidHandshake("The provider switched to another protocol than was asked for.")
    if "upgrade" not in _tokens(headers.get("connection", "")):
        raise InvalidHandshake("The provider's answer does not name upgrade in the header connection.")
    if headers.get("sec-websocket-accept", "").strip() != accept_of(key):
        raise InvalidHandshake("The provider's answer is not for this handshake.")
    if headers.get(EXTENSIONS, "").strip():
        raise InvalidHandshake("The provider chose an extension that was not offered.")
    chosen = headers.get(PROTOCOL)
    if chosen is not None and chosen.strip() not in protocols(offered):
        raise InvalidHandshake("The provider chose a subprotocol that was not offered.")
    return chosen.strip() if chosen is not None else None


def protocols(offered: str) -> list[str]:
    """The subprotocols in the order in which they are offered."""
    return [name.strip() for name in offered.split(",") if name.strip()]


def accept_of(key: str) -> str:
    """What proves that the other side has read the handshake (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(f"{key.strip()}{_GUID}".encode()).digest()).decode()  # noqa: S324 - the RFC's


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",")]


def _is_nonce(text: str) -> bool:
    try:
        return len(base64.b64decode(text.strip(), validate=True)) == _NONCE_BYTES
    except (binascii.Error, ValueError):
        return False
