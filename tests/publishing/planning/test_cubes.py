"""Several new dimensions, alone and beside those of the files; rasterio reads them as the judge."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import xarray as xr

from support.cubes import contents, differences
from support.scenes import commits, dataset_of, dated, group_of, pixels, read, scene
from virtual_tiff import open_published
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, publish
from virtual_tiff.publishing.planning.plan import with_dimension

DAYS, BANDS = (1, 3), ("B2", "B8", "B10")
PATTERN = r"_(?P<time>\d{8})_(?P<band>B\d+)"
AXES = ("time", "band", "y", "x")
LEFT, TOP, SIZE = 500_000, 4_650_000, 64


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


type Files = dict[tuple[int, str, int, int], Path]


def tiles(folder: Path, *, name: str = "A", seed: int = 0, without: Any = ()) -> Files:
    """Files by day, band, row and column: 2 x 2 tiles of 64 pixels."""
    found = {}
    for i, (day, band, row, column) in enumerate(product(DAYS, BANDS, (0, 1), (0, 1))):
        if (day, band, row, column) in without:
            continue
        found[day, band, row, column] = scene(
            folder / f"{name}_2023010{day}_{band}_{row}{column}.tif",
            seed + i,
            shape=(SIZE, SIZE),
            at=(LEFT + 10 * SIZE * column, TOP - 10 * SIZE * row),
        )
    return found


def whole(files: Files) -> Any:
    """The cube that the files are, by rasterio: what no file has is 0."""
    cube = np.zeros((len(DAYS), len(BANDS), 2 * SIZE, 2 * SIZE), dtype="u2")
    for (day, band, row, column), path in files.items():
        rows = slice(row * SIZE, (row + 1) * SIZE)
        columns = slice(column * SIZE, (column + 1) * SIZE)
        cube[DAYS.index(day), BANDS.index(band), rows, columns] = pixels(path)
    return cube


def check(dataset: Any, files: Files) -> None:
    assert dataset["0"].dims == AXES
    assert dataset["time"].dt.day.values.tolist() == list(DAYS)
    assert dataset["band"].values.tolist() == list(BANDS)
    assert dataset["x"].values.tolist() == [LEFT + 5 + 10 * i for i in range(2 * SIZE)]
    assert dataset["y"].values.tolist() == [TOP - 5 - 10 * i for i in range(2 * SIZE)]
    np.testing.assert_array_equal(dataset["0"].values, whole(files))


def test_tiles_of_several_times_and_bands(tmp_path: Path) -> None:
    files = tiles(tmp_path)
    published = publish(tmp_path, "memory://", concat=AXES, values=PATTERN)
    check(dataset_of(published), files)
    assert published.missing == 0
    assert published.arrays[0].references == 24 * 4
    assert commits(published) == ["24 TIFFs along time, band, y, x"]


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        {"values": {"time": r"_(\d{8})_", "band": r"_(B\d+)_"}},
        {"time": r"_(?P<time>\d{8})_", "values": r"_(B\d+)_"},
        {"values": "table"},
    ],
)
def test_coordinates_from_elsewhere(options: dict[str, Any], tmp_path: Path) -> None:
    files = tiles(tmp_path / "in")
    options = dict(options)
    if options["values"] == "table":
        rows = [f"{path},{key[1]},2023-01-0{key[0]}" for key, path in files.items()]
        (tmp_path / "places.csv").write_text("\n".join(["url,band,time", *rows]))
        options["values"] = tmp_path / "places.csv"
    published = publish(tmp_path / "in", "memory://", concat=AXES, **options)
    check(dataset_of(published), files)


def test_holes_are_counted_and_have_no_reference(tmp_path: Path) -> None:
    without = {
        *((1, "B8", row, column) for row in (0, 1) for column in (0, 1)),
        (3, "B2", 1, 0),
    }
    files = tiles(tmp_path, without=without)
    published = publish(tmp_path, "memory://", concat=AXES, values=PATTERN)
    check(dataset_of(published), files)
    assert published.missing == 1  # of the positions along the new dimensions
    assert published.arrays[0].references == len(files) * 4


@pytest.mark.long
def test_variables_and_groups(tmp_path: Path) -> None:
    cubes = {"A": tiles(tmp_path / "in"), "C": tiles(tmp_path / "in", name="C", seed=50)}
    published = publish(
        tmp_path / "in",
        "memory://",
        concat=("time", "y", "x"),
        time=r"_(?P<time>\d{8})_",
        variable=r"_(B\d+)_",
        group="^([AC])_",
    )
    for name, files in cubes.items():
        dataset = dataset_of(published, name)
        for i, band in enumerate(BANDS):
            assert dataset[band].dims == ("time", "y", "x")
            np.testing.assert_array_equal(dataset[band].values, whole(files)[:, i])


@pytest.mark.long
def test_the_order_of_concat_and_of_lists(tmp_path: Path) -> None:
    files = tiles(tmp_path)
    bands = ["B10", "B2", "B8"]
    keys = sorted(files, key=lambda key: (bands.index(key[1]), key))
    published = publish(
        [files[key] for key in keys],
        "memory://",
        concat=("band", "time", "y", "x"),
        values={"band": [key[1] for key in keys], "time": r"_(\d{8})_"},
    )
    dataset = dataset_of(published)
    assert dataset["0"].dims == ("band", "time", "y", "x")
    assert dataset["band"].values.tolist() == bands
    order = [BANDS.index(band) for band in bands]
    expected = whole(files).transpose(1, 0, 2, 3)[order]
    np.testing.assert_array_equal(dataset["0"].values, expected)


def planes(folder: Path) -> dict[tuple[int, int, str], Path]:
    return {
        (t, z, c): scene(folder / f"cell_t{t:03}_z{z}_{c}.tif", 20 * t + 3 * z + i, crs=None)
        for t in (0, 1, 10)
        for z in (1, 2)
        for i, c in enumerate(("DAPI", "GFP"))
    }


PLANES = {"t": r"_t(\d+)", "z": {}, "c": r"_([A-Z]+)\.tif"}


@pytest.mark.long
def test_three_new_dimensions(tmp_path: Path) -> None:
    files = planes(tmp_path)
    del files[10, 2, "GFP"]
    values = PLANES | {"z": lambda url: 0.5 * int(url.split("_z")[1][0])}
    published = publish(list(files.values()), "memory://", concat="t,z,c", values=values)
    dataset = dataset_of(published)
    assert dataset["0"].dims == ("t", "z", "c", "y", "x")
    assert dataset["t"].values.tolist() == [0, 1, 10]
    assert dataset["z"].values.tolist() == [0.5, 1.0]
    assert dataset["c"].values.tolist() == ["DAPI", "GFP"]
    for (i, t), (j, z), (k, c) in product(
        enumerate((0, 1, 10)), enumerate((1, 2)), enumerate(("DAPI", "GFP"))
    ):
        file = files.get((t, z, c))
        expected = np.zeros((64, 96)) if file is None else pixels(file)
        np.testing.assert_array_equal(dataset["0"].values[i, j, k], expected)
    assert published.missing == 1


@pytest.mark.long
def test_times_of_the_tag_beside_another_dimension(tmp_path: Path) -> None:
    files = {
        (day, level): dated(
            tmp_path / f"{level}_{7 - day}.tif", f"2023-01-0{day}", 10 * day + level
        )
        for day in (1, 3)
        for level in (2, 4)
    }
    published = publish(
        tmp_path, "memory://", concat=("time", "level"), values={"time": "tag", "level": r"^(\d)_"}
    )
    dataset = dataset_of(published)
    assert dataset["time"].dt.day.values.tolist() == [1, 3]
    assert dataset["level"].values.tolist() == [2, 4]
    for (day, level), path in files.items():
        found = dataset["0"].isel(time=[1, 3].index(day)).sel(level=level)
        np.testing.assert_array_equal(found.values, pixels(path))


def test_files_with_bands_of_their_own(tmp_path: Path) -> None:
    files = {
        (day, level): scene(tmp_path / f"d{day}_l{level}.tif", 10 * day + level, shape=(3, 64, 64))
        for day in (1, 2)
        for level in (5, 7)
    }
    published = publish(
        tmp_path, "memory://", concat=("day", "level"), values=r"d(?P<day>\d)_l(?P<level>\d)"
    )
    array = read(published)
    assert array.shape == (2, 2, 3, 64, 64)
    for (day, level), path in files.items():
        np.testing.assert_array_equal(array[day - 1, (5, 7).index(level)], pixels(path))


def test_two_files_at_one_position(tmp_path: Path) -> None:
    planes(tmp_path)
    values = {"t": r"_t(\d+)", "c": r"_([A-Z]+)\.tif"}
    words = r"(?s)z1_DAPI\.tif and .*z2_DAPI\.tif are both at t 0, c DAPI\n.*at t 10, c GFP"
    with pytest.raises(PublishError, match=words):
        publish(tmp_path, tmp_path / "cube", concat="t,c", values=values)
    tiles(tmp_path / "in")
    words = r"overlap|both at time 2023-01-01"
    with pytest.raises(PublishError, match=words):
        publish(tmp_path / "in", tmp_path / "cube", concat=("time", "y", "x"), time=r"_(\d{8})_")
    assert not (tmp_path / "cube").exists()


@pytest.mark.long
def test_a_tile_of_a_new_date_is_appended(tmp_path: Path) -> None:
    files = tiles(tmp_path / "in")
    publish(tmp_path / "in", tmp_path / "cube", concat=AXES, values=PATTERN)
    again = publish(tmp_path / "in", tmp_path / "cube", append=True, values=PATTERN)
    assert (again.new, again.unchanged) == (False, len(files))
    scene(tmp_path / "in" / "A_20230105_B2_00.tif", shape=(SIZE, SIZE))
    published = publish(tmp_path / "in", tmp_path / "cube", append=True, values=PATTERN)
    fresh = publish(tmp_path / "in", "memory://", concat=AXES, values=PATTERN)
    assert not list(differences(contents(published), contents(fresh)))


def test_scenes_of_stac_items(tmp_path: Path) -> None:
    files = tiles(tmp_path / "in")
    items = [
        {
            "type": "Feature",
            "id": f"{day}-{row}{column}",
            "properties": {"datetime": f"2023-01-0{day}T10:00:00Z"},
            "assets": {
                band: {"href": str(files[day, band, row, column]), "type": "image/tiff"}
                for band in BANDS
            },
        }
        for day, row, column in product(DAYS, (0, 1), (0, 1))
    ]
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    published = publish(path, "memory://", concat=AXES, values={"band": "asset"})
    check(dataset_of(published), files)


@pytest.mark.long
@pytest.mark.parametrize(
    "values", [[PATTERN], [r"time=_(\d{8})_", r"band=_(B\d+)_"], [r"band=_(B\d+)_"]]
)
def test_the_command(values: list[str], tmp_path: Path) -> None:
    files = tiles(tmp_path / "in")
    command = ["publish", f"{tmp_path}/in", "--to", f"{tmp_path}/cube", "--quiet", "--no-cache"]
    command += ["--concat", "time,band,y,x", "--variable-name", "0"]
    command += [part for text in values for part in ("--values", text)]
    command += ["--time", r"_(\d{8})_"] if values == [r"band=_(B\d+)_"] else []
    assert main(command) == 0
    store = open_published(tmp_path / "cube")
    check(xr.open_zarr(store, consolidated=False, mask_and_scale=False), files)


@pytest.mark.long
def test_values_of_one_dimension_that_look_as_if_they_named_it(tmp_path: Path) -> None:
    scene(tmp_path / "in" / "v1_time=3.tif")
    (tmp_path / "t.csv").write_text(f"{tmp_path}/in/v1_time=3.tif,7")
    command = ["publish", f"{tmp_path}/in", "--quiet", "--no-cache", "--concat", "time"]
    for n, (text, value) in enumerate([(r"time=(\d)", 3), (f"time={tmp_path}/t.csv", 7)]):
        assert main([*command, "--to", f"{tmp_path}/{n}", "--values", text]) == 0
        group: Any = group_of(publish(f"{tmp_path}/in", f"{tmp_path}/{n}", append=True))
        assert group["time"][:].tolist() == [value]


def test_several_values_must_name_their_dimensions(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["publish", str(scene(tmp_path / "a.tif")), "--to", f"{tmp_path}/cube"]
    command += ["--concat", "a,b", "--values", r"a=(\d)", "--values", r"(\d)"]
    assert main(command) == 2
    assert "several --values must each name another dimension" in capfd.readouterr().err


# ---------------------------------------------------------------------------- attributes


def test_attributes_that_vary_along_one_new_dimension_become_coordinates(tmp_path: Path) -> None:
    for i, (day, band, column) in enumerate(product((1, 2), ("B1", "B2"), (0, 1))):
        tags = {
            "CLOUD": f"{10 * day}%",
            "WAVELENGTH": {"B1": "443", "B2": "490"}[band],
            "SENSOR": "MSI",
            "MEAN": f"{i}",  # of each file alone
            **({"ORBIT": "7"} if day == 2 else {}),
        }
        at = (LEFT + 640 * column, TOP)
        name = f"a_2023010{day}_{band}_{column}.tif"
        scene(tmp_path / name, i, shape=(64, 64), at=at, tags=tags)
    published = publish(tmp_path, "memory://", concat=AXES, values=PATTERN)
    dataset = dataset_of(published)
    assert dataset["CLOUD"].dims == ("time",)
    assert dataset["CLOUD"].values.tolist() == ["10%", "20%"]
    assert dataset["WAVELENGTH"].dims == ("band",)
    assert dataset["WAVELENGTH"].values.tolist() == ["443", "490"]
    assert dataset["ORBIT"].values.tolist() == ["", "7"]
    assert set(dataset["0"].coords) >= {"CLOUD", "WAVELENGTH", "ORBIT"}
    assert dataset["0"].attrs["SENSOR"] == "MSI"
    assert published.left_out == {"0": ("MEAN", "model_tiepoint")}


@pytest.mark.long
def test_attributes_of_each_variable(tmp_path: Path) -> None:
    for i, (day, level, kind) in enumerate(product((1, 2), (3, 5), ("u", "v"))):
        tags = {"RUN": f"{kind}{day}", "DAY": f"{day}"}
        scene(tmp_path / f"{kind}_d{day}_l{level}.tif", i, tags=tags)
    published = publish(
        tmp_path,
        "memory://",
        concat=("day", "level"),
        values=r"d(?P<day>\d)_l(?P<level>\d)",
        variable="^([uv])_",
    )
    dataset = dataset_of(published)
    assert dataset["u_RUN"].values.tolist() == ["u1", "u2"]
    assert dataset["v_RUN"].values.tolist() == ["v1", "v2"]
    assert dataset["DAY"].values.tolist() == ["1", "2"]
    assert "v_RUN" not in dataset["u"].encoding.get("coordinates", "")
    assert published.left_out == {}


def test_a_new_dimension_renumbers_the_axes_of_codecs() -> None:
    metadata = {
        "shape": [3, 8, 9], "dimension_names": ["band", "y", "x"],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 4, 4]}},
        "codecs": [
            {"name": "transpose", "configuration": {"order": [1, 2, 0]}},
            {"name": "imagecodecs_delta", "configuration": {"axis": 2, "dist": 1}},
            {"name": "imagecodecs_floatpred", "configuration": {"axis": -1}},
            {"name": "virtual_tiff.crop", "configuration": {"block_shape": [1, 5, 5], "parts": []}},
        ],
    }  # fmt: skip
    made = with_dimension(metadata, "time", 7)
    assert made["shape"] == [7, 3, 8, 9]
    assert made["dimension_names"] == ["time", "band", "y", "x"]
    assert made["chunk_grid"]["configuration"]["chunk_shape"] == [1, 1, 4, 4]
    assert [codec["configuration"] for codec in made["codecs"]] == [
        {"order": [0, 2, 3, 1]},
        {"axis": 3, "dist": 1},
        {"axis": -1},
        {"block_shape": [1, 1, 5, 5], "parts": [{}]},
    ]
