"""Providers of realtime sessions, as far as their SDKs need them: OpenAI Realtime and Responses, Gemini Live.

The events and their fields are those of the providers' references; the counts are what a test gives.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.standins.sessions import BINARY, CLOSE, GONE, PING, PONG, TEXT, Peer

REALTIME_USAGE: dict[str, Any] = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
RESPONSES_USAGE: dict[str, Any] = {
    "input_tokens": 1_000,
    "input_tokens_details": {"cached_tokens": 200},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 10},
    "total_tokens": 1_050,
}
LIVE_USAGE: dict[str, Any] = {
    "promptTokenCount": 100,
    "responseTokenCount": 40,
    "totalTokenCount": 140,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
}


@dataclass
class Realtime:
    """One provider. ``deltas`` come for each answer; without ``ends`` it never says that it is complete."""

    usage: Mapping[str, Any] | None = field(default_factory=lambda: REALTIME_USAGE)
    deltas: tuple[str, ...] = ("Hel", "lo")
    ends: bool = True
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, peer: Peer) -> None:
        target = peer.head.split(" ")[1]
        offered = [name.strip() for name in peer.headers.get("sec-websocket-protocol", "").split(",")]
        peer.accept(*(["sec-websocket-protocol: realtime"] if "realtime" in offered else []))
        answer = self._responses if "/responses" in target else self._realtime
        answer = self._live if "BidiGenerateContent" in target else answer
        if answer == self._realtime:
            peer.send(TEXT, _event("session.created", session={"type": "realtime", "model": "gpt-realtime"}))
        while True:
            opcode, payload = await peer.hear()
            if opcode == PING:
                peer.send(PONG, payload)
            elif opcode == CLOSE:
                peer.close(1000)
                return
            elif opcode == GONE:
                return
            elif opcode == TEXT:
                said = json.loads(payload)
                self.heard.append(said)
                answer(peer, said)
                await peer.writer.drain()

    def _realtime(self, peer: Peer, said: dict[str, Any]) -> None:
        if said["type"] == "session.update":
            peer.send(TEXT, _event("session.updated", session=said["session"]))
        if said["type"] != "response.create":
            return
        name = f"resp_{len(self.heard)}"
        peer.send(TEXT, _event("response.created", response={"id": name, "status": "in_progress"}))
        for text in self.deltas:
            peer.send(TEXT, _event("response.output_text.delta", response_id=name, item_id="i", delta=text))
        if self.ends:
            done = {"id": name, "status": "completed", "usage": self.usage}
            peer.send(TEXT, _event("response.done", response=done))

    def _responses(self, peer: Peer, said: dict[str, Any]) -> None:
        name, model = f"resp_{len(self.heard)}", said["model"]
        response = {"id": name, "object": "response", "model": model, "output": []}
        peer.send(TEXT, _event("response.created", response=response, sequence_number=0))
        for number, text in enumerate(self.deltas, 1):
            peer.send(TEXT, _event("response.output_text.delta", delta=text, item_id="i", output_index=0,
                                   content_index=0, logprobs=[], sequence_number=number))  # fmt: skip
        if self.ends:
            done = response | {"usage": RESPONSES_USAGE, "status": "completed"}
            peer.send(TEXT, _event("response.completed", response=done, sequence_number=9))

    def _live(self, peer: Peer, said: dict[str, Any]) -> None:
        if "setup" in said:
            peer.send(BINARY, json.dumps({"setupComplete": {}}))
        if "clientContent" not in said and "client_content" not in said:
            return
        for text in self.deltas:
            turn = {"modelTurn": {"parts": [{"text": text}]}}
            peer.send(BINARY, json.dumps({"serverContent": turn}))
        if self.ends:
            done = {"serverContent": {"turnComplete": True}, "usageMetadata": LIVE_USAGE}
            peer.send(BINARY, json.dumps(done))


def _event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "event_1", **fields})
