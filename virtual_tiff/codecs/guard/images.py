"""The image codecs of imagecodecs, bounded by the chunk and strict about what it is.

imagecodecs' own classes decode whatever size the stream states, and then reshape to the
chunk, so that a stream of 20 x 30 fits a chunk of 30 x 20, and zarr casts its type. Here the
stream's header is compared with the chunk before decoding, its type after, and data that are
damaged raise `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from zarr.registry import get_codec_class

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer
from virtual_tiff.codecs.images.headers import (
    Block,
    ImageHeader,
    ImageSizeError,
    check_size,
    jpeg2k_header,
    jpegxr_header,
    png_header,
    webp_header,
)
from virtual_tiff.codecs.images.image_checks import check_type, damaged
from virtual_tiff.codecs.images.jxl_header import jpegxl_header
from virtual_tiff.codecs.images.lerc import checked_header, unpacked

__all__ = ["FORMATS", "ImageDecoder"]


class _Format(NamedTuple):
    name: str
    header: Callable[[Block], ImageHeader | None] | None
    """Reads a stream's header; None for LERC, which may be compressed once more."""


FORMATS = {
    "imagecodecs_jpeg2k": _Format("JPEG 2000", jpeg2k_header),
    "imagecodecs_jpegxl": _Format("JPEG XL", jpegxl_header),
    "imagecodecs_jpegxr": _Format("JPEG XR", jpegxr_header),
    "imagecodecs_lerc": _Format("LERC", None),
    "imagecodecs_png": _Format("PNG", png_header),
    "imagecodecs_webp": _Format("WebP", webp_header),
}
"""Name of a codec of imagecodecs to the format that it decodes."""


@dataclass(frozen=True)
class ImageDecoder:
    """A codec of `FORMATS`."""

    codec: dict[str, Any]
    """The metadata of the standard codec, which decodes."""

    @cached_property
    def _standard(self) -> Any:  # noqa: ANN401 (one of imagecodecs' classes)
        return get_codec_class(self.codec["name"]).from_dict(self.codec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        name, header_of = FORMATS[self.codec["name"]]
        if header_of is None:
            blob = unpacked(chunk_data, chunk_spec)
            checked_header(blob, chunk_spec)
            chunk_data = chunk_spec.prototype.buffer.from_bytes(blob)
        else:
            header = header_of(memoryview(chunk_data.as_numpy_array()))
            check_size(header, chunk_spec.shape, name)
            if header is not None and header.planar:
                msg = f"the block's {name} image is decoded plane by plane, not by pixels"
                raise ImageSizeError(msg)
        try:
            decoded: NDBuffer = self._standard._decode_sync(chunk_data, chunk_spec)  # noqa: SLF001
        except (RuntimeError, ValueError) as error:
            raise damaged(name, error) from error
        check_type(decoded.dtype, chunk_spec, name)
        return decoded
