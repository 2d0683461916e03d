"""JPEG's rows of the codec table: which codecs tags become, and that GDAL reads the same."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any

import imagecodecs.zarr
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.core.metadata.v3 import ArrayV3Metadata

from support.build import LONG, SHORT, UNDEFINED, Picture, entry, every_variant, image, images
from support.pixels import (
    bands_first,
    by_gdal,
    by_tifffile,
    in_memory,
    read,
    stored_metadata,
    virtual,
)
from virtual_tiff import VirtualTIFF
from virtual_tiff.codecs.guard.guard import GuardCodec
from virtual_tiff.tiff import (
    CountingSource,
    FormatError,
    MemorySource,
    UnsupportedError,
    read_tiff,
)

Y, X = np.mgrid[:48, :64]
RGB = np.stack([X * 4, Y * 5, (X + Y) * 2], -1).astype("u1")
GRAY = np.ascontiguousarray(RGB[..., 2])
RGBA = np.concatenate([RGB, 255 - RGB[..., :1]], -1)

BAND_LAST = {"name": "transpose", "configuration": {"order": [1, 2, 0]}}

type Encode = Callable[[NDArray[Any]], bytes]


def encoder(space: str | None = None, stored: str | None = None, **options: Any) -> Encode:
    """Encode blocks: colour space of the pixels, and of the stream."""

    def encode(block: NDArray[Any]) -> bytes:
        data: bytes = imagecodecs.jpeg8_encode(
            np.ascontiguousarray(block),
            level=90,
            colorspace=space,
            outcolorspace=stored,
            **options,
        )
        return data

    return encode


PLAIN = encoder()
TO_YCBCR = encoder("RGB", "YCBCR", subsampling="420")


def without_jfif(encode: Encode) -> Encode:
    """As libtiff writes: no APP0."""

    def stripped(block: NDArray[Any]) -> bytes:
        data = encode(block)
        assert data[6:10] == b"JFIF"
        return data[:2] + data[20:]

    return stripped


def unlabelled_rgb(block: NDArray[Any]) -> bytes:
    """RGB whose stream does not say so: no Adobe marker, and components 1, 2, 3, as YCbCr has."""
    data = encoder("RGB", "RGB")(block)
    assert data[6:11] == b"Adobe"
    data = data[:2] + data[18:]
    for letter, number in ((b"R", b"\1"), (b"G", b"\2"), (b"B", b"\3")):
        for sampling in (b"\x11\0", b"\0"):
            data = data.replace(letter + sampling, number + sampling, 1)
    return data


def jpeg(pixels: NDArray[Any], encode: Encode = PLAIN, **options: Any) -> bytes:
    return image(pixels, compression=7, encode_block=encode, **options)


def codecs(data: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stored_metadata(virtual(data))["codecs"]
    return found


def imagecodecs_jpeg(given: str, stored: str | None, **more: str) -> dict[str, Any]:
    spaces = {"colorspace_data": given} | ({"colorspace_jpeg": stored} if stored else {})
    return {"name": "imagecodecs_jpeg", "configuration": spaces | more}


# ---- colours

COLOURS: dict[str, tuple[NDArray[Any], Encode, int | None, tuple[str, str | None]]] = {
    "gray": (GRAY, PLAIN, 1, ("GRAYSCALE", "GRAYSCALE")),
    "white is 0": (GRAY, PLAIN, 0, ("GRAYSCALE", "GRAYSCALE")),
    "palette": (GRAY, PLAIN, 3, ("GRAYSCALE", "GRAYSCALE")),
    "RGB": (RGB, encoder("RGB", "RGB"), 2, ("RGB", "RGB")),
    "RGB unlabelled": (RGB, unlabelled_rgb, 2, ("RGB", "RGB")),
    "YCbCr": (RGB, TO_YCBCR, 6, ("RGB", "YCbCr")),
    "YCbCr unlabelled": (RGB, without_jfif(TO_YCBCR), 6, ("RGB", "YCbCr")),
    "RGB and alpha": (RGBA, PLAIN, 2, ("CMYK", "CMYK")),
    "gray and alpha": (np.ascontiguousarray(RGBA[..., :2]), PLAIN, 1, ("UNKNOWN", None)),
    "three bands": (RGB, encoder("RGB", "RGB"), 1, ("RGB", "RGB")),
    "four bands": (RGBA, PLAIN, 1, ("CMYK", "CMYK")),
}
"""Pixels, encoder, PhotometricInterpretation; colour spaces of the pixels and the stream."""


@pytest.mark.parametrize("name", COLOURS)
@every_variant
def test_colours(name, byteorder, big):
    pixels, encode, photometric, spaces = COLOURS[name]
    data = jpeg(pixels, encode, photometric=photometric, byteorder=byteorder, big=big)
    transpose = [BAND_LAST] if pixels.ndim == 3 else []
    assert codecs(data) == [*transpose, imagecodecs_jpeg(*spaces)]
    np.testing.assert_array_equal(read(data), by_gdal(data))


ALONE: dict[str, tuple[NDArray[Any], Encode, int | None, tuple[str, str | None]]] = {
    "CMYK": (RGBA, encoder("CMYK", "CMYK"), 5, ("CMYK", None)),
    "YCCK": (RGBA, encoder("CMYK", "YCCK"), 5, ("CMYK", None)),
    "Lab": (RGB, encoder("RGB", "RGB"), 8, ("RGB", "RGB")),
    "YCbCr, the tag is absent": (RGB, TO_YCBCR, None, ("RGB", None)),
    "RGB, the tag is absent": (RGB, encoder("RGB", "RGB"), None, ("RGB", None)),
    "JFIF, the tag says RGB": (RGB, TO_YCBCR, 2, ("RGB", None)),
    "YCbCr and alpha": (RGBA, PLAIN, 6, ("CMYK", "CMYK")),
}
"""The same, for what GDAL refuses, shows through its RGBA interface, or shows wrongly."""


@pytest.mark.parametrize("name", ALONE)
def test_colours_as_tifffile_has_them(name):
    pixels, encode, photometric, spaces = ALONE[name]
    absent = [262] if photometric is None else []
    data = jpeg(pixels, encode, photometric=photometric, without=absent)
    assert codecs(data) == [BAND_LAST, imagecodecs_jpeg(*spaces)]
    np.testing.assert_array_equal(read(data), bands_first(by_tifffile(data)))


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "411", "440"])
@pytest.mark.parametrize("rows", [48, 16, 20])
def test_subsampling(subsampling, rows):
    # YCbCrSubSampling is absent: 2 and 2, it says; the stream knows better
    encode = encoder("RGB", "YCBCR", subsampling=subsampling)
    data = jpeg(RGB, encode, photometric=6, rows_per_strip=rows)
    np.testing.assert_array_equal(read(data), bands_first(by_tifffile(data)))
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_odd_sizes():
    for shape in ((1, 1), (17, 31), (9, 64)):
        data = jpeg(np.ascontiguousarray(RGB[: shape[0], : shape[1]]), TO_YCBCR, photometric=6)
        np.testing.assert_array_equal(read(data), by_gdal(data), err_msg=str(shape))


# ---- depths


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_depths_that_gdal_has(bits, lossless, byteorder):
    pixels = GRAY if bits == 8 else GRAY.astype("u2") << 4
    encode = encoder(bitspersample=bits, lossless=lossless)
    data = jpeg(pixels, encode, bits=bits, byteorder=byteorder)
    assert read(data).dtype == pixels.dtype
    np.testing.assert_array_equal(read(data), by_gdal(data))
    if lossless:
        np.testing.assert_array_equal(read(data), pixels)


@pytest.mark.parametrize("bits", [2, 4, 10, 14, 16])
def test_depths_without_losses(bits):
    pixels = ((X * 300 + Y * 7) % (1 << bits)).astype("u1" if bits <= 8 else "u2")
    data = jpeg(pixels, encoder(bitspersample=bits, lossless=True), bits=bits)
    np.testing.assert_array_equal(read(data), pixels)


def test_twelve_bits_in_colour():
    data = jpeg(
        RGB.astype("u2") << 4, encoder("RGB", "YCBCR", bitspersample=12), bits=12, photometric=6
    )
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_signed_bytes_are_the_same_bits():
    data = jpeg(GRAY.view("i1"), lambda block: PLAIN(block.view("u1")))
    assert read(data).dtype == "int8"
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_a_stream_of_another_depth_is_an_error():
    data = jpeg(GRAY.astype("u2"), lambda block: PLAIN(block.astype("u1")))
    with pytest.raises(ValueError, match="samples of uint8; the array has uint16"):
        read(data)


# ---- blocks


@pytest.mark.parametrize("rows", [1, 16, 20, 47, 48])
def test_strips(rows):
    for pixels, encode, photometric in ((GRAY, PLAIN, 1), (RGB, TO_YCBCR, 6)):
        data = jpeg(pixels, encode, photometric=photometric, rows_per_strip=rows)
        np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("tile", [(16, 16), (32, 48), (64, 80)])
def test_tiles(tile):
    data = jpeg(RGB, TO_YCBCR, photometric=6, tile=tile)
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("options", [{}, {"rows_per_strip": 20}, {"tile": (32, 48)}])
def test_planes(options):
    data = jpeg(RGB, PLAIN, photometric=2, planar=2, **options)
    np.testing.assert_array_equal(read(data), by_gdal(data))
    assert "transpose" not in [codec["name"] for codec in codecs(data)]


def test_planes_of_ycbcr_are_its_planes():
    data = jpeg(RGB, PLAIN, photometric=6, planar=2, extra_entries=[entry(530, SHORT, [1, 1])])
    assert codecs(data) == [imagecodecs_jpeg("GRAYSCALE", "GRAYSCALE")]
    np.testing.assert_array_equal(read(data), by_gdal(data))


def padded(rows: int, only_last: int | None = None) -> Encode:
    """Streams that go on below the strip; only in the one of `only_last` rows if that is given."""

    def encode(block: NDArray[Any]) -> bytes:
        more = rows if only_last in (None, len(block)) else 0
        return PLAIN(np.pad(block, ((0, more), (0, 0)), mode="edge"))

    return encode


@pytest.mark.parametrize(
    ("encode", "rows"),
    [
        (padded(8), 48),
        (padded(100), 48),
        (padded(4, only_last=8), 20),
        (padded(12, only_last=8), 20),
        (padded(30, only_last=8), 20),
    ],
    ids=["single", "single, much", "last, a little", "last, whole", "last, more than whole"],
)
def test_streams_that_are_taller_than_the_last_strip(encode, rows):
    data = jpeg(GRAY, encode, rows_per_strip=rows)
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_streams_that_are_taller_than_each_strip():
    data = jpeg(GRAY, padded(8), rows_per_strip=20)
    np.testing.assert_array_equal(read(data), by_tifffile(data))


@pytest.mark.parametrize("tile", [(32, 48), (40, 40)])
def test_tiles_that_end_where_the_image_does(tile):
    places = [(y, x) for y in range(0, 48, tile[0]) for x in range(0, 64, tile[1])]
    left = iter(places)

    def cropped(block: NDArray[Any]) -> bytes:
        y, x = next(left)
        return PLAIN(block[: 48 - y, : 64 - x])

    data = jpeg(GRAY, cropped, tile=tile)
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("crop", [(40, 64), (48, 56)])
def test_streams_that_are_smaller_than_the_image_are_an_error(crop):
    data = jpeg(GRAY, lambda block: PLAIN(block[: crop[0], : crop[1]]))
    with pytest.raises(ValueError, match="the tags promise"):
        read(data)


def test_what_libtiff_ignores():
    for more in (entry(266, SHORT, 2), entry(317, SHORT, 2)):
        data = jpeg(GRAY, extra_entries=[more])
        np.testing.assert_array_equal(read(data), by_gdal(data))


# ---- tables


def split(data: bytes) -> tuple[bytes, bytes]:
    """A stream's tables as JPEGTables has them, and the stream without them."""
    at, tables, rest = 2, b"", b""
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] in (0xDB, 0xC4):
            tables += data[at:end]
        else:
            rest += data[at:end]
        at = end
    return b"\xff\xd8" + tables + b"\xff\xd9", b"\xff\xd8" + rest + data[at:]


