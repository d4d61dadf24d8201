"""A key file is used only where nobody else can use it, and is replaced whole or not at all."""

import os
from pathlib import Path

import pytest

from vault import key_file
from vault.errors import KeySourceRefused, Sealed, Unopenable

CONTEXT = b"a tenant's data key"


def test_a_created_file_is_for_its_owner_alone_and_opens(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    assert (tmp_path / "kek").stat().st_mode & 0o777 == 0o600
    keys = key_file.FileKeys(tmp_path / "kek")
    wrapped = keys.wrap(b"data key", context=CONTEXT)
    assert keys.unwrap(wrapped.sealed, name=wrapped.name, context=CONTEXT) == b"data key"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kek"]


def test_creating_never_replaces(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    before = (tmp_path / "kek").read_bytes()
    with pytest.raises(FileExistsError):
        key_file.create(tmp_path / "kek")
    assert (tmp_path / "kek").read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700, 0o644])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    key_file.create(tmp_path / "kek")
    (tmp_path / "kek").chmod(mode)
    with pytest.raises(KeySourceRefused, match="chmod 600"):
        key_file.FileKeys(tmp_path / "kek")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    os.chown(tmp_path / "kek", 12345, 12345)
    with pytest.raises(KeySourceRefused, match="another user"):
        key_file.FileKeys(tmp_path / "kek")


def test_a_link_is_refused(tmp_path: Path) -> None:
    key_file.create(tmp_path / "real")
    (tmp_path / "kek").symlink_to(tmp_path / "real")
    with pytest.raises(KeySourceRefused):
        key_file.FileKeys(tmp_path / "kek")


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kek", 0o600)
    with pytest.raises(KeySourceRefused, match="regular"):
        key_file.FileKeys(tmp_path / "kek")


def test_no_file_means_sealed(tmp_path: Path) -> None:
    with pytest.raises(Sealed):
        key_file.FileKeys(tmp_path / "kek")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"format": "conduit-kek-2", "index": "%s", "keys": [{"name": "a", "key": "%s"}]}',
        '{"format": "conduit-kek-1", "index": "%s", "keys": []}',
        '{"format": "conduit-kek-1", "index": "%s", "keys": [{"name": "a", "key": "c2hvcnQ="}]}',
        '{"format": "conduit-kek-1", "index": "%s", "more": 1, "keys": [{"name": "a", "key": "%s"}]}',
        '{"format": "conduit-kek-1", "index": "%s", "keys": [{"name": "a", "key": "%s"},'
        ' {"name": "a", "key": "%s"}]}',
    ],
)
def test_a_malformed_document_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    key = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MDE="
    (tmp_path / "kek").write_text(content.replace("%s", key))
    (tmp_path / "kek").chmod(0o600)
    with pytest.raises(KeySourceRefused) as raised:
        key_file.FileKeys(tmp_path / "kek")
    assert key not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_key_added_by_another_process_is_noticed(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    serving, rotating = (key_file.FileKeys(tmp_path / "kek") for _ in range(2))
    old = serving.wrap(b"old", context=CONTEXT)
    name = rotating.add_key()
    new = rotating.wrap(b"new", context=CONTEXT)
    assert new.name == name != old.name
    assert serving.unwrap(new.sealed, name=new.name, context=CONTEXT) == b"new"
    assert rotating.unwrap(old.sealed, name=old.name, context=CONTEXT) == b"old"


def test_the_newest_key_wraps_also_where_another_process_added_it(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    serving, rotating = (key_file.FileKeys(tmp_path / "kek") for _ in range(2))
    assert not rotating.rotating
    name = rotating.add_key()
    assert rotating.rotating
    assert serving.wrap(b"new", context=CONTEXT).name == name


def test_a_dropped_key_opens_nothing_any_more(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    keys = key_file.FileKeys(tmp_path / "kek")
    wrapped = keys.wrap(b"old", context=CONTEXT)
    keys.add_key()
    assert keys.drop_earlier_keys() == 1
    with pytest.raises(Unopenable):
        keys.unwrap(wrapped.sealed, name=wrapped.name, context=CONTEXT)


def test_the_index_key_outlives_a_rotation(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    keys = key_file.FileKeys(tmp_path / "kek")
    before = keys.index_key()
    keys.add_key()
    keys.drop_earlier_keys()
    assert key_file.FileKeys(tmp_path / "kek").index_key() == before


def test_the_environment_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.create(tmp_path / "kek")
    monkeypatch.setenv("CONDUIT_KEK", (tmp_path / "kek").read_text())
    keys = key_file.from_environment("CONDUIT_KEK")
    assert keys.index_key() == key_file.FileKeys(tmp_path / "kek").index_key()
    assert "CONDUIT_KEK" not in os.environ
    with pytest.raises(Sealed):
        key_file.from_environment("CONDUIT_KEK")


def test_calls_in_flight_outlive_a_rotation_in_another_process(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    serving, rotating = (key_file.FileKeys(tmp_path / "kek") for _ in range(2))
    old = serving.wrap(b"old", context=CONTEXT)
    rotating.add_key()
    rotating.drop_earlier_keys()
    new = rotating.wrap(b"new", context=CONTEXT)
    assert serving.unwrap(new.sealed, name=new.name, context=CONTEXT) == b"new"
    assert serving.unwrap(old.sealed, name=old.name, context=CONTEXT) == b"old"
