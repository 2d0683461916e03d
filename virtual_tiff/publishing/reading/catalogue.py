"""The files of a run as columns: a million files are a few arrays of numbers."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import Integers
from virtual_tiff.publishing.planning.unified import Unified
from virtual_tiff.publishing.reading.record import LooseAttributes, Template, read_loose
from virtual_tiff.publishing.reading.spool import Spool, microseconds
from virtual_tiff.sources.times import tiff_datetime

__all__ = ["DATETIME", "Catalogue", "Files", "shown"]

DATETIME = "TIFFTAG_DATETIME"


@dataclass(frozen=True, slots=True)
class Files:
    """Some files that were read, in order."""

    numbers: Integers
    """The numbers of the items."""
    templates: Integers
    loose: Integers
    """Numbers of the texts of their templates and of their loose attributes."""
    values: Sequence[Any] | None
    """Coordinates: numbers, texts, or times in microseconds since 1970; None without."""
    kind: str
    """time, int, float, text; none without coordinates."""
    variable: str = ""

    def __len__(self) -> int:
        return len(self.numbers)

    def none_of(self, variable: str) -> Files:
        """Return no files, of another variable."""
        none = np.empty(0, dtype=np.int64)
        return Files(none, none, none, None if self.values is None else [], self.kind, variable)

    def taken(self, where: Any) -> Files:  # noqa: ANN401 (a mask, or indices)
        """Return some of the files."""
        indices = np.flatnonzero(where) if where.dtype == bool else where
        return Files(
            self.numbers[indices],
            self.templates[indices],
            self.loose[indices],
            None if self.values is None else [self.values[i] for i in indices.tolist()],
            self.kind,
            self.variable,
        )


class Catalogue:
    """The files of a run by variable.

    `from_tag` takes the tag DateTime as coordinates; `unified` says which differences of files do
    not count.
    """

    def __init__(
        self, spool: Spool, *, from_tag: bool = False, unified: Unified | None = None
    ) -> None:
        self.spool = spool
        self._unified = unified
        self._templates: dict[int, Template] = {}
        self.sets = list(self._read(from_tag=from_tag))

    def _read(self, *, from_tag: bool) -> Iterator[Files]:
        columns: dict[str, tuple[array[int], array[int], array[int], list[Any]]] = {}
        kinds: set[str] = set()
        for n, template, loose, variable, kind, value in self.spool.columns():
            empty = (array("q"), array("q"), array("q"), list[Any]())
            numbers, templates, loose_texts, values = columns.setdefault(variable or "", empty)
            numbers.append(n)
            templates.append(template)
            loose_texts.append(loose)
            if from_tag:
                kinds.add("time")
                values.append(self._tag(n, loose))
                continue
            if kind is not None:
                values.append(value)
            kinds.add(kind or "none")
        if len(kinds) > 1:
            msg = (
                "the coordinates of the files are of several kinds:"
                f" {', '.join(sorted(kinds))}; give all files coordinates of one kind"
            )
            raise PublishError(msg)
        for variable, (numbers, templates, loose_texts, values) in columns.items():
            files = Files(
                np.array(numbers, dtype=np.int64),
                np.array(templates, dtype=np.int64),
                np.array(loose_texts, dtype=np.int64),
                values or None,
                next(iter(kinds)),
                variable,
            )
            if from_tag:
                order = np.argsort(np.array(values, dtype=np.int64), kind="stable")
                files = files.taken(order)
            yield files

    def _tag(self, n: int, loose: int) -> int:
        for attributes in self.loose(loose).values():
            if DATETIME in attributes:
                time = tiff_datetime(str(attributes[DATETIME]))
                if time is not None:
                    return microseconds(time)
        msg = (
            f"{self.spool.name(n)} has no tag DateTime that holds a time; give the times by"
            " values, or by a pattern for the names (time)"
        )
        raise PublishError(msg)

    def template(self, number: int) -> Template:
        """Return a template; some thousands are kept."""
        if number not in self._templates:
            if len(self._templates) > 4096:
                self._templates.clear()
            template = self.spool.template(number)
            if self._unified is not None:
                template = self._unified.of(template)
            self._templates[number] = template
        return self._templates[number]

    def text(self, number: int) -> str:
        """Return the text of a template."""
        if self._unified is None:
            return self.spool.text(number)
        return self.template(number).text()

    def loose(self, number: int) -> LooseAttributes:
        """Return loose attributes."""
        return read_loose(self.spool.text(number))

    def names(self, files: Files, limit: int = 100) -> dict[int, list[str]]:
        """Return the names of some files, for errors, by the number of their template."""
        names: dict[int, list[str]] = {}
        for number in np.unique(files.templates).tolist():
            numbers = files.numbers[files.templates == number][:limit].tolist()
            names[number] = [self.spool.name(n) for n in numbers]
        return names

    def counts(self, files: Files) -> Mapping[int, int]:
        """Return the number of files of each template, in the order of their first files."""
        templates, first, counts = np.unique(files.templates, return_index=True, return_counts=True)
        order = np.argsort(first)
        return dict(zip(templates[order].tolist(), counts[order].tolist(), strict=True))


def shown(value: Any, kind: str) -> str:  # noqa: ANN401 (a coordinate)
    """Return a coordinate as people write it."""
    if kind != "time":
        return str(value)
    time = datetime.fromtimestamp(value / 1e6, UTC)
    return time.replace(tzinfo=None).isoformat()
