"""State Plane zones that ERDAS IMAGINE names in its citations and in no other key.

GDAL looks them up in a table of ESRI's names (`CheckCitationKeyForStatePlaneUTM`). The EPSG
registry has the same projections by a rule: 10000 + the zone's FIPS number for those of 1927,
10030 + it for those of 1983 (libgeotiff's `GTIFMapSysToProj`).
"""

from __future__ import annotations

import re

from virtual_tiff.metadata.crs.citations import fields
from virtual_tiff.metadata.crs.context import Context
from virtual_tiff.metadata.crs.projjson import (
    JSON,
    METRE,
    Unit,
    definition_of,
    map_axes,
    unit_of,
)
from virtual_tiff.metadata.crs.tables import LINEAR_UNITS
from virtual_tiff.tiff import GeoKey as K

__all__ = ["state_plane"]

_ZONE = re.compile(r"State Plane Zone\s+-?(\d{1,4})")
_NAMED = re.compile(r"Projection Name = (\w*_StatePlane_\w*)")
_DATUMS: tuple[tuple[tuple[str, ...], int, int], ...] = (
    (("NAD83", "NAD = 83"), 4269, 30),
    (("NAD27", "NAD = 27"), 4267, 0),
    (("",), 4152, 30),  # of any other text: HARN
)
"""Words of a citation, base CRS, and the number to add to the zone's code."""


def state_plane(ctx: Context) -> JSON | None:
    """Return the CRS of a State Plane zone in a citation; None if there is none."""
    general = ctx.text(K.GTCitationGeoKey) or ""
    named = _NAMED.search(general)
    unit = _unit(ctx, general)
    if named is not None:
        crs = ctx.epsg.crs_named(named[1])
        if crs is not None and unit is not None and abs(unit_of(crs).factor - unit.factor) < 1e-9:
            return crs
    citation = ctx.text(K.ProjectedCitationGeoKey) or ""
    zone = _ZONE.search(citation)
    if zone is None:
        return None
    base_code, shift = next(
        (code, shift) for words, code, shift in _DATUMS if any(word in citation for word in words)
    )
    base = ctx.epsg.crs(base_code)
    conversion = ctx.epsg.conversion(10000 + int(zone[1]) + shift)
    if base is None or conversion is None:
        ctx.warn(K.ProjectedCitationGeoKey, f"{zone[0]!r} is not a known zone")
        return None
    return {
        "type": "ProjectedCRS",
        "name": f"{base['name']} / {conversion['name']}",
        "base_crs": definition_of(base),
        "conversion": definition_of(conversion, "type"),
        "coordinate_system": map_axes(unit or METRE),
    }


def _unit(ctx: Context, citation: str) -> Unit | None:
    """Return the unit that the citation, or else ProjLinearUnitsGeoKey, names."""
    text = fields(citation).get("LUnits", citation).casefold()
    if "survey" in text and "us" in text:
        return LINEAR_UNITS[9003]
    if "international" in text or "linear_f" in text:
        return LINEAR_UNITS[9002]
    if "meter" in text:
        return METRE
    code = ctx.code(K.ProjLinearUnitsGeoKey)
    return LINEAR_UNITS.get(code) if code is not None else None
