"""Which images one array can hold: what must be equal."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from virtual_tiff.metadata.gdal_metadata import gdal_metadata
from virtual_tiff.tiff import ImageFileDirectory, Photometric, Tag

__all__ = ["groups_of_one_shape", "signatures"]

_BY_VALUE = (
    "ImageWidth",
    "ImageLength",
    "SamplesPerPixel",
    "BitsPerSample",
    "SampleFormat",
    "Compression",
    "PhotometricInterpretation",
    "ExtraSamples",
    "PlanarConfiguration",
    "FillOrder",
    "Predictor",
    "Orientation",
    "T4Options",
    "T6Options",
    "TileWidth",
    "TileLength",
)
"""Tags that decide data type, codecs, chunk grid or what the samples are, with their defaults."""

_BY_BYTES = (
    Tag.YCbCrSubSampling,
    Tag.YCbCrCoefficients,
    Tag.ReferenceBlackWhite,
    Tag.JPEGTables,
    Tag.LercParameters,
    Tag.ImageDepth,
    # what a sample means, or which ones count
    *(Tag.GrayResponseUnit, Tag.GrayResponseCurve, Tag.DotRange, Tag.Indexed, Tag.Decode),
    *(Tag.StoNits, Tag.MDFileTag, Tag.MDScalePixel, Tag.CFARepeatPatternDim, Tag.CFAPattern),
    *(Tag.CFALayout, Tag.LinearizationTable, Tag.BlackLevelRepeatDim, Tag.BlackLevel),
    *(Tag.BlackLevelDeltaH, Tag.BlackLevelDeltaV, Tag.WhiteLevel, Tag.ActiveArea),
    *(Tag.DepthFormat, Tag.DepthNear, Tag.DepthFar, Tag.DepthUnits, Tag.MaskSubArea),
)
"""Tags that go into a codec's parameters, or say what values mean; a page has them or not."""

_OF_THE_FIRST = (
    Tag.ModelPixelScale,
    Tag.ModelTiepoint,
    Tag.ModelTransformation,
    Tag.GeoKeyDirectory,
    Tag.GeoDoubleParams,
    Tag.GeoAsciiParams,
    Tag.RPCCoefficients,
    Tag.GDAL_NODATA,
)
"""Tags of which an array has one: writers put them onto all pages, or onto the first alone."""

_DECIDING = frozenset(
    [Tag[name] for name in _BY_VALUE]
    + [*_BY_BYTES, Tag.DataType, Tag.RowsPerStrip, Tag.NewSubfileType, Tag.ColorMap]
)


def signatures(ifds: Iterable[ImageFileDirectory], *, color_maps: bool = True) -> list[Hashable]:
    """Return for each image what must be equal in the images of one array.

    Without `color_maps` the pages may have several: those of channels are colours for display.
    """
    deciding = _DECIDING if color_maps else _DECIDING - {Tag.ColorMap}
    seen: dict[Hashable, Hashable] = {}
    kinds = []
    for ifd in ifds:
        # most pages of a file are byte for byte alike: the tags are read once for all of them
        raw = tuple(
            (entry.tag, entry.field_type.code, entry.data)
            for entry in ifd.entries.values()
            if entry.tag in deciding
        )
        if raw not in seen:
            seen[raw] = _signature(ifd, color_maps=color_maps)
        kinds.append(seen[raw])
    return kinds


def _signature(ifd: ImageFileDirectory, *, color_maps: bool) -> Hashable:
    palette = color_maps and ifd.PhotometricInterpretation == Photometric.Palette
    by_bytes = (*_BY_BYTES, Tag.ColorMap) if palette else _BY_BYTES
    rows = ifd.RowsPerStrip if ifd.TileWidth is None else 0
    return (
        *(getattr(ifd, name) for name in _BY_VALUE),
        min(rows, ifd.ImageLength),
        ifd.NewSubfileType & 4,  # a mask is no page
        *(ifd.raw(tag) for tag in by_bytes),
    )


def groups_of_one_shape(
    ifds: Sequence[ImageFileDirectory], *, color_maps: bool = True
) -> list[list[ImageFileDirectory]]:
    """Group images of equal signature, place and meaning, in the order of their first ones.

    An image without place, nodata, scale or unit has those of the first of its kind.
    """
    groups: dict[Hashable, list[ImageFileDirectory]] = {}
    first: dict[Hashable, dict[Hashable, Hashable]] = {}
    for ifd, kind in zip(ifds, signatures(ifds, color_maps=color_maps), strict=True):
        kinds: dict[Hashable, Hashable] = {
            tag: ifd.entries[tag].data for tag in _OF_THE_FIRST if tag in ifd.entries
        }
        kinds |= _items(ifd)
        leader = first.setdefault(kind, kinds)
        if kinds.items() <= leader.items():
            kinds = leader
        groups.setdefault((kind, tuple(kinds.items())), []).append(ifd)
    return list(groups.values())


def _items(ifd: ImageFileDirectory) -> dict[Hashable, Hashable]:
    """Return the items of GDAL_METADATA that decide what numbers mean, or where pixels lie."""
    if Tag.GDAL_METADATA not in ifd.entries:
        return {}
    metadata = gdal_metadata(ifd)
    items: dict[Hashable, Hashable] = {}
    for number, band in metadata.bands.items():
        for role in ("scale", "offset", "unittype"):
            if role in band.roles:
                items[number, role] = band.roles[role]
    for name in ("RPC", "GEOLOCATION"):
        if name in metadata.file.domains:
            items[name] = repr(metadata.file.domains[name])
    for name in ("NODATA_VALUES", "_Unsigned", "_FillValue", "missing_value"):
        if name in metadata.file.default:
            items[name] = metadata.file.default[name]
    return items
