"""OME-Zarr 0.5: the attributes by which napari, vizarr and others open an image's group.

https://ngff.openmicroscopy.org/0.5: "multiscales" metadata, "omero" metadata,
"bioformats2raw.layout".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from math import isfinite, prod
from typing import Any

from numpy import ndindex

from virtual_tiff.arrays.layouts.find_stacks import Stack
from virtual_tiff.metadata.ome_xml import Ome, OmeChannel, OmeImage
from virtual_tiff.tiff import ImageFileDirectory, SampleFormat, Tag

__all__ = [
    "PlateGroups",
    "bioformats2raw_attributes",
    "can_be_described",
    "color_maps",
    "group_attributes",
    "plate_groups",
]

_VERSION = "0.5"

_AXIS_TYPES = {
    "t": "time",
    "c": "channel",
    "z": "space",
    "y": "space",
    "x": "space",
    # the samples of a pixel, of a file whose metadata do not call them channels
    "s": "channel",
    "band": "channel",  # in the layout pyramid
}

_PREFIXES = {
    "Y": "yotta",
    "Z": "zetta",
    "E": "exa",
    "P": "peta",
    "T": "tera",
    "G": "giga",
    "M": "mega",
    "k": "kilo",
    "h": "hecto",
    "": "",
    "d": "deci",
    "c": "centi",
    "m": "milli",
    "µ": "micro",
    "n": "nano",
    "p": "pico",
    "f": "femto",
    "a": "atto",
    "z": "zepto",
    "y": "yocto",
}

_UNITS = {
    **{f"{symbol}m": f"{name}meter" for symbol, name in _PREFIXES.items()},
    **{f"{symbol}s": f"{name}second" for symbol, name in _PREFIXES.items()},
    "Å": "angstrom",
    "in": "inch",
    "ft": "foot",
    "yd": "yard",
    "mi": "mile",
    "pc": "parsec",
    "min": "minute",
    "h": "hour",
    "d": "day",
    # written by some although `ome.xsd` does not have them: u, and Greek mu for the micro sign
    "um": "micrometer",
    "μm": "micrometer",
    "us": "microsecond",
    "μs": "microsecond",
}
"""UnitsLength and UnitsTime of `ome.xsd` that OME-Zarr lists; it has none for the others."""

_COLORS = ("FF0000", "00FF00", "0000FF", "00FFFF", "FF00FF", "FFFF00")
"""Colors of channels that have none: additive primaries, then their complements."""

_SAMPLE_NAMES = ("Red", "Green", "Blue", "Alpha")
_MOST_ACTIVE = 6
"""vizarr draws no more channels at once."""


def group_attributes(
    stack: Stack, datasets: Sequence[tuple[str, tuple[float, float]]]
) -> dict[str, Any]:
    """Return the attributes of the group that holds an OME image's arrays.

    `datasets` are the path of each array within the group, the full resolution first, and how many
    of the full resolution's pixels make one of its own along y and x. A stack without `ome` has
    pixels for units; one with axes that OME-Zarr does not know is a ValueError.
    """
    names = stack.dimension_names
    unknown = [name for name in names if name not in _AXIS_TYPES]
    if unknown or not datasets:
        lacking = f"the axes {', '.join(unknown)}" if unknown else "no array"
        msg = f"OME-Zarr cannot describe an image with {lacking}"
        raise ValueError(msg)
    spacing = {} if stack.ome is None else stack.ome.spacing
    steps = {name: spacing.get(name.upper(), (1.0, "")) for name in names}
    """Distance of neighbours along an axis and OME's unit; 1 and "" if unknown."""
    multiscale: dict[str, Any] = {}
    if stack.ome is not None and stack.ome.name:
        multiscale["name"] = stack.ome.name
    multiscale["axes"] = [
        {"name": name, "type": _AXIS_TYPES[name]}
        | ({"unit": _UNITS[unit]} if unit in _UNITS else {})
        for name, (_, unit) in steps.items()
    ]
    multiscale["datasets"] = []
    for path, factors in datasets:
        # the origin is the middle of the first pixel of the full resolution: a reduced pixel's
        # middle is that of all pixels that it stands for
        factor = dict(zip("yx", factors, strict=True))
        scale, translation = [], []
        for name, (step, _) in steps.items():
            times = factor.get(name, 1.0)
            scale.append(step * times)
            middle = step * (stack.first.get(name, 0) + (times - 1) / 2)
            translation.append(stack.origin.get(name, 0.0) + middle)
        transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if any(translation):
            transformations.append({"type": "translation", "translation": translation})
        dataset = {"path": path, "coordinateTransformations": transformations}
        multiscale["datasets"].append(dataset)
    ome: dict[str, Any] = {"version": _VERSION, "multiscales": [multiscale]}
    channels = _channels(stack)
    if channels:
        ome["omero"] = {"channels": channels}
    return {"ome": ome}


