"""`virtual_tiff.reverse_bits`: FillOrder 2 of samples of every depth, as GDAL reads them."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from zarr.registry import get_codec_class

from support.build import Picture, image, reverse_bits
from support.pixels import bands_first, buffer, by_gdal, by_tifffile, chunk_spec, read, values
from virtual_tiff.codecs.samples.reverse_bits import ReverseBitsCodec

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

JSON = {"name": "virtual_tiff.reverse_bits", "configuration": {}}
CODEC = ReverseBitsCodec()


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i2", "f4"])
def test_samples_of_whole_bytes_are_gdals(dtype: str, byteorder: str, compression: int):
    encode = imagecodecs.packbits_encode if compression == 32773 else None
    data = image(
        values(dtype, 21, 29, 3),
        byteorder=byteorder,
        compression=compression,
        encode=encode,
        fill_order=2,
        rows_per_strip=8,
    )
    found = read(data)
    np.testing.assert_array_equal(found, by_gdal(data))
    np.testing.assert_array_equal(found, bands_first(by_tifffile(data)))


@pytest.mark.parametrize("bits", [bits for bits in range(1, 65) if bits not in (8, 16, 32, 64)])
def test_packed_samples_are_what_they_were(bits: int):
    pixels = np.random.default_rng(bits).integers(0, 2**bits, (21, 29), "u8")
    data = image(pixels, bits=bits, fill_order=2, tile=(16, 16))
    np.testing.assert_array_equal(read(data), pixels)


def test_each_byte_is_turned_around():
    given = bytes(range(256))
    found = CODEC._decode_sync(buffer(given), chunk_spec(256)).to_bytes()
    assert found == reverse_bits(given)
    assert found[:3] == b"\x00\x80\x40"


def test_the_given_block_is_not_changed():
    given = buffer(b"abc")
    CODEC._decode_sync(given, chunk_spec(3))
    assert given.to_bytes() == b"abc"


def test_no_bytes_stay_none():
    assert CODEC._decode_sync(buffer(b""), chunk_spec(0)).to_bytes() == b""


def test_metadata_round_trip():
    assert get_codec_class(JSON["name"]) is ReverseBitsCodec
    assert ReverseBitsCodec.from_dict(dict(JSON)).to_dict() == JSON
    with pytest.raises(ValueError, match=r"virtual_tiff\.reverse_bits"):
        ReverseBitsCodec.from_dict({**JSON, "configuration": {"more": 1}})


def test_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match="choose other codecs"):
        CODEC._encode_sync(buffer(b"abc"), chunk_spec(3))


def test_the_builder_reverses_every_byte():
    assert Picture(values("u1", 2, 2), fill_order=2).encoded(values("u1", 2, 2), "II") == (
        reverse_bits(values("u1", 2, 2).tobytes())
    )
