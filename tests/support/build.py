"""A byte-level TIFF writer for tests: it shares no code with the package, and it can lie.

Three layers, each usable alone:

- `entry`, `Directory` and `layout`/`build` place exact bytes and know every offset;
- `Picture`, `parts`, `image` and `images` turn numpy arrays into directories and blocks;
- `lzw_encode_old` and `many_tiles` make what other writers cannot or will not.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

VARIANTS: list[tuple[str, bool]] = [("II", False), ("II", True), ("MM", False), ("MM", True)]
"""Every (byteorder, big) a TIFF can have."""

VARIANT_IDS = ["II-classic", "II-big", "MM-classic", "MM-big"]

every_variant = pytest.mark.parametrize(("byteorder", "big"), VARIANTS, ids=VARIANT_IDS)
"""Decorator: run the test, which takes `byteorder` and `big`, once a variant."""

BYTE, ASCII, SHORT, LONG, RATIONAL, SBYTE = 1, 2, 3, 4, 5, 6
UNDEFINED, SSHORT, SLONG, SRATIONAL, FLOAT, DOUBLE = 7, 8, 9, 10, 11, 12
IFD, LONG8, SLONG8, IFD8 = 13, 16, 17, 18

# Field type -> bytes a value, struct character of the numbers in it.
_FIELD_TYPES: dict[int, tuple[int, str]] = {
    BYTE: (1, "B"),
    ASCII: (1, "B"),
    SHORT: (2, "H"),
    LONG: (4, "I"),
    RATIONAL: (8, "I"),
    SBYTE: (1, "b"),
    UNDEFINED: (1, "B"),
    SSHORT: (2, "h"),
    SLONG: (4, "i"),
    SRATIONAL: (8, "i"),
    FLOAT: (4, "f"),
    DOUBLE: (8, "d"),
    IFD: (4, "I"),
    LONG8: (8, "Q"),
    SLONG8: (8, "q"),
    IFD8: (8, "Q"),
}

type Order = tuple[Literal["directories", "values", "blocks"], ...]
"""What follows the header. Unless "values" is named, values follow their own directory."""

FRONT: Order = ("directories", "blocks")
END: Order = ("blocks", "directories")
SCATTERED: Order = ("directories", "blocks", "values")
"""The directories in front and their out-of-line values behind all the blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """A file offset that is known once the file is laid out; `At + n` is n bytes further."""

    kind: Literal["directory", "value", "block"]
    index: int
    tag: int = 0
    shift: int = 0

    def __add__(self, distance: int) -> At:
        return replace(self, shift=self.shift + distance)


def directory_at(index: int) -> At:
    """Where directory `index` of the list begins (for SubIFDs, next offsets, cycles)."""
    return At(kind="directory", index=index)


def block_at(index: int) -> At:
    """Where block `index` of the list begins."""
    return At(kind="block", index=index)


def value_at(directory: int, tag: int) -> At:
    """Where the value of the first entry with `tag` lies, within the entry if it fits there."""
    return At(kind="value", index=directory, tag=tag)


