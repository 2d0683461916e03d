"""What the group of each file is called."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from virtual_tiff.publishing.errors import PublishError

__all__ = ["group_names"]


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


def _is_zarr_name(path: str) -> bool:
    """Apply Zarr v3's rules for the names of nodes."""
    parts = path.split("/")
    return all(
        part.strip(".") and not part.startswith("__") and part != "zarr.json" for part in parts
    )
