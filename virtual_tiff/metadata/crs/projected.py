"""GeoKeys 3072 to 3096: the projected CRS of a code, or of a method with its parameters."""

from __future__ import annotations

import math

from virtual_tiff.metadata.crs.citations import fields, linear_unit_factor, plain_name
from virtual_tiff.metadata.crs.context import USER_DEFINED, Context, NoCrsError
from virtual_tiff.metadata.crs.deprecated import current_code
from virtual_tiff.metadata.crs.geodetic import geodetic, is_sphere
from virtual_tiff.metadata.crs.projjson import (
    DEGREE,
    JSON,
    UNKNOWN_LENGTH,
    Unit,
    coordinate_system,
    definition_of,
    identifier,
    map_axes,
    unit_of,
)
from virtual_tiff.metadata.crs.state_plane import state_plane
from virtual_tiff.metadata.crs.tables import METHODS, ROLES, Kind
from virtual_tiff.tiff import GeoKey as K

__all__ = ["axis_unit", "by_code", "code_alone", "linear_unit", "projected", "projected_name"]

_OVERRIDING = (
    K.ProjectionGeoKey,
    K.ProjMethodGeoKey,
    K.GeodeticCRSGeoKey,
    K.GeodeticDatumGeoKey,
    K.EllipsoidGeoKey,
)
"""Beside one of these, ProjectedCRSGeoKey does not stand for the registry's whole definition."""

_WHOLE_NAMES = {"wgs_1984_web_mercator", "google maps global mercator"}
"""The name that GDAL writes for ESRI:102113 and EPSG:900913, whose codes are above 32767."""


def projected(ctx: Context) -> JSON | None:
    """Return the CRS of model type 1; None if the keys give no projection.

    As in GDAL, keys beside ProjectedCRSGeoKey override its definition; the code stays only if
    they say the same.
    """
    code = _code(ctx)
    known = ctx.epsg.crs(code) if code is not None else None
    kind = None if known is None else known["type"]
    whole = by_code(ctx)
    # a compound CRS has nowhere else to go
    if code is not None and kind != "ProjectedCRS" and not (whole and kind == "CompoundCRS"):
        ctx.warn(K.ProjectedCRSGeoKey, f"EPSG:{code} is not a known projected CRS")
    if known is not None and whole:
        return _with_unit(ctx, known) if kind == "ProjectedCRS" else known
    if kind != "ProjectedCRS":
        known = None
    crs = (state_plane(ctx) if code is None else None) or _user_defined(ctx, known)
    if known is None or crs is None:
        return crs or known
    # files and GDAL count x first, whatever the registry's order
    axes = known["coordinate_system"]["axis"]
    order = [one["direction"] for one in axes]
    new_order = [one["direction"] for one in crs["coordinate_system"]["axis"]]
    in_order = order == new_order or set(order) != set(new_order)
    in_new_order = known
    if not in_order:
        axes = sorted(axes, key=lambda one: new_order.index(one["direction"]))
        in_new_order = known | {"coordinate_system": coordinate_system("Cartesian", *axes)}
    if ctx.epsg.same(crs, in_new_order):
        return known if in_order else crs | {"id": known["id"]}
    ctx.warn(K.ProjectedCRSGeoKey, f"other keys differ from {known['name']}, and are used")
    return crs


def _with_unit(ctx: Context, known: JSON) -> JSON:
    """Change the unit of a registered CRS, if the keys have another; the parameters stay."""
    known_unit = unit_of(known)
    unit = axis_unit(ctx, known_unit) or known_unit
    if math.isclose(unit.factor, known_unit.factor, rel_tol=1e-10) or unit is UNKNOWN_LENGTH:
        return known
    ctx.warn(K.ProjLinearUnitsGeoKey, f"{known['name']} has another unit; that of the key is used")
    system = known["coordinate_system"]
    axes = [old | {"unit": unit.json} for old in system["axis"]]
    return definition_of(known, "id") | {
        "base_crs": definition_of(known["base_crs"]),
        "coordinate_system": coordinate_system(system["subtype"], *axes),
    }


def _code(ctx: Context) -> int | None:
    code = ctx.code(K.ProjectedCRSGeoKey)
    return current_code(code) if code is not None and by_code(ctx) else code


