"""`stack`: pages of one shape as one array, OME-TIFF's along the axes that its XML names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from math import prod

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.arrays.axes import Axes
from virtual_tiff.arrays.budget import Budget
from virtual_tiff.arrays.chunks import ChunkPlan
from virtual_tiff.arrays.conventions import place_attributes
from virtual_tiff.arrays.coordinates import band_array, plane_array
from virtual_tiff.arrays.image import (
    ImageArray,
    Options,
    charge,
    image_array,
    image_chunks,
    losses_of,
)
from virtual_tiff.arrays.layouts.find_stacks import Page, Stack, find_stacks
from virtual_tiff.arrays.layouts.named_arrays import Arrays, Names, coordinate_arrays, references
from virtual_tiff.arrays.layouts.ome_zarr import (
    PlateGroups,
    bioformats2raw_attributes,
    can_be_described,
    color_maps,
    group_attributes,
    plate_groups,
)
from virtual_tiff.arrays.layouts.page_kinds import signatures
from virtual_tiff.arrays.layouts.pyramid import attributes_of_levels
from virtual_tiff.arrays.nodes import JSON, PART, FileArray, Group, InlineArray
from virtual_tiff.arrays.selection.directories import can_be_left_out, exposed, warn_of_refused
from virtual_tiff.arrays.selection.selection import Selection
from virtual_tiff.metadata.ome_xml import Ome
from virtual_tiff.metadata.slides import KnownSlide
from virtual_tiff.tiff import LimitError, Tag, Tiff, TiffError, UnsupportedError

__all__ = ["stack"]

_IMAGE = "image"

type _Pages = Sequence[Page | None]
type _OfPlanes = dict[str, InlineArray]
"""Coordinates that say something of each plane, by name."""


def stack(  # noqa: PLR0913 (all that decides what the pages are)
    tiff: Tiff,
    options: Options,
    *,
    coordinates: bool,
    ome: Ome | None = None,
    slide: KnownSlide | None = None,
    of_set: bool = False,
    named: bool = True,
) -> Group:
    """Return the group of a file's stack; of several, a group that holds one for each.

    Parameters
    ----------
    tiff
        The file, with all of its directories.
    options
        What is made of each page.
    coordinates
        Whether coordinate arrays stand beside the stack.
    ome
        What the OME-XML says.
    slide
        The whole-slide image that the file is.
    of_set
        Whether the file gives its part of the images of a multi-file OME-TIFF: groups, attributes
        and coordinates are those of the whole, and `PART` of each array says where the part lies.
    named
        Whether pages lie along the axes that metadata other than OME-XML name.

    Raises
    ------
    TiffError
        If a page cannot be read as its tags promise, or pages of one kind lie in chunks of
        different sizes.
    """
    stacks = partial(
        _stacks,
        tiff,
        coordinates=coordinates,
        ome=ome,
        slide=slide,
        of_set=of_set,
        named=named,
    )
    try:
        return stacks({}, options)
    except TiffError as error:
        refused = _refused(tiff, options, error)
        images = [ifd for ifd in tiff.walk() if ifd.describes_image]
        if not 0 < len(refused) < len(images):
            raise
    warn_of_refused(refused)
    options = replace(options, budget=Budget(options.limits, tiff.state.size))
    return stacks(refused, options)


def _refused(tiff: Tiff, options: Options, error: TiffError) -> dict[str, TiffError]:
    """Return the directories beyond the first that cannot be read, after an error of one.

    Most pages of a file are alike and only their blocks are looked at; here each is tried.
    """
    errors: dict[str, TiffError] = {}
    if isinstance(error, LimitError) and error.of_file:
        return errors
    options = replace(options, budget=Budget(options.limits, tiff.state.size))
    for ifd, full in exposed(tiff, Selection(), all_of_them=True):
        try:
            charge(ifd, options)
            signatures([ifd])
            image_array(ifd, full, file_size=tiff.state.size, options=options)
        except TiffError as reason:
            reason.locate(ifd=ifd.path)
            if isinstance(reason, LimitError) and reason.of_file:
                raise
            if can_be_left_out(reason, ifd.path):
                errors[ifd.path] = reason
    return errors


def _stacks(  # noqa: PLR0913 (all that decides what the pages are)
    tiff: Tiff,
    refused: Collection[str],
    options: Options,
    *,
    coordinates: bool,
    ome: Ome | None,
    slide: KnownSlide | None,
    of_set: bool,
    named: bool,
) -> Group:
    stacks = find_stacks(
        tiff.ifds,
        file_size=tiff.state.size,
        limits=options.limits,
        refused=refused,
        ome=ome,
        slide=slide,
        of_set=of_set,
        named=named,
    )
    if options.selection.overviews is not True:
        # a slide's label has none, whatever is asked for
        kept = [
            []
            if "associated_image" in each.attributes
            else options.selection.levels(len(each.levels))
            for each in stacks
        ]
        stacks = [
            replace(each, levels=tuple(each.levels[level] for level in levels))
            for each, levels in zip(stacks, kept, strict=True)
        ]
    groups = [
        _group(page_stack, tiff.state.size, options, coordinates=coordinates)
        for page_stack in stacks
    ]
    several = of_set or len(stacks) > 1
    plate = plate_groups(ome, stacks) if several and ome is not None else None
    if plate is not None:
        return _nested(plate, dict(zip(plate.images, groups, strict=True)))
    if of_set:
        return _of_set(stacks, groups)
    if len(groups) == 1:
        return replace(groups[0], losses=stacks[0].losses)
    if stacks and all(page_stack.ome and page_stack.ome.tiff_data for page_stack in stacks):
        numbered = {str(number): group for number, group in enumerate(groups)}
        return Group(groups=numbered, attributes=bioformats2raw_attributes())
    names = [page_stack.title or page_stack.name.replace("/", ".") for page_stack in stacks]
    losses = tuple(loss for page_stack in stacks for loss in page_stack.losses)
    return Group(groups=dict(zip(names, groups, strict=True)), losses=losses)


def _nested(plate: PlateGroups, groups: Mapping[str, Group], at: str = "") -> Group:
    """Return the group of a plate, a row, a well or a field, by its path."""
    if at in groups:
        return groups[at]
    prefix = f"{at}/" if at else ""
    below = [path.removeprefix(prefix) for path in groups if path.startswith(prefix)]
    names = dict.fromkeys(path.partition("/")[0] for path in below)
    return Group(
        groups={name: _nested(plate, groups, prefix + name) for name in names},
        attributes=plate.attributes.get(at, {}),
    )


def _of_set(stacks: Sequence[Stack], groups: Sequence[Group]) -> Group:
    """Return what a file of a multi-file OME-TIFF has, by the numbers of the whole's images."""
    if all(page_stack.number is None for page_stack in stacks):
        return groups[0] if groups else Group()
    named = {
        str(page_stack.number): group for page_stack, group in zip(stacks, groups, strict=True)
    }
    return Group(groups=named, attributes=bioformats2raw_attributes())


