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

from virtual_tiff.publishing.finding.items import Item
from virtual_tiff.publishing.finding.positions import Placing, Values, in_order
from virtual_tiff.publishing.finding.stac import (
    TIMES,
    StacAsset,
    absolute,
    is_stac_name,
    items_of,
    parse_items,
    self_link,
    tiffs_of,
)
from virtual_tiff.sources.listings import is_listing, listed
from virtual_tiff.sources.locations import Location, Stores, check_endpoint
from virtual_tiff.sources.object_source import store_error
from virtual_tiff.sources.urls import file_path, is_remote, reference_to, scheme_of
from virtual_tiff.tiff import SourceState
from virtual_tiff.tiff.errors import warn
from virtual_tiff.tiff.redaction import redacted, secret_in

__all__ = ["REMOTE_SCHEMES", "checked_schemes", "find_items", "names_stac"]

REMOTE_SCHEMES = (
    *("http", "https", "s3", "s3a", "gs", "gcs"),
    *("az", "adl", "azure", "abfs", "abfss"),
)
"""What a remote list or STAC document may name by default: objects that are remote too."""

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
    remote_schemes: Sequence[str] = REMOTE_SCHEMES,
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
        Values of a list, mapping or function keep their type: a text stays a text. Those of
        a CSV file or an expression are all integers, else all finite numbers, else all ISO
        8601 times, else all texts; `007` is the number 7, `nan` and `1_000` are texts.
    assets
        Keys of STAC assets; None takes those that are TIFFs with data.
    allow_signed
        Whether urls may have a query, user name or password, which end up in references.
    remote_schemes
        The schemes of urls that a list or a STAC document may name which is remote itself.
        Files of this machine are not among them, unless `"file"` is added.

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
    placing = Placing.of(time=time, variable=variable, values=values, assets=keys)
    check_endpoint(store_options or {})
    search = _Search(
        stores=Stores(store_options or {}),
        assets=keys,
        time=time if time in TIMES else "datetime",
        allow_signed=allow_signed,
        remote_schemes=checked_schemes(remote_schemes),
    )
    found = placing.items(search.all_of(sources))
    return in_order(found) if placing.places else found


def checked_schemes(schemes: Sequence[str]) -> frozenset[str]:
    """Return schemes of urls, or refuse what is none that objects are read by.

    Raises
    ------
    ValueError
        If it is none.
    """
    known = {*REMOTE_SCHEMES, "file"}
    if isinstance(schemes, str) or not set(schemes) <= known:
        msg = f"remote_schemes must be some of {', '.join(sorted(known))}, not {schemes!r}"
        raise ValueError(msg)
    return frozenset(schemes)


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
    remote_schemes: frozenset[str]
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
            yield from self._name(name, None)

    def _lines(self, lines: Iterable[str], place: str | None) -> Iterator[_Found]:
        remote = place if place is not None and is_remote(place) else None
        base = place if place is not None and scheme_of(place) else None
        if base is not None and scheme_of(base) == "file":
            base = reference_to("file://", file_path(base))
        for line in lines:
            name = line.strip("\ufeff \t\r\n")
            if name and not name.startswith("#"):
                # relative to the working directory, as GDAL has it; of a url, to that
                yield from self._name(str(absolute(name, base)) if base else name, remote)

    def _name(self, name: str, origin: str | None) -> Iterator[_Found]:
        """Expand what may stand in a list.

        Parameters
        ----------
        name
            A path, url, directory, prefix, glob, or the name of a STAC document.
        origin
            The remote document that names it; None if the user does, or a local file.
        """
        self._check(name, origin)
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
            origin = place if place is not None else self_link(item)
            origin = origin if origin is not None and is_remote(origin) else None
            tiffs = tiffs_of(item, place=place, assets=self.assets, time=self.time)
            keys = {asset.key for asset in tiffs}
            self.found_assets |= keys
            for key in set(self.assets or ()) - keys:
                self.lacking.setdefault(key, []).append(tiffs[0].item)
            for asset in tiffs:
                self._check(asset.href, origin)
                yield self._locate(asset.href), None, asset

    def _check(self, name: str, origin: str | None) -> None:
        """Refuse a location that may not be published, whichever way it was named.

        A STAC document that the user names is read and not referred to: a signed one is fine.
        """
        document = name.startswith("stac:") or is_stac_name(name)
        if not self.allow_signed and not document and (what := secret_in(name)):
            msg = (
                f"{redacted(name)} has a {what}: a signature or password would be stored in"
                " each reference, for all who read it, and would expire"
            )
            raise ValueError(msg)
        if origin is None:
            return
        scheme = scheme_of(name.removeprefix("stac:"))
        if scheme not in self.remote_schemes:
            what = f"a url of the scheme {scheme}" if scheme else "a file of this machine"
            msg = (
                f"{redacted(origin)} names {redacted(name)}, {what}; a remote list or STAC"
                f" document may name urls of {', '.join(sorted(self.remote_schemes))} alone."
                " Read the document first; if you trust it, allow the scheme (remote_schemes,"
                " --remote-schemes), or save it and name your copy"
            )
            raise ValueError(msg)

    def _locate(self, name: str) -> Location:
        location = self.stores.locate(name)
        try:
            location.path.encode()
        except UnicodeEncodeError as error:
            raise store_error(error, location.url) from error
        if not location.path and not secret_in(location.url):
            msg = f"{location.url}: Icechunk cannot ask for a path with %2F or with empty parts"
            raise ValueError(msg)
        return location

    def _text(self, place: str) -> Iterator[str]:
        """Yield the lines of a text file or url."""
        try:
            if not is_remote(place):
                path = Path(file_path(place))
                path = path if scheme_of(place) else path.expanduser()
                with path.open(encoding="utf-8-sig") as file:
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
        except (BaseError, OSError, ValueError) as error:
            raise store_error(error, url) from error


def _lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from lines
    yield rest + decoder.decode(b"", final=True)
