"""Stores that several readers read alike, by default zarr-python, zarrs and zarrita.

The codecs and data types that all of them have are few. A file with others is refused: to change
them, each pixel would have to be copied. There is one exception, a strip (or tile) at the image's
foot that holds fewer rows than the others. If the file goes on after it, the reference takes in the
bytes that follow: those rows lie below the image. Otherwise the block is copied, filled up with
zeros, into the repository. Nothing here reads or decodes; see `copied_blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from virtual_tiff.arrays.nodes import JSON, FileArray, Group, InlineArray
from virtual_tiff.codec_table.readers import PORTABLE, Implementation, implementations_named
from virtual_tiff.codec_table.words import codec_tag
from virtual_tiff.publishing.planning.plan import joined
from virtual_tiff.tiff import ByteRange, LimitError, Limits, Tag, UnsupportedError

__all__ = ["Portability", "ShortBlocks", "portable_group"]

_COMPRESSIONS = frozenset(("zstd", "numcodecs.zlib"))
_PAD = "virtual_tiff.pad"

_LEAST = 2**20
"""Bytes of an array that may always be copied."""
_SHARE = 20
"""The part of an array's bytes that may be copied: one in so many."""
_RUN = 2**20
"""Bytes of a chunk of merged strips whose last one is short. Less than elsewhere, as a chunk
of that size is what may have to be copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portability:
    """Which readers a portable store is for, and how much of a file it may copy.

    Raises
    ------
    ValueError
        If the limit is none, or a reader is unknown.
    """

    readers: tuple[str, ...] = PORTABLE
    """Names of implementations."""
    inline_limit: int | None = None
    """Most bytes of one array of one file that may be copied; None is 1 MiB, or of larger
    arrays 5 % of their bytes in the file."""

    def __post_init__(self) -> None:
        limit = self.inline_limit
        if limit is not None and (not isinstance(limit, int) or limit < 0):
            msg = f"inline_limit must be None or a number of bytes, not {limit!r}"
            raise ValueError(msg)
        implementations_named(self.readers)

    def most(self, nbytes: int) -> int:
        """Return the most bytes that may be copied of an array that takes so many in its file."""
        if self.inline_limit is not None:
            return self.inline_limit
        return max(_LEAST, nbytes // _SHARE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShortBlocks:
    """Blocks at an array's foot that have to be read, and copied if they are short."""

    path: str
    array: FileArray
    """Its offsets and byte counts are nobody else's."""
    chunks: Sequence[int]
    """The numbers of the blocks, in C order of the chunk grid."""
    size: int
    """Bytes of a whole block, decoded."""
    last: int
    """Bytes of a short one."""
    compression: str | None
    """The codec's name; None where the file's bytes are the pixels."""
    most: int
    """Bytes that may be copied."""

    @property
    def ranges(self) -> list[ByteRange]:
        """The ranges of the blocks in the file."""
        starts = self.array.offsets.reshape(-1)[list(self.chunks)].tolist()
        counts = self.array.byte_counts.reshape(-1)[list(self.chunks)].tolist()
        return [(start, start + count) for start, count in zip(starts, counts, strict=True)]

    def check(self, nbytes: int) -> None:
        """Refuse to copy more than may be, by a LimitError."""
        if nbytes > self.most:
            msg = (
                f"array {self.path}: copying the short blocks at the bottom of the image takes"
                f" {nbytes:,} bytes; the limit is {self.most:,}. Raise inline_limit"
                " (--inline-limit), write the file anew as tiles (gdal_translate -co TILED=YES),"
                " or publish without portable"
            )
            raise LimitError(msg)


def portable_group(
    group: Group, file_size: int, asked: Portability, at: str = ""
) -> tuple[Group, list[ShortBlocks]]:
    """Return a file's group in codecs that all read, and the blocks that are copied for that.

    An `UnsupportedError` names the tag of a data type or a codec that not all have, a `LimitError`
    how much more than allowed would have to be copied.
    """
    blocks: list[ShortBlocks] = []
    arrays: dict[str, FileArray | InlineArray] = {}
    for name, array in group.arrays.items():
        arrays[name] = array
        if isinstance(array, FileArray):
            path = joined(at, name)
            _check(array.metadata, path, implementations_named(asked.readers))
            arrays[name], short = _padded(array, path, file_size, asked)
            blocks += short
    groups: dict[str, Group] = {}
    for name, child in group.groups.items():
        groups[name], short = portable_group(child, file_size, asked, joined(at, name))
        blocks += short
    return replace(group, arrays=arrays, groups=groups), blocks


# ---------------------------------------------------------------------------- refusals


def _check(metadata: JSON, path: str, implementations: Sequence[Implementation]) -> None:
    kind = metadata["data_type"]
    lacking = [known.name for known in implementations if kind in known.lacks]
    if lacking:
        raise UnsupportedError(_refusal(path, lacking, kind), tag=Tag.SampleFormat)
    steps = [codec for codec in metadata["codecs"] if codec["name"] != _PAD]
    lacking = [known.name for known in implementations if not known.reads(steps, kind)]
    if not lacking:
        return
    others = [
        step for step in steps if not all(known.has(step["name"]) for known in implementations)
    ]
    tagged = [(*codec_tag(step), step["name"]) for step in others]
    words = _listed([f"{words} (codec {name})" for _, words, name in tagged])
    tag = next((tag for tag, _, _ in tagged if tag is not None), None)
    raise UnsupportedError(_refusal(path, lacking, words), tag=tag)


