"""Files put together along dimensions that they have: tiles of one image, or its bands.

A stack needs only that files are equal in all that decides. Tiles differ in three ways that are
allowed: their size along the dimensions, their place, and the coordinates that follow from these.
So templates are compared without them (`_plain`), and the allowed part is made anew for the whole
image: shape, transform, box and coordinates, in arrays, groups and `spatial_ref`.

Where a file lies is found in this order:

1. Along y and x, by its transform: `tile_grid` gives the row and the column of its first pixel in
   the whole image, for rotated and sheared images too. Either all arrays have a transform or none:
   if an overview had none, nothing would say where its tiles lie.
2. Along a band dimension, and along y or x without a transform, in the order of the files. This is
   only allowed along one dimension, as an order does not fill a plane.

Which dimension is which is said by the axes that the layout has given to each array, never by the
name of a dimension: an overview's is `y_1`, a user's may be `lat`.

A chunk of the whole image is a block of one file: no chunk is ever cut or copied. So each file
must begin where a chunk of the whole begins, and each file except the last along a dimension must
be a whole number of chunks long. `_Grid` checks this for each array, and that no two files have the
same chunk. It compares the chunks that the files have, not all chunks of the whole: tiles may be
far apart, and the image between them is missing chunks.

Pixels of tiles are compared in double precision with a tolerance of a hundredth of a pixel; see
`tile_grid`. What cannot be placed is refused, and the message names the file and the distance.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numcodecs.vlen import VLenUTF8
from numpy.typing import NDArray

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.metadata.transform import Affine
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.differences import differences, refuse
from virtual_tiff.publishing.planning.plan import Integers, joined
from virtual_tiff.publishing.planning.tile_grid import Tile, fit, linear_part, tile_grid
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import (
    Inline,
    Template,
    canonical,
    chunk_grid,
    digest_of,
)
from virtual_tiff.tiff import Limits

__all__ = ["Merged", "merge", "on_one_grid", "signature"]

_PLANE = ("y", "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The whole that files are put together to."""

    template: Template
    """Of the whole."""
    origins: Mapping[str, Integers]
    """By path: a row a file, its first chunk along each dimension."""
    data: Mapping[str, bytes]
    """By path: the chunk of coordinates of the whole."""


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
        If they have other codecs or chunks, or another grid, or if they overlap.
    """
    templates = {n: catalogue.template(n) for n in catalogue.counts(files)}
    plain = {n: _plain(template, axes) for n, template in templates.items()}
    if len({canonical(_comparable(template)) for template in plain.values()}) > 1:
        refuse(differences(plain, catalogue.names(files)))
    rows = [templates[n] for n in files.templates.tolist()]
    names = [catalogue.spool.name(n) for n in files.numbers.tolist()]
    first = rows[0]
    grids = {path: _Grid(path, rows, axes, names) for path in first.arrays}
    _check_all_or_none_placed(first, grids, axes)
    for grid in grids.values():
        grid.check()
    inline, data = {}, {}
    for path in first.inline:
        inline[path], data[path] = _whole(catalogue, path, rows, grids, axes)
    return Merged(
        template=Template(
            groups={
                path: _whole_group(path, attributes, grids)
                for path, attributes in first.groups.items()
            },
            arrays={path: grid.metadata() for path, grid in grids.items()},
            inline=inline,
            axes=first.axes,
        ),
        origins={path: grid.origins for path, grid in grids.items()},
        data=data,
    )


# -------------------------------------------------------------------------- comparison


def signature(template: Template, axes: Sequence[str]) -> str:
    """Return what is equal for files that may be parts of one image, wherever they lie."""
    return canonical(_comparable(_plain(template, axes)))


def on_one_grid(one: Template, other: Template, axes: Sequence[str]) -> bool:
    """Whether files of one signature can be placed side by side along the axes."""
    if not set(axes) & set(_PLANE):
        return True
    pairs = ((_tile(template, path, "") for template in (one, other)) for path in one.arrays)
    return all(fit(first, second, axes) for first, second in pairs if first and second)


def _comparable(template: Template) -> Any:  # noqa: ANN401 (JSON)
    inline = {
        path: [coordinate.metadata, coordinate.digest]
        for path, coordinate in template.inline.items()
    }
    return [template.groups, template.arrays, inline]


def _plain(template: Template, axes: Sequence[str]) -> Template:
    """Return a template without what lies along the axes and, of tiles, without their place."""
    tiles = bool(set(axes) & set(_PLANE))
    arrays = {
        path: _without_extent(metadata, template.axes[path], axes, tiles=tiles)
        for path, metadata in template.arrays.items()
    }
    inline = {}
    for path, coordinate in template.inline.items():
        along = coordinate.axes
        metadata = _without_extent(coordinate.metadata, along, axes, tiles=tiles)
        digest = coordinate.digest
        # where the columns of a tile lie follows from its transform, which is checked itself
        if set(along) & set(axes) or (tiles and _is_position(path, coordinate, along)):
            metadata, digest = metadata | {"chunk_grid": None}, ""
        inline[path] = Inline(metadata, digest, along)
    groups = {
        path: _without_place(attributes) if tiles else attributes
        for path, attributes in template.groups.items()
    }
    return Template(groups, arrays, inline, template.axes)


def _without_extent(
    metadata: JSON, along: Sequence[str], axes: Sequence[str], *, tiles: bool
) -> JSON:
    shape = [
        0 if axis in axes else size for axis, size in zip(along, metadata["shape"], strict=True)
    ]
    attributes = metadata["attributes"]
    return metadata | {
        "shape": shape,
        "attributes": _without_place(attributes) if tiles else attributes,
    }


_PLACE = ("spatial:transform", "spatial:bbox", "spatial:shape", "GeoTransform")


def _without_place(attributes: JSON) -> JSON:
    """Leave out where a tile lies, but for the size and rotation of its pixels."""
    placeless = {name: value for name, value in attributes.items() if name not in _PLACE}
    if transform := attributes.get("spatial:transform"):
        placeless["resolution"] = linear_part(Affine(*transform))
    if "layout" in attributes.get("multiscales", {}):
        levels = [_without_place(level) for level in attributes["multiscales"]["layout"]]
        placeless["multiscales"] = attributes["multiscales"] | {"layout": levels}
    return placeless


def _is_position(path: str, inline: Inline, along: Sequence[str]) -> bool:
    """Whether a coordinate says where the rows, or the columns, lie."""
    names = inline.metadata["dimension_names"]
    return names == [posixpath.basename(path)] and along[0] in _PLANE


def _tile(template: Template, path: str, name: str) -> Tile | None:
    """Return where an array of a file lies; None if nothing says so."""
    metadata, axes = template.arrays[path], template.axes[path]
    transform = metadata["attributes"].get("spatial:transform")
    if transform is None or not set(_PLANE) <= set(axes):
        return None
    length, width = (metadata["shape"][axes.index(axis)] for axis in _PLANE)
    return Tile(name=name, affine=Affine(*transform), length=length, width=width)


def _check_all_or_none_placed(
    first: Template, grids: Mapping[str, _Grid], axes: Sequence[str]
) -> None:
    """Refuse files with arrays that are placed by transforms, and others that are not."""
    if not set(axes) & set(_PLANE):
        return
    placed = [path for path, grid in grids.items() if grid.affine is not None]
    others = [path for path in first.arrays if path not in placed]
    if placed and others:
        msg = (
            f"array {others[0]}: nothing says where the files lie along {', '.join(axes)}, as"
            f" array {placed[0]} has a transform and this one has none; choose by ifd (--ifd)"
        )
        raise PublishError(msg)


# --------------------------------------------------------------------------- one array


class _Grid:
    """The places of the files in one array of the whole, in pixels and in chunks."""

    def __init__(
        self, path: str, rows: Sequence[Template], axes: Sequence[str], names: Sequence[str]
    ) -> None:
        self.path = path
        self._names = names
        self._first = rows[0].arrays[path]
        self.axes = rows[0].axes[path]
        self.dimensions = [str(name) for name in self._first["dimension_names"]]
        self.chunks = np.array(self._first["chunk_grid"]["configuration"]["chunk_shape"])
        self._sizes = np.array([row.arrays[path]["shape"] for row in rows], dtype=np.int64)
        self.starts = np.zeros_like(self._sizes)
        self.affine: Affine | None = None
        """Of the whole; None if no transform has placed the files."""
        self._grids = np.array([chunk_grid(row.arrays[path]) for row in rows], dtype=np.int64)
        self._along = [n for n, axis in enumerate(self.axes) if axis in axes]
        if set(axes) & set(_PLANE):
            self._place_tiles(rows, axes)
        for dimension in self._along:
            if self.affine is None or self.axes[dimension] not in _PLANE:
                self._place_in_order(dimension, alone=len(axes) == 1)
        self.shape = (self.starts + self._sizes).max(axis=0)

    def _place_tiles(self, rows: Sequence[Template], axes: Sequence[str]) -> None:
        tiles = [_tile(row, self.path, name) for row, name in zip(rows, self._names, strict=True)]
        placed = [tile for tile in tiles if tile is not None]
        if not placed:
            return
        # all have a transform, or their templates would differ
        grid = tile_grid(self.path, placed, axes)
        self.affine = grid.affine
        self.starts[:, [self.axes.index(axis) for axis in _PLANE]] = grid.starts

    def _place_in_order(self, dimension: int, *, alone: bool) -> None:
        if not alone:
            axis = self.axes[dimension]
            msg = f"array {self.path}: nothing says where the files lie along {axis}"
            raise PublishError(msg)
        sizes = self._sizes[:, dimension]
        self.starts[:, dimension] = np.cumsum(sizes) - sizes

    @property
    def origins(self) -> Integers:
        """The first chunk of each file."""
        return np.ascontiguousarray(self.starts // self.chunks, dtype=np.int64)

    def check(self) -> None:
        """Refuse files that begin or end within a chunk, or that overlap."""
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
        """Compare the chunks that the files have, not all of the whole: tiles may be far apart."""
        if not self._along:
            return
        counts = self._grids[:, self._along].prod(axis=1)
        cells = np.empty((int(counts.sum()), len(self._along)), dtype=np.int64)
        at = 0
        for origin, grid, count in zip(
            self.origins[:, self._along], self._grids[:, self._along], counts.tolist(), strict=True
        ):
            cells[at : at + count] = np.indices(grid).reshape(len(grid), -1).T + origin
            at += count
        _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        twice = first[inverse.reshape(-1)] != np.arange(len(cells))
        if twice.any():
            cell = int(np.argmax(twice))
            files = np.repeat(np.arange(len(counts)), counts)
            one, other = (self._names[files[n]] for n in (cell, first[inverse.reshape(-1)[cell]]))
            msg = (
                f"{one} and {other} overlap in array {self.path}. Images of one place need a new"
                " dimension, or a variable or a group each"
            )
            raise PublishError(msg)

    def metadata(self) -> JSON:
        """Return the whole array's."""
        attributes = self.placed(self._first["attributes"])
        return self._first | {"shape": [int(n) for n in self.shape], "attributes": attributes}

    def placed(self, attributes: JSON) -> JSON:
        """Return attributes of a file with the place of the whole."""
        if self.affine is None:
            return attributes
        length, width = (int(self.shape[self.axes.index(axis)]) for axis in _PLANE)
        whole = {
            "spatial:transform": self.affine.coefficients,
            "spatial:shape": [length, width],
            "spatial:bbox": self.affine.bounds(length, width),
            "GeoTransform": " ".join(map(repr, self.affine.gdal)),
        }
        return {name: whole.get(name, value) for name, value in attributes.items()}


