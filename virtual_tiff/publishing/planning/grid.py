"""The chunks of an array that many files form together, as pure functions of their places.

A chunk is a block of one file, or the part of it that is shown: no block is ever copied. A Zarr
array has one sequence of chunk edges along each axis, so all files that are cut by a line across
the array must agree on it. The rules, in the order in which they are applied:

1. **Which pixels are shown.** Files may overlap. As in GDAL's VRT, one file is painted over the
   other, in their order (`overlap="last"`) or in its reverse (`"first"`). What can still be seen of
   a file is one or more rectangles, its *pieces*. Only files at the same position of all new
   dimensions overlap. `_painted` paints in slabs between two horizontal edges, so that its memory
   is one row of edges, however far apart the files lie.
2. **Where the edges are.** Each piece has an edge where it begins and ends, and at each of its own
   blocks between them. The edges of the whole are those of all pieces. A piece that is crossed by
   an edge which is not its own would have to cut a block there: it is refused. Gaps between files
   are filled with chunks that have no bytes.
3. **Regular, or not.** If all blocks have one size, and all edges but the last are multiples of
   it, the grid is regular. Otherwise the lengths of the chunks are listed (`rectilinear`).
4. **What is cropped.** A block is stored whole where it is shown in part. Which pixels of it a
   chunk shows follows from the length of the chunk alone, as a codec is told nothing else: where
   two chunks of one length would show different parts, the files are refused. A block that is as
   short as its chunk (a last strip) is not cropped.

A column of tiles thus shares its edges, as does a row. That is less than a VRT can say, so
`plan_grid` decides by what a VRT shows: it gives the same pixels, or raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import FileBlocks, Integers
from virtual_tiff.publishing.planning.tile_grid import SNAP

__all__ = [
    "DEFAULT_RULES",
    "GRIDS",
    "OVERLAPS",
    "Grid",
    "GridPlan",
    "GridRules",
    "NotRegularError",
    "Overlap",
    "OverlapError",
    "Tiles",
    "plan_grid",
    "run_lengths",
]

Overlap = Literal["error", "first", "last"]
OVERLAPS: tuple[str, ...] = get_args(Overlap)
Grid = Literal["auto", "regular", "rectilinear"]
GRIDS: tuple[str, ...] = get_args(Grid)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRules:
    """The user's choice of how files may lie in the whole."""

    overlap: Overlap = "error"
    """Which of two overlapping files is shown, in their order; `"error"` refuses them."""
    snap: float = SNAP
    """Pixels by which a file may be off the common grid."""
    grid: Grid = "auto"
    """Whether chunks may have several lengths."""


DEFAULT_RULES = GridRules()


class OverlapError(PublishError):
    """Files that overlap, where nothing says which of them is shown."""


class NotRegularError(PublishError):
    """Files whose chunks cannot all have one size."""


_MOST_CHUNKS = 10_000_000
"""Chunks along one axis: their lengths are a list in the metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The places of files in one array; each of the integers has the shape (files, axes)."""

    path: str = ""
    """Of the array, for errors."""
    starts: Integers
    """The first pixel of each file in the whole; none is less than 0."""
    sizes: Integers
    blocks: Integers
    """Pixels of a block."""
    names: Sequence[str]
    """Of the files, for errors."""
    axes: Sequence[str]
    """Names of the axes, for errors."""
    positions: Integers | None = None
    """A number for the position of each file along all new dimensions; None if there are none."""
    least: Integers | None = None
    """The least size of the whole along each axis, which may be more than its files have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisChunks:
    """The chunks along one axis."""

    block: int
    """The length of an encoded block, unless `parts` says another."""
    lengths: Integers | None = None
    """Of all chunks; None if each has the length of a block."""
    parts: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """By the length of a chunk: the length of its encoded block and the first pixel of it that is
    shown, where these are not the length `block` and 0."""

    @property
    def cropped(self) -> bool:
        """Whether a block is longer than its chunk."""
        if self.lengths is None:
            return False
        used = set(np.unique(self.lengths).tolist())
        return any(self.parts.get(n, (self.block, 0)) != (n, 0) for n in used - self.unused)

    unused: frozenset[int] = frozenset()
    """Lengths of chunks that only gaps have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """The chunks of the whole, and those that each piece of a file has."""

    shape: tuple[int, ...]
    chunks: tuple[AxisChunks, ...]
    """Of each axis."""
    blocks: FileBlocks
    """Most files have one piece, and those that others cover have none."""

    @property
    def cropped(self) -> bool:
        """Whether a block is longer than its chunk, so that reading it needs a codec."""
        return any(axis.cropped for axis in self.chunks)


