"""How files are arranged: stacks, variables, tiles of one image, groups; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
from rasterio.merge import merge as rasterio_merge

from support.scenes import dataset_of, dated, group_of, pixels, read, scene
from virtual_tiff.publishing import PublishError, publish


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


# ------------------------------------------------------------------------- new dimension


def test_times_from_the_tag_sort_the_files(tmp_path: Path) -> None:
    days = ["2023-03-01", "2023-01-01", "2023-02-01"]
    files = [dated(tmp_path / f"{i}.tif", day, i) for i, day in enumerate(days)]
    dataset = dataset_of(publish(files, "memory://", concat="time", time="tag"))
    assert [str(t)[:19] for t in dataset["time"].values] == [
        "2023-01-01T10:15:00",
        "2023-02-01T10:15:00",
        "2023-03-01T10:15:00",
    ]
    for i, position in ((0, 2), (1, 0), (2, 1)):
        np.testing.assert_array_equal(dataset["0"].values[position], pixels(files[i]))


def test_times_from_the_name(tmp_path: Path) -> None:
    files = [scene(tmp_path / f"S2_2023010{i}T101500.tif", i) for i in (3, 1, 2)]
    published = publish(files, "memory://", concat="t", time=r"_(?P<time>\d{8}T\d{6})")
    dataset = dataset_of(published)
    assert dataset["t"].dt.day.values.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(dataset["0"].values[0], pixels(files[1]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, 1, 2], [1, 2, 3]),
        ([0.5, 0.1, 0.25], [0.1, 0.25, 0.5]),
        (["c", "a", "b"], ["a", "b", "c"]),
    ],
)
def test_given_values(values: list[Any], expected: list[Any], tmp_path: Path) -> None:
    files = [scene(tmp_path / f"{i}.tif", i) for i in range(3)]
    dataset = dataset_of(publish(files, "memory://", concat="level", values=values))
    assert dataset["level"].values.tolist() == expected
    np.testing.assert_array_equal(dataset["0"].sel(level=values[0]).values, pixels(files[0]))


def test_file_without_a_time(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"a\.tif has no tag DateTime"):
        publish(scene(tmp_path / "a.tif"), "memory://", concat="time", time="tag")


def test_a_tag_that_holds_no_time(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif", tags={"TIFFTAG_DATETIME": "last summer"})
    with pytest.raises(PublishError, match=r"a\.tif has no tag DateTime that holds a time"):
        publish(path, "memory://", concat="time", time="tag")


def test_a_group_per_variable_needs_variables(tmp_path: Path) -> None:
    files = [scene(tmp_path / f"{n}.tif", n) for n in range(2)]
    with pytest.raises(ValueError, match="a group per variable needs variables"):
        publish(files, "memory://", concat="n", layout="group per variable")


def test_scenes_need_a_dimension_where_files_are_added_too(tmp_path: Path) -> None:
    files = [scene(tmp_path / f"{n}.tif", n) for n in range(2)]
    cube = str(tmp_path / "cube")
    publish(files[0], cube)
    with pytest.raises(ValueError, match="published with per_scene"):
        publish(files, cube, append=True, per_scene="gcps")


@pytest.mark.parametrize("append", [True, False])
def test_scenes_of_files_that_have_a_group_each(append: bool, tmp_path: Path) -> None:
    """Where nothing is published yet, too."""
    path = scene(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"per_scene needs .* along which the scenes are stacked"):
        publish(path, tmp_path / "cube", append=append, per_scene="gcps")
    assert not (tmp_path / "cube").exists()


def test_a_variable_may_not_have_the_stacks_dimension_already(tmp_path: Path) -> None:
    files = [scene(tmp_path / "red_1.tif", 1), scene(tmp_path / "rgb_1.tif", 2, shape=(3, 64, 96))]
    with pytest.raises(ValueError, match="'band' is a dimension of the files already"):
        publish(files, "memory://", concat="band", values=[1, 2], variable="(red|rgb)_")


def test_a_file_of_which_nothing_was_written_has_no_references(tmp_path: Path) -> None:
    empty = tmp_path / "1.tif"
    with rasterio.open(scene(tmp_path / "0.tif", 1)) as one:
        profile = one.profile
    with rasterio.open(empty, "w", **(profile | {"SPARSE_OK": True})):
        pass
    published = publish([tmp_path / "0.tif", empty], "memory://", concat="n")
    assert published.references == 6
    np.testing.assert_array_equal(read(published)[0], pixels(tmp_path / "0.tif"))
    assert not read(published)[1].any()


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid"])
def test_levels_stack_in_every_layout(layout: str, tmp_path: Path) -> None:
    files = []
    for i in range(2):
        path = dated(tmp_path / f"{i}.tif", f"2023-01-0{i + 1}", i, shape=(128, 128))
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2, 4], rasterio.enums.Resampling.nearest)
        files.append(path)
    published = publish(files, "memory://", concat="time", time="tag", ifd_layout=layout)
    paths = {
        "flat": ["0", "1", "2"],
        "nested": ["0/0", "1/1", "2/2"],
        "pyramid": ["0/image", "1/image", "2/image"],
    }
    assert [array.path for array in published.arrays] == paths[layout]
    for path, level in zip(paths[layout], (None, 0, 1), strict=True):
        expected = np.stack([pixels(file, level) for file in files])
        np.testing.assert_array_equal(read(published, path), expected)
        group = path.rpartition("/")[0] or None
        assert dataset_of(published, group)["time"].dt.day.values.tolist() == [1, 2]


# ---------------------------------------------------------- attributes that merely differ


def test_scalars_become_coordinates_and_the_rest_is_left_out(tmp_path: Path) -> None:
    files = [
        dated(tmp_path / f"{i}.tif", f"2023-01-0{i + 1}", i, tags={"orbit": f"{i}", "same": "s"})
        for i in range(3)
    ]
    for i, path in enumerate(files):
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(1, STATISTICS_MEAN=str(i / 4))
    published = publish(files, "memory://", concat="time", time="tag")
    dataset = dataset_of(published)
    assert set(dataset.coords) >= {"TIFFTAG_DATETIME", "orbit", "STATISTICS_MEAN"}
    assert dataset["orbit"].values.tolist() == ["0", "1", "2"]
    assert dataset["STATISTICS_MEAN"].values.astype(float).tolist() == [0, 0.25, 0.5]
    assert dataset["0"].attrs["same"] == "s"
    assert "orbit" not in dataset["0"].attrs
    assert published.left_out == {}


def test_names_that_two_arrays_share(tmp_path: Path) -> None:
    files = [
        scene(tmp_path / f"d{day}_{band}.tif", day, tags={"gain": f"{day}{band}", "day": f"{day}"})
        for day in (1, 2)
        for band in ("B1", "B2")
    ]
    published = publish(files, "memory://", concat="day_", values=r"d(\d)", variable=r"_(B\d)\.tif")
    dataset = dataset_of(published)
    assert dataset["B1_gain"].values.tolist() == ["1B1", "2B1"]
    assert dataset["B2_gain"].values.tolist() == ["1B2", "2B2"]
    assert dataset["day"].values.tolist() == ["1", "2"]
    assert "B1_gain" in dataset["B1"].coords
    assert "B1_gain" not in dataset["B2"].encoding.get("coordinates", "")


# ----------------------------------------------------------------------------- variables


def bands(folder: Path, days: range, sizes: dict[str, int]) -> dict[tuple[int, str], Path]:
    return {
        (day, band): scene(folder / f"T33_2023010{day}_{band}.tif", 10 * day + i, shape=(n, n))
        for day in days
        for i, (band, n) in enumerate(sizes.items())
    }


BANDS = {"concat": "time", "time": r"_(?P<time>\d{8})_", "variable": r"_(B\d\d)\.tif"}


def test_variables_share_a_group(tmp_path: Path) -> None:
    files = bands(tmp_path, range(1, 4), {"B02": 64, "B03": 64})
    published = publish(list(files.values()), "memory://", **BANDS)
    assert [array.path for array in published.arrays] == ["B02", "B03"]
    dataset = dataset_of(published)
    for band in ("B02", "B03"):
        expected = np.stack([pixels(files[day, band]) for day in range(1, 4)])
        np.testing.assert_array_equal(dataset[band].values, expected)


def test_variables_of_other_grids_have_groups(tmp_path: Path) -> None:
    files = bands(tmp_path, range(1, 3), {"B02": 64, "B11": 32})
    with pytest.raises(PublishError, match="layout='group per variable'"):
        publish(list(files.values()), "memory://", **BANDS)
    published = publish(list(files.values()), "memory://", **BANDS, layout="group per variable")
    for band in ("B02", "B11"):
        expected = np.stack([pixels(files[day, band]) for day in (1, 2)])
        np.testing.assert_array_equal(read(published, f"{band}/{band}"), expected)


def test_variable_that_lacks_a_day(tmp_path: Path) -> None:
    files = bands(tmp_path, range(1, 4), {"B02": 64, "B03": 64})
    del files[2, "B03"]
    published = publish(list(files.values()), "memory://", **BANDS)
    assert published.missing == 1
    assert (read(published, "B03")[1] == 0).all()
    np.testing.assert_array_equal(read(published, "B03")[2], pixels(files[3, "B03"]))


# --------------------------------------------------------------------- tiles of one image


def tiles(folder: Path, rows: int, columns: int, **options: Any) -> list[Path]:
    """Tiles of 64 x 64 pixels; those of the last row and column are smaller."""
    found = []
    for row in range(rows):
        for column in range(columns):
            shape = (40 if row == rows - 1 else 64, 50 if column == columns - 1 else 64)
            at = (500_000 + 640 * column, 4_650_000 - 640 * row)
            path = folder / f"tile_{row}_{column}.tif"
            found.append(scene(path, 10 * row + column, shape=shape, at=at, **options))
    return found


def mosaic_of(files: list[Path]) -> tuple[Any, Any]:
    """The tiles as rasterio puts them together."""
    opened = [rasterio.open(path) for path in files]
    data, transform = rasterio_merge(opened)
    return data[0], transform


@pytest.mark.parametrize("axes", ["y,x", ("x", "y")])
def test_tiles_become_one_image(axes: Any, tmp_path: Path) -> None:
    files = tiles(tmp_path, 3, 2)
    published = publish(files[::-1], "memory://", concat=axes, check=True)
    expected, transform = mosaic_of(files)
    dataset = dataset_of(published)
    np.testing.assert_array_equal(dataset["0"].values, expected)
    length, width = expected.shape
    np.testing.assert_allclose(dataset["x"], transform.c + 10 * (np.arange(width) + 0.5))
    np.testing.assert_allclose(dataset["y"], transform.f - 10 * (np.arange(length) + 0.5))
    found = dataset["spatial_ref"].attrs["GeoTransform"].split()
    assert tuple(map(float, found)) == transform.to_gdal()
    assert tuple(dataset["0"].attrs["spatial:transform"]) == tuple(transform)[:6]
    assert dataset["0"].attrs["spatial:shape"] == list(expected.shape)
    assert published.left_out == {"0": ("model_tiepoint",)}


def test_tiles_that_rioxarray_places_as_rasterio(tmp_path: Path) -> None:
    import rioxarray  # noqa: F401

    files = tiles(tmp_path, 2, 2)
    dataset = dataset_of(publish(files, "memory://", concat="y,x"))
    _, transform = mosaic_of(files)
    assert dataset["0"].rio.transform() == transform
    assert dataset["0"].rio.crs.to_epsg() == 32633


def test_a_missing_tile_is_missing_chunks(tmp_path: Path) -> None:
    files = tiles(tmp_path, 2, 3, nodata=7)
    del files[1]
    expected, _ = mosaic_of(files)
    published = publish(files, "memory://", concat="y,x")
    np.testing.assert_array_equal(read(published), expected)
    x = dataset_of(published)["x"].values
    np.testing.assert_allclose(np.diff(x), 10)


def test_overviews_are_tiles_too(tmp_path: Path) -> None:
    files = [
        scene(tmp_path / "0.tif", 0, shape=(256, 256), block=128),
        scene(tmp_path / "1.tif", 1, shape=(256, 100), block=128, at=(502_560, 4_650_000)),
    ]
    for path in files:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2], rasterio.enums.Resampling.nearest)
    published = publish(files, "memory://", concat="x")
    whole = read(published, "1")
    assert whole.shape == (128, 178)
    np.testing.assert_array_equal(whole, np.hstack([pixels(path, 0) for path in files]))


@pytest.mark.long
def test_bands_in_their_order(tmp_path: Path) -> None:
    shapes = ((2, 64, 64), (3, 64, 64))
    files = [
        scene(tmp_path / f"{i}.tif", i, shape=shape, interleave="band")
        for i, shape in enumerate(shapes)
    ]
    published = publish(files, "memory://", concat="band")
    dataset = dataset_of(published)
    np.testing.assert_array_equal(dataset["0"], np.concatenate([pixels(p) for p in files]))
    assert dataset["band"].values.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"at": (500_645, 4_650_000)}, "does not lie on the grid"),
        ({"at": (500_660, 4_650_000)}, "within a chunk of 32"),
        ({"at": (500_320, 4_650_000)}, "overlap in array 0"),
        ({"predictor": 2}, "Predictor"),
        ({"crs": "EPSG:32632"}, "CRS EPSG:32632, the others EPSG:32633"),
        ({"block": 16}, "chunks 16 x 16"),
    ],
)
def test_tiles_that_do_not_fit(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    left = scene(tmp_path / "left.tif", shape=(64, 64))
    right = scene(
        tmp_path / "right.tif", **{"shape": (64, 64), "at": (500_640, 4_650_000)} | change
    )
    with pytest.raises(PublishError, match=words):
        publish([left, right], "memory://", concat="x")


def test_tile_that_ends_within_a_chunk(tmp_path: Path) -> None:
    left = scene(tmp_path / "left.tif", shape=(64, 50))
    right = scene(tmp_path / "right.tif", shape=(64, 64), at=(500_500, 4_650_000))
    with pytest.raises(PublishError, match=r"within a chunk of 32"):
        publish([left, right], "memory://", concat="x")


def test_new_dimensions_without_coordinates(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif")
    words = r"nothing says where the files lie along time, .*\(y, x\)\..*or time \(--time\)"
    with pytest.raises(ValueError, match=words):
        publish(path, "memory://", concat="time,x")
    with pytest.raises(ValueError, match=r"along b, which is none .*values=\{'b': …\}"):
        publish(path, "memory://", concat="a,b", values={"a": [1]})


# ----------------------------------------------------------------------------- signatures


@pytest.mark.long
def test_files_that_fit_share_a_group(tmp_path: Path) -> None:
    kinds: list[dict[str, Any]] = [{}, {"predictor": 2}, {"compress": "lzw"}]
    files = [
        dated(tmp_path / f"{kind}_{day}.tif", f"2023-01-0{day + 1}", 10 * kind + day, **options)
        for day in range(2)
        for kind, options in enumerate(kinds)
    ]
    published = publish(files, "memory://", concat="time", time="tag", layout="group per signature")
    assert [array.path for array in published.arrays] == [f"signature_{n}/0" for n in (1, 2, 3)]
    for n in range(3):
        expected = np.stack([pixels(files[n]), pixels(files[n + 3])])
        np.testing.assert_array_equal(read(published, f"signature_{n + 1}/0"), expected)
    assert "signature_1" in group_of(published)
    assert "open_datatree" in published.how_to_open


# ---------------------------------------------------------------------------- differences


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"predictor": 2}, "Predictor 2, the others 1"),
        ({"compress": "lzw"}, "Compression LZW, the others deflate"),
        ({"compress": "none"}, "Compression none, the others deflate"),
        ({"endianness": "BIG"}, "byte order big, the others little"),
        ({"dtype": "int16"}, "data type int16, the others uint16"),
        ({"block": 16}, "chunks 16 x 16, the others 32 x 32"),
        ({"shape": (64, 64)}, "shape 64 x 64, the others 64 x 96"),
        ({"nodata": 0}, "nodata 0, the others none"),
        ({"nodata": 9}, "nodata 9, the others none"),
        ({"crs": "EPSG:32632"}, "CRS EPSG:32632, the others EPSG:32633"),
        ({"at": (500_640, 4_650_000)}, "spatial:transform [10.0, 0.0, 500640.0, 0.0, -10.0"),
    ],
)
def test_differences_in_words(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    files = [scene(tmp_path / f"{name}.tif") for name in "ac"]
    odd = scene(tmp_path / "b.tif", **change)
    with pytest.raises(PublishError) as caught:
        publish([files[0], odd, files[1]], "memory://", concat="n")
    _, *lines = str(caught.value).splitlines()
    assert any(line.startswith(f"  {odd}: array 0: {words}") for line in lines), lines
    listed = [line for line in lines if line.startswith("  ")]
    assert not any(str(path) in line for line in listed for path in files)
    assert f"They would form 2 groups: 2 files as {files[0]}; 1 file as {odd}." in lines


def test_number_of_images_that_differs(tmp_path: Path) -> None:
    files = [scene(tmp_path / f"{name}.tif", shape=(128, 128)) for name in "abc"]
    with rasterio.open(files[1], "r+") as dataset:
        dataset.build_overviews([2], rasterio.enums.Resampling.nearest)
    with pytest.raises(PublishError) as caught:
        publish(files, "memory://", concat="n")
    lines = str(caught.value).splitlines()
    assert lines[1] == f"  {files[1]}: array 1 and 3 more: not in the others"
    assert "ifd=0" in lines[-1]
    assert publish(files, "memory://", concat="n", ifd=0).files == 3


def test_a_difference_of_many_files_is_one_line(tmp_path: Path) -> None:
    usual = scene(tmp_path / "a.tif")
    odd = scene(tmp_path / "b.tif", predictor=2)
    names = [*(f"u{n}.tif" for n in range(35)), *(f"o{n}.tif" for n in range(30))]
    files = [tmp_path / name for name in names]
    for path in files:
        path.write_bytes((usual if path.name[0] == "u" else odd).read_bytes())
    with pytest.raises(PublishError) as caught:
        publish(files, "memory://", concat="n")
    first = ", ".join(map(str, files[35:38]))
    assert f"\n  {first} and 27 more: array 0: Predictor 2, the others 1\n" in str(caught.value)
