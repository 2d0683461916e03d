"""SGI's LogLuv compressions: SGILog (34676) and SGILog24 (34677).

G. Ward Larson, "LogLuv Encoding for Full-Gamut, High-Dynamic Range Images" (Journal of
Graphics Tools 3(1), 1998) and "LogLuv Encoding for TIFF Images" (1997) give the numbers:

    L16    sign, 15 bits Le                        Y = 2^((Le + 0.5) / 256 - 64)
    Luv32  L16, 8 bits ue, 8 bits ve               u' = (ue + 0.5) / 410, v' the same
    Luv24  10 bits Le, 14 bits index of (u', v')   Y = 2^((Le + 0.5) / 64 - 12)

L16 and Luv32 rows are split into bytes of equal rank, the highest first, and these are
run-length coded; Luv24 is not compressed. What the samples become follows libtiff, so that
GDAL says the same: BitsPerSample and SampleFormat tell it (tif_luv.c, "GuessDataFmt"). For
16 bits, L is as in L16 and u', v' are multiplied by 2^15; for 32-bit floats the bands are
Y, or CIE X, Y and Z; for one 32-bit integer, the pixel as it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.codecs.rows.strip import StripCodec

__all__ = ["SgiLogCodec"]

_PLANES = {"L16": 2, "Luv32": 4, "Luv24": 3}
"""Bytes of a stored pixel."""

# The index of Luv24 counts squares of a grid over the visible colours, row by row from the
# bottom; the numbers were measured by giving libtiff each index. Beyond the last square a
# pixel is neutral.
_SQUARE, _BOTTOM = np.float32(0.0035), np.float32(0.01694)
_NEUTRAL = (0.210526316, 0.473684211)
_STARTS = """
247663 243779 241684 237874 235906 232153 228352 226259 222371 220410 214710 212714 210721
204976 202986 199245 195525 193560 189878 186216 186216 182592 179003 175466 172001 172001
168612 168612 163575 158642 158642 158642 153815 153815 149097 149097 142746 142746 142746
138270 138270 138270 132166 132166 126204 126204 126204 120381 120381 120381 120381 112962
112962 112962 107450 107450 107450 107450 100343 100343 100343 95126 95126 95126 95126 88276
88276 88276 88276 81523 81523 81523 81523 74861 74861 74861 74861 68290 68290 68290 68290 63573
63573 63573 63573 57219 57219 57219 57219 50985 50985 50985 50985 50985 44859 44859 44859 44859
40571 40571 40571 40571 36339 36339 36339 36339 32139 32139 32139 32139 27947 27947 27947 23739
23739 23739 23739 19504 19504 19504 16976 16976 16976 16976 12639 12639 12639 9991 9991 9991
9016 9016 9016 6217 6217 5097 5097 5097 3909 3909 2340 2389 1068 1653 717 1614 270 484 1103 1242
1188 1011 709 301 2416 3251 3246 4141 5963 8839 10490 16994 23659
"""
"""u' at the left of each row, in millionths."""
_COUNTS = """
4 6 7 9 10 12 14 15 17 18 21 22 23 26 27 29 31 32 34 36 36 38 40 42 44 44 46 46 49 52 52 52 55
55 58 58 62 62 62 65 65 65 69 69 73 73 73 77 77 77 77 82 82 82 86 86 86 86 91 91 91 95 95 95 95
100 100 100 100 105 105 105 105 110 110 110 110 115 115 115 115 119 119 119 119 124 124 124 124
129 129 129 129 129 134 134 134 134 138 138 138 138 142 142 142 142 146 146 146 146 150 150 150
154 154 154 154 158 158 158 161 161 161 161 165 165 165 168 168 168 170 170 170 173 173 175 175
175 177 177 177 170 164 157 150 143 136 129 123 115 109 103 97 89 82 76 69 62 55 47 40 31 21
"""
"""Squares of each row."""


def _chromaticities() -> NDArray[np.float64]:
    """Return u' and v' of each index of Luv24, shape (2, 16384)."""
    counts = np.array(_COUNTS.split(), dtype=np.int64)
    starts = (np.array(_STARTS.split(), dtype=np.float64) / 1e6).astype(np.float32)
    row = np.repeat(np.arange(len(counts)), counts)
    column = np.arange(len(row)) - np.repeat(counts.cumsum() - counts, counts)
    centres = np.empty((2, 1 << 14))
    centres[:, len(row) :] = np.array(_NEUTRAL)[:, None]
    centres[0, : len(row)] = starts.astype(np.float64)[row] + (column + 0.5) * float(_SQUARE)
    centres[1, : len(row)] = float(_BOTTOM) + (row + 0.5) * float(_SQUARE)
    return centres


_UV24 = _chromaticities()


