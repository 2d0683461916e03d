"""What the scripts share that make a document of the code: write it, or say that it is stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["filled", "write_or_check"]


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
    """Run a script's command line: write what it makes, or with `--check` compare.

    Returns
    -------
    int
        The exit status: 1 if `--check` finds another text.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="exit with 1 if it is stale")
    check = parser.parse_args().check
    made = make()
    if not check:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8", newline="\n")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == made:
        return 0
    print(f"{path.name} is stale: run python scripts/{Path(sys.argv[0]).name}", file=sys.stderr)
    return 1
