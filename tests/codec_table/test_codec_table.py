"""The codecs' names and configurations, exactly, and what is refused."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from support.build import LONG, SHORT, entry, image
from support.pixels import known_bug, stored_metadata, values, virtual
from virtual_tiff.tiff import UnsupportedError

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
SINGLE_BYTES = {"name": "bytes", "configuration": {}}
"""zarr drops the endianness of numbers of one byte."""
BAND_LAST = {"name": "transpose", "configuration": {"order": [1, 2, 0]}}
ZLIB = {"name": "numcodecs.zlib", "configuration": {"level": 1}}
ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
LZMA = {"name": "numcodecs.lzma", "configuration": {}}
LZW = {"name": "imagecodecs_lzw", "configuration": {}}
PACKBITS = {"name": "imagecodecs_packbits", "configuration": {}}


def delta(axis: int) -> dict[str, Any]:
    return {"name": "imagecodecs_delta", "configuration": {"axis": axis, "dist": 1}}


def floatpred(axis: int) -> dict[str, Any]:
    return {"name": "imagecodecs_floatpred", "configuration": {"axis": axis, "dist": 1}}


def pad(size: int, last: int) -> dict[str, Any]:
    return {"name": "virtual_tiff.pad", "configuration": {"size": size, "last": last}}


def persisted(data: bytes) -> list[dict[str, Any]]:
    codecs: list[dict[str, Any]] = stored_metadata(virtual(data))["codecs"]
    return codecs


def codecs(data: bytes) -> list[dict[str, Any]]:
    """The codecs with their configuration, be it empty."""
    return [{"configuration": {}, **codec} for codec in persisted(data)]


def of(dtype: str, samples: int = 1, **options: Any) -> list[dict[str, Any]]:
    """The codecs of 16 x 20 pixels, whose blocks are not really compressed."""
    array = values(dtype, 16, 20, *([samples] if samples > 1 else []))
    return codecs(image(array, encode=bytes, **options))


# ---- compressions

BYTES_CODECS: dict[int, list[dict[str, Any]]] = {
    1: [],
    5: [LZW],
    8: [ZLIB],
    32946: [ZLIB],
    32773: [PACKBITS],
    34925: [LZMA],
    50000: [ZSTD],
}

every_compression = pytest.mark.parametrize("compression", BYTES_CODECS)
predicted = pytest.mark.parametrize("compression", [5, 8, 32946, 34925, 50000])
byte_orders = pytest.mark.parametrize(
    ("byteorder", "serializer"), [("II", LITTLE), ("MM", BIG)], ids=["II", "MM"]
)


@every_compression
@byte_orders
def test_one_sample(compression: int, byteorder: str, serializer: dict[str, Any]):
    found = of("u2", compression=compression, byteorder=byteorder)
    assert found == [serializer, *BYTES_CODECS[compression]]


@every_compression
@byte_orders
def test_interleaved_samples(compression: int, byteorder: str, serializer: dict[str, Any]):
    found = of("u2", 3, compression=compression, byteorder=byteorder)
    assert found == [BAND_LAST, serializer, *BYTES_CODECS[compression]]


@every_compression
def test_planar_samples_are_as_one(compression: int):
    found = of("u2", 3, compression=compression, planar=2)
    assert found == [LITTLE, *BYTES_CODECS[compression]]


@every_compression
@pytest.mark.parametrize("dtype", ["u1", "i1"])
def test_byte_order_does_not_matter_to_single_bytes(compression: int, dtype: str):
    little, big = (of(dtype, compression=compression, byteorder=order) for order in ("II", "MM"))
    assert little == big == [SINGLE_BYTES, *BYTES_CODECS[compression]]


@pytest.mark.parametrize("dtype", ["u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"])
@byte_orders
def test_every_other_data_type_has_a_byte_order(
    dtype: str, byteorder: str, serializer: dict[str, Any]
):
    assert of(dtype, byteorder=byteorder) == [serializer]


# ---- predictors


@predicted
@byte_orders
def test_predictor_2(compression: int, byteorder: str, serializer: dict[str, Any]):
    found = of("u2", compression=compression, predictor=2, byteorder=byteorder)
    assert found == [delta(-1), serializer, *BYTES_CODECS[compression]]


@predicted
def test_predictor_2_of_interleaved_samples_runs_along_the_last_axis_but_one(compression: int):
    found = of("u2", 3, compression=compression, predictor=2)
    assert found == [BAND_LAST, delta(-2), LITTLE, *BYTES_CODECS[compression]]


@predicted
def test_predictor_2_of_planar_samples(compression: int):
    found = of("u2", 3, compression=compression, predictor=2, planar=2)
    assert found == [delta(-1), LITTLE, *BYTES_CODECS[compression]]


@predicted
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_predictor_3_takes_the_place_of_bytes(compression: int, byteorder: str, dtype: str):
    found = of(dtype, compression=compression, predictor=3, byteorder=byteorder)
    assert found == [floatpred(-1), *BYTES_CODECS[compression]]


@predicted
def test_predictor_3_of_interleaved_samples(compression: int):
    found = of("f4", 3, compression=compression, predictor=3)
    assert found == [BAND_LAST, floatpred(-2), *BYTES_CODECS[compression]]


@pytest.mark.parametrize("compression", [1, 32773])
def test_a_predictor_under_a_compression_that_has_none_is_no_step(compression: int):
    found = of("u2", compression=compression, predictor=2)
    assert found == [LITTLE, *BYTES_CODECS[compression]]


def test_predictor_1_is_no_step():
    assert of("u2", compression=8, extra_entries=[entry(317, SHORT, 1)]) == [LITTLE, ZLIB]


# ---- a short last strip


@pytest.mark.parametrize("compression", [5, 8, 32946, 32773, 34925, 50000])
def test_the_padding_stands_between_serializer_and_compressor(compression: int):
    found = of("u2", compression=compression, rows_per_strip=7)
    assert found == [LITTLE, pad(7 * 40, 2 * 40), *BYTES_CODECS[compression]]


def test_the_padding_behind_a_floating_point_predictor():
    found = of("f4", 3, compression=8, predictor=3, rows_per_strip=7)
    assert found == [BAND_LAST, floatpred(-2), pad(7 * 240, 2 * 240), ZLIB]


def test_the_padding_of_planar_samples_is_that_of_one_plane():
    found = of("u2", 3, compression=8, planar=2, rows_per_strip=7)
    assert found == [LITTLE, pad(7 * 40, 2 * 40), ZLIB]


def test_strips_that_divide_the_image_need_no_padding():
    assert of("u2", compression=8, rows_per_strip=4) == [LITTLE, ZLIB]


def test_whole_tiles_need_no_padding():
    assert of("u2", compression=8, tile=(16, 16)) == [LITTLE, ZLIB]


def test_merged_strips_need_no_padding():
    assert of("u2", rows_per_strip=7) == [LITTLE]


# ---- equal lists for what a reader need not know


def deflated(level: int) -> bytes:
    array = values("u2", 16, 20)
    return image(array, compression=8, encode=lambda data: zlib.compress(data, level))


def test_the_level_of_deflate_does_not_matter():
    assert persisted(deflated(1)) == persisted(deflated(9)) == persisted(deflated(0))


def test_the_code_of_deflate_does_not_matter():
    assert of("u2", compression=8) == of("u2", compression=32946)


def test_classic_or_big_does_not_matter():
    assert of("u2", compression=5, big=True) == of("u2", compression=5, big=False)


def test_the_photometric_interpretation_of_raw_samples_does_not_matter():
    lists = [of("u1", 3, compression=8, photometric=code) for code in (0, 1, 2, 5)]
    assert lists == lists[:1] * 4


@pytest.mark.parametrize("compression", [5, 34925, 32773])
@known_bug("empty configuration")
def test_the_configuration_is_written_even_if_it_is_empty(compression: int):
    data = image(values("u1", 16, 20), encode=bytes, compression=compression)
    assert ["configuration" in codec for codec in persisted(data)] == [True, True]


# ---- what is refused


def refused(dtype: str = "u2", samples: int = 1, **options: Any) -> str:
    with pytest.raises(UnsupportedError) as caught:
        of(dtype, samples, **options)
    return str(caught.value)


@pytest.mark.parametrize("compression", [0, 12345, 65535])
def test_an_unknown_compression_is_named_by_its_value(compression: int):
    message = refused(extra_entries=[entry(259, SHORT, compression)])
    assert f"Compression unknown ({compression})" in message
    assert "tag Compression (259), IFD 0, memory:///a.tif" in message


@pytest.mark.parametrize("value", [0, 3, 100])
def test_an_unknown_planar_configuration_is_named_by_its_value(value: int):
    message = refused(samples=3, extra_entries=[entry(284, SHORT, value)])
    assert f"PlanarConfiguration {value}" in message
    assert "tag PlanarConfiguration (284), IFD 0" in message


@pytest.mark.parametrize("value", [0, 3, 100])
def test_an_unknown_fill_order_is_named_by_its_value(value: int):
    message = refused(extra_entries=[entry(266, SHORT, value)])
    assert f"FillOrder {value}" in message
    assert "tag FillOrder (266), IFD 0" in message


@pytest.mark.parametrize("value", [0, 4, 1000])
def test_an_unknown_predictor_is_named_by_its_value(value: int):
    message = refused(compression=8, extra_entries=[entry(317, LONG, value)])
    assert f"Predictor unknown ({value})" in message
    assert "tag Predictor (317), IFD 0" in message


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u8", "c8"])
def test_a_floating_point_predictor_of_other_numbers_is_refused(dtype: str):
    message = refused(dtype, compression=8, extra_entries=[entry(317, SHORT, 3)])
    assert "Predictor FloatingPoint (3)" in message


def test_the_refusal_is_a_not_implemented_error_too():
    with pytest.raises(NotImplementedError):
        of("u2", extra_entries=[entry(259, SHORT, 12345)])


@pytest.mark.parametrize("compression", [2, 3, 4, 32771, 32766, 32809])
@pytest.mark.parametrize("sample_format", [2, 3])
def test_a_compression_of_black_and_grey_holds_unsigned_numbers_alone(
    compression: int, sample_format: int
) -> None:
    bits = {32766: 2, 32809: 4}.get(compression, 1)
    data = image(
        np.zeros((4, 8), "u1"),
        compression=compression,
        encode=lambda block: block,
        bits=bits,
        extra_entries=[entry(339, SHORT, sample_format)],
    )
    with pytest.raises(UnsupportedError, match="SampleFormat"):
        virtual(data)
