"""Placeholders: what stands on a developer's machine instead of a key.

``<provider's own prefix> cdt <27 random characters> <5 characters of checksum>``, all base 62. The prefix
lets SDKs and tools accept it, the marker and checksum let us and secret scanners tell it without asking
anybody, the random part (160.7 bits) is what identifies it. Stored is only ``digest`` of it.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator

from vault.secret import Secret

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MARKER = "cdt"
"""In every placeholder: what a text without it need not be searched for."""
_RANDOM_LENGTH = 27  # 62**27 > 2**160
_CHECKSUM_LENGTH = 5

# How each provider's own keys begin, by the ids of genai-prices. Google's are 39 characters in all:
# AIza and 35 of [0-9A-Za-z_-]; clients of the others check no length.
_PREFIXES = {
    "anthropic": "sk-ant-api03-",
    "cerebras": "csk-",
    "fireworks": "fw_",
    "google": "AIza",
    "groq": "gsk_",
    "huggingface": "hf_",
    "openai": "sk-proj-",
    "openrouter": "sk-or-v1-",
    "perplexity": "pplx-",
    "replicate": "r8_",
    "x-ai": "xai-",
}
_OTHER_PREFIX = "sk-"

# It begins with what is rare, so that a long text is passed over at the speed of a search for that.
_CANDIDATE = re.compile(rf"{MARKER}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}(?![0-9A-Za-z])")
PATTERN = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    + "|".join(sorted({*_PREFIXES.values(), _OTHER_PREFIX}, key=len, reverse=True))
    + f"){_CANDIDATE.pattern}"
)
"""What a placeholder looks like; ``find`` also proves the checksum."""

_PREFIX_LENGTH_MAX = max(map(len, _PREFIXES.values()))
_CANDIDATE_LENGTH = len(MARKER) + _RANDOM_LENGTH + _CHECKSUM_LENGTH
# A search in so much at a time lets other threads run in between.
_PIECE = 1 << 20
# A text that holds more of what looks like a placeholder and is none was made to be slow to read.
CANDIDATES_MAX = 10_000


def issue(provider: str) -> Secret:
    """A new placeholder in the shape of ``provider``'s own keys."""
    prefix = _PREFIXES.get(provider, _OTHER_PREFIX)
    unchecked = prefix + MARKER + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return Secret(unchecked + _checksum(unchecked))


def is_placeholder(text: str) -> bool:
    """Whether this whole text is one of ours by form and checksum; says nothing of whether it is valid."""
    return (
        PATTERN.fullmatch(text) is not None
        and _checksum(text[:-_CHECKSUM_LENGTH]) == text[-_CHECKSUM_LENGTH:]
    )


def find(text: str) -> list[str]:
    """Every placeholder within a text, in order; after ``CANDIDATES_MAX`` the next is taken for one."""
    found: list[str] = []
    for number, candidate in enumerate(_candidates(text)):
        if number >= CANDIDATES_MAX:
            return [*found, candidate]
        if is_placeholder(candidate):
            found.append(candidate)
    return found


def _candidates(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        end = start + _PIECE
        for marked in _CANDIDATE.finditer(text, start, end + _CANDIDATE_LENGTH + 1):
            # One character more than the longest prefix tells whether the prefix begins a word.
            before = max(0, marked.start() - _PREFIX_LENGTH_MAX - 1)
            whole = PATTERN.search(text, before, marked.end()) if marked.start() < end else None
            if whole is not None:
                yield whole.group()


def digest(key: bytes, text: str) -> bytes:
    """The keyed digest (HMAC-SHA-256, 32 bytes) under which a placeholder is stored and looked up.

    Keyed, so that a stolen database cannot test guesses; looked up by equality of the digest, so that
    timing tells nothing of the text.
    """
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")


def _checksum(unchecked: str) -> str:
    number = int.from_bytes(hashlib.sha256(b"conduit placeholder v1\x00" + unchecked.encode()).digest())
    characters = []
    for _ in range(_CHECKSUM_LENGTH):
        number, at = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[at])
    return "".join(characters)
