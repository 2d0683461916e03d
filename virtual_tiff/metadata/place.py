"""Where an image lies: transform, ground control points, rational polynomials and CRS together.

An overview or a mask has the place of its image, brought to its own size; a window has that
of the image it is cut from. Both as GDAL derives them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from virtual_tiff.metadata.crs import Crs, crs_of
from virtual_tiff.metadata.gdal_metadata import gdal_metadata
from virtual_tiff.metadata.rpc import Rpc, rpc_of, rpc_of_domain
from virtual_tiff.metadata.transform import (
    Affine,
    GroundControlPoint,
    affine_of,
    ground_control_points,
)
from virtual_tiff.tiff import ImageFileDirectory

__all__ = ["Place", "place_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an image of `length` rows and `width` columns lies."""

    length: int
    width: int
    affine: Affine | None = None
    crs: Crs | None = None
    """The CRS of the transform or, where there are ground control points instead, of these."""
    points: tuple[GroundControlPoint, ...] = ()
    rpc: Rpc | None = None
    """It is shared: copy it before a change."""
    memo: dict[Hashable, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """Values made from the place: files share their places, too."""

    def remembered[T](self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is made of this place, made once; it is shared, and small."""
        if key not in self.memo:
            self.memo[key] = make()
        value: T = self.memo[key]
        return value

    @property
    def key(self) -> Hashable:
        """A key that is equal for two images at one place."""

        def make() -> Hashable:
            crs = self.crs and (self.crs.code, self.crs.wkt, self.crs.epoch, self.crs.vertical)
            return self.affine, crs, self.points, None if self.rpc is None else repr(self.rpc)

        return self.remembered("key", make)

    def resized(self, length: int, width: int) -> Place:
        """Return the place of the same image in another size: of an overview, or a mask."""
        if (length, width) == (self.length, self.width):
            return self
        across, down = self.width / width, self.length / length
        rpc = dict(self.rpc or {})
        for axis, times in (("line", down), ("samp", across)) if rpc else ():
            # they count from the centre of the first pixel (gdaloverviewdataset.cpp)
            rpc[f"{axis}_off"] = (cast("float", rpc[f"{axis}_off"]) + 0.5) / times - 0.5
            rpc[f"{axis}_scale"] = cast("float", rpc[f"{axis}_scale"]) / times
        return Place(
            length=length,
            width=width,
            affine=self.affine and self.affine.scaled(across, down),
            crs=self.crs,
            points=tuple(
                replace(point, column=point.column / across, row=point.row / down)
                for point in self.points
            ),
            rpc=rpc or None,
        )

    def window(self, row: int, column: int, length: int, width: int) -> Place:
        """Return the place of a part of the image, which begins at a row and a column."""
        rpc = dict(self.rpc or {})
        for name, first in (("line_off", row), ("samp_off", column)) if rpc else ():
            rpc[name] = cast("float", rpc[name]) - first
        return Place(
            length=length,
            width=width,
            affine=self.affine and self.affine.shifted(column, row),
            crs=self.crs,
            points=tuple(
                replace(point, column=point.column - column, row=point.row - row)
                for point in self.points
            ),
            rpc=rpc or None,
        )


def place_of(ifd: ImageFileDirectory, full: ImageFileDirectory | None = None) -> Place | None:
    """Return where an image lies; None if no tag says so.

    `full` is the image that an overview or a mask belongs to. What that one says holds, as in GDAL;
    some writers copy its tags to the overviews without a change.
    """
    return ifd.remembered(_place, full)


def _place(ifd: ImageFileDirectory, full: ImageFileDirectory | None) -> Place | None:
    place_of_full = None if full is None else place_of(full)
    if place_of_full is not None:
        return place_of_full.resized(ifd.ImageLength, ifd.ImageWidth)
    place = Place(
        length=ifd.ImageLength,
        width=ifd.ImageWidth,
        affine=affine_of(ifd),
        crs=crs_of(ifd),
        points=tuple(ground_control_points(ifd)),
        rpc=rpc_of(ifd) or rpc_of_domain(gdal_metadata(ifd).file.domains.get("RPC")),
    )
    nowhere = Place(length=place.length, width=place.width)
    return None if place == nowhere else place
