"""Codecs of others under their own names, whose failures on damaged data are `ValueError`."""

from __future__ import annotations

import json
import lzma
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import imagecodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.registry import get_codec_class

from support.build import image
from support.pixels import (
    LOCAL,
    buffer,
    chunk_spec,
    stored_metadata,
    values,
    virtual,
    zarr_array,
)
from virtual_tiff import VirtualTIFF
from virtual_tiff.codecs.guard.guard import GuardCodec, guarded

CODECS: dict[str, tuple[int, Callable[[bytes], bytes], dict[str, Any]]] = {
    "zstd": (50000, imagecodecs.zstd_encode, {"level": 0, "checksum": False}),
    "numcodecs.zlib": (8, zlib.compress, {"level": 1}),
    "numcodecs.lzma": (34925, lambda data: lzma.compress(data, preset=0), {}),
    "imagecodecs_lzw": (5, imagecodecs.lzw_encode, {}),
    "imagecodecs_packbits": (32773, imagecodecs.packbits_encode, {}),
}
"""Standard name -> TIFF's Compression, encoder, configuration."""

every_codec = pytest.mark.parametrize("name", CODECS)
every_pipeline = pytest.mark.parametrize("path", ["BatchedCodecPipeline", "FusedCodecPipeline"])

TEXT = b"the pixels of a block " * 10
SPEC = chunk_spec(len(TEXT))
PIXELS = values("u2", 20, 30)


def metadata_of(name: str) -> dict[str, Any]:
    return {"name": name, "configuration": CODECS[name][2]}


def made(name: str) -> Any:
    """What the store's reader gets in the place of a codec."""
    codecs = [{"name": "bytes", "configuration": {}}, metadata_of(name)]
    array = guarded({"codecs": codecs, "shape": [1, len(TEXT)]})
    return GuardCodec.from_dict(array["codecs"][1])


def compressed(name: str) -> bytes:
    return CODECS[name][1](TEXT)


def tiff_of(name: str, spoil: Callable[[bytes], bytes] = bytes) -> bytes:
    compression, encode, _ = CODECS[name]
    return image(PIXELS, compression=compression, encode=lambda data: spoil(encode(data)))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda data: data[: len(data) // 2],
    "one byte": lambda data: data[:1],
    "zeros": lambda data: bytes(len(data)),
    "ones": lambda data: b"\xff" * len(data),
}


# ---- decoding


@every_codec
def test_sound_data_are_decoded(name: str):
    assert made(name)._decode_sync(buffer(compressed(name)), SPEC).to_bytes() == TEXT


@every_codec
async def test_decoding_may_be_awaited(name: str):
    (found,) = await made(name).decode([(buffer(compressed(name)), SPEC)])
    assert found.to_bytes() == TEXT


CORRUPT = b"\xff" * 21
"""Data that none of the libraries takes."""


@every_codec
def test_corrupt_data_are_a_value_error_whose_cause_is_the_librarys(name: str):
    with pytest.raises(ValueError, match="does not decode") as caught:
        made(name)._decode_sync(buffer(CORRUPT), SPEC)
    cause = caught.value.__cause__
    assert isinstance(cause, RuntimeError | lzma.LZMAError | zlib.error)


@every_codec
async def test_corrupt_data_are_a_value_error_when_awaited(name: str):
    with pytest.raises(ValueError, match="does not decode"):
        await made(name).decode([(buffer(CORRUPT), SPEC)])


@every_codec
@every_pipeline
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_block_is_a_value_error_that_names_it(name: str, path: str, damage: str):
    if (name, damage) == ("imagecodecs_packbits", "ones"):
        pytest.skip("each pair is a run: the block is full, and what goes on is cut")
    array = zarr_array(virtual(tiff_of(name, DAMAGES[damage])))
    pipeline = zarr.config.set({"codec_pipeline.path": f"zarr.core.codec_pipeline.{path}"})
    with pipeline, pytest.raises(ValueError, match=r"block 0/c/0/0 of memory:///a\.tif"):
        array[...]


# ---- names


@every_codec
def test_the_metadata_have_the_standard_name(name: str):
    assert {"configuration": {}, **made(name).to_dict()} == metadata_of(name)


@every_codec
def test_the_round_trip_changes_nothing(name: str):
    codec = made(name)
    assert get_codec_class(name).from_dict(codec.to_dict()).to_dict() == codec.to_dict()


@every_codec
def test_it_pickles(name: str):
    copy = pickle.loads(pickle.dumps(made(name)))
    assert copy._decode_sync(buffer(compressed(name)), SPEC).to_bytes() == TEXT


@every_codec
def test_the_standard_name_stays_the_other_packages(name: str):
    assert get_codec_class(name) is not type(made(name))


# ---- what is read here, and what is written elsewhere


def names(metadata: dict[str, Any]) -> list[str]:
    return [codec["name"] for codec in metadata["codecs"]]


@every_codec
def test_the_manifest_has_the_standard_name(name: str):
    assert names(stored_metadata(virtual(tiff_of(name)))) == ["bytes", name]


@every_codec
def test_the_reader_of_the_store_gets_the_guard(name: str):
    found = sync(virtual(tiff_of(name)).get("0/zarr.json", default_buffer_prototype()))
    assert found is not None
    shown = json.loads(found.to_bytes())
    assert names(shown) == ["virtual_tiff.guard", "virtual_tiff.guard"]
    for codec in shown["codecs"]:
        assert names(codec["configuration"]) == ["bytes", name]


@every_codec
def test_an_array_that_was_opened_has_the_standard_name(name: str):
    assert names(zarr_array(virtual(tiff_of(name))).metadata.to_dict()) == ["bytes", name]


def icechunk_store(folder: Path) -> icechunk.IcechunkStore:
    """A new repository in memory that may read the files of a folder."""
    url = f"{folder.as_uri()}/"
    config = icechunk.RepositoryConfig.default()
    store = icechunk.local_filesystem_store(f"{folder}/")
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(url, store))
    access = {url: icechunk.credentials.LocalFileSystemAccess}
    storage = icechunk.in_memory_storage()
    repository = icechunk.Repository.create(storage, config, access)
    return repository.writable_session("main").store


@every_codec
def test_icechunk_persists_the_standard_name(name: str, tmp_path: Path):
    (tmp_path / "a.tif").write_bytes(tiff_of(name))
    store = icechunk_store(tmp_path)
    url = (tmp_path / "a.tif").as_uri()
    VirtualTIFF()(url, LOCAL).to_virtual_dataset().vz.to_icechunk(store)
    array = zarr.open_array(store, path="0", mode="r")
    assert names(array.metadata.to_dict()) == ["bytes", name]
    assert np.array_equal(array[...], PIXELS)


@every_codec
def test_a_copy_has_the_standard_name(name: str):
    copy = zarr.storage.MemoryStore()
    xr.open_zarr(virtual(tiff_of(name))).to_zarr(copy, zarr_format=3, consolidated=False)
    array = zarr.open_array(copy, path="0", mode="r")
    assert names(array.metadata.to_dict()) == ["bytes", name]
    assert np.array_equal(array[...], PIXELS)
