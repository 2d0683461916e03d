"""Where bytes come from: one verb, and wrappers around it.

`ByteSource.read_ranges` is the only input of the core. Read-ahead and counting are
wrappers with the same verb, so that neither the reader nor a store knows of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Protocol, runtime_checkable

from .errors import TruncatedError

__all__ = [
    "Anticipating",
    "ByteRange",
    "ByteSource",
    "CountingSource",
    "MemorySource",
    "ReadAhead",
    "Reading",
    "SourceState",
]

_CACHE_BYTES = 16 * 2**20
"""Bytes that `ReadAhead` keeps: a file of many scattered directories is not held in memory."""

type ByteRange = tuple[int, int]
"""First byte and the byte after the last, as in a Python slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """The object's state when its first bytes were read: the base of drift checks."""

    size: int
    """Bytes of the whole object."""
    etag: str | None = None
    """As the store gave it, quotes included; None where it has none."""
    last_modified: datetime | None = None
    """The time of the last change, with its zone (UTC)."""
    version: str | None = None
    """The version of the object, if the store keeps several."""


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


@runtime_checkable
class Anticipating(Protocol):
    """A source that keeps bytes and takes hints: what a wrapper such as `ReadAhead` adds.

    Neither changes what is read, only when: a reader may leave both out.
    """

    def holds(self, ranges: Sequence[ByteRange]) -> bool:
        """Whether all these ranges can be read without asking anybody."""
        ...

    def expect(self, ranges: Sequence[ByteRange]) -> None:
        """Say what the next read may be followed by, the best guess first.

        If the next read has to ask for something, as much of this as the source finds
        worth its cost is fetched along, and nothing else.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How many bytes are read at a time, where more than is asked for is worth it.

    Raises
    ------
    ValueError
        If a size is not a positive integer (`guess` may be 0).
    """

    head: int = 32 * 1024
    """Bytes of the first read. A COG's header is within 32 KiB in most cases (measured over
    the GDAL corpus and public COGs)."""
    ahead: int = 64 * 1024
    """Least size of a later read for which there is no hint. Writers that put the directory
    at the end put its values beside it."""
    piece: int = 4 * 2**20
    """Bytes above which one range is read as several, so that they come in parallel: a
    connection gives some 100 MB/s, and a million tiles have 16 MB of offsets."""
    guess: int = 4 * 2**20
    """Bytes that guesses may cost in vain over the whole file; 0 never guesses. A guess rides
    along with a read that has to be made, and costs no round trip of its own."""

    def __post_init__(self) -> None:
        for field in fields(self):
            nbytes = getattr(self, field.name)
            if not isinstance(nbytes, int) or nbytes < (field.name != "guess"):
                msg = f"{field.name} must be a positive number of bytes, not {nbytes!r}"
                raise ValueError(msg)


_READING = Reading()


