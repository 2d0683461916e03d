"""The place of a group's images, as attributes of the group.

Map clients (OpenLayers 10.11, zarr-layer) are given a group and read its attributes alone: without
`proj:code` and `spatial:bbox` of the conventions `proj` and `spatial` they refuse it. A pyramid has
them already; the flat arrays of a stack say their place each by itself.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from virtual_tiff.arrays.convention_entries import PROJ, SPATIAL
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.plan import Part, parents

__all__ = ["with_group_places"]


def with_group_places(part: Part) -> Part:
    """Return the same; groups whose images are all at one place say where that is."""
    images: dict[str, list[JSON]] = {}
    for path, metadata in part.arrays.items():
        images.setdefault(posixpath.dirname(path), []).append(metadata["attributes"])
    pyramids = {path for path, attributes in part.groups.items() if "multiscales" in attributes}
    return replace(
        part,
        groups={
            path: attributes
            if pyramids & {path, *parents(path)}
            else attributes | _shared_place(images.get(path, ()))
            for path, attributes in part.groups.items()
        },
    )


def _shared_place(images: Sequence[JSON]) -> JSON:
    """Return the attributes of a place that all images have, at any resolution; {} if none is.

    An array inherits them from its group, by both conventions: so all of them must have a place.
    """
    if not images or not all("spatial:transform" in image for image in images):
        return {}
    full = max(images, key=lambda image: prod(image["spatial:shape"]))
    proj = {name: value for name, value in full.items() if name.startswith("proj:")}
    for image in images:
        xx, xy, _, yx, yy, _ = map(abs, image["spatial:transform"])
        pixel = max(xx, xy, yx, yy)
        boxes = zip(image["spatial:bbox"], full["spatial:bbox"], strict=True)
        if any(abs(one - other) > pixel for one, other in boxes):
            return {}
        if {name: value for name, value in image.items() if name.startswith("proj:")} != proj:
            return {}
    return {
        "zarr_conventions": [dict(entry) for entry in (*SPATIAL, *(PROJ if proj else ()))],
        "spatial:dimensions": full["spatial:dimensions"],
        "spatial:bbox": full["spatial:bbox"],
        **proj,
    }