def _group(page_stack: Stack, file_size: int, options: Options, *, coordinates: bool) -> Group:
    """Return a stack's group: its array, or a group below for each resolution."""
    if page_stack.ome is not None:  # OME-Zarr wants channels before the rows
        options = replace(options, samples="first")
    of_planes = _of_planes(page_stack) if coordinates else None
    levels: list[ImageArray] = []
    arrays: list[Arrays] = []
    for pages in (page_stack.pages, *page_stack.levels):
        image, array = _level(page_stack, pages, file_size, options, of_planes)
        levels.append(image)
        arrays.append({_IMAGE: array})
        if of_planes is not None:
            arrays[-1] |= _coordinates(page_stack, image, arrays[-1]) | of_planes
    if len(levels) == 1:
        attributes = {**page_stack.attributes, **_ome(page_stack, levels, [_IMAGE])}
        return Group(arrays=arrays[0], attributes=attributes)
    paths = [str(level) for level in range(len(levels))]
    attributes = attributes_of_levels(dict(zip(paths, levels, strict=True)), page_stack.factors)
    attributes |= dict(page_stack.attributes)
    attributes |= _ome(page_stack, levels, [f"{path}/{_IMAGE}" for path in paths])
    groups = {path: Group(arrays=of_level) for path, of_level in zip(paths, arrays, strict=True)}
    return Group(groups=groups, attributes=attributes)


def _ome(page_stack: Stack, levels: Sequence[ImageArray], paths: Sequence[str]) -> JSON:
    """Return OME-Zarr's attributes where OME-XML describes the image."""
    if page_stack.ome is None or not can_be_described(page_stack):
        return {}
    full = levels[0].ifd
    factors = [
        page_stack.factors.get(image.ifd.path)
        or (full.ImageLength / image.ifd.ImageLength, full.ImageWidth / image.ifd.ImageWidth)
        for image in levels
    ]
    if page_stack.whole is not None:
        page_stack = replace(page_stack, shape=page_stack.whole, first={})
    return group_attributes(page_stack, list(zip(paths, factors, strict=True)))


