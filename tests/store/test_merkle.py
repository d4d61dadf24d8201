"""The tree against the published vectors of certificate-transparency, and against a second computation."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofInvalid,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from tests.store.second_verifier import tree_hash

# certificate-transparency (Google), cpp/merkletree/merkle_tree_test.cc; also transparency-dev/merkle,
# testonly/constants.go: the entries, the roots of the first n, and the hashes of inner nodes by level.
ENTRIES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")
] + [bytes.fromhex("606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEVELS = [
    [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
    ],
    [
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    ],
    [
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def node(level: int, index: int) -> bytes:
    return bytes.fromhex(LEVELS[level][index])


# The same source: the proofs for (index, size), and from (first, second), as places of nodes.
INCLUSION = {
    (0, 8): [node(0, 1), node(1, 1), node(2, 1)],
    (5, 8): [node(0, 4), node(1, 3), node(2, 0)],
    (2, 3): [node(1, 0)],
    (1, 5): [node(0, 0), node(1, 1), node(0, 4)],
}
CONSISTENCY = {
    (1, 8): [node(0, 1), node(1, 1), node(2, 1)],
    (6, 8): [node(1, 2), node(1, 3), node(2, 0)],
    (2, 5): [node(1, 1), node(0, 4)],
}
entries = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size]


def test_published_leaves() -> None:
    assert [leaf.hex() for leaf in LEAVES] == LEVELS[0]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_published_inclusion_proofs(index: int, size: int) -> None:
    assert list(inclusion_proof(LEAVES[:size], index)) == INCLUSION[index, size]
    verify_inclusion(LEAVES[index], index, size, INCLUSION[index, size], bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_published_consistency_proofs(first: int, second: int) -> None:
    proof = CONSISTENCY[first, second]
    assert list(consistency_proof(LEAVES[:second], first)) == proof
    verify_consistency(first, second, proof, bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second]))


@given(entries)
def test_agrees_with_the_recursive_definition(items: list[bytes]) -> None:
    assert root([leaf_hash(item) for item in items]) == tree_hash(items)


@given(entries, st.integers(0, 40))
def test_frontier_needs_no_earlier_leaves(items: list[bytes], cut: int) -> None:
    leaves = [leaf_hash(item) for item in items]
    begun = Frontier().appended(leaves[:cut])
    resumed = Frontier.from_bytes(begun.size, begun.to_bytes()).appended(leaves[cut:])
    assert resumed.root() == tree_hash(items)


@given(entries, st.data())
def test_a_proof_shows_its_own_entry_and_place_only(items: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(item) for item in items]
    index = data.draw(st.integers(0, len(items) - 1))
    other = data.draw(st.integers(0, len(items) - 1))
    proof = inclusion_proof(leaves, index)
    verify_inclusion(leaves[index], index, len(leaves), proof, root(leaves))
    if leaves[other] != leaves[index]:
        with pytest.raises(ProofInvalid):
            verify_inclusion(leaves[other], other, len(leaves), proof, root(leaves))


@given(entries, st.data())
def test_no_proof_for_a_rewritten_past(items: list[bytes], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(items)))
    changed = data.draw(st.integers(0, first - 1))
    leaves = [leaf_hash(item) for item in items]
    before = root(leaves[:first])
    verify_consistency(first, len(leaves), consistency_proof(leaves, first), before, root(leaves))
    leaves[changed] = leaf_hash(items[changed] + b"!")
    with pytest.raises(ProofInvalid):
        verify_consistency(first, len(leaves), consistency_proof(leaves, first), before, root(leaves))


@pytest.mark.parametrize("size", range(1, 9))
def test_longer_and_shorter_proofs_are_refused(size: int) -> None:
    leaves = LEAVES[:size]
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        for wrong in (proof[:-1], (*proof, proof[-1])) if proof else ((LEAVES[7],),):
            with pytest.raises(ProofInvalid):
                verify_inclusion(leaves[index], index, size, wrong, root(leaves))
    for first in range(1, size):
        proof = consistency_proof(leaves, first)
        for wrong in (proof[:-1], (*proof, proof[-1])):
            with pytest.raises(ProofInvalid):
                verify_consistency(first, size, wrong, root(leaves[:first]), root(leaves))


def test_a_place_outside_the_tree_is_refused() -> None:
    for index, size in ((-1, 4), (4, 4), (0, 0)):
        with pytest.raises(ProofInvalid):
            verify_inclusion(LEAVES[0], index, size, (), EMPTY_ROOT)


def test_nodes_cannot_pass_for_entries() -> None:
    """The second-preimage attack that the prefixes of RFC 6962, 2.1, are for."""
    left, right = root(LEAVES[:2]), root(LEAVES[2:4])
    assert root([leaf_hash(left + right)]) != root(LEAVES[:4])


def test_an_ill_formed_frontier_is_refused() -> None:
    for size, data in ((1, b""), (3, bytes(32)), (1, bytes(31)), (0, bytes(32))):
        with pytest.raises(ValueError, match="frontier"):
            Frontier.from_bytes(size, data)


def test_a_split_is_the_largest_power_of_two_below() -> None:
    sizes = [len(inclusion_proof(LEAVES[:size], 0)) for size in range(1, 9)]
    assert sizes == [0, 1, 2, 2, 3, 3, 3, 3]
    assert all(later - earlier <= 1 for earlier, later in pairwise(sizes))
