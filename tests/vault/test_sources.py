"""The setting that names the key source becomes a vault, sealed where there is no key."""

from pathlib import Path

import pytest

from vault import key_file
from vault.errors import KeySourceRefused
from vault.sources import KeySource, open_vault


def test_a_key_file_opens_the_vault(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    assert not open_vault(source=KeySource.FILE, path=tmp_path / "kek").sealed


def test_no_key_seals_the_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONDUIT_KEK", raising=False)
    assert open_vault(source=KeySource.FILE, path=tmp_path / "kek").sealed
    assert open_vault(source=KeySource.ENVIRONMENT).sealed


def test_a_key_file_open_to_others_stops_the_start(tmp_path: Path) -> None:
    key_file.create(tmp_path / "kek")
    (tmp_path / "kek").chmod(0o644)
    with pytest.raises(KeySourceRefused):
        open_vault(source=KeySource.FILE, path=tmp_path / "kek")


def test_a_file_source_without_a_path_stops_the_start() -> None:
    with pytest.raises(KeySourceRefused, match="path"):
        open_vault(source=KeySource.FILE)
