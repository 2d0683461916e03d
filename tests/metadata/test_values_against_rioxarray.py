"""Values as a user sees them: xarray over the virtual store, against rioxarray and rasterio."""

from __future__ import annotations

import asyncio
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr

from support.build import ASCII, DOUBLE, SHORT, entry, image
from support.pixels import directory, virtual
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.metadata.image_attributes import attributes, band_coordinates, nodata
from virtual_tiff.tiff import ImageFileDirectory, MemorySource, ReadAhead, read_tiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

WITHOUT_PAM = partial(rasterio.Env, GDAL_PAM_ENABLED=False)
"""GDAL leaves the heights of GeoTIFF 1.0 out of a CRS unless it is asked for them."""

SCALE = '<Item name="SCALE" sample="{0}" role="scale">0.5</Item>'
OFFSET = '<Item name="OFFSET" sample="{0}" role="offset">-3</Item>'
UNSIGNED = '<Item name="_Unsigned">{1}</Item>'


def file_of(dtype: str, text: str = "", nodata: str | None = None, bands: int = 1) -> bytes:
    pixels = np.arange(-6, 6).astype(dtype).reshape(3, 4)
    if bands > 1:
        pixels = np.stack([pixels] * bands, axis=-1)
    xml = "".join(text.format(band, "true") for band in range(bands))
    entries = [] if nodata is None else [entry(42113, ASCII, nodata)]
    if xml:
        entries.append(entry(42112, ASCII, f"<GDALMetadata>{xml}</GDALMetadata>"))
    return image(pixels, photometric=1, extra_entries=entries)


def by_rioxarray(data: bytes, tmp_path: Path) -> xr.DataArray:
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    with rioxarray.open_rasterio(path, mask_and_scale=True) as opened:
        found: xr.DataArray = opened.load().squeeze()
    return found


@pytest.mark.parametrize("bands", [1, 2])
@pytest.mark.parametrize("text", ["", SCALE, OFFSET, SCALE + OFFSET], ids=lambda t: str(len(t)))
@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        *(("u1", "5"), ("i1", "-3"), ("i2", "-3"), ("u2", "5"), ("i4", "-3"), ("u4", "5")),
        *(("i8", "-3"), ("u8", "5"), ("f4", "-3"), ("f8", "-3"), ("f4", "nan"), ("u1", "5.7")),
        ("i2", "99999"),
    ],
)
def test_masked_and_scaled_values_are_rioxarrays(
    dtype: str, fill: str, text: str, bands: int, tmp_path: Path
):
    data = file_of(dtype, text, nodata=fill, bands=bands)
    found = xr.open_zarr(virtual(data), mask_and_scale=True)["0"].load()
    truth = by_rioxarray(data, tmp_path)
    np.testing.assert_allclose(found.values, truth.values, rtol=1e-7)
    if not text and fill != "99999":
        # xarray makes 64 bits of whatever is scaled, and leaves alone what has nothing to be
        # masked; rioxarray does neither
        assert found.dtype == truth.dtype
    if text:
        assert found.encoding.get("scale_factor", 1) == truth.encoding["scale_factor"]
        assert found.encoding.get("add_offset", 0) == truth.encoding["add_offset"]


@pytest.mark.parametrize("fill", [None, "5"])
def test_unsigned_numbers_in_a_signed_type(fill: str | None, tmp_path: Path):
    data = file_of("i2", UNSIGNED, nodata=fill)
    found = xr.open_zarr(virtual(data), mask_and_scale=True)["0"].load()
    np.testing.assert_array_equal(found.values, by_rioxarray(data, tmp_path).values)


def test_a_user_finds_what_rioxarray_shows(tmp_path: Path):
    path = tmp_path / "a.tif"
    options = {"width": 4, "height": 3, "count": 1, "dtype": "int16", "nodata": -3}
    with rasterio.open(path, "w", driver="GTiff", **options) as dataset:
        dataset.write(np.arange(12, dtype="i2").reshape(1, 3, 4))
        dataset.scales, dataset.offsets = (0.5,), (2.0,)
        dataset.units, dataset.descriptions = ("K",), ("air",)
        dataset.update_tags(TITLE="a", TIFFTAG_ARTIST="b", TIFFTAG_XRESOLUTION="72")
        dataset.update_tags(1, STATISTICS_MEAN="5.5", STATISTICS_MAXIMUM="11")
    with rioxarray.open_rasterio(path) as opened:
        truth = dict(opened.attrs)
    found = xr.open_zarr(virtual(path.read_bytes()), mask_and_scale=False)["0"].attrs
    truth.pop("_FillValue")
    assert {name: found[name] for name in truth} == truth


@pytest.mark.parametrize("vertical", [5773, 6360])  # heights in metres, in US survey feet
@pytest.mark.parametrize("revision", [0, 1])  # of GeoTIFF 1.0 and 1.1
@pytest.mark.parametrize("scale", [[1, 1, 0], [1, 1, 0.5]])
def test_heights_give_unit_and_scale_as_in_gdal(vertical: int, revision: int, scale: list[float]):
    keys = [1024, 0, 1, 2, 2048, 0, 1, 4326, 4096, 0, 1, vertical]
    entries = [
        entry(33550, DOUBLE, scale),
        entry(33922, DOUBLE, [0, 0, *([2, 10, 50, 7] if scale[2] else [0, 10, 50, 0])]),
        entry(34735, SHORT, [1, 1, revision, 3, *keys]),
    ]
    data = image(np.ones((3, 4), "f4"), extra_entries=entries)
    with WITHOUT_PAM(), rasterio.MemoryFile(data) as file, file.open() as dataset:
        truth = (dataset.scales[0], dataset.offsets[0], dataset.units[0])
    found = attributes(directory(data), "float32")
    scaled = (found.get("scale_factor", 1.0), found.get("add_offset", 0.0))
    assert (*scaled, found.get("units")) == truth


