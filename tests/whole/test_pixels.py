"""The pixels: what zarr reads from the virtual store is what the file holds."""

from __future__ import annotations

import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio
import zarr
from numpy.typing import NDArray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore, MemoryStore

from support.build import (
    ASCII,
    LONG,
    SHORT,
    Picture,
    block_at,
    entry,
    every_variant,
    image,
    images,
    lzw_encode,
    lzw_encode_old,
)
from support.http import HttpServer
from support.pixels import (
    LOCAL,
    bands_first,
    by_gdal,
    by_tifffile,
    read,
    stored_metadata,
    values,
    virtual,
    zarr_array,
)
from virtual_tiff import VirtualTIFF

ROOT = Path(__file__).parent.parent.parent
TESTDATA = ROOT / "testdata"
sys.path.append(str(ROOT / "scripts"))

from make_testdata import Row, pixels, rows  # noqa: E402 (a folder of scripts, no package)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

ROWS = rows()
MIB = 2**20

COMPRESSIONS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (1, bytes),
    "lzw": (5, imagecodecs.lzw_encode),
    "deflate": (8, zlib.compress),
    "old-deflate": (32946, zlib.compress),
    "packbits": (32773, imagecodecs.packbits_encode),
    "lzma": (34925, lambda data: lzma.compress(data, preset=0)),
    "zstd": (50000, imagecodecs.zstd_encode),
}
COMPRESSED = [name for name in COMPRESSIONS if name != "none"]
UNPREDICTED = ("none", "packbits")
"""Compressions under which libtiff does not look at Predictor."""

DATA_TYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"]
SHAPES: dict[str, tuple[int, int]] = {"one": (1, 1), "chunky": (3, 1), "planar": (3, 2)}
"""Name -> (SamplesPerPixel, PlanarConfiguration)."""
BLOCKS: dict[str, dict[str, Any]] = {
    "strips": {"rows_per_strip": 8},
    "tiles": {"tile": (16, 16)},
}
PIPELINES = ["BatchedCodecPipeline", "FusedCodecPipeline"]


def encoded(name: str) -> dict[str, Any]:
    """The options of `Picture` for a compression."""
    compression, encode = COMPRESSIONS[name]
    return {"compression": compression, "encode": encode}


def predictors(dtype: str, compression: str) -> tuple[int, ...]:
    """Predictors that are legal: 3 for floats, none for complex numbers."""
    if compression in UNPREDICTED or dtype.startswith("c"):
        return (1,)
    return (1, 2, 3) if dtype.startswith("f") else (1, 2)


def array_of(dtype: str, samples: int) -> NDArray[Any]:
    """21 x 29: neither a whole number of strips of 8 nor of tiles of 16."""
    return values(dtype, 21, 29, *([samples] if samples > 1 else []))


def pipeline(name: str) -> AbstractContextManager[Any]:
    return zarr.config.set({"codec_pipeline.path": f"zarr.core.codec_pipeline.{name}"})


every_compression = pytest.mark.parametrize("compression", COMPRESSIONS)
every_compressed = pytest.mark.parametrize("compression", COMPRESSED)
every_pipeline = pytest.mark.parametrize("path", PIPELINES)
every_block = pytest.mark.parametrize("block", BLOCKS)


# ---- testdata/


def same(found: NDArray[Any], truth: NDArray[Any]) -> bool:
    """Equal, (band, y, x) or (y, x) for one band."""
    nan = truth.dtype.kind in "fc"
    return found.size == truth.size and np.array_equal(
        found.reshape(truth.shape), truth, equal_nan=nan
    )


def by_gdal_directories(path: Path) -> Iterator[NDArray[Any]]:
    """The pixels of each directory of the chain; those of masks as GDAL shows them, 0 or 255."""
    number = 1
    while True:
        try:
            with rasterio.open(f"GTIFF_DIR:{number}:{path}") as dataset:
                yield dataset.read()
        except rasterio.errors.RasterioIOError:
            return
        number += 1


