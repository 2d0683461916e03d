"""Scenes that lie elsewhere, or whose numbers mean something else, are not stacked in silence."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (the accessor rio)
import tifffile
import xarray as xr
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from support.pixels import virtual
from virtual_tiff import open_published, publish
from virtual_tiff.publishing import PublishError

pytestmark = pytest.mark.filterwarnings("ignore")

TIME = r"_(?P<time>\d{8})"
DAYS = ("20210101", "20210113", "20210125")


def points(shift: float, count: int = 9) -> list[GroundControlPoint]:
    rows = np.linspace(0, 63, max(1, count // 3))
    return [
        GroundControlPoint(row, column, 10 + shift + column * 0.01, 50 - row * 0.01)
        for row in rows
        for column in (0.0, 32.0, 63.0)
    ]


def coefficients(shift: float) -> RPC:
    one = [1.0] + [0.0] * 19
    return RPC(0, 1, 50 + shift, 1, one, one, 50, 50, 10 + shift, 1, one, one, 50, 50)


def scene(folder: Path, day: str, **options: Any) -> str:
    path = folder / f"scene_{day}.tif"
    shape = {"width": 64, "height": 64, "count": 1, "dtype": "uint16"}
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32}
    with rasterio.open(path, "w", driver="GTiff", **shape, **tiles, **options) as file:
        file.write(np.full((1, 64, 64), int(day[-2:]), "u2"))
    return str(path)


def with_points(folder: Path, day: str, shift: float) -> str:
    return scene(folder, day, gcps=points(shift), crs="EPSG:4326")


def with_coefficients(folder: Path, day: str, shift: float) -> str:
    return scene(folder, day, rpcs=coefficients(shift))


type Maker = Callable[[Path, str, float], str]

PLACES: dict[str, Maker] = {"gcps": with_points, "rpcs": with_coefficients}


def stacked(files: Sequence[str], to: Path, **options: Any) -> xr.Dataset:
    publish(files, to, concat="time", time=TIME, **options)
    return xr.open_zarr(open_published(to), consolidated=False)


def placed(dataset: xr.Dataset, name: str, index: int) -> float:
    """The first longitude of a scene, as the documents say to ask for it."""
    array = dataset["0"].isel(time=index)
    array.spatial_ref.attrs[name] = str(array[name].values)
    return array.rio.get_gcps()[0].x if name == "gcps" else array.rio.get_rpcs().long_off


@pytest.mark.parametrize("name", PLACES)
def test_scenes_of_other_places_are_refused(name: str, tmp_path: Path):
    files = [PLACES[name](tmp_path, day, shift) for day, shift in zip(DAYS, (0, 0, 5), strict=True)]
    with pytest.raises(PublishError, match=f"per_scene=\\['{name}'\\]") as caught:
        stacked(files, tmp_path / "cube")
    assert "scene_20210125.tif" in str(caught.value)
    assert max(map(len, str(caught.value).splitlines())) < 350
    assert not (tmp_path / "cube").exists()


@pytest.mark.parametrize("name", PLACES)
def test_places_are_kept_a_scene_each(name: str, tmp_path: Path):
    files = [PLACES[name](tmp_path, day, shift) for day, shift in zip(DAYS, (0, 5, 5), strict=True)]
    dataset = stacked(files, tmp_path / "cube", per_scene=name)
    assert dataset[name].dims == ("time",)
    assert name in dataset["0"].coords
    assert name not in dataset.spatial_ref.attrs
    assert [placed(dataset, name, index) for index in range(3)] == [10.0, 15.0, 15.0]
    if name == "gcps":
        truth = [rasterio.open(path).gcps for path in files]
        assert dataset["0"].rio.crs == truth[0][1]


@pytest.mark.parametrize("name", PLACES)
def test_places_that_all_share_stay_attributes(name: str, tmp_path: Path):
    files = [PLACES[name](tmp_path, day, 5) for day in DAYS]
    dataset = stacked(files, tmp_path / "cube")
    assert name in dataset.spatial_ref.attrs
    assert name not in dataset.coords


@pytest.mark.long
@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_a_scene_is_appended_with_its_place(name: str, shift: float, tmp_path: Path):
    first = [PLACES[name](tmp_path, day, 0) for day in DAYS[:2]]
    stacked(first, tmp_path / "cube", per_scene=(name,))
    last = PLACES[name](tmp_path, DAYS[2], shift)
    publish([last], tmp_path / "cube", append=True, time=TIME, per_scene=(name,))
    dataset = xr.open_zarr(open_published(tmp_path / "cube"), consolidated=False)
    assert [placed(dataset, name, index) for index in range(3)] == [10.0, 10.0, 10.0 + shift]


@pytest.mark.parametrize("name", PLACES)
def test_a_scene_of_another_place_is_not_appended(name: str, tmp_path: Path):
    first = [PLACES[name](tmp_path, day, 0) for day in DAYS[:2]]
    before = stacked(first, tmp_path / "cube")
    last = PLACES[name](tmp_path, DAYS[2], 5)
    with pytest.raises(PublishError, match="cannot be added to what is published"):
        publish([last], tmp_path / "cube", append=True, time=TIME)
    after = xr.open_zarr(open_published(tmp_path / "cube"), consolidated=False)
    xr.testing.assert_identical(before, after)


@pytest.mark.parametrize("name", PLACES)
def test_a_group_per_signature_parts_scenes_by_their_places(name: str, tmp_path: Path):
    files = [PLACES[name](tmp_path, day, shift) for day, shift in zip(DAYS, (0, 5, 5), strict=True)]
    publish(files, tmp_path / "cube", concat="time", time=TIME, layout="group per signature")
    store = open_published(tmp_path / "cube")
    sizes = [
        xr.open_zarr(store, group=f"signature_{number}", consolidated=False).sizes["time"]
        for number in (1, 2)
    ]
    assert sizes == [1, 2]


def test_a_scene_without_points_has_an_empty_text(tmp_path: Path):
    files = [
        scene(tmp_path, DAYS[0], gcps=points(0), crs="EPSG:4326"),
        scene(tmp_path, DAYS[1], gcps=points(0, count=6), crs="EPSG:4326"),
    ]
    dataset = stacked(files, tmp_path / "cube", per_scene="gcps")
    texts = dataset.gcps.values.tolist()
    assert len({len(text) for text in texts}) == 2
    assert all(text.startswith("{") for text in texts)


@pytest.mark.parametrize("options", [{"concat": None}, {"concat": "y"}, {"concat": ("y", "x")}])
def test_a_place_a_scene_needs_a_new_dimension(options: dict[str, Any], tmp_path: Path):
    files = [with_points(tmp_path, day, 0) for day in DAYS[:2]]
    with pytest.raises(ValueError, match="per_scene needs"):
        publish(files, tmp_path / "cube", per_scene="gcps", **options)


def test_only_places_are_kept_a_scene_each(tmp_path: Path):
    with pytest.raises(ValueError, match="per_scene must be some of gcps, rpcs, not color_map"):
        publish([scene(tmp_path, DAYS[0])], tmp_path / "cube", concat="time", per_scene="color_map")


def test_tiles_with_points_are_no_mosaic(tmp_path: Path):
    files = [with_points(tmp_path, day, shift) for day, shift in zip(DAYS, (0, 5, 5), strict=True)]
    with pytest.raises(PublishError):
        publish(files, tmp_path / "cube", concat=("y", "x"))


@pytest.mark.parametrize("concat", ["time", "x"])
def test_points_count_without_coordinate_arrays(concat: str, tmp_path: Path):
    files = [with_points(tmp_path, day, shift) for day, shift in zip(DAYS, (0, 5, 5), strict=True)]
    options: dict[str, Any] = {"time": TIME} if concat == "time" else {}
    with pytest.raises(PublishError, match="model_tiepoint"):
        publish(files, tmp_path / "cube", concat=concat, coordinates=False, **options)


def long_crs(meridian: float) -> str:
    return f"+proj=tmerc +lon_0={meridian} +k=0.9996 +x_0=500000 +datum=WGS84 +units=m"


def palette(last: int) -> list[int]:
    colours = np.linspace(0, 65535, 3 * 256).astype(int).tolist()
    return [*colours[:-1], last]


def tagged(folder: Path, day: str, **options: Any) -> str:
    path = folder / f"scene_{day}.tif"
    data = options.pop("data", np.ones((64, 64), "u1"))
    given = {"metadata": None, "tile": (32, 32), "photometric": "minisblack"}
    tifffile.imwrite(path, data, **given | options)
    return str(path)


def items(text: str) -> dict[str, Any]:
    text = f"<GDALMetadata>{text}</GDALMetadata>"
    return {"extratags": [(42112, "s", 0, text, True)]}


RGBA = np.ones((64, 64, 4), "u1")
MEANINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "photometric_interpretation": ({}, {"photometric": "miniswhite"}),
    "photometric of 16 bits": (
        {"data": np.ones((64, 64), "u2")},
        {"data": np.ones((64, 64), "u2"), "photometric": "miniswhite"},
    ),
    "color_map": (
        {"photometric": "palette", "colormap": np.reshape(palette(1), (3, 256)).astype("u2")},
        {"photometric": "palette", "colormap": np.reshape(palette(2), (3, 256)).astype("u2")},
    ),
    "extra_samples": (
        {"data": RGBA, "photometric": "rgb", "extrasamples": ["unassalpha"]},
        {"data": RGBA, "photometric": "rgb", "extrasamples": ["assocalpha"]},
    ),
    "TIFFTAG_ORIENTATION": ({}, {"extratags": [(274, "H", 1, 3, True)]}),
    "nodata": ({}, {"extratags": [(42113, "s", 0, "7", True)]}),
    "scale_factor": (
        items('<Item name="SCALE" sample="0" role="scale">0.1</Item>'),
        items('<Item name="SCALE" sample="0" role="scale">0.01</Item>'),
    ),
    "add_offset": (
        items('<Item name="OFFSET" sample="0" role="offset">1</Item>'),
        items('<Item name="OFFSET" sample="0" role="offset">2</Item>'),
    ),
    "units": (
        items('<Item name="UNITTYPE" sample="0" role="unittype">m</Item>'),
        items('<Item name="UNITTYPE" sample="0" role="unittype">ft</Item>'),
    ),
    "unit_type": (
        items('<Item name="UNITTYPE" sample="0" role="unittype">days</Item>'),
        items('<Item name="UNITTYPE" sample="0" role="unittype">hours</Item>'),
    ),
    "scale of one band of four": (
        {"data": RGBA, "photometric": "rgb"}
        | items('<Item name="SCALE" sample="1" role="scale">0.1</Item>'),
        {"data": RGBA, "photometric": "rgb"}
        | items('<Item name="SCALE" sample="1" role="scale">0.01</Item>'),
    ),
    "name of one band of four": (
        {"data": RGBA, "photometric": "rgb"}
        | items('<Item name="DESCRIPTION" sample="1" role="description">red</Item>'),
        {"data": RGBA, "photometric": "rgb"}
        | items('<Item name="DESCRIPTION" sample="1" role="description">blue</Item>'),
    ),
    "geolocation": (
        items('<Item name="X_DATASET" domain="GEOLOCATION">a</Item>'),
        items('<Item name="X_DATASET" domain="GEOLOCATION">b</Item>'),
    ),
    "NODATA_VALUES": (
        items('<Item name="NODATA_VALUES">0</Item>'),
        items('<Item name="NODATA_VALUES">1</Item>'),
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("meaning", MEANINGS)
def test_files_whose_numbers_mean_something_else_are_refused(
    meaning: str, append: bool, tmp_path: Path
):
    one, other = MEANINGS[meaning]
    files = [tagged(tmp_path, DAYS[0], **one), tagged(tmp_path, DAYS[1], **other)]
    if append:
        publish(files[:1], tmp_path / "cube", concat="time", time=TIME)
    with pytest.raises(PublishError, match=DAYS[1]) as caught:
        publish(files, tmp_path / "cube", concat="time", time=TIME, append=append)
    assert max(map(len, str(caught.value).splitlines())) < 350


def test_a_crs_is_compared_to_its_last_letter(tmp_path: Path):
    transform = rasterio.Affine(10, 0, 0, 0, -10, 0)
    files = [
        scene(tmp_path, day, transform=transform, crs=long_crs(meridian))
        for day, meridian in zip(DAYS[:2], (15.001, 15.002), strict=True)
    ]
    with pytest.raises(PublishError, match="the others another CRS"):
        stacked(files, tmp_path / "cube")


# ---- pages of one file


def pages(*options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for one in options:
            given = {"metadata": None, "tile": (32, 32), "photometric": "minisblack"}
            data = one.get("data", np.ones((64, 64), "u1"))
            rest = {name: value for name, value in one.items() if name != "data"}
            writer.write(data, **given | rest)
    return file.getvalue()


def rpc_tag(shift: float) -> dict[str, Any]:
    one = [1.0] + [0.0] * 19
    numbers = [-1.0, -1.0, 50.0, 50.0, 50.0 + shift, 10.0 + shift, 1.0, 50.0, 50.0, 1.0, 1.0, 1.0]
    return {"extratags": [(50844, "d", 92, tuple(numbers + one * 4), True)]}


def tie_tag(shift: float) -> dict[str, Any]:
    numbers = (0, 0, 0, shift, 50, 0, 63, 0, 0, shift + 1, 50, 0, 0, 63, 0, shift, 49, 0)
    return {"extratags": [(33922, "d", 18, tuple(map(float, numbers)), True)]}


PAGES = MEANINGS | {
    "gcps": (tie_tag(0), tie_tag(5)),
    "rpcs": (rpc_tag(0), rpc_tag(5)),
    "rpcs of the domain": (
        items('<Item name="LINE_OFF" domain="RPC">1</Item>'),
        items('<Item name="LINE_OFF" domain="RPC">2</Item>'),
    ),
}


@pytest.mark.parametrize("meaning", sorted(set(PAGES) - {"name of one band of four"}))
def test_pages_that_mean_something_else_are_not_one_stack(meaning: str):
    one, other = PAGES[meaning]
    store = virtual(pages(one, one, other), ifd_layout="stack")
    assert sorted(store.group.groups) == ["0", "2"]
