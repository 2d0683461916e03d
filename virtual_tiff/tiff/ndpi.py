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
from collections.abc import Mapping
from itertools import chain

from .constants import FIELD_TYPES, Compression, Tag
from .entry import Entry, numbers
from .errors import FormatError, warn
from .header import Variant
from .ifd import ImageFileDirectory
from .jpeg import Frame, JpegHeader

__all__ = ["interval_header", "stream_header", "with_restart_intervals"]

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


def stream_header(
    entries: Mapping[int, Entry], tag: int, variant: Variant
) -> tuple[int, int] | None:
    """Return offset and bytes of what is to be read of a level's stream to know its header.

    Parameters
    ----------
    entries
        Of one directory; that of `tag` has its value.
    tag
        Number of the tag that was read last.
    variant
        The file's variant.

    Returns
    -------
    tuple of int or None
        None if the directory is no level of NDPI, or if not all is known yet.
    """
    if Tag.NDPI_FileFormat not in entries or tag not in (Tag.StripOffsets, Tag.NDPI_McuStarts):
        return None
    offset = _first(entries, Tag.StripOffsets, variant)
    if not offset or _first(entries, Tag.Compression, variant) != Compression.JPEG:
        return None
    if Tag.NDPI_McuStarts not in entries:
        return offset, _USUAL_HEADER_BYTES
    nbytes = _first(entries, Tag.NDPI_McuStarts, variant)
    return (offset, min(nbytes, _HEADER_BYTES)) if nbytes else None


def with_restart_intervals(
    entries: Mapping[int, Entry], referenced: Mapping[int, bytes], variant: Variant, path: str
) -> Mapping[int, Entry]:
    """Return the entries of a level with its restart intervals, or its larger JPEG, as tiles.

    Parameters
    ----------
    entries
        Of one directory; those of another file are returned as they are.
    referenced
        Bytes that tags point to, by their offset; see `stream_header`.
    variant
        The file's variant.
    path
        Of the directory, for warnings.
    """
    if Tag.NDPI_FileFormat not in entries or Tag.TileWidth in entries:
        return entries
    sizes = [_all(entries, tag, variant) for tag in (Tag.ImageWidth, Tag.ImageLength)]
    strips = [_all(entries, tag, variant) for tag in (Tag.StripOffsets, Tag.StripByteCounts)]
    if not all(len(values) == 1 for values in (*sizes, *strips)):
        return entries
    (width,), (length,) = sizes
    (offset,), (nbytes,) = strips
    stream = referenced.get(offset)
    if stream is None:
        return entries
    starts = _starts(entries, variant)
    try:
        header = JpegHeader.parse(stream)
        frame = Frame.parse(header.frame) if header.frame else None
    except FormatError:
        header, frame = JpegHeader(), None
    if not starts:
        if frame is None or not _is_larger(frame, width, length):
            return entries
        tile, places = (frame.width, frame.height), ([offset], [nbytes])
    else:
        tile = _interval_size(header, frame, width, length)
        placed = _placed(starts, nbytes, frame, (width, length), tile)
        if placed is None:
            warn(
                f"IFD {path}: the {len(starts):,} restart intervals of McuStarts are not those of "
                "the JPEG stream; the level is one block"
            )
            return entries
        begins, counts = placed
        places = ([offset + begin for begin in begins], counts)
    if frame is None:
        warn(
            f"IFD {path}: the JPEG stream at {offset:,} has no header that can be read, so its "
            "pixels cannot be decoded"
        )
    tags = (Tag.TileWidth, Tag.TileLength, Tag.TileOffsets, Tag.TileByteCounts)
    values = ([tile[0]], [tile[1]], *places)
    made = {int(tag): _entry(tag, each, variant) for tag, each in zip(tags, values, strict=True)}
    return {**entries, **made}


