"""An image's metadata and blocks to a VirtualiZarr `ManifestArray`."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from virtualizarr.manifests import ChunkManifest, ManifestArray
from zarr.core.metadata.v3 import ArrayV3Metadata

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

__all__ = ["manifest_array"]


def manifest_array(
    ifd: ImageFileDirectory,
    *,
    url: str,
    file_size: int,
    dimension_names: list[str],
    merge_strips: bool,
    limits: Limits,
) -> ManifestArray:
    """Return the virtual array of one image.

    Shape (y, x), or (band, y, x) for several samples a pixel.

    Parameters
    ----------
    ifd
        The directory of the image.
    url
        What the references point to.
    file_size
        Bytes of the file.
    dimension_names
        One for each dimension.
    merge_strips
        Whether uncompressed strips that lie one after another become larger chunks.
    limits
        What the file may ask for.
    """
    row = codec_table.check(ifd)
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
        chunk_bytes = layout.grid.row_bytes * chunks.length
        limits.check("block_bytes", chunk_bytes, "bytes of a chunk", ifd=ifd.path)
    return ManifestArray(
        metadata=ArrayV3Metadata.from_dict(metadata),
        chunkmanifest=_manifest(chunks, url, layout.grid.samples),
    )


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


def _manifest(chunks: ChunkPlan, url: str, samples: int) -> ChunkManifest:
    planes, down, across = chunks.offsets.shape
    shape = (down, across) if samples == 1 else (planes, down, across)
    return ChunkManifest.from_arrays(
        paths=_paths(chunks, url).reshape(shape),
        offsets=chunks.offsets.reshape(shape),
        lengths=chunks.byte_counts.reshape(shape),
        validate_paths=False,  # there is one, and it was resolved to a store
    )


def _paths(chunks: ChunkPlan, url: str) -> np.ndarray[Any, np.dtypes.StringDType]:
    """Return the url for each chunk, "" for a missing one; one string serves them all."""
    text = np.dtypes.StringDType()
    shape = chunks.byte_counts.shape
    paths: Any  # numpy's stubs lose StringDType
    if chunks.byte_counts.all():
        paths = np.broadcast_to(np.array(url, dtype=text), shape)
    else:
        paths = np.full(shape, "", dtype=text)
        paths[chunks.byte_counts != 0] = url
    return cast("np.ndarray[Any, np.dtypes.StringDType]", paths)
