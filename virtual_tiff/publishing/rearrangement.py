"""The files of a repository arranged anew, when a run changes more than the end of a cube.

`planning/rearrange` compares two plans. This module makes them: it takes the records of the
published files into the spool, finds out which of them have to be read again, and puts both plans
beside what the repository has.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import icechunk
import zarr

from virtual_tiff.arrays.metadata import json_float
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.options import PublishOptions
from virtual_tiff.publishing.planning.arrange import Arrangement, arrange
from virtual_tiff.publishing.planning.plan import Existing, Plan
from virtual_tiff.publishing.planning.rearrange import Published, Rearranged, rearranged
from virtual_tiff.publishing.reading.catalogue import Catalogue
from virtual_tiff.publishing.reading.spool import KeptRecord, LedgerRow, MissingDataError, Spool
from virtual_tiff.publishing.repository.keys import metadata_of
from virtual_tiff.publishing.repository.ledger import Ledger
from virtual_tiff.publishing.repository.records import read_data, read_records
from virtual_tiff.tiff import redacted

__all__ = ["Rearrangement", "options_to_keep", "with_kept_options"]

_OPTIONS = ("overlap", "snap", "grid", "nodata", "any_compression")
"""The options of `publish` that decide how files lie, beside those that the ledger has."""
_NO_JSON = ("NaN", "Infinity", "-Infinity")
"""Numbers that JSON lacks, as `json_float` writes them: nodata may be one."""


def with_kept_options(options: PublishOptions, kept: JSON) -> PublishOptions:
    """Return the options of an append, with those of the first publication where it has none."""
    default = PublishOptions()
    before: dict[str, Any] = {
        name: float(kept[name]) if kept[name] in _NO_JSON else kept[name]
        for name in _OPTIONS
        if name in kept and getattr(options, name) == getattr(default, name)
    }
    return replace(options, **before)


def options_to_keep(options: PublishOptions, spool: Spool, kept: JSON) -> JSON:
    """Return the options that later runs need."""
    return {
        **{
            name: json_float(value) if isinstance(value, float) else value
            for name, value in ((name, getattr(options, name)) for name in _OPTIONS)
        },
        "orders": _orders(options, kept),
        "documents": _documents(spool) or kept.get("documents", []),
    }


def _documents(spool: Spool) -> list[str]:
    """Return the names of the documents that place the files of this run."""
    return [grid.name for grid in spool.grids()]


def _orders(options: PublishOptions, kept: JSON) -> dict[str, list[Any]]:
    """Return the texts that were given in an order, by their dimension."""
    before: Mapping[str, list[Any]] = kept.get("orders", {})
    orders = {name: list(dict.fromkeys(given)) for name, given in options.orders.items()}
    return {
        name: list(dict.fromkeys([*before.get(name, ()), *orders.get(name, ())]))
        for name in {**before, **orders}
    }


@dataclass(slots=True)
class Rearrangement:
    """Arranges all files of a repository, those that are published and those of this run."""

    spool: Spool
    store: icechunk.IcechunkStore
    """Of what is published."""
    ledger: Ledger
    rows: Sequence[LedgerRow]
    """All rows of the ledger."""
    existing: Existing
    arrangement: Arrangement
    options: PublishOptions
    kept_options: JSON
    """Those of the runs before."""
    result: Rearranged | None = None

    def take_records(self, gone: Collection[str] = (), *, keep_places: bool = False) -> None:
        """Take the records of the published files into the spool.

        Those that are `gone` are left out of the plan of all files; or only their references are,
        where their places are kept. A cube whose files a document has placed is a PublishError: it
        is not kept.
        """
        documents = self.kept_options.get("documents") or _documents(self.spool)
        if documents:
            msg = (
                f"the cube is the image that {redacted(documents[0])} declares, and such a cube"
                " cannot be changed file by file. Publish the new document to another place or"
                " branch"
            )
            raise PublishError(msg)
        records = {record.url: record for record in read_records(self.store, self.spool)}
        urls = {row.url for row in self.rows}
        unknown = [self._unknown(row) for row in self.rows if row.url not in records]
        known = [each for each in records.values() if each.hole or each.url in urls]
        self.spool.keep([*unknown, *known])
        self.spool.mark(gone, "hole" if keep_places else "gone")
        read_data(self.store, self.spool)

    def _unknown(self, row: LedgerRow) -> KeptRecord:
        """Return the record of a file that an earlier version published, without its metadata."""
        layout, group, state = self.ledger.layout, row.group, self.ledger.states.get(row.group)
        coordinates = self.spool.coordinates(row.url)
        if coordinates is None and state is not None and state.coordinates and row.coordinates:
            name = posixpath.basename(state.coordinates[0])
            coordinates = {name: (state.kind, row.coordinates[0])}
        place = group if layout == "stack" else posixpath.dirname(group)
        grouped = self.ledger.group is not None
        return KeptRecord(
            url=row.url,
            template="",
            loose="",
            coordinates=coordinates or {},
            variable=row.variable or None,
            place=place if grouped else None,
            group=group,
        )

    def plan(self) -> list[str]:
        """Compare the plans; return the urls of files that have to be read first, if any."""
        if unread := self.spool.unread():
            return unread
        if unknown := self.spool.unknown_holes():
            msg = (
                f"{redacted(unknown[0])}: an earlier version published it and kept no record of its"
                " place, so this cannot be kept. Remove it without its place"
            )
            raise PublishError(msg)
        try:
            catalogue = Catalogue(self.spool, unified=self.options.unified, which="all")
            orders = _orders(self.options, self.kept_options)
            after = arrange(catalogue, replace(self.arrangement, orders=orders), self._named())
        except MissingDataError as missing:
            return self.spool.with_data(missing.args)
        numbers = self.spool.kept_numbers()
        touched = self.spool.touched_groups()
        others = {k: v for k, v in self.existing.states.items() if k not in touched}
        self.result = rearranged(
            self._plan_before(),
            replace(after, states={**others, **after.states}),
            Published(
                metadata=lambda path: metadata_of(self.store, path),
                values=cache(self._values),
                coordinates={numbers[row.url]: row.coordinates for row in self.rows},
                holes=self.spool.holes(),
                new_holes=self.spool.holes(new=True),
            ),
        )
        return [self.spool.url(n) for n in self.result.unread]

    def _named(self, *, gone: bool = False) -> Existing:
        """Return the groups that are published, so that files find them."""
        templates: dict[str, dict[str, str]] = {}
        for group, variable, number in self.spool.templates_of_groups(gone=gone):
            templates.setdefault(group, {})[variable] = self.spool.text(number)
        return Existing(templates=templates)

    def _plan_before(self) -> Plan | None:
        """Return the plan of the published files; None if their records do not give one."""
        options = with_kept_options(PublishOptions(), self.kept_options)
        arrangement = replace(
            self.arrangement,
            rules=options.rules,
            orders=self.kept_options.get("orders", {}),
        )
        try:
            catalogue = Catalogue(self.spool, unified=options.unified, which="published")
            return arrange(catalogue, arrangement, self._named(gone=True))
        except (PublishError, MissingDataError):
            return None

    def _values(self, path: str) -> Sequence[Any] | None:
        array: Any = zarr.open_group(self.store, mode="r").get(path)
        return None if array is None else array[:].tolist()
