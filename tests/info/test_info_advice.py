"""Advice: files that others write well have none, and each fault is named."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.io import MemoryFile
from rasterio.shutil import copy

from support.build import END, LONG, LONG8, SHORT, Directory, Picture, build, entry, images
from support.locations import locate
from virtual_tiff.info import Advice, FileInfo, inspect
from virtual_tiff.info.advice import HUGE_CHUNK, LARGE_PIXELS, MEANINGS, TINY_CHUNK

TESTDATA = Path(__file__).parents[2] / "testdata"


def about(path: Path) -> FileInfo:
    (file,) = asyncio.run(inspect(locate([path])))
    assert file.error is None
    return file


def advice(path: Path) -> dict[str, Advice]:
    found = {one.code: one for one in about(path).advice}
    assert found.keys() <= MEANINGS.keys()
    return found


def noise(*shape: int, dtype: str = "u1") -> Any:
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


def written(path: Path, array: Any, **options: Any) -> Path:
    """A file of GDAL's GTiff driver."""
    count, height, width = (1, *array.shape)[-3:]
    profile = {"count": count, "height": height, "width": width, "dtype": array.dtype}
    with rasterio.open(path, "w", driver="GTiff", **profile, **options) as dataset:
        dataset.write(array.reshape(count, height, width))
    return path


# ------------------------------------------------------------------------ nothing to say


@pytest.mark.long
@pytest.mark.parametrize(
    ("shape", "dtype", "options"),
    [
        ((3000, 2500), "u1", {}),
        ((3000, 2500), "u1", {"COMPRESS": "DEFLATE", "PREDICTOR": "YES"}),
        ((2000, 2000), "f4", {"COMPRESS": "LZW", "BIGTIFF": "YES"}),
        ((3, 2000, 2000), "u1", {"COMPRESS": "JPEG"}),
        ((3, 2000, 2000), "u1", {"COMPRESS": "ZSTD", "ADD_ALPHA": "YES"}),
        ((4, 2000, 2000), "u2", {"INTERLEAVE": "BAND"}),
        ((3, 2000, 2000), "u2", {"INTERLEAVE": "TILE"}),
        ((3000, 2500), "u1", {"BLOCKSIZE": "256", "COMPRESS": "NONE"}),
    ],
)
def test_a_cog_of_gdal_has_none(
    shape: tuple[int, ...], dtype: str, options: dict[str, str], tmp_path: Path
) -> None:
    source = written(tmp_path / "source.tif", noise(*shape, dtype=dtype))
    copy(source, tmp_path / "cog.tif", driver="COG", **options)
    assert advice(tmp_path / "cog.tif") == {}


def test_a_cog_with_mask_has_none(tmp_path: Path) -> None:
    source = tmp_path / "source.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        written(source, noise(2000, 2000))
        with rasterio.open(source, "r+") as dataset:
            dataset.write_mask(noise(2000, 2000) > 128)
    copy(source, tmp_path / "cog.tif", driver="COG")
    file = about(tmp_path / "cog.tif")
    assert "mask" in {info.kind for info in file.directories}
    assert file.advice == ()


@pytest.mark.long
def test_a_large_sparse_cog_has_none(tmp_path: Path) -> None:
    """40,000 tiles: the arrays of offsets alone take a second request, which is no fault."""
    with MemoryFile() as memory:
        profile = {"count": 1, "height": 51200, "width": 51200, "dtype": "u1", "SPARSE_OK": True}
        with memory.open(driver="GTiff", tiled=True, **profile) as dataset:
            dataset.write(noise(256, 256), 1, window=((0, 256), (0, 256)))
        options = {"SPARSE_OK": "YES", "OVERVIEWS": "NONE", "BLOCKSIZE": "256"}
        copy(memory.name, tmp_path / "cog.tif", driver="COG", COMPRESS="LZW", **options)
    file = about(tmp_path / "cog.tif")
    assert file.round_trips == 2
    assert file.advice == ()


def test_the_small_files_of_the_repository_have_none() -> None:
    files = asyncio.run(inspect(locate(sorted(TESTDATA.glob("[ms]*/*.tif")))))
    assert len(files) > 100
    assert [file.url for file in files if file.advice] == []


@pytest.mark.long
@pytest.mark.skipif(
    not any((TESTDATA / "external" / "gdal").glob("**/*.tif")), reason="no conformance files"
)
def test_few_files_of_gdal_have_any() -> None:
    """Most are of a few kB: whoever advises there, advises always."""
    places = [p for p in (TESTDATA / "external" / "gdal").rglob("*.tif") if "[" not in p.name]
    files = asyncio.run(inspect(locate(sorted(places))))
    codes = Counter(one.code for file in files for one in file.advice)
    with_any = sum(bool(file.advice) for file in files)
    assert 0 < with_any < len(files) * 0.05, codes


# ------------------------------------------------------------------------- what is slow


