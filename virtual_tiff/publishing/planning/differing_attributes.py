"""Attributes in which stacked files differ: which of them become coordinates.

The rule: an attribute that is a number in each file that has it, or a text in each, becomes a
coordinate along the new dimension, with the attribute's name; where several arrays of a group have
it with other values, the coordinate is called `{array}_{attribute}`. Lists, and attributes that are
a number here and a text there, are left out, and listed. Attributes that are the same in all files
stay attributes, except for those that are kept a scene each: they always become coordinates, as the
next scene may differ. Of several new dimensions, an attribute must vary along one alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.attribute_table import PER_SCENE
from virtual_tiff.publishing.planning.names import is_zarr_name
from virtual_tiff.publishing.planning.plan import AttributeKey, Column, Integers, joined
from virtual_tiff.publishing.reading.record import LooseAttributes, Node

__all__ = ["StackedAttributes", "bind", "columns_along_one", "named_columns", "take"]


ABSENT: Any = type("_Absent", (), {"__repr__": lambda _: "absent"})()
"""The value of an attribute that a file lacks."""

_NAME = re.compile(r"[A-Za-z_][\w:.-]*")
"""The names that the attribute `coordinates` can list, and that an array can have."""


@dataclass(slots=True)
class StackedAttributes:
    """The loose attributes of all files of a stack."""

    constant: dict[Node, JSON] = field(default_factory=dict)
    """Those that are the same in all files."""
    varying: dict[AttributeKey, list[Any]] = field(default_factory=dict)
    """For each position a value, or `ABSENT`."""
    left_out: set[AttributeKey] = field(default_factory=set)


def take(
    stacked: StackedAttributes,
    nodes: Mapping[Node, Node],
    files: Sequence[tuple[int, LooseAttributes]],
    *,
    size: int,
    before: Collection[int] = (),
) -> None:
    """Add the loose attributes of files, each with its position, to those of the files before.

    `nodes` has the nodes of the repository by those of the files; `size` is the number of
    positions. `before` are those of files whose attributes are in `stacked` already. They are asked
    for only if an attribute differs that was the same in all these files.
    """
    for values in stacked.varying.values():
        values.extend([ABSENT] * (size - len(values)))
    earlier: list[int] | None = None
    for source, node in nodes.items():
        new = [(position, attributes.get(source, {})) for position, attributes in files]
        constant = stacked.constant.setdefault(node, {})
        names = dict.fromkeys(name for _, attributes in new for name in attributes)
        names |= dict.fromkeys(constant)
        names |= dict.fromkeys(key.name for key in stacked.varying if key.node == node)
        for name in names:
            key = AttributeKey(node, name)
            if key in stacked.left_out:
                continue
            values = [attributes.get(name, ABSENT) for _, attributes in new]
            column = stacked.varying.get(key)
            if column is None:
                first = values[0] if values and not before else constant.get(name, ABSENT)
                if name not in PER_SCENE and all(_same(value, first) for value in values):
                    constant[name] = first
                    continue
                column = stacked.varying[key] = [ABSENT] * size
                earlier = list(before) if earlier is None else earlier
                for position in earlier:
                    column[position] = constant.get(name, ABSENT)
                constant.pop(name, None)
            for (position, _), value in zip(new, values, strict=True):
                column[position] = value


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 (JSON)
    return one is other or (type(one) is type(other) and bool(one == other))


def named_columns(
    stacked: StackedAttributes,
    dimension: str,
    names: Mapping[AttributeKey, str],
    taken: Iterable[str],
    changed: int,
) -> tuple[list[Column], dict[AttributeKey, str]]:
    """Make coordinates of attributes that vary; those that cannot be one are left out from now on.

    `names` are the paths of the coordinates that are published already, `taken` those of other
    nodes and of dimensions: an attribute of such a name becomes `{array}_{attribute}`. `changed` is
    the first position that is new, or published with other values. The coordinates are returned,
    and their paths by attribute.
    """
    others = set(taken)
    columns: dict[str, Column] = {}
    named: dict[AttributeKey, str] = {}
    groups: dict[str, list[AttributeKey]] = {}
    for key, values in list(stacked.varying.items()):
        if _NAME.fullmatch(key.name) and _data_type(values) is not None:
            groups.setdefault(joined(_folder(key.node), key.name), []).append(key)
        else:
            stacked.left_out.add(key)
            del stacked.varying[key]
    for shared, keys in groups.items():
        first = stacked.varying[keys[0]]
        equal = all(
            all(_same(a, b) for a, b in zip(stacked.varying[key], first, strict=True))
            for key in keys[1:]
        )
        shareable = equal and shared not in others and is_zarr_name(shared)
        for key in keys:
            node = "" if key.node.kind == "group" else posixpath.basename(key.node.path)
            own = joined(_folder(key.node), f"{node}_{key.name}")
            path = names.get(key) or (shared if shareable else own)
            column = _column(path, dimension, stacked.varying[key], changed)
            # what is published keeps its name; a new array of that name is refused by NodeNames
            wrong = path in others or not is_zarr_name(path)
            if (wrong and key not in names) or (
                path in columns and columns[path].values != column.values
            ):
                stacked.left_out.add(key)
                continue
            columns[path] = column if key in names else replace(column, changed=0)
            named[key] = path
    return list(columns.values()), named


def bind(arrays: dict[str, JSON], names: Mapping[AttributeKey, str]) -> None:
    """List coordinates that attributes became in the attribute `coordinates` of their arrays.

    The metadata, by path, are changed.
    """
    for (node, _), path in names.items():
        for array, metadata in arrays.items():
            attributes = metadata["attributes"]
            described = {
                "array": array == node.path,
                "group": True,
                "inline": attributes.get("grid_mapping") == posixpath.basename(node.path),
            }[node.kind]
            if described and posixpath.dirname(array) == posixpath.dirname(path):
                listed = [*attributes.get("coordinates", "").split(), posixpath.basename(path)]
                bound = attributes | {"coordinates": " ".join(dict.fromkeys(listed))}
                arrays[array] = metadata | {"attributes": bound}


def columns_along_one(
    differing: Mapping[Node, Sequence[str]],
    loose: Mapping[int, LooseAttributes],
    numbers: Integers,
    positions: Integers,
    sizes: Sequence[int],
) -> dict[tuple[Node, str], tuple[int, list[Any]]]:
    """Return the attributes that vary along one of several new dimensions alone.

    `differing` has the names of attributes in which the files differ, by their node; `loose` the
    attributes by the number that `numbers` has for each file. Positions have the shape (files,
    dimensions). By node and name the dimension's number is returned, and for each position a value,
    or `ABSENT`.
    """
    found: dict[tuple[Node, str], tuple[int, list[Any]]] = {}
    for at, size in enumerate(sizes):
        pairs = np.unique(np.stack([positions[:, at], numbers], axis=1), axis=0).tolist()
        for node, names in differing.items():
            for name in names:
                if (node, name) in found:
                    continue
                values: dict[int, Any] = {}
                for position, number in pairs:
                    value = loose[number].get(node, {}).get(name, ABSENT)
                    if not _same(values.setdefault(position, value), value):
                        break
                else:
                    column = [values.get(position, ABSENT) for position in range(size)]
                    found[node, name] = (at, column)
    return found


def _folder(node: Node) -> str:
    """Return the group that a coordinate of a node's attribute belongs to."""
    return node.path if node.kind == "group" else posixpath.dirname(node.path)


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
