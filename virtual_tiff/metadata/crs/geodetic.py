"""GeoKeys 2048 to 2062: datum, ellipsoid, prime meridian, angular unit, and the CRS of them.

A code for the whole comes first; keys for its parts override it, as in libgeotiff's `GTIFGetDefn`.
"""

from __future__ import annotations

import math

from virtual_tiff.metadata.crs.citations import fields
from virtual_tiff.metadata.crs.context import USER_DEFINED, Context, NoCrsError, is_possible
from virtual_tiff.metadata.crs.deprecated import current_code
from virtual_tiff.metadata.crs.projjson import (
    DEGREE,
    JSON,
    UNKNOWN_ANGLE,
    Unit,
    axis,
    coordinate_system,
    definition_of,
    identifier,
    number_of_axes,
    unit_of,
    without,
)
from virtual_tiff.metadata.crs.tables import ANGULAR_UNITS
from virtual_tiff.tiff import GeoKey as K

__all__ = [
    "bound_to_wgs84",
    "datum_of",
    "geocentric",
    "geodetic",
    "geographic",
    "is_sphere",
]

_WGS_84 = ("unretrievable - using WGS84", 6378137.0, 298.257223563)
_TOLERANCE = 1e-10
"""PROJ's, relative."""


def geographic(ctx: Context) -> JSON | None:
    """Return the CRS of model type 2; None if nothing but its code is known."""
    code = ctx.code(K.GeodeticCRSGeoKey)
    code = None if code is None else current_code(code)
    known = ctx.epsg.crs(code) if code is not None else None
    if code is not None and known is None and not ctx.epsg.complete:
        return None
    if known is not None and number_of_axes(known) != 2:
        return known  # GeoTIFF 1.0 had no other place for 3-D, geocentric and compound codes
    built = geodetic(ctx, None)
    if known is not None and built is not known:
        dynamic = "frame_reference_epoch" in known.get("datum", {})
        if dynamic or "datum_ensemble" in known:
            return known  # as in GDAL, which does not compare with such
    return built


def geocentric(ctx: Context, unit: Unit) -> JSON:
    """Return the CRS of model type 3."""
    code = ctx.code(K.GeodeticCRSGeoKey)
    code = None if code is None else current_code(code)
    known = ctx.epsg.crs(code) if code is not None else None
    if known is not None and known["type"] == "GeodeticCRS":
        return known
    base = geodetic(ctx, None)
    name = ctx.text(K.GTCitationGeoKey) or ctx.text(K.GeodeticCitationGeoKey) or "unnamed"
    axes = (axis(f"Geocentric {x}", x, f"geocentric{x}", unit) for x in "XYZ")
    return {
        "type": "GeodeticCRS",
        "name": name,
        **{key: base[key] for key in ("datum", "datum_ensemble") if key in base},
        "coordinate_system": coordinate_system("Cartesian", *axes),
    }


def geodetic(ctx: Context, default_code: int | None) -> JSON:
    """Return the geographic 2-D CRS that the keys define.

    It is the registry's own object if the keys do not differ from it. The default code is that of
    the base CRS that goes with a projected CRS's code.
    """
    known = _known(ctx, default_code)
    names: dict[str, str] = {}
    if known is None:
        citation = ctx.text(K.GeodeticCitationGeoKey)
        names = dict(fields(citation))
        if not names and citation and "IMAGINE GeoTIFF" not in citation:
            names["GCS Name"] = citation
    unit = _angular_unit(ctx, known, names)
    datum = _datum(ctx, known)
    ellipsoid = _ellipsoid(ctx, datum, names)
    meridian = _meridian(ctx, known, names, unit)
    if known is not None:
        known_datum = datum_of(known)
        if (
            datum is not None
            and datum["name"] == known_datum["name"]
            and ellipsoid is not None
            and _same_ellipsoid(ellipsoid, known_datum["ellipsoid"])
            and math.isclose(_longitude(meridian), _longitude(known_datum.get("prime_meridian")))
            and math.isclose(unit.factor, unit_of(known).factor, rel_tol=_TOLERANCE)
        ):
            return known
        ctx.warn(K.GeodeticCRSGeoKey, f"other keys differ from {known['name']}, and are used")
    if "Datum" in names and not ctx.code(K.GeodeticDatumGeoKey):
        datum = {"name": names["Datum"]}
        if "_" in names["Datum"]:  # perhaps ESRI's spelling
            named = ctx.epsg.datum_named(names["Datum"])
            datum = named if named is not None and "ellipsoid" in named else datum
    datum = _datum_of_parts(ctx, datum or {"name": "unnamed"}, ellipsoid, meridian, unit)
    name = names.get("GCS Name") or (known or {}).get("name")
    if name is None:
        name = datum["name"] if datum["name"] != "unnamed" else "unknown"
    elif name.startswith("GCS_"):
        name = ctx.official_name(name)
    return {
        "type": "GeographicCRS",
        "name": name,
        "datum": datum,
        "coordinate_system": _ellipsoidal(unit),
    }


