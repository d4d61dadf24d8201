"""A caller's own key is noticed wherever it leaves, and what only looks like one is not."""

import json
from base64 import b64encode

import pytest

from policy.key_places import key_in_body, loose_keys

KEY = "sk-proj-" + "aB3_" * 12
HEXADECIMAL = "0a1b" * 10


@pytest.mark.parametrize(
    ("headers", "query", "places"),
    [
        ({"cookie": f"theme=dark; key={KEY}"}, "", ["cookie"]),
        ({"x-my-own": KEY}, "", ["x-my-own"]),
        ({"helicone-auth": f"Bearer {KEY}"}, "", ["helicone-auth"]),
        ({"xi-api-key": HEXADECIMAL}, "", ["xi-api-key"]),
        ({"sec-websocket-protocol": f"token, {HEXADECIMAL}"}, "", ["sec-websocket-protocol"]),
        ({"sec-websocket-protocol": "token"}, "", []),
        ({}, f"KEY={KEY}", ["?KEY"]),
        ({}, f"t=Bearer%20{KEY}", ["?t"]),
        ({}, f"API_KEY={HEXADECIMAL}", ["?API_KEY"]),
        ({}, f"model=x&page={HEXADECIMAL}", []),
        ({"authorization": f"Bearer {KEY}", "x-api-key": KEY}, "", []),
        ({"user-agent": "risk-proj-" + "a" * 40, "cookie": f"id={HEXADECIMAL}"}, "", []),
        ({"cookie": f"session={b64encode(bytes(range(256))).decode()}"}, "", []),
    ],
)
def test_a_key_outside_the_places_of_sdks(headers, query, places):
    assert [place for place, _ in loose_keys(headers, query)] == places


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"model": "m", "api_key": KEY}, True),
        ({"model": "m", "Api_Key": f"Bearer {KEY}"}, True),
        ({"model": "m", "prompt": f"what is {KEY}?"}, False),
        ({"tools": [{"type": "mcp", "authorization": KEY}]}, False),
        ({"api_key": "none"}, False),
        ([KEY], False),
    ],
)
def test_a_body_that_brings_a_key_of_its_own(document, found):
    assert key_in_body(json.dumps(document).encode()) is found
