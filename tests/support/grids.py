"""Grids of small GeoTIFF tiles, what GDAL makes of them, and whether chunks can say it.

The truth is a VRT of the same files, written here and read by GDAL: a source a file, in the
files' order, so that a later file covers an earlier one. It places pixels on pixels, so that it
serves rotated grids too. `said` decides, pixel by pixel and without the package, whether a Zarr
array can be that image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from support.archives import Recipe

__all__ = ["Overlap", "Placed", "Plane", "Said", "plane_of", "said", "tiles", "vrt_pixels"]

type Overlap = Literal["error", "first", "last"]

_GDAL_TYPES = {
    "uint8": "Byte",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}


def tiles(
    base: Recipe,
    *,
    count: tuple[int, int] = (2, 2),
    spacing: tuple[int, int] | None = None,
    without: Sequence[tuple[int, int]] = (),
) -> list[Recipe]:
    """Return the recipes of a grid of tiles, row by row.

    Parameters
    ----------
    base
        What all tiles are, their shape for instance.
    count
        Rows and columns of tiles.
    spacing
        Rows and columns of pixels from one tile's first pixel to the next one's; None is the
        shape of a tile.
    without
        Row and column of tiles that the grid does not have.
    """
    down, across = spacing or base.shape
    places = [(row, column) for row in range(count[0]) for column in range(count[1])]
    return [
        replace(
            base,
            name=f"{base.name or 'tile'}_r{row}_c{column}.tif",
            shift=(column * across, row * down),
            seed=base.seed * 1000 + n,
            mask=None if base.mask is None else base.mask * 1000 + n,
        )
        for n, (row, column) in enumerate(places)
        if (row, column) not in without
    ]


# ----------------------------------------------------------------------------- the truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The pixel grid that files share, as their transforms give it."""

    transform: Affine
    shape: tuple[int, int]
    starts: tuple[tuple[int, int], ...]
    """Row and column of each file's first pixel."""
    crs: Any

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Least x, least y, greatest x, greatest y of the corners."""
        length, width = self.shape
        corners = [self.transform @ at for at in ((0, 0), (width, 0), (0, length), (width, length))]
        x, y = zip(*corners, strict=True)
        return min(x), min(y), max(x), max(y)

    @property
    def x(self) -> NDArray[np.float64]:
        """Centres of the columns of a grid that is not rotated."""
        return np.array([(self.transform @ (n + 0.5, 0.5))[0] for n in range(self.shape[1])])

    @property
    def y(self) -> NDArray[np.float64]:
        """Centres of the rows of a grid that is not rotated."""
        return np.array([(self.transform @ (0.5, n + 0.5))[1] for n in range(self.shape[0])])


def plane_of(paths: Sequence[Path], *, level: int | None = None) -> Plane:
    """Return the least pixel grid that has all files, or all their overviews of one level."""
    options = {} if level is None else {"overview_level": level}
    transforms, shapes = [], []
    for path in paths:
        with rasterio.open(path, **options) as file:
            transforms.append(file.transform)
            shapes.append(file.shape)
            crs = file.crs
    first = transforms[0]
    places = np.array([(~first @ (t.c, t.f))[::-1] for t in transforms])
    starts = np.rint(places)
    assert np.abs(places - starts).max() < 0.01, "the files have no common pixel grid"
    corner = starts.min(axis=0)
    ends = (starts - corner + np.array(shapes)).max(axis=0)
    return Plane(
        transform=first @ Affine.translation(corner[1], corner[0]),
        shape=(int(ends[0]), int(ends[1])),
        starts=tuple((int(y), int(x)) for y, x in starts - corner),
        crs=crs,
    )


def vrt_pixels(
    paths: Sequence[Path],
    *,
    overlap: Overlap = "last",
    plane: Plane | None = None,
    level: int | None = None,
    mask: bool = False,
) -> NDArray[Any]:
    """Return what GDAL reads, (band, y, x), from a VRT of the files.

    Parameters
    ----------
    paths
        In their order.
    overlap
        `"last"`: the VRT has the files in their order. `"first"`: in the reverse order.
    plane
        The grid of the VRT; None is that of the files.
    level
        Of the overviews that the VRT has instead of the images.
    mask
        Whether to read the masks of the files instead, as a band of 0 and 255.
    """
    plane = plane or plane_of(paths, level=level)
    path = paths[0].with_suffix(".vrt")
    path.write_text(_vrt(paths, plane, overlap=overlap, level=level, mask=mask), encoding="utf-8")
    with rasterio.open(path) as whole:
        pixels: NDArray[Any] = whole.read()
    path.unlink()
    return pixels


def _vrt(
    paths: Sequence[Path], plane: Plane, *, overlap: Overlap, level: int | None, mask: bool
) -> str:
    options = {} if level is None else {"overview_level": level}
    ordered = list(zip(paths, plane.starts, strict=True))
    if overlap == "first":
        ordered.reverse()
    with rasterio.open(paths[0]) as file:
        bands, kind, nodata = file.count, file.dtypes[0], file.nodata
    if mask:
        bands, kind, nodata = 1, "uint8", None
    texts = []
    for band in range(1, bands + 1):
        sources = []
        for path, (row, column) in ordered:
            with rasterio.open(path, **options) as file:
                length, width = file.shape
            overview = (
                ""
                if level is None
                else f'<OpenOptions><OOI key="OVERVIEW_LEVEL">{level}</OOI></OpenOptions>'
            )
            sources.append(
                f'<SimpleSource><SourceFilename relativeToVRT="0">{escape(str(path))}'
                f"</SourceFilename>{overview}<SourceBand>{'mask,1' if mask else band}</SourceBand>"
                f'<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{length}"/>'
                f'<DstRect xOff="{column}" yOff="{row}" xSize="{width}" ySize="{length}"/>'
                "</SimpleSource>"
            )
        said = "" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>"
        texts.append(
            f'<VRTRasterBand dataType="{_GDAL_TYPES[kind]}" band="{band}">{said}'
            f"{''.join(sources)}</VRTRasterBand>"
        )
    length, width = plane.shape
    transform = ", ".join(map(repr, plane.transform.to_gdal()))
    srs = "" if plane.crs is None else f"<SRS>{escape(plane.crs.to_wkt())}</SRS>"
    return (
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{length}">{srs}'
        f"<GeoTransform>{transform}</GeoTransform>{''.join(texts)}</VRTDataset>"
    )


# ------------------------------------------------------------------- what can be said


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A file's pixels and blocks in the whole."""

    start: tuple[int, int]
    shape: tuple[int, int]
    block: tuple[int, int]
    """As it is encoded."""
    tiled: bool
    """Whether blocks at the end are encoded whole; the last strip has the rows that are left."""
    position: tuple[int, ...] = ()
    """Along the new dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Whether an array can be the image, and how."""

    overlap: bool
    """Whether two files have a pixel at the same position."""
    rectilinear: bool
    """Whether chunks whose edges all rows and columns share can say it."""
    regular: bool
    """Whether chunks of one size can."""
    cut: bool
    """Whether a block is in several chunks, as an edge of other files crosses it. Such grids are
    refused, as a rule; what is published must be right."""
    why: str = ""
    """Why there is no rectilinear grid."""


