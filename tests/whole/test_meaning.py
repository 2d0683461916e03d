"""The opened store means what GDAL says the file means, for every file of the corpora.

As a user has it: xarray over the store, rioxarray for CRS and transform. Overviews and masks
included. `scripts/sync_*.py` fill the corpora; without them the tests are skipped and say so.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import rioxarray
import xarray as xr
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from support.pixels import LOCAL
from virtual_tiff import VirtualTIFF
from virtual_tiff.tiff import (
    ImageFileDirectory,
    LimitError,
    Limits,
    MemorySource,
    ReadAhead,
    TiffError,
    TruncatedError,
    UnsupportedError,
    full_images,
    kind_of,
    read_tiff,
)

pytestmark = pytest.mark.filterwarnings("ignore")

TESTDATA = Path(__file__).parent.parent.parent / "testdata"
CORPORA = {
    "matrix": "",
    "series": "",
    "special": "",
    "external/gdal": "scripts/sync_gdal_tiffs.py",
    "external/rasterio": "scripts/sync_rasterio_tiffs.py",
}
MOST_FILE_BYTES = 16 * 2**20
MOST_PIXELS = 2**18
"""Of an image that is compared pixel by pixel, all bands together."""
MOST_PAGES = 8
"""Of one file that are compared."""

ONLY_THE_FILE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
}
"""GDAL tells nothing of world files, .aux.xml and .ovr: they are other files."""

MASKED_BY_ALL_BANDS = "external/gdal/gcore/data/test_nodatavalues.tif"
"""NODATA_VALUES: GDAL takes a pixel for missing if all of its bands have these values; xarray
knows of no such rule, and each band's own is in the file too."""

IDENTITY_IN_TAGS = {"complex_float32.tif", "complex_int32.tif", "f32nan_data.tif"}
"""Files whose tags say that a pixel is a unit, from the origin; GDAL says so of those without."""

REFUSED: dict[str, tuple[type[TiffError], str]] = {
    f"external/gdal/gcore/data/{name}": expected
    for name, expected in {
        "bigtiff_header_extract.tif": (TruncatedError, "800,000 bytes lies past the end"),
        "gtiff/huge_raster_with_ovr_huge_block.tif": (LimitError, "block_bytes=536,870,912"),
        "gtiff/missing_tilebytecounts_and_offsets.tif": (TruncatedError, "16 bytes lies past"),
        "huge4GB.tif": (LimitError, "block_bytes=536,870,912"),
        "leak-ZIPSetupDecode.tif": (UnsupportedError, r"Predictor unknown \(255\)"),
        "many_blocks_truncated.tif": (LimitError, "missing_blocks=1,000,000"),
        "scanline_more_than_2GB.tif": (UnsupportedError, r"CCITTRLE \(2\) with 2 samples"),
        "strip_larger_than_2GB_header.tif": (LimitError, "block_bytes=536,870,912"),
        "tiff_dos_strip_chop.tif": (LimitError, "block_bytes=536,870,912"),
    }.items()
}
"""Files that GDAL opens and we refuse: error and words. Any other one that we refuse fails."""


def cases() -> list[object]:
    """A case for each file; for a missing corpus one that is skipped and says what to do."""
    listed: list[object] = []
    for corpus, script in CORPORA.items():
        found = sorted((TESTDATA / corpus).rglob("*"))
        there = [p for p in found if p.suffix.lower() in {".tif", ".tiff", ".btf"}]
        if not there:
            reason = f"the corpus {corpus} is not there: run {script}"
            listed.append(pytest.param(None, marks=pytest.mark.skip(reason=reason), id=corpus))
        listed += [pytest.param(path, id=str(path.relative_to(TESTDATA))) for path in there]
    return listed


@dataclass(frozen=True)
class Opened:
    """A file as a user has it."""

    dataset: xr.Dataset
    """Of all directories, not decoded."""
    directories: list[ImageFileDirectory]
    full: dict[str, ImageFileDirectory]


