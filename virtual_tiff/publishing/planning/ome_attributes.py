"""OME-Zarr's attributes of arrays that have more dimensions than those of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from virtual_tiff.arrays.layouts.ome_zarr_versions import as_written, in_version_05
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.plan import Part, joined

__all__ = ["with_fitting_ome"]

_TYPES = {"t": "time", "time": "time", "c": "channel", "channel": "channel", "z": "space"}
"""By name of a new dimension: the type of its axis; others are of a type of the user's."""
_RANKS = {"time": 0, "space": 2}
"""Times are first, then channels or the axis of another type, then space."""


def with_fitting_ome(part: Part) -> Part:
    """Return the same with the axes of `multiscales` that its arrays have.

    The attributes are those of a file; stacking puts a dimension in front. Where OME-Zarr has no
    such image, as one of two times, its attributes are left out: they would be of another array.
    """
    groups = {
        path: _fitting(path, attributes, part.arrays) for path, attributes in part.groups.items()
    }
    return replace(part, groups=groups)


def _fitting(group: str, attributes: JSON, arrays: Mapping[str, JSON]) -> JSON:
    version = attributes.get("ome", {}).get("version", "0.5")
    attributes = in_version_05(attributes)
    ome = attributes.get("ome", {})
    if "multiscales" not in ome:
        return as_written(attributes, version)
    multiscales = [_multiscale(group, each, arrays) for each in ome["multiscales"]]
    fitting = [each for each in multiscales if each is not None]
    if len(fitting) < len(multiscales):
        return {name: value for name, value in attributes.items() if name != "ome"}
    return as_written(attributes | {"ome": ome | {"multiscales": fitting}}, version)


def _multiscale(group: str, multiscale: JSON, arrays: Mapping[str, JSON]) -> JSON | None:
    axes = {axis["name"]: axis for axis in multiscale["axes"]}
    paths = [joined(group, dataset["path"]) for dataset in multiscale["datasets"]]
    if not all(path in arrays for path in paths):
        return None
    names = arrays[paths[0]]["dimension_names"]
    new = [name for name in names if name not in axes]
    if not new and len(names) == len(axes):
        return multiscale
    own = [axes.get(name, {"name": name, "type": _TYPES.get(name, name)}) for name in names]
    ranks = [_RANKS.get(axis["type"], 1) for axis in own]
    if ranks != sorted(ranks) or ranks.count(0) > 1 or ranks.count(1) > 1 or len(own) > 5:
        return None
    return multiscale | {
        "axes": own,
        "datasets": [_dataset(each, list(axes), names) for each in multiscale["datasets"]],
    }


def _dataset(dataset: JSON, axes: list[str], names: list[str]) -> JSON:
    """Return a dataset whose transformations have a value for each of the dimensions."""
    neutral = {"scale": 1.0, "translation": 0.0}
    transformations = []
    for each in dataset["coordinateTransformations"]:
        kind = each["type"]
        values = dict(zip(axes, each[kind], strict=True))
        transformations.append(each | {kind: [values.get(name, neutral[kind]) for name in names]})
    return dataset | {"coordinateTransformations": transformations}