def can_be_described(stack: Stack) -> bool:
    """Whether OME-Zarr has an image with the axes of a stack: samples or channels, and no other."""
    names = stack.dimension_names
    return set(names) <= set(_AXIS_TYPES) and not {"c", "s"} <= set(names)


def bioformats2raw_attributes() -> dict[str, Any]:
    """Return the attributes of a root whose groups `0`, `1`, … are images."""
    return {"ome": {"version": _VERSION, "bioformats2raw.layout": 3}}


@dataclass(frozen=True, slots=True)
class PlateGroups:
    """The groups of a plate: its wells, by row and column, and in each its fields."""

    images: tuple[str, ...]
    """The path of each image."""
    attributes: Mapping[str, dict[str, Any]]
    """By path: those of the plate and its wells."""


def plate_groups(ome: Ome, stacks: Sequence[Stack]) -> PlateGroups | None:
    """Return where the images of a plate go; None if they are not all of one plate's wells.

    https://ngff.openmicroscopy.org/0.5: "plate" metadata, "well" metadata.
    """
    if ome.plate is None or not stacks:
        return None
    place: dict[str, str] = {}
    present = {stack.ome.id for stack in stacks if stack.ome is not None}
    attributes: dict[str, dict[str, Any]] = {}
    wells = []
    for well in ome.plate.wells:
        path = f"{_letters(well.row)}/{well.column + 1}"
        fields = {image: str(number) for number, image in enumerate(well.images)}
        place |= {image: f"{path}/{name}" for image, name in fields.items()}
        here = [
            name
            for image, name in fields.items()
            if image in present or stacks[0].whole is not None  # other files have the others
        ]
        if here:
            listed = [{"path": name} for name in here]
            attributes[path] = {"ome": {"version": _VERSION, "well": {"images": listed}}}
            wells.append((path, well, len(fields)))
    images = tuple(place.get((stack.ome and stack.ome.id) or "", "") for stack in stacks)
    if not all(images) or len(set(images)) < len(images):
        return None
    rows = sorted({well.row for _, well, _ in wells})
    columns = sorted({well.column for _, well, _ in wells})
    plate = {
        "rows": [{"name": _letters(row)} for row in rows],
        "columns": [{"name": str(column + 1)} for column in columns],
        "wells": [
            {
                "path": path,
                "rowIndex": rows.index(well.row),
                "columnIndex": columns.index(well.column),
            }
            for path, well, _ in wells
        ],
        "field_count": max(count for _, _, count in wells),
        "name": ome.plate.name or "plate",
    }
    attributes[""] = {"ome": {"version": _VERSION, "plate": plate}}
    return PlateGroups(images, attributes)


def _letters(row: int) -> str:
    """Return the name of a row: A to Z, then AA."""
    name = ""
    while row >= 0:
        name = chr(ord("A") + row % 26) + name
        row = row // 26 - 1
    return name


def _channels(stack: Stack) -> list[dict[str, Any]]:
    """Return what is known of channels; [] if viewers find out better themselves.

    "omero" must give the range of values to show. It is that of the statistics in the tags, else
    that of the data type or of SignificantBits: without names, colors or statistics to tell, or
    for floats without statistics, it is left to the viewer, which looks at the pixels.
    """
    samples = stack.ifd.SamplesPerPixel
    known = () if stack.ome is None else stack.ome.channels
    planes = dict(zip(stack.axes, stack.shape, strict=True)).get("c", 1)
    first = stack.first.get("c", 0)
    pages = _pages_of_channels(stack, planes)
    colors = _colors_of_maps(stack, pages)
    ranges = [_statistics(of_channel) if samples == 1 else None for of_channel in pages]
    apart = samples > 1 and len(known) == planes * samples  # a Channel for each sample
    if known and samples == 1:
        shown = [channel.window for channel in known[first : first + planes]]
        ranges = [one or other for one, other in zip_longest(shown, ranges)]
    windows = [_window(stack, values) for values in ranges]
    named = samples > 1 or any(colors) or any(ranges)
    named = named or any(channel.name or channel.color for channel in known)
    if stack.ome is None or not named or None in windows:
        return []
    channels: list[dict[str, Any]] = []
    for plane in range(planes):
        number = first + plane
        channel = OmeChannel(name=None, color=None, samples=1)
        channel = known[number] if number < len(known) else channel
        channel = replace(channel, color=channel.color or colors[plane])
        for sample in range(samples):
            label, color = _label(stack.ome, channel, number, sample, samples, planes)
            if apart:
                own = known[number * samples + sample]
                label, color = own.name or label, own.color or color
            active = len(channels) < _MOST_ACTIVE
            channels.append(
                {"label": label, "color": color, "active": active, "window": windows[plane]}
            )
    return channels


