"""The first 8 or 16 bytes: four variants, and nothing else is a TIFF."""

from __future__ import annotations

import copy
import pickle
import sys
from dataclasses import FrozenInstanceError

import pytest

from support.build import every_variant
from virtual_tiff.tiff import FormatError, Header, TruncatedError, parse_header
from virtual_tiff.tiff.header import HEADER_BYTES

from .reading import variant_of

HEADERS = {
    ("II", False): b"II\x2a\x00\x04\x03\x02\x01",
    ("II", True): b"II\x2b\x00\x08\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01",
    ("MM", False): b"MM\x00\x2a\x01\x02\x03\x04",
    ("MM", True): b"MM\x00\x2b\x00\x08\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08",
}
"""The whole header of each variant; the digits of its offset count up."""

NAMES = {
    ("II", False): "II",
    ("II", True): "II BigTIFF",
    ("MM", False): "MM",
    ("MM", True): "MM BigTIFF",
}


@every_variant
def test_the_first_bytes_say_byte_order_variant_and_first_directory(
    byteorder: str, big: bool
) -> None:
    header = parse_header(HEADERS[byteorder, big])
    assert header.variant.byte_order == {"II": "little", "MM": "big"}[byteorder]
    assert header.variant.bigtiff is big
    assert header.first_ifd_offset == (0x0102030405060708 if big else 0x01020304)


@every_variant
def test_what_follows_the_header_does_not_matter(byteorder: str, big: bool) -> None:
    data = HEADERS[byteorder, big]
    assert parse_header(memoryview(data + b"\xff" * 100)) == parse_header(data)


@every_variant
def test_the_largest_offset_is_read_as_a_positive_number(byteorder: str, big: bool) -> None:
    size = 8 if big else 4
    data = HEADERS[byteorder, big][:-size] + b"\xff" * size
    assert parse_header(data).first_ifd_offset == 2 ** (8 * size) - 1


@every_variant
def test_sizes_are_those_of_the_variant(byteorder: str, big: bool) -> None:
    found = variant_of(byteorder, big)
    sizes = (found.header_bytes, found.entry_count.size, found.entry.size, found.offset.size)
    assert sizes == ((16, 8, 20, 8) if big else (8, 2, 12, 4))


@every_variant
def test_name_is_the_signature_and_bigtiff(byteorder: str, big: bool) -> None:
    assert variant_of(byteorder, big).name == NAMES[byteorder, big]


@every_variant
def test_native_is_this_machines_byte_order(byteorder: str, big: bool) -> None:
    mine = {"little": "II", "big": "MM"}[sys.byteorder]
    assert variant_of(byteorder, big).native is (byteorder == mine)


@every_variant
def test_variant_and_header_pickle(byteorder: str, big: bool) -> None:
    header = parse_header(HEADERS[byteorder, big])
    again: Header = pickle.loads(pickle.dumps(header))
    assert again == header
    assert again.variant is header.variant


@every_variant
def test_variant_copies_to_itself(byteorder: str, big: bool) -> None:
    found = variant_of(byteorder, big)
    assert copy.deepcopy(found) is found
    assert copy.copy(found) is found


def test_the_four_variants_are_four_different_values() -> None:
    assert len({variant_of(*which) for which in HEADERS}) == 4


def test_a_header_cannot_be_changed() -> None:
    header = parse_header(HEADERS["II", False])
    with pytest.raises(FrozenInstanceError):
        header.first_ifd_offset = 0  # type: ignore[misc]


CUT = [header[:length] for header in HEADERS.values() for length in range(len(header))]


@pytest.mark.parametrize("start", CUT, ids=repr)
def test_a_file_that_ends_within_its_header_is_truncated(start: bytes) -> None:
    words = rf"ends after {len(start)} bytes" if start else "the file is empty"
    with pytest.raises(TruncatedError, match=words) as caught:
        parse_header(start)
    assert caught.value.offset == 0


def test_header_bytes_are_enough_for_every_variant() -> None:
    assert max(map(len, HEADERS.values())) == HEADER_BYTES


NO_TIFF = {
    "PNG": b"\x89PNG\r\n\x1a\n",
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JF",
    "GIF": b"GIF89a\x01\x00",
    "ZIP": b"PK\x03\x04\x14\x00\x00\x00",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "an error page": b"<!DOCTYP",
    "zeros": b"\x00" * 8,
    "one wrong byte": b"X",
    "one letter and another": b"IJ",
    "both byte orders": b"IM\x2a\x00\x08\x00\x00\x00",
    "II with the 42 of MM": b"II\x00\x2a\x08\x00\x00\x00",
    "MM with the 42 of II": b"MM\x2a\x00\x00\x00\x00\x08",
    "version 41": b"II\x29\x00\x08\x00\x00\x00",
    "version 44": b"MM\x00\x2c\x00\x00\x00\x08",
    "lower case": b"ii\x2a\x00\x08\x00\x00\x00",
    "Panasonic RAW": b"IIU\x00\x08\x00\x00\x00",
    "Olympus ORF": b"IIRO\x08\x00\x00\x00",
}


@pytest.mark.parametrize("start", NO_TIFF.values(), ids=NO_TIFF)
def test_anything_else_is_a_format_error_that_says_the_first_bytes(start: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        parse_header(start + b"?" * 20 if len(start) == 8 else start)
    assert repr(start) in str(caught.value)
    assert caught.value.offset == 0


OFFSET_SIZES = {
    "4": ("II", b"\x04\x00\x00\x00"),
    "16": ("II", b"\x10\x00\x00\x00"),
    "0": ("MM", b"\x00\x00\x00\x00"),
    "8 in the other byte order": ("MM", b"\x08\x00\x00\x00"),
    "8 in the other byte order (II)": ("II", b"\x00\x08\x00\x00"),
    "8, the constant not 0": ("II", b"\x08\x00\x01\x00"),
    "8, the constant not 0 (MM)": ("MM", b"\x00\x08\x00\x01"),
}


@pytest.mark.parametrize(("byteorder", "size"), OFFSET_SIZES.values(), ids=OFFSET_SIZES)
def test_a_bigtiff_has_offsets_of_8_bytes(byteorder: str, size: bytes) -> None:
    data = HEADERS[byteorder, True]
    with pytest.raises(FormatError, match="offsets of 8 bytes") as caught:
        parse_header(data[:4] + size + data[8:])
    assert repr(size) in str(caught.value)
    assert caught.value.offset == 4
