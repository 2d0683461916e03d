"""A process that was forked after obstore had read would wait for ever: raise an error instead.

obstore's threads belong to the process that started them. The child of a fork has the locks that
they are waited for with, but none of the threads; its first read never returns. Children that are
spawned, or forked before the first read, can read.
"""

from __future__ import annotations

import os

__all__ = ["check_process"]


class _State:
    used = False
    broken = False


def _after_fork() -> None:
    _State.broken = _State.used


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)


def check_process(store: object) -> None:
    """Raise an OSError where a read of obstore would never return; call it before each."""
    if not type(store).__module__.startswith("obstore"):
        return
    if _State.broken:
        msg = (
            "this process was forked after its parent's first read, and obstore cannot read in "
            "it; start processes by multiprocessing's 'spawn' or 'forkserver'"
        )
        raise OSError(msg)
    _State.used = True
