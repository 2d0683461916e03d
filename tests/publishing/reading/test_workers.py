"""Where files are read: a process pool, Dask, Lithops; the commit stays one."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import distributed
import icechunk
import numpy as np
import pytest
import zarr

from support.http import HttpServer
from support.scenes import commits, dated, pixels, read, scene
from virtual_tiff import VirtualTIFF, open_published
from virtual_tiff.publishing import Progress, PublishError, publish, publish_async
from virtual_tiff.publishing.reading import workers as parsing
from virtual_tiff.publishing.reading.record import Record
from virtual_tiff.publishing.repository import batches, references, writer
from virtual_tiff.sources.locations import Stores


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("scenes")
    return [dated(folder / f"{i:03}.tif", f"2023-01-{i + 1:02}", i) for i in range(20)]


@pytest.fixture(scope="module")
def dask_client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def not_here(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Reading a file in this process fails, and is counted; another process does not know."""
    calls: list[object] = []

    def fails(*read: object, **__: object) -> None:
        calls.append(read)
        msg = "a file was read in the process that publishes"
        raise AssertionError(msg)

    monkeypatch.setattr(parsing, "parse_one", fails)
    return calls


class Counting(ThreadPoolExecutor):
    """Threads that count what they are given, and how much of it waits at once."""

    submits = waiting = most = 0

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        self.submits += 1
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        future = super().submit(*arguments, **options)
        future.add_done_callback(self._count)
        return future

    def _count(self, _: object) -> None:
        self.waiting -= 1


def check(scenes: list[Path], parallel: Any, **options: Any) -> None:
    calls: list[Progress] = []
    published = publish(
        scenes,
        "memory://",
        concat="time",
        time="tag",
        parallel=parallel,
        progress=calls.append,
        **options,
    )
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes]))
    assert len(commits(published)) == 1
    assert (calls[-1].files, calls[-1].references) == (20, 120)


def test_threads(scenes: list[Path]) -> None:
    with Counting(2) as executor:
        check(scenes, executor)
        assert executor.submits == 1  # 20 files are one batch
        assert executor.submit(int).result() == 0  # who made it shuts it down


@pytest.mark.long
@pytest.mark.parametrize("files", [64, 65, 150])
def test_every_batch_is_read_once(
    files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An executor holds 64 batches at a time: here of one file each."""
    monkeypatch.setattr(parsing, "_BATCH", 1)
    monkeypatch.setattr(parsing, "_LARGE_BATCH", 1)
    paths = [scene(tmp_path / f"{n}.tif", n, shape=(16, 16), block=16) for n in range(files)]
    calls: list[Progress] = []
    with Counting(2) as executor:
        published = publish(
            paths, "memory://", concat="n", parallel=executor, progress=calls.append
        )
        assert executor.submits == files
        assert executor.most <= 64 + 2  # a thread says that it is done before it is counted
    assert (published.files, calls[-1].files) == (files, files)
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in paths]))


@pytest.mark.parametrize(
    ("files", "references", "most"),
    [(1024, 6, 64), (1025, 6, 64), (20_000, 6, 256), (20_000, 100, 163), (20_000, 10**5, 64)],
)
def test_large_batches_are_of_files_with_few_references(
    files: int, references: int, most: int
) -> None:
    tally = parsing.Tally(files, None)
    items: Any = iter([(n, None) for n in range(files)])
    sizes: list[int] = []
    for some in parsing._batches(items, files, tally):
        for batch in some:
            sizes.append(len(batch))
            tally.start(sum(sizes), references * sum(sizes), 0)
    assert sum(sizes) == files
    assert sizes[0] == 64  # the references of a file are not known yet
    assert max(sizes) == most
    assert max(sizes[-10:-1]) == 64  # all workers end at about the same time


def test_threads_are_of_this_process(scenes: list[Path], not_here: list[object]) -> None:
    """So the guard of the tests below does guard."""
    with Counting(1) as executor, pytest.raises(AssertionError, match="read in the process"):
        publish(scenes[:1], "memory://", concat="n", parallel=executor)
    assert len(not_here) == 1


@pytest.mark.long
@pytest.mark.usefixtures("not_here")
def test_processes(scenes: list[Path]) -> None:
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        check(scenes, executor)


def test_executor_class(scenes: list[Path]) -> None:
    with pytest.warns(DeprecationWarning, match="instantiated"):
        check(scenes, ThreadPoolExecutor)


@pytest.mark.long
@pytest.mark.usefixtures("not_here")
@pytest.mark.parametrize("how", ["name", "executor", "address"])
def test_dask_with_two_workers(scenes: list[Path], dask_client: Any, how: str) -> None:
    address = dask_client.scheduler.address
    executors = {"name": "dask", "executor": dask_client.get_executor(), "address": address}
    check(scenes, executors[how])


def test_an_address_without_a_scheduler(
    scenes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        msg = "Timed out trying to connect"
        raise OSError(msg)

    monkeypatch.setattr(distributed, "Client", refused)
    with pytest.raises(PublishError, match=r"no Dask scheduler at tcp://host:8786 \(Timed out"):
        publish(scenes[:1], "memory://", concat="n", parallel="tcp://host:8786")


@pytest.mark.long
def test_a_dask_worker_that_is_killed(
    scenes: list[Path], tmp_path: Path, dask_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads files, and then writes references, while one of two workers is killed."""
    monkeypatch.setattr(parsing, "_BATCH", 1)
    monkeypatch.setattr(batches, "MOST_OF_A_BATCH", 24)
    monkeypatch.setattr(references, "TASK", 6)
    merge, merged = references.merge_fork, []

    def kill_one() -> None:
        pids = dask_client.run(os.getpid)
        os.kill(next(iter(pids.values())), signal.SIGKILL)

    def reading(now: Progress) -> None:
        if now.files == 3:
            kill_one()

    def merging(*arguments: Any) -> None:
        merged.append(arguments)
        if len(merged) == 3:
            kill_one()
        merge(*arguments)

    monkeypatch.setattr(writer, "merge_fork", merging)
    published = publish(
        scenes, tmp_path / "cube", concat="time", time="tag", parallel="dask", progress=reading
    )
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes]))
    assert len(merged) > 3
    assert published.repository.list_branches() == {"main"}


