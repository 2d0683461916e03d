"""The meaning of EPSG codes, from PROJ's database by pyproj, or from the few rows in `tables`.

pyproj is the extra `geo`. Without it, codes whose definition is not in `tables` remain codes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Literal

from virtual_tiff.metadata.crs.projjson import (
    DEGREE,
    JSON,
    METRE,
    Unit,
    axis,
    coordinate_system,
    identifier,
    map_axes,
    without,
)
from virtual_tiff.metadata.crs.tables import (
    ANGULAR_UNITS,
    ELLIPSOIDS,
    GEOGRAPHIC,
    LINEAR_UNITS,
    PRIME_MERIDIANS,
    UTM_FAMILIES,
)
from virtual_tiff.metadata.crs.wkt import to_wkt

__all__ = ["Proj", "Registry", "registry"]

_MANY = 1024
_CATEGORIES: tuple[tuple[str, Literal["length", "angle"]], ...] = (
    ("linear", "length"),
    ("angular", "angle"),
)
"""PROJ's words and ours."""


class BuiltIn:
    """The rows of `tables`, for when there is no pyproj; all return None for what they lack."""

    complete = False
    """Whether a code that is not known does not exist."""

    def crs(self, code: int) -> JSON | None:
        """Return a CRS of `GEOGRAPHIC` or `UTM_FAMILIES`, or one of two common others."""
        if code in GEOGRAPHIC:
            name, datum, _, _ = GEOGRAPHIC[code]
            return {
                "type": "GeographicCRS",
                "name": name,
                "datum": self.datum(datum),
                "coordinate_system": coordinate_system("ellipsoidal", *_LATITUDE_LONGITUDE),
                "id": identifier(code),
            }
        if code == 4979:
            axes = (*_LATITUDE_LONGITUDE, axis("Ellipsoidal height", "h", "up", METRE))
            system = coordinate_system("ellipsoidal", *axes)
            return (self.crs(4326) or {}) | {"coordinate_system": system, "id": identifier(code)}
        if code == 3857:
            return self._projected(code, 4326, _WEB_MERCATOR, "Pseudo-Mercator")
        for codes, less_zone, base_code, north in UTM_FAMILIES:
            if code in codes:
                return self._projected(
                    code, base_code, utm_conversion(code - less_zone, north=north)
                )
        return None

    def _projected(
        self, code: int, base_code: int, conversion: JSON, name: str | None = None
    ) -> JSON:
        base = self.crs(base_code) or {}
        return {
            "type": "ProjectedCRS",
            "name": f"{base['name']} / {name or conversion['name']}",
            "base_crs": base,
            "conversion": without(conversion, "type"),
            "coordinate_system": map_axes(METRE),
            "id": identifier(code),
        }

    def datum(self, code: int) -> JSON | None:
        """Return a datum of `GEOGRAPHIC`."""
        for _, datum, name, ellipsoid in GEOGRAPHIC.values():
            if datum == code:
                definition = {"type": "GeodeticReferenceFrame", "name": name}
                return definition | {"ellipsoid": self.ellipsoid(ellipsoid), "id": identifier(code)}
        return None

    def ellipsoid(self, code: int) -> JSON | None:
        """Return an ellipsoid of `ELLIPSOIDS`."""
        if code not in ELLIPSOIDS:
            return None
        name, axis, flattening = ELLIPSOIDS[code]
        size = {"semi_major_axis": axis, "inverse_flattening": flattening}
        return {"name": name, **(size if flattening else {"radius": axis}), "id": identifier(code)}

    def prime_meridian(self, code: int) -> JSON | None:
        """Return a prime meridian of `PRIME_MERIDIANS`."""
        if code not in PRIME_MERIDIANS:
            return None
        name, longitude = PRIME_MERIDIANS[code]
        return {"name": name, "longitude": longitude, "id": identifier(code)}

    def conversion(self, code: int) -> JSON | None:
        """Return the web's, or UTM's, which have codes by a rule."""
        if code == 3856:
            return _WEB_MERCATOR
        zone, south = (code - 16000) % 100, (code - 16000) // 100
        if south not in (0, 1) or not 1 <= zone <= 60:
            return None
        return utm_conversion(zone, north=not south) | {"id": identifier(code)}

    def unit(self, code: int) -> Unit | None:
        """Return a unit of `LINEAR_UNITS` or `ANGULAR_UNITS`."""
        return LINEAR_UNITS.get(code) or ANGULAR_UNITS.get(code)

    def datum_named(self, name: str) -> JSON | None:
        """Return a datum of `GEOGRAPHIC`."""
        plain = _plain(name.removeprefix("D_"))
        rows = GEOGRAPHIC.values()
        return next(
            (self.datum(code) for _, code, row_name, _ in rows if _plain(row_name) == plain), None
        )

    def ellipsoid_named(self, name: str) -> JSON | None:
        """Return an ellipsoid of `ELLIPSOIDS`."""
        rows = ELLIPSOIDS.items()
        return next((self.ellipsoid(n) for n, row in rows if _plain(row[0]) == _plain(name)), None)

    def crs_named(self, name: str) -> JSON | None:
        """Know no names."""
        del name
        return None

    def from_wkt(self, wkt: str) -> JSON | None:
        """Read no WKT."""
        del wkt
        return None

    def same(self, one: JSON, other: JSON) -> bool:
        """Tell whether they are equal as written, but for names."""
        return _bare(one) == _bare(other)

    def wkt(self, crs: JSON) -> str | None:
        """Write what this package makes."""
        return to_wkt(crs)


