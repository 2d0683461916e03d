"""Icechunk's virtual chunk containers: where references may point, and with what access.

A container is a url prefix, with the settings of the store that has the sources (region, endpoint,
whether requests are signed). Icechunk saves these in the repository, and never a credential. A
user's store options are divided here, for everybody who needs them: into the saved settings
(`containers_of`), the credentials of this process and the Python code of a reader's own
(`_with_access`), and the obstore options that ask the sources again (`SourceStores`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

import icechunk
from icechunk.storage import azure_store

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.repository.settings import ONE_REQUEST, RETRIES
from virtual_tiff.sources.access import (
    CLIENT_OPTIONS,
    account_of,
    is_anonymous,
    is_true,
    plain_options,
    s3_setting,
)
from virtual_tiff.sources.locations import Location, Stores
from virtual_tiff.sources.urls import path_of, root_of, scheme_of

__all__ = [
    "READER_OPTIONS",
    "Container",
    "SourceStores",
    "access_to",
    "config_with",
    "containers_of",
    "let_reader_pay",
    "saved_containers",
]

SECRETS = ("access_key_id", "secret_access_key", "session_token")
"""The store options that are credentials of S3."""

_GOOGLE_ARGUMENTS = {
    **dict.fromkeys(
        ("service_account", "service_account_path", "google_service_account"),
        "service_account_file",
    ),
    "google_service_account_path": "service_account_file",
    "service_account_key": "service_account_key",
    "google_service_account_key": "service_account_key",
    "application_credentials": "application_credentials",
    "google_application_credentials": "application_credentials",
}
_AZURE_ARGUMENTS = {
    **dict.fromkeys(
        ("account_key", "access_key", "azure_storage_account_key", "azure_storage_access_key"),
        "access_key",
    ),
    **dict.fromkeys(("sas_token", "sas_key", "azure_storage_sas_token"), "sas_token"),
    **dict.fromkeys(("bearer_token", "token", "azure_storage_token"), "bearer_token"),
}
_ARGUMENTS = {
    "s3": {name: name for name in SECRETS},
    "gs": _GOOGLE_ARGUMENTS,
    "gcs": _GOOGLE_ARGUMENTS,
}
"""By scheme the store options that are credentials, and the arguments of Icechunk's functions."""

READER_OPTIONS = frozenset(
    ("skip_signature", "request_payer", *SECRETS, *_GOOGLE_ARGUMENTS, *_AZURE_ARGUMENTS)
)
"""The store options of a reader; what else there is to say is saved in the repository."""


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

    Objects below one of the `known` prefixes, of containers that are saved already, need no
    other. The locations are looked at once.
    """
    options = plain_options(options)
    known = tuple(known)
    folders: dict[tuple[str, str], tuple[str, Location]] = {}
    within: tuple[str, ...] = known
    for location in locations:
        if location.url.startswith(within):
            continue
        parts = urlsplit(location.url)
        root, path = f"{parts.scheme}://{parts.netloc}", parts.path
        key = root, path.split("/")[1] if root == "file://" else ""
        folder, first = posixpath.dirname(path), location
        if key in folders:
            before, first = folders[key]
            folder = posixpath.commonpath([before, folder])
        folders[key] = folder, first
        # what is below them changes nothing
        within = (
            *known,
            *(
                f"{at}{of.rstrip('/')}/"
                for (at, _), (of, _) in folders.items()
                if at != "file://" or of.strip("/")
            ),
        )
    containers = {}
    for (root, _), (folder, first) in folders.items():
        # Icechunk 2.3 does not find a container again whose prefix is percent-encoded
        plain = takewhile(lambda part: "%" not in part, folder.split("/"))
        prefix = f"{root}{'/'.join(plain).rstrip('/')}/"
        if prefix == "file:///":
            msg = (
                f"{first.name}: Icechunk reads local files only below a directory of the root whose"
                " name has no blanks or other special characters; move the files to one"
            )
            raise PublishError(msg)
        containers[prefix] = _container(prefix, first, options)
    return tuple(containers.values())


def _container(prefix: str, location: Location, options: Mapping[str, Any]) -> Container:
    scheme = str(scheme_of(prefix))
    if scheme == "file":
        store: Any = icechunk.local_filesystem_store(prefix.removeprefix("file://"))
    elif scheme in ("http", "https"):
        store = icechunk.http_store()
    elif scheme in ("gs", "gcs"):
        store = icechunk.gcs_store(_UNSIGNED if is_anonymous(options, scheme) else None)
    elif scheme == "s3":
        endpoint = s3_setting(options, "endpoint")
        store = icechunk.s3_store(
            region=s3_setting(options, "region") or _DEFAULT_REGION,
            endpoint_url=endpoint,
            allow_http=endpoint is not None and scheme_of(endpoint) == "http",
            anonymous=is_anonymous(options, scheme),
            requester_pays=is_true(s3_setting(options, "request_payer")),
            s3_compatible=endpoint is not None,
            force_path_style=endpoint is not None
            and not is_true(options.get("virtual_hosted_style_request")),
        )
    else:
        account = location.store.config.get("account_name") or account_of(options)
        if account is None:
            msg = f"{prefix} needs its account: AZURE_STORAGE_ACCOUNT_NAME, or account_name"
            raise PublishError(msg)
        unsigned = _UNSIGNED if is_anonymous(options, scheme) else None
        store = azure_store(account=account, config=unsigned)
    return _with_access(prefix, store, options)


_UNSIGNED = {"skip_signature": "true"}
"""The setting, of GCS and of Azure, that says to readers that requests are not signed."""

_DEFAULT_REGION = "us-east-1"
"""The region that obstore takes where there is none; Icechunk would search for another."""


def saved_containers(
    config: icechunk.RepositoryConfig, options: Mapping[str, Any]
) -> tuple[Container, ...]:
    """Return the containers that a repository has, with credentials of obstore's options."""
    options = plain_options(options)
    saved = config.virtual_chunk_containers or {}
    return tuple(_with_access(prefix, saved[prefix].store, options) for prefix in saved)


