"""WebP, against GDAL, whose libwebp is a build of its own."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.io import MemoryFile

from support.build import SHORT, entry, image
from support.pixels import (
    bands_first,
    buffer,
    by_gdal,
    chunk_spec,
    read,
    stored_metadata,
    values,
    virtual,
)
from virtual_tiff.codecs.guard.images import ImageDecoder
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.tiff import UnsupportedError

STANDARD = ImageDecoder({"name": "imagecodecs_webp", "configuration": {}})

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

type Pixels = NDArray[Any]


def webp(block: Pixels) -> bytes:
    data: bytes = imagecodecs.webp_encode(np.ascontiguousarray(block), lossless=True)
    return data


def tiff(pixels: Pixels, encode: Callable[[Pixels], bytes] = webp, **options: Any) -> bytes:
    options = {"compression": 50001, **options}
    return image(pixels, encode_block=encode, **options)


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("blocks", [{"rows_per_strip": 16}, {"tile": (16, 16)}, {}], ids=str)
def test_it_reads_as_in_gdal(samples: int, byteorder: str, blocks: dict[str, Any]):
    pixels = values("u1", 40, 24, samples)
    data = tiff(pixels, byteorder=byteorder, **blocks)
    assert np.array_equal(read(data), bands_first(pixels))
    assert np.array_equal(by_gdal(data), bands_first(pixels))


@pytest.mark.parametrize("samples", [3, 4])
def test_a_lossy_stream_reads_as_in_gdal(samples: int):
    data = tiff(
        values("u1", 40, 24, samples), lambda block: imagecodecs.webp_encode(block, lossless=False)
    )
    assert np.array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("blocks", [{"rows_per_strip": 16}, {"tile": (16, 16)}], ids=str)
def test_an_alpha_that_the_stream_omits_is_opaque(blocks: dict[str, Any]):
    pixels = values("u1", 40, 24, 4).copy()
    pixels[:16, :, 3] = 255
    data = tiff(
        pixels,
        lambda block: webp(block[..., :3] if (block[..., 3] > 254).all() else block),
        **blocks,
    )
    assert np.array_equal(read(data), by_gdal(data))
    assert np.array_equal(read(data), bands_first(pixels))


def test_what_gdal_writes_of_an_opaque_image_reads():
    pixels = values("u1", 4, 40, 24).copy()
    pixels[3] = 255
    with MemoryFile() as file:
        with file.open(
            driver="GTiff",
            width=24,
            height=40,
            count=4,
            dtype="uint8",
            compress="webp",
            WEBP_LOSSLESS=True,
            photometric="RGB",
            interleave="pixel",
            blockysize=16,
        ) as dataset:
            dataset.write(pixels)
        data = bytes(file.read())
    assert np.array_equal(read(data), pixels)


def test_the_older_number_is_the_same():
    pixels = values("u1", 40, 24, 3)
    assert np.array_equal(read(tiff(pixels, compression=34927)), bands_first(pixels))


def test_fill_order_reverses_the_bytes_as_in_gdal():
    pixels = values("u1", 40, 24, 3)
    data = tiff(pixels, fill_order=2)
    assert np.array_equal(read(data), bands_first(pixels))
    assert np.array_equal(by_gdal(data), bands_first(pixels))


PIXELS = values("u1", 40, 24, 3)
REFUSED: dict[str, bytes] = {
    "an alpha that the tags don't have": tiff(PIXELS, lambda b: webp(np.dstack([b, b[..., 0]]))),
    "a row more": tiff(PIXELS, lambda block: webp(np.vstack([block, block[:1]]))),
    "a row less": tiff(PIXELS, lambda block: webp(block[1:])),
    "turned": tiff(PIXELS, lambda block: webp(block.swapaxes(0, 1))),
    "half": tiff(PIXELS, lambda block: webp(block)[:900]),
    "nothing of WebP": tiff(PIXELS, lambda block: block.tobytes()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_gdal_refuses_is_an_error(name: str):
    with pytest.raises(RasterioIOError):
        by_gdal(REFUSED[name])
    with pytest.raises(ValueError, match="the block"):
        read(REFUSED[name])


@pytest.mark.parametrize(
    ("pixels", "options", "tag"),
    [
        (values("u1", 8, 8), {}, "SamplesPerPixel"),
        (values("u1", 8, 8, 2), {}, "SamplesPerPixel"),
        (values("u1", 8, 8, 5), {}, "SamplesPerPixel"),
        (values("u1", 8, 8, 3), {"planar": 2}, "SamplesPerPixel"),
        (values("u2", 8, 8, 3), {}, "BitsPerSample"),
        (values("i1", 8, 8, 3), {}, "BitsPerSample"),
    ],
    ids=["gray", "two", "five", "planar", "16 bits", "signed"],
)
def test_what_webp_cannot_hold_is_refused(pixels: Pixels, options: dict[str, Any], tag: str):
    with pytest.raises(UnsupportedError, match=tag):
        virtual(tiff(pixels, lambda _: webp(PIXELS), **options))


def test_nothing_is_decoded_of_a_stream_that_states_another_size(monkeypatch: pytest.MonkeyPatch):
    data = bytearray(webp(PIXELS))
    struct.pack_into("<I", data, 21, 16382 | 16382 << 14)
    monkeypatch.setattr(imagecodecs, "webp_decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageSizeError, match="16383 rows and 16383 columns"):
        STANDARD._decode_sync(buffer(bytes(data)), chunk_spec(40, 24, 3))


def test_the_alpha_is_said_in_the_metadata():
    (_, three), (_, four) = (
        stored_metadata(virtual(tiff(values("u1", 8, 8, samples))))["codecs"] for samples in (3, 4)
    )
    assert three["name"] == four["name"] == "imagecodecs_webp"
    assert "configuration" not in three or not three["configuration"]
    assert four["configuration"] == {"hasalpha": True}


def test_a_predictor_is_ignored():
    data = tiff(PIXELS, extra_entries=[entry(317, SHORT, 2)])
    assert np.array_equal(read(data), bands_first(PIXELS))
