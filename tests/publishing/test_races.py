"""Two publishers at once, and publishers that are killed; `scripts/race_publishers.py` does more.

Also what is left where a run fails, and a cache that others use.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from support import races
from support.s3 import S3, SETTINGS, s3_process
from support.scenes import pixels, read
from support.warned import of_tiff
from virtual_tiff.publishing import PublishError, publish
from virtual_tiff.publishing.repository.locking import LOCK, LOCK_SUFFIX, locked
from virtual_tiff.publishing.repository.writer import Writer
from virtual_tiff.publishing.run import Publication, _branch
from virtual_tiff.tiff import TiffWarning


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return races.scenes(tmp_path_factory.mktemp("scenes"), 16)


@pytest.fixture(scope="module")
def publishers() -> Iterator[races.Publishers]:
    with races.Publishers() as publishers:
        yield publishers


@pytest.mark.long
@pytest.mark.parametrize("kind", races.KINDS)
def test_two_publishers_at_once(
    kind: str, scenes: list[Path], tmp_path: Path, publishers: races.Publishers
) -> None:
    chance = random.Random(kind)
    for i in range(6):
        races.trial(kind, scenes, tmp_path / str(i), chance, publishers)


@pytest.mark.long
@pytest.mark.parametrize(
    "how",
    [
        {"half": False},
        {"half": True},
        {"half": True, "batch": 12},
        {"half": True, "batch": 12, "workers": 2},
        {"half": True, "batch": 12, "resumed": True},
    ],
    ids=["new", "append", "append in batches", "append with two workers", "resumed"],
)
def test_killed_while_it_writes(how: dict[str, Any], scenes: list[Path], tmp_path: Path) -> None:
    races.kills(3, scenes, tmp_path, seed=how["half"], measured=1, **how)


# ------------------------------------------------------------- two publishers, in turns


class Turns:
    """Publisher A waits while it writes until B has done what it can."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, interrupted: bool = False) -> None:
        self.writes, self.goes_on = threading.Event(), threading.Event()
        self.error: BaseException | None = None
        original = Writer.write

        def write(writer: Writer, plan: Any) -> Any:
            if threading.current_thread().name == "A":
                self.writes.set()
                assert self.goes_on.wait(600)
                if interrupted:
                    raise KeyboardInterrupt
            return original(writer, plan)

        monkeypatch.setattr(Writer, "write", write)

    def run(self, a: Any, b: Any) -> None:
        def publish_a() -> None:
            try:
                a()
            except BaseException as error:
                self.error = error
            finally:
                self.writes.set()

        thread = threading.Thread(target=publish_a, name="A")
        thread.start()
        assert self.writes.wait(600)
        try:
            b()
        finally:
            self.goes_on.set()
            thread.join()


