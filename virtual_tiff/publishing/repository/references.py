"""The references of files, written into a session: of this process, or of a worker's fork of it.

Icechunk's session takes some 3 microseconds a reference to set it, and its commit as many. Workers
set references in forks, which return as bytes and are merged here; this process commits. That was
measured against commits by the workers themselves, to the same branch: there each commit that is
overtaken by another is done again, with all its manifests, and two workers already did so at every
second one.

A fork is of the commit that has the arrays, and can be merged into a session of any later commit
of the branch. So workers go on while this process commits, and a fork that is lost with its worker
is made again. Through the scheduler go the files' states and byte ranges, 16 bytes a reference and
some 300 a file, and back some 110 bytes a reference; a task has `TASK` references, or one file.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import prod

import icechunk
import numpy as np
from numpy.typing import NDArray

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import FileBlocks, Members, Part
from virtual_tiff.publishing.reading.record import Template, unpacked_blocks
from virtual_tiff.publishing.reading.spool import Spool
from virtual_tiff.publishing.repository.checksums import checksum_of
from virtual_tiff.publishing.repository.keys import write_keys
from virtual_tiff.sources.object_source import first_line

__all__ = [
    "TASK",
    "Counts",
    "FileReferences",
    "counted_references",
    "file_references",
    "fork_of",
    "merge_fork",
    "write_in_fork",
    "write_references",
]

TASK = 8192
"""References that a worker is sent at once."""

type Counts = dict[str, NDArray[np.int64]]
"""By path of an array: references, copied blocks, and bytes of these."""


@dataclass(frozen=True, slots=True)
class FileReferences:
    """The references of one file, and their places."""

    url: str
    checksum: str | datetime | None
    template: Template
    references: bytes
    """Offsets and byte counts, as the template unpacks them."""
    copied: bytes
    """Blocks that are copied into the repository, packed."""
    paths: Mapping[str, str]
    """By path in the file: the array of the repository."""
    place: tuple[int, ...]
    """Along the new dimensions."""
    blocks: Mapping[str, FileBlocks] | None
    """By path in the file: the pieces that are chunks; None if all blocks are."""

    @property
    def count(self) -> int:
        """Return the number of blocks, those without bytes too."""
        return len(self.references) // 16


def file_references(
    members: Members, order: Sequence[int], spool: Spool
) -> Iterator[FileReferences]:
    """Yield the references of files by their places among the members."""
    rows = spool.rows(members.numbers[order].tolist(), references=True)
    for i, row in zip(order, rows, strict=True):
        blocks = None
        if members.blocks is not None:
            blocks = {path: _pieces(of_all, i) for path, of_all in members.blocks.items()}
        yield FileReferences(
            url=row.url,
            checksum=checksum_of(row.url, row.state),
            template=spool.template(row.template),
            references=row.references,
            copied=row.blocks,
            paths=members.paths,
            place=() if members.positions is None else tuple(members.positions[i].tolist()),
            blocks=blocks,
        )


def _pieces(where: FileBlocks, i: int) -> FileBlocks:
    of_file = slice(*np.searchsorted(where.files, [i, i + 1]).tolist())
    return FileBlocks(*(column[of_file] for column in where))


# ------------------------------------------------------------------------------- workers


def fork_of(session: icechunk.Session) -> bytes:
    """Return a fork of a session whose arrays are committed, as workers are sent it."""
    return pickle.dumps(session.fork())


def write_in_fork(fork: bytes, files: Sequence[FileReferences]) -> tuple[bytes, Counts] | str:
    """Write the references of files into a fork, and return it, wherever this runs.

    A text says why that cannot be done, as where the repository is on a disk of another machine.
    """
    session = pickle.loads(fork)  # noqa: S301 (it is the publisher's)
    try:
        counts = write_references(session.store, files)
    except icechunk.IcechunkError as error:
        return first_line(error)
    return pickle.dumps(session), counts


def merge_fork(session: icechunk.Session, fork: bytes) -> None:
    """Take what a worker has written into a session."""
    session.merge(pickle.loads(fork))  # noqa: S301 (of a worker that the user trusts)


# --------------------------------------------------------------------------------- write


def counted_references(part: Part, spool: Spool) -> Counts:
    """Return what `write_references` would write of a part, and write nothing."""
    files = (
        file
        for members in part.members
        for file in file_references(members, range(len(members.numbers)), spool)
    )
    return write_references(None, files)


def write_references(
    store: icechunk.IcechunkStore | None, files: Iterable[FileReferences]
) -> Counts:
    """Write the references of files, and the blocks of them that are copied.

    Without a store they are only counted.
    """
    totals: Counts = {}
    for file in files:
        copied = unpacked_blocks(file.copied)
        for path, grid, offsets, lengths in file.template.references(file.references):
            to = file.paths.get(path)
            if to is None:
                continue
            counts = totals.setdefault(to, np.zeros(3, np.int64))
            for block in _chunks(file, path, to, grid, offsets, lengths):
                counts[0] += _refer(store, block, file.url, file.checksum)
                copies = {block.key_of_block(c.chunk): c.data for c in copied if c.path == path}
                shown = {key: data for key, data in copies.items() if key is not None}
                if shown:
                    if store is not None:
                        write_keys(store, shown)
                    counts[1:] += (len(shown), sum(map(len, shown.values())))
    return totals


@dataclass(frozen=True, slots=True)
class _Block:
    """The chunks of one array of one file."""

    path: str
    """The path of the array in the repository."""
    grid: tuple[int, ...]
    origin: tuple[int, ...]
    """The first of them in the repository's array."""
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64]
    numbers: NDArray[np.int64] | None = None
    """The numbers of these blocks in the file, in C order; None if they are all of them."""

    def key(self, chunk: int) -> str:
        """Return the key of a chunk, by its number in C order."""
        index = np.array(np.unravel_index(chunk, self.grid), dtype=np.int64) + self.origin
        return "/".join(map(str, (self.path, "c", *index.tolist())))

    def key_of_block(self, number: int) -> str | None:
        """Return the key of a block by its number in the file; None if it is not shown."""
        if self.numbers is None:
            return self.key(number)
        at = np.flatnonzero(self.numbers == number)
        return self.key(int(at[0])) if len(at) else None


