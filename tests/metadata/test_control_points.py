"""Ground control points: those of GDAL, in the form of rioxarray."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import rasterio
import rioxarray  # noqa: F401 (gives DataArrays `.rio`)
import xarray as xr
from rasterio.control import GroundControlPoint as RasterioPoint
from rasterio.crs import CRS

from support.build import DOUBLE, SHORT, Entry, entry, every_variant, image
from support.pixels import values
from tiff.reading import read
from virtual_tiff.metadata.control_points import gcps_attribute
from virtual_tiff.metadata.crs import crs_of
from virtual_tiff.metadata.transform import GroundControlPoint, ground_control_points
from virtual_tiff.tiff.errors import TiffWarning

EXTERNAL = Path(__file__).parent.parent.parent / "testdata" / "external"
WITH_POINTS = ["byte_gcp.tif", "byte_gcp_pixelispoint.tif", "cint_sar.tif"]
POINTS = [0, 0, 0, 5.5, 6, 7, 10, 0.25, 0, 15, 6, 0, 0, 10, 0, 5, 16, -3]
UTM = [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633]
POINT_RASTER = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32633]


def with_entries(*entries: Entry, **options: Any) -> bytes:
    return image(values("u1", 10, 20), extra_entries=list(entries), **options)


def gdal_says(data: bytes) -> tuple[list[dict[str, Any]], CRS | None]:
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        points, crs = dataset.gcps
        return [point.asdict() for point in points], crs


def rioxarray_says(attribute: str, **more: str) -> tuple[list[dict[str, Any]], CRS | None]:
    """What a user has whose grid mapping has these attributes."""
    place = xr.DataArray(0, attrs={"gcps": attribute, **more})
    array = xr.DataArray(values("u1", 10, 20), dims=("y", "x"), coords={"spatial_ref": place})
    return [point.asdict() for point in array.rio.get_gcps()], array.rio.crs


def agrees(data: bytes) -> None:
    ifd = read(data).ifds[0]
    attribute = gcps_attribute(ground_control_points(ifd))
    crs = crs_of(ifd)
    assert attribute is not None
    points, theirs = gdal_says(data)
    ours, ours_crs = rioxarray_says(attribute, **({"crs_wkt": crs.wkt} if crs else {}))
    assert ours == points
    assert ours_crs == theirs


@every_variant
def test_rioxarray_has_the_points_and_the_crs_of_gdal(byteorder: str, big: bool):
    entries = [entry(33922, DOUBLE, POINTS), entry(34735, SHORT, UTM)]
    agrees(with_entries(*entries, byteorder=byteorder, big=big))


def test_points_of_pixels_that_are_points_are_moved_as_in_gdal():
    agrees(with_entries(entry(33922, DOUBLE, POINTS), entry(34735, SHORT, POINT_RASTER)))


def test_points_without_a_crs():
    agrees(with_entries(entry(33922, DOUBLE, POINTS)))


@pytest.mark.parametrize("name", WITH_POINTS)
def test_real_files(name: str):
    path = EXTERNAL / "gdal" / "gcore" / "data" / name
    if not path.exists():
        pytest.skip("the GDAL corpus is not there: run scripts/sync_gdal_tiffs.py")
    agrees(path.read_bytes())


def test_it_is_the_text_that_rioxarray_writes():
    theirs = [RasterioPoint(row=2.0, col=1.0, x=3.0, y=4.0, z=5.0, id="1", info="")]
    array = xr.DataArray(values("u1", 10, 20), dims=("y", "x")).rio.write_gcps(theirs, "EPSG:4326")
    ours = gcps_attribute([GroundControlPoint(1.0, 2.0, 3.0, 4.0, 5.0)])
    assert ours is not None
    assert json.loads(ours) == json.loads(array.spatial_ref.attrs["gcps"])


def test_a_file_without_points_says_nothing():
    assert gcps_attribute(ground_control_points(read(with_entries()).ifds[0])) is None
    assert gdal_says(with_entries())[0] == []


def numbered(count: int) -> Sequence[float]:
    return [number for index in range(count) for number in (index, index, 0, index / 8, index, 0)]


def test_as_many_points_as_gdal_reads_and_no_more():
    most = with_entries(entry(33922, DOUBLE, numbered(10_922)))
    agrees(most)
    more = with_entries(entry(33922, DOUBLE, numbered(10_923)))
    assert gdal_says(more)[0] == []
    with pytest.warns(TiffWarning, match="65,538"):
        assert gcps_attribute(ground_control_points(read(more).ifds[0])) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_points_that_are_not_finite_are_left_out_alone(bad: float):
    points = [
        GroundControlPoint(0, 0, bad, 0, 0),
        GroundControlPoint(1, 2, 3, 4, 5),
    ]
    with pytest.warns(TiffWarning, match="finite"):
        attribute = gcps_attribute(points)
    assert attribute is not None
    assert [f["properties"]["id"] for f in json.loads(attribute)["features"]] == ["2"]
    with pytest.warns(TiffWarning, match="finite"):
        assert gcps_attribute(points[:1]) is None