_MAKERS: dict[str, Callable[..., Any]] = {
    "s3": icechunk.s3_credentials,
    "gs": icechunk.gcs_credentials,
    "gcs": icechunk.gcs_credentials,
}
"""The function that makes credentials, by scheme; that of all other schemes is Azure's."""


def _with_access(prefix: str, store: Any, options: Mapping[str, Any]) -> Container:  # noqa: ANN401
    """Return a container with our credentials and, as Python code, those of a reader.

    Requests are anonymous if the options say so, or else if the container does. The code never
    has a secret: readers need credentials of their own.
    """
    scheme = str(scheme_of(prefix))
    if scheme in ("file", "http", "https"):
        name = "LocalFileSystemAccess" if scheme == "file" else "HttpAccess"
        credentials: Any = getattr(icechunk.credentials, name)
        code = f"icechunk.credentials.{name}"
        return Container(prefix=prefix, store=store, credentials=credentials, code=code)
    unsigned = options.get("skip_signature")
    anonymous = _saved_settings(store).get("anonymous") if unsigned is None else is_true(unsigned)
    access = "anonymous" if anonymous else "from_env"
    make = _MAKERS.get(scheme, icechunk.azure_credentials)
    secrets = {
        argument: options[name]
        for name, argument in _ARGUMENTS.get(scheme, _AZURE_ARGUMENTS).items()
        if name in options
    }
    credentials = make(**(secrets or {access: True}))
    code = f"icechunk.{make.__name__}({access}=True)"
    return Container(prefix=prefix, store=store, credentials=credentials, code=code)


def let_reader_pay(config: icechunk.RepositoryConfig) -> None:
    """Change the containers of S3 so that their requests are paid for by who makes them."""
    for prefix, container in (config.virtual_chunk_containers or {}).items():
        if scheme_of(prefix) == "s3":
            settings = _saved_settings(container.store)
            store = icechunk.s3_store(
                **settings | {"requester_pays": True},
                s3_compatible="endpoint_url" in settings,
            )
            config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))


def _saved_settings(store: Any) -> dict[str, Any]:  # noqa: ANN401 (Icechunk's union of stores)
    """Return what a container says of its service: of S3's, or else anonymity and account."""
    options = getattr(store, "_0", None)
    if isinstance(options, dict):
        unsigned = {"anonymous": True} if is_true(options.get("skip_signature")) else {}
        return unsigned | {key: options[key] for key in ("account",) if key in options}
    names = ("region", "endpoint_url", "allow_http", "anonymous", "force_path_style")
    return {
        name: value
        for name in (*names, "requester_pays")
        if (value := getattr(options, name, None)) is not None
    }


