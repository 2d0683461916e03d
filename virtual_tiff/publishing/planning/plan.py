"""The plan of a commit, as plain data: every rule of arranging is testable without a repository."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.reading.record import Node
from virtual_tiff.publishing.reading.spool import LedgerRow
from virtual_tiff.publishing.result import PublishedArray

__all__ = [
    "AttributeKey",
    "Column",
    "Dimension",
    "Existing",
    "FileBlocks",
    "GroupState",
    "Integers",
    "Members",
    "Part",
    "Plan",
    "document",
    "joined",
    "parents",
    "with_dimension",
]

type Integers = NDArray[np.int64]


class AttributeKey(NamedTuple):
    """An attribute of a node of the repository."""

    node: Node
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A coordinate along the new dimension: one value for each of its positions."""

    path: str
    dimension: str
    data_type: str
    """int64, float64 or string."""
    values: Sequence[Any]
    """At all positions, those that are published already too."""
    attributes: JSON = field(default_factory=dict)
    changed: int = 0
    """The first position whose value is not what it was."""

    @property
    def array(self) -> PublishedArray:
        """What the array will be."""
        return PublishedArray(
            path=self.path,
            shape=(len(self.values),),
            dimensions=(self.dimension,),
            data_type=self.data_type,
            references=0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A new dimension of a cube, along which files are put by their values."""

    name: str
    kind: str
    """time, int, float or text; none if its positions have no values."""
    values: Sequence[Any]
    """Of all positions, in their order; times in microseconds since 1970."""


class FileBlocks(NamedTuple):
    """The blocks of files that are chunks of one array, in pieces that are rectangles.

    All but the first have the shape (pieces, dimensions of the files).
    """

    files: Integers
    """The place of each piece's file among the files, ascending."""
    origins: Integers
    """The chunk that the first block of a piece is."""
    first: Integers
    """That block."""
    counts: Integers
    """Blocks of a piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Files whose arrays go to the same arrays of the repository."""

    group: str
    """Their group in the ledger."""
    variable: str
    numbers: Integers
    """Of the items."""
    paths: Mapping[str, str]
    """By path in the file: the array of the repository."""
    positions: Integers | None = None
    """Along the new dimensions, which stand first; shape (files, new dimensions). None if there is
    none."""
    coordinates: Sequence[tuple[Any, ...]] | None = None
    """The place of each file among all others: its values along the new dimensions. None if files
    share them, as tiles do."""
    blocks: Mapping[str, FileBlocks] | None = None
    """By path in the file: which blocks are chunks, and where; None if all are, from the first
    chunk on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Groups and arrays that are written together."""

    groups: Mapping[str, JSON]
    """Attributes by path."""
    arrays: Mapping[str, JSON]
    """`zarr.json` by path, of arrays whose chunks lie in files."""
    inline: Mapping[str, tuple[JSON, bytes]] = field(default_factory=dict)
    """`zarr.json` and the one chunk of others."""
    columns: Sequence[Column] = ()
    members: Sequence[Members] = ()
    removed: Sequence[str] = ()
    """Paths of coordinates that are published, and no longer those of all files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is to be written."""

    parts: Iterator[Part]
    """Made one after another: a group for each of a million files is not held at once."""
    files: int
    how: str
    """In words, for the commit's message."""
    states: Mapping[str, GroupState] = field(default_factory=dict)
    """By path of the group: what the ledger keeps for the next files."""
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By path: attributes in which the stacked files differ, and that are no coordinates."""
    missing: int = 0
    """Positions of stacks that have no file: they read as the fill value."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """By path: overviews that are left out as they do not fit, and why."""
    covered: int = 0
    """Files of which nothing is shown, as others lie upon them."""
    shift: float = 0.0
    """The largest distance of a file from the common grid, in pixels."""
    splits: Mapping[str, int] = field(default_factory=dict)
    """By dimension: along how many chunks references are kept in one manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """A group that several files share, as the ledger keeps it for the next files.

    Tiles, bands and cubes of several new dimensions keep templates alone: they are always arranged
    anew, of the records of all files.
    """

    templates: Mapping[str, str] = field(default_factory=dict)
    """By variable: the text of a file's template."""
    coordinates: tuple[str, ...] = ()
    """Paths of the coordinate of the new dimension, in each group of arrays."""
    kind: str = ""
    """Of that coordinate."""
    size: int = 0
    """Positions along the new dimension."""
    constant: Mapping[Node, JSON] = field(default_factory=dict)
    """Loose attributes that are the same in all files."""
    columns: Mapping[AttributeKey, str] = field(default_factory=dict)
    """Paths of the coordinates that attributes have become."""
    left_out: tuple[AttributeKey, ...] = ()
    """Attributes in which the files differ, and that cannot be coordinates."""


def joined(group: str, path: str) -> str:
    """Return the path of a node within a group; "" is the root, or the group itself."""
    return f"{group}/{path}" if group and path else group or path


def parents(path: str) -> list[str]:
    """Return the groups above a node, the root first."""
    above = []
    while path:
        path = posixpath.dirname(path)
        above.append(path)
    return above[::-1]


def document(metadata: JSON) -> bytes:
    """Return the text of a `zarr.json`."""
    return json.dumps(metadata, allow_nan=False).encode()


def with_dimension(metadata: JSON, dimension: str, count: int) -> JSON:
    """Put a dimension in front, one chunk for each of its positions."""

    def shifted(codec: JSON) -> JSON:
        """Renumber the axes that a codec names from the front."""
        configuration = dict(codec.get("configuration", {}))
        if "order" in configuration and codec["name"] == "transpose":
            configuration["order"] = [0, *(axis + 1 for axis in configuration["order"])]
        if isinstance(axis := configuration.get("axis"), int) and axis >= 0:
            configuration["axis"] = axis + 1
        if codec["name"] == "virtual_tiff.crop":
            configuration["block_shape"] = [1, *configuration["block_shape"]]
            configuration["parts"] = [{}, *configuration["parts"]]
        return {**codec, "configuration": configuration}

    grid = metadata["chunk_grid"]
    configuration = grid["configuration"]
    if grid["name"] == "regular":
        lengths = {"chunk_shape": [1, *configuration["chunk_shape"]]}
    else:
        lengths = {"chunk_shapes": [[[1, count]], *configuration["chunk_shapes"]]}
    return metadata | {
        "shape": [count, *metadata["shape"]],
        "chunk_grid": {"name": grid["name"], "configuration": configuration | lengths},
        "codecs": [shifted(codec) for codec in metadata["codecs"]],
        "dimension_names": [dimension, *metadata["dimension_names"]],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """The groups and files that are published already."""

    states: Mapping[str, GroupState] = field(default_factory=dict)
    """By path of the group."""
    templates: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By path of the group and by variable: the text of a file's template, by which others find
    their group."""
    group_of: Mapping[str, str] = field(default_factory=dict)
    """By url: the group of a file that has changed, where each file has its own."""
    groups: AbstractSet[str] = frozenset()
    """The groups of all published files, where each has its own."""
    nodes: AbstractSet[str] = frozenset()
    """The same, with all groups above them and all nodes within them."""
    columns: Mapping[str, list[Any]] = field(default_factory=dict)
    """Values of the coordinates along new dimensions, by path."""
    earlier: Mapping[int, LedgerRow] = field(default_factory=dict)
    """By item: the rows of files that have changed since they were published."""
    taken: Mapping[tuple[str, str], AbstractSet[int]] = field(default_factory=dict)
    """By group and variable: the positions that have a file. Iteration reads the whole ledger; `&`
    looks up some positions, and costs by them."""
