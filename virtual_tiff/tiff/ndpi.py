"""Hamamatsu's NDPI: each level of a slide is one JPEG, and its restart intervals are its tiles.

A level has one strip, a JPEG of up to 100,000 x 100,000 pixels, of which no part can be decoded
without all that comes before it, but for restart intervals (ITU-T T.81, B.2.4.4): at each the
decoder begins anew. Hamamatsu's intervals divide the rows of MCUs (the smallest units of a JPEG),
so each holds a rectangle of pixels, and the tag McuStarts says where each begins. With the stream's
header before it, in which the size of the rectangle stands for that of the image, an interval is a
JPEG of its own.

Such a directory is read as if it had tiles: it gets TileWidth, TileLength, TileOffsets and
TileByteCounts. Its strip stays, since the header is there. The rules are those of tifffile
(`ndpi_jpeg_tile`) and OpenSlide (openslide-vendor-hamamatsu.c).

A level without McuStarts is small, one JPEG. Some are a pixel wider or longer than the tags say:
then the JPEG is one tile of its own size, of which the image is a part.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import add, sub
from typing import NamedTuple

from .constants import FIELD_TYPES, Compression, Photometric, SampleFormat, Tag
from .entry import Entry, numbers, rationals
from .errors import FormatError, warn
from .header import Variant
from .ifd import ImageFileDirectory
from .jpeg import Frame, JpegHeader

__all__ = [
    "interval_header",
    "is_ndpi",
    "possible_ndpi",
    "stream_header",
    "with_meant_samples",
    "with_restart_intervals",
]

_ENTRY_BYTES = 12
_FILE_FORMAT = int(Tag.NDPI_FileFormat).to_bytes(2, "little")
_HEADER_BYTES = 2**17
"""What is read at most of a stream to find its header."""
_USUAL_HEADER_BYTES = 2**12
"""What is read of a stream without McuStarts, which say where the header ends."""
_UNIT = 8
"""Rows and columns of a data unit."""
_SURPLUS = 2 * _UNIT
"""Columns or rows by which a JPEG may be larger than its image, less than a MCU."""
_MOST = 65_500
"""libjpeg's JPEG_MAX_DIMENSION; of larger images the frame header has no true size."""
_LONG8 = FIELD_TYPES[16]

type _Pair = tuple[int, int]
"""Columns and rows."""
type _Places = tuple[Sequence[int], Sequence[int]]
"""Offsets and byte counts."""
_NONE: _Places = ((), ())


class _Stream(NamedTuple):
    """The JPEG of a level."""

    offset: int
    nbytes: int
    frame: Frame | None
    interval: int
    """Its restart interval, in MCUs."""


def possible_ndpi(directory: memoryview, count: int, variant: Variant) -> int:
    """Return the bytes that tell whether a classic TIFF's first directory is one of NDPI; else 0.

    The directory has `count` entries, and is known by its first bytes.
    """
    if variant.bigtiff or variant.high_words or variant.byte_order != "little":
        return 0
    entries = bytes(directory[2 : 2 + count * _ENTRY_BYTES])
    at = entries.find(_FILE_FORMAT)
    while at > 0 and at % _ENTRY_BYTES:
        at = entries.find(_FILE_FORMAT, at + 1)
    return 2 + count * _ENTRY_BYTES + 8 + 4 * count if at >= 0 else 0


def is_ndpi(directory: memoryview, count: int) -> bool:
    """Return whether the first directory of a classic TIFF that has the tag is one of NDPI.

    Its entries are followed by a next offset of 64 bits and by high words, all of them 0 below
    4 GiB. A TIFF of another writer that has kept the tag has other bytes there.
    """
    after = bytes(directory[2 + count * _ENTRY_BYTES + 4 :][: 4 + 4 * count])
    return len(after) == 4 + 4 * count and not any(after)


