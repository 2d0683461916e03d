"""Blocks whose data go on when they are full, and damaged ones that are as short as the last.

GDAL (libtiff) stops when a block is full, whatever the compression; Photoshop and others write
LZW data that go on. tifffile does so for LZW and LZMA.
"""

from __future__ import annotations

import lzma
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio

from support.build import image, lzw_encode, lzw_encode_old
from support.pixels import read, virtual, zarr_array

ENCODERS: dict[str, tuple[int, Any]] = {
    "LZW": (5, lzw_encode),
    "LZW, old bit order": (5, lzw_encode_old),
    "deflate": (8, zlib.compress),
    "PackBits": (32773, imagecodecs.packbits_encode),
    "LZMA": (34925, lzma.compress),
    "Zstandard": (50000, imagecodecs.zstd_encode),
}
SHAPES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "strips": ((10, 20), {"rows_per_strip": 5}),
    "a short last strip": ((10, 20), {"rows_per_strip": 4}),
    "interleaved": ((10, 20, 3), {"rows_per_strip": 4}),
    "planar": ((10, 20, 3), {"rows_per_strip": 4, "planar": 2}),
    "tiles": ((40, 20), {"tile": (16, 16)}),
}


def pixels(shape: tuple[int, ...], dtype: str = "u2") -> np.ndarray[Any, Any]:
    return (np.arange(np.prod(shape)) * 7 % 251).astype(dtype).reshape(shape)


def gdal(data: bytes, path: Path) -> np.ndarray[Any, Any]:
    (path / "a.tif").write_bytes(data)
    with rasterio.open(path / "a.tif") as dataset:
        return dataset.read()


