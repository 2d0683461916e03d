"""Stores for tests: one that counts, and two that are obspec and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Buffer, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from obspec import Attributes, GetOptions, ObjectMeta
from obspec.exceptions import NotFoundError, PreconditionError

type Range = tuple[int, int | None]
"""(start, end); an end of None is the file's end, a negative start counts from there."""


@dataclass(slots=True)
class Call:
    """One call of a store's method."""

    method: str
    path: str
    ranges: tuple[Range, ...] = ()
    size: int = 0
    """Bytes given; 0 where the call raised. A `get` counts all it could give, read or not."""


def _option_range(options: GetOptions | None) -> Range:
    wanted: Any = (options or {}).get("range")
    if wanted is None:
        return (0, None)
    if not isinstance(wanted, Mapping):
        start, end = wanted
        return (start, end)
    return (wanted["offset"], None) if "offset" in wanted else (-wanted["suffix"], None)


def _range(start: int, end: int | None, length: int | None) -> Range:
    return (start, end if length is None else start + length)


def _ranges(
    starts: Sequence[int], ends: Sequence[int] | None, lengths: Sequence[int] | None
) -> tuple[Range, ...]:
    if ends is None:
        return tuple(_range(s, None, n) for s, n in zip(starts, lengths or (), strict=True))
    return tuple(zip(starts, ends, strict=True))


def _size(buffer: Buffer) -> int:
    return memoryview(buffer).nbytes


