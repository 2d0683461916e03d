"""`imagecodecs_jpeg` and others, as virtual-tiff 0.5.0 wrote them and as imagecodecs-zarr does.

0.5.0 registered these names for codecs that turn a stream into the bytes of its samples,
before `bytes` or `ChunkyCodec`. imagecodecs-zarr registered them later for codecs that turn a
stream into an array. A configuration tells them apart: 0.5.0 always wrote a key that those of
imagecodecs-zarr do not have ("squeeze", for `imagecodecs_floatpred` "shape") and refuse.

Zarr has one class a name. Those of this module read both kinds. They take the place of those of
imagecodecs-zarr in a process that calls `register_codecs_of_050`, and in no other: whoever
installs or imports this package for other files reads `imagecodecs_jpeg` as without it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, ClassVar, Self

import numcodecs.registry
import numpy as np
import zarr
from imagecodecs import zarr as standard
from zarr.abc.codec import BytesBytesCodec
from zarr.registry import register_codec

from virtual_tiff.codecs.base import JSON, ArraySpec, Buffer, ReadingCodec
from virtual_tiff.codecs.compat_050.samples import FloatDifferencesCodec
from virtual_tiff.codecs.guard.images import ImageDecoder
from virtual_tiff.codecs.guard.jpeg import BlockJpegCodec
from virtual_tiff.codecs.images.lerc import LercCodec

__all__ = ["Floatpred", "Jpeg", "register_codecs_of_050"]

_UNCONVERTED = {3: "RGB", 4: "CMYK"}
"""Samples of JPEG to what libjpeg calls them so that it leaves them alone. 0.5.0 refused files
whose PhotometricInterpretation is YCbCr, and no other is converted, whatever a stream says."""


@dataclass(frozen=True)
class ImageBytesCodec(ReadingCodec, BytesBytesCodec):
    """Decodes an image to the bytes of its samples, in their native byte order."""

    name: ClassVar[str] = "imagecodecs_*"

    standard_name: str
    """The name in the metadata."""
    configuration: dict[str, Any] = field(hash=False)
    """What 0.5.0 wrote: all parameters of the encoder, most of them null."""

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from the metadata that 0.5.0 wrote."""
        configuration: Any = data["configuration"]
        return cls(standard_name=str(data["name"]), configuration=dict(configuration))

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec's metadata, as 0.5.0 wrote them."""
        return {"name": self.standard_name, "configuration": self.configuration}

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        image_spec = replace(chunk_spec, shape=_image_shape(chunk_spec.shape))
        decoder = self._decoder(image_spec.shape)
        decoded = decoder._decode_sync(chunk_data, image_spec)  # noqa: SLF001 (zarr's own way)
        samples = np.ascontiguousarray(decoded.as_numpy_array()).reshape(-1)
        return chunk_spec.prototype.buffer.from_array_like(samples.view(np.uint8))

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        decoded: Buffer = await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)
        return decoded

    def _decoder(self, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        """Return the codec that gives an image of a shape as an array."""
        if self.standard_name == "imagecodecs_lerc":
            return LercCodec()  # as libtiff: NaN where floats are masked, either byte order
        if self.standard_name == "imagecodecs_jpeg":
            colours = _UNCONVERTED.get(shape[2]) if len(shape) > 2 else None
            spaces = {"colorspace_data": colours, "colorspace_jpeg": colours}
            return BlockJpegCodec({"name": self.standard_name, "configuration": spaces})
        settings = {key: value for key, value in self.configuration.items() if value is not None}
        settings.pop("squeeze", None)
        return ImageDecoder({"name": self.standard_name, "configuration": settings})


def _image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (rows, columns) or (rows, columns, samples) of the image that fills a chunk.

    The shape is that of the codec before: (band, column, row) behind 0.5.0's `transpose`, else
    (row, column) behind axes of length 1.
    """
    if len(shape) > 2 and prod(shape[:-2]) > 1:
        return shape[::-1]
    return shape[-2:]


class _Both:
    """Comes before the class of imagecodecs-zarr; reads what 0.5.0 wrote as well."""

    mark: ClassVar[str] = "squeeze"
    """A key that 0.5.0 always wrote, and imagecodecs-zarr does not know."""
    predecessor: ClassVar[type[Any]] = ImageBytesCodec

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Any:  # noqa: ANN401
        """Make the codec that the configuration is of."""
        configuration = data.get("configuration")
        if isinstance(configuration, dict) and cls.mark in configuration:
            return cls.predecessor.from_dict(data)
        return super().from_dict(data)  # type: ignore[misc]


class Floatpred(_Both, standard.Floatpred):
    """`imagecodecs_floatpred`."""

    mark = "shape"
    predecessor = FloatDifferencesCodec


class Jpeg(_Both, standard.Jpeg):
    """`imagecodecs_jpeg`."""


class Jpeg2k(_Both, standard.Jpeg2k):
    """`imagecodecs_jpeg2k`."""


class Jpegxl(_Both, standard.Jpegxl):
    """`imagecodecs_jpegxl`."""


class Jpegxr(_Both, standard.Jpegxr):
    """`imagecodecs_jpegxr`."""


class Lerc(_Both, standard.Lerc):
    """`imagecodecs_lerc`."""


class Png(_Both, standard.Png):
    """`imagecodecs_png`."""


class Webp(_Both, standard.Webp):
    """`imagecodecs_webp`."""


_BOTH = (Floatpred, Jpeg, Jpeg2k, Jpegxl, Jpegxr, Lerc, Png, Webp)

_FORMAT_2 = (
    "Deflate", "Floatpred", "Jpeg", "Jpeg2k", "Jpegxl", "Jpegxr", "Lerc", "Lzw", "Packbits", "Png",
    "Webp", "Zstd",
)  # fmt: skip
"""The classes of `imagecodecs.numcodecs` that kerchunk references of Zarr format 2 name."""


def register_codecs_of_050() -> None:
    """Let zarr, in this process, open the stores that virtual-tiff 0.5.0 wrote.

    0.5.0 wrote eight names into the metadata that imagecodecs-zarr has for other codecs:
    `imagecodecs_floatpred`, `_jpeg`, `_jpeg2k`, `_jpegxl`, `_jpegxr`, `_lerc`, `_png` and `_webp`.
    Afterwards both kinds are read. An implementation that you have set yourself in
    ``zarr.config["codecs"]`` stays, as does a codec that is registered with numcodecs. A second
    call does nothing.

    Each process that reads needs the call: with Dask, ``client.run(register_codecs_of_050)``.
    """
    from imagecodecs import numcodecs as of_format_2  # noqa: PLC0415 (takes time to load)

    names = {f"imagecodecs_{codec.__name__.lower()}": codec for codec in _BOTH}
    for name, codec in names.items():
        register_codec(name, codec)
    # zarr wants to be told which of two classes to take; a default survives `zarr.config.refresh`
    zarr.config.update_defaults(
        {"codecs": {name: f"{__name__}.{codec.__qualname__}" for name, codec in names.items()}}
    )
    for class_name in _FORMAT_2:
        codec = getattr(of_format_2, class_name)
        if codec.codec_id not in numcodecs.registry.codec_registry | numcodecs.registry.entries:
            numcodecs.registry.register_codec(codec)
