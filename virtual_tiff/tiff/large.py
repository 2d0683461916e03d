"""Classic TIFFs above 4 GiB, whose offsets of 32 bits cannot reach all of the file.

TIFF 6.0 has no such files, and libtiff writes none. Three kinds exist all the same:

- Hamamatsu's NDPI has 64-bit offsets in the header and behind each directory, and behind that
  the high words of the directory's values. It is read as a variant of its own.
- Zeiss' LSM writes offsets modulo 2**32. Its pages are written one after another, so each
  offset that is less than the one before it has wrapped once more.
- Of other writers nothing is known. Offsets that wrapped without a rule lead to bytes of other
  blocks, which decode to an image as good as the one that is meant. So a directory whose offsets
  contradict themselves or others is refused, and where nothing contradicts but 4 GiB of the file
  are not referred to, a warning says so.

The rules for NDPI and LSM are those of tifffile (`TiffTag.fromfile`, `_lsm_fix_strip_offsets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from .constants import FIELD_TYPES, Tag
from .entry import Entry, numbers
from .errors import FormatError, TiffError, UnsupportedError, warn
from .header import NDPI, Header, Variant
from .ifd import ImageFileDirectory
from .subfiles import is_full

__all__ = [
    "PROBE_BYTES",
    "contradictions",
    "is_large",
    "large_header",
    "possible_directories",
    "unwrapped",
    "with_high_words",
]

_WORDS = 2**32
_FALL = 2**31
"""Bytes by which offsets of a file that was written in its order do not fall."""

_LONG8 = FIELD_TYPES[16]
_ENTRY_BYTES = 12
PROBE_BYTES = 2 + 1024 * _ENTRY_BYTES
"""Entries of a first directory that tell the kind of the file. NDPI has some 50 entries."""

_OFFSETS = {Tag.StripOffsets: Tag.StripByteCounts, Tag.TileOffsets: Tag.TileByteCounts}
_HIGH_WORDS = {
    Tag.StripOffsets: Tag.NDPI_OffsetHighBytes,
    Tag.StripByteCounts: Tag.NDPI_ByteCountHighBytes,
}

_DIMENSIONS = {"time": 24, "position": 264, "mosaic": 268}
"""Where CZ_LSMINFO has the lengths that decide in which order pages were written: int32."""

_REMEDY = "write the file as BigTIFF"


def is_large(header: Header, size: int) -> bool:
    """Whether a file is a classic TIFF with bytes that 32 bits do not reach."""
    return not header.variant.bigtiff and size > _WORDS


def possible_directories(header: Header, start: bytes | memoryview, size: int) -> list[int]:
    """Return where the first directory of a large file may begin, NDPI's place first.

    The header is that of a classic TIFF, and `start` the first 12 bytes of the file, or more.
    """
    offset = int.from_bytes(start[4:12], "little")
    ndpi = header.variant.byte_order == "little" and offset < size
    return list(dict.fromkeys([*([offset] if ndpi else []), header.first_ifd_offset]))


def large_header(header: Header, probes: Mapping[int, memoryview]) -> tuple[Header, bool]:
    """Return the header as it is meant, and whether the file is an LSM.

    `probes` are `PROBE_BYTES` of each of `possible_directories`, by their offset and in their
    order.
    """
    offset, data = next(iter(probes.items()))
    # the high word of the header's offset is 0 only if both readings of it agree
    if Tag.NDPI_FileFormat in _tags(data, "little") and (offset >= _WORDS or len(probes) == 1):
        return Header(variant=NDPI, first_ifd_offset=offset), False
    classic = probes.get(header.first_ifd_offset, memoryview(b""))
    return header, Tag.CZ_LSMINFO in _tags(classic, header.variant.byte_order)


def _tags(data: memoryview, byte_order: str) -> set[int]:
    little = byte_order == "little"
    count = int.from_bytes(data[:2], "little" if little else "big")
    places = range(2, min(2 + count * _ENTRY_BYTES, len(data) - 1), _ENTRY_BYTES)
    return {int.from_bytes(data[at : at + 2], "little" if little else "big") for at in places}


def with_high_words(entries: Mapping[int, Entry], variant: Variant) -> Mapping[int, Entry]:
    """Return NDPI's entries with the arrays of offsets and byte counts in 64 bits."""
    if not variant.high_words:
        return entries
    changed = {}
    for tag, high_tag in _HIGH_WORDS.items():
        low, high = entries.get(tag), entries.get(high_tag)
        if low is None or high is None or not (low.data and high.data):
            continue
        if low.field_type.is_integer and high.field_type.is_integer and low.count == high.count:
            pairs = zip(numbers(low, NDPI), numbers(high, NDPI), strict=True)
            words = [word % _WORDS | top % _WORDS << 32 for word, top in pairs]
            changed[int(tag)] = _entry(low, words, "little")
    return {**entries, **changed} if changed else entries


