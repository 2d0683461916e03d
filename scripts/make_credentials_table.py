"""Make the table of credentials and commands of docs/how-to/credentials.md from the tests' cases.

usage: python scripts/make_credentials_table.py [--check]

`tests/publishing/test_credential_cases.py` tries each cell. `--check` exits with 1 if the document
is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from _documents import filled, write_or_check

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.credential_cases import CASES, COMMANDS  # noqa: E402

DOCUMENT = ROOT / "docs" / "how-to" / "credentials.md"
START = "<!-- table: python scripts/make_credentials_table.py -->"
END = "<!-- end of the table -->"
_STORES = {"s3": "S3", "az": "Azure", "gs": "GCS", "http": "web server"}
_HEADS = {"open_published": "`open_published`", "verify": "`verify`", "info": "`info`"}


def table() -> str:
    """Return the table."""
    head = ["store", "credentials", *(_HEADS.get(name, name) for name in COMMANDS)]
    rows = [head, ["---"] * len(head)]
    rows += [[_STORES[case.store], case.words, *map(case.answer, COMMANDS)] for case in CASES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def document() -> str:
    """Return the document with the table made anew."""
    return filled(DOCUMENT, START, END, table())


def main() -> int:
    """Write the document, or check it."""
    return write_or_check(DOCUMENT, document, __doc__)


if __name__ == "__main__":
    sys.exit(main())
