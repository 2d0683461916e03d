"""Bands of 10, 20 and 60 m: one group a resolution, with shared times."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import xarray as xr
from rasterio.transform import Affine, from_origin

from support.cubes import contents, differences
from support.scenes import dataset_of, pixels, scene
from virtual_tiff import open_published
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, publish

TIME, BAND = r"_(?P<time>\d{8})_", r"_(B\d\w)\.tif"
RESOLUTIONS = {"B02": 10, "B03": 10, "B05": 20, "B8A": 20, "B01": 60}
OPTIONS: dict[str, Any] = {"time": TIME, "variable": BAND}


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def band(folder: Path, tile: str, day: int, name: str) -> Path:
    """One band of Sentinel-2, a hundredth of its size."""
    size = RESOLUTIONS[name]
    return scene(
        folder / f"{tile}_2023010{day}_{name}.tif",
        100 * day + int(name[1], 16) + size,
        shape=(960 // size, 960 // size),
        block=16,
        transform=from_origin(600_000, 4_900_000, size, size),
    )


def check(published: Any, files: dict[tuple[int, str], Path], days: list[int], above: str) -> None:
    """Compare each group with what rasterio reads; a band that a day lacks is 0."""
    for name, size in RESOLUTIONS.items():
        dataset = dataset_of(published, f"{above}{size}m")
        assert dataset["time"].dt.day.values.tolist() == days
        assert np.diff(dataset["x"].values).tolist() == [size] * (960 // size - 1)
        for i, day in enumerate(days):
            file = files.get((day, name))
            expected = np.zeros((960 // size,) * 2) if file is None else pixels(file)
            np.testing.assert_array_equal(dataset[name].values[i], expected)


@pytest.mark.long
def test_a_group_a_resolution_with_shared_times(tmp_path: Path) -> None:
    files = {
        (day, name): band(tmp_path, "A", day, name)
        for day in (1, 2, 3)
        for name in RESOLUTIONS
        if (day, name) not in {(1, "B01"), (3, "B02")}
    }
    layout: Any = "group per resolution"
    published = publish(tmp_path, "memory://", concat="time", layout=layout, **OPTIONS)
    check(published, files, [1, 2, 3], "")
    assert published.missing == 2
    assert {array.path for array in published.arrays} == {
        *("10m/B02", "10m/B03", "20m/B05", "20m/B8A", "60m/B01")
    }
    store = published.repository.readonly_session("main").store
    with xr.open_datatree(store, engine="zarr", consolidated=False) as tree:
        times = [tree[f"{size}m"]["time"].values.tolist() for size in (10, 20, 60)]
    assert times[0] == times[1] == times[2]


@pytest.mark.long
def test_groups_without_a_new_file_grow_with_the_others(tmp_path: Path) -> None:
    files = {
        (day, name): band(tmp_path / "in", "A", day, name) for day in (1, 2) for name in RESOLUTIONS
    }
    layout: Any = "group per resolution"
    publish(tmp_path / "in", tmp_path / "cube", concat="time", layout=layout, **OPTIONS)
    files[3, "B02"] = band(tmp_path / "in", "A", 3, "B02")
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, **OPTIONS)
    check(published, files, [1, 2, 3], "")
    files[4, "B01"] = band(tmp_path / "in", "A", 4, "B01")
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, **OPTIONS)
    check(published, files, [1, 2, 3, 4], "")
    # what was a hole is filled later
    files[3, "B05"] = band(tmp_path / "in", "A", 3, "B05")
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, **OPTIONS)
    check(published, files, [1, 2, 3, 4], "")
    files[0, "B03"] = band(tmp_path / "in", "A", 0, "B03").rename(
        tmp_path / "in" / "A_20221231_B03.tif"
    )
    # an early one moves all groups
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, **OPTIONS)
    fresh = publish(tmp_path / "in", "memory://", concat="time", layout=layout, **OPTIONS)
    assert not list(differences(contents(published), contents(fresh)))


@pytest.mark.long
def test_a_resolution_that_comes_later_has_the_published_times(tmp_path: Path) -> None:
    files = {(day, "B02"): band(tmp_path / "in", "A", day, "B02") for day in (1, 2)}
    layout: Any = "group per resolution"
    publish(tmp_path / "in", tmp_path / "cube", concat="time", layout=layout, **OPTIONS)
    files[3, "B05"] = band(tmp_path / "in", "A", 3, "B05")
    files[2, "B01"] = band(tmp_path / "in", "A", 2, "B01")
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, **OPTIONS)
    for name in ("B02", "B05", "B01"):
        dataset = dataset_of(published, f"{RESOLUTIONS[name]}m")
        assert dataset["time"].dt.day.values.tolist() == [1, 2, 3]
        for i, day in enumerate((1, 2, 3)):
            expected = pixels(files[day, name]) if (day, name) in files else 0
            np.testing.assert_array_equal(dataset[name].values[i] - expected, 0)


@pytest.mark.long
def test_times_are_shared_within_a_tile(tmp_path: Path) -> None:
    days = {"A": [1, 2], "C": [2, 3]}
    files = {
        tile: {
            (day, name): band(tmp_path / "in", tile, day, name)
            for day in days[tile]
            for name in RESOLUTIONS
            if (day, name) != (2, "B01")
        }
        for tile in days
    }
    command = ["publish", f"{tmp_path}/in", "--to", f"{tmp_path}/cube", "--quiet", "--no-cache"]
    command += ["--concat", "time", "--time", TIME, "--variable", BAND, "--group", "^([AC])_"]
    assert main([*command, "--layout", "group per resolution"]) == 0
    store = open_published(tmp_path / "cube")
    for tile, of_tile in files.items():
        for name, size in RESOLUTIONS.items():
            group = f"{tile}/{size}m"
            dataset = xr.open_zarr(store, group=group, consolidated=False, mask_and_scale=False)
            assert dataset["time"].dt.day.values.tolist() == days[tile]
            for i, day in enumerate(days[tile]):
                file = of_tile.get((day, name))
                expected = 0 if file is None else pixels(file)
                np.testing.assert_array_equal(dataset[name].values[i] - expected, 0)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"transform": from_origin(10, 50, 1 / 4000, 1 / 4000), "crs": "EPSG:4326"}, "0.00025deg"),
        ({"transform": from_origin(0, 50, 10, 20)}, "10x20m"),
        ({"transform": from_origin(0, 50, 0.5, 0.5)}, "0.5m"),
        ({"transform": from_origin(0, 50, 10, 10), "crs": "EPSG:2227"}, "resolution_10"),
        ({"transform": Affine(0, 30, 5, -30, 0, 7)}, "resolution_30"),
        ({"transform": Affine(10, 0, 5, 0, 10, 7)}, "10m"),
    ],
)
def test_names_of_resolutions(options: dict[str, Any], name: str, tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif", **options)
    published = publish(path, "memory://", concat="n", layout="group per resolution")
    assert [array.path for array in published.arrays] == [f"{name}/0"]


def test_no_resolution(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif", transform=None, crs=None)
    with pytest.raises(PublishError, match=r"a\.tif: no transform says its resolution"):
        publish(path, "memory://", concat="n", layout="group per resolution")
    with pytest.raises(ValueError, match="needs concat"):
        publish(path, "memory://", layout="group per resolution")


@pytest.mark.long
def test_bands_as_a_dimension_of_each_resolution(tmp_path: Path) -> None:
    files = {
        (day, name): band(tmp_path, "A", day, name)
        for day in (1, 2)
        for name in RESOLUTIONS
        if (day, name) not in {(1, "B01"), (2, "B8A")}
    }
    published = publish(
        tmp_path,
        "memory://",
        concat=("time", "band", "y", "x"),
        values=r"_(?P<time>\d{8})_(?P<band>B\d\w)\.tif",
        layout="group per resolution",
    )
    for size in (10, 20, 60):
        dataset = dataset_of(published, f"{size}m")
        names = sorted(name for name, resolution in RESOLUTIONS.items() if resolution == size)
        assert dataset["time"].dt.day.values.tolist() == [1, 2]
        assert dataset["band"].values.tolist() == names
        for (i, day), (j, name) in product(enumerate((1, 2)), enumerate(names)):
            file = files.get((day, name))
            expected = 0 if file is None else pixels(file)
            np.testing.assert_array_equal(dataset["0"].values[i, j] - expected, 0)
    assert published.missing == 2