def _chunks(
    file: FileReferences,
    path: str,
    to: str,
    grid: tuple[int, ...],
    offsets: NDArray[np.uint64],
    lengths: NDArray[np.uint64],
) -> Iterator[_Block]:
    """Yield those blocks of a file that are chunks of the whole, piece by piece."""
    new = (1,) * len(file.place)
    if file.blocks is None:
        yield _Block(to, (*new, *grid), (*file.place, *[0] * len(grid)), offsets, lengths)
        return
    in_file = np.arange(prod(grid), dtype=np.int64).reshape(grid)
    where = file.blocks[path]
    for piece in range(len(where.files)):
        counts = where.counts[piece].tolist()
        some = tuple(
            slice(first, first + count)
            for first, count in zip(where.first[piece].tolist(), counts, strict=True)
        )
        kept = in_file[some].reshape(-1)
        origin = (*file.place, *where.origins[piece].tolist())
        yield _Block(to, (*new, *counts), origin, offsets[kept], lengths[kept], kept)


def _refer(
    store: icechunk.IcechunkStore | None, block: _Block, url: str, checksum: str | datetime | None
) -> int:
    """Write the references of one array of one file; return how many there are."""
    count = int(np.count_nonzero(block.lengths))
    if not count or store is None:
        return count
    whole = count == len(block.lengths)
    refused = store.set_virtual_refs_arr(
        block.path,
        block.grid,
        [url] * count if whole else [url if n else "" for n in block.lengths.tolist()],
        block.offsets,
        block.lengths,
        arr_offset=block.origin,
        checksum=checksum,
    )
    if refused:
        msg = f"{url}: Icechunk has no container for it"
        raise PublishError(msg)
    return count
