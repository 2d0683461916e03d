"""The Zarr conventions `spatial`, `proj` and `multiscales`, as JSON Schemas to test against.

No package registry has the published schemas. These are transcriptions of what they require, by
convention and revision, of:

- v0.1: https://raw.githubusercontent.com/zarr-conventions/{spatial,proj,multiscales}/refs/tags/
  v0.1/schema.json (as zarr-cm 0.5 has them, revisions r3, r3 and r2)
- draft: the schemas of the same repositories in March 2026, which call themselves v1
  (spatial at 11c0b14, geo-proj at 01c6e90)

The object that declares a convention is that of zarr-conventions-spec (at 013b810): some
identity, and no fields but five. What a schema has as a constant is compared with the entry of
its own revision alone, because a node may declare several.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped] # its stubs are a package of their own

type JSON = dict[str, Any]

UUIDS = {
    "spatial": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
    "proj": "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "multiscales": "d35379db-88df-4056-af3a-620245f8e347",
}

_DESCRIPTIONS = {
    "spatial": "Spatial coordinate information",
    "proj": "Coordinate reference system information for geospatial data",
    "multiscales": "Multiscale layout of zarr datasets",
}

DECLARATION: JSON = {
    "type": "object",
    "properties": {
        field: {"type": "string"}
        for field in ("uuid", "schema_url", "spec_url", "name", "description")
    },
    "anyOf": [{"required": ["uuid"]}, {"required": ["schema_url"]}, {"required": ["spec_url"]}],
    "additionalProperties": False,
}

_NUMBER: JSON = {"type": "number"}


def _list(items: JSON, *lengths: int) -> JSON:
    return {
        "type": "array",
        "items": items,
        "anyOf": [{"minItems": length, "maxItems": length} for length in lengths],
    }


def _sizes(*lengths: int) -> JSON:
    return _list({"type": "integer", "minimum": 1}, *lengths)


def _spatial(*dimensions: int) -> JSON:
    """The properties for two dimensions, or two or three."""
    return {
        "spatial:dimensions": _list({"type": "string"}, *dimensions),
        "spatial:bbox": _list(_NUMBER, *(2 * count for count in dimensions)),
        "spatial:transform_type": {"type": "string"},
        "spatial:transform": _list(_NUMBER, *(3 * count for count in dimensions)),
        "spatial:shape": _sizes(*dimensions),
        "spatial:registration": {"enum": ["node", "pixel"]},
    }


# of a draft: "spatial:transform is required on all layout items", and neither it nor the shape
# "must … appear at the root attributes level"
_SPATIAL_WITH_LEVELS: JSON = {
    "if": {"required": ["multiscales"]},
    "then": {
        "not": {"anyOf": [{"required": ["spatial:transform"]}, {"required": ["spatial:shape"]}]},
        "properties": {
            "multiscales": {
                "properties": {
                    "layout": {
                        "items": {
                            "required": ["spatial:transform"],
                            "properties": {
                                "spatial:transform": _list(_NUMBER, 6, 9),
                                "spatial:shape": _sizes(2, 3),
                            },
                        }
                    }
                }
            }
        },
    },
}

_PATH: JSON = {"type": "string", "pattern": r"^(?!/)(?!.*(\.\.))([^/]+(/[^/]+)*)$"}

_LEVEL: JSON = {
    "type": "object",
    "required": ["asset"],
    "dependentRequired": {"derived_from": ["transform"]},
    "properties": {
        "asset": _PATH,
        "derived_from": _PATH,
        "resampling_method": {"type": "string"},
        "transform": {
            "type": "object",
            "properties": {
                "scale": {"type": "array", "items": _NUMBER},
                "translation": {"type": "array", "items": _NUMBER},
            },
        },
    },
}

_CRS_FIELDS = ("proj:code", "proj:wkt2", "proj:projjson")


def _proj(code: str, how_many: str) -> JSON:
    return {
        "properties": {
            "proj:code": {"type": "string", "pattern": code},
            "proj:wkt2": {"type": "string"},
            "proj:projjson": {"type": "object"},
        },
        how_many: [{"required": [field]} for field in _CRS_FIELDS],
    }


_ATTRIBUTES: Mapping[tuple[str, str], JSON] = {
    ("spatial", "v0.1"): {"properties": _spatial(2)},
    ("spatial", "draft"): {
        "properties": _spatial(2, 3),
        "required": ["spatial:dimensions"],
        **_SPATIAL_WITH_LEVELS,
    },
    ("proj", "v0.1"): _proj("^[^:]+:[^:]+$", "anyOf"),
    ("proj", "draft"): _proj("^[A-Z]+:[0-9]+$", "oneOf"),
    ("multiscales", "v0.1"): {
        "required": ["multiscales"],
        "properties": {
            "multiscales": {
                "type": "object",
                "required": ["layout"],
                "properties": {
                    "layout": {"type": "array", "minItems": 1, "items": _LEVEL},
                    "resampling_method": {"type": "string"},
                },
            }
        },
    },
}
"""What each revision requires of a node's attributes."""


def released(convention: str) -> JSON:
    """Return the object that declares v0.1: its schema has every field as a constant."""
    place = f"zarr-conventions/{convention}"
    return {
        "schema_url": f"https://raw.githubusercontent.com/{place}/refs/tags/v0.1/schema.json",
        "spec_url": f"https://github.com/{place}/blob/v0.1/README.md",
        "uuid": UUIDS[convention],
        "name": convention,
        "description": _DESCRIPTIONS[convention],
    }


def declared(node: JSON) -> set[str]:
    """Return which of the three conventions a node declares, by uuid as the spec demands."""
    entries = node["attributes"].get("zarr_conventions", [])
    return {
        convention
        for convention, uuid in UUIDS.items()
        if uuid in [entry.get("uuid") for entry in entries]
    }


def check(node: JSON) -> set[str]:
    """Raise unless a node (as in `zarr.json`) is what all revisions say; what it declares."""
    attributes = node["attributes"]
    for entry in attributes.get("zarr_conventions", []):
        jsonschema.validate(entry, DECLARATION, jsonschema.Draft202012Validator)
    found = declared(node)
    for (convention, revision), schema in _ATTRIBUTES.items():
        if convention in found:
            try:
                jsonschema.validate(attributes, schema, jsonschema.Draft202012Validator)
            except jsonschema.ValidationError as error:
                error.add_note(f"convention {convention}, {revision}")
                raise
    is_array = node["node_type"] == "array"
    if "spatial" in found and is_array and "spatial:dimensions" not in attributes:
        msg = "spatial v0.1: an array has spatial:dimensions"
        raise jsonschema.ValidationError(msg)
    if "multiscales" in found and is_array:
        msg = "multiscales v0.1: a group alone has levels"
        raise jsonschema.ValidationError(msg)
    return found