class ReadAhead:
    """Keeps what was read, asks once for all that is missing, and takes hints.

    Parameters
    ----------
    source
        What is read.
    reading
        How many bytes at a time.
    """

    def __init__(self, source: ByteSource, reading: Reading = _READING) -> None:
        self._source = source
        self._head = reading.head
        self._ahead = reading.ahead
        self._piece = reading.piece
        self._hints: list[ByteRange] | None = None
        self._guesses = _Guesses(reading.guess)
        # Sorted, and no span lies within another: so starts and ends both ascend,
        # and of all spans that begin before a byte the last one reaches furthest.
        self._starts: list[int] = []
        self._spans: list[memoryview] = []
        self._kept = 0

    @property
    def state(self) -> SourceState | None:
        """The state of the wrapped source."""
        return self._source.state

    def holds(self, ranges: Sequence[ByteRange]) -> bool:
        """See `Anticipating.holds`."""
        if not self._starts:
            return False
        if self._whole(ranges) is not None:
            return True
        size = _known_size(self._source)
        return all(self._reach(r) == r[1] for r in _clipped(ranges, size))

    def expect(self, ranges: Sequence[ByteRange]) -> None:
        """See `Anticipating.expect`."""
        self._hints = list(ranges)

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """See `ByteSource.read_ranges`."""
        hints, self._hints = self._hints, None
        whole = self._whole(ranges)
        if whole is not None:
            self._guesses.used(ranges)
            return whole
        if not self._starts:
            await self._fetch([(0, self._head)])
        size = _known_size(self._source)
        wanted = _clipped(ranges, size)
        self._guesses.used(wanted)
        missing = self._missing(wanted)
        if not missing:
            return [self._cut(r) for r in wanted]
        full = self._kept > _CACHE_BYTES
        if hints is None:
            fetched = _merge([self._extend(r, size) for r in missing])
        else:
            guesses = self._missing(_clipped(hints, size))
            fetched = _merge(missing + self._guesses.allowed(guesses, missing))
        fetched = [piece for r in fetched for piece in _pieces(r, self._piece)]
        await self._fetch(fetched)
        buffers = [self._cut(r) for r in wanted]
        if full:  # forgotten last: a range may lie half in what was kept
            self._forget_all_but(fetched)
        return buffers

    def _whole(self, ranges: Sequence[ByteRange]) -> list[memoryview] | None:
        """Return views of the ranges where each lies within one span, as most do; else None."""
        views = []
        for start, end in ranges:
            at = bisect_right(self._starts, start) - 1
            if at < 0:
                return None
            first, span = self._starts[at], self._spans[at]
            if end > first + len(span):
                return None
            views.append(span[start - first : end - first])
        return views

    def _missing(self, ranges: Iterable[ByteRange]) -> list[ByteRange]:
        """Return the ranges that are not kept, without what is kept of their beginning."""
        rest = [(self._reach(r), r[1]) for r in ranges]
        return [(start, end) for start, end in rest if start < end]

    def _extend(self, wanted: ByteRange, size: int) -> ByteRange:
        start, end = wanted
        return start, min(size, max(end, start + self._ahead))

    async def _fetch(self, ranges: list[ByteRange]) -> None:
        buffers = await self._source.read_ranges(ranges)
        for (start, _), buffer in zip(ranges, buffers, strict=True):
            self._keep(start, buffer)

    def _keep(self, start: int, buffer: memoryview) -> None:
        end = start + len(buffer)
        if start < end and self._reach((start, end)) == end:
            return  # a piece of what was asked for again because its beginning was missing
        first = last = bisect_left(self._starts, start)
        while last < len(self._starts) and self._starts[last] + len(self._spans[last]) <= end:
            last += 1
        self._kept += len(buffer) - sum(map(len, self._spans[first:last]))
        self._starts[first:last] = [start]
        self._spans[first:last] = [buffer]

    def _forget_all_but(self, ranges: list[ByteRange]) -> None:
        kept = [(start, self._cut((start, end))) for start, end in ranges]
        self._starts, self._spans, self._kept = [], [], 0
        for start, buffer in kept:
            self._keep(start, buffer)

    def _reach(self, wanted: ByteRange) -> int:
        """Return up to which byte a range is kept, from its start on without a gap."""
        start, end = wanted
        at = bisect_right(self._starts, start) - 1
        if at < 0:
            return start
        while start < end and at < len(self._starts) and self._starts[at] <= start:
            start = max(start, self._starts[at] + len(self._spans[at]))
            at += 1
        return min(start, end)

    def _cut(self, wanted: ByteRange) -> memoryview:
        """Return kept bytes: a view of one span, or a copy of what lies in several."""
        start, end = wanted
        if start >= end:
            return memoryview(b"")
        if self._reach(wanted) < end:
            msg = f"bytes {start}-{end} were given only in part; the file may have changed"
            raise TruncatedError(msg, offset=start)
        at = bisect_right(self._starts, start) - 1
        parts = []
        while start < end:
            first, span = self._starts[at], self._spans[at]
            parts.append(span[start - first : end - first])
            start = first + len(span)
            at += 1
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))


class _Guesses:
    """Keeps account of what was read on a guess, and ends it where too much was in vain."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.outstanding = 0

    def used(self, wanted: Iterable[ByteRange]) -> None:
        """Note what was asked for: a guess of which a part is used was none in vain."""
        for start, end in wanted if self._starts else ():
            at = max(bisect_right(self._starts, start) - 1, 0)
            while at < len(self._starts) and self._starts[at] < end:
                if self._ends[at] > start:
                    self.outstanding -= self._ends[at] - self._starts[at]
                    del self._starts[at], self._ends[at]
                else:
                    at += 1

    def allowed(self, guesses: list[ByteRange], wanted: list[ByteRange]) -> list[ByteRange]:
        """Return the guesses that may be read, the last one perhaps in part."""
        allowed = []
        certain = set(wanted)
        for start, end in guesses:
            if (start, end) in certain:
                continue
            left = self._limit - self.outstanding
            if left <= 0:
                break
            last = min(end, start + left)
            at = bisect_left(self._starts, start)
            self._starts.insert(at, start)
            self._ends.insert(at, last)
            self.outstanding += last - start
            allowed.append((start, last))
        self.used(wanted)  # what surrounds a wanted range is no guess that can miss
        return allowed


def _clipped(ranges: Iterable[ByteRange], size: int) -> list[ByteRange]:
    return [(min(start, size), min(end, size)) for start, end in ranges]


def _pieces(whole: ByteRange, most: int) -> list[ByteRange]:
    """Divide a range into as few equal pieces as the greatest size allows."""
    start, end = whole
    count = -(-(end - start) // most)
    if count <= 1:
        return [whole]
    step = -(-(end - start) // count)
    return [(at, min(at + step, end)) for at in range(start, end, step)]


def _known_size(source: ByteSource) -> int:
    state = source.state
    if state is None:
        msg = f"{type(source).__name__} must have a state after a read; see ByteSource.state"
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
