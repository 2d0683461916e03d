"""Small makers of PROJJSON, the form in which this package passes CRSs around.

PROJJSON schema 0.7, https://proj.org/en/stable/specifications/projjson.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "DEGREE",
    "JSON",
    "METRE",
    "SCHEMA",
    "UNKNOWN_ANGLE",
    "UNKNOWN_LENGTH",
    "Unit",
    "axis",
    "coordinate_system",
    "definition_of",
    "identifier",
    "map_axes",
    "number_of_axes",
    "unit_of",
    "without",
]

type JSON = dict[str, Any]

SCHEMA = "https://proj.org/schemas/v0.7/projjson.schema.json"

_TYPES = {"length": "LinearUnit", "angle": "AngularUnit", "scale": "ScaleUnit"}
_NAMED = {("metre", 1.0): "metre", ("degree", math.pi / 180): "degree", ("unity", 1.0): "unity"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure."""

    name: str
    factor: float
    """In metres, radians or ones."""
    kind: Literal["length", "angle", "scale"] = "length"
    code: int | None = None
    """In the EPSG registry."""

    @property
    def json(self) -> str | JSON:
        """As PROJJSON has it; the commonest are words."""
        known = _NAMED.get((self.name, self.factor))
        if known is not None:
            return known
        definition: JSON = {"type": _TYPES[self.kind], "name": self.name}
        definition["conversion_factor"] = self.factor
        return definition if self.code is None else definition | {"id": identifier(self.code)}


METRE = Unit("metre", 1.0, "length", 9001)
DEGREE = Unit("degree", math.pi / 180, "angle", 9122)
UNKNOWN_LENGTH = Unit("unknown", 1.0, "length")
"""The file names no unit: GDAL counts as if it were metres, and calls it so."""
UNKNOWN_ANGLE = Unit("unknown", math.pi / 180, "angle")


def identifier(code: int, authority: str = "EPSG") -> JSON:
    """Make an `id`."""
    return {"authority": authority, "code": code}


def axis(name: str, abbreviation: str, direction: str, unit: Unit) -> JSON:
    """Make an axis of a coordinate system."""
    return {
        "name": name,
        "abbreviation": abbreviation,
        "direction": direction,
        "unit": unit.json,
    }


def coordinate_system(subtype: str, *axes: JSON) -> JSON:
    """Make a coordinate system."""
    return {"subtype": subtype, "axis": list(axes)}


def map_axes(unit: Unit, x: str = "east", y: str = "north") -> JSON:
    """Make the coordinate system of a map; `x` and `y` are the directions of its axes."""
    return coordinate_system(
        "Cartesian", axis("Easting", "E", x, unit), axis("Northing", "N", y, unit)
    )


def unit_of(crs: JSON) -> Unit:
    """Return the unit of a CRS's first axis."""
    unit = crs["coordinate_system"]["axis"][0]["unit"]
    if isinstance(unit, str):
        return DEGREE if unit == "degree" else METRE
    kind: Literal["length", "angle"] = "angle" if unit["type"] == "AngularUnit" else "length"
    return Unit(unit["name"], unit["conversion_factor"], kind, unit.get("id", {}).get("code"))


def number_of_axes(crs: JSON) -> int:
    """Axes of a CRS that is not compound."""
    return len(crs.get("coordinate_system", {}).get("axis", ()))


def without(definition: JSON, *names: str) -> JSON:
    """Copy an object, leaving members out."""
    return {name: value for name, value in definition.items() if name not in names}


def definition_of(registered: JSON, *names: str) -> JSON:
    """Copy an object of the registry without its usage, and without other members."""
    return without(registered, *_USAGE, *names)


_USAGE = ("$schema", "scope", "area", "bbox", "usages", "remarks")
