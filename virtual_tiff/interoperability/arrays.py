"""Arrays and their chunks, wherever they are: a virtual store, a published cube, a dataset.

Three kinds of source hold references in three ways. VirtualiZarr's manifests are arrays in memory;
an Icechunk store yields batches; the variables of a virtual dataset are manifests or loaded values.
An exporter wants one thing of all: a node's metadata as `zarr.json` has them, and its chunks, each
with where its bytes are.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import xarray as xr
import zarr
from virtualizarr.manifests import ManifestArray, ManifestGroup, ManifestStore
from virtualizarr.manifests.manifest import INLINED_CHUNK_PATH
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore

from virtual_tiff.arrays.nodes import JSON, chunk_counts
from virtual_tiff.sources.running import next_or_none

__all__ = ["Chunk", "Node", "decoded", "nodes_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk that exists."""

    index: tuple[int, ...]
    """In the grid of chunks."""
    url: str = ""
    """The object that has its bytes, percent-encoded; "" if they are in `data`."""
    offset: int = 0
    length: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A group, or an array with its chunks."""

    path: str
    """From the root, without a slash at its ends."""
    metadata: JSON
    """As `zarr.json` has them, with the standard codecs."""
    chunks: Callable[[], Iterator[Chunk]] = lambda: iter(())

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""
        return bool(self.metadata["node_type"] == "array")


def nodes_of(source: Any) -> Iterator[Node]:  # noqa: ANN401 (one of five kinds)
    """Yield the groups and arrays of a source, each group before its members.

    A source is a store of `VirtualTIFF` or of another parser, what `open_published` returns, or an
    `xarray.Dataset` or `xarray.DataTree` of VirtualiZarr; others are a TypeError.
    """
    if isinstance(source, ManifestStore):
        yield from _of_group(source._group, "")  # noqa: SLF001 (it has no public name in 2.8)
    elif isinstance(source, xr.Dataset):
        yield from _of_dataset(source, "")
    elif isinstance(source, xr.DataTree):
        for node in source.subtree:
            path = node.path.removeprefix(source.path).strip("/")
            yield from _of_dataset(node.to_dataset(inherit=False), path)
    elif hasattr(source, "array_chunk_iterator"):
        yield from _of_icechunk(source)
    else:
        msg = (
            f"{type(source).__name__} cannot be exported; give a store of VirtualTIFF, the store"
            " that virtual_tiff.open_published returns, or a virtual dataset"
        )
        raise TypeError(msg)


def _of_group(group: ManifestGroup, path: str) -> Iterator[Node]:
    yield _group(path, dict(group.metadata.attributes))
    below = f"{path}/" if path else ""
    for name, array in group.arrays.items():
        yield _of_manifest(array, below + name)
    for name, child in group.groups.items():
        yield from _of_group(child, below + name)


def _group(path: str, attributes: Mapping[str, Any]) -> Node:
    metadata = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
    return Node(path=path, metadata=metadata)


def _of_manifest(array: ManifestArray, path: str, **changed: Any) -> Node:  # noqa: ANN401
    metadata = _metadata(array.metadata) | changed
    manifest = array.manifest

    def chunks() -> Iterator[Chunk]:
        inlined = manifest._inlined  # noqa: SLF001 (`iter_refs` leaves their bytes out)
        for index, entry in manifest.iter_refs():
            if entry["path"] == INLINED_CHUNK_PATH:
                yield Chunk(index=index, data=inlined[index])
            else:
                offset, length = entry["offset"], entry["length"]
                yield Chunk(index=index, url=entry["path"], offset=offset, length=length)

    return Node(path=path, metadata=metadata, chunks=chunks)


def _of_dataset(dataset: xr.Dataset, path: str) -> Iterator[Node]:
    """Yield the nodes of a virtual dataset; loaded variables are encoded as xarray does it."""
    virtual = [
        name
        for name, v in dataset.variables.items()
        if isinstance(v._data, ManifestArray)  # noqa: SLF001
    ]
    loaded = dataset.drop_vars(virtual)
    # xarray writes into each variable which coordinates it has
    others = [str(name) for name in dataset.coords if name not in dataset.dims]
    memory = MemoryStore()
    encoding = {str(name): {"compressors": ()} for name in loaded.variables}
    for name in loaded.variables:
        loaded[name].encoding = {
            key: value
            for key, value in loaded[name].encoding.items()
            if key in ("scale_factor", "add_offset", "_FillValue", "units", "calendar", "dtype")
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of data types that Zarr v3 does not specify: text
        loaded.to_zarr(memory, zarr_format=3, consolidated=False, encoding=encoding)
    for node in _of_zarr(memory):
        below = f"{path}/{node.path}".strip("/")
        yield Node(path=below, metadata=node.metadata, chunks=node.chunks)
    for name in virtual:
        variable = dataset.variables[name]
        attributes = {**variable.attrs, **_encoded_attributes(variable)}
        if name not in dataset.coords and others:
            attributes.setdefault("coordinates", " ".join(others))
        yield _of_manifest(
            cast("ManifestArray", variable._data),  # noqa: SLF001 (`data` may load it)
            f"{path}/{name}".strip("/"),
            attributes=attributes,
            dimension_names=list(map(str, variable.dims)),
        )


def _encoded_attributes(variable: xr.Variable) -> JSON:
    """Return what xarray has moved from the attributes of a variable into its encoding."""
    names = ("grid_mapping", "coordinates", "scale_factor", "add_offset", "_FillValue", "units")
    return {name: variable.encoding[name] for name in names if name in variable.encoding}


def _of_zarr(store: Store) -> Iterator[Node]:
    """Yield the nodes of a store whose chunks are its own: their bytes are read."""
    root = zarr.open_group(store, mode="r", zarr_format=3)
    yield _group("", root.attrs.asdict())
    for path, array in root.arrays():
        yield Node(
            path=path, metadata=_metadata(array.metadata), chunks=partial(_read, array, store)
        )


def _read(array: Any, store: Store) -> Iterator[Chunk]:  # noqa: ANN401 (zarr.Array)
    for index in np.ndindex(chunk_counts(array.shape, array.chunks)):
        data = _value(store, f"{array.path}/{array.metadata.encode_chunk_key(index)}")
        if data is not None:
            yield Chunk(index=index, data=data)


def decoded(node: Node, chunk: Chunk) -> np.ndarray[Any, Any]:
    """Return the values of a chunk whose bytes are known."""
    shape = node.metadata["chunk_grid"]["configuration"]["chunk_shape"]
    buffer = default_buffer_prototype().buffer
    metadata = json.dumps(node.metadata | {"shape": shape}).encode()
    key = "/".join(["c", *("0" for _ in shape)])
    memory = MemoryStore(
        {"zarr.json": buffer.from_bytes(metadata), key: buffer.from_bytes(chunk.data)}
    )
    array: Any = zarr.open_array(memory, mode="r", zarr_format=3)
    return np.asarray(array[...])


def _value(store: Store, key: str) -> bytes | None:
    value = sync(store.get(key, default_buffer_prototype()))
    return None if value is None else value.to_bytes()


def _metadata(metadata: Any) -> JSON:  # noqa: ANN401 (ArrayV3Metadata)
    prototype = default_buffer_prototype()
    plain: JSON = json.loads(metadata.to_buffer_dict(prototype)["zarr.json"].to_bytes())
    return plain


_LEDGER = "_virtual_tiff"
"""The group of a published repository that records its sources; no reader needs it."""

_VIRTUAL = 2
"""icechunk.ChunkType.virtual"""


def _of_icechunk(store: Any) -> Iterator[Node]:  # noqa: ANN401 (IcechunkStore)
    root = zarr.open_group(store, mode="r", zarr_format=3)
    yield _group("", root.attrs.asdict())
    members = sorted(root.members(max_depth=None), key=lambda member: member[0])
    for path, member in members:
        if path.split("/")[0] == _LEDGER:
            continue
        if isinstance(member, zarr.Group):
            yield _group(path, member.attrs.asdict())
        else:
            chunks = _icechunk_chunks(store, path, member)
            yield Node(path=path, metadata=_metadata(member.metadata), chunks=chunks)


def _icechunk_chunks(store: Any, path: str, array: Any) -> Callable[[], Iterator[Chunk]]:  # noqa: ANN401
    """Return what yields the chunks of an array; those in the repository itself are read."""

    def chunks() -> Iterator[Chunk]:
        batches = store.array_chunk_iterator(f"/{path}")
        while (batch := sync(next_or_none(batches))) is not None:
            coordinates, kinds, urls, offsets, lengths, inlined = batch
            for row, url in enumerate(urls):
                index = tuple(map(int, coordinates[row]))
                if int(kinds[row]) == _VIRTUAL:
                    offset, length = int(offsets[row]), int(lengths[row])
                    yield Chunk(index=index, url=url, offset=offset, length=length)
                    continue
                data = inlined.get(row)
                if data is None:
                    data = _value(store, f"{path}/{array.metadata.encode_chunk_key(index)}")
                yield Chunk(index=index, data=data or b"")

    return chunks
