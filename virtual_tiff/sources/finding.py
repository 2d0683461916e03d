"""From the names that a user gives to objects in stores: the one finder of `info` and `publish`.

A name is a path, a url, a directory, a prefix of an object store, a glob, a list of names, a
STAC document, or a document that declares a grid: a VRT, a table of tiles, a tile index. All of
them are expanded here, so that both commands take the same names and give the same errors. Sources
are expanded one after another and yielded as they come: an archive may have millions of files.

Two rules protect the user. A list or document that is remote may name remote objects alone:
otherwise a server could have files of this machine published. And a url that is to be stored as a
reference may not have a signature or a password, as all readers of the references would get it.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from obstore.exceptions import BaseError

from virtual_tiff.metadata.ome_xml import parse_ome
from virtual_tiff.sources.declared_grid import TilePlace, base_of, lower_path
from virtual_tiff.sources.listings import is_listing, list_files, names_of_list
from virtual_tiff.sources.locations import Location, Stores
from virtual_tiff.sources.object_source import store_error
from virtual_tiff.sources.stac import (
    StacAsset,
    absolute,
    is_stac_name,
    items_of,
    parse_items,
    self_link,
    tiffs_of,
)
from virtual_tiff.sources.tile_index import (
    index_name,
    is_index,
    is_settings,
    parse_settings,
    read_features,
    stac_items,
    tiles_of_index,
)
from virtual_tiff.sources.tile_table import is_table, tiles_of_table
from virtual_tiff.sources.urls import file_path, is_remote, local_path, reference_to, scheme_of
from virtual_tiff.sources.vrt import Vrt, is_vrt, parse_vrt, tiles_of
from virtual_tiff.tiff import SourceState, redacted, secret_in, warn

__all__ = ["REMOTE_SCHEMES", "SourceFile", "find_files", "names_stac"]

REMOTE_SCHEMES = (
    *("http", "https", "s3", "s3a", "gs", "gcs"),
    *("az", "adl", "azure", "abfs", "abfss"),
)
"""The schemes that a remote list or STAC document may name by default: those of remote objects."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a source names."""

    location: Location
    listed: SourceState | None = None
    """Size, ETag and time, where a listing has given them: that costs no request a file."""
    asset: StacAsset | None = None
    """The STAC asset that names the file."""
    place: TilePlace | None = None
    """Its place in the grid of a document that names it."""


def find_files(
    sources: Any,  # noqa: ANN401 (names, dicts, whatever has to_dict)
    *,
    store_options: Mapping[str, Any] | None = None,
    saved: Mapping[str, Mapping[str, Any]] | None = None,
    assets: Sequence[str] | None = None,
    for_references: bool,
    remote_schemes: Sequence[str] = REMOTE_SCHEMES,
) -> Iterator[SourceFile]:
    """Yield the files that the sources name.

    Parameters
    ----------
    sources
        One or an iterable of: a path or url; a directory, or a prefix of an object store
        (it ends with `/`), for all `*.tif` and `*.tiff` below; a glob, in urls of `*`, `**`
        and `[…]` alone; `@list.txt`, a text file or url with one of these a line, where
        blank lines and those that start with `#` are comments; `-`, the same from standard
        input; STAC items: a path or url that ends in `.json`, `.geojson`, `.ndjson` or
        `.jsonl`, or any other with the prefix `stac:`, a dict, or an object with `to_dict`;
        the companion of a multi-file OME-TIFF (`.companion.ome`), for its files;
        a document that declares a grid, for its files: GDAL's VRT (`.vrt`); a table of
        tiles (`.csv`) with the columns url or path, and row and column, or yoff and xoff; GDAL's
        tile index (`.gpkg`, `.fgb`, `.parquet`, `.gti`, or any with the prefix `GTI:`);
        stac-geoparquet (`.parquet`).
    store_options
        obstore's options of the stores and of the HTTP client.
    saved
        Settings of a repository by the root of a bucket, which options may not contradict.
    assets
        Keys of STAC assets; None takes those that are TIFFs with data.
    for_references
        Whether the urls are stored as references. Then a url with a secret or a query, a path
        that Icechunk cannot ask for, and a file that is named twice are refused.
    remote_schemes
        The schemes of urls that a list or a STAC document may name which is remote itself.
        Files of this machine are not among them, unless `"file"` is added.

    Raises
    ------
    ValueError
        If a source, an option or a scheme is not one of those allowed.
    OSError
        If a list cannot be read, or nothing matches.
    """
    allowed = {*REMOTE_SCHEMES, "file"}
    if isinstance(remote_schemes, str) or not set(remote_schemes) <= allowed:
        msg = f"remote_schemes must be some of {', '.join(sorted(allowed))}, not {remote_schemes!r}"
        raise ValueError(msg)
    finder = _Finder(
        stores=Stores(store_options or {}, saved, strict=True),
        assets=None if assets is None else tuple(assets),
        for_references=for_references,
        remote_schemes=frozenset(remote_schemes),
    )
    return finder.files(sources)