def of_chain(path: Path) -> list[NDArray[Any]]:
    store = VirtualTIFF()(path.as_uri(), LOCAL)
    names = [name for name in store.group.arrays if name.isdecimal()]
    return [np.asarray(zarr_array(store, name)[...]) for name in names]


@every_pipeline
@pytest.mark.parametrize("name", ROWS)
def test_each_directory_of_testdata_is_as_gdal_reads_it(name: str, path: str):
    with pipeline(path):
        found = of_chain(TESTDATA / name)
    wanted = list(by_gdal_directories(TESTDATA / name))
    right = [same(a * masked(b), b) for a, b in zip(found, wanted, strict=True)]
    assert right == [True] * len(wanted)


def masked(pixels_of_gdal: NDArray[Any]) -> int:
    """GDAL shows a mask's ones as 255."""
    return 255 if set(np.unique(pixels_of_gdal)) <= {0, 255} else 1


@pytest.mark.parametrize("name", ROWS)
def test_the_first_image_of_testdata_is_as_it_was_made(name: str):
    row = ROWS[name]
    found = of_chain(TESTDATA / name)[0]
    assert (found.dtype, same(found, pixels(row))) == (np.dtype(row.dtype), True)


def image_names(row: Row) -> list[str]:
    """The arrays of the images that `pixels` knows: pages, or SubIFDs of the first."""
    more = range(len(row.more))
    return ["0", *(f"0.{i}" if row.kind == "subifds" else f"{i + 1}" for i in more)]


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.more])
def test_pages_and_subifds_of_testdata_are_as_they_were_made(name: str):
    store = VirtualTIFF()((TESTDATA / name).as_uri(), LOCAL)
    found = {array: zarr_array(store, array)[...] for array in image_names(ROWS[name])}
    right = [same(image, pixels(ROWS[name], i)) for i, image in enumerate(found.values())]
    assert right == [True] * (1 + len(ROWS[name].more))


# ---- the matrix


@pytest.mark.long
@every_compression
@pytest.mark.parametrize("dtype", DATA_TYPES)
def test_every_combination_gives_the_pixels_back(dtype: str, compression: str):
    wrong = [
        case
        for case in product(predictors(dtype, compression), SHAPES, ("II", "MM"), BLOCKS)
        if not reads_back(dtype, compression, *case)
    ]
    assert wrong == []


def reads_back(
    dtype: str, compression: str, predictor: int, shape: str, byteorder: str, block: str
) -> bool:
    samples, planar = SHAPES[shape]
    array = array_of(dtype, samples)
    data = image(
        array,
        byteorder=byteorder,
        big=block == "tiles",
        predictor=predictor,
        planar=planar,
        **encoded(compression),
        **BLOCKS[block],
    )
    found = read(data)
    return found.dtype == array.dtype and np.array_equal(found, bands_first(array))


@every_compression
@pytest.mark.parametrize("predictor", [2, 3])
def test_gdal_reads_the_same_of_the_matrix(compression: str, predictor: int):
    if compression in UNPREDICTED:
        predictor = 1
    array = array_of("f4", 3)
    data = image(array, predictor=predictor, tile=(16, 16), **encoded(compression))
    assert np.array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("compression", UNPREDICTED)
def test_a_predictor_under_a_compression_that_has_none_is_ignored_as_in_gdal(compression: str):
    array = values("u2", 21, 29)
    predicted = entry(317, SHORT, 2)
    data = image(array, rows_per_strip=8, extra_entries=[predicted], **encoded(compression))
    assert np.array_equal(by_gdal(data), array)
    assert np.array_equal(read(data), array)


@pytest.mark.parametrize("shape", [(1, 1), (1, 29), (21, 1), (16, 16), (17, 31), (8, 29)])
@pytest.mark.parametrize("predictor", [1, 2])
@every_block
def test_small_and_odd_images(shape: tuple[int, int], predictor: int, block: str):
    array = values("i2", *shape)
    data = image(array, compression=8, predictor=predictor, **BLOCKS[block])
    assert np.array_equal(read(data), array)


