"""`numcodecs.lzma` that stops when the array's bytes are full, as libtiff does.

`lzma.decompress` goes on to the stream's end, some 7,000 bytes for each of its own, and
allocates the dictionary that the stream asks for, of up to 4 GiB.
"""

from __future__ import annotations

import lzma
from math import prod
from typing import TYPE_CHECKING

from zarr.codecs.numcodecs import LZMA

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer

__all__ = ["BoundedLzma"]

_MEMORY = 2**28
"""Bytes for the dictionary and the rest; `xz -9` takes 65 MiB."""


class BoundedLzma(LZMA):
    """The same, for blocks of TIFFs."""

    codec_name = "numcodecs.lzma"

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        size = prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        decoder = lzma.LZMADecompressor(memlimit=_MEMORY)
        found = decoder.decompress(chunk_data.to_bytes(), max_length=size + 1)
        if len(found) <= size and not decoder.eof and decoder.needs_input:
            msg = f"the LZMA data end after {len(found)} bytes, before their end marker"
            raise ValueError(msg)
        return chunk_spec.prototype.buffer.from_bytes(found[:size])
