"""Without pyproj: what a few built-in rows can say, and codes for the rest."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyproj
import pytest
import rioxarray  # noqa: F401 (it adds `.rio`)
import xarray as xr
from pyproj.crs import PrimeMeridian

from virtual_tiff.metadata.crs.build import Crs, build
from virtual_tiff.metadata.crs.registry import BuiltIn, Proj
from virtual_tiff.metadata.crs.tables import (
    METHODS,
    PRIME_MERIDIANS,
)
from virtual_tiff.metadata.crs.wkt import to_wkt

from .oracle import GEOTIFF_1_0, GEOTIFF_1_1, Keys
from .test_citations import CITATIONS, ROBINSON
from .test_keys import ALL, TM, USER
from .test_methods import GROUNDS, NATURAL, user_defined


def built_in(keys: Keys) -> tuple[Crs | None, tuple[str, ...]]:
    return build(keys, GEOTIFF_1_1, BuiltIn())


def by_proj(keys: Keys) -> Crs | None:
    return build(keys, GEOTIFF_1_1, Proj())[0]


def equal(one: str, other: str) -> bool:
    return pyproj.CRS(one).equals(pyproj.CRS(other), ignore_axis_order=True)


# Conversions by a rule


@pytest.mark.parametrize("code", [16001, 16060, 16101, 16160, 3856])
def test_conversions(code: int) -> None:
    ours, theirs = BuiltIn().conversion(code), Proj().conversion(code)
    assert ours is not None
    assert theirs is not None
    assert ours["name"] == theirs["name"]
    assert ours["method"] == theirs["method"]
    assert ours["parameters"] == theirs["parameters"]


@pytest.mark.parametrize("code", [16000, 16061, 16100, 16161, 10406])
def test_conversions_that_need_proj(code: int) -> None:
    assert BuiltIn().conversion(code) is None


# The WKT is PROJ's


@pytest.mark.parametrize("ground", [name for name in GROUNDS if not name.startswith("grads")])
@pytest.mark.parametrize("method", METHODS)
def test_user_defined_projections_need_no_pyproj(method: int, ground: str) -> None:
    keys = user_defined(method, GROUNDS[ground], NATURAL)
    ours, theirs = built_in(keys)[0], by_proj(keys)
    assert ours is not None
    assert ours.wkt is not None
    assert theirs is not None
    assert theirs.wkt is not None
    assert equal(ours.wkt, theirs.wkt)


NOT_KNOWN_TO_BE_WRONG = {"projected: a code that is none"}


@pytest.mark.parametrize("name", [n for n in ALL | CITATIONS if n not in NOT_KNOWN_TO_BE_WRONG])
def test_what_is_said_is_right_or_a_warning_says_what_is_missing(name: str) -> None:
    keys = (ALL | CITATIONS)[name]
    ours, said = built_in(keys)
    theirs = by_proj(keys)
    assert ours is not None
    assert theirs is not None
    assert said or equal(ours.text, theirs.text), f"{ours.text}\n{theirs.text}"


def test_names_are_quoted() -> None:
    crs, _ = built_in({**USER, **TM, 1026: 'a "b" c'})
    assert crs is not None
    assert crs.wkt is not None
    assert pyproj.CRS(crs.wkt).name == 'a "b" c'


def test_what_this_package_does_not_make_is_not_written() -> None:
    assert to_wkt({"type": "TemporalCRS"}) is None


# Codes


def test_a_code_alone() -> None:
    crs, said = built_in({1024: 1, 3072: 2056, 3076: 9001})
    assert crs is not None
    assert (crs.code, crs.wkt, crs.projjson, crs.text) == ("EPSG:2056", None, None, "EPSG:2056")
    assert (crs.kind, crs.unit, crs.unit_factor) == ("projected", "metre", 1.0)
    assert said == ()


def test_a_geographic_code_alone() -> None:
    crs, _ = built_in({1024: 2, 2048: 4807, 2054: 9105})
    assert crs is not None
    assert (crs.code, crs.wkt, crs.text, crs.kind) == ("EPSG:4807", None, "EPSG:4807", "geographic")


def test_two_codes() -> None:
    crs, said = built_in({1024: 1, 3072: 2056, 4096: 5773})
    assert crs is not None
    assert crs.text == "EPSG:2056+5773"
    assert said == ()


@pytest.mark.parametrize("code", [2056, 32633])
def test_heights_of_geotiff_1_0_are_beside_the_crs(code: int) -> None:
    crs, said = build({1024: 1, 3072: code, 4096: 5773}, GEOTIFF_1_0, BuiltIn())
    assert crs is not None
    assert (crs.code, crs.vertical, said) == (f"EPSG:{code}", "EPSG:5773", ())


def test_a_deprecated_code_is_the_one_that_replaces_it() -> None:
    crs, said = built_in({1024: 1, 3072: 2037})
    assert crs is not None
    assert (crs.text, said) == ("EPSG:2960", ())


def test_a_code_of_heights_over_a_crs_that_is_known() -> None:
    crs, _ = built_in({1024: 1, 3072: 32633, 4096: 5773})
    assert crs is not None
    assert crs.text == "EPSG:32633+5773"


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({1024: 1, 3072: 2056, 2048: 4150}, "GeodeticCRSGeoKey (2048)"),
        ({1024: 1, 3072: 2056, 4099: 9001}, "VerticalUnitsGeoKey (4099)"),
        ({1024: 1, 3072: 2056, 1026: "LUnits = feet"}, "GTCitationGeoKey (1026)"),
        ({1024: 1, 3072: 32767, 3074: 10406, 2048: 4267}, "ProjectionGeoKey (3074) = 10406"),
    ],
)
def test_what_is_not_compared_is_said(keys: Keys, named: str) -> None:
    _, said = built_in(keys)
    assert any(f"GeoKey {named}" in one for one in said)


def test_a_pe_string_is_passed_on() -> None:
    crs, _ = built_in({3073: f"ESRI PE String = {ROBINSON}"})
    assert crs is not None
    assert crs.text == ROBINSON


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({1024: 1, 3072: 32633}, "EPSG:32633"),
        ({1024: 1, 3072: 3035}, "EPSG:3035"),
        ({1024: 2, 2048: 4326}, "EPSG:4326"),
        ({1024: 2, 2048: 4979}, "EPSG:4979"),
        ({3073: f"ESRI PE String = {ROBINSON}"}, ROBINSON),
    ],
    ids=["utm", "laea", "wgs84", "wgs84-3d", "esri"],
)
@pytest.mark.parametrize("attribute", ["spatial_ref", "crs_wkt"])
def test_rioxarray_finds_what_is_built(attribute: str, keys: Keys, expected: str) -> None:
    crs, _ = built_in(keys)
    assert crs is not None
    grid = xr.Variable((), 0, {attribute: crs.text})
    array: Any = xr.DataArray([[0.0]], dims=("y", "x"), coords={"spatial_ref": grid})
    assert pyproj.CRS(array.rio.crs.to_wkt()).equals(pyproj.CRS(expected), ignore_axis_order=True)


def test_the_package_works_where_pyproj_is_missing() -> None:
    """In a process of its own: the registry is chosen once."""
    code = """
