"""Grids that a document declares, published, and judged by GDAL reading the same document."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pyarrow as pa
import pytest
import rasterio
import zarr
from pyarrow import parquet
from pyproj import CRS
from rasterio.transform import Affine

from support.gdal_programs import build_vrt, tile_index
from support.http import HttpServer
from support.s3 import S3, SETTINGS
from support.scenes import dataset_of, group_of, pixels, read, scene
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import Published, PublishError, publish
from virtual_tiff.tiff import TiffWarning


@pytest.fixture(autouse=True, scope="module")
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def tiles(
    folder: Path,
    places: Sequence[tuple[int, int]] = ((0, 0), (0, 1), (1, 0), (1, 1)),
    *,
    size: tuple[int, int] = (64, 96),
    step: tuple[int, int] | None = None,
    bands: int = 1,
    placed: bool = True,
    **options: Any,
) -> list[Path]:
    """Tiles of a grid by row and column; without `placed` they have neither transform nor CRS."""
    length, width = size
    files = []
    for row, column in places:
        down, across = step or size
        at = (500_000 + 10 * across * column, 4_650_000 - 10 * down * row)
        where: dict[str, Any] = {} if placed else {"transform": None, "crs": None}
        name = f"tile_{row}_{column}.tif"
        shape = (bands, length, width) if bands > 1 else (length, width)
        files.append(
            scene(folder / name, 10 * row + column, shape=shape, at=at, **(where | options))
        )
    return files


def judged(published: Published, path: Path, *, coordinates: bool = True) -> Any:
    """The published array is what GDAL reads of the document."""
    with rasterio.open(path) as dataset:
        truth = dataset.read()
        transform, crs, nodata = dataset.transform, dataset.crs, dataset.nodata
        names, scales = dataset.descriptions, dataset.scales
        offsets, units = dataset.offsets, dataset.units
    group = group_of(published)
    array: Any = group["0"]
    np.testing.assert_array_equal(
        np.asarray(array[...]).reshape(truth.shape), truth, err_msg="pixels"
    )
    attributes = array.attrs
    assert tuple(attributes["spatial:transform"]) == tuple(transform)[:6]
    assert attributes["spatial:shape"] == list(truth.shape[1:])
    reference: Any = group[attributes["grid_mapping"]]
    found = reference.attrs.get("GeoTransform")
    if found is None:  # of several sizes, each of which has coordinates
        assert {"x", "x_1"} <= set(group)
    else:
        assert tuple(map(float, found.split())) == transform.to_gdal()
    assert CRS(reference.attrs["crs_wkt"]).equals(CRS(crs.to_wkt()), ignore_axis_order=True)
    if nodata is not None:
        assert array.fill_value == nodata
        assert dataset_of(published)["0"].attrs["_FillValue"] == nodata
    if coordinates:
        cube = dataset_of(published)
        x, y = (transform @ (np.arange(n) + 0.5, np.arange(n) + 0.5) for n in truth.shape[:0:-1])
        np.testing.assert_allclose(cube.x, x[0], rtol=1e-12)
        np.testing.assert_allclose(cube.y, y[1], rtol=1e-12)
    if any(names):
        said = attributes["long_name"]
        assert ([said] if isinstance(said, str) else said) == list(names)
    if len(truth) == 1:
        assert attributes.get("scale_factor", 1) == scales[0]
        assert attributes.get("add_offset", 0) == offsets[0]
        assert attributes.get("units") == units[0]
    return array


def edited(path: Path, *changes: tuple[str, str]) -> Path:
    """Change the text of a document, in which each of the old ones is."""
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


# ----------------------------------------------------------------------------------- VRT

VRTS: dict[str, tuple[dict[str, Any], list[object]]] = {
    "2 x 2": ({}, []),
    "a hole": ({"places": [(0, 0), (0, 1), (1, 1)]}, []),
    "no tile in the corner": ({"places": [(1, 0), (0, 1)]}, []),
    "one tile": ({"places": [(0, 0)]}, []),
    "three bands": ({"bands": 3, "photometric": "rgb"}, []),
    "bands apart": ({"bands": 2, "interleave": "band"}, []),
    "nodata": ({"nodata": 7}, []),
    "floats": ({"dtype": "float32", "nodata": -9999.0}, []),
    "bytes": ({"dtype": "uint8"}, []),
    "complex numbers with a hole": ({"dtype": "complex64", "places": [(0, 0), (1, 1)]}, []),
    "a larger whole": ({}, ["-te", 499_360, 4_648_080, 503_840, 4_650_640]),
    "degrees": ({"crs": "EPSG:4326"}, []),
    "a CRS without a code": ({"crs": "+proj=laea +lat_0=40 +lon_0=10 +datum=WGS84"}, []),
}


@pytest.mark.parametrize("how", VRTS)
def test_a_vrt_becomes_what_gdal_reads(how: str, tmp_path: Path) -> None:
    options, arguments = VRTS[how]
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path, **options), *arguments)
    published = publish(path, "memory://")
    judged(published, path)
    assert published.files == len(options.get("places", range(4)))


def test_the_layout_of_a_published_vrt_is_that_of_its_tiles(tmp_path: Path) -> None:
    files = tiles(tmp_path)
    path = build_vrt(tmp_path / "m.vrt", files)
    by_vrt, by_tiles = publish(path, "memory://"), publish(files, "memory://", concat="y,x")
    assert by_vrt.arrays == by_tiles.arrays
    assert by_vrt.coordinates == by_tiles.coordinates
    of_vrt, of_tiles = (
        group_of(published)["0"].metadata.to_dict() for published in (by_vrt, by_tiles)
    )
    assert of_vrt == of_tiles


def test_overviews_come_along(tmp_path: Path) -> None:
    files = tiles(tmp_path, size=(128, 128))
    for file in files:
        with rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=64), rasterio.open(file, "r+") as dataset:
            dataset.build_overviews([2], rasterio.enums.Resampling.nearest)
    whole = ["-te", 498_720, 4_647_440, 502_560, 4_650_000]
    path = build_vrt(tmp_path / "m.vrt", files, *whole)
    published = publish(path, "memory://")
    judged(published, path)
    array: Any = group_of(published)["1"]
    assert array.shape == (128, 192)
    assert array.attrs["spatial:transform"] == [20, 0, 498_720, 0, -20, 4_650_000]
    for file, row, column in zip(files, (0, 0, 64, 64), (64, 128, 64, 128), strict=True):
        tile = np.asarray(array[row : row + 64, column : column + 64])
        np.testing.assert_array_equal(tile, pixels(file, 0))


def test_a_nested_vrt(tmp_path: Path) -> None:
    upper = build_vrt(tmp_path / "upper.vrt", tiles(tmp_path, [(0, 0), (0, 1)]))
    files = [upper, *tiles(tmp_path, [(1, 0)])]
    path = build_vrt(tmp_path / "m.vrt", files)
    judged(publish(path, "memory://"), path)


def test_the_place_of_files_without_one(tmp_path: Path) -> None:
    files = tiles(tmp_path)
    path = build_vrt(tmp_path / "m.vrt", files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in tiles(tmp_path, placed=False):
            with rasterio.open(file) as dataset:
                assert (dataset.crs, dataset.transform) == (None, Affine.identity())
    judged(publish(path, "memory://"), path)


def test_the_crs_of_files_without_one(tmp_path: Path) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path))
    tiles(tmp_path, crs=None)
    judged(publish(path, "memory://"), path)


def test_the_document_is_right_about_places(tmp_path: Path) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path))
    edited(path, ("5.0000000000000000e+05", "4.0000000000000000e+05"))
    array = judged(publish(path, "memory://"), path)
    assert array.attrs["spatial:transform"][2] == 400_000
    assert "model_tiepoint" not in array.attrs


SAYS = {
    "description": "<Description>height</Description>",
    "scale and offset": "<Offset>3</Offset><Scale>0.5</Scale>",
    "unit": "<UnitType>m</UnitType>",
}


@pytest.mark.parametrize("what", SAYS)
def test_what_a_vrt_says_of_its_band(what: str, tmp_path: Path) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path))
    edited(path, ('band="1">', f'band="1">{SAYS[what]}'))
    judged(publish(path, "memory://"), path)


def test_the_metadata_of_a_vrt_are_attributes(tmp_path: Path) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path, tags={"title": "of a tile"}))
    items = {"title": "of all", "AREA_OR_POINT": "Point", "scale_factor": "9"}
    entries = "".join(f'<MDI key="{name}">{text}</MDI>' for name, text in items.items())
    edited(path, ("<VRTRasterBand", f"<Metadata>{entries}</Metadata><VRTRasterBand"))
    attributes = judged(publish(path, "memory://"), path).attrs
    assert (attributes["title"], attributes["AREA_OR_POINT"]) == ("of all", "Point")


def test_the_names_of_bands_are_those_of_a_vrt(tmp_path: Path) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path, bands=3, photometric="rgb"))
    named = [(f'band="{n}">', f'band="{n}"><Description>b{n}</Description>') for n in (1, 2, 3)]
    published = publish(edited(path, *named), "memory://")
    judged(published, path)
    cube = dataset_of(published)
    assert cube.band.values.tolist() == ["b1", "b2", "b3"]
    assert cube["0"].attrs["colorinterp"] == ["red", "green", "blue"]


def test_the_colours_of_bands_are_those_of_a_vrt(tmp_path: Path) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path, bands=3, photometric="rgb"))
    edited(path, ("<ColorInterp>Red</ColorInterp>", "<ColorInterp>Blue</ColorInterp>"))
    cube = dataset_of(publish(path, "memory://"))
    assert cube["0"].attrs["colorinterp"] == ["blue", "green", "blue"]
    assert "colorinterp" not in cube.coords


def test_a_palette_is_compared(tmp_path: Path) -> None:
    files = tiles(tmp_path, dtype="uint8", photometric="palette")
    for file in files:
        with rasterio.open(file, "r+") as dataset:
            dataset.write_colormap(1, {n: (n, 255 - n, 7, 255) for n in range(256)})
    path = build_vrt(tmp_path / "m.vrt", files)
    assert "ColorTable" in path.read_text()
    judged(publish(path, "memory://"), path)
    edited(path, ('c1="3" c2="252" c3="7"', 'c1="3" c2="252" c3="99"'))
    with pytest.raises(PublishError, match="its colour table is not that of its files"):
        publish(path, "memory://")


CONTRADICTIONS: dict[str, tuple[dict[str, Any], tuple[str, str], str]] = {
    "type": ({}, ('dataType="UInt16"', 'dataType="Int32"'), "data type is int32, .* uint16"),
    "crs": ({}, ("32633", "32634"), "its CRS is .*, and that of its files EPSG:32633"),
    "a part of the files": (
        {},
        ('xSize="96" ySize="64"', 'xSize="96" ySize="32"'),
        "it takes 96x32 pixels of .*tile_0_0.tif, which has 96x64",
    ),
    "bands": (
        {"bands": 3},
        ("", ""),
        "it takes 1 of the 3 bands of its files",
    ),
}


@pytest.mark.parametrize("how", CONTRADICTIONS)
def test_a_vrt_that_contradicts_its_files_is_refused(how: str, tmp_path: Path) -> None:
    options, change, words = CONTRADICTIONS[how]
    arguments = ["-b", "1"] if how == "bands" else []
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path, **options), *arguments)
    edited(path, change)
    with pytest.raises(PublishError, match=words):
        publish(path, "memory://")


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "another dimension": ({"concat": "time"}, r"declares an image along y, x; .* \('time',\)"),
    "one dimension": ({"concat": "y"}, "declares an image along y, x"),
    "a group for each file": ({"layout": "group per file"}, "not 'group per file' and None"),
}


@pytest.mark.parametrize("how", OPTIONS)
def test_options_that_contradict_a_vrt_are_refused(how: str, tmp_path: Path) -> None:
    options, words = OPTIONS[how]
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path))
    with pytest.raises(ValueError, match=words):
        publish(path, "memory://", **options)


def test_a_vrt_and_other_files_are_two_images(tmp_path: Path) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path))
    other = scene(tmp_path / "others" / "a.tif")
    with pytest.raises(ValueError, match=r"m\.vrt declares a whole image, and 1 file are none"):
        publish([path, other], "memory://")


def test_each_of_several_vrts_becomes_a_group(tmp_path: Path) -> None:
    paths = {
        "a": build_vrt(tmp_path / "a.vrt", tiles(tmp_path / "a")),
        "b": build_vrt(tmp_path / "b.vrt", tiles(tmp_path / "b", [(0, 1), (0, 2)], bands=2)),
    }
    published = publish(list(paths.values()), "memory://")
    assert [array.path for array in published.arrays] == ["a/0", "b/0"]
    for group, path in paths.items():
        with rasterio.open(path) as dataset:
            truth, transform = dataset.read(), dataset.transform
        array: Any = group_of(published)[f"{group}/0"]
        np.testing.assert_array_equal(np.asarray(array[...]).reshape(truth.shape), truth)
        assert tuple(array.attrs["spatial:transform"]) == tuple(transform)[:6]
    with pytest.raises(ValueError, match="would have the images of several documents"):
        publish(list(paths.values()), "memory://", group=lambda _: "one", concat="y,x")
    paths["b"] = build_vrt(tmp_path / "b.vrt", tiles(tmp_path / "b"), "-vrtnodata", 7)
    with pytest.raises(ValueError, match="have several nodata values"):
        publish(list(paths.values()), "memory://")


# ----------------------------------------------------------------------- a file for each band

SEPARATE: dict[str, tuple[dict[str, Any], list[object]]] = {
    "one place": ({"places": [(0, 0)] * 3}, []),
    "several places": ({}, []),
    "nodata": ({"nodata": 7}, []),
    "a larger whole": ({}, ["-te", 499_360, 4_648_080, 503_840, 4_650_640]),
}


@pytest.mark.parametrize("how", SEPARATE)
def test_a_file_for_each_band(how: str, tmp_path: Path) -> None:
    options, arguments = SEPARATE[how]
    places = options.pop("places", [(0, 0), (0, 1), (1, 0)])
    files = [
        tiles(tmp_path / str(band), [place], **options)[0] for band, place in enumerate(places)
    ]
    path = build_vrt(tmp_path / "m.vrt", files, "-separate", *arguments)
    published = publish(path, "memory://")
    array = judged(published, path)
    assert array.metadata.dimension_names == ("band", "y", "x")
    assert dataset_of(published).band.values.tolist() == [1, 2, 3]


def test_the_names_and_scales_of_files_that_are_bands(tmp_path: Path) -> None:
    files = [tiles(tmp_path / str(band), [(0, 0)])[0] for band in range(3)]
    path = build_vrt(tmp_path / "m.vrt", files, "-separate")
    text = "<Description>B0{0}</Description><Scale>{0}</Scale><ColorInterp>{1}</ColorInterp>"
    colours = ("Blue", "Green", "Red")
    changes = [
        (f'band="{n}">', f'band="{n}">{text.format(n, colour)}')
        for n, colour in enumerate(colours, 1)
    ]
    published = publish(edited(path, *changes), "memory://")
    judged(published, path)
    cube = dataset_of(published)
    assert cube.band.values.tolist() == ["B01", "B02", "B03"]
    assert cube.scale_factor.values.tolist() == [1, 2, 3]
    assert cube["0"].attrs["colorinterp"] == ["blue", "green", "red"]


def test_bands_of_several_tiles_each(tmp_path: Path) -> None:
    bands = [tiles(tmp_path / str(band), [(0, 0), (0, 1), (1, 1)]) for band in range(2)]
    nested = [build_vrt(tmp_path / f"band_{n}.vrt", files) for n, files in enumerate(bands)]
    path = build_vrt(tmp_path / "m.vrt", nested, "-separate")
    published = publish(path, "memory://")
    judged(published, path)
    assert published.files == 6


def test_a_vrt_on_a_server(tmp_path: Path, http_server: HttpServer) -> None:
    files = tiles(tmp_path)
    path = build_vrt(tmp_path / "m.vrt", files)
    for file in (*files, path):
        http_server.put(f"d/{file.name}", file.read_bytes())
    published = publish(f"{http_server.url}/d/m.vrt", "memory://")
    judged(published, path)
    assert published.containers == (f"{http_server.url}/d/",)


def test_a_vrt_in_a_bucket(tmp_path: Path, s3: S3) -> None:
    bucket = s3.with_bucket("grids")
    files = tiles(tmp_path)
    path = build_vrt(tmp_path / "m.vrt", files)
    for file in files:
        bucket.put(f"d/{file.name}", file.read_bytes())
    relative = 'relativeToVRT="1">tile_1_1.tif'
    virtual = 'relativeToVRT="0">/vsis3/grids/d/tile_1_1.tif'
    bucket.put("d/m.vrt", path.read_text().replace(relative, virtual).encode())
    options = {**SETTINGS, "endpoint": bucket.endpoint}
    published = publish("s3://grids/d/m.vrt", "memory://", store_options=options, check=False)
    assert published.containers == ("s3://grids/d/",)
    assert group_of(published)["0"].shape == (128, 192)


@pytest.mark.long
def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path))
    to = tmp_path / "cube"
    assert main(["publish", str(path), "--to", str(to), "--no-cache"]) == 0
    assert "published 4 files with 24 references" in capfd.readouterr().err
    assert main(["publish", str(path), "--to", str(to), "--no-cache", "--append"]) == 0
    assert "published before and unchanged: 4 files" in capfd.readouterr().err
    assert main(["info", str(path)]) == 0
    first = capfd.readouterr().out.splitlines()[0]
    assert first == f"{path}: GDAL VRT of 4 files, 192x128 pixels, 1 band of uint16"


# ----------------------------------------------------- files that overlap or fill no chunks

ODD: dict[str, tuple[dict[str, Any], list[object]]] = {
    "a pixel of overlap": ({"size": (65, 97), "step": (64, 96)}, []),
    "blocks of overlap": ({"size": (96, 96), "step": (64, 64)}, []),
    "tiles that fill no blocks": ({"size": (50, 70)}, []),
    "strips": ({"size": (50, 70), "tiled": False, "blockysize": 8, "blockxsize": None}, []),
    "a larger whole": ({}, ["-te", 499_370, 4_648_090, 503_850, 4_650_630]),
    "overlap in a larger whole": (
        {"size": (65, 97), "step": (64, 96)},
        ["-te", 499_370, 4_648_090, 503_850, 4_650_630],
    ),
}


@pytest.mark.parametrize("how", ODD)
def test_tiles_that_fill_no_chunks(how: str, tmp_path: Path) -> None:
    options, arguments = ODD[how]
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path, **options), *arguments)
    if how in ("a pixel of overlap", "blocks of overlap"):  # tiles begin at blocks of each other
        judged(publish(path, "memory://"), path)
    else:
        with pytest.raises(PublishError, match="grid='rectilinear'"):
            publish(path, "memory://")
    with zarr.config.set({"array.rectilinear_chunks": True}):
        judged(publish(path, "memory://", grid="rectilinear"), path)


def test_the_last_file_of_a_vrt_covers_the_others(tmp_path: Path) -> None:
    files = tiles(tmp_path, size=(96, 96), step=(64, 64))
    for order in (files, files[::-1]):
        path = build_vrt(tmp_path / "m.vrt", order)
        with zarr.config.set({"array.rectilinear_chunks": True}):
            judged(publish(path, "memory://", grid="rectilinear"), path)


@pytest.mark.parametrize("seed", range(12))
def test_any_vrt_shows_what_gdal_shows_or_is_refused(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    size = random.choice([32, 48, 64, 50], 2)
    step = size + random.choice([0, 0, -1, -16, 7], 2)
    files = tiles(tmp_path, size=tuple(size.tolist()), step=tuple(step.tolist()))
    chosen = [files[at] for at in random.permutation(4)[: random.integers(1, 5)]]
    left, top, more = (10 * int(n) for n in random.choice([0, 5, 32], 3))
    right, bottom = ((step + size)[::-1] * 10 + more).tolist()
    extent = [500_000 - left, 4_650_000 - bottom, 500_000 + right, 4_650_000 + top]
    path = build_vrt(tmp_path / "m.vrt", chosen, "-te", *extent)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        try:
            published = publish(path, "memory://", grid="rectilinear")
        except PublishError as error:
            assert "must share their edges" in str(error)  # noqa: PT017 (most are published)
            return
        judged(published, path)


def test_files_that_show_others_where_they_are_nodata_are_refused(tmp_path: Path) -> None:
    files = tiles(tmp_path, size=(96, 96), step=(64, 64), nodata=7)
    path = build_vrt(tmp_path / "m.vrt", files)
    assert "<NODATA>7" in path.read_text()
    words = r"m\.vrt: .* overlap in array 0\. Say which of them is shown .* where the later one is"
    with pytest.raises(PublishError, match=words):
        publish(path, "memory://", grid="rectilinear")
    publish(path, "memory://", grid="rectilinear", overlap="last")


def test_the_nodata_of_a_vrt_is_that_of_the_cube(tmp_path: Path) -> None:
    files = tiles(tmp_path, [(0, 0), (1, 1)])
    path = build_vrt(tmp_path / "m.vrt", files, "-vrtnodata", 9)
    judged(publish(path, "memory://"), path)
    for file in files:
        with rasterio.open(file, "r+") as dataset:
            dataset.nodata = 5
    assert judged(publish(path, "memory://"), path).fill_value == 9


def test_a_vrt_without_nodata_has_no_nodata_in_its_holes(tmp_path: Path) -> None:
    text = "<NoDataValue>7</NoDataValue>"
    for places in ([(0, 0), (1, 1)], [(0, 0), (0, 1)]):
        path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path, places, nodata=7))
        edited(path, (text, ""), ("<NODATA>7</NODATA>", ""))
        if len({row for row, _ in places}) == 1:
            judged(publish(path, "memory://"), path)  # it has no holes
            continue
        with pytest.raises(PublishError, match="it has no nodata value, so that pixels without"):
            publish(path, "memory://")


# --------------------------------------------------------------------------------- table


def table(path: Path, header: str, *rows: Sequence[object]) -> Path:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("unit", ["tiles", "pixels"])
@pytest.mark.parametrize("placed", [True, False])
def test_a_table_places_tiles(unit: str, placed: bool, tmp_path: Path) -> None:
    places = [(0, 0), (0, 2), (1, 1), (2, 0)]  # the column of the last tile is in its row alone
    files = tiles(tmp_path, places, placed=placed)
    step = (1, 1) if unit == "tiles" else (64, 96)
    header = "url,row,column" if unit == "tiles" else "path,yoff,xoff"
    rows = [
        (file.name, 3 + row * step[0], 5 + column * step[1])
        for file, (row, column) in zip(files, places, strict=True)
    ]
    published = publish(table(tmp_path / "grid.csv", header, *rows), "memory://")
    array = read(published)
    expected = np.zeros((192, 288), "uint16")
    for file, (row, column) in zip(files, places, strict=True):
        expected[64 * row : 64 * row + 64, 96 * column : 96 * column + 96] = pixels(file)
    np.testing.assert_array_equal(array, expected)
    attributes = group_of(published)["0"].attrs
    if placed:
        assert attributes["spatial:transform"] == [10, 0, 500_000, 0, -10, 4_650_000]
    else:
        assert "spatial:transform" not in attributes


def test_the_last_tiles_of_a_table_may_be_smaller(tmp_path: Path) -> None:
    sizes = {(0, 0): (64, 96), (0, 1): (64, 50), (1, 0): (40, 96), (1, 1): (40, 50)}
    files = [
        *(
            scene(tmp_path / f"{r}{c}.tif", shape=size, crs=None, transform=None)
            for (r, c), size in sizes.items()
        )
    ]
    rows = [(file.name, *place) for file, place in zip(files, sizes, strict=True)]
    array = read(publish(table(tmp_path / "grid.csv", "url,row,column", *rows), "memory://"))
    assert array.shape == (104, 146)
    np.testing.assert_array_equal(array[64:, 96:], pixels(files[-1]))


def test_a_row_without_a_tile_has_the_height_of_the_others(tmp_path: Path) -> None:
    files = tiles(tmp_path, [(0, 0), (2, 0)], placed=False)
    rows = [(file.name, row, 0) for file, row in zip(files, (0, 2), strict=True)]
    array = read(publish(table(tmp_path / "grid.csv", "url,row,column", *rows), "memory://"))
    assert array.shape == (192, 96)


def test_a_row_whose_height_nothing_says_is_refused(tmp_path: Path) -> None:
    files = [
        scene(tmp_path / f"{n}.tif", shape=(32 * (n + 1), 96), crs=None, transform=None)
        for n in range(3)
    ]
    rows = [(file.name, row, 0) for file, row in zip(files, (0, 1, 3), strict=True)]
    with pytest.raises(PublishError, match="no file is in row 2, and the others are of several"):
        publish(table(tmp_path / "grid.csv", "url,row,column", *rows), "memory://")


def test_a_row_that_no_table_has_is_refused(tmp_path: Path) -> None:
    files = tiles(tmp_path, [(0, 0), (1, 0)], placed=False)
    rows = [(file.name, row, 0) for file, row in zip(files, (0, 10**14), strict=True)]
    with pytest.raises(PublishError, match="row 100,000,000,000,000 is too far away"):
        publish(table(tmp_path / "grid.csv", "url,row,column", *rows), "memory://")


def test_a_tile_that_does_not_reach_the_next_is_refused(tmp_path: Path) -> None:
    sizes = [(64, 96), (64, 64), (64, 96)]
    files = [
        scene(tmp_path / f"{n}.tif", shape=size, crs=None, transform=None)
        for n, size in enumerate(sizes)
    ]
    rows = [(file.name, *at) for file, at in zip(files, [(0, 0), (1, 0), (1, 1)], strict=True)]
    with pytest.raises(PublishError, match=r"1\.tif is shorter than other files of column 0"):
        publish(table(tmp_path / "grid.csv", "url,row,column", *rows), "memory://")


def test_a_table_that_contradicts_transforms_is_refused(tmp_path: Path) -> None:
    files = tiles(tmp_path)
    rows = [(file.name, n, 0) for n, file in enumerate(files)]
    words = r"tile_0_1\.tif is placed 64 rows and 0 columns from .* it lies 0 rows and 96 columns"
    with pytest.raises(PublishError, match=words):
        publish(table(tmp_path / "grid.csv", "url,row,column", *rows), "memory://")


def test_the_other_columns_of_a_table_are_coordinates(tmp_path: Path) -> None:
    rows, truth = [], np.zeros((2, 64, 192), "uint16")
    for at, day in enumerate(("2023-01-01", "2023-01-03")):
        for column in range(2):
            file = scene(
                tmp_path / f"{day}_{column}.tif", 10 * at + column, crs=None, transform=None
            )
            rows.append((file.name, 0, column, day))
            truth[at, :, 96 * column : 96 * column + 96] = pixels(file)
    path = table(tmp_path / "grid.csv", "url,row,column,time", *rows)
    published = publish(path, "memory://", concat=("time", "y", "x"), values=path)
    np.testing.assert_array_equal(read(published), truth)
    cube = dataset_of(published)
    assert cube.time.values.astype("M8[D]").astype(str).tolist() == ["2023-01-01", "2023-01-03"]


# --------------------------------------------------------------------------------- index

INDEXES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "2 x 2": ({}, []),
    "a hole": ({"places": [(0, 0), (0, 1), (1, 1)]}, []),
    "bands": ({"bands": 3}, ["BAND_COUNT=3", "DATA_TYPE=UInt16"]),
    "a larger whole": (
        {"nodata": 7},
        [
            *("RESX=10", "RESY=10", "MINX=499360", "MAXX=503840", "MINY=4648080"),
            *("MAXY=4650640", "NODATA=7", "BAND_COUNT=1", "DATA_TYPE=UInt16"),
        ],
    ),
}


@pytest.mark.parametrize("how", INDEXES)
def test_a_tile_index_becomes_what_gdal_reads(how: str, tmp_path: Path) -> None:
    options, items = INDEXES[how]
    arguments = [part for item in items for part in ("-mo", item)]
    path = tile_index(tmp_path / "m.gti.gpkg", tiles(tmp_path, **options), *arguments)
    judged(publish(path, "memory://"), path)


@pytest.mark.parametrize("items", [[], ["SORT_FIELD=location", "SORT_FIELD_ASC=NO"]])
def test_a_tile_index_says_which_file_covers_another(items: list[str], tmp_path: Path) -> None:
    files = tiles(tmp_path, size=(96, 96), step=(64, 64))
    arguments = [part for item in items for part in ("-mo", item)]
    for order in (files, files[::-1]):
        path = tile_index(tmp_path / "m.gti.gpkg", order, "-overwrite", *arguments)
        with pytest.raises(PublishError, match="Say which of them is shown"):
            publish(path, "memory://")
        with zarr.config.set({"array.rectilinear_chunks": True}):
            judged(publish(path, "memory://", overlap="last", grid="rectilinear"), path)


def test_a_tile_index_of_another_grid_is_refused(tmp_path: Path) -> None:
    items = ("RESX=10", "RESY=10", "MINX=499363", "MAXX=503843", "MINY=4648080", "MAXY=4650640")
    arguments = [part for item in items for part in ("-mo", item)]
    path = tile_index(tmp_path / "m.gti.gpkg", tiles(tmp_path), *arguments)
    with pytest.raises(PublishError, match="does not lie on the grid"):
        publish(path, "memory://")


def test_a_tile_index_of_files_without_place_is_refused(tmp_path: Path) -> None:
    path = tile_index(tmp_path / "m.gti.gpkg", tiles(tmp_path))
    tiles(tmp_path, [(1, 0)], placed=False)
    with pytest.raises(PublishError):
        publish(path, "memory://")
    tiles(tmp_path, placed=False)
    with pytest.raises(PublishError, match="has no transform, and nothing else says where it lies"):
        publish(path, "memory://")


def test_what_is_left_out_of_a_vrt_is_warned_of(tmp_path: Path) -> None:
    path = build_vrt(tmp_path / "m.vrt", tiles(tmp_path))
    edited(path, ("<VRTRasterBand", "<OverviewList>2</OverviewList><VRTRasterBand"))
    with pytest.warns(TiffWarning, match="its list of overviews .OverviewList. is left out"):
        publish(path, "memory://")


# ---------------------------------------------------------------------- stac-geoparquet


def test_items_of_stac_geoparquet_are_those_of_json(tmp_path: Path) -> None:
    days = ("2023-01-05", "2023-01-02")
    files = {day: scene(tmp_path / f"{day}.tif", at) for at, day in enumerate(days)}
    media = "image/tiff; application=geotiff; profile=cloud-optimized"
    rows = [
        {
            "type": "Feature",
            "id": day,
            "datetime": datetime.fromisoformat(f"{day}T10:00:00+00:00"),
            "eo:cloud_cover": 5.0,
            "assets": {"B04": {"href": file.name, "type": media}},
        }
        for day, file in files.items()
    ]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "items.parquet")
    items = [
        {
            **{name: row[name] for name in ("type", "id", "assets")},
            "properties": {
                "datetime": row["datetime"].isoformat(),
                "eo:cloud_cover": row["eo:cloud_cover"],
            },
        }
        for row in rows
    ]
    (tmp_path / "items.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": items})
    )
    options: dict[str, Any] = {"concat": "time", "time": "datetime", "assets": "B04"}
    by_table = publish(tmp_path / "items.parquet", "memory://", **options)
    by_json = publish(tmp_path / "items.json", "memory://", **options)
    assert by_table.arrays == by_json.arrays
    np.testing.assert_array_equal(read(by_table), [pixels(files[day]) for day in sorted(days)])
    assert dataset_of(by_table).time.equals(dataset_of(by_json).time)
