"""`imagecodecs_jpeg`, bounded by the chunk and forgiving where GDAL and tifffile are.

imagecodecs' own class decodes whatever size the stream states, and then reshapes to the
chunk. This one compares the frame header with the chunk first.

Streams of another size than the block's are known of two kinds (libtiff's JPEGPreDecode
warns of them), and no others are read: strips whose stream goes on below them, and
blocks at the image's right and lower edge that end there or a little later. Elsewhere
`imagecodecs_jpeg` raises for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
from imagecodecs.zarr import Jpeg

from virtual_tiff.codecs.base import ArraySpec, Buffer, Edges, NDBuffer
from virtual_tiff.codecs.images.image_checks import ImageCodec
from virtual_tiff.codecs.images.jpeg import (
    Image,
    as_chunk,
    check_frame,
    decode_complete,
    decode_lossless,
    frame_of,
    jpeg8,
    promised_size,
)
from virtual_tiff.tiff import JPEG_EOI, JpegFrame, JpegHeader

__all__ = ["BlockJpegCodec"]

_RESTARTS = range(0xD0, 0xD8)
"""RST0 to RST7, each of which ends a restart interval."""


@dataclass(frozen=True)
class BlockJpegCodec(ImageCodec):
    """Decodes as `imagecodecs_jpeg` does."""

    name: ClassVar[str] = "imagecodecs_jpeg"

    codec: dict[str, Any]
    """The metadata of `imagecodecs_jpeg`."""
    image: tuple[int, int] | None = None
    """Rows and columns of the whole image, which say how many the blocks at its edges have;
    None if every stream must have the block's size."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self.decode_at(chunk_data, chunk_spec, Edges(foot=True, right=True))

    def decode_at(self, chunk_data: Buffer, chunk_spec: ArraySpec, edges: Edges) -> NDBuffer:
        """Decode a block; its stream may be smaller at the image's edges."""
        jpeg = self._jpeg
        data = chunk_data.to_bytes()
        if jpeg.header:
            data = jpeg.header + _ended(data)
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
        image = decode_complete(data, header, decode)
        missing = (rows - image.shape[0], columns - image.shape[1])
        if any(missing):
            image = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)][: image.ndim])
        return as_chunk(image, chunk_spec)

    @cached_property
    def _jpeg(self) -> Jpeg:
        jpeg = Jpeg.from_dict(self.codec)
        if jpeg.tables and JpegHeader.parse(jpeg.tables).frame is not None:
            msg = "JPEGTables hold more than tables"
            raise ValueError(msg)
        return jpeg

    def _check_size(self, frame: JpegFrame, promised: tuple[int, int, int], edges: Edges) -> None:
        rows, columns, samples = promised
        length, width = self.image or (rows, columns)
        strips = self.image is not None and columns == width
        taller = strips and frame.height > rows and frame.width == columns
        foot = (length - 1) % rows + 1 if edges.foot else rows
        right = (width - 1) % columns + 1 if edges.right else columns
        fits = foot <= frame.height <= rows and right <= frame.width <= columns
        fits = len(frame.components) == samples and (taller or fits)
        check_frame(frame, promised, fits=fits)


def _ended(interval: bytes) -> bytes:
    """Return a restart interval as the end of a stream: the next one's marker shows it is whole."""
    if interval[-2:-1] == b"\xff" and interval[-1] in _RESTARTS:
        return interval[:-2] + JPEG_EOI
    return interval


def _cut(data: bytes, header: JpegHeader, frame: JpegFrame, rows: int) -> bytes:
    """Return a stream with fewer rows: what follows in its only scan is not decoded."""
    if data.count(b"\xff\xda", header.nbytes) or frame.marker not in (0xC0, 0xC1):
        msg = f"the block of {rows} rows holds a JPEG image of {frame.height} rows in several scans"
        raise ValueError(msg)
    at = header.frame_at + 5
    return data[:at] + rows.to_bytes(2) + data[at + 2 :]
