"""`describe`: what is in a published repository, by its metadata alone.

No source is asked: `verify` does that. Its last result is kept on this machine, in the user's
folder of caches, so that `virtual-tiff info REPO` can repeat it; the repository may belong to
somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import icechunk
import zarr

from virtual_tiff.codec_table.readers import readers
from virtual_tiff.publishing.errors import PublishError, icechunk_errors
from virtual_tiff.publishing.reading.record import digest_of
from virtual_tiff.publishing.reading.spool import cache_folder
from virtual_tiff.publishing.repository.ledger import LEDGER, read_ledger
from virtual_tiff.publishing.repository.opening import (
    Place,
    manifests_of,
    repository_at,
    session_of,
)
from virtual_tiff.publishing.repository.target import target_of
from virtual_tiff.publishing.saved_access import Access, access

__all__ = ["ArrayDescription", "Description", "LastVerification", "describe", "keep_verification"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayDescription:
    """An array of a repository."""

    path: str
    """Its path in the repository."""
    shape: tuple[int, ...]
    """Its length along each dimension."""
    dimensions: tuple[str, ...]
    """The names of the dimensions."""
    data_type: str
    """Zarr's name of the data type."""
    chunk_shape: tuple[int, ...] | None
    """None if its chunks have several lengths."""
    readers: tuple[str, ...] = ()
    """The implementations of Zarr that can read it."""
    first: str | None = None
    """Of the coordinate of a dimension: its first value; times are in ISO 8601."""
    last: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastVerification:
    """The result of the last `virtual-tiff verify` on this machine."""

    time: str
    """In ISO 8601, UTC."""
    snapshot: str
    """The commit whose sources were asked."""
    counts: Mapping[str, int]
    """Sources by their status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The contents of a published repository."""

    branch: str
    """The branch that is described."""
    snapshot: str
    """The newest commit of the branch."""
    time: str
    """When it was made, in ISO 8601, UTC."""
    message: str
    """The message of its last commit."""
    arrays: tuple[ArrayDescription, ...]
    """The arrays of images."""
    coordinates: tuple[ArrayDescription, ...]
    """The coordinates of dimensions."""
    layout: str | None
    """As `publish` takes it; None if another program has made the repository."""
    concat: tuple[str, ...]
    """The dimensions along which the files lie."""
    sources: int | None
    """Files that it refers to; None if it has no record of them."""
    bytes_of_sources: int | None
    """The size of these files, of those whose size is known."""
    chunks: int
    """Chunks that refer to bytes of files, or are stored in the repository."""
    bytes_of_manifests: int
    """The size of all references."""
    verified: LastVerification | None
    """None if nobody has verified it on this machine."""
    access: Access
    """How readers reach the files."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in ("arrays", "coordinates"):
            plain[name] = [asdict(array) for array in plain[name]]
        verified = None if self.verified is None else asdict(self.verified)
        return plain | {"verified": verified, "access": self.access.to_json()}


def describe(
    repository: Place, *, branch: str = "main", store_options: Mapping[str, Any] | None = None
) -> Description:
    """Return what is in a published repository, by its metadata alone.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage` or `icechunk.Repository`.
    branch
        The branch whose newest commit is described.
    store_options
        obstore's options of the store that has the repository, as `{"skip_signature": True}`.

    Returns
    -------
    Description
        The arrays, sources and settings of the repository.

    Raises
    ------
    PublishError
        If there is no repository, or no such branch.
    """
    opened = repository_at(repository, store_options=store_options)
    session = session_of(opened, branch=branch)
    store = session.store
    with icechunk_errors(str(repository)):
        commit = opened.lookup_snapshot(session.snapshot_id)
        manifests = manifests_of(opened, session.snapshot_id)
    group = zarr.open_group(store, mode="r")
    nodes = [
        (path, node)
        for path, node in group.members(max_depth=None)
        if isinstance(node, zarr.Array) and path.split("/")[0] != LEDGER
    ]
    coordinates, arrays = [], []
    for path, array in sorted(nodes, key=lambda each: each[0]):
        of_dimension = _dimensions(array) == (path.rpartition("/")[2],)
        if of_dimension:
            first, last = (_value(array, at) for at in (0, -1)) if array.size else (None, None)
            coordinates.append(replace(_described(path, array), first=first, last=last))
        elif len(array.shape) > 1:
            arrays.append(_described(path, array))
    of_sources: Any = group.get(f"{LEDGER}/size")
    sizes = None if of_sources is None else of_sources[:]
    ledger = None
    with suppress(PublishError, KeyError):
        ledger, _ = read_ledger(store)
    return Description(
        branch=branch,
        snapshot=session.snapshot_id,
        time=_utc(commit.written_at),
        message=commit.message,
        arrays=tuple(arrays),
        coordinates=tuple(coordinates),
        layout=None if ledger is None else ledger.layout,
        concat=() if ledger is None else ledger.axes,
        sources=None if sizes is None else len(sizes),
        bytes_of_sources=None if sizes is None else int(sizes[sizes > 0].sum()),
        chunks=sum(manifest.num_chunk_refs for manifest in manifests),
        bytes_of_manifests=sum(manifest.size_bytes for manifest in manifests),
        verified=_last_verification(repository, store_options),
        access=access(opened),
    )


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).replace(microsecond=0).isoformat()


def _dimensions(array: zarr.Array[Any]) -> tuple[str, ...]:
    metadata: Any = array.metadata.to_dict()
    return tuple(map(str, metadata.get("dimension_names") or ()))


def _described(path: str, array: zarr.Array[Any]) -> ArrayDescription:
    metadata: Any = array.metadata.to_dict()
    data_type = str(metadata["data_type"])
    chunk_shape = metadata["chunk_grid"]["configuration"].get("chunk_shape")
    return ArrayDescription(
        path=path,
        shape=array.shape,
        dimensions=_dimensions(array),
        data_type=data_type,
        chunk_shape=None if chunk_shape is None else tuple(chunk_shape),
        readers=readers(metadata["codecs"], data_type),
    )


def _value(array: zarr.Array[Any], at: int) -> str:
    value = array[at]
    plain: Any = value.item() if hasattr(value, "item") else value
    if str(array.attrs.get("units", "")).startswith("microseconds since 1970-01-01"):
        time = datetime.fromtimestamp(plain / 1e6, UTC)
        return time.replace(tzinfo=None).isoformat()
    return str(plain)


# --------------------------------------------------------------------------- verification


def _verification_file(
    repository: Place, store_options: Mapping[str, Any] | None = None
) -> Path | None:
    """Return where the last verification of a repository is kept; None if nowhere."""
    if isinstance(repository, icechunk.Repository):
        return None
    folder, identity = cache_folder(), target_of(repository, store_options).identity
    if folder is None or not identity:
        return None
    return folder / "verified" / f"{digest_of(identity.encode())}.json"


def keep_verification(repository: Place, snapshot: str, counts: Mapping[Any, int]) -> None:
    """Keep the result of a verification of all sources, for `describe`, where that can be kept."""
    path = _verification_file(repository)
    if path is None:
        return
    known = {"time": _utc(datetime.now(UTC)), "snapshot": snapshot, "counts": dict(counts)}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known), encoding="utf-8")


def _last_verification(
    repository: Place, store_options: Mapping[str, Any] | None
) -> LastVerification | None:
    path = _verification_file(repository, store_options)
    if path is None:
        return None
    with suppress(OSError, ValueError, TypeError):
        return LastVerification(**json.loads(path.read_text(encoding="utf-8")))
    return None
