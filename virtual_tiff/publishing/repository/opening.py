"""A published repository opened for reading, by anyone who can reach its sources."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import icechunk

from virtual_tiff.publishing.errors import PublishError, first_line
from virtual_tiff.publishing.repository.target import target_of
from virtual_tiff.sources.urls import scheme_of

__all__ = [
    "Place",
    "containers_in",
    "is_anonymous",
    "open_published",
    "repository_at",
    "s3_settings",
    "session_of",
]

type Place = str | os.PathLike[str] | icechunk.Storage | icechunk.Repository
"""Where a repository is, or the repository itself."""

_MANY, _ENOUGH = 5, 8 * 2**20
"""Requests that a read of a chunk is cut into, and from which size on: Icechunk's default is to
cut each chunk, which is five requests for a few kilobytes."""

_SECRETS = ("access_key_id", "secret_access_key", "session_token")


def open_published(
    repository: Place,
    *,
    branch: str | None = None,
    tag: str | None = None,
    snapshot: str | None = None,
    store_options: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
) -> icechunk.IcechunkStore:
    """Open what was published, for reading, with access to the sources that it refers to.

    Icechunk refuses to follow references until the reader has authorised each container
    (url prefix) of them. This authorises those that are saved in the repository, so open
    only repositories that you trust: they may point to your own files.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage`, or an `icechunk.Repository`, which is taken as it was opened.
    branch, tag, snapshot
        What to open; one of them. None is the branch `main`.
    store_options
        How the sources are reached, in obstore's words: `{"skip_signature": True}` for
        anonymous access, or `access_key_id`, `secret_access_key`, `session_token`. Without
        them access is anonymous where the publisher's was, else by the environment.
    credentials
        Icechunk's credentials by container, as `{"s3://bucket/": icechunk.s3_credentials(…)}`;
        they go before all else.

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
            msg = "the repository is open already; give the place of it, or no credentials"
            raise ValueError(msg)
        opened = repository
    else:
        opened = repository_at(
            repository,
            lambda config: _access(config, dict(store_options or {}), dict(credentials or {})),
        )
    session = session_of(opened, branch=branch, tag=tag, snapshot=snapshot)
    if not containers_in(opened.config) and session.all_virtual_chunk_locations():
        msg = (
            "the repository has references and no virtual chunk container is saved in it: open"
            " it by icechunk.Repository.open(storage, config) with a config that has one"
        )
        raise PublishError(msg)
    return session.store


def repository_at(
    place: Place, access: Callable[[icechunk.RepositoryConfig], Mapping[str, Any]] | None = None
) -> icechunk.Repository:
    """Return the repository of a place; `access` says from its configuration what to authorise."""
    if isinstance(place, icechunk.Repository):
        return place
    target = target_of(place)
    try:
        storage = target.storage()
        config = icechunk.Repository.fetch_config(storage) or icechunk.RepositoryConfig.default()
        _few_requests(config)
        authorised = dict(access(config)) if access is not None else {}
        return icechunk.Repository.open(
            storage,
            config,
            authorize_virtual_chunk_access=icechunk.containers_credentials(authorised),
        )
    except icechunk.RepositoryNotFoundError as error:
        msg = f"{target.name}: there is no Icechunk repository"
        raise PublishError(msg) from error
    except icechunk.IcechunkError as error:
        msg = f"{target.name}: Icechunk failed: {first_line(error)}"
        raise PublishError(msg) from error


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
    try:
        if kind == "snapshot":
            return repository.readonly_session(snapshot_id=name)
        if kind == "tag":
            return repository.readonly_session(tag=name)
        return repository.readonly_session(name)
    except _NOT_FOUND as error:
        msg = f"there is no {kind} {name!r}"
        if kind != "snapshot":
            names = repository.list_tags() if kind == "tag" else repository.list_branches()
            msg += f"; there are {', '.join(sorted(names)) or 'none'}"
        raise ValueError(msg) from error
    except icechunk.IcechunkError as error:
        msg = f"Icechunk failed: {first_line(error)}"
        raise PublishError(msg) from error


_NOT_FOUND = (
    icechunk.NotFoundError,
    icechunk.RefNotFoundError,
    icechunk.SnapshotNotFoundError,
    icechunk.InvalidInputError,
)


def containers_in(config: icechunk.RepositoryConfig) -> dict[str, Any]:
    """Return the stores of the containers that a configuration has, by prefix."""
    found = config.virtual_chunk_containers or {}
    return {prefix: container.store for prefix, container in found.items()}


def _few_requests(config: icechunk.RepositoryConfig) -> None:
    """Let a small chunk be one request, if the publisher has not said otherwise."""
    storage = config.storage or icechunk.StorageSettings()
    if storage.concurrency is None:
        storage.concurrency = icechunk.StorageConcurrencySettings(
            max_concurrent_requests_for_object=_MANY, ideal_concurrent_request_size=_ENOUGH
        )
        config.storage = storage


def _access(
    config: icechunk.RepositoryConfig, options: dict[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    """Return the credentials of each container."""
    containers = containers_in(config)
    if unknown := set(given) - set(containers):
        msg = (
            f"no such container: {', '.join(sorted(unknown))};"
            f" there are {', '.join(sorted(containers)) or 'none'}"
        )
        raise ValueError(msg)
    allowed = {"skip_signature", *_SECRETS}
    if wrong := sorted(set(options) - allowed):
        msg = (
            f"{', '.join(wrong)}: no such store option; those of a reader are"
            f" {', '.join(sorted(allowed))} (region and endpoint are saved in the repository)"
        )
        raise ValueError(msg)
    return {
        prefix: given.get(prefix) or _credentials(prefix, store, options)
        for prefix, store in containers.items()
    }


def _credentials(prefix: str, store: Any, options: Mapping[str, Any]) -> Any:  # noqa: ANN401
    scheme = scheme_of(prefix)
    if scheme == "file":
        return icechunk.credentials.LocalFileSystemAccess
    if scheme in ("http", "https"):
        return icechunk.credentials.HttpAccess
    signed = options.get("skip_signature")
    anonymous = _is_true(signed) if signed is not None else is_anonymous(store)
    secrets = {key: options[key] for key in _SECRETS if key in options}
    if scheme in ("s3", "s3a") and secrets:
        return icechunk.s3_credentials(**secrets)
    make = _MAKERS.get(str(scheme), icechunk.azure_credentials)
    return make(anonymous=True) if anonymous else make(from_env=True)


_MAKERS: dict[str, Callable[..., Any]] = {
    "s3": icechunk.s3_credentials,
    "s3a": icechunk.s3_credentials,
    "gs": icechunk.gcs_credentials,
    "gcs": icechunk.gcs_credentials,
}
"""Who makes credentials, by scheme; of all others it is Azure."""


def is_anonymous(store: Any) -> bool:  # noqa: ANN401 (Icechunk's union of stores)
    """Whether a container says that requests are not signed; only those of S3 can."""
    return bool(s3_settings(store).get("anonymous"))


def s3_settings(store: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what a container says of its S3 service; nothing if it is of another kind."""
    options = getattr(store, "_0", None)
    names = ("region", "endpoint_url", "anonymous", "force_path_style", "requester_pays")
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def _is_true(value: object) -> bool:
    """Read a switch as obstore does: True, or one of its words for it."""
    return str(value).lower() in ("true", "1", "yes", "on", "y")
