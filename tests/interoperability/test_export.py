"""Kerchunk references, read back by fsspec with zarr, by xarray and by GDAL."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import imagecodecs.numcodecs
import numpy as np
import pytest
import rasterio
import tifffile
import xarray as xr
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr import open_virtual_dataset

from support.scenes import dated, pixels
from virtual_tiff import VirtualTIFF, open_published, publish, to_kerchunk
from virtual_tiff.cli.main import main

TESTDATA = Path(__file__).parents[2] / "testdata"
SPECIAL = TESTDATA / "special"
REGISTRY: Any = ObjectStoreRegistry({"file://": LocalStore()})


@pytest.fixture(scope="module", autouse=True)
def _codecs() -> None:
    imagecodecs.numcodecs.register_codecs(verbose=False)


def store_of(path: Path, **options: Any) -> Any:
    return VirtualTIFF(**options)(path.resolve().as_uri(), REGISTRY)


def read(path: Path, zarr_format: int, array: str = "0") -> np.ndarray[Any, Any]:
    """The array as fsspec and zarr read it; bands first."""
    mapper = fsspec.get_mapper("reference://", fo=str(path))
    found: Any = zarr.open_group(mapper, mode="r", zarr_format=zarr_format)[array]
    attributes = dict(found.attrs)
    names = attributes.get("_ARRAY_DIMENSIONS") or found.metadata.dimension_names
    values = np.asarray(found[...])
    return np.moveaxis(values, -1, -3) if names[-1].startswith("band") else values


NUMBERS = (np.arange(48 * 48).reshape(48, 48) * 7) % 60000
RGB = np.stack([NUMBERS % 251, NUMBERS % 241, NUMBERS % 239], axis=-1).astype("u1")
TILE = {"tile": (16, 16)}

KINDS: dict[str, tuple[np.ndarray[Any, Any], dict[str, Any]]] = {
    "u2": (NUMBERS.astype("u2"), {}),
    "u2-big": (NUMBERS.astype("u2"), {"byteorder": ">"}),
    "lzw-2": (NUMBERS.astype("u2"), {"compression": "lzw", "predictor": 2, **TILE}),
    "lzw-2-big": (
        NUMBERS.astype("u4"),
        {"compression": "lzw", "predictor": 2, "byteorder": ">", **TILE},
    ),
    "deflate-3": (NUMBERS.astype("f4") / 3, {"compression": "zlib", "predictor": 3, **TILE}),
    "deflate-3-big": (
        NUMBERS.astype("f8") / 3,
        {"compression": "zlib", "predictor": 3, "byteorder": ">", **TILE},
    ),
    "zstd": (NUMBERS.astype("i4") - 9, {"compression": "zstd", **TILE}),
    "lzma": (NUMBERS.astype("u2"), {"compression": "lzma", **TILE}),
    "packbits": (NUMBERS.astype("u1"), {"compression": "packbits", **TILE}),
    "rgb": (RGB, {"photometric": "rgb", **TILE}),
    "rgb-lzw-2": (RGB, {"photometric": "rgb", "compression": "lzw", "predictor": 2, **TILE}),
    "rgb-planar": (
        np.moveaxis(RGB, -1, 0),
        {"photometric": "rgb", "planarconfig": "separate", **TILE},
    ),
    "complex-2": (
        (NUMBERS + 1j).astype("c8"),
        {"compression": "lzw", "predictor": 2, **TILE},
    ),
    "webp": (RGB, {"compression": "webp", "compressionargs": {"lossless": True}, **TILE}),
    "png": (NUMBERS.astype("u2"), {"compression": "png", **TILE}),
}


def made(path: Path, kind: str) -> np.ndarray[Any, Any]:
    """Write a file of a kind by tifffile; return its pixels, bands first."""
    values, options = KINDS[kind]
    settings = dict(options)
    byteorder = settings.pop("byteorder", "<")
    if kind == "complex-2":  # tifffile has no predictor for complex numbers; words have
        profile = {"driver": "GTiff", "dtype": "complex64", "count": 1, "width": 48, "height": 48}
        with rasterio.open(path, "w", **profile, compress="lzw", predictor=2, tiled=True,
                           blockxsize=16, blockysize=16) as dataset:  # fmt: skip
            dataset.write(values, 1)
        return values
    with tifffile.TiffWriter(path, byteorder=byteorder) as writer:
        writer.write(values, metadata=None, **settings)
    return np.moveaxis(values, -1, 0) if values.shape[-1] == 3 else values


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_that_were_written(kind: str, zarr_format: Any, tmp_path: Path) -> None:
    expected = made(tmp_path / "a.tif", kind)
    store = store_of(tmp_path / "a.tif")
    to_kerchunk(store, tmp_path / "a.json", zarr_format=zarr_format)
    found = read(tmp_path / "a.json", zarr_format)
    assert found.dtype.newbyteorder("=") == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["lzw-2", "rgb"])
def test_parquet_holds_the_same(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("fastparquet")
    expected = made(tmp_path / "a.tif", kind)
    exported = to_kerchunk(store_of(tmp_path / "a.tif"), tmp_path / "a.parq", format="parquet")
    np.testing.assert_array_equal(read(tmp_path / "a.parq", 2), expected)
    assert (exported.references, exported.arrays) == (9, 2 if kind == "rgb" else 1)


NAMES = ["geo_nodata", "geo_bands", "sparse_tiles_nodata", "cog_float_nan_predictor"]


@pytest.mark.parametrize("name", NAMES)
def test_gdal_reads_pixels_and_place(name: str, tmp_path: Path) -> None:
    path = SPECIAL / f"{name}.tif"
    references = tmp_path / "a.json"
    exported = to_kerchunk(store_of(path, ifd=0), references)
    with rasterio.open(path) as file:
        if any(codec.startswith("imagecodecs_") for codec in exported.codecs):
            with pytest.raises(rasterio.RasterioIOError, match="not handled"):
                rasterio.open(f'ZARR:"{references}":/0')
            return
        with rasterio.open(f'ZARR:"{references}":/0') as dataset:
            assert (dataset.crs, dataset.transform) == (file.crs, file.transform)
            assert dataset.nodata == file.nodata
            np.testing.assert_array_equal(dataset.read(), file.read())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", [("json", 2), ("json", 3), ("parquet", 2)], ids=str)
def test_the_printed_lines_open_what_the_store_has(
    name: str, form: tuple[Any, Any], tmp_path: Path
) -> None:
    if form[0] == "parquet":
        pytest.importorskip("fastparquet")
    store = store_of(SPECIAL / f"{name}.tif", ifd=0)
    target = tmp_path / ("a.json" if form[0] == "json" else "a.parq")
    exported = to_kerchunk(store, target, format=form[0], zarr_format=form[1])
    names: dict[str, Any] = {}
    exec(exported.how_to_open, names)
    expected = xr.open_zarr(store, chunks=None, consolidated=False, zarr_format=3)
    assert set(names["ds"].variables) == set(expected.variables)
    for variable in expected.variables:
        found = names["ds"][variable].transpose(*expected[variable].dims)
        np.testing.assert_array_equal(found.values, expected[variable].values)
        assert found.coords.keys() == expected[variable].coords.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_kerchunk_reads_them(name: str, tmp_path: Path) -> None:
    pytest.importorskip("kerchunk")
    store = store_of(SPECIAL / f"{name}.tif", ifd=0)
    to_kerchunk(store, tmp_path / "a.json")
    found = xr.open_dataset(str(tmp_path / "a.json"), engine="kerchunk")["0"]
    expected = xr.open_zarr(store, chunks=None, consolidated=False, zarr_format=3)["0"]
    np.testing.assert_array_equal(found.transpose(*expected.dims).values, expected.values)


def test_what_zarr_v2_cannot_say_is_refused_and_zarr_v3_holds_it(tmp_path: Path) -> None:
    short = _short_strip(tmp_path)
    with pytest.raises(ValueError, match=r"0: .*codec virtual_tiff.pad; give zarr_format=3"):
        to_kerchunk(store_of(short), tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()
    to_kerchunk(store_of(short), tmp_path / "a.json", zarr_format=3)
    np.testing.assert_array_equal(read(tmp_path / "a.json", 3), tifffile.imread(short))


def _short_strip(folder: Path) -> Path:
    """A file whose last strip is compressed and short."""
    path = folder / "short.tif"
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "width": 48, "height": 37}
    with rasterio.open(path, "w", **profile, compress="deflate", blockysize=16) as dataset:
        dataset.write(NUMBERS[:37].astype("u2"), 1)
    return path


def test_nothing_is_replaced_unless_asked_for(tmp_path: Path) -> None:
    store = store_of(SPECIAL / "geo_nodata.tif")
    target = tmp_path / "a.json"
    target.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        to_kerchunk(store, target)
    assert target.read_text() == "mine"
    with pytest.raises(ValueError, match="codec virtual_tiff"):
        to_kerchunk(store_of(_short_strip(tmp_path)), target, overwrite=True)
    assert target.read_text() == "mine"
    to_kerchunk(store, target, overwrite=True)
    assert json.loads(target.read_text())["version"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "short.tif"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "csv"}, "format must be"),
        ({"zarr_format": 1}, "format must be"),
        ({"format": "parquet", "zarr_format": 3}, "Zarr v2 alone"),
        ({"format": "parquet"}, "by the name"),
        ({"path": "s3://bucket/a.json"}, "local path"),
        ({"path": "a.txt"}, "by the name"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = options.pop("path", tmp_path / "a.json")
    with pytest.raises(ValueError, match=message):
        to_kerchunk(store_of(SPECIAL / "geo_nodata.tif"), path, **options)


def test_other_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="open_published"):
        to_kerchunk("repository", tmp_path / "a.json")


def test_a_name_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a b#c%20d.tif"
    shutil.copy(SPECIAL / "geo_nodata.tif", path)
    to_kerchunk(store_of(path), tmp_path / "a.json")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(read(tmp_path / "a.json", 2), file.read(1))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Any]:
    """A published stack of three scenes, and their files."""
    folder = tmp_path_factory.mktemp("stack")
    days = ("2026-01-01", "2026-02-01", "2026-03-01")
    files = [dated(folder / f"{day}.tif", day, seed=n) for n, day in enumerate(days)]
    names = [str(file) for file in files]
    published = publish(names, str(folder / "repository"), concat="time", time="tag")
    return files, published


@pytest.mark.parametrize("form", [("json", 2), ("json", 3), ("parquet", 2)], ids=str)
def test_a_published_cube_is_exported(
    form: tuple[Any, Any], stack: tuple[list[Path], Any], tmp_path: Path
) -> None:
    if form[0] == "parquet":
        pytest.importorskip("fastparquet")
    files, published = stack
    target = tmp_path / ("a.json" if form[0] == "json" else "a.parq")
    store = open_published(published.repository)
    exported = to_kerchunk(store, target, format=form[0], zarr_format=form[1])
    names: dict[str, Any] = {}
    exec(exported.how_to_open, names)
    cube = names["ds"]
    assert "_virtual_tiff" not in target.read_text() if target.is_file() else True
    expected = xr.open_zarr(store, chunks=None, consolidated=False)
    assert set(cube.variables) == set(expected.variables)
    np.testing.assert_array_equal(cube["time"].values, expected["time"].values)
    found = cube["0"].transpose(*expected["0"].dims).values
    for number, file in enumerate(files):
        np.testing.assert_array_equal(np.squeeze(found[number]), np.squeeze(pixels(file)))


def test_a_dataset_of_virtualizarr_is_exported(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made(tmp_path / f"{name}.tif", "deflate-3")
    datasets = [
        open_virtual_dataset(
            (tmp_path / f"{n}.tif").as_uri(), registry=REGISTRY, parser=VirtualTIFF()
        )
        for n in ("a", "b")
    ]
    stacked = xr.concat(datasets, dim="time").assign_coords(time=[1, 2])
    to_kerchunk(stacked, tmp_path / "a.json")
    found = xr.open_dataset(
        "reference://",
        engine="zarr",
        consolidated=False,
        storage_options={"fo": str(tmp_path / "a.json")},
    )
    np.testing.assert_array_equal(found["0"].values, [KINDS["deflate-3"][0]] * 2)
    np.testing.assert_array_equal(found["time"].values, [1, 2])


def test_groups_are_exported(tmp_path: Path) -> None:
    store = store_of(SPECIAL / "cog.tif", ifd_layout="nested")
    exported = to_kerchunk(store, tmp_path / "a.json")
    names: dict[str, Any] = {}
    exec(exported.how_to_open, names)
    expected = xr.open_datatree(store, engine="zarr", consolidated=False, zarr_format=3)
    assert list(names["ds"].children) == list(expected.children)
    for path, node in expected.children.items():
        for name, variable in node.data_vars.items():
            found = names["ds"][path][name].transpose(*variable.dims)
            np.testing.assert_array_equal(found.values, variable.values)


def test_the_command_exports_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "a.json"
    assert main(["export", str(SPECIAL / "geo_nodata.tif"), str(target)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"exported to {target}: 4 arrays, 1 reference, 3 chunks within\n")
    names: dict[str, Any] = {}
    exec(printed.partition("\n\n")[2], names)
    with rasterio.open(SPECIAL / "geo_nodata.tif") as file:
        found = names["ds"]["0"].fillna(file.nodata).values
        np.testing.assert_array_equal(found, file.read(1))


def test_the_command_exports_a_repository(
    stack: tuple[list[Path], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = stack[0][0].parent / "repository"
    target = tmp_path / "a.json"
    assert main(["export", str(repository), str(target), "--zarr-format", "3", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert read(target, 3).shape[0] == 3
    assert main(["export", str(repository), str(target)]) == 1
    assert "exists" in capsys.readouterr().err
    assert main(["export", str(repository), str(target), "--ifd", "0"]) == 2
    assert "option of TIFFs" in capsys.readouterr().err
    assert main(["export", str(SPECIAL / "cog.tif"), str(target), "--tag", "a"]) == 2
    assert "option of repositories" in capsys.readouterr().err