def opened(path: Path) -> Opened:
    store = VirtualTIFF()(f"file://{path}", LOCAL)
    dataset = xr.open_zarr(
        store, zarr_format=3, consolidated=False, mask_and_scale=False, chunks=None
    )
    tiff = asyncio.run(read_tiff(ReadAhead(MemorySource(path.read_bytes()))))
    return Opened(dataset, list(tiff.walk()), full_images(tiff.ifds))


@pytest.fixture(autouse=True)
def only_the_file() -> Iterator[None]:
    with rasterio.Env(**ONLY_THE_FILE):
        yield


# ---- one property each: raises AssertionError where it is not as in GDAL


@lru_cache(maxsize=512)
def same_crs(found: str, expected: str) -> bool:
    a, b = CRS.from_wkt(found), CRS.from_wkt(expected)
    if a == b or (a.to_epsg() is not None and a.to_epsg() == b.to_epsg()):
        return True
    return pyproj.CRS(found).equals(pyproj.CRS(expected), ignore_axis_order=True)


def check_crs(array: xr.DataArray, dataset: DatasetReader) -> None:
    if dataset.crs is None:
        # that of control points stands elsewhere in GDAL
        expected, found = dataset.gcps[1], array.rio.crs
        if found is not None:
            assert expected is not None, f"the CRS {found} is invented"
            assert same_crs(found.to_wkt(), expected.to_wkt())
        return
    assert array.rio.crs is not None, f"no CRS; GDAL has {dataset.crs}"
    found, expected = array.rio.crs.to_wkt(), dataset.crs.to_wkt()
    if not same_crs(found, expected):
        # of a GeoTIFF 1.0, GDAL leaves out the heights unless it is told not to
        with rasterio.Env(GTIFF_REPORT_COMPD_CS="YES"), rasterio.open(dataset.name) as whole:
            expected = whole.crs.to_wkt()
    assert same_crs(found, expected), f"{found}\nwant {expected}"


def check_transform(array: xr.DataArray, dataset: DatasetReader) -> None:
    found = list(array.rio.transform(recalc=False))[:6]  # identity where there is none
    np.testing.assert_allclose(found, list(dataset.transform)[:6], rtol=1e-9, atol=1e-12)


def check_coordinates(array: xr.DataArray, dataset: DatasetReader) -> None:
    transform = dataset.transform
    y, x = [name for name in array.dims if not str(name).startswith("band")]
    if transform.b or transform.d or sum(dataset.shape) > Limits().coordinates:
        assert not {x, y} & set(array.coords)
        return
    if not has_place(dataset) and dataset.name.rpartition("/")[2] not in IDENTITY_IN_TAGS:
        assert not {x, y} & set(array.coords)
        return
    # what rioxarray.affine_to_coords makes
    columns, rows = np.arange(dataset.width) + 0.5, np.arange(dataset.height) + 0.5
    np.testing.assert_allclose(array[x], transform.c + transform.a * columns, rtol=1e-12)
    np.testing.assert_allclose(array[y], transform.f + transform.e * rows, rtol=1e-12)


def check_nodata(array: xr.DataArray, dataset: DatasetReader) -> None:
    found = array.rio.nodata
    if dataset.nodata is None:
        assert found is None
    else:
        np.testing.assert_equal(np.complex128(found), np.complex128(dataset.nodata))


def of_bands(array: xr.DataArray, plural: str, single: str, default: float) -> list[float]:
    """A number for each band, wherever it is: what all share is one attribute."""
    count = array.shape[0] if array.ndim == 3 else 1
    return list(array.attrs.get(plural) or [array.attrs.get(single, default)] * count)


def check_scale(array: xr.DataArray, dataset: DatasetReader) -> None:
    scales = of_bands(array, "scales", "scale_factor", 1.0)
    offsets = of_bands(array, "offsets", "add_offset", 0.0)
    if len(scales) != dataset.count:  # GDAL makes four bands of CIE L*a*b*
        scales, offsets = (sorted({*found}) * dataset.count for found in (scales, offsets))
    assert (scales, offsets) == (list(dataset.scales), list(dataset.offsets))


