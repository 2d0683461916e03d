"""Moves the references of a cube to other chunks, and deletes what a new plan has no more."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence

import icechunk
import numpy as np
from zarr.core.sync import sync

from virtual_tiff.publishing.planning.plan import Integers, document
from virtual_tiff.publishing.planning.rearrange import Moves
from virtual_tiff.publishing.repository.keys import key_of_node, metadata_of, write_keys
from virtual_tiff.publishing.repository.labels import remove_group

__all__ = ["move"]


def move(
    store: icechunk.IcechunkStore,
    removed: Iterable[str],
    moves: Mapping[str, Moves],
    shapes: Mapping[str, Sequence[int]],
) -> None:
    """Delete nodes, and move the references of arrays, all by their paths.

    `shapes` are those after the move, which the caller writes.
    """
    for path in removed:
        remove_group(store, path)
    for path, each in moves.items():
        sync(_clear(store, path, each.cleared))
        if each.numbers is None:
            continue
        metadata = metadata_of(store, path)
        assert metadata is not None  # noqa: S101 (for mypy: it was compared with the plan)
        # Icechunk refuses a number beyond the array's end, old or new
        largest = [max(pair) for pair in zip(metadata["shape"], shapes[path], strict=True)]
        write_keys(store, {key_of_node(path): document(metadata | {"shape": largest})})
        _reindex(store, path, each.numbers)


async def _clear(
    store: icechunk.IcechunkStore, path: str, chunks: Iterable[tuple[int, ...]]
) -> None:
    for chunk in chunks:
        await store.delete("/".join(map(str, (path, "c", *chunk))))


def _reindex(store: icechunk.IcechunkStore, path: str, numbers: Sequence[Integers]) -> None:
    """Move the references of an array, and delete those that are left where none moves to.

    Icechunk looks up each chunk that a function returns (30 microseconds). So the one that it calls
    returns only those that move. Its argument `backward` would delete what is left, and look up all
    chunks once more.
    """
    maps = [of_axis.tolist() for of_axis in numbers]

    def moved(chunk: Iterable[int]) -> list[int] | None:
        pairs = zip(maps, chunk, strict=True)
        to = [of_axis[at] if at < len(of_axis) else -1 for of_axis, at in pairs]
        return None if -1 in to or to == list(chunk) else to

    chunks = sync(_chunks(store.session, path, len(maps)))
    left = _left(chunks, numbers)
    store.session.reindex_array(f"/{path}", moved)
    sync(_clear(store, path, left))


async def _chunks(session: icechunk.Session, path: str, dimensions: int) -> Integers:
    """Return the chunks that have references; shape (chunks, dimensions)."""
    flat = array("q")  # a list of tuples takes twenty times the memory
    async for chunk in session.chunk_coordinates(f"/{path}"):
        flat.extend(chunk)
    return np.array(flat, dtype=np.int64).reshape(-1, dimensions)


def _left(chunks: Integers, numbers: Sequence[Integers]) -> list[tuple[int, ...]]:
    """Return the chunks that have a reference and lose it, as none moves to their place."""
    shape, to = [], []
    for axis, of_axis in enumerate(numbers):
        size = 1 + int(np.concatenate([chunks[:, axis], of_axis, [len(of_axis)]]).max())
        padded = np.pad(of_axis, (0, size - len(of_axis)), constant_values=-1)
        shape.append(size)
        to.append(padded[chunks[:, axis]])
    stay = np.all(np.array(to) >= 0, axis=0)
    taken = np.ravel_multi_index([of_axis[stay] for of_axis in to], shape)
    free = ~np.isin(np.ravel_multi_index(list(chunks.T), shape), taken)
    return [tuple(chunk) for chunk in chunks[free].tolist()]
