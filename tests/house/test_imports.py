"""What is loaded for what: names of modules, since times differ from day to day."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COG = Path(__file__).parents[2] / "testdata" / "special" / "cog.tif"
HEAVY = ["imagecodecs", "numcodecs", "pandas", "virtualizarr", "xarray", "zarr"]


def loaded(program: str) -> set[str]:
    """The top-level modules that a program has loaded at its end."""
    script = f"{program}\nimport json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_info_on_a_local_file_loads_no_zarr(form: list[str]):
    program = (
        f"from virtual_tiff.cli.main import main; assert main({['info', *form, str(COG)]}) == 0"
    )
    assert not loaded(program) & set(HEAVY)


def test_the_core_loads_the_standard_library_alone():
    bare = loaded("")
    outside = loaded("import virtual_tiff.tiff") - bare - sys.stdlib_module_names
    assert outside == {"virtual_tiff"}


@pytest.mark.long
def test_tuning_is_loaded_when_asked_for():
    assert "zarr" not in loaded("import virtual_tiff; assert 'tune_zarr' in dir(virtual_tiff)")
    assert "zarr" in loaded("from virtual_tiff import tune_zarr")
