"""Files that are tiles (or bands) of one image, as one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.declared import declare, with_names
from virtual_tiff.publishing.planning.differing_attributes import (
    StackedAttributes,
    bind,
    columns_along_one,
    named_columns,
)
from virtual_tiff.publishing.planning.grid import DEFAULT_RULES, GridRules
from virtual_tiff.publishing.planning.mosaic import merge
from virtual_tiff.publishing.planning.names import NodeNames, described, variable_names
from virtual_tiff.publishing.planning.plan import (
    AttributeKey,
    Column,
    Dimension,
    GroupState,
    Integers,
    Members,
    Part,
    joined,
    with_dimension,
)
from virtual_tiff.publishing.planning.splitting import Joined
from virtual_tiff.publishing.planning.stack import GroupPlan, dimension_columns
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import Node, is_along, with_coordinates

__all__ = ["together"]


def together(  # noqa: PLR0913, PLR0915 (all that decides where files go; one story)
    catalogue: Catalogue,
    group: str,
    sets: Sequence[Files],
    axes: Sequence[str],
    *,
    rules: GridRules = DEFAULT_RULES,
    dimensions: Sequence[Dimension] = (),
    places: Sequence[Integers] = (),
) -> GroupPlan:
    """Put the files of each variable together along dimensions that they have, and new ones.

    `axes` are those of the files along which they are put together. The new dimensions stand before
    those of the files; `places` has, for each of `sets`, the position of each file along each of
    them, shape (files, new dimensions).

    Attributes that all files share are kept. Those that vary along one new dimension alone become
    coordinates along it, and the others are left out.
    """
    groups: dict[str, JSON] = {}
    arrays: dict[str, JSON] = {}
    inline: dict[str, tuple[JSON, bytes]] = {}
    members = []
    differing: list[_Differing] = []
    dropped: dict[str, str] = {}
    taken = NodeNames()
    axes_of: dict[str, tuple[str, ...]] = {}
    holes = False
    counts = [len(dimension.values) for dimension in dimensions]
    missing = covered = 0
    shift = 0.0
    for n, files in enumerate(sets):
        positions = None
        if dimensions:
            positions = np.ravel_multi_index(tuple(places[n].T), counts).astype(np.int64)
            missing += prod(counts) - len(np.unique(positions))
        merged = merge(catalogue, files, axes, rules, positions)
        shift, covered = max(shift, merged.shift), covered + merged.covered
        names = variable_names(merged.template, files.variable)
        paths = {path: joined(group, name) for path, name in names.items()}
        dropped |= {joined(group, path): why for path, why in merged.dropped.items()}
        shared = _shared(catalogue, files, axes)
        for path, attributes in merged.template.groups.items():
            constant, _ = shared.get(Node("group", path), ({}, ()))
            taken.add_group(joined(group, path), f"the group {path or '/'} of the files")
            groups[joined(group, path)] = attributes | constant
        for path, metadata in merged.template.arrays.items():
            constant, _ = shared.get(Node("array", path), ({}, ()))
            attributes = metadata["attributes"] | constant
            attributes, coordinates = with_coordinates(paths[path], attributes, inline)
            for each in coordinates:
                taken.add_coordinate(each, *inline[each])
            array = metadata | {"attributes": attributes}
            for dimension in reversed(dimensions):
                if dimension.name in array["dimension_names"]:
                    msg = f"concat {dimension.name!r} is a dimension of the files already"
                    raise ValueError(msg)
                array = with_dimension(array, dimension.name, len(dimension.values))
            taken.add_array(paths[path], described(path, files.variable), array)
            arrays[paths[path]] = array
        for path, coordinate in merged.template.inline.items():
            data = merged.data[path]
            taken.add_coordinate(joined(group, path), coordinate.metadata, data)
            inline[joined(group, path)] = (coordinate.metadata, data)
        axes_of |= {paths[path]: along for path, along in merged.template.axes.items()}
        holes |= merged.holes
        nodes = {Node("array", path): Node("array", to) for path, to in paths.items()} | {
            Node("group", path): Node("group", joined(group, path))
            for path in merged.template.groups
        }
        names_of = {node: names for node, (_, names) in shared.items() if node in nodes}
        differing.append(_Differing(files, places[n] if dimensions else None, nodes, names_of))
        values = [files.along(dimension.name).values for dimension in dimensions]
        members.append(
            Members(
                group=group,
                variable=files.variable,
                numbers=files.numbers,
                paths=paths,
                positions=places[n] if dimensions else None,
                coordinates=None if axes else list(zip(*values, strict=True)),
                blocks=merged.blocks if axes else None,
            )
        )
    if (grid := catalogue.grid(sets[0])) is not None:
        declare(grid, arrays, inline, axes_of, holes=holes)
    columns, left_out = _columns(catalogue, differing, dimensions, arrays, taken)
    if grid is not None:
        columns = [with_names(grid, column) for column in columns]
    taken.check()
    return GroupPlan(
        group=group,
        part=Part(
            groups=groups,
            arrays=arrays,
            inline=inline,
            columns=columns,
            members=members,
        ),
        state=GroupState(
            templates={files.variable: catalogue.text(int(files.templates[0])) for files in sets}
        ),
        left_out=left_out,
        missing=missing,
        dropped=dropped,
        covered=covered,
        shift=shift,
        joined=[Joined(array, len(dimensions), axes) for array in arrays.values()],
    )


@dataclass(frozen=True, slots=True)
class _Differing:
    """The attributes in which the files of a variable differ."""

    files: Files
    places: Integers | None
    nodes: Mapping[Node, Node]
    """By node of the files: the node of the repository."""
    names: Mapping[Node, Sequence[str]]
    """By node of the files."""


def _columns(
    catalogue: Catalogue,
    differing: Sequence[_Differing],
    dimensions: Sequence[Dimension],
    arrays: dict[str, JSON],
    taken: NodeNames,
) -> tuple[list[Column], dict[str, tuple[str, ...]]]:
    """Make the coordinates of new dimensions, and those of attributes that vary along one of them.

    The arrays list these coordinates from now on. The names of all other attributes that differ are
    returned too, by path of the node.
    """
    columns: list[Column] = []
    for dimension in dimensions:
        coordinates = dimension_columns(dimension, arrays)
        taken.add_columns(coordinates, f"the coordinate of the new dimension {dimension.name!r}")
        columns += coordinates
    varying = [StackedAttributes() for _ in dimensions]
    others: set[AttributeKey] = set()
    for each in differing:
        others |= {
            AttributeKey(each.nodes[node], name) for node in each.names for name in each.names[node]
        }
        if each.places is None:
            continue
        numbers = each.files.loose
        loose = {number: catalogue.loose(number) for number in set(numbers.tolist())}
        sizes = [len(dimension.values) for dimension in dimensions]
        along = columns_along_one(each.names, loose, numbers, each.places, sizes)
        for (node, name), (at, column) in along.items():
            if node.kind == "array" or len(differing) == 1:  # variables share their groups
                varying[at].varying[AttributeKey(each.nodes[node], name)] = column
    for dimension, stacked in zip(dimensions, varying, strict=True):
        along_one, named = named_columns(stacked, dimension.name, {}, taken.reserved(), 0)
        taken.add_columns(along_one, "the coordinate of an attribute of the files")
        columns += along_one
        bind(arrays, named)
        others -= set(named)
    left_out: dict[str, tuple[str, ...]] = {}
    for key in sorted(others):
        left_out[key.node.path] = (*left_out.get(key.node.path, ()), key.name)
    return columns, left_out


def _shared(
    catalogue: Catalogue, files: Files, axes: Sequence[str]
) -> Mapping[Node, tuple[JSON, tuple[str, ...]]]:
    """Divide the loose attributes into those that all files have and the names of the others.

    Coordinates along `axes`, where files are put together, are each of the planes of one file.
    """
    loose = [catalogue.loose(n) for n in set(files.loose.tolist())]
    shared = {}
    for node in dict.fromkeys(node for attributes in loose for node in attributes):
        own = [attributes.get(node, {}) for attributes in loose]
        constant = {
            name: value
            for name, value in own[0].items()
            if all(name in other and other[name] == value for other in own)
            and not is_along(value, axes)
        }
        names = {name for other in own for name in other} - set(constant)
        shared[node] = (constant, tuple(sorted(names)))
    return shared
