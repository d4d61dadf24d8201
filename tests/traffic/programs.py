"""Programs as people type them: curl, and the agents of three providers."""

import hashlib
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tests.standins import agents
from tests.standins.agent_answers import ANSWER, agent_answer
from tests.standins.answers import Answer
from tests.standins.provider import Seen
from tests.traffic.ai_answers import ai_answer, events
from tests.traffic.client import Client, Kind, Label, Station, Told

KEY = "a-key-of-nobodys"
_KEY = f"authorization: Bearer {KEY}"
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_CHAT = {"model": "house-7b", "messages": [{"role": "user", "content": "Summarise our plans for next year."}]}
_DELTA = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Yes"}}]}


def _curl(host: str, path: str, options: tuple[str, ...], body: object, station: Station) -> Told:
    """A ``body`` goes as JSON. An error of the server's is one of the call's; the certificate is told."""
    given = ("--json", json.dumps(body)) if body is not None else ()
    quietly = ("--silent", "--show-error", "--fail-with-body", "--write-out", "%{certs}")
    said = station.run("curl", *quietly, *options, *given, f"https://{host}{path}", home=station.home("curl"))
    shown = _CERTIFICATE.search(said)
    return {host: hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown[0])).hexdigest()} if shown else {}


def _header(*lines: str) -> tuple[str, ...]:
    return tuple(part for line in lines for part in ("-H", line))


# Provider's host, the path of an example in its documentation, further options, and what is asked.
_KNOWN: tuple[tuple[str, str, tuple[str, ...], object], ...] = (
    ("api.elevenlabs.io", "/v1/text-to-speech/v1", _header(f"xi-api-key: {KEY}"), {"text": "Hello"}),
    ("api.stability.ai", "/v2beta/stable-image/generate/core", ("-F", "prompt=a red fox in snow"), None),
    ("api.assemblyai.com", "/v2/transcript", (), {"audio_url": "https://files.test/a.mp3"}),
    ("api.deepgram.com", "/v1/listen?model=nova-3", (), {"url": "https://files.test/a.wav"}),
    ("queue.fal.run", "/fal-ai/flux/dev", (), {"prompt": "a red fox in snow"}),
    ("api.bfl.ai", "/v1/flux-pro-1.1", _header(f"x-key: {KEY}"), {"prompt": "a red fox in snow"}),
    ("api.ideogram.ai", "/v1/ideogram-v3/generate", ("-F", "prompt=a red fox in snow"), None),
    ("api.cohere.com", "/v2/chat", (), {**_CHAT, "model": "command-a-03-2025"}),
    ("api.voyageai.com", "/v1/embeddings", (), {"input": ["one"], "model": "voyage-3.5"}),
    ("api.jina.ai", "/v1/rerank", (), {"model": "jina-reranker-v3", "query": "a", "documents": ["b"]}),
    (
        "api.dev.runwayml.com",
        "/v1/text_to_video",
        _header("X-Runway-Version: 2024-11-06"),
        {"promptText": "sea"},
    ),
    ("api.lumalabs.ai", "/dream-machine/v1/generations", (), {"prompt": "a wave", "model": "ray-2"}),
    ("api.heygen.com", "/v2/video/generate", (), {"video_inputs": [{"voice": {"input_text": "Hello"}}]}),
    ("api.tavily.com", "/search", (), {"query": "who is ada lovelace"}),
    ("api.fireflies.ai", "/graphql", (), {"query": "{ transcripts { title } }"}),
    ("api.ai21.com", "/studio/v1/chat/completions", (), {**_CHAT, "model": "jamba-large"}),
    ("api.tabnine.com", "/chat/v1/completions", (), _CHAT),
    ("cdn-lfs.hf.co", "/repos/ab/cd/model.safetensors", ("--range", "0-99"), None),
)

# Typed at hosts of no catalogue.
_UNKNOWN: tuple[tuple[str, str, tuple[str, ...], object], ...] = (
    ("chat", "/v1/chat/completions", (), _CHAT),
    ("chat streamed", "/v1/chat/completions", ("--no-buffer",), {**_CHAT, "stream": True}),
    ("chat behind a prefix, compressed", "/llm/v1/chat/completions", ("--compressed",), _CHAT),
    (
        "Claude's messages",
        "/v1/messages",
        _header("anthropic-version: 2023-06-01"),
        {**_CHAT, "max_tokens": 9},
    ),
    ("Ollama's generate", "/api/generate", (), {"model": "llama3.2", "prompt": "Why is the sky blue?"}),
    ("embeddings", "/v1/embeddings", (), {"model": "bge-m3", "input": "a text"}),
    ("generation by TGI", "/generate", (), {"inputs": "Once upon", "parameters": {"max_new_tokens": 20}}),
    ("rerank", "/v1/rerank", (), {"model": "ours", "query": "a", "documents": ["b", "c"], "top_n": 1}),
)

