"""What the tags say about the pixels' meaning, to attributes.

The names are those of virtual-tiff 0.5.0, so that what reads its stores reads these.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from virtual_tiff.tiff import (
    ExtraSample,
    ImageFileDirectory,
    Photometric,
    Tag,
    TiffError,
    parse_geokeys,
)
from virtual_tiff.tiff.errors import warn

__all__ = ["attributes", "missing_value", "nodata"]

type JSONScalar = int | float | str | list[str | int | float]

_GEOKEY_ATTRIBUTES = {
    1024: "model_type",
    1025: "raster_type",
    1026: "citation",
    2048: "geographic_type",
    2049: "geog_citation",
    2050: "geog_geodetic_datum",
    2051: "geog_prime_meridian",
    2052: "geog_linear_units",
    2053: "geog_linear_unit_size",
    2054: "geog_angular_units",
    2055: "geog_angular_unit_size",
    2056: "geog_ellipsoid",
    2057: "geog_semi_major_axis",
    2058: "geog_semi_minor_axis",
    2059: "geog_inv_flattening",
    2060: "geog_azimuth_units",
    2061: "geog_prime_meridian_long",
    3072: "projected_type",
    3073: "proj_citation",
    3074: "projection",
    3075: "proj_coord_trans",
    3076: "proj_linear_units",
    3077: "proj_linear_unit_size",
    3078: "proj_std_parallel1",
    3079: "proj_std_parallel2",
    3080: "proj_nat_origin_long",
    3081: "proj_nat_origin_lat",
    3082: "proj_false_easting",
    3083: "proj_false_northing",
    3084: "proj_false_origin_long",
    3085: "proj_false_origin_lat",
    3086: "proj_false_origin_easting",
    3087: "proj_false_origin_northing",
    3088: "proj_center_long",
    3089: "proj_center_lat",
    3090: "proj_center_easting",
    3091: "proj_center_northing",
    3092: "proj_scale_at_nat_origin",
    3093: "proj_scale_at_center",
    3094: "proj_azimuth_angle",
    3095: "proj_straight_vert_pole_long",
    4096: "vertical",
    4097: "vertical_citation",
    4098: "vertical_datum",
    4099: "vertical_units",
}

_TAG_ATTRIBUTES: dict[str, Callable[[ImageFileDirectory], Any]] = {
    "model_pixel_scale": lambda ifd: _list(ifd.floats(Tag.ModelPixelScale)),
    "model_tiepoint": lambda ifd: _list(ifd.floats(Tag.ModelTiepoint)),
    "model_transformation": lambda ifd: _list(ifd.floats(Tag.ModelTransformation)),
    "photometric_interpretation": lambda ifd: ifd.PhotometricInterpretation,
    "gdal_no_data": lambda ifd: ifd.text(Tag.GDAL_NODATA),
    "extra_samples": lambda ifd: _extra_samples(ifd) or None,
    "color_map": lambda ifd: _palette(ifd, ifd.integers(Tag.ColorMap)),
}

_EXTRA_SAMPLES: dict[int, str] = {
    ExtraSample.Unspecified: "unspecified",
    ExtraSample.AssociatedAlpha: "associated alpha",
    ExtraSample.UnassociatedAlpha: "unassociated alpha",
}


def attributes(ifd: ImageFileDirectory, data_type: str) -> dict[str, Any]:
    """Return the attributes of an image's array, ready for JSON.

    A tag that cannot be read is left out with a warning: it does not decide pixels.
    """
    # what the tags themselves say stands above what a text in one of them does
    found: dict[str, Any] = dict(_readable(ifd, "GDAL_METADATA", _gdal_metadata) or {})
    for key, geo_value in parse_geokeys(ifd).items():
        if key in _GEOKEY_ATTRIBUTES:
            plain = list(geo_value) if isinstance(geo_value, tuple) else geo_value
            found[_GEOKEY_ATTRIBUTES[key]] = plain
    for name, read in _TAG_ATTRIBUTES.items():
        tag_value = _readable(ifd, name, read)
        if tag_value is not None:
            found[name] = tag_value
    fill = nodata(ifd, data_type)
    if fill is not None:
        found["_FillValue"] = _xarray_fill_value(fill, data_type)
    return {name: json_value for name, json_value in found.items() if _is_json(json_value)}


def nodata(ifd: ImageFileDirectory, data_type: str) -> int | float | complex | None:
    """Return GDAL_NODATA as a number of the data type; None if there is none that fits."""
    number = _nodata_number(ifd)
    if number is None:
        return None
    dtype = np.dtype(data_type)
    if dtype.kind in "iu":
        return _fitting(number, np.iinfo(dtype))
    with np.errstate(over="ignore"):
        fill: int | float | complex = dtype.type(number).item()
    return fill  # of all spellings of a float32, the number it is


def missing_value(ifd: ImageFileDirectory, data_type: str) -> int | float | complex:
    """Return what a missing block reads as: GDAL_NODATA brought to the data type, else 0.

    As in GDAL, a number that no sample can have is rounded and cut to the nearest one.
    """
    fill = nodata(ifd, data_type)
    if fill is not None:
        return fill
    number = _nodata_number(ifd)
    if number is None or math.isnan(number):
        return 0
    info = np.iinfo(data_type)  # only integers leave numbers out
    whole = int(number + math.copysign(0.5, number)) if math.isfinite(number) else number
    return int(min(max(whole, info.min), info.max))


def _nodata_number(ifd: ImageFileDirectory) -> float | int | None:
    text = _readable(ifd, "GDAL_NODATA", lambda d: d.text(Tag.GDAL_NODATA))
    return None if text is None else _number(text)


_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INTEGER_DIGITS = 21
"""Sign and digits of the longest 64-bit integer."""

_NOT_FINITE = {
    "nan": math.nan,
    "inf": math.inf,
    # Microsoft's C library
    "1.#qnan": math.nan,
    "1.#snan": math.nan,
    "1.#ind": math.nan,
    "1.#inf": math.inf,
}


def _number(text: str) -> float | int | None:
    """Read a number as GDAL's CPLAtof does: by its longest beginning that is one."""
    sign = -1 if text.strip().startswith("-") else 1
    name = text.strip().lstrip("+-").lower()
    for beginning, value in _NOT_FINITE.items():
        if name.startswith(beginning):
            return sign * value
    found = _NUMBER.match(text.replace(",", ".", 1))  # a decimal comma, as some locales write
    if found is None:
        return None
    digits = found.group().strip()
    # not by way of a float: 64-bit integers must not lose digits
    whole = digits.lstrip("+-").isdecimal() and len(digits) <= _INTEGER_DIGITS
    return int(digits) if whole else float(digits)


