"""What a request body says: the shapes of AI requests by their types and values, never by key names alone."""

import re

from policy.conversations import role_of
from policy.field_names import words
from policy.hints import NONE, Hint, best
from policy.question_evidence import Question, question_hint
from policy.request_documents import BODY_BYTES_MAX, RPC_TYPES, Asked, Document, loads
from policy.request_families import FULL, PARTIAL, family_hint, knows_model

SAMPLING_CALL = 60
MCP_CALL = 25
# A2A's own methods with a message in parts: an agent is asked (a2a-protocol.org, "Protocol RPC Methods").
AGENT_CALL = 40
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
# No sets: a method may be anything, also a list, which no set can be asked for.
_MCP_METHODS = (
    *("initialize", "tools/list", "tools/call", "resources/list", "resources/read"),
    *("prompts/list", "prompts/get"),
)
_A2A_METHODS = ("message/send", "message/stream", "tasks/send", "tasks/sendSubscribe", "SendMessage")
_RPC_SERVICE = re.compile(r"(?i)chat|generat|complet|inference|embed|llm|agent")
_RPC_METHOD = re.compile(r"(?i)chat|generate|complet|infer|embed|stream")
_FRAME_ROLES = re.compile(rb"\b(?:assistant|system prompt|user_message|claude-|gpt-|gemini-|llama)")
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


def rpc_hint(path: str, content_type: str, asked: Asked, body: bytes) -> Hint:
    """gRPC, gRPC-web and Connect by method and words in the frame; MCP and A2A by their methods."""
    if content_type.startswith(RPC_TYPES):
        *_, service, called = ("", *path.rsplit("/", 2))
        worded = bool(_RPC_SERVICE.search(service) and _RPC_METHOD.search(called))
        worded = worded and _FRAME_ROLES.search(body[:65536]) is not None
        return Hint(FULL, "remote call with AI words in method and frame") if worded else NONE
    if not asked.readable or b'"jsonrpc"' not in body[:BODY_BYTES_MAX]:
        return NONE
    # Programs call JSON a form where they were not told what it is.
    document = loads(body) if asked.document is None else asked.document
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        return NONE
    method = document.get("method")
    if method == "sampling/createMessage" or _is_sampled(document.get("result")):
        return Hint(SAMPLING_CALL, "MCP asks for a model's answer")
    if method in _MCP_METHODS:
        return Hint(MCP_CALL, "MCP method")
    parameters = document.get("params")
    message = parameters.get("message") if isinstance(parameters, dict) else None
    if method in _A2A_METHODS and isinstance(message, dict) and isinstance(message.get("parts"), list):
        return Hint(AGENT_CALL, "A2A message to an agent")
    return NONE


def _is_sampled(result: object) -> bool:
    """The client's answer to ``sampling/createMessage``: what its model said (MCP, "Sampling")."""
    return (
        isinstance(result, dict)
        and result.get("role") == "assistant"
        and isinstance(result.get("model"), str)
        and isinstance(result.get("content"), dict | list)
    )


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
