"""From single tags and GeoKeys to attributes.

Where virtual-tiff 0.5.0 had a name, it is that, so that what reads its stores reads these; the
tags of TIFF 6.0 that describe an image have GDAL's (`TIFFTAG_…`, `GTiffDataset::GetTIFFTags` in
frmts/gtiff/gtiffdataset.cpp), which rioxarray shows under the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from virtual_tiff.tiff import (
    ExtraSample,
    GeoKey,
    ImageFileDirectory,
    Photometric,
    Tag,
    TiffError,
    decode_text,
    parse_geokeys,
    warn,
)

__all__ = ["attributes_of_one_file", "tag_attributes"]

type JSON = Any

_GEOKEY_ATTRIBUTES = {
    1024: "model_type",
    1025: "raster_type",
    1026: "citation",
    2048: "geographic_type",
    2049: "geog_citation",
    2050: "geog_geodetic_datum",
    2051: "geog_prime_meridian",
    2052: "geog_linear_units",
    2053: "geog_linear_unit_size",
    2054: "geog_angular_units",
    2055: "geog_angular_unit_size",
    2056: "geog_ellipsoid",
    2057: "geog_semi_major_axis",
    2058: "geog_semi_minor_axis",
    2059: "geog_inv_flattening",
    2060: "geog_azimuth_units",
    2061: "geog_prime_meridian_long",
    3072: "projected_type",
    3073: "proj_citation",
    3074: "projection",
    3075: "proj_coord_trans",
    3076: "proj_linear_units",
    3077: "proj_linear_unit_size",
    3078: "proj_std_parallel1",
    3079: "proj_std_parallel2",
    3080: "proj_nat_origin_long",
    3081: "proj_nat_origin_lat",
    3082: "proj_false_easting",
    3083: "proj_false_northing",
    3084: "proj_false_origin_long",
    3085: "proj_false_origin_lat",
    3086: "proj_false_origin_easting",
    3087: "proj_false_origin_northing",
    3088: "proj_center_long",
    3089: "proj_center_lat",
    3090: "proj_center_easting",
    3091: "proj_center_northing",
    3092: "proj_scale_at_nat_origin",
    3093: "proj_scale_at_center",
    3094: "proj_azimuth_angle",
    3095: "proj_straight_vert_pole_long",
    4096: "vertical",
    4097: "vertical_citation",
    4098: "vertical_datum",
    4099: "vertical_units",
}


_POINT = 2
"""GTRasterTypeGeoKey: RasterPixelIsPoint."""

_LONGEST_TEXT = 2**16
"""Characters: every reader loads attributes, so a volume's OME-XML is not one."""

_MOST_NUMBERS = 2**16 - 1
"""libtiff counts the values of ModelTiepoint in 16 bits, and drops a longer one."""

_MOST_COLOURS = 2**16
"""A palette has 2**BitsPerSample colours (TIFF 6.0, section 5); more than 16 bits are not read."""

_EXTRA_SAMPLES: dict[int, str] = {
    ExtraSample.Unspecified: "unspecified",
    ExtraSample.AssociatedAlpha: "associated alpha",
    ExtraSample.UnassociatedAlpha: "unassociated alpha",
}


def tag_attributes(ifd: ImageFileDirectory, base: ImageFileDirectory | None) -> dict[str, JSON]:
    """Return the attributes of a directory's GeoKeys and of most of its tags, ready for JSON.

    A tag that cannot be read is left out with a warning: it does not decide pixels. Of
    `base`, the full image of an overview, only the palette is taken.
    """
    attributes: dict[str, JSON] = {}
    for key, value in parse_geokeys(ifd).items():
        name = _GEOKEY_ATTRIBUTES.get(key)
        plain = list(value) if isinstance(value, tuple) else value
        if name is not None and _is_json(plain):
            attributes[name] = plain
        if key == GeoKey.GTRasterTypeGeoKey:
            attributes["AREA_OR_POINT"] = "Point" if value == _POINT else "Area"
    attributes |= _read(ifd, _OF_MANY_FILES)
    if ifd.PhotometricInterpretation in _WITH_PALETTE:
        palette = _palette(ifd, base)
        if palette:
            attributes["color_map"] = palette
    return attributes


