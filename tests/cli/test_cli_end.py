"""How the process of a command ends: all is said and kept, and nothing aborts it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

COG = str(Path(__file__).parents[2] / "testdata" / "special" / "cog.tif")

TEARING_DOWN_ABORTS = """
import os, sys
class Aborts:
    def __del__(self, abort=os.abort):
        abort()  # as Rust does in a thread that finds the interpreter gone
sys.aborts = Aborts()
"""
ENDS = """
import atexit, threading, time
from pathlib import Path
def kept(name):
    time.sleep(0.1)
    Path(name).write_text("kept")
atexit.register(kept, "atexit")
threading.Thread(target=kept, args=("thread",)).start()
"""
RUN = "from virtual_tiff.cli.main import run; run()"
PLAIN = "import sys; from virtual_tiff.cli.main import main; sys.exit(main())"


def ended(program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "status", "printed", "said"),
    [
        (["info", COG], 0, "cog.tif", ""),
        (["info", "missing.tif"], 1, "", "no such file"),
        (["info", "bad.tif"], 1, "", "not a TIFF"),
        (["verify", "no-repository"], 1, "", "virtual-tiff: error: "),
        (["publish", "bad.tif", "--to", "cube"], 1, "", "not a TIFF"),
        (["info"], 2, "", "required"),
        (["--version"], 0, "virtual-tiff ", ""),
    ],
)
def test_no_command_is_aborted_at_its_end(
    arguments: list[str], status: int, printed: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.tif").write_bytes(bytes(range(256)) * 4)
    done = ended(TEARING_DOWN_ABORTS + RUN, *arguments, folder=tmp_path)
    assert done.returncode == status
    assert (bool(done.stdout), bool(done.stderr)) == (bool(printed), bool(said))
    assert printed in done.stdout
    assert said in done.stderr


@pytest.mark.long
def test_the_stand_in_of_the_test_above_aborts(tmp_path: Path) -> None:
    assert ended(TEARING_DOWN_ABORTS + PLAIN, "--version", folder=tmp_path).returncode == -6


@pytest.mark.long
@pytest.mark.parametrize("status", [0, 1])
def test_what_ends_with_the_process_is_done(status: int, tmp_path: Path) -> None:
    file = "missing.tif" if status else COG
    assert ended(ENDS + RUN, "info", file, folder=tmp_path).returncode == status
    assert (tmp_path / "atexit").read_text() == "kept"
    assert (tmp_path / "thread").read_text() == "kept"


@pytest.mark.long
def test_output_that_cannot_be_written_is_no_success(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "virtual_tiff", "info", "--json", COG]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=600, cwd=tmp_path
        )
    assert done.returncode == 1


@pytest.mark.long
def test_a_pipe_gets_all_that_is_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "virtual_tiff", "info", "--json", *[COG] * 200]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert len(json.load(process.stdout)) == 200
    assert process.returncode == 0


def test_the_installed_command_ends_so() -> None:
    (script,) = entry_points(group="console_scripts", name="virtual-tiff")
    assert script.value == "virtual_tiff.cli.main:run"
