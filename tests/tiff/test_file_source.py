"""The source of local files: what it gives, what it costs, and what it refuses."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from virtual_tiff.tiff import (
    CountingSource,
    FileSource,
    MemorySource,
    ReadAhead,
    TruncatedError,
    read_tiff,
)

COG = Path(__file__).parents[2] / "testdata" / "special" / "cog.tif"
DATA = bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a b#%20.bin"
    path.write_bytes(DATA)
    return path


def read(source: FileSource, *ranges: tuple[int, int]) -> list[bytes]:
    return list(map(bytes, asyncio.run(source.read_ranges(ranges))))


@pytest.mark.parametrize(
    "ranges",
    [[(0, 10)], [(500, 700), (3, 5), (3, 5)], [(0, 5000)], [(1020, 1030), (2000, 2010)], [(7, 7)]],
)
def test_ranges_are_those_of_memory(path: Path, ranges: list[tuple[int, int]]) -> None:
    in_memory = asyncio.run(MemorySource(DATA).read_ranges(ranges))
    assert read(FileSource(path), *ranges) == list(map(bytes, in_memory))


def test_the_state_is_known_after_the_first_read(path: Path) -> None:
    source = FileSource(str(path))
    assert source.state is None
    read(source, (0, 1))
    assert source.state is not None
    assert source.state.size == len(DATA)
    assert source.state.last_modified == datetime.fromtimestamp(path.stat().st_mtime, UTC)


def test_a_coroutine_never_suspends(path: Path) -> None:
    with pytest.raises(StopIteration):
        FileSource(path).read_ranges([(0, 1)]).send(None)


def test_a_file_is_read_as_its_bytes_are() -> None:
    counted = CountingSource(FileSource(COG))
    tiff = asyncio.run(read_tiff(ReadAhead(counted)))
    known = asyncio.run(read_tiff(MemorySource(COG.read_bytes())))
    assert [dict(ifd.entries) for ifd in tiff.walk()] == [dict(ifd.entries) for ifd in known.walk()]
    assert counted.requests == 1


def test_a_range_beyond_the_end_allocates_nothing(path: Path) -> None:
    source = FileSource(path)
    read(source, (0, 1))
    tracemalloc.start()
    try:
        assert len(read(source, (0, 2**40))[0]) == len(DATA)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_file_that_changes_meanwhile_is_refused(path: Path) -> None:
    source = FileSource(path)
    read(source, (0, 1))
    path.write_bytes(DATA + b"more")
    with pytest.raises(OSError, match="was changed while it was read"):
        read(source, (0, 1))


def test_a_file_that_is_replaced_by_one_of_its_size_and_time_is_refused(path: Path) -> None:
    source = FileSource(path)
    read(source, (0, 1))
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(DATA[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    with pytest.raises(OSError, match="was changed while it was read"):
        read(source, (0, 1))


def test_a_file_that_is_missing_or_a_directory_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(FileSource(tmp_path / "none.tif"), (0, 1))
    with pytest.raises(OSError, match="directory"):
        read(FileSource(tmp_path), (0, 1))


def test_an_empty_file_is_truncated(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"")
    with pytest.raises(TruncatedError):
        asyncio.run(read_tiff(ReadAhead(FileSource(tmp_path / "a.tif"))))
