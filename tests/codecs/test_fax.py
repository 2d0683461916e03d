"""`virtual_tiff.ccitt`: T.4 and T.6, against GDAL and imagecodecs."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from zarr.registry import get_codec_class

from support.build import LONG, SHORT, entry, image, reverse_bits
from support.pixels import buffer, by_gdal, by_tifffile, chunk_spec, read, stored_metadata, virtual
from virtual_tiff.codecs.rows.ccitt import CcittCodec
from virtual_tiff.codecs.rows.ccitt_lines import EOL, code_words
from virtual_tiff.tiff import UnsupportedError

WIDTH, HEIGHT = 133, 57


def scan(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Something like a page: dark rectangles, some of them hollow, and a white foot."""
    random = np.random.default_rng(3)
    page = np.zeros((height, width), "u1")
    for _ in range(40):
        y, x = random.integers(0, max(height - 6, 1)), random.integers(0, width)
        page[y : y + random.integers(1, 9), x : x + random.integers(1, 40)] ^= 1
    page[-5:] = 0
    return page


PAGE = scan()


# ---- coders, as T.4 has them; GDAL is asked whether they are right


def runs(row: NDArray[np.uint8]) -> list[int]:
    """Lengths of white, black, white …"""
    changes = np.flatnonzero(np.diff(np.concatenate([[0], row]))).tolist()
    return np.diff([0, *changes, len(row)]).tolist()


def one_dimensional(row: NDArray[np.uint8]) -> str:
    return "".join(code_words(index & 1, run) for index, run in enumerate(runs(row)))


VERTICAL = {0: "1", 1: "011", 2: "000011", 3: "0000011", -1: "010", -2: "000010", -3: "0000010"}


def change(row: NDArray[np.uint8], begin: int, colour: int) -> int:
    """Where the first pixel at or behind `begin` is that is not of a colour."""
    while begin < len(row) and row[begin] == colour:
        begin += 1
    return begin


def two_dimensional(row: NDArray[np.uint8], above: NDArray[np.uint8]) -> str:
    """T.4's figure 7: pass, vertical or horizontal mode."""
    coded, a0, colour = "", -1, 0
    while a0 < len(row):
        begin = max(a0, 0)
        a1 = change(row, begin, colour)
        b1 = begin
        if a0 >= 0 or above[0] == colour:
            b1 = change(above, change(above, begin, 1 - colour) if a0 >= 0 else 0, colour)
        b2 = change(above, b1, 1 - colour)
        if b2 < a1:
            coded, a0 = coded + "0001", b2
        elif abs(a1 - b1) <= 3:
            coded, a0, colour = coded + VERTICAL[a1 - b1], a1, 1 - colour
        else:
            a2 = change(row, a1, 1 - colour)
            coded += "001" + code_words(colour, a1 - begin) + code_words(1 - colour, a2 - a1)
            a0 = a2
        if a0 == len(row):
            break
    return coded


def packed(bits: str) -> bytes:
    return np.packbits(np.array(list(bits), "u1")).tobytes()


def rle(block: NDArray[np.uint8], align: int = 8) -> bytes:
    lines = (one_dimensional(row) for row in block)
    return packed("".join(line + "0" * (-len(line) % align) for line in lines))


def group3_lines(block: NDArray[np.uint8], options: int) -> Iterator[str]:
    above = np.zeros_like(block[0])
    for number, row in enumerate(block):
        plain = not options & 1 or number % 4 == 0
        tag = ("1" if plain else "0") if options & 1 else ""
        yield tag + (one_dimensional(row) if plain else two_dimensional(row, above))
        above = row


def group3(block: NDArray[np.uint8], options: int = 0) -> bytes:
    bits = ""
    for line in group3_lines(block, options):
        fill = "0" * (-(len(bits) + len(EOL)) % 8) if options & 4 else ""
        bits += fill + EOL + line
    return packed(bits)


def group4(block: NDArray[np.uint8]) -> bytes:
    rows = [np.zeros_like(block[0]), *block]
    lines = [two_dimensional(row, above) for above, row in itertools.pairwise(rows)]
    return packed("".join(lines) + EOL + EOL)


