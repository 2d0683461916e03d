"""The files that are to be published: each with its coordinate and its variable.

`find_items` asks the finder of `sources/` for the files, and gives each its place: a time from its
name, its tag or its STAC item, a value that the user gives, or nothing but the order of the files.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from virtual_tiff.publishing.finding.patterns import Pattern, TimePattern, is_pattern
from virtual_tiff.sources.finding import REMOTE_SCHEMES, find_files
from virtual_tiff.sources.listings import natural
from virtual_tiff.sources.locations import Location, check_endpoint
from virtual_tiff.sources.stac import TIMES, StacAsset
from virtual_tiff.sources.times import as_utc, iso_time
from virtual_tiff.text.numbers import listed
from virtual_tiff.tiff import SourceState, redacted

__all__ = ["Coordinate", "Item", "Values", "find_items", "plain"]

type Coordinate = datetime | int | float | str
"""A place along the dimension of a stack; times are in UTC (`tzinfo` is `datetime.UTC`)."""

type Values = str | os.PathLike[str] | Sequence[Any] | Mapping[str, Any] | Callable[[str], Any]
"""A list, a mapping or a function of urls, a CSV file, or a regular expression."""

type _CoordinateOf = Callable[[Location, StacAsset | None], Coordinate | None]
type _VariableOf = Callable[[Location, StacAsset | None], str | None]


@dataclass(frozen=True, slots=True)
class Item:
    """One file that is to be published, before it is read."""

    location: Location
    """Its place, and the store that reads it."""
    coordinate: Coordinate | None = None
    """Its place along the dimension; None if none was asked for, or the file itself says."""
    variable: str | None = None
    """The array that it is a part of; None if no pattern was given."""
    listed: SourceState | None = None
    """Size, ETag and time as a listing gave them, which costs no request a file."""


def find_items(  # noqa: PLR0913 (one keyword an option)
    sources: Any,  # noqa: ANN401 (names, dicts, whatever has to_dict)
    *,
    store_options: Mapping[str, Any] | None = None,
    time: str | None = None,
    variable: str | None = None,
    values: Values | None = None,
    assets: str | Sequence[str] | None = None,
    remote_schemes: Sequence[str] = REMOTE_SCHEMES,
) -> Iterable[Item]:
    r"""Find the files that the sources name, and where each of them goes.

    Parameters
    ----------
    sources, store_options, remote_schemes
        As `virtual_tiff.sources.finding.find_files` takes them.
    time
        The source of each file's coordinate. `"datetime"`, `"start_datetime"`,
        `"end_datetime"`: that of its STAC item. `"tag"`: the file's own DateTime; the
        items have none then. Else a regular expression that is searched for in the file's
        name, or in its path if it has a `/`: with one group, as `(?P<time>\d{8}T\d{6})`,
        whose form is guessed or given as `PATTERN=FORMAT` of `strptime`; or with groups
        called year, month, day, doy, hour, minute, second.
    variable
        A regular expression, whose groups are the variable's name, as
        `(?P<band>B\d\d)\.tif`; or `"asset"`: the key of the STAC asset. None takes that key
        too, unless `assets` names only one.
    values
        The coordinates, in the place of `time`: a list in the order of the files; a
        mapping or a function of a file's url, or of its name as it was given; a CSV
        file with the columns url and value; or a regular expression as for `variable`.
        Values of a list, mapping or function keep their type: a text stays a text. Those of
        a CSV file or an expression are all integers, else all finite numbers, else all ISO
        8601 times, else all texts; `007` is the number 7, `nan` and `1_000` are texts.
    assets
        Keys of STAC assets; None takes those that are TIFFs with data.

    Returns
    -------
    iterable of Item
        By coordinate if there is one (and a list then), else in the order of the sources;
        those of a directory, prefix or glob are sorted by name, numbers by their value.

    Raises
    ------
    ValueError
        If an option is not one of those allowed, or if files have no place.
    OSError
        If a list cannot be read, or nothing matches.
    """
    keys = (assets,) if isinstance(assets, str) else None if assets is None else tuple(assets)
    if keys is not None and not (keys and all(isinstance(key, str) and key for key in keys)):
        msg = f"assets must be None or keys of STAC assets, as ('B04', 'B08'), not {assets!r}"
        raise ValueError(msg)
    if time is not None and values is not None:
        msg = "time and values both give the coordinates; give only one of them"
        raise ValueError(msg)
    by_time, time_hint = _by_time(time)
    by_value, value_hint, given, texts = _by_value(values)
    coordinate_of, coordinate_hint = by_time or by_value, time_hint or value_hint
    variable_of, variable_hint = _by_variable(variable, keys)
    check_endpoint(store_options or {})
    files = find_files(
        sources,
        store_options=store_options,
        assets=keys,
        time=time if time in TIMES else "datetime",
        for_references=True,
        remote_schemes=remote_schemes,
    )

    def located() -> Iterator[Item]:
        """Yield the items; those without a place are an error after the last."""
        unplaced: dict[str, list[str]] = {}
        for file in files:
            location, asset = file.location, file.asset
            coordinate = coordinate_of(location, asset) if coordinate_of else None
            if coordinate_of and coordinate is None:
                unplaced.setdefault(coordinate_hint, []).append(location.name)
            name = variable_of(location, asset)
            if variable_hint and name is None:
                unplaced.setdefault(variable_hint, []).append(location.name)
            yield Item(location, coordinate, name, file.listed)
        for hint, names in unplaced.items():
            msg = f"{hint}: {listed(list(map(redacted, names)), 10)}"
            raise ValueError(msg)

    if given is None and not (coordinate_of or variable_hint):
        return located()  # nothing is sorted, so not all have to be known before the first
    items = list(located())
    if given is not None:
        items = _with(items, [plain(value) for value in given])
    elif texts:
        items = _as_numbers(items)
    return _in_order(items)


def _by_time(time: str | None) -> tuple[_CoordinateOf | None, str]:
    if time is None or time == "tag":
        return None, ""
    if time in TIMES:
        return (lambda _, asset: asset and asset.time), f"no STAC item has a {time}"
    if not isinstance(time, str) or (
        not is_pattern(time.rpartition("=")[0]) and not is_pattern(time)
    ):
        allowed = ", ".join(map(repr, ("tag", *TIMES)))
        msg = (
            f"time must be one of {allowed}, or a regular expression with a group, as"
            f" '(?P<time>\\d{{8}})', not {time!r}"
        )
        raise ValueError(msg)
    pattern = TimePattern.of(time)
    return (lambda location, _: pattern.value(location)), pattern.pattern.hint()


def _by_value(
    values: Values | None,
) -> tuple[_CoordinateOf | None, str, Sequence[Any] | None, bool]:
    """Return the function, the error about files without a value, the list, and if it has texts."""
    if values is None:
        return None, "", None, False
    if isinstance(values, str) and is_pattern(values) and not Path(values).exists():
        pattern = Pattern.of(values, "values")
        return (lambda location, _: pattern.value(location)), pattern.hint(), None, True
    if isinstance(values, (str, os.PathLike)):
        table = _table(values)
        hint = f"{os.fspath(values)} has no value for"
        return (lambda location, _: _looked_up(table, location)), hint, None, True
    if isinstance(values, Mapping):
        hint = "values has no value for"
        return (lambda location, _: _looked_up(values, location)), hint, None, False
    if callable(values):
        hint = "values gives None for"
        return (lambda loc, _: plain(values(loc.url), loc.name)), hint, None, False
    try:
        return None, "", list(values), False
    except TypeError:
        kinds = "a list, a mapping, a function, a CSV file or a regular expression"
        msg = f"values must be {kinds}, not {values!r}"
        raise ValueError(msg) from None


def _looked_up(values: Mapping[str, Any], location: Location) -> Coordinate | None:
    for key in (location.name, location.url):
        if key in values:
            return plain(values[key], key)
    return None


def _table(file: str | os.PathLike[str]) -> dict[str, str]:
    """Read a CSV file: each line has a url and a value."""
    with Path(file).expanduser().open(encoding="utf-8-sig", newline="") as lines:
        rows = [row for row in csv.reader(lines) if row and not row[0].startswith("#")]
    if rows and [cell.strip().lower() for cell in rows[0][:2]] == ["url", "value"]:
        rows = rows[1:]
    table: dict[str, str] = {}
    for row in rows:
        if len(row) != 2 or not row[1].strip():
            msg = f"{os.fspath(file)}: a line must have a url and a value, not {row}"
            raise ValueError(msg)
        url, value = (cell.strip() for cell in row)
        if table.setdefault(url, value) != value:
            msg = f"{os.fspath(file)}: {redacted(url)} has the values {table[url]} and {value}"
            raise ValueError(msg)
    return table


def _by_variable(variable: str | None, assets: Sequence[str] | None) -> tuple[_VariableOf, str]:
    def key(_: Location, asset: StacAsset | None) -> str | None:
        return None if asset is None else asset.key

    if variable == "asset":
        return key, "variable='asset' takes the keys of STAC assets, and no STAC item names"
    if variable is None:
        return ((lambda _, __: None) if assets and len(assets) == 1 else key), ""
    if not isinstance(variable, str):
        msg = f"variable must be None, 'asset' or a regular expression, not {variable!r}"
        raise ValueError(msg)  # noqa: TRY004 (one class for all wrong options)
    pattern = Pattern.of(variable, "variable")
    return (lambda location, _: pattern.value(location)), pattern.hint()


def plain(value: Any, name: str = "values") -> Coordinate | None:  # noqa: ANN401
    """Return a user's value as a coordinate: numpy's and pandas' become Python's, times UTC.

    Raises
    ------
    ValueError
        If it is of another type, or NaN.
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


