"""From what a user names to the files that are to be published: `find_items`."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obstore.exceptions import BaseError

from virtual_tiff.locations import Location, Stores, redacted, scheme_of, secret_in
from virtual_tiff.obspec_source import store_error
from virtual_tiff.publishing.items import Item
from virtual_tiff.publishing.listings import is_listing, listed
from virtual_tiff.publishing.placing import Placing, Values, in_order
from virtual_tiff.publishing.stac import (
    TIMES,
    StacAsset,
    absolute,
    is_stac_name,
    items_of,
    parse_items,
    tiffs_of,
)
from virtual_tiff.tiff import SourceState
from virtual_tiff.tiff.errors import warn

__all__ = ["find_items", "names_stac"]

type _Found = tuple[Location, SourceState | None, StacAsset | None]


def find_items(  # noqa: PLR0913 (one keyword an option)
    sources: Any,  # noqa: ANN401 (names, dicts, whatever has to_dict)
    *,
    store_options: Mapping[str, Any] | None = None,
    time: str | None = None,
    variable: str | None = None,
    values: Values | None = None,
    assets: str | Sequence[str] | None = None,
    allow_signed: bool = False,
) -> Iterable[Item]:
    r"""Find the files that the sources name.

    Parameters
    ----------
    sources
        One or an iterable of: a path or url; a directory, or a prefix of an object store
        (it ends with `/`), for all `*.tif` and `*.tiff` below; a glob, in urls of `*`, `**`
        and `[…]` alone; `@list.txt`, a text file or url with one of these a line, where
        blank lines and those that start with `#` are comments; `-`, the same from standard
        input; STAC items: a path or url that ends in `.json`, `.geojson`, `.ndjson` or
        `.jsonl`, or is called so by `stac:` before it, a dict, or an object with `to_dict`.
    store_options
        obstore's options of the stores and of the HTTP client.
    time
        Where the coordinate of each file is from. `"datetime"`, `"start_datetime"`,
        `"end_datetime"`: that of its STAC item. `"tag"`: the file's own DateTime; the
        items have none then. Else a regular expression that is searched for in the file's
        name, or in its path if it has a `/`: with one group, as `(?P<time>\d{8}T\d{6})`,
        whose form is guessed or given as `PATTERN=FORMAT` of `strptime`; or with groups
        called year, month, day, doy, hour, minute, second.
    variable
        A regular expression, whose groups are the variable's name, as
        `(?P<band>B\d\d)\.tif`; or `"asset"`: the key of the STAC asset. None takes that key
        too, but where `assets` names only one.
    values
        The coordinates, in the place of `time`: a list in the order of the files; a
        mapping or a function of a file's url, or of its name as it was given; a CSV
        file with the columns url and value; or a regular expression as for `variable`.
    assets
        Keys of STAC assets; None takes those that are TIFFs with data.
    allow_signed
        Whether urls may have a query, user name or password, which end up in references.

    Returns
    -------
    iterable of Item
        By coordinate if there is one (and a list then), else in the order of the sources;
        those of a directory, prefix or glob are sorted by name, numbers by their value.

    Raises
    ------
    ValueError
        If an option is not one of those allowed, or if files have no place, or the same.
    OSError
        If a list cannot be read, or nothing matches.
    """
    keys = (assets,) if isinstance(assets, str) else None if assets is None else tuple(assets)
    if keys is not None and not (keys and all(isinstance(key, str) and key for key in keys)):
        msg = f"assets must be None or keys of STAC assets, as ('B04', 'B08'), not {assets!r}"
        raise ValueError(msg)
    placing = Placing.of(time=time, variable=variable, values=values, assets=keys)
    search = _Search(
        Stores(store_options or {}), keys, time if time in TIMES else "datetime", allow_signed
    )
    found = placing.items(search.all_of(sources))
    return in_order(found) if placing.places else found


def names_stac(sources: Any) -> bool:  # noqa: ANN401
    """Whether sources are STAC items, as far as can be seen without reading any."""
    single = isinstance(sources, (str, os.PathLike, Mapping)) or hasattr(sources, "to_dict")
    if not single and not isinstance(sources, Sequence):
        return False
    return all(
        is_stac_name(os.fspath(source)) or os.fspath(source).startswith("stac:")
        if isinstance(source, (str, os.PathLike))
        else True
        for source in ([sources] if single else sources)
    )


@dataclass(slots=True)
class _Search:
    """Expands sources, one after another."""

    stores: Stores
    assets: tuple[str, ...] | None
    time: str
    allow_signed: bool
    found_assets: set[str] = field(default_factory=set)
    lacking: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the items that have not all of the assets, by their keys."""

    def all_of(self, sources: Any) -> Iterator[_Found]:  # noqa: ANN401
        """Yield all files; refuse what cannot be referred to, and what is named twice."""
        # of urls their hashes alone: those of a million are 70 MB less than the urls; that
        # two of them are equal is one chance in 10^7, and other hashes at the next run
        seen: set[int] = set()
        for found in self._each(sources):
            url = found[0].url
            count = len(seen)
            seen.add(hash(url))
            if len(seen) == count:
                msg = f"named more than once: {redacted(url)}"
                raise ValueError(msg)
            yield found
        if not seen:
            msg = "there are no sources"
            raise ValueError(msg)
        self._check_assets()
        self.stores.check_used()

    def _check_assets(self) -> None:
        """Refuse keys that no item has, warn of those that some lack."""
        for key in self.assets or ():
            if key not in self.found_assets:
                msg = f"no STAC item has an asset {key}"
                raise ValueError(msg)
        for key, items in self.lacking.items():
            more = f" and {len(items) - 1} other items have" if len(items) > 1 else " has"
            warn(f"STAC item {items[0]}{more} no asset {key}")

    def _each(self, sources: Any) -> Iterator[_Found]:  # noqa: ANN401
        single = isinstance(sources, (str, os.PathLike, Mapping)) or hasattr(sources, "to_dict")
        for source in [sources] if single else sources:
            if isinstance(source, (str, os.PathLike)):
                yield from self._named(os.fspath(source))
                continue
            items = items_of(source)
            if items is None:
                msg = f"a source is a path, a url, or STAC items, not {source!r}"
                raise ValueError(msg)
            yield from self._stac(items, None)

    def _named(self, name: str) -> Iterator[_Found]:
        """Expand what may stand on a command line."""
        if name == "-":
            yield from self._lines(sys.stdin, None)
        elif name.startswith("@"):
            yield from self._lines(self._text(name[1:]), name[1:])
        else:
            yield from self._name(name)

    def _lines(self, lines: Iterable[str], place: str | None) -> Iterator[_Found]:
        remote = place if place is not None and scheme_of(place) else None
        for line in lines:
            name = line.strip("\ufeff \t\r\n")
            if name and not name.startswith("#"):
                # relative to the working directory, as GDAL has it; of a url, to that
                yield from self._name(str(absolute(name, remote)) if remote else name)

    def _name(self, name: str) -> Iterator[_Found]:
        """Expand what may stand in a list."""
        if name.startswith("stac:") or is_stac_name(name):
            place = name.removeprefix("stac:")
            yield from self._stac(parse_items(self._text(place), place), place)
        elif is_listing(name):
            for location, state in listed(name, self.stores):
                yield location, state, None
        else:
            local = scheme_of(name) is None
            yield self._locate(os.path.expanduser(name) if local else name), None, None  # noqa: PTH111

    def _stac(self, items: Iterable[Mapping[str, Any]], place: str | None) -> Iterator[_Found]:
        for item in items:
            tiffs = tiffs_of(item, place=place, assets=self.assets, time=self.time)
            keys = {asset.key for asset in tiffs}
            self.found_assets |= keys
            for key in set(self.assets or ()) - keys:
                self.lacking.setdefault(key, []).append(tiffs[0].item)
            for asset in tiffs:
                yield self._locate(asset.href), None, asset

    def _locate(self, name: str) -> Location:
        if not self.allow_signed and (what := secret_in(name)):
            msg = (
                f"{redacted(name)} has a {what}: a signature or password would be stored in"
                " each reference, for all who read it, and would expire"
            )
            raise ValueError(msg)
        return self.stores.locate(name)

    def _text(self, place: str) -> Iterator[str]:
        """Yield the lines of a text file or url."""
        try:
            if scheme_of(place) is None:
                with Path(place).expanduser().open(encoding="utf-8-sig") as file:
                    yield from file
            else:
                yield from _lines_of(self._download(place))
        except UnicodeDecodeError as error:
            msg = f"{redacted(place)} is no text in UTF-8: {error}"
            raise ValueError(msg) from error

    def _download(self, url: str) -> Iterator[bytes]:
        location = self.stores.locate(url)
        try:
            for chunk in location.store.get(location.path).stream():
                yield bytes(chunk)
        except (BaseError, OSError) as error:
            raise store_error(error, redacted(url)) from error


def _lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from lines
    yield rest + decoder.decode(b"", final=True)
