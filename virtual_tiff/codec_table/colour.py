"""What PhotometricInterpretation asks of a compression that gives bytes.

Most interpretations are told by the attributes and leave the samples as they are: MinIsWhite,
a palette's index, the inks of Separated, the three kinds of Lab. YCbCr is converted where
libtiff's RGBA interface does it, through which GDAL reads such files.
"""

from __future__ import annotations

import math

from virtual_tiff.codec_table.description import CodecJSON, codec
from virtual_tiff.tiff import (
    BlockGrid,
    ImageFileDirectory,
    Photometric,
    PlanarConfiguration,
    Tag,
    UnsupportedError,
    code_name,
    ycbcr_subsampling,
)

__all__ = ["colour_codecs"]

_CONVERTED = {Photometric.LogL, Photometric.LogLuv}
"""Interpretations whose samples are not the stored numbers."""

_COEFFICIENTS = (0.299, 0.587, 0.114)
"""TIFF 6.0 section 21: the default of YCbCrCoefficients, of CCIR Recommendation 601-1."""

_REFERENCE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
"""What libtiff takes where ReferenceBlackWhite is absent: full range, and chroma's zero at
128. The specification's default (chroma of 0 to 255) would be no YCbCr."""


_LARGEST = 2**31 - 128
"""Of a number that the codec takes."""


def colour_codecs(ifd: ImageFileDirectory, grid: BlockGrid, data_type: str) -> list[CodecJSON]:
    """Return the codecs from an array to its stored samples, or refuse what none converts."""
    photometric = ifd.PhotometricInterpretation
    if photometric in _CONVERTED:
        name = code_name(Photometric, photometric or 0)
        msg = f"no codec converts samples of PhotometricInterpretation {name}"
        raise UnsupportedError(msg, tag=Tag.PhotometricInterpretation, ifd=ifd.path)
    return _ycbcr(ifd, grid, data_type) if photometric == Photometric.YCbCr else []


def _ycbcr(ifd: ImageFileDirectory, grid: BlockGrid, data_type: str) -> list[CodecJSON]:
    """Return the conversion of three interleaved bytes; other YCbCr is given as its bands.

    GDAL gives the bands, too, if samples have more than 8 bits. It converts planar files,
    which no codec can do: a chunk holds one plane.
    """
    subsampling = ycbcr_subsampling(ifd)
    chunky = ifd.PlanarConfiguration != PlanarConfiguration.Planar
    if chunky and grid.samples == 3 and (grid.bits, data_type) == (8, "uint8"):
        return [
            codec(
                "virtual_tiff.ycbcr",
                subsampling=list(subsampling),
                coefficients=_numbers(ifd, Tag.YCbCrCoefficients, _COEFFICIENTS),
                reference=_numbers(ifd, Tag.ReferenceBlackWhite, _REFERENCE),
            )
        ]
    if subsampling == (1, 1):
        return []
    kind = "chunky" if chunky else "planar"
    msg = (
        f"YCbCrSubSampling is {subsampling[0]}, {subsampling[1]} of {grid.samples} {kind} samples "
        f"of {grid.bits} bits; only three chunky ones of 8 bits can be converted"
    )
    raise UnsupportedError(msg, tag=Tag.YCbCrSubSampling, ifd=ifd.path)


def _numbers(ifd: ImageFileDirectory, tag: Tag, default: tuple[float, ...]) -> list[float]:
    stated = ifd.floats(tag) or ()
    if len(stated) != len(default):
        return list(default)
    is_range = tag == Tag.ReferenceBlackWhite
    # libtiff reads a RATIONAL of a range without a denominator as 0
    numbers = [n if math.isfinite(n) or not is_range else 0.0 for n in stated]
    if not all(abs(n) < _LARGEST for n in numbers) or (not is_range and numbers[1] == 0):
        msg = f"{tag.name} {stated} allow no conversion"
        raise UnsupportedError(msg, tag=tag, ifd=ifd.path)
    return numbers
