"""A file of this machine as a source, with the standard library alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from .source import ByteRange, SourceState

__all__ = ["FileSource"]


class FileSource:
    """A local file, opened for each batch of reads and closed after it.

    The reads block: those of a local file take less time than to hand them to a thread. So its
    coroutines never suspend, and a reader of it needs no event loop; a program that has one
    and reads from slow disks runs the whole read in a thread, as in
    `asyncio.to_thread(asyncio.run, read_tiff(FileSource(path)))`.

    Parameters
    ----------
    path
        Where the file is.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._first: os.stat_result | None = None

    @property
    def state(self) -> SourceState | None:
        """Size and time of change; None until the first read. Files have no ETag."""
        if self._first is None:
            return None
        changed = datetime.fromtimestamp(self._first.st_mtime, UTC)
        return SourceState(size=self._first.st_size, last_modified=changed)

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """See `ByteSource.read_ranges`.

        Raises
        ------
        OSError
            If the file cannot be read, or is another one than at the first read.
        """
        with self._path.open("rb") as file:
            now = os.fstat(file.fileno())
            self._first = self._first or now
            if _identity(now) != _identity(self._first):
                msg = f"{self._path}: the file was changed while it was read"
                raise OSError(msg)
            # no range of a file makes more bytes than the file has
            size = now.st_size
            buffers = []
            for start, end in ranges:
                file.seek(start)
                buffers.append(memoryview(file.read(max(0, min(end, size) - start))))
            return buffers


def _identity(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
