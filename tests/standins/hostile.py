"""Clients and providers that try to exhaust the gateway: resets, bombs, connections that dawdle.

Used by the attacks among the tests, in small, and by ``bench.hostile``, in full.
"""

import os
import socket
import ssl
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import h2.config
import h2.connection
import h2.events
import zstandard

from tests.standins.product import Product
from tests.standins.wire import connect

_BLOCK = bytes(1 << 20)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def workers(product: Product) -> list[int]:
    """The processes that carry traffic."""
    found = []
    for process in product.processes():
        try:
            line = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue  # the process has ended
        if b"conduit.worker" in line:
            found.append(process)
    return found


def cpu_s(processes: list[int]) -> float:
    """User and system time that these have used, in seconds (proc(5), fields 14 and 15)."""
    total = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_S


class Memory:
    """How far the resident memory of processes rose above where it was when this was made."""

    def __init__(self, processes: list[int]) -> None:
        self._before = {process: _status(process, "VmRSS") for process in processes}
        for process in processes:
            # Sets the high-water mark back to what is resident now (proc(5), since Linux 4.0).
            Path(f"/proc/{process}/clear_refs").write_text("5")

    def risen(self) -> int:
        """Bytes, of the process that rose most."""
        return max(_status(process, "VmHWM") - before for process, before in self._before.items())


def _status(process: int, name: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


# Bombs


def _deflated(blocks: int, window: int) -> bytes:
    """``blocks`` MiB of zeros; each block is flushed, so that it can be repeated as it is."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    first = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (blocks - 1)


def _brotli(blocks: int) -> bytes:
    packer = brotli.Compressor(quality=1)
    return b"".join(packer.process(_BLOCK) for _ in range(blocks)) + packer.finish()


def _zstandard(blocks: int) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join(packer.compress(_BLOCK) for _ in range(blocks)) + packer.flush()


BOMBS: dict[str, Callable[[int], bytes]] = {
    "gzip": lambda blocks: _deflated(blocks, zlib.MAX_WBITS | 16),
    "deflate": lambda blocks: _deflated(blocks, zlib.MAX_WBITS),
    "br": _brotli,
    "zstd": _zstandard,
}


# Floods


def http2(product: Product, listener: str, ca_file: Path, host: str) -> ssl.SSLSocket:
    """HTTP/2 over TLS: to the ``gateway`` itself, or through the ``proxy`` to ``host``."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["h2"])
    address, port = product.address, product.ports["gateway"]
    if listener == "proxy":
        raw = connect(host, 443, product.url("proxy"))
        return context.wrap_socket(raw, server_hostname=host)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection((address, port), 20), server_hostname=host)


def rapid_resets(sock: ssl.SSLSocket, count: int, authority: str, path: str, key: str) -> tuple[int, bool]:
    """Open and reset ``count`` streams (CVE-2023-44487); how many went out, and whether GOAWAY came."""
    flood = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    flood.initiate_connection()
    head = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", authority),
        (":path", path),
        ("authorization", f"Bearer {key}"),
        ("content-type", "application/json"),
    ]
    sent = 0
    try:
        for number in range(count):
            stream = flood.get_next_available_stream_id()
            flood.send_headers(stream, head)
            flood.reset_stream(stream)
            sent += 1
            if number % 50 == 49:
                sock.sendall(flood.data_to_send())
        flood.ping(b"still on")
        sock.sendall(flood.data_to_send())
    except OSError:
        pass  # cut off, as a flood should be
    return sent, _said_goodbye(sock)


def _said_goodbye(sock: ssl.SSLSocket) -> bool:
    """Whether the gateway says GOAWAY with ENHANCE_YOUR_CALM, rather than answer the ping."""
    sock.settimeout(10)
    listener = h2.connection.H2Connection()
    listener.initiate_connection()
    listener.ping(b"still on")  # else its answer would be none of this reader's
    try:
        while data := sock.recv(1 << 16):
            for event in listener.receive_data(data):
                if isinstance(event, h2.events.PingAckReceived):
                    return False
                if isinstance(event, h2.events.ConnectionTerminated):
                    return event.error_code == 11
    except (OSError, h2.exceptions.ProtocolError):
        return False
    return False
