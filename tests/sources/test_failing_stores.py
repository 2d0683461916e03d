"""Stores that fail now and then, and objects that change under a reader's hands."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore

from support.build import END, image
from support.failures import EVERY_KIND, FailingProxy, Failures, Kind
from support.http import HttpServer
from support.published import s3_options
from support.s3 import S3
from support.stores import ObspecStore
from virtual_tiff import VirtualTIFF
from virtual_tiff.sources import object_source as obspec_source
from virtual_tiff.sources.object_source import (
    BlockingObspecSource,
    ChangedError,
    ObspecSource,
    SourceError,
    run_blocking,
)
from virtual_tiff.tiff import ByteRange, TruncatedError

DATA = bytes(range(256)) * 400
PATIENCE: Any = {"allow_http": True, "timeout": "700ms"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obspec_source, "_PAUSES", (0.0, 0.0, 0.0))
    icechunk.set_logs_filter("error")


def store_of(server: HttpServer) -> HTTPStore:
    return HTTPStore.from_url(server.url, client_options=PATIENCE)


type Reader = Callable[[Any, list[list[ByteRange]]], list[list[bytes]]]


def awaiting(store: Any, batches: list[list[ByteRange]]) -> list[list[bytes]]:
    return asyncio.run(_read(ObspecSource(store, "a.tif", "store://a.tif"), batches))


def blocking(store: Any, batches: list[list[ByteRange]]) -> list[list[bytes]]:
    return run_blocking(_read(BlockingObspecSource(store, "a.tif", "store://a.tif"), batches))


async def _read(source: ObspecSource, batches: list[list[ByteRange]]) -> list[list[bytes]]:
    return [[bytes(found) for found in await source.read_ranges(batch)] for batch in batches]


both = pytest.mark.parametrize("read", [awaiting, blocking])


# ---- one object


@pytest.mark.long
@both
@pytest.mark.parametrize("etags", ["strong", "none"])
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_request_that_fails_is_made_again(
    http_server: HttpServer, read: Reader, kind: Kind, etags: Any
):
    """Without an ETag obstore does not go on within a body that has ended early."""
    http_server.put("a.tif", DATA)
    http_server.etags = etags
    http_server.failures = Failures(2, [kind], stall=2)
    wanted: list[list[ByteRange]] = [[(0, 20_000)], [(50_000, 90_000), (3, 5)]]
    found = read(store_of(http_server), wanted)
    assert found == [[DATA[start:end] for start, end in batch] for batch in wanted]
    assert http_server.failures.failed[kind] > 0


@both
def test_what_always_gives_too_little_is_an_error(http_server: HttpServer, read: Reader):
    http_server.put("a.tif", DATA)
    http_server.failures = Failures(1, ["short"])
    with pytest.raises(TruncatedError, match=r"5000 of 10000 bytes.*store://a\.tif"):
        read(store_of(http_server), [[(0, 10_000)]])
    assert http_server.failures.seen == 4


@both
def test_another_range_than_asked_for_is_an_error(http_server: HttpServer, read: Reader):
    http_server.put("a.tif", DATA)
    http_server.failures = Failures(1, ["range"])
    with pytest.raises(SourceError, match=r"store://a\.tif: .*Requested 0\.\.10, got 1\.\.11"):
        read(store_of(http_server), [[(0, 10)]])


@both
def test_a_server_that_ignores_ranges_is_told_of(http_server: HttpServer, read: Reader):
    http_server.put("a.tif", DATA)
    http_server.ranges = False
    with pytest.raises(SourceError, match="Range request not supported"):
        read(store_of(http_server), [[(0, 10)]])


@both
@pytest.mark.parametrize("status", [401, 403])
def test_what_is_forbidden_is_asked_for_once(http_server: HttpServer, read: Reader, status: int):
    """`tests/sources/test_advice.py` says what to check, by the kind of the store."""
    http_server.put("a.tif", DATA)
    http_server.failures = Failures(1, [status])
    with pytest.raises(PermissionError, match=r"store://a\.tif"):
        read(store_of(http_server), [[(0, 10)]])
    assert http_server.failures.seen == 1


@both
def test_what_is_not_there_costs_one_request(http_server: HttpServer, read: Reader):
    with pytest.raises(FileNotFoundError, match=r"store://a\.tif: no such object"):
        read(store_of(http_server), [[(0, 10)]])
    assert [request.method for request in http_server.requests] == ["GET"]


# ---- servers that send elsewhere, and what stands between


@both
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_its_range(http_server: HttpServer, read: Reader, status: int):
    http_server.put("elsewhere/b.tif", DATA)
    http_server.redirects["a.tif"] = status, "/elsewhere/b.tif"
    wanted: list[list[ByteRange]] = [[(0, 20_000)], [(50_000, 90_000)]]
    found = read(store_of(http_server), wanted)
    assert found == [[DATA[start:end] for start, end in batch] for batch in wanted]
    assert {request.path for request in http_server.requests} == {"a.tif", "elsewhere/b.tif"}


@both
def test_a_redirect_to_nothing_is_an_object_that_is_not_there(
    http_server: HttpServer, read: Reader
):
    http_server.redirects["a.tif"] = 302, "/nowhere.tif"
    with pytest.raises(FileNotFoundError, match=r"store://a\.tif: no such object"):
        read(store_of(http_server), [[(0, 10)]])


@both
def test_redirects_in_a_circle_end(http_server: HttpServer, read: Reader):
    http_server.redirects["a.tif"] = 302, "/a.tif"
    with pytest.raises(SourceError, match=r"store://a\.tif: the store failed"):
        read(store_of(http_server), [[(0, 10)]])
    assert len(http_server.requests) < 100


@both
def test_a_body_that_a_cache_has_compressed_is_an_error(http_server: HttpServer, read: Reader):
    """What comes is no range of the file: RFC 9110 section 14.2 has ranges of the encoded one."""
    http_server.put("a.tif", DATA)

    def compress(headers: dict[str, str], body: bytes) -> bytes:
        packed = gzip.compress(body)
        headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}
        return packed

    http_server.alter = compress
    with pytest.raises(TruncatedError, match=r"the store gave \d+ of 20000 bytes.*store://a\.tif"):
        read(store_of(http_server), [[(0, 20_000)]])


@both
def test_a_cache_that_marks_its_tag_is_no_change(http_server: HttpServer, read: Reader):
    """Caches append to the ETag of what they may compress, in some answers and not in others."""
    http_server.put("a.tif", DATA)
    turns = itertools.cycle(["", "-gzip", ";gzip", "--gzip"])

    def mark(headers: dict[str, str], body: bytes) -> bytes:
        headers["ETag"] = f'{headers["ETag"][:-1]}{next(turns)}"'
        return body

    http_server.alter = mark
    wanted: list[list[ByteRange]] = [[(0, 10)], [(30_000, 30_010)], [(60_000, 60_010)], [(5, 9)]]
    found = read(store_of(http_server), wanted)
    assert found == [[DATA[start:end] for start, end in batch] for batch in wanted]


@both
def test_a_weak_tag_beside_the_same_strong_one_is_no_change(http_server: HttpServer, read: Reader):
    """A cache that changes a body's encoding has to weaken its tag, RFC 9110 section 8.8.1."""
    http_server.put("a.tif", DATA)
    turns = itertools.cycle(["", "W/"])

    def weaken(headers: dict[str, str], body: bytes) -> bytes:
        headers["ETag"] = f"{next(turns)}{headers['ETag']}"
        return body

    http_server.alter = weaken
    wanted: list[list[ByteRange]] = [[(0, 10)], [(30_000, 30_010)], [(60_000, 60_010)]]
    assert len(read(store_of(http_server), wanted)) == 3


