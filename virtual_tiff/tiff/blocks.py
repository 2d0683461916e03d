"""Strips or tiles, chunky or planar, to one layout of blocks.

TIFF 6.0 sections 3 (strips), 15 (tiles) and "PlanarConfiguration". GDAL's word for
"strip or tile" is *block*. Where files break the rules, libtiff's tif_dirread.c and
tif_strip.c say what readers have come to accept; the comments name the rule.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from . import constants
from .constants import PlanarConfiguration, Tag
from .errors import FormatError, warn
from .ifd import ImageFileDirectory
from .limits import Limits

__all__ = ["BlockGrid", "BlockLayout", "block_grid", "block_layout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockGrid:
    """How an image is cut into blocks."""

    kind: Literal["strip", "tile"]
    image_length: int
    image_width: int
    samples: int
    """Samples of a pixel, SamplesPerPixel."""
    planes: int
    """SamplesPerPixel where each sample has its own blocks (planar), else 1."""
    block_length: int
    """Rows of a block; the last strip may hold fewer."""
    block_width: int
    bits: int
    """Bits of one sample; the largest where they differ."""

    @property
    def rows(self) -> int:
        """Blocks from top to bottom."""
        return -(-self.image_length // self.block_length)

    @property
    def columns(self) -> int:
        """Blocks from left to right."""
        return -(-self.image_width // self.block_width)

    @property
    def count(self) -> int:
        """All blocks of the image."""
        return self.planes * self.rows * self.columns

    @property
    def block_samples(self) -> int:
        """Samples of a pixel within one block."""
        return self.samples // self.planes

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of a decoded block; rows begin at byte boundaries."""
        return -(-self.block_width * self.block_samples * self.bits // 8)

    @property
    def block_bytes(self) -> int:
        """Bytes of one decoded block."""
        return self.row_bytes * self.block_length

    @property
    def last_length(self) -> int:
        """Rows of the blocks at the image's foot: a tile is padded, a strip is not."""
        return self.block_length if self.kind == "tile" else self.rows_at_foot

    @property
    def rows_at_foot(self) -> int:
        """Rows of the image that the blocks at its foot hold."""
        return self.image_length - (self.rows - 1) * self.block_length


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLayout:
    """Where the blocks of one image lie, in the order of the TIFF's arrays.

    Block ``(plane, row, column)`` is number ``(plane * rows + row) * columns + column``.
    One whose byte count is 0 is missing (GDAL's *sparse*).
    """

    grid: BlockGrid
    offsets: memoryview
    """Byte offsets in the file, shape ``(planes * rows * columns,)``."""
    byte_counts: memoryview
    """Bytes of each block in the file, same shape."""


def block_grid(ifd: ImageFileDirectory, *, limits: Limits | None = None) -> BlockGrid:
    """Work out how an image is cut into blocks.

    Raises
    ------
    FormatError
        If a size is absent or 0.
    LimitError
        If the image has more or larger blocks than `limits` allow.
    """
    limits = limits or Limits()
    length, width = _image_size(ifd)
    tiled = ifd.TileWidth is not None
    block_length, block_width = _tile_size(ifd) if tiled else _strip_size(ifd)
    samples = ifd.SamplesPerPixel
    grid = BlockGrid(
        kind="tile" if tiled else "strip",
        image_length=length,
        image_width=width,
        samples=samples,
        planes=samples if ifd.PlanarConfiguration == PlanarConfiguration.Planar else 1,
        block_length=block_length,
        block_width=block_width,
        bits=max(ifd.BitsPerSample),
    )
    limits.check("blocks", grid.count, f"{grid.kind}s of the image", ifd=ifd.path)
    return grid


def block_layout(
    ifd: ImageFileDirectory, *, file_size: int | None = None, limits: Limits | None = None
) -> BlockLayout:
    """Work out where the blocks of an image are.

    Parameters
    ----------
    ifd
        The directory.
    file_size
        Bytes of the file, where known: it bounds a block whose byte count is absent.
    limits
        Bounds on the number of blocks.

    Raises
    ------
    FormatError
        If the tags contradict each other, or a tag that is needed is absent.
    TruncatedError
        If the arrays lie past the file's end.
    LimitError
        If the image has more blocks than `limits` allow.
    """
    limits = limits or Limits()
    grid = block_grid(ifd, limits=limits)
    # libtiff keeps the two tags in one field: either serves either kind of block
    offsets = _first_of(ifd, Tag.TileOffsets, Tag.StripOffsets)
    if offsets is None:
        msg = "neither StripOffsets nor TileOffsets, so there are no pixels"
        raise FormatError(msg, tag=Tag.StripOffsets, ifd=ifd.path, offset=ifd.offset)
    offsets = _fit(ifd, offsets, grid.count, "offsets", limits)
    counts = _first_of(ifd, Tag.TileByteCounts, Tag.StripByteCounts)
    if counts is not None:
        counts = _fit(ifd, counts, grid.count, "byte counts", limits)
        if not _counts_look_bad(ifd, grid, offsets, counts, file_size):
            return BlockLayout(grid=grid, offsets=offsets, byte_counts=counts)
    warn(f"IFD {ifd.path}: StripByteCounts or TileByteCounts is absent or wrong; derived")
    return BlockLayout(
        grid=grid, offsets=offsets, byte_counts=_derived_counts(ifd, grid, offsets, file_size)
    )


def _image_size(ifd: ImageFileDirectory) -> tuple[int, int]:
    length, width = ifd.ImageLength, ifd.ImageWidth
    if length < 1 or width < 1:
        msg = f"the image has {width} x {length} pixels"
        raise FormatError(msg, tag=Tag.ImageLength, ifd=ifd.path, offset=ifd.offset)
    return length, width


def _tile_size(ifd: ImageFileDirectory) -> tuple[int, int]:
    length, width = ifd.TileLength, ifd.TileWidth
    if length is None or width is None or length < 1 or width < 1:
        msg = f"tiles of TileWidth {width} x TileLength {length}"
        raise FormatError(msg, tag=Tag.TileLength, ifd=ifd.path, offset=ifd.offset)
    return length, width


def _strip_size(ifd: ImageFileDirectory) -> tuple[int, int]:
    rows = ifd.RowsPerStrip
    if rows < 1:
        # libtiff refuses to set the tag to 0 and keeps the default: one strip
        warn(f"IFD {ifd.path}: RowsPerStrip is 0; the image is taken as one strip")
        rows = ifd.ImageLength
    return min(rows, ifd.ImageLength), ifd.ImageWidth


def _first_of(ifd: ImageFileDirectory, *tags: Tag) -> memoryview | None:
    for tag in tags:
        found = ifd.integers(tag)
        if found is not None:
            return found
    return None


def _fit(
    ifd: ImageFileDirectory, found: memoryview, count: int, what: str, limits: Limits
) -> memoryview:
    """Cut off what is too much; what is too little are missing blocks, as in libtiff."""
    missing = count - len(found)
    if missing <= 0:
        return found[:count]
    limits.check("missing_blocks", missing, f"blocks without {what}", ifd=ifd.path)
    warn(f"IFD {ifd.path}: {len(found)} {what} for {count} blocks; the others are missing blocks")
    padded = array(found.format, bytes(found))
    padded.extend(array(found.format, [0]) * missing)
    return memoryview(padded).toreadonly()


def _counts_look_bad(
    ifd: ImageFileDirectory,
    grid: BlockGrid,
    offsets: memoryview,
    counts: memoryview,
    file_size: int | None,
) -> bool:
    """Judge the counts by what libtiff's BYTECOUNTLOOKSBAD looks at.

    One block: its count is 0 or reaches past the file, or, without compression, is
    less than the image needs. More than two uncompressed chunky strips: the first two
    differ ("some vendors fill the array with absolutely wrong values").
    """
    uncompressed = ifd.Compression == constants.Compression.None_
    if grid.count == 1 and offsets[0]:
        too_long = file_size is not None and offsets[0] + counts[0] > file_size >= offsets[0]
        too_short = uncompressed and counts[0] < grid.row_bytes * grid.last_length
        return not counts[0] or too_long or too_short
    if uncompressed and grid.kind == "strip" and grid.planes == 1 and grid.count > 2:
        return counts[0] != counts[1] and counts[0] != 0 and counts[1] != 0
    return False


def _derived_counts(
    ifd: ImageFileDirectory, grid: BlockGrid, offsets: memoryview, file_size: int | None
) -> memoryview:
    """Derive byte counts: from the geometry, or from where the next block begins."""
    if ifd.Compression == constants.Compression.None_:
        plane = array("Q", [grid.block_bytes]) * (grid.rows * grid.columns)
        if grid.kind == "strip":
            plane[-1] = grid.row_bytes * grid.last_length
        return memoryview(plane * grid.planes).toreadonly()
    if file_size is None:
        msg = "byte counts are absent, and the size of the file is not known"
        raise FormatError(msg, tag=Tag.StripByteCounts, ifd=ifd.path, offset=ifd.offset)
    begins = sorted({*offsets, file_size})
    length = {start: end - start for start, end in pairwise(begins)}
    derived = array("Q", (length.get(start, 0) if start else 0 for start in offsets))
    return memoryview(derived).toreadonly()
