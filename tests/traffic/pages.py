"""Pages in a headless Chromium, each with a script that talks to its server as its like does.

Chats that stream over fetch, EventSource and WebSocket; and mail, video, tickers, GraphQL, which do not chat.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ProxySettings, sync_playwright

from tests.standins.answers import Answer
from tests.standins.provider import Seen
from tests.standins.sessions import CLOSE, GONE, TEXT, Behaviour, Peer
from tests.traffic.ai_answers import CHAT, SAID, events
from tests.traffic.client import Client, Kind, Label, Station, Told

CHROMIUM = Path("/usr/bin/chromium")
DONE_WITHIN_MS = 30_000
_HTML = (("content-type", "text/html"),)
_ASK = "Summarise our plans for next year."
# What every page's script may use. A page is done when its title says so; a fault becomes the title.
_TOOLS = """
const json = (path, body, more) => fetch(path, {method: 'POST', body: JSON.stringify(body),
  headers: {'content-type': 'application/json', ...more}}).then(ok);
const get = path => fetch(path).then(ok);
const ok = answer => { if (!answer.ok) throw new Error(answer.status); return answer; };
const drain = async answer => { for await (const _ of answer.body); };
const first = (target, name) => new Promise((done, fail) => {
  target.addEventListener(name, done); target.addEventListener('error', () => fail(new Error(name))); });
