"""Pixels whose samples of unequal depth share one word, such as RGB of 5, 6 and 5 bits.

TIFF 6.0 allows BitsPerSample to differ; baseline readers and libtiff refuse it. The one
public reader is tifffile (`unpack_rgb`), and its rules are these: a pixel is a word in the
file's byte order with the first sample in its highest bits, and the samples are brought to
the depth of the array by repeating their bits, so that black and white stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from operator import index
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer, ReadingCodec

__all__ = ["PackedPixelsCodec"]

_WORDS = {8: "u1", 16: "u2", 32: "u4"}


@dataclass(frozen=True)
class PackedPixelsCodec(ReadingCodec, ArrayBytesCodec):
    """Unpacks words into samples of one depth; the array's last axis is that of samples."""

    name: ClassVar[str] = "virtual_tiff.packed_pixels"

    bits: list[int]
    """Of each sample, the highest bits of the word first."""
    endian: Literal["big", "little"]
    """Byte order of a word."""

    def __post_init__(self) -> None:
        if sum(map(index, self.bits)) not in _WORDS or min(self.bits) < 1:
            msg = f"{self.name}: bits={self.bits} are not the parts of a word of 8, 16 or 32 bits"
            raise ValueError(msg)
        self.check_endian(self.endian)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        depth = dtype.itemsize * 8
        *pixels, samples = chunk_spec.shape
        if dtype.kind != "u" or samples != len(self.bits) or max(self.bits) > depth:
            msg = f"{self.name}: bits={self.bits} do not fit {samples} samples of type {dtype}"
            raise ValueError(msg)
        stored = np.dtype(_WORDS[sum(self.bits)]).newbyteorder(self.endian)
        data: Any = chunk_data.as_numpy_array()
        if data.size != prod(pixels) * stored.itemsize:
            size = prod(pixels) * stored.itemsize
            msg = f"the block has {data.size} bytes; its pixels take {size}"
            raise ValueError(msg)
        words: NDArray[Any] = data.view(stored).astype(stored.newbyteorder("="), copy=False)
        words = words.reshape(pixels)
        unpacked = np.empty(chunk_spec.shape, dtype)
        behind = sum(self.bits)
        for number, bits in enumerate(self.bits):
            behind -= bits
            values = words >> behind & ((1 << bits) - 1)
            if bits <= _TABLED:
                unpacked[..., number] = _table(bits, depth).astype(dtype)[values]
            else:
                unpacked[..., number] = _widened(values.astype(np.uint64), bits, depth)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(unpacked)


_TABLED = 12
"""Bits of samples that are looked up in a table."""


@cache
def _table(bits: int, depth: int) -> NDArray[Any]:
    """Return each value of `bits` bits, widened."""
    return _widened(np.arange(1 << bits, dtype=np.uint64), bits, depth)


def _widened(samples: NDArray[Any], bits: int, depth: int) -> NDArray[Any]:
    """Repeat the bits of each sample until there are `depth` of them."""
    times = -(-depth // bits)
    repeated = sum(1 << (bits * i) for i in range(times))
    widened: NDArray[Any] = samples * repeated >> (bits * times - depth)
    return widened