def plan_grid(
    tiles: Tiles,
    joined: Sequence[int],
    *,
    overlap: Overlap = "error",
    rectilinear: bool = True,
    short: Sequence[bool] = (),
) -> GridPlan:
    """Plan the chunks of the array that files form.

    Parameters
    ----------
    tiles
        Their places.
    joined
        Numbers of the axes along which the files are put together: at most two may have
        overlapping files. Along the others all files have the same pixels.
    overlap
        Which of two overlapping files is shown: `"first"` or `"last"` in their order; `"error"`
        refuses them.
    rectilinear
        Whether chunks may have several lengths.
    short
        For each axis whether the last block of a file is encoded as short as what is left of the
        image, and not filled up to the length of a block. None are by default.

    Raises
    ------
    PublishError
        If the files overlap, or if no grid of this kind shows what they show.
    """
    files, low, high = _shown(tiles, joined, overlap)
    shape = (tiles.starts + tiles.sizes).max(axis=0)
    shape = shape if tiles.least is None else np.maximum(shape, tiles.least)
    short = short or [False] * len(tiles.axes)
    chunks: list[AxisChunks] = []
    numbers = np.zeros((3, *low.shape), dtype=np.int64)
    for axis in range(len(tiles.axes)):
        spans = _Spans.of(tiles, axis, files, low[:, axis], high[:, axis])
        along = _regular(spans, int(shape[axis]))
        if along is None:
            if not rectilinear:
                raise NotRegularError(_not_regular(tiles, spans, axis, int(shape[axis])))
            along = _rectilinear(tiles, spans, axis, int(shape[axis]), short=short[axis])
        axis_chunks, *of_spans = along
        chunks.append(axis_chunks)
        for number, values in zip(numbers, of_spans, strict=True):
            number[:, axis] = values[spans.of_piece]
    return GridPlan(
        shape=tuple(shape.tolist()),
        chunks=tuple(chunks),
        blocks=FileBlocks(files, *numbers),
    )


def run_lengths(lengths: Integers) -> list[int | list[int]]:
    """Return lengths of chunks as zarr's rectilinear grid has them: `[length, count]` of a run."""
    begins = np.flatnonzero(np.diff(lengths, prepend=-1))
    counts = np.diff([*begins.tolist(), len(lengths)])
    pairs = zip(lengths[begins].tolist(), counts.tolist(), strict=True)
    return [length if count == 1 else [length, count] for length, count in pairs]


# ------------------------------------------------------------------------ what is shown


def _shown(
    tiles: Tiles, joined: Sequence[int], overlap: Overlap
) -> tuple[Integers, Integers, Integers]:
    """Return the pieces that are shown: the file of each, where it begins, and where it ends."""
    low, high = tiles.starts, tiles.starts + tiles.sizes
    files: Integers = np.arange(len(low), dtype=np.int64)
    if not joined or len(low) < 2:
        return files, low, high
    positions = np.zeros_like(files) if tiles.positions is None else tiles.positions
    apart = True
    intervals = [positions]
    for axis in joined:
        pairs = np.stack([low[:, axis], high[:, axis]], axis=1)
        different, number = np.unique(pairs, axis=0, return_inverse=True)
        apart &= bool((different[1:, 0] >= different[:-1, 1]).all())
        intervals.append(number.reshape(-1))
    if apart:
        # then two files overlap only if they lie at the very same place
        keys = np.stack(intervals, axis=1)[np.lexsort(intervals)]
        if (keys[1:] != keys[:-1]).any(axis=1).all():
            return files, low, high
    order = np.argsort(positions, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(positions[order])) + 1)
    pieces = [_pieces(tiles, joined, overlap, group, low, high) for group in groups]
    files, low, high = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    by_file = np.argsort(files, kind="stable")
    return files[by_file], low[by_file], high[by_file]


