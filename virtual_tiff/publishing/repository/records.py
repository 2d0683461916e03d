"""The records of published files, as the repository keeps them: `_virtual_tiff/records`.

A file that is published changes what is known of those before it. A tile beyond the corner of a
mosaic moves all others; a scene between two others moves those after it; an attribute that all
scenes share becomes a coordinate, or an attribute again. All of this follows from the records of
all files, which are small, and from nothing else: so they are kept, without the references, which
Icechunk has. A run that cannot append at the end arranges all files anew, by the rules of a first
publication, and compares that plan with the plan of the files before it (`planning/rearrange`).

The array `records` has texts: JSON, each with some hundred files, whose templates it has once. The
chunks of coordinates are kept where they are small. Larger ones are those of the repository, or are
read from the file again; so is a file of which there is no record, as an earlier version published
it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import batched
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.names import LEDGER
from virtual_tiff.publishing.planning.plan import joined
from virtual_tiff.publishing.reading.record import Template
from virtual_tiff.publishing.reading.spool import KeptRecord, MissingDataError, Spool
from virtual_tiff.publishing.repository.keys import read_key

__all__ = ["RecordRows", "move_records", "read_data", "read_records", "remembered_options"]

_NAME = "records"
_FILES = 500
"""Files of one text."""
_SMALL = 4096
"""Bytes of the largest chunk of coordinates that is kept."""


def _array(store: icechunk.IcechunkStore) -> Any:  # noqa: ANN401 (zarr's union)
    return zarr.open_group(store, path=LEDGER, mode="r" if store.read_only else "r+").get(_NAME)


def remembered_options(store: icechunk.IcechunkStore) -> JSON:
    """Return the options that the cube depends on; none if an earlier version published it."""
    array = _array(store)
    return {} if array is None else dict(array.attrs)


def read_records(store: icechunk.IcechunkStore, spool: Spool) -> Iterator[KeptRecord]:
    """Yield the records, and take the chunks of coordinates into the spool."""
    array = _array(store)
    for at in range(0 if array is None else array.shape[0]):
        yield from _unpacked(array[at : at + 1].tolist()[0], spool)


def move_records(store: icechunk.IcechunkStore, new_url: Callable[[str], str | None]) -> None:
    """Give the records of files that have moved their new urls; None leaves a url as it is.

    Files that were removed, and whose places are kept, are among them.
    """
    array = _array(store)
    for at in range(0 if array is None else array.shape[0]):
        kept = json.loads(array[at : at + 1].tolist()[0])
        files = [[new_url(url) or url, *rest] for url, *rest in kept["files"]]
        if files != kept["files"]:
            text = json.dumps(kept | {"files": files})
            array[at : at + 1] = np.array([text], dtype=_TEXT)


def read_data(store: icechunk.IcechunkStore, spool: Spool) -> None:
    """Take the chunks of the repository's coordinates into the spool.

    Those of a stack are those of its files.
    """
    dimensions_of: dict[str, int] = {}
    for group, _, number in spool.templates_of_groups(gone=True):
        inline = spool.template(number).inline
        dimensions_of |= {joined(group, path): len(each.axes) for path, each in inline.items()}
    for path, dimensions in dimensions_of.items():
        chunk = read_key(store, f"{path}/c{'/0' * dimensions}")
        if chunk is not None:
            spool.add_data(chunk)


def _packed(records: Sequence[KeptRecord], spool: Spool) -> str:
    texts: dict[str, int] = {}
    files = []
    for each in records:
        numbers = [texts.setdefault(text, len(texts)) for text in (each.template, each.loose)]
        place = (each.coordinates, each.variable, each.place, each.group, each.hole)
        files.append([each.url, *numbers, *place])
    chunks: dict[str, str] = {}
    for template in {record.template for record in records}:
        for inline in Template.from_text(template).inline.values():
            with suppress(MissingDataError):
                data = spool.data(inline.digest)
                if len(data) <= _SMALL:
                    chunks[inline.digest] = base64.b64encode(data).decode()
    return json.dumps({"texts": list(texts), "data": list(chunks.values()), "files": files})


def _unpacked(text: str, spool: Spool) -> Iterator[KeptRecord]:
    kept = json.loads(text)
    for data in kept["data"]:
        spool.add_data(base64.b64decode(data))
    texts = kept["texts"]
    for url, template, loose, coordinates, *place in kept["files"]:
        values = {name: (kind, value) for name, (kind, value) in coordinates.items()}
        yield KeptRecord(url, texts[template], texts[loose], values, *place)


class RecordRows:
    """Writes the records of files in a session that can be written to.

    `anew` writes all of them, as some were removed or changed; otherwise they are appended.
    """

    def __init__(self, store: icechunk.IcechunkStore, spool: Spool, *, anew: bool) -> None:
        self._spool = spool
        self._anew = anew
        self._waiting: dict[str, KeptRecord] = {}
        self._array = _array(store)
        if self._array is None:
            self._array = zarr.open_group(store, path=LEDGER, mode="r+").create_array(
                _NAME,
                shape=(0,),
                chunks=(1,),
                dtype=str,
                dimension_names=["text"],
                compressors=ZstdCodec(),
            )
        size = self._array.shape[0]
        if size and not anew:  # the last text may not be full
            last = list(_unpacked(self._array[size - 1 : size].tolist()[0], spool))
            if len(last) < _FILES:
                self._waiting = {record.url: record for record in last}
                self._array.resize((size - 1,))

    def add(self, records: Iterable[KeptRecord]) -> None:
        """Add the records of files that this run has read."""
        for record in records:
            self._waiting[record.url] = record
            if not self._anew and len(self._waiting) >= _FILES:
                self._write(list(self._waiting.values()))
                self._waiting.clear()

    def move_to(self, store: icechunk.IcechunkStore) -> None:
        """Go on in the store of another session: one that begins where that of before ended."""
        self._array = _array(store)

    def finish(self, options: JSON) -> None:
        """Write the last records, and the options that the cube depends on."""
        if self._anew:
            self._array.resize((0,))
        for some in batched(self._last(), _FILES):
            self._write(some)
        self._array.attrs.put(options)

    def _last(self) -> Iterator[KeptRecord]:
        if self._anew:
            for record in self._spool.kept():
                yield self._waiting.pop(record.url, record)
        yield from self._waiting.values()

    def _write(self, records: Sequence[KeptRecord]) -> None:
        size = self._array.shape[0]
        self._array.resize((size + 1,))
        self._array[size:] = np.array([_packed(records, self._spool)], dtype=_TEXT)


_TEXT = np.dtypes.StringDType()
