"""Put what the benchmarks print into docs/performance.md.

usage: python benchmarks/document.py [--only NAME] [--from FOLDER] [--peer-python PATH]
                                     [--async-tiff-python PATH]

Each table of the document stands between `<!-- NAME -->` and `<!-- end -->`; NAME is that of a
benchmark in `BENCHMARKS`, which is run unless `--from` has its output as NAME.txt.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "performance.md"

PEER = ("--peer-python",)
BENCHMARKS = {
    "parse": ("parse.py", PEER),
    "reads": ("reads.py", (*PEER, "--async-tiff-python")),
    "growth": ("growth.py", ()),
    "read": ("read.py", PEER),
    "publish": ("publish.py", PEER),
}

PACKAGES = (
    *("zarr", "virtualizarr", "obstore", "icechunk", "imagecodecs", "numpy"),
    *("tifffile", "rasterio"),
)


def printed(name: str, asked: argparse.Namespace) -> str:
    """Return what a benchmark prints, now or earlier."""
    if asked.folder is not None:
        return (asked.folder / f"{name}.txt").read_text(encoding="utf-8")
    script, peers = BENCHMARKS[name]
    command = [sys.executable, str(HERE / script)]
    for option in peers:
        path = getattr(asked, option.strip("-").replace("-", "_"))
        command += [option, path] if path else []
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def machine() -> str:
    """Say where and when."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    when = datetime.now(UTC).strftime("%d %B %Y")
    python = platform.python_version()
    return (
        f"{when}; {os.cpu_count()} processors, {platform.machine()}; Python {python}, {packages}."
    )


def table(text: str) -> str:
    """Return lines of a title and its figures (`publish  files 2,000  seconds 3.64`) as a table."""
    caption, *lines = text.strip().splitlines()
    columns = {}
    for line in lines:
        title, *figures = re.split(r"\s{2,}", line.strip())
        columns[title] = dict(figure.rsplit(" ", 1) for figure in figures)
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    rows = [
        f"| {key.replace('_', ' ')} | "
        + " | ".join(column.get(key, "") for column in columns.values())
        + " |"
        for key in keys
    ]
    head = f"| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"
    return "\n".join([f"{caption}\n", head, *rows])


def block(name: str, text: str) -> str:
    """Return a benchmark's part of the document."""
    if "|---" not in text:
        text = table(text)
    return f"<!-- {name} -->\n{machine()}\n\n{text.strip()}\n<!-- end -->"


def main() -> None:
    """Run, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=BENCHMARKS, action="append")
    parser.add_argument("--from", dest="folder", type=Path, help="outputs of earlier runs")
    parser.add_argument("--peer-python", help="interpreter with virtual-tiff 0.5.0")
    parser.add_argument("--async-tiff-python", help="interpreter with async-tiff")
    asked = parser.parse_args()
    document = DOCUMENT.read_text(encoding="utf-8")
    for name in asked.only or BENCHMARKS:
        place = re.compile(rf"<!-- {name} -->.*?<!-- end -->", re.DOTALL)
        if not place.search(document):
            sys.exit(f"{DOCUMENT.name} has no <!-- {name} --> … <!-- end -->")
        made = block(name, printed(name, asked))
        document = place.sub(lambda _, made=made: made, document)
        DOCUMENT.write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