class CountingStore:
    """Any obspec or obstore store, with a record of each reading call.

    obspec-utils' TracingReadableStore is not this: it notes a ranged `get` as the whole file, and
    one `get_ranges` as many requests.

    Everything else (`put`, `list`, `prefix`, ...) is the wrapped store's own.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls: list[Call] = []

    def __getattr__(self, name: str) -> Any:
        # A copy or an unpickled store asks for attributes before it has `_store`.
        if name.startswith("__") or "_store" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._store, name)

    def count(self, *methods: str) -> int:
        """Calls of these methods, exactly as named: "get" is not "get_async"."""
        return sum(call.method in methods for call in self.calls)

    @property
    def gets(self) -> int:
        """Calls that fetch bytes; one of `get_ranges` is one, however many its ranges."""
        return sum(call.method.startswith("get") for call in self.calls)

    @property
    def heads(self) -> int:
        """Calls of `head`, and of `get` with the option head."""
        return sum(call.method.startswith("head") for call in self.calls)

    @property
    def size(self) -> int:
        """Bytes of all calls."""
        return sum(call.size for call in self.calls)

    def clear(self) -> None:
        self.calls.clear()

    def _call(self, method: str, path: str, *ranges: Range) -> Call:
        self.calls.append(Call(method, path, ranges))
        return self.calls[-1]

    def _get_call(self, method: str, path: str, options: GetOptions | None) -> Call:
        if (options or {}).get("head"):
            return self._call(method.replace("get", "head"), path)
        return self._call(method, path, _option_range(options))

    def get(self, path: str, *, options: GetOptions | None = None) -> Any:
        call = self._get_call("get", path, options)
        result = self._store.get(path, options=options)
        call.size = result.range[1] - result.range[0] if call.ranges else 0
        return result

    async def get_async(self, path: str, *, options: GetOptions | None = None) -> Any:
        call = self._get_call("get_async", path, options)
        result = await self._store.get_async(path, options=options)
        call.size = result.range[1] - result.range[0] if call.ranges else 0
        return result

    def get_range(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> Any:
        call = self._call("get_range", path, _range(start, end, length))
        buffer = self._store.get_range(path, start=start, end=end, length=length)
        call.size = _size(buffer)
        return buffer

    async def get_range_async(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> Any:
        call = self._call("get_range_async", path, _range(start, end, length))
        buffer = await self._store.get_range_async(path, start=start, end=end, length=length)
        call.size = _size(buffer)
        return buffer

    def get_ranges(
        self,
        path: str,
        *,
        starts: Sequence[int],
        ends: Sequence[int] | None = None,
        lengths: Sequence[int] | None = None,
        **options: Any,
    ) -> Any:
        call = self._call("get_ranges", path, *_ranges(starts, ends, lengths))
        buffers = self._store.get_ranges(path, starts=starts, ends=ends, lengths=lengths, **options)
        call.size = sum(map(_size, buffers))
        return buffers

    async def get_ranges_async(
        self,
        path: str,
        *,
        starts: Sequence[int],
        ends: Sequence[int] | None = None,
        lengths: Sequence[int] | None = None,
        **options: Any,
    ) -> Any:
        call = self._call("get_ranges_async", path, *_ranges(starts, ends, lengths))
        buffers = await self._store.get_ranges_async(
            path, starts=starts, ends=ends, lengths=lengths, **options
        )
        call.size = sum(map(_size, buffers))
        return buffers

    def head(self, path: str) -> Any:
        self._call("head", path)
        return self._store.head(path)

    async def head_async(self, path: str) -> Any:
        self._call("head_async", path)
        return await self._store.head_async(path)


@dataclass(frozen=True, slots=True)
class _Result:
    """GetResult and GetResultAsync of obspec: no `bytes()`, no `stream()` as obstore has."""

    data: bytes
    meta: ObjectMeta
    range: tuple[int, int]

    @property
    def attributes(self) -> Attributes:
        return {}

    def buffer(self) -> Buffer:
        start, end = self.range
        return memoryview(self.data)[start:end]

    async def buffer_async(self) -> Buffer:
        return self.buffer()

    def __iter__(self) -> Iterator[Buffer]:
        yield self.buffer()

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        yield self.buffer()


class _Files:
    """What both obspec stores hold. Buffers are memoryviews: a reader must not want `bytes`."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.files = dict(files or {})
        self.modified = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def _data(self, path: str) -> bytes:
        try:
            return self.files[path]
        except KeyError:
            raise NotFoundError(path) from None

    def _meta(self, path: str) -> ObjectMeta:
        data = self._data(path)
        return {
            "path": path,
            "last_modified": self.modified,
            "size": len(data),
            "e_tag": f'"{sha256(data).hexdigest()[:16]}"',
            "version": None,
        }

    def _get(self, path: str, wanted: Range) -> _Result:
        data = self._data(path)
        start, end = wanted
        start = max(len(data) + start, 0) if start < 0 else start
        end = len(data) if end is None else min(end, len(data))
        if start >= end and (wanted != (0, None)):
            message = f"range {wanted} of {path}, which has {len(data)} bytes"
            raise ValueError(message)
        return _Result(data, self._meta(path), (start, end))

    def _get_with(self, path: str, options: GetOptions | None) -> _Result:
        match = (options or {}).get("if_match")
        if match not in (None, self._meta(path)["e_tag"]):
            raise PreconditionError(path)
        return self._get(path, _option_range(options))


class AsyncObspecStore(_Files):
    """An obspec store of bytes by name with asynchronous methods only."""

    async def get_async(self, path: str, *, options: GetOptions | None = None) -> _Result:
        return self._get_with(path, options)

    async def get_range_async(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> Buffer:
        return self._get(path, _range(start, end, length)).buffer()

    async def get_ranges_async(
        self,
        path: str,
        *,
        starts: Sequence[int],
        ends: Sequence[int] | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Sequence[Buffer]:
        return [self._get(path, wanted).buffer() for wanted in _ranges(starts, ends, lengths)]

    async def head_async(self, path: str) -> ObjectMeta:
        return self._meta(path)


class ObspecStore(AsyncObspecStore):
    """An obspec store of bytes by name with all the reading methods."""

    def get(self, path: str, *, options: GetOptions | None = None) -> _Result:
        return self._get_with(path, options)

    def get_range(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> Buffer:
        return self._get(path, _range(start, end, length)).buffer()

    def get_ranges(
        self,
        path: str,
        *,
        starts: Sequence[int],
        ends: Sequence[int] | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Sequence[Buffer]:
        return [self._get(path, wanted).buffer() for wanted in _ranges(starts, ends, lengths)]

    def head(self, path: str) -> ObjectMeta:
        return self._meta(path)