@pytest.mark.parametrize("samples", [2, 4, 5, 7, 30])
@pytest.mark.parametrize("planar", [1, 2])
@every_block
def test_any_number_of_samples(samples: int, planar: int, block: str):
    array = values("u2", 21, 29, samples)
    data = image(array, compression=8, predictor=2, planar=planar, **BLOCKS[block])
    assert np.array_equal(read(data), bands_first(array))


@every_variant
def test_every_variant(byteorder: str, big: bool):
    array = values("f8", 21, 29)
    data = image(array, byteorder=byteorder, big=big, compression=5, predictor=3, rows_per_strip=8)
    assert np.array_equal(read(data), array)


@pytest.mark.parametrize("tile", [(16, 48), (48, 16), (16, 32), (64, 64), (5, 7)])
def test_tiles_that_are_not_square(tile: tuple[int, int]):
    array = values("u2", 40, 50)
    assert np.array_equal(read(image(array, tile=tile, compression=8, predictor=2)), array)


def test_a_window_is_read_from_the_blocks_it_touches():
    array = values("u2", 40, 50)
    found = zarr_array(virtual(image(array, tile=(16, 16), compression=8)))[10:20, 30:49]
    assert np.array_equal(found, array[10:20, 30:49])


def test_nan_and_infinities_pass_unchanged():
    array = np.array([[np.nan, np.inf, -np.inf, -0.0, 1e-45]], "f4")
    found = read(image(array, compression=8, predictor=3))
    assert found.tobytes() == array.tobytes()


# ---- LZW of two kinds


def smooth(length: int) -> NDArray[np.uint8]:
    """Values with enough repetition for codes of all widths."""
    y, x = np.indices((length, 200))
    return (x * y // 37 + x // 3).astype("u1")


@pytest.mark.parametrize("encode", [lzw_encode, lzw_encode_old])
@pytest.mark.parametrize("length", [1, 8, 200], ids=lambda length: f"{length} rows")
def test_lzw_of_either_bit_order(encode: Callable[[bytes], bytes], length: int):
    array = smooth(length)
    assert np.array_equal(read(image(array, compression=5, encode=encode)), array)


@pytest.mark.parametrize("predictor", [1, 2])
def test_lzw_of_the_old_bit_order_is_as_gdal_reads_it(predictor: int):
    array = smooth(60)
    data = image(array, compression=5, encode=lzw_encode_old, predictor=predictor, rows_per_strip=7)
    assert np.array_equal(by_gdal(data), array)
    assert np.array_equal(read(data), array)


@pytest.mark.parametrize("encode", [lzw_encode, lzw_encode_old])
def test_lzw_whose_table_runs_full_several_times(encode: Callable[[bytes], bytes]):
    array = values("u1", 150, 150)
    assert np.array_equal(read(image(array, compression=5, encode=encode)), array)


# ---- sparse blocks


def nodata(text: str) -> list[Any]:
    return [entry(42113, ASCII, text)]


def without_blocks(array: NDArray[Any], missing: Any) -> NDArray[Any]:
    """32 x 32 in four blocks of 16 x 16; block 1 and block 2 are missing."""
    truth = array.copy()
    truth[:16, 16:], truth[16:, :16] = missing, missing
    return truth


@every_compression
def test_missing_tiles_are_0(compression: str):
    array = values("u2", 32, 32)
    data = image(array, tile=(16, 16), sparse={1, 2}, **encoded(compression))
    assert np.array_equal(read(data), without_blocks(array, 0))


@pytest.mark.parametrize("dtype", DATA_TYPES)
def test_missing_tiles_are_nodata_as_in_gdal(dtype: str):
    array = values(dtype, 32, 32)
    data = image(array, tile=(16, 16), compression=8, sparse={1, 2}, extra_entries=nodata("7"))
    assert np.array_equal(read(data), without_blocks(array, 7))
    assert np.array_equal(by_gdal(data), without_blocks(array, 7))


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        ("i2", "-9999"),
        ("u8", "18446744073709551615"),
        ("i8", "-9223372036854775808"),
        ("i8", "9007199254740993"),
        ("f4", "-3.4028234663852886e+38"),
        ("f4", "nan"),
        ("f8", "inf"),
        ("f8", "-inf"),
        ("c8", "0.5"),
    ],
)
def test_missing_tiles_are_this_nodata_as_in_gdal(dtype: str, text: str):
    array = values(dtype, 32, 32)
    data = image(array, tile=(16, 16), compression=8, sparse={1, 2}, extra_entries=nodata(text))
    assert same(read(data), by_gdal(data))


