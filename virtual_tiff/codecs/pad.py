"""Brings a short last strip to the chunk's size.

TIFF 6.0 section 3: "StripsPerImage = floor((ImageLength + RowsPerStrip - 1) /
RowsPerStrip)", and the last strip holds the rows that are left. A regular Zarr grid
wants every chunk whole; the rows added here lie below the image and are never seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from zarr.abc.codec import BytesBytesCodec
from zarr.core.common import parse_named_configuration

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer
    from zarr.core.common import JSON

__all__ = ["PadCodec"]

_NAME = "virtual_tiff.pad"


@dataclass(frozen=True)
class PadCodec(BytesBytesCodec):
    """Pads a block of `last` bytes with zeros to `size`; refuses all other lengths.

    Parameters
    ----------
    size
        Bytes of a whole block. Some writers fill up the last strip: it passes as it is.
    last
        Bytes of the short last block.
    """

    is_fixed_size = False

    size: int
    last: int

    def __init__(self, *, size: int, last: int) -> None:
        if not 0 < last < size:
            msg = f"{_NAME}: last={last} must be positive and less than size={size}"
            raise ValueError(msg)
        object.__setattr__(self, "size", int(size))
        object.__setattr__(self, "last", int(last))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from its metadata."""
        _, configuration = parse_named_configuration(data, _NAME)
        return cls(**configuration)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec's metadata."""
        return {"name": _NAME, "configuration": {"size": self.size, "last": self.last}}

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        length = len(chunk_bytes)
        if length == self.size:
            return chunk_bytes
        if length != self.last:
            msg = f"a block of {length} bytes; the tags promise {self.size}, or {self.last} at last"
            raise ValueError(msg)
        rest = chunk_spec.prototype.buffer.from_bytes(bytes(self.size - self.last))
        return chunk_bytes.combine([rest])

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return self._decode_sync(chunk_bytes, chunk_spec)

    def _encode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        msg = f"{_NAME} reads TIFFs; it does not write: choose other codecs for a new array"
        raise NotImplementedError(msg)

    async def _encode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return self._encode_sync(chunk_bytes, chunk_spec)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise: the encoded size differs from block to block."""
        raise NotImplementedError
