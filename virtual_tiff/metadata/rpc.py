"""Rational polynomial coefficients: how a satellite's image maps to the ground.

Tag RPCCoefficients (50844), "RPCs in GeoTIFF" (http://geotiff.maptools.org/rpc_prop.html):
92 doubles, of which the first twelve stand alone and the others are four polynomials of
twenty terms. GDAL reads the same (`GTiffDatasetReadRPCTag`).
"""

from __future__ import annotations

import json
from math import isfinite

from virtual_tiff.tiff import ImageFileDirectory, Tag, TiffError, warn

__all__ = ["Rpc", "rpc_of", "rpc_of_domain", "rpcs_attribute"]

type Rpc = dict[str, float | list[float]]
"""By the names of GDAL's metadata domain RPC in lower case, which are rasterio's."""

_NUMBERS = (
    "err_bias",
    "err_rand",
    "line_off",
    "samp_off",
    "lat_off",
    "long_off",
    "height_off",
    "line_scale",
    "samp_scale",
    "lat_scale",
    "long_scale",
    "height_scale",
)
_POLYNOMIALS = ("line_num_coeff", "line_den_coeff", "samp_num_coeff", "samp_den_coeff")
_TERMS = 20
_OPTIONAL = {"err_bias", "err_rand"}
_COUNT = len(_NUMBERS) + len(_POLYNOMIALS) * _TERMS


def rpc_of(ifd: ImageFileDirectory) -> Rpc | None:
    """Return the coefficients of an image, as `rasterio.rpc.RPC` takes them; None without.

    Offsets and scales of lines and samples are in pixels, those of latitude and longitude in
    degrees of WGS 84, heights and errors in metres. An error of -1 is unknown.

    A tag that cannot be read, is not of 92 numbers, or has one that is not finite, is left
    out with a warning.
    """
    try:
        numbers = ifd.floats(Tag.RPCCoefficients)
    except TiffError as error:
        warn(f"RPCCoefficients is ignored: {error}")
        return None
    if numbers is None:
        return None
    if len(numbers) != _COUNT or not all(map(isfinite, numbers)):
        warn(f"IFD {ifd.path}: RPCCoefficients is ignored: it must be {_COUNT} finite numbers")
        return None
    rpc: Rpc = dict(zip(_NUMBERS, numbers, strict=False))
    for index, name in enumerate(_POLYNOMIALS):
        start = len(_NUMBERS) + index * _TERMS
        rpc[name] = list(numbers[start : start + _TERMS])
    return rpc


def rpc_of_domain(items: object) -> Rpc | None:
    """Return the coefficients that stand in the domain RPC of GDAL_METADATA, as text.

    `items` are the domain's, by name, such as ``{"LINE_OFF": "15834", …}``. GDAL has them too,
    where the tag is absent (`rpc_of` goes first). The errors alone may be missing, and as in
    rasterio text behind the numbers means nothing.
    """
    if not isinstance(items, dict):
        return None
    rpc: Rpc = {}
    try:
        for name in _NUMBERS:
            if name.upper() in items or name not in _OPTIONAL:
                rpc[name] = _numbers(items[name.upper()], 1)[0]
        for name in _POLYNOMIALS:
            rpc[name] = _numbers(items[name.upper()], _TERMS)
    except (KeyError, ValueError) as error:
        if items:
            warn(f"the domain RPC of GDAL_METADATA is ignored: {error}")
        return None
    return rpc


def _numbers(text: str, count: int) -> list[float]:
    numbers = [float(word) for word in text.split(maxsplit=count)[:count]]
    if len(numbers) != count or not all(map(isfinite, numbers)):
        msg = f"{text[:40]!r} does not begin with {count} finite numbers"
        raise ValueError(msg)
    return numbers


def rpcs_attribute(rpc: Rpc) -> str:
    """Return the attribute `rpcs` of a grid mapping, as rioxarray's `rio.get_rpcs` reads it."""
    return json.dumps(rpc)
