"""`virtual_tiff.packed_pixels`: RGB of 5, 6 and 5 bits, widened to 8 as tifffile does."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.registry import get_codec_class

from support.build import SHORT, entry, image
from support.pixels import bands_first, buffer, by_tifffile, chunk_spec, read
from virtual_tiff.codecs.samples.packed_pixels import PackedPixelsCodec

NAME = "virtual_tiff.packed_pixels"
JSON: dict[str, Any] = {
    "name": NAME,
    "configuration": {"bits": [5, 6, 5], "endian": "little"},
}
CODEC = PackedPixelsCodec(bits=[5, 6, 5], endian="little")
BLOCKS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rows_per_strip": 8},
    "tiles": {"tile": (16, 16)},
}


def rgb(*shape: int) -> NDArray[np.uint8]:
    """Samples of 5, 6 and 5 bits."""
    random = np.random.default_rng(2)
    return np.stack([random.integers(0, 2**n, shape, "u1") for n in (5, 6, 5)], axis=-1)


def words(pixels: NDArray[np.uint8], byteorder: str) -> bytes:
    r, g, b = np.moveaxis(pixels.astype("u2"), -1, 0)
    return (r << 11 | g << 5 | b).astype("<u2" if byteorder == "II" else ">u2").tobytes()


def widened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    r, g, b = np.moveaxis(pixels, -1, 0)
    return np.stack([r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2], axis=-1)


def tiff(pixels: NDArray[np.uint8], byteorder: str, compression: int = 1, **options: Any) -> bytes:
    compress = zlib.compress if compression == 8 else bytes
    return image(
        pixels,
        byteorder=byteorder,
        photometric=2,
        compression=compression,
        encode_block=lambda block: compress(words(block, byteorder)),
        extra_entries=[entry(258, SHORT, [5, 6, 5])],
        **options,
    )


@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("compression", [1, 8])
def test_samples_are_widened(byteorder: str, block: str, compression: int):
    pixels = rgb(21, 29)
    found = read(tiff(pixels, byteorder, compression, **BLOCKS[block]))
    np.testing.assert_array_equal(found, bands_first(widened(pixels)))


@pytest.mark.parametrize("block", BLOCKS)
def test_they_are_tifffiles(block: str):
    # of big-endian files tifffile forgets the byte order, which its type of bytes has not
    data = tiff(rgb(21, 29), "II", **BLOCKS[block])
    np.testing.assert_array_equal(read(data), bands_first(by_tifffile(data)))


@pytest.mark.parametrize("change", [-1, -100])
def test_a_shorter_block_raises(change: int):
    data = image(
        rgb(8, 8),
        photometric=2,
        compression=8,
        encode_block=lambda _: zlib.compress(bytes(128 + change)),
        extra_entries=[entry(258, SHORT, [5, 6, 5])],
    )
    with pytest.raises(ValueError, match=f"has {128 + change} bytes; its pixels take 128"):
        read(data)


def test_white_is_white_and_black_is_black():
    spec = chunk_spec(1, 2, 3)
    found = CODEC._decode_sync(buffer(b"\xff\xff\0\0"), spec).as_numpy_array()
    assert found.tolist() == [[[255] * 3, [0] * 3]]


def test_a_wider_type_takes_more_repetitions():
    codec = PackedPixelsCodec(bits=[1, 7], endian="big")
    spec = chunk_spec(1, 1, 2, dtype="uint16")
    found = codec._decode_sync(buffer(b"\xff"), spec).as_numpy_array()
    assert found.tolist() == [[[65535, 65535]]]


def test_samples_of_more_bits_than_are_tabled_are_widened():
    codec = PackedPixelsCodec(bits=[16, 16], endian="little")
    words = np.array([0x00011234, 0xFFFF8000], "<u4")
    found = codec._decode_sync(buffer(words.tobytes()), chunk_spec(1, 2, 2, dtype="uint16"))
    assert found.as_numpy_array().tolist() == [[[0x0001, 0x1234], [0xFFFF, 0x8000]]]
    codec = PackedPixelsCodec(bits=[13, 3], endian="big")
    spec = chunk_spec(1, 1, 2, dtype="uint16")
    found = codec._decode_sync(buffer(b"\x80\x0f"), spec)
    # 13 bits are repeated from the highest one on
    assert found.as_numpy_array().tolist() == [[[0b1_0000_0000_0001_100, 0xFFFF]]]


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 1, 2), "uint8"), ((1, 1, 3), "int8"), ((1, 1, 3), "float32")]
)
def test_another_array_is_refused(shape: tuple[int, ...], dtype: str):
    with pytest.raises(ValueError, match=r"packed_pixels: bits=\[5, 6, 5\] do not fit"):
        CODEC._decode_sync(buffer(bytes(2)), chunk_spec(*shape, dtype=dtype))


def test_the_round_trip_changes_nothing():
    assert get_codec_class(NAME) is PackedPixelsCodec
    assert PackedPixelsCodec.from_dict(dict(JSON)).to_dict() == JSON


@pytest.mark.parametrize(
    "change",
    [
        {"bits": [5, 5, 5]},
        {"bits": [16, 0]},
        {"bits": [5.0, 6.0, 5.0]},
        {"bits": 16},
        {"endian": "native"},
        {"more": 1},
    ],
    ids=str,
)
def test_another_metadata_is_a_value_error(change: dict[str, Any]):
    with pytest.raises(ValueError, match=r"virtual_tiff\.packed_pixels"):
        PackedPixelsCodec.from_dict({**JSON, "configuration": JSON["configuration"] | change})


def test_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match="choose other codecs"):
        CODEC._encode_sync(None, chunk_spec(1, 1, 3))
