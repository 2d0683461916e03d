"""A value for each file: from its name, a table, a mapping, a function, its STAC item or its tag.

Coordinates along new dimensions, groups and the order of files all come from the same sources, so
one function, `lookup`, reads what the user gives. The values are looked up file by file; what the
texts among them mean is decided in the end, by `settled`, when all are known: one text among
numbers makes texts of all.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from virtual_tiff.publishing.finding.patterns import (
    PARTS,
    Pattern,
    TimePattern,
    is_malformed,
    is_pattern,
)
from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.stac import TIMES, StacAsset
from virtual_tiff.sources.times import as_utc, guessed_time, iso_time
from virtual_tiff.tiff import redacted

__all__ = [
    "Coordinate",
    "Lookup",
    "Values",
    "is_time",
    "lookup",
    "lookups_of",
    "plain",
    "settled",
]

type Coordinate = datetime | int | float | str
"""A place along a new dimension; times are in UTC (`tzinfo` is `datetime.UTC`)."""

type Values = str | os.PathLike[str] | Sequence[Any] | Mapping[str, Any] | Callable[[str], Any]
"""A list, a mapping or a function of urls, a CSV file, a regular expression, `"asset"`, `"tag"` or
the name of a STAC property; or a mapping from the names of dimensions to these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """How the value of a file is found."""

    value: Callable[[Location, StacAsset | None], Coordinate | None]
    hint: str = ""
    """The error about files that have no value."""
    texts: bool = False
    """Whether the values are texts that may be numbers or times."""
    guess_times: bool = False
    """Whether texts may be times in any form that `guessed_time` knows."""
    only_times: str = ""
    """The error about a text that is not clearly a time; empty if a text may be anything."""
    listed: Sequence[Any] | None = None
    """The values themselves, in the order of the files; they are not looked up."""
    from_tag: bool = False
    """Whether the file's own DateTime is the value, which is known when it is read."""
    by_asset: bool = False
    """Whether the key of the STAC asset is the value."""


def is_time(dimension: str) -> bool:
    """Whether a dimension is one of times, by its name."""
    return dimension in ("time", "t")


# ---------------------------------------------------------------------------- one value


def time_lookup(time: str, option: str = "time") -> Lookup:
    """Return how the time of a file is found; a ValueError says what may be given."""
    if time == "tag":
        return Lookup(value=lambda *_: None, from_tag=True)
    if time in TIMES:
        return _property(time)
    if not isinstance(time, str) or (
        not is_pattern(time.rpartition("=")[0]) and not is_pattern(time)
    ):
        if isinstance(time, str) and is_malformed(time):
            Pattern.of(time, option)  # which says why it is none
        allowed = ", ".join(map(repr, ("tag", *TIMES)))
        msg = (
            f"{option} must be one of {allowed}, or a regular expression with a group, as"
            f" '(?P<time>\\d{{8}})', not {time!r}"
        )
        raise ValueError(msg)
    return _by_time_pattern(TimePattern.of(time, option))


def _by_time_pattern(pattern: TimePattern) -> Lookup:
    hint = pattern.pattern.hint(r"; '(\d{4}-?\d\d-?\d\d)' finds dates with or without dashes")
    return Lookup(value=lambda location, _: pattern.value(location), hint=hint)


def lookup(  # noqa: PLR0911 (one a kind of source)
    given: Values, option: str, column: str = "value"
) -> Lookup:
    """Return how the value of a file is found; a ValueError says what may be given.

    `option` is the option's name, for errors; `column` that of a CSV file that has the values, if
    its header is not url, value.
    """
    if isinstance(given, str):
        if _is_pattern(given) or (is_malformed(given) and not Path(given).exists()):
            pattern = Pattern.of(given, option)
            hint = pattern.hint()
            return Lookup(value=lambda location, _: pattern.value(location), hint=hint, texts=True)
        if given == "tag" or given in TIMES:
            return time_lookup(given, option)
        if _PROPERTY.fullmatch(given) and not Path(given).exists():
            return _property(given, option)
    if isinstance(given, (str, os.PathLike)):
        table = _table(given, [column])
        values = table.get(column, table.get("value", {}))
        return _mapping(values, f"{os.fspath(given)} has no value for", texts=True)
    if isinstance(given, Mapping):
        return _mapping(given, f"{option} has no value for")
    if callable(given):
        return Lookup(
            value=lambda location, _: plain(given(location.url), location.name),
            hint=f"{option} gives None for",
        )
    try:
        return Lookup(value=lambda *_: None, listed=list(given))
    except TypeError:
        msg = (
            f"{option} must be a list, a mapping, a function, a CSV file, a regular expression or"
            f" the name of a STAC property, not {given!r}"
        )
        raise ValueError(msg) from None


