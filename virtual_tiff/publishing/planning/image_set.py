"""The files of a multi-file OME-TIFF as the images that they are: each plane where OME puts it.

Each file was read with the metadata of the whole (`of_set` of the layout `stack`), so that its
arrays have the dimensions of the whole and the shape of its own part; `PART`, a loose attribute,
says where the part lies. Here the parts are put together: the order and the names of the files
decide nothing. Planes that no file has are holes, and a plane of two files is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from virtual_tiff.arrays.nodes import JSON, PART, SET
from virtual_tiff.publishing.errors import NotAtTheEndError, PublishError
from virtual_tiff.publishing.planning.plan import (
    Existing,
    FileBlocks,
    GroupState,
    Integers,
    Members,
    Part,
    joined,
)
from virtual_tiff.publishing.planning.splitting import Joined
from virtual_tiff.publishing.planning.stack import GroupPlan
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import (
    Inline,
    Node,
    Template,
    chunk_grid,
    with_coordinates,
)
from virtual_tiff.tiff import redacted

__all__ = ["IMAGE_SET_AXES", "image_set", "is_image_set"]

IMAGE_SET_AXES = ("t", "c", "z")
"""Along these the files of a multi-file OME-TIFF are put together."""


def is_image_set(catalogue: Catalogue, files: Files) -> bool:
    """Whether some files are those of a multi-file OME-TIFF."""
    return SET in catalogue.template(int(files.templates[0])).groups.get("", {})


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the set."""

    at: int
    """Its place among the files."""
    name: str
    template: Template
    parts: Mapping[str, JSON]
    """By path of an array: its `PART`."""
    attributes: Mapping[Node, JSON]
    """Loose attributes, without `PART`."""


def image_set(catalogue: Catalogue, group: str, files: Files, existing: Existing) -> GroupPlan:
    """Put the files of one set together.

    If the group is published already, it is a NotAtTheEndError; if the parts do not form the images
    that OME-XML describes, it is a PublishError.
    """
    if group in existing.states:
        raise NotAtTheEndError
    members = [_file(catalogue, files, i) for i in range(len(files))]
    _check_resolutions(members)
    arrays: dict[str, JSON] = {}
    blocks: dict[str, FileBlocks] = {}
    missing = 0
    for path in dict.fromkeys(path for each in members for path in each.template.arrays):
        having = [each for each in members if path in each.template.arrays]
        arrays[path] = _whole(path, having)
        blocks[path], holes = _blocks(path, having, arrays[path])
        missing += holes
    groups: dict[str, JSON] = {}
    inline: dict[str, list[Inline]] = {}
    for each in members:
        for path, attributes in each.template.groups.items():
            loose = each.attributes.get(Node("group", path), {})
            groups.setdefault(path, attributes | loose)
        for path, coordinate in each.template.inline.items():
            inline.setdefault(path, []).append(coordinate)
    groups[""] = {name: value for name, value in groups[""].items() if name != SET}
    groups = {path: _present(path, attributes, arrays) for path, attributes in groups.items()}
    in_repository = {path: joined(group, path) for path in arrays}
    coordinates = {
        joined(group, path): (each[0].metadata, catalogue.spool.data(each[0].digest))
        for path, each in inline.items()
        if each == each[:1] * len(each)
    }
    for path, metadata in arrays.items():
        attributes, _ = with_coordinates(in_repository[path], metadata["attributes"], coordinates)
        arrays[path] = metadata | {"attributes": attributes}
    return GroupPlan(
        group=group,
        part=Part(
            groups={joined(group, path): attributes for path, attributes in groups.items()},
            arrays={in_repository[path]: metadata for path, metadata in arrays.items()},
            inline=coordinates,
            members=[
                Members(
                    group=group,
                    variable="",
                    numbers=files.numbers,
                    paths=in_repository,
                    blocks=blocks,
                )
            ],
        ),
        state=GroupState(templates={"": catalogue.text(int(files.templates[0]))}),
        left_out={},
        missing=missing,
        joined=[Joined(metadata, 0, IMAGE_SET_AXES) for metadata in arrays.values()],
    )


def _file(catalogue: Catalogue, files: Files, i: int) -> _File:
    loose = catalogue.loose(int(files.loose[i]))
    parts = {node.path: of_node[PART] for node, of_node in loose.items() if PART in of_node}
    attributes = {
        node: {name: value for name, value in of_node.items() if name != PART}
        for node, of_node in loose.items()
    }
    template = catalogue.template(int(files.templates[i]))
    name = redacted(catalogue.spool.name(int(files.numbers[i])))
    return _File(i, name, template, parts, attributes)


