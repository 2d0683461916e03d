"""The parts of every layout: an image's array with named dimensions, and its coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from virtual_tiff.arrays.budget import Budget
from virtual_tiff.arrays.conventions import place_attributes
from virtual_tiff.arrays.coordinates import axis_array, band_array, has_axes, spatial_ref_array
from virtual_tiff.arrays.image import ImageArray, losses_of
from virtual_tiff.arrays.nodes import JSON, FileArray, InlineArray

__all__ = [
    "Arrays",
    "Names",
    "coordinate_arrays",
    "file_array",
    "name_of",
    "pixels_of",
    "references",
]

type Arrays = dict[str, FileArray | InlineArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of the arrays that belong to an image's array."""

    plane: str = ""
    """Ends the names of what belongs to the rows and columns: `x`, `y`, `spatial_ref`."""
    band: str = ""
    """Ends the names of what belongs to the bands."""

    def __getitem__(self, axis: str) -> str:
        return f"{axis}{self.band if axis == 'band' else self.plane}"


def name_of(image: ImageArray) -> str:
    """Return the array's name: the directory's number, `0.1` for the SubIFD at `0/1`."""
    return image.ifd.path.replace("/", ".")


def pixels_of(image: ImageArray) -> tuple[int, ...]:
    """Return what is equal for two arrays whose pixels lie upon each other.

    With a window, the size alone does not tell: it is snapped to the blocks of each image, so
    that parts of two resolutions, or of an image and its mask, may be equally large.
    """
    return image.ifd.ImageLength, image.ifd.ImageWidth, *image.size, *image.origin


def file_array(image: ImageArray, names: Names, *, coordinates: bool) -> FileArray:
    """Return an image's array with its dimensions named, and its place said."""
    attributes: JSON = dict(image.metadata["attributes"])
    if coordinates:
        attributes |= references(image, names)
    if image.place is not None:
        attributes |= place_attributes(image.place, (names["y"], names["x"]))
    return FileArray(
        metadata=image.metadata
        | {
            "dimension_names": [names[axis] for axis in image.axes],
            "attributes": attributes,
        },
        offsets=image.chunks.offsets,
        byte_counts=image.chunks.byte_counts,
        axes=image.axes,
        lost=image.chunks.lost,
        losses=losses_of(image.ifd, image.chunks),
        url=image.url,
    )


def references(image: ImageArray, names: Names) -> JSON:
    """Return the attributes that bind coordinates to an array, CF 1.11 sections 5 and 5.6.

    xarray takes no `grid_mapping` for a coordinate unless it is told to, so `coordinates`
    lists it too.
    """
    attributes: JSON = {}
    listed = [f"{name}{names.band}" for name in image.bands if name != "band"]
    if image.place is not None:
        attributes["grid_mapping"] = f"spatial_ref{names.plane}"
        listed.insert(0, attributes["grid_mapping"])
    if listed:
        attributes["coordinates"] = " ".join(listed)
    return attributes


def coordinate_arrays(
    image: ImageArray, names: Names, existing: Mapping[str, object]
) -> dict[str, InlineArray]:
    """Return an image's coordinate arrays that are not there already."""
    makers: dict[str, Callable[[], InlineArray]] = {}
    place = image.place
    if place is not None:
        axes = {names["y"], names["x"]}
        # 400 bytes can state an image of 2**31 columns
        budget = image.budget or Budget(image.ifd.limits, 0)
        if (
            has_axes(place)
            and not axes <= existing.keys()
            and budget.has_room(sum(image.size), image.ifd.path)
        ):
            makers[names["y"]] = lambda: axis_array(place, "y", names["y"])
            makers[names["x"]] = lambda: axis_array(place, "x", names["x"])
        makers[f"spatial_ref{names.plane}"] = lambda: spatial_ref_array(place)
    for name, values in image.bands.items():
        makers[f"{name}{names.band}"] = partial(band_array, values, "band", names["band"])
    return {name: make() for name, make in makers.items() if name not in existing}
