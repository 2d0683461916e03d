"""An obstore store, or any obspec store with ranged gets, as a byte source of the core.

The first read is one GET with a range; its answer carries the object's size, ETag and
time, so there is never a HEAD. Two sources share the rules: one awaits the store's
asynchronous methods, one calls the synchronous ones and so never suspends. With the
second a coroutine of the reader runs to its end without an event loop, which is how the
synchronous interface works inside a running one (notebooks).
"""

from __future__ import annotations

import asyncio
import re
import time
from bisect import bisect_right
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from threading import current_thread, main_thread
from typing import Any, cast

from virtual_tiff.sources.access import kind_of
from virtual_tiff.sources.advice import Deed, advice_on, status_of
from virtual_tiff.sources.forking import check_process
from virtual_tiff.sources.identity import same_object
from virtual_tiff.sources.running import first_cause
from virtual_tiff.tiff import ByteRange, SourceState, TruncatedError, redacted, scrubbed

__all__ = [
    "BlockingObspecSource",
    "ChangedError",
    "ObspecSource",
    "SourceError",
    "Traffic",
    "blocks_safely",
    "check_unchanged",
    "first_line",
    "present_state",
    "run_blocking",
    "source_of",
    "state_of",
    "store_error",
    "traffic",
]

_GAP = 16 * 1024
"""Bytes between two ranges that are read along: they cost less than a request. Not the MiB of
obstore's `get_ranges`: a hundred scattered directories would be the whole file."""

_LONG = 2**20
"""Bytes from which on a span is not joined to another: they come faster side by side."""

_PARALLEL = 64
"""Requests at a time for one object: a batch of the reader is meant to take one round trip."""

LOCAL_STORES = frozenset({"LocalStore", "MemoryStore"})
"""Classes of obstore whose reads do not wait for a network."""

_BROKEN_BODY = re.compile(r"request or response body error|error decoding response body")
"""obstore retries whatever fails before the body, and goes on within a body if it has an ETag.

Without one it fails with these words, and a body that is shorter than asked for it takes as it
is; so these two are ours to retry."""

_PAUSES = (0.1, 0.4, 1.6)
"""Seconds before each further attempt."""


class SourceError(OSError):
    """A store could not give the bytes; the cause is the store's own error."""


class ChangedError(SourceError):
    """An object was changed while it was read: its parts are of two files."""


class ObspecSource:
    """One object of a store, read by the store's asynchronous methods.

    The store is one of obstore, or has obspec's `get_async`; errors call the object by its url.
    """

    def __init__(self, store: Any, path: str, url: str) -> None:  # noqa: ANN401 (duck-typed)
        check_process(store)
        self._store = store
        self._path = path
        self._url = url
        self._state: SourceState | None = None

    @property
    def state(self) -> SourceState | None:
        """Size, ETag and time, as the first GET's answer gave them."""
        return self._state

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """See `virtual_tiff.tiff.ByteSource.read_ranges`.

        Raises
        ------
        ChangedError
            If the object is another one than at the first read.
        TruncatedError
            If the store gives less than was asked for, and does so again.
        OSError
            If it fails otherwise.
        """
        try:
            if self._state is not None:
                return await self._rest(ranges, self._state)
            head, *others = ranges
            self._state, first = await self._first(head)
            return [first, *await self._rest(others, self._state)]
        except (SourceError, TruncatedError):
            raise
        except Exception as error:  # stores share no class of errors
            raise store_error(error, self._url) from error

    async def _first(self, wanted: ByteRange) -> tuple[SourceState, memoryview]:
        try:
            state, data = await self._whole(wanted, None)
        except TruncatedError:
            raise
        except Exception as error:
            # an empty object has no range: stores refuse it in many ways
            if isinstance(store_error(error, self._url), (FileNotFoundError, PermissionError)):
                raise
            try:
                state = state_of(await self._head())
            except Exception:  # noqa: BLE001 (the first error says more)
                raise error from None
            if state.size > wanted[0]:
                raise
            data = memoryview(b"")
        return state, data

    async def _rest(self, ranges: Sequence[ByteRange], state: SourceState) -> list[memoryview]:
        size = state.size
        clipped = [(min(start, size), min(end, size)) for start, end in ranges]
        spans = _joined([(start, end) for start, end in clipped if start < end])
        buffers = await self._all(spans, state)
        starts = [start for start, _ in spans]
        return [_part(starts, buffers, start, end) for start, end in clipped]

    async def _all(self, spans: list[ByteRange], state: SourceState) -> list[memoryview]:
        """Read spans that lie apart, each by a request that tells the object's state too."""
        turn = asyncio.Semaphore(_PARALLEL)

        async def one(span: ByteRange) -> memoryview:
            async with turn:
                return (await self._whole(span, state))[1]

        return await asyncio.gather(*(one(span) for span in spans))

    async def _whole(
        self, wanted: ByteRange, first: SourceState | None
    ) -> tuple[SourceState, memoryview]:
        """Read a range to its last byte; again where the store gives less."""
        pauses = iter(_PAUSES)
        while True:
            pause = next(pauses, None)  # None: this is the last attempt
            try:
                meta, data = await self._get(wanted)
                _count(len(data))
            except Exception as error:
                if pause is None or not _BROKEN_BODY.search(str(error)):
                    raise
            else:
                state = state_of(meta)
                if first is not None:
                    check_unchanged(first, state, self._url)
                length = min(wanted[1], state.size) - wanted[0]
                if len(data) >= length:
                    return state, data[:length]  # a server may ignore the range
                if pause is None:
                    msg = f"the store gave {len(data)} of {length} bytes; the file may have changed"
                    raise TruncatedError(msg, offset=wanted[0], url=self._url)
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _get(self, wanted: ByteRange) -> tuple[Any, memoryview]:
        result = await self._store.get_async(self._path, options={"range": wanted})
        return result.meta, memoryview(await result.buffer_async())

    async def _head(self) -> Any:  # noqa: ANN401 (obspec's ObjectMeta)
        return await self._store.head_async(self._path)


