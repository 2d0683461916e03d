"""Bytes to directory entries, and entries to values.

TIFF 6.0 section 2 ("IFD Entry") and the BigTIFF design. An entry keeps its value as
the file's bytes; they become numbers or text only when somebody asks, and numbers are
a `memoryview`: a million tile offsets never become a million Python integers.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

from .constants import FIELD_TYPES, FieldType, Tag, tag_name
from .errors import FormatError, TruncatedError, warn
from .header import Variant

__all__ = [
    "Entry",
    "Value",
    "decode_text",
    "numbers",
    "parse_entries",
    "rationals",
    "raw",
    "split_directory",
    "texts",
    "value",
]

type Value = memoryview[int] | memoryview[float] | bytes | tuple[str, ...] | tuple[float, ...]


_ASCII = 2
"""NDPI has text behind the directory, however short it is."""

_LONG, _RATIONAL = 4, 5
_UIC2 = Tag.UIC2tag.value
"""MetaMorph counts a plane as one RATIONAL, and it has six LONGs."""

_WIDER = {4: 16, 9: 17, 13: 18}
"""LONG, SLONG and IFD of NDPI are of 64 bits where their high word is not 0."""


class Entry(NamedTuple):
    """One entry of a directory."""

    tag: int
    field_type: FieldType
    count: int  # type: ignore[assignment]  # TIFF's word, which hides a method of tuples
    """Values, not bytes."""
    offset: int
    """Where the value lies in the file; within the entry if it fits there."""
    data: bytes | None
    """The value's bytes in the file's byte order; None if they were not read."""

    @property
    def nbytes(self) -> int:
        """Bytes of the whole value."""
        return self.count * self.field_type.nbytes


def parse_entries(data: memoryview, variant: Variant, offset: int, ifd: str) -> list[Entry]:
    """Read the entries of one directory, in the file's order.

    An entry of unknown field type is skipped with a warning, as TIFF 6.0 asks
    ("readers should skip over fields containing an unexpected field type").

    Parameters
    ----------
    data
        The entries alone: no count before, no next offset behind.
    variant
        The file's variant.
    offset
        Where `data` begins in the file.
    ifd
        Path of the directory, for messages.

    Returns
    -------
    list of Entry
        `data` is None in those whose value lies elsewhere in the file.
    """
    entries = []
    inline, step = variant.inline_bytes, variant.entry_bytes
    slot = variant.offset.size
    for at, (tag, code, count, raw) in enumerate(variant.entry.iter_unpack(data)):
        field_type = FIELD_TYPES.get(code)
        if field_type is None:
            warn(f"IFD {ifd}: tag {tag_name(tag)} has the unknown field type {code} and is skipped")
            continue
        if tag == _UIC2 and code == _RATIONAL:
            (there,) = variant.offset.unpack(raw[:slot])
            entries.append(Entry(tag, FIELD_TYPES[_LONG], 6 * count, there, None))
            continue
        nbytes = count * field_type.nbytes
        here = offset + at * step + step - inline
        if variant.high_words and count == 1 and code in _WIDER and any(raw[inline:]):
            entries.append(Entry(tag, FIELD_TYPES[_WIDER[code]], 1, here, raw))
        elif nbytes <= inline and not (variant.high_words and code == _ASCII and nbytes):
            entries.append(Entry(tag, field_type, count, here, raw[:nbytes]))
        else:
            (there,) = variant.offset.unpack(raw[:slot])
            entries.append(Entry(tag, field_type, count, there, None))
    return entries


def split_directory(data: memoryview, count: int, variant: Variant) -> tuple[memoryview, int]:
    """Return a directory's entries, as `parse_entries` wants them, and the next one's offset.

    Parameters
    ----------
    data
        From the directory's first byte; its next offset may be cut off, as in libtiff.
    count
        Its entries, all of which are there.
    variant
        The file's variant.
    """
    begin = variant.entry_count.size
    end = begin + count * variant.entry_bytes
    next_offset = 0
    if len(data) >= end + variant.offset.size:
        (next_offset,) = variant.offset.unpack_from(data, end)
    entries = data[begin:end]
    if variant.high_words:
        high = data[end + variant.offset.size :]
        step = variant.entry_bytes
        joined = (bytes(entries[i * step :][:step]) + high[4 * i :][:4] for i in range(count))
        entries = memoryview(b"".join(joined))
    return entries, next_offset


def numbers(entry: Entry, variant: Variant) -> memoryview:
    """Return the entry's numbers in this machine's byte order, without a Python object each.

    Returns
    -------
    memoryview
        Read-only, one-dimensional; its `format` is the field type's. A RATIONAL gives
        numerators and denominators in turn. Shape ``(count * items,)``.

    Raises
    ------
    FormatError
        If the field type is ASCII.
    TruncatedError
        If the value lies past the file's end.
    """
    field_type = entry.field_type
    if field_type.format == "s":
        msg = f"the field type is {field_type.name}, where a number is expected"
        raise FormatError(msg, tag=entry.tag, offset=entry.offset)
    data = raw(entry)
    if variant.native or field_type.nbytes == 1:
        view: memoryview = memoryview(data).cast(field_type.format)  # type: ignore[call-overload]
        return view  # typeshed wants the format as a literal, the table has it as data
    swapped = array(field_type.format, data)
    swapped.byteswap()
    return memoryview(swapped).toreadonly()


def rationals(entry: Entry, variant: Variant) -> tuple[float, ...]:
    """Return RATIONAL, FLOAT or integer values as floats; n/0 is infinite, 0/0 not a number."""
    found = numbers(entry, variant)
    if entry.field_type.items == 1:
        return tuple(map(float, found))
    return tuple(_divide(found[i], found[i + 1]) for i in range(0, len(found), 2))


def texts(entry: Entry) -> tuple[str, ...]:
    """Return the strings of an ASCII value: several are separated by NUL.

    The last NUL may be absent, and more of them may follow: both occur. BYTE and
    UNDEFINED are read as text too, since writers of XMP and GDAL_METADATA differ.
    """
    if entry.field_type.nbytes != 1:
        msg = f"the field type is {entry.field_type.name}, where text is expected"
        raise FormatError(msg, tag=entry.tag, offset=entry.offset)
    strings = raw(entry).rstrip(b"\0").split(b"\0")
    return tuple(map(decode_text, strings))


def value(entry: Entry, variant: Variant) -> Value:
    """Return the value in the form of its field type.

    Returns
    -------
    tuple of str
        ASCII.
    bytes
        BYTE, SBYTE as its two's complement, and UNDEFINED.
    tuple of float
        RATIONAL and SRATIONAL.
    memoryview
        All other numbers.
    """
    field_type = entry.field_type
    if field_type.format == "s":
        return texts(entry)
    if field_type.nbytes == 1:
        return raw(entry)
    return rationals(entry, variant) if field_type.items == 2 else numbers(entry, variant)


def raw(entry: Entry) -> bytes:
    """Return the value's bytes in the file's byte order, or say that they are lost."""
    if entry.data is None:
        msg = f"the value of {entry.nbytes:,} bytes lies past the end of the file"
        raise TruncatedError(msg, tag=entry.tag, offset=entry.offset)
    return entry.data


def _divide(numerator: int, denominator: int) -> float:
    if denominator:
        return numerator / denominator
    return float("nan") if numerator == 0 else float("inf") * numerator


def decode_text(raw: bytes) -> str:
    """Return text: ASCII is the rule, UTF-8 the practice, Latin-1 the rest."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
