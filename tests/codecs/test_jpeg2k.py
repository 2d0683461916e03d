"""JPEG 2000, and Aperio's YCbCr in it, against GDAL's JP2OpenJPEG driver."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile
from zarr.registry import get_codec_class

from support.build import ASCII, SHORT, Entry, entry, image
from support.pixels import (
    bands_first,
    buffer,
    chunk_spec,
    read,
    stored_metadata,
    values,
    virtual,
)
from virtual_tiff.codecs.guard.images import ImageDecoder
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.codecs.images.jpeg2k_ycbcr import Jpeg2kYcbcrCodec
from virtual_tiff.tiff import UnsupportedError

STANDARD = ImageDecoder({"name": "imagecodecs_jpeg2k", "configuration": {}})

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

type Pixels = NDArray[Any]

CODEC = Jpeg2kYcbcrCodec()
NUMBERS = [34712, 33003, 33004, 33005]
YCBCR = 6


def j2k(block: Pixels, **options: Any) -> bytes:
    options = {"codecformat": "J2K", "planar": False, **options}
    data: bytes = imagecodecs.jpeg2k_encode(np.ascontiguousarray(block), level=0, **options)
    return data


def tiff(pixels: Pixels, encode: Callable[[Pixels], bytes] = j2k, **options: Any) -> bytes:
    options = {"compression": 34712, **options}
    return image(pixels, encode_block=encode, **options)


def by_gdal_driver(data: bytes) -> Pixels:
    with MemoryFile(data) as file, file.open() as dataset:
        bands: Pixels = dataset.read()
    return bands


def gdal_jp2(pixels: Pixels, **options: str) -> bytes:
    """A JP2 file of RGB by GDAL."""
    rows, columns, _ = pixels.shape
    with MemoryFile() as file:
        with file.open(
            driver="JP2OpenJPEG", width=columns, height=rows, count=3, dtype="uint8", **options
        ) as dataset:
            dataset.write(np.moveaxis(pixels, -1, 0))
            dataset.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
        return bytes(file.read())


def colours() -> Pixels:
    """A smooth image, of which chrominance loses little."""
    y, x = np.mgrid[:40, :24]
    return np.stack([x * 9, y * 6, (x + y) * 3], axis=-1).astype("u1")


def to_ycbcr(rgb: Pixels) -> Pixels:
    """JFIF's equations."""
    red, green, blue = np.moveaxis(rgb.astype(float), -1, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    ycbcr = np.stack([y, (blue - y) / 1.772 + 128, (red - y) / 1.402 + 128], axis=-1)
    return np.clip(np.rint(ycbcr), 0, 255).astype("u1")


def distance(found: Pixels, rgb: Pixels) -> float:
    return float(np.abs(found.astype(float) - bands_first(rgb)).max())


# ---- any JPEG 2000


@pytest.mark.parametrize("compression", NUMBERS)
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("blocks", [{"rows_per_strip": 16}, {"tile": (16, 16)}], ids=str)
def test_every_number_reads(compression: int, samples: int, blocks: dict[str, Any]):
    pixels = values("u1", *((40, 24) if samples == 1 else (40, 24, samples)))
    data = tiff(pixels, compression=compression, **blocks)
    assert np.array_equal(read(data), bands_first(pixels))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("samples", [2, 4, 5])
def test_every_type_reads(dtype: str, byteorder: str, planar: int, samples: int):
    pixels = values(dtype, 40, 24, samples)
    data = tiff(pixels, byteorder=byteorder, planar=planar, tile=(16, 16))
    found = read(data)
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, bands_first(pixels))


@pytest.mark.parametrize("bits", [4, 10, 12])
def test_depths_between_read(bits: int):
    dtype = "u1" if bits < 8 else "u2"
    pixels = values(dtype, 40, 24) >> (8 * np.dtype(dtype).itemsize - bits)
    data = tiff(
        pixels,
        lambda block: j2k(block, bitspersample=bits),
        extra_entries=[entry(258, SHORT, bits)],
    )
    assert np.array_equal(read(data), pixels)


def gdal_jp2_of(pixels: Pixels, bits: int) -> bytes:
    """A lossless stream of one band."""
    rows, columns = pixels.shape
    options = {"REVERSIBLE": "YES", "QUALITY": "100", "NBITS": str(bits)}
    shape = {"width": columns, "height": rows, "count": 1}
    with MemoryFile() as file:
        with file.open(driver="JP2OpenJPEG", dtype=pixels.dtype, **shape, **options) as dataset:
            dataset.write(pixels, 1)
        return bytes(file.read())