def test_missing_strips_are_0():
    array = values("u2", 21, 29)
    truth = array.copy()
    truth[8:16] = 0
    assert np.array_equal(read(image(array, rows_per_strip=8, sparse={1})), truth)


def test_a_missing_last_strip_is_0():
    array = values("u2", 21, 29)
    truth = array.copy()
    truth[16:] = 0
    assert np.array_equal(read(image(array, rows_per_strip=8, sparse={2}, compression=8)), truth)


def test_a_missing_plane_is_0():
    array = values("u1", 21, 29, 3)
    truth = array.copy()
    truth[:, :, 1] = 0
    data = image(array, planar=2, sparse={1})
    assert np.array_equal(read(data), bands_first(truth))


@every_block
def test_an_image_of_missing_blocks_is_nodata(block: str):
    array = values("i2", 40, 50)
    data = image(array, sparse=range(50), extra_entries=nodata("-1"), **BLOCKS[block])
    assert np.array_equal(read(data), np.full_like(array, -1))


# ---- last strips


@every_compression
def test_a_full_last_strip_is_cut_off(compression: str):
    array = values("u2", 21, 29)
    data = image(array, rows_per_strip=8, full_last_strip=True, **encoded(compression))
    assert np.array_equal(read(data), array)


@every_compression
@pytest.mark.parametrize("rows_per_strip", [22, 1000, 2**31, 2**32 - 1])
def test_rows_per_strip_beyond_the_image_are_one_strip(compression: str, rows_per_strip: int):
    array = values("u2", 21, 29)
    huge = entry(278, LONG, rows_per_strip)
    data = image(array, extra_entries=[huge], **encoded(compression))
    assert np.array_equal(read(data), array)


@every_compression
def test_without_rows_per_strip_there_is_one_strip(compression: str):
    array = values("u2", 21, 29)
    assert np.array_equal(read(image(array, without=[278], **encoded(compression))), array)


@every_compression
@pytest.mark.parametrize("rows_per_strip", range(1, 22, 3))
def test_any_number_of_rows_in_a_strip(compression: str, rows_per_strip: int):
    array = values("u2", 21, 29)
    data = image(array, rows_per_strip=rows_per_strip, predictor=1, **encoded(compression))
    assert np.array_equal(read(data), array)


@every_compressed
@pytest.mark.parametrize("planar", [1, 2])
def test_a_short_last_strip_of_several_samples(compression: str, planar: int):
    array = values("u2", 21, 29, 3)
    data = image(array, rows_per_strip=8, planar=planar, **encoded(compression))
    assert np.array_equal(read(data), bands_first(array))


# ---- uncompressed strips become larger chunks


def chunk_shape(store: Any, name: str = "0") -> tuple[int, ...]:
    metadata = stored_metadata(store, name)
    return tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])


def chunk_bytes(store: Any) -> list[int]:
    """Bytes in the file of each chunk."""
    return [found["length"] for found in store.group.arrays["0"].manifest.dict().values()]


def strips(array: NDArray[Any], **options: Any) -> bytes:
    """Strips that touch each other."""
    return image(array, **{"align": 1, "rows_per_strip": 1, **options})


