"""Every projection method of GeoTIFF 1.1, on several ellipsoids and in several units, as GDAL."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyproj
import pytest

from virtual_tiff.metadata.crs.tables import METHODS

from .oracle import Keys, assert_same, gdal, ours, same, tiff, written_by_gdal

GDAL_HAS_NONE = {5: "Rosenmund's Swiss projection: GDAL says that the coordinates are local"}
IN_NO_LIBRARY = {2, 6}

WGS_84: Keys = {2048: 4326, 3076: 9001}
OWN_ELLIPSOID: Keys = {
    2048: 32767,
    2050: 32767,
    2054: 9102,
    2056: 32767,
    2057: 6378206.4,
    2059: 294.9786982,
    3076: 9003,
}
SPHERE: Keys = {
    2048: 32767,
    2049: "GCS Name = Ball|Datum = Round|Ellipsoid = Sphere|Primem = Greenwich|",
    2054: 9102,
    2057: 6371000.0,
    2058: 6371000.0,
    3076: 32767,
    3077: 1000.0,
}
GRADS_FROM_PARIS: Keys = {2048: 4807, 3076: 9002}
GROUNDS = {
    "WGS 84, metres": WGS_84,
    "own ellipsoid, American feet": OWN_ELLIPSOID,
    "sphere, kilometres": SPHERE,
    "grads from Paris, feet": GRADS_FROM_PARIS,
}

NATURAL: Keys = {
    3078: 33.0,
    3079: 45.0,
    3080: 10.5,
    3081: 40.0,
    3082: 500000.0,
    3083: 1000.0,
    3092: 0.9996,
    3094: 30.0,
}
"""The parameters under the keys of a natural origin ..."""

FALSE: Keys = {
    3078: 33.0,
    3079: 45.0,
    3084: 10.5,
    3085: 40.0,
    3086: 500000.0,
    3087: 1000.0,
    3093: 0.9996,
    3094: 30.0,
    3096: 25.0,
}
"""... of a false origin ..."""

CENTRE: Keys = {
    3078: 33.0,
    3079: 45.0,
    3088: 10.5,
    3089: 40.0,
    3090: 500000.0,
    3091: 1000.0,
    3092: 0.9996,
    3094: 30.0,
}
"""... and of a centre: readers accept each of them for any method."""


def user_defined(method: int, *more: Keys) -> Keys:
    keys: dict[int, Any] = {1024: 1, 3072: 32767, 3074: 32767, 3075: method}
    for some in more:
        keys |= some
    return keys


def without(keys: Keys, *names: int) -> Keys:
    return {key: value for key, value in keys.items() if key not in names}


comparable = [method for method in METHODS if method not in GDAL_HAS_NONE]


NEWER_THAN_PROJ = {1119: "Equidistant Conic"}
"""A method of the EPSG registry since version 11, which PROJ's copy lacks."""


def test_codes_of_methods_and_parameters_are_those_of_epsg() -> None:
    """By PROJ's copy of the registry: names alone decide what PROJ makes of a CRS."""
    with closing(sqlite3.connect(Path(pyproj.datadir.get_data_dir(), "proj.db"))) as registry:
        methods, parameters = (
            dict(registry.execute(f"SELECT code, name FROM {table} WHERE auth_name = 'EPSG'"))
            for table in ("conversion_method", "conversion_param")
        )
    methods = NEWER_THAN_PROJ | methods
    for method in itertools.chain.from_iterable(METHODS.values()):
        assert method.code is None or methods[method.code] == method.name
        for name, code, _ in method.parameters:
            assert code is None or parameters[code] == name, method.name


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("method", comparable)
def test_a_method_on_a_ground(method: int, ground: str) -> None:
    keys = NATURAL if method != 7 else without(NATURAL, 3092)
    if ground.startswith("grads") and method in (3, 9815):
        keys = {**keys, 3096: 25.0}  # GDAL counts the default of 90 degrees in grads
    crs = assert_same(tiff(user_defined(method, GROUNDS[ground], keys)))
    assert crs.kind == "projected"


@pytest.mark.parametrize("origin", [FALSE, CENTRE], ids=["false origin", "centre"])
@pytest.mark.parametrize("method", comparable)
def test_parameters_under_other_keys(method: int, origin: Keys) -> None:
    if method == 7:
        origin = without(origin, 3092, 3093)
    assert_same(tiff(user_defined(method, WGS_84, origin)))


