"""Coroutines run to their end, some at once, and blocking calls beside them.

Ctrl-C has to act at once, also while a server does not answer. Python raises
`KeyboardInterrupt` in the main thread alone, and only between two of its own instructions: a
call that blocks in Rust (obstore's and Icechunk's synchronous methods) is not interrupted
before it returns, which may take minutes. So the main thread waits in an event loop, or for a
thread, both of which can be interrupted.

Neither wait is without end: it is renewed each half second. A signal that comes between
Python's last look at signals and the system call that waits, or that the system hands to
another thread, ends no wait; Python notices it when the main thread runs its next instruction.

The threads are daemons: those of an executor are
joined when it is shut down and when the interpreter ends, and would hold both up.

No `ExceptionGroup` leaves this module: a user reads the first cause.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress
from contextvars import copy_context
from functools import partial, wraps
from threading import Thread
from typing import Any

__all__ = [
    "await_thread",
    "check_concurrency",
    "first_cause",
    "in_parallel",
    "interruptible",
    "next_or_none",
    "run_in_thread",
    "run_to_end",
]


async def next_or_none[T](iterator: AsyncIterator[T]) -> T | None:
    """Return the next value of an asynchronous iterator; None at its end."""
    # neither outside of a coroutine nor with a default: Icechunk 2.3 ends the process for both
    try:
        return await anext(iterator)
    except StopAsyncIteration:
        return None


def run_to_end[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own, also within a running one (notebooks)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_with_grace(work))  # Ctrl-C cancels it
    return run_in_thread(work)


_GRACE = 0.1
"""Seconds that what is cancelled has to end."""
_LONGEST_WAIT = 0.5
"""Seconds that the main thread waits before it looks whether there was a signal."""


async def _with_grace[T](work: Coroutine[Any, Any, T]) -> T:
    """Await; if it is cancelled, let obstore's threads notice: at exit they would panic."""
    waking = asyncio.create_task(_wake_up())
    try:
        return await work
    except asyncio.CancelledError:
        await asyncio.sleep(_GRACE)
        raise
    finally:
        waking.cancel()


async def _wake_up() -> None:
    """Let the loop run an instruction now and then, before which Python looks at signals."""
    while True:  # noqa: ASYNC110 (a signal sets no event)
        await asyncio.sleep(_LONGEST_WAIT)


def run_in_thread[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own, beside one that may be running here."""
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def noted() -> T:
        running.append((asyncio.get_running_loop(), asyncio.current_task()))
        return await work

    result = _in_daemon(lambda: asyncio.run(noted()))
    try:
        return _result(result)
    except BaseException:
        if not result.done():  # the wait was interrupted, not the work
            for loop, task in running:
                with suppress(RuntimeError):  # it has ended meanwhile
                    loop.call_soon_threadsafe(task.cancel if task is not None else loop.stop)
        raise


def interruptible[**P, T](work: Callable[P, T]) -> Callable[P, T]:
    """Return a blocking call that Ctrl-C ends at once; what it has begun is not waited for.

    It is for calls that only read.
    """

    @wraps(work)
    def in_thread(*args: P.args, **kwargs: P.kwargs) -> T:
        return _result(_in_daemon(partial(copy_context().run, work, *args, **kwargs)))

    return in_thread


def _result[T](future: Future[T]) -> T:
    while not wait([future], _LONGEST_WAIT).done:
        pass
    return future.result()


async def await_thread[T](work: Callable[[], T]) -> T:
    """Await a blocking call in a thread that nobody waits for if this is cancelled."""
    return await asyncio.wrap_future(_in_daemon(partial(copy_context().run, work)))


def _in_daemon[T](work: Callable[[], T]) -> Future[T]:
    """Run a blocking call in a thread that does not keep the interpreter from ending."""
    result: Future[T] = Future()
    result.set_running_or_notify_cancel()  # who no longer waits for it does not stop it

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 (it is raised where the result is wanted)
            result.set_exception(error)
        else:
            result.set_result(value)

    Thread(target=run, name="virtual_tiff", daemon=True).start()
    return result


def check_concurrency(concurrency: int) -> None:
    """Refuse a number of workers that is none."""
    if not isinstance(concurrency, int) or concurrency < 1:
        msg = f"concurrency must be a positive integer, not {concurrency!r}"
        raise ValueError(msg)


async def in_parallel[T](
    items: Iterable[T], work: Callable[[T], Coroutine[Any, Any, None]], concurrency: int
) -> None:
    """Await `work` for each item, some at once, and take items as they are needed.

    If one fails, the others are cancelled and its error is raised.
    """
    queue = iter(items)  # one for all workers: each item is taken once

    async def worker() -> None:
        for item in queue:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        first = first_cause(errors)
    else:
        return
    raise first  # here, where the group is no part of its context


def first_cause(error: BaseException) -> BaseException:
    """Return the first error of a group; any other error as it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
