"""Tiles of one grid are one image: what GDAL reads from a VRT of the same files.

`support/grids.py` makes the archives, writes the VRT, and decides whether chunks can say it.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine
from rasterio.windows import Window

from support.archives import BASE, Recipe, write
from support.grid_judge import (
    RECTILINEAR,
    assert_is_vrt,
    base,
    chunk_grid,
    published,
    strips,
)
from support.grids import Overlap, Placed, plane_of, said, tiles, vrt_pixels
from support.scenes import group_of
from support.scripts import load_script
from virtual_tiff.publishing import PublishError, publish

pytestmark = pytest.mark.usefixtures("rectilinear")

GRIDS = int(os.environ.get("VIRTUAL_TIFF_GRIDS", "40"))
"""How many random grids are tried."""


# ------------------------------------------------------------------------- the reference


@pytest.mark.parametrize("turn", [0, 30, 90])
def test_gdal_reads_what_numpy_places(turn: float, tmp_path: Path) -> None:
    """The VRT of the reference, also of rotated tiles: pixels at places computed by hand."""
    recipe = base(31, 16, bands=2, transform=BASE @ Affine.rotation(turn))
    recipes = tiles(recipe, spacing=(29, 30), without=[(0, 1)])
    paths = [write(each, tmp_path) for each in recipes]
    expected = np.zeros((2, 60, 61), "u2")
    for path, (row, column) in zip(paths, [(0, 0), (29, 0), (29, 30)], strict=True):
        with rasterio.open(path) as file:
            expected[:, row : row + 31, column : column + 31] = file.read()
    np.testing.assert_array_equal(vrt_pixels(paths), expected)
    corner = recipe.transform @ (61, 60)
    assert np.allclose(plane_of(paths).transform @ (61, 60), corner)


@pytest.mark.parametrize(
    ("starts", "side", "block", "overlap", "rectilinear", "regular"),
    [
        ([(0, 0), (0, 32)], 32, 16, "error", True, True),
        ([(0, 0), (0, 30)], 30, 16, "error", True, False),
        ([(0, 0), (0, 30)], 31, 16, "last", True, False),
        ([(0, 30), (0, 0)], 31, 16, "first", True, False),
        ([(0, 0), (0, 30)], 31, 16, "first", False, False),  # 15 pixels from the first or second
        ([(0, 0), (0, 30)], 31, 20, "first", True, False),
        ([(0, 0), (0, 16)], 32, 16, "first", True, True),  # but not if it is a whole block
        ([(0, 0), (0, 30), (30, 0)], 31, 16, "last", False, False),  # a tile is missing
        ([(0, 30), (30, 0), (30, 30)], 31, 16, "last", True, False),
        ([(0, 0), (30, 7)], 30, 16, "error", False, False),
    ],
)
def test_what_chunks_can_say(
    starts: list[tuple[int, int]],
    side: int,
    block: int,
    overlap: Overlap,
    rectilinear: bool,
    regular: bool,
) -> None:
    files = [
        Placed(start=start, shape=(side, side), block=(block, block), tiled=True)
        for start in starts
    ]
    can = said(files, overlap=overlap)
    assert (can.rectilinear, can.regular) == (rectilinear, regular), can.why


# ------------------------------------------------------------------- tiles of elevation

FLOAT = {"dtype": "float32"}

DEM: dict[str, Recipe] = {
    "blocks of 64": base(),
    "blocks of 16": base(block=16),
    "blocks of 32": base(block=32),
    "one block of 512": base(block=512),
    "blocks of 512 by 128": base(options={"blockxsize": 512, "blockysize": 128}),
    "strips of 7": strips(360, 7),
    "strips of 7, zstd": strips(360, 7, "zstd"),
    "strips of 8": strips(360, 8),
    "one strip": strips(360, 360),
    "strips of 7, uncompressed": strips(360, 7, None),
    "blocks of 64, uncompressed": base(options={"compress": None}),
    "float32, predictor 3": base(**FLOAT, options={"predictor": 3}),
    "float32, strips of 7, predictor 3": strips(360, 7, **FLOAT).with_options(predictor=3),
    "int16, lzw, predictor 2": base(dtype="int16", options={"compress": "lzw", "predictor": 2}),
    "uint8, packbits": base(dtype="uint8", options={"compress": "packbits"}),
    "float64, lzma": base(dtype="float64", options={"compress": "lzma"}),
    "int32, big-endian": base(dtype="int32", options={"endianness": "BIG"}),
    "BigTIFF": base(options={"bigtiff": "YES"}),
    "3 bands, pixel": base(bands=3, options={"interleave": "pixel"}),
    "3 bands, band": base(bands=3, options={"interleave": "band"}),
    "3 bands, pixel, strips of 7, predictor 2": strips(360, 7, bands=3).with_options(
        interleave="pixel", predictor=2
    ),
    "3 bands, band, strips of 7": strips(360, 7, bands=3).with_options(interleave="band"),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", DEM)
def test_tiles_of_360_pixels_are_one_image(kind: str, tmp_path: Path) -> None:
    recipes = tiles(replace(DEM[kind], seed=1))
    result, paths = published(tmp_path, recipes, overlap="error")
    assert_is_vrt(result, paths)


@pytest.mark.long
@pytest.mark.parametrize("kind", DEM)
def test_tiles_of_361_pixels_share_one_row_and_column(kind: str, tmp_path: Path) -> None:
    recipe = replace(DEM[kind], shape=(361, 361), seed=2)
    result, paths = published(tmp_path, tiles(recipe, spacing=(360, 360)), overlap="last")
    assert_is_vrt(result, paths)


@pytest.mark.long
@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("kind", ["blocks of 64", "strips of 7", "strips of 7, uncompressed"])
def test_the_first_tile_wins(kind: str, step: int, tmp_path: Path) -> None:
    recipe = replace(DEM[kind], shape=(361, 361), seed=3)
    recipes = tiles(recipe, spacing=(360, 360))[::step]
    result, paths = published(tmp_path, recipes, overlap="first")
    assert_is_vrt(result, paths, overlap="first")
    assert not np.array_equal(vrt_pixels(paths, overlap="first"), vrt_pixels(paths))


def test_overlapping_tiles_need_an_order(tmp_path: Path) -> None:
    recipes = tiles(base(361), spacing=(360, 360))
    with pytest.raises(PublishError, match="overlap"):
        published(tmp_path, recipes)


@pytest.mark.long
@pytest.mark.parametrize("side", [360, 361])
def test_tiles_that_gdal_writes_as_cog(side: int, tmp_path: Path) -> None:
    recipes = tiles(base(side, options={"tiled": None}), spacing=(360, 360))
    plain = [write(recipe, tmp_path / "plain") for recipe in recipes]
    paths = []
    for path in plain:
        paths.append(tmp_path / path.name)
        rasterio.shutil.copy(path, paths[-1], driver="COG", blocksize=128, compress="deflate")
    result = publish(
        paths, tmp_path / "cube", concat=("y", "x"), grid="rectilinear", overlap="last"
    )
    assert_is_vrt(result, paths)


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        {"compress": "jpeg"},
        {"compress": "jpeg", "photometric": "ycbcr", "interleave": "pixel"},
        {"compress": "webp", "webp_lossless": True, "interleave": "pixel"},
        {"compress": "lerc", "max_z_error": 0},
        {"compress": "lerc_zstd", "max_z_error": 0},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_blocks_of_images_are_cropped(options: dict[str, Any], tmp_path: Path) -> None:
    bands = 3 if "interleave" in options else 1
    recipe = base(141, dtype="uint8", bands=bands, options=options)
    result, paths = published(tmp_path, tiles(recipe, spacing=(140, 140)), overlap="last")
    assert_is_vrt(result, paths, atol=2 if options["compress"] == "jpeg" else 0)


# ------------------------------------------------------- where tiles are, and where none is

PLACES: dict[str, Affine] = {
    "north up": BASE,
    "south up": Affine(10, 0, 500_000, 0, 10, 4_650_000),
    "east to west": Affine(-10, 0, 500_000, 0, -10, 4_650_000),
    "rotated by 30 degrees": BASE @ Affine.rotation(30),
    "rotated by 90 degrees": BASE @ Affine.rotation(90),
    "rotated by 180 degrees": BASE @ Affine.rotation(180),
    "sheared": BASE @ Affine.shear(10, 0),
    "a third of a degree": Affine(1 / 3, 0, -10, 0, -1 / 3, 60),
}


@pytest.mark.long
@pytest.mark.parametrize("side", [90, 91])
@pytest.mark.parametrize("place", PLACES)
def test_tiles_of_every_orientation(place: str, side: int, tmp_path: Path) -> None:
    recipe = base(side, 32, transform=PLACES[place], seed=4)
    result, paths = published(tmp_path, tiles(recipe, spacing=(90, 90)), overlap="last")
    assert_is_vrt(result, paths)


def test_tiles_of_points(tmp_path: Path) -> None:
    recipe = base(91, 32, tags=(("AREA_OR_POINT", "Point"),), seed=5)
    result, paths = published(tmp_path, tiles(recipe, spacing=(90, 90)), overlap="last")
    with rasterio.open(paths[0]) as file:
        assert file.tags()["AREA_OR_POINT"] == "Point"
    assert_is_vrt(result, paths)


@pytest.mark.long
@pytest.mark.parametrize("rows", [None, 7, 8])
def test_tiles_of_sentinel_2(rows: int | None, tmp_path: Path) -> None:
    """10,980 pixels at a spacing of 10,000, a twentieth of them."""
    recipe = base(549, seed=6) if rows is None else strips(549, rows, seed=6)
    recipes = tiles(recipe, spacing=(500, 500))
    result, paths = published(tmp_path, recipes, overlap="last")
    assert_is_vrt(result, paths)


@pytest.mark.long
@pytest.mark.parametrize(
    ("spacing", "without"),
    [
        ((90, 90), [(0, 0)]),
        ((90, 90), [(0, 1), (2, 2), (1, 0)]),
        ((100, 137), []),
        ((100, 90), [(1, 1)]),
        ((900, 700), [(0, 1), (1, 0), (2, 2)]),
    ],
)
def test_gaps_are_nodata(
    spacing: tuple[int, int], without: list[tuple[int, int]], tmp_path: Path
) -> None:
    recipes = tiles(base(90, 32, seed=7), count=(3, 3), spacing=spacing, without=without)
    result, paths = published(tmp_path, recipes)
    assert_is_vrt(result, paths)


def test_a_gap_costs_no_reference(tmp_path: Path) -> None:
    whole, _ = published(tmp_path / "whole", tiles(base(90, 32)))
    holed, _ = published(tmp_path / "holed", tiles(base(90, 32), without=[(1, 1)]))
    assert (whole.references, holed.references) == (36, 27)


def test_a_missing_tile_whose_neighbour_reaches_farther_is_refused(tmp_path: Path) -> None:
    """GDAL shows the neighbour's last column there, which no edge that both rows share can."""
    recipes = tiles(base(91, 32), spacing=(90, 90), without=[(1, 1)])
    with pytest.raises(PublishError) as refusal:
        published(tmp_path, recipes, overlap="last")
    assert len(str(refusal.value)) < 500