def _datum_of_parts(
    ctx: Context, base: JSON, ellipsoid: JSON | None, meridian: JSON | None, unit: Unit
) -> JSON:
    """Make a datum of a name and its parts; it has a code only if no key contradicts it."""
    if ellipsoid is None:
        ctx.warn(K.EllipsoidGeoKey, "there is no ellipsoid; that of WGS 84 is used, as in GDAL")
        ellipsoid = _sized(*_WGS_84)
    base_ellipsoid = base.get("ellipsoid")
    agrees = base_ellipsoid is not None and _same_ellipsoid(ellipsoid, base_ellipsoid)
    datum: JSON = {"type": "GeodeticReferenceFrame"}
    # an ensemble's name is that of the datum which the key means, and a word
    datum["name"] = base["name"].removesuffix(" ensemble")
    datum["ellipsoid"] = base_ellipsoid if agrees else ellipsoid
    degrees = _longitude(meridian)
    if meridian is not None or unit != DEGREE:
        # in the CRS's unit: WKT 2 of a base CRS has no other place for it
        value = math.radians(degrees) / unit.factor
        longitude = value if unit == DEGREE else {"value": value, "unit": unit.json}
        datum["prime_meridian"] = (meridian or {"name": "Greenwich"}) | {"longitude": longitude}
    agrees = agrees and math.isclose(degrees, _longitude(base.get("prime_meridian")))
    return datum | ({"id": base["id"]} if "id" in base and agrees else {})


def datum_of(crs: JSON) -> JSON:
    """Return the datum of a geodetic CRS, an ensemble's if it is one."""
    datum: JSON = crs.get("datum") or crs["datum_ensemble"]
    return datum


def is_sphere(crs: JSON) -> bool:
    """Tell whether a geodetic CRS's ellipsoid is a sphere."""
    return _flattening(datum_of(crs)["ellipsoid"]) == 0


def bound_to_wgs84(ctx: Context, crs: JSON, *, known_datums: bool) -> JSON:
    """Add GeogTOWGS84GeoKey to a geographic or projected CRS.

    `known_datums` says whether that is done where the datum is in the registry, too. GDAL does not,
    for the registry knows better transformations; but it does below a compound CRS.
    """
    shifts = ctx.doubles(K.GeogTOWGS84GeoKey)
    if not all(map(is_possible, shifts)):
        ctx.warn(K.GeogTOWGS84GeoKey, "has values that no datum shift can have; it is left out")
        return crs
    if len(shifts) < 3 or crs["type"] not in ("GeographicCRS", "ProjectedCRS"):
        return crs
    base = crs.get("base_crs", crs)
    datum = datum_of(base)
    registered = "id" in base or "id" in datum or ctx.epsg.datum_named(datum["name"]) is not None
    if registered and not known_datums:
        return crs
    shifts = (*shifts[:7], *(0.0,) * (7 - len(shifts)))
    arc_second = Unit("arc-second", math.pi / 648000, "angle", 9104).json
    per_million = Unit("parts per million", 1e-6, "scale", 9202).json
    rows = (
        *((f"{x}-axis translation", "metre", 8605 + i) for i, x in enumerate("XYZ")),
        *((f"{x}-axis rotation", arc_second, 8608 + i) for i, x in enumerate("XYZ")),
        ("Scale difference", per_million, 8611),
    )
    method = "Position Vector transformation (geog2D domain)"  # as PROJ makes of any TOWGS84
    return {
        "type": "BoundCRS",
        "source_crs": crs,
        "target_crs": definition_of(ctx.epsg.crs(4326) or {}),
        "transformation": {
            "name": f"Transformation from {base['name']} to WGS84",
            "method": {"name": method, "id": identifier(9606)},
            "parameters": [
                {"name": label, "value": shift, "unit": unit, "id": identifier(code)}
                for (label, unit, code), shift in zip(rows, shifts, strict=True)
            ],
        },
    }


