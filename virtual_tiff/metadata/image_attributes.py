"""From the tags that say what pixels mean, to attributes and to coordinates of the bands.

What the file says of all exposed bands is an attribute of the array, under CF's name if CF has
one, and xarray applies it as rioxarray does; what differs between bands is a coordinate along
the dimension `band`. The names are those of virtual-tiff 0.5.0, GDAL and rioxarray.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from virtual_tiff.metadata.bands import Bands, bands_of, coordinate_name
from virtual_tiff.metadata.colours import UNDEFINED
from virtual_tiff.metadata.gdal_metadata import gdal_metadata
from virtual_tiff.metadata.json_copy import json_copy
from virtual_tiff.metadata.nodata import (
    consolidated,
    fill_attribute,
    missing_value,
    nodata,
    nodata_text,
)
from virtual_tiff.metadata.tag_attributes import attributes_of_one_file, tag_attributes
from virtual_tiff.tiff import ImageFileDirectory, Tag, kind_of

__all__ = [
    "attribute_name",
    "attributes",
    "band_coordinates",
    "coordinates_of",
    "missing_value",
    "nodata",
    "shared_attributes",
]

type JSON = Any


def attributes(
    ifd: ImageFileDirectory,
    data_type: str,
    *,
    base: ImageFileDirectory | None = None,
    bands: Sequence[int] | None = None,
) -> dict[str, JSON]:
    """Return the attributes of an image's array, ready for JSON.

    Parameters
    ----------
    ifd
        The directory of the image.
    data_type
        Of the array, as Zarr names it.
    base
        Of an overview, the image at full resolution: it says what the overview's own tags
        leave open about the meaning of the pixels (nodata, scale, unit, names, colours).
    bands
        Numbers from 0 of the bands that are exposed; None for all. What they share is here.
    """
    exposed = None if bands is None else tuple(bands)
    shared = ifd.remembered(_attributes, data_type, _speaks_for(base, ifd), exposed)
    return json_copy(shared) | attributes_of_one_file(ifd)


def _attributes(
    ifd: ImageFileDirectory,
    data_type: str,
    base: ImageFileDirectory | None,
    bands: Sequence[int] | None,
) -> dict[str, JSON]:
    meaning = bands_of(ifd, base=base, bands=bands)
    fill = nodata(ifd, data_type, base=base)
    # what the tags themselves say stands above what a text in one of them does
    has_items = any(Tag.GDAL_METADATA in image.entries for image in (ifd, base or ifd))
    attributes = _items(ifd, base, meaning, fill, data_type) if has_items else {}
    attributes |= tag_attributes(ifd, base)
    attributes |= shared_attributes(meaning, data_type)
    text = nodata_text(ifd) if Tag.GDAL_NODATA in ifd.entries else None
    if text is not None:
        attributes["gdal_no_data"] = text
    if fill is not None:
        attributes["_FillValue"] = fill_attribute(fill, data_type)
    return attributes


def band_coordinates(
    ifd: ImageFileDirectory,
    data_type: str,
    *,
    base: ImageFileDirectory | None = None,
    bands: Sequence[int] | None = None,
) -> dict[str, list[int] | list[float] | list[str]]:
    """Return the coordinates along `band`: one value for each band that is exposed.

    `band` itself is their names, where each has one of its own, else their numbers from 1;
    the others are what differs: `scale_factor` and `add_offset`, `units`, `colorinterp`,
    statistics and other items of GDAL_METADATA. Where a band says nothing there is "" or NaN.

    Returns
    -------
    dict
        Empty for an image of one sample a pixel: its array has no such dimension. The names
        are single words, and none is that of a dimension. Shared: not to be changed.
    """
    if ifd.SamplesPerPixel == 1:
        return {}
    exposed = None if bands is None else tuple(bands)
    return ifd.remembered(_band_coordinates, data_type, _speaks_for(base, ifd), exposed)


def _band_coordinates(
    ifd: ImageFileDirectory,
    data_type: str,
    base: ImageFileDirectory | None,
    bands: tuple[int, ...] | None,
) -> dict[str, list[int] | list[float] | list[str]]:
    return coordinates_of(bands_of(ifd, base=base, bands=bands), data_type)


def coordinates_of(
    meaning: Bands, data_type: str
) -> dict[str, list[int] | list[float] | list[str]]:
    """Return the coordinates along `band` of bands of this meaning; see `band_coordinates`."""
    coordinates: dict[str, list[int] | list[float] | list[str]] = {
        "band": meaning.names or [number + 1 for number in meaning.numbers]
    }
    if meaning.scaled and (not meaning.same_scale or _is_complex(data_type)):
        coordinates["scale_factor"], coordinates["add_offset"] = meaning.scales, meaning.offsets
    for name in ("units", "colorinterp"):
        if len(set(meaning.columns[name])) > 1:
            coordinates[name] = meaning.columns[name]
    for item, texts in meaning.items.items():
        if len(set(texts)) > 1:
            name = coordinate_name(item)
            while name in coordinates:  # of "my item" and "my-item" one word is made
                name = f"item_{name}"
            coordinates[name] = _column(item, texts)
    return coordinates


def _speaks_for(
    base: ImageFileDirectory | None, ifd: ImageFileDirectory
) -> ImageFileDirectory | None:
    """Return the image that says what a directory leaves open: a mask's pixels are not its own."""
    return None if base is None or kind_of(ifd) == "mask" else base


