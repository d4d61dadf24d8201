"""Whether a text is language, as people and models write it: told by its words, in any script.

Nothing here knows a language. Each test looks at the first ``LOOKED_AT`` characters, once.
"""

import re
from collections.abc import Iterator

LOOKED_AT = 2_000
# Fewer words are a label, a name or a search term.
WORDS_MIN = 4
# Scripts without blanks between words: so many characters are about a word.
CHARACTERS_OF_A_WORD = 2
LETTERS_SHARE_MIN = 0.6
# What is shared by question and answer must be a word of content: longer than most articles and pronouns.
CONTENT_WORD = 5
# Words of one family are taken for one ("opening", "open"): so many first letters are compared.
STEM = 5
# A text is the other again where it has about its length, and nearly all of its words.
ECHO_LENGTHS, ECHO_SHARE, ECHO_WORDS_MIN = (0.7, 1.5), 0.9, 4
# Of a list, or of a row, so many texts are looked at.
TEXTS_MAX = 8
# Code has more of these than sentences have.
CODE_MARKS, CODE_MARKS_MIN, CODE_MARKS_SHARE_MAX = "(){}[]=<>;_", 4, 0.05

# CJK, kana, hangul and Thai, whose words stand without blanks (hangul has them, and few letters a word).
_DENSE = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[^\W\d_{_DENSE}]+(?:['’-][^\W\d_{_DENSE}]+)*")
_DENSE_LETTER = re.compile(f"[{_DENSE}]")
_DENSE_PAIR = re.compile(f"(?=([{_DENSE}]{{2}}))")
_MACHINE_BEGINNINGS = ("http://", "https://", "data:", "<", "{", "[", "/", "-----BEGIN")
# Languages of databases and of GraphQL, whose words are words too.
_MACHINE_LANGUAGE = re.compile(
    r"(?i)(?:select|insert into|update|delete from|with|create|query|mutation|subscription)\b"
    r"[^.?!]{0,300}?(?:[({=*]|\bfrom\b)"
)
_QUESTION_MARKS = ("?", "？", "؟", ";?")


def word_count(text: str) -> int:
    """How many words a text has, or about as many where the script does not part them."""
    start = text[:LOOKED_AT]
    dense = 0 if start.isascii() else len(_DENSE_LETTER.findall(start))
    return len(_WORD.findall(start)) + dense // CHARACTERS_OF_A_WORD


def is_prose(text: str, words_min: int = WORDS_MIN) -> bool:
    """Whether a text is language rather than a name, an address, code, a number or markup."""
    start = text[:LOOKED_AT].strip()
    if len(start) < words_min or start.startswith(_MACHINE_BEGINNINGS):
        return False
    if start.isascii() and start.count(" ") < words_min - 1:
        return False
    letters = sum(map(str.isalpha, start)) + start.count(" ")
    if letters < LETTERS_SHARE_MIN * len(start) or (start.isascii() and start.isupper()):
        return False
    marks = sum(map(start.count, CODE_MARKS))
    if marks >= CODE_MARKS_MIN and marks > CODE_MARKS_SHARE_MAX * len(start):
        return False
    return word_count(start) >= words_min and _MACHINE_LANGUAGE.match(start) is None


def is_question(text: str) -> bool:
    """Whether a text asks with a question mark at its end, or in it before more is said."""
    end = text.rstrip()[-200:]
    return any(mark in end for mark in _QUESTION_MARKS)


def shared_words(question: str, answer: str) -> int:
    """How many words of content question and answer share; pairs of characters where words are not parted."""
    return len(_content(question) & _content(answer))


def is_echo(text: str, asked: str) -> bool:
    """Whether a text is what was said before, as it was or in another form of about the same length."""
    if text.strip() in asked:
        return True
    words = _content(text)
    if len(words) < ECHO_WORDS_MIN or not ECHO_LENGTHS[0] * len(text) < len(asked) < ECHO_LENGTHS[1] * len(
        text
    ):
        return False
    return len(words & _content(asked)) >= ECHO_SHARE * len(words)


def texts_in(value: object) -> Iterator[str]:
    """A text, or those in a list or in the rows of a table; a few of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value[:TEXTS_MAX]:
            if isinstance(each, str):
                yield each
            elif isinstance(each, list):
                yield from (text for text in each[:TEXTS_MAX] if isinstance(text, str))


def _content(text: str) -> set[str]:
    start = text[:LOOKED_AT].lower()
    words = {word[:STEM] for word in _WORD.findall(start) if len(word) >= CONTENT_WORD}
    return words if start.isascii() else words | set(_DENSE_PAIR.findall(start))
