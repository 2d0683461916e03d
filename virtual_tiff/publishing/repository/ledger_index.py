"""The index of the ledger: in which row something is, found without a look at the other rows.

An append asks a few questions of a ledger that may have millions of rows: is this url published,
has this position a file? If all rows were read for the answer, an append would cost by what is
published, and not by what is added. An index on disk, as databases have, does not fit: a chunk of
an Icechunk repository is written as a whole, and what was written before is never reclaimed until
`gc`. So a hash table, where each new entry changes another bucket, would write the whole index
anew for some hundred new files.

This is a log-structured index. An entry is a pair of numbers, key and row, where the key is a hash
of what is looked for. The entries are one array, which consists of *segments*: each is sorted by
its keys. An append adds a segment at the end, and merges it with those before it that are less
than twice as large, or lie in its chunk. Hence the sizes of the segments at least halve from one
to the next, and there are as many as the logarithm of the number of entries says; an entry is
written anew as often at most. Keys are evenly distributed, so the chunk that has a key is known
from the first guess, or nearly; one read of a chunk for each segment answers most questions. All
merging is done by SQLite in a temporary file, and needs no memory.

The row of an entry is changed in its place: to another one, or to `REMOVED`. Several rows may have
one key, and two keys may by chance be one (of ten million, one in a million such ledgers has such
a pair): the row itself tells.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

__all__ = ["REMOVED", "Entries", "LedgerIndex", "key_of"]

type Entries = NDArray[np.int64]
"""Keys and rows; shape (2, entries)."""

REMOVED = -1
"""The row of an entry whose row was removed."""

_NAME = "index"
_CHUNK = 4096
"""Entries: a chunk has at most 64 KiB, and the last one is written anew by each append."""

_LOWEST, _END = -(2**63), 2**63
"""The bounds of all keys."""


def key_of(*words: str) -> int:
    """Return the key of what some words name."""
    text = "\0".join(words).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


class LedgerIndex:
    """The index of a ledger; it is made if its group has none and can be written to."""

    def __init__(self, group: zarr.Group) -> None:
        array: Any = group.get(_NAME)
        if array is None:
            array = group.create_array(
                _NAME,
                shape=(2, 0),
                chunks=(2, _CHUNK),
                dtype="int64",
                dimension_names=["key_and_row", "entry"],
                compressors=ZstdCodec(),
                attributes={"segments": [], "rows": 0},
            )
        self._array = array
        self._segments: list[int] = list(array.attrs["segments"])
        self.rows: int = array.attrs["rows"]
        """The number of rows that are indexed."""

    def find(self, keys: Iterable[int]) -> Entries:
        """Return the entries with some keys; those of removed rows are left out."""
        blocks = [block[:, which] for _, block, which in self._search_all(keys)]
        entries = np.concatenate([np.empty((2, 0), np.int64), *blocks], axis=1)
        return entries[:, entries[1] != REMOVED]

    def change(self, entries: Mapping[tuple[int, int], int], *, rows: int) -> None:
        """Give entries, known by key and row, another row; or `REMOVED`.

        Then there are `rows` rows.
        """
        for start, block, which in self._search_all(key for key, _ in entries):
            changed = False
            for i in which.tolist():
                new = entries.get((int(block[0, i]), int(block[1, i])))
                if new is not None:
                    block[1, i], changed = new, True
            if changed:
                self._array[:, start : start + block.shape[1]] = block
        self._note(rows)

    def add(self, entries: Iterable[Entries], count: int, *, rows: int) -> None:
        """Add entries, in parts and in any order, of which `count` is the number, at least roughly.

        Then `rows` rows are indexed.
        """
        total = start = sum(self._segments)
        last_chunk = total // _CHUNK * _CHUNK
        while self._segments:
            length = self._segments[-1]
            if length >= 2 * (count + total - start) and start - length < last_chunk:
                break
            start -= self._segments.pop()
        bounds = range(start, total, _CHUNK)
        earlier = (self._array[:, a : min(a + _CHUNK, total)] for a in bounds)
        length = 0
        # the first is here when all entries are in SQLite's file: none is overwritten before
        for block in _sorted(chain(earlier, entries)):
            end = start + length + block.shape[1]
            if end > self._array.shape[1]:
                self._array.resize((2, end))
            self._array[:, start + length : end] = block
            length += block.shape[1]
        if start + length < self._array.shape[1]:
            self._array.resize((2, start + length))
        if length:
            self._segments.append(length)
        self._note(rows)

    def clear(self) -> None:
        """Remove all entries; no row is indexed then."""
        self._segments.clear()
        self._array.resize((2, 0))
        self._note(0)

    def _note(self, rows: int) -> None:
        self.rows = rows
        self._array.attrs.put({"segments": self._segments, "rows": rows})

    def _search_all(self, keys: Iterable[int]) -> Iterator[tuple[int, Entries, NDArray[np.int64]]]:
        wanted = np.unique(np.fromiter(keys, dtype=np.int64))
        start = 0
        for length in self._segments:
            yield from self._search(wanted, start, start + length, _LOWEST, _END)
            start += length

    def _search(
        self, keys: NDArray[np.int64], start: int, end: int, low: int, high: int, depth: int = 0
    ) -> Iterator[tuple[int, Entries, NDArray[np.int64]]]:
        """Search sorted keys, which lie between two bounds, in a part of a segment.

        Yield chunks that have some of them: the number of the first entry, the entries, and where
        in these the keys are. A chunk is read once, and only if a key may be in it.
        """
        if not len(keys) or start >= end:
            return
        share = 0.5  # of several with one key, which are unevenly distributed, by halves
        if depth % 4 != 3 and low < high:
            share = (int(keys[len(keys) // 2]) - low) / (high - low)
        guess = min(start + int(share * (end - start)), end - 1) // _CHUNK * _CHUNK
        first, last = max(start, guess), min(end, guess + _CHUNK)
        block: Entries = self._array[:, first:last]
        smallest, largest = int(block[0, 0]), int(block[0, -1])
        which = np.flatnonzero(np.isin(block[0], keys))
        if len(which):
            yield first, block, which
        yield from self._search(keys[keys <= smallest], start, first, low, smallest, depth + 1)
        yield from self._search(keys[keys >= largest], last, end, largest, high, depth + 1)


def _sorted(entries: Iterable[Entries]) -> Iterator[Entries]:
    """Sort entries by their keys, without those of removed rows."""
    database = sqlite3.connect("")  # a temporary file
    try:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TABLE entry (key INTEGER, row INTEGER)")
        for block in entries:
            kept = block[:, block[1] != REMOVED]
            database.executemany("INSERT INTO entry VALUES (?, ?)", kept.T.tolist())
        cursor = database.execute("SELECT key, row FROM entry ORDER BY key, row")
        while page := cursor.fetchmany(_CHUNK):
            yield np.array(page, dtype=np.int64).T
    finally:
        database.close()
