"""What streams say of their size: read before anything is decoded, whatever they say."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from support.pixels import values
from virtual_tiff.codecs.images.headers import (
    ImageHeader,
    ImageSizeError,
    check_size,
    jpeg2k_header,
    jpegxr_header,
    lerc_header,
    png_header,
    webp_header,
)
from virtual_tiff.codecs.images.jxl_header import jpegxl_header

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

type Pixels = NDArray[Any]

PARSERS: dict[str, Callable[[bytes], Any]] = {
    "jpeg2k": jpeg2k_header,
    "jpegxl": jpegxl_header,
    "jpegxr": jpegxr_header,
    "lerc": lerc_header,
    "png": png_header,
    "webp": webp_header,
}

ENCODERS: dict[str, tuple[str, Callable[[Pixels], bytes], tuple[int, ...]]] = {
    "J2K": ("jpeg2k", lambda a: imagecodecs.jpeg2k_encode(a, codecformat="J2K"), (1, 2, 3, 5)),
    "JP2": ("jpeg2k", lambda a: imagecodecs.jpeg2k_encode(a, codecformat="JP2"), (1, 3)),
    "JXL": ("jpegxl", imagecodecs.jpegxl_encode, (1, 2, 3, 4)),
    "JXL lossy": ("jpegxl", lambda a: imagecodecs.jpegxl_encode(a, level=60), (1, 3)),
    "JXL boxes": ("jpegxl", lambda a: imagecodecs.jpegxl_encode(a, usecontainer=True), (1, 3, 4)),
    "JXR": ("jpegxr", lambda a: imagecodecs.jpegxr_encode(a, level=0.9), (1, 3, 4)),
    "LERC": ("lerc", lambda a: imagecodecs.lerc_encode(a, level=0), (1, 3, 4)),
    "PNG": ("png", imagecodecs.png_encode, (1, 2, 3, 4)),
    "WebP": ("webp", lambda a: imagecodecs.webp_encode(a, lossless=True), (3, 4)),
    "WebP lossy": ("webp", lambda a: imagecodecs.webp_encode(a, lossless=False), (3, 4)),
}
"""Name -> parser, encoder, numbers of samples."""

SIZES = [(6, 9), (7, 200), (16, 16), (300, 5), (256, 256)]
CASES = [(name, samples) for name, (*_, counts) in ENCODERS.items() for samples in counts]


def picture(rows: int, columns: int, samples: int) -> Pixels:
    shape = (rows, columns) if samples == 1 else (rows, columns, samples)
    return values("u1", *shape)


def stream(name: str) -> bytes:
    return ENCODERS[name][1](picture(20, 30, 3))


@pytest.mark.parametrize(("name", "samples"), CASES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_size_is_that_of_the_encoded_image(name: str, samples: int, size: tuple[int, int]):
    parser, encode, _ = ENCODERS[name]
    header = PARSERS[parser](encode(picture(*size, samples)))
    assert (header.rows, header.columns) == size
    found = header.depth * header.bands if parser == "lerc" else header.samples
    assert found in (samples, None)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_memoryview_is_read_as_well(name: str):
    parser = PARSERS[ENCODERS[name][0]]
    data = stream(name)
    assert parser(memoryview(data)) == parser(data)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_stream_that_is_cut_off_in_its_header_has_none(name: str):
    parser = PARSERS[ENCODERS[name][0]]
    data = stream(name)
    whole = parser(data)
    found = [parser(data[:size]) for size in range(200)]
    assert found[0] is None
    assert all(header is None or header.rows == whole.rows for header in found)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("name", ENCODERS)
def test_bytes_of_any_kind_do_not_raise(parser: str, name: str):
    random = np.random.default_rng(2)
    data = bytearray(stream(name)[:150])
    for _ in range(300):
        spoiled = data.copy()
        for at in random.integers(0, len(data), 4):
            spoiled[at] = random.integers(256)
        PARSERS[parser](bytes(spoiled))


@pytest.mark.parametrize("parser", PARSERS)
def test_another_format_has_no_header(parser: str):
    others = [stream(name) for name, (own, *_) in ENCODERS.items() if own != parser]
    assert all(PARSERS[parser](other) is None for other in others)


# ---- PNG


def test_png_transparency_is_one_more_sample():
    plain = imagecodecs.png_encode(picture(4, 5, 3))
    chunk = struct.pack(">I4s3HI", 6, b"tRNS", 1, 2, 3, 0)
    assert png_header(plain) == ImageHeader(rows=4, columns=5, samples=3)
    assert png_header(plain[:33] + chunk + plain[33:]) == ImageHeader(rows=4, columns=5, samples=4)


# ---- WebP


def test_an_animated_webp_has_no_header():
    frames = values("u1", 3, 20, 30, 3)
    assert webp_header(imagecodecs.webp_encode(frames, lossless=True)) is None


# ---- JPEG 2000


def jp2_by_gdal(pixels: Pixels, **options: str) -> bytes:
    rows, columns, samples = pixels.shape
    with MemoryFile() as file:
        with file.open(
            driver="JP2OpenJPEG",
            width=columns,
            height=rows,
            count=samples,
            dtype=pixels.dtype,
            **options,
        ) as dataset:
            dataset.write(np.moveaxis(pixels, -1, 0))
            dataset.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
        return bytes(file.read())


def test_jpeg2k_says_whether_decoding_transforms_colours():
    pixels = picture(16, 16, 3)
    with_transform = imagecodecs.jpeg2k_encode(pixels, mct=True)
    without = imagecodecs.jpeg2k_encode(pixels, mct=False)
    subsampled = jp2_by_gdal(pixels, YCBCR420="YES")
    found = [jpeg2k_header(data) for data in (with_transform, without, subsampled)]
    assert [header is not None and header.transformed for header in found] == [True, False, True]


def test_jpeg2k_of_more_tiles_than_its_bytes_could_hold_has_no_header():
    data = imagecodecs.jpeg2k_encode(picture(200, 200, 1), codecformat="J2K")
    tiny = data[:24] + struct.pack(">II", 1, 1) + data[32:]
    assert jpeg2k_header(data) is not None
    assert jpeg2k_header(tiny) is None


# ---- JPEG XL


def test_jpegxl_of_gray_and_extra_channels_is_planar():
    data = imagecodecs.jpegxl_encode(values("u1", 5, 20, 30), planar=True)
    assert jpegxl_header(data) == ImageHeader(rows=20, columns=30, samples=5, planar=True)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4"])
def test_jpegxl_of_every_depth_is_read(dtype: str):
    pixels = (np.arange(600).reshape(20, 30) / 600 * (1 if dtype[0] == "f" else 250)).astype(dtype)
    header = jpegxl_header(imagecodecs.jpegxl_encode(pixels, bitspersample=None))
    assert header == ImageHeader(rows=20, columns=30, samples=1)


def test_an_animated_jpegxl_has_no_header():
    assert jpegxl_header(imagecodecs.jpegxl_encode(values("u1", 3, 20, 30, 3))) is None


class Bits:
    """Writes a JPEG XL header, the lowest bit of each byte first."""

    def __init__(self) -> None:
        self.number = self.length = 0

    def add(self, *fields: tuple[int, int]) -> Bits:
        for value, count in fields:
            self.number |= value << self.length
            self.length += count
        return self

    def stream(self) -> bytes:
        return b"\xff\x0a" + self.number.to_bytes(self.length // 8 + 8, "little")


SIZE_24x40 = ((1, 1), (2, 5), (0, 3), (4, 5))
"""SizeHeader: small, 3 * 8 rows, no ratio, 5 * 8 columns."""
EIGHT_BITS = ((0, 1), (0, 2))
OPTIONAL = ((0, 1), (2, 2), (14, 4), *EIGHT_BITS, (0, 2), (0, 2))
"""ExtraChannelInfo of type 16, no name."""


def test_jpegxl_channels_beside_rgb_are_lost():
    bits = Bits().add(*SIZE_24x40, (0, 1), (0, 1), *EIGHT_BITS, (1, 1))
    bits.add((2, 2), (1, 4), *OPTIONAL * 3, (0, 1), (1, 1))
    assert jpegxl_header(bits.stream()) == ImageHeader(rows=24, columns=40, samples=3, lost=3)


def test_jpegxl_channels_beside_an_alpha_are_lost():
    bits = Bits().add(*SIZE_24x40, (0, 1), (0, 1), *EIGHT_BITS, (1, 1))
    bits.add((2, 2), (0, 4), (1, 1), *OPTIONAL, (0, 1), (1, 1))
    assert jpegxl_header(bits.stream()) == ImageHeader(rows=24, columns=40, samples=4, lost=1)


def test_jpegxl_that_is_turned_when_decoded_has_rows_for_columns():
    bits = Bits().add(*SIZE_24x40, (0, 1), (1, 1), (5, 3), (0, 1), (0, 1), (0, 1))
    bits.add(*EIGHT_BITS, (1, 1), (0, 2), (0, 1), (1, 1))
    assert jpegxl_header(bits.stream()) == ImageHeader(rows=40, columns=24, samples=3)


def test_jpegxl_ratios_give_the_columns():
    bits = Bits().add((1, 1), (3, 5), (4, 3), (1, 1))  # 32 rows, 3:2, all_default
    assert jpegxl_header(bits.stream()) == ImageHeader(rows=32, columns=48, samples=3)


SPOT_COLOUR = ((0, 1), (2, 2), (0, 4), *EIGHT_BITS, (0, 2), (0, 2), (2**64 - 1, 64))
"""ExtraChannelInfo of a spot colour, with its red, green, blue and solidity in 16 bits each."""
CFA = ((0, 1), (2, 2), (3, 4), *EIGHT_BITS, (0, 2), (0, 2), (3, 2), (255, 8))
"""ExtraChannelInfo of a colour filter array, with its cfa_channel."""


@pytest.mark.parametrize("channel", [SPOT_COLOUR, CFA], ids=["spot colour", "CFA"])
def test_jpegxl_channels_behind_a_longer_description_are_read(channel: tuple[tuple[int, int], ...]):
    """Only if its fields are skipped to the last bit, the next channel is an alpha."""
    bits = Bits().add(*SIZE_24x40, (0, 1), (0, 1), *EIGHT_BITS, (1, 1))
    bits.add((2, 2), (0, 4), *channel, (1, 1), (0, 1), (1, 1))
    assert jpegxl_header(bits.stream()) == ImageHeader(rows=24, columns=40, samples=4, lost=1)


def jxl_box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def test_jpegxl_codestreams_in_several_parts_are_read_as_far_as_a_header_goes():
    data = imagecodecs.jpegxl_encode(picture(20, 30, 3))
    signature = jxl_box(b"JXL ", b"\r\n\x87\n") + jxl_box(b"ftyp", b"jxl \0\0\0\0jxl ")
    expected = ImageHeader(rows=20, columns=30, samples=3)
    split = jxl_box(b"jxlp", bytes(4) + data[:3]) + jxl_box(b"jxlp", b"\x80\0\0\1" + data[3:])
    assert jpegxl_header(signature + split) == expected
    many = jxl_box(b"jxlp", bytes(4) + data + bytes(2**16)) + jxl_box(b"jxlp", bytes(2**16)) * 3
    assert jpegxl_header(signature + many) == expected


# ---- JPEG XR


def jxr_with(tag: int, number: int) -> bytes:
    """A JPEG XR file with one entry of its container changed."""
    data = bytearray(imagecodecs.jpegxr_encode(picture(20, 30, 3), level=0.9))
    at = data.index(struct.pack("<HHI", tag, 4, 1))
    data[at + 8 : at + 12] = struct.pack("<I", number)
    return bytes(data)


def test_jpegxr_whose_container_and_codestream_differ_has_no_header():
    assert jpegxr_header(jxr_with(0xBC80, 30)) is not None
    assert jpegxr_header(jxr_with(0xBC80, 31)) is None
    assert jpegxr_header(jxr_with(0xBC81, 3)) is None


def test_jpegxr_that_is_cut_off_has_no_header():
    data = jxr_with(0xBC80, 30)
    assert jpegxr_header(data[:-1]) is None


# ---- LERC


def test_lerc_bands_are_blobs_in_a_row():
    header = lerc_header(imagecodecs.lerc_encode(values("u2", 3, 20, 30), planar=True, level=0))
    assert header is not None
    assert (header.bands, header.depth, header.data_type) == (3, 1, "uint16")


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_every_version_of_lerc2_is_read(version: int):
    header = lerc_header(imagecodecs.lerc_encode(picture(20, 30, 1), level=0, version=version))
    assert header is not None
    assert (header.rows, header.columns, header.depth, header.masked) == (20, 30, 1, False)


def test_lerc_says_whether_pixels_are_invalid():
    mask = np.arange(600).reshape(20, 30) % 7 > 0
    header = lerc_header(imagecodecs.lerc_encode(picture(20, 30, 1), level=0, masks=mask))
    assert header is not None
    assert header.masked


def test_lerc_blobs_that_differ_are_no_bands():
    first = imagecodecs.lerc_encode(picture(20, 30, 1), level=0)
    other = imagecodecs.lerc_encode(picture(20, 31, 1), level=0)
    assert lerc_header(first + first) is not None
    assert lerc_header(first + other) is None


# ---- comparison with the chunk

RGB = ImageHeader(rows=20, columns=30, samples=3)
GRAY = ImageHeader(rows=20, columns=30, samples=1)
OPEN = ImageHeader(rows=20, columns=30)


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        (RGB, (20, 30, 3)),
        (GRAY, (20, 30)),
        (GRAY, (1, 20, 30)),
        (OPEN, (20, 30, 4)),
        (OPEN, (20, 30)),
        (OPEN, (1, 20, 30)),
    ],
    ids=str,
)
def test_a_chunk_of_the_same_size_passes(header: ImageHeader, shape: tuple[int, ...]):
    check_size(header, shape, "PNG")


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        (RGB, (30, 20, 3)),
        (RGB, (20, 30, 4)),
        (RGB, (20, 30)),
        (RGB, (1, 20, 30)),
        (GRAY, (20, 30, 3)),
        (GRAY, (30, 20)),
        (GRAY, (1, 30, 20)),
        (OPEN, (19, 30)),
        (ImageHeader(rows=1, columns=20, samples=30), (20, 30)),
    ],
    ids=str,
)
def test_a_chunk_of_another_size_is_refused(header: ImageHeader, shape: tuple[int, ...]):
    with pytest.raises(ImageSizeError, match=r"holds a PNG image of .* the tags promise"):
        check_size(header, shape, "PNG")


def test_the_refusal_tells_of_samples_that_cannot_be_decoded():
    header = ImageHeader(rows=20, columns=30, samples=3, lost=2)
    with pytest.raises(ImageSizeError, match=r"3 samples a pixel \(2 more cannot be decoded\)"):
        check_size(header, (20, 30, 5), "JPEG XL")


def test_no_header_is_refused():
    with pytest.raises(ValueError, match="does not hold one PNG image") as caught:
        check_size(None, (20, 30), "PNG")
    assert not isinstance(caught.value, ImageSizeError)


def test_a_box_may_state_its_size_in_64_bits() -> None:
    """ISO/IEC 15444-1 I.4: of a box of LBox 1, XLBox follows, and counts itself."""
    data = imagecodecs.jpeg2k_encode(values("u1", 33, 47), codecformat="jp2")
    at = data.index(b"jp2c") - 4
    size = len(data) - at + 8
    large = data[:at] + struct.pack(">I4sQ", 1, b"jp2c", size) + data[at + 8 :]
    header = jpeg2k_header(large)
    assert header == jpeg2k_header(data)
    assert header is not None
    assert jpeg2k_header(data[:at] + struct.pack(">I4sQ", 1, b"jp2c", 3) + data[at + 8 :]) is None


def test_a_jpegxr_image_of_an_unknown_kind_of_orientation_is_left_to_the_decoder() -> None:
    data = bytearray(imagecodecs.jpegxr_encode(values("u1", 32, 48)))
    start = data.index(b"WMPHOTO\0")
    assert jpegxr_header(bytes(data)) is not None
    data[start + 9] |= 0b111 << 3
    assert jpegxr_header(bytes(data)) is None
