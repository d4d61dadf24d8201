"""Raw bytes to a listener, and what comes back; the attacker's side, with no library to correct it."""

import json
import re
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.standins.office import HOSTS, Office
from tests.standins.recordings import load
from tests.standins.wire import connect

PATIENCE_S = 8.0
BODY = json.dumps(load("openai-chat").request).encode()
Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """All that came back. ``hung``: neither a whole answer nor the end of the connection in time."""

    raw: bytes
    hung: bool

    @property
    def status(self) -> int | None:
        found = re.match(rb"HTTP/1\.[01] (\d{3})", self.raw)
        return int(found[1]) if found else None

    def header(self, name: str) -> str | None:
        head = self.raw.split(b"\r\n\r\n", 1)[0].decode("latin-1")
        found = re.search(rf"(?im)^{re.escape(name)}:[ \t]*(.*?)\r?$", head)
        return found[1] if found else None

    @property
    def reason(self) -> str | None:
        return self.header("x-conduit-reason")


def request(
    target: str = "/v1/chat/completions",
    headers: Headers = (),
    body: bytes = BODY,
    *,
    method: str = "POST",
    host: str | None = HOSTS["openai"],
) -> bytes:
    """One HTTP/1.1 request, exactly as given: nothing is checked, ``host=None`` sends none."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"{name}: {value}" for name, value in headers]
    if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def exchange(sock: socket.socket, raw: bytes, patience_s: float = PATIENCE_S) -> Reply:
    """Send ``raw``, read one answer (or the end)."""
    sock.settimeout(patience_s)
    received = b""
    try:
        sock.sendall(raw)
        while not _whole(received):
            data = sock.recv(1 << 16)
            if not data:
                return Reply(received, hung=False)
            received += data
    except TimeoutError:
        return Reply(received, hung=True)
    except (ConnectionError, ssl.SSLError, OSError):
        return Reply(received, hung=False)
    return Reply(received, hung=False)


def _whole(received: bytes) -> bool:
    head, mark, body = received.partition(b"\r\n\r\n")
    if not mark:
        return False
    length = re.search(rb"(?im)^content-length:[ \t]*(\d+)", head)
    if length:
        return len(body) >= int(length[1])
    return b"chunked" in head.lower() and body.endswith(b"0\r\n\r\n")


@dataclass(frozen=True, slots=True)
class Attacker:
    """Somebody who holds a good placeholder of the company and means ill with it."""

    office: Office

    @property
    def bearer(self) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.office.placeholders['openai']}")

    def _listener(self, name: str) -> tuple[str, int]:
        return self.office.product.address, self.office.product.ports[name]

    def gateway(self, raw: bytes, patience_s: float = PATIENCE_S) -> Reply:
        """To the base-URL listener."""
        with socket.create_connection(self._listener("gateway"), 10) as sock:
            return exchange(sock, raw, patience_s)

    def proxy(self, raw: bytes, patience_s: float = PATIENCE_S) -> Reply:
        """To the explicit proxy, in plain."""
        with socket.create_connection(self._listener("proxy"), 10) as sock:
            return exchange(sock, raw, patience_s)

    def proxy_in_two(self, first: bytes, second: bytes) -> Reply:
        """To the explicit proxy: ``first``, its answer, then ``second``; the last answer that came."""
        with socket.create_connection(self._listener("proxy"), 10) as sock:
            sock.settimeout(PATIENCE_S)
            sock.sendall(first)
            answer = sock.recv(1 << 16)
            if b" 200 " not in answer.split(b"\r\n")[0]:
                return Reply(answer, hung=False)
            return exchange(sock, second)

    def tunnel(self, authority: str, server_name: str | None, raw: bytes, alpn: str = "http/1.1") -> Reply:
        """CONNECT to ``authority``, TLS in the name of ``server_name``, then ``raw``.

        A refusal at any stage is an (often empty) ``Reply`` too.
        """
        host, _, port = authority.rpartition(":")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([alpn])
        try:
            raw_socket = connect(host.strip("[]"), int(port), self.office.product.url("proxy"), PATIENCE_S)
        except ConnectionError as refusal:
            return Reply(str(refusal).encode("latin-1"), hung=False)
        with raw_socket:
            try:
                with context.wrap_socket(raw_socket, server_hostname=server_name) as tls:
                    return exchange(tls, raw)
            except TimeoutError:
                return Reply(b"", hung=True)
            except (ssl.SSLError, ConnectionError, OSError):
                return Reply(b"", hung=False)

    def turned_away(self, rule: str) -> dict[str, Any]:
        """The event of a connection that was refused before there was a call; nobody's, from loopback."""
        facts = {"kind": "connection", "rule": rule, "source_address": "127.0.0.1", "decision": "deny"}
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            for event in self.office.product.cli("audit", "list", "--limit", "500"):
                if facts.items() <= event.items():
                    return dict(event)
            time.sleep(0.2)
        raise TimeoutError(f"no event with {facts}")

    def path(self, target: str = "/v1/chat/completions") -> str:
        return f"/openai{target}"

    @property
    def gateway_host(self) -> str:
        return urlsplit(self.office.product.url("gateway")).netloc

    def assert_nothing_escaped(self) -> None:
        """The key at its own host only, the placeholder at no provider, in every byte that was received.

        What is no AI host is not looked into, so what a caller tells it is between the two of them.
        """
        for connection in self.office.provider.connections:
            raw = bytes(connection.raw)
            for provider, key in self.office.keys.items():
                if connection.server_name != HOSTS[provider]:
                    assert key.encode() not in raw, f"{provider} key went to {connection.server_name}"
                if connection.server_name in HOSTS.values():
                    held = self.office.placeholders[provider].encode()
                    assert held not in raw, f"{provider} placeholder went to {connection.server_name}"

    def assert_refused(self, reply: Reply, *statuses: int) -> None:
        """An answer in time (one of ``statuses``, or any 4xx) or a closed connection; no provider saw it."""
        assert not reply.hung, f"hung after {reply.raw[:200]!r}"
        if reply.status is not None:
            allowed = statuses or range(400, 500)
            assert reply.status in allowed, reply.raw[:600]
        self.assert_nothing_escaped()
        assert self.office.provider.seen == []

    def assert_works(self) -> None:
        """The honest call, so that no attack passes because nothing works."""
        self.office.provider.forget()
        reply = self.gateway(request(self.path(), [self.bearer], host=self.gateway_host))
        assert reply.status == 200, reply.raw[:600]
        assert self.office.provider.seen[-1].keys == (self.office.keys["openai"],)