@pytest.mark.long
@pytest.mark.parametrize(("shape", "block"), [((3601, 3601), 512), ((10_980, 10_980), 1024)])
def test_tiles_of_their_real_size(shape: tuple[int, int], block: int, tmp_path: Path) -> None:
    """Sparse files that hold the blocks at their corners alone; windows around the seam."""
    spacing = 3600 if shape[0] == 3601 else 10_000
    recipe = replace(base(block=block), shape=shape)
    paths = [_sparse(tmp_path / r.name, r) for r in tiles(recipe, spacing=(spacing, spacing))]
    result = publish(
        paths, tmp_path / "cube", concat=("y", "x"), grid="rectilinear", overlap="last"
    )
    plane = plane_of(paths)
    array: Any = group_of(result)["0"]
    assert array.shape == plane.shape == (spacing + shape[0],) * 2
    near = slice(spacing - 60, spacing + 1040)
    corner = replace(plane, starts=tuple((y - near.start, x - near.start) for y, x in plane.starts))
    window = replace(corner, shape=(1100, 1100))
    expected = vrt_pixels(paths, plane=window)[0]
    assert np.count_nonzero(expected) >= 40_000
    np.testing.assert_array_equal(array[near, near], expected)


def _sparse(path: Path, recipe: Recipe) -> Path:
    """Write the corners of a tile, and no other block."""
    transform = BASE @ Affine.translation(*recipe.shift)
    length, width = recipe.shape
    profile = {"height": length, "width": width, "count": 1, "dtype": "uint16", "nodata": 0}
    profile |= {"crs": "EPSG:32633", "transform": transform, "sparse_ok": True}
    size = 200
    with rasterio.open(path, "w", driver="GTiff", **profile, **dict(recipe.options)) as file:
        for row, column in ((0, 0), (0, width - size), (length - size, 0), (length - size,) * 2):
            values = np.random.default_rng([recipe.seed, row, column]).integers(1, 999, (size,) * 2)
            file.write(values.astype("u2"), 1, window=Window(column, row, size, size))
    return path


