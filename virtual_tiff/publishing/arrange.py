"""How the arrays of the files become those of the repository: a group a file, or a stack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from zarr.core.metadata.v3 import ArrayV3Metadata

from virtual_tiff.publishing.differences import check_agreement
from virtual_tiff.publishing.errors import PublishError, not_as_a_stack
from virtual_tiff.publishing.files import JSON, ParsedFile
from virtual_tiff.publishing.names import group_names
from virtual_tiff.publishing.plan import (
    Placement,
    Plan,
    dimensions_of,
    is_coordinate,
    metadata_of,
)

__all__ = ["apart", "stacked"]


def apart(files: Sequence[ParsedFile]) -> Plan:
    """Lay out each file as a group of its own."""
    groups: dict[str, JSON] = {"": {}}
    placements = []
    for file, name in zip(files, group_names([file.url for file in files]), strict=True):
        groups |= {_joined(name, path): found for path, found in file.groups.items()}
        placements += [
            Placement(path=f"{name}/{path}", file=file, array=array)
            for path, array in file.arrays.items()
        ]
    metadata = {p.path: _final(metadata_of(p.array)) for p in placements}
    return Plan(groups=groups, metadata=metadata, placements=placements)


def _joined(group: str, path: str) -> str:
    return f"{group}/{path}" if path else group


def stacked(files: Sequence[ParsedFile], dimension: str) -> Plan:
    """Lay out the files along a new first dimension, array by array.

    Raises
    ------
    PublishError
        If they do not fit on each other; it says which file differs in what.
    """
    check_agreement(files)
    first, *_ = files
    if any(dimension in dimensions_of(array.metadata) for array in first.arrays.values()):
        msg = f"concat must be a new dimension; the files have {dimension!r} already"
        raise ValueError(msg)
    attributes, left_out = _shared(
        {path: [f.arrays[path].metadata.attributes for f in files] for path in first.arrays}
    )
    groups, left_out_of_groups = _shared(
        {path: [f.groups[path] for f in files] for path in first.groups}
    )
    metadata, placements = {}, []
    for path, array in first.arrays.items():
        plain = metadata_of(array) | {"attributes": attributes[path]}
        if is_coordinate(path, array):
            placements.append(Placement(path=path, file=first, array=array))
        else:
            plain = _with_dimension(plain, dimension, len(files))
            placements += [
                Placement(path=path, file=file, array=file.arrays[path], position=position)
                for position, file in enumerate(files)
            ]
        try:
            metadata[path] = _final(plain)
        except ValueError as error:
            raise PublishError(not_as_a_stack(path, error)) from error
    return Plan(
        groups=groups,
        metadata=metadata,
        placements=placements,
        left_out=left_out_of_groups | left_out,
    )


def _final(metadata: JSON) -> ArrayV3Metadata:
    # Icechunk knows chunks by the default keys alone
    keys = {"name": "default", "configuration": {"separator": "/"}}
    return ArrayV3Metadata.from_dict(metadata | {"chunk_key_encoding": keys})


def _with_dimension(metadata: JSON, dimension: str, count: int) -> JSON:
    """Put a dimension in front, one chunk for each of its positions."""
    chunk_shape = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    return metadata | {
        "shape": [count, *metadata["shape"]],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *chunk_shape]}},
        "codecs": [_shifted(codec) for codec in metadata["codecs"]],
        "dimension_names": [dimension, *metadata["dimension_names"]],
    }


def _shifted(codec: JSON) -> JSON:
    """Renumber the axes that a codec names from the front."""
    configuration = dict(codec.get("configuration", {}))
    if "order" in configuration and codec["name"] == "transpose":
        configuration["order"] = [0, *(axis + 1 for axis in configuration["order"])]
    if isinstance(axis := configuration.get("axis"), int) and axis >= 0:
        configuration["axis"] = axis + 1
    return {**codec, "configuration": configuration}


def _shared(
    attributes: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[dict[str, JSON], dict[str, tuple[str, ...]]]:
    """Part the attributes in those that all files have and the names of the others."""
    kept: dict[str, JSON] = {}
    left_out: dict[str, tuple[str, ...]] = {}
    for path, found in attributes.items():
        first = found[0]
        kept[path] = {
            name: value
            for name, value in first.items()
            if all(name in other and _same(other[name], value) for other in found)
        }
        names = {name for other in found for name in other} - set(kept[path])
        if names:
            left_out[path] = tuple(sorted(names))
    return kept, left_out


def _same(one: object, other: object) -> bool:
    return json.dumps(one, default=str) == json.dumps(other, default=str)