def attributes_of_one_file(ifd: ImageFileDirectory) -> dict[str, JSON]:
    """Return the attributes of the tags whose values hardly two files share.

    They are read for each file, so that the other attributes can be worked out once for many.
    """
    return _read(ifd, _OF_ONE_FILE)


def _read(ifd: ImageFileDirectory, rows: Mapping[Tag, _Row]) -> dict[str, JSON]:
    attributes = {}
    for tag, (name, read) in rows.items():
        if tag not in ifd.entries:
            continue
        try:
            value = read(ifd)
        except TiffError as error:
            warn(f"{tag.name} is ignored: {error}")
            continue
        if value is not None and _is_json(value):
            attributes[name] = value
    return attributes


type _Reader = Callable[[ImageFileDirectory], JSON]


def _floats(tag: Tag) -> _Reader:
    def read(ifd: ImageFileDirectory) -> list[float] | None:
        if ifd.entries[tag].count > _MOST_NUMBERS:
            warn(f"IFD {ifd.path}: {tag.name} has too many numbers to be an attribute")
            return None
        return list(ifd.floats(tag) or ()) or None

    return read


def _text(tag: Tag) -> _Reader:
    def read(ifd: ImageFileDirectory) -> str | None:
        text = ifd.text(tag) or ""
        # as in GDAL, what stands behind a NUL is not meant, but for the editor's copyright
        if "\n" in text and tag != Tag.Copyright:
            text = decode_text((ifd.raw(tag) or b"").partition(b"\0")[0])
        if len(text) > _LONGEST_TEXT:
            warn(
                f"IFD {ifd.path}: {tag.name} has {len(text):,} characters, too many for an "
                "attribute"
            )
            return None
        return text or None

    return read


def _resolution(tag: Tag) -> _Reader:
    def read(ifd: ImageFileDirectory) -> int | float | None:
        number = (ifd.floats(tag) or (math.nan,))[0]
        if not math.isfinite(number):
            return None
        rounded = float(f"{number:.8g}")  # as GDAL writes it
        return int(rounded) if rounded.is_integer() else rounded

    return read


_UNITS = {1: "1 (unitless)", 2: "2 (pixels/inch)", 3: "3 (pixels/cm)"}
"""ResolutionUnit in GDAL's words."""


def _resolution_unit(ifd: ImageFileDirectory) -> str | None:
    unit = ifd.integer(Tag.ResolutionUnit)
    return None if unit is None else _UNITS.get(unit, str(unit))


def _extra_samples(ifd: ImageFileDirectory) -> list[str] | None:
    """Return what the samples beyond those of the colour are, TIFF 6.0 section 18."""
    return [
        _EXTRA_SAMPLES.get(code, str(code)) for code in ifd.ExtraSamples[: ifd.SamplesPerPixel]
    ] or None


def _nbytes(tag: Tag) -> _Reader:
    return lambda ifd: ifd.entries[tag].nbytes or None


def _numbers(tag: Tag) -> _Reader:
    def read(ifd: ImageFileDirectory) -> JSON:
        entry = ifd.entries[tag]
        if entry.count > _MOST_NUMBERS + 1:
            warn(
                f"IFD {ifd.path}: {tag.name} has {entry.count:,} numbers, too many for an attribute"
            )
            return None
        numbers = ifd.integers(tag) if entry.field_type.is_integer else ifd.floats(tag)
        return None if numbers is None else list(numbers) if len(numbers) > 1 else numbers[0]

    return read


