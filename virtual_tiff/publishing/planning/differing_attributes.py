"""Attributes in which stacked files differ: which of them become coordinates.

The rule: what is a number in each file that has it, or a text in each, becomes a coordinate
along the new dimension, called as the attribute; where several arrays of a group have it with
other values, `{array}_{attribute}`. Lists, and what is a number here and a text there, are
left out, and listed. What is the same in all files stays an attribute, but for what is kept
a scene each, which is always a coordinate: the next scene may differ.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.attribute_table import PER_SCENE
from virtual_tiff.publishing.planning.names import is_zarr_name
from virtual_tiff.publishing.planning.plan import Column

__all__ = ["Key", "Loose", "named_columns", "take"]

type Key = tuple[str, str]
"""A node of the repository, and the name of an attribute."""

ABSENT: Any = type("_Absent", (), {"__repr__": lambda _: "absent"})()
"""In the place of a value: the file has none."""

_NAME = re.compile(r"[A-Za-z_][\w:.-]*")
"""What can be listed in the attribute `coordinates`, and be an array's name."""


@dataclass(slots=True)
class Loose:
    """Loose attributes of the files of a stack."""

    constant: dict[str, JSON] = field(default_factory=dict)
    """By node: what is the same in all files."""
    varying: dict[Key, list[Any]] = field(default_factory=dict)
    """For each position a value, or `ABSENT`."""
    left_out: set[Key] = field(default_factory=set)


def take(
    loose: Loose,
    nodes: Mapping[str, str],
    found: Sequence[tuple[int, Mapping[str, JSON]]],
    *,
    size: int,
    before: Iterable[int] = (),
) -> None:
    """Add the loose attributes of files to those of the files before.

    Parameters
    ----------
    loose
        To which they are added.
    nodes
        By node of the file: which of the repository.
    found
        Position and attributes, by node of the file, of each file.
    size
        Positions that there are now.
    before
        Positions of files whose attributes are in `loose` already.
    """
    for values in loose.varying.values():
        values.extend([ABSENT] * (size - len(values)))
    known = list(before)
    for source, node in nodes.items():
        own = [(position, attributes.get(source, {})) for position, attributes in found]
        _take_node(loose, node, own, size, known)


def _take_node(
    loose: Loose, node: str, found: Sequence[tuple[int, JSON]], size: int, known: Sequence[int]
) -> None:
    constant = loose.constant.setdefault(node, {})
    names = dict.fromkeys(name for _, attributes in found for name in attributes)
    names |= dict.fromkeys([*constant, *(name for at, name in loose.varying if at == node)])
    for name in names:
        if (node, name) in loose.left_out:
            continue
        values = [attributes.get(name, ABSENT) for _, attributes in found]
        column = loose.varying.get((node, name))
        if column is None:
            old = [constant.get(name, ABSENT)] if known else values[:1]
            if name not in PER_SCENE and all(_same(value, old[0]) for value in values):
                constant[name] = old[0]
                continue
            column = loose.varying[node, name] = [ABSENT] * size
            for position in known:
                column[position] = constant.get(name, ABSENT)
            constant.pop(name, None)
        for (position, _), value in zip(found, values, strict=True):
            column[position] = value


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 (JSON)
    if one is other:
        return True
    if one is ABSENT or other is ABSENT:
        return False
    return type(one) is type(other) and bool(one == other)


def named_columns(
    loose: Loose,
    dimension: str,
    names: Mapping[Key, str],
    taken: Iterable[str],
    changed: int,
) -> tuple[list[Column], dict[Key, str]]:
    """Make coordinates of what varies; what cannot be one is left out from now on.

    Parameters
    ----------
    loose
        Attributes of all positions.
    dimension
        The new one.
    names
        Paths of the coordinates that there are already.
    taken
        Paths of other nodes, and of dimensions: an attribute that is called so becomes
        `{array}_{attribute}`.
    changed
        The first position that is not published as it is.

    Returns
    -------
    list of Column
        The coordinates.
    dict
        Their paths, by node and name of the attribute.
    """
    others = set(taken)
    published = set(names)
    columns: dict[str, Column] = {}
    named: dict[Key, str] = {}
    groups: dict[str, list[Key]] = {}
    for key, values in list(loose.varying.items()):
        data_type = _data_type(values) if _NAME.fullmatch(key[1]) else None
        if data_type is None:
            loose.left_out.add(key)
            del loose.varying[key]
        else:
            path = posixpath.join(posixpath.dirname(key[0]), key[1]).lstrip("/")
            groups.setdefault(path, []).append(key)
    for shared, keys in groups.items():
        first = loose.varying[keys[0]]
        equal = all(_equal(loose.varying[key], first) for key in keys[1:])
        for key in keys:
            good = equal and shared not in others and is_zarr_name(shared)
            path = names.get(key) or (shared if good else _own(key))
            column = _column(path, dimension, loose.varying[key], changed)
            # what is published keeps its name; a new array of that name is refused by NodeNames
            wrong = path in others or not is_zarr_name(path)
            if (wrong and key not in published) or (
                path in columns and columns[path].values != column.values
            ):
                loose.left_out.add(key)
                continue
            new = key not in names
            columns[path] = column if not new else _from_start(column)
            named[key] = path
    return list(columns.values()), named


def _own(key: Key) -> str:
    folder, name = posixpath.split(key[0])
    return posixpath.join(folder, f"{name}_{key[1]}")


def _equal(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return all(_same(a, b) for a, b in zip(one, other, strict=True))


def _data_type(values: Sequence[Any]) -> str | None:
    """Return the type of a coordinate with these values; None if there is none for them."""
    types = {bool if isinstance(v, bool) else type(v) for v in values if v is not ABSENT}
    if types == {str}:
        return "string"
    if not types or not types <= {int, float}:
        return None
    whole = types == {int} and not any(value is ABSENT for value in values)
    return "int64" if whole and all(-(2**63) <= v < 2**63 for v in values) else "float64"


def _column(path: str, dimension: str, values: Sequence[Any], changed: int) -> Column:
    data_type = str(_data_type(values))
    absent: Any = {"string": "", "float64": float("nan")}.get(data_type)
    filled = [absent if value is ABSENT else value for value in values]
    if data_type == "float64":
        filled = np.array(filled, dtype="f8").tolist()
    return Column(
        path=path, dimension=dimension, data_type=data_type, values=filled, changed=changed
    )


def _from_start(column: Column) -> Column:
    return Column(
        path=column.path,
        dimension=column.dimension,
        data_type=column.data_type,
        values=column.values,
    )
