"""Entries and their values: every field type, inline and out of line, in every variant."""

from __future__ import annotations

import math
import struct
import tracemalloc
from typing import Any

import pytest

from support.build import (
    ASCII,
    BYTE,
    DOUBLE,
    FLOAT,
    IFD,
    IFD8,
    LONG,
    LONG8,
    RATIONAL,
    SBYTE,
    SHORT,
    SLONG,
    SLONG8,
    SRATIONAL,
    SSHORT,
    UNDEFINED,
    Directory,
    entry,
    every_variant,
    layout,
)
from virtual_tiff.tiff import FormatError, TiffWarning, TruncatedError, Variant
from virtual_tiff.tiff.constants import FIELD_TYPES
from virtual_tiff.tiff.entry import Entry, decode_text, numbers, parse_entries, rationals, texts
from virtual_tiff.tiff.entry import raw as stored_bytes
from virtual_tiff.tiff.entry import value as plain_value
from virtual_tiff.tiff.header import NDPI

from .reading import no_warning, one_ifd, variant_of

TAG = 65000

# The first value of each is asymmetric, so that a wrong byte order shows with a count of 1.
INTEGERS: dict[int, list[int]] = {
    BYTE: [1, 0, 127, 128, 255],
    SHORT: [0x0102, 0, 0x7FFF, 0x8000, 0xFFFF],
    LONG: [0x01020304, 0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF],
    SBYTE: [1, 0, 127, -1, -128],
    UNDEFINED: [1, 0, 127, 128, 255],
    SSHORT: [0x0102, 0, 0x7FFF, -1, -0x8000],
    SLONG: [0x01020304, 0, 0x7FFFFFFF, -1, -0x80000000],
    IFD: [0x01020304, 0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF],
    LONG8: [0x0102030405060708, 0, 2**63 - 1, 2**63, 2**64 - 1],
    SLONG8: [0x0102030405060708, 0, 2**63 - 1, -1, -(2**63)],
    IFD8: [0x0102030405060708, 0, 2**63 - 1, 2**63, 2**64 - 1],
}
FLOATS = [1.2001953125, 0.0, -0.5, math.inf, -math.inf]
RATIOS: dict[int, list[tuple[int, int]]] = {
    RATIONAL: [(0x01020304, 0x05060708), (0, 1), (2**32 - 1, 1), (1, 2**32 - 1)],
    SRATIONAL: [(0x01020304, 0x05060708), (-1, 2), (1, -2), (-(2**31), 2**31 - 1)],
}
VALUES: dict[int, list[Any]] = INTEGERS | RATIOS | {FLOAT: FLOATS, DOUBLE: FLOATS}
FORMATS = {
    BYTE: "B",
    SHORT: "H",
    LONG: "I",
    RATIONAL: "I",
    SBYTE: "b",
    UNDEFINED: "B",
    SSHORT: "h",
    SLONG: "i",
    SRATIONAL: "i",
    FLOAT: "f",
    DOUBLE: "d",
    IFD: "I",
    LONG8: "Q",
    SLONG8: "q",
    IFD8: "Q",
}
SIZES = {"B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "i": 4, "f": 4, "d": 8, "Q": 8, "q": 8}


def name_of(field_type: int) -> str:
    return FIELD_TYPES[field_type].name


every_count = pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 8, 9, 100])
every_number_type = pytest.mark.parametrize("field_type", FORMATS, ids=name_of)
every_type = pytest.mark.parametrize("field_type", [*FORMATS, ASCII], ids=name_of)


def many(field_type: int, count: int) -> list[Any]:
    """`count` values of a field type."""
    values = VALUES[field_type]
    return [values[i % len(values)] for i in range(count)]


def flat(values: list[Any]) -> list[Any]:
    """Pairs as the numbers in them."""
    return [n for v in values for n in (v if isinstance(v, tuple) else (v,))]


def read_back(item: Any, **options: Any) -> tuple[Entry, Variant]:
    """The entry of a file that has no other."""
    ifd = one_ifd([item], **options)
    return ifd.entries[item.tag], ifd.variant


