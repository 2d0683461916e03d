"""The group `_virtual_tiff`: a row for each source, so that a later run knows what is published.

The arrays of the group lie along `source`: url, size, etag, last_modified (microseconds since
1970, 0 unknown), the place of the source (group, variable, and its coordinates along the new
dimensions), and truncated: the parts that the file has lost, in words. The coordinates are a list
in JSON, with times in microseconds since 1970; of a dimension without coordinates it has the
position. So a row stays as it is when others are published before it. A source that shares them
with others, as a tile does, has none: the text is empty. The array `index` finds a row by its url
or by its place; see `ledger_index`. The attributes of the group say how the files are arranged, and
keep the state of each group that several files share.

Reading costs by what is asked for. An append looks up the urls of its files, and places which may
be taken; of each array it reads the chunks that have these rows. Only a removal changes the number
of a row: the last rows move to the places of those that are removed, and no row is empty.

The form has a version. Versions 1 and 2 are still read, as a copy of version 3 in memory, which is
written in their place when something is appended. They had the position along the new dimension
(-1 without) in place of the coordinates, and no index; version 1 had texts for the keys of nodes
("a/0" an array, "a/" a group), and in place of the array `truncated` one switch, `whole`, for all
files. A later version is refused. `verify` also reads ledgers that have only the first four arrays.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import batched, groupby
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.codecs import ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.attribute_table import PER_SCENE
from virtual_tiff.publishing.planning.names import LEDGER, variable_names
from virtual_tiff.publishing.planning.plan import AttributeKey, Existing, GroupState, joined
from virtual_tiff.publishing.reading.record import (
    Node,
    Template,
    current_template,
    without_what_may_differ,
)
from virtual_tiff.publishing.reading.spool import (
    LedgerRow,
    Row,
    Spool,
    columns_of_state,
    ledger_row,
    state_of_columns,
)
from virtual_tiff.publishing.repository.keys import read_key
from virtual_tiff.publishing.repository.ledger_index import REMOVED, Entries, LedgerIndex, key_of
from virtual_tiff.tiff import SourceState

__all__ = [
    "LEDGER",
    "KnownSource",
    "Ledger",
    "LedgerRows",
    "PublishedRows",
    "existing_of",
    "find_published",
    "known_sources",
    "number_of_sources",
    "number_of_urls",
    "read_ledger",
    "rows_since",
]

_VERSION = 3
_CHUNK = 8192
"""Rows: a chunk of urls is some hundred kilobytes, and appending writes the last one anew."""

_COLUMNS: dict[str, str] = {
    "url": "string",
    "size": "int64",
    "etag": "string",
    "last_modified": "int64",
    "group": "string",
    "variable": "string",
    "coordinates": "string",
    "truncated": "string",
}
_STATE = ("url", "size", "etag", "last_modified")
"""The columns that `verify` needs."""
_PLACE = ("group", "variable", "coordinates")

_UNKNOWN = "unknown"
"""The value of `truncated` in rows of version 1 that do not say whether the file was whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """How the files of a repository are arranged."""

    rows: int = 0
    layout: str
    axes: tuple[str, ...]
    """Dimensions along which files are stacked, or put together."""
    portable: bool | tuple[str, ...]
    """Whether the readers of a portable store have the codecs of its arrays, or which have."""
    one_grid_mapping: bool = False
    """Whether all sizes of an image share a grid mapping; not so in earlier repositories."""
    text_attributes: bool = False
    """Whether texts of bands are attributes of the arrays; they were coordinates."""
    per_scene: tuple[str, ...] | None
    """Attributes that are kept a scene each; None if the ledger does not say it."""
    group: str | None = None
    """The pattern or STAC property that names the group of a file; "" if something else did, which
    is not kept, and None if the files are in no groups."""
    web: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The buckets whose objects are referred to by https urls (`WebReferences.kept`)."""
    states: Mapping[str, GroupState]
    """By path of the group."""
    files: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By group and variable: the number of files that have coordinates."""

    def to_json(self) -> JSON:
        """Return the attributes of the ledger's group."""
        return {
            "version": _VERSION,
            "layout": self.layout,
            "concat": list(self.axes),
            "portable": list(self.portable) if isinstance(self.portable, tuple) else self.portable,
            "one_grid_mapping": self.one_grid_mapping,
            "text_attributes": self.text_attributes,
            "per_scene": list(self.per_scene or ()),
            "files": dict(self.files),
            "groups": {path: _state_to_json(state) for path, state in self.states.items()},
            **({} if self.group is None else {"group": self.group}),
            **({"web": {root: dict(each) for root, each in self.web.items()}} if self.web else {}),
        }

    @classmethod
    def from_json(cls, attributes: JSON, rows: int) -> Ledger:
        """Read the attributes of the ledger's group, of any version."""
        old = attributes["version"] == 1
        states = {
            path: _state_of_version_1(state) if old else _state_from_json(state)
            for path, state in attributes["places" if old else "groups"].items()
        }
        kept = {key.name for state in states.values() for key in state.columns}
        portable = attributes.get("portable", False)
        scenes = sorted(kept & set(PER_SCENE)) if old else attributes["per_scene"]
        return cls(
            rows=rows,
            layout=attributes["layout"],
            axes=tuple(attributes["concat"]),
            portable=tuple(portable) if isinstance(portable, list) else bool(portable),
            one_grid_mapping=bool(attributes.get("one_grid_mapping", False)),
            text_attributes=bool(attributes.get("text_attributes", False)),
            per_scene=None if old and not scenes else tuple(scenes),
            group=attributes.get("group"),
            web=attributes.get("web", {}),
            states=states,
            files=attributes.get("files", {}),
        )


