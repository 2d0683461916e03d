"""Stores as byte sources: what they are asked, and how they fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from obspec.exceptions import NotFoundError, PermissionDeniedError
from obstore.store import HTTPStore, LocalStore, MemoryStore

from support.http import HttpServer
from support.s3 import S3
from support.stores import AsyncObspecStore, CountingStore, ObspecStore
from virtual_tiff.sources import object_source as obspec_source
from virtual_tiff.sources.object_source import (
    BlockingObspecSource,
    ObspecSource,
    SourceError,
    _part,
    blocks_safely,
    run_blocking,
    store_error,
)
from virtual_tiff.sources.running import run_in_thread
from virtual_tiff.tiff import ByteRange, TruncatedError

DATA = bytes(range(256)) * 4
URL = "obspec://bucket/a.tif"

type Reader = Callable[[Any, Sequence[Sequence[ByteRange]]], list[list[bytes]]]
"""Reads batch after batch by one source of a store."""


def awaiting(store: Any, batches: Sequence[Sequence[ByteRange]]) -> list[list[bytes]]:
    return asyncio.run(_read(ObspecSource(store, "a.tif", URL), batches))


def blocking(store: Any, batches: Sequence[Sequence[ByteRange]]) -> list[list[bytes]]:
    return run_blocking(_read(BlockingObspecSource(store, "a.tif", URL), batches))


async def _read(source: ObspecSource, batches: Sequence[Sequence[ByteRange]]) -> list[list[bytes]]:
    return [[bytes(found) for found in await source.read_ranges(batch)] for batch in batches]


both = pytest.mark.parametrize("read", [awaiting, blocking])


def memory(data: bytes = DATA) -> MemoryStore:
    store = MemoryStore()
    store.put("a.tif", data)
    return store


class Single(ObspecStore):
    """Without the methods for several ranges at once."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("get_ranges", "get_ranges_async"):
            raise AttributeError(name)
        return super().__getattribute__(name)


every_store = pytest.mark.parametrize(
    "store",
    [memory(), ObspecStore({"a.tif": DATA}), Single({"a.tif": DATA})],
    ids=["obstore", "obspec", "single ranges"],
)


# ---- reading


@both
@every_store
def test_ranges_come_in_the_order_asked(read: Reader, store: Any):
    first, second = read(store, [[(0, 10)], [(100, 104), (20, 22), (0, 1)]])
    assert first == [DATA[:10]]
    assert second == [DATA[100:104], DATA[20:22], DATA[:1]]


@both
@every_store
def test_the_first_batch_may_be_of_several_ranges(read: Reader, store: Any):
    assert read(store, [[(0, 10), (50, 52)]]) == [[DATA[:10], DATA[50:52]]]


@both
@every_store
def test_a_range_past_the_end_gives_what_there_is(read: Reader, store: Any):
    _, rest = read(store, [[(0, 10)], [(1020, 2000), (1024, 1030), (5000, 6000)]])
    assert rest == [DATA[1020:], b"", b""]


@both
@every_store
def test_the_first_range_may_reach_past_the_end(read: Reader, store: Any):
    assert read(store, [[(0, 10_000)]]) == [[DATA]]


@both
def test_an_empty_range_costs_nothing(read: Reader):
    store = CountingStore(memory())
    assert read(store, [[(0, 10)], [(5, 5)]]) == [[DATA[:10]], [b""]]
    assert store.gets == 1


@both
def test_no_ranges_cost_nothing(read: Reader):
    store = CountingStore(memory())
    assert read(store, [[(0, 10)], []]) == [[DATA[:10]], []]
    assert store.gets == 1


@both
def test_a_batch_is_one_request(read: Reader):
    store = CountingStore(memory())
    read(store, [[(0, 10)], [(20, 30), (900, 910), (500, 501)]])
    assert [call.ranges for call in store.calls] == [((0, 10),), ((20, 910),)]
    assert store.heads == 0


@both
def test_ranges_that_lie_far_apart_are_requests_of_their_own(read: Reader):
    data = bytes(3 * 2**20)
    store = CountingStore(memory(data))
    read(store, [[(0, 10)], [(20, 30), (3_000_000, 3_000_010), (40, 50)]])
    assert sorted(call.ranges for call in store.calls[1:]) == [
        ((20, 50),),
        ((3_000_000, 3_000_010),),
    ]


