r"""The rule for names of files and objects: the meaning of a url, and the form of a reference.

A name that users write, and a reference that readers follow, are two things:

| name | what it means |
|---|---|
| a path | the file; no character means anything else (`%20`, `#`, `?`, `+` are themselves) |
| `file://` | RFC 8089: `%XX` is always decoded, so that `Path.as_uri()` is right; all other characters, `#`, `?`, blanks and a `%` before no two hex digits too, are themselves |
| `http(s)://` | as it is: escapes stay; what no url may hold (blanks, `[`, letters beyond ASCII) is encoded; a fragment is refused |
| `s3://`, `gs://`, `az://`, … | the key follows the bucket; no character of it means anything else |

So `file:///d/a%20b.tif` is always `a b.tif`, never a file that is called `a%20b.tif`: that one is
`file:///d/a%2520b.tif`, or its path. Names are never tried one after another: which file is opened
does not depend on which files there are.

A reference is percent-encoded, whatever its scheme, because Icechunk decodes all of them.
"""  # noqa: E501 (a table)

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from virtual_tiff.tiff import redacted, secret_in

__all__ = [
    "about_file",
    "file_path",
    "is_plain_web_path",
    "is_remote",
    "key_in",
    "local_path",
    "object_url",
    "path_of",
    "reference_of",
    "reference_to",
    "resolve_reference",
    "root_of",
    "scheme_of",
    "web_path",
]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://|(file):/", re.IGNORECASE)
_SAFE = "/:@!$&'()*+,;=~"
"""The characters that stay as they are in a url's path (RFC 3986, "pchar" and the slash)."""
_NEEDED = re.compile("[%?#;\\\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|^ | $")
"""The characters that a reference must encode for Icechunk to read it, or to be parsed as a url.

Other readers (fsspec's, obspec-utils' registry) decode nothing: blanks and the like are left to
them as they are."""
_PLAIN_URL = re.compile(r"(?:file:///|(?!file:|https?:)[a-z][a-z0-9+.-]+://)[A-Za-z0-9/._~-]*")
"""A url of a file or an object that is its own reference, as most are: nothing is encoded."""
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~-]*")
"""A path that is the same in every form: nothing of it is ever encoded (RFC 3986, "unreserved")."""
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WEB = ("http", "https")


_URL_AFTER = re.compile(r"(?: \[|(, ))([a-zA-Z][\w+.-]*://\S*)\]$")
_URL_BEFORE = re.compile(r"([a-zA-Z][\w+.-]*://\S*): ")


def about_file(name: str, text: str) -> str:
    """Return what is wrong with a file after its name; the url is left out if it says the same."""

    def same(url: str) -> bool:
        return unquote(url).rpartition("/")[2] == unquote(name).rpartition("/")[2]

    if (match := _URL_AFTER.search(text)) and same(match[2]):
        text = text[: match.start()] + ("]" if match[1] else "")
    if (match := _URL_BEFORE.match(text)) and same(match[1]):
        text = text[match.end() :]
    return f"{name}: {text}"


def scheme_of(name: str) -> str | None:
    """Return the scheme of a url in lower case; None if it is a path."""
    match = _SCHEME.match(name)
    return (match[1] or match[2]).lower() if match else None


def is_remote(name: str) -> bool:
    """Whether a url names neither a file of this machine nor its memory."""
    return scheme_of(name) not in (None, "file", "memory")


def file_path(name: str) -> str:
    """Return the path on disk that a path or a `file://` url of this host names."""
    if scheme_of(name) is None:
        return name
    rest = name[len("file:") :]
    host, path = "", rest
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        path = slash + path
    if host.lower() not in ("", "localhost"):
        msg = f"{redacted(name)} names a file of another host; write file:/// and an absolute path"
        raise ValueError(msg)
    return _decoded(path)


def local_path(name: str) -> Path:
    """Return the file of a path or a `file://` url of a user's; `~` is the home folder."""
    return Path(file_path(name)).expanduser()


def root_of(url: str) -> str:
    """Return the part of a url that names a bucket, a host, or the file system."""
    scheme, sign, rest = url.partition("://")
    return f"{scheme}{sign}{rest.partition('/')[0]}"


def key_in(url: str) -> str:
    """Return what is behind the bucket or host in a url of a user's: a key may hold ? and #."""
    return url.partition("://")[2].partition("/")[2]


def path_of(reference: str) -> str:
    """Return the path of an object within the store of its bucket, host or file system."""
    root = root_of(reference)
    path = _decoded(reference[len(root) :])
    return path if root == "file://" else path.lstrip("/")


def reference_to(root: str, path: str) -> str:
    """Return the percent-encoded url of a path within a bucket, host or the file system."""
    slash = "" if root == "file://" else "/"
    return f"{root}{slash}{quote(path, _SAFE, errors='surrogateescape')}"


