"""Where else a caller's own key may stand: places that no placeholder is read from, so only the key counts.

Those that providers' SDKs use, and that are read for placeholders, are in ``policy.head``.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from urllib.parse import parse_qsl

from policy.provider_keys import has_provider_form, key_within
from policy.strict_json import AmbiguousJson, parse

# Members of JSON that hold a key: a session's message, or LiteLLM's and other relays' body.
KEY_NAMES = frozenset({"api_key", "apikey", "authorization", "key", "token", "xi_api_key", "x-api-key"})
# Headers and parameters that are keys whatever their form: ElevenLabs, Azure's API management, Black Forest
# Labs; Azure's speech service and several relays.
_HEADERS = ("xi-api-key", "ocp-apim-subscription-key", "x-key")
_PARAMETERS = frozenset({"api_key", "apikey", "subscription-key"})
# Deepgram's key stands behind one of these among the subprotocols.
_BEFORE_KEY = frozenset({"token", "bearer"})
# Read elsewhere, or never sent on.
_READ_ELSEWHERE = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "x-conduit-identity"}
)


def loose_keys(headers: Mapping[str, str], query: str) -> Iterator[tuple[str, str]]:
    """Every further key, with its place: the header (lower case), or ``?`` and the parameter's name.

    Also placeholders, which are refused there by another rule.
    """
    for name, value in headers.items():
        if name in _HEADERS and value.strip():
            yield name, value.strip()
        elif name not in _READ_ELSEWHERE and (key := key_within(value)) is not None:
            yield name, key
    yield from (("sec-websocket-protocol", key) for key in _among(headers.get("sec-websocket-protocol", "")))
    if "=" in query:
        for name, value in parse_qsl(query):
            key = value if name.lower() in _PARAMETERS else key_within(value)
            if key:
                yield f"?{name}", key


def key_in_body(body: bytes) -> bool:
    """Whether a JSON object names a key in the form of some provider's among its own members."""
    if not body.lstrip().startswith(b"{"):
        return False
    try:
        document = parse(body)
    except AmbiguousJson:
        return False
    members = document.items() if isinstance(document, dict) else ()
    return any(isinstance(value, str) and holds_key(name, value) for name, value in members)


def holds_key(name: str, value: str) -> bool:
    """Whether a member of a JSON object is a key in the form of some provider's."""
    return name.lower() in KEY_NAMES and has_provider_form(value.strip().removeprefix("Bearer ").strip())


def _among(offered: str) -> Iterator[str]:
    names = [name.strip() for name in offered.split(",")]
    for before, name in pairwise(names):
        if before.lower() in _BEFORE_KEY and name:
            yield name
