"""`virtual_tiff.ycbcr`: data units to RGB, as GDAL gives them through libtiff."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.registry import get_codec_class

from support.build import RATIONAL, SHORT, Entry, entry, image, lzw_encode
from support.pixels import (
    bands_first,
    by_gdal,
    by_tifffile,
    chunk_spec,
    read,
    stored_metadata,
    virtual,
    zarr_array,
)
from virtual_tiff.codecs.samples.ycbcr import YCbCrCodec
from virtual_tiff.tiff import FormatError, UnsupportedError

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

GDALS = [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (4, 4)]
"""The subsamplings, (across, down), that libtiff converts."""
OTHERS = [(1, 4), (2, 4)]
BLOCKS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rows_per_strip": 8},
    "rows": {"rows_per_strip": 1},
    "strips that end in a unit": {"rows_per_strip": 3},
    "tiles": {"tile": (16, 16)},
}
ENCODERS: dict[int, Callable[[bytes], bytes]] = {
    1: bytes,
    5: lzw_encode,
    8: zlib.compress,
    32773: imagecodecs.packbits_encode,
    50000: imagecodecs.zstd_encode,
}
CONFIGURATION: dict[str, Any] = {
    "subsampling": [2, 1],
    "coefficients": [0.299, 0.587, 0.114],
    "reference": [0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
}
NAME = "virtual_tiff.ycbcr"

every_gdals = pytest.mark.parametrize("subsampling", GDALS, ids=str)


def pixels(*shape: int, dtype: str = "u1") -> NDArray[Any]:
    """YCbCr of shape (rows, columns, 3)."""
    info = np.iinfo(dtype)
    random = np.random.default_rng(sum(shape))
    return random.integers(info.min, info.max, (*shape, 3), dtype, endpoint=True)


def units(block: NDArray[Any], across: int, down: int) -> NDArray[Any]:
    """Data units of a block by TIFF 6.0 section 21: loops, to be unlike the codec."""
    rows, columns, _ = block.shape
    found = []
    for top in range(0, rows, down):
        for left in range(0, columns, across):
            for y in range(top, top + down):
                row = block[min(y, rows - 1)]
                found += [row[min(x, columns - 1), 0] for x in range(left, left + across)]
            found += list(block[top, left, 1:])
    return np.array(found, block.dtype)


def tiff(
    ycbcr: NDArray[Any],
    subsampling: tuple[int, int],
    *entries: Entry,
    compression: int = 8,
    **options: Any,
) -> bytes:
    def encoded(block: NDArray[Any]) -> bytes:
        return ENCODERS[compression](units(block, *subsampling).tobytes())

    return image(
        ycbcr,
        compression=compression,
        photometric=6,
        encode_block=encoded,
        extra_entries=[entry(530, SHORT, list(subsampling)), *entries],
        **options,
    )


def repeated(ycbcr: NDArray[Any], across: int, down: int, strip: int) -> NDArray[Any]:
    """The same picture without subsampling: each pixel with the chroma of its unit."""
    found = ycbcr.copy()
    for y in range(len(found)):
        top = y // strip * strip
        from_y = top + (y - top) // down * down
        for x in range(found.shape[1]):
            found[y, x, 1:] = ycbcr[from_y, x // across * across, 1:]
    return found


# ---- files


@every_gdals
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shape", [(21, 32), (16, 16), (7, 30)], ids=str)
def test_it_is_gdals(subsampling: tuple[int, int], block: str, shape: tuple[int, int]):
    # sizes that libtiff gets right; see the two tests below
    data = tiff(pixels(*shape), subsampling, **BLOCKS[block])
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("subsampling", [*GDALS, *OTHERS], ids=str)
@pytest.mark.parametrize("rows", [8, 3, 1])
@pytest.mark.parametrize("shape", [(21, 29), (1, 1), (3, 50)], ids=str)
def test_every_pixel_has_the_chroma_of_its_unit(
    subsampling: tuple[int, int], rows: int, shape: tuple[int, int]
):
    # what libtiff gets wrong is here: of 4 x 4 it loses the last unit of an odd number of
    # them (its scanline is a quarter of 18 bytes a unit, rounded down), and 4 rows a column
    # are more than it converts
    ycbcr = pixels(*shape)
    found = read(tiff(ycbcr, subsampling, rows_per_strip=rows))
    whole = tiff(repeated(ycbcr, *subsampling, rows), (1, 1))
    np.testing.assert_array_equal(found, by_gdal(whole))


@pytest.mark.parametrize("subsampling", [(4, 4), (2, 1)], ids=str)
@pytest.mark.parametrize("shape", [(37, 5), (21, 29)], ids=str)
def test_partial_tiles(subsampling: tuple[int, int], shape: tuple[int, int]):
    # libtiff loses its way in tiles of 4 x 4 units that the image ends in ("fromskew")
    ycbcr = pixels(*shape)
    found = read(tiff(ycbcr, subsampling, tile=(16, 16)))
    whole = tiff(repeated(ycbcr, *subsampling, 16), (1, 1))
    np.testing.assert_array_equal(found, by_gdal(whole))


@pytest.mark.parametrize("compression", ENCODERS)
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2), (4, 2)], ids=str)
def test_every_compression(compression: int, byteorder: str, subsampling: tuple[int, int]):
    data = tiff(
        pixels(21, 29), subsampling, compression=compression, byteorder=byteorder, rows_per_strip=8
    )
    np.testing.assert_array_equal(read(data), by_gdal(data))


def thousandths(*numbers: float) -> list[tuple[int, int]]:
    return [(round(number * 1000), 1000) for number in numbers]


TAGS: dict[str, list[Entry]] = {
    "none": [],
    "BT.709": [entry(529, RATIONAL, thousandths(0.2126, 0.7152, 0.0722))],
    "video range": [entry(532, RATIONAL, thousandths(16, 235, 128, 240, 128, 240))],
    "the specification's default": [entry(532, RATIONAL, thousandths(0, 255, 0, 255, 0, 255))],
    "black is white": [entry(532, RATIONAL, thousandths(9, 9, 100, 100, 128, 128))],
    "fractions": [entry(532, RATIONAL, thousandths(10.5, 200.25, 100.75, 90, 200, 128.5))],
    "no denominators": [entry(532, RATIONAL, [(0, 0)] * 6)],
    "two numbers": [entry(532, RATIONAL, thousandths(16, 235))],
    "no luma of red": [entry(529, RATIONAL, thousandths(0, 1, 0))],
    "all coefficients large": [entry(529, RATIONAL, thousandths(1.5, 0.01, 3))],
    "one coefficient": [entry(529, RATIONAL, thousandths(0.3))],
    "positioning": [entry(531, SHORT, 2)],
}


@pytest.mark.parametrize("name", TAGS)
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)], ids=str)
def test_coefficients_and_reference_are_gdals(name: str, subsampling: tuple[int, int]):
    data = tiff(pixels(64, 64), subsampling, *TAGS[name])
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_without_the_tag_units_are_2_by_2():
    def encoded(block: NDArray[Any]) -> bytes:
        return zlib.compress(units(block, 2, 2).tobytes())

    data = image(pixels(21, 29), compression=8, photometric=6, encode_block=encoded)
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_predictor_2_without_subsampling():
    data = image(
        pixels(21, 29),
        compression=5,
        photometric=6,
        predictor=2,
        rows_per_strip=8,
        extra_entries=[entry(530, SHORT, [1, 1])],
    )
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("path", ["BatchedCodecPipeline", "FusedCodecPipeline"])
def test_both_pipelines_decode(path: str):
    data = tiff(pixels(21, 29), (4, 2), rows_per_strip=8)
    with zarr.config.set({"codec_pipeline.path": f"zarr.core.codec_pipeline.{path}"}):
        np.testing.assert_array_equal(read(data), by_gdal(data))


def test_a_window_of_a_file():
    data = tiff(pixels(50, 50), (2, 2), tile=(16, 16))
    array = zarr_array(virtual(data))
    np.testing.assert_array_equal(array[1, 17:35, 3:20], by_gdal(data)[1, 17:35, 3:20])


def test_uncompressed_strips_stay_strips():
    # the last row of units of a strip may hold rows that are no rows of the image
    metadata = stored_metadata(
        virtual(tiff(pixels(21, 29), (2, 2), compression=1, rows_per_strip=3))
    )
    assert metadata["chunk_grid"]["configuration"]["chunk_shape"] == [3, 3, 29]


# ---- as stored


def test_more_bits_are_bands_as_gdal_has_them():
    ycbcr = pixels(21, 29, dtype="u2")
    data = tiff(ycbcr, (1, 1))
    np.testing.assert_array_equal(read(data), by_gdal(data))
    np.testing.assert_array_equal(read(data), bands_first(ycbcr))


def test_planes_are_bands_as_tifffile_has_them():
    ycbcr = pixels(21, 29)
    entries = [entry(530, SHORT, [1, 1])]
    data = image(ycbcr, photometric=6, planar=2, compression=8, extra_entries=entries)
    np.testing.assert_array_equal(read(data), bands_first(ycbcr))
    np.testing.assert_array_equal(read(data), by_tifffile(data))


# ---- refused


def refused(match: str, data: bytes, error: type[Exception] = UnsupportedError) -> None:
    with pytest.raises(error, match=match):
        virtual(data)


def test_subsampled_planes_are_refused():
    match = r"YCbCrSubSampling is 2, 2 of 3 planar samples of 8 bits.*\(530\), IFD 0"
    refused(match, image(pixels(4, 4), photometric=6, planar=2))


def test_subsampled_samples_of_16_bits_are_refused():
    match = r"YCbCrSubSampling is 2, 1 of 3 chunky samples of 16 bits"
    refused(match, tiff(pixels(4, 4, dtype="u2"), (2, 1)))


def test_subsampled_samples_with_alpha_are_refused():
    refused("of 4 chunky samples", image(np.zeros((4, 4, 4), "u1"), photometric=6))


def test_a_predictor_over_units_is_refused():
    refused(
        r"Predictor HorizontalDifferencing \(2\) over subsampled YCbCr",
        tiff(pixels(4, 4), (2, 1), entry(317, SHORT, 2)),
    )


@pytest.mark.parametrize("numbers", [[(0, 1)] * 3, [(1, 0)] * 3, [(0, 0)] * 3])
def test_coefficients_that_allow_no_conversion_are_refused(numbers: list[tuple[int, int]]):
    refused(
        r"YCbCrCoefficients .* allow no conversion",
        tiff(pixels(4, 4), (1, 1), entry(529, RATIONAL, numbers)),
    )


def test_a_reference_out_of_range_is_refused():
    numbers = [(2**32 - 1, 1)] * 6
    refused("ReferenceBlackWhite", tiff(pixels(4, 4), (1, 1), entry(532, RATIONAL, numbers)))


@pytest.mark.parametrize("numbers", [[3, 1], [0, 0], [2, 8]], ids=str)
def test_another_subsampling_is_a_format_error(numbers: list[int]):
    entries = [entry(530, SHORT, numbers)]
    refused(
        "YCbCrSubSampling", image(pixels(4, 4), photometric=6, extra_entries=entries), FormatError
    )


# ---- damaged


def resized(subsampling: tuple[int, int], change: int) -> bytes:
    def encode(block: NDArray[Any]) -> bytes:
        stored = units(block, *subsampling).tobytes()
        return zlib.compress(stored[:change] if change < 0 else stored + bytes(change))

    entries = [entry(530, SHORT, list(subsampling))]
    return image(
        pixels(16, 16), photometric=6, compression=8, encode_block=encode, extra_entries=entries
    )


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2), (4, 4)], ids=str)
@pytest.mark.parametrize("change", [-1, -18])
def test_a_block_that_is_too_short_raises(subsampling: tuple[int, int], change: int):
    with pytest.raises(ValueError, match=r"reshape|INSUFFICIENT_SPACE"):
        read(resized(subsampling, change))


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2), (4, 4)], ids=str)
@pytest.mark.parametrize("change", [18, 10_000])
def test_a_block_that_goes_on_is_cut(subsampling: tuple[int, int], change: int):
    data = resized(subsampling, change)
    np.testing.assert_array_equal(read(data), read(resized(subsampling, 0)))
    if change > 1000:  # libtiff's deflate loses a block that goes on for a few bytes
        np.testing.assert_array_equal(read(data), by_gdal(data))


# ---- the codec


def test_units_by_hand():
    # full range, no colour: RGB is Y
    stored = np.array([[[10, 20, 128, 128], [30, 40, 128, 128]]], "u1")
    codec = YCbCrCodec(**CONFIGURATION)
    found = codec._decode_sync(
        default_buffer_prototype().nd_buffer.from_numpy_array(stored), chunk_spec(1, 3, 3)
    )
    assert found.as_numpy_array().tolist() == [[[10] * 3, [20] * 3, [30] * 3]]


def test_the_shape_of_units():
    codec = YCbCrCodec(**CONFIGURATION | {"subsampling": [4, 2]})
    assert codec.resolve_metadata(chunk_spec(5, 9, 3)).shape == (3, 3, 10)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((5, 9), "uint8"), ((5, 9, 4), "uint8"), ((5, 9, 3), "uint16")]
)
def test_what_is_no_rgb_is_refused(shape: tuple[int, ...], dtype: str):
    with pytest.raises(
        ValueError, match=r"virtual_tiff\.ycbcr: a chunk of shape .* cannot hold RGB"
    ):
        YCbCrCodec(**CONFIGURATION).resolve_metadata(chunk_spec(*shape, dtype=dtype))


def test_the_round_trip_changes_nothing():
    data = {"name": NAME, "configuration": CONFIGURATION}
    assert get_codec_class(NAME) is YCbCrCodec
    assert YCbCrCodec.from_dict(dict(data)).to_dict() == data


@pytest.mark.parametrize(
    "change",
    [
        {"subsampling": [3, 1]},
        {"subsampling": [1]},
        {"subsampling": [2.0, 1.0]},
        {"subsampling": 2},
        {"coefficients": [0.3, 0, 0.1]},
        {"coefficients": [0.3, 0.6]},
        {"coefficients": ["0.3", "0.6", "0.1"]},
        {"coefficients": [float("nan"), 0.6, 0.1]},
        {"reference": [0.0, 255.0]},
        {"reference": [0.0, float("inf"), 128.0, 255.0, 128.0, 255.0]},
        {"more": 1},
    ],
    ids=str,
)
def test_another_metadata_is_a_value_error(change: dict[str, Any]):
    with pytest.raises(ValueError, match=r"virtual_tiff\.ycbcr"):
        YCbCrCodec.from_dict({"name": NAME, "configuration": CONFIGURATION | change})


def test_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match="choose other codecs"):
        YCbCrCodec(**CONFIGURATION)._encode_sync(None, chunk_spec(1, 1, 3))
