"""The files of a run as columns: a million files are a few arrays of numbers."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np

from virtual_tiff.publishing.errors import MisfitError, PublishError
from virtual_tiff.publishing.planning.declared import DeclaredPlaces
from virtual_tiff.publishing.planning.differences import reasons
from virtual_tiff.publishing.planning.plan import Integers
from virtual_tiff.publishing.planning.unified import Unified
from virtual_tiff.publishing.reading.record import LooseAttributes, Template, read_loose
from virtual_tiff.publishing.reading.spool import Spool, microseconds
from virtual_tiff.sources.declared_grid import DeclaredGrid
from virtual_tiff.sources.listings import natural
from virtual_tiff.sources.times import tiff_datetime
from virtual_tiff.text.numbers import listed
from virtual_tiff.tiff import redacted

__all__ = ["DATETIME", "Catalogue", "Coordinates", "Files", "shown"]

DATETIME = "TIFFTAG_DATETIME"
_MOST_TEMPLATES = 4096
"""Templates that are kept."""


class Coordinates(NamedTuple):
    """The coordinates of some files along one dimension."""

    kind: str
    """time, int, float or text."""
    values: Sequence[Any]
    """Numbers, texts, or times in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Files:
    """Some files that were read, in order."""

    numbers: Integers
    """The numbers of the items."""
    templates: Integers
    loose: Integers
    """Numbers of the texts of their templates and of their loose attributes."""
    coordinates: Mapping[str, Coordinates]
    """By dimension; empty if the order of the files is all that there is."""
    variable: str = ""
    group: str = ""

    def __len__(self) -> int:
        return len(self.numbers)

    def along(self, dimension: str) -> Coordinates:
        """Return the coordinates along a dimension; of the kind none if there are none."""
        return self.coordinates.get(dimension, Coordinates("none", []))

    def none_of(self, variable: str) -> Files:
        """Return no files, of another variable."""
        return replace(self.taken(np.empty(0, dtype=np.int64)), variable=variable)

    def taken(self, where: Any) -> Files:  # noqa: ANN401 (a mask, or indices)
        """Return some of the files."""
        indices = np.flatnonzero(where) if where.dtype == bool else where
        return replace(
            self,
            numbers=self.numbers[indices],
            templates=self.templates[indices],
            loose=self.loose[indices],
            coordinates={
                name: Coordinates(kind, [values[i] for i in indices.tolist()])
                for name, (kind, values) in self.coordinates.items()
            },
        )


