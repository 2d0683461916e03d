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
import zarr
from affine import Affine

from virtual_tiff import open_published
from virtual_tiff.publishing import PublishError, publish


@pytest.fixture(autouse=True)
def _rectilinear() -> Any:
    with zarr.config.set({"array.rectilinear_chunks": True}):
        yield


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