@pytest.mark.parametrize("bits", [18, 20, 24])
@pytest.mark.parametrize("tagged", ["as the stream", "32"])
@pytest.mark.parametrize("dtype", ["u4", "i4"])
def test_samples_of_more_than_16_bits_keep_their_value_and_sign(
    dtype: str, bits: int, tagged: str
) -> None:
    """OpenJPEG 2.5.4 loses some of 26 and more, and GDAL opens no stream of 32."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dtype == "i4" else (0, 2**bits - 1)
    pixels = np.random.default_rng(bits).integers(low, high, (40, 24), dtype, endpoint=True)
    pixels[0, :2] = low, high
    stream = gdal_jp2_of(pixels, bits)
    assert np.array_equal(by_gdal_driver(stream)[0], pixels)
    depth = bits if tagged == "as the stream" else 32
    found = read(tiff(pixels, lambda _: stream, extra_entries=[entry(258, SHORT, depth)]))
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize("options", [{"QUALITY": "30"}, {"YCBCR420": "YES"}], ids=str)
def test_a_lossy_file_reads_as_in_gdals_driver(options: dict[str, str]):
    stream = gdal_jp2(colours(), **options)
    found = read(tiff(colours(), lambda _: stream))
    assert np.abs(found.astype(float) - by_gdal_driver(stream)).mean() < 1


def test_fill_order_is_not_for_jpeg2k():
    pixels = values("u1", 40, 24)
    assert np.array_equal(read(tiff(pixels, extra_entries=[entry(266, SHORT, 2)])), pixels)


# ---- Aperio

APERIO = entry(270, ASCII, "Aperio Image Library v8.0.39")


@pytest.mark.parametrize(
    ("photometric", "extra"), [(YCBCR, []), (2, [APERIO])], ids=["by the tag", "by Aperio"]
)
def test_ycbcr_without_subsampling_becomes_rgb(photometric: int, extra: list[Entry]):
    rgb = colours()
    data = tiff(
        to_ycbcr(rgb),
        lambda block: j2k(block, mct=False),
        compression=33003,
        photometric=photometric,
        extra_entries=extra,
        tile=(16, 16),
    )
    assert distance(read(data), rgb) <= 2


@pytest.mark.parametrize("photometric", [2, YCBCR])
@pytest.mark.parametrize("compression", NUMBERS)
def test_subsampled_ycbcr_becomes_rgb(photometric: int, compression: int):
    stream = gdal_jp2(colours(), YCBCR420="YES", QUALITY="100")
    data = tiff(colours(), lambda _: stream, compression=compression, photometric=photometric)
    assert np.abs(read(data).astype(float) - by_gdal_driver(stream)).mean() < 1


def test_rgb_with_the_streams_own_transform_stays_rgb():
    rgb = values("u1", 40, 24, 3)
    data = tiff(rgb, compression=33003, photometric=YCBCR)
    assert np.array_equal(read(data), bands_first(rgb))


def test_rgb_that_other_writers_store_under_aperios_number_stays_rgb():
    rgb = values("u1", 40, 24, 3)
    data = tiff(rgb, lambda block: j2k(block, mct=False), compression=33003)
    assert np.array_equal(read(data), bands_first(rgb))
    *_, codec = stored_metadata(virtual(data))["codecs"]
    assert codec["name"] == "imagecodecs_jpeg2k"


@pytest.mark.parametrize("compression", [33005, 34712])
def test_other_numbers_are_what_the_stream_gives(compression: int):
    pixels = values("u1", 40, 24, 3)
    data = tiff(pixels, lambda b: j2k(b, mct=False), compression=compression, photometric=YCBCR)
    assert np.array_equal(read(data), bands_first(pixels))


# ---- what is refused

PIXELS = values("u1", 40, 24, 3)
REFUSED: dict[str, Callable[[Pixels], bytes]] = {
    "a sample less": lambda block: j2k(block[..., :2]),
    "a row more": lambda block: j2k(np.vstack([block, block[:1]])),
    "turned": lambda block: j2k(block.swapaxes(0, 1)),
    "another type": lambda block: j2k(block.astype("u2")),
    "signed": lambda block: j2k(block.view("i1")),
    "cut off": lambda block: j2k(block)[:-20],
    "nothing of JPEG 2000": lambda block: block.tobytes(),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("photometric", [2, YCBCR])
def test_another_stream_than_the_tags_promise_is_an_error(name: str, photometric: int):
    data = tiff(PIXELS, REFUSED[name], compression=33003, photometric=photometric)
    with pytest.raises(ValueError, match="the block"):
        read(data)


@pytest.mark.parametrize("dtype", ["f4", "u8"])
def test_what_jpeg2k_cannot_hold_is_refused(dtype: str):
    with pytest.raises(UnsupportedError, match="BitsPerSample"):
        virtual(tiff(values(dtype, 8, 8), lambda _: j2k(PIXELS)))


@pytest.mark.parametrize(
    "codec",
    [CODEC, STANDARD],
    ids=["ours", "theirs"],
)
def test_nothing_is_decoded_of_a_stream_that_states_another_size(
    codec: Any, monkeypatch: pytest.MonkeyPatch
):
    data = j2k(np.zeros((1000, 1000, 3), "u1"))
    monkeypatch.setattr(imagecodecs, "jpeg2k_decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageSizeError, match="1000 rows and 1000 columns"):
        codec._decode_sync(buffer(data), chunk_spec(40, 24, 3))


# ---- metadata


def test_it_is_what_zarr_finds_under_its_name():
    assert get_codec_class("virtual_tiff.jpeg2k_ycbcr") is Jpeg2kYcbcrCodec


def test_the_round_trip_changes_nothing():
    assert CODEC.to_dict() == {"name": "virtual_tiff.jpeg2k_ycbcr", "configuration": {}}
    assert Jpeg2kYcbcrCodec.from_dict(CODEC.to_dict()) == CODEC
    assert pickle.loads(pickle.dumps(CODEC)) == CODEC
