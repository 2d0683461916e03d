"""Faster implementations of standard codecs; their metadata are the standard ones.

Each subclasses the codec whose name it keeps and decodes the same. What makes them faster:
a decoder is given memory of the size that the array promises, so that it neither guesses nor
copies; zlib streams are decoded by libdeflate; a predictor is undone in the decoder's own
memory, which no other has seen (`Fresh`).

There are two kinds. Those of `BOUNDED` stop when the array's bytes are full, as libtiff does:
Photoshop and others write LZW data that go on. `virtual_tiff.codecs.checked.block` uses them in the
stores that `VirtualTIFF` returns. Those of `FAST` fall back on the standard implementation for
such a block: under other serializers a block may be larger than its array.
`virtual_tiff.tune_zarr` gives zarr these.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import imagecodecs
import numpy as np
from imagecodecs.zarr import Delta, Lzw, Packbits
from zarr.codecs import ZstdCodec
from zarr.codecs.numcodecs import Zlib

from virtual_tiff.codecs.checked.lzma_bounded import BoundedLzma
from virtual_tiff.codecs.compat_050.images import Floatpred

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

__all__ = ["BOUNDED", "FAST", "Fresh"]


class Fresh(np.ndarray[Any, Any]):
    """Memory that a decoder has just filled: who gets it may overwrite it.

    numpy keeps the class in views and reshaped arrays, so it survives `bytes`.
    """


class _Standard:
    """Comes before the standard class; an instance equals one of that class.

    VirtualiZarr compares codecs where arrays are joined, and some may be older than the tuning.
    """

    def __eq__(self, other: object) -> bool:
        known = getattr(other, "to_dict", None)
        return known is not None and bool(known() == self.to_dict())  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(repr(self.to_dict()))  # type: ignore[attr-defined]


class _Sized(_Standard):
    """Comes before a standard class; decodes into memory of the array's size.

    `_stopped` is asked for the array's bytes where a decoder fails, as most do when the data
    go on; it returns None if it cannot tell that they do.
    """

    decoder: ClassVar[Callable[..., Any]]
    """A decoder of imagecodecs, with the parameter `out`."""
    spare: ClassVar[int] = 0
    """Bytes to have beyond the array's, for a decoder that does not say that it ran out."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        size = prod(chunk_spec.shape) * dtype.itemsize
        out = np.empty(size + self.spare, np.uint8).view(Fresh)
        data = chunk_bytes.as_numpy_array()
        try:
            length = len(type(self).decoder(data, out=out))
        except RuntimeError:  # imagecodecs' errors
            longer = self._stopped(data, size)
            if longer is None:
                raise
            fresh: Any = longer.view(Fresh)
            return chunk_spec.prototype.buffer.from_array_like(fresh)
        return chunk_spec.prototype.buffer.from_array_like(out[: self._kept(length, size)])

    def _stopped(self, data: NDArray[Any], size: int) -> NDArray[Any] | None:  # noqa: ARG002
        return None

    def _kept(self, length: int, size: int) -> int:
        return min(length, size)

    def _standard(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        found: Buffer = super()._decode_sync(chunk_bytes, chunk_spec)  # type: ignore[misc]
        return found


class _Fallback:
    """Comes before a sized codec; decodes all that the standard class does."""

    def _stopped(self, data: NDArray[Any], size: int) -> None:  # noqa: ARG002
        return None

    def _kept(self, length: int, size: int) -> int:
        if length > size:
            msg = f"a block of more bytes than the {size} of the array"
            raise ValueError(msg)
        return length

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        mine: Any = super()
        dtype = chunk_spec.dtype.to_native_dtype()
        if not dtype.hasobject and dtype.kind != "T":  # what a text takes is not in its type
            try:
                found: Buffer = mine._decode_sync(chunk_bytes, chunk_spec)  # noqa: SLF001
            except (RuntimeError, ValueError):  # imagecodecs' errors, and a larger block
                pass
            else:
                return found
        other: Buffer = mine._standard(chunk_bytes, chunk_spec)  # noqa: SLF001
        return other


class BoundedZlib(_Sized, Zlib):
    """`numcodecs.zlib`, decoded by libdeflate."""

    codec_name = "numcodecs.zlib"
    decoder = imagecodecs.deflate_decode

    def _stopped(self, data: NDArray[Any], size: int) -> NDArray[Any] | None:
        try:  # one byte more than is wanted, so that damage is no surplus
            longer = zlib.decompressobj().decompress(data, size + 1)
        except zlib.error:
            return None
        return np.frombuffer(bytearray(longer[:size]), np.uint8) if len(longer) > size else None


class BoundedZstd(_Sized, ZstdCodec):
    """`zstd`."""

    decoder = imagecodecs.zstd_decode

    def _stopped(self, data: NDArray[Any], size: int) -> NDArray[Any] | None:
        # its decoder works a frame at a time, and more than this would not be bounded
        out: Any = np.empty(size + max(size, _ZSTD_SURPLUS), np.uint8)
        try:
            length = len(imagecodecs.zstd_decode(data, out=out))
        except imagecodecs.ZstdError:
            return None
        return out[:size] if length > size else None


class BoundedLzw(_Sized, Lzw):
    """`imagecodecs_lzw`. Its decoder stops silently where its memory ends."""

    decoder = imagecodecs.lzw_decode


class BoundedPackbits(_Sized, Packbits):
    """`imagecodecs_packbits`."""

    decoder = imagecodecs.packbits_decode

    def _stopped(self, data: NDArray[Any], size: int) -> NDArray[Any] | None:
        end = _packbits_end(data.tobytes(), size)
        if end is None:
            return None
        out: Any = np.empty(size + _PACKBITS_RUN, np.uint8)
        imagecodecs.packbits_decode(data[:end], out=out)
        return out[:size]  # type: ignore[no-any-return]


class FastZlib(_Fallback, BoundedZlib):
    """`numcodecs.zlib` for any array."""


class FastZstd(_Fallback, BoundedZstd):
    """`zstd` for any array."""


class FastLzw(_Fallback, BoundedLzw):
    """`imagecodecs_lzw` for any array. Only one byte more shows that the data go on."""

    spare = 1


class FastPackbits(_Fallback, BoundedPackbits):
    """`imagecodecs_packbits` for any array."""


_ZSTD_SURPLUS = 2**15
"""Bytes that Zstandard data may go on beyond a small block; beyond a large one, as many again."""

_PACKBITS_RUN = 128
"""The most bytes that one header of PackBits gives."""


def _packbits_end(data: bytes, size: int) -> int | None:
    """Return where the run ends that fills a block; None if the data end before."""
    at = length = 0
    while at < len(data):
        header = data[at]
        if header < 128:  # TIFF 6.0 section 9: the next header + 1 bytes as they are
            at += header + 2
            length += header + 1
        elif header > 128:  # the next byte, 257 - header times
            at += 2
            length += 257 - header
        else:
            at += 1
        if length >= size:
            return at if at <= len(data) else None
    return None


class FastDelta(_Standard, Delta):
    """`imagecodecs_delta`, undone in place where the memory may be overwritten."""

    def _decode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        data = chunk_array.as_numpy_array()
        out = data if isinstance(data, Fresh) and data.flags.c_contiguous else None
        found = imagecodecs.delta_decode(data, axis=self.axis, dist=self.dist, out=out)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(found.reshape(chunk_spec.shape))


class FastFloatpred(_Standard, Floatpred):
    """`imagecodecs_floatpred` of pixels or interleaved samples, a byte plane at a time."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype, shape = chunk_spec.dtype.to_native_dtype(), chunk_spec.shape
        data = chunk_bytes.as_numpy_array()
        if not self._simple(dtype, shape) or data.size != prod(shape) * dtype.itemsize:
            return super()._decode_sync(chunk_bytes, chunk_spec)
        row = prod(shape[self.axis :])
        summed = _summed(data, row * dtype.itemsize, self.dist * (row // shape[self.axis]))
        found = _joined(summed.reshape(-1, dtype.itemsize, row), dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(found.reshape(shape))

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        # the standard one keeps zarr's event loop, and so every other block, waiting
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    def _simple(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
        if dtype.kind != "f" or not dtype.isnative or dtype.itemsize > 8 or 0 in shape:
            return False
        return -len(shape) <= self.axis < 0 and not shape[self.axis] % self.dist


def _summed(data: NDArray[Any], row: int, stride: int) -> NDArray[Any]:
    """Add to each byte of a row those at multiples of `stride` before it, modulo 256."""
    bytes_ = data.reshape(-1, row // stride, stride)
    out = bytes_ if isinstance(data, Fresh) and data.flags.c_contiguous else None
    summed: NDArray[Any] = imagecodecs.delta_decode(bytes_, axis=-2, out=out)
    return summed


def _joined(planes: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the floats of rows of byte planes, the most significant first."""
    planes = planes.view(np.ndarray)
    words = planes[:, 0].astype(f"u{dtype.itemsize}")
    for plane in range(1, dtype.itemsize):
        words <<= 8
        words |= planes[:, plane]
    return words.view(dtype)


FAST: dict[str, type[Any]] = {
    "numcodecs.zlib": FastZlib,
    "zstd": FastZstd,
    "imagecodecs_lzw": FastLzw,
    "imagecodecs_packbits": FastPackbits,
    "imagecodecs_delta": FastDelta,
    "imagecodecs_floatpred": FastFloatpred,
}
"""Standard name to the implementation for any array."""

BOUNDED: dict[str, type[Any]] = FAST | {
    "numcodecs.zlib": BoundedZlib,
    "zstd": BoundedZstd,
    "imagecodecs_lzw": BoundedLzw,
    "imagecodecs_packbits": BoundedPackbits,
    "numcodecs.lzma": BoundedLzma,
}
"""The same, for the blocks of a TIFF."""
