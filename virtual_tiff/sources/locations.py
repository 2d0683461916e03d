"""The store of an object: one place makes a store of a url and of a user's options.

`info`, `publish` and `verify` all take obstore's options in one mapping. `Stores` divides them
between the HTTP client and the store, makes one store for each bucket, host, or file system, and
refuses an option that no store has taken. A parser (`VirtualTIFF`) makes no stores: it is given
those of its registry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import HTTPStore, LocalStore, from_url

from virtual_tiff.sources.access import (
    CLIENT_OPTIONS,
    CREDENTIALS,
    ENDPOINTS,
    check_settings,
    credentials_provider,
    differing_settings,
    headers_of,
    kind_of,
    plain_options,
    setting,
    with_saved,
    with_settings,
)
from virtual_tiff.sources.object_source import first_line
from virtual_tiff.sources.urls import (
    file_path,
    is_plain_web_path,
    key_in,
    path_of,
    reference_to,
    scheme_of,
    web_path,
)
from virtual_tiff.tiff import redacted, scrubbed, secret_in

__all__ = ["Location", "Stores", "check_endpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """One object: where it is, and how it is read."""

    name: str
    """As the user wrote it."""
    url: str
    """With its scheme, percent-encoded: what references say."""
    store: Any
    """The obstore store that reads it."""
    path: str
    """Within the store, not encoded; empty if the store is of this one object."""

    def __repr__(self) -> str:
        return f"Location({redacted(self.url)!r})"  # a store's own words may have a password


def check_endpoint(options: Mapping[str, Any]) -> None:
    """Refuse a server's address with a secret, as it is saved in what is published."""
    options = plain_options(options)
    for kind, name in ENDPOINTS.items():
        address = str(setting(options, kind, name) or "")
        if secret := secret_in(address):
            msg = (
                f"the endpoint {redacted(address)} has a {secret}, which would be published with"
                " the repository; give credentials as separate store options"
            )
            raise ValueError(msg)


_ALIASES = {"gcs": "gs", "s3a": "s3"}
"""Schemes of Hadoop and of others, and the names by which Icechunk knows them."""


class Stores:
    """Makes the stores: one for each bucket, host, or file system, of obstore's options.

    Parameters
    ----------
    options
        The user's.
    saved
        By the root of a bucket the settings that a repository has saved. They go before the
        environment.
    strict
        Whether options that differ from what is saved are an error: who appends would read
        files with other settings than readers.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        saved: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self._options = plain_options(options)
        self._saved = saved or {}
        self._strict = strict
        self._stores: dict[str, Any] = {}
        """By the root of a bucket, host or file system; or by a url that has its own store."""
        self._unused = set(self._options)

    def locate(self, name: str) -> Location:
        """Return the object that a path or url names; nothing is asked of its store."""
        scheme = scheme_of(name)
        if scheme in (None, "file"):
            # `..` has no meaning for a store, and a link may point elsewhere tomorrow
            return self.at("file://", Path(file_path(name)).resolve().as_posix(), name)
        root = self.root_of(name)
        if scheme in ("http", "https"):
            encoded, query = web_path(name)
            url = f"{root}{encoded or '/'}"
            if query or not is_plain_web_path(encoded):  # the paths of a store cannot say these
                url += f"?{query}" if query else ""
                return self._location(name, url, self._store(url), "")
            return self._location(name, url, self._store(root), path_of(url))
        return self.at(root, key_in(name), name)

    def at(self, root: str, path: str, name: str | None = None) -> Location:
        """Return the object of a path, as a listing gives it, in the store of a root.

        The root is `scheme://bucket`, or `file://`; the path is a key, or absolute, and not
        encoded. `name` is what the user wrote; None takes the url.
        """
        return self._location(name, reference_to(root, path), self._store(root), path)

    def _location(self, name: str | None, url: str, store: Any, path: str) -> Location:  # noqa: ANN401
        # one string where they are the same: there may be a million. And a name that is no
        # Unicode (of a file, in another encoding) is neither shown nor kept anywhere
        if name is None or name == url or re.search("[\ud800-\udfff]", name):
            name = url
        return Location(name=name, url=url, store=store, path=path)

    def for_listing(self, url: str) -> tuple[str, Any]:
        """Return the root of a url's bucket or host, and a store that lists it.

        Most web servers list nothing, and obstore asks ten times: theirs does not retry.
        """
        root = self.root_of(url)
        if scheme_of(root) in ("http", "https"):
            return root, self._make(root, retry_config={"max_retries": 0})
        return root, self._store(root)

    @staticmethod
    def root_of(url: str) -> str:
        """Return the bucket or host of a url, by the scheme that Icechunk knows."""
        scheme, host = scheme_of(url), url.partition("://")[2].partition("/")[0].partition("?")[0]
        if not host:
            msg = f"{redacted(url)}: no host or bucket follows {scheme}://"
            raise ValueError(msg)
        return f"{_ALIASES.get(str(scheme), scheme)}://{host}"

    def check_used(self) -> None:
        """Refuse options that no store has taken: the user has mistyped one, or a url."""
        if self._unused:
            options = ", ".join(sorted(self._unused))
            msg = f"no source takes the store option {options}; check its name and the urls"
            raise ValueError(msg)

    def _store(self, root: str) -> Any:  # noqa: ANN401 (obstore's union of stores)
        if root not in self._stores:
            self._stores[root] = self._make(root)
        return self._stores[root]

    def _make(self, root: str, **settings: Any) -> Any:  # noqa: ANN401
        scheme = scheme_of(root)
        if scheme == "file":
            return LocalStore()
        kind = kind_of(root)
        saved = self._saved.get(self.root_of(root), {})
        if self._strict and saved and (different := differing_settings(self._options, saved, kind)):
            name, (before, now) = next(iter(different.items()))
            msg = (
                f"the repository says of {root} that {name} is {before}, and not {now}, as the"
                " store options say: leave the option out, or save what it says for all readers"
                " (save_access=True)"
            )
            raise ValueError(redacted(msg))
        options = with_saved(self._options, saved, kind)
        if kind in ENDPOINTS:
            options = with_settings(options, kind)
            check_settings(options, kind)
        server = str(options.get(ENDPOINTS[kind], "")) if kind in ENDPOINTS else root
        client: Any = {"allow_http": True} if scheme_of(server) == "http" else {}
        client |= {k: v for k, v in options.items() if k in CLIENT_OPTIONS}
        config = {
            k: v for k, v in options.items() if k not in CLIENT_OPTIONS and k != "default_headers"
        }
        self._unused -= set(client)
        try:
            if kind == "http":
                self._unused -= set(CREDENTIALS[kind])
                if headers := headers_of(options):
                    client["default_headers"] = headers
                return HTTPStore.from_url(root, client_options=client, **settings)
            if kind in ENDPOINTS and (provider := credentials_provider(root, kind, config)):
                config["credential_provider"] = provider
            store = from_url(f"{root}/", client_options=client or None, **config)
        except (BaseError, TypeError, ValueError) as error:
            msg = redacted(f"{redacted(root)}: {first_line(error)}")
            raise ValueError(msg) from scrubbed(error)
        self._unused -= set(self._options) - {"default_headers"}
        return store
