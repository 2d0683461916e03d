"""A codec as users and readers see it: what it stands for, where it is written down, who has it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from virtual_tiff.tiff import BlockGrid, Tag

__all__ = [
    "SAMPLE_CODECS",
    "CodecDescription",
    "CodecJSON",
    "codec",
    "ours",
    "package_of",
    "samples_first",
]

type CodecJSON = dict[str, Any]
"""A codec as the metadata of an array name it."""


def codec(name: str, **configuration: Any) -> CodecJSON:  # noqa: ANN401 (JSON)
    """Return a codec's JSON; readers disagree on an absent configuration, so it is never."""
    return {"name": name, "configuration": configuration}


def samples_first(grid: BlockGrid) -> list[CodecJSON]:
    """Return the codec that brings a decoder's last axis, of several samples, to the front."""
    return [codec("transpose", order=[1, 2, 0])] if grid.block_samples > 1 else []


@dataclass(frozen=True, slots=True)
class CodecDescription:
    """What the codec table knows of a codec beside its configuration."""

    name: str
    """As the array's metadata have it."""
    _: KW_ONLY
    says: str = ""
    """What the tag says, in TIFF's words; "" is the label of the compression's row."""
    tag: Tag | None = Tag.Compression
    """The tag that an array has the codec for; None if it depends on other codecs."""
    specification: str = ""
    """Where the format is written down, of codecs that no other package has."""
    implementation: str = ""
    """`module:Class` of a codec of this package, as the entry point in `pyproject.toml`."""
    readers: frozenset[str] = frozenset()
    """Implementations of Zarr, beside zarr-python, that have it and give right pixels."""
    package: str = ""
    """The Python distribution that registers it with zarr; "" if its name tells (see
    `package_of`)."""


_FAMILIES = {"imagecodecs_": "imagecodecs-zarr", "virtual_tiff.": "virtual-tiff"}
_ZARR = ("numcodecs.zlib", "numcodecs.lzma", "zstd", "bytes", "transpose")


def package_of(name: str, description: CodecDescription | None) -> str | None:
    """Return the Python distribution that has a codec; None if it is not known.

    One that this package does not describe may be of a file that another process has parsed:
    its package is the one whose entry point registers it with zarr.
    """
    if description is not None and description.package:
        return description.package
    if name in _ZARR:
        return "zarr"
    for start, package in _FAMILIES.items():
        if name.startswith(start):
            return package
    points = _entry_points(group="zarr.codecs", name=name)
    return next((point.dist.name for point in points if point.dist is not None), None)


_entry_points = cache(entry_points)


def ours(
    name: str, path: str, specification: str, tag: Tag | None = Tag.Compression, says: str = ""
) -> CodecDescription:
    """Describe a codec of this package, `virtual_tiff.` and its name."""
    return CodecDescription(
        f"virtual_tiff.{name}",
        tag=tag,
        says=says,
        specification=specification,
        implementation=f"virtual_tiff.codecs.{path}",
    )


_NOT_GDAL = frozenset({"zarrs", "zarrita", "tensorstore"})
_BITS, _PARTIAL = Tag.BitsPerSample, "samples that are not whole bytes"
_PIXELS = "samples.packed_pixels:PackedPixelsCodec"
_PARTS = "samples.complex_parts:ComplexPartsCodec"
_FLOAT24 = "samples.float24_predictor:Float24PredictorCodec"
_COMPLEX = "libtiff's SAMPLEFORMAT: COMPLEXINT, COMPLEXIEEEFP"
_STRIPS = "TIFF 6.0 section 8, StripsPerImage"

SAMPLE_CODECS = (
    CodecDescription("bytes", tag=None, readers=_NOT_GDAL | {"GDAL"}),
    # GDAL takes `transpose` and gives wrong pixels, without an error
    CodecDescription("transpose", tag=None, readers=_NOT_GDAL),
    CodecDescription("imagecodecs_delta", tag=Tag.Predictor, says="2"),
    CodecDescription("imagecodecs_floatpred", tag=Tag.Predictor, says="3"),
    ours("float24_predictor", _FLOAT24, "Adobe's Technical Note 3", Tag.Predictor, "3"),
    CodecDescription("imagecodecs_packints", tag=_BITS, says=_PARTIAL),
    CodecDescription("imagecodecs_float24", tag=_BITS, says="floats of 24 bits"),
    ours("bits", "samples.bits:BitsCodec", "TIFF 6.0 section 19", _BITS, _PARTIAL),
    ours("packed_pixels", _PIXELS, "TIFF 6.0 section 8", _BITS, "samples of unequal depth"),
    ours("complex_parts", _PARTS, _COMPLEX, Tag.SampleFormat, "complex integers or halves"),
    ours("view", "samples.view:ViewCodec", "libtiff's TIFFSwabArrayOfLong and …Long8", None),
    ours(
        "reverse_bits",
        "samples.reverse_bits:ReverseBitsCodec",
        "TIFF 6.0 section 8",
        Tag.FillOrder,
        "FillOrder 2",
    ),
    ours("pad", "samples.pad:PadCodec", _STRIPS, None),
    ours(
        "any_compression",
        "samples.any_compression:AnyCompressionCodec",
        "RFC 1950, RFC 8878",
        says="Deflate, Zstandard or none",
    ),
    ours("crop", "samples.crop:CropCodec", "TIFF 6.0 section 15, TileWidth", None),
    ours("short_image", "images.short_image:ShortImageCodec", _STRIPS, None),
    ours(
        "ycbcr",
        "samples.ycbcr:YCbCrCodec",
        "TIFF 6.0 section 21, by libtiff's tif_color.c",
        Tag.YCbCrSubSampling,
        "YCbCr",
    ),
)
"""The codecs that bring samples, bits and short blocks into order; those of compressions stand
in the rows of `COMPRESSIONS`."""
