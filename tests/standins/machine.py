"""A corporate machine: a process of its own that calls providers with their unmodified SDKs.

It reads one JSON document a line on stdin (a call), and writes JSON lines on stdout: ``{"event": …}`` for
what happens on the way, then one ``{"done": …}``. How it reaches the providers is in its environment alone,
as on a developer's machine: ``OPENAI_BASE_URL``, ``HTTPS_PROXY``, ``SSL_CERT_FILE``, or nothing at all.
A call may name another ``key`` than the environment's.
"""

import asyncio
import json
import logging
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anthropic
import google.genai
import google.genai.errors
import google.genai.types
import httpx
import openai

from tests.standins import wire
from tests.standins.recordings import load

type Chunks = Iterator[Any] | AsyncIterator[Any]


class _Retries(logging.Handler):
    """Counts what the SDKs say about their own retries."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.getMessage().startswith("Retrying request")


def say(**document: Any) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _asked(name: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """What the recording was asked, with the test's changes; ``None`` takes a key away."""
    merged = {**(load(name).request or {}), **overrides}
    merged.pop("stream", None)
    return {key: value for key, value in merged.items() if value is not None}


async def _drain(chunks: Chunks) -> list[Any]:
    """Every chunk, each told as it comes."""
    found = []
    if isinstance(chunks, AsyncIterator):
        async for chunk in chunks:
            found.append(_plain(chunk))
            say(event="chunk", number=len(found))
    else:
        for chunk in chunks:
            found.append(_plain(chunk))
            say(event="chunk", number=len(found))
    return found


async def _settled(value: Any) -> Any:
    return await value if asyncio.iscoroutine(value) else value


async def _finish(value: Any, *, stream: bool) -> Any:
    value = await _settled(value)
    return (
        await _drain(aiter(value) if hasattr(value, "__aiter__") else iter(value))
        if stream
        else _plain(value)
    )


async def call_openai(call: dict[str, Any]) -> Any:
    """``chat`` or ``responses`` of the openai SDK."""
    kind: Any = openai.AsyncOpenAI if call["asynchronous"] else openai.OpenAI
    client = kind(api_key=call.get("key"), max_retries=call.get("max_retries", 2))
    asked = _asked(call["recording"], call.get("overrides", {}))
    target: Any = (
        client.responses if call["recording"].startswith("openai-responses") else client.chat.completions
    )
    return await _finish(target.create(**asked, stream=call["stream"]), stream=call["stream"])


async def call_anthropic(call: dict[str, Any]) -> Any:
    """``messages`` of the anthropic SDK."""
    kind: Any = anthropic.AsyncAnthropic if call["asynchronous"] else anthropic.Anthropic
    client = kind(api_key=call.get("key"), max_retries=call.get("max_retries", 2))
    asked = _asked(call["recording"], call.get("overrides", {}))
    return await _finish(client.messages.create(**asked, stream=call["stream"]), stream=call["stream"])


async def call_google(call: dict[str, Any]) -> Any:
    """``generate_content`` of the google-genai SDK."""
    client = google.genai.Client(api_key=call.get("key"))
    models: Any = client.aio.models if call["asynchronous"] else client.models
    asked = _asked(call["recording"], call.get("overrides", {}))
    config = {key: asked[key] for key in ("tools",) if key in asked}
    model = load(call["recording"]).path.rsplit("/", 1)[-1].split(":")[0]
    make = models.generate_content_stream if call["stream"] else models.generate_content
    return await _finish(
        make(model=model, contents=asked["contents"], config=config or None), stream=call["stream"]
    )


async def call_realtime(call: dict[str, Any]) -> Any:
    """One answer in a realtime session of the openai SDK."""
    client = openai.AsyncOpenAI(api_key=call.get("key"))
    found = []
    async with client.realtime.connect(model=call["model"]) as session:
        await session.response.create()
        async for event in session:
            found.append(_plain(event))
            if event.type == "response.done":
                return found
    return found


async def call_live(call: dict[str, Any]) -> Any:
    """One turn in a live session of the google-genai SDK."""
    client = google.genai.Client(api_key=call.get("key"))
    async with client.aio.live.connect(model=call["model"]) as session:
        await session.send_client_content(turns=google.genai.types.Content(parts=[{"text": "hi"}]))
        return [_plain(message) async for message in session.receive()]


async def call_raw(call: dict[str, Any]) -> Any:
    """A plain HTTP request; the body as it stood on the wire, undecoded."""
    content = b64decode(call["body"]) if "body" in call else None
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream(call["method"], call["url"], headers=call.get("headers"), content=content) as answer,
    ):
        chunks = []
        async for chunk in answer.aiter_raw():
            chunks.append(chunk)
            say(event="chunk", number=len(chunks))
        body = b64encode(b"".join(chunks)).decode()
        return {"status": answer.status_code, "headers": list(answer.headers.multi_items()), "body": body}


async def call_certificate(call: dict[str, Any]) -> Any:
    """SHA-256 of the certificate that a TLS server shows to this machine."""
    return await asyncio.to_thread(
        wire.certificate, call["host"], call["port"], os.environ.get("HTTPS_PROXY")
    )


CALLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "openai": call_openai,
    "anthropic": call_anthropic,
    "google": call_google,
    "realtime": call_realtime,
    "live": call_live,
    "raw": call_raw,
    "certificate": call_certificate,
}


def _failure(problem: BaseException) -> dict[str, Any]:
    """The SDK's exception, told: its class, module, status, text and our reason header."""
    response = getattr(problem, "response", None)
    headers = getattr(response, "headers", None) or {}
    return {
        "error": type(problem).__name__,
        "module": type(problem).__module__,
        "status": getattr(problem, "status_code", None) or getattr(problem, "code", None),
        "message": str(problem),
        "reason": headers.get("x-conduit-reason"),
    }


async def _perform(call: dict[str, Any], retries: _Retries) -> dict[str, Any]:
    retries.count = 0
    try:
        result = {"result": await CALLS[call["call"]](call)}
    except Exception as problem:
        result = _failure(problem)
    return result | {"retries": retries.count}


def main() -> None:
    retries = _Retries()
    for name in ("openai", "anthropic"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(retries)
    say(event="ready")
    with (
        asyncio.Runner() as runner
    ):  # one loop for all calls: the SDKs' clients close their connections on it
        for line in sys.stdin:
            say(done=runner.run(_perform(json.loads(line), retries)))


if __name__ == "__main__":
    main()
