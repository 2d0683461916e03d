"""Codes, keys beside codes, units, datums and heights: what GDAL makes of them, we make of them."""

from __future__ import annotations

import math
import random
from typing import Any

import pyproj
import pytest
from pyproj.database import get_codes
from pyproj.enums import PJType
from rasterio.crs import CRS

from virtual_tiff.tiff import GeoKey

from .oracle import GEOTIFF_1_1, Keys, assert_same, gdal, ours, same, tiff, written_by_gdal

TM: Keys = {3075: 1, 3080: 3.0, 3081: 0.0, 3092: 0.9996, 3082: 500000.0, 3083: 0.0}
USER: Keys = {1024: 1, 3072: 32767, 2048: 4326}

OBLIQUE: Keys = {
    3075: 3,
    3076: 9001,
    3088: 10.5,
    3089: 40.0,
    3090: 500000.0,
    3091: 1000.0,
    3093: 0.9996,
    3094: 30.0,
}

GEODETIC: dict[str, Keys] = {
    "a code": {1024: 2, 2048: 4326},
    "a code with the usual keys": {1024: 2, 2048: 4267, 2049: "NAD27", 2054: 9102},
    "a code and its axes": {1024: 2, 2048: 4326, 2057: 6378137.0, 2059: 298.257223563},
    "a code in grads": {1024: 2, 2048: 4807},
    "a code and another ellipsoid": {1024: 2, 2048: 4267, 2056: 7030},
    "a code and other axes": {1024: 2, 2048: 4267, 2057: 6378137.0, 2059: 298.3},
    "a dynamic code and other axes": {1024: 2, 2048: 4326, 2057: 6378137.0, 2059: 300.0},
    "a code and another datum": {1024: 2, 2048: 4267, 2050: 6269},
    "a code in other units": {1024: 2, 2048: 4267, 2054: 9105},
    "a code and an ellipsoid that is none": {1024: 2, 2048: 4326, 2056: 4326},
    "a 3-D code": {1024: 2, 2048: 4979},
    "a geocentric code": {1024: 2, 2048: 4978},
    "a compound code": {1024: 2, 2048: 9518},
    "no code": {1024: 2},
    "user-defined and nothing else": {1024: 2, 2048: 32767},
    "a name alone": {1024: 2, 2049: "Atlantis"},
    "a datum": {1024: 2, 2050: 6267},
    "a datum in arc-seconds": {1024: 2, 2050: 6267, 2054: 9104},
    "a datum that is none": {1024: 2, 2050: 6999},
    "an ellipsoid": {1024: 2, 2056: 7008},
    "axes": {1024: 2, 2057: 6378206.4, 2058: 6356583.8},
    "a radius": {1024: 2, 2057: 6371000.0},
    "a sphere by its flattening": {1024: 2, 2057: 6371000.0, 2059: 0.0},
    "a sphere by infinity": {1024: 2, 2057: 6371000.0, 2059: float("inf")},
    "an ellipsoid and another axis": {1024: 2, 2056: 7008, 2057: 6371000.0},
    "a meridian": {1024: 2, 2050: 6267, 2051: 8903, 2054: 9102},
    "a meridian by its longitude": {1024: 2, 2050: 6267, 2051: 32767, 2061: 5.0, 2054: 9102},
    "a code and a meridian that does not count": {1024: 2, 2048: 4267, 2061: 5.0},
    "shifts": {1024: 2, 2057: 6378137.0, 2059: 300.0, 2062: (1.0, 2.0, 3.0)},
    "seven shifts": {1024: 2, 2057: 6378137.0, 2059: 300.0, 2062: (1.0, 2, 3, 4, 5, 6, 7)},
    "shifts of a known datum": {1024: 2, 2050: 6267, 2062: (1.0, 2.0, 3.0)},
    "a reserved number for a datum": {1024: 1, 3072: 3857, 2050: 1, 2056: 1, 2057: 6378137.0},
    "geocentric": {1024: 3, 2048: 4978},
    "geocentric of a datum": {1024: 3, 2048: 32767, 2050: 6326, 2052: 9002},
    "geocentric of a 2-D code": {1024: 3, 2048: 4326, 1026: "Earth", 3076: 9001},
}

