"""What makes a file slow to read from object storage, or incomplete, and what to do about it.

Each rule is a function; its thresholds are the constants above it. A file that GDAL's COG
driver writes as it is told by default has no advice, and neither has one so small that its
layout does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from virtual_tiff.info.extents import Extents
from virtual_tiff.info.model import Advice, DirectoryInfo, FileInfo
from virtual_tiff.text.numbers import counted, human_size, listed
from virtual_tiff.tiff import BlockLayout, Compression

__all__ = ["MEANINGS", "Subject", "advise"]

TINY_CHUNK = 32 * 1024
"""Decoded bytes. A request takes some 20 ms before its first byte, in which a connection
gives 2 MB; a tile of 256 x 256 bytes, the smallest that is usual, has twice this."""

MANY_CHUNKS = 100
"""Fewer requests than this are under way together and take a moment, however small."""

HUGE_CHUNK = 64 * 2**20
"""Decoded bytes. Who wants one pixel fetches and holds all of them; sixteen readers, a GiB."""

LARGE_PIXELS = 4096 * 4096
"""Twice the pixels of a 4K screen: who wants to see all of it needs less than there is."""

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
"""Share of neighbours that lie the wrong way round. A block that was written again and grew
lies at the end of the file; a few of them are harmless."""

MEANINGS = {
    "truncated": "The file ends before the end of a block, a directory or the value of a tag, or"
    " says that an uncompressed block has fewer bytes than its pixels.",
    "directory-at-end": "The first directory lies behind the pixels, and reading all of them took"
    " more than one round trip.",
    "directories-scattered": "The first directory lies before the pixels, others or values of"
    " tags behind them, and reading all of them took more than one round trip.",
    "tiny-chunks": f"An image has {MANY_CHUNKS} chunks or more, of less than"
    f" {TINY_CHUNK // 1024} KiB decoded: reading it takes many requests for little.",
    "huge-chunks": f"A chunk has more than {HUGE_CHUNK // 2**20} MiB decoded: all of it is read"
    " for one pixel.",
    "no-overviews": f"An image of more than {LARGE_PIXELS / 1e6:.1f} million pixels"
    f" and {PREVIEW_BYTES // 10**6} MB has no overview in the file. (A file of"
    " overviews beside it, .ovr, is not looked for.)",
    "blocks-out-of-order": f"More than {DISORDER:.0%} of an image's blocks lie before the block"
    " that comes before them in the image, so that neighbours cannot be read together.",
    "uncompressed": f"An image of more than {LARGE_BYTES // 10**6} MB is not compressed.",
    "strips": f"An image of more than {STRIP_BYTES // 2**20} MiB decoded is cut into strips of"
    f" {TOO_WIDE * WINDOW:,} columns or more: a window reads their whole width.",
}
"""What each code of advice means; the codes stay."""

_COMPRESS: dict[int, str] = {
    Compression.JPEG: "JPEG",
    Compression.LERC: "LERC",
    Compression.WebP: "WEBP",
    Compression.JPEGXL: "JXL",
}
"""What GDAL's COG driver calls a compression that is worth keeping; for all others Zstandard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One directory, as rules see it."""

    info: DirectoryInfo
    layout: BlockLayout | None
    file_size: int

    @property
    def disk_bytes(self) -> int:
        """Bytes of the blocks; those of damaged files claim more than there is."""
        return min(self.info.bytes_on_disk or 0, self.file_size)

    @property
    def chunks(self) -> int:
        """Chunks of the array."""
        return prod(self.info.chunk_grid or ())

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a decoded chunk."""
        return prod(self.info.chunk_shape or ()) * self._itemsize

    @property
    def image_bytes(self) -> int:
        """Bytes of the decoded image."""
        return prod(self.info.shape or ()) * self._itemsize

    @property
    def _itemsize(self) -> int:
        return np.dtype(self.info.data_type).itemsize


def advise(file: FileInfo, subjects: Sequence[Subject], extents: Extents) -> tuple[Advice, ...]:
    """Return what makes a file slow, and whether it is truncated.

    Parameters
    ----------
    file
        What is known of the file.
    subjects
        Its directories.
    extents
        Where its parts lie.
    """
    found = list(_of_directories(file, extents, _remedy("", subjects)))
    if file.truncated is not None:
        lost = tuple(s.info.path for s in subjects if s.info.lost_blocks)
        found.insert(0, _truncated(file.truncated, lost))
    # a directory of which the file holds no block is slow for nobody; a mask is small
    read = [s for s in subjects if s.info.codecs and s.disk_bytes and s.info.kind != "mask"]
    shrunk = {s.info.overview_of for s in subjects if s.info.kind == "overview"}
    for code, rule in _RULES.items():
        said = {s.info.path: words for s in read if (words := rule(s, shrunk)) is not None}
        if said:
            # one sentence a file: of a thousand pages alike the first speaks for all
            found.append(
                Advice(
                    code=code,
                    directories=tuple(said),
                    message=next(iter(said.values())),
                    remedy=_remedy(code, subjects),
                )
            )
    return tuple(found)


def _truncated(message: str, directories: tuple[str, ...]) -> Advice:
    remedy = (
        "copy the file again from its source; virtual-tiff publish refuses it unless --truncated"
        " says otherwise"
    )
    return Advice(code="truncated", directories=directories, message=message, remedy=remedy)


def _remedy(code: str, subjects: Sequence[Subject]) -> str:
    """Return the command that writes the file anew, as it should be."""
    images = [s.info for s in subjects if s.info.kind in ("image", "page") and s.info.width]
    first = images[0] if images else subjects[0].info
    kept = None if first.compression is None else _COMPRESS.get(first.compression.code)
    options = f"-of COG -co COMPRESS={kept or 'ZSTD'}"
    if code == "huge-chunks" and (first.samples or 1) > 1:
        options += " -co INTERLEAVE=BAND"  # GDAL 3.11
    if len(images) < 2:
        return f"gdal_translate {options} IN.tif OUT.tif"
    return (
        f"for each image a file of its own: gdal_translate {options}"
        " GTIFF_DIR:NUMBER:IN.tif OUT.tif, with NUMBER from 1"
    )


def _of_directories(file: FileInfo, extents: Extents, remedy: str) -> Iterator[Advice]:
    first_block = extents.first_block
    if first_block is None or (file.round_trips or 0) < 2:
        return
    behind = [
        info.path
        for info, begin in zip(file.directories, extents.directories.starts, strict=True)
        if begin > first_block
    ]
    cost = (
        f"{counted(file.round_trips or 0, 'round trip')}"
        f" ({counted(file.requests or 0, 'request')}) before the first pixel; one is enough where"
        " all of them lie at the beginning"
    )
    if behind and behind[0] == file.directories[0].path:
        place = int(extents.directories.starts[0])
        message = f"IFD {behind[0]} begins at {human_size(place)}, behind pixels: {cost}"
        yield Advice(
            code="directory-at-end", directories=tuple(behind), message=message, remedy=remedy
        )
    elif int(extents.tags.ends.max()) > first_block:
        what = f"IFD {listed(behind)} behind" if behind else "values of tags behind"
        message = f"{what} pixels: {cost}"
        yield Advice(
            code="directories-scattered", directories=tuple(behind), message=message, remedy=remedy
        )


type _Rule = Callable[[Subject, set[str | None]], str | None]


def _tiny(subject: Subject, _: set[str | None]) -> str | None:
    if subject.chunks < MANY_CHUNKS or subject.chunk_bytes >= TINY_CHUNK:
        return None
    mean = subject.disk_bytes // subject.chunks
    return (
        f"{subject.chunks:,} chunks of {human_size(subject.chunk_bytes)}, {human_size(mean)} on"
        " disk: as many requests to read the image"
    )


def _huge(subject: Subject, _: set[str | None]) -> str | None:
    if subject.chunk_bytes <= HUGE_CHUNK:
        return None
    return f"chunks of {human_size(subject.chunk_bytes)}, of which each is read whole for one pixel"


def _no_overviews(subject: Subject, shrunk: set[str | None]) -> str | None:
    info = subject.info
    pixels = (info.width or 0) * (info.height or 0)
    large = pixels > LARGE_PIXELS and subject.disk_bytes > PREVIEW_BYTES
    if info.kind == "overview" or not large or info.path in shrunk:
        return None
    return (
        f"{info.width:,} x {info.height:,} pixels and no overview: a preview reads all"
        f" {human_size(subject.disk_bytes)}"
    )


def _disorder(subject: Subject, _: set[str | None]) -> str | None:
    layout = subject.layout
    if layout is None or subject.disk_bytes < ORDERED_BYTES:
        return None
    offsets = np.frombuffer(layout.offsets, layout.offsets.format).astype(np.int64)
    counts = np.frombuffer(layout.byte_counts, layout.byte_counts.format)
    wrong = pairs = 0
    for plane in np.split(np.where(counts > 0, offsets, 0), layout.grid.planes):
        there = plane[plane > 0]
        wrong += int((np.diff(there) < 0).sum())
        pairs += max(0, len(there) - 1)
    if wrong <= DISORDER * pairs:
        return None
    return f"{wrong:,} of {pairs:,} blocks lie before the one that they follow in the image"


def _uncompressed(subject: Subject, _: set[str | None]) -> str | None:
    info = subject.info
    nbytes = subject.disk_bytes
    plain = info.compression is not None and info.compression.code == Compression.None_
    if not plain or nbytes <= LARGE_BYTES:
        return None
    return f"{human_size(nbytes)} without compression"


def _strips(subject: Subject, _: set[str | None]) -> str | None:
    info = subject.info
    wide = (info.width or 0) >= TOO_WIDE * WINDOW
    cut = info.blocks is not None and info.blocks.kind == "strip"
    if not (cut and wide and subject.image_bytes > STRIP_BYTES):
        return None
    return (
        f"strips of {info.width:,} columns: a window of {WINDOW} columns reads"
        f" {(info.width or 0) // WINDOW} times as much as it needs"
    )


_RULES: dict[str, _Rule] = {
    "tiny-chunks": _tiny,
    "huge-chunks": _huge,
    "no-overviews": _no_overviews,
    "blocks-out-of-order": _disorder,
    "uncompressed": _uncompressed,
    "strips": _strips,
}
