"""Repositories of one file, made step by step by Icechunk alone, with their ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import zarr

from support.http import HttpServer
from support.locations import locate
from support.s3 import S3, SETTINGS
from virtual_tiff import VirtualTIFF
from virtual_tiff.arrays.nodes import FileArray
from virtual_tiff.publishing.repository.checksums import checksum_of
from virtual_tiff.tiff import SourceState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_ledger(store: Any, sources: Mapping[str, SourceState], *, chunk: int = 1000) -> None:
    """Write the group `_virtual_tiff` as `publish` does."""
    group = zarr.open_group(store, mode="a").create_group("_virtual_tiff")
    states = list(sources.values())
    columns: dict[str, Any] = {
        "url": np.array(list(sources), dtype=object),
        "size": np.array([state.size for state in states], dtype="i8"),
        "etag": np.array([state.etag or "" for state in states], dtype=object),
        "last_modified": np.array([_microseconds(state) for state in states], dtype="i8"),
        "position": np.arange(len(states), dtype="i8"),
    }
    for name, values in columns.items():
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=(chunk,),
            dtype="string" if values.dtype == object else values.dtype,
            dimension_names=["source"],
        )
        if len(values):
            array[:] = values
    group.attrs["whole"] = True


def with_ledger(sources: dict[str, SourceState], place: Path | None = None) -> icechunk.Repository:
    """A repository with a ledger and nothing else."""
    storage = (
        icechunk.in_memory_storage()
        if place is None
        else icechunk.local_filesystem_storage(str(place))
    )
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    write_ledger(session.store, sources, chunk=7)
    session.commit("a ledger")
    return repository


def _microseconds(state: SourceState) -> int:
    modified = state.last_modified
    return 0 if modified is None else round((modified - _EPOCH).total_seconds() * 1_000_000)


async def publish_one(
    url: str,
    containers: Mapping[str, tuple[Any, Any]],
    *,
    options: Mapping[str, Any] | None = None,
    between: Callable[[], None] = lambda: None,
    ledger: bool = True,
    save: bool = True,
    storage: Path | None = None,
) -> icechunk.Repository:
    """Parse a file, do something, then commit its array `0`; `containers` have access too.

    In memory, if there is no folder for it; `save` is whether the containers are saved.
    """
    (location,) = locate([url], options)
    parser = VirtualTIFF(ifd=0)
    nodes, state = await parser.parse_nodes(location.store, location.path, url=location.url)
    between()
    config = icechunk.RepositoryConfig.default()
    for prefix, (store, _) in containers.items():
        config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    access = icechunk.containers_credentials({p: given for p, (_, given) in containers.items()})
    place = (
        icechunk.in_memory_storage()
        if storage is None
        else icechunk.local_filesystem_storage(str(storage))
    )
    if not save:
        icechunk.Repository.create(place, icechunk.RepositoryConfig.default()).save_config()
        repository = icechunk.Repository.open(place, config, access)
    else:
        repository = icechunk.Repository.create(place, config, access)
        repository.save_config()
    session = repository.writable_session("main")
    array = nodes.arrays["0"]
    assert isinstance(array, FileArray)
    zarr.open_group(session.store, mode="w")
    _write(session.store, array, location.url, state)
    if ledger:
        write_ledger(session.store, {location.url: state})
    session.commit("one file")
    return repository


def _write(store: Any, array: FileArray, url: str, state: SourceState) -> None:
    metadata = array.metadata
    made = zarr.create_array(
        store,
        name="0",
        shape=metadata["shape"],
        chunks=metadata["chunk_grid"]["configuration"]["chunk_shape"],
        dtype=metadata["data_type"],
        compressors=None,
    )
    store.set_virtual_refs_arr(
        "0",
        made.cdata_shape,
        [url] * array.offsets.size,
        array.offsets.ravel(),
        array.byte_counts.ravel(),
        checksum=checksum_of(url, state),
    )


def http_container(server: HttpServer) -> dict[str, tuple[Any, Any]]:
    return {f"{server.url}/": (icechunk.http_store(), icechunk.credentials.HttpAccess)}


def s3_container(s3: S3) -> dict[str, tuple[Any, Any]]:
    store = icechunk.s3_store(
        region=SETTINGS["region"],
        endpoint_url=s3.endpoint,
        allow_http=True,
        s3_compatible=True,
        force_path_style=True,
    )
    keys = {name: SETTINGS[name] for name in ("access_key_id", "secret_access_key")}
    return {s3.url(): (store, icechunk.s3_credentials(**keys))}


def file_container(folder: str) -> dict[str, tuple[Any, Any]]:
    store = icechunk.local_filesystem_store(folder)
    return {f"file://{folder}/": (store, icechunk.credentials.LocalFileSystemAccess)}


def s3_options(s3: S3, more: Sequence[tuple[str, Any]] = ()) -> dict[str, Any]:
    return SETTINGS | {"endpoint": s3.endpoint} | dict(more)
