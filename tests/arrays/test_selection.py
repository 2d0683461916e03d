"""What is exposed of a file: the options, and what they come to for an image."""

from __future__ import annotations

import builtins
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.transform
import rasterio.windows
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from support.build import image
from support.pixels import directory, read, values
from virtual_tiff.arrays.selection.bounding_box import _near
from virtual_tiff.arrays.selection.region import Region
from virtual_tiff.arrays.selection.selection import Selection
from virtual_tiff.metadata.crs import Crs
from virtual_tiff.metadata.transform import Affine
from virtual_tiff.tiff import BlockGrid, UnsupportedError


def tiles(length: int, width: int, block: int = 16) -> BlockGrid:
    return BlockGrid(
        kind="tile",
        image_length=length,
        image_width=width,
        samples=1,
        planes=1,
        block_length=block,
        block_width=block,
        bits=8,
    )


def strips(length: int, width: int, rows: int) -> BlockGrid:
    return BlockGrid(
        kind="strip",
        image_length=length,
        image_width=width,
        samples=1,
        planes=1,
        block_length=rows,
        block_width=width,
        bits=8,
    )


def region(row: int, column: int, length: int, width: int) -> Region:
    return Region(row=row, column=column, length=length, width=width)


GRID = tiles(60, 100)
NORTH_UP = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0)
"""100 x 60 pixels of 10 m: x from 500000 to 501000, y from 4599400 to 4600000."""
UTM = Crs(
    code="EPSG:32633",
    wkt=pyproj.CRS.from_epsg(32633).to_wkt(),
    projjson=None,
    kind="projected",
    unit="metre",
    unit_factor=1.0,
)


# The options


def test_all_is_exposed_by_default():
    selection = Selection()
    assert selection.region(GRID) is None
    assert selection.levels(3) == [0, 1, 2]
    assert selection.band_numbers(directory(image(values("uint8", 8, 8, 3))), []) is None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"bands": []}, "numbers from 1 on, or names"),
    ({"bands": 0}, "numbers from 1 on"),
    ({"bands": [1, -1]}, "numbers from 1 on"),
    ({"bands": True}, "numbers from 1 on"),
    ({"bands": [1.5]}, "numbers from 1 on"),
    ({"bands": [1, None]}, "numbers from 1 on"),
    ({"bands": {"red": 1}}, "numbers from 1 on"),
    ({"bands": [2, 2]}, "names a band twice"),
    ({"overviews": 1}, r"True for all, False for none, or different numbers from 0 on"),
    ({"overviews": []}, "False for none"),
    ({"overviews": None}, "False for none"),
    ({"overviews": [0, -1]}, "numbers from 0 on"),
    ({"overviews": [True]}, "numbers from 0 on"),
    ({"overviews": [0, 0]}, "different numbers"),
    ({"overviews": "all"}, "False for none"),
    ({"window": (0, 0, 8)}, r"\(column_off, row_off, width, height\)"),
    ({"window": (0, 0, 8, True)}, "four whole numbers"),
    ({"window": (0, 0, 8, 8.5)}, "four whole numbers"),
    ({"window": (0, float("nan"), 8, 8)}, "four whole numbers"),
    ({"window": (0, float("inf"), 8, 8)}, "four whole numbers"),
    ({"window": "0123"}, "four whole numbers"),
    ({"window": 8}, "four whole numbers"),
    ({"window": (0, 0, 0, 8)}, "width and height must be 1 or more"),
    ({"window": (0, 0, 8, -8)}, "width and height must be 1 or more"),
    ({"window": rasterio.windows.Window(0.5, 0, 8, 8)}, "four whole numbers"),
    ({"bbox": (0, 0, 1)}, r"\(left, bottom, right, top\)"),
    ({"bbox": (0, 0, 1, True)}, "four finite numbers"),
    ({"bbox": (0, 0, 1, float("inf"))}, "four finite numbers"),
    ({"bbox": (0, 0, 1, float("nan"))}, "four finite numbers"),
    ({"bbox": "0011"}, "four finite numbers"),
    ({"bbox": (1, 0, 0, 1)}, "left must be less than right"),
    ({"bbox": (0, 1, 1, 1)}, "bottom less than top"),
    ({"bbox": (0, 0, 1, 1), "window": (0, 0, 1, 1)}, "give one of them"),
    ({"bbox_crs": 4326}, "needs a bbox"),
    ({"bbox": (0, 0, 1, 1), "bbox_crs": True}, "bbox_crs must be"),
    ({"bbox": (0, 0, 1, 1), "bbox_crs": ""}, "bbox_crs must be"),
    ({"bbox": (0, 0, 1, 1), "bbox_crs": 4326.0}, "bbox_crs must be"),
    ({"exact": 1}, "True or False"),
]