PROJECTED: dict[str, Keys] = {
    "a code": {1024: 1, 3072: 32631},
    "a code without a model": {3072: 32631},
    "a code with the usual keys": {1024: 1, 3072: 26711, 1026: "x", 2049: "NAD27", 2054: 9102},
    "a code and its own base": {1024: 1, 3072: 26711, 2048: 4267, 3076: 9001},
    "a code and another base": {1024: 1, 3072: 32631, 2048: 4267},
    "a code and a user-defined base": {1024: 1, 3072: 32631, 2048: 32767, 2056: 7030, 2054: 9102},
    "a code and another unit": {1024: 1, 3072: 32631, 3076: 9003},
    "a code and a unit of one's own": {1024: 1, 3072: 32631, 3076: 32767, 3077: 0.5},
    "a code and a geodetic unit": {1024: 1, 3072: 32631, 2052: 9003},
    "a code, another unit and its base": {1024: 1, 3072: 32631, 3076: 9003, 2048: 4326},
    "a code and another projection": {1024: 1, 3072: 32631, 2048: 4326, **TM, 3080: 5.0},
    "a code for northing and easting": {1024: 1, 3072: 2193, 2048: 4167},
    "the web's": {1024: 1, 3072: 3857},
    "the web's and its base": {1024: 1, 3072: 3857, 2048: 4326},
    "a deprecated code": {1024: 1, 3072: 31300},
    "a compound code": {1024: 1, 3072: 7415},
    "a geographic code": {1024: 1, 3072: 4326},
    "a code that is none": {1024: 1, 3072: 12345},
    "a code that is none and a projection": {1024: 1, 3072: 12345, 2048: 4326, **TM},
    "a code of private use": {1024: 1, 3072: 40000},
    "nothing": {1024: 1},
    "no projection": {1024: 1, 3072: 32767, 2048: 4326, 1026: "x", 3076: 9001},
    "a zone of UTM": {1024: 1, 3072: 32767, 3074: 16131, 2048: 4258},
    "a zone of the States": {1024: 1, 3072: 32767, 3074: 10406, 2048: 4267, 3076: 9003},
    "the web's projection": {1024: 1, 3072: 32767, 3074: 3856, 2048: 4326},
    "a projection that is none": {1024: 1, 3072: 32767, 3074: 12, 2048: 4267},
    "a method over a zone": {1024: 1, 3072: 32767, 3074: 16031, 2048: 4258, **TM, 3080: 5.0},
    "no base": {1024: 1, 3072: 32767, **TM},
    "no unit": {**USER, **TM},
    "feet": {**USER, **TM, 3076: 9002},
    "feet of the States": {**USER, **TM, 3076: 9003},
    "feet of Clarke": {**USER, **TM, 3076: 9005},
    "kilometres": {**USER, **TM, 3076: 9036},
    "yards of 1895": {**USER, **TM, 3076: 9040},
    "a unit of one's own": {**USER, **TM, 3076: 32767, 3077: 0.5},
    "a unit without a size": {**USER, **TM, 3076: 32767},
    "a unit that is none": {**USER, **TM, 3076: 9999},
    "a geodetic unit": {**USER, **TM, 2052: 9003},
    "grads": {**USER, **TM, 2048: 4807, 3076: 9001},
    "arc-seconds": {**USER, **TM, 2048: 4267, 2054: 9104, 3076: 9001},
    "degrees, written otherwise": {**USER, **TM, 2048: 4267, 2054: 9110, 3076: 9001},
    "shifts": {**USER, **TM, 2048: 32767, 2057: 6378137.0, 2059: 300.0, 2062: (1.0, 2.0, 3.0)},
    "a code and shifts": {1024: 1, 3072: 31467, 2062: (584.8, 67.0, 400.3, 0.1, 0.0, -2.4, 10.3)},
}

