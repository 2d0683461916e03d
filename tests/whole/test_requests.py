"""What a parse costs: requests and bytes, counted at the store and, apart from it, at a server."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore, LocalStore, MemoryStore
from rasterio.io import MemoryFile
from rasterio.shutil import copy

from support.build import (
    END,
    FRONT,
    LONG,
    LONG8,
    SCATTERED,
    SHORT,
    Directory,
    Order,
    Picture,
    build,
    entry,
    image,
    images,
    many_tiles,
)
from support.http import HttpServer
from support.pixels import values, zarr_array
from support.stores import CountingStore
from virtual_tiff import VirtualTIFF
from virtual_tiff.tiff import CountingSource, MemorySource, ReadAhead, read_tiff

SPECIAL = Path(__file__).parent.parent.parent / "testdata" / "special"
COGS = ["cog", "cog_rgb", "cog_float_nan_predictor", "cog_bigtiff_zstd"]
BEHIND: Order = ("blocks", "values", "directories")
"""The values of a directory lie before it, where a read-ahead does not find them."""


def counting(files: dict[str, bytes]) -> tuple[CountingStore, ObjectStoreRegistry[Any]]:
    store = MemoryStore()
    for name, data in files.items():
        store.put(name, data)
    counted = CountingStore(store)
    return counted, ObjectStoreRegistry({"memory://": counted})


def parsed(data: bytes, **options: Any) -> CountingStore:
    """The store behind one synchronous parse."""
    store, registry = counting({"a.tif": data})
    VirtualTIFF(**options)("memory:///a.tif", registry)
    return store


async def awaited(data: bytes, **options: Any) -> CountingStore:
    store, registry = counting({"a.tif": data})
    await VirtualTIFF(**options).parse("memory:///a.tif", registry)
    return store


def cost(store: CountingStore) -> tuple[int, int]:
    """(GETs, HEADs)."""
    return store.gets, store.heads


def over_http(server: HttpServer) -> ObjectStoreRegistry[Any]:
    store = HTTPStore.from_url(server.url, client_options={"allow_http": True})
    return ObjectStoreRegistry({server.url: store})


def pages(count: int, side: int) -> list[Picture]:
    return [Picture(values("u1", side, side), rows_per_strip=8) for _ in range(count)]


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BigTIFF of 300 MB, most of it a hole: 10,000 strips, and the directory at its end."""
    start, count = 300_000_000, 10_000
    offsets = np.arange(count, dtype="<u8") * 29_000 + 16
    counts = np.full(count, 512, dtype="<u2")
    numbers = {256: 512, 257: count, 258: 8, 259: 1, 262: 1, 277: 1, 278: 1}
    behind = start + 8 + 20 * (len(numbers) + 2) + 8
    entries = [
        *(entry(tag, SHORT, n) for tag, n in numbers.items()),
        entry(273, LONG8, count=count, offset=behind),
        entry(279, SHORT, count=count, offset=behind + offsets.nbytes),
    ]
    small = build([Directory(entries, at=16)], big=True, first=start)
    path = tmp_path_factory.mktemp("large") / "large.tif"
    with path.open("wb") as file:
        file.write(small[:16])
        file.seek(start)
        file.write(small[16:] + offsets.tobytes() + counts.tobytes())
    return path


# ---- a directory at the front


@pytest.mark.parametrize("name", COGS)
def test_a_cog_is_one_get(name: str):
    assert cost(parsed((SPECIAL / f"{name}.tif").read_bytes())) == (1, 0)


@pytest.mark.parametrize("name", COGS)
async def test_an_awaited_cog_is_one_get(name: str):
    assert cost(await awaited((SPECIAL / f"{name}.tif").read_bytes())) == (1, 0)


@pytest.mark.parametrize("name", COGS)
def test_a_server_sees_one_get_of_a_cog(http_server: HttpServer, name: str):
    url = http_server.put("a.tif", (SPECIAL / f"{name}.tif").read_bytes())
    VirtualTIFF()(url, over_http(http_server))
    assert [request.method for request in http_server.requests] == ["GET"]


@pytest.mark.parametrize("name", COGS)
async def test_a_server_sees_one_get_of_an_awaited_cog(http_server: HttpServer, name: str):
    url = http_server.put("a.tif", (SPECIAL / f"{name}.tif").read_bytes())
    await VirtualTIFF().parse(url, over_http(http_server))
    assert [request.method for request in http_server.requests] == ["GET"]


def test_the_nested_layout_costs_the_same():
    assert cost(parsed((SPECIAL / "cog.tif").read_bytes(), ifd_layout="nested")) == (1, 0)


@pytest.mark.parametrize("name", [*COGS, "cog_rgb_mask", "geo_bands", "subifds"])
@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid"])
def test_coordinates_and_meaning_cost_no_request(name: str, layout: Any):
    data = (SPECIAL / f"{name}.tif").read_bytes()
    first, second = (
        parsed(data, ifd_layout=layout, coordinates=coordinates) for coordinates in (True, False)
    )
    assert first.calls == second.calls
    assert cost(first)[1] == 0


