"""A pyramid as zarrita has it, an implementation in JavaScript that map clients build on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from zarr.codecs import BytesCodec, TransposeCodec
from zarr.storage import LocalStore

from support.http import HttpServer
from support.node import Repository, export_zarr, group_attributes, read_with_zarrita
from support.pixels import values
from virtual_tiff import publish
from virtual_tiff.arrays.multiscales import Level, multiscales_attributes
from virtual_tiff.metadata.transform import Affine

SIZES = [(100, 130), (50, 65), (25, 33)]
NAME = "image"
"""Of the array in each level's group."""


def levels() -> list[Level]:
    full = Affine(10, 0, 500_000, 0, -10, 4_000_000)
    (length, width), *_ = SIZES
    return [
        Level(
            path=str(number),
            length=h,
            width=w,
            affine=full.scaled(width / w, length / h),
            scale=(length / h, width / w),
        )
        for number, (h, w) in enumerate(SIZES)
    ]


def pixels(size: tuple[int, int]) -> NDArray[Any]:
    return values("u2", 3, *size)


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Siblings under a root without arrays, encoded as the chunky tiles of a TIFF are."""
    folder = tmp_path_factory.mktemp("pyramid")
    root = zarr.create_group(
        LocalStore(folder),
        zarr_format=3,
        attributes=multiscales_attributes(levels(), proj={"proj:code": "EPSG:32633"}),
    )
    for number, size in enumerate(SIZES):
        array = root.create_array(
            f"{number}/{NAME}",
            shape=(3, *size),
            chunks=(3, 32, 32),
            dtype="u2",
            filters=[TransposeCodec(order=(1, 2, 0))],
            serializer=BytesCodec(endian="big"),
            compressors=zarr.codecs.numcodecs.Zlib(level=1),
            dimension_names=("band", "y", "x"),
        )
        array[...] = pixels(size)
    return folder


def names(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def shows(store: str | Path | Repository) -> None:
    """The levels that the convention lists hold the pixels of their size."""
    layout = group_attributes(store)["multiscales"]["layout"]
    assert [entry["asset"] for entry in layout] == ["0", "1", "2"]
    last = layout[-1]
    tile = read_with_zarrita(store, f"{last['asset']}/{NAME}", [None, slice(16, 25), slice(30, 33)])
    assert tile.dtype == np.uint16
    np.testing.assert_array_equal(tile, pixels(SIZES[-1])[:, 16:25, 30:33])


@pytest.mark.long
def test_files(pyramid: Path):
    shows(pyramid)
    whole = read_with_zarrita(pyramid, f"/0/{NAME}")
    np.testing.assert_array_equal(whole, pixels(SIZES[0]))


@pytest.mark.long
def test_http(pyramid: Path):
    with HttpServer(pyramid) as server:
        shows(server.url)


@pytest.mark.long
def test_an_exported_store(pyramid: Path, tmp_path: Path):
    copy = export_zarr(LocalStore(pyramid, read_only=True), tmp_path)
    assert names(copy) == names(pyramid)
    shows(copy)


def test_what_is_wrong_is_told(pyramid: Path):
    with pytest.raises(RuntimeError, match="Not found"):
        read_with_zarrita(pyramid, "9/none")


@pytest.mark.long
def test_a_published_file_is_read_from_where_it_lies(tmp_path: Path):
    expected = values("u2", 100, 120)
    tifffile.imwrite(tmp_path / "a.tif", expected, tile=(32, 32), compression="zlib")
    with HttpServer(tmp_path) as server:
        published = publish(f"{server.url}/a.tif", str(tmp_path / "repository"))
        repository = Repository(url=f"{server.url}/repository", containers=published.containers)
        server.requests.clear()
        part = read_with_zarrita(
            repository, published.arrays[0].path, [slice(60, 70), slice(20, 90)]
        )
        np.testing.assert_array_equal(part, expected[60:70, 20:90])
        # six tiles, each by its own range of the TIFF itself
        assert server.count("GET", "a.tif") == 2 * 3
        assert server.sent < (tmp_path / "a.tif").stat().st_size
