"""GeoKeys to a CRS: which kind it is, and what of it can be said.

How GDAL's `GTIFGetOGISDefnAsOSR` (frmts/gtiff/gt_wkt_srs.cpp) reads the keys is the rule in every
odd case, except that nothing it drops for want of a table is dropped here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from virtual_tiff.metadata.crs.citations import plain_name, projection_engine_string
from virtual_tiff.metadata.crs.context import Context, NoCrsError
from virtual_tiff.metadata.crs.deprecated import current_code
from virtual_tiff.metadata.crs.directory import flaw, version
from virtual_tiff.metadata.crs.geodetic import bound_to_wgs84, geocentric, geographic
from virtual_tiff.metadata.crs.projected import (
    axis_unit,
    by_code,
    code_alone,
    linear_unit,
    projected,
    projected_name,
)
from virtual_tiff.metadata.crs.projjson import (
    DEGREE,
    JSON,
    SCHEMA,
    UNKNOWN_LENGTH,
    map_axes,
    unit_of,
)
from virtual_tiff.metadata.crs.registry import Registry, registry
from virtual_tiff.metadata.crs.vertical import (
    VERTICAL_KEYS,
    has_heights,
    vertical_code,
    with_heights,
)
from virtual_tiff.tiff import GeoKey as K
from virtual_tiff.tiff import GeoValue, ImageFileDirectory, parse_geokeys, warn

__all__ = ["Crs", "build", "crs_of"]

type Kind = Literal["projected", "geographic", "geocentric", "local"]

_MODELS: dict[int, Kind] = {1: "projected", 2: "geographic", 3: "geocentric"}
"""GTModelTypeGeoKey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crs:
    """A file's statements about its pixels' coordinates; at least one of the first two is given."""

    code: str | None
    """Authority and code, `"EPSG:32633"`; two codes where heights have one of their own."""
    wkt: str | None
    """WKT 2, without the epoch; None if there is only a code (pyproj is missing)."""
    projjson: JSON | None
    """The same as PROJJSON. It is shared: copy it before a change."""
    kind: Kind
    unit: str | None
    """The unit of x and y, as the file or the registry names it; None if unknown."""
    unit_factor: float | None
    """The size of that unit in metres or radians; None if unknown."""
    epoch: float | None = None
    """Coordinate epoch, a decimal year."""
    vertical: str | None = None
    """The vertical CRS of a GeoTIFF 1.0 file, as WKT 2 or as a code, which is no part of `wkt`."""
    vertical_unit: str | None = None
    """The unit of heights, whether their CRS is a part of `wkt` or not; None if unknown."""

    @property
    def text(self) -> str:
        """The value of the attributes `crs_wkt` and `spatial_ref`: WKT, or the code, read alike."""
        return self.wkt or self.code or ""

    @property
    def is_geographic(self) -> bool:
        """Whether x and y are longitude and latitude."""
        return self.kind == "geographic"

    def coordinate_attributes(self, dimension: Literal["x", "y"]) -> dict[str, str]:
        """Return CF attributes for the coordinates along a dimension."""
        attributes = dict(_CF.get((self.kind, dimension), {"axis": dimension.upper()}))
        size = self.unit_factor
        if size is not None and self.is_geographic:
            degrees = size / DEGREE.factor
            names = {"x": "degrees_east", "y": "degrees_north"}
            one = abs(degrees - 1) < 1e-9
            attributes["units"] = names[dimension] if one else f"{degrees:.12g} degree"
        elif size is not None:
            attributes["units"] = "metre" if size == 1 else f"{size:.15g} metre"
        return attributes


_CF: dict[tuple[Kind, str], Mapping[str, str]] = {
    ("geographic", "x"): {"axis": "X", "standard_name": "longitude", "long_name": "longitude"},
    ("geographic", "y"): {"axis": "Y", "standard_name": "latitude", "long_name": "latitude"},
    ("projected", "x"): {
        "axis": "X",
        "standard_name": "projection_x_coordinate",
        "long_name": "x coordinate of projection",
    },
    ("projected", "y"): {
        "axis": "Y",
        "standard_name": "projection_y_coordinate",
        "long_name": "y coordinate of projection",
    },
}
"""CF conventions 1.11, section 5.6; the long names are rioxarray's."""


def crs_of(ifd: ImageFileDirectory) -> Crs | None:
    """Return the CRS that a directory's GeoKeys define; None if it has none.

    What they leave open or contradict is a `TiffWarning` that names the key.
    """
    return ifd.remembered(_crs_of, registry())


def _crs_of(ifd: ImageFileDirectory, _: Registry) -> Crs | None:
    keys = parse_geokeys(ifd)
    if not keys:
        return None
    reason = flaw(ifd, keys)
    if reason is not None:
        warn(reason)
        return None
    crs, warnings = _cached(tuple(map(_typed, keys.items())), version(ifd))
    for text in warnings:
        warn(text)
    return crs


