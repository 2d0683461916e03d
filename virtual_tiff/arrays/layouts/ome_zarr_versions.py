"""OME-Zarr 0.5 as 0.6: an image's axes become a coordinate system, to which each level leads.

https://ngff.openmicroscopy.org/0.6: "coordinateSystems" metadata, "coordinateTransformations"
metadata. All else is the same in both versions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from virtual_tiff.arrays.nodes import JSON, Group

__all__ = ["OmeZarrVersion", "as_written", "group_in_version", "in_version_05"]

type OmeZarrVersion = Literal["0.5", "0.6"]
"""The versions of OME-Zarr that can be written."""

_SYSTEM = "physical"
"""The name of the coordinate system of an image."""


def group_in_version(group: Group, version: OmeZarrVersion) -> Group:
    """Return a group whose attributes are of version 0.5, and all below it, in another version."""
    if version == "0.5":
        return group
    groups = {name: group_in_version(below, version) for name, below in group.groups.items()}
    return replace(group, groups=groups, attributes=as_written(group.attributes, version))


def as_written(attributes: JSON, version: str) -> JSON:
    """Return the attributes of a group, of version 0.5, in another version."""
    if "ome" not in attributes or version == "0.5":
        return attributes
    ome = attributes["ome"] | {"version": version}
    if "multiscales" in ome:
        ome["multiscales"] = [_with_system(multiscale) for multiscale in ome["multiscales"]]
    return attributes | {"ome": ome}


def in_version_05(attributes: JSON) -> JSON:
    """Return the attributes of a group in version 0.5, whatever version they are of."""
    ome = attributes.get("ome", {})
    if ome.get("version") != "0.6":
        return attributes
    ome = ome | {"version": "0.5"}
    if "multiscales" in ome:
        ome["multiscales"] = [_with_axes(multiscale) for multiscale in ome["multiscales"]]
    return attributes | {"ome": ome}


def _with_system(multiscale: JSON) -> JSON:
    others = {key: value for key, value in multiscale.items() if key not in ("axes", "datasets")}
    datasets = []
    for dataset in multiscale["datasets"]:
        steps = dataset["coordinateTransformations"]
        one = steps[0] if len(steps) == 1 else {"type": "sequence", "transformations": steps}
        ends = {"input": {"path": dataset["path"]}, "output": {"name": _SYSTEM}}
        datasets.append(dataset | {"coordinateTransformations": [one | ends]})
    system = {"name": _SYSTEM, "axes": multiscale["axes"]}
    return others | {"coordinateSystems": [system], "datasets": datasets}


def _with_axes(multiscale: JSON) -> JSON:
    own = ("coordinateSystems", "datasets")
    others = {key: value for key, value in multiscale.items() if key not in own}
    datasets = []
    for dataset in multiscale["datasets"]:
        (whole,) = dataset["coordinateTransformations"]
        one = {key: value for key, value in whole.items() if key not in ("input", "output")}
        steps = one["transformations"] if one["type"] == "sequence" else [one]
        datasets.append(dataset | {"coordinateTransformations": steps})
    return others | {"axes": multiscale["coordinateSystems"][0]["axes"], "datasets": datasets}
