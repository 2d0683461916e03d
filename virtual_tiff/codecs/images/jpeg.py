"""JPEG whose frame need not have the block's size: DNG; and what JPEG's codecs share.

The DNG specification 1.7 ("Compression"): lossless JPEG holds the samples of a colour
filter array as components, so that width x components is the width of the tile; lossy
JPEG (34892) converts colours as JPEG files do. ITU-T T.81, and T.87 for JPEG-LS.

imagecodecs decodes. A stream states its own size, so its frame header is compared with
the chunk before the library is called, which allocates what the stream says.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer, image_sizes
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.codecs.images.image_checks import ImageCodec, damaged
from virtual_tiff.codecs.images.jpeg_lossless import decode_bogus_huffman, lacks_selectors
from virtual_tiff.tiff import JPEG_EOI, JpegFrame, JpegHeader

__all__ = [
    "JpegCodec",
    "as_chunk",
    "check_frame",
    "decode_complete",
    "decode_lossless",
    "frame_of",
    "jpeg8",
    "promised_size",
]

type Image = NDArray[Any]
"""Of uint8 or uint16."""

_FORMAT = "JPEG"
_MOST_SCANS = 100
"""libtiff's limit: a progressive stream of empty scans costs a decoder hours."""
_SOS = b"\xff\xda"
_JPEG_LS = 0xF7
_FILLER = bytes((17 + 151 * i) % 255 for i in range(64))
"""Entropy-coded data that mean something, without a marker."""
RAW = {3: "RGB", 4: "CMYK"}
"""Colour spaces that make libjpeg leave the samples as they are; for other numbers of
components it does so by itself."""


@dataclass(frozen=True)
class JpegCodec(ImageCodec):
    """Decodes the JPEG streams of a DNG: lossy, lossless, and JPEG-LS."""

    name: ClassVar[str] = "virtual_tiff.jpeg"

    tables: str = ""
    """Tables that the streams leave out, as JPEGTables has them, in base64."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        data = chunk_data.to_bytes()
        header, frame = frame_of(data)
        size = (frame.height, frame.width, len(frame.components))
        # lossless streams may group the samples otherwise
        grouped = frame.lossless and int(np.prod(size)) == int(np.prod(chunk_spec.shape))
        fits = grouped or size in image_sizes(chunk_spec.shape)
        check_frame(frame, chunk_spec.shape, fits=fits)
        tables = base64.b64decode(self.tables) or None
        decode: Callable[[bytes], Image] = partial(
            jpeg8, tables=tables, outcolorspace="RGB" if size[2] == 3 else None
        )
        if frame.marker == _JPEG_LS:
            decode = imagecodecs.jpegls_decode
        elif frame.lossless:
            decode = partial(decode_lossless, tables=tables)
        return as_chunk(decode_complete(data, header, decode), chunk_spec)


def frame_of(data: bytes) -> tuple[JpegHeader, JpegFrame]:
    """Return the header and the frame of a stream; refuse one without, or of too many scans."""
    header = JpegHeader.parse(data)
    if header.frame is None or header.scan is None:
        msg = f"a block of {len(data)} bytes is not a JPEG stream: it has no frame or no scan"
        raise ValueError(msg)
    scans = data.count(_SOS, header.nbytes)
    if scans > _MOST_SCANS:
        msg = f"the JPEG stream has {scans} scans; the limit is {_MOST_SCANS}"
        raise ValueError(msg)
    return header, JpegFrame.parse(header.frame)


def promised_size(frame: JpegFrame, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return rows, columns and samples of a chunk; where they are in doubt, as the frame says."""
    sizes = image_sizes(shape)
    if not sizes:
        msg = f"no image fills a chunk of shape {shape}"
        raise ValueError(msg)
    return next((size for size in sizes if size[2] == len(frame.components)), sizes[0])


def check_frame(frame: JpegFrame, promised: tuple[int, ...], *, fits: bool) -> None:
    """Refuse a stream whose frame does not fit what the tags promise."""
    if not fits:
        msg = (
            f"the block holds a JPEG image of {frame.height} rows, {frame.width} columns and "
            f"{len(frame.components)} components; the tags promise {promised}"
        )
        raise ImageSizeError(msg)


def decode_complete(data: bytes, header: JpegHeader, decode: Callable[[bytes], Image]) -> Image:
    """Decode a stream; raise if its data end before its image.

    libjpeg fills up with gray what is missing, and imagecodecs does not pass on its warning.
    Some writers leave out JPEG_EOI alone, so a stream without it is decoded twice, with
    different ends: if the image depends on them, data are missing.
    """
    try:
        if data.find(JPEG_EOI, header.nbytes) >= 0:
            return decode(data)
        image = decode(data + JPEG_EOI)
        complete = np.array_equal(image, decode(data + _FILLER + JPEG_EOI))
    except RuntimeError as error:  # the class of imagecodecs' errors
        raise damaged(_FORMAT, error) from error
    if not complete:
        msg = f"a block's JPEG data end after {len(data)} bytes, before its image does"
        raise ValueError(msg)
    return image


def jpeg8(
    data: bytes,
    *,
    tables: bytes | None = None,
    colorspace: str | None = None,
    outcolorspace: str | None = None,
    fancyupsampling: bool | None = None,
) -> Image:
    """Return the image of a stream, (rows, columns) or (rows, columns, components)."""
    decoded: Image = imagecodecs.jpeg8_decode(
        data,
        tables=tables,
        colorspace=colorspace,
        outcolorspace=outcolorspace,
        fancyupsampling=fancyupsampling,
    )
    return decoded


def as_chunk(image: Image, chunk_spec: ArraySpec) -> NDBuffer:
    """Return an image as the chunk that it is; its samples must have the chunk's size."""
    expected = chunk_spec.dtype.to_native_dtype()
    if image.dtype.itemsize != expected.itemsize:
        msg = f"the block holds JPEG samples of {image.dtype}; the array has {expected}"
        raise ValueError(msg)
    shaped: NDArray[Any] = image.reshape(chunk_spec.shape).view(expected)
    return chunk_spec.prototype.nd_buffer.from_numpy_array(shaped)


def decode_lossless(data: bytes, *, tables: bytes | None) -> Image:
    """Return the samples of a lossless stream as they are stored.

    libjpeg-turbo decodes colours that it wrote itself wrongly, without a word, where the scan names
    one Huffman table and two are used; liblj92 decodes them right, and so does tifffile.
    """
    header = JpegHeader.parse(data)
    components = len(JpegFrame.parse(header.frame or b"").components)
    if lacks_selectors(header):
        with suppress(ValueError, RuntimeError):  # not for it, or the class of imagecodecs' errors
            return decode_bogus_huffman(data, header)
    raw = RAW.get(components)
    try:
        return jpeg8(data, tables=tables, colorspace=raw, outcolorspace=raw)
    except imagecodecs.Jpeg8Error as error:
        if "Huffman table" not in str(error):
            raise
        return decode_bogus_huffman(data, header)
