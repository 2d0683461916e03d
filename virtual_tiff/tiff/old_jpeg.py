"""Old-style JPEG (Compression 6): what its tags mean, and what is known to be wrong in them.

TIFF 6.0 section 22, which TIFF Technical Note 2 withdrew. Writers disagreed on where the
stream is: in one piece at JPEGInterchangeFormat, a header there and the rest in the
blocks, tables at the offsets of three tags, or a whole stream in each block. The rules
are those of libtiff's tif_ojpeg.c and of the "OJPEG hack" in its tif_dirread.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .blocks import ycbcr_subsampling
from .constants import FIELD_TYPES, Compression, Photometric, PlanarConfiguration, Tag
from .entry import Entry, numbers
from .errors import FormatError, TiffError, TruncatedError, UnsupportedError, warn
from .header import Variant
from .ifd import ImageFileDirectory
from .jpeg import Component, Frame, JpegHeader, begins_with_marker, segment
from .ndpi import stream_header

__all__ = ["POINTERS", "first_block", "old_jpeg_header", "pointed", "repaired"]

_COMPONENTS = 3
"""libtiff reads no more tables than these, and images of 1 or 3 samples."""
_QUANTIZATION_BYTES, _HUFFMAN_BYTES = 64, 16 + 256
_HEADER_BYTES = 2**17
"""What is read of a stream or block to find its header; photographs hold thumbnails there."""
_FRAME_BYTES = 512
"""What is read of a block to find out if it is JFIF, or lossless: without quantization tables the
frame header is near the beginning."""
_LOOKED_AT = 4096
"""Offsets among which the first is sought that is not 0, of a missing block."""
_LOSSLESS_PROCESS = 14
_MOST_ROWS = 2**16 - 1
_SOF0, _DHT, _SOS, _DQT = 0xC0, 0xC4, 0xDA, 0xDB
_WHOLE_SPECTRUM = b"\x00\x3f\x00"
"""End of a scan header: all 64 coefficients, in one pass."""
_LONG, _LONG8 = 4, 16
_TABLES = (Tag.JPEGQTables, Tag.JPEGDCTables, Tag.JPEGACTables)
_COUNTS = {Tag.TileOffsets: Tag.TileByteCounts, Tag.StripOffsets: Tag.StripByteCounts}
_BLOCKS = tuple(_COUNTS)
_OLD_POINTERS: dict[int, tuple[int, int]] = {
    Tag.JPEGQTables: (_COMPONENTS, _QUANTIZATION_BYTES),
    Tag.JPEGDCTables: (_COMPONENTS, _HUFFMAN_BYTES),
    Tag.JPEGACTables: (_COMPONENTS, _HUFFMAN_BYTES),
    Tag.JPEGInterchangeFormat: (1, _HEADER_BYTES),
    Tag.StripOffsets: (1, _HEADER_BYTES),
    Tag.TileOffsets: (1, _HEADER_BYTES),
}

POINTERS = frozenset({int(Tag.NDPI_McuStarts), *map(int, _OLD_POINTERS)})
"""Tags that `pointed` may follow."""


def pointed(entries: Mapping[int, Entry], tag: int, variant: Variant) -> list[tuple[int, int]]:
    """Return what is to be read where a tag's values point to: it decides how pixels decode.

    Parameters
    ----------
    entries
        Of one directory; that of `tag` has its value.
    tag
        Number of the tag.
    variant
        The file's variant.

    Returns
    -------
    list of tuple of int
        Offset and bytes; mostly none.
    """
    if (header := stream_header(entries, tag, variant)) is not None:
        return [header]
    count, nbytes = _follow(entries, tag, variant)
    if not count or not entries[tag].field_type.is_integer:
        return []
    offsets = [offset for offset in numbers(entries[tag], variant)[:_LOOKED_AT] if offset > 0]
    return [(offset, nbytes) for offset in offsets[:count]]


def first_block(ifd: ImageFileDirectory) -> bytes:
    """Return the first bytes of an image's first block, if they were read."""
    offsets = (offset for tag in _BLOCKS for offset in (ifd.integers(tag) or ())[:_LOOKED_AT])
    return next((ifd.referenced[at] for at in offsets if at in ifd.referenced), b"")


def _follow(entries: Mapping[int, Entry], tag: int, variant: Variant) -> tuple[int, int]:
    """Return how many of a tag's values are to be followed, and to how many bytes each."""
    if tag not in _OLD_POINTERS:
        return 0, 0
    compression = _integer(entries, Tag.Compression, variant)
    if compression == Compression.OJPEG:
        return _OLD_POINTERS[tag]
    if compression != Compression.JPEG or tag not in _BLOCKS:
        return 0, 0
    colours = (
        _integer(entries, Tag.PhotometricInterpretation, variant),
        _integer(entries, Tag.SamplesPerPixel, variant),
    )
    # RGB, these tags say, but a stream that says JFIF is YCbCr
    if colours == (Photometric.RGB, 3):
        return 1, _FRAME_BYTES
    # a stream that is lossless has its colours as they are; JPEGTables tell it too
    if colours == (Photometric.YCbCr, 3) and Tag.JPEGTables not in entries:
        return 1, _FRAME_BYTES
    return 0, 0