def check_names(array: xr.DataArray, dataset: DatasetReader) -> None:
    expected = [name or "" for name in dataset.descriptions]
    if not any(expected):
        assert "long_name" not in array.attrs
        return
    found = array.attrs.get("long_name")
    assert ([found] if isinstance(found, str) else found) == expected
    if len(expected) > 1 and all(expected) and len(set(expected)) == len(expected):
        assert array[array.dims[0]].values.tolist() == expected


CHECKS = {
    "crs": check_crs,
    "transform": check_transform,
    "coordinates": check_coordinates,
    "nodata": check_nodata,
    "scale": check_scale,
    "names": check_names,
}
PLACE = ("crs", "transform", "coordinates")


def has_place(dataset: DatasetReader) -> bool:
    return not dataset.transform.is_identity


def judged(path: Path, what: str, name: str, array: xr.DataArray, dataset: DatasetReader) -> None:
    """One property of one array."""
    try:
        CHECKS[what](array, dataset)
    except AssertionError as error:
        error.add_note(f"{path.relative_to(TESTDATA)}, {what} of {name}")
        raise


# ---- every file


def open_both(path: Path) -> tuple[Opened, DatasetReader]:
    if path.stat().st_size > MOST_FILE_BYTES:
        pytest.skip("larger than what this suite reads")
    try:
        dataset = rasterio.open(path, driver="GTiff")
    except rasterio.errors.RasterioIOError:
        pytest.skip("GDAL does not open it")
    name = str(path.relative_to(TESTDATA))
    if name in REFUSED:
        error, words = REFUSED[name]
        with dataset, pytest.raises(error, match=words):
            opened(path)
        pytest.skip(f"refused: {words}")
    return opened(path), dataset


@pytest.mark.long
@pytest.mark.parametrize("path", cases())
def test_the_store_means_what_gdal_says(path: Path) -> None:
    ours, dataset = open_both(path)
    with dataset:
        for what in CHECKS:
            judged(path, what, "0", ours.dataset["0"], dataset)
        levels = dataset.overviews(1)
    overviews_lie_where_gdal_has_them(path, ours, len(levels))
    masks_lie_on_their_images(ours)
    pages_lie_where_gdal_has_them(path, ours)


def named(ifd: ImageFileDirectory) -> str:
    return ifd.path.replace("/", ".")


def overviews_lie_where_gdal_has_them(path: Path, ours: Opened, count: int) -> None:
    of_first = [
        named(ifd)
        for ifd in ours.directories
        if ifd.path in ours.full and ours.full[ifd.path].path == "0" and kind_of(ifd) == "overview"
    ]
    for level in range(count):
        with rasterio.open(path, driver="GTiff", overview_level=level) as dataset:
            same = [n for n in of_first if ours.dataset[n].shape[-2:] == dataset.shape]
            assert same, f"no array is GDAL's overview {level} of {dataset.shape}"
            for what in PLACE:
                judged(path, what, same[0], ours.dataset[same[0]], dataset)


def masks_lie_on_their_images(ours: Opened) -> None:
    """A mask has the coordinates of the image, or overview, of its size."""
    for ifd in ours.directories:
        full = ours.full.get(ifd.path)
        if full is None or kind_of(ifd) != "mask" or ifd.path == "0":
            continue
        mask, image = ours.dataset[named(ifd)], ours.dataset[named(full)]
        if mask.shape[-2:] == image.shape[-2:]:
            assert mask.dims[-2:] == image.dims[-2:]
            assert mask.attrs.get("grid_mapping") == image.attrs.get("grid_mapping")
        assert mask.rio.crs == image.rio.crs
        if "spatial:transform" in image.attrs:
            np.testing.assert_allclose(far_corner(mask), far_corner(image), rtol=1e-12)


def far_corner(array: xr.DataArray) -> tuple[float, float]:
    length, width = array.shape[-2:]
    found: tuple[float, float] = array.rio.transform(recalc=False) @ (width, length)
    return found


