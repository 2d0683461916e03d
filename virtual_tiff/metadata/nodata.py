"""GDAL_NODATA, tag 42113: a text, to a number of the array's data type.

The texts are read as GDAL 3.12 reads them, which a test compares; the rules are those of
`GTiffDataset::OpenOffset` (frmts/gtiff/gtiffdataset_read.cpp) and of `CPLAtofM`. GDAL takes a
text without a number for 0, and so do we, with a warning: a pixel that rioxarray masks is masked.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from virtual_tiff.metadata.gdal_metadata import gdal_metadata
from virtual_tiff.tiff import ImageFileDirectory, Tag, TiffError, warn

__all__ = ["consolidated", "fill_attribute", "missing_value", "nodata", "nodata_text", "number_of"]

type Number = int | float | complex

_ITEMS = ("_FillValue", "missing_value")
"""Items of GDAL_METADATA that say it where the tag does not, the first that is there."""
_PREFIXED = (*_ITEMS, "gdal_no_data")


def nodata(
    ifd: ImageFileDirectory, data_type: str, *, base: ImageFileDirectory | None = None
) -> Number | None:
    """Return the number that stands for "no data", as one of the data type; None if none does.

    It is GDAL_NODATA, `base`'s where an overview has none; without the tag it is the item
    `_FillValue` or `missing_value` of GDAL_METADATA, as in virtual-tiff 0.5.0.
    """
    return ifd.remembered(_nodata, data_type, base)


def _nodata(
    ifd: ImageFileDirectory, data_type: str, base: ImageFileDirectory | None
) -> Number | None:
    dtype = np.dtype(data_type)
    for image in _images(ifd, base):
        text = nodata_text(image)
        if text:
            return _of_tag(text, dtype, image.path)
    for image in _images(ifd, base):
        found = gdal_metadata(image)
        for name in _ITEMS:
            # some writers, GDAL's netCDF driver among them, give it to the band
            text = found.file.default.get(name) or found.band(0).default.get(name)
            number = None if text is None else _of_item(text, dtype)
            if number is not None:
                return number
    return None


def missing_value(ifd: ImageFileDirectory, data_type: str) -> Number:
    """Return what a missing block reads as: GDAL_NODATA brought to the data type, else 0.

    As in GDAL, a number that no sample can have is rounded and cut to the nearest one.
    """
    dtype = np.dtype(data_type)
    text = nodata_text(ifd)
    if not text or dtype.kind not in "iu" or dtype.itemsize == 8:
        fill = nodata(ifd, data_type)
        return 0 if fill is None else fill
    number = number_of(text)
    if number is None or math.isnan(number):
        return 0
    info = np.iinfo(dtype)
    whole = int(number + math.copysign(0.5, number)) if math.isfinite(number) else number
    return int(min(max(whole, info.min), info.max))


def nodata_text(ifd: ImageFileDirectory) -> str | None:
    """Return GDAL_NODATA as the file has it; None if it has none that is text."""
    try:
        return ifd.text(Tag.GDAL_NODATA)
    except TiffError as error:
        warn(f"GDAL_NODATA is ignored: {error}")
        return None


def _images(
    ifd: ImageFileDirectory, base: ImageFileDirectory | None
) -> tuple[ImageFileDirectory, ...]:
    return (ifd,) if base is None else (ifd, base)


# ---- text to number

_FLOAT = re.compile(r"\+?[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_NOT_FINITE = (
    (re.compile(r"\+?nan", re.IGNORECASE), math.nan),
    (re.compile(r"\+?inf", re.IGNORECASE), math.inf),
    (re.compile(r"-inf", re.IGNORECASE), -math.inf),
    # of Microsoft's C library
    (re.compile(r"-1\.#(QNAN|IND)|1\.#[QS]NAN"), math.nan),
    (re.compile(r"1\.#INF", re.IGNORECASE), math.inf),
    (re.compile(r"-1\.#INF", re.IGNORECASE), -math.inf),
)
_SPACE = " \t\n\v\f\r"


def number_of(text: str) -> float | None:
    """Return the number at the beginning of a text, as GDAL's `CPLAtofM`; None if there is none."""
    text = text.lstrip(_SPACE)
    for name, value in _NOT_FINITE:
        if name.match(text):
            return value
    found = _FLOAT.match(text.replace(",", ".", 1))  # a decimal comma, as some locales write
    return None if found is None else float(_SIGNS.sub("", found.group()))


