"""A plan to one commit, and what was committed read back."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import icechunk
import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.group import GroupMetadata
from zarr.core.sync import sync

from virtual_tiff.publishing.containers import Container
from virtual_tiff.publishing.errors import PublishError, first_line, not_as_a_stack
from virtual_tiff.publishing.files import checksum
from virtual_tiff.publishing.plan import Placement, Plan
from virtual_tiff.publishing.target import Target

__all__ = ["read_back", "write"]


def write(
    target: Target, plan: Plan, containers: Sequence[Container], branch: str, message: str
) -> str:
    """Write all or nothing; return the commit's id."""
    try:
        with target.undone():
            repository = target.open(containers)
            if branch not in repository.list_branches():
                repository.create_branch(branch, repository.lookup_branch("main"))
            session = repository.writable_session(branch)
            nodes: dict[str, Any] = {
                path: GroupMetadata(attributes=found) for path, found in plan.groups.items()
            }
            list(zarr.create_hierarchy(store=session.store, nodes=nodes | dict(plan.metadata)))
            for placement in plan.placements:
                _put(session.store, placement)
            _try_codecs(session.store, plan)
            return session.commit(message, metadata={"virtual_tiff": version("virtual-tiff")})
    except icechunk.IcechunkError as error:
        msg = f"{target.name}: Icechunk failed: {first_line(error)}"
        raise PublishError(msg) from error


def _try_codecs(store: icechunk.IcechunkStore, plan: Plan) -> None:
    """Read a chunk of each stacked array whose codecs are ours and know the chunk's shape.

    Others reshape what they decode, and take a further dimension of length 1 as it is.
    """
    group = zarr.open_group(store, mode="r")
    for path in {placement.path for placement in plan.placements if placement.position == 0}:
        codecs = plan.metadata[path].codecs
        ours = [codec for codec in codecs if type(codec).__module__.startswith("virtual_tiff.")]
        if not all(isinstance(codec, BytesBytesCodec) for codec in ours):
            try:
                _read_chunk(group, path, last=False)
            except icechunk.IcechunkError:
                raise
            except Exception as error:  # of whatever class: codecs share none
                raise PublishError(not_as_a_stack(path, error)) from error


def _put(store: icechunk.IcechunkStore, placement: Placement) -> None:
    """Write the references of one file's array, with the state of that file."""
    manifest = placement.array.manifest
    shape, at = manifest.shape_chunk_grid, None
    if placement.position is not None:
        at = (placement.position, *(0 for _ in shape))
        shape = (1, *shape)
    url = placement.file.url
    present = placement.present
    if present.any():
        refused = store.set_virtual_refs_arr(
            placement.path,
            shape,
            [url if there else "" for there in present.ravel().tolist()],
            manifest._offsets.ravel(),  # noqa: SLF001
            manifest._lengths.ravel(),  # noqa: SLF001
            arr_offset=at,
            checksum=checksum(placement.file.state),
        )
        if refused:
            msg = f"{url}: Icechunk has no container for it"
            raise PublishError(msg)
    prefix = f"{placement.path}/c"
    for index, data in manifest._inlined.items():  # noqa: SLF001
        key = "/".join(map(str, (prefix, *((placement.position,) if at else ()), *index)))
        sync(store.set(key, default_buffer_prototype().buffer.from_bytes(data)))


def read_back(repository: icechunk.Repository, snapshot: str, plan: Plan) -> None:
    """Read the first and the last chunk of each array.

    Raises
    ------
    PublishError
        If one cannot be read; what was published is left there.
    """
    group = zarr.open_group(repository.readonly_session(snapshot_id=snapshot).store, mode="r")
    for path in plan.metadata:
        try:
            _read_chunk(group, path, last=False)
            _read_chunk(group, path, last=True)
        except Exception as error:
            msg = f"published as {snapshot}, but {path} does not read back: {first_line(error)}"
            raise PublishError(msg) from error


def _read_chunk(group: zarr.Group, path: str, *, last: bool) -> None:
    array: Any = group[path]
    starts = [
        (size - 1) // chunk * chunk if last else 0
        for size, chunk in zip(array.shape, array.chunks, strict=True)
    ]
    array[tuple(slice(s, s + chunk) for s, chunk in zip(starts, array.chunks, strict=True))]
