"""What files beside a TIFF say of it, laid over its tags: GDAL's `.aux.xml`, world files, STAC.

All that is known of an image is worked out of its tags. So a statement beside the file becomes the
tag that a writer would have put into it, and one rule says what it means, wherever it stands:

- `scene.tif.aux.xml`, GDAL's "PAM", stands above the tags (GDAL's GTiff driver, and its default of
  GDAL_GEOREF_SOURCES). Its items join those of GDAL_METADATA, and a later item counts.
- A world file says a transform where neither of them does.
- STAC's `raster:bands` say scale, offset, unit and nodata where nothing else does.
"""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from virtual_tiff.metadata.crs import crs_of_text
from virtual_tiff.metadata.crs.context import USER_DEFINED
from virtual_tiff.metadata.gdal_metadata import gdal_metadata
from virtual_tiff.metadata.nodata import nodata_text, number_of
from virtual_tiff.metadata.safe_xml import child_text, local_name, parse_xml
from virtual_tiff.metadata.transform import Affine, GroundControlPoint, affine_of
from virtual_tiff.tiff import (
    FIELD_TYPES,
    Entry,
    GeoKey,
    ImageFileDirectory,
    Limits,
    SubfileType,
    Tag,
    parse_geokeys,
    warn,
)

__all__ = [
    "Statements",
    "as_part",
    "described",
    "flags_of_mask",
    "parse_pam",
    "parse_world_file",
    "statements_of_stac",
]

