"""TIFF blocks to Zarr chunks: the grid, and each chunk's bytes in the file.

Offsets stay arrays from the file to the manifest; nothing here runs once a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from operator import add

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import BlockGrid, BlockLayout, FormatError, Tag, warn

__all__ = ["ChunkPlan", "plan_chunks"]

MERGED_BYTES = (2**20, 2**23)
"""Size of a chunk of merged strips: large enough that requests and event-loop wake-ups do
not count, small enough to be read in parallel and for a window."""

_WITHOUT_REST = ((2**16, 2**23), (2**23, 2**24), (2**13, 2**16))
"""Sizes of chunks of merged strips that leave no partial last one, the best first.

A partial chunk needs a codec of ours, and so this package in each reader, though the file has no
strip that does. That zarr-python takes 2 s for the chunks of 50 MB in 5,003 rows, and 0.1 s for
seven with such a codec, weighs less. They have no less than 8 KiB, the strip that libtiff makes by
default.
"""

_FEW_BLOCKS = 64
"""Of so few, Python's own loops see more in less time than numpy takes to begin."""

_TAGS = {
    "strip": (Tag.StripOffsets, Tag.StripByteCounts),
    "tile": (Tag.TileOffsets, Tag.TileByteCounts),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPlan:
    """A regular grid of chunks and where their bytes are."""

    length: int
    """Rows of a chunk."""
    width: int
    last_length: int
    """Rows of the chunks at the image's foot that the file holds; less than `length`
    where the last strip is short."""
    offsets: NDArray[np.uint64]
    """Byte offsets in the file, shape (planes, chunks down, chunks across)."""
    byte_counts: NDArray[np.uint64]
    """Bytes in the file, same shape; 0 for a missing chunk, whose offset is 0 too."""
    lost: NDArray[np.bool_] | None = None
    """Which chunks the file lacks, wholly or in part, same shape; None if none."""
    short: NDArray[np.bool_] | None = None
    """Which of these have too few bytes, because another block begins there."""


def plan_chunks(
    layout: BlockLayout,
    *,
    uncompressed: bool,
    short_tiles: bool,
    merge_strips: bool,
    file_size: int,
) -> ChunkPlan:
    """Make one chunk of each block, or better ones of uncompressed strips.

    Uncompressed strips that lie one after another are one run of bytes, so the grid may
    be any grid of rows: a few large chunks instead of one reference for each strip.

    Parameters
    ----------
    layout
        The blocks.
    uncompressed
        Whether a block's bytes are its pixels; then those past its end are cut off.
    short_tiles
        Whether tiles of this compression are known to end where the image does.
    merge_strips
        Whether to join strips where that is possible.
    file_size
        Bytes of the file; a run that reaches past it is left as strips, of which those
        that are whole can be read.

    Raises
    ------
    FormatError
        If an offset or a byte count is negative.
    """
    grid = layout.grid
    shape = (grid.planes, grid.rows, grid.columns)
    tags = _TAGS[grid.kind]
    offsets = _unsigned(layout.offsets, tags[0]).reshape(shape)
    counts = _unsigned(layout.byte_counts, tags[1]).reshape(shape)
    few = counts.size <= _FEW_BLOCKS
    least = min(layout.byte_counts) if few else int(counts.min())
    most = max(layout.byte_counts) if few else int(counts.max())
    if not least:
        offsets = np.where(counts == 0, np.uint64(0), offsets)  # libtiff: missing, as if sparse
    last_length = grid.last_length
    short = None
    if uncompressed:
        promised = _promised(grid)
        # where all blocks are whole, as in most files, there is nothing to correct
        if not least == most == grid.block_bytes == grid.size(last_length):
            counts = np.minimum(counts, promised)
            if _foot_is_short(grid, counts):
                last_length = grid.rows_at_foot
                counts[:, -1] = np.minimum(counts[:, -1], grid.size(last_length))
            counts, short = _read_on(grid, offsets, counts, last_length)
            most = grid.block_bytes
        if merge_strips and _is_run(grid, offsets, counts, promised, file_size):
            return _merged(grid, offsets[:, 0, 0])
    elif short_tiles:
        last_length = grid.rows_at_foot
    lost = np.ones(shape, np.bool_) if layout.cut else _lost(offsets, counts, most, file_size)
    if short is not None:
        lost = short if lost is None else lost | short
    return ChunkPlan(
        length=grid.block_length,
        width=grid.block_width,
        last_length=last_length,
        offsets=offsets,
        byte_counts=counts,
        lost=lost,
        short=short,
    )


def _read_on(
    grid: BlockGrid, offsets: NDArray[np.uint64], counts: NDArray[np.uint64], last_length: int
) -> tuple[NDArray[np.uint64], NDArray[np.bool_] | None]:
    """Return byte counts that are large enough, and which blocks cannot have so many.

    libtiff reads as many bytes of an uncompressed block as its pixels take, whatever the count
    says. Where these would be bytes of another block, the block is short in truth; where a codec
    does not know the position, it could be taken for the short last one.
    """
    least = np.full((grid.rows, 1), grid.block_bytes, dtype=np.uint64)
    least[-1] = grid.size(last_length)
    small = (counts < least) & (counts != 0)
    if not small.any():
        return counts, None
    starts = np.append(np.unique(offsets[counts != 0]), np.uint64(2**64 - 1))
    room = starts[np.searchsorted(starts[:-1], offsets, side="right")] - offsets
    short = small & (room < least)
    lies = small & ~short
    if lies.any():
        blocks = counted(int(np.count_nonzero(lies)), f"uncompressed {grid.kind}")
        warn(
            f"the byte counts of {blocks} are too small for the pixels; the bytes that follow are"
            " read too, as in GDAL"
        )
    return np.where(lies, least, counts), short if short.any() else None


def _lost(
    offsets: NDArray[np.uint64], counts: NDArray[np.uint64], most: int, file_size: int
) -> NDArray[np.bool_] | None:
    """Return which blocks do not end within the file; a missing one lacks nothing.

    No count is larger than `most`.
    """
    if counts.size <= _FEW_BLOCKS:
        ends = map(add, offsets.ravel().tolist(), counts.ravel().tolist())
        if max(ends) <= file_size:
            return None
    elif int(offsets.max()) + most <= file_size:
        return None  # so it is with most files, and costs a million blocks no array
    size = np.uint64(file_size)
    lost = (counts > size - np.minimum(offsets, size)) & (counts != 0)  # a sum may overflow
    return lost if lost.any() else None


def _unsigned(values: memoryview, tag: Tag) -> NDArray[np.uint64]:
    found = np.frombuffer(values, dtype=values.format)
    if found.dtype.kind == "i" and found.size and found.min() < 0:
        msg = f"the values must not be negative; the least is {found.min()}"
        raise FormatError(msg, tag=tag)
    return found.astype(np.uint64, copy=False)


def _promised(grid: BlockGrid) -> NDArray[np.uint64]:
    """Bytes of each row of blocks, shape (chunks down, 1)."""
    promised = np.full((grid.rows, 1), grid.block_bytes, dtype=np.uint64)
    promised[-1] = grid.size(grid.last_length)
    return promised


def _foot_is_short(grid: BlockGrid, counts: NDArray[np.uint64]) -> bool:
    """Whether the file leaves out rows of its last tiles that lie below the image."""
    least = grid.size(grid.rows_at_foot)
    foot = counts[:, -1]
    return bool(((foot < grid.block_bytes) & (foot >= least) & (foot != 0)).any())


def _is_run(
    grid: BlockGrid,
    offsets: NDArray[np.uint64],
    counts: NDArray[np.uint64],
    promised: NDArray[np.uint64],
    file_size: int,
) -> bool:
    """Whether each plane's strips are whole and lie one after another."""
    if grid.kind != "strip" or not offsets.all() or (counts != promised).any():
        return False
    if grid.subsampling != (1, 1):
        return False  # a strip's last data units may hold rows of no pixel
    ends = offsets + counts
    touching = bool((ends[:, :-1] == offsets[:, 1:]).all())
    return touching and int(ends.max()) <= file_size


def _merged(grid: BlockGrid, starts: NDArray[np.uint64]) -> ChunkPlan:
    # bits unpack to bytes: what counts is the chunk that a reader holds
    decoded = grid.block_width * grid.block_samples * -(-grid.bits // 8)
    rows = _merged_rows(grid.image_length, decoded)
    down = -(-grid.image_length // rows)
    last = grid.image_length - (down - 1) * rows
    counts = np.full(down, rows * grid.row_bytes, dtype=np.uint64)
    counts[-1] = last * grid.row_bytes
    steps = np.arange(down, dtype=np.uint64) * np.uint64(rows * grid.row_bytes)
    shape = (grid.planes, down, 1)
    return ChunkPlan(
        length=rows,
        width=grid.image_width,
        last_length=last,
        offsets=(starts[:, None] + steps).reshape(shape),
        byte_counts=np.broadcast_to(counts[:, None], shape).copy(),
    )


def _merged_rows(image_length: int, row_bytes: int) -> int:
    """Rows of a merged chunk: a divisor of the image's length if there is a useful one.

    A divisor leaves no partial last chunk, and so needs no codec of ours. Without one the last
    chunk is short. What counts is the size of the image alone, so that the chunks of files that
    differ in their strips, and in what follows the last one, can be stacked.
    """
    _, most = MERGED_BYTES
    if image_length * row_bytes <= most:
        return image_length
    divisors = {
        rows
        for small in range(1, isqrt(image_length) + 1)
        if image_length % small == 0
        for rows in (small, image_length // small)
    }
    for least, highest in _WITHOUT_REST:
        fitting = [rows for rows in divisors if least <= rows * row_bytes <= highest]
        if fitting:
            return min(fitting) if least >= most else max(fitting)
    return max(1, most // row_bytes)
