"""Moves the references of a cube to other chunks, and deletes what a new plan has no more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import icechunk
from zarr.core.sync import sync

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.plan import Integers, document
from virtual_tiff.publishing.planning.rearrange import Moves
from virtual_tiff.publishing.repository.keys import key_of_node, read_key, write_keys

__all__ = ["metadata_of", "move"]


def metadata_of(store: icechunk.IcechunkStore, path: str) -> JSON | None:
    """Return the `zarr.json` of a node; None if there is none."""
    stored = read_key(store, key_of_node(path))
    return None if stored is None else json.loads(stored)


def move(
    store: icechunk.IcechunkStore,
    removed: Iterable[str],
    moves: Mapping[str, Moves],
    shapes: Mapping[str, Sequence[int]],
) -> None:
    """Delete nodes, and move the references of arrays.

    Parameters
    ----------
    store
        It can be written to.
    removed
        Paths of groups and arrays.
    moves
        By path of an array.
    shapes
        By path of an array: its shape after the move, which the caller writes.
    """
    for path in removed:
        sync(store.delete_dir(path))
    for path, each in moves.items():
        sync(_clear(store, path, each.cleared))
        if each.numbers is None:
            continue
        metadata = metadata_of(store, path)
        assert metadata is not None  # noqa: S101 (for mypy: it was compared with the plan)
        # Icechunk refuses a number beyond the array's end, old or new
        largest = [max(pair) for pair in zip(metadata["shape"], shapes[path], strict=True)]
        write_keys(store, {key_of_node(path): document(metadata | {"shape": largest})})
        _reindex(store.session, path, each.numbers)


async def _clear(
    store: icechunk.IcechunkStore, path: str, chunks: Iterable[tuple[int, ...]]
) -> None:
    for chunk in chunks:
        await store.delete("/".join(map(str, (path, "c", *chunk))))


def _reindex(session: icechunk.Session, path: str, numbers: Sequence[Integers]) -> None:
    forward = [dict(enumerate(of_axis.tolist())) for of_axis in numbers]
    backward = [{new: old for old, new in of_axis.items() if new >= 0} for of_axis in forward]

    def through(maps: Sequence[Mapping[int, int]], chunk: Iterable[int]) -> list[int] | None:
        to = [of_axis.get(at, -1) for of_axis, at in zip(maps, chunk, strict=True)]
        return None if -1 in to else to

    session.reindex_array(
        f"/{path}",
        lambda chunk: through(forward, chunk),
        lambda chunk: through(backward, chunk),
    )
