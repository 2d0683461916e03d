"""A published repository opened for reading, by anyone who can reach its sources."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import icechunk
import zarr

from virtual_tiff.publishing.errors import PublishError, icechunk_errors
from virtual_tiff.publishing.repository.containers import (
    READER_OPTIONS,
    let_reader_pay,
    saved_containers,
    with_headers,
)
from virtual_tiff.publishing.repository.settings import ONE_REQUEST, with_retries
from virtual_tiff.publishing.repository.target import target_of
from virtual_tiff.sources.access import is_true, plain_options
from virtual_tiff.sources.running import interruptible, run_to_end

__all__ = [
    "Place",
    "manifests_of",
    "open_published",
    "repository_at",
    "session_of",
    "zarr_settings",
]

_CONCURRENCY = 64
"""Requests at once, of a reader: with zarr's default of 10, at 30 ms each, a window of 40 dates
takes longer than with GDAL and a pool of threads (benchmarks/reads.py, its cube)."""

type Place = str | os.PathLike[str] | icechunk.Storage | icechunk.Repository
"""The place of a repository, or the repository itself."""


def open_published(
    repository: Place,
    *,
    branch: str | None = None,
    tag: str | None = None,
    snapshot: str | None = None,
    store_options: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
) -> icechunk.IcechunkStore:
    """Open a published repository for reading, with access to its sources.

    Icechunk follows references only after the reader has authorised each container (url prefix) of
    them. This function authorises the containers that are saved in the repository, so open only
    repositories that you trust: they may point to your files. For the whole process it also lets
    zarr read arrays with chunks of several lengths and, unless you have set zarr's
    `async.concurrency`, make 64 requests at once.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage`, or an `icechunk.Repository`, which is taken as it was opened.
    branch, tag, snapshot
        The commit to open, by one of these. None is the branch `main`.
    store_options
        obstore's options of the stores of the sources: `{"skip_signature": True}` for anonymous
        access, `{"request_payer": True}` if the reader pays, `access_key_id`,
        `secret_access_key`, `session_token`, or the keys of GCS and Azure. By default access is
        anonymous if the publisher's was, else with the credentials of the environment.
    credentials
        Icechunk's credentials by container, such as
        `{"s3://bucket/": icechunk.s3_credentials(…)}`; they override all others.

    Returns
    -------
    icechunk.IcechunkStore
        A read-only Zarr store: for `zarr.open_group(store, mode="r")`, or
        `xarray.open_zarr(store, consolidated=False)`.

    Raises
    ------
    ValueError
        If an option is not one of those allowed, or there is no such branch, tag or snapshot.
    PublishError
        If there is no repository, or its references have no container.
    """
    if isinstance(repository, icechunk.Repository):
        if store_options or credentials:
            msg = (
                "store_options and credentials have no effect on a repository that is open"
                " already; leave them out, or give its path or storage"
            )
            raise ValueError(msg)
        opened = repository
    else:
        opened = repository_at(
            repository,
            lambda config: _access(config, store_options or {}, credentials or {}),
        )
    session = session_of(opened, branch=branch, tag=tag, snapshot=snapshot)
    settings = zarr_settings(rectilinear=True)
    default = zarr.config.defaults[0]["async"]["concurrency"]
    if zarr.config.get("async.concurrency") != default:  # the user's own
        del settings["async.concurrency"]
    zarr.config.set(settings)
    if not opened.config.virtual_chunk_containers and session.all_virtual_chunk_locations():
        msg = (
            "the repository has references and no virtual chunk container is saved in it: open"
            " it by icechunk.Repository.open(storage, config) with a config that has one"
        )
        raise PublishError(msg)
    return session.store


def zarr_settings(*, rectilinear: bool) -> dict[str, Any]:
    """Return zarr's settings for reading what was published; all of them exist since zarr 3.0."""
    return {"async.concurrency": _CONCURRENCY} | (
        {"array.rectilinear_chunks": True} if rectilinear else {}
    )


@interruptible
def repository_at(
    place: Place,
    access: Callable[[icechunk.RepositoryConfig], Mapping[str, Any]] | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> icechunk.Repository:
    """Return the repository of a place.

    `access` says from its configuration what to authorise, and `store_options` are obstore's of the
    repository's own store.
    """
    if isinstance(place, icechunk.Repository):
        return place
    target = target_of(place, store_options)
    with icechunk_errors(target.name):
        storage = target.storage()
        config = icechunk.Repository.fetch_config(storage) or icechunk.RepositoryConfig.default()
        requests = config.storage or icechunk.StorageSettings()
        if requests.concurrency is None:  # the publisher has not said otherwise
            requests.concurrency = ONE_REQUEST
        with_retries(requests)
        config.storage = requests
        authorised = dict(access(config)) if access is not None else {}
        return icechunk.Repository.open(
            storage,
            config,
            authorize_virtual_chunk_access=icechunk.containers_credentials(authorised),
        )


def manifests_of(repository: icechunk.Repository, snapshot: str) -> list[Any]:
    """Return the manifests of a commit, as Icechunk describes them."""
    # no other thread runs during the call of Icechunk 2.3 that blocks, and so Ctrl-C is not noticed
    return list(run_to_end(repository.list_manifest_files_async(snapshot)))


def session_of(
    repository: icechunk.Repository,
    *,
    branch: str | None = None,
    tag: str | None = None,
    snapshot: str | None = None,
) -> icechunk.Session:
    """Return a session for reading; None of all is the branch `main`."""
    given = {"branch": branch, "tag": tag, "snapshot": snapshot}
    named = {key: value for key, value in given.items() if value is not None}
    if len(named) > 1:
        msg = f"give one of branch, tag and snapshot, not {' and '.join(named)}"
        raise ValueError(msg)
    kind, name = next(iter(named.items()), ("branch", "main"))
    keyword: dict[str, Any] = {"snapshot_id" if kind == "snapshot" else kind: name}
    with icechunk_errors("the repository"):
        try:
            return repository.readonly_session(**keyword)
        except _NOT_FOUND as error:
            msg = f"the repository has no {kind} {name!r}"
            if kind != "snapshot":
                names = repository.list_tags() if kind == "tag" else repository.list_branches()
                msg += f"; it has {', '.join(sorted(names)) or 'none'}"
            raise ValueError(msg) from error


_NOT_FOUND = (
    icechunk.NotFoundError,
    icechunk.RefNotFoundError,
    icechunk.SnapshotNotFoundError,
    icechunk.InvalidInputError,
)


def _access(
    config: icechunk.RepositoryConfig, options: Mapping[str, Any], credentials: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the credentials of each container; the configuration says who pays."""
    options = plain_options(options)
    containers = saved_containers(config, options)
    prefixes = sorted(container.prefix for container in containers)
    if unknown := sorted(set(credentials) - set(prefixes)):
        msg = (
            f"the repository has no container {', '.join(unknown)};"
            f" its containers are {', '.join(prefixes) or 'none'}"
        )
        raise ValueError(msg)
    if wrong := sorted(set(options) - READER_OPTIONS):
        msg = (
            f"{', '.join(wrong)}: no such store option; those of a reader are"
            f" {', '.join(sorted(READER_OPTIONS))}"
            " (region and endpoint are saved in the repository)"
        )
        raise ValueError(msg)
    with_headers(config, containers)
    if is_true(options.get("request_payer")):
        let_reader_pay(config)
    return {c.prefix: credentials.get(c.prefix) or c.credentials for c in containers}
