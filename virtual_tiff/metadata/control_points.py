"""Ground control points as the attribute that rioxarray reads and writes.

rioxarray 0.22 and later keep them on the grid mapping coordinate (`spatial_ref`), as the text
of a GeoJSON FeatureCollection, beside the points' CRS (`rio.write_gcps`, `rio.get_gcps`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite

from virtual_tiff.metadata.transform import GroundControlPoint
from virtual_tiff.tiff import warn

__all__ = ["gcps_attribute"]


def gcps_attribute(points: Sequence[GroundControlPoint]) -> str | None:
    """Return the attribute `gcps` of a grid mapping; None if there is nothing to say.

    It is a GeoJSON FeatureCollection: a Point for each control point, in the CRS that the grid
    mapping names, with `row`, `col`, `id` and `info` among its properties. Rows and columns count
    from the outer corner of the first pixel. `id` is the point's number in the file from 1, as GDAL
    has it.
    """
    features = [
        {
            "type": "Feature",
            "properties": {
                "id": str(number),
                "info": "",  # no tag has a description
                "row": point.row,
                "col": point.column,
            },
            "geometry": {"type": "Point", "coordinates": [point.x, point.y, point.z]},
        }
        for number, point in enumerate(points, start=1)
        if all(map(isfinite, (point.column, point.row, point.x, point.y, point.z)))
    ]
    if len(features) < len(points):
        warn("ground control points that are not finite are left out")
    if not features:
        return None
    return json.dumps({"type": "FeatureCollection", "features": features})