const socket = async (path, ...said) => {
  const far = new WebSocket(`wss://${location.host}${path}`);
  await first(far, 'open');
  for (const each of said) far.send(JSON.stringify(each));
  await first(far, 'message'); far.close(); };
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A host: the script of its page, what its server answers by path, what it says over WebSocket."""

    name: str
    script: str
    answers: Mapping[str, Answer] = field(default_factory=dict)
    says: object = None

    def answer(self, seen: Seen) -> Answer:
        if seen.target == "/":
            work = f"(async () => {{ {self.script} }})()"
            told = f"{work}.then(() => document.title = 'done', fault => document.title = 'fault: ' + fault)"
            return Answer(200, _HTML, (f"<title>at work</title><script>{_TOOLS}{told}</script>".encode(),))
        path = seen.target.partition("?")[0]
        if path == "/favicon.ico":
            return Answer(204, ())
        return self.answers.get(path) or Answer.json(200, {"ok": True, "items": []})

    @property
    def session(self) -> Behaviour | None:
        return partial(_say, self.says) if self.says is not None else None


async def _say(document: object, peer: Peer) -> None:
    """Answers every message with the same one."""
    peer.accept()
    while True:
        opcode, payload = await peer.hear()
        if opcode == TEXT:
            peer.send(TEXT, json.dumps(document))
        elif opcode in (CLOSE, GONE):
            if opcode == CLOSE:
                peer.close(payload[0] if payload[0] != 1005 else 1000)
            return


_DELTA = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Yes"}}]}
_DELTAS = events(_DELTA, _DELTA, "[DONE]")
_PARTS = events({"type": "start"}, {"type": "text-delta", "id": "0", "delta": "Yes"}, "[DONE]")
_CLAUDE_EVENT = {"type": "completion", "completion": "Yes", "stop_reason": None, "model": "claude-sonnet-4-5"}
_TURN = f"{{role: 'user', content: '{_ASK}'}}"
_CLAUDE = "/api/organizations/o/chat_conversations/c/completion"

KNOWN: Mapping[str, Site] = {
    "chatgpt.com": Site(
        "a chat streamed by fetch",
        f"""await drain(await json('/backend-api/conversation', {{action: 'next', model: 'auto', messages:
          [{{author: {{role: 'user'}}, content: {{content_type: 'text', parts: ['{_ASK}']}}}}]}}))""",
        {"/backend-api/conversation": events({"message": {"author": {"role": "assistant"}}}, "[DONE]")},
    ),
    "claude.ai": Site(
        "a chat streamed by fetch",
        f"await drain(await json('{_CLAUDE}', {{prompt: '{_ASK}', timezone: 'Europe/Berlin'}}))",
        {_CLAUDE: events(_CLAUDE_EVENT)},
    ),
    "copilot.microsoft.com": Site(
        "a chat over WebSocket",
        f"await socket('/c/api/chat', {{event: 'send', content: [{{type: 'text', text: '{_ASK}'}}]}})",
        says={"event": "appendText", "text": "Yes"},
    ),
    "gemini.google.com": Site(
        "a chat by form",
        f"""await drain(await fetch('/_/BardChatUi/data/StreamGenerate', {{method: 'POST',
          body: new URLSearchParams({{'f.req': JSON.stringify([null, '{_ASK}'])}})}}))""",
    ),
    "www.perplexity.ai": Site(
        "a search streamed by fetch",
        f"await drain(await json('/rest/sse/perplexity_ask', {{query_str: '{_ASK}', params: {{}}}}))",
        {"/rest/sse/perplexity_ask": events({"status": "COMPLETED", "text": "Yes"})},
    ),
    "grok.com": Site(
        "a chat streamed by fetch",
        f"""await drain(await json('/rest/app-chat/conversations/new',
          {{message: '{_ASK}', modelName: 'grok-4'}}))""",
    ),
    "chat.deepseek.com": Site(
        "a chat streamed by fetch",
        f"await drain(await json('/api/v0/chat/completion', {{prompt: '{_ASK}', thinking_enabled: false}}))",
        {"/api/v0/chat/completion": events({"v": "Yes"})},
    ),
    "suno.com": Site("a song", "await json('/api/generate/v2/', {prompt: 'autumn', mv: 'chirp-v4'})"),
    "www.midjourney.com": Site("an image", "await json('/api/submit-jobs', {prompt: 'a fox'})"),
    "otter.ai": Site("a meeting's notes", "await get('/forward/api/v1/speeches')"),
    "lovable.dev": Site("an application's making", "await json('/api/chat', {message: 'a page'})"),
}  # fmt: skip

UNKNOWN: tuple[Site, ...] = (
    Site(
        "a chat of the Vercel SDK, streamed by fetch",
        f"""await drain(await json('/api/chat', {{id: 'c', trigger: 'submit-message',
          messages: [{{id: 'm', role: 'user', parts: [{{type: 'text', text: '{_ASK}'}}]}}]}}))""",
        {"/api/chat": _PARTS},
    ),
    Site(
        "a chat streamed over EventSource",
        f"""const stream = new EventSource('/stream?question=' + encodeURIComponent('{_ASK}'));
          await first(stream, 'message'); stream.close()""",
        {"/stream": _DELTAS},
    ),
    Site(
        "a chat over WebSocket",
        f"await socket('/ws', {{model: 'llama3.2', messages: [{_TURN}], stream: true, temperature: 0.7}})",
        says=_DELTA,
    ),
    Site(
        "an OpenAI-compatible server's own page",
        f"await drain(await json('/v1/chat/completions', {{messages: [{_TURN}], stream: true}}))",
        {"/v1/chat/completions": _DELTAS},
    ),
    Site(
        "a page that sends a key of the user's own",
        f"""await json('/v1/messages', {{model: 'claude-sonnet-4-5', max_tokens: 99, messages: [{_TURN}]}},
          {{'anthropic-version': '2023-06-01', 'anthropic-dangerous-direct-browser-access': 'true'}})""",
        {"/v1/messages": Answer.json(200, {"type": "message", "role": "assistant", "content": []})},
    ),
    Site(
        "images of Stable Diffusion's web page",
        "await json('/sdapi/v1/txt2img', {prompt: 'a red fox in snow', steps: 20, cfg_scale: 7, width: 512})",
        {"/sdapi/v1/txt2img": Answer.json(200, {"images": ["aGk="], "parameters": {}})},
    ),
    Site(
        "an assistant over GraphQL",
        f"""await json('/graphql', {{query: 'mutation Ask($i: I!) {{ ask(input: $i) {{ text }} }}',
          variables: {{i: {{model: 'gpt-4o', messages: [{_TURN}], temperature: 0.2}}}}}})""",
        {"/graphql": Answer.json(200, {"data": {"ask": {**CHAT, "text": SAID}}})},
    ),
    Site(
        "a writing aid",
        """await json('/api/v1/rewrite', {model: 'gpt-4.1-mini', prompt: 'Make this kinder: no.',
          temperature: 0.3, max_tokens: 200})""",
        {"/api/v1/rewrite": Answer.json(200, CHAT)},
    ),
)

_MAIL = {
    "messages": [{"id": "1", "from": "ada@acme.test", "subject": "The model", "snippet": "See the draft"}]
}
_SEGMENTS = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg-0.ts\n#EXTINF:4,\nseg-1.ts\n#EXT-X-ENDLIST\n"
_PLAYLIST = Answer(200, (("content-type", "application/vnd.apple.mpegurl"),), (_SEGMENTS,))
_SEGMENT = Answer(200, (("content-type", "video/mp2t"),), (b"\x47" + bytes(20_000),))
_CHARGE = {"choices": [{"label": "yes", "votes": 3}], "usage": {"votes": 3}}

NOT_AI: tuple[Site, ...] = (
    Site(
        "webmail that syncs",
        """await get('/api/messages?label=inbox'); await get('/api/messages/1');
          await json('/api/sync', {cursor: 5, messages: [{id: '1', read: true, from: 'ada@acme.test'}]});
          await json('/api/send', {to: ['bob@acme.test'], subject: 'The model', content: 'See the draft',
            role: 'user'})""",
        {"/api/messages": Answer.json(200, _MAIL), "/api/messages/1": Answer.json(200, _MAIL["messages"][0])},
    ),
    Site(
        "a video in segments",
        """const list = await (await get('/live/master.m3u8')).text();
          for (const line of list.split('\\n')) if (line.endsWith('.ts'))
            await drain(await get('/live/' + line));
          await json('/stats', {event: 'progress', position: 8, quality: '720p', model: 'tv'})""",
        {
            "/live/master.m3u8": _PLAYLIST,
            "/live/seg-0.ts": _SEGMENT,
            "/live/seg-1.ts": _SEGMENT,
        },
    ),
    Site(
        "an application on GraphQL",
        """await json('/graphql', {operationName: 'Cars',
            query: 'query Cars($f: F) { cars(f: $f) { model } }',
            variables: {f: {model: 'Golf', year: 2019}}});
          await json('/graphql', {query: 'mutation Send($m: M!) { send(message: $m) { id } }',
            variables: {m: {role: 'user', content: 'Is it still there?', thread: '5'}}})""",
        {"/graphql": Answer.json(200, {"data": {"cars": [{"model": "Golf"}]}})},
    ),
    Site(
        "a ticker over EventSource",
        "const ticker = new EventSource('/quotes'); await first(ticker, 'message'); ticker.close()",
        {"/quotes": events({"symbol": "X", "price": 1.5}, {"symbol": "X", "price": 1.6})},
    ),
    Site(
        "a chat between people over WebSocket",
        "await socket('/socket', {type: 'message', channel: 'C1', text: 'hello team', user: 'ada'})",
        says={"type": "message", "channel": "C1", "text": "hello ada", "user": "bob", "ts": "1.5"},
    ),
    Site(
        "a wallet over JSON-RPC",
        """await json('/', {jsonrpc: '2.0', id: 1, method: 'eth_blockNumber', params: []});
          await json('/rpc', {jsonrpc: '2.0', id: 2, method: 'eth_call',
            params: [{to: '0x0', data: '0x'}, 'latest']})""",
        {"/rpc": Answer.json(200, {"jsonrpc": "2.0", "id": 2, "result": "0x1"})},
    ),
    Site(
        "a shop",
        """await get('/api/products?model=golf');
          await json('/api/cart', {sku: 'a', quantity: 1, model: 'Golf'});
          await json('/api/checkout', {prompt: 'How was it?', input: 'good', choices: ['yes', 'no']});
          navigator.sendBeacon('/collect', 'v=2&en=purchase')""",
        {"/api/checkout": Answer.json(200, _CHARGE)},
    ),
    Site(
        "a document that several edit, over WebSocket",
        "await socket('/doc/5', {op: 'insert', at: 4, text: 'gpt'}, {op: 'cursor', at: 7})",
        says={"op": "ack", "version": 6},
    ),
    Site(
        "an upload",
        """const form = new FormData(); form.append('file', new Blob(['x'.repeat(9000)]), 'plan.docx');
          form.append('model', 'A4'); ok(await fetch('/upload', {method: 'POST', body: form}))""",
    ),
    Site("a search as one types", "for (const q of ['l', 'll', 'llm']) await get('/suggest?q=' + q)"),
)  # fmt: skip


def browse(station: Station, hosts: list[str]) -> Told:
    """Open the page of each host in one browser and wait for its script's end; a page's fault is raised.

    Returns the SHA-256, in hex, of the certificate that each page came with. What the browser trusts is the
    station's authority: any other's certificate is an error to it, and the page does not load.
    """
    trust = f"--ignore-certificate-errors-spki-list={station.key_pin}"
    seen = {}
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(station.home("chromium")),
            executable_path=CHROMIUM,
            args=["--no-sandbox", trust],
            proxy=ProxySettings(server=station.proxy),
        )
        page = context.new_page()  # one for all: each new one takes longer than most scripts
        for host in hosts:
            page.goto(f"https://{host}/")
            page.wait_for_function("document.title != 'at work'", timeout=DONE_WITHIN_MS)
            if page.title() != "done":
                raise RuntimeError(f"{host}: {page.title()}")
            seen[host] = _certificate(page)
        context.close()
    return seen


def _certificate(page: Page) -> str:
    """The SHA-256, in hex, of the certificate that the browser has for the page that it shows."""
    told: list[dict[str, Any]] = []
    session = page.context.new_cdp_session(page)
    session.on("Security.visibleSecurityStateChanged", lambda state: told.append(state))
    session.send("Security.enable")
    while not told:
        page.evaluate("0")  # it tells when it is asked something
    chain = told[0]["visibleSecurityState"]["certificateSecurityState"]["certificate"]
    return hashlib.sha256(base64.b64decode(chain[0])).hexdigest()


def clients() -> list[Client]:
    """Every entry; all are opened in one browser (``browse``)."""
    listed = [
        *((host, Label.KNOWN, site) for host, site in KNOWN.items()),
        *((f"b{number}.intern.test", Label.UNKNOWN, site) for number, site in enumerate(UNKNOWN)),
        *((f"b{number}.office.test", Label.NOT_AI, site) for number, site in enumerate(NOT_AI)),
    ]
    return [
        Client(site.name, Kind.BROWSER, label, (host,), partial(browse, hosts=[host]),
               site.answer, site.session, CHROMIUM)
        for host, label, site in listed
    ]  # fmt: skip
