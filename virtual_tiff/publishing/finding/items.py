"""The files that are to be published: each with its coordinates, its variable and its group.

`find_items` asks the finder of `sources/` for the files, and `Placement` for the place of each: its
coordinates along new dimensions, its variable and its group, and its rank among the files. Where
these come from is the matter of `lookups`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from virtual_tiff.publishing.finding.lookups import (
    Coordinate,
    Lookup,
    Values,
    lookup,
    lookups_of,
    plain,
    settled,
)
from virtual_tiff.publishing.finding.patterns import Pattern
from virtual_tiff.sources.declared_grid import TilePlace
from virtual_tiff.sources.finding import REMOTE_SCHEMES, SourceFile, find_files, names_stac
from virtual_tiff.sources.listings import natural
from virtual_tiff.sources.locations import Location, check_endpoint
from virtual_tiff.sources.stac import StacAsset
from virtual_tiff.text.numbers import listed
from virtual_tiff.tiff import SourceState, redacted

__all__ = ["Item", "Placement", "find_items"]

type _VariableOf = Callable[[Location, StacAsset | None], str | None]


@dataclass(frozen=True, slots=True)
class Item:
    """One file that is to be published, before it is read."""

    location: Location
    """Its place, and the store that reads it."""
    coordinates: Mapping[str, Coordinate | None] = field(default_factory=dict)
    """By dimension; None if the file's own DateTime is the coordinate."""
    variable: str | None = None
    """The array that it is a part of; None if no pattern was given."""
    listed: SourceState | None = None
    """Size, ETag and time as a listing gave them, which costs no request a file."""
    group: str | None = None
    """The group that it goes to; None if no group was asked for."""
    place: TilePlace | None = None
    """Its place in the grid of a document that names it."""