def _entry(entry: Entry, words: Sequence[int], byte_order: str) -> Entry:
    """Return an entry with other numbers, of 64 bits."""
    data = b"".join(
        word.to_bytes(8, "little" if byte_order == "little" else "big") for word in words
    )
    return entry._replace(field_type=_LONG8, count=len(words), data=data)


# ---- LSM


def unwrapped(ifds: Sequence[ImageFileDirectory], size: int) -> tuple[ImageFileDirectory, ...]:
    """Return the pages of an LSM file with the offsets that are meant.

    The chain has an image, its thumbnail, the next image, and so on. If there is no order in which
    the offsets stay within the file, it is an UnsupportedError.
    """
    meant: dict[int, list[int]] = {}
    wraps = before = 0
    for number in _written(ifds):
        offsets = ifds[number].integers(Tag.StripOffsets)
        counts = ifds[number].integers(Tag.StripByteCounts)
        meant[number] = []
        for i, offset in enumerate(offsets or ()):
            if offset == 0:  # a page that was not written
                meant[number].append(0)
                continue
            wraps += offset < before
            before = offset
            meant[number].append(offset + wraps * _WORDS)
            nbytes = (
                counts[i] if counts and i < len(counts) and ifds[number].Compression == 1 else 1
            )
            if meant[number][-1] + nbytes > size:
                msg = (
                    f"the order of the pages is not known: strip {i} would begin at "
                    f"{meant[number][-1]:,} in an LSM file of {size:,} bytes"
                )
                raise UnsupportedError(msg, tag=Tag.StripOffsets, ifd=ifds[number].path)
    return tuple(_moved(ifd, meant.get(number, [])) for number, ifd in enumerate(ifds))


def _written(ifds: Sequence[ImageFileDirectory]) -> list[int]:
    """Return the numbers of pages in the order in which they were written."""
    info = ifds[0].raw(Tag.CZ_LSMINFO) or b""
    order = ifds[0].variant.byte_order
    times, positions, mosaics = (
        max(1, int.from_bytes(info[at : at + 4], order, signed=True)) if len(info) >= at + 4 else 1
        for at in _DIMENSIONS.values()
    )
    pairs, outer = len(ifds) // 2, times * positions * mosaics
    several = sum(n > 1 for n in (times, positions, mosaics)) > 1
    if len(ifds) % 2 or (several and pairs % outer):
        msg = (
            f"the LSM file has {len(ifds)} pages, which does not fit its {times} times, "
            f"{positions} "
            f"positions and {mosaics} mosaic tiles with an image and a thumbnail each"
        )
        raise UnsupportedError(msg, tag=Tag.CZ_LSMINFO, ifd=ifds[0].path)
    if several:  # listed by mosaic, position, time; written by time, position, mosaic
        inner = pairs // outer
        order_of_pairs = [
            ((m * positions + p) * times + t) * inner + i
            for t in range(times)
            for p in range(positions)
            for m in range(mosaics)
            for i in range(inner)
        ]
    else:
        order_of_pairs = list(range(pairs))
    starts = [ifds[n].integer(Tag.StripOffsets) or 0 for n in (0, 1)]
    thumbnail_first = starts[0] > starts[1]
    pair = (1, 0) if thumbnail_first else (0, 1)
    return [2 * n + one for n in order_of_pairs for one in pair]


def _moved(ifd: ImageFileDirectory, offsets: Sequence[int]) -> ImageFileDirectory:
    if not offsets:
        return ifd
    entry = _entry(ifd.entries[Tag.StripOffsets], offsets, ifd.variant.byte_order)
    return replace(ifd, entries={**ifd.entries, int(Tag.StripOffsets): entry})


# ---- other writers