def _pieces(
    tiles: Tiles,
    joined: Sequence[int],
    overlap: Overlap,
    files: NDArray[Any],
    low: Integers,
    high: Integers,
) -> tuple[Integers, Integers, Integers]:
    """Return the pieces of the files of one position."""
    rows, columns = joined[0], joined[-1]
    low, high = low[files], high[files]
    column_edges = np.unique([low[:, columns], high[:, columns]])
    left, right = np.searchsorted(column_edges, [low[:, columns], high[:, columns]])
    row_edges = np.unique([low[:, rows], high[:, rows]])
    top, bottom = np.searchsorted(row_edges, [low[:, rows], high[:, rows]])
    if len(joined) == 1:  # rows and columns are the same axis: one slab
        top, bottom = np.zeros_like(top), np.ones_like(bottom)
    painted = _painted(top, bottom, left, right, reverse=overlap == "first")
    numbers, piece_top, piece_bottom, piece_left, piece_right = np.array(
        painted, dtype=np.int64
    ).T.copy()
    if overlap == "error":
        seen = np.bincount(
            numbers,
            ((piece_bottom - piece_top) * (piece_right - piece_left)).astype("f8"),
            minlength=len(files),
        )
        hidden = seen != (bottom - top) * (right - left)
        if hidden.any():
            one = int(np.argmax(hidden))
            others = (top < bottom[one]) & (top[one] < bottom)
            others &= (left < right[one]) & (left[one] < right)
            others[: one + 1] = False
            names = (tiles.names[files[n]] for n in (int(np.argmax(others)), one))
            msg = (
                f"{' and '.join(names)} overlap in array {tiles.path}. Say which of them is shown"
                " by overlap='last' or overlap='first'; images of one place need a new"
                " dimension, or a variable or a group each"
            )
            raise OverlapError(msg)
    low, high = low[numbers], high[numbers]
    if len(joined) == 2:
        low[:, rows], high[:, rows] = row_edges[piece_top], row_edges[piece_bottom]
    low[:, columns], high[:, columns] = column_edges[piece_left], column_edges[piece_right]
    return files[numbers].astype(np.int64), low, high


def _painted(
    top: Integers, bottom: Integers, left: Integers, right: Integers, *, reverse: bool
) -> list[tuple[int, int, int, int, int]]:
    """Paint files over each other in cells between edges, the later ones above.

    Returns the rectangles that can be seen: (file, top, bottom, left, right).
    """
    count = len(top)
    slabs: list[list[int]] = [[] for _ in range(int(bottom.max()))]
    for file in range(count - 1, -1, -1) if reverse else range(count):
        for slab in range(top[file], bottom[file]):
            slabs[slab].append(file)
    begins, ends = left.tolist(), right.tolist()
    pieces = []
    row = np.empty(int(right.max()), dtype=np.int64)
    above: dict[tuple[int, int, int], int] = {}
    """By file, left and right: the slab in which a piece begins that goes on in the last one."""
    for slab, members in enumerate(slabs):
        row[:] = -1
        for file in members:
            row[begins[file] : ends[file]] = file
        changes = np.flatnonzero(np.diff(row, prepend=-2))
        runs = zip(row[changes].tolist(), changes.tolist(), [*changes[1:].tolist(), len(row)],
                   strict=True)  # fmt: skip
        here = {run: above.pop(run, slab) for run in runs if run[0] >= 0}
        pieces += [(run[0], start, slab, *run[1:]) for run, start in above.items()]
        above = here
    return pieces + [(run[0], start, len(slabs), *run[1:]) for run, start in above.items()]


