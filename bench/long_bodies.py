"""How long one body of 60 MiB keeps others waiting: the longest answer to calls that go no further than here.

Each kind is made to be slow to read in another way. Somebody else asks meanwhile, again and again, what the
gateway answers by itself; the longest of these answers bounds how long its event loop stood still, and is
told beside the longest without any such body in the same run.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator

import httpx

from tests.standins.answers import Answer
from tests.standins.product import Product
from tests.standins.provider import StandIn

MIB = 1 << 20
SIZE = 60 * MIB
ALONE_S = 2.0
HOLD_MS_MAX = 250.0


def _repeated(part: bytes, size: int = SIZE) -> bytes:
    return part * (size // len(part))


def _chat(content: bytes, before: bytes = b"") -> bytes:
    return (
        b'{"model":"gpt-4o-mini","max_tokens":9,'
        + before
        + b'"messages":[{"role":"user","content":"%b"}]}' % content
    )


def _values(value: bytes, count: int) -> bytes:
    return b'"x":[' + b",".join([value] * count) + b'],"image":1,'


KINDS: dict[str, Callable[[], bytes]] = {
    "English text": lambda: _chat(_repeated(b"The quick brown fox. ")),
    "text beyond Latin": lambda: _chat(_repeated("a\N{GRINNING FACE}".encode())),
    "escapes": lambda: _chat(_repeated(b"\\u4e2d", 11 * MIB) + _repeated(b"a", SIZE - 11 * MIB)),
    "halves of pairs": lambda: _chat(
        _repeated(b"\\ud83d\\ude00", 11 * MIB) + _repeated(b"a", SIZE - 11 * MIB)
    ),
    "commas": lambda: _chat(_repeated(b"a,")),
    "objects": lambda: _chat(_repeated(b"imag", SIZE - 2 * MIB), _values(b'{"a":1}', 240_000)),
    "numbers": lambda: _chat(_repeated(b"imag", SIZE - 4 * MIB), _values(b"1234567", 490_000)),
    "blanks": lambda: _chat(b"hi", _repeated(b" ")),
    "the marker of placeholders": lambda: _chat(_repeated(b"cdt")),
    "what looks like placeholders": lambda: _chat(_repeated(b"sk-cdt" + b"a" * 32 + b" ")),
}
ANSWERS: dict[str, Callable[[], bytes]] = {
    "English text": lambda: b'{"choices":[],"x":"' + _repeated(b"The quick brown fox. ", 31 * MIB) + b'"}',
    "lists": lambda: (
        b'{"choices":[],"x":[' + _repeated(b"[],", 31 * MIB) + b'[]],"usage":{"prompt_tokens":1}}'
    ),
}


class Asking:
    """Asks without a pause, from a thread of its own, for as long as the block lasts; ``longest_ms``."""

    def __init__(self, product: Product) -> None:
        self._connection = http.client.HTTPConnection(product.address, product.ports["gateway"], timeout=60)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.longest_ms = 0.0

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            began = time.perf_counter()
            self._connection.request("GET", "/no-such-provider")
            self._connection.getresponse().read()
            self.longest_ms = max(self.longest_ms, (time.perf_counter() - began) * 1000)
            time.sleep(0.002)


def holds(
    product: Product, provider: StandIn, host: str, url: str, headers: dict[str, str]
) -> Iterator[tuple[str, float]]:
    """What the body was, its status, the longest wait without it; and the longest beside it, in ms."""
    with Asking(product) as alone:
        time.sleep(ALONE_S)
    for kind, make in KINDS.items():
        body = make()
        with Asking(product) as others:
            status = httpx.post(url, headers=headers, content=body, timeout=120, trust_env=False).status_code
        yield (
            f"{SIZE // MIB} MiB of {kind}, request, {status} ({alone.longest_ms:.0f} alone)",
            others.longest_ms,
        )
    for kind, make in ANSWERS.items():
        provider.play(host, Answer(200, (("content-type", "application/json"),), (make(),)))
        with Asking(product) as others:
            status = httpx.post(
                url, headers=headers, content=_chat(b"hi"), timeout=120, trust_env=False
            ).status_code
        yield f"31 MiB of {kind}, answer, {status} ({alone.longest_ms:.0f} alone)", others.longest_ms
