"""Decodes an answer that came encoded though plain bytes were asked for, no further than a bound.

gzip and deflate alone: their decoder can be held to a length. Brotli and zstandard turn some hundred bytes
into gigabytes before anybody can stop them, and no provider uses either unasked.
"""

import zlib

# Longer than any stream of a language model, of which a piece is decoded at a time.
DECODED_BYTES_MAX = 64 * 1024 * 1024
# Of an answer that is decoded in one piece; some ten images.
HELD_DECODED_BYTES_MAX = 16 * 1024 * 1024
# JSON and events are packed 5 to 30 to 1; deflate's own limit is 1,032 to 1. Short answers may be all blanks.
RATIO_MAX = 100
RATIO_FREE_BYTES = 1024 * 1024


class Undecodable(ValueError):
    """The answer is not what its content-encoding says, or decodes to more than the bound."""


class Decoder:
    """Feed it the encoded chunks; what it gives are the plain ones, ``limit`` bytes in all at most."""

    def __init__(self, limit: int = DECODED_BYTES_MAX) -> None:
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._limit = limit
        self._came = self._given = 0

    def feed(self, chunk: bytes) -> bytes:
        """Decode one chunk; raises ``Undecodable``."""
        self._came += len(chunk)
        left = min(self._limit, RATIO_FREE_BYTES + self._came * RATIO_MAX) - self._given
        try:
            # One byte more than may come tells that there is more; 0 would mean without bound.
            decoded = self._zlib.decompress(chunk, left + 1)
        except zlib.error as error:
            raise Undecodable("the answer is not what its encoding says") from error
        if len(decoded) > left or self._zlib.unused_data:
            raise Undecodable("the answer decodes to too much, or more follows its end")
        self._given += len(decoded)
        return decoded


def is_plain(encoding: str) -> bool:
    """Whether this value of ``content-encoding`` encodes nothing."""
    return encoding.strip().lower() in {"", "identity"}


def decoder_for(encoding: str, limit: int = DECODED_BYTES_MAX) -> Decoder | None:
    """A decoder for this value of ``content-encoding``; ``None`` where there is none."""
    return Decoder(limit) if encoding.strip().lower() in {"gzip", "x-gzip", "deflate"} else None


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