def find_items(
    sources: Any,  # noqa: ANN401 (names, dicts, whatever has to_dict)
    *,
    store_options: Mapping[str, Any] | None = None,
    saved: Mapping[str, Mapping[str, Any]] | None = None,
    remote_schemes: Sequence[str] = REMOTE_SCHEMES,
    **placement: Any,  # noqa: ANN401 (as `Placement.of` takes them)
) -> Iterable[Item]:
    """Find the files that the sources name, and where each of them goes.

    Parameters
    ----------
    sources, store_options, saved, remote_schemes
        As `virtual_tiff.sources.finding.find_files` takes them.
    **placement
        See `Placement.of`.

    Returns
    -------
    iterable of Item
        By coordinates if there are some (and a list then), else in the order of the sources;
        those of a directory, prefix or glob are sorted by name, numbers by their value.

    Raises
    ------
    ValueError
        If an option is not one of those allowed, or if files have no place.
    OSError
        If a list cannot be read, or nothing matches.
    """
    place = Placement.of(of_stac=names_stac(sources), **placement)
    check_endpoint(store_options or {})
    files = find_files(
        sources,
        store_options=store_options,
        saved=saved,
        assets=place.assets,
        for_references=True,
        remote_schemes=remote_schemes,
    )
    return place.items(files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How each file gets its coordinates, its variable, its group and its rank."""

    coordinates: Mapping[str, Lookup]
    """By dimension."""
    variable: _VariableOf
    variable_hint: str
    """The error about files that have no variable; empty if they need none."""
    group: Lookup | None = None
    order: Lookup | None = None
    assets: tuple[str, ...] | None = None
    """Keys of STAC assets; None takes those that are TIFFs with data."""

    @classmethod
    def of(  # noqa: PLR0913 (one keyword an option)
        cls,
        *,
        axes: Sequence[str] = (),
        time: str | None = None,
        values: Values | None = None,
        variable: str | None = None,
        group: Values | None = None,
        order: Values | None = None,
        assets: str | Sequence[str] | None = None,
        of_stac: bool = False,
    ) -> Placement:
        r"""Check the options.

        Parameters
        ----------
        axes
            Those of `concat`, new ones and those of the files.
        time
            The source of each file's coordinate along the dimension called time or t, or else
            along the only one that may be new. `"datetime"`, `"start_datetime"`,
            `"end_datetime"`: that of its STAC item. `"tag"`: the file's own DateTime. Else a
            regular expression that is searched for in the file's name, or in its path if it has a
            `/`: with one group, as `(?P<time>\d{8}T\d{6})`, whose form is guessed or given as
            `PATTERN=FORMAT` of `strptime`; or with groups called year, month, day, doy, hour,
            minute, second.
        values
            The coordinates along the only dimension that may be new: a list in the order of the
            files; a mapping or a function of a file's url, or of its name as it was given; a CSV
            file with the columns url and value; a regular expression as for `variable`; `"asset"`,
            `"tag"`, or the name of a STAC property. Along several dimensions: a mapping from their
            names to these; a regular expression whose groups are called as they are; or a CSV file
            whose header names them.
            Values of a list, mapping or function keep their type: a text stays a text. Those of
            a CSV file or an expression are all integers, else all finite numbers, else all ISO
            8601 times, else all texts; `007` is the number 7, `nan` and `1_000` are texts. Along a
            dimension that is called time or t by the mapping, group or column, they are times in
            any form that `time` takes.
        variable
            A regular expression, whose groups are the variable's name, as
            `(?P<band>B\d\d)\.tif`; or `"asset"`: the key of the STAC asset. None takes that key
            too, unless `assets` names only one.
        group, order
            The group of a file, and its rank: as `values` along one dimension, but no list.
        assets
            Keys of STAC assets; None takes those that are TIFFs with data.
        of_stac
            Whether the files are of STAC items: their `datetime` is the coordinate along the
            dimension time, if no other is given.

        Raises
        ------
        ValueError
            If an option is not one of those allowed.
        """
        keys = (assets,) if isinstance(assets, str) else None if assets is None else tuple(assets)
        if keys is not None and not (keys and all(isinstance(key, str) and key for key in keys)):
            msg = f"assets must be None or keys of STAC assets, as ('B04', 'B08'), not {assets!r}"
            raise ValueError(msg)
        coordinates = lookups_of(axes, time, values, of_stac=of_stac)
        by_variable, hint = _by_variable(variable, keys)
        of_group = None if group is None else _unlisted(group, "group")
        by_asset = any(of and of.by_asset for of in (*coordinates.values(), of_group))
        if variable is None and by_asset:  # the key is a coordinate, or the group's name
            by_variable = _no_variable
        return cls(
            coordinates=coordinates,
            variable=by_variable,
            variable_hint=hint,
            # a group's name is a text, whatever it looks like
            group=None if of_group is None else replace(of_group, texts=False),
            order=None if order is None else _unlisted(order, "order"),
            assets=keys,
        )

    def items(self, files: Iterable[SourceFile]) -> Iterable[Item]:
        """Return the items: a list where they are sorted, as all must be known then."""
        rows = self._rows(files)
        from_tag: dict[str, Coordinate | None] = {
            name: None for name, of in self.coordinates.items() if of.from_tag
        }
        given = [name for name in self.coordinates if name not in from_tag]
        if not (given or self.variable_hint or self.group or self.order):
            return (
                Item(f.location, from_tag | _band(f), variable, f.listed, place=f.place)
                for f, variable, _ in rows
            )
        found = list(rows)
        names = [file.location.name for file, _, _ in found]
        columns = {
            what: _column(of, names, [values[at] for _, _, values in found])
            for at, (what, of) in enumerate(self._lookups())
        }
        items = [
            Item(
                file.location,
                from_tag | _band(file) | {name: columns["coordinate", name][at] for name in given},
                variable,
                file.listed,
                group=str(columns["group", ""][at]) if self.group else None,
                place=file.place,
            )
            for at, (file, variable, _) in enumerate(found)
        ]
        # the rank counts where the coordinates are equal: that of tiles which overlap
        for what in (("order", ""), *(("coordinate", name) for name in reversed(given))):
            if what in columns:
                ranks = [natural(v) if isinstance(v, str) else v for v in columns[what]]
                order = sorted(range(len(items)), key=ranks.__getitem__)
                items = [items[at] for at in order]
                columns = {key: [values[at] for at in order] for key, values in columns.items()}
        return items

    def _lookups(self) -> Iterator[tuple[tuple[str, str], Lookup]]:
        """Yield what is looked up of each file, by its kind and the dimension."""
        for name, of in self.coordinates.items():
            if not of.from_tag:
                yield ("coordinate", name), of
        for kind, of_all in (("group", self.group), ("order", self.order)):
            if of_all is not None:
                yield (kind, ""), of_all

    def _rows(self, files: Iterable[SourceFile]) -> Iterator[_Row]:
        """Yield the files, each with its variable and what was looked up.

        After the last file there is a ValueError, if some have no value.
        """
        lookups = [of for _, of in self._lookups()]
        unplaced: dict[str, list[str]] = {}
        for file in files:
            location, asset = file.location, file.asset
            values = [of.value(location, asset) for of in lookups]
            for of, value in zip(lookups, values, strict=True):
                if value is None and of.listed is None:
                    unplaced.setdefault(of.hint, []).append(location.name)
            variable = self.variable(location, asset)
            if self.variable_hint and variable is None:
                unplaced.setdefault(self.variable_hint, []).append(location.name)
            yield file, variable, values
        for hint, names in unplaced.items():
            msg = f"{hint}: {_shown(names)}"
            raise ValueError(msg)


type _Row = tuple[SourceFile, str | None, list[Coordinate | None]]


def _band(file: SourceFile) -> dict[str, Coordinate | None]:
    """Return the coordinate of a file that is one band of a declared grid."""
    return {"band": file.place.band} if file.place is not None and file.place.band else {}


def _column(of: Lookup, names: Sequence[str], values: Sequence[Any]) -> list[Coordinate]:
    """Return the values of all files in one type."""
    if of.listed is not None:
        if len(of.listed) != len(names):
            msg = f"there are {len(of.listed)} values for {len(names)} files"
            raise ValueError(msg)
        values = [plain(value) for value in of.listed]
        _check_all_or_none(names, values)
    return settled(values, of, names)


def _check_all_or_none(names: Sequence[str], values: Sequence[Any]) -> None:
    without = [name for name, value in zip(names, values, strict=True) if value is None]
    if 0 < len(without) < len(names):
        msg = f"{len(without)} of {len(names)} files have no coordinate: {_shown(without)}"
        raise ValueError(msg)


def _shown(names: Sequence[str]) -> str:
    """Name some files in an error: there may be a million."""
    return listed(list(map(redacted, names)), 10)


def _unlisted(given: Values, option: str) -> Lookup:
    """Return the lookup of a group or a rank, for which no list is taken."""
    of = lookup(given, option, option)
    if of.listed is not None or of.from_tag:
        msg = (
            f"{option} must be a mapping, a function, a CSV file, a regular expression or the name"
            f" of a STAC property, not {given!r}"
        )
        raise ValueError(msg)
    return of


def _no_variable(_: Location, __: StacAsset | None) -> None:
    return None


def _by_variable(variable: str | None, assets: Sequence[str] | None) -> tuple[_VariableOf, str]:
    def key(_: Location, asset: StacAsset | None) -> str | None:
        return None if asset is None else asset.key

    if variable == "asset":
        return key, "variable='asset' takes the keys of STAC assets, and no STAC item names"
    if variable is None:
        return (_no_variable if assets and len(assets) == 1 else key), ""
    if not isinstance(variable, str):
        msg = f"variable must be None, 'asset' or a regular expression, not {variable!r}"
        raise ValueError(msg)  # noqa: TRY004 (one class for all wrong options)
    pattern = Pattern.of(variable, "variable")
    return (lambda location, _: pattern.value(location)), pattern.hint()
