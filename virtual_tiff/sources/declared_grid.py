"""Grids that a document declares: the files of one image, and where each of them lies in it.

GDAL's VRT, its tile index (GTI) and a table of rows and columns name files and say what image they
form together. `finding` reads such a document and yields its files, each with its `TilePlace`; the
`DeclaredGrid` is what the document says of the whole, which `publish` compares with the files.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal, NoReturn
from xml.etree.ElementTree import Element

from virtual_tiff.metadata.safe_xml import read_xml
from virtual_tiff.sources.stac import absolute
from virtual_tiff.sources.urls import file_path, is_remote, scheme_of
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import Limits, TiffError, redacted

__all__ = [
    "GDAL_TYPES",
    "DeclaredBand",
    "DeclaredGrid",
    "TilePlace",
    "base_of",
    "file_named",
    "lower_path",
    "refuse_pixels",
    "root_of",
]

GDAL_TYPES = {
    "Byte": "uint8",
    "UInt8": "uint8",
    "Int8": "int8",
    "UInt16": "uint16",
    "Int16": "int16",
    "UInt32": "uint32",
    "Int32": "int32",
    "UInt64": "uint64",
    "Int64": "int64",
    "Float16": "float16",
    "Float32": "float32",
    "Float64": "float64",
    "CFloat32": "complex64",
    "CFloat64": "complex128",
}
"""The data types of Zarr by GDAL's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBand:
    """The statements of a document about one band of the whole; None where it makes none."""

    data_type: str | None = None
    """As Zarr names it."""
    nodata: str | None = None
    """A number, as text."""
    description: str | None = None
    colour: str | None = None
    """GDAL's name of its colour interpretation, in lower case."""
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None
    colours: tuple[tuple[int, ...], ...] | None = None
    """The entries of its colour table: red, green, blue, alpha."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredGrid:
    """The statements of a document about the whole image; None where it makes none."""

    name: str
    """The path or url of the document."""
    kind: str
    """What the document is, in words."""
    axes: tuple[str, ...] = ("y", "x")
    """The dimensions that its files are put together along; `band` is new where it is among them,
    as each file is one band."""
    unit: Literal["pixels", "tiles", "transforms"] = "pixels"
    """What places count: pixels, or rows and columns of tiles; `transforms` if files have no
    place but that of their transforms."""
    size: tuple[int, int] | None = None
    """Rows and columns of the whole."""
    transform: tuple[float, ...] | None = None
    """The six numbers of GDAL's geotransform."""
    crs: str | None = None
    """WKT, or a code."""
    bands: tuple[DeclaredBand, ...] = ()
    items: tuple[tuple[str, str], ...] = ()
    """Metadata of the default domain."""
    last_wins: bool = True
    """Whether a later file covers earlier ones with all its pixels; False if it leaves out those
    that are nodata, which no reference can say."""

    @property
    def summary(self) -> str:
        """Its size and bands in words, each after a comma."""
        words = "" if self.size is None else f", {self.size[1]:,}x{self.size[0]:,} pixels"
        if self.bands:
            types = ", ".join(dict.fromkeys(band.data_type or "?" for band in self.bands))
            words += f", {counted(len(self.bands), 'band')} of {types}"
        return words


@dataclass(frozen=True, slots=True)
class TilePlace:
    """Where a declared grid puts a file."""

    grid: DeclaredGrid
    row: int = 0
    column: int = 0
    """Of its first pixel, or of the tile; see `DeclaredGrid.unit`."""
    length: int = 0
    width: int = 0
    """Rows and columns of the file; 0 if the document does not say."""
    band: int = 0
    """The band that it is, from 1; 0 if it has the bands of the whole."""


# ------------------------------------------------------------------------- GDAL's documents


def root_of(text: str, place: str, what: str, limits: Limits) -> Element:
    """Return the root element of a document; a ValueError says what it is not."""
    try:
        return read_xml(text, limits)
    except TiffError as error:
        msg = f"{redacted(place)} is not {what}: {error}"
        raise ValueError(msg) from error


def refuse_pixels(place: str, what: str) -> NoReturn:
    """Refuse a document that would change, or move, pixels of the files that it names."""
    msg = (
        f"{redacted(place)}: {what}, and references to the blocks of files show these as they are."
        " Write the image to a TIFF first (gdal_translate), or publish the files"
    )
    raise ValueError(msg)


def lower_path(name: str) -> str:
    """Return a path or url in lower case without a query, for its suffix."""
    path = name.partition("?")[0] if scheme_of(name) in ("http", "https") else name
    return path.lower()


_FILE_SYSTEMS = {"curl": "", "s3": "s3://", "gs": "gs://", "az": "az://"}
"""The beginnings of urls by GDAL's names of file systems, `/vsi…/`."""


def base_of(place: str) -> str:
    """Return the path or url that relative names in a document count from."""
    if is_remote(place):
        return place
    return os.path.realpath(os.path.expanduser(file_path(place)))  # noqa: PTH111 (as GDAL does)


def file_named(text: str, place: str, base: str | None) -> str:
    """Return the path or url of a file that a document of GDAL's names; `place` is its own.

    Relative names count from `base`, as `base_of` gives it; if it is None, from the working
    directory. What is no file on disk, on a server or in an object store is a ValueError.
    """
    virtual = re.fullmatch(r"/vsi([a-z0-9]+?)(?:_streaming)?/(.*)", text, re.DOTALL)
    if virtual is not None:
        if virtual[1] not in _FILE_SYSTEMS:
            refuse_pixels(place, f"it names a file of /vsi{virtual[1]}/ ({redacted(text)})")
        return f"{_FILE_SYSTEMS[virtual[1]]}{virtual[2]}"
    if scheme_of(text) is None and re.match(r"/vsi|[A-Za-z][A-Za-z0-9_]+:|<", text):
        refuse_pixels(place, f"it names a source that is no file ({redacted(text[:100])})")
    return text if base is None else absolute(text, base) or text
