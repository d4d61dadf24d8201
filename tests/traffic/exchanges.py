"""Exchanges that were recorded, or written after references: sent by one plain client, answered as told."""

import hashlib
import json
import os
import re
import ssl
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from pathlib import Path

import httpx
from websockets.sync.client import connect

from tests.policy import labelled_traffic, later_traffic, ordinary_traffic
from tests.policy.labelled_traffic import Flow
from tests.standins import cassettes, recordings
from tests.standins.answers import Answer
from tests.standins.machines import ROOT
from tests.standins.provider import Seen
from tests.standins.recordings import Recording
from tests.traffic.client import ANSWER_WITHIN_S, Client, Kind, Label, Station, Told

SWITCHED = 101
RECORDED = Path(os.environ.get("CONDUIT_TEST_RECORDINGS", ROOT / ".recordings"))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answer: Answer


@cache
def _client(proxy: str, ca_file: Path) -> httpx.Client:
    trusted = ssl.create_default_context(cafile=ca_file)
    return httpx.Client(
        proxy=proxy,
        verify=trusted,
        trust_env=False,
        timeout=ANSWER_WITHIN_S,
        limits=httpx.Limits(max_keepalive_connections=0),  # a tunnel is recorded when it ends
    )


def _exchanged(scheme: str, host: str, exchanges: tuple[Exchange, ...], station: Station) -> Told:
    """Send one after the other; a status that is not the answer's is an error."""
    told = {}
    for each in exchanges:
        url, asked = f"{scheme}://{host}{each.path}", {"content": each.body, "headers": each.headers}
        client = _client(station.proxy, station.ca_file)
        with client.stream(each.method, url, **asked) as received:
            if tls := received.extensions["network_stream"].get_extra_info("ssl_object"):
                told[host] = hashlib.sha256(tls.getpeercert(True)).hexdigest()
            received.read()
        if received.status_code != each.answer.status:
            raise RuntimeError(f"{host}{each.path}: {received.status_code} {received.text[:300]}")
    return told


def _opened(host: str, path: str, protocols: list[str], station: Station) -> Told:
    """A WebSocket, and its end."""
    trusted = ssl.create_default_context(cafile=station.ca_file)
    with connect(
        f"wss://{host}{path}", proxy=station.proxy, ssl=trusted, subprotocols=protocols, close_timeout=5
    ) as far:
        return {host: hashlib.sha256(far.socket.getpeercert(True)).hexdigest()}


def _in_order(answers: deque[Answer], _: Seen) -> Answer | None:
    return answers.popleft() if answers else None


def _entry(
    name: str, kind: Kind, label: Label, host: str, exchanges: Iterable[Exchange], scheme: str = "https"
) -> Client:
    sent = tuple(exchanges)
    answers = deque(each.answer for each in sent)
    return Client(
        name, kind, label, (host,), partial(_exchanged, scheme, host, sent), partial(_in_order, answers)
    )


def _written(flow: Flow, label: Label, host: str, scheme: str = "https") -> Client:
    if flow.status != SWITCHED:
        return _entry(flow.name, Kind.SCRIPTED, label, host, [_scripted(flow)], scheme)
    protocols = flow.headers["sec-websocket-protocol"].split(", ")
    return Client(flow.name, Kind.SCRIPTED, label, (host,), partial(_opened, host, flow.path, protocols))


def _scripted(flow: Flow) -> Exchange:
    asked, answered = flow.request, flow.answered
    answer = Answer(answered.status, tuple(answered.headers.items()), (answered.body,))
    return Exchange(asked.method, asked.path, dict(asked.headers), asked.body, answer)


# What nobody can install in a test asks at its catalogued host as its vendor describes it.
_KNOWN = {
    "Copilot-like": "api.githubcopilot.com",
    "completions by a coding plugin": "copilot-proxy.githubusercontent.com",
    "coding assistant over Connect": "api2.cursor.sh",
    "completion over Connect JSON": "server.codeium.com",
    "Gemini CLI": "cloudcode-pa.googleapis.com",
    "Dify": "api.dify.ai",
    "Coze": "api.coze.com",
    "text to speech": "api.lmnt.com",
}


def scripted(*schemes: str) -> list[Client]:
    """The labelled exchanges of ``tests/policy``, over these schemes in turn."""
    ai = [*labelled_traffic.AI, *later_traffic.AI]
    not_ai = [*ordinary_traffic.NOT_AI, *later_traffic.NOT_AI]
    found = []
    for label, mark, flows in ((Label.UNKNOWN, "one", ai), (Label.NOT_AI, "two", not_ai)):
        for number, flow in enumerate(flows):
            host, scheme = f"{mark}-{number}.{flow.host}", schemes[number % len(schemes)]
            found.append(_written(flow, label, host, scheme))
    by_name = {flow.name: flow for flow in ai}
    for name, host in _KNOWN.items():
        found.append(_written(by_name[name], Label.KNOWN, host))
    return found


def _recorded(recording: Recording, headers: dict[str, str], body: bytes) -> Exchange:
    if "background" in (asked := recording.request or {}):  # refused, since such a call cannot be metered
        body = json.dumps({key: value for key, value in asked.items() if key != "background"}).encode()
    return Exchange(recording.method, recording.path, headers, body, Answer.of(recording))


def _kept(recording: Recording) -> Exchange:
    headers = {"content-type": "application/json"}
    if recording.provider == "anthropic":
        headers["anthropic-version"] = "2023-06-01"
    return _recorded(recording, headers, json.dumps(recording.request).encode())


def recorded() -> list[Client]:
    """Real exchanges, at hosts of no catalogue: those in the repository, and one session of each kind out of
    other people's test suites, where ``make recordings`` has fetched them.
    """
    kept = [
        _entry(each.name, Kind.RECORDED, Label.UNKNOWN, f"r{number}.intern.test", [_kept(each)])
        for number, each in enumerate(recordings.every())
    ]
    sessions = [
        _entry(name, Kind.RECORDED, Label.UNKNOWN, f"r{number}.session.test", session)
        for number, (name, session) in enumerate(_sessions())
    ]
    return [*kept, *sessions]


def _sessions() -> Iterator[tuple[str, list[Exchange]]]:
    """One cassette of each kind of session: what it asks and is answered, whatever the ids."""
    known = set()
    for archive in sorted(RECORDED.glob("*.tar.gz")):
        for member, group in groupby(cassettes.exchanges(archive), lambda each: each.member):
            played = [(each, cassettes.recording(each)) for each in group]
            kind = frozenset(_kind(recording) for _, recording in played)
            if kind not in known:
                known.add(kind)
                yield member, [_recorded(recording, *cassettes.question(each)) for each, recording in played]


def _kind(recording: Recording) -> tuple[str, str, bool, bool, int]:
    path = re.sub(r"(?:_|-)[A-Za-z0-9]{8,}", "", recording.path.partition("?")[0])
    return recording.method, path, recording.streams, recording.tools, recording.status
