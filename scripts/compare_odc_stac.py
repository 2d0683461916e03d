"""Compare one cube a tile with what odc-stac loads from the same STAC items.

usage: uv run --extra test --with odc-stac python scripts/compare_odc_stac.py

2 tiles x 10 dates x 3 bands, from the local disk and from S3 (moto's, on loopback). `publish`
makes the cubes of all tiles by one call; odc-stac loads each tile. Prints what was compared; exit
status 1 if a pixel, a time or a coordinate differs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import odc.stac
import pystac
import xarray as xr
import zarr

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.published import s3_options
from support.s3 import s3_server
from support.tile_cubes import BANDS, Scene, stac_items, write_scenes
from virtual_tiff.publishing import publish

_GDAL = {"AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE", "GDAL_DISABLE_READDIR_ON_OPEN": "YES"}


def compare(
    folder: Path,
    scenes: list[Scene],
    where: str,
    href: Callable[[Path], str] = str,
    store_options: dict[str, Any] | None = None,
) -> int:
    """Publish the items, load them with odc-stac, and print what differs; returns how much does."""
    items = stac_items(scenes, href)
    path = folder / f"{where}.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    published = publish(
        path,
        folder / where,
        concat=("time", "band", "y", "x"),
        values={"time": "datetime", "band": "asset"},
        group="grid:code",
        grid="rectilinear",
        store_options=store_options,
    )
    store = published.repository.readonly_session("main").store
    faults = 0
    for group in sorted({item["properties"]["grid:code"] for item in items}):
        ours = xr.open_zarr(store, group=group, consolidated=False, mask_and_scale=False)
        mine = [item for item in items if item["properties"]["grid:code"] == group]
        theirs = odc.stac.load([pystac.Item.from_dict(item) for item in mine], bands=BANDS)
        for band in BANDS:
            same = {
                "pixels": np.array_equal(ours["0"].sel(band=band), theirs[band]),
                "time": np.array_equal(ours["time"].values, theirs["time"].values),
                "x": np.allclose(ours["x"], theirs["x"], rtol=1e-12),
                "y": np.allclose(ours["y"], theirs["y"], rtol=1e-12),
            }
            print(f"{where}, {group}, {band}: {theirs[band].shape} {same}")
            faults += list(same.values()).count(False)
    print(f"{where}: {published.files} files, {published.references} references")
    return faults


def main() -> int:
    """Compare files of the disk, and the same on S3."""
    with (
        zarr.config.set({"array.rectilinear_chunks": True}),
        tempfile.TemporaryDirectory() as name,
        s3_server() as s3,
    ):
        folder = Path(name)
        scenes = write_scenes(folder / "scenes")
        faults = compare(folder, scenes, "disk")
        os.environ |= s3.environment() | _GDAL | {"AWS_S3_ENDPOINT": s3.endpoint[7:]}
        faults += compare(folder, scenes, "s3", s3.upload, s3_options(s3))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
