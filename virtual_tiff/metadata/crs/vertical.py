"""GeoKeys 4096 to 4099: heights, which make a CRS compound or geographic 3-D."""

from __future__ import annotations

from virtual_tiff.metadata.crs.citations import fields
from virtual_tiff.metadata.crs.context import USER_DEFINED, Context
from virtual_tiff.metadata.crs.geodetic import datum_of
from virtual_tiff.metadata.crs.projjson import (
    JSON,
    METRE,
    axis,
    coordinate_system,
    definition_of,
    number_of_axes,
)
from virtual_tiff.metadata.crs.tables import VERTICAL
from virtual_tiff.tiff import GeoKey as K

__all__ = ["VERTICAL_KEYS", "has_heights", "vertical_code", "with_heights"]

VERTICAL_KEYS = (K.VerticalGeoKey, K.VerticalDatumGeoKey, K.VerticalUnitsGeoKey)


def with_heights(ctx: Context, crs: JSON, *, is_local: bool) -> JSON:
    """Return a horizontal CRS with the heights that the keys define, if any.

    Where the keys have no model (`is_local`), only a unit makes heights, as in GDAL.
    """
    numbers = _numbers(ctx)
    horizontal = crs["source_crs"] if crs["type"] == "BoundCRS" else crs
    if numbers is None or number_of_axes(horizontal) != 2:  # 3-D, geocentric, or compound
        return crs
    code, datum, unit = numbers
    vertical: JSON | None = None
    if is_local:
        vertical = _user_defined(ctx, datum, unit) if unit else None
    else:
        three = _three_dimensional(ctx, horizontal, 4979 if datum == 6030 else code)
        if three is not None:
            return three
        if code in (0, USER_DEFINED):
            vertical = _user_defined(ctx, datum, unit)
        else:
            vertical = ctx.epsg.crs(code)
            if vertical is None or vertical["type"] != "VerticalCRS":
                ctx.warn(K.VerticalGeoKey, f"EPSG:{code} is not a known vertical CRS")
                return crs
            vertical = definition_of(vertical)
    if vertical is None:
        return crs
    name = ctx.text(K.GTCitationGeoKey)
    if not name or " = " in name:
        name = f"{horizontal['name']} + {vertical['name']}"
    return {"type": "CompoundCRS", "name": name, "components": [definition_of(crs), vertical]}


def has_heights(ctx: Context) -> bool:
    """Tell whether the keys define heights."""
    return _numbers(ctx) is not None


def vertical_code(ctx: Context) -> int | None:
    """Return the code of the vertical CRS where its definition is out of reach (no pyproj)."""
    numbers = _numbers(ctx)
    if numbers is None or ctx.epsg.complete:
        return None
    return numbers[0] if any(numbers[0] in codes for codes in VERTICAL) else None


def _numbers(ctx: Context) -> tuple[int, int, int] | None:
    """Return CRS, datum and unit, with 0 for what is missing; None if there are no heights."""
    code, datum, unit = (ctx.short(key) or 0 for key in VERTICAL_KEYS)
    if max(code, datum, unit) > USER_DEFINED:
        key = next(key for key in VERTICAL_KEYS if (ctx.short(key) or 0) > USER_DEFINED)
        ctx.warn(key, "is in the range of private use; the heights are left out")
        return None
    if not (code or datum or unit):
        return None
    if ctx.version == (1, 1, 0):
        # GeoTIFF 1.0 took the numbers of datums for those of CRSs
        if 5101 <= code <= 5112 and not datum:
            code, datum = code + 600, code
        elif code == 5171:
            code, datum = 5773, 5171
    if 5001 <= code <= 5033 and not datum:
        # ... and numbered heights above ellipsoids, by the geodetic datum
        code, datum = 0, code + 1000
    return code, datum, unit


def _three_dimensional(ctx: Context, crs: JSON, code: int) -> JSON | None:
    """Return a CRS with ellipsoidal heights, if the code is that of the 3-D CRS of its datum."""
    projected = crs["type"] == "ProjectedCRS"
    base = crs["base_crs"] if projected else crs
    if not 0 < code < USER_DEFINED or base["type"] != "GeographicCRS" or "id" not in base:
        return None
    known = ctx.epsg.crs(code)
    if known is None or known["type"] != "GeographicCRS" or number_of_axes(known) != 3:
        return None
    if datum_of(known)["name"] != datum_of(base)["name"]:
        return None
    if not projected:
        return known
    return definition_of(crs, "id") | {
        "base_crs": definition_of(known),
        "coordinate_system": coordinate_system(
            "Cartesian",
            *crs["coordinate_system"]["axis"],
            axis("Ellipsoidal height", "h", "up", METRE),
        ),
    }


def _user_defined(ctx: Context, datum: int, unit: int) -> JSON:
    citation = ctx.text(K.VerticalCitationGeoKey)
    name = fields(citation).get("VCS Name") or citation or "unknown"
    metres = ctx.epsg.unit(unit) if unit not in (0, USER_DEFINED) else METRE
    if metres is None or metres.kind != "length":
        ctx.warn(K.VerticalUnitsGeoKey, "is not a known unit of length; metres are used")
        metres = METRE
    return {
        "type": "VerticalCRS",
        "name": name,
        "datum": _datum(ctx, datum, name),
        "coordinate_system": coordinate_system(
            "vertical", axis("Gravity-related height", "H", "up", metres)
        ),
    }


def _datum(ctx: Context, code: int, crs_name: str) -> JSON:
    """Return the datum of a code, or of the vertical CRS of that name."""
    datum = None
    if code not in (0, USER_DEFINED):
        datum = ctx.epsg.datum(code)
        if datum is None:
            ctx.warn(K.VerticalDatumGeoKey, "is not a known datum")
    elif code == USER_DEFINED and crs_name != "unknown":
        named = ctx.epsg.crs_named(crs_name)
        if not ctx.epsg.complete:
            ctx.warn(
                K.VerticalCitationGeoKey,
                "the datum cannot be found by its name, as pyproj is not installed",
            )
        if named is not None and named["type"] == "VerticalCRS":
            datum = named.get("datum")
    if datum is None or "ellipsoid" in datum:  # heights above an ellipsoid have no datum of theirs
        name = datum["name"] if datum else "unknown"
        return {"type": "VerticalReferenceFrame", "name": name}
    return definition_of(datum)
