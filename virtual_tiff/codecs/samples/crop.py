"""Shows a part of a block, where a tile is used up to the seam with its neighbour.

A TIFF's tiles are stored whole, also those that go beyond the image (TIFF 6.0 section 15), and
where files overlap only a part of their blocks is shown. A rectilinear chunk grid has chunks of
these lengths; this codec takes them out of the blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from zarr.abc.codec import ArrayArrayCodec

from virtual_tiff.codecs.base import ArraySpec, NDBuffer, ReadingCodec

__all__ = ["CropCodec"]


@dataclass(frozen=True)
class CropCodec(ReadingCodec, ArrayArrayCodec):
    """Takes a chunk out of a block that is as large or larger.

    A codec is told the shape of its chunk and nothing else, so the part follows from the lengths.
    """

    name: ClassVar[str] = "virtual_tiff.crop"

    block_shape: Sequence[int]
    """Pixels of an encoded block. A chunk is the first pixels of it, unless `parts` says another
    thing."""
    parts: Sequence[Mapping[str, Sequence[int]]] = field(default_factory=list)
    """For each axis, by the length of the chunk in decimal digits: the length of its block, and
    the first pixel that is shown. An empty list stands for none."""

    def __post_init__(self) -> None:
        parts = self.parts or [{}] * len(self.block_shape)
        numbers = [
            *self.block_shape,
            *(n for axis in parts for pair in axis.values() for n in pair),
        ]
        pairs = all(len(pair) == 2 for axis in parts for pair in axis.values())
        if (
            len(parts) != len(self.block_shape)
            or not pairs
            or not all(isinstance(n, int) and n >= 0 for n in numbers)
        ):
            msg = (
                f"{self.name}: block_shape={self.block_shape} must be lengths, and parts={parts}"
                " for each axis pairs of a length and a first pixel"
            )
            raise ValueError(msg)

    def _block(self, shape: Sequence[int]) -> list[tuple[int, int]]:
        """Return for each axis the length of the block, and the first pixel of the chunk."""
        parts = self.parts or [{}] * len(self.block_shape)
        pairs = (
            axis.get(str(length), (default, 0))
            for length, default, axis in zip(shape, self.block_shape, parts, strict=True)
        )
        return [(size, first) for size, first in pairs]

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the spec of the block; zarr also asks for that of the array, as one chunk."""
        lengths = zip(chunk_spec.shape, self._block(chunk_spec.shape), strict=True)
        return replace(chunk_spec, shape=tuple(max(n, size) for n, (size, _) in lengths))

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        block = self._block(chunk_spec.shape)
        lengths = list(zip(chunk_spec.shape, block, strict=True))
        if any(first + length > size for length, (size, first) in lengths):
            msg = f"{self.name}: a chunk of {chunk_spec.shape} is no part of its block"
            raise ValueError(msg)
        return chunk_data[tuple(slice(first, first + n) for n, (_, first) in lengths)]
