"""A directory to its array: the blocks, the chunks made of them, the metadata.

All that `VirtualTIFF` decides about an image, for those who make a store of it and for
those who only tell. Neither zarr nor VirtualiZarr is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from virtual_tiff import codec_table
from virtual_tiff.arrays.axes import Axes, SampleOrder, axes_of_image
from virtual_tiff.arrays.budget import Budget
from virtual_tiff.arrays.chunks import ChunkPlan, plan_chunks
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.arrays.metadata import array_metadata
from virtual_tiff.arrays.selection.region import Region, check_whole, crop
from virtual_tiff.arrays.selection.selection import Selection
from virtual_tiff.metadata import image_attributes as values
from virtual_tiff.metadata.place import Place, place_of
from virtual_tiff.tiff import (
    BlockLayout,
    ImageFileDirectory,
    Limits,
    Loss,
    Tag,
    UnsupportedError,
    block_grid,
    block_layout,
    kind_of,
)

__all__ = [
    "ImageArray",
    "Options",
    "charge",
    "image_array",
    "image_chunks",
    "losses_of",
]

type BandValues = Mapping[str, Sequence[int] | Sequence[float] | Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options that say how each image of a file becomes an array."""

    limits: Limits = field(default_factory=Limits)
    merge_strips: bool = True
    """Whether uncompressed strips that lie one after another become larger chunks."""
    samples: SampleOrder = "first"
    """Where the band stands among the dimensions: `"first"`, or as the samples are
    `"stored"`, last where those of a pixel lie together."""
    selection: Selection = field(default_factory=Selection)
    budget: Budget | None = field(default=None, compare=False, repr=False)
    """The account of the file that is being read; None counts nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageArray:
    """The array of one image."""

    ifd: ImageFileDirectory
    full: ImageFileDirectory | None
    """The image at full resolution, where this is an overview or a mask of it."""
    layout: BlockLayout
    """The blocks that are exposed."""
    chunks: ChunkPlan
    axes: Axes
    region: Region | None
    """The part of the image that is exposed; None for all of it."""
    place: Place | None
    """Where the pixels that are exposed lie."""
    bands: BandValues
    """By name, one value for each band; none where there is one sample a pixel."""
    metadata: dict[str, Any]
    """As `zarr.json` has them, with the axes for dimension names."""
    budget: Budget | None = field(default=None, compare=False, repr=False)
    """The account of its file."""
    url: str | None = None
    """Its file, if that is another one beside the first image's."""

    @property
    def size(self) -> tuple[int, int]:
        """Length and width of what is exposed."""
        return self.layout.grid.image_length, self.layout.grid.image_width

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column, in the whole image, of the first pixel that is exposed."""
        return (0, 0) if self.region is None else (self.region.row, self.region.column)


def image_array(
    ifd: ImageFileDirectory,
    full: ImageFileDirectory | None,
    *,
    file_size: int,
    options: Options,
    layout: BlockLayout | None = None,
) -> ImageArray:
    """Return the array of one image: shape (y, x), or (band, y, x) for several samples a pixel.

    Parameters
    ----------
    ifd
        The directory of the image.
    full
        If it is an overview or a mask: the image at full resolution that it belongs to.
    file_size
        Bytes of the file.
    options
        What is made of it.
    layout
        All of the image's blocks, where they are known already.

    Raises
    ------
    TiffError
        If the image cannot be read as its tags promise; see its subclasses.
    ValueError
        If nothing of the image, or not just that, can be selected.
    """
    exposed = _exposed(ifd, full, file_size=file_size, options=options, layout=layout)
    bands, chunks = exposed.bands, exposed.chunks
    axes = axes_of_image(ifd, options.samples)
    dtype = data_type(ifd)
    of_values = values.attributes(ifd, dtype, base=full, bands=bands)
    metadata = array_metadata(ifd, exposed.layout.grid, chunks, axes, of_values)
    chunk_shape = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    chunk_bytes = prod(chunk_shape) * np.dtype(dtype).itemsize
    # nothing is decoded for a missing block, however large
    if chunk_bytes > options.limits.block_bytes and chunks.byte_counts.any():
        options.limits.check("block_bytes", chunk_bytes, "bytes of a chunk", ifd=ifd.path)
    return ImageArray(
        ifd=ifd,
        full=full,
        layout=exposed.layout,
        chunks=chunks,
        axes=axes,
        region=exposed.region,
        place=exposed.place,
        bands=values.band_coordinates(ifd, dtype, base=full, bands=bands),
        metadata=metadata,
        budget=options.budget,
    )


def charge(ifd: ImageFileDirectory, options: Options) -> None:
    """Count an image in its file's account, once, before anything is made of it.

    An image that cannot be read, or is one too many for the limits of the file, is a TiffError.
    """
    codec_table.check(ifd)
    grid = block_grid(ifd, limits=options.limits)
    if options.budget is not None:
        options.budget.charge(grid, ifd.path)


def image_chunks(
    ifd: ImageFileDirectory,
    full: ImageFileDirectory | None,
    *,
    file_size: int,
    options: Options,
) -> ChunkPlan:
    """Return the chunks alone of an image's array; see `image_array`."""
    return _exposed(ifd, full, file_size=file_size, options=options, placed=False).chunks


