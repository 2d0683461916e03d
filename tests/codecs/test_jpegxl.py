"""JPEG XL: colours, alphas and other channels, of every depth.

GDAL's wheel has no libjxl: the pixels are compared with what was encoded, without loss.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.registry import get_codec_class

from support.build import SHORT, entry, image
from support.pixels import (
    bands_first,
    buffer,
    by_tifffile,
    chunk_spec,
    read,
    stored_metadata,
    values,
    virtual,
)
from virtual_tiff.codecs.guard.images import ImageDecoder
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.codecs.images.jpegxl import JpegxlCodec
from virtual_tiff.tiff import UnsupportedError

STANDARD = ImageDecoder({"name": "imagecodecs_jpegxl", "configuration": {}})

type Pixels = NDArray[Any]

CODEC = JpegxlCodec()
BLACK_IS_ZERO, RGB, LINEAR_RAW = 1, 2, 34892


def jxl(block: Pixels) -> bytes:
    data: bytes = imagecodecs.jpegxl_encode(np.ascontiguousarray(block), lossless=True)
    return data


def planes(block: Pixels) -> bytes:
    """Gray and extra channels, as GDAL writes bands that are no colours."""
    moved = np.ascontiguousarray(np.moveaxis(block, -1, 0))
    data: bytes = imagecodecs.jpegxl_encode(moved, lossless=True, planar=True)
    return data


def tiff(pixels: Pixels, encode: Callable[[Pixels], bytes] = jxl, **options: Any) -> bytes:
    options = {"compression": 50002, **options}
    return image(pixels, encode_block=encode, **options)


def pixels_of(dtype: str, *shape: int) -> Pixels:
    if dtype[0] == "f":
        return np.random.default_rng(4).random(shape).astype(dtype)
    return values(dtype, *shape)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4"])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("blocks", [{"rows_per_strip": 16}, {"tile": (16, 16)}], ids=str)
def test_colours_and_alpha_read(dtype: str, byteorder: str, samples: int, blocks: dict[str, Any]):
    pixels = pixels_of(dtype, *((40, 24) if samples == 1 else (40, 24, samples)))
    data = tiff(pixels, byteorder=byteorder, **blocks)
    found = read(data)
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, bands_first(pixels))
    assert np.array_equal(by_tifffile(data), pixels)


@pytest.mark.parametrize("samples", [2, 3, 4, 5, 9])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("blocks", [{"rows_per_strip": 16}, {"tile": (16, 16)}], ids=str)
def test_gray_and_other_channels_read(samples: int, dtype: str, blocks: dict[str, Any]):
    pixels = pixels_of(dtype, 40, 24, samples)
    data = tiff(pixels, planes, photometric=BLACK_IS_ZERO, **blocks)
    assert np.array_equal(read(data), bands_first(pixels))


@pytest.mark.parametrize("samples", [2, 3, 5])
def test_planar_images_read(samples: int):
    pixels = values("u2", 40, 24, samples)
    assert np.array_equal(read(tiff(pixels, planar=2, rows_per_strip=16)), bands_first(pixels))


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_samples_are_not_scaled_to_their_type(bits: int):
    pixels = values("u2", 40, 24) >> (16 - bits)
    data = tiff(
        pixels,
        lambda block: imagecodecs.jpegxl_encode(block, lossless=True, bitspersample=bits),
        extra_entries=[entry(258, SHORT, bits)],
    )
    assert np.array_equal(read(data), pixels)


@pytest.mark.parametrize("photometric", [RGB, LINEAR_RAW])
def test_the_number_of_dng_is_the_same(photometric: int):
    pixels = values("u2", 40, 24, 3)
    data = tiff(pixels, compression=52546, photometric=photometric, tile=(16, 16))
    assert np.array_equal(read(data), bands_first(pixels))


def test_boxes_around_the_codestream_are_read():
    pixels = values("u1", 40, 24, 3)
    data = tiff(pixels, lambda b: imagecodecs.jpegxl_encode(b, lossless=True, usecontainer=True))
    assert np.array_equal(read(data), bands_first(pixels))


PIXELS = values("u1", 40, 24, 4)
REFUSED: dict[str, bytes] = {
    "a sample less": tiff(PIXELS, lambda block: jxl(block[..., :3])),
    "a sample more": tiff(PIXELS[..., :3], lambda b: jxl(np.dstack([b, b[..., 0]]))),
    "gray and channels for RGBA": tiff(PIXELS, planes),
    "a row more": tiff(PIXELS, lambda block: jxl(np.vstack([block, block[:1]]))),
    "turned": tiff(PIXELS, lambda block: jxl(block.swapaxes(0, 1))),
    "another type": tiff(PIXELS, lambda block: jxl(block.astype("u2") * 257)),
    "an animation": tiff(PIXELS[..., :3], lambda b: jxl(np.stack([b, b]))),
    "half": tiff(PIXELS, lambda block: jxl(block)[:700]),
    "nothing of JPEG XL": tiff(PIXELS, lambda block: block.tobytes()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_stream_than_the_tags_promise_is_an_error(name: str):
    with pytest.raises(ValueError, match="the block"):
        read(REFUSED[name])


def test_more_channels_beside_rgb_are_refused():
    with pytest.raises(UnsupportedError, match=r"RGB and 2 more samples.*SamplesPerPixel"):
        virtual(tiff(values("u1", 8, 8, 5), planes, photometric=RGB))


@pytest.mark.parametrize("dtype", ["i1", "i2", "u4", "f8"])
def test_what_jpegxl_cannot_hold_is_refused(dtype: str):
    with pytest.raises(UnsupportedError, match="BitsPerSample"):
        virtual(tiff(values(dtype, 8, 8), lambda _: jxl(PIXELS)))


@pytest.mark.long
@pytest.mark.parametrize(
    "codec",
    [CODEC, STANDARD],
    ids=["ours", "theirs"],
)
def test_nothing_is_decoded_of_a_stream_that_states_another_size(
    codec: Any, monkeypatch: pytest.MonkeyPatch
):
    data = jxl(np.zeros((3000, 3000, 3), "u1"))
    monkeypatch.setattr(imagecodecs, "jpegxl_decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageSizeError, match="3000 rows and 3000 columns"):
        codec._decode_sync(buffer(data), chunk_spec(40, 24, 3))


@pytest.mark.parametrize(
    ("samples", "photometric", "name"),
    [
        (1, BLACK_IS_ZERO, "imagecodecs_jpegxl"),
        (3, RGB, "imagecodecs_jpegxl"),
        (4, RGB, "imagecodecs_jpegxl"),
        (2, BLACK_IS_ZERO, "virtual_tiff.jpegxl"),
        (3, BLACK_IS_ZERO, "virtual_tiff.jpegxl"),
        (3, LINEAR_RAW, "virtual_tiff.jpegxl"),
    ],
)
def test_names_in_the_metadata(samples: int, photometric: int, name: str):
    pixels = values("u1", *((8, 8) if samples == 1 else (8, 8, samples)))
    *_, codec = stored_metadata(virtual(tiff(pixels, photometric=photometric)))["codecs"]
    assert codec["name"] == name


def test_it_is_what_zarr_finds_under_its_name():
    assert get_codec_class("virtual_tiff.jpegxl") is JpegxlCodec


def test_the_round_trip_changes_nothing():
    assert CODEC.to_dict() == {"name": "virtual_tiff.jpegxl", "configuration": {}}
    assert JpegxlCodec.from_dict(CODEC.to_dict()) == CODEC
    assert pickle.loads(pickle.dumps(CODEC)) == CODEC