type Value = int | float | tuple[int, int] | At


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One IFD entry; made by `entry`."""

    tag: int
    field_type: int
    values: tuple[Value, ...] | bytes
    count: int
    offset: int | At | None
    raw: bytes | None

    @property
    def size(self) -> int:
        """Bytes that the values take."""
        if isinstance(self.values, bytes):
            return len(self.values)
        return len(self.values) * _FIELD_TYPES[self.field_type][0]


def _several(field_type: int, values: Value | Iterable[Value]) -> tuple[Value, ...]:
    if isinstance(values, tuple) and values:
        # A lone pair is one RATIONAL; for any other type a tuple is as good as a list.
        pair = field_type in (RATIONAL, SRATIONAL) and not isinstance(values[0], tuple)
        return (values,) if pair else values
    return tuple(values) if isinstance(values, Iterable) else (values,)


def entry(
    tag: int,
    field_type: int,
    values: Value | str | bytes | Iterable[Value] = (),
    *,
    count: int | None = None,
    offset: int | At | None = None,
    raw: bytes | None = None,
) -> Entry:
    """One IFD entry, true unless told otherwise.

    Parameters
    ----------
    tag, field_type
        Any numbers; an unknown field type needs its values as bytes.
    values
        One value or several; a RATIONAL is a pair; an `At` is resolved when laid out. A str gets
        its terminating NUL. Bytes are already in the file's byte order and stand as they are.
    count
        What the entry claims, instead of the number of `values`.
    offset
        What the value field holds; the values themselves are then not written anywhere.
    raw
        The bytes of the value field, padded with zeros; instead of `values`.
    """
    if isinstance(values, str):
        values = values.encode() + b"\0"
    elif not isinstance(values, bytes):
        values = _several(field_type, values)
    if count is None:
        size = _FIELD_TYPES.get(field_type, (1, ""))[0]
        given = raw if raw is not None else values
        count = len(given) // size if isinstance(given, bytes) else len(given)
    return Entry(tag=tag, field_type=field_type, values=values, count=count, offset=offset, raw=raw)


@dataclass(frozen=True, slots=True)
class Directory:
    """One IFD. Its entries are written in the order given, duplicates and all."""

    entries: Sequence[Entry] = ()
    next: int | At | None = None
    """The next IFD offset; None is the following directory of the list, 0 behind the last."""
    at: int | None = None
    """A fixed file offset, otherwise wherever its turn comes."""
    count: int | None = None
    """What the IFD claims, instead of its number of entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A finished file and where its parts lie."""

    data: bytes
    directories: tuple[int, ...]
    """File offset of each directory."""
    blocks: tuple[int, ...]
    """File offset of each block."""
    entries: Mapping[tuple[int, int], int]
    """(directory index, tag) -> file offset of the first entry with that tag."""
    values: Mapping[tuple[int, int], int]
    """(directory index, tag) -> file offset of its value, within the entry if it fits there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    """Byte order and variant: every size that depends on them."""

    byteorder: str
    big: bool

    def pack(self, fmt: str, *numbers: Any) -> bytes:
        return struct.pack({"II": "<", "MM": ">"}[self.byteorder] + fmt, *numbers)

    @property
    def word(self) -> str:
        return "Q" if self.big else "I"

    @property
    def slot(self) -> int:
        """Bytes of an entry's value field."""
        return 8 if self.big else 4

    @property
    def entry_size(self) -> int:
        return 20 if self.big else 12

    @property
    def entries_start(self) -> int:
        """From the start of a directory to its first entry."""
        return 8 if self.big else 2

    @property
    def header_size(self) -> int:
        return 16 if self.big else 8

    def directory_size(self, entries: int) -> int:
        return self.entries_start + entries * self.entry_size + self.slot

    def header(self, first: int) -> bytes:
        magic = self.pack("HHH", 43, 8, 0) if self.big else self.pack("H", 42)
        return self.byteorder.encode() + magic + self.pack(self.word, first)


