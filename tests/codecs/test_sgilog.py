"""`virtual_tiff.sgilog`: LogL and LogLuv, against GDAL (integers) and libtiff's floats."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.registry import get_codec_class

from support.build import SHORT, Picture, entry, images
from support.pixels import buffer, by_gdal, chunk_spec, read, stored_metadata, virtual
from virtual_tiff.codecs.rows.sgilog import SgiLogCodec
from virtual_tiff.tiff import UnsupportedError

LOGL, LOGLUV = 32844, 32845
UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4


def expandable(line: bytes) -> bytes:
    """Runs of 2 to 129 equal bytes, pieces of 1 to 127 others, and an empty piece."""
    coded, x = bytearray([0]), 0
    while x < len(line):
        run = 1
        while x + run < len(line) and run < 129 and line[x + run] == line[x]:
            run += 1
        if run > 1:
            coded += bytes([run + 126, line[x]])
            x += run
            continue
        end = x + 1
        while end < len(line) and end - x < 127 and line[end : end + 1] != line[end - 1 : end]:
            end += 1
        coded += bytes([end - x]) + line[x:end]
        x = end
    return bytes(coded)


def by_planes(block: NDArray[Any], size: int) -> bytes:
    """Rows of L16 (size 2) or Luv32 (size 4), the most significant bytes first."""
    planes = block.astype(f">u{size}").view("u1").reshape(*block.shape, size)
    lines = (planes[y, :, plane] for y in range(len(block)) for plane in range(size))
    return b"".join(expandable(line.tobytes()) for line in lines)


def plain(block: NDArray[Any]) -> bytes:
    """Luv24."""
    return block.astype(">u4").view("u1").reshape(-1, 4)[:, 1:].tobytes()


def stored(bits: int, height: int = 21, width: int = 40) -> NDArray[np.uint32]:
    """Pixels as they are stored: some rows of equal ones, black, and every bit."""
    random = np.random.default_rng(7)
    pixels = random.integers(0, 2**bits, (height, width), dtype="u4")
    pixels[1] = pixels[1, 0]
    pixels[2, ::3] = 0
    return pixels


KINDS = {
    "L16": (34676, LOGL, 16, lambda block: by_planes(block, 2)),
    "L16, numbered as 24": (34677, LOGL, 16, lambda block: by_planes(block, 2)),
    "Luv32": (34676, LOGLUV, 32, lambda block: by_planes(block, 4)),
    "Luv24": (34677, LOGLUV, 24, plain),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def tiff(
    kind: str,
    bits: int = 16,
    sample_format: int = SIGNED,
    pixels: NDArray[Any] | None = None,
    **changes: Any,
) -> bytes:
    """A file whose tags ask for samples of some bits and format."""
    compression, photometric, stored_bits, encode = KINDS[kind]
    samples = changes.pop("samples", 1 if photometric == LOGL else 3)
    byteorder = changes.pop("byteorder", "II")
    tags = [
        entry(258, SHORT, [bits] * samples),
        entry(277, SHORT, samples),
        entry(339, SHORT, [sample_format] * samples),
    ]
    options = {"encode_block": encode, "photometric": photometric, "extra_entries": tags} | changes
    page = stored(stored_bits) if pixels is None else pixels
    return images([Picture(page, compression=compression, **options)], byteorder=byteorder)


@every_kind
@pytest.mark.parametrize("sample_format", [UNSIGNED, SIGNED, UNDEFINED])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("rows", [None, 8, 1])
def test_16_bits_are_those_of_gdal(kind: str, sample_format: int, byteorder: str, rows: int | None):
    data = tiff(kind, 16, sample_format, byteorder=byteorder, rows_per_strip=rows)
    found, expected = read(data), by_gdal(data)
    assert found.dtype == expected.dtype == ("i2" if sample_format == SIGNED else "u2")
    np.testing.assert_array_equal(found, expected)


@every_kind
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_floats_are_those_of_gdal(kind: str, byteorder: str):
    data = tiff(kind, 32, FLOAT, byteorder=byteorder, rows_per_strip=8)
    found, expected = read(data), by_gdal(data)
    assert found.dtype == expected.dtype == "f4"
    np.testing.assert_allclose(found, expected, rtol=2e-7)


@pytest.mark.parametrize("kind", ["Luv32", "Luv24"])
def test_one_number_of_32_bits_is_the_stored_pixel(kind: str):
    data = tiff(kind, 32, UNSIGNED, samples=1)
    np.testing.assert_array_equal(read(data), stored(KINDS[kind][2]))
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize(("bits", "sample_format"), [(16, SIGNED), (32, FLOAT)])
def test_every_chromaticity_of_the_24_bits(bits: int, sample_format: int):
    pixels = (np.arange(2**14, dtype="u4") + (900 << 14)).reshape(128, 128)
    data = tiff("Luv24", bits, sample_format, pixels)
    found, expected = read(data), by_gdal(data)
    if bits == 16:
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, expected, rtol=2e-7)


@pytest.mark.parametrize("kind", ["L16", "Luv24"])
def test_every_luminance(kind: str):
    bits, shift = (16, 0) if kind == "L16" else (10, 14)
    pixels = (np.arange(2**bits, dtype="u4") << shift).reshape(-1, 64)
    data = tiff(kind, 32, FLOAT, pixels)
    np.testing.assert_allclose(read(data), by_gdal(data), rtol=2e-7)


def test_tiles_and_fill_order():
    for kind in KINDS:
        data = tiff(kind, tile=(16, 16), fill_order=2)
        np.testing.assert_array_equal(read(data), by_gdal(data))


# ---- refusals


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("L16", {"bits": 8, "sample_format": UNSIGNED}),
        ("L16", {"bits": 32, "sample_format": UNSIGNED}),
        ("Luv32", {"bits": 8, "sample_format": UNSIGNED}),
        ("Luv32", {"bits": 32, "sample_format": UNSIGNED}),
        ("Luv32", {"bits": 16, "samples": 1}),
        ("Luv24", {"photometric": 1}),
        ("Luv24", {"planar": 2}),
    ],
    ids=str,
)
def test_what_libtiff_gives_no_numbers_for_is_refused_by_name(kind: str, changes: dict[str, Any]):
    bits, sample_format = changes.pop("bits", 16), changes.pop("sample_format", SIGNED)
    if changes.get("planar"):
        changes["extra_entries"] = [
            entry(258, SHORT, [16] * 3),
            entry(277, SHORT, 3),
            entry(339, SHORT, [SIGNED] * 3),
            entry(284, SHORT, 2),
        ]
    data = tiff(kind, bits, sample_format, **changes)
    with pytest.raises(UnsupportedError, match=r"Compression SGILog(24)? \(3467\d\) with"):
        virtual(data)


# ---- damage


@every_kind
def test_a_short_block_is_a_value_error(kind: str):
    encode = KINDS[kind][3]
    data = tiff(kind, encode_block=lambda block: encode(block)[:-2])
    with pytest.raises(ValueError, match="end in row 20; the tags promise 21"):
        read(data)


@every_kind
def test_a_strip_in_the_middle_may_not_be_as_short_as_the_last(kind: str):
    encode = KINDS[kind][3]

    def shortened(block: NDArray[Any]) -> bytes:
        return encode(block)[: -2 if len(block) == 8 else None]

    data = tiff(kind, encode_block=shortened, rows_per_strip=8)
    with pytest.raises(ValueError, match="end in row 7; the tags promise 8"):
        read(data)


@pytest.mark.parametrize(("pixel", "size"), [("L16", 2), ("Luv32", 4)])
def test_any_damage_is_an_image_or_a_value_error(pixel: Any, size: int):
    random = np.random.default_rng(9)
    codec = SgiLogCodec(pixel=pixel, samples=1)
    whole = by_planes(stored(16), size)
    spec = chunk_spec(21, 40, dtype=f"uint{8 * size}")
    for _ in range(100):
        data = bytearray(whole)
        data[random.integers(len(data))] ^= int(random.integers(1, 256))
        try:
            found = codec._decode_sync(buffer(bytes(data)), spec)
        except ValueError:
            continue
        assert found.shape == (21, 40)


# ---- metadata

JSON = {
    "name": "virtual_tiff.sgilog",
    "configuration": {"samples": 3, "last": 5, "pixel": "Luv24"},
}


def test_the_metadata_round_trip():
    assert get_codec_class("virtual_tiff.sgilog") is SgiLogCodec
    codec = SgiLogCodec(pixel="Luv24", samples=3, last=5)
    assert codec.to_dict() == JSON
    assert SgiLogCodec.from_dict(codec.to_dict()) == codec
    transpose, step = stored_metadata(virtual(tiff("Luv24", rows_per_strip=8)))["codecs"]
    assert transpose["name"] == "transpose"
    assert step["configuration"].get("codec", step) == JSON


@pytest.mark.parametrize(
    "changes", [{"pixel": "Luv48"}, {"pixel": "L16"}, {"samples": 0}, {"last": 2.0}], ids=str
)
def test_another_configuration_is_a_value_error(changes: dict[str, Any]):
    configuration = JSON["configuration"] | changes
    with pytest.raises(ValueError, match=re.escape("virtual_tiff.sgilog")):
        SgiLogCodec.from_dict({"name": JSON["name"], "configuration": configuration})


@pytest.mark.parametrize("dtype", ["float64", "uint8", "uint32"])
def test_another_data_type_is_a_value_error(dtype: str):
    codec = SgiLogCodec(pixel="Luv24", samples=3)
    with pytest.raises(ValueError, match="Luv24 pixels cannot become 3 samples"):
        codec._decode_sync(buffer(plain(stored(24))), chunk_spec(21, 40, 3, dtype=dtype))
