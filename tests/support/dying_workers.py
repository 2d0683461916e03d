"""Tasks whose workers die: functions that other processes import."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def squares(numbers: Sequence[int]) -> list[int]:
    """Return the squares; the worker dies of the number 13."""
    if 13 in numbers:
        os._exit(9)
    return [number**2 for number in numbers]


def squares_at_second_try(flag: Path, numbers: Sequence[int]) -> list[int]:
    """Return the squares; the first worker that gets the number 13 dies."""
    if 13 in numbers and not flag.exists():
        flag.touch()
        os._exit(9)
    return [number**2 for number in numbers]


def process_id(_: Sequence[int]) -> int:
    """Return the number of the worker's process."""
    return os.getpid()