class Proj:
    """PROJ's database, by pyproj. Lookups take milliseconds, so they are kept."""

    complete = True

    def __init__(self) -> None:
        # imported here: pyproj is an extra, and importing it takes longer than to read a file
        from pyproj import CRS, crs, database  # noqa: PLC0415
        from pyproj.exceptions import ProjError  # noqa: PLC0415

        self._crs: Any = CRS
        self._objects: Any = crs
        self._database: Any = database
        self._error = ProjError

    @lru_cache(_MANY)  # noqa: B019 (there is one instance)
    def crs(self, code: int) -> JSON | None:
        """Return a CRS of any type."""
        return self._json(lambda: self._crs.from_epsg(code))

    @lru_cache(_MANY)  # noqa: B019
    def datum(self, code: int) -> JSON | None:
        """Return a datum or a datum ensemble."""
        return self._json(lambda: self._objects.Datum.from_epsg(code))

    @lru_cache(_MANY)  # noqa: B019
    def ellipsoid(self, code: int) -> JSON | None:
        """Return an ellipsoid."""
        return self._json(lambda: self._objects.Ellipsoid.from_epsg(code))

    @lru_cache(_MANY)  # noqa: B019
    def prime_meridian(self, code: int) -> JSON | None:
        """Return a prime meridian."""
        return self._json(lambda: self._objects.PrimeMeridian.from_epsg(code))

    @lru_cache(_MANY)  # noqa: B019
    def conversion(self, code: int) -> JSON | None:
        """Return a map projection, but no transformation between datums."""
        conversion = self._json(lambda: self._objects.CoordinateOperation.from_epsg(code))
        return conversion if conversion is not None and conversion["type"] == "Conversion" else None

    @lru_cache(_MANY)  # noqa: B019
    def unit(self, code: int) -> Unit | None:
        """Return a unit of length or of angles."""
        known = LINEAR_UNITS.get(code) or ANGULAR_UNITS.get(code)
        if known is not None:
            return known
        for category, kind in _CATEGORIES:
            units = self._database.get_units_map("EPSG", category, allow_deprecated=True)
            for unit in units.values():
                if unit.code == str(code):
                    return Unit(unit.name, unit.conv_factor, kind, code)
        return None

    @lru_cache(_MANY)  # noqa: B019
    def datum_named(self, name: str) -> JSON | None:
        """Return the geodetic datum that has this name, or this name in ESRI's spelling."""
        return self._json(lambda: self._objects.Datum.from_name(name, auth_name="EPSG"))

    @lru_cache(_MANY)  # noqa: B019
    def ellipsoid_named(self, name: str) -> JSON | None:
        """Return the ellipsoid that has this name, or this name in ESRI's spelling."""
        return self._json(lambda: self._objects.Ellipsoid.from_name(name, auth_name="EPSG"))

    @lru_cache(_MANY)  # noqa: B019
    def crs_named(self, name: str) -> JSON | None:
        """Return the CRS that has this name, or this name in ESRI's spelling."""
        if set(name) & set("[]{}=:"):  # PROJ would take it for WKT, JSON, PROJ strings or codes
            return None
        return self._json(lambda: self._crs.from_user_input(name))

    def from_wkt(self, wkt: str) -> JSON | None:
        """Read WKT in any dialect."""
        return self._json(lambda: self._crs.from_wkt(wkt))

    def same(self, one: JSON, other: JSON) -> bool:
        """Tell whether two CRSs differ in no more than names and the order of axes."""
        try:
            first, second = (self._crs.from_json_dict(crs) for crs in (one, other))
        except self._error:
            return False
        return bool(first.equals(second, ignore_axis_order=True))

    def wkt(self, crs: JSON) -> str | None:
        """Write WKT 2; None if PROJ does not accept the CRS."""
        try:
            return str(self._crs.from_json_dict(crs).to_wkt())
        except self._error:
            return None

    def _json(self, make: Callable[[], Any]) -> JSON | None:
        try:
            definition: JSON = make().to_json_dict()
        except self._error:
            return None
        return definition


