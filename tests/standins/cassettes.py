"""Real provider traffic out of the test suites of other people's packages (VCR cassettes in sdists).

    python -m tests.standins.cassettes select FOLDER    rewrites tests/recordings from the sdists in FOLDER

``pinned.txt`` beside this file pins the sdists by hash; ``every(folder)`` yields all 1,130 exchanges.
"""

import gzip
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.standins.recordings import FOLDER, Recording

PACKAGES = {
    "opentelemetry_instrumentation_openai-0.62.4": "Apache-2.0",
    "opentelemetry_instrumentation_anthropic-0.62.4": "Apache-2.0",
    "opentelemetry_instrumentation_openai_v2-2.4b0": "Apache-2.0",
    "opentelemetry_instrumentation_google_genai-1.3b0": "Apache-2.0",
    "langchain_openai-1.7.4": "MIT",
    "langchain_anthropic-1.7.10": "MIT",
}

# Name here: package, end of the cassette's path, index of the exchange in it.
SELECTION = {
    "openai-chat": ("opentelemetry_instrumentation_openai-0.62.4", "/test_chat_completion_metrics.yaml", 0),
    "openai-chat-tools": ("opentelemetry_instrumentation_openai-0.62.4", "/test_chat_tools.yaml", 0),
    "openai-chat-stream": (
        "opentelemetry_instrumentation_openai_v2-2.4b0",
        "/test_chat_completion_streaming.yaml",
        0,
    ),
    "openai-chat-stream-without-usage": (
        "opentelemetry_instrumentation_openai-0.62.4",
        "/test_chat_completion_metrics_stream.yaml",
        0,
    ),
    "openai-chat-stream-tools": (
        "opentelemetry_instrumentation_openai_v2-2.4b0",
        "/test_chat_completion_multiple_tools_streaming_with_content.yaml",
        0,
    ),
    "openai-chat-stream-tools-without-usage": (
        "opentelemetry_instrumentation_openai-0.62.4",
        "/test_chat_tools_streaming.yaml",
        0,
    ),
    "openai-chat-404": (
        "opentelemetry_instrumentation_openai_v2-2.4b0",
        "/test_chat_completion_404.yaml",
        0,
    ),
    "openai-chat-400": ("opentelemetry_instrumentation_openai-0.62.4", "/test_vision.yaml", 2),
    "openai-responses": ("opentelemetry_instrumentation_openai-0.62.4", "/test_responses.yaml", 0),
    "openai-responses-tools": (
        "opentelemetry_instrumentation_openai-0.62.4",
        "/test_responses_tool_calls.yaml",
        0,
    ),
    "openai-responses-stream": (
        "opentelemetry_instrumentation_openai-0.62.4",
        "/test_responses_streaming_with_content.yaml",
        0,
    ),
    "openai-responses-stream-tools": (
        "langchain_openai-1.7.4",
        "/TestChatOpenAICodexStandard.test_agent_loop[model0].yaml.gz",
        0,
    ),
    "anthropic-messages": (
        "opentelemetry_instrumentation_anthropic-0.62.4",
        "/test_anthropic_message_create_legacy.yaml",
        0,
    ),
    "anthropic-messages-tools": (
        "opentelemetry_instrumentation_anthropic-0.62.4",
        "/test_anthropic_tools_legacy.yaml",
        0,
    ),
    "anthropic-messages-stream": (
        "opentelemetry_instrumentation_anthropic-0.62.4",
        "/test_anthropic_streaming_helper_methods_legacy.yaml",
        0,
    ),
    "anthropic-messages-stream-tools": (
        "opentelemetry_instrumentation_anthropic-0.62.4",
        "/test_anthropic_tools_streaming_legacy.yaml",
        0,
    ),
    "anthropic-messages-stream-thinking": ("langchain_anthropic-1.7.10", "/test_thinking.yaml.gz", 1),
    "google-generate": (
        "opentelemetry_instrumentation_google_genai-1.3b0",
        "/generate_content_conformance.yaml",
        0,
    ),
    "google-generate-tools": (
        "opentelemetry_instrumentation_google_genai-1.3b0",
        "/tool_calling_conformance.yaml",
        0,
    ),
    "google-generate-reasoning": (
        "opentelemetry_instrumentation_google_genai-1.3b0",
        "/test_reasoning_and_token_counts.yaml",
        0,
    ),
}
# The packages hold no recording of :streamGenerateContent; these two are cut from whole answers above, in the
# form of https://ai.google.dev/api/generate-content: CRLF line ends, the running usage in every chunk.
COMPOSED = {
    "google-generate-stream": "google-generate-reasoning",
    "google-generate-stream-tools": "google-generate-tools",
}
_OF_ONE_CONNECTION = frozenset(
    {"host", "connection", "content-length", "content-encoding", "transfer-encoding", "accept-encoding"}
)
KEPT_HEADERS = ("content-type", "content-encoding", "retry-after", "x-should-retry")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One interaction as a cassette holds it, with where it stands."""

    package: str
    member: str
    index: int
    request: dict[str, Any]
    response: dict[str, Any]


def exchanges(archive: Path) -> Iterator[Exchange]:
    """Every recorded exchange in one sdist, read without unpacking it."""
    package = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda item: item.name):
            inside = member.name.split("/", 1)[-1]
            if not inside.startswith("tests/") or not inside.endswith((".yaml", ".yaml.gz")):
                continue
            stream = tar.extractfile(member)
            raw = stream.read() if stream else b""
            raw = gzip.decompress(raw) if inside.endswith(".gz") else raw
            document = yaml.load(raw, yaml.CSafeLoader)
            if isinstance(document, dict):
                yield from _in_cassette(package, inside, document)


def _in_cassette(package: str, member: str, document: dict[str, Any]) -> Iterator[Exchange]:
    if "interactions" in document:
        pairs = [(item["request"], item["response"]) for item in document["interactions"]]
    else:  # langchain's own serialiser writes two parallel lists
        pairs = list(zip(document.get("requests", ()), document.get("responses", ()), strict=True))
    for index, (request, response) in enumerate(pairs):
        yield Exchange(package, member, index, request, response)


def _text(value: Any) -> bytes:
    value = value.get("string") if isinstance(value, dict) else value
    return value.encode() if isinstance(value, str) else (value or b"")


def _plain(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def _content_type(recorded: str, body: bytes) -> str:
    if recorded and "REDACTED" not in recorded:
        return recorded
    return "text/event-stream; charset=utf-8" if body[:6] in (b"event:", b"data: ") else "application/json"


def _location(exchange: Exchange) -> tuple[str, str]:
    """Host and path; where the recorder blanked them, what the shape of the request tells."""
    parts = urlsplit(exchange.request["uri"])
    if "REDACTED" not in exchange.request["uri"]:
        return parts.netloc, parts.path + (f"?{parts.query}" if parts.query else "")
    if "anthropic" in exchange.package:
        return "api.anthropic.com", "/v1/messages"
    if b'"embedding"' in _plain(_text(exchange.response["body"])):
        return "api.openai.com", "/v1/embeddings"
    asked = _plain(_text(exchange.request.get("body")))
    if b'"input"' in asked:
        return "api.openai.com", "/v1/responses"
    return "api.openai.com", "/v1/chat/completions" if b'"messages"' in asked else "/v1/other"


def _provider(host: str) -> str:
    for part, provider in (("anthropic", "anthropic"), ("azure", "azure"), ("google", "google")):
        if part in host:
            return provider
    return "deepseek" if "deepseek" in host else "openai"


def _json_or_none(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _document(exchange: Exchange) -> dict[str, Any]:
    """The exchange in the form of ``tests/recordings``: the few headers that matter, the body readable."""
    body = _text(exchange.response["body"])
    lowered = {
        key.lower(): value[0] if isinstance(value, list) else value
        for key, value in (exchange.response.get("headers") or {}).items()
    }
    headers = [[key, str(lowered[key])] for key in KEPT_HEADERS if key in lowered]
    headers = [item for item in headers if item[0] not in ("content-type", "content-encoding")]
    headers.insert(0, ["content-type", _content_type(str(lowered.get("content-type", "")), _plain(body))])
    if body[:2] == b"\x1f\x8b":
        headers.append(["content-encoding", "gzip"])
    host, path = _location(exchange)
    status = exchange.response["status"]
    return {
        "source": {
            "package": exchange.package,
            "member": exchange.member,
            "exchange": exchange.index,
            "license": PACKAGES[exchange.package],
        },
        "provider": _provider(host),
        "host": host,
        "method": exchange.request["method"],
        "path": path,
        "request": _json_or_none(_plain(_text(exchange.request.get("body")))),
        "status": status["code"] if isinstance(status, dict) else status,
        "headers": headers,
        "body": _plain(body).decode("utf-8", "surrogateescape"),
    }


def _composed(document: dict[str, Any]) -> dict[str, Any]:
    """A Gemini stream out of a whole Gemini answer: its text cut in four, the ending in the last chunk."""
    answer = json.loads(document["body"])
    candidate = answer["candidates"][0]
    parts = candidate["content"]["parts"]
    if "text" in parts[0]:
        text, size = parts[0]["text"], len(parts[0]["text"]) // 4 + 1
        parts = [{"text": text[start : start + size]} for start in range(0, len(text), size)]
    events = []
    for number, part in enumerate(parts, 1):
        chunk = {**answer, "candidates": [{**candidate, "content": {"parts": [part], "role": "model"}}]}
        if number < len(parts):
            del chunk["candidates"][0]["finishReason"]
            usage = answer["usageMetadata"]
            output = usage["candidatesTokenCount"] * number // len(parts)
            total = usage["totalTokenCount"] - usage["candidatesTokenCount"] + output
            chunk["usageMetadata"] = {**usage, "candidatesTokenCount": output, "totalTokenCount": total}
        events.append(f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n")
    return document | {
        "source": document["source"] | {"composed": True},
        "path": document["path"].replace(":generateContent", ":streamGenerateContent?alt=sse"),
        "headers": [["content-type", "text/event-stream"]],
        "body": "".join(events),
    }


def recording(exchange: Exchange) -> Recording:
    """An exchange in the form in which the stand-ins play it."""
    document = _document(exchange)
    keys = ("provider", "host", "method", "path", "request", "status")
    return Recording(
        name=f"{exchange.package}/{exchange.member}#{exchange.index}",
        headers=tuple((key, value) for key, value in document["headers"]),
        body=_text(exchange.response["body"]),
        **{key: document[key] for key in keys},
    )


def question(exchange: Exchange) -> tuple[dict[str, str], bytes]:
    """What was sent: headers, without those that are of one connection or were blanked, and the body."""
    listed = {
        key.lower(): str(value[0] if isinstance(value, list) else value)
        for key, value in (exchange.request.get("headers") or {}).items()
    }
    kept = {
        key: value
        for key, value in listed.items()
        if key not in _OF_ONE_CONNECTION and value.isascii() and "REDACTED" not in value
    }
    return kept, _plain(_text(exchange.request.get("body")))


def every(folder: Path) -> Iterator[Recording]:
    """All exchanges of the pinned sdists in ``folder``, in the form in which the stand-ins play them."""
    for package in PACKAGES:
        yield from map(recording, exchanges(folder / f"{package}.tar.gz"))


_SECRETS = re.compile(r"sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|[\w.+-]+@[\w-]+\.[a-z]{2,}")


def select(folder: Path) -> None:
    """Write the selection as files; refuses one that holds what looks like a key or an address."""
    found = {
        (item.package, item.member, item.index): item
        for package in {entry[0] for entry in SELECTION.values()}
        for item in exchanges(folder / f"{package}.tar.gz")
    }
    documents = {}
    for name, (package, ending, index) in SELECTION.items():
        exchange = next(
            item
            for (where, member, number), item in found.items()
            if where == package and member.endswith(ending) and number == index
        )
        documents[name] = _document(exchange)
    documents |= {name: _composed(documents[whole]) for name, whole in COMPOSED.items()}
    for name, document in documents.items():
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        if hit := _SECRETS.search(text):
            raise SystemExit(f"{name}: {hit[0]!r} looks like a secret or a person")
        (FOLDER / f"{name}.json").write_text(text)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "select":
        raise SystemExit(__doc__)
    select(Path(sys.argv[2]))