def repaired(
    entries: Mapping[int, Entry],
    referenced: Mapping[int, bytes],
    variant: Variant,
    file_size: int,
    path: str,
) -> Mapping[int, Entry]:
    """Return the entries of a directory with what old-style JPEG is known to get wrong.

    Parameters
    ----------
    entries
        Of one directory; returned as they are if its compression is another.
    referenced
        Bytes that its tags point to, by their offset.
    variant
        The file's variant.
    file_size
        Bytes of the file.
    path
        Of the directory, for warnings.
    """
    if _integer(entries, Tag.Compression, variant) != Compression.OJPEG:
        return entries
    changes = dict(_corrections(entries, variant))
    changes |= _whole_stream(entries, referenced, variant, file_size)
    if not changes:
        return entries
    for tag, value in changes.items():
        warn(f"IFD {path}: {tag.name} is read as {value}, as old-style JPEG requires")
    return {**entries, **{tag: _entry(tag, value, variant) for tag, value in changes.items()}}


def old_jpeg_header(ifd: ImageFileDirectory, *, rows: int) -> JpegHeader:
    """Return the stream header that an image's blocks lack.

    What the first block says replaces what JPEGInterchangeFormat says, and that what the
    tags say. The frame's width is that of a stream, or 0.

    Parameters
    ----------
    ifd
        The image's directory.
    rows
        Of a block, for the frame's height.

    Raises
    ------
    FormatError
        If neither has the tables.
    TruncatedError
        If a table lies past the file's end.
    UnsupportedError
        If the stream is lossless, or its samples are not the tags'.
    """
    if ifd.SamplesPerPixel not in (1, _COMPONENTS):
        msg = f"old-style JPEG has 1 or 3 samples, not {ifd.SamplesPerPixel}"
        raise UnsupportedError(msg, tag=Tag.SamplesPerPixel, ifd=ifd.path)
    streams = JpegHeader()
    stream = ifd.referenced.get(ifd.integer(Tag.JPEGInterchangeFormat) or 0, b"")
    for data in (stream, first_block(ifd)):
        if begins_with_marker(data):
            streams |= JpegHeader.parse(data)
    header = _from_tags(ifd, streams.frame) | streams
    frame = Frame.parse(header.frame or b"")
    if frame.lossless or ifd.integer(Tag.JPEGProc) == _LOSSLESS_PROCESS:
        msg = f"lossless old-style JPEG (JPEGProc {_LOSSLESS_PROCESS}) cannot be read"
        raise UnsupportedError(msg, tag=Tag.JPEGProc, ifd=ifd.path)
    if (len(frame.components), frame.precision) != (ifd.SamplesPerPixel, 8):
        msg = (
            f"the old-style JPEG stream has {len(frame.components)} components of "
            f"{frame.precision} "
            f"bits, and the tags say {ifd.SamplesPerPixel} samples of 8"
        )
        raise UnsupportedError(msg, tag=Tag.SamplesPerPixel, ifd=ifd.path)
    return header.resized(min(rows, _MOST_ROWS), frame.width)


def _corrections(entries: Mapping[int, Entry], variant: Variant) -> Iterator[tuple[Tag, int]]:
    """Yield the tags that are absent or wrong, with what libtiff takes them for."""
    photometric = _integer(entries, Tag.PhotometricInterpretation, variant)
    if photometric in (None, Photometric.RGB):
        photometric = Photometric.YCbCr.value
        yield Tag.PhotometricInterpretation, photometric
    if _integer(entries, Tag.BitsPerSample, variant) is None:
        yield Tag.BitsPerSample, 8
    if _integer(entries, Tag.SamplesPerPixel, variant) is None:
        yield Tag.SamplesPerPixel, 3 if photometric == Photometric.YCbCr else 1
    planar = _integer(entries, Tag.PlanarConfiguration, variant)
    if planar == PlanarConfiguration.Planar and _block_count(entries) == 1:
        yield Tag.PlanarConfiguration, PlanarConfiguration.Chunky.value


def _whole_stream(
    entries: Mapping[int, Entry],
    referenced: Mapping[int, bytes],
    variant: Variant,
    file_size: int,
) -> dict[Tag, int]:
    """Return the place of an image's only block if it is JPEGInterchangeFormat's stream.

    libtiff reads that stream first and the blocks behind it, so where it holds more than a
    header, it is the image, and StripOffsets may be absent or wrong.
    """
    start = _integer(entries, Tag.JPEGInterchangeFormat, variant)
    stated = _integer(entries, Tag.JPEGInterchangeFormatLength, variant) or 0
    data = referenced.get(start or 0, b"")
    if start is None or not begins_with_marker(data) or _block_count(entries) > 1:
        return {}
    offsets = next((tag for tag in _BLOCKS if tag in entries), Tag.StripOffsets)
    offset = _integer(entries, offsets, variant)
    header = JpegHeader.parse(data)
    if header.scan is None or offset == start or (offset and not stated):
        return {}
    end = start + stated if stated else file_size  # `block_layout` looks for the end of the file
    if end <= start + header.nbytes:
        return {}
    return {offsets: start, _COUNTS[offsets]: end - start}


