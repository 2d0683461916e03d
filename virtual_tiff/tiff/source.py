"""Where bytes come from: one verb, and wrappers around it.

`ByteSource.read_ranges` is the only input of the core. Read-ahead and counting are
wrappers with the same verb, so that neither the reader nor a store knows of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .errors import TruncatedError

__all__ = [
    "ByteRange",
    "ByteSource",
    "CountingSource",
    "MemorySource",
    "ReadAhead",
    "SourceState",
]

_CACHE_BYTES = 16 * 2**20
"""What `ReadAhead` keeps: a file of many scattered directories is read past, not held."""

type ByteRange = tuple[int, int]
"""First byte and the byte after the last, as in a Python slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What the object was when its first bytes were read: the base of drift checks."""

    size: int
    """Bytes of the whole object."""
    etag: str | None = None
    """As the store gave it, quotes included; None where it has none."""
    last_modified: datetime | None = None
    version: str | None = None


class ByteSource(Protocol):
    """An object that can be read in ranges."""

    @property
    def state(self) -> SourceState | None:
        """The object's state; None until the first read has returned."""

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """Read all ranges, as one batch.

        Returns
        -------
        list of memoryview
            One for each range and in their order. A range that reaches past the
            object's end gives the bytes that there are, perhaps none.
        """
        ...


class MemorySource:
    """Bytes that are there already."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).toreadonly()

    @property
    def state(self) -> SourceState:
        """The size; memory has no ETag and no time."""
        return SourceState(size=len(self._data))

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """See `ByteSource.read_ranges`."""
        return [self._data[start:end] for start, end in ranges]


class CountingSource:
    """Counts what goes through it: requests and bytes are facts for tests."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self.batches = 0
        self.requests = 0
        self.bytes_read = 0

    @property
    def state(self) -> SourceState | None:
        """The state of the wrapped source."""
        return self._source.state

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """See `ByteSource.read_ranges`."""
        self.batches += 1
        self.requests += len(ranges)
        buffers = await self._source.read_ranges(ranges)
        self.bytes_read += sum(map(len, buffers))
        return buffers


class ReadAhead:
    """Keeps what was read, reads a little more than was asked, asks once for all.

    Parameters
    ----------
    source
        What is read.
    head
        Bytes of the first read. A COG's header is within 32 KiB in most cases
        (measured over the GDAL corpus and public COGs).
    ahead
        Least size of a later read. Writers that put the directory at the end put
        its values beside it.
    """

    def __init__(
        self, source: ByteSource, *, head: int = 32 * 1024, ahead: int = 64 * 1024
    ) -> None:
        self._source = source
        self._head = head
        self._ahead = ahead
        # Sorted, and no span lies within another: so starts and ends both ascend,
        # and of all spans that begin before a byte the last one reaches furthest.
        self._starts: list[int] = []
        self._spans: list[memoryview] = []

    @property
    def state(self) -> SourceState | None:
        """The state of the wrapped source."""
        return self._source.state

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """See `ByteSource.read_ranges`."""
        if not self._starts:
            await self._fetch([(0, self._head)])
        size = _known_size(self._source)
        clipped = [(min(start, size), min(end, size)) for start, end in ranges]
        # found first, for fetching may drop what was kept
        kept = {r: found for r in clipped if (found := self._find(r)) is not None}
        missing = [r for r in clipped if r not in kept]
        if missing:
            await self._fetch(_merge([self._extend(r, size) for r in missing]))
        return [kept[r] if r in kept else self._cut(r) for r in clipped]

    def _extend(self, wanted: ByteRange, size: int) -> ByteRange:
        start, end = wanted
        return start, min(size, max(end, start + self._ahead))

    async def _fetch(self, ranges: list[ByteRange]) -> None:
        buffers = await self._source.read_ranges(ranges)
        if sum(map(len, self._spans)) > _CACHE_BYTES:
            self._starts, self._spans = [], []
        for (start, _), buffer in zip(ranges, buffers, strict=True):
            self._keep(start, buffer)

    def _keep(self, start: int, buffer: memoryview) -> None:
        end = start + len(buffer)
        first = last = bisect_left(self._starts, start)
        while last < len(self._starts) and self._starts[last] + len(self._spans[last]) <= end:
            last += 1
        self._starts[first:last] = [start]
        self._spans[first:last] = [buffer]

    def _find(self, wanted: ByteRange) -> memoryview | None:
        start, end = wanted
        if start >= end:
            return memoryview(b"")
        at = bisect_right(self._starts, start) - 1
        if at < 0 or end > self._starts[at] + len(self._spans[at]):
            return None
        first = self._starts[at]
        return self._spans[at][start - first : end - first]

    def _cut(self, wanted: ByteRange) -> memoryview:
        found = self._find(wanted)
        if found is None:
            start, end = wanted
            msg = f"the source gave fewer bytes than asked for ({start}-{end}); was it changed?"
            raise TruncatedError(msg, offset=start)
        return found


def _known_size(source: ByteSource) -> int:
    state = source.state
    if state is None:
        msg = f"{type(source).__name__} has no state after a read; see ByteSource.state"
        raise TypeError(msg)
    return state.size


def _merge(ranges: list[ByteRange]) -> list[ByteRange]:
    """Join ranges that touch or overlap, so that no byte is fetched twice."""
    merged: list[ByteRange] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
