"""Advice about a file that is incomplete, or slow to read from object storage.

The thresholds are the constants below. A file that GDAL's COG driver writes with its defaults
gets no advice, and neither does one so small that its layout does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np

from virtual_tiff.info.extents import Extents
from virtual_tiff.info.model import Advice, DirectoryInfo, FileInfo
from virtual_tiff.text.numbers import counted, human_size, listed
from virtual_tiff.tiff import BlockLayout, Compression

__all__ = ["advise"]

TINY_CHUNK = 32 * 1024
"""Decoded bytes. A request takes some 20 ms before its first byte, in which a connection
gives 2 MB; a tile of 256 x 256 bytes, the smallest that is usual, has twice this."""

MANY_CHUNKS = 100
"""Fewer requests than this are under way together and take a moment, however small."""

HUGE_CHUNK = 64 * 2**20
"""Decoded bytes. A reader of one pixel fetches and holds all of them; sixteen readers, a GiB."""

LARGE_PIXELS = 4096 * 4096
"""Twice the pixels of a 4K screen: a view of the whole image needs fewer."""

PREVIEW_BYTES = 10 * 10**6
"""Bytes on disk below which all of an image is a quick preview of itself."""

LARGE_BYTES = 100 * 10**6
"""A second's worth at what one connection gives, some 100 MB/s."""

WINDOW = 256
"""Columns of a window, as map clients ask for."""

TOO_WIDE = 8
"""Times that a strip may be wider than the window before tiles are worth the trouble."""

STRIP_BYTES = 16 * 2**20
"""Decoded bytes of an image below which reading all of it is quick, however it is cut."""

ORDERED_BYTES = 2**20
"""Bytes on disk below which one request reads the whole image."""

DISORDER = 0.1
"""Share of neighbours in the wrong order. A block that was written again and grew lies at the
end of the file; a few of them are harmless."""

MEANINGS = {
    "truncated": "The file ends before the end of a block, a directory or the value of a tag, or"
    " the byte count of an uncompressed block is too small for its pixels.",
    "directory-at-end": "The first directory lies after pixels, and reading all directories took"
    " more than one round trip.",
    "directories-scattered": "The first directory lies before the pixels, other directories or"
    " values of tags lie after them, and reading all of them took more than one round trip.",
    "tiny-chunks": f"An image has {MANY_CHUNKS} chunks or more, of less than"
    f" {TINY_CHUNK // 1024} KiB decoded: many requests for little data.",
    "huge-chunks": f"A chunk has more than {HUGE_CHUNK // 2**20} MiB decoded: to read one pixel, a"
    " reader reads all of it.",
    "no-overviews": f"An image of more than {LARGE_PIXELS / 1e6:.1f} million pixels"
    f" and {PREVIEW_BYTES // 10**6} MB has no overview in the file. (A separate file of overviews,"
    " .ovr, is not looked for.)",
    "blocks-out-of-order": f"More than {DISORDER:.0%} of an image's blocks lie in the file before"
    " the block that precedes them in the image, so that neighbours cannot be read together.",
    "uncompressed": f"An image of more than {LARGE_BYTES // 10**6} MB is not compressed.",
    "strips": f"An image of more than {STRIP_BYTES // 2**20} MiB decoded is cut into strips of"
    f" {TOO_WIDE * WINDOW:,} columns or more: a window reads their whole width.",
}
"""The meaning of each code of advice, in the order of the advice; the codes stay."""

_COMPRESS: dict[int, str] = {
    Compression.JPEG: "JPEG",
    Compression.LERC: "LERC",
    Compression.WebP: "WEBP",
    Compression.JPEGXL: "JXL",
}
"""GDAL's names of the compressions that are worth keeping; Zstandard is advised for all others."""


def advise(
    file: FileInfo, layouts: Mapping[str, BlockLayout], extents: Extents
) -> tuple[Advice, ...]:
    """Return what makes a file slow, and whether it is truncated; `layouts` are by path."""
    messages: dict[str, dict[str, str]] = {code: {} for code in MEANINGS}
    with_overviews = {d.overview_of for d in file.directories if d.kind == "overview"}
    for info in file.directories:
        disk_bytes = min(info.bytes_on_disk or 0, extents.size)  # damaged files claim more
        # nobody reads a directory of which the file holds no block; a mask is small
        if info.codecs and disk_bytes and info.kind != "mask":
            slow = _slow_image(info, layouts.get(info.path), disk_bytes)
            for code, message in slow:
                if code != "no-overviews" or info.path not in with_overviews:
                    messages[code][info.path] = message
    advice = list(_slow_directories(file, extents))
    if file.truncated is not None:
        truncated = Advice(
            code="truncated",
            directories=tuple(info.path for info in file.directories if info.lost_blocks),
            message=file.truncated,
            remedy="copy the file again from its source; virtual-tiff publish refuses it, unless"
            " --truncated is missing or keep",
        )
        advice.insert(0, truncated)
    advice += [
        Advice(
            code=code,
            directories=tuple(by_path),
            # one sentence a file: of a thousand pages alike the first speaks for all
            message=next(iter(by_path.values())),
            remedy=_remedy(file.directories, split=code == "huge-chunks"),
        )
        for code, by_path in messages.items()
        if by_path
    ]
    return tuple(advice)


