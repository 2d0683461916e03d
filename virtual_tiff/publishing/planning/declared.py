"""What a document declares of the whole image: compared with its files, and carried out.

A VRT, a table of tiles or a tile index says where files lie, and may say more: the size of the
whole, its transform and CRS, nodata, scale, names and colours. `DeclaredPlaces.tile_grid` gives the
first pixel of each file; `declare` takes what the document says of the whole into the metadata that
the files gave.

Where document and files contradict each other, GDAL believes the document, and so does this module
as far as metadata go: place, scale, offset, unit, names and colours of the whole are those of the
document. What a reference cannot change is refused by its name: the data type, the number of bands,
the palette, the CRS. A document that is silent about something leaves what the files say.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.arrays.conventions import place_attributes
from virtual_tiff.arrays.coordinates import axis_array, band_array, has_axes, spatial_ref_array
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.metadata.bands import Bands
from virtual_tiff.metadata.crs import Crs, crs_of_text, same_crs
from virtual_tiff.metadata.crs.registry import registry
from virtual_tiff.metadata.image_attributes import (
    attribute_name,
    coordinates_of,
    shared_attributes,
)
from virtual_tiff.metadata.nodata import number_of
from virtual_tiff.metadata.place import Place
from virtual_tiff.metadata.transform import Affine
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import Column, Integers, joined
from virtual_tiff.publishing.planning.tile_grid import Tile, plane_size, tile_grid
from virtual_tiff.sources.declared_grid import DeclaredBand, DeclaredGrid
from virtual_tiff.tiff import redacted

__all__ = ["DeclaredPlaces", "declare", "declared_nodata", "with_names"]

_PLANE = ("y", "x")
_TOLERANCE = 0.01
"""Pixels by which an overview may miss the pixels of its whole."""
_MOST_ROWS = 10_000_000
"""Rows, or columns, of tiles."""


def _refuse(grid: DeclaredGrid, what: str) -> NoReturn:
    msg = f"{redacted(grid.name)}: {what}"
    raise PublishError(msg)


# ------------------------------------------------------------------------------- places


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPlaces:
    """The places of some files in a declared grid."""

    grid: DeclaredGrid
    places: Integers
    """Row, column, length and width of each, as `TilePlace` has them; shape (files, 4)."""

    def overlap(self, error: PublishError) -> str:
        """Return the error about files that overlap, with what GDAL would do."""
        if not self.grid.kind.startswith("GDAL"):
            return str(error)
        return (
            f"{redacted(self.grid.name)}: {error}. GDAL shows the earlier file where the later one"
            " is nodata; references show a file whole"
        )

    def shape(self, full: Integers, sizes: Integers) -> tuple[int, int]:
        """Return rows and columns of the whole, or of its overview; 0 if none are declared."""
        if self.grid.size is None:
            return 0, 0
        length, width = np.ceil(self.grid.size * sizes[0] / full[0] - _TOLERANCE).astype(int)
        return int(length), int(width)

    def tile_grid(
        self,
        path: str,
        names: Sequence[str],
        tiles: Sequence[Tile | None],
        full: Integers,
        sizes: Integers,
        snap: float,
    ) -> tuple[Affine | None, Integers, float]:
        """Place the files in one array of the whole.

        Parameters
        ----------
        path
            Of the array, for messages.
        names
            Of the files.
        tiles
            The places that the files' own transforms give; None where a file has none.
        full, sizes
            Rows and columns of each file at full resolution, and of this array, which has fewer
            if it is an overview. Shape (files, 2).
        snap
            Pixels by which the transform of a file may be off.

        Returns
        -------
        tuple
            The transform of the whole, if document or files have one; row and column of each
            file's first pixel; the largest shift in pixels.

        Raises
        ------
        PublishError
            If a file is of another size than the document says, or is not on whole pixels, or if
            its own transform contradicts a document that has none.
        """
        grid = self.grid
        whole = _affine(grid, full[0] / sizes[0])
        placed = [tile for tile in tiles if tile is not None]
        if grid.unit == "transforms":
            return self._by_transforms(path, names, tiles, whole, snap)
        starts = self._starts(path, names, full, sizes)
        if whole is not None or len(placed) < len(tiles):
            return whole, starts, 0.0
        by_transform = tile_grid(path, placed, _PLANE, snap)
        off = (by_transform.starts - by_transform.starts[0]) - (starts - starts[0])
        if off.any():
            at = int(np.argmax(off.any(axis=1)))
            there, here = by_transform.starts[at] - by_transform.starts[0], starts[at] - starts[0]
            _refuse(
                grid,
                f"{names[at]} is placed {here[0]:,} rows and {here[1]:,} columns from {names[0]},"
                f" but by the transforms of the files it lies {there[0]:,} rows and"
                f" {there[1]:,} columns from it. Correct one of them",
            )
        row, column = (by_transform.starts[0] - starts[0]).tolist()
        return by_transform.affine.shifted(column, row), starts, by_transform.shift

    def _by_transforms(
        self,
        path: str,
        names: Sequence[str],
        tiles: Sequence[Tile | None],
        whole: Affine | None,
        snap: float,
    ) -> tuple[Affine, Integers, float]:
        placed = [tile for tile in tiles if tile is not None]
        if len(placed) < len(tiles):
            name = names[[tile is None for tile in tiles].index(True)]
            _refuse(self.grid, f"{name} has no transform, and nothing else says where it lies")
        if whole is None:
            by_transform = tile_grid(path, placed, _PLANE, snap)
            return by_transform.affine, by_transform.starts, by_transform.shift
        length, width = self.grid.size or (1, 1)
        corner = Tile(name=redacted(self.grid.name), affine=whole, length=length, width=width)
        by_transform = tile_grid(path, [corner, *placed], _PLANE, snap)
        starts = by_transform.starts[1:] - by_transform.starts[0]
        return whole, starts, by_transform.shift

    def _starts(self, path: str, names: Sequence[str], full: Integers, sizes: Integers) -> Integers:
        """Return row and column of each file's first pixel, by the document alone."""
        places, stated = self.places[:, :2], self.places[:, 2:]
        wrong = ((stated != 0) & (stated != full)).any(axis=1)
        if wrong.any():
            at = int(np.argmax(wrong))
            (length, width), (rows, columns) = stated[at].tolist(), full[at].tolist()
            _refuse(
                self.grid,
                f"it takes {width:,}x{length:,} pixels of {names[at]}, which has"
                f" {columns:,}x{rows:,}; a part of a file cannot be shown",
            )
        if self.grid.unit == "tiles":
            return np.stack([self._summed(axis, names, sizes) for axis in (0, 1)], axis=1)
        if self.grid.size is None:  # a table has no origin but its first tile
            places = places - places.min(axis=0)
        starts = places * sizes / full
        rounded: Integers = np.rint(starts).astype(np.int64)
        off = np.abs(starts - rounded).max(axis=1) > _TOLERANCE
        if off.any():
            row, column = starts[int(np.argmax(off))].tolist()
            _refuse(
                self.grid,
                f"{names[int(np.argmax(off))]}: array {path} would begin at row {row:.10g} and"
                f" column {column:.10g}, between pixels",
            )
        return rounded

    def _summed(self, axis: int, names: Sequence[str], sizes: Integers) -> NDArray[np.int64]:
        """Return the first row (column) of each file, of numbers of rows (columns) of tiles."""
        numbers = self.places[:, axis] - self.places[:, axis].min()
        what = ("row", "column")[axis]
        if numbers.max() > _MOST_ROWS:
            at = int(np.argmax(numbers))
            _refuse(self.grid, f"{names[at]}: {what} {self.places[at, axis]:,} is too far away")
        longest = np.zeros(int(numbers.max()) + 1, dtype=np.int64)
        np.maximum.at(longest, numbers, sizes[:, axis])
        if not longest.all():  # nobody is there who could say how long it is
            others = np.unique(longest[:-1][longest[:-1] > 0])
            if len(others) > 1:
                gap = int(np.argmin(longest)) + int(self.places[:, axis].min())
                _refuse(
                    self.grid,
                    f"no file is in {what} {gap}, and the others are of several lengths, so that"
                    " nothing says how long it is. Give pixels instead (yoff, xoff)",
                )
            longest[longest == 0] = others[0]
        ends = np.cumsum(longest)
        short = (sizes[:, axis] < longest[numbers]) & (numbers < numbers.max())
        if short.any():
            at = int(np.argmax(short))
            _refuse(
                self.grid,
                f"{names[at]} is shorter than other files of {what} {self.places[at, axis]}, so"
                " that it does not reach the next one. Give pixels instead (yoff, xoff)",
            )
        begins: NDArray[np.int64] = (ends - longest)[numbers]
        return begins