def _state_to_json(state: GroupState) -> JSON:
    return {
        "templates": dict(state.templates),
        "coordinates": list(state.coordinates),
        "kind": state.kind,
        "size": state.size,
        "constant": [
            {**node._asdict(), "attributes": attributes}
            for node, attributes in state.constant.items()
        ],
        "columns": [
            {**key.node._asdict(), "attribute": key.name, "column": column}
            for key, column in state.columns.items()
        ],
        "left_out": [{**key.node._asdict(), "attribute": key.name} for key in state.left_out],
    }


def _state_from_json(kept: JSON) -> GroupState:
    def node(entry: JSON) -> Node:
        return Node(entry["kind"], entry["path"])

    def key(entry: JSON) -> AttributeKey:
        return AttributeKey(node(entry), entry["attribute"])

    return GroupState(
        templates={name: current_template(text) for name, text in kept["templates"].items()},
        coordinates=tuple(kept["coordinates"]),
        kind=kept["kind"],
        size=kept["size"],
        constant={node(entry): entry["attributes"] for entry in kept["constant"]},
        columns={key(entry): entry["column"] for entry in kept["columns"]},
        left_out=tuple(map(key, kept["left_out"])),
    )


def _state_of_version_1(kept: JSON) -> GroupState:
    def node(text: str, name: str = "") -> Node:
        if text.endswith("/"):
            return Node("group", text[:-1])
        # attributes of inline arrays were kept a scene each, or not at all
        return Node("inline" if name in PER_SCENE else "array", text)

    return GroupState(
        templates={name: current_template(text) for name, text in kept["templates"].items()},
        coordinates=tuple(kept.get("coordinates", ())),
        kind=kept.get("kind", ""),
        size=kept.get("size", 0),
        constant={
            node(text): values for text, values in kept.get("constant", {}).items() if values
        },
        columns={
            AttributeKey(node(text, name), name): column
            for text, name, column in kept.get("columns", ())
        },
        left_out=tuple(
            AttributeKey(node(text, name), name) for text, name in kept.get("left_out", ())
        ),
    )


# ------------------------------------------------------------------- for the next files


