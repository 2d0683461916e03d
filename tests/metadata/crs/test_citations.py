"""What writers put into citations: names, units, whole CRSs."""

from __future__ import annotations

import pyproj
import pytest

from virtual_tiff.metadata.crs.citations import (
    fields,
    linear_unit_factor,
    plain_name,
    projection_engine_string,
)
from virtual_tiff.metadata.crs.registry import Proj

from .oracle import Keys, assert_same, gdal, ours, tiff

IMAGINE = (
    "IMAGINE GeoTIFF Support\nCopyright 1991 - 2005 by Leica Geosystems Geospatial Imaging, LLC. "
    "All Rights Reserved\n@(#)$RCSfile: egtf.c $ $Revision: 10.0 $ $Date: 2005/07/26 $\n"
)
TM: Keys = {3075: 1, 3080: 3.0, 3081: 0.0, 3092: 0.9996, 3082: 500000.0, 3083: 0.0}
USER: Keys = {1024: 1, 3072: 32767, 2048: 4326}

ROBINSON = (
    'PROJCS["World_Robinson",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",'
    '6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
    'PROJECTION["Robinson"],PARAMETER["False_Easting",0.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",0.0],UNIT["Meter",1.0]]'
)
WEB = (
    'PROJCS["WGS_1984_Web_Mercator_Auxiliary_Sphere",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",'
    'SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",'
    '0.0174532925199433]],PROJECTION["Mercator_Auxiliary_Sphere"],PARAMETER["False_Easting",0.0],'
    'PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",0.0],'
    'PARAMETER["Standard_Parallel_1",0.0],PARAMETER["Auxiliary_Sphere_Type",0.0],UNIT["Meter",1.0]]'
)


def test_fields_of_gdal_and_esri() -> None:
    said = fields("GCS Name = GCS_X|Datum = D_X|Ellipsoid = E|Primem = Paris|AUnits = Grad|")
    assert said == {
        "GCS Name": "GCS_X",
        "Datum": "D_X",
        "Ellipsoid": "E",
        "Primem": "Paris",
        "AUnits": "Grad",
    }


def test_fields_of_imagine() -> None:
    text = f"{IMAGINE}Projection Name = State Plane\nUnits = us_survey_feet\nGeoTIFF Units = feet"
    assert fields(text) == {"Projection Name": "State Plane", "LUnits": "us_survey_feet"}


@pytest.mark.parametrize("text", [None, "", "NAD27 / UTM zone 11N", "a = b", "LUnits = "])
def test_a_name_has_no_fields(text: str | None) -> None:
    assert fields(text) == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (None, None),
        ("", None),
        ("here", "here"),
        (f"{IMAGINE}Projection Name = UTM\nUnits = meters", "Projection Name = UTM Units = meters"),
        ("IMAGINE GeoTIFF Support\nnowhere", "IMAGINE GeoTIFF Support nowhere"),
    ],
)
def test_names(text: str | None, name: str | None) -> None:
    assert plain_name(text) == name


@pytest.mark.parametrize(
    ("name", "metres"),
    [
        ("meters", 1),
        ("Meter", 1),
        ("feet", 0.3048006096),
        ("foot", 0.3048006096),
        ("international_FeeT", 0.3048),
        ("us_survey_feet", 0.3048006096),
        ("Foot_Clarke", 0.3047972654),
        ("cubits", None),
    ],
)
def test_units(name: str, metres: float | None) -> None:
    assert linear_unit_factor(name) == (None if metres is None else pytest.approx(metres))


def test_pe_strings_are_cut_out() -> None:
    assert projection_engine_string(f"ESRI PE String = {WEB}") == WEB
    assert projection_engine_string("WGS 84") is None
    assert projection_engine_string(None) is None


