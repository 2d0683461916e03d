"""Which images become which arrays and groups.

`flat`, `nested` and `pyramid` arrange images, one array each; `stack` makes arrays of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from virtual_tiff.arrays.image import ImageArray
from virtual_tiff.arrays.layouts.flat import flat, nested
from virtual_tiff.arrays.layouts.page_stack import stack
from virtual_tiff.arrays.layouts.pyramid import pyramid
from virtual_tiff.arrays.nodes import Group
from virtual_tiff.metadata.slides import KnownSlide

__all__ = ["LAYOUTS", "IfdLayout", "arrange", "stack"]

IfdLayout = Literal["flat", "nested", "pyramid", "stack"]
LAYOUTS: tuple[str, ...] = get_args(IfdLayout)


def arrange(
    images: Sequence[ImageArray],
    layout: IfdLayout,
    *,
    coordinates: bool,
    slide: KnownSlide | None = None,
) -> Group:
    """Return the group that holds the arrays of the images.

    Parameters
    ----------
    images
        Those to expose.
    layout
        `"flat"`: all arrays in the root, each named by its directory's path. `"nested"`:
        each in a group of its own, as xarray's DataTree wants it. `"pyramid"`: a group for
        each resolution of an image.
    coordinates
        Whether coordinate arrays stand beside those of the images.
    slide
        The whole-slide image that the file is.
    """
    if layout == "pyramid":
        return pyramid(images, coordinates=coordinates, slide=slide)
    return (flat if layout == "flat" else nested)(images, coordinates=coordinates)