@dataclass(slots=True)
class Traffic:
    """The requests that were answered with bytes of files, and these bytes."""

    requests: int = 0
    bytes_read: int = 0


traffic: ContextVar[Traffic | None] = ContextVar("traffic", default=None)
"""Where the sources of a run count what they read; None counts nothing."""


def _count(size: int) -> None:
    counts = traffic.get()
    if counts is not None:
        counts.requests += 1
        counts.bytes_read += size


class BlockingObspecSource(ObspecSource):
    """The same by the store's synchronous methods; its coroutines never suspend."""

    async def _all(self, spans: list[ByteRange], state: SourceState) -> list[memoryview]:
        def one(span: ByteRange) -> memoryview:
            return run_blocking(self._whole(span, state))[1]

        if len(spans) < 2:
            return [one(span) for span in spans]
        with ThreadPoolExecutor(min(_PARALLEL, len(spans)), "virtual_tiff") as threads:
            return list(threads.map(one, spans))

    async def _pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 (it blocks, as its name says)

    async def _get(self, wanted: ByteRange) -> tuple[Any, memoryview]:
        result = self._store.get(self._path, options={"range": wanted})
        return result.meta, memoryview(result.buffer())

    async def _head(self) -> Any:  # noqa: ANN401 (obspec's ObjectMeta)
        return self._store.head(self._path)


def source_of(store: Any, path: str, url: str) -> ObspecSource:  # noqa: ANN401 (duck-typed)
    """Return the source of an object, by the store's asynchronous methods if it has them."""
    make = ObspecSource if hasattr(store, "get_async") else BlockingObspecSource
    return make(store, path, url)


def state_of(meta: Any) -> SourceState:  # noqa: ANN401 (obspec's ObjectMeta)
    """Return what a store says of an object, as the core has it."""
    return SourceState(
        size=meta["size"],
        etag=meta.get("e_tag"),
        last_modified=meta.get("last_modified"),
        version=meta.get("version"),
    )


_HEAD_REFUSED = re.compile(r"status code: (400|401|403|405|501)\b")
"""Some servers refuse HEAD, and some signatures are good for GET alone."""


async def present_state(store: Any, path: str, url: str) -> SourceState:  # noqa: ANN401 (duck-typed)
    """Ask a store for an object's state, without its bytes; errors name the url."""
    try:
        try:
            meta = await store.head_async(path)
        except Exception as error:
            if not _HEAD_REFUSED.search(str(error)):
                raise
            meta = (await store.get_async(path, options={"range": (0, 1)})).meta
    except Exception as error:  # stores share no class of errors
        raise store_error(error, url) from error
    return state_of(meta)


def check_unchanged(first: SourceState, now: SourceState, url: str) -> None:
    """Refuse to join parts of two objects, by a ChangedError."""
    comparison = same_object(first, now, url=url, one_read=True)
    if comparison.other:
        msg = f"{redacted(url)}: changed while it was read: {comparison.words}"
        raise ChangedError(msg)


