"""The workers of a run: processes of this machine, Dask, Lithops, any executor of the user's.

Workers die: the system kills one for its memory, a machine is taken away, a library crashes on a
file. A run of hours must not end with one of them, and a file that kills each process which reads
it must not stop the others. So a task that was lost is done again; tasks can be repeated, as they
return their results and change nothing. The difficulty is that `ProcessPoolExecutor` does not say
which task has killed its worker: all that are under way are lost at once. Hence three tries:

1. At first many tasks are under way.
2. Those that were lost are sent again with the others, to a new pool where the old one is broken.
3. Those that were lost twice are done one at a time. What is lost then is to blame itself: its
   items are done each alone, and those that are lost again are given up, by name.

Dask repeats a lost task by itself; what it gives up goes to the third step. Lithops and Dask
without a client, as VirtualiZarr's executors call them, answer only when all tasks are done: these
get some at a time, and all of them again if one fails.

What is under way is bounded, whatever the number of tasks: `_WINDOW` batches, or fewer where the
results are large. Processes that a run starts itself end with it, also if it is killed: each waits
in a thread for the end of a pipe that only the run's process holds open.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from multiprocessing.connection import Connection
from threading import Thread
from types import TracebackType
from typing import Any, Literal, Self

import icechunk

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.sources.urls import scheme_of
from virtual_tiff.tiff import warn

__all__ = ["Engine", "Parallel"]

type Parallel = Literal[False] | str | int | type[Executor] | Executor
"""The option `parallel`. A text is `dask`, `lithops` or the address of a Dask scheduler."""

_WINDOW = 64
"""Batches that are under way at once."""
_TRIES_OF_ALL = 3
"""How often tasks are sent that can only be done together."""
_ADDRESSES = ("tcp", "tls", "ws", "wss", "ucx", "ucxx", "inproc")
"""The schemes of Dask's addresses."""


@dataclass(slots=True, eq=False)
class _Task[T]:
    number: int
    batch: Sequence[T]
    losses: int = 0
    """How often its worker died."""


