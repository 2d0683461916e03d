"""Files put together along dimensions that they have: tiles of one image, or its bands.

No chunk is ever cut: each file begins where a chunk of the whole begins. So every file but
the last along a dimension must be a whole number of chunks long.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.georeference import Affine
from virtual_tiff.nodes import JSON
from virtual_tiff.publishing.catalogue import Catalogue, Files
from virtual_tiff.publishing.differences import differences, refuse
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.plan import Integers
from virtual_tiff.publishing.record import Inline, Template, canonical, chunk_grid, digest_of

__all__ = ["Merged", "axis_of", "merge"]

_TOLERANCE = 0.01
"""Pixels by which a tile may be off the grid of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """How files are put together."""

    template: Template
    """Of the whole."""
    origins: Mapping[str, Integers]
    """By path: a row a file, its first chunk along each dimension."""
    data: Mapping[str, bytes]
    """By path: the chunk of coordinates of the whole."""


def axis_of(name: str, axes: Iterable[str]) -> str | None:
    """Return which axis a dimension is of: `x_1` of `x`; None if of none."""
    found = re.fullmatch(r"(\w+?)(_\d+)?", name)
    return found[1] if found and found[1] in axes else None


def merge(catalogue: Catalogue, files: Files, axes: Sequence[str]) -> Merged:
    """Put files together along dimensions that they have.

    Parameters
    ----------
    catalogue
        That has the files.
    files
        In their order, which is that along a dimension without coordinates.
    axes
        `x`, `y`, `band`, or several of them.

    Raises
    ------
    PublishError
        If they do not fit: other codecs or chunks, another grid, or they overlap.
    """
    templates = {n: catalogue.template(n) for n in catalogue.counts(files)}
    _check(catalogue, files, templates, axes)
    rows = [templates[n] for n in files.templates.tolist()]
    first = rows[0]
    grids = {
        path: _Grid(path, rows, axes, [catalogue.spool.name(n) for n in files.numbers.tolist()])
        for path in first.arrays
    }
    for grid in grids.values():
        grid.check()
    inline, data = {}, {}
    for path in first.inline:
        inline[path], data[path] = _whole(catalogue, path, rows, grids.values(), axes)
    return Merged(
        template=Template(
            groups=first.groups,
            arrays={path: grid.metadata() for path, grid in grids.items()},
            inline=inline,
        ),
        origins={path: grid.origins for path, grid in grids.items()},
        data=data,
    )


# --------------------------------------------------------------------------- do they fit


def _check(
    catalogue: Catalogue, files: Files, templates: Mapping[int, Template], axes: Sequence[str]
) -> None:
    """Compare the files but in what tiles differ in."""
    plain = {n: _plain(template, axes) for n, template in templates.items()}
    if len({canonical(_comparable(template)) for template in plain.values()}) > 1:
        refuse(differences(plain, catalogue.names(files)))


def _comparable(template: Template) -> Any:  # noqa: ANN401 (JSON)
    inline = {path: [found.metadata, found.digest] for path, found in template.inline.items()}
    return [template.groups, template.arrays, inline]


def _plain(template: Template, axes: Sequence[str]) -> Template:
    """Return a template without what lies along the axes, and where the image lies."""
    arrays = {path: _plain_metadata(found, axes) for path, found in template.arrays.items()}
    inline = {}
    for path, found in template.inline.items():
        names = found.metadata["dimension_names"]
        along = not names or axis_of(names[0], axes)
        metadata = _plain_metadata(found.metadata, axes)
        if along:
            metadata = metadata | {"chunk_grid": None}
        inline[path] = Inline(metadata, "" if along else found.digest)
    return Template(template.groups, arrays, inline)


def _plain_metadata(metadata: JSON, axes: Sequence[str]) -> JSON:
    shape = [
        0 if axis_of(name, axes) else size
        for name, size in zip(metadata["dimension_names"], metadata["shape"], strict=True)
    ]
    place = ("spatial:transform", "spatial:bbox", "spatial:shape", "GeoTransform")
    attributes = dict(metadata["attributes"])
    transform = attributes.get("spatial:transform")
    for name in place:
        attributes.pop(name, None)
    if transform:  # of one resolution they must be
        attributes["resolution"] = [transform[i] for i in (0, 1, 3, 4)]
    return metadata | {"shape": shape, "attributes": attributes}


# --------------------------------------------------------------------------- one array