CITATIONS: dict[str, Keys] = {
    "PCS citation": {**USER, **TM, 3073: "mine", 1026: "other", 3076: 9003},
    "GT citation": {**USER, **TM, 1026: "mine", 3076: 9003},
    "PCS name in GT citation": {**USER, **TM, 1026: "PCS Name = mine|", 3076: 9003},
    "unit over a key": {**USER, **TM, 3073: "PCS Name = x|LUnits = feet|", 3076: 9001},
    "unit alone": {**USER, **TM, 3073: "LUnits = cubit", 1026: "x", 3076: 32767, 3077: 0.5},
    "unit beside a code": {
        1024: 1,
        1026: f"{IMAGINE}Projection Name = State Plane\nUnits = international_FeeT",
        3072: 2838,
    },
    "geographic": {
        1024: 2,
        2048: 32767,
        2049: "GCS Name = Foo|Datum = Bar|Ellipsoid = Baz|Primem = Paris|",
        2054: 9102,
        2057: 6378137.0,
        2059: 300.0,
        2061: 2.33722917,
    },
    "geographic in grads": {
        1024: 2,
        2048: 32767,
        2049: "GCS Name = Foo|Datum = Bar|AUnits = Grad|",
        2054: 9105,
        2057: 6378137.0,
        2059: 300.0,
    },
    "unit without a size": {
        1024: 2,
        2048: 32767,
        2049: "GCS Name = unknown|Datum = Unknown|Primem = Greenwich|AUnits = Custom",
        2050: 32767,
        2054: 32767,
        2055: 0.0,
        2056: 7019,
    },
    "another planet": {
        1024: 2,
        2048: 32767,
        2049: "GCS Name = Moon|Datum = Moon|Ellipsoid = Moon|Primem = Reference Meridian",
        2054: 9102,
        2057: 1737400.0,
        2058: 1737400.0,
    },
    "ESRI's names": {
        **USER,
        **TM,
        1026: "PCS Name = RT90_5_gon_O",
        2048: 32767,
        2049: "GCS Name = GCS_RT_1990|Ellipsoid = Bessel_1841|Primem = Greenwich",
        2050: 6124,
        2054: 9102,
        2057: 6377397.155,
        2059: 299.1528128,
        3076: 9001,
    },
    "ESRI's old web": {
        **USER,
        1026: "WGS_1984_Web_Mercator",
        2048: 32767,
        2057: 6378137.0,
        2058: 6378137.0,
        3075: 7,
        3076: 9001,
    },
    "Google's": {
        **USER,
        1026: "Google Maps Global Mercator",
        2048: 32767,
        2057: 6378137.0,
        2058: 6378137.0,
        3075: 7,
        3076: 9001,
    },
    "UTM of IMAGINE": {
        1024: 1,
        1026: f"{IMAGINE}Projection Name = UTM\nUnits = meters\nGeoTIFF Units = meters",
        2048: 32767,
        2049: f"{IMAGINE}Unable to match\nEllipsoid = Clarke 1866\nDatum = NAD27 (CONUS)",
        2056: 7008,
        3072: 32767,
        3073: f"{IMAGINE}UTM Zone 10N\nEllipsoid = Clarke 1866\nDatum = NAD27 (CONUS)",
        3074: 16010,
        3076: 9001,
    },
    "local of IMAGINE": {1026: f"{IMAGINE}Projection Name = UTM\nUnits = meters", 2048: 4326},
    "State Plane of 1983": {
        1024: 1,
        3072: 32767,
        3073: f"{IMAGINE}State Plane Zone -3601\nNAD = 83",
        3076: 9003,
    },
    "State Plane of 1927": {
        1024: 1,
        3072: 32767,
        3073: f"{IMAGINE}State Plane Zone 406\nNAD = 27",
        3076: 9003,
    },
    "State Plane of a HARN": {
        1024: 1,
        3072: 32767,
        3073: f"{IMAGINE}State Plane Zone 3601\\nNAD = HARN",
        3076: 9001,
    },
    "State Plane of 1983 in international feet": {
        1024: 1,
        1026: f"{IMAGINE}Projection Name = State Plane\\nUnits = international_feet",
        3072: 32767,
        3073: f"{IMAGINE}State Plane Zone -3601\\nNAD = 83",
    },
    "PE string": {3073: f"ESRI PE String = {ROBINSON}"},
    "PE string of the web": {1024: 32767, 3073: f"ESRI PE String = {WEB}", 2048: 4326, 3076: 9001},
    "PE string and a code": {1024: 32767, 3072: 3857, 3073: f"ESRI PE String = {WEB}"},
}