_ASCII, _SHORT, _LONG, _DOUBLE = 2, 3, 4, 12
_POINT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What a file beside a TIFF says of its image."""

    crs: str | None = None
    """As WKT or a code."""
    epoch: float | None = None
    affine: Affine | None = None
    points: tuple[GroundControlPoint, ...] = ()
    nodata: Mapping[int, str] = field(default_factory=dict)
    """By band, from 0."""
    roles: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """By band: scale, offset, unittype, description and colorinterp."""
    items: Sequence[tuple[Mapping[str, str], str]] = ()
    """Items of GDAL_METADATA: their attributes and texts."""


_SHORT_NUMBER = re.compile(r"[0-9]{1,5}")

# ---- GDAL's .aux.xml

_ROLES = {
    "Scale": "scale",
    "Offset": "offset",
    "UnitType": "unittype",
    "Description": "description",
    "ColorInterp": "colorinterp",
}


def parse_pam(text: str, *, what: str, limits: Limits) -> Statements | None:
    """Return what a document of GDAL's persistent auxiliary metadata says; None if it cannot be.

    The rules are those of `GDALPamDataset::XMLInit` and `GDALPamRasterBand::XMLInit`.
    """
    root = parse_xml(text, what=what, limits=limits)
    if root is None:
        return None
    if local_name(root) != "PAMDataset":
        warn(f"{what} is ignored: it is no PAMDataset of GDAL")
        return None
    items = list(_items(root, {}))
    nodata: dict[int, str] = {}
    roles: dict[int, dict[str, str]] = {}
    for element in root:
        number = element.get("band", "")
        if local_name(element) != "PAMRasterBand" or not _SHORT_NUMBER.fullmatch(number):
            continue
        band = int(number) - 1
        if band < 0:
            continue
        items += _items(element, {"sample": str(band)})
        for child in element:
            name, value = local_name(child), (child.text or "").strip()
            if name == "NoDataValue" and value:
                nodata[band] = value
            elif name in _ROLES and value:
                roles.setdefault(band, {})[_ROLES[name]] = value
    epoch = number_of(_attribute(root, "SRS", "coordinateEpoch"))
    return Statements(
        crs=child_text(root, "SRS") or _attribute(root, "GCPList", "Projection") or None,
        epoch=epoch or None,
        affine=_geotransform(child_text(root, "GeoTransform")),
        points=tuple(_points(root)),
        nodata=nodata,
        roles=roles,
        items=items,
    )


def _attribute(root: Element, name: str, attribute: str) -> str:
    return next((e.get(attribute, "") for e in root if local_name(e) == name), "").strip()


def _items(parent: Element, of: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], str]]:
    for element in parent:
        if local_name(element) != "Metadata":
            continue
        domain = element.get("domain", "")
        attributes = {**of, **({"domain": domain} if domain else {})}
        if element.get("format") == "xml":
            for child in element:
                text = ET.tostring(child, encoding="unicode").strip()
                yield {**attributes, "name": domain}, text
            continue
        for child in element:
            if local_name(child) == "MDI" and child.get("key"):
                yield {**attributes, "name": child.get("key", "")}, child.text or ""


def _geotransform(text: str) -> Affine | None:
    numbers = [number_of(part) for part in text.split(",")]
    if len(numbers) != 6 or None in numbers:
        return None
    c, a, b, f, d, e = (number or 0.0 for number in numbers)
    return Affine(a, b, c, d, e, f)


def _points(root: Element) -> Iterator[GroundControlPoint]:
    for parent in root:
        for element in parent if local_name(parent) == "GCPList" else ():
            column, row, x, y, z = (
                number_of(element.get(name, "0")) or 0.0
                for name in ("Pixel", "Line", "X", "Y", "Z")
            )
            yield GroundControlPoint(column, row, x, y, z)


# ---- world files


def parse_world_file(text: str) -> Affine | None:
    """Return the transform of a world file; None if it is none.

    Six lines: a, d, b, e, and x and y of the centre of the first pixel (`GDALLoadWorldFile`).
    """
    lines = [line for line in text.splitlines() if line.strip()][:6]
    numbers = [number for number in map(number_of, lines) if number is not None]
    if len(numbers) != 6:
        return None
    a, d, b, e, c, f = numbers
    if not ((a or b) and (e or d)):
        return None
    return Affine(a, b, c, d, e, f).shifted(-0.5, -0.5)


# ---- STAC


def statements_of_stac(bands: Sequence[Mapping[str, Any]]) -> Statements:
    """Return what `raster:bands` of a STAC asset say, or its `bands` since STAC 1.1.

    Each band of the file may have `scale` or `raster:scale`, `offset`, `nodata` and `unit`.
    """
    nodata: dict[int, str] = {}
    roles: dict[int, dict[str, str]] = {}
    for number, band in enumerate(bands):
        if not isinstance(band, Mapping):
            msg = f"raster_bands must have a mapping for each band, not {band!r}"
            raise ValueError(msg)  # noqa: TRY004 (one class for all wrong options)
        for name, role in (("scale", "scale"), ("offset", "offset"), ("unit", "unittype")):
            value = band.get(name, band.get(f"raster:{name}"))
            if value is not None:
                roles.setdefault(number, {})[role] = str(value)
        if band.get("nodata") is not None:
            nodata[number] = str(band["nodata"])
    return Statements(nodata=nodata, roles=roles)


# ---- statements as tags


def described(
    ifd: ImageFileDirectory,
    *,
    above: Statements | None = None,
    world: Affine | None = None,
    below: Statements | None = None,
) -> ImageFileDirectory:
    """Return a directory whose tags say what files beside it say.

    GDAL's `.aux.xml`, `above`, counts more than its own tags; the transform of a world file less;
    and STAC, `below`, where all others say nothing.
    """
    above, below = above or Statements(), below or Statements()
    entries = dict(ifd.entries)
    order = ifd.variant.byte_order
    if any((above.items, above.roles, below.roles)):
        text = _gdal_metadata(ifd, above, below)
        _put(entries, Tag.GDAL_METADATA, _ASCII, _encoded(text))
    nodata = _nodata(ifd, above, below)
    if nodata is not None:
        _put(entries, Tag.GDAL_NODATA, _ASCII, _encoded(nodata))
    if above.crs is not None:
        _put_crs(entries, ifd, above)
    affine = above.affine or (None if affine_of(ifd) is not None else world)
    if affine is not None:
        _put_affine(entries, ifd, affine)
    elif above.points and affine_of(ifd) is None:
        shift = 0.5 if _is_point(ifd) else 0.0
        numbers = [
            number
            for p in above.points
            for number in (p.column - shift, p.row - shift, 0.0, p.x, p.y, p.z)
        ]
        _put(entries, Tag.ModelTiepoint, _DOUBLE, _packed(order, "d", numbers))
    return replace(ifd, entries=entries)


def as_part(ifd: ImageFileDirectory, path: str, *, mask: bool) -> ImageFileDirectory:
    """Return a directory of another file as an overview or a mask of the image."""
    entries = dict(ifd.entries)
    order = ifd.variant.byte_order
    bits = (SubfileType.Mask if mask else 0) | (0 if path == "msk" else SubfileType.ReducedImage)
    _put(entries, Tag.NewSubfileType, _LONG, int(bits).to_bytes(4, order))
    if mask:
        photometric = (4).to_bytes(2, order)
        _put(entries, Tag.PhotometricInterpretation, _SHORT, photometric)
    entries.pop(Tag.SubIFDs, None)
    return replace(ifd, path=path, entries=entries, subifds=())


_OF_DATASET = 2
"""GMF_PER_DATASET: one mask for all bands."""


def flags_of_mask(ifd: ImageFileDirectory) -> int:
    """Return GDAL's flags of the first band of a mask in a file of its own; 0 if it is none."""
    text = gdal_metadata(ifd).file.default.get("INTERNAL_MASK_FLAGS_1", "0")
    return int(text) & _OF_DATASET if _SHORT_NUMBER.fullmatch(text) else 0


def _put(entries: dict[int, Entry], tag: Tag, code: int, data: bytes) -> None:
    field_type = FIELD_TYPES[code]
    count = len(data) // field_type.nbytes
    entries[int(tag)] = Entry(int(tag), field_type, count, 0, data)


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace") + b"\0"  # JSON has lone surrogates


def _packed(order: str, code: str, numbers: Sequence[float]) -> bytes:
    return struct.pack(f"{'<' if order == 'little' else '>'}{len(numbers)}{code}", *numbers)


