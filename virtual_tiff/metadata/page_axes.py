"""The axes along which the pages of a stack lie, as each kind of file names them.

OME-XML is apart (`ome_xml`): it names each plane. The kinds here count: so many channels, slices
and times, in an order. They are asked one after another, `KINDS`; a file of none of them, and one
whose counts are not those of its pages, has pages without names.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched, pairwise

from virtual_tiff.metadata.imagej import UNITS, imagej_metadata, parse_imagej
from virtual_tiff.metadata.ome_xml import OmeChannel
from virtual_tiff.tiff import ImageFileDirectory, Tag, TiffError

__all__ = ["Kind", "PageAxes", "page_axes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAxes:
    """The axes of pages, and what the metadata say of the image that they form."""

    lengths: Mapping[str, int]
    """Length by axis, the one that varies slowest first; those of one step may be left out."""
    samples: str = "s"
    """The axis of the samples of a pixel."""
    spacing: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """Distance of two neighbours and its unit as OME writes it, by `X`, `Y`, `Z`, `T`."""
    channels: tuple[OmeChannel, ...] = ()
    name: str | None = None
    without_directory: bool = False
    """Whether one directory stands for all pages, whose data follow each other."""
    places: tuple[tuple[int, ...], ...] | None = None
    """The place of each page along the axes, where they are not in C order."""
    values: Mapping[str, tuple[Sequence[float] | Sequence[str], str]] = field(default_factory=dict)
    """What is said of each page, and its unit, by the name of a coordinate."""

    @property
    def count(self) -> int:
        """The number of pages."""
        return math.prod(self.lengths.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of file."""

    name: str
    source: str
    """Where its rule is written down."""
    read: Callable[[Sequence[ImageFileDirectory], str], PageAxes | None]
    """Reads the directories of the chain and the first ImageDescription; None if it is another
    kind."""


def page_axes(
    ifds: Sequence[ImageFileDirectory], description: str | None
) -> tuple[Kind, PageAxes] | None:
    """Return the kind of a stack and its axes, by its directories; None if no kind names them.

    Tags that cannot be read name nothing.
    """
    for kind in KINDS:
        try:
            axes = kind.read(ifds, description or "")
        except (TiffError, ValueError, struct.error, RecursionError):
            continue
        if axes is not None and all(n > 0 for n in axes.lengths.values()):
            return kind, axes
    return None


def _bytes(ifd: ImageFileDirectory, tag: int) -> bytes:
    return (ifd.raw(tag) or b"") if tag in ifd.entries else b""


def _order(ifd: ImageFileDirectory) -> str:
    return "<" if ifd.variant.byte_order == "little" else ">"


# --------------------------------------------------------------------------- MetaMorph

_UIC2_LONGS = 6
"""Of each plane: ZDistance (two LONGs), date and time of creation, those of modification."""


