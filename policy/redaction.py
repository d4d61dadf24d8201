"""A known secret is scrubbed by value from an answer as it flows, across chunk borders and in its encodings.

The bytes of the secret become as many asterisks, so lengths stay as announced. It knows only the forms that
echoes take in practice: as it is, base64 at any alignment, percent-encoded, JSON-escaped, hexadecimal.
"""

import binascii
import re
from urllib.parse import quote_from_bytes

from policy.head import Fields

# A form shorter than this would scrub what only looks like the secret.
FORM_BYTES_MIN = 8
_PREFIX = 4
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_RESERVED = re.compile(rb"[^A-Za-z0-9_.~-]")


class Scrubber:
    """Feed it an answer's body in chunks; what it gives holds no form of the secret.

    A chunk is held back only from where it may be the beginning of the secret, so events are not delayed.
    ``found`` tells whether anything was scrubbed.
    """

    __slots__ = ("_forms", "_held", "_longest", "_pattern", "_prefixes", "_short_prefixes", "found")

    def __init__(self, secret: bytes) -> None:
        self._forms = _forms(secret)
        self._longest = max(map(len, self._forms), default=1)
        self._prefixes = tuple({form[:_PREFIX] for form in self._forms})
        self._short_prefixes = tuple({p[:length] for p in self._prefixes for length in range(1, _PREFIX)})
        self._pattern: re.Pattern[bytes] | None = None
        self._held = b""
        self.found = False

    def feed(self, chunk: bytes) -> bytes:
        """Scrub a chunk; gives what can be let go."""
        if self._held:
            chunk = self._held + chunk
            self._held = b""
        for form in self._forms:
            if form in chunk:
                chunk = self._scrubbed(chunk)
                break
        start = self._partial(chunk)
        if start < len(chunk):
            self._held = chunk[start:]
            return chunk[:start]
        return chunk

    def finish(self) -> bytes:
        """The answer has ended: give what was held, which did not become the secret."""
        held, self._held = self._held, b""
        return held

    def holds(self, text: bytes) -> bool:
        """Whether any form of the secret stands in a text that is complete in itself."""
        return any(form in text for form in self._forms)

    def whole(self, text: bytes) -> bytes:
        """Scrub a text that stands by itself, such as a header."""
        return self._scrubbed(text) if self.holds(text) else text

    def _scrubbed(self, text: bytes) -> bytes:
        self.found = True
        if self._pattern is None:
            self._pattern = re.compile(b"|".join(map(re.escape, self._forms)))
        return self._pattern.sub(lambda match: b"*" * len(match.group()), text)

    def _partial(self, text: bytes) -> int:
        """Where the last bytes of ``text`` may begin a form; its length where they do not."""
        tail = text[1 - self._longest :] if self._longest > 1 else b""
        offset = len(text) - len(tail)
        first = len(tail)
        for prefix in self._prefixes:
            position = tail.find(prefix)
            while 0 <= position < first:
                rest = tail[position:]
                if any(form.startswith(rest) for form in self._forms):
                    first = position
                position = tail.find(prefix, position + 1)
        if first == len(tail) and tail.endswith(self._short_prefixes):
            first -= max(length for length in range(1, _PREFIX) if tail.endswith(self._of_length(length)))
        return offset + first

    def _of_length(self, length: int) -> tuple[bytes, ...]:
        return tuple(prefix for prefix in self._short_prefixes if len(prefix) == length)


def scrub_headers(fields: Fields, scrubber: Scrubber) -> Fields:
    """Header fields without the secret, in names or values; the same object where it is in none."""
    together = b"\n".join([part for field in fields for part in field])
    if not scrubber.holds(together):
        return fields
    return tuple((scrubber.whole(name), scrubber.whole(value)) for name, value in fields)


def _forms(secret: bytes) -> tuple[bytes, ...]:
    """The texts that stand for the secret, the longest first, so that no shorter one matches inside it."""
    if not secret:
        return ()
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for alignment in range(3):
        core = _base64_core(secret, alignment)
        forms |= {core, core.translate(_URL_SAFE)}
    for code in (secret.hex(" "), secret.hex(" ").upper()):
        # Every character escaped, as in a URL and as in JSON.
        forms |= {
            f"%{code.replace(' ', '%')}".encode(),
            f"\\u00{code.replace(' ', chr(92) + 'u00')}".encode(),
        }
    if _RESERVED.search(secret):
        percent = quote_from_bytes(secret, safe="").encode()
        forms |= {percent, re.sub(rb"%[0-9A-F]{2}", lambda match: match.group().lower(), percent)}
        forms |= {secret.replace(b"/", b"\\/"), secret.replace(b"+", b"\\u002b")}
    kept = [form for form in forms if len(form) >= FORM_BYTES_MIN or form == secret]
    return tuple(sorted(kept, key=len, reverse=True))


def _base64_core(secret: bytes, alignment: int) -> bytes:
    """The characters of base64 that depend on the secret alone, wherever in a longer text it stands."""
    encoded = binascii.b2a_base64(b"\x00" * alignment + secret, newline=False)
    return encoded[-(-alignment * 8 // 6) : (alignment + len(secret)) * 8 // 6]