type _Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """All that is to be written and, once `positions` is full, where."""

    form: _Format
    directories: Sequence[Directory]
    blocks: Sequence[bytes]
    positions: dict[_Key, int]

    def out_of_line(self, item: Entry) -> bool:
        return item.raw is None and item.offset is None and item.size > self.form.slot

    def pieces(self, order: Order) -> Iterator[tuple[_Key, int, int | None]]:
        """Key, size and fixed offset of each part of the file, in the order of writing."""
        for kind in order:
            if kind == "blocks":
                for index, block in enumerate(self.blocks):
                    yield ("block", index, 0), len(block), None
                continue
            for index, directory in enumerate(self.directories):
                if kind == "directories":
                    size = self.form.directory_size(len(directory.entries))
                    yield ("directory", index, 0), size, directory.at
                if kind == "values" or "values" not in order:
                    yield from self.value_pieces(index)

    def value_pieces(self, directory: int) -> Iterator[tuple[_Key, int, None]]:
        for index, item in enumerate(self.directories[directory].entries):
            if self.out_of_line(item):
                yield ("value", directory, index), item.size, None

    def place(self, order: Order, gap: int, align: int) -> None:
        """Fill `positions`; refuses parts that a fixed offset lets overlap."""
        spans = [(0, self.form.header_size)]
        end = self.form.header_size
        for key, size, at in self.pieces(order):
            start = at if at is not None else ceil((end + gap) / align) * align
            self.positions[key] = start
            end = max(end, start + size)
            if size:
                spans.append((start, start + size))
        spans.sort()
        for (_, stop), (start, _) in pairwise(spans):
            if start < stop:
                message = f"two parts of the file overlap at offset {start}"
                raise ValueError(message)

    def entry_position(self, directory: int, index: int) -> int:
        start = self.positions["directory", directory, 0] + self.form.entries_start
        return start + index * self.form.entry_size

    def value_position(self, directory: int, index: int) -> int:
        field = self.entry_position(directory, index) + self.form.entry_size - self.form.slot
        return self.positions.get(("value", directory, index), field)

    def first_with(self, directory: int, tag: int) -> int:
        return [item.tag for item in self.directories[directory].entries].index(tag)

    def resolve(self, target: Any) -> Any:
        if not isinstance(target, At):
            return target
        if target.kind == "value":
            index = self.first_with(target.index, target.tag)
            return self.value_position(target.index, index) + target.shift
        return self.positions[target.kind, target.index, 0] + target.shift

    def value_bytes(self, item: Entry) -> bytes:
        if isinstance(item.values, bytes):
            return item.values
        numbers: list[Any] = []
        for value in item.values:
            numbers += value if isinstance(value, tuple) else [self.resolve(value)]
        return self.form.pack(f"{len(numbers)}{_FIELD_TYPES[item.field_type][1]}", *numbers)

    def entry_bytes(self, directory: int, index: int) -> bytes:
        item = self.directories[directory].entries[index]
        if item.raw is not None:
            field = item.raw
        elif item.offset is not None:
            field = self.form.pack(self.form.word, self.resolve(item.offset))
        elif self.out_of_line(item):
            field = self.form.pack(self.form.word, self.value_position(directory, index))
        else:
            field = self.value_bytes(item)
        if len(field) > self.form.slot:
            message = f"tag {item.tag}: {len(field)} bytes do not fit the value field"
            raise ValueError(message)
        head = self.form.pack("HH" + self.form.word, item.tag, item.field_type, item.count)
        return head + field.ljust(self.form.slot, b"\0")

    def directory_bytes(self, index: int) -> bytes:
        directory = self.directories[index]
        following = directory_at(index + 1) if index + 1 < len(self.directories) else 0
        next_offset = self.resolve(following if directory.next is None else directory.next)
        count = len(directory.entries) if directory.count is None else directory.count
        return b"".join(
            [
                self.form.pack("Q" if self.form.big else "H", count),
                *(self.entry_bytes(index, number) for number in range(len(directory.entries))),
                self.form.pack(self.form.word, next_offset),
            ]
        )

    def piece_bytes(self, key: _Key) -> bytes:
        kind, index, number = key
        if kind == "block":
            return self.blocks[index]
        if kind == "directory":
            return self.directory_bytes(index)
        return self.value_bytes(self.directories[index].entries[number])

    def tags(self, position: Callable[[int, int], int]) -> dict[tuple[int, int], int]:
        """(directory, tag) -> the position of the first entry with that tag."""
        found: dict[tuple[int, int], int] = {}
        for number, directory in enumerate(self.directories):
            for index, item in enumerate(directory.entries):
                found.setdefault((number, item.tag), position(number, index))
        return found

    def finished(self, first: int | At, trailing: bytes) -> Layout:
        return Layout(
            data=self.render(self.resolve(first)) + trailing,
            directories=tuple(self.resolve(directory_at(i)) for i in range(len(self.directories))),
            blocks=tuple(self.resolve(block_at(i)) for i in range(len(self.blocks))),
            entries=self.tags(self.entry_position),
            values=self.tags(self.value_position),
        )

    def render(self, first: int) -> bytes:
        written = [(start, self.piece_bytes(key)) for key, start in self.positions.items()]
        written.append((0, self.form.header(first)))
        data = bytearray(max(start + len(piece) for start, piece in written))
        for start, piece in written:
            data[start : start + len(piece)] = piece
        return bytes(data)


def layout(
    directories: Sequence[Directory],
    blocks: Sequence[bytes] = (),
    *,
    byteorder: str = "II",
    big: bool = False,
    order: Order = FRONT,
    gap: int = 0,
    align: int = 2,
    first: int | At | None = None,
    trailing: bytes = b"",
) -> Layout:
    """Lay out a TIFF and write it.

    Parameters
    ----------
    directories
        In the order of writing; each points to the next unless its `next` says otherwise.
    blocks
        Already encoded; entries refer to them by `block_at`.
    order
        `FRONT`, `END`, `SCATTERED` or any other order of the kinds of parts.
    gap
        Zero bytes before every part.
    align
        Every part begins at a multiple of this; 1 (with an odd `gap`) makes odd offsets.
    first
        The offset in the header; by default that of directory 0, or 0 if there is none.
    trailing
        Bytes behind everything.
    """
    form = _Format(byteorder=byteorder, big=big)
    plan = _Plan(form=form, directories=directories, blocks=blocks, positions={})
    plan.place(order, gap, align)
    if first is None:
        first = directory_at(0) if directories else 0
    return plan.finished(first, trailing)