class SourceStores:
    """Finds the store of a source: one for each bucket, host, or file system.

    The repository's containers know region and endpoint, and whether requests are signed;
    obstore's options go before what they know.
    """

    def __init__(self, config: icechunk.RepositoryConfig, options: Mapping[str, Any]) -> None:
        saved = config.virtual_chunk_containers or {}
        self._containers = {prefix: container.store for prefix, container in saved.items()}
        self._options = plain_options(options)
        self._stores: dict[str, Any] = {}

    def resolve(self, url: str) -> tuple[Any, str]:
        """Return the store of a url, and the object's path within it, or raise a ValueError."""
        root = root_of(url)
        if root not in self._stores:
            stores = Stores(self._options_of(root))
            self._stores[root] = stores.locate(f"{root}/_").store
            stores.check_used()
        return self._stores[root], path_of(url)

    def _options_of(self, root: str) -> dict[str, Any]:
        scheme = scheme_of(root)
        if scheme == "file":
            return {}
        if scheme in ("http", "https"):
            # what is meant for a bucket beside them is not refused
            mixed = any(not prefix.startswith(("http", "file")) for prefix in self._containers)
            return {k: v for k, v in self._options.items() if not mixed or k in CLIENT_OPTIONS}
        options = self._options
        stores = (s for prefix, s in self._containers.items() if prefix.startswith(f"{root}/"))
        saved = _saved_settings(next(stores, None))
        defaults: dict[str, Any] = {}
        if "account" in saved and not any("account_name" in name for name in options):
            defaults["account_name"] = saved["account"]
        if "region" in saved and not any("region" in name for name in options):
            defaults["region"] = saved["region"]
        if "endpoint_url" in saved and not any("endpoint" in name for name in options):
            defaults["endpoint"] = saved["endpoint_url"]
            defaults["virtual_hosted_style_request"] = not saved.get("force_path_style")
        arguments = _ARGUMENTS.get(str(scheme), _AZURE_ARGUMENTS)
        if saved.get("anonymous") and not options.keys() & arguments.keys():
            defaults["skip_signature"] = True
        if saved.get("requester_pays"):
            defaults["request_payer"] = True
        return defaults | options


def config_with(
    containers: Iterable[Container],
    config: icechunk.RepositoryConfig | None = None,
    splits: Mapping[str, int] | None = None,
) -> icechunk.RepositoryConfig:
    """Return the configuration that is saved, so that a reader need only authorise.

    `splits` says for a new repository by dimension along how many chunks references are in one
    manifest; coordinates along these dimensions are preloaded.
    """
    saved = config is not None
    config = config or icechunk.RepositoryConfig.default()
    for container in containers:
        config.set_virtual_chunk_container(
            icechunk.VirtualChunkContainer(container.prefix, container.store)
        )
    if saved:
        return config
    config.storage = icechunk.StorageSettings(concurrency=ONE_REQUEST, retries=RETRIES)
    config.manifest = icechunk.ManifestConfig(
        splitting=_splitting(splits or {}), preload=_preload(splits or {})
    )
    return config


def _splitting(splits: Mapping[str, int]) -> icechunk.ManifestSplittingConfig | None:
    if not splits:
        return None
    dimensions: dict[Any, int] = {
        icechunk.ManifestSplitDimCondition.DimensionName(f"^{re.escape(name)}$"): length
        for name, length in splits.items()
    }
    return icechunk.ManifestSplittingConfig.from_dict(
        {icechunk.ManifestSplitCondition.AnyArray(): dimensions}
    )


def _preload(dimensions: Iterable[str]) -> icechunk.ManifestPreloadConfig:
    """Return which manifests are fetched, all at once, as soon as a session begins.

    They are those of the coordinates along dimensions, which a reader asks for one after another.
    Icechunk does so for the names of the CF conventions, in the first 50 arrays of a repository;
    here the new dimension may be called otherwise, and come after many variables and overviews.
    """
    names = "|".join(map(re.escape, sorted({*dimensions, "band", "y", "x"})))
    condition = icechunk.ManifestPreloadCondition
    return icechunk.ManifestPreloadConfig(
        max_total_refs=_MOST_PRELOADED,
        preload_if=condition.name_matches(f"^({names})(_[0-9]+)?$")
        & condition.num_refs(1, _MOST_PRELOADED + 1),
        max_arrays_to_scan=_MOST_SCANNED,
    )


_MOST_PRELOADED = 100
"""References, and so the greatest number of requests that a session makes before it is asked: a
repository may have thousands of groups with coordinates, of which a reader wants one."""

_MOST_SCANNED = 1000
"""Arrays, in the order of their paths."""


def access_to(containers: Iterable[Container]) -> dict[str, Any]:
    """Return the access to what lies in containers, as Icechunk takes it."""
    return dict(icechunk.containers_credentials({c.prefix: c.credentials for c in containers}))
