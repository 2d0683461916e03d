"""The meaning of the bands: scale, offset, unit, name, colour and statistics of each.

What all exposed bands share is one fact about the array; what differs is a column with one
value for each band. None of them ever speaks for another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from virtual_tiff.metadata.colours import colour_interpretations
from virtual_tiff.metadata.crs import crs_of
from virtual_tiff.metadata.crs.projjson import number_of_axes
from virtual_tiff.metadata.gdal_metadata import GdalMetadata, gdal_metadata
from virtual_tiff.metadata.nodata import number_of
from virtual_tiff.tiff import GeoKey, ImageFileDirectory, Tag, TiffError, parse_geokeys, warn

__all__ = ["Bands", "bands_of", "coordinate_name"]

type JSON = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """The meaning of the bands that are exposed."""

    numbers: tuple[int, ...]
    """From 0."""
    scales: list[float]
    offsets: list[float]
    columns: dict[str, list[str]]
    """`units`, `long_name`, `colorinterp`, each a text for every band, "" where it has none."""
    items: dict[str, list[str | None]]
    """Items of GDAL_METADATA's default domain, one for every band, None where it has none."""

    @property
    def scaled(self) -> bool:
        """Whether numbers of any band are not what the pixels hold."""
        return set(self.scales) != {1.0} or set(self.offsets) != {0.0}

    @property
    def same_scale(self) -> bool:
        """Whether one scale and one offset hold for all."""
        return len(set(self.scales)) == len(set(self.offsets)) == 1

    @property
    def names(self) -> list[str] | None:
        """The bands' own names, if each has one and no two share it."""
        names = self.columns["long_name"]
        return names if all(names) and len(set(names)) == len(names) else None


def bands_of(
    ifd: ImageFileDirectory,
    *,
    base: ImageFileDirectory | None = None,
    bands: Sequence[int] | None = None,
) -> Bands:
    """Return what the bands of an image mean.

    Parameters
    ----------
    ifd
        The directory of the image.
    base
        Of an overview, the image at full resolution: it says what the overview's own tags
        leave open, except for the items, statistics among them, which are of its pixels. GDAL
        takes nothing from it: an overview opened by itself loses the scale of its numbers.
    bands
        Numbers of the exposed bands, from 0; None for all.
    """
    return ifd.remembered(_bands, base, None if bands is None else tuple(bands))


def _bands(
    ifd: ImageFileDirectory, base: ImageFileDirectory | None, bands: tuple[int, ...] | None
) -> Bands:
    exposed = tuple(range(ifd.SamplesPerPixel)) if bands is None else bands
    own_metadata = gdal_metadata(ifd)
    full = own_metadata if base is None else gdal_metadata(base)
    roles = {
        role: [
            own_metadata.band(band).roles.get(role) or full.band(band).roles.get(role, "")
            for band in exposed
        ]
        if own_metadata.bands or full.bands
        else [""] * len(exposed)
        for role in ("scale", "offset", "unittype", "description", "colorinterp")
    }
    scale, offset = _vertical_scale(base or ifd) or (None, None)
    units = roles["unittype"]
    if not all(units) and not _VERTICAL.isdisjoint(parse_geokeys(base or ifd)):
        crs = crs_of(base or ifd)  # GDAL takes the unit of heights for that of the bands
        units = [unit or (crs and crs.vertical_unit) or "" for unit in units]
    return Bands(
        numbers=exposed,
        scales=[_number(text, 1.0) if scale is None else scale for text in roles["scale"]],
        offsets=[_number(text, 0.0) if offset is None else offset for text in roles["offset"]],
        columns={
            "units": units,
            "long_name": roles["description"],
            "colorinterp": colour_interpretations(base or ifd, roles["colorinterp"], exposed),
        },
        items=_items(ifd, own_metadata, exposed),
    )


def _number(text: str, default: float) -> float:
    if not text:
        return default
    number = number_of(text)
    if number is None or not math.isfinite(number):
        warn(f"the scale or offset {text[:40]!r} in GDAL_METADATA is not a number and is ignored")
        return default
    return number


# ---- items

_MOST_CELLS = 2**16
"""Items x bands: few items of single bands must not become columns of all 65,535."""


def _items(
    ifd: ImageFileDirectory, own_metadata: GdalMetadata, exposed: Sequence[int]
) -> dict[str, list[str | None]]:
    held = [own_metadata.band(band).default for band in exposed] if own_metadata.bands else []
    count: dict[str, int] = {}
    for items in held:
        for name in items:
            count[name] = count.get(name, 0) + 1
    if len(count) * len(exposed) > _MOST_CELLS:
        warn(
            f"IFD {ifd.path}: GDAL_METADATA has too many items of single bands; those that less "
            "than half of the bands have are left out"
        )
        # the columns are then no larger than twice the tag itself
        count = {name: n for name, n in count.items() if 2 * n >= len(exposed)}
    return {name: [items.get(name) for items in held] for name in count}


# ---- heights

_VERTICAL = frozenset(
    {
        GeoKey.VerticalGeoKey,
        GeoKey.VerticalCitationGeoKey,
        GeoKey.VerticalDatumGeoKey,
        GeoKey.VerticalUnitsGeoKey,
    }
)


def _vertical_scale(ifd: ImageFileDirectory) -> tuple[float, float] | None:
    """Return scale and offset of heights that ModelPixelScale and ModelTiepoint give.

    GeoTIFF 1.1 annex B.6: Z = (z - z0) * ScaleZ + Z0. GDAL applies it (`GTiffDataset::
    LoadGeoreferencingAndPamIfNeeded`), above what GDAL_METADATA says, to an image of one band
    where the CRS has heights, which that of GeoTIFF 1.0 has not. A ScaleZ of 0, which writers
    of flat images leave there and which would make all heights one, is not taken.
    """
    if ifd.SamplesPerPixel != 1 or _VERTICAL.isdisjoint(parse_geokeys(ifd)):
        return None
    try:
        scale, tie = ifd.floats(Tag.ModelPixelScale) or (), ifd.floats(Tag.ModelTiepoint) or ()
    except TiffError:
        return None  # whoever reads them for the transform says so
    if len(scale) < 3 or len(tie) < 6 or not all(scale[:3]):
        return None
    scale_and_offset = scale[2], tie[5] - tie[2] * scale[2]
    crs = crs_of(ifd)
    if crs is None or crs.projjson is None or not all(map(math.isfinite, scale_and_offset)):
        return None
    has_heights = crs.projjson["type"] == "CompoundCRS" or number_of_axes(crs.projjson) == 3
    return scale_and_offset if has_heights else None


# ---- names of coordinates

_RESERVED = re.compile(r"(x|y|band|page)(_.*)?|spatial_ref.*|\w|\W.*|[0-9].*", re.DOTALL)
"""Dimensions, arrays and coordinates of the layouts."""


def coordinate_name(item: str) -> str:
    """Return an item's name as that of a coordinate: one word, and no other array's name."""
    name = re.sub(r"\W+", "_", item).strip("_")
    return f"item_{name}" if not name or _RESERVED.fullmatch(name) else name
