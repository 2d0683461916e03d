"""`flat` and `nested`: the layouts of virtual-tiff 0.5.0."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from virtual_tiff.arrays.image import ImageArray
from virtual_tiff.arrays.layouts.named_arrays import (
    Arrays,
    Names,
    coordinate_arrays,
    file_array,
    name_of,
    pixels_of,
)
from virtual_tiff.arrays.nodes import Group

__all__ = ["flat", "nested"]


def flat(images: Sequence[ImageArray], *, coordinates: bool) -> Group:
    """Return one group that holds all arrays, each named by its directory's path."""
    arrays: Arrays = {}
    for image, names in zip(images, _shared_names(images, coordinates=coordinates), strict=True):
        arrays[name_of(image)] = file_array(image, names, coordinates=coordinates)
        if coordinates:
            arrays |= coordinate_arrays(image, names, arrays)
    return Group(arrays=arrays)


def nested(images: Sequence[ImageArray], *, coordinates: bool) -> Group:
    """Return a group that holds a group for each array."""
    groups = {}
    for image in images:
        array = file_array(image, Names(), coordinates=coordinates)
        arrays: Arrays = {name_of(image): array}
        if coordinates:
            arrays |= coordinate_arrays(image, Names(), arrays)
        # as in 0.5.0: a Dataset of one array carries that array's attributes
        attributes = dict(array.metadata["attributes"])
        for name in ("coordinates", "grid_mapping"):
            attributes.pop(name, None)
        groups[name_of(image)] = Group(arrays=arrays, attributes=attributes)
    return Group(groups=groups)


def _shared_names(images: Sequence[ImageArray], *, coordinates: bool) -> list[Names]:
    """Return names under which arrays of different sizes fit into one xarray Dataset.

    The first image has the plain names. Another one of the same size at the same place shares
    them, as a mask does; the first of another size gives its own number to them. So it is
    with bands.
    """
    planes: dict[Hashable, str] = {}
    bands: dict[Hashable, str] = {}
    names = []
    for image in images:
        suffix = f"_{name_of(image)}"
        plane = band = ""
        key: Hashable = (pixels_of(image), coordinates and image.place and image.place.key)
        plane = planes.setdefault(key, suffix if planes else "")
        if "band" in image.axes:
            of_bands = tuple((name, tuple(each)) for name, each in image.bands.items())
            key = (image.layout.grid.samples, coordinates and of_bands)
            band = bands.setdefault(key, suffix if bands else "")
        names.append(Names(plane=plane, band=band))
    return names