@pytest.mark.parametrize("name", CITATIONS)
def test_citations_as_gdal_reads_them(name: str) -> None:
    assert_same(tiff(CITATIONS[name]))


@pytest.mark.parametrize("key", [1026, 3073])
def test_a_pe_string_where_gdal_does_not_look(key: int) -> None:
    data = tiff({1024: 1, 3072: 32767, key: f"ESRI PE String = {ROBINSON}", 3076: 9001})
    crs, _ = ours(data)
    assert crs is not None
    assert crs.kind == "projected"
    assert pyproj.CRS(crs.text).equals(pyproj.CRS(ROBINSON))


@pytest.mark.parametrize("text", ["PROJCS[oh", 'PROJCS["oh"]', 'PROJCS["oh"'])
def test_a_pe_string_that_nobody_can_read(text: str) -> None:
    data = tiff({3073: f"ESRI PE String = {text}"})
    crs, said = ours(data)
    assert crs is None
    assert gdal(data) is None
    assert any("ProjectedCitationGeoKey (3073)" in one for one in said)


def test_a_state_plane_zone_that_nobody_knows() -> None:
    keys: Keys = {1024: 1, 3072: 32767, 3073: f"{IMAGINE}State Plane Zone 9999\nNAD = 83"}
    crs, said = ours(tiff(keys))
    assert crs is not None
    assert crs.kind == "local"
    assert any("State Plane Zone 9999" in one for one in said)


def test_a_state_plane_zone_by_esris_name() -> None:
    """GDAL knows the older spelling alone."""
    name = "NAD_1983_StatePlane_Oregon_North_FIPS_3601_Feet"
    citation = f"{IMAGINE}Projection Name = {name}\nUnits = us_survey_feet"
    crs, _ = ours(tiff({1024: 1, 3072: 32767, 1026: citation}))
    assert crs is not None
    assert crs.code == "ESRI:102726"


@pytest.mark.parametrize(
    ("size", "unit"),
    [({3077: 0.25}, ("cubits", 0.25)), ({}, ("foot", 0.3048))],
    ids=["size", "none"],
)
def test_a_unit_of_a_citation_that_nobody_knows(size: Keys, unit: tuple[str, float]) -> None:
    """Its size is that of ProjLinearUnitSizeGeoKey; without one, the unit of the keys holds."""
    crs, _ = ours(tiff({**USER, **TM, 3073: "LUnits = cubits", 3076: 9002, **size}))
    assert crs is not None
    assert (crs.unit, crs.unit_factor) == unit


@pytest.mark.parametrize("units", ["meters", "international_feet", "rods", ""])
def test_esris_name_in_other_units_is_left_for_the_zone(units: str) -> None:
    name = "NAD_1983_StatePlane_Oregon_North_FIPS_3601_Feet"
    citation = f"{IMAGINE}Projection Name = {name}\\nUnits = {units}"
    zone = f"{IMAGINE}State Plane Zone 3601\\nNAD = 83"
    assert_same(tiff({1024: 1, 3072: 32767, 1026: citation, 3073: zone}))
    crs, said = ours(tiff({1024: 1, 3072: 32767, 1026: citation}))
    assert crs is not None
    assert crs.kind == "local"
    assert "there is no projection" in said[0]


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({1024: 1, 3072: 32767, 2048: 4326, **TM, 1026: "refused"}, "ProjectedCRS"),
        ({1024: 2, 2048: 32767, 2056: 7030, 2054: 9102, 1026: "refused"}, "GeographicCRS"),
    ],
)
def test_a_crs_that_proj_refuses_is_left_out_and_said(
    keys: Keys, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Proj, "wkt", lambda *_: None)
    crs, said = ours(tiff(keys))
    assert crs is None
    assert f"the keys make a {kind} that PROJ refuses" in said[-1]
