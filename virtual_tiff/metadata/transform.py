"""Where the pixels of an image lie: the affine transform, or ground control points.

GeoTIFF 1.1 (OGC 19-008r4) section 7.3, "Coordinate transformations": ModelTransformation,
or ModelPixelScale with ModelTiepoint. What readers have come to accept is the rule of
GDAL's GTiff driver; the comments name it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from virtual_tiff.tiff import GeoKey, ImageFileDirectory, Tag, TiffError, parse_geokeys, warn

__all__ = ["Affine", "GroundControlPoint", "affine_of", "ground_control_points"]

_POINT = 2
"""GTRasterTypeGeoKey: a value stands for the point at its pixel's index (RasterPixelIsPoint)."""

_TIEPOINT_NUMBERS = 6
_MATRIX_NUMBERS = 16
_MOST_TIEPOINT_NUMBERS = 2**16 - 1
"""libtiff counts the values of this tag in 16 bits, and drops a longer one."""


@dataclass(frozen=True, slots=True)
class Affine:
    """x = a * column + b * row + c, y = d * column + e * row + f.

    Columns and rows count from the outer corner of the first pixel.
    """

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @property
    def rectilinear(self) -> bool:
        """Whether x depends on the column alone, and y on the row."""
        return self.b == 0 and self.d == 0

    @property
    def gdal(self) -> tuple[float, float, float, float, float, float]:
        """The six numbers in GDAL's order."""
        return (self.c, self.a, self.b, self.f, self.d, self.e)

    @property
    def coefficients(self) -> list[float]:
        """The six numbers in their own order, as the Zarr convention `spatial` has them."""
        return [self.a, self.b, self.c, self.d, self.e, self.f]

    def bounds(self, length: int, width: int) -> list[float]:
        """Return the least and the greatest x and y: [left, bottom, right, top] if north is up."""
        xs, ys = zip(*(self.at(x, y) for x in (0, width) for y in (0, length)), strict=True)
        return [min(xs), min(ys), max(xs), max(ys)]

    def at(self, column: float, row: float) -> tuple[float, float]:
        """Return x and y of a place in the image."""
        x = self.a * column + self.b * row + self.c
        return x, self.d * column + self.e * row + self.f

    def shifted(self, column: float, row: float) -> Affine:
        """Return the transform of an image that begins at another place of this one."""
        c, f = self.at(column, row)
        return Affine(self.a, self.b, c, self.d, self.e, f)

    def inverted(self) -> Affine:
        """Return the transform from x and y to column and row.

        Raises
        ------
        ValueError
            If there is none, as all pixels lie on a line or in a point.
        """
        determinant = self.a * self.e - self.b * self.d
        if not determinant or not math.isfinite(determinant):
            msg = f"the transform {self.gdal} has no inverse"
            raise ValueError(msg)
        a, b = self.e / determinant, -self.b / determinant
        d, e = -self.d / determinant, self.a / determinant
        return Affine(a, b, -a * self.c - b * self.f, d, e, -d * self.c - e * self.f)

    def scaled(self, across: float, down: float) -> Affine:
        """Return the transform of an image whose pixels are so many times larger."""
        return Affine(
            self.a * across, self.b * down, self.c, self.d * across, self.e * down, self.f
        )


@dataclass(frozen=True, slots=True)
class GroundControlPoint:
    """A place in the image, from its outer corner, and where it lies on the ground."""

    column: float
    row: float
    x: float
    y: float
    z: float


def affine_of(ifd: ImageFileDirectory) -> Affine | None:
    """Return the transform of a directory's own tags; None if they give none.

    A tag that cannot be read, or has numbers that no transform can have, is left out with
    a warning: nothing is guessed.
    """
    affine = _from_scale(ifd) or _from_matrix(ifd)
    if affine is None:
        return None
    if not all(map(math.isfinite, affine.gdal)):
        warn(f"IFD {ifd.path}: the transform is ignored: its numbers are not finite")
        return None
    return affine


def ground_control_points(ifd: ImageFileDirectory) -> list[GroundControlPoint]:
    """Return the tiepoints of an image that has no transform; none if it has one."""
    if affine_of(ifd) is not None:
        return []
    numbers = _floats(ifd, Tag.ModelTiepoint)
    shift = 0.5 if _is_point(ifd) else 0.0
    points = []
    for at in range(0, len(numbers) - _TIEPOINT_NUMBERS + 1, _TIEPOINT_NUMBERS):
        column, row, _, x, y, z = numbers[at : at + _TIEPOINT_NUMBERS]
        points.append(GroundControlPoint(column + shift, row + shift, x, y, z))
    return points


def _from_scale(ifd: ImageFileDirectory) -> Affine | None:
    scale = _floats(ifd, Tag.ModelPixelScale)
    tiepoint = _floats(ifd, Tag.ModelTiepoint)
    if len(scale) < 2 or not scale[0] or not scale[1]:
        return None
    if scale[1] < 0:
        # against GeoTIFF's sign rule, GDAL takes such a file for north-up
        warn(f"IFD {ifd.path}: ModelPixelScale has a negative ScaleY, which is read as positive")
    a, e = scale[0], -abs(scale[1])
    if len(tiepoint) < _TIEPOINT_NUMBERS:
        # as in GDAL: the first pixel's corner is the origin, of both raster types, and
        # ModelTransformation does not count
        return Affine(a, 0.0, 0.0, 0.0, e, 0.0)
    column, row, _, x, y, _ = tiepoint[:_TIEPOINT_NUMBERS]
    return _of_corner(ifd, Affine(a, 0.0, x - column * a, 0.0, e, y - row * e))


def _from_matrix(ifd: ImageFileDirectory) -> Affine | None:
    m = _floats(ifd, Tag.ModelTransformation)
    if len(m) != _MATRIX_NUMBERS:
        return None
    return _of_corner(ifd, Affine(m[0], m[1], m[3], m[4], m[5], m[7]))


def _of_corner(ifd: ImageFileDirectory, affine: Affine) -> Affine:
    """Move the origin by half a pixel as GDAL does, to be the corner for both raster types."""
    return affine.shifted(-0.5, -0.5) if _is_point(ifd) else affine


def _is_point(ifd: ImageFileDirectory) -> bool:
    return parse_geokeys(ifd).get(GeoKey.GTRasterTypeGeoKey) == _POINT


def _floats(ifd: ImageFileDirectory, tag: Tag) -> tuple[float, ...]:
    count = ifd.entries[tag].count if tag in ifd.entries else 0
    if count > _MOST_TIEPOINT_NUMBERS:
        warn(f"IFD {ifd.path}: {tag.name} is ignored, as in GDAL: it has {count:,} numbers")
        return ()
    try:
        return ifd.floats(tag) or ()
    except TiffError as error:
        warn(f"{tag.name} is ignored: {error}")
        return ()