def read_ledger(store: Store) -> tuple[Ledger, PublishedRows]:
    """Read how the files are arranged, and the rows, of which none is read yet.

    A ledger that cannot be read is a PublishError.
    """
    try:
        group = zarr.open_group(store, path=LEDGER, mode="r")
    except FileNotFoundError as error:
        msg = f"the repository was not published by this package (it has no group {LEDGER})"
        raise PublishError(msg) from error
    attributes = dict(group.attrs)
    version: Any = attributes.get("version")
    if version not in range(1, _VERSION + 1):
        msg = (
            f"the group {LEDGER} is of version {version}, and this package reads versions 1 to"
            f" {_VERSION}; update virtual-tiff"
        )
        raise PublishError(msg)
    if version < _VERSION:
        group = zarr.open_group(_upgraded(store), path=LEDGER, mode="r")
        attributes = dict(group.attrs)
    return Ledger.from_json(attributes, _size_of(group)), PublishedRows(group)


def _size_of(ledger: zarr.Group) -> int:
    """Return the number of rows."""
    urls: Any = ledger["url"]
    return int(urls.shape[0])


def find_published(rows: PublishedRows, spool: Spool) -> None:
    """Look up the items of a run, and put the rows of those that are published into the spool."""
    keys = (key_of(url) for url in spool.item_urls())
    spool.add_published(rows.with_keys(keys))


def existing_of(ledger: Ledger, rows: PublishedRows, store: Store, spool: Spool) -> Existing:
    """Return the published groups and files to which new files have to fit."""
    columns = _Columns(zarr.open_group(store, mode="r"))
    if ledger.layout == "group per file":
        return Existing(
            group_of=spool.published_groups(),
            groups=_FileGroups(rows),
            nodes=_Nodes(store),
            earlier=spool.earlier(),
        )
    positions = {
        group: _Positions(state, columns)
        for group, state in ledger.states.items()
        if state.templates and group in ledger.files
    }
    return Existing(
        states=ledger.states,
        templates={path: state.templates for path, state in ledger.states.items()},
        columns=columns,
        earlier=spool.earlier(),
        taken={
            (group, variable): _TakenPositions(rows, (group, variable), count, positions[group])
            for group in positions
            for variable, count in ledger.files[group].items()
        },
    )


def _text_of(coordinates: Sequence[Any] | None) -> str:
    """Return coordinates as a row has them; None are those of a source that has none."""
    return "" if coordinates is None else json.dumps(list(coordinates), separators=(",", ":"))


