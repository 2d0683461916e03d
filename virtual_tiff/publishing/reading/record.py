"""The record of one parsed file: small, as there can be a million, and plain, as workers send it.

A record has two kinds of metadata. Its *template* is what files must share to become one
array: types, codecs, places, the meaning of a stored number. The rest, *loose* attributes,
may differ. Both are JSON text, which is known by its digest: files of one archive share few of
them. In memory they are read into records (`Template`, and a mapping by `Node`).

What a file says of each of its bands by a name of the writer's choice, as STATISTICS_MEAN, is a
coordinate along `band`, and may differ as well. It is kept as a loose attribute of the array that
lists it, whose value holds the coordinate's metadata and data; `with_coordinates` makes the
coordinate of it again, where all files agree.
"""

from __future__ import annotations

import json
import marshal
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate, pairwise
from math import prod
from posixpath import basename, dirname, split
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.arrays.nodes import JSON, Group, InlineArray
from virtual_tiff.publishing.planning.attribute_table import decides, rule_of
from virtual_tiff.tiff import SourceState

__all__ = [
    "RECORD_VERSION",
    "Block",
    "Failure",
    "Inline",
    "LooseAttributes",
    "Lost",
    "Node",
    "Record",
    "Template",
    "canonical",
    "chunk_grid",
    "current_template",
    "digest_of",
    "is_along",
    "packed_blocks",
    "read_loose",
    "record_of",
    "unpacked_blocks",
    "with_coordinates",
    "without_what_may_differ",
]

RECORD_VERSION = 8
"""The version of the records in a cache; files with other records are read again."""


class Node(NamedTuple):
    """A group or an array, of a file or of the repository."""

    kind: Literal["group", "array", "inline"]
    """`inline`: an array whose one chunk is stored in the repository, as coordinates are."""
    path: str


type LooseAttributes = Mapping[Node, JSON]
"""The attributes of a file that may differ; of inline arrays, those that are kept a scene each."""


def read_loose(text: str) -> LooseAttributes:
    """Read the loose attributes of a record."""
    return {Node(kind, path): attributes for kind, path, attributes in json.loads(text)}


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why a file gives no record."""

    url: str
    error: str
    outside: bool = False
    """Whether the file has no pixel of the window or the box that is published."""


class Lost(NamedTuple):
    """The parts that a file lacks which was published nevertheless."""

    words: str
    blocks: int
    """Strips or tiles among them."""
    ends_early: bool
    """Whether they lie beyond the end of the file; otherwise only their byte counts are too
    small."""


class Block(NamedTuple):
    """A chunk that is copied, in the place of a reference."""

    path: str
    """The path of its array."""
    chunk: int
    """Its number, in C order of the chunk grid."""
    data: bytes
    """Its bytes, encoded."""


@dataclass(frozen=True, slots=True)
class Record:
    """All that is kept of one parsed file."""

    url: str
    state: SourceState
    """The state of the object when it was parsed."""
    template: str
    """The text of a `Template`."""
    loose: str
    """The text of its `LooseAttributes`."""
    inline: tuple[bytes, ...]
    """The data of the template's inline arrays, in its order."""
    references: bytes
    """For each of the template's arrays its offsets, then its byte counts: uint64."""
    count: int
    """References of all arrays."""
    blocks: tuple[Block, ...] = ()
    """Chunks that are copied."""
    lost: Lost | None = None
    """None if the file has all that it promises."""


@dataclass(frozen=True, slots=True)
class Inline:
    """An array whose one chunk is known."""

    metadata: JSON
    digest: str
    """The digest of the chunk's bytes."""
    axes: tuple[str, ...]
    """The axis of each of its dimensions."""