def by_code(ctx: Context) -> bool:
    """Tell whether ProjectedCRSGeoKey stands for the registry's definition."""
    return ctx.code(K.ProjectedCRSGeoKey) is not None and not any(map(ctx.says, _OVERRIDING))


def code_alone(ctx: Context) -> int | None:
    """Return ProjectedCRSGeoKey's code where its definition is out of reach (no pyproj)."""
    code = _code(ctx)
    if code is None or ctx.epsg.complete or ctx.epsg.crs(code) is not None:
        return None
    for key in _OVERRIDING:
        if ctx.says(key) and ctx.short(key) != USER_DEFINED:
            ctx.warn(key, "cannot be compared with the projected CRS, as pyproj is not installed")
    if "LUnits" in fields(ctx.text(K.GTCitationGeoKey)):
        ctx.warn(
            K.GTCitationGeoKey,
            "its unit cannot be compared with the code's, as pyproj is not installed",
        )
    return code


def linear_unit(ctx: Context, default: Unit | None = None) -> Unit | None:
    """Return the unit of lengths that the keys name.

    The default holds where neither ProjLinearUnitsGeoKey nor GeogLinearUnitsGeoKey is there.
    """
    key = K.ProjLinearUnitsGeoKey
    unit: Unit | None = None
    if ctx.short(key) == USER_DEFINED:
        size = _size(ctx)
        if size is not None:
            return Unit("unknown", size, "length")
        ctx.warn(K.ProjLinearUnitSizeGeoKey, "gives no size for the user-defined unit")
        return UNKNOWN_LENGTH
    if ctx.short(key) is not None:
        code = ctx.code(key)
        unit = ctx.epsg.unit(code) if code is not None else None
        if unit is None or unit.kind != "length":
            ctx.warn(key, "is not a known unit of length")
            return UNKNOWN_LENGTH
    if unit is None and default is None:
        code = ctx.code(K.GeogLinearUnitsGeoKey)
        unit = ctx.epsg.unit(code) if code is not None else None
        if unit is not None and unit.kind != "length":
            ctx.warn(K.GeogLinearUnitsGeoKey, "is not a unit of length")
            unit = None
    return unit or default


def axis_unit(ctx: Context, default: Unit | None = None) -> Unit | None:
    """Return the unit of the map's coordinates: a citation's, or that of the keys.

    The citation comes first, as in GDAL: IMAGINE and ESRI write units there for which they
    found no code, beside a code that is wrong.
    """
    citations = [ctx.text(K.GTCitationGeoKey)]
    if ctx.code(K.ProjectedCRSGeoKey) is None:
        citations.insert(0, ctx.text(K.ProjectedCitationGeoKey))
    for name in (fields(citation).get("LUnits") for citation in citations):
        if name is not None:
            factor = linear_unit_factor(name) or _size(ctx)
            if factor is not None:
                return Unit(name, factor, "length")
    return linear_unit(ctx, default)


def _size(ctx: Context) -> float | None:
    size = ctx.double(K.ProjLinearUnitSizeGeoKey)
    return size if size is not None and size > 0 else None


def _user_defined(ctx: Context, known: JSON | None) -> JSON | None:
    if known is None and not (ctx.code(K.ProjMethodGeoKey) or ctx.code(K.ProjectionGeoKey)):
        ctx.warn(K.ProjMethodGeoKey, "there is no projection; the coordinates are local")
        return None
    base = geodetic(ctx, known["base_crs"].get("id", {}).get("code") if known else None)
    length = linear_unit(ctx, unit_of(known) if known else None) or UNKNOWN_LENGTH
    unit = axis_unit(ctx, length) or length
    method = ctx.code(K.ProjMethodGeoKey)
    directions = ["east", "north"]
    conversion: JSON | None
    if method is not None:
        by_method = _of_method(ctx, method, base, length)
        if by_method is None:
            return None
        conversion, directions = by_method
    elif known is not None:
        conversion = known["conversion"]
        directions = [old["direction"] for old in known["coordinate_system"]["axis"]]
        if directions[0] in ("north", "south") and directions[1] in ("east", "west"):
            directions.reverse()  # x comes first
    else:
        code = ctx.code(K.ProjectionGeoKey)
        conversion = ctx.epsg.conversion(code) if code is not None else None
        if conversion is None:
            ctx.warn(K.ProjectionGeoKey, f"EPSG:{code} is not a known projection")
            return None
        conversion = definition_of(conversion, "type")
    name = projected_name(ctx)
    if name.casefold() in _WHOLE_NAMES:
        named = ctx.epsg.crs_named(name)
        if named is not None:
            # by the plain name, PROJ reads WKT as another CRS
            return named | {"name": f"{named['name']} (deprecated)"}
        ctx.warn(K.GTCitationGeoKey, f"{name} is not the name of a known CRS")
    return {
        "type": "ProjectedCRS",
        "name": known["name"] if known else ctx.official_name(name) if "_" in name else name,
        "base_crs": definition_of(base),
        "conversion": conversion,
        "coordinate_system": map_axes(unit, *directions[:2]),
    }


