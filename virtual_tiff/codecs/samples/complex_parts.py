"""Complex numbers whose parts are integers, or floats that no complex data type has.

libtiff's SampleFormat 5 ("complex signed int") and 6 ("complex IEEE floating point"): the
real part comes first. GDAL's CInt16, CInt32 and CFloat16 are stored so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from zarr.abc.codec import ArrayArrayCodec
from zarr.dtype import parse_dtype

from virtual_tiff.codecs.base import ArraySpec, NDBuffer, ReadingCodec

__all__ = ["ComplexPartsCodec"]

_PARTS = {"int8": "complex64", "int16": "complex64", "float16": "complex64", "int32": "complex128"}
"""Part to the smallest complex number that holds each of its values."""


@dataclass(frozen=True)
class ComplexPartsCodec(ReadingCodec, ArrayArrayCodec):
    """A complex array is one of its parts, with a new last axis: real, imaginary."""

    name: ClassVar[str] = "virtual_tiff.complex_parts"

    part: str
    """Data type of a part."""

    def __post_init__(self) -> None:
        if self.part not in _PARTS:
            msg = f"{self.name}: part={self.part!r} is none of {', '.join(_PARTS)}"
            raise ValueError(msg)

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the spec of the parts."""
        dtype = chunk_spec.dtype.to_native_dtype()
        if dtype.kind != "c" or not np.can_cast(_PARTS[self.part], dtype):
            msg = f"{self.name}: an array of type {dtype} cannot have parts of type {self.part}"
            raise ValueError(msg)
        part = parse_dtype(self.part, zarr_format=3)
        return replace(
            chunk_spec, shape=(*chunk_spec.shape, 2), dtype=part, fill_value=part.default_scalar()
        )

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        parts = chunk_data.as_numpy_array()
        numbers = np.empty(chunk_spec.shape, chunk_spec.dtype.to_native_dtype())
        numbers.real, numbers.imag = parts[..., 0], parts[..., 1]
        return chunk_spec.prototype.nd_buffer.from_numpy_array(numbers)