@pytest.mark.parametrize("ifd", [1, 2, "1"])
@pytest.mark.parametrize("name", COGS)
def test_an_overview_of_a_cog_is_one_get_though_its_image_says_where_it_lies(
    name: str, ifd: int | str
):
    assert cost(parsed((SPECIAL / f"{name}.tif").read_bytes(), ifd=ifd)) == (1, 0)


async def test_an_awaited_overview_of_a_cog_is_one_get():
    assert cost(await awaited((SPECIAL / "cog_rgb_mask.tif").read_bytes(), ifd=3)) == (1, 0)


@pytest.mark.parametrize(
    "options",
    [{"overviews": False}, {"overviews": [0]}, {"window": (0, 0, 8, 8)}, {"samples": "stored"}],
    ids=str,
)
def test_selections_cost_the_same(options: dict[str, Any]):
    assert cost(parsed((SPECIAL / "cog_rgb.tif").read_bytes(), **options)) == (1, 0)


def test_coordinates_cost_nothing_when_they_are_read():
    store, registry = counting({"a.tif": (SPECIAL / "geo_bands.tif").read_bytes()})
    dataset = xr.open_zarr(VirtualTIFF()("memory:///a.tif", registry))
    store.clear()
    for name in ("x", "y", "band", "spatial_ref", "scale_factor"):
        assert dataset[name].load().size
    assert store.calls == []


def test_a_large_image_with_its_directory_at_the_front_is_one_small_get():
    store = parsed(image(values("u1", 1024, 1024), tile=(64, 64), order=FRONT))
    assert (cost(store), store.size) == ((1, 0), 32 * 1024)


def test_subifds_at_the_front_are_one_get():
    data = (SPECIAL / "subifds.tif").read_bytes()
    assert [cost(parsed(data, ifd=ifd)) for ifd in (None, "0/0", "0/1")] == [(1, 0)] * 3


# ---- directories elsewhere


@pytest.mark.parametrize("order", [END, SCATTERED, BEHIND], ids=["end", "scattered", "behind"])
@pytest.mark.parametrize("big", [False, True], ids=["classic", "big"])
def test_other_places_cost_at_most_three_requests(order: Order, big: bool):
    picture = Picture(values("u1", 512, 512), tile=(16, 16))
    store = parsed(images([picture], order=order, big=big))
    assert store.gets <= 3
    assert store.heads == 0


def test_a_directory_at_the_end_of_a_large_file_costs_three_requests_and_little(large_file: Path):
    store = CountingStore(LocalStore())
    VirtualTIFF()(large_file.as_uri(), ObjectStoreRegistry({"file://": store}))
    assert store.gets <= 3
    assert store.heads == 0
    assert store.size < 256 * 1024


async def test_a_server_sees_three_requests_for_a_directory_at_the_end(large_file: Path):
    with HttpServer(large_file.parent) as server:
        await VirtualTIFF().parse(f"{server.url}/large.tif", over_http(server))
        assert server.gets <= 3
        assert server.heads == 0
        assert server.sent < 256 * 1024


def test_the_large_file_is_understood(large_file: Path):
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    manifest = VirtualTIFF()(large_file.as_uri(), registry).group.arrays["0"].manifest
    assert manifest.dict()["9999.0"]["offset"] == 16 + 9999 * 29_000


# ---- many directories


def test_many_pages_near_each_other_are_one_get():
    assert cost(parsed(images(pages(100, 64), order=FRONT))) == (1, 0)


