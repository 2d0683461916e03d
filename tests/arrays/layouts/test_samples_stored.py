"""`samples="stored"`: (y, x, band) where the samples of a pixel lie together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (gives DataArrays `.rio`)
import tifffile
import xarray as xr

from support.build import ASCII, entry, image
from support.pixels import (
    LOCAL,
    by_gdal,
    by_tifffile,
    read,
    stored_metadata,
    values,
    virtual,
    zarr_array,
)
from virtual_tiff import VirtualTIFF

SPECIAL = Path(__file__).parent.parent.parent.parent / "testdata" / "special"
MATRIX = sorted((SPECIAL.parent / "matrix").glob("*x[34]_chunky*.tif"))

pytestmark = pytest.mark.filterwarnings("ignore")


def both(path: Path, name: str = "0") -> tuple[Any, Any, dict[str, Any]]:
    """Pixels as (y, x, band) and (band, y, x), and the metadata of the former."""
    url = path.as_uri()
    stored, first = (VirtualTIFF(samples=s)(url, LOCAL) for s in ("stored", "first"))  # type: ignore[arg-type]
    arrays = (zarr_array(store, name)[...] for store in (stored, first))
    return *arrays, stored_metadata(stored, name)


def steps(metadata: dict[str, Any]) -> list[str]:
    return [codec["name"] for codec in metadata["codecs"]]


@pytest.mark.parametrize("path", MATRIX, ids=lambda path: path.stem)
def test_the_matrix_of_chunky_files(path: Path):
    """All data types, compressions, predictors and byte orders; strips and tiles."""
    stored, first, metadata = both(path)
    np.testing.assert_array_equal(np.moveaxis(stored, -1, 0), first)
    assert stored.shape == tifffile.imread(path).shape
    np.testing.assert_array_equal(stored, tifffile.imread(path))
    assert "transpose" not in steps(metadata)
    assert metadata["dimension_names"] == ["y", "x", "band"]
    assert metadata["chunk_grid"]["configuration"]["chunk_shape"][-1] == stored.shape[-1]


COMPRESSIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "deflate": {"compress": "deflate"},
    "deflate, predictor 2": {"compress": "deflate", "predictor": 2},
    "lzw, predictor 2": {"compress": "lzw", "predictor": 2},
    "packbits": {"compress": "packbits"},
    "zstd": {"compress": "zstd"},
    "webp": {"compress": "webp", "webp_lossless": True},
    "jpeg": {"compress": "jpeg"},
    "jpeg, YCbCr": {"compress": "jpeg", "photometric": "ycbcr"},
    "lerc": {"compress": "lerc"},
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("blocks", ["tiles", "short last strip"])
def test_compressions_of_gdal(tmp_path: Path, compression: str, blocks: str):
    shape = {"tiled": True, "blockxsize": 32, "blockysize": 16}
    if blocks != "tiles":
        shape = {"blockysize": 16}
    gentle = np.add.outer(np.arange(3) * 40, np.add.outer(np.arange(53), np.arange(70)))
    options = COMPRESSIONS[compression] | shape
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=70, height=53, count=3, dtype="uint8", **options
    ) as file:
        file.write(gentle.astype("u1"))
    stored, first, metadata = both(path)
    with rasterio.open(path) as file:
        expected = np.moveaxis(file.read(), 0, -1)
    np.testing.assert_array_equal(np.moveaxis(stored, -1, 0), first)
    # GDAL's JPEG decoder may round otherwise
    np.testing.assert_allclose(stored, expected, atol=2 if "jpeg" in compression else 0)
    assert "transpose" not in steps(metadata)


@pytest.mark.parametrize(
    "options",
    [
        {"rows_per_strip": 8},
        {"rows_per_strip": 8, "compression": 8},
        {"rows_per_strip": 8, "compression": 8, "byteorder": "MM"},
        {"rows_per_strip": 8, "compression": 5, "predictor": 2},
        {"tile": (16, 16), "compression": 5, "predictor": 2, "byteorder": "MM"},
        {"rows_per_strip": 8, "compression": 8, "sparse": [1]},
    ],
    ids=str,
)
@pytest.mark.parametrize("bands", [2, 3, 5])
def test_pixels_are_those_of_tifffile(options: dict[str, Any], bands: int):
    data = image(values("u2", 21, 29, bands), **options)
    found = read(data, samples="stored")
    np.testing.assert_array_equal(found, by_tifffile(data))
    np.testing.assert_array_equal(np.moveaxis(found, -1, 0), by_gdal(data))
    assert "transpose" not in steps(stored_metadata(virtual(data, samples="stored")))


def test_a_last_strip_that_has_all_rows():
    data = image(values("u2", 21, 29, 3), rows_per_strip=8, compression=8, full_last_strip=True)
    np.testing.assert_array_equal(np.moveaxis(read(data, samples="stored"), -1, 0), by_gdal(data))


def test_floats_with_their_predictor():
    data = image(values("f4", 40, 50, 3), compression=8, predictor=3, tile=(16, 16))
    np.testing.assert_array_equal(read(data, samples="stored"), by_tifffile(data))


def test_planar_files_stay_as_they_are():
    data = image(values("u2", 21, 29, 3), planar=2, rows_per_strip=8, compression=8)
    first, stored = (virtual(data, samples=samples) for samples in ("first", "stored"))
    assert stored_metadata(first) == stored_metadata(stored)
    np.testing.assert_array_equal(zarr_array(stored)[...], by_gdal(data))


@pytest.mark.parametrize("planar", [1, 2])
def test_one_sample_is_y_x(planar: int):
    data = image(values("u2", 21, 29, 1), planar=planar)
    assert zarr_array(virtual(data, samples="stored")).shape == (21, 29)


# ---- what stands beside them


def test_coordinates_and_conventions_are_the_same():
    url = (SPECIAL / "geo_bands.tif").as_uri()
    first, stored = (
        xr.open_zarr(VirtualTIFF(samples=samples)(url, LOCAL))  # type: ignore[arg-type]
        for samples in ("first", "stored")
    )
    assert stored["0"].dims == ("y", "x", "band")
    xr.testing.assert_identical(stored.transpose("band", "y", "x").drop_attrs(), first.drop_attrs())
    assert stored["0"].attrs == first["0"].attrs
    assert stored["0"].rio.crs == first["0"].rio.crs
    assert stored["0"].rio.transform() == first["0"].rio.transform()
    assert stored["0"].attrs["spatial:dimensions"] == ["y", "x"]


@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid"])
def test_every_layout_has_it(layout: Any):
    url = (SPECIAL / "cog_rgb_mask.tif").as_uri()
    store = VirtualTIFF(samples="stored", ifd_layout=layout)(url, LOCAL)
    groups = [store.group, *store.group.groups.values()]
    dimensions = [
        array.metadata.dimension_names
        for group in groups
        for array in group.arrays.values()
        if array.ndim == 3
    ]
    assert len(dimensions) == 3
    assert all(names is not None and names[2] == "band" for names in dimensions)


def test_a_window_of_it():
    pixels = values("u1", 64, 64, 3)
    data = image(pixels, tile=(16, 16), compression=8)
    store = virtual(data, samples="stored", window=(20, 20, 4, 20))
    np.testing.assert_array_equal(zarr_array(store)[...], pixels[16:48, 16:32])


def test_names_of_bands_stand_on_the_last_axis():
    names = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
        for i, name in enumerate(("red", "nir"))
    )
    pixels = values("u1", 5, 7, 2)
    tag = entry(42112, ASCII, f"<GDALMetadata>{names}</GDALMetadata>")
    array = xr.open_zarr(virtual(image(pixels, extra_entries=[tag]), samples="stored"))["0"]
    np.testing.assert_array_equal(array.sel(band="nir"), pixels[:, :, 1])


def test_the_metadata_are_strict_json():
    metadata = stored_metadata(virtual(image(values("f4", 5, 7, 2)), samples="stored"))
    json.dumps(metadata, allow_nan=False)


# ---- bands of planar files


@pytest.mark.parametrize("bands", [2, [1, 3], [3, 1], ["nir"], "nir"])
def test_bands_of_a_planar_file(bands: Any):
    names = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
        for i, name in enumerate(("red", "green", "nir"))
    )
    pixels = values("u1", 20, 30, 3)
    tag = entry(42112, ASCII, f"<GDALMetadata>{names}</GDALMetadata>")
    data = image(pixels, planar=2, tile=(16, 16), extra_entries=[tag])
    array = xr.open_zarr(virtual(data, bands=bands))["0"]
    listed = bands if isinstance(bands, list) else [bands]
    at = [("red", "green", "nir").index(b) if isinstance(b, str) else b - 1 for b in listed]
    np.testing.assert_array_equal(array.values, np.moveaxis(pixels, -1, 0)[at])
    assert array.band.values.tolist() == [("red", "green", "nir")[i] for i in at]


def test_bands_of_a_chunky_file_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="each block holds all"):
        virtual(image(values("u1", 20, 30, 3)), bands=[1])
