"""The Merkle tree of a record: RFC 6962 hashing, the proofs of RFC 9162.

A tree head of 32 bytes commits to every entry and its place. An inclusion proof shows that an entry is
under a head; a consistency proof shows that a later head only appends to an earlier one. Verification
raises ``ProofInvalid``; nothing here answers with a boolean that could be ignored.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HASH_BYTES = 32
# The root of no entries: the hash of nothing (RFC 6962, 2.1).
EMPTY_ROOT = hashlib.sha256(b"").digest()


class ProofInvalid(Exception):
    """The proof does not show what it claims, or is not well formed."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry. The prefix keeps an entry from passing for an inner node (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: all that is needed to append and to know the root, in O(log n) hashes.

    ``hashes`` are the roots of the perfect subtrees that the tree falls into, largest first; their sizes
    are the binary digits of ``size``.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes are not the frontier of {self.size} entries")
        if any(len(item) != HASH_BYTES for item in self.hashes):
            raise ValueError(f"a frontier's hashes have {HASH_BYTES} bytes each")

    def appended(self, leaves: Sequence[bytes]) -> "Frontier":
        """The frontier after more leaf hashes."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            node, carry = leaf, size
            while carry & 1:
                node = node_hash(hashes.pop(), node)
                carry >>= 1
            hashes.append(node)
            size += 1
        return Frontier(size, tuple(hashes))

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node

    def to_bytes(self) -> bytes:
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> "Frontier":
        """Raises ``ValueError`` if ``data`` is not the frontier of ``size`` entries."""
        return cls(size, tuple(data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)))


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    return Frontier().appended(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The path from leaf ``index`` to the root, lowest first (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"entry {index} is not among {len(leaves)}")
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_proof(leaves[:split], index), root(leaves[split:]))
    return (*inclusion_proof(leaves[split:], index - split), root(leaves[:split]))


def consistency_proof(leaves: Sequence[bytes], first: int) -> tuple[bytes, ...]:
    """The proof that the tree of all ``leaves`` extends that of the first ``first`` (RFC 9162, 2.1.4.1)."""
    if not 0 < first <= len(leaves):
        raise IndexError(f"a tree of {first} entries is not within one of {len(leaves)}")
    return _subproof(leaves, first, complete=True)


def _subproof(leaves: Sequence[bytes], first: int, *, complete: bool) -> tuple[bytes, ...]:
    if first == len(leaves):
        return () if complete else (root(leaves),)
    split = _split(len(leaves))
    if first <= split:
        return (*_subproof(leaves[:split], first, complete=complete), root(leaves[split:]))
    return (*_subproof(leaves[split:], first - split, complete=False), root(leaves[:split]))


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Raises ``ProofInvalid`` unless ``leaf`` is entry ``index`` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofInvalid(f"entry {index} cannot be in a tree of {size}")
    node = leaf
    for on_left, sibling in _climb(index, size - 1, proof):
        node = node_hash(sibling, node) if on_left else node_hash(node, sibling)
    _demand_equal(node, expected_root)


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> None:
    """Raises ``ProofInvalid`` unless the second tree only appends to the first (RFC 9162, 2.1.4.2)."""
    if not 0 < first <= second:
        raise ProofInvalid(f"a tree of {first} entries cannot grow to one of {second}")
    if first == second:
        if proof:
            raise ProofInvalid("the proof is too long")
        _demand_equal(first_root, second_root)
        return
    path = [first_root, *proof] if first.bit_count() == 1 else list(proof)
    if not path:
        raise ProofInvalid("the proof is too short")
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for on_left, sibling in _climb(position, last, path[1:]):
        old, new = (
            (node_hash(sibling, old), node_hash(sibling, new)) if on_left else (old, node_hash(new, sibling))
        )
    _demand_equal(old, first_root)
    _demand_equal(new, second_root)


def _climb(position: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bool, bytes]]:
    """Each step from a node to the root: whether the sibling stands to the left, and the sibling.

    Levels where the node is the last and has no sibling are passed over. Raises ``ProofInvalid`` if the
    proof has not exactly as many siblings as the path needs.
    """
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        on_left = bool(position & 1) or position == last
        while on_left and position and not position & 1:
            position, last = position >> 1, last >> 1
        yield on_left, sibling
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the proof is too short")


def _demand_equal(computed: bytes, claimed: bytes) -> None:
    if not hmac.compare_digest(computed, claimed):
        raise ProofInvalid("the proof leads to another root")