def _refusal(path: str, lacking: Sequence[str], feature: str) -> str:
    return (
        f"array {path}: {_listed(lacking)} cannot read {feature} without further packages, and"
        " publish copies no pixels of such arrays. Publish without portable, or for other readers"
        " (portable=READERS); or expose less of the"
        " file (ifd=0, overviews=False); or write it anew, as gdal_translate -co COMPRESS=ZSTD -co"
        " PREDICTOR=1 does"
    )


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


# -------------------------------------------------------------------------- short blocks


def _padded(
    array: FileArray, path: str, file_size: int, asked: Portability
) -> tuple[FileArray, list[ShortBlocks]]:
    """Return an array without the codec that fills up short blocks, and these blocks."""
    codecs = array.metadata["codecs"]
    pad = next((codec["configuration"] for codec in codecs if codec["name"] == _PAD), None)
    if pad is None or all(known.has(_PAD) for known in implementations_named(asked.readers)):
        return array, []
    others = [codec for codec in codecs if codec["name"] != _PAD]
    if others[-1]["name"] not in {"bytes", *_COMPRESSIONS}:
        _, words, name = *codec_tag(others[-1]), others[-1]["name"]
        msg = (
            f"array {path}: the last strip has fewer rows, and publish cannot fill up {words}"
            f" (codec {name}). Write the file anew as tiles (gdal_translate -co TILED=YES), or"
            " publish without portable"
        )
        raise UnsupportedError(msg, tag=Tag.RowsPerStrip)
    compression = next((c["name"] for c in others if c["name"] in _COMPRESSIONS), None)
    size, last = pad["size"], pad["last"]
    array = replace(
        array,
        metadata=array.metadata | {"codecs": others},
        offsets=array.offsets.reshape(array.chunk_grid).copy(),
        byte_counts=array.byte_counts.reshape(array.chunk_grid).copy(),
    )
    if compression is None:
        array, size, last = _cut_smaller(array, size, last, file_size)
        if size == last:
            return array, []
    # the chunks at the image's foot, in C order of the grid
    numbers = np.arange(prod(array.chunk_grid)).reshape(array.chunk_grid)
    foot = numbers.take(-1, axis=array.axes.rows).reshape(-1)
    offsets, counts = array.offsets.reshape(-1), array.byte_counts.reshape(-1)
    if compression is None and size <= file_size:
        # a reference goes on to a whole block's bytes, where the file does
        fits = (counts[foot] == last) & (offsets[foot] <= np.uint64(file_size - size))
        counts[foot[fits]] = size
    if compression is None:
        foot = foot[counts[foot] < size]
    chunks = foot[counts[foot] != 0].tolist()
    if not chunks:
        return array, []
    blocks = ShortBlocks(
        path=path,
        array=array,
        chunks=chunks,
        size=size,
        last=last,
        compression=compression,
        # blocks may overlap, or claim what the file does not have
        most=asked.most(min(sum(counts.tolist()), file_size)),
    )
    blocks.check(size * len(chunks) if compression is None else sum(counts[foot].tolist()))
    most, nbytes = Limits().block_bytes, size * len(chunks)
    if nbytes > most:  # a few bytes may state blocks that decode to very many
        msg = (
            f"array {path}: the blocks at the bottom of the image take {nbytes:,} bytes when they"
            f" are decoded and filled up; the limit is {most:,}. Publish without portable"
        )
        raise LimitError(msg)
    return array, [blocks]


def _cut_smaller(
    array: FileArray, size: int, last: int, file_size: int
) -> tuple[FileArray, int, int]:
    """Cut a run of uncompressed rows into smaller chunks; leave alone what is no run.

    Return the array, the bytes of a whole chunk, and those of the last one; these are the same if
    the rows are a whole number of chunks.
    """
    axis = array.axes.rows
    chunk_shape = list(array.metadata["chunk_grid"]["configuration"]["chunk_shape"])
    row = size // chunk_shape[axis]
    rows = max(1, _RUN // row)
    offsets = np.moveaxis(array.offsets, axis, -1)
    counts = np.moveaxis(array.byte_counts, axis, -1)
    whole = (counts[..., :-1] == size).all() and (counts[..., -1] == last).all()
    run = whole and (offsets[..., 1:] == offsets[..., :-1] + np.uint64(size)).all()
    if rows >= chunk_shape[axis] or not run or int(offsets[..., -1].max()) + last > file_size:
        return array, size, last
    length = array.metadata["shape"][axis]
    down = -(-length // rows)
    starts = offsets[..., :1] + np.arange(down, dtype=np.uint64) * np.uint64(rows * row)
    sizes = np.full(starts.shape, rows * row, dtype=np.uint64)
    sizes[..., -1] = last = (length - (down - 1) * rows) * row
    chunk_shape[axis] = rows
    grid = {"name": "regular", "configuration": {"chunk_shape": chunk_shape}}
    cut = replace(
        array,
        metadata=array.metadata | {"chunk_grid": grid},
        offsets=np.ascontiguousarray(np.moveaxis(starts, -1, axis)),
        byte_counts=np.ascontiguousarray(np.moveaxis(sizes, -1, axis)),
        lost=None,  # all rows lie within the file, as was checked
    )
    return cut, rows * row, last