@pytest.mark.parametrize(("options", "allowed"), WRONG, ids=[str(case[0]) for case in WRONG])
def test_a_wrong_option_is_refused_with_what_is_allowed(options: dict[str, Any], allowed: str):
    with pytest.raises(ValueError, match=allowed):
        Selection(**options)


EQUAL: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"bands": 2}, {"bands": np.array([2])}),
    ({"bands": "red"}, {"bands": ["red"]}),
    ({"overviews": [1, 0]}, {"overviews": (0, 1)}),
    ({"window": rasterio.windows.Window(1, 2, 3.0, 4)}, {"window": [1, 2, np.int16(3), 4]}),
    (
        {"bbox": rasterio.coords.BoundingBox(0, 1, 2, 3), "bbox_crs": 4326},
        {"bbox": np.array([0.0, 1, 2, 3]), "bbox_crs": ("EPSG", 4326)},
    ),
    (
        {"bbox": (0, 1, 2, 3), "bbox_crs": pyproj.CRS(32633)},
        {"bbox": (0, 1, 2, 3), "bbox_crs": pyproj.CRS(32633).to_wkt()},
    ),
]


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=[str(list(case[0])) for case in EQUAL])
def test_what_means_the_same_is_equal_and_can_be_hashed_and_sent(
    one: dict[str, Any], other: dict[str, Any]
):
    assert Selection(**one) == Selection(**other)
    assert len({Selection(**one), Selection(**other)}) == 1
    assert pickle.loads(pickle.dumps(Selection(**one))) == Selection(**one)


# Overviews


@pytest.mark.parametrize(
    ("overviews", "levels"), [(True, [0, 1, 2]), (False, []), ([2, 0], [0, 2])]
)
def test_overviews_are_counted_from_0(overviews: Any, levels: list[int]):
    assert Selection(overviews=overviews).levels(3) == levels


@pytest.mark.parametrize(
    ("count", "there"), [(0, "has no overviews"), (2, "has only the overviews 0 to 1")]
)
def test_an_overview_that_is_not_there_is_refused(count: int, there: str):
    with pytest.raises(ValueError, match=there):
        Selection(overviews=[0, 5]).levels(count)


# Bands

NAMES = ["red", "green", "blue", ""]


@pytest.mark.parametrize(
    ("bands", "numbers"),
    [
        (3, [2]),
        ("blue", [2]),
        ([3, 1], [2, 0]),
        (["green", 4], [1, 3]),
        ([1, 2, 3], [0, 1, 2]),
        ([4, 3, 2, 1], [3, 2, 1, 0]),
        ([1, 2, "blue", 4], None),
    ],
)
def test_bands_are_counted_from_1_or_named(bands: Any, numbers: list[int] | None):
    planar = directory(image(values("uint8", 8, 8, 4), planar=2))
    assert Selection(bands=bands).band_numbers(planar, NAMES) == numbers


def test_bands_that_lie_together_cannot_be_taken_apart():
    chunky = directory(image(values("uint8", 8, 8, 4)))
    assert Selection(bands=[1, 2, 3, 4]).band_numbers(chunky, []) is None
    with pytest.raises(
        UnsupportedError, match=r"each block holds all 4 samples.*isel\(band=\[2, 0\]\)"
    ):
        Selection(bands=["blue", 1]).band_numbers(chunky, NAMES)


def test_the_only_band_of_an_image_is_its_first():
    single = directory(image(values("uint8", 8, 8)))
    assert Selection(bands=1).band_numbers(single, []) is None
    assert Selection(bands="height").band_numbers(single, ["height"]) is None
    with pytest.raises(ValueError, match="the bands are 1, without names"):
        Selection(bands=2).band_numbers(single, [])


@pytest.mark.parametrize(
    ("bands", "names", "problem"),
    [
        (5, NAMES, r"no band 5; the bands are 1 to 4 with the names 'red', 'green', 'blue', ''"),
        ("nir", NAMES, r"no band 'nir'; the bands are 1 to 4 with the names 'red'"),
        ("1", [], r"no band '1'; the bands are 1 to 4, without names"),
        ("a", ["a", "b", "a", "c"], "2 bands have the name 'a'"),
        ([1, "red"], NAMES, "names a band twice"),
        (10**30, NAMES, "there is no band"),
    ],
)
def test_a_band_that_is_not_there_is_refused_with_what_is(
    bands: Any, names: list[str], problem: str
):
    planar = directory(image(values("uint8", 8, 8, 4), planar=2))
    with pytest.raises(ValueError, match=problem):
        Selection(bands=bands).band_numbers(planar, names)


