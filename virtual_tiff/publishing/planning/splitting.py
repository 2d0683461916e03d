"""Along how many chunks references are kept in one manifest.

Icechunk keeps the references of an array in one manifest unless it is told to split them. A reader
of one pixel then fetches and unpacks the references of the whole array (some 90 bytes each in
memory), and each append writes all of them anew. So a new repository is told to split: a manifest
has at most `MOST_REFERENCES` references. They take 10 to 20 bytes each, and 80 where each is of a
file of its own with a long random name and ETag: half a MiB mostly, and never more than 5 MiB.

There is one rule for all arrays, by the names of their dimensions, and not one for each path: a
repository can have thousands of groups, and arrays that are appended later need a rule too. The
array with the most chunks decides. So overviews are cut at the same positions of a new dimension,
and a commit that ends there (`repository/batches.py`) leaves no manifest that the next commit has
to write anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import NamedTuple

from virtual_tiff.arrays.nodes import JSON, chunk_counts
from virtual_tiff.publishing.reading.record import chunk_grid

__all__ = ["FILES_APART", "Joined", "manifest_splits"]

MOST_REFERENCES = 32_768
"""References of a manifest."""

FILES_APART: Mapping[str, int] = {"y": 128, "x": 128}
"""The lengths where each file has a group: nothing is known of the files that come later."""

_MOST_PARTS = 100_000
"""Icechunk counts all parts, also where an image of tiles that lie far apart has none."""


class Joined(NamedTuple):
    """An array, and how it is made of files."""

    metadata: JSON
    """Its `zarr.json`."""
    new: int
    """The number of new dimensions, which stand first."""
    axes: Sequence[str] = ()
    """Axes of the files along which they are put together."""


def manifest_splits(arrays: Iterable[Joined]) -> dict[str, int]:
    """Return by dimension along how many chunks references are kept together."""
    splits: dict[str, int] = {}
    counted = [(_chunk_counts(array.metadata), array) for array in arrays]
    for counts, array in sorted(counted, key=lambda pair: prod(pair[0][pair[1].new :]))[::-1]:
        names = array.metadata["dimension_names"]
        grown = [n for n, name in enumerate(names) if name.partition("_")[0] in array.axes]
        lengths = _lengths(counts, array.new, grown)
        for n, (name, count, length) in enumerate(zip(names, counts, lengths, strict=True)):
            if n < array.new or n in grown or length < count:
                splits.setdefault(name, length)
    return splits


def _lengths(counts: Sequence[int], new: int, grown: Sequence[int]) -> list[int]:
    """Return the lengths along each axis.

    Those of an image are halved until it fits. Without a new dimension they are doubled along the
    axes `grown`, as an image of tiles can get more of them. Of the new dimensions the last ones are
    kept together, and the first one has what is left.
    """
    most = MOST_REFERENCES
    while True:
        lengths = list(counts)
        while prod(lengths[new:]) > most:
            at = max(range(new, len(counts)), key=lengths.__getitem__)
            lengths[at] = -(-lengths[at] // 2)
        while grown and not new and 0 < 2 * prod(lengths) <= most:
            lengths[min(grown, key=lengths.__getitem__)] *= 2
        room = most // max(1, prod(lengths[new:]))
        for at in reversed(range(new)):
            lengths[at] = max(1, room if at == 0 else min(counts[at], room))
            room //= lengths[at]
        parts = prod(chunk_counts(counts, lengths))
        if parts <= _MOST_PARTS:
            return lengths
        most *= 2


def _chunk_counts(metadata: JSON) -> list[int]:
    configuration = metadata["chunk_grid"]["configuration"]
    if metadata["chunk_grid"]["name"] == "regular":
        return list(chunk_grid(metadata))
    return [
        sum(run[1] if isinstance(run, list | tuple) else 1 for run in runs)
        for runs in configuration["chunk_shapes"]
    ]
