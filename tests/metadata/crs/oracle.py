"""A TIFF of given GeoKeys, what GDAL says of it, and whether we say the same."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from support.build import ASCII, DOUBLE, SHORT, entry, image
from support.warned import of_tiff
from virtual_tiff.metadata.crs import Crs, crs_of
from virtual_tiff.tiff import ImageFileDirectory, MemorySource, read_tiff

type Keys = Mapping[int, int | float | str | tuple[float, ...]]

DIRECTORY, DOUBLES, TEXT = 34735, 34736, 34737
GEOTIFF_1_0, GEOTIFF_1_1 = (1, 1, 0), (1, 1, 1)


def tiff(keys: Keys, version: tuple[int, int, int] = GEOTIFF_1_0) -> bytes:
    """A georeferenced image of four pixels: int is SHORT, float and tuple DOUBLE, str ASCII."""
    shorts, doubles, text = [*version, len(keys)], list[float](), b""
    for key, value in sorted(keys.items()):
        if isinstance(value, int):
            shorts += [key, 0, 1, value]
        elif isinstance(value, str):
            written = value.encode() + b"|"
            shorts += [key, TEXT, len(written), len(text)]
            text += written
        else:
            numbers = value if isinstance(value, tuple) else (value,)
            shorts += [key, DOUBLES, len(numbers), len(doubles)]
            doubles += numbers
    entries = [
        entry(33550, DOUBLE, [1.0, 1.0, 0.0]),
        entry(33922, DOUBLE, [0.0, 0.0, 0.0, 10.0, 20.0, 0.0]),
        entry(DIRECTORY, SHORT, shorts),
        *([entry(DOUBLES, DOUBLE, doubles)] if doubles else []),
        *([entry(TEXT, ASCII, text + b"\0")] if text else []),
    ]
    return image(np.zeros((2, 2), "u1"), extra_entries=entries)


def written_by_gdal(crs: str | CRS) -> bytes:
    """An image to which GDAL gave a CRS."""
    options = {"driver": "GTiff", "width": 2, "height": 2, "count": 1, "dtype": "u1"}
    transform = rasterio.Affine(1, 0, 10, 0, -1, 20)
    with MemoryFile() as memory:
        with memory.open(crs=crs, transform=transform, **options) as dataset:
            dataset.write(np.zeros((1, 2, 2), "u1"))
        return bytes(memory.getbuffer())


def gdal(data: bytes | Path) -> CRS | None:
    """The CRS that GDAL finds; None if there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(data, Path):
            with rasterio.open(data, driver="GTiff") as dataset:
                return dataset.crs or None
        with MemoryFile(data) as memory, memory.open(driver="GTiff") as dataset:
            return dataset.crs or None


def first_ifd(data: bytes) -> ImageFileDirectory:
    """The first directory of a file."""
    return asyncio.run(read_tiff(MemorySource(data), ifd=0)).ifds[0]


def ours(data: bytes) -> tuple[Crs | None, list[str]]:
    """Our CRS and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        crs = crs_of(first_ifd(data))
    return crs, [str(one.message) for one in of_tiff(caught)]


def same(text: str, expected: CRS) -> bool:
    """Whether a text, as readers of `crs_wkt` take it, is a CRS of GDAL's."""
    if pyproj.CRS(text).equals(pyproj.CRS(expected.to_wkt()), ignore_axis_order=True):
        return True
    # rasterio looks for a code; its CRS then has the axes of the registry, not of the file
    found = CRS.from_user_input(text)
    return found == expected or (
        found.to_epsg() is not None and found.to_epsg() == expected.to_epsg()
    )


def assert_same(data: bytes) -> Crs:
    """Assert that we find GDAL's CRS, and return it."""
    crs, _ = ours(data)
    expected = gdal(data)
    assert crs is not None
    assert expected is not None
    assert same(crs.text, expected), f"{crs.text}\nis not\n{expected.to_wkt()}"
    return crs
