"""A directory to its array: the blocks, the chunks made of them, the metadata.

All that `VirtualTIFF` decides about an image, for those who make a store of it and for
those who only tell. Neither zarr nor VirtualiZarr is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from virtual_tiff import codec_table
from virtual_tiff.chunks import ChunkPlan, plan_chunks
from virtual_tiff.metadata import array_metadata
from virtual_tiff.tiff import (
    BlockLayout,
    ImageFileDirectory,
    Limits,
    Tag,
    UnsupportedError,
    block_layout,
)

__all__ = ["ImageArray", "image_array"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageArray:
    """The array of one image."""

    layout: BlockLayout
    chunks: ChunkPlan
    metadata: dict[str, Any]
    """As `zarr.json` has them."""


def image_array(
    ifd: ImageFileDirectory,
    *,
    file_size: int,
    merge_strips: bool,
    limits: Limits,
    dimension_names: list[str],
    layout: BlockLayout | None = None,
) -> ImageArray:
    """Return the array of one image: shape (y, x), or (band, y, x) for several samples a pixel.

    Parameters
    ----------
    ifd
        The directory of the image.
    file_size
        Bytes of the file.
    merge_strips
        Whether uncompressed strips that lie one after another become larger chunks.
    limits
        What the file may ask for.
    dimension_names
        One for each dimension.
    layout
        The image's blocks, where they are known already.

    Raises
    ------
    TiffError
        If the image cannot be read as its tags promise; see its subclasses.
    """
    row = codec_table.check(ifd)
    if layout is None:
        layout = block_layout(ifd, file_size=file_size, limits=limits)
    if row.uncompressed:
        _check_depth(ifd, layout)
    chunks = plan_chunks(
        layout,
        uncompressed=row.uncompressed,
        short_tiles=row.short_tiles,
        merge_strips=merge_strips,
        file_size=file_size,
    )
    metadata = array_metadata(ifd, layout.grid, chunks, dimension_names)
    if chunks.byte_counts.any():  # nothing is decoded for a missing block, however large
        chunk_shape = metadata["chunk_grid"]["configuration"]["chunk_shape"]
        chunk_bytes = prod(chunk_shape) * np.dtype(metadata["data_type"]).itemsize
        limits.check("block_bytes", chunk_bytes, "bytes of a chunk", ifd=ifd.path)
    return ImageArray(layout=layout, chunks=chunks, metadata=metadata)


def _check_depth(ifd: ImageFileDirectory, layout: BlockLayout) -> None:
    """Refuse depths that no other reader has, unless the file's own counts confirm them.

    GDAL and tifffile read 33 to 63 bits in no file, so no writer shows how it packs them.
    """
    grid = layout.grid
    if 32 < grid.bits < 64 and layout.byte_counts[0] not in {
        0,
        *map(grid.size, (grid.block_length, grid.rows_at_foot)),
    }:
        msg = f"samples of {grid.bits} bits in blocks of {layout.byte_counts[0]:,} bytes"
        raise UnsupportedError(msg, tag=Tag.BitsPerSample, ifd=ifd.path)