def test_directory_at_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    data = images([Picture(noise(300, 300), rows_per_strip=300)], order=END)
    path.write_bytes(data)
    (found,) = about(path).advice
    assert (found.code, found.directories) == ("directory-at-end", ("0",))
    assert "2 round trips (2 requests)" in found.message
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages.first.offset > tiff.pages.first.dataoffsets[0]


def test_overviews_that_were_added_later(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", noise(600, 600), tiled=True)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    with tifffile.TiffFile(path) as tiff:
        behind = [
            str(i)
            for i, page in enumerate(tiff.pages)
            if page.offset > tiff.pages.first.dataoffsets[0]
        ]
    found = advice(path)
    (code,) = found
    assert code == ("directory-at-end" if "0" in behind else "directories-scattered")
    assert found[code].directories == tuple(behind)


def test_scattered_directories(tmp_path: Path) -> None:
    """Pages as tifffile writes them: each directory, then its pixels."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for _ in range(3):
            tiff.write(noise(300, 300), photometric="minisblack", contiguous=False, metadata=None)
    found = advice(path)
    assert found["directories-scattered"].directories == ("1", "2")
    assert "GTIFF_DIR:NUMBER" in found["directories-scattered"].remedy


def test_tiny_chunks(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", noise(200, 300), compress="deflate", blockysize=1)
    (found,) = about(path).advice
    assert found.code == "tiny-chunks"
    assert found.message.startswith("200 chunks of 300 bytes")
    with rasterio.open(path) as dataset:
        assert dataset.block_shapes == [(1, 300)]
    assert TINY_CHUNK > 300


def test_strips_that_are_joined_are_not_tiny(tmp_path: Path) -> None:
    """Without compression they are one run of bytes: few chunks, whatever the file calls them."""
    path = written(tmp_path / "a.tif", noise(200, 300), blockysize=1)
    assert "tiny-chunks" not in advice(path)


@pytest.mark.long
def test_large_strips_without_overviews(tmp_path: Path) -> None:
    side = 4200
    assert side * side > LARGE_PIXELS
    path = written(tmp_path / "a.tif", noise(side, side), compress="deflate", blockysize=64)
    found = advice(path)
    assert {"no-overviews", "strips"} <= set(found)
    assert "4,200 x 4,200 pixels" in found["no-overviews"].message
    assert "16 times as much" in found["strips"].message
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2]
    assert "no-overviews" not in advice(path)


def test_one_huge_strip(tmp_path: Path) -> None:
    side = 8500
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((side, side), "u1"), compression="zlib", rowsperstrip=side)
    assert side * side > HUGE_CHUNK
    assert "huge-chunks" in advice(path)


def test_blocks_out_of_order(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=1280, height=1280, count=1, dtype="uint8", tiled=True
    ) as dataset:
        tiles = sorted((window for _, window in dataset.block_windows(1)), key=lambda w: -w.row_off)
        for window in tiles:
            dataset.write(noise(window.height, window.width), 1, window=window)
    with tifffile.TiffFile(path) as tiff:
        steps = np.diff(tiff.pages.first.dataoffsets)
    found = advice(path).get("blocks-out-of-order")
    assert (found is not None) == ((steps < 0).mean() > 0.1)
    assert found is not None
    assert found.message.startswith(f"{(steps < 0).sum()} of {len(steps)} blocks")


def test_large_and_uncompressed(tmp_path: Path) -> None:
    """The file is a hole: what counts is how many bytes its blocks have."""
    side = 10_100
    tags = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 277: 1, 278: side}
    entries = [entry(tag, LONG if tag in (256, 257, 278) else SHORT, n) for tag, n in tags.items()]
    entries += [entry(273, LONG8, 4096), entry(279, LONG8, side * side)]
    path = tmp_path / "a.tif"
    with path.open("wb") as file:
        file.write(build([Directory(entries)], big=True))
        file.truncate(4096 + side * side)
    found = advice(path)
    assert "102.0 MB without compression" in found["uncompressed"].message


def test_a_remedy_keeps_a_lossy_compression(tmp_path: Path) -> None:
    source = noise(1800, 1800)
    plain = {"compress": "jpeg", "blockysize": 8}
    (found,) = about(written(tmp_path / "a.tif", source, **plain)).advice
    assert "COMPRESS=JPEG" in found.remedy


def test_a_damaged_count_is_not_believed(tmp_path: Path) -> None:
    """A file of a kB that claims a GB is not large."""
    entries = [entry(tag, LONG, n) for tag, n in ((256, 30_000), (257, 30_000), (278, 30_000))]
    entries += [entry(258, SHORT, 8), entry(259, SHORT, 1), entry(262, SHORT, 1)]
    entries += [entry(273, LONG, 8), entry(279, LONG, 900_000_000)]
    path = tmp_path / "a.tif"
    path.write_bytes(build([Directory(sorted(entries, key=lambda e: e.tag))]))
    assert "uncompressed" not in advice(path)
    assert "no-overviews" not in advice(path)