@pytest.mark.parametrize("rows_per_strip", [1, 7, 16, 2999, 3000])
def test_a_large_image_becomes_chunks_of_1_to_8_mib(rows_per_strip: int):
    array = values("u1", 3000, 3001)
    store = virtual(strips(array, rows_per_strip=rows_per_strip))
    sizes = chunk_bytes(store)
    assert sum(sizes) == array.nbytes
    assert [MIB <= size <= 8 * MIB for size in sizes] == [True] * len(sizes)
    assert np.array_equal(zarr_array(store)[...], array)


def test_a_length_with_a_useful_divisor_needs_no_codec_of_ours():
    store = virtual(strips(values("u1", 3000, 3001)))
    assert [codec["name"] for codec in stored_metadata(store)["codecs"]] == ["bytes"]


def test_a_small_image_is_one_chunk():
    array = values("u2", 21, 29)
    store = virtual(strips(array))
    assert (chunk_shape(store), chunk_bytes(store)) == ((21, 29), [array.nbytes])


@pytest.mark.long
@pytest.mark.parametrize("shape", [(10007, 1009), (1009, 10007), (20011, 503), (2503, 8192)])
def test_a_prime_number_of_rows_needs_no_codec_of_ours(shape: tuple[int, int]):
    array = values("u1", *shape)
    store = virtual(strips(array))
    assert [codec["name"] for codec in stored_metadata(store)["codecs"]] == ["bytes"]
    assert chunk_shape(store)[0] in (1, shape[0])
    assert np.array_equal(zarr_array(store)[...], array)


@pytest.mark.parametrize("shape", [(8191, 2053)])
def test_a_prime_number_of_rows_of_few_bytes(shape: tuple[int, int]):
    array = values("u1", *shape)
    store = virtual(strips(array))
    *whole, last = chunk_bytes(store)
    assert [MIB <= size <= 8 * MIB for size in whole] == [True] * len(whole)
    assert (sum(whole) + last, last <= 8 * MIB) == (array.nbytes, True)
    assert np.array_equal(zarr_array(store)[...], array)


def test_a_row_of_more_than_8_mib_is_a_chunk():
    array = values("u1", 3, 8 * MIB + 1)
    store = virtual(strips(array))
    assert chunk_bytes(store) == [8 * MIB + 1] * 3
    assert np.array_equal(zarr_array(store)[...], array)


@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("planar", [1, 2])
def test_several_samples_are_merged(byteorder: str, planar: int):
    array = values("u2", 21, 29, 3)
    store = virtual(strips(array, byteorder=byteorder, planar=planar, rows_per_strip=8))
    assert chunk_shape(store) == ((3, 21, 29) if planar == 1 else (1, 21, 29))
    assert np.array_equal(zarr_array(store)[...], bands_first(array))


def test_files_that_differ_in_rows_per_strip_have_one_grid():
    array = values("u1", 3000, 3001)
    grids = {chunk_shape(virtual(strips(array, rows_per_strip=rows))) for rows in (1, 5, 64, 3000)}
    assert len(grids) == 1


