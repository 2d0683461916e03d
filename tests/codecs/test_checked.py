"""Codecs of others under their own names, whose failures on damaged data are `ValueError`."""

from __future__ import annotations

import json
import lzma
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
from virtualizarr.manifests import ManifestStore
from zarr.core.buffer import default_buffer_prototype
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
from virtual_tiff.codecs.checked import STANDARD_NAMES, CheckedLzma, CheckedZlib, CheckedZstd

ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
ZLIB = {"name": "numcodecs.zlib", "configuration": {"level": 1}}
LZMA = {"name": "numcodecs.lzma", "configuration": {}}

CODECS: dict[str, tuple[Any, dict[str, Any], Callable[[bytes], bytes], int]] = {
    "zstd": (CheckedZstd, ZSTD, imagecodecs.zstd_encode, 50000),
    "numcodecs.zlib": (CheckedZlib, ZLIB, zlib.compress, 8),
    "numcodecs.lzma": (CheckedLzma, LZMA, lzma.compress, 34925),
}
"""Standard name -> class, metadata, encoder, TIFF's Compression."""

every_codec = pytest.mark.parametrize("name", CODECS)

TEXT = b"the pixels of a block " * 10
SPEC = chunk_spec(len(TEXT))
PIXELS = values("u2", 20, 30)


def made(name: str) -> Any:
    codec, metadata, _, _ = CODECS[name]
    return codec.from_dict(metadata)


def compressed(name: str) -> bytes:
    return CODECS[name][2](TEXT)


def tiff_of(name: str) -> bytes:
    _, _, encode, compression = CODECS[name]
    return image(PIXELS, compression=compression, encode=encode)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda data: data[: len(data) // 2],
    "one byte": lambda data: data[:1],
    "nothing": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "ones": lambda data: b"\xff" * len(data),
    "another first byte": lambda data: b"\x7f" + data[1:],
}


# ---- decoding


@every_codec
def test_sound_data_are_decoded(name: str):
    assert made(name)._decode_sync(buffer(compressed(name)), SPEC).to_bytes() == TEXT


@every_codec
async def test_decoding_may_be_awaited(name: str):
    (found,) = await made(name).decode([(buffer(compressed(name)), SPEC)])
    assert found.to_bytes() == TEXT


@every_codec
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_data_are_a_value_error(name: str, damage: str):
    spoiled = buffer(DAMAGES[damage](compressed(name)))
    with pytest.raises(ValueError, match="damaged"):
        made(name)._decode_sync(spoiled, SPEC)


@every_codec
@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_data_are_a_value_error_when_awaited(name: str, damage: str):
    spoiled = buffer(DAMAGES[damage](compressed(name)))
    with pytest.raises(ValueError, match="damaged"):
        await made(name).decode([(spoiled, SPEC)])


@every_codec
def test_the_cause_is_the_librarys_own_error(name: str):
    with pytest.raises(ValueError, match="damaged") as caught:
        made(name)._decode_sync(buffer(b"\xff" * 20), SPEC)
    assert isinstance(caught.value.__cause__, RuntimeError | lzma.LZMAError | zlib.error)


# ---- names


@every_codec
def test_the_metadata_have_the_standard_name(name: str):
    assert made(name).to_dict() == CODECS[name][1]


@every_codec
def test_the_registered_name_is_read_as_well(name: str):
    codec, metadata, _, _ = CODECS[name]
    registered = codec.from_dict({**metadata, "name": STANDARD_NAMES[name]})
    assert registered.to_dict() == metadata


def test_two_spellings_are_equal():
    again = CheckedZstd.from_dict({**ZSTD, "name": "virtual_tiff.zstd"})
    assert again == CheckedZstd.from_dict(ZSTD)


@every_codec
def test_zarr_finds_it_under_the_registered_name(name: str):
    assert get_codec_class(STANDARD_NAMES[name]) is CODECS[name][0]


@every_codec
def test_the_standard_name_stays_the_other_packages(name: str):
    assert get_codec_class(name) is not CODECS[name][0]


# ---- what is read here, and what is written elsewhere


def names(metadata: dict[str, Any]) -> list[str]:
    return [codec["name"] for codec in metadata["codecs"]]


def shown_metadata(store: ManifestStore) -> dict[str, Any]:
    """What a reader of this store is given as `zarr.json`."""
    prototype = default_buffer_prototype()
    found = zarr.core.sync.sync(store.get("0/zarr.json", prototype))
    assert found is not None
    metadata: dict[str, Any] = json.loads(found.to_bytes())
    return metadata


@every_codec
def test_the_manifest_has_the_standard_name(name: str):
    assert names(stored_metadata(virtual(tiff_of(name)))) == ["bytes", name]


@every_codec
def test_the_reader_of_the_store_gets_the_checked_codec(name: str):
    assert names(shown_metadata(virtual(tiff_of(name)))) == ["bytes", STANDARD_NAMES[name]]


@every_codec
def test_an_array_that_was_opened_has_the_standard_name(name: str):
    assert names(zarr_array(virtual(tiff_of(name))).metadata.to_dict()) == ["bytes", name]


def test_other_codecs_keep_their_names():
    store = virtual(image(PIXELS))
    assert names(shown_metadata(store)) == names(stored_metadata(store))


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
