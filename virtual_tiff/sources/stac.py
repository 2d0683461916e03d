"""STAC items: their TIFFs, with key and time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from urllib.parse import urljoin, urlsplit

from virtual_tiff.sources.times import as_utc, iso_time
from virtual_tiff.sources.urls import is_remote, scheme_of
from virtual_tiff.tiff import redacted, warn

__all__ = [
    "TIMES",
    "StacAsset",
    "absolute",
    "is_stac_name",
    "items_of",
    "parse_items",
    "self_link",
    "tiffs_of",
]

type JSON = Mapping[str, Any]

TIMES = ("datetime", "start_datetime", "end_datetime")
"""The properties of an item that are times."""

_SUFFIXES = (".json", ".geojson", ".ndjson", ".jsonl", ".geojsonl", ".geojsons")
_TIFF_SUFFIXES = (".tif", ".tiff")
_NOT_DATA = frozenset(("thumbnail", "overview", "metadata", "visual"))
"""Roles of assets that show the data, or tell of it."""


@dataclass(frozen=True, slots=True)
class StacAsset:
    """One TIFF of an item."""

    href: str
    """Absolute: a url, or a path."""
    key: str
    item: str
    """The item's id."""
    properties: JSON
    """Of the item, and over them the asset's own."""

    def time(self, name: str) -> datetime | None:
        """Return a property that is a time; a `datetime` that is null is the `start_datetime`.

        Raises
        ------
        ValueError
            If the property is not a time.
        """
        text = self.properties.get(name)
        if text is None and name == "datetime":
            text = self.properties.get("start_datetime")
        if text is None:
            return None
        time = as_utc(text) if isinstance(text, datetime) else iso_time(str(text))
        if time is None:
            msg = f"STAC item {self.item}: {name} is {text!r}, which is not a time of ISO 8601"
            raise ValueError(msg)
        return time


def is_stac_name(name: str) -> bool:
    """Whether a path or url is one of JSON, and so of STAC items."""
    path = urlsplit(name).path if scheme_of(name) in ("http", "https") else name
    return path.lower().endswith(_SUFFIXES)


def items_of(source: Any) -> Iterator[JSON] | None:  # noqa: ANN401 (whatever a user has)
    """Return the items that a dict, or a pystac object, holds; None if it is neither."""
    to_dict = getattr(source, "to_dict", None)
    if callable(to_dict) and not isinstance(source, type):
        try:  # pystac would follow links over the network to write them in another form
            source = to_dict(transform_hrefs=False)
        except TypeError:
            source = to_dict()
    return _items(source, "the STAC object") if isinstance(source, Mapping) else None


def parse_items(lines: Iterable[str], place: str) -> Iterator[JSON]:
    """Read an item collection, an item, a list of items, or an item a line (NDJSON).

    Where each line is an item, they are read one by one. `place` is the text's path or url, for
    errors and for relative hrefs. A text in no such form is a ValueError.
    """
    rest = iter(lines)
    first = next((line for line in rest if line.strip("\ufeff \t\r\n")), "").lstrip("\ufeff")
    texts: Iterable[str] = chain([first], filter(str.strip, rest))
    try:
        json.loads(first)
    except json.JSONDecodeError:  # one value over many lines
        texts = ["".join([first, *rest])]
    for text in texts:
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"{redacted(place)} is not JSON of STAC items: {error}"
            raise ValueError(msg) from error
        yield from _items(value, place)


def _items(value: Any, place: str) -> Iterator[JSON]:  # noqa: ANN401
    if isinstance(value, list):
        for one in value:
            yield from _items(one, place)
        return
    kind = value.get("type") if isinstance(value, Mapping) else type(value).__name__
    if kind == "FeatureCollection" and isinstance(value.get("features"), list):
        links = value.get("links") or ()
        if any(isinstance(link, Mapping) and link.get("rel") == "next" for link in links):
            warn(
                f"{redacted(place)} is one page of a search, and the pages after it are not read;"
                " save all items in one file to take them all"
            )
        yield from _items(value["features"], place)
    elif kind == "Feature" and isinstance(value.get("assets"), Mapping):
        yield value
    else:
        msg = (
            f"{redacted(place)}: expected a STAC item or item collection with assets, not an"
            f" object of type {kind!r}"
        )
        raise ValueError(msg)


