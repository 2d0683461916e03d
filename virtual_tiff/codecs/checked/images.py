"""The image codecs of imagecodecs, bounded by the chunk and strict about what it is.

imagecodecs' own classes decode whatever size the stream states, and then reshape to the
chunk, so that a stream of 20 x 30 fits a chunk of 30 x 20, and zarr casts its type. These
are the same codecs: they compare the stream's header with the chunk before decoding, its
type after, and raise `ValueError` for what is damaged. As in `virtual_tiff.codecs.checked.block`,
`to_dict` writes the standard name, and only `virtual_tiff.store.CheckedManifestStore` and
`virtual_tiff.short_image` ask for these names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Self

from imagecodecs.zarr import Jpeg2k, Jpegxl, Jpegxr, Lerc, Png, Webp

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

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.common import JSON

__all__ = [
    "STANDARD_NAMES",
    "CheckedJpeg2k",
    "CheckedJpegxl",
    "CheckedJpegxr",
    "CheckedLerc",
    "CheckedPng",
    "CheckedWebp",
]

STANDARD_NAMES = {
    "imagecodecs_jpeg2k": "virtual_tiff.checked_jpeg2k",
    "imagecodecs_jpegxl": "virtual_tiff.checked_jpegxl",
    "imagecodecs_jpegxr": "virtual_tiff.checked_jpegxr",
    "imagecodecs_lerc": "virtual_tiff.checked_lerc",
    "imagecodecs_png": "virtual_tiff.checked_png",
    "imagecodecs_webp": "virtual_tiff.checked_webp",
}
"""Public name to the name of the checked implementation."""


class _Checked:
    """What the checked codecs share; comes before imagecodecs' class in the bases."""

    standard: ClassVar[str]
    """The public name."""
    what: ClassVar[str]
    """The format's name."""
    header: ClassVar[Callable[[Block], ImageHeader | None]]

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from its metadata, under either name."""
        made: Self = super().from_dict({**data, "name": cls.standard})  # type: ignore[misc]
        return made

    def _checked(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        """Return what is to be decoded, if its header says what the tags promise."""
        header = type(self).header(memoryview(chunk_bytes.as_numpy_array()))
        check_size(header, chunk_spec.shape, self.what)
        if header is not None and header.planar:
            msg = f"the block's {self.what} image is decoded plane by plane, not by pixels"
            raise ImageSizeError(msg)
        return chunk_bytes

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        checked = self._checked(chunk_bytes, chunk_spec)
        try:
            decoded: NDBuffer = super()._decode_sync(checked, chunk_spec)  # type: ignore[misc]
        except (RuntimeError, ValueError) as error:
            raise damaged(self.what, error) from error
        check_type(decoded.dtype, chunk_spec, self.what)
        return decoded


class CheckedJpeg2k(_Checked, Jpeg2k):
    """`imagecodecs_jpeg2k`."""

    standard = "imagecodecs_jpeg2k"
    what = "JPEG 2000"
    header = jpeg2k_header


class CheckedJpegxl(_Checked, Jpegxl):
    """`imagecodecs_jpegxl`."""

    standard = "imagecodecs_jpegxl"
    what = "JPEG XL"
    header = jpegxl_header


class CheckedJpegxr(_Checked, Jpegxr):
    """`imagecodecs_jpegxr`."""

    standard = "imagecodecs_jpegxr"
    what = "JPEG XR"
    header = jpegxr_header


class CheckedPng(_Checked, Png):
    """`imagecodecs_png`."""

    standard = "imagecodecs_png"
    what = "PNG"
    header = png_header


class CheckedWebp(_Checked, Webp):
    """`imagecodecs_webp`."""

    standard = "imagecodecs_webp"
    what = "WebP"
    header = webp_header


class CheckedLerc(_Checked, Lerc):
    """`imagecodecs_lerc`."""

    standard = "imagecodecs_lerc"
    what = "LERC"

    def _checked(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        blob = unpacked(chunk_bytes, chunk_spec)
        checked_header(blob, chunk_spec)
        return chunk_spec.prototype.buffer.from_bytes(blob)
