"""Writes a plan into a session, and reads the arrays back before the commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import batched, chain
from math import prod
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import ZstdCodec
from zarr.core.sync import sync

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.engines import Engine
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import (
    Column,
    Integers,
    Members,
    Part,
    Plan,
    document,
    parents,
)
from virtual_tiff.publishing.reading.spool import LedgerRow, Spool
from virtual_tiff.publishing.repository import batches, references
from virtual_tiff.publishing.repository.batches import Batches
from virtual_tiff.publishing.repository.keys import key_of_node, metadata_of, write_keys
from virtual_tiff.publishing.repository.labels import list_labels
from virtual_tiff.publishing.repository.ledger import LedgerRows
from virtual_tiff.publishing.repository.records import RecordRows
from virtual_tiff.publishing.repository.references import (
    Counts,
    FileReferences,
    file_references,
    fork_of,
    merge_fork,
    write_in_fork,
    write_references,
)
from virtual_tiff.publishing.result import PublishedArray
from virtual_tiff.sources.object_source import first_line
from virtual_tiff.tiff import warn

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

    def note(self, part: Part) -> None:
        """Take the groups and arrays of a part."""
        self.groups |= {above for path in part.groups for above in (*parents(path), path)}
        for path, metadata in part.arrays.items():
            stacked = any(members.positions is not None for members in part.members)
            self._note(self.arrays, path, metadata, stacked=stacked)
        for path, (metadata, _) in part.inline.items():
            self._note(self.coordinates, path, metadata)
        self.coordinates |= {column.path: column.array for column in part.columns}

    def count(self, counts: Counts) -> None:
        """Take what was written of arrays."""
        for path, numbers in counts.items():
            array = self.arrays[path]
            number, inlined, inlined_bytes = numbers.tolist()
            self.arrays[path] = replace(
                array,
                references=array.references + number,
                inlined=array.inlined + inlined,
                inlined_bytes=array.inlined_bytes + inlined_bytes,
            )

    def _note(
        self,
        arrays: dict[str, PublishedArray],
        path: str,
        metadata: JSON,
        *,
        stacked: bool = False,
    ) -> None:
        self.rectilinear |= metadata["chunk_grid"]["name"] == "rectilinear"
        self.codecs |= {codec["name"] for codec in metadata["codecs"]}
        arrays[path] = PublishedArray(
            path=path,
            shape=tuple(metadata["shape"]),
            dimensions=tuple(metadata["dimension_names"]),
            data_type=str(metadata["data_type"]),
            references=0,
            stacked=stacked,
        )


class Writer:
    """Writes a plan into the sessions of a run, the last of which somebody commits.

    The ledger gets a row for each file, and so do the records, if they are kept. `earlier` says, by
    item, where files are published that were read again. The engine's workers write references; if
    there is none, this process does. `report` is called with the number of files whose references
    are written, and that of references.
    """

    def __init__(
        self,
        sessions: Batches,
        spool: Spool,
        ledger: LedgerRows,
        earlier: Mapping[int, LedgerRow],
        records: RecordRows | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._batches = sessions
        self._spool = spool
        self._ledger = ledger
        self._earlier = earlier
        self._waiting = 0
        """References of this batch."""
        self._records = records
        self._engine = engine
        self.report: Callable[[int, int], None] = lambda *_: None
        self._files = self._references = 0
        self._workers_write = True
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
            fork = self._fork(parts)
            for part in parts:
                self._write_members(part, plan.splits, fork)
        self._try_codecs()
        list_labels(self._store, self.written.groups, self.written.arrays)
        return self.written

    def _end_full_batch(self, *, between: bool) -> None:
        """End the batch if it has many references, where no manifest is cut if that can be."""
        most = batches.MOST_OF_A_BATCH
        if self._batches.several and self._waiting > (0.75 * most if between else 1.5 * most):
            self._end_batch()

    def _end_batch(self) -> None:
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
                if above in part.groups:
                    groups.setdefault(above, part.groups[above])
                elif above not in self.written.groups:
                    self.written.groups.add(above)
                    if metadata_of(self._store, above) is None:  # an image may be there
                        groups.setdefault(above, {})
            groups[path] = dict(attributes)
        for path, attributes in groups.items():
            self.written.groups.add(path)
            group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
            yield key_of_node(path), document(group)
        for path, metadata in part.arrays.items():
            yield key_of_node(path), document(metadata)
        for path, (metadata, data) in part.inline.items():
            yield key_of_node(path), document(metadata)
            zeros = "/0" * len(metadata["shape"])
            yield f"{path}/c{zeros}", data
        self.written.note(part)

    def _write_column(self, column: Column) -> None:
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

    def _fork(self, parts: Sequence[Part]) -> bytes | None:
        """Commit the arrays, so that workers can write to them; None if the work is not for them.

        It is if there are some tasks in these parts: of groups for each file there are not.
        """
        files = sum(len(members.numbers) for part in parts for members in part.members)
        if self._engine is None or not self._batches.several or not self._workers_write:
            return None
        if files * self._spool.references() < _TASKS * references.TASK * self._spool.count("read"):
            return None
        self._end_batch()
        return fork_of(self._batches.session)

    def _write_members(self, part: Part, splits: Mapping[str, int], fork: bytes | None) -> None:
        """Write the references of files, manifest by manifest; and then their rows, in order."""
        files = self._in_steps(part, splits)
        totals: Counts = {}
        for counts in self._here(files) if fork is None else self._there(files, fork):
            for path, numbers in counts.items():
                self._waiting += int(numbers[0])
                self._references += int(numbers[0])
                totals[path] = totals[path] + numbers if path in totals else numbers
            self.report(self._files, self._references)
        self.written.count(totals)
        for members in part.members:
            numbers = members.numbers.tolist()
            for i, (n, row) in enumerate(zip(numbers, self._spool.rows(numbers), strict=True)):
                before = self._earlier.get(n)
                self._ledger.add(
                    row,
                    members.group,
                    members.variable,
                    None if members.coordinates is None else members.coordinates[i],
                    None if before is None else before.number,
                )
            if self._records is not None:
                self._records.add(self._spool.records(numbers, members.group))

    def _here(self, files: Iterator[_Step]) -> Iterator[Counts]:
        """Write references in this process."""
        last = None
        for step, file in files:
            self._end_full_batch(between=step != last)
            last = step
            yield write_references(self._store, [file])

    def _there(self, files: Iterator[_Step], fork: bytes) -> Iterator[Counts]:
        """Let the workers write references, and merge them."""
        assert self._engine is not None  # noqa: S101 (for mypy: there is a fork)
        sent: deque[list[_Step]] = deque()
        last = None

        def tasks() -> Iterator[list[FileReferences]]:
            for task in _tasks(files):
                sent.append(task)
                yield [file for _, file in task]

        results = self._engine.results(
            partial(write_in_fork, fork), tasks(), ordered=True, window=_FORKS
        )
        for result in results:
            task = sent.popleft()
            self._end_full_batch(between=task[0][0] != last)
            last = task[-1][0]
            if isinstance(result, str):
                if self._workers_write:
                    warn(
                        "workers cannot open the repository, so this process writes all"
                        f" references: {result}"
                    )
                self._workers_write = False
                yield write_references(self._store, [file for _, file in task])
                continue
            fork_of_worker, counts = result
            merge_fork(self._batches.session, fork_of_worker)
            yield counts

    def _in_steps(self, part: Part, splits: Mapping[str, int]) -> Iterator[_Step]:
        """Yield the references of all files, manifest by manifest."""
        for number, members in enumerate(part.members):
            steps = _manifest_rows(members, part.arrays, splits)
            order = np.argsort(steps, kind="stable")
            files = file_references(members, order.tolist(), self._spool)
            for step, file in zip(steps[order].tolist(), files, strict=True):
                if file.checksum is None:
                    self.written.unknown += 1
                    self.written.example_unknown = self.written.example_unknown or file.url
                self._files += 1
                yield (number, step), file

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
                        " each file in a group of its own (concat=None)"
                    )
                    raise PublishError(msg) from error


_TASKS = 2
"""Tasks from which on workers are of use."""
_FORKS = 16
"""Tasks of workers that are under way at once."""

type _Manifest = tuple[int, int]
"""Members, and the number of the manifests that a file of them writes to."""
type _Step = tuple[_Manifest, FileReferences]


def _tasks(files: Iterator[_Step]) -> Iterator[list[_Step]]:
    """Divide files into tasks for workers, which end where a manifest does if that can be."""
    task: list[_Step] = []
    count = 0
    for step, file in files:
        between = bool(task) and task[-1][0] != step
        if count >= references.TASK or (between and 2 * count >= references.TASK):
            yield task
            task, count = [], 0
        task.append((step, file))
        count += file.count
    if task:
        yield task


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
