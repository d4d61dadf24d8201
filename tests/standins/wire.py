"""Bytes and handshakes without a client library in between."""

import hashlib
import socket
import ssl
from base64 import b64encode
from urllib.parse import urlsplit


def connect(host: str, port: int, proxy: str | None = None, timeout_s: float = 20) -> socket.socket:
    """A TCP connection to ``host``; through a CONNECT tunnel if ``proxy`` is given, a URL."""
    if proxy is None:
        return socket.create_connection((host, port), timeout_s)
    parts = urlsplit(proxy)
    raw = socket.create_connection((parts.hostname or "", parts.port or 80), timeout_s)
    signed = b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    signature = f"Proxy-Authorization: Basic {signed}\r\n" if parts.password else ""
    raw.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{signature}\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = raw.recv(4096)
        if not data:
            raise ConnectionError("the proxy closed the connection")
        head += data
    if head.split(b" ", 2)[1] != b"200":
        raise ConnectionError(head.decode("latin-1").split("\r\n")[0])
    return raw


def certificate(host: str, port: int, proxy: str | None = None) -> dict[str, str]:
    """The SHA-256 of the certificate shown for ``host``, unverified, and an HTTP answer's first line."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with connect(host, port, proxy) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        shown = tls.getpeercert(binary_form=True) or b""
        tls.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        line = tls.recv(4096).split(b"\r\n")[0].decode("latin-1")
    return {"sha256": hashlib.sha256(shown).hexdigest(), "answer": line}