class Engine:
    """The workers of one run, started when they are needed; it is closed by `with`.

    Raises
    ------
    ValueError
        If `parallel` is not one of those allowed, or False.
    """

    def __init__(self, parallel: Parallel) -> None:
        self._open = _opener(parallel)
        self._is_given = isinstance(parallel, Executor)
        self._closing = ExitStack()
        self._executor: Any = None
        self._done = 0
        """Tasks that have ended well."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = _refuse  # a thread that nobody waits for may be at work
        self._closing.__exit__(kind, error, trace)

    def results[T, R](
        self,
        function: Callable[[Sequence[T]], R],
        batches: Iterable[Sequence[T]],
        *,
        lost: Callable[[T, str], R] | None = None,
        ordered: bool = False,
        window: int = _WINDOW,
    ) -> Iterator[R]:
        """Yield what a function returns of each batch; the batches are taken as they are needed.

        The function has the same result each time, and changes nothing. `lost` makes the result of
        a single item whose workers die; None makes it a PublishError. Results come in the order of
        the batches if they are `ordered`, and `window` batches are under way at once.
        """
        if self._executor is None:
            self._executor = self._open(self._closing)
        if type(self._executor).__module__ == "virtualizarr.parallel":
            for some in batched(batches, window):
                yield from self._together(function, some)
            return
        tasks = _Tasks(iter(batches), lost, window=window)
        waiting: dict[int, R] = {}
        following = 0
        for number, result in self._each(function, tasks, waiting):
            if not ordered:
                yield result
                continue
            waiting[number] = result
            while following in waiting:
                yield waiting.pop(following)
                following += 1

    def _together[T, R](
        self, function: Callable[[Sequence[T]], R], batches: Sequence[Sequence[T]]
    ) -> list[R]:
        for left in reversed(range(_TRIES_OF_ALL)):
            try:
                return list(self._executor.map(function, batches))
            except Exception as error:
                if not (left and _is_lost(error)):
                    raise
        raise AssertionError

    def _each[T, R](
        self,
        function: Callable[[Sequence[T]], R],
        tasks: _Tasks[T, R],
        waiting: Collection[int],
    ) -> Iterator[tuple[int, R]]:
        """Yield numbers and results, in whatever order; some wait for those before them."""
        running: dict[Future[R], _Task[T]] = {}
        while True:
            while (task := tasks.next(len(running), len(waiting))) is not None:
                running[self._submitted(function, task.batch)] = task
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                try:
                    result = future.result()
                except Exception as error:
                    if not _is_lost(error):
                        raise
                    given_up = tasks.take_back(task, error, blamed=self._done > 0)
                    yield from ((task.number, each) for each in given_up)
                else:
                    self._done += 1
                    yield task.number, result

    def _submitted[T, R](
        self, function: Callable[[Sequence[T]], R], batch: Sequence[T]
    ) -> Future[R]:
        try:
            return self._submit(function, batch)
        except BrokenExecutor:  # it takes no more tasks
            self._replace_broken()
            return self._submit(function, batch)

    def _submit(self, function: Any, batch: Any) -> Future[Any]:  # noqa: ANN401 (see `_submitted`)
        # otherwise Dask takes the result of an equal task, also of one that was lost
        dask = type(self._executor).__module__ == "distributed.cfexecutor"
        options = {"pure": False} if dask else {}
        future: Future[Any] = self._executor.submit(function, batch, **options)
        return future

    def _replace_broken(self) -> None:
        if self._is_given:
            number = getattr(self._executor, "_max_workers", None) or os.cpu_count() or 1
            warn(
                f"a worker died, which breaks the executor that was given as parallel: this run"
                f" goes on with {number} processes of its own"
            )
            self._open, self._is_given = partial(_processes, number), False
        self._closing.close()
        self._executor = self._open(self._closing)


@dataclass(slots=True)
class _Tasks[T, R]:
    """The batches that are to be done: new ones, and those whose workers died."""

    batches: Iterator[Sequence[T]]
    lost: Callable[[T, str], R] | None
    window: int
    _number: int = 0
    _again: deque[_Task[T]] = field(default_factory=deque)
    _alone: bool = False
    """Whether nothing else is sent beside the last task."""

    def next(self, running: int, waiting: int) -> _Task[T] | None:
        """Return the task to be sent now, if there is one."""
        if running and self._alone:
            return None
        self._alone = bool(self._again) and self._again[0].losses > 1
        if self._again:
            return None if running and self._alone else self._again.popleft()
        if running + waiting >= self.window:
            return None
        batch = next(self.batches, None)
        if batch is None:
            return None
        self._number += 1
        return _Task(self._number - 1, batch)

    def take_back(self, task: _Task[T], error: Exception, *, blamed: bool) -> list[R]:
        """Send a lost task again, or return the results of what is given up.

        Nothing is `blamed` as long as no worker has ended any task.
        """
        was_alone = task.losses > 1
        task.losses += 2 if type(error).__name__ == "KilledWorker" else 1
        if not was_alone:  # those that are done alone wait for the others
            (self._again.append if task.losses > 1 else self._again.appendleft)(task)
            return []
        reason = f"its worker died {task.losses} times ({_text(error)})"
        if self.lost is None or not blamed:
            msg = f"a task was given up: {reason}; {_REMEDY}"
            raise PublishError(msg) from error
        if len(task.batch) == 1:
            return [self.lost(task.batch[0], reason)]
        self._again.extend(_Task(task.number, [item], task.losses) for item in task.batch)
        return []


_REMEDY = (
    "perhaps for lack of memory: take fewer workers, or lower concurrency; a script that publishes"
    " with processes must do so below `if __name__ == '__main__':`"
)


def _is_lost(error: Exception) -> bool:
    """Whether an error says that a task had no end, and not how it ended."""
    if isinstance(error, BrokenExecutor | CancelledError | ConnectionError):
        return True
    return type(error).__module__.partition(".")[0] in ("distributed", "lithops")


def _text(error: Exception) -> str:
    return str(error).partition("\n")[0].strip() or type(error).__name__


# ---------------------------------------------------------------------------- executors

type _Opener = Callable[[ExitStack], Any]
"""Makes an executor, and notes how it is closed."""


def _refuse(_: ExitStack) -> Any:  # noqa: ANN401 (see `_Opener`)
    msg = "the run has ended"
    raise RuntimeError(msg)


def _opener(parallel: Parallel) -> _Opener:
    """Return the function that makes the executor that a user names."""
    if isinstance(parallel, int) and not isinstance(parallel, bool) and parallel > 0:
        return partial(_processes, parallel)
    if isinstance(parallel, str) and scheme_of(parallel) in _ADDRESSES:
        return partial(_scheduler, parallel)
    from virtualizarr.parallel import get_executor  # noqa: PLC0415 (loads much)

    known: Any = "" if parallel is False else parallel  # the executor of VirtualiZarr is no engine
    try:
        executor: Any = get_executor(known)
    except ValueError as error:
        msg = (
            "parallel must be False, a number of processes, 'dask', the address of a Dask"
            " scheduler, 'lithops', an executor of concurrent.futures or its class, not"
            f" {parallel!r}"
        )
        raise ValueError(msg) from error
    if isinstance(executor, Executor):  # a user who gives an executor shuts it down
        return lambda _: executor
    if parallel == "dask":
        return lambda closing: _executor_of_client() or closing.enter_context(executor())
    return lambda closing: closing.enter_context(executor())


def _dask() -> Any:  # noqa: ANN401 (a module without types)
    return importlib.import_module("distributed")


def _scheduler(address: str, closing: ExitStack) -> Any:  # noqa: ANN401 (of Dask)
    try:
        client = closing.enter_context(_dask().Client(address, set_as_default=False))
    except ImportError as error:
        msg = f"{address}: Dask is not installed here; install distributed"
        raise PublishError(msg) from error
    except (OSError, TimeoutError, ValueError) as error:
        msg = f"there is no Dask scheduler at {address} ({_text(error)})"
        raise PublishError(msg) from error
    return client.get_executor()


def _executor_of_client() -> Any:  # noqa: ANN401 (of Dask)
    """Return an executor of the Dask client of this process; None without one."""
    with suppress(ImportError, ValueError):
        return _dask().default_client().get_executor()
    return None


def _processes(number: int, closing: ExitStack) -> Executor:
    """Start a pool whose processes end when this one does, however that ends."""
    # after a plain fork the threads of obstore and Icechunk are missing
    method = {"forkserver", "spawn"} & set(multiprocessing.get_all_start_methods())
    context: Any = multiprocessing.get_context(min(method))
    watched, held = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(
        number, mp_context=context, initializer=_begin, initargs=(watched,)
    )

    def end(kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            executor.shutdown()
        held.close()  # now they end, whatever they do
        watched.close()
        executor.shutdown(wait=False, cancel_futures=True)

    closing.push(end)
    return executor


def _begin(watched: Connection) -> None:
    """Begin a worker: it ends with the process that has started it, and not by Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    icechunk.set_logs_filter("error")  # each says the same of a local disk

    def end_with_it() -> None:
        with suppress(OSError, EOFError):
            watched.recv_bytes()
        os._exit(1)

    Thread(target=end_with_it, daemon=True).start()
