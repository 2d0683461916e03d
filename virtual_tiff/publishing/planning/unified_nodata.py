"""One nodata value for files that have several, where the user says so."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from virtual_tiff.arrays.metadata import json_float
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.metadata.nodata import fill_attribute
from virtual_tiff.publishing.reading.record import Template
from virtual_tiff.tiff import Photometric

__all__ = ["with_nodata"]


def with_nodata(template: Template, number: float) -> Template:
    """Return a template whose images have this nodata value, whatever the file says; masks stay.

    Raises
    ------
    ValueError
        If a data type has no such number.
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
