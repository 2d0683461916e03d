"""Files that are tiles (or bands) of one image, as one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.declared import declare, with_names
from virtual_tiff.publishing.planning.grid import DEFAULT_RULES, GridRules
from virtual_tiff.publishing.planning.mosaic import merge
from virtual_tiff.publishing.planning.names import NodeNames, described, variable_names
from virtual_tiff.publishing.planning.plan import (
    Dimension,
    GroupState,
    Integers,
    Members,
    Part,
    joined,
    with_dimension,
)
from virtual_tiff.publishing.planning.stack import GroupPlan, dimension_columns
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import Node

__all__ = ["together"]


def together(  # noqa: PLR0913 (all that decides where files go)
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

    Parameters
    ----------
    catalogue
        That has the files.
    group
        Where they go.
    sets
        The files of each variable.
    axes
        Those of the files along which they are put together.
    rules
        How the files may lie.
    dimensions
        The new ones, which stand before those of the files.
    places
        For each of `sets` the position of each file along each new dimension; shape (files, new
        dimensions).

    Attributes that all files share are kept, the others are left out: there is no new
    dimension whose coordinates they could be.
    """
    groups: dict[str, JSON] = {}
    arrays: dict[str, JSON] = {}
    inline: dict[str, tuple[JSON, bytes]] = {}
    members = []
    left_out: dict[str, tuple[str, ...]] = {}
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
        shared = _shared(catalogue, files)
        for path, attributes in merged.template.groups.items():
            constant, differing = shared.get(Node("group", path), ({}, ()))
            taken.add_group(joined(group, path), f"the group {path or '/'} of the files")
            groups[joined(group, path)] = attributes | constant
            left_out |= {joined(group, path): differing} if differing else {}
        for path, metadata in merged.template.arrays.items():
            constant, differing = shared.get(Node("array", path), ({}, ()))
            attributes = metadata["attributes"] | constant
            array = metadata | {"attributes": attributes}
            for dimension in reversed(dimensions):
                if dimension.name in array["dimension_names"]:
                    msg = f"concat {dimension.name!r} is a dimension of the files already"
                    raise ValueError(msg)
                array = with_dimension(array, dimension.name, len(dimension.values))
            taken.add_array(paths[path], described(path, files.variable), array)
            arrays[paths[path]] = array
            left_out |= {paths[path]: differing} if differing else {}
        for path, coordinate in merged.template.inline.items():
            data = merged.data[path]
            taken.add_coordinate(joined(group, path), coordinate.metadata, data)
            inline[joined(group, path)] = (coordinate.metadata, data)
        axes_of |= {paths[path]: along for path, along in merged.template.axes.items()}
        holes |= merged.holes
        members.append(
            Members(
                group=group,
                variable=files.variable,
                numbers=files.numbers,
                paths=paths,
                positions=places[n] if dimensions else None,
                blocks=merged.blocks if axes else None,
            )
        )
    columns = [
        column for dimension in dimensions for column in dimension_columns(dimension, arrays)
    ]
    if (grid := catalogue.grid(sets[0])) is not None:
        declare(grid, arrays, inline, axes_of, holes=holes)
        columns = [with_names(grid, column) for column in columns]
    for column in columns:
        taken.add_array(
            column.path,
            f"the coordinate of the new dimension {column.dimension!r}",
            {"dimension_names": [column.dimension], "shape": [len(column.values)]},
        )
    taken.check()
    return GroupPlan(
        group=group,
        part=Part(groups=groups, arrays=arrays, inline=inline, columns=columns, members=members),
        state=GroupState(),
        left_out=left_out,
        missing=missing,
        dropped=dropped,
        covered=covered,
        shift=shift,
    )


def _shared(catalogue: Catalogue, files: Files) -> Mapping[Node, tuple[JSON, tuple[str, ...]]]:
    """Divide the loose attributes into those that all files have and the names of the others."""
    loose = [catalogue.loose(n) for n in set(files.loose.tolist())]
    shared = {}
    for node in dict.fromkeys(node for attributes in loose for node in attributes):
        own = [attributes.get(node, {}) for attributes in loose]
        constant = {
            name: value
            for name, value in own[0].items()
            if all(name in other and other[name] == value for other in own)
        }
        names = {name for other in own for name in other} - set(constant)
        shared[node] = (constant, tuple(sorted(names)))
    return shared
