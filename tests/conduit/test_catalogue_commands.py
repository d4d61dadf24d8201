"""A list is shown before it is taken, and what is taken is found."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from conduit.cli import application
from conduit.instance import CATALOGUE_FOLDER
from store.catalogue import load_catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return Path(shutil.copy(CATALOGUE_FOLDER / "ai_endpoints.csv", tmp_path))


def take(catalogue: Path, text: str, *more: str) -> Result:
    listed = catalogue.with_name("list.txt")
    listed.write_text(text)
    words = ["catalogue", "import", str(listed), "--format", "v2fly", "--provider", "acme"]
    return CliRunner().invoke(
        application, [*words, "--source", 'a "list", 2026-11 (MIT)', "--catalogue", str(catalogue), *more]
    )


def test_nothing_is_written_unless_it_is_said(catalogue: Path) -> None:
    before = catalogue.read_bytes()
    shown = take(catalogue, "full:ai.brand-new.example\nfull:api.openai.com\nkeyword:x\n")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0].startswith("+ai.brand-new.example,acme,acme,chat,web,")
    assert "!line 3: keyword rules are not taken" in shown.stdout
    assert catalogue.read_bytes() == before


def test_what_was_taken_is_found_and_everything_else_is_as_it_was(catalogue: Path) -> None:
    before = catalogue.read_bytes()
    taken = take(catalogue, "domain:brand-new.example\n", "--apply", "--json")
    assert json.loads(taken.stdout)["added"] == ["brand-new.example", "*.brand-new.example"]
    entry = load_catalogue(catalogue).find("chat.brand-new.example")
    assert entry is not None
    assert (entry.provider, entry.source) == ("acme", 'a "list", 2026-11 (MIT)')
    assert catalogue.read_bytes().startswith(before)
    again = take(catalogue, "domain:brand-new.example\n", "--apply", "--json")
    assert json.loads(again.stdout)["added"] == []


def test_a_file_that_is_no_text_is_refused(catalogue: Path) -> None:
    catalogue.with_name("list.txt").write_bytes(b"\xff\xfe")
    words = ["catalogue", "import", str(catalogue.with_name("list.txt")), "--format", "hosts"]
    assert CliRunner().invoke(application, [*words, "--provider", "a", "--source", "b"]).exit_code == 1
