"""What the body of a request holds, as objects to look at, whatever it is wrapped in.

JSON, JSON in a text, a form, a form with files, a message of Connect, and the query of a GET. Each is read as
far as bounds say, and what cannot be read holds nothing: this is for evidence, and decides nothing else.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import parse_qsl

from policy.wrapped_json import may_wrap, unwrapped

BODY_BYTES_MAX = 1024 * 1024
WRAPPING_MAX = 5
NODES_MAX = 400
FIELDS_MAX = 100
FIELD_BYTES_MAX = 16_384
OBJECTS_WITH_MEDIA_MAX = 16
FILE_LENGTH_MIN = 64
RPC_TYPES = ("application/grpc", "application/connect+proto", "application/connect+json")

type Document = Mapping[str, object]

_PART_NAME = re.compile(rb'name="([^"]{1,80})"')
_FILE_NAME = re.compile(rb'filename="([^"]{0,200})"')
_SOUND_NAMES = (b".wav", b".mp3", b".ogg", b".flac", b".m4a", b".webm", b".opus", b".aac", b".mp4", b".mpga")
_PICTURE_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF")
# The same in base64, and as data URLs.
_PICTURE_TEXTS = ("data:image/", "iVBOR", "/9j/", "R0lGOD", "JVBER")
_SOUND_BEGINNINGS = (b"ID3", b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"\xff\xfb", b"\xff\xf3", b"#!AMR")


@dataclass(slots=True)
class Asked:
    """A request's objects with how deep each lay, or its plain text.

    ``document`` is the whole of a body of JSON that is not called a form. ``sound`` and ``picture`` are
    whether those came.
    """

    objects: list[tuple[Document, int]] = field(default_factory=list)
    document: object = None
    readable: bool = True
    sound: bool = False
    picture: bool = False
    text: str = ""


def read_request(body: bytes, content_type: str, query: str) -> Asked:
    """Read a request. ``query`` is what follows the question mark of its path. Never raises."""
    asked = Asked()
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        asked.objects = list(_objects(_form(body[:BODY_BYTES_MAX], content_type, asked)))
    elif media_type == "application/x-www-form-urlencoded":
        asked.objects = list(_objects(_fields(body)))
    elif body:
        document = asked.document = loads(_unframed(body, media_type))
        asked.readable = document is not None
        if document is None and media_type == "text/plain":
            asked.text = body[:FIELD_BYTES_MAX].decode("utf-8", "replace")
        asked.sound = is_sound(media_type, body)
        asked.objects = list(_objects(document))
        if isinstance(document, list) and any(isinstance(each, str) for each in document[:8]):
            asked.objects.append(({"data": document}, 0))
    asked.picture = asked.picture or any(
        _holds_picture(found) for found, _ in asked.objects[:OBJECTS_WITH_MEDIA_MAX]
    )
    if query:
        asked.objects.append((_fields(query[:FIELD_BYTES_MAX].encode("utf-8", "replace")), 1))
    return asked


def loads(body: bytes) -> object:
    """The document in these bytes; ``None`` for what is none, or too long."""
    if len(body) > BODY_BYTES_MAX or body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def is_sound(media_type: str, start: bytes) -> bool:
    """Whether these are the first bytes of sound, by their type or by their own mark."""
    wave = start[:4] == b"RIFF" and start[8:12] == b"WAVE"
    return media_type.startswith("audio/") or wave or start.startswith(_SOUND_BEGINNINGS)


def _holds_picture(found: Document) -> bool:
    values = islice(found.values(), FIELDS_MAX)
    return any(
        isinstance(value, str) and value.startswith(_PICTURE_TEXTS) and len(value) > FILE_LENGTH_MIN
        for value in values
    )


def _unframed(body: bytes, media_type: str) -> bytes:
    """The first message of a Connect or gRPC body: flag, four bytes of length, message."""
    if media_type.startswith(RPC_TYPES) and len(body) > 5 and body[:1] == b"\0":
        return body[5 : 5 + int.from_bytes(body[1:5])]
    return body


def _fields(body: bytes) -> dict[str, object]:
    try:
        return dict(parse_qsl(body[:BODY_BYTES_MAX].decode("utf-8", "replace"), max_num_fields=FIELDS_MAX))
    except ValueError:
        return {}


def _form(body: bytes, content_type: str, asked: Asked) -> dict[str, object]:
    """The fields of a form with files, leniently: a browser's form is only looked at here."""
    _, found, boundary = content_type.partition("boundary=")
    mark = b"--" + boundary.partition(";")[0].strip(' "').encode("latin-1", "replace")
    fields: dict[str, object] = {}
    for part in body.split(mark, FIELDS_MAX)[1:] if found and len(mark) > 2 else ():
        head, blank, value = part.partition(b"\r\n\r\n")
        name, file = _PART_NAME.search(head[:1024]), _FILE_NAME.search(head[:1024])
        if not blank or name is None:
            continue
        if file is None:
            fields[name[1].decode("utf-8", "replace")] = (
                value[:FIELD_BYTES_MAX].strip().decode("utf-8", "replace")
            )
        else:
            named = file[1].lower().endswith(_SOUND_NAMES) or b"type: audio/" in head.lower()
            asked.sound = asked.sound or named or is_sound("", value[:16])
            asked.picture = asked.picture or value.startswith(_PICTURE_BEGINNINGS)
    return fields


def _objects(document: object) -> Iterator[tuple[Document, int]]:
    """Objects to look at: the document, then what it wraps, texts of JSON unpacked once."""
    pending = deque([(document, 0)])
    for _ in range(NODES_MAX):
        if not pending:
            return
        node, depth = pending.popleft()
        if isinstance(node, str):
            node = unwrapped(node)
        if isinstance(node, dict):
            yield node, depth
        if depth < WRAPPING_MAX and isinstance(node, dict | list):
            inner = node.values() if isinstance(node, dict) else node
            values = ((value, depth + 1) for value in inner if may_wrap(value))
            pending.extend(islice(values, NODES_MAX))
