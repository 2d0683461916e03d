"""Bounds on time that hold on a slow machine, too: seconds beside those of known work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["soon"]


@contextmanager
def soon(seconds: float, *, known: float = 0.015) -> Iterator[None]:
    """Hold what is done within to some seconds of processor time.

    They are those of a machine that does the known work in `known` seconds. One that is slow,
    busy or traces what runs takes longer for it as well, and the bound grows with it.
    """
    before = _known_work()
    begin = time.process_time()
    yield
    took = time.process_time() - begin
    slowness = max(1.0, before / known, _known_work() / known)
    assert took < seconds * slowness, f"{took:.1f} s, by a machine {slowness:.1f} times slower"


def _known_work() -> float:
    begin = time.process_time()
    for number in range(30_000):
        bytes([number % 256, len(str(number)) % 256])
    return time.process_time() - begin
