"""``conduit doctor`` says in one document whether a route escapes a step."""

import json

import pytest
from typer.testing import CliRunner

from addons import STEPS
from addons.coverage import Coverage
from conduit.cli import application


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