_ROWS = {"data": {"issues": [{"title": "Choose a model"}]}, "items": [], "next": None}
# Typed at hosts of no AI.
_NOT_AI: tuple[tuple[str, str, tuple[str, ...], object], ...] = (
    ("REST, read", "/api/v1/orders?state=open", (), None),
    (
        "REST, written",
        "/api/v1/orders",
        (),
        {"model": "Golf", "quantity": 2, "messages": ["deliver at noon"]},
    ),
    (
        "GraphQL",
        "/graphql",
        (),
        {"query": "query($n: Int){ issues(first: $n){ title } }", "variables": {"n": 5}},
    ),
    ("JSON-RPC", "/rpc", (), {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}),
    ("a form", "/login", ("-d", "user=ada&password=x"), None),
    ("an upload", "/upload", ("-F", "file=@/etc/hosts"), None),
    ("part of a download", "/images/disk.qcow2", ("--range", "0-99"), None),
    ("a webhook", "/services/T1/B1/x", (), {"text": "build 5 is green", "username": "ci"}),
    ("metrics", "/metrics/job/backup", ("--data-binary", "backup_seconds 5\n"), None),
    ("a head", "/releases/latest", ("--head",), None),
)


def _rows(_: Seen) -> Answer:
    return Answer.json(200, _ROWS)


def _asked(seen: Seen) -> Answer | None:
    return events(_DELTA, _DELTA, "[DONE]") if seen.json.get("stream") is True else ai_answer(seen)


def _curls() -> list[Client]:
    spelled = partial(Client, kind=Kind.PROGRAM, program="curl")
    known = [
        spelled(f"curl {path}", label=Label.KNOWN, hosts=(host,), answer=_rows,
                call=partial(_curl, host, path, (*options, *_header(_KEY)), body))
        for host, path, options, body in _KNOWN
    ]  # fmt: skip
    unknown = [
        spelled(f"curl: {name}", label=Label.UNKNOWN, hosts=(host := f"c{number}.intern.test",),
                answer=_asked, call=partial(_curl, host, path, options, body))
        for number, (name, path, options, body) in enumerate(_UNKNOWN)
    ]  # fmt: skip
    others = [
        spelled(f"curl: {name}", label=Label.NOT_AI, hosts=(host := f"c{number}.office.test",), answer=_rows,
                call=partial(_curl, host, path, options, body))
        for number, (name, path, options, body) in enumerate(_NOT_AI)
    ]  # fmt: skip
    return [*known, *unknown, *others]


def _agent(make: Callable[[str, str], agents.Agent], url: str, holder: str, station: Station) -> Told:
    agent = make(url, station.placeholders.get(holder, KEY))
    told = replace(agent, environment={**agent.environment, **station.environment})
    said = told.ask(station.home(make.__name__), "say something")
    if said.code or ANSWER not in said.out:
        raise RuntimeError(f"{make.__name__} ended with {said.code}: {said.err or said.out}")
    return {}


def _streamed(seen: Seen) -> Answer | None:
    asks = seen.json.get("stream") is True or "streamGenerateContent" in seen.target
    return agent_answer(seen) if asks else None


# Its maker, its provider's host and base path, and whose placeholder it holds.
_AGENTS = (
    (agents.codex, "api.openai.com", "/v1", "openai"),
    (agents.claude, "api.anthropic.com", "", "anthropic"),
    (agents.gemini, "generativelanguage.googleapis.com", "", "google"),
)


def _command_line_agents() -> list[Client]:
    spelled = partial(Client, kind=Kind.PROGRAM, answer=_streamed, program=agents.NODE)
    known = [
        spelled(f"{make.__name__} at {host}", label=Label.KNOWN, hosts=(host,),
                call=partial(_agent, make, f"https://{host}{path}", holder))
        for make, host, path, holder in _AGENTS
    ]  # fmt: skip
    unknown = [
        spelled(f"{make.__name__} at a gateway of one's own", label=Label.UNKNOWN,
                hosts=(host := f"a{number}.intern.test",),
                call=partial(_agent, make, f"https://{host}{path}", ""))
        for number, (make, _, path, _) in enumerate(_AGENTS)
    ]  # fmt: skip
    return [*known, *unknown]


def clients() -> list[Client]:
    """Every entry but the package managers."""
    return [*_curls(), *_command_line_agents()]
