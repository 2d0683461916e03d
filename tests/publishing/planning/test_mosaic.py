"""Tiles as one image, judged by rasterio: every pixel at its world position, or refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from support.scenes import group_of, pixels, read, scene
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, publish


@pytest.fixture(autouse=True, scope="module")
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


TRANSFORMS = {
    "north up": Affine(10, 0, 500_000, 0, -10, 4_650_000),
    "south up": Affine(10, 0, 500_000, 0, 10, 4_600_000),
    "flipped x": Affine(-10, 0, 500_000, 0, -10, 4_650_000),
    "flipped x, south up": Affine(-10, 0, 500_000, 0, 10, 4_650_000),
    "45 degrees": Affine(1, 1, 1000, 1, -1, 5000),
    "30 degrees": Affine.translation(5e5, 4e6) @ Affine.rotation(30) @ Affine.scale(10, -10),
    "90 degrees": Affine(0, 1, 0, 1, 0, 0),
    "-90 degrees": Affine(0, -10, 500_000, 10, 0, 4_650_000),
    "180 degrees": Affine(-2, 0, 7, 0, 2, 9),
    "shear": Affine(1, 0.5, 0, 0, -1, 0),
    "degrees": Affine(1 / 3600, 0, 10, 0, -1 / 3600, 50),
    "pixels that are not square": Affine(3, 0.25, 40, -0.5, -7, 90),
}
"""Of the whole image. A matrix of one more kind belongs here."""

type Corner = tuple[int, int]
"""Row and column of a tile in the whole image."""


def write_tiles(
    folder: Path, whole: Affine, corners: dict[Corner, tuple[int, int]], **options: Any
) -> list[Path]:
    """Write a tile at each corner; its value is the size in pixels."""
    return [
        scene(
            folder / f"tile_{row}_{column}.tif",
            1000 * row + column,
            shape=shape,
            transform=whole @ Affine.translation(column, row),
            **options,
        )
        for (row, column), shape in corners.items()
    ]


def check_world_positions(array: Any, files: list[Path], overview: int | None = None) -> None:
    """Each pixel of each tile is in the array at the position that rasterio gives it."""
    options = {} if overview is None else {"overview_level": overview}
    whole = Affine(*array.attrs["spatial:transform"])
    values = np.asarray(array[...])
    for file in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with rasterio.open(file, **options) as tile:
                data, transform = tile.read(), tile.transform
        rows, columns = np.indices(data.shape[1:])
        x, y = transform @ (columns + 0.5, rows + 0.5)
        column, row = (np.asarray(n) - 0.5 for n in ~whole @ (x, y))
        assert np.abs(column - np.rint(column)).max() < 0.02
        assert np.abs(row - np.rint(row)).max() < 0.02
        at = np.rint(row).astype(int), np.rint(column).astype(int)
        assert min(at[0].min(), at[1].min()) >= 0
        np.testing.assert_array_equal(values[..., *at], data if values.ndim == 3 else data[0])


def check_place(group: Any, path: str = "0") -> None:
    """Transform, box, shape, coordinates and GeoTransform of an array say the same."""
    array = group[path]
    whole = Affine(*array.attrs["spatial:transform"])
    length, width = array.shape[-2:]
    assert array.attrs["spatial:shape"] == [length, width]
    corners = [whole @ corner for corner in ((0, 0), (width, 0), (0, length), (width, length))]
    xs, ys = zip(*corners, strict=True)
    box = [min(xs), min(ys), max(xs), max(ys)]
    np.testing.assert_allclose(array.attrs["spatial:bbox"], box, rtol=1e-12)
    folder = path.rpartition("/")[0]
    there = group[folder] if folder else group
    found = there[array.attrs["grid_mapping"]].attrs.get("GeoTransform")
    if found is None:  # of several sizes, each of which has coordinates
        assert all(name in there for name in array.metadata.dimension_names[-2:])
    else:
        assert tuple(map(float, found.split())) == whole.to_gdal()
    for name, size, centre in (
        ("x", width, lambda n: (whole @ (n + 0.5, 0))[0]),
        ("y", length, lambda n: (whole @ (0, n + 0.5))[1]),
    ):
        if name in there:
            assert whole.b == whole.d == 0
            np.testing.assert_allclose(there[name][:], centre(np.arange(size)), rtol=1e-12)
        else:
            assert (whole.b, whole.d) != (0, 0)


GRID = {(0, 0): (64, 64), (0, 64): (64, 50), (64, 0): (40, 64), (64, 64): (40, 50)}
"""Two rows of two tiles; the last ones are smaller."""


@pytest.mark.long
@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize(
    ("axes", "corners"),
    [
        (("y", "x"), GRID),
        (("x", "y"), {c: GRID[c] for c in ((64, 64), (0, 64), (64, 0))}),  # no tile in the corner
        ("x", {c: GRID[c] for c in ((0, 64), (0, 0))}),
        ("y", {c: GRID[c] for c in ((64, 0), (0, 0))}),
        ("y,x", {(0, 0): (64, 50)}),
    ],
)
def test_every_pixel_has_its_world_position(
    axes: Any, corners: dict[Corner, tuple[int, int]], name: str, tmp_path: Path
) -> None:
    files = write_tiles(tmp_path, TRANSFORMS[name], corners)
    published = publish(files, "memory://", concat=axes, check=True)
    check_world_positions(group_of(published)["0"], files)
    check_place(group_of(published))


@pytest.mark.long
@pytest.mark.parametrize("name", ["north up", "south up", "30 degrees", "-90 degrees"])
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((64, 64), {"tiled": False, "blockysize": 16, "blockxsize": None}),
        ((64, 64), {"tiled": False, "blockysize": 16, "blockxsize": None, "compress": "none"}),
        ((3, 64, 64), {"interleave": "band"}),
        ((3, 64, 64), {"interleave": "pixel"}),
        ((64, 64), {"block": 16}),
    ],
)
def test_blocks_of_every_shape(
    shape: tuple[int, ...], options: dict[str, Any], name: str, tmp_path: Path
) -> None:
    options = {k: v for k, v in options.items() if v is not None} | (
        {"blockxsize": 64} if options.get("tiled") is False else {}
    )
    corners = {(0, 0): shape, (0, 64): shape, (64, 64): shape}
    files = write_tiles(tmp_path, TRANSFORMS[name], corners, **options)
    for coordinates in (True, False):
        published = publish(files, "memory://", concat="y,x", coordinates=coordinates)
        check_world_positions(group_of(published)["0"], files)


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid"])
@pytest.mark.parametrize("name", ["north up", "45 degrees", "flipped x, south up"])
def test_overviews_and_masks_have_their_places(name: str, layout: str, tmp_path: Path) -> None:
    corners = {(0, 0): (128, 128), (0, 128): (128, 96), (128, 0): (64, 128)}
    files = write_tiles(tmp_path, TRANSFORMS[name], corners)
    for file in files:
        options = {"GDAL_TIFF_INTERNAL_MASK": True, "GDAL_TIFF_OVR_BLOCKSIZE": 64}
        with rasterio.Env(**options), rasterio.open(file, "r+") as tile:
            tile.write_mask(tile.read(1) > 100)
            tile.build_overviews([2], rasterio.enums.Resampling.nearest)
    published = publish(files, "memory://", concat="y,x", ifd_layout=layout, ifd=None)
    group = group_of(published)
    levels = {
        "flat": ("0", "2"),
        "nested": ("0/0", "2/2"),
        "pyramid": ("0/image", "1/image"),
    }[layout]
    for path, overview in zip(levels, (None, 0), strict=True):
        check_world_positions(group[path], files, overview)
    check_place(group, levels[0])
    if layout == "nested":
        assert group["0"].attrs["spatial:transform"] == group["0/0"].attrs["spatial:transform"]
        assert group["0"].attrs["spatial:bbox"] == group["0/0"].attrs["spatial:bbox"]
    if layout == "pyramid":
        assert group.attrs["spatial:bbox"] == group["0/image"].attrs["spatial:bbox"]
        for level in group.attrs["multiscales"]["layout"]:
            array = group[f"{level['asset']}/image"]
            assert level["spatial:transform"] == array.attrs["spatial:transform"]
            assert level["spatial:shape"] == list(array.shape)
    mask = {"flat": "1", "nested": "1/1", "pyramid": "0/mask"}[layout]
    for file, (row, column) in zip(files, corners, strict=True):
        with rasterio.open(file) as tile:
            expected = tile.read_masks(1) > 0
        length, width = expected.shape
        part = group[mask][row : row + length, column : column + width]
        np.testing.assert_array_equal(part > 0, expected)


def moved(whole: Affine, columns: float, rows: float) -> Affine:
    return whole @ Affine.translation(columns, rows)


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "another row": ("x", lambda t: moved(t, 64, 16), "starts 16 rows after .*a.tif, but concat"),
    "a row before": ("x", lambda t: moved(t, 64, -32), "starts 32 rows before"),
    "another column": ("y", lambda t: moved(t, -32, 64), "starts 32 columns before"),
    "half a pixel along x": ("y,x", lambda t: moved(t, 64.5, 0), "off by .* 0.5 along x"),
    "a third of a pixel along y": ("y,x", lambda t: moved(t, 64, 1 / 3), "off by 0.333 pixels"),
    "a third of a row, x alone": ("x", lambda t: moved(t, 64, 1 / 3), "off by 0.333 pixels"),
    "larger pixels": ("y,x", lambda t: moved(t, 64, 0) @ Affine.scale(2), "resolution"),
    "pixels that are a little larger": (
        "y,x",
        lambda t: moved(t, 64, 0) @ Affine.scale(1.001),
        "resolution",
    ),
    "turned": ("y,x", lambda t: moved(t, 64, 0) @ Affine.rotation(0.1), "resolution"),
    "turned by 90 degrees": ("y,x", lambda t: moved(t, 64, 0) @ Affine.rotation(90), "resolution"),
    "south up among north up": ("y,x", lambda t: moved(t, 64, 0) @ Affine.scale(1, -1), "resol"),
    "the same place": ("y,x", lambda t: t, "a.tif and .*b.tif overlap|b.tif and .*a.tif overlap"),
    "a part of the same place": ("y,x", lambda t: moved(t, 32, 32), "overlap in array 0"),
    "within a chunk": ("y,x", lambda t: moved(t, 80, 0), "within a chunk of 32"),
}


@pytest.mark.parametrize("coordinates", [True, False])
@pytest.mark.parametrize("name", ["north up", "45 degrees", "90 degrees"])
@pytest.mark.parametrize("case", REFUSED)
def test_tiles_that_are_off_the_grid_are_refused(
    case: str, name: str, *, coordinates: bool, tmp_path: Path
) -> None:
    axes, change, words = REFUSED[case]
    whole = TRANSFORMS[name]
    files = [
        scene(tmp_path / "a.tif", shape=(64, 64), transform=whole),
        scene(tmp_path / "b.tif", shape=(64, 64), transform=change(whole)),
    ]
    with pytest.raises(PublishError, match=words) as caught:
        publish(files, "memory://", concat=axes, coordinates=coordinates)
    assert "b.tif" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodata": 7}, "nodata 7, the others none"),
        ({"crs": "EPSG:32632"}, "CRS EPSG:32632, the others EPSG:32633"),
        ({"dtype": "int16"}, "data type int16"),
        ({"transform": None}, "spatial:transform|resolution|spatial:dimensions"),
    ],
)
def test_tiles_that_differ_in_what_numbers_mean(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    whole = TRANSFORMS["45 degrees"]
    first = scene(tmp_path / "a.tif", shape=(64, 64), transform=whole)
    options = {"transform": moved(whole, 64, 0)} | change
    if options["transform"] is None:
        options["crs"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = scene(tmp_path / "b.tif", shape=(64, 64), **options)
    for grid in ("auto", "rectilinear"):
        with pytest.raises(PublishError, match=words):
            publish([first, other], "memory://", concat="y,x", grid=grid)


def test_transforms_that_differ_by_rounding_are_one_grid(tmp_path: Path) -> None:
    files = [
        scene(
            tmp_path / f"{n}.tif",
            n,
            shape=(64, 64),
            crs="EPSG:4326",
            transform=Affine(size, 0, 10 + 64 * n * size, 0, -size, 50),
        )
        for n, size in enumerate((1 / 3600, 0.000277777777777778))
    ]
    published = publish(files, "memory://", concat="x")
    check_world_positions(group_of(published)["0"], files)


@pytest.mark.long
def test_tiles_far_apart_take_no_memory(tmp_path: Path) -> None:
    whole = TRANSFORMS["north up"]
    files = write_tiles(tmp_path, whole, {(0, 0): (64, 64), (64 * 10**9, 64 * 10**9): (64, 64)})
    with pytest.raises(PublishError, match="so far apart that the whole has"):
        publish(files, "memory://", concat="y,x")
    published = publish(files, "memory://", concat="y,x", coordinates=False)
    far = 64 * 10**9
    whole_array: Any = group_of(published)["0"]
    np.testing.assert_array_equal(whole_array[far:, far:], pixels(files[1]))


def test_files_without_a_transform_lie_in_their_order(tmp_path: Path) -> None:
    options = {"transform": None, "crs": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = [scene(tmp_path / f"{n}.tif", n, shape=(64, 64), **options) for n in range(3)]
    published = publish(files, "memory://", concat="x")
    np.testing.assert_array_equal(read(published), np.hstack([pixels(file) for file in files]))
    with pytest.raises(PublishError, match="nothing says where the files lie along"):
        publish(files, "memory://", concat="y,x")


def test_bands_of_several_places_are_refused(tmp_path: Path) -> None:
    options: dict[str, Any] = {"shape": (2, 64, 64), "interleave": "band"}
    files = [
        scene(tmp_path / f"{n}.tif", n, at=(500_000 + 640 * n, 4_650_000), **options)
        for n in range(2)
    ]
    for coordinates in (True, False):
        with pytest.raises(PublishError, match="spatial:transform"):
            publish(files, "memory://", concat="band", coordinates=coordinates)


def test_variables_whose_tiles_differ_are_not_one_group(tmp_path: Path) -> None:
    whole = TRANSFORMS["45 degrees"]
    files = [
        *write_tiles(tmp_path / "B1", whole, {(0, 0): (64, 64), (0, 64): (64, 64)}),
        *write_tiles(tmp_path / "B2", whole, {(0, 0): (64, 64)}),
    ]
    options: dict[str, Any] = {"concat": "y,x", "variable": r"/(B\d)/", "coordinates": False}
    with pytest.raises(PublishError, match="group per variable"):
        publish(files, "memory://", **options)
    published = publish(files, "memory://", **options, layout="group per variable")
    check_world_positions(group_of(published)["B1/B1"], files[:2])


# --------------------------------------------------------------------- groups by signature


def test_tiles_of_one_grid_share_a_group(tmp_path: Path) -> None:
    whole = TRANSFORMS["45 degrees"]
    kinds = {
        "a": write_tiles(tmp_path / "a", whole, GRID),
        "shifted": write_tiles(tmp_path / "b", moved(whole, 0.5, 0), GRID),
        "larger": write_tiles(tmp_path / "c", whole @ Affine.scale(2), GRID),
        "zone": write_tiles(tmp_path / "d", whole, GRID, crs="EPSG:32632"),
        "lzw": write_tiles(tmp_path / "e", whole, GRID, compress="lzw"),
    }
    mixed = [file for files in zip(*kinds.values(), strict=True) for file in files]
    published = publish(mixed, "memory://", concat=("y", "x"), layout="group per signature")
    group = group_of(published)
    assert len(published.arrays) == len(kinds)
    for number, files in enumerate(kinds.values()):
        check_world_positions(group[f"signature_{number + 1}/0"], files)


def test_rows_of_tiles_have_a_group_each_along_x_alone(tmp_path: Path) -> None:
    files = write_tiles(tmp_path, TRANSFORMS["south up"], dict.fromkeys(GRID, (64, 64)))
    published = publish(files, "memory://", concat="x", layout="group per signature")
    assert [array.shape for array in published.arrays] == [(64, 128)] * 2
    for number, row in enumerate((files[:2], files[2:])):
        check_world_positions(group_of(published)[f"signature_{number + 1}/0"], row)


@pytest.mark.long
def test_new_tiles_go_to_their_place(tmp_path: Path) -> None:
    files = write_tiles(tmp_path, TRANSFORMS["north up"], GRID)
    target = str(tmp_path / "cube")
    for layout in ("stack", "group per signature"):
        options: dict[str, Any] = {"concat": "y,x", "layout": layout, "append": True}
        publish(files[:3], f"{target} {layout}", **options)
        published = publish(files, f"{target} {layout}", **options)
        check_world_positions(group_of(published)[published.arrays[0].path], files)


def by_day(folder: Path) -> list[Path]:
    return [
        scene(
            folder / f"T{tile}_2023122{day}_B04.tif", 10 * tile + day, at=(6e5 + 1e5 * tile, 46e5)
        )
        for tile in range(2)
        for day in (3, 8)
    ]


@pytest.mark.long
def test_tiles_at_the_same_dates_have_a_group_each(tmp_path: Path) -> None:
    files = by_day(tmp_path)
    options: dict[str, Any] = {"concat": "time", "time": r"_(?P<time>\d{8})_"}
    with pytest.raises(PublishError, match=r"T1_20231223_B04\.tif, .*: array 0: spatial:transform"):
        publish(files, "memory://", **options)
    target = str(tmp_path / "cube")
    options |= {"layout": "group per signature", "append": True, "check": True}
    publish([files[0], files[2]], target, **options)
    published = publish(files, target, **options)
    for tile in range(2):
        expected = np.stack([pixels(file) for file in files[2 * tile : 2 * tile + 2]])
        np.testing.assert_array_equal(read(published, f"signature_{tile + 1}/0"), expected)


def test_two_files_of_one_tile_and_date_are_refused_within_their_group(tmp_path: Path) -> None:
    files = by_day(tmp_path)
    again = scene(tmp_path / "again_20231223_B04.tif", 5, at=(6e5, 46e5))
    with pytest.raises(PublishError, match=r"T0_20231223_B04\.tif and .*again_20231223"):
        publish(
            [*files, again],
            "memory://",
            concat="time",
            time=r"_(?P<time>\d{8})_",
            layout="group per signature",
        )


@pytest.mark.long
@pytest.mark.parametrize(
    ("shift", "snap", "groups"), [(1e-8, 0.01, 1), (0.3, 0.01, 2), (0.3, 0.4, 1)]
)
@pytest.mark.parametrize("concat", ["time", "y,x"])
def test_groups_by_signature_snap_as_one_group_does(
    concat: str, shift: float, snap: float, groups: int, tmp_path: Path
) -> None:
    """Transforms are often written in other digits; `snap` counts in every layout."""
    column = 96 if concat == "y,x" else 0
    for sign in (1, -1):
        files = [
            scene(tmp_path / "a_20231223.tif", 1, at=(5e5, 46e5)),
            scene(tmp_path / "b_20231228.tif", 2, at=(5e5 + 10 * (column + sign * shift), 46e5)),
        ]
        options: dict[str, Any] = {"concat": concat, "snap": snap, "layout": "group per signature"}
        if concat == "time":
            options["time"] = r"_(?P<time>\d{8})"
        target = str(tmp_path / f"cube{sign}")
        publish(files[:1], target, **options)
        published = publish(files, target, **options, append=True)
        assert {array.path for array in published.arrays} | {"signature_1/0"} == {
            f"signature_{n + 1}/0" for n in range(groups)
        }
        for array, of_group in zip(
            sorted(array.path for array in published.arrays),
            [files] if groups == 1 else [files[1:]],
            strict=True,
        ):
            expected = list(map(pixels, of_group))
            joined = np.stack(expected) if concat == "time" else np.concatenate(expected, axis=1)
            np.testing.assert_array_equal(read(published, array), joined)


# ------------------------------------------------------------------------------ properties

coefficients = st.floats(-1e3, 1e3, allow_nan=False).map(lambda n: round(n, 3))


@pytest.mark.long
@given(
    matrix=st.tuples(*[coefficients] * 4),
    origin=st.tuples(*[st.floats(-1e7, 1e7)] * 2),
    corners=st.lists(
        st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=4, unique=True
    ),
    shift=st.sampled_from([0.0, 0.0, 0.0, 0.3, 16.0]),
    axes=st.sampled_from(["y,x", "x", "y"]),
)
@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_any_affine_transform_is_right_or_refused(
    matrix: tuple[float, ...],
    origin: tuple[float, float],
    corners: list[Corner],
    shift: float,
    axes: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("tiles")
    a, b, d, e = matrix
    whole = Affine(a, b, origin[0], d, e, origin[1])
    files = []
    for n, (row, column) in enumerate(corners):
        at = moved(whole, 32 * column + (shift if n else 0), 32 * row)
        files.append(scene(folder / f"{n}.tif", n, shape=(32, 32), block=16, transform=at))
    rows, columns = ({corner[n] for corner in corners} for n in range(2))
    shifts = shift if len(files) > 1 else 0
    fits = (len(rows) == 1 or "y" in axes) and (len(columns) == 1 or "x" in axes)
    fits &= shifts != 0.3 and (not shifts or "x" in axes)
    good = abs(a * e - b * d) > 1 and max(map(abs, matrix)) / abs(a * e - b * d) < 100
    if (a, b, *origin, d, e) == (1, 0, 0, 0, 0, 1):
        return  # GDAL writes no tags for it
    try:
        published = publish(files, "memory://", concat=axes)
    except PublishError:
        assert not (fits and good and not shifts)
        return
    assert fits or not good
    check_world_positions(group_of(published)["0"], files)


def test_a_window_of_the_whole_is_a_tile(tmp_path: Path) -> None:
    """What GDAL cuts into tiles is put together again."""
    source = scene(tmp_path / "whole.tif", 3, shape=(128, 160), transform=TRANSFORMS["30 degrees"])
    files = []
    with rasterio.open(source) as whole:
        for row in range(0, 128, 64):
            for column in range(0, 160, 64):
                window = Window(column, row, min(64, 160 - column), 64)
                path = tmp_path / f"{row}_{column}.tif"
                profile = whole.profile | {
                    "height": 64,
                    "width": window.width,
                    "transform": whole.window_transform(window),
                }
                with rasterio.open(path, "w", **profile) as tile:
                    tile.write(whole.read(window=window))
                files.append(path)
    published = publish(files[::-1], "memory://", concat="y,x")
    np.testing.assert_array_equal(read(published), pixels(source))
    np.testing.assert_allclose(
        group_of(published)["0"].attrs["spatial:transform"],
        TRANSFORMS["30 degrees"][:6],
        rtol=1e-12,
    )


def test_arrays_with_a_transform_and_others_without_one_are_refused(tmp_path: Path) -> None:
    files = []
    for n in range(2):
        path = tmp_path / f"{n}.tif"
        placed = scene(tmp_path / "placed.tif", n, at=(500_000 + 960 * n, 4_650_000))
        with rasterio.open(placed) as dataset:
            data, profile = dataset.read(), dataset.profile
        with rasterio.open(path, "w", APPEND_SUBDATASET=False, **profile) as dataset:
            dataset.write(data)
        bare = profile | {"crs": None, "transform": None, "APPEND_SUBDATASET": True}
        with rasterio.open(path, "w", **bare) as dataset:
            dataset.write(data)
        files.append(path)
    with pytest.raises(PublishError, match="array 1: nothing says where the files lie along y"):
        publish(files, "memory://", concat="y,x")
    words = (
        "array 1: nothing says where the files lie along x, as array 0 has a transform and this one"
        r" has none; choose by ifd \(--ifd\)"
    )
    with pytest.raises(PublishError, match=words):
        publish(files, "memory://", concat="x")
    for axes in ("y,x", "x"):
        published = publish(files, "memory://", concat=axes, ifd=0)
        np.testing.assert_array_equal(read(published)[:, 96:], pixels(files[1]))


@pytest.mark.parametrize("axes", ["x", "y,x"])
def test_a_regular_grid_that_the_user_wants_and_the_files_have_not(
    axes: str, tmp_path: Path
) -> None:
    sizes = {(0, 0): (32, 30), (0, 30): (32, 32)}  # the first ends within a chunk
    files = write_tiles(tmp_path, TRANSFORMS["north up"], sizes, block=16)
    words = r"30\.tif: array 0 begins at 30 .*: a regular chunk grid cannot have it\. "
    with pytest.raises(PublishError, match=words + "Publish a group for each file$"):
        publish(files, "memory://", concat=axes, grid="regular")
    with pytest.raises(PublishError, match=words + r"grid='rectilinear\'"):
        publish(files, "memory://", concat=axes)


@pytest.mark.parametrize("axes", ["x", "y,x"])
def test_files_with_the_same_ground_control_points_are_no_tiles(axes: str, tmp_path: Path) -> None:
    points = [
        GroundControlPoint(row, column, 10 + column / 100, 50 - row / 100)
        for row in (0, 63)
        for column in (0, 63)
    ]
    options = {"transform": None, "crs": CRS(), "gcps": points}
    files = [scene(tmp_path / f"{n}.tif", n, **options) for n in range(2)]
    words = "spatial_ref: each file has its own gcps, so they cannot be tiles of one image"
    if axes == "y,x":
        words = "array 0: nothing says where the files lie along y"
    with pytest.raises(PublishError, match=words):
        publish(files, "memory://", concat=axes)


@pytest.mark.parametrize("overlap", ["first", "last"])
def test_tiles_that_overlap_along_one_dimension(overlap: Any, tmp_path: Path) -> None:
    corners = {(0, 0): (32, 48), (0, 32): (32, 48)}
    files = write_tiles(tmp_path, TRANSFORMS["north up"], corners, block=16)
    with pytest.raises(PublishError, match=r"overlap in array 0\. Say which of them is shown"):
        publish(files, "memory://", concat="x")
    published = publish(files, "memory://", concat="x", overlap=overlap)
    one, other = map(pixels, files)
    parts = [one, other[:, 16:]] if overlap == "first" else [one[:, :32], other]
    np.testing.assert_array_equal(read(published), np.concatenate(parts, axis=1))


def test_short_last_strips_that_cropped_ones_would_be_taken_for(tmp_path: Path) -> None:
    """The first file's last two rows that are seen begin a strip of four, in a chunk of two rows;
    the last strip of the second has two rows."""
    corners = {(0, 0): (10, 16), (6, 0): (10, 16)}
    strips = {"tiled": False, "blockxsize": None, "blockysize": 4}
    files = write_tiles(tmp_path, TRANSFORMS["north up"], corners, **strips)
    options: dict[str, Any] = {"concat": "y", "overlap": "last", "grid": "rectilinear"}
    with zarr.config.set({"array.rectilinear_chunks": True}):
        published = publish(files, "memory://", **options)
        one, other = map(pixels, files)
        np.testing.assert_array_equal(read(published), np.concatenate([one[:6], other]))


def test_a_new_dimension_is_not_called_as_one_of_the_files(tmp_path: Path) -> None:
    """`y_1` has the rows of an overview."""
    files = tiles_with_overviews(tmp_path, [2], [2], size=128)
    with pytest.raises(ValueError, match="concat 'y_1' is a dimension of the files already"):
        publish(files, "memory://", concat="y_1,y,x", values={"y_1": [1, 2]})


# --------------------------------------------------------------------------- overviews


def tiles_with_overviews(folder: Path, *factors: list[int], size: int = 96) -> list[Path]:
    """Write a row of tiles with overviews by these factors."""
    files = []
    for n, of_tile in enumerate(factors):
        at = (500_000 + 10 * size * n, 4_650_000)
        path = scene(folder / f"{n}.tif", n, shape=(size, size), at=at, block=16)
        with rasterio.open(path, "r+") as dataset, rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE="64"):
            dataset.build_overviews(of_tile, rasterio.enums.Resampling.nearest)
        files.append(path)
    return files


@pytest.mark.parametrize("layout", ["flat", "pyramid"])
def test_overviews_whose_chunks_do_not_fit_are_left_out(layout: str, tmp_path: Path) -> None:
    """Overviews of 48 pixels in blocks of 64 have no regular grid; the images have."""
    files = tiles_with_overviews(tmp_path, [2], [2])
    published = publish(files, "memory://", concat="y,x", ifd_layout=layout)
    (path,) = (array.path for array in published.arrays)
    whole = np.concatenate([pixels(file) for file in files], axis=1)
    np.testing.assert_array_equal(read(published, path), whole)
    ((dropped, why),) = published.dropped.items()
    assert dropped == path.replace("0", "1")
    assert "a regular chunk grid cannot have it" in why
    group = group_of(published)
    assert dropped not in group
    levels = group.attrs.get("multiscales", {"layout": [{"asset": "0"}]})["layout"]
    assert [level["asset"] for level in levels] == ["0"]


def test_overviews_that_some_files_lack_are_left_out(tmp_path: Path) -> None:
    files = tiles_with_overviews(tmp_path, [2, 4], [2], size=128)
    published = publish(files, "memory://", concat="y,x")
    assert [array.path for array in published.arrays] == ["0", "1"]
    assert list(published.dropped) == ["2"]
    whole = np.concatenate([pixels(file, 0) for file in files], axis=1)
    np.testing.assert_array_equal(read(published, "1"), whole)


@pytest.mark.long
def test_the_command_says_which_overviews_are_left_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = [str(file) for file in tiles_with_overviews(tmp_path, [2], [2])]
    assert main(["publish", *files, "--to", str(tmp_path / "cube"), "--concat", "y,x"]) == 0
    assert "overview left out because it does not fit: 1: " in capfd.readouterr().err


# ----------------------------------------------------------------------------- nodata


@pytest.mark.parametrize(
    ("dtype", "number", "words"),
    [
        ("uint8", 300, "nodata=300 is no number of the files' data type uint8"),
        ("uint8", 0.5, r"nodata=0\.5 is no number"),
        ("int16", float("nan"), "nodata=nan is no number"),
        ("complex64", 0, r"nodata cannot be given for complex numbers \(complex64\)"),
    ],
)
def test_a_nodata_that_the_data_type_does_not_have(
    dtype: str, number: float, words: str, tmp_path: Path
) -> None:
    path = scene(tmp_path / "a.tif", dtype=dtype)
    with pytest.raises(ValueError, match=words):
        publish([path], "memory://", concat="y,x", nodata=number)


@pytest.mark.parametrize(
    ("dtype", "number"), [("uint8", 255), ("float32", float("nan")), ("float64", -9999.5)]
)
def test_a_nodata_is_what_holes_read(dtype: str, number: float, tmp_path: Path) -> None:
    places = [(500_000, 4_650_000), (500_320, 4_649_680)]
    files = [
        scene(tmp_path / f"{n}.tif", n, shape=(32, 32), at=at, dtype=dtype)
        for n, at in enumerate(places)
    ]
    published = publish(files, "memory://", concat="y,x", nodata=number)
    image = read(published)
    np.testing.assert_array_equal(image[:32, 32:], np.full((32, 32), number, dtype))
    np.testing.assert_array_equal(image[32:, 32:], pixels(files[1]))


@pytest.mark.long
def test_an_append_keeps_a_nodata_that_json_lacks(tmp_path: Path) -> None:
    places = [(500_000, 4_650_000), (500_320, 4_649_680)]
    files = [
        scene(tmp_path / f"{n}.tif", n, shape=(32, 32), at=at, dtype="float32")
        for n, at in enumerate(places)
    ]
    publish(files[0], tmp_path / "cube", concat="y,x", nodata=float("nan"))
    image = read(publish(files, tmp_path / "cube", concat="y,x", append=True))
    assert np.isnan(image[:32, 32:]).all()
    np.testing.assert_array_equal(image[32:, 32:], pixels(files[1]))
