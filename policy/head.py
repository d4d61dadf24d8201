"""A request head, read once and strictly: what could be understood in two ways is refused.

mitmproxy forwards folded lines, bare CR, NUL, duplicate authorization headers and headers named hop-by-hop;
each has been used to make two readers of one request disagree (RFC 9110 section 5, RFC 9112 section 11).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_ILLEGAL_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ILLEGAL_IN_TARGET = re.compile(r"[\x00-\x20\x7f]")

# Headers that decide who asks, where it goes or how it is framed: two of one are two readings.
_SINGLE = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "x-conduit-identity",
    }
)

# Fields of a head that have no meaning behind a body, or a dangerous one (RFC 9110 section 6.5.1): framing,
# routing, identity, and what says how the body is to be read. Beside those of `_SINGLE`.
_NEVER_TRAILING = frozenset(
    {
        "cache-control",
        "connection",
        "content-range",
        "cookie",
        "expect",
        "forwarded",
        "keep-alive",
        "range",
        "sec-websocket-protocol",
        "te",
        "trailer",
        "upgrade",
        "via",
    }
)
_NEVER_TRAILING_PREFIXES = ("x-conduit-", "x-forwarded-", "x-amz-", "x-goog-", "proxy-")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Where a provider's SDK may put its key: header name and the scheme before the key, if any.
_KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key")
# Google's two, and Azure's for browsers, which can set no header on a WebSocket.
_KEY_PARAMETERS = frozenset({"key", "api-key", "access_token"})
_SIGNED_PARAMETER = "x-amz-credential"
_PROTOCOL_KEY_PREFIX = "openai-insecure-api-key."


type Fields = tuple[tuple[bytes, bytes], ...]


class AmbiguousHead(ValueError):
    """A request head that two readers could read differently; the text names the part, never its value."""


_SIGV4_KEY = re.compile(r"(?:^|[,\s])Credential=([^/,\s]+)/")


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key as the client sent it; ``text`` is secret.

    ``place`` is the header (lower case), or ``?`` and a parameter's name.
    """

    place: str
    text: str

    def __repr__(self) -> str:
        return f"FoundKey(place={self.place!r})"


# Of an answer; of a request, `limits.header_count_max`.
HEADER_COUNT_MAX = 128


def read_fields(fields: Iterable[tuple[bytes, bytes]], count_max: int = HEADER_COUNT_MAX) -> dict[str, str]:
    """The headers by lower-case name; raises ``AmbiguousHead``.

    Values are decoded as Latin-1, so that no byte is lost. Repeated headers that may repeat are joined with
    a comma (RFC 9110 section 5.3).
    """
    headers: dict[str, str] = {}
    count = 0
    for raw_name, raw_value in fields:
        count += 1
        if not _NAME.match(raw_name):
            raise AmbiguousHead("a header name holds illegal bytes")
        name = raw_name.decode("ascii").lower()
        if "_" in name and _is_decisive(name.replace("_", "-")):
            raise AmbiguousHead("a header name is another's but for an underscore")  # alike to CGI and WSGI
        if _ILLEGAL_IN_VALUE.search(raw_value):
            raise AmbiguousHead(f"the header {name} holds control bytes")
        value = raw_value.decode("latin-1")
        if name in headers:
            if name in _SINGLE:
                raise AmbiguousHead(f"the header {name} stands twice")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if count > count_max:
        raise AmbiguousHead(f"there are more than {count_max} headers")
    _check_connection(headers)
    return headers


def _is_decisive(name: str) -> bool:
    return name in _SINGLE or name.startswith("x-conduit-")


def check_trailers(fields: Fields) -> None:
    """Refuse fields behind a body of which a reader could take one for a part of the head."""
    for raw_name, raw_value in fields:
        if not _NAME.match(raw_name) or _ILLEGAL_IN_VALUE.search(raw_value):
            raise AmbiguousHead("a trailer holds illegal bytes")
        name = raw_name.decode("ascii").lower().replace("_", "-")
        if name in _SINGLE | _NEVER_TRAILING or name.startswith(_NEVER_TRAILING_PREFIXES):
            raise AmbiguousHead(f"the field {name} stands behind the body")


def check_answer(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse an answer's head with bytes that two readers could take for two headers."""
    for name, value in fields:
        if not _NAME.match(name) or _ILLEGAL_IN_VALUE.search(value):
            raise AmbiguousHead("a header of the answer holds illegal bytes")


def _check_connection(headers: Mapping[str, str]) -> None:
    """A header that is named hop-by-hop vanishes at the next reader (RFC 9110 section 7.6.1)."""
    nominated = headers.get("connection")
    if nominated is None:
        return
    for name in nominated.lower().split(","):
        if _is_decisive(name.strip()):
            raise AmbiguousHead(f"the header connection names {name.strip()}")


def check_target(target: str) -> None:
    """Refuse a target that is no path, or has bytes that a request line cannot hold (RFC 9112 3.2)."""
    if not target.startswith("/"):
        raise AmbiguousHead("the request target is no path")
    if _ILLEGAL_IN_TARGET.search(target):
        raise AmbiguousHead("the request target holds illegal bytes")


def find_keys(headers: Mapping[str, str], query: str) -> tuple[FoundKey, ...]:
    """Every key that the request carries, in each place that a provider reads one from."""
    found = [FoundKey(name, headers[name].strip()) for name in _KEY_HEADERS if name in headers]
    authorization = headers.get("authorization")
    if authorization is not None:
        key = _from_authorization(authorization)
        if key:
            found.append(FoundKey("authorization", key))
    protocols = headers.get("sec-websocket-protocol", "")
    if _PROTOCOL_KEY_PREFIX in protocols:
        for protocol in protocols.split(","):
            if protocol.strip().startswith(_PROTOCOL_KEY_PREFIX):
                key = protocol.strip().removeprefix(_PROTOCOL_KEY_PREFIX)
                found.append(FoundKey("sec-websocket-protocol", key))
    if "key=" in query or "token=" in query or "%" in query:  # a name may be encoded too
        found.extend(
            FoundKey(f"?{name}", value) for name, value in parse_qsl(query) if name in _KEY_PARAMETERS
        )
    if _SIGNED_PARAMETER in query.lower() or "%" in query:
        # A presigned URL: <access key id>/<date>/<region>/<service>/aws4_request
        found.extend(
            FoundKey(f"?{_SIGNED_PARAMETER}", value.partition("/")[0])
            for name, value in parse_qsl(query)
            if name.lower() == _SIGNED_PARAMETER
        )
    return tuple(found)


def _from_authorization(value: str) -> str:
    scheme, _, rest = value.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            return _from_basic(rest.strip())
        case "aws4-hmac-sha256" | "aws4-ecdsa-p256-sha256":
            # Credential=<access key id>/<date>/<region>/<service>/aws4_request, SignedHeaders=…, Signature=…
            found = _SIGV4_KEY.search(rest)
            return found[1] if found else value.strip()
        case _:
            # The whole value is the credential, or a scheme-less key.
            return value.strip()


def _from_basic(encoded: str) -> str:
    """The password of Basic authorization, or the user name where the password is empty (RFC 7617)."""
    user, password = read_basic(encoded)
    return password or user


def read_basic(encoded: str) -> tuple[str, str]:
    """User name and password of Basic credentials (RFC 7617); raises ``AmbiguousHead``."""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise AmbiguousHead("credentials are not readable as Basic") from error
    return user, password
