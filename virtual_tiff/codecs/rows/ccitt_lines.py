"""ITU-T T.4 (Group 3) and T.6 (Group 4), line by line, damaged lines included.

The code words are those of T.4's tables. What becomes of damaged lines is libtiff's rule
(tif_fax3.h), so that GDAL gives the same pixels: the rest of a line behind a wrong code
word is white, one that is too long is white from the run that reaches too far, and what
follows is skipped up to the next EOL. `virtual_tiff.ccitt` comes here with the blocks that
imagecodecs does not decode to their end.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["ALIGNMENT", "EOL", "Bits", "Lines", "code_words", "decoded"]

# T.4 tables 2/T.4 (terminating codes of the runs 0 to 63), 3a/T.4 (make-up codes of 64, 128 …
# 1728) and 3b/T.4 (make-up codes of 1792 … 2560, for both colours)
_WHITE = """
00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100
110101 101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011
0100100 0011000 00000010 00000011 00011010 00011011 00010010 00010011 00010100 00010101
00010110 00010111 00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101
00001010 00001011 01010010 01010011 01010100 01010101 00100100 00100101 01011000 01011001
01011010 01011011 01001010 01001011 00110010 00110011 00110100
11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000 01100111 011001100
011001101 011010010 011010011 011010100 011010101 011010110 011010111 011011000 011011001
011011010 011011011 010011000 010011001 010011010 011000 010011011
"""
_BLACK = """
0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100
00000111 000011000 0000010111 0000011000 0000001000 00001100111 00001101000 00001101100
00000110111 00000101000 00000010111 00000011000 000011001010 000011001011 000011001100
000011001101 000001101000 000001101001 000001101010 000001101011 000011010010 000011010011
000011010100 000011010101 000011010110 000011010111 000001101100 000001101101 000011011010
000011011011 000001010100 000001010101 000001010110 000001010111 000001100100 000001100101
000001010010 000001010011 000000100100 000000110111 000000111000 000000100111 000000101000
000001011000 000001011001 000000101011 000000101100 000001011010 000001100110 000001100111
0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 000000110101
0000001101100 0000001101101 0000001001010 0000001001011 0000001001100 0000001001101
0000001110010 0000001110011 0000001110100 0000001110101 0000001110110 0000001110111
0000001010010 0000001010011 0000001010100 0000001010101 0000001011010 0000001011011
0000001100100 0000001100101
"""
_MAKE_UP = """
00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101
000000010110 000000010111 000000011100 000000011101 000000011110 000000011111
"""
_ZEROS = "00000000000"
"""Eleven zeros end a line; the 1 of the EOL may stand behind any number of fill bits more."""
EOL = f"{_ZEROS}1"

# T.4 table 4: the two-dimensional codes. Vertical modes are told by a1 - b1
_PASS, _HORIZONTAL, _EXTENSION, _END = 8, 9, 10, 11
_MODES = {
    "1": 0, "011": 1, "000011": 2, "0000011": 3, "010": -1, "000010": -2, "0000010": -3,
    "0001": _PASS, "001": _HORIZONTAL, "0000001": _EXTENSION, "0000000": _END,
}  # fmt: skip

_LOOK = 13
"""Bits of the longest code word of a run."""
_MODE_LOOK = 7


class _EndOfLineError(Exception):
    """An EOL stands where a run should."""


class _CodeError(Exception):
    """No code word begins so."""


class _EndOfDataError(Exception):
    """The block's bytes are used up."""


def _lookup(codes: dict[str, int], look: int) -> list[tuple[int, int]]:
    """Return (value, bits of the code word) for all that `look` bits can be; (0, 0): none."""
    table = [(0, 0)] * (1 << look)
    for word, number in codes.items():
        first = int(word, 2) << (look - len(word))
        for index in range(first, first + (1 << (look - len(word)))):
            table[index] = (number, len(word))
    return table


