"""All or nothing: runs that are killed, fail, or are started again; and the cache."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from support.http import HttpServer
from support.scenes import commits, dated, pixels, read
from virtual_tiff.publishing import Published, PublishError, publish


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("scenes")
    found = [dated(folder / f"{i:03}.tif", f"2023-01-{i + 1:02}", i) for i in range(16)]
    for path in found:
        os.utime(path, (time.time() - 1000,) * 2)
    return found


# --------------------------------------------------------------------------------- kills


def publish_in_child(urls: list[str], cube: Path, cache: Path, started: Any) -> None:
    icechunk.set_logs_filter("error")
    started.set()
    publish(urls, cube, concat="time", time="tag", append=True, cache=cache)


def state_of(cube: Path) -> int | None:
    """Positions of the published cube; None if there is no commit. Whatever lies there opens."""
    if not cube.exists():
        return None
    storage = icechunk.local_filesystem_storage(str(cube))
    if not icechunk.Repository.exists(storage):
        return None
    repository = icechunk.Repository.open(storage)
    if len(list(repository.ancestry(branch="main"))) == 1:
        return None
    group: Any = zarr.open_group(repository.readonly_session("main").store, mode="r")
    size = int(group["0"].shape[0])
    assert group["time"].shape == (size,)
    assert group["_virtual_tiff/url"].shape == (size,)
    return size


@pytest.mark.long
@pytest.mark.parametrize("half", [False, True], ids=["new", "append"])
def test_killed_at_random_moments(
    half: bool, scenes: list[Path], http_server: HttpServer, tmp_path: Path
) -> None:
    """Nothing of the run or all of it; and the last cube is that of an undisturbed run."""
    chance = random.Random(5 + half)
    cube, cache = tmp_path / "cube", tmp_path / "cache.sqlite"
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes]
    before: int | None = None
    if half:
        publish(urls[:6], cube, concat="time", time="tag", cache=cache)
        before = 6
    # "spawn": after a fork, Icechunk's threads are missing, and the child hangs
    context = multiprocessing.get_context("spawn")
    states = []
    for moment in sorted(chance.uniform(0, 0.6) for _ in range(6)):
        # the first is killed while it reads, however late this process gets its turn
        http_server.latency = 0.005 if states else 600
        started = context.Event()
        process = context.Process(target=publish_in_child, args=(urls, cube, cache, started))
        process.start()
        assert started.wait(600)  # moments are those of the run, and not of its imports
        process.join(moment)
        process.kill()
        process.join()
        states.append(state_of(cube))
        assert states[-1] in (before, 16)
    published = publish(urls, cube, concat="time", time="tag", append=True, cache=cache)
    assert state_of(cube) == 16
    assert len(commits(published)) == 1 + half
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes]))
    assert before in states


def test_interrupted_making_of_a_repository(scenes: list[Path], tmp_path: Path) -> None:
    """Icechunk writes `repo` last: what lies there without it is a repository that began."""
    publish(scenes[:1], tmp_path / "whole", concat="time")
    for name in ("snapshots", "transactions"):
        (tmp_path / "cube" / name).mkdir(parents=True)
    assert publish(scenes, tmp_path / "cube", concat="time").files == 16


def test_empty_branch_of_an_interrupted_run(scenes: list[Path], tmp_path: Path) -> None:
    storage = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    repository = icechunk.Repository.create(storage)
    repository.create_branch("dev", repository.lookup_branch("main"))
    published = publish(scenes, tmp_path / "cube", concat="time", branch="dev")
    assert read(published).shape[0] == 16


# --------------------------------------------------------------------------------- cache


def run(urls: Any, cache: Path | None, **options: Any) -> Published:
    return publish(urls, "memory://", concat="time", time="tag", cache=cache, **options)


def test_what_was_read_is_not_read_again(
    scenes: list[Path], http_server: HttpServer, tmp_path: Path
) -> None:
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes]
    cache = tmp_path / "deep" / "cache.sqlite"
    first = run(urls[:10], cache)
    assert (http_server.gets, http_server.heads) == (10, 0)
    http_server.requests.clear()
    second = run(urls, cache)
    assert (http_server.gets, http_server.heads) == (6, 10)
    assert (first.files, second.files) == (10, 16)
    np.testing.assert_array_equal(read(second), np.stack([pixels(p) for p in scenes]))


def publish_slowly(urls: list[str], cube: Path, caches: Path) -> None:
    os.environ["XDG_CACHE_HOME"] = str(caches)
    icechunk.set_logs_filter("error")
    publish(urls, cube, concat="time", time="tag", concurrency=1)


@pytest.mark.long
def test_a_run_goes_on_after_one_that_was_killed_while_it_read(
    scenes: list[Path],
    http_server: HttpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a word of the user's; each second's records are on disk."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes]
    http_server.latency = 0.2
    process = multiprocessing.get_context("spawn").Process(
        target=publish_slowly, args=(urls, tmp_path / "cube", tmp_path / "caches")
    )
    process.start()
    while http_server.gets < 15:
        time.sleep(0.01)
    process.kill()
    process.join()
    http_server.latency = 0
    http_server.requests.clear()
    published = publish(urls, tmp_path / "cube", concat="time", time="tag")
    assert 1 <= http_server.gets <= 10
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes]))
    assert not (tmp_path / "caches" / "virtual-tiff").exists()


@pytest.mark.parametrize("cache", [None, False], ids=["kept", "not kept"])
def test_a_run_that_fails_is_gone_on_with(
    cache: Any, scenes: list[Path], http_server: HttpServer, tmp_path: Path
) -> None:
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes[:10]]
    bad = http_server.put("bad.tif", b"no TIFF")
    options = {"concat": "time", "time": "tag", "cache": cache}
    with pytest.raises(PublishError, match=r"bad\.tif"):
        publish([*urls, bad], tmp_path / "cube", **options)
    http_server.put("bad.tif", scenes[10].read_bytes())
    http_server.requests.clear()
    publish([*urls, bad], tmp_path / "cube", **options)
    assert http_server.gets == (11 if cache is False else 1)


def test_progress_that_nobody_goes_on_with_is_removed(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runs = tmp_path / "virtual-tiff" / "runs"
    runs.mkdir(parents=True)
    for name, days in (("old", 40), ("new", 2)):
        (runs / f"{name}.sqlite").touch()
        os.utime(runs / f"{name}.sqlite", (time.time() - 86400 * days,) * 2)
    publish(scenes[0], tmp_path / "cube")
    assert [path.name for path in runs.iterdir()] == ["new.sqlite"]


def test_what_has_changed_is_read_again(
    scenes: list[Path], http_server: HttpServer, tmp_path: Path
) -> None:
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes[:3]]
    run(urls, tmp_path / "cache")
    http_server.put(scenes[1].name, scenes[5].read_bytes())
    http_server.requests.clear()
    published = run(urls, tmp_path / "cache")
    assert http_server.gets == 1
    order = [scenes[0], scenes[2], scenes[5]]
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in order]))


def test_options_have_records_of_their_own(
    scenes: list[Path], http_server: HttpServer, tmp_path: Path
) -> None:
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes[:2]]
    run(urls, tmp_path / "cache")
    found = run(urls, tmp_path / "cache", coordinates=False)
    assert [array.path for array in found.coordinates] == ["time", "TIFFTAG_DATETIME"]
    assert http_server.gets == 4


def test_failed_runs_leave_what_they_read(
    scenes: list[Path], http_server: HttpServer, tmp_path: Path
) -> None:
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes[:3]]
    bad = http_server.put("bad.tif", b"this is no TIFF")
    with pytest.raises(PublishError, match="1 of 4 files"):
        run([*urls, bad], tmp_path / "cache")
    http_server.requests.clear()
    assert run(urls, tmp_path / "cache").files == 3
    assert (http_server.gets, http_server.heads) == (0, 3)


def test_cache_of_another_version(scenes: list[Path], tmp_path: Path) -> None:
    run(scenes[:2], tmp_path / "cache")
    with sqlite3.connect(tmp_path / "cache") as database:
        database.execute("PRAGMA user_version = 99")
        database.execute("ALTER TABLE file RENAME COLUMN refs TO gone")
    assert run(scenes[:2], tmp_path / "cache").files == 2


def test_file_that_is_no_cache(scenes: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "cache"
    path.write_text("these are a user's notes, which nobody may overwrite\n" * 20)
    with pytest.raises(PublishError, match="is not a cache of this package"):
        run(scenes[:2], path)
    assert path.read_text().startswith("these are")


# ------------------------------------------------------------------------------ failures


def test_skipped_files_are_reported(scenes: list[Path], tmp_path: Path) -> None:
    bad, missing = tmp_path / "bad.tif", tmp_path / "missing.tif"
    bad.write_bytes(b"this is no TIFF")
    files = [scenes[0], bad, scenes[1], missing]
    published = publish(files, "memory://", concat="n", on_error="skip")
    assert list(published.failures) == [str(bad), str(missing)]
    assert "not a TIFF" in published.failures[str(bad)]
    assert "no such file" in published.failures[str(missing)]
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes[:2]]))


def test_nothing_is_left_to_publish(tmp_path: Path) -> None:
    bad = [tmp_path / f"{i}.tif" for i in range(2)]
    for path in bad:
        path.write_bytes(b"this is no TIFF")
    with pytest.raises(PublishError, match="2 of 2 files"):
        publish(bad, tmp_path / "cube", on_error="skip")
    assert not (tmp_path / "cube").exists()


def test_what_was_skipped_comes_with_the_next_run(scenes: list[Path], tmp_path: Path) -> None:
    late = tmp_path / "late.tif"
    late.write_bytes(b"not yet")
    options: dict[str, Any] = {"concat": "time", "time": "tag", "append": True}
    publish([scenes[0], late], tmp_path / "cube", on_error="skip", **options)
    late.write_bytes(scenes[1].read_bytes())
    published = publish([scenes[0], late], tmp_path / "cube", **options)
    assert (published.files, published.unchanged) == (1, 1)
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes[:2]]))
