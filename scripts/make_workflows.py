"""Make the table of workflows in docs/interoperability.md: each is run, and its result written.

usage: python scripts/make_workflows.py

The calls are those of `tests/support/workflows.py`. Those of browsers and servers are tests, which
need Node, Chromium and the packages that `.ci/run` adds, as

    uv run --extra test --with titiler-xarray --with uvicorn python scripts/make_workflows.py

Without them their rows say "not run here".
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]

from support.workflows import WORKFLOWS, Workflow, prepare  # noqa: E402

DOCUMENT = ROOT / "docs" / "interoperability.md"
BEGIN = "## Workflows\n"
END = "\n## How many files"

_TEXT = """Made by `python scripts/make_workflows.py`, which runs each call on files that it
writes (LZW with predictor 2, deflate, Zstandard, floats with predictor 3, RGB), with the call's
defaults, and compares pixels, CRS and transform with GDAL's.
`tests/interoperability/test_workflows.py` runs the same. Where a call fails by another library's
fault, the fault and our way round are named, and the way round is run; [upstream.md](upstream.md)
has the texts to report."""


def result_of(row: Workflow, folder: Path) -> str:
    """Run a workflow and return what came of it."""
    if row.run is None:
        return _result_of_test(row.test)
    try:
        if row.fails is not None:
            try:
                row.fails(folder)
            except Exception:  # noqa: BLE001 (that is what the row says)
                row.run(folder)
                return f"fails: {row.fault}. {row.way} works"
            return f"works now: the fault is mended ({row.fault})"
        row.run(folder)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the result)
        return f"**fails**: {type(error).__name__}: {str(error).splitlines()[0][:200]}"
    return "works"


def _result_of_test(test: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-rs", *test.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1]
    if done.returncode == 0 and "skipped" not in last and "passed" in last:
        return f"works (`{test}`)"
    if done.returncode in (0, 5) and "passed" not in last:
        return f"not run here (`{test}`)"
    return f"works (`{test}`)" if done.returncode == 0 else f"**fails**: `{test}`"


def section(folder: Path) -> str:
    """Return the section of the document."""
    prepare(folder)
    lines = ["| with | call or client | result |", "| --- | --- | --- |"]
    for row in WORKFLOWS:
        result = result_of(row, folder)
        print(f"{row.kind}: {row.name}: {result}", file=sys.stderr)
        lines.append(f"| {row.kind} | {row.name} | {result} |")
    names = (
        "virtualizarr",
        "xarray",
        "zarr",
        "icechunk",
        "kerchunk",
        "rioxarray",
        "odc-geo",
        "dask",
    )
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return "\n".join([BEGIN, _TEXT, "", *lines, "", f"With {versions}.", ""])


def main() -> int:
    """Write the section into the document."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        made = section(Path(name))
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    if not rest:
        before, _, rest = text.partition(END.lstrip("\n"))
        rest = f"{END}{rest}"
    else:
        rest = END + rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{made}{rest}", encoding="utf-8")
    return int("**fails**" in made)


if __name__ == "__main__":
    sys.exit(main())
