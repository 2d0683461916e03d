"""Names of groups, arrays, coordinates and dimensions: none takes the place of another.

Every source of a name is in `SOURCES`; a new one belongs there, with what holds it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import tifffile

from support.scenes import dataset_of, pixels, read, scene
from virtual_tiff.publishing import PublishError, publish
from virtual_tiff.publishing.planning.names import common_name, group_names, new_group_names

SOURCES = {
    "concat, a new dimension: its coordinate": "test_a_dimension_that_is_called_as_something_else",
    "concat, a new dimension without coordinates": "test_a_dimension_without_values_too",
    "variable, by a pattern: its first array": "test_variables_that_are_called_as_something_else",
    "variable, the others: {variable}_{array}": "test_variables_that_are_called_as_something_else",
    "variable_name, given or of the files' names": "test_the_name_of_the_array_of_a_cube",
    "variable, a key of a STAC asset": "test_assets_that_are_called_as_something_else",
    "a group for each variable": "test_groups_of_variables",
    "a group for each file: its name": "test_files_that_are_called_as_something_else",
    "a group for each file: its path, where names are equal": "test_files_that_are_called_as_som…",
    "a group for each signature": "by number, of this package alone",
    "attributes in which files differ": "test_attributes_that_are_called_as_something_else",
    "{array}_{attribute}, where attributes share a name": "test_attributes_that_are_called_as_som…",
    "arrays of a file: IFD numbers, image, mask": "keys of one dict, by the layout",
    "coordinates of a file: x, y, band, spatial_ref": "keys of one dict, by the layout",
    "coordinates of a file: items of GDAL's metadata": "test_items_of_bands_that_become_one_word",
    "_virtual_tiff, the ledger": "a case in each table below",
    "zarr.json, c, .., names with / or __": "a case in each table below",
    "names that are published already": "test_names_are_checked_when_appended",
    "names that differ in case": "test_names_that_differ_in_case_are_two",
}


@pytest.fixture(autouse=True, scope="module")
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [scene(tmp_path / f"a{n}_B1.tif", n) for n in range(2)]


def refused(words: str, sources: Any, target: Path, **options: Any) -> None:
    """Refused with both names, before anything is written."""
    # a variable's name is checked when it is found, all others with the whole plan
    kind = ValueError if words.startswith("a variable cannot") else PublishError
    with pytest.raises(kind, match=words):
        publish(sources, str(target), **options)
    assert not target.exists()


DIMENSIONS = {
    "0": "array 0 of the files and the coordinate of the new dimension '0'",
    "spatial_ref": "'spatial_ref'",
    "_virtual_tiff": "'_virtual_tiff', and this package keeps its own data there",
    "zarr.json": "'zarr.json', which is not a valid name in Zarr",
    "..": "'..', which is not a valid name in Zarr",
    "__t": "'__t', which is not a valid name in Zarr",
    "a/b": "a dimension of array 0 .* cannot be called 'a/b'",
    "0/c": "the coordinate of the new dimension '0/c' would be called '0/c', within the array",
}


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_dimension_that_is_called_as_something_else(
    dimension: str, files: list[Path], tmp_path: Path
) -> None:
    refused(DIMENSIONS[dimension], files, tmp_path / "r", concat=dimension, values=[1, 2])


@pytest.mark.parametrize("dimension", [name for name in DIMENSIONS if name != "_virtual_tiff"])
def test_a_dimension_without_values_too(dimension: str, files: list[Path], tmp_path: Path) -> None:
    refused(dimension.replace(".", r"\."), files, tmp_path / "r", concat=dimension)


@pytest.mark.parametrize(
    ("layout", "dimension", "words"),
    [
        ("nested", "0", "array 0/0 of the files and the coordinate of the new dimension '0'"),
        ("pyramid", "image", "array 0/image of the files and the coordinate of the new dimension"),
        ("stack", "image", "array image of the files and the coordinate of the new dimension"),
        ("flat", "y", "overlap in array 0"),
    ],
)
def test_a_dimension_in_every_layout(
    layout: str, dimension: str, words: str, files: list[Path], tmp_path: Path
) -> None:
    options = {"ifd_layout": layout, "ifd": None}
    refused(words, files, tmp_path / "r", concat=dimension, values=[1, 2], **options)


VARIABLES: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "the dimension": (
        ["level"],
        {},
        "array 0 of the variable 'level' and the coordinate of the new",
    ),
    "a coordinate": (["x"], {}, "array 0 of the variable 'x' and the coordinate x of the files"),
    "a dimension without coordinates": (
        ["y"],
        {"coordinates": False},
        "array 0 of the variable 'y' and the dimension 'y' of array 0",
    ),
    "the CRS": (["spatial_ref"], {}, "'spatial_ref', which readers take for the CRS"),
    "the ledger": (["_virtual_tiff"], {}, "this package keeps its own data there"),
    "no name": (["zarr.json"], {}, "a variable cannot be called 'zarr.json'"),
    "dots": ([".."], {}, r"a variable cannot be called '\.\.'"),
    "reserved by Zarr": (["__v"], {}, "a variable cannot be called '__v'"),
    "another one's overview": (
        ["v", "v_1"],
        {"overviews": True},
        "array 1 of the variable 'v' and array 0 of the variable 'v_1'",
    ),
}


def of_variables(folder: Path, names: list[str]) -> dict[str, Path]:
    """Files with overviews; the name of the folder is the variable."""
    found = {}
    for n, name in enumerate(names):
        # two dots are no name of a folder
        path = scene(folder / f"{n}_{name}_.tif", n, shape=(128, 128))
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2], rasterio.enums.Resampling.nearest)
        found[name] = path
    return found


@pytest.mark.parametrize("case", VARIABLES)
def test_variables_that_are_called_as_something_else(case: str, tmp_path: Path) -> None:
    names, options, words = VARIABLES[case]
    found = list(of_variables(tmp_path, names).values())
    by_name: dict[str, Any] = {"variable": r"\d_(.*)_\.tif"} | options
    refused(words, found, tmp_path / "r", concat="level", values=[1] * len(found), **by_name)
    if case != "the dimension":
        refused(words, found, tmp_path / "r", concat="y,x", **by_name)


GROUPS = {
    "_virtual_tiff": "'_virtual_tiff', and this package keeps its own",
    "zarr.json": "a variable cannot be called 'zarr.json'",
    "..": r"a variable cannot be called '\.\.'",
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups_of_variables(name: str, tmp_path: Path) -> None:
    found = list(of_variables(tmp_path, [name]).values())
    options: dict[str, Any] = {"variable": r"\d_(.*)_\.tif", "layout": "group per variable"}
    for axes in ("n", "y,x"):
        refused(GROUPS[name], found, tmp_path / "r", concat=axes, **options)


def item(n: int, key: str, href: Path) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": str(n),
        "properties": {"datetime": f"2020-01-0{n + 1}T00:00:00Z"},
        "geometry": None,
        "links": [],
        "assets": {key: {"href": str(href), "type": "image/tiff", "roles": ["data"]}},
    }


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("time", "array 0 of the variable 'time' and the coordinate of the new dimension 'time'"),
        ("x", "array 0 of the variable 'x' and the coordinate x of the files"),
        ("data/B04", "a variable cannot be called 'data/B04'"),
        ("_virtual_tiff", "this package keeps its own data there"),
        ("zarr.json", "a variable cannot be called 'zarr.json'"),
    ],
)
def test_assets_that_are_called_as_something_else(
    key: str, words: str, files: list[Path], tmp_path: Path
) -> None:
    items = [item(n, key, file) for n, file in enumerate(files)]
    refused(words, items, tmp_path / "r", concat="time")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["_virtual_tiff.tif"], "would be in the group _virtual_tiff"),
        (["_virtual_tiff/a.tif", "b/a.tif"], "would be in the group _virtual_tiff"),
        (["zarr.json.tif"], "'zarr.json' is not a valid name in Zarr"),
        (["x/zarr.json/a.tif", "b/a.tif"], "is not a valid name in Zarr"),
        (["...tif"], "is not a valid name in Zarr"),
        (["__a.tif"], "'__a' is not a valid name in Zarr"),
        (["a.tif", "a.tiff"], "'a' would be one group"),
        (["a.tif", "a/0.tif", "b/0.tif"], "within another"),
    ],
)
def test_files_that_are_called_as_something_else(
    names: list[str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(PublishError, match=words):
        group_names([f"file:///d/{name}" for name in names])
    found = [scene(tmp_path / "d" / name) for name in names]
    refused(words, found, tmp_path / "r")
    with pytest.raises(PublishError, match=words):
        new_group_names([f"file:///d/{name}" for name in names], {"file:///e/known.tif": "known"})


def test_names_that_are_only_unusual(tmp_path: Path) -> None:
    """`c` is the folder of an array's chunks, and a good name for a group."""
    names = ["c", "0", "x", "spatial_ref", "a b", "ä", "virtual_tiff"]
    found = [scene(tmp_path / f"{name}.tif", n) for n, name in enumerate(names)]
    published = publish(found, "memory://")
    for name, file in zip(names, found, strict=True):
        np.testing.assert_array_equal(read(published, f"{name}/0"), pixels(file))


