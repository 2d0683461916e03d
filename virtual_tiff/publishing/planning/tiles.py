"""Files that are tiles (or bands) of one image, as one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.mosaic import merge
from virtual_tiff.publishing.planning.names import NodeNames, described, variable_names
from virtual_tiff.publishing.planning.plan import (
    Dimension,
    GroupState,
    Integers,
    Members,
    Part,
    joined,
)
from virtual_tiff.publishing.planning.stack import GroupPlan
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import Node

__all__ = ["together"]


def together(
    catalogue: Catalogue,
    group: str,
    sets: Sequence[Files],
    axes: Sequence[str],
    *,
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
    dimensions
        The new ones, which stand before those of the files.
    places
        For each of `sets` the position of each file along each new dimension; shape (files, new
        dimensions).

    Attributes that all files share are kept, the others are left out: there is no new
    dimension whose coordinates they could be.
    """
    if dimensions or places:
        raise NotImplementedError
    groups: dict[str, JSON] = {}
    arrays: dict[str, JSON] = {}
    inline: dict[str, tuple[JSON, bytes]] = {}
    members = []
    left_out: dict[str, tuple[str, ...]] = {}
    taken = NodeNames()
    for files in sets:
        merged = merge(catalogue, files, axes)
        names = variable_names(merged.template, files.variable)
        paths = {path: joined(group, name) for path, name in names.items()}
        shared = _shared(catalogue, files)
        for path, attributes in merged.template.groups.items():
            constant, differing = shared.get(Node("group", path), ({}, ()))
            taken.add_group(joined(group, path), f"the group {path or '/'} of the files")
            groups[joined(group, path)] = attributes | constant
            left_out |= {joined(group, path): differing} if differing else {}
        for path, metadata in merged.template.arrays.items():
            constant, differing = shared.get(Node("array", path), ({}, ()))
            taken.add_array(paths[path], described(path, files.variable), metadata)
            attributes = metadata["attributes"] | constant
            arrays[paths[path]] = metadata | {"attributes": attributes}
            left_out |= {paths[path]: differing} if differing else {}
        for path, coordinate in merged.template.inline.items():
            data = merged.data[path]
            taken.add_coordinate(joined(group, path), coordinate.metadata, data)
            inline[joined(group, path)] = (coordinate.metadata, data)
        members.append(
            Members(
                group=group,
                variable=files.variable,
                numbers=files.numbers,
                paths=paths,
                origins=merged.origins,
            )
        )
    taken.check()
    return GroupPlan(
        group=group,
        part=Part(groups=groups, arrays=arrays, inline=inline, members=members),
        state=GroupState(),
        left_out=left_out,
        missing=0,
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
