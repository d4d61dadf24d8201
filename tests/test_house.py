"""The house keeps its own rules: who imports whom, what is documented, how large things may grow."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conduit import api_reference, reference

ROOT = Path(__file__).parents[1]
PACKAGES = ("addons", "policy", "vault", "store", "console", "conduit")
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_imports_point_downwards_and_only_addons_knows_mitmproxy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    outcome = lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert outcome == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_generated_pages_are_what_settings_and_routes_say() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert written == reference.settings_reference(), "run `make docs`"
    assert (ROOT / "docs" / "api.md").read_text() == api_reference.api_reference(), "run `make docs`"
    assert all(f"`{key}`" in written for key in reference.setting_keys())


def test_locked_requirements_carry_hashes_and_name_no_registry() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text
        pins = [line for line in text.splitlines() if line[:1].isalnum()]
        assert pins
        assert all("==" in line and line.endswith("\\") for line in pins)
        assert text.count("--hash=sha256:") >= len(pins)


def test_what_is_asked_for_is_what_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "requirements" / "runtime.txt").read_text()
    pins = dict(line.split(" ")[0].split("==") for line in locked.splitlines() if "==" in line)
    for requirement in map(Requirement, project["dependencies"]):
        version = pins.get(canonicalize_name(requirement.name), "0")
        assert requirement.specifier.contains(version), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in sources()])
def test_source_stays_small_and_holds_no_security_check_that_o_removes(path: Path) -> None:
    """Production runs with ``python -O``, which drops every ``assert``."""
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= FILE_LINES_MAX
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    longest = [node for node in functions(tree) if (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX]
    assert not [node.name for node in longest]