def said(files: Sequence[Placed], *, overlap: Overlap, pad: bool = True) -> Said:
    """Decide whether chunks with common edges can show the files, by looking at each pixel.

    There is an edge between two rows wherever a pixel and the one below it are of different blocks,
    in any column and at any position; between columns likewise. So what lies between edges is one
    rectangle of one block, or empty. It can be a chunk if its length along each axis tells what of
    its block it is: a codec does not know where in the array its chunk is.

    Parameters
    ----------
    files
        In their order.
    overlap
        As for `vrt_pixels`; `"error"` is decided as `"last"`, and by `Said.overlap`.
    pad
        Whether a codec may fill up last strips of one length.
    """
    size = [max(f.start[axis] + f.shape[axis] for f in files) for axis in (0, 1)]
    overlaps = False
    shown: dict[tuple[int, ...], NDArray[np.int64]] = {}
    """By position: for each pixel its file, and the row and column in that; -1 for none."""
    for n, file in enumerate(files):
        image = shown.setdefault(file.position, np.full((*size, 3), -1))
        (top, left), (rows, columns) = file.start, file.shape
        window = image[top : top + rows, left : left + columns]
        free = window[..., 0] < 0
        overlaps |= not free.all()
        seen = free if overlap == "first" else np.ones_like(free)
        pixels = np.moveaxis(np.indices(file.shape), 0, -1)
        window[seen] = np.concatenate([np.full((*file.shape, 1), n), pixels], axis=2)[seen]
    blocks = {position: _blocks(files, image) for position, image in shown.items()}
    edges = []
    for axis in (0, 1):
        changes = np.zeros(size[axis], bool)
        for each in blocks.values():
            differs = (np.diff(each, axis=axis, prepend=-2) != 0).any(axis=2)
            changes |= differs.any(axis=1 - axis)
        edges.append([*np.flatnonzero(changes).tolist(), size[axis]])
    chunks = [
        _Chunk(
            low=(top, left),
            high=(bottom, right),
            file=files[image[top, left, 0]],
            pixel=(int(image[top, left, 1]), int(image[top, left, 2])),
            of=tuple(blocks[position][top, left].tolist()),
        )
        for position, image in shown.items()
        for top, bottom in pairwise(edges[0])
        for left, right in pairwise(edges[1])
        if image[top, left, 0] >= 0
    ]
    why = _ambiguous(chunks, short=True)
    last_strips = {(f.block, f.shape[0] % f.block[0]) for f in files if not f.tiled}
    if why and pad and len({strip for strip in last_strips if strip[1]}) == 1:
        why = _ambiguous(chunks, short=False)
    return Said(
        overlap=overlaps,
        rectilinear=not why,
        regular=not why and _regular(chunks, size),
        cut=len({chunk.of for chunk in chunks}) < len(chunks),
        why=why,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """What lies between edges."""

    low: tuple[int, int]
    high: tuple[int, int]
    file: Placed
    pixel: tuple[int, int]
    """Row and column in the file of its first pixel."""
    of: tuple[int, ...]
    """The numbers of its file and block."""


def _blocks(files: Sequence[Placed], image: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the file of each pixel, and the row and column of its block there."""
    size = np.array([*(file.block for file in files), (1, 1)])[image[..., 0]]
    return np.concatenate([image[..., :1], image[..., 1:] // size], axis=2)


def _ambiguous(chunks: Sequence[_Chunk], *, short: bool) -> str:
    """Return which chunks of one length show different parts of their blocks; empty if none do."""
    for axis in (0, 1):
        parts: dict[int, tuple[int, int]] = {}
        for chunk in chunks:
            block, first = chunk.file.block[axis], chunk.pixel[axis]
            stored = block
            if short and not chunk.file.tiled:
                stored = min(block, chunk.file.shape[axis] - first // block * block)
            length, part = chunk.high[axis] - chunk.low[axis], (stored, first % block)
            if parts.setdefault(length, part) != part:
                return f"axis {axis}: chunks of {length} pixels show {part} and {parts[length]}"
    return ""


def _regular(chunks: Sequence[_Chunk], size: Sequence[int]) -> bool:
    block, *others = {chunk.file.block for chunk in chunks}
    return not others and all(
        chunk.low[axis] % block[axis] == chunk.pixel[axis] % block[axis] == 0
        and chunk.high[axis] in (chunk.low[axis] + block[axis], size[axis])
        for chunk in chunks
        for axis in (0, 1)
    )