# Windows


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((16, 16, 16, 16), region(16, 16, 16, 16)),
        ((17, 15, 1, 2), region(0, 16, 32, 16)),
        ((90, 50, 1, 1), region(48, 80, 12, 16)),
        ((97, 50, 500, 500), region(48, 96, 12, 4)),
        ((-5, -5, 6, 6), region(0, 0, 16, 16)),
        ((0, 0, 100, 60), None),
        ((1, 1, 98, 58), None),
    ],
)
def test_a_window_is_snapped_to_tiles_and_the_image(window: Any, found: Region | None):
    assert Selection(window=window).region(GRID) == found


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((40, 7, 2, 1), region(7, 0, 7, 100)),
        ((0, 6, 1, 2), region(0, 0, 14, 100)),
        ((99, 58, 1, 1), region(56, 0, 4, 100)),
    ],
)
def test_a_window_is_snapped_to_strips_in_their_full_width(window: Any, found: Region):
    assert Selection(window=window).region(strips(60, 100, 7)) == found


@pytest.mark.parametrize("window", [(100, 0, 1, 1), (0, 60, 9, 9), (-9, 0, 9, 9), (0, -3, 1, 3)])
def test_a_window_outside_the_image_is_refused_with_its_size(window: Any):
    with pytest.raises(ValueError, match=r"lies outside the image of 100 x 60 pixels"):
        Selection(window=window).region(GRID)


@given(
    st.sampled_from(["tile", "strip"]),
    st.tuples(st.integers(1, 80), st.integers(1, 80)),
    st.integers(1, 30),
    st.tuples(st.integers(-20, 90), st.integers(-20, 90), st.integers(1, 99), st.integers(1, 99)),
)
def test_what_is_exposed_holds_the_window_and_no_block_more(
    kind: str, size: tuple[int, int], block: int, window: tuple[int, int, int, int]
):
    length, width = size
    grid = tiles(length, width, block) if kind == "tile" else strips(length, width, block)
    column, row, columns, rows = window
    asked = np.zeros((length, width), bool)
    asked[max(row, 0) : max(row + rows, 0), max(column, 0) : max(column + columns, 0)] = True
    if not asked.any():
        with pytest.raises(ValueError, match="outside"):
            Selection(window=window).region(grid)
        return
    found = Selection(window=window).region(grid) or region(0, 0, length, width)
    exposed = np.zeros((length, width), bool)
    exposed[found.row : found.ends[0], found.column : found.ends[1]] = True
    for y in range(0, length, grid.block_length):
        for x in range(0, width, grid.block_width):
            here = np.s_[y : y + grid.block_length, x : x + grid.block_width]
            assert exposed[here].all() == exposed[here].any() == asked[here].any()


# Overviews and masks of another size


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((32, 32, 32, 16), region(16, 16, 14, 16)),
        ((31, 0, 2, 2), region(0, 0, 16, 32)),
        ((99, 59, 1, 1), region(16, 48, 14, 2)),
        ((0, 0, 40, 60), region(0, 0, 30, 32)),
    ],
)
def test_an_overview_shows_the_same_ground(window: Any, found: Region):
    overview = tiles(30, 50)
    assert Selection(window=window).region(overview, full=(60, 100)) == found


def test_an_overview_of_an_odd_size_shows_all_of_the_window():
    overview = tiles(31, 51, block=1)
    for column in range(101):
        found = Selection(window=(column, 0, 1, 61)).region(overview, full=(61, 101))
        assert found is not None
        assert found.column <= column * 51 / 101
        assert (column + 1) * 51 / 101 <= found.ends[1]
        assert found.width <= 2


# Bounding boxes


def test_a_bbox_is_the_pixels_that_it_touches():
    selection = Selection(bbox=(500165, 4599835, 500170, 4599840))
    assert selection.region(tiles(60, 100, block=1), NORTH_UP) == region(16, 16, 1, 1)
    assert selection.region(GRID, NORTH_UP) == region(16, 16, 16, 16)


