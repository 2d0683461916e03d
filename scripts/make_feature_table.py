"""Make the feature table of README.md from docs/features.toml.

usage: python scripts/make_feature_table.py [--check]

`--check` exits with 1 if README.md is stale.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from _documents import filled, write_or_check

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
    return filled(DOCUMENT, START, END, table())


def main() -> int:
    """Write the document, or check it."""
    return write_or_check(DOCUMENT, document, __doc__)


if __name__ == "__main__":
    sys.exit(main())
