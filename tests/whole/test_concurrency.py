"""Many at once: no deadlock, no shared state, nothing left open."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore, LocalStore, MemoryStore

from support.build import Picture, images
from support.http import HttpServer
from virtual_tiff import TiffError, VirtualTIFF

FILES = 20
THREADS = 64
TASKS = 1000


def picture(number: int) -> bytes:
    """A file that differs from all others in size and pixels; every fifth is damaged."""
    if number % 5 == 4:
        return b"II*\0" + bytes([number]) * 20
    array = np.full((10 + number, 20), number, "u1")
    return images([Picture(array, rows_per_strip=3, compression=8)] * (1 + number % 3))


@cache
def registry() -> ObjectStoreRegistry[Any]:
    memory = MemoryStore()
    for number in range(FILES):
        memory.put(f"{number}.tif", picture(number))
    return ObjectStoreRegistry({"memory://a": memory})


def outcome(found: Any) -> str:
    """What came of a file, as a text: metadata of all arrays, or the error."""
    if isinstance(found, Exception):
        return f"{type(found).__name__}: {found}"
    arrays = found.group.arrays.items()
    return json.dumps({name: [*array.shape, len(array.manifest.dict())] for name, array in arrays})


def parsed(number: int) -> str:
    try:
        return outcome(VirtualTIFF()(f"memory://a/{number % FILES}.tif", registry()))
    except TiffError as error:
        return outcome(error)


@pytest.fixture(scope="module")
def expected() -> list[str]:
    found = [parsed(number) for number in range(FILES)]
    assert len(set(found)) == FILES
    damaged = ["TruncatedError: a directory should begin" in text for text in found]
    assert damaged == [number % 5 == 4 for number in range(FILES)]
    return found


def within[T](seconds: float, work: Any) -> Any:
    """The result of a function, or a failure if it takes too long: that is a deadlock."""
    box: list[Any] = []
    thread = threading.Thread(target=lambda: box.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "a deadlock"
    return box[0]


@pytest.mark.long
def test_threads(expected: list[str]) -> None:
    def work() -> list[str]:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(parsed, range(TASKS)))

    assert within(600, work) == expected * (TASKS // FILES)


@pytest.mark.long
def test_tasks_of_one_loop(expected: list[str]) -> None:
    async def one(number: int) -> str:
        try:
            return outcome(
                await VirtualTIFF().parse(f"memory://a/{number % FILES}.tif", registry())
            )
        except TiffError as error:
            return outcome(error)

    async def work() -> list[str]:
        return await asyncio.gather(*map(one, range(TASKS)))

    assert within(600, lambda: asyncio.run(work())) == expected * (TASKS // FILES)


@pytest.mark.long
def test_many_loops_in_threads(expected: list[str]) -> None:
    urls = [f"memory://a/{number}.tif" for number in range(FILES)]

    def loop(_: int) -> list[str]:
        found = asyncio.run(VirtualTIFF().parse_many(urls, registry(), concurrency=5))
        return list(map(outcome, found))

    def work() -> list[list[str]]:
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(loop, range(32)))

    assert within(600, work) == [expected] * 32


def test_the_synchronous_call_within_a_running_loop(expected: list[str]) -> None:
    async def notebook() -> list[str]:
        return [parsed(number) for number in range(FILES)]

    assert within(600, lambda: asyncio.run(notebook())) == expected


def test_a_parser_is_shared_by_threads() -> None:
    parser = VirtualTIFF(ifd=0)

    def shape(number: int) -> tuple[int, ...]:
        return parser(f"memory://a/{number * 5}.tif", registry()).group["0"].shape

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(shape, [0, 1, 2, 3] * 50))
    assert found == [(10, 20), (15, 20), (20, 20), (25, 20)] * 50


@pytest.mark.long
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_processes(method: str, expected: list[str], tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.tif").write_bytes(picture(number))
    urls = [f"file://{tmp_path}/{number}.tif" for number in (0, 1)]
    assert [local(url) for url in urls] == expected[:2]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        found = list(pool.map(local, urls, timeout=600))
    if method == "fork":  # obstore's threads are not there: an error that says so, no deadlock
        assert all("'spawn' or 'forkserver'" in text for text in found)
    else:
        assert found == expected[:2]


@pytest.mark.long
def test_a_process_forked_before_the_first_read(tmp_path: Path) -> None:
    (tmp_path / "0.tif").write_bytes(picture(0))
    code = (
        "import multiprocessing as mp, sys; sys.path[:0] = sys.argv[2:];"
        "import test_concurrency as t; from concurrent.futures import ProcessPoolExecutor as P;"
        "p = P(1, mp_context=mp.get_context('fork'));"
        "print(p.submit(t.local, sys.argv[1]).result(600))"
    )
    arguments = [sys.executable, "-W", "ignore", "-c", code, f"file://{tmp_path}/0.tif"]
    done = subprocess.run(
        [*arguments, str(Path(__file__).parents[1]), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout.strip() == local(f"file://{tmp_path}/0.tif"), done.stderr


def local(url: str) -> str:
    """Parse a local file: run in another process."""
    try:
        return outcome(VirtualTIFF()(url, ObjectStoreRegistry({"file://": LocalStore()})))
    except OSError as error:
        return outcome(error)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts handles by /proc")
def test_sockets_and_file_handles_come_back(tmp_path: Path) -> None:
    for number in range(FILES):
        (tmp_path / f"{number}.tif").write_bytes(picture(number))
    paths = [f"{tmp_path}/{number}.tif" for number in range(FILES)]

    def use() -> None:
        with HttpServer(tmp_path) as server:
            stores = ObjectStoreRegistry({
                server.url: HTTPStore(server.url, client_options={"allow_http": True}),
                "file://": LocalStore(),
            })  # fmt: skip
            urls = [f"file://{path}" for path in paths]
            urls += [f"{server.url}/{number}.tif" for number in range(FILES)]
            found = asyncio.run(VirtualTIFF().parse_many(urls * 3, stores))
            assert list(map(type, found)).count(type(found[0])) == len(found) * 4 // 5

    use()
    before = open_files()
    for _ in range(3):
        use()
    assert open_files() <= before + 8