# ----------------------------------------------------------------------------- the edges


@dataclass(frozen=True, slots=True)
class _Spans:
    """The different ways in which pieces lie along one axis: of a million tiles some thousand."""

    low: Integers
    high: Integers
    """Where the piece begins and ends."""
    start: Integers
    """Where its file begins."""
    size: Integers
    """Of the file."""
    block: Integers
    file: Integers
    """A file with a piece that lies so."""
    of_piece: Integers
    """The number of the span of each piece."""

    @classmethod
    def of(cls, tiles: Tiles, axis: int, files: Integers, low: Integers, high: Integers) -> _Spans:
        of_files = (tiles.starts[:, axis], tiles.sizes[:, axis], tiles.blocks[:, axis])
        table = np.stack([low, high, *(column[files] for column in of_files)], axis=1)
        different, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
        low, high, start, size, block = different.T.copy()
        return cls(low, high, start, size, block, files[first], inverse.reshape(-1))

    @property
    def first(self) -> Integers:
        """The first block that is shown."""
        return (self.low - self.start) // self.block

    @property
    def counts(self) -> Integers:
        """Blocks that are shown."""
        return -(-(self.high - self.start) // self.block) - self.first

    def edges(self, span: int) -> Integers:
        """Return where the chunks of one span begin, and where the last one ends."""
        first, count = int(self.first[span]), int(self.counts[span])
        numbers = np.arange(first, first + count + 1, dtype=np.int64)
        edges: Integers = self.start[span] + numbers * self.block[span]
        edges[0], edges[-1] = self.low[span], self.high[span]
        return edges


type _Along = tuple[AxisChunks, Integers, Integers, Integers]
"""The chunks of an axis; of each span the first chunk, the first block and their number."""


def _regular(spans: _Spans, length: int) -> _Along | None:
    """Return the chunks of a regular grid; None if there is none."""
    block = int(spans.block[0])
    ends = (spans.high % block == 0) | (spans.high == length)
    begins = (spans.low % block == 0) & ((spans.low - spans.start) % block == 0)
    if not ((spans.block == block).all() and begins.all() and ends.all()):
        return None
    return AxisChunks(block=block), spans.low // block, spans.first, spans.counts


def _not_regular(tiles: Tiles, spans: _Spans, axis: int, length: int) -> str:
    """Return why there is no regular grid."""
    block = int(spans.block[0])
    if (spans.block != block).any():
        other = int(np.argmax(spans.block != block))
        return (
            f"{tiles.names[spans.file[other]]}: array {tiles.path} has blocks of"
            f" {spans.block[other]} pixels along {tiles.axes[axis]}, and"
            f" {tiles.names[spans.file[0]]} of {block}"
        )
    begins = (spans.low % block != 0) | ((spans.low - spans.start) % block != 0)
    what, at = "begins", spans.low
    if not begins.any():
        begins, what, at = (spans.high % block != 0) & (spans.high != length), "ends", spans.high
    span = int(np.argmax(begins))
    return (
        f"{tiles.names[spans.file[span]]}: array {tiles.path} {what} at {at[span]} along"
        f" {tiles.axes[axis]}, within a chunk of {block}"
    )


def _rectilinear(tiles: Tiles, spans: _Spans, axis: int, length: int, *, short: bool) -> _Along:
    """Return the chunks of a grid whose edges are those of all files."""
    name = tiles.axes[axis]
    if int(spans.counts.sum()) > _MOST_CHUNKS:
        msg = f"the files have more than {_MOST_CHUNKS:,} chunks along {name}; publish them apart"
        raise PublishError(msg)
    edges_of = [spans.edges(span) for span in range(len(spans.low))]
    edges = np.unique(np.concatenate([*edges_of, [0, length]]))
    begin, end = np.searchsorted(edges, spans.low), np.searchsorted(edges, spans.high)
    crossed = end - begin != spans.counts
    if crossed.any():
        raise PublishError(_crossed(tiles, spans, edges_of, edges, axis, int(np.argmax(crossed))))
    block = int(spans.block.max())
    covered = np.zeros(len(edges), dtype=np.int64)
    np.add.at(covered, begin, 1)
    np.add.at(covered, end, -1)
    is_gap = np.cumsum(covered)[:-1] == 0
    edges, gaps = _gaps_divided(edges, is_gap, block)
    origins = np.searchsorted(edges, spans.low)
    lengths = np.diff(edges)
    parts = _parts(tiles, spans, edges_of, axis, block, short=short)
    used = set(np.unique(lengths[~gaps]).tolist())
    chunks = AxisChunks(
        block=block,
        lengths=lengths,
        parts=parts,
        unused=frozenset(set(np.unique(lengths).tolist()) - used),
    )
    return chunks, origins, spans.first, spans.counts


def _gaps_divided(
    edges: Integers, is_gap: NDArray[Any], block: int
) -> tuple[Integers, NDArray[Any]]:
    """Divide gaps into chunks of at most one block, which readers can afford to fill."""
    if not is_gap.any():
        return edges, is_gap
    pieces, gaps = [], []
    for start, end, gap in zip(edges[:-1].tolist(), edges[1:].tolist(), is_gap, strict=True):
        if (end - start) // block > _MOST_CHUNKS:
            msg = f"the files lie more than {_MOST_CHUNKS:,} chunks apart; publish them separately"
            raise PublishError(msg)
        piece = np.arange(start, end, block, dtype=np.int64) if gap else np.array([start])
        pieces.append(piece)
        gaps.append(np.full(len(piece), gap))
    return np.concatenate([*pieces, edges[-1:]]), np.concatenate(gaps)


def _crossed(
    tiles: Tiles,
    spans: _Spans,
    edges_of: Sequence[Integers],
    edges: Integers,
    axis: int,
    span: int,
) -> str:
    """Return the error about a file that an edge of another one crosses."""
    inside = edges[(edges > spans.low[span]) & (edges < spans.high[span])]
    edge = int(np.setdiff1d(inside, edges_of[span])[0])
    other = next(n for n, edges in enumerate(edges_of) if edge in edges)
    rows = {"y": "row", "x": "column"}.get(tiles.axes[axis], "row")
    return (
        f"{tiles.names[spans.file[other]]} has the edge of a chunk at {edge:,} along"
        f" {tiles.axes[axis]}, and {tiles.names[spans.file[span]]} has none there: all tiles of a"
        f" {rows} must share their edges, as no block can be in two chunks. Publish them in groups"
        " (group=PATTERN, or layout='group per file')"
    )


def _parts(
    tiles: Tiles,
    spans: _Spans,
    edges_of: Sequence[Integers],
    axis: int,
    block: int,
    *,
    short: bool,
) -> dict[int, tuple[int, int]]:
    """Return which part of its block a chunk of each length shows, if not the first pixels."""
    parts: dict[int, tuple[int, int]] = {}
    for span, edges in enumerate(edges_of):
        numbers = spans.first[span] + np.arange(len(edges) - 1)
        starts = spans.start[span] + numbers * spans.block[span]
        encoded = np.full(len(numbers), spans.block[span])
        if short:
            left = spans.start[span] + spans.size[span] - starts
            encoded = np.minimum(encoded, left)
        rows = np.stack([np.diff(edges), encoded, edges[:-1] - starts], axis=1)
        for length, size, offset in np.unique(rows, axis=0).tolist():
            if parts.setdefault(length, (size, offset)) != (size, offset):
                msg = (
                    f"{tiles.names[spans.file[span]]}: along {tiles.axes[axis]} a chunk of"
                    f" {length} pixels would show its block from pixel {offset} of {size}, and"
                    f" another chunk of this length from pixel {parts[length][1]} of"
                    f" {parts[length][0]}: a codec cannot tell them apart. Try the other"
                    " overlap='last' or overlap='first', or publish in groups (group=PATTERN)"
                )
                raise PublishError(msg)
    return {n: part for n, part in parts.items() if part != (block, 0)}