@both
def test_an_empty_object_gives_no_bytes(read: Reader):
    assert read(memory(b""), [[(0, 10)]]) == [[b""]]


@both
def test_of_a_store_that_ignores_the_range_the_rest_is_cut_off(read: Reader):
    class Whole(ObspecStore):
        def get(self, path: str, *, options: Any = None) -> Any:
            return super().get(path)

        async def get_async(self, path: str, *, options: Any = None) -> Any:
            return self.get(path)

    assert read(Whole({"a.tif": DATA}), [[(0, 10)]]) == [[DATA[:10]]]


async def test_the_first_answer_brings_size_etag_and_time():
    store = ObspecStore({"a.tif": DATA})
    source = ObspecSource(store, "a.tif", URL)
    assert source.state is None
    await source.read_ranges([(0, 1)])
    meta = store.head("a.tif")
    state = source.state
    assert state is not None
    assert (state.size, state.etag, state.last_modified, state.version) == (
        len(DATA),
        meta["e_tag"],
        meta["last_modified"],
        None,
    )


async def test_the_state_of_http(http_server: HttpServer):
    http_server.put("a.tif", DATA, modified=1_700_000_000)
    store = HTTPStore.from_url(http_server.url, client_options={"allow_http": True})
    source = ObspecSource(store, "a.tif", URL)
    await source.read_ranges([(0, 1)])
    assert source.state is not None
    assert source.state.last_modified is not None
    assert (source.state.size, source.state.last_modified.timestamp()) == (1024, 1_700_000_000)
    assert source.state.etag is not None


async def test_the_state_of_s3(s3: S3):
    s3.put("test_obspec_source/a.tif", DATA)
    source = ObspecSource(s3.store("test_obspec_source"), "a.tif", URL)
    found = await source.read_ranges([(0, 10)])
    assert source.state is not None
    assert (bytes(found[0]), source.state.size) == (DATA[:10], 1024)
    assert source.state.etag is not None


# ---- failures


class FailingStore(ObspecStore):
    """Fails as told at every read; its HEAD works."""

    def __init__(self, error: Exception) -> None:
        super().__init__({"a.tif": DATA})
        self.error = error

    def get(self, path: str, *, options: Any = None) -> Any:
        raise self.error

    async def get_async(self, path: str, *, options: Any = None) -> Any:
        raise self.error


@both
def test_a_missing_object_is_file_not_found(read: Reader):
    with pytest.raises(FileNotFoundError, match=f"{URL}: no such object"):
        read(ObspecStore(), [[(0, 10)]])


@both
def test_a_missing_local_file_is_file_not_found(read: Reader, tmp_path: Any):
    with pytest.raises(FileNotFoundError, match=f"{URL}: no such object"):
        read(LocalStore(tmp_path), [[(0, 10)]])


@both
def test_any_other_error_of_a_store_is_a_source_error_that_names_it(read: Reader):
    store = FailingStore(KeyError("a panic of the store\nand its long story"))
    with pytest.raises(SourceError, match=f"{URL}: the store failed: KeyError: .*panic") as caught:
        read(store, [[(0, 10)]])
    assert caught.value.__cause__ is store.error


@both
def test_a_forbidden_object_is_a_permission_error(read: Reader):
    with pytest.raises(PermissionError, match=URL):
        read(FailingStore(PermissionDeniedError("no")), [[(0, 10)]])


