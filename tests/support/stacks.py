"""Files of many pages, and their stacks."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from tiff.reading import read
from virtual_tiff.arrays.layouts.find_stacks import Page, Stack, find_stacks
from virtual_tiff.tiff import Limits, Tag

type Array = NDArray[Any]


def numbered(*shape: int, dtype: str = "uint16") -> Array:
    """An array none of whose planes is like another."""
    return (np.arange(np.prod(shape)) % 60_000).astype(dtype).reshape(shape)


def written(*arrays: Array, big: bool = False, **options: Any) -> bytes:
    """A TIFF that tifffile writes; each array is a series. `options` are those of `write`."""
    writer = {name: options.pop(name) for name in ("imagej", "ome", "byteorder") if name in options}
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=big, **writer) as tiff:
        for array in arrays:
            tiff.write(array, **options)
    return file.getvalue()


def stacks_of(data: bytes, **limits: int) -> list[Stack]:
    return find_stacks(read(data).ifds, file_size=len(data), limits=Limits(**limits))


def only_stack(data: bytes, **limits: int) -> Stack:
    (stack,) = stacks_of(data, **limits)
    return stack


def array_shape(stack: Stack, level: int = 0) -> tuple[int, ...]:
    """The shape of the stack's array, in the order of its dimensions; level 0 is `pages`."""
    pages = stack.levels[level - 1] if level else stack.pages
    ifd = next(page.ifd for page in pages if page is not None)
    lengths = dict(zip(stack.axes, stack.shape, strict=True))
    if ifd.SamplesPerPixel > 1:
        lengths[stack.sample_axis] = lengths.get(stack.sample_axis, 1) * ifd.SamplesPerPixel
    lengths |= {"y": ifd.ImageLength, "x": ifd.ImageWidth}
    return tuple(lengths[name] for name in stack.dimension_names)


def numbers(stack: Stack) -> list[int | None]:
    """Number of each page's directory."""
    return [None if page is None else int(page.ifd.path) for page in stack.pages]


def pixels(data: bytes, stack: Stack, level: int = 0) -> Array:
    """What the stack's array must hold; zeros where the file has no page.

    Each page is read by tifffile; one without directory is what lies at its shifted offset.
    """
    pages = stack.levels[level - 1] if level else stack.pages
    planes = [None if page is None else _plane(data, page) for page in pages]
    like = next(plane for plane in planes if plane is not None)
    stacked = np.stack([np.zeros_like(like) if plane is None else plane for plane in planes])
    shape = array_shape(stack, level)
    if like.ndim == 3 and "c" in stack.dimension_names and "z" in stack.axes:
        by_plane = stacked.reshape(*stack.shape, *like.shape)  # ..., z, samples, y, x
        z = stack.axes.index("z")
        stacked = np.moveaxis(by_plane, -3, z)
    return stacked.reshape(shape)


def _plane(data: bytes, page: Page) -> Array:
    """(y, x) or (samples, y, x)."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        found = next(each for each in _all_pages(tiff) if each.offset == page.ifd.offset)
        if page.shift:
            start = page.ifd.integer(Tag.StripOffsets)
            assert start is not None
            dtype = np.dtype(tiff.byteorder + found.dtype.char)
            count = int(np.prod(found.shape))
            array = np.frombuffer(data, dtype, count, start + page.shift).reshape(found.shape)
        else:
            array = found.asarray()
        return np.moveaxis(array, -1, 0) if found.axes.endswith("S") else array


def _all_pages(tiff: tifffile.TiffFile) -> list[Any]:
    pages = []
    for page in tiff.pages:
        pages.append(page)
        pages += list(page.pages or ())
    return pages
