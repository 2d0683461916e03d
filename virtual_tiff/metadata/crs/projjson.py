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
    "identifier",
    "number_of_axes",
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


def number_of_axes(crs: JSON) -> int:
    """Axes of a CRS that is not compound."""
    return len(crs.get("coordinate_system", {}).get("axis", ()))


def without(definition: JSON, *names: str) -> JSON:
    """Copy an object, leaving members out."""
    return {name: value for name, value in definition.items() if name not in names}