# ------------------------------------------------------------------------------ meaning


def declare(
    grid: DeclaredGrid,
    arrays: dict[str, JSON],
    inline: dict[str, tuple[JSON, bytes]],
    axes: Mapping[str, Sequence[str]],
    *,
    holes: bool,
) -> None:
    """Take what a document says of the whole into the metadata of its arrays, which are changed.

    `arrays` and `inline` are by path, as in `Part`, and so are the axes of the files' arrays.
    `holes` says whether pixels of the whole have no file. What references cannot change is a
    PublishError.
    """
    first = next(iter(arrays))
    reference = inline.get(_reference(first, arrays[first]))
    crs = _crs(grid, arrays[first]["attributes"], {} if reference is None else reference[0])
    full = plane_size(arrays[first], axes[first])
    _check_pixels(grid, arrays[first], axes[first], holes=holes)
    for path, metadata in arrays.items():
        attributes = dict(metadata["attributes"])
        attributes |= {attribute_name(name, text): text for name, text in grid.items}
        if grid.bands and _same_pixels(metadata, arrays[first]):
            _declare_bands(grid, path, metadata, attributes, inline, axes[path])
        if grid.transform is not None:
            # tags of one tile, which may contradict the document
            steps = [abs(grid.transform[1]), abs(grid.transform[5])]
            if attributes.get("model_pixel_scale", steps)[:2] != steps:
                attributes.pop("model_pixel_scale")
            for name in ("model_tiepoint", "model_transformation"):
                attributes.pop(name, None)
        arrays[path] = metadata | {"attributes": attributes}
        length, width = plane_size(metadata, axes[path])
        affine = _affine(grid, (full[0] / length, full[1] / width))
        if "spatial:transform" in attributes:
            affine = Affine(*attributes["spatial:transform"])
        place = Place(length=length, width=width, affine=affine, crs=crs)
        if affine is not None and ("spatial:transform" not in attributes or crs is not None):
            _declare_place(path, place, arrays, inline, axes[path])


