"""The printed lines give arrays in the order that rioxarray and rio-tiler demand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rioxarray  # noqa: F401 (registers ds.rio)
import zarr

from support.scenes import dated, pixels
from virtual_tiff.publishing import publish

RGB: dict[str, Any] = {
    "shape": (3, 64, 96),
    "dtype": "uint8",
    "compress": "zstd",
    "interleave": "pixel",
}


def opened(lines: str) -> Any:
    names: dict[str, Any] = {}
    with zarr.config.set({}):
        exec(lines, names)
    return names


@pytest.mark.long
@pytest.mark.parametrize("options", [{"portable": True}, {"samples": "stored"}])
def test_samples_that_are_stored_last_come_first(options: Any, tmp_path: Path) -> None:
    path = dated(tmp_path / "a.tif", "2023-01-01", **RGB)
    target = tmp_path / "cube"
    done = publish([path], target, concat="time", time="tag", **options)
    ds = opened(done.how_to_open)["ds"]
    assert ds["0"].dims == ("band", "time", "y", "x")
    one = ds["0"].isel(time=0)
    assert one.rio.crs.to_epsg() == 32633
    assert one.rio.reproject("EPSG:4326").sizes["band"] == 3
    np.testing.assert_array_equal(one.values, pixels(path))
    again = publish([path], target, time="tag", append=True, **options)
    assert again.how_to_open == done.how_to_open
    tree = opened(publish([path], tmp_path / "groups", **options).how_to_open)["tree"]
    assert tree["a/0"].dims == ("band", "y", "x")


def test_other_cubes_are_opened_as_they_are(tmp_path: Path) -> None:
    path = dated(tmp_path / "a.tif", "2023-01-01", **RGB)
    assert "transpose" not in publish([path], "memory://").how_to_open
    gray = dated(tmp_path / "b.tif", "2023-01-01", compress="zstd")
    assert "transpose" not in publish([gray], "memory://", portable=True).how_to_open
