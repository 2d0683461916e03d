"""ImageJ's ImageDescription: how many images there are, and where those without directory lie.

ImageJ writes a stack as one directory and one run of bytes: its `TiffDecoder` reads `images=`
and ignores further directories. tifffile's `series_imagej` is the rule where counts disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise, product
from math import isfinite

from virtual_tiff.tiff import (
    Compression,
    ImageFileDirectory,
    Limits,
    Photometric,
    Predictor,
    Tag,
    block_layout,
)

__all__ = ["ImageJ", "contiguous_run", "parse_imagej"]

_ORDERS = {"czt", "ctz", "zct", "ztc", "tcz", "tzc"}
_COUNTS = ("images", "channels", "slices", "frames")
_COUNT_DIGITS = 18
_UNITS = {
    **dict.fromkeys(("micron", "microns", "um", "\\u00b5m", "\u03bcm"), "\u00b5m"),
    "pixels": "pixel",
    "inch": "in",
    "nanometer": "nm",
    "millimeter": "mm",
}
"""Units of ImageJ, in small letters, as OME writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageJ:
    """The counts of a description."""

    images: int
    channels: int
    slices: int
    frames: int
    order: str = "czt"
    """The axes of the images, the fastest first."""
    items: Mapping[str, str] = field(default_factory=dict, compare=False)
    """All lines of the description."""

    def count(self, samples: int) -> int:
        """Return the number of images, each of `samples` samples a pixel.

        The dimensions of a hyperstack are right where `images` disagrees, as in tifffile.
        """
        dimensions = self._dimensions(samples)
        planes = dimensions["c"] * dimensions["z"] * dimensions["t"]
        return self.images if planes == 1 else planes

    def lengths(self, samples: int) -> dict[str, int]:
        """Return the length of each axis of the images, the slowest first."""
        dimensions = self._dimensions(samples)
        return {axis: dimensions[axis] for axis in self.order[::-1]}

    def spacing(self, ifd: ImageFileDirectory) -> dict[str, tuple[float, str]]:
        """Return the distance of two neighbours and its unit, by `X`, `Y`, `Z` and `T`."""
        unit = self.items.get("unit", "").strip()
        unit = _UNITS.get(unit.lower(), unit)
        steps = {"T": (self._number("finterval"), "s")}
        if not steps["T"][0] and (rate := self._number("fps")):
            steps["T"] = 1 / rate, "s"
        if unit and unit != "pixel":
            for axis, tag in (("X", Tag.XResolution), ("Y", Tag.YResolution)):
                density = (ifd.floats(tag) or (0.0,))[0] if tag in ifd.entries else 0.0
                steps[axis] = (1 / density if density > 0 else 0.0), unit
            steps["Z"] = self._number("spacing"), unit
        return {axis: step for axis, step in steps.items() if isfinite(step[0]) and step[0] > 0}

    def _number(self, name: str) -> float:
        try:
            return float(self.items.get(name, "0"))
        except ValueError:
            return 0.0

    def _dimensions(self, samples: int) -> dict[str, int]:
        # Bio-Formats and RGB hyperstacks count the samples of a pixel as channels
        planes = self.channels * self.slices * self.frames
        in_samples = samples > 1 and samples == self.channels and self.images != planes
        return {"c": 1 if in_samples else self.channels, "z": self.slices, "t": self.frames}

    def positions(self, images: int, samples: int) -> dict[str, tuple[int, ...]]:
        """Return each image's place along the axes that are longer than 1, by `t`, `c`, `z`.

        {} if `images` is not what the dimensions give.
        """
        dimensions = self._dimensions(samples)
        slowest_first = self.order[::-1]
        if dimensions["c"] * dimensions["z"] * dimensions["t"] != images:
            return {}
        places = tuple(product(*(range(dimensions[axis]) for axis in slowest_first)))
        return {
            axis: tuple(place[slowest_first.index(axis)] for place in places)
            for axis in "tcz"
            if dimensions[axis] > 1
        }


def parse_imagej(description: str | None) -> ImageJ | None:
    """Return the counts of an ImageDescription; None if it is not ImageJ's."""
    if description is None or not description.startswith(("ImageJ=", "SCIFIO=")):
        return None
    items = dict(line.partition("=")[::2] for line in description.splitlines())
    order = items.get("order", "").strip().lower()
    counts = {name: _count(items.get(name, "")) for name in _COUNTS}
    return ImageJ(**counts, order=order if order in _ORDERS else "czt", items=items)


def _count(text: str) -> int:
    """Read a count; ImageJ writes some as `5.0`."""
    digits = text.strip().removesuffix(".0")
    return max(1, int(digits)) if digits.isdecimal() and len(digits) <= _COUNT_DIGITS else 1


def contiguous_run(
    ifd: ImageFileDirectory, *, file_size: int, limits: Limits
) -> tuple[int, int] | None:
    """Return offset and bytes of an image that is one run of plain samples; None if it is not.

    As tifffile's `is_final`: no compression, predictor, FillOrder or subsampling, samples of
    whole bytes, strips one after another.
    """
    plain = (
        ifd.Compression == Compression.None_
        and ifd.Predictor == Predictor.None_
        and ifd.FillOrder == 1
        and ifd.PhotometricInterpretation != Photometric.YCbCr
        and all(bits % 8 == 0 for bits in ifd.BitsPerSample)
        and ifd.TileWidth is None
    )
    if not plain:
        return None
    layout = block_layout(ifd, file_size=file_size, limits=limits)
    grid = layout.grid
    begins = list(layout.offsets)
    lengths = [grid.block_bytes] * (grid.rows - 1) + [grid.size(grid.last_length)]
    in_a_row = all(
        start + lengths[i % grid.rows] == after for i, (start, after) in enumerate(pairwise(begins))
    )
    return (begins[0], grid.planes * sum(lengths)) if begins[0] and in_a_row else None
