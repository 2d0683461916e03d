"""What the tags say, to the list of Zarr codecs: a table of data.

Every decoding step is one named codec in the array's metadata, so that a store can be
audited by reading it. The names are chosen in this order: those of the Zarr core and
`numcodecs.*`, which other implementations know; `imagecodecs_*`; our own
(`virtual_tiff.*`). A compression without a row is the unsupported error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from virtual_tiff.tiff import (
    BlockGrid,
    Compression,
    ImageFileDirectory,
    Photometric,
    PlanarConfiguration,
    Predictor,
    Tag,
    UnsupportedError,
    code_name,
)

__all__ = ["COMPRESSIONS", "CompressionRow", "check", "codecs"]

type CodecJSON = dict[str, Any]
"""A codec as the array's metadata names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionRow:
    """How the blocks of one compression become bytes."""

    codec: CodecJSON | None
    """Bytes-to-bytes codec; None where the file's bytes are the pixels."""
    predictor: bool
    """Whether Predictor counts: libtiff applies it under these compressions alone."""
    short_tiles: bool = False
    """Whether writers leave out a tile's rows below the image; GDAL forgives it for all
    ("the bottom most partial tiles and strips are sometimes only partially encoded"), but
    padding costs a codec of ours, so only old compressions pay for it."""


def _codec(name: str, **configuration: Any) -> CodecJSON:  # noqa: ANN401 (JSON)
    # readers disagree on an absent configuration, so an empty one is written
    return {"name": name, "configuration": configuration}


# TIFF's deflate is a zlib stream (gzip cannot read it). The level is not known and does not
# matter to a reader; a constant one keeps files equal that differ in it alone.
_ZLIB = CompressionRow(codec=_codec("numcodecs.zlib", level=1), predictor=True)
_ZSTD = CompressionRow(codec=_codec("zstd", level=0, checksum=False), predictor=True)

COMPRESSIONS: dict[int, CompressionRow] = {
    Compression.None_: CompressionRow(codec=None, predictor=False),
    # imagecodecs recognises the old bit order (of TIFF 5.0 writers) by the first code
    Compression.LZW: CompressionRow(codec=_codec("imagecodecs_lzw"), predictor=True),
    Compression.AdobeDeflate: _ZLIB,
    Compression.Deflate: _ZLIB,
    Compression.Zstd: _ZSTD,
    Compression.LZMA: CompressionRow(codec=_codec("numcodecs.lzma"), predictor=True),
    Compression.PackBits: CompressionRow(
        codec=_codec("imagecodecs_packbits"), predictor=False, short_tiles=True
    ),
}

_RAW_PHOTOMETRIC = {None, *Photometric} - {
    Photometric.YCbCr,
    Photometric.LogL,
    Photometric.LogLuv,
}
"""Interpretations whose samples are the stored numbers."""


def codecs(ifd: ImageFileDirectory, grid: BlockGrid, data_type: str) -> list[CodecJSON]:
    """Return the codecs of an image, in Zarr's order: array, serializer, bytes.

    The padding of a short last block is not among them: it depends on the chunks.

    Raises
    ------
    UnsupportedError
        If there is no row for what a tag says; it names the tag's value.
    """
    row = check(ifd)
    predictor = ifd.Predictor if row.predictor else Predictor.None_
    interleaved = grid.block_samples > 1
    # With the transpose the array is (band, y, x) and what is encoded (y, x, band):
    # the predictor then runs along its last axis but one
    steps = [_codec("transpose", order=[1, 2, 0])] if interleaved else []
    steps += _PREDICTORS[_checked(ifd, predictor, data_type)](ifd, -2 if interleaved else -1)
    return steps + ([row.codec] if row.codec else [])


def _bytes(ifd: ImageFileDirectory) -> CodecJSON:
    return _codec("bytes", endian=ifd.variant.byte_order)


_PREDICTORS: dict[int, Callable[[ImageFileDirectory, int], list[CodecJSON]]] = {
    Predictor.None_: lambda ifd, _: [_bytes(ifd)],
    Predictor.HorizontalDifferencing: lambda ifd, axis: [
        _codec("imagecodecs_delta", axis=axis, dist=1),
        _bytes(ifd),
    ],
    # Adobe's Technical Note 3 stores the bytes of a row plane by plane, the most
    # significant first, whatever the file's byte order: it takes the place of `bytes`
    Predictor.FloatingPoint: lambda _, axis: [_codec("imagecodecs_floatpred", axis=axis, dist=1)],
}


def check(ifd: ImageFileDirectory) -> CompressionRow:
    """Return the compression's row, or refuse what the tags ask for beyond it.

    Raises
    ------
    UnsupportedError
        It names the tag's value.
    """
    row = COMPRESSIONS.get(ifd.Compression)
    if row is None:
        name = code_name(Compression, ifd.Compression)
        msg = f"Compression {name} has no row in the codec table"
        raise UnsupportedError(msg, tag=Tag.Compression, ifd=ifd.path)
    if ifd.PlanarConfiguration not in set(PlanarConfiguration):
        msg = f"PlanarConfiguration {ifd.PlanarConfiguration} is neither 1 nor 2"
        raise UnsupportedError(msg, tag=Tag.PlanarConfiguration, ifd=ifd.path)
    if ifd.FillOrder != 1:
        msg = f"FillOrder {ifd.FillOrder}: bits in reversed order"
        raise UnsupportedError(msg, tag=Tag.FillOrder, ifd=ifd.path)
    photometric = ifd.PhotometricInterpretation
    if photometric in set(Photometric) and photometric not in _RAW_PHOTOMETRIC:
        name = code_name(Photometric, photometric or 0)
        msg = f"PhotometricInterpretation {name} would have to be converted"
        raise UnsupportedError(msg, tag=Tag.PhotometricInterpretation, ifd=ifd.path)
    return row


def _checked(ifd: ImageFileDirectory, predictor: int, data_type: str) -> Predictor:
    """Refuse a predictor that no writer combines with this data type, or that we cannot."""
    is_float, is_complex = data_type.startswith("float"), data_type.startswith("complex")
    wrong = (predictor == Predictor.FloatingPoint and not is_float) or (
        predictor == Predictor.HorizontalDifferencing and is_complex
    )
    if wrong or predictor not in set(Predictor):
        name = code_name(Predictor, predictor)
        msg = f"Predictor {name} over samples of type {data_type}"
        raise UnsupportedError(msg, tag=Tag.Predictor, ifd=ifd.path)
    return Predictor(predictor)
