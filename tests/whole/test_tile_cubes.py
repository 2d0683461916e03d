"""One command makes one cube a tile: dates and bands from names or from STAC items."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr

from support.archives import Recipe
from support.grid_judge import base, chunk_grid, published, strips
from support.grids import Overlap, plane_of, tiles, vrt_pixels
from support.published import s3_options
from support.s3 import S3
from support.scenes import dataset_of, group_of
from support.tile_cubes import BANDS, Scene, pixels_of, stac_items, write_scenes
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import Published, PublishError, publish

pytestmark = pytest.mark.usefixtures("rectilinear")

NAMES = r"_(?P<time>\d{8}T\d{6})_(?P<band>B\d\d)"
TILE = r"T(?P<tile>\d\d[A-Z]{3})_"
CUBE = {"concat": ("time", "band", "y", "x"), "grid": "rectilinear"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    return write_scenes(tmp_path_factory.mktemp("scenes"))


def assert_cubes(store: Any, scenes: Sequence[Scene], groups: dict[str, str]) -> None:
    """Compare the cube of each tile with GDAL."""
    for tile, group in groups.items():
        dataset = xr.open_zarr(store, group=group, consolidated=False, mask_and_scale=False)
        assert dataset["0"].dims == ("time", "band", "y", "x")
        np.testing.assert_array_equal(dataset["0"].values, pixels_of(scenes, tile))
        mine = [scene for scene in scenes if scene.tile == tile]
        times = sorted({scene.time.replace(tzinfo=None) for scene in mine})
        np.testing.assert_array_equal(
            dataset["time"].values.astype("M8[s]"), np.array(times, dtype="M8[s]")
        )
        assert dataset["band"].values.tolist() == sorted({scene.band for scene in mine})


def store_of(published: Published) -> Any:
    return published.repository.readonly_session("main").store


@pytest.mark.long
def test_names_say_tile_date_and_band(scenes: list[Scene], tmp_path: Path) -> None:
    files = [scene.path for scene in scenes]
    result = publish(files, tmp_path / "cubes", values=NAMES, group=TILE, **CUBE)
    assert (result.files, result.missing, result.references) == (60, 0, 540)
    assert_cubes(store_of(result), scenes, {"33UUP": "33UUP", "33UVP": "33UVP"})
    commits = list(result.repository.ancestry(branch="main"))
    assert len(commits) == 2  # the repository's first, empty one, and ours


@pytest.mark.long
def test_one_command(scenes: list[Scene], tmp_path: Path) -> None:
    import virtual_tiff

    cube = str(tmp_path / "cubes")
    command = ["publish", str(scenes[0].path.parent), "--to", cube, "--variable-name", "0"]
    command += ["--concat", "time,band,y,x", "--values", NAMES, "--group", TILE]
    assert main([*command, "--grid", "rectilinear"]) == 0
    assert_cubes(virtual_tiff.open_published(cube), scenes, {"33UUP": "33UUP", "33UVP": "33UVP"})


@pytest.mark.long
def test_a_file_that_is_missing_is_a_hole(scenes: list[Scene], tmp_path: Path) -> None:
    some = [scene for n, scene in enumerate(scenes) if n not in (4, 40)]
    files = [scene.path for scene in some]
    result = publish(files, tmp_path / "cubes", values=NAMES, group=TILE, **CUBE)
    assert (result.files, result.missing, result.references) == (58, 2, 522)
    assert_cubes(store_of(result), some, {"33UUP": "33UUP", "33UVP": "33UVP"})


@pytest.mark.long
def test_stac_items_on_s3_say_the_same(scenes: list[Scene], s3: S3, tmp_path: Path) -> None:
    place = s3.with_bucket("tile-cubes")
    items = stac_items(scenes, place.upload)
    (tmp_path / "items.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": items})
    )
    result = publish(
        tmp_path / "items.json",
        tmp_path / "cubes",
        values={"time": "datetime", "band": "asset"},
        group="grid:code",
        store_options=s3_options(s3),
        **CUBE,
    )
    assert (result.files, result.missing, result.references) == (60, 0, 540)
    groups = {tile: f"MGRS-{tile}" for tile in ("33UUP", "33UVP")}
    assert_cubes(store_of(result), scenes, groups)
    assert {scene.band for scene in scenes} == set(BANDS)


# ------------------------------------------------------------------------ several dimensions

TIME_BAND = r"_(?P<time>\d{8})_(?P<band>B\d\d)"
TILES = {"concat": ("time", "band", "y", "x"), "values": TIME_BAND}


def cube(recipe: Recipe, spacing: tuple[int, int], without: set[str]) -> list[Recipe]:
    """3 times x 3 bands x 2 x 2 tiles, but for files whose names have one of some texts."""
    recipes = [
        replace(each, name=f"{each.name[:-4]}_2024010{time}_B0{band}.tif", seed=each.seed + 10 * n)
        for n, (time, band) in enumerate((t, b) for t in (1, 2, 3) for b in (2, 3, 4))
        for each in tiles(recipe, spacing=spacing)
    ]
    return [each for each in recipes if not any(text in each.name for text in without)]


def assert_is_cube(result: Published, paths: Sequence[Path], overlap: Overlap = "last") -> None:
    """Compare each time and band with GDAL's VRT of its files."""
    plane = plane_of(paths)
    names = sorted({path.stem[-12:] for path in paths})
    times, bands = sorted({n[:8] for n in names}), sorted({n[-3:] for n in names})
    expected = np.zeros((len(times), len(bands), *plane.shape), "u2")
    for at in names:
        some = [n for n, path in enumerate(paths) if path.stem.endswith(at)]
        part = replace(plane, starts=tuple(plane.starts[n] for n in some))
        pixels = vrt_pixels([paths[n] for n in some], overlap=overlap, plane=part)
        expected[times.index(at[:8]), bands.index(at[-3:])] = pixels[0]
    array: Any = group_of(result)["0"]
    np.testing.assert_array_equal(array[...], expected)
    dataset = dataset_of(result)
    assert dataset["0"].dims == ("time", "band", "y", "x")
    np.testing.assert_array_equal(dataset["0"].values, expected)
    days = [np.datetime64(f"{t[:4]}-{t[4:6]}-{t[6:]}") for t in times]
    np.testing.assert_array_equal(dataset["time"].values.astype("M8[D]"), days)
    assert dataset["band"].values.tolist() == bands
    np.testing.assert_allclose(dataset["x"].values, plane.x, rtol=1e-12)
    np.testing.assert_allclose(dataset["y"].values, plane.y, rtol=1e-12)
    assert np.allclose(array.attrs["spatial:bbox"], plane.bounds, rtol=1e-12)