def projected_name(ctx: Context) -> str:
    """Return the name that the citations give a projected CRS."""
    for key in (K.ProjectedCitationGeoKey, K.GTCitationGeoKey):
        citation = ctx.text(key)
        texts = fields(citation)
        name = texts.get("PCS Name") or (None if texts else plain_name(citation))
        if name:
            return name
    return "unnamed"


def _of_method(
    ctx: Context, number: int, base: JSON, length: Unit
) -> tuple[JSON, list[str]] | None:
    """Return the projection and the directions of its axes; `length` is its parameters' unit."""
    candidates = METHODS.get(number)
    if candidates is None:
        ctx.warn(K.ProjMethodGeoKey, "is not a method of PROJ; the coordinates are local")
        return None
    units: dict[Kind, Unit] = {
        "length": length,
        "angle": unit_of(base),
        "azimuth": _azimuth_unit(ctx),
        "scale": Unit("unity", 1.0, "scale"),
    }
    given: dict[str, float] = {}
    """The parameters that the file has, by their role, in the file's units."""
    values: dict[str, float] = {}
    """All parameters by their role, defaults included, the angles in degrees."""
    for role, row in ROLES.items():
        numbers = (ctx.double(key) for key in row.keys)
        number_of_file = next((number for number in numbers if number is not None), None)
        if number_of_file is not None:
            unit = units[row.kind]
            given[role] = number_of_file
            values[role] = number_of_file * (
                unit.factor / DEGREE.factor if unit.kind == "angle" else 1.0
            )
        elif row.default is not None:
            values[role] = row.default
    sphere = is_sphere(base)
    method = next((m for m in candidates if m.when(values, sphere)), None)
    if method is None:
        ctx.warn(K.ProjMethodGeoKey, "its parameters fit no method of PROJ; there is no CRS")
        raise NoCrsError
    parameters = []
    for name, code, role in method.parameters:
        kind = ROLES[role].kind
        # what the file has is said as the file has it; defaults are in degrees
        is_default = role not in given and kind in ("angle", "azimuth")
        one: JSON = {
            "name": name,
            "value": values[role] if is_default else given.get(role, values[role]),
        }
        one["unit"] = (DEGREE if is_default else units[kind]).json
        parameters.append(one | ({"id": identifier(code)} if code is not None else {}))
    method_json: JSON = {"name": method.name}
    if method.code is not None:
        method_json["id"] = identifier(method.code)
    conversion = {"name": "unnamed", "method": method_json, "parameters": parameters}
    if method.axes == "west south":
        return conversion, ["west", "south"]
    latitude = values["latitude"]
    at_pole = math.isclose(abs(latitude), 90) and values["longitude"] == 0
    if method.axes == "polar" or (method.axes == "polar at the pole" and at_pole):
        # at a pole both point away from it, where GDAL has it so
        return conversion, ["south" if latitude > 0 else "north"] * 2
    return conversion, ["east", "north"]


def _azimuth_unit(ctx: Context) -> Unit:
    """Azimuths have a unit of their own; degrees where it is missing, as GDAL writes them."""
    code = ctx.code(K.GeogAzimuthUnitsGeoKey)
    if code is None:
        return DEGREE
    unit = ctx.epsg.unit(code)
    if unit is None or unit.kind != "angle":
        ctx.warn(K.GeogAzimuthUnitsGeoKey, "is not a known unit of angles; degrees are used")
        return DEGREE
    return unit
