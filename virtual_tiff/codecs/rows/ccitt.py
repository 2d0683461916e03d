"""Bilevel images as ITU-T T.4 (Group 3) and T.6 (Group 4) code them: TIFF's "fax" compressions.

TIFF 6.0 sections 10 ("Modified Huffman Compression") and 11 ("CCITT Bilevel Encodings").
imagecodecs decodes, as in its `imagecodecs_ccittrle`, `_ccittfax3` and `_ccittfax4`; but
these turn data that are damaged or end too early into white pixels and say nothing. Here a
line of our own is put behind those of the block: where it does not come out, imagecodecs
did not reach the end, and the block is decoded once more, slowly, as libtiff would
(`virtual_tiff.codecs.rows.ccitt_lines`), with a warning of what is damaged. What imagecodecs
gets over within one line is not told: where the last run reaches past the edge it is cut,
and a line that an EOL ends too early is white from there. Compression 32771, for which
imagecodecs has no decoder, is always read line by line.

The pixels are 1 for black, whatever PhotometricInterpretation says that 0 and 1 mean.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from virtual_tiff.codecs.rows.ccitt_lines import (
    ALIGNMENT,
    EOL,
    Bits,
    Lines,
    code_words,
    decoded,
    lacks_first_eol,
    undivided,
)
from virtual_tiff.codecs.rows.strip import StripCodec

__all__ = ["CcittCodec"]

_COMPRESSIONS = (2, 3, 4, 32771)
_HORIZONTAL = "001"
"""T.4 table 4: two runs follow, whatever the line above is."""
_SPARE_LINES, _LINE_BYTES, _PIXEL_BYTES = 8, 4096, 2
"""No block needs more: single pixels take less than a byte each, and fill bits (T.4's minimum
time of a line) some hundred bytes. What lies behind is not searched for lines."""
_TAIL = 16
"""Bytes at a block's end among which T.6's EOFB is looked for."""


_WIDEST = 2**20
"""Columns; a few bytes can state a line of 2**28, whose mark alone would take gigabytes."""


@dataclass(frozen=True, kw_only=True)
class CcittCodec(StripCodec):
    """Decodes a bilevel block to 0 (white) and 1 (black)."""

    name: ClassVar[str] = "virtual_tiff.ccitt"

    compression: int
    """As the tag: 2 (rows begin at bytes), 32771 (rows begin at 16-bit words), 3 or 4."""
    two_dimensional: bool = False
    """Whether T4Options says that each EOL is followed by the bit that tells a
    one-dimensional line (1) from a two-dimensional one (0)."""
    uncompressed: bool = False
    """Whether T4Options or T6Options permits the uncompressed mode: its extension code is
    then an error, and otherwise damage like any other."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.compression not in _COMPRESSIONS:
            msg = f"{self.name}: compression {self.compression} is none of {_COMPRESSIONS}"
            raise ValueError(msg)
        if {type(self.two_dimensional), type(self.uncompressed)} != {bool}:
            msg = f"{self.name}: two_dimensional and uncompressed must be true or false"
            raise ValueError(msg)

    def _image(
        self,
        data: bytes,
        rows: int,
        columns: int,
        dtype: np.dtype[Any],  # noqa: ARG002 (it gives one type)
    ) -> NDArray[Any]:
        data = data[: (rows + _SPARE_LINES) * (_LINE_BYTES + _PIXEL_BYTES * columns)]
        image = None
        if self.compression == 3 and lacks_first_eol(data):
            image = self._undivided(data, rows, columns)
        if image is None:
            image = self._by_imagecodecs(data, rows, columns)
        return self._line_by_line(data, rows, columns) if image is None else image

    def _by_imagecodecs(self, data: bytes, rows: int, columns: int) -> NDArray[Any] | None:
        """Return the image; None if there is doubt about any line."""
        if columns > _WIDEST:
            return None
        marked = self._marked(data, columns)
        mark = np.arange(columns) >= columns // 3
        for found in (rows, self.last):
            if marked is None or found is None:
                return None
            lines = self._lines(marked, found + 1, columns)
            if lines is not None and (lines[found] == mark).all():
                image = np.zeros((rows, columns), dtype=np.uint8)
                image[:found] = lines[:found]
                return image
        return None

    def _lines(self, data: bytes, height: int, width: int) -> NDArray[np.uint8] | None:
        lines: NDArray[np.uint8]
        try:
            if self.compression == 2:
                lines = imagecodecs.ccittrle_decode(data, height, width)
            elif self.compression == 3:
                # 4: fill bits are skipped, which does no harm where there are none
                options = 4 | self.two_dimensional
                lines = imagecodecs.ccittfax3_decode(data, height, width, t4options=options)
            else:
                lines = imagecodecs.ccittfax4_decode(data, height, width)
        except imagecodecs.Ccittfax4Error:  # one class for all three
            return None
        return lines

    def _marked(self, data: bytes, columns: int) -> bytes | None:
        """Return the block with one more line, of white and then of black pixels."""
        white = columns // 3
        line = code_words(0, white) + code_words(1, columns - white)
        if self.compression == 2:
            return data + _packed(line)
        if self.compression == 3:
            return data + _packed(EOL + "1" * self.two_dimensional + line)
        end = "".join(f"{byte:08b}" for byte in data[-_TAIL:]).rstrip("0")
        if self.compression != 4 or not end.endswith(EOL + EOL):
            return None
        return data[:-_TAIL] + _packed(end.removesuffix(EOL + EOL) + _HORIZONTAL + line)

    def _undivided(self, data: bytes, rows: int, columns: int) -> NDArray[Any] | None:
        """Return the image of lines without an EOL before the first; None if one is damaged."""
        image = bytearray(rows * columns)
        lines = Lines(Bits(data), columns, uncompressed=self.uncompressed)
        found = 0
        for found, _ in zip(
            range(1, rows + 1),
            undivided(lines, two_dimensional=self.two_dimensional),
            strict=False,
        ):
            lines.paint(image, found - 1)
        whole = found in (rows, self.last)
        return np.frombuffer(image, np.uint8).reshape(rows, columns) if whole else None

    def _line_by_line(self, data: bytes, rows: int, columns: int) -> NDArray[Any]:
        image = bytearray(rows * columns)
        damaged: list[int] = []
        found = 0
        lines = Lines(Bits(data), columns, uncompressed=self.uncompressed)
        all_lines = decoded(lines, self.compression, two_dimensional=self.two_dimensional)
        for row, whole in zip(range(rows), all_lines, strict=False):
            lines.paint(image, row)
            if lines.damaged and not lines.empty:
                damaged.append(row)
            if whole and not lines.empty:
                found = row + 1
        self._report(found, rows, [row for row in damaged if row < found])
        return np.frombuffer(image, dtype=np.uint8).reshape(rows, columns)

    def _report(self, found: int, rows: int, damaged: list[int]) -> None:
        """Warn of what is damaged; raise where libtiff gives up, or nothing is left."""
        whole = found in (rows, self.last)
        if not whole and (not found or self.compression in ALIGNMENT):
            msg = f"the data of a block end in line {found}; {self._promise(rows)}"
            raise ValueError(msg)
        if not whole:
            msg = f"a block has {found} lines, the others are white; {self._promise(rows)}"
            warnings.warn(msg, stacklevel=2)
        if damaged:
            msg = f"{len(damaged)} lines of a block are damaged, the first of them {damaged[0]}"
            warnings.warn(msg, stacklevel=2)


def _packed(bits: str) -> bytes:
    size = -(-len(bits) // 8)
    return int(bits.ljust(size * 8, "0"), 2).to_bytes(size)
