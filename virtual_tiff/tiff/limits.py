"""How much a file may ask for.

Each limit has a name, a default that real files stay below, and an error that
names it. A count that the file states is checked against the file's own size as
well, so a limit only decides about files that are really that large.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from .errors import LimitError

__all__ = ["Limits"]

_MOST_DEPTH = 100
"""The tree of SubIFDs is walked by recursion, and Python's own limit is 1000 calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what one file may cost; lift one with `Limits(name=value)`.

    All values are inclusive maxima and must be positive integers.
    """

    directories: int = 100_000
    """Directories (IFDs and SubIFDs) in one file."""

    entries: int = 4_096
    """Entries in one directory. The largest known writer (DNG) stays below 200."""

    value_bytes: int = 2**31
    """Bytes of out-of-line values in one file: 2 GiB hold the offsets and counts of
    134 million BigTIFF tiles."""

    subifd_depth: int = 8
    """Nesting of SubIFDs (tag 330); at most 100, where no file can mean anything."""

    missing_blocks: int = 1_000_000
    """Blocks that a too short StripOffsets or TileOffsets may leave out (they read
    as missing). libtiff's LIBTIFF_STRILE_ARRAY_MAX_RESIZE_COUNT."""

    blocks: int = 2**28
    """Strips or tiles of one image."""

    block_bytes: int = 2**31
    """Bytes of one decoded block."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                msg = f"Limits({field.name}=…) must be a positive integer, not {value!r}"
                raise ValueError(msg)
        if self.subifd_depth > _MOST_DEPTH:
            msg = f"Limits(subifd_depth=…) can be {_MOST_DEPTH} at most, not {self.subifd_depth}"
            raise ValueError(msg)

    def check(self, name: str, value: int, what: str, *, ifd: str | None = None) -> None:
        """Raise `LimitError` if `value` is above the limit called `name`."""
        limit = getattr(self, name)
        if value > limit:
            msg = f"{what}: {value:,} is above the limit {name}={limit:,}; "
            raise LimitError(msg + f"if the file is sound, pass Limits({name}={value})", ifd=ifd)
