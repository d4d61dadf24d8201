"""``conduit doctor`` says in one document whether a route escapes a step."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from addons import STEPS
from addons.coverage import Coverage
from conduit.cli import application
from conduit.instance import owner_url
from conduit.settings import Settings
from tests.conduit.instances import Program, running_store


def test_coverage_is_printed_as_one_document_without_an_instance(tmp_path):
    done = CliRunner().invoke(application, ["doctor", "--coverage", "--json", "--data", str(tmp_path)])
    document = json.loads(done.stdout)
    assert (done.exit_code, document["complete"], document["holes"]) == (0, True, [])
    assert [cell["step"] for cell in document["rows"][0]["cells"]] == [kind.name for kind in STEPS]


def test_a_hole_makes_the_command_fail_and_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch):
    async def with_a_hole():
        return Coverage((), ("a door: leaves without being recorded",))

    monkeypatch.setattr("addons.coverage.examine", with_a_hole)
    done = CliRunner().invoke(application, ["doctor", "--coverage", "--data", str(tmp_path)])
    assert (done.exit_code, "without being recorded" in done.stderr) == (1, True)


def test_a_hole_in_the_schema_is_named_with_its_remedy_until_it_is_mended(short_path: Path) -> None:
    with running_store(short_path / "var") as program:
        assert database(program)["result"] == "ok"
        with psycopg.connect(owner_url(program.data, Settings()), autocommit=True) as owner:
            owner.execute("CREATE VIEW conduit.everyone AS SELECT * FROM conduit.member")
            found = database(program)
            assert (found["result"], "everyone" in found["detail"]) == ("fail", True)
            assert found["mend"]
            owner.execute("DROP VIEW conduit.everyone")
        assert database(program)["result"] == "ok"


def database(program: Program) -> dict[str, Any]:
    """What the examination of a running instance says of its database."""
    return next(each for each in json.loads(program("doctor", "--json").out) if each["check"] == "database")
