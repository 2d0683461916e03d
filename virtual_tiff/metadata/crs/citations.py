"""Names and units that writers put into the citation keys, where no key could hold them.

Three habits exist. GDAL and ESRI write `"GCS Name = …|Datum = …|Ellipsoid = …|Primem = …|"` and
`"PCS Name = …|LUnits = …|"`; ERDAS IMAGINE writes a page of text that begins with "IMAGINE
GeoTIFF Support"; ESRI writes a whole CRS behind "ESRI PE String = ". Everything else is a name.
GDAL's `gt_citation.cpp` reads them alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from virtual_tiff.metadata.crs.tables import CITATION_UNITS

__all__ = ["fields", "linear_unit_factor", "plain_name", "projection_engine_string"]

_IMAGINE = "IMAGINE GeoTIFF"
_PE_STRING = "ESRI PE String = "
_FIELD = re.compile(
    r"(PCS Name|PRJ Name|GCS Name|LUnits|AUnits|Datum|Ellipsoid|Primem|VCS Name|NAD) = ([^|]*)"
)
_IMAGINE_FIELD = re.compile(r"^(NAD|Datum|Ellipsoid|Units|Projection Name) = (.*)$", re.MULTILINE)
_IMAGINE_NAMES = {"Units": "LUnits"}


def fields(citation: str | None) -> Mapping[str, str]:
    """Return what a citation says by the words before " = "; empty if it is a name alone.

    Keys are `PCS Name`, `GCS Name`, `Datum`, `Ellipsoid`, `Primem`, `LUnits`, `AUnits`, `VCS Name`,
    `NAD` and `Projection Name`; of several values the first counts.
    """
    if citation is None or citation.startswith(_PE_STRING):
        return {}
    pattern = _IMAGINE_FIELD if _IMAGINE in citation else _FIELD
    texts: dict[str, str] = {}
    for name, value in pattern.findall(citation):
        text = value.strip(" \n\0|")
        if text:
            texts.setdefault(_IMAGINE_NAMES.get(name, name), text)
    return texts


def plain_name(citation: str | None) -> str | None:
    """Return a citation as the name of a CRS; None if it is none or empty.

    IMAGINE's text is cut behind its version numbers, which end with "$", and put on one line.
    """
    if not citation:
        return None
    if _IMAGINE in citation:
        citation = citation.rpartition("$")[2].removeprefix("\n").replace("\n", " ")
    return citation or None


def projection_engine_string(citation: str | None) -> str | None:
    """Return the WKT of ESRI's dialect that a citation is; None if it is not."""
    if citation is None or _PE_STRING not in citation:
        return None
    return citation.partition(_PE_STRING)[2].strip()


def linear_unit_factor(name: str) -> float | None:
    """Return a unit's metres by the name that a citation gives it; None if it is unknown.

    As in GDAL, the name's last letter does not count: writers differ in singular and plural.
    """
    stem = name[:-1].casefold()
    for known, factor in CITATION_UNITS:
        if known.casefold()[: len(stem)] == stem:
            return factor
    return None