@dataclass(frozen=True, slots=True)
class Template:
    """The metadata that files must share to be stacked."""

    groups: Mapping[str, JSON]
    """Deciding attributes by path, the root's is empty."""
    arrays: Mapping[str, JSON]
    """By path: `zarr.json` of the arrays whose chunks lie in the file."""
    inline: Mapping[str, Inline]
    axes: Mapping[str, tuple[str, ...]]
    """By path of an array of `arrays`: the axis of each of its dimensions, as in `FileArray`."""

    @classmethod
    def from_text(cls, text: str) -> Template:
        """Read what `record_of` wrote."""
        plain = json.loads(text)
        return cls(
            groups=dict(plain["groups"]),
            arrays=dict(plain["arrays"]),
            inline={
                path: Inline(metadata, digest, tuple(axes))
                for path, metadata, digest, axes in plain["inline"]
            },
            axes={path: tuple(axes) for path, axes in plain["axes"]},
        )

    def text(self) -> str:
        """Return the text that `from_text` reads."""
        inline = [(path, each.metadata, each.digest) for path, each in self.inline.items()]
        return canonical(
            {
                "groups": list(self.groups.items()),
                "arrays": list(self.arrays.items()),
                "inline": inline,
                "axes": list(self.axes.items()),
            }
        )

    def references(
        self, packed: bytes
    ) -> Iterator[tuple[str, tuple[int, ...], NDArray[Any], NDArray[Any]]]:
        """Unpack the chunk grid, the offsets and the byte counts of each array, as flat arrays."""
        numbers = np.frombuffer(packed, dtype=np.uint64)
        at = 0
        for path, metadata in self.arrays.items():
            grid = chunk_grid(metadata)
            size = prod(grid)
            yield path, grid, numbers[at : at + size], numbers[at + size : at + 2 * size]
            at += 2 * size


def current_template(text: str) -> str:
    """Return the text of a template as `record_of` writes it; earlier ledgers lack some axes.

    The axes of an inline array are those of the dimensions of its group's arrays.
    """
    plain = json.loads(text)
    axes = {path: metadata["dimension_names"] for path, metadata in plain["arrays"]}
    axes |= dict(plain.get("axes", ()))
    for entry in plain["inline"]:
        path, metadata, *rest = entry
        if len(rest) == 1:
            axis_of = {
                name: axis
                for array, of_array in plain["arrays"]
                if dirname(array) == dirname(path)
                for name, axis in zip(of_array["dimension_names"], axes[array], strict=True)
            }
            entry.append([axis_of.get(name, name) for name in metadata["dimension_names"]])
    return canonical(plain | {"axes": list(axes.items())})