class PublishedRows:
    """Finds rows in the group of a ledger; it reads the chunks that have them, and no others."""

    def __init__(self, group: zarr.Group) -> None:
        self._group = group
        self._index = LedgerIndex(group)

    def of_urls(self, urls: Collection[str]) -> Iterator[LedgerRow]:
        """Yield the rows of those urls that are published, in the order of the ledger."""
        wanted = set(urls)
        for row in self.with_keys(map(key_of, wanted)):
            if row[1] in wanted:
                yield ledger_row(*row)

    def at(self, places: Iterable[tuple[str, str, Sequence[Any]]]) -> Iterator[LedgerRow]:
        """Yield the rows of the files at some places: group, variable and coordinates."""
        wanted = {(*place, _text_of(coordinates)) for *place, coordinates in places}
        for row in self.with_keys(key_of(*place) for place in wanted):
            if row[5:] in wanted:
                yield ledger_row(*row)

    def every(self) -> Iterator[LedgerRow]:
        """Yield all rows."""
        numbers = np.arange(_size_of(self._group))
        return (ledger_row(*row) for row in _rows(self._group, (*_STATE, *_PLACE), numbers))

    def with_keys(self, keys: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """Yield number and columns of rows with some keys; by chance others have the same key."""
        numbers = np.unique(self._index.find(keys)[1])
        return _rows(self._group, (*_STATE, *_PLACE), numbers)


def _rows(
    group: zarr.Group, names: Sequence[str], numbers: NDArray[np.int64]
) -> Iterator[tuple[Any, ...]]:
    """Yield the number and the named columns of rows, whose numbers ascend."""
    arrays: list[Any] = [group[name] for name in names]
    chunk = arrays[0].chunks[0]
    bounds = np.flatnonzero(np.diff(numbers // chunk)) + 1
    for some in np.split(numbers, bounds) if len(numbers) else ():
        first = int(some[0])
        columns = (array[first : int(some[-1]) + 1][some - first].tolist() for array in arrays)
        yield from zip(some.tolist(), *columns, strict=True)


class _Columns(Mapping[str, list[Any]]):
    """The values of coordinates by their paths; each is read when it is asked for."""

    def __init__(self, group: zarr.Group) -> None:
        self._group = group
        self._read: dict[str, list[Any]] = {}

    def __getitem__(self, path: str) -> list[Any]:
        if path not in self._read:
            array: Any = self._group[path]
            self._read[path] = array[:].tolist()
        return self._read[path]

    def __contains__(self, path: object) -> bool:
        return path in self._read or str(path) in self._group

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


class _Positions:
    """The coordinates of a group along its new dimension, and their positions.

    `size` is the number of positions.
    """

    def __init__(self, state: GroupState, columns: Mapping[str, list[Any]]) -> None:
        self.size = state.size
        self._state = state
        self._columns = columns
        self._where: dict[Any, int] | None = None

    def coordinates(self, position: int) -> tuple[Any, ...]:
        """Return the coordinates of a position; it is its own if the dimension has none."""
        paths = self._state.coordinates
        return (self._columns[paths[0]][position] if paths else position,)

    def of(self, row: LedgerRow) -> int:
        """Return the position of a file; -1 if it has none."""
        if not row.coordinates:
            return -1
        if not self._state.coordinates:
            return int(row.coordinates[0])
        if self._where is None:
            values = self._columns[self._state.coordinates[0]]
            self._where = {value: position for position, value in enumerate(values)}
        return self._where[row.coordinates[0]]


class _LookedUp[T](AbstractSet[T]):
    """A set of what is published, which is not read; `&` looks up several members at once."""

    def __contains__(self, value: object) -> bool:
        return bool(self & {value})

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _TakenPositions(_LookedUp[int]):
    """The positions of a variable that have a file."""

    def __init__(
        self, rows: PublishedRows, place: tuple[str, str], count: int, positions: _Positions
    ) -> None:
        self._rows, self._place, self._count, self._positions = rows, place, count, positions

    def __len__(self) -> int:
        return self._count

    def __and__(self, values: AbstractSet[Any]) -> set[int]:
        positions = self._positions
        asked = (positions.coordinates(n) for n in values if n < positions.size)
        rows = self._rows.at((*self._place, coordinates) for coordinates in asked)
        return {positions.of(row) for row in rows}

    def __iter__(self) -> Iterator[int]:
        for row in self._rows.every():
            if (row.group, row.variable) == self._place:
                yield self._positions.of(row)


class _FileGroups(_LookedUp[str]):
    """The groups of files, where each file has its own."""

    def __init__(self, rows: PublishedRows) -> None:
        self._rows = rows

    def __and__(self, values: AbstractSet[Any]) -> set[str]:
        return {row.group for row in self._rows.at((name, "", ()) for name in values)}

    def __iter__(self) -> Iterator[str]:
        return (row.group for row in self._rows.every())


class _Nodes(_LookedUp[str]):
    """The paths of all groups and arrays."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __and__(self, values: AbstractSet[Any]) -> set[str]:
        return sync(_existing(self._store, values))

    def __iter__(self) -> Iterator[str]:
        return (path for path, _ in zarr.open_group(self._store, mode="r").members(max_depth=None))


async def _existing(store: Store, paths: Iterable[str]) -> set[str]:
    return {path for path in paths if await store.exists(f"{path}/zarr.json")}


# ------------------------------------------------------------------------------ writing


@dataclass(slots=True)
class LedgerRows:
    """Writes rows, some thousands at a time, in a session that can be written to."""

    store: Store
    size: int
    new: int
    _group: Any = None
    _index: Any = None
    _files: defaultdict[str, Counter[str]] = field(init=False)
    _buffer: list[tuple[Any, ...]] = field(default_factory=list)
    _changed: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    """Rows that are written anew, by number."""
    _moved: list[tuple[int, int]] = field(default_factory=list)
    """Keys that rows have now which were indexed before, with their numbers."""

    def __post_init__(self) -> None:
        self._group = zarr.open_group(self.store, path=LEDGER, mode="a")
        if self._group.attrs.get("version", _VERSION) < _VERSION:
            sync(_replace(self.store, _upgraded(self.store)))
            self._group = zarr.open_group(self.store, path=LEDGER, mode="r+")
        for name, data_type in _COLUMNS.items():
            if name not in self._group:
                self._group.create_array(
                    name,
                    shape=(self.size,),
                    chunks=(_CHUNK,),
                    dtype=str if data_type == "string" else data_type,
                    dimension_names=["source"],
                    compressors=ZstdCodec(),
                )
        self._resize()
        self._index = LedgerIndex(self._group)
        kept: Mapping[str, Mapping[str, int]] = self._group.attrs.get("files", {})
        self._files = defaultdict(Counter, {group: Counter(of) for group, of in kept.items()})

    def _resize(self) -> None:
        for name in _COLUMNS:
            self._group[name].resize((self.size + self.new,))

    def add(
        self,
        row: Row,
        group: str,
        variable: str,
        coordinates: Sequence[Any] | None,
        at: int | None,
    ) -> None:
        """Add a row, or put it in the place of an earlier one; see the module for coordinates."""
        place = (group, variable, _text_of(coordinates))
        values = (row.url, *columns_of_state(row.state)[:3], *place, row.truncated)
        if at is None:
            self.append(values)
            return
        self._changed[at] = values
        if len(self._changed) >= _CHUNK:
            self.flush()

    def append(self, values: tuple[Any, ...]) -> None:
        """Add a row by its columns."""
        self._buffer.append(values)
        if len(self._buffer) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are waiting."""
        if self._buffer:
            end = self.size + len(self._buffer)
            for (name, data_type), values in zip(
                _COLUMNS.items(), zip(*self._buffer, strict=True), strict=True
            ):
                dtype: Any = np.dtypes.StringDType() if data_type == "string" else data_type
                self._group[name][self.size : end] = np.array(values, dtype=dtype)
            self.size = end
            self._buffer.clear()
        if self._changed:
            numbers = np.array(sorted(self._changed))
            gone: dict[tuple[int, int], int] = {}
            for number, *before in _rows(self._group, ("url", *_PLACE), numbers):
                values = self._changed[number]
                old, new = _keys(*before), _keys(values[0], *values[4:7])
                gone |= {(key, number): REMOVED for key in old if key not in new}
                self._moved += [(key, number) for key in new if key not in old]
                self._count(before[1:], -1)
                self._count(values[4:7], 1)
            self._index.change(gone, rows=self._index.rows)
            self._overwrite(self._changed)
            self._changed.clear()

    def _overwrite(
        self, rows: Mapping[int, Sequence[Any]], names: Iterable[str] = _COLUMNS
    ) -> None:
        for _, some in groupby(sorted(rows), key=lambda number: number // _CHUNK):
            numbers = np.array(list(some))
            first, end = int(numbers[0]), int(numbers[-1]) + 1
            of_column = zip(*(rows[n] for n in numbers.tolist()), strict=True)
            for name, values in zip(names, of_column, strict=True):
                block = self._group[name][first:end]
                block[numbers - first] = values
                self._group[name][first:end] = block

    def change_coordinates(self, changes: Mapping[int, Sequence[Any]]) -> None:
        """Give rows, known by their numbers, other coordinates."""
        at = list(_COLUMNS).index("coordinates")
        numbers = np.array(sorted(changes), dtype=np.int64)
        for number, *values in _rows(self._group, tuple(_COLUMNS), numbers):
            values[at] = _text_of(changes[number])
            self._changed[number] = tuple(values)
        self.flush()

    def move_sources(self, sources: Iterable[tuple[int, str, SourceState]]) -> None:
        """Give rows another url and state; the index is made anew, of all rows."""
        self.flush()
        for some in batched(sources, _CHUNK):
            self._overwrite(
                {number: (url, *columns_of_state(state)[:3]) for number, url, state in some}, _STATE
            )
        self._index.clear()
        self._files.clear()

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove rows; the last rows get their numbers."""
        self._add_to_index()
        for some in batched(sorted(numbers, reverse=True), _CHUNK):
            end = self.size - len(some)
            removed = np.array(some[::-1])
            last = np.setdiff1d(np.arange(end, self.size), removed)
            changes: dict[tuple[int, int], int] = {}
            for number, *values in _rows(self._group, ("url", *_PLACE), removed):
                changes |= {(key, number): REMOVED for key in _keys(*values)}
                self._count(values[1:], -1)
            moved = {}
            holes = removed.tolist()  # the first ones: the others are after the end
            rows = _rows(self._group, tuple(_COLUMNS), last)
            for hole, (number, *values) in zip(holes, rows, strict=False):
                changes |= {(key, number): hole for key in _keys(values[0], *values[4:7])}
                moved[hole] = values
            self._index.change(changes, rows=end)
            self._overwrite(moved)
            self.size = end
        self._resize()

    def _count(self, place: Sequence[str], files: int) -> None:
        group, variable, coordinates = place
        if coordinates not in ("", "[]"):
            self._files[group][variable] += files

    def _add_to_index(self) -> None:
        """Add to the index what is not yet in it."""
        self.flush()
        first, moved = self._index.rows, np.array(self._moved, dtype=np.int64).reshape(-1, 2)

        def entries() -> Iterator[Entries]:
            yield moved.T
            for start in range(first, self.size, _CHUNK):
                numbers = np.arange(start, min(start + _CHUNK, self.size))
                pairs = []
                for number, *values in _rows(self._group, ("url", *_PLACE), numbers):
                    pairs += [(key, number) for key in _keys(*values)]
                    self._count(values[1:], 1)
                yield np.array(pairs, dtype=np.int64).T

        self._index.add(entries(), 2 * (self.size - first) + len(moved), rows=self.size)
        self._moved.clear()

    def move_to(self, store: Store) -> None:
        """Go on in the store of another session: one that begins where that of before ended."""
        self.store = store
        self._group = zarr.open_group(store, path=LEDGER, mode="r+")
        self._index = LedgerIndex(self._group)

    def finish(self, ledger: Ledger) -> None:
        """Write the last rows, the index, and how the files are arranged."""
        self._add_to_index()
        files = {group: dict(some) for group, counts in self._files.items() if (some := +counts)}
        self._group.attrs.put(replace(ledger, files=files).to_json())


def _keys(url: str, group: str, variable: str, coordinates: str) -> list[int]:
    """Return the keys by which a row is found."""
    keys = [key_of(url)]
    return [*keys, key_of(group, variable, coordinates)] if coordinates else keys


async def _replace(store: Store, other: Store) -> None:
    """Replace the ledger of a store by that of another one."""
    await store.delete_dir(LEDGER)
    prototype = default_buffer_prototype()
    async for key in other.list_prefix(f"{LEDGER}/"):
        data = await other.get(key, prototype)
        assert data is not None  # noqa: S101 (for mypy: it was listed)
        await store.set(key, data)


def _upgraded(store: Store) -> Store:
    """Return a ledger of version 1 or 2 as it is in version 3, in memory."""
    root = zarr.open_group(store, mode="r")
    group: Any = root[LEDGER]
    attributes = dict(group.attrs)
    ledger = Ledger.from_json(attributes, _size_of(group))
    if "band" not in ledger.axes:
        states = {path: _loosened(state, path, store) for path, state in ledger.states.items()}
        ledger = replace(ledger, states=states)
    columns = _Columns(root)
    positions = {path: _Positions(state, columns) for path, state in ledger.states.items()}

    def coordinates(place: str, position: int) -> Sequence[Any] | None:
        if ledger.layout == "group per file":
            return ()
        return positions[place].coordinates(position) if position >= 0 else None

    memory = MemoryStore()
    rows = LedgerRows(memory, 0, ledger.rows)
    truncated = "truncated" if "truncated" in group else None
    unknown = "" if attributes.get("whole", False) else _UNKNOWN
    names = (*_STATE, "group", "variable", "position", *([truncated] if truncated else []))
    for _, *values in _rows(group, names, np.arange(ledger.rows)):
        state, (place, variable, position), lost = values[:4], values[4:7], values[7:]
        text = _text_of(coordinates(place, position))
        rows.append((*state, place, variable, text, *(lost or [unknown])))
    rows.finish(ledger)
    return memory


def _loosened(state: GroupState, group: str, store: Store) -> GroupState:
    """Return a state of which the coordinates of bands are loose attributes, as in version 3."""

    def read(path: str) -> bytes:
        return read_key(store, f"{joined(group, path)}/c/0") or b""

    templates, constant = {}, dict(state.constant)
    for variable, text in state.templates.items():
        template, loose = without_what_may_differ(Template.from_text(text), read)
        templates[variable] = template.text()
        for path, name in variable_names(template, variable).items():
            if loose[path]:
                node = Node("array", joined(group, name))
                constant[node] = {**constant.get(node, {}), **loose[path]}
    return replace(state, templates=templates, constant=constant)


# --------------------------------------------------------------------------- for verify


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source of a repository, as it was when it was published."""

    url: str
    state: SourceState | None = None
    """None if the repository does not say."""
    truncated: str | None = None
    """The parts that it had lost, in words; "" if it was whole, None if that is not known."""


def _ledger_group(session: icechunk.Session) -> zarr.Group | None:
    try:
        group = zarr.open_group(session.store, path=LEDGER, mode="r")
    except FileNotFoundError:
        return None
    if missing := [name for name in _STATE if name not in group]:
        msg = f"the group {LEDGER} is not a ledger of virtual_tiff: it has no array {missing[0]}"
        raise PublishError(msg)
    return group


def number_of_sources(session: icechunk.Session) -> int | None:
    """Return how many sources the ledger has; None if there is none."""
    group = _ledger_group(session)
    return None if group is None else _size_of(group)


def number_of_urls(session: icechunk.Session) -> int:
    """Return how many files references point to: the sources of a repository without a ledger."""
    return len(set(session.all_virtual_chunk_locations()))


def known_sources(
    session: icechunk.Session, batch: int, rows: NDArray[np.int64] | None = None
) -> Iterator[list[KnownSource]]:
    """Yield the sources, some at a time; a ledger of millions is never in memory as a whole.

    Without a ledger they are the files that the references point to, each once. `rows` are the
    numbers of those that are wanted, in ascending order; None is all.
    """
    group = _ledger_group(session)
    if group is None:
        # dict, and not set: the order is that of the repository, and so the same twice
        urls = list(dict.fromkeys(session.all_virtual_chunk_locations()))
        wanted = urls if rows is None else [urls[row] for row in rows if row < len(urls)]
        for start in range(0, len(wanted), batch):
            yield [KnownSource(url) for url in wanted[start : start + batch]]
        return
    if rows is None:
        rows = np.arange(_size_of(group))
    names = (*_STATE, "truncated") if "truncated" in group else _STATE
    unknown = None if not group.attrs.get("whole") else ""
    for start in range(0, len(rows), batch):
        yield [
            KnownSource(
                url,
                state_of_columns(*state[:3]),
                (None if state[3] == _UNKNOWN else state[3]) if state[3:] else unknown,
            )
            for _, url, *state in _rows(group, names, rows[start : start + batch])
        ]


def rows_since(session: icechunk.Session, earlier: icechunk.Session) -> NDArray[np.int64]:
    """Return the numbers of the rows that an earlier state of the ledger has not, or otherwise."""
    now, before = _ledger_group(session), _ledger_group(earlier)
    if now is None:
        return np.arange(number_of_urls(session))
    size, known = (0 if g is None else _size_of(g) for g in (now, before))
    changed = [np.arange(min(size, known), size)]
    if before is not None:
        for start in range(0, min(size, known), _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, size, known))
            pairs = zip(_rows(now, _STATE, numbers), _rows(before, _STATE, numbers), strict=True)
            rows = [row[0] for row, old in pairs if row != old]
            changed.insert(-1, np.array(rows, dtype=np.int64))
    return np.concatenate(changed)
