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

A chunk of the whole image is a block of one file, or a part of it; `grid` says which, and what of
files that overlap is shown. Tiles may be far apart: the image between them is missing chunks.

Pixels of tiles are compared in double precision with a tolerance of a hundredth of a pixel; see
`tile_grid`. What cannot be placed is refused, and the message names the file and the distance. An
overview that cannot be placed is left out, and the result names it: the image has all its pixels.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numcodecs.vlen import VLenUTF8
from numpy.typing import NDArray

from virtual_tiff.arrays.coordinates import geo_transform, pixel_centres
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.metadata.transform import Affine
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.declared import DeclaredPlaces
from virtual_tiff.publishing.planning.differences import differences, kinds_of, refuse
from virtual_tiff.publishing.planning.grid import (
    DEFAULT_RULES,
    GridPlan,
    GridRules,
    NotRegularError,
    OverlapError,
    Tiles,
    plan_grid,
    run_lengths,
)
from virtual_tiff.publishing.planning.overviews import overviews_of, paths_that_differ, without
from virtual_tiff.publishing.planning.plan import FileBlocks, Integers, joined
from virtual_tiff.publishing.planning.tile_grid import (
    SNAP,
    fit,
    linear_part,
    plane_size,
    tile_grid,
    tile_of,
)
from virtual_tiff.publishing.planning.uneven import places_along, uneven, without_transform
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import (
    Inline,
    Template,
    canonical,
    digest_of,
)
from virtual_tiff.tiff import Limits

__all__ = ["at_one_place", "merge", "on_one_grid", "signature"]

_PLANE = ("y", "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The whole that files are put together to."""

    template: Template
    """Of the whole."""
    blocks: Mapping[str, FileBlocks]
    """By path: which blocks of each file are chunks of the whole, and where."""
    data: Mapping[str, bytes]
    """By path: the chunk of coordinates of the whole."""
    shift: float
    """The largest distance of a tile's corner from the common grid, in pixels."""
    dropped: Mapping[str, str]
    """By path: overviews that are left out, and why."""
    covered: int
    """Files of which nothing is shown, as others lie upon them."""
    holes: bool
    """Whether files do not fill the whole, as far as their sizes tell."""


def merge(
    catalogue: Catalogue,
    files: Files,
    axes: Sequence[str],
    rules: GridRules = DEFAULT_RULES,
    positions: Integers | None = None,
) -> Merged:
    """Put files together along dimensions that they have.

    The order of the files is that along a dimension without coordinates. `axes` are `x`, `y`,
    `band`, or several of them; none if files lie along new dimensions alone. `positions` has a
    number for the position of each file along all new dimensions: only files of one position
    overlap. Files that have other codecs or chunks, or another grid, or that overlap are a
    PublishError.
    """
    numbers = list(catalogue.counts(files))
    templates = {n: catalogue.template(n) for n in numbers}
    if not set(axes) & set(_PLANE):  # places that differ by rounding alone are the same
        usual = templates[numbers[0]]
        others = [templates[n] for n in numbers[1:]]
        same = at_one_place(usual, others, rules.snap)
        templates |= {n: usual for n, at_it in zip(numbers[1:], same, strict=True) if at_it}
    plain = {n: _plain(template, axes, rules) for n, template in templates.items()}
    dropped = {}
    if not _alike(plain):
        different = paths_that_differ(list(plain.values()))
        of_files = templates.values()
        if different and all(overviews_of(t) >= different & {*t.arrays} for t in of_files):
            dropped = dict.fromkeys(sorted(different), _DIFFERENT)
            templates = {n: without(template, dropped) for n, template in templates.items()}
            plain = {n: without(template, dropped) for n, template in plain.items()}
        if not (dropped and _alike(plain)):
            texts = {n: canonical(_comparable(template)) for n, template in plain.items()}
            of = catalogue.names(files)
            common = texts[catalogue.usual(files, texts)]
            usual = next(plain[n] for n in plain if texts[n] == common)
            misfits = catalogue.misfits(files, [n for n in plain if texts[n] != common], usual)
            kinds = kinds_of(texts, of, catalogue.counts(files))
            refuse(differences(plain, of), kinds=kinds, misfits=misfits)
    names = [catalogue.spool.name(n) for n in files.numbers.tolist()]
    rows = [templates[n] for n in files.templates.tolist()]
    lie = Lie(rows, axes, names, rules, positions, catalogue.declared(files))
    grids = {}
    overviews = overviews_of(rows[0])
    for path in rows[0].arrays:
        try:
            grids[path] = _Grid(path, lie)
        except PublishError as error:
            if path not in overviews:
                if isinstance(error, OverlapError) and lie.declared is not None:
                    raise PublishError(lie.declared.overlap(error)) from error
                raise
            dropped[path] = str(error)
    if len(grids) < len(rows[0].arrays):
        templates = {n: without(template, dropped) for n, template in templates.items()}
        rows = [templates[n] for n in files.templates.tolist()]
        grids = {path: grids[path] for path in rows[0].arrays}
    first = rows[0]
    _check_all_or_none_placed(first, grids, axes)
    shown = np.unique(np.concatenate([grid.plan.blocks.files for grid in grids.values()]))
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
        blocks={path: grid.plan.blocks for path, grid in grids.items()},
        data=data,
        shift=max((grid.shift for grid in grids.values()), default=0.0),
        dropped=dropped,
        covered=len(rows) - len(shown),
        holes=any(grid.holes for grid in grids.values()),
    )


