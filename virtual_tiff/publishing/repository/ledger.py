"""The group `_virtual_tiff`: a row for each source, so that a later run knows what is there.

Its arrays lie along `source`: url, size, etag, last_modified (microseconds since 1970, 0
unknown), and where the source went: group, variable, and position along the new dimension
(-1 without). Its attributes have what is kept of each stack, whether the repository is
portable, and whether all sources were whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.names import LEDGER
from virtual_tiff.publishing.reading.spool import Row, Spool, microseconds

__all__ = ["LEDGER", "Ledger", "LedgerRows", "read_ledger"]

_VERSION = 1
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
}


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a repository says of itself."""

    rows: int
    attributes: Mapping[str, Any]

    @property
    def layout(self) -> str:
        """Of its arrays."""
        return str(self.attributes["layout"])

    @property
    def axes(self) -> tuple[str, ...]:
        """Along which files are stacked."""
        return tuple(self.attributes["concat"])

    @property
    def portable(self) -> bool:
        """Whether all readers have the codecs of its arrays."""
        return bool(self.attributes.get("portable", False))

    @property
    def whole(self) -> bool:
        """Whether no source was truncated when it was published; older ledgers do not say it."""
        return bool(self.attributes.get("whole", False))

    @property
    def places(self) -> Mapping[str, JSON]:
        """What is kept of each stack, by its group."""
        places: Mapping[str, JSON] = self.attributes["places"]
        return places


def read_ledger(store: icechunk.IcechunkStore, spool: Spool) -> Ledger:
    """Read the ledger, its rows into the spool.

    Raises
    ------
    PublishError
        If there is none, or one of a later version of this package.
    """
    try:
        group = zarr.open_group(store, path=LEDGER, mode="r")
    except FileNotFoundError as error:
        msg = f"the repository was not published by this package (there is no {LEDGER})"
        raise PublishError(msg) from error
    attributes = dict(group.attrs)
    if attributes.get("version") != _VERSION:
        msg = f"the group {LEDGER} is of version {attributes.get('version')}, not {_VERSION}"
        raise PublishError(msg)
    spool.add_published(_rows(group))
    return Ledger(int(_array(group, "url").shape[0]), attributes)


def _rows(group: zarr.Group) -> Iterator[tuple[Any, ...]]:
    size = _array(group, "url").shape[0]
    for start in range(0, size, _CHUNK):
        columns = [_array(group, name)[start : start + _CHUNK].tolist() for name in _COLUMNS]
        for offset, row in enumerate(zip(*columns, strict=True)):
            yield (start + offset, *row)


def _array(group: zarr.Group, name: str) -> Any:  # noqa: ANN401 (zarr's union of arrays)
    return group[name]


@dataclass(slots=True)
class LedgerRows:
    """Writes rows, some thousands at a time.

    Parameters
    ----------
    store
        Of a session that can be written to.
    size
        Rows that there are.
    new
        Rows that will be added.
    """

    store: icechunk.IcechunkStore
    size: int
    new: int
    _group: Any = None
    _buffer: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.size:
            self._create()
        self._group = zarr.open_group(self.store, path=LEDGER, mode="r+")
        for name in _COLUMNS:
            self._group[name].resize((self.size + self.new,))

    def _create(self) -> None:
        group = zarr.create_group(self.store, path=LEDGER)
        for name, data_type in _COLUMNS.items():
            group.create_array(
                name,
                shape=(0,),
                chunks=(_CHUNK,),
                dtype=str if data_type == "string" else data_type,
                dimension_names=["source"],
                compressors=ZstdCodec(),
            )

    def add(self, row: Row, place: str, variable: str, position: int, at: int | None) -> None:
        """Add a row, or put it in the place of an earlier one."""
        state = row.state
        values = (
            *(row.url, state.size, state.etag or "", microseconds(state.last_modified)),
            *(place, variable, position),
        )
        if at is not None:
            for name, value in zip(_COLUMNS, values, strict=True):
                self._group[name][at] = value
            return
        self._buffer.append(values)
        if len(self._buffer) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
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

    def finish(self, attributes: Mapping[str, Any]) -> None:
        """Write what is left, and what is kept of the stacks."""
        self.flush()
        self._group.update_attributes({"version": _VERSION, **attributes})
