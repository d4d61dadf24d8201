"""What commands print, to whom it may be of no interest."""

import subprocess
import sys
from pathlib import Path


def test_a_closed_pipe_is_no_fault_of_ours() -> None:
    command = [
        str(Path(sys.executable).with_name("conduit")),
        "network-rules",
        "--interface",
        "eth0",
        "--pac",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert "internal fault" not in said
    assert "BrokenPipe" not in said
    assert process.returncode == 1
