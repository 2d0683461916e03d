"""Which directories of a file are one image: levels, masks and associated images.

NewSubfileType says that a directory is reduced, and not of which image; many writers call the
photograph of a slide's label reduced, too, and others mark no level at all. GDAL takes each reduced
directory for an overview of the image before it. Here an image is a level if it is one: of the same
type and proportions as another one, smaller, and where the format of the file puts levels. What is
none is an image of its own.

Each format is a row of `FORMATS`: how it is recognised, and how its directories belong together.
The first that recognises a file decides; the generic rule is the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from virtual_tiff.tiff import ImageFileDirectory, SubfileType, Tag, is_full, kind_of, subfile_bits

__all__ = ["FORMATS", "Format", "Series", "can_be_level", "description_of", "series_of"]

_MACRO = SubfileType.ReducedImage | 8
"""NewSubfileType of a slide's photograph; bit 3 is Aperio's and of those who copy it."""

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


@dataclass(frozen=True, slots=True)
class Format:
    """A row of the table: a writer, whose directories have an order of their own."""

    name: str
    source: str
    """Where the rule stands."""
    belong: Callable[[Sequence[ImageFileDirectory]], Series | None]
    """Returns how the directories of the chain belong together; None of another writer's file."""


def series_of(ifds: Sequence[ImageFileDirectory], full: Mapping[str, ImageFileDirectory]) -> Series:
    """Return how directories belong together.

    Parameters
    ----------
    ifds
        Those that describe images, with their SubIFDs.
    full
        By path of an overview and of a mask: the image that NewSubfileType and the order of the
        directories give it.
    """
    chain = [ifd for ifd in ifds if "/" not in ifd.path]
    generic = _generic(ifds, full)
    known = next(filter(None, (row.belong(chain) for row in FORMATS)), None)
    series = generic
    if known is not None:
        owners = {**generic.owners, **known.owners}
        for path in known.names:
            owners.pop(path, None)
        series = Series(known.format, owners, {**generic.names, **known.names})
    # what reduces a level reduces the level's image
    return replace(series, owners={path: _first(path, series.owners) for path in series.owners})


def _first(path: str, owners: Mapping[str, ImageFileDirectory]) -> ImageFileDirectory:
    owner = owners[path]
    while owner.path in owners:  # each comes before those that it owns, so this ends
        owner = owners[owner.path]
    return owner


def can_be_level(ifd: ImageFileDirectory, full: ImageFileDirectory) -> bool:
    """Return whether an image is another one in reduced resolution.

    It is smaller, of the same type and proportions; one pixel is lost by rounding.
    """
    if not _alike(ifd, full):
        return False
    width, length = ifd.ImageWidth, ifd.ImageLength
    if not (0 < width < full.ImageWidth and 0 < length <= full.ImageLength) and not (
        0 < width <= full.ImageWidth and 0 < length < full.ImageLength
    ):
        return False
    across, down = full.ImageWidth / width, full.ImageLength / length
    return abs(full.ImageLength / across - length) <= 1 or abs(full.ImageWidth / down - width) <= 1


def _alike(ifd: ImageFileDirectory, other: ImageFileDirectory) -> bool:
    names = ("SamplesPerPixel", "BitsPerSample", "SampleFormat")
    same = all(getattr(ifd, name) == getattr(other, name) for name in names)
    return same and not (ifd.NewSubfileType ^ other.NewSubfileType) & SubfileType.Mask


# ------------------------------------------------------------------------- the generic rule


def _generic(ifds: Sequence[ImageFileDirectory], full: Mapping[str, ImageFileDirectory]) -> Series:
    owners: dict[str, ImageFileDirectory] = {}
    names: dict[str, str] = {}
    for ifd in ifds:
        image = full.get(ifd.path)
        if image is not None and (kind_of(ifd) == "mask" or can_be_level(ifd, image)):
            owners[ifd.path] = image
        elif subfile_bits(ifd) == _MACRO:
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
        if not (size and is_full(ifd) and _alike(ifd, image)):
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
            if step is not None and ifd.path not in owners and _alike(ifd, image):
                owners[ifd.path] = image
                last, factor = ifd, step
    return owners


_PLACES = (Tag.ModelPixelScale, Tag.ModelTransformation, Tag.ModelTiepoint, Tag.RPCCoefficients)


def _is_step(ifd: ImageFileDirectory, before: ImageFileDirectory, factor: int) -> bool:
    """Whether both lengths are those of the image before, divided and rounded down or up."""
    pairs = ((ifd.ImageWidth, before.ImageWidth), (ifd.ImageLength, before.ImageLength))
    return all(new in (old // factor, -(-old // factor)) and 0 < new < old for new, old in pairs)


# -------------------------------------------------------------------------------- formats


def description_of(ifd: ImageFileDirectory) -> str | None:
    """Return ImageDescription, if it is a text."""
    entry = ifd.entries.get(Tag.ImageDescription)
    is_text = entry is not None and entry.field_type.nbytes == 1 and entry.data is not None
    return ifd.text(Tag.ImageDescription) if is_text else None


def _aperio(chain: Sequence[ImageFileDirectory]) -> Series | None:
    """Levels are the tiled images; the second directory is a thumbnail, label and macro the last.

    The description's second line begins with the name of a label and of a macro.
    """
    if not chain or chain[0].TileWidth is None:
        return None
    if not (description_of(chain[0]) or "").startswith("Aperio"):
        return None
    image, names = chain[0], {}
    rest = list(chain[1:])
    if rest and rest[0].TileWidth is None:
        names[rest.pop(0).path] = "thumbnail"
    levels = [
        ifd
        for ifd in takewhile(lambda ifd: ifd.TileWidth is not None and not subfile_bits(ifd), rest)
        if can_be_level(ifd, image)
    ]
    owners = {ifd.path: image for ifd in levels}
    for ifd in rest:
        if ifd.path in owners:
            continue
        words = (description_of(ifd) or "").partition("\n")[2].split()
        word = words[0].lower() if words else ""
        if word in ("label", "macro"):
            names[ifd.path] = word
        elif subfile_bits(ifd) in (SubfileType.ReducedImage, _MACRO):
            names[ifd.path] = "macro" if subfile_bits(ifd) == _MACRO else "label"
    return Series("Aperio SVS", owners, names)


FORMATS: tuple[Format, ...] = (
    Format(
        "Aperio SVS",
        "Aperio Digital Slides and Third-Party Data Interchange, Rev. D; OpenSlide, Aperio format",
        _aperio,
    ),
)
