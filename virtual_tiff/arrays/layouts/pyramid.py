"""`pyramid`: an image, its overviews and their masks as one group a resolution.

Which directories are levels of one image, `arrays/series.py` says; associated images of a slide are
groups of their own with their names.

The levels are siblings below a group without arrays: parent and child of different sizes
under the same dimension names would be no DataTree. Each has its array under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from virtual_tiff.arrays.conventions import proj_attributes
from virtual_tiff.arrays.image import ImageArray
from virtual_tiff.arrays.layouts.find_stacks import slide_attributes, slide_stack
from virtual_tiff.arrays.layouts.named_arrays import (
    Arrays,
    Names,
    coordinate_arrays,
    file_array,
    name_of,
    pixels_of,
)
from virtual_tiff.arrays.layouts.ome_zarr import group_attributes
from virtual_tiff.arrays.multiscales import Level, multiscales_attributes
from virtual_tiff.arrays.nodes import JSON, Group
from virtual_tiff.arrays.series import series_of
from virtual_tiff.metadata.slides import KnownSlide, SlideImage
from virtual_tiff.tiff import kind_of, warn

__all__ = ["attributes_of_levels", "pyramid"]

_IMAGE = "image"
_MASK = "mask"


def pyramid(
    images: Sequence[ImageArray], *, coordinates: bool, slide: KnownSlide | None = None
) -> Group:
    """Return a group of levels; of several images a group that holds one for each."""
    full = {image.ifd.path: image.full for image in images if image.full is not None}
    series = series_of([image.ifd for image in images], full, slide)
    pages = {
        page.path: (image, number)
        for image in (() if series.slide is None else series.slide.images)
        for number, page in enumerate(image.levels[0])
    }
    families: dict[str, list[ImageArray]] = {}
    for image in images:
        owner = series.owners.get(image.ifd.path, image.ifd)
        families.setdefault(owner.path, []).append(image)
    groups: dict[str, Group] = {}
    for path, family in families.items():
        of_slide, number = pages.get(path, (None, 0))
        page = None if of_slide is None else of_slide.page(number)
        name, group = name_of(family[0]), _levels(family, page, coordinates=coordinates)
        if slide is not None and page is not None and path not in series.names:
            group = replace(group, attributes=group.attributes | slide_attributes(*slide))
        kind = series.names.get(family[0].ifd.path)
        if kind is not None:
            group = replace(group, attributes={**group.attributes, "associated_image": kind})
        groups[name if kind is None or kind in groups else kind] = group
    if len(groups) == 1:
        return next(iter(groups.values()))
    return Group(groups=groups)


def _levels(family: Sequence[ImageArray], page: SlideImage | None, *, coordinates: bool) -> Group:
    """Return the group of one image's levels, from large to small.

    `page` is what the vendor of a slide says of it.
    """
    masks = {pixels_of(image): image for image in reversed(family) if _is_mask(image)}
    images = [image for image in family if not _is_mask(image)] or list(masks.values())
    # not the part that is exposed: a window ends where blocks do, in an overview further out
    images.sort(key=lambda image: -image.ifd.ImageLength * image.ifd.ImageWidth)
    levels = {str(level): image for level, image in enumerate(images)}
    groups = {}
    for path, image in levels.items():
        mask = None if _is_mask(image) else masks.pop(pixels_of(image), None)
        of_level = {_IMAGE: image} | ({} if mask is None else {_MASK: mask})
        arrays: Arrays = {
            name: file_array(each, Names(), coordinates=coordinates)
            for name, each in of_level.items()
        }
        for each in of_level.values() if coordinates else ():
            arrays |= coordinate_arrays(each, Names(), arrays)
        groups[path] = Group(arrays=arrays)
    for mask in () if _is_mask(images[0]) else masks.values():
        warn(f"IFD {mask.ifd.path}: the mask is left out: no image has its size and position")
    stack = None if page is None else slide_stack(page, [[each.ifd] for each in images], "band")
    attributes = attributes_of_levels(levels, {} if stack is None else stack.factors)
    if stack is not None and not any(i.region or i.axes.samples_last for i in images):
        scales = [
            (f"{entry['asset']}/{_IMAGE}", tuple(entry["transform"]["scale"]))
            for entry in attributes["multiscales"]["layout"]
        ]
        attributes |= group_attributes(stack, scales)
    return Group(groups=groups, attributes=attributes)


def _is_mask(image: ImageArray) -> bool:
    return kind_of(image.ifd) == "mask"


def attributes_of_levels(
    levels: Mapping[str, ImageArray], factors: Mapping[str, tuple[float, float]]
) -> JSON:
    """Return the attributes of the group of an image's levels, from large to small, by their paths.

    `factors` are rows and columns of the full resolution that those of a level stand for, by the
    path of its directory; where one is left out, the sizes say it.
    """
    full = next(iter(levels.values()))
    return multiscales_attributes(
        [
            _described(path, image, full, factors.get(image.ifd.path))
            for path, image in levels.items()
        ],
        proj=None if full.place is None else proj_attributes(full.place),
    )


def _described(
    path: str, image: ImageArray, first: ImageArray, factor: tuple[float, float] | None
) -> Level:
    """Say how a level lies in the first one: a window begins at blocks of each level's own."""
    length, width = image.size
    down, across = factor or (
        first.ifd.ImageLength / image.ifd.ImageLength,
        first.ifd.ImageWidth / image.ifd.ImageWidth,
    )
    row, column = image.origin
    first_row, first_column = first.origin
    return Level(
        path=path,
        length=length,
        width=width,
        affine=None if image.place is None else image.place.affine,
        scale=(down, across),
        translation=(row * down - first_row, column * across - first_column),
    )
