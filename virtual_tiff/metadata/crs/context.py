"""The GeoKeys as a definition is read from them, with what could not be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from virtual_tiff.metadata.crs.registry import Registry
from virtual_tiff.tiff import GeoKey, GeoValue, key_name

__all__ = ["USER_DEFINED", "Context", "NoCrsError", "is_possible"]

USER_DEFINED = 32767
"""GeoTIFF 1.1, 7.1.3: the value is given by other keys."""

_LAST_RESERVED = 1000
"""GeoTIFF 1.0, section 6.3; 1.1, sections 7.4, 7.5: up to 1000 no datums, ellipsoids or CRSs."""


_MOST = 1e18
"""No length on any planet is as long in any unit, and PROJ cannot read what it writes of
numbers with hundreds of digits."""


def is_possible(value: float) -> bool:
    """Whether a number of a key can stand in a CRS: not NaN, not infinite, not beyond all sizes."""
    return abs(value) < _MOST


class NoCrsError(Exception):
    """The keys make no CRS at all; a warning has said why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A file's GeoKeys and the registry that knows their codes.

    A key counts only if its value is of the specification's type, as in libgeotiff.
    """

    keys: Mapping[int, GeoValue]
    version: tuple[int, ...]
    """The directory's version, revision and minor revision."""
    epsg: Registry
    warnings: list[str] = field(default_factory=list)

    def warn(self, key: GeoKey, words: str) -> None:
        """Note what cannot be said: words of which the key is the subject, or a sentence."""
        value = self.keys.get(key)
        shown = f" = {value}" if isinstance(value, int | float) else ""
        sign = "" if words.startswith(("is ", "has ", "gives ", "holds ", "cannot ")) else ":"
        text = f"GeoKey {key_name(key)}{shown}{sign} {words}"
        if text not in self.warnings:
            self.warnings.append(text)

    def short(self, key: GeoKey) -> int | None:
        """Return a key of type SHORT as it is."""
        value = self.keys.get(key)
        return value if isinstance(value, int) else None

    def code(self, key: GeoKey) -> int | None:
        """Return a key as a code; None if it is absent, undefined (0) or user-defined."""
        value = self.short(key)
        if value is None or value in (0, USER_DEFINED):
            return None
        if value > USER_DEFINED:
            self.warn(key, "is in the range of private use and means nothing here")
            return None
        if value <= _LAST_RESERVED and key in _NO_SMALL_CODES:
            self.warn(key, "is in a reserved range and is ignored")
            return None
        return value

    def says(self, key: GeoKey) -> bool:
        """Tell whether a key of type SHORT is there, user-defined or not, and not reserved."""
        value = self.short(key)
        return value is not None and not (key in _NO_SMALL_CODES and 0 < value <= _LAST_RESERVED)

    def double(self, key: GeoKey, *, finite: bool = True) -> float | None:
        """Return a key of type DOUBLE; where it must be `finite`, a NoCrsError refuses others."""
        value = self.keys.get(key)
        if not isinstance(value, float):
            return None
        if finite and not is_possible(value):
            self.warn(key, "is not a number that a CRS can have; there is no CRS")
            raise NoCrsError
        return value

    def doubles(self, key: GeoKey) -> tuple[float, ...]:
        """Return the values of a key of type DOUBLE; empty if it is absent."""
        value = self.keys.get(key)
        if isinstance(value, float):
            return (value,)
        return tuple(map(float, value)) if isinstance(value, tuple) else ()

    def official_name(self, name: str) -> str:
        """Return the EPSG registry's name of a CRS whose name may be in ESRI's spelling."""
        crs = self.epsg.crs_named(name)
        is_epsg = crs is not None and crs.get("id", {}).get("authority") == "EPSG"
        return str(crs["name"]) if crs is not None and is_epsg else name

    def text(self, key: GeoKey) -> str | None:
        """Return a key of type ASCII, up to a NUL, without what would confuse readers of WKT."""
        value = self.keys.get(key)
        return value.partition("\0")[0].translate(_BRACES) if isinstance(value, str) else None


_BRACES = str.maketrans("{}", "()")
"""pyproj takes a text with braces for JSON."""

_NO_SMALL_CODES = {GeoKey.GeodeticDatumGeoKey, GeoKey.EllipsoidGeoKey}