def tiff(compression: int, options: int = 0, page: NDArray[Any] = PAGE, **changes: Any) -> bytes:
    encode = {
        2: rle,
        3: lambda block: group3(block, options),
        4: group4,
        32771: lambda block: rle(block, 16),
    }[compression]
    tags = [entry(293 if compression == 4 else 292, LONG, options)] if options else []
    changes = {"photometric": 0, "encode_block": encode} | changes
    return image(page, compression=compression, bits=1, extra_entries=tags, **changes)


KINDS = [(2, 0), (3, 0), (3, 1), (3, 4), (3, 5), (4, 0)]
every_kind = pytest.mark.parametrize(("compression", "options"), KINDS)


# ---- whole files


@pytest.mark.long
@every_kind
@pytest.mark.parametrize("rows", [None, 20, 1])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_it_reads_what_gdal_reads(compression: int, options: int, rows: int | None, byteorder: str):
    data = tiff(compression, options, rows_per_strip=rows, byteorder=byteorder)
    found = read(data)
    assert found.dtype == "u1"
    np.testing.assert_array_equal(found, PAGE)
    np.testing.assert_array_equal(found, by_gdal(data))
    np.testing.assert_array_equal(found, by_tifffile(data))


@every_kind
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("fill_order", [1, 2])
def test_neither_polarity_nor_the_order_of_bits_changes_the_numbers(
    compression: int, options: int, photometric: int, fill_order: int
):
    data = tiff(compression, options, photometric=photometric, fill_order=fill_order)
    np.testing.assert_array_equal(read(data), PAGE)
    np.testing.assert_array_equal(by_gdal(data), PAGE)


@pytest.mark.parametrize("name", ["CCITTRLE", "CCITTFAX3", "CCITTFAX4"])
def test_it_reads_what_gdal_writes(name: str):
    profile = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": 1, "dtype": "uint8"}
    with rasterio.MemoryFile() as file:
        with file.open(**profile, compress=name, nbits=1, blockysize=20) as dataset:
            dataset.write(PAGE, 1)
        np.testing.assert_array_equal(read(file.read()), PAGE)


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 64, 2561, 6000])
@every_kind
def test_any_width(compression: int, options: int, width: int):
    page = scan(9, width)
    data = tiff(compression, options, page)
    np.testing.assert_array_equal(read(data), page)
    np.testing.assert_array_equal(by_gdal(data), page)


@pytest.mark.parametrize("rows", [None, 20])
def test_rows_may_begin_at_words(rows: int | None):
    # libtiff 4.7 loses count of the words of its own files, so there is no other reader
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read(tiff(32771, rows_per_strip=rows)), PAGE)


@every_kind
def test_tiles(compression: int, options: int):
    data = tiff(compression, options, tile=(16, 48))
    np.testing.assert_array_equal(read(data), PAGE)
    np.testing.assert_array_equal(by_gdal(data), PAGE)


@every_kind
def test_planes(compression: int, options: int):
    pages = np.stack([PAGE, 1 - PAGE], axis=-1)
    data = tiff(compression, options, pages, planar=2, photometric=1, rows_per_strip=20)
    np.testing.assert_array_equal(read(data), np.moveaxis(pages, -1, 0))
    np.testing.assert_array_equal(by_gdal(data), np.moveaxis(pages, -1, 0))


def test_fill_bits_need_not_be_announced():
    data = tiff(3, encode_block=lambda block: group3(block, 4))
    np.testing.assert_array_equal(read(data), PAGE)
    np.testing.assert_array_equal(by_gdal(data), PAGE)


def test_lines_without_any_eol():
    data = tiff(3, encode_block=lambda block: packed("".join(map(one_dimensional, block))))
    np.testing.assert_array_equal(read(data), PAGE)


@pytest.mark.parametrize("rows", [1, 3, HEIGHT])
@pytest.mark.parametrize("width", [8, 64, 1728])
@pytest.mark.parametrize("spare", [0, 1, 3, 8])
def test_zeros_behind_lines_without_any_eol_are_padding(rows: int, width: int, spare: int):
    page = scan(width=width)
    page[:, -8:] = 0
    page[3] = 0

    def encode(block: NDArray[np.uint8]) -> bytes:
        return packed("".join(map(one_dimensional, block))) + bytes(spare)

    data = tiff(3, page=page, rows_per_strip=rows, encode_block=encode)
    np.testing.assert_array_equal(by_gdal(data), page)
    np.testing.assert_array_equal(read(data), page)