@pytest.mark.parametrize("method", [m for m in comparable if m != 8])
def test_defaults_of_parameters_that_are_missing(method: int) -> None:
    assert_same(tiff(user_defined(method, WGS_84)))


def test_parallels_of_lambert_are_the_files() -> None:
    # without the second, libgeotiff forgets the first
    crs, _ = ours(tiff(user_defined(8, WGS_84, {3078: 33.0})))
    assert crs is not None
    assert crs.projjson is not None
    values = {p["name"]: p["value"] for p in crs.projjson["conversion"]["parameters"]}
    assert values["Latitude of 1st standard parallel"] == 33


@pytest.mark.parametrize("latitude", [90.0, -90.0, 70.0, -71.0, 0.0])
@pytest.mark.parametrize("scale", [1.0, 0.994])
def test_variants_of_polar_stereographic(latitude: float, scale: float) -> None:
    keys = {3081: latitude, 3095: -45.0, 3092: scale, 3082: 2000000.0}
    assert_same(tiff(user_defined(15, WGS_84, keys)))


@pytest.mark.parametrize(
    "keys",
    [
        {3080: 10.0, 3092: 0.9},
        {3080: 10.0, 3081: 20.0},
        {3080: 10.0, 3078: 33.0},
        {3080: 10.0, 3078: 33.0, 3081: 20.0},
        {3080: 10.0, 3078: 33.0, 3092: 0.9},
    ],
)
def test_variants_of_mercator(keys: Keys) -> None:
    assert_same(tiff(user_defined(7, WGS_84, keys)))


def test_mercator_that_is_none_of_its_variants() -> None:
    data = tiff(user_defined(7, WGS_84, {3081: 20.0, 3092: 0.9}))
    crs, said = ours(data)
    assert crs is None
    assert gdal(data) is None
    assert any("ProjMethodGeoKey (3075)" in one for one in said)


@pytest.mark.parametrize("latitude", [0.0, 20.0])
@pytest.mark.parametrize("ground", [WGS_84, SPHERE], ids=["ellipsoid", "sphere"])
def test_variants_of_equirectangular(ground: Keys, latitude: float) -> None:
    keys = {3088: 10.0, 3089: latitude, 3078: 33.0}
    assert_same(tiff(user_defined(17, ground, keys)))


@pytest.mark.parametrize("latitude", [90.0, -90.0])
@pytest.mark.parametrize("longitude", [0.0, 30.0])
def test_axes_at_a_pole(latitude: float, longitude: float) -> None:
    assert_same(tiff(user_defined(10, WGS_84, {3089: latitude, 3088: longitude})))


def test_swiss_oblique_cylindrical_is_what_the_registry_has_for_it() -> None:
    keys = {3088: 7.43958333333333, 3089: 46.9524055555556, 3082: 600000.0, 3083: 200000.0}
    crs, said = ours(tiff(user_defined(5, {2048: 4149, 3076: 9001}, keys)))
    assert crs is not None
    assert said == []
    assert pyproj.CRS(crs.text).equals(pyproj.CRS(21781), ignore_axis_order=True)


@pytest.mark.parametrize("method", [2, 6, 29, 12345])
def test_a_method_that_nobody_has_leaves_local_coordinates_and_a_warning(method: int) -> None:
    data = tiff(user_defined(method, WGS_84, {1026: "Somewhere"}, NATURAL))
    crs, said = ours(data)
    expected = gdal(data)
    assert crs is not None
    assert expected is not None
    assert crs.kind == "local"
    assert same(crs.text, expected)
    assert any(f"ProjMethodGeoKey (3075) = {method}" in one for one in said)


def test_azimuths_have_a_unit_of_their_own() -> None:
    keys = {**CENTRE, 2060: 9105, 3094: 30.0, 3096: 27.0}
    crs, _ = ours(tiff(user_defined(9815, WGS_84, keys)))
    assert crs is not None
    parameters = pyproj.CRS(crs.text).coordinate_operation.params
    azimuth = next(p for p in parameters if p.code == "8813")
    assert (azimuth.value, azimuth.unit_name) == (30, "grad")