LOCAL: dict[str, Keys] = {
    "a name": {1026: "Cartesian (Meter)", 3076: 9001},
    "a unit": {3076: 9001},
    "a base without a model": {2048: 4326},
    "a user-defined model": {1024: 32767, 1026: "site"},
    "heights": {1026: "site", 3076: 9001, 4099: 9001},
    "heights without a unit": {1026: "site", 3076: 9001, 4096: 5773},
    "heights in feet": {1026: "site", 3076: 9003, 4097: "mine", 4099: 9003},
}

HEIGHTS: dict[str, Keys] = {
    "a code": {1024: 1, 3072: 26711, 4096: 3855},
    "a code with the usual keys": {1024: 1, 3072: 26711, 4096: 5773, 4098: 5171, 4099: 9001},
    "a code over a geographic CRS": {1024: 2, 2048: 4326, 4096: 3855, 1026: "named"},
    "a code over a user-defined CRS": {**USER, **TM, 3076: 9001, 4096: 5703},
    "of a datum's number": {1024: 1, 3072: 32631, 4096: 5103},
    "of the geoid's number": {1024: 1, 3072: 32631, 4096: 5171},
    "of a number that is none": {1024: 1, 3072: 32631, 4096: 999},
    "of a number of private use": {1024: 1, 3072: 32631, 4096: 32767, 4099: 32771},
    "a unit": {1024: 1, 3072: 32631, 4099: 9003},
    "a datum": {1024: 1, 3072: 32631, 4098: 5103, 4099: 9002},
    "a name": {1024: 1, 3072: 32631, 4096: 32767, 4097: "NAVD88 height", 4098: 32767, 4099: 9002},
    "ESRI's name": {1024: 1, 3072: 32632, 4097: "VCS Name = Geoid|Unit Name = Meter", 4099: 9001},
    "of the 3-D CRS": {1024: 2, 2048: 4326, 4096: 4979},
    "of another 3-D CRS": {1024: 2, 2048: 4258, 4096: 4937},
    "of the ellipsoid, as of old": {1024: 2, 2048: 4326, 4096: 5030},
    "of another ellipsoid, as of old": {1024: 2, 2048: 4258, 4096: 5019, 4099: 9001},
    "of the 3-D CRS over a projection": {1024: 1, 3072: 32631, 4096: 4979},
    "over a 3-D code": {1024: 2, 2048: 4979, 4096: 4979},
    "over a geocentric CRS": {1024: 3, 2048: 4978, 4096: 3855},
    "and shifts": {1024: 1, 3072: 27563, 2048: 4807, 2062: (-168.0, -60.0, 320.0), 4099: 9001},
}

ALL = {
    f"{group}: {name}": keys
    for group, rows in {
        "geodetic": GEODETIC,
        "projected": PROJECTED,
        "local": LOCAL,
        "heights": HEIGHTS,
    }.items()
    for name, keys in rows.items()
}


@pytest.mark.parametrize("name", ALL)
def test_keys_of_geotiff_1_0(name: str) -> None:
    assert_same(tiff(ALL[name]))


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("heights")])
def test_heights_of_geotiff_1_1(name: str) -> None:
    assert_same(tiff(ALL[name], GEOTIFF_1_1))


def test_a_reserved_number_of_an_ellipsoid_is_ignored_and_said() -> None:
    """GeoTIFF 1.1, annexes C.2.2 and C.2.4."""
    crs, said = ours(tiff({1024: 2, 2056: 1000, 2057: 6378137.0, 2059: 298.25}))
    assert crs is not None
    ellipsoid = pyproj.CRS(crs.text).ellipsoid
    assert ellipsoid is not None
    assert ellipsoid.inverse_flattening == 298.25
    assert said == ["GeoKey EllipsoidGeoKey (2056) = 1000 is in a reserved range and is ignored"]


def test_a_unit_of_angles_for_lengths_is_said() -> None:
    """GDAL makes a map of it whose eastings are degrees."""
    crs, said = ours(tiff({**USER, **TM, 2052: 9102}))
    assert crs is not None
    assert crs.unit is None
    assert "GeoKey GeogLinearUnitsGeoKey (2052) = 9102 is not a unit of length" in said


