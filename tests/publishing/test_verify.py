"""`verify` and `open_published`: whom they ask, what they say, and how they end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import zarr

from support.failures import FailingProxy, Failures
from support.http import HttpServer
from support.published import (
    http_container,
    publish_one,
    s3_container,
    s3_options,
    with_ledger,
)
from support.s3 import S3
from support.scenes import scene
from virtual_tiff import open_published, publish, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, verification
from virtual_tiff.publishing.verification import Verification, change, verify_async
from virtual_tiff.sources import listed_states
from virtual_tiff.sources.urls import reference_to
from virtual_tiff.tiff import SourceState

TESTDATA = Path(__file__).parents[2] / "testdata"
PLAIN = TESTDATA / "special" / "strips_many.tif"
"""A file without compression, whose codecs need not be told."""
DAY = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def state_of(path: Path, **changes: Any) -> SourceState:
    found = path.stat()
    known: dict[str, Any] = {
        "size": found.st_size,
        "last_modified": datetime.fromtimestamp(found.st_mtime_ns // 1000 / 1e6, UTC),
    }
    return SourceState(**known | changes)


def files(folder: Path, count: int) -> list[Path]:
    found = [folder / f"{number}.tif" for number in range(count)]
    for path in found:
        path.write_bytes(path.name.encode())
    return found


def statuses(found: Verification) -> dict[str, str]:
    return {source.url.rpartition("/")[2]: source.status for source in found.sources()}


# ---- what is compared


@pytest.mark.parametrize(
    ("url", "before", "now", "expected"),
    [
        ("s3://b/a", {}, {}, "unchanged"),
        ("s3://b/a", {}, {"size": 2}, "changed"),
        ("s3://b/a", {}, {"etag": '"b"'}, "changed"),
        ("s3://b/a", {}, {"last_modified": DAY.replace(second=9)}, "unchanged"),
        ("s3://b/a", {"etag": None}, {"last_modified": DAY.replace(second=9)}, "changed"),
        ("s3://b/a", {"etag": 'W/"a"'}, {"etag": 'W/"b"'}, "changed"),
        ("s3://b/a", {"etag": None}, {"last_modified": None}, "unknown"),
        ("s3://b/a", {"etag": None, "last_modified": None}, {}, "unknown"),
        ("s3://b/a", {"etag": None}, {"last_modified": None, "size": 2}, "changed"),
        # a listing has milliseconds, a header has none
        ("s3://b/a", {"etag": None, "last_modified": DAY.replace(microsecond=5)}, {}, "unchanged"),
        ("file:///a", {"last_modified": DAY.replace(microsecond=5)}, {}, "changed"),
        # of a local file the ETag is its number on the disk
        ("file:///a", {}, {"etag": '"b"'}, "unchanged"),
    ],
)
def test_what_counts_as_a_change(
    url: str, before: dict[str, Any], now: dict[str, Any], expected: str
) -> None:
    known: dict[str, Any] = {"size": 1, "etag": '"a"', "last_modified": DAY}
    found, words = change(url, SourceState(**known | before), SourceState(**known | now))
    assert found == expected
    assert (words is None) == (expected == "unchanged")


def test_without_a_state_before_nothing_is_known() -> None:
    assert change("s3://b/a", None, SourceState(size=1))[0] == "unknown"


# ---- whom it asks


@pytest.mark.long
def test_each_status(tmp_path: Path) -> None:
    one, two, three, four = files(tmp_path, 4)
    sources = {path.as_uri(): state_of(path) for path in (one, two, three)}
    sources[four.as_uri()] = state_of(four, last_modified=None)
    sources["http://127.0.0.1:9/a.tif"] = SourceState(size=1)
    two.write_bytes(b"another size")
    three.unlink()
    found = verify(with_ledger(sources))
    assert [source.status for source in found.sources()] == [
        "unchanged",
        "changed",
        "missing",
        "unknown",
        "unreachable",
    ]
    assert not found.ok
    assert found.total == 5
    assert found.counts == dict.fromkeys(verification.STATUSES, 1) | {"truncated": 0}
    changed, missing, _, unreachable = found.differing
    assert changed.error == "its size was 5 bytes and is 12 bytes"
    assert (changed.before, changed.now) == (sources[two.as_uri()], state_of_now(two))
    assert str(missing.error).startswith(f"{three.as_uri()}: no such file")
    assert "127.0.0.1:9" in str(unreachable.error)


def state_of_now(path: Path) -> SourceState:
    from obstore.store import LocalStore

    meta = LocalStore().head(str(path))
    return SourceState(size=meta["size"], etag=meta["e_tag"], last_modified=meta["last_modified"])


def test_names_that_need_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a b#?%20ü.tif"
    path.write_bytes(b"x")
    found = verify(with_ledger({path.as_uri(): state_of(path)}))
    assert found.ok


def test_batches_are_all_asked_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_BATCH", 10)
    paths = files(tmp_path, 35)
    repository = with_ledger({path.as_uri(): state_of(path) for path in paths})
    for number in (3, 17, 34):
        paths[number].unlink()
    calls: list[tuple[int, int]] = []
    found = verify(repository, concurrency=4, progress=lambda *now: calls.append(now))
    assert [source.url for source in found.sources()] == [path.as_uri() for path in paths]
    assert [source.url for source in found.differing] == [
        paths[number].as_uri() for number in (3, 17, 34)
    ]
    assert calls == [(done, 35) for done in range(1, 36)]


def test_no_more_are_asked_at_a_time_than_allowed(http_server: HttpServer) -> None:
    http_server.latency = 0.02
    now = most = 0
    urls = [http_server.put(f"{number}.tif", b"x", modified=5) for number in range(12)]

    def count(_: str) -> None:
        nonlocal now, most
        now = sum(1 for _ in http_server._server.connections)
        most = max(most, now)

    http_server.on_request = count
    state = SourceState(size=1, last_modified=datetime.fromtimestamp(5, UTC))
    assert verify(with_ledger(dict.fromkeys(urls, state)), concurrency=3).ok
    assert most <= 3
    assert (http_server.heads, http_server.gets) == (12, 0)


def test_a_server_that_refuses_head(http_server: HttpServer) -> None:
    url = http_server.put("a.tif", b"abc", modified=5)
    state = SourceState(size=3, last_modified=datetime.fromtimestamp(5, UTC))
    http_server.refuse_head = True
    assert verify(with_ledger({url: state})).ok
    assert http_server.requests[-1].method == "GET"


def test_a_server_that_fails_now_and_then(http_server: HttpServer) -> None:
    url = http_server.put("a.tif", b"abc", modified=5)
    http_server.failures = Failures(2, [503, "reset", 429])
    state = SourceState(size=3, last_modified=datetime.fromtimestamp(5, UTC))
    assert verify(with_ledger({url: state})).ok


async def test_s3_is_asked_as_the_repository_says(s3: S3) -> None:
    """Region and endpoint are saved in it, keys are not."""
    url = s3.upload(PLAIN, "test_verify/a b.tif")
    repository = await publish_one(
        s3.url("test_verify/a b.tif"), s3_container(s3), options=s3_options(s3)
    )
    keys = {"access_key_id": "testing", "secret_access_key": "testing"}
    assert (await verify_async(repository, store_options=keys)).ok
    s3.store().delete(url.removeprefix(s3.url()))
    found = await verify_async(repository, store_options=keys)
    assert statuses(found) == {"a%20b.tif": "missing"}


@pytest.fixture(scope="module")
def proxy(s3: S3) -> Iterator[FailingProxy]:
    with FailingProxy(s3.endpoint, Failures(10**9)) as running:
        yield running


def on_s3(s3: S3, folder: str, names: list[str]) -> dict[str, SourceState]:
    """Store small objects, and return what a publisher would know of them."""
    sources = {}
    for name in names:
        s3.put(f"{folder}/{name}", name.encode())
        meta = s3.store().head(f"{folder}/{name}")
        url = reference_to(f"s3://{s3.bucket}", f"{folder}/{name}")
        sources[url] = SourceState(size=meta["size"], etag=meta["e_tag"])
    return sources


def asked_of(proxy: FailingProxy, s3: S3, sources: dict[str, SourceState]) -> tuple[Any, Any]:
    """Verify sources; return the result, and how many objects were asked for and pages listed."""
    proxy.requests.clear()
    result = verify(with_ledger(sources), store_options=s3_options(s3.at(proxy.url)))
    methods = [method for method, _ in proxy.requests]
    return result, (methods.count("HEAD"), methods.count("GET"))


@pytest.mark.long
def test_a_listing_tells_many_sources(s3: S3, proxy: FailingProxy) -> None:
    sources = on_s3(s3, "verify_many/a", [f"{n} é.tif" for n in range(40)])
    result, requests = asked_of(proxy, s3, sources)
    assert (result.ok, result.total, requests) == (True, 40, (0, 1))
    # what a listing does not confirm is asked for
    s3.put("verify_many/a/7 é.tif", b"changed")
    s3.store().delete("verify_many/a/8 é.tif")
    result, requests = asked_of(proxy, s3, sources)
    differing = {source.url[-14:]: source.status for source in result.differing}
    assert differing == {"7%20%C3%A9.tif": "changed", "8%20%C3%A9.tif": "missing"}
    assert requests == (2, 1)
    # few are asked for one by one, and so are those among many others
    few = dict(list(sources.items())[20:30])
    assert asked_of(proxy, s3, few)[1] == (10, 0)


@pytest.mark.long
def test_a_listing_of_few_that_are_wanted_is_given_up(
    s3: S3, proxy: FailingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_states, "_PAGE", 100)
    for n in range(110):
        s3.store().put(f"verify_sparse/0/{n:04}.tif", b"")
    sources = on_s3(s3, "verify_sparse", ["0/0000.tif", *(f"9/{n}.tif" for n in range(20))])
    result, requests = asked_of(proxy, s3, sources)
    assert (result.ok, requests) == (True, (20, 1))


@pytest.mark.long
def test_objects_of_who_may_not_list_are_asked_one_by_one(
    s3: S3, proxy: FailingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = on_s3(s3, "verify_no_list", [f"{n}.tif" for n in range(20)])
    with monkeypatch.context() as patch:
        patch.setattr(proxy, "failures", Failures(1, [403] * 20))
        result, (heads, _) = asked_of(proxy, s3, sources)
    assert (result.ok, heads) == (True, 20)


# ---- parts of a repository


def test_a_sample(tmp_path: Path) -> None:
    paths = files(tmp_path, 30)
    repository = with_ledger({path.as_uri(): state_of(path) for path in paths})
    result = verify(repository, sample=7)
    assert (result.ok, result.total, result.of) == (True, 7, 30)
    assert {source.url for source in result.sources()} < {path.as_uri() for path in paths}
    assert verify(repository, sample=99).total == 30
    with pytest.raises(ValueError, match="sample must be a positive number"):
        verify(repository, sample=0)


@pytest.mark.long
def test_sources_since_a_commit(tmp_path: Path) -> None:
    paths = [scene(tmp_path / f"{n}.tif", n) for n in range(4)]
    place = tmp_path / "cube"
    first = publish(paths[:2], place, concat="n", tag="first").snapshot
    before = datetime.now(UTC)
    publish(paths[2:3], place, concat="n", append=True)

    def asked(since: Any) -> set[str]:
        sources = verify(place, since=since).sources()
        return {source.url.rpartition("/")[2] for source in sources}

    for since in ("first", first, before):
        assert asked(since) == {"2.tif"}
    everything = {"0.tif", "1.tif", "2.tif"}
    assert asked(datetime(2000, 1, 1, tzinfo=UTC)) == everything == asked(timedelta(days=99))
    assert asked(timedelta(0)) == set()
    scene(paths[0], 7)
    publish(paths[:1], place, concat="n", append=True, replace_changed=True)
    assert asked("first") == {"0.tif", "2.tif"}
    with pytest.raises(ValueError, match="time zone"):
        asked(datetime(2000, 1, 1))  # noqa: DTZ001 (that is refused)
    with pytest.raises(ValueError, match="the repository has no snapshot 'second'"):
        asked("second")


def test_only_some_of_many_differing_sources_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "MOST_DIFFERING", 3)
    paths = files(tmp_path, 9)
    repository = with_ledger({path.as_uri(): state_of(path, size=1) for path in paths})
    urls = []
    result = verify(repository, on_source=lambda source: urls.append(source.url))
    assert urls == [path.as_uri() for path in paths]
    assert (len(result.differing), result.left_out, result.counts["changed"]) == (3, 6, 9)
    with pytest.raises(ValueError, match="6 differing sources were not kept"):
        list(result.sources())


# ---- repositories of others


async def test_a_repository_without_a_ledger(http_server: HttpServer) -> None:
    url = http_server.put("a.tif", PLAIN.read_bytes())
    repository = await publish_one(url, http_container(http_server), ledger=False)
    found = await verify_async(repository)
    assert (found.has_ledger, found.ok, found.counts["unknown"]) == (False, True, 1)
    assert found.differing == ()
    assert statuses(found) == {"a.tif": "unknown"}
    http_server.remove("a.tif")
    found = await verify_async(repository)
    assert statuses(found) == {"a.tif": "missing"}
    assert not found.ok


def test_an_empty_repository() -> None:
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    found = verify(repository)
    assert (found.total, found.ok, found.has_ledger) == (0, True, False)


# ---- what comes back


def test_as_json(tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    repository = with_ledger({path.as_uri(): state_of(path, size=9, last_modified=DAY)})
    found = json.loads(json.dumps(verify(repository).to_json()))
    assert (found["ok"], found["has_ledger"], found["counts"]["changed"]) == (False, True, 1)
    (source,) = found["differing"]
    assert source["before"] == {
        "size": 9,
        "etag": None,
        "last_modified": DAY.isoformat(),
        "version": None,
    }
    assert source["status"] == "changed"


async def test_inside_a_running_event_loop(tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    assert verify(with_ledger({path.as_uri(): state_of(path)})).ok


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"concurrency": 0}, "concurrency must be"),
        ({"branch": "nope"}, "the repository has no branch 'nope'; it has main"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        verify(with_ledger({}), **options)


def test_a_place_without_a_repository(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="there is no Icechunk repository"):
        verify(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_group_of_that_name_that_is_no_ledger() -> None:
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    zarr.open_group(session.store, mode="w").create_group("_virtual_tiff")
    session.commit("another's")
    with pytest.raises(PublishError, match="not a ledger"):
        verify(repository)


# ---- the command


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, list[Path]]:
    folder = tmp_path / "files"
    folder.mkdir()
    paths = files(folder, 3)
    with_ledger({path.as_uri(): state_of(path) for path in paths}, tmp_path / "cube")
    return tmp_path / "cube", paths


type Command = tuple[Path, list[Path]]


def test_command_when_all_is_well(published: Command, capsys: Any) -> None:
    assert main(["verify", str(published[0])]) == 0
    assert capsys.readouterr().out == "3 sources: 3 unchanged\n"
    assert main(["verify", str(published[0]), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_command_when_something_differs(published: Command, capsys: Any) -> None:
    place, paths = published
    paths[0].write_bytes(b"longer than before")
    paths[1].unlink()
    assert main(["verify", str(place)]) == 1
    changed, missing, summary = capsys.readouterr().out.splitlines()
    assert changed == f"changed  {paths[0].as_uri()}  its size was 5 bytes and is 18 bytes"
    assert missing.startswith(f"missing  {paths[1].as_uri()}  no such file")
    assert summary == "3 sources: 1 unchanged, 1 changed, 1 missing"
    assert main(["verify", str(place), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["counts"]["missing"] == 1


def test_command_prints_lines_of_json(published: Command, capsys: Any) -> None:
    place, paths = published
    paths[1].unlink()
    assert main(["verify", str(place), "--json-lines"]) == 1
    *lines, counts = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line["status"] for line in lines] == ["unchanged", "missing", "unchanged"]
    assert counts["counts"]["missing"] == 1
    assert main(["verify", str(place), "--sample", "1", "--since", "30d", "--quiet"]) in (0, 1)
    capsys.readouterr()
    assert main(["verify", str(place), "--since", "0h"]) == 0
    assert capsys.readouterr().out == "0 sources of 3: none\n"


def test_command_says_what_cannot_be_known(tmp_path: Path, capsys: Any) -> None:
    icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "cube")))
    assert main(["verify", str(tmp_path / "cube")]) == 0
    assert "changes cannot be found" in capsys.readouterr().out


def test_command_without_a_repository(tmp_path: Path, capsys: Any) -> None:
    assert main(["verify", str(tmp_path / "nowhere")]) == 1
    assert "there is no Icechunk repository" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "nowhere"), "--branch"]) == 2


# ---- what `publish` writes


def test_what_was_published_is_verified(tmp_path: Path) -> None:
    paths = [Path(shutil.copy2(path, tmp_path)) for path in (TESTDATA / "series").glob("*.tif")]
    publish(sorted(paths), tmp_path / "cube", concat="n")
    found = verify(tmp_path / "cube")
    assert (found.ok, found.has_ledger, found.total) == (True, True, 3)
    paths[1].write_bytes(paths[1].read_bytes()[::-1])
    found = verify(tmp_path / "cube")
    assert [source.url for source in found.differing] == [paths[1].as_uri()]
    with rasterio.open(paths[0]) as dataset:
        expected = dataset.read(1)
    group = zarr.open_group(open_published(tmp_path / "cube"), mode="r")
    array: Any = group["0"]
    position = sorted(paths).index(paths[0])
    np.testing.assert_array_equal(array[position], expected)
