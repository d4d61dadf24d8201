"""What a path alone says: the tails that AI APIs answer on, behind whatever prefix."""

import re
from functools import lru_cache
from posixpath import normpath
from urllib.parse import unquote

from policy.hints import NONE, Hint, best

STRONG, MEDIUM, WEAK = 35, 20, 8
DISGUISE = 5

# One tail a line; `*` is any one segment. From the products' own API references.
_STRONG = """
gradio_api/call/* gradio_api/call/*/*
chat/completions
models/*:generatecontent models/*:streamgeneratecontent models/*:embedcontent models/*:batchembedcontents
models/*:counttokens models/*:bidigeneratecontent v1internal:generatecontent v1internal:streamgeneratecontent
publishers/*/models/*:rawpredict publishers/*/models/*:streamrawpredict publishers/*/models/*:predict
model/*/converse model/*/converse-stream model/*/invoke model/*/invoke-with-response-stream
v1/messages/count_tokens v1/messages/batches v1/audio/transcriptions v1/audio/speech v1/images/generations
backend-api/codex/responses sdapi/v1/txt2img sdapi/v1/img2img api/v0/chat/completions
"""
_MEDIUM = """
v1/messages v1/completions v1/engines/*/completions v1/fim/completions v1/beta/completions
v1/embeddings api/embed api/embeddings v1/rerank v2/rerank v1/models v1/images/edits v1/moderations
v1/realtime v1/assistants v1/threads/*/runs v1/threads/runs openai/v1/responses
v1beta/interactions v1beta/interactions/* models/*/*/predictions deployments/*/*/predictions
api/generate api/chat api/tags api/ps api/pull api/show generate_stream
v2/models/*/generate v2/models/*/generate_stream api/v1/chat v1/responses/compact v1/responses/input_tokens
v2/transcript v1/listen v1/text-to-speech/* v1/text-to-speech/*/stream v1/predictions fal-ai/*
backend-api/conversation backend-anon/conversation api/organizations/*/chat_conversations/*/completion
v1/chat-messages v1/completion-messages v3/chat api/public/ingestion v1/complete completion infill
gradio_api/queue/join gradio_api/queue/data gradio_api/run/*
api/v1/generate api/extra/generate/stream api/v1/completions
"""
_WEAK = """
v1/responses responses generate embed rerank invocations endpoints/*/invocations v2/models/*/infer
v2/chat v1/chat prompt queue props slots tokenize info mcp sse embeddings
tts text-to-speech synthesize speech-to-text asr transcribe inference v1/files v1/batches
"""


def path_hint(path: str) -> Hint:
    """The best hint of a path as it came, which is decoded once and stripped of dot segments first."""
    return _path_hint(path.split("?", 1)[0][:2048])


@lru_cache(maxsize=4096)
def _path_hint(path: str) -> Hint:
    plain = _tail_hint(path)
    decoded = _canonical(path)
    if decoded == path:
        return plain
    hint = _tail_hint(decoded)
    if hint.points > plain.points:
        return Hint(hint.points + DISGUISE, f"{hint.reason}, disguised")
    return plain


def _tail_hint(path: str) -> Hint:
    segments = tuple(segment for segment in path.lower().split("/") if segment)
    hints = []
    for last in {segments[-1], segments[-1].rpartition(":")[2], "*"} if segments else ():
        for tail, hint in _TAILS.get(last, ()):
            if _ends_with(segments, tail):
                hints.append(hint)
    return best(hints) if hints else NONE


def _canonical(path: str) -> str:
    decoded = unquote(path)
    return "/" + re.sub(r"/+", "/", normpath(re.sub(r";[^/]*", "", decoded))).strip("/")


def _ends_with(segments: tuple[str, ...], tail: tuple[str, ...]) -> bool:
    if len(segments) < len(tail):
        return False
    ending = segments[len(segments) - len(tail) :]
    return all(_fits(segment, wanted) for segment, wanted in zip(ending, tail, strict=True))


def _fits(segment: str, wanted: str) -> bool:
    if wanted.startswith("*:"):
        return segment.endswith(wanted[1:])
    return wanted in ("*", segment)


def _table() -> dict[str, list[tuple[tuple[str, ...], Hint]]]:
    table: dict[str, list[tuple[tuple[str, ...], Hint]]] = {}
    for words, points in ((_STRONG, STRONG), (_MEDIUM, MEDIUM), (_WEAK, WEAK)):
        for word in words.split():
            tail = tuple(word.split("/"))
            last = tail[-1].rpartition(":")[2]
            table.setdefault(last, []).append((tail, Hint(points, f"path /{word}")))
    return table


_TAILS = _table()
