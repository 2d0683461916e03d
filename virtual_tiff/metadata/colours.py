"""Colour interpretation of bands, under the names of `rasterio.enums.ColorInterp`.

The rule is GDAL's: constructor of `GTiffRasterBand` in frmts/gtiff/gtiffrasterband.cpp, and
`GDALGetColorInterpretationByName` for what GDAL_METADATA says.
"""

from __future__ import annotations

from collections.abc import Sequence

from virtual_tiff.tiff import (
    Compression,
    ExtraSample,
    ImageFileDirectory,
    Photometric,
    PlanarConfiguration,
    Tag,
    TiffError,
)

__all__ = ["UNDEFINED", "colour_interpretations"]

UNDEFINED = "undefined"

_RGB = ("red", "green", "blue")
_COLOURS: dict[int | None, tuple[str, ...]] = {
    None: ("gray",),  # GDAL takes an absent tag for MinIsBlack
    Photometric.MinIsBlack: ("gray",),
    Photometric.RGB: _RGB,
    Photometric.YCbCr: ("Y", "Cb", "Cr"),
    Photometric.Separated: ("cyan", "magenta", "yellow", "black"),
}
"""Colours of the first bands; ExtraSamples says what the others are."""

_ALPHA = {ExtraSample.AssociatedAlpha, ExtraSample.UnassociatedAlpha}
_PALETTE_BITS = 16
"""GDAL makes a table of colours for no more."""

_NAMES = {
    name: name.lower()
    for name in (
        *("gray", "palette", "red", "green", "blue", "alpha", "hue", "saturation", "lightness"),
        *("cyan", "magenta", "yellow", "black", "coastal", "rededge", "nir", "swir", "mwir"),
        *("lwir", "tir", "sar_ka", "sar_k", "sar_ku", "sar_x", "sar_c", "sar_s", "sar_l", "sar_p"),
    )
} | {
    "ycbcr_y": "Y",
    "ycbcr_cb": "Cb",
    "ycbcr_cr": "Cr",
    "panchromatic": "pan",
    "pan": "pan",
    "otherir": "other_ir",
}
"""GDAL's names, of any case, to rasterio's."""


def colour_interpretations(
    ifd: ImageFileDirectory, items: Sequence[str], bands: Sequence[int]
) -> list[str]:
    """Return the colour interpretation of some bands, by the names of `rasterio.enums.ColorInterp`.

    `items` are what GDAL_METADATA says of each, or "". All are "" if none is known.
    """
    try:
        colours, extra = _colours(ifd), ifd.ExtraSamples
    except TiffError:
        colours, extra = (), ()  # whoever decodes the image says so
    first_extra = ifd.SamplesPerPixel - len(extra)
    interpretations = []
    for band, name in zip(bands, items, strict=True):
        if name:
            interpretations.append(_NAMES.get(name.lower(), UNDEFINED))
        elif band < len(colours):
            interpretations.append(colours[band])
        else:
            is_extra = 0 <= band - first_extra < len(extra)
            is_alpha = is_extra and extra[band - first_extra] in _ALPHA
            interpretations.append("alpha" if is_alpha else UNDEFINED)
    return [""] * len(interpretations) if set(interpretations) == {UNDEFINED} else interpretations


def _colours(ifd: ImageFileDirectory) -> tuple[str, ...]:
    photometric = ifd.PhotometricInterpretation
    if photometric == Photometric.YCbCr:
        # whether the codecs convert it, as GDAL does, too
        by_jpeg = ifd.Compression in (Compression.JPEG, Compression.OJPEG)
        chunky = ifd.PlanarConfiguration != PlanarConfiguration.Planar
        if by_jpeg or (chunky and ifd.SamplesPerPixel == 3 and set(ifd.BitsPerSample) == {8}):
            return _RGB
    if photometric == Photometric.Mask:
        return ()
    if ifd.SamplesPerPixel == 1 and max(ifd.BitsPerSample) == 1:
        return ("palette",)  # of two colours: `GTiffBitmapBand`
    has_palette = photometric == Photometric.MinIsWhite or (
        photometric == Photometric.Palette and Tag.ColorMap in ifd.entries
    )
    if has_palette and max(ifd.BitsPerSample) <= _PALETTE_BITS:
        return ("palette",)
    return _COLOURS.get(photometric, ())