PROJ_STRINGS = [
    "+proj=tmerc +lat_0=10 +lon_0=3 +k=0.9996 +x_0=500000 +y_0=1 +ellps=clrk66 +units=us-ft",
    "+proj=omerc +lat_0=4 +lonc=102.25 +alpha=323 +gamma=323 +k=0.99984 +x_0=804671 +ellps=evrst30",
    "+proj=omerc +no_uoff +lat_0=4 +lonc=115 +alpha=53 +gamma=53 +k=0.9998 +x_0=590476 +y_0=4428",
    "+proj=somerc +lat_0=46.952406 +lon_0=7.439583 +x_0=600000 +y_0=200000 +ellps=bessel",
    "+proj=merc +lon_0=10 +k=0.997 +x_0=3900000 +y_0=900000 +ellps=bessel",
    "+proj=merc +lat_ts=42 +lon_0=51 +ellps=krass",
    "+proj=lcc +lat_1=49 +lat_2=44 +lat_0=46.5 +lon_0=3 +x_0=700000 +y_0=6600000 +ellps=GRS80",
    "+proj=lcc +lat_1=46.8 +lat_0=46.8 +k_0=0.99987742 +x_0=6e5 +ellps=clrk80ign +pm=paris",
    "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000 +ellps=GRS80",
    "+proj=laea +lat_0=90 +lon_0=0 +R=6371228",
    "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +ellps=clrk66 +units=ft",
    "+proj=aeqd +lat_0=49 +lon_0=2 +ellps=intl",
    "+proj=eqdc +lat_1=15 +lat_2=65 +lat_0=30 +lon_0=95 +R=6370997",
    "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +datum=WGS84",
    "+proj=stere +lat_0=-90 +lon_0=0 +k=0.994 +x_0=2000000 +y_0=2000000 +datum=WGS84",
    "+proj=stere +lat_0=40 +lon_0=10 +k=0.99 +ellps=GRS80",
    "+proj=sterea +lat_0=52.156 +lon_0=5.388 +k=0.9999079 +x_0=155000 +y_0=463000 +ellps=bessel",
    "+proj=eqc +lat_ts=30 +lon_0=10 +ellps=GRS80",
    "+proj=eqc +lat_ts=0 +lon_0=180 +R=3396190",
    "+proj=cass +lat_0=10.44 +lon_0=-61.33 +x_0=86501 +y_0=65379 +a=6378293.6 +b=6356617.9",
    "+proj=gnom +lat_0=40 +lon_0=10 +R=6370997",
    "+proj=mill +lon_0=10 +R=6371000",
    "+proj=ortho +lat_0=40 +lon_0=10 +ellps=GRS80",
    "+proj=poly +lat_0=0 +lon_0=-54 +x_0=5000000 +y_0=10000000 +ellps=aust_SA",
    "+proj=robin +lon_0=10 +datum=WGS84",
    "+proj=sinu +lon_0=0 +R=6371007.181",
    "+proj=vandg +lon_0=10 +R=6371000",
    "+proj=nzmg +lat_0=-41 +lon_0=173 +x_0=2510000 +y_0=6023150 +ellps=intl",
    "+proj=tmerc +axis=wsu +lat_0=0 +lon_0=29 +k=1 +ellps=WGS84",
    "+proj=cea +lat_ts=30 +lon_0=0 +datum=WGS84",
    "+proj=utm +zone=33 +south +ellps=intl +units=m",
    "+proj=tmerc +lat_0=0 +lon_0=9 +k=1 +x_0=3500000 +ellps=bessel +towgs84=598,73,418,0.2,0,-2,6",
    "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84",
    "+proj=moll +lon_0=10 +datum=WGS84",
    "+proj=longlat +ellps=bessel +pm=ferro",
    "+proj=longlat +R=3396190",
    "+proj=geocent +ellps=GRS80",
]


@pytest.mark.long
@pytest.mark.parametrize("text", PROJ_STRINGS)
def test_what_gdal_writes_for_a_projection(text: str) -> None:
    assert_same(written_by_gdal(text))


def place(text: str) -> tuple[float, ...] | None:
    """Where a point of the map is; None if PROJ cannot compute with the CRS."""
    try:
        found = pyproj.Transformer.from_crs(text, 4326).transform(510000, 1200)
    except pyproj.exceptions.ProjError:
        return None
    return tuple(round(number, 9) for number in found)


@pytest.mark.parametrize("method", comparable)
def test_points_are_where_gdal_has_them(method: int) -> None:
    data = tiff(user_defined(method, WGS_84, without(NATURAL, 3092)))
    crs, expected = ours(data)[0], gdal(data)
    assert crs is not None
    assert expected is not None
    assert place(crs.text) == place(expected.to_wkt())
