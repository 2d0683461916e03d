"""The rows of `tables` and `deprecated`: each is a row of the EPSG registry in PROJ's database."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyproj
import pytest
from pyproj import CRS

from virtual_tiff.metadata.crs.deprecated import _REPLACEMENTS
from virtual_tiff.metadata.crs.registry import BuiltIn, Proj
from virtual_tiff.metadata.crs.tables import (
    ANGULAR_UNITS,
    CITATION_UNITS,
    ELLIPSOIDS,
    GEOGRAPHIC,
    LINEAR_UNITS,
    PRIME_MERIDIANS,
    UTM_FAMILIES,
    VERTICAL,
)
from virtual_tiff.metadata.crs.wkt import to_wkt

PROJ_OF_THE_ROWS = (9, 8)
"""The version of PROJ from which the rows of deprecated codes were taken."""
REPLACED_BY_ANOTHER_KIND = (7408, 7415)
"""The Netherlands' compound CRS had the code of its base CRS in place of a projected one."""
# The words of ERDAS and ESRI for units, in citations: what they are in the registry
UNIT_OF_WORD: dict[str, tuple[str, int]] = {
    "meters": ("EPSG", 9001),
    "centimeters": ("EPSG", 1033),
    "cm": ("EPSG", 1033),
    "millimeters": ("EPSG", 1025),
    "mm": ("EPSG", 1025),
    "kilometers": ("EPSG", 9036),
    "km": ("EPSG", 9036),
    "us_survey_feet": ("EPSG", 9003),
    "us_survey_foot": ("EPSG", 9003),
    "feet": ("EPSG", 9003),
    "foot": ("EPSG", 9003),
    "ft": ("EPSG", 9003),
    "international_feet": ("EPSG", 9002),
    "international_foot": ("EPSG", 9002),
    "inches": ("ESRI", 109009),
    "yards": ("EPSG", 9096),
    "yd": ("EPSG", 9096),
    "Yard_Indian": ("EPSG", 9084),
    "Foot_Clarke": ("EPSG", 9005),
    "Foot_Gold_Coast": ("EPSG", 9094),
    "Link_Clarke": ("EPSG", 9039),
    "Yard_Sears": ("EPSG", 9040),
    "50_Kilometers": ("ESRI", 109030),
    "150_Kilometers": ("ESRI", 109031),
}
OF_GDAL_ALONE = {
    "clarke_feet": 0.3047972651,
    "clarke_foot": 0.3047972651,
    "indian_feet": 0.3047995142,
    "indian_foot": 0.3047995142,
}
"""ERDAS's roundings, as GDAL's gt_citation.cpp (apszUnitMap) has them."""


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(Path(pyproj.datadir.get_data_dir(), "proj.db"))) as opened:
        yield opened


def test_ellipsoids(database: sqlite3.Connection) -> None:
    rows = {
        code: (name, axis, flattening if flattening is not None else axis / (axis - minor))
        for code, name, axis, flattening, minor in database.execute(
            "SELECT code, name, semi_major_axis, inv_flattening, semi_minor_axis FROM ellipsoid"
            " WHERE auth_name = 'EPSG' AND uom_code = 9001 AND"
            " (semi_minor_axis IS NULL OR semi_minor_axis < semi_major_axis)"
        )
    }
    for code, (name, axis, flattening) in ELLIPSOIDS.items():
        if not flattening:
            continue
        assert (name, axis) == rows[code][:2]
        assert flattening == pytest.approx(rows[code][2], rel=1e-12, abs=0), name


@pytest.mark.parametrize("code", ELLIPSOIDS)
def test_ellipsoids_as_projjson(code: int) -> None:
    definition = BuiltIn().ellipsoid(code)
    assert definition is not None
    ours = pyproj.crs.Ellipsoid.from_json_dict(definition | {"type": "Ellipsoid"})
    theirs = pyproj.crs.Ellipsoid.from_epsg(code)
    assert ours == theirs
    assert ours.name == theirs.name
    assert ours.semi_major_metre == theirs.semi_major_metre
    assert ours.inverse_flattening == pytest.approx(theirs.inverse_flattening, rel=1e-12, abs=0)


def test_prime_meridians(database: sqlite3.Connection) -> None:
    rows = {
        code: (name, longitude)
        for code, name, longitude in database.execute(
            "SELECT code, name, longitude FROM prime_meridian WHERE auth_name = 'EPSG'"
        )
    }
    assert PRIME_MERIDIANS.items() <= rows.items()