def _metamorph(ifds: Sequence[ImageFileDirectory], _: str) -> PageAxes | None:
    ifd = ifds[0]
    longs = ifd.integers(Tag.UIC2tag) if Tag.UIC2tag in ifd.entries else None
    if longs is None or len(longs) < _UIC2_LONGS:
        return None
    planes = list(batched(longs, _UIC2_LONGS))
    planes = planes[: len(longs) // _UIC2_LONGS]
    distances = [top / bottom if bottom else 0.0 for top, bottom, *_ in planes]
    times = [day * _DAY + moment for _, _, day, moment, *_ in planes]  # milliseconds
    step, units = _metamorph_calibration(ifd)
    spacing = {axis: (size, units) for axis, size in step.items()}
    axis = "page"
    if all(distances):
        axis = "z"
        if len(set(distances)) == 1:
            spacing["Z"] = distances[0], units or "µm"
    elif all(one != other for one, other in pairwise(times)):
        axis = "t"
    values: dict[str, tuple[Sequence[float], str]] = {}
    if len(set(times)) > 1:
        values["delta_t"] = [(time - times[0]) / 1000 for time in times], "s"
    for name, column in _metamorph_positions(ifd, len(planes)).items():
        values[name] = column, ""
    return PageAxes(
        lengths={axis: len(planes)}, spacing=spacing, without_directory=True, values=values
    )


_DAY = 24 * 60 * 60 * 1000
_SPATIAL_CALIBRATION, _X_CALIBRATION, _Y_CALIBRATION, _CALIBRATION_UNITS = 3, 4, 5, 6
"""Items of UIC1tag."""
_STAGE_POSITION = 28
"""Item of UIC4tag."""


def _block(ifd: ImageFileDirectory, tag: int) -> bytes:
    """Return the block where the value of a tag is, which is longer than its count says."""
    entry = ifd.entries.get(tag)
    return b"" if entry is None else ifd.referenced.get(entry.offset, b"")


def _metamorph_calibration(ifd: ImageFileDirectory) -> tuple[dict[str, float], str]:
    """Return the size of a pixel by axis, and its unit."""
    order, data = _order(ifd), _block(ifd, Tag.UIC1tag)
    items = dict(struct.iter_unpack(f"{order}2I", data[: len(data) // 8 * 8]))
    if not items.get(_SPATIAL_CALIBRATION):
        return {}, ""
    sizes = {}
    for axis, item in (("X", _X_CALIBRATION), ("Y", _Y_CALIBRATION)):
        value = ifd.referenced.get(items.get(item, 0), b"")
        top, bottom = struct.unpack_from(f"{order}2I", value) if len(value) >= 8 else (0, 0)
        if top and bottom:
            sizes[axis] = top / bottom
    text = ifd.referenced.get(items.get(_CALIBRATION_UNITS, 0), b"")
    length = struct.unpack_from(f"{order}I", text)[0] if len(text) >= 4 else 0
    units = text[4 : 4 + length].split(b"\0")[0].decode("latin-1").strip().lower()
    return ({}, "") if units in ("", "pixel", "pixels") else (sizes, UNITS.get(units, units))


def _metamorph_positions(ifd: ImageFileDirectory, planes: int) -> dict[str, list[float]]:
    """Return where the stage was at each plane."""
    order, data = _order(ifd), _block(ifd, Tag.UIC4tag)
    if len(data) < 2 + 16 * planes:
        return {}
    if struct.unpack_from(f"{order}H", data)[0] != _STAGE_POSITION:  # the first, if it is there
        return {}
    longs = struct.unpack_from(f"{order}{4 * planes}i", data, 2)
    pairs = [(top / bottom if bottom else math.nan) for top, bottom in batched(longs, 2)]
    return {"position_x": pairs[::2], "position_y": pairs[1::2]}


# ------------------------------------------------------------------------ tifffile, shaped


def _shaped(ifds: Sequence[ImageFileDirectory], description: str) -> PageAxes | None:
    ifd = ifds[0]
    if not description.startswith('{"shape":'):
        return None
    said = json.loads(description)
    shape, names = said["shape"], said.get("axes")
    if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
        return None
    page = [ifd.ImageLength, ifd.ImageWidth]
    samples = ifd.SamplesPerPixel
    size = math.prod(page) * samples
    leading = 0
    while leading < len(shape) and math.prod(shape[leading:]) > size:
        leading += 1
    if math.prod(shape[leading:]) != size:
        return None
    lengths: dict[str, int] = {}
    if isinstance(names, str) and len(names) == len(shape):
        for axis, length in zip(names[:leading].lower(), shape[:leading], strict=True):
            if axis in lengths or axis in "yxs" or not axis.isalpha():
                return None
            lengths[axis] = length
    else:
        lengths = {"page": math.prod(shape[:leading])}
    samples_of = "s"
    if isinstance(names, str) and len(names) == len(shape):
        trailing = zip(names[leading:].lower(), shape[leading:], strict=True)
        samples_of = next((a for a, n in trailing if a in "cs" and n == samples > 1), "s")
    return PageAxes(
        lengths=lengths,
        samples=samples_of,
        name=said["name"] if isinstance(said.get("name"), str) else None,
        without_directory=bool(said.get("truncated")),
    )


# ------------------------------------------------------------------------------- Zeiss

_LSM_MAGIC = (0x00300494C, 0x00400494C)
_LSM_ORDERS = {0: "zc", 3: "tc", 6: "tzc", 7: "tzc"}
"""Axes of the planes by ScanType; those of others are no planes of y and x."""


def _lsm(ifds: Sequence[ImageFileDirectory], _: str) -> PageAxes | None:
    ifd = ifds[0]
    data = _bytes(ifd, Tag.CZ_LSMINFO)
    if len(data) < 120:
        return None
    order = _order(ifd)
    magic, _size, _x, _y, z, channels, times = struct.unpack_from(f"{order}Ii5i", data)
    voxel = struct.unpack_from(f"{order}3d", data, 40)
    (scan_type,) = struct.unpack_from(f"{order}H", data, 88)
    (interval,) = struct.unpack_from(f"{order}d", data, 112)
    if magic not in _LSM_MAGIC or scan_type not in _LSM_ORDERS:
        return None
    lengths = {"t": times, "z": z, "c": channels}
    in_page = ifd.SamplesPerPixel == channels
    spacing = {
        axis: (size * 1e6, "µm")
        for axis, size in zip("XYZ", voxel, strict=True)
        if math.isfinite(size) and size > 0
    }
    if math.isfinite(interval) and interval > 0:
        spacing["T"] = interval, "s"
    axes = [axis for axis in _LSM_ORDERS[scan_type] if not (axis == "c" and in_page)]
    lengths = {axis: lengths[axis] for axis in axes}
    values = {}
    stamps = _lsm_times(ifd, data)
    if len(stamps) == times > 1 and "t" in axes:
        inner = math.prod(list(lengths.values())[axes.index("t") + 1 :])
        of_pages = [stamp - stamps[0] for stamp in stamps for _ in range(inner)]
        values["delta_t"] = of_pages * (math.prod(lengths.values()) // len(of_pages)), "s"
    return PageAxes(
        lengths=lengths,
        samples="c",
        spacing=spacing,
        channels=_lsm_channels(ifd, data) if channels > 0 else (),
        values=values,
    )


def _lsm_times(ifd: ImageFileDirectory, info: bytes) -> tuple[float, ...]:
    """Return when each step of time was, in seconds."""
    order = _order(ifd)
    offset = struct.unpack_from(f"{order}I", info, 132)[0] if len(info) >= 136 else 0
    block = ifd.referenced.get(offset, b"")
    size, count = struct.unpack_from(f"{order}2i", block) if len(block) >= 8 else (0, 0)
    if count < 1 or size != 8 + 8 * count or len(block) < size:
        return ()
    return struct.unpack_from(f"{order}{count}d", block, 8)


def _lsm_channels(ifd: ImageFileDirectory, info: bytes) -> tuple[OmeChannel, ...]:
    """Return names and colours of the channels, of the block ChannelColors."""
    order = _order(ifd)
    block = ifd.referenced.get(struct.unpack_from(f"{order}I", info, 108)[0], b"")
    if len(block) < 24:
        return ()
    _size, colors, names, color_at, name_at, mono = struct.unpack_from(f"{order}6I", block)
    if colors != names or not 0 < colors <= _MOST_CHANNELS:
        return ()
    channels = []
    for number in range(colors):
        rgb = block[color_at + 4 * number :][:3]
        length = int.from_bytes(block[name_at : name_at + 4], "little" if order == "<" else "big")
        text = block[name_at + 4 : name_at + 4 + length]
        name_at += 4 + length
        channels.append(
            OmeChannel(
                name=text.split(b"\0")[0].decode("latin-1").strip() or None,
                color=rgb.hex().upper() if len(rgb) == 3 and not mono else None,
                samples=1,
            )
        )
    return tuple(channels)


_MOST_CHANNELS = 256


# ------------------------------------------------------------------------------ Olympus

_MM_DIMENSIONS = 284
_MM_DIMENSION = 100
"""Bytes before the ten dimensions of MM_Header, and of each: name, size, origin, step, unit."""
_MM_AXES = {"Z": "z", "T": "t", "TIME": "t", "CH": "c", "WAVELENGTH": "c", "XY": "r", "EVENT": "v"}


def _fluoview(ifds: Sequence[ImageFileDirectory], _: str) -> PageAxes | None:
    ifd = ifds[0]
    data = _bytes(ifd, Tag.MM_Header)
    if len(data) < _MM_DIMENSIONS + 10 * _MM_DIMENSION:
        return None
    order = _order(ifd)
    lengths: dict[str, int] = {}
    spacing = {}
    for at in range(_MM_DIMENSIONS, _MM_DIMENSIONS + 10 * _MM_DIMENSION, _MM_DIMENSION):
        raw, size, _origin, step, unit = struct.unpack_from(f"{order}16si2d64s", data, at)
        name = raw.split(b"\0")[0].decode("latin-1").strip().upper()
        if not name or size < 1:
            continue
        if name in ("X", "Y") or name in _MM_AXES:
            axis = _MM_AXES.get(name, name)
            text = unit.split(b"\0")[0].decode("latin-1").strip()
            if axis.upper() in "XYZT" and math.isfinite(step) and step > 0:
                spacing[axis.upper()] = step, {"um": "µm", "micron": "µm"}.get(text, text)
        if name not in ("X", "Y"):
            axis = _MM_AXES.get(name, "q")
            if axis in lengths:
                return None
            lengths[axis] = size
    slowest_first = dict(reversed(lengths.items()))
    return PageAxes(lengths=slowest_first, spacing=spacing)


# ------------------------------------------------------------------------ Micro-Manager

_MM_VALUES = {
    "position_x": ("XPositionUm", "µm", 1.0),
    "position_y": ("YPositionUm", "µm", 1.0),
    "position_z": ("ZPositionUm", "µm", 1.0),
    "delta_t": ("ElapsedTime-ms", "s", 1e-3),
    "exposure_time": ("Exposure-ms", "s", 1e-3),
}
"""By the name of a coordinate: key, unit, and what the number is multiplied with."""
_MM_INDICES = {"t": "FrameIndex", "p": "PositionIndex", "c": "ChannelIndex", "z": "SliceIndex"}


def _micro_manager(ifds: Sequence[ImageFileDirectory], _: str) -> PageAxes | None:
    if Tag.MicroManagerMetadata not in ifds[0].entries:
        return None
    places = []
    names: dict[int, str] = {}
    spacing = {}
    values: dict[str, list[float]] = {name: [] for name in _MM_VALUES}
    for ifd in ifds:
        said = json.loads(ifd.text(Tag.MicroManagerMetadata) or "{}")
        place = tuple(said.get(key, 0) for key in _MM_INDICES.values())
        if not all(type(index) is int and 0 <= index < len(ifds) for index in place):
            return None
        places.append(place)
        for coordinate, (key, _, factor) in _MM_VALUES.items():
            values[coordinate].append(_finite(said.get(key)) * factor)
        if isinstance(name := said.get("Channel"), str):
            names[place[2]] = name
        for axis, key in (("X", "PixelSizeUm"), ("Y", "PixelSizeUm"), ("Z", "z-step_um")):
            if (size := _finite(said.get(key))) > 0:
                spacing[axis] = size, "µm"
    lengths = [max(column) + 1 for column in zip(*places, strict=True)]
    if len(set(places)) < len(places) or math.prod(lengths) > 2 * len(places):
        return None
    known = [names.get(number) for number in range(lengths[2])]
    return PageAxes(
        lengths=dict(zip(_MM_INDICES, lengths, strict=True)),
        spacing=spacing,
        channels=tuple(OmeChannel(name=name, color=None, samples=1) for name in known),
        places=tuple(places),
        values={name: (values[name], unit) for name, (_, unit, _) in _MM_VALUES.items()},
    )


def _finite(value: object) -> float:
    """Return a number of JSON; NaN if it is none."""
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else math.nan


# ---------------------------------------------------------------------------- ScanImage

_SI_CHANNELS = "SI.hChannels.channelSave"
_SI_FRAMES = "SI.hStackManager.framesPerSlice"


def _scan_image(ifds: Sequence[ImageFileDirectory], _: str) -> PageAxes | None:
    text = ifds[0].text(Tag.Software) if Tag.Software in ifds[0].entries else None
    if text is None or not text.startswith("SI."):
        return None
    items = {
        name.strip(): value.strip()
        for name, _, value in (line.partition("=") for line in text.splitlines())
    }
    if _SI_CHANNELS not in items:
        return None
    channels = max(1, len(items[_SI_CHANNELS].strip("[]").replace(";", " ").split()))
    slices, frames = 1, len(ifds) // channels
    if items.get(_SI_FRAMES, "").isdecimal():
        frames = int(items[_SI_FRAMES])
        slices = max(1, len(ifds) // max(1, frames * channels))
    spacing = {}
    steps = {
        "T": ("SI.hRoiManager.scanFramePeriod", "s"),
        "Z": ("SI.hStackManager.stackZStepSize", "µm"),
    }
    for axis, (key, unit) in steps.items():
        step = float(items.get(key, "0"))
        if math.isfinite(step) and step > 0:
            spacing[axis] = step, unit
    return PageAxes(lengths={"z": slices, "t": frames, "c": channels}, spacing=spacing)


# ------------------------------------------------------------------------------- ImageJ


def _imagej(ifds: Sequence[ImageFileDirectory], description: str) -> PageAxes | None:
    ifd = ifds[0]
    imagej = parse_imagej(description)
    if imagej is None:
        return None
    lengths = imagej.lengths(ifd.SamplesPerPixel)
    texts, ranges, colors = imagej_metadata(ifd)
    pages = math.prod(lengths.values())
    channels = [
        OmeChannel(
            name=None,
            color=colors[number] if len(colors) == imagej.channels else None,
            samples=1,
            window=ranges[number] if len(ranges) == imagej.channels else None,
        )
        for number in range(imagej.channels if colors or ranges else 0)
    ]
    return PageAxes(
        lengths=lengths,
        samples="c" if imagej.channels > lengths["c"] else "s",
        spacing=imagej.spacing(ifd),
        channels=tuple(channels),
        values={"label": (texts, "")} if len(texts) == pages > 1 else {},
    )


# ---------------------------------------------------------------------------- NIH Image

_NIH = "8s5h96s2h36s3hd3h4h2h48sB15sBB2hfhfhff"
"""NIHImageHeader up to PixelAspectRatio."""
_NIH_ID = b"IPICIMAG"
_NIH_UNITS = ("nm", "µm", "mm", "cm", "m", "km", "in", "ft", "mi")


def _nih_image(ifds: Sequence[ImageFileDirectory], _: str) -> PageAxes | None:
    ifd = ifds[0]
    data, layout = _bytes(ifd, Tag.NIHImageHeader), f"{_order(ifd)}{_NIH}"
    if len(data) < struct.calcsize(layout) or not data.startswith(_NIH_ID):
        return None
    fields = struct.unpack_from(layout, data)
    pixels_a_unit, units = fields[13], fields[16]
    slices, distance, _current, interval, ratio = fields[-5:]
    spacing = {}
    if 0 <= units < len(_NIH_UNITS) and math.isfinite(pixels_a_unit) and pixels_a_unit > 0:
        unit = _NIH_UNITS[units]
        spacing["X"] = 1 / pixels_a_unit, unit
        spacing["Y"] = (ratio if math.isfinite(ratio) and ratio > 0 else 1) / pixels_a_unit, unit
        if math.isfinite(distance) and distance > 0:
            spacing["Z"] = distance / pixels_a_unit, unit
    if math.isfinite(interval) and interval > 0:
        spacing["T"] = interval, "s"
    axis = "t" if "T" in spacing else "z" if distance > 0 else "page"
    return PageAxes(lengths={axis: max(1, slices)}, spacing=spacing, without_directory=True)


KINDS = (
    Kind(
        name="MetaMorph STK",
        source="MetaMorph Stack (STK) Image File Format: UIC2tag",
        read=_metamorph,
    ),
    Kind(name="Zeiss LSM", source="LSM 5 Image File Format: CZ_LSMINFO", read=_lsm),
    Kind(name="Olympus FluoView", source="Bio-Formats' FluoviewReader: MM_HEAD", read=_fluoview),
    Kind(
        name="Micro-Manager",
        source="Micro-Manager File Formats: the metadata of each image",
        read=_micro_manager,
    ),
    Kind(
        name="ScanImage",
        source="ScanImage BigTIFF Specification; tifffile's series_scanimage",
        read=_scan_image,
    ),
    Kind(name="tifffile, shaped", source="tifffile's series_shaped", read=_shaped),
    Kind(
        name="NIH Image",
        source="ImageJ's TiffDecoder: NIH_IMAGE_HDR; tifffile's NIH_IMAGE_HEADER",
        read=_nih_image,
    ),
    Kind(name="ImageJ", source="ImageJ's TiffDecoder; tifffile's series_imagej", read=_imagej),
)
"""In the order in which they are tried: the others may have an ImageJ description too."""
