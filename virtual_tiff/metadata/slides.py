"""Whole-slide images: which page is which, and what the vendor's metadata say of them.

A slide is one image in many resolutions, perhaps of several channels, focal planes or scenes, with
photographs of the glass beside it. NewSubfileType tells little of this; each vendor says it in tags
or texts of its own. `SLIDES` has a row for each vendor, tried in their order: a row returns None of
a file of another vendor, and of one that it does not understand, which then keeps the generic rule
of `virtual_tiff.arrays.series`.

Associated images have OpenSlide's names, and properties too (`aperio.MPP`), so that who knows one
knows the other. Physical sizes are micrometres. They come from what the vendor states for each
level, or from the ratio of two levels' sizes where these are not padded.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import PurePosixPath
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from virtual_tiff.metadata.ome_xml import OmeChannel, find_planes, finite_number, parse_ome
from virtual_tiff.metadata.safe_xml import children, local_name, parse_xml
from virtual_tiff.tiff import (
    ImageFileDirectory,
    SubfileType,
    Tag,
    TiffError,
    decode_text,
    source_name,
    subfile_bits,
    warn,
)

__all__ = [
    "MACRO",
    "KnownSlide",
    "Slide",
    "SlideImage",
    "SlideKind",
    "alike",
    "can_be_level",
    "description_of",
    "slide_of",
]

type _Chain = Sequence[ImageFileDirectory]
type _Pages = tuple[ImageFileDirectory, ...]
type _Size = tuple[float, float]
"""Of y and of x."""

MACRO = SubfileType.ReducedImage | 8
"""NewSubfileType of a slide's photograph; bit 3 is Aperio's and of those who copy it."""

_LONGEST_VALUE = 2**12
"""Characters of a property: every reader loads attributes, and vendors embed whole documents."""
_MOST_PROPERTIES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideImage:
    """One image of a slide, in its resolutions."""

    levels: tuple[_Pages, ...]
    """The full resolution first; in each its pages along `axis`."""
    axis: str = ""
    """`c` or `z` if a level has several pages."""
    name: str | None = None
    spacing: tuple[_Size, ...] = ()
    """Micrometres from one pixel to the next, for each level; () if nothing says it."""
    step: float | None = None
    """Micrometres from one focal plane to the next."""
    origin: _Size | None = None
    """Micrometres from the slide's corner to the image's."""
    sizes: tuple[tuple[int, int], ...] = ()
    """Rows and columns of each level that are no padding; () if they are those of the tags."""
    channels: tuple[OmeChannel, ...] = ()

    def page(self, number: int) -> SlideImage:
        """Return the image of one page alone, with its levels; a channel's name is its own."""
        channel = self.channels[number : number + 1] if self.axis == "c" else ()
        return replace(
            self,
            levels=tuple((pages[number],) for pages in self.levels),
            axis="",
            name=next((each.name for each in channel), None) or self.name,
            channels=channel,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """What the directories of a slide are."""

    images: tuple[SlideImage, ...]
    associated: Mapping[str, str] = field(default_factory=dict)
    """Name of each associated image, by the path of its directory."""
    properties: Mapping[str, str | float] = field(default_factory=dict)
    """The vendor's metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideKind:
    """A row of the table: a vendor's kind of file."""

    name: str
    source: str
    """Where its rule is written down."""
    levels: str
    """The rule of its levels, in words."""
    associated: str
    spacing: str
    read: Callable[[_Chain], Slide | None]
    """Reads the directories of the chain that describe images; None if they are another kind."""


type KnownSlide = tuple[SlideKind, Slide]


def slide_of(chain: _Chain) -> KnownSlide | None:
    """Return the kind of a slide and its parts; None if no vendor's row knows the file.

    Tags that cannot be read, and texts that are not understood, say nothing.
    """
    for kind in SLIDES if chain else ():
        try:
            slide = kind.read(chain)
            if slide is not None and slide.images:
                return kind, replace(slide, images=tuple(map(_checked, slide.images)))
        except (TiffError, ValueError, OverflowError, ZeroDivisionError):
            continue
    return None


def _checked(image: SlideImage) -> SlideImage:
    """Return an image without the levels that are none, whatever the vendor's metadata say."""
    full = image.levels[0][0]
    kept = [
        n
        for n, pages in enumerate(image.levels)
        if len(pages) == len(image.levels[0])
        and all(alike(page, full) and _size(page) == _size(pages[0]) for page in pages)
        and (n == 0 or _area(pages[0]) < _area(full))
    ]
    if len(kept) == len(image.levels):
        return image
    if 0 not in kept:
        msg = f"the pages of IFD {full.path} and its channels or planes differ"
        raise ValueError(msg)

    def those[T](each: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(each[n] for n in kept) if each else ()

    return replace(
        image,
        levels=those(image.levels),
        spacing=those(image.spacing),
        sizes=those(image.sizes),
    )


def _area(ifd: ImageFileDirectory) -> int:
    return ifd.ImageLength * ifd.ImageWidth


# ------------------------------------------------------------- what all vendors have in common


def description_of(ifd: ImageFileDirectory) -> str | None:
    """Return ImageDescription, if it is a text."""
    entry = ifd.entries.get(Tag.ImageDescription)
    is_text = entry is not None and entry.field_type.nbytes == 1 and entry.data is not None
    return ifd.text(Tag.ImageDescription) if is_text else None


def can_be_level(ifd: ImageFileDirectory, full: ImageFileDirectory) -> bool:
    """Return whether an image is another one in reduced resolution.

    It is smaller, of the same type and proportions; one pixel is lost by rounding.
    """
    if not alike(ifd, full):
        return False
    width, length = ifd.ImageWidth, ifd.ImageLength
    if not (0 < width < full.ImageWidth and 0 < length <= full.ImageLength) and not (
        0 < width <= full.ImageWidth and 0 < length < full.ImageLength
    ):
        return False
    across, down = full.ImageWidth / width, full.ImageLength / length
    return abs(full.ImageLength / across - length) <= 1 or abs(full.ImageWidth / down - width) <= 1


def alike(ifd: ImageFileDirectory, other: ImageFileDirectory) -> bool:
    """Return whether two images have pixels of one type, and are both masks or both not."""
    names = ("SamplesPerPixel", "BitsPerSample", "SampleFormat")
    same = all(getattr(ifd, name) == getattr(other, name) for name in names)
    return same and not (ifd.NewSubfileType ^ other.NewSubfileType) & SubfileType.Mask


def level_factor(full: ImageFileDirectory, level: ImageFileDirectory) -> _Size:
    """Return how many rows and columns of an image one of its level stands for.

    A whole number where the sizes of both are those of one, rounded; else their ratio.
    """
    pairs = ((full.ImageLength, level.ImageLength), (full.ImageWidth, level.ImageWidth))
    whole = round(full.ImageWidth / level.ImageWidth)
    if all(whole and small in (large // whole, -(-large // whole)) for large, small in pairs):
        return float(whole), float(whole)
    down, across = (large / small for large, small in pairs)
    return down, across


def _size(ifd: ImageFileDirectory) -> tuple[int, int]:
    return ifd.ImageLength, ifd.ImageWidth


def _is_tiled(ifd: ImageFileDirectory) -> bool:
    return ifd.TileWidth is not None


def _spacing_of_levels(levels: Sequence[_Pages], spacing: _Size | None) -> tuple[_Size, ...]:
    """Return the spacing of each level by that of the full resolution."""
    if spacing is None or not all(math.isfinite(size) and size > 0 for size in spacing):
        return ()
    factors = [level_factor(levels[0][0], level[0]) for level in levels]
    return tuple((spacing[0] * down, spacing[1] * across) for down, across in factors)


_MICROMETRES = {2: 25_400.0, 3: 10_000.0}
"""Of an inch and a centimetre, by ResolutionUnit."""


def _resolution(ifd: ImageFileDirectory) -> _Size | None:
    """Return micrometres of a pixel by YResolution and XResolution, if they have a unit."""
    unit = _MICROMETRES.get(ifd.integer(Tag.ResolutionUnit) or 2)
    x, y = ((ifd.floats(tag) or (0.0,))[0] for tag in (Tag.XResolution, Tag.YResolution))
    if unit is None or not (x > 0 and y > 0 and math.isfinite(x) and math.isfinite(y)):
        return None
    return unit / y, unit / x


def _stated_or_derived(levels: Sequence[_Pages]) -> tuple[_Size, ...]:
    """Return the spacing of levels by their own resolution tags, or by that of the first."""
    stated = [_resolution(level[0]) for level in levels]
    known = [each for each in stated if each is not None]
    if len(known) == len(stated) == len(set(known)):
        return tuple(known)
    return _spacing_of_levels(levels, stated[0])


def _by_size(ifds: Iterable[ImageFileDirectory]) -> list[_Pages]:
    """Return the pages of each size together, from large to small."""
    sizes: dict[tuple[int, int], list[ImageFileDirectory]] = {}
    for ifd in ifds:
        sizes.setdefault(_size(ifd), []).append(ifd)
    ordered = sorted(sizes, key=lambda size: -size[0] * size[1])
    return [tuple(sizes[size]) for size in ordered]


def _xml(ifd: ImageFileDirectory, text: str | None) -> Element | None:
    what = f"IFD {ifd.path}: the slide's XML"
    return parse_xml(text, what=what, limits=ifd.limits) if text else None


def _descendants(element: Element, name: str) -> Iterator[Element]:
    return (each for each in element.iter() if local_name(each) == name)


def _text(element: Element, *path: str) -> str | None:
    """Return the text of the element that a path of names leads to."""
    found: Element | None = element
    for name in path:
        found = None if found is None else next(children(found, name), None)
    return None if found is None or found.text is None else found.text.strip() or None


def _properties(items: Iterable[tuple[str, str | float | None]]) -> dict[str, str | float]:
    """Return what is short enough to be an attribute."""
    properties: dict[str, str | float] = {}
    for name, value in items:
        if value is None or len(str(value)) > _LONGEST_VALUE:
            continue
        if len(properties) == _MOST_PROPERTIES:
            warn(f"the slide has more than {_MOST_PROPERTIES} properties; the others are left out")
            break
        properties.setdefault(name, value)
    return properties


# ------------------------------------------------------------------------------- Aperio


def _aperio(chain: _Chain) -> Slide | None:
    """Levels are the tiled images; the second directory is a thumbnail, label and macro the last.

    The description's second line begins with the name of a label and of a macro. Several tiled
    images of each size are focal planes.
    """
    image = chain[0]
    description = description_of(image) or ""
    if not _is_tiled(image) or not description.startswith("Aperio"):
        return None
    names: dict[str, str] = {}
    rest = list(chain[1:])
    if rest and not _is_tiled(rest[0]):
        names[rest.pop(0).path] = "thumbnail"
    tiled = [
        ifd
        for ifd in takewhile(lambda ifd: _is_tiled(ifd) and not subfile_bits(ifd), rest)
        if can_be_level(ifd, image) or (_size(ifd) == _size(image) and alike(ifd, image))
    ]
    levels = _by_size([image, *tiled])
    if len({len(pages) for pages in levels}) > 1:
        levels = [pages[:1] for pages in levels]
    parts = {ifd.path for pages in levels for ifd in pages} | names.keys()
    for ifd in rest:
        if ifd.path in parts:
            continue
        words = (description_of(ifd) or "").partition("\n")[2].split()
        word = words[0].lower() if words else ""
        if word in ("label", "macro"):
            names[ifd.path] = word
        elif subfile_bits(ifd) in (SubfileType.ReducedImage, MACRO):
            names[ifd.path] = "macro" if subfile_bits(ifd) == MACRO else "label"
    pairs = [item.partition("=") for item in description.split("|")[1:]]
    items = {name.strip(): value.strip() for name, equals, value in pairs if equals}
    mpp = finite_number(items.get("MPP"))
    return Slide(
        images=(
            SlideImage(
                levels=tuple(levels),
                axis="z" if len(levels[0]) > 1 else "",
                spacing=_spacing_of_levels(levels, None if mpp is None else (mpp, mpp)),
            ),
        ),
        associated=names,
        properties=_properties((f"aperio.{name}", value) for name, value in items.items()),
    )


# ---------------------------------------------------------------------------- Hamamatsu

_LENSES = {-1.0: "macro", -2.0: "map"}

_NDPI_PROPERTIES = {
    Tag.NDPI_XOffsetFromSlideCenter: "XOffsetFromSlideCentre",
    Tag.NDPI_YOffsetFromSlideCenter: "YOffsetFromSlideCentre",
    Tag.NDPI_SlideLabel: "Reference",
    Tag.NDPI_ScannerSerialNumber: "ScannerSerialNumber",
}


def _hamamatsu(chain: _Chain) -> Slide | None:
    """SourceLens is the magnification of a level; -1 means the macro, and -2 the map.

    Focal planes have an offset in z; the plane without one comes first.
    """
    if Tag.NDPI_FileFormat not in chain[0].entries:
        return None
    names: dict[str, str] = {}
    planes: dict[int, list[ImageFileDirectory]] = {}
    for ifd in chain:
        lens = (ifd.floats(Tag.NDPI_Magnification) or (math.nan,))[0]
        if lens in _LENSES:
            names.setdefault(ifd.path, _LENSES[lens])
        elif lens > 0:
            z = ifd.integer(Tag.NDPI_ZOffsetFromSlideCenter) or 0
            planes.setdefault(z, []).append(ifd)
    if not planes:
        return None
    pyramids = {z: _by_size(ifds) for z, ifds in sorted(planes.items())}
    heights = list(pyramids)
    shapes = {tuple((_size(p[0]), len(p)) for p in levels) for levels in pyramids.values()}
    alone = all(len(pages) == 1 for levels in pyramids.values() for pages in levels)
    if alone and len(shapes) == 1 and len(heights) > 1:
        joined = tuple(
            tuple(page for pages in level for page in pages)
            for level in zip(*pyramids.values(), strict=True)
        )
        step = (heights[-1] - heights[0]) / (len(heights) - 1) / 1000  # nanometres
        images: tuple[SlideImage, ...] = (
            SlideImage(levels=joined, axis="z", spacing=_stated_or_derived(joined), step=step),
        )
    else:
        heights.sort(key=abs)
        first = [tuple(page[:1] for page in pyramids[z]) for z in heights]
        images = tuple(
            SlideImage(levels=levels, spacing=_stated_or_derived(levels)) for levels in first
        )
    return Slide(images=images, associated=names, properties=_ndpi_properties(chain[0]))


def _ndpi_properties(ifd: ImageFileDirectory) -> dict[str, str | float]:
    items: list[tuple[str, str | float | None]] = []
    lens = ifd.floats(Tag.NDPI_Magnification)
    items.append(("hamamatsu.SourceLens", lens[0] if lens else None))
    for tag, name in _NDPI_PROPERTIES.items():
        if tag in ifd.entries:
            is_text = ifd.entries[tag].field_type.nbytes == 1
            value = ifd.text(tag) if is_text else ifd.integer(tag)
            items.append((f"hamamatsu.{name}", value))
    comments = ifd.text(Tag.NDPI_Comments) if Tag.NDPI_Comments in ifd.entries else None
    for line in (comments or "").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip():
            items.append((f"hamamatsu.{name.strip()}", value.strip()))
    return _properties(items)


# ------------------------------------------------------------------------------ Philips


def _philips(chain: _Chain) -> Slide | None:
    """Levels are the tiled images, padded to whole tiles; the XML has the spacing of each.

    The ratio of two spacings is a power of two. It gives the size without padding, as in tifffile.
    """
    ifd = chain[0]
    software = ifd.text(Tag.Software) if Tag.Software in ifd.entries else None
    if not (software or "").startswith("Philips"):
        return None
    root = _xml(ifd, description_of(ifd))
    if root is None or root.get("ObjectType") != "DPUfsImport":
        return None
    names: dict[str, str] = {}
    levels: list[_Pages] = []
    for each in chain:
        text = description_of(each) or ""
        name = next((n for n in ("Macro", "Label") if text.startswith(n)), None)
        if name is not None:
            names[each.path] = name.lower()
        elif _is_tiled(each):
            levels.append((each,))
    spacing = tuple(_philips_spacing(root))
    if not levels or levels[0][0] is not ifd:
        return None
    if len(spacing) == len(levels):
        whole = [(round(y / spacing[0][0]), round(x / spacing[0][1])) for y, x in spacing]
        sizes = tuple(
            _without_padding(level[0], (ifd.ImageLength // down, ifd.ImageWidth // across))
            for level, (down, across) in zip(levels, whole, strict=True)
        )
    else:
        warn(
            f"IFD {ifd.path}: the XML of the slide has {len(spacing)} pixel spacings for "
            f"{len(levels)} levels; their sizes are as padded, and have no unit"
        )
        spacing, sizes = (), ()
    return Slide(
        images=(SlideImage(levels=tuple(levels), spacing=spacing, sizes=sizes),),
        associated=names,
        properties=_properties(_philips_items(root, "philips")),
    )


def _without_padding(ifd: ImageFileDirectory, meant: tuple[int, int]) -> tuple[int, int]:
    """Return a level's size without what pads it: less than a tile, whatever the factor says."""
    tiles = (ifd.TileLength or 1, ifd.TileWidth or 1)
    length, width = (
        min(stored, max(size, stored - tile + 1))
        for stored, size, tile in zip(_size(ifd), meant, tiles, strict=True)
    )
    return length, width


def _philips_spacing(root: Element) -> Iterator[_Size]:
    """Yield DICOM_PIXEL_SPACING of each level, in micrometres: millimetres of a row, a column."""
    for item in _descendants(root, "DataObject"):
        if item.get("ObjectType") != "PixelDataRepresentation":
            continue
        for attribute in children(item, "Attribute"):
            if attribute.get("Name") == "DICOM_PIXEL_SPACING":
                row, column = (attribute.text or "").replace('"', "").split()
                yield float(row) * 1000, float(column) * 1000


def _philips_items(parent: Element, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield what the XML says of the slide and its scan, by OpenSlide's names."""
    for attribute in children(parent, "Attribute"):
        name = attribute.get("Name")
        array = next(children(attribute, "Array"), None)
        objects = [] if array is None else list(children(array, "DataObject"))
        if name == "PIM_DP_SCANNED_IMAGES":
            for item in [each for each in objects if _is_scan(each)][:1]:
                yield from _philips_items(item, prefix)
        elif name == "PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE":
            for number, item in enumerate(objects):
                yield from _philips_items(item, f"{prefix}.{name}[{number}]")
        elif name and not len(attribute) and attribute.text:
            yield f"{prefix}.{name}", attribute.text


def _is_scan(item: Element) -> bool:
    return any(
        each.get("Name") == "PIM_DP_IMAGE_TYPE" and each.text == "WSI"
        for each in children(item, "Attribute")
    )


# ------------------------------------------------------------------- PerkinElmer and Akoya

_QPI_ROOT = "PerkinElmer-QPI-ImageDescription"
_QPI_NAMES = {"Thumbnail": "thumbnail", "Overview": "macro", "Label": "label"}


def _qptiff(chain: _Chain) -> Slide | None:
    """ImageType of each page's XML says what it is; the pages of a level are its channels.

    Where no page says it, their order does: channels, thumbnail, reduced channels, macro, label.
    """
    software = chain[0].text(Tag.Software) if Tag.Software in chain[0].entries else None
    texts = {ifd.path: description_of(ifd) or "" for ifd in chain}
    known = f"<{_QPI_ROOT}" in texts[chain[0].path]
    if not known and not (software or "").startswith("PerkinElmer-QPI"):
        return None
    documents = {
        ifd.path: root
        for ifd in chain
        if f"<{_QPI_ROOT}" in texts[ifd.path] and (root := _xml(ifd, texts[ifd.path])) is not None
    }
    kinds = {path: _text(root, "ImageType") or "" for path, root in documents.items()}
    if any(kinds.values()):
        names = {path: _QPI_NAMES[kind] for path, kind in kinds.items() if kind in _QPI_NAMES}
        pages = [ifd for ifd in chain if kinds.get(ifd.path, "").endswith("Resolution")]
    else:
        pages, names = _qpi_order(chain)
    if not pages or pages[0] is not chain[0]:
        return None
    levels = _by_size(pages)
    channels = [documents[ifd.path] for ifd in levels[0] if ifd.path in documents]
    several = len(channels) == len(levels[0]) > 1
    sizes = (each.text for root in channels[:1] for each in _descendants(root, "PixelSizeMicrons"))
    size = finite_number(next(sizes, None))
    own = _resolution(chain[0]) if size is None or size <= 0 else (size, size)
    items = [(local_name(e), (e.text or "").strip()) for r in channels[:1] for e in r if not len(e)]
    skipped = {"ImageType", "Name", "Color"}
    return Slide(
        images=(
            SlideImage(
                levels=tuple(levels),
                axis="c" if len(levels[0]) > 1 else "",
                spacing=_spacing_of_levels(levels, own),
                channels=tuple(map(_qpi_channel, channels)) if several else (),
            ),
        ),
        associated=names,
        properties=_properties(
            (f"akoya.{name}", value) for name, value in items if value and name not in skipped
        ),
    )


def _qpi_order(chain: _Chain) -> tuple[list[ImageFileDirectory], dict[str, str]]:
    """Return the pages of all levels, and the names of the others, by their order alone."""
    full = chain[0]
    pages = list(takewhile(lambda ifd: _size(ifd) == _size(full) and alike(ifd, full), chain))
    count, at = len(pages), len(pages) + 1
    names = {ifd.path: "thumbnail" for ifd in chain[count:at]}
    while _is_tiled(full) and len(level := chain[at : at + count]) == count:
        if len({_size(ifd) for ifd in level}) > 1 or not can_be_level(level[0], pages[-1]):
            break
        pages += level
        at += count
    rest = zip(chain[at:], ("macro", "label"), strict=False)
    return pages, names | {ifd.path: name for ifd, name in rest}


def _qpi_channel(root: Element) -> OmeChannel:
    parts = (_text(root, "Color") or "").split(",")
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    color = "".join(f"{number:02X}" for number in numbers) if len(numbers) == 3 else None
    is_color = color is not None and max(numbers) < 256
    return OmeChannel(name=_text(root, "Name"), color=color if is_color else None, samples=1)


# -------------------------------------------------------------------------------- Leica

_SCN = "http://www.leica-microsystems.com/scn/"


def _leica(chain: _Chain) -> Slide | None:
    """Read the XML, which lists images, and for each the directory of a level and a channel.

    An image that shows all of the slide is its macro.
    """
    text = description_of(chain[0]) or ""
    is_scn = _SCN in text or text[-10:].strip().endswith("</scn>")
    root = _xml(chain[0], text) if is_scn else None
    collection = None if root is None else next(children(root, "collection"), None)
    if collection is None:
        return None
    by_path = {ifd.path: ifd for ifd in chain}
    images: list[SlideImage] = []
    macros: list[SlideImage] = []
    scan: Element | None = None
    for image in children(collection, "image"):
        made = _leica_image(image, by_path)
        if made is None:
            continue
        view = next(children(image, "view"), None)
        shows_all = view is not None and all(
            view.get(f"size{axis}") == collection.get(f"size{axis}")
            and view.get(f"offset{axis}", "0") == "0"
            for axis in "XY"
        )
        (macros if shows_all else images).append(made)
        scan = image if scan is None and not shows_all else scan
    if not images:
        images, macros = macros, []
    names = {
        made.levels[0][0].path: "macro" if not number else f"macro_{number}"
        for number, made in enumerate(macros)
    }
    source = scan if scan is not None else collection
    device = next(children(source, "device"), None)
    settings = ("scanSettings", "illuminationSettings")
    items = (
        ("leica.barcode", _from_base64(_text(collection, "barcode"))),
        ("leica.creation-date", _text(source, "creationDate")),
        ("leica.device-model", None if device is None else device.get("model")),
        ("leica.device-version", None if device is None else device.get("version")),
        ("leica.objective", _text(source, "scanSettings", "objectiveSettings", "objective")),
        ("leica.aperture", _text(source, *settings, "numericalAperture")),
        ("leica.illumination-source", _text(source, *settings, "illuminationSource")),
    )
    return Slide(images=(*images, *macros), associated=names, properties=_properties(items))


def _from_base64(text: str | None) -> str | None:
    """Return a text that is written in base64; as it is, if it is not."""
    try:
        return base64.b64decode(text or "", validate=True).decode() or None
    except ValueError:
        return text


def _leica_image(image: Element, by_path: Mapping[str, ImageFileDirectory]) -> SlideImage | None:
    """Return one image; None if its levels have not the same channels and planes."""
    pixels = next(children(image, "pixels"), None)
    view = next(children(image, "view"), None)
    levels: dict[int, dict[tuple[int, int], ImageFileDirectory]] = {}
    for each in () if pixels is None else children(pixels, "dimension"):
        resolution, channel, plane = (int(each.get(name, "0")) for name in "rcz")
        ifd = by_path.get(each.get("ifd", ""))
        if ifd is not None:
            levels.setdefault(resolution, {})[channel, plane] = ifd
    places = {tuple(sorted(of_level)) for of_level in levels.values()}
    if len(places) != 1:
        return None
    (keys,) = places
    channels, planes = (len({key[part] for key in keys}) for part in (0, 1))
    if channels * planes != len(keys) or min(channels, planes) > 1:
        return None
    pages = tuple(tuple(levels[r][key] for key in keys) for r in sorted(levels))
    sizes = [finite_number(None if view is None else view.get(f"size{axis}")) for axis in "YX"]
    starts = [finite_number(None if view is None else view.get(f"offset{axis}")) for axis in "YX"]
    spacing = None
    if all(sizes):
        lengths = _size(pages[0][0])
        down, across = (
            (nanometres or 0) / 1000 / n for nanometres, n in zip(sizes, lengths, strict=True)
        )
        spacing = (down, across)
    else:
        spacing = _resolution(pages[0][0])
    step = finite_number(None if view is None else view.get("spacingZ"))
    return SlideImage(
        levels=pages,
        axis="c" if channels > 1 else "z" if planes > 1 else "",
        name=image.get("name"),
        spacing=_spacing_of_levels(pages, spacing),
        step=step / 1000 if step and planes > 1 else None,
        origin=None if None in starts else ((starts[0] or 0) / 1000, (starts[1] or 0) / 1000),
    )


# ------------------------------------------------------------------------------ Ventana

_BIF_NAMES = {"Label": "macro", "Thumbnail": "thumbnail", "Probability": "probability"}


def _ventana(chain: _Chain) -> Slide | None:
    """Take levels by descriptions as `level=0 mag=40 quality=90`; the slide's XMP has iScan."""
    root: Element | None = None
    source = chain[0]
    for ifd in chain:
        raw = ifd.raw(Tag.XMP) if Tag.XMP in ifd.entries else None
        if raw is not None and b"iScan" in raw:
            root, source = _xml(ifd, decode_text(raw.rstrip(b"\0"))), ifd
            break
    scan = None if root is None else next(_descendants(root, "iScan"), None)
    if scan is None and not any(Tag.XMP in ifd.entries for ifd in chain):
        return None
    scan = Element("iScan") if scan is None else scan
    names: dict[str, str] = {}
    levels: list[tuple[int, float | None, ImageFileDirectory]] = []
    for ifd in chain:
        text = (description_of(ifd) or "").strip()
        words = dict(word.partition("=")[::2] for word in text.split())
        name = next((n for prefix, n in _BIF_NAMES.items() if text.startswith(prefix)), None)
        if words.get("level", "").isdecimal() and "mag" in words:
            levels.append((int(words["level"]), finite_number(words.get("mag")), ifd))
        elif name is not None:
            names.setdefault(ifd.path, name)
    if not levels:
        return None
    levels.sort(key=lambda level: level[0])
    pages = tuple((ifd,) for _, _, ifd in levels)
    resolution, magnification = (
        finite_number(scan.get("ScanRes")),
        finite_number(scan.get("Magnification")),
    )
    mags = [mag for _, mag, _ in levels]
    spacing: tuple[_Size, ...] = ()
    if resolution and magnification and all(mags):
        sizes = [resolution * magnification / (mag or 1) for mag in mags]
        spacing = tuple((size, size) for size in sizes)
    elif resolution:
        spacing = _spacing_of_levels(pages, (resolution, resolution))
    warn(
        f"IFD {source.path}: the tiles of this Ventana slide overlap and are not stitched: they "
        "lie side by side, as in the file"
    )
    return Slide(
        images=(SlideImage(levels=pages, spacing=spacing),),
        associated=names,
        properties=_properties((f"ventana.{name}", value) for name, value in scan.attrib.items()),
    )


# ------------------------------------------------------------------------------- libvips

_VIPS = "http://www.vips.ecs.soton.ac.uk/"
_VIPS_DEFAULT = 1000.0
"""Micrometres of a pixel where libvips knows no resolution: it writes one a millimetre."""


def _libvips(chain: _Chain) -> Slide | None:
    """Levels are marked, in the chain or in SubIFDs; XML has the properties of the source."""
    ifd = chain[0]
    text = description_of(ifd) or ""
    root = _xml(ifd, text) if _VIPS in text else None
    if root is None or not _is_tiled(ifd):
        return None
    reduced = [each for each in (*chain[1:], *ifd.subifds) if can_be_level(each, ifd)]
    levels = _by_size([ifd, *reduced])
    if any(len(level) > 1 for level in levels):
        return None
    pairs = ((_text(each, "name"), _text(each, "value")) for each in _descendants(root, "property"))
    items = {name: value for name, value in pairs if name and value}
    y, x = (finite_number(items.get(f"openslide.mpp-{axis}")) for axis in "yx")
    spacing = (y, x) if y and x else _resolution(ifd)
    if spacing == (_VIPS_DEFAULT, _VIPS_DEFAULT):
        spacing = None
    return Slide(
        images=(SlideImage(levels=tuple(levels), spacing=_spacing_of_levels(levels, spacing)),),
        properties=_properties(
            (name, value) for name, value in items.items() if name.startswith("openslide.")
        ),
    )


# ----------------------------------------------------------------------------------- OME

_MICROMETRES_OF = {"µm": 1.0, "um": 1.0, "μm": 1.0, "nm": 0.001, "mm": 1000.0, "cm": 10_000.0}


def _ome_pyramid(chain: _Chain) -> Slide | None:
    """OME-XML names the planes of images; the SubIFDs of a plane are its levels."""
    text = description_of(chain[0])
    if not any(ifd.subifds for ifd in chain) or "OME" not in (text or ""):
        return None
    ome = parse_ome(text, ifd=chain[0].path, limits=chain[0].limits)
    if ome is None:
        return None
    ome = ome.of_file(unquote(PurePosixPath(source_name.get() or "").name) or None)
    by_number = {int(ifd.path): ifd for ifd in chain}
    images: list[SlideImage] = []
    for image in ome.images:
        planes = find_planes(
            image,
            samples=lambda n: by_number[n].SamplesPerPixel if n in by_number else 1,
            ifd_count=max(by_number) + 1,
            max_planes=len(chain),
        )
        if planes is None:  # another file has it
            continue
        axes = [axis for axis, n in zip("tcz", planes.shape, strict=True) if n > 1]
        known = tuple(by_number[n] for n in planes.ifds if n is not None and n in by_number)
        if not known or len(known) < len(planes.ifds):
            return None
        reduced = [
            _by_size(sub for sub in page.subifds if can_be_level(sub, page)) for page in known
        ]
        depth = min(map(len, reduced))
        levels = (known, *(tuple(of[k][0] for of in reduced) for k in range(depth)))
        y, x = (_in_micrometres(image.spacing.get(axis)) for axis in "YX")
        whole = SlideImage(
            levels=levels,
            axis="".join(axes),
            name=image.name,
            spacing=_spacing_of_levels(levels, None if y is None or x is None else (y, x)),
            channels=image.channels,
        )
        # along several axes each plane is an image: only the layout pyramid asks for them
        alone = len(axes) > 1
        images += [whole.page(n) for n in range(len(known))] if alone else [whole]
    return Slide(images=tuple(images))


def _in_micrometres(size: tuple[float, str] | None) -> float | None:
    factor = None if size is None else _MICROMETRES_OF.get(size[1])
    return None if size is None or factor is None else size[0] * factor


SLIDES: tuple[SlideKind, ...] = (
    SlideKind(
        name="Aperio SVS",
        source="Aperio Digital Slides and Third-Party Data Interchange, Rev. D; OpenSlide",
        levels="the tiled images before the first that NewSubfileType marks; several of one size "
        "are focal planes",
        associated="thumbnail (second directory), label, macro",
        spacing="MPP in ImageDescription",
        read=_aperio,
    ),
    SlideKind(
        name="Hamamatsu NDPI",
        source="Hamamatsu's NDPI specification; OpenSlide",
        levels="SourceLens (65421) above 0; focal planes by ZOffsetFromSlideCenter (65424)",
        associated="macro (SourceLens -1), map (-2)",
        spacing="XResolution and YResolution of each level",
        read=_hamamatsu,
    ),
    SlideKind(
        name="Philips TIFF",
        source="OpenSlide, Philips TIFF; tifffile's series_philips",
        levels="the tiled images, without the padding to whole tiles",
        associated="label, macro, by ImageDescription",
        spacing="DICOM_PIXEL_SPACING of each level in the XML",
        read=_philips,
    ),
    SlideKind(
        name="Akoya QPTIFF",
        source="PerkinElmer's PKI_Image Format; Bio-Formats' VectraReader",
        levels="ImageType FullResolution and ReducedResolution, or else the order of pages; those "
        "of one size are channels",
        associated="thumbnail, macro (Overview), label",
        spacing="PixelSizeMicrons in the XML, or XResolution",
        read=_qptiff,
    ),
    SlideKind(
        name="Leica SCN",
        source="OpenSlide, Leica format; tifffile's series_scn",
        levels="the `dimension` elements of each `image` in the XML; several images are scenes",
        associated="macro: the image that shows all of the slide",
        spacing="`view` in the XML, nanometres",
        read=_leica,
    ),
    SlideKind(
        name="Ventana BIF",
        source="Roche's BIF Image File Format; OpenSlide, Ventana format",
        levels="`level=` in ImageDescription; overlapping tiles are not stitched",
        associated="macro (Label Image), thumbnail, probability",
        spacing="ScanRes and the level's magnification in iScan",
        read=_ventana,
    ),
    SlideKind(
        name="libvips pyramid",
        source="libvips' tiffsave; OpenSlide, generic tiled TIFF",
        levels="smaller images of the same proportions, in the chain or in SubIFDs",
        associated="",
        spacing="openslide.mpp-x in the XML, or XResolution",
        read=_libvips,
    ),
    SlideKind(
        name="OME-TIFF pyramid",
        source="OME-TIFF specification, sub-resolutions: QuPath, Bio-Formats and others",
        levels="the SubIFDs of the planes that OME-XML names",
        associated="",
        spacing="PhysicalSizeX and PhysicalSizeY",
        read=_ome_pyramid,
    ),
)
"""In the order in which they are tried."""