@dataclass(frozen=True, kw_only=True)
class SgiLogCodec(StripCodec):
    """Decodes LogL and LogLuv rows to what the array's data type asks for."""

    name: ClassVar[str] = "virtual_tiff.sgilog"

    pixel: Literal["L16", "Luv32", "Luv24"]
    """How a pixel is stored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixel not in _PLANES or (self.pixel == "L16" and self.samples != 1):
            msg = f"{self.name}: pixel={self.pixel!r} cannot have {self.samples} samples"
            raise ValueError(msg)

    def _image(self, data: bytes, rows: int, columns: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        stored = self._stored(data, rows, columns)
        convert = _OUTPUTS.get((self.samples, dtype.kind, dtype.itemsize, self.pixel == "L16"))
        if convert is None:
            msg = (
                f"{self.name}: {self.pixel} pixels cannot become {self.samples} samples of type "
                f"{dtype}"
            )
            raise ValueError(msg)
        return convert(stored, self.pixel, dtype)

    def _stored(self, data: bytes, rows: int, columns: int) -> NDArray[np.uint32]:
        """Return the pixels as they are stored."""
        planes = _PLANES[self.pixel]
        if self.pixel == "Luv24":
            length = len(data) // (planes * columns)
            image = np.zeros((rows, columns, planes), dtype=np.uint8)
            whole = min(length, rows)
            used = np.frombuffer(data, dtype=np.uint8, count=whole * planes * columns)
            image[:whole] = used.reshape(whole, columns, planes)
        else:
            length, flat = _expanded(data, rows * planes, columns)
            length //= planes
            image = np.frombuffer(flat, dtype=np.uint8).reshape(rows, planes, columns)
            image = image.transpose(0, 2, 1)
        if length < rows and length != self.last:
            msg = f"the data of a block end in row {length}; {self._promise(rows)}"
            raise ValueError(msg)
        stored = np.zeros((rows, columns), dtype=np.uint32)
        for plane in range(planes):
            stored = stored << np.uint32(8) | image[:, :, plane]
        return stored


def _expanded(data: bytes, lines: int, columns: int) -> tuple[int, bytearray]:
    """Expand runs of bytes; return the whole lines found, and all lines."""
    flat = bytearray(lines * columns)
    position = 0
    for line in range(lines):
        begin, end = line * columns, (line + 1) * columns
        while begin < end:
            code = data[position : position + 1]
            if not code:
                return line, flat
            if code[0] >= 128:
                count = min(code[0] - 126, end - begin)
                piece = data[position + 1 : position + 2] * count
                position += 2
            else:
                count = min(code[0], end - begin)  # 0: no bytes
                piece = data[position + 1 : position + 1 + count]
                position += 1 + count
            if len(piece) != count:
                return line, flat
            flat[begin : begin + count] = piece
            begin += count
    return lines, flat


def _raw(stored: NDArray[np.uint32], _: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    return stored.astype(f"u{dtype.itemsize}").view(dtype)


def _luminance(stored: NDArray[np.uint32], pixel: str) -> NDArray[np.float64]:
    if pixel == "Luv24":
        code = (stored >> 14).astype(np.int64)
        y: NDArray[np.float64] = np.exp2((code + 0.5) / 64 - 12)
        return np.where(code == 0, 0.0, y)
    code = (stored >> (16 if pixel == "Luv32" else 0)).astype(np.int64)
    magnitude = code & 0x7FFF
    y = np.where(magnitude == 0, 0.0, np.exp2((magnitude + 0.5) / 256 - 64))
    return np.where(code & 0x8000, -y, y)


def _chromaticity(stored: NDArray[np.uint32], pixel: str) -> NDArray[np.float64]:
    """Return u' and v', on a new first axis."""
    if pixel == "Luv24":
        return _UV24[:, stored & 0x3FFF]
    bytes_ = np.stack([stored >> 8 & 0xFF, stored & 0xFF])
    return (bytes_ + 0.5) * (1 / 410)


def _y(stored: NDArray[np.uint32], pixel: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    return _luminance(stored, pixel).astype(dtype)


def _xyz(stored: NDArray[np.uint32], pixel: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """CIE 1976: x = 9u' / (6u' - 16v' + 12), y = 4v' / (6u' - 16v' + 12)."""
    luminance = np.maximum(_luminance(stored, pixel), 0)
    u, v = _chromaticity(stored, pixel)
    x, y = 9 * u, 4 * v
    scale = luminance / y
    z = 6 * u - 16 * v + 12 - x - y
    return np.stack([x * scale, luminance, z * scale], axis=-1).astype(dtype)


def _luv(stored: NDArray[np.uint32], pixel: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    # Luv24: 4 Le + 13314; libtiff's mask lets the index's highest bit but one through as well
    light = (stored >> 12 & 0xFFD) + 13314 if pixel == "Luv24" else stored >> 16
    u, v = (_chromaticity(stored, pixel) * (1 << 15)).astype(np.uint32)
    return np.stack([light, u, v], axis=-1).astype(np.uint16).view(dtype)


_OUTPUTS = {
    (1, "i", 2, True): _raw,
    (1, "u", 2, True): _raw,
    (1, "f", 4, True): _y,
    (1, "u", 4, False): _raw,
    (1, "i", 4, False): _raw,
    (3, "i", 2, False): _luv,
    (3, "u", 2, False): _luv,
    (3, "f", 4, False): _xyz,
}
"""(samples, kind and size of the data type, grey) to the conversion."""