# Codes


def some_codes(kind: PJType, count: int = 12) -> list[str]:
    return sorted(random.Random(0).sample(get_codes("EPSG", kind), count), key=int)


KINDS = {
    "projected": PJType.PROJECTED_CRS,
    "geographic": PJType.GEOGRAPHIC_2D_CRS,
    "geographic 3-D": PJType.GEOGRAPHIC_3D_CRS,
    "geocentric": PJType.GEOCENTRIC_CRS,
    "compound": PJType.COMPOUND_CRS,
}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=f"{name} {code}")
        for name, kind in KINDS.items()
        for code in some_codes(kind)
    ],
)
def test_a_code_that_gdal_writes(code: str) -> None:
    assert_same(written_by_gdal(CRS.from_epsg(code)))


DEFINED = """
2039 2053 2056 2154 2180 2193 2264 2393 3006 3031 3035 3067 3395 3410 3413 3577 3832 3857 5070
6933 21781 22275 24600 26746 27200 27563 27700 28992 29873 30161 31297 31467
"""


@pytest.mark.parametrize("code", DEFINED.split())
def test_a_definition_that_gdal_writes_because_it_has_no_code(code: str) -> None:
    wkt = pyproj.CRS.from_epsg(code).to_wkt("WKT1_GDAL")
    anonymous = wkt.rpartition(",AUTHORITY")[0] + "]"
    assert_same(written_by_gdal(CRS.from_wkt(anonymous)))


@pytest.mark.parametrize(
    "text", ["ESRI:102113", "ESRI:54009", "ESRI:102003", "IAU_2015:30110", "IAU_2015:49910"]
)
def test_codes_of_other_authorities(text: str) -> None:
    assert_same(written_by_gdal(text))


def test_a_code_is_said_as_a_code() -> None:
    crs, said = ours(tiff({1024: 1, 3072: 32633}))
    assert crs is not None
    assert (crs.code, crs.kind, crs.is_geographic, said) == ("EPSG:32633", "projected", False, [])
    assert (crs.unit, crs.unit_factor, crs.epoch) == ("metre", 1.0, None)


def test_two_codes_are_said_with_a_plus() -> None:
    crs, _ = ours(tiff({1024: 1, 3072: 32633, 4096: 5773}, GEOTIFF_1_1))
    assert crs is not None
    assert crs.code == "EPSG:32633+5773"
    assert pyproj.CRS(crs.code) == pyproj.CRS(crs.text)


def test_a_code_whose_axes_are_the_other_way_stays_a_code() -> None:
    crs, said = ours(tiff({1024: 1, 3072: 2193, 2048: 4167}))
    assert crs is not None
    assert (crs.code, said) == ("EPSG:2193", [])


def test_a_code_that_other_keys_contradict_is_not_said() -> None:
    crs, said = ours(tiff({1024: 1, 3072: 32631, 2048: 4267}))
    assert crs is not None
    assert crs.code is None
    assert any("ProjectedCRSGeoKey (3072) = 32631" in one for one in said)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({1024: 1, 3072: 12345}, "ProjectedCRSGeoKey (3072) = 12345"),
        ({1024: 2, 2048: 4998 - 2000}, "GeodeticCRSGeoKey (2048) = 2998"),
        ({1024: 2, 2050: 6999}, "GeodeticDatumGeoKey (2050) = 6999"),
        ({1024: 2, 2050: 6326, 2056: 6999}, "EllipsoidGeoKey (2056) = 6999"),
        ({1024: 2, 2050: 6326, 2051: 6999}, "PrimeMeridianGeoKey (2051) = 6999"),
        ({1024: 2, 2048: 4267, 2054: 9999}, "GeogAngularUnitsGeoKey (2054) = 9999"),
        ({1024: 2, 2048: 32767}, "EllipsoidGeoKey (2056)"),
        ({**USER, **TM, 3076: 9999}, "ProjLinearUnitsGeoKey (3076) = 9999"),
        ({**USER, **TM, 3076: 32767}, "ProjLinearUnitSizeGeoKey (3077)"),
        ({**USER, 3074: 12}, "ProjectionGeoKey (3074) = 12"),
        ({**USER, 3076: 9001}, "ProjMethodGeoKey (3075)"),
        ({1024: 1, 3072: 32631, 4096: 999}, "VerticalGeoKey (4096) = 999"),
        ({1024: 1, 3072: 32631, 4098: 999}, "VerticalDatumGeoKey (4098) = 999"),
        ({1024: 1, 3072: 32631, 4099: 999}, "VerticalUnitsGeoKey (4099) = 999"),
        ({1024: 1, 3072: 32631, 4099: 40000}, "VerticalUnitsGeoKey (4099) = 40000"),
    ],
)
def test_what_cannot_be_said_is_a_warning_that_names_the_key(keys: Keys, named: str) -> None:
    _, said = ours(tiff(keys))
    assert any(f"GeoKey {named}" in one for one in said), said