def build(directories: Sequence[Directory], blocks: Sequence[bytes] = (), **options: Any) -> bytes:
    """The bytes of `layout`, which takes the same arguments."""
    return layout(directories, blocks, **options).data


def _lzw_codes(data: bytes, *, early: int) -> Iterator[tuple[int, int]]:
    """(code, width) of an LZW stream; `early` is 1 where the width grows one code too soon.

    TIFF 6.0 writers switch to 10 bits when the table holds entry 510; the older ones, like GIF,
    when it holds 511. The decoder's table is one entry behind the encoder's: hence `known - 1`.
    """
    yield 256, 9
    table: dict[bytes, int] = {}
    known, width, prefix = 258, 9, b""
    for byte in (data[i : i + 1] for i in range(len(data))):
        if not prefix or prefix + byte in table:
            prefix += byte
            continue
        yield table.get(prefix, prefix[0]), width
        table[prefix + byte] = known
        known += 1
        width += known - 1 > (1 << width) - 1 - early
        if known == 4094:  # as libtiff: the table is never full, so a code never needs 13 bits
            yield 256, width
            table.clear()
            known, width = 258, 9
        prefix = byte
    if prefix:
        yield table.get(prefix, prefix[0]), width
        width += known > (1 << width) - 1 - early
    yield 257, width


def lzw_encode(data: bytes) -> bytes:
    """LZW as TIFF 6.0 has it: most significant bit first, early change of the code width."""
    held, bits, out = 0, 0, bytearray()
    for code, width in _lzw_codes(data, early=1):
        held, bits = held << width | code, bits + width
        while bits >= 8:
            bits -= 8
            out.append(held >> bits)
            held &= (1 << bits) - 1
    if bits:
        out.append(held << 8 - bits)
    return bytes(out)


def lzw_encode_old(data: bytes) -> bytes:
    """LZW of before TIFF 6.0 (libtiff's LZWDecodeCompat): least significant bit first, late change.

    Decoders tell it by the first two bytes: the Clear code 256 gives 0x00 and an odd byte.
    """
    held, bits, out = 0, 0, bytearray()
    for code, width in _lzw_codes(data, early=0):
        held, bits = held | code << bits, bits + width
        while bits >= 8:
            out.append(held & 0xFF)
            held, bits = held >> 8, bits - 8
    if bits:
        out.append(held)
    return bytes(out)


type Encoder = Callable[[bytes], bytes]

ENCODERS: dict[int, Encoder] = {
    1: bytes,
    5: lzw_encode,
    8: zlib.compress,
    32946: zlib.compress,
}
"""Compression -> the encoder that `Picture` uses unless it is given one."""


def predict(block: NDArray[Any], predictor: int, byteorder: str) -> bytes:
    """The bytes of a block (rows, columns) or (rows, columns, samples) behind a predictor."""
    block = block.astype(block.dtype.newbyteorder("="))
    if predictor == 3:
        return _predict_floats(block)
    if predictor == 2:
        # Differences of the bits as integers, as libtiff: floats and complex numbers as well.
        numbers = block.view(f"u{block.itemsize}")
        block = numbers.copy()
        block[:, 1:] -= numbers[:, :-1]
    elif predictor != 1:
        message = f"no predictor {predictor}"
        raise ValueError(message)
    return block.astype(block.dtype.newbyteorder("<" if byteorder == "II" else ">")).tobytes()


def _predict_floats(block: NDArray[Any]) -> bytes:
    """Predictor 3: a row's most significant bytes first, whatever the file's byte order."""
    rows, samples = block.shape[0], block.shape[2] if block.ndim == 3 else 1
    big_endian = block.astype(block.dtype.newbyteorder(">")).view("u1")
    planes = big_endian.reshape(rows, -1, block.itemsize).swapaxes(1, 2).reshape(rows, -1)
    differences = planes.copy()
    differences[:, samples:] -= planes[:, :-samples]
    return differences.tobytes()