def stream_header(
    entries: Mapping[int, Entry], tag: int, variant: Variant
) -> tuple[int, int] | None:
    """Return offset and bytes of what is to be read of a level's stream to know its header.

    `tag` is the one that was read last, and its entry has the value. None is returned if the
    directory is no level of NDPI, or if not all is known yet.
    """
    if Tag.NDPI_FileFormat not in entries or tag not in (Tag.StripOffsets, Tag.NDPI_McuStarts):
        return None
    offset = _first(entries, Tag.StripOffsets, variant)
    if offset <= 0 or _first(entries, Tag.Compression, variant) != Compression.JPEG:
        return None
    if Tag.NDPI_McuStarts not in entries:
        return offset, _USUAL_HEADER_BYTES
    nbytes = _first(entries, Tag.NDPI_McuStarts, variant)
    return (offset, min(nbytes, _HEADER_BYTES)) if nbytes > 0 else None


def with_restart_intervals(
    entries: Mapping[int, Entry], referenced: Mapping[int, bytes], variant: Variant, path: str
) -> Mapping[int, Entry]:
    """Return the entries of a level with its restart intervals, or its larger JPEG, as tiles.

    Those of another file are returned as they are. `referenced` has the bytes that tags point to,
    by their offset; see `stream_header`.
    """
    if Tag.NDPI_FileFormat not in entries or Tag.TileWidth in entries:
        return entries
    sizes = [_numbers(entries, tag, variant) for tag in (Tag.ImageWidth, Tag.ImageLength)]
    strips = [_numbers(entries, tag, variant) for tag in (Tag.StripOffsets, Tag.StripByteCounts)]
    if not all(len(values) == 1 for values in (*sizes, *strips)):
        return entries
    (width,), (length,) = sizes
    (offset,), (nbytes,) = strips
    header = referenced.get(offset)
    if header is None or min(width, length) < 1:
        return entries
    count = entries[Tag.NDPI_McuStarts].count if Tag.NDPI_McuStarts in entries else 0
    frame, interval = _frame_and_interval(header)
    stream = _Stream(offset, nbytes, frame, interval)
    if frame is None and count:
        warn(
            f"IFD {path}: the JPEG stream at {offset:,} has no header that can be read, so its "
            "pixels cannot be decoded"
        )
        tile = width, min(2 * _UNIT, length)  # a row of MCUs
        places = _places(entries, variant, stream, -(-length // tile[1]))
    elif count:
        tile, places = _intervals(entries, variant, stream, (width, length))
    elif frame is not None and _is_larger(frame, width, length):
        tile, places = (frame.width, frame.height), ([offset], [nbytes])
    else:
        return entries
    if not places[0]:
        warn(
            f"IFD {path}: the {count:,} restart intervals of McuStarts are not those of the JPEG "
            "stream; the level is one block"
        )
        return entries
    tags = (Tag.TileWidth, Tag.TileLength, Tag.TileOffsets, Tag.TileByteCounts)
    values = ([tile[0]], [tile[1]], *places)
    made = {int(tag): _entry(tag, each, variant) for tag, each in zip(tags, values, strict=True)}
    return {**entries, **made}


def with_meant_samples(entries: Mapping[int, Entry], variant: Variant) -> Mapping[int, Entry]:
    """Return the entries of a level with the samples that its blocks have.

    Fluorescence is scanned in 16-bit gray (CaptureMode 6 and above), and the tags say RGB of 8 bits
    all the same. The macro is RGB. tifffile's `_ndpi_load_pages` has the same rule.
    """
    if Tag.NDPI_FileFormat not in entries or _first(entries, Tag.NDPI_CaptureMode, variant) < 6:
        return entries
    lens = entries.get(Tag.NDPI_Magnification)
    known = lens is not None and lens.data is not None and lens.field_type.name == "FLOAT"
    if known and lens is not None and rationals(lens, variant)[0] <= 0:
        return entries
    meant = {
        Tag.BitsPerSample: 16,
        Tag.PhotometricInterpretation: Photometric.MinIsBlack,
        Tag.SamplesPerPixel: 1,
        Tag.SampleFormat: SampleFormat.UnsignedInteger,
    }
    return {**entries, **{int(tag): _entry(tag, [value], variant) for tag, value in meant.items()}}


def interval_header(ifd: ImageFileDirectory) -> bytes | None:
    """Return the header that makes a JPEG of a restart interval; None if blocks need none."""
    if Tag.NDPI_McuStarts not in ifd.entries or ifd.TileWidth is None or ifd.TileLength is None:
        return None
    offset = ifd.integer(Tag.StripOffsets) or 0
    if ifd.integer(Tag.TileOffsets) == offset or max(ifd.TileWidth, ifd.TileLength) > _MOST:
        return None
    stream = ifd.referenced.get(offset, b"")
    header = JpegHeader.parse(stream)
    if header.frame is None:
        return None
    size = ifd.TileLength.to_bytes(2) + ifd.TileWidth.to_bytes(2)
    at = header.frame_at + 5  # after the marker, the segment's length and the precision
    return stream[:at] + size + stream[at + len(size) : header.nbytes]


def _frame_and_interval(stream: bytes) -> tuple[Frame | None, int]:
    """Return the frame and the restart interval of a stream; None and 0 if they cannot be read."""
    try:
        header = JpegHeader.parse(stream)
        return Frame.parse(header.frame) if header.frame else None, header.restart_interval or 0
    except FormatError:
        return None, 0


def _intervals(
    entries: Mapping[int, Entry], variant: Variant, stream: _Stream, size: _Pair
) -> tuple[_Pair, _Places]:
    """Return columns and rows of an interval, and where the intervals of the image are.

    There are none if they are not rectangles that fill the JPEG's rows, or not as many.
    """
    frame = stream.frame
    if frame is None:
        return size, _NONE
    across, down = frame.largest_sampling
    tile = stream.interval * across * _UNIT, down * _UNIT
    stored = (frame.width, frame.height) if _is_larger(frame, *size) else size
    unit = across * _UNIT  # the last MCU of a row goes on beyond the image
    if 0 in tile or max(tile) > _MOST or -(-stored[0] // unit) * unit % tile[0]:
        return tile, _NONE
    columns, rows = (-(-whole // each) for whole, each in zip(stored, tile, strict=True))
    if columns * rows != entries[Tag.NDPI_McuStarts].count:
        return tile, _NONE
    begins, counts = _places(entries, variant, stream, columns * rows)
    shown, _ = (-(-whole // each) for whole, each in zip(size, tile, strict=True))
    if shown < columns:
        begins, counts = (
            [v for at in range(0, len(values), columns) for v in values[at : at + shown]]
            for values in (begins, counts)
        )
    return tile, (begins, counts)


def _places(entries: Mapping[int, Entry], variant: Variant, stream: _Stream, most: int) -> _Places:
    """Return where the intervals begin in the file, and their bytes; none if they do not increase.

    There may be millions, so none becomes an object of its own.
    """
    starts: Sequence[int] = _numbers(entries, Tag.NDPI_McuStarts, variant)
    high = _numbers(entries, Tag.NDPI_McuStartsHighBytes, variant)
    try:
        if len(high) == len(starts):
            starts = array("Q", map(add, starts, map((2**32).__mul__, high)))
        counts = array("Q", map(sub, chain(starts[1:], [stream.nbytes]), starts))
        return array("Q", map(stream.offset.__add__, starts))[:most], counts[:most]
    except OverflowError:
        return _NONE


def _is_larger(frame: Frame, width: int, length: int) -> bool:
    """Whether a JPEG is larger than the image, by less than a MCU."""
    surplus = frame.width - width, frame.height - length
    return any(surplus) and all(0 <= number < _SURPLUS for number in surplus)


def _numbers(entries: Mapping[int, Entry], tag: Tag, variant: Variant) -> memoryview:
    """Return the whole numbers of a tag; none if it has none."""
    entry = entries.get(tag)
    if entry is None or not entry.data or not entry.field_type.is_integer:
        return memoryview(b"")
    return numbers(entry, variant)


def _first(entries: Mapping[int, Entry], tag: Tag, variant: Variant) -> int:
    return next(iter(_numbers(entries, tag, variant)), 0)


def _entry(tag: Tag, values: Sequence[int], variant: Variant) -> Entry:
    words = array("Q", values)
    if variant.byte_order != sys.byteorder:
        words.byteswap()
    return Entry(int(tag), _LONG8, len(words), 0, words.tobytes())