def _fitting(number: float, info: np.iinfo[Any]) -> int | None:
    """Return the number if an integer type has it."""
    if not math.isfinite(number) or number != int(number):
        return None
    return int(number) if info.min <= number <= info.max else None


def _xarray_fill_value(fill: complex, data_type: str) -> int | str | list[str]:
    """Encode as xarray's `FillValueCoder` does for Zarr v3."""
    if isinstance(fill, int):
        return fill
    if isinstance(fill, float) and data_type.startswith("float"):
        return _packed(fill)
    return [_packed(fill.real), _packed(fill.imag)]


def _packed(number: float) -> str:
    return base64.standard_b64encode(struct.pack("<d", number)).decode()


def _gdal_metadata(ifd: ImageFileDirectory) -> Mapping[str, str]:
    """Return the items of the default domain that hold for the whole file.

    Those of single bands are not among them: none of them speaks for the array.
    """
    text = ifd.text(Tag.GDAL_METADATA)
    if text is None:
        return {}
    if "<!" in text.replace("<!--", ""):
        # no document type is known in this tag, and one could declare entities
        warn(f"IFD {ifd.path}: GDAL_METADATA with a declaration is ignored")
        return {}
    try:
        root = ET.fromstring(text)  # noqa: S314 (declarations are refused above)
    except ET.ParseError as error:
        warn(f"IFD {ifd.path}: GDAL_METADATA is no XML and ignored: {error}")
        return {}
    return {
        _attribute_name(item.get("name", "")): item.text or ""
        for item in root.iter("Item")
        if item.get("name") and item.get("sample") is None and item.get("domain") is None
    }


_DECODED_BY_XARRAY = {
    "_FillValue",
    "_Unsigned",
    "add_offset",
    "bounds",
    "calendar",
    "coordinates",
    "dtype",
    "grid_mapping",
    "missing_value",
    "scale_factor",
    "units",
}
"""Attributes that change what xarray makes of the pixels; a text must not."""


def _attribute_name(name: str) -> str:
    return f"GDAL_METADATA:{name}" if name in _DECODED_BY_XARRAY else name


def _readable[T](
    ifd: ImageFileDirectory, name: str, read: Callable[[ImageFileDirectory], T]
) -> T | None:
    try:
        return read(ifd)
    except TiffError as error:
        warn(f"{name} is ignored: {error}")
        return None


def _extra_samples(ifd: ImageFileDirectory) -> list[str]:
    """Return what the samples beyond those of the colour are, TIFF 6.0 section 18."""
    return [_EXTRA_SAMPLES.get(code, str(code)) for code in ifd.ExtraSamples]


def _palette(ifd: ImageFileDirectory, found: memoryview | None) -> list[list[int]] | None:
    """Return a palette as [red, green, blue] of 0 to 65535 for each index.

    TIFF 6.0 section 5 stores all reds, then all greens, then all blues. Only a palette
    image's pixels are indices; a map that another one carries means nothing.
    """
    if found is None or ifd.PhotometricInterpretation != Photometric.Palette:
        return None
    count = len(found) // 3
    reds, greens, blues = (found[i * count : (i + 1) * count].tolist() for i in range(3))
    return [list(color) for color in zip(reds, greens, blues, strict=True)]


def _list(found: tuple[float, ...] | None) -> list[float] | None:
    return None if found is None else list(found)


def _is_json(found: object) -> bool:
    """JSON has no NaN and no infinity; attributes with them are left out."""
    numbers = found if isinstance(found, list) else [found]
    return all(not isinstance(n, float) or math.isfinite(n) for n in numbers)
