"""Make the tables of docs/format/slides.md from the tables of the code.

usage: python scripts/make_slide_docs.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from _documents import filled, write_or_check

from virtual_tiff.metadata.page_axes import KINDS
from virtual_tiff.metadata.slides import SLIDES

DOCUMENT = Path(__file__).parent.parent / "docs" / "format" / "slides.md"
START, END = "<!-- table: python scripts/make_slide_docs.py -->", "<!-- end of the table -->"


def tables() -> str:
    """Return the table of vendors, and the kinds of stacks that come after them."""
    lines = [
        "| slide | levels | associated images | size of a pixel | rule |",
        "|---|---|---|---|---|",
        *(
            f"| {kind.name} | {kind.levels} | {kind.associated or 'none'} | {kind.spacing} "
            f"| {kind.source} |"
            for kind in SLIDES
        ),
        "",
        "| stack | rule |",
        "|---|---|",
        *(f"| {kind.name} | {kind.source} |" for kind in KINDS),
    ]
    return "\n".join(lines)


def document() -> str:
    """Return the document with the tables made anew."""
    return filled(DOCUMENT, START, END, tables())


if __name__ == "__main__":
    sys.exit(write_or_check(DOCUMENT, document, __doc__))
