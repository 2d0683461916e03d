"""A map of a file as SVG: where header, directories, values of tags and blocks lie.

Each row of a panel is a run of the file's bytes, cut into cells. A cell has the colour of what
lies in it. What is smaller than a cell has a whole one, and of several things in a cell the
rarest is shown: the header before directories, these before values of tags, these before blocks.
So a map has at most one rectangle a cell, for a thousand blocks as for a million.

The file's own texts are escaped, and nothing is loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.info.extents import Extents, Spans, gaps
from virtual_tiff.info.model import FileInfo
from virtual_tiff.info.table import heading
from virtual_tiff.text.numbers import counted, human_size
from virtual_tiff.tiff import printable

__all__ = ["WIDTH", "map_svg"]

WIDTH = 1000
"""Pixels, as all lengths here."""

_LEFT, _CELL, _CELLS = 84, 3, 298
_ROW, _PITCH = 15, 20
_ROWS = 12
"""Rows of the whole file; 12 x 298 cells."""

_DETAIL_ROWS = 4
_FIRST_READ, _SECOND_READ = 32 * 1024, 64 * 1024
"""Bytes that `ReadAhead` asks for: at the file's beginning, and where it knows no better."""

_MOST_LISTED = 12
"""Directories that the legend names."""

_LONGEST = 110
"""Characters of a title: names may be long."""

_GAP, _HEADER, _DIRECTORIES, _VALUES = "#e6e6e6", "#1a1a1a", "#c8321e", "#f0a020"
_INK, _PALE = "#222222", "#666666"

_COLOURS = {
    "image": ("#2f6db3", "#5a5fc7", "#1b8f9e"),
    "page": ("#2f6db3", "#5a5fc7", "#1b8f9e"),
    "overview": ("#2e8b57", "#6aa84f", "#94b84a", "#b5c96a"),
    "mask": ("#9a4f96", "#c184b8"),
}
"""Colours of blocks, by the kind of their directory; where there are more they take turns."""

_LIGHTER = 0.28
"""Every other block is that much nearer to white, where blocks are wide enough to be seen."""

_NOT_IN_XML = {0xFFFE: "?", 0xFFFF: "?"}
"""Characters that XML 1.0 excludes; control characters are made visible before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """Things of one colour."""

    name: str
    colour: str
    spans: Spans
    note: str
    """For the legend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """A part of the file, in rows."""

    caption: str
    start: int
    row_bytes: int
    rows: int
    binary: bool = False
    """Whether the scale is in KiB."""


def map_svg(file: FileInfo, extents: Extents, name: str) -> bytes:
    """Return the map of a file, as an SVG document; `name` is its title."""
    title = " ".join(printable(name).split())
    title = title if len(title) <= _LONGEST else f"...{title[3 - _LONGEST :]}"
    layers = list(_layers(file, extents))
    boxes: list[str] = []
    labels = [
        _label(20, 32, title, size=18),
        _label(20, 54, printable(heading(file)), size=12, colour=_PALE),
    ]
    y = 84
    for panel in _panels(extents):
        labels.append(_label(20, y, panel.caption, size=12))
        y += 8
        for row in range(panel.rows):
            place = panel.start + row * panel.row_bytes
            inside = row * panel.row_bytes // 1024
            text = (
                f"+ {inside} KiB" if panel.binary and row else human_size(place) if place else "0"
            )
            label = _label(
                _LEFT - 8, y + row * _PITCH + 12, text, size=10, colour=_PALE, right=True
            )
            labels.append(label)
        boxes += _cells(panel, layers, extents.size, y)
        y += panel.rows * _PITCH + 24

    # the legend in two columns: what belongs to tags on the left, the blocks on the right
    y -= 8
    free = gaps(extents)
    gap_note = f"{human_size(free.nbytes)} in {counted(len(free), 'place')}"
    gap = _Layer(name="nothing points here", colour=_GAP, spans=free, note=gap_note)
    blocks = layers[:-3]
    columns = ((_LEFT, [*reversed(layers[-3:]), gap]), (_LEFT + 340, blocks[:_MOST_LISTED]))
    for x, entries in columns:
        for line, layer in enumerate(entries):
            boxes.append(_box(x, y + line * 18, 12, 12, layer.colour, layer.name))
            labels.append(_label(x + 18, y + line * 18 + 10, f"{layer.name}: {layer.note}"))
    y += max(len(entries) for _, entries in columns) * 18 + 10
    height = y
    for text in _remarks(len(blocks), file, extents):
        labels.append(_label(_LEFT, y, text, colour=_PALE))
        height = y + 18
        y += 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif">'
    )
    sheet = '<rect width="100%" height="100%" fill="#ffffff"/>'
    lines = [head, f"<title>{_text(title)}</title>", sheet, *boxes, *labels, "</svg>\n"]
    return "\n".join(lines).encode()


def _box(x: int, y: int, width: int, height: int, colour: str, title: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}"'
        f' fill="{colour}"><title>{_text(title)}</title></rect>'
    )


def _label(
    x: int, y: int, text: str, *, size: int = 11, colour: str = _INK, right: bool = False
) -> str:
    """Return a line of text with the base line `y`, that begins (or, if `right`, ends) at `x`."""
    anchor = ' text-anchor="end"' if right else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}"{anchor}>{_text(text)}</text>'


def _text(text: str) -> str:
    return escape(text.translate(_NOT_IN_XML))


