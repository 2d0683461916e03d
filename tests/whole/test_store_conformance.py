"""The store as zarr wants one, for reading: judged by zarr's own store with the same keys."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.storage import MemoryStore

from support.build import Picture, image, images
from support.pixels import virtual
from virtual_tiff.store import CheckedManifestStore

PROTOTYPE = default_buffer_prototype()
PIXELS = np.arange(40 * 48, dtype="u2").reshape(40, 48)
LAYOUTS = ("flat", "nested", "stack")
RANGES: list[ByteRequest | None] = [
    None,
    RangeByteRequest(0, 3),
    RangeByteRequest(2, 10**6),
    OffsetByteRequest(5),
    SuffixByteRequest(4),
]
MISSING = [
    *("", "c", "0", "zarr.jso", "zarr.json/x", "0/zarr.json/c", "none/zarr.json", "0/c/9/9"),
    *("0/c/0", "0/c/0/0/0", "0/c/00/0", "0/c/-1/0", "0/c/a/0", ".zgroup", "0/.zarray", "c/0/0"),
]


def made(layout: str) -> CheckedManifestStore:
    pages = images([Picture(PIXELS), Picture(PIXELS[::-1].copy())])
    return virtual(pages, ifd_layout=layout)


async def keys_of(store: Any) -> list[str]:
    return sorted([key async for key in store.list()])


async def copied(store: CheckedManifestStore) -> MemoryStore:
    """Return zarr's store with the same keys and values."""
    memory = MemoryStore()
    for key in await keys_of(store):
        value = await store.get(key, PROTOTYPE)
        assert value is not None
        await memory.set(key, value)
    return memory


def data(value: Buffer | None) -> bytes | None:
    return None if value is None else value.to_bytes()


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_lists(layout: str) -> None:
    store = made(layout)
    memory = await copied(store)
    keys = await keys_of(store)
    assert keys
    assert "zarr.json" in keys
    folders = {key[:end] for key in keys for end in range(len(key) + 1)}
    for prefix in sorted(folders):
        ours = sorted([key async for key in store.list_prefix(prefix)])
        assert ours == sorted([key async for key in memory.list_prefix(prefix)]), prefix
    for folder in sorted({"", *(f for f in folders if f.endswith("/"))}):
        ours = sorted([name async for name in store.list_dir(folder)])
        theirs = sorted([name async for name in memory.list_dir(folder)])
        assert ours == theirs, folder
        assert sorted([n async for n in store.list_dir(folder.rstrip("/"))]) == theirs
    for folder in ("nowhere", "zarr.json", "0/zarr.json"):
        assert [name async for name in store.list_dir(folder)] == []


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_values_and_their_parts(layout: str) -> None:
    store = made(layout)
    memory = await copied(store)
    for key in await keys_of(store):
        assert await store.exists(key)
        assert await store.getsize(key) == await memory.getsize(key)
        for part in RANGES:
            expected = data(await memory.get(key, PROTOTYPE, part))
            assert data(await store.get(key, PROTOTYPE, part)) == expected, (key, part)
        parts = await store.get_partial_values(PROTOTYPE, [(key, part) for part in RANGES])
        theirs = await memory.get_partial_values(PROTOTYPE, [(key, part) for part in RANGES])
        assert list(map(data, parts)) == list(map(data, theirs))
    wrong: Any = (0, 1)
    with pytest.raises(TypeError, match="Unexpected byte_range"):
        await store.get("zarr.json", PROTOTYPE, wrong)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("key", MISSING)
async def test_what_is_not_there(layout: str, key: str) -> None:
    store = made(layout)
    assert not await store.exists(key)
    for part in RANGES:
        assert await store.get(key, PROTOTYPE, part) is None
    with pytest.raises(FileNotFoundError):
        await store.getsize(key)


async def test_emptiness() -> None:
    store = made("flat")
    assert not await store.is_empty("")
    assert not await store.is_empty("0")
    assert await store.is_empty("nowhere")


def test_chunks_that_a_file_has() -> None:
    group = zarr.open_group(made("flat"), mode="r", zarr_format=3)
    array: Any = group["0"]
    assert array.nchunks_initialized == array.nchunks
    sparse = image(PIXELS, tile=(16, 16), sparse=(1, 4))
    missing: Any = zarr.open_group(virtual(sparse), mode="r", zarr_format=3)["0"]
    assert missing.nchunks_initialized == missing.nchunks - 2


def test_equal_stores() -> None:
    assert made("flat") == made("flat")
    assert made("flat") != made("nested")
    assert made("flat") != MemoryStore()


async def test_nothing_is_written() -> None:
    store = made("flat")
    assert store.read_only
    with pytest.raises((NotImplementedError, ValueError)):
        await store.set("a", PROTOTYPE.buffer.from_bytes(b"a"))
    with pytest.raises((NotImplementedError, ValueError)):
        await store.delete("zarr.json")
    await asyncio.sleep(0)