def names_stac(sources: Any) -> bool:  # noqa: ANN401
    """Whether all sources are STAC items, as far as can be seen without reading any."""
    if not _is_single(sources) and not isinstance(sources, Sequence):
        return False
    return all(
        is_stac_name(os.fspath(source)) or os.fspath(source).startswith("stac:")
        for source in ([sources] if _is_single(sources) else sources)
        if isinstance(source, (str, os.PathLike))
    )


def _is_single(sources: Any) -> bool:  # noqa: ANN401
    """Whether the argument is one source, and not an iterable of them."""
    return isinstance(sources, (str, os.PathLike, Mapping)) or hasattr(sources, "to_dict")


@dataclass(slots=True)
class _Finder:
    """Expands sources, one after another."""

    stores: Stores
    assets: tuple[str, ...] | None
    for_references: bool
    remote_schemes: frozenset[str]
    present_assets: set[str] = field(default_factory=set)
    items_without: dict[str, list[str]] = field(default_factory=dict)
    """By key of an asset: the ids of the items that lack it."""

    def files(self, sources: Any) -> Iterator[SourceFile]:  # noqa: ANN401
        # of urls their hashes alone: those of a million are 70 MB less than the urls; that
        # two of them are equal is one chance in 10^7, and other hashes at the next run
        seen: set[int] = set()
        count = 0
        for file in self._expand(sources):
            count += 1
            if self.for_references:
                seen.add(hash(file.location.url))
                if len(seen) < count:
                    msg = f"{redacted(file.location.url)} is named more than once; name it once"
                    raise ValueError(msg)
            yield file
        if not count:
            msg = "no sources are given; name at least one file"
            raise ValueError(msg)
        for key in self.assets or ():
            if key not in self.present_assets:
                msg = f"no STAC item has an asset {key}"
                raise ValueError(msg)
        for key, items in self.items_without.items():
            more = f" and {len(items) - 1} other items have" if len(items) > 1 else " has"
            warn(f"STAC item {items[0]}{more} no asset {key}")
        self.stores.check_used()

    def _expand(self, sources: Any) -> Iterator[SourceFile]:  # noqa: ANN401
        for source in [sources] if _is_single(sources) else sources:
            if isinstance(source, (str, os.PathLike)):
                name = os.fspath(source)
                if not name:  # as of a variable of the shell that is not set
                    msg = "the name of a source is empty; for the working directory give ."
                    raise ValueError(msg)
                if name == "-":
                    yield from self._lines(sys.stdin, None)
                elif name.startswith("@"):
                    yield from self._lines(self._text(name[1:]), name[1:])
                else:
                    yield from self._name(name, None)
                continue
            items = items_of(source)
            if items is None:
                msg = f"a source must be a path, a url, or STAC items, not {source!r}"
                raise ValueError(msg)
            yield from self._stac(items, None)

    def _lines(self, lines: Iterable[str], place: str | None) -> Iterator[SourceFile]:
        """Expand the lines of a list; `place` is its path or url, None for standard input."""
        remote = place if place is not None and is_remote(place) else None
        base = place if place is not None and scheme_of(place) else None
        if base is not None and scheme_of(base) == "file":
            base = reference_to("file://", file_path(base))
        for name in names_of_list(lines):
            # relative to the working directory, as GDAL has it; of a url, to that
            yield from self._name(str(absolute(name, base)) if base else name, remote)

    def _name(self, name: str, origin: str | None) -> Iterator[SourceFile]:
        """Expand a line of a list, or a name of the user's.

        `origin` is the remote document that names it; None if the user does, or a local file.
        """
        if origin is None and _PLAIN_TIFF.fullmatch(name):  # as most of a million are
            yield SourceFile(self._locate(name))
            return
        self._check(name, origin)
        if name.startswith("stac:") or is_stac_name(name):
            place = name.removeprefix("stac:")
            yield from self._stac(parse_items(self._text(place), place), place)
        elif is_listing(name):
            for location, state in list_files(name, self.stores):
                if _is_grid(location.name):
                    yield from self._grid(location.name)
                else:
                    yield SourceFile(location, state)
        elif _is_grid(name):
            yield from self._grid(name)
        elif _is_companion(name):
            yield self._companion(name)
        else:
            local = scheme_of(name) is None
            yield SourceFile(self._locate(os.path.expanduser(name) if local else name))  # noqa: PTH111

    def _stac(self, items: Iterable[Mapping[str, Any]], place: str | None) -> Iterator[SourceFile]:
        for item in items:
            origin = place if place is not None else self_link(item)
            tiffs = tiffs_of(item, place=place, assets=self.assets)
            keys = {asset.key for asset in tiffs}
            self.present_assets |= keys
            for key in set(self.assets or ()) - keys:
                self.items_without.setdefault(key, []).append(tiffs[0].item)
            for asset in tiffs:
                self._check(asset.href, origin)
                yield SourceFile(self._locate(asset.href), asset=asset)

    def _grid(self, name: str) -> Iterator[SourceFile]:
        """Read a document that declares a grid; yield its files."""
        place = index_name(name)
        if is_table(name):
            for tile, tile_place, written in tiles_of_table(self._text(name), name):
                self._check(tile, place)
                # `values` finds the coordinates of the file in the same table, by that name
                yield SourceFile(replace(self._locate(tile), name=written), place=tile_place)
            return
        if is_vrt(name):
            tiles: Iterable[tuple[str, TilePlace]] = self._vrt(name)
        else:
            settings = None
            if is_settings(place):
                settings = parse_settings("\n".join(self._text(place)), place)
                self._check(settings.dataset, place)
                place = settings.dataset
            features = read_features(self._bytes(place), place, settings)
            items = stac_items(features)
            if items is not None:
                yield from self._stac(items, place)
                return
            tiles = tiles_of_index(features, place, settings)
        for tile, tile_place in tiles:
            self._check(tile, place)
            yield SourceFile(self._locate(tile), place=tile_place)

    def _vrt(self, name: str) -> list[tuple[str, TilePlace]]:
        """Read a VRT and those that it names."""
        documents: dict[str, Vrt] = {}
        waiting = [name]
        while waiting:
            place = waiting.pop()
            if place in documents:
                continue
            document = documents[place] = parse_vrt("\n".join(self._text(place)), place)
            for source in {source.name: None for band in document.sources for source in band}:
                self._check(source, place)
            waiting += document.nested
        return tiles_of(documents[name], documents)

    def _companion(self, name: str) -> SourceFile:
        """Return one of the files that a companion of OME-TIFFs describes; it leads to the others.

        What is not OME-XML that names files is a ValueError.
        """
        ome = parse_ome("".join(self._text(name)), ifd=redacted(name))
        files = [] if ome is None else [absolute(file, base_of(name)) or file for file in ome.files]
        if not files:
            msg = f"{redacted(name)} is not OME-XML that names the files of its planes"
            raise ValueError(msg)
        for file in files:
            self._check(file, name)
            location = self._locate(file)
            try:
                location.store.head(location.path)
            except (BaseError, OSError, ValueError):
                continue
            return SourceFile(location)
        msg = f"{redacted(name)} names {redacted(files[0])} and others, and none of them exists"
        raise FileNotFoundError(msg)

    def _check(self, name: str, origin: str | None) -> None:
        """Refuse a name that may not be read or published.

        `origin` is the document that names it; None if the user does.
        A document that the user names is read and not referred to: it may be signed.
        """
        document = name.startswith("stac:") or is_stac_name(name) or _is_grid(name)
        document = document or _is_companion(name)
        if self.for_references and not document and (secret := secret_in(name)):
            msg = (
                f"{redacted(name)} has a {secret}: it would be stored in each reference, for all"
                " readers. Give credentials as store options (store_options, --store-option)"
            )
            raise ValueError(msg)
        if origin is None or not is_remote(origin):
            return
        scheme = scheme_of(name.removeprefix("stac:"))
        if scheme not in self.remote_schemes:
            local = scheme in (None, "file")
            kind = "a file of this machine" if local else f"a url of the scheme {scheme}"
            msg = (
                f"{redacted(origin)} names {redacted(name)}, {kind}; a remote list or STAC"
                f" document may only name urls of {', '.join(sorted(self.remote_schemes))}."
                " Read the document first. If you trust it, allow the scheme (remote_schemes;"
                " publish --remote-schemes), or save the document and name your copy"
            )
            raise ValueError(msg)

    def _locate(self, name: str) -> Location:
        location = self.stores.locate(name)
        if self.for_references and not location.path:
            msg = (
                f"{location.url}: Icechunk cannot ask for a path with %2F or with empty parts;"
                " give the object another name"
            )
            raise ValueError(msg)
        return location

    def _text(self, place: str) -> Iterator[str]:
        """Yield the lines of a text file or url."""
        try:
            if is_remote(place):
                decoder = codecs.getincrementaldecoder("utf-8-sig")()
                rest = ""
                for chunk in self._download(place):
                    *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                    yield from lines
                yield rest + decoder.decode(b"", final=True)
                return
            with local_path(place).open(encoding="utf-8-sig") as file:
                yield from file
        except UnicodeDecodeError as error:
            msg = f"{redacted(place)} is not a text in UTF-8: {error}"
            raise ValueError(msg) from error

    def _bytes(self, place: str) -> bytes:
        """Return a file or an object as a whole."""
        if is_remote(place):
            return b"".join(self._download(place))
        return local_path(place).read_bytes()

    def _download(self, url: str) -> Iterator[bytes]:
        location = self.stores.locate(url)
        try:
            yield from map(bytes, location.store.get(location.path).stream())
        except (BaseError, OSError, ValueError) as error:
            raise store_error(error, url) from error


_PLAIN_TIFF = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://[A-Za-z0-9/._~-]+\.(?:tif|tiff|TIF|TIFF)")
"""A url of an object that is a TIFF by its name, and neither a glob nor signed."""


def _is_grid(name: str) -> bool:
    """Whether a name is one of a document that declares a grid."""
    return is_vrt(name) or is_table(name) or is_index(name)


def _is_companion(name: str) -> bool:
    """Whether a name is one of an OME-XML document beside its OME-TIFFs."""
    return lower_path(name).endswith((".companion.ome", ".ome.xml"))
