"""The fax compressions: 2, 3, 4 and 32771, all bilevel.

TIFF 6.0 sections 10 and 11. FillOrder needs nothing special: libtiff's decoders look at it
themselves (TIFF_NOBITREV), which comes to the same as bytes reversed before.
"""

from __future__ import annotations

from virtual_tiff.codec_table.json import CodecJSON, codec
from virtual_tiff.tiff import (
    BlockGrid,
    Compression,
    ImageFileDirectory,
    SampleFormat,
    Tag,
    UnsupportedError,
    code_name,
)

__all__ = ["fax", "short_last"]

_TWO_DIMENSIONAL = 1
_UNCOMPRESSED = 2
"""Bits of T4Options; the second is one of T6Options as well. Fill bits (4) are skipped
whether they are announced or not."""


def fax(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Return the codecs of a bilevel image.

    Raises
    ------
    UnsupportedError
        If it is none: these compressions have one bit a pixel.
    """
    name = code_name(Compression, ifd.Compression)
    if set(ifd.BitsPerSample) != {1} or grid.block_samples > 1:
        msg = f"Compression {name} of {grid.block_samples} samples of {grid.bits} bits"
        raise UnsupportedError(msg, tag=Tag.BitsPerSample, ifd=ifd.path)
    if not set(ifd.SampleFormat) <= {SampleFormat.UnsignedInteger, SampleFormat.Undefined}:
        msg = f"Compression {name} of samples that are no unsigned integers"
        raise UnsupportedError(msg, tag=Tag.SampleFormat, ifd=ifd.path)
    options = _options(ifd)
    return [
        codec(
            "virtual_tiff.ccitt",
            compression=int(ifd.Compression),
            two_dimensional=bool(options & _TWO_DIMENSIONAL),
            uncompressed=bool(options & _UNCOMPRESSED),
            samples=1,
            last=short_last(grid),
        )
    ]


def short_last(grid: BlockGrid) -> int | None:
    """Return the rows of a short last strip, None if there is none."""
    return grid.last_length if grid.last_length < grid.block_length else None


def _options(ifd: ImageFileDirectory) -> int:
    if ifd.Compression == Compression.CCITTFax3:
        return ifd.T4Options & (_TWO_DIMENSIONAL | _UNCOMPRESSED)
    if ifd.Compression == Compression.CCITTFax4:
        return ifd.T6Options & _UNCOMPRESSED
    return 0
