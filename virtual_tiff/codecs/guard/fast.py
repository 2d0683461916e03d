"""Faster implementations of standard codecs, for any array; their metadata are the standard ones.

Each subclasses the codec whose name it keeps and decodes the same. A decoder is given memory
of the size that the array promises; where that fails, or the block is larger, as it may be
under other serializers than TIFF's, the standard implementation decodes it. A predictor is
undone in the decoder's own memory, which nothing else has seen (`Fresh`).

`virtual_tiff.tune_zarr` gives zarr these classes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

import imagecodecs
import numpy as np
from imagecodecs.zarr import Delta, Lzw, Packbits
from zarr.codecs import ZstdCodec
from zarr.codecs.numcodecs import Zlib

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer
from virtual_tiff.codecs.compat_050.images import Floatpred
from virtual_tiff.codecs.guard.bounded import Fresh

__all__ = ["FAST"]


class _Standard:
    """Comes before the standard class; an instance equals one of that class.

    VirtualiZarr compares codecs where arrays are joined, and some may be older than the tuning.
    """

    def __eq__(self, other: object) -> bool:
        to_dict = getattr(other, "to_dict", None)
        return to_dict is not None and bool(to_dict() == self.to_dict())  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(repr(self.to_dict()))  # type: ignore[attr-defined]


class _Sized(_Standard):
    """Comes before the standard class of a compression."""

    decoder: ClassVar[Callable[..., Any]]
    """A decoder of imagecodecs, with the parameter `out`."""
    spare: ClassVar[int] = 0
    """Bytes to have beyond the array's, for a decoder that stops silently where they end."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        if not dtype.hasobject and dtype.kind != "T":  # the size of a text is not in its type
            size = prod(chunk_spec.shape) * dtype.itemsize
            out: Any = np.empty(size + self.spare, np.uint8).view(Fresh)
            try:
                length = len(type(self).decoder(chunk_bytes.as_numpy_array(), out=out))
            except RuntimeError:  # the class of imagecodecs' errors
                length = size + 1
            if length <= size:
                return chunk_spec.prototype.buffer.from_array_like(out[:length])
        decoded: Buffer = super()._decode_sync(chunk_bytes, chunk_spec)  # type: ignore[misc]
        return decoded


class FastZlib(_Sized, Zlib):
    """`numcodecs.zlib`, decoded by libdeflate."""

    codec_name = "numcodecs.zlib"
    decoder = imagecodecs.deflate_decode


class FastZstd(_Sized, ZstdCodec):
    """`zstd`."""

    decoder = imagecodecs.zstd_decode


class FastLzw(_Sized, Lzw):
    """`imagecodecs_lzw`. Only one byte more shows that the data go on."""

    decoder = imagecodecs.lzw_decode
    spare = 1


class FastPackbits(_Sized, Packbits):
    """`imagecodecs_packbits`."""

    decoder = imagecodecs.packbits_decode


class FastDelta(_Standard, Delta):
    """`imagecodecs_delta`, undone in place where the memory may be overwritten."""

    def _decode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        data = chunk_array.as_numpy_array()
        out = data if isinstance(data, Fresh) and data.flags.c_contiguous else None
        summed = imagecodecs.delta_decode(data, axis=self.axis, dist=self.dist, out=out)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(summed.reshape(chunk_spec.shape))


class FastFloatpred(_Standard, Floatpred):
    """`imagecodecs_floatpred` of pixels or interleaved samples, a byte plane at a time."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype, shape = chunk_spec.dtype.to_native_dtype(), chunk_spec.shape
        data = chunk_bytes.as_numpy_array()
        if not self._simple(dtype, shape) or data.size != prod(shape) * dtype.itemsize:
            return super()._decode_sync(chunk_bytes, chunk_spec)
        row = prod(shape[self.axis :])
        # each byte of a row is the difference from the one `stride` before it, modulo 256
        stride = self.dist * (row // shape[self.axis])
        differences = data.reshape(-1, row * dtype.itemsize // stride, stride)
        fresh = isinstance(data, Fresh) and differences.flags.c_contiguous
        out = differences if fresh else None
        summed = imagecodecs.delta_decode(differences, axis=-2, out=out)
        # planes of bytes, the most significant first
        planes = summed.reshape(-1, dtype.itemsize, row).view(np.ndarray)
        words = planes[:, 0].astype(f"u{dtype.itemsize}")
        for plane in range(1, dtype.itemsize):
            words <<= 8
            words |= planes[:, plane]
        return chunk_spec.prototype.nd_buffer.from_numpy_array(words.view(dtype).reshape(shape))

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        # the standard one keeps zarr's event loop, and so every other block, waiting
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    def _simple(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        if dtype.kind != "f" or not dtype.isnative or dtype.itemsize > 8 or 0 in shape:
            return False
        return -len(shape) <= self.axis < 0 and not shape[self.axis] % self.dist


FAST: dict[str, type[Any]] = {
    "numcodecs.zlib": FastZlib,
    "zstd": FastZstd,
    "imagecodecs_lzw": FastLzw,
    "imagecodecs_packbits": FastPackbits,
    "imagecodecs_delta": FastDelta,
    "imagecodecs_floatpred": FastFloatpred,
}
"""Standard name to the faster class."""