def _whole_group(path: str, attributes: JSON, grids: Mapping[str, _Grid]) -> JSON:
    """Return the attributes of a group: of an array that is alone in it, or of levels below."""
    levels = attributes.get("multiscales", {}).get("layout")
    if not levels:
        grid = _grid_in(grids, path)
        return attributes if grid is None else grid.placed(attributes)
    below = [_grid_in(grids, joined(path, level["asset"])) for level in levels]
    placed = [
        level if grid is None else grid.placed(level)
        for level, grid in zip(levels, below, strict=True)
    ]
    whole = attributes if below[0] is None else below[0].placed(attributes)
    return whole | {"multiscales": attributes["multiscales"] | {"layout": placed}}


def _grid_in(grids: Mapping[str, _Grid], folder: str) -> _Grid | None:
    """Return the first array of a group."""
    return next((grid for path, grid in grids.items() if posixpath.dirname(path) == folder), None)


# --------------------------------------------------------------------------- coordinates


def _whole(
    catalogue: Catalogue,
    path: str,
    rows: Sequence[Template],
    grids: Mapping[str, _Grid],
    axes: Sequence[str],
) -> tuple[Inline, bytes]:
    """Return a coordinate of the whole."""
    first = rows[0].inline[path]
    names, along = first.metadata["dimension_names"], first.axes
    data = catalogue.spool.data(first.digest)
    if not names:
        return _spatial_ref(path, first, grids, rows[0], axes), data
    position = _is_position(path, first, along)
    if along[0] not in axes and not (position and set(axes) & set(_PLANE)):
        return first, data
    folder = posixpath.dirname(path)
    grid = next(
        grid
        for grid in grids.values()
        if posixpath.dirname(grid.path) == folder and names[0] in grid.dimensions
    )
    dimension = grid.dimensions.index(names[0])
    size = int(grid.shape[dimension])
    if position and grid.affine is not None:
        data = _positions(path, grid.affine, along[0], size)
    else:
        data = _joined(catalogue, path, rows, grid, dimension)
        numbers = names == [posixpath.basename(path)] and first.metadata["data_type"] == "int64"
        if numbers and len(np.unique(np.frombuffer(data, "<i8"))) < size:
            data = np.arange(1, size + 1, dtype="<i8").tobytes()  # they begin anew in each file
    metadata = first.metadata | {
        "shape": [size],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [size]}},
    }
    return Inline(metadata, digest_of(data), along), data


