"""What the scripts share that make documents and pictures: write them, or say which are stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["filled", "write_or_check", "write_or_check_all"]


def filled(document: Path, start: str, end: str, made: str) -> str:
    """Return a document with what stands between two lines made anew.

    Raises
    ------
    SystemExit
        If the document lacks a line.
    """
    before, found, rest = document.read_text(encoding="utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        msg = f"{document.name} lacks {start} or {end}"
        raise SystemExit(msg)
    return f"{before}{start}\n\n{made}\n\n{end}{after}"


def write_or_check(path: Path, make: Callable[[], str], description: str | None) -> int:
    """Run the command line of a script that makes one file; see `write_or_check_all`."""
    return write_or_check_all(lambda: {path: make()}, description)


def write_or_check_all(make: Callable[[], Mapping[Path, str]], description: str | None) -> int:
    """Run a script's command line: write the files that it makes, or with `--check` compare them.

    Returns
    -------
    int
        The exit status: 1 if `--check` finds another text.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a file is stale")
    check = parser.parse_args().check
    stale = False
    for path, text in make().items():
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale = True
            script = Path(sys.argv[0]).name
            print(f"{path.name} is stale: run python scripts/{script}", file=sys.stderr)
    return int(stale)
