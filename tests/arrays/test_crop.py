"""A part of an image: its blocks alone, and rasterio's pixels of the same window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.windows
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from virtualizarr.manifests import ChunkManifest, ManifestArray, ManifestGroup
from zarr.core.metadata.v3 import ArrayV3Metadata

from support.build import LONG, SHORT, Picture, entry, image, many_tiles
from support.pixels import directory, in_memory, values, zarr_array
from virtual_tiff import codec_table
from virtual_tiff.arrays.chunks import ChunkPlan, plan_chunks
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.arrays.selection.region import Region, check_whole, crop
from virtual_tiff.store import CheckedManifestStore
from virtual_tiff.tiff import BlockGrid, BlockLayout, UnsupportedError, block_layout

LENGTH, WIDTH, BANDS = 53, 41, 3


def written(pixels: NDArray[Any], **options: Any) -> bytes:
    """A TIFF of pixels (band, y, x) as GDAL writes it."""
    bands, length, width = pixels.shape
    profile = {"driver": "GTiff", "count": bands, "height": length, "width": width, **options}
    with rasterio.MemoryFile() as file:
        with file.open(dtype=pixels.dtype, **profile) as dataset:
            dataset.write(pixels)
        data: bytes = file.read()
    return data


def layout_of(data: bytes) -> BlockLayout:
    return block_layout(directory(data), file_size=len(data))


def plan_of(data: bytes, layout: BlockLayout) -> ChunkPlan:
    row = codec_table.check(directory(data))
    return plan_chunks(
        layout,
        uncompressed=row.uncompressed,
        short_tiles=row.short_tiles,
        merge_strips=True,
        file_size=len(data),
    )


def read_part(data: bytes, region: Region | None, samples: list[int] | None) -> NDArray[Any]:
    """The pixels of a part, (band, y, x), read by Zarr from its blocks alone."""
    ifd = directory(data)
    check_whole(ifd)
    layout = crop(layout_of(data), region, samples)
    grid, chunks = layout.grid, plan_of(data, layout)
    steps = codec_table.codecs(
        ifd, grid, data_type(ifd), length=chunks.length, last_length=chunks.last_length
    )
    chunk_shape = [grid.block_samples, chunks.length, chunks.width]
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [grid.samples, grid.image_length, grid.image_width],
        "data_type": data_type(ifd),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk_shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": [0, 0] if data_type(ifd).startswith("complex") else 0,
        "codecs": steps,
        "attributes": {},
    }
    paths = np.where(chunks.byte_counts > 0, "memory:///a.tif", "")
    manifest = ChunkManifest.from_arrays(
        paths=paths.astype(np.dtypes.StringDType()),
        offsets=chunks.offsets,
        lengths=chunks.byte_counts,
    )
    array = ManifestArray(metadata=ArrayV3Metadata.from_dict(metadata), chunkmanifest=manifest)
    group = ManifestGroup(arrays={"0": array})
    store = CheckedManifestStore(group=group, registry=in_memory({"a.tif": data}))
    return np.asarray(zarr_array(store)[...])


def by_rasterio(data: bytes, region: Region, samples: list[int] | None) -> NDArray[Any]:
    window = rasterio.windows.Window(region.column, region.row, region.width, region.length)
    indexes = None if samples is None else [sample + 1 for sample in samples]
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        pixels: NDArray[Any] = dataset.read(indexes, window=window)
    return pixels


def regions(grid: BlockGrid) -> list[Region]:
    """One block from each corner and from the middle, the left half, the foot, everything."""
    last_row, last_column = grid.image_length - 1, grid.image_width - 1
    corners = [(0, 0), (0, last_column), (last_row, 0), (last_row, last_column)]
    found = [
        Region(row=row, column=column, length=1, width=1).snapped(grid)
        for row, column in [*corners, (last_row // 2, last_column // 2)]
    ]
    inner = Region(row=grid.block_length, column=0, length=grid.block_length + 1, width=1)
    foot = Region(row=last_row - grid.block_length, column=0, length=grid.block_length + 1, width=9)
    whole = Region(row=0, column=0, length=grid.image_length, width=grid.image_width)
    return [*found, inner.snapped(grid), foot.snapped(grid), whole]


TILES = {"tiled": True, "blockxsize": 16, "blockysize": 16}
STRIPS = {"tiled": False, "blockysize": 16}
BLOCKS = [pytest.param(STRIPS, id="strips"), pytest.param(TILES, id="tiles")]
COMPRESSIONS: list[tuple[str, dict[str, Any]]] = [
    ("uint8", {}),
    ("int16", {"endianness": "big"}),
    ("float64", {}),
    ("complex64", {"compress": "deflate"}),
    ("uint16", {"compress": "deflate", "predictor": 2}),
    ("float32", {"compress": "lzw", "predictor": 3}),
    ("uint8", {"compress": "packbits"}),
    ("uint16", {"compress": "zstd"}),
    ("uint8", {"compress": "lzw", "nbits": 1}),
    ("uint16", {"nbits": 12}),
    ("uint8", {"compress": "jpeg"}),
    ("float32", {"compress": "lerc", "max_z_error": 0}),
]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize(
    ("dtype", "options"),
    COMPRESSIONS,
    ids=["-".join([dtype, *map(str, options.values())]) for dtype, options in COMPRESSIONS],
)
def test_a_part_has_the_pixels_that_rasterio_reads(
    dtype: str, options: dict[str, Any], blocks: dict[str, Any], interleave: str
):
    pixels = values(dtype, BANDS, LENGTH, WIDTH)
    if "nbits" in options:
        pixels = pixels & (2 ** options["nbits"] - 1)
    data = written(pixels, interleave=interleave, **blocks, **options)
    samples: list[list[int] | None] = [None] if interleave == "pixel" else [None, [2, 0], [1]]
    for i, region in enumerate(regions(layout_of(data).grid)):
        some = samples[i % len(samples)]
        expected = by_rasterio(data, region, some)
        np.testing.assert_array_equal(read_part(data, region, some), expected)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("blocks", BLOCKS)
def test_a_part_of_subsampled_jpeg_has_the_pixels_of_the_whole(blocks: dict[str, Any]):
    pixels = np.repeat(np.repeat(values("uint8", BANDS, 7, 6), 8, axis=1), 7, axis=2)
    data = written(pixels, photometric="ycbcr", compress="jpeg", interleave="pixel", **blocks)
    whole = read_part(data, None, None)
    for region in regions(layout_of(data).grid):
        (bottom, right), top, left = region.ends, region.row, region.column
        np.testing.assert_array_equal(
            read_part(data, region, None), whole[:, top:bottom, left:right]
        )


# Strips: where the foot is within the part, and where it is not


def strips(rows: int, **options: Any) -> bytes:
    """53 x 41 pixels in strips of so many rows, one behind another."""
    return image(values("uint8", LENGTH, WIDTH), rows_per_strip=rows, **options)


def rows(first: int, last: int) -> Region:
    return Region(row=first, column=0, length=last - first, width=WIDTH)


@pytest.mark.parametrize(
    ("first", "last", "short"),
    [(0, 48, 16), (16, 53, 5), (48, 53, 5)],
    ids=["without the foot", "with the foot", "the foot alone"],
)
def test_only_the_foot_of_the_image_has_fewer_rows(first: int, last: int, short: int):
    layout = crop(layout_of(strips(16, compression=8)), rows(first, last))
    assert (layout.grid.block_length, layout.grid.last_length) == (16, short)


@pytest.mark.parametrize(("first", "last"), [(0, 48), (16, 53), (16, 32), (48, 53)])
def test_uncompressed_strips_of_a_part_are_one_run(first: int, last: int):
    data = strips(16)
    start = layout_of(data).offsets[first // 16]
    chunks = plan_of(data, crop(layout_of(data), rows(first, last)))
    assert (chunks.length, chunks.last_length) == (last - first, last - first)
    assert chunks.offsets.ravel().tolist() == [start]
    assert chunks.byte_counts.ravel().tolist() == [(last - first) * WIDTH]


def test_a_lost_end_of_the_file_does_not_keep_strips_before_it_from_being_one_run():
    whole = strips(16)
    data = whole[: layout_of(whole).offsets[3] + 7]
    assert plan_of(whole, crop(layout_of(data), rows(0, 48))).length == 48
    np.testing.assert_array_equal(
        read_part(data, rows(0, 48), None)[0], values("uint8", LENGTH, WIDTH)[:48]
    )


def test_a_missing_block_stays_missing():
    pixels = values("uint8", 48, 48).copy()
    data = image(pixels, tile=(16, 16), sparse=[4, 8])
    pixels[16:32, 16:32] = pixels[32:, 32:] = 0
    part = Region(row=16, column=16, length=32, width=16)
    np.testing.assert_array_equal(read_part(data, part, None)[0], pixels[16:, 16:32])


def test_tiles_of_the_foot_that_end_with_the_image_are_padded_there_alone():
    """Some writers leave out rows below the image; only the last row of tiles is so short."""
    pixels = values("uint8", 24, 32)
    full = image(pixels, tile=(16, 16))
    layout = layout_of(full)
    short = memoryview(np.array([256, 256, 128, 128], np.uint64))
    cut = BlockLayout(grid=layout.grid, offsets=layout.offsets, byte_counts=short)
    foot = crop(cut, Region(row=16, column=16, length=8, width=16))
    top = crop(cut, Region(row=0, column=16, length=16, width=16))
    assert plan_of(full, foot).last_length == 8
    assert plan_of(full, top).last_length == 16


# The arithmetic


@st.composite
def cuts(draw: st.DrawFn) -> tuple[BlockLayout, Region, list[int] | None]:
    """Blocks that are numbered by their offsets, a region of whole ones, and some planes."""
    length, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    tile = draw(st.booleans())
    samples, planar = draw(st.integers(1, 4)), draw(st.booleans())
    grid = BlockGrid(
        kind="tile" if tile else "strip",
        image_length=length,
        image_width=width,
        samples=samples,
        planes=samples if planar else 1,
        block_length=draw(st.integers(1, 20)) if tile else draw(st.integers(1, length)),
        block_width=draw(st.integers(1, 20)) if tile else width,
        bits=8,
    )
    numbers = np.arange(grid.count, dtype=draw(st.sampled_from(["u2", "u4", "u8", "i4"])))
    layout = BlockLayout(grid=grid, offsets=memoryview(numbers), byte_counts=memoryview(numbers))
    row, column = draw(st.integers(0, length - 1)), draw(st.integers(0, width - 1))
    region = Region(
        row=row,
        column=column,
        length=draw(st.integers(1, length - row)),
        width=draw(st.integers(1, width - column)),
    ).snapped(grid)
    planes = st.lists(st.integers(0, samples - 1), min_size=1, unique=True)
    return layout, region, draw(planes) if planar else None


@pytest.mark.long
@given(cuts())
@settings(deadline=None)
def test_the_blocks_of_a_part_are_those_of_its_places(
    case: tuple[BlockLayout, Region, list[int] | None],
):
    layout, region, samples = case
    whole, part = layout.grid, crop(layout, region, samples)
    grid = part.grid
    first_row, first_column = region.row // whole.block_length, region.column // whole.block_width
    planes = range(whole.planes) if samples is None else samples
    assert part.offsets.tolist() == [
        (plane * whole.rows + first_row + row) * whole.columns + first_column + column
        for plane in planes
        for row in range(grid.rows)
        for column in range(grid.columns)
    ]
    assert part.byte_counts.tolist() == part.offsets.tolist()
    assert (part.offsets.format, part.offsets.readonly) == (layout.offsets.format, True)
    assert len(part.offsets) == grid.count
    assert (grid.image_length, grid.image_width) == (region.length, region.width)
    assert grid.block_samples == whole.block_samples
    at_foot = region.ends[0] == whole.image_length
    assert grid.last_length == (whole.last_length if at_foot else whole.block_length)


@pytest.mark.long
@given(cuts(), st.data())
@settings(deadline=None)
def test_a_region_is_snapped_to_the_least_of_whole_blocks(
    case: tuple[BlockLayout, Region, list[int] | None], data: st.DataObject
):
    grid = case[0].grid
    row = data.draw(st.integers(0, grid.image_length - 1))
    column = data.draw(st.integers(0, grid.image_width - 1))
    length = data.draw(st.integers(1, grid.image_length - row))
    width = data.draw(st.integers(1, grid.image_width - column))
    asked = Region(row=row, column=column, length=length, width=width)
    found = asked.snapped(grid)
    sides = (
        (row, length, found.row, found.length, grid.block_length, grid.image_length),
        (column, width, found.column, found.width, grid.block_width, grid.image_width),
    )
    for start, size, first, many, block, end in sides:
        assert first <= start < first + block
        assert start + size <= first + many < start + size + block
        assert first % block == 0
        assert (first + many) % block == 0 or first + many == end
    assert found.snapped(grid) == found


@given(st.integers(1, 2000), st.integers(1, 11), st.data())
def test_a_smaller_image_shows_all_of_a_region_and_no_pixel_more(
    full: int, factor: int, data: st.DataObject
):
    here = -(-full // factor)
    start = data.draw(st.integers(0, full - 1))
    size = data.draw(st.integers(1, full - start))
    region = Region(row=start, column=start, length=size, width=size)
    found = region.scaled((full, full), (here, here))
    assert found.row >= 0
    assert found.ends[0] <= here
    assert found.row * full <= start * here < (found.row + 1) * full
    assert (found.ends[0] - 1) * full < (start + size) * here <= found.ends[0] * full
    assert (found.row, found.length) == (found.column, found.width)


def test_an_image_of_a_million_tiles_is_cropped_at_once(tmp_path):
    path = many_tiles(tmp_path / "a.tif", 1024, 1024, distinct=True)
    with path.open("rb") as file:
        data = file.read(2**24)  # the directory and its arrays; the tiles lie in a hole
    layout = block_layout(directory(data), file_size=path.stat().st_size)
    part = crop(layout, Region(row=16 * 1000, column=16 * 7, length=48, width=32))
    numbers = [row * 1024 + column for row in (1000, 1001, 1002) for column in (7, 8)]
    assert part.offsets.tolist() == [layout.offsets[0] + 256 * number for number in numbers]


# What is refused


def test_what_is_not_of_whole_blocks_is_no_part():
    layout = layout_of(strips(16))
    for region in (rows(1, 16), rows(0, 15), rows(48, 64), rows(-16, 16)):
        with pytest.raises(ValueError, match="does not consist of whole strips of 41 x 16 pixels"):
            crop(layout, region)


def test_samples_that_share_blocks_cannot_be_taken_apart():
    layout = layout_of(image(values("uint8", 8, 8, 3)))
    with pytest.raises(UnsupportedError, match="a block holds all samples of its pixels"):
        crop(layout, None, [0, 1])
    assert crop(layout, None, [0, 1, 2]).grid == layout.grid


def test_a_sample_that_is_not_there_cannot_be_taken():
    layout = layout_of(image(values("uint8", 8, 8, 3), planar=2))
    for samples in ([], [3], [-1]):
        with pytest.raises(ValueError, match="samples must be some of 0 to 2"):
            crop(layout, None, samples)


_TABLES = [entry(tag, LONG, [8] * 3) for tag in (519, 520, 521)]
LUV = {"compression": 34676, "photometric": 32845, "encode_block": lambda _: b"\x00\x00"}
WHOLE_ONLY: dict[str, Picture] = {
    "the strips of an electron event frame": Picture(
        np.zeros((32, 8), "u1"), compression=65001, rows_per_strip=16, encode=lambda raw: raw
    ),
    "a plane of old-style JPEG": Picture(
        np.zeros((32, 8, 3), "u1"),
        compression=6,
        photometric=6,
        planar=2,
        rows_per_strip=16,
        encode=lambda raw: raw,
        extra_entries=_TABLES,
    ),
    "a plane of LogLuv": Picture(np.zeros((32, 8, 3), "f4"), planar=2, **LUV),
    "a plane of subsampled JPEG": Picture(
        np.zeros((32, 8, 3), "u1"),
        compression=7,
        photometric=6,
        planar=2,
        encode=lambda raw: raw,
        extra_entries=[entry(530, SHORT, [2, 2])],
    ),
}


@pytest.mark.parametrize("picture", WHOLE_ONLY.values(), ids=list(WHOLE_ONLY))
def test_a_part_of_what_cannot_be_read_as_a_whole_is_refused(picture: Picture):
    data = image(**{name: getattr(picture, name) for name in picture.__slots__})
    with pytest.raises(UnsupportedError):
        check_whole(directory(data))