@both
def test_a_store_that_gives_too_little_is_a_truncated_error(
    read: Reader, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(obspec_source, "_PAUSES", (0.0, 0.0))

    class Less(ObspecStore):
        def _get(self, path: str, wanted: Any) -> Any:
            start, end = wanted
            return super()._get(path, (start, end - 1 if start else end))

    with pytest.raises(TruncatedError, match=r"9 of 10 bytes.*the file may have changed"):
        read(Less({"a.tif": DATA}), [[(0, 10)], [(20, 30)]])


def test_a_server_without_ranges_is_a_source_error(http_server: HttpServer):
    http_server.ranges = False
    http_server.put("a.tif", DATA)
    store = HTTPStore.from_url(http_server.url, client_options={"allow_http": True})
    with pytest.raises(SourceError, match=f"{URL}: .*[Rr]ange"):
        blocking(store, [[(0, 10)]])


def test_a_server_that_is_not_there_is_a_source_error():
    options: Any = {"allow_http": True, "timeout": "2s"}
    retry: Any = {"max_retries": 0}
    store = HTTPStore.from_url("http://127.0.0.1:9", client_options=options, retry_config=retry)
    with pytest.raises(SourceError, match=URL):
        blocking(store, [[(0, 10)]])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("x"), FileNotFoundError),
        (NotFoundError("x"), FileNotFoundError),
        (PermissionDeniedError("x"), PermissionError),
        (PermissionError("x"), PermissionError),
        (ValueError("x"), SourceError),
        (RuntimeError("x"), SourceError),
        (TimeoutError("x"), SourceError),
    ],
    ids=lambda found: getattr(found, "__name__", type(found).__name__),
)
def test_the_kind_of_a_stores_error(error: Exception, kind: type[OSError]):
    found = store_error(error, URL)
    assert (type(found), str(found).startswith(f"{URL}: ")) == (kind, True)


def test_only_the_first_line_of_a_stores_error_is_shown():
    assert "\n" not in str(store_error(ValueError("first\nsecond\nthird"), URL))


# ---- with and without an event loop


def test_obstore_blocks_safely_everywhere():
    assert blocks_safely(memory())


async def test_obstore_blocks_safely_in_a_loop():
    assert blocks_safely(memory())


def test_another_store_blocks_safely_in_a_script():
    assert blocks_safely(ObspecStore())


async def test_another_store_that_can_be_awaited_is_awaited_in_a_loop():
    assert not blocks_safely(ObspecStore())


async def test_a_store_that_can_only_block_blocks_in_a_loop():
    class Blocking:
        def get(self) -> None: ...

    assert blocks_safely(Blocking())


def test_a_store_that_can_only_be_awaited_does_not_block():
    assert not blocks_safely(AsyncObspecStore())


async def returned[T](value: T) -> T:
    return value


def test_run_blocking_gives_the_result():
    assert run_blocking(returned(5)) == 5


async def test_run_blocking_works_in_a_loop():
    assert run_blocking(returned(5)) == 5


def test_run_blocking_refuses_what_suspends():
    with pytest.raises(RuntimeError, match="suspended"):
        run_blocking(asyncio.sleep(0))


def test_run_blocking_lets_errors_through():
    async def failing() -> None:
        raise LookupError("mine")  # noqa: EM101

    with pytest.raises(LookupError, match="mine"):
        run_blocking(failing())


async def test_run_in_thread_works_in_a_loop():
    async def slept() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert run_in_thread(slept()).startswith("virtual_tiff")


def test_run_in_thread_lets_errors_through():
    async def failing() -> None:
        raise LookupError("mine")  # noqa: EM101

    with pytest.raises(LookupError, match="mine"):
        run_in_thread(failing())


def test_of_spans_that_overlap_the_one_that_holds_a_range_gives_it():
    data = memoryview(bytes(range(100)))
    spans = [(0, 60), (40, 50), (55, 58)]
    starts, buffers = [start for start, _ in spans], [data[start:end] for start, end in spans]
    for start in range(60):
        for end in range(start, 61):
            assert _part(starts, buffers, start, end) == data[start:end]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            (
                "Object at location a.tif not found: Error performing GET http://h/a.tif in 13.05ms"
                " - Server returned non-2xx status code: 404 Not Found: <!DOCTYPE HTML>"
            ),
            "Server returned non-2xx status code: 404 Not Found",
        ),
        (
            (
                "Generic HTTP error: Error performing GET http://h/a.tif in 1.7s, after 10 retries,"
                " max_retries: 10, retry_timeout: 180s  - HTTP error: error sending request"
            ),
            "HTTP error: error sending request, after 10 retries",
        ),
        (
            (
                "Generic S3 error: Error performing list request: Error performing GET http://h/b?x"
                " in 4.2µs - HTTP error: error sending request"
            ),
            "HTTP error: error sending request",
        ),
        ("Generic HTTP error: of another kind", "Generic HTTP error: of another kind"),
    ],
)
def test_the_words_of_a_store_do_not_repeat_the_request(error: str, words: str) -> None:
    text = str(store_error(NotFoundError(error), URL))
    assert text.startswith(f"{URL}: no such object ({words})")
