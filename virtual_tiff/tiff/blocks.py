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

from .constants import Compression, Photometric, PlanarConfiguration, Tag
from .errors import FormatError, UnsupportedError, warn
from .ifd import ImageFileDirectory
from .limits import Limits

__all__ = ["BlockGrid", "BlockLayout", "block_grid", "block_layout", "ycbcr_subsampling"]

_BYTE_COMPRESSIONS = {
    Compression.None_,
    Compression.LZW,
    Compression.AdobeDeflate,
    Compression.Deflate,
    Compression.PackBits,
    Compression.LZMA,
    Compression.Zstd,
    Compression.Zstd_old,
}
"""Compressions of bytes, which may be YCbCr data units; those of images say what they hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockGrid:
    """How an image is cut into blocks."""

    kind: Literal["strip", "tile"]
    """How the image is stored."""
    image_length: int
    """Rows of the image, ImageLength."""
    image_width: int
    """Columns of the image, ImageWidth."""
    samples: int
    """Samples of a pixel, SamplesPerPixel."""
    planes: int
    """SamplesPerPixel where each sample has its own blocks (planar), else 1."""
    block_length: int
    """Rows of a block; the last strip may hold fewer."""
    block_width: int
    """Columns of a block, TileWidth; of a strip those of the image."""
    bits: int
    """Bits of one sample; the largest where they differ."""
    pixel_bits: int | None = None
    """Bits of a pixel within one block, where its samples differ in depth."""
    subsampling: tuple[int, int] = (1, 1)
    """Columns and rows of a YCbCr data unit, where the block's bytes are data units."""

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
        """Bytes of one row of a decoded block; rows begin at byte boundaries.

        Of subsampled data, those of a row of pixels; `size` says how they are stored.
        """
        pixel_bits = self.pixel_bits or self.block_samples * self.bits
        return -(-self.block_width * pixel_bits // 8)

    def size(self, rows: int) -> int:
        """Bytes of `rows` rows of a decoded block.

        TIFF 6.0 section 21: a data unit holds a Y for each of its pixels, one Cb and one
        Cr; the units at the edges are whole (libtiff's TIFFVStripSize).
        """
        across, down = self.subsampling
        if (across, down) == (1, 1):
            return self.row_bytes * rows
        units_across, units_down = -(-self.block_width // across), -(-rows // down)
        return -(-units_across * (across * down + 2) * self.bits // 8) * units_down

    @property
    def block_bytes(self) -> int:
        """Bytes of one decoded block."""
        return self.size(self.block_length)

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
    """The size and number of the blocks."""
    offsets: memoryview
    """Byte offsets in the file, shape ``(planes * rows * columns,)``."""
    byte_counts: memoryview
    """Bytes of each block in the file, same shape."""
    cut: bool = False
    """Whether the only block is said to go on past the file's end. Its byte count is then of the
    bytes that are there, which may be all that it has: some writers state too much."""


def block_grid(ifd: ImageFileDirectory, *, limits: Limits | None = None) -> BlockGrid:
    """Work out how an image is cut into blocks.

    Parameters
    ----------
    ifd
        The directory of the image.

    Returns
    -------
    BlockGrid
        The size and number of its blocks.

    Raises
    ------
    FormatError
        If a size is absent, 0, or such that no file can hold a block.
    LimitError
        If the image has more blocks than `limits` allow.
    """
    grid = ifd.remembered(_block_grid)
    (limits or Limits()).check("blocks", grid.count, f"{grid.kind}s of the image", ifd=ifd.path)
    return grid


def _block_grid(ifd: ImageFileDirectory) -> BlockGrid:
    length, width = _image_size(ifd)
    tiled = ifd.TileWidth is not None or ifd.TileLength is not None
    block_length, block_width = _tile_size(ifd) if tiled else _strip_size(ifd)
    _check_depth(ifd)
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
        pixel_bits=_pixel_bits(ifd),
        subsampling=_stored_subsampling(ifd),
    )
    if min(ifd.BitsPerSample) < 1 or grid.block_bytes >= 2**63:
        msg = f"blocks of {block_width} x {block_length} pixels of {grid.bits} bits are impossible"
        raise FormatError(msg, tag=Tag.BitsPerSample, ifd=ifd.path, offset=ifd.offset)
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

    Returns
    -------
    BlockLayout
        The grid of blocks, their offsets and byte counts.

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
        msg = "there is neither StripOffsets nor TileOffsets, so the image has no pixels"
        raise FormatError(msg, tag=Tag.StripOffsets, ifd=ifd.path, offset=ifd.offset)
    known = len(offsets)
    offsets = _fit(ifd, offsets, grid.count, "offsets", limits)
    counts = _first_of(ifd, Tag.TileByteCounts, Tag.StripByteCounts)
    if counts is not None:
        counts = counts[:known]  # a block without an offset is missing, whatever its count
        counts = _fit(ifd, counts, grid.count, "byte counts", limits)
        cut = _is_cut(grid, offsets, counts, file_size)
        if not (cut or _counts_look_bad(ifd, grid, offsets, counts)):
            return BlockLayout(grid=grid, offsets=offsets, byte_counts=counts)
    else:
        cut = False
    warn(
        f"IFD {ifd.path}: StripByteCounts or TileByteCounts is absent or wrong; the byte counts "
        "are derived"
    )
    return BlockLayout(
        grid=grid,
        offsets=offsets,
        byte_counts=_derived_counts(ifd, grid, offsets, file_size),
        # without compression the derived count is what the image needs, and says it itself
        cut=cut and ifd.Compression != Compression.None_,
    )


def _image_size(ifd: ImageFileDirectory) -> tuple[int, int]:
    length, width = ifd.ImageLength, ifd.ImageWidth
    if length < 1 or width < 1:
        msg = f"the image has {width} x {length} pixels, so there is nothing to read"
        raise FormatError(msg, tag=Tag.ImageLength, ifd=ifd.path, offset=ifd.offset)
    return length, width


def ycbcr_subsampling(ifd: ImageFileDirectory) -> tuple[int, int]:
    """Return YCbCrSubSampling: columns and rows that share one Cb and one Cr; 2 and 2 by default.

    Raises
    ------
    FormatError
        If they are none of 1, 2 and 4.
    """
    found = ifd.integers(Tag.YCbCrSubSampling)
    if found is None or len(found) != 2:  # libtiff ignores the tag, too
        return 2, 2
    across, down = found
    if not {across, down} <= {1, 2, 4}:
        msg = f"YCbCrSubSampling is {across} and {down}; 1, 2 and 4 are allowed"
        raise FormatError(msg, tag=Tag.YCbCrSubSampling, ifd=ifd.path, offset=ifd.offset)
    return across, down


def _stored_subsampling(ifd: ImageFileDirectory) -> tuple[int, int]:
    data_units = (
        ifd.PhotometricInterpretation == Photometric.YCbCr
        and ifd.PlanarConfiguration == PlanarConfiguration.Chunky
        and ifd.SamplesPerPixel == 3
        and ifd.Compression in _BYTE_COMPRESSIONS
    )
    return ycbcr_subsampling(ifd) if data_units else (1, 1)


def _pixel_bits(ifd: ImageFileDirectory) -> int | None:
    differ = len(set(ifd.BitsPerSample)) > 1
    chunky = ifd.PlanarConfiguration != PlanarConfiguration.Planar
    return sum(ifd.BitsPerSample) if differ and chunky else None


def _check_depth(ifd: ImageFileDirectory) -> None:
    """Say what is left out of a volume: like GDAL, we read its first plane.

    SGI's ImageDepth and TileDepth (libtiff's tif_strip.c): strips of one plane after
    another, but tiles of several planes each. An image of one plane has tiles of one, whatever
    TileDepth says, as libtiff's TIFFVTileSize64 does not ask for it; and so has a tile that is a
    JPEG: slides of Philips say 9 for both depths.
    """
    depth = ifd.integer(Tag.ImageDepth) or 1
    if depth > 1:
        tile_depth = (
            1
            if ifd.TileWidth is None or ifd.Compression == Compression.JPEG
            else (ifd.integer(Tag.TileDepth) or 1)
        )
        if tile_depth > 1:
            msg = f"tiles of {tile_depth} planes cannot be read"
            raise UnsupportedError(msg, tag=Tag.TileDepth, ifd=ifd.path)
        warn(f"IFD {ifd.path}: ImageDepth is {depth}; the first plane is read")


def _tile_size(ifd: ImageFileDirectory) -> tuple[int, int]:
    length, width = ifd.TileLength, ifd.TileWidth
    if length is None or width is None or length < 1 or width < 1:
        msg = f"TileWidth is {width} and TileLength is {length}; both must be 1 or more"
        raise FormatError(msg, tag=Tag.TileLength, ifd=ifd.path, offset=ifd.offset)
    return length, width


def _strip_size(ifd: ImageFileDirectory) -> tuple[int, int]:
    rows = ifd.RowsPerStrip
    if rows < 1:
        # libtiff refuses to set the tag to 0 and keeps the default: one strip
        warn(f"IFD {ifd.path}: RowsPerStrip is 0; the image is read as one strip")
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
) -> bool:
    """Judge the counts of strips by what libtiff's BYTECOUNTLOOKSBAD looks at.

    One strip: its count is 0 or, without compression, less than the image needs; `_is_cut` is
    of one that reaches past the file. More than two uncompressed chunky strips: the first two
    differ ("some vendors fill the array with absolutely wrong values").
    """
    uncompressed = ifd.Compression == Compression.None_
    if grid.kind == "tile":
        return False
    if grid.count == 1 and offsets[0]:
        too_short = uncompressed and counts[0] < grid.size(grid.last_length)
        return not counts[0] or too_short
    if uncompressed and grid.planes == 1 and grid.count > 2:
        return counts[0] != counts[1] and counts[0] != 0 and counts[1] != 0
    return False


def _is_cut(
    grid: BlockGrid, offsets: memoryview, counts: memoryview, file_size: int | None
) -> bool:
    """Whether an image's only strip begins within the file and is said to end beyond it."""
    if grid.kind == "tile" or grid.count != 1 or file_size is None:
        return False
    return 0 < offsets[0] < file_size < offsets[0] + counts[0]


def _derived_counts(
    ifd: ImageFileDirectory, grid: BlockGrid, offsets: memoryview, file_size: int | None
) -> memoryview:
    """Derive byte counts: from the geometry, or from where the next block begins."""
    if ifd.Compression == Compression.None_:
        plane = array("Q", [grid.block_bytes]) * (grid.rows * grid.columns)
        if grid.kind == "strip":
            plane[-1] = grid.size(grid.last_length)
        return memoryview(plane * grid.planes).toreadonly()
    if file_size is None:
        msg = "byte counts are absent, and the size of the file is not known"
        raise FormatError(msg, tag=Tag.StripByteCounts, ifd=ifd.path, offset=ifd.offset)
    begins = sorted({*offsets, file_size})
    length = {start: end - start for start, end in pairwise(begins)}
    # a block behind the file's end is lost, and not missing: reading it must say so
    derived = array("Q", (length.get(start, 1) if start else 0 for start in offsets))
    return memoryview(derived).toreadonly()
