"""Vertical keys in GeoTIFF 1.0 and 1.1: GDAL's CRS, and the vertical part beside it."""

from __future__ import annotations

import pyproj
import pytest
import xarray as xr

from support.pixels import virtual

from .oracle import GEOTIFF_1_0, GEOTIFF_1_1, Keys, gdal, ours, same, tiff

BASES: dict[str, Keys] = {
    "projected": {1024: 1, 1025: 1, 3072: 32633},
    "WGS 84": {1024: 2, 1025: 1, 2048: 4326},
    "ETRS89": {1024: 2, 1025: 1, 2048: 4258},
    "geocentric": {1024: 3, 1025: 1, 2048: 4978},
    "no model": {1024: 32767, 1025: 1},
}
HEIGHTS: dict[str, Keys] = {
    "none": {},
    "a code": {4096: 5773},
    "a code and metres": {4096: 5773, 4099: 9001},
    "a code and other units": {4096: 5703, 4099: 9003},
    "user-defined": {4096: 32767},
    "user-defined, metres": {4096: 32767, 4099: 9001},
    "user-defined, feet": {4096: 32767, 4099: 9003},
    "user-defined, a datum": {4096: 32767, 4098: 5171, 4099: 9001},
    "the code of a datum": {4096: 5103},
    "the code of a datum and metres": {4096: 5103, 4099: 9001},
    "the code of EGM96's datum": {4096: 5171},
    "heights above WGS 84": {4096: 5030, 4099: 9001},
    "heights above GRS 1980": {4096: 5019, 4099: 9001},
    "the 3-D code of WGS 84": {4096: 4979},
    "the 3-D code of ETRS89": {4096: 4937},
    "a unit": {4099: 9001},
    "a datum": {4098: 5171},
    "heights above WGS 84, as a datum": {4096: 32767, 4098: 6030},
    "an unknown code": {4096: 9999},
}


@pytest.mark.parametrize("version", [GEOTIFF_1_0, GEOTIFF_1_1, (1, 1, 2), (1, 0, 0), (1, 0, 1)])
@pytest.mark.parametrize("heights", HEIGHTS)
@pytest.mark.parametrize("base", BASES)
def test_the_crs_is_that_of_gdal(base: str, heights: str, version: tuple[int, int, int]) -> None:
    data = tiff({**BASES[base], **HEIGHTS[heights]}, version)
    crs, _ = ours(data)
    expected = gdal(data)
    assert crs is not None
    assert expected is not None
    assert same(crs.text, expected), f"{crs.text}\n{expected.to_wkt()}"


@pytest.mark.parametrize("code", [7405, 7415, 5832])
@pytest.mark.parametrize("version", [GEOTIFF_1_0, GEOTIFF_1_1])
def test_a_registered_compound_crs_is_that_of_gdal(
    code: int, version: tuple[int, int, int]
) -> None:
    data = tiff({1024: 1, 1025: 1, 3072: code}, version)
    crs, _ = ours(data)
    expected = gdal(data)
    assert crs is not None
    assert expected is not None
    assert pyproj.CRS(crs.text).to_epsg() == expected.to_epsg() is not None
    assert (crs.vertical is None) == (version != GEOTIFF_1_0)


@pytest.mark.parametrize("version", [GEOTIFF_1_0, GEOTIFF_1_1])
def test_a_file_of_geotiff_1_0_keeps_its_heights_beside_the_crs(
    version: tuple[int, int, int],
) -> None:
    data = tiff({1024: 1, 1025: 1, 3072: 32633, 4096: 5773, 4099: 9001}, version)
    spatial_ref = xr.open_zarr(virtual(data), zarr_format=3, consolidated=False).spatial_ref.attrs
    crs = pyproj.CRS(spatial_ref["crs_wkt"])
    if version == GEOTIFF_1_1:
        assert "vertical_crs" not in spatial_ref
        assert crs.is_compound
        return
    assert crs.to_epsg() == 32633
    assert pyproj.CRS(spatial_ref["vertical_crs"]).to_epsg() == 5773