def _positions(path: str, affine: Affine, axis: str, size: int) -> bytes:
    """Return the centres of the rows or columns of the whole, as `axis_array` does of a file."""
    most = Limits().coordinates
    if size > most:
        msg = (
            f"coordinate {path}: the tiles lie so far apart that the whole has {size:,} values"
            f" along {axis}; the limit is {most:,}. Publish with coordinates=False"
        )
        raise PublishError(msg)
    first, step = (affine.c, affine.a) if axis == "x" else (affine.f, affine.e)
    centres: NDArray[Any] = first + step * (np.arange(size, dtype="<f8") + 0.5)
    return centres.astype("<f8").tobytes()


def _joined(
    catalogue: Catalogue, path: str, rows: Sequence[Template], grid: _Grid, dimension: int
) -> bytes:
    """Put the values of files one after another."""
    data_type = rows[0].inline[path].metadata["data_type"]
    read, write = _DECODERS[data_type], _ENCODERS[data_type]
    size = int(grid.shape[dimension])
    joined_values: NDArray[Any] = np.full(
        size, "" if data_type == "string" else 0, dtype=_TYPES[data_type]
    )
    for start, row in zip(grid.starts[:, dimension].tolist(), rows, strict=True):
        values = read(catalogue.spool.data(row.inline[path].digest))
        joined_values[start : start + len(values)] = values
    return write(joined_values)


