"""Files whose pixels have several sizes along one axis: there is no transform of the whole.

The files lie side by side, as the parts of a grid whose resolution varies along an axis. Their
coordinates say where each row or column lies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import Integers
from virtual_tiff.publishing.planning.tile_grid import Tile, linear_part

__all__ = ["places_along", "uneven", "without_transform"]


def uneven(tiles: Sequence[Tile], axis: str) -> bool:
    """Whether upright tiles have pixels of several sizes along an axis, and of one across it."""
    sizes = [linear_part(tile.affine) for tile in tiles]
    upright = all(size[1] == size[2] == 0 for size in sizes)
    return upright and len({size[0 if axis == "x" else 3] for size in sizes}) > 1


def places_along(path: str, tiles: Sequence[Tile], axis: str, snap: float) -> Integers:
    """Return the first row (or column) of each tile in the whole.

    Several tiles may lie at one place, for instance at several times. Tiles that do not touch each
    other, within `snap` pixels, or do not lie in line are a PublishError.
    """
    first = tiles[0].affine
    spans: dict[tuple[float, float], tuple[Tile, int]] = {}
    for tile in tiles:
        a = tile.affine
        x = (a.c, a.a, tile.width, first.c, first.a)
        y = (a.f, a.e, tile.length, first.f, first.e)
        (start, step, count, *_), across = (x, y) if axis == "x" else (y, x)
        origin, pixel, pixels, first_origin, first_pixel = across
        off = max(abs(origin - first_origin), abs((pixel - first_pixel) * pixels))
        if off > snap * abs(first_pixel):
            msg = (
                f"{tile.name}: array {path} does not lie in line with {tiles[0].name}: it is off"
                f" by {off / abs(first_pixel):.3g} pixels across {axis}; {snap:g} is allowed (snap,"
                " --snap)"
            )
            raise PublishError(msg)
        if count > spans.get((start, step), (tile, 0))[1]:  # at another time it may be shorter
            spans[start, step] = tile, count
    direction = 1 if next(iter(spans))[1] > 0 else -1
    in_order = sorted(spans.items(), key=lambda span: direction * span[0][0])
    starts: dict[tuple[float, float], int] = {}
    place = 0
    end: float | None = None
    before = ""
    for (start, step), (tile, count) in in_order:
        if step * direction <= 0 or (end is not None and abs(start - end) > snap * abs(step)):
            msg = (
                f"{tile.name}: array {path} does not begin where {before or tiles[0].name} ends"
                f" along {axis}. Pixels of several sizes need files that touch each other"
            )
            raise PublishError(msg)
        starts[start, step] = place
        place, end, before = place + count, start + step * count, tile.name
    keys = ((t.affine.c, t.affine.a) if axis == "x" else (t.affine.f, t.affine.e) for t in tiles)
    return np.array([starts[key] for key in keys], dtype=np.int64)


def without_transform(attributes: JSON) -> JSON:
    """Return attributes that no longer say where pixels lie; the CRS stays."""
    kept = {
        name: value
        for name, value in attributes.items()
        if not name.startswith("spatial:") and name != "GeoTransform"
    }
    if "zarr_conventions" in kept:
        kept["zarr_conventions"] = [
            each
            for each in kept["zarr_conventions"]
            if not str(each.get("name")).startswith("spatial")
        ]
    return kept
