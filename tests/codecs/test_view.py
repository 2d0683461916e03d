"""`virtual_tiff.view`: complex numbers as the words that predictor 2 subtracts."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.registry import get_codec_class

from support.build import image
from support.pixels import bands_first, by_gdal, chunk_spec, read, values
from virtual_tiff.codecs.samples.view import ViewCodec

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def decoded(data_type: str, words: NDArray[Any], *shape: int, dtype: str) -> NDArray[Any]:
    stored = default_buffer_prototype().nd_buffer.from_numpy_array(words)
    spec = chunk_spec(*shape, dtype=dtype)
    return ViewCodec(data_type=data_type)._decode_sync(stored, spec).as_numpy_array()


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_the_real_part_is_the_lower_half_whatever_the_byte_order(byteorder: str):
    numbers = np.array([[1 + 2j, -3.5 + 0j]], "complex64")
    words = [
        [int(np.float32(n.imag).view("u4")) << 32 | int(np.float32(n.real).view("u4")) for n in row]
        for row in numbers
    ]
    found = decoded("uint64", np.array(words, f"{byteorder}u8"), 1, 2, dtype="complex64")
    np.testing.assert_array_equal(found, numbers)
    assert found.dtype == np.dtype("complex64")


def test_pairs_get_their_axis_back():
    found = decoded("uint32", np.array([[0x0002_0001, 0xFFFF_8000]], "u4"), 1, 2, 2, dtype="int16")
    assert found.tolist() == [[[1, 2], [-32768, -1]]]


def test_words_need_not_be_contiguous():
    words = np.arange(12, dtype="u8").reshape(3, 4)[:, ::2]
    found = decoded("uint64", words, 3, 2, dtype="complex64")
    np.testing.assert_array_equal(found, np.ascontiguousarray(words).view("complex64"))


RESOLVED = [
    ((4, 5), "complex64", "uint64", (4, 5)),
    ((4, 2), "complex64", "uint64", (4, 2)),
    ((4, 5, 2), "int16", "uint32", (4, 5)),
    ((4, 5, 3, 2), "int32", "uint64", (4, 5, 3)),
    ((4, 5, 2), "int8", "uint16", (4, 5)),
]


@pytest.mark.parametrize(("shape", "dtype", "word", "resolved"), RESOLVED)
def test_the_shape_of_words(
    shape: tuple[int, ...], dtype: str, word: str, resolved: tuple[int, ...]
):
    found = ViewCodec(data_type=word).resolve_metadata(chunk_spec(*shape, dtype=dtype))
    assert (found.shape, found.dtype.to_native_dtype()) == (resolved, np.dtype(word))


@pytest.mark.parametrize(
    ("shape", "dtype", "word"),
    [((4, 5), "complex128", "uint64"), ((4, 3), "int16", "uint32"), ((4, 2), "int8", "uint32")],
)
def test_what_has_another_size_is_refused(shape: tuple[int, ...], dtype: str, word: str):
    message = rf"virtual_tiff\.view: a chunk .* type {dtype} cannot be viewed as {word}"
    with pytest.raises(ValueError, match=message):
        ViewCodec(data_type=word).resolve_metadata(chunk_spec(*shape, dtype=dtype))


@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("samples", [(), (3,)], ids=["one", "several"])
@pytest.mark.parametrize("block", [{"rows_per_strip": 8}, {"tile": (16, 16)}], ids=str)
def test_complex64_with_predictor_2_is_gdals(
    byteorder: str, samples: tuple[int, ...], block: dict[str, Any]
):
    pixels = values("c8", 21, 29, *samples)
    options = {"compression": 8, "predictor": 2, "byteorder": byteorder, **block}
    data = image(pixels, **options)
    found = read(data)
    np.testing.assert_array_equal(found, by_gdal(data))
    # the builder differs words, too, but keeps the parts in their places: see the docstring
    if byteorder == "II":
        np.testing.assert_array_equal(found, bands_first(pixels))


@pytest.mark.parametrize("change", [-1, -16])
def test_a_shorter_block_raises(change: int):
    data = image(
        values("c8", 4, 4),
        compression=8,
        predictor=2,
        encode_block=lambda block: zlib.compress(bytes(block.nbytes + change)),
    )
    with pytest.raises(ValueError, match=r"block 0/c/0/0 of .*(cannot reshape|larger dtype)"):
        read(data)


@pytest.mark.parametrize("word", ["uint16", "uint32", "uint64"])
def test_the_round_trip_changes_nothing(word: str):
    data = {"name": "virtual_tiff.view", "configuration": {"data_type": word}}
    assert get_codec_class(data["name"]) is ViewCodec
    assert ViewCodec.from_dict(dict(data)).to_dict() == data


@pytest.mark.parametrize(
    "configuration", [{}, {"data_type": "uint8"}, {"data_type": "float32"}, {"more": 1}], ids=str
)
def test_another_metadata_is_a_value_error(configuration: dict[str, Any]):
    with pytest.raises(ValueError, match=r"virtual_tiff\.view"):
        ViewCodec.from_dict({"name": "virtual_tiff.view", "configuration": configuration})


def test_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match="choose other codecs"):
        ViewCodec(data_type="uint64")._encode_sync(None, chunk_spec(1, dtype="complex64"))