_TYPES: dict[str, Any] = {"float64": "<f8", "int64": "<i8", "string": object}
_DECODERS: dict[str, Callable[[bytes], NDArray[Any]]] = {
    "float64": lambda data: np.frombuffer(data, "<f8"),
    "int64": lambda data: np.frombuffer(data, "<i8"),
    "string": lambda data: VLenUTF8().decode(data),
}
_ENCODERS: dict[str, Callable[[NDArray[Any]], bytes]] = {
    "float64": lambda values: values.astype("<f8").tobytes(),
    "int64": lambda values: values.astype("<i8").tobytes(),
    "string": lambda values: bytes(VLenUTF8().encode(values)),
}


def _spatial_ref(
    path: str,
    first: Inline,
    grids: Mapping[str, _Grid],
    template: Template,
    axes: Sequence[str],
) -> Inline:
    """Return the scalar with the transform of the whole."""
    attributes = first.metadata["attributes"]
    if not set(axes) & set(_PLANE):
        return first
    for name in ("gcps", "rpcs"):
        if name in attributes:
            msg = f"{path}: each file has its own {name}, so they cannot be tiles of one image"
            raise PublishError(msg)
    folder, name = posixpath.split(path)
    for grid in grids.values():
        mapped = template.arrays[grid.path]["attributes"].get("grid_mapping") == name
        if mapped and posixpath.dirname(grid.path) == folder:
            return replace(first, metadata=first.metadata | {"attributes": grid.placed(attributes)})
    return first