# ---- an object that changes between two reads


@both
@pytest.mark.parametrize(
    ("data", "etags", "modified", "words"),
    [
        (DATA[:-1], "none", 1000, "its size was 102,400 bytes and is 102,399 bytes"),
        (DATA[::-1], "strong", 1000, "its ETag was"),
        (DATA[::-1], "weak", 1000, "its ETag was"),
        (DATA[::-1], "none", 2000, "its time was 1970-01-01T00:16:40"),
    ],
)
def test_parts_of_two_files_are_not_joined(
    http_server: HttpServer, read: Reader, data: bytes, etags: Any, modified: float, words: str
):
    http_server.etags = etags
    http_server.put("a.tif", DATA, modified=1000)

    def change(_: str) -> None:
        if http_server.requests:
            http_server.put("a.tif", data, modified=modified)

    http_server.on_request = change
    with pytest.raises(ChangedError, match=rf"store://a\.tif: changed while it was read: {words}"):
        read(store_of(http_server), [[(0, 10)], [(100, 200)]])


@both
def test_an_object_that_is_the_same_may_have_another_time(http_server: HttpServer, read: Reader):
    """The servers of one host have copies of their own."""
    http_server.put("a.tif", DATA, modified=1000)
    http_server.on_request = lambda _: (
        http_server.put("a.tif", DATA, modified=2000) if http_server.requests else None
    )
    assert read(store_of(http_server), [[(0, 10)], [(100, 200)]])[1] == [DATA[100:200]]