def _known(ctx: Context, default_code: int | None) -> JSON | None:
    """Return the registry's CRS for GeodeticCRSGeoKey, or for the default if it is absent."""
    code = default_code
    if ctx.says(K.GeodeticCRSGeoKey):
        code = ctx.code(K.GeodeticCRSGeoKey)
    if code is None:
        return None
    known = ctx.epsg.crs(code)
    if known is None or known["type"] not in ("GeographicCRS", "GeodeticCRS"):
        ctx.warn(K.GeodeticCRSGeoKey, f"EPSG:{code} is not a known geodetic CRS")
        return None
    if number_of_axes(known) == 2:
        return known
    # of a 3-D CRS, the horizontal part
    axes = known["coordinate_system"]["axis"]
    return definition_of(known, "id") | {
        "type": "GeographicCRS",
        "coordinate_system": coordinate_system("ellipsoidal", *axes[:2])
        if known["type"] == "GeographicCRS"
        else _ellipsoidal(DEGREE),
    }


def _datum(ctx: Context, known: JSON | None) -> JSON | None:
    if not ctx.says(K.GeodeticDatumGeoKey):
        return datum_of(known) if known else None
    code = ctx.code(K.GeodeticDatumGeoKey)
    if code is None:
        return None
    datum = ctx.epsg.datum(code)
    if datum is None or "ellipsoid" not in datum:
        ctx.warn(K.GeodeticDatumGeoKey, "is not a known geodetic datum")
        return None
    return definition_of(datum)


def _ellipsoid(ctx: Context, datum: JSON | None, names: dict[str, str]) -> JSON | None:
    ellipsoid: JSON | None = datum["ellipsoid"] if datum else None
    code = ctx.code(K.EllipsoidGeoKey)
    if code is not None:
        by_code = ctx.epsg.ellipsoid(code)
        if by_code is None:
            ctx.warn(K.EllipsoidGeoKey, "is not a known ellipsoid")
        else:
            ellipsoid = without(by_code, "$schema", "type")
    elif ctx.says(K.EllipsoidGeoKey):
        ellipsoid = None
    major = ctx.double(K.EllipsoidSemiMajorAxisGeoKey)
    minor = ctx.double(K.EllipsoidSemiMinorAxisGeoKey)
    flattening = ctx.double(K.EllipsoidInvFlatteningGeoKey, finite=False)
    if major is None and minor is None and flattening is None:
        return ellipsoid
    name = names.get("Ellipsoid") or (ellipsoid["name"] if ellipsoid else "unnamed")
    if "_" in name:  # perhaps ESRI's spelling
        name = (ctx.epsg.ellipsoid_named(name) or {"name": name})["name"]
    sized = _from_axes(ctx, ellipsoid, name)
    return (
        ellipsoid if sized is None or (ellipsoid and _same_ellipsoid(sized, ellipsoid)) else sized
    )


def _from_axes(ctx: Context, known: JSON | None, name: str) -> JSON | None:
    """Make an ellipsoid of the axes' keys; what they do not say is as in `known`."""
    major = ctx.double(K.EllipsoidSemiMajorAxisGeoKey)
    minor = ctx.double(K.EllipsoidSemiMinorAxisGeoKey)
    flattening = ctx.double(K.EllipsoidInvFlatteningGeoKey, finite=False)
    if major is None and known is not None:
        major = _major(known)
    if not major:
        return None
    if major < 0:
        ctx.warn(K.EllipsoidSemiMajorAxisGeoKey, "is not a length of an axis; there is no CRS")
        raise NoCrsError
    if flattening is not None:
        # some writers say a sphere by infinity
        key = K.EllipsoidInvFlatteningGeoKey
        inverse = 0.0 if flattening > 0 and not is_possible(flattening) else flattening
    else:
        if minor is None and known is not None:
            minor = _major(known) * (1 - _flattening(known))
        key = K.EllipsoidSemiMinorAxisGeoKey
        inverse = major / (major - minor) if minor and minor != major else 0.0
    if not inverse > 1 and inverse != 0:  # NaN, too
        ctx.warn(key, "gives an ellipsoid without a size; there is no CRS")
        raise NoCrsError
    return _sized(name, major, inverse)


