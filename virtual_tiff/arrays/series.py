"""Which directories of a file are one image: levels, masks and associated images.

NewSubfileType says that a directory is reduced, and not of which image; many writers call the
photograph of a slide's label reduced, too, and others mark no level at all. GDAL takes each reduced
directory for an overview of the image before it. Here an image is a level if it is one: of the same
type and proportions as another one, smaller, and where the format of the file puts levels. What is
none is an image of its own.

The vendors of whole-slide images have rules of their own, `metadata/slides.py`: the first row that
recognises a file decides. The generic rule, here, is the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from virtual_tiff.metadata.slides import (
    MACRO,
    KnownSlide,
    Slide,
    alike,
    can_be_level,
    slide_of,
)
from virtual_tiff.tiff import ImageFileDirectory, Tag, is_full, kind_of, subfile_bits

__all__ = ["series_of", "without_padding"]

_FACTORS = (2, 3, 4)
"""Between the levels of a pyramid that nothing marks; tifffile tries the same."""


@dataclass(frozen=True, slots=True)
class Series:
    """How the directories of a file belong together."""

    format: str | None
    """What wrote it, in words; None if only the generic rule holds."""
    owners: Mapping[str, ImageFileDirectory]
    """By path of a level or a mask: its image at full resolution."""
    names: Mapping[str, str] = field(default_factory=dict)
    """By path of an associated image: thumbnail, label or macro."""
    slide: Slide | None = None
    """What the vendor of a slide says of it."""


def series_of(
    ifds: Sequence[ImageFileDirectory],
    full: Mapping[str, ImageFileDirectory],
    known: KnownSlide | None = None,
) -> Series:
    """Return how directories belong together.

    `ifds` are those that describe images, with their SubIFDs. `full` has, by path of an overview
    and of a mask, the image that NewSubfileType and the order of the directories give it. The slide
    may be known of all directories; None looks for it.
    """
    series = _generic(ifds, full)
    known = known or slide_of([ifd for ifd in ifds if "/" not in ifd.path])
    if known is not None:
        kind, slide = known
        owners = dict(series.owners)
        for image in slide.images:
            for pages in image.levels[1:]:
                owners |= {
                    page.path: first for page, first in zip(pages, image.levels[0], strict=True)
                }
        for path in (*slide.associated, *(i.path for s in slide.images for i in s.levels[0])):
            owners.pop(path, None)
        series = Series(kind.name, owners, {**series.names, **slide.associated}, slide)
    # what reduces a level reduces the level's image
    return replace(series, owners={path: _first(path, series.owners) for path in series.owners})


def without_padding(
    ifds: Sequence[ImageFileDirectory], slide: Slide
) -> tuple[ImageFileDirectory, ...]:
    """Return the directories of a slide; levels that are padded to whole tiles without padding."""
    sizes = {
        page.path: size
        for image in slide.images
        for pages, size in zip(image.levels, image.sizes, strict=bool(image.sizes))
        for page in pages
    }
    return tuple(_resized(ifd, sizes[ifd.path]) if ifd.path in sizes else ifd for ifd in ifds)


def _resized(ifd: ImageFileDirectory, size: tuple[int, int]) -> ImageFileDirectory:
    """Return a directory with other numbers of rows and columns."""
    if size == (ifd.ImageLength, ifd.ImageWidth):
        return ifd
    order = ifd.variant.byte_order
    entries = dict(ifd.entries)
    for tag, number in zip((Tag.ImageLength, Tag.ImageWidth), size, strict=True):
        entry = entries[tag]
        nbytes = entry.field_type.nbytes
        entries[int(tag)] = entry._replace(data=number.to_bytes(nbytes, order))
    return replace(ifd, entries=entries)


def _first(path: str, owners: Mapping[str, ImageFileDirectory]) -> ImageFileDirectory:
    owner = owners[path]
    while owner.path in owners:  # each comes before those that it owns, so this ends
        owner = owners[owner.path]
    return owner


# ------------------------------------------------------------------------- the generic rule


def _generic(ifds: Sequence[ImageFileDirectory], full: Mapping[str, ImageFileDirectory]) -> Series:
    owners: dict[str, ImageFileDirectory] = {}
    names: dict[str, str] = {}
    for ifd in ifds:
        image = full.get(ifd.path)
        if image is not None and (kind_of(ifd) == "mask" or can_be_level(ifd, image)):
            owners[ifd.path] = image
        elif subfile_bits(ifd) == MACRO:
            names[ifd.path] = "macro"
    owners = _one_to_one(ifds, owners) | _unmarked(ifds, full)
    return Series(None, owners, names)


def _one_to_one(
    ifds: Sequence[ImageFileDirectory], owners: Mapping[str, ImageFileDirectory]
) -> dict[str, ImageFileDirectory]:
    """Give reduced images of one size to the pages before them, one to each.

    An image has one level of a size. N equal pages, and then N reduced images of one size, are the
    pages of a stack and their levels. Where the numbers differ the first of a size is the level,
    and the others are images of their own.
    """
    paired = dict(owners)
    chain = [ifd for ifd in ifds if "/" not in ifd.path]
    reduced: dict[str, dict[tuple[int, int], list[str]]] = {}
    for ifd in chain:
        if ifd.path in owners and kind_of(ifd) != "mask":
            size = (ifd.ImageWidth, ifd.ImageLength)
            reduced.setdefault(owners[ifd.path].path, {}).setdefault(size, []).append(ifd.path)
    for owner, sizes in reduced.items():
        if max(map(len, sizes.values())) == 1:
            continue
        pages = _pages_before(chain, owner)
        for paths in sizes.values():
            if len(paths) == len(pages):
                paired |= zip(paths, pages, strict=True)
            else:
                for path in paths[1:]:
                    del paired[path]
    return paired


def _pages_before(chain: Sequence[ImageFileDirectory], last: str) -> list[ImageFileDirectory]:
    """Return the equal images of the chain that end with one, in their order."""
    at = next((n for n, ifd in enumerate(chain) if ifd.path == last), None)
    if at is None:  # it is left out, as it cannot be read
        return []
    image, pages = chain[at], []
    for ifd in reversed(chain[: at + 1]):
        size = (ifd.ImageWidth, ifd.ImageLength) == (image.ImageWidth, image.ImageLength)
        if not (size and is_full(ifd) and alike(ifd, image)):
            break
        pages.append(ifd)
    return pages[::-1]


def _unmarked(
    ifds: Sequence[ImageFileDirectory], full: Mapping[str, ImageFileDirectory]
) -> dict[str, ImageFileDirectory]:
    """Return the levels of pyramids that no tag marks, with their images.

    They are tiled, as only pyramids of large images are made so, and each has the size of the one
    before divided by 2, 3 or 4, always by the same. Images of which one has a place are none: GDAL
    marks overviews, and two rasters of one file may well be of two resolutions.
    """
    owners: dict[str, ImageFileDirectory] = {}
    images = [
        ifd
        for ifd in ifds
        if "/" not in ifd.path
        and ifd.path not in full
        and ifd.TileWidth is not None
        and subfile_bits(ifd) == 0
        and not any(tag in ifd for tag in _PLACES)
    ]
    for n, image in enumerate(images):
        if image.path in owners:
            continue
        last, factor = image, None
        for ifd in images[n + 1 :]:
            tried = _FACTORS if factor is None else (factor,)
            step = next((f for f in tried if _is_step(ifd, last, f)), None)
            if step is not None and ifd.path not in owners and alike(ifd, image):
                owners[ifd.path] = image
                last, factor = ifd, step
    return owners


_PLACES = (Tag.ModelPixelScale, Tag.ModelTransformation, Tag.ModelTiepoint, Tag.RPCCoefficients)


def _is_step(ifd: ImageFileDirectory, before: ImageFileDirectory, factor: int) -> bool:
    """Whether both lengths are those of the image before, divided and rounded down or up."""
    pairs = ((ifd.ImageWidth, before.ImageWidth), (ifd.ImageLength, before.ImageLength))
    return all(new in (old // factor, -(-old // factor)) and 0 < new < old for new, old in pairs)
