"""A parsed file in xarray, with the defaults of xarray, rioxarray, odc-geo and Dask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import rasterio
import rioxarray
import tifffile
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

import virtual_tiff
from support.http import HttpServer
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


# ---- missing values


def masked_by_rioxarray(path: Path) -> np.ndarray[Any, Any]:
    array: Any = rioxarray.open_rasterio(path, masked=True)
    return array.values


def with_alpha(path: Path) -> Path:
    """Write RGBA by GDAL."""
    pixels = np.arange(4 * 40 * 60, dtype="u1").reshape(4, 40, 60)
    pixels[3] = np.where(np.arange(60) % 7 < 3, 0, 255)
    profile = {"driver": "GTiff", "width": 60, "height": 40, "count": 4, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, photometric="RGB", alpha="yes") as file:
        file.write(pixels)
    return path


MASKED = ["cog_rgb_mask", "mask_strips", "mask_tiles", "geo_nodata", "geo_nodata_nan", "alpha"]


@pytest.mark.parametrize("chunks", [None, {}], ids=["lazy", "dask"])
@pytest.mark.parametrize("name", MASKED)
def test_what_is_missing_is_what_rioxarray_says(name: str, chunks: Any, tmp_path: Path) -> None:
    path = SPECIAL / f"{name}.tif"
    if name == "alpha":
        path = with_alpha(tmp_path / "alpha.tif")
    expected = masked_by_rioxarray(path)
    dataset = virtual_tiff.open(path, masked=True, chunks=chunks)
    found = dataset["0"]
    assert isinstance(found.data, dask.array.Array) == (chunks is not None)
    np.testing.assert_array_equal(found.values.reshape(expected.shape), expected)
    part = found.isel(x=slice(5, 50, 3), y=7)
    np.testing.assert_array_equal(part.values, found.values[..., 7, 5:50:3])


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    path = with_alpha(tmp_path / "a.tif")
    dataset = virtual_tiff.open(path, masked=True)
    path.rename(tmp_path / "b.tif")
    with pytest.raises(OSError, match="no such file"):
        dataset["0"].load()
    (tmp_path / "b.tif").rename(path)
    one = dataset["0"][3, 2, 4].values
    assert one == masked_by_rioxarray(path)[3, 2, 4]


def test_nodata_that_xarray_did_not_apply() -> None:
    store = VirtualTIFF()((SPECIAL / "geo_nodata.tif").as_uri(), REGISTRY)
    raw = xr.open_zarr(store, consolidated=False, chunks=None, mask_and_scale=False)
    found = virtual_tiff.masked(raw)["0"].values
    np.testing.assert_array_equal(found, masked_by_rioxarray(SPECIAL / "geo_nodata.tif")[0])


def test_a_tree_is_masked() -> None:
    tree = virtual_tiff.open(SPECIAL / "cog_rgb_mask.tif", masked=True, ifd_layout="pyramid")
    found = tree["0"]["image"].values
    np.testing.assert_array_equal(found, masked_by_rioxarray(SPECIAL / "cog_rgb_mask.tif"))


# ---- opened by a line


def test_a_path_a_name_and_a_url_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    path = SPECIAL / "cog.tif"
    monkeypatch.chdir(SPECIAL)
    with rasterio.open(path) as file:
        for name in (path, "cog.tif", path.as_uri()):
            dataset = virtual_tiff.open(name)
            np.testing.assert_array_equal(dataset["0"].values, file.read(1))
            assert list(dataset.data_vars) == ["0"]
    with HttpServer({"cog.tif": path.read_bytes()}) as server:
        options = {"allow_http": True}
        dataset = virtual_tiff.open(f"{server.url}/cog.tif", store_options=options)
        assert dataset["0"].shape == (40, 60)


def test_options_are_those_of_the_parser() -> None:
    assert set(virtual_tiff.open(SPECIAL / "cog.tif", overviews=True).data_vars) == {"0", "1", "2"}
    tree = virtual_tiff.open(SPECIAL / "cog.tif", ifd_layout="nested")
    assert isinstance(tree, xr.DataTree)
    with pytest.raises(ValueError, match="names 4 files"):
        virtual_tiff.open(SPECIAL / "pages_*.tif")
    with pytest.raises(FileNotFoundError):
        virtual_tiff.open(SPECIAL / "none.tif")


# ---- written


def of_store(path: Path) -> xr.Dataset:
    store = VirtualTIFF(overviews=False)(path.as_uri(), REGISTRY)
    return xr.open_zarr(store, consolidated=False, zarr_format=3, chunks=None)


def test_what_open_gives_has_no_codecs_and_knows_its_chunks() -> None:
    dataset = virtual_tiff.open(SPECIAL / "cog_rgb.tif", chunks="auto")
    assert dataset["0"].encoding["preferred_chunks"] == {"band": 3, "y": 16, "x": 16}
    assert not {"compressors", "serializer", "filters"} & dataset["0"].encoding.keys()


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_mask_for_each_band(chunks: Any, tmp_path: Path) -> None:
    """As `test3_with_mask_8bit.tif` of GDAL's test suite has it."""
    path = tmp_path / "a.tif"
    generator = np.random.default_rng(0)
    with tifffile.TiffWriter(path) as file:
        pixels = generator.integers(1, 255, (16, 16, 3), "u1")
        file.write(pixels, photometric="rgb", contiguous=False)
        mask = generator.integers(0, 2, (16, 16, 3), "u1") * 255
        file.write(mask, photometric="rgb", subfiletype=1, contiguous=False)
    with tifffile.TiffFile(path, mode="r+b") as written:
        written.pages[1].tags["NewSubfileType"].overwrite(4)
        written.pages[1].tags["PhotometricInterpretation"].overwrite(4)
    dataset = virtual_tiff.open(path, chunks=chunks, masked=True)
    assert isinstance(dataset, xr.Dataset)
    valid = np.moveaxis(mask != 0, -1, 0)
    with rasterio.open(path) as by_gdal:
        np.testing.assert_array_equal(by_gdal.read_masks() != 0, valid)
    np.testing.assert_array_equal(dataset["0"].notnull(), valid)
    np.testing.assert_array_equal(dataset["0"].isel(band=1, y=3).notnull(), valid[1, 3])
    np.testing.assert_array_equal(dataset["0"].values[valid], np.moveaxis(pixels, -1, 0)[valid])


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
@pytest.mark.parametrize("how", ["open", "writable"])
@pytest.mark.parametrize("name", ["geo_bands", "geo_scale_offset", "cog_rgb_mask", "cog", "jpeg"])
def test_what_is_written_reads_the_same(name: str, how: str, kind: str, tmp_path: Path) -> None:
    """As `open` gives it, and by `writable` of a store that xarray has opened."""
    if kind == "netcdf":
        pytest.importorskip("netCDF4")
    path = SPECIAL / f"{name}.tif"
    if name == "jpeg":
        path = tmp_path / "jpeg.tif"
        pixels = np.full((64, 64, 3), (200, 100, 50), "u1")
        tifffile.imwrite(path, pixels, photometric="ycbcr", compression="jpeg", tile=(16, 16))
    dataset = virtual_tiff.open(path)
    target = tmp_path / f"out.{kind}"
    copy = dataset
    if how == "writable":
        copy = virtual_tiff.writable(of_store(path))
    if name == "jpeg" and kind == "zarr":
        with pytest.raises(NotImplementedError, match=r"virtual_tiff.writable\(ds\)"):
            of_store(path).to_zarr(tmp_path / "refused.zarr", consolidated=False)
    if kind == "netcdf":
        copy.to_netcdf(target, engine="netcdf4")
        found = xr.open_dataset(target, engine="netcdf4", decode_coords="all")
    else:
        copy.to_zarr(target, consolidated=False)
        found = xr.open_zarr(target, chunks=None, consolidated=False, decode_coords="all")
    for variable in dataset.variables:
        np.testing.assert_array_equal(found[variable].values, dataset[variable].values)
    if "spatial_ref" in dataset:
        assert found.rio.crs == dataset.rio.crs
        assert found.rio.transform() == dataset.rio.transform()
    assert found["0"].encoding.get("_FillValue") == dataset["0"].encoding.get("_FillValue")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("NAME", "NAME_"),
        ("CLASS", "CLASS_"),
        ("_Netcdf4Dimid", "_Netcdf4Dimid_"),
        ("km/h", "km_h"),
        ("long " * 60, ("long " * 60)[:255]),
    ],
)
@pytest.mark.parametrize("how", ["open", "writable"])
def test_names_that_netcdf_refuses(name: str, written: str, how: str, tmp_path: Path) -> None:
    """GDAL's metadata have any names; some are those of HDF5's dimensions."""
    pytest.importorskip("netCDF4")
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8"
    ) as file:
        file.update_tags(**{name: "text"})
    copy = virtual_tiff.open(path) if how == "open" else virtual_tiff.writable(of_store(path))
    copy.to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    assert xr.open_dataset(tmp_path / "a.nc")["0"].attrs[written.strip()] == "text"


def test_an_encoder_that_fails_names_the_call(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 48, 3), "u1")
    path = tmp_path / "webp.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", compression="webp", tile=(16, 16))
    with pytest.raises(ValueError, match=r"imagecodecs_webp cannot write.*virtual_tiff.writable"):
        of_store(path).to_zarr(tmp_path / "a.zarr", consolidated=False)