_OF_MEANING = (
    # TIFF 6.0 and its supplements: sample values to densities, inks, light
    *(Tag.GrayResponseUnit, Tag.GrayResponseCurve, Tag.InkSet, Tag.NumberOfInks, Tag.DotRange),
    *(Tag.SMinSampleValue, Tag.SMaxSampleValue, Tag.TransferRange, Tag.TransferFunction),
    *(Tag.WhitePoint, Tag.PrimaryChromaticities, Tag.ReferenceBlackWhite, Tag.ColorResponseUnit),
    *(Tag.Indexed, Tag.Decode),
    # SGI LogLuv, Molecular Dynamics GEL (of MDFileTag 2, values are square roots)
    *(Tag.StoNits, Tag.MDFileTag, Tag.MDScalePixel),
    # TIFF/EP and DNG: where in the mosaic a pixel is, and what its value means
    *(Tag.CFARepeatPatternDim, Tag.CFAPattern, Tag.CFAPlaneColor, Tag.CFALayout, Tag.Interlace),
    *(Tag.LinearizationTable, Tag.BlackLevelRepeatDim, Tag.BlackLevel, Tag.BlackLevelDeltaH),
    *(Tag.BlackLevelDeltaV, Tag.WhiteLevel, Tag.DefaultScale, Tag.DefaultCropOrigin),
    *(Tag.DefaultCropSize, Tag.ActiveArea, Tag.MaskedAreas, Tag.DefaultUserCrop, Tag.MaskSubArea),
    *(Tag.DepthFormat, Tag.DepthNear, Tag.DepthFar, Tag.DepthUnits, Tag.DepthMeasureType),
)

_OPCODES = (Tag.OpcodeList1, Tag.OpcodeList2, Tag.OpcodeList3)
"""Corrections that a DNG reader makes before, within and after demosaicing."""


type _Row = tuple[str, _Reader]
"""An attribute's name, and how it is read."""

_TAGS: dict[Tag, _Row] = {
    # names of virtual-tiff 0.5.0
    Tag.ModelPixelScale: ("model_pixel_scale", _floats(Tag.ModelPixelScale)),
    Tag.ModelTiepoint: ("model_tiepoint", _floats(Tag.ModelTiepoint)),
    Tag.ModelTransformation: ("model_transformation", _floats(Tag.ModelTransformation)),
    Tag.PhotometricInterpretation: (
        "photometric_interpretation",
        lambda ifd: ifd.PhotometricInterpretation,
    ),
    Tag.ExtraSamples: ("extra_samples", _extra_samples),
    # names of GDAL
    Tag.DocumentName: ("TIFFTAG_DOCUMENTNAME", _text(Tag.DocumentName)),
    Tag.ImageDescription: ("TIFFTAG_IMAGEDESCRIPTION", _text(Tag.ImageDescription)),
    Tag.Software: ("TIFFTAG_SOFTWARE", _text(Tag.Software)),
    Tag.DateTime: ("TIFFTAG_DATETIME", _text(Tag.DateTime)),
    Tag.Artist: ("TIFFTAG_ARTIST", _text(Tag.Artist)),
    Tag.HostComputer: ("TIFFTAG_HOSTCOMPUTER", _text(Tag.HostComputer)),
    Tag.Copyright: ("TIFFTAG_COPYRIGHT", _text(Tag.Copyright)),
    Tag.XResolution: ("TIFFTAG_XRESOLUTION", _resolution(Tag.XResolution)),
    Tag.YResolution: ("TIFFTAG_YRESOLUTION", _resolution(Tag.YResolution)),
    Tag.ResolutionUnit: ("TIFFTAG_RESOLUTIONUNIT", _resolution_unit),
    Tag.MinSampleValue: (
        "TIFFTAG_MINSAMPLEVALUE",
        lambda ifd: ifd.integer(Tag.MinSampleValue),
    ),
    Tag.MaxSampleValue: (
        "TIFFTAG_MAXSAMPLEVALUE",
        lambda ifd: ifd.integer(Tag.MaxSampleValue),
    ),
    Tag.GEO_METADATA: ("GEO_METADATA", _text(Tag.GEO_METADATA)),
    Tag.TIFF_RSID: ("TIFF_RSID", _text(Tag.TIFF_RSID)),
    # those that GDAL does not show, by libtiff's
    Tag.Make: ("TIFFTAG_MAKE", _text(Tag.Make)),
    Tag.Model: ("TIFFTAG_MODEL", _text(Tag.Model)),
    Tag.PageName: ("TIFFTAG_PAGENAME", _text(Tag.PageName)),
    Tag.Orientation: (
        "TIFFTAG_ORIENTATION",
        lambda ifd: None if ifd.Orientation == 1 else ifd.Orientation,
    ),
    # those that say what a sample means or which pixels count, by libtiff's or DNG's names
    **{tag: (f"TIFFTAG_{tag.name.upper()}", _numbers(tag)) for tag in _OF_MEANING},
    Tag.InkNames: ("TIFFTAG_INKNAMES", lambda ifd: ifd.text(Tag.InkNames)),
    Tag.MDFileUnits: ("TIFFTAG_MDFILEUNITS", _text(Tag.MDFileUnits)),
    Tag.SemanticName: ("TIFFTAG_SEMANTICNAME", _text(Tag.SemanticName)),
    # that they are there, and how large
    **{tag: (f"TIFFTAG_{tag.name.upper()}_bytes", _nbytes(tag)) for tag in _OPCODES},
    Tag.ICCProfile: ("icc_profile_bytes", _nbytes(Tag.ICCProfile)),
    Tag.XMP: ("xmp_bytes", _nbytes(Tag.XMP)),
}

