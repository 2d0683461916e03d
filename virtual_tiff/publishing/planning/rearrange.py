"""What changes in a cube when files are added between others, replaced or removed.

The rules of arranging say where each file lies if all are published at once. So the plan of the
files that are published says where the references lie now, and the plan of all files where they
have to lie. This module compares the two plans. Nothing else knows what an insertion is: a late
scene, a tile to the left of a mosaic, a date of a cube of tiles and a removed file are the same to
it, and the result is the cube that a first publication would have made.

References are never read back, they are moved as they are. In an array with a regular chunk grid a
move is a new number for each old number along each axis. Where that does not say it, the file is
read again: its blocks are shown in other pieces as another file now lies upon it, or no more; the
chunks have several lengths, which Icechunk does not move; the grid has other chunks.

The repository may have been changed by hand, or published by a version with other rules. So the
plan of the published files is compared with what the repository has; an array that is not as
planned is made anew, of files that are read again.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.plan import (
    Column,
    FileBlocks,
    Integers,
    Members,
    Part,
    Plan,
    joined,
    parents,
)
from virtual_tiff.publishing.reading.record import chunk_grid

__all__ = ["Moves", "Rearranged", "rearranged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """The changes of the references of one array, before new ones are written."""

    cleared: Sequence[tuple[int, ...]] = ()
    """Chunks that lose their reference, by their numbers before the move."""
    numbers: Sequence[Integers] | None = None
    """For each axis: by the number of a chunk its new number, -1 if none has it. None if all stay
    where they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rearranged:
    """A plan of all files, and the changes of the repository before it is written."""

    plan: Plan
    """Of its members it has those alone that were read."""
    removed: Sequence[str]
    """Groups and arrays that are deleted with all that is in them."""
    moves: Mapping[str, Moves]
    """By path of an array."""
    shapes: Mapping[str, Sequence[int]]
    """By path of an array: its shape after the moves."""
    unread: Sequence[int]
    """The numbers of published files whose references have to be read again first."""
    coordinates: Mapping[int, tuple[Any, ...]]
    """By number of a published file: its coordinates for the ledger, where they are others now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The repository as it is, to which the plan of its files is compared."""

    metadata: Callable[[str], JSON | None]
    """Returns the `zarr.json` of a node by its path."""
    values: Callable[[str], Sequence[Any] | None]
    """Returns the values of a coordinate by its path."""
    coordinates: Mapping[int, tuple[Any, ...] | None]
    """By number of a file: its coordinates in the ledger."""
    holes: Collection[int] = ()
    """Numbers of files that were removed, and whose places are kept."""
    new_holes: Collection[int] = ()
    """Those of them whose references are still there."""


def rearranged(before: Plan | None, after: Plan, published: Published) -> Rearranged:
    """Compare the plan of the published files with that of all files.

    The numbers of published files are negative, and those that this run has read have others.
    `before` is None if no plan of the published files can be made.
    """
    old, new = _Nodes.of(before), _Nodes.of(after)
    removed = [path for path, kind in old.kinds.items() if path and new.kinds.get(path) != kind]
    moves: dict[str, Moves] = {}
    unread: set[int] = set()
    for path in new.arrays:
        kept = {n for each in new.members[path] for n in each[0].numbers.tolist() if n < 0}
        move = None
        if path in old.arrays and _as_planned(old, path, published):
            same, move = _compared(old, new, path, cleared=published.new_holes)
            unread |= kept - same
        else:
            unread |= kept
        if move is None:
            removed.append(path)
        else:
            moves[path] = move
    parts = [
        replace(part, members=[_read_alone(members) for members in part.members])
        for part in new.parts
    ]
    return Rearranged(
        plan=replace(
            after,
            parts=iter(parts),
            files=sum(_count(part) for part in parts),
            missing=after.missing + sum(_empty(part, published.holes) for part in new.parts),
        ),
        removed=[path for path in removed if not set(parents(path)) & set(removed)],
        moves=moves,
        shapes={path: new.arrays[path]["shape"] for path in moves},
        unread=sorted(unread - set(published.holes)),
        coordinates={
            n: coordinates
            for n, coordinates in _coordinates(new).items()
            if published.coordinates.get(n, coordinates) != coordinates
        },
    )


