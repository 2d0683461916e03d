"""Brings an image that is smaller than the chunk to its size.

As `virtual_tiff.pad`, for compressions that give images instead of bytes: TIFF 6.0
section 3 lets the last strip hold the rows that are left, and some writers cut the tiles at
the right and the bottom to what the image has, as the Zoomify Image Format does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from zarr.registry import get_codec_class

from virtual_tiff.codecs.base import ArraySpec, Buffer, Edges, NDBuffer
from virtual_tiff.codecs.guard.images import FORMATS, ImageDecoder
from virtual_tiff.codecs.guard.jpeg import BlockJpegCodec
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.codecs.images.image_checks import ImageCodec

__all__ = ["ShortImageCodec"]


@dataclass(frozen=True)
class ShortImageCodec(ImageCodec):
    """Decodes by another codec; an image of `last` rows is padded with zeros.

    A chunk is (rows, columns), or (rows, columns, samples) behind a `transpose`; both also
    behind axes of length 1, of a plane or a stack. `axis` says where the rows are.
    """

    name: ClassVar[str] = "virtual_tiff.short_image"

    codec: dict[str, Any]
    """The metadata of the codec that decodes the block. It must raise `ValueError` where
    the image is not of the shape that it is asked for."""
    last: int
    """Rows of the images at the foot. Some writers fill them up: they pass as they are."""
    axis: int = -2
    """The chunk's axis of rows, from its end: -2, or -3 before columns and samples."""
    last_columns: int | None = None
    """Columns of the images at the right; None where they are whole."""

    def __post_init__(self) -> None:
        lengths = [self.last, 1 if self.last_columns is None else self.last_columns]
        if not all(isinstance(length, int) and length > 0 for length in lengths):
            msg = (
                f"{self.name}: last={self.last!r} and last_columns={self.last_columns!r} "
                "must be positive whole numbers"
            )
            raise ValueError(msg)
        if self.axis not in (-2, -3) or not isinstance(self.axis, int):
            msg = f"{self.name}: axis={self.axis!r} is neither -2 nor -3"
            raise ValueError(msg)
        if not isinstance(self.codec, dict) or not isinstance(self.codec.get("name"), str):
            msg = f"{self.name}: codec={self.codec!r} is not the metadata of a codec"
            raise ValueError(msg)  # noqa: TRY004 (one class for all wrong metadata)

    def decode_at(self, chunk_data: Buffer, chunk_spec: ArraySpec, edges: Edges) -> NDBuffer:
        """Decode a block; it may be smaller at the image's edges."""
        rows = chunk_spec.shape[self.axis]
        codec = replace(
            self,
            last=self.last if edges.foot else rows,
            last_columns=self.last_columns if edges.right else None,
        )
        return ShortImageCodec._decode_sync(codec, chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        if self.codec["name"] == BlockJpegCodec.name:
            # some streams go on below the image, but not to the end of the chunk
            columns = self.last_columns or chunk_spec.shape[self.axis + 1]
            jpeg = BlockJpegCodec(self.codec, (self.last, columns))
            return jpeg.decode_at(chunk_data, chunk_spec, Edges(foot=True, right=True))
        checked = self.codec["name"] in FORMATS
        make = ImageDecoder if checked else get_codec_class(self.codec["name"]).from_dict
        inner: Any = make(self.codec)
        other: ValueError | None = None
        broken: ValueError | None = None
        for shape in self._shapes(chunk_spec.shape):
            try:
                image: NDBuffer = inner._decode_sync(chunk_data, replace(chunk_spec, shape=shape))  # noqa: SLF001
            except ImageSizeError as error:
                other = other or error
            except ValueError as error:
                broken = broken or error
            else:
                if image.shape == chunk_spec.shape:
                    return image
                padded = np.zeros(chunk_spec.shape, dtype=image.dtype)
                padded[tuple(map(slice, image.shape))] = image.as_numpy_array()
                return chunk_spec.prototype.nd_buffer.from_numpy_array(padded)
        if broken is not None:
            raise broken
        right = f" and {self.last_columns} columns at the right" if self.last_columns else ""
        msg = f"{other}, or {self.last} rows at the foot{right}"
        raise ImageSizeError(msg)

    def _shapes(self, whole: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Return the shapes that an image may have, the whole chunk's first."""
        at = len(whole) + self.axis
        if at < 0:
            msg = f"{self.name}: a chunk of shape {whole} has no axis {self.axis}"
            raise ValueError(msg)
        before, (rows, columns), after = whole[:at], whole[at : at + 2], whole[at + 2 :]
        for width in dict.fromkeys((columns, self.last_columns or columns)):
            for length in dict.fromkeys((rows, self.last)):
                yield (*before, length, width, *after)