def _present(path: str, attributes: JSON, arrays: Mapping[str, JSON]) -> JSON:
    """Return the attributes of a plate or a well with those wells or fields that a file has."""
    for kind, members in (("plate", "wells"), ("well", "images")):
        if kind in attributes.get("ome", {}):
            ome = attributes["ome"]
            having = [
                each
                for each in ome[kind][members]
                if any(name.startswith(joined(path, each["path"]) + "/") for name in arrays)
            ]
            return attributes | {"ome": ome | {kind: ome[kind] | {members: having}}}
    return attributes


def _check_resolutions(members: Sequence[_File]) -> None:
    """Refuse files of one image that have it in other resolutions: some would read as empty."""
    first: dict[str, tuple[_File, list[str]]] = {}
    for each in members:
        by_image: dict[str, list[str]] = {}
        images = [
            path
            for path, attributes in each.template.groups.items()
            if "multiscales" in attributes.get("ome", {})
        ]
        for path in each.template.arrays:
            image = next((image for image in images if path.startswith(f"{image}/")), "")
            by_image.setdefault(image, []).append(path)
        for image, paths in by_image.items():
            other, others = first.setdefault(image, (each, paths))
            if paths != others:
                msg = (
                    f"{each.name} has {len(paths)} resolutions of an image of which {other.name}"
                    f" has {len(others)}; publish them without overviews"
                    " (overviews=False)"
                )
                raise PublishError(msg)


def _whole(path: str, having: Sequence[_File]) -> JSON:
    """Return the metadata of an array of the whole: files may differ in attributes alone."""
    first = having[0].template.arrays[path]
    shape = having[0].parts[path]["shape"]
    shared = first["attributes"] | having[0].attributes.get(Node("array", path), {})
    for each in having[1:]:
        metadata = each.template.arrays[path]
        differing = [
            name
            for name in metadata
            if name not in ("attributes", "shape") and metadata[name] != first[name]
        ]
        if each.parts[path]["shape"] != shape:
            differing.append("shape of the whole")
        if differing:
            name = differing[0]
            values = [_short(of.get(name, shape)) for of in (first, metadata)]
            msg = (
                f"{having[0].name} and {each.name} are files of one image, and their {name}"
                f" differs: {values[0]} and {values[1]}. Publish each file as it is"
                " (layout='group per file')"
            )
            raise PublishError(msg)
        others = metadata["attributes"] | each.attributes.get(Node("array", path), {})
        shared = {key: value for key, value in shared.items() if others.get(key) == value}
    return first | {"shape": shape, "attributes": shared}


def _short(value: Any) -> str:  # noqa: ANN401 (of a zarr.json)
    text = str(value)
    return text if len(text) < 200 else f"{text[:200]}…"


def _blocks(path: str, having: Sequence[_File], whole: JSON) -> tuple[FileBlocks, int]:
    """Return where the planes of the files lie in the whole, and how many planes have no file."""
    grid = chunk_grid(whole)
    depth = whole["dimension_names"].index("y")
    owner = np.full(grid[:depth], -1, dtype=np.int64)
    pieces: list[tuple[int, list[int], list[int], list[int]]] = []
    for each in having:
        of_file = chunk_grid(each.template.arrays[path])
        part = each.parts[path]
        start = part["first"]
        for first, counts in _boxes(of_file, part.get("absent", []), whole):
            origin = [a + b for a, b in zip(start, first, strict=True)]
            box = tuple(
                slice(begin, begin + count)
                for begin, count in zip(origin[:depth], counts[:depth], strict=True)
            )
            others = owner[box].reshape(-1)
            if (others >= 0).any():
                other = next(o for o in having if o.at == int(others[others >= 0][0]))
                msg = f"{other.name} and {each.name} both have a plane of the image; leave one out"
                raise PublishError(msg)
            owner[box] = each.at
            pieces.append((each.at, origin, first, counts))
    at, origins, firsts, counts_of = zip(*pieces, strict=True)
    columns = [np.array(column, dtype=np.int64) for column in (at, origins, firsts, counts_of)]
    return FileBlocks(*columns), int(np.count_nonzero(owner < 0))


def _boxes(
    grid: Sequence[int], absent: Sequence[int], whole: JSON
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the blocks of a file's part that are its own: first block and counts of each box.

    `absent` numbers the planes that are not, in the order of t, c and z.
    """
    if not absent:
        yield [0] * len(grid), list(grid)
        return
    names = whole["dimension_names"]
    planes = [n for n, name in enumerate(names) if name in IMAGE_SET_AXES]
    gone = set(absent)
    lengths = [grid[n] for n in planes]
    for number in range(prod(lengths)):
        if number not in gone:
            first, counts = [0] * len(grid), list(grid)
            index: Integers = np.array(np.unravel_index(number, lengths))
            for n, at in zip(planes, index.tolist(), strict=True):
                first[n], counts[n] = at, 1
            yield first, counts