_SIGNS = re.compile(r"^\+(?=[+-])")


def _of_tag(text: str, dtype: np.dtype[Any], path: str) -> Number | None:
    if dtype.kind in "iu" and dtype.itemsize == 8:
        return _integer(text, dtype, path)
    number = number_of(text)
    if number is None:
        warn(f"IFD {path}: GDAL_NODATA {text[:40]!r} is not a number and is read as 0, as in GDAL")
        number = 0.0
    return _fitting(number, dtype)


def _integer(text: str, dtype: np.dtype[Any], path: str) -> int:
    """Read 64 bits without loss, as GDAL does by C's `strtoll` and `strtoull`."""
    stripped = text.strip(_SPACE)
    found = _INTEGER.match(stripped)
    if found is None or not _is_whole(stripped[found.end() :]):
        read = found.group() if found else "0"
        warn(
            f"IFD {path}: GDAL_NODATA {text[:40]!r} is not a whole number and is read as {read}, "
            "as in GDAL"
        )
    number = int(found.group()) if found else 0
    info = np.iinfo(dtype)
    if dtype.kind == "u" and number < 0:  # `strtoull` negates within 64 bits
        return info.max if -number > info.max else info.max + 1 + number
    return int(min(max(number, info.min), info.max))


def _is_whole(rest: str) -> bool:
    """Whether nothing but a point and zeros follows."""
    return not rest or (rest[0] in ".," and not rest[1:].strip("0"))


def _fitting(number: float, dtype: np.dtype[Any]) -> Number | None:
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            fill: Number = dtype.type(number).item()
        return fill  # of all spellings of a float32, the number it is
    info = np.iinfo(dtype)
    # GDAL compares before it cuts off the fraction
    return int(number) if math.isfinite(number) and info.min <= number <= info.max else None


def _of_item(text: str, dtype: np.dtype[Any]) -> Number | None:
    """Read an item, which must be a number from end to end."""
    text = text.strip()
    if dtype.kind in "iu" and _INTEGER.fullmatch(text):
        info, whole = np.iinfo(dtype), int(text)
        return whole if info.min <= whole <= info.max else None
    try:
        number = float(text)
    except ValueError:
        named = number_of(text) if "#" in text else None
        if named is None:
            return None
        number = named
    if dtype.kind in "iu" and not number.is_integer():
        return None
    return _fitting(number, dtype)


# ---- attributes


def fill_attribute(fill: complex, data_type: str) -> int | str | list[str]:
    """Return `_FillValue` as xarray's `FillValueCoder` writes it for Zarr v3."""
    if isinstance(fill, int):
        return fill
    if isinstance(fill, float) and data_type.startswith("float"):
        return _packed(fill)
    return [_packed(fill.real), _packed(fill.imag)]


def _packed(number: float) -> str:
    return base64.standard_b64encode(struct.pack("<d", number)).decode()


def consolidated(items: Mapping[str, str], fill: Number | None, data_type: str) -> dict[str, Any]:
    """Return the items of GDAL_METADATA with one spelling of nodata, as virtual-tiff 0.5.0.

    `missing_value` becomes the number; a variable's own (`swe#_FillValue`) is dropped if it
    says the same. Where they contradict `fill`, that one holds, with a warning.
    """
    if fill is None or not any(name.rpartition("#")[2] in _PREFIXED for name in items):
        return dict(items)
    dtype = np.dtype(data_type)
    found: dict[str, Any] = {}
    for name, text in items.items():
        prefix, _, plain = name.rpartition("#")
        if plain not in _PREFIXED:
            found[name] = text
            continue
        agrees = _same(_of_item(text, dtype), fill)
        if not prefix and not agrees:
            warn(f"{name} {text[:40]!r} of GDAL_METADATA contradicts the nodata value {fill}")
        if prefix and not agrees:
            found[name] = text
        if name == "missing_value" and not isinstance(fill, complex) and math.isfinite(fill):
            found[name] = fill
    return found


def _same(a: Number | None, b: Number) -> bool:
    return a is not None and (a == b or (a != a and b != b))  # noqa: PLR0124 (NaN)
