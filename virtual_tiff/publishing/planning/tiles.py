"""Files that are tiles (or bands) of one image, as one array."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.mosaic import Merged, merge
from virtual_tiff.publishing.planning.names import NodeNames, described, variable_names
from virtual_tiff.publishing.planning.plan import Members, Part, joined
from virtual_tiff.publishing.planning.stack import Stacked
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files

__all__ = ["together"]


def together(
    catalogue: Catalogue, place: str, sets: Sequence[Files], axes: Sequence[str]
) -> Stacked:
    """Put the files of each variable together along dimensions that they have.

    Attributes that all files share are kept, the others are left out: there is no new
    dimension whose coordinates they could be.
    """
    groups: dict[str, JSON] = {}
    arrays: dict[str, JSON] = {}
    inline: dict[str, tuple[JSON, bytes]] = {}
    members = []
    left_out: dict[str, tuple[str, ...]] = {}
    taken = NodeNames()
    for files in sets:
        merged = merge(catalogue, files, axes)
        names = variable_names(merged.template, files.variable)
        paths = {path: joined(place, name) for path, name in names.items()}
        shared = _shared(catalogue, files)
        for path, attributes in merged.template.groups.items():
            constant, differing = shared.get(f"g:{path}", ({}, ()))
            taken.add_group(joined(place, path), f"the group {path or '/'} of the files")
            groups[joined(place, path)] = attributes | constant
            left_out |= {joined(place, path): differing} if differing else {}
        for path, metadata in merged.template.arrays.items():
            constant, differing = shared.get(f"a:{path}", ({}, ()))
            taken.add_array(paths[path], described(path, files.variable), metadata)
            attributes = metadata["attributes"] | constant
            arrays[paths[path]] = metadata | {"attributes": attributes}
            left_out |= {paths[path]: differing} if differing else {}
        _add_inline(inline, place, merged, taken)
        members.append(
            Members(
                place=place,
                variable=files.variable,
                numbers=files.numbers,
                paths=paths,
                origins=merged.origins,
            )
        )
    taken.check()
    return Stacked(
        place=place,
        part=Part(groups=groups, arrays=arrays, inline=inline, members=members),
        kept={"dimension": list(axes), "templates": {}},
        left_out=left_out,
        missing=0,
    )


def _add_inline(
    inline: dict[str, tuple[JSON, bytes]], place: str, merged: Merged, taken: NodeNames
) -> None:
    for path, found in merged.template.inline.items():
        one = (found.metadata, merged.data[path])
        if joined(place, path) not in inline:
            what = f"the coordinate {path} of the files"
            taken.add_array(joined(place, path), what, found.metadata)
        if inline.setdefault(joined(place, path), one) != one:
            msg = (
                f"the variables differ in the coordinate {path}; publish each in a group of its"
                " own: layout='group per variable' (--layout)"
            )
            raise PublishError(msg)


def _shared(catalogue: Catalogue, files: Files) -> Mapping[str, tuple[JSON, tuple[str, ...]]]:
    """Part the loose attributes in those that all files have and the names of the others."""
    found = [json.loads(catalogue.spool.text(n)) for n in set(files.loose.tolist())]
    shared = {}
    for node in dict.fromkeys(node for one in found for node in one):
        own = [one.get(node, {}) for one in found]
        constant = {
            name: value
            for name, value in own[0].items()
            if all(name in other and other[name] == value for other in own)
        }
        names = {name for other in own for name in other} - set(constant)
        shared[node] = (constant, tuple(sorted(names)))
    return shared