def pack_bits(block: NDArray[Any], bits: int) -> bytes:
    """Samples of `bits` bits, most significant first, each row filled up to a whole byte."""
    rows = block.reshape(block.shape[0], -1).astype("u8")
    single = (rows[..., None] >> np.arange(bits - 1, -1, -1, dtype="u8")) & np.uint64(1)
    return np.packbits(single.reshape(rows.shape[0], -1).astype("u1"), axis=1).tobytes()


def reverse_bits(data: bytes) -> bytes:
    """Each byte with its bits in the other order, as FillOrder 2 has them."""
    return np.packbits(np.unpackbits(np.frombuffer(data, "u1")), bitorder="little").tobytes()


_SAMPLE_FORMATS = {"b": 1, "u": 1, "i": 2, "f": 3, "c": 6}


@dataclass(frozen=True, slots=True)
class Picture:
    """An array (y, x) or (y, x, sample) and how a TIFF is to hold it."""

    array: NDArray[Any]
    compression: int = 1
    encode: Encoder | None = None
    """Encodes a block's bytes; None takes it from `ENCODERS`."""
    encode_block: Callable[[NDArray[Any]], bytes] | None = None
    """Encodes a block's array (rows, columns[, samples]) itself, as JPEG wants it."""
    predictor: int = 1
    bits: int | None = None
    """BitsPerSample, if it is not the array's: samples are then packed."""
    fill_order: int = 1
    rows_per_strip: int | None = None
    """None is one strip."""
    tile: tuple[int, int] | None = None
    """(TileLength, TileWidth)."""
    planar: int = 1
    photometric: int | None = None
    """None is RGB for three or more 8 or 16-bit samples, otherwise BlackIsZero."""
    sparse: Collection[int] = ()
    """Numbers of the blocks that the file does not hold."""
    full_last_strip: bool = False
    """The last strip has RowsPerStrip rows, as some writers leave it."""
    extra_entries: Sequence[Entry] = ()
    """Replace entries of the same tag."""
    without: Collection[int] = ()
    """Tags to leave out."""
    next: int | At | None = None
    """As `Directory.next`."""

    @property
    def block_shape(self) -> tuple[int, int]:
        height, width = self.array.shape[:2]
        return self.tile or (self.rows_per_strip or height, width)

    @property
    def samples(self) -> int:
        return self.array.shape[2] if self.array.ndim == 3 else 1

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The arrays of all blocks, in the file's order."""
        length, width = self.block_shape
        planes = [self.array]
        if self.planar == 2 and self.array.ndim == 3:
            planes = [self.array[:, :, sample] for sample in range(self.samples)]
        for plane in planes:
            for y in range(0, plane.shape[0], length):
                for x in range(0, plane.shape[1], width):
                    yield self._filled(plane[y : y + length, x : x + width])

    def _filled(self, block: NDArray[Any]) -> NDArray[Any]:
        if self.tile is None and not self.full_last_strip:
            return np.ascontiguousarray(block)
        full = np.zeros((*self.block_shape, *block.shape[2:]), block.dtype)
        full[: block.shape[0], : block.shape[1]] = block
        return full

    def encoded(self, block: NDArray[Any], byteorder: str) -> bytes:
        """The bytes of one block in the file."""
        if self.encode_block is not None:
            data = self.encode_block(block)
        else:
            packed = self.bits is not None
            raw = (
                pack_bits(block, self.bits or 0)
                if packed
                else predict(block, self.predictor, byteorder)
            )
            data = (self.encode or ENCODERS[self.compression])(raw)
        return reverse_bits(data) if self.fill_order == 2 else data

    def directory(
        self, *, byteorder: str = "II", big: bool = False, first_block: int = 0
    ) -> tuple[Directory, list[bytes]]:
        """The directory, sorted by tag, and its blocks, the first of which is `first_block`."""
        offsets: list[int | At] = []
        counts: list[int] = []
        data: list[bytes] = []
        for number, block in enumerate(self.blocks()):
            if number in self.sparse:
                offsets.append(0)
                counts.append(0)
                continue
            offsets.append(block_at(first_block + len(data)))
            data.append(self.encoded(block, byteorder))
            counts.append(len(data[-1]))
        entries = {item.tag: item for item in self._entries(offsets, counts, big)}
        entries.update((item.tag, item) for item in self.extra_entries)
        kept = [entries[tag] for tag in sorted(entries) if tag not in self.without]
        return Directory(kept, next=self.next), data

    def _entries(self, offsets: list[int | At], counts: list[int], big: bool) -> Iterator[Entry]:
        length, width = self.block_shape
        samples = self.samples
        bits = self.bits or self.array.itemsize * 8
        photometric = self.photometric
        if photometric is None:
            photometric = 2 if samples >= 3 and self.array.dtype in ("u1", "u2") else 1
        extra = samples - (3 if photometric in (2, 6, 8) else 1)
        yield entry(256, LONG, self.array.shape[1])
        yield entry(257, LONG, self.array.shape[0])
        yield entry(258, SHORT, [bits] * samples)
        yield entry(259, SHORT, self.compression)
        yield entry(262, SHORT, photometric)
        if self.fill_order != 1:
            yield entry(266, SHORT, self.fill_order)
        yield entry(277, SHORT, samples)
        yield entry(284, SHORT, self.planar)
        if self.predictor != 1:
            yield entry(317, SHORT, self.predictor)
        if self.tile is None:
            yield entry(278, LONG, length)
        else:
            yield entry(322, LONG, width)
            yield entry(323, LONG, length)
        yield entry(273 if self.tile is None else 324, LONG8 if big else LONG, offsets)
        yield entry(279 if self.tile is None else 325, LONG, counts)
        if extra > 0:
            yield entry(338, SHORT, [0] * extra)
        yield entry(339, SHORT, [_SAMPLE_FORMATS[self.array.dtype.kind]] * samples)


