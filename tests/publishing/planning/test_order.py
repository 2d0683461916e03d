"""`order` says which of two overlapping files is shown, and where files without coordinates go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr
from rasterio.merge import merge as rasterio_merge

from support.scenes import pixels, read, scene
from virtual_tiff import open_published
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import publish

CLOUDS = {"a": 60.5, "b": 7, "c": 30}


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def swaths(folder: Path) -> dict[str, Path]:
    """Three files of 64 pixels that overlap by one block of 32."""
    return {
        name: scene(
            folder / f"{name}.tif", i, shape=(64, 64), at=(500_000 + 320 * i, 4_650_000), nodata=0
        )
        for i, name in enumerate(CLOUDS)
    }


def items(folder: Path, files: dict[str, Path]) -> Path:
    features = [
        {
            "type": "Feature",
            "id": name,
            "properties": {"datetime": "2023-01-01T10:00:00Z", "eo:cloud_cover": CLOUDS[name]},
            "assets": {"data": {"href": str(path), "type": "image/tiff"}},
        }
        for name, path in files.items()
    ]
    (folder / "items.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": features})
    )
    return folder / "items.json"


@pytest.mark.parametrize("overlap", ["first", "last"])
@pytest.mark.parametrize("concat", ["y,x", "time,y,x"])
def test_the_least_cloudy_scene_is_shown(overlap: Any, concat: str, tmp_path: Path) -> None:
    files = swaths(tmp_path / "in")
    published = publish(
        items(tmp_path, files),
        "memory://",
        concat=concat,
        assets="data",
        order="eo:cloud_cover",
        overlap=overlap,
    )
    in_order = [files[name] for name in sorted(CLOUDS, key=CLOUDS.__getitem__)]
    expected, _ = rasterio_merge(in_order, method=overlap)
    found = read(published)
    np.testing.assert_array_equal(found if concat == "y,x" else found[0], expected[0])


@pytest.mark.parametrize("reverse", [False, True])
def test_the_order_of_sources_is_the_default(reverse: bool, tmp_path: Path) -> None:
    files = list(swaths(tmp_path).values())[:: -1 if reverse else 1]
    published = publish(files, "memory://", concat="y,x", overlap="first")
    expected, _ = rasterio_merge(files, method="first")
    np.testing.assert_array_equal(read(published), expected[0])


def test_the_command_and_a_table(tmp_path: Path) -> None:
    files = swaths(tmp_path / "in")
    lines = [f"{path},{CLOUDS[name]}" for name, path in files.items()]
    (tmp_path / "clouds.csv").write_text("\n".join(["url,order", *lines]))
    command = ["publish", f"{tmp_path}/in", "--to", f"{tmp_path}/cube", "--quiet", "--no-cache"]
    command += ["--variable-name", "0"]
    command += ["--concat", "y,x", "--overlap", "first", "--order", f"{tmp_path}/clouds.csv"]
    assert main(command) == 0
    in_order = [files[name] for name in sorted(CLOUDS, key=CLOUDS.__getitem__)]
    expected, _ = rasterio_merge(in_order, method="first")
    group: Any = zarr.open_group(open_published(tmp_path / "cube"), mode="r")
    np.testing.assert_array_equal(group["0"][...], expected[0])


def test_a_stack_without_coordinates_has_the_order(tmp_path: Path) -> None:
    files = {name: scene(tmp_path / f"{name}.tif", i) for i, name in enumerate(CLOUDS)}
    order = {str(path): CLOUDS[name] for name, path in files.items()}
    array = read(publish(list(files.values()), "memory://", concat="n", order=order))
    for position, name in enumerate(sorted(CLOUDS, key=CLOUDS.__getitem__)):
        np.testing.assert_array_equal(array[position], pixels(files[name]))