def test_a_key_of_another_type_does_not_count() -> None:
    data = tiff({1024: 1, 3072: 32631, 3076: 9003.0})
    assert assert_same(data).code == "EPSG:32631"


# Where we say more than GDAL


def test_projections_for_which_gdal_has_no_method() -> None:
    data = tiff({1024: 1, 3072: 5514, 2048: 4156})
    crs, expected = ours(data)[0], gdal(data)
    assert crs is not None
    assert expected is not None
    assert crs.code == "EPSG:5514"
    assert not same(crs.text, expected), "GDAL knows Krovak by now"


def test_a_unit_of_angles_of_ones_own() -> None:
    """GDAL takes it for degrees unless a citation names it."""
    crs, _ = ours(tiff({1024: 2, 2050: 6267, 2054: 32767, 2055: 0.01}))
    assert crs is not None
    assert pyproj.CRS(crs.text).axis_info[0].unit_conversion_factor == pytest.approx(0.01)


def test_heights_beside_a_3d_code_do_not_take_the_crs_away() -> None:
    data = tiff({1024: 2, 2048: 4979, 4099: 9001})
    crs, _ = ours(data)
    assert gdal(data) is None
    assert crs is not None
    assert crs.code == "EPSG:4979"


LESS_USUAL: dict[str, Keys] = {
    "an ellipsoid's code and a flattening": {1024: 2, 2056: 7008, 2059: 300.0},
    "an ellipsoid's code and its minor axis": {1024: 2, 2056: 7008, 2058: 6356000.0},
    "an ellipsoid's code and its axes": {1024: 2, 2056: 7008, 2057: 6378206.4, 2058: 6356583.8},
    "an ellipsoid in feet": {1024: 2, 2056: 7034},
    "an ellipsoid in feet and its axis": {1024: 2, 2056: 7034, 2057: 6378249.145, 2059: 293.465},
    "an ellipsoid in feet and a flattening": {1024: 2, 2056: 7034, 2059: 300.0},
    "an ellipsoid in feet and another axis": {1024: 2, 2056: 7042, 2057: 6377000.0},
    "an ellipsoid of two axes in feet": {1024: 2, 2056: 7007, 2057: 6378293.645},
    "an ellipsoid in yards": {1024: 2, 2048: 4042, 2057: 6377299.36559538},
    "grads by the citation": {
        1024: 2,
        2050: 6267,
        2054: 32767,
        2049: "GCS Name = x|AUnits = Grad|",
    },
    "degrees by the citation": {
        1024: 2,
        2050: 6267,
        2054: 32767,
        2049: "GCS Name = x|AUnits = Degree|",
    },
    "a unit of angles without a size": {1024: 2, 2050: 6267, 2054: 32767},
    "a geocentric CRS of a 3-D code": {1024: 3, 2048: 4979},
    "a geocentric CRS in feet": {1024: 3, 2048: 32767, 2050: 6326, 2052: 9002},
    "a unit of the registry alone": {**USER, **TM, 3076: 9062},
    "a unit that is none": {**USER, **TM, 3076: 9999},
    "an azimuth in metres": {**USER, **OBLIQUE, 2060: 9001},
}


