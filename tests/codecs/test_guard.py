"""The guard: the error names block and file; names, copies and pickles are the standard codecs'."""

from __future__ import annotations

import multiprocessing
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore, MemoryStore

from support.build import ENCODERS, image
from support.pixels import LOCAL, read, stored_metadata, virtual, zarr_array
from virtual_tiff import VirtualTIFF
from virtual_tiff.codecs.guard.guard import GuardCodec
from virtual_tiff.store import CheckedManifestStore

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


# ---- a copy of the store, key by key

TESTDATA = Path(__file__).parents[2] / "testdata"
FILES = sorted([*TESTDATA.glob("matrix/*.tif"), *TESTDATA.glob("special/*.tif")])
JPEG = image(
    (PIXELS % 256).astype("u1"),
    compression=7,
    encode_block=lambda pixels: bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels))),
    rows_per_strip=16,
)
"""Its last strip is an image of 8 rows."""


def copied(store: CheckedManifestStore, target: Any) -> None:
    """Copy the values of all keys."""
    grids = {name: array.manifest.shape_chunk_grid for name, array in store.group.arrays.items()}
    chunks = [
        "/".join([name, "c", *map(str, position)])
        for name, grid in grids.items()
        for position in np.ndindex(grid)
    ]
    prototype = default_buffer_prototype()
    for key in ["zarr.json", *(f"{name}/zarr.json" for name in grids), *chunks]:
        value = sync(store.get(key, prototype))
        if value is not None:
            sync(target.set(key, prototype.buffer.from_bytes(value.to_bytes())))


def same_pixels(store: CheckedManifestStore, target: Any) -> None:
    copied(store, target)
    group = zarr.open_group(target, mode="r")
    assert sorted(group) == sorted(store.group.arrays)
    for name in group:
        np.testing.assert_array_equal(group[name][...], zarr_array(store, name)[...])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_copy_of_the_stores_keys_reads_the_same(path: Path):
    same_pixels(VirtualTIFF()(path.as_uri(), LOCAL), MemoryStore())


def test_a_copy_in_a_folder_reads_the_same(tmp_path: Path):
    store = virtual(JPEG)
    same_pixels(store, LocalStore(tmp_path / "copy.zarr"))
    opened = xr.open_zarr(tmp_path / "copy.zarr", consolidated=False)
    np.testing.assert_array_equal(opened["0"], zarr_array(store)[...])


def test_a_damaged_block_of_a_copy_is_a_value_error():
    target = MemoryStore()
    copied(virtual(damaged(8, zlib.compress)), target)
    with pytest.raises(ValueError, match="a block does not decode to what the tags promise"):
        zarr.open_group(target, mode="r")["0"][...]


@pytest.mark.parametrize(
    "configuration",
    [{}, {"codecs": []}, {"codecs": [{"name": "bytes"}], "image": [1, 2], "entry": 3}],
    ids=str,
)
def test_other_configurations_are_refused(configuration: dict[str, Any]):
    with pytest.raises(ValueError, match="cannot have the configuration"):
        GuardCodec.from_dict({"name": "virtual_tiff.guard", "configuration": configuration})


def test_parts_of_an_encoding_may_be_replaced():
    """xarray writes with the codecs of the store, and a user may want another compressor."""
    ds = xr.open_zarr(virtual(image(PIXELS, compression=8, predictor=2, rows_per_strip=10)))
    ds["0"].encoding["compressors"] = (ZstdCodec(),)
    target = MemoryStore()
    ds.to_zarr(target, zarr_format=3, consolidated=False)
    array = zarr.open_array(target, path="0", mode="r")
    names = [codec["name"] for codec in array.metadata.to_dict()["codecs"]]
    assert names == ["imagecodecs_delta", "bytes", "zstd"]
    np.testing.assert_array_equal(array[...], PIXELS)


# ---- processes


def total(array: zarr.Array[Any]) -> int:
    return int(np.asarray(array[...], dtype="u8").sum())


@pytest.mark.long
def test_an_opened_array_goes_to_a_process_that_knows_nothing(tmp_path: Path):
    (tmp_path / "a.tif").write_bytes(image(PIXELS, compression=8, rows_per_strip=12))
    array = zarr_array(VirtualTIFF()((tmp_path / "a.tif").as_uri(), LOCAL))
    expected = total(array)  # what was made to decode goes along
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(total, [array]) == expected == int(PIXELS.astype("u8").sum())
