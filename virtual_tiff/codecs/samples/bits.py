"""Integers whose depth is no data type's: packed bit by bit, each row filled up to a byte.

TIFF 6.0 sections 3 and 8 ("FillOrder"): the samples follow each other without a gap, the
most significant bit first, and each row begins at a byte. The DNG specification says what
of byte order: "If BitsPerSample is not equal to 8 or 16 or 32, then the bits must be packed
into bytes using the TIFF default FillOrder of 1 (big-endian), even if the TIFF file itself
uses little-endian byte order". libtiff and GDAL (gtiffoddbitsband.cpp) read them so.

`imagecodecs_packints` does the same for unsigned integers of up to 31 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod
from operator import index
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer, ReadingCodec

__all__ = ["BitsCodec"]


@dataclass(frozen=True)
class BitsCodec(ReadingCodec, ArrayBytesCodec):
    """Unpacks samples of `bits` bits into the integers of the array.

    Signed ones are two's complement (TIFF 6.0 section 19) and keep their sign.
    """

    name: ClassVar[str] = "virtual_tiff.bits"

    bits: int
    """Of one sample, 1 to 64."""
    row: int
    """Samples of one row, which begins at a byte."""
    endian: Literal["big", "little"] = "big"
    """Order of the bytes of a sample; "little" is for samples of whole bytes."""

    def __post_init__(self) -> None:
        if not (0 < index(self.bits) <= 64 and index(self.row) > 0):
            msg = f"{self.name}: bits={self.bits} must be 1 to 64 and row={self.row} positive"
            raise ValueError(msg)
        self.check_endian(self.endian)
        if self.endian == "little" and self.bits % 8:
            msg = f"{self.name}: samples of {self.bits} bits cannot have endian='little'"
            raise ValueError(msg)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        if dtype.kind not in "iu" or dtype.itemsize * 8 < self.bits:
            msg = f"{self.name}: {dtype} cannot hold {self.bits} bits"
            raise ValueError(msg)
        rows, rest = divmod(prod(chunk_spec.shape), self.row)
        row_bytes = -(-self.row * self.bits // 8)
        data: Any = chunk_data.as_numpy_array()
        if rest or data.size != rows * row_bytes:
            msg = (
                f"the block has {data.size} bytes; {rows} rows of {self.row} samples "
                f"of {self.bits} bits have {rows * row_bytes}"
            )
            raise ValueError(msg)
        samples: Any = self._unpacked(data.reshape(rows, row_bytes), np.dtype(f"u{dtype.itemsize}"))
        if dtype.kind == "i":
            unused = dtype.itemsize * 8 - self.bits
            samples = (samples << unused).view(dtype.newbyteorder("=")) >> unused
        return chunk_spec.prototype.nd_buffer.from_numpy_array(samples.reshape(chunk_spec.shape))

    def _unpacked(self, data: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the samples of each row, as the unsigned integers of their type's size.

        The pattern repeats: a group of samples fills a few bytes to the last bit.
        """
        group = 8 // gcd(self.bits, 8)
        size = group * self.bits // 8
        groups = -(-self.row // group)
        whole = np.zeros((len(data), groups * size), np.uint8)
        whole[:, : data.shape[1]] = data
        cells = whole.reshape(len(data), groups, size)
        if self.endian == "little":
            cells = cells[..., ::-1]
        samples = np.empty((len(data), groups, group), dtype)
        for number in range(group):
            samples[..., number] = _sample(cells, number * self.bits, self.bits, dtype)
        return samples.reshape(len(data), -1)[:, : self.row]


def _sample(cells: NDArray[np.uint8], first: int, bits: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `bits` bits of each cell, from bit `first` on; the highest bit is bit 0."""
    begin, skipped = divmod(first, 8)
    last, used = divmod(first + bits - 1, 8)
    behind = 7 - used
    sample: NDArray[Any] = (cells[..., begin] & (0xFF >> skipped)).astype(dtype)
    if begin == last:
        return sample >> behind
    for byte in range(begin + 1, last):
        sample = sample << 8 | cells[..., byte]
    # never more than `bits` bits at a time: they may fill the type
    return sample << (8 - behind) | cells[..., last] >> behind