type _Typed = tuple[int, GeoValue, type]


def _typed(item: tuple[int, GeoValue]) -> _Typed:
    """Keep 9001 and 9001.0 apart: the type of a key decides whether it counts."""
    key, value = item
    return key, value, type(value[0]) if isinstance(value, tuple) and value else type(value)


@lru_cache(maxsize=1024)
def _cached(
    keys: tuple[_Typed, ...], edition: tuple[int, ...]
) -> tuple[Crs | None, tuple[str, ...]]:
    """Files of an archive share their CRS: the second costs a lookup."""
    return build({key: value for key, value, _ in keys}, edition, registry())


def build(
    keys: Mapping[int, GeoValue], edition: tuple[int, ...], epsg: Registry
) -> tuple[Crs | None, tuple[str, ...]]:
    """Make a CRS of GeoKeys; return it, None if there is none, and what to warn of.

    `edition` is version, revision and minor revision of the directory.
    """
    ctx = Context(keys=keys, version=edition, epsg=epsg)
    kind = _MODELS.get(ctx.short(K.GTModelTypeGeoKey) or 0, "local")
    # some writers leave the model out (GDAL's ticket 3019)
    if kind == "local" and ctx.code(K.ProjectedCRSGeoKey):
        kind = "projected"
    code = None
    try:
        if ctx.epsg.complete or kind == "local":
            pass
        elif kind == "projected":
            code = code_alone(ctx)
        else:
            code = ctx.code(K.GeodeticCRSGeoKey)
            code = None if code is None or ctx.epsg.crs(code) else current_code(code)
        # without pyproj, a code is often all that can be said
        crs = _of_keys(ctx, kind) if code is None else _of_code(ctx, kind, code)
    except NoCrsError:
        crs = None
    return crs, tuple(ctx.warnings)


def _of_code(ctx: Context, kind: Kind, code: int) -> Crs:
    heights = vertical_code(ctx) if kind != "geocentric" else None
    beside = heights is not None and _beside(ctx)
    if kind != "geocentric" and heights is None and has_heights(ctx):
        present = (key for key in VERTICAL_KEYS if ctx.short(key))
        ctx.warn(
            next(present, K.VerticalGeoKey), "the heights are left out, as pyproj is not installed"
        )
    unit = axis_unit(ctx) if kind == "projected" else None
    return Crs(
        code=f"EPSG:{code}" if heights is None or beside else f"EPSG:{code}+{heights}",
        wkt=None,
        projjson=None,
        kind=kind,
        unit=None if unit is None else unit.name,
        unit_factor=None if unit is None else unit.factor,
        epoch=_epoch(ctx),
        vertical=f"EPSG:{heights}" if beside else None,
    )


def _of_keys(ctx: Context, kind: Kind) -> Crs | None:
    crs: JSON | None = None
    if kind == "projected":
        crs = projected(ctx)
    elif kind == "geographic":
        crs = geographic(ctx)
    elif kind == "geocentric":
        crs = geocentric(ctx, linear_unit(ctx) or UNKNOWN_LENGTH)
    if crs is None:
        for key in (K.ProjectedCitationGeoKey, K.GTCitationGeoKey):
            engine_string = projection_engine_string(ctx.text(key))
            if engine_string is not None:
                return _of_engine_string(ctx, engine_string)
        crs = _local(ctx, kind)
    if kind != "projected" or not by_code(ctx):
        crs = bound_to_wgs84(ctx, crs, known_datums=has_heights(ctx))
    if vertical_code(ctx) is not None and "id" in crs:
        return _of_code(ctx, kind, crs["id"]["code"])
    whole = with_heights(ctx, crs, is_local=kind == "local")
    if whole["type"] != "CompoundCRS" or not _beside(ctx):
        return _crs(ctx, whole)
    _, vertical = whole["components"]
    if whole is not crs:
        return _crs(ctx, crs, vertical)
    # a registered compound CRS, whose components have no codes in PROJJSON
    horizontal = whole["components"][0]
    known = None if "id" in horizontal else ctx.epsg.crs_named(horizontal["name"])
    same = known is not None and ctx.epsg.same(known, horizontal)
    return _crs(ctx, known if same and known is not None else horizontal, vertical)


_GEOTIFF_1_0 = (1, 1, 0)
"""Version, revision and minor revision."""


def _beside(ctx: Context) -> bool:
    """Tell whether a vertical CRS is kept beside the horizontal one, not in a compound CRS.

    GeoTIFF 1.0 has no compound CRS, and its vertical keys were used in many ways. GDAL reports
    the horizontal CRS alone unless the user sets GTIFF_REPORT_COMPD_CS.
    """
    return ctx.version == _GEOTIFF_1_0