def with_tables(pixels: NDArray[Any], level: int, **options: Any) -> Picture:
    def whole(block: NDArray[Any]) -> bytes:
        return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(block), level=level))

    tables = split(whole(pixels))[0]
    return Picture(
        pixels,
        compression=7,
        encode_block=lambda block: split(whole(block))[1],
        extra_entries=[entry(347, UNDEFINED, tables)],
        **options,
    )


def test_tables():
    data = images([with_tables(GRAY, 60, tile=(16, 16))])
    (codec,) = codecs(data)
    tables = base64.b64decode(codec["configuration"]["tables"])
    assert tables == split(bytes(imagecodecs.jpeg8_encode(GRAY, level=60)))[0]
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_tables_that_differ_from_page_to_page():
    data = images([with_tables(GRAY, 20), with_tables(GRAY[::-1], 95)])
    for page, pixels in enumerate((GRAY, GRAY[::-1])):
        alone = images([with_tables(pixels, (20, 95)[page])])
        np.testing.assert_array_equal(read(data, str(page)), by_gdal(alone))


def test_empty_tables_are_none():
    data = jpeg(GRAY, extra_entries=[entry(347, UNDEFINED, b"")])
    assert codecs(data) == [imagecodecs_jpeg("GRAYSCALE", "GRAYSCALE")]


