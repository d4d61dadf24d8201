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


def test_a_list_is_taken_with_what_it_includes(catalogue: Path) -> None:
    """Each host under the name of the list that it stands in."""
    catalogue.with_name("vendor").write_text("full:brand-new.example\nregexp:x\n")
    catalogue.with_name("category").write_text("include:vendor\ninclude:../secret\nfull:other-new.example\n")
    words = [
        "catalogue",
        "import",
        str(catalogue.with_name("category")),
        "--format",
        "v2fly",
        "--source",
        "s",
    ]
    taken = CliRunner().invoke(application, [*words, "--catalogue", str(catalogue), "--apply"])
    assert "!vendor line 2: regexp rules are not taken" in taken.stdout
    assert "!line 2: there is no list ../secret beside this one" in taken.stdout
    found = load_catalogue(catalogue)
    assert [found.exact[f"{name}-new.example"].provider for name in ("brand", "other")] == [
        "vendor",
        "category",
    ]


def test_a_file_that_is_no_text_is_refused(catalogue: Path) -> None:
    catalogue.with_name("list.txt").write_bytes(b"\xff\xfe")
    words = ["catalogue", "import", str(catalogue.with_name("list.txt")), "--format", "hosts"]
    assert CliRunner().invoke(application, [*words, "--provider", "a", "--source", "b"]).exit_code == 1


def run(*words: str) -> Result:
    return CliRunner().invoke(application, ["catalogue", *words, "--json"])


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A publisher's secret key, which the settings trust."""
    made = json.loads(run("keygen", "--out", str(tmp_path / "secret")).stdout)
    monkeypatch.setenv("CONDUIT_CATALOGUE__PUBLIC_KEYS", json.dumps([made["public_key"]]))
    return tmp_path / "secret"


def test_a_signed_catalogue_verifies_and_a_changed_one_does_not(catalogue: Path, publisher: Path) -> None:
    assert publisher.stat().st_mode & 0o077 == 0
    assert run("verify", str(catalogue)).exit_code == 1
    made = json.loads(run("sign", str(catalogue), "--key", str(publisher)).stdout)
    checked = json.loads(run("verify", str(catalogue)).stdout)
    assert checked == {
        "version": made["version"],
        "entries": len(load_catalogue(catalogue)),
        "verified": True,
    }
    catalogue.write_text(catalogue.read_text().replace(",opt-out,", ",no,", 1))
    assert run("verify", str(catalogue)).exit_code == 1


def test_an_update_is_read_as_a_difference(catalogue: Path) -> None:
    before = catalogue.with_name("before.csv")
    before.write_text(catalogue.read_text())
    take(catalogue, "full:brand-new.example\n", "--apply")
    lines = [line for line in catalogue.read_text().splitlines() if not line.startswith("clau.de,")]
    catalogue.write_text(
        "\n".join(lines).replace("claude.ai,anthropic,Claude,", "claude.ai,acme,Claude,") + "\n"
    )
    found = json.loads(run("diff", str(catalogue), "--against", str(before)).stdout)
    assert (found["added"], found["removed"]) == (["brand-new.example"], ["clau.de"])
    assert {"host": "claude.ai", "fact": "provider", "before": "anthropic", "after": "acme"} in found[
        "changed"
    ]


def test_a_fact_that_is_stated_anew_is_a_difference(catalogue: Path) -> None:
    before = catalogue.with_name("before.csv")
    before.write_text(catalogue.read_text())
    old = load_catalogue(catalogue).find("claude.ai")
    assert old is not None
    fact = "claude.ai,trains,yes,https://claude.example/terms,2026-11-20"
    catalogue.write_text(before.read_text().replace("\n", f"\n{fact}\n", 1))
    found = json.loads(run("diff", str(catalogue), "--against", str(before)).stdout)
    assert {each["host"] for each in found["changed"]} == {"claude.ai"}
    assert {each["fact"]: each["after"] for each in found["changed"]} == {
        "trains": "yes",
        "trains source": "https://claude.example/terms, 2026-11-20",
    }
    assert found["changed"][0]["before"] == old.training.value


def test_a_file_of_another_form_is_refused_in_one_line(catalogue: Path) -> None:
    catalogue.write_text("host,what\na.example,b\n")
    failed = run("diff", str(catalogue))
    assert failed.exit_code == 1
    assert "has another form" in failed.stderr