def _level(
    page_stack: Stack,
    pages: _Pages,
    file_size: int,
    options: Options,
    of_planes: _OfPlanes | None,
) -> tuple[ImageArray, FileArray]:
    """Return the first page's array, and that of all pages."""
    for page in pages:
        if page is not None and not page.shift:
            charge(page.ifd, options)
    first, plans = _plans(page_stack, pages, file_size, options)
    if any(_shape(plan) != _shape(plans[0]) for plan in plans if plan is not None):
        # strips that lie together in one page, and do not in another
        first, plans = _plans(page_stack, pages, file_size, replace(options, merge_strips=False))
    for page, plan in zip(pages, plans, strict=True):
        if page is not None and plan is not None and _shape(plan) != _shape(first.chunks):
            msg = (
                "the chunks of this page differ in size from those of the pages before; use "
                'ifd_layout="flat"'
            )
            raise UnsupportedError(msg, tag=Tag.StripByteCounts, ifd=page.ifd.path)
    array = _array(page_stack, first, plans, of_planes)
    losses = [
        loss
        for page, plan in zip(pages, plans, strict=True)
        if page is not None and plan is not None
        for loss in losses_of(page.ifd, plan)
    ]
    return first, replace(array, losses=tuple(losses)) if losses else array


def _plans(
    page_stack: Stack, pages: _Pages, file_size: int, options: Options
) -> tuple[ImageArray, list[ChunkPlan | None]]:
    """Return the array of the first page, and the chunks of each."""
    first: ImageArray | None = None
    plans: list[ChunkPlan | None] = []
    for page, whole in zip_longest(pages, page_stack.pages):
        if page is None:
            plans.append(None)
            continue
        full = None if whole is None or whole.ifd is page.ifd else whole.ifd
        if first is None:
            first = image_array(page.ifd, full, file_size=file_size, options=options)
            chunks = first.chunks
        elif page.ifd is first.ifd:
            chunks = first.chunks
        else:
            chunks = image_chunks(page.ifd, full, file_size=file_size, options=options)
        if page.shift:
            offsets = chunks.offsets + np.uint64(page.shift)
            offsets = np.where(chunks.byte_counts != 0, offsets, np.uint64(0))
            chunks = replace(chunks, offsets=offsets)
        plans.append(chunks)
    if first is None:
        msg = "a stack needs at least one page"
        raise ValueError(msg)
    return first, plans


def _shape(plan: ChunkPlan | None) -> tuple[int, ...] | None:
    if plan is None:
        return None
    return (plan.length, plan.width, plan.last_length, *plan.offsets.shape)


def _array(
    page_stack: Stack,
    first: ImageArray,
    plans: Sequence[ChunkPlan | None],
    of_planes: _OfPlanes | None,
) -> FileArray:
    axes = page_stack.dimension_names
    if first.axes.samples_last:
        axes = Axes((*page_stack.axes, "y", "x", page_stack.sample_axis))
    attributes: JSON = dict(first.metadata["attributes"])
    if "color_map" in attributes and len(color_maps(page_stack)) > 1:
        del attributes["color_map"]  # one for each channel; `omero` has their colours
    if of_planes is not None:
        attributes |= _references(page_stack, first, of_planes)
    if first.place is not None:
        attributes |= place_attributes(first.place, ("y", "x"))
    grid, chunks = first.layout.grid, first.chunks
    lengths = dict(zip(page_stack.axes, page_stack.shape, strict=True))
    chunk_lengths = dict.fromkeys(page_stack.axes, 1)
    if "band" in first.axes:
        lengths[page_stack.sample_axis] = lengths.get(page_stack.sample_axis, 1) * grid.samples
        chunk_lengths[page_stack.sample_axis] = grid.block_samples
    lengths |= {"y": grid.image_length, "x": grid.image_width}
    chunk_lengths |= {"y": chunks.length, "x": chunks.width}
    chunk_shape = axes.lengths(chunk_lengths)
    if page_stack.whole is not None:
        attributes[PART] = _part(page_stack, plans, axes, lengths, chunk_shape)
    codecs = first.metadata["codecs"]
    if any(codec["name"] == "transpose" for codec in codecs):
        # the one that brings the samples of a pixel together, by the numbers of this array's axes
        last = [axes.index(name) for name in ("y", "x", page_stack.sample_axis)]
        order = [*(number for number in range(len(axes)) if number not in last), *last]
        transpose = {"name": "transpose", "configuration": {"order": order}}
        codecs = [transpose if codec["name"] == "transpose" else codec for codec in codecs]
    metadata = first.metadata | {
        "shape": axes.lengths(lengths),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk_shape}},
        "codecs": codecs,
        "attributes": attributes,
        "dimension_names": list(axes),
    }

    def joined[T: np.generic](
        part: Callable[[ChunkPlan], NDArray[T] | None], dtype: type[T]
    ) -> NDArray[T]:
        missing = np.zeros(first.chunks.offsets.shape, dtype)
        parts = [missing if plan is None else part(plan) for plan in plans]
        of_pages = np.stack([missing if each is None else each for each in parts])
        return _in_order(of_pages.reshape(*page_stack.shape, *missing.shape), page_stack, axes)

    whole = all(plan is None or plan.lost is None for plan in plans)
    return FileArray(
        metadata=metadata,
        offsets=joined(lambda plan: plan.offsets, np.uint64),
        byte_counts=joined(lambda plan: plan.byte_counts, np.uint64),
        axes=axes,
        lost=None if whole else joined(lambda plan: plan.lost, np.bool_),
    )


