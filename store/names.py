"""Names of tenants, users, teams and credentials as somebody stated them."""

import unicodedata

from store.errors import InvalidRecord

NAME_CHARACTERS_MAX = 200
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def stated_name(text: str, what: str) -> str:
    """``text`` itself, as the name of ``what`` ("a tenant"); raises ``InvalidRecord`` where it is none."""
    if not text.strip():
        raise InvalidRecord(f"{what} has a name")
    if len(text) > NAME_CHARACTERS_MAX:
        raise InvalidRecord(f"the name of {what} has at most {NAME_CHARACTERS_MAX} characters")
    if text != text.strip() or not is_printable(text):
        raise InvalidRecord(f"the name of {what} has no blank at its ends, and only what can be printed")
    return text


def is_printable(text: str) -> bool:
    """Whether no character of it controls a terminal, ends a line or is half of one; joiners may stand."""
    return not any(unicodedata.category(each) in _UNPRINTABLE for each in text)
