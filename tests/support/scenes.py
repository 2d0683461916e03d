"""Small GeoTIFFs by rasterio, and published cubes as others read them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import zarr
from numpy.typing import NDArray
from rasterio.transform import from_origin

from virtual_tiff.publishing import Published


def scene(
    path: Path,
    seed: int = 0,
    *,
    shape: tuple[int, ...] = (64, 96),
    at: tuple[float, float] = (500_000, 4_650_000),
    block: int = 32,
    **options: Any,
) -> Path:
    """Write a tiled GeoTIFF of 10 m pixels whose values follow from the seed.

    Parameters
    ----------
    path
        Its folders are made.
    seed
        Of its pixels.
    shape
        (y, x) or (band, y, x).
    at
        The upper left corner.
    block
        Edge of a tile.
    options
        `tags`, `dtype`, and whatever rasterio's GTiff driver takes.
    """
    tags = options.pop("tags", {})
    dtype = options.setdefault("dtype", "uint16")
    bands, length, width = (1, *shape)[-3:]
    data = np.random.default_rng(seed).integers(1, 200, (bands, length, width)).astype(dtype)
    settings = {
        "driver": "GTiff",
        "crs": "EPSG:32633",
        "transform": from_origin(*at, 10, 10),
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
        "compress": "deflate",
    } | options
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", count=bands, height=length, width=width, **settings) as dataset:
        dataset.write(data)
        dataset.update_tags(**tags)
    return path


def dated(path: Path, day: str, seed: int = 0, **options: Any) -> Path:
    """Write a scene with the tag DateTime: `day` is 2023-01-31."""
    tags = {"TIFFTAG_DATETIME": f"{day.replace('-', ':')} 10:15:00"} | options.pop("tags", {})
    return scene(path, seed, tags=tags, **options)


def pixels(path: Path, overview: int | None = None) -> NDArray[Any]:
    """What GDAL reads: (y, x), or (band, y, x) where there are several bands."""
    options = {} if overview is None else {"overview_level": overview}
    with rasterio.open(path, **options) as dataset:
        bands: NDArray[Any] = dataset.read()
    return bands[0] if len(bands) == 1 else bands


def group_of(published: Published) -> zarr.Group:
    """The published group, as any reader opens it."""
    store = published.repository.readonly_session(published.branch).store
    return zarr.open_group(store, mode="r")


def read(published: Published, path: str = "0") -> NDArray[Any]:
    array: Any = group_of(published)[path]
    return np.asarray(array[...])


def dataset_of(published: Published, group: str | None = None) -> Any:
    """The published group in xarray, undecoded but for times and coordinates."""
    import xarray as xr

    store = published.repository.readonly_session(published.branch).store
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.open_zarr(store, group=group, consolidated=False, mask_and_scale=False)


def commits(published: Published) -> list[str]:
    """Messages of the branch's commits, the last first; without the first, empty one."""
    found = [one.message for one in published.repository.ancestry(branch=published.branch)]
    return found[:-1]
