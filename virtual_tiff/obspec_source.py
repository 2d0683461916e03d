"""An obstore store, or any obspec store with ranged gets, as a byte source of the core.

The first read is one GET with a range; its answer carries the object's size, ETag and
time, so there is never a HEAD. Two sources share the rules: one awaits the store's
asynchronous methods, one calls the synchronous ones and so never suspends. With the
second a coroutine of the reader runs to its end without an event loop, which is how the
synchronous interface works inside a running one (notebooks).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from virtual_tiff.tiff import ByteRange, SourceState, TruncatedError

__all__ = ["BlockingObspecSource", "ObspecSource", "SourceError", "run_blocking", "store_error"]


class SourceError(OSError):
    """A store could not give the bytes; the cause is the store's own error."""


class ObspecSource:
    """One object of a store, read by the store's asynchronous methods.

    Parameters
    ----------
    store
        An obstore store, or an object with obspec's `get_async` and `get_ranges_async`
        (or `get_range_async`).
    path
        The object within the store.
    url
        What the object is called in errors.
    """

    def __init__(self, store: Any, path: str, url: str) -> None:  # noqa: ANN401 (duck-typed)
        self._store = store
        self._path = path
        self._url = url
        self._state: SourceState | None = None

    @property
    def state(self) -> SourceState | None:
        """Size, ETag and time, as the first GET's answer gave them."""
        return self._state

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """See `virtual_tiff.tiff.ByteSource.read_ranges`."""
        try:
            if self._state is not None:
                return await self._rest(ranges, self._state.size)
            head, *others = ranges
            self._state, first = await self._first(head)
            return [first, *await self._rest(others, self._state.size)]
        except (SourceError, TruncatedError):
            raise
        except Exception as error:  # stores share no class of errors
            raise store_error(error, self._url) from error

    async def _first(self, wanted: ByteRange) -> tuple[SourceState, memoryview]:
        try:
            meta, data = await self._get(wanted)
        except Exception:
            # an empty object has no range: stores refuse it in many ways
            meta = await self._head()
            if meta["size"] > wanted[0]:
                raise
            data = memoryview(b"")
        state = SourceState(
            size=meta["size"],
            etag=meta.get("e_tag"),
            last_modified=meta.get("last_modified"),
            version=meta.get("version"),
        )
        return state, data[: wanted[1] - wanted[0]]  # a server may ignore the range

    async def _rest(self, ranges: Sequence[ByteRange], size: int) -> list[memoryview]:
        clipped = [(min(start, size), min(end, size)) for start, end in ranges]
        wanted = [(start, end) for start, end in clipped if start < end]
        found = iter(await self._get_ranges(wanted) if wanted else ())
        buffers = [memoryview(next(found)) if s < e else memoryview(b"") for s, e in clipped]
        for (start, end), buffer in zip(clipped, buffers, strict=True):
            if len(buffer) != end - start:
                msg = f"the store gave {len(buffer)} of {end - start} bytes; was it changed?"
                raise TruncatedError(msg, offset=start, url=self._url)
        return buffers

    async def _get(self, wanted: ByteRange) -> tuple[Any, memoryview]:
        result = await self._store.get_async(self._path, options={"range": wanted})
        return result.meta, memoryview(await result.buffer_async())

    async def _head(self) -> Any:  # noqa: ANN401 (obspec's ObjectMeta)
        return await self._store.head_async(self._path)

    async def _get_ranges(self, ranges: list[ByteRange]) -> Sequence[Any]:
        starts, ends = zip(*ranges, strict=True)
        if hasattr(self._store, "get_ranges_async"):
            many: Sequence[Any] = await self._store.get_ranges_async(
                self._path, starts=list(starts), ends=list(ends)
            )
            return many
        one = self._store.get_range_async
        return await asyncio.gather(*(one(self._path, start=s, end=e) for s, e in ranges))


class BlockingObspecSource(ObspecSource):
    """The same by the store's synchronous methods; its coroutines never suspend."""

    async def _get(self, wanted: ByteRange) -> tuple[Any, memoryview]:
        result = self._store.get(self._path, options={"range": wanted})
        return result.meta, memoryview(result.buffer())

    async def _head(self) -> Any:  # noqa: ANN401 (obspec's ObjectMeta)
        return self._store.head(self._path)

    async def _get_ranges(self, ranges: list[ByteRange]) -> Sequence[Any]:
        starts, ends = zip(*ranges, strict=True)
        if hasattr(self._store, "get_ranges"):
            many: Sequence[Any] = self._store.get_ranges(
                self._path, starts=list(starts), ends=list(ends)
            )
            return many
        return [self._store.get_range(self._path, start=s, end=e) for s, e in ranges]


def blocks_safely(store: object) -> bool:
    """Whether the store's synchronous methods can be called here and now.

    obstore's block in Rust and always can. Others may start an event loop of their own
    (obspec-utils' AiohttpStore does), which fails where one is running already.
    """
    if not hasattr(store, "get"):
        return False
    if type(store).__module__.partition(".")[0] == "obstore":
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return not hasattr(store, "get_async")


def run_blocking[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends: its sources are `BlockingObspecSource`."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    msg = "a blocking source suspended"
    raise RuntimeError(msg)


def run_in_thread[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own, beside one that may be running here."""
    with ThreadPoolExecutor(1, thread_name_prefix="virtual_tiff") as thread:
        return thread.submit(asyncio.run, work).result()


def store_error(error: Exception, what: str) -> OSError:
    """Return a store's error as an `OSError` of the matching kind.

    Parameters
    ----------
    error
        What the store raised.
    what
        What was to be read: a url, or a chunk.
    """
    if isinstance(error, FileNotFoundError) or type(error).__name__ == "NotFoundError":
        return FileNotFoundError(f"{what}: no such object ({_first_line(error)})")
    kind = PermissionError if "Permission" in type(error).__name__ else SourceError
    return kind(f"{what}: the store failed: {type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
