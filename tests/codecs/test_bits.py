"""`virtual_tiff.bits`, and `imagecodecs_packints` where it can say the same."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.registry import get_codec_class

from support.build import SHORT, entry, image, pack_bits
from support.pixels import (
    bands_first,
    buffer,
    by_gdal,
    by_tifffile,
    chunk_spec,
    read,
    stored_metadata,
    virtual,
)
from virtual_tiff.codecs.samples.bits import BitsCodec

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

JSON = {"name": "virtual_tiff.bits", "configuration": {"bits": 5, "row": 7, "endian": "big"}}
WHOLE = {8, 16, 32, 64}
PACKED = [bits for bits in range(1, 64) if bits not in WHOLE]
GDALS = [bits for bits in PACKED if bits < 32]
BLOCKS: dict[str, dict[str, Any]] = {
    "strips": {"rows_per_strip": 8},
    "tiles": {"tile": (16, 16)},
}
PIPELINES = ["BatchedCodecPipeline", "FusedCodecPipeline"]


def numbers(bits: int, *shape: int) -> NDArray[np.uint64]:
    found = np.random.default_rng(bits).integers(0, 2**bits - 1, shape, "u8", endpoint=True)
    found.flat[:2] = 0, 2**bits - 1
    return found


def signed(found: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """The same bits as two's complement, by arithmetic."""
    return np.array(
        [n - (1 << bits) if n >> (bits - 1) else n for n in map(int, found.flat)], "i8"
    ).reshape(found.shape)


def of_format(sample_format: int, samples: int = 1) -> dict[str, Any]:
    return {"extra_entries": [entry(339, SHORT, [sample_format] * samples)]}


def names(data: bytes) -> list[str]:
    return [step["name"] for step in stored_metadata(virtual(data))["codecs"]]


# ---- files


@pytest.mark.parametrize("bits", GDALS)
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("block", BLOCKS)
def test_every_depth_is_gdals(bits: int, byteorder: str, block: str):
    data = image(
        numbers(bits, 21, 29, 3),
        bits=bits,
        byteorder=byteorder,
        planar=1 + (bits + len(block)) // 2 % 2,
        compression=(1, 5, 8)[bits % 3],
        fill_order=1 + bits % 2,
        photometric=2,
        **BLOCKS[block],
        **of_format(1, 3),
    )
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("bits", [bits for bits in GDALS if bits > 1])
def test_every_depth_is_tifffiles(bits: int):
    data = image(numbers(bits, 21, 29, 3), bits=bits, rows_per_strip=8)
    np.testing.assert_array_equal(read(data), bands_first(by_tifffile(data)))


@pytest.mark.parametrize("bits", [bits for bits in PACKED if bits > 32])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_depths_that_gdal_does_not_read(bits: int, byteorder: str):
    pixels = numbers(bits, 21, 29, 3)
    data = image(pixels, bits=bits, planar=1 + bits % 2, byteorder=byteorder, rows_per_strip=8)
    found = read(data)
    assert found.dtype == "uint64"
    np.testing.assert_array_equal(found, bands_first(pixels))


@pytest.mark.parametrize("bits", PACKED)
def test_signed_integers_keep_their_sign(bits: int):
    pixels = numbers(bits, 21, 29)
    found = read(image(pixels, bits=bits, rows_per_strip=8, **of_format(2)))
    assert found.dtype.kind == "i"
    assert found.dtype.itemsize * 8 >= bits > found.dtype.itemsize * 4 or bits < 8
    np.testing.assert_array_equal(found, signed(pixels, bits))


def test_signed_integers_that_are_positive_are_gdals():
    data = image(numbers(11, 21, 29), bits=12, **of_format(2))
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_undefined_samples_are_unsigned():
    pixels = numbers(12, 21, 29)
    np.testing.assert_array_equal(read(image(pixels, bits=12, **of_format(4))), pixels)


@pytest.mark.parametrize("path", PIPELINES)
def test_both_pipelines_decode(path: str):
    pixels = numbers(33, 21, 29)
    with zarr.config.set({"codec_pipeline.path": f"zarr.core.codec_pipeline.{path}"}):
        found = read(image(pixels, bits=33, rows_per_strip=8, compression=8))
    np.testing.assert_array_equal(found, pixels)


def test_imagecodecs_unpacks_what_it_can():
    assert "imagecodecs_packints" in names(image(numbers(12, 4, 4), bits=12))
    assert "virtual_tiff.bits" in names(image(numbers(12, 4, 4), bits=12, **of_format(2)))
    assert "virtual_tiff.bits" in names(image(numbers(33, 4, 4), bits=33))


# ---- decoding


def decoded(codec: BitsCodec, data: bytes, *shape: int, dtype: str) -> NDArray[Any]:
    return codec._decode_sync(buffer(data), chunk_spec(*shape, dtype=dtype)).as_numpy_array()


