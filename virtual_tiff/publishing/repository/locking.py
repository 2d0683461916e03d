"""A lock beside a local repository: Icechunk's local storage has no atomic commit.

The lock is the operating system's, held by an open file: it ends with its process, however that
ends, so a lock that was left behind by `kill -9` needs no detection. The file says who holds the
lock, for the message to the next publisher, and is removed by its holder. A process that opened
the file just before it was removed has a lock of nothing: hence the comparison of inodes.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from virtual_tiff.publishing.errors import PublishError

__all__ = ["LOCK", "locked"]

LOCK = "virtual-tiff.lock"
"""The file's name within the repository: where its parent cannot be written to."""
LOCK_SUFFIX = f".{LOCK}"
"""The suffix of the file beside the repository."""

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 2**30, os.SEEK_SET)  # far after the text, which others may read
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        # not lockf: its locks are those of a process, and do not keep its threads apart
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Hold the lock of a local repository, whose directory need not exist; its parent does.

    A PublishError says that another process or thread holds it, or that the file system has no
    locks.
    """
    beside = os.access(path.parent, os.W_OK)
    where = path.with_name(path.name + LOCK_SUFFIX) if beside else path / LOCK
    file = _acquired(where, name)
    try:
        yield
    finally:
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(file)
        with suppress(OSError):
            where.unlink()
        if sys.platform != "win32":
            os.close(file)


_MOST_MISSING = 100
"""Times that the parent is made again."""


def _acquired(where: Path, name: str) -> int:
    """Return the open lock file."""
    missing = 0
    while True:
        try:
            file = os.open(where, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            # another run has failed, and removed the parent that it made; or, as in /proc, the
            # parent is there and takes no files
            missing += 1
            if isinstance(error, FileNotFoundError) and missing < _MOST_MISSING:
                where.parent.mkdir(parents=True, exist_ok=True)
                continue
            msg = f"{name}: the lock file {where} cannot be made: {error.strerror}"
            raise PublishError(msg) from error
        try:
            _lock(file)
            with suppress(FileNotFoundError):  # removed by its holder, who has just ended
                if os.path.samestat(os.fstat(file), where.stat()):
                    now = datetime.now(UTC).isoformat(timespec="seconds")
                    holder = f"process {os.getpid()} on {socket.gethostname()} since {now}\n"
                    with suppress(OSError):  # a full disk: the text is for messages alone
                        os.truncate(file, 0)
                        os.lseek(file, 0, os.SEEK_SET)
                        os.write(file, holder.encode())
                    return file
        except (BlockingIOError, PermissionError) as error:
            holder = ""
            with suppress(OSError):
                holder = where.read_text(errors="replace")[:200].partition("\n")[0].strip()
            msg = (
                f"{holder or 'another process'} is publishing to {name}; wait until it has ended,"
                " then start again with append (--append)"
            )
            os.close(file)
            raise PublishError(msg) from error
        except OSError as error:
            msg = (
                f"{name}: its file system has no locks ({error.strerror}), and two publishers"
                " at once would lose data; publish to another file system and copy the"
                " repository, or pass an icechunk.Storage if nobody else writes there"
            )
            os.close(file)
            raise PublishError(msg) from error
        except BaseException:
            os.close(file)
            raise
        os.close(file)