def pages_lie_where_gdal_has_them(path: Path, ours: Opened) -> None:
    pages = [ifd for ifd in ours.directories if ifd.path != "0" and ifd.path not in ours.full]
    for ifd in pages[:MOST_PAGES]:
        try:
            dataset = rasterio.open(f"GTIFF_DIR:off:{ifd.offset}:{path}")
        except rasterio.errors.RasterioIOError:
            continue
        with dataset:
            for what in CHECKS:
                judged(path, what, named(ifd), ours.dataset[named(ifd)], dataset)


@pytest.mark.long
@pytest.mark.parametrize("path", cases())
def test_mask_and_scale_gives_what_rioxarray_gives(path: Path) -> None:
    """The numbers that a user computes with; where GDAL has a reason to convert pixels."""
    dataset = open_both(path)[1]
    with dataset:
        says_nothing = dataset.nodata is None and {*dataset.scales, *dataset.offsets} == {0.0, 1.0}
        if says_nothing or dataset.count * dataset.width * dataset.height > MOST_PIXELS:
            pytest.skip("nothing to mask or scale, or too large")
    try:
        with rioxarray.open_rasterio(path, mask_and_scale=True) as array:
            expected = array.load()
    except rasterio.errors.RasterioIOError:
        pytest.skip("GDAL does not read its pixels")
    store = VirtualTIFF(ifd=0)(f"file://{path}", LOCAL)
    found = xr.open_zarr(store, mask_and_scale=True, chunks=None)["0"]
    if str(path.relative_to(TESTDATA)) == MASKED_BY_ALL_BANDS:
        assert (found.isnull().values > expected.isnull().values).any()
        expected = expected.where(found.notnull().values)
    same_numbers(found, expected)


def same_numbers(found: xr.DataArray, expected: xr.DataArray) -> None:
    ours = found.values if found.ndim == 3 else found.values[None]
    if "scale_factor" in found.coords:  # of each band its own: CF has no attribute for that
        scaled = found * found.coords["scale_factor"] + found.coords["add_offset"]
        ours = scaled.transpose(*found.dims).values
    largest = np.nanmax(np.abs(expected.values), initial=0)  # rioxarray computes in float32
    np.testing.assert_allclose(
        ours, expected.values, rtol=1e-6, atol=1e-6 * largest, equal_nan=True
    )


# ---- without pyproj

CODES = """
import json, sys
sys.modules["pyproj"] = None  # an import of it fails
import warnings
warnings.simplefilter("ignore")
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF
from zarr.core.buffer import default_buffer_prototype
import zarr

found = {}
for path in json.load(sys.stdin):
    store = VirtualTIFF()(f"file://{path}", ObjectStoreRegistry({"file://": LocalStore()}))
    found[path] = {
        name: dict(array.attrs) for name, array in zarr.open_group(store, mode="r").arrays()
    }
print(json.dumps(found))
"""


@pytest.mark.long
def test_without_pyproj_the_code_alone_is_found_by_rioxarray(tmp_path: Path) -> None:
    """rasterio, which rioxarray needs, has EPSG's registry; we write what we know."""
    codes = {32633: True, 4326: True, 27700: False, 2056: False, 4269: None}
    for code in codes:
        write(tmp_path / f"{code}.tif", code)
    ran = subprocess.run(
        [sys.executable, "-c", CODES],
        input=json.dumps([str(tmp_path / f"{code}.tif") for code in codes]),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(ran.stdout)
    for code, in_table in codes.items():
        arrays = found[str(tmp_path / f"{code}.tif")]
        reference = arrays["spatial_ref"]
        assert arrays["0"]["proj:code"] == f"EPSG:{code}"
        if in_table is not None:
            assert ("crs_wkt" in reference) is in_table
            assert (reference["spatial_ref"] == f"EPSG:{code}") is not in_table
        array = xr.DataArray(np.zeros((2, 2)), dims=("y", "x"), attrs=arrays["0"])
        array = array.assign_coords(spatial_ref=xr.Variable((), 0, reference))
        assert array.rio.crs.to_epsg() == code


def write(path: Path, code: int) -> None:
    place = rasterio.transform.from_origin(7, 46, 0.5, 0.5)
    layout = {"width": 20, "height": 10, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", crs=code, transform=place, **layout) as file:
        file.write(np.zeros((1, 10, 20), "u1"))
