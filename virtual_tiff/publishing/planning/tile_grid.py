"""Where tiles lie on the pixel grid of the image that they form together.

A tile's transform gives the world position of its pixels. The inverse of the whole's transform
gives the column and the row of that position, for every affine transform: north up, south up,
flipped, sheared or rotated. The linear parts of the transforms (pixel size and rotation) may
differ by rounding alone, so all corners of a tile are placed, not only the first: where pixels
are a little larger, the far corner is the one that is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.metadata.transform import Affine
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.plan import Integers
from virtual_tiff.publishing.reading.record import Template

__all__ = ["SNAP", "Tile", "fit", "linear_part", "plane_size", "tile_grid", "tile_of"]

SNAP = 0.01
"""Pixels by which a corner of a tile may be off the grid of the others, unless the user says."""
_DIGITS = 9
"""Significant digits in which pixel size and rotation of tiles must agree."""
_FARTHEST = 2**53
"""Rows and columns, beyond which float64 has no single pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One file's array."""

    name: str
    """Of its file, for errors."""
    affine: Affine
    length: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TileGrid:
    """The pixel grid of the whole."""

    affine: Affine
    """Of the whole: its first row and column are the first that any tile has."""
    starts: Integers
    """Row and column of each tile's first pixel; shape (tiles, 2)."""
    shift: float
    """The largest distance of a tile's corner from the grid, in pixels."""


def plane_size(metadata: JSON, axes: Sequence[str]) -> tuple[int, int]:
    """Return rows and columns of an array; new dimensions stand before its `axes`."""
    shape = metadata["shape"][-len(axes) :]
    return int(shape[axes.index("y")]), int(shape[axes.index("x")])


def tile_of(template: Template, path: str, name: str = "") -> Tile | None:
    """Return where an array of a file lies; None if nothing says so."""
    metadata, axes = template.arrays[path], template.axes[path]
    transform = metadata["attributes"].get("spatial:transform")
    if transform is None or "y" not in axes or "x" not in axes:
        return None
    length, width = plane_size(metadata, axes)
    return Tile(name=name, affine=Affine(*transform), length=length, width=width)


def linear_part(affine: Affine) -> list[float]:
    """Return pixel size and rotation, equal for transforms that differ by rounding alone."""
    numbers = [affine.a, affine.b, affine.d, affine.e]
    largest = float(f"{max(map(abs, numbers)):.{_DIGITS - 1}e}")
    if not largest:
        return numbers
    # + 0.0: JSON has two zeros
    return [
        float(f"{round(n / largest, _DIGITS) * largest:.{_DIGITS - 1}e}") + 0.0 for n in numbers
    ]


def fit(one: Tile, other: Tile, axes: Sequence[str], snap: float = SNAP) -> bool:
    """Whether two tiles lie on one grid and, along an axis that is not named, side by side."""
    try:
        tile_grid("", [one, other], axes, snap)
    except PublishError:
        return False
    return True


def tile_grid(
    path: str, tiles: Sequence[Tile], axes: Sequence[str], snap: float = SNAP
) -> TileGrid:
    """Place tiles, one a file, on one grid.

    The axes are those that the tiles are put together along: `y`, `x`. Along another one all must
    start at the same pixel. Where one does not, or is off the grid by more than `snap` pixels, a
    PublishError says by how much.
    """
    starts, shift = _placed(path, tiles[0], tiles, snap)
    _check_other_axes(path, tiles, tiles[0], starts, axes)
    # the whole has the transform of the tile in its corner, to the last digit, if there is one
    first = int(np.argmin(starts.sum(axis=1)))
    if first:
        starts, shift = _placed(path, tiles[first], tiles, snap)
    corner = starts.min(axis=0)
    affine = tiles[first].affine
    if corner.any():
        affine = affine.shifted(float(corner[1]), float(corner[0]))
    return TileGrid(affine=affine, starts=starts - corner, shift=shift)


def _placed(
    path: str, reference: Tile, tiles: Sequence[Tile], snap: float
) -> tuple[Integers, float]:
    """Return row and column of each tile, counted from a reference's, and the largest shift."""
    whole = reference.affine
    determinant = whole.a * whole.e - whole.b * whole.d
    numbers = np.array([tile.affine.coefficients for tile in tiles], dtype="f8")
    a, b, c, d, e, f = numbers.T
    length, width = np.array([(tile.length, tile.width) for tile in tiles], dtype="f8").T
    none = np.zeros_like(length)
    with np.errstate(all="ignore"):

        def position(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
            row = (whole.a * y - whole.d * x) / determinant
            return np.stack([row, (whole.e * x - whole.b * y) / determinant], axis=1)

        # differences first: of coordinates of 10^6 metres few digits are left below the pixel
        origin = position(c - whole.c, f - whole.f)
        starts = np.rint(origin)
        off = np.abs(origin - starts)
        for column, row in ((width, none), (none, length), (width, length)):
            # how much farther or nearer than the reference's own pixels the corner is
            drift = position(
                (a - whole.a) * column + (b - whole.b) * row,
                (d - whole.d) * column + (e - whole.e) * row,
            )
            off = np.maximum(off, np.abs(origin - starts + drift))
        wrong = ~(np.isfinite(origin).all(axis=1) & (np.abs(starts) < _FARTHEST).all(axis=1))
        wrong |= ~np.isfinite(off).all(axis=1)
    if wrong.any():
        name = tiles[int(np.argmax(wrong))].name
        msg = (
            f"{name}: array {path}: its transform {numbers[int(np.argmax(wrong))].tolist()} gives"
            f" no position on the pixel grid of {reference.name}. Publish it separately"
        )
        raise PublishError(msg)
    wrong = off.max(axis=1) > snap
    if not wrong.any():
        return starts.astype(np.int64), float(off.max())
    at = int(np.argmax(wrong))
    (rows, columns), (row, column) = off[at].tolist(), (starts[at] + 0.0).tolist()  # no -0
    msg = (
        f"{tiles[at].name}: array {path} does not lie on the grid of the others' pixels: at row"
        f" {row:,.0f} and column {column:,.0f} of {reference.name} it is off by {rows:.3g} pixels"
        f" along y and {columns:.3g} along x; {snap:g} is allowed. Publish it separately,"
        " resample it first, or allow more by snap (--snap)"
    )
    raise PublishError(msg)


def _check_other_axes(
    path: str, tiles: Sequence[Tile], reference: Tile, starts: Integers, axes: Sequence[str]
) -> None:
    for at, (axis, noun) in enumerate((("y", "rows"), ("x", "columns"))):
        elsewhere = starts[:, at] != 0
        if axis in axes or not elsewhere.any():
            continue
        tile = int(np.argmax(elsewhere))
        count = int(starts[tile, at])
        msg = (
            f"{tiles[tile].name}: array {path} starts {abs(count):,} {noun}"
            f" {'after' if count > 0 else 'before'} {reference.name}, but concat="
            f"'{','.join(axes)}' puts files together along {' and '.join(axes)} alone. Use"
            " concat='y,x'"
        )
        raise PublishError(msg)
