"""The compressions: a row of data for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from virtual_tiff.codec_table import images, rare
from virtual_tiff.codec_table.fax import fax
from virtual_tiff.codec_table.jpeg import jpeg, old_jpeg
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
    short_strips: bool = False
    """Whether the image's own codec knows of a short last strip and needs none around it."""
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
_FAX = CompressionRow(image=fax, short_strips=True)

COMPRESSIONS: dict[int, CompressionRow] = {
    Compression.None_: CompressionRow(),
    # imagecodecs recognises the old bit order (of TIFF 5.0 writers) by the first code
    Compression.LZW: _bytes("imagecodecs_lzw", predictor=True),
    Compression.AdobeDeflate: _ZLIB,
    Compression.Deflate: _ZLIB,
    Compression.Zstd: _ZSTD,
    Compression.LZMA: _bytes("numcodecs.lzma", predictor=True),
    Compression.PackBits: CompressionRow(codec=codec("imagecodecs_packbits"), short_tiles=True),
    # names that tifffile has for compressions that writers number otherwise
    Compression.PixTIFF: _ZLIB,
    Compression.Zstd_old: _ZSTD,
    Compression.CCITTRLE: _FAX,
    Compression.CCITTRLEW: _FAX,
    Compression.CCITTFax3: _FAX,
    Compression.CCITTFax4: _FAX,
    Compression.NeXT: CompressionRow(image=rare.next_, short_strips=True),
    Compression.ThunderScan: CompressionRow(image=rare.thunderscan, short_strips=True),
    Compression.PixarLog: CompressionRow(image=rare.pixarlog, short_strips=True),
    Compression.SGILog: CompressionRow(image=rare.sgilog, short_strips=True),
    Compression.SGILog24: CompressionRow(image=rare.sgilog, short_strips=True),
    Compression.EER_V0: CompressionRow(image=rare.eer, fill_order=False),
    Compression.EER_V1: CompressionRow(image=rare.eer, fill_order=False),
    Compression.EER_V2: CompressionRow(image=rare.eer, fill_order=False),
    Compression.OJPEG: CompressionRow(image=old_jpeg, fill_order=False),
    Compression.JPEG: CompressionRow(image=jpeg, fill_order=False),
    Compression.LossyJPEG: CompressionRow(image=jpeg, fill_order=False),
    # libtiff reverses bits under its own image compressions too; tifffile, which alone reads
    # the others, under none
    Compression.LERC: CompressionRow(image=images.lerc),
    Compression.WebP: CompressionRow(image=images.webp),
    Compression.WebP_old: CompressionRow(image=images.webp),
    Compression.JPEGXL: CompressionRow(image=images.jpegxl),
    Compression.JPEGXL_DNG: CompressionRow(image=images.jpegxl),
    Compression.JPEG2000: CompressionRow(image=images.jpeg2k, fill_order=False),
    Compression.Aperio_JP2000_YCbC: CompressionRow(image=images.jpeg2k_aperio, fill_order=False),
    Compression.JPEG2000_Lossy: CompressionRow(image=images.jpeg2k, fill_order=False),
    Compression.Aperio_JP2000_RGB: CompressionRow(image=images.jpeg2k, fill_order=False),
    Compression.JPEGXR: CompressionRow(image=images.jpegxr, fill_order=False),
    Compression.JPEGXR_NDPI: CompressionRow(image=images.jpegxr, fill_order=False),
    Compression.PNG: CompressionRow(image=images.png, fill_order=False),
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
        needed = rare.NEEDED.get(ifd.Compression)
        what = f"; to read it one would need {needed}" if needed else ""
        msg = f"Compression {name} has no row in the codec table{what}"
        raise UnsupportedError(msg, tag=Tag.Compression, ifd=ifd.path)
    return row