@cache
def registry() -> Registry:
    """Return PROJ's database if pyproj is installed, else the built-in rows."""
    try:
        return Proj()
    except ImportError:
        return BuiltIn()


type Registry = BuiltIn | Proj


def utm_conversion(zone: int, *, north: bool) -> JSON:
    """Make the projection of a UTM zone."""
    return {
        "type": "Conversion",
        "name": f"UTM zone {zone}{'N' if north else 'S'}",
        "method": {"name": "Transverse Mercator", "id": identifier(9807)},
        "parameters": _parameters(
            ("Latitude of natural origin", 0, "degree", 8801),
            ("Longitude of natural origin", 6 * zone - 183, "degree", 8802),
            ("Scale factor at natural origin", 0.9996, "unity", 8805),
            ("False easting", 500000, "metre", 8806),
            ("False northing", 0 if north else 10000000, "metre", 8807),
        ),
    }


_LATITUDE_LONGITUDE = (
    axis("Geodetic latitude", "Lat", "north", DEGREE),
    axis("Geodetic longitude", "Lon", "east", DEGREE),
)


def _parameters(*rows: tuple[str, float, str, int]) -> list[JSON]:
    return [
        {"name": name, "value": value, "unit": unit, "id": identifier(code)}
        for name, value, unit, code in rows
    ]


_WEB_MERCATOR: JSON = {
    "type": "Conversion",
    "name": "Popular Visualisation Pseudo-Mercator",
    "method": {"name": "Popular Visualisation Pseudo Mercator", "id": identifier(1024)},
    "parameters": _parameters(
        ("Latitude of natural origin", 0, "degree", 8801),
        ("Longitude of natural origin", 0, "degree", 8802),
        ("False easting", 0, "metre", 8806),
        ("False northing", 0, "metre", 8807),
    ),
    "id": identifier(3856),
}


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _bare(definition: object) -> object:
    """Leave out what does not decide whether two definitions are the same."""
    if isinstance(definition, list):
        return [_bare(one) for one in definition]
    if not isinstance(definition, dict):
        return definition
    # a CRS, a projection and an axis are what they are by their members, not by their name
    kind = definition.get("type", "")
    named_freely = kind.endswith("CRS") or "parameters" in definition or "direction" in definition
    dropped = {"id", "abbreviation", "$schema"} | ({"name"} if named_freely else set())
    return {name: _bare(value) for name, value in definition.items() if name not in dropped}
