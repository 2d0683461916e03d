"""JPEG XR, of which there is no decoder but jxrlib: compared with what was encoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

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

STANDARD = ImageDecoder({"name": "imagecodecs_jpegxr", "configuration": {}})

type Pixels = NDArray[Any]


def jxr(block: Pixels, **options: Any) -> bytes:
    options = {"level": 1.0, **options}  # without loss
    data: bytes = imagecodecs.jpegxr_encode(np.ascontiguousarray(block), **options)
    return data


def tiff(pixels: Pixels, encode: Callable[[Pixels], bytes] = jxr, **options: Any) -> bytes:
    options = {"compression": 34934, **options}
    return image(pixels, encode_block=encode, **options)


@pytest.mark.parametrize("compression", [34934, 22610])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f2"])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("samples", [1, 3, 4])
@pytest.mark.parametrize("blocks", [{"rows_per_strip": 16}, {"tile": (16, 16)}], ids=str)
def test_it_reads(
    compression: int, dtype: str, byteorder: str, samples: int, blocks: dict[str, Any]
):
    pixels = values(dtype, *((40, 24) if samples == 1 else (40, 24, samples)))
    data = tiff(pixels, compression=compression, byteorder=byteorder, **blocks)
    found = read(data)
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, bands_first(pixels))
    assert np.array_equal(by_tifffile(data), pixels)


def test_a_lossy_stream_reads_as_in_tifffile():
    data = tiff(values("f4", 40, 24), lambda block: jxr(block, level=0.8))
    assert np.array_equal(read(data), by_tifffile(data))


def test_planar_images_read():
    pixels = values("u2", 40, 24, 5)
    assert np.array_equal(read(tiff(pixels, planar=2, rows_per_strip=16)), bands_first(pixels))


PIXELS = values("u1", 40, 24, 3)
REFUSED: dict[str, Callable[[Pixels], bytes]] = {
    "gray": lambda block: jxr(block[..., 0]),
    "an alpha": lambda block: jxr(np.dstack([block, block[..., 0]])),
    "a row more": lambda block: jxr(np.vstack([block, block[:1]])),
    "turned": lambda block: jxr(block.swapaxes(0, 1)),
    "another type": lambda block: jxr(block.astype("u2")),
    "cut off": lambda block: jxr(block)[:-5],
    "half": lambda block: jxr(block)[:900],
    "nothing of JPEG XR": lambda block: block.tobytes(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_stream_than_the_tags_promise_is_an_error(name: str):
    with pytest.raises(ValueError, match="the block"):
        read(tiff(PIXELS, REFUSED[name]))


@pytest.mark.parametrize("dtype", ["i1", "u4", "f8"])
def test_what_jpegxr_cannot_hold_is_refused(dtype: str):
    with pytest.raises(UnsupportedError, match="BitsPerSample"):
        virtual(tiff(values(dtype, 8, 8), lambda _: jxr(PIXELS)))


def test_nothing_is_decoded_of_a_stream_that_states_another_size(monkeypatch: pytest.MonkeyPatch):
    data = jxr(np.zeros((1000, 1000, 3), "u1"))
    monkeypatch.setattr(imagecodecs, "jpegxr_decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageSizeError, match="1000 rows and 1000 columns"):
        STANDARD._decode_sync(buffer(data), chunk_spec(40, 24, 3))


def test_signed_integers_are_fixed_point_numbers():
    (codec,) = stored_metadata(virtual(tiff(values("i2", 8, 8), lambda _: jxr(PIXELS))))["codecs"]
    assert (codec["name"], codec["configuration"]) == ("imagecodecs_jpegxr", {"fp2int": True})
