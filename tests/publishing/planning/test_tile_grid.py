"""The pixel grid of tiles: what may be off it, and how the error says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from virtual_tiff.metadata.transform import Affine
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.tile_grid import (
    Tile,
    fit,
    linear_part,
    plane_size,
    tile_grid,
    tile_of,
)
from virtual_tiff.publishing.reading.record import Template

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 4_650_000)
ROTATED = Affine(6, 8, 500_000, 8, -6, 4_650_000)
PLANE = ("y", "x")


def tile(
    row: float, column: float, size: tuple[int, int] = (4, 6), whole: Affine = NORTH_UP, **of: Any
) -> Tile:
    """A tile whose first pixel is at a row and a column of the whole."""
    of = {"name": f"{row}_{column}.tif", "affine": whole.shifted(column, row)} | of
    return Tile(length=size[0], width=size[1], **of)


@pytest.mark.parametrize("whole", [NORTH_UP, ROTATED], ids=["north up", "rotated"])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_places_count_from_the_corner_of_the_whole(whole: Affine, first: int) -> None:
    """Whatever tile is first, and where no tile is in the corner."""
    tiles = [tile(*place, whole=whole) for place in ((14, 5), (10, 9), (18, 25))]
    tiles = tiles[first:] + tiles[:first]
    grid = tile_grid("0", tiles, PLANE)
    assert grid.affine.coefficients == pytest.approx(whole.shifted(5, 10).coefficients, rel=1e-12)
    expected = [[4, 0], [0, 4], [8, 20]]
    assert grid.starts.tolist() == expected[first:] + expected[:first]
    assert grid.starts.dtype == np.int64
    assert grid.shift < 1e-6


def test_the_transform_is_that_of_the_tile_in_the_corner_to_the_last_digit() -> None:
    corner = Affine(10.000000001, 0, 500_000.003, 0, -10, 4_650_000)
    tiles = [tile(4, 6), tile(0, 0, affine=corner), tile(0, 6)]
    assert tile_grid("0", tiles, PLANE).affine == corner


@pytest.mark.parametrize(
    ("off", "allowed"), [(0.25, 0.25), (0.375, 0.375), (-0.25, 0.25), (0.0, 0.0)]
)
@pytest.mark.parametrize("axis", [0, 1])
def test_the_most_by_which_a_tile_may_be_off(off: float, allowed: float, axis: int) -> None:
    """Numbers that are exact in binary: a tile at the limit is allowed."""
    whole = Affine(1, 0, 0, 0, -1, 0)
    place = (4 + off, 6.0) if axis == 0 else (4.0, 6 + off)
    tiles = [tile(0, 0, whole=whole), tile(*place, whole=whole)]
    grid = tile_grid("0", tiles, PLANE, allowed)
    assert grid.starts.tolist() == [[0, 0], [4, 6]]
    assert grid.shift == abs(off)
    if off:
        words = (
            r"array 0 does not lie on the grid of the others' pixels: at row 4 and column 6 of"
            rf" .* it is off by {abs(off) * (axis == 0):.3g} pixels along y and"
            rf" {abs(off) * (axis == 1):.3g} along x; {allowed / 2:g} is allowed"
        )
        with pytest.raises(PublishError, match=words):
            tile_grid("0", tiles, PLANE, allowed / 2)
        assert not fit(*tiles, PLANE, allowed / 2)
    assert fit(*tiles, PLANE, allowed)


@pytest.mark.parametrize(
    ("step", "corner"),
    [
        ({"a": 1 + 1 / 64}, (0, 6)), ({"b": 1 / 64}, (4, 0)),
        ({"d": 1 / 64}, (0, 6)), ({"e": -1 - 1 / 64}, (4, 0)),
    ],
)  # fmt: skip
def test_the_far_corner_of_a_tile_is_off_where_its_pixels_are_larger(
    step: dict[str, float], corner: tuple[int, int]
) -> None:
    """By 1/64 of a pixel each: four rows or six columns away it is that many times as much."""
    numbers = {"a": 1, "b": 0, "c": 0, "d": 0, "e": -1, "f": 0} | step
    tiles = [tile(0, 0, whole=Affine(1, 0, 0, 0, -1, 0)), tile(0, 0, affine=Affine(**numbers))]
    off = max(corner) / 64
    assert tile_grid("0", tiles, PLANE, off).shift == off
    with pytest.raises(PublishError, match=rf"off by .*{off:.3g}.*; 0\.06 is allowed"):
        tile_grid("0", tiles, PLANE, 0.06)


def test_larger_pixels_are_noticed_at_the_corner_across_too() -> None:
    """Shear and scale that undo each other at two of the corners do not at the third."""
    for affine in (
        Affine(1 + 1 / 64, 1 / 64, 0, 0, -1, 0),
        Affine(1, 0, 0, 1 / 64, -1 + 1 / 64, 0),
    ):
        tiles = [tile(0, 0, whole=Affine(1, 0, 0, 0, -1, 0)), tile(0, 0, affine=affine)]
        assert tile_grid("0", tiles, PLANE, 0.5).shift == 10 / 64


@pytest.mark.parametrize(("start", "shift"), [(1 / 64, 7 / 64), (-1 / 64, 5 / 64)])
def test_the_far_corner_is_off_by_the_start_and_by_larger_pixels(
    start: float, shift: float
) -> None:
    tiles = [
        tile(0, 0, whole=Affine(1, 0, 0, 0, -1, 0)),
        tile(0, 0, affine=Affine(1 + 1 / 64, 0, start, 0, -1, 0)),
    ]
    assert tile_grid("0", tiles, PLANE, 0.5).shift == shift


def test_a_hundredth_of_a_pixel_is_allowed_unless_the_user_says() -> None:
    assert fit(tile(0, 0), tile(0, 6.0099), PLANE)
    assert not fit(tile(0, 0), tile(0, 6.0101), PLANE)
    assert not fit(tile(0, 0), tile(0, 6.0101), ("x",))
    tile_grid("0", [tile(0, 0), tile(0, 6.0099)], PLANE)
    with pytest.raises(PublishError, match=r"off by .* 0\.0101 along x; 0\.01 is allowed"):
        tile_grid("0", [tile(0, 0), tile(0, 6.0101)], PLANE)
    # rows and columns have no sign where they are 0
    with pytest.raises(PublishError, match="at row 0 and column 0 of"):
        tile_grid("0", [tile(0, 0), tile(-0.25, -0.25)], PLANE)


@pytest.mark.parametrize(
    ("place", "axes", "words"),
    [
        ((3, 6), ("x",), "starts 3 rows after 0_0.tif, but concat='x' puts files together along x"),
        ((-3, 6), ("x",), "starts 3 rows before 0_0.tif, but concat='x'"),
        ((4, 1), ("y",), "starts 1 columns after 0_0.tif, but concat='y' puts files"),
        ((4, -2_000), ("y",), "starts 2,000 columns before 0_0.tif"),
        ((0, 6), ("x",), None),
        ((4, 0), ("y",), None),
        ((0, 0), (), None),
        ((3, 7), ("y", "x"), None),
    ],
)
def test_files_along_one_axis_start_at_one_pixel_of_the_other(
    place: tuple[int, int], axes: tuple[str, ...], words: str | None
) -> None:
    tiles = [tile(0, 0), tile(*place)]
    assert fit(*tiles, axes) == (words is None)
    if words is None:
        tile_grid("0", tiles, axes)
    else:
        with pytest.raises(PublishError, match=words):
            tile_grid("0", tiles, axes)


@pytest.mark.parametrize(("row", "far"), [(2**53 - 2, False), (2**53, True), (-(2**53), True)])
def test_a_tile_so_far_away_that_floats_have_no_single_rows(row: int, far: bool) -> None:
    whole = Affine(1, 0, 0, 0, -1, 0)
    tiles = [tile(0, 0, whole=whole), tile(row, 0, whole=whole)]
    if far:
        with pytest.raises(PublishError, match=r"array 0: its transform .* gives no position on"):
            tile_grid("0", tiles, PLANE)
    else:
        assert tile_grid("0", tiles, PLANE).starts.tolist() == [[0, 0], [row, 0]]


@pytest.mark.parametrize(
    "numbers",
    [
        (float("nan"), 0, 0, 0, -1, 0),
        (1, 0, float("inf"), 0, -1, 0),
        (1, float("nan"), 0, 0, -1, 0),
    ],
)
def test_a_transform_that_is_no_number(numbers: tuple[float, ...]) -> None:
    tiles = [tile(0, 0, whole=Affine(1, 0, 0, 0, -1, 0)), tile(0, 0, affine=Affine(*numbers))]
    with pytest.raises(PublishError, match=r"gives no position on the pixel grid of 0_0\.tif"):
        tile_grid("0", tiles, PLANE)


def test_pixels_without_an_area_have_no_grid() -> None:
    flat = Affine(1, 1, 0, 1, 1, 0)
    with pytest.raises(PublishError, match="gives no position"):
        tile_grid("0", [tile(0, 0, whole=flat), tile(4, 0, whole=flat)], PLANE)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((10, 0, 0, 0, -10, 0), (10.000000001, 0, 5, 0, -10, 7), True),
        ((10, 0, 0, 0, -10, 0), (10.0000001, 0, 0, 0, -10, 0), False),
        ((10, 0, 0, 0, -10, 0), (10, 1e-9, 0, -1e-9, -10, 0), True),
        ((10, 0, 0, 0, -10, 0), (10, 1e-7, 0, 0, -10, 0), False),
        ((10, 0, 0, 0, -10, 0), (-10, 0, 0, 0, -10, 0), False),
        ((0, 10, 0, 10, 0, 0), (1e-12, 10, 0, 10, -1e-12, 0), True),
        ((1e-5, 0, 0, 0, -1e-5, 0), (1.0000000001e-5, 0, 0, 0, -1e-5, 0), True),
        ((1e-5, 0, 0, 0, -1e-5, 0), (1.0000001e-5, 0, 0, 0, -1e-5, 0), False),
    ],
)
def test_pixel_sizes_that_differ_by_rounding_are_the_same(
    one: tuple[float, ...], other: tuple[float, ...], same: bool
) -> None:
    assert (linear_part(Affine(*one)) == linear_part(Affine(*other))) == same
    assert linear_part(Affine(*one)) == pytest.approx([one[0], one[1], one[3], one[4]])


def test_the_pixel_size_has_no_negative_zero() -> None:
    """JSON has two zeros, and texts of pixel sizes are compared."""
    assert str(linear_part(Affine(10, -0.0, 0, -1e-20, -10, 0))) == "[10.0, 0.0, 0.0, -10.0]"
    assert linear_part(Affine(0, 0, 5, 0, 0, 5)) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("shape", "axes", "size"),
    [
        ([4, 6], ("y", "x"), (4, 6)),
        ([3, 4, 6], ("band", "y", "x"), (4, 6)),
        ([4, 6, 3], ("y", "x", "band"), (4, 6)),
        ([9, 4, 6], ("y", "x"), (4, 6)),  # a new dimension stands before them
        ([9, 3, 4, 6], ("band", "y", "x"), (4, 6)),
    ],
)
def test_rows_and_columns_of_an_array(
    shape: list[int], axes: tuple[str, ...], size: tuple[int, int]
) -> None:
    assert plane_size({"shape": shape}, axes) == size


def test_an_array_without_a_transform_or_a_plane_is_no_tile() -> None:
    placed = {"shape": [4, 6], "attributes": {"spatial:transform": list(NORTH_UP.coefficients)}}
    bare = {"shape": [4, 6], "attributes": {}}
    arrays = {"placed": placed, "bare": bare, "rows": placed | {"shape": [4]}}
    arrays["columns"] = arrays["rows"]
    axes = {"placed": PLANE, "bare": PLANE, "rows": ("y",), "columns": ("x",)}
    template = Template(groups={}, arrays=arrays, inline={}, axes=axes)
    expected = Tile(name="a.tif", affine=NORTH_UP, length=4, width=6)
    assert tile_of(template, "placed", "a.tif") == expected
    assert [tile_of(template, path) for path in ("bare", "rows", "columns")] == [None] * 3
