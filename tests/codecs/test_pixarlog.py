"""`virtual_tiff.pixarlog`, against GDAL and what imagecodecs encodes."""

from __future__ import annotations

import re
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
    chunk_spec,
    read,
    stored_metadata,
    virtual,
)
from virtual_tiff.codecs.rows.pixarlog import PixarLogCodec
from virtual_tiff.tiff import UnsupportedError


def picture(dtype: str, samples: int, height: int = 21, width: int = 30) -> NDArray[Any]:
    random = np.random.default_rng(8)
    shape = (height, width, samples)[: 3 if samples > 1 else 2]
    if dtype == "f4":
        return (random.random(shape) * 3).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def encoded(block: NDArray[Any], byteorder: str = "II") -> bytes:
    words = np.frombuffer(imagecodecs.pixarlog_encode(block, deflate=False), "u2")
    return zlib.compress(words.astype("<u2" if byteorder == "II" else ">u2").tobytes())


def tiff(page: NDArray[Any], byteorder: str = "II", **changes: Any) -> bytes:
    changes = {"encode_block": lambda block: encoded(block, byteorder)} | changes
    photometric = 2 if page.ndim == 3 and page.shape[2] > 2 else 1
    return image(page, compression=32909, byteorder=byteorder, photometric=photometric, **changes)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("rows", [None, 8, 1])
def test_it_reads_what_gdal_reads(dtype: str, samples: int, byteorder: str, rows: int | None):
    data = tiff(picture(dtype, samples), byteorder, rows_per_strip=rows)
    found = read(data)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, by_gdal(data))


@pytest.mark.parametrize("samples", [1, 2, 3, 5])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("rows", [None, 8, 1])
def test_8_bits_come_back_as_they_were(samples: int, byteorder: str, rows: int | None):
    # libtiff 4.7.1 accumulates wrongly unless there are 3 or 4 samples: GDAL is no judge here
    page = picture("u1", samples)
    found = read(tiff(page, byteorder, rows_per_strip=rows))
    np.testing.assert_array_equal(found, bands_first(page))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (1, 9, 3), (9, 1, 3), (3, 3, 3)])
def test_any_shape(shape: tuple[int, ...]):
    page = np.random.default_rng(1).integers(0, 256, shape).astype("u1")
    np.testing.assert_array_equal(read(tiff(page)), bands_first(page))


def test_planes():
    page = picture("u1", 3)
    data = tiff(page, planar=2, rows_per_strip=8)
    np.testing.assert_array_equal(read(data), bands_first(page))


def test_words_behind_the_image_are_not_looked_at():
    page = picture("u1", 3)
    data = tiff(page, encode_block=lambda block: encoded(np.concatenate([block, block])))
    np.testing.assert_array_equal(read(data), bands_first(page))
    np.testing.assert_array_equal(by_gdal(data), bands_first(page))


# ---- refusals


@pytest.mark.parametrize(
    ("page", "changes"),
    [
        (picture("u1", 3), {"bits": 11}),
        (picture("u1", 3), {"bits": 12}),
        (picture("u1", 3).astype("i1"), {}),
        (picture("u1", 3).astype("u4"), {}),
        (picture("u1", 3), {"tile": (16, 16)}),
        (picture("u1", 3), {"extra_entries": [entry(317, SHORT, 2)]}),
    ],
    ids=["11", "12", "i1", "u4", "tiles", "predictor"],
)
def test_what_nobody_agrees_on_is_refused_by_name(page: NDArray[Any], changes: dict[str, Any]):
    with pytest.raises(UnsupportedError, match=r"PixarLog \(32909\) with 3 samples"):
        virtual(tiff(page, encode_block=lambda block: b"", **changes))


# ---- damage


@pytest.mark.parametrize(
    "spoil",
    [lambda data: data[: len(data) // 2], lambda data: b"\0" + data, lambda data: b""],
    ids=["truncated", "no zlib", "empty"],
)
def test_damage_is_a_value_error(spoil: Any):
    codec = PixarLogCodec(samples=3)
    with pytest.raises(ValueError, match="block"):
        codec._decode_sync(buffer(spoil(encoded(picture("u1", 3)))), chunk_spec(21, 30, 3))


def test_a_strip_in_the_middle_may_not_be_shorter():
    data = tiff(
        picture("u1", 3),
        encode_block=lambda block: encoded(block[: 6 if len(block) == 8 else None]),
        rows_per_strip=8,
    )
    with pytest.raises(ValueError, match="end in row 6; the tags promise 8"):
        read(data)


def test_a_bomb_is_cut_at_the_blocks_size():
    bomb = zlib.compress(bytes(10**7))
    found = PixarLogCodec()._decode_sync(buffer(bomb), chunk_spec(4, 4))
    assert not found.as_numpy_array().any()


# ---- metadata

JSON = {
    "name": "virtual_tiff.pixarlog",
    "configuration": {"samples": 3, "last": 5, "endian": "big"},
}


def test_the_metadata_round_trip():
    assert get_codec_class("virtual_tiff.pixarlog") is PixarLogCodec
    codec = PixarLogCodec(samples=3, last=5, endian="big")
    assert codec.to_dict() == JSON
    assert PixarLogCodec.from_dict(codec.to_dict()) == codec
    data = tiff(picture("u1", 3), "MM", rows_per_strip=8)
    transpose, step = stored_metadata(virtual(data))["codecs"]
    assert transpose["name"] == "transpose"
    assert step["configuration"].get("codec", step) == JSON


@pytest.mark.parametrize("changes", [{"endian": "MM"}, {"samples": "3"}, {"last": -1}], ids=str)
def test_another_configuration_is_a_value_error(changes: dict[str, Any]):
    configuration = JSON["configuration"] | changes
    with pytest.raises(ValueError, match=re.escape("virtual_tiff.pixarlog")):
        PixarLogCodec.from_dict({"name": JSON["name"], "configuration": configuration})


def test_another_data_type_is_a_value_error():
    codec = PixarLogCodec(samples=3)
    with pytest.raises(ValueError, match="dtype"):
        codec._decode_sync(
            buffer(encoded(picture("u1", 3))), chunk_spec(21, 30, 3, dtype="float64")
        )