@pytest.mark.long
def test_lithops_on_this_machine(scenes: list[Path], tmp_path: Path) -> None:
    """In a process of its own: Lithops writes into the home folder and the one of temporary files
    that it finds when it is imported, and leaves it all there.
    """
    config = tmp_path / "lithops.yaml"
    config.write_text(
        "lithops:\n  backend: localhost\n  storage: localhost\n"
        f"localhost:\n  runtime: {sys.executable}\n"
    )
    cube = tmp_path / "cube"
    script = tmp_path / "script.py"
    script.write_text(
        "from virtual_tiff import publish\n"
        f"publish({list(map(str, scenes))!r}, {str(cube)!r}, concat='time', time='tag',"
        " parallel='lithops')\n"
    )
    folders = dict.fromkeys(("HOME", "TMPDIR"), str(tmp_path))
    environment = os.environ | folders | {"LITHOPS_CONFIG_FILE": str(config)}
    subprocess.run([sys.executable, script], env=environment, check=True, capture_output=True)
    array: Any = zarr.open_group(open_published(cube), mode="r")["0"]
    np.testing.assert_array_equal(array[...], np.stack([pixels(path) for path in scenes]))


@pytest.mark.long
def test_http_stores_travel(scenes: list[Path], dask_client: Any, http_server: HttpServer) -> None:
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes]
    published = publish(urls, "memory://", concat="n", parallel="dask")
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes]))
    assert http_server.count("GET", scenes[0].name) == 1 + 6  # once, and then each chunk


def test_failures_of_workers_are_reported(scenes: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"this is no TIFF")
    with ThreadPoolExecutor(2) as executor:
        with pytest.raises(PublishError, match="1 of 3 files") as caught:
            publish([*scenes[:2], bad], "memory://", concat="n", parallel=executor)
        assert list(caught.value.failures) == [str(bad)]
        found = publish(
            [*scenes[:2], bad], "memory://", concat="n", parallel=executor, on_error="skip"
        )
    assert list(found.failures) == [str(bad)]
    assert found.files == 2


async def test_within_a_running_loop(scenes: list[Path]) -> None:
    published = await publish_async(scenes, "memory://", concat="time", time="tag")
    assert published.files == 20
    with pytest.raises(ValueError, match="conact: no such option"):
        await publish_async(scenes, "memory://", conact="time")


def test_what_files_share_is_sent_once(scenes: list[Path]) -> None:
    """Stores and texts are equal, and made anew, wherever a batch arrives."""
    reader = parsing.Reader(parser=VirtualTIFF())
    sizes = []
    for count in (1, 10, 20):
        batch = [(n, Stores({}).locate(str(path))) for n, path in enumerate(scenes[:count])]
        results = parsing.parse_batch(reader, 4, pickle.loads(pickle.dumps(batch)))
        sizes.append(len(pickle.dumps(results)))
        records = {n: record for n, record in results if isinstance(record, Record)}
        assert sorted(records) == list(range(count))
        assert len({record.template for record in records.values()}) == 1
        assert [bool(record.inline) for _, record in results].count(True) == 1
    assert sizes[2] - sizes[1] < 10 * 1000
    assert sizes[1] < 2.5 * sizes[0]