# ------------------------------------------------------------------------------- plans


@dataclass(slots=True)
class _Nodes:
    """The nodes of a plan by path."""

    parts: list[Part] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, JSON] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    members: dict[str, list[tuple[Members, str]]] = field(default_factory=dict)
    """By array of the repository: the files with their own array."""

    @classmethod
    def of(cls, plan: Plan | None) -> _Nodes:
        nodes = cls() if plan is None else cls(list(plan.parts))
        for part in nodes.parts:
            kinds = {"group": part.groups, "array": part.arrays, "inline": part.inline}
            for kind, paths in kinds.items():
                for path in paths:
                    nodes.kinds |= dict.fromkeys(parents(path), "group") | {path: kind}
            nodes.columns |= {column.path: column for column in part.columns}
            nodes.kinds |= dict.fromkeys(nodes.columns, "column")
            nodes.arrays |= part.arrays
            for members in part.members:
                for path, to in members.paths.items():
                    nodes.members.setdefault(to, []).append((members, path))
        return nodes


def _coordinates(nodes: _Nodes) -> dict[int, tuple[Any, ...]]:
    """Return the coordinates of each file as the ledger has them."""
    return {
        n: tuple(coordinates)
        for part in nodes.parts
        for members in part.members
        for n, coordinates in zip(members.numbers.tolist(), members.coordinates or (), strict=False)
    }


def _read_alone(members: Members) -> Members:
    """Return the files that this run has read."""
    where = np.flatnonzero(members.numbers >= 0)
    blocks = members.blocks
    if blocks is not None:
        rank = np.full(len(members.numbers), -1, dtype=np.int64)
        rank[where] = np.arange(len(where))
        blocks = {path: _blocks_of(each, rank) for path, each in blocks.items()}
    return replace(
        members,
        numbers=members.numbers[where],
        positions=None if members.positions is None else members.positions[where],
        coordinates=None
        if members.coordinates is None
        else [members.coordinates[i] for i in where.tolist()],
        blocks=blocks,
    )


def _blocks_of(blocks: FileBlocks, rank: Integers) -> FileBlocks:
    new = rank[blocks.files]
    some = new >= 0
    return FileBlocks(new[some], blocks.origins[some], blocks.first[some], blocks.counts[some])


def _count(part: Part) -> int:
    return sum(len(members.numbers) for members in part.members)


def _empty(part: Part, holes: Collection[int]) -> int:
    """Return how many positions have no file but those that were removed."""
    empty = 0
    for members in part.members if holes else ():
        if members.positions is not None:
            files = members.positions[~np.isin(members.numbers, list(holes))]
            empty += len(np.unique(members.positions, axis=0)) - len(np.unique(files, axis=0))
    return empty


# ------------------------------------------------------------------------- comparison


def _as_planned(old: _Nodes, path: str, published: Published) -> bool:
    """Whether the repository has an array as the plan of its files has it."""
    planned, metadata = old.arrays[path], published.metadata(path)
    if metadata is None or any(metadata[name] != planned[name] for name in ("shape", "chunk_grid")):
        return False
    for members, _ in old.members[path]:
        for n, at in zip(members.numbers.tolist(), members.coordinates or (), strict=False):
            if published.coordinates.get(n, at) != tuple(at):
                return False
    columns = [joined(posixpath.dirname(path), name) for name in planned["dimension_names"]]
    return all(
        published.values(column) == list(old.columns[column].values)
        for column in columns
        if column in old.columns
    )


class _Pieces(NamedTuple):
    """The blocks of files that are chunks of one array, sorted by file and block."""

    files: Integers
    blocks: Integers
    """First block and number of blocks along each dimension; shape (pieces, 2 x dimensions)."""
    origins: Integers
    """The chunk that the first block is; shape (pieces, dimensions)."""

    def of(self, some: Integers) -> _Pieces:
        return _Pieces(self.files[some], self.blocks[some], self.origins[some])

    def chunks(self) -> Iterator[tuple[int, ...]]:
        """Yield the chunks of all pieces."""
        half = self.blocks.shape[1] // 2
        for origin, counts in zip(
            self.origins.tolist(), self.blocks[:, half:].tolist(), strict=True
        ):
            yield from product(
                *(range(at, at + count) for at, count in zip(origin, counts, strict=True))
            )