def parts(
    pictures: Iterable[Picture], *, byteorder: str = "II", big: bool = False
) -> tuple[list[Directory], list[bytes]]:
    """Directories and blocks of several pictures, ready for `layout(*parts(...), ...)`."""
    directories: list[Directory] = []
    blocks: list[bytes] = []
    for picture in pictures:
        directory, data = picture.directory(byteorder=byteorder, big=big, first_block=len(blocks))
        directories.append(directory)
        blocks += data
    return directories, blocks


def images(
    pictures: Iterable[Picture], *, byteorder: str = "II", big: bool = False, **options: Any
) -> bytes:
    """A whole TIFF of several pictures; `options` are those of `layout`."""
    directories, blocks = parts(pictures, byteorder=byteorder, big=big)
    return build(directories, blocks, byteorder=byteorder, big=big, **options)


def image(
    array: NDArray[Any],
    *,
    byteorder: str = "II",
    big: bool = False,
    order: Order = FRONT,
    gap: int = 0,
    align: int = 2,
    **options: Any,
) -> bytes:
    """A whole TIFF of one array; `options` are those of `Picture`."""
    return images(
        [Picture(array, **options)], byteorder=byteorder, big=big, order=order, gap=gap, align=align
    )


def many_tiles(
    path: Path,
    n_across: int,
    n_down: int,
    *,
    byteorder: str = "II",
    big: bool = True,
    tile: int = 16,
    distinct: bool = False,
) -> Path:
    """Write a TIFF of `n_across * n_down` uncompressed tiles of bytes that takes little disk.

    Its TileOffsets and TileByteCounts are whole arrays; the tiles are one and the same block of
    0, 1, 2, ... (modulo 256). Where `distinct`, each tile has its own place, and all but the
    first lie in a hole of the file, which reads as zeros.
    """
    count = n_across * n_down
    block = np.arange(tile * tile, dtype="u1").tobytes()
    # Behind the directory and its two arrays of at most 8 + 4 bytes a tile.
    base = ceil((4096 + 12 * count) / 4096) * 4096
    order = {"II": "<", "MM": ">"}[byteorder]
    step = len(block) if distinct else 0
    offsets = base + np.arange(count, dtype="u8") * step
    numbers = {256: n_across * tile, 257: n_down * tile, 258: 8, 259: 1, 262: 1, 277: 1}
    numbers |= {322: tile, 323: tile}
    entries = [
        *(entry(tag, LONG if n > 0xFFFF else SHORT, n) for tag, n in numbers.items()),
        entry(324, LONG8 if big else LONG, offsets.astype(f"{order}u{8 if big else 4}").tobytes()),
        entry(325, LONG, np.full(count, len(block), f"{order}u4").tobytes()),
    ]
    with path.open("wb") as file:
        file.write(build([Directory(entries)], byteorder=byteorder, big=big))
        file.seek(base)
        file.write(block)
        file.truncate(base + len(block) + step * (count - 1))
    return path