@pytest.mark.parametrize("bits", range(1, 65))
def test_rows_begin_at_bytes(bits: int):
    pixels = numbers(bits, 3, 5)
    codec = BitsCodec(bits=bits, row=5)
    found = decoded(codec, pack_bits(pixels, bits), 3, 5, dtype="uint64")
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("bits", [8, 16, 24, 40, 48, 56, 64])
def test_samples_of_whole_bytes_may_be_little_endian(bits: int):
    pixels = numbers(bits, 3, 5)
    stored = b"".join(int(n).to_bytes(bits // 8, "little") for n in pixels.flat)
    codec = BitsCodec(bits=bits, row=5, endian="little")
    np.testing.assert_array_equal(decoded(codec, stored, 3, 5, dtype="uint64"), pixels)


def test_a_plane_is_as_good_as_rows():
    found = decoded(BitsCodec(bits=12, row=3), bytes.fromhex("0123456010") * 2, 1, 2, 3, dtype="u2")
    assert found.tolist() == [[[0x012, 0x345, 0x601]] * 2]


def test_samples_are_interleaved_within_a_row():
    found = decoded(BitsCodec(bits=4, row=6), bytes.fromhex("123456"), 1, 2, 3, dtype="uint8")
    assert found.tolist() == [[[1, 2, 3], [4, 5, 6]]]


@pytest.mark.parametrize("length", [0, 1, 14, 16, 1000])
def test_another_length_is_refused_with_what_is_promised(length: int):
    with pytest.raises(ValueError, match=rf"block has {length} bytes; 3 rows .* have 15"):
        decoded(BitsCodec(bits=5, row=7), bytes(length), 3, 7, dtype="uint8")


def test_a_chunk_that_has_no_whole_rows_is_refused():
    with pytest.raises(ValueError, match="block has 15 bytes"):
        decoded(BitsCodec(bits=5, row=7), bytes(15), 3, 8, dtype="uint8")


@pytest.mark.parametrize("dtype", ["uint8", "float32", "complex64"])
def test_a_type_that_cannot_hold_the_bits_is_refused(dtype: str):
    with pytest.raises(ValueError, match="cannot hold 12 bits"):
        decoded(BitsCodec(bits=12, row=2), bytes(3), 1, 2, dtype=dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_one_bit_more_than_the_type_has_is_refused(dtype: str):
    bits = np.dtype(dtype).itemsize * 8 + 1
    with pytest.raises(ValueError, match=f"{dtype} cannot hold {bits} bits"):
        decoded(BitsCodec(bits=bits, row=8), bytes(bits), 1, 8, dtype=dtype)


@pytest.mark.parametrize("bits", [12, 33])
@pytest.mark.parametrize("sample_format", [1, 2])
def test_a_short_block_of_a_file_raises(bits: int, sample_format: int):
    def damaged(block: NDArray[Any]) -> bytes:
        return zlib.compress(pack_bits(block, bits)[:-4])

    pixels = numbers(bits, 21, 29)
    data = image(pixels, encode_block=damaged, bits=bits, compression=8, **of_format(sample_format))
    with pytest.raises(ValueError, match=r"the block has \d+ bytes|cannot reshape"):
        read(data)


# ---- metadata


def test_it_is_what_zarr_finds_under_its_name():
    assert get_codec_class("virtual_tiff.bits") is BitsCodec


def test_the_round_trip_changes_nothing():
    assert BitsCodec.from_dict(dict(JSON)).to_dict() == JSON


@pytest.mark.parametrize(
    "change",
    [
        {"bits": 0},
        {"bits": 65},
        {"bits": "5"},
        {"bits": 5.0},
        {"row": 0},
        {"row": 7.5},
        {"endian": "native"},
        {"endian": "little"},
        {"more": 1},
    ],
    ids=str,
)
def test_another_metadata_is_a_value_error(change: dict[str, Any]):
    with pytest.raises(ValueError, match=r"virtual_tiff\.bits"):
        BitsCodec.from_dict({**JSON, "configuration": JSON["configuration"] | change})


def test_encoding_is_refused_with_advice():
    codec = BitsCodec(bits=5, row=7)
    with pytest.raises(NotImplementedError, match=r"virtual_tiff\.bits .* choose other codecs"):
        codec._encode_sync(None, chunk_spec(1, 7))


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("row", [1, 2**40])
@pytest.mark.parametrize("bits", [8, 64, np.int64(16)])
def test_every_row_and_order_of_whole_bytes_can_be_made(bits: int, row: int, endian: Any) -> None:
    codec = BitsCodec(bits=bits, row=row, endian=endian)
    assert (codec.bits, codec.row, codec.endian) == (bits, row, endian)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bits": 0}, "bits=0 must be 1 to 64 and row=7 positive"),
        ({"bits": -5}, "bits=-5 must be 1 to 64"),
        ({"bits": 65}, "bits=65 must be 1 to 64"),
        ({"row": 0}, "row=0 positive"),
        ({"row": -1}, "row=-1 positive"),
        ({"endian": "native"}, "endian=.native. is neither little nor big"),
        ({"endian": None}, "endian=None is neither little nor big"),
        ({"endian": "little"}, "samples of 5 bits cannot have endian=.little."),
        ({"endian": "little", "bits": 12}, "samples of 12 bits cannot have endian=.little."),
    ],
    ids=str,
)
def test_the_constructor_says_which_number_is_wrong(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BitsCodec(**{"bits": 5, "row": 7} | change)


@pytest.mark.parametrize("change", [{"bits": 5.0}, {"bits": "5"}, {"row": 7.0}, {"row": None}])
def test_the_constructor_takes_whole_numbers_alone(change: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="integer"):
        BitsCodec(**{"bits": 5, "row": 7} | change)