def _slow_directories(file: FileInfo, extents: Extents) -> Iterator[Advice]:
    first_block = extents.first_block
    if first_block is None or (file.round_trips or 0) < 2:
        return
    late = tuple(
        info.path
        for info, start in zip(file.directories, extents.directories.starts, strict=True)
        if start > first_block
    )
    if late and late[0] == file.directories[0].path:
        code = "directory-at-end"
        start = human_size(int(extents.directories.starts[0]))
        problem = f"IFD {late[0]} begins at {start}, after pixels"
    elif int(extents.tags.ends.max()) > first_block:
        code = "directories-scattered"
        problem = f"pixels precede {f'IFD {listed(late)}' if late else 'values of tags'}"
    else:
        return
    cost = (
        f"{counted(file.round_trips or 0, 'round trip')}"
        f" ({counted(file.requests or 0, 'request')}) before the first pixel can be read; a file"
        " whose directories and values of tags lie at its beginning needs one"
    )
    remedy = _remedy(file.directories)
    yield Advice(code=code, directories=late, message=f"{problem}: {cost}", remedy=remedy)


def _slow_image(
    info: DirectoryInfo, layout: BlockLayout | None, disk_bytes: int
) -> Iterator[tuple[str, str]]:
    """Yield code and message of what makes an image slow; overviews are those within it."""
    width, height = info.width or 0, info.height or 0
    itemsize = np.dtype(info.data_type).itemsize
    chunks = prod(info.chunk_grid or ())
    chunk_bytes = prod(info.chunk_shape or ()) * itemsize
    if chunks >= MANY_CHUNKS and chunk_bytes < TINY_CHUNK:
        sizes = f"{human_size(chunk_bytes)}, {human_size(disk_bytes // chunks)} on disk"
        yield "tiny-chunks", f"{chunks:,} chunks of {sizes}: the image takes as many requests"
    if chunk_bytes > HUGE_CHUNK:
        size = human_size(chunk_bytes)
        yield "huge-chunks", f"chunks of {size}: to read one pixel, a reader reads a whole chunk"
    if info.kind != "overview" and width * height > LARGE_PIXELS and disk_bytes > PREVIEW_BYTES:
        size = f"{width:,} x {height:,} pixels"
        preview = f"a preview reads all {human_size(disk_bytes)}"
        yield "no-overviews", f"{size} and no overview: {preview}"
    if layout is not None and disk_bytes >= ORDERED_BYTES:
        offsets = np.frombuffer(layout.offsets, layout.offsets.format).astype(np.int64)
        counts = np.frombuffer(layout.byte_counts, layout.byte_counts.format)
        wrong = pairs = 0
        for plane in np.split(np.where(counts > 0, offsets, 0), layout.grid.planes):
            stored = plane[plane > 0]
            wrong += int((np.diff(stored) < 0).sum())
            pairs += max(0, len(stored) - 1)
        if wrong > DISORDER * pairs:
            message = f"{wrong:,} of {pairs:,} blocks lie in the file before the block that"
            yield "blocks-out-of-order", f"{message} precedes them in the image"
    plain = info.compression is not None and info.compression.code == Compression.None_
    if plain and disk_bytes > LARGE_BYTES:
        yield "uncompressed", f"{human_size(disk_bytes)} without compression"
    strips = info.blocks is not None and info.blocks.kind == "strip"
    image_bytes = prod(info.shape or ()) * itemsize
    if strips and width >= TOO_WIDE * WINDOW and image_bytes > STRIP_BYTES:
        window = f"a window of {WINDOW} columns reads {width // WINDOW} times as much as it needs"
        yield "strips", f"strips of {width:,} columns: {window}"


def _remedy(directories: Sequence[DirectoryInfo], *, split: bool = False) -> str:
    """Return the command that writes the file anew, as it should be."""
    images = [info for info in directories if info.kind in ("image", "page") and info.width]
    first = images[0] if images else directories[0]
    kept = None if first.compression is None else _COMPRESS.get(first.compression.code)
    options = f"-of COG -co COMPRESS={kept or 'ZSTD'}"
    if split and (first.samples or 1) > 1:
        options += " -co INTERLEAVE=BAND"  # GDAL 3.11
    if len(images) < 2:
        return f"gdal_translate {options} IN.tif OUT.tif"
    return (
        f"write each image to a file of its own: gdal_translate {options}"
        " GTIFF_DIR:NUMBER:IN.tif OUT.tif, with NUMBER from 1"
    )
