"""ImageJ's ImageDescription: how many images there are, and where those without directory lie.

ImageJ writes a stack as one directory and one run of bytes: its `TiffDecoder` reads `images=`
and ignores further directories. tifffile's `series_imagej` is the rule where counts disagree.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise, product
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

__all__ = ["UNITS", "ImageJ", "contiguous_run", "imagej_metadata", "parse_imagej"]

_ORDERS = {"czt", "ctz", "zct", "ztc", "tcz", "tzc"}
_COUNTS = ("images", "channels", "slices", "frames")
_COUNT_DIGITS = 18
UNITS = {
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
        unit = UNITS.get(unit.lower(), unit)
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


_LUT_BYTES = 3 * 256


def imagej_metadata(
    ifd: ImageFileDirectory,
) -> tuple[list[str], list[tuple[float, float]], list[str]]:
    """Return labels of the images, ranges of values and colours (RRGGBB) of the channels.

    The tag IJMetadata, as ImageJ's TiffDecoder reads it: a header that counts items of each type,
    then the items, with their lengths in IJMetadataByteCounts. What is wrong says nothing.
    """
    if Tag.IJMetadata not in ifd.entries or Tag.IJMetadataByteCounts not in ifd.entries:
        return [], [], []
    data = ifd.raw(Tag.IJMetadata) or b""
    lengths = list(ifd.integers(Tag.IJMetadataByteCounts) or ())
    order = ifd.variant.byte_order
    sign = "<" if order == "little" else ">"
    if not lengths or len(data) < sum(lengths) or data[:4] not in (b"IJIJ", b"JIJI"):
        return [], [], []
    types = struct.iter_unpack(f"{sign}4sI", data[4 : lengths[0]][: (lengths[0] - 4) // 8 * 8])
    labels: list[str] = []
    ranges: list[tuple[float, float]] = []
    colors: list[str] = []
    at, following = lengths[0], iter(lengths[1:])
    for name, count in types:
        for nbytes in islice(following, count):
            item = data[at : at + nbytes]
            at += nbytes
            kind = name if order == "big" else name[::-1]
            if kind == b"labl":
                encoding = "utf-16-le" if order == "little" else "utf-16-be"
                labels.append(item.decode(encoding, errors="replace"))
            elif kind == b"rang":
                ranges += struct.iter_unpack(f"{sign}2d", item[: len(item) // 16 * 16])
            elif kind == b"luts" and len(item) == _LUT_BYTES:
                colors.append(item[255::256].hex().upper())
    known = [(low, high) for low, high in ranges if isfinite(low) and isfinite(high) and low < high]
    return labels, known if len(known) == len(ranges) else [], colors


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
