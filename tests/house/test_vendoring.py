"""The core works where it is copied to: under any name, with the standard library alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.build import (
    SHORT,
    Directory,
    Picture,
    build,
    directory_at,
    entry,
    every_variant,
    layout,
    parts,
)

CORE = Path(__file__).resolve().parents[2] / "virtual_tiff" / "tiff"

PRELUDE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"numpy", "zarr", "obstore", "virtualizarr", "virtual_tiff"}:
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
"""

REPORT = """
import asyncio, json, pathlib
from borrowed.tiff_reader import MemorySource, ReadAhead, TiffError, block_layout, read_tiff

def block_report(ifd):
    layout = block_layout(ifd)
    grid = layout.grid
    return {
        "kind": grid.kind,
        "shape": [grid.block_length, grid.block_width],
        "grid": [grid.planes, grid.rows, grid.columns],
        "offsets": layout.offsets.tolist(),
        "byte_counts": layout.byte_counts.tolist(),
    }

async def main():
    source = ReadAhead(MemorySource(pathlib.Path(sys.argv[2]).read_bytes()))
    tiff = await read_tiff(source)
    return {ifd.path: {"tags": list(ifd), **block_report(ifd)} for ifd in tiff.walk()}

try:
    print(json.dumps(asyncio.run(main())))
except TiffError as error:
    print(json.dumps(f"{type(error).__module__}: {error}"))
"""


@pytest.fixture
def borrower(tmp_path: Path) -> Path:
    """A folder with a package that has the core under another name."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CORE, tmp_path / "borrowed" / "tiff_reader", ignore=ignore)
    (tmp_path / "borrowed" / "__init__.py").touch()
    return tmp_path


def alone(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in an interpreter that has no site-packages and no environment."""
    command = [sys.executable, "-I", "-S", "-c", PRELUDE + script, str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def report(folder: Path, data: bytes) -> Any:
    """What the copy says of a file."""
    path = folder / "file.tif"
    path.write_bytes(data)
    result = alone(folder, REPORT, str(path))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["numpy", "zarr", "obstore", "virtualizarr", "virtual_tiff"])
def test_the_interpreter_of_these_tests_has_nothing_else(tmp_path: Path, name: str) -> None:
    result = alone(tmp_path, f"import {name}")
    assert result.returncode == 1
    assert f"{name} must not be needed" in result.stderr


@every_variant
def test_a_copy_reads_directories_and_blocks(borrower: Path, byteorder: str, big: bool) -> None:
    rgb = np.zeros((20, 10, 3), dtype="u1")
    pictures = [Picture(rgb[..., 0], rows_per_strip=8), Picture(rgb, tile=(16, 16), planar=2)]
    directories, blocks = parts(pictures, byteorder=byteorder, big=big)
    file = layout(directories, blocks, byteorder=byteorder, big=big)
    strips, tiles = (list(map(len, blocks[part])) for part in (slice(3), slice(3, None)))
    assert report(borrower, file.data) == {
        "0": {
            "tags": [item.tag for item in directories[0].entries],
            "kind": "strip",
            "shape": [8, 10],
            "grid": [1, 3, 1],
            "offsets": list(file.blocks[:3]),
            "byte_counts": strips,
        },
        "1": {
            "tags": [item.tag for item in directories[1].entries],
            "kind": "tile",
            "shape": [16, 16],
            "grid": [3, 2, 1],
            "offsets": list(file.blocks[3:]),
            "byte_counts": tiles,
        },
    }


def test_an_error_is_of_the_copy(borrower: Path) -> None:
    assert report(borrower, b"GIF89a").startswith("borrowed.tiff_reader.errors: not a TIFF")


WARNS = """
import asyncio, pathlib, sys, warnings
from {package} import MemorySource, read_tiff

async def main():
    await read_tiff(MemorySource(pathlib.Path("{file}").read_bytes()))

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    asyncio.run(main())
print([w.filename for w in caught])
"""


def place_of_warning(folder: Path, package: str) -> str:
    """The file that the copy's warning points at when a script beside the package reads."""
    file, script = folder / "file.tif", folder / "script.py"
    file.write_bytes(build([Directory([entry(256, SHORT, 1)], next=directory_at(0))]))
    script.write_text(WARNS.format(package=package, file=file))
    result = alone(folder, "import runpy; runpy.run_path(sys.argv[2])", str(script))
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_warning_of_a_copy_points_at_its_user(borrower: Path) -> None:
    assert place_of_warning(borrower, "borrowed.tiff_reader") == f"['{borrower / 'script.py'}']"


def test_a_warning_of_a_copy_that_is_no_subpackage_points_at_its_user(borrower: Path) -> None:
    folder = borrower / "borrowed"
    assert place_of_warning(folder, "tiff_reader") == f"['{folder / 'script.py'}']"