@pytest.mark.long
@pytest.mark.parametrize(
    ("attribute", "coordinates"),
    [
        ("x", True),
        ("x", False),
        ("spatial_ref", True),
        ("spatial_ref", False),
        ("level", True),
        ("_virtual_tiff", True),
        ("zarr.json", True),
        ("__secret", True),
        ("c", True),
    ],
)
def test_attributes_that_are_called_as_something_else(
    attribute: str, coordinates: bool, tmp_path: Path
) -> None:
    found = [scene(tmp_path / f"{n}.tif", n, tags={attribute: f"v{n}"}) for n in range(2)]
    for values in ([1, 2], None):
        options = {"concat": "level", "values": values, "coordinates": coordinates}
        published = publish(found, "memory://", check=True, **options)
        dataset = dataset_of(published)
        np.testing.assert_array_equal(dataset["0"].values, np.stack(list(map(pixels, found))))
        names = {"c": "c", "spatial_ref": "GDAL_METADATA:spatial_ref"}
        name = names.get(attribute, f"0_{attribute}")
        assert dataset[name].values.tolist() == ["v0", "v1"]
        assert published.left_out == {}


def test_items_of_bands_that_become_one_word(tmp_path: Path) -> None:
    items = "".join(
        f'<Item name="{name}" sample="{band}">{name}{band}</Item>'
        for name in ("my item", "my-item", "units")
        for band in range(2)
    )
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        np.zeros((2, 16, 16), "u1"),
        photometric="minisblack",
        planarconfig="separate",
        metadata=None,
        extratags=[(42112, 2, None, f"<GDALMetadata>{items}</GDALMetadata>", True)],
    )
    dataset = dataset_of(publish(path, "memory://"), "a")
    lists = [value for value in dataset["0"].attrs.values() if isinstance(value, list)]
    for name in ("my item", "my-item", "units"):
        assert [f"{name}0", f"{name}1"] in lists


