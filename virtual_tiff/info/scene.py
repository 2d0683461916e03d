"""A file as a picture: rectangles and lines of text, for SVG and PNG alike.

Each row of a panel is a run of the file's bytes, cut into cells. A cell has the colour of what
lies in it; what is smaller than a cell still has one, and of several things in it the rarer one
is shown: header before directories before values before blocks. So a million blocks are as many
rectangles as a thousand: at most one a cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.info.extents import Extents, Spans, gaps
from virtual_tiff.info.model import DirectoryInfo, FileInfo
from virtual_tiff.info.table import heading
from virtual_tiff.text.numbers import counted, human_size
from virtual_tiff.tiff.errors import printable

__all__ = ["WIDTH", "Box", "Label", "Scene", "scene_of"]

WIDTH = 1000
_LEFT, _CELL, _CELLS = 84, 3, 298
_ROW, _PITCH = 15, 20
_ROWS = 12
"""Rows of the whole file; 12 x 298 cells."""

_DETAIL_ROWS = 4
_FIRST_READ, _SECOND_READ = 32 * 1024, 64 * 1024
"""What `ReadAhead` asks for: of the file's beginning, and where it knows no better."""

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
"""Of blocks, by the kind of their directory; where there are more of a kind they take turns."""

_LIGHTER = 0.28
"""Every other block is that much nearer to white, where blocks are wide enough to be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle, in pixels."""

    x: int
    y: int
    width: int
    height: int
    colour: str
    """`#rrggbb`."""
    title: str = ""
    """What it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A line of text; `y` is its base line."""

    x: int
    y: int
    text: str
    size: int = 11
    colour: str = _INK
    right: bool = False
    """Whether it ends at `x`, and does not begin there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is to be drawn on a white sheet."""

    title: str
    height: int
    boxes: tuple[Box, ...]
    labels: tuple[Label, ...]


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


def scene_of(file: FileInfo, extents: Extents, name: str) -> Scene:
    """Draw a file.

    Parameters
    ----------
    file
        What is said of it.
    extents
        Where its parts lie.
    name
        What to call it.
    """
    title = _short(printable(name))
    layers = list(_layers(file, extents))
    boxes: list[Box] = []
    labels = [
        Label(x=20, y=32, text=title, size=18),
        Label(x=20, y=54, text=printable(heading(file)), size=12, colour=_PALE),
    ]
    y = 84
    for panel in _panels(extents):
        labels.append(Label(x=20, y=y, text=panel.caption, size=12))
        y += 8
        labels += _scale(panel, y)
        boxes += _cells(panel, layers, extents.size, y)
        y += panel.rows * _PITCH + 24
    for box, label in _legend(layers, file, extents, y - 8):
        boxes += [] if box is None else [box]
        labels.append(label)
    height = max(label.y for label in labels) + 18
    return Scene(title=title, height=height, boxes=tuple(boxes), labels=tuple(labels))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"...{text[3 - _LONGEST :]}"


# ------------------------------------------------------------------------------- layers


def _layers(file: FileInfo, extents: Extents) -> Iterator[_Layer]:
    """Yield what lies in the file, the more important the later."""
    count: dict[str, int] = {}
    for info in file.directories:
        spans = extents.blocks.get(info.path)
        if spans is None or not len(spans):
            continue
        colours = _COLOURS[info.kind]
        nth = count[info.kind] = count.get(info.kind, -1) + 1
        yield _Layer(
            name=f"IFD {info.path}, {info.kind}",
            colour=colours[nth % len(colours)],
            spans=spans,
            note=_of_blocks(info),
        )
    for name, colour, spans in (
        ("values of tags", _VALUES, extents.values),
        ("directories", _DIRECTORIES, extents.directories),
        ("header", _HEADER, extents.header),
    ):
        many = "" if name == "header" else f"{len(spans):,} with "
        yield _Layer(name=name, colour=colour, spans=spans, note=many + human_size(spans.nbytes))


def _of_blocks(info: DirectoryInfo) -> str:
    size = f"{info.width} x {info.height}"
    if info.blocks is None:
        return size
    blocks = counted(info.blocks.count, info.blocks.kind)
    return f"{size}, {blocks}, {human_size(info.bytes_on_disk or 0)}"


# ------------------------------------------------------------------------------- panels


