"""Public vectors (C2SP Wycheproof, NIST CAVP) and the property that nothing altered ever opens."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import aead
from vault.errors import Unopenable

WYCHEPROOF = json.loads((Path(__file__).parent / "vectors" / "wycheproof_aes_gcm_test.json").read_bytes())


def judged_by_us(key: bytes, nonce: bytes, sealed: bytes, associated: bytes, plain: bytes) -> str:
    """``accepted``, ``refused``, or ``wrong`` where we opened it to something else."""
    try:
        return "accepted" if aead.decrypt(key, nonce, sealed, associated) == plain else "wrong"
    except Unopenable:
        return "refused"


def test_wycheproof_accepts_every_valid_96_bit_nonce_and_nothing_else() -> None:
    seen: Counter[tuple[str, bool, str]] = Counter()
    for group in WYCHEPROOF["testGroups"]:
        for case in group["tests"]:
            field = {name: bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")}
            verdict = judged_by_us(
                field["key"], field["iv"], field["ct"] + field["tag"], field["aad"], field["msg"]
            )
            seen[case["result"], group["ivSize"] == 96, verdict] += 1
    assert seen == {
        ("valid", True, "accepted"): 116,
        ("invalid", True, "refused"): 81,
        # The format knows 96-bit nonces only, so these cannot even be written down.
        ("valid", False, "refused"): 113,
        ("invalid", False, "refused"): 6,
    }
    assert seen.total() == WYCHEPROOF["numberOfTests"] == 316


def test_wycheproof_valid_vectors_are_what_we_would_write() -> None:
    for group in WYCHEPROOF["testGroups"]:
        for case in group["tests"]:
            if case["result"] == "valid" and group["ivSize"] == 96:
                field = {name: bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")}
                written = aead.encrypt(field["key"], field["iv"], field["msg"], field["aad"])
                assert written == field["ct"] + field["tag"], case["tcId"]


def nist_cases(name: str) -> Iterator[dict[str, str]]:
    """The cases of one CAVP response file, each with the lengths of its section."""
    section: dict[str, str] = {}
    case: dict[str, str] = {}
    folder = Path(cryptography_vectors.__file__).parent / "ciphers" / "AES" / "GCM"
    for line in [*(folder / name).read_text().splitlines(), ""]:
        if line.startswith("["):
            title, _, value = line.strip("[]").partition(" = ")
            section[title] = value
        elif " = " in line or line == "FAIL":
            title, _, value = line.partition(" = ")
            case[title] = value
        elif not line.strip() and case:
            yield section | case
            case = {}


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_nist_decrypt_vectors_open_exactly_where_they_should(bits: int) -> None:
    seen: Counter[tuple[bool, bool, str]] = Counter()
    for case in nist_cases(f"gcmDecrypt{bits}.rsp"):
        ours = case["IVlen"] == "96" and case["Taglen"] == "128"
        key, nonce, associated, plain = (
            bytes.fromhex(case.get(name, "").strip()) for name in ("Key", "IV", "AAD", "PT")
        )
        verdict = judged_by_us(key, nonce, bytes.fromhex(case["CT"] + case["Tag"]), associated, plain)
        seen[ours, "FAIL" in case, verdict] += 1
    # Shortened tags and other nonce lengths are not in our format, valid or not: all refused.
    assert set(seen) == {
        (True, False, "accepted"),
        (True, True, "refused"),
        (False, False, "refused"),
        (False, True, "refused"),
    }
    assert seen[True, False, "accepted"] + seen[True, True, "refused"] == 375
    assert seen.total() == 7_875


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_nist_encrypt_vectors_are_what_we_would_write(bits: int) -> None:
    seen: Counter[str] = Counter()
    for case in nist_cases(f"gcmEncryptExtIV{bits}.rsp"):
        key, nonce, plain, associated, ciphertext, tag = (
            bytes.fromhex(case[name]) for name in ("Key", "IV", "PT", "AAD", "CT", "Tag")
        )
        if len(nonce) == 1:
            with pytest.raises(ValueError, match="Nonce"):
                aead.encrypt(key, nonce, plain, associated)
            seen["nonce of 8 bits, which the library refuses"] += 1
            continue
        written = aead.encrypt(key, nonce, plain, associated)
        assert written[: len(plain)] == ciphertext
        assert written[len(plain) :].startswith(tag)
        seen["right"] += 1
    assert seen == {"right": 5_250, "nonce of 8 bits, which the library refuses": 2_625}


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.binary(max_size=60))
def test_what_was_sealed_opens(key: bytes, plain: bytes, context: bytes) -> None:
    sealed = aead.seal(key, plain, context=context)
    assert aead.unseal(key, sealed, context=context) == plain
    assert len(sealed) == len(plain) + aead.OVERHEAD_BYTES


@given(st.binary(max_size=64), st.data())
def test_any_flipped_bit_does_not_open(plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(aead.seal(bytes(32), plain, context=b"here"))
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(Unopenable):
        aead.unseal(bytes(32), bytes(sealed), context=b"here")


@given(st.binary(max_size=64), st.data())
def test_any_shortening_or_lengthening_does_not_open(plain: bytes, data: st.DataObject) -> None:
    sealed = aead.seal(bytes(32), plain, context=b"")
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    for bent in (cut, sealed + data.draw(st.binary(min_size=1, max_size=9))):
        with pytest.raises(Unopenable):
            aead.unseal(bytes(32), bent, context=b"")


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_another_context_or_key_does_not_open(context: bytes, other: bytes) -> None:
    sealed = aead.seal(bytes(32), b"plain", context=context)
    if context != other:
        with pytest.raises(Unopenable):
            aead.unseal(bytes(32), sealed, context=other)
    with pytest.raises(Unopenable):
        aead.unseal(b"\x01" + bytes(31), sealed, context=context)


def test_the_same_thing_sealed_twice_shares_no_salt_nonce_or_byte_of_text() -> None:
    first, second = (aead.seal(bytes(32), bytes(48), context=b"") for _ in range(2))
    assert first[:32] != second[:32]
    assert first[64:76] != second[64:76]
    assert first[76:] != second[76:]


@given(st.lists(st.binary(max_size=6), max_size=5), st.lists(st.binary(max_size=6), max_size=5))
def test_two_lists_of_fields_never_encode_alike(first: list[bytes], second: list[bytes]) -> None:
    assert (aead.fields(*first) == aead.fields(*second)) == (first == second)
