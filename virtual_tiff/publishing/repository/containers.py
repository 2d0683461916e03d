"""Icechunk's virtual chunk containers: where references may point, and with what access."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

import icechunk
from icechunk.storage import azure_store

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.sources.locations import Location, s3_setting
from virtual_tiff.sources.urls import scheme_of

__all__ = ["Container", "access_to", "config_with", "containers_of", "saved_containers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A virtual chunk container, and how a reader may use it."""

    prefix: str
    store: Any
    credentials: Any
    code: str
    """Python for the credentials of a reader."""


def containers_of(
    locations: Iterable[Location], options: Mapping[str, Any], known: Iterable[str] = ()
) -> tuple[Container, ...]:
    """Return a container for each bucket, host, or directory below the root.

    Parameters
    ----------
    locations
        Of the sources; they are looked at once.
    options
        obstore's, of the sources' stores.
    known
        Prefixes of the containers that there are: what lies below one needs no other.
    """
    prefixes = _prefixes(locations, tuple(known))
    return tuple(_container(prefix, location, options) for prefix, location in prefixes.items())


def _prefixes(locations: Iterable[Location], known: tuple[str, ...]) -> dict[str, Location]:
    """Return the urls below which the sources lie, with one of them each."""
    places: dict[tuple[str, str], tuple[str, Location]] = {}
    seen: set[str] = set()
    for location in locations:
        start = location.url.rpartition("/")[0]
        if start in seen:
            continue
        seen.add(start)
        if known and location.url.startswith(known):
            continue
        root, path = _split(location)
        key = root, path.split("/")[1] if root == "file://" else ""
        folder = posixpath.dirname(path)
        if key in places:
            before, first = places[key]
            places[key] = posixpath.commonpath([before, folder]), first
        else:
            places[key] = folder, location
    prefixes = {}
    for (root, _), (folder, first) in places.items():
        # Icechunk 2.3 does not find a container again whose prefix is percent-encoded
        parts = list(takewhile(lambda part: "%" not in part, folder.split("/")))
        prefix = f"{root}{'/'.join(parts).rstrip('/')}/"
        if prefix == "file:///":
            msg = (
                f"{first.name}: Icechunk reads local files below a directory only,"
                " and not if the first one's name has blanks or other special characters"
            )
            raise PublishError(msg)
        prefixes[prefix] = first
    return prefixes


def _split(location: Location) -> tuple[str, str]:
    """Return a url's scheme and host, and its path."""
    parts = urlsplit(location.url)
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _container(prefix: str, location: Location, options: Mapping[str, Any]) -> Container:
    scheme = scheme_of(prefix)
    if scheme == "file":
        store: Any = icechunk.local_filesystem_store(prefix.removeprefix("file://"))
        credentials: Any = icechunk.credentials.LocalFileSystemAccess
        code = "icechunk.credentials.LocalFileSystemAccess"
    elif scheme in ("http", "https"):
        store = icechunk.http_store()
        credentials = icechunk.credentials.HttpAccess
        code = "icechunk.credentials.HttpAccess"
    else:
        store = _cloud_store(str(scheme), location, options)
        anonymous = _is_true(options.get("skip_signature"))
        credentials, code = _cloud_credentials(str(scheme), options, anonymous=anonymous)
    return Container(prefix=prefix, store=store, credentials=credentials, code=code)


def saved_containers(
    config: icechunk.RepositoryConfig,
    options: Mapping[str, Any],
    is_anonymous: Callable[[Any], bool],
) -> tuple[Container, ...]:
    """Return the containers that a repository has."""
    found = []
    for prefix, container in (config.virtual_chunk_containers or {}).items():
        scheme = str(scheme_of(prefix))
        if scheme in ("file", "http", "https"):
            name = "LocalFileSystemAccess" if scheme == "file" else "HttpAccess"
            credentials: Any = getattr(icechunk.credentials, name)
            code = f"icechunk.credentials.{name}"
        else:
            anonymous = _is_true(options.get("skip_signature")) or is_anonymous(container.store)
            credentials, code = _cloud_credentials(scheme, options, anonymous=anonymous)
        found.append(
            Container(prefix=prefix, store=container.store, credentials=credentials, code=code)
        )
    return tuple(found)


def _cloud_store(scheme: str, location: Location, options: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return Icechunk's twin of an obstore store; without credentials."""
    if scheme in ("gs", "gcs"):
        return icechunk.gcs_store()
    if scheme not in ("s3", "s3a"):
        return azure_store(account=location.store.config["account_name"])
    endpoint = s3_setting(options, "endpoint")
    return icechunk.s3_store(
        region=s3_setting(options, "region"),
        endpoint_url=endpoint,
        allow_http=endpoint is not None and scheme_of(endpoint) == "http",
        anonymous=_is_true(options.get("skip_signature")),
        s3_compatible=endpoint is not None,
        force_path_style=endpoint is not None
        and not _is_true(options.get("virtual_hosted_style_request")),
    )


_CREDENTIALS: dict[str, tuple[Callable[..., Any], str]] = {
    "s3": (icechunk.s3_credentials, "icechunk.s3_credentials"),
    "s3a": (icechunk.s3_credentials, "icechunk.s3_credentials"),
    "gs": (icechunk.gcs_credentials, "icechunk.gcs_credentials"),
    "gcs": (icechunk.gcs_credentials, "icechunk.gcs_credentials"),
}


def _cloud_credentials(
    scheme: str, options: Mapping[str, Any], *, anonymous: bool
) -> tuple[Any, str]:
    """Return our credentials and, as Python, those of a reader: who must have his own."""
    make, name = _CREDENTIALS.get(
        scheme, (icechunk.azure_credentials, "icechunk.azure_credentials")
    )
    how = "anonymous" if anonymous else "from_env"
    secrets = ("access_key_id", "secret_access_key", "session_token")
    given = {key: options[key] for key in secrets if key in options}
    ours = make(**given) if given and scheme in ("s3", "s3a") else make(**{how: True})
    return ours, f"{name}({how}=True)"


def _is_true(value: object) -> bool:
    """Read a switch as obstore does: True, or one of its words for it."""
    return str(value).lower() in ("true", "1", "yes", "on", "y")


def config_with(
    containers: Iterable[Container], config: icechunk.RepositoryConfig | None = None
) -> icechunk.RepositoryConfig:
    """Return what is saved in the repository, so that a reader need only authorise."""
    saved = config is not None
    config = config or icechunk.RepositoryConfig.default()
    for container in containers:
        config.set_virtual_chunk_container(
            icechunk.VirtualChunkContainer(container.prefix, container.store)
        )
    if saved:
        return config
    # Icechunk cuts each read into 5 requests, which is worth it for large chunks alone
    config.storage = icechunk.StorageSettings(
        concurrency=icechunk.StorageConcurrencySettings(
            max_concurrent_requests_for_object=5, ideal_concurrent_request_size=8 * 2**20
        )
    )
    return config


def access_to(containers: Iterable[Container]) -> dict[str, Any]:
    """Return the access to what lies in containers, as Icechunk takes it."""
    return dict(icechunk.containers_credentials({c.prefix: c.credentials for c in containers}))