@pytest.mark.long
def test_a_thousand_directories_side_by_side_are_read_in_few_requests():
    data = images(pages(1000, 8), order=END)
    assert parsed(data).gets <= 1 + -(-len(data) // (64 * 1024))


def test_ifd_0_reads_the_first_of_many_pages_alone():
    data = images(pages(100, 300), order=FRONT)
    assert (parsed(data, ifd=0).gets, parsed(data).gets) == (1, 2)


def test_ifd_0_does_not_follow_a_chain_that_jumps_about():
    data = scattered_pages(20, 100_000)
    assert cost(parsed(data, ifd=0)) == (1, 0)


def scattered_pages(count: int, distance: int) -> bytes:
    """Directories far from each other, the first one at the file's begin."""
    return build([strip_directory(at=8 + i * distance) for i in range(count)])


def strip_directory(at: int) -> Directory:
    """An image of one strip, which lies in the header."""
    numbers = {256: 8, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 8}
    return Directory([entry(tag, LONG, n) for tag, n in numbers.items()], at=at)


async def test_a_hundred_scattered_directories_are_few_round_trips():
    source = CountingSource(MemorySource(scattered_pages(100, 520_000)))
    await read_tiff(ReadAhead(source))
    assert source.batches <= 15
    assert source.bytes_read < 1_000_000


@pytest.mark.parametrize("ifd", [0, 1])
async def test_one_of_a_hundred_scattered_directories_is_at_most_two_requests(
    http_server: HttpServer, ifd: int
):
    url = http_server.put("a.tif", scattered_pages(100, 520_000))
    await VirtualTIFF(ifd=ifd).parse(url, over_http(http_server))
    assert (http_server.gets, http_server.heads) == (1 + ifd, 0)
    assert http_server.sent < 200_000


async def test_a_server_sends_little_of_a_hundred_scattered_directories(http_server: HttpServer):
    url = http_server.put("a.tif", scattered_pages(100, 520_000))
    await VirtualTIFF().parse(url, over_http(http_server))
    assert http_server.gets <= 1 + 100
    assert http_server.heads == 0
    assert http_server.sent < 1_000_000


def test_directories_that_follow_no_rule_cost_no_more_than_one_by_one():
    places = np.cumsum(np.random.default_rng(6).integers(70_000, 900_000, 50)).tolist()
    store = parsed(build([strip_directory(at=8), *(strip_directory(at=at) for at in places)]))
    assert store.size < 2 * 50 * 64 * 1024


# ---- large arrays


@pytest.fixture(scope="module")
def million_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_tiles(tmp_path_factory.mktemp("million") / "million.tif", 1000, 1000)


async def test_the_arrays_of_a_million_tiles_are_parallel_ranges(million_tiles: Path):
    with HttpServer(million_tiles.parent) as server:
        await VirtualTIFF().parse(f"{server.url}/million.tif", over_http(server))
        _, *pieces = server.requests
        assert server.heads == 0
    arrays = 1_000_000 * (8 + 4)
    assert 3 <= len(pieces) <= 5
    assert max(piece.size for piece in pieces) <= 4 * 2**20
    assert arrays <= sum(piece.size for piece in pieces) + 32 * 1024 <= 1.01 * arrays


def test_a_million_tiles_are_two_round_trips(million_tiles: Path):
    source = CountingSource(MemorySource(million_tiles.read_bytes()))
    asyncio.run(read_tiff(ReadAhead(source)))
    assert source.batches == 2


@pytest.mark.long
@pytest.mark.parametrize("masks", [False, True])
def test_a_cog_with_a_large_header_is_two_round_trips(tmp_path: Path, masks: bool):
    path = tmp_path / "cog.tif"
    write_cog(path, 8192, masks=masks)
    source = CountingSource(MemorySource(path.read_bytes()))
    tiff = asyncio.run(read_tiff(ReadAhead(source)))
    assert len(tiff.ifds) == (14 if masks else 7)
    assert source.batches == 2
    assert source.bytes_read < 400_000


def write_cog(path: Path, side: int, *, masks: bool) -> None:
    """Write a COG of many small blocks, and so of a header above 100 kB, by GDAL."""
    pixels = np.zeros((1, side, side), dtype="u1")
    profile = {"width": side, "height": side, "count": 1, "dtype": "u1"}
    with MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with memory.open(driver="GTiff", **profile) as dataset:
            dataset.write(pixels)
            if masks:
                dataset.write_mask(np.eye(side, dtype="u1") * 255)
        with memory.open() as dataset:
            copy(dataset, path, driver="COG", compress="deflate", blocksize=128)


@pytest.mark.parametrize("ifd", [0, 1, 50, 99])
def test_one_of_many_pages_at_the_front_is_one_get(ifd: int):
    assert cost(parsed(images(pages(100, 64), order=FRONT), ifd=ifd)) == (1, 0)


# ---- many files


async def test_many_cogs_are_one_get_each():
    data = (SPECIAL / "cog.tif").read_bytes()
    store, registry = counting({f"{i}.tif": data for i in range(50)})
    urls = [f"memory:///{i}.tif" for i in range(50)]
    await VirtualTIFF().parse_many(urls, registry)
    assert cost(store) == (50, 0)


async def test_a_server_sees_one_get_of_each_of_many_cogs(http_server: HttpServer):
    data = (SPECIAL / "cog.tif").read_bytes()
    urls = [http_server.put(f"{i}.tif", data) for i in range(50)]
    await VirtualTIFF().parse_many(urls, over_http(http_server))
    assert (http_server.gets, http_server.heads) == (50, 0)


async def test_a_file_that_is_no_tiff_costs_one_get():
    assert cost(await no_tiff()) == (1, 0)


async def no_tiff() -> CountingStore:
    store, registry = counting({"a.tif": b"no TIFF at all"})
    await VirtualTIFF().parse_many(["memory:///a.tif"], registry)
    return store


# ---- reading


def test_two_chunks_cost_their_bytes_and_no_head():
    store, registry = counting({"a.tif": image(values("u1", 64, 64), tile=(16, 16))})
    array = zarr_array(VirtualTIFF()("memory:///a.tif", registry))
    store.clear()
    array[:16, :32]
    assert store.gets <= 2
    assert (store.heads, store.size) == (0, 2 * 16 * 16)


def test_a_missing_block_costs_nothing():
    data = image(values("u1", 64, 64), tile=(16, 16), sparse=range(1, 16))
    store, registry = counting({"a.tif": data})
    array = zarr_array(VirtualTIFF()("memory:///a.tif", registry))
    store.clear()
    array[...]
    assert cost(store) == (1, 0)
