"""STAC items to a stack: their times and assets say where each file goes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr

from support.scenes import scene
from virtual_tiff.publishing import publish


def collection(folder: Path) -> Path:
    """Two items of two assets each, the later one first."""
    features = []
    for number, day in ((1, "2023-02-01"), (0, "2023-01-01")):
        assets = {}
        for key in ("B04", "B08"):
            path = scene(folder / f"{key}_{number}.tif", seed=10 * number + int(key[1:]))
            assets[key] = {"href": str(path), "type": "image/tiff; application=geotiff"}
        features.append(
            {
                "type": "Feature",
                "stac_version": "1.0.0",
                "id": f"item{number}",
                "geometry": None,
                "properties": {"datetime": f"{day}T10:00:00Z"},
                "links": [],
                "assets": assets,
            }
        )
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_time_is_that_of_the_items(tmp_path: Path):
    published = publish(collection(tmp_path), tmp_path / "cube", concat="time")
    store = published.repository.readonly_session("main").store
    dataset = xr.open_zarr(store, consolidated=False)
    assert set(dataset.data_vars) == {"B04", "B08"}
    times = np.array(["2023-01-01T10:00", "2023-02-01T10:00"], dtype="datetime64[s]")
    np.testing.assert_array_equal(dataset["time"].values.astype("datetime64[s]"), times)
    for key in ("B04", "B08"):
        for number in (0, 1):
            with rasterio.open(tmp_path / f"{key}_{number}.tif") as source:
                np.testing.assert_array_equal(dataset[key][number].values, source.read(1))
