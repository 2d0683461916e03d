"""An archive in the way of Sentinel-2: tiles, dates and bands by names and by STAC items."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.warp
from numpy.typing import NDArray
from rasterio.transform import Affine

__all__ = ["BANDS", "Scene", "pixels_of", "stac_items", "write_scenes"]

BANDS = ("B02", "B03", "B04")
SIDE, METRES = 183, 600
"""A sixtieth of 10,980 pixels of 10 m."""
_CORNERS = {"33UUP": (300_000, 5_400_000), "33UVP": (400_000, 5_400_000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A file."""

    path: Path
    tile: str
    time: dt.datetime
    band: str


def write_scenes(
    folder: Path, *, dates: int = 10, bands: Sequence[str] = BANDS, block: int = 64
) -> list[Scene]:
    """Write files of two tiles, 5 days apart, in blocks of which the last ones go beyond them."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes = []
    for place, (tile, corner) in enumerate(_CORNERS.items()):
        for date in range(dates):
            time = dt.datetime(2024, 1, 5 + place, 10, 10, 31, tzinfo=dt.UTC)
            time += dt.timedelta(days=5 * date)
            for number, band in enumerate(bands):
                path = folder / f"T{tile}_{time:%Y%m%dT%H%M%S}_{band}.tif"
                values = np.random.default_rng([place, date, number]).integers(
                    1, 9999, (SIDE, SIDE)
                )
                with rasterio.open(
                    path, "w", driver="GTiff", height=SIDE, width=SIDE, count=1, dtype="uint16",
                    nodata=0, crs="EPSG:32633", compress="deflate", predictor=2,
                    tiled=True, blockxsize=block, blockysize=block,
                    transform=Affine(METRES, 0, corner[0], 0, -METRES, corner[1]),
                ) as file:  # fmt: skip
                    file.write(values.astype("u2"), 1)
                scenes.append(Scene(path=path, tile=tile, time=time, band=band))
    return scenes


def stac_items(scenes: Sequence[Scene], href: Callable[[Path], str] = str) -> list[dict[str, Any]]:
    """Return an item a tile and date, with an asset a band."""
    items: dict[tuple[str, dt.datetime], dict[str, Any]] = {}
    for scene in scenes:
        with rasterio.open(scene.path) as file:
            transform, bounds = list(file.transform)[:6], file.bounds
        corners = rasterio.warp.transform_bounds("EPSG:32633", "EPSG:4326", *bounds)
        west, south, east, north = corners
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        item = items.setdefault(
            (scene.tile, scene.time),
            {
                "type": "Feature",
                "stac_version": "1.0.0",
                "stac_extensions": [
                    "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
                ],
                "id": f"S2_{scene.tile}_{scene.time:%Y%m%d}",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "bbox": list(corners),
                "collection": "scenes",
                "properties": {
                    "datetime": f"{scene.time:%Y-%m-%dT%H:%M:%SZ}",
                    "grid:code": f"MGRS-{scene.tile}",
                    "proj:code": "EPSG:32633",
                },
                "links": [],
                "assets": {},
            },
        )
        item["assets"][scene.band] = {
            "href": href(scene.path),
            "type": "image/tiff; application=geotiff",
            "roles": ["data"],
            "proj:shape": [SIDE, SIDE],
            "proj:transform": [*transform, 0, 0, 1],
        }
    return list(items.values())


def pixels_of(scenes: Sequence[Scene], tile: str) -> NDArray[np.uint16]:
    """Return what GDAL reads of a tile: (time, band, y, x); a file that is not there is 0."""
    mine = [scene for scene in scenes if scene.tile == tile]
    times, bands = sorted({s.time for s in mine}), sorted({s.band for s in mine})
    cube = np.zeros((len(times), len(bands), SIDE, SIDE), "u2")
    for scene in mine:
        with rasterio.open(scene.path) as file:
            cube[times.index(scene.time), bands.index(scene.band)] = file.read(1)
    return cube
