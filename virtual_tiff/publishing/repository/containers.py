"""Icechunk's virtual chunk containers: where references may point, and with what access.

A container is a url prefix, with the settings of the store that has the sources (region, endpoint,
whether requests are signed). Icechunk saves these in the repository, and never a credential. A
user's store options are divided here, for everybody who needs them: into the saved settings
(`containers_of`), the credentials of this process and the Python code of a reader's own
(`_with_access`), and the obstore options that ask the sources again (`SourceStores`).
"""

from __future__ import annotations

import inspect
import pickle
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, takewhile
from typing import Any
from urllib.parse import urlsplit

import icechunk
from icechunk.storage import azure_store

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.repository.settings import ONE_REQUEST, RETRIES
from virtual_tiff.sources.access import (
    CLIENT_OPTIONS,
    CREDENTIALS,
    ENDPOINTS,
    credentials_provider,
    differing_settings,
    given_settings,
    headers_of,
    is_anonymous,
    is_true,
    kind_of,
    plain_options,
    s3_setting,
    setting,
    with_saved,
)
from virtual_tiff.sources.locations import Location, Stores
from virtual_tiff.sources.running import run_to_end
from virtual_tiff.sources.urls import key_in, local_path, path_of, reference_to, root_of, scheme_of
from virtual_tiff.tiff import redacted, secret_in

__all__ = [
    "READER_OPTIONS",
    "Container",
    "SourceStores",
    "access_to",
    "config_with",
    "containers_of",
    "let_reader_pay",
    "renewed",
    "saved_containers",
    "saved_options",
    "saved_settings",
    "wanted_prefix",
    "with_headers",
]

