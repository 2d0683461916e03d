"""Tiles that were published, compared with GDAL's VRT of the same files; and their recipes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS

from support.archives import Recipe, write
from support.grids import Overlap, plane_of, vrt_pixels
from support.scenes import dataset_of, group_of
from virtual_tiff.publishing import Published, publish

__all__ = ["RECTILINEAR", "assert_is_vrt", "base", "chunk_grid", "published", "strips"]

RECTILINEAR = {"array.rectilinear_chunks": True}
"""What a reader sets in `zarr.config`."""


def base(side: int = 360, block: int | None = 64, **changes: Any) -> Recipe:
    """A tile of uint16 with nodata 0, which no pixel has; `options` are those of GDAL's driver."""
    options = {"compress": "deflate"} | changes.pop("options", {})
    if block is not None:
        options = {"tiled": True, "blockxsize": block, "blockysize": block} | options
    recipe = Recipe(name="", day=dt.date(2024, 1, 1), shape=(side, side), nodata=0, **changes)
    return replace(recipe, options=tuple((k, v) for k, v in options.items() if v is not None))


def strips(side: int, rows: int, compress: str | None = "deflate", **changes: Any) -> Recipe:
    """A tile of strips."""
    return base(side, None, options={"blockysize": rows, "compress": compress}, **changes)


def published(folder: Path, recipes: Sequence[Recipe], **options: Any) -> tuple[Published, Any]:
    """Write the tiles and publish them; gives the paths too."""
    paths = [write(recipe, folder / "files") for recipe in recipes]
    settings_ = {"concat": ("y", "x"), "grid": "rectilinear"} | options
    return publish(paths, folder / "cube", **settings_), paths


def chunk_grid(result: Published, path: str = "0") -> str:
    """The name of an array's chunk grid."""
    array: Any = group_of(result)[path]
    return str(array.metadata.to_dict()["chunk_grid"]["name"])


def assert_is_vrt(
    result: Published,
    paths: Sequence[Path],
    *,
    overlap: Overlap = "last",
    level: int | None = None,
    path: str = "0",
    atol: float = 0,
) -> None:
    """Compare an array, by zarr and by xarray, and all that says where it is, with GDAL's VRT."""
    plane = plane_of(paths, level=level)
    expected = vrt_pixels(paths, overlap=overlap, level=level)
    with rasterio.open(paths[0]) as file:
        nodata, several = file.nodata, file.count > 1
    expected = expected if several else expected[0]
    array: Any = group_of(result)[path]
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    assert_pixels(array[...], expected, atol)
    folder, _, name = path.rpartition("/")
    dataset = dataset_of(result, folder or None)
    variable = dataset[name]
    assert_pixels(variable.values, expected, atol)
    assert variable.dims[-2:] == tuple(array.metadata.dimension_names)[-2:]
    fill = array.attrs.get("_FillValue")
    assert (fill is None) == (nodata is None)
    if nodata is not None:
        assert array.fill_value == nodata
    attributes = array.attrs.asdict()
    assert np.allclose(attributes["spatial:transform"], plane.transform[:6], rtol=1e-12)
    assert attributes["spatial:shape"] == list(plane.shape)
    assert np.allclose(attributes["spatial:bbox"], plane.bounds, rtol=1e-12)
    reference = dataset[attributes.get("grid_mapping", "spatial_ref")].attrs
    y, x = variable.dims[-2:]
    if "GeoTransform" in reference:
        gdal = [float(part) for part in reference["GeoTransform"].split()]
        assert np.allclose(gdal, plane.transform.to_gdal(), rtol=1e-12)
    else:  # of several sizes, each of which has coordinates
        assert {x, y} <= set(dataset.coords)
    assert CRS.from_wkt(reference["crs_wkt"]) == plane.crs
    if plane.transform.b or plane.transform.d:
        assert x not in dataset.coords
        assert y not in dataset.coords
    else:
        np.testing.assert_allclose(dataset[x].values, plane.x, rtol=1e-12)
        np.testing.assert_allclose(dataset[y].values, plane.y, rtol=1e-12)


def assert_pixels(came: Any, expected: Any, atol: float = 0) -> None:
    if atol:
        np.testing.assert_allclose(came.astype("f8"), expected.astype("f8"), atol=atol)
    else:
        np.testing.assert_array_equal(came, expected)
