"""Directories to stacks: pages that one array can hold, and the axes along which they lie.

In this order: OME-XML names images, their axes and the place of each plane; ImageJ's
description may count images that have no directory; of all others, pages of one shape are a
stack along `page`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.arrays.axes import Axes
from virtual_tiff.arrays.layouts.page_kinds import groups_of_one_shape, signatures
from virtual_tiff.arrays.series import series_of
from virtual_tiff.metadata.imagej import ImageJ, contiguous_run, parse_imagej
from virtual_tiff.metadata.ome_xml import (
    WHOLE_IMAGE,
    Ome,
    OmeImage,
    Planes,
    find_planes,
    parse_ome,
)
from virtual_tiff.metadata.page_axes import Kind, PageAxes, page_axes
from virtual_tiff.metadata.slides import (
    KnownSlide,
    Slide,
    SlideImage,
    SlideKind,
    can_be_level,
    description_of,
)
from virtual_tiff.tiff import (
    ImageFileDirectory,
    Limits,
    Loss,
    SubfileType,
    full_images,
    kind_of,
    source_name,
    subfile_bits,
    warn,
)

__all__ = ["Page", "Stack", "find_stacks", "slide_attributes", "slide_stack"]


@dataclass(frozen=True, slots=True)
class Page:
    """One image of a stack."""

    ifd: ImageFileDirectory
    shift: int = 0
    """Bytes to add to all offsets of the directory: it describes an image before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Images that one array holds, and the same in reduced resolutions."""

    name: str
    """Path of its first directory."""
    axes: tuple[str, ...]
    """Axes of `pages`; those of length 1 are left out."""
    shape: tuple[int, ...]
    """Lengths of `axes`."""
    pages: tuple[Page | None, ...]
    """In C order of `axes`; None is an image that the file does not hold."""
    levels: tuple[tuple[Page | None, ...], ...] = ()
    """The same images reduced, the largest first."""
    sample_axis: str = "band"
    """The axis of the samples of a pixel: one of their own, or OME's channels `c`."""
    ome: OmeImage | None = None
    """The image's description in the OME-XML."""
    first: Mapping[str, int] = field(default_factory=dict)
    """Where along `axes` the stack begins in OME's whole image, if not at 0."""
    positions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """For an ImageJ hyperstack: `t`, `c`, `z` of each of its pages."""
    whole: tuple[int, ...] | None = None
    """Lengths of `axes` in OME's whole image, if this is the part that one file of several has."""
    number: int | None = None
    """The number of the image in the OME-XML, if it has several."""
    numbers: tuple[int, ...] = ()
    """Numbers of the pages in the chain, where it has pages that are left out: then a page's
    place in the stack does not tell which one it is."""
    losses: tuple[Loss, ...] = ()
    """Pages without a directory that lie beyond the file's end."""
    title: str | None = None
    """The name of an associated image of a slide, which is that of its group."""
    factors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Rows and columns of the full resolution that those of a level stand for, by the path of its
    first page; where it is left out, their sizes say it."""
    origin: Mapping[str, float] = field(default_factory=dict)
    """Position of the first pixel by axis, in the unit of its spacing."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Of the group: what the vendor of a slide says of it."""
    values: Mapping[str, tuple[NDArray[Any], str]] = field(default_factory=dict)
    """What metadata say of each plane of the image, in the shape of `whole` or else of `shape`, and
    its unit, by the name of a coordinate."""

    @property
    def ifd(self) -> ImageFileDirectory:
        """The first directory: it speaks for all pages."""
        return next(page.ifd for page in self.pages if page is not None)

    @property
    def dimension_names(self) -> Axes:
        """Return the names of the array's dimensions, samples, y and x included.

        Where the samples of a pixel are channels and `axes` has channels too, both are the one
        dimension `c`, the samples varying faster: OME-Zarr has one axis of channels. It stands
        before `z`, as OME-Zarr wants it; a page is one step of `z`, so its bytes are the same.
        """
        leading = list(self.axes)
        if self.ifd.SamplesPerPixel > 1 and self.sample_axis not in leading:
            late = self.sample_axis in ("c", "s") and "z" in leading and "c" not in leading
            leading.insert(leading.index("z") if late else len(leading), self.sample_axis)
        return Axes((*leading, "y", "x"))