READER_OPTIONS = frozenset(
    ("skip_signature", "request_payer", "credential_provider", *chain(*CREDENTIALS.values()))
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
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers of each request over HTTP, of this process: they are not saved."""
    renewed: bool = False
    """Whether its settings are to be saved in place of others."""


def containers_of(
    locations: Iterable[Location],
    options: Mapping[str, Any],
    saved: Sequence[Container] = (),
    *,
    wanted: Iterable[str] = (),
) -> tuple[Container, ...]:
    """Return a container for each bucket, host, or directory below the root.

    Objects below the prefix of a container that is saved already need no other. The locations are
    looked at once. A prefix ends before the first folder that an archive will have others of, such
    as that of a year, so that it serves the files of next year too.

    Parameters
    ----------
    locations
        The objects.
    options
        obstore's options, of the user.
    saved
        The containers that are saved already, whose settings a new one of their bucket gets too.
    wanted
        Prefixes that the user asks for.

    Raises
    ------
    ValueError
        If no object is below a wanted prefix.
    PublishError
        If Icechunk cannot have a container of a file.
    """
    options = plain_options(options)
    settings = saved_options(saved)
    known = tuple(each.prefix for each in saved)
    unused = dict.fromkeys(prefix for prefix in wanted if prefix not in known)
    firsts: dict[str, Location] = {}
    """By wanted prefix the first object below."""
    folders: dict[tuple[str, str], tuple[str, Location]] = {}
    known = (*known, *unused)
    within: tuple[str, ...] = known
    for location in locations:
        if unused and location.url.startswith(tuple(unused)):
            for prefix in [prefix for prefix in unused if location.url.startswith(prefix)]:
                firsts[prefix] = location
                del unused[prefix]
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
    if unused:
        msg = f"no file is below the container {redacted(next(iter(unused)))}; check its name"
        raise ValueError(msg)
    for (root, _), (folder, first) in folders.items():
        prefix = f"{root}{_kept(folder, local=root == 'file://')}/"
        if prefix == "file:///":
            msg = (
                f"{first.name}: Icechunk reads local files only below a directory of the root whose"
                " name has no blanks or other special characters; move the files to one"
            )
            raise PublishError(msg)
        firsts[prefix] = first
    return tuple(
        _container(
            prefix, with_saved(options, settings.get(root_of(prefix), {}), kind_of(prefix)), at
        )
        for prefix, at in firsts.items()
    )


_CHANGING = re.compile(
    r"\d+|.*(?:(?:19|20)\d\d|\d{5}|=).*|t?\d\d[a-z]{3}|h\d\dv\d\d", re.IGNORECASE
)
"""Folders that an archive has many of: numbers, years, dates, tiles, partitions as `month=1`."""


def _kept(folder: str, *, local: bool) -> str:
    """Return the part of a folder's path that the whole archive will have."""
    # Icechunk 2.3 does not find a container again whose prefix is percent-encoded
    parts = [*takewhile(lambda part: "%" not in part, folder.rstrip("/").split("/"))]
    least = 2 if local else 1  # a container of files has a directory
    kept = [*takewhile(lambda part: not _CHANGING.fullmatch(part), parts[least:])]
    return "/".join([*parts[:least], *kept])


def wanted_prefix(name: str) -> str:
    """Return the prefix of the container that a user asks for, as a url or a local path.

    One that Icechunk cannot have is a ValueError.
    """
    if scheme_of(name) in (None, "file"):
        prefix = reference_to("file://", local_path(name).resolve().as_posix())
    else:
        root = Stores.root_of(name)
        prefix = reference_to(root, key_in(name))
    prefix = f"{prefix.rstrip('/')}/"
    if prefix == "file:/" or "%" in prefix or secret_in(prefix):
        msg = (
            f"{redacted(name)} cannot be a container: Icechunk wants a bucket, or a folder whose"
            " name has no blanks or other special characters, and not the root of the disk"
        )
        raise ValueError(msg)
    return prefix


def renewed(containers: Iterable[Container], options: Mapping[str, Any]) -> tuple[Container, ...]:
    """Return containers with what options say of their stores, to be saved for readers."""
    options = plain_options(options)
    results = []
    for each in containers:
        settings = saved_settings(each.prefix, each.store)
        if differing_settings(options, settings, kind_of(each.prefix)):
            after = with_saved(options, settings, kind_of(each.prefix))
            results.append(replace(_container(each.prefix, after), renewed=True))
        else:
            results.append(each)
    return tuple(results)


def _container(
    prefix: str, options: Mapping[str, Any], location: Location | None = None
) -> Container:
    kind = kind_of(prefix)
    endpoint = s3_setting(options, "endpoint") if kind == "s3" else None
    if kind == "file":
        store: Any = icechunk.local_filesystem_store(prefix.removeprefix("file://"))
    elif kind == "http":
        store = icechunk.http_store()
    elif kind == "s3":
        store = icechunk.s3_store(
            region=s3_setting(options, "region") or _DEFAULT_REGION,
            endpoint_url=endpoint,
            allow_http=endpoint is not None and scheme_of(endpoint) == "http",
            anonymous=is_anonymous(options, kind),
            requester_pays=is_true(s3_setting(options, "request_payer")),
            s3_compatible=endpoint is not None,
            force_path_style=endpoint is not None
            and not is_true(s3_setting(options, "virtual_hosted_style_request")),
        )
    else:
        config = {"skip_signature": "true"} if is_anonymous(options, kind) else {}
        if address := setting(options, kind, ENDPOINTS[kind]):
            config[ENDPOINTS[kind]] = str(address)
            if scheme_of(str(address)) == "http":
                config["allow_http"] = "true"
        if kind == "gs":
            store = icechunk.gcs_store(config or None)
        else:
            account = None if location is None else location.store.config.get("account_name")
            account = account or setting(options, kind, "account_name")
            if account is None:
                msg = f"{prefix} needs its account: AZURE_STORAGE_ACCOUNT_NAME, or account_name"
                raise PublishError(msg)
            store = azure_store(account=str(account), config=config or None)
    return _with_access(prefix, store, options)


_DEFAULT_REGION = "us-east-1"
"""The region that obstore takes where there is none; Icechunk would search for another."""


def saved_containers(
    config: icechunk.RepositoryConfig, options: Mapping[str, Any]
) -> tuple[Container, ...]:
    """Return the containers that a repository has, with credentials of obstore's options."""
    options = plain_options(options)
    saved = config.virtual_chunk_containers or {}
    return tuple(_with_access(prefix, saved[prefix].store, options) for prefix in sorted(saved))


_MAKERS: dict[str, Callable[..., Any]] = {
    "s3": icechunk.s3_credentials,
    "gs": icechunk.gcs_credentials,
    "az": icechunk.azure_credentials,
}
"""The function that makes credentials, by kind of store."""


def _with_access(prefix: str, store: Any, options: Mapping[str, Any]) -> Container:  # noqa: ANN401
    """Return a container with our credentials and, as Python code, those of a reader.

    Requests are anonymous if the options say so, or else if the container does. The code never
    has a secret: readers need credentials of their own.
    """
    kind = kind_of(prefix)
    if kind not in _MAKERS:
        name = "LocalFileSystemAccess" if kind == "file" else "HttpAccess"
        return Container(
            prefix=prefix,
            store=store,
            credentials=getattr(icechunk.credentials, name),
            code=f"icechunk.credentials.{name}",
            headers=headers_of(options) if kind == "http" else {},
        )
    unsigned = options.get("skip_signature")
    if unsigned is None:
        unsigned = saved_settings(prefix, store).get("skip_signature")
    access = "anonymous" if is_true(unsigned) else "from_env"
    make = _MAKERS[kind]
    secrets = {
        argument: options[name] for name, argument in CREDENTIALS[kind].items() if name in options
    }
    provider = options.get("credential_provider")
    if provider is None and kind != "s3" and not secrets and access == "from_env":
        provider = credentials_provider(root_of(prefix), kind, options)
    if provider is not None:
        secrets = {"get_credentials": _Refreshed(kind=kind, provider=provider)}
        if kind == "gs":  # Icechunk 2.3 takes the environment, unless it is told not to
            secrets["from_env"] = False
    try:
        credentials = make(**(secrets or {access: True}))
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        if provider is None:
            raise
        msg = (
            "credential_provider must be a function of a module, or an object that can be pickled,"
            f" as Icechunk hands it on: {error}"
        )
        raise ValueError(msg) from error
    code = f"icechunk.{make.__name__}({access}=True)"
    return Container(prefix=prefix, store=store, credentials=credentials, code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refreshed:
    """What Icechunk calls for new credentials: those of a provider of obstore."""

    kind: str
    provider: Any

    def __call__(self) -> Any:  # noqa: ANN401 (Icechunk's, of each kind)
        given = self.provider()
        if inspect.isawaitable(given):
            given = run_to_end(_awaited(given))
        until = given.get("expires_at")
        if self.kind == "s3":
            return icechunk.S3StaticCredentials(
                given["access_key_id"], given["secret_access_key"], given.get("token"), until
            )
        if self.kind == "gs":
            return icechunk.GcsBearerCredential(given["token"], expires_after=until)
        kinds = icechunk.AzureRefreshableCredential
        if "access_key" in given:
            return kinds.AccessKey(given["access_key"], expires_after=until)
        if "sas_token" in given:
            return kinds.SasToken(given["sas_token"], expires_after=until)
        return kinds.BearerToken(given["token"], expires_after=until)


async def _awaited(work: Any) -> Any:  # noqa: ANN401 (an awaitable of anything)
    return await work


def let_reader_pay(config: icechunk.RepositoryConfig) -> None:
    """Change the containers of S3 so that their requests are paid for by who makes them."""
    for each in renewed(saved_containers(config, {}), {"request_payer": True}):
        if each.renewed:
            config.set_virtual_chunk_container(
                icechunk.VirtualChunkContainer(each.prefix, each.store)
            )


def saved_settings(prefix: str, store: Any) -> dict[str, Any]:  # noqa: ANN401 (Icechunk's union)
    """Return what a container says of its service, by obstore's names."""
    kind = kind_of(prefix)
    options: Any = getattr(store, "_0", None)
    if hasattr(options, "endpoint_url"):  # the settings of S3, which others too may have
        endpoint = options.endpoint_url
        style = {} if endpoint is None else {"endpoint": endpoint}
        if endpoint is not None:
            style["virtual_hosted_style_request"] = not options.force_path_style
        return style | {
            "region": options.region or _DEFAULT_REGION,
            "skip_signature": bool(options.anonymous),
            "request_payer": bool(options.requester_pays),
        }
    if kind not in _MAKERS:
        return {}
    options = dict(options or {})
    if "account" in options:
        options["account_name"] = options.pop("account")
    settings = given_settings(plain_options(options), kind)
    return settings | {"skip_signature": is_true(settings.get("skip_signature"))}


def saved_options(containers: Iterable[Container]) -> dict[str, dict[str, Any]]:
    """Return by the root of a bucket what is saved of it, of the broadest of its containers."""
    return {
        root_of(each.prefix): saved_settings(each.prefix, each.store)
        for each in sorted(containers, key=lambda each: len(each.prefix), reverse=True)
    }


class SourceStores:
    """Finds the store of a source: one for each bucket, host, or file system.

    The repository's containers know region and endpoint, and whether requests are signed;
    obstore's options go before what they know.
    """

    def __init__(self, config: icechunk.RepositoryConfig, options: Mapping[str, Any]) -> None:
        self._saved = saved_options(saved_containers(config, {}))
        self._options = plain_options(options)
        self._stores: dict[str, Any] = {}

    def locate(self, url: str) -> Location:
        """Return the object of a url with its store, or raise a ValueError."""
        root = root_of(url)
        if root not in self._stores:
            stores = Stores(self._options_of(root), self._saved)
            self._stores[root] = stores.locate(f"{root}/_").store
            stores.check_used()
        return Location(name=url, url=url, store=self._stores[root], path=path_of(url))

    def _options_of(self, root: str) -> dict[str, Any]:
        """Return the options for a root: what is meant for a bucket is not refused beside one."""
        kind = kind_of(root)
        if kind == "file":
            return {}
        buckets = any(kind_of(other) in _MAKERS for other in self._saved)
        if kind != "http" or not buckets:
            return self._options
        mine = CLIENT_OPTIONS | CREDENTIALS[kind].keys()
        return {k: v for k, v in self._options.items() if k in mine}


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


def with_headers(
    config: icechunk.RepositoryConfig, containers: Sequence[Container]
) -> icechunk.RepositoryConfig:
    """Return the configuration with which this process opens a repository; it is not saved.

    Icechunk takes either all saved containers or all of those given.
    """
    if any(container.headers for container in containers):
        for each in containers:
            headers = dict(each.headers)
            store = icechunk.http_store(headers=headers) if headers else each.store
            config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(each.prefix, store))
    return config


def access_to(containers: Iterable[Container]) -> dict[str, Any]:
    """Return the access to what lies in containers, as Icechunk takes it."""
    return dict(icechunk.containers_credentials({c.prefix: c.credentials for c in containers}))
