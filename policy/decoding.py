"""Decodes an answer that came encoded though plain bytes were asked for, no further than a bound.

gzip and deflate alone: their decoder can be held to a length. Brotli and zstandard turn some hundred bytes
into gigabytes before anybody can stop them, and no provider uses either unasked.
"""

import zlib

# Longer than any answer of a language model; at 1,000 to 1, 64 KiB of gzip reach it.
DECODED_BYTES_MAX = 64 * 1024 * 1024


class Undecodable(ValueError):
    """The answer is not what its content-encoding says, or decodes to more than the bound."""


class Decoder:
    """Feed it the encoded chunks; what it gives are the plain ones."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._left = DECODED_BYTES_MAX

    def feed(self, chunk: bytes) -> bytes:
        """Decode one chunk; raises ``Undecodable``."""
        try:
            decoded = self._zlib.decompress(chunk, self._left)
        except zlib.error as error:
            raise Undecodable("the answer is not what its encoding says") from error
        self._left -= len(decoded)
        if self._left <= 0 or self._zlib.unused_data:
            raise Undecodable("the answer decodes to too much, or more follows its end")
        return decoded


def is_plain(encoding: str) -> bool:
    """Whether this value of ``content-encoding`` encodes nothing."""
    return encoding.strip().lower() in {"", "identity"}


def decoder_for(encoding: str) -> Decoder | None:
    """A decoder for this value of ``content-encoding``; ``None`` where there is none."""
    return Decoder() if encoding.strip().lower() in {"gzip", "x-gzip", "deflate"} else None


def beginning(encoding: str, encoded: bytes, length_max: int) -> bytes:
    """The first plain bytes of an answer of which only the beginning may have come. Never raises.

    Empty where nothing can be decoded; no more than ``length_max`` bytes are, whatever they stand for.
    """
    if is_plain(encoding):
        return encoded[:length_max]
    if decoder_for(encoding) is None:
        return b""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(encoded, length_max)
    except zlib.error:
        return b""