@both
def test_a_store_of_another_maker_is_watched_too(read: Reader):
    class Changing(ObspecStore):
        reads = 0

        def _get(self, path: str, wanted: Any) -> Any:
            self.reads += 1
            if self.reads > 1:
                self.files["a.tif"] = DATA[::-1]
            return super()._get(path, wanted)

    with pytest.raises(ChangedError, match="its ETag was"):
        read(Changing({"a.tif": DATA}), [[(0, 10)], [(100, 200)]])


@pytest.mark.parametrize("awaited", [True, False])
def test_a_tiff_that_changes_during_a_parse(http_server: HttpServer, awaited: bool):
    pixels = np.arange(300 * 300, dtype="u2").reshape(300, 300)
    url = http_server.put("a.tif", image(pixels, order=END))

    def change(_: str) -> None:
        if http_server.requests:
            http_server.put("a.tif", image(pixels[::-1].copy(), order=END))

    http_server.on_request = change
    registry: Any = ObjectStoreRegistry({http_server.url: store_of(http_server)})

    def parse() -> None:
        parser = VirtualTIFF()
        _ = asyncio.run(parser.parse(url, registry)) if awaited else parser(url, registry)

    with pytest.raises(ChangedError, match=f"{url}: changed while it was read"):
        parse()


# ---- many objects, one request in twenty failing

COUNT = 60
SIZE = 64


def frames() -> Iterator[tuple[str, Any]]:
    random = np.random.default_rng(5)
    for number in range(COUNT):
        yield f"{number:03}.tif", random.integers(0, 60_000, (SIZE, SIZE), dtype="u2")


def cube_of(urls: list[str], options: dict[str, Any]) -> tuple[Any, icechunk.Repository]:
    from virtual_tiff import publish

    published = publish(urls, "memory://", concat="n", store_options=options)
    return published, published.repository


def pixels_of(repository: icechunk.Repository) -> Any:
    group = zarr.open_group(repository.readonly_session("main").store, mode="r")
    return np.asarray(group["0"][...])


@pytest.mark.long
def test_a_cube_over_http_that_fails_now_and_then_is_whole(http_server: HttpServer):
    arrays = dict(frames())
    urls = [
        # two requests a file: its directory is at its end, behind what the first one gives
        http_server.put(f"cube/{name}", image(array, order=END, gap=40_000, rows_per_strip=32))
        for name, array in arrays.items()
    ]
    http_server.failures = failures = Failures(20, stall=3)
    published, repository = cube_of(urls, {"timeout": "1s"})
    http_server.failures = None
    assert {500, "reset", "stall", "short"} <= set(failures.failed)
    assert published.files == COUNT
    np.testing.assert_array_equal(pixels_of(repository), np.stack(list(arrays.values())))


@pytest.mark.long
def test_a_cube_over_s3_that_fails_now_and_then_is_whole(s3: S3, tmp_path: Path):
    arrays = dict(frames())
    urls = [
        s3.put(f"failing/{name}", image(array, order=END, gap=40_000, rows_per_strip=32))
        for name, array in arrays.items()
    ]
    with FailingProxy(s3.endpoint, Failures(20, stall=3)) as proxy:
        options = s3_options(s3.at(proxy.url)) | {"timeout": "1s"}
        published, repository = cube_of(urls, options)
        failures, proxy.failures = proxy.failures, Failures(10**9)
        assert {500, "reset", "stall", "short"} <= set(failures.failed)
        assert published.files == COUNT
        np.testing.assert_array_equal(pixels_of(repository), np.stack(list(arrays.values())))
