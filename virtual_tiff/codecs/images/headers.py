"""What an image's stream says of its own size, before anything is decoded.

An image in a TIFF states its size a second time. A damaged or hostile stream may state
another than the tags do, and a decoder allocates by what the stream says: so it is read
here first, and compared with the chunk. Each function maps a block's bytes to an
`ImageHeader`, or to None if they do not hold one still image of its format.

Sources: PNG (W3C, third edition) sections 5 and 11; RFC 9649 (WebP) and RFC 6386 section
9.1 (VP8); ISO/IEC 15444-1 (JPEG 2000) annexes A and I; ITU-T T.832 (JPEG XR) annex A and
section 8.3; Lerc2's header as in Esri's `Lerc2.h`. JPEG XL has a module of its own,
`jxl_header`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from virtual_tiff.codecs.base import image_sizes

__all__ = [
    "LERC_MAGIC",
    "Block",
    "ImageHeader",
    "ImageSizeError",
    "LercHeader",
    "boxes",
    "check_size",
    "jpeg2k_header",
    "jpegxr_header",
    "lerc_header",
    "png_header",
    "webp_header",
]


type Block = bytes | memoryview
"""The bytes of a block."""


class ImageSizeError(ValueError):
    """The stream states another size than the tags; nothing was decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """What a stream says of the image in it."""

    rows: int
    columns: int
    samples: int | None = None
    """Samples of a pixel as imagecodecs decodes them; None where only it can tell."""
    planar: bool = False
    """Whether imagecodecs decodes to (samples, rows, columns)."""
    lost: int = 0
    """Samples of the stream that imagecodecs leaves out."""
    transformed: bool = False
    """Whether decoding turns luminance and chrominance into red, green and blue."""


def check_size(header: ImageHeader | None, shape: Sequence[int], image_format: str) -> None:
    """Compare a stream's size with the shape of a chunk as the serializer gives it.

    If they differ, it is an ImageSizeError; if there is no header, another ValueError.
    """
    if header is None:
        msg = f"the block does not hold one {image_format} image, or its header is damaged"
        raise ValueError(msg)
    size = (header.rows, header.columns)
    samples = header.samples
    fitting = [each[2] for each in image_sizes(shape) if each[:2] == size]
    if not fitting or samples not in (None, *fitting):
        many = "" if samples is None else f" of {samples} samples a pixel"
        lost = f" ({header.lost} more cannot be decoded)" if header.lost else ""
        msg = (
            f"the block holds a {image_format} image of {header.rows} rows and {header.columns} "
            f"columns{many}{lost}; the tags promise {tuple(shape)}"
        )
        raise ImageSizeError(msg)


_PNG_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
"""PNG's colour types; a palette (3) is decoded to its colours."""


def png_header(data: Block) -> ImageHeader | None:
    """Read PNG's IHDR; its `tRNS` chunk is decoded to one more sample."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    columns, rows, _, colour = struct.unpack_from(">IIBB", data, 16)
    samples = _PNG_SAMPLES.get(colour)
    if samples is None:
        return None
    samples += colour not in (4, 6) and _has_transparency(data)
    return ImageHeader(rows=rows, columns=columns, samples=samples)


def _has_transparency(data: Block) -> bool:
    """Whether a `tRNS` chunk comes before the pixels, as it must."""
    at = 33
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"tRNS", b"IDAT"):
            return bool(kind == b"tRNS")
        at += 12 + size
    return False


def webp_header(data: Block) -> ImageHeader | None:
    """Read WebP's first chunk: VP8, VP8L or VP8X; None for an animation.

    The samples are left open: whether a stream has an alpha stands in several places, and
    what is decoded depends on the codec's configuration too.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8 " and not body[0] & 1 and body[3:6] == b"\x9d\x01\x2a":
        columns, rows = (size & 0x3FFF for size in struct.unpack_from("<HH", body, 6))
    elif kind == b"VP8L" and body[0] == 0x2F:
        sizes = int.from_bytes(body[1:5], "little")
        columns, rows = (sizes & 0x3FFF) + 1, (sizes >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X" and not body[0] & 0x02:
        columns = int.from_bytes(body[4:7], "little") + 1
        rows = int.from_bytes(body[7:10], "little") + 1
    else:
        return None
    return ImageHeader(rows=rows, columns=columns)


def jpeg2k_header(data: Block) -> ImageHeader | None:
    """Read JPEG 2000's SIZ and COD, of a codestream or of the first one in a JP2 file."""
    start: int | None = 0
    if data[:2] != b"\xff\x4f":  # the codestream of a JP2 file is in its box `jp2c`
        start = next((start for kind, start, _ in boxes(data) if kind == b"jp2c"), None)
    # SOC and SIZ, which must come first
    if start is None or data[start : start + 4] != b"\xff\x4f\xff\x51" or len(data) < start + 43:
        return None
    x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, count = struct.unpack_from(
        ">8IH", data, start + 8
    )
    steps = data[start + 42 :][: 3 * count]
    if not (x0 < x1 and y0 < y1 and tile_x and tile_y and count > 0 and len(steps) == 3 * count):
        return None
    if tile_x0 > x0 or tile_y0 > y0:
        return None
    # a tile-part takes 14 bytes at least, and the decoder some kilobytes for each tile
    tiles = -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y)
    if tiles * 14 > len(data):
        return None
    subsampled = any(step != 1 for i in range(count) for step in steps[3 * i + 1 : 3 * i + 3])
    return ImageHeader(
        rows=y1 - y0,
        columns=x1 - x0,
        samples=count,
        transformed=subsampled or _multiple_component_transform(data, start + 2),
    )


