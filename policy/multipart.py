"""A form of fields and files (RFC 7578, multipart/form-data), read strictly and in one pass.

Two readers must find the same fields in it, so what parsers differ on is refused: a preamble, padding behind
a boundary, bare line feeds, parameters by a second spelling, encoded parts. Files are not looked into.
"""

import re

PARTS_MAX = 1_000
HEAD_BYTES_MAX = 4_096

_BOUNDARY = re.compile(
    r"""(?i)multipart/form-data\s*;\s*boundary=(?:"([^"\\]{1,70})"|([^\s;,"]{1,70}))\s*\Z"""
)
_PARAMETER = re.compile(rb';[ \t]*([A-Za-z]+\*?)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))[ \t]*')
_FORM_DATA = b"form-data"


class AmbiguousForm(ValueError):
    """A form that two readers could take for different ones; its text is one sentence for the caller."""


def is_form(content_type: str) -> bool:
    """Whether this says that the body is a form with files."""
    return content_type.lstrip().lower().startswith("multipart/")


def fields_named(wanted: str, body: bytes, content_type: str) -> list[bytes]:
    """The values of the fields of that name, in their order; raises ``AmbiguousForm``."""
    found = _BOUNDARY.match(content_type.strip())
    if found is None:
        raise AmbiguousForm("The content type of a form is multipart/form-data with a boundary.")
    mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    preamble, *parts = (b"\r\n" + body).split(mark, PARTS_MAX + 1)
    if preamble or not parts or parts.pop()[:2] != b"--":
        raise AmbiguousForm("The form does not begin and end with its boundary, or has too many parts.")
    values = []
    for part in parts:
        name, value = _read(part)
        if name == wanted.encode():
            values.append(value)
    return values


def _read(part: bytes) -> tuple[bytes, bytes]:
    end = part.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
    if not part.startswith(b"\r\n") or end < 0:
        raise AmbiguousForm("A part of the form has no readable head.")
    names = []
    for line in part[2:end].split(b"\r\n"):
        header, colon, value = line.partition(b":")
        kind = header.lower()
        if not colon or b"\n" in line or b"\r" in line or kind != kind.strip():
            raise AmbiguousForm("A header in the form cannot be read in one way.")
        if kind == b"content-transfer-encoding" and value.strip().lower() not in {
            b"binary",
            b"8bit",
            b"7bit",
        }:
            raise AmbiguousForm("A part of the form is encoded; send it as it is.")
        if kind == b"content-disposition":
            names.append(_name(value.strip()))
    if len(names) != 1:
        raise AmbiguousForm("Each part of the form has one name.")
    return names[0], part[end + 4 :]


def _name(disposition: bytes) -> bytes:
    position, found = len(_FORM_DATA), {}
    if disposition[:position].lower() != _FORM_DATA:
        raise AmbiguousForm("A part of the form is no field of it.")
    while position < len(disposition):
        match = _PARAMETER.match(disposition, position)
        if match is None or match[1].lower() in found:
            raise AmbiguousForm("The name of a field cannot be read in one way.")
        found[match[1].lower()] = match[3] if match[2] is None else match[2]
        position = match.end()
    if b"name" not in found or b"name*" in found or b"\\" in found[b"name"]:
        raise AmbiguousForm("The name of a field cannot be read in one way.")
    return found[b"name"]
