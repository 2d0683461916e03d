"""The workers of a run: those that die, those of a run that is killed, those of a broken pool."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any

import pytest

from support import dying_workers
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.engines import Engine
from virtual_tiff.tiff import TiffWarning


def lost(number: int, reason: str) -> list[Any]:
    return [(number, reason)]


class Dying(Executor):
    """Does tasks at once; those with the number 13 break it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def submit(self, function: Any, /, batch: Any, **_: Any) -> Future[Any]:  # type: ignore[override]
        self.sent.append(batch)
        future: Future[Any] = Future()
        if 13 in batch:
            future.set_exception(BrokenExecutor("a process died"))
        else:
            future.set_result(function(batch))
        return future


def test_an_item_of_which_workers_die_is_given_up_alone() -> None:
    executor = Dying()
    with Engine(executor) as engine:
        results = list(engine.results(dying_workers.squares, batched(range(20), 5), lost=lost))
    found = sorted(each for some in results for each in some if not isinstance(each, tuple))
    given_up = [each for some in results for each in some if isinstance(each, tuple)]
    assert found == [number**2 for number in range(20) if number != 13]
    assert [number for number, _ in given_up] == [13]
    assert "its worker died 4 times (a process died)" in given_up[0][1]
    assert executor.sent.count((10, 11, 12, 13, 14)) == 3
    assert [batch for batch in executor.sent if len(batch) == 1] == [[n] for n in range(10, 15)]


def test_results_in_order() -> None:
    flag: list[int] = []

    class Late(Dying):
        def submit(self, function: Any, /, batch: Any, **options: Any) -> Future[Any]:  # type: ignore[override]
            if batch == (0, 1) and not flag:
                flag.append(1)
                return super().submit(function, (13,))
            return super().submit(function, batch)

    with Engine(Late()) as engine:
        batches = batched([n for n in range(40) if n != 13], 2)
        results = engine.results(dying_workers.squares, batches, ordered=True, window=3)
        found = [square for some in results for square in some]
    assert found == [n**2 for n in range(40) if n != 13]


def test_workers_that_never_end_a_task_are_an_error() -> None:
    with (
        Engine(Dying()) as engine,
        pytest.raises(PublishError, match=r"its worker died 3 times .*__main__"),
    ):
        list(engine.results(dying_workers.squares, [(13,)], lost=lost))


@pytest.mark.parametrize("parallel", [0, -1, True, 1.5, "spark", "https://host", None, ""])
def test_other_values_are_refused(parallel: Any) -> None:
    with pytest.raises(ValueError, match="parallel must be False, a number of processes"):
        Engine(parallel)


@pytest.mark.long
def test_processes_that_die_are_replaced(tmp_path: Path) -> None:
    with Engine(2) as engine:
        work = partial(dying_workers.squares_at_second_try, tmp_path / "flag")
        results = list(engine.results(work, batched(range(40), 4)))
        given_up = engine.results(dying_workers.squares, batched(range(40), 4), lost=lost)
        names = [each for some in given_up for each in some if isinstance(each, tuple)]
    assert sorted(square for some in results for square in some) == [n**2 for n in range(40)]
    assert [number for number, _ in names] == [13]


@pytest.mark.long
def test_a_broken_pool_of_the_user_is_replaced(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    work = partial(dying_workers.squares_at_second_try, tmp_path / "flag")
    with (
        ProcessPoolExecutor(1, mp_context=context) as executor,
        Engine(executor) as engine,
        pytest.warns(TiffWarning, match="goes on with 1 processes of its own"),
    ):
        results = list(engine.results(work, batched(range(20), 4)))
    assert sorted(square for some in results for square in some) == [n**2 for n in range(20)]


_RUN = """
import sys, time
sys.path[:0] = sys.argv[1:]
if __name__ == "__main__":
    from support.dying_workers import process_id
    from virtual_tiff.publishing.engines import Engine
    with Engine(1) as engine:
        print(*engine.results(process_id, [[0]]), flush=True)
        time.sleep(600)
"""


@pytest.mark.long
def test_processes_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(_RUN)
    command = [sys.executable, str(script), str(Path(__file__).parents[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        worker = int(run.stdout.readline())
        run.kill()
    until = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    alive = Path(f"/proc/{worker}").exists()
    if alive:
        os.kill(worker, signal.SIGKILL)
    assert not alive
