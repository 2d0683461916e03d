"""The support itself: what it writes, tifffile and GDAL read; what it serves, obstore reads."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import obstore
import pytest
import rasterio
import tifffile
from numpy.typing import NDArray
from obstore.exceptions import PreconditionError
from obstore.store import HTTPStore, MemoryStore

from support.build import (
    ASCII,
    BYTE,
    END,
    FRONT,
    LONG,
    RATIONAL,
    SCATTERED,
    SHORT,
    At,
    Directory,
    Order,
    Picture,
    block_at,
    build,
    directory_at,
    entry,
    every_variant,
    image,
    images,
    layout,
    lzw_encode,
    lzw_encode_old,
    many_tiles,
    parts,
    value_at,
)
from support.http import HttpServer
from support.s3 import S3
from support.stores import AsyncObspecStore, Call, CountingStore, ObspecStore

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def sample(dtype: str, *shape: int) -> NDArray[Any]:
    """Values of every bit pattern an integer has; small numbers of either sign for floats."""
    random = np.random.default_rng(1)
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return (sample("f4", *shape) + 1j * sample("f4", *shape)[::-1]).astype(kind)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    return np.frombuffer(random.bytes(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)


def by_gdal(data: bytes) -> NDArray[Any]:
    """(y, x), or (y, x, band) where there are several bands."""
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        bands: NDArray[Any] = dataset.read()
    return bands[0] if len(bands) == 1 else np.moveaxis(bands, 0, -1)


def by_tifffile(data: bytes, page: int = 0) -> NDArray[Any]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels: NDArray[Any] = file.pages[page].asarray()
    # tifffile gives separate planes in front.
    return np.moveaxis(pixels, 0, -1) if pixels.ndim == 3 and pixels.shape[2] > 4 else pixels


SHAPES: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rows_per_strip": 5},
    "full last strip": {"rows_per_strip": 5, "full_last_strip": True},
    "tiles": {"tile": (16, 32)},
    "separate": {"tile": (16, 16), "planar": 2},
}


@every_variant
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("order", [FRONT, END, SCATTERED], ids=["front", "end", "scattered"])
def test_readers_agree_on_where_blocks_lie(
    byteorder: str, big: bool, shape: dict[str, Any], order: Order
) -> None:
    array = sample("u2", 23, 37, 3)
    data = image(array, byteorder=byteorder, big=big, order=order, gap=3, **shape)
    np.testing.assert_array_equal(by_tifffile(data), array)
    np.testing.assert_array_equal(by_gdal(data), array)


PREDICTORS = [
    *((2, dtype) for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "f4", "f8")),
    *((3, dtype) for dtype in ("f2", "f4", "f8")),
]


@every_variant
@pytest.mark.parametrize(("predictor", "dtype"), PREDICTORS)
@pytest.mark.parametrize("bands", [(), (3,)], ids=["one band", "three bands"])
def test_readers_undo_the_predictor(
    byteorder: str, big: bool, predictor: int, dtype: str, bands: tuple[int, ...]
) -> None:
    array = sample(dtype, 20, 21, *bands)
    options: dict[str, Any] = {"predictor": predictor, "compression": 8, "tile": (16, 16)}
    data = image(array, byteorder=byteorder, big=big, **options)
    np.testing.assert_array_equal(by_tifffile(data), array)
    np.testing.assert_array_equal(by_gdal(data), array)


@every_variant
@pytest.mark.parametrize("dtype", ["i8", "f2", "c8", "c16"])
def test_data_types(byteorder: str, big: bool, dtype: str) -> None:
    array = sample(dtype, 7, 9)
    data = image(array, byteorder=byteorder, big=big)
    np.testing.assert_array_equal(by_tifffile(data), array)
    np.testing.assert_array_equal(by_gdal(data), array)


@pytest.mark.parametrize("bits", [1, 2, 4, 7, 12, 15])
@pytest.mark.parametrize("fill_order", [1, 2])
def test_packed_bits(bits: int, fill_order: int) -> None:
    array = sample("u2", 9, 13) & ((1 << bits) - 1)
    data = image(array, bits=bits, fill_order=fill_order, rows_per_strip=4)
    np.testing.assert_array_equal(by_gdal(data), array)


# Long enough for every code width and several clears, and of a skew that grows the table slowly.
LZW_CASES = {
    "empty": b"",
    "one byte": b"a",
    "repeats": b"a" * 70_000,
    "random": bytes(sample("u1", 60_000)),
    "text": bytes(np.minimum(sample("u1", 60_000), 9)),
    **{f"{n} bytes": bytes(sample("u1", n)) for n in range(250, 262)},
}


@pytest.mark.parametrize("data", LZW_CASES.values(), ids=LZW_CASES)
def test_lzw_decodes_to_what_was_encoded(data: bytes) -> None:
    assert imagecodecs.lzw_decode(lzw_encode(data)) == data


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("encode", [lzw_encode, lzw_encode_old])
def test_gdal_decodes_lzw(encode: Callable[[bytes], bytes], predictor: int) -> None:
    smooth = np.add.outer(np.arange(300, dtype="u2"), np.arange(200, dtype="u2"))
    for array in (smooth, sample("u2", 300, 200)):
        data = image(array, compression=5, encode=encode, predictor=predictor, rows_per_strip=128)
        np.testing.assert_array_equal(by_gdal(data), array)


def test_gdal_decodes_old_lzw_at_every_change_of_width() -> None:
    for name, case in LZW_CASES.items():
        if case:
            array = np.frombuffer(case, "u1")[None, :]
            data = image(array, compression=5, encode=lzw_encode_old)
            np.testing.assert_array_equal(by_gdal(data), array, err_msg=name)


def test_sparse_blocks_have_neither_offset_nor_bytes() -> None:
    array = sample("u1", 32, 32) | 1
    data = image(array, tile=(16, 16), sparse={1, 2}, compression=8)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        assert [bool(n) for n in page.dataoffsets] == [True, False, False, True]
        assert [bool(n) for n in page.databytecounts] == [True, False, False, True]
    read = by_gdal(data)
    assert not read[:16, 16:].any()
    np.testing.assert_array_equal(read[16:, 16:], array[16:, 16:])


def test_a_block_may_encode_its_array() -> None:
    array = np.full((16, 16, 3), 77, "u1")
    data = image(
        array,
        compression=7,
        photometric=2,
        tile=(16, 16),
        encode_block=lambda block: imagecodecs.jpeg_encode(
            block, colorspace="rgb", outcolorspace="rgb"
        ),
    )
    np.testing.assert_array_equal(by_gdal(data), array)


@every_variant
def test_several_pictures_and_a_subifd(byteorder: str, big: bool) -> None:
    whole, half, sub = sample("u1", 40, 40), sample("u1", 20, 20), sample("u1", 10, 10)
    reduced = [entry(254, LONG, 1)]
    pictures = [
        Picture(whole, tile=(16, 16), extra_entries=[entry(330, LONG, directory_at(2))]),
        Picture(half, tile=(16, 16), extra_entries=reduced, next=0),
        Picture(sub, extra_entries=reduced),
    ]
    data = images(pictures, byteorder=byteorder, big=big)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert len(file.pages) == 2
        np.testing.assert_array_equal(file.pages[1].asarray(), half)
        assert file.pages.first.pages is not None
        np.testing.assert_array_equal(file.pages.first.pages[0].asarray(), sub)
    placed = layout(*parts(pictures, byteorder=byteorder, big=big), byteorder=byteorder, big=big)
    assert placed.data == data
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        assert sorted(dataset.overviews(1)) == [2, 4]  # GDAL takes SubIFDs for overviews too


@every_variant
def test_layout_says_where_things_lie(byteorder: str, big: bool) -> None:
    entries = [
        entry(270, ASCII, "a description"),
        entry(282, RATIONAL, (3, 2)),
        entry(256, SHORT, 7),
        entry(256, SHORT, (8, 9)),
        entry(273, LONG, block_at(0) + 1),
    ]
    made = layout(
        [Directory(entries, next=directory_at(0))],
        [b"block"],
        byteorder=byteorder,
        big=big,
        gap=1,
        align=1,
        trailing=b"end",
    )
    endian = "<" if byteorder == "II" else ">"

    def at(offset: int, fmt: str) -> tuple[Any, ...]:
        return struct.unpack_from(endian + fmt, made.data, offset)

    assert made.directories == (17 if big else 9,)
    assert made.data[made.values[0, 270] :].startswith(b"a description\0")
    assert at(made.values[0, 282], "II") == (3, 2)
    assert at(made.entries[0, 256], "HH" + ("Q" if big else "I") + "H") == (256, SHORT, 1, 7)
    assert at(made.values[0, 273], "I") == (made.blocks[0] + 1,)
    assert made.data[made.blocks[0] :] == b"blockend"
    assert at(made.blocks[0] - 1, "B") == (0,)


def test_entries_can_lie() -> None:
    made = layout(
        [
            Directory(
                [
                    entry(270, ASCII, "shared by both"),
                    entry(271, ASCII, offset=value_at(0, 270), count=6),
                ]
            ),
            Directory([entry(256, 99, raw=b"\1\2", count=5)], at=1000, count=3, next=12345),
        ]
    )
    assert struct.unpack_from("<HHII", made.data, made.entries[0, 271]) == (
        *(271, ASCII, 6),
        made.values[0, 270],
    )
    assert made.data[1000:] == struct.pack("<HHHI2s2xI", 3, 256, 99, 5, b"\1\2", 12345)


def test_parts_may_not_overlap() -> None:
    directory = Directory([entry(256, SHORT, 1)])
    with pytest.raises(ValueError, match="overlap at offset 10"):
        build([directory, Directory(directory.entries, at=10)])


def test_too_much_for_the_value_field() -> None:
    with pytest.raises(ValueError, match="tag 256: 5 bytes"):
        build([Directory([entry(256, BYTE, raw=b"12345")])])


def test_a_rational_may_be_a_pair_several_or_nowhere() -> None:
    one, two = entry(282, RATIONAL, (1, 2)), entry(282, RATIONAL, [(1, 2), (3, 4)])
    assert (one.count, two.count) == (1, 2)
    made = layout([Directory([entry(282, RATIONAL, offset=99, count=1)])])
    assert struct.unpack_from("<HHII", made.data, made.entries[0, 282]) == (282, RATIONAL, 1, 99)


def test_an_offset_can_be_moved() -> None:
    assert block_at(2) + 3 == At(kind="block", index=2, shift=3)


@pytest.mark.parametrize("distinct", [False, True])
def test_many_tiles(tmp_path: Path, distinct: bool) -> None:
    path = many_tiles(tmp_path / "many.tif", 100, 50, distinct=distinct)
    block = np.arange(256, dtype="u1").reshape(16, 16)
    with rasterio.open(path) as dataset:
        assert dataset.shape == (800, 1600)
        np.testing.assert_array_equal(dataset.read(1)[:16, :16], block)
        np.testing.assert_array_equal(dataset.read(1)[-16:, -16:], 0 if distinct else block)


# ---- servers and stores


def test_http_server_gives_ranges_and_keeps_a_log(http_server: HttpServer) -> None:
    http_server.put("a b/c.bin", b"0123456789")
    store = HTTPStore.from_url(http_server.url, client_options={"allow_http": True})
    path = "a b/c.bin"
    whole = store.get(path)
    assert whole.bytes() == b"0123456789"
    assert whole.meta["size"] == 10
    assert store.get_range(path, start=2, end=5) == b"234"
    assert store.get_range(path, start=8, length=99) == b"89"
    last = store.get(path, options={"range": {"suffix": 3}})
    assert last.bytes() == b"789"
    assert last.range == (7, 10)
    assert store.get(path, options={"range": {"offset": 6}}).bytes() == b"6789"
    assert store.head(path)["e_tag"] == whole.meta["e_tag"]
    assert (http_server.gets, http_server.heads, http_server.sent) == (5, 1, 10 + 3 + 2 + 3 + 4)
    first, second = http_server.requests[:2]
    assert (first.path, first.range, first.status) == (path, None, 200)
    assert (second.method, second.range, second.status, second.size) == ("GET", "bytes=2-4", 206, 3)


def test_http_server_tells_a_changed_file(http_server: HttpServer) -> None:
    http_server.put("a", b"before", modified=1_000_000_000)
    store = HTTPStore.from_url(http_server.url, client_options={"allow_http": True})
    before = store.head("a")
    assert before["last_modified"].timestamp() == 1_000_000_000
    assert store.get("a", options={"if_match": before["e_tag"]}).bytes() == b"before"
    http_server.put("a", b"after!")
    with pytest.raises(PreconditionError):
        store.get("a", options={"if_match": before["e_tag"]})
    with pytest.raises(PreconditionError):
        store.get("a", options={"if_unmodified_since": before["last_modified"]})
    assert [request.status for request in http_server.requests] == [200, 200, 412, 412]


def test_http_server_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.bin").write_bytes(b"0123456789")
    (tmp_path / "secret").write_bytes(b"no")
    with HttpServer(tmp_path / "served", ranges=False) as server:
        store = HTTPStore.from_url(server.url, client_options={"allow_http": True})
        assert store.get("a.bin").bytes() == b"0123456789"
        with pytest.raises(FileNotFoundError):
            store.get("missing")
        assert server.find("../secret") is None
        assert server.count("GET", "a.bin") == 1


@pytest.mark.asyncio
async def test_counting_store_counts_calls_ranges_and_bytes() -> None:
    store = CountingStore(MemoryStore())
    store.put("a", b"0123456789")
    result = await store.get_async("a", options={"range": (0, 4)})
    assert bytes(await result.bytes_async()) == b"0123"
    assert store.calls == [Call("get_async", "a", ((0, 4),), 4)]
    assert (store.gets, store.heads, store.size) == (1, 0, 4)
    store.clear()
    assert await store.get_ranges_async("a", starts=[1, 6], lengths=[2, 2]) == [b"12", b"67"]
    assert store.get_range("a", start=8, length=5) == b"89"
    store.get("a", options={"head": True})
    store.head("a")
    assert store.calls[0] == Call("get_ranges_async", "a", ((1, 3), (6, 8)), 4)
    assert (store.gets, store.heads, store.count("get_range")) == (2, 2, 1)
    assert store.calls[1] == Call("get_range", "a", ((8, 13),), 2)


@pytest.mark.asyncio
async def test_obspec_stores_are_obspec_only() -> None:
    store = ObspecStore({"a": b"0123456789"})
    result = await store.get_async("a", options={"range": {"suffix": 3}})
    assert (bytes(await result.buffer_async()), result.range) == (b"789", (7, 10))
    assert store.head("a")["size"] == 10
    assert [bytes(b) for b in store.get_ranges("a", starts=[0, 9], ends=[1, 20])] == [b"0", b"9"]
    with pytest.raises(FileNotFoundError):
        store.get("b")
    with pytest.raises(ValueError, match="has 10 bytes"):
        await store.get_range_async("a", start=10, length=1)
    assert not hasattr(result, "bytes_async")
    assert not hasattr(AsyncObspecStore(), "get")


@pytest.mark.asyncio
async def test_s3_put_and_get(s3: S3, tmp_path: Path) -> None:
    (tmp_path / "b.bin").write_bytes(b"uploaded")
    assert s3.put("folder/a.bin", b"0123456789") == "s3://bucket/folder/a.bin"
    assert s3.upload(tmp_path / "b.bin") == "s3://bucket/b.bin"
    assert await s3.store("folder").get_range_async("a.bin", start=3, end=5) == b"34"
    meta = await obstore.head_async(s3.store(), "b.bin")
    assert meta["size"] == 8
    with pytest.raises(PreconditionError):
        s3.store().get("b.bin", options={"if_match": '"other"'})
    other = s3.with_bucket("another")
    other.put("c", b"")
    assert [item["path"] for batch in other.store().list() for item in batch] == ["c"]
