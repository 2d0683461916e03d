"""Decompresses blocks whose compression is told by their first bytes, not by the array.

A Zarr array has one chain of codecs, but files of one archive may be compressed by Deflate and by
Zstandard, or not at all. The formats say so themselves: RFC 1950 (zlib) and RFC 8878 (Zstandard)
begin with numbers of their own, and a block that is not compressed has the length of its samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

from numcodecs.zlib import Zlib
from numcodecs.zstd import Zstd
from zarr.abc.codec import BytesBytesCodec

from virtual_tiff.codecs.base import ArraySpec, Buffer, ReadingCodec

__all__ = ["AnyCompressionCodec"]

_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class AnyCompressionCodec(ReadingCodec, BytesBytesCodec):
    """Takes blocks of zlib, of Zstandard, and uncompressed ones."""

    name: ClassVar[str] = "virtual_tiff.any_compression"

    lengths: list[int] = field(default_factory=list)
    """Bytes of decoded blocks; an uncompressed block has one of them. An empty list stands for
    the size of a chunk."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        data = chunk_data.to_bytes()
        sizes = self.lengths or [
            prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        ]
        make = chunk_spec.prototype.buffer.from_bytes
        problem: Exception | None = None
        if data[:4] == _ZSTD or _is_zlib(data):
            try:
                return make(bytes((Zstd() if data[:4] == _ZSTD else Zlib()).decode(data)))
            except Exception as error:  # noqa: BLE001 (samples may begin with the same bytes)
                problem = error
        if len(data) in sizes:
            return chunk_data
        msg = (
            f"{self.name}: a block of {len(data)} bytes is neither zlib nor Zstandard, and not as"
            f" long as its samples ({', '.join(map(str, sizes))} bytes)"
        )
        raise ValueError(msg) from problem


def _is_zlib(data: bytes) -> bool:
    """Apply RFC 1950: the method is 8, and the first two bytes are a multiple of 31."""
    return (
        len(data) > 2
        and data[0] & 15 == 8
        and data[0] >> 4 <= 7
        and (data[0] * 256 + data[1]) % 31 == 0
    )
