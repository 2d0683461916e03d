"""The keys of a repository's store, read and written as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from virtual_tiff.arrays.nodes import JSON

__all__ = ["key_of_node", "metadata_of", "read_key", "write_keys"]


def key_of_node(path: str) -> str:
    """Return the key of the `zarr.json` of a group or an array."""
    return f"{path}/zarr.json" if path else "zarr.json"


def read_key(store: Store, key: str) -> bytes | None:
    """Return the bytes of a key; None if there is none."""
    data = sync(store.get(key, default_buffer_prototype()))
    return None if data is None else data.to_bytes()


def metadata_of(store: Store, path: str) -> JSON | None:
    """Return the `zarr.json` of a node; None if there is none."""
    stored = read_key(store, key_of_node(path))
    return None if stored is None else json.loads(stored)


def write_keys(store: Store, documents: Mapping[str, bytes]) -> None:
    """Write bytes by their keys."""
    sync(_set_all(store, documents))


async def _set_all(store: Store, documents: Mapping[str, bytes]) -> None:
    make = default_buffer_prototype().buffer.from_bytes
    for key, data in documents.items():
        await store.set(key, make(data))
