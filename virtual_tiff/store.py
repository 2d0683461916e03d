"""The virtual store that `VirtualTIFF` returns.

It is VirtualiZarr's `ManifestStore`, read in this process and through this package; so it
asks for codecs that turn damaged data into a clear error: see
`virtual_tiff.codecs.guard.guard`. What is written elsewhere from it (Icechunk, kerchunk, a
copy) has the standard codecs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, Never
from weakref import WeakKeyDictionary

import numpy as np
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray, ManifestGroup, ManifestStore
from virtualizarr.manifests.manifest import INLINED_CHUNK_PATH, ChunkEntry
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, cpu, default_buffer_prototype

from virtual_tiff.arrays.axes import Axes
from virtual_tiff.arrays.convention_entries import SPATIAL
from virtual_tiff.codec_table.readers import readers, readers_text
from virtual_tiff.codecs.base import Edges
from virtual_tiff.codecs.guard.guard import Block, BlockBytes, guarded
from virtual_tiff.sources.forking import check_process
from virtual_tiff.sources.object_source import LOCAL_STORES, run_blocking, store_error
from virtual_tiff.sources.urls import resolve_reference
from virtual_tiff.text.html import html_table
from virtual_tiff.text.numbers import by, counted, human_size

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CheckedManifestStore"]


class CheckedManifestStore(ManifestStore):
    """A `ManifestStore` whose damaged blocks raise `ValueError`, and lost ones `OSError`."""

    def __init__(
        self,
        group: ManifestGroup,
        *,
        registry: ObjectStoreRegistry[Any] | None = None,
        objects: Mapping[str, tuple[Any, str]] | None = None,
        axes: Mapping[str, Axes] | None = None,
    ) -> None:
        """Make a store.

        Parameters
        ----------
        group
            The root group.
        registry
            The stores, by the urls that they serve.
        objects
            Store and path by url, of objects that are not looked up in the registry.
        axes
            Of arrays, by their paths; rows and columns are the last axes of others.
        """
        super().__init__(group, registry=registry)
        self._axes = dict(axes or {})
        self._objects = dict(objects or {})

    @property
    def group(self) -> ManifestGroup:
        """The root group, with all arrays and the groups below it."""
        return self._group

    def __str__(self) -> str:
        # zarr asks for it at each node that it opens; with all nodes in it, as VirtualiZarr has it,
        # listing 1,000 groups would take a minute
        members = counted(len(self._group), "member")
        return f"{type(self).__name__} of {members}, {hex(id(self))}"

    def _repr_html_(self) -> str:
        """Return its arrays as a table, for notebooks."""
        arrays = dict(_named_arrays(self._group))
        paths = chain.from_iterable(map(_paths, arrays.values()))
        source = next(filter(None, paths), "")
        title = f"virtual Zarr store of {counted(len(arrays), 'array')}"
        return html_table(
            f"{title}: {source}" if source else title,
            ("array", "dimensions", "type", "chunks", "referenced", "codecs", "read by"),
            (_table_row(name, array) for name, array in arrays.items()),
            len(arrays),
        )

    # xarray compares, stacks and writes small variables by default, which it can't do with
    # references; VirtualiZarr loads the coordinates of dimensions alone.

    def to_virtual_dataset(
        self,
        group: str = "",
        loadable_variables: Iterable[str] | None = None,
        decode_times: bool | None = None,  # noqa: FBT001 (VirtualiZarr's signature)
    ) -> xr.Dataset:
        """Return VirtualiZarr's dataset; by default with the values of all that is inlined."""
        if loadable_variables is None:
            loadable_variables = _inlined(self._group, below=False)
        dataset = super().to_virtual_dataset(group, loadable_variables, decode_times)
        return _without_stated_place(dataset)

    def to_virtual_datatree(
        self,
        group: str = "",
        *,
        loadable_variables: Iterable[str] | None = None,
        decode_times: bool | None = None,
    ) -> xr.DataTree:
        """Return VirtualiZarr's tree; by default with the values of all that is inlined."""
        if loadable_variables is None:
            loadable_variables = _inlined(self._group, below=True)
        tree = super().to_virtual_datatree(
            group, loadable_variables=loadable_variables, decode_times=decode_times
        )
        return tree.map_over_datasets(_without_stated_place)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the value of a key; in an array's `zarr.json`, with a guard around its codecs."""
        node, within = _node(self._group, key)
        entry = _chunk_at(node, within)
        if within != "zarr.json" and entry is None:
            return None  # VirtualiZarr would give the metadata of the group above, or raise
        if byte_range is not None and not isinstance(byte_range, _RANGES):
            msg = f"Unexpected byte_range, got {byte_range}."
            raise TypeError(msg)
        try:
            block = self._block(entry)
            if block is None:
                value = await super().get(key, prototype)
            else:
                value = self._block_bytes(key, await self._bytes(*block), prototype)
        except Exception as error:  # stores share no class of errors
            raise store_error(error, str(_Block(self._group, key))) from error
        if value is not None and within == "zarr.json" and isinstance(node, ManifestArray):
            first = node.manifest.get_entry((0,) * node.ndim)
            if first is None or first["path"] != INLINED_CHUNK_PATH:
                metadata = guarded(json.loads(value.to_bytes()), _plane(self._axes, key, within))
                value = prototype.buffer.from_bytes(json.dumps(metadata).encode())
        return value if value is None or byte_range is None else value[_range(byte_range)]

    # The rest of zarr's interface of stores, for reading

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, CheckedManifestStore) and _equal(self._group, other.group)
        )

    __hash__ = None  # type: ignore[assignment]

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return parts of several values."""
        parts = [self.get(key, prototype, byte_range) for key, byte_range in key_ranges]
        return list(await asyncio.gather(*parts))

    async def exists(self, key: str) -> bool:
        """Whether the store has a value for a key."""
        node, within = _node(self._group, key)
        return within == "zarr.json" or _chunk_at(node, within) is not None

    async def getsize(self, key: str) -> int:
        """Return the bytes of a value; a chunk is not read for that."""
        node, within = _node(self._group, key)
        entry = _chunk_at(node, within)
        return await super().getsize(key) if entry is None else int(entry["length"])

    async def list(self) -> AsyncGenerator[str, None]:
        """Yield all keys."""
        for key in _keys(self._group):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncGenerator[str, None]:
        """Yield all keys that begin with a prefix."""
        *above, _ = prefix.split("/")  # the last part may be the begin of a name
        node, within = _node(self._group, "/".join(above))
        path = "/".join(above).removesuffix(within).rstrip("/")
        for key in _keys(node, f"{path}/" if path else ""):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        """Yield the names of keys and groups of keys right below a prefix."""
        node, within = _node(self._group, prefix.rstrip("/"))
        for name in _names_below(node, within):
            yield name

    async def _bytes(self, store: Any, path: str, start: int, end: int) -> Any:  # noqa: ANN401
        if not self._supports_sync_io:
            return await store.get_range_async(path, start=start, end=end)
        loop = asyncio.get_running_loop()
        async with _TURNS.setdefault(loop, asyncio.Semaphore(_LOCAL_READS)):
            return await store.get_range_async(path, start=start, end=end)

    # What zarr's fused pipeline calls from its threads, without an event loop

    @cached_property
    def _supports_sync_io(self) -> bool:
        """Whether reads are best made in as many threads as there are processors.

        Those of local files and memory are; over a network many more must be on their way.
        """
        paths = chain.from_iterable(_paths(array) for _, array in _named_arrays(self._group))
        path = next(paths, None)  # a file has one
        try:
            return path is None or type(self._resolved(path)[0]).__name__ in LOCAL_STORES
        except ValueError:  # no store for it: `get` says so
            return False

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return the value of a key, as `get` does."""
        prototype = prototype or default_buffer_prototype()
        if byte_range is not None:
            whole = self.get_sync(key, prototype=prototype)
            return whole and whole[_range(byte_range)]
        try:
            block = self._block(_chunk_at(*_node(self._group, key)))
            if block is not None:
                store, path, start, end = block
                data = store.get_range(path, start=start, end=end)
                return self._block_bytes(key, data, prototype)
        except Exception as error:  # stores share no class of errors
            raise store_error(error, str(_Block(self._group, key))) from error
        return run_blocking(self.get(key, prototype))  # it awaits bytes of files alone

    def set_sync(self, key: str, value: Buffer) -> Never:  # noqa: ARG002
        """Refuse: the store is read-only; zarr looks for all three."""
        self._refuse(key)

    def delete_sync(self, key: str) -> Never:
        """Refuse: the store is read-only."""
        self._refuse(key)

    def _refuse(self, key: str) -> Never:
        msg = f"{key} cannot be written: a virtual store is read-only"
        raise ValueError(msg)

    def _block(self, entry: ChunkEntry | None) -> tuple[Any, str, int, int] | None:
        """Return store, path, and range of a chunk; None where it is not plain bytes of a file."""
        if entry is None or entry["path"] == INLINED_CHUNK_PATH:
            return None
        start = int(entry["offset"])
        return *self._resolved(entry["path"]), start, start + int(entry["length"])

    _last: tuple[str, tuple[Any, str]] | None = None

    def _resolved(self, url: str) -> tuple[Any, str]:
        """Return the store of a url, and the path there; most often it is that of the last one."""
        last = self._last
        if last is None or last[0] != url:
            located = self._objects.get(url) or resolve_reference(url, self._registry)
            last = self._last = url, located
        check_process(last[1][0])
        return last[1]

    def _block_bytes(self, key: str, data: Any, prototype: BufferPrototype) -> Buffer:  # noqa: ANN401
        if prototype.buffer is not cpu.Buffer:
            return prototype.buffer.from_bytes(data)
        value = BlockBytes.from_bytes(data)
        value.block = _Block(self._group, key, self._axes)
        return value


