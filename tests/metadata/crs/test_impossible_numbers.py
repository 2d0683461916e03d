"""Numbers that no CRS can have: NaN, infinity, and what is beyond every size."""

from __future__ import annotations

import json
import math
import re

import pyproj
import pytest
from rasterio.errors import CRSError

from virtual_tiff.metadata.crs.build import build
from virtual_tiff.metadata.crs.registry import BuiltIn
from virtual_tiff.metadata.crs.tables import ROLES
from virtual_tiff.tiff import GeoKey

from .oracle import GEOTIFF_1_0, Keys, assert_same, gdal, ours, tiff
from .test_keys import TM, USER

IMPOSSIBLE = [math.nan, math.inf, -math.inf, 1e18, -1e300, 1.7e308]

COUNTING: dict[int, Keys] = {
    GeoKey.EllipsoidSemiMajorAxisGeoKey: {1024: 2, 2059: 300.0},
    GeoKey.EllipsoidSemiMinorAxisGeoKey: {1024: 2, 2057: 6378137.0},
    GeoKey.PrimeMeridianLongitudeGeoKey: {1024: 2, 2050: 6267, 2051: 32767, 2054: 9102},
    GeoKey.GeogAngularUnitSizeGeoKey: {1024: 2, 2050: 6267, 2054: 32767},
    GeoKey.ProjLinearUnitSizeGeoKey: {**USER, **TM, 3076: 32767},
} | {
    int(key): {k: v for k, v in {**USER, **TM, 3076: 9001}.items() if k not in role.keys}
    for role in ROLES.values()
    for key in role.keys
}
"""Keys of one number, and keys among which it counts."""


@pytest.mark.parametrize("number", IMPOSSIBLE)
@pytest.mark.parametrize("key", COUNTING, ids=lambda key: GeoKey(key).name)
def test_a_number_that_no_crs_can_have_leaves_no_crs(key: int, number: float) -> None:
    keys = {**COUNTING[key], key: number}
    said: tuple[str, ...] | list[str]
    crs, said = ours(tiff(keys))
    assert crs is None
    assert any(one.startswith(f"GeoKey {GeoKey(key).name} ({key}) = {number}") for one in said)
    crs, said = build(keys, GEOTIFF_1_0, BuiltIn())
    assert crs is None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("key", [k for k in TM if isinstance(TM[k], float)] + [3077])
def test_gdal_has_no_crs_of_such_numbers_either(key: int, number: float) -> None:
    with pytest.raises(CRSError, match="could not be parsed"):
        gdal(tiff({**COUNTING[key], key: number}))


@pytest.mark.parametrize("number", [math.nan, -math.inf, -1e300, -300.0, 0.5, 1.0])
def test_a_flattening_of_no_ellipsoid(number: float) -> None:
    """GDAL takes NaN for a sphere."""
    crs, said = ours(tiff({1024: 2, 2057: 6378137.0, 2059: number}))
    assert crs is None
    words = "gives an ellipsoid without a size; there is no CRS"
    assert said == [f"GeoKey EllipsoidInvFlatteningGeoKey (2059) = {number} {words}"]


@pytest.mark.parametrize("number", [math.inf, 1.7e308, 1e18, 0.0])
def test_a_flattening_without_end_is_a_sphere(number: float) -> None:
    crs = assert_same(tiff({1024: 2, 2057: 6378137.0, 2059: number}))
    ellipsoid = pyproj.CRS(crs.text).ellipsoid
    assert ellipsoid is not None
    assert ellipsoid.semi_minor_metre == ellipsoid.semi_major_metre == 6378137


@pytest.mark.parametrize("number", IMPOSSIBLE)
@pytest.mark.parametrize("place", range(7))
def test_a_shift_that_no_datum_has_is_left_out(place: int, number: float) -> None:
    shifts = tuple(number if i == place else 1.0 for i in range(7))
    crs, said = ours(tiff({1024: 2, 2057: 6378137.0, 2059: 300.0, 2062: shifts}))
    assert crs is not None
    assert not pyproj.CRS(crs.text).is_bound
    assert said == [
        "GeoKey GeogTOWGS84GeoKey (2062) has values that no datum shift can have; it is left out"
    ]


@pytest.mark.parametrize("number", [*IMPOSSIBLE, 0.0, -2020.5, 20205.0])
def test_an_epoch_that_is_no_year_is_left_out(number: float) -> None:
    crs, said = ours(tiff({1024: 2, 2048: 4326, 5120: number}))
    assert crs is not None
    assert crs.epoch is None
    assert said == [f"GeoKey CoordinateEpochGeoKey (5120) = {number} is not a year; it is left out"]


@pytest.mark.parametrize("number", IMPOSSIBLE)
@pytest.mark.parametrize("key", COUNTING, ids=lambda key: GeoKey(key).name)
def test_no_impossible_number_is_written_beside_a_code(key: int, number: float) -> None:
    """A code says all; another key may be ignored or leave no CRS, but it is never written."""
    crs, _ = ours(tiff({1024: 1, 3072: 32631, key: number}))
    if crs is None:
        return
    written = [float(n) for n in re.findall(r"-?\d+\.?\d*(?:[eE][+-]?\d+)?", crs.text)]
    assert not {"NaN", "Infinity"} & set(re.findall(r"NaN|Infinity", json.dumps(crs.projjson)))
    assert max(map(abs, written)) < 1e8