@pytest.mark.long
def test_names_are_checked_when_appended(tmp_path: Path) -> None:
    target = str(tmp_path / "r")
    first = [scene(tmp_path / f"{n}_v.tif", n, tags={"orbit": str(n)}) for n in range(2)]
    options: dict[str, Any] = {
        "concat": "level",
        "values": r"(\d+)_",
        "variable": r"_(\w+)\.tif",
        "append": True,
    }
    publish(first, target, **options)
    for name, words in (
        ("orbit", "array 0 of the variable 'orbit' and the coordinate of an attribute"),
        ("level", "array 0 of the variable 'level' and the coordinate of the new dimension"),
        ("x", "array 0 of the variable 'x' and the coordinate x of the files"),
    ):
        new = scene(tmp_path / f"3_{name}.tif", 3)
        with pytest.raises(PublishError, match=words):
            publish([*first, new], target, **options)
    published = publish([*first, scene(tmp_path / "3_v.tif", 3)], target, **options)
    np.testing.assert_array_equal(read(published, "v")[0], pixels(first[0]))
    assert dataset_of(published)["orbit"].values.tolist() == ["0", "1", ""]


def test_groups_are_checked_when_appended(tmp_path: Path) -> None:
    target = str(tmp_path / "r")
    first = scene(tmp_path / "a.tif", 1)
    publish(first, target)
    for name, words in (
        ("b/a.tif", "the group 'a' of another file is published already"),
        ("_virtual_tiff.tif", "would be in the group _virtual_tiff"),
    ):
        with pytest.raises(PublishError, match=words):
            publish([first, scene(tmp_path / "new" / name, 2)], target, append=True)
    published = publish([first, scene(tmp_path / "c.tif", 2)], target, append=True)
    np.testing.assert_array_equal(read(published, "a/0"), pixels(first))


