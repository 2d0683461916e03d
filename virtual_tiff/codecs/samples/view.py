"""The bits of samples as the words that libtiff takes them for.

Predictor 2 is the difference of integers of BitsPerSample bits, whatever SampleFormat says
(libtiff's tif_predict.c, horAcc32 and horAcc64), and libtiff swaps such words as one. The
first part of a complex number is the lower half of its word: a big-endian file with
predictor 2 therefore stores the imaginary part first, as GDAL writes it. Complex numbers of
two half-precision floats are swapped as one word even without a predictor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from zarr.abc.codec import ArrayArrayCodec
from zarr.dtype import parse_dtype

from virtual_tiff.codecs.base import ArraySpec, NDBuffer, ReadingCodec

__all__ = ["ViewCodec"]

_WORDS = ("uint16", "uint32", "uint64")


@dataclass(frozen=True)
class ViewCodec(ReadingCodec, ArrayArrayCodec):
    """Views numbers, or pairs along the last axis, as words whose lower half is the first."""

    name: ClassVar[str] = "virtual_tiff.view"

    data_type: str
    """Of the words: an unsigned integer."""

    def __post_init__(self) -> None:
        if self.data_type not in _WORDS:
            msg = f"{self.name}: data_type={self.data_type!r} is none of {', '.join(_WORDS)}"
            raise ValueError(msg)

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the spec of the words: the shape, without an axis of pairs."""
        word = parse_dtype(self.data_type, zarr_format=3)
        size = chunk_spec.dtype.to_native_dtype().itemsize
        shape = chunk_spec.shape
        if shape[-1:] == (2,) and size * 2 == self._size:
            shape = shape[:-1]
        elif size != self._size:
            stored = chunk_spec.dtype.to_native_dtype()
            msg = (
                f"{self.name}: a chunk of shape {shape} and type {stored} cannot be viewed as"
                f" {self.data_type}"
            )
            raise ValueError(msg)
        return replace(chunk_spec, shape=shape, dtype=word, fill_value=word.default_scalar())

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        words = np.ascontiguousarray(chunk_data.as_numpy_array(), f"<u{self._size}")
        dtype = chunk_spec.dtype.to_native_dtype()
        numbers = words.reshape(-1).view(dtype.newbyteorder("<")).reshape(chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(numbers.astype(dtype, copy=False))

    @property
    def _size(self) -> int:
        return np.dtype(self.data_type).itemsize
