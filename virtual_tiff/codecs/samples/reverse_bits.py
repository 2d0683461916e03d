"""FillOrder 2: the lowest bit of each byte of the file comes first.

TIFF 6.0 section 8 ("FillOrder"). libtiff reverses the bytes before it decompresses
(TIFFReverseBits in tif_read.c), and so does this codec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import imagecodecs
from zarr.abc.codec import BytesBytesCodec

from virtual_tiff.codecs.base import ArraySpec, Buffer, ReadingCodec

__all__ = ["ReverseBitsCodec"]


@dataclass(frozen=True)
class ReverseBitsCodec(ReadingCodec, BytesBytesCodec):
    """Reverses the bits of every byte."""

    name: ClassVar[str] = "virtual_tiff.reverse_bits"

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        reversed_bits = imagecodecs.bitorder_decode(chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_array_like(reversed_bits)
