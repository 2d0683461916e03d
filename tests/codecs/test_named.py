"""A block that does not decode says which it is, whatever its codec's library raises."""

from __future__ import annotations

import asyncio
import pickle
import zlib
from typing import Any

import numpy as np
import pytest
from zarr.codecs import ZstdCodec
from zarr.registry import get_codec_class

from support.build import ENCODERS, image
from support.pixels import chunk_spec, read, stored_metadata, virtual, zarr_array
from virtual_tiff.codecs.checked.block import name_block, named

PIXELS = np.arange(40 * 30, dtype="u2").reshape(40, 30)


def damaged(compression: int, encode: Any) -> bytes:
    """A TIFF of four strips whose third is damaged."""
    strips = iter(range(4))

    def encode_badly(data: bytes) -> bytes:
        encoded = encode(data)
        return encoded[: len(encoded) // 2] if next(strips) == 2 else encoded

    return image(PIXELS, compression=compression, encode=encode_badly, rows_per_strip=10)


@pytest.mark.parametrize("compression", [5, 8, 32946])
def test_the_error_names_the_block_and_the_file(compression: int):
    array = zarr_array(virtual(damaged(compression, ENCODERS[compression])))
    with pytest.raises(ValueError, match=r"block 0/c/2/0 of memory:///a\.tif does not decode"):
        array[...]
    np.testing.assert_array_equal(array[:20], PIXELS[:20])


def test_a_short_block_is_named_too():
    data = image(PIXELS, compression=8, encode=lambda raw: zlib.compress(raw[:-2]), tile=(48, 32))
    with pytest.raises(ValueError, match=r"block 0/c/0/0 of memory:///a\.tif does not decode"):
        read(data)


def test_what_is_persisted_has_standard_names():
    store = virtual(image(PIXELS, compression=8, rows_per_strip=10))
    names = [codec["name"] for codec in stored_metadata(store)["codecs"]]
    assert names == ["bytes", "numcodecs.zlib"]


def test_what_zarr_shows_has_standard_names():
    metadata = zarr_array(virtual(image(PIXELS, compression=8, rows_per_strip=10))).metadata
    names: list[Any] = [codec.to_dict()["name"] for codec in metadata.codecs]
    assert names == ["bytes", "numcodecs.zlib"]


def test_an_opened_array_pickles():
    zstd = named({"name": "zstd", "configuration": {"level": 0, "checksum": False}})
    codec = get_codec_class(zstd["name"]).from_dict(zstd)
    assert isinstance(codec, ZstdCodec)
    again = pickle.loads(pickle.dumps(codec))
    assert type(again) is type(codec)
    assert again.to_dict() == codec.to_dict()


def test_the_name_goes_from_codec_to_codec():
    spec = chunk_spec(40, 30, dtype="uint16")
    delta = named({"name": "imagecodecs_delta", "configuration": {"axis": -1, "dist": 1}})
    codec: Any = get_codec_class(delta["name"]).from_dict(delta)
    chunk = spec.prototype.nd_buffer.from_numpy_array(PIXELS)
    name_block(chunk, "this one")
    decoded = asyncio.run(codec._decode_single(chunk, spec))
    wrong = spec.prototype.nd_buffer.from_numpy_array(PIXELS.astype("c8"))
    name_block(wrong, decoded.virtual_tiff_block)
    with pytest.raises(ValueError, match="this one does not decode"):
        codec._decode_sync(wrong, spec)
