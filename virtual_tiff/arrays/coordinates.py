"""Coordinate arrays: where the rows and columns lie, what the bands are, the CRS.

They are small and no file holds them, so their bytes are part of the manifest ("inlined").
CF conventions 1.11: sections 4 (coordinates), 5.6 and appendix F (`grid_mapping`); the
attributes are those that rioxarray and GDAL's Zarr driver read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numcodecs.vlen import VLenUTF8
from numpy.typing import NDArray

from virtual_tiff.arrays.axes import Axes
from virtual_tiff.arrays.nodes import JSON, InlineArray
from virtual_tiff.metadata.control_points import gcps_attribute
from virtual_tiff.metadata.place import Place
from virtual_tiff.metadata.rpc import rpcs_attribute
from virtual_tiff.metadata.transform import Affine

__all__ = [
    "axis_array",
    "band_array",
    "geo_transform",
    "has_axes",
    "pixel_centres",
    "plane_array",
    "spatial_ref_array",
]


def has_axes(place: Place | None) -> bool:
    """Whether each column has one x, and each row one y: no rotation, no points alone."""
    return place is not None and place.affine is not None and place.affine.rectilinear


def axis_array(place: Place, axis: Literal["x", "y"], name: str) -> InlineArray:
    """Return the coordinates of the centres of pixels along a dimension, in units of the CRS.

    The transform of the place must have no rotation.
    """
    affine = place.affine
    if affine is None:
        msg = f"the image has no transform, so its pixels have no {axis}"
        raise ValueError(msg)
    count = place.width if axis == "x" else place.length
    first, step = (affine.c, affine.a) if axis == "x" else (affine.f, affine.e)

    def make() -> tuple[tuple[str, str], ...]:
        crs = place.crs
        attributes = {"axis": axis.upper()} if crs is None else crs.coordinate_attributes(axis)
        return tuple(attributes.items())

    array = _axis if count <= _MOST_REMEMBERED else _axis.__wrapped__
    return array(first, step, count, axis, name, place.remembered(axis, make))


_MOST_REMEMBERED = 2**15
"""Coordinates along an axis that is kept for the next file: archives have one grid for many."""


@lru_cache(maxsize=128)
def _axis(
    first: float,
    step: float,
    count: int,
    axis: str,
    name: str,
    attributes: tuple[tuple[str, str], ...],
) -> InlineArray:
    centres = pixel_centres(first, step, count)
    return _array("float64", centres.tobytes(), dict(attributes), (count, axis, name))


def pixel_centres(first: float, step: float, count: int) -> NDArray[np.float64]:
    """Return the centres of pixels along a dimension, from the corner of the first, little endian.

    They may be infinite: a file may state any scale.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return first + step * (np.arange(count, dtype="<f8") + 0.5)


def band_array(
    values: Sequence[int] | Sequence[float] | Sequence[str], axis: str, name: str | None = None
) -> InlineArray:
    """Return one value for each band or page, at least one: integers, floats or texts.

    The dimension is called as the axis, unless it has a name.
    """
    kind = type(values[0]).__name__  # 1 and 1.0 are equal, and not the same
    make = _band if len(values) <= _MOST_REMEMBERED else _band.__wrapped__
    return make(tuple(values), kind, axis, name or axis)


@lru_cache(maxsize=128)
def _band(values: tuple[Any, ...], kind: str, axis: str, name: str) -> InlineArray:
    dimension = len(values), axis, name
    if kind == "str":
        return _array("string", _encoded_texts(values), {}, dimension)
    data_type, dtype = ("int64", "<i8") if kind == "int" else ("float64", "<f8")
    return _array(data_type, np.asarray(values, dtype).tobytes(), {}, dimension)


def plane_array(values: NDArray[Any], axes: Sequence[str], units: str) -> InlineArray | None:
    """Return a value for each plane of an image, along the axes on which it depends.

    Numbers are NaN where they are unknown. None is returned if no value is known.
    """
    is_text = values.dtype == object
    kept = list(axes)
    for number in reversed(range(len(kept))):
        first = values.take([0], axis=number)
        same = values == first
        if not is_text:
            same |= np.isnan(values) & np.isnan(first)
        if bool(np.all(same)):
            values = first.take(0, axis=number)
            del kept[number]
    if not any(values.ravel()) if is_text else not np.isfinite(values).any():
        return None
    attributes = {"units": units} if units else {}
    dimensions = zip(np.shape(values), kept, kept, strict=True)
    if is_text:
        return _array("string", _encoded_texts(values.ravel()), attributes, *dimensions)
    return _array("float64", values.astype("<f8").tobytes(), attributes, *dimensions)


def spatial_ref_array(place: Place) -> InlineArray:
    """Return the scalar whose attributes say the CRS and the transform."""
    # where points or polynomials are, files differ in them
    single = place.points or place.rpc is not None
    make = _spatial_ref.__wrapped__ if single else _spatial_ref
    return place.remembered("spatial_ref", lambda: make(_Key(place)))


class _Key:
    """A place, equal to another where their CRS and transform are."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._key = place.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=128)
def _spatial_ref(key: _Key) -> InlineArray:
    place = key.place
    attributes: JSON = {}
    if place.crs is not None:
        if place.crs.wkt is not None:
            attributes["crs_wkt"] = place.crs.wkt
        attributes["spatial_ref"] = place.crs.text
        if place.crs.vertical is not None:
            attributes["vertical_crs"] = place.crs.vertical
        if place.crs.epoch is not None:
            attributes["coordinate_epoch"] = place.crs.epoch
    if place.affine is not None:
        attributes["GeoTransform"] = geo_transform(place.affine)
    points = gcps_attribute(place.points)
    if points is not None:
        attributes["gcps"] = points
    if place.rpc is not None:
        attributes["rpcs"] = rpcs_attribute(place.rpc)
    return _array("int64", bytes(8), attributes)


def geo_transform(affine: Affine) -> str:
    """Return a transform as the attribute `GeoTransform` has it."""
    return " ".join(map(repr, affine.gdal))


_SERIALIZERS: Mapping[str, JSON] = {
    "string": {"name": "vlen-utf8", "configuration": {}},
    "int64": {"name": "bytes", "configuration": {"endian": "little"}},
    "float64": {"name": "bytes", "configuration": {"endian": "little"}},
}

_FILL_VALUES: Mapping[str, object] = {"string": "", "int64": 0, "float64": "NaN"}


def _encoded_texts(texts: Iterable[Any]) -> bytes:
    decoded = [str(text).encode(errors="replace").decode() for text in texts]
    return bytes(VLenUTF8().encode(np.array(decoded, dtype=object)))


def _array(
    data_type: str, data: bytes, attributes: JSON, *dimensions: tuple[int, str, str]
) -> InlineArray:
    """Return an array along dimensions, given as size, axis and name; a scalar without."""
    shape = [size for size, _, _ in dimensions]
    names = [name for _, _, name in dimensions]
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _FILL_VALUES[data_type],
        "codecs": [_SERIALIZERS[data_type]],
        "attributes": attributes,
        "dimension_names": names,
        "storage_transformers": [],
    }
    axes = Axes([axis for _, axis, _ in dimensions])
    return InlineArray(metadata=metadata, data=data, axes=axes)