def as_gdal(found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return found if found.ndim == 3 else found[None]


@pytest.mark.long
@pytest.mark.parametrize("surplus", [b"\7", b"\7" * 60, bytes(3000)], ids=["1", "60", "3000"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_data_that_go_on_read_as_gdal_reads_them(
    name: str, shape: str, surplus: bytes, tmp_path: Path
):
    compression, encode = ENCODERS[name]
    size, options = SHAPES[shape]
    data = image(
        pixels(size), compression=compression, encode=lambda raw: encode(raw + surplus), **options
    )
    found = as_gdal(read(data))
    if compression != 8 or len(surplus) > 1:  # libtiff's deflate loses a single byte's block
        np.testing.assert_array_equal(found, gdal(data, tmp_path))
    true = image(pixels(size), compression=compression, encode=encode, **options)
    np.testing.assert_array_equal(found, as_gdal(read(true)))


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("predictor", [2, 3])
def test_the_predictor_sees_the_block_alone(name: str, predictor: int):
    compression, encode = ENCODERS[name]
    if compression == 32773:
        pytest.skip("PackBits has no predictor")
    array = pixels((10, 20), "f4" if predictor == 3 else "u2")
    data = image(
        array,
        compression=compression,
        predictor=predictor,
        rows_per_strip=4,
        encode=lambda raw: encode(raw + bytes(33)),
    )
    np.testing.assert_array_equal(read(data), array)


@pytest.mark.parametrize("bits", [1, 4, 12])
@pytest.mark.parametrize("name", ENCODERS)
def test_samples_that_are_no_bytes_are_cut_too(name: str, bits: int):
    compression, encode = ENCODERS[name]
    array = pixels((10, 20)) % (1 << bits)
    options: dict[str, Any] = {"bits": bits, "rows_per_strip": 5}
    array = array.astype("u1" if bits < 9 else "u2")
    data = image(array, compression=compression, encode=lambda r: encode(r + bytes(9)), **options)
    np.testing.assert_array_equal(read(data), array)


def test_a_bomb_is_not_decoded():
    bomb = imagecodecs.zstd_encode(bytes(2**26))
    with pytest.raises(ValueError, match="does not decode"):
        read(image(pixels((10, 20)), compression=50000, encode=lambda _: bomb))


# ---- damaged blocks as short as the last one


def shortened(strip: int, rows: int, **options: Any) -> bytes:
    """A TIFF of which one block, counted through all planes, holds fewer rows."""
    blocks = iter(range(100))

    def encode(raw: bytes) -> bytes:
        kept = raw[: rows * 20 * 2] if next(blocks) == strip else raw
        return imagecodecs.packbits_encode(kept)

    return image(pixels((10, 20)), compression=32773, encode=encode, **options)


@pytest.mark.parametrize("strip", [0, 1])
def test_a_strip_above_the_last_may_not_be_as_short(strip: int):
    array = zarr_array(virtual(shortened(strip, 2, rows_per_strip=4)))
    with pytest.raises(ValueError, match=rf"block 0/c/{strip}/0 .* a block of 80 bytes"):
        array[4 * strip]
    np.testing.assert_array_equal(array[8:], pixels((10, 20))[8:])


def test_the_last_strip_of_each_plane_may_be_short():
    array = pixels((10, 20, 3))
    data = image(array, compression=8, planar=2, rows_per_strip=4)
    np.testing.assert_array_equal(read(data), array.transpose(2, 0, 1))


@pytest.mark.parametrize("rows", [10, 13, 16])
def test_tiles_of_packbits_may_be_short_at_the_foot_alone(rows: int):
    def data(tile: int) -> bytes:
        tiles = iter(range(4))

        def encode(raw: bytes) -> bytes:
            kept = raw[: rows * 16 * 2] if next(tiles) == tile else raw
            return imagecodecs.packbits_encode(kept)

        return image(pixels((26, 20)), compression=32773, encode=encode, tile=(16, 16))

    np.testing.assert_array_equal(read(data(2)), pixels((26, 20)))
    if rows < 16:
        with pytest.raises(ValueError, match="block 0/c/0/0"):
            read(data(0))


@pytest.mark.parametrize("block", [0, 1, 3, 4, 6, 7])
def test_a_strip_above_the_last_of_any_plane_may_not_be_as_short(block: int):
    array = pixels((10, 20, 3))
    blocks = iter(range(9))

    def encode(raw: bytes) -> bytes:
        kept = raw[: 2 * 20 * 2] if next(blocks) == block else raw
        return imagecodecs.packbits_encode(kept)

    data = image(array, compression=32773, planar=2, rows_per_strip=4, encode=encode)
    plane, strip = divmod(block, 3)
    found = zarr_array(virtual(data))
    with pytest.raises(ValueError, match=rf"block 0/c/{plane}/{strip}/0 .* a block of 80 bytes"):
        found[plane, 4 * strip : 4 * strip + 4]
    for other in range(3):
        np.testing.assert_array_equal(found[other, 8:], array[8:, :, other])


IMAGES: dict[str, tuple[int, Any, Any]] = {
    "PNG in virtual_tiff.short_image": (
        34933,
        imagecodecs.png_encode,
        imagecodecs.png_decode,
    ),
    "JPEG": (7, imagecodecs.jpeg8_encode, imagecodecs.jpeg8_decode),
}


@pytest.mark.parametrize("strip", [0, 1, 2])
@pytest.mark.parametrize("name", IMAGES)
def test_an_image_may_have_the_last_strips_rows_at_the_foot_alone(name: str, strip: int):
    compression, encode, decode = IMAGES[name]
    blocks = iter(range(3))

    def shortened(block: np.ndarray[Any, Any]) -> bytes:
        return encode(block[:2] if next(blocks) == strip else block)

    array = pixels((10, 20), "u1")
    data = image(array, compression=compression, rows_per_strip=4, encode_block=shortened)
    found = zarr_array(virtual(data))
    assert found[8:].shape == (2, 20)
    for other in range(3):
        rows = slice(4 * other, 4 * other + 4)
        if other == strip < 2:
            with pytest.raises(ValueError, match=f"block 0/c/{strip}/0"):
                found[rows]
        else:
            np.testing.assert_array_equal(found[rows], decode(encode(array[rows])))
