"""A CSV table of tiles: the path or url of each file, and its place in the whole image.

The first line names the columns: `url` or `path`, and either `row` and `column`, which count tiles,
or `yoff` and `xoff`, GDAL's names, which count pixels. Other columns are left to the option
`values` of `publish`, which finds the coordinates along new dimensions there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator

from virtual_tiff.sources.declared_grid import DeclaredGrid, TilePlace, base_of, file_named
from virtual_tiff.tiff import redacted

__all__ = ["is_table", "tiles_of_table"]

_NAMES = ("url", "path")
_PLACES = {("row", "column"): "tiles", ("yoff", "xoff"): "pixels"}
_WHOLE = re.compile(r"[0-9]{1,15}")


def is_table(name: str) -> bool:
    """Whether a path or url is one of a table of tiles."""
    return name.partition("?")[0].lower().endswith(".csv")


def tiles_of_table(lines: Iterable[str], place: str) -> Iterator[tuple[str, TilePlace, str]]:
    """Yield the files of a table, each with its place, and its name as the table has it.

    A table that lacks columns, or the place of a file, is a ValueError.
    """
    rows = csv.reader(line for line in lines if line.strip() and not line.startswith("#"))
    header = [cell.strip().lower() for cell in next(rows, [])]
    name = next((name for name in _NAMES if name in header), None)
    columns = next((pair for pair in _PLACES if set(pair) <= set(header)), None)
    if name is None or columns is None:
        msg = (
            f"{redacted(place)}: its first line must name the columns url (or path), and row and"
            f" column, which count tiles, or yoff and xoff, which count pixels; it is"
            f" {','.join(header)!r}"
        )
        raise ValueError(msg)
    grid = DeclaredGrid(
        name=place,
        kind="table of tiles",
        unit="tiles" if _PLACES[columns] == "tiles" else "pixels",
        last_wins=False,
    )
    base = base_of(place)
    at_name, at_row, at_column = (header.index(key) for key in (name, *columns))
    for cells in rows:
        row = [cell.strip() for cell in cells]
        if len(row) != len(header) or not row[at_name]:
            msg = f"{redacted(place)}: a line must have {len(header)} cells, not {cells}"
            raise ValueError(msg)
        if not (_WHOLE.fullmatch(row[at_row]) and _WHOLE.fullmatch(row[at_column])):
            msg = (
                f"{redacted(place)}: {redacted(row[at_name])}: {columns[0]} and {columns[1]} must"
                f" be whole numbers from 0, not {row[at_row]!r} and {row[at_column]!r}"
            )
            raise ValueError(msg)
        file = file_named(row[at_name], place, base)
        yield file, TilePlace(grid, int(row[at_row]), int(row[at_column])), row[at_name]