def interval_header(ifd: ImageFileDirectory) -> bytes | None:
    """Return the header that makes a JPEG of a restart interval; None if blocks need none."""
    if Tag.NDPI_McuStarts not in ifd.entries or ifd.TileWidth is None or ifd.TileLength is None:
        return None
    offset = ifd.integer(Tag.StripOffsets) or 0
    if ifd.integer(Tag.TileOffsets) == offset:
        return None
    stream = ifd.referenced.get(offset, b"")
    header = JpegHeader.parse(stream)
    if header.frame is None:
        return None
    size = ifd.TileLength.to_bytes(2) + ifd.TileWidth.to_bytes(2)
    at = header.frame_at + 5  # after the marker, the segment's length and the precision
    return stream[:at] + size + stream[at + len(size) : header.nbytes]


def _starts(entries: Mapping[int, Entry], variant: Variant) -> list[int]:
    """Return where the restart intervals begin in the stream; [] if nothing says it."""
    low = _all(entries, Tag.NDPI_McuStarts, variant)
    high = _all(entries, Tag.NDPI_McuStartsHighBytes, variant)
    if len(high) != len(low):
        return low
    return [start | word << 32 for start, word in zip(low, high, strict=True)]


def _interval_size(
    header: JpegHeader, frame: Frame | None, width: int, length: int
) -> tuple[int, int]:
    """Return columns and rows of an interval; without a frame those of a row of MCUs."""
    if frame is None:
        return width, min(2 * _UNIT, length)
    across, down = frame.largest_sampling
    return (header.restart_interval or 0) * across * _UNIT, down * _UNIT


def _placed(
    starts: list[int],
    nbytes: int,
    frame: Frame | None,
    size: tuple[int, int],
    tile: tuple[int, int],
) -> tuple[list[int], list[int]] | None:
    """Return where the intervals of the image begin, and their bytes.

    None if they are not rectangles, or not as many as the stream has.
    """
    ends = [*starts[1:], nbytes]
    counts = [end - begin for begin, end in zip(starts, ends, strict=True)]
    if min(counts) <= 0:
        return None
    if frame is None:  # the stream cannot be decoded, so there is nothing to contradict
        return starts, counts
    if 0 in tile or max(tile) > _MOST:
        return None
    unit = frame.largest_sampling[0] * _UNIT
    stored = (frame.width, frame.height) if _is_larger(frame, *size) else size
    columns, rows = (-(-whole // each) for whole, each in zip(stored, tile, strict=True))
    if -(-stored[0] // unit) * unit % tile[0] or columns * rows != len(starts):
        return None
    across, down = (-(-whole // each) for whole, each in zip(size, tile, strict=True))
    if across == columns:
        return starts[: down * columns], counts[: down * columns]
    kept = [slice(row * columns, row * columns + across) for row in range(down)]
    begins, lengths = (
        list(chain.from_iterable(v[part] for part in kept)) for v in (starts, counts)
    )
    return begins, lengths


def _is_larger(frame: Frame, width: int, length: int) -> bool:
    """Whether a JPEG is larger than the image, by less than a MCU."""
    surplus = frame.width - width, frame.height - length
    return any(surplus) and all(0 <= number < _SURPLUS for number in surplus)


def _all(entries: Mapping[int, Entry], tag: Tag, variant: Variant) -> list[int]:
    """Return the whole numbers of a tag; [] if it has none."""
    entry = entries.get(tag)
    if entry is None or not entry.data or not entry.field_type.is_integer:
        return []
    return numbers(entry, variant).tolist()


def _first(entries: Mapping[int, Entry], tag: Tag, variant: Variant) -> int:
    return next(iter(_all(entries, tag, variant)), 0)


def _entry(tag: Tag, values: list[int], variant: Variant) -> Entry:
    words = array("Q", values)
    if variant.byte_order != sys.byteorder:
        words.byteswap()
    return Entry(int(tag), _LONG8, len(words), 0, words.tobytes())
