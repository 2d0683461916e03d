"""`virtual_tiff.info`: what is said of a file, beside what rasterio says of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.transform import from_origin

from support.build import LONG, SHORT, Directory, Picture, build, entry, image, images
from support.http import HttpServer
from support.locations import locate
from support.s3 import S3, SETTINGS
from virtual_tiff.info import DirectoryInfo, FileInfo, inspect
from virtual_tiff.info.table import heading
from virtual_tiff.text.numbers import human_size
from virtual_tiff.tiff import Limits

TESTDATA = Path(__file__).parents[2] / "testdata"
SPECIAL = TESTDATA / "special"
FILES = sorted(TESTDATA.glob("[ms]*/*.tif"))


def info(*sources: str | Path, **store_options: Any) -> list[FileInfo]:
    return asyncio.run(inspect(locate(sources, store_options)))


def of_bytes(folder: Path, data: bytes) -> tuple[DirectoryInfo, ...]:
    path = folder / "made.tif"
    path.write_bytes(data)
    (file,) = info(path)
    assert file.error is None
    return file.directories


def test_every_test_file_as_rasterio_says() -> None:
    for path, file in zip(FILES, info(*FILES), strict=True):
        assert file.error is None
        first = file.directories[0]
        assert first.error is None, path
        with rasterio.open(path) as dataset:
            assert (first.width, first.height) == (dataset.width, dataset.height)
            assert first.samples == dataset.count
            assert first.data_type == dataset.dtypes[0]
            assert first.blocks is not None
            assert (first.blocks.length, first.blocks.width) == dataset.block_shapes[0], path
            overviews = [d for d in file.directories if d.kind == "overview"]
            shrunk = [-(-dataset.width // factor) for factor in dataset.overviews(1)]
            assert [d.width for d in overviews if d.photometric == first.photometric] == shrunk


def test_facts_of_a_chunky_cog() -> None:
    path = SPECIAL / "cog_rgb.tif"
    (file,) = info(path)
    assert file.url == f"file://{path}"
    assert file.size == path.stat().st_size
    assert file.variant == "II"
    assert file.etag is not None
    assert file.last_modified is not None
    with tifffile.TiffFile(path) as opened:
        page = opened.pages.first
    found = file.to_json()["directories"][0]
    assert found == {
        "path": "0",
        "kind": "image",
        "width": 60,
        "height": 40,
        "samples": 3,
        "data_type": "uint8",
        "compression": {"code": 8, "name": "AdobeDeflate"},
        "predictor": {"code": 1, "name": "None"},
        "photometric": {"code": 2, "name": "RGB"},
        "planar": {"code": 1, "name": "Chunky"},
        "blocks": {"kind": "tile", "length": 16, "width": 16, "count": 12},
        "shape": (3, 40, 60),
        "chunk_shape": (3, 16, 16),
        "chunk_grid": (1, 3, 4),
        "codecs": ("transpose", "bytes", "numcodecs.zlib"),
        "bytes_on_disk": sum(page.databytecounts),
        "error": None,
        "unsupported": False,
        "offset": page.offset,
        "lost_blocks": 0,
        "overview_of": None,
        "crs": "EPSG:32633",
        "pixel_size": (10.0, 10.0),
        "nodata": None,
        "readable_by": (
            "zarr-python",
            "zarr-python + imagecodecs-zarr",
            "zarr-python + virtual-tiff",
            "zarrs",
            "zarrita",
        ),
    }


@pytest.mark.parametrize("path", sorted(SPECIAL.glob("geo_*.tif")), ids=lambda path: path.stem)
def test_where_pixels_lie_and_nodata_are_those_of_gdal(path: Path) -> None:
    (file,) = info(path)
    found = file.directories[0]
    with rasterio.open(path) as dataset:
        crs, transform, nodata = dataset.crs, dataset.transform, dataset.nodata
    assert (found.crs is None) == (crs is None)
    if found.crs is not None and crs.to_epsg() is not None:
        assert found.crs.startswith(f"EPSG:{crs.to_epsg()}")
    if found.pixel_size is not None:
        size = hypot(transform.a, transform.d), hypot(transform.b, transform.e)
        assert found.pixel_size == pytest.approx(size)
    assert (found.nodata is None) == (nodata is None)
    if found.nodata is not None:
        assert float(found.nodata) == pytest.approx(nodata, nan_ok=True)


def test_a_crs_without_a_code_is_shown_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    wkt = rasterio.crs.CRS.from_proj4("+proj=laea +lat_0=50 +lon_0=9 +ellps=GRS80").to_wkt()
    settings: Any = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        path,
        "w",
        crs=wkt.replace('"unknown"', '"Our grid"', 1),
        transform=from_origin(0, 0, 5, 7),
        **settings,
    ):
        pass
    found = info(path)[0].directories[0]
    assert found.crs == "Our grid"
    assert found.pixel_size == (5.0, 7.0)


def test_keys_are_stable() -> None:
    (good, bad) = (file.to_json() for file in info(SPECIAL / "cog.tif", SPECIAL / "no.tif"))
    keys = ["url", "size", "etag", "last_modified", "variant", "directories", "error"]
    new = ["schema_version", "requests", "round_trips", "advice", "truncated", "images"]
    assert list(good) == list(bad) == keys + new
    assert good["schema_version"] == 1
    assert bad["directories"] == ()
    assert "no such file" in bad["error"]


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("cog", "II"),
        ("strips_of_one_row_mm", "MM"),
        ("cog_bigtiff_zstd", "II BigTIFF"),
        ("subifds_mm_bigtiff", "MM BigTIFF"),
    ],
)
def test_variants(name: str, variant: str) -> None:
    assert info(SPECIAL / f"{name}.tif")[0].variant == variant


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cog", [("0", "image"), ("1", "overview"), ("2", "overview")]),
        ("subifds", [("0", "image"), ("0/0", "overview"), ("0/1", "overview")]),
        ("mask_tiles", [("0", "image"), ("1", "mask")]),
        ("pages_equal", [("0", "image"), ("1", "image"), ("2", "image")]),
    ],
)
def test_kinds_and_paths(name: str, expected: list[tuple[str, str]]) -> None:
    (file,) = info(SPECIAL / f"{name}.tif")
    assert [(d.path, d.kind) for d in file.directories] == expected
    belong = [None if d.kind == "image" else "0" for d in file.directories]
    assert [d.overview_of for d in file.directories] == belong


@pytest.mark.parametrize(
    ("tag", "value", "kind"),
    [
        (254, 0, "image"),
        (254, 1, "overview"),
        (254, 2, "page"),
        (254, 3, "overview"),
        (254, 4, "mask"),
        (254, 5, "mask"),
        (255, 1, "image"),
        (255, 2, "overview"),
        (255, 3, "page"),
    ],
)
def test_kind_by_tag(tag: int, value: int, kind: str, tmp_path: Path) -> None:
    subfile = entry(tag, LONG if tag == 254 else SHORT, value)
    data = image(np.zeros((4, 4), "u1"), extra_entries=[subfile])
    assert of_bytes(tmp_path, data)[0].kind == kind


def test_unsupported_directory_does_not_hide_the_others(tmp_path: Path) -> None:
    array = np.zeros((8, 8), "u1")
    odd = Picture(array, compression=34661, encode=bytes)
    before, row, after = of_bytes(tmp_path, images([Picture(array), odd, Picture(array)]))
    assert before.error is None
    assert after.error is None
    assert row.unsupported
    assert "JBIG (34661)" in str(row.error)
    # what can be said is said
    assert (row.width, row.height, row.data_type) == (8, 8, "uint8")
    assert row.bytes_on_disk == 64
    assert row.codecs is None


def test_what_the_parser_refuses_is_said(tmp_path: Path) -> None:
    """A depth that the byte counts do not confirm, and chunks over the limit."""
    depth = entry(258, SHORT, 33)
    (row,) = of_bytes(tmp_path, image(np.zeros((8, 8), "u8"), extra_entries=[depth]))
    assert row.unsupported
    assert "33-bit samples cannot be unpacked from blocks of 512 bytes" in str(row.error)
    locations = locate([SPECIAL / "cog.tif"])
    (file,) = asyncio.run(inspect(locations, limits=Limits(block_bytes=100)))
    assert {row.codecs for row in file.directories} == {None}
    assert all("block_bytes=100" in str(row.error) for row in file.directories)


def test_unknown_code_is_a_number(tmp_path: Path) -> None:
    (row,) = of_bytes(tmp_path, image(np.zeros((8, 8), "u1"), compression=64999, encode=bytes))
    assert row.compression is not None
    assert (row.compression.code, row.compression.name) == (64999, None)
    assert str(row.compression) == "64999"


def test_directory_that_is_no_image(tmp_path: Path) -> None:
    """As an Exif directory that someone lists among the SubIFDs."""
    (row,) = of_bytes(tmp_path, build([Directory([entry(259, SHORT, 1)])]))
    assert row.width is None
    assert "no ImageWidth" in str(row.error)
    assert not row.unsupported


def test_bytes_of_missing_blocks_do_not_count(tmp_path: Path) -> None:
    array = np.zeros((32, 32), "u1")
    (row,) = of_bytes(tmp_path, image(array, tile=(16, 16), sparse=[1, 2]))
    assert row.blocks is not None
    assert row.blocks.count == 4
    assert row.bytes_on_disk == 2 * 16 * 16


def test_merged_strips_are_few_chunks() -> None:
    (file,) = info(SPECIAL / "strips_of_one_row.tif")
    (row,) = file.directories
    assert row.blocks is not None
    assert (row.blocks.kind, row.blocks.count, row.chunk_grid) == ("strip", 21, (1, 1))


@pytest.mark.parametrize("junk", [b"", b"II*\0", b"no TIFF at all", b"II*\0\xff\xff\xff\xff"])
def test_bad_file_has_an_error(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.tif"
    path.write_bytes(junk)
    (file,) = info(path)
    assert file.directories == ()
    assert f"file://{path}" in str(file.error)


# -------------------------------------------------------------------------- other places


def test_over_http_with_a_query(http_server: HttpServer) -> None:
    url = http_server.put("a b.tif", (SPECIAL / "cog.tif").read_bytes(), modified=1_700_000_000)
    for place, shown in ((url, url), (f"{url}?sig=1", f"{url}?…")):  # a query may be a secret
        (file,) = info(place)
        assert file.url == shown
        assert file.last_modified == "2023-11-14T22:13:20+00:00"
        assert len(file.directories) == 3


def test_on_s3(s3: S3) -> None:
    url = s3.upload(SPECIAL / "cog.tif", "info/a #1.tif")
    assert url == s3.url("info/a #1.tif")
    (file,) = info(url, **SETTINGS, endpoint=s3.endpoint)
    assert file.url == s3.url("info/a%20%231.tif")
    assert len(file.directories) == 3


def test_options_of_the_http_client(http_server: HttpServer) -> None:
    url = http_server.put("slow.tif", (SPECIAL / "cog.tif").read_bytes())
    (file,) = info(url, timeout="20m")
    assert file.error is None


def test_paths_globs_and_urls_name_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SPECIAL)
    path = SPECIAL / "cog.tif"
    for source in ("cog.tif", "../special/cog.tif", "co[g].tif", str(path), f"file://{path}"):
        (location,) = locate([source])
        assert (location.url, location.path) == (f"file://{path}", str(path))
    assert [loc.name for loc in locate(["pages_*.tif"])] == sorted(
        path.name for path in SPECIAL.glob("pages_*.tif")
    )


def test_file_with_a_wildcard_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a[1].tif"
    path.write_bytes((SPECIAL / "cog.tif").read_bytes())
    assert info(path)[0].error is None


@pytest.mark.parametrize(
    ("source", "options", "error", "words"),
    [
        ("/tmp/*.nothing", {}, FileNotFoundError, "no file matches"),
        ("foo://b/a.tif", {}, ValueError, "foo://b"),
        ("s3:///a.tif", {}, ValueError, "no host or bucket"),
        ("s3://b/a.tif", {"bogus": 1}, ValueError, "'bogus' is not valid"),
        ("https://h/a.tif", {"region": "x"}, ValueError, "no source takes"),
        ("https://h/a.tif", {"timeout": "soon"}, ValueError, "Duration"),
    ],
)
def test_sources_that_cannot_be(
    source: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        locate([source], options)


# ------------------------------------------------------------------------- what is loaded


@pytest.mark.long
def test_neither_xarray_nor_zarr_is_loaded() -> None:
    heavy = ("xarray", "pandas", "zarr", "virtualizarr", "icechunk")
    for arguments in (["info", "--json"], ["info"]):
        code = f"""
