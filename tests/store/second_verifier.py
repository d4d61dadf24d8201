"""A second verifier of exports, written apart from ``store``: it shares no code with it, only the formats.

The tree is computed by the recursive definition of RFC 6962, 2.1, the note is parsed by hand. Entries are
told apart by type: the bytes of a text, or, of one that was deleted, a ``Leaf``.
"""

import base64
import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Leaf(bytes):
    """The hash of an entry whose text is gone."""


def leaf_of(entry: bytes) -> bytes:
    return bytes(entry) if isinstance(entry, Leaf) else hashlib.sha256(b"\0" + entry).digest()


def tree_hash(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, from the entries themselves."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return leaf_of(entries[0])
    middle = 1
    while middle * 2 < len(entries):
        middle *= 2
    return hashlib.sha256(b"\1" + tree_hash(entries[:middle]) + tree_hash(entries[middle:])).digest()


def accepts(path: Path, public_key: str) -> bool:
    """Whether the export is whole and signed by ``public_key`` (``name+id+base64``)."""
    try:
        return _accepts(path, public_key)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _accepts(path: Path, public_key: str) -> bool:
    lines = path.read_bytes().split(b"\n")
    if len(lines) < 2 or lines[-1]:
        return False
    last = json.loads(lines[-2])
    note = last["checkpoint"].encode()
    tenant = UUID(last["tenant_id"])
    entries = [_entry(line, number) for number, line in enumerate(lines[:-2], 1)]
    if last != {"checkpoint": note.decode(), "key": public_key, "tenant_id": str(tenant)}:
        return False
    return (
        _dump(last) == lines[-2]
        and _signed(note, public_key, tenant, entries)
        and _linked(lines[:-2], entries, tenant)
        and _allowed(entries, public_key, tenant)
    )


def _allowed(entries: list[bytes], public_key: str, tenant: UUID) -> bool:
    """Whether texts are missing at the beginning alone, and an act proves that they were old enough."""
    gone = sum(isinstance(entry, Leaf) for entry in entries)
    if any(isinstance(entry, Leaf) for entry in entries[gone:]):
        return False
    return gone <= max(
        (_allows(entries, place, public_key, tenant) for place in range(gone, len(entries))), default=0
    )


def _allows(entries: list[bytes], place: int, public_key: str, tenant: UUID) -> int:
    act = json.loads(entries[place])
    if (act["kind"], act.get("action")) != ("act", "record.prune"):
        return 0
    through, days, note = (act["detail"][name] for name in ("through", "days", "checkpoint"))
    signed = datetime.fromisoformat(note.split("\n")[3].removeprefix("time "))
    old = days >= 1 and signed + timedelta(days=days) <= datetime.fromisoformat(act["at"])
    return (
        through
        if old and through <= place and _signed(note.encode(), public_key, tenant, entries[:through])
        else 0
    )


def _dump(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _entry(line: bytes, number: int) -> bytes:
    value = json.loads(line)
    if _dump(value) != line or value.pop("sequence") != number or not value.pop("chain"):
        raise ValueError
    if value.keys() == {"leaf"}:
        leaf = Leaf(bytes.fromhex(value["leaf"]))
        if leaf.hex() != value["leaf"]:
            raise ValueError
        return leaf
    return _dump(value)


def _linked(lines: list[bytes], entries: list[bytes], tenant: UUID) -> bool:
    chain = hashlib.sha256(b"apiconduit chain 1\0" + tenant.bytes).digest()
    for line, entry in zip(lines, entries, strict=True):
        chain = hashlib.sha256(b"\2" + chain + leaf_of(entry)).digest()
        if json.loads(line)["chain"] != chain.hex():
            return False
    return True


def proof_holds(data: bytes, public_key: str) -> bool:
    """Whether a proof document shows what it claims, by the recursion of RFC 9162, 2.1.3 and 2.1.4."""
    try:
        return _proof_holds(data, public_key)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False


def _proof_holds(data: bytes, public_key: str) -> bool:
    value = json.loads(data)
    if _dump(value) != data or value["format"] != "apiconduit proof 1" or value["key"] != public_key:
        return False
    tenant, path = UUID(value["tenant_id"]), [bytes.fromhex(item) for item in value["path"]]
    if str(tenant) != value["tenant_id"] or [item.hex() for item in path] != value["path"]:
        return False
    if any(len(item) != 32 for item in path):
        return False
    if value["kind"] == "consistency":
        earlier, later = (_seen(value[name].encode(), public_key, tenant) for name in ("first", "second"))
        if earlier is None or later is None or len(value) != 7:
            return False
        (first, first_root), (second, second_root) = earlier, later
        return 0 < first <= second and _grown(first, second, path, first_root) == (first_root, second_root)
    seen = _seen(value["checkpoint"].encode(), public_key, tenant)
    number = value["sequence"]
    if value["kind"] != "inclusion" or seen is None or isinstance(number, bool) or len(value) != 8:
        return False
    leaf = leaf_of(_dump(value["event"])) if "event" in value else bytes.fromhex(value["leaf"])
    if "leaf" in value and leaf.hex() != value["leaf"]:
        return False
    return 0 < number <= seen[0] and _climbed(leaf, number - 1, seen[0], path) == seen[1]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _middle(size: int) -> int:
    middle = 1
    while middle * 2 < size:
        middle *= 2
    return middle


def _climbed(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that a path leads to, taken apart from its end, as PATH is defined."""
    if size == 1:
        return leaf if not path else None
    if not path:
        return None
    middle = _middle(size)
    if index < middle:
        below = _climbed(leaf, index, middle, path[:-1])
        return None if below is None else _node(below, path[-1])
    below = _climbed(leaf, index - middle, size - middle, path[:-1])
    return None if below is None else _node(path[-1], below)


def _grown(
    first: int, second: int, path: list[bytes], first_root: bytes, *, whole: bool = True
) -> tuple[bytes, bytes] | None:
    """Both roots that a consistency path leads to, as SUBPROOF is defined."""
    if first == second:
        if whole:
            return (first_root, first_root) if not path else None
        return (path[0], path[0]) if len(path) == 1 else None
    if not path:
        return None
    middle = _middle(second)
    if first <= middle:
        below = _grown(first, middle, path[:-1], first_root, whole=whole)
        return None if below is None else (below[0], _node(below[1], path[-1]))
    below = _grown(first - middle, second - middle, path[:-1], first_root, whole=False)
    return None if below is None else (_node(path[-1], below[0]), _node(path[-1], below[1]))


def _signed(note: bytes, public_key: str, tenant: UUID, entries: list[bytes]) -> bool:
    seen = _seen(note, public_key, tenant)
    return seen == (len(entries), tree_hash(entries))


def _seen(note: bytes, public_key: str, tenant: UUID) -> tuple[int, bytes] | None:
    """Size and root of a note that this key signed for this tenant's record."""
    name, _, key = public_key.split("+", 2)
    body, _, signature = note.rpartition(b"\n\n")
    origin, size, root, _time = body.decode().split("\n")
    marker = f"— {name} ".encode()
    if not signature.startswith(marker) or not signature.endswith(b"\n"):
        return None
    encoded = signature[len(marker) : -1]
    raw = base64.b64decode(encoded)
    if base64.b64encode(raw) != encoded:
        return None
    public = base64.b64decode(key)
    key_id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    try:
        Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[4:], body + b"\n")
    except InvalidSignature:
        return None
    if raw[:4] != key_id or origin != f"{name}/{tenant}" or str(int(size)) != size:
        return None
    return int(size), base64.b64decode(root)
