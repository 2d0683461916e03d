"""The group `_virtual_tiff`: a row for each source, so that a later run knows what is published.

The arrays of the group lie along `source`: url, size, etag, last_modified (microseconds since
1970, 0 unknown), the place of the source (group, variable, and position along the new dimension,
-1 without), and truncated: the parts that the file has lost, in words. Its attributes say how the
files are arranged, and keep the state of each group that several files share.

The form has a version. Version 1 is still read, and becomes version 2 when something is appended:
its keys of nodes were texts ("a/0" an array, "a/" a group), and in place of the array `truncated`
it had one switch, `whole`, for all files. A later version is refused. `verify` also reads ledgers
that have only the first four arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.attribute_table import PER_SCENE
from virtual_tiff.publishing.planning.names import LEDGER
from virtual_tiff.publishing.planning.plan import AttributeKey, Existing, GroupState
from virtual_tiff.publishing.reading.record import Node, current_template
from virtual_tiff.publishing.reading.spool import Row, Spool, microseconds, state_of_columns
from virtual_tiff.tiff import SourceState

__all__ = [
    "LEDGER",
    "KnownSource",
    "Ledger",
    "LedgerRows",
    "existing_of",
    "known_sources",
    "number_of_sources",
    "read_ledger",
]

_VERSION = 2
_CHUNK = 16384
"""Rows: a chunk of urls is some hundred kilobytes, and appending writes the last one anew."""

_COLUMNS: dict[str, str] = {
    "url": "string",
    "size": "int64",
    "etag": "string",
    "last_modified": "int64",
    "group": "string",
    "variable": "string",
    "position": "int64",
    "truncated": "string",
}
_STATE = ("url", "size", "etag", "last_modified")
"""The columns that `verify` needs."""

_UNKNOWN = "unknown"
"""The value of `truncated` in rows of version 1 that do not say whether the file was whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """How the files of a repository are arranged."""

    rows: int = 0
    layout: str
    axes: tuple[str, ...]
    """Dimensions along which files are stacked, or put together."""
    portable: bool
    """Whether all readers have the codecs of its arrays."""
    per_scene: tuple[str, ...] | None
    """Attributes that are kept a scene each; None if the ledger does not say it."""
    group: str | None = None
    """The pattern or STAC property that names the group of a file; "" if something else did, which
    is not kept, and None if the files are in no groups."""
    states: Mapping[str, GroupState]
    """By path of the group."""

    def to_json(self) -> JSON:
        """Return the attributes of the ledger's group."""
        return {
            "version": _VERSION,
            "layout": self.layout,
            "concat": list(self.axes),
            "portable": self.portable,
            "per_scene": list(self.per_scene or ()),
            "groups": {path: _state_to_json(state) for path, state in self.states.items()},
            **({} if self.group is None else {"group": self.group}),
        }

    @classmethod
    def from_json(cls, attributes: JSON, rows: int) -> Ledger:
        """Read the attributes of the ledger's group, of version 1 or 2."""
        old = attributes["version"] == 1
        states = {
            path: _state_of_version_1(state) if old else _state_from_json(state)
            for path, state in attributes["places" if old else "groups"].items()
        }
        kept = {key.name for state in states.values() for key in state.columns}
        scenes = sorted(kept & set(PER_SCENE)) if old else attributes["per_scene"]
        return cls(
            rows=rows,
            layout=attributes["layout"],
            axes=tuple(attributes["concat"]),
            portable=bool(attributes.get("portable", False)),
            per_scene=None if old and not scenes else tuple(scenes),
            group=attributes.get("group"),
            states=states,
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


def read_ledger(store: icechunk.IcechunkStore, spool: Spool) -> Ledger:
    """Read the ledger, its rows into the spool; one that cannot be read is a PublishError."""
    try:
        group = zarr.open_group(store, path=LEDGER, mode="r")
    except FileNotFoundError as error:
        msg = f"the repository was not published by this package (it has no group {LEDGER})"
        raise PublishError(msg) from error
    attributes = dict(group.attrs)
    version: Any = attributes.get("version")
    if version not in (1, _VERSION):
        msg = (
            f"the group {LEDGER} is of version {version}, and this package reads versions 1 and"
            f" {_VERSION}; update virtual-tiff"
        )
        raise PublishError(msg)
    urls: Any = group["url"]
    ledger = Ledger.from_json(attributes, int(urls.shape[0]))
    arrays: list[Any] = [group[name] for name in _COLUMNS if name != "truncated"]
    for start in range(0, ledger.rows, _CHUNK):
        columns = [array[start : start + _CHUNK].tolist() for array in arrays]
        spool.add_published(zip(count(start), *columns, strict=False))
    return ledger


def existing_of(ledger: Ledger, store: icechunk.IcechunkStore, spool: Spool) -> Existing:
    """Return the published groups and files to which new files have to fit."""
    group = zarr.open_group(store, mode="r")
    columns: dict[str, list[Any]] = {}
    for state in ledger.states.values():
        for path in dict.fromkeys((*state.coordinates, *state.columns.values())):
            array: Any = group[path]
            columns[path] = array[:].tolist()
    apart = ledger.layout == "group per file"
    return Existing(
        states=ledger.states,
        group_of=spool.published_groups() if apart else {},
        columns=columns,
        earlier=spool.earlier(),
        taken={} if apart else spool.taken(),
    )


@dataclass(slots=True)
class LedgerRows:
    """Writes rows, some thousands at a time, in a session that can be written to."""

    store: icechunk.IcechunkStore
    size: int
    new: int
    _group: Any = None
    _buffer: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.size:
            zarr.create_group(self.store, path=LEDGER)
        self._group = zarr.open_group(self.store, path=LEDGER, mode="r+")
        for name, data_type in _COLUMNS.items():
            if name not in self._group:
                array = self._group.create_array(
                    name,
                    shape=(self.size,),
                    chunks=(_CHUNK,),
                    dtype=str if data_type == "string" else data_type,
                    dimension_names=["source"],
                    compressors=ZstdCodec(),
                )
                if self.size and not self._group.attrs.get("whole"):  # of version 1
                    array[:] = np.full(self.size, _UNKNOWN, dtype=np.dtypes.StringDType())
            self._group[name].resize((self.size + self.new,))

    def add(self, row: Row, group: str, variable: str, position: int, at: int | None) -> None:
        """Add a row, or put it in the place of an earlier one."""
        state = row.state
        values = (
            *(row.url, state.size, state.etag or "", microseconds(state.last_modified)),
            *(group, variable, position, row.truncated),
        )
        if at is not None:
            for name, value in zip(_COLUMNS, values, strict=True):
                self._group[name][at] = value
            return
        self._buffer.append(values)
        if len(self._buffer) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are waiting."""
        if not self._buffer:
            return
        end = self.size + len(self._buffer)
        for (name, data_type), values in zip(
            _COLUMNS.items(), zip(*self._buffer, strict=True), strict=True
        ):
            dtype: Any = np.dtypes.StringDType() if data_type == "string" else data_type
            self._group[name][self.size : end] = np.array(values, dtype=dtype)
        self.size = end
        self._buffer.clear()

    def move_to(self, store: icechunk.IcechunkStore) -> None:
        """Go on in the store of another session: one that begins where that of before ended."""
        self.store = store
        self._group = zarr.open_group(store, path=LEDGER, mode="r+")

    def finish(self, ledger: Ledger) -> None:
        """Write the last rows, and how the files are arranged."""
        self.flush()
        self._group.attrs.put(ledger.to_json())


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
    if group is None:
        return None
    urls: Any = group["url"]
    return int(urls.shape[0])


def known_sources(session: icechunk.Session, batch: int) -> Iterator[list[KnownSource]]:
    """Yield the sources, some at a time; a ledger of millions is never in memory as a whole.

    Without a ledger they are the files that the references point to, each once.
    """
    group = _ledger_group(session)
    if group is None:
        # dict, and not set: the order is that of the repository, and so the same twice
        urls = list(dict.fromkeys(session.all_virtual_chunk_locations()))
        for start in range(0, len(urls), batch):
            yield [KnownSource(url) for url in urls[start : start + batch]]
        return
    arrays: list[Any] = [group[name] for name in _STATE]
    truncated: Any = group.get("truncated")
    unknown = None if not group.attrs.get("whole") else ""
    for start in range(0, arrays[0].shape[0], batch):
        rows = slice(start, start + batch)
        columns = [array[rows].tolist() for array in arrays]
        lost = [unknown] * len(columns[0]) if truncated is None else truncated[rows].tolist()
        yield [
            KnownSource(url, state_of_columns(*state), None if words == _UNKNOWN else words)
            for url, *state, words in zip(*columns, lost, strict=True)
        ]
