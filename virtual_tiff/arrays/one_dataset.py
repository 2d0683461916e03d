"""A parsed group in the form that xarray's and rioxarray's defaults take.

Two things of a group are true, and in the way of tools that open all of it as one dataset:

- Each size of an image has a grid mapping of its own, as its transform is its own. rioxarray and
  odc-geo refuse a dataset of several ("Multiple grid mappings exist"). Where they say the same CRS
  and each image has coordinates along its rows and columns, which say its transform, one grid
  mapping does for all. It has no `GeoTransform` then, which would be that of one size.
- Texts along `band` make Dask's `chunks="auto"` fail, which knows no size of a text. Those that are
  not the names of the bands themselves are attributes of the array, as a list.

Only the store of one file is changed so. What is published keeps its arrays, as files that are
added later have to fit them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numcodecs.vlen import VLenUTF8

from virtual_tiff.arrays.nodes import FileArray, Group, InlineArray

__all__ = ["as_one_dataset"]

type Arrays = Mapping[str, FileArray | InlineArray]


def as_one_dataset(group: Group) -> Group:
    """Return a group, with those below it, in the form that xarray's defaults take."""
    changed = {name: as_one_dataset(below) for name, below in group.groups.items()}
    arrays = _with_texts_as_attributes(_with_one_grid_mapping(group.arrays))
    if arrays is group.arrays and all(changed[name] is group.groups[name] for name in changed):
        return group
    return replace(group, arrays=arrays, groups=changed, attributes=_attributes(group, arrays))


def _attributes(group: Group, arrays: Arrays) -> dict[str, Any]:
    """Return the attributes of a group; in the layout `nested` they are those of its one image."""
    attributes = dict(group.attributes)
    images = [name for name, array in arrays.items() if isinstance(array, FileArray)]
    if len(images) == 1:
        before = group.arrays[images[0]].metadata["attributes"]
        if before.keys() - {"coordinates", "grid_mapping"} <= attributes.keys():
            after = arrays[images[0]].metadata["attributes"]
            attributes |= {name: after[name] for name in after.keys() - before.keys()}
    return attributes


# ---- grid mappings


def _with_one_grid_mapping(arrays: Arrays) -> Arrays:
    names = [
        name
        for name, array in arrays.items()
        if isinstance(array, InlineArray) and name.startswith("spatial_ref")
    ]
    if len(names) < 2:
        return arrays
    first = names[0]
    shared = _without_transform(arrays[first])
    if any(_without_transform(arrays[name]) != shared for name in names[1:]):
        return arrays
    users = {
        name: array
        for name, array in arrays.items()
        if isinstance(array, FileArray) and "grid_mapping" in array.metadata["attributes"]
    }
    if not all(_has_axes(array, arrays) for array in users.values()):
        return arrays
    metadata = dict(arrays[first].metadata) | {"attributes": shared}
    changed: dict[str, FileArray | InlineArray] = {
        name: array for name, array in arrays.items() if name not in names[1:]
    }
    changed[first] = replace(arrays[first], metadata=metadata)
    for name, array in users.items():
        attributes = dict(array.metadata["attributes"])
        own = attributes["grid_mapping"]
        listed = attributes.get("coordinates", "").split()
        attributes["grid_mapping"] = first
        attributes["coordinates"] = " ".join(first if each == own else each for each in listed)
        changed[name] = replace(array, metadata=array.metadata | {"attributes": attributes})
    return changed


def _without_transform(array: FileArray | InlineArray) -> dict[str, Any]:
    attributes = dict(array.metadata["attributes"])
    attributes.pop("GeoTransform", None)
    return attributes


def _has_axes(array: FileArray, arrays: Arrays) -> bool:
    """Whether coordinates stand along the rows and columns of an image."""
    names = array.metadata["dimension_names"][array.axes.plane]
    return all(name in arrays for name in names)


# ---- texts


def _with_texts_as_attributes(arrays: Arrays) -> Arrays:
    texts = {
        name: array
        for name, array in arrays.items()
        if isinstance(array, InlineArray)
        and array.metadata["data_type"] == "string"
        and array.metadata["dimension_names"] != [name]
    }
    if not texts:
        return arrays
    changed: dict[str, FileArray | InlineArray] = {}
    for name, array in arrays.items():
        if name in texts:
            continue
        attributes = dict(array.metadata["attributes"])
        listed = attributes.get("coordinates", "").split()
        moved = [each for each in listed if each in texts]
        if moved:
            for each in moved:
                attributes.setdefault(_attribute_name(each, texts[each]), _values(texts[each]))
            kept = [each for each in listed if each not in texts]
            attributes["coordinates"] = " ".join(kept)
            if not kept:
                del attributes["coordinates"]
            array = replace(array, metadata=array.metadata | {"attributes": attributes})  # noqa: PLW2901
        changed[name] = array
    return changed


def _attribute_name(name: str, array: InlineArray) -> str:
    """Return the name of an attribute: xarray takes `units` for one text."""
    dimensions = array.metadata["dimension_names"]
    suffix = dimensions[0].removeprefix("band") if len(dimensions) == 1 else ""
    plain = name.removesuffix(suffix) if suffix else name
    return "band_units" if plain == "units" else plain


def _values(array: InlineArray) -> str | list[Any]:
    """Return a text, a list, or lists within lists along several dimensions."""
    texts = np.asarray(VLenUTF8().decode(array.data)).reshape(array.metadata["shape"])
    values: str | list[Any] = texts.astype(object).tolist()
    return values