def _same_pixels(metadata: JSON, first: JSON) -> bool:
    """Whether an array is the image itself or one of its overviews, and no mask."""
    names = ("data_type", "photometric_interpretation")
    one, other = ({**each, **each["attributes"]} for each in (metadata, first))
    return all(one.get(name) == other.get(name) for name in names)


def _affine(grid: DeclaredGrid, ratio: Sequence[float]) -> Affine | None:
    """Return the transform of the whole or, by what its pixels are larger, of its overview."""
    if grid.transform is None:
        return None
    c, a, b, f, d, e = grid.transform
    return Affine(a, b, c, d, e, f).scaled(float(ratio[1]), float(ratio[0]))


def _reference(path: str, metadata: JSON) -> str:
    """Return the path of the scalar that has CRS and transform."""
    name = metadata["attributes"].get("grid_mapping", "spatial_ref")
    return joined(posixpath.dirname(path), str(name))


def _check_pixels(grid: DeclaredGrid, metadata: JSON, axes: Sequence[str], *, holes: bool) -> None:
    """Refuse what would change numbers of pixels."""
    if not grid.bands:
        return
    count = metadata["shape"][-len(axes) :][axes.index("band")] if "band" in axes else 1
    expected = 1 if "band" in grid.axes else len(grid.bands)
    if count != expected:
        _refuse(
            grid,
            f"it takes {expected} of the {count} bands of its files, and chunks have all of them."
            " Select bands in the cube (isel), or give the VRT all bands in their order",
        )
    attributes = metadata["attributes"]
    for band in grid.bands:
        if band.data_type not in (None, metadata["data_type"]):
            _refuse(
                grid,
                f"its data type is {band.data_type}, and that of its files"
                f" {metadata['data_type']}; references cannot change it",
            )
        if band.colours is not None and not _same_colours(band, attributes.get("color_map")):
            _refuse(grid, "its colour table is not that of its files")
    nodata = {band.nodata for band in grid.bands}
    if len(nodata) > 1:
        _refuse(grid, "its bands have several nodata values; an array has one")
    if nodata == {None} and holes and metadata["fill_value"] not in (0, [0, 0]):
        _refuse(
            grid,
            "it has no nodata value, so that pixels without a file are 0, and its files have"
            f" {metadata['fill_value']}. Add NoDataValue to it, or give nodata (--nodata)",
        )