import sys
from virtual_tiff.cli.main import main
status = main({arguments} + [{str(SPECIAL / "cog.tif")!r}])
print(status, [name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stderr == "0 []\n"
        assert "cog.tif" in done.stdout


@pytest.mark.long
def test_without_rich_there_is_json() -> None:
    code = "import sys; sys.modules['rich'] = None\nfrom virtual_tiff.cli.main import main\n"
    path = str(SPECIAL / "cog.tif")
    call = f"sys.exit(main(['info', {path!r}]))"
    table = subprocess.run(
        [sys.executable, "-c", code + call], capture_output=True, text=True, check=False
    )
    assert table.returncode == 1
    assert table.stderr.startswith("virtual-tiff: error: the table needs rich")
    assert 'pip install "virtual-tiff[cli]"' in table.stderr
    call = call.replace("'info'", "'info', '--json'")
    done = subprocess.run(
        [sys.executable, "-c", code + call], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)[0]["url"] == f"file://{path}"


def test_a_heading_without_a_time_or_requests_has_what_is_left() -> None:
    """Many a server gives no Last-Modified; a record from JSON may have no requests."""
    (file,) = info(SPECIAL / "cog.tif")
    assert "modified" in heading(file)
    assert "request" in heading(file)
    bare = replace(file, last_modified=None, requests=None, round_trips=None)
    assert heading(bare) == f"{file.variant}, {human_size(file.size or 0)}"
    one = replace(bare, requests=1, round_trips=1)
    assert heading(one).endswith("directories read with 1 request")
    assert heading(replace(one, round_trips=2)).endswith("1 request in 2 round trips")