@pytest.mark.long
@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 50), st.integers(1, 50))
def test_a_bbox_of_whole_pixels_is_their_window(column: int, row: int, width: int, length: int):
    """With a pixel size and an origin that no float has exactly."""
    transform = from_origin(13.1, 47.3, 0.1 / 3, 0.1 / 3)
    affine = Affine(*transform[:6])
    window = rasterio.windows.Window(column, row, width, length)
    bbox = rasterio.windows.bounds(window, transform)
    grid = tiles(60, 100, block=1)
    found = Selection(bbox=bbox, exact=True).region(grid, affine)
    assert found == Selection(window=window).region(grid)


def test_a_bbox_of_a_south_up_image():
    south_up = Affine(10.0, 0.0, 500000.0, 0.0, 10.0, 4600000.0)
    selection = Selection(bbox=(500160, 4600000, 500320, 4600160), exact=True)
    assert selection.region(GRID, south_up) == region(0, 16, 16, 16)


def test_a_bbox_of_a_rotated_image_is_the_rectangle_of_pixels_around_it():
    turned = Affine(6.0, 8.0, 1000.0, 8.0, -6.0, 2000.0)
    places = [turned.at(column, row) for column, row in ((40, 30), (41, 31))]
    (left, right), (bottom, top) = (sorted(numbers) for numbers in zip(*places, strict=True))
    selection = Selection(bbox=(left, bottom, right, top))
    grid = tiles(60, 100, block=1)
    found = selection.region(grid, turned)
    assert found is not None
    corners = [(x, y) for x in (left, right) for y in (bottom, top)]
    inverse = turned.inverted()
    columns, rows = zip(*(inverse.at(*corner) for corner in corners), strict=True)
    assert (found.column, found.row) == (np.floor(min(columns)), np.floor(min(rows)))
    assert (found.ends[1], found.ends[0]) == (np.ceil(max(columns)), np.ceil(max(rows)))
    with pytest.raises(ValueError, match="exact=True"):
        Selection(bbox=(left, bottom, right, top), exact=True).region(grid, turned)


QUARTERS = {
    "north up": (10, 0, 0, -20),
    "turned by 90 degrees": (0, 20, 10, 0),
    "turned by 180 degrees": (-10, 0, 0, 20),
    "turned by 270 degrees": (0, -20, -10, 0),
    "mirrored": (-10, 0, 0, -20),
    "south up": (10, 0, 0, 20),
    "transposed": (0, 20, -10, 0),
    "transposed and mirrored": (0, -20, 10, 0),
}
"""Grids parallel to their axes: the change of x by column and row, and that of y."""


@pytest.mark.parametrize("way", QUARTERS)
@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 50), st.integers(1, 50))
def test_a_bbox_of_an_image_turned_by_quarters_is_the_pixels_in_it(
    way: str, column: int, row: int, width: int, length: int
):
    """Those whose centres, as rasterio has them, lie in the box."""
    a, b, d, e = QUARTERS[way]
    transform = rasterio.Affine(a, b, 500000, d, e, 4600000)
    ends = min(column + width, 100), min(row + length, 60)
    corners = [transform @ (column, row), transform @ ends]
    (left, right), (bottom, top) = (sorted(numbers) for numbers in zip(*corners, strict=True))
    rows, columns = np.mgrid[:60, :100]
    x, y = rasterio.transform.xy(transform, rows.ravel(), columns.ravel())
    inside = (left < np.array(x)) & (x < right) & (bottom < np.array(y)) & (y < top)
    expected = inside.reshape(60, 100)
    found = Selection(bbox=(left, bottom, right, top), exact=True).region(
        tiles(60, 100, block=1), Affine(*transform[:6])
    )
    assert found is not None
    selected = np.zeros((60, 100), bool)
    selected[found.row : found.ends[0], found.column : found.ends[1]] = True
    assert np.array_equal(selected, expected)


@pytest.mark.parametrize("way", QUARTERS)
def test_pixels_in_a_bbox_of_a_turned_file_are_gdals(way: str, tmp_path: Path):
    a, b, d, e = QUARTERS[way]
    transform = rasterio.Affine(a, b, 500000, d, e, 4600000)
    pixels = np.arange(64 * 96, dtype="u2").reshape(64, 96)
    options = {
        "driver": "GTiff",
        "count": 1,
        "dtype": "uint16",
        "crs": 32633,
        "compress": "deflate",
    }
    blocks = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", width=96, height=64, transform=transform, **options, **blocks
    ) as file:
        file.write(pixels, 1)
    corners = [transform @ (16, 32), transform @ (64, 48)]
    (left, right), (bottom, top) = (sorted(numbers) for numbers in zip(*corners, strict=True))
    found = read(path.read_bytes(), ifd=0, bbox=(left, bottom, right, top), exact=True)
    assert np.array_equal(found, pixels[32:48, 16:64])