def find_stacks(  # noqa: PLR0913 (all that decides what the pages are)
    ifds: Sequence[ImageFileDirectory],
    *,
    file_size: int,
    limits: Limits,
    refused: Collection[str] = (),
    ome: Ome | None = None,
    slide: KnownSlide | None = None,
    of_set: bool = False,
    named: bool = False,
) -> list[Stack]:
    """Return the stacks of a file, in the order of their first directories.

    Parameters
    ----------
    ifds
        The directories of the chain, in its order.
    file_size
        Bytes of the file.
    limits
        `directories` bounds the pages without directory and the planes that are missing.
    refused
        Paths of directories that cannot be read and are left out; their SubIFDs are not.
    ome
        What the OME-XML says; None reads it of the first directory.
    slide
        The whole-slide image that the file is.
    of_set
        Whether a file of a multi-file OME-TIFF is to give its part of the whole image.
    named
        Whether pages lie along the axes that other metadata than OME-XML name, in place of `page`.

    Raises
    ------
    LimitError
        If an ImageJ description counts more images than `limits` allow.
    TiffError
        If the tags of a directory that decide its type cannot be read.
    """
    in_chain = sum(ifd.describes_image for ifd in ifds)
    images = [ifd for ifd in _readable(ifds, refused) if ifd.describes_image]
    for ifd in ifds:
        if not ifd.describes_image:
            warn(f"IFD {ifd.path} has no ImageWidth and ImageLength; it is left out")
    if not images:
        return []
    samples = sum(ifd.SamplesPerPixel for ifd in images)
    limits.check("samples", samples, "samples of all images", of_file=True)
    description = description_of(images[0])
    if ome is None:
        ome = parse_ome(description, ifd=images[0].path, limits=limits)
    if ome is not None:
        count = max(int(ifd.path) for ifd in ifds if ifd.describes_image) + 1
        name = unquote(PurePosixPath(source_name.get() or "").name) or None
        ome = ome.of_file(name)
        if not of_set:
            ome.warn_of_other_files()
        stacks = list(_ome_stacks(ome, images, limits, count, of_set=of_set))
        if stacks or of_set:
            return stacks
        warn("the OME-XML describes no image of this file; its pages are exposed without it")
    stacks = []
    if slide is not None and named:
        stacks = _slide_stacks(*slide, images, numbered=bool(refused))
    elif named and (kind := page_axes(images, description)) is not None:
        stacks = _named_stacks(*kind, images, file_size, limits, numbered=bool(refused))
    if stacks:
        return stacks
    imagej = parse_imagej(description)
    if imagej is None:
        return _page_stacks(images, numbered=bool(refused))
    alone = imagej.count(images[0].SamplesPerPixel) > in_chain
    count = imagej.count(images[0].SamplesPerPixel)
    contiguous = _contiguous_stack("ImageJ", count, images, file_size, limits) if alone else ()
    if isinstance(contiguous, Stack):
        positions = imagej.positions(count, images[0].SamplesPerPixel)
        return [replace(contiguous, positions=positions)]
    stacks = _page_stacks(images, imagej, numbered=bool(refused))
    return [replace(first, losses=contiguous) for first in stacks[:1]] + stacks[1:]


def _readable(
    ifds: Iterable[ImageFileDirectory], refused: Collection[str]
) -> Iterator[ImageFileDirectory]:
    """Yield directories without those that are refused, in whose place their SubIFDs stand."""
    for ifd in ifds:
        subifds = list(_readable(ifd.subifds, refused)) if refused else []
        if ifd.path in refused:
            yield from subifds
        elif refused and any(a is not b for a, b in zip_longest(subifds, ifd.subifds)):
            yield replace(ifd, subifds=tuple(subifds))
        else:
            yield ifd


