"""Brings a short last strip to the chunk's size.

TIFF 6.0 section 8: "StripsPerImage = floor((ImageLength + RowsPerStrip - 1) /
RowsPerStrip)", and the last strip holds the rows that are left. A regular Zarr grid
wants every chunk whole; the rows added here lie below the image and are never seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarr.abc.codec import BytesBytesCodec

from virtual_tiff.codecs.base import ArraySpec, Buffer, Edges, ReadingCodec

__all__ = ["PadCodec"]

_SLACK = 16
"""Bytes that the last block may go on beyond its rows where its position is not known: the LZW
data of Photoshop and others hold one code more than their strip."""


@dataclass(frozen=True)
class PadCodec(ReadingCodec, BytesBytesCodec):
    """Pads a block of `last` bytes with zeros to `size`, and cuts off what is beyond `size`.

    A block of up to 16 bytes more than `last` is cut to `last` bytes, as libtiff does, and then
    padded. All other lengths are refused: zarr does not say which block is the last one, and
    the lost rows of a damaged one would read as zeros.
    """

    name: ClassVar[str] = "virtual_tiff.pad"

    size: int
    """Bytes of a whole block. Some writers fill up the last strip: it passes as it is."""
    last: int
    """Bytes of the short last block."""

    def __post_init__(self) -> None:
        whole = isinstance(self.size, int) and isinstance(self.last, int)
        if not whole or not 0 < self.last < self.size:
            msg = f"{self.name}: last={self.last} must be a number of bytes below size={self.size}"
            raise ValueError(msg)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        length = len(chunk_data)
        if length < self.size and not self.last <= length <= self.last + _SLACK:
            msg = f"a block of {length} bytes; the tags promise {self.size}, or {self.last} at last"
            raise ValueError(msg)
        return self._whole(chunk_data, chunk_spec)

    def decode_at(self, chunk_data: Buffer, chunk_spec: ArraySpec, edges: Edges) -> Buffer:
        """Bring a block to `size`; one at the image's foot holds `last` bytes or more."""
        length, promised = len(chunk_data), self.last if edges.foot else self.size
        if length < promised:
            msg = f"a block of {length} bytes; the tags promise {promised}"
            raise ValueError(msg)
        return self._whole(chunk_data, chunk_spec)

    def _whole(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        if len(chunk_data) >= self.size:
            return chunk_data if len(chunk_data) == self.size else chunk_data[: self.size]
        rest = chunk_spec.prototype.buffer.from_bytes(bytes(self.size - self.last))
        return chunk_data[: self.last].combine([rest])
