"""Where an image lies: rioxarray over the store says what GDAL says of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (gives DataArrays `.rio`)
import xarray as xr

from support.build import DOUBLE, SHORT, entry, image
from support.pixels import LOCAL, stored_metadata, values, virtual
from virtual_tiff import VirtualTIFF

TESTDATA = Path(__file__).parent.parent.parent / "testdata"
EXTERNAL = TESTDATA / "external"
PLACED = [
    path
    for path in sorted([*TESTDATA.glob("special/*.tif"), *TESTDATA.glob("series/*.tif")])
    if path.stem.startswith(("geo_", "cog", "scene"))
]


def opened(path: Path) -> xr.DataArray:
    """The first image as a user of xarray has it."""
    store = VirtualTIFF(ifd=0)(f"file://{path}", LOCAL)
    return xr.open_zarr(store, zarr_format=3, consolidated=False, mask_and_scale=False)["0"]


def agrees(path: Path) -> None:
    """CRS and transform are those of GDAL."""
    array = opened(path)
    with rasterio.open(path) as dataset:
        assert array.rio.crs == dataset.crs
        ours = list(array.rio.transform(recalc=False))[:6]
        np.testing.assert_allclose(ours, list(dataset.transform)[:6], rtol=1e-12)


@pytest.mark.parametrize("path", PLACED, ids=lambda path: path.stem)
def test_rioxarray_says_what_gdal_says(path: Path):
    agrees(path)


def corpus() -> list[object]:
    """Rasterio's test files, which are georeferenced in many ways; skipped where absent."""
    found = sorted((EXTERNAL / "rasterio").rglob("*.tif"))
    reason = "the rasterio corpus is not there: run scripts/sync_rasterio_tiffs.py"
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="rasterio")]
    return [pytest.param(path, id=path.name) for path in found]


@pytest.mark.parametrize("path", corpus())
def test_rioxarray_says_what_gdal_says_of_the_corpus(path: Path):
    try:
        with rasterio.open(path) as dataset:
            placed = dataset.crs is not None and not dataset.transform.is_identity
    except rasterio.errors.RasterioIOError:
        pytest.skip("GDAL does not open it")
    if not placed:
        pytest.skip("it has no place")
    agrees(path)


def test_the_attributes_are_those_of_the_conventions():
    attributes = opened(TESTDATA / "special" / "geo_nodata.tif").attrs
    # each under its name and under that of its draft, for which rioxarray 0.23 looks
    names = ["spatial", "spatial:", "proj", "proj:"]
    assert [c["name"] for c in attributes["zarr_conventions"]] == names
    assert attributes["spatial:dimensions"] == ["y", "x"]
    assert attributes["spatial:registration"] == "pixel"
    a, _, c, _, e, f = attributes["spatial:transform"]
    length, width = attributes["spatial:shape"]
    assert attributes["spatial:bbox"] == [c, f + e * length, c + a * width, f]
    assert attributes["proj:code"].startswith("EPSG:")


def test_an_image_without_a_place_has_no_such_attributes():
    attributes = stored_metadata(virtual(image(values("u1", 10, 20))))["attributes"]
    assert "zarr_conventions" not in attributes
    assert not [name for name in attributes if name.startswith(("spatial:", "proj:"))]


def test_a_crs_of_points_is_not_that_of_the_pixels():
    keys = [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633]
    points = [0, 0, 0, 5, 6, 0, 10, 0, 0, 15, 6, 0, 0, 10, 0, 5, 16, 0]
    data = image(
        values("u1", 10, 20),
        extra_entries=[entry(34735, SHORT, keys), entry(33922, DOUBLE, points)],
    )
    attributes = stored_metadata(virtual(data))["attributes"]
    assert "proj:code" not in attributes
    assert "spatial:transform" not in attributes
