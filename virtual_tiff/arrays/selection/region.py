"""A part of an image: whole blocks of it, and whole planes.

Nothing is read and no block is changed: what is left out are references. So a part begins
and ends where blocks do, but for the image's own edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from virtual_tiff import codec_table
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.tiff import (
    BlockGrid,
    BlockLayout,
    ImageFileDirectory,
    Limits,
    Tag,
    UnsupportedError,
    block_grid,
)

__all__ = ["Region", "check_whole", "crop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of an image, in its pixels."""

    row: int
    """Row of the first pixel, from 0."""
    column: int
    length: int
    width: int

    @property
    def ends(self) -> tuple[int, int]:
        """The row and the column behind the last pixel."""
        return self.row + self.length, self.column + self.width

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Top, left, bottom and right."""
        return self.row, self.column, *self.ends

    def within(self, length: int, width: int) -> Region | None:
        """Return what of the region lies in an image of a size; None if nothing does."""
        top, left = max(self.row, 0), max(self.column, 0)
        bottom, right = min(self.ends[0], length), min(self.ends[1], width)
        return _between(top, left, bottom, right) if top < bottom and left < right else None

    def scaled(self, full: tuple[int, int], size: tuple[int, int]) -> Region:
        """Return the pixels of a smaller image that lie in the region, in part or whole.

        The sizes, length and width, are those of the image that the region is of, and of the
        smaller one. Both show the same ground.
        """
        (full_length, full_width), (length, width) = full, size
        bottom, right = self.ends
        return _between(
            self.row * length // full_length,
            self.column * width // full_width,
            -(-bottom * length // full_length),
            -(-right * width // full_width),
        )

    def snapped(self, grid: BlockGrid) -> Region:
        """Return the least region of whole blocks around one that lies within the image."""
        bottom, right = self.ends
        return _between(
            self.row - self.row % grid.block_length,
            self.column - self.column % grid.block_width,
            min(-(-bottom // grid.block_length) * grid.block_length, grid.image_length),
            min(-(-right // grid.block_width) * grid.block_width, grid.image_width),
        )


def crop(
    layout: BlockLayout, region: Region | None, samples: Sequence[int] | None = None
) -> BlockLayout:
    """Return the blocks of a part of an image.

    They are decoded as those of the whole image are: a block at the image's foot keeps its
    fewer rows, and one that lies elsewhere has all.

    Parameters
    ----------
    layout
        The blocks of the image.
    region
        Rectangle of whole blocks; None for all rows and columns.
    samples
        Numbers of the samples, from 0, in the order that they shall have; None for all.

    Raises
    ------
    UnsupportedError
        If the samples share blocks.
    ValueError
        If the region is not of whole blocks, or there is no such sample.
    """
    grid = layout.grid
    if samples is not None:
        if not samples or not all(0 <= sample < grid.samples for sample in samples):
            msg = f"samples must be some of 0 to {grid.samples - 1}, not {list(samples)}"
            raise ValueError(msg)
        if grid.planes == 1 and list(samples) != list(range(grid.samples)):
            msg = "a block holds all samples of its pixels, so some of them cannot be referenced"
            raise UnsupportedError(msg, tag=Tag.PlanarConfiguration)
        planes_left = 1 if grid.planes == 1 else len(samples)
        grid = replace(grid, samples=len(samples), planes=planes_left)
    planes = slice(None) if samples is None or layout.grid.planes == 1 else list(samples)
    rows = columns = slice(None)
    if region is not None:
        rows, columns = _blocks(layout.grid, region)
        grid = replace(grid, image_length=region.length, image_width=region.width)
    shape = (layout.grid.planes, layout.grid.rows, layout.grid.columns)

    def cut(values: memoryview) -> memoryview:
        numbers = np.frombuffer(values, dtype=values.format).reshape(shape)
        kept = np.ascontiguousarray(numbers[planes][:, rows, columns])
        return memoryview(kept.reshape(-1)).toreadonly()

    return BlockLayout(
        grid=grid,
        offsets=cut(layout.offsets),
        byte_counts=cut(layout.byte_counts),
        cut=layout.cut,
    )


def check_whole(ifd: ImageFileDirectory, *, limits: Limits | None = None) -> None:
    """Refuse to read a part of an image that cannot be read as a whole.

    Some images look readable by a part: one plane of old-style JPEG, whose streams hold
    several scans, or one strip of an EER frame, whose events are one stream. What the codec
    table says of the whole image holds for each part of it.

    Raises
    ------
    TiffError
        As for the whole image; see `codec_table.codecs`.
    """
    grid = block_grid(ifd, limits=limits)
    codec_table.codecs(
        ifd, grid, data_type(ifd), length=grid.block_length, last_length=grid.last_length
    )


def _between(top: int, left: int, bottom: int, right: int) -> Region:
    return Region(row=top, column=left, length=bottom - top, width=right - left)


def _blocks(grid: BlockGrid, region: Region) -> tuple[slice, slice]:
    """Return the rows and the columns of blocks that a region is made of."""
    inside = region.within(grid.image_length, grid.image_width)
    if inside != region or inside.snapped(grid) != region:
        msg = (
            f"{region} does not consist of whole {grid.kind}s of {grid.block_width} x "
            f"{grid.block_length} pixels in an image of {grid.image_width} x {grid.image_length}"
        )
        raise ValueError(msg)
    bottom, right = region.ends
    rows = slice(region.row // grid.block_length, -(-bottom // grid.block_length))
    return rows, slice(region.column // grid.block_width, -(-right // grid.block_width))
