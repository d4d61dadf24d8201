"""The stored forms: strict, versioned, and the same as documented."""

import contextlib
import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.identifiers import CredentialId, TenantId
from vault import envelope
from vault.envelope import Binding, WrappedKey
from vault.errors import Unopenable

VECTORS = json.loads((Path(__file__).parent / "vectors" / "envelope_v1.json").read_text())


def binding_of(case: dict[str, object]) -> Binding:
    return Binding(
        tenant_id=TenantId(UUID(str(case["tenant_id"]))),
        credential_id=CredentialId(UUID(str(case["credential_id"]))),
        provider=str(case["provider"]),
        hosts=tuple(case["hosts"]),  # type: ignore[arg-type]
        version=int(case["version"]),  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["name"])
def test_the_documented_vectors_open(case: dict[str, str]) -> None:
    plain = envelope.unpack(
        bytes.fromhex(case["data_key"]), bytes.fromhex(case["envelope"]), binding_of(case)
    )
    assert plain.decode() == case["plain"]
    assert binding_of(case).encoded().hex() == case["binding"]


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_the_documented_counter_examples_do_not_open(case: dict[str, str]) -> None:
    with pytest.raises(Unopenable):
        envelope.unpack(bytes.fromhex(case["data_key"]), bytes.fromhex(case["envelope"]), binding_of(case))


wrapped_keys = st.builds(
    WrappedKey,
    key_id=st.binary(min_size=8, max_size=8),
    kek=st.text(st.characters(codec="ascii"), max_size=40),
    wrapped=st.binary(max_size=80),
)


@given(st.lists(wrapped_keys, min_size=1, max_size=16))
def test_a_ring_reads_back_as_it_was_written(keys: list[WrappedKey]) -> None:
    assert envelope.unpack_ring(envelope.pack_ring(tuple(keys))) == tuple(keys)


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_reader_of_rings(noise: bytes) -> None:
    for ring in (noise, b"CDR1" + noise):
        with contextlib.suppress(Unopenable):
            assert envelope.pack_ring(envelope.unpack_ring(ring)) == ring


@given(st.binary(max_size=120))
def test_no_bytes_crash_the_reader_of_envelopes(noise: bytes) -> None:
    case = VECTORS["valid"][0]
    for content in (noise, b"CDE1" + noise):
        with pytest.raises(Unopenable):
            envelope.unpack(bytes(32), content, binding_of(case))


@pytest.mark.parametrize("count", [0, envelope.KEYS_IN_RING_MAX + 1])
def test_a_ring_is_neither_empty_nor_endless(count: int) -> None:
    with pytest.raises(ValueError, match="ring"):
        envelope.pack_ring((WrappedKey(key_id=bytes(8), kek="k", wrapped=b"w"),) * count)
