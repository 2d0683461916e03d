"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["by", "counted", "human_size", "listed"]


def human_size(nbytes: int) -> str:
    """Return a number of bytes in decimal units: `9.8 kB`."""
    if nbytes < 1000:
        return counted(nbytes, "byte")
    units = ["TB", "GB", "MB", "kB"]
    size = nbytes / 1000
    while size >= 999.95 and len(units) > 1:  # it would be shown as 1000.0
        size /= 1000
        units.pop()
    return f"{size:,.1f} {units[-1]}"


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural where there is not one."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def by(numbers: Sequence[int]) -> str:
    """Return lengths as `3 x 40 x 60`."""
    return " x ".join(map(str, numbers))


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names with commas between them, and how many more there are."""
    shown = ", ".join(names[:most])
    left = len(names) - most
    return shown if left <= 0 else f"{shown} and {left:,} more"
