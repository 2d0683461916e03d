"""A table as HTML, for notebooks: all text is escaped, nothing is loaded, the rows are bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

from virtual_tiff.tiff import printable

__all__ = ["html_table"]

MOST_ROWS = 50
"""A page of a notebook, and not a megabyte of it."""


def html_table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    count: int,
    notes: Sequence[str] = (),
) -> str:
    """Return a table as HTML, with a title above it and notes below it.

    No more than `MOST_ROWS` of the rows are taken, of which there are `count`, and of the notes.
    """

    def row(tag: str, cells: Sequence[str]) -> str:
        style = 'style="text-align:left;padding:2px 8px"'
        return f"<tr>{''.join(f'<{tag} {style}>{text(cell)}</{tag}>' for cell in cells)}</tr>"

    def text(words: str) -> str:
        return escape(printable(words))

    body = "".join(row("td", cells) for cells in islice(rows, MOST_ROWS))
    lines = [f"and {count - MOST_ROWS:,} more rows"] if count > MOST_ROWS else []
    lines += notes[:MOST_ROWS]
    if len(notes) > MOST_ROWS:
        lines.append(f"and {len(notes) - MOST_ROWS:,} more remarks")
    below = "".join(f"<div>{text(line)}</div>" for line in lines)
    table = f"<table><thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"
    return f"<div><div><b>{text(title)}</b></div>{table}{below}</div>"
