"""The meaning of an array's dimensions: one record, made with the array and carried with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from virtual_tiff.tiff import ImageFileDirectory, PlanarConfiguration

__all__ = ["Axes", "SampleOrder", "axes_of_image"]

type SampleOrder = Literal["first", "stored"]
"""Where the samples of a pixel lie together: before rows and columns, or as in the file."""


class Axes(tuple[str, ...]):
    """The meaning of each dimension, whatever its name is in the array.

    `y` are the rows, `x` the columns, `band` the samples; others are those of a stack of pages.
    Rows and columns are neighbours, in this order.
    """

    __slots__ = ()

    @property
    def rows(self) -> int:
        """Number of the dimension of the rows."""
        return self.index("y")

    @property
    def plane(self) -> slice:
        """The dimensions of rows and columns."""
        return slice(self.rows, self.rows + 2)

    @property
    def samples_last(self) -> bool:
        """Whether the samples of a pixel follow rows and columns."""
        return self[-1] != "x"

    def lengths(self, by_axis: Mapping[str, int]) -> list[int]:
        """Return a length for each dimension."""
        return [by_axis[axis] for axis in self]


def axes_of_image(ifd: ImageFileDirectory, samples: SampleOrder) -> Axes:
    """Return the axes of the array of one directory."""
    if ifd.SamplesPerPixel == 1:
        return Axes(("y", "x"))
    together = ifd.PlanarConfiguration != PlanarConfiguration.Planar
    last = samples == "stored" and together
    return Axes(("y", "x", "band") if last else ("band", "y", "x"))
