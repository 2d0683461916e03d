"""`virtual_tiff.thunderscan`: ThunderScan's 4-bit grey, against GDAL."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.registry import get_codec_class

from support.build import image
from support.pixels import buffer, by_gdal, chunk_spec, read, stored_metadata, virtual
from virtual_tiff.codecs.rows.thunderscan import ThunderScanCodec
from virtual_tiff.tiff import UnsupportedError

TWO_BITS = {0: 0, 1: 1, -1: 3}
THREE_BITS = {0: 0, 1: 1, 2: 2, 3: 3, -3: 5, -2: 6, -1: 7}
SKIP_2, SKIP_3 = 2, 4


def encoded_row(row: NDArray[np.uint8]) -> bytes:
    """Runs where there are any, differences where they are small enough, pixels otherwise."""
    coded, last, x = bytearray(), 0, 0
    values = row.tolist()
    while x < len(values):
        run = 0
        while x + run < len(values) and values[x + run] == last and run < 63:
            run += 1
        ahead = [b - a for a, b in zip([last, *values[x:]], values[x : x + 3], strict=False)]
        if run > 3:
            coded.append(run)
            x += run
            continue
        small = [delta for delta in ahead if delta in TWO_BITS]
        if len(ahead) > 1 and len(small) == len(ahead):
            codes = [*map(TWO_BITS.__getitem__, ahead), SKIP_2][:3]
            coded.append(0x40 | codes[0] << 4 | codes[1] << 2 | codes[2])
            x += len(ahead)
        elif ahead[0] in THREE_BITS:
            pair = len(ahead) > 1 and ahead[1] in THREE_BITS
            second = THREE_BITS[ahead[1]] if pair else SKIP_3
            coded.append(0x80 | THREE_BITS[ahead[0]] << 3 | second)
            x += 1 + pair
        else:
            coded.append(0xC0 | values[x])
            x += 1
        last = values[x - 1]
    return bytes(coded)


def encoded(block: NDArray[np.uint8]) -> bytes:
    return b"".join(map(encoded_row, block))


def picture(height: int = 31, width: int = 151) -> NDArray[np.uint8]:
    random = np.random.default_rng(6)
    steps = random.choice([0, 0, 0, 0, 0, 1, -1, 2, -3, 7], (height, width))
    steps[:, width // 3 : width // 2] = 0
    return (steps.cumsum(axis=1) % 16).astype("u1")


PICTURE = picture()


def tiff(page: NDArray[Any] = PICTURE, **changes: Any) -> bytes:
    changes = {"photometric": 1, "encode_block": encoded} | changes
    return image(page, compression=32809, bits=4, **changes)


def test_the_encoder_uses_all_that_there_is():
    kinds = {byte >> 6 for byte in encoded(PICTURE)}
    assert kinds == {0, 1, 2, 3}


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


@pytest.mark.parametrize(
    ("data", "row"),
    [
        (bytes([0xC5, 0x00, 0x03]), [5, 5, 5, 5]),
        (bytes([0xC5, 0b01_01_01_01]), [5, 6, 7, 8]),
        (bytes([0x42 | 0x10, 0x42, 0x40]), [1, 1, 1, 1]),
        (bytes([0xCF, 0b10_001_100, 0b10_111_111]), [15, 0, 15, 14]),
        (bytes([0b10_011_011, 0b01_11_11_11]), [3, 6, 5, 4]),
    ],
    ids=["an empty run", "differences", "skips", "modulo 16", "too many"],
)
def test_the_codes(data: bytes, row: list[int]):
    written = tiff(np.array([row], "u1"), encode_block=lambda block: data)
    np.testing.assert_array_equal(read(written), [row])
    np.testing.assert_array_equal(by_gdal(written), [row])


@pytest.mark.parametrize(
    "spoiled",
    [lambda data: data[:-1], lambda data: b"\x3f" * 3 + data, lambda _: b"\0" * 99],
    ids=["truncated", "a run too long", "nothing"],
)
def test_damage_is_a_value_error(spoiled: Any):
    data = tiff(encode_block=lambda block: spoiled(encoded(block)))
    with pytest.raises(ValueError, match=r"row \d+ of a block has \d+ pixels, not 151"):
        read(data)


def test_a_strip_in_the_middle_may_not_be_shorter():
    data = tiff(encode_block=lambda block: encoded(block[:9]), rows_per_strip=12)
    with pytest.raises(ValueError, match="row 9 of a block has 0 pixels"):
        read(data)


@pytest.mark.long
def test_any_damage_is_an_image_or_a_value_error():
    random = np.random.default_rng(9)
    codec = ThunderScanCodec(last=7)
    for _ in range(100):
        data = bytearray(encoded(PICTURE)[: random.integers(1, 3000)])
        data[random.integers(len(data))] ^= int(random.integers(1, 256))
        try:
            found = codec._decode_sync(buffer(bytes(data)), chunk_spec(31, 151))
        except ValueError:
            continue
        assert found.as_numpy_array().max() <= 15


def test_another_type_than_it_decodes_to_is_refused():
    with pytest.raises(ValueError, match=r"thunderscan gives uint8, not uint16"):
        ThunderScanCodec()._decode_sync(buffer(encoded(PICTURE)), chunk_spec(31, 151, dtype="u2"))


def test_other_depths_are_refused_by_name():
    with pytest.raises(UnsupportedError, match=r"ThunderScan \(32809\) with 1 samples of 8 bits"):
        virtual(image(PICTURE, compression=32809, encode=bytes))


def test_the_metadata_round_trip():
    json = {"name": "virtual_tiff.thunderscan", "configuration": {"samples": 1, "last": 7}}
    assert get_codec_class("virtual_tiff.thunderscan") is ThunderScanCodec
    codec = ThunderScanCodec(last=7)
    assert codec.to_dict() == json
    assert ThunderScanCodec.from_dict(codec.to_dict()) == codec
    (step,) = stored_metadata(virtual(tiff(rows_per_strip=12)))["codecs"]
    assert step["configuration"].get("codec", step) == json
