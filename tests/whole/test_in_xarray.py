"""A parsed file in xarray, with the defaults of xarray, rioxarray, odc-geo and Dask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (the accessor)
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from virtual_tiff import VirtualTIFF

SPECIAL = Path(__file__).parents[2] / "testdata" / "special"
REGISTRY: Any = ObjectStoreRegistry({"file://": LocalStore()})


def opened(name: str, **options: Any) -> xr.Dataset:
    store = VirtualTIFF()((SPECIAL / f"{name}.tif").as_uri(), REGISTRY)
    return xr.open_zarr(store, consolidated=False, zarr_format=3, **options)


COGS = ["cog", "cog_rgb", "cog_rgb_mask", "cog_float_nan_predictor"]


@pytest.mark.parametrize("name", COGS)
def test_a_cog_with_its_overviews_has_one_crs_and_a_transform_for_each_size(name: str) -> None:
    dataset = opened(name, chunks=None)
    with rasterio.open(SPECIAL / f"{name}.tif") as file:
        assert dataset.rio.crs == file.crs
        assert dataset.rio.transform() == file.transform
        assert dataset["0"].rio.transform() == file.transform
        factors = file.overviews(1)
    for level, factor in enumerate(factors):
        with rasterio.open(SPECIAL / f"{name}.tif", overview_level=level) as overview:
            shape = overview.shape
            found = next(v for v in dataset.data_vars.values() if v.shape[-2:] == shape)
            assert found.rio.transform().almost_equals(overview.transform), factor
            assert found.rio.crs == overview.crs


@pytest.mark.parametrize("name", COGS)
def test_odc_geo_finds_the_box_of_a_cog(name: str) -> None:
    pytest.importorskip("odc.geo.xr")
    dataset = opened(name, chunks=None)
    with rasterio.open(SPECIAL / f"{name}.tif") as file:
        assert dataset.odc.geobox.affine == file.transform
        assert dataset.odc.crs.epsg == file.crs.to_epsg()


def test_a_rotated_image_keeps_its_own_transform() -> None:
    with rasterio.open(SPECIAL / "geo_rotated.tif") as file:
        assert opened("geo_rotated", chunks=None).rio.transform() == file.transform


@pytest.mark.parametrize("name", [*COGS, "geo_bands"])
def test_dask_chooses_chunks_of_files_with_several_bands(name: str) -> None:
    dataset = opened(name, chunks="auto")
    with rasterio.open(SPECIAL / f"{name}.tif") as file:
        expected = file.read()
    found = dataset.drop_attrs()["0"]
    values = found.values if found.ndim == 3 else found.values[None]
    np.testing.assert_array_equal(np.nan_to_num(values), np.nan_to_num(expected))


def test_texts_of_bands_are_attributes() -> None:
    assert opened("cog_rgb", chunks=None)["0"].attrs["colorinterp"] == ["red", "green", "blue"]
