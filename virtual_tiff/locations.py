"""From what a user names to objects in stores: paths, globs and urls."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import HTTPStore, LocalStore, from_url

__all__ = ["Location", "Source", "locate", "s3_setting", "scheme_of"]

type Source = str | os.PathLike[str]
"""A path, a glob, or a url."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SAFE = "/:@!$&'()*+,;=~"
"""What stays as it is in a url's path (RFC 3986, "pchar" and the slash)."""

_CLIENT_OPTIONS = frozenset(
    (
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "default_content_type",
        "http1_only",
        "http2_keep_alive_interval",
        "http2_keep_alive_timeout",
        "http2_keep_alive_while_idle",
        "http2_only",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_url",
        "timeout",
        "user_agent",
    )
)
"""obstore's options of the HTTP client, which it wants apart from those of a store."""


_S3_SETTINGS = {
    "endpoint": ("endpoint", "endpoint_url", "aws_endpoint", "aws_endpoint_url"),
    "region": ("region", "aws_region", "default_region", "aws_default_region"),
}
"""The names that obstore knows a setting by; in capitals, with `AWS_`, the variables of the
environment that it reads."""


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
    """Within the store, not encoded."""


def scheme_of(name: str) -> str | None:
    """Return the scheme of a url in lower case; None if it is a path."""
    found = _SCHEME.match(name)
    return found[1].lower() if found else None


def s3_setting(options: Mapping[str, Any], name: str) -> str | None:
    """Return S3's `"endpoint"` or `"region"`: from the options, else from the environment."""
    names = _S3_SETTINGS[name]
    given = [options[key] for key in names if key in options]
    variables = [key.upper() for key in names if key.startswith("aws_")]
    given += [os.environ[key] for key in variables if os.environ.get(key)]
    return str(given[0]) if given else None


def locate(
    sources: Iterable[Source], store_options: Mapping[str, Any] | None = None
) -> list[Location]:
    """Return the objects that the sources name, in their order.

    Parameters
    ----------
    sources
        Paths, globs (the files of one are sorted), and urls: `file://`, `http(s)://`,
        `s3://`, `gs://`, `az://`. The keys of object stores are taken literally; what
        follows `http(s)://` and `file://` may be percent-encoded.
    store_options
        obstore's options of the stores and of the HTTP client, as `region`,
        `skip_signature`, `endpoint`, `timeout`. Stores read the environment too.

    Raises
    ------
    OSError
        If a glob matches no file, or a path is a directory.
    ValueError
        If a scheme or an option is not known.
    """
    stores = _Stores(store_options or {})
    found = [stores.locate(name) for source in sources for name in _expand(os.fspath(source))]
    stores.check_used()
    return found


def _expand(name: str) -> list[str]:
    if scheme_of(name) is not None:
        return [name]
    path = Path(name).expanduser()
    if path.is_dir():
        msg = f"{name} is a directory; name its files, as in '{path}/*.tif'"
        raise IsADirectoryError(msg)
    if path.exists() or not re.search(r"[*?[]", name):
        return [str(path)]
    # Path.glob wants the part without wildcards apart
    matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
    files = [match for match in matches if not Path(match).is_dir()]
    if not files:
        msg = f"no file matches {name}"
        raise FileNotFoundError(msg)
    return files


class _Stores:
    """Makes the stores: one for each bucket, host, or file system."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._client = {k: v for k, v in options.items() if k in _CLIENT_OPTIONS}
        self._config = {k: v for k, v in options.items() if k not in _CLIENT_OPTIONS}
        self._known: dict[str, Any] = {}
        self._unused = set(options)

    def locate(self, name: str) -> Location:
        scheme = scheme_of(name)
        if scheme in (None, "file"):
            return self._local(name)
        parts = urlsplit(name)
        if not parts.netloc:
            msg = f"{name}: no host or bucket follows {scheme}://"
            raise ValueError(msg)
        root = f"{scheme}://{parts.netloc}"
        if scheme in ("http", "https"):
            path = unquote(parts.path).lstrip("/")
            if parts.query:  # the store's paths have none, its own url may
                query = f"?{parts.query}"
                url = f"{root}/{quote(path, _SAFE)}{query}"
                return Location(name=name, url=url, store=self._store(url), path="")
        else:
            path = name.partition("://")[2].partition("/")[2]  # a key may hold ? and #
        url = f"{root}/{quote(path, _SAFE)}"
        return Location(name=name, url=url, store=self._store(root), path=path)

    def check_used(self) -> None:
        """Refuse options that no store took: they were meant for something."""
        if self._unused:
            options = ", ".join(sorted(self._unused))
            msg = f"no source takes the store option {options}; it is not for these urls"
            raise ValueError(msg)

    def _local(self, name: str) -> Location:
        where = unquote(urlsplit(name).path) if scheme_of(name) else name
        # `..` has no meaning for a store, and a link may point elsewhere tomorrow
        path = Path(where).resolve()
        url = "file://" + quote(path.as_posix(), _SAFE)
        return Location(name=name, url=url, store=self._store("file://"), path=str(path))

    def _store(self, root: str) -> Any:  # noqa: ANN401 (obstore's union of stores)
        if root not in self._known:
            self._known[root] = self._make(root)
        return self._known[root]

    def _make(self, root: str) -> Any:  # noqa: ANN401
        scheme = scheme_of(root)
        if scheme == "file":
            return LocalStore()
        client: Any = {"allow_http": True} | self._client if self._plain(root) else self._client
        self._unused -= set(self._client)
        try:
            if scheme in ("http", "https"):
                return HTTPStore.from_url(root, client_options=client)
            store = from_url(f"{root}/", client_options=client or None, **self._config)
        except (BaseError, TypeError, ValueError) as error:
            msg = f"{root}: {str(error).strip().partition('\n')[0]}"
            raise ValueError(msg) from error
        self._unused -= set(self._config)
        return store

    def _plain(self, root: str) -> bool:
        """Whether the user has named a server without TLS."""
        s3_endpoint = s3_setting(self._config, "endpoint") or ""
        named = s3_endpoint if scheme_of(root) in ("s3", "s3a") else root
        return scheme_of(named) == "http"