# ----------------------------------------------------------------------- other parts of files


@pytest.mark.long
def test_overviews_are_images_of_the_whole(tmp_path: Path) -> None:
    recipes = tiles(base(360, 64, overviews=(2, 4), seed=8))
    result, paths = published(tmp_path, recipes)
    for path, level in (("0", None), ("1", 0), ("2", 1)):
        assert_is_vrt(result, paths, level=level, path=path)


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "pyramid"])
def test_overviews_that_leave_the_grid_are_dropped_one_by_one(layout: str, tmp_path: Path) -> None:
    """Sentinel-2's fourth: 1,373 pixels, of which 1,372.5 would fit; here it is the second."""
    recipes = tiles(base(1098, 128, overviews=(2, 4), seed=9), spacing=(1000, 1000))
    result, paths = published(tmp_path, recipes, overlap="last", ifd_layout=layout)
    names = {"flat": ("0", "1"), "pyramid": ("0/image", "1/image")}[layout]
    for path, level in zip(names, (None, 0), strict=True):
        assert_is_vrt(result, paths, level=level, path=path)
    images = {array.path for array in result.arrays}
    assert images == set(names)
    if layout == "pyramid":
        levels = group_of(result).attrs.asdict()["multiscales"]["layout"]
        assert [level["asset"] for level in levels] == ["0", "1"]


