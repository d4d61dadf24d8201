"""Amazon Bedrock: checks the signature of each call as AWS does, and answers in Amazon's encoding."""

import base64
import hashlib
import hmac
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, quote

from tests.standins.answers import Answer
from tests.standins.provider import Seen

MEDIA_TYPE = "application/vnd.amazon.eventstream"
TEXT = "Hello there. " * 4
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8}/([a-z0-9-]+)/bedrock/aws4_request), "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
_ACTION = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)")


def signature_of(sent: Mapping[str, str], *, secret: str, path: str, body: bytes) -> str:
    """SigV4 by its documentation: the canonical request, the string to sign, the derived key.

    ``sent`` is every header that is signed, lower case, ``host`` and ``authorization`` included.
    """
    scope = sent["authorization"].split("Credential=")[1].split(",")[0].split("/", 1)[1]
    names = sent["authorization"].split("SignedHeaders=")[1].split(",")[0]
    bare, _, query = path.partition("?")
    canonical = "\n".join(
        [
            "POST",
            quote(bare, safe="/~"),
            "&".join(sorted(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in parse_qsl(query))),
            *(f"{name}:{sent[name].strip()}" for name in names.split(";")),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{sent['x-amz-date']}\n{scope}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def message(name: str, document: object) -> bytes:
    """As Bedrock writes an event (https://smithy.io/2.0/aws/amazon-eventstream.html)."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    block = b"".join(
        bytes([len(key)]) + key.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for key, value in headers.items()
    )
    payload = json.dumps(document).encode()
    start = struct.pack(">II", len(block) + len(payload) + 16, len(block))
    whole = start + struct.pack(">I", zlib.crc32(start)) + block + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def chunk(document: object) -> bytes:
    """One event of ``InvokeModelWithResponseStream``: the model's own document in base64."""
    return message("chunk", {"bytes": base64.b64encode(json.dumps(document).encode()).decode(), "p": "abcd"})


CONVERSE = [
    message("messageStart", {"role": "assistant"}),
    message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT}}),
    message("messageStop", {"stopReason": "end_turn"}),
    message("metadata", {"usage": {"inputTokens": 12, "outputTokens": 17, "totalTokens": 29}, "metrics": {}}),
]
_ANTHROPIC_DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}
_ANTHROPIC_USAGE = {"input_tokens": 12, "output_tokens": 17}
METRICS = {"inputTokenCount": 12, "outputTokenCount": 17, "invocationLatency": 5}
INVOKE = [
    chunk(
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 12, "output_tokens": 1}}}
    ),
    chunk(_ANTHROPIC_DELTA),
    chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 17}}),
    chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS}),
]
_WHOLE = {
    "converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 12, "outputTokens": 17, "totalTokens": 29},
        "metrics": {"latencyMs": 5},
    },
    "invoke": {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "usage": _ANTHROPIC_USAGE,
    },
}
# What a model that never stops says, a message at a time.
_ENDLESS = {"converse-stream": CONVERSE[1], "invoke-with-response-stream": INVOKE[1]}


def stream(messages: Iterable[bytes]) -> Answer:
    """These messages, one a chunk."""
    return Answer(200, (("content-type", MEDIA_TYPE),), tuple(messages))


def endless(action: str, *, messages: int = 2000) -> Answer:
    """Far more than any budget of a test, without an end of its own."""
    first = CONVERSE[0] if action == "converse-stream" else INVOKE[0]
    return stream([first, *[_ENDLESS[action] * 10] * (messages // 10)]).slow(0.001)


def service(
    access_key_id: str, secret: str, longer: Callable[[str], Answer | None] = lambda _: None
) -> Callable[[Seen], Answer | None]:
    """``StandIn.special`` of a Bedrock that knows one access key; ``longer`` answers otherwise."""

    def answer(seen: Seen) -> Answer | None:
        if not seen.host.endswith(".amazonaws.com"):
            return None
        refused = _unsigned(seen, access_key_id, secret)
        if refused is not None:
            return Answer.json(403, {"message": refused}, ("x-amzn-errortype", "InvalidSignatureException"))
        found = _ACTION.fullmatch(seen.target.partition("?")[0])
        if found is None:
            return Answer.json(404, {"message": "no such operation"})
        action = found[2]
        if action in _WHOLE:
            return Answer.json(200, _WHOLE[action])
        return longer(action) or stream(CONVERSE if action == "converse-stream" else INVOKE)

    return answer


def _unsigned(seen: Seen, access_key_id: str, secret: str) -> str | None:
    """What is wrong with the signature of this call; ``None`` if nothing is."""
    sent = dict(seen.headers)
    found = _AUTHORIZATION.fullmatch(sent.get("authorization", ""))
    if found is None or found[1] != access_key_id:
        return "The security token included in the request is invalid."
    if f".{found[3]}." not in seen.host or "host" not in found[4].split(";"):
        return "Credential should be scoped to a valid region, and the host be signed."
    made = signature_of(sent, secret=secret, path=seen.target, body=seen.body)
    return None if made == found[5] else "The request signature we calculated does not match."
