"""From a TIFF's bytes to what VirtualTIFF and zarr make of them."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from numpy.typing import NDArray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore, MemoryStore
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.dtype import parse_dtype

from virtual_tiff import VirtualTIFF
from virtual_tiff.store import CheckedManifestStore
from virtual_tiff.tiff import ImageFileDirectory, MemorySource, read_tiff

KNOWN_BUGS: dict[str, tuple[type[BaseException], str]] = {
    "empty configuration": (
        AssertionError,
        "zarr and imagecodecs-zarr leave out an empty configuration when they write metadata",
    ),
}
"""What the package is known to do wrong: name -> what is raised now, and why."""


def known_bug(name: str) -> pytest.MarkDecorator:
    """Mark a test that is right and fails; a repair shows as an unexpected pass."""
    error, reason = KNOWN_BUGS[name]
    return pytest.mark.xfail(strict=True, raises=error, reason=reason)


LOCAL: ObjectStoreRegistry[Any] = ObjectStoreRegistry({"file://": LocalStore()})
"""Serves every `file:///…` url."""


def in_memory(files: dict[str, bytes]) -> ObjectStoreRegistry[Any]:
    """Serve bytes as `memory:///` and their name."""
    store = MemoryStore()
    for name, data in files.items():
        store.put(name, data)
    return ObjectStoreRegistry({"memory://": store})


def virtual(data: bytes, **options: Any) -> CheckedManifestStore:
    """The virtual store of a TIFF in memory, at `memory:///a.tif`; `options` are VirtualTIFF's."""
    return VirtualTIFF(**options)("memory:///a.tif", in_memory({"a.tif": data}))


def zarr_array(store: CheckedManifestStore, name: str = "0") -> zarr.Array[Any]:
    """An array of a store, as any reader opens it."""
    return zarr.open_array(store, path=name, mode="r", zarr_format=3)


def read(data: bytes, name: str = "0", **options: Any) -> NDArray[Any]:
    """All pixels of an array, (y, x) or (band, y, x)."""
    return np.asarray(zarr_array(virtual(data, **options), name)[...])


def stored_metadata(store: CheckedManifestStore, name: str = "0") -> dict[str, Any]:
    """The metadata of an array as writers persist it: what the manifest says, not the reader."""
    buffers = store.group.arrays[name].metadata.to_buffer_dict(default_buffer_prototype())
    metadata: dict[str, Any] = json.loads(buffers["zarr.json"].to_bytes())
    return metadata


def directory(data: bytes, index: int = 0) -> ImageFileDirectory:
    """A directory of a TIFF's chain."""
    return asyncio.run(read_tiff(MemorySource(data))).ifds[index]


def bands_first(pixels: NDArray[Any]) -> NDArray[Any]:
    """(y, x, band) as (band, y, x); (y, x) as it is."""
    return pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def by_gdal(data: bytes) -> NDArray[Any]:
    """What GDAL reads: (y, x), or (band, y, x) where there are several bands."""
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        bands: NDArray[Any] = dataset.read()
    return bands[0] if len(bands) == 1 else bands


def by_tifffile(data: bytes) -> NDArray[Any]:
    """What tifffile reads of the first page."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels: NDArray[Any] = file.pages[0].asarray()
    return pixels


def values(dtype: str, *shape: int) -> NDArray[Any]:
    """Values of every bit pattern an integer has; small numbers of either sign for floats."""
    random = np.random.default_rng(1)
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return (values("f4", *shape) + 1j * values("f4", *shape)[::-1]).astype(kind)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    return np.frombuffer(random.bytes(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)


def chunk_spec(*shape: int, dtype: str = "uint8") -> ArraySpec:
    """What zarr tells a codec about a chunk."""
    zarr_type = parse_dtype(dtype, zarr_format=3)
    return ArraySpec(
        shape=shape,
        dtype=zarr_type,
        fill_value=zarr_type.default_scalar(),
        config=ArrayConfig.from_dict({}),
        prototype=default_buffer_prototype(),
    )


def buffer(data: bytes) -> Buffer:
    """Bytes as zarr hands them to a codec."""
    return default_buffer_prototype().buffer.from_bytes(data)
