"""JPEG 2000 of Aperio's compression 33003: luminance and chrominance as red, green, blue.

OpenSlide's page on Aperio: "For 33003: YCbCr format with no MCT, possibly with a chroma
subsampling of 4:2:2", and its openslide-decode-jp2k.c converts them as JPEG's. Nothing in
the codestream says so. imagecodecs converts those that are subsampled; others write RGB
under this number, with the codestream's own transform (MCT).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer
from virtual_tiff.codecs.images.headers import jpeg2k_header
from virtual_tiff.codecs.images.image_checks import ImageCodec, decoded_image

__all__ = ["Jpeg2kYcbcrCodec"]


@dataclass(frozen=True)
class Jpeg2kYcbcrCodec(ImageCodec):
    """Decodes JPEG 2000 to a chunk of (rows, columns, 3), of 8 bits."""

    name: ClassVar[str] = "virtual_tiff.jpeg2k_ycbcr"

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        data = memoryview(chunk_data.as_numpy_array())
        header = jpeg2k_header(data)
        decoded = decoded_image(data, imagecodecs.jpeg2k_decode, header, chunk_spec, "JPEG 2000")
        if header is not None and not header.transformed:
            decoded = _rgb(decoded)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(decoded.reshape(chunk_spec.shape))


def _rgb(ycbcr: NDArray[np.uint8]) -> NDArray[Any]:
    """Convert by JFIF 1.02's equations, the inverse of ITU-R BT.601 over the full range."""
    y, cb, cr = np.moveaxis(ycbcr.astype(np.float32), -1, 0)
    cb, cr = cb - 128, cr - 128
    rgb = np.stack([y + 1.402 * cr, y - 0.34414 * cb - 0.71414 * cr, y + 1.772 * cb], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
