"""The part of a file that is exposed: bands, overviews, and a window or a bounding box.

A selection is of references, so it ends where blocks do: windows are snapped outwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from virtual_tiff.arrays.selection.bounding_box import Bounds, CrsInput, in_crs_of, portable_crs
from virtual_tiff.arrays.selection.region import Region
from virtual_tiff.metadata.crs import Crs
from virtual_tiff.metadata.transform import Affine
from virtual_tiff.tiff import BlockGrid, ImageFileDirectory, Tag, UnsupportedError

__all__ = ["OutsideError", "Selection"]

_TOLERANCE = 1e-3
"""Part of a pixel: a bound this near to a pixel's edge lies on it, as in GDAL, which forgives "up
to 0.1% of a pixel size for rounding" (pull request 7245)."""

_WINDOW = ("col_off", "row_off", "width", "height")
"""The attributes of `rasterio.windows.Window`, in the order of GDAL's `-srcwin`."""


class OutsideError(ValueError):
    """An image has no pixel of the window or the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The part of each image that is exposed; all of it by default.

    What is given is brought to one form, so that equal selections are equal.

    Raises
    ------
    ValueError
        If an option is not one of those allowed; it lists them.
    """

    bands: int | str | Sequence[int | str] | None = None
    """Numbers from 1, as GDAL and rasterio count, or names, in the order that the bands shall
    have; None for all."""
    overviews: bool | Sequence[int] = True
    """Whether overviews are exposed, or which: numbers from 0 as rasterio's `overview_level`."""
    window: Any = None
    """`(column_off, row_off, width, height)` in pixels of the full image, or an object with
    rasterio's names for them; what lies beyond the image is left out."""
    bbox: Sequence[float] | None = None
    """`(left, bottom, right, top)` in the file's CRS, or in `bbox_crs`."""
    bbox_crs: CrsInput = None
    """The CRS of `bbox`: whatever `pyproj.CRS.from_user_input` takes. Longitude comes before
    latitude whatever its axes say."""
    exact: bool = False
    """Whether to refuse what does not end where blocks do, instead of snapping outwards."""

    def __post_init__(self) -> None:
        if not isinstance(self.exact, bool):
            msg = f"exact must be True or False, not {self.exact!r}"
            raise ValueError(msg)  # noqa: TRY004 (one class for all wrong options)
        if self.window is not None and self.bbox is not None:
            msg = "window and bbox exclude each other; give one of them"
            raise ValueError(msg)
        if self.bbox is None and self.bbox_crs is not None:
            msg = f"bbox_crs={self.bbox_crs!r} needs a bbox"
            raise ValueError(msg)
        for name, normal in (
            ("bands", _bands),
            ("overviews", _overviews),
            ("window", _window),
            ("bbox", _bbox),
            ("bbox_crs", portable_crs),
        ):
            given = getattr(self, name)
            if given is not None or name == "overviews":
                object.__setattr__(self, name, normal(given))

    def levels(self, count: int) -> list[int]:
        """Return which of an image's overviews are exposed, from 0, in their order.

        If there is no such overview, it is a ValueError.
        """
        if isinstance(self.overviews, bool):
            return list(range(count)) if self.overviews else []
        absent = sorted(set(self.overviews) - set(range(count)))
        if absent:
            levels = f"only the overviews 0 to {count - 1}" if count else "no overviews"
            msg = f"overviews={list(self.overviews)!r}: the image has {levels}"
            raise ValueError(msg)
        return sorted(self.overviews)

    def band_numbers(self, ifd: ImageFileDirectory, names: Sequence[str]) -> list[int] | None:
        """Return the numbers of an image's samples, from 0; None if all stay as they are.

        Parameters
        ----------
        ifd
            The image's directory.
        names
            Of its bands, in their order; fewer, or "", where it has none.

        Raises
        ------
        UnsupportedError
            If the samples of a pixel lie together, so that none can be left out.
        ValueError
            If there is no such band, or several have the name; it lists what there is.
        """
        if self.bands is None:
            return None
        samples = ifd.SamplesPerPixel
        wanted: Any = self.bands
        numbers = [_band_number(band, samples, names) for band in wanted]
        if len(set(numbers)) < len(numbers):
            msg = f"bands={list(wanted)!r} names a band twice"
            raise ValueError(msg)
        if numbers == list(range(samples)):
            return None
        if ifd.PlanarConfiguration != 2:
            msg = (
                f"bands={list(wanted)!r} cannot be selected: each block holds all {samples} "
                f"samples of its pixels. Open all bands, and select afterwards: "
                f".isel(band={numbers})"
            )
            raise UnsupportedError(msg, tag=Tag.PlanarConfiguration, ifd=ifd.path)
        return numbers

    def region(
        self,
        grid: BlockGrid,
        affine: Affine | None = None,
        crs: Crs | None = None,
        *,
        full: tuple[int, int] | None = None,
    ) -> Region | None:
        """Return the part of an image that is exposed, of whole blocks; None if it is all.

        Parameters
        ----------
        grid
            The image's blocks.
        affine, crs
            Of the full image; needed for `bbox` and for `bbox_crs`.
        full
            Length and width of the full image, where this is an overview, or a mask, of
            another size. `window` and `affine` are in the full image's pixels.

        Raises
        ------
        ValueError
            If nothing of the image is selected, if its place is not known, or if `exact` and
            the selection does not end where blocks do.
        """
        if self.window is None and self.bbox is None:
            return None
        size = grid.image_length, grid.image_width
        full = size if full is None else full
        requested, on_edges = self._asked(full, affine, crs)
        inside = requested.within(*full)
        option = f"bbox={self.bbox}" if self.window is None else f"window={self.window}"
        if self.bbox_crs is not None:
            option += f" of {self.bbox_crs}"
        if inside is None:
            msg = (
                f"{option} lies outside the image of {full[1]} x {full[0]} pixels (width x height)"
            )
            if self.bbox is not None and affine is not None:
                msg += f" with the bounds {tuple(affine.bounds(*full))} in its own CRS"
            raise OutsideError(msg)
        snapped = inside.scaled(full, size).snapped(grid)
        edges = zip(inside.edges, size * 2, snapped.edges, full * 2, strict=True)
        same_ground = all(edge * small == other * large for edge, small, other, large in edges)
        if self.exact and not (on_edges and same_ground):
            msg = (
                f"exact=True, but {option} does not end where the {grid.kind}s of "
                f"{grid.block_width} x {grid.block_length} pixels (width x height) do"
            )
            if size == full:
                fitting = (snapped.column, snapped.row, snapped.width, snapped.length)
                msg += f"; window={fitting} would fit"
            else:
                msg += (
                    f" in the smaller image of {grid.image_width} x {grid.image_length}; "
                    "overviews=False leaves overviews out"
                )
            raise ValueError(msg)
        everything = Region(row=0, column=0, length=size[0], width=size[1])
        return None if snapped == everything else snapped

    def _asked(
        self, full: tuple[int, int], affine: Affine | None, crs: Crs | None
    ) -> tuple[Region, bool]:
        """Return the pixels that are asked for, and whether they are no more than that."""
        if self.window is not None:
            column, row, width, length = self.window
            return Region(row=row, column=column, length=length, width=width), True
        if affine is None:
            msg = (
                f"bbox={self.bbox} cannot be used: the image has no transform (ModelPixelScale"
                " with ModelTiepoint, or ModelTransformation); use"
                " window=(COLUMN, ROW, WIDTH, HEIGHT) instead"
            )
            raise ValueError(msg)
        bbox: Any = self.bbox
        if self.bbox_crs is not None:
            left, bottom, right, top = affine.bounds(*full)
            bbox = in_crs_of(bbox, self.bbox_crs, crs, (left, bottom, right, top))
        return _pixels(bbox, affine)