def _part(
    page_stack: Stack,
    plans: Sequence[ChunkPlan | None],
    axes: Axes,
    lengths: Mapping[str, int],
    chunk_shape: Sequence[int],
) -> JSON:
    """Say where the part of a file lies in the whole image.

    `shape` is that of the whole, `first` the chunk of the whole that is the part's first one, and
    `absent` the numbers of the planes of the part that are not this file's, in C order.
    """
    whole = dict(lengths)
    first = dict.fromkeys(axes, 0)
    for axis, planes, length in zip(
        page_stack.axes, page_stack.shape, page_stack.whole or (), strict=True
    ):
        samples = lengths[axis] // planes
        whole[axis] = length * samples
        start = page_stack.first.get(axis, 0) * samples
        first[axis] = start // chunk_shape[axes.index(axis)]
    part = {"shape": axes.lengths(whole), "first": axes.lengths(first)}
    absent = [number for number, plan in enumerate(plans) if plan is None]
    return part | ({"absent": absent} if absent else {})


def _in_order[T: np.generic](of_pages: NDArray[T], page_stack: Stack, axes: Axes) -> NDArray[T]:
    """Bring (axes, planes, rows, columns) to the chunk grid's order of dimensions."""
    planes_at = len(page_stack.axes)
    samples = page_stack.sample_axis
    if samples not in axes:
        return of_pages
    if samples in page_stack.axes:  # planes of samples go on counting the channels
        at = page_stack.axes.index(samples)
        moved = np.moveaxis(of_pages, planes_at, at + 1)
        shape = moved.shape
        return moved.reshape(*shape[:at], prod(shape[at : at + 2]), *shape[at + 2 :])
    return np.moveaxis(of_pages, planes_at, axes.index(samples))


def _references(page_stack: Stack, first: ImageArray, of_planes: _OfPlanes) -> JSON:
    bands = first if page_stack.sample_axis == "band" else replace(first, bands={})
    attributes = references(bands, Names())
    listed = [attributes["coordinates"]] if "coordinates" in attributes else []
    listed += [_position(axis) for axis in page_stack.positions]
    listed += of_planes
    return attributes | ({"coordinates": " ".join(listed)} if listed else {})


def _coordinates(page_stack: Stack, first: ImageArray, existing: Arrays) -> Arrays:
    bands = first if page_stack.sample_axis == "band" else replace(first, bands={})
    arrays: Arrays = dict(coordinate_arrays(bands, Names(), existing))
    for axis, positions in page_stack.positions.items():
        arrays[_position(axis)] = band_array(positions, page_stack.axes[0])
    if page_stack.numbers:
        arrays["page"] = band_array(page_stack.numbers, "page")
    names = [] if page_stack.ome is None else [channel.name for channel in page_stack.ome.channels]
    array = existing[_IMAGE].metadata
    shape = array["attributes"].get(PART, array)["shape"]
    lengths = dict(zip(array["dimension_names"], shape, strict=True))
    texts = [name for name in names if name]
    if lengths.get("c") == len(set(texts)) == len(names):
        arrays["c"] = band_array(texts, "c")
    return arrays


def _of_planes(page_stack: Stack) -> _OfPlanes:
    """Return what metadata say of each plane, as coordinates."""
    arrays: _OfPlanes = {}
    axes = page_stack.axes
    for name, (values, units) in page_stack.values.items():
        shaped = values.reshape(page_stack.whole or page_stack.shape)
        if page_stack.sample_axis in axes:  # each plane has several channels
            at = axes.index(page_stack.sample_axis)
            shaped = np.repeat(shaped, page_stack.ifd.SamplesPerPixel, axis=at)
        array = plane_array(shaped, axes, units)
        if array is not None:
            arrays[name] = array
    return arrays


def _position(axis: str) -> str:
    return {"t": "frame", "c": "channel", "z": "slice"}[axis]
