"""Files whose pixels have several sizes along an axis, judged by rasterio and rioxarray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from affine import Affine

from virtual_tiff import open_published
from virtual_tiff.metadata.transform import Affine as Transform
from virtual_tiff.publishing import PublishError, publish
from virtual_tiff.publishing.planning.tile_grid import Tile
from virtual_tiff.publishing.planning.uneven import places_along, uneven, without_transform

pytestmark = pytest.mark.usefixtures("rectilinear")


def strips(
    folder: Path, steps: Sequence[float], *, start: float = 50.0, name: str = "", **changes: Any
) -> list[Path]:
    """Write files one below the other, whose rows have these heights."""
    files, top = [], start
    for n, step in enumerate(steps):
        rows = 20 + 3 * n
        profile = {
            "driver": "GTiff", "height": rows, "width": 30, "count": 1, "dtype": "int16",
            "crs": "EPSG:4326", "transform": Affine(0.5, 0, 10, 0, -step, top),
            "compress": "deflate", "blockysize": 8, "nodata": -1,
        } | changes  # fmt: skip
        path = folder / f"{name}{n}.tif"
        with rasterio.open(path, "w", **profile) as file:
            file.write(np.random.default_rng(n).integers(0, 999, (1, rows, 30)).astype("int16"))
        files.append(path)
        top -= step * rows
    return files


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_rows_of_several_heights_have_coordinates_and_no_transform(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    files = strips(tmp_path, [0.5, 0.25, 1.0])
    to = tmp_path / "cube"
    publish([files[n] for n in order], to, concat="y", grid="rectilinear")
    dataset = xr.open_zarr(open_published(to), consolidated=False, mask_and_scale=False)
    truth = [rioxarray.open_rasterio(path) for path in files]
    np.testing.assert_array_equal(dataset["0"], np.concatenate([each[0] for each in truth]))
    np.testing.assert_array_equal(dataset["y"], np.concatenate([each["y"] for each in truth]))
    np.testing.assert_array_equal(dataset["x"], truth[0]["x"])
    assert not [name for name in dataset["0"].attrs if name.startswith("spatial:")]
    assert "GeoTransform" not in dataset["spatial_ref"].attrs
    assert "WGS 84" in dataset["spatial_ref"].attrs["crs_wkt"]


@pytest.mark.long
def test_several_times(tmp_path: Path) -> None:
    files = [path for time in "ab" for path in strips(tmp_path, [0.5, 0.25], name=time)]
    to = tmp_path / "cube"
    publish(files, to, concat=("n", "y"), values={"n": r"([ab])\d\.tif"}, grid="rectilinear")
    dataset = xr.open_zarr(open_published(to), consolidated=False, mask_and_scale=False)
    assert dataset["0"].shape == (2, 43, 30)
    for n, path in enumerate(files):
        with rasterio.open(path) as file:
            part = dataset["0"][n // 2, :20] if n % 2 == 0 else dataset["0"][n // 2, 20:]
            np.testing.assert_array_equal(part, file.read(1))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"start": 39.0}, "does not begin where"),
        ({"start": 40.0, "transform": Affine(0.5, 0, 11, 0, -0.25, 40)}, "does not lie in line"),
        ({"start": 40.0, "transform": Affine(0.5, 0, 10, 0, 0.25, 40)}, "does not begin where"),
    ],
)
def test_files_that_do_not_touch_are_refused(
    second: dict[str, Any], words: str, tmp_path: Path
) -> None:
    files = strips(tmp_path, [0.5]) + strips(tmp_path, [0.25], name="b", **second)
    with pytest.raises(PublishError, match=words):
        publish(files, "memory://", concat="y", grid="rectilinear")


# -------------------------------------------------------------------------- plain data


def tile(start: float, step: float, count: int, axis: str = "y", **across: float) -> Tile:
    """A tile along an axis, whose pixels across it are of size 1 from 0 on."""
    origin, pixel = across.get("origin", 0.0), across.get("pixel", 1.0)
    if axis == "y":
        affine = Transform(pixel, 0, origin, 0, step, start)
        return Tile(name=f"{start}", affine=affine, length=count, width=8)
    affine = Transform(step, 0, start, 0, pixel, origin)
    return Tile(name=f"{start}", affine=affine, length=8, width=count)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("direction", [1, -1])
def test_tiles_are_placed_one_after_another(axis: str, direction: int) -> None:
    """From the first to the last along the axis, in whatever order they come."""
    spans = [(0, 1, 4), (4, 2, 3), (10, 0.5, 8)]
    tiles = [tile(direction * start, direction * step, n, axis) for start, step, n in spans]
    assert places_along("0", tiles, axis, 0.01).tolist() == [0, 4, 7]
    assert places_along("0", tiles[::-1], axis, 0.01).tolist() == [7, 4, 0]
    # several files at one place, as at several times
    assert places_along("0", [*tiles, tiles[1]], axis, 0.01).tolist() == [0, 4, 7, 4]


@pytest.mark.parametrize("longer", [0, 1])
def test_tiles_at_one_place_may_have_several_lengths(longer: int) -> None:
    """The next one begins where the longest ends."""
    tiles = [tile(0, 1, 6 if longer == n else 4) for n in range(2)]
    assert places_along("0", [*tiles, tile(6, 2, 3)], "y", 0.01).tolist() == [0, 0, 6]
    with pytest.raises(PublishError, match="4: array 0 does not begin where 0 ends"):
        places_along("0", [*tiles, tile(4, 2, 3)], "y", 0.01)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_pixels_of_several_sizes_are_uneven_along_their_axis_alone(axis: str) -> None:
    tiles = [tile(0, 1, 4, axis), tile(4, 2, 3, axis)]
    assert uneven(tiles, axis)
    assert not uneven(tiles, "x" if axis == "y" else "y")
    assert not uneven([tiles[0], tile(4, 1 + 1e-12, 3, axis)], axis)
    for b, d in ((0.1, 0), (0, 0.1)):  # rotated pixels have no rows of one height
        rotated = Tile(name="r", affine=Transform(1, b, 0, d, 2, 4), length=3, width=8)
        assert not uneven([tiles[0], rotated], axis)


@pytest.mark.parametrize(("gap", "touches"), [(0.5, True), (-0.5, True), (0.75, False), (-0.75, 0)])
def test_tiles_may_be_off_each_other_by_parts_of_a_pixel(gap: float, touches: bool) -> None:
    """Of a pixel of the second, which has two units: a quarter is allowed here."""
    tiles = [tile(0, 1, 4), tile(4 + gap, 2, 3)]
    if touches:
        assert places_along("0", tiles, "y", 0.25).tolist() == [0, 4]
    else:
        words = rf"^{4 + gap}: array 0 does not begin where 0 ends along y\. Pixels of several si"
        with pytest.raises(PublishError, match=words):
            places_along("0", tiles, "y", 0.25)


@pytest.mark.parametrize(
    ("across", "off"),
    [
        ({"origin": 0.25}, None),
        ({"origin": -0.25}, None),
        ({"origin": 0.5}, "0.5"),
        ({"pixel": 1 + 1 / 32}, None),  # 8 pixels across: a quarter
        ({"pixel": 1 + 1 / 16}, "0.5"),
        ({"pixel": 1 - 1 / 16}, "0.5"),
    ],
)
@pytest.mark.parametrize("axis", ["x", "y"])
def test_tiles_lie_in_line(axis: str, across: dict[str, float], off: str | None) -> None:
    tiles = [tile(0, 1, 4, axis), tile(4, 2, 3, axis, **across)]
    if off is None:
        assert places_along("0", tiles, axis, 0.25).tolist() == [0, 4]
    else:
        words = rf"^4: array 0 does not lie in line with 0: it is off by {off} pixels across {axis}"
        with pytest.raises(PublishError, match=words):
            places_along("0", tiles, axis, 0.25)


def test_the_distance_across_is_in_pixels_of_the_first() -> None:
    tiles = [tile(0, 1, 4, pixel=4.0), tile(4, 2, 3, pixel=4.0, origin=1.0)]
    assert places_along("0", tiles, "y", 0.25).tolist() == [0, 4]
    tiles[1] = tile(4, 2, 3, pixel=4.0, origin=2.0)
    with pytest.raises(PublishError, match=r"off by 0\.5 pixels across y; 0\.25 is allowed"):
        places_along("0", tiles, "y", 0.25)


@pytest.mark.parametrize("step", [-2, 0])
def test_rows_go_one_way(step: float) -> None:
    with pytest.raises(PublishError, match="4: array 0 does not begin where 0 ends along y"):
        places_along("0", [tile(0, 1, 4), tile(4, step, 3)], "y", 0.25)


def test_what_says_where_pixels_lie_is_left_out() -> None:
    conventions = [{"name": "spatial"}, {"name": "spatial:"}, {"name": "proj"}, {}]
    attributes = {"spatial:bbox": [1], "GeoTransform": "1", "proj:code": "EPSG:1", "a": 1}
    assert without_transform(attributes) == {"proj:code": "EPSG:1", "a": 1}
    kept = without_transform({"zarr_conventions": conventions, "spatial": 1})
    assert kept == {"zarr_conventions": [{"name": "proj"}, {}], "spatial": 1}


@pytest.mark.parametrize("axis", ["y", "x"])
def test_files_of_other_codecs_are_not_put_together(axis: str, tmp_path: Path) -> None:
    files = [strips(tmp_path, [0.5], name=name, compress=name)[0] for name in ("deflate", "lzw")]
    with pytest.raises(PublishError, match="codecs"):
        publish(files, "memory://", concat=axis, grid="rectilinear")