def code_words(colour: int, run: int) -> str:
    """Return the bits that code a run of white (0) or black (1) pixels."""
    words = (_WHITE, _BLACK)[colour].split()
    make_up = [*words[64:], *_MAKE_UP.split()]
    found = ""
    while run >= 64:
        step = min(run // 64, len(make_up))
        found += make_up[step - 1]
        run -= step * 64
    return found + words[run]


def _runs(words: str) -> dict[str, int]:
    """Return the code words of one colour; a make-up code is the negative of its run."""
    terminating, make_up = words.split()[:64], [*words.split()[64:], *_MAKE_UP.split()]
    return dict(zip(terminating, range(64), strict=True)) | dict(
        zip(make_up, range(-64, -2561, -64), strict=True)
    )


_TWO_EOLS = int(EOL + EOL, 2)
_END_OF_LINE = 1 << 20
_RUN_TABLES = [_lookup(_runs(words) | {_ZEROS: _END_OF_LINE}, _LOOK) for words in (_WHITE, _BLACK)]
_MODE_TABLE = _lookup(_MODES, _MODE_LOOK)


class Bits:
    """The block's bits, the most significant first."""

    def __init__(self, data: bytes) -> None:
        padded = np.frombuffer(data + bytes(4), dtype=np.uint8).astype(np.uint32)
        words = padded[:-3] << 24 | padded[1:-2] << 16 | padded[2:-1] << 8 | padded[3:]
        self._words = memoryview(words)
        """The 32 bits that begin at each byte."""
        self._size = len(data) * 8
        self.restart()

    def restart(self) -> None:
        """Go to the first bit."""
        self._end = self._size
        self.position = 0

    def peek(self, count: int) -> int:
        """Return the next bits; those that a last code word lacks are 0, as in libtiff."""
        position = self.position
        if self._end - position < count:
            if self._end <= position:
                raise _EndOfDataError
            self._end = position + count
        index = position >> 3
        word: int = self._words[index] if index < len(self._words) else 0
        return word >> (32 - count - (position & 7)) & ((1 << count) - 1)

    def read(self) -> int:
        """Return the next bit and go behind it."""
        found = self.peek(1)
        self.position += 1
        return found

    def align(self, bits: int) -> None:
        """Go to the next multiple of `bits` from the block's beginning."""
        self.position = -(-self.position // bits) * bits

    def ends_page(self) -> bool:
        """Return whether two EOLs follow, as after the last line of a fax."""
        index = self.position >> 3
        word: int = self._words[index] if index < len(self._words) else 0
        return word << (self.position & 7) >> 8 & 0xFFFFFF == _TWO_EOLS

    def find_zeros(self) -> None:
        """Go to where the next 11 zeros begin."""
        while found := self.peek(11):
            self.position += 11 - ((found & -found).bit_length() - 1)

    def skip_eol(self) -> None:
        """Go behind the 1 that ends an EOL."""
        while not (found := self.peek(8)):
            self.position += 8
        self.position += 9 - found.bit_length()


class Lines:
    """Decodes one line after the other into runs, of which the first is white."""

    def __init__(self, bits: Bits, width: int, *, uncompressed: bool) -> None:
        self.bits = bits
        self.width = width
        self.uncompressed = uncompressed
        self.most = 4 * (width + 32)
        """More runs than this no line has, even one with many empty runs (libtiff's bound)."""
        self.runs: list[int] = []
        self.reference = [width, 0, 0, 0]
        self.pending = 0
        """Pixels of make-up codes and passes, which belong to the next run."""
        self.a0 = 0
        """Pixels of the line that are told."""
        self.damaged = False
        self.empty = False
        """Whether the line is an EOL behind an EOL, as at the end of a page."""
        self.after_eol = False
        """Whether the zeros of an EOL were read, but not the 1 behind them."""

    def decode(self, *, two_dimensional: bool) -> bool:
        """Decode a line into `runs`, which make up its width whatever the data are like.

        Returns
        -------
        bool
            Whether the data go on; if not, `runs` has what there is of the line.
        """
        self.runs, self.pending, self.a0 = [], 0, 0
        self.damaged = self.empty = False
        try:
            if two_dimensional:
                self._two_dimensional()
            else:
                self._one_dimensional()
        except _EndOfLineError:
            self.after_eol = True
            self.empty = self.a0 == 0
        except _CodeError:
            self.damaged = True
        except _EndOfDataError:
            self._fit()
            return False
        self._fit()
        return True

    def synchronize(self) -> None:
        """Go behind the next EOL."""
        if not self.after_eol:
            self.bits.find_zeros()
        self.bits.skip_eol()
        self.after_eol = False

    def _one_dimensional(self) -> None:
        colour = 0
        while self.a0 < self.width:
            self._run(colour)
            colour ^= 1

    def _two_dimensional(self) -> None:
        reference = self.reference
        b1, after = reference[0], 1
        """b1 is the sum of the reference line's runs up to `after`."""
        while self.a0 < self.width:
            mode, size = _MODE_TABLE[self.bits.peek(_MODE_LOOK)]
            self.bits.position += size
            if mode == _HORIZONTAL:
                self._two_runs(len(self.runs) & 1)
            elif mode >= _EXTENSION:
                self._leave(mode)
            while self.runs and b1 <= self.a0 and b1 < self.width:
                b1 += reference[after] + reference[after + 1]
                after += 2
            if mode == _PASS:
                b2 = b1 + reference[after]
                self.pending += b2 - self.a0
                self.a0 = b2
                b1 = b2 + reference[after + 1]
                after += 2
            elif mode < _PASS:
                if b1 + mode < self.a0:
                    raise _CodeError
                self._add(b1 - self.a0 + mode)
                if mode >= 0:
                    b1 += reference[after]
                    after += 1
                else:
                    after -= 1
                    b1 -= reference[after]

    def _two_runs(self, colour: int) -> None:
        try:
            self._run(colour)
            self._run(colour ^ 1)
        except _EndOfLineError:  # within a mode an EOL is one more wrong code word
            raise _CodeError from None

    def _leave(self, mode: int) -> None:
        """End the line at a code that is none of a coding mode."""
        if mode == _EXTENSION and self.uncompressed:
            msg = "lines in T.4's uncompressed mode (an extension code) are not supported"
            raise ValueError(msg)
        self.runs.append(self.width - self.a0)
        if mode == _EXTENSION:
            raise _CodeError
        rest = self.bits.peek(4)
        self.bits.position += 4
        self.damaged = self.damaged or rest != 0
        raise _EndOfLineError

    def _run(self, colour: int) -> None:
        """Read one run: make-up codes, then a terminating code."""
        table, bits = _RUN_TABLES[colour], self.bits
        while True:
            run, size = table[bits.peek(_LOOK - 1 + colour) << (1 - colour)]
            if run == _END_OF_LINE or not size:
                bits.position += size
                raise _EndOfLineError if size else _CodeError
            bits.position += size
            if run >= 0:
                self._add(run)
                return
            self.pending -= run
            self.a0 -= run

    def _add(self, length: int) -> None:
        if len(self.runs) >= self.most:
            msg = f"a line of {self.width} pixels has more than {self.most} runs"
            raise ValueError(msg)
        self.runs.append(self.pending + length)
        self.a0 += length
        self.pending = 0

    def _fit(self) -> None:
        """Bring the runs to the line's width: what is too long or missing becomes white."""
        if self.pending:
            self._add(0)
        if self.a0 == self.width:
            return
        self.damaged = True
        while self.a0 > self.width and self.runs:
            self.a0 -= self.runs.pop()
        if len(self.runs) & 1:
            self._add(0)
        self._add(self.width - max(self.a0, 0))

    def paint(self, image: bytearray, row: int) -> None:
        """Paint the runs into a row, and make them the reference of the next line."""
        begin, end = row * self.width, (row + 1) * self.width
        self.reference = []
        black = False
        for run in self.runs:
            length = min(run, end - begin)
            if black and length:
                image[begin : begin + length] = b"\1" * length
            begin += length
            black = not black
            self.reference.append(length)
        self.reference += [0, 0, 0, 0]  # where an imaginary last change is looked for


def _group3(lines: Lines, *, two_dimensional: bool) -> Iterator[bool]:
    """Decode T.4; without an EOL anywhere, the lines follow each other (libtiff tries it too)."""
    bits = lines.bits
    with_eol = True
    try:
        bits.find_zeros()
        begin = bits.position
        bits.skip_eol()  # zeros at the end, without the 1 of an EOL, are padding
        bits.position = begin
    except _EndOfDataError:
        with_eol = False
        bits.restart()
    going_on = True
    while going_on:
        try:
            if with_eol:
                lines.synchronize()
            one_dimensional = not two_dimensional or bits.read() == 1
        except _EndOfDataError:
            return
        going_on = lines.decode(two_dimensional=not one_dimensional)
        yield going_on


def lacks_first_eol(data: bytes) -> bool:
    """Return whether a block of T.4 begins with a line, and has an EOL further on."""
    if int.from_bytes(data[:2]) >> 5 == 0:
        return False
    data = data.rstrip(b"\0")  # zeros without the 1 of an EOL are padding
    padded = np.frombuffer(data + bytes(2), np.uint8).astype(np.uint32)
    words = padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]
    inside = np.arange(len(data)) * 8 + 11
    return any(
        ((words >> (13 - shift) & 0x7FF == 0) & (inside + shift <= len(data) * 8)).any()
        for shift in range(8)
    )


def undivided(lines: Lines, *, two_dimensional: bool) -> Iterator[bool]:
    """Decode T.4 whose first line has no EOL before it; between lines there may be one.

    T.4 has an EOL before each line. Some writers put it after each, or none but those of the
    RTC, six EOLs at the end of a page. libtiff looks for the first EOL, and so loses the lines
    before it. This takes whole lines only: after anything else it ends.
    """
    bits = lines.bits
    bits.restart()
    while True:
        try:
            if bits.peek(11) == 0:
                bits.skip_eol()
                tag = 1 if two_dimensional else 0
                bits.position += tag
                if bits.peek(11) == 0:
                    return  # an EOL after an EOL
                bits.position -= tag
            one_dimensional = not two_dimensional or bits.read() == 1
        except _EndOfDataError:
            return
        whole = lines.decode(two_dimensional=not one_dimensional)
        if lines.damaged or lines.after_eol or (not whole and lines.a0 != lines.width):
            return
        yield True


def _group4(lines: Lines) -> Iterator[bool]:
    """Decode T.6 up to the EOFB, two EOLs."""
    going_on = True
    while going_on:
        going_on = lines.decode(two_dimensional=True) and not lines.after_eol
        yield going_on


def _modified_huffman(lines: Lines, alignment: int) -> Iterator[bool]:
    """Decode TIFF's variant of T.4: no EOL, but rows that begin at bytes or at words."""
    going_on = True
    while going_on and not lines.bits.ends_page():
        going_on = lines.decode(two_dimensional=False)
        yield going_on
        lines.bits.align(alignment)


ALIGNMENT = {2: 8, 32771: 16}
"""Compression to the bits of which a row's beginning is a multiple."""


def decoded(lines: Lines, compression: int, *, two_dimensional: bool) -> Iterator[bool]:
    """Decode a block into `lines.runs`, line after line.

    Yields
    ------
    bool
        Whether the line is whole; after one that is not there is no other.
    """
    if compression == 3:
        return _group3(lines, two_dimensional=two_dimensional)
    if compression == 4:
        return _group4(lines)
    return _modified_huffman(lines, ALIGNMENT[compression])
