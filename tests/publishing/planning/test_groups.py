"""Groups by pattern: one command makes one cube a group, in one repository and one commit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import xarray as xr

from support.scenes import commits, dataset_of, group_of, pixels, read, scene
from virtual_tiff import open_published
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, publish

TILE = r"_T(?P<tile>\d\d[A-Z]{3})_"
TIME = r"_(?P<time>\d{8})_"
BAND = r"_(B\d\d)\.tif"
CORNERS = {"32TQM": (600_000, 4_900_000), "33TVG": (399_960, 4_800_000)}


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def archive(folder: Path, days: range = range(1, 4)) -> dict[tuple[str, int, str], Path]:
    """Two Sentinel-2 tiles in two UTM zones, some days, two bands: files by tile, day and band."""
    return {
        (tile, day, band): scene(
            folder / f"S2_T{tile}_2023010{day}_{band}.tif",
            100 * i + 10 * day + j,
            at=corner,
            crs=f"EPSG:326{tile[:2]}",
        )
        for i, (tile, corner) in enumerate(CORNERS.items())
        for day in days
        for j, band in enumerate(("B02", "B08"))
    }


def check(published: Any, files: dict[tuple[str, int, str], Path], days: range) -> None:
    """Compare each array of each group with what rasterio reads of the files."""
    for tile, (left, top) in CORNERS.items():
        dataset = dataset_of(published, tile)
        assert dataset["time"].dt.day.values.tolist() == list(days)
        assert dataset["x"].values[0] == left + 5
        assert dataset["y"].values[0] == top - 5
        assert f"UTM zone {tile[:2]}N" in dataset["spatial_ref"].attrs["crs_wkt"]
        for band in ("B02", "B08"):
            expected = np.stack([pixels(files[tile, day, band]) for day in days])
            np.testing.assert_array_equal(dataset[band].values, expected)


@pytest.mark.long
def test_one_cube_a_tile_in_one_commit(tmp_path: Path) -> None:
    files = archive(tmp_path / "in")
    published = publish(
        tmp_path / "in", "memory://", concat="time", time=TIME, variable=BAND, group=TILE
    )
    check(published, files, range(1, 4))
    assert sorted(array.path for array in published.arrays) == [
        *("32TQM/B02", "32TQM/B08", "33TVG/B02", "33TVG/B08")
    ]
    assert published.files == 12
    assert commits(published) == ["12 TIFFs along time"]
    with xr.open_datatree(
        published.repository.readonly_session("main").store, engine="zarr", consolidated=False
    ) as tree:
        assert set(tree.children) >= {"32TQM", "33TVG"}


@pytest.mark.long
def test_new_days_and_a_new_tile_are_appended_and_the_pattern_is_remembered(tmp_path: Path) -> None:
    files = archive(tmp_path / "in", range(1, 3))
    one = [path for (tile, _, _), path in files.items() if tile == "32TQM"]
    options: dict[str, Any] = {"time": TIME, "variable": BAND}
    publish(one, tmp_path / "cube", concat="time", group=TILE, **options)
    files |= archive(tmp_path / "in", range(3, 4))
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, **options)
    check(published, files, range(1, 4))
    assert published.unchanged == len(one)
    again = publish(tmp_path / "in", tmp_path / "cube", append=True, group=TILE, **options)
    assert (again.new, again.unchanged) == (False, 12)
    with pytest.raises(ValueError, match=r"was published with group .*, not '_T\(..\)'"):
        publish(tmp_path / "in", tmp_path / "cube", append=True, group="_T(..)", **options)


@pytest.mark.long
def test_a_position_that_is_taken_in_one_group_is_free_in_another(tmp_path: Path) -> None:
    for letter, seed in (("a", 1), ("b", 2)):
        scene(tmp_path / "in" / f"{letter}_20230102.tif", seed)
    options = {"time": r"_(?P<time>\d{8})"}
    group = r"^([ab])_"
    publish(tmp_path / "in", tmp_path / "cube", concat="time", group=group, **options)
    late = scene(tmp_path / "in" / "a_20230103.tif", 3)
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, **options)
    assert dataset_of(published, "a")["time"].dt.day.values.tolist() == [2, 3]
    assert dataset_of(published, "b")["time"].dt.day.values.tolist() == [2]
    np.testing.assert_array_equal(read(published, "a/0")[1], pixels(late))
    scene(tmp_path / "in" / "b_20230101.tif", 4)
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, **options)
    assert dataset_of(published, "a")["time"].dt.day.values.tolist() == [2, 3]
    assert dataset_of(published, "b")["time"].dt.day.values.tolist() == [1, 2]


@pytest.mark.long
def test_a_mosaic_a_group_and_a_group_more_later(tmp_path: Path) -> None:
    def mosaic(name: str, seed: int, left: float) -> list[Path]:
        corners = [(left + 320 * i, 4_650_000) for i in range(2)]
        return [
            scene(tmp_path / "in" / f"{name}_{i}.tif", seed + i, shape=(32, 32), at=corner)
            for i, corner in enumerate(corners)
        ]

    files = {"north": mosaic("north", 1, 0), "south": mosaic("south", 5, 3)}
    group = "^([a-z]+)_"
    publish(tmp_path / "in", tmp_path / "cube", concat=("y", "x"), group=group)
    files["west"] = mosaic("west", 9, 0)
    published = publish(files["west"], tmp_path / "cube", append=True)
    for name, tiles in files.items():
        expected = np.concatenate([pixels(tile) for tile in tiles], axis=1)
        np.testing.assert_array_equal(read(published, f"{name}/0"), expected)
    more = scene(tmp_path / "in" / "west_9.tif", 20, shape=(32, 32), at=(640, 4_650_000))
    published = publish(more, tmp_path / "cube", append=True)
    expected = np.concatenate([pixels(tile) for tile in (*files["west"], more)], axis=1)
    np.testing.assert_array_equal(read(published, "west/0"), expected)


@pytest.mark.long
@pytest.mark.parametrize("layout", ["group per variable", "group per signature"])
def test_groups_within_groups(layout: Any, tmp_path: Path) -> None:
    files = archive(tmp_path / "in", range(1, 3))
    options: dict[str, Any] = {"time": TIME, "variable": BAND}
    cube = tmp_path / "cube"
    publish(tmp_path / "in", cube, concat="time", group=TILE, layout=layout, **options)
    files |= archive(tmp_path / "in", range(3, 4))
    published = publish(tmp_path / "in", cube, append=True, **options)
    numbers = {"B02": 1, "B08": 2}  # of signatures, of each variable
    for tile in CORNERS:
        for band in ("B02", "B08"):
            inner = band if layout == "group per variable" else f"signature_{numbers[band]}"
            expected = np.stack([pixels(files[tile, day, band]) for day in range(1, 4)])
            np.testing.assert_array_equal(read(published, f"{tile}/{inner}/{band}"), expected)


def table(folder: Path) -> Path:
    lines = [f"{path},2023,T{path.name[4:7]}" for path in sorted(folder.glob("*.tif"))]
    (folder / "groups.csv").write_text("\n".join(["url,year,group", *lines]))
    return folder / "groups.csv"


GROUPS: dict[str, Callable[[Path], Any]] = {
    "a function": lambda _: lambda url: "T" + url.rpartition("/")[2][4:7],
    "a mapping": lambda folder: {str(f): f"T{f.name[4:7]}" for f in folder.glob("*.tif")},
    "a CSV file": table,
}


@pytest.mark.long
@pytest.mark.parametrize("kind", list(GROUPS))
def test_groups_that_no_pattern_names_are_given_again(kind: str, tmp_path: Path) -> None:
    archive(tmp_path / "in", range(1, 3))
    options: dict[str, Any] = {"time": TIME, "variable": BAND}
    group = GROUPS[kind](tmp_path / "in")
    publish(tmp_path / "in", tmp_path / "cube", concat="time", group=group, **options)
    archive(tmp_path / "in", range(3, 4))
    group = GROUPS[kind](tmp_path / "in")
    with pytest.raises(ValueError, match="in groups that a function, a mapping or a CSV file name"):
        publish(tmp_path / "in", tmp_path / "cube", append=True, **options)
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, group=group, **options)
    shapes = {array.path: array.shape for array in published.arrays}
    assert shapes == dict.fromkeys(["T32T/B02", "T32T/B08", "T33T/B02", "T33T/B08"], (3, 64, 96))


def item(path: Path, tile: str, day: int, code: int) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": f"{tile}-{day}",
        "properties": {
            "datetime": f"2023-01-0{day}T10:00:00Z",
            "s2:mgrs_tile": tile,
            "proj:epsg": code,
        },
        "assets": {"B02": {"href": str(path), "type": "image/tiff; application=geotiff"}},
    }


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("s2:mgrs_tile", {"32TQM", "33TVG"}),
        ("proj:epsg", {"32632", "32633"}),
        ("asset", {"B02"}),
    ],
)
def test_a_property_of_stac_items_names_the_group(
    group: str, names: set[str], tmp_path: Path
) -> None:
    files = {key: path for key, path in archive(tmp_path).items() if key[2] == "B02"}
    if group == "asset":
        files = {key: path for key, path in files.items() if key[0] == "32TQM"}
    items = [item(path, tile, day, 32600 + int(tile[:2])) for (tile, day, _), path in files.items()]
    (tmp_path / "items.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": items})
    )
    published = publish(tmp_path / "items.json", "memory://", concat="time", group=group)
    name = "0" if group == "asset" else "B02"
    assert {array.path for array in published.arrays} == {f"{one}/{name}" for one in names}
    assert all(array.shape[0] == 3 for array in published.arrays)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"group": r"_U(\d\d)_"}, ValueError, r"group .* is not found in the name .*T32TQM_2023"),
        ({"group": "s2:mgrs_tile"}, ValueError, "no STAC item has a s2:mgrs_tile.*T32TQM"),
        (
            {"group": "T32"},
            ValueError,
            "T32, and group 'T32' is neither a pattern with a group nor a file",
        ),
        ({"group": lambda url: None}, ValueError, "group gives None for"),
        ({"group": {}}, ValueError, "group has no value for"),
        ({"group": ["a", "b"]}, ValueError, "group must be a mapping, a function, a CSV file"),
        ({"group": 3}, ValueError, "group must be .* not 3"),
        ({"group": "tag"}, ValueError, "group must be"),
        ({"group": TILE, "concat": None}, PublishError, "along a dimension .concat=DIM."),
        ({"group": lambda url: "_virtual_tiff"}, ValueError, "cannot be called '_virtual_tiff'"),
        ({"group": lambda url: "a/b"}, ValueError, "a group cannot be called 'a/b'"),
        ({"group": lambda url: ".."}, ValueError, r"a group cannot be called '\.\.'"),
        ({"group": lambda url: "__a"}, ValueError, "a group cannot be called '__a'"),
        ({}, PublishError, "cannot be stacked"),
    ],
)
def test_groups_that_are_refused(
    options: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    archive(tmp_path / "in")
    given = {"concat": "time", "time": TIME, "variable": BAND} | options
    with pytest.raises(error, match=words):
        publish(tmp_path / "in", tmp_path / "cube", **given)
    assert not (tmp_path / "cube").exists()


def test_a_repository_without_groups_gets_none(tmp_path: Path) -> None:
    files = [path for (tile, *_), path in archive(tmp_path / "in").items() if tile == "32TQM"]
    options: dict[str, Any] = {"time": TIME, "variable": BAND}
    publish(files, tmp_path / "cube", concat="time", **options)
    with pytest.raises(ValueError, match="was published with no group, not"):
        publish(files, tmp_path / "cube", append=True, group=TILE, **options)


def test_the_command(tmp_path: Path) -> None:
    files = archive(tmp_path / "in")
    command = ["publish", f"{tmp_path}/in", "--to", f"{tmp_path}/cube", "--quiet", "--no-cache"]
    command += ["--concat", "time", "--time", TIME, "--variable", BAND]
    assert main([*command, "--group", TILE]) == 0
    store = open_published(tmp_path / "cube")
    for tile in CORNERS:
        dataset = xr.open_zarr(store, group=tile, consolidated=False)
        expected = np.stack([pixels(files[tile, day, "B08"]) for day in range(1, 4)])
        np.testing.assert_array_equal(dataset["B08"].values, expected)


def test_groups_that_hold_one_name_in_two_cases(tmp_path: Path) -> None:
    for i, name in enumerate(("a_1.tif", "A_2.tif")):
        scene(tmp_path / name, i)
    published = publish(tmp_path, "memory://", concat="n", group="^([aA])_")
    assert set(group_of(published).group_keys()) >= {"a", "A"}
