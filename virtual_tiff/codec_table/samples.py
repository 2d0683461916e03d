"""How the samples of a block lie in its bytes: depth, format, predictor, colour.

For compressions that give bytes. Those that give images decide all this themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from virtual_tiff.codec_table.json import CodecJSON, codec
from virtual_tiff.tiff import (
    BlockGrid,
    ImageFileDirectory,
    Photometric,
    Predictor,
    Tag,
    UnsupportedError,
    code_name,
)

__all__ = ["sample_codecs"]

_CONVERTED = {Photometric.YCbCr, Photometric.LogL, Photometric.LogLuv}
"""Interpretations whose samples are not the stored numbers."""


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
    photometric = ifd.PhotometricInterpretation
    if photometric in _CONVERTED:
        name = code_name(Photometric, photometric or 0)
        msg = f"PhotometricInterpretation {name} would have to be converted"
        raise UnsupportedError(msg, tag=Tag.PhotometricInterpretation, ifd=ifd.path)
    if grid.bits != np.dtype(data_type).itemsize * 8:
        msg = f"samples of {grid.bits} bits in {data_type}"
        raise UnsupportedError(msg, tag=Tag.BitsPerSample, ifd=ifd.path)
    interleaved = grid.block_samples > 1
    # With the transpose the array is (band, y, x) and what is encoded (y, x, band):
    # the predictor then runs along its last axis but one
    steps = [codec("transpose", order=[1, 2, 0])] if interleaved else []
    make = _PREDICTORS[_checked(ifd, predictor, data_type)]
    return steps + make(ifd, -2 if interleaved else -1)


def _bytes(ifd: ImageFileDirectory) -> CodecJSON:
    return codec("bytes", endian=ifd.variant.byte_order)


_PREDICTORS: dict[int, Callable[[ImageFileDirectory, int], list[CodecJSON]]] = {
    Predictor.None_: lambda ifd, _: [_bytes(ifd)],
    Predictor.HorizontalDifferencing: lambda ifd, axis: [
        codec("imagecodecs_delta", axis=axis, dist=1),
        _bytes(ifd),
    ],
    # Adobe's Technical Note 3 stores the bytes of a row plane by plane, the most
    # significant first, whatever the file's byte order: it takes the place of `bytes`
    Predictor.FloatingPoint: lambda _, axis: [codec("imagecodecs_floatpred", axis=axis, dist=1)],
}


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
