"""A file, or a virtual store, as a table in a notebook.

All text of a file is escaped, nothing is loaded from elsewhere, and the rows are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from virtual_tiff.codec_table.readers import readers
from virtual_tiff.info.table import CELLS, chains, heading, readers_text
from virtual_tiff.info.units import by, counted, human_size, listed
from virtual_tiff.tiff.errors import printable

if TYPE_CHECKING:
    from virtual_tiff.info.model import FileInfo

__all__ = ["MOST_ROWS", "file_html", "store_html"]

MOST_ROWS = 50
"""A page of a notebook, and not a megabyte of it."""

_CELL = 'style="text-align:left;padding:2px 8px"'


class _Group(Protocol):
    """What is used of VirtualiZarr's `ManifestGroup`."""

    @property
    def arrays(self) -> Mapping[str, Any]: ...
    @property
    def groups(self) -> Mapping[str, Any]: ...


def file_html(file: FileInfo) -> str:
    """Return a file as HTML."""
    notes = []
    if file.error is not None:
        notes.append(f"error: {file.error}")
    for paths, info in chains(file):
        codecs = ", ".join(info.codecs or ())
        notes.append(f"IFD {listed(paths)}: {codecs}; {readers_text(info.readable_by or ())}")
    notes += [
        f"IFD {info.path}: {'unsupported' if info.unsupported else 'error'}: {info.error}"
        for info in file.directories
        if info.error is not None
    ]
    notes += [
        f"{advice.code}: {advice.message}. To mend: {advice.remedy}" for advice in file.advice
    ]
    rows = ([cell(info) for cell in CELLS.values()] for info in file.directories)
    return _page(
        f"{file.url} ({heading(file)})" if file.size is not None else file.url,
        tuple(CELLS),
        rows,
        len(file.directories),
        notes,
    )


def store_html(group: _Group) -> str:
    """Return the arrays of a virtual store as HTML.

    Parameters
    ----------
    group
        VirtualiZarr's root group.
    """
    found = list(_arrays(group, ""))
    source = next(
        (path for _, array in found for path in array.manifest.iter_nonempty_paths() if path), ""
    )
    head = ("array", "dimensions", "type", "chunks", "referenced", "codecs", "read by")
    title = f"virtual Zarr store of {counted(len(found), 'array')}" + (source and f": {source}")
    return _page(title, head, (_array_row(*one) for one in found), len(found), ())


def _arrays(group: _Group, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, array in group.arrays.items():
        yield prefix + name, array
    for name, below in group.groups.items():
        yield from _arrays(below, f"{prefix}{name}/")


def _array_row(path: str, array: Any) -> list[str]:  # noqa: ANN401 (VirtualiZarr's class)
    metadata = array.metadata.to_dict()
    names = metadata.get("dimension_names") or [f"dim_{i}" for i in range(len(array.shape))]
    sizes = [f"{name}: {size}" for name, size in zip(names, array.shape, strict=True)]
    chunk_shape = array.metadata.chunk_grid.chunk_shape
    grid = array.manifest.shape_chunk_grid
    codecs = [codec.to_dict() for codec in array.metadata.codecs]
    data_type = str(metadata["data_type"])
    return [
        path,
        ", ".join(sizes) or "scalar",
        data_type,
        f"{counted(prod(grid), 'chunk')} of {by(chunk_shape)}" if grid else "1 chunk",
        human_size(array.nbytes_virtual),
        ", ".join(codec["name"] for codec in codecs),
        readers_text(readers(_configured(codecs), data_type)).removeprefix("read by "),
    ]


def _configured(codecs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return codecs with a configuration each: that of zarr's own is left out if empty."""
    return [{"configuration": {}} | codec for codec in codecs]


def _page(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    count: int,
    notes: Sequence[str],
) -> str:
    shown = "".join(_row("td", row) for row in islice(rows, MOST_ROWS))
    more = [f"and {count - MOST_ROWS:,} more rows"] if count > MOST_ROWS else []
    if len(notes) > MOST_ROWS:
        notes = [*notes[:MOST_ROWS], f"and {len(notes) - MOST_ROWS:,} more remarks"]
    lines = "".join(f"<div>{_escaped(line)}</div>" for line in (*more, *notes))
    table = f"<table><thead>{_row('th', head)}</thead><tbody>{shown}</tbody></table>"
    return f"<div><div><b>{_escaped(title)}</b></div>{table}{lines}</div>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag} {_CELL}>{_escaped(cell)}</{tag}>" for cell in cells) + "</tr>"


def _escaped(text: str) -> str:
    return escape(printable(text))