def declared_nodata(grid: DeclaredGrid) -> float | None:
    """Return the nodata value that a document declares for all bands; None if it has none."""
    texts = {band.nodata for band in grid.bands}
    data_type = grid.bands[0].data_type if grid.bands else None
    text = texts.pop() if len(texts) == 1 else None
    number = None if text is None else number_of(text)
    if text is None or number is None or (data_type or "").startswith("complex"):
        return None
    if re.fullmatch(r"[+-]?[0-9]+", text.strip()):
        return int(text)  # 64 bits are more than a float has
    return number if data_type is None else float(np.dtype(data_type).type(number))


def _same_colours(band: DeclaredBand, palette: Sequence[Sequence[int]] | None) -> bool:
    """Whether a palette of 16 bits is the document's, whose colours have 8 bits."""
    colours = band.colours or ()
    return palette is not None and all(
        abs(one - other // 256) <= 1
        for entry, stored in zip(colours, palette, strict=False)
        for one, other in zip(entry[:3], stored, strict=False)
    )


# ---- bands

_FIELDS = {
    ("scale", "offset"): (
        ("scale_factor", "add_offset", "scales", "offsets"),
        ("scale_factor", "add_offset"),
    ),
    ("unit",): (("units", "band_units", "unit_type"), ("units",)),
    ("description",): (("long_name",), ("band",)),
    ("colour",): (("colorinterp",), ("colorinterp",)),
}
"""By statements of a document about bands: the attributes and coordinates that they become."""


def _declare_bands(
    grid: DeclaredGrid,
    path: str,
    metadata: JSON,
    attributes: JSON,
    inline: dict[str, tuple[JSON, bytes]],
    axes: Sequence[str],
) -> None:
    """Replace what the files say of their bands by what the document says of them."""
    meaning = _meaning(grid)
    dimension = _band_dimension(grid, metadata, axes)
    new_attributes = shared_attributes(meaning, metadata["data_type"])
    new_coordinates = coordinates_of(meaning, metadata["data_type"]) if dimension else {}
    for fields, (of_array, of_bands) in _FIELDS.items():
        values = {getattr(band, field) for band in grid.bands for field in fields}
        if values <= {None, "undefined"}:
            continue
        for name in of_array:
            attributes.pop(name, None)
            attributes |= {name: new_attributes[name]} if name in new_attributes else {}
        for name in of_bands if dimension else ():
            if name == "band" and "band" in grid.axes:
                continue  # it is the coordinate of a new dimension; see `with_names`
            node = joined(posixpath.dirname(path), str(dimension) if name == "band" else name)
            names = [each for each in attributes.get("coordinates", "").split() if each != name]
            if name in new_coordinates:
                array = band_array(new_coordinates[name], str(dimension))
                inline[node] = (array.metadata, array.data)
                names += [name] if name != "band" else []
            else:
                inline.pop(node, None)
            if names:
                attributes["coordinates"] = " ".join(names)
            else:
                attributes.pop("coordinates", None)


def _meaning(grid: DeclaredGrid) -> Bands:
    bands = grid.bands
    return Bands(
        numbers=tuple(range(len(bands))),
        scales=[1.0 if band.scale is None else band.scale for band in bands],
        offsets=[band.offset or 0.0 for band in bands],
        columns={
            "units": [band.unit or "" for band in bands],
            "long_name": [band.description or "" for band in bands],
            "colorinterp": [band.colour or "" for band in bands],
        },
        items={},
    )


def _band_dimension(grid: DeclaredGrid, metadata: JSON, axes: Sequence[str]) -> str | None:
    """Return the dimension of the bands, which is new where each file is one band."""
    names = metadata["dimension_names"]
    if "band" in axes:
        return str(names[-len(axes) :][axes.index("band")])
    return "band" if "band" in grid.axes and "band" in names else None


def with_names(grid: DeclaredGrid, column: Column) -> Column:
    """Return the coordinate of a new dimension of bands with the names that a document has."""
    names = _meaning(grid).names
    numbers = list(range(1, len(grid.bands) + 1))
    if names is None or posixpath.basename(column.path) != "band" or list(column.values) != numbers:
        return column
    return replace(column, data_type="string", values=names)


# ---- place and CRS


def _declare_place(
    path: str,
    place: Place,
    arrays: dict[str, JSON],
    inline: dict[str, tuple[JSON, bytes]],
    axes: Sequence[str],
) -> None:
    """Say where an array lies whose files do not."""
    metadata, folder = arrays[path], posixpath.dirname(path)
    names = metadata["dimension_names"][-len(axes) :]
    row, column = names[axes.index("y")], names[axes.index("x")]
    attributes = metadata["attributes"]
    new = place_attributes(place, (row, column))
    conventions = [*attributes.get("zarr_conventions", ())]
    conventions += [each for each in new["zarr_conventions"] if each not in conventions]
    reference = attributes.get("grid_mapping", f"spatial_ref{row.removeprefix('y')}")
    others = [name for name in attributes.get("coordinates", "").split() if name != reference]
    arrays[path] = metadata | {
        "attributes": attributes
        | new
        | {
            "zarr_conventions": conventions,
            "grid_mapping": reference,
            "coordinates": " ".join([reference, *others]),
        }
    }
    made = {reference: spatial_ref_array(place)}
    if has_axes(place):
        made |= {row: axis_array(place, "y", row), column: axis_array(place, "x", column)}
    for name, array in made.items():
        old = inline.get(joined(folder, name), (array.metadata, array.data))[0]
        merged = {**old["attributes"], **array.metadata["attributes"]}
        inline[joined(folder, name)] = (array.metadata | {"attributes": merged}, array.data)


def _crs(grid: DeclaredGrid, attributes: JSON, reference: JSON) -> Crs | None:
    """Return the CRS that a document gives to files without one; None if they have the same.

    If the files have another one, it is a PublishError.
    """
    if grid.crs is None:
        return None
    of_reference: Mapping[str, Any] = reference.get("attributes", {})
    text = attributes.get("proj:code") or of_reference.get("crs_wkt")
    declared = crs_of_text(grid.crs)
    of_files = None if text is None else crs_of_text(text)
    if declared is None or (text is not None and of_files is None):
        if registry().complete:
            _refuse(grid, f"its CRS {_shown(grid.crs)} cannot be read")
        needed = 'pyproj is needed: pip install "virtual-tiff[geo]"'
        _refuse(grid, f"to compare its CRS {_shown(grid.crs)} with that of its files, {needed}")
    if of_files is not None and not same_crs(declared, of_files):
        _refuse(
            grid,
            f"its CRS is {_shown(grid.crs)}, and that of its files {_shown(str(text))}; references"
            " cannot change it",
        )
    return declared if of_files is None else None


def _shown(crs: str) -> str:
    """Return a CRS in a few words: its code or its name."""
    name = re.match(r'\w+\["([^"]*)"', crs)
    return name[1] if name else crs[:60]