_OF_ONE_FILE = {
    tag: _TAGS[tag]
    for tag in (
        *(Tag.ModelPixelScale, Tag.ModelTiepoint, Tag.ModelTransformation, Tag.DocumentName),
        *(Tag.ImageDescription, Tag.DateTime, Tag.GEO_METADATA, Tag.TIFF_RSID, Tag.PageName),
        Tag.XMP,
    )
}
_OF_MANY_FILES = {tag: row for tag, row in _TAGS.items() if tag not in _OF_ONE_FILE}


# ---- palettes

_WITH_PALETTE = (Photometric.Palette, Photometric.MinIsWhite)
_INVERTED_BITS = 8
"""Above, a table of greys is longer than the words that it is inverted."""


def _palette(ifd: ImageFileDirectory, base: ImageFileDirectory | None) -> list[list[int]] | None:
    """Return a palette as [red, green, blue] of 0 to 65535 for each index.

    TIFF 6.0 section 5 stores all reds, then all greens, then all blues. Only a palette
    image's pixels are indices; a map that another one carries means nothing. MinIsWhite is a
    palette of inverted greys, as in GDAL.
    """
    try:
        bits = max(ifd.BitsPerSample)
        if ifd.PhotometricInterpretation == Photometric.MinIsWhite:
            if bits > _INVERTED_BITS:
                return None
            last = 2**bits - 1
            return [[255 * (last - index) // last * 257] * 3 for index in range(last + 1)]
        colours = ifd.integers(Tag.ColorMap)
        if colours is None and base is not None:
            colours = base.integers(Tag.ColorMap)
    except TiffError as error:
        warn(f"color_map is ignored: {error}")
        return None
    if colours is None:
        return None
    count = len(colours) // 3
    if count > _MOST_COLOURS:
        warn(
            f"IFD {ifd.path}: the ColorMap is ignored: it has {count:,} colours, and TIFF allows "
            f"{_MOST_COLOURS:,}"
        )
        return None
    reds, greens, blues = (colours[i * count : (i + 1) * count].tolist() for i in range(3))
    return [list(color) for color in zip(reds, greens, blues, strict=True)]


def _is_json(value: object) -> bool:
    """JSON has no NaN and no infinity; attributes with them are left out."""
    numbers = value if isinstance(value, list) else [value]
    return all(not isinstance(n, float) or math.isfinite(n) for n in numbers)
