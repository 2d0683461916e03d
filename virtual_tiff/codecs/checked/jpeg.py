"""`imagecodecs_jpeg`, bounded by the chunk and forgiving where GDAL and tifffile are.

imagecodecs' own class decodes whatever size the stream states, and then reshapes to the
chunk. This one compares the frame header with the chunk first. Like the other checked
codecs (see `virtual_tiff.codecs.checked.block`) only `virtual_tiff.store.CheckedManifestStore`
names it, and `to_dict` writes what is persisted: `imagecodecs_jpeg`, or
`virtual_tiff.short_image` around it.

Streams of another size than the block's are known of two kinds (libtiff's JPEGPreDecode
warns of them), and no others are read: strips whose stream goes on below them, and
blocks at the image's right and lower edge that end there or a little later. Elsewhere
`imagecodecs_jpeg` raises for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from imagecodecs.zarr import Jpeg

from virtual_tiff.codecs.base import Edges, image_axes
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.codecs.images.image_checks import ImageCodec
from virtual_tiff.codecs.images.jpeg import (
    Image,
    as_chunk,
    decode_complete,
    decode_lossless,
    frame_of,
    jpeg8,
    promised_size,
)
from virtual_tiff.tiff.jpeg import Frame, JpegHeader

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.common import JSON

__all__ = ["CheckedJpegCodec", "checked_jpeg"]

_NAME = "imagecodecs_jpeg"


def checked_jpeg(codec: dict[str, Any], array: dict[str, Any]) -> dict[str, Any]:
    """Return the checked codec for one that decodes JPEG, with the array's edges; others as is.

    Parameters
    ----------
    codec
        One of an array's codecs.
    array
        The array's metadata.
    """
    if _inner(codec)["name"] != _NAME:
        return codec
    plane = image_axes(array.get("dimension_names"))
    length, width = array["shape"][plane]
    rows, columns = array["chunk_grid"]["configuration"]["chunk_shape"][plane]
    configuration = {
        "codec": codec,
        "foot": (length - 1) % rows + 1,
        "right": (width - 1) % columns + 1,
        "strips": columns == width,
    }
    return {"name": CheckedJpegCodec.name, "configuration": configuration}


def _inner(codec: dict[str, Any]) -> dict[str, Any]:
    """Return the codec that decodes: that within `virtual_tiff.short_image`."""
    wrapped = codec["name"] == "virtual_tiff.short_image"
    return codec["configuration"]["codec"] if wrapped else codec


@dataclass(frozen=True)
class CheckedJpegCodec(ImageCodec):
    """Decodes as `imagecodecs_jpeg` does."""

    name: ClassVar[str] = "virtual_tiff.checked_jpeg"

    codec: dict[str, Any]
    """The metadata of the codec in whose place this one is."""
    foot: int | None = None
    """Rows of the image in the blocks at its foot; None if streams have all rows."""
    right: int | None = None
    """Columns of the image in the blocks at its right edge, likewise."""
    strips: bool = False
    """Whether one block is as wide as the image."""

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from its metadata, or from those of `imagecodecs_jpeg` under its name."""
        configuration: Any = data.get("configuration")
        if isinstance(configuration, dict) and "codec" not in configuration:
            return cls(codec={"name": _NAME, "configuration": configuration})
        return super().from_dict(data)

    def to_dict(self) -> dict[str, JSON]:
        """Return the metadata that other readers know."""
        return self.codec

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self.decode_at(chunk_data, chunk_spec, Edges(foot=True, right=True))

    def decode_at(self, chunk_data: Buffer, chunk_spec: ArraySpec, edges: Edges) -> NDBuffer:
        """Decode a block; its stream may be smaller at the image's edges."""
        jpeg = self._jpeg
        data = (jpeg.header or b"") + chunk_data.to_bytes()
        header, frame = frame_of(data)
        promised = promised_size(frame, chunk_spec.shape)
        rows, columns, _ = promised
        self._check_size(frame, promised, edges)
        if frame.height > rows:
            data = _cut(data, header, frame, rows)
        decode: Callable[[bytes], Image]
        if frame.lossless:  # libjpeg converts no colours then; tifffile gives them as stored
            decode = partial(decode_lossless, tables=jpeg.tables)
        else:
            decode = partial(
                jpeg8,
                tables=jpeg.tables,
                colorspace=jpeg.colorspace_jpeg,
                outcolorspace=jpeg.colorspace_data,
                fancyupsampling=jpeg.fancyupsampling,
            )
        return as_chunk(_padded(decode_complete(data, header, decode), rows, columns), chunk_spec)

    @cached_property
    def _jpeg(self) -> Jpeg:
        jpeg = Jpeg.from_dict(_inner(self.codec))
        if jpeg.tables and JpegHeader.parse(jpeg.tables).frame is not None:
            msg = "JPEGTables hold more than tables"
            raise ValueError(msg)
        return jpeg

    def _check_size(self, frame: Frame, promised: tuple[int, int, int], edges: Edges) -> None:
        rows, columns, samples = promised
        taller = self.strips and frame.height > rows and frame.width == columns
        foot = (edges.foot and self.foot) or rows
        right = (edges.right and self.right) or columns
        fits = foot <= frame.height <= rows and right <= frame.width <= columns
        if len(frame.components) != samples or not (taller or fits):
            msg = (
                f"a JPEG image of {frame.height} rows, {frame.width} columns and "
                f"{len(frame.components)} components; the tags promise {promised}"
            )
            raise ImageSizeError(msg)


def _cut(data: bytes, header: JpegHeader, frame: Frame, rows: int) -> bytes:
    """Return a stream with fewer rows: what follows in its only scan is not decoded.

    Raises
    ------
    ValueError
        If it has several scans, of which each holds something of every row.
    """
    if data.count(b"\xff\xda", header.nbytes) or frame.marker not in (0xC0, 0xC1):
        msg = f"a JPEG image of {frame.height} rows in several scans, in a block of {rows}"
        raise ValueError(msg)
    at = header.frame_at + 5
    return data[:at] + rows.to_bytes(2) + data[at + 2 :]


def _padded(image: Image, rows: int, columns: int) -> Image:
    missing = (rows - image.shape[0], columns - image.shape[1])
    if not any(missing):
        return image
    return np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)][: image.ndim])