def _is_pattern(text: str) -> bool:
    return is_pattern(text) and not Path(text).exists()


_PROPERTY = re.compile(r"[A-Za-z_][\w-]*(:[\w-]+)*")
"""The name of a STAC property, which no CSV file has: its name ends in a suffix."""


def _property(name: str, option: str = "") -> Lookup:
    """Return the lookup of a property of the file's STAC item, or of its asset's key."""

    def value(_: Location, asset: StacAsset | None) -> Coordinate | None:
        if asset is None:
            return None
        if name == "asset":
            return asset.key
        if name in TIMES:
            return asset.time(name)
        return plain(asset.properties.get(name), f"STAC item {asset.item}, {name}")

    if name == "asset":
        return Lookup(value=value, hint="no STAC item names these files", by_asset=True)
    # whoever has misspelt a pattern or a file reads it too
    reason = (
        f", and {option} {name!r} is neither a pattern with a group nor a file" if option else ""
    )
    return Lookup(value=value, hint=f"no STAC item has a {name}{reason}")


def _mapping(values: Mapping[str, Any], hint: str, *, texts: bool = False) -> Lookup:
    def value(location: Location, _: StacAsset | None) -> Coordinate | None:
        for key in (location.name, location.url):
            if key in values:
                return plain(values[key], key)
        return None

    return Lookup(value=value, hint=hint, texts=texts)