class Catalogue:
    """The files of a run by group and variable.

    `unified` says which differences of files do not count, and `which` are its files: those that
    this run has read, those that were published before it, or all.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        unified: Unified | None = None,
        which: Literal["read", "published", "all"] = "read",
    ) -> None:
        self.spool = spool
        self._unified = unified
        self._which = which
        self._templates: dict[int, Template] = {}
        self.sets = list(self._read())

    def _read(self) -> Iterator[Files]:
        columns: dict[tuple[str, str], tuple[array[int], array[int], array[int]]] = {}
        values: dict[tuple[str, str], dict[str, list[Any]]] = {}
        kinds: dict[str, set[str]] = {}
        tags: set[str] = set()
        untimed: list[int] = []
        for n, template, loose, variable, group, coordinates in self.spool.columns(self._which):
            key = (group or "", variable or "")
            empty = (array("q"), array("q"), array("q"))
            numbers, templates, loose_texts = columns.setdefault(key, empty)
            numbers.append(n)
            templates.append(template)
            loose_texts.append(loose)
            of_key = values.setdefault(key, {})
            for name, (kind, value) in coordinates.items():
                kinds.setdefault(name, set()).add("time" if kind == "tag" else kind)
                tags |= {name} if kind == "tag" else set()
                known = self._tag(loose) if kind == "tag" else value
                if known is None:
                    untimed.append(n)
                of_key.setdefault(name, []).append(known)
        if untimed:
            self._refuse_untimed(untimed)
        for name, several in kinds.items():
            if len(several) > 1:
                msg = (
                    f"the coordinates of the files along {name} are of several kinds:"
                    f" {', '.join(sorted(several))}; give all files one of a kind"
                )
                raise PublishError(msg)
        for (group, variable), of_files in columns.items():
            numbers, templates, loose_texts = of_files
            for name, column in values[group, variable].items():
                if len(column) < len(numbers):
                    msg = (
                        f"some files have a coordinate along {name}, and others none; give all one"
                    )
                    raise PublishError(msg)
            files = Files(
                np.array(numbers, dtype=np.int64),
                np.array(templates, dtype=np.int64),
                np.array(loose_texts, dtype=np.int64),
                {
                    name: Coordinates(next(iter(kinds[name])), column)
                    for name, column in values[group, variable].items()
                },
                variable,
                group,
            )
            # items have come in the order of the coordinates that were known before they were read
            for name in reversed(list(files.coordinates)):
                if self._which != "read" or name in tags:
                    kind, ranks = files.along(name)
                    ranks = ranks if kind != "text" else [natural(text) for text in ranks]
                    order = sorted(range(len(files)), key=ranks.__getitem__)
                    files = files.taken(np.array(order, dtype=np.int64))
            yield files if self._which == "read" else files.taken(self._in_use(files))

    def _in_use(self, files: Files) -> Any:  # noqa: ANN401 (a mask)
        """Return whether each file is there, or was removed and no other one has its place."""
        holes = np.isin(files.numbers, list(self.spool.holes()))
        if not holes.any():
            return ~holes
        columns = [files.coordinates[name].values for name in files.coordinates]
        places = {n: self._place(n) for n in set(files.templates.tolist())}
        of_files = [
            (places[template], *values)
            for template, *values in zip(files.templates.tolist(), *columns, strict=True)
        ]
        taken = {of_files[i] for i in np.flatnonzero(~holes).tolist()}
        filled = np.array([any(place) and place in taken for place in of_files], dtype=bool)
        return ~(holes & filled)

    def _place(self, number: int) -> str:
        """Return where the files of a template lie; "" if nothing says so."""
        metadata = next(iter(self.template(number).arrays.values()))
        transform = metadata["attributes"].get("spatial:transform")
        return "" if transform is None else str([transform, metadata["shape"]])

    def _tag(self, loose: int) -> int | None:
        """Return the time of the tag DateTime; None if there is none."""
        for attributes in self.loose(loose).values():
            if DATETIME in attributes:
                time = tiff_datetime(str(attributes[DATETIME]))
                if time is not None:
                    return microseconds(time)
        return None

    def _refuse_untimed(self, numbers: Sequence[int]) -> NoReturn:
        names = listed([redacted(self.spool.name(n)) for n in numbers], 10)
        has = "has" if len(numbers) == 1 else "have"
        msg = (
            f"{names} {has} no tag DateTime that holds a time; give a pattern"
            " that finds them in the names (time=PATTERN), or a table of them (values=FILE)"
        )
        raise MisfitError(msg, dict.fromkeys(numbers, "it has no tag DateTime that holds a time"))

    def template(self, number: int) -> Template:
        """Return a template; some thousands are kept."""
        if number not in self._templates:
            if len(self._templates) >= _MOST_TEMPLATES:
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

    def grid(self, files: Files) -> DeclaredGrid | None:
        """Return the grid that a document declares for files, if one does."""
        return self.spool.grid(int(files.numbers[0])) if len(files) else None

    def declared(self, files: Files) -> DeclaredPlaces | None:
        """Return the places of files in the grid that a document declares, if one does."""
        grid = self.grid(files)
        if grid is None:
            return None
        return DeclaredPlaces(grid=grid, places=self.spool.places(files.numbers))

    def names(self, files: Files, limit: int = 100) -> dict[int, list[str]]:
        """Return the names of some files, for errors, by the number of their template."""
        names: dict[int, list[str]] = {}
        for number in np.unique(files.templates).tolist():
            numbers = files.numbers[files.templates == number][:limit].tolist()
            names[number] = [self.spool.name(n) for n in numbers]
        return names

    def usual(self, files: Files, kinds: Mapping[int, object] | None = None) -> int:
        """Return the template of most files, or of most published ones if there are some.

        `kinds` are of templates that count as one, by their numbers.
        """
        published = files.numbers < 0
        counts = self.counts(files.taken(published) if published.any() else files)
        kind_of: Mapping[int, object] = kinds or {number: number for number in counts}
        sizes: Counter[object] = Counter()
        for number, count in counts.items():
            sizes[kind_of[number]] += count
        most = sizes.most_common(1)[0][0]
        return next(number for number in counts if kind_of[number] == most)

    def misfits(self, files: Files, templates: Sequence[int], usual: Template) -> dict[int, str]:
        """Return the files of some templates, each with how it differs from the usual one."""
        why = reasons({number: self.template(number) for number in templates}, usual)
        of_files = zip(files.numbers.tolist(), files.templates.tolist(), strict=True)
        return {n: why[template] for n, template in of_files if template in why}

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
