"""LERC with a mask, which in a TIFF is NaN or alpha, and as big-endian files have it.

Esri's LERC stores invalid pixels as a mask, and `imagecodecs_lerc` gives zeros for them.
What they are in a TIFF is libtiff's rule (tif_lerc.c, LERCPreDecode): NaN where samples are
floats, and 0 in the alpha band, 255 elsewhere, where 8-bit samples end with an
unassociated alpha and the blob holds one value less. Bands whose NaN differ are separate
blobs, one after another. libtiff encodes the file's bytes as if they were little-endian, so
the values of a big-endian file come out with their bytes swapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import imagecodecs
import numpy as np

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer, image_sizes
from virtual_tiff.codecs.images.headers import LERC_MAGIC, ImageSizeError, LercHeader, lerc_header
from virtual_tiff.codecs.images.image_checks import ImageCodec, check_type, damaged

__all__ = ["LercCodec", "checked_header", "unpacked"]

_WHAT = "LERC"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class LercCodec(ImageCodec):
    """Decodes LERC; a chunk is (rows, columns), (rows, columns, samples) or a plane of it."""

    name: ClassVar[str] = "virtual_tiff.lerc"

    compression: str | None = None
    """What the blob is compressed with once more: "deflate", "zstd" or None. The decoder
    finds out by itself, as that of `imagecodecs_lerc` does."""
    alpha: bool = False
    """Whether the last sample may be the mask."""
    endian: str = "little"
    """The file's; "big" swaps the bytes of each value."""

    def __post_init__(self) -> None:
        if self.compression not in (None, "deflate", "zstd"):
            msg = f"{self.name}: compression={self.compression!r} is not deflate, zstd or null"
            raise ValueError(msg)
        self.check_endian(self.endian)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        blob = unpacked(chunk_data, chunk_spec)
        header = checked_header(blob, chunk_spec, alpha=self.alpha, masked=True)
        try:
            decoded, mask = imagecodecs.lerc_decode(blob, masks=True)
        except (RuntimeError, ValueError) as error:
            raise damaged(_WHAT, error) from error
        if header.bands > 1:
            decoded = np.moveaxis(decoded, 0, -1)
            mask = mask if mask is None or mask.ndim == 2 else np.moveaxis(mask, 0, -1)
        if header.data_type.startswith("float"):
            if mask is not None:
                decoded[~mask] = np.nan
        elif self.alpha and header.depth < chunk_spec.shape[-1]:
            valid = np.ones(decoded.shape[:2], bool) if mask is None else mask
            decoded = np.dstack([decoded, np.where(valid, 255, 0).astype(decoded.dtype)])
        if self.endian == "big":
            decoded = decoded.byteswap()
        return chunk_spec.prototype.nd_buffer.from_numpy_array(decoded.reshape(chunk_spec.shape))


def unpacked(chunk_data: Buffer, chunk_spec: ArraySpec) -> bytes:
    """Return a block's LERC blob, out of its additional compression if it has one."""
    data = chunk_data.to_bytes()
    if data.startswith(LERC_MAGIC):
        return data
    pixels = prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
    # libtiff's bound; a blob can be larger than its pixels by headers, masks and tables
    limit = pixels + pixels // 3 + 2**16
    decode = imagecodecs.zstd_decode if data.startswith(_ZSTD_MAGIC) else imagecodecs.zlib_decode
    try:
        return bytes(decode(data, out=limit))
    except (RuntimeError, ValueError) as error:
        raise damaged(_WHAT, error) from error


def checked_header(
    blob: bytes, chunk_spec: ArraySpec, *, alpha: bool = False, masked: bool = False
) -> LercHeader:
    """Return what a blob, or one for each sample, says of itself, if a chunk may be made of it.

    `alpha` says that the chunk's last sample may be the blob's mask, `masked` that the mask of
    other blobs means something. A size that is not the chunk's is an ImageSizeError; other samples,
    or invalid pixels that the file gives no value to, are another ValueError.
    """
    header = lerc_header(blob)
    if header is None:
        msg = "the block does not hold LERC, or its header is damaged"
        raise ValueError(msg)
    check_type(header.data_type, chunk_spec, _WHAT)
    floats = header.data_type.startswith("float")
    shape = tuple(chunk_spec.shape)
    size = (header.rows, header.columns)
    samples = next((each[2] for each in image_sizes(shape) if each[:2] == size), 0)
    as_mask = alpha and not floats and (header.depth, header.bands) == (samples - 1, 1)
    values = {(samples, 1)} | ({(1, samples)} if floats and masked else set())
    if not samples or not (as_mask or (header.depth, header.bands) in values):
        msg = (
            f"the block holds a LERC image of {header.rows} rows, {header.columns} columns, "
            f"{header.bands} bands and {header.depth} values a pixel; the tags promise {shape}"
        )
        raise ImageSizeError(msg)
    if header.masked and not as_mask and not (floats and masked):
        msg = f"the block's mask leaves pixels of type {header.data_type} without a value"
        raise ValueError(msg)
    return header
