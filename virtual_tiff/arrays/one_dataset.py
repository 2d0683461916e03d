"""A parsed group in the form that xarray's and rioxarray's defaults take.

Two things of a group are true, and in the way of tools that open all of it as one dataset:

- Each size of an image has a grid mapping of its own, as its transform is its own. rioxarray and
  odc-geo refuse a dataset of several ("Multiple grid mappings exist"). Where they say the same CRS
  and each image has coordinates along its rows and columns, which say its transform, one grid
  mapping does for all. It has no `GeoTransform` then, which would be that of one size.
- Texts along `band` make Dask's `chunks="auto"` fail, which knows no size of a text. Those that are
  not the names of the bands themselves are attributes of the array, as a list.

`publish` does the same in other steps. The transform of each size is needed to arrange files, so
one grid mapping is made of what they become (`publishing/planning/grid_mappings.py`). Texts are
attributes of each file before these are compared, unless bands of several files are put together:
then `with_text_attributes` takes those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numcodecs.vlen import VLenUTF8

from virtual_tiff.arrays.coordinates import band_array
from virtual_tiff.arrays.nodes import JSON, FileArray, Group, InlineArray

__all__ = ["as_one_dataset", "is_attribute", "texts_as_attributes", "with_text_attributes"]

type Arrays = Mapping[str, FileArray | InlineArray]


def as_one_dataset(group: Group) -> Group:
    """Return a group, with those below it, in the form that xarray's defaults take."""
    return _changed(group, lambda arrays: _with_text_attributes(_with_one_grid_mapping(arrays)))


def texts_as_attributes(group: Group, *, but_along: Collection[str] = ()) -> Group:
    """Return a group, with those below it, whose arrays have texts as attributes.

    Those along the axes `but_along` stay coordinates. If bands are among these, lists of a value
    for each band become coordinates too, which can be put together with those of other files.
    """
    if "band" in but_along:
        group = _changed(group, _with_lists_as_coordinates)
    return _changed(group, lambda arrays: _with_text_attributes(arrays, but_along))


def _changed(group: Group, change: Callable[[Arrays], Arrays]) -> Group:
    changed = {name: _changed(below, change) for name, below in group.groups.items()}
    arrays = change(group.arrays)
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


def is_attribute(name: str, metadata: JSON) -> bool:
    """Whether a coordinate is a list of the array: texts other than the names of a dimension."""
    if _attribute_name(name, metadata) in _LISTS:
        return True
    return bool(metadata["data_type"] == "string" and metadata["dimension_names"] != [name])


def with_text_attributes(attributes: JSON, texts: Mapping[str, tuple[JSON, bytes]]) -> JSON:
    """Return the attributes of an array, among them some of its coordinates.

    Parameters
    ----------
    attributes
        Of the array.
    texts
        By name: `zarr.json` and the chunk of these coordinates, for which `is_attribute` is true.
    """
    listed = attributes.get("coordinates", "").split()
    if not texts.keys() & {*listed}:
        return attributes
    changed = {name: value for name, value in attributes.items() if name != "coordinates"}
    for name in listed:
        if name in texts:
            attribute = _attribute_name(name, texts[name][0])
            if attribute == "units" or attribute in attributes:  # xarray's, or one text of all
                attribute = f"band_{attribute}"
            changed.setdefault(attribute, _values(*texts[name]))
    if kept := [name for name in listed if name not in texts]:
        changed["coordinates"] = " ".join(kept)
    return changed


def _with_text_attributes(arrays: Arrays, but_along: Collection[str] = ()) -> Arrays:
    texts = {
        name: (array.metadata, array.data)
        for name, array in arrays.items()
        if isinstance(array, InlineArray)
        and is_attribute(name, array.metadata)
        and not {*array.axes} & {*but_along}
    }
    if not texts:
        return arrays
    changed: dict[str, FileArray | InlineArray] = {}
    for name, array in arrays.items():
        if name not in texts:
            attributes = with_text_attributes(array.metadata["attributes"], texts)
            changed[name] = replace(array, metadata=array.metadata | {"attributes": attributes})
    return changed


_LISTS: Mapping[str, type] = {"long_name": str, "scales": float, "offsets": float}
"""Attributes that have a value for each band, and the kind of these."""


def _with_lists_as_coordinates(arrays: Arrays) -> Arrays:
    changed = dict(arrays)
    for name, array in arrays.items():
        if isinstance(array, InlineArray) or "band" not in array.axes:
            continue
        number = array.axes.index("band")
        dimension = array.metadata["dimension_names"][number]
        attributes = dict(array.metadata["attributes"])
        for attribute, kind in _LISTS.items():
            values = attributes.get(attribute)
            own = f"{attribute}{dimension.removeprefix('band')}"
            if not isinstance(values, list) or len(values) != array.metadata["shape"][number]:
                continue
            coordinate = band_array([kind(value) for value in values], "band", dimension)
            before = changed.setdefault(own, coordinate)
            if isinstance(before, InlineArray) and before.data == coordinate.data:
                del attributes[attribute]
                listed = attributes.get("coordinates", "").split()
                attributes["coordinates"] = " ".join([*listed, own])
        changed[name] = replace(array, metadata=array.metadata | {"attributes": attributes})
    return changed


def _attribute_name(name: str, metadata: JSON) -> str:
    """Return the name of a coordinate without the suffix of its dimension, as in `band_1`."""
    dimensions = metadata["dimension_names"]
    suffix = dimensions[0].removeprefix("band") if len(dimensions) == 1 else ""
    return name.removesuffix(suffix) if suffix else name


def _values(metadata: JSON, data: bytes) -> str | list[Any]:
    """Return a value, a list, or lists within lists along several dimensions."""
    is_text = metadata["data_type"] == "string"
    read = np.asarray(VLenUTF8().decode(data), object) if is_text else np.frombuffer(data, "<f8")
    values: str | list[Any] = read.reshape(metadata["shape"]).tolist()
    return values
