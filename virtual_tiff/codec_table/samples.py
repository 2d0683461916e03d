"""How the samples of a block lie in its bytes: depth, format, predictor.

For compressions that give bytes. Those that give images decide all this themselves.
"""

from __future__ import annotations

from virtual_tiff.codec_table.colour import colour_codecs
from virtual_tiff.codec_table.description import CodecJSON, codec
from virtual_tiff.tiff import (
    BlockGrid,
    ImageFileDirectory,
    Predictor,
    SampleFormat,
    Tag,
    UnsupportedError,
    code_name,
)

__all__ = ["sample_codecs"]

_FLOAT_DIFFERENCES = {Predictor.FloatingPoint: 1, 34894: 2, 34895: 4}
"""Predictors of the bytes of floats, to the pixels between a byte and the one that it is the
difference from. The higher numbers are those of the DNG specification ("FloatingPointX2",
"X4"); imagecodecs has nothing for their twins of integers (34892, 34893)."""

_WORDS = {8, 16, 32, 64}
"""Depths that are a data type's. libtiff applies predictor 2 to no other."""

_FLOATS = {16, 24, 32, 64}
"""Depths to which libtiff applies predictor 3."""

_PARTS: dict[tuple[int, int], str] = {
    (SampleFormat.ComplexInteger, 16): "int8",
    (SampleFormat.ComplexInteger, 32): "int16",
    (SampleFormat.ComplexInteger, 64): "int32",
    (SampleFormat.ComplexFloat, 32): "float16",
}
"""SampleFormat and BitsPerSample of complex numbers that no data type stores, to a part's."""


def sample_codecs(
    ifd: ImageFileDirectory, grid: BlockGrid, data_type: str, predictor: int
) -> list[CodecJSON]:
    """Return the codecs from an array to the bytes of a block.

    Parameters
    ----------
    ifd
        The directory.
    grid
        Its blocks; a chunk has the shape (bands, rows, columns), or (rows, columns).
    data_type
        Of the array.
    predictor
        What holds under the directory's compression: the Predictor tag, or none.

    Raises
    ------
    UnsupportedError
        If no codec says what a tag asks for; it names the tag's value.
    """
    interleaved = grid.block_samples > 1
    # With the transpose the array is (band, y, x) and what is encoded (y, x, band):
    # the predictor then runs along its last axis but one
    steps = [codec("transpose", order=[1, 2, 0])] if interleaved else []
    steps += colour_codecs(ifd, grid, data_type)
    return steps + _encoding(ifd, grid, predictor, -2 if interleaved else -1)


def _encoding(
    ifd: ImageFileDirectory, grid: BlockGrid, predictor: int, axis: int
) -> list[CodecJSON]:
    """Return the codecs from stored samples to bytes."""
    if predictor == Predictor.None_:
        return _plain(ifd, grid)
    if grid.subsampling != (1, 1):
        # libtiff's "rows" are then no rows of anything, and no writer is known
        raise _refused(ifd, predictor, "subsampled YCbCr")
    if predictor in _FLOAT_DIFFERENCES:
        return _float_differences(ifd, grid, predictor, axis)
    return _differences(ifd, grid, predictor, axis)


def _plain(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Return the codecs of samples without a predictor, by the first kind that fits."""
    sample_format = ifd.SampleFormat[0]
    if grid.pixel_bits is not None:
        bits, endian = list(ifd.BitsPerSample), ifd.variant.byte_order
        return [codec("virtual_tiff.packed_pixels", bits=bits, endian=endian)]
    if (sample_format, grid.bits) in _PARTS:
        return [*_parts(ifd, grid), _bytes(ifd)]
    if sample_format == SampleFormat.IEEEFloat and grid.bits == 24:
        byteorder = "<" if ifd.variant.byte_order == "little" else ">"
        return [codec("imagecodecs_float24", byteorder=byteorder)]
    if grid.bits in _WORDS or sample_format == SampleFormat.ComplexFloat:
        return [_bytes(ifd)]
    return [_packed_integers(ifd, grid)]


def _bytes(ifd: ImageFileDirectory) -> CodecJSON:
    return codec("bytes", endian=ifd.variant.byte_order)


def _packed_integers(ifd: ImageFileDirectory, grid: BlockGrid) -> CodecJSON:
    row = grid.block_width * grid.block_samples
    if grid.bits == 24 and ifd.variant.byte_order == "big":
        # libtiff swaps the three bytes of each sample of a big-endian file, and GDAL packs
        # (and reads) what libtiff gives with the highest byte first: GDAL's issue 2361
        return codec("virtual_tiff.bits", bits=24, row=row, endian="little")
    if grid.bits < 32 and ifd.SampleFormat[0] != SampleFormat.SignedInteger:
        return codec("imagecodecs_packints", bitspersample=grid.bits, runlen=row)
    # GDAL forgets the sign of such depths ("FIXME ?" in gtiffoddbitsband.cpp), and tifffile
    # refuses them. TIFF 6.0 section 19 does not: "two's complement signed integer data"
    return codec("virtual_tiff.bits", bits=grid.bits, row=row, endian="big")


def _parts(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    part = codec("virtual_tiff.complex_parts", part=_PARTS[ifd.SampleFormat[0], grid.bits])
    # libtiff swaps two halves as one word: in a big-endian file the real part is second
    halves = ifd.SampleFormat[0] == SampleFormat.ComplexFloat
    return [part, _word(grid)] if halves else [part]


def _word(grid: BlockGrid) -> CodecJSON:
    return codec("virtual_tiff.view", data_type=f"uint{grid.bits}")


def _differences(
    ifd: ImageFileDirectory, grid: BlockGrid, predictor: int, axis: int
) -> list[CodecJSON]:
    """Return the codecs of predictor 2, the difference of words of BitsPerSample bits."""
    if predictor != Predictor.HorizontalDifferencing or grid.bits not in _WORDS:
        raise _refused(ifd, predictor, f"samples of {grid.bits} bits")
    steps = [codec("imagecodecs_delta", axis=axis, dist=1), _bytes(ifd)]
    part = _PARTS.get((ifd.SampleFormat[0], grid.bits))
    if part is not None:
        return [codec("virtual_tiff.complex_parts", part=part), _word(grid), *steps]
    if ifd.SampleFormat[0] == SampleFormat.ComplexFloat:
        return [_word(grid), *steps]
    return steps


def _float_differences(
    ifd: ImageFileDirectory, grid: BlockGrid, predictor: int, axis: int
) -> list[CodecJSON]:
    """Return the codec of predictor 3.

    Adobe's Technical Note 3 stores the bytes of a row plane by plane, the most significant
    first, whatever the file's byte order: it takes the place of `bytes`.
    """
    if ifd.SampleFormat[0] != SampleFormat.IEEEFloat or grid.bits not in _FLOATS:
        kind = code_name(SampleFormat, ifd.SampleFormat[0])
        raise _refused(ifd, predictor, f"samples of {grid.bits} bits with SampleFormat {kind}")
    dist = _FLOAT_DIFFERENCES[predictor]
    if grid.block_width % dist:
        raise _refused(ifd, predictor, f"blocks of {grid.block_width} columns")
    name = "virtual_tiff.float24_predictor" if grid.bits == 24 else "imagecodecs_floatpred"
    return [codec(name, axis=axis, dist=dist)]


def _refused(ifd: ImageFileDirectory, predictor: int, what: str) -> UnsupportedError:
    msg = f"Predictor {code_name(Predictor, predictor)} over {what}"
    return UnsupportedError(msg, tag=Tag.Predictor, ifd=ifd.path)
