"""Which directories of a file are exposed, and what each of them belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virtual_tiff.arrays.selection.selection import Selection
from virtual_tiff.arrays.series import series_of
from virtual_tiff.tiff import (
    ImageFileDirectory,
    LimitError,
    Tiff,
    TiffError,
    full_images,
    is_full,
    kind_of,
    warn,
)

__all__ = ["can_be_left_out", "exposed", "warn_of_refused"]

_MOST_NAMED = 20
"""Refused directories that have a warning each; a hostile file may have a hundred thousand."""

type Exposed = tuple[ImageFileDirectory, ImageFileDirectory | None]
"""A directory and, if it is an overview or a mask, the image that it belongs to."""


def exposed(tiff: Tiff, selection: Selection, *, all_of_them: bool) -> list[Exposed]:
    """Return the directories of which arrays are made: all, or the one that was asked for.

    An overview that is asked for and not there is a ValueError.
    """
    if not all_of_them:
        return [(ifd, tiff.full_image) for ifd in tiff.ifds]
    directories = list(tiff.walk())
    images = [ifd for ifd in directories if ifd.describes_image]
    for ifd in directories:
        if images and not ifd.describes_image:
            warn(f"IFD {ifd.path} has no ImageWidth and ImageLength; it is left out")
    full = full_images(tiff.ifds)
    left_out = _left_out(images, full, selection)
    return [(ifd, full.get(ifd.path)) for ifd in images or directories if ifd.path not in left_out]


def can_be_left_out(error: TiffError, path: str) -> bool:
    """Return whether a file is exposed without a directory that cannot be read.

    GDAL opens a file by its first directory, whatever is wrong with the others. Where the file
    as a whole is above a limit, leaving out directories one by one would be work without end.
    """
    return path != "0" and not (isinstance(error, LimitError) and error.of_file)


def warn_of_refused(refused: Mapping[str, TiffError]) -> None:
    """Warn of directories that are left out, by their paths."""
    for path, error in list(refused.items())[:_MOST_NAMED]:
        warn(f"IFD {path} is left out because it cannot be read: {error}")
    others = list(refused)[_MOST_NAMED:]
    if others:
        warn(
            f"IFD {others[0]} and {len(others) - 1} more, the last of them IFD {others[-1]}, are "
            "left out too; virtual-tiff info says why they cannot be read"
        )


def _left_out(
    images: Sequence[ImageFileDirectory],
    full: Mapping[str, ImageFileDirectory],
    selection: Selection,
) -> set[str]:
    """Return the paths of overviews, and of their masks, that are not asked for."""
    if selection.overviews is True:
        return set()
    series = series_of(images, full)
    parts = series.owners.keys() | series.names.keys()  # levels, masks and associated images
    of_image: dict[str, list[ImageFileDirectory]] = {
        ifd.path: [] for ifd in images if is_full(ifd) and ifd.path not in parts
    }
    for ifd in images:
        if ifd.path in series.owners:
            of_image.setdefault(series.owners[ifd.path].path, []).append(ifd)
    left_out: set[str] = set()
    for path, belonging in of_image.items():
        levels = [ifd for ifd in belonging if kind_of(ifd) != "mask"]
        # a slide's label need not have those that are asked for
        kept = set() if path in series.names else set(selection.levels(len(levels)))
        sizes = {_size(ifd) for level, ifd in enumerate(levels) if level not in kept}
        left_out |= {ifd.path for ifd in belonging if _size(ifd) in sizes}
    return left_out


def _size(ifd: ImageFileDirectory) -> tuple[int, int]:
    return ifd.ImageLength, ifd.ImageWidth
