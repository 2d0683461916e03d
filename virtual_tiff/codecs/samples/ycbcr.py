"""Subsampled YCbCr that is not JPEG, to RGB, as libtiff's RGBA interface converts it.

TIFF 6.0 section 21: a *data unit* holds the Y of YCbCrSubsampleVert rows by
YCbCrSubsampleHoriz columns, row by row, then one Cb and one Cr. The units at the right and
lower edges of a block are whole. The conversion is that of libtiff's tif_color.c
(TIFFYCbCrToRGBInit and TIFFYCbCrtoRGB), integer tables and all, since GDAL gives its
pixels: from ReferenceBlackWhite to full range, then YCbCrCoefficients. Like libtiff (and
against YCbCrPositioning) it repeats the chroma of a unit and interpolates nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from operator import index
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayArrayCodec

from virtual_tiff.codecs.base import ArraySpec, NDBuffer, ReadingCodec

__all__ = ["YCbCrCodec"]

type _Table = NDArray[np.int32]

_FACTORS = {1, 2, 4}
_SHIFT = 16
_HALF = 1 << (_SHIFT - 1)


@dataclass(frozen=True)
class YCbCrCodec(ReadingCodec, ArrayArrayCodec):
    """RGB of shape (…, rows, columns, 3) is stored as data units, (…, down, across, values)."""

    name: ClassVar[str] = "virtual_tiff.ycbcr"

    subsampling: list[int]
    """YCbCrSubSampling: columns and rows of a data unit."""
    coefficients: list[float]
    """YCbCrCoefficients: the luma of red, green and blue."""
    reference: list[float]
    """ReferenceBlackWhite: black and white of Y, Cb and Cr."""

    def __post_init__(self) -> None:
        if len(self.subsampling) != 2 or not set(map(index, self.subsampling)) <= _FACTORS:
            msg = f"{self.name}: subsampling={self.subsampling} must be two of 1, 2 and 4"
            raise ValueError(msg)
        numbers = [*self.coefficients, *self.reference]
        if (len(self.coefficients), len(self.reference)) != (3, 6) or not all(
            abs(number) < 2**31 for number in numbers
        ):
            msg = (
                f"{self.name}: coefficients={self.coefficients} must be 3 numbers, and"
                f" reference={self.reference} 6, all between -2**31 and 2**31"
            )
            raise ValueError(msg)
        if not self.coefficients[1]:
            msg = f"{self.name}: coefficients={self.coefficients} give green no weight"
            raise ValueError(msg)

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the spec of the data units."""
        across, down = self.subsampling
        shape = chunk_spec.shape
        if chunk_spec.dtype.to_native_dtype() != np.uint8 or len(shape) < 3 or shape[-1] != 3:
            stored = chunk_spec.dtype.to_native_dtype()
            msg = (
                f"{self.name}: a chunk of shape {shape} and type {stored} cannot hold RGB; its last"
                " axis must have 3 samples of uint8"
            )
            raise ValueError(msg)
        *before, rows, columns, _ = shape
        units = (-(-rows // down), -(-columns // across), across * down + 2)
        return replace(chunk_spec, shape=(*before, *units))

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        across, down = self.subsampling
        units: Any = chunk_data.as_numpy_array()
        y, cr_red, cb_green, cr_green, cb_blue = _tables(
            tuple(self.coefficients), tuple(self.reference)
        )
        cb, cr = units[..., -2], units[..., -1]
        green = (cb_green[cb] + cr_green[cr]) >> _SHIFT
        # no sum of a luma (of 4,096 at most) and two chromas (of 8,192) leaves 16 bits
        chroma = (_short(cr_red)[cr], _short(green), _short(cb_blue)[cb])
        *before, rows, columns, _ = chunk_spec.shape
        whole = np.empty((*before, units.shape[-3] * down, units.shape[-2] * across, 3), np.uint8)
        for at in range(down * across):
            luma = _short(y)[units[..., at]]
            pixels = whole[..., at // across :: down, at % across :: across, :]
            for band, added in enumerate(chroma):
                pixels[..., band] = np.clip(luma + added, 0, 255)
        found = whole[..., :rows, :columns, :]
        return chunk_spec.prototype.nd_buffer.from_numpy_array(found)


def _short(table: NDArray[Any]) -> NDArray[np.int16]:
    return table.astype(np.int16)


@lru_cache(maxsize=8)
def _tables(
    coefficients: tuple[float, ...], reference: tuple[float, ...]
) -> tuple[_Table, _Table, _Table, _Table, _Table]:
    """Return what a stored byte adds: Y; Cr to red; Cb and Cr to green; Cb to blue.

    Those of green are in units of 1 / 2**16, the half for rounding among them.
    """
    red, green, blue = (np.float32(number) for number in coefficients)
    two = np.float32(2)
    to_red, to_blue = two - two * red, two - two * blue
    cr_red, cb_blue = _fixed(to_red), _fixed(to_blue)
    with np.errstate(all="ignore"):
        cr_green, cb_green = _fixed(red * to_red / green), _fixed(blue * to_blue / green)
    black_y, white_y, black_cb, white_cb, black_cr, white_cr = reference
    y = _scaled(0, black_y, white_y, 255)
    cb, cr = _scaled(128, black_cb, white_cb, 127), _scaled(128, black_cr, white_cr, 127)
    return (
        y,
        (cr_red * cr + _HALF) >> _SHIFT,
        _HALF - cb_green * cb,
        -cr_green * cr,
        (cb_blue * cb + _HALF) >> _SHIFT,
    )


def _scaled(zero: int, black: float, white: float, full: int) -> _Table:
    """Return libtiff's Code2V: each code, from the reference's range to `full`, towards zero."""
    begin, end = np.float32(black) - np.float32(zero), np.float32(white) - np.float32(zero)
    codes = np.arange(256) - zero - int(begin)
    span = end - begin if end != begin else np.float32(1)
    found = codes.astype(np.float32) * np.float32(full) / span
    table: _Table = np.clip(found, -128.0 * 32, 128.0 * 32).astype(np.int32)
    return table


def _fixed(number: np.float32) -> np.int32:
    """Return libtiff's FIX of a number cut off at 0 and 2, in units of 1 / 2**16."""
    cut = min(np.float32(2), max(np.float32(0), number))  # in this order: not a number is 0
    return np.int32(float(cut * np.float32(1 << _SHIFT)) + 0.5)
