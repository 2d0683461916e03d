"""PNG in a TIFF, against GDAL's PNG driver."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from support.build import image
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
from virtual_tiff.tiff import UnsupportedError

STANDARD = ImageDecoder({"name": "imagecodecs_png", "configuration": {}})

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

type Pixels = NDArray[Any]


def png(block: Pixels) -> bytes:
    data: bytes = imagecodecs.png_encode(np.ascontiguousarray(block))
    return data


def gdal_png(block: Pixels) -> bytes:
    bands = block[None] if block.ndim == 2 else np.moveaxis(block, -1, 0)
    count, rows, columns = bands.shape
    with MemoryFile() as file:
        with file.open(
            driver="PNG", width=columns, height=rows, count=count, dtype=block.dtype
        ) as dataset:
            dataset.write(bands)
        return bytes(file.read())


def tiff(pixels: Pixels, encode: Callable[[Pixels], bytes] = png, **options: Any) -> bytes:
    return image(pixels, compression=34933, encode_block=encode, **options)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("encode", [png, gdal_png], ids=["imagecodecs", "GDAL"])
@pytest.mark.parametrize("blocks", [{"rows_per_strip": 16}, {"tile": (16, 16)}], ids=str)
def test_it_reads(
    dtype: str,
    byteorder: str,
    samples: int,
    encode: Callable[[Pixels], bytes],
    blocks: dict[str, Any],
):
    pixels = values(dtype, *((40, 24) if samples == 1 else (40, 24, samples)))
    data = tiff(pixels, encode, byteorder=byteorder, **blocks)
    found = read(data)
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, bands_first(pixels))
    assert np.array_equal(by_tifffile(data), pixels)


def test_planar_images_read():
    pixels = values("u2", 40, 24, 5)
    assert np.array_equal(read(tiff(pixels, planar=2, tile=(16, 16))), bands_first(pixels))


def with_palette(indices: Pixels, colours: Pixels) -> bytes:
    """A PNG of one byte a pixel, the number of its colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows, columns = indices.shape
    lines = b"".join(b"\0" + line.tobytes() for line in indices)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", colours.tobytes()),
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )


def test_a_palette_becomes_colours():
    indices, colours = values("u1", 40, 24), values("u1", 256, 3)
    pixels = colours[indices]
    data = tiff(pixels, lambda _: with_palette(indices, colours))
    assert np.array_equal(read(data), bands_first(pixels))


PIXELS = values("u1", 40, 24, 3)
REFUSED: dict[str, Callable[[Pixels], bytes]] = {
    "a sample less": lambda block: png(block[..., :2]),
    "gray": lambda block: png(block[..., 0]),
    "a row more": lambda block: png(np.vstack([block, block[:1]])),
    "turned": lambda block: png(block.swapaxes(0, 1)),
    "another depth": lambda block: png(block.astype("u2")),
    "half": lambda block: png(block)[:900],
    "a byte changed": lambda block: png(block)[:-40] + b"\0" + png(block)[-39:],
    "nothing of PNG": lambda block: block.tobytes(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_stream_than_the_tags_promise_is_an_error(name: str):
    with pytest.raises(ValueError, match="the block"):
        read(tiff(PIXELS, REFUSED[name]))


@pytest.mark.parametrize("dtype", ["i1", "i2", "u4", "f4"])
def test_what_png_cannot_hold_is_refused(dtype: str):
    with pytest.raises(UnsupportedError, match="BitsPerSample"):
        virtual(tiff(values(dtype, 8, 8), lambda _: png(PIXELS)))


def test_nothing_is_decoded_of_a_stream_that_states_another_size(monkeypatch: pytest.MonkeyPatch):
    data = bytearray(png(PIXELS))
    struct.pack_into(">II", data, 16, 60000, 60000)
    monkeypatch.setattr(imagecodecs, "png_decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageSizeError, match="60000 rows and 60000 columns"):
        STANDARD._decode_sync(buffer(bytes(data)), chunk_spec(40, 24, 3))


def test_whole_tiles_have_the_standard_name_alone():
    store = virtual(tiff(values("u1", 32, 16, 3), tile=(16, 16)))
    names = [codec["name"] for codec in stored_metadata(store)["codecs"]]
    assert names == ["transpose", "imagecodecs_png"]