NOISE = (np.random.default_rng(5).random((23, 133)) < 0.5).astype("u1")
RTC = 6
"""EOLs at the end of a page."""


def lines_of_t4(page: NDArray[np.uint8], options: int, eol: str, *, rtc: bool) -> str:
    """Lines with an EOL "before" each, "after" each or "never"; the tag bit precedes a line."""
    plain = list(group3_lines(page, options))
    end = (EOL + "1" * (options & 1)) * RTC * rtc
    if eol == "before":
        return "".join(EOL + line for line in plain) + end
    return "".join(line + EOL * (eol == "after") for line in plain) + end


T4_BY_GDAL = {("before", False), ("before", True), ("never", False)}
"""What GDAL reads too; it loses lines before the first EOL."""


@pytest.mark.parametrize("spare", [0, 1, 3, 8])
@pytest.mark.parametrize("rows", [None, 7, 1])
@pytest.mark.parametrize("options", [0, 1])
@pytest.mark.parametrize("rtc", [False, True])
@pytest.mark.parametrize("eol", ["before", "after", "never"])
def test_an_eol_is_before_each_line_or_after_it_or_missing(
    eol: str, rtc: bool, options: int, rows: int | None, spare: int
):
    def encode(block: NDArray[np.uint8]) -> bytes:
        return packed(lines_of_t4(block, options, eol, rtc=rtc)) + bytes(spare)

    data = tiff(3, options, NOISE, rows_per_strip=rows, encode_block=encode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read(data), NOISE)
    if (eol, rtc) in T4_BY_GDAL:
        np.testing.assert_array_equal(by_gdal(data), NOISE)


@pytest.mark.parametrize("spare", [0, 1, 3, 8])
@pytest.mark.parametrize("rows", [None, 7, 1])
@pytest.mark.parametrize("end", [0, 2, RTC])
@pytest.mark.parametrize("compression", [2, 4])
def test_an_end_mark_and_zeros_may_follow_other_lines(
    compression: int, end: int, rows: int | None, spare: int
):
    def encode(block: NDArray[np.uint8]) -> bytes:
        above = [np.zeros_like(block[0]), *block]
        pairs = itertools.pairwise(above)
        lines = "".join(two_dimensional(row, before) for before, row in pairs)
        whole = rle(block) if compression == 2 else b""
        bits = EOL * end if compression == 2 else lines + EOL * end
        return whole + (packed(bits) if bits else b"") + bytes(spare)

    data = tiff(compression, page=NOISE, rows_per_strip=rows, encode_block=encode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read(data), NOISE)
    np.testing.assert_array_equal(by_gdal(data), NOISE)
    np.testing.assert_array_equal(by_tifffile(data), NOISE)


def test_the_end_of_a_page_may_be_marked():
    data = tiff(3, encode_block=lambda block: group3(block) + packed(EOL * 6), rows_per_strip=20)
    np.testing.assert_array_equal(read(data), PAGE)
    np.testing.assert_array_equal(by_gdal(data), PAGE)


def test_files_that_differ_in_what_no_reader_needs_to_know_have_equal_codecs():
    plain, filled = (stored_metadata(virtual(tiff(3, options)))["codecs"] for options in (0, 4))
    assert plain == filled


@every_kind
def test_what_is_whole_is_decoded_by_imagecodecs(compression: int, options: int):
    encode = {2: rle, 3: lambda block: group3(block, options), 4: group4}[compression]
    codec = CcittCodec(compression=compression, two_dimensional=bool(options & 1), last=17)
    for rows in (17, 57):
        found = codec._by_imagecodecs(encode(PAGE[:rows]), HEIGHT, WIDTH)
        assert found is not None
        np.testing.assert_array_equal(found[:rows], PAGE[:rows])
        assert not found[rows:].any()


# ---- refusals


