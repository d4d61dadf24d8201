"""Logs tell people what happened, whoever wrote them, and no value of a variable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def written_by(folder: Path, program: str, settings: str = "") -> str:
    """What a process writes that has set up its logs; not this one, whose own logging is pytest's."""
    head = "import logging\nfrom loguru import logger\nfrom conduit.logs import write_logs\n"
    head += f"from conduit.settings import Logging\nwrite_logs(Logging({settings}), process='worker-3')\n"
    path = folder / "program.py"
    path.write_text(head + program)
    return subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stderr


def test_records_of_libraries_come_under_the_name_of_the_process(tmp_path: Path) -> None:
    library = "logging.getLogger('somebody.else')"
    written = written_by(
        tmp_path, f"{library}.warning('it is %s', 'late')\n{library}.info('every request')\n"
    )
    assert "worker-3" in written
    assert "somebody.else: it is late" in written
    assert "every request" not in written


@pytest.mark.parametrize("settings", ["", "json_lines=True"])
def test_traceback_shows_no_value(tmp_path: Path, settings: str) -> None:
    program = (
        "secret = 'can' + 'ary'\n"
        "def fail(argument):\n"
        "    {}[argument[:0]]\n"
        "try:\n"
        "    fail(secret)\n"
        "except KeyError:\n"
        "    logger.exception('it failed')\n"
    )
    written = written_by(tmp_path, program, settings)
    assert "KeyError" in written
    assert "fail(secret)" in written
    assert "canary" not in written


def test_json_is_one_object_a_line(tmp_path: Path) -> None:
    lines = written_by(tmp_path, "logger.warning('one\\ntwo')\n", "json_lines=True").splitlines()
    assert [json.loads(line)["record"]["message"] for line in lines] == ["one\ntwo"]