def losses_of(ifd: ImageFileDirectory, chunks: ChunkPlan) -> tuple[Loss, ...]:
    """Return what the file lacks of an image's blocks; such chunks are blocks."""
    if chunks.lost is None:
        return ()
    short = 0 if chunks.short is None else int(np.count_nonzero(chunks.short))
    beyond = int(np.count_nonzero(chunks.lost)) - short
    kind = "strip" if ifd.TileWidth is None and ifd.TileLength is None else "tile"
    blocks = f"{chunks.lost.size:,} {kind}{'s' * (chunks.lost.size > 1)} of IFD {ifd.path}"
    counts = {False: beyond, True: short}
    return tuple(
        Loss(ifd=ifd.path, what=f"{count:,} of {blocks}", blocks=count, short=is_short)
        for is_short, count in counts.items()
        if count
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exposed:
    """The part of an image that a selection leaves."""

    layout: BlockLayout
    chunks: ChunkPlan
    place: Place | None
    region: Region | None
    bands: list[int] | None
    """Numbers of the samples; None for all."""


def _exposed(
    ifd: ImageFileDirectory,
    full: ImageFileDirectory | None,
    *,
    file_size: int,
    options: Options,
    layout: BlockLayout | None = None,
    placed: bool = True,
) -> _Exposed:
    row = codec_table.check(ifd)
    if layout is None:
        layout = block_layout(ifd, file_size=file_size, limits=options.limits)
    grid = layout.grid
    # GDAL and tifffile read 33 to 63 bits in no file, so no writer shows how it packs them:
    # they are refused, unless the file's own byte counts confirm the usual way
    if row.uncompressed and 32 < grid.bits < 64:
        nbytes = layout.byte_counts[0]
        if nbytes not in (0, *map(grid.size, (grid.block_length, grid.rows_at_foot))):
            msg = f"{grid.bits}-bit samples cannot be unpacked from blocks of {nbytes:,} bytes"
            raise UnsupportedError(msg, tag=Tag.BitsPerSample, ifd=ifd.path)
    place = place_of(ifd, full) if placed else None
    bands, region, selection = None, None, options.selection
    if selection.bands is not None and kind_of(ifd) != "mask":
        named = values.band_coordinates(ifd, data_type(ifd), base=full).get("band", [])
        bands = selection.band_numbers(ifd, [str(name) for name in named])
    if selection.window is not None or selection.bbox is not None:
        whole = ifd if full is None else full
        place_of_whole = place_of(whole)
        region = selection.region(
            grid,
            None if place_of_whole is None else place_of_whole.affine,
            None if place_of_whole is None else place_of_whole.crs,
            full=(whole.ImageLength, whole.ImageWidth),
        )
    if region is not None or bands is not None:
        check_whole(ifd, limits=options.limits)
        layout = crop(layout, region, bands)
    if region is not None and place is not None:
        place = place.window(region.row, region.column, region.length, region.width)
    chunks = plan_chunks(
        layout,
        uncompressed=row.uncompressed,
        short_tiles=row.short_tiles,
        merge_strips=options.merge_strips,
        file_size=file_size,
    )
    return _Exposed(layout=layout, chunks=chunks, place=place, region=region, bands=bands)