def test_the_second_is_told_who_writes(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, cube = Turns(monkeypatch), tmp_path / "new" / "cube"

    def second() -> None:
        with pytest.raises(
            PublishError, match=rf"process {os.getpid()} on .* is publishing to .*wait"
        ):
            publish(scenes[1], cube)

    turns.run(lambda: publish(scenes[0], cube, concat="n"), second)
    assert turns.error is None
    assert [path.name for path in cube.parent.iterdir()] == ["cube"]


def test_an_interrupted_run_leaves_what_another_has_made_below_its_parent(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, folder = Turns(monkeypatch, interrupted=True), tmp_path / "new"
    turns.run(
        lambda: publish(scenes[0], folder / "a"),
        lambda: publish(scenes[1], folder / "b", concat="time", time="tag"),
    )
    assert isinstance(turns.error, KeyboardInterrupt)
    assert "nothing was committed" in str(turns.error)
    assert [path.name for path in folder.iterdir()] == ["b"]
    assert races.same(races.values_at(folder / "b"), scenes[1:2])


def test_what_another_program_makes_meanwhile_stays(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program does not know the lock."""
    turns, cube = Turns(monkeypatch), tmp_path / "cube"

    def other() -> None:
        cube.mkdir()
        (cube / "notes.txt").write_text("keep")

    turns.run(lambda: publish(scenes[0], cube), other)
    assert isinstance(turns.error, PublishError)
    assert "another program" in str(turns.error)
    assert [path.name for path in tmp_path.iterdir()] == ["cube"]
    assert (cube / "notes.txt").read_text() == "keep"


def test_a_lock_of_a_file_that_was_removed_meanwhile_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same, asked = os.path.samestat, []

    def removed_at_first(*files: os.stat_result) -> bool:
        asked.append(files)
        return len(asked) > 1 and same(*files)

    monkeypatch.setattr(os.path, "samestat", removed_at_first)
    with locked(tmp_path / "cube", "cube"):
        assert len(asked) == 2
        text = (tmp_path / f"cube{LOCK_SUFFIX}").read_text()
        assert text.startswith(f"process {os.getpid()} on ")


def test_a_lock_that_was_left_behind_is_none(scenes: list[Path], tmp_path: Path) -> None:
    lock = tmp_path / f"cube{LOCK_SUFFIX}"
    lock.write_text("process 1 on this machine since ever\n")
    (tmp_path / "cube.virtual-tiff.new" / "chunks").mkdir(parents=True)
    publish(scenes[0], tmp_path / "cube")
    assert [path.name for path in tmp_path.iterdir()] == ["cube"]


def test_a_repository_whose_parent_cannot_be_written_to(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = tmp_path / "cube"
    cube.mkdir()
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != tmp_path and allowed(path, mode)
    )
    with locked(cube, "cube"):
        assert (cube / LOCK).exists()
        with pytest.raises(PublishError, match="is publishing to"):
            publish(scenes[:1], cube, concat="time", time="tag")
    publish(scenes[:1], cube, concat="time", time="tag")
    assert races.same(races.values_at(cube), scenes[:1])


def test_an_empty_directory_keeps_its_mode(scenes: list[Path], tmp_path: Path) -> None:
    cube = tmp_path / "cube"
    cube.mkdir()
    cube.chmod(0o2775)
    publish(scenes[0], cube)
    assert cube.stat().st_mode & 0o7777 == 0o2775


# ------------------------------------------------------------------------ object stores


def test_two_publishers_to_one_new_place_without_a_lock(
    scenes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """B commits while A writes: A is refused, by the storage's conditional writes."""
    turns, storage = Turns(monkeypatch), icechunk.in_memory_storage()
    published: list[Any] = []
    turns.run(
        lambda: publish(scenes[0], storage, concat="n"),
        lambda: published.append(publish(scenes[1], storage, concat="n")),
    )
    assert isinstance(turns.error, PublishError)
    assert "another publisher has committed meanwhile" in str(turns.error)
    np.testing.assert_array_equal(read(published[0])[0], pixels(scenes[1]))


@pytest.fixture(scope="module")
def s3_apart() -> Iterator[S3]:
    """A server in its own process, which answers whatever this process does."""
    with s3_process() as server:
        yield server


_COPIES = int(os.environ.get("VIRTUAL_TIFF_COPIES", "2"))
"""Races in a repository that was copied from a disk; issue 18 asks for 50."""


@pytest.mark.long
@pytest.mark.parametrize(
    "kind",
    ["new", "new, both append", "append", *(f"append to copy {n}" for n in range(_COPIES))],
)
def test_two_publishers_to_one_prefix_of_s3(
    kind: str, scenes: list[Path], s3_apart: S3, publishers: races.Publishers, tmp_path: Path
) -> None:
    """One wins; the other is refused and touches nothing, or comes after it."""
    s3, prefix = s3_apart, kind.replace(", ", "-").replace(" ", "-")
    storage = icechunk.s3_storage(
        bucket=s3.bucket,
        prefix=prefix,
        endpoint_url=s3.endpoint,
        allow_http=True,
        force_path_style=True,
        **SETTINGS,
    )
    base = scenes[:2] if kind.startswith("append") else []
    if "copy" in kind:  # Icechunk saves that a disk has no conditional writes
        publish(base, tmp_path / "cube", concat="time", time="tag")
        for path in (tmp_path / "cube").rglob("*"):
            if path.is_file():
                s3.upload(path, f"{prefix}/{path.relative_to(tmp_path / 'cube').as_posix()}")
    elif base:
        publish(base, storage, concat="time", time="tag")
    runs = [
        races.Run(
            files=scenes[n : n + 1],
            to=s3.url(prefix),
            append="append" in kind,
            environment=s3.environment(),
        )
        for n in (2, 3)
    ]
    ends = publishers.meet(*runs)
    winners = [run for run, end in zip(runs, ends, strict=True) if end.state == "published"]
    assert len(winners) == 1 or (len(winners) == 2 and "append" in kind), ends
    assert {end.state for end in ends} <= {"published", "refused"}, ends
    assert all(s3.url(prefix) in end.text for end in ends if end.state == "refused")
    expected = [*base, *(path for run in winners for path in run.files)]
    assert races.same(races.values_in(storage), expected)
    assert races.commits_in(storage) == len(winners) + bool(base)


def test_containers_that_another_publisher_has_overwritten_are_saved_again(
    scenes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Icechunk replaces the whole configuration when it is saved."""
    storage = icechunk.in_memory_storage()
    stale = icechunk.Repository.create(storage)
    original = Writer.write

    def write(writer: Writer, plan: Any) -> Any:
        stale.save_config()
        return original(writer, plan)

    monkeypatch.setattr(Writer, "write", write)
    published = publish(scenes[0], storage)
    config = icechunk.Repository.fetch_config(storage)
    assert config is not None
    assert set(config.virtual_chunk_containers or {}) == set(published.containers)


# ----------------------------------------------------------------------- interruptions


def test_an_interruption_after_the_commit_says_so(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Publication, "_published", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"after the commit: .*cube has all 2 files"):
        publish(scenes[:2], tmp_path / "cube", concat="time", time="tag")
    assert races.same(races.values_at(tmp_path / "cube"), scenes[:2])


def test_an_interruption_of_which_nobody_knows_says_so(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    def gone(*_: Any, **__: Any) -> None:
        msg = "the network is down"
        raise icechunk.IcechunkError(msg)

    def then_gone(*arguments: Any) -> None:
        monkeypatch.setattr(icechunk.Repository, "open", gone)
        interrupt(*arguments)

    monkeypatch.setattr(Publication, "_published", then_gone)
    with pytest.raises(KeyboardInterrupt, match="it is not known whether the files were committed"):
        publish(scenes[:2], tmp_path / "cube")


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_branch_of_a_run_that_fails_is_removed_unless_another_has_committed(
    meanwhile: bool,
) -> None:
    repository = icechunk.Repository.create(icechunk.in_memory_storage())

    def fails() -> None:
        with _branch(repository, "new"):
            if meanwhile:
                session = repository.writable_session("new")
                zarr.create_group(session.store, path="theirs")
                session.commit("theirs")
            msg = "it fails"
            raise ValueError(msg)

    with pytest.raises(ValueError, match="it fails"):
        fails()
    assert ("new" in repository.list_branches()) is meanwhile


def test_an_interruption_says_where_what_was_read_is_kept(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "write", interrupt)
    cache = tmp_path / "cache"
    with pytest.raises(KeyboardInterrupt) as caught:
        publish(scenes[:2], tmp_path / "cube", cache=cache)
    assert f"2 of 2 files are kept in {cache}; run the same command again" in str(caught.value)
    assert not (tmp_path / "cube").exists()


# -------------------------------------------------------------------------------- cache


_RUNS = int(os.environ.get("VIRTUAL_TIFF_RUNS", "4"))
"""Runs over at most four repositories; issue 18 asks for 16."""


@pytest.mark.long
@pytest.mark.parametrize("shared", [True, False], ids=["one cache", "the user's folder"])
def test_runs_that_share_a_cache(shared: bool, scenes: list[Path], tmp_path: Path) -> None:
    """Runs at once over several repositories: all succeed, or say which is busy."""
    command = [sys.executable, "-m", "virtual_tiff", "publish", *map(str, scenes), "--append"]
    command += ["--variable-name", "0"]
    command += ["--concat", "time", "--time", "tag"]
    command += ["--cache", str(tmp_path / "cache")] if shared else []
    repositories = min(4, _RUNS // 2)
    runs = [
        subprocess.Popen(
            [*command, "--to", str(tmp_path / f"cube-{i % repositories}")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(_RUNS)
    ]
    for i, run in enumerate(runs):
        _, said = run.communicate(timeout=600)
        assert "the cache" not in said
        assert run.returncode == 0 or f"cube-{i % repositories}" in said, said
        assert "Exception" not in said
    assert sum(run.returncode == 0 for run in runs) >= repositories
    for i in range(repositories):
        assert races.same(races.values_at(tmp_path / f"cube-{i}"), scenes)


def test_a_locked_cache_is_not_used(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtual_tiff.publishing.reading.spool._PATIENCE", 0.1)
    cache = tmp_path / "cache"
    with closing(sqlite3.connect(cache, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.warns(TiffWarning, match="cache is not used .*locked") as said:
            published = publish(scenes[:2], tmp_path / "cube", concat="n", cache=cache)
    assert published.files == 2
    assert len([one for one in said if "cache" in str(one.message)]) == 1


def test_a_cache_that_is_locked_while_a_run_reads(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtual_tiff.publishing.reading.spool._PATIENCE", 0.1)
    cache = tmp_path / "cache"
    publish(scenes[0], "memory://", cache=cache)
    with closing(sqlite3.connect(cache, isolation_level=None)) as other:

        def lock(_: Any) -> None:
            if not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")

        with pytest.warns(TiffWarning, match="cache is not used .*locked"):
            found = publish(scenes[:3], "memory://", concat="n", cache=cache, progress=lock)
    np.testing.assert_array_equal(read(found), np.stack([pixels(p) for p in scenes[:3]]))


def test_a_cache_where_nothing_can_be_written(scenes: list[Path], tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no directory")
    with pytest.warns(TiffWarning, match="cache is not used"):
        published = publish(scenes[:2], "memory://", concat="n", cache=tmp_path / "home" / "cache")
    assert published.files == 2


@pytest.mark.parametrize(
    "home",
    [
        {"HOME": "/dev/null"},
        {"HOME": "/dev/null/here"},
        {"HOME": "/proc"},
        {"HOME": "relative"},
        {"HOME": "relative", "XDG_CACHE_HOME": "relative"},
        {"XDG_CACHE_HOME": "/dev/null"},
    ],
    ids=str,
)
@pytest.mark.skipif(os.name == "nt", reason="homes of Unix")
def test_without_a_home_that_can_be_written(
    home: dict[str, str], scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container with `--user`, where HOME is / or nothing: one warning, and a cube."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    with pytest.warns(TiffWarning) as warned:
        published = publish(scenes[:2], tmp_path / "cube", concat="n")
    (text,) = [str(one.message) for one in of_tiff(warned)]
    assert "an interrupted run starts again" in text
    assert "cache=False" in text
    assert published.files == 2
    assert os.listdir(tmp_path) == ["cube"]  # noqa: PTH208 (hidden files too)


@pytest.mark.long
def test_a_user_without_a_home(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        msg = "Could not determine home directory."
        raise RuntimeError(msg)

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.warns(TiffWarning, match="there is no home folder") as warned:
        publish(scenes[:2], tmp_path / "cube", concat="n")
    assert len(of_tiff(warned)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        publish(scenes[:2], tmp_path / "other", concat="n", cache=False)
        publish(scenes[:2], tmp_path / "third", concat="n", cache=tmp_path / "cache")
        publish(scenes[:2], "memory://", concat="n")


def test_a_damaged_cache_is_not_used(scenes: list[Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    publish(scenes, "memory://", cache=cache)
    with cache.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (cache.stat().st_size - 4096))
    with pytest.warns(TiffWarning, match="cache is not used"):
        published = publish(scenes[:2], "memory://", concat="n", cache=cache)
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes[:2]]))


def test_a_cache_that_is_locked_while_its_journal_is_made_is_waited_for(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For this SQLite does not wait by itself."""
    cache = tmp_path / "cache"
    with closing(sqlite3.connect(cache, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO theirs VALUES (1)")
        slept = []

        def released(seconds: float) -> None:
            slept.append(seconds)
            if other.in_transaction:
                other.execute("COMMIT")

        monkeypatch.setattr("virtual_tiff.publishing.reading.spool.time.sleep", released)
        publish(scenes[:2], tmp_path / "cube", concat="n", cache=cache)
    assert slept
    with closing(sqlite3.connect(cache)) as kept:
        assert kept.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_cache_that_is_locked_for_long_while_its_journal_is_made_is_not_used(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtual_tiff.publishing.reading.spool._PATIENCE", 0.1)
    cache = tmp_path / "cache"
    with closing(sqlite3.connect(cache, isolation_level=None)) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO theirs VALUES (1)")
        with pytest.warns(TiffWarning, match="cache is not used .*locked"):
            published = publish(scenes[:2], tmp_path / "cube", concat="n", cache=cache)
        other.execute("COMMIT")
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    assert published.files == 2
