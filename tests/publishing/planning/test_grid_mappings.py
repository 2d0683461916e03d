"""One grid mapping for all sizes of an image in a cube."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401 (the accessor)
import pytest
import rasterio
import rioxarray  # noqa: F401 (the accessor)
import xarray as xr
from rasterio.transform import Affine, from_origin

from support.cubes import in_the_form_of_before
from virtual_tiff import open_published, publish
from virtual_tiff.publishing import Published, remove

SIZE = 128
CORNER = (500_000.0, 4_600_000.0)
NORTH_UP = from_origin(*CORNER, 10, 10)


def cog(path: Path, seed: int, transform: Affine = NORTH_UP) -> Path:
    """Write an image of tiles with an overview."""
    values = np.random.default_rng(seed).integers(1, 200, (1, SIZE, SIZE)).astype("u2")
    profile: dict[str, Any] = {"width": SIZE, "height": SIZE, "count": 1, "dtype": "uint16"}
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:32632", transform=transform, **tiles, **profile
    ) as file:
        file.write(values)
    with rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=64), rasterio.open(path, "r+") as file:
        file.build_overviews([2])
    return path


def opened(published: Published, group: str | None = None) -> Any:
    store = published.repository.readonly_session("main").store
    return xr.open_zarr(store, group=group, consolidated=False, chunks=None)


def check(dataset: Any, path: Path) -> None:
    """Compare CRS and transform of both sizes with those that GDAL says."""
    assert [name for name in dataset.variables if name.startswith("spatial")] == ["spatial_ref"]
    for name, options in (("0", {}), ("1", {"overview_level": 0})):
        with rasterio.open(path, **options) as file:
            assert dataset.rio.crs == dataset[name].rio.crs == file.crs
            assert dataset[name].rio.transform() == file.transform
            assert dataset[name].odc.geobox.affine == file.transform


def test_a_group_for_each_file(tmp_path: Path) -> None:
    path = cog(tmp_path / "a.tif", 0)
    check(opened(publish(path, "memory://"), "a"), path)


@pytest.mark.long
def test_a_stack_and_what_is_appended_to_it(tmp_path: Path) -> None:
    paths = [cog(tmp_path / f"{n}.tif", n) for n in (1, 3, 2)]
    cube = tmp_path / "cube"
    options: dict[str, Any] = {"concat": "n", "values": r"/(\d)\.tif", "append": True}
    for count in (1, 2, 3):  # the second at the end, the third in between
        dataset = opened(publish(paths[:count], cube, **options))
        check(dataset, paths[0])
        assert dataset.sizes["n"] == count
    expected = [rasterio.open(paths[n]).read(1) for n in (0, 2, 1)]
    np.testing.assert_array_equal(dataset["0"], expected)
    remove([paths[1]], cube)
    check(xr.open_zarr(open_published(cube), consolidated=False, chunks=None), paths[0])


@pytest.mark.long
def test_tiles_of_one_image(tmp_path: Path) -> None:
    paths = []
    for n in (0, 1):
        corner = CORNER[0] + 10 * SIZE * n
        paths.append(cog(tmp_path / f"{n}.tif", n, from_origin(corner, CORNER[1], 10, 10)))
    cube = tmp_path / "cube"
    for count in (1, 2):
        dataset = opened(publish(paths[:count], cube, concat="y,x", append=True))
        check(dataset, paths[0])
        assert dataset.sizes["x"] == SIZE * count


def test_images_without_coordinates_keep_their_own(tmp_path: Path) -> None:
    """A rotated transform stands in the grid mapping alone."""
    rotated = Affine.translation(*CORNER) * Affine.rotation(30) * Affine.scale(10, -10)
    path = cog(tmp_path / "a.tif", 0, rotated)
    dataset = opened(publish(path, "memory://"), "a")
    for name, options in (("0", {}), ("1", {"overview_level": 0})):
        with rasterio.open(path, **options) as file:
            found = dataset[name].rio.transform()
            assert found.almost_equals(file.transform)


@pytest.mark.long
def test_a_repository_of_before_stays_as_it_is(tmp_path: Path) -> None:
    paths = [cog(tmp_path / f"{n}.tif", n) for n in (1, 2)]
    cube = tmp_path / "cube"
    options: dict[str, Any] = {"concat": "n", "values": r"/(\d)\.tif", "append": True}
    with in_the_form_of_before(one_grid_mapping=False):
        publish(paths[:1], cube, **options)
    dataset = opened(publish(paths, cube, **options))
    assert {"spatial_ref", "spatial_ref_1"} <= set(dataset.variables)
    for name, level in (("0", None), ("1", 0)):
        more = {} if level is None else {"overview_level": level}
        with rasterio.open(paths[0], **more) as file:
            assert dataset[name].rio.transform() == file.transform