def _pixels(bbox: Bounds, affine: Affine) -> tuple[Region, bool]:
    """Return the pixels that touch a box, and whether they are the box.

    Under a rotation they are those of the least rectangle of pixels around the box.
    """
    left, bottom, right, top = bbox
    inverse = affine.inverted()
    places = [inverse.at(x, y) for x in (left, right) for y in (bottom, top)]
    if not all(map(math.isfinite, (number for place in places for number in place))):
        msg = f"bbox={bbox} is too large for an image with the transform {affine.gdal}"
        raise ValueError(msg)
    (left, right), (top, bottom) = (
        (min(numbers), max(numbers)) for numbers in zip(*places, strict=True)
    )
    column, row = _outwards(left, -1), _outwards(top, -1)
    end_column, end_row = max(_outwards(right, 1), column + 1), max(_outwards(bottom, 1), row + 1)
    upright = affine.b == affine.d == 0 or affine.a == affine.e == 0
    on_edges = upright and all(
        abs(edge - pixel) <= _TOLERANCE
        for edge, pixel in ((left, column), (right, end_column), (top, row), (bottom, end_row))
    )
    return Region(row=row, column=column, length=end_row - row, width=end_column - column), on_edges


def _outwards(edge: float, side: int) -> int:
    nearest = round(edge)
    if abs(edge - nearest) <= _TOLERANCE:
        return nearest
    return math.ceil(edge) if side > 0 else math.floor(edge)