@pytest.mark.long
def test_a_pyramid_of_the_whole(tmp_path: Path) -> None:
    recipes = tiles(base(360, 64, overviews=(2, 4), mask=3, seed=10))
    result, paths = published(tmp_path, recipes, ifd_layout="pyramid")
    for path, level in (("0/image", None), ("1/image", 0), ("2/image", 1)):
        assert_is_vrt(result, paths, level=level, path=path)
    root = group_of(result).attrs.asdict()
    plane = plane_of(paths)
    assert np.allclose(root["spatial:bbox"], plane.bounds)
    shapes = [level["spatial:shape"] for level in root["multiscales"]["layout"]]
    assert shapes == [[720, 720], [360, 360], [180, 180]]


@pytest.mark.long
@pytest.mark.parametrize("side", [360, 361])
def test_masks_are_masks_of_the_whole(side: int, tmp_path: Path) -> None:
    recipe = base(side, mask=4, seed=11)
    recipes = tiles(replace(recipe, nodata=None), spacing=(360, 360))
    result, paths = published(tmp_path, recipes, overlap="last")
    assert_is_vrt(result, paths)
    mask: Any = group_of(result)["1"]
    np.testing.assert_array_equal(mask[...] != 0, vrt_pixels(paths, mask=True)[0] != 0)


