"""GDAL's tile index and stac-geoparquet: their files, in order, with what they say of the whole."""

from __future__ import annotations

import json
import sqlite3
import struct
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
from pyarrow import parquet

from support.gdal_programs import tile_index
from support.http import HttpServer
from support.scenes import scene
from virtual_tiff.sources.finding import SourceFile, find_files
from virtual_tiff.tiff import TiffWarning


@pytest.fixture
def tiles(tmp_path: Path) -> list[Path]:
    return [
        scene(tmp_path / f"{n}.tif", n, at=(500_000 + 960 * n, 4_650_000), shape=(64, 96))
        for n in range(3)
    ]


def found(path: object) -> list[SourceFile]:
    return list(find_files(path, for_references=True))


def names(path: object) -> list[str]:
    return [Path(file.location.path).name for file in found(path)]


def run(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as db:
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:  # they call functions of GDAL
            db.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            db.execute(statement)
        db.commit()
    return path


def test_an_index_of_gdal_names_its_files(tiles: list[Path], tmp_path: Path) -> None:
    path = tile_index(tmp_path / "m.gti.gpkg", tiles)
    files = found(path)
    assert [file.location.url for file in files] == [tile.as_uri() for tile in tiles]
    (grid,) = {file.place.grid for file in files if file.place}
    assert (grid.kind, grid.unit, grid.crs) == ("GDAL tile index", "transforms", "EPSG:32633")
    assert names(f"GTI:{path}") == names(path)


def test_the_items_of_a_layer_say_what_the_whole_is(tiles: list[Path], tmp_path: Path) -> None:
    items = (
        "RESX=10 RESY=10 MINX=500000 MAXX=502880 MINY=4649360 MAXY=4650000 BAND_COUNT=1"
        " DATA_TYPE=UInt16 NODATA=0"
    )
    options = [part for item in items.split() for part in ("-mo", item)]
    (file, *_) = found(tile_index(tmp_path / "m.gti.gpkg", tiles, *options))
    assert file.place is not None
    grid = file.place.grid
    assert grid.size == (64, 288)
    assert grid.transform == (500_000, 10, 0, 4_650_000, 0, -10)
    assert [(band.data_type, band.nodata) for band in grid.bands] == [("uint16", "0")]


@pytest.mark.parametrize("item", ["RESX=0", "RESX=inf", "MAXX=x", "BAND_COUNT=inf", "YSIZE=nan"])
def test_items_that_are_no_numbers_say_nothing(
    item: str, tiles: list[Path], tmp_path: Path
) -> None:
    items = ("RESX=10", "RESY=10", "MINX=0", "MAXX=10", "MINY=0", "MAXY=10", item)
    options = [part for each in items for part in ("-mo", each)]
    (file, *_) = found(tile_index(tmp_path / "m.gti.gpkg", tiles, *options))
    assert file.place is not None
    assert file.place.grid.bands == ()


@pytest.mark.parametrize(("ascending", "expected"), [("YES", "120"), ("NO", "021")])
def test_a_field_sorts_the_files(
    ascending: str, expected: str, tiles: list[Path], tmp_path: Path
) -> None:
    options = ["-mo", "SORT_FIELD=rank", "-mo", f"SORT_FIELD_ASC={ascending}"]
    path = run(
        tile_index(tmp_path / "m.gti.gpkg", tiles, *options),
        'ALTER TABLE "m.gti" ADD COLUMN rank INTEGER',
        "UPDATE \"m.gti\" SET rank = (fid + 1) % 3 WHERE location LIKE '%'",
    )
    assert "".join(name[0] for name in names(path)) == expected


def test_a_document_names_index_and_settings(tiles: list[Path], tmp_path: Path) -> None:
    tile_index(tmp_path / "m.gpkg", tiles, "-lyr_name", "b", "-tileindex", "file")
    text = """<GDALTileIndexDataset><IndexDataset>m.gpkg</IndexDataset><IndexLayer>b</IndexLayer>
    <LocationField>file</LocationField><ResX>10</ResX><Resampling>cubic</Resampling>
    <Band band="1" dataType="UInt16"><Description>red</Description></Band><Metadata/>
    </GDALTileIndexDataset>"""
    (tmp_path / "m.gti").write_text(text)
    with pytest.warns(TiffWarning, match="the element Metadata is left out"):
        files = found(tmp_path / "m.gti")
    assert [Path(file.location.path).name for file in files] == ["0.tif", "1.tif", "2.tif"]
    (grid,) = {file.place.grid for file in files if file.place}
    assert [(band.data_type, band.description) for band in grid.bands] == [("uint16", "red")]


def test_a_geotransform_and_a_size_say_what_the_whole_is(tiles: list[Path], tmp_path: Path) -> None:
    items = ["XSIZE=288", "YSIZE=64", "GEOTRANSFORM=500000,10,0,4650000,0,-10"]
    options = [part for each in items for part in ("-mo", each)]
    (file, *_) = found(tile_index(tmp_path / "m.gti.gpkg", tiles, *options))
    assert file.place is not None
    assert file.place.grid.size == (64, 288)
    assert file.place.grid.transform == (500_000, 10, 0, 4_650_000, 0, -10)
    (file, *_) = found(tile_index(tmp_path / "s.gti.gpkg", tiles, *options[:4]))
    assert file.place is None or file.place.grid.size is None  # a size without a transform
    options[-1] = "GEOTRANSFORM=500000,10,0"
    with pytest.raises(ValueError, match="GEOTRANSFORM is not six numbers"):
        found(tile_index(tmp_path / "n.gti.gpkg", tiles, *options))


def test_an_index_without_metadata_tables_names_its_files(
    tiles: list[Path], tmp_path: Path
) -> None:
    path = run(
        tile_index(tmp_path / "m.gti.gpkg", tiles),
        "DROP TABLE IF EXISTS gpkg_metadata_reference",
        "DROP TABLE IF EXISTS gpkg_metadata",
    )
    assert names(path) == ["0.tif", "1.tif", "2.tif"]


_SECOND_LAYER = (
    "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('b', 'features', 'b')"
)

WRONG = {
    "mask": (["-mo", "MASK_BAND=YES"], [], "a mask .MASK_BAND"),
    "query": (["-mo", "TILE_INDEX_SQL=SELECT 1"], [], "a query .TILE_INDEX_SQL"),
    "sorted by nothing": (["-mo", "SORT_FIELD=rank"], [], "no field 'rank' to sort by"),
    "no location": (
        [],
        ['ALTER TABLE "m.gti" RENAME COLUMN location TO path'],
        "no field 'location'; it has fid, geom, path",
    ),
    "null": ([], ['UPDATE "m.gti" SET location = NULL'], "feature 0 has no location"),
    "archive": (
        [],
        ["UPDATE \"m.gti\" SET location = '/vsizip/a.zip/a.tif'"],
        "a file of /vsizip/",
    ),
    "no layer": ([], ["DELETE FROM gpkg_contents"], "names no layer; its layers are none"),
    "two layers": (
        [],
        [_SECOND_LAYER],
        "names no layer; its layers are",
    ),
    "no table": ([], ['DROP TABLE "m.gti"'], "cannot be read: no such table"),
}


@pytest.mark.parametrize("how", WRONG)
def test_an_index_that_says_something_else_is_refused(
    how: str, tiles: list[Path], tmp_path: Path
) -> None:
    options, statements, words = WRONG[how]
    path = run(tile_index(tmp_path / "m.gti.gpkg", tiles, *options), *statements)
    with pytest.raises(ValueError, match=words):
        found(path)


DOCUMENTS = {
    "a query": ("<IndexDataset>m.gpkg</IndexDataset><SQL>SELECT 1</SQL>", "an element SQL"),
    "a filter": ("<IndexDataset>m.gpkg</IndexDataset><Filter>x</Filter>", "an element Filter"),
    "no index": ("<ResX>1</ResX>", "is not a tile index with an IndexDataset"),
    "text": (None, "is not a tile index: "),
}


@pytest.mark.parametrize("how", DOCUMENTS)
def test_a_document_that_is_no_list_of_files_is_refused(how: str, tmp_path: Path) -> None:
    inside, words = DOCUMENTS[how]
    text = f"<GDALTileIndexDataset>{inside}</GDALTileIndexDataset>" if inside else "x"
    (tmp_path / "m.gti").write_text(text)
    with pytest.raises(ValueError, match=words):
        found(tmp_path / "m.gti")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.gpkg").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match=r"m\.gpkg cannot be read"):
        found(tmp_path / "m.gpkg")


def test_a_remote_index_names_remote_files(
    tiles: list[Path], tmp_path: Path, http_server: HttpServer
) -> None:
    path = run(
        tile_index(tmp_path / "m.gti.gpkg", tiles),
        "UPDATE \"m.gti\" SET location = 'd/' || fid || '.tif'",
        "PRAGMA journal_mode = WAL",
    )
    url = http_server.put("m.gti.gpkg", path.read_bytes())
    assert [file.location.url for file in found(url)] == [
        url.replace("m.gti.gpkg", f"d/{n}.tif") for n in (1, 2, 3)
    ]
    run(path, "UPDATE \"m.gti\" SET location = 'file:///etc/' || fid || '.tif'")
    http_server.put("m.gti.gpkg", path.read_bytes())
    with pytest.raises(ValueError, match="a file of this machine"):
        found(url)


def test_a_remote_document_names_a_remote_index(http_server: HttpServer) -> None:
    index = "<IndexDataset>file:///etc/m.gpkg</IndexDataset>"
    text = f"<GDALTileIndexDataset>{index}</GDALTileIndexDataset>"
    with pytest.raises(ValueError, match=r"names file:///etc/m\.gpkg, a file of this machine"):
        found(http_server.put("m.gti", text.encode()))


# ------------------------------------------------------------------- formats of an extra


def test_flatgeobuf(tiles: list[Path], tmp_path: Path) -> None:
    corners = [(500_000 + 960 * n, 4_650_000) for n in range(3)]
    points = np.array([struct.pack("<BIdd", 1, 1, *corner) for corner in corners], dtype=object)
    path = tmp_path / "m.gti.fgb"
    pyogrio.raw.write(
        str(path),
        points,
        [np.array([str(tile) for tile in tiles], dtype=object), np.array([2, 1, 3])],
        ["location", "rank"],
        geometry_type="Point",
        crs="EPSG:32633",
        layer_metadata={"SORT_FIELD": "rank"},
    )
    assert names(path) == ["1.tif", "0.tif", "2.tif"]
    (grid,) = {file.place.grid for file in found(path) if file.place}
    assert grid.crs == "EPSG:32633"


def test_geoparquet(tiles: list[Path], tmp_path: Path) -> None:
    table = pa.table({"location": ["1.tif", "0.tif"], "geometry": [b"", b""]})
    parquet.write_table(table, tmp_path / "m.gti.parquet")
    assert names(tmp_path / "m.gti.parquet") == ["1.tif", "0.tif"]


def stac_table() -> Any:
    asset = pa.struct(
        {
            "href": pa.string(),
            "type": pa.string(),
            "roles": pa.list_(pa.string()),
        }
    )
    tiff = {"type": "image/tiff; application=geotiff", "roles": ["data"]}
    return pa.table(
        {
            "type": ["Feature", "Feature"],
            "id": ["a", "b"],
            "geometry": [b"", b""],
            "datetime": [datetime(2023, 1, day, tzinfo=UTC) for day in (2, 3)],
            "eo:cloud_cover": [3.5, None],
            "assets": pa.array(
                [
                    {"B04": tiff | {"href": "./a_4.tif"}, "B08": None},
                    {"B04": tiff | {"href": "./b_4.tif"}, "B08": tiff | {"href": "s3://b/8.tif"}},
                ],
                type=pa.struct({"B04": asset, "B08": asset}),
            ),
        }
    )


def test_stac_geoparquet_is_stac(tmp_path: Path, http_server: HttpServer) -> None:
    table = stac_table()

    path = tmp_path / "items.parquet"
    parquet.write_table(table, path)
    url = http_server.put("d/items.parquet", path.read_bytes())
    for place, root in ((path, tmp_path.as_uri()), (url, url.rpartition("/")[0])):
        files = found(place)
        assert [file.location.url for file in files] == [
            f"{root}/a_4.tif",
            f"{root}/b_4.tif",
            "s3://b/8.tif",
        ]
        assert [file.asset.key for file in files if file.asset] == ["B04", "B04", "B08"]
        assert all(file.place is None for file in files)


def test_stac_geoparquet_is_the_items_of_json(tmp_path: Path) -> None:
    table = stac_table()

    parquet.write_table(table, tmp_path / "items.parquet")
    item = {
        "type": "Feature",
        "id": "a",
        "properties": {"datetime": "2023-01-02T00:00:00Z", "eo:cloud_cover": 3.5},
        "assets": {"B04": {"href": "./a_4.tif", "type": "image/tiff", "roles": ["data"]}},
    }
    (tmp_path / "a.json").write_text(json.dumps(item))
    (first, *_), (expected,) = found(tmp_path / "items.parquet"), found(tmp_path / "a.json")
    assert first.location.url == expected.location.url
    assert first.asset is not None
    assert expected.asset is not None
    assert (first.asset.key, first.asset.item) == (expected.asset.key, expected.asset.item)


@pytest.mark.parametrize(("suffix", "package"), [("fgb", "pyogrio"), ("parquet", "pyarrow")])
def test_a_missing_package_is_one_line_with_the_command(
    suffix: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / f"m.{suffix}").write_bytes(b"x")
    with pytest.raises(ImportError, match=rf'{package}: pip install "virtual-tiff\[tables\]"'):
        found(tmp_path / f"m.{suffix}")
