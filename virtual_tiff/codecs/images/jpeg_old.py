"""Old-style JPEG (Compression 6): entropy-coded data that lack the header of a stream.

TIFF 6.0 section 22. As libtiff's tif_ojpeg.c sees it, each block is decoded by itself:
its data follow a header that is put together from the tags or from the first stream, and
begin as those behind a restart marker do. Where the block begins with segments of its
own, they replace those of the header. Subsampled chroma is repeated, as by libtiff's RGBA
interface, through which GDAL reads these files; `virtual_tiff.ycbcr` converts the colours.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer
from virtual_tiff.codecs.images.image_checks import ImageCodec
from virtual_tiff.codecs.images.jpeg import (
    Image,
    as_chunk,
    check_frame,
    decode_complete,
    frame_of,
    jpeg8,
    promised_size,
)
from virtual_tiff.tiff import JPEG_EOI, JpegFrame, JpegHeader, begins_with_jpeg_marker

__all__ = ["OldJpegCodec"]

_SPACES = {1: "GRAYSCALE", 3: "YCbCr"}
_BLOCK = 8
"""Rows and columns that the transform takes at once."""
_TAIL = 16
"""Bytes that are more than what a writer fills up a strip with."""
_SLACK = 64
"""Columns that a stream may have beyond its block's."""


@dataclass(frozen=True)
class OldJpegCodec(ImageCodec):
    """Decodes blocks to gray, or to YCbCr of shape (rows, columns, 3)."""

    name: ClassVar[str] = "virtual_tiff.jpeg_old"

    header: str
    """A JPEG stream up to its first scan's data, in base64. Its frame has the height of the
    blocks; its width is 0, or that of the data, some of which go on beyond the block."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        given = JpegHeader.parse(base64.b64decode(self.header))
        data = chunk_data.to_bytes()
        block_header = JpegHeader.parse(data) if begins_with_jpeg_marker(data) else JpegHeader()
        data = data[block_header.nbytes :]
        header = given | block_header
        frame = JpegFrame.parse(header.frame or b"")
        rows, columns, samples = promised_size(frame, chunk_spec.shape)
        # it must hold the block's rows, and not much more than its columns
        wide = frame.width == 0 or columns <= frame.width <= columns + _SLACK
        high = frame.height in (0, rows) or (frame.height > rows and frame.marker in (0xC0, 0xC1))
        fits = wide and high and len(frame.components) == samples and samples in _SPACES
        check_frame(frame, (rows, columns, samples), fits=fits)
        header = header.resized(rows, frame.width or columns)
        data, restarts = _renumbered(data)
        _check_restarts(header, data, restarts)
        if not restarts:
            header = replace(header, restart_interval=None)
        if frame.height > rows and block_header.frame is None:
            _check_end(header, data)
        return as_chunk(np.ascontiguousarray(_image(header, data)[:, :columns]), chunk_spec)


def _image(header: JpegHeader, data: bytes) -> Image:
    stream = header.encode() + data
    space = _SPACES[len(JpegFrame.parse(header.frame or b"").components)]
    decode = partial(jpeg8, colorspace=space, outcolorspace=space, fancyupsampling=False)
    return decode_complete(stream, frame_of(stream)[0], decode)


def _check_end(header: JpegHeader, data: bytes) -> None:
    """Raise if a last strip, of fewer rows than the others, has data for more rows.

    Then it is another strip, whose end is lost: the header is of no help, for it stands
    for all. Without its last bytes the right one is incomplete.
    """
    try:
        _image(header, data.removesuffix(JPEG_EOI)[:-_TAIL])
    except ValueError:
        return
    msg = f"a block's JPEG data end after {len(data)} bytes, within its rows"
    raise ValueError(msg)


def _renumbered(data: bytes) -> tuple[bytes, int]:
    """Return entropy-coded data whose restart markers begin with RST0, and how many there are.

    In the whole image's stream the numbers (modulo 8) go on from block to block, and a
    marker may stand between two blocks, at the end of the one or the start of the other.
    """
    end = data.find(JPEG_EOI)
    codes = np.frombuffer(data[: end if end >= 0 else None], np.uint8).copy()
    markers = np.flatnonzero((codes[:-1] == 0xFF) & (codes[1:] & 0xF8 == 0xD0))
    begin, stop = 0, len(codes)
    if markers.size and markers[0] == 0:
        begin, markers = 2, markers[1:]
    if markers.size and markers[-1] == stop - 2:
        stop, markers = stop - 2, markers[:-1]
    if markers.size:
        codes[markers + 1] = 0xD0 + (codes[markers + 1] - codes[markers[0] + 1]) % 8
    return codes[begin:stop].tobytes() + data[end:] * (end >= 0), markers.size


def _check_restarts(header: JpegHeader, data: bytes, restarts: int) -> None:
    """Raise if a block of one scan has not the restart markers that its interval asks for."""
    if not restarts or b"\xff\xda" in data:
        return
    frame = JpegFrame.parse(header.frame or b"")
    across, down = frame.largest_sampling if len(frame.components) > 1 else (1, 1)
    units = -(-frame.width // (_BLOCK * across)) * -(-frame.height // (_BLOCK * down))
    expected = -(-units // header.restart_interval) - 1 if header.restart_interval else 0
    if restarts != expected:
        msg = f"a block's JPEG data have {restarts} restart markers; {expected} are expected"
        raise ValueError(msg)