# ---- bands


def shared_attributes(meaning: Bands, data_type: str) -> dict[str, JSON]:
    """Return the attributes of an array whose bands have this meaning."""
    shared: dict[str, JSON] = {}
    if meaning.same_scale and not _is_complex(data_type):
        scale, offset = meaning.scales[0], meaning.offsets[0]
        # each of them alone makes floats of integers: not where it says nothing
        shared |= {} if scale == 1 else {"scale_factor": scale}
        shared |= {} if offset == 0 else {"add_offset": offset}
    elif meaning.scaled:  # the names under which rioxarray has them
        shared |= {"scales": meaning.scales, "offsets": meaning.offsets}
    units = set(meaning.columns["units"])
    if len(units) == 1 and "" not in units:
        (unit,) = units
        shared["unit_type" if _is_time(unit) else "units"] = unit
    names = meaning.columns["long_name"]
    if any(names):
        shared["long_name"] = names[0] if len(names) == 1 else names
    colours = set(meaning.columns["colorinterp"])
    if len(colours) == 1 and not colours & {"", UNDEFINED}:
        (shared["colorinterp"],) = colours
    return shared


def _is_complex(data_type: str) -> bool:
    """Whether a scale cannot be an attribute: xarray would drop the imaginary part."""
    return data_type.startswith("complex")


_TIMES = frozenset(
    "days hours minutes seconds milliseconds microseconds nanoseconds".split()  # noqa: SIM905
)


def _is_time(unit: str) -> bool:
    """Whether xarray would make dates of pixels in this unit; rioxarray does not."""
    return "since" in unit or unit in _TIMES


def _column(item: str, texts: Sequence[str | None]) -> list[float] | list[str]:
    if item.startswith("STATISTICS_"):
        numbers = [math.nan if text is None else _parsed(text) for text in texts]
        if not any(isinstance(number, str) for number in numbers):
            return [float(number) for number in numbers]
    return [text or "" for text in texts]


# ---- items of GDAL_METADATA


def _items(
    ifd: ImageFileDirectory,
    base: ImageFileDirectory | None,
    meaning: Bands,
    fill: complex | None,
    data_type: str,
) -> dict[str, JSON]:
    """Return the items of the default domain that hold for the file or all bands, and domains."""
    own_metadata = gdal_metadata(ifd)
    items = dict(own_metadata.file.default)
    for name, texts in meaning.items.items():
        if texts[0] is not None and set(texts) == {texts[0]}:
            items[name] = texts[0]
    unsigned = items.get("_Unsigned", base and gdal_metadata(base).file.default.get("_Unsigned"))
    attributes: dict[str, JSON] = {}
    for name, value in consolidated(items, fill, data_type).items():
        parsed = _parsed(value) if name.startswith("STATISTICS_") else value
        attributes[attribute_name(name, value)] = parsed
    if unsigned in ("true", "false") and np.dtype(data_type).kind in "iu":
        attributes["_Unsigned"] = unsigned  # rioxarray, too, applies it
        attributes.pop("GDAL_METADATA:_Unsigned", None)
    domains: dict[str, JSON] = dict(own_metadata.file.domains)
    of_bands = {
        band: own_metadata.band(band).domains
        for band in meaning.numbers
        if band in own_metadata.bands
    }
    if ifd.SamplesPerPixel == 1:
        domains |= of_bands.pop(0, {})
    if domains:
        attributes["gdal_metadata_domains"] = domains
    if any(of_bands.values()):
        attributes["gdal_band_metadata_domains"] = {
            str(band + 1): each for band, each in of_bands.items() if each
        }
    return attributes


def _parsed(text: str) -> int | float | str:
    """Return a finite number as rioxarray makes it of a text, other texts as they are."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


_DECODED = frozenset(
    {
        # by xarray
        *("_ARRAY_DIMENSIONS", "_FillValue", "_Unsigned", "add_offset", "bounds", "calendar"),
        *("coordinates", "dtype", "grid_mapping", "missing_value", "scale_factor"),
        # by rioxarray
        *("fill_value", "nodata", "crs_wkt", "spatial_ref", "GeoTransform", "grid_mapping_name"),
        *("gcps", "rpcs", "scales", "offsets"),
        # by readers of the Zarr conventions
        *("zarr_conventions", "multiscales", "ome"),
    }
)


def attribute_name(name: str, value: object) -> str:
    """Return the name of an item's attribute: no text may change pixels."""
    decoded = name in _DECODED or name.startswith(("spatial:", "proj:"))
    if isinstance(value, str) and (decoded or (name == "units" and _is_time(value))):
        return f"GDAL_METADATA:{name}"
    return name
