"""Virtual datasets of VirtualiZarr and xarray: combined, written, and read back."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (the accessor)
import tifffile
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from rasterio.transform import from_origin
from virtualizarr import open_virtual_dataset, open_virtual_mfdataset

from virtual_tiff import VirtualTIFF

REGISTRY: Any = ObjectStoreRegistry({"file://": LocalStore()})
SHAPE = (32, 48, 3)
OPTIONS: dict[str, dict[str, Any]] = {
    "uncompressed": {},
    "lzw-2": {"compression": "lzw", "predictor": 2},
    "zstd": {"compression": "zstd"},
    "webp": {"compression": "webp", "compressionargs": {"lossless": True}},
}
"""Of files whose samples lie together, so that their arrays have a `transpose`."""


def rgb(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 255, SHAPE, "u1")


@pytest.fixture(params=OPTIONS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """Two files of RGB."""
    paths = [tmp_path / "0.tif", tmp_path / "1.tif"]
    for seed, path in enumerate(paths):
        settings = {"photometric": "rgb", "tile": (16, 16), "metadata": None}
        tifffile.imwrite(path, rgb(seed), **settings, **OPTIONS[request.param])
    return paths


def opened(paths: list[Path]) -> list[xr.Dataset]:
    parser = VirtualTIFF(ifd=0)
    return [open_virtual_dataset(p.as_uri(), registry=REGISTRY, parser=parser) for p in paths]


def through_icechunk(virtual: xr.Dataset, folder: Path) -> xr.Dataset:
    """Write a virtual dataset by VirtualiZarr, and open what was written."""
    prefix = f"file://{folder}/"
    config = icechunk.RepositoryConfig.default()
    store = icechunk.local_filesystem_store(str(folder))
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    repository = icechunk.Repository.create(
        icechunk.in_memory_storage(),
        config=config,
        authorize_virtual_chunk_access={prefix: icechunk.credentials.LocalFileSystemAccess},
    )
    session = repository.writable_session("main")
    virtual.vz.to_icechunk(session.store)
    session.commit("a dataset")
    written = repository.readonly_session("main").store
    return xr.open_zarr(written, chunks=None, consolidated=False)


def test_files_of_rgb_are_stacked(files: list[Path], tmp_path: Path) -> None:
    stacked = xr.concat(opened(files), dim="time")
    assert stacked["0"].dims == ("time", "band", "y", "x")
    found = through_icechunk(stacked, tmp_path)["0"].transpose("time", "y", "x", "band")
    np.testing.assert_array_equal(found.values, [rgb(0), rgb(1)])


def test_a_stack_is_cut_again(files: list[Path], tmp_path: Path) -> None:
    second = xr.concat(opened(files), dim="time")[["0"]].isel(time=1)
    found = through_icechunk(second, tmp_path)["0"].transpose("y", "x", "band")
    np.testing.assert_array_equal(found.values, rgb(1))


@pytest.mark.parametrize("axis", range(4))
def test_arrays_are_stacked_along_any_new_axis(axis: int, tmp_path: Path) -> None:
    for seed in (0, 1):
        tifffile.imwrite(tmp_path / f"{seed}.tif", rgb(seed), photometric="rgb", tile=(16, 16))
    arrays = [ds["0"].variable._data for ds in opened([tmp_path / "0.tif", tmp_path / "1.tif"])]
    dimensions = ["band", "y", "x"]
    dimensions.insert(axis, "new")
    virtual = xr.Dataset({"0": (dimensions, np.stack(arrays, axis=axis))})
    found = through_icechunk(virtual, tmp_path)["0"]
    np.testing.assert_array_equal(found.transpose("new", "y", "x", "band").values, [rgb(0), rgb(1)])


def test_axes_are_added_in_front(files: list[Path], tmp_path: Path) -> None:
    virtual = opened(files)[0][["0"]].expand_dims(["time", "z"])
    found = through_icechunk(virtual, tmp_path)["0"]
    assert found.dims == ("time", "z", "band", "y", "x")
    np.testing.assert_array_equal(found[0, 0].transpose("y", "x", "band").values, rgb(0))


def test_files_that_are_stored_differently_are_not_stacked(tmp_path: Path) -> None:
    for seed, name in enumerate(("lzw", "zstd")):
        options = {"photometric": "rgb", "tile": (16, 16), "compression": name}
        tifffile.imwrite(tmp_path / f"{seed}.tif", rgb(seed), **options)
    with pytest.raises(NotImplementedError, match="different codecs"):
        xr.concat(opened([tmp_path / "0.tif", tmp_path / "1.tif"]), dim="time")


FLOATS = {"compression": "zlib", "predictor": 3}
INTEGERS = {"compression": "zlib", "predictor": 2}


@pytest.mark.parametrize(
    ("options", "dtype"), [(FLOATS, "f4"), (INTEGERS, "u2")], ids=["floats", "integers"]
)
def test_references_that_would_be_garbage_are_refused(
    options: dict[str, Any], dtype: str, tmp_path: Path
) -> None:
    path = tmp_path / "0.tif"
    pixels = np.arange(32 * 32, dtype=dtype).reshape(32, 32)
    tifffile.imwrite(path, pixels, tile=(16, 16), **options)
    (virtual,) = opened([path])
    both = [virtual, xr.concat([virtual, virtual], dim="time"), pickle.loads(pickle.dumps(virtual))]
    for dataset in both:
        with pytest.raises(NotImplementedError, match=r"use virtual_tiff.to_kerchunk\(vds, path\)"):
            dataset.vz.to_kerchunk(format="dict")
        assert "0/zarr.json" in dataset.vz.to_kerchunk(format="dict", zarr_format=3)["refs"]


def test_what_is_written_has_the_standard_codecs(tmp_path: Path) -> None:
    path = tmp_path / "0.tif"
    pixels = np.arange(32 * 32, dtype="f4").reshape(32, 32)
    tifffile.imwrite(path, pixels, tile=(16, 16), **FLOATS)
    (virtual,) = opened([path])
    codecs = [codec.to_dict()["name"] for codec in virtual["0"].variable._data.metadata.codecs]
    assert codecs == ["imagecodecs_floatpred", "numcodecs.zlib"]
    found = through_icechunk(virtual, tmp_path)["0"]
    np.testing.assert_array_equal(found.values, pixels)


@pytest.fixture
def tiles(tmp_path: Path) -> list[Path]:
    """Four tiles that touch."""
    paths = []
    for row in range(2):
        for column in range(2):
            path = tmp_path / f"{row}{column}.tif"
            transform = from_origin(500_000 + column * 320, 4_650_000 - row * 320, 10, 10)
            profile = {"driver": "GTiff", "width": 32, "height": 32, "count": 1, "dtype": "uint8"}
            with rasterio.open(path, "w", **profile, crs=32633, transform=transform) as file:
                file.write(np.full((1, 32, 32), 2 * row + column, "u1"))
            paths.append(path)
    return paths


@pytest.mark.parametrize("how", ["combine_by_coords", "open_virtual_mfdataset"])
def test_adjacent_tiles_are_combined_and_lie_where_they_are(
    how: str, tiles: list[Path], tmp_path: Path
) -> None:
    if how == "combine_by_coords":
        mosaic = xr.combine_by_coords(opened(tiles))
    else:
        urls = [path.as_uri() for path in tiles]
        mosaic = open_virtual_mfdataset(urls, registry=REGISTRY, parser=VirtualTIFF())
    found = through_icechunk(mosaic, tmp_path)
    assert found.rio.bounds() == (500_000, 4_649_360, 500_640, 4_650_000)
    assert found.rio.transform() == from_origin(500_000, 4_650_000, 10, 10)
    assert found.rio.crs.to_epsg() == 32633
    assert not any("spatial:" in name or "model_" in name[:8] for name in _places(found))
    corners = found["0"].values[::63, ::63].tolist()
    assert corners == [[0, 1], [2, 3]]


def _places(dataset: xr.Dataset) -> list[str]:
    names = [name for variable in dataset.variables.values() for name in variable.attrs]
    return [name for name in names if name not in ("model_type", "spatial_ref")]


def test_a_virtual_dataset_without_coordinates_keeps_its_place(tiles: list[Path]) -> None:
    parser = VirtualTIFF(coordinates=False)
    virtual = open_virtual_dataset(tiles[3].as_uri(), registry=REGISTRY, parser=parser)
    assert virtual["0"].attrs["spatial:bbox"] == [500_320, 4_649_360, 500_640, 4_649_680]
    assert list(virtual.variables) == ["0"]