# ------------------------------------------------------------------------ which chunk grid


def test_auto_takes_a_regular_grid_where_it_can(tmp_path: Path) -> None:
    result, paths = published(tmp_path, tiles(base(128, 64)), grid="auto")
    assert chunk_grid(result) == "regular"
    assert_is_vrt(result, paths)


def test_auto_says_how_to_ask_for_a_rectilinear_grid(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="rectilinear") as refusal:
        published(tmp_path, tiles(base(90, 64)), grid="auto")
    assert "array.rectilinear_chunks" in str(refusal.value)


def test_a_reader_sets_what_how_to_open_says(tmp_path: Path) -> None:
    result, paths = published(tmp_path, tiles(base(90, 64)))
    assert chunk_grid(result) == "rectilinear"
    with zarr.config.set({"array.rectilinear_chunks": False}):
        names: dict[str, Any] = {}
        exec(result.how_to_open, names)
        opened = [value for value in names.values() if isinstance(value, xr.Dataset)]
        np.testing.assert_array_equal(opened[0]["0"].fillna(0).values, vrt_pixels(paths)[0])


def test_dask_and_a_copy(tmp_path: Path) -> None:
    result, paths = published(tmp_path, tiles(base(91, 64), spacing=(90, 90)), overlap="last")
    expected = vrt_pixels(paths)[0]
    store = result.repository.readonly_session("main").store
    lazy = xr.open_zarr(store, consolidated=False, chunks={}, mask_and_scale=False)
    assert lazy["0"].chunks == ((64, 26, 64, 27), (64, 26, 64, 27))
    np.testing.assert_array_equal(lazy["0"].compute().values, expected)
    whole = lazy.drop_encoding().chunk(y=64, x=64)  # xarray writes chunks of one size only
    whole.to_zarr(tmp_path / "copy.zarr", consolidated=False)
    copy = xr.open_zarr(tmp_path / "copy.zarr", consolidated=False, mask_and_scale=False)
    np.testing.assert_array_equal(copy["0"].values, expected)


# ---------------------------------------------------------------------------- many tiles


@pytest.mark.long
@pytest.mark.parametrize("overlap", [False, True])
def test_a_hundredth_of_a_global_elevation_model(overlap: bool, tmp_path: Path) -> None:
    """`benchmarks/grid.py` measures the whole: a million tiles."""
    figures = load_script("grid", "benchmarks").measure(
        tmp_path, 72, 144, overlap=overlap, split=True
    )
    assert figures.correct
    assert figures.references == 72 * 144
    assert figures.metadata < 4000  # lengths that repeat are written once
    repository = icechunk.Repository.open(
        icechunk.local_filesystem_storage(str(tmp_path / "global"))
    )
    (last, *_) = repository.ancestry(branch="main")
    manifests = [file.num_chunk_refs for file in repository.list_manifest_files(last.id)]
    assert max(manifests) <= 128 * 128


# -------------------------------------------------------------------------- random grids