@pytest.mark.parametrize("rows_per_strip", [1, 5, 8, 21])
def test_without_merging_there_is_a_chunk_for_each_strip(rows_per_strip: int):
    array = values("u2", 21, 29)
    store = virtual(strips(array, rows_per_strip=rows_per_strip), merge_strips=False)
    assert chunk_shape(store) == (rows_per_strip, 29)
    assert len(chunk_bytes(store)) == -(-21 // rows_per_strip)
    assert np.array_equal(zarr_array(store)[...], array)


def test_strips_with_gaps_between_them_are_not_merged():
    array = values("u1", 21, 29)
    store = virtual(strips(array, rows_per_strip=8, gap=3))
    assert (chunk_shape(store), chunk_bytes(store)) == ((8, 29), [232, 232, 145])
    assert np.array_equal(zarr_array(store)[...], array)


def test_strips_in_another_order_are_not_merged():
    array = values("u1", 24, 29)
    reversed_ = [block_at(i) for i in (2, 1, 0)]
    store = virtual(strips(array, rows_per_strip=8, extra_entries=[entry(273, LONG, reversed_)]))
    assert chunk_shape(store) == (8, 29)
    assert np.array_equal(zarr_array(store)[...], np.vstack([array[16:], array[8:16], array[:8]]))


def test_strips_of_which_one_is_missing_are_not_merged():
    store = virtual(strips(values("u1", 24, 29), rows_per_strip=8, sparse={1}))
    assert chunk_shape(store) == (8, 29)


def test_compressed_strips_are_not_merged():
    store = virtual(strips(values("u1", 24, 29), rows_per_strip=8, compression=8))
    assert chunk_shape(store) == (8, 29)


def test_tiles_are_not_merged():
    store = virtual(image(values("u1", 64, 16), tile=(16, 16)))
    assert chunk_shape(store) == (16, 16)


# ---- offsets that are wrong


def with_offsets(block: str, offsets: list[Any], compression: str = "none") -> bytes:
    """24 x 32 in three strips or four tiles; those not listed are where they should be."""
    array = values("u2", 24, 32)
    options = {**BLOCKS[block], **encoded(compression)}
    count = len(list(Picture(array, **BLOCKS[block]).blocks()))
    all_offsets = [*offsets, *(block_at(i) for i in range(len(offsets), count))]
    tag = 273 if block == "strips" else 324
    return image(array, extra_entries=[entry(tag, LONG, all_offsets)], **options)


@every_block
@every_compression
@pytest.mark.parametrize("offset", [100_000, 2**32 - 2])
def test_a_block_past_the_end_is_an_error_at_read(block: str, compression: str, offset: int):
    array = zarr_array(virtual(with_offsets(block, [offset], compression)))
    with pytest.raises(OSError, match="0/c/0/0"):
        array[...]


@every_block
def test_the_other_blocks_of_such_a_file_can_be_read(block: str):
    array = zarr_array(virtual(with_offsets(block, [100_000])))
    assert np.array_equal(array[16:, 16:], values("u2", 24, 32)[16:, 16:])


@every_block
@every_pipeline
def test_a_local_block_past_the_end_is_an_error_at_read(tmp_path: Path, block: str, path: str):
    (tmp_path / "a.tif").write_bytes(with_offsets(block, [100_000]))
    array = zarr_array(VirtualTIFF()((tmp_path / "a.tif").as_uri(), LOCAL))
    with pipeline(path), pytest.raises(OSError, match="0/c/0/0"):
        array[...]


def test_a_block_past_the_end_is_an_error_over_http(http_server: HttpServer):
    url = http_server.put("a.tif", with_offsets("tiles", [100_000]))
    store = HTTPStore.from_url(http_server.url, client_options={"allow_http": True})
    array = zarr_array(VirtualTIFF()(url, ObjectStoreRegistry({http_server.url: store})))
    with pytest.raises(OSError, match="0/c/0/0"):
        array[...]


@every_block
@every_compression
def test_a_block_that_the_end_cuts_is_an_error_at_read(block: str, compression: str):
    whole = with_offsets(block, [], compression)
    array = zarr_array(virtual(whole[:-5]))
    with pytest.raises(ValueError, match="block"):
        array[...]


@every_block
def test_a_block_at_offset_0_is_what_lies_there_as_in_gdal(block: str):
    data = with_offsets(block, [0])
    assert np.array_equal(read(data), by_gdal(data))


@every_block
@every_compressed
def test_a_compressed_block_at_offset_0_is_no_block(block: str, compression: str):
    data = with_offsets(block, [0], compression)
    if compression == "packbits":  # any bytes are PackBits: the file's header is, too
        np.testing.assert_array_equal(read(data), by_gdal(data))
        return
    with pytest.raises(ValueError, match="block"):
        zarr_array(virtual(data))[...]


def test_a_file_that_was_deleted_is_an_error_at_read(tmp_path: Path):
    (tmp_path / "a.tif").write_bytes(image(values("u1", 5, 7)))
    array = zarr_array(VirtualTIFF()((tmp_path / "a.tif").as_uri(), LOCAL))
    (tmp_path / "a.tif").unlink()
    with pytest.raises(FileNotFoundError):
        array[...]


def test_the_error_at_read_names_the_url():
    with pytest.raises(OSError, match="0/c/0/0") as caught:
        read(with_offsets("tiles", [100_000]))
    assert "memory:///a.tif" in str(caught.value)


# ---- blocks that are damaged


def spoiled(compression: str, spoil: Callable[[bytes], bytes], block: str = "strips") -> bytes:
    """A file whose blocks went through `spoil` behind their encoder."""
    number, encode = COMPRESSIONS[compression]
    return image(
        smooth(24)[:, :32],
        compression=number,
        encode=lambda data: spoil(encode(data)),
        **BLOCKS[block],
    )


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda data: data[: len(data) // 2],
    "one byte": lambda data: data[:1],
    "zeros": lambda data: bytes(len(data)),
    "ones": lambda data: b"\xff" * len(data),
}


@every_compressed
@pytest.mark.parametrize("damage", DAMAGES)
@every_block
@every_pipeline
def test_a_damaged_block_is_an_error_at_read(compression: str, damage: str, block: str, path: str):
    array = zarr_array(virtual(spoiled(compression, DAMAGES[damage], block)))
    with pipeline(path), pytest.raises(ValueError, match="block"):
        array[...]


@pytest.mark.parametrize("compression", ["deflate", "old-deflate"])
def test_a_damaged_deflate_block_is_a_value_error(compression: str):
    with pytest.raises(ValueError, match="does not decode"):
        read(spoiled(compression, DAMAGES["half"]))


def test_no_damage_is_no_error():
    found = [read(spoiled(name, bytes)) for name in COMPRESSIONS]
    assert [np.array_equal(pixels, smooth(24)[:, :32]) for pixels in found] == [True] * 7


LENGTHS: dict[str, Callable[[bytes], bytes]] = {
    "one byte": lambda data: data[:1],
    "a byte less": lambda data: data[:-1],
    "a row less": lambda data: data[:-32],
}
LONGER: dict[str, Callable[[bytes], bytes]] = {
    "a byte more": lambda data: data + b"\0",
    "a row more": lambda data: data + bytes(32),
    "twice": lambda data: data + data,
}
"""Data that go on when the block is full, as some writers' do: GDAL stops there, and so do we."""


def of_other_length(compression: str, change: Callable[[bytes], bytes], block: str) -> bytes:
    """A file whose blocks decode to `change` of what they should."""
    number, encode = COMPRESSIONS[compression]
    options = {"compression": number, "encode": lambda data: encode(change(data))}
    return image(values("u1", 24, 32), **options, **BLOCKS[block])


@every_compressed
@pytest.mark.parametrize("length", LENGTHS)
@every_block
def test_a_block_that_decodes_to_less_is_an_error(compression: str, length: str, block: str):
    array = zarr_array(virtual(of_other_length(compression, LENGTHS[length], block)))
    with pytest.raises(ValueError, match="block"):
        array[...]


@every_compressed
@pytest.mark.parametrize("length", LONGER)
@every_block
def test_a_block_that_goes_on_is_cut(compression: str, length: str, block: str):
    found = read(of_other_length(compression, LONGER[length], block))
    np.testing.assert_array_equal(found, values("u1", 24, 32))


@every_compressed
@pytest.mark.parametrize("length", LENGTHS)
def test_a_last_strip_that_is_too_short_is_an_error(compression: str, length: str):
    array = zarr_array(virtual(of_other_last(compression, LENGTHS[length])))
    with pytest.raises(ValueError, match="block"):
        array[...]


@every_compressed
@pytest.mark.parametrize("length", LONGER)
def test_a_last_strip_that_goes_on_is_cut(compression: str, length: str):
    found = read(of_other_last(compression, LONGER[length]))
    np.testing.assert_array_equal(found, values("u1", 21, 32))


def of_other_last(compression: str, change: Callable[[bytes], bytes]) -> bytes:
    """A file whose last strip, a short one, decodes to `change` of what it should."""
    number, encode = COMPRESSIONS[compression]

    def change_the_last(data: bytes) -> bytes:
        return encode(change(data) if len(data) == 5 * 32 else data)

    return image(values("u1", 21, 32), compression=number, encode=change_the_last, rows_per_strip=8)


@pytest.mark.parametrize("predictor", [2, 3])
@pytest.mark.parametrize("length", ["a byte less", "a row less", "a byte more", "a row more"])
def test_another_length_behind_a_predictor(predictor: int, length: str):
    data = image(
        values("f4", 24, 32),
        compression=8,
        encode=lambda block: zlib.compress((LENGTHS | LONGER)[length](block)),
        predictor=predictor,
        rows_per_strip=8,
    )
    if length in LONGER:
        np.testing.assert_array_equal(read(data), values("f4", 24, 32))
        return
    with pytest.raises(ValueError, match="block"):
        read(data)


@pytest.mark.parametrize("length", ["a byte less", "a row less"])
@every_block
def test_a_byte_count_that_is_too_small_is_read_on_as_gdal_does(length: str, block: str):
    tag = 279 if block == "strips" else 325
    whole = 8 * 32 if block == "strips" else 16 * 16
    less = len(LENGTHS[length](bytes(whole)))
    counts = entry(tag, LONG, [whole, whole, less] if block == "strips" else [less] + 3 * [whole])
    data = image(values("u1", 24, 32), extra_entries=[counts], **BLOCKS[block])
    np.testing.assert_array_equal(read(data), values("u1", 24, 32))
    np.testing.assert_array_equal(by_gdal(data), values("u1", 24, 32))


# ---- pipelines


@every_compression
@every_pipeline
def test_both_pipelines_give_the_pixels(compression: str, path: str):
    with pipeline(path):
        wrong = [
            (dtype, predictor, shape)
            for dtype, shape in product(("u2", "f4", "c8"), SHAPES)
            for predictor in predictors(dtype, compression)
            if not reads_back(dtype, compression, predictor, shape, "MM", "strips")
        ]
    assert wrong == []


@every_pipeline
def test_both_pipelines_fill_missing_blocks(path: str):
    array = values("u2", 32, 32)
    with pipeline(path):
        found = read(image(array, tile=(16, 16), sparse={1, 2}, extra_entries=nodata("7")))
    assert np.array_equal(found, without_blocks(array, 7))


# ---- several images of one file


def test_each_page_has_its_own_form():
    pages = [
        Picture(values("u1", 21, 29), rows_per_strip=8),
        Picture(values("f4", 40, 50), tile=(16, 16), compression=8, predictor=3),
        Picture(values("i2", 9, 10, 3), compression=5, planar=2),
    ]
    store = virtual(images(pages))
    found = [np.asarray(zarr_array(store, name)[...]) for name in "012"]
    truth = [bands_first(page.array) for page in pages]
    assert [np.array_equal(a, b) for a, b in zip(found, truth, strict=True)] == [True] * 3


def test_min_is_white_is_not_turned_round_as_in_gdal():
    array = values("u1", 21, 29)
    data = image(array, photometric=0)
    assert np.array_equal(read(data), array)
    assert np.array_equal(by_gdal(data), array)


def test_tifffile_agrees_with_the_builder():
    array = values("u2", 21, 29)
    data = image(array, compression=5, predictor=2, rows_per_strip=8)
    assert np.array_equal(by_tifffile(data), array)


def test_a_pixel_read_from_two_stores_of_one_registry():
    first, second = MemoryStore(), MemoryStore()
    first.put("a.tif", image(np.full((4, 4), 1, "u1")))
    second.put("a.tif", image(np.full((4, 4), 2, "u1")))
    registry = ObjectStoreRegistry({"s3://first": first, "s3://second": second})
    found = [
        zarr_array(VirtualTIFF()(f"s3://{name}/a.tif", registry))[0, 0]
        for name in ("first", "second")
    ]
    assert found == [1, 2]
