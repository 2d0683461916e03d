"""Bounding boxes from one CRS to another, by pyproj where they differ."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

from virtual_tiff.metadata.crs import Crs

__all__ = ["Bounds", "CrsInput", "in_crs_of", "portable_crs"]

type Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""

type CrsInput = Any
"""The inputs of `pyproj.CRS.from_user_input`: an EPSG code, a text, an object with `to_wkt`."""

_POINTS = 21
"""By which an edge is bent when it is transformed: the number of GDAL's and pyproj's examples."""

_MARGIN = 0.05
"""The part of an image's size that is added around its bounds in another CRS, as these are not
exact between `_POINTS`."""


def portable_crs(given: CrsInput) -> str:
    """Return a CRS as a text, which can be compared, hashed and sent to another process.

    What pyproj would not take is a ValueError.
    """
    if isinstance(given, tuple | list) and len(given) == 2:  # authority and code
        given = f"{given[0]}:{given[1]}"
    if isinstance(given, str) and given.strip():
        return given.strip()
    if hasattr(given, "to_wkt"):
        return str(given.to_wkt())
    if isinstance(given, dict) and given:
        # PROJJSON has a "type"; PROJ's own parameters have none
        if "type" in given:
            return json.dumps(given)
        # PROJ writes no value of a flag
        return " ".join(f"+{key}" + ("" if v is True else f"={v}") for key, v in given.items())
    try:
        code = None if isinstance(given, bool) else int(given.__index__())
    except (AttributeError, TypeError):
        code = None
    if code is None or code < 1:
        msg = (
            'bbox_crs must be an EPSG code, a text such as "EPSG:4326" or WKT, or a CRS of pyproj '
            f"or rasterio, not {given!r}"
        )
        raise ValueError(msg)
    return f"EPSG:{code}"


def in_crs_of(bbox: Bounds, bbox_crs: str, crs: Crs | None, image: Bounds) -> Bounds:
    """Return a box in an image's CRS: the least one around its shape there.

    Parameters
    ----------
    bbox, bbox_crs
        A box, and its CRS as `portable_crs` gives it. Longitude comes before latitude.
    crs
        The image's.
    image
        Bounds of the image in its CRS.

    Raises
    ------
    ValueError
        If the image has no CRS, or the box cannot be transformed to it.
    ImportError
        If the CRS differ and pyproj is not installed.
    """
    if crs is None:
        msg = (
            f"bbox_crs={bbox_crs!r} cannot be used, as the image has no known CRS; give the bbox"
            " in the image's own coordinates, without bbox_crs"
        )
        raise ValueError(msg)
    if bbox_crs.upper() == (crs.code or "").upper() or bbox_crs in (crs.wkt, crs.text):
        return bbox
    return _transformed(bbox, bbox_crs, crs.text, image)


@lru_cache(maxsize=256)  # thousands of files have the same place
def _transformed(bbox: Bounds, source: str, target: str, image: Bounds) -> Bounds:
    try:
        from pyproj import CRS, Transformer  # noqa: PLC0415 (optional, and slow to import)
        from pyproj.exceptions import ProjError  # noqa: PLC0415
    except ImportError as error:
        msg = (
            f"bbox_crs={source!r} is not the file's CRS; to transform the bbox, install pyproj "
            '(pip install "virtual-tiff[geo]")'
        )
        raise ImportError(msg) from error
    try:
        known = CRS.from_user_input(source)
        transformer = Transformer.from_crs(known, target, always_xy=True)
        back = Transformer.from_crs(target, known, always_xy=True)
        near = _near(bbox, back.transform_bounds(*image, densify_pts=_POINTS))
        bounds: Bounds = transformer.transform_bounds(*near, densify_pts=_POINTS)
    except ProjError as error:
        msg = f"bbox={bbox} of bbox_crs={source!r} cannot be transformed to the file's CRS: {error}"
        raise ValueError(msg) from error
    if not _is_box(bounds):
        msg = (
            f"bbox={bbox} of bbox_crs={source!r} is not a box in the file's CRS: it lies where the "
            f"CRS is not defined, or across the antimeridian ({bounds})"
        )
        raise ValueError(msg)
    return bounds


def _near(bbox: Bounds, image: Bounds) -> Bounds:
    """Return what of a box lies near an image; all if nothing does, or that is not known.

    Far away, the coordinates of an image's CRS mean nothing: the whole world has no bounds
    in a UTM zone.
    """
    if not _is_box(image):
        return bbox
    across, up = (image[2] - image[0]) * _MARGIN, (image[3] - image[1]) * _MARGIN
    near = (
        max(bbox[0], image[0] - across),
        max(bbox[1], image[1] - up),
        min(bbox[2], image[2] + across),
        min(bbox[3], image[3] + up),
    )
    return near if _is_box(near) else bbox


def _is_box(bounds: Bounds) -> bool:
    left, bottom, right, top = bounds
    return all(map(math.isfinite, bounds)) and left < right and bottom < top