def color_maps(stack: Stack) -> set[bytes]:
    """Return the ColorMaps of the pages, as they are stored."""
    if Tag.ColorMap not in stack.ifd.entries:
        return set()
    entries = (page.ifd.entries.get(Tag.ColorMap) for page in stack.pages if page is not None)
    return {bytes(entry.data) for entry in entries if entry is not None and entry.data is not None}


def _pages_of_channels(stack: Stack, planes: int) -> list[list[ImageFileDirectory]]:
    """Return the directories of each channel; none if the stack is a part of an image."""
    pages: list[list[ImageFileDirectory]] = [[] for _ in range(planes)]
    if len(stack.pages) == prod(stack.shape):
        channel = stack.axes.index("c") if "c" in stack.axes else None
        for index, page in zip(ndindex(*stack.shape), stack.pages, strict=True):
            if page is not None and not page.shift:
                pages[0 if channel is None else index[channel]].append(page.ifd)
    return pages


def _colors_of_maps(
    stack: Stack, pages: Sequence[Sequence[ImageFileDirectory]]
) -> list[str | None]:
    """Return the colour of each channel: the last of its ColorMap, where there are several."""
    colors: list[str | None] = [None] * len(pages)
    if len(color_maps(stack)) < 2:
        return colors
    for plane, ifds in enumerate(pages):
        first = next((ifd for ifd in ifds if Tag.ColorMap in ifd.entries), None)
        values = () if first is None else first.integers(Tag.ColorMap) or ()
        count = len(values) // 3
        last = values[count - 1 :: count] if count else ()  # reds, greens, blues
        colors[plane] = "".join(f"{value >> 8:02X}" for value in last[:3]) or None
    return colors


_STATISTICS = ((Tag.SMinSampleValue, Tag.SMaxSampleValue), (Tag.MinSampleValue, Tag.MaxSampleValue))


def _statistics(ifds: Sequence[ImageFileDirectory]) -> tuple[float, float] | None:
    """Return the smallest and the largest value of a channel, where all its pages state them."""
    for tags in _STATISTICS:
        lows, highs = ([ifd.floats(t) for ifd in ifds if t in ifd.entries] for t in tags)
        if ifds and len(lows) == len(highs) == len(ifds) and all(lows) and all(highs):
            low = min(values[0] for values in lows if values)
            high = max(values[0] for values in highs if values)
            if isfinite(low) and isfinite(high) and low < high:
                return low, high
    return None


def _label(
    image: OmeImage, channel: OmeChannel, number: int, sample: int, samples: int, planes: int
) -> tuple[str, str]:
    """Return name and color of a channel, or of one sample of an RGB plane."""
    if samples == 1:
        alone = planes == 1 and image.sizes["C"] == 1
        default = "FFFFFF" if alone else _COLORS[number % len(_COLORS)]
        return channel.name or f"Channel {number}", channel.color or default
    if sample < len(_SAMPLE_NAMES) and samples in (3, 4):
        name = _SAMPLE_NAMES[sample]
    else:
        name = f"Sample {sample}"
    color = "FFFFFF" if name == "Alpha" else _COLORS[sample % len(_COLORS)]
    return (name if planes == 1 else f"{channel.name or f'Channel {number}'} {name}"), color


def _window(stack: Stack, statistics: tuple[float, float] | None) -> dict[str, float] | None:
    """Return the range of values of a channel; None if neither type nor statistics say it."""
    bits, sample_format = max(stack.ifd.BitsPerSample), stack.ifd.SampleFormat[0]
    if sample_format not in (SampleFormat.UnsignedInteger, SampleFormat.SignedInteger):
        if statistics is None:
            return None
        return dict(zip(("min", "max", "start", "end"), statistics * 2, strict=True))
    significant = stack.ome.significant_bits if stack.ome is not None else None
    bits = min(bits, significant or bits)
    signed = sample_format == SampleFormat.SignedInteger
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    start, end = statistics or (low, high)
    inside = low <= start < end <= high
    return {"min": low, "max": high} | {
        "start": int(start) if inside else low,
        "end": int(end) if inside else high,
    }