def _with(items: list[Item], values: Sequence[Coordinate | None]) -> list[Item]:
    if len(items) != len(values):
        msg = f"there are {len(values)} values for {len(items)} files"
        raise ValueError(msg)
    return [replace(item, coordinate=value) for item, value in zip(items, values, strict=True)]


def _as_numbers(items: list[Item]) -> list[Item]:
    """Make numbers or times of texts, where all of them are; else all stay texts.

    A number is written in ASCII digits, as JSON writes it or with leading zeros or a plus, and is
    finite. Python's own `int` and `float` would also take `1_000`, other scripts' digits, `nan`
    and `inf`.
    """
    texts = [str(item.coordinate) for item in items]
    for read in (_whole_number, _number, iso_time):
        values = [read(text) for text in texts]
        if None not in values:
            return _with(items, values)
    return items


def _fits(number: int) -> bool:
    """Whether an array of 64-bit integers can hold it."""
    return -(2**63) <= number < 2**63


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


def _in_order(items: list[Item]) -> list[Item]:
    """Return items by their coordinates, where they have some.

    Several may have the same one: whether they are of one group is known only when they are
    read, and `stack` refuses them then.

    Raises
    ------
    ValueError
        If only some have a coordinate or a variable, or if coordinates are of several types.
    """
    for attribute in ("coordinate", "variable"):
        names = [item.location.name for item in items if getattr(item, attribute) is None]
        if 0 < len(names) < len(items):
            shown = listed(list(map(redacted, names)), 10)
            msg = f"{len(names)} of {len(items)} files have no {attribute}: {shown}"
            raise ValueError(msg)
    if not items or items[0].coordinate is None:
        return items
    examples: dict[type, Item] = {}
    for item in items:
        examples.setdefault(type(item.coordinate), item)
    if set(examples) == {int, float}:
        items = _with(items, [float(item.coordinate or 0) for item in items])  # type: ignore[arg-type]
    elif len(examples) > 1:
        shown = ", ".join(
            f"{redacted(item.location.name)}: {item.coordinate!r}" for item in examples.values()
        )
        msg = f"coordinates are of several types: {shown}; give all of them one type"
        raise ValueError(msg)

    def rank(item: Item) -> Any:  # noqa: ANN401 (values of one type, which can be compared)
        return natural(item.coordinate) if isinstance(item.coordinate, str) else item.coordinate

    return sorted(items, key=rank)