@pytest.mark.long
@pytest.mark.parametrize("side", [90, 91])
@pytest.mark.parametrize("rows", [None, 7])
def test_times_by_bands_by_tiles_with_a_file_missing(
    side: int, rows: int | None, tmp_path: Path
) -> None:
    recipe = base(side, 32, seed=20) if rows is None else strips(side, rows, seed=20)
    recipes = cube(recipe, (90, 90), {"r0_c0_20240102_B03"})
    assert len(recipes) == 35
    result, paths = published(tmp_path, recipes, overlap="last", **TILES)
    assert result.files == 35
    assert_is_cube(result, paths)


@pytest.mark.long
def test_positions_without_a_file_are_counted(tmp_path: Path) -> None:
    recipes = cube(base(96, 32, seed=21), (96, 96), {"20240102_B03", "20240103_B02"})
    result, paths = published(tmp_path, recipes, grid="auto", **TILES)
    assert chunk_grid(result) == "regular"
    assert (result.files, result.references) == (28, 28 * 9)
    assert result.missing == 2
    assert_is_cube(result, paths)


def test_a_time_at_which_an_overlap_would_be_lost_is_refused(tmp_path: Path) -> None:
    recipes = cube(base(91, 32), (90, 90), {"r1_c1_20240102_B03"})
    with pytest.raises(PublishError):
        published(tmp_path, recipes, overlap="last", **TILES)


def test_images_by_t_z_and_c(tmp_path: Path) -> None:
    """Planes of a microscope, without a place; two are missing."""
    places = [(t, z, c) for t in range(2) for z in range(3) for c in range(2)]
    gone = {(0, 1, 1), (1, 2, 0)}
    recipes = [base(70, 32, transform=None, crs=None, seed=n) for n in range(len(places))]
    named = [
        replace(recipe, name=f"img_t{t}_z{z}_c{c}.tif")
        for recipe, (t, z, c) in zip(recipes, places, strict=True)
        if (t, z, c) not in gone
    ]
    pattern = r"_t(?P<t>\d)_z(?P<z>\d)_c(?P<c>\d)"
    result, paths = published(tmp_path, named, concat=("t", "z", "c"), values=pattern, grid="auto")
    assert (result.files, result.missing) == (10, 2)
    array: Any = group_of(result)["0"]
    assert tuple(array.metadata.dimension_names) == ("t", "z", "c", "y", "x")
    expected = np.zeros((2, 3, 2, 70, 70), "u2")
    for path in paths:
        t, z, c = (int(part[1]) for part in path.stem.split("_")[1:])
        with rasterio.open(path) as file:
            expected[t, z, c] = file.read(1)
    np.testing.assert_array_equal(array[...], expected)
    dataset = dataset_of(result)
    assert [dataset[name].values.tolist() for name in "tzc"] == [[0, 1], [0, 1, 2], [0, 1]]
