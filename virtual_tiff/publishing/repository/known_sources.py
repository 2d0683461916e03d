"""The sources of a published repository: what the ledger says of them, and how to ask them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import icechunk
import zarr

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.repository.ledger import LEDGER, Ledger
from virtual_tiff.publishing.repository.opening import containers_in, s3_settings
from virtual_tiff.sources.locations import CLIENT_OPTIONS, locate
from virtual_tiff.sources.urls import path_of, root_of
from virtual_tiff.tiff import SourceState

__all__ = [
    "KnownSource",
    "SourceStores",
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


class SourceStores:
    """Finds the store of a url: one for each bucket, host, or file system.

    Parameters
    ----------
    config
        Of the repository: its containers know region, endpoint, and who needs no signature.
    options
        obstore's options; they go before what containers know.
    """

    def __init__(self, config: icechunk.RepositoryConfig, options: Mapping[str, Any]) -> None:
        self._containers = containers_in(config)
        self._options = dict(options)
        self._known: dict[str, Any] = {}

    def resolve(self, url: str) -> tuple[Any, str]:
        """Return the store of a url, and the object's path within it.

        Raises
        ------
        ValueError
            If there is no store for such a url, or it does not take the options.
        """
        root = root_of(url)
        if root not in self._known:
            (location,) = locate([f"{root}/_"], self._options_for(root))
            self._known[root] = location.store
        return self._known[root], path_of(url)

    def _options_for(self, root: str) -> dict[str, Any]:
        scheme, _, _ = root.partition("://")
        if scheme == "file":
            return {}
        if scheme in ("http", "https"):
            # what is meant for a bucket beside them is not refused
            mixed = any(not prefix.startswith(("http", "file")) for prefix in self._containers)
            return {k: v for k, v in self._options.items() if not mixed or k in CLIENT_OPTIONS}
        if scheme not in ("s3", "s3a"):
            return self._options
        store = next((s for p, s in self._containers.items() if p.startswith(f"{root}/")), None)
        return _s3_options(s3_settings(store), self._options)


def _s3_options(saved: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options, and what a container says of that they do not, in obstore's words."""
    found: dict[str, Any] = {}
    if "region" in saved and not any("region" in name for name in options):
        found["region"] = saved["region"]
    if "endpoint_url" in saved and not any("endpoint" in name for name in options):
        found["endpoint"] = saved["endpoint_url"]
        found["virtual_hosted_style_request"] = not saved.get("force_path_style")
    if saved.get("anonymous") and not any("secret" in name for name in options):
        found["skip_signature"] = True
    if saved.get("requester_pays"):
        found["request_payer"] = True
    return found | dict(options)