def _of_engine_string(ctx: Context, wkt: str) -> Crs | None:
    """Read ESRI's WKT; without pyproj it is passed on, for GDAL reads it."""
    crs = ctx.epsg.from_wkt(wkt)
    if crs is not None:
        return _crs(ctx, crs)
    if ctx.epsg.complete or wkt.count("[") != wkt.count("]") or not wkt.endswith("]"):
        ctx.warn(K.ProjectedCitationGeoKey, "holds an ESRI PE string that PROJ cannot read")
        return None
    geographic_only = wkt.startswith("GEOGCS")
    return Crs(
        code=None,
        wkt=wkt,
        projjson=None,
        kind="geographic" if geographic_only else "projected",
        unit=None,
        unit_factor=None,
        epoch=_epoch(ctx),
    )


def _local(ctx: Context, kind: Kind) -> JSON:
    """Return a CRS that says no more than that x and y are counted in a unit."""
    if kind == "projected":
        name = projected_name(ctx)
    else:
        names = (ctx.text(K.GTCitationGeoKey), ctx.text(K.GeodeticCitationGeoKey))
        name = plain_name(names[0]) or plain_name(names[1]) or "unnamed"
    unit = linear_unit(ctx) or UNKNOWN_LENGTH
    return {
        "type": "EngineeringCRS",
        "name": name,
        "datum": {"type": "EngineeringDatum", "name": "Unknown engineering datum"},
        "coordinate_system": map_axes(unit),
    }


def _crs(ctx: Context, crs: JSON, vertical: JSON | None = None) -> Crs | None:
    """Return what is said of a CRS, and of a vertical CRS that is kept beside it."""
    made = _of_json(ctx.epsg, crs, vertical, _epoch(ctx))
    if made is None:
        ctx.warn(K.GTModelTypeGeoKey, f"the keys make a {crs['type']} that PROJ refuses")
    return made


def _of_json(
    epsg: Registry, crs: JSON, vertical: JSON | None = None, epoch: float | None = None
) -> Crs | None:
    wkt = epsg.wkt(crs)
    if wkt is None:
        return None
    plain = crs
    while plain["type"] in ("CompoundCRS", "BoundCRS"):
        plain = plain["components"][0] if plain["type"] == "CompoundCRS" else plain["source_crs"]
    name, factor = _unit(plain)
    heights = crs["components"][1] if crs["type"] == "CompoundCRS" else vertical
    return Crs(
        code=_code(crs),
        wkt=wkt,
        projjson={"$schema": SCHEMA} | crs,
        kind=_KINDS.get(plain["type"], "local"),
        unit=name,
        unit_factor=factor,
        epoch=epoch,
        vertical=None if vertical is None else epsg.wkt(vertical) or _code(vertical),
        vertical_unit=_unit(heights)[0] if heights is not None else None,
    )


_CODE_OF_WKT = re.compile(
    r"EPSG:(\d+)|[A-Z].*(?:AUTHORITY|ID)\[\s*\"EPSG\"\s*,\s*\"?(\d+)\"?\s*\]\s*\]\s*",
    re.IGNORECASE | re.DOTALL,
)
"""A code, or a WKT that ends in its own."""


def crs_of_text(text: str) -> Crs | None:
    """Return the CRS of a code (`EPSG:32633`) or a WKT; None if it cannot be read.

    Without pyproj these are a few codes, and WKT that ends in one of them.
    """
    epsg = registry()
    match = _CODE_OF_WKT.fullmatch(text)
    definition = epsg.crs(int(match[1] or match[2])) if match else None
    definition = definition or epsg.from_wkt(text)
    return None if definition is None else _of_json(epsg, definition)


def same_crs(one: Crs, other: Crs) -> bool:
    """Whether two CRSs differ in no more than names and the order of axes."""
    if one.code is not None and one.code == other.code:
        return True
    definitions = one.projjson, other.projjson
    return None not in definitions and registry().same(*definitions)  # type: ignore[arg-type]


_KINDS: dict[str, Kind] = {
    "ProjectedCRS": "projected",
    "GeographicCRS": "geographic",
    "GeodeticCRS": "geocentric",
}


def _unit(crs: JSON) -> tuple[str | None, float | None]:
    unit = unit_of(crs)
    if unit.name == "unknown" and unit.factor == 1:
        return None, None
    return unit.name, unit.factor


def _epoch(ctx: Context) -> float | None:
    epoch = ctx.double(K.CoordinateEpochGeoKey, finite=False)
    if epoch is None or 0 < epoch < 10_000:
        return epoch
    ctx.warn(K.CoordinateEpochGeoKey, "is not a year; it is left out")
    return None


def _code(crs: JSON) -> str | None:
    parts = crs["components"] if crs["type"] == "CompoundCRS" and "id" not in crs else [crs]
    if not all("id" in part for part in parts):
        return None
    authority = parts[0]["id"]["authority"]
    return f"{authority}:" + "+".join(str(part["id"]["code"]) for part in parts)
