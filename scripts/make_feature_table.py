"""Make the feature table of README.md from docs/features.toml.

usage: python scripts/make_feature_table.py [--check]

`--check` exits with 1 if README.md is stale.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "README.md"
FEATURES = ROOT / "docs" / "features.toml"
START = "<!-- table: python scripts/make_feature_table.py -->"
END = "<!-- end of the table -->"


def features() -> dict[str, Any]:
    """Return what the table is made of."""
    return tomllib.loads(FEATURES.read_text(encoding="utf-8"))


def table() -> str:
    """Return the table."""
    found = features()
    head = ["", *found["peers"]]
    rows = [head, ["---"] * len(head), *([row["feature"], *row["cells"]] for row in found["row"])]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def document() -> str:
    """Return README.md with the table made anew."""
    before, start, rest = DOCUMENT.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        msg = f"{DOCUMENT.name} lacks {START} or {END}"
        raise SystemExit(msg)
    return f"{before}{START}\n\n{table()}\n\n{END}{after}"


def main() -> int:
    """Write the document, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if it is stale")
    made = document()
    if not parser.parse_args().check:
        DOCUMENT.write_text(made, encoding="utf-8")
        return 0
    if DOCUMENT.read_text(encoding="utf-8") == made:
        return 0
    print(f"{DOCUMENT.name} is stale: run python scripts/{Path(__file__).name}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
