"""What the user lets files differ in: nodata values and compressions become one for all."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from virtual_tiff.arrays.metadata import json_float
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.codec_table.description import codec
from virtual_tiff.metadata.nodata import fill_attribute
from virtual_tiff.publishing.reading.record import Template
from virtual_tiff.tiff import Photometric

__all__ = ["Unified"]

_COMPRESSIONS = ("numcodecs.zlib", "zstd")
_UNCOMPRESSED = ("bytes", "virtual_tiff.pad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unified:
    """Which differences of files do not count."""

    nodata: float | None = None
    """The nodata value of all images; None is that of each file."""
    any_compression: bool = False
    """Whether blocks of Deflate, of Zstandard and uncompressed ones may be in one array."""

    def of(self, template: Template) -> Template:
        """Return a template without these differences."""
        if self.nodata is not None:
            template = with_nodata(template, self.nodata)
        return with_any_compression(template) if self.any_compression else template


def with_any_compression(template: Template) -> Template:
    """Return a template whose blocks say themselves by which of some compressions they are read."""
    arrays = {}
    for path, metadata in template.arrays.items():
        *others, last = metadata["codecs"]
        if last["name"] in _UNCOMPRESSED:
            others, last = [*others, last], None
        if last is None or last["name"] in _COMPRESSIONS:
            pads = (c["configuration"] for c in others if c["name"] == "virtual_tiff.pad")
            lengths = [length for pad in pads for length in (pad["size"], pad["last"])]
            reader = codec("virtual_tiff.any_compression", lengths=lengths)
            arrays[path] = {**metadata, "codecs": [*others, reader]}
        else:
            arrays[path] = metadata
    return replace(template, arrays=arrays)


def with_nodata(template: Template, number: float) -> Template:
    """Return a template whose images have this nodata value, whatever the file says; masks stay.

    A number that a data type does not have is a ValueError.
    """
    arrays = {
        path: metadata
        if metadata["attributes"].get("photometric_interpretation") == Photometric.Mask
        else _with_nodata(metadata, number)
        for path, metadata in template.arrays.items()
    }
    return replace(template, arrays=arrays)


def _with_nodata(metadata: JSON, number: float) -> JSON:
    data_type = metadata["data_type"]
    dtype: np.dtype[Any] = np.dtype(data_type)
    fill: int | float
    stored: int | float | str
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        fits = math.isfinite(number) and number == int(number)
        if not fits or not bounds.min <= number <= bounds.max:
            msg = f"nodata={number:g} is no number of the files' data type {data_type}"
            raise ValueError(msg)
        fill, stored = int(number), int(number)
    elif dtype.kind == "f":
        fill = float(number)
        stored = json_float(fill)
    else:
        msg = f"nodata cannot be given for complex numbers ({data_type})"
        raise ValueError(msg)
    attributes = metadata["attributes"] | {"_FillValue": fill_attribute(fill, data_type)}
    attributes.pop("missing_value", None)
    return {**metadata, "fill_value": stored, "attributes": attributes}
