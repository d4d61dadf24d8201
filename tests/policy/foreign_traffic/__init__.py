"""Labelled exchanges by other hands: two authors who had not seen the rules wrote a file each.

That was in November 2026, from public documentation and source code. `ai.json` holds calls to services that
generate, embed, transcribe or speak; `ordinary.json` everything else, more than half of it chosen to look
like AI (`hard`). Each item names its `source`; "constructed" ones stand for a shape that many services have.
No host is given: nothing may be told by its name.

Each file was halved by a fixed rule before the rules were touched. `open` could be fitted to. `held_back` was
looked at by nobody who changed the rules. `later` is by a third author: 42 calls as a company's network shows
them and 28 of little-known designs, 120 of ordinary traffic; nobody who changed the rules saw it either.

An item has `name`, `source`, `hard`, `method`, `path` (with its query), `headers`, `content_type`, `body`,
`status`, `answer_type`, `answer_headers` and `answer`. A body or an answer is a JSON document, `{"text": …}`,
`{"base64": …}` or null.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.evidence import AnswerEvidence, RequestEvidence

FOLDER = Path(__file__).parent
PARTS = ("open", "held_back", "later")
HEARD_BYTES_MAX = 128 * 1024

# Labels that can be argued about, with the reason; they are in the files, and not counted.
LEFT_OUT = {
    "Full-text search results with index and score": "constructed with the very request and answer of a "
    "reranker's API (query, documents, top_n; results of index and score), so that only its author knows",
}


@dataclass(frozen=True)
class Exchange:
    name: str
    request: RequestEvidence
    answer: AnswerEvidence


def exchanges(part: str, label: str) -> list[Exchange]:
    """The exchanges of a part (one of ``PARTS``) with a label, `ai` or `ordinary`."""
    items = json.loads((FOLDER / part / f"{label}.json").read_text())
    return [_exchange(item) for item in items if item["name"] not in LEFT_OUT]


def _exchange(item: Mapping[str, Any]) -> Exchange:
    headers = dict(item.get("headers") or {})
    if item.get("content_type"):
        headers["content-type"] = str(item["content_type"])
    answer_headers = dict(item.get("answer_headers") or {})
    answer_headers.setdefault("content-type", item.get("answer_type") or "")
    return Exchange(
        str(item["name"]),
        RequestEvidence(
            str(item["method"]), "service.example.test", str(item["path"]), headers, _bytes(item.get("body"))
        ),
        AnswerEvidence(
            int(str(item.get("status", 200))), answer_headers, _bytes(item.get("answer"))[:HEARD_BYTES_MAX]
        ),
    )


def _bytes(content: object) -> bytes:
    if content is None:
        return b""
    if isinstance(content, dict) and content.keys() == {"text"}:
        return str(content["text"]).encode()
    if isinstance(content, dict) and content.keys() == {"base64"}:
        return base64.b64decode(content["base64"])
    return json.dumps(content, ensure_ascii=False).encode()
