"""What files say of each of their bands: kept where they agree, and left out else.

Numbers are coordinates along `band`; texts are attributes of the array, and were coordinates.
`gdal_translate -stats`, and GDAL's COG driver with STATISTICS=YES, write numbers of each band into
each file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray
import zarr

from support.cubes import contents, differences, in_the_form_of_before
from support.scenes import group_of, pixels, scene
from virtual_tiff.publishing import Published, publish, remove

type Items = Mapping[str, str]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., str]:
    """Writes an image of three bands, with items of each."""

    def make(name: str, items: Items | None = None, **options: Any) -> str:
        path = scene(tmp_path / name, len(name), shape=options.pop("shape", (3, 32, 32)), **options)
        with rasterio.open(path, "r+") as dataset:
            for band in dataset.indexes:
                texts = {item: f"{text}{band}" for item, text in (items or {}).items()}
                dataset.update_tags(band, **texts)
        return str(path)

    return make


@pytest.fixture(params=[True, False], ids=["attributes", "coordinates"], autouse=True)
def attributes(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether texts are attributes, or coordinates as in repositories of earlier versions."""
    with in_the_form_of_before(text_attributes=request.param):
        yield request.param


def said(group: zarr.Group, name: str, array: str = "0") -> list[Any] | None:
    """The texts of each band; None if there are none."""
    attribute: Any = group[array].attrs.get(name)
    if attribute is None:
        return values(group, name) if name in coordinates(group, array) else None
    assert name not in group
    return list(attribute)


def coordinates(group: zarr.Group, array: str = "0") -> list[str]:
    return str(group[array].attrs["coordinates"]).split()


def values(group: zarr.Group, path: str) -> list[Any]:
    array: Any = group[path]
    return array[:].tolist()


WAVES = ["101", "102", "103"]


def stacked(files: list[str], **options: Any) -> Published:
    return publish(files, "memory://", concat="time", time=r"_(\d{8})", **options)


@pytest.mark.long
@pytest.mark.parametrize("others", [{"STATISTICS_MEAN": "4"}, {}], ids=["differ", "lack it"])
def test_a_stack_keeps_what_all_scenes_say(
    made: Callable[..., str], others: Items, *, attributes: bool
) -> None:
    files = [
        made("a_20200101.tif", {"wavelength": "10", "STATISTICS_MEAN": "1"}),
        made("a_20200102.tif", {"wavelength": "10", **others}),
    ]
    published = stacked(files)
    assert published.left_out == {"0": ("STATISTICS_MEAN",)}
    group = group_of(published)
    assert said(group, "wavelength") == WAVES
    assert "STATISTICS_MEAN" not in coordinates(group)
    assert "STATISTICS_MEAN" not in group
    array: Any = group["0"]
    assert "STATISTICS_MEAN" not in array.attrs
    np.testing.assert_array_equal(array[1], pixels(Path(files[1])))
    store = published.repository.readonly_session("main").store
    opened = xarray.open_zarr(store, consolidated=False)
    if not attributes:
        assert opened["0"].coords["wavelength"].dims == ("band",)


def test_tiles_keep_what_all_tiles_say(made: Callable[..., str]) -> None:
    items = {"wavelength": "10"}
    files = [
        made("a.tif", items | {"STATISTICS_MEAN": "1"}),
        made("b.tif", items, at=(500_320, 4_650_000)),
    ]
    published = publish(files, "memory://", concat="y,x")
    assert "STATISTICS_MEAN" in published.left_out["0"]
    assert "wavelength" not in published.left_out["0"]
    group = group_of(published)
    assert said(group, "wavelength") == WAVES
    assert "STATISTICS_MEAN" not in group
    np.testing.assert_array_equal(group["0"][:, :, 32:], pixels(Path(files[1])))


def test_a_group_per_signature_is_not_divided_by_what_may_differ(made: Callable[..., str]) -> None:
    files = [made(f"a_{n}.tif", {"STATISTICS_MEAN": str(n)}) for n in range(3)]
    published = publish(
        files, "memory://", concat="n", values=r"_(\d)", layout="group per signature"
    )
    assert [array.path for array in published.arrays] == ["signature_1/0"]


def test_a_group_per_file_has_all_that_its_file_says(made: Callable[..., str]) -> None:
    files = [made(f"{name}.tif", {"STATISTICS_MEAN": text}) for name, text in ("a1", "b2")]
    group = group_of(publish(files, "memory://"))
    for name, number in (("a", 10.0), ("b", 20.0)):
        assert values(group, f"{name}/STATISTICS_MEAN") == [number + band for band in (1, 2, 3)]
        assert "STATISTICS_MEAN" in coordinates(group, f"{name}/0")


