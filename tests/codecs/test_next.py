"""`virtual_tiff.next`: NeXT's 2-bit grey, against GDAL."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.registry import get_codec_class

from support.build import image, pack_bits
from support.pixels import buffer, by_gdal, chunk_spec, read, stored_metadata, virtual
from virtual_tiff.codecs.rows.next import NextCodec
from virtual_tiff.tiff import UnsupportedError

LITERAL_ROW, LITERAL_SPAN = b"\0", b"\x40"


def encoded_row(row: NDArray[np.uint8], kind: int) -> bytes:
    """A row in one of the three ways; a span is possible where the rest is white."""
    packed = pack_bits(row[None], 2)
    if kind == 0:
        return LITERAL_ROW + packed
    if kind == 1:
        filled = pack_bits(np.pad(row, (0, -len(row) % 4), constant_values=3)[None], 2)
        used = np.flatnonzero(np.frombuffer(filled, "u1") != 255)
        first, end = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
        span = first.to_bytes(2) + (end - first).to_bytes(2)
        return LITERAL_SPAN + span + filled[first:end]
    bounds = [0, *(np.flatnonzero(np.diff(row.astype(int))) + 1).tolist(), len(row)]
    coded = b""
    for begin, end in itertools.pairwise(bounds):
        grey, length = int(row[begin]) << 6, end - begin
        rest = bytes([grey | length % 63]) if length % 63 else b""
        coded += bytes([grey | 63]) * (length // 63) + rest
    return coded


def encoded(block: NDArray[np.uint8]) -> bytes:
    return b"".join(encoded_row(row, number % 3) for number, row in enumerate(block))


def picture(height: int = 31, width: int = 150) -> NDArray[np.uint8]:
    random = np.random.default_rng(5)
    pixels = np.full((height, width), 3, "u1")
    for row in pixels:
        begin = random.integers(0, width // 2 + 1)
        length = random.integers(1, width // 2 + 2)
        greys = np.repeat(random.integers(0, 4, width), 3)[:length]
        row[begin : begin + length] = greys[: width - begin]
    pixels[2] = 1
    return pixels


PICTURE = picture()


def tiff(page: NDArray[Any] = PICTURE, **changes: Any) -> bytes:
    changes = {"photometric": 1, "encode_block": encoded} | changes
    return image(page, compression=32766, bits=2, **changes)


@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("rows", [None, 12, 1])
def test_it_reads_what_gdal_reads(rows: int | None, byteorder: str):
    data = tiff(rows_per_strip=rows, byteorder=byteorder)
    np.testing.assert_array_equal(read(data), PICTURE)
    np.testing.assert_array_equal(by_gdal(data), PICTURE)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 63, 64, 1000])
def test_any_width(width: int):
    page = picture(9, width)
    data = tiff(page)
    np.testing.assert_array_equal(read(data), page)
    np.testing.assert_array_equal(by_gdal(data), page)


def test_fill_order_2():
    data = tiff(fill_order=2)
    np.testing.assert_array_equal(read(data), PICTURE)
    np.testing.assert_array_equal(by_gdal(data), PICTURE)


def test_planes():
    pages = np.stack([PICTURE, 3 - PICTURE], axis=-1)
    data = tiff(
        pages,
        planar=2,
        rows_per_strip=12,
        encode_block=lambda block: b"".join(encoded_row(row, 0) for row in block),
    )
    np.testing.assert_array_equal(read(data), np.moveaxis(pages, -1, 0))
    np.testing.assert_array_equal(by_gdal(data), np.moveaxis(pages, -1, 0))


def test_a_run_may_reach_past_its_row():
    data = tiff(PICTURE[:1, :10], encode_block=lambda block: bytes([0x85, 0xFF, 0x40]))
    expected = [[2] * 5 + [3] * 5]
    np.testing.assert_array_equal(read(data), expected)
    np.testing.assert_array_equal(by_gdal(data), expected)


def test_rows_that_the_data_do_not_hold_are_white_and_reported():
    data = tiff(encode_block=lambda block: encoded(block[:9]))
    with pytest.warns(UserWarning, match="has 9 rows, the others are white.* 31"):
        found = read(data)
    np.testing.assert_array_equal(found[:9], PICTURE[:9])
    assert (found[9:] == 3).all()
    np.testing.assert_array_equal(found, by_gdal(data))


@pytest.mark.parametrize(
    "spoiled",
    [
        LITERAL_ROW + b"abc",
        LITERAL_SPAN + b"\0\0\0",
        LITERAL_SPAN + b"\0\x01\0\xff" + bytes(255),
        LITERAL_SPAN + b"\0\0\0\x08abc",
        b"\xc1\xc1",
        b"\x80" * 1000,
    ],
    ids=["row", "span's head", "span past its row", "span", "runs", "empty runs"],
)
def test_damage_is_a_value_error(spoiled: bytes):
    data = tiff(encode_block=lambda block: encoded(block[:4]) + spoiled)
    with pytest.raises(ValueError, match="damaged or end in row 4; the tags promise 31"):
        read(data)


def test_any_damage_is_an_image_or_a_value_error():
    random = np.random.default_rng(9)
    codec = NextCodec(last=7)
    for _ in range(200):
        data = bytearray(encoded(PICTURE)[: random.integers(1, 900)])
        data[random.integers(len(data))] ^= int(random.integers(1, 256))
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *_, **__: None)
                found = codec._decode_sync(buffer(bytes(data)), chunk_spec(31, 150))
        except ValueError:
            continue
        assert found.as_numpy_array().max() <= 3


def test_other_depths_are_refused_by_name():
    with pytest.raises(UnsupportedError, match=r"NeXT \(32766\) with 1 samples of 8 bits"):
        virtual(image(PICTURE, compression=32766, encode=bytes))


JSON = {"name": "virtual_tiff.next", "configuration": {"samples": 1, "last": 7}}


def test_the_metadata_round_trip():
    assert get_codec_class("virtual_tiff.next") is NextCodec
    codec = NextCodec(last=7)
    assert codec.to_dict() == JSON
    assert NextCodec.from_dict(codec.to_dict()) == codec
    (step,) = stored_metadata(virtual(tiff(rows_per_strip=12)))["codecs"]
    assert step["configuration"].get("codec", step) == JSON


@pytest.mark.parametrize("changes", [{"last": 0}, {"last": "7"}, {"samples": None}], ids=str)
def test_another_configuration_is_a_value_error(changes: dict[str, Any]):
    configuration = JSON["configuration"] | changes
    with pytest.raises(ValueError, match=re.escape("virtual_tiff.next")):
        NextCodec.from_dict({"name": JSON["name"], "configuration": configuration})


@pytest.mark.parametrize("last", [3, 2])
def test_a_block_without_data_is_damaged(last: int) -> None:
    codec = NextCodec(last=last)
    spec = chunk_spec(4, 8)
    with pytest.raises(ValueError, match="the data of a block are empty"):
        codec._decode_sync(buffer(b""), spec)
