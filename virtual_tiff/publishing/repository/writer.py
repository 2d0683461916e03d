"""Writes a plan into a session, and reads the arrays back before the commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched, chain
from math import prod
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import ZstdCodec
from zarr.core.sync import sync

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import (
    Column,
    FileBlocks,
    Integers,
    Members,
    Part,
    Plan,
    document,
    parents,
)
from virtual_tiff.publishing.reading.record import unpacked_blocks
from virtual_tiff.publishing.reading.spool import LedgerRow, Spool
from virtual_tiff.publishing.repository import batches
from virtual_tiff.publishing.repository.batches import Batches
from virtual_tiff.publishing.repository.checksums import checksum_of
from virtual_tiff.publishing.repository.keys import key_of_node, write_keys
from virtual_tiff.publishing.repository.ledger import LedgerRows
from virtual_tiff.publishing.repository.records import RecordRows
from virtual_tiff.publishing.result import PublishedArray
from virtual_tiff.sources.object_source import first_line

__all__ = ["Writer", "Written", "read_back"]

_TOGETHER = 64
"""Parts whose metadata are written at once."""
_COLUMN_CHUNK = 16384
"""Values a chunk of a coordinate: appending writes the last one anew."""


@dataclass(slots=True)
class Written:
    """The groups and arrays that were written."""

    arrays: dict[str, PublishedArray] = field(default_factory=dict)
    coordinates: dict[str, PublishedArray] = field(default_factory=dict)
    codecs: set[str] = field(default_factory=set)
    """Names of those that the arrays need."""
    groups: set[str] = field(default_factory=set)
    rectilinear: bool = False
    """Whether an array has chunks of several lengths."""
    unknown: int = 0
    """Number of sources whose changes no reader will notice."""
    example_unknown: str = ""
    """The url of one of them."""


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


def _shown_blocks(
    path: str,
    grid: tuple[int, ...],
    place: tuple[int, ...],
    numbers: Sequence[NDArray[np.uint64]],
    where: FileBlocks,
    i: int,
) -> Iterator[_Block]:
    """Yield those blocks of a file that are chunks of the whole, piece by piece."""
    in_file = np.arange(prod(grid), dtype=np.int64).reshape(grid)
    new = (1,) * len(place)
    for piece in range(*np.searchsorted(where.files, [i, i + 1]).tolist()):
        counts = where.counts[piece].tolist()
        some = tuple(
            slice(first, first + count)
            for first, count in zip(where.first[piece].tolist(), counts, strict=True)
        )
        kept = in_file[some].reshape(-1)
        offsets, lengths = (each[kept] for each in numbers)
        origin = (*place, *where.origins[piece].tolist())
        yield _Block(path, (*new, *counts), origin, offsets, lengths, kept)


class Writer:
    """Writes a plan into the sessions of a run, the last of which somebody commits.

    Parameters
    ----------
    sessions
        The sessions.
    spool
        That has the files.
    ledger
        That gets a row for each.
    earlier
        By item: where files are published that were read again.
    records
        That gets the record of each; None if they are not kept.
    """

    def __init__(
        self,
        sessions: Batches,
        spool: Spool,
        ledger: LedgerRows,
        earlier: Mapping[int, LedgerRow],
        records: RecordRows | None = None,
    ) -> None:
        self._batches = sessions
        self._spool = spool
        self._ledger = ledger
        self._earlier = earlier
        self._waiting = 0
        """References of this batch."""
        self._records = records
        self.written = Written()

    @property
    def _store(self) -> icechunk.IcechunkStore:
        return self._batches.store

    def write(self, plan: Plan) -> Written:
        """Write all parts."""
        for parts in batched(plan.parts, _TOGETHER):
            documents = dict(chain.from_iterable(map(self._documents, parts)))
            write_keys(self._store, documents)
            for part in parts:
                for path in part.removed:
                    sync(self._store.delete_dir(path))
                for column in part.columns:
                    self._write_column(column)
                for members in part.members:
                    steps = _manifest_rows(members, part.arrays, plan.splits)
                    self._write_members(members, steps)
        self._try_codecs()
        return self.written

    def _end_full_batch(self, *, between: bool) -> None:
        """End the batch if it has many references, where no manifest is cut if that can be."""
        most = batches.MOST_OF_A_BATCH
        if self._batches.several and self._waiting > (0.75 * most if between else 1.5 * most):
            self._batches.end_batch()
            self._ledger.move_to(self._store)
            if self._records is not None:
                self._records.move_to(self._store)
            self._waiting = 0

    # ---------------------------------------------------------------------------- nodes

    def _documents(self, part: Part) -> Iterator[tuple[str, bytes]]:
        groups: dict[str, JSON] = {}
        for path, attributes in part.groups.items():
            for above in parents(path):
                if above not in self.written.groups:
                    groups.setdefault(above, part.groups.get(above, {}))
            groups[path] = dict(attributes)
        for path, attributes in groups.items():
            self.written.groups.add(path)
            group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
            yield key_of_node(path), document(group)
        for path, metadata in part.arrays.items():
            yield key_of_node(path), document(metadata)
            stacked = any(members.positions is not None for members in part.members)
            self._note(self.written.arrays, path, metadata, stacked=stacked)
        for path, (metadata, data) in part.inline.items():
            yield key_of_node(path), document(metadata)
            zeros = "/0" * len(metadata["shape"])
            yield f"{path}/c{zeros}", data
            self._note(self.written.coordinates, path, metadata)

    def _note(
        self,
        arrays: dict[str, PublishedArray],
        path: str,
        metadata: JSON,
        *,
        stacked: bool = False,
    ) -> None:
        self.written.rectilinear |= metadata["chunk_grid"]["name"] == "rectilinear"
        self.written.codecs |= {codec["name"] for codec in metadata["codecs"]}
        arrays[path] = PublishedArray(
            path=path,
            shape=tuple(metadata["shape"]),
            dimensions=tuple(metadata["dimension_names"]),
            data_type=str(metadata["data_type"]),
            references=0,
            stacked=stacked,
        )

    def _write_column(self, column: Column) -> None:
        self.written.coordinates[column.path] = column.array
        dtype: Any = str if column.data_type == "string" else column.data_type
        values: Any = column.values
        if column.data_type == "string":
            values = np.array(column.values, dtype=np.dtypes.StringDType())
        group = zarr.open_group(self._store, mode="r+")
        array: Any = group.get(column.path)
        if array is None or array.dtype != np.asarray(values).dtype:
            array = group.create_array(
                column.path,
                shape=(len(values),),
                chunks=(_COLUMN_CHUNK,),
                dtype=dtype,
                dimension_names=[column.dimension],
                attributes=column.attributes,
                compressors=ZstdCodec(),
                fill_value=float("nan") if column.data_type == "float64" else None,
                overwrite=array is not None,
            )
            array[:] = np.asarray(values)
            return
        array.resize((len(values),))
        if column.changed < len(values):
            array[column.changed :] = np.asarray(values)[column.changed :]

    # ----------------------------------------------------------------------- references

    def _write_members(self, members: Members, steps: Integers) -> None:
        """Write the references of all files, manifest by manifest; and then their rows, in order.

        `steps` numbers the manifests that each file writes to, ascending as they are written.
        """
        totals = {path: np.zeros(3, np.int64) for path in members.paths.values()}
        order = np.argsort(steps, kind="stable")
        last = -1
        for i, step in zip(order.tolist(), steps[order].tolist(), strict=True):
            self._end_full_batch(between=step != last)
            last = step
            self._write_file(members, i, totals)
        for i, n in enumerate(members.numbers.tolist()):
            before = self._earlier.get(n)
            self._ledger.add(
                self._spool.row(n, references=False),
                members.group,
                members.variable,
                None if members.coordinates is None else members.coordinates[i],
                None if before is None else before.number,
            )
            if self._records is not None:
                self._records.add(n, members.group)
        for path, counts in totals.items():
            array = self.written.arrays[path]
            references, inlined, inlined_bytes = counts.tolist()
            self.written.arrays[path] = replace(
                array,
                references=array.references + references,
                inlined=array.inlined + inlined,
                inlined_bytes=array.inlined_bytes + inlined_bytes,
            )

    def _write_file(
        self, members: Members, i: int, totals: Mapping[str, NDArray[np.int64]]
    ) -> None:
        row = self._spool.row(int(members.numbers[i]))
        place = () if members.positions is None else tuple(members.positions[i].tolist())
        checksum = checksum_of(row.url, row.state)
        if checksum is None:
            self.written.unknown += 1
            self.written.example_unknown = self.written.example_unknown or row.url
        copied = unpacked_blocks(row.blocks)
        template = self._spool.template(row.template)
        for path, grid, offsets, lengths in template.references(row.references):
            to = members.paths.get(path)
            if to is None:
                continue
            pieces: Iterable[_Block] = [
                _Block(to, (*[1] * len(place), *grid), (*place, *[0] * len(grid)), offsets, lengths)
            ]
            if members.blocks is not None:
                where = members.blocks[path]
                pieces = _shown_blocks(to, grid, place, (offsets, lengths), where, i)
            for block in pieces:
                references = self._refer(block, row.url, checksum)
                self._waiting += references
                copies = {block.key_of_block(c.chunk): c.data for c in copied if c.path == path}
                shown = {key: data for key, data in copies.items() if key is not None}
                if shown:
                    write_keys(self._store, shown)
                totals[to] += (references, len(shown), sum(map(len, shown.values())))

    def _refer(self, block: _Block, url: str, checksum: str | datetime | None) -> int:
        """Write the references of one array of one file; return how many there are."""
        count = int(np.count_nonzero(block.lengths))
        if not count:
            return 0
        whole = count == len(block.lengths)
        refused = self._store.set_virtual_refs_arr(
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

    def _try_codecs(self) -> None:
        """Read a chunk of each stacked array whose codecs are ours and know the chunk's shape.

        Others reshape what they decode, and take a further dimension of length 1 as it is.
        """
        if not any(name.startswith("virtual_tiff.") for name in self.written.codecs):
            return
        group = zarr.open_group(self._store, mode="r")
        for path, written in self.written.arrays.items():
            if not written.stacked:
                continue
            array: Any = group[path]
            codecs = array.metadata.codecs
            ours = [c for c in codecs if type(c).__module__.startswith("virtual_tiff.")]
            if not all(isinstance(codec, BytesBytesCodec) for codec in ours):
                try:
                    _read_chunk(group, path, last=True)
                except icechunk.IcechunkError:
                    raise
                except Exception as error:  # of whatever class: codecs share none
                    msg = (
                        f"array {path} cannot be read as a stack ({first_line(error)}); publish"
                        " without concat"
                    )
                    raise PublishError(msg) from error


def _manifest_rows(
    members: Members, arrays: Mapping[str, JSON], splits: Mapping[str, int]
) -> Integers:
    """Return for each file the number of the manifests that its references begin in."""
    corners = members.positions
    to = max(members.paths.values(), key=lambda path: prod(arrays[path]["shape"]))
    if members.blocks is not None:
        (path,) = (path for path, of in members.paths.items() if of == to)
        where = members.blocks[path]
        pieces = np.searchsorted(where.files, np.arange(len(members.numbers)))
        # files of which nothing is shown take the place of another one
        origins = np.append(where.origins, np.zeros_like(where.origins[:1]), axis=0)[pieces]
        corners = origins if corners is None else np.hstack([corners, origins])
    if corners is None:
        return np.zeros(len(members.numbers), dtype=np.int64)
    names = arrays[to]["dimension_names"][: corners.shape[1]]
    lengths = [splits.get(name, _UNSPLIT) for name in names]
    rows: Integers = np.unique(corners // lengths, axis=0, return_inverse=True)[1]
    return rows.reshape(-1)


_UNSPLIT = 2**62
"""The length along a dimension that manifests are not split along."""


def read_back(store: icechunk.IcechunkStore, paths: Iterable[str]) -> None:
    """Read the first and the last chunk of each array, before they are committed."""
    group = zarr.open_group(store, mode="r")
    for path in paths:
        try:
            _read_chunk(group, path, last=False)
            _read_chunk(group, path, last=True)
        except Exception as error:
            msg = f"nothing was published: {path} cannot be read back: {first_line(error)}"
            raise PublishError(msg) from error


def _read_chunk(group: zarr.Group, path: str, *, last: bool) -> None:
    array: Any = group[path]
    lengths = [sizes[-1 if last else 0] for sizes in array.read_chunk_sizes if sizes]
    array[tuple(slice(-n, None) if last else slice(n) for n in lengths)]