def _ome_stacks(
    ome: Ome,
    images: Sequence[ImageFileDirectory],
    limits: Limits,
    ifd_count: int,
    *,
    of_set: bool,
) -> Iterator[Stack]:
    """Yield a stack for each OME image of which this file has planes that one array can hold."""
    by_number = {int(ifd.path): ifd for ifd in images if ifd.path.isdecimal()}
    left = limits.directories
    taken: set[str] = set()
    held: set[str] = set()
    for number, image in enumerate(ome.images):
        if left <= 0:
            warn(
                f"the OME images have more than {limits.directories:,} planes; the rest is ignored"
            )
            break
        planes = find_planes(
            image,
            samples=lambda n: by_number[n].SamplesPerPixel if n in by_number else 1,
            ifd_count=ifd_count,
            max_planes=left,
            of_set=of_set,
        )
        if planes is None:
            continue
        left -= len(planes.ifds) or len(images)  # what was looked at counts, of use or not
        stack = _ome_stack(image, planes, by_number, of_set=of_set)
        if stack is None:
            continue
        if len(ome.images) > 1:
            stack = replace(stack, number=number)
        if stack.name in taken:
            warn(
                f"OME image {image.name!r} begins at the same IFD {stack.name} as another one; "
                "it is ignored"
            )
            continue
        taken.add(stack.name)
        held |= {page.ifd.path for page in stack.pages if page is not None}
        yield stack
    # OME-TIFF specification: "extraneous and should be ignored by OME-TIFF readers"
    others = [ifd.path for ifd in images if ifd.path not in held]
    if taken and others:
        warn(f"IFD {others[0]} and {len(others) - 1} more belong to no OME image and are left out")


def _ome_stack(
    image: OmeImage,
    planes: Planes,
    by_number: Mapping[int, ImageFileDirectory],
    *,
    of_set: bool,
) -> Stack | None:
    ifds = [None if number is None else by_number.get(number) for number in planes.ifds]
    held = [ifd for ifd in ifds if ifd is not None]
    if not held:
        return None
    size = held[0].ImageWidth, held[0].ImageLength
    if size != (image.sizes["X"], image.sizes["Y"]):
        warn(
            f"OME image {image.name!r} is {image.sizes['X']} x {image.sizes['Y']}, "
            f"IFD {held[0].path} is {size[0]} x {size[1]}; the image is ignored"
        )
        return None
    if len(set(signatures(held, color_maps=False))) > 1:
        warn(f"OME image {image.name!r}: its planes differ in type or size; it is ignored")
        return None
    lengths = dict(zip("tcz", planes.shape, strict=True))
    starts = dict(zip("tcz", planes.first, strict=True))
    whole = dict(zip("tcz", planes.whole, strict=True)) if of_set else lengths
    axes = tuple(axis for axis in "tcz" if whole[axis] > 1)
    reduced = {ifd.path: _largest_first(ifd, ifd.subifds) for ifd in held}
    shape = tuple(lengths[axis] for axis in axes)
    if lengths == dict(zip("tcz", planes.whole, strict=True)) and not of_set:
        axes, shape = _with_modulo(image, axes, shape)
    return Stack(
        name=held[0].path,
        axes=axes,
        shape=shape,
        pages=_pages(ifds),
        levels=tuple(map(_pages, _levels(ifds, reduced))),
        sample_axis="c",
        ome=image,
        first={axis: start for axis, start in starts.items() if axis in axes and start},
        whole=tuple(whole[axis] for axis in axes) if of_set else None,
        values=_values_of_planes(image, whole, {} if of_set else starts),
    )


