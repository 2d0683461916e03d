"""References and chunks as the writer gives them to Icechunk."""

from __future__ import annotations

from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.repository.references import _Block, _refer
from virtual_tiff.publishing.repository.writer import Writer, read_back


def block(lengths: list[int], **changes: Any) -> _Block:
    """The chunks of one row of an array, the second one of a stack."""
    numbers = np.array(lengths, dtype=np.uint64)
    offsets = np.arange(len(lengths), dtype=np.uint64) * 100
    plain = {"grid": (1, len(lengths)), "origin": (1, 0), "offsets": offsets, "lengths": numbers}
    return _Block(**({"path": "0"} | plain | changes))


def test_a_block_of_a_file_is_found_by_its_number() -> None:
    whole = block([5, 6, 7, 8], grid=(2, 2))
    assert [whole.key_of_block(n) for n in (0, 3)] == ["0/c/1/0", "0/c/2/1"]
    part = block([5, 6], numbers=np.array([2, 3]))
    assert part.key_of_block(3) == "0/c/1/1"
    assert part.key_of_block(2) == "0/c/1/0"
    assert part.key_of_block(1) is None


def writer(session: icechunk.Session, **earlier: Any) -> Writer:
    spool: Any = None
    ledger: Any = None
    sessions: Any = session  # of which the writer takes the store
    return Writer(sessions, spool, ledger, earlier.get("earlier", {}))


@pytest.fixture
def session() -> icechunk.Session:
    """A session of a repository without containers, with a stack of rows of chunks."""
    icechunk.set_logs_filter("error")
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    zarr.create_array(
        session.store, name="0", shape=(3, 4), chunks=(1, 1), dtype="uint8", compressors=None
    )
    return session


def test_references_that_no_container_has_are_refused(session: icechunk.Session) -> None:
    with pytest.raises(PublishError, match=r"^s3://b/a\.tif: Icechunk has no container for it$"):
        _refer(session.store, block([5, 6, 7, 8]), "s3://b/a.tif", None)


def test_a_file_without_blocks_has_no_references(session: icechunk.Session) -> None:
    assert _refer(session.store, block([0, 0, 0, 0]), "s3://b/a.tif", None) == 0


def test_chunks_that_cannot_be_read_are_not_published(session: icechunk.Session) -> None:
    array = zarr.open_array(session.store, path="0", mode="r+")
    array[:] = 7
    read_back(session.store, ["0"])

    async def spoil(key: str) -> None:
        await session.store.set(key, zarr.core.buffer.cpu.Buffer.from_bytes(b"short" * 9))

    for key in ("0/c/0/0", "0/c/2/3"):  # the first chunk, and the last one
        array[:] = 7
        zarr.core.sync.sync(spoil(key))
        with pytest.raises(PublishError, match="nothing was published: 0 cannot be read back: "):
            read_back(session.store, ["0"])