@st.composite
def random_grids(draw: st.DrawFn) -> tuple[list[Recipe], Overlap, str]:
    """Tiles of one or several sizes on a lattice, some off it, some missing, in any order."""
    tiled = draw(st.sampled_from([True, True, False]))
    down, across = draw(st.sampled_from([(16, 16), (16, 32), (32, 16)]))
    rows = draw(st.integers(1, 12))
    compress = draw(st.sampled_from(["deflate", "zstd", None]))
    options: dict[str, Any] = {"compress": compress} if compress else {}
    bands = draw(st.sampled_from([1, 1, 1, 3]))
    if bands > 1:
        options["interleave"] = draw(st.sampled_from(["pixel", "band"]))
    options |= (
        {"tiled": True, "blockysize": down, "blockxsize": across} if tiled else {"blockysize": rows}
    )
    count = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    shape = draw(st.tuples(st.integers(4, 50), st.integers(4, 50)))
    beyond = draw(st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
    if draw(st.booleans()):
        beyond = (0, 0)
    spacing = (max(1, shape[0] + beyond[0]), max(1, shape[1] + beyond[1]))
    if draw(st.booleans()):  # tiles that are whole numbers of blocks
        shape = (down * draw(st.integers(1, 3)), across * draw(st.integers(1, 3)))
        spacing = shape
    transform = draw(st.sampled_from([BASE, BASE, PLACES["south up"], PLACES["sheared"]]))
    recipe = Recipe(
        name="",
        day=dt.date(2024, 1, 1),
        shape=shape,
        bands=bands,
        dtype=draw(st.sampled_from(["uint8", "uint16", "float32"])),
        nodata=draw(st.sampled_from([0, None])),
        transform=transform,
        options=tuple(options.items()),
        seed=draw(st.integers(0, 99)),
    )
    recipes = tiles(recipe, count=count, spacing=spacing)
    for n in draw(st.sets(st.integers(0, len(recipes) - 1), max_size=2)):
        changed = draw(st.sampled_from(["missing", "smaller", "moved", "other blocks"]))
        if changed == "missing":
            recipes[n] = replace(recipes[n], missing=True)
        elif changed == "smaller":
            size = draw(st.tuples(st.integers(1, shape[0]), st.integers(1, shape[1])))
            recipes[n] = replace(recipes[n], shape=size)
        elif changed == "moved":
            x, y = recipes[n].shift
            off = draw(st.tuples(st.integers(-4, 4), st.integers(-4, 4)))
            recipes[n] = replace(recipes[n], shift=(x + off[0], y + off[1]))
        elif tiled:
            recipes[n] = recipes[n].with_options(blockysize=across, blockxsize=down)
    recipes = [recipe for recipe in recipes if not recipe.missing] or recipes[:1]
    recipes = [replace(recipe, missing=False) for recipe in draw(st.permutations(recipes))]
    overlap = draw(st.sampled_from(["last", "last", "first", "error"]))
    return recipes, overlap, draw(st.sampled_from(["rectilinear", "rectilinear", "auto"]))


@pytest.mark.long
@settings(
    max_examples=GRIDS,
    deadline=None,
    derandomize=GRIDS == 40,
    suppress_health_check=list(HealthCheck),
)
@given(random_grids())
def test_random_grids_are_right_or_refused_for_a_reason(
    archive: tuple[list[Recipe], Overlap, str],
) -> None:
    recipes, overlap, grid = archive
    with zarr.config.set(RECTILINEAR), tempfile.TemporaryDirectory() as folder:
        paths = [write(recipe, Path(folder)) for recipe in recipes]
        can = said(placed(paths), overlap=overlap)
        refused = can.overlap if overlap == "error" else False
        refused |= not can.rectilinear if grid == "rectilinear" else not can.regular
        result, error = None, ""
        try:
            result = publish(paths, "memory://", concat=("y", "x"), grid=grid, overlap=overlap)
        except PublishError as refusal:
            error = str(refusal)
        if result is None:
            assert refused or can.cut, f"{error}\ncould be said"
            assert len(error) < 1000, error
            if grid == "auto" and can.rectilinear and not (can.overlap or can.cut):
                assert "rectilinear" in error
            return
        assert not refused, f"published, but {can.why or 'an overlap, or no regular grid'}"
        assert (chunk_grid(result) == "regular") or grid == "rectilinear"
        assert_is_vrt(result, paths, overlap=overlap)


def placed(paths: Sequence[Path]) -> list[Placed]:
    """Where files and their blocks lie, as GDAL says."""
    files = []
    for path, start in zip(paths, plane_of(paths).starts, strict=True):
        with rasterio.open(path) as file:
            block, shape = file.block_shapes[0], file.shape
            tiled, packed = file.profile["tiled"], file.compression is not None
        block = block if packed or tiled else shape  # strips in a run become one chunk
        files.append(Placed(start=start, shape=shape, block=block, tiled=tiled))
    return files
