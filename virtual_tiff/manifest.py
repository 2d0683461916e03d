"""An image's metadata and blocks to a VirtualiZarr `ManifestArray`."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from virtualizarr.manifests import ChunkManifest, ManifestArray
from zarr.core.metadata.v3 import ArrayV3Metadata

from virtual_tiff.chunks import ChunkPlan
from virtual_tiff.image import image_array
from virtual_tiff.tiff import ImageFileDirectory, Limits

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
    image = image_array(
        ifd,
        file_size=file_size,
        merge_strips=merge_strips,
        limits=limits,
        dimension_names=dimension_names,
    )
    return ManifestArray(
        metadata=ArrayV3Metadata.from_dict(image.metadata),
        chunkmanifest=_manifest(image.chunks, url, image.layout.grid.samples),
    )


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
