"""NeXT's 2-bit grey compression (Compression 32766).

There is no specification but NeXT's writer and libtiff's tif_next.c: a row is all literal,
a literal span on a white row, or runs of one grey each. Rows that the data do not hold are
white, as in libtiff.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.codecs.rows.strip import StripCodec

__all__ = ["NextCodec"]

_LITERAL_ROW, _LITERAL_SPAN = 0x00, 0x40
_WHITE = 3
_SHIFTS = np.array([6, 4, 2, 0], dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class NextCodec(StripCodec):
    """Decodes rows of 2-bit pixels to bytes 0 to 3."""

    name: ClassVar[str] = "virtual_tiff.next"

    def _image(
        self,
        data: bytes,
        rows: int,
        columns: int,
        dtype: np.dtype[Any],  # noqa: ARG002 (it gives one type)
    ) -> NDArray[Any]:
        image = np.full((rows, columns), _WHITE, dtype=np.uint8)
        position = 0
        for row in range(rows):
            if position >= len(data):
                self._report(row, rows)
                break
            try:
                position = _decode_row(data, position, image[row])
            except (IndexError, ValueError, struct.error):
                msg = f"the data of a block are damaged or end in row {row}; {self._promise(rows)}"
                raise ValueError(msg) from None
        return image

    def _report(self, row: int, rows: int) -> None:
        if not row:
            msg = "the data of a block are empty"
            raise ValueError(msg)
        if row != self.last:
            msg = f"a block has {row} rows, the others are white; {self._promise(rows)}"
            warnings.warn(msg, stacklevel=3)


def _decode_row(data: bytes, position: int, row: NDArray[np.uint8]) -> int:
    """Decode a row in place and return where the next begins; the bounds are the data's."""
    columns = len(row)
    row_bytes = -(-columns // 4)
    kind = data[position]
    if kind == _LITERAL_ROW:
        row[:] = _unpacked(data, position + 1, row_bytes)[:columns]
        return position + 1 + row_bytes
    if kind == _LITERAL_SPAN:
        first, count = _span(data, position + 1)
        if first + count > row_bytes:
            msg = "a literal span reaches past its row"
            raise ValueError(msg)
        pixels = _unpacked(data, position + 5, count)
        row[4 * first : 4 * (first + count)] = pixels[: max(columns - 4 * first, 0)]
        return position + 5 + count
    column = 0
    while column < columns:
        grey, length = divmod(data[position], 64)
        row[column : column + length] = grey
        column += length
        position += 1
    return position


def _span(data: bytes, position: int) -> tuple[int, int]:
    """Return the first byte of a literal span within its row, and the count of bytes."""
    first, count = struct.unpack_from(">HH", data, position)
    return first, count


def _unpacked(data: bytes, position: int, count: int) -> NDArray[np.uint8]:
    packed = np.frombuffer(data[position : position + count], dtype=np.uint8)
    if len(packed) != count:
        msg = "the data end within a row"
        raise ValueError(msg)
    return (packed[:, None] >> _SHIFTS & np.uint8(3)).reshape(-1)
