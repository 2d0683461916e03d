"""What the codecs of row-by-row compressions share: the shape of a block, and its last rows.

TIFF 6.0 section 3 lets the last strip hold the rows that are left. A decoder that goes row
by row knows where a block ends, and so it needs no codec around it that tries twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec

from virtual_tiff.codecs.base import ArraySpec, Buffer, Edges, NDBuffer, ReadingCodec

__all__ = ["StripCodec"]


@dataclass(frozen=True, kw_only=True)
class StripCodec(ReadingCodec, ArrayBytesCodec):
    """Decodes a block of rows; below a short last strip it adds rows that are never seen.

    A subclass implements `_image`.
    """

    samples: int = 1
    """Samples of a pixel within the block: a chunk is (rows, columns), also behind axes of
    length 1, or (rows, columns, samples) behind a `transpose`."""
    last: int | None = None
    """Rows of the short last strip; None where all blocks have as many rows as the chunk."""

    def __post_init__(self) -> None:
        numbers = [self.samples] if self.last is None else [self.samples, self.last]
        if not all(isinstance(number, int) and number > 0 for number in numbers):
            msg = (
                f"{self.name}: samples={self.samples!r} and last={self.last!r} "
                "must be positive whole numbers"
            )
            raise ValueError(msg)

    def decode_at(self, chunk_data: Buffer, chunk_spec: ArraySpec, edges: Edges) -> NDBuffer:
        """Decode a block; only one at the image's foot may have fewer rows."""
        codec = self if edges.foot else replace(self, last=None)
        return StripCodec._decode_sync(codec, chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        rows, columns = self._size(chunk_spec.shape)
        dtype = chunk_spec.dtype.to_native_dtype()
        image = self._image(chunk_data.as_numpy_array().tobytes(), rows, columns, dtype)
        if image.dtype != dtype:
            msg = f"{self.name} gives {image.dtype}, not {dtype}"
            raise ValueError(msg)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(image.reshape(chunk_spec.shape))

    def _image(self, data: bytes, rows: int, columns: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the block's samples, in as many rows as the chunk has.

        `dtype` is that of the array, for codecs that can give several.
        """
        raise NotImplementedError

    def _size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        axes = shape[:-1] if self.samples > 1 else shape
        interleaved = shape[-1] if self.samples > 1 else 1
        if len(axes) < 2 or prod(axes[:-2]) != 1 or interleaved != self.samples:
            msg = f"{self.name}: a chunk of shape {shape} for {self.samples} samples a pixel"
            raise ValueError(msg)
        rows, columns = axes[-2:]
        if self.last is not None and self.last >= rows:
            msg = f"{self.name}: last={self.last} must be below the {rows} rows of a chunk"
            raise ValueError(msg)
        return rows, columns

    def _promise(self, rows: int) -> str:
        """Say what the tags promise, for an error."""
        return f"the tags promise {rows}" + (f", or {self.last} at last" if self.last else "")
