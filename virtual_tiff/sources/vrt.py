"""GDAL's VRT: which files an image is made of, and where each of them lies in it.

A VRT is XML that names a list of sources for each band: a band of a file, a rectangle of it, and
the rectangle of the whole that it fills. References can say the same where each source is a whole
file at its own size, and its pixels are taken as they are. Everything else that a VRT can ask for
(resampling, masks, warping, look-up tables, computed bands) would change pixels, so it is refused
by its name. An element that no row of the tables below has is refused too: what it asks for is not
known, and an image without it may be another one.

`parse_vrt` reads one document, `tiles_of` puts nested ones together. Neither opens a file: the
sizes that a VRT states are compared with the files by `publish`, when it has read them. GDAL's own
rules are those of `VRTDataset::XMLInit` and `VRTSimpleSource::XMLInit` in frmts/vrt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn
from xml.etree.ElementTree import Element

from virtual_tiff.metadata.nodata import number_of
from virtual_tiff.metadata.safe_xml import child_text, children, local_name
from virtual_tiff.sources.declared_grid import (
    GDAL_TYPES,
    DeclaredBand,
    DeclaredGrid,
    TilePlace,
    base_of,
    file_named,
    lower_path,
    refuse_pixels,
    root_of,
)
from virtual_tiff.tiff import Limits, redacted, warn

__all__ = ["Vrt", "declared_band", "is_vrt", "parse_vrt", "tiles_of"]

_LIMITS = Limits(xml_bytes=2**29, xml_elements=2**22)
"""A million sources have six elements each; the user names the document."""
_MOST_TILES = 2**20
"""Files of a VRT, nested ones included: ten documents of a hundred sources could name 10^20."""
_MOST_DEPTH = 8
_TOLERANCE = 0.01
"""Pixels by which a rectangle may miss whole pixels, as transforms of tiles may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VrtSource:
    """One source of a band: a band of a file, and the rectangle of the whole that it fills."""

    name: str
    """The path or url of the file."""
    band: int
    """From 1."""
    row: int
    column: int
    length: int
    """0 if the document does not say."""
    width: int
    transparent: bool
    """Whether pixels that are nodata leave what earlier sources show there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vrt:
    """One document."""

    grid: DeclaredGrid
    """Its `bands` are all there."""
    sources: tuple[tuple[VrtSource, ...], ...]
    """Of each band, in the order in which they cover each other: the last one is on top."""

    @property
    def nested(self) -> list[str]:
        """The names of other documents among its sources."""
        names = {source.name: None for band in self.sources for source in band}
        return [name for name in names if is_vrt(name)]


def is_vrt(name: str) -> bool:
    """Whether a path or url is one of a VRT."""
    return lower_path(name).endswith(".vrt")


# ------------------------------------------------------------------------- the document

_READ = frozenset(
    (
        *("SRS", "GeoTransform", "Metadata", "VRTRasterBand", "SimpleSource", "ComplexSource"),
        *("Description", "UnitType", "Offset", "Scale", "ColorInterp", "NoDataValue", "ColorTable"),
        *("SourceFilename", "SourceBand", "SrcRect", "DstRect", "NODATA"),
        *("ScaleOffset", "ScaleRatio", "HideNoDataValue", "UseMaskBand"),
        # how GDAL reads and caches, which changes no pixel
        *("SourceProperties", "BlockXSize", "BlockYSize"),
    )
)

_LEFT_OUT = {
    "OverviewList": "its list of overviews",
    "Overview": "the files of its overviews",
    "Histograms": "its histograms",
    "CategoryNames": "the names of its categories",
    "GDALRasterAttributeTable": "its attribute table",
}
"""Elements that change no pixel of the image; their absence is told by a warning."""

_REFUSED = {
    "MaskBand": "a mask (MaskBand)",
    "UseMaskBand": "a source with its mask (UseMaskBand)",
    "GCPList": "ground control points of its own (GCPList)",
    "GDALWarpOptions": "warping (GDALWarpOptions)",
    "PansharpeningOptions": "pansharpening (PansharpeningOptions)",
    "ProcessingSteps": "processing (ProcessingSteps)",
    "Group": "multidimensional arrays (Group)",
    "AveragedSource": "resampling (AveragedSource)",
    "NoDataFromMaskSource": "nodata from a mask (NoDataFromMaskSource)",
    "KernelFilteredSource": "a filter (KernelFilteredSource)",
    "ArraySource": "arrays of other files (ArraySource)",
    "PixelFunctionType": "a pixel function (PixelFunctionType)",
    "LUT": "a look-up table (LUT)",
    "ColorTableComponent": "the colours of a palette (ColorTableComponent)",
    "Exponent": "scaling (Exponent)",
    "ScaleOffset": "scaling (ScaleOffset)",
    "ScaleRatio": "scaling (ScaleRatio)",
    "OpenOptions": "options for opening a file (OpenOptions)",
    "HideNoDataValue": "a nodata value that is hidden (HideNoDataValue)",
}

_SUBCLASSES = {
    "VRTWarpedDataset": "warping",
    "VRTPansharpenedDataset": "pansharpening",
    "VRTProcessedDataset": "processing",
    "VRTDerivedRasterBand": "a band that is computed (VRTDerivedRasterBand)",
    "VRTRawRasterBand": "a raw file (VRTRawRasterBand)",
}


def parse_vrt(text: str, place: str) -> Vrt:
    """Read a document; a ValueError refuses what references to blocks of files cannot say."""
    root = root_of(text, place, "a VRT", _LIMITS)
    if local_name(root) != "VRTDataset":
        msg = f"{redacted(place)} is not a VRT of an image: its element is {local_name(root)}"
        raise ValueError(msg)
    document = _Document(place, base_of(place))
    document.check(root, "")
    length, width = (
        document.whole(root.get(f"raster{axis}Size"), f"raster{axis}Size") for axis in "YX"
    )
    elements = enumerate(children(root, "VRTRasterBand"), 1)
    bands = [document.band(element, number) for number, element in elements]
    if not bands:
        document.refuse("it has no band")
    return Vrt(
        grid=DeclaredGrid(
            name=place,
            kind="GDAL VRT",
            size=(length, width),
            transform=document.transform(root),
            crs=child_text(root, "SRS") or None,
            bands=tuple(band for band, _ in bands),
            items=tuple(document.items(root).items()),
        ),
        sources=tuple(sources for _, sources in bands),
    )


def declared_band(element: Element) -> DeclaredBand:
    """Return the statements of an element of a band, which GTI documents have, too."""
    tables = [list(children(table, "Entry")) for table in children(element, "ColorTable")]
    return DeclaredBand(
        data_type=GDAL_TYPES.get(element.get("dataType", "")),
        nodata=child_text(element, "NoDataValue") or None,
        description=child_text(element, "Description") or None,
        colour=child_text(element, "ColorInterp").lower() or None,
        scale=number_of(child_text(element, "Scale")),
        offset=number_of(child_text(element, "Offset")),
        unit=child_text(element, "UnitType") or None,
        colours=tuple(map(_colour, tables[0])) if tables else None,
    )


@dataclass(frozen=True, slots=True)
class _Document:
    """Reads the elements of one document, whose place every refusal names."""

    place: str
    base: str = ""
    """What relative names count from."""

    def refuse(self, what: str) -> NoReturn:
        """Refuse the document."""
        msg = f"{redacted(self.place)}: {what}"
        raise ValueError(msg)

    def refuse_pixels(self, what: str, where: str = "") -> NoReturn:
        """Refuse a part of the document that would change, or move, pixels of its files."""
        refuse_pixels(self.place, f"{where}the VRT has {what}")

    def check(self, element: Element, where: str) -> None:
        """Refuse, or warn of, the children of an element that are not read."""
        subclass = element.get("subClass", "")
        if subclass in _SUBCLASSES:
            self.refuse_pixels(_SUBCLASSES[subclass], where)
        for child in element:
            name, value = local_name(child), (child.text or "").strip()
            if name in _LEFT_OUT:
                warn(f"{redacted(self.place)}: {where}{_LEFT_OUT[name]} ({name}) is left out")
            elif name in _REFUSED and not _says_nothing(name, value):
                self.refuse_pixels(_REFUSED[name], where)
            elif name not in _READ and name not in _REFUSED:
                self.refuse_pixels(f"an element {name}, which is not known", where)

    def whole(self, text: str | None, name: str) -> int:
        """Return a number of pixels."""
        number = number_of(text or "")
        if number is None or not 0 < number < 2**31 or not number.is_integer():
            self.refuse(f"{name} is {text!r}, which is not a number of pixels")
        return int(number)

    def transform(self, root: Element) -> tuple[float, ...] | None:
        text = child_text(root, "GeoTransform")
        if not text:
            return None
        numbers = [number_of(part) for part in text.split(",")]
        if len(numbers) != 6 or not all(n is not None and math.isfinite(n) for n in numbers):
            self.refuse(f"GeoTransform is {text!r}, which is not six numbers")
        return tuple(float(number) for number in numbers if number is not None)

    def items(self, element: Element) -> dict[str, str]:
        """Return the metadata of the default domain."""
        items: dict[str, str] = {}
        for metadata in children(element, "Metadata"):
            domain = metadata.get("domain", "")
            if domain in ("RPC", "GEOLOCATION"):
                self.refuse_pixels(f"metadata of the domain {domain}, which place pixels", "")
            if not domain:
                items |= {
                    item.get("key", ""): item.text or "" for item in children(metadata, "MDI")
                }
            elif domain != "IMAGE_STRUCTURE":
                warn(f"{redacted(self.place)}: metadata of the domain {domain} is left out")
        return items

    # ------------------------------------------------------------------------- a band

    def band(self, element: Element, number: int) -> tuple[DeclaredBand, tuple[VrtSource, ...]]:
        where = f"band {number}: "
        self.check(element, where)
        if element.get("dataType", "Byte") not in GDAL_TYPES:
            self.refuse_pixels(f"the data type {element.get('dataType')}", where)
        if self.items(element):
            warn(f"{redacted(self.place)}: {where}metadata of single bands is left out")
        band = declared_band(element)
        sources = [
            self.source(child, where, band.nodata)
            for child in element
            if local_name(child) in ("SimpleSource", "ComplexSource")
        ]
        return band, tuple(sources)

    def source(self, element: Element, where: str, nodata: str | None) -> VrtSource:
        named = next(children(element, "SourceFilename"), None)
        if named is None or not (named.text or "").strip():
            self.refuse(f"{where}a source has no SourceFilename")
        flags = {key.lower(): value for key, value in named.items()}
        base = self.base if flags.get("relativetovrt") == "1" else None
        name = file_named((named.text or "").strip(), self.place, base)
        where = f"{where}{redacted(name)}: "
        self.check(element, where)
        band = child_text(element, "SourceBand") or "1"
        if band.startswith("mask"):
            self.refuse_pixels("a mask as a band (SourceBand)", where)
        transparent = child_text(element, "NODATA")
        if transparent and not _same_number(transparent, nodata or "0"):
            self.refuse_pixels(
                f"NODATA {transparent} of a file where the band has {nodata or 'no nodata'}, which"
                " changes the numbers of pixels",
                where,
            )
        row, column, length, width = self.rectangle(element, where)
        return VrtSource(
            name=name,
            band=self.whole(band, f"{where}SourceBand"),
            row=row,
            column=column,
            length=length,
            width=width,
            transparent=bool(transparent),
        )

    def rectangle(self, element: Element, where: str) -> tuple[int, int, int, int]:
        """Return row, column, length and width of what a source fills; of whole pixels."""
        rectangles = {}
        for name in ("SrcRect", "DstRect"):
            rectangle = next(children(element, name), None)
            if rectangle is None:
                continue
            texts = [rectangle.get(key, "") for key in ("yOff", "xOff", "ySize", "xSize")]
            # a document has four for each of a million files, and most are whole
            numbers = [int(text) if text.isdecimal() else number_of(text) for text in texts]
            if not all(n is not None and math.isfinite(n) and abs(n) < 2**31 for n in numbers):
                self.refuse(f"{where}{name} is {texts}, which is not four numbers")
            rectangles[name] = [number for number in numbers if number is not None]
        if not rectangles:  # the file from its first pixel, at its own size
            return 0, 0, 0, 0
        if len(rectangles) == 1:
            self.refuse_pixels(f"only {next(iter(rectangles))} of the two rectangles", where)
        of_file, of_whole = rectangles["SrcRect"], rectangles["DstRect"]
        shown = (
            "x".join(f"{n:g}" for n in of_file[:1:-1]),
            "x".join(f"{n:g}" for n in of_whole[:1:-1]),
        )
        if any(abs(a - b) > _TOLERANCE for a, b in zip(of_file[2:], of_whole[2:], strict=True)):
            self.refuse_pixels(f"resampling of {shown[0]} to {shown[1]} pixels", where)
        if any(abs(n - round(n)) > _TOLERANCE for n in of_whole):
            at = f"row {of_whole[0]:g} and column {of_whole[1]:g}"
            self.refuse_pixels(f"resampling, as it puts {shown[0]} pixels at {at}", where)
        if any(abs(n) > _TOLERANCE for n in of_file[:2]):
            at = f"row {of_file[0]:g} and column {of_file[1]:g}"
            self.refuse_pixels(f"a part of a file, which begins at its {at}", where)
        row, column, length, width = map(round, of_whole)
        return row, column, length, width


def _says_nothing(name: str, value: str) -> bool:
    """Whether an element that would change pixels has the value that changes none."""
    if name in ("ScaleOffset", "ScaleRatio"):
        return number_of(value) == (name == "ScaleRatio")
    return name in ("UseMaskBand", "HideNoDataValue") and value.lower() in ("0", "false", "no")


def _same_number(one: str, other: str) -> bool:
    numbers = number_of(one), number_of(other)
    return numbers[0] == numbers[1] or all(n is not None and math.isnan(n) for n in numbers)


def _colour(entry: Element) -> tuple[int, ...]:
    texts = [entry.get(f"c{n}", "255" if n == 4 else "0") for n in range(1, 5)]
    return tuple(int(text) if text.isdecimal() else 0 for text in texts)


# ----------------------------------------------------------------------- nested documents


def tiles_of(root: Vrt, documents: Mapping[str, Vrt]) -> list[tuple[str, TilePlace]]:
    """Return the files of a VRT, nested ones included, each with its place; in their order.

    `documents` are, by name, those that the VRT, or one of them, names. Bands that are made of
    other bands of files than all in order, or one file each, are a ValueError.
    """
    document = _Document(root.grid.name)
    bands = [_flattened(root, number, documents) for number in range(len(root.sources))]
    empty = next((number for number, sources in enumerate(bands, 1) if not sources), None)
    if empty is not None:
        document.refuse_pixels(
            "no source, so that nothing says what its blocks are", f"band {empty}: "
        )
    first = [replace(source, band=0) for source in bands[0]]
    whole = all(
        [replace(source, band=0) for source in sources] == first
        and all(source.band == number for source in sources)
        for number, sources in enumerate(bands, 1)
    )
    single = len(bands) > 1 and all(source.band == 1 for sources in bands for source in sources)
    if not whole and not single:
        document.refuse_pixels(
            "bands that are neither all bands of each file in their order nor files of one band"
            " each",
            "",
        )
    grid = replace(
        root.grid,
        axes=("y", "x") if whole else ("band", "y", "x"),
        last_wins=not any(source.transparent for sources in bands for source in sources),
    )
    tiles = [
        (
            source.name,
            TilePlace(
                grid,
                source.row,
                source.column,
                source.length,
                source.width,
                0 if whole else number,
            ),
        )
        for number, sources in enumerate(bands[:1] if whole else bands, 1)
        for source in sources
    ]
    names: set[str] = set()
    for name, _ in tiles:
        if name in names:
            document.refuse_pixels(f"{redacted(name)} at several places", "")
        names.add(name)
    return tiles


def _flattened(
    vrt: Vrt, number: int, documents: Mapping[str, Vrt], depth: int = 0
) -> list[VrtSource]:
    """Return the sources of a band (from 0), where nested documents are replaced by theirs."""
    document = _Document(vrt.grid.name)
    if depth > _MOST_DEPTH:
        document.refuse(f"VRTs are nested more than {_MOST_DEPTH} deep, or one names itself")
    size = vrt.grid.size or (0, 0)
    sources: list[VrtSource] = []
    for source in vrt.sources[number]:
        ends = source.row + source.length, source.column + source.width
        if min(source.row, source.column) < 0 or ends[0] > size[0] or ends[1] > size[1]:
            document.refuse_pixels(
                f"{redacted(source.name)} at row {source.row} and column {source.column}, which is"
                f" not within the image of {size[1]}x{size[0]} pixels",
                "",
            )
        inner = documents.get(source.name)
        if inner is None:
            sources.append(source)
            continue
        _check_nested(vrt, number, source, inner)
        sources += [
            replace(
                tile,
                row=tile.row + source.row,
                column=tile.column + source.column,
                transparent=tile.transparent or source.transparent,
            )
            for tile in _flattened(inner, source.band - 1, documents, depth + 1)
        ]
        if len(sources) > _MOST_TILES:
            document.refuse(f"it names more than {_MOST_TILES:,} files, nested ones included")
    return sources


def _check_nested(vrt: Vrt, number: int, source: VrtSource, inner: Vrt) -> None:
    """Refuse a nested document that is changed where it is taken into another one."""
    document, where = _Document(vrt.grid.name), f"band {number + 1}: {redacted(source.name)}: "
    if source.band > len(inner.sources):
        document.refuse(f"{where}it has no band {source.band}")
    size = (source.length, source.width)
    if size not in ((0, 0), inner.grid.size):
        document.refuse_pixels("a part of a nested VRT", where)
    outer_band, band = vrt.grid.bands[number], inner.grid.bands[source.band - 1]
    if outer_band.data_type != band.data_type:
        document.refuse_pixels(f"another data type than this nested VRT's {band.data_type}", where)
    if not _same_number(outer_band.nodata or "0", band.nodata or "0"):
        document.refuse_pixels(f"another nodata than this nested VRT's {band.nodata}", where)
    others = [other for other in vrt.sources[number] if other is not source]
    if any(_overlap(source, other) for other in others) and not _is_full(inner, source.band - 1):
        document.refuse_pixels("a nested VRT with holes that covers other files", where)


def _overlap(one: VrtSource, other: VrtSource) -> bool:
    if not (one.length and other.length):
        return True
    return (
        one.row < other.row + other.length
        and other.row < one.row + one.length
        and one.column < other.column + other.width
        and other.column < one.column + one.width
    )


def _is_full(vrt: Vrt, number: int) -> bool:
    """Whether it is known that the sources of a band leave no pixel open."""
    sources = vrt.sources[number]
    apart = len(sources) < 2000 and not any(
        _overlap(one, other) for n, one in enumerate(sources) for other in sources[:n]
    )
    length, width = vrt.grid.size or (0, 0)
    return apart and sum(one.length * one.width for one in sources) == length * width