def _values_of_planes(
    image: OmeImage, lengths: Mapping[str, int], starts: Mapping[str, int]
) -> dict[str, tuple[NDArray[Any], str]]:
    """Return what OME-XML says of the planes of such a part of an image, by T, C and Z."""
    shape = tuple(lengths[axis] for axis in "tcz")
    first = tuple(starts.get(axis, 0) for axis in "tcz")
    arrays: dict[str, tuple[NDArray[Any], str]] = {}
    for name, stated in image.planes.items():
        array = np.full(shape, stated.values.get(WHOLE_IMAGE, math.nan))
        for plane, value in stated.values.items():
            at = tuple(place - start for place, start in zip(plane, first, strict=True))
            if all(0 <= place < length for place, length in zip(at, shape, strict=True)):
                array[at] = value
        arrays[name] = array, stated.units
    return arrays


def _with_modulo(
    image: OmeImage, axes: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return axes and lengths with the axes within them."""
    names: list[str] = []
    lengths: list[int] = []
    for axis, length in zip(axes, shape, strict=True):
        kind, count = image.modulo.get(axis.upper(), ("", 1))
        if count == 1 or length % count or kind in (*axes, *names):
            parts = [(axis, length)]
        else:
            parts = [(axis, length // count), (kind, count)]
        for name, steps in parts:
            if steps > 1:
                names.append(name)
                lengths.append(steps)
    return tuple(names), tuple(lengths)


def _contiguous_stack(
    writer: str,
    count: int,
    images: Sequence[ImageFileDirectory],
    file_size: int,
    limits: Limits,
) -> Stack | tuple[Loss, ...]:
    """Return the stack of images that follow the first one's data without directories.

    Where there is none: the images that the file has lost, if it has.
    """
    ifd = images[0]
    run = contiguous_run(ifd, file_size=file_size, limits=limits)
    if run is None:
        return ()
    offset, nbytes = run
    end = offset + count * nbytes
    others = {ifd.next_offset, *(other.offset for other in images)}
    if end > file_size or any(offset < other < end for other in others):
        warn(
            f"IFD {ifd.path}: {writer}'s {count} images do not follow the first one in the file; "
            "the count is ignored"
        )
        lost = count - max(file_size - offset, 0) // nbytes
        if end <= file_size or len(images) > 1:
            return ()
        loss = f"{lost:,} of {writer}'s {count:,} images after IFD {ifd.path}"
        return (Loss(ifd=ifd.path, what=loss),)
    limits.check("directories", count, f"images in the {writer} description", ifd=ifd.path)
    return Stack(
        name=ifd.path,
        axes=("page",),
        shape=(count,),
        pages=tuple(Page(ifd, i * nbytes) for i in range(count)),
    )


def _named_stacks(
    kind: Kind,
    axes: PageAxes,
    images: Sequence[ImageFileDirectory],
    file_size: int,
    limits: Limits,
    *,
    numbered: bool,
) -> list[Stack]:
    """Return the stacks of a file whose metadata name axes; [] if its pages are not those."""
    if kind.name == "tifffile, shaped":
        return _shaped_stacks(images, file_size, limits, numbered=numbered)
    main = [ifd for ifd in images if not _is_reduced(ifd)] if kind.name == "Zeiss LSM" else images
    directories = len([ifd for ifd in main if "/" not in ifd.path])
    if axes.count > directories and (axes.without_directory or kind.name == "ImageJ"):
        run = _contiguous_stack(kind.name, axes.count, main, file_size, limits)
        return [_named(run, axes)] if isinstance(run, Stack) else []
    if len(main) < len(images):  # the thumbnails of an LSM, one for each plane
        thumbnails = [ifd for ifd in images if _is_reduced(ifd)]
        others = _page_stacks(thumbnails, numbered=numbered)
    else:
        others = []
    first, *rest = _page_stacks(main, numbered=numbered, color_maps=False)
    if len(first.pages) != (axes.count if axes.places is None else len(axes.places)):
        return []
    return [_named(first, axes), *rest, *others]


def _shaped_stacks(
    images: Sequence[ImageFileDirectory], file_size: int, limits: Limits, *, numbered: bool
) -> list[Stack]:
    """Return the series of tifffile: each begins with the description of its shape."""
    stacks = []
    at = 0
    while at < len(images):
        kind = page_axes(images[at:], description_of(images[at]))
        if kind is None or kind[0].name != "tifffile, shaped":
            return []
        axes = kind[1]
        after = images[at : at + axes.count]
        if axes.count > 1 and (axes.without_directory or len(after) < axes.count):
            run = _contiguous_stack("tifffile", axes.count, images[at:], file_size, limits)
            if not isinstance(run, Stack):
                return []
            stacks.append(_named(run, axes))
            at += 1
            continue
        found = _page_stacks(after, numbered=numbered)
        if len(found) != 1 or len(found[0].pages) != axes.count:
            return []
        stacks.append(_named(found[0], axes) if axes.count > 1 else found[0])
        at += axes.count
    return stacks


def _named(stack: Stack, axes: PageAxes) -> Stack:
    """Return a stack along the axes of its pages, those of OME-Zarr in its order."""
    lengths = {axis: length for axis, length in axes.lengths.items() if length > 1}
    order = list(lengths)
    if set(order) <= set("tcz"):
        order = [axis for axis in "tcz" if axis in lengths]
    shape = tuple(lengths[axis] for axis in order)
    numbers = np.arange(axes.count).reshape(tuple(axes.lengths.values()))
    if axes.places is not None:
        numbers = np.full_like(numbers, -1)
        numbers[tuple(zip(*axes.places, strict=True))] = np.arange(len(axes.places))
    numbers = numbers.reshape(tuple(lengths.values()))
    numbers = numbers.transpose([list(lengths).index(axis) for axis in order])
    ranks = numbers.reshape(-1).tolist()

    def ordered(pages: Sequence[Page | None]) -> tuple[Page | None, ...]:
        return tuple(None if rank < 0 else pages[rank] for rank in ranks)

    sizes = {axis.upper(): lengths.get(axis, 1) for axis in "tcz"}
    ifd = stack.ifd
    image = OmeImage(
        name=axes.name,
        dimension_order="XYCZT",
        sizes=sizes | {"X": ifd.ImageWidth, "Y": ifd.ImageLength},
        significant_bits=None,
        spacing=axes.spacing,
        channels=axes.channels,
        tiff_data=(),
    )
    return replace(
        stack,
        axes=tuple(order),
        shape=shape,
        pages=ordered(stack.pages),
        levels=tuple(map(ordered, stack.levels)),
        sample_axis="band" if "page" in order else axes.samples,
        positions={},
        numbers=stack.numbers if order == ["page"] else (),
        ome=None if "page" in order else image,
        values={
            name: (_ranked(values, ranks), unit)
            for name, (values, unit) in axes.values.items()
            if len(values) == len(stack.pages)
        },
    )


def _ranked(values: Sequence[float] | Sequence[str], ranks: Sequence[int]) -> NDArray[Any]:
    """Return the values of pages in another order; below 0 is a place without a page."""
    texts = isinstance(values[0], str)
    blank, kind = ("", object) if texts else (math.nan, float)
    return np.array([values[rank] if rank >= 0 else blank for rank in ranks], dtype=kind)


def _slide_stacks(
    kind: SlideKind, slide: Slide, images: Sequence[ImageFileDirectory], *, numbered: bool
) -> list[Stack]:
    """Return the images of a slide, and each associated image by its name."""
    by_path = {ifd.path: ifd for image in images for ifd in (image, *image.subifds)}
    rest = {ifd.path: ifd for ifd in images}
    stacks = []
    for image in slide.images:
        present = [
            [by_path[page.path] for page in pages if page.path in by_path] for pages in image.levels
        ]
        whole = [len(pages) == len(present[0]) == len(image.levels[0]) for pages in present]
        if not whole[0] or any(len(set(signatures(pages))) > 1 for pages in present if pages):
            continue
        levels = [pages for pages, is_whole in zip(present, whole, strict=True) if is_whole]
        stacks.append(slide_stack(image, levels))
        for ifd in (page for pages in levels for page in pages):
            rest.pop(ifd.path, None)
    stacks += [
        _page_stack([rest.pop(p)], (), None, numbered=False) for p in slide.associated if p in rest
    ]
    used: set[str] = set()
    for n, stack in enumerate(stacks):
        name = slide.associated.get(stack.name)
        if name is None:
            stacks[n] = replace(stack, attributes=slide_attributes(kind, slide))
            continue
        title = name if name not in used else None
        used.add(name)
        stacks[n] = replace(stack, title=title, attributes={"associated_image": name})
    if rest:
        stacks += _page_stacks(list(rest.values()), numbered=numbered)
    return sorted(stacks, key=_place_in_file)


def slide_stack(
    image: SlideImage, levels: Sequence[Sequence[ImageFileDirectory]], sample_axis: str = "s"
) -> Stack:
    """Return an image of a slide as a stack, with spacing in micrometres.

    `levels` are the pages of each level that is exposed, the full resolution first.
    """
    full = levels[0][0]
    by_page = {
        page.path: spacing
        for pages, spacing in zip(image.levels, image.spacing, strict=bool(image.spacing))
        for page in pages
    }
    several = len(levels[0]) > 1
    first = by_page.get(full.path)
    spacing = {} if first is None else {"Y": (first[0], "µm"), "X": (first[1], "µm")}
    if several and image.step is not None:
        spacing["Z"] = image.step, "µm"
    factors = {
        pages[0].path: (by_page[pages[0].path][0] / first[0], by_page[pages[0].path][1] / first[1])
        for pages in levels
        if first is not None and pages[0].path in by_page
    }
    origin = dict(zip("yx", image.origin, strict=True)) if image.origin and first else {}
    ome = OmeImage(
        name=image.name,
        dimension_order="XYCZT",
        sizes={"T": 1, "C": 1, "Z": 1, "X": full.ImageWidth, "Y": full.ImageLength}
        | ({image.axis.upper(): len(levels[0])} if several else {}),
        significant_bits=None,
        spacing=spacing,
        channels=image.channels,
        tiff_data=(),
    )
    return Stack(
        name=full.path,
        axes=(image.axis,) if several else (),
        shape=(len(levels[0]),) if several else (),
        pages=_pages(levels[0]),
        levels=tuple(map(_pages, levels[1:])),
        sample_axis=sample_axis,
        ome=ome,
        factors=factors,
        origin=origin,
    )


def slide_attributes(kind: SlideKind, slide: Slide) -> dict[str, Any]:
    """Return the attributes of a slide's image: its kind, and the vendor's metadata."""
    properties = {"slide_properties": dict(slide.properties)} if slide.properties else {}
    return {"slide_format": kind.name, **properties}


def _page_stacks(
    images: Sequence[ImageFileDirectory],
    imagej: ImageJ | None = None,
    *,
    numbered: bool,
    color_maps: bool = True,
) -> list[Stack]:
    """Return the pages of one shape as stacks, overviews as levels of their images."""
    pages, reduced = _pages_and_reduced(images)
    stacks = []
    used: set[str] = set()
    for ifds in groups_of_one_shape(pages, color_maps=color_maps):
        levels = _levels(ifds, reduced)
        used |= {ifd.path for level in levels for ifd in level if ifd is not None}
        stacks.append(_page_stack(ifds, levels, imagej, numbered=numbered))
    # what is no level after all is an image of its own
    left = [ifd for level in reduced.values() for ifd in level if ifd.path not in used]
    stacks += [_page_stack(ifds, (), None, numbered=numbered) for ifds in groups_of_one_shape(left)]
    return sorted(stacks, key=_place_in_file)


def _place_in_file(stack: Stack) -> list[int]:
    return [int(part) for part in stack.name.split("/")]


def _page_stack(
    ifds: Sequence[ImageFileDirectory],
    levels: Iterable[Sequence[ImageFileDirectory | None]],
    imagej: ImageJ | None,
    *,
    numbered: bool,
) -> Stack:
    several = len(ifds) > 1
    numbered = numbered and several and all(ifd.path.isdecimal() for ifd in ifds)
    return Stack(
        name=ifds[0].path,
        axes=("page",) if several else (),
        shape=(len(ifds),) if several else (),
        pages=_pages(ifds),
        levels=tuple(map(_pages, levels)),
        positions={} if imagej is None else imagej.positions(len(ifds), ifds[0].SamplesPerPixel),
        numbers=tuple(int(ifd.path) for ifd in ifds) if numbered else (),
    )


def _pages_and_reduced(
    images: Iterable[ImageFileDirectory],
) -> tuple[list[ImageFileDirectory], dict[str, list[ImageFileDirectory]]]:
    """Tell pages from reduced images; the latter by the path of the page that they reduce.

    A page's SubIFDs reduce it, if they are smaller images of its kind; and so do directories
    of the chain after it that NewSubfileType calls reduced, as GDAL writes overviews. A mask's
    overviews are those that are masks. Any other image is a page.
    """
    pages: list[ImageFileDirectory] = []
    reduced: dict[str, list[ImageFileDirectory]] = {}
    last: dict[bool, ImageFileDirectory] = {}
    chain = list(images)
    owners, of_chain = series_of(chain, full_images(chain)).owners, {ifd.path for ifd in chain}
    waiting = chain[::-1]
    while waiting:
        ifd = waiting.pop()
        if ifd.path in of_chain and not _is_mask(ifd):
            page = owners.get(ifd.path)
        else:  # a mask, or a SubIFD that is no level of its page
            page = last.get(_is_mask(ifd)) if _is_reduced(ifd) else None
            page = page if page is not None and can_be_level(ifd, page) else None
        if page is not None:
            reduced[page.path].append(ifd)
            continue
        pages.append(ifd)
        reduced[ifd.path] = _largest_first(ifd, ifd.subifds)
        known = {level.path for level in reduced[ifd.path]}
        others = [sub for sub in ifd.subifds if sub.path not in known and sub.describes_image]
        waiting += others[::-1]
        if not _is_reduced(ifd) and "/" not in ifd.path:
            last[_is_mask(ifd)] = ifd
    return pages, reduced


def _is_reduced(ifd: ImageFileDirectory) -> bool:
    return bool(subfile_bits(ifd) & SubfileType.ReducedImage)  # a mask may be, too


def _is_mask(ifd: ImageFileDirectory) -> bool:
    return kind_of(ifd) == "mask"


def _largest_first(
    page: ImageFileDirectory, subifds: Iterable[ImageFileDirectory]
) -> list[ImageFileDirectory]:
    levels = [sub for sub in subifds if sub.describes_image and can_be_level(sub, page)]
    return sorted(levels, key=lambda ifd: -ifd.ImageWidth * ifd.ImageLength)


def _levels(
    ifds: Sequence[ImageFileDirectory | None],
    reduced: Mapping[str, Sequence[ImageFileDirectory]],
) -> list[list[ImageFileDirectory | None]]:
    """Return the reduced images of all pages, as far as every page has them in one shape.

    A page without would read as empty where its image is not.
    """
    held = [ifd for ifd in ifds if ifd is not None]
    depth = min(len(reduced[ifd.path]) for ifd in held)
    if depth < max(len(reduced[ifd.path]) for ifd in held):
        warn(
            f"IFD {held[0].path}: some pages of the stack have fewer reduced resolutions; those "
            "that all have are used"
        )
    levels: list[list[ImageFileDirectory | None]] = []
    for n in range(depth):
        if len(set(signatures(reduced[ifd.path][n] for ifd in held))) > 1:
            warn(f"IFD {held[0].path}: reduced resolution {n + 1} differs between the pages")
            break
        levels.append([None if ifd is None else reduced[ifd.path][n] for ifd in ifds])
    return levels


def _pages(ifds: Iterable[ImageFileDirectory | None]) -> tuple[Page | None, ...]:
    return tuple(None if ifd is None else Page(ifd) for ifd in ifds)