def _layers(file: FileInfo, extents: Extents) -> Iterator[_Layer]:
    """Yield what lies in the file, the more important the later."""
    count: dict[str, int] = {}
    for info in file.directories:
        spans = extents.blocks.get(info.path)
        if spans is None or not len(spans):
            continue
        colours = _COLOURS[info.kind]
        nth = count[info.kind] = count.get(info.kind, -1) + 1
        note = f"{info.width} x {info.height}"
        if info.blocks is not None:
            blocks = counted(info.blocks.count, info.blocks.kind)
            note += f", {blocks}, {human_size(info.bytes_on_disk or 0)}"
        name = f"IFD {info.path}, {info.kind}"
        yield _Layer(name=name, colour=colours[nth % len(colours)], spans=spans, note=note)
    for name, colour, spans in (
        ("values of tags", _VALUES, extents.values),
        ("directories", _DIRECTORIES, extents.directories),
        ("header", _HEADER, extents.header),
    ):
        many = "" if name == "header" else f"{len(spans):,} with "
        yield _Layer(name=name, colour=colour, spans=spans, note=many + human_size(spans.nbytes))


def _panels(extents: Extents) -> Iterator[_Panel]:
    # a row has 1, 2 or 5 times a power of ten bytes, and at least one a cell
    sizes = (step * 10**power for power in range(2, 20) for step in (1, 2, 5))
    row_bytes = next(size for size in sizes if size >= max(500, extents.size / _ROWS))
    cell = human_size(max(1, row_bytes // _CELLS))
    yield _Panel(
        caption=f"The whole file: a row is {human_size(row_bytes)}, a cell {cell}",
        start=0,
        row_bytes=row_bytes,
        rows=max(1, -(-extents.size // row_bytes)),
    )
    if extents.size <= 2 * _FIRST_READ:
        return
    details = [("The first 32 KiB, which one request reads", 0, _FIRST_READ)]
    first = int(extents.directories.starts[0]) if len(extents.directories) else 0
    if first >= _FIRST_READ:
        details.append(("The 64 KiB from the first directory on", first, _SECOND_READ))
    for caption, start, nbytes in details:
        yield _Panel(
            caption=caption,
            start=start,
            row_bytes=nbytes // _DETAIL_ROWS,
            rows=_DETAIL_ROWS,
            binary=True,
        )


def _cells(panel: _Panel, layers: Sequence[_Layer], size: int, top: int) -> Iterator[str]:
    """Yield the boxes of a panel: cells of a row that are alike are one box."""
    count = panel.rows * _CELLS
    edges = panel.start + np.arange(count + 1, dtype=np.float64) * (panel.row_bytes / _CELLS)
    painted = np.zeros(count, dtype=np.int64)
    lighter = np.zeros(count, dtype=bool)
    for number, layer in enumerate(layers, 1):
        covered, odd = _coverage(layer.spans, edges)
        painted[covered] = number
        lighter[covered] = odd[covered]
    painted[edges[:-1] >= size] = -1
    changes = np.flatnonzero(np.diff(painted * 2 + lighter)) + 1
    bounds = np.union1d(np.union1d(changes, np.arange(0, count, _CELLS)), [count])
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        number = int(painted[begin])
        if number < 0:
            continue
        name, colour = ("nothing points here", _GAP)
        if number:
            name, colour = layers[number - 1].name, layers[number - 1].colour
        if lighter[begin]:
            parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
            colour = "#" + "".join(f"{round(p + (255 - p) * _LIGHTER):02x}" for p in parts)
        row, column = divmod(begin, _CELLS)
        last = min(size, round(edges[end]))
        title = f"{name}: {round(edges[begin]):,} to {last:,}"
        x, y = _LEFT + column * _CELL, top + row * _PITCH
        yield _box(x, y, (end - begin) * _CELL, _ROW, colour, title)


def _coverage(
    spans: Spans, edges: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which cells have something of the spans, and which of these every other block."""
    count = len(edges) - 1
    step = (edges[-1] - edges[0]) / count
    inside = (spans.ends > edges[0]) & (spans.starts < edges[-1])
    starts, ends = spans.starts[inside], spans.ends[inside]
    first = np.clip(np.floor((starts - edges[0]) / step), 0, count - 1).astype(np.int64)
    last = np.clip(np.ceil((ends - edges[0]) / step), first + 1, count).astype(np.int64)
    wide = last - first > 2
    odd = wide & (np.argsort(np.argsort(starts, kind="stable")) % 2 == 1)

    def covered(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.bool_]:
        steps = np.bincount(first, minlength=count + 1) - np.bincount(last, minlength=count + 1)
        return np.cumsum(steps)[:count] > 0

    return covered(first, last), covered(first[odd], last[odd])


def _remarks(images: int, file: FileInfo, extents: Extents) -> Iterator[str]:
    if images > _MOST_LISTED:
        yield f"and the blocks of {counted(images - _MOST_LISTED, 'more image')}"
    past = sum(int((spans.ends > extents.size).sum()) for spans in extents.blocks.values())
    if past:
        yield f"past the end of the file: {counted(past, 'block')}"
    whole = sum(info.blocks.count for info in file.directories if info.blocks is not None)
    missing = whole - sum(map(len, extents.blocks.values()))
    if missing > 0:
        yield f"left out of the file (sparse): {counted(missing, 'block')}"
