"""ThunderScan's 4-bit grey compression (Compression 32809).

There is no specification but libtiff's tif_thunder.c. The two high bits of a byte say what
its six low bits are: a run of the last pixel, three 2-bit differences to it, two 3-bit
differences, or a pixel. Each row begins at a byte, with a last pixel of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.codecs.rows.strip import StripCodec

__all__ = ["ThunderScanCodec"]

_RUN, _TWO_BITS, _THREE_BITS = 0, 1, 2
# Differences by their code; 2 and 4 stand for no pixel
_TWO_BIT_DELTAS = (0, 1, None, -1)
_THREE_BIT_DELTAS = (0, 1, 2, 3, None, -3, -2, -1)


def _deltas(byte: int) -> tuple[int, ...]:
    """Return the differences that a byte holds."""
    kind, bits = divmod(byte, 64)
    found: list[int | None] = []
    if kind == _TWO_BITS:
        found = [_TWO_BIT_DELTAS[bits >> shift & 3] for shift in (4, 2, 0)]
    elif kind == _THREE_BITS:
        found = [_THREE_BIT_DELTAS[bits >> shift & 7] for shift in (3, 0)]
    return tuple(delta for delta in found if delta is not None)


_DELTAS = [_deltas(byte) for byte in range(256)]


@dataclass(frozen=True, kw_only=True)
class ThunderScanCodec(StripCodec):
    """Decodes rows of 4-bit pixels to bytes 0 to 15."""

    name: ClassVar[str] = "virtual_tiff.thunderscan"

    def _image(
        self,
        data: bytes,
        rows: int,
        columns: int,
        dtype: np.dtype[Any],  # noqa: ARG002 (it gives one type)
    ) -> NDArray[Any]:
        image = bytearray(rows * columns)
        position = 0
        for row in range(rows):
            if position >= len(data) and row == self.last:
                break
            position, pixels = _decode_row(data, position, columns)
            if len(pixels) != columns:
                msg = f"row {row} of a block has {len(pixels)} pixels, not {columns}; "
                raise ValueError(msg + self._promise(rows))
            image[row * columns : (row + 1) * columns] = pixels
        return np.frombuffer(image, dtype=np.uint8).reshape(rows, columns)


def _decode_row(data: bytes, position: int, columns: int) -> tuple[int, bytearray]:
    """Return where the next row begins, and the row's pixels: as many as the data give."""
    pixels = bytearray()
    last = 0
    while len(pixels) < columns and position < len(data):
        byte = data[position]
        position += 1
        kind = byte >> 6
        if kind == _RUN:
            pixels += bytes([last]) * byte
        elif kind in (_TWO_BITS, _THREE_BITS):
            for delta in _DELTAS[byte]:
                last = last + delta & 15
                if len(pixels) < columns:  # the last byte's differences may be too many
                    pixels.append(last)
        else:
            last = byte & 15
            pixels.append(last)
    return position, pixels
