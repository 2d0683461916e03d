"""Arrays and groups as plain data: what a layout makes, before it is anyone's store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.arrays.axes import Axes
from virtual_tiff.tiff import Loss

__all__ = [
    "PART",
    "SET",
    "FileArray",
    "Group",
    "InlineArray",
    "chunk_counts",
    "file_arrays",
    "with_losses",
    "without_lost",
]

type JSON = dict[str, Any]

PART = "virtual_tiff:part"
"""The attribute of an array that is one file's part of an image in several files."""
SET = "virtual_tiff:set"
"""The attribute of the root that lists these files. `publish` reads both; no store has them."""


def chunk_counts(shape: Iterable[int], chunk_shape: Iterable[int]) -> tuple[int, ...]:
    """Return the number of chunks along each dimension of a regular chunk grid."""
    return tuple(-(-n // c) for n, c in zip(shape, chunk_shape, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileArray:
    """An array whose chunks are byte ranges of the file."""

    metadata: JSON
    """As `zarr.json` has them."""
    offsets: NDArray[np.uint64]
    """Byte offsets in the file, in C order of the chunk grid."""
    byte_counts: NDArray[np.uint64]
    """Bytes in the file, same shape; 0 for a missing chunk."""
    axes: Axes
    """The meaning of its dimensions."""
    lost: NDArray[np.bool_] | None = None
    """Which chunks lie beyond the file's end, wholly or in part, same shape; None if none."""
    losses: tuple[Loss, ...] = ()
    """The same in words, by directory."""
    url: str | None = None
    """The file of the chunks, if it is another one than that of the group."""

    @property
    def chunk_grid(self) -> tuple[int, ...]:
        """Chunks along each dimension."""
        chunk_shape = self.metadata["chunk_grid"]["configuration"]["chunk_shape"]
        return chunk_counts(self.metadata["shape"], chunk_shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InlineArray:
    """An array of one chunk whose bytes are known."""

    metadata: JSON
    """As `zarr.json` has them."""
    data: bytes
    """The chunk, encoded."""
    axes: Axes
    """The meaning of its dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Arrays and groups by name."""

    arrays: Mapping[str, FileArray | InlineArray] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    attributes: JSON = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    """Only in the root group: all parts that lie beyond the file's end."""


def file_arrays(group: Group, prefix: str = "") -> Iterator[tuple[str, FileArray]]:
    """Yield the arrays of a group and of those below it whose chunks lie in the file.

    Each comes with its path, which begins with `prefix`.
    """
    for name, array in group.arrays.items():
        if isinstance(array, FileArray):
            yield prefix + name, array
    for name, below in group.groups.items():
        yield from file_arrays(below, f"{prefix}{name}/")


def with_losses(group: Group, others: Iterable[Loss] = ()) -> Group:
    """Return a root group that says what of all that it holds lies beyond the file's end.

    `others` are what the file lacks beside blocks.
    """
    of_arrays = [loss for _, array in file_arrays(group) for loss in array.losses]
    losses = (*of_arrays, *group.losses, *others)
    return replace(group, losses=losses) if losses else group


def without_lost(group: Group) -> Group:
    """Return the same group; its chunks that lie beyond the file's end are missing chunks."""
    arrays = dict(group.arrays)
    for name, array in group.arrays.items():
        if isinstance(array, FileArray) and array.lost is not None:
            offsets, byte_counts = (
                np.where(array.lost, np.uint64(0), numbers)
                for numbers in (array.offsets, array.byte_counts)
            )
            arrays[name] = replace(array, offsets=offsets, byte_counts=byte_counts, lost=None)
    groups = {name: without_lost(below) for name, below in group.groups.items()}
    return replace(group, arrays=arrays, groups=groups)
