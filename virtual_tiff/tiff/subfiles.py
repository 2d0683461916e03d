"""Which directory is an overview or a mask, and of which image.

TIFF 6.0 section 8, NewSubfileType: bit 0 is "a reduced-resolution version of another image in
this TIFF file", bit 2 "defines a transparency mask for another image". It does not say which
image; GDAL's GTiff driver (`GTiffDataset::ScanDirectories`) takes the first one. Files of
several images have each image's overviews behind it, or in its SubIFDs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from .constants import SubfileType, Tag
from .errors import TiffError
from .ifd import ImageFileDirectory

__all__ = ["Kind", "full_image_of", "full_images", "is_full", "kind_of", "subfile_bits"]

type Kind = Literal["image", "overview", "page", "mask"]

_FULL = ("image", "page")

_OLD = {2: SubfileType.ReducedImage, 3: SubfileType.Page}
"""SubfileType, the forerunner in TIFF 5.0, to NewSubfileType."""


def subfile_bits(ifd: ImageFileDirectory) -> int:
    """Return the bits of NewSubfileType; where it is absent, those that SubfileType means.

    A tag that is no whole number says nothing.

    Parameters
    ----------
    ifd
        A directory.

    Returns
    -------
    int
        The bits of NewSubfileType.
    """
    try:
        if Tag.NewSubfileType in ifd:
            return ifd.NewSubfileType
        return _OLD.get(ifd.SubfileType or 0, 0)
    except TiffError:
        return 0


def kind_of(ifd: ImageFileDirectory) -> Kind:
    """Return what NewSubfileType says a directory is; see `subfile_bits`.

    Parameters
    ----------
    ifd
        A directory.

    Returns
    -------
    str
        `"image"`, `"overview"`, `"page"` or `"mask"`.
    """
    return ifd.remembered(_kind)


def _kind(ifd: ImageFileDirectory) -> Kind:
    bits = subfile_bits(ifd)
    if bits & SubfileType.Mask:
        return "mask"
    if bits & SubfileType.ReducedImage:
        return "overview"
    return "page" if bits & SubfileType.Page else "image"


def is_full(ifd: ImageFileDirectory) -> bool:
    """Whether a directory describes an image, or a page, at full resolution.

    Parameters
    ----------
    ifd
        A directory.

    Returns
    -------
    bool
        Whether it is an image of full resolution.
    """
    return _size(ifd) is not None and kind_of(ifd) in _FULL


def full_image_of(
    ifd: ImageFileDirectory, images: Sequence[ImageFileDirectory]
) -> ImageFileDirectory | None:
    """Return the image at full resolution of which a directory is an overview or a mask.

    Parameters
    ----------
    ifd
        The directory.
    images
        Those before it in the chain for which `is_full` holds; for a SubIFD, its parent.

    Returns
    -------
    ImageFileDirectory or None
        The nearest one, or, if that is smaller than the overview, the first one; None if
        neither is large enough, or the directory is an image itself.
    """
    size = _size(ifd)
    if size is None or kind_of(ifd) in _FULL:
        return None
    for candidate in (*images[-1:], *images[:1]):  # two at most: a chain may be long
        full = _size(candidate)
        if full is not None and full[0] >= size[0] and full[1] >= size[1]:
            return candidate
    return None


def _size(ifd: ImageFileDirectory) -> tuple[int, int] | None:
    return ifd.remembered(_length_and_width)


def _length_and_width(ifd: ImageFileDirectory) -> tuple[int, int] | None:
    try:
        return (ifd.ImageLength, ifd.ImageWidth) if ifd.describes_image else None
    except TiffError:
        return None


def full_images(ifds: Iterable[ImageFileDirectory]) -> dict[str, ImageFileDirectory]:
    """Return the image at full resolution of each overview and mask, by the latter's path.

    Parameters
    ----------
    ifds
        The directories of a chain, with their SubIFDs.

    Returns
    -------
    dict of str to ImageFileDirectory
        The image of each overview and mask, by the path of the overview or mask.
    """
    full_by_path: dict[str, ImageFileDirectory] = {}
    images: list[ImageFileDirectory] = []
    for ifd in ifds:
        _note(full_by_path, ifd, images)
        if is_full(ifd):
            images.append(ifd)
    return full_by_path


def _note(
    full_by_path: dict[str, ImageFileDirectory],
    ifd: ImageFileDirectory,
    images: Sequence[ImageFileDirectory],
) -> None:
    """Note a directory's image, and those of the SubIFDs below it."""
    full = full_image_of(ifd, images)
    if full is not None:
        full_by_path[ifd.path] = full
    # an overview's own mask belongs to the image that the overview belongs to
    parent = full or ifd
    for child in ifd.subifds:
        _note(full_by_path, child, [parent] if is_full(parent) else [])
