"""The compressions: a row of data for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from virtual_tiff.codec_table.json import CodecJSON, codec
from virtual_tiff.tiff import (
    BlockGrid,
    Compression,
    ImageFileDirectory,
    Tag,
    UnsupportedError,
    code_name,
)

__all__ = ["COMPRESSIONS", "CompressionRow", "compression_row"]

type ImageCodec = Callable[[ImageFileDirectory, BlockGrid], list[CodecJSON]]
"""From a directory to the codecs that stand between an array and a block's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionRow:
    """How the blocks of one compression are decoded: to bytes, or to an image."""

    codec: CodecJSON | None = None
    """Bytes-to-bytes codec; None where the file's bytes are the pixels, or an image."""
    image: ImageCodec | None = None
    """For a compression that stores images: makes the codecs from array to bytes, in
    the place of those that say how samples lie in bytes."""
    predictor: bool = False
    """Whether Predictor counts: libtiff applies it under these compressions alone."""
    short_tiles: bool = False
    """Whether writers leave out a tile's rows below the image; GDAL forgives it for all
    ("the bottom most partial tiles and strips are sometimes only partially encoded"), but
    padding costs a codec of ours, so only old compressions pay for it."""
    fill_order: bool = True
    """Whether FillOrder 2 reverses the bits of the file's bytes. libtiff's TIFF_NOBITREV
    exempts the compressions that define their own order of bits."""

    @property
    def uncompressed(self) -> bool:
        """Whether the file's bytes are the pixels."""
        return self.codec is None and self.image is None


def _bytes(name: str, *, predictor: bool = False, **configuration: object) -> CompressionRow:
    return CompressionRow(codec=codec(name, **configuration), predictor=predictor)


# TIFF's deflate is a zlib stream (gzip cannot read it). The level is not known and does not
# matter to a reader; a constant one keeps files equal that differ in it alone.
_ZLIB = _bytes("numcodecs.zlib", predictor=True, level=1)
_ZSTD = _bytes("zstd", predictor=True, level=0, checksum=False)

COMPRESSIONS: dict[int, CompressionRow] = {
    Compression.None_: CompressionRow(),
    # imagecodecs recognises the old bit order (of TIFF 5.0 writers) by the first code
    Compression.LZW: _bytes("imagecodecs_lzw", predictor=True),
    Compression.AdobeDeflate: _ZLIB,
    Compression.Deflate: _ZLIB,
    Compression.Zstd: _ZSTD,
    Compression.LZMA: _bytes("numcodecs.lzma", predictor=True),
    Compression.PackBits: CompressionRow(codec=codec("imagecodecs_packbits"), short_tiles=True),
}


def compression_row(ifd: ImageFileDirectory) -> CompressionRow:
    """Return the row of a directory's compression.

    Raises
    ------
    UnsupportedError
        If there is none; it names the tag's value.
    """
    row = COMPRESSIONS.get(ifd.Compression)
    if row is None:
        name = code_name(Compression, ifd.Compression)
        msg = f"Compression {name} has no row in the codec table"
        raise UnsupportedError(msg, tag=Tag.Compression, ifd=ifd.path)
    return row