@pytest.mark.parametrize(
    ("kind", "table"), [("length", LINEAR_UNITS), ("angle", ANGULAR_UNITS)], ids=["length", "angle"]
)
def test_units(database: sqlite3.Connection, kind: str, table: dict[int, Any]) -> None:
    rows = {
        code: (name, factor)
        for code, name, factor in database.execute(
            "SELECT code, name, conv_factor FROM unit_of_measure"
            " WHERE auth_name = 'EPSG' AND type = ?",
            (kind,),
        )
    }
    degrees = {9102, 9107, 9108, 9110, 9122}  # 9102, and writings of it: 9122 is for any of them
    for code, unit in table.items():
        name, factor = rows[9102 if code in degrees else code]
        assert unit.kind == kind
        assert unit.code == (9122 if code in degrees else code)
        assert unit.name == ("gon" if code == 9106 else name)  # EPSG: grad, as 9105
        assert unit.factor == pytest.approx(factor, rel=1e-12, abs=0), name


def test_units_of_citations(database: sqlite3.Connection) -> None:
    factors = {
        (authority, code): factor
        for authority, code, factor in database.execute(
            "SELECT auth_name, code, conv_factor FROM unit_of_measure WHERE type = 'length'"
        )
    }
    expected = {word: factors[unit] for word, unit in UNIT_OF_WORD.items()} | OF_GDAL_ALONE
    assert dict(CITATION_UNITS).keys() == expected.keys()
    for word, factor in CITATION_UNITS:
        assert factor == pytest.approx(expected[word], rel=1e-12, abs=0), word


@pytest.mark.parametrize("code", GEOGRAPHIC)
def test_geographic_crs(code: int, database: sqlite3.Connection) -> None:
    definition = BuiltIn().crs(code)
    assert definition is not None
    assert CRS(to_wkt(definition)).equals(CRS(code))
    assert definition["name"] == CRS(code).name
    # PROJ takes two datums of one name for equal, whatever their codes
    (row,) = database.execute(
        "SELECT crs.name, crs.datum_code, datum.name, datum.ellipsoid_code FROM geodetic_crs crs"
        " JOIN geodetic_datum datum ON datum.auth_name = 'EPSG' AND datum.code = crs.datum_code"
        " WHERE crs.auth_name = 'EPSG' AND crs.code = ?",
        (code,),
    )
    # the registry calls an ensemble so, and PROJJSON does not
    named = row[2].removesuffix(" ensemble")
    assert GEOGRAPHIC[code] == (row[0], row[1], named, row[3])


@pytest.mark.parametrize("code", [3857, 4979, *(c for codes, *_ in UTM_FAMILIES for c in codes)])
def test_other_crs(code: int) -> None:
    definition = BuiltIn().crs(code)
    assert definition is not None
    assert CRS(to_wkt(definition)).equals(CRS(code))
    assert definition["name"] == CRS(code).name


def test_vertical_codes_are_vertical() -> None:
    for code in (c for codes in VERTICAL for c in codes):
        definition = Proj().crs(code)
        assert definition is None or definition["type"] == "VerticalCRS"


# Deprecated codes


@pytest.fixture(scope="module")
def replacements(database: sqlite3.Connection) -> dict[int, int]:
    """The deprecated CRSs that have one replacement, but for geographic 2-D and vertical ones."""
    by_code: dict[int, list[int]] = defaultdict(list)
    for code, replacement in database.execute(
        "SELECT deprecated_code, replacement_code FROM deprecation"
        " WHERE deprecated_auth_name = 'EPSG' AND replacement_auth_name = 'EPSG'"
        " AND table_name IN ('geodetic_crs', 'projected_crs', 'compound_crs')"
        " AND NOT (table_name = 'geodetic_crs' AND deprecated_code IN"
        " (SELECT code FROM geodetic_crs WHERE auth_name = 'EPSG' AND type = 'geographic 2D'))"
    ):
        by_code[code].append(replacement)
    return {code: codes[0] for code, codes in by_code.items() if len(codes) == 1}


def _units(code: int) -> list[float]:
    return [axis.unit_conversion_factor for axis in CRS.from_epsg(code).axis_info]


def test_each_row_of_deprecated_codes_is_the_registrys(replacements: dict[int, int]) -> None:
    assert _REPLACEMENTS.items() <= replacements.items()


@pytest.mark.skipif(
    tuple(map(int, pyproj.proj_version_str.split(".")[:2])) != PROJ_OF_THE_ROWS,
    reason="other versions of PROJ know other deprecated codes",
)
def test_each_deprecated_code_of_the_registry_has_its_row(replacements: dict[int, int]) -> None:
    for code in replacements.keys() - _REPLACEMENTS.keys():
        assert _units(code) != pytest.approx(_units(replacements[code])), code


@pytest.mark.parametrize("row", _REPLACEMENTS.items(), ids=str)
def test_a_replacement_has_the_units_of_what_it_replaces(row: tuple[int, int]) -> None:
    if row != REPLACED_BY_ANOTHER_KIND:
        assert _units(row[0]) == pytest.approx(_units(row[1]))
