"""GDAL's tile index (GTI) and stac-geoparquet: tables of files in formats of vector data.

A tile index names one file a feature, in the field `location`, and says of the whole image what it
likes: extent, resolution, data type, nodata, and the order of files that overlap. These statements
are items of the layer's metadata, or elements of a document `.gti` that names the index. The rules
are those of GDAL's documentation of the driver GTI: https://gdal.org/drivers/raster/gti.html

A GeoPackage is read by the standard library's sqlite3; FlatGeobuf and others need pyogrio, Parquet
needs pyarrow. Where these are missing, one line says which command installs them.
"""

from __future__ import annotations

import io
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from virtual_tiff.metadata.nodata import number_of
from virtual_tiff.metadata.safe_xml import children, local_name
from virtual_tiff.sources.declared_grid import (
    GDAL_TYPES,
    DeclaredBand,
    DeclaredGrid,
    TilePlace,
    base_of,
    file_named,
    lower_path,
    refuse_pixels,
    root_of,
)
from virtual_tiff.sources.vrt import declared_band
from virtual_tiff.tiff import Limits, redacted, warn

__all__ = [
    "index_name",
    "is_index",
    "is_settings",
    "parse_settings",
    "read_features",
    "stac_items",
    "tiles_of_index",
]

_PREFIX = "GTI:"
_SETTINGS = ".gti"
_PARQUET = (".parquet", ".geoparquet")
_SUFFIXES = (_SETTINGS, ".gpkg", ".fgb", *_PARQUET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The features of a layer: columns of equal length, and its metadata."""

    columns: Mapping[str, Sequence[Any]]
    items: Mapping[str, str] = field(default_factory=dict)
    crs: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """The statements of a document `.gti`."""

    dataset: str
    """The path or url of the index that it names."""
    items: Mapping[str, str]
    """Under the names that a layer's metadata have."""
    bands: tuple[DeclaredBand, ...] = ()


def is_index(name: str) -> bool:
    """Whether a path or url is one of a tile index, or of stac-geoparquet."""
    return name.startswith(_PREFIX) or lower_path(name).endswith(_SUFFIXES)


def index_name(name: str) -> str:
    """Return the path or url without GDAL's prefix."""
    return name.removeprefix(_PREFIX)


def is_settings(name: str) -> bool:
    """Whether a path or url is one of a document `.gti`."""
    return lower_path(name).endswith(_SETTINGS)


# ---------------------------------------------------------------------------- the document

_ELEMENTS = {
    "IndexLayer": "TILE_INDEX_LAYER",
    "LocationField": "LOCATION_FIELD",
    "SortField": "SORT_FIELD",
    "SortFieldAsc": "SORT_FIELD_ASC",
    "BandCount": "BAND_COUNT",
    "MaskBand": "MASK_BAND",
    **{
        name: name.upper()
        for name in (
            *("SRS", "ResX", "ResY", "MinX", "MinY", "MaxX", "MaxY", "GeoTransform"),
            *("XSize", "YSize", "BlockXSize", "BlockYSize", "Resampling"),
        )
    },
}
"""The names of items by those of elements."""


def parse_settings(text: str, place: str) -> IndexSettings:
    """Read a document `.gti`; a ValueError refuses what references cannot say."""
    root = root_of(text, place, "a tile index", Limits())
    dataset, items, bands = "", {}, []
    for element in root:
        name, value = local_name(element), (element.text or "").strip()
        if name == "IndexDataset":
            dataset = file_named(value, place, base_of(place))
        elif name in _ELEMENTS:
            items[_ELEMENTS[name]] = value
        elif name == "Band":
            bands.append(declared_band(element))
        elif name in ("Metadata", "Overview"):
            warn(f"{redacted(place)}: the element {name} is left out")
        else:
            refuse_pixels(place, f"the tile index has an element {name}")
    if local_name(root) != "GDALTileIndexDataset" or not dataset:
        msg = f"{redacted(place)} is not a tile index with an IndexDataset"
        raise ValueError(msg)
    return IndexSettings(dataset=dataset, items=items, bands=tuple(bands))


# ---------------------------------------------------------------------------- the features


def read_features(data: bytes, place: str, settings: IndexSettings | None = None) -> Features:
    """Read the features of a vector file, whose suffix says what it is.

    The settings may name the layer; otherwise it is the only one, or that of the file's metadata. A
    package that is not installed is an ImportError, and a file that cannot be read a ValueError.
    """
    read = next(
        (read for suffix, read in _READERS.items() if lower_path(place).endswith(suffix)), _ogr
    )
    try:
        return read(data, place, settings.items.get("TILE_INDEX_LAYER") if settings else None)
    except (ImportError, ValueError):
        raise
    except Exception as error:  # sqlite3, pyogrio and pyarrow share no class of errors
        msg = f"{redacted(place)} cannot be read: {error}"
        raise ValueError(msg) from error


_METADATA = (
    "SELECT metadata FROM gpkg_metadata"
    " JOIN gpkg_metadata_reference ON md_file_id = gpkg_metadata.id"
)


def _geopackage(data: bytes, place: str, layer: str | None) -> Features:
    with closing(sqlite3.connect(":memory:")) as db:
        # the journal of a database in memory is no file; a header that says otherwise is refused
        db.deserialize(data[:18] + b"\x01\x01" + data[20:] if len(data) > 20 else data)
        db.execute("PRAGMA trusted_schema = OFF")  # the file is somebody else's
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master")]

        def metadata(where: str, *values: str) -> dict[str, str]:
            if "gpkg_metadata_reference" not in tables:
                return {}
            texts = db.execute(f"{_METADATA} WHERE {where}", values)
            return {name: text for (xml,) in texts for name, text in _items(xml, place).items()}

        layers = dict(
            db.execute("SELECT table_name, srs_id FROM gpkg_contents WHERE data_type = 'features'")
        )
        layer = layer or metadata("reference_scope = 'geopackage'").get("TILE_INDEX_LAYER")
        layer = _layer(place, [*layers], layer)
        items = metadata("reference_scope = 'table' AND table_name = ?", layer)
        quoted = layer.replace('"', '""')
        rows = db.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608
        names = [column[0] for column in rows.description]
        columns = dict(zip(names, zip(*rows, strict=True), strict=False)) or dict.fromkeys(
            names, ()
        )
        crs = db.execute(
            "SELECT organization || ':' || organization_coordsys_id, definition"
            " FROM gpkg_spatial_ref_sys WHERE srs_id = ? AND srs_id > 0",
            (layers[layer],),
        ).fetchone()
    code, definition = crs or ("", None)
    epsg = code.upper().startswith("EPSG:")
    return Features(columns=columns, items=items, crs=code.upper() if epsg else definition)


def _items(xml: str, place: str) -> dict[str, str]:
    """Return the items of the default domain of GDAL's metadata."""
    root = root_of(xml, place, "GDAL's metadata", Limits())
    if local_name(root) == "GDALTileIndexDataset":
        refuse_pixels(place, "the tile index has settings in its metadata (xml:GTI)")
    return {
        item.get("key", ""): item.text or ""
        for metadata in children(root, "Metadata")
        if not metadata.get("domain")
        for item in children(metadata, "MDI")
    }


def _layer(place: str, layers: Sequence[str], layer: str | None) -> str:
    if layer is None and len(layers) == 1:
        return layers[0]
    if layer is None or layer not in layers:
        named = "names no layer" if layer is None else f"has no layer {layer}"
        msg = f"{redacted(place)} {named}; its layers are {', '.join(layers) or 'none'}"
        raise ValueError(msg)
    return layer


def _ogr(data: bytes, place: str, layer: str | None) -> Features:
    try:
        import pyogrio  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(_missing(place, "pyogrio")) from error
    layers = [str(name) for name, _ in pyogrio.list_layers(data)]
    layer = _layer(place, layers, layer)
    info = pyogrio.read_info(data, layer=layer)
    meta, _, _, fields = pyogrio.raw.read(data, layer=layer, read_geometry=False)
    return Features(
        columns={name: list(values) for name, values in zip(meta["fields"], fields, strict=True)},
        items=info.get("layer_metadata") or {},
        crs=info.get("crs"),
    )


def _parquet(data: bytes, place: str, _: str | None) -> Features:
    try:
        from pyarrow import parquet  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(_missing(place, "pyarrow")) from error
    file = parquet.ParquetFile(io.BytesIO(data))
    names = [name for name in file.schema_arrow.names if name not in ("geometry", "bbox")]
    return Features(columns=file.read(columns=names).to_pydict())


def _missing(place: str, package: str) -> str:
    return f'{redacted(place)}: it is read by {package}: pip install "virtual-tiff[tables]"'


_READERS: dict[str, Callable[[bytes, str, str | None], Features]] = {
    ".gpkg": _geopackage,
    **dict.fromkeys(_PARQUET, _parquet),
}


# ---------------------------------------------------------------------------- what they say

_OF_READING = ("BLOCKXSIZE", "BLOCKYSIZE", "RESAMPLING", "WARPING_MEMORY_SIZE", "TILE_INDEX_LAYER")
"""Items that say how GDAL reads; files that would be resampled are refused anyhow."""
_REFUSED = ("TILE_INDEX_SQL", "TILE_INDEX_SPATIAL_SQL")


def tiles_of_index(
    features: Features, place: str, settings: IndexSettings | None = None
) -> Iterator[tuple[str, TilePlace]]:
    """Yield the files of a tile index in the order in which they cover each other.

    A ValueError refuses an index without a field of files, and what references cannot say.
    """
    items = {**features.items, **(settings.items if settings else {})}
    name = items.get("LOCATION_FIELD", "location")
    if name not in features.columns:
        msg = f"{redacted(place)} has no field {name!r}; it has {', '.join(features.columns)}"
        raise ValueError(msg)
    locations = list(features.columns[name])
    order = list(range(len(locations)))
    if field_name := items.get("SORT_FIELD"):
        if field_name not in features.columns:
            msg = f"{redacted(place)} has no field {field_name!r} to sort by"
            raise ValueError(msg)
        ranks = features.columns[field_name]
        last_first = items.get("SORT_FIELD_ASC", "YES").upper() in ("NO", "FALSE", "0", "OFF")
        order.sort(key=lambda at: (ranks[at] is not None, ranks[at]), reverse=last_first)
    grid, base = _grid(features, items, settings, place), base_of(place)
    for at in order:
        if not isinstance(locations[at], str) or not locations[at]:
            msg = f"{redacted(place)}: feature {at} has no {name}"
            raise ValueError(msg)
        yield file_named(locations[at], place, base), TilePlace(grid)


def _grid(
    features: Features, items: Mapping[str, str], settings: IndexSettings | None, place: str
) -> DeclaredGrid:
    if items.get("MASK_BAND", "NO").upper() in ("YES", "TRUE", "1", "ON"):
        refuse_pixels(place, "the tile index has a mask (MASK_BAND)")
    if refused := [name for name in _REFUSED if name in items]:
        refuse_pixels(place, f"the tile index has a query ({refused[0]})")

    def numbers(*names: str) -> list[float] | None:
        values = [number_of(items[name]) for name in names if name in items]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        return finite if len(finite) == len(names) else None

    transform, size = None, numbers("YSIZE", "XSIZE")
    corners, steps = numbers("MINX", "MINY", "MAXX", "MAXY"), numbers("RESX", "RESY")
    if "GEOTRANSFORM" in items and size is not None:
        parts = [number_of(part) for part in items["GEOTRANSFORM"].split(",")]
        transform = tuple(part for part in parts if part is not None)
    elif corners is not None and steps is not None and all(steps):
        (left, bottom, right, top), (across, down) = corners, map(abs, steps)
        transform = (left, across, 0.0, top, 0.0, -down)
        size = [round((top - bottom) / down), round((right - left) / across)]
    if transform is not None and len(transform) != 6:
        msg = f"{redacted(place)}: GEOTRANSFORM is not six numbers"
        raise ValueError(msg)
    return DeclaredGrid(
        name=place,
        kind="GDAL tile index",
        unit="transforms",
        size=None if size is None or transform is None else (int(size[0]), int(size[1])),
        transform=transform,
        crs=items.get("SRS") or features.crs,
        bands=(settings.bands if settings else ()) or _bands(items),
        last_wins=False,  # GDAL leaves out the pixels of a file that are nodata
    )


def _bands(items: Mapping[str, str]) -> tuple[DeclaredBand, ...]:
    text = items.get("BAND_COUNT", "").strip()
    count = int(text) if text.isdecimal() else 0
    nodata = [text.strip() for text in items.get("NODATA", "").split(",") if text.strip()]
    colours = [text.strip() for text in items.get("COLOR_INTERPRETATION", "").split(",")]
    return tuple(
        DeclaredBand(
            data_type=GDAL_TYPES.get(items.get("DATA_TYPE", "")),
            nodata=nodata[min(n, len(nodata) - 1)] if nodata else None,
            colour=colours[n].lower() or None if n < len(colours) else None,
            scale=number_of(items.get(f"BAND_{n + 1}_SCALE", "")),
            offset=number_of(items.get(f"BAND_{n + 1}_OFFSET", "")),
            unit=items.get(f"BAND_{n + 1}_UNITTYPE") or None,
        )
        for n in range(min(count, 2**16))
    )


# -------------------------------------------------------------------------- stac-geoparquet


def stac_items(features: Features) -> Iterator[dict[str, Any]] | None:
    """Return the STAC items that features of stac-geoparquet are; None if they are none.

    A column is a property of the items, but for those that STAC itself has; an item that lacks
    an asset or a property has null there.
    """
    columns = features.columns
    if not {"id", "assets"} <= set(columns):
        return None
    of_item = ("type", "id", "stac_version", "stac_extensions", "links", "assets", "collection")

    def items() -> Iterator[dict[str, Any]]:
        for row in zip(*columns.values(), strict=True):
            item: dict[str, Any] = {"type": "Feature", "properties": {}}
            for name, value in zip(columns, row, strict=True):
                if value is not None:
                    (item if name in of_item else item["properties"])[name] = value
            item["assets"] = {
                key: {name: part for name, part in asset.items() if part is not None}
                for key, asset in item["assets"].items()
                if asset is not None
            }
            yield item

    return items()