def contradictions(ifds: Sequence[ImageFileDirectory], size: int) -> dict[str, TiffError]:
    """Return why offsets of directories cannot be those that are meant, by their paths."""
    every = list(_all(ifds))
    if every and every[0].variant.high_words:
        return {
            ifd.path: _error(ifd, "the directory has no high words")
            for ifd in every
            if _is_narrow(ifd)
        }
    contradicting: dict[str, TiffError] = {}
    spans: list[tuple[int, int, int]] = []  # begin, end, number of the directory; -1 for tags
    highest = 0
    for number, ifd in enumerate(every):
        blocks = list(_blocks(ifd))
        in_chain = is_full(ifd) and "/" not in ifd.path
        if any(begin < ifd.variant.header_bytes for begin, _ in blocks):
            contradicting[ifd.path] = _error(ifd, "a block begins within the header")
        elif any(before - after > _FALL for (before, _), (after, _) in pairwise(blocks)):
            contradicting[ifd.path] = _error(
                ifd, "they decrease by 2 GiB or more from one block to the next"
            )
        elif in_chain and blocks and highest - blocks[0][0] > _FALL:
            contradicting[ifd.path] = _error(
                ifd, "they decrease by 2 GiB or more from one page to the next"
            )
        else:
            spans += [(begin, end, number) for begin, end in dict.fromkeys(blocks)]
            if in_chain:
                highest = max([highest, *(begin for begin, _ in blocks)])
    tags = [
        (ifd.offset, ifd.offset + ifd.variant.entry_count.size + 12 * len(ifd.entries), -1)
        for ifd in every
    ]
    for path, error in _overlaps(spans, tags, every):
        contradicting.setdefault(path, error)
    end = max((end for _, end, _ in spans), default=size)
    if not contradicting and end + _WORDS <= size and not _is_imagej(every[0]):
        warn(
            f"no block of this classic TIFF of {size:,} bytes lies beyond {end:,}; if its "
            f"writer's offsets exceeded 4 GiB, they point to wrong places: {_REMEDY}"
        )
    return contradicting


def _overlaps(
    spans: Iterable[tuple[int, int, int]],
    tags: Iterable[tuple[int, int, int]],
    ifds: Sequence[ImageFileDirectory],
) -> Iterator[tuple[str, TiffError]]:
    """Yield the directories with a block that shares bytes with one before, or with tags.

    Blocks that are one and the same, as of a writer that stores equal ones once, are sound.
    """
    reached, owner, began = 0, -1, -1
    for begin, end, number in sorted(chain(spans, tags)):
        later = max(number, owner)
        if begin < reached and (begin, end) != (began, reached) and later >= 0:
            yield (
                ifds[later].path,
                _error(ifds[later], "a block shares its bytes with another part"),
            )
        if end > reached:
            reached, owner, began = end, number, begin


def _error(ifd: ImageFileDirectory, why: str) -> TiffError:
    msg = (
        "the 32-bit offsets of this classic TIFF above 4 GiB point to wrong places: "
        f"{why}; {_REMEDY}"
    )
    return FormatError(msg, tag=Tag.StripOffsets, ifd=ifd.path, offset=ifd.offset)


def _blocks(ifd: ImageFileDirectory) -> Iterator[tuple[int, int]]:
    """Yield where blocks begin and end, as far as the tags can be read."""
    for tag, counted in _OFFSETS.items():
        try:
            offsets, counts = ifd.integers(tag), ifd.integers(counted)
        except TiffError:
            continue
        for offset, count in zip(offsets or (), counts or (), strict=False):
            if count > 0:
                yield offset, offset + count


def _is_narrow(ifd: ImageFileDirectory) -> bool:
    """Whether an NDPI directory has several blocks, of whose offsets the high words are lost."""
    entries = [ifd.entries[tag] for tag in _OFFSETS if tag in ifd.entries]
    return any(entry.count > 1 and entry.field_type.nbytes < 8 for entry in entries)


def _is_imagej(ifd: ImageFileDirectory) -> bool:
    """Whether images may follow the first one's data without directories."""
    entry = ifd.entries.get(Tag.ImageDescription)
    return entry is not None and (entry.data or b"").startswith((b"ImageJ=", b"SCIFIO="))


def _all(ifds: Iterable[ImageFileDirectory]) -> Iterator[ImageFileDirectory]:
    for ifd in ifds:
        yield ifd
        yield from _all(ifd.subifds)
