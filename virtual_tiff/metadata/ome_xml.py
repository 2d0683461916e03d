"""OME-XML: the images of an OME-TIFF, and which directory holds which of their planes.

The rules are those of the OME-TIFF specification, "The TiffData element" and "Multi-file
OME-TIFF" (https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html), and
where files break them, those of Bio-Formats' `OMETiffReader`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from virtual_tiff.metadata.safe_xml import children, local_name, parse_xml
from virtual_tiff.tiff import Limits, warn

__all__ = [
    "WHOLE_IMAGE",
    "Ome",
    "OmeChannel",
    "OmeImage",
    "Planes",
    "find_planes",
    "finite_number",
    "metadata_file",
    "parse_ome",
]

_DIMENSION_ORDERS = {"XYZCT", "XYZTC", "XYCTZ", "XYCZT", "XYTCZ", "XYTZC"}
_DEFAULT_UNITS = {"X": "µm", "Y": "µm", "Z": "µm", "T": "s"}
"""Default units of PhysicalSize and TimeIncrement, in `ome.xsd`."""
WHOLE_IMAGE = (-1, -1, -1)
"""In the place of T, C and Z: all planes of an image."""
_MOST_WELLS = 1000
"""Rows and columns of a plate: the largest of trade have 48 rows and 72 columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeChannel:
    """One Channel: one plane, or the samples of an RGB plane."""

    name: str | None
    color: str | None
    """RRGGBB."""
    samples: int
    window: tuple[float, float] | None = None
    """The values that are shown as black and as the full colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeTiffData:
    """One TiffData: a run of directories that are consecutive planes."""

    ifd: int | None
    plane_count: int | None
    first: Mapping[str, int]
    """Position of the first of its planes, by `Z`, `C` and `T`."""
    uuid: str | None
    """The UUID of the file that has the directories; None is this one."""
    file_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneValues:
    """A number of each plane, as far as it is stated."""

    units: str
    """As OME writes it."""
    values: Mapping[tuple[int, int, int], float]
    """By T, C and Z; by `WHOLE_IMAGE` that of all planes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeImage:
    """One Image and its Pixels."""

    name: str | None
    dimension_order: str
    sizes: Mapping[str, int]
    """By `X`, `Y`, `Z`, `C`, `T`; the C of RGB images counts samples."""
    significant_bits: int | None
    spacing: Mapping[str, tuple[float, str]]
    """Distance of two neighbours and its unit as OME writes it, by `X`, `Y`, `Z`, `T`."""
    channels: tuple[OmeChannel, ...]
    tiff_data: tuple[OmeTiffData, ...]
    elsewhere: tuple[OmeTiffData, ...] = ()
    """Those of other files, where `tiff_data` are those of one."""
    id: str | None = field(default=None, compare=False)
    modulo: Mapping[str, tuple[str, int]] = field(default_factory=dict, compare=False)
    """By `Z`, `C` or `T`: name and length of the axis that its planes go through at each step."""
    planes: Mapping[str, PlaneValues] = field(default_factory=dict, compare=False)
    """What is said of each plane, by the name of its coordinate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeWell:
    """One Well of a Plate."""

    row: int
    column: int
    images: tuple[str, ...]
    """The IDs of the images of its fields, in the order of their samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmePlate:
    """One Plate."""

    name: str | None
    wells: tuple[OmeWell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ome:
    """The statements of a file's OME-XML."""

    uuid: str | None
    """The UUID of this file."""
    images: tuple[OmeImage, ...]
    plate: OmePlate | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that have the planes, or UUIDs of those without names; sorted."""
        data = (data for image in self.images for data in image.tiff_data)
        return tuple(sorted({each.file_name or each.uuid or "" for each in data} - {""}))

    def of_file(self, name: str | None) -> Ome:
        """Return the same with the planes of this file alone.

        A plane is this file's if it names no file, or the file's UUID; or, if no plane does that,
        the file's name: programs that edit a file give it a new UUID, and users rename files. If
        all planes are of one file, it is this one, as Bio-Formats takes it.

        Parameters
        ----------
        name
            Of this file, where known.
        """
        everything = [data for image in self.images for data in image.tiff_data]
        uuids = {data.uuid for data in everything} - {None}
        names = {data.file_name for data in everything}
        by_name = name in names and (len(names) > 1 or len(uuids) > 1)
        if len(uuids) > 1 and self.uuid in uuids:
            own = [data for data in everything if data.uuid in (None, self.uuid)]
        elif by_name:
            own = [data for data in everything if data.file_name in (None, name)]
        elif len(uuids) > 1:
            own = [data for data in everything if data.uuid is None]
        else:
            return self
        kept = set(map(id, own))
        return replace(self, images=tuple(_parted(image, kept) for image in self.images))

    def warn_of_other_files(self) -> None:
        """Warn of the images that have planes in other files too, after `of_file`."""
        for image in self.images:
            names = sorted({data.file_name or str(data.uuid) for data in image.elsewhere})
            if names and image.tiff_data:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                warn(
                    f"OME image {image.name!r}: planes in other files are not exposed: "
                    f"{', '.join(names[:3])}{more}; publish the files together"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """The planes of an image that one file holds."""

    shape: tuple[int, ...]
    """Lengths of T, C and Z; C counts planes, of which an RGB one has several samples."""
    first: tuple[int, ...]
    """Where in the whole image this part begins, in T, C, Z."""
    ifds: tuple[int | None, ...]
    """Numbers of directories, in C order of `shape`; None where the file has no plane.

    Empty if there are more than may be.
    """
    whole: tuple[int, ...] = field(default=(), compare=False)
    """Lengths of T, C and Z of the whole image, in planes."""


def metadata_file(description: str | None) -> str | None:
    """Return the name of the file that has the OME-XML, if an ImageDescription only says that."""
    text = "" if description is None else description.strip()
    if not (text.startswith("<") and text.endswith("OME>") and "BinaryOnly" in text):
        return None
    root = parse_xml(text, what="OME-XML in ImageDescription")
    pointers = [] if root is None else list(children(root, "BinaryOnly"))
    return _file_name(pointers[0].get("MetadataFile")) if pointers else None


def _file_name(text: str | None) -> str | None:
    """Return the name of a file of a set: it is in the folder of the others, or below it."""
    path = PurePosixPath("" if text is None else text.strip().replace("\\", "/"))
    below = path.name and not path.is_absolute() and ".." not in path.parts
    return str(path) if below else path.name or None


def _parted(image: OmeImage, kept: set[int]) -> OmeImage:
    """Return an image with those of its TiffData that are kept."""
    own = tuple(data for data in image.tiff_data if id(data) in kept)
    others = tuple(data for data in image.tiff_data if id(data) not in kept)
    return replace(image, tiff_data=own, elsewhere=others)


def parse_ome(description: str | None, *, ifd: str, limits: Limits | None = None) -> Ome | None:
    """Return what an ImageDescription says, if it is OME-XML that describes this file's planes.

    `ifd` is the path of its directory, for warnings.
    """
    text = "" if description is None else description.strip()
    if not (text.startswith("<") and text.endswith("OME>")):
        return None
    root = parse_xml(text, what=f"IFD {ifd}: OME-XML in ImageDescription", limits=limits)
    if root is None or local_name(root) != "OME":
        return None
    for pointer in children(root, "BinaryOnly"):
        where = pointer.get("MetadataFile") or "another file"
        warn(f"IFD {ifd}: the OME-XML is in {where}; the pages are exposed without it")
        return None
    images = []
    annotations_of: list[list[str]] = []
    for number, image in enumerate(children(root, "Image")):
        try:
            for pixels in islice(children(image, "Pixels"), 1):
                images.append(_image(image, pixels))
                references = children(image, "AnnotationRef")
                annotations_of.append([reference.get("ID", "") for reference in references])
        except ValueError as error:
            warn(f"IFD {ifd}: OME image {number} is ignored: {error}")
    if len(images) == 1 and not images[0].tiff_data:
        # without TiffData all directories are the planes of the only image
        everything = OmeTiffData(
            ifd=None, plane_count=None, first=dict.fromkeys("ZCT", 0), uuid=None, file_name=None
        )
        images = [replace(images[0], tiff_data=(everything,))]
    modulo = _modulo(root)
    images = [
        replace(image, modulo=axes)
        if (axes := next((modulo[each] for each in references if each in modulo), None))
        else image
        for image, references in zip(images, annotations_of, strict=True)
    ]
    plates = [_plate(plate) for plate in children(root, "Plate")]
    plates = [plate for plate in plates if plate is not None]
    if len(plates) > 1:
        warn(
            f"IFD {ifd}: the OME-XML has {len(plates)} plates; its images are exposed without them"
        )
    plate = plates[0] if len(plates) == 1 else None
    return Ome(uuid=_uuid(root.get("UUID")), images=tuple(images), plate=plate)


def _modulo(root: Element) -> dict[str, dict[str, tuple[str, int]]]:
    """Return the axes within axes by the ID of their annotation.

    "6D, 7D and 8D storage" of the OME Data Model: the planes along Z, C or T go through all steps
    of the other axis at each step of their own.
    """
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for annotation in (
        each
        for structured in children(root, "StructuredAnnotations")
        for each in children(structured, "XMLAnnotation")
        if each.get("Namespace", "").endswith("modulo")
    ):
        axes = found.setdefault(annotation.get("ID", ""), {})
        for along in annotation.iter():
            name = local_name(along)
            if name not in ("ModuloAlongZ", "ModuloAlongC", "ModuloAlongT"):
                continue
            count = len(list(children(along, "Label")))
            if "Start" in along.attrib:
                try:
                    start, end, step = (
                        float(along.get(key, "1")) for key in ("Start", "End", "Step")
                    )
                    count = math.floor((end - start) / step + 1e-6) + 1
                except (ValueError, ZeroDivisionError, OverflowError):
                    count = 0
            kind = along.get("Type", "").strip().lower()
            if count > 1 and kind.isidentifier() and len(kind) < 30 and kind not in "tczyxs":
                axes[name[-1]] = kind, count
    return found


def _plate(plate: Element) -> OmePlate | None:
    """Return a plate with its wells that have images; None if it has none, or they are wrong."""
    wells = []
    for well in children(plate, "Well"):
        try:
            row, column = _whole(well, "Row"), _whole(well, "Column")
        except ValueError:
            return None
        samples = children(well, "WellSample")
        references = (reference for each in samples for reference in children(each, "ImageRef"))
        images = tuple(reference.get("ID", "") for reference in references)
        if row is None or column is None or max(row, column) >= _MOST_WELLS:
            return None
        if images:
            wells.append(OmeWell(row=row, column=column, images=images))
    places = {(well.row, well.column) for well in wells}
    if not wells or len(places) < len(wells):
        return None
    return OmePlate(name=plate.get("Name") or None, wells=tuple(wells))


def _image(image: Element, pixels: Element) -> OmeImage:
    order = pixels.get("DimensionOrder", "")
    if order not in _DIMENSION_ORDERS:
        msg = f"DimensionOrder {order!r} is not one of {', '.join(sorted(_DIMENSION_ORDERS))}"
        raise ValueError(msg)
    sizes = {axis: _whole(pixels, f"Size{axis}") or 0 for axis in "XYZCT"}
    for axis, size in sizes.items():
        if not size:
            msg = f"Size{axis} is {pixels.get(f'Size{axis}')!r}, not a positive number"
            raise ValueError(msg)
    bits = _whole(pixels, "SignificantBits")
    return OmeImage(
        id=image.get("ID"),
        name=image.get("Name") or None,
        dimension_order=order,
        sizes=sizes,
        significant_bits=bits if bits and bits <= 64 else None,
        spacing=_spacings(pixels),
        channels=tuple(map(_channel, children(pixels, "Channel"))),
        tiff_data=tuple(map(_tiff_data, children(pixels, "TiffData"))),
        planes=_plane_values(image, pixels),
    )


_OF_PLANES = {
    "position_x": ("PositionX", "reference frame"),
    "position_y": ("PositionY", "reference frame"),
    "position_z": ("PositionZ", "reference frame"),
    "delta_t": ("DeltaT", "s"),
    "exposure_time": ("ExposureTime", "s"),
}
"""By the name of a coordinate: the attribute of Plane, and its default unit in `ome.xsd`."""
_MOST_PLANES = 4096
"""An image of more planes has no coordinates of them: a manifest would hold megabytes of them."""


def _plane_values(image: Element, pixels: Element) -> dict[str, PlaneValues]:
    """Return where each plane was taken, and when; StageLabel says it of the whole image."""
    units: dict[str, str] = {}
    values: dict[str, dict[tuple[int, int, int], float]] = {}
    for number, plane in enumerate(children(pixels, "Plane")):
        if number >= _MOST_PLANES:
            return {}
        try:
            at = tuple(_whole(plane, f"The{axis}") or 0 for axis in "TCZ")
        except ValueError:
            continue
        for name, (attribute, unit) in _OF_PLANES.items():
            value = finite_number(plane.get(attribute))
            if value is not None:
                values.setdefault(name, {})[at[0], at[1], at[2]] = value
                units.setdefault(name, plane.get(f"{attribute}Unit", unit))
                if plane.get(f"{attribute}Unit", unit) != units[name]:
                    return {}
    stage = next(children(image, "StageLabel"), None)
    if stage is not None and not any(name.startswith("position") for name in values):
        for axis in "XYZ":
            value = finite_number(stage.get(axis))
            if value is not None:
                name = f"position_{axis.lower()}"
                units[name] = stage.get(f"{axis}Unit", _OF_PLANES[name][1])
                values[name] = {WHOLE_IMAGE: value}
    return {name: PlaneValues(units=units[name], values=values[name]) for name in values}


def finite_number(text: str | None) -> float | None:
    """Return a text or an attribute as a number; None if it is none, or not finite."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(element: Element, name: str) -> int | None:
    """Return an attribute that is a whole number from 0 on; None if it is absent."""
    text = element.get(name)
    if text is None:
        return None
    if not (text.strip().isdecimal() and len(text) < 20):
        msg = f"{name} is {text[:40]!r}, not a whole number"
        raise ValueError(msg)
    return int(text)


def _spacings(pixels: Element) -> dict[str, tuple[float, str]]:
    spacings = {}
    for axis, unit in _DEFAULT_UNITS.items():
        name = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
        try:
            size = float(pixels.get(name, "nan"))
        except ValueError:
            warn(f"OME-XML: {name} {pixels.get(name)!r} is not a number and is ignored")
            continue
        if math.isfinite(size) and size > 0:
            spacings[axis] = size, pixels.get(f"{name}Unit", unit)
    return spacings


def _channel(channel: Element) -> OmeChannel:
    try:  # RGBA in one signed 32-bit integer
        color = f"{(int(channel.get('Color', '')) & 0xFFFFFFFF) >> 8:06X}"
    except ValueError:
        color = None
    samples = _whole(channel, "SamplesPerPixel")
    return OmeChannel(name=channel.get("Name") or None, color=color, samples=max(1, samples or 1))


def _tiff_data(data: Element) -> OmeTiffData:
    uuid = next(children(data, "UUID"), None)
    count = _whole(data, "PlaneCount")
    return OmeTiffData(
        ifd=_whole(data, "IFD"),
        # before 2008-02 the attribute was called NumPlanes
        plane_count=_whole(data, "NumPlanes") if count is None else count,
        first={axis: _whole(data, f"First{axis}") or 0 for axis in "ZCT"},
        uuid=None if uuid is None else _uuid(uuid.text),
        file_name=None if uuid is None else _file_name(uuid.get("FileName")),
    )


def _uuid(text: str | None) -> str | None:
    return None if text is None else text.strip().lower() or None


def find_planes(
    image: OmeImage,
    *,
    samples: Callable[[int], int],
    ifd_count: int,
    max_planes: int,
    of_set: bool = False,
) -> Planes | None:
    """Work out which directory of this file holds which plane of an image.

    Of an image in several files, the planes are those of the part that this file has (the
    smallest box around its planes), as in Bio-Formats when it does not group files.

    Parameters
    ----------
    image
        The image, with the planes of this file alone (`Ome.of_file`).
    samples
        SamplesPerPixel of a directory, by its number.
    ifd_count
        Directories in the chain.
    max_planes
        How many planes there may be, those included that the file does not hold.
    of_set
        Whether other files may have the planes that this one lacks.

    Returns
    -------
    Planes or None
        None if this file has none of the image's planes.
    """
    start = min((data.ifd or 0 for data in image.tiff_data), default=ifd_count)
    if start >= ifd_count:
        return None
    sizes = {axis: image.sizes[axis] for axis in "ZCT"}
    if sizes["C"] % samples(start) == 0:
        sizes["C"] //= samples(start)  # SizeC counts samples, and those of a plane are the TIFF's
    planes = _assign(image, sizes, ifd_count, max_planes)
    if not planes:
        return None
    first: tuple[int, ...] = (0, 0, 0)
    shape = whole = (sizes["T"], sizes["C"], sizes["Z"])
    named = math.prod(shape)
    if image.elsewhere or named > max_planes:
        # the smallest box around the planes
        first, last = (tuple(map(edge, zip(*planes, strict=True))) for edge in (min, max))
        shape = tuple(end - start + 1 for start, end in zip(first, last, strict=True))
    if math.prod(shape) > max_planes:
        warn(
            f"OME image {image.name!r} has {named:,} planes; the limit is {max_planes:,}, so it "
            "is ignored"
        )
        return Planes(shape=shape, first=first, ifds=())
    if named > max_planes and not image.elsewhere:
        warn(f"OME image {image.name!r} has {named:,} planes; only those in the file are exposed")
    ifds: list[int | None] = [None] * math.prod(shape)
    for (t, c, z), ifd in planes.items():
        ifds[((t - first[0]) * shape[1] + c - first[1]) * shape[2] + z - first[2]] = ifd
    if None in ifds and not of_set:
        warn(f"OME image {image.name!r}: the file lacks {ifds.count(None)} of {len(ifds)} planes")
    return Planes(shape=shape, first=first, ifds=tuple(ifds), whole=whole)


def _assign(
    image: OmeImage,
    sizes: Mapping[str, int],
    ifd_count: int,
    max_planes: int,
) -> dict[tuple[int, int, int], int]:
    """Return the number of the directory of each plane, by (t, c, z)."""
    order = image.dimension_order[2:]  # the first varies fastest
    total = math.prod(sizes.values())
    from_one = {}
    for axis in order:
        # some writers count from 1, as Bio-Formats does
        numbers = [data.first[axis] for data in (*image.tiff_data, *image.elsewhere)] or [0]
        from_one[axis] = int(min(numbers) == 1 and max(numbers) == sizes[axis])
    planes: dict[tuple[int, int, int], int] = {}
    steps = 0
    for data in image.tiff_data:
        at = {axis: data.first[axis] - from_one[axis] for axis in order}
        if any(not 0 <= at[axis] < sizes[axis] for axis in order):
            warn(
                f"OME image {image.name!r}: a TiffData names a plane that the image does not "
                "have; it is ignored"
            )
            continue
        plane = at[order[0]] + sizes[order[0]] * (at[order[1]] + sizes[order[1]] * at[order[2]])
        ifd = data.ifd or 0
        count = data.plane_count
        if count is None:
            count = ifd_count if data.ifd is None else 1
        count = max(0, min(count, total - plane, ifd_count - ifd))
        steps += count
        if steps > max_planes:  # each plane is named once
            warn(
                f"OME image {image.name!r}: TiffData name more than {max_planes:,} planes; the "
                "rest is ignored"
            )
            break
        for i in range(count):
            rest = plane + i
            for axis in order:
                rest, at[axis] = divmod(rest, sizes[axis])
            planes[at["T"], at["C"], at["Z"]] = ifd + i
    return planes