def _from_tags(ifd: ImageFileDirectory, stream: bytes | None) -> JpegHeader:
    """Return the header that the tags describe, for the frame of a stream if there is one."""
    restart = ifd.integer(Tag.JPEGRestartInterval)
    try:
        quantization, direct, alternating = (_tables(ifd, tag) for tag in _TABLES)
    except TiffError:
        if stream is None:
            raise
        return JpegHeader(restart_interval=restart)
    written = JpegHeader.parse(ifd.raw(Tag.JPEGTables) or b"").tables
    written += b"".join(segment(_DQT, bytes([i]) + table) for i, table in _once(quantization))
    for kind, tables in ((0, direct), (16, alternating)):
        written += b"".join(segment(_DHT, bytes([kind | i]) + table) for i, table in _once(tables))
    frame = stream or _frame(ifd, [i for i, _ in quantization])
    identifiers = [component.identifier for component in Frame.parse(frame).components]
    selectors = [i << 4 | j for (i, _), (j, _) in zip(direct, alternating, strict=True)]
    scan = bytes([len(identifiers)])
    scan += b"".join(map(bytes, zip(identifiers, selectors, strict=False))) + _WHOLE_SPECTRUM
    return JpegHeader(
        tables=written, restart_interval=restart, frame=frame, scan=segment(_SOS, scan)
    )


def _tables(ifd: ImageFileDirectory, tag: Tag) -> list[tuple[int, bytes]]:
    """Return the number and the bytes of each component's table.

    A component whose offset is 0, absent, or that of the component before it shares the
    table of that component.
    """
    offsets = list(ifd.integers(tag) or ())[:_COMPONENTS]
    offsets += [0] * (ifd.SamplesPerPixel - len(offsets))
    if not offsets[0]:
        msg = "there are no JPEG tables, neither in a stream nor where this tag points"
        raise FormatError(msg, tag=tag, ifd=ifd.path, offset=ifd.offset)
    found: list[tuple[int, bytes]] = []
    for index, offset in enumerate(offsets[: ifd.SamplesPerPixel]):
        if offset == 0 or (index and offset == offsets[index - 1]):
            found.append(found[-1])
        else:
            found.append((index, _table(ifd, tag, offset)))
    return found


def _once(tables: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return list(dict(tables).items())


def _table(ifd: ImageFileDirectory, tag: Tag, offset: int) -> bytes:
    data = ifd.referenced.get(offset, b"")
    nbytes = _QUANTIZATION_BYTES if tag == Tag.JPEGQTables else 16 + sum(data[:16])
    if nbytes > _HUFFMAN_BYTES:
        msg = f"a Huffman table has {nbytes - 16} codes; the most is 256"
        raise FormatError(msg, tag=tag, ifd=ifd.path, offset=offset)
    if len(data) < nbytes:
        msg = f"a JPEG table has {nbytes} bytes, and the file ends after {len(data)} of them"
        raise TruncatedError(msg, tag=tag, ifd=ifd.path, offset=offset)
    return data[:nbytes]


def _frame(ifd: ImageFileDirectory, tables: list[int]) -> bytes:
    """Return a frame header as libtiff makes it; YCbCrSubSampling is (2, 2) by default."""
    factors = [0x11] * ifd.SamplesPerPixel
    if ifd.PhotometricInterpretation == Photometric.YCbCr:
        across, down = ycbcr_subsampling(ifd)
        factors[0] = across << 4 | down
    components = map(Component, range(len(factors)), factors, tables)
    size = bytes(4)  # each block has its own
    described = b"".join(map(bytes, components))
    return segment(_SOF0, b"\x08" + size + bytes([len(factors)]) + described)


def _block_count(entries: Mapping[int, Entry]) -> int:
    return max((entries[tag].count for tag in _BLOCKS if tag in entries), default=0)


def _integer(entries: Mapping[int, Entry], tag: Tag, variant: Variant) -> int | None:
    entry = entries.get(tag)
    if entry is None or not entry.data or not entry.field_type.is_integer:
        return None
    nbytes, signed = entry.field_type.nbytes, entry.field_type.format.islower()
    return int.from_bytes(entry.data[:nbytes], variant.byte_order, signed=signed)


def _entry(tag: Tag, value: int, variant: Variant) -> Entry:
    field_type = FIELD_TYPES[_LONG if value < 2**32 else _LONG8]
    return Entry(tag, field_type, 1, 0, value.to_bytes(field_type.nbytes, variant.byte_order))
