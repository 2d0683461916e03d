"""The present states of many objects of a store, by listings instead of a question for each.

A request that lists gives a thousand objects in the order of their keys; a question (HEAD) gives
one. Whether a listing is worth it depends on what lies between the objects that are asked for: of
a folder of scenes it tells a thousand of them, of a bucket of a provider a few. So a listing begins
at the first key, and ends when a page has told too few. What it does not tell is asked for by name;
so is what it tells otherwise than expected, as caches and listings may be late.

S3 and GCS list from a given key on. Azure and WebDAV begin at the first of a folder, and the
listing of a disk is not sorted: their objects are asked for one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from posixpath import commonpath, dirname
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import GCSStore, S3Store

from virtual_tiff.sources.object_source import state_of
from virtual_tiff.tiff import SourceState

__all__ = ["LEAST_OF_A_PAGE", "listed_states", "lists_from_a_key"]

_PAGE = 1000
LEAST_OF_A_PAGE = 16
"""A request that lists costs as much as some 13 questions, at the list prices of AWS (us-east-1:
$5.00 and $0.40 a million)."""


def lists_from_a_key(store: object) -> bool:
    """Whether a store lists in the order of keys, and from a given one on."""
    return isinstance(store, S3Store | GCSStore)


async def listed_states(store: Any, paths: Sequence[str]) -> dict[str, SourceState]:  # noqa: ANN401
    """Return the states of those objects that are found cheaply by listing, by their keys.

    The store is one that `lists_from_a_key`, and the keys are sorted. An object that is left out
    may exist: the listing has been refused, or was given up.
    """
    states: dict[str, SourceState] = {}
    wanted = set(paths)
    folder = commonpath([dirname(path) for path in paths]) if paths else ""
    # from the greatest key that is less, or nearly: a listing begins behind the key that is given
    first, told = paths[0][:-1] if paths else "", 0
    try:
        async for page in store.list(folder or None, offset=first, chunk_size=_PAGE):
            states |= {meta["path"]: state_of(meta) for meta in page if meta["path"] in wanted}
            until = bisect_right(paths, page[-1]["path"])
            if until - told < LEAST_OF_A_PAGE or until == len(paths):
                break
            told = until
    except (BaseError, OSError):
        pass  # many may read an object who may not list; each is asked for by name
    return states
