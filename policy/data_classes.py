"""Which classes of sensitive data a request carries: counted by name, never quoted.

Forms with a check digit, or a vendor's own prefix, so that a hit means something: e-mail addresses (RFC 5321
in its common form), payment cards (ISO/IEC 7812, Luhn), IBANs (ISO 13616, modulo 97), private keys (RFC
7468) and provider keys. Every pattern is linear in the length of the text.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from itertools import islice

from policy.provider_keys import holds_provider_key

# Of a longer body the beginning is looked at: a class that stands nowhere in it is rare behind it.
SEARCHED_BYTES_MAX = 64 * 1024
# More candidates than this of one class tell nothing new.
CANDIDATES_MAX = 200


class DataClass(StrEnum):
    """A kind of data that an organisation wants to know about when it leaves."""

    EMAIL = "email"
    IBAN = "iban"
    PAYMENT_CARD = "payment-card"
    PRIVATE_KEY = "private-key"
    SECRET = "secret"  # noqa: S105 - a class of data


_EMAIL = re.compile(
    rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,5}\.[A-Za-z]{2,24}\b"
)
_CARD = re.compile(rb"(?<![0-9.-])[2-6][0-9]{3}(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,7}(?![0-9.-])")
_IBAN = re.compile(
    rb"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
_PRIVATE_KEY = b"PRIVATE KEY-----"


def classes_in(body: bytes) -> tuple[DataClass, ...]:
    """The classes that stand in the text of a body, in alphabetical order. Never raises."""
    text = body[:SEARCHED_BYTES_MAX]
    found = []
    if b"@" in text and _EMAIL.search(text):
        found.append(DataClass.EMAIL)
    if _any(_IBAN, text, _is_iban):
        found.append(DataClass.IBAN)
    if _any(_CARD, text, _is_card):
        found.append(DataClass.PAYMENT_CARD)
    if _PRIVATE_KEY in text:
        found.append(DataClass.PRIVATE_KEY)
    if holds_provider_key(text):
        found.append(DataClass.SECRET)
    return tuple(found)


def _any(form: re.Pattern[bytes], text: bytes, proves: Callable[[bytes], bool]) -> bool:
    return any(proves(match.group()) for match in islice(form.finditer(text), CANDIDATES_MAX))


def _is_card(candidate: bytes) -> bool:
    """Luhn's check (ISO/IEC 7812-1 annex B), over the lengths that networks issue."""
    digits = [byte - 48 for byte in candidate if 48 <= byte <= 57]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [
        digit * 2 - 9 * (digit > 4) if place % 2 else digit for place, digit in enumerate(digits[::-1])
    ]
    return sum(doubled) % 10 == 0


def _is_iban(candidate: bytes) -> bool:
    """ISO 7064 modulo 97-10 over the rearranged number."""
    compact = candidate.replace(b" ", b"").decode("ascii")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1