_DIFFERENT = "it is not the same in all files"


# -------------------------------------------------------------------------- comparison


def signature(template: Template, axes: Sequence[str]) -> str:
    """Return what is equal for files that may be parts of one image, wherever they lie."""
    return canonical(_comparable(_plain(template, axes, DEFAULT_RULES)))


def on_one_grid(one: Template, other: Template, axes: Sequence[str], snap: float) -> bool:
    """Whether files of one signature can be placed side by side along the axes."""
    pairs = ((tile_of(one, path), tile_of(other, path)) for path in one.arrays)
    return all(fit(first, second, axes, snap) for first, second in pairs if first and second)


def at_one_place(usual: Template, others: Iterable[Template], snap: float = SNAP) -> Iterator[bool]:
    """Yield for each of others whether it differs in nothing but rounding of the same place."""
    expected = signature(usual, _PLANE)
    shapes = [(path, metadata["shape"]) for path, metadata in usual.arrays.items()]
    tiles = [tile_of(usual, path) for path in usual.arrays]
    for other in others:
        yield (
            shapes == [(path, metadata["shape"]) for path, metadata in other.arrays.items()]
            and signature(other, _PLANE) == expected
            and all(
                tile is not None and at is not None and fit(tile, at, (), snap)
                for tile, at in zip(
                    tiles, (tile_of(other, path) for path in other.arrays), strict=True
                )
            )
        )


def _alike(plain: Mapping[int, Template]) -> bool:
    return len({canonical(_comparable(template)) for template in plain.values()}) == 1


def _comparable(template: Template) -> Any:  # noqa: ANN401 (JSON)
    inline = {
        path: [coordinate.metadata, coordinate.digest]
        for path, coordinate in template.inline.items()
    }
    return [template.groups, template.arrays, inline]


def _plain(template: Template, axes: Sequence[str], rules: GridRules) -> Template:
    """Return a template without what lies along the axes and, of tiles, without their place."""
    tiles = bool(set(axes) & set(_PLANE))
    arrays = {}
    for path, metadata in template.arrays.items():
        along = template.axes[path]
        plain = _without_extent(metadata, along, axes, tiles=tiles)
        if rules.grid == "rectilinear":  # blocks of several lengths are chunks of it
            blocks = plain["chunk_grid"]["configuration"]["chunk_shape"]
            shape = [
                0 if axis in axes else length for axis, length in zip(along, blocks, strict=True)
            ]
            plain["chunk_grid"] = {"name": "", "configuration": {"chunk_shape": shape}}
            plain["codecs"] = [c for c in plain["codecs"] if c["name"] != _PAD or "y" not in axes]
        arrays[path] = plain
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
        path: _without_place(attributes, axes) if tiles else attributes
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
        "attributes": _without_place(attributes, axes) if tiles else attributes,
    }


_PAD = "virtual_tiff.pad"
_PLACE = ("spatial:transform", "spatial:bbox", "spatial:shape", "GeoTransform")


def _without_place(attributes: JSON, axes: Sequence[str]) -> JSON:
    """Leave out where a tile lies, but for the rotation of its pixels, and their size.

    Along a single axis pixels may have several sizes.
    """
    placeless = {name: value for name, value in attributes.items() if name not in _PLACE}
    if transform := attributes.get("spatial:transform"):
        size = linear_part(Affine(*transform))
        along = [axis for axis in axes if axis in _PLANE]
        if len(along) == 1 and size[1] == size[2] == 0:
            size[0 if along == ["x"] else 3] = 0.0
        placeless["resolution"] = size
    if "layout" in attributes.get("multiscales", {}):
        levels = [_without_place(level, axes) for level in attributes["multiscales"]["layout"]]
        placeless["multiscales"] = attributes["multiscales"] | {"layout": levels}
    return placeless


def _is_position(path: str, inline: Inline, along: Sequence[str]) -> bool:
    """Whether a coordinate says where the rows, or the columns, lie."""
    names = inline.metadata["dimension_names"]
    return names == [posixpath.basename(path)] and along[0] in _PLANE


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


