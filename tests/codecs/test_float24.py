"""Floats of 24 bits: `imagecodecs_float24`, and `virtual_tiff.float24_predictor`."""

from __future__ import annotations

import zlib
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
    by_gdal,
    by_tifffile,
    chunk_spec,
    read,
    stored_metadata,
    values,
    virtual,
)
from virtual_tiff.codecs.samples.float24_predictor import Float24PredictorCodec

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

NAME = "virtual_tiff.float24_predictor"
JSON: dict[str, Any] = {"name": NAME, "configuration": {"axis": -2, "dist": 1}}
BLOCKS: dict[str, dict[str, Any]] = {"strips": {"rows_per_strip": 8}, "tiles": {"tile": (16, 16)}}

every_order = pytest.mark.parametrize("byteorder", ["II", "MM"])


def floats(*shape: int) -> NDArray[np.float32]:
    """Values that 24 bits hold exactly, zeros of either sign and infinity among them."""
    found = values("f4", *shape)
    found.flat[:3] = 0.0, -0.0, np.inf
    encoded = imagecodecs.float24_encode(found, byteorder="<")
    exact: NDArray[np.float32] = imagecodecs.float24_decode(encoded, byteorder="<")
    return exact.reshape(shape)


def triples(block: NDArray[np.float32], byteorder: str) -> bytes:
    order = "<" if byteorder == "II" else ">"
    return bytes(imagecodecs.float24_encode(np.ascontiguousarray(block), byteorder=order))


def predicted(block: NDArray[np.float32], dist: int = 1) -> bytes:
    """Adobe's Technical Note 3 by loops: bytes of a row plane by plane, then differences."""
    samples = block.shape[2] if block.ndim == 3 else 1
    found = bytearray()
    for row in block:
        data = triples(row, "MM")
        planes = data[0::3] + data[1::3] + data[2::3]
        stride = samples * dist
        found += bytes(
            (n - (planes[i - stride] if i >= stride else 0)) % 256 for i, n in enumerate(planes)
        )
    return bytes(found)


def tiff(pixels: NDArray[np.float32], byteorder: str, predictor: int, **options: Any) -> bytes:
    samples = pixels.shape[2] if pixels.ndim == 3 else 1

    def encoded(block: NDArray[np.float32]) -> bytes:
        dist = {34894: 2, 34895: 4}.get(predictor, 1)
        stored = triples(block, byteorder) if predictor == 1 else predicted(block, dist)
        return zlib.compress(stored)

    entries = [entry(258, SHORT, [24] * samples), entry(317, SHORT, predictor)]
    return image(
        pixels,
        byteorder=byteorder,
        compression=8,
        encode_block=encoded,
        extra_entries=entries,
        **options,
    )


# ---- files


@every_order
@pytest.mark.parametrize("predictor", [1, 3])
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(("samples", "planar"), [(1, 1), (3, 1), (3, 2)])
def test_they_are_gdals(byteorder: str, predictor: int, block: str, samples: int, planar: int):
    pixels = floats(21, 29, samples) if samples > 1 else floats(21, 29)
    data = tiff(pixels, byteorder, predictor, planar=planar, **BLOCKS[block])
    found = read(data)
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, bands_first(pixels))
    np.testing.assert_array_equal(found, by_gdal(data))


@every_order
def test_they_are_tifffiles(byteorder: str):
    data = tiff(floats(21, 29), byteorder, 1)
    np.testing.assert_array_equal(read(data), by_tifffile(data))


def test_nan_is_nan():
    pixels = np.array([[np.nan, 1.0]], "f4")
    np.testing.assert_array_equal(read(tiff(pixels, "II", 1)), pixels)
    np.testing.assert_array_equal(read(tiff(pixels, "MM", 3)), pixels)


@pytest.mark.parametrize("predictor", [34894, 34895])
def test_predictors_of_the_dng_specification(predictor: int):
    pixels = floats(16, 32, 3)
    np.testing.assert_array_equal(read(tiff(pixels, "II", predictor)), bands_first(pixels))


def test_imagecodecs_decodes_what_it_can():
    steps = stored_metadata(virtual(tiff(floats(8, 8), "MM", 1)))["codecs"]
    assert steps[0] == {"name": "imagecodecs_float24", "configuration": {"byteorder": ">"}}


@pytest.mark.parametrize("predictor", [1, 3])
@pytest.mark.parametrize("change", [-1, -3, -30])
def test_a_shorter_block_raises(predictor: int, change: int):
    entries = [entry(258, SHORT, 24), entry(317, SHORT, predictor)]
    data = image(
        floats(8, 8),
        compression=8,
        encode_block=lambda block: zlib.compress(bytes(block.size * 3 + change)),
        extra_entries=entries,
    )
    reason = "(cannot reshape|24 bits take 192|multiple of 3)"
    with pytest.raises(ValueError, match=f"block 0/c/0/0 of .*{reason}"):
        read(data)


# ---- the codec


@pytest.mark.parametrize(("shape", "axis"), [((4, 6), -1), ((1, 4, 6), -1), ((4, 6, 3), -2)])
def test_axes(shape: tuple[int, ...], axis: int):
    pixels = floats(*shape)
    block = pixels[0] if axis == -1 and pixels.ndim == 3 else pixels
    codec = Float24PredictorCodec(axis=axis)
    spec = chunk_spec(*shape, dtype="float32")
    found = codec._decode_sync(buffer(predicted(block)), spec).as_numpy_array()
    np.testing.assert_array_equal(found, pixels)


def test_a_row_may_be_shorter_than_the_distance():
    codec = Float24PredictorCodec(axis=-1, dist=4)
    pixels = floats(3, 1)
    spec = chunk_spec(3, 1, dtype="float32")
    found = codec._decode_sync(buffer(predicted(pixels, 4)), spec).as_numpy_array()
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("length", [0, 17, 19, 1000])
def test_another_length_is_refused_with_what_is_promised(length: int):
    with pytest.raises(ValueError, match=f"the block has {length} bytes; 6 floats"):
        Float24PredictorCodec()._decode_sync(
            buffer(bytes(length)), chunk_spec(2, 3, dtype="float32")
        )


def test_the_round_trip_changes_nothing():
    assert get_codec_class(NAME) is Float24PredictorCodec
    assert Float24PredictorCodec.from_dict(dict(JSON)).to_dict() == JSON


@pytest.mark.parametrize(
    "change",
    [{"axis": 0}, {"axis": -1.0}, {"axis": "-1"}, {"dist": 0}, {"dist": 1.5}, {"more": 1}],
    ids=str,
)
def test_another_metadata_is_a_value_error(change: dict[str, Any]):
    with pytest.raises(ValueError, match=r"virtual_tiff\.float24_predictor"):
        Float24PredictorCodec.from_dict({**JSON, "configuration": JSON["configuration"] | change})


def test_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match="choose other codecs"):
        Float24PredictorCodec()._encode_sync(None, chunk_spec(1, 1, dtype="float32"))