class _Grid:
    """Where the files lie in one array of the whole, in pixels and in chunks."""

    def __init__(
        self, path: str, rows: Sequence[Template], axes: Sequence[str], names: Sequence[str]
    ) -> None:
        self.path = path
        self._names = names
        self._first = rows[0].arrays[path]
        self.dimensions = [str(name) for name in self._first["dimension_names"]]
        self.chunks = np.array(self._first["chunk_grid"]["configuration"]["chunk_shape"])
        self._sizes = np.array([row.arrays[path]["shape"] for row in rows], dtype=np.int64)
        self.starts = np.zeros_like(self._sizes)
        self._transforms = [row.arrays[path]["attributes"].get("spatial:transform") for row in rows]
        self._grids = np.array([chunk_grid(row.arrays[path]) for row in rows], dtype=np.int64)
        for dimension, name in enumerate(self.dimensions):
            axis = axis_of(name, axes)
            if axis is not None:
                self.starts[:, dimension] = self._along(axis, dimension, alone=len(axes) == 1)
        self.shape = (self.starts + self._sizes).max(axis=0)

    def _along(self, axis: str, dimension: int, *, alone: bool) -> NDArray[Any]:
        transforms = self._transforms
        if axis in ("x", "y") and all(transforms):
            corner, step = (2, 0) if axis == "x" else (5, 4)
            corners = np.array([t[corner] for t in transforms])
            offsets = corners / transforms[0][step]
            offsets -= offsets.min()
            pixels: NDArray[Any] = np.rint(offsets).astype(np.int64)
            off = np.abs(offsets - pixels) > _TOLERANCE
            if off.any():
                name = self._names[int(np.argmax(off))]
                msg = f"{name}: does not lie on the grid of the others' pixels along {axis}"
                raise PublishError(msg)
            return pixels
        if not alone:
            msg = f"array {self.path}: nothing says where the files lie along {axis}"
            raise PublishError(msg)
        ends: NDArray[Any] = np.cumsum(self._sizes[:, dimension])
        return ends - self._sizes[:, dimension]

    @property
    def origins(self) -> Integers:
        """The first chunk of each file."""
        return np.ascontiguousarray(self.starts // self.chunks, dtype=np.int64)

    def check(self) -> None:
        """Refuse files that begin or end within a chunk, or lie upon each other."""
        ends = self.starts + self._sizes
        last = ends == self.shape
        for wrong, what in (
            (self.starts % self.chunks != 0, "begins"),
            ((ends % self.chunks != 0) & ~last, "ends"),
        ):
            if wrong.any():
                file, dimension = (int(i) for i in np.argwhere(wrong)[0])
                at = (self.starts if what == "begins" else ends)[file, dimension]
                msg = (
                    f"{self._names[file]}: array {self.path} {what} at {at} along"
                    f" {self.dimensions[dimension]}, within a chunk of {self.chunks[dimension]}:"
                    " chunks of files cannot be cut. Publish a group for each file; or with"
                    " overviews=False, if only an overview does not fit"
                )
                raise PublishError(msg)
        self._check_apart()

    def _check_apart(self) -> None:
        taken = np.full(-(-self.shape // self.chunks), -1, dtype=np.int32)
        origins = self.origins
        for file, (origin, size) in enumerate(zip(origins, self._grids, strict=True)):
            cells = tuple(slice(o, o + n) for o, n in zip(origin, size, strict=True))
            if (taken[cells] >= 0).any():
                other = int(taken[cells].max())
                msg = f"{self._names[file]} and {self._names[other]} lie upon each other"
                raise PublishError(msg)
            taken[cells] = file

    def metadata(self) -> JSON:
        """Return the whole array's."""
        attributes = dict(self._first["attributes"])
        transform = self.transform()
        if transform is not None:
            attributes["spatial:transform"] = transform
            length, width = (
                int(self.shape[self.dimensions.index(self._named(axis))]) for axis in ("y", "x")
            )
            if "spatial:shape" in attributes:
                attributes["spatial:shape"] = [length, width]
            if "spatial:bbox" in attributes:
                attributes["spatial:bbox"] = Affine(*transform).bounds(length, width)
        return self._first | {"shape": [int(n) for n in self.shape], "attributes": attributes}

    def transform(self) -> list[float] | None:
        """Return the transform of the whole: that of its first column and first row."""
        if not all(self._transforms):
            return None
        y, x = (self.dimensions.index(self._named(axis)) for axis in ("y", "x"))
        found = list(self._transforms[0])
        found[2] = self._transforms[int(np.argmin(self.starts[:, x]))][2]
        found[5] = self._transforms[int(np.argmin(self.starts[:, y]))][5]
        return found

    def _named(self, axis: str) -> str:
        return next(name for name in self.dimensions if axis_of(name, (axis,)))


# --------------------------------------------------------------------------- coordinates


def _whole(
    catalogue: Catalogue,
    path: str,
    rows: Sequence[Template],
    grids: Iterable[_Grid],
    axes: Sequence[str],
) -> tuple[Inline, bytes]:
    """Return a coordinate of the whole."""
    first = rows[0].inline[path]
    names = first.metadata["dimension_names"]
    if not names:
        return _spatial_ref(path, first, grids, rows), catalogue.spool.data(first.digest)
    data = catalogue.spool.data(first.digest)
    if axis_of(names[0], axes) is not None:
        grid = next(grid for grid in grids if names[0] in grid.dimensions)
        dimension = grid.dimensions.index(names[0])
        data = _joined(catalogue, path, rows, grid, dimension)
        size = [int(grid.shape[dimension])]
        metadata = first.metadata | {
            "shape": size,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": size}},
        }
        return Inline(metadata, digest_of(data)), data
    return first, data


def _joined(
    catalogue: Catalogue, path: str, rows: Sequence[Template], grid: _Grid, dimension: int
) -> bytes:
    """Put the values of files one after another; where there is no file, as the grid goes on."""
    size = int(grid.shape[dimension])
    data_type = rows[0].inline[path].metadata["data_type"]
    read, write = _DECODERS[data_type], _ENCODERS[data_type]
    found: NDArray[Any] = np.full(size, "" if data_type == "string" else 0, dtype=_TYPES[data_type])
    starts: dict[int, str] = {}
    for start, row in zip(grid.starts[:, dimension].tolist(), rows, strict=True):
        starts.setdefault(start, row.inline[path].digest)
    if len(rows) and data_type == "float64" and path.rpartition("/")[2][:1] in "xy":
        values = read(catalogue.spool.data(starts[0]))
        step = (values[-1] - values[0]) / max(len(values) - 1, 1)
        found[:] = values[0] + step * np.arange(size)
    for start, digest in starts.items():
        values = read(catalogue.spool.data(digest))
        found[start : start + len(values)] = values
    if data_type == "int64":  # of bands the numbers, which begin anew in each file
        found = np.arange(1, size + 1)
    return write(found)


def _texts(data: bytes) -> NDArray[Any]:
    (count,), at, found = struct.unpack_from("<I", data), 4, []
    for _ in range(count):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return np.array(found, dtype=object)


def _text_bytes(values: NDArray[Any]) -> bytes:
    encoded = [str(text).encode() for text in values.tolist()]
    parts = [struct.pack("<I", len(text)) + text for text in encoded]
    return struct.pack("<I", len(encoded)) + b"".join(parts)


_TYPES: dict[str, Any] = {"float64": "<f8", "int64": "<i8", "string": object}
_DECODERS: dict[str, Callable[[bytes], NDArray[Any]]] = {
    "float64": lambda data: np.frombuffer(data, "<f8"),
    "int64": lambda data: np.frombuffer(data, "<i8"),
    "string": _texts,
}
_ENCODERS: dict[str, Callable[[NDArray[Any]], bytes]] = {
    "float64": lambda values: values.astype("<f8").tobytes(),
    "int64": lambda values: values.astype("<i8").tobytes(),
    "string": _text_bytes,
}


def _spatial_ref(
    path: str, first: Inline, grids: Iterable[_Grid], rows: Sequence[Template]
) -> Inline:
    """Return the scalar with the transform of the whole."""
    attributes = dict(first.metadata["attributes"])
    for name in ("gcps", "rpcs"):
        if name in attributes:
            msg = f"{path}: {name} hold for each file alone; they cannot be tiles of one image"
            raise PublishError(msg)
    if "GeoTransform" in attributes:
        folder, _, name = path.rpartition("/")
        for grid in grids:
            array = rows[0].arrays[grid.path]
            mapped = array["attributes"].get("grid_mapping") == name
            if mapped and grid.path.rpartition("/")[0] == folder:
                a, b, c, d, e, f = grid.transform() or (0.0,) * 6
                attributes["GeoTransform"] = " ".join(map(repr, (c, a, b, f, d, e)))
                break
    return replace(first, metadata=first.metadata | {"attributes": attributes})
