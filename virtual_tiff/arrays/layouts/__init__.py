"""Which images become which arrays and groups.

`flat`, `nested` and `pyramid` arrange images, one array each; `stack` makes arrays of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, get_args

from virtual_tiff.arrays.image import ImageArray
from virtual_tiff.arrays.layouts.flat import flat, nested
from virtual_tiff.arrays.layouts.page_stack import stack
from virtual_tiff.arrays.layouts.pyramid import pyramid
from virtual_tiff.arrays.nodes import Group

__all__ = ["LAYOUTS", "IfdLayout", "arrange", "stack"]

IfdLayout = Literal["flat", "nested", "pyramid", "stack"]
LAYOUTS: tuple[str, ...] = get_args(IfdLayout)


class _Arranger(Protocol):
    def __call__(self, images: Sequence[ImageArray], *, coordinates: bool) -> Group: ...


_ARRANGERS: dict[str, _Arranger] = {
    "flat": flat,
    "nested": nested,
    "pyramid": pyramid,
}


def arrange(images: Sequence[ImageArray], layout: IfdLayout, *, coordinates: bool) -> Group:
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
    """
    return _ARRANGERS[layout](images, coordinates=coordinates)