@pytest.mark.parametrize("name", LESS_USUAL)
def test_less_usual_keys(name: str) -> None:
    assert_same(tiff(LESS_USUAL[name]))


PRIVATE: dict[int, tuple[Keys, str]] = {
    2048: ({1024: 2}, "is in the range of private use and means nothing here"),
    2050: ({1024: 2}, "is in the range of private use and means nothing here"),
    2051: ({1024: 2, 2050: 6267}, "is in the range of private use and means nothing here"),
    2052: (
        {1024: 3, 2048: 32767, 2050: 6326},
        "is in the range of private use and means nothing here",
    ),
    2054: ({1024: 2, 2050: 6267}, "is not a known unit of angles"),
    2056: ({1024: 2}, "is in the range of private use and means nothing here"),
    2060: ({**USER, **OBLIQUE}, "is in the range of private use and means nothing here"),
    3072: ({1024: 1}, "is in the range of private use and means nothing here"),
    3074: (
        {1024: 1, 3072: 32767, 2048: 4326},
        "is in the range of private use and means nothing here",
    ),
    3075: ({**USER, **TM}, "is in the range of private use and means nothing here"),
    3076: ({**USER, **TM}, "is in the range of private use and means nothing here"),
    4096: ({1024: 2, 2048: 4326}, "is in the range of private use; the heights are left out"),
    4098: (
        {1024: 2, 2048: 4326, 4096: 32767},
        "is in the range of private use; the heights are left out",
    ),
    4099: (
        {1024: 2, 2048: 4326, 4096: 5703},
        "is in the range of private use; the heights are left out",
    ),
}
"""Codes of private use: the keys among which they count, and the warning."""


@pytest.mark.parametrize("code", [32768, 40000, 65535])
@pytest.mark.parametrize("key", PRIVATE, ids=lambda key: GeoKey(key).name)
def test_a_code_of_private_use_is_warned_of_and_means_what_it_does_to_gdal(
    key: int, code: int
) -> None:
    keys, words = PRIVATE[key]
    data = tiff({**keys, key: code})
    _, said = ours(data)
    assert f"GeoKey {GeoKey(key).name} ({key}) = {code} {words}" in said
    assert_same(data)


@pytest.mark.parametrize("key", PRIVATE, ids=lambda key: GeoKey(key).name)
def test_user_defined_is_no_private_code(key: int) -> None:
    _, said = ours(tiff({**PRIVATE[key][0], key: 32767}))
    assert not any("private" in one for one in said)


@pytest.mark.parametrize("base", [4979, 4978], ids=["3-D", "geocentric"])
def test_a_map_lies_on_the_horizontal_part_of_its_base(base: int) -> None:
    """GDAL gives the base the code of the other CRS; the places are the same."""
    crs, said = ours(tiff({**USER, **TM, 2048: base, 3076: 9001}))
    assert crs is not None
    assert not said
    found = pyproj.CRS(crs.text)
    geodetic: Any = found.geodetic_crs
    assert geodetic.type_name == "Geographic 2D CRS"
    place = pyproj.Transformer.from_crs(found, 4326, always_xy=True).transform(470000, 5100000)
    expected = pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform(470000, 5100000)
    assert place == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("unit", "degrees"), [(9105, 27.0), (9102, 30.0), (9001, 30.0)])
def test_an_azimuth_has_a_unit_of_its_own(unit: int, degrees: float) -> None:
    """GeoTIFF 1.1, GeogAzimuthUnitsGeoKey; GDAL takes all for degrees."""
    crs, said = ours(tiff({**USER, **OBLIQUE, 2060: unit}))
    assert crs is not None
    operation: Any = pyproj.CRS(crs.text).coordinate_operation
    (azimuth,) = (p for p in operation.params if p.name.startswith("Azimuth"))
    radians = azimuth.value * azimuth.unit_conversion_factor
    assert math.degrees(radians) == pytest.approx(degrees)
    assert any("GeogAzimuthUnitsGeoKey (2060) = 9001" in one for one in said) == (unit == 9001)