def _gdal_metadata(ifd: ImageFileDirectory, above: Statements, below: Statements) -> str:
    own_items = gdal_metadata(ifd)
    lines = []
    # what counts least comes first
    for number, roles in below.roles.items():
        for role, value in roles.items():
            lines.append(_item({"name": role, "sample": str(number), "role": role}, value))
    for number, items in {-1: own_items.file, **own_items.bands}.items():
        of = {} if number < 0 else {"sample": str(number)}
        for role, value in items.roles.items():
            lines.append(_item({"name": role, **of, "role": role}, value))
        lines += [_item({"name": name, **of}, value) for name, value in items.default.items()]
        for domain, held in items.domains.items():
            named = {domain: held} if isinstance(held, str) else held
            lines += [
                _item({"name": n, **of, "domain": domain}, value) for n, value in named.items()
            ]
    lines += [_item(attributes, text) for attributes, text in above.items]
    for number, roles in above.roles.items():
        for role, value in roles.items():
            lines.append(_item({"name": role, "sample": str(number), "role": role}, value))
    return f"<GDALMetadata>{''.join(lines)}</GDALMetadata>"


def _item(attributes: Mapping[str, str], text: str) -> str:
    named = "".join(
        f' {name}="{html.escape(value).replace("\n", "&#10;")}"'
        for name, value in attributes.items()
    )
    once = html.escape(text, quote=False)
    return f"<Item{named}>{html.escape(once, quote=False)}</Item>"  # as GDAL writes it, twice


def _nodata(ifd: ImageFileDirectory, above: Statements, below: Statements) -> str | None:
    """Return the text of GDAL_NODATA, which is one for all bands; None if it stays."""
    own_text = nodata_text(ifd) or None
    values = {
        above.nodata.get(band) or own_text or below.nodata.get(band)
        for band in range(ifd.SamplesPerPixel if above.nodata or below.nodata else 0)
    }
    if len(values) > 1:
        warn(
            "the files beside the TIFF say another nodata value of each band, and an array has one"
            f" for all of its bands; {'none' if own_text is None else own_text} is taken"
        )
    return values.pop() if len(values) == 1 else None


def _is_point(ifd: ImageFileDirectory) -> bool:
    return parse_geokeys(ifd).get(GeoKey.GTRasterTypeGeoKey) == _POINT


def _put_affine(entries: dict[int, Entry], ifd: ImageFileDirectory, affine: Affine) -> None:
    if _is_point(ifd):  # the tag then counts from the first pixel's centre
        affine = affine.shifted(0.5, 0.5)
    for tag in (Tag.ModelPixelScale, Tag.ModelTiepoint):
        entries.pop(int(tag), None)
    a, b, c, d, e, f = affine.coefficients
    matrix = [a, b, 0.0, c, d, e, 0.0, f, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    data = _packed(ifd.variant.byte_order, "d", matrix)
    _put(entries, Tag.ModelTransformation, _DOUBLE, data)


_MODELS = {"projected": (1, GeoKey.ProjectedCRSGeoKey), "geographic": (2, GeoKey.GeodeticCRSGeoKey)}
_MOST_OF_WKT = 2**16 - 1
"""Bytes: a GeoKey counts in 16 bits."""


def _put_crs(entries: dict[int, Entry], ifd: ImageFileDirectory, above: Statements) -> None:
    """Say a CRS by its code or, if it has none, as ESRI writes a whole WKT in a citation."""
    if above.crs is None:
        return
    order = ifd.variant.byte_order
    keys: dict[int, tuple[int, int, int]] = {}
    text = ""
    crs = crs_of_text(above.crs)
    authority, _, code = ((crs and crs.code) or "").partition(":")
    kind = "" if crs is None else crs.kind
    if authority == "EPSG" and _SHORT_NUMBER.fullmatch(code) and kind in _MODELS:
        model, key = _MODELS[kind]
        keys[GeoKey.GTModelTypeGeoKey] = 0, 1, model
        keys[key] = 0, 1, int(code)
    else:
        wkt = above.crs if crs is None or crs.wkt is None else crs.wkt
        text = f"ESRI PE String = {' '.join(wkt.split())}|"
        keys[GeoKey.GTModelTypeGeoKey] = 0, 1, USER_DEFINED
        if len(text.encode()) > _MOST_OF_WKT:
            warn(f"the CRS of {len(text):,} letters beside the TIFF is too long; it is left out")
            return
        keys[GeoKey.GTCitationGeoKey] = Tag.GeoAsciiParams, len(text.encode()), 0
    if _is_point(ifd):
        keys[GeoKey.GTRasterTypeGeoKey] = 0, 1, _POINT
    for tag in (Tag.GeoAsciiParams, Tag.GeoDoubleParams):
        entries.pop(int(tag), None)
    if text:
        _put(entries, Tag.GeoAsciiParams, _ASCII, text.encode() + b"\0")
    if above.epoch is not None:
        keys[GeoKey.CoordinateEpochGeoKey] = Tag.GeoDoubleParams, 1, 0
        _put(entries, Tag.GeoDoubleParams, _DOUBLE, _packed(order, "d", [above.epoch]))
    shorts = [1, 1, 1, len(keys)]
    for number in sorted(keys):
        shorts += [number, *map(int, keys[number])]
    _put(entries, Tag.GeoKeyDirectory, _SHORT, _packed(order, "H", shorts))