def test_a_bbox_beside_the_image_is_refused_with_its_bounds():
    for bbox in ((0, 0, 1, 1), (501000, 4599400, 501010, 4600000)):
        with pytest.raises(ValueError, match=r"bounds \(500000.0, 4599400.0, 501000.0, 4600000.0"):
            Selection(bbox=bbox).region(GRID, NORTH_UP)


def test_a_bbox_needs_a_transform():
    with pytest.raises(ValueError, match=r"has no transform .* use window"):
        Selection(bbox=(0, 0, 1, 1)).region(GRID)
    with pytest.raises(ValueError, match="has no inverse"):
        Selection(bbox=(0, 0, 1, 1)).region(GRID, Affine(1, 1, 0, 1, 1, 0))
    with pytest.raises(ValueError, match="too large"):
        Selection(bbox=(-1e308, 0, 1e308, 1)).region(GRID, Affine(0.1, 0, 0, 0, 0.1, 0))


def test_an_inverse_leads_back():
    turned = Affine(6.0, 8.0, 1000.0, 8.0, -6.5, 2000.0)
    assert turned.inverted().at(*turned.at(12.5, 7.25)) == pytest.approx((12.5, 7.25))


# Boxes in another CRS


def test_a_bbox_in_another_crs_is_transformed():
    part = (500320.0, 4599520.0, 500640.0, 4599840.0)
    bbox = transform_bounds("EPSG:32633", "EPSG:4326", *part)
    found = Selection(bbox=bbox, bbox_crs="EPSG:4326").region(
        tiles(60, 100, block=1), NORTH_UP, UTM
    )
    assert found is not None
    # the least box around the tilted one is at most a few pixels larger
    assert 32 - 3 < found.column <= 32
    assert 64 <= found.ends[1] < 64 + 3
    assert 16 - 3 < found.row <= 16
    assert 48 <= found.ends[0] < 48 + 3


SPELLINGS = [
    4326,
    "EPSG:4326",
    "epsg:4326",
    "OGC:CRS84",
    ("EPSG", 4326),
    pyproj.CRS(4326),
    pyproj.CRS(4326).to_json_dict(),
    {"proj": "longlat", "datum": "WGS84", "no_defs": True},
    rasterio.CRS.from_epsg(4326),
]


@pytest.mark.parametrize("crs", SPELLINGS, ids=[str(crs)[:20] for crs in SPELLINGS])
def test_a_crs_may_be_said_in_many_ways(crs: Any):
    bbox = transform_bounds("EPSG:32633", "EPSG:4326", 500330, 4599690, 500470, 4599830)
    selection = Selection(bbox=bbox, bbox_crs=crs)
    assert selection.region(GRID, NORTH_UP, UTM) == region(16, 32, 16, 16)


@pytest.mark.parametrize(
    "bbox", [(-180, -90, 180, 90), (-180, -90, 180, 41.5482), (14, 40, 15.005, 43)]
)
def test_a_bbox_much_larger_than_the_image_is_cut_before_it_is_transformed(bbox: Any):
    """A UTM zone has no place for the whole world."""
    found = Selection(bbox=bbox, bbox_crs=4326).region(tiles(60, 100, block=1), NORTH_UP, UTM)
    found = found or region(0, 0, 60, 100)
    column, row = np.meshgrid(np.arange(100) + 0.5, np.arange(60) + 0.5)
    to_degrees = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    x, y = to_degrees.transform(*NORTH_UP.at(column, row))
    rows, columns = np.nonzero((bbox[0] <= x) & (x <= bbox[2]) & (bbox[1] <= y) & (y <= bbox[3]))
    assert rows.min() - 3 < found.row <= rows.min()
    assert columns.min() - 3 < found.column <= columns.min()
    assert rows.max() < found.ends[0] < rows.max() + 4
    assert columns.max() < found.ends[1] < columns.max() + 4


