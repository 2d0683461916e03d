"""`virtual_tiff.short_image`: images smaller than the chunk, whichever codec decodes them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec
from zarr.registry import get_codec_class

from support.build import image
from support.pixels import bands_first, buffer, chunk_spec, read, stored_metadata, values, virtual
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.codecs.images.short_image import ShortImageCodec

type Pixels = NDArray[Any]

PNG = {"name": "imagecodecs_png", "configuration": {}}
CODEC = ShortImageCodec(codec=PNG, last=3)
JSON = {
    "name": "virtual_tiff.short_image",
    "configuration": {"codec": PNG, "last": 3, "axis": -2, "last_columns": None},
}
SPEC = chunk_spec(8, 10)


def png(*shape: int) -> bytes:
    data: bytes = imagecodecs.png_encode(values("u1", *shape))
    return data


def decoded(codec: ShortImageCodec, data: bytes, *shape: int, dtype: str = "uint8") -> Pixels:
    spec = chunk_spec(*shape, dtype=dtype)
    return np.asarray(codec._decode_sync(buffer(data), spec).as_numpy_array())


# ---- decoding


def test_a_whole_image_passes_unchanged():
    assert np.array_equal(decoded(CODEC, png(8, 10), 8, 10), values("u1", 8, 10))


def test_the_last_image_is_filled_up_with_zeros():
    found = decoded(CODEC, png(3, 10), 8, 10)
    assert np.array_equal(found[:3], values("u1", 3, 10))
    assert not found[3:].any()


def test_rows_are_the_third_axis_from_the_end_of_interleaved_samples():
    codec = ShortImageCodec(codec=PNG, last=3, axis=-3)
    found = decoded(codec, png(3, 10, 3), 8, 10, 3)
    assert np.array_equal(found[:3], values("u1", 3, 10, 3))
    assert not found[3:].any()


@pytest.mark.parametrize("before", [(1,), (1, 1), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("row", [(10,), (10, 3)], ids=["gray", "interleaved"])
def test_axes_of_length_1_may_stand_before(before: tuple[int, ...], row: tuple[int, ...]):
    """Those of a plane and of stacks."""
    codec = ShortImageCodec(codec=PNG, last=3, axis=-1 - len(row))
    found = decoded(codec, png(3, *row), *before, 8, *row).reshape(8, *row)
    assert np.array_equal(found[:3], values("u1", 3, *row))
    assert not found[3:].any()


def test_a_chunk_without_the_axis_of_rows_is_refused():
    codec = ShortImageCodec(codec=PNG, last=3, axis=-3)
    with pytest.raises(ValueError, match=r"shape \(8, 10\) has no axis -3"):
        decoded(codec, png(3, 10), 8, 10)


def test_one_row_of_interleaved_samples_is_no_plane():
    # 0.6.0.dev0 took a first axis of length 1 for that of a plane
    codec = ShortImageCodec(codec=PNG, last=2, axis=-3)
    found = decoded(codec, png(1, 10, 3), 1, 10, 3)
    assert np.array_equal(found, values("u1", 1, 10, 3))


@pytest.mark.parametrize(
    ("rows", "columns"), [(8, 10), (3, 10), (8, 4), (3, 4)], ids=["whole", "foot", "right", "both"]
)
def test_tiles_may_be_cut_on_both_sides(rows: int, columns: int):
    codec = ShortImageCodec(codec=PNG, last=3, axis=-3, last_columns=4)
    found = decoded(codec, png(rows, columns, 3), 8, 10, 3)
    assert np.array_equal(found[:rows, :columns], values("u1", rows, columns, 3))
    assert not found[rows:].any()
    assert not found[:, columns:].any()


@pytest.mark.parametrize("shape", [(2, 10), (4, 10), (7, 10), (9, 10), (16, 10), (8, 9), (10, 8)])
def test_another_size_is_refused_with_what_is_promised(shape: tuple[int, int]):
    rows, columns = shape
    message = f"{rows} rows and {columns} columns .* promise .8, 10., or 3 rows at the foot"
    with pytest.raises(ImageSizeError, match=message):
        decoded(CODEC, png(*shape), 8, 10)


def test_the_refusal_of_a_cut_tile_says_both_numbers():
    codec = ShortImageCodec(codec=PNG, last=3, last_columns=4)
    with pytest.raises(ImageSizeError, match="3 rows at the foot and 4 columns at the right"):
        decoded(codec, png(8, 5), 8, 10)


@pytest.mark.parametrize("rows", [8, 3])
def test_the_error_of_a_damaged_image_is_the_damage(rows: int):
    data = bytearray(png(rows, 10))
    data[-30] ^= 0xFF
    with pytest.raises(ValueError, match="PNG data are damaged") as caught:
        decoded(CODEC, bytes(data), 8, 10)
    assert not isinstance(caught.value, ImageSizeError)


def test_no_image_at_all_is_refused():
    with pytest.raises(ValueError, match="does not hold one PNG image"):
        decoded(CODEC, b"not an image at all, but text of some length", 8, 10)


def test_another_type_is_refused():
    with pytest.raises(ValueError, match="type uint8; the tags promise uint16"):
        decoded(CODEC, png(3, 10), 8, 10, dtype="uint16")


def test_a_codec_without_a_header_of_its_own_may_be_wrapped():
    # it only reshapes, and raises a plain ValueError where that fails
    codec = ShortImageCodec(codec={"name": "bytes", "configuration": {}}, last=3)
    found = decoded(codec, bytes(range(30)), 8, 10)
    assert np.array_equal(found[:3].ravel(), np.arange(30))


async def test_decoding_may_be_awaited():
    (found,) = await CODEC.decode([(buffer(png(3, 10)), SPEC)])
    assert found is not None
    assert np.array_equal(found.as_numpy_array()[:3], values("u1", 3, 10))


async def test_a_missing_block_stays_missing():
    assert list(await CODEC.decode([(None, SPEC)])) == [None]


# ---- whole files

ENCODERS: dict[str, tuple[int, Callable[[Pixels], bytes], int]] = {
    "JPEG 2000": (34712, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="J2K"), 3),
    "JPEG XL": (50002, lambda a: imagecodecs.jpegxl_encode(a, lossless=True), 3),
    "JPEG XR": (34934, lambda a: imagecodecs.jpegxr_encode(a, level=1.0), 3),
    "LERC": (34887, lambda a: imagecodecs.lerc_encode(a, level=0), 3),
    "PNG": (34933, imagecodecs.png_encode, 3),
    "WebP": (50001, lambda a: imagecodecs.webp_encode(a, lossless=True), 3),
}
"""Name -> Compression, encoder, samples."""

every_format = pytest.mark.parametrize("name", ENCODERS)


def strips(name: str, pixels: Pixels, **options: Any) -> bytes:
    compression, encode, _ = ENCODERS[name]
    return image(
        pixels,
        compression=compression,
        encode_block=lambda block: encode(np.ascontiguousarray(block)),
        **options,
    )


@every_format
@pytest.mark.parametrize("full", [False, True], ids=["short", "filled"])
@pytest.mark.parametrize("rows", [16, 1])
def test_strips_read(name: str, *, full: bool, rows: int):
    pixels = values("u1", 40, 24, ENCODERS[name][2])
    data = strips(name, pixels, rows_per_strip=rows, full_last_strip=full)
    assert np.array_equal(read(data), bands_first(pixels))


@every_format
@pytest.mark.parametrize("planar", [1, 2])
def test_a_last_strip_of_one_row_reads(name: str, planar: int):
    if name == "WebP" and planar == 2:
        pytest.skip("WebP has no planes")
    pixels = values("u1", 17, 24, 3)
    data = strips(name, pixels, rows_per_strip=8, planar=planar)
    assert np.array_equal(read(data), bands_first(pixels))


@every_format
def test_strips_with_a_row_too_many_are_an_error(name: str):
    # tifffile cuts them off; libtiff refuses them, and no writer of them is known
    compression, encode, _ = ENCODERS[name]
    data = image(
        values("u1", 40, 24, 3),
        compression=compression,
        encode_block=lambda block: encode(np.pad(block, ((0, 1), (0, 0), (0, 0)))),
        rows_per_strip=16,
    )
    with pytest.raises(ValueError, match=r"the tags promise"):
        read(data)


@pytest.mark.parametrize("name", ["PNG", "JPEG XR"])
def test_tiles_that_are_cut_at_the_edges_read(name: str):
    pixels = values("u1", 40, 23, 3)
    compression, encode, _ = ENCODERS[name]
    blocks = iter(
        [pixels[y : y + 16, x : x + 16] for y in range(0, 40, 16) for x in range(0, 23, 16)]
    )
    data = image(
        pixels,
        compression=compression,
        tile=(16, 16),
        encode_block=lambda _: encode(np.ascontiguousarray(next(blocks))),
    )
    assert np.array_equal(read(data), bands_first(pixels))


def test_the_metadata_name_the_standard_codec_within():
    store = virtual(strips("PNG", values("u1", 40, 24), rows_per_strip=16))
    (codec,) = stored_metadata(store)["codecs"]
    assert codec["configuration"]["codec"]["name"] == "imagecodecs_png"
    assert (codec["configuration"]["last"], codec["configuration"]["axis"]) == (8, -2)


def test_whole_strips_need_no_codec_of_ours():
    store = virtual(strips("PNG", values("u1", 32, 24), rows_per_strip=16))
    assert [codec["name"] for codec in stored_metadata(store)["codecs"]] == ["imagecodecs_png"]


# ---- metadata


def test_it_is_what_zarr_finds_under_its_name():
    assert get_codec_class("virtual_tiff.short_image") is ShortImageCodec


def test_it_is_from_array_to_bytes():
    assert isinstance(CODEC, ArrayBytesCodec)


def test_to_dict_says_all_and_from_dict_brings_it_back():
    assert CODEC.to_dict() == JSON
    assert ShortImageCodec.from_dict(dict(JSON)) == CODEC


def test_metadata_without_the_optional_values_are_read():
    configuration = {"codec": PNG, "last": 3}
    assert ShortImageCodec.from_dict({**JSON, "configuration": configuration}) == CODEC


def test_it_pickles():
    assert pickle.loads(pickle.dumps(CODEC)) == CODEC


@pytest.mark.parametrize(
    "change",
    [
        {"last": 0},
        {"last": -1},
        {"last": 2.5},
        {"last": "3"},
        {"last_columns": 0},
        {"last_columns": "3"},
        {"axis": 0},
        {"axis": -1},
        {"axis": -2.0},
        {"axis": "-2"},
        {"codec": None},
        {"codec": {}},
        {"codec": "imagecodecs_png"},
        {"more": 1},
    ],
    ids=str,
)
def test_another_metadata_is_a_value_error(change: dict[str, Any]):
    configuration = {"codec": PNG, "last": 3, **change}
    with pytest.raises(ValueError, match=r"virtual_tiff\.short_image"):
        ShortImageCodec.from_dict({**JSON, "configuration": configuration})


def test_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match="choose other codecs"):
        CODEC._encode_sync(buffer(b""), SPEC)
