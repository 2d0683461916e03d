"""What groups and arrays are called, and that no two are called alike.

A name comes from a file, a STAC asset, a pattern, an attribute or an option. Zarr would let the
later of two nodes replace the earlier one, so every name of a group goes through `NodeNames`
before anything is written. Names that differ in case alone are two names, as in Zarr.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import filterfalse
from pathlib import PurePosixPath
from unicodedata import combining, normalize
from urllib.parse import unquote, urlsplit

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import Column, parents
from virtual_tiff.publishing.reading.record import Template

__all__ = [
    "LEDGER",
    "NodeNames",
    "common_name",
    "described",
    "group_names",
    "image_of_label",
    "is_zarr_name",
    "new_group_names",
    "variable_names",
]

LEDGER = "_virtual_tiff"
"""The group in which this package keeps what it has published; see `ledger`."""
_CRS = "spatial_ref"
"""The scalar that says the CRS, whether the files have one or not."""


def group_names(urls: Sequence[str]) -> list[str]:
    """Return a group's name for each file: its own without suffix, where that is enough.

    Where two files share a name, all are called by their paths below the directory that
    is common to them.

    Raises
    ------
    PublishError
        If that does not tell them apart, or a name is none in Zarr.
    """
    paths = [_path(url) for url in urls]
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        common = posixpath.commonpath([str(path.parent) for path in paths])
        names = [str(path.relative_to(common).with_suffix("")) for path in paths]
    _check_groups(urls, names, "publish them separately, or rename them")
    return names


def _path(url: str) -> PurePosixPath:
    """Return the path of a url, decoded."""
    return PurePosixPath(unquote(urlsplit(url).path))


def common_name(names: Iterable[str], taken: Collection[str] = ()) -> str:
    """Return what the names of files have in common, or `data`.

    These are the words that begin with a letter and stand at the same place in all names:
    `scene_20230101.tif` and `scene_20230111.tif` have `scene`. `taken` are names that the arrays
    of coordinates have.
    """
    common: list[str] | None = None
    for name in names:
        # letters without their accents: Zarr recommends ASCII for the names of arrays
        letters = filterfalse(combining, normalize("NFD", _path(name).stem))
        words = _WORD.findall("".join(letters))
        pairs = zip(words if common is None else common, words, strict=False)
        common = [word if word == other else "" for word, other in pairs]
        if not any(common):
            break
    found = "_".join(word for word in common or () if word[:1].isalpha())
    return found if found and len(found) <= _LONGEST and found not in taken else "data"


_WORD = re.compile(r"[A-Za-z0-9]+")
_LONGEST = 32
"""Characters of a name that somebody still likes to type."""


def image_of_label(group: str) -> str | None:
    """Return the group of the image that a group has labels of, OME-Zarr's `IMAGE/labels/NAME`."""
    image, marker, name = group.rpartition("/labels/")
    return image if marker and "/" not in name else None


def _check_groups(urls: Sequence[str], names: Sequence[str], remedy: str) -> None:
    taken = Counter(names)
    parents = {
        str(parent)
        for name in names
        for parent in PurePosixPath(image_of_label(name) or name).parents
    }
    wrong = {
        "would be one group": [name for name in names if taken[name] > 1],
        "would be a group within another file's": [name for name in names if name in parents],
        "is not a valid name in Zarr": [name for name in names if not is_zarr_name(name)],
        f"would be in the group {LEDGER}, which this package keeps its own data in": [
            name for name in names if name.split("/")[0] == LEDGER
        ],
    }
    for why, which in wrong.items():
        if which:
            files = [url for url, name in zip(urls, names, strict=True) if name == which[0]]
            more = f" and {len(files) - 3} more" if len(files) > 3 else ""
            msg = f"{', '.join(files[:3])}{more}: {which[0]!r} {why}; {remedy}"
            raise PublishError(msg)


def new_group_names(
    urls: Sequence[str],
    known: Mapping[str, str],
    groups: AbstractSet[str] = frozenset(),
    nodes: AbstractSet[str] = frozenset(),
    own: Mapping[str, str] | None = None,
) -> list[str]:
    """Return a group's name for each file, beside those that have one already.

    `known` and `own` have names by url: those of published files, which keep them, and those that
    the user gives. `groups` are those of all files that are published, `nodes` the same, with the
    groups above them. Names that do not tell files apart are a PublishError.
    """
    new = [url for url in urls if url not in known]
    if own:
        names = {url: own[url] for url in new}
        _check_groups(
            new,
            list(names.values()),
            "give each file a group of its own, or stack the files of a group along a dimension"
            " (concat=DIM)",
        )
    else:
        names = dict(zip(new, group_names(new), strict=True)) if new else {}
    above = {name: set(parents(image_of_label(name) or name)) - {""} for name in names.values()}
    taken = nodes & set(above)
    files_above = groups & set().union(*above.values())
    for url, name in names.items():
        if name in taken or above[name] & files_above:
            msg = f"{url}: the group {name!r} of another file is published already; rename the file"
            raise PublishError(msg)
    return [known.get(url) or names[url] for url in urls]