def test_names_that_differ_in_case_are_two(tmp_path: Path) -> None:
    found = [scene(tmp_path / f"{name}.tif", n) for n, name in enumerate(("a", "A"))]
    published = publish(found, "memory://")
    stacked = publish(found, "memory://", concat="n", values=[1, 1], variable=r"(\w)\.tif")
    for name, file in zip("aA", found, strict=True):
        np.testing.assert_array_equal(read(published, f"{name}/0"), pixels(file))
        np.testing.assert_array_equal(read(stacked, name)[0], pixels(file))


def test_sources_of_names_have_their_tests() -> None:
    tests = [name for name in globals() if name.startswith("test_")]
    for held in SOURCES.values():
        if held.startswith("test_"):
            assert any(name.startswith(held.rstrip("…")) for name in tests), held


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (["scene_2023-01-01.tif", "scene_2023-01-11.tif"], "scene"),
        (["s3://b/S2B_T10TFR_20231223/B04.tif", "s3://b/S2A_T10TFR_20240102/B04.tif"], "B04"),
        (["LC08_L2SP_042034_20230101_B4.TIF", "LC08_L2SP_042034_20230117_B4.TIF"], "LC08_L2SP_B4"),
        (["dem-N47.tif", "dem-N48.tif", "dem-S01.tif"], "dem"),
        (["a.tif", "b.tif"], "data"),
        (["2023.tif", "2024.tif"], "data"),
        (["y_1.tif", "y_2.tif"], "data"),
        (["temperature.tif"], "temperature"),
        (["a%20field_1.tif", "a%20field_2.tif"], "a_field"),
        (["short_2.tif", "short_2_b.tif"], "short"),
        (["w" * 40 + "1.tif"], "data"),
        ([], "data"),
        (["Wald Höhe 1.tif", "Wald Ho\u0308he 2.tif"], "Wald_Hohe"),
        (["高さ_1.tif", "高さ_2.tif"], "data"),
    ],
)
def test_the_words_that_all_names_have(names: list[str], common: str) -> None:
    assert common_name(names, taken={"x", "y", "time"}) == common


@pytest.mark.long
def test_the_name_of_the_array_of_a_cube(tmp_path: Path) -> None:
    first, second, third = (
        scene(tmp_path / f"rain_{day}.tif", day, shape=(128, 128)) for day in (1, 2, 3)
    )
    day = r"_(\d+)\.tif"
    cube = tmp_path / "cube"
    options: dict[str, Any] = {"concat": "day", "values": day}
    published = publish([first], cube, variable_name="auto", **options)
    assert [array.path for array in published.arrays] == ["rain"]
    for path, name in ((second, None), (third, "auto")):  # the repository's name
        published = publish([path], cube, append=True, variable_name=name, **options)
    assert [array.shape for array in published.arrays] == [(3, 128, 128)]
    np.testing.assert_array_equal(read(published, "rain")[2], pixels(third))
    other = scene(tmp_path / "wind_1.tif", 4, shape=(128, 128))
    published = publish([other], cube, append=True, variable_name="wind", **options)
    np.testing.assert_array_equal(read(published, "wind")[0], pixels(other))
    late = scene(tmp_path / "late_4.tif", 5, shape=(128, 128))
    with pytest.raises(ValueError, match=r"may be of any variable of .*rain.*wind"):
        publish([late], cube, append=True, **options)
    published = publish([late], cube, append=True, variable_name="rain", **options)
    np.testing.assert_array_equal(read(published, "rain")[3], pixels(late))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variable_name": "a/b", "concat": "n"}, "the name of an array, not 'a/b'"),
        ({"variable_name": "", "concat": "n"}, "the name of an array, not ''"),
        ({"variable_name": "v", "concat": "n", "variable": "(.)"}, "names one variable"),
        ({"variable_name": "v"}, "without concat there is none"),
        ({"variable_name": "v", "layout": "group per file"}, "makes none"),
        ({"variable_name": "y", "concat": "n"}, "variable 'y' and the coordinate"),
    ],
)
def test_names_of_arrays_that_are_refused(
    options: dict[str, Any], words: str, files: list[Path], tmp_path: Path
) -> None:
    with pytest.raises((ValueError, PublishError), match=words):
        publish(files, tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


def test_the_layouts_of_conventions_keep_their_names(files: list[Path], tmp_path: Path) -> None:
    options: dict[str, Any] = {"concat": "n", "variable_name": "auto", "ifd_layout": "pyramid"}
    published = publish(files, tmp_path / "cube", **options)
    assert {array.path for array in published.arrays} == {"0/image"}
