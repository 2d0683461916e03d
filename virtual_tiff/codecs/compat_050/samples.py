"""The codecs of samples that virtual-tiff 0.5.0 named, so that stores written with it open.

0.5.0 wrote its own codecs into a store's metadata: `ChunkyCodec` and `HorizontalDeltaCodec`,
and under the name `imagecodecs_floatpred` one that is no serializer, as that of
imagecodecs-zarr is. What `virtual_tiff` writes today names none of these.

Each takes the stored words as they lie in the file, whatever the array's data type is:
a predictor counts in words and bytes, which `bytes` must not have turned before.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any, ClassVar, Self

import imagecodecs
import numpy as np
from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec
from zarr.dtype import parse_dtype

from virtual_tiff.codecs.base import JSON, ArraySpec, Buffer, NDBuffer, ReadingCodec

__all__ = ["ChunkyCodec", "FloatDifferencesCodec", "HorizontalDeltaCodec"]


class _Predecessor(ReadingCodec):
    """A codec that 0.5.0 registered under one name and wrote under another."""

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from its metadata, under either name."""
        return super().from_dict({**data, "name": cls.name})


@dataclass(frozen=True)
class ChunkyCodec(_Predecessor, ArrayBytesCodec):
    """Interleaved samples, behind a `transpose` to (band, column, row): the last axis runs first.

    That is the file's order: the bands of a pixel, then the pixels of a row, then the rows.
    """

    name: ClassVar[str] = "ChunkyCodec"

    endian: str | None = "little"
    """The file's; None for samples of one byte."""

    def __post_init__(self) -> None:
        if self.endian is not None:
            self.check_endian(self.endian)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        if self.endian is None and dtype.itemsize > 1:
            msg = f"{self.name}: samples of type {dtype} need an endian"
            raise ValueError(msg)
        data, shape = chunk_data.as_numpy_array(), chunk_spec.shape
        if data.size != prod(shape) * dtype.itemsize:
            msg = (
                f"the block has {data.size} bytes; the tags promise {prod(shape)} samples of type "
                f"{dtype}"
            )
            raise ValueError(msg)
        stored = data.view(dtype.newbyteorder(">" if self.endian == "big" else "<"))
        pixels = np.ascontiguousarray(stored.reshape(shape, order="F"), dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels)


@dataclass(frozen=True)
class HorizontalDeltaCodec(_Predecessor, ArrayArrayCodec):
    """Predictor 2: each sample is the difference from that of the same band before it."""

    name: ClassVar[str] = "HorizontalDeltaCodec"

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the spec of the words that the differences are of."""
        dtype = chunk_spec.dtype.to_native_dtype()
        if dtype.itemsize not in (1, 2, 4, 8):
            msg = f"{self.name}: predictor 2 has no differences of type {dtype}"
            raise ValueError(msg)
        return _stored_as(chunk_spec, f"uint{dtype.itemsize * 8}", chunk_spec.shape)

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        words = np.ascontiguousarray(chunk_data.as_numpy_array())
        summed = np.cumsum(words, axis=-1, dtype=words.dtype)
        pixels = summed.view(chunk_spec.dtype.to_native_dtype())
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels)


@dataclass(frozen=True)
class FloatDifferencesCodec(ReadingCodec, ArrayArrayCodec):
    """Predictor 3, in an array of floats that are not yet floats.

    0.5.0 gave the stored bytes to `bytes` as floats, or to `ChunkyCodec`, and applied the
    predictor along the columns of each band. A file's predictor runs over the rows as they are
    stored, with the bands of a pixel side by side; that is what is undone here.
    """

    name: ClassVar[str] = "imagecodecs_floatpred"

    shape: tuple[int, ...]
    """Of a chunk: (rows, columns), (1, rows, columns) of a plane, (bands, rows, columns) of
    interleaved samples."""
    dtype: str
    """Of the array; its byte order says nothing."""
    axis: int = -1
    dist: int = 1

    def __post_init__(self) -> None:
        lengths = self.shape if isinstance(self.shape, list | tuple) else ()
        object.__setattr__(self, "shape", tuple(lengths))
        sized = len(lengths) in (2, 3) and all(isinstance(n, int) and n > 0 for n in lengths)
        if not sized or (self.axis, self.dist) != (-1, 1):
            msg = f"{self.name}: {asdict(self)} is not a configuration of virtual-tiff 0.5.0"
            raise ValueError(msg)

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec's metadata, as 0.5.0 wrote them."""
        configuration: dict[str, JSON] = {**asdict(self), "shape": list(self.shape)}
        return {"name": self.name, "configuration": configuration}

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the spec of the stored bytes, which have no byte order."""
        dtype, shape = chunk_spec.dtype.to_native_dtype(), chunk_spec.shape
        if dtype.kind != "f" or self.dtype[1:] != dtype.str[1:]:
            msg = f"{self.name}: dtype={self.dtype!r} is not the type of the array, {dtype}"
            raise ValueError(msg)
        return _stored_as(chunk_spec, "uint8", (*shape[:-1], shape[-1] * dtype.itemsize))

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        *bands, rows, columns = self.shape
        if prod(chunk_spec.shape) != prod(self.shape):
            msg = f"{self.name}: shape={self.shape} is not that of the chunk, {chunk_spec.shape}"
            raise ValueError(msg)
        samples = prod(bands)
        dtype = chunk_spec.dtype.to_native_dtype()
        stored = chunk_data.as_numpy_array().reshape(samples, rows, columns * dtype.itemsize)
        lines = np.ascontiguousarray(stored.transpose(1, 2, 0)).reshape(-1).view(dtype)
        floats = imagecodecs.floatpred_decode(lines.reshape(rows, columns, samples), axis=-2)
        pixels: Any = np.ascontiguousarray(floats.transpose(2, 0, 1)).reshape(chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels)


def _stored_as(chunk_spec: ArraySpec, data_type: str, shape: tuple[int, ...]) -> ArraySpec:
    word = parse_dtype(data_type, zarr_format=3)
    return replace(chunk_spec, shape=shape, dtype=word, fill_value=word.default_scalar())