_BUCKETS = {
    "S3Store": ("s3", "bucket"),
    "GCSStore": ("gs", "bucket"),
    "AzureStore": ("az", "container_name"),
}
"""Classes of obstore to the scheme of their objects, and to the setting that names the bucket."""


def object_url(store: Any, path: str) -> str:  # noqa: ANN401 (duck-typed)
    """Return the percent-encoded url of an object of one of obstore's stores.

    A store that does not state where its objects are is a ValueError.
    """
    kind = type(store).__name__
    prefix = str(getattr(store, "prefix", None) or "").rstrip("/")
    within = f"{prefix}/{path.lstrip('/')}"
    if kind == "LocalStore":
        return reference_to("file://", within)
    if kind == "MemoryStore":
        return reference_to("memory://", path)
    if kind == "HTTPStore":
        return f"{str(store.url).rstrip('/')}/{quote(path, _SAFE)}"
    if kind in _BUCKETS:
        scheme, setting = _BUCKETS[kind]
        return reference_to(f"{scheme}://{store.config[setting]}", within.lstrip("/"))
    msg = f"a {kind} does not state the urls of its objects; give the url of {path!r}"
    raise ValueError(msg)


def web_path(url: str) -> tuple[str, str]:
    """Return path and query of an `http(s)://` url, with only what no url may hold encoded."""
    rest = url.partition("://")[2]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path, _, query = rest[len(host) :].partition("?")
    if "#" in path or "#" in query:
        msg = f"{redacted(url)}: # starts a fragment, which servers never see; write %23 in a name"
        raise ValueError(msg)
    path, query = (_STRAY.sub("%25", part) for part in (path, query))
    return quote(path, f"{_SAFE}%"), quote(query, f"{_SAFE}%?")


def is_plain_web_path(path: str) -> bool:
    """Whether stores and Icechunk ask for this path: they decode it, and encode it again.

    An encoded slash would be another path then, and they take no empty parts.
    """
    parts = path.removeprefix("/").split("/")
    return "%2f" not in path.lower() and not any(part in ("", ".", "..") for part in parts)


def reference_of(url: str) -> str:
    """Return the reference for a url that users give a parser.

    A url with a secret, or a path that a store of a registry cannot be asked for, is a ValueError.
    """
    if _PLAIN_URL.fullmatch(url):
        return url
    scheme = scheme_of(url)
    if secret := secret_in(url):
        msg = (
            f"{redacted(url)} has a {secret}: it would be stored in each reference; give"
            " credentials to the registry's store instead"
        )
        raise ValueError(msg)
    if scheme == "file":
        return f"file://{_NEEDED.sub(_encoded, file_path(url))}"
    root = root_of(url)
    if scheme in _WEB:
        path, _ = web_path(url)
        if not is_plain_web_path(path):
            msg = f"{url}: stores of a registry cannot ask for a path with %2F or with empty parts"
            raise ValueError(msg)
        return f"{root}{path}"
    return f"{root}{_NEEDED.sub(_encoded, url[len(root) :])}"


def resolve_reference(reference: str, registry: Any) -> tuple[Any, str]:  # noqa: ANN401 (obspec-utils')
    """Return the store of a reference, and the object's path within it.

    obspec-utils' registry decodes nothing and cuts a path at `?`, `#` and `;`; so it is asked for a
    url where these are encoded, and its answer is decoded. If no store serves it, it is a
    ValueError.
    """
    root = root_of(reference)
    path = _decoded(reference[len(root) :])
    # a store's prefix may be registered in any of these forms; the longest match is meant
    forms = (
        _NEEDED.sub(_encoded, path),
        quote(path, _SAFE.replace(";", ""), errors="surrogateescape"),
        quote(path, errors="surrogateescape"),  # as `Path.as_uri`
    )
    answers, failure = [], ValueError(reference)
    for form in [path] if _PLAIN_PATH.fullmatch(path) else dict.fromkeys(forms):
        try:
            answers.append(registry.resolve(f"{root}{form}"))
        except ValueError as error:
            failure = error
    if not answers:
        raise failure
    store, within = min(
        ((store, _decoded(path)) for store, path in answers), key=lambda answer: len(answer[1])
    )
    prefix = str(getattr(store, "prefix", None) or "").strip("/")
    if prefix and within == path.lstrip("/"):  # the registry has not taken it off
        within = within.removeprefix(f"{prefix}/")
    if hasattr(store, "base_url"):  # obspec-utils' AiohttpStore puts a path into its url as it is
        return store, quote(within, _SAFE)
    return store, within


def _decoded(path: str) -> str:
    return unquote(path, errors="surrogateescape") if "%" in path else path


def _encoded(match: re.Match[str]) -> str:
    return quote(match[0], safe="", errors="surrogateescape")
