"""Where an image lies, as attributes of the Zarr conventions `spatial` and `proj`.

Read by rioxarray, rasterix and GDAL. The entries have the conventions' older names with a
colon: rioxarray 0.23 knows no others, and who knows the newer ones goes by the uuid.
"""

from __future__ import annotations

import re
from typing import Any

from virtual_tiff.crs import Crs, crs_of
from virtual_tiff.georeference import Affine, affine_of, ground_control_points
from virtual_tiff.tiff import ImageFileDirectory

__all__ = ["place_attributes"]

_SPATIAL = {
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/spatial/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-conventions/spatial/blob/v1/README.md",
    "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
    "name": "spatial:",
    "description": "Spatial coordinate information",
}

_PROJ = {
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/geo-proj/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-conventions/geo-proj/blob/v1/README.md",
    "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "name": "proj:",
    "description": "Coordinate reference system information for geospatial data",
}

_ONE_CODE = re.compile(r"[A-Z]+:\d+")
"""What `proj:code` may be: no compound of two codes."""


def place_attributes(ifd: ImageFileDirectory, dimension_names: list[str]) -> dict[str, Any]:
    """Return the attributes that say where an image's own tags place it; {} if they do not.

    An overview has no such tags; GDAL derives its place from the full image's.
    """
    affine = affine_of(ifd)
    # the CRS of an image that has points but no transform is that of the points, as in GDAL
    crs = None if affine is None and ground_control_points(ifd) else crs_of(ifd)
    found: dict[str, Any] = {}
    conventions = []
    if affine is not None:
        conventions.append(_SPATIAL)
        found |= _spatial(affine, ifd, dimension_names[-2:])
    if crs is not None:
        conventions.append(_PROJ)
        found |= _proj(crs)
    return {"zarr_conventions": conventions, **found} if conventions else {}


def _spatial(affine: Affine, ifd: ImageFileDirectory, dimensions: list[str]) -> dict[str, Any]:
    length, width = ifd.ImageLength, ifd.ImageWidth
    corners = [affine.at(x, y) for x in (0, width) for y in (0, length)]
    xs, ys = zip(*corners, strict=True)
    return {
        "spatial:dimensions": dimensions,
        "spatial:transform": [affine.a, affine.b, affine.c, affine.d, affine.e, affine.f],
        "spatial:shape": [length, width],
        "spatial:bbox": [min(xs), min(ys), max(xs), max(ys)],
        # of both raster types: the transform is that of pixels' corners
        "spatial:registration": "pixel",
    }


def _proj(crs: Crs) -> dict[str, Any]:
    if crs.code is not None and (crs.wkt is None or _ONE_CODE.fullmatch(crs.code)):
        return {"proj:code": crs.code}
    return {"proj:wkt2": crs.wkt}