def variable_names(template: Template, variable: str) -> dict[str, str]:
    """Return what the arrays of a file are called that is of a variable.

    In each group the first array is called as the variable, others `{variable}_{array}`. Without a
    variable all keep their names. One that cannot be the name of an array is a ValueError.
    """
    if not variable:
        return {path: path for path in template.arrays}
    if "/" in variable or not is_zarr_name(variable):
        msg = f"a variable cannot be called {variable!r}: Zarr allows no array of that name"
        raise ValueError(msg)
    names: dict[str, str] = {}
    groups: set[str] = set()
    for path in template.arrays:
        group, name = posixpath.split(path)
        names[path] = posixpath.join(group, f"{variable}_{name}" if group in groups else variable)
        groups.add(group)
    return names


def described(path: str, variable: str) -> str:
    """Name an array of the files in an error."""
    return f"array {path} of {f'the variable {variable!r}' if variable else 'the files'}"


@dataclass(slots=True)
class NodeNames:
    """The groups and arrays that are written together, by path."""

    _nodes: dict[str, _Node] = field(default_factory=dict)
    _coordinates: dict[str, tuple[JSON, object]] = field(default_factory=dict)

    def add_group(self, path: str, what: str) -> None:
        """Take a group; several files, or variables, may share it."""
        before = self._nodes.get(path)
        if before is None or before.dimensions is not None:
            self._add(path, _Node(what, None, ()))

    def add_array(self, path: str, what: str, metadata: JSON) -> None:
        """Take an array; a PublishError names both, if there is a node of that name already."""
        self._add(path, _Node(what, tuple(metadata["dimension_names"]), tuple(metadata["shape"])))

    def add_columns(self, columns: Iterable[Column], what: str) -> None:
        """Take coordinates along new dimensions."""
        for column in columns:
            array = {"dimension_names": [column.dimension], "shape": [len(column.values)]}
            self.add_array(column.path, what, array)

    def add_coordinate(self, path: str, metadata: JSON, data: object) -> None:
        """Take an inline array of the files; variables may share it, if theirs are equal."""
        if path not in self._coordinates:
            self.add_array(path, f"the coordinate {path} of the files", metadata)
        if self._coordinates.setdefault(path, (metadata, data)) != (metadata, data):
            msg = (
                f"the variables differ in the coordinate {path}; publish each in a group of its"
                " own: layout='group per variable'"
            )
            raise PublishError(msg)

    def _add(self, path: str, node: _Node) -> None:
        if path and not is_zarr_name(path):
            msg = f"{node.what} would be called {path!r}, which is not a valid name in Zarr"
            raise PublishError(msg)
        if path.split("/", maxsplit=1)[0] == LEDGER:
            msg = f"{node.what} would be called {path!r}, and this package keeps its own data there"
            raise PublishError(msg)
        if posixpath.basename(path) == _CRS and node.dimensions:
            msg = f"{node.what} would be called {path!r}, which readers take for the CRS"
            raise PublishError(msg)
        other = self._nodes.setdefault(path, node)
        if other is not node:
            raise PublishError(_ALIKE.format(other.what, node.what, path))

    def reserved(self) -> set[str]:
        """Return the paths that an attribute's coordinate cannot have: of nodes and dimensions."""
        folders = {posixpath.dirname(path) for path in self._nodes}
        crs = (posixpath.join(folder, _CRS) for folder in folders)
        return {*self._nodes, *(path for path, *_ in self._dimensions()), *crs, LEDGER}

    def check(self) -> None:
        """Check all nodes together, when they are known.

        A PublishError names both, if one would be within an array, if an array is called as a
        dimension of another one, or if arrays of one group have the same dimension in several
        sizes.
        """
        for path, node in self._nodes.items():
            for above in parents(path):
                other = self._nodes.get(above)
                if other is not None and other.dimensions is not None:
                    msg = f"{node.what} would be called {path!r}, within the array of {other.what}"
                    raise PublishError(msg)
        sizes: dict[str, tuple[_Node, int]] = {}
        for path, name, node, size in self._dimensions():
            if "/" in name or not is_zarr_name(name) or name == _CRS:
                msg = f"a dimension of {node.what} cannot be called {name!r}; choose another name"
                raise PublishError(msg)
            other = self._nodes.get(path)
            if other is not None and other.dimensions != (name,):
                whose = f"the dimension {name!r} of {node.what}"
                raise PublishError(_ALIKE.format(other.what, whose, path))
            first, expected = sizes.setdefault(path, (node, size))
            if size != expected:
                msg = (
                    f"{node.what} has {size:,} values along {name}, and {first.what} {expected:,};"
                    " publish each in a group of its own: layout='group per variable'"
                )
                raise PublishError(msg)

    def _dimensions(self) -> Iterator[tuple[str, str, _Node, int]]:
        for path, node in self._nodes.items():
            folder = posixpath.dirname(path)
            for name, size in zip(node.dimensions or (), node.shape, strict=True):
                yield posixpath.join(folder, name), name, node, size


@dataclass(frozen=True, slots=True)
class _Node:
    what: str
    """In words."""
    dimensions: tuple[str, ...] | None
    """None of a group."""
    shape: tuple[int, ...]


_ALIKE = (
    "{} and {} would both be called {!r}. Choose another name for the dimension (concat) or the"
    " variable, or publish in groups (layout)"
)


def is_zarr_name(path: str) -> bool:
    """Apply Zarr v3's rules for the names of nodes."""
    parts = path.split("/")
    return all(
        part.strip(".") and not part.startswith("__") and part != "zarr.json" for part in parts
    )