_RANGES = (RangeByteRequest, OffsetByteRequest, SuffixByteRequest)

_LOCAL_READS = 2
"""Local reads at a time: memory that is filled while others wait to be decoded costs more than
the reads. Chunks of 8 MiB took 3 times as long by zarr's default of 10."""

_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _chunk_at(node: ManifestGroup | ManifestArray, within: str) -> ChunkEntry | None:
    """Return where a chunk is; None if there is none, or a key is of no chunk."""
    if isinstance(node, ManifestGroup) or not (within == "c" or within.startswith("c/")):
        return None
    numbers = within[2:].split("/") if "/" in within else []
    grid = node.manifest.shape_chunk_grid
    if len(numbers) != len(grid) or not all(map(_is_number, numbers)):
        return None
    index = tuple(map(int, numbers))
    if any(n >= length for n, length in zip(index, grid, strict=True)):
        return None
    return node.manifest.get_entry(index)


def _is_number(text: str) -> bool:
    """Whether a part of a key is a chunk's: digits without zeros in front."""
    return text.isdecimal() and text.isascii() and (text == "0" or text[0] != "0")


def _chunks_of(array: ManifestArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which chunks there are, in the shape of the grid."""
    return np.asarray(array.manifest._paths != "")  # noqa: SLF001 (each by `get_entry` takes µs)


def _keys(node: ManifestGroup | ManifestArray, prefix: str = "") -> Iterator[str]:
    """Yield the keys of a node and of all below it; `prefix` is its own path."""
    yield f"{prefix}zarr.json"
    if isinstance(node, ManifestGroup):
        for name in node:
            yield from _keys(node[name], f"{prefix}{name}/")
    else:
        for index in np.argwhere(_chunks_of(node)):
            yield "/".join([f"{prefix}c", *map(str, index)])


def _names_below(node: ManifestGroup | ManifestArray, within: str) -> Iterator[str]:
    """Yield the names right below a node, or below the part of a chunk's key within it."""
    if isinstance(node, ManifestGroup):
        if not within:
            yield from ("zarr.json", *node)
        return
    chunks = _chunks_of(node)
    first, *numbers = within.split("/") if within else [""]
    if not first:
        yield "zarr.json"
        if chunks.any():
            yield "c"
    elif first == "c" and len(numbers) < chunks.ndim and all(map(_is_number, numbers)):
        index = tuple(map(int, numbers))
        if all(n < length for n, length in zip(index, chunks.shape, strict=False)):
            part = chunks[index]
            rows = part.reshape(part.shape[0], -1).any(axis=1)
            yield from map(str, np.flatnonzero(rows))


def _equal(one: ManifestGroup, other: ManifestGroup) -> bool:
    """Whether two groups hold the same, and refer to the same bytes."""
    if list(one) != list(other) or one.metadata != other.metadata:
        return False
    return all(_equal_nodes(one[name], other[name]) for name in one)


def _equal_nodes(a: ManifestGroup | ManifestArray, b: ManifestGroup | ManifestArray) -> bool:
    if isinstance(a, ManifestGroup) or isinstance(b, ManifestGroup):
        return isinstance(a, ManifestGroup) and isinstance(b, ManifestGroup) and _equal(a, b)
    same = a.metadata.to_dict() == b.metadata.to_dict()
    return same and bool(a.manifest == b.manifest)


def _named_arrays(group: ManifestGroup, prefix: str = "") -> Iterator[tuple[str, ManifestArray]]:
    """Yield all arrays below a group with their paths."""
    for name, array in group.arrays.items():
        yield prefix + name, array
    for name, below in group.groups.items():
        yield from _named_arrays(below, f"{prefix}{name}/")


def _inlined(group: ManifestGroup, *, below: bool) -> list[str] | None:
    """Return the names of arrays whose values are in the store, not in a file.

    VirtualiZarr takes one list of names for all groups, so that a name counts only if it is that of
    such an array in each group that has it. Only with `below` the groups below the root count.
    """
    arrays = _named_arrays(group) if below else iter(group.arrays.items())
    inlined: dict[str, bool] = {}
    for path, array in arrays:
        entry = array.manifest.get_entry((0,) * array.ndim)
        name = path.rpartition("/")[2]
        within = entry is not None and entry["path"] == INLINED_CHUNK_PATH
        within = within and next(_paths(array), None) is None
        inlined[name] = within and inlined.get(name, True)
    return [name for name, within in inlined.items() if within] or None


_OF_ONE_FILE = {
    *("spatial:transform", "spatial:shape", "spatial:bbox", "spatial:registration"),
    *("spatial:dimensions", "model_pixel_scale", "model_tiepoint", "model_transformation"),
}
"""Attributes that say where the pixels of one file lie."""


def _without_stated_place(dataset: xr.Dataset) -> xr.Dataset:
    """Return a virtual dataset whose coordinates alone say where pixels lie, where they can.

    xarray keeps the attributes of the first dataset that it concatenates, or refuses to merge
    them; coordinates are joined, and are right of a mosaic too.
    """
    changed = dataset.copy()
    stated = set()
    for name, variable in changed.variables.items():
        dimensions = variable.attrs.get("spatial:dimensions")
        if dimensions is None or not all(each in changed.variables for each in dimensions):
            if "grid_mapping" in variable.attrs:
                stated.add(variable.attrs["grid_mapping"])
            continue
        attributes = {k: v for k, v in variable.attrs.items() if k not in _OF_ONE_FILE}
        entries = attributes.pop("zarr_conventions", [])
        kept = [entry for entry in entries if entry.get("uuid") != SPATIAL[0]["uuid"]]
        attributes |= {"zarr_conventions": kept} if kept else {}
        changed[name].attrs = attributes
    for name in {v.attrs.get("grid_mapping") for v in changed.variables.values()} - stated:
        if name in changed.variables:
            changed[name].attrs.pop("GeoTransform", None)
    return changed


def _table_row(path: str, array: ManifestArray) -> list[str]:
    """Return the cells of an array in the table for notebooks."""
    metadata = array.metadata.to_dict()
    names = array.metadata.dimension_names or [f"dim_{i}" for i in range(len(array.shape))]
    sizes = [f"{name}: {size}" for name, size in zip(names, array.shape, strict=True)]
    grid = array.manifest.shape_chunk_grid
    chunk_shape = array.metadata.chunk_grid.chunk_shape  # type: ignore[union-attr]
    chunks = f"{counted(prod(grid), 'chunk')} of {by(chunk_shape)}" if grid else "1 chunk"
    # zarr's own codecs leave out a configuration that is empty
    codecs: list[dict[str, Any]] = [
        {"configuration": {}} | codec.to_dict() for codec in array.metadata.codecs
    ]
    data_type = str(metadata["data_type"])
    return [
        path,
        ", ".join(sizes) or "scalar",
        data_type,
        chunks,
        human_size(array.nbytes_virtual),
        ", ".join(codec["name"] for codec in codecs),
        readers_text(readers(codecs, data_type)).removeprefix("read by "),
    ]


def _paths(array: ManifestArray) -> Iterator[str]:
    return array.manifest.iter_nonempty_paths()


def _range(wanted: ByteRequest) -> slice:
    """Return a request for a part of a value as a slice of it."""
    if isinstance(wanted, RangeByteRequest):
        return slice(wanted.start, wanted.end)
    if isinstance(wanted, OffsetByteRequest):
        return slice(wanted.offset, None)
    return slice(-wanted.suffix, None)


class _Block(Block):
    """What a chunk is called in errors: its key, and its file. Most are never asked."""

    def __init__(
        self, group: ManifestGroup, key: str, axes: Mapping[str, Axes] | None = None
    ) -> None:
        self._group = group
        self._key = key
        self._axes = axes or {}

    def __str__(self) -> str:
        node, _ = _node(self._group, self._key)
        paths = iter(()) if isinstance(node, ManifestGroup) else _paths(node)
        return f"block {self._key} of {next(paths, 'no file')}"

    def edges(self) -> Edges:
        """Return which edges of its image the chunk lies at."""
        node, within = _node(self._group, self._key)
        assert not isinstance(node, ManifestGroup)  # noqa: S101 (for mypy: a group has no blocks)
        plane = _plane(self._axes, self._key, within)
        row, column = within[2:].split("/")[plane]
        down, across = node.manifest.shape_chunk_grid[plane]
        return Edges(foot=int(row) == down - 1, right=int(column) == across - 1)


def _plane(axes: Mapping[str, Axes], key: str, within: str) -> slice:
    """Return the dimensions of rows and columns of the array that a key belongs to."""
    axes_of_array = axes.get(key.removesuffix(f"/{within}"))
    return slice(-2, None) if axes_of_array is None else axes_of_array.plane


def _node(group: ManifestGroup, key: str) -> tuple[ManifestGroup | ManifestArray, str]:
    """Return the deepest node on the way of a key, and what of the key is left below it."""
    node: ManifestGroup | ManifestArray = group
    rest = key
    while isinstance(node, ManifestGroup):
        name, _, below = rest.partition("/")
        if name not in node:
            break
        node, rest = node[name], below
    return node, rest