def tiffs_of(item: JSON, *, place: str | None, assets: Sequence[str] | None) -> list[StacAsset]:
    """Return the TIFFs of an item; one without any is a ValueError.

    `place` is where the item was read, for relative hrefs of an item without a link `self`.
    `assets` are keys; None takes the TIFFs among the assets: by media type or, without one, by
    suffix; where some have the role `data` these alone, else all but those whose role is
    `thumbnail`, `overview`, `visual` or `metadata`.
    """
    name = str(item.get("id", "without an id"))
    present: Mapping[str, Any] = item["assets"]
    if assets is None:
        roles = {k: set(a.get("roles") or ()) for k, a in present.items() if _is_tiff(a)}
        keys = [key for key in roles if "data" in roles[key]]
        keys = keys or [key for key in roles if not roles[key] & _NOT_DATA]
    else:
        keys = [key for key in assets if key in present]
    if not keys:
        wanted = "TIFF among its assets" if assets is None else f"asset {' or '.join(assets)}"
        msg = f"STAC item {name} has no {wanted}; it has {', '.join(present) or 'none'}"
        raise ValueError(msg)
    base = self_link(item, place) or place
    tiffs = []
    for key in keys:
        asset = present[key]
        href = asset.get("href") if isinstance(asset, Mapping) else None
        if not isinstance(href, str) or not href:
            msg = f"STAC item {name}: asset {key} has no href"
            raise ValueError(msg)
        resolved = absolute(href, base)
        if resolved is None:
            msg = (
                f"STAC item {name}: {redacted(href)} is relative, and the item has no link 'self';"
                " make the href absolute"
            )
            raise ValueError(msg)
        properties = {**(item.get("properties") or {}), **asset}  # an asset may have its own
        tiff = StacAsset(resolved, key, name, properties)
        tiff.time("datetime")  # refuses an item whose time is none before anything is read
        tiffs.append(tiff)
    return tiffs


def _is_tiff(asset: Any) -> bool:  # noqa: ANN401
    if not isinstance(asset, Mapping):
        return False
    media = asset.get("type")
    if isinstance(media, str) and media:
        return media.partition(";")[0].strip().lower() in ("image/tiff", "image/vnd.stac.geotiff")
    return urlsplit(str(asset.get("href"))).path.lower().endswith(_TIFF_SUFFIXES)


def self_link(item: JSON, place: str | None = None) -> str | None:
    """Return the url of an item's link `self`; a remote item cannot say that it is a local file."""
    for link in item.get("links") or ():
        if isinstance(link, Mapping) and link.get("rel") == "self":
            href = link.get("href")
            if not isinstance(href, str) or not (scheme_of(href) or href.startswith("/")):
                continue
            if place is None or is_remote(href) or not is_remote(place):
                return href
    return None


_LIKE_A_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""`file:etc`, `stac:x`, a drive's letter: whatever it is to this machine, it is not relative."""


def absolute(href: str, base: str | None) -> str | None:
    """Resolve an href against the place of the document that has it; None if that takes one.

    `urllib`'s urljoin knows http alone: of `s3://` and the like it makes nothing, and it
    would cut their keys at `?` and `#`.
    """
    if scheme_of(href) or (base is not None and is_remote(base) and _LIKE_A_URL.match(href)):
        return href
    if base is None:
        return href if href.startswith("/") else None
    scheme = scheme_of(base)
    if scheme in ("http", "https"):
        return urljoin(base, href)
    root, path = "", base
    if scheme is not None:
        host, slash, path = base.partition("://")[2].partition("/")
        root, path = f"{scheme}://{host}", slash + path
    if href.startswith("/"):
        return root + href
    parts = path.split("/")[:-1]
    for part in href.split("/"):
        if part == ".." and parts and parts[-1] not in ("", ".", ".."):
            parts.pop()
        elif part != ".":
            parts.append(part)
    return root + "/".join(parts)
