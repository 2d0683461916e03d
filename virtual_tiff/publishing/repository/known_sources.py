"""The sources of a published repository: what the ledger says of them, and how to ask them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import icechunk
import zarr

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.repository.ledger import LEDGER, Ledger
from virtual_tiff.tiff import SourceState

__all__ = [
    "KnownSource",
    "known_sources",
    "number_of_sources",
    "sources_were_whole",
]

type KnownSource = tuple[str, SourceState | None]
"""A url, and its state at the parse; None if the repository does not say."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ledger(session: icechunk.Session) -> dict[str, Any] | None:
    """Return the columns of the ledger; None if there is none."""
    try:
        group = zarr.open_group(session.store, path=LEDGER, mode="r")
    except FileNotFoundError:
        return None
    try:
        return {name: group[name] for name in ("url", "size", "etag", "last_modified")}
    except KeyError as error:
        msg = f"the group {LEDGER} is no ledger of virtual_tiff: it has no array {error}"
        raise PublishError(msg) from error


def number_of_sources(session: icechunk.Session) -> int | None:
    """Return how many sources the ledger has; None if there is none."""
    ledger = _ledger(session)
    return None if ledger is None else int(ledger["url"].shape[0])


def sources_were_whole(session: icechunk.Session) -> bool:
    """Whether the ledger says that no source was truncated when it was published."""
    try:
        group = zarr.open_group(session.store, path=LEDGER, mode="r")
    except FileNotFoundError:
        return False
    return Ledger(0, dict(group.attrs)).whole


def known_sources(session: icechunk.Session, batch: int) -> Iterator[list[KnownSource]]:
    """Yield the sources, some at a time; a ledger of millions is never in memory as a whole.

    Without a ledger they are what the references point to, each once.
    """
    ledger = _ledger(session)
    if ledger is None:
        # dict, and not set: the order is that of the repository, and so the same twice
        urls = list(dict.fromkeys(session.all_virtual_chunk_locations()))
        for start in range(0, len(urls), batch):
            yield [(url, None) for url in urls[start : start + batch]]
        return
    for start in range(0, ledger["url"].shape[0], batch):
        columns = (ledger[name][start : start + batch].tolist() for name in ledger)
        yield [(url, _state(*rest)) for url, *rest in zip(*columns, strict=True)]


def _state(size: int, etag: str, last_modified: int) -> SourceState:
    modified = _EPOCH + timedelta(microseconds=last_modified) if last_modified else None
    return SourceState(size=size, etag=etag or None, last_modified=modified)