def inline_entry(field_type: int, data: bytes, count: int | None = None) -> Entry:
    """An entry made by hand, at offset 42."""
    row = FIELD_TYPES[field_type]
    return Entry(TAG, row, len(data) // row.nbytes if count is None else count, 42, data)


# What the entry itself says

ENTRIES = {
    ("II", False): "e8fd 0300 02000000 3412 7856",
    ("II", True): "e8fd 0300 0200000000000000 3412 7856 0000 0000",
    ("MM", False): "fde8 0003 00000002 1234 5678",
    ("MM", True): "fde8 0003 0000000000000002 1234 5678 0000 0000",
}


@every_variant
def test_two_shorts_byte_by_byte(byteorder: str, big: bool) -> None:
    data = bytes.fromhex(ENTRIES[byteorder, big])
    variant = variant_of(byteorder, big)
    (found,) = parse_entries(memoryview(data), variant, 1000, "0")
    assert (found.tag, found.field_type, found.count) == (TAG, FIELD_TYPES[SHORT], 2)
    assert found.offset == (1012 if big else 1008)
    assert list(numbers(found, variant)) == [0x1234, 0x5678]


@every_variant
def test_no_entries_are_an_empty_list(byteorder: str, big: bool) -> None:
    assert parse_entries(memoryview(b""), variant_of(byteorder, big), 8, "0") == []


@every_type
@every_count
@every_variant
def test_a_value_lies_in_its_entry_where_it_fits(
    byteorder: str, big: bool, count: int, field_type: int
) -> None:
    size = count * SIZES[FORMATS.get(field_type, "B")] * (2 if field_type in RATIOS else 1)
    written = entry(TAG, field_type, b"\1" * size)
    file = layout([Directory([written])], byteorder=byteorder, big=big)
    start = file.entries[0, TAG]
    data = memoryview(file.data)[start : start + (20 if big else 12)]
    (found,) = parse_entries(data, variant_of(byteorder, big), start, "0")
    assert (found.tag, found.field_type.code) == (TAG, field_type)
    assert (found.count, found.nbytes) == (count, size)
    assert found.offset == file.values[0, TAG]
    assert found.data == (b"\1" * size if size <= (8 if big else 4) else None)


@every_variant
def test_a_count_above_all_bounds_is_a_number_like_any_other(byteorder: str, big: bool) -> None:
    most = 2**64 - 1 if big else 2**32 - 1
    with pytest.warns(TiffWarning, match="past the file's end"):
        found, _ = read_back(
            entry(TAG, DOUBLE, [1.0], count=most, offset=8), byteorder=byteorder, big=big
        )
    assert found.nbytes == 8 * most
    assert found.data is None


@pytest.mark.parametrize("code", [0, 14, 15, 19, 255, 0xFFFF])
@every_variant
def test_an_unknown_field_type_is_skipped_with_a_warning(
    byteorder: str, big: bool, code: int
) -> None:
    entries = [entry(256, SHORT, 7), entry(269, code, b"abcd"), entry(270, ASCII, "kept")]
    with pytest.warns(
        TiffWarning, match=rf"DocumentName \(269\) has the unknown field type {code}"
    ):
        ifd = one_ifd(entries, byteorder=byteorder, big=big)
    assert list(ifd) == [256, 270]
    assert ifd.ImageWidth == 7
    assert ifd.text(270) == "kept"


# Numbers


@every_number_type
@every_count
@every_variant
def test_numbers_are_those_that_were_written(
    byteorder: str, big: bool, count: int, field_type: int
) -> None:
    written = many(field_type, count)
    with no_warning():
        found, variant = read_back(entry(TAG, field_type, written), byteorder=byteorder, big=big)
    view = numbers(found, variant)
    assert list(view) == flat(written)
    assert (view.format, view.itemsize) == (FORMATS[field_type], SIZES[FORMATS[field_type]])
    assert view.shape == (len(flat(written)),)
    assert view.readonly


@pytest.mark.parametrize("field_type", [LONG8, SLONG8, IFD8], ids=name_of)
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_a_classic_tiff_may_have_the_field_types_of_bigtiff(
    byteorder: str, field_type: int
) -> None:
    found, variant = read_back(entry(TAG, field_type, [2**40 + 1]), byteorder=byteorder)
    assert list(numbers(found, variant)) == [2**40 + 1]


@every_variant
def test_not_a_number_is_read_as_such(byteorder: str, big: bool) -> None:
    for field_type in (FLOAT, DOUBLE):
        found, variant = read_back(entry(TAG, field_type, math.nan), byteorder=byteorder, big=big)
        assert math.isnan(numbers(found, variant)[0])


@every_variant
def test_numbers_are_no_python_object_each(byteorder: str, big: bool) -> None:
    count = 100_000
    ifd = one_ifd([entry(TAG, LONG, bytes(4 * count))], byteorder=byteorder, big=big)
    tracemalloc.start()
    view = numbers(ifd.entries[TAG], ifd.variant)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(view, memoryview)
    assert len(view) == count
    assert peak < 2.5 * 4 * count


@every_variant
def test_numbers_of_this_machines_byte_order_are_not_copied(byteorder: str, big: bool) -> None:
    found, variant = read_back(entry(TAG, SHORT, range(100)), byteorder=byteorder, big=big)
    assert (numbers(found, variant).obj is found.data) is variant.native


def test_text_is_no_number() -> None:
    found, variant = read_back(entry(TAG, ASCII, "12"))
    with pytest.raises(FormatError, match="ASCII, where a number is expected") as caught:
        numbers(found, variant)
    assert (caught.value.tag, caught.value.offset) == (TAG, found.offset)


@every_variant
def test_a_value_past_the_files_end_is_lost_and_says_so(byteorder: str, big: bool) -> None:
    with pytest.warns(TiffWarning, match=r"65000 \(40 bytes at 9,000\) lies past the file's end"):
        found, variant = read_back(
            entry(TAG, LONG, range(10), offset=9000), byteorder=byteorder, big=big
        )
    for decode in (numbers, plain_value, rationals):
        with pytest.raises(TruncatedError, match="40 bytes lies past the end") as caught:
            decode(found, variant)
        assert (caught.value.tag, caught.value.offset) == (TAG, 9000)


# Rationals

QUOTIENTS: dict[str, tuple[int, tuple[int, int], float]] = {
    "a half": (RATIONAL, (1, 2), 0.5),
    "zero": (RATIONAL, (0, 5), 0.0),
    "the largest": (RATIONAL, (2**32 - 1, 1), 4294967295.0),
    "the smallest": (RATIONAL, (1, 2**32 - 1), 1 / 4294967295),
    "over 0": (RATIONAL, (3, 0), math.inf),
    "0 over 0": (RATIONAL, (0, 0), math.nan),
    "minus a half": (SRATIONAL, (-1, 2), -0.5),
    "a half over minus": (SRATIONAL, (1, -2), -0.5),
    "minus over minus": (SRATIONAL, (-1, -2), 0.5),
    "minus over 0": (SRATIONAL, (-3, 0), -math.inf),
    "signed over 0": (SRATIONAL, (3, 0), math.inf),
    "signed 0 over 0": (SRATIONAL, (0, 0), math.nan),
}


@pytest.mark.parametrize(("field_type", "pair", "quotient"), QUOTIENTS.values(), ids=QUOTIENTS)
@every_variant
def test_a_rational_is_numerator_over_denominator(
    byteorder: str, big: bool, field_type: int, pair: tuple[int, int], quotient: float
) -> None:
    found, variant = read_back(entry(TAG, field_type, [pair]), byteorder=byteorder, big=big)
    assert rationals(found, variant) == pytest.approx((quotient,), rel=0, nan_ok=True)


@pytest.mark.parametrize("field_type", [*INTEGERS, FLOAT, DOUBLE], ids=name_of)
@every_variant
def test_other_numbers_are_floats_as_they_are(byteorder: str, big: bool, field_type: int) -> None:
    written = many(field_type, 5)
    found, variant = read_back(entry(TAG, field_type, written), byteorder=byteorder, big=big)
    floats = rationals(found, variant)
    assert floats == tuple(map(float, written))
    assert {type(number) for number in floats} == {float}


# Text

TEXTS = {
    "ended by NUL": (b"abc\0", ("abc",)),
    "not ended": (b"abc", ("abc",)),
    "filled with NUL": (b"abc\0\0\0\0\0", ("abc",)),
    "several": (b"abc\0de\0", ("abc", "de")),
    "several, not ended": (b"abc\0de", ("abc", "de")),
    "an empty one among them": (b"abc\0\0de\0", ("abc", "", "de")),
    "an empty one in front": (b"\0abc\0", ("", "abc")),
    "empty": (b"\0", ("",)),
    "no bytes": (b"", ("",)),
    "blanks": (b" a b \0", (" a b ",)),
    "line ends": (b"a\r\nb\n\0", ("a\r\nb\n",)),
    "UTF-8": ("Zürich €\0".encode(), ("Zürich €",)),
    "Latin-1": ("Zürich\0".encode("latin-1"), ("Zürich",)),
    "UTF-8 and Latin-1": ("ü\0".encode() + "ü\0".encode("latin-1"), ("ü", "ü")),
    "a UTF-8 character cut off": ("aü".encode()[:2] + b"\0", ("aÃ",)),
    "control characters": (b"\x01\x7f\0", ("\x01\x7f",)),
}


@pytest.mark.parametrize(("data", "strings"), TEXTS.values(), ids=TEXTS)
@every_variant
def test_ascii_is_one_string_or_several(
    byteorder: str, big: bool, data: bytes, strings: tuple[str, ...]
) -> None:
    found, variant = read_back(entry(TAG, ASCII, data), byteorder=byteorder, big=big)
    assert texts(found) == strings
    assert plain_value(found, variant) == strings


@pytest.mark.parametrize("field_type", [BYTE, SBYTE, UNDEFINED], ids=name_of)
def test_bytes_are_text_where_text_belongs(field_type: int) -> None:
    assert texts(inline_entry(field_type, b"<xml/>\0")) == ("<xml/>",)


@pytest.mark.parametrize("field_type", [SHORT, LONG, RATIONAL, FLOAT, LONG8], ids=name_of)
def test_larger_numbers_are_no_text(field_type: int) -> None:
    message = f"{name_of(field_type)}, where text is expected"
    with pytest.raises(FormatError, match=message) as caught:
        texts(inline_entry(field_type, b"abcdefgh"))
    assert (caught.value.tag, caught.value.offset) == (TAG, 42)


def test_every_single_byte_is_some_text() -> None:
    single = [bytes([number]) for number in range(256)]
    assert [decode_text(byte) for byte in single] == [byte.decode("latin-1") for byte in single]


# The value in the form of its field type

FORMS: dict[int, tuple[bytes, Any]] = {
    BYTE: (b"\1\xff", b"\1\xff"),
    ASCII: (b"a\0b\0", ("a", "b")),
    RATIONAL: (b"\1\0\0\0\2\0\0\0", (0.5,)),
    SBYTE: (b"\1\xff", b"\1\xff"),
    UNDEFINED: (b"\1\xff", b"\1\xff"),
    SRATIONAL: (b"\xff\xff\xff\xff\2\0\0\0", (-0.5,)),
}


@pytest.mark.parametrize(("field_type", "form"), FORMS.items(), ids=map(name_of, FORMS))
def test_bytes_text_and_rationals_have_forms_of_their_own(
    field_type: int, form: tuple[bytes, Any]
) -> None:
    stored, expected = form
    found = plain_value(inline_entry(field_type, stored), variant_of("II", big=False))
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("field_type", sorted(set(FORMATS) - set(FORMS)), ids=name_of)
@every_variant
def test_all_other_numbers_are_a_memoryview(byteorder: str, big: bool, field_type: int) -> None:
    written = many(field_type, 3)
    found = plain_value(*read_back(entry(TAG, field_type, written), byteorder=byteorder, big=big))
    assert isinstance(found, memoryview)
    assert found.tolist() == written


@every_variant
def test_raw_bytes_stay_in_the_files_byte_order(byteorder: str, big: bool) -> None:
    found, _ = read_back(entry(TAG, SHORT, [0x0102] * 3), byteorder=byteorder, big=big)
    assert stored_bytes(found) == {"II": b"\2\1", "MM": b"\1\2"}[byteorder] * 3


@pytest.mark.parametrize("code", [LONG, SLONG, IFD])
def test_numbers_of_ndpi_have_64_bits_where_their_high_word_is_not_0(code: int) -> None:
    raw = struct.pack("<HHIII", TAG, code, 1, 5, 2)
    (wide,) = parse_entries(memoryview(raw), NDPI, 0, "0")
    assert (wide.field_type.nbytes, [*numbers(wide, NDPI)]) == (8, [2**33 + 5])
    (narrow,) = parse_entries(memoryview(raw[:12] + bytes(4)), NDPI, 0, "0")
    assert (narrow.field_type.nbytes, [*numbers(narrow, NDPI)]) == (4, [5])
