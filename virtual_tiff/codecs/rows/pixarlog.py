"""Pixar's 11-bit logarithmic compression (Compression 32909).

libtiff's tif_pixarlog.c, by Dan McCoy, is the specification: a zlib stream of 16-bit words
in the file's byte order, each a code of 11 bits minus that of the pixel to its left. The
numbers that BitsPerSample asks for are made by imagecodecs; its own `imagecodecs_pixarlog`
knows no byte order, takes a block of one row for one of a single sample, and has no word
for a short last strip.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from virtual_tiff.codecs.rows.strip import StripCodec

__all__ = ["PixarLogCodec"]


@dataclass(frozen=True, kw_only=True)
class PixarLogCodec(StripCodec):
    """Decodes a block to unsigned integers of 8 or 16 bits, or to 32-bit floats."""

    name: ClassVar[str] = "virtual_tiff.pixarlog"

    endian: Literal["big", "little"] = "little"
    """Order of the bytes of a word."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_endian(self.endian)

    def _image(self, data: bytes, rows: int, columns: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        row_bytes = columns * self.samples * 2
        try:
            words = zlib.decompressobj().decompress(data, rows * row_bytes)
        except zlib.error as error:
            msg = f"a block's compressed data are damaged: {error}"
            raise ValueError(msg) from error
        length, rest = divmod(len(words), row_bytes)
        if rest or length not in (rows, self.last):
            msg = f"the data of a block end in row {length}; {self._promise(rows)}"
            raise ValueError(msg)
        if self.endian == "big":
            words = np.frombuffer(words, dtype=np.uint16).byteswap().tobytes()
        image = np.zeros((rows, columns, self.samples), dtype=dtype)
        image[:length] = imagecodecs.pixarlog_decode(
            words, shape=(length, columns, self.samples), dtype=dtype, deflate=False
        )
        return image
