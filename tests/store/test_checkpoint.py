"""Checkpoints are C2SP notes; one text for one statement, and only the right key's."""

import base64
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.identifiers import TenantId
from store.checkpoint import (
    Checkpoint,
    CheckpointInvalid,
    KeyInvalid,
    SigningKey,
    VerifierKey,
    open_with_any,
    pinned_keys,
    signing_key,
)
from store.merkle import EMPTY_ROOT

TENANT = TenantId(UUID("018f0000-0000-7000-8000-000000000001"))
CHECKPOINT = Checkpoint(TENANT, 3, bytes(range(32)), "2026-11-24T08:00:00.000000Z")
KEY = SigningKey("apiconduit.0a0b0c0d", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def test_what_was_signed_is_read() -> None:
    assert KEY.verifier.open(KEY.sign(CHECKPOINT)) == CHECKPOINT


def test_text_is_a_c2sp_checkpoint() -> None:
    assert KEY.sign(CHECKPOINT).startswith(
        "apiconduit.0a0b0c0d/018f0000-0000-7000-8000-000000000001\n3\n"
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\ntime 2026-11-24T08:00:00.000000Z\n\n"
        "— apiconduit.0a0b0c0d "
    )


def test_reads_the_published_key_of_signed_notes() -> None:
    """Example key of golang.org/x/mod/sumdb/note: our key ids are computed as theirs."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert str(VerifierKey.parse(text)) == text


def test_every_changed_byte_is_refused() -> None:
    note = KEY.sign(CHECKPOINT).encode()
    for place in range(len(note)):
        for change in (0x01, 0x20, 0x80):
            bent = bytearray(note)
            bent[place] ^= change
            with pytest.raises(CheckpointInvalid):
                KEY.verifier.open(bent.decode("utf-8", "replace"))


def test_every_cut_is_refused() -> None:
    note = KEY.sign(CHECKPOINT)
    for length in range(len(note)):
        with pytest.raises(CheckpointInvalid):
            KEY.verifier.open(note[:length])


def test_another_key_of_the_same_name_is_refused() -> None:
    other = SigningKey(KEY.name, Ed25519PrivateKey.generate())
    with pytest.raises(CheckpointInvalid):
        KEY.verifier.open(other.sign(CHECKPOINT))


def test_a_signed_text_of_another_kind_is_refused() -> None:
    text = "apiconduit.0a0b0c0d/x\nhello\n"
    signature = KEY.verifier.key_id + KEY._private.sign(text.encode())
    with pytest.raises(CheckpointInvalid):
        KEY.verifier.open(f"{text}\n— {KEY.name} {base64.b64encode(signature).decode()}\n")


def test_the_key_that_fits_is_chosen_from_several() -> None:
    other = SigningKey.generate()
    note = KEY.sign(CHECKPOINT)
    assert open_with_any((other.verifier, KEY.verifier), note) == CHECKPOINT
    with pytest.raises(CheckpointInvalid):
        open_with_any((other.verifier,), note)


def test_key_file_is_private_and_stays(tmp_path: Path) -> None:
    key = signing_key(tmp_path / "audit")
    file = tmp_path / "audit" / "checkpoint.key"
    assert file.stat().st_mode & 0o777 == 0o600
    again = signing_key(tmp_path / "audit")
    assert again.verifier == key.verifier
    assert pinned_keys(tmp_path / "audit" / "checkpoint.pub") == (key.verifier,)


def test_a_key_file_open_to_others_is_refused(tmp_path: Path) -> None:
    signing_key(tmp_path)
    (tmp_path / "checkpoint.key").chmod(0o640)
    with pytest.raises(KeyInvalid):
        signing_key(tmp_path)


def test_the_private_key_is_never_shown() -> None:
    secret = KEY.to_text()
    assert SigningKey.parse(secret).verifier == KEY.verifier
    assert secret.split("+")[-1] not in repr(KEY) + str(KEY)
    with pytest.raises(KeyInvalid) as caught:
        SigningKey.parse(secret[:-4])
    assert secret[20:40] not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a b+00000000+AQ==", str(KEY.verifier).upper(), f"{KEY.verifier} "]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyInvalid):
        VerifierKey.parse(text)


def test_an_empty_record_has_a_checkpoint() -> None:
    empty = Checkpoint(TENANT, 0, EMPTY_ROOT, CHECKPOINT.at)
    assert KEY.verifier.open(KEY.sign(empty)) == empty
