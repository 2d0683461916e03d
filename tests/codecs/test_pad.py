"""`virtual_tiff.pad`: a short last block brought to the chunk's size."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.registry import get_codec_class

from support.pixels import buffer, chunk_spec
from virtual_tiff.codecs.base import Edges
from virtual_tiff.codecs.samples.pad import PadCodec

CODEC = PadCodec(size=40, last=3)
JSON = {"name": "virtual_tiff.pad", "configuration": {"size": 40, "last": 3}}
SPEC = chunk_spec(5, 8)
WHOLE = bytes(range(40))
LAST = b"abc" + bytes(37)


def decoded(data: bytes) -> bytes:
    return CODEC._decode_sync(buffer(data), SPEC).to_bytes()


async def awaited(data: bytes) -> bytes:
    (found,) = await CODEC.decode([(buffer(data), SPEC)])
    assert found is not None
    return found.to_bytes()


# ---- decoding


def test_a_whole_block_passes_unchanged():
    assert decoded(WHOLE) == WHOLE


def test_the_last_block_is_filled_up_with_zeros():
    assert decoded(b"abc") == LAST


@pytest.mark.parametrize("more", [1, 2, 16])
def test_the_last_block_may_go_on_for_a_few_bytes(more: int):
    assert decoded(b"abc" + b"x" * more) == LAST


def test_a_block_is_whole_rather_than_a_last_one_that_goes_on():
    near = PadCodec(size=8, last=3)
    spec = chunk_spec(2, 4)
    assert near._decode_sync(buffer(b"abcdefgh"), spec).to_bytes() == b"abcdefgh"
    assert near._decode_sync(buffer(b"abcdefg"), spec).to_bytes() == b"abc\0\0\0\0\0"


async def test_decoding_may_be_awaited():
    assert [await awaited(WHOLE), await awaited(b"abc")] == [WHOLE, LAST]


@pytest.mark.parametrize("more", [1, 8])
def test_bytes_beyond_a_whole_block_are_cut_off(more: int):
    assert decoded(WHOLE + bytes(more)) == WHOLE


@pytest.mark.parametrize("data", [b"abc", b"abcd", b"abc" + bytes(36)])
def test_at_the_foot_a_block_that_goes_on_is_cut_to_its_rows(data: bytes):
    at = Edges(foot=True, right=True)
    assert CODEC.decode_at(buffer(data), SPEC, at).to_bytes() == LAST


@pytest.mark.parametrize(("length", "foot"), [(2, True), (3, False), (39, False)])
def test_where_the_place_is_known_a_short_block_is_refused(length: int, foot: bool):
    with pytest.raises(ValueError, match=f"a block of {length} bytes"):
        CODEC.decode_at(buffer(bytes(length)), SPEC, Edges(foot=foot, right=True))


LENGTHS = [0, 1, 2, 20, 39]


@pytest.mark.parametrize("length", LENGTHS)
def test_another_length_is_refused_with_what_is_promised(length: int):
    with pytest.raises(ValueError, match=f"block of {length} bytes; the tags promise 40, or 3"):
        decoded(bytes(length))


@pytest.mark.parametrize("length", LENGTHS)
async def test_another_length_is_refused_when_awaited(length: int):
    with pytest.raises(ValueError, match=f"block of {length} bytes"):
        await awaited(bytes(length))


def test_the_given_block_is_not_changed():
    given = buffer(b"abc")
    CODEC._decode_sync(given, SPEC)
    assert given.to_bytes() == b"abc"


async def test_a_missing_block_stays_missing():
    assert list(await CODEC.decode([(None, SPEC)])) == [None]


# ---- metadata


def test_it_is_what_zarr_finds_under_its_name():
    assert get_codec_class("virtual_tiff.pad") is PadCodec


def test_it_is_from_bytes_to_bytes():
    assert isinstance(CODEC, BytesBytesCodec)


def test_to_dict_says_all():
    assert CODEC.to_dict() == JSON


def test_from_dict_brings_it_back():
    assert PadCodec.from_dict(dict(JSON)) == CODEC


@pytest.mark.parametrize("size", [2, 1000, 2**40])
def test_the_round_trip_changes_nothing(size: int):
    codec = PadCodec(size=size, last=size - 1)
    assert PadCodec.from_dict(codec.to_dict()) == codec


def test_it_pickles():
    assert pickle.loads(pickle.dumps(CODEC)) == CODEC


@pytest.mark.parametrize(("size", "last"), [(8, 8), (8, 9), (8, 0), (8, -1), (0, 0), (-8, -9)])
def test_last_must_be_less_than_size(size: int, last: int):
    with pytest.raises(ValueError, match=f"last={last} .* size={size}"):
        PadCodec(size=size, last=last)


@pytest.mark.parametrize(
    "data",
    [
        {"name": "virtual_tiff.pad"},
        {"name": "virtual_tiff.pad", "configuration": {}},
        {"name": "virtual_tiff.pad", "configuration": {"size": 8}},
        {"name": "virtual_tiff.pad", "configuration": {"size": 8, "last": 3, "more": 1}},
        {"name": "virtual_tiff.pad", "configuration": {"size": "8", "last": "3"}},
        {"name": "virtual_tiff.pad", "configuration": {"size": None, "last": 3}},
        {"name": "virtual_tiff.pad", "configuration": {"size": 3, "last": 8}},
        {"name": "pad", "configuration": {"size": 8, "last": 3}},
    ],
    ids=str,
)
def test_another_metadata_is_a_value_error(data: dict[str, Any]):
    with pytest.raises(ValueError, match=r"virtual_tiff\.pad"):
        PadCodec.from_dict(data)


def test_sizes_are_whole_numbers():
    with pytest.raises(ValueError, match=r"virtual_tiff\.pad"):
        PadCodec.from_dict({**JSON, "configuration": {"size": 8.5, "last": 3.0}})


# ---- encoding


def test_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match=r"virtual_tiff\.pad .* choose other codecs"):
        CODEC._encode_sync(buffer(b"abc"), SPEC)


async def test_awaited_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match=r"virtual_tiff\.pad .* choose other codecs"):
        await CODEC.encode([(buffer(b"abc"), SPEC)])


def test_writing_an_array_is_refused_with_advice():
    array = zarr.create_array({}, shape=(4,), chunks=(4,), dtype="u1", compressors=[JSON])
    with pytest.raises(NotImplementedError, match=r"virtual_tiff\.pad .* choose other codecs"):
        array[:] = 1


def test_there_is_no_fixed_encoded_size():
    assert not CODEC.is_fixed_size
    with pytest.raises(NotImplementedError):
        CODEC.compute_encoded_size(3, SPEC)
