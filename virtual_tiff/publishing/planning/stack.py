"""Files stacked along a new first dimension, one array (or several variables) a group."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import MisfitError, NotAtTheEndError, PublishError
from virtual_tiff.publishing.planning.differing_attributes import (
    StackedAttributes,
    bind,
    named_columns,
    take,
)
from virtual_tiff.publishing.planning.names import NodeNames, described, variable_names
from virtual_tiff.publishing.planning.plan import (
    AttributeKey,
    Column,
    Dimension,
    Existing,
    GroupState,
    Integers,
    Members,
    Part,
    joined,
    with_dimension,
)
from virtual_tiff.publishing.planning.splitting import Joined
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files, shown
from virtual_tiff.publishing.reading.record import Inline, Node, Template, with_coordinates
from virtual_tiff.sources.listings import natural
from virtual_tiff.tiff import redacted

__all__ = ["GroupPlan", "Stack", "check_one_a_position", "dimension_columns", "in_order", "stack"]

_UNITS = {"units": "microseconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian"}
"""CF 1.11, 4.4; the finest that Python's times have, so that any can be appended."""

_TYPES = {"time": "int64", "int": "int64", "float": "float64", "text": "string"}


@dataclass(slots=True, kw_only=True)
class Stack:
    """A stack as it is published already; of a new one nothing is."""

    group: str
    dimension: str
    size: int = 0
    kind: str = ""
    """Of its coordinates; "" if nothing is published."""
    values: list[Any] = field(default_factory=list)
    """Coordinates of all positions; none if it has none."""
    taken: dict[str, AbstractSet[int]] = field(default_factory=dict)
    """By variable: positions that have a file."""
    attributes: StackedAttributes = field(default_factory=StackedAttributes)
    names: Mapping[AttributeKey, str] = field(default_factory=dict)
    """Paths of the coordinates that attributes became."""

    @classmethod
    def of(cls, group: str, dimension: str, state: GroupState | None, existing: Existing) -> Stack:
        """Return the published stack of a group; None for `state` begins a new one."""
        if state is None:
            return cls(group=group, dimension=dimension)
        coordinate = next((path for path in state.coordinates if path in existing.columns), None)
        return cls(
            group=group,
            dimension=dimension,
            size=state.size,
            kind=state.kind,
            values=list(existing.columns[coordinate]) if coordinate else [],
            taken={
                variable: existing.taken[group, variable]
                for variable in state.templates
                if (group, variable) in existing.taken
            },
            attributes=StackedAttributes(
                constant={node: dict(attributes) for node, attributes in state.constant.items()},
                varying={key: list(existing.columns[path]) for key, path in state.columns.items()},
                left_out=set(state.left_out),
            ),
            names=state.columns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """A part of the plan, and the state of its group for the next files."""

    group: str
    part: Part
    state: GroupState
    left_out: Mapping[str, tuple[str, ...]]
    missing: int
    dropped: Mapping[str, str] = field(default_factory=dict)
    """By path: overviews that are left out, and why."""
    covered: int = 0
    """Files of which nothing is shown, as others lie upon them."""
    shift: float = 0.0
    """The largest distance of a file from the common grid, in pixels."""
    joined: Sequence[Joined]
    """Its arrays, and how they are made of files."""


def dimension_columns(
    dimension: Dimension, arrays: Iterable[str], changed: int = 0
) -> list[Column]:
    """Return the coordinate of a new dimension, in each group that has arrays along it."""
    if dimension.kind == "none":
        return []
    return [
        Column(
            path=joined(group, dimension.name),
            dimension=dimension.name,
            data_type=_TYPES[dimension.kind],
            values=dimension.values,
            attributes=dict(_UNITS) if dimension.kind == "time" else {},
            changed=changed,
        )
        for group in dict.fromkeys(posixpath.dirname(path) for path in arrays)
    ]


def stack(
    catalogue: Catalogue,
    sets: Sequence[tuple[Files, Template]],
    old: Stack,
    texts: Mapping[str, str],
    shared: Collection[Any] = (),
) -> GroupPlan:
    """Lay out files, for each variable with their template, along a dimension.

    `old` is the stack that is published already, `texts` are the templates of all variables, as
    they are kept, and `shared` coordinates that the dimension has beside those of these files.
    """
    values, placed = _positions(catalogue, [files for files, _ in sets], old, shared)
    size = max([old.size, len(values), *(int(p.max()) + 1 for p in placed if len(p))])
    layout = _StackLayout(catalogue, old, size)
    for (files, template), positions in zip(sets, placed, strict=True):
        layout.add(files, template, positions)
    return layout.finished(values, sets[0][0].along(old.dimension).kind, texts)


def _positions(
    catalogue: Catalogue,
    sets: Sequence[Files],
    old: Stack,
    shared: Collection[Any],
) -> tuple[list[Any], list[Integers]]:
    """Return the coordinates of all positions, and the position of each file."""
    kind = sets[0].along(old.dimension).kind
    if old.kind and kind != old.kind:
        msg = (
            f"the published coordinates of {old.dimension} are of the kind {old.kind!r}, those of"
            f" the new files of the kind {kind!r}; give time or values as before"
        )
        raise PublishError(msg)
    if kind == "none":
        # after those that are published
        firsts = [len(old.taken.get(files.variable, ())) for files in sets]
        return [], [n + np.arange(len(files)) for n, files in zip(firsts, sets, strict=True)]
    given = [files.along(old.dimension).values for files in sets]
    new = {value for column in (*given, shared) for value in column} - set(old.values)
    added = in_order(new, kind)
    last = in_order(old.values, kind)[-1:]
    if added and in_order([*last, added[0]], kind)[-1] != added[0]:
        raise NotAtTheEndError
    values = [*old.values, *added]
    where = {value: position for position, value in enumerate(values)}
    placed = []
    check_one_a_position(catalogue, sets, [old.dimension])
    for files, column in zip(sets, given, strict=True):
        positions = np.array([where[value] for value in column], dtype=np.int64)
        _check_free(catalogue, files, positions, old, values)
        placed.append(positions)
    return values, placed


def check_one_a_position(
    catalogue: Catalogue, sets: Sequence[Files], dimensions: Sequence[str]
) -> None:
    """Refuse two files of one variable with the same coordinates along new dimensions.

    A MisfitError names the first ones.
    """
    twice = []
    misfits = {}
    for files in sets:
        first: dict[Any, int] = {}
        kinds, columns = zip(*(files.along(name) for name in dimensions), strict=True)
        for n, *values in zip(files.numbers.tolist(), *columns, strict=True):
            if (other := first.setdefault(tuple(values), n)) != n:
                names = (redacted(catalogue.spool.name(each)) for each in (other, n))
                of = f" of {files.variable}" if files.variable else ""
                position = zip(dimensions, values, kinds, strict=True)
                at = ", ".join(f"{name} {shown(value, kind)}" for name, value, kind in position)
                first_name, name = names
                twice.append(f"\n  {first_name} and {name} are both{of} at {at}")
                # a published file stays, and else the first one
                misfits[other if n < 0 <= other else n] = (
                    f"it has the position of {first_name}: {at}"
                )
    if twice:
        more = f"\n  and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
        msg = (
            f"two files have the same position:{''.join(twice[:_SHOWN])}{more}\nImages of several"
            " places need a group each (group=PATTERN, or layout='group per signature'), or are"
            " tiles (concat='y,x', or concat='time,y,x'); several images of one time need a"
            " variable each (variable=PATTERN). Or publish only the first of each position"
            " (on_error='skip')."
        )
        raise MisfitError(msg, misfits)


_SHOWN = 10
"""Pairs of files that an error names."""


def in_order(values: Collection[Any], kind: str) -> list[Any]:
    """Return coordinates in the order that they have along a new dimension."""
    return sorted(values, key=(lambda text: (natural(text), text)) if kind == "text" else None)


def _check_free(
    catalogue: Catalogue, files: Files, positions: Integers, old: Stack, values: Sequence[Any]
) -> None:
    """Refuse a file whose position is that of another one, published already."""
    taken = old.taken.get(files.variable, frozenset()) & set(positions.tolist())
    kind = files.along(old.dimension).kind
    misfits = {
        n: f"another file is published already at {old.dimension} {shown(values[position], kind)}"
        for n, position in zip(files.numbers.tolist(), positions.tolist(), strict=True)
        if position in taken
    }
    for n, why in misfits.items():
        msg = f"{redacted(catalogue.spool.name(n))}: {why}"
        raise MisfitError(msg, misfits)


class _StackLayout:
    """Gathers the groups and arrays of a stack, variable by variable."""

    def __init__(self, catalogue: Catalogue, old: Stack, size: int) -> None:
        self._catalogue = catalogue
        self._old = old
        self._size = size
        self._names = NodeNames()
        self._groups: dict[str, JSON] = {}
        self._arrays: dict[str, JSON] = {}
        self._inline: dict[str, Inline] = {}
        self._written: set[str] = set()
        """Paths of inline arrays that are published already."""
        self._members: list[Members] = []
        self._missing = 0
        self._changed = old.size
        self._published_coordinates = self._coordinates_of_bands()

    def add(self, files: Files, template: Template, positions: Integers) -> None:
        """Add a variable."""
        old, group = self._old, self._old.group
        names = variable_names(template, files.variable)
        paths = {path: joined(group, name) for path, name in names.items()}
        for path, attributes in template.groups.items():
            self._names.add_group(joined(group, path), f"the group {path or '/'} of the files")
            self._groups.setdefault(joined(group, path), dict(attributes))
        for path, metadata in template.arrays.items():
            self._add_array(paths[path], metadata, described(path, files.variable))
        for path, inline in template.inline.items():
            self._names.add_coordinate(joined(group, path), inline.metadata, inline.digest)
            self._inline.setdefault(joined(group, path), inline)
            if files.variable in old.taken:
                self._written.add(joined(group, path))
        nodes = {Node("array", p): Node("array", to) for p, to in paths.items()}
        nodes |= {Node("group", p): Node("group", joined(group, p)) for p in template.groups}
        nodes |= {Node("inline", p): Node("inline", joined(group, p)) for p in template.inline}
        loose = {n: self._catalogue.loose(n) for n in set(files.loose.tolist())}
        of_files = [
            (position, loose[n])
            for position, n in zip(positions.tolist(), files.loose.tolist(), strict=True)
        ]
        taken = old.taken.get(files.variable, frozenset())
        take(old.attributes, nodes, of_files, size=self._size, before=taken)
        along = files.along(old.dimension).values
        if len(positions):
            self._changed = min(self._changed, int(positions.min()))
        self._members.append(
            Members(
                group=group,
                variable=files.variable,
                numbers=files.numbers,
                paths=paths,
                positions=positions[:, None],
                coordinates=[(value,) for value in along or positions.tolist()],
            )
        )
        new = set(positions.tolist())
        self._missing += self._size - len(taken) - len(new - (taken & new))

    def _add_array(self, path: str, metadata: JSON, what: str) -> None:
        if self._old.dimension in metadata["dimension_names"]:
            msg = f"concat {self._old.dimension!r} is a dimension of the files already"
            raise ValueError(msg)
        self._arrays[path] = with_dimension(metadata, self._old.dimension, self._size)
        self._names.add_array(path, what, self._arrays[path])

    def finished(self, values: Sequence[Any], kind: str, texts: Mapping[str, str]) -> GroupPlan:
        """Return the plan of the group, after all variables were added."""
        old, attributes = self._old, self._old.attributes
        coordinates = self._coordinates_of_bands()
        for path, (metadata, data_of_path) in coordinates.items():
            self._names.add_coordinate(path, metadata, data_of_path)
        dimension = Dimension(name=old.dimension, kind=kind, values=values)
        dimensions = dimension_columns(dimension, self._arrays, old.size)
        self._names.add_columns(
            dimensions, f"the coordinate of the new dimension {old.dimension!r}"
        )
        taken = self._names.reserved()
        columns, names = named_columns(attributes, old.dimension, old.names, taken, self._changed)
        self._names.add_columns(columns, "the coordinate of an attribute of the files")
        self._names.check()
        self._attach(names, coordinates)
        data = self._catalogue.spool.data
        part = Part(
            groups=self._groups,
            arrays=self._arrays,
            inline={
                path: (inline.metadata, data(inline.digest))
                for path, inline in self._inline.items()
                if path not in self._written
            }
            | {
                path: coordinate
                for path, coordinate in coordinates.items()
                if self._published_coordinates.get(path) != coordinate
            },
            columns=[*dimensions, *columns],
            members=self._members,
            removed=sorted({*self._published_coordinates} - {*coordinates}),
        )
        left_out: dict[str, list[str]] = {}
        for key in sorted(attributes.left_out):
            left_out.setdefault(key.node.path, []).append(key.name)
        return GroupPlan(
            group=old.group,
            part=part,
            state=GroupState(
                templates=dict(texts),
                coordinates=tuple(column.path for column in dimensions),
                kind=kind,
                size=self._size,
                constant=attributes.constant,
                columns=names,
                left_out=tuple(sorted(attributes.left_out)),
            ),
            left_out={path: tuple(names) for path, names in left_out.items()},
            missing=self._missing,
            joined=[Joined(array, new=1) for array in self._arrays.values()],
        )

    def _coordinates_of_bands(self) -> dict[str, tuple[JSON, bytes]]:
        """Return the coordinates that say something of each band, and are those of all files."""
        coordinates: dict[str, tuple[JSON, bytes]] = {}
        for (kind, path), attributes in self._old.attributes.constant.items():
            if kind == "array":
                with_coordinates(path, attributes, coordinates)
        return coordinates

    def _attach(
        self, names: Mapping[AttributeKey, str], coordinates: dict[str, tuple[JSON, bytes]]
    ) -> None:
        """Give each node its attributes; bind the new coordinates to the arrays."""
        for (kind, path), attributes in self._old.attributes.constant.items():
            if kind == "group":
                self._groups[path] = {**self._groups[path], **attributes}
            elif kind == "array":
                metadata = self._arrays[path]
                merged = metadata["attributes"] | attributes
                merged, _ = with_coordinates(path, merged, coordinates)
                self._arrays[path] = metadata | {"attributes": merged}
        bind(self._arrays, names)