def _joined(ranges: list[ByteRange]) -> list[ByteRange]:
    """Return spans that hold all the ranges, with gaps between them that are worth a request."""
    spans: list[ByteRange] = []
    for start, end in sorted(ranges):
        first, last = spans[-1] if spans else (start, 0)
        long = max(end - start, last - first) >= _LONG
        if spans and (end <= last or (start <= last + _GAP and not long)):
            spans[-1] = first, max(end, last)
        else:
            spans.append((start, end))
    return spans


def _part(starts: list[int], buffers: list[memoryview], start: int, end: int) -> memoryview:
    if start >= end:
        return memoryview(b"")
    at = bisect_right(starts, start) - 1
    while starts[at] + len(buffers[at]) < end:
        at -= 1  # of two long spans that overlap, the first one may hold it
    return buffers[at][start - starts[at] : end - starts[at]]


def blocks_safely(store: object) -> bool:
    """Whether the store's synchronous methods can be called here and now.

    obstore's block in Rust: those that wait for a network would keep Ctrl-C waiting, which
    acts in the main thread alone. Others may start an event loop of their own (obspec-utils'
    AiohttpStore does), which fails where one is running already.
    """
    if not hasattr(store, "get"):
        return False
    if type(store).__module__.partition(".")[0] == "obstore":
        local = type(store).__name__ in LOCAL_STORES
        return local or current_thread() is not main_thread()
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


def store_error(error: Exception, subject: str, *, deed: Deed = "read") -> OSError:
    """Return a store's error as a matching `OSError` about the subject: a url, or a chunk."""
    error = cast("Exception", first_cause(scrubbed(error)))  # it is printed below ours
    kind = type(error).__name__
    subject, reason = redacted(subject), redacted(first_line(error))
    if match := re.search(r"no credentials for .*", reason):
        return PermissionError(match[0])
    if code := re.search(r"<Code>(\w+)</Code>", str(error)):  # S3's answer has lines
        reason = f"{re.sub(r': <[?]xml.*', '', reason)}: {code[1]}"
    status = status_of(reason)
    if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
        deed, status = "list", 404  # the object is not what is missing
    # a refused listing has no class of its own
    refused = status in (401, 403) or "Permission" in kind or "Unauthenticated" in kind
    if status is None and refused:
        status = 403
    words = advice_on(_kind_of_store(subject), status, deed)
    words = f"; {words}" if words else ""
    reason = _without_request(reason)
    gone = status == 410  # of a web server: as 404, for good
    if isinstance(error, FileNotFoundError) or kind == "NotFoundError" or gone:
        if _kind_of_store(subject) == "file":
            return FileNotFoundError(f"{subject}: no such file or directory{words}")
        return FileNotFoundError(f"{subject}: no such object ({reason}){words}")
    if refused:
        return PermissionError(f"{subject}: the store failed: {kind}: {reason}{words}")
    if isinstance(error, UnicodeEncodeError) or _UNREADABLE_NAME.search(str(error)):
        return SourceError(f"{subject}: {_NAME_REFUSED}")
    kind = "" if kind == "GenericError" else f"{kind}: "
    return SourceError(f"{subject}: the store failed: {kind}{reason}{words}")


_REQUEST = re.compile(
    r"(?:Object at location .* not found: |Generic [\w ]+ error: )?"
    r"(?:Error performing [\w ]+ request: )?Error performing [A-Z]+ \S+ in \S+?s"
    r"(?P<retries>, after \d+ retr(?:y|ies))?(?:, max_retries: \d+, retry_timeout: \S+)?\s+- "
    r"(?P<reason>.*?)(?:: <(?:!DOCTYPE|html).*)?$",
    re.IGNORECASE,
)


def _without_request(reason: str) -> str:
    """Return obstore's words without the request, whose url ours name, and the server's page."""
    match = _REQUEST.fullmatch(reason)
    return reason if match is None else f"{match['reason']}{match['retries'] or ''}"


def _kind_of_store(subject: str) -> str:
    """Return the kind of store of a subject; a registry's scheme is mostly one for S3."""
    match = re.search(r"(\w[\w+.-]*)://", subject)
    kind = kind_of(match[0] if match else subject)
    known = kind != "file" or match is None or match[1] in ("file", "memory")
    return kind if known else "s3"


_NAME_REFUSED = (
    "stores refuse names with control characters, empty parts, or bytes that are not UTF-8;"
    " rename the file, or link to it under another name"
)
_UNREADABLE_NAME = re.compile(r"illegal character sequence|empty path segment|invalid path")


def first_line(error: Exception) -> str:
    """Return an error's words without what obstore and Icechunk add below: where it arose."""
    return str(error).strip().partition("\n")[0]