@pytest.mark.parametrize("compression", [2, 3, 4, 32771])
def test_more_than_one_bit_a_pixel_is_refused_by_name(compression: int):
    data = image(PAGE, compression=compression, encode=bytes)
    with pytest.raises(UnsupportedError, match=rf"\({compression}\) with 1 samples of 8 bits"):
        virtual(data)


def test_interleaved_samples_are_refused_by_name():
    data = image(np.stack([PAGE, PAGE], -1), compression=4, bits=1, encode=bytes)
    with pytest.raises(UnsupportedError, match=r"CCITTFax4 \(4\) with 2 samples"):
        virtual(data)


@pytest.mark.parametrize(("compression", "options"), [(3, 3), (4, 2)])
def test_the_uncompressed_mode_may_be_permitted_but_not_used(compression: int, options: int):
    data = tiff(compression, options)
    np.testing.assert_array_equal(read(data), PAGE)
    np.testing.assert_array_equal(by_gdal(data), PAGE)
    used = packed((EOL + "0") * (compression == 3) + "0000001111" + "1" * 100)
    with pytest.raises(ValueError, match="uncompressed mode"):
        read(tiff(compression, options, encode_block=lambda block: used))


# ---- damage


def damaged(compression: int, options: int, bits: dict[int, int]) -> bytes:
    """A page of one strip of which some bytes are changed."""
    encode = {2: rle, 3: lambda block: group3(block, options), 4: group4}[compression]
    data = bytearray(encode(PAGE))
    for position, mask in bits.items():
        data[position % len(data)] ^= mask
    return tiff(compression, options, encode_block=lambda block: bytes(data))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("options", [0, 1, 5])