@dataclass(frozen=True, slots=True)
class Lie:
    """What decides where the arrays of all files lie."""

    rows: Sequence[Template]
    """Of each file."""
    axes: Sequence[str]
    names: Sequence[str]
    rules: GridRules
    positions: Integers | None
    declared: DeclaredPlaces | None
    """The places that a document gives them."""


class _Grid:
    """The places of the files in one array of the whole, in pixels and in chunks."""

    def __init__(self, path: str, lie: Lie) -> None:
        rows, axes = lie.rows, lie.axes
        self.path = path
        self._lie = lie
        self._first = rows[0].arrays[path]
        self.axes = rows[0].axes[path]
        self.dimensions = [str(name) for name in self._first["dimension_names"]]
        self._sizes = np.array([row.arrays[path]["shape"] for row in rows], dtype=np.int64)
        self.starts = np.zeros_like(self._sizes)
        self._least = np.zeros(len(self.axes), dtype=np.int64)
        """Of the shape, as a document declares it."""
        self.affine: Affine | None = None
        """Of the whole; None if no transform has placed the files."""
        self._uneven = False
        """Whether pixels have several sizes along the axis: then coordinates alone place them."""
        self.shift = 0.0
        self._along = [n for n, axis in enumerate(self.axes) if axis in axes]
        if set(axes) & set(_PLANE):
            self._place_tiles()
        for dimension in self._along:
            in_plane = self.axes[dimension] in _PLANE
            placed = self._uneven or lie.declared is not None or self.affine is not None
            if not in_plane or not placed:
                self._place_in_order(dimension, alone=len(axes) == 1)
        self.plan = self._planned()
        self.shape = self.plan.shape

    def _place_tiles(self) -> None:
        rows, names = self._lie.rows, self._lie.names
        tiles = [tile_of(row, self.path, name) for row, name in zip(rows, names, strict=True)]
        if self._lie.declared is not None:
            paths = (next(iter(rows[0].arrays)), self.path)
            full, sizes = (
                np.array([plane_size(row.arrays[path], row.axes[path]) for row in rows])
                for path in paths
            )
            plane = [self.axes.index(axis) for axis in _PLANE]
            self.affine, self.starts[:, plane], self.shift = self._lie.declared.tile_grid(
                self.path, names, tiles, full, sizes, self._lie.rules.snap
            )
            self._least[plane] = self._lie.declared.shape(full, sizes)
            return
        placed = [tile for tile in tiles if tile is not None]
        if not placed:
            return
        # all have a transform, or their templates would differ
        along = [axis for axis in self._lie.axes if axis in _PLANE]
        if len(along) == 1 and uneven(placed, along[0]):
            number = self.axes.index(along[0])
            self.starts[:, number] = places_along(self.path, placed, along[0], self._lie.rules.snap)
            self._uneven = True
            return
        grid = tile_grid(self.path, placed, self._lie.axes, self._lie.rules.snap)
        self.affine, self.shift = grid.affine, grid.shift
        self.starts[:, [self.axes.index(axis) for axis in _PLANE]] = grid.starts

    def _place_in_order(self, dimension: int, *, alone: bool) -> None:
        if not alone or self._lie.positions is not None:
            axis = self.axes[dimension]
            msg = f"array {self.path}: nothing says where the files lie along {axis}"
            raise PublishError(msg)
        sizes = self._sizes[:, dimension]
        self.starts[:, dimension] = np.cumsum(sizes) - sizes

    def _planned(self) -> GridPlan:
        """Return the chunks; a regular grid, unless another one was asked for."""
        lie = self._lie
        blocks = [
            row.arrays[self.path]["chunk_grid"]["configuration"]["chunk_shape"] for row in lie.rows
        ]
        tiles = Tiles(
            path=self.path,
            starts=self.starts,
            sizes=self._sizes,
            blocks=np.array(blocks, dtype=np.int64),
            names=lie.names,
            axes=self.dimensions,
            positions=lie.positions,
            least=self._least,
        )
        plan = partial(plan_grid, tiles, self._along, overlap=lie.rules.overlap)
        if lie.rules.grid != "rectilinear":
            try:
                return plan(rectilinear=False)
            except NotRegularError as error:
                raise PublishError(_not_regular(str(error), lie.rules, plan)) from None
        # A last strip is as short as its chunk can be, so that readers need no codec for it. Where
        # blocks are cropped they need one, and then `pad` fills up the strips too.
        short = [axis == "y" and bool(self._pads) for axis in self.axes]
        try:
            planned = plan(short=short)
        except PublishError:
            if len(self._pads) != 1:
                raise
            return plan()
        return plan() if planned.cropped and len(self._pads) == 1 else planned

    @property
    def _pads(self) -> list[JSON]:
        """The codecs that fill up short last strips, as the files have them."""
        pads = {
            canonical(codec): codec
            for row in {id(row): row for row in self._lie.rows}.values()
            for codec in row.arrays[self.path]["codecs"]
            if codec["name"] == _PAD
        }
        return list(pads.values())

    @property
    def holes(self) -> bool:
        """Whether the files have another number of pixels than the whole."""
        positions = self._lie.positions
        images = 1 if positions is None else len(np.unique(positions))
        return int(self._sizes.prod(axis=1).sum()) != images * int(np.prod(self.shape))

    def metadata(self) -> JSON:
        """Return the whole array's."""
        metadata = self._first | {
            "shape": list(self.shape),
            "attributes": self.placed(self._first["attributes"]),
        }
        if self._lie.rules.grid != "rectilinear":
            return metadata
        codecs = metadata["codecs"]
        if self.plan.cropped:
            codecs = [_crop(self.plan), *codecs]
        rows = self.plan.chunks[self.axes.index("y")]
        if rows.lengths is not None and not (self.plan.cropped and len(self._pads) == 1):
            codecs = [codec for codec in codecs if codec["name"] != _PAD]
        # Icechunk takes no single number for an axis with chunks of one length
        shapes = [
            run_lengths(np.full(-(-size // axis.block), axis.block))
            if axis.lengths is None
            else run_lengths(axis.lengths)
            for size, axis in zip(self.shape, self.plan.chunks, strict=True)
        ]
        configuration = {"kind": "inline", "chunk_shapes": shapes}
        return metadata | {
            "chunk_grid": {"name": "rectilinear", "configuration": configuration},
            "codecs": codecs,
        }

    def placed(self, attributes: JSON) -> JSON:
        """Return attributes of a file with the place of the whole."""
        if self._uneven:
            return without_transform(attributes)
        if self.affine is None:
            return attributes
        length, width = (int(self.shape[self.axes.index(axis)]) for axis in _PLANE)
        whole = {
            "spatial:transform": self.affine.coefficients,
            "spatial:shape": [length, width],
            "spatial:bbox": self.affine.bounds(length, width),
            "GeoTransform": geo_transform(self.affine),
        }
        return {name: whole.get(name, value) for name, value in attributes.items()}


def _not_regular(problem: str, rules: GridRules, plan: Callable[[], GridPlan]) -> str:
    """Return the error about files that form no regular grid, and what can be done."""
    if rules.grid == "regular":
        return f"{problem}: a regular chunk grid cannot have it. Publish a group for each file"
    try:
        rectilinear = plan()
    except PublishError as error:
        return f"{problem}, and chunks of several lengths do not help: {error}"
    needed = "zarr.config.set({'array.rectilinear_chunks': True})"
    codec = " and this package, for its codec virtual_tiff.crop" if rectilinear.cropped else ""
    return (
        f"{problem}: a regular chunk grid cannot have it. grid='rectilinear'"
        f" writes chunks of several lengths; readers need {needed}{codec}"
    )


def _crop(plan: GridPlan) -> JSON:
    """Return the codec that takes chunks out of blocks."""
    parts = [{str(n): list(part) for n, part in axis.parts.items()} for axis in plan.chunks]
    configuration: JSON = {"block_shape": [axis.block for axis in plan.chunks]}
    return {"name": "virtual_tiff.crop", "configuration": configuration | {"parts": parts}}


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
    """Return the centres of the rows or columns of the whole."""
    most = Limits().coordinates
    if size > most:
        msg = (
            f"coordinate {path}: the tiles lie so far apart that the whole has {size:,} values"
            f" along {axis}; the limit is {most:,}. Publish with coordinates=False"
        )
        raise PublishError(msg)
    first, step = (affine.c, affine.a) if axis == "x" else (affine.f, affine.e)
    return pixel_centres(first, step, size).tobytes()


def _joined(
    catalogue: Catalogue, path: str, rows: Sequence[Template], grid: _Grid, dimension: int
) -> bytes:
    """Put the values of files one after another."""
    data_type = rows[0].inline[path].metadata["data_type"]
    texts = VLenUTF8() if data_type == "string" else None
    dtype = np.dtype(object if texts else data_type).newbyteorder("<")
    whole: NDArray[Any] = np.full(int(grid.shape[dimension]), "" if texts else 0, dtype)
    for start, row in zip(grid.starts[:, dimension].tolist(), rows, strict=True):
        data = catalogue.spool.data(row.inline[path].digest)
        values = texts.decode(data) if texts else np.frombuffer(data, dtype)
        whole[start : start + len(values)] = values
    return bytes(texts.encode(whole)) if texts else whole.tobytes()


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
    grid = next(
        grid
        for grid in grids.values()
        if posixpath.dirname(grid.path) == folder
        and template.arrays[grid.path]["attributes"].get("grid_mapping") == name
    )
    return replace(first, metadata=first.metadata | {"attributes": grid.placed(attributes)})
