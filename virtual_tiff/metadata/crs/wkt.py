"""PROJJSON to WKT 2, for when pyproj is missing: what this package makes, no more.

ISO 19162:2019 (OGC 18-010r7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtual_tiff.metadata.crs.projjson import JSON

__all__ = ["to_wkt"]

_UNIT_KEYWORDS = {
    "LinearUnit": "LENGTHUNIT",
    "AngularUnit": "ANGLEUNIT",
    "ScaleUnit": "SCALEUNIT",
}
_UNIT_WORDS = {
    "metre": 'LENGTHUNIT["metre",1]',
    "degree": 'ANGLEUNIT["degree",0.0174532925199433]',
    "unity": 'SCALEUNIT["unity",1]',
}


def to_wkt(crs: JSON) -> str | None:
    """Write a CRS as WKT 2; None if it is of a type that this package does not make."""
    write = _WRITERS.get(crs["type"])
    return None if write is None else write(crs)


def _node(keyword: str, *parts: str | None) -> str:
    return f"{keyword}[{','.join(part for part in parts if part)}]"


def _text(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _number(number: float) -> str:
    return f"{number:.15g}".replace("e", "E")


def _id(definition: JSON) -> str | None:
    known = definition.get("id")
    return known and _node("ID", _text(known["authority"]), str(known["code"]))


def _unit(unit: str | JSON) -> str:
    if isinstance(unit, str):
        return _UNIT_WORDS[unit]
    keyword = _UNIT_KEYWORDS[unit["type"]]
    return _node(keyword, _text(unit["name"]), _number(unit["conversion_factor"]), _id(unit))


def _datum(datum: JSON) -> str:
    ellipsoid = datum["ellipsoid"]
    major = ellipsoid.get("radius") or ellipsoid["semi_major_axis"]
    if "inverse_flattening" in ellipsoid:
        flattening = ellipsoid["inverse_flattening"]
    else:
        minor = ellipsoid.get("semi_minor_axis", major)
        flattening = 0.0 if minor == major else major / (major - minor)
    size = (_number(major), _number(flattening), _UNIT_WORDS["metre"])
    around = _node("ELLIPSOID", _text(ellipsoid["name"]), *size, _id(ellipsoid))
    written = _node("DATUM", _text(datum["name"]), around, _id(datum))
    meridian = datum.get("prime_meridian")
    if meridian is None:
        return written
    longitude, unit = meridian["longitude"], "degree"
    if isinstance(longitude, dict):
        longitude, unit = longitude["value"], longitude["unit"]
    name = _text(meridian["name"])
    return f"{written},{_node('PRIMEM', name, _number(longitude), _unit(unit), _id(meridian))}"


def _coordinate_system(system: JSON) -> Iterator[str]:
    yield _node("CS", system["subtype"], str(len(system["axis"])))
    for order, axis in enumerate(system["axis"], 1):
        yield _node(
            "AXIS",
            _text(f"{axis['name'].lower()} ({axis['abbreviation']})".lstrip()),
            axis["direction"],
            _node("ORDER", str(order)),
            _unit(axis["unit"]),
        )


def _geodetic(crs: JSON) -> str:
    keyword = "GEOGCRS" if crs["type"] == "GeographicCRS" else "GEODCRS"
    axes = _coordinate_system(crs["coordinate_system"])
    return _node(keyword, _text(crs["name"]), _datum(crs["datum"]), *axes, _id(crs))


def _method(method: JSON) -> str:
    return _node("METHOD", _text(method["name"]), _id(method))


def _projected(crs: JSON) -> str:
    base, conversion = crs["base_crs"], crs["conversion"]
    unit = base["coordinate_system"]["axis"][0]["unit"]
    written_unit = None if isinstance(unit, str) else _unit(unit)
    parameters = [
        _node(
            "PARAMETER", _text(each["name"]), _number(each["value"]), _unit(each["unit"]), _id(each)
        )
        for each in conversion["parameters"]
    ]
    return _node(
        "PROJCRS",
        _text(crs["name"]),
        _node("BASEGEOGCRS", _text(base["name"]), _datum(base["datum"]), written_unit, _id(base)),
        _node("CONVERSION", _text(conversion["name"]), _method(conversion["method"]), *parameters),
        *_coordinate_system(crs["coordinate_system"]),
        _id(crs),
    )


def _of_datum(crs: JSON) -> str:
    """Write a vertical or a local CRS."""
    kind = "V" if crs["type"] == "VerticalCRS" else "E"
    datum = _node(f"{kind}DATUM", _text(crs["datum"]["name"]), _id(crs["datum"]))
    axes = _coordinate_system(crs["coordinate_system"])
    keyword = "VERTCRS" if kind == "V" else "ENGCRS"
    return _node(keyword, _text(crs["name"]), datum, *axes, _id(crs))


def _compound(crs: JSON) -> str:
    parts = (_WRITERS[part["type"]](part) for part in crs["components"])
    return _node("COMPOUNDCRS", _text(crs["name"]), *parts, _id(crs))


def _bound(crs: JSON) -> str:
    source, target, change = crs["source_crs"], crs["target_crs"], crs["transformation"]
    return _node(
        "BOUNDCRS",
        _node("SOURCECRS", _WRITERS[source["type"]](source)),
        _node("TARGETCRS", _WRITERS[target["type"]](target)),
        _node(
            "ABRIDGEDTRANSFORMATION",
            _text(change["name"]),
            _method(change["method"]),
            *map(_abridged, change["parameters"]),
        ),
    )


def _abridged(parameter: JSON) -> str:
    """Write a parameter of an abridged transformation: metres, arc-seconds and a factor near 1."""
    value = parameter["value"]
    if isinstance(parameter["unit"], dict) and parameter["unit"]["type"] == "ScaleUnit":
        value = 1 + value * parameter["unit"]["conversion_factor"]
    return _node("PARAMETER", _text(parameter["name"]), _number(value), _id(parameter))


_WRITERS: dict[str, Callable[[JSON], str]] = {
    "GeographicCRS": _geodetic,
    "GeodeticCRS": _geodetic,
    "ProjectedCRS": _projected,
    "VerticalCRS": _of_datum,
    "EngineeringCRS": _of_datum,
    "CompoundCRS": _compound,
    "BoundCRS": _bound,
}