def test_lines_behind_a_damaged_one_are_those_of_gdal(options: int, seed: int):
    random = np.random.default_rng(seed)
    data = damaged(3, options, {int(random.integers(20, 400)): 1 << int(random.integers(8))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read(data)
    # a lost EOL costs a line at the foot, where libtiff begins anew with the first
    differ = (found != by_gdal(data))[:-3].any(axis=1)
    assert differ.sum() <= 1


def test_a_wrong_code_word_is_reported_and_white_to_the_end_of_its_line():
    lines = list(group3_lines(PAGE, 0))
    lines[7] = code_words(0, 30) + code_words(1, 5) + "000000001"  # nothing begins so
    data = tiff(3, encode_block=lambda block: packed("".join(EOL + line for line in lines)))
    with pytest.warns(UserWarning, match="1 lines of a block are damaged, the first of them 7"):
        found = read(data)
    expected = PAGE.copy()
    expected[7] = 0
    expected[7, 30:35] = 1
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, by_gdal(data))


@pytest.mark.parametrize("compression", [3, 4])
def test_missing_lines_are_white_and_reported(compression: int):
    encode = {3: group3, 4: group4}[compression]
    data = tiff(compression, encode_block=lambda block: encode(block[:30]))
    with pytest.warns(UserWarning, match=f"has 30 lines, the others are white.* {HEIGHT}"):
        found = read(data)
    np.testing.assert_array_equal(found[:30], PAGE[:30])
    assert not found[30:].any()


@pytest.mark.parametrize(("compression", "alignment"), [(2, 8), (32771, 16)])
def test_missing_rows_are_an_error_where_they_are_to_libtiff(compression: int, alignment: int):
    data = tiff(compression, encode_block=lambda block: rle(block[:30], alignment))
    with pytest.raises(ValueError, match=f"end in line 30; the tags promise {HEIGHT}"):
        read(data)


def test_a_strip_in_the_middle_may_not_be_as_short_as_the_last():
    def encode(block: NDArray[np.uint8]) -> bytes:
        return rle(block[:10])

    with pytest.raises(ValueError, match="end in line 10"):
        read(tiff(2, encode_block=encode, rows_per_strip=20))


@pytest.mark.parametrize("compression", [2, 3, 4, 32771])
@pytest.mark.parametrize("data", [b"\0", bytes(50), b"\xff\xff"], ids=["0", "zeros", "ones"])
def test_what_is_no_fax_is_an_error_or_a_warning(compression: int, data: bytes):
    codec = CcittCodec(compression=compression)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            codec._decode_sync(buffer(data), chunk_spec(HEIGHT, WIDTH))
        except ValueError:
            return
    assert told


def test_a_line_of_empty_runs_without_end_is_an_error():
    """White 0 and black 0 (T.4, table 2), again and again: the line would never be full."""
    runs = "00110101" + "0000110111"
    data = int(runs * 800, 2).to_bytes(len(runs) * 100)
    with pytest.raises(ValueError, match=f"a line of {WIDTH} pixels has more than"):
        CcittCodec(compression=2)._decode_sync(buffer(data), chunk_spec(HEIGHT, WIDTH))


@every_kind
def test_any_damage_is_an_image_or_a_value_error(compression: int, options: int):
    random = np.random.default_rng(9)
    encode = {2: rle, 3: lambda block: group3(block, options), 4: group4}[compression]
    whole = encode(PAGE)
    codec = CcittCodec(compression=compression, two_dimensional=bool(options & 1))
    for _ in range(60):
        data = bytearray(whole[: random.integers(1, len(whole))])
        for position in random.integers(0, len(data), 3):
            data[position] ^= int(random.integers(1, 256))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = codec._decode_sync(buffer(bytes(data)), chunk_spec(HEIGHT, WIDTH))
            except ValueError:
                continue
        assert found.as_numpy_array().max() <= 1


def test_imagecodecs_alone_would_be_silent():
    # the reason for this codec: should imagecodecs raise one day, its own will do
    short = group4(PAGE[:30])
    assert not imagecodecs.ccittfax4_decode(short, HEIGHT, WIDTH)[30:].any()
    assert not imagecodecs.ccittrle_decode(rle(PAGE[:30]), HEIGHT, WIDTH)[30:].any()


# ---- metadata

JSON = {
    "name": "virtual_tiff.ccitt",
    "configuration": {
        "samples": 1,
        "last": 17,
        "compression": 3,
        "two_dimensional": True,
        "uncompressed": False,
    },
}


def test_it_is_what_zarr_finds_under_its_name():
    assert get_codec_class("virtual_tiff.ccitt") is CcittCodec


def test_to_and_from_dict_change_nothing():
    codec = CcittCodec(compression=3, two_dimensional=True, last=17)
    assert codec.to_dict() == JSON
    assert CcittCodec.from_dict(codec.to_dict()) == codec


def test_the_metadata_of_a_file_are_these():
    data = tiff(3, 1, rows_per_strip=20)
    (step, *others) = stored_metadata(virtual(data))["codecs"]
    assert others == []
    inner = step["configuration"].get("codec", step)  # a step around it would do no harm
    assert inner == JSON


def test_fill_order_is_a_step_of_its_own():
    codecs = stored_metadata(virtual(tiff(4, fill_order=2)))["codecs"]
    assert [codec["name"] for codec in codecs] == [
        "virtual_tiff.ccitt",
        "virtual_tiff.reverse_bits",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"compression": 5},
        {"compression": None},
        {"last": 0},
        {"last": 1.5},
        {"samples": 0},
        {"two_dimensional": 1},
        {"uncompressed": None},
        {"more": 1},
    ],
    ids=str,
)
def test_another_configuration_is_a_value_error(changes: dict[str, Any]):
    configuration = JSON["configuration"] | changes
    with pytest.raises(ValueError, match=re.escape("virtual_tiff.ccitt")):
        CcittCodec.from_dict({"name": JSON["name"], "configuration": configuration})


@pytest.mark.parametrize("shape", [(17, 5), (4,), (2, 30, 5)])
def test_a_chunk_that_it_cannot_fill_is_a_value_error(shape: tuple[int, ...]):
    codec = CcittCodec(compression=4, last=17)
    with pytest.raises(ValueError, match="chunk"):
        codec._decode_sync(buffer(group4(PAGE)), chunk_spec(*shape))


def test_the_order_of_bits_is_that_of_the_file():
    assert reverse_bits(b"\x01\x80") == b"\x80\x01"
    data = tiff(4, fill_order=2)
    without = image(
        PAGE,
        compression=4,
        bits=1,
        encode_block=lambda block: reverse_bits(group4(block)),
        extra_entries=[entry(266, SHORT, 2)],
        photometric=0,
    )
    assert data == without
