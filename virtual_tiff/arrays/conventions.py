"""Where an image lies, as attributes of the Zarr conventions `spatial` and `proj`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from virtual_tiff.arrays.convention_entries import PROJ, SPATIAL
from virtual_tiff.metadata.json_copy import json_copy
from virtual_tiff.metadata.place import Place

__all__ = ["place_attributes", "proj_attributes"]

_ONE_CODE = re.compile(r"[A-Z]+:\d+")
"""The form of `proj:code`: no compound of two codes."""


def place_attributes(place: Place, dimension_names: Sequence[str]) -> dict[str, Any]:
    """Return the attributes that say where an image lies; {} if no convention can.

    The names are those of the dimensions of rows and columns.
    """
    dimensions = tuple(dimension_names)

    def make() -> dict[str, Any]:
        affine, proj = place.affine, proj_attributes(place)
        if affine is None and not proj:
            return {}
        conventions = (*(SPATIAL if affine else ()), *(PROJ if proj else ()))
        attributes: dict[str, Any] = {"zarr_conventions": list(conventions)}
        if affine is not None:
            attributes |= {
                "spatial:dimensions": list(dimensions),
                "spatial:transform": affine.coefficients,
                "spatial:shape": [place.length, place.width],
                "spatial:bbox": affine.bounds(place.length, place.width),
                # of both raster types: the transform is that of pixels' corners
                "spatial:registration": "pixel",
            }
        return attributes | proj

    return json_copy(place.remembered(("attributes", dimensions), make))


def proj_attributes(place: Place) -> dict[str, Any]:
    """Return the attribute of the convention `proj` that says the CRS of an image, or {}."""
    crs = place.crs
    # the CRS of an image that has points but no transform is that of the points, as in GDAL
    if crs is None or (place.affine is None and place.points):
        return {}
    if crs.code is not None and (crs.wkt is None or _ONE_CODE.fullmatch(crs.code)):
        return {"proj:code": crs.code}
    return {"proj:wkt2": crs.wkt}
