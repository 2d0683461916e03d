"""Which directories become which arrays and groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from virtualizarr.manifests import ManifestArray, ManifestGroup

from virtual_tiff.tiff import ImageFileDirectory

__all__ = ["LAYOUTS", "IfdLayout", "arrange"]

type ArrayMaker = Callable[[ImageFileDirectory, list[str]], ManifestArray]
"""Makes the array of a directory under the given dimension names."""

IfdLayout = Literal["flat", "nested"]
LAYOUTS: tuple[str, ...] = get_args(IfdLayout)


def arrange(
    ifds: Sequence[ImageFileDirectory], layout: IfdLayout, make_array: ArrayMaker
) -> ManifestGroup:
    """Return the group that holds the arrays of the directories.

    Parameters
    ----------
    ifds
        The directories to expose; an array is named by its directory's path.
    layout
        `"flat"`: all arrays in the root. `"nested"`: each in a group of its own, as
        xarray's DataTree wants it.
    make_array
        Makes one array.
    """
    if layout == "nested":
        return ManifestGroup(groups={_name(ifd): _alone(ifd, make_array) for ifd in ifds})
    names = _shared_dimensions(ifds)
    return ManifestGroup(
        arrays={_name(ifd): make_array(ifd, own) for ifd, own in zip(ifds, names, strict=True)}
    )


def _alone(ifd: ImageFileDirectory, make_array: ArrayMaker) -> ManifestGroup:
    array = make_array(ifd, _dimensions(ifd))
    # as in 0.5.0: a Dataset of one array carries that array's attributes
    return ManifestGroup(arrays={_name(ifd): array}, attributes=dict(array.metadata.attributes))


def _name(ifd: ImageFileDirectory) -> str:
    """Return the array's name: the directory's number, `0.1` for the SubIFD at `0/1`."""
    return ifd.path.replace("/", ".")


def _dimensions(ifd: ImageFileDirectory, plane: str = "", band: str = "") -> list[str]:
    bands = [f"band{band}"] if ifd.SamplesPerPixel > 1 else []
    return [*bands, f"y{plane}", f"x{plane}"]


def _shared_dimensions(ifds: Sequence[ImageFileDirectory]) -> list[list[str]]:
    """Return names under which arrays of different sizes fit into one xarray Dataset.

    The first image has the plain names; so has the first with bands. Another one of the
    same size shares them, one of another size has its own.
    """
    first = (ifds[0].ImageLength, ifds[0].ImageWidth)
    bands = next((ifd.SamplesPerPixel for ifd in ifds if ifd.SamplesPerPixel > 1), 1)
    return [
        _dimensions(
            ifd,
            plane="" if (ifd.ImageLength, ifd.ImageWidth) == first else f"_{_name(ifd)}",
            band="" if ifd.SamplesPerPixel == bands else f"_{_name(ifd)}",
        )
        for ifd in ifds
    ]