def _table(file: str | os.PathLike[str], columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read a CSV file; return by column the texts by url.

    Each line has a url and a value: the column `value`. With a header line, url and the names of
    columns, those of `columns` are read, and there may be others.
    """
    name = os.fspath(file)
    with Path(file).expanduser().open(encoding="utf-8-sig", newline="") as lines:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    rows = [row for row in rows if any(row) and not row[0].startswith("#")]
    header = ["url", "value"]
    if rows and rows[0][0].lower() == "url":
        names = ["value" if cell.lower() == "value" else cell for cell in rows[0]]
        if {"value", *columns} & set(names[1:]):
            header = ["url", *names[1:]]
            rows = rows[1:]
        elif len(names) > 2:
            msg = f"{name} has the columns {', '.join(names)}, and none of {', '.join(columns)}"
            raise ValueError(msg)
    table: dict[str, dict[str, str]] = {
        column: {} for column in header[1:] if column in ("value", *columns)
    }
    for row in rows:
        cells = dict(zip(header, row, strict=False))
        if len(row) != len(header) or not all(cells[column] for column in ("url", *table)):
            wanted = " and ".join(f"a {column}" for column in ("url", *table))
            msg = f"{name}: a line must have {wanted}, not {row}"
            raise ValueError(msg)
        for column, texts in table.items():
            url, text = cells["url"], cells[column]
            if texts.setdefault(url, text) != text:
                msg = f"{name}: {redacted(url)} has the values {texts[url]} and {text}"
                raise ValueError(msg)
    return table


# ------------------------------------------------------------------- several dimensions


def lookups_of(
    axes: Sequence[str], time: str | None, values: Values | None, *, of_stac: bool = False
) -> dict[str, Lookup]:
    """Return how the coordinates of a file are found, by dimension; see `Placement.of`.

    It is a ValueError if nothing says which dimension is meant, or if `time` and `values` give the
    same one.
    """
    lookups: dict[str, Lookup] = {}
    if time is not None:
        called = [axis for axis in axes if is_time(axis)]
        lookups[called[0] if called else _only(axes, "time")] = time_lookup(time)
    if values is not None:
        lookups |= _coordinates(values, axes, lookups)
    if of_stac and "time" in axes:
        lookups.setdefault("time", _property("datetime"))
    return {name: lookups[name] for name in [*axes, ""] if name in lookups}


def _coordinates(
    values: Values, axes: Sequence[str], lookups: Mapping[str, Lookup]
) -> Mapping[str, Lookup]:
    """Return the lookups of `values`, beside those of `time`."""
    others = [axis for axis in axes if axis not in lookups]
    by_dimension = _by_dimension(values, axes)
    if by_dimension is None:
        if lookups and not set(others) - set(_PLANE):
            raise ValueError(_BOTH)
        by_dimension = {_only(others, "values"): lookup(values, "values")}
    if set(by_dimension) & set(lookups):
        raise ValueError(_BOTH)
    return by_dimension


_PLANE = ("y", "x")
_BOTH = "time and values both give the coordinates; give only one of them"


def _only(axes: Sequence[str], option: str) -> str:
    """Return the dimension that an option means which names none."""
    new = [axis for axis in axes if axis not in _PLANE] or [*axes[:1], ""][:1]
    if len(new) > 1:
        mapping = ", ".join(f"{name!r}: …" for name in new)
        texts = " ".join(f"--values {name}=…" for name in new)
        msg = (
            f"{option} gives one coordinate, and concat has several dimensions that may be new:"
            f" {', '.join(new)}. Give each its own: values={{{mapping}}} ({texts}), or a regular"
            f" expression with groups of these names"
        )
        raise ValueError(msg)
    return new[0]


def _by_dimension(  # noqa: PLR0911 (one a form that names dimensions)
    values: Values, axes: Sequence[str]
) -> dict[str, Lookup] | None:
    """Return the lookups of values that name their dimensions; None if they name none."""
    if isinstance(values, Mapping):
        if not set(values) & set(axes):
            return None
        if others := [str(name) for name in values if name not in axes]:
            msg = f"values has dimensions that are not in concat: {', '.join(others)}"
            raise ValueError(msg)
        return {name: _of_dimension(given, name) for name, given in values.items()}
    if isinstance(values, str) and (is_pattern(values) or is_pattern(values.rpartition("=")[0])):
        if len(axes) == 1 or Path(values).exists():
            return None
        return _named_groups(values, axes)
    if isinstance(values, str) and is_malformed(values) and not Path(values).exists():
        Pattern.of(values, "values")  # which says why it is none
    if isinstance(values, os.PathLike) or (
        isinstance(values, str) and not _PROPERTY.fullmatch(values)
    ):
        hint = f"{os.fspath(values)} has no value for"
        table = _table(values, axes)
        if not set(table) & set(axes):
            return None
        return {
            name: _guessing(_mapping(texts, hint, texts=True), name)
            for name, texts in table.items()
            if name in axes
        }
    return None


def _named_groups(text: str, axes: Sequence[str]) -> dict[str, Lookup] | None:
    """Return the lookups of a pattern whose groups are called as dimensions."""
    whole = TimePattern.parted(text)
    pattern = Pattern.of(whole[0], "values")
    groups = set(pattern.compiled.groupindex)
    times = [axis for axis in axes if is_time(axis)][:1] if "year" in groups else []
    named = [axis for axis in axes if axis in groups]
    if not named and not times:
        return None
    allowed = {*axes, *(PARTS if times else ())}
    if groups - allowed or len(groups) < pattern.compiled.groups:
        msg = (
            f"values {text!r} must have groups called as dimensions of concat"
            f" ({', '.join(axes)}); write other groups as (?:…)"
        )
        raise ValueError(msg)

    def text_of(name: str) -> Lookup:
        def value(location: Location, _: StacAsset | None) -> Coordinate | None:
            match = pattern.search(location)
            return None if match is None else match[name] or None

        return Lookup(value=value, hint=pattern.hint(), texts=True)

    lookups = {name: _guessing(text_of(name), name, pattern=pattern.text) for name in named}
    for name in [*times, *(name for name in named if is_time(name) and whole[1])]:
        moments = TimePattern(pattern, whole[1], parts=name in times, group=name)
        lookups[name] = _by_time_pattern(moments)
    return lookups


def _of_dimension(given: Values, name: str) -> Lookup:
    """Return the lookup of one dimension, whose texts are times where its name says so."""
    option = f"values of {name}"
    if not is_time(name) or not isinstance(given, (str, os.PathLike)):
        return lookup(given, option, name)
    text = os.fspath(given)
    head, form = TimePattern.parted(text)
    if form or (_is_pattern(text) and "year" in re.compile(text).groupindex):
        return time_lookup(text, option)
    return _guessing(lookup(given, option, name), name, pattern=head if _is_pattern(text) else "")


def _guessing(of_texts: Lookup, name: str, *, pattern: str = "") -> Lookup:
    """Take texts for times where the dimension is one of times.

    A dimension called t may also be one of numbers. Of a pattern for a dimension called time each
    text must surely be a time, as with the option `time`.
    """
    if not is_time(name):
        return of_texts
    only = f"is not clearly a time; give its form, as '{pattern}=%d%m%Y'"
    strict = only if pattern and name == "time" else ""
    return replace(of_texts, guess_times=True, only_times=strict)


# ------------------------------------------------------------------- what values mean


def settled(values: Sequence[Any], of: Lookup, names: Sequence[str]) -> list[Coordinate]:
    """Return the values of all files in one type; if there is none, a ValueError names the files.

    `of` is how they were found, and none is missing.
    """
    if of.guess_times and all(isinstance(value, str) for value in values):
        times = [guessed_time(value) or iso_time(value) for value in values]
        if None not in times:
            return times  # type: ignore[return-value]  # no time is None
        if of.only_times:
            at = times.index(None)
            msg = f"{redacted(names[at])}: {values[at]!r} {of.only_times}"
            raise ValueError(msg)
    if of.texts:
        texts = [str(value) for value in values]
        for read in (_whole_number, _number, iso_time):
            read_values = [read(text) for text in texts]
            if None not in read_values:
                return read_values  # type: ignore[return-value]  # no value is None
    examples: dict[type, int] = {}
    for at, value in enumerate(values):
        examples.setdefault(type(value), at)
    if set(examples) == {int, float}:
        return [float(value) for value in values]
    if len(examples) > 1:
        shown = ", ".join(f"{redacted(names[at])}: {values[at]!r}" for at in examples.values())
        msg = f"coordinates are of several types: {shown}; give all of them one type"
        raise ValueError(msg)
    return list(values)


def plain(value: Any, name: str = "values") -> Coordinate | None:  # noqa: ANN401
    """Return a user's value as a coordinate: numpy's and pandas' become Python's, times UTC.

    One of another type, or NaN, is a ValueError.
    """
    if value is None:
        return None
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "item"):
        # of nanoseconds numpy makes a number
        value = (value.astype("M8[us]") if value.dtype.kind == "M" else value).item()
    if isinstance(value, date):
        return as_utc(value)
    if isinstance(value, int) and not _fits(value):
        msg = f"{redacted(name)}: the coordinate {value} does not fit into 64 bits"
        raise ValueError(msg)
    good = isinstance(value, (int, float, str)) and not isinstance(value, bool)
    if not good or (isinstance(value, float) and isnan(value)) or value == "":
        msg = f"{redacted(name)}: a coordinate must be a number, a text or a time, not {value!r}"
        raise ValueError(msg)
    return value  # type: ignore[no-any-return]  # numpy's are of any type


def _fits(number: int) -> bool:
    """Whether an array of 64-bit integers can hold it."""
    return -(2**63) <= number < 2**63


# A number is written in ASCII digits, as JSON writes it or with leading zeros or a plus, and is
# finite. Python's own `int` and `float` would also take `1_000`, other scripts' digits, `nan` and
# `inf`.
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _whole_number(text: str) -> int | None:
    value = int(text) if len(text) <= 100 and _WHOLE.fullmatch(text) else None
    return value if value is not None and _fits(value) else None


def _number(text: str) -> float | None:
    """Read a number; None for a whole one of more digits than a float holds."""
    if _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    if _WHOLE.fullmatch(text) and value != _whole_number(text):
        return None
    return value if isfinite(value) else None
