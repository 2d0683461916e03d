"""JPEG XL of several samples, whichever way its stream holds them.

Gray and an alpha, or colours and an alpha, imagecodecs decodes to (rows, columns,
samples), but gray and other channels, as GDAL writes all bands that are neither (tif_jxl.c,
JXLPostEncode), to (samples, rows, columns). The tags don't tell which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import imagecodecs
import numpy as np

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer
from virtual_tiff.codecs.images.image_checks import ImageCodec, decoded_image
from virtual_tiff.codecs.images.jxl_header import jpegxl_header

__all__ = ["JpegxlCodec"]


@dataclass(frozen=True)
class JpegxlCodec(ImageCodec):
    """Decodes JPEG XL to a chunk of (rows, columns, samples)."""

    name: ClassVar[str] = "virtual_tiff.jpegxl"

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        data = memoryview(chunk_data.as_numpy_array())
        header = jpegxl_header(data)
        decoded = decoded_image(data, imagecodecs.jpegxl_decode, header, chunk_spec, "JPEG XL")
        if header is not None and header.planar:
            decoded = np.moveaxis(decoded, 0, -1)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(decoded.reshape(chunk_spec.shape))
