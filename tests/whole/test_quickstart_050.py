"""The quick start of virtual-tiff 0.5.0's README runs unchanged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import obstore
import pytest
import rasterio
import xarray as xr
from numpy.typing import NDArray
from virtualizarr.manifests import ManifestArray

from support.s3 import S3

TESTDATA = Path(__file__).parent.parent.parent / "testdata"

OPEN_A_SINGLE_TIFF = """\
import obstore
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtual_tiff import VirtualTIFF

bucket_url = "s3://e84-earth-search-sentinel-data/"
file_url = f"{bucket_url}sentinel-2-c1-l2a/10/T/FR/2023/12/S2B_T10TFR_20231223T190950_L2A/B04.tif"

s3_store = obstore.store.from_url(bucket_url, region="us-west-2", skip_signature=True)
registry = ObjectStoreRegistry({bucket_url: s3_store})

parser = VirtualTIFF(ifd=0)
manifest_store = parser(url=file_url, registry=registry)
ds = xr.open_zarr(manifest_store, zarr_format=3, consolidated=False)
"""

BUILD_A_VIRTUAL_DATASET = """\
from virtualizarr import open_virtual_dataset
from virtual_tiff import VirtualTIFF

ds = open_virtual_dataset(
    url=file_url,
    registry=registry,
    parser=VirtualTIFF(ifd=0),
)
"""

BUCKET = "e84-earth-search-sentinel-data"
KEY = "sentinel-2-c1-l2a/10/T/FR/2023/12/S2B_T10TFR_20231223T190950_L2A/B04.tif"

FILES = ["special/cog.tif", "series/scene_2023-01-01.tif", "special/strips_many.tif"]


@pytest.fixture(scope="session")
def bucket(s3: S3) -> S3:
    """The quick start's bucket, on loopback."""
    return s3.with_bucket(BUCKET)


@pytest.fixture(params=FILES, ids=[Path(name).stem for name in FILES])
def file(request: pytest.FixtureRequest, bucket: S3, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What lies at the quick start's url; obstore goes to loopback for it."""
    path = TESTDATA / request.param
    publish(bucket, path)
    monkeypatch.setattr(obstore.store, "from_url", on_loopback(bucket))
    return path


def publish(bucket: S3, path: Path) -> None:
    """Put a file at the quick start's key; like the real one, it is readable for all."""
    bucket.upload(path, KEY)
    acl = Request(
        f"{bucket.endpoint}/{bucket.bucket}/{KEY}?acl",
        method="PUT",
        headers={"x-amz-acl": "public-read", "Authorization": "AWS testing:testing"},
    )
    with build_opener(ProxyHandler({})).open(acl):
        pass


def on_loopback(bucket: S3) -> Callable[..., Any]:
    """`obstore.store.from_url` with the address of the server."""
    from_url = obstore.store.from_url

    def changed(url: str, **settings: Any) -> Any:
        return from_url(
            url,
            endpoint=bucket.endpoint,
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
            **settings,
        )

    return changed


def run(*blocks: str) -> dict[str, Any]:
    """The names that the blocks leave behind."""
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "README of 0.5.0", "exec"), names)
    return names


def by_rasterio(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as dataset:
        pixels: NDArray[Any] = dataset.read(1)
    return pixels


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_first_block_opens_a_dataset_with_the_pixels(file: Path):
    opened = run(OPEN_A_SINGLE_TIFF)["ds"]
    assert isinstance(opened, xr.Dataset)
    assert list(opened.data_vars) == ["0"]
    assert opened["0"].dims == ("y", "x")
    found = opened["0"].values
    truth = by_rasterio(file)
    assert np.array_equal(np.nan_to_num(found), truth)


def test_the_second_block_opens_a_virtual_dataset(file: Path):
    names = run(OPEN_A_SINGLE_TIFF, BUILD_A_VIRTUAL_DATASET)
    array = names["ds"]["0"].data
    assert isinstance(array, ManifestArray)
    assert {entry["path"] for entry in array.manifest.dict().values()} == {names["file_url"]}


def test_the_virtual_dataset_is_that_of_the_store(file: Path):
    names = run(OPEN_A_SINGLE_TIFF, BUILD_A_VIRTUAL_DATASET)
    again = names["manifest_store"].to_virtual_dataset()
    assert names["ds"]["0"].data.manifest.dict() == again["0"].data.manifest.dict()
    assert names["ds"]["0"].data.metadata == again["0"].data.metadata
