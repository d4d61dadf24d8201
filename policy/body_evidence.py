"""What a request body says: the shapes of AI requests by their types and values, never by key names alone."""

import re

from policy.conversations import role_of
from policy.field_names import words
from policy.hints import NONE, Hint, best
from policy.question_evidence import Question, question_hint
from policy.request_documents import BODY_BYTES_MAX, Asked, Document
from policy.request_families import FULL, PARTIAL, family_hint, knows_model

# A statement that asks a model: nothing but that is called so, and alone it is suspect.
STATEMENT = Hint(52, "statement that asks a model")
# Sound, and how it is to be written down or spoken again.
SOUND_TO_WORDS = 30
UNLIKE = -30
BEGINNING_BYTES = 65_536

# Bounded, or a value that repeats the word would be read as often as it does.
_MULTIPART_MODEL = re.compile(
    rb'name="model"\r\n\r\n(?:whisper|gpt-4o|voxtral|[\w./-]{0,80}whisper)[\w./-]{0,80}\r\n'
)
_CHAT_PRODUCT = frozenset({"ts", "channel", "thread", "from", "author_id", "html"})
_BEGINNINGS = (
    re.compile(rb'"messages"\s*:\s*\[\s*\{(?=[^}]{0,400}"role"\s*:\s*"(?:system|developer|user|assistant)")'),
    re.compile(rb'"contents"\s*:\s*\[\s*\{(?=[^]]{0,400}"parts"\s*:)'),
    re.compile(rb'"model"\s*:\s*"[^"]{1,200}"\s*,\s*"(?:input|prompt)"\s*:'),
)
_SOUND_SETTINGS = words(
    """
    task language output response_format diarize word_timestamps vad_filter model_id voice_settings
    model timestamp_granularities[] initial_prompt beam_size encode speaker_labels punctuate
    smart_format language_code transcription_config config min_speakers max_speakers detect_language
    translate prompt temperature voice_id
    """
)


def body_hints(asked: Asked, question: Question, body: bytes, content_type: str) -> list[Hint]:
    """Hints of a request body: the best one, and one that speaks against, if there is any."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data" and _MULTIPART_MODEL.search(body[:BODY_BYTES_MAX]):
        return [Hint(FULL, "form with a transcription model")]
    if not asked.readable:
        return [best([_beginning(body), _sound_hint(asked)])]
    hints = [family_hint(found, depth) for found, depth in asked.objects]
    hints.append(question_hint(question, any(knows_model(found) for found, _ in asked.objects)))
    hints += [_sound_hint(asked), STATEMENT if "statement" in question.signs else NONE]
    unlike = min((_unlike(found) for found, _ in asked.objects), default=NONE)
    return [best(hints), *([unlike] if unlike.points else [])]


def _beginning(body: bytes) -> Hint:
    """A body too long to read, or cut off: what its beginning looks like, so that padding hides less."""
    start = body[:BEGINNING_BYTES]
    if start.lstrip()[:1] == b"{" and any(pattern.search(start) for pattern in _BEGINNINGS):
        return Hint(PARTIAL, "beginning of an AI request's body")
    return NONE


def _sound_hint(asked: Asked) -> Hint:
    """Sound with settings of recognition or of a voice; sound alone is a recording."""
    if asked.sound and any(_SOUND_SETTINGS & found.keys() for found, _ in asked.objects):
        return Hint(SOUND_TO_WORDS, "sound with settings of recognition or of a voice")
    return NONE


def _unlike(found: Document) -> Hint:
    """What chat products, shops and search engines have, and AI APIs have not."""
    messages = found.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    if (
        isinstance(first, dict)
        and "role" not in first
        and not role_of(first)
        and _CHAT_PRODUCT & first.keys()
    ):
        return Hint(UNLIKE, "messages of a chat or mail product")
    if "model" in found and {"price", "sku", "vin", "year"} & found.keys():
        return Hint(UNLIKE, "model of goods")
    if "query" in found and {"hits", "_source", "aggs"} & found.keys():
        return Hint(UNLIKE, "query of a search engine")
    return NONE