def chunk_grid(metadata: JSON) -> tuple[int, ...]:
    """Return the number of chunks along each dimension."""
    chunk_shape = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    return tuple(-(-n // c) for n, c in zip(metadata["shape"], chunk_shape, strict=True))


def packed_blocks(blocks: Sequence[Block]) -> bytes:
    """Return chunks as one run of bytes: a line that lists them, and then their data."""
    if not blocks:
        return b""
    listed = json.dumps([(block.path, block.chunk, len(block.data)) for block in blocks])
    return b"".join([listed.encode(), b"\n", *(block.data for block in blocks)])


def unpacked_blocks(packed: bytes) -> list[Block]:
    """Read what `packed_blocks` wrote."""
    if not packed:
        return []
    line, _, data = packed.partition(b"\n")  # JSON has no line end but where it is asked for
    listed = json.loads(line)
    spans = pairwise(accumulate((size for _, _, size in listed), initial=0))
    return [
        Block(path, chunk, data[start:end])
        for (path, chunk, _), (start, end) in zip(listed, spans, strict=True)
    ]


@lru_cache(maxsize=64)
def digest_of(data: bytes) -> str:
    """Return the digest by which equal bytes are known."""
    return blake2b(data, digest_size=16).hexdigest()


def canonical(value: object) -> str:
    """Return JSON that is equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def record_of(  # noqa: PLR0913 (all that a record depends on)
    url: str,
    group: Group,
    state: SourceState,
    *,
    blocks: Iterable[Block] = (),
    lost: Lost | None = None,
    per_scene: Collection[str] = (),
    join_bands: bool = False,
) -> Record:
    """Return the record of a parsed file, of which `state` is that of its object.

    `blocks` are chunks that are copied, and have no reference; `per_scene` names attributes of
    `spatial_ref` that become coordinates along the new dimension. With `join_bands` the bands of
    the files are put together, and what is said of each of them is kept a coordinate.
    """
    parts = _Gatherer(per_scene, join_bands=join_bands)
    parts.take(group, "")
    template = {
        "groups": parts.groups,
        "arrays": parts.arrays,
        "inline": parts.inline,
        "axes": parts.axes,
    }
    loose = [(*node, attributes) for node, attributes in parts.loose.items()]
    return Record(
        url=url,
        state=state,
        # version 2 marks no repeated objects, so equal values mostly give equal bytes; and a
        # worker's equal texts are one string, which is pickled once
        template=sys.intern(_text_of(marshal.dumps(template, 2))),
        loose=sys.intern(canonical(loose)),
        inline=tuple(parts.data),
        references=b"".join(parts.references),
        count=parts.count,
        blocks=tuple(blocks),
        lost=lost,
    )


@lru_cache(maxsize=64)
def _text_of(template: bytes) -> str:
    """Return a template as JSON, which is slow: files of one archive have the same templates."""
    return canonical(marshal.loads(template))  # noqa: S302 (made by `record_of`)


class _Gatherer:
    """Gathers a record from the tree of nodes; lists of pairs keep the file's order."""

    def __init__(self, per_scene: Collection[str], *, join_bands: bool) -> None:
        self._per_scene = per_scene
        self._join_bands = join_bands
        self.groups: list[tuple[str, JSON]] = []
        self.arrays: list[tuple[str, JSON]] = []
        self.inline: list[tuple[str, JSON, str, tuple[str, ...]]] = []
        self.axes: list[tuple[str, tuple[str, ...]]] = []
        self.loose: dict[Node, JSON] = {}
        self.data: list[bytes] = []
        self.references: list[bytes] = []
        self.count = 0

    def take(self, group: Group, at: str) -> None:
        self.groups.append((at, self._parted(Node("group", at), group.attributes)))
        prefix = f"{at}/" if at else ""
        of_bands = {
            name: _stand_in(name, array.metadata, array.data)
            for name, array in group.arrays.items()
            if not self._join_bands
            and isinstance(array, InlineArray)
            and _may_differ(name, array.axes, array.metadata)
        }
        for name, array in group.arrays.items():
            if name in of_bands:
                continue
            path = prefix + name
            axes = tuple(array.axes)  # marshal takes no other
            attributes = array.metadata["attributes"]
            if isinstance(array, InlineArray):
                per_scene = {key: attributes[key] for key in self._per_scene if key in attributes}
                shared = {key: attributes[key] for key in attributes if key not in per_scene}
                if per_scene:
                    self.loose[Node("inline", path)] = per_scene
                metadata = array.metadata | {"attributes": shared}
                self.inline.append((path, metadata, digest_of(array.data), axes))
                self.data.append(array.data)
                continue
            deciding = self._parted(Node("array", path), _with_values(attributes, of_bands))
            self.arrays.append((path, array.metadata | {"attributes": deciding}))
            self.axes.append((path, axes))
            for numbers in (array.offsets, array.byte_counts):
                self.references.append(np.ascontiguousarray(numbers, dtype=np.uint64).tobytes())
            self.count += int(np.count_nonzero(array.byte_counts))
        for name, child in group.groups.items():
            self.take(child, prefix + name)

    def _parted(self, node: Node, attributes: JSON) -> JSON:
        """Keep the loose attributes apart; return the others."""
        deciding: JSON = {}
        loose: JSON = {}
        for name, value in attributes.items():
            (deciding if decides(name, attributes) else loose)[name] = value
        if loose:
            self.loose[node] = loose
        return deciding


# ------------------------------------------------------------- what is said of each band

_COORDINATE = "virtual_tiff:coordinate"
"""The only key of a loose attribute that is a coordinate."""


def _may_differ(name: str, axes: Sequence[str], metadata: JSON) -> bool:
    """Whether a coordinate says something of each band or plane that may differ among files."""
    of_bands = tuple(axes) == ("band",) and metadata["dimension_names"] != [name]
    return rule_of(name) == "may differ" or (of_bands and rule_of(name) is None)


def _stand_in(name: str, metadata: JSON, data: bytes) -> JSON:
    """Return the value of an attribute that stands for a coordinate."""
    stored = {"name": name, "metadata": metadata, "data": b64encode(data).decode("ascii")}
    return {_COORDINATE: stored}


def without_what_may_differ(
    template: Template, read: Callable[[str], bytes]
) -> tuple[Template, dict[str, JSON]]:
    """Take coordinates of bands out of a template, as ledgers before version 3 have them.

    Parameters
    ----------
    template
        Of a file.
    read
        Returns the data of a coordinate by its path.

    Returns
    -------
    Template
        What is left.
    dict
        By path of an array: the loose attributes that stand for its coordinates.
    """
    moved = [
        path
        for path, inline in template.inline.items()
        if _may_differ(basename(path), inline.axes, inline.metadata)
    ]
    arrays, loose = {}, {}
    for path, metadata in template.arrays.items():
        attributes = metadata["attributes"]
        of_bands = {
            basename(each): _stand_in(basename(each), template.inline[each].metadata, read(each))
            for each in moved
            if dirname(each) == dirname(path)
        }
        merged = _with_values(attributes, of_bands)
        loose[path] = {name: merged[name] for name in merged if name not in attributes}
        deciding = {name: value for name, value in merged.items() if name not in loose[path]}
        arrays[path] = metadata | {"attributes": deciding}
    inline = {path: each for path, each in template.inline.items() if path not in moved}
    return Template(template.groups, arrays, inline, template.axes), loose


def _with_values(attributes: JSON, of_bands: Mapping[str, JSON]) -> JSON:
    """Return the attributes of an array, in which those of its bands are attributes too."""
    if not of_bands:
        return attributes
    listed = attributes.get("coordinates", "").split()
    names = [name for name in listed if name in of_bands]
    others = " ".join(name for name in listed if name not in of_bands)
    kept = {key: value for key, value in attributes.items() if key != "coordinates"}
    if others:
        kept["coordinates"] = others
    for name in names:  # the file may say something of all bands by the same name
        kept[name if name not in attributes else f"{name} of each band"] = of_bands[name]
    return kept


def is_along(value: object, axes: Collection[str]) -> bool:
    """Whether an attribute stands for a coordinate that has one of some axes."""
    if not (isinstance(value, dict) and value.keys() == {_COORDINATE}):
        return False
    return bool({*value[_COORDINATE]["metadata"]["dimension_names"]} & {*axes})


def with_coordinates(
    path: str, attributes: JSON, inline: dict[str, tuple[JSON, bytes]]
) -> tuple[JSON, list[str]]:
    """Make the coordinates of attributes that stand for them.

    Parameters
    ----------
    path
        Of the array.
    attributes
        Of the array.
    inline
        Metadata and data of coordinates, by path; it is extended.

    Returns
    -------
    dict
        The attributes without these, and with their names in `coordinates`.
    list of str
        The paths of the coordinates. One that another array has with other values is called
        `{array}_{attribute}`.
    """
    folder, array = split(path)
    listed = attributes.get("coordinates", "").split()
    kept: JSON = {}
    paths = []
    for attribute, value in attributes.items():
        if not (isinstance(value, dict) and value.keys() == {_COORDINATE}):
            kept[attribute] = value
            continue
        stored = value[_COORDINATE]
        name = stored["name"]
        coordinate = stored["metadata"], b64decode(stored["data"])
        for own in (name, f"{array}_{name}"):
            at = f"{folder}/{own}" if folder else own
            if inline.setdefault(at, coordinate) == coordinate:
                break
        paths.append(at)
        listed.append(own)
    return (kept | {"coordinates": " ".join(listed)} if paths else attributes), paths