import sys
sys.modules["pyproj"] = None
from virtual_tiff.metadata.crs.registry import BuiltIn, registry
assert isinstance(registry(), BuiltIn)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_does_not_import_pyproj() -> None:
    code = "import sys, virtual_tiff.metadata.crs; assert 'pyproj' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("code", PRIME_MERIDIANS)
def test_a_built_in_meridian_is_projs(code: int) -> None:
    ours = BuiltIn().prime_meridian(code)
    expected = PrimeMeridian.from_epsg(code)
    assert ours is not None
    assert (ours["name"], ours["longitude"]) == (expected.name, expected.longitude)
    assert ours["id"] == {"authority": "EPSG", "code": code}


def test_a_crs_that_proj_does_not_read_is_none() -> None:
    proj, wrong = Proj(), {"type": "GeographicCRS", "name": "x"}
    wgs84 = proj.crs(4326)
    assert wgs84 is not None
    assert proj.wkt(wrong) is None
    assert not proj.same(wrong, wgs84)
    assert proj.same(wgs84, wgs84)


@pytest.mark.parametrize("name", ["EPSG:4326", "+proj=longlat", 'GEOGCS["x"]', '{"type": 1}'])
def test_the_name_of_a_crs_is_no_definition(name: str) -> None:
    assert Proj().crs_named(name) is None
    assert Proj().crs_named("WGS 84") is not None