@pytest.fixture
def without_pyproj(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "pyproj":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.mark.usefixtures("without_pyproj")
def test_the_file_s_own_crs_needs_no_pyproj():
    bbox = (500165, 4599835, 500170, 4599840)
    for crs in (32633, "epsg:32633", UTM.wkt):
        selection = Selection(bbox=bbox, bbox_crs=crs)
        assert selection.region(GRID, NORTH_UP, UTM) == region(16, 16, 16, 16)
    with pytest.raises(ImportError, match="install pyproj"):
        Selection(bbox=(15.001, 41, 15.01, 42), bbox_crs=4326).region(GRID, NORTH_UP, UTM)


def test_a_bbox_crs_needs_a_crs_of_the_file():
    with pytest.raises(ValueError, match="the image has no known CRS"):
        Selection(bbox=(0, 0, 1, 1), bbox_crs=4326).region(GRID, NORTH_UP)


@pytest.mark.parametrize("crs", ["EPSG:1", "no CRS", 'LOCAL_CS["here",UNIT["metre",1]]'])
def test_a_crs_that_leads_nowhere_is_refused(crs: str):
    with pytest.raises(ValueError, match="cannot be transformed to the file's CRS"):
        Selection(bbox=(0, 0, 1, 1), bbox_crs=crs).region(GRID, NORTH_UP, UTM)


def test_a_bbox_across_the_antimeridian_of_the_file_is_refused():
    geographic = Crs(
        code="EPSG:4326",
        wkt=None,
        projjson=None,
        kind="geographic",
        unit="degree",
        unit_factor=0.017453292519943295,
    )
    world = Affine(3.6, 0.0, -180.0, 0.0, -3.0, 90.0)
    with pytest.raises(ValueError, match="across the antimeridian"):
        Selection(bbox=(600000, 0, 900000, 100000), bbox_crs=32660).region(GRID, world, geographic)


# Exactly


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((16, 32, 32, 16), region(32, 16, 16, 32)),
        ((96, 48, 4, 12), region(48, 96, 12, 4)),
        ((96, 48, 16, 16), region(48, 96, 12, 4)),
        ((0, 0, 100, 60), None),
    ],
)
def test_exactly_what_ends_where_blocks_do_is_exposed(window: Any, found: Region | None):
    """What lies beyond the image is left out here, too: that takes no block's pixels."""
    assert Selection(window=window, exact=True).region(GRID) == found


@pytest.mark.parametrize("window", [(17, 32, 31, 16), (16, 32, 32, 15), (0, 0, 100, 59)])
def test_exactly_what_ends_elsewhere_is_refused_with_what_would_fit(window: Any):
    snapped = Selection(window=window).region(GRID) or region(0, 0, 60, 100)
    fitting = (snapped.column, snapped.row, snapped.width, snapped.length)
    with pytest.raises(ValueError, match="16 x 16 pixels") as caught:
        Selection(window=window, exact=True).region(GRID)
    assert f"window={fitting} would fit" in str(caught.value)
    assert Selection(window=fitting, exact=True).region(GRID) == Selection(window=window).region(
        GRID
    )


def test_exactly_half_a_pixel_is_none():
    bbox = (500160, 4599680, 500320, 4599840)
    assert Selection(bbox=bbox, exact=True).region(GRID, NORTH_UP) == region(16, 16, 16, 16)
    with pytest.raises(ValueError, match="would fit"):
        Selection(bbox=(500165, *bbox[1:]), exact=True).region(GRID, NORTH_UP)


def test_exactly_the_same_ground_of_an_overview():
    selection = Selection(window=(32, 0, 32, 32), exact=True)
    overview = tiles(30, 50)
    assert selection.region(GRID) == region(0, 32, 32, 32)
    assert selection.region(overview, full=(60, 100)) == region(0, 16, 16, 16)
    with pytest.raises(ValueError, match="smaller image of 50 x 30; overviews=False"):
        Selection(window=(16, 0, 16, 16), exact=True).region(overview, full=(60, 100))


def test_far_from_an_image_a_box_is_cut_in_both_directions() -> None:
    """Else the whole world, or a pole, would have to be transformed to the image's CRS."""
    image = (14.9, 41.0, 15.1, 42.0)
    near = _near((-180, -90, 180, 90), image)
    assert near == pytest.approx((14.89, 40.95, 15.11, 42.05))
    assert _near((15.0, 41.5, 15.05, 41.6), image) == (15.0, 41.5, 15.05, 41.6)
    assert _near((50, 0, 60, 10), image) == (50, 0, 60, 10)


@pytest.mark.parametrize(
    "image", [(math.inf, 0, 1, 1), (0, math.nan, 1, 1), (170, 0, -170, 1)], ids=str
)
def test_near_an_image_whose_bounds_are_not_known_a_box_stays(
    image: tuple[float, float, float, float],
) -> None:
    assert _near((-180, -90, 180, 90), image) == (-180, -90, 180, 90)