def _band_number(band: int | str, samples: int, names: Sequence[str]) -> int:
    known = list(names[:samples])
    if isinstance(band, int):
        matching = [band - 1] if band <= samples else []
    else:
        matching = [i for i, name in enumerate(known) if name == band]
    if len(matching) == 1:
        return matching[0]
    problem = f"{len(matching)} bands have the name" if matching else "there is no band"
    numbers = "1" if samples == 1 else f"1 to {samples}"
    called = f" with the names {', '.join(map(repr, known))}" if any(known) else ", without names"
    msg = f"{problem} {band!r}; the bands are {numbers}{called}"
    raise ValueError(msg)


def _bands(given: Any) -> tuple[int | str, ...]:  # noqa: ANN401
    items = [given] if isinstance(given, str) or _whole(given) is not None else _items(given)
    bands = [item if isinstance(item, str) else _whole(item) for item in items or ()]
    normal = tuple(band for band in bands if isinstance(band, str) or (band or 0) > 0)
    if not normal or len(normal) < len(bands):
        msg = f"bands must be one or more numbers from 1 on, or names, not {given!r}"
        raise ValueError(msg)
    if len(set(normal)) < len(normal):
        msg = f"bands={given!r} names a band twice"
        raise ValueError(msg)
    return tuple(band for band in normal if band is not None)


def _overviews(given: Any) -> bool | tuple[int, ...]:  # noqa: ANN401
    if isinstance(given, bool):
        return given
    levels = [_whole(item) for item in _items(given) or ()]
    normal = tuple(level for level in levels if level is not None and level >= 0)
    if not normal or len(normal) < len(levels) or len(set(normal)) < len(normal):
        msg = (
            "overviews must be True for all, False for none, or different numbers from 0 on, "
            f"such as [0, 1], not {given!r}"
        )
        raise ValueError(msg)
    return tuple(sorted(normal))


def _window(given: Any) -> tuple[int, int, int, int]:  # noqa: ANN401
    has_names = all(hasattr(given, name) for name in _WINDOW)
    items = [getattr(given, name) for name in _WINDOW] if has_names else _items(given)
    numbers = [number for number in map(_whole, items or ()) if number is not None]
    if len(items or ()) != len(_WINDOW) or len(numbers) != len(_WINDOW):
        msg = (
            f"window must be four whole numbers (column_off, row_off, width, height), not {given!r}"
        )
        raise ValueError(msg)
    column, row, width, length = numbers
    if width < 1 or length < 1:
        msg = f"window={given!r} is empty: width and height must be 1 or more"
        raise ValueError(msg)
    return column, row, width, length


def _bbox(given: Any) -> Bounds:  # noqa: ANN401
    items = _items(given) or []
    numbers = [float(item) for item in items if _is_number(item) and math.isfinite(item)]
    if len(items) != 4 or len(numbers) != 4:
        msg = f"bbox must be four finite numbers (left, bottom, right, top), not {given!r}"
        raise ValueError(msg)
    left, bottom, right, top = numbers
    if not (left < right and bottom < top):
        msg = (
            f"bbox={given!r} is empty: left must be less than right, and bottom less than top; "
            "across the antimeridian, make two selections"
        )
        raise ValueError(msg)
    return left, bottom, right, top


def _items(given: Any) -> list[Any] | None:  # noqa: ANN401
    """Return what a sequence or an array holds; None if it is neither."""
    known = isinstance(given, Iterable) and not isinstance(given, str | bytes | set | dict)
    return list(given) if known else None


def _is_number(given: object) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool)


def _whole(given: Any) -> int | None:  # noqa: ANN401
    """Return a whole number as an int, also one in a float; None for all else."""
    if not _is_number(given) or not math.isfinite(given) or given != int(given):
        return None
    return int(given)
