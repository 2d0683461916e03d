"""Globs and prefixes: what a store lists, with the state of each object for free."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from obstore.exceptions import BaseError
from obstore.store import HTTPStore

from virtual_tiff.sources.locations import Location, Stores
from virtual_tiff.sources.object_source import state_of, store_error
from virtual_tiff.sources.urls import file_path, scheme_of, web_path
from virtual_tiff.tiff import SourceState
from virtual_tiff.tiff.redaction import redacted

__all__ = ["Listed", "is_listing", "listed", "natural"]

type Listed = tuple[Location, SourceState]

_TIFF = re.compile(r"\.tiff?$", re.IGNORECASE)
_WILD = re.compile(r"[*\[]")
"""In urls `?` is none: it starts a query, or is a part of a key."""
_NO_RETRIES: Any = {"max_retries": 0}


def natural(text: str) -> str:
    """Return a key that sorts numbers in names by their value: a2 before a10."""
    return re.sub(r"\d+", _number, text)


def _number(found: re.Match[str]) -> str:
    digits = found[0].lstrip("0")
    return f"0{chr(48 + len(digits))}{digits}"  # the more digits, the larger


def is_listing(name: str) -> bool:
    """Whether a name stands for what a store lists: a directory, a prefix, or a glob."""
    scheme = scheme_of(name)
    if scheme is None:
        path = Path(name).expanduser()
        return path.is_dir() or (re.search(r"[*?[]", name) is not None and not path.exists())
    if scheme == "file":  # no glob: each of its characters is a name's
        return Path(file_path(name)).is_dir()
    path_of_url = name.partition("://")[2].partition("/")[2]
    if scheme in ("http", "https"):
        path_of_url = path_of_url.partition("?")[0]
    return path_of_url[-1:] in ("", "/") or _WILD.search(path_of_url) is not None


def listed(name: str, stores: Stores) -> list[Listed]:
    """Return the objects that a directory, a prefix or a glob stands for, sorted naturally.

    Of directories and prefixes these are all below them that end in `.tif` or `.tiff`, in
    any case; names that start with a dot are left out, as globs do.

    Raises
    ------
    OSError
        If there is none, or the store does not list.
    """
    scheme = scheme_of(name)
    found = list(
        _on_disk(name, stores) if scheme in (None, "file") else _in_store(name, str(scheme), stores)
    )
    if not found:
        globbed = _WILD.search(name) or (scheme is None and "?" in name)
        what = "no file matches" if globbed else "no file ends in .tif or .tiff in"
        msg = f"{what} {redacted(name)}"
        raise FileNotFoundError(msg)
    on_disk = scheme in (None, "file")
    found.sort(key=lambda one: _rank(one[0].name if on_disk else one[0].path))
    return found


def _rank(path: str) -> tuple[str, str]:
    return natural(path), path  # a1 and a01 are the same number


def _on_disk(name: str, stores: Stores) -> Iterator[Listed]:
    path = Path(file_path(name)) if scheme_of(name) else Path(name).expanduser()
    store = stores.locate(str(path)).store
    if path.is_dir():
        folder = path.resolve().as_posix()
        for meta in _metas(store, folder, name):
            below = f"/{meta['path']}".removeprefix(folder)
            if _is_tiff(below):
                yield stores.locate(f"{path}{below}"), state_of(meta)
        return
    # Path.glob wants the part without wildcards apart
    for match in glob.iglob(str(path), recursive=True):  # noqa: PTH207
        if Path(match).is_file():
            location = stores.locate(match)
            try:
                state = state_of(store.head(location.path))
            except Exception as error:  # stores share no class of errors
                raise store_error(error, location.url) from error
            yield location, state


def _in_store(name: str, scheme: str, stores: Stores) -> Iterator[Listed]:
    root, store = stores.root(name)
    path = name.partition("://")[2].partition("/")[2]
    if scheme in ("http", "https"):
        encoded, query = web_path(name)
        if query:
            msg = f"{redacted(name)}: a server is asked for its files without a query"
            raise ValueError(msg)
        path = unquote(encoded).removeprefix("/")
        # most servers list nothing, and obstore asks ten times
        store = HTTPStore.from_url(
            root, client_options={"allow_http": True}, retry_config=_NO_RETRIES
        )
        if _WILD.search(path) and (meta := _literal(store, path)) is not None:
            yield stores.at(root, path), state_of(meta)
            return
    wild = _WILD.search(path)
    folder = path[: wild.start()].rpartition("/")[0] if wild else path.rstrip("/")
    matches = _glob(path) if wild else lambda key: _is_tiff(key[len(folder) :])
    found = [meta for meta in _metas(store, folder, name) if matches(meta["path"])]
    # a name that is there is itself, and no glob; as on disk
    literal = [meta for meta in found if wild and meta["path"] == path]
    for meta in literal or found:
        yield stores.at(root, meta["path"]), state_of(meta)


def _literal(store: Any, path: str) -> Any:  # noqa: ANN401
    """Return what a server says of an object whose name looks like a glob; None if it has none."""
    try:
        return store.head(path)
    except (BaseError, OSError, ValueError):
        return None


def _glob(pattern: str) -> Callable[[str], bool]:
    """Return what says of a key whether it matches, or is the pattern itself."""
    parts = pattern.split("/")
    last = len(parts) - 1
    texts = [_part(part) + ("" if i == last else "/") for i, part in enumerate(parts)]
    for i, part in enumerate(parts):
        if part == "**":
            texts[i] = r"(?:[^/.][^/]*/)*" + (r"[^/.][^/]*" if i == last else "")
    compiled = re.compile("".join(texts))
    return lambda key: key == pattern or compiled.fullmatch(key) is not None


def _part(part: str) -> str:
    """Return the regular expression of what stands between two slashes of a glob."""
    pieces = re.split(r"(\*+|\[!?\]?[^\]]*\])", part)
    text = "".join(map(_piece, pieces))
    return rf"(?!\.){text}" if part.startswith(("*", "[")) else text


def _piece(piece: str) -> str:
    if piece.startswith("*"):
        return "[^/]*"
    if piece.startswith("[") and piece.endswith("]"):
        inside = piece[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
        return (
            f"[^/{inside[1:]}]" if inside.startswith("!") else f"[{inside}]".replace("[^", r"[\^")
        )
    return re.escape(piece)


def _is_tiff(path: str) -> bool:
    return _TIFF.search(path) is not None and "/." not in f"/{path}"


def _metas(store: Any, prefix: str, name: str) -> Iterable[Any]:  # noqa: ANN401
    try:
        for page in store.list(prefix or None, chunk_size=1000):
            yield from page
    except (BaseError, OSError) as error:
        failed = store_error(error, name)
        if scheme_of(name) in ("http", "https"):
            msg = (
                f"{redacted(name)}: the server lists no files (by WebDAV); name them, or give a"
                f" list of their urls as @list.txt ({failed})"
            )
            raise type(failed)(msg) from error
        msg = f"{failed}; without a listing, give the urls of the files as @list.txt"
        raise type(failed)(msg) from error
