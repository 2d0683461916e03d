"""One grid mapping for all sizes of an image, where that says as much.

Each size has a scalar of its own, `spatial_ref`, `spatial_ref_1` …, as its transform is its own.
But rioxarray and odc-geo refuse a dataset of several ("Multiple grid mappings exist"). Where they
say the same CRS, and coordinates along rows and columns say the transforms, one of them does for
all, without a transform. It is `arrays/one_dataset.py` for a cube: decided by the templates of its
files, which every append has, and done to what is written. The ledger says whether a repository is
so; those that were published before stay as they are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.plan import Part, joined
from virtual_tiff.publishing.reading.record import Template

__all__ = ["replaced_grid_mappings", "with_one_grid_mapping"]

_NAME, _TRANSFORM = "spatial_ref", "GeoTransform"


def replaced_grid_mappings(templates: Iterable[Template]) -> Mapping[str, str]:
    """Return the grid mappings that another one does for, by path within a file.

    It is empty unless it is the same for all templates.
    """
    found = [_replaced(template) for template in templates]
    return found[0] if found and all(each == found[0] for each in found) else {}


def _replaced(template: Template) -> dict[str, str]:
    paths_in: dict[str, list[str]] = {}
    for path in template.inline:
        folder, name = posixpath.split(path)
        if name.startswith(_NAME):
            paths_in.setdefault(folder, []).append(path)
    replaced: dict[str, str] = {}
    for folder, paths in paths_in.items():
        said = [_without_transform(template.inline[path].metadata["attributes"]) for path in paths]
        users = [
            path
            for path, metadata in template.arrays.items()
            if posixpath.dirname(path) == folder and "grid_mapping" in metadata["attributes"]
        ]
        if all(one == said[0] for one in said) and all(_has_axes(template, p) for p in users):
            first = min(paths, key=len)
            replaced |= {path: first for path in paths if path != first}
    return replaced


def _without_transform(attributes: JSON) -> JSON:
    return {name: value for name, value in attributes.items() if name != _TRANSFORM}


def _has_axes(template: Template, path: str) -> bool:
    """Whether coordinates stand along the rows and columns of an image."""
    axes, names = template.axes[path], template.arrays[path]["dimension_names"]
    folder = posixpath.dirname(path)
    return all(
        axis in axes and joined(folder, names[axes.index(axis)]) in template.inline
        for axis in ("y", "x")
    )


def with_one_grid_mapping(
    part: Part, group: str, replaced: Mapping[str, str], *, published: bool
) -> Part:
    """Return a part, below a group, whose arrays refer to the grid mappings that do for others.

    `published` says whether arrays of earlier files may be there.
    """
    if not replaced:
        return part
    names = {joined(group, path): joined(group, other) for path, other in replaced.items()}
    arrays = {}
    for path, metadata in part.arrays.items():
        attributes = metadata["attributes"]
        own = joined(posixpath.dirname(path), attributes.get("grid_mapping", ""))
        if own in names:
            before, after = posixpath.basename(own), posixpath.basename(names[own])
            listed = attributes.get("coordinates", "").split()
            listed = [after if name == before else name for name in listed]
            attributes = attributes | {
                "grid_mapping": after,
                "coordinates": " ".join(dict.fromkeys(listed)),
            }
        arrays[path] = metadata | {"attributes": attributes}
    inline = {path: array for path, array in part.inline.items() if path not in names}
    for path in {*names.values()} & inline.keys():
        metadata, data = inline[path]
        attributes = _without_transform(metadata["attributes"])
        inline[path] = metadata | {"attributes": attributes}, data
    removed = [*part.removed, *names] if published else part.removed
    return replace(part, arrays=arrays, inline=inline, removed=removed)
