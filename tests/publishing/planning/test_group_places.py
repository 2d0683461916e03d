"""Groups say where their images lie, so that map clients open them by their attributes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile

from support.scenes import dated, group_of, scene
from virtual_tiff.publishing import publish
from virtual_tiff.publishing.removal import remove

NAMES = ("proj:code", "spatial:dimensions", "spatial:bbox")


def place(group: Any) -> dict[str, Any]:
    return {name: group.attrs[name] for name in NAMES if name in group.attrs}


def expected(*paths: Path) -> dict[str, Any]:
    """What rasterio says of files beside one another."""
    bounds = []
    for path in paths:
        with rasterio.open(path) as dataset:
            bounds.append(dataset.bounds)
            code = dataset.crs.to_string()
    low, high = np.min(bounds, axis=0), np.max(bounds, axis=0)
    box = [*low[:2].tolist(), *high[2:].tolist()]
    return {"proj:code": code, "spatial:dimensions": ["y", "x"], "spatial:bbox": box}


def test_a_stack_at_several_resolutions(tmp_path: Path) -> None:
    path = dated(tmp_path / "a.tif", "2023-01-01", shape=(65, 97))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    root = group_of(publish([path], "memory://", concat="time"))
    assert place(root) == expected(path)
    names = [entry["name"] for entry in root.attrs["zarr_conventions"]]
    assert names == ["spatial", "spatial:", "proj", "proj:"]


@pytest.mark.long
def test_groups_of_variables_and_of_files(tmp_path: Path) -> None:
    paths = [dated(tmp_path / f"{band}_1.tif", "2023-01-01") for band in ("B02", "B03")]
    options: Any = {"concat": "time", "variable": r"(B\d\d)"}
    bands = group_of(publish(paths, "memory://", layout="group per variable", **options))
    assert place(bands) == {}
    assert place(bands["B02"]) == place(bands["B03"]) == expected(paths[0])
    assert place(group_of(publish(paths, "memory://", **options))) == expected(paths[0])
    files = group_of(publish(paths, "memory://"))
    assert place(files) == {}
    assert place(files["B02_1"]) == expected(paths[0])


@pytest.mark.long
def test_the_box_of_a_mosaic_follows_its_tiles(tmp_path: Path) -> None:
    west = scene(tmp_path / "west.tif")
    east = scene(tmp_path / "east.tif", at=(500_960, 4_650_000))
    target = tmp_path / "cube"
    assert place(group_of(publish([west], target, concat="y,x"))) == expected(west)
    grown = publish([east], target, concat="y,x", append=True)
    assert place(group_of(grown)) == expected(west, east)
    left: Any = remove([str(west)], target)
    assert place(group_of(left)) == expected(east)


@pytest.mark.long
def test_a_pyramid_says_it_once(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif", shape=(64, 96))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
    root: Any = group_of(publish([path], "memory://", ifd_layout="pyramid"))["a"]
    assert place(root) == expected(path)
    assert place(root["0"]) == place(root["1"]) == {}


@pytest.mark.parametrize("second", ["elsewhere", "without a place"])
def test_images_at_two_places_say_it_for_themselves(second: str, tmp_path: Path) -> None:
    tags = [(33550, "d", 3, (10.0, 10.0, 0.0)), (33922, "d", 6, (0.0, 0.0, 0.0, 0.0, 900.0, 0.0))]
    moved = [tags[0], (33922, "d", 6, (0.0, 0.0, 0.0, 5e6, 900.0, 0.0))]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for number, extra in enumerate((tags, moved if second == "elsewhere" else ())):
            writer.write(np.zeros((32, 32 + 16 * number), "u1"), extratags=extra)
    root: Any = group_of(publish([tmp_path / "a.tif"], "memory://"))["a"]
    assert place(root) == {}
    assert "spatial:bbox" in root["0"].attrs