def _pieces(nodes: _Nodes, path: str) -> _Pieces:
    tables = []
    for members, own in nodes.members[path]:
        positions = members.positions
        if positions is None:
            positions = np.zeros((len(members.numbers), 0), dtype=np.int64)
        if members.blocks is None:
            counts = chunk_grid(nodes.arrays[path])[positions.shape[1] :]
            whole = np.tile(np.array(counts, dtype=np.int64), (len(positions), 1))
            blocks = FileBlocks(np.arange(len(positions)), 0 * whole, 0 * whole, whole)
        else:
            blocks = members.blocks[own]
        place = positions[blocks.files]
        first = np.concatenate([0 * place, blocks.first], axis=1)
        counts_of = np.concatenate([0 * place + 1, blocks.counts], axis=1)
        origins = np.concatenate([place, blocks.origins], axis=1)
        tables.append((members.numbers[blocks.files], np.hstack([first, counts_of]), origins))
    pieces = _Pieces(*(np.concatenate(columns) for columns in zip(*tables, strict=True)))
    return pieces.of(np.lexsort((*pieces.blocks.T[::-1], pieces.files)))


def _compared(
    old: _Nodes, new: _Nodes, path: str, *, cleared: Collection[int]
) -> tuple[set[int], Moves | None]:
    """Return the files whose references stay or are moved, and how; no moves if there are none.

    Those that are `cleared` stay without references.
    """
    was, will = _pieces(old, path), _pieces(new, path)
    common = np.intersect1d(was.files, will.files)
    before, after = (each.of(np.flatnonzero(np.isin(each.files, common))) for each in (was, will))
    rows = [np.column_stack([each.files, each.blocks]) for each in (before, after)]
    if rows[0].shape != rows[1].shape or (rows[0] != rows[1]).any():
        # of some files other blocks are shown
        table, counts = np.unique(np.concatenate(rows), axis=0, return_counts=True)
        common = np.setdiff1d(common, table[counts != 2, 0])
        before, after = (
            each.of(np.flatnonzero(np.isin(each.files, common))) for each in (before, after)
        )
    if not len(common):
        return set(), None
    half = before.origins.shape[1]
    spans = [
        (before.origins[:, axis], after.origins[:, axis], before.blocks[:, half + axis])
        for axis in range(half)
    ]
    numbers: Sequence[Integers] | None = None
    planned = [nodes.arrays[path] for nodes in (old, new)]
    if any((was_at != is_at).any() for was_at, is_at, _ in spans):
        each_axis = [_new_numbers(*of_axis) for of_axis in spans]
        numbers = [of_axis for of_axis in each_axis if of_axis is not None]
        if len(numbers) < half or planned[0]["chunk_grid"]["name"] != "regular":
            return set(), None
    if planned[0]["chunk_grid"]["name"] != planned[1]["chunk_grid"]["name"]:
        return set(), None
    lost = ~np.isin(was.files, np.setdiff1d(common, list(cleared)))
    chunks = was.of(np.flatnonzero(lost)).chunks()
    return set(common.tolist()), Moves(cleared=list(chunks), numbers=numbers)


def _new_numbers(was: Integers, will: Integers, counts: Integers) -> Integers | None:
    """Return the new number of each chunk along one axis; None if files do not agree in it."""
    spans = np.unique(np.stack([was, will, counts], axis=1), axis=0)
    numbers = np.full(int((was + counts).max()), -1, dtype=np.int64)
    for begin, to, count in spans.tolist():
        new = np.arange(to, to + count)
        at = numbers[begin : begin + count]
        if ((at != -1) & (at != new)).any():
            return None
        numbers[begin : begin + count] = new
    used = numbers[numbers >= 0]
    return numbers if len(np.unique(used)) == len(used) else None
