"""Brings the image of a short last strip to the chunk's size.

As `virtual_tiff.pad`, for compressions that give images instead of bytes: TIFF 6.0
section 3 lets the last strip hold the rows that are left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.registry import get_codec_class

from virtual_tiff.codecs.base import ReadingCodec

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

__all__ = ["ShortImageCodec"]


@dataclass(frozen=True)
class ShortImageCodec(ReadingCodec, ArrayBytesCodec):
    """Decodes by another codec; an image of `last` rows is padded with zeros.

    Rows are the first axis of what the inner codec decodes, as they are in the file: a chunk
    is (rows, columns), or (rows, columns, bands) behind a `transpose`; with an axis of
    one plane before them they are the second.
    """

    name: ClassVar[str] = "virtual_tiff.short_image"

    codec: dict[str, Any]
    """The metadata of the codec that decodes the block."""
    last: int
    """Rows of the short last block."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        inner: Any = get_codec_class(self.codec["name"]).from_dict(self.codec)
        # imagecodecs' codecs reshape what they decode, and raise if it does not fit
        try:
            whole: NDBuffer = inner._decode_sync(chunk_data, chunk_spec)  # noqa: SLF001
        except ValueError:
            rows = 1 if len(chunk_spec.shape) > 2 and chunk_spec.shape[0] == 1 else 0
            shape = list(chunk_spec.shape)
            shape[rows] = self.last
            short = inner._decode_sync(chunk_data, replace(chunk_spec, shape=tuple(shape)))  # noqa: SLF001
            padded = np.zeros(chunk_spec.shape, dtype=short.dtype)
            padded[(slice(None),) * rows + (slice(self.last),)] = short.as_numpy_array()
            whole = chunk_spec.prototype.nd_buffer.from_numpy_array(padded)
        return whole