@pytest.mark.parametrize("tables", [b"\0" * 20, b"abc", PLAIN(GRAY), PLAIN(GRAY)[:300]], ids=str)
def test_tables_that_are_none_are_an_error(tables):
    data = jpeg(GRAY, extra_entries=[entry(347, UNDEFINED, tables)])
    with pytest.raises(FormatError, match="JPEGTables"):
        virtual(data)


def test_the_store_elsewhere_reads_with_imagecodecs_alone():
    """What is persisted decodes under the names that others know."""
    data = images([with_tables(RGB, 80, photometric=2, tile=(16, 32))])
    stored = stored_metadata(virtual(data))
    metadata = ArrayV3Metadata.from_dict(stored)
    alone = imagecodecs.zarr.Jpeg.from_dict(stored["codecs"][-1])
    assert alone.to_dict() == metadata.codecs[-1].to_dict()
    store = VirtualTIFF()("memory:///a.tif", in_memory({"a.tif": data}))
    served = zarr.open_array(store, path="0", mode="r", zarr_format=3)
    assert isinstance(served.metadata.codecs[-1], GuardCodec)
    assert served.metadata.codecs[-1].to_dict() == metadata.codecs[-1].to_dict()


# ---- DNG


@pytest.mark.parametrize("components", [1, 2, 4])
def test_colour_filter_arrays(components):
    pixels = ((X * 341 + Y * 17) % 16384).astype("u2")

    def grouped(block: NDArray[Any]) -> bytes:
        return encoder(lossless=True, bitspersample=14)(
            block.reshape(len(block), -1, components).squeeze()
        )

    data = jpeg(pixels, grouped, tile=(16, 32), photometric=32803)
    assert codecs(data) == [{"name": "virtual_tiff.jpeg", "configuration": {"tables": ""}}]
    np.testing.assert_array_equal(read(data), by_tifffile(data))
    np.testing.assert_array_equal(read(data), pixels)