@pytest.mark.long
def test_what_the_next_scene_says_otherwise_is_no_coordinate_any_more(
    made: Callable[..., str], tmp_path: Path
) -> None:
    items = {"wavelength": "10", "filter": "f"}
    place = tmp_path / "cube"
    options: dict[str, Any] = {"concat": "time", "time": r"_(\d{8})"}
    publish([made("a_20200101.tif", items)], place, **options)
    same = publish([made("a_20200102.tif", items)], place, append=True, **options)
    assert same.left_out == {}
    assert said(group_of(same), "wavelength") == WAVES
    assert said(group_of(same), "filter") == ["f1", "f2", "f3"]
    other = publish(
        [made("a_20200103.tif", {"wavelength": "10", "filter": "g"})], place, append=True, **options
    )
    group = group_of(other)
    assert other.left_out == {"0": ("filter",)}
    assert said(group, "filter") is None
    assert said(group, "wavelength") == WAVES
    last = publish([made("a_20200104.tif", items)], place, append=True, **options)
    assert said(group_of(last), "filter") is None
    assert last.left_out == {"0": ("filter",)}


def test_variables_that_say_it_otherwise_have_one_each(
    made: Callable[..., str], *, attributes: bool
) -> None:
    files = [
        made(f"{name}_2020010{day}.tif", {"filter": name})
        for name in ("red", "nir")
        for day in (1, 2)
    ]
    group = group_of(stacked(files, variable="(red|nir)_"))
    if attributes:
        for name in ("red", "nir"):
            assert said(group, "filter", name) == [f"{name}{band}" for band in (1, 2, 3)]
        return
    bound = {name: set(coordinates(group, name)) for name in ("red", "nir")}
    first, second = sorted(("red", "nir"), key=lambda name: "filter" not in bound[name])
    assert "filter" in bound[first]
    assert f"{second}_filter" in bound[second]
    assert values(group, "filter") == [f"{first}{band}" for band in (1, 2, 3)]
    assert values(group, f"{second}_filter") == [f"{second}{band}" for band in (1, 2, 3)]


def test_a_coordinate_takes_the_name_that_another_variable_gave_up(
    made: Callable[..., str], tmp_path: Path, *, attributes: bool
) -> None:
    place = tmp_path / "cube"
    options: dict[str, Any] = {"concat": "time", "time": r"_(\d{8})", "variable": "(red|nir)_"}
    files = [made(f"{name}_20200101.tif", {"filter": name}) for name in ("nir", "red")]
    group = group_of(publish(files, place, **options))
    if not attributes:
        assert values(group, "filter") == ["nir1", "nir2", "nir3"]
        assert values(group, "red_filter") == ["red1", "red2", "red3"]
    changed = made("nir_20200102.tif", {"filter": "other"})
    group = group_of(publish([changed], place, append=True, **options))
    assert said(group, "filter", "nir") is None
    if attributes:
        assert said(group, "filter", "red") == ["red1", "red2", "red3"]
        return
    assert set(coordinates(group, "red")) & {"filter", "red_filter"}
    name = next(name for name in coordinates(group, "red") if name.endswith("filter"))
    assert values(group, name) == ["red1", "red2", "red3"]
    left = {path for path in ("filter", "red_filter") if path in group}
    assert left == {name}


def test_bands_that_are_put_together_keep_what_is_said_of_each(made: Callable[..., str]) -> None:
    files = [made("a.tif", {"filter": "a"}), made("b.tif", {"filter": "b"})]
    group = group_of(publish(files, "memory://", concat="band"))
    assert said(group, "filter") == ["a1", "a2", "a3", "b1", "b2", "b3"]


@pytest.mark.long
@pytest.mark.parametrize("concat", ["band", None])
def test_bands_that_are_appended_and_removed_are_those_of_a_first_publication(
    concat: str | None, made: Callable[..., str], tmp_path: Path
) -> None:
    """The repository says that the bands of its files are put together, if the user does not."""
    files = [made(f"{name}.tif", {"filter": name}) for name in "abc"]
    publish(files[:2], tmp_path / "cube", concat="band")
    whole = publish(files, tmp_path / "cube", append=True, concat=concat)
    assert not list(
        differences(contents(whole), contents(publish(files, "memory://", concat="band")))
    )
    removed = remove(files[0], tmp_path / "cube")
    rest = publish(files[1:], "memory://", concat="band")
    assert not list(differences(contents(removed), contents(rest)))
    assert said(group_of(rest), "filter") == ["b1", "b2", "b3", "c1", "c2", "c3"]


def test_a_name_that_a_file_uses_for_all_bands_and_for_each(
    made: Callable[..., str], *, attributes: bool
) -> None:
    files = [
        made(f"a_2020010{day}.tif", {"filter": "f"}, tags={"filter": "of all"}) for day in (1, 2)
    ]
    group = group_of(stacked(files))
    assert group["0"].attrs["filter"] == "of all"
    if attributes:
        assert said(group, "band_filter") == ["f1", "f2", "f3"]
    else:
        assert values(group, "filter") == ["f1", "f2", "f3"]
