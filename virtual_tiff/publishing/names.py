"""What the group of each file is called."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.record import Template

__all__ = ["group_names", "new_group_names", "variable_names"]


def group_names(urls: Sequence[str]) -> list[str]:
    """Return a group's name for each file: its own without suffix, where that is enough.

    Where two files share a name, all are called by their paths below the directory that
    is common to them.

    Raises
    ------
    PublishError
        If that does not tell them apart, or a name is none in Zarr.
    """
    paths = [PurePosixPath(unquote(urlsplit(url).path)) for url in urls]
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        common = posixpath.commonpath([str(path.parent) for path in paths])
        names = [str(path.relative_to(common).with_suffix("")) for path in paths]
    taken = Counter(names)
    parents = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    wrong = {
        "would be one group": [name for name in names if taken[name] > 1],
        "would be a group within another file's": [name for name in names if name in parents],
        "is no name in Zarr": [name for name in names if not _is_zarr_name(name)],
    }
    for why, which in wrong.items():
        if which:
            files = ", ".join(
                url for url, name in zip(urls, names, strict=True) if name == which[0]
            )
            msg = f"{files}: {which[0]!r} {why}; publish them apart, or rename them"
            raise PublishError(msg)
    return names


def new_group_names(urls: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Return a group's name for each file, beside those that have one already.

    Parameters
    ----------
    urls
        Of the files; those that are known keep their names.
    known
        Names of files by their url.

    Raises
    ------
    PublishError
        If that does not tell them apart.
    """
    if not known:
        return group_names(urls)
    new = [url for url in urls if url not in known]
    names = dict(zip(new, group_names(new), strict=True)) if new else {}
    taken = set(known.values())
    below = {str(parent) for name in taken for parent in PurePosixPath(name).parents} - {"."}
    for url, name in names.items():
        above = {str(parent) for parent in PurePosixPath(name).parents}
        if name in taken or name in below or above & taken:
            msg = f"{url}: a group {name!r} is published already, of another file; rename it"
            raise PublishError(msg)
    return [known.get(url) or names[url] for url in urls]


def variable_names(template: Template, variable: str) -> dict[str, str]:
    """Return what the arrays of a file are called that is of a variable.

    In each group the first array is called as the variable, others `{variable}_{array}`.
    Without a variable all keep their names.

    Raises
    ------
    ValueError
        If the variable cannot be the name of an array.
    """
    if not variable:
        return {path: path for path in template.arrays}
    if "/" in variable or not _is_zarr_name(variable) or variable in _RESERVED:
        msg = f"a variable cannot be called {variable!r}"
        raise ValueError(msg)
    found: dict[str, str] = {}
    groups: set[str] = set()
    for path in template.arrays:
        group, name = posixpath.split(path)
        found[path] = posixpath.join(group, f"{variable}_{name}" if group in groups else variable)
        groups.add(group)
    return found


_RESERVED = ("x", "y", "band", "time", "spatial_ref")
"""Names of coordinates."""


def _is_zarr_name(path: str) -> bool:
    """Apply Zarr v3's rules for the names of nodes."""
    parts = path.split("/")
    return all(
        part.strip(".") and not part.startswith("__") and part != "zarr.json" for part in parts
    )