def boxes(data: Block) -> Iterator[tuple[bytes, int, int]]:
    """Walk the boxes of an ISO base media file: kind, start and end of the contents."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = at + size if size else len(data)
        if end < start:
            return
        yield kind, start, min(end, len(data))
        at = end


def _multiple_component_transform(data: Block, at: int) -> bool:
    """Whether the main header's COD marker, of those from `at` on, asks for the transform."""
    while at + 4 <= len(data):
        marker, size = struct.unpack_from(">HH", data, at)
        if marker == 0xFF52:
            return len(data) > at + 8 and data[at + 8] == 1
        if marker == 0xFF90 or size < 2:
            return False
        at += 2 + size
    return False


_JXR_WIDTH, _JXR_HEIGHT, _JXR_OFFSET, _JXR_COUNT = 0xBC80, 0xBC81, 0xBCC0, 0xBCC1


def jpegxr_header(data: Block) -> ImageHeader | None:
    """Read JPEG XR's container, a little TIFF, and the codestream's header.

    The two must agree: jxrlib sizes its output by the one and decodes by the other. A
    stream that is cut off is refused, for jxrlib makes zeros of what is missing.
    """
    if data[:3] != b"II\xbc" or len(data) < 8:
        return None
    tags = dict(_jxr_entries(data))
    start, count = tags.get(_JXR_OFFSET, 0), tags.get(_JXR_COUNT, 0)
    columns, rows = tags.get(_JXR_WIDTH, 0), tags.get(_JXR_HEIGHT, 0)
    if not start or start + count > len(data) or (columns, rows) != _jxr_size(data, start):
        return None
    return ImageHeader(rows=rows, columns=columns)


def _jxr_entries(data: Block) -> Iterator[tuple[int, int]]:
    (at,) = struct.unpack_from("<I", data, 4)
    if at + 2 > len(data):
        return
    (count,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(data) - 11), 12):
        tag, kind, _, number = struct.unpack_from("<HHII", data, entry)
        yield tag, number & 0xFFFF if kind == 3 else number


def _jxr_size(data: Block, start: int) -> tuple[int, int] | None:
    """Columns and rows of a JPEG XR codestream; None if it is none, or is to be turned."""
    if data[start : start + 8] != b"WMPHOTO\0" or len(data) < start + 20:
        return None
    spatial, short = data[start + 9] >> 3 & 7, data[start + 10] >> 7
    if spatial > 3:
        return None
    columns, rows = struct.unpack_from(">HH" if short else ">II", data, start + 12)
    return columns + 1, rows + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LercHeader:
    """What a Lerc2 blob, or several in a row, says of the image in it."""

    rows: int
    columns: int
    depth: int
    """Values of a pixel within one blob."""
    bands: int
    """Blobs."""
    masked: bool
    """Whether pixels are invalid; of several blobs, in one of them."""
    data_type: str


_LERC_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
LERC_MAGIC = b"Lerc2 "


def lerc_header(data: Block) -> LercHeader | None:
    """Read Lerc2's header; each band is a blob of its own, one after another."""
    blobs: list[LercHeader] = []
    at = 0
    while data[at : at + 6] == LERC_MAGIC:
        header, size = _lerc_blob(data, at)
        if header is None:
            return None
        blobs.append(header)
        at += size
    if len({(blob.rows, blob.columns, blob.depth, blob.data_type) for blob in blobs}) != 1:
        return None
    masked = any(blob.masked for blob in blobs)
    return replace(blobs[0], bands=len(blobs), masked=masked)


def _lerc_blob(data: Block, at: int) -> tuple[LercHeader | None, int]:
    """Return what the blob at `at` says, and its size in bytes."""
    if len(data) < at + 42:
        return None, 0
    (version,) = struct.unpack_from("<i", data, at + 6)
    # version 3 added a checksum, version 4 the depth
    at += 10 + 4 * (version >= 3)
    rows, columns = struct.unpack_from("<ii", data, at)
    depth = struct.unpack_from("<i", data, at + 8)[0] if version >= 4 else 1
    at += 8 + 4 * (version >= 4)
    valid, _, size, kind = struct.unpack_from("<4i", data, at)
    if size <= 0 or not 0 <= kind < len(_LERC_TYPES):
        return None, 0
    header = LercHeader(
        rows=rows,
        columns=columns,
        depth=depth,
        bands=1,
        masked=valid != rows * columns,
        data_type=_LERC_TYPES[kind],
    )
    return header, size