def _sized(name: str, major: float, inverse_flattening: float) -> JSON:
    if inverse_flattening == 0:
        return {"name": name, "radius": major}
    return {"name": name, "semi_major_axis": major, "inverse_flattening": inverse_flattening}


def _major(ellipsoid: JSON) -> float:
    major: float | JSON = ellipsoid.get("radius") or ellipsoid["semi_major_axis"]
    if isinstance(major, dict):
        unit = major["unit"]
        return float(major["value"]) * (unit["conversion_factor"] if isinstance(unit, dict) else 1)
    return float(major)


def _flattening(ellipsoid: JSON) -> float:
    """Return (a - b) / a."""
    if "inverse_flattening" in ellipsoid:
        inverse = float(ellipsoid["inverse_flattening"])
        return 1 / inverse if inverse else 0.0
    minor = ellipsoid.get("semi_minor_axis")
    if minor is None:
        return 0.0
    # both axes have one unit, if any
    major = ellipsoid["semi_major_axis"]
    if isinstance(minor, dict):
        minor, major = minor["value"], major["value"]
    return 1 - float(minor) / float(major)


def _same_ellipsoid(one: JSON, other: JSON) -> bool:
    return math.isclose(_major(one), _major(other), rel_tol=_TOLERANCE) and math.isclose(
        _flattening(one), _flattening(other), rel_tol=_TOLERANCE
    )


def _meridian(ctx: Context, known: JSON | None, names: dict[str, str], unit: Unit) -> JSON | None:
    """Return the prime meridian; None is Greenwich."""
    code = ctx.code(K.PrimeMeridianGeoKey)
    if code is not None:
        meridian = ctx.epsg.prime_meridian(code)
        if meridian is None:
            ctx.warn(K.PrimeMeridianGeoKey, "is not a known prime meridian")
            return None
        return without(meridian, "$schema", "type")
    if known is not None and ctx.short(K.PrimeMeridianGeoKey) != USER_DEFINED:
        known_meridian: JSON | None = datum_of(known).get("prime_meridian")
        return known_meridian
    longitude = ctx.double(K.PrimeMeridianLongitudeGeoKey) or 0.0
    name = names.get("Primem", "unnamed" if longitude else "Greenwich")
    if not longitude and name.casefold() == "greenwich":
        return None  # other planets have other meridians
    return {"name": name, "longitude": {"value": longitude, "unit": unit.json}}


def _longitude(meridian: JSON | None) -> float:
    """Return a prime meridian's longitude in degrees."""
    if meridian is None:
        return 0.0
    longitude = meridian["longitude"]
    if not isinstance(longitude, dict):
        return float(longitude)
    unit = longitude["unit"]
    factor = unit["conversion_factor"] if isinstance(unit, dict) else DEGREE.factor
    return math.degrees(float(longitude["value"]) * factor)


def _angular_unit(ctx: Context, known: JSON | None, names: dict[str, str]) -> Unit:
    code = ctx.short(K.GeogAngularUnitsGeoKey)
    if code is None and "AUnits" not in names:
        return unit_of(known) if known else UNKNOWN_ANGLE
    if code is not None and code != USER_DEFINED:
        known_unit = ctx.epsg.unit(code)
        if known_unit is not None and known_unit.kind == "angle":
            return known_unit
        ctx.warn(K.GeogAngularUnitsGeoKey, "is not a known unit of angles")
        return UNKNOWN_ANGLE
    size = ctx.double(K.GeogAngularUnitSizeGeoKey)
    name = names.get("AUnits", "unknown")
    if size is None:
        for unit in ANGULAR_UNITS.values():
            if unit.name == name.casefold():
                return unit
    if size is None or size <= 0:
        ctx.warn(
            K.GeogAngularUnitSizeGeoKey,
            "is not a size of a unit; that of a degree is used, as in GDAL",
        )
        size = DEGREE.factor
    return Unit(name, size, "angle")


def _ellipsoidal(unit: Unit) -> JSON:
    return coordinate_system(
        "ellipsoidal",
        axis("Latitude", "lat", "north", unit),
        axis("Longitude", "lon", "east", unit),
    )