def test_heights_without_a_scale_are_as_they_are():
    # GDAL scales by the 0 that many writers leave there: all heights would be 7
    keys = [1024, 0, 1, 2, 2048, 0, 1, 4326, 4096, 0, 1, 5773]
    entries = [
        entry(33550, DOUBLE, [1, 1, 0]),
        entry(33922, DOUBLE, [0, 0, 0, 10, 50, 7]),
        entry(34735, SHORT, [1, 1, 1, 3, *keys]),
    ]
    found = attributes(directory(image(np.ones((3, 4), "f4"), extra_entries=entries)), "float32")
    assert not {"scale_factor", "add_offset"} & set(found)


# ---- the corpora, where they are

EXTERNAL = Path(__file__).parent.parent.parent / "testdata" / "external"
MOST_FILE_BYTES = 16 * 2**20

TRMM = (
    "a variable's own _FillValue is dropped where it says the same",
    {"tag pcp#_FillValue": ("None", "-9999.900391")},
)

DIFFERENT: dict[str, tuple[str, dict[str, tuple[Any, Any]]]] = {
    "excessive-memory-TIFFFillStrip.tif": (
        "its ColorMap has not the size of a palette",
        {"colours": (["palette"], ["gray"])},
    ),
    "rgbsmall_cmyk.tif": (
        "GDAL makes RGBA of it, we give the inks",
        {
            "colours": (
                ["cyan", "magenta", "yellow", "black"],
                ["red", "green", "blue", "alpha"],
            )
        },
    ),
    "unknown_colorinterp.tif": (
        "GDAL repeats the unknown colour as COLOR_INTERPRETATION",
        {"of_bands": ([{"COLOR_INTERPRETATION": "None"}], [{"COLOR_INTERPRETATION": "XXXX"}])},
    ),
    "trmm.tif": TRMM,
    "trmm-wgs84.tif": TRMM,
}
"""Files in which we say something else than GDAL: why, and for each field ours and GDAL's."""


def corpus() -> list[object]:
    found = [
        pytest.param(path, id=str(path.relative_to(EXTERNAL)))
        for name in ("gdal", "rasterio")
        for path in sorted((EXTERNAL / name).rglob("*"))
        if path.suffix.lower() in {".tif", ".tiff"} and path.stat().st_size < MOST_FILE_BYTES
    ]
    skipped = pytest.mark.skip(reason="no corpus: run scripts/sync_gdal_tiffs.py")
    return [*found] or [pytest.param(None, marks=skipped, id="corpus")]


def said_by_gdal(path: Path) -> dict[str, Any]:
    with WITHOUT_PAM(), rasterio.open(path, driver="GTiff") as dataset:
        return {
            "scales": list(dataset.scales),
            "offsets": list(dataset.offsets),
            "units": [unit or "" for unit in dataset.units],
            "names": [name or "" for name in dataset.descriptions],
            "colours": [colour.name for colour in dataset.colorinterp],
            "nodata": str(None if dataset.nodata is None else float(dataset.nodata)),
            "tags": {k: v for k, v in dataset.tags().items() if v},
            "of_bands": [dataset.tags(band) for band in dataset.indexes],
        }


def said_by_us(ifd: ImageFileDirectory, truth: dict[str, Any]) -> dict[str, Any]:
    dtype = data_type(ifd)
    shared, columns = attributes(ifd, dtype), band_coordinates(ifd, dtype)

    def each(name: str, default: Any) -> list[Any]:
        column: list[Any] = list(columns.get(name, ()))
        return column or [shared.get(name, default)] * ifd.SamplesPerPixel

    def told(name: str, text: str, value: Any) -> str:
        value = shared.get(f"GDAL_METADATA:{name}") if value is None else value
        is_number = isinstance(value, int | float) and float(text) == value
        return text if is_number else str(value)

    names = shared.get("long_name", [""] * ifd.SamplesPerPixel)
    fill = nodata(ifd, dtype)
    return {
        "scales": each("scale_factor", 1.0),
        "offsets": each("add_offset", 0.0),
        "units": each("units", shared.get("unit_type", "")),
        "names": [names] if isinstance(names, str) else names,
        "colours": each("colorinterp", "undefined"),
        "nodata": str(None if fill is None else float(fill.real)),
        "tags": {k: told(k, v, shared.get(k)) for k, v in truth["tags"].items()},
        "of_bands": [
            {k: told(k, v, each(k, None)[band]) for k, v in found.items()}
            for band, found in enumerate(truth["of_bands"])
        ],
    }


@pytest.mark.parametrize("path", corpus())
def test_gdal_says_the_same_of_every_file(path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            truth = said_by_gdal(path)
        except rasterio.errors.RasterioError:
            pytest.skip("GDAL does not open it")
        ifd = asyncio.run(read_tiff(ReadAhead(MemorySource(path.read_bytes())))).ifds[0]
        samples = len(data_type(ifd)) and ifd.SamplesPerPixel
        if samples != len(truth["scales"]):
            pytest.skip("GDAL converts its colours")
        found = said_by_us(ifd, truth)
    _, expected = DIFFERENT.get(path.name, ("", {}))
    assert differences(found, truth) == expected


def differences(found: dict[str, Any], truth: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Ours and GDAL's of each field, and of each tag, that differs."""
    pairs = {name: (found[name], truth[name]) for name in truth if name != "tags"}
    pairs |= {
        f"tag {name}": (found["tags"].get(name), truth["tags"].get(name))
        for name in found["tags"].keys() | truth["tags"].keys()
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
