"""Predictor 3 of floats of 24 bits, which are no data type that `imagecodecs_floatpred` takes.

Adobe's Technical Note 3 ("TIFF Floating Point"): the bytes of a row are stored plane by
plane, the most significant first, and each as its difference from the byte of `dist`
pixels before it; a float of 24 bits has 1 bit of sign, 7 of exponent and 16 of mantissa.
libtiff's tif_predict.c (fpAcc) undoes it whatever the file's byte order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from operator import index
from typing import Any, ClassVar

import imagecodecs
import numpy as np
from zarr.abc.codec import ArrayBytesCodec

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer, ReadingCodec

__all__ = ["Float24PredictorCodec"]


@dataclass(frozen=True)
class Float24PredictorCodec(ReadingCodec, ArrayBytesCodec):
    """Undoes the predictor and widens the floats; takes what `imagecodecs_floatpred` takes."""

    name: ClassVar[str] = "virtual_tiff.float24_predictor"

    axis: int = -1
    """The axis of pixels in a row: -1, or -2 before one of interleaved samples."""
    dist: int = 1
    """Pixels between a float and the one that it is a difference from."""

    def __post_init__(self) -> None:
        if index(self.axis) not in (-1, -2) or index(self.dist) < 1:
            msg = f"{self.name}: axis={self.axis} must be -1 or -2, dist={self.dist} positive"
            raise ValueError(msg)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        shape = chunk_spec.shape
        data: Any = chunk_data.as_numpy_array()
        if data.size != prod(shape) * 3:
            size = prod(shape) * 3
            msg = f"the block has {data.size} bytes; {prod(shape)} floats of 24 bits take {size}"
            raise ValueError(msg)
        stride = self.dist * (shape[-1] if self.axis == -2 else 1)
        row = prod(shape[self.axis :])
        planes = _summed(data.reshape(-1, row * 3), stride).reshape(-1, 3, row)
        big_endian = np.ascontiguousarray(planes.swapaxes(1, 2))
        floats = imagecodecs.float24_decode(big_endian.reshape(-1), byteorder=">")
        return chunk_spec.prototype.nd_buffer.from_numpy_array(floats.reshape(shape))


def _summed(rows: np.ndarray[Any, np.dtype[np.uint8]], stride: int) -> Any:  # noqa: ANN401
    """Add to each byte those at multiples of `stride` before it, modulo 256."""
    sums = np.empty_like(rows)
    for first in range(min(stride, rows.shape[1])):
        np.cumsum(rows[:, first::stride], axis=1, dtype=np.uint8, out=sums[:, first::stride])
    return sums