def _panels(extents: Extents) -> Iterator[_Panel]:
    row_bytes = _round_step(extents.size / _ROWS)
    rows = max(1, -(-extents.size // row_bytes))
    cell = human_size(max(1, row_bytes // _CELLS))
    yield _Panel(
        caption=f"The whole file: a row is {human_size(row_bytes)}, a cell {cell}",
        start=0,
        row_bytes=row_bytes,
        rows=rows,
    )
    if extents.size <= 2 * _FIRST_READ:
        return
    yield _detail("The first 32 KiB, which one request reads", 0, _FIRST_READ)
    first = int(extents.directories.starts[0]) if len(extents.directories) else 0
    if first >= _FIRST_READ:
        caption = "The 64 KiB from the first directory on"
        yield _detail(caption, first, _SECOND_READ)


def _detail(caption: str, start: int, nbytes: int) -> _Panel:
    return _Panel(
        caption=caption,
        start=start,
        row_bytes=nbytes // _DETAIL_ROWS,
        rows=_DETAIL_ROWS,
        binary=True,
    )


def _round_step(least: float) -> int:
    """Return the next 1, 2, 2.5 or 5 times a power of ten; at least a byte a cell."""
    step = 500
    while step < least:
        step = _next_step(step)
    return step


def _next_step(step: int) -> int:
    digits = str(step)
    following = {"5": "10", "1": "2", "2": "5"}[digits[0]]
    return int(following + digits[1:])


def _scale(panel: _Panel, y: int) -> Iterator[Label]:
    for row in range(panel.rows):
        at = panel.start + row * panel.row_bytes
        inside = row * panel.row_bytes // 1024
        text = f"+ {inside} KiB" if panel.binary and row else human_size(at) if at else "0"
        yield Label(
            x=_LEFT - 8, y=y + row * _PITCH + 12, text=text, size=10, colour=_PALE, right=True
        )


# -------------------------------------------------------------------------------- cells


def _cells(panel: _Panel, layers: Sequence[_Layer], size: int, top: int) -> Iterator[Box]:
    """Yield the boxes of a panel: cells of a row that are alike are one box."""
    count = panel.rows * _CELLS
    edges = panel.start + np.arange(count + 1, dtype=np.float64) * (panel.row_bytes / _CELLS)
    painted = np.where(edges[:-1] < size, 0, -1)
    lighter = np.zeros(count, dtype=bool)
    for number, layer in enumerate(layers, 1):
        covered, odd = _coverage(layer.spans, edges)
        painted[covered] = number
        lighter[covered] = odd[covered]
    painted[edges[:-1] >= size] = -1
    alike = painted * 2 + lighter
    changes = np.flatnonzero(np.diff(alike)) + 1
    bounds = np.union1d(np.union1d(changes, np.arange(0, count, _CELLS)), [count])
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        what = int(painted[begin])
        if what < 0:
            continue
        row, column = divmod(begin, _CELLS)
        name, colour = ("nothing points here", _GAP)
        if what:
            name, colour = layers[what - 1].name, layers[what - 1].colour
        last = min(size, round(edges[end]))
        yield Box(
            x=_LEFT + column * _CELL,
            y=top + row * _PITCH,
            width=(end - begin) * _CELL,
            height=_ROW,
            colour=_lightened(colour) if lighter[begin] else colour,
            title=f"{name}: {round(edges[begin]):,} to {last:,}",
        )


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
    return _counted(first, last, count) > 0, _counted(first[odd], last[odd], count) > 0


def _counted(first: NDArray[np.int64], last: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return how many ranges of cells cover each cell."""
    steps = np.bincount(first, minlength=count + 1) - np.bincount(last, minlength=count + 1)
    return np.cumsum(steps)[:count].astype(np.int64)


def _lightened(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * _LIGHTER):02x}" for part in parts)


# ------------------------------------------------------------------------------- legend


def _legend(
    layers: Sequence[_Layer], file: FileInfo, extents: Extents, top: int
) -> Iterator[tuple[Box | None, Label]]:
    """Yield the entries in two columns: what belongs to tags left, the blocks right."""
    free = gaps(extents)
    tags = [
        *((layer.name, layer.colour, layer.note) for layer in reversed(layers[-3:])),
        (
            "nothing points here",
            _GAP,
            f"{human_size(free.nbytes)} in {counted(len(free), 'place')}",
        ),
    ]
    blocks = [(layer.name, layer.colour, layer.note) for layer in layers[:-3]]
    columns = ((_LEFT, tags), (_LEFT + 340, blocks[:_MOST_LISTED]))
    for x, entries in columns:
        for line, (name, colour, note) in enumerate(entries):
            y = top + line * 18
            box = Box(x=x, y=y, width=12, height=12, colour=colour, title=name)
            yield box, Label(x=x + 18, y=y + 10, text=f"{name}: {note}")
    y = top + max(len(entries) for _, entries in columns) * 18 + 10
    for text in _remarks(len(blocks), file, extents):
        yield None, Label(x=_LEFT, y=y, text=text, colour=_PALE)
        y += 16


def _remarks(blocks: int, file: FileInfo, extents: Extents) -> Iterator[str]:
    if blocks > _MOST_LISTED:
        yield f"and the blocks of {counted(blocks - _MOST_LISTED, 'more image')}"
    past = sum(int((spans.ends > extents.size).sum()) for spans in extents.blocks.values())
    if past:
        yield f"past the end of the file: {counted(past, 'block')}"
    whole = sum(info.blocks.count for info in file.directories if info.blocks is not None)
    missing = whole - sum(map(len, extents.blocks.values()))
    if missing > 0:
        yield f"left out of the file (sparse): {counted(missing, 'block')}"
