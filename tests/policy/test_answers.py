"""Refusals as the real SDKs take them, over a real socket."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as google_errors

from policy.answers import Answer, render, stream_ending
from policy.exchange import Shape
from policy.refusals import RETRYABLE, STATUS, Reason, Refusal

ID = "0190-request"
PROVIDERS = {
    Shape.OPENAI_CHAT: "openai",
    Shape.OPENAI_RESPONSES: "openai",
    Shape.ANTHROPIC_MESSAGES: "anthropic",
    Shape.GEMINI: "google",
}
FIRST_EVENTS = {
    Shape.OPENAI_CHAT: b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n',
    Shape.OPENAI_RESPONSES: b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",'
    b'"delta":"hi","content_index":0,"item_id":"i","output_index":0,"sequence_number":1,"logprobs":[]}\n\n',
    Shape.ANTHROPIC_MESSAGES: b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"hi"}}\n\n',
    Shape.GEMINI: b'data: {"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"}}]}\n\n',
}


def a_refusal(reason: Reason = Reason.BUDGET_EXHAUSTED, after: int | None = None) -> Refusal:
    return Refusal(reason, "Ask your administrator for more.", "rule", after)


class _Handler(BaseHTTPRequestHandler):
    answer: Answer
    requests: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.requests.append(self.path)
        self.send_response(self.answer.status)
        for name, value in self.answer.headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(self.answer.body)))
        self.end_headers()
        self.wfile.write(self.answer.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that gives ``answer`` to everything, and the paths it was asked for."""
    handler = type("Handler", (_Handler,), {"answer": answer, "requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.requests  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(shape: Shape, address: str, *, stream: bool = False, retries: int = 1) -> object:
    """Call through the shape's own SDK, and read the stream to its end."""
    if shape is Shape.ANTHROPIC_MESSAGES:
        claude = anthropic.Anthropic(base_url=address, api_key="k", max_retries=retries)
        answer: object = claude.messages.create(
            model="m", max_tokens=5, messages=[{"role": "user", "content": "x"}], stream=stream
        )
    elif shape is Shape.GEMINI:
        gemini = genai.Client(api_key="k", http_options={"base_url": address})
        call: Callable[..., object] = gemini.models.generate_content
        if stream:
            call = gemini.models.generate_content_stream
        answer = call(model="m", contents="x")
    else:
        client = openai.OpenAI(base_url=address + "/v1", api_key="k", max_retries=retries)
        if shape is Shape.OPENAI_CHAT:
            messages = [{"role": "user", "content": "x"}]
            answer = client.chat.completions.create(model="m", messages=messages, stream=stream)  # type: ignore[call-overload]
        else:
            answer = client.responses.create(model="m", input="x", stream=stream)
    return list(answer) if stream else answer  # type: ignore[call-overload]


EXCEPTIONS = {
    "openai": {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        413: openai.APIStatusError,
        429: openai.RateLimitError,
    },
    "anthropic": {
        400: anthropic.BadRequestError,
        401: anthropic.AuthenticationError,
        403: anthropic.PermissionDeniedError,
        413: anthropic.APIStatusError,
        429: anthropic.RateLimitError,
    },
    "google": {},
}


def exception_for(provider: str, status: int) -> type[Exception]:
    servers = {
        "openai": openai.InternalServerError,
        "anthropic": anthropic.InternalServerError,
        "google": google_errors.ServerError if status >= 500 else google_errors.ClientError,
    }
    return EXCEPTIONS[provider].get(status, servers[provider])


@pytest.mark.parametrize("shape", list(PROVIDERS))
@pytest.mark.parametrize(
    "reason",
    [
        Reason.PLACEHOLDER_REVOKED,
        Reason.SHADOW_ENDPOINT,
        Reason.REQUEST_MALFORMED,
        Reason.REQUEST_TOO_LARGE,
        Reason.BUDGET_EXHAUSTED,
        Reason.INTERNAL,
    ],
)
def test_the_sdk_raises_its_natural_exception_once_and_shows_what_to_do(shape: Shape, reason: Reason) -> None:
    refusal = a_refusal(reason)
    answer = render(refusal, shape, provider=PROVIDERS[shape], request_id=ID, wants_html=False)
    with serving(answer) as (address, requests):
        with pytest.raises(exception_for(PROVIDERS[shape], refusal.status)) as caught:
            ask(shape, address)
        assert refusal.message in str(caught.value)
        assert reason.value in str(caught.value)
        assert len(requests) == 1


def test_the_sdk_tries_again_where_time_mends() -> None:
    refusal = a_refusal(Reason.DEGRADED, after=0)
    answer = render(refusal, Shape.OPENAI_CHAT, provider="openai", request_id=ID, wants_html=False)
    with serving(answer) as (address, requests):
        with pytest.raises(openai.InternalServerError):
            ask(Shape.OPENAI_CHAT, address)
        assert len(requests) == 2


@pytest.mark.parametrize("shape", list(PROVIDERS))
def test_the_sdk_raises_where_a_stream_is_cut(shape: Shape) -> None:
    body = FIRST_EVENTS[shape] + stream_ending(a_refusal(), shape, ID)
    answer = Answer(200, (("content-type", "text/event-stream"),), body)
    expected = {
        "openai": openai.APIError,
        "anthropic": anthropic.APIError,
        "google": google_errors.ClientError,
    }
    with serving(answer) as (address, _):
        with pytest.raises(expected[PROVIDERS[shape]]) as caught:
            ask(shape, address, stream=True)
        assert a_refusal().message in str(caught.value)


@pytest.mark.parametrize("shape", list(PROVIDERS))
def test_the_sdk_reads_a_stream_that_is_not_cut(shape: Shape) -> None:
    answer = Answer(200, (("content-type", "text/event-stream"),), FIRST_EVENTS[shape])
    with serving(answer) as (address, _):
        assert ask(shape, address, stream=True)


def test_a_cut_array_is_still_an_array_and_cut_lines_are_lines() -> None:
    element = b'[{"candidates":[]}'
    ended = json.loads(element + stream_ending(a_refusal(), Shape.GEMINI, ID, "application/json"))
    assert ended[1]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert json.loads(stream_ending(a_refusal(), Shape.OTHER, ID, "application/x-ndjson"))["status"] == 429


@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_is_written_everywhere(reason: Reason) -> None:
    for shape in Shape:
        for provider in (None, "openai", "anthropic", "google", "aws"):
            written_for(reason, shape, provider)


def written_for(reason: Reason, shape: Shape, provider: str | None) -> None:
    answer = render(a_refusal(reason), shape, provider=provider, request_id=ID, wants_html=False)
    headers = dict(answer.headers)
    assert answer.status == STATUS[reason]
    assert headers["x-conduit-reason"] == reason.value
    assert headers["x-conduit-request-id"] == ID
    assert ("x-should-retry" in headers) == (reason not in RETRYABLE or answer.status == 429)
    assert a_refusal().message in json.dumps(json.loads(answer.body))


@pytest.mark.parametrize(
    ("reason", "after", "expected"),
    [
        (Reason.RATE_LIMITED, 5, {"retry-after": "5"}),
        (Reason.BUDGET_EXHAUSTED, 86_400, {"retry-after": "86400", "x-should-retry": "false"}),
        (Reason.TOKENS_LIMITED, None, {"x-should-retry": "false"}),
        (Reason.DEGRADED, None, {}),
        (Reason.SHADOW_ENDPOINT, None, {"x-should-retry": "false"}),
    ],
)
def test_retrying_is_told_as_time_mends(reason: Reason, after: int | None, expected: dict[str, str]) -> None:
    answer = render(a_refusal(reason, after), Shape.OTHER, provider=None, request_id=ID, wants_html=False)
    told = {name: value for name, value in answer.headers if name in ("retry-after", "x-should-retry")}
    assert told == expected


def test_shapeless_calls_get_a_problem_document_or_their_providers_shape() -> None:
    def written(provider: str | None) -> object:
        return json.loads(
            render(a_refusal(), Shape.OTHER, provider=provider, request_id=ID, wants_html=False).body
        )

    assert written(None)["code"] == "budget_exhausted"  # type: ignore[index]
    assert written("anthropic")["type"] == "error"  # type: ignore[index]
    assert written("google")["error"]["status"] == "RESOURCE_EXHAUSTED"  # type: ignore[index]
    assert written("groq")["error"]["type"] == "insufficient_quota"  # type: ignore[index]
    assert set(written("aws")) == {"message"}  # type: ignore[call-overload]


def test_a_browser_gets_a_page_that_runs_nothing_and_quotes_safely() -> None:
    refusal = Refusal(Reason.COACHED, 'Use <script>alert(1)</script> & "that".', "rule")
    answer = render(refusal, Shape.OPENAI_CHAT, provider="openai", request_id="<id>", wants_html=True)
    page, headers = answer.body.decode(), dict(answer.headers)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "<script" not in page
    assert "<id>" not in page
    assert '<html lang="en">' in page
    assert "&lt;script&gt;" in page
