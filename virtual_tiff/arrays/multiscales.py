"""The levels of an image, as attributes of the group that holds them.

Zarr convention `multiscales` v0.1, together with `spatial` and `proj` where the image has a
place. Each level is a group below, with its array under one name in all of them: GDAL 3.13,
OpenLayers, rio-tiler and zarr-layer look for `<asset>/<variable>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from virtual_tiff.arrays.convention_entries import MULTISCALES, PROJ, SPATIAL
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.metadata.transform import Affine

__all__ = ["Level", "multiscales_attributes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One size of an image."""

    path: str
    """The path of its group, from the group that gets the attributes."""
    length: int
    """Rows."""
    width: int
    """Columns."""
    scale: tuple[float, float]
    """Rows and columns of the full image that a row and a column of this level are."""
    translation: tuple[float, float] = (0.0, 0.0)
    """Row and column of the full image at which this level begins."""
    affine: Affine | None = None
    """Where it lies; None if nothing says so."""


def multiscales_attributes(
    levels: Sequence[Level],
    *,
    proj: Mapping[str, Any] | None = None,
) -> JSON:
    """Return the attributes of a group of levels.

    Parameters
    ----------
    levels
        The full image first, then its overviews from large to small.
    proj
        The attributes `proj:code`, `proj:wkt2` or `proj:projjson` of the image.

    Returns
    -------
    dict
        `zarr_conventions` and `multiscales`; with transforms for all levels also
        `spatial:dimensions`, `spatial:bbox` and, in the layout, `spatial:shape` and
        `spatial:transform`; and `proj` as given. Every overview is `derived_from` the full
        image, whatever the writer made it of, so that its scale is the same for those who
        take it as relative and those who take it as absolute.

    Raises
    ------
    ValueError
        If there is no level, or the path of one does not lead to a group below.
    """
    if not levels:
        msg = "a multiscale group needs at least one level"
        raise ValueError(msg)
    for path in (level.path for level in levels):
        # v0.1 forbids in `asset` a path that leaves the group, or has no name
        if ".." in path or not all(path.split("/")):
            msg = f"{path!r} is not a path within the group; name levels as '0' or 'levels/0'"
            raise ValueError(msg)
    full = levels[0]
    placed = all(level.affine is not None for level in levels)
    conventions = [*MULTISCALES, *(SPATIAL if placed else ()), *(PROJ if proj else ())]
    # no spatial:transform, :shape and :registration of the group itself: drafts of `spatial`
    # forbid the first two beside a layout, and with the third GDAL 3.13 ignores a level whose
    # scale has not as many numbers as its array has dimensions, bands included
    attributes: JSON = {
        "zarr_conventions": [dict(entry) for entry in conventions],
        "multiscales": {"layout": [_layout(level, full, placed=placed) for level in levels]},
    }
    if placed and full.affine is not None:
        attributes["spatial:dimensions"] = ["y", "x"]
        attributes["spatial:bbox"] = full.affine.bounds(full.length, full.width)
    return attributes | dict(proj or {})


def _layout(level: Level, full: Level, *, placed: bool) -> JSON:
    entry: JSON = {"asset": level.path}
    if level is not full:
        entry["derived_from"] = full.path
    entry["transform"] = {"scale": list(level.scale), "translation": list(level.translation)}
    if placed and level.affine is not None:
        entry["spatial:shape"] = [level.length, level.width]
        entry["spatial:transform"] = level.affine.coefficients
    return entry
