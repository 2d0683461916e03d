"""Directories, prefixes and globs: a store lists their objects, each with its state."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from obstore.exceptions import BaseError

from virtual_tiff.sources.locations import Location, Stores
from virtual_tiff.sources.object_source import state_of, store_error
from virtual_tiff.sources.urls import key_in, local_path, path_of, root_of, scheme_of, web_path
from virtual_tiff.tiff import SourceState, redacted

__all__ = ["Listed", "NameMatcher", "is_listing", "list_files", "names_of_list", "natural"]

type Listed = tuple[Location, SourceState]

_TIFF = re.compile(r"\.tiff?$", re.IGNORECASE)
_WILD = re.compile(r"[*\[]")
"""The wildcards of urls. There `?` is none: it starts a query, or is a part of a key."""


def natural(text: str) -> str:
    """Return a key that sorts numbers in names by their value: a2 before a10."""

    def number(match: re.Match[str]) -> str:
        digits = match[0].lstrip("0")
        return f"0{chr(48 + len(digits))}{digits}"  # the more digits, the larger

    return re.sub(r"\d+", number, text)


def is_listing(name: str) -> bool:
    """Whether a name stands for what a store lists: a directory, a prefix, or a glob."""
    scheme = scheme_of(name)
    if scheme is None:
        path = local_path(name)
        return path.is_dir() or (re.search(r"[*?[]", name) is not None and not path.exists())
    if scheme == "file":  # no glob: each of its characters is a name's
        return local_path(name).is_dir()
    path_of_url = key_in(name)
    if scheme in ("http", "https"):
        path_of_url = path_of_url.partition("?")[0]
    return path_of_url[-1:] in ("", "/") or _WILD.search(path_of_url) is not None


def list_files(name: str, stores: Stores) -> list[Listed]:
    """Return the objects that a directory, a prefix or a glob stands for, sorted naturally.

    Directories and prefixes stand for all objects below them that end in `.tif` or `.tiff`, in
    any case; names that start with a dot are left out, as globs do.

    Raises
    ------
    OSError
        If there is none, or the store does not list.
    """
    scheme = scheme_of(name)
    on_disk = scheme in (None, "file")
    files = list(_on_disk(name, stores) if on_disk else _in_store(name, str(scheme), stores))
    if not files:
        is_glob = _WILD.search(name) or (scheme is None and "?" in name)
        problem = "no file matches" if is_glob else "no file ends in .tif or .tiff in"
        msg = f"{problem} {redacted(name)}"
        raise FileNotFoundError(msg)

    def rank(file: Listed) -> tuple[str, str]:
        path = file[0].name if on_disk else file[0].path
        return natural(path), path  # a1 and a01 are the same number

    return sorted(files, key=rank)


def names_of_list(lines: Iterable[str]) -> Iterator[str]:
    """Yield the names of a list, one a line, without empty lines and comments."""
    for line in lines:
        name = line.strip("\ufeff \t\r\n")
        if name and not name.startswith("#"):
            yield name


class NameMatcher:
    """Tells which of some names stand for a url, and lists no store: its object may be gone.

    A name stands for its own url, for all below it, and a glob for those that it matches.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._places: dict[tuple[str, str], list[str]] = {}
        self._globs: list[tuple[str, str, Callable[[str], bool]]] = []
        for name in names:
            scheme = scheme_of(name)
            if scheme in (None, "file"):
                root, key = "file://", local_path(name).resolve().as_posix()
            else:
                root, key = Stores.root_of(name), key_in(name)
                if scheme in ("http", "https"):
                    key = unquote(web_path(name)[0]).removeprefix("/")
            self._places.setdefault((root, key.rstrip("/")), []).append(name)
            # as `is_listing` has it
            if scheme != "file" and (_WILD.search(key) or (scheme is None and "?" in key)):
                self._globs.append((name, root, _glob(key, any_one=scheme is None)))

    def names_of(self, url: str) -> list[str]:
        """Return the names that stand for a url."""
        root, key = root_of(url), path_of(url)
        folders = [key[: match.start()] for match in re.finditer("/", key)]
        names = [n for place in (key, *folders) for n in self._places.get((root, place), ())]
        return names + [name for name, of, matches in self._globs if of == root and matches(key)]


def _on_disk(name: str, stores: Stores) -> Iterator[Listed]:
    path = local_path(name)
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
    root, store = stores.for_listing(name)
    path = key_in(name)
    if scheme in ("http", "https"):
        encoded, query = web_path(name)
        if query:
            msg = (
                f"{redacted(name)}: a server lists no files for a url with a query. Name each file,"
                " or give a list of their urls as @list.txt"
            )
            raise ValueError(msg)
        path = unquote(encoded).removeprefix("/")
        if _WILD.search(path):  # the name of an object may look like a glob
            with suppress(BaseError, OSError, ValueError):
                yield stores.at(root, path), state_of(store.head(path))
                return
    wild = _WILD.search(path)
    folder = path[: wild.start()].rpartition("/")[0] if wild else path.rstrip("/")
    matches = _glob(path) if wild else lambda key: _is_tiff(key[len(folder) :])
    metas = [meta for meta in _metas(store, folder, name) if matches(meta["path"])]
    # the name of an object is taken for itself, and not for a glob; as on disk
    literal = [meta for meta in metas if wild and meta["path"] == path]
    for meta in literal or metas:
        yield stores.at(root, meta["path"]), state_of(meta)


def _glob(pattern: str, *, any_one: bool = False) -> Callable[[str], bool]:
    """Return a function that tells whether a key matches a glob, or is the pattern itself.

    `any_one` is whether `?` is a wildcard.
    """

    def text(piece: str) -> str:
        if piece.startswith("*"):
            return "[^/]*"
        if not (piece.startswith("[") and piece.endswith("]")):
            escaped = re.escape(piece)
            return escaped.replace(r"\?", "[^/]") if any_one else escaped
        inside = piece[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
        return f"[^/{inside[1:]}]" if inside[:1] == "!" else f"[{inside}]".replace("[^", r"[\^")

    parts = pattern.split("/")
    texts = []
    for i, part in enumerate(parts, 1):
        slash = "" if i == len(parts) else "/"
        if part == "**":
            texts.append(r"(?:[^/.][^/]*/)*" + ("" if slash else r"[^/.][^/]*"))
        else:
            visible = r"(?!\.)" if part.startswith(("*", "[")) else ""
            pieces = re.split(r"(\*+|\[!?\]?[^\]]*\])", part)
            texts.append(visible + "".join(map(text, pieces)) + slash)
    compiled = re.compile("".join(texts))
    return lambda key: key == pattern or compiled.fullmatch(key) is not None


def _is_tiff(path: str) -> bool:
    return _TIFF.search(path) is not None and "/." not in f"/{path}"


def _metas(store: Any, prefix: str, name: str) -> Iterable[Any]:  # noqa: ANN401
    try:
        for page in store.list(prefix or None, chunk_size=1000):
            yield from page
    except (BaseError, OSError) as error:
        raise store_error(error, name, deed="list") from error