def test_linear_raw():
    pixels = RGB.astype("u2") * 60
    encode = encoder("RGB", "RGB", lossless=True, bitspersample=14)
    data = jpeg(pixels, encode, tile=(16, 32), photometric=34892)
    np.testing.assert_array_equal(read(data), bands_first(pixels))


@pytest.mark.parametrize("pixels", [RGB, GRAY], ids=["three", "one"])
def test_lossy_dng(pixels):
    encode = TO_YCBCR if pixels.ndim == 3 else PLAIN
    data = image(pixels, compression=34892, encode_block=encode, tile=(16, 32), photometric=34892)
    assert codecs(data)[-1]["name"] == "virtual_tiff.jpeg"
    np.testing.assert_array_equal(read(data), bands_first(by_tifffile(data)))


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pixels": GRAY.astype("u4")}, "BitsPerSample"),
        ({"pixels": GRAY, "bits": 1}, "BitsPerSample"),
        ({"pixels": GRAY.astype("f4")}, "SampleFormat"),
        ({"pixels": RGB, "photometric": 6, "planar": 2}, "YCbCrSubSampling"),
    ],
    ids=["32 bits", "1 bit", "floats", "planes of subsampled YCbCr"],
)
def test_what_jpeg_cannot_hold(options, text):
    pixels = options.pop("pixels")
    data = jpeg(pixels, lambda block: b"\xff\xd8", **options)
    with pytest.raises(UnsupportedError, match=re.escape(text)):
        virtual(data)


# ---- what is read of the file


def referenced(data: bytes) -> dict[int, bytes]:
    return dict(asyncio.run(read_tiff(MemorySource(data))).ifds[0].referenced)


def test_only_colours_that_may_be_stored_otherwise_need_a_look_at_the_first_block():
    tables = entry(347, 7, b"\xff\xd8\xff\xd9")
    assert not referenced(jpeg(RGB, TO_YCBCR, photometric=6, extra_entries=[tables]))
    assert referenced(jpeg(RGB, TO_YCBCR, photometric=6))
    assert not referenced(jpeg(GRAY))
    assert not referenced(jpeg(RGBA, PLAIN, photometric=2))
    assert not referenced(image(RGB))
    ((_, start),) = referenced(jpeg(RGB, TO_YCBCR, photometric=2)).items()
    assert start[6:10] == b"JFIF"


def test_that_look_is_one_request_more():
    source = CountingSource(MemorySource(jpeg(RGB, PLAIN, photometric=2, tile=(16, 16))))
    asyncio.run(read_tiff(source))
    looked = source.batches
    source = CountingSource(MemorySource(jpeg(RGB, PLAIN, photometric=8, tile=(16, 16))))
    asyncio.run(read_tiff(source))
    assert looked == source.batches + 1


def test_a_first_block_past_the_end_is_no_reason_to_refuse():
    data = jpeg(RGB, PLAIN, photometric=2, extra_entries=[entry(273, LONG, 10**6)])
    assert codecs(data)[-1] == imagecodecs_jpeg("RGB", "RGB")


def test_the_first_block_that_is_there_is_looked_at():
    data = jpeg(RGB, TO_YCBCR, photometric=2, tile=(16, 16), sparse=[0, 1])
    assert codecs(data)[-1] == imagecodecs_jpeg("RGB", None)
    assert not read(data)[:, :16, :32].any()
