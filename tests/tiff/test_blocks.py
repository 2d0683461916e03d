"""Where the blocks are: as the tags say, and as libtiff takes them where the tags are wrong."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from numpy.typing import NDArray

from support.build import (
    BYTE,
    DOUBLE,
    LONG,
    LONG8,
    SHORT,
    SLONG,
    Entry,
    Picture,
    block_at,
    entry,
    every_variant,
    image,
    layout,
    parts,
)
from virtual_tiff.tiff import (
    BlockGrid,
    BlockLayout,
    FormatError,
    ImageFileDirectory,
    LimitError,
    Limits,
    Tag,
    TiffError,
    TiffWarning,
    TruncatedError,
    UnsupportedError,
    block_grid,
    block_layout,
)

from .reading import TESTDATA, every_file, no_warning, one_ifd, read

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

GRAY = np.arange(20 * 10, dtype="u1").reshape(20, 10)
RGB = np.arange(20 * 10 * 3, dtype="u1").reshape(20, 10, 3)

type Blocks = list[tuple[int, int]]
"""(offset, byte count) of each block."""


def complete(pairs: Iterable[tuple[int, int]]) -> Blocks:
    """A block of no bytes is missing, wherever it is said to lie: (0, 0)."""
    return [(offset, count) if count else (0, 0) for offset, count in pairs]


def blocks_of(data: bytes) -> Blocks:
    """What the core says of a file's first image."""
    found = block_layout(read(data).ifds[0], file_size=len(data))
    return complete(zip(found.offsets, found.byte_counts, strict=True))


def blocks_by_gdal(data: bytes) -> Blocks:
    """What libtiff says, through GDAL."""
    with rasterio.MemoryFile(data) as file, file.open() as image:
        length, width = image.block_shapes[0]
        separate = image.interleaving == rasterio.enums.Interleaving.band
        places = product(
            image.indexes if separate else (1,),
            range(-(-image.height // length)),
            range(-(-image.width // width)),
        )

        def item(what: str, band: int, y: int, x: int) -> int:
            return int(image.get_tag_item(f"BLOCK_{what}_{x}_{y}", "TIFF", bidx=band) or 0)

        return complete((item("OFFSET", *place), item("SIZE", *place)) for place in places)


def written(picture: Picture, *, byteorder: str = "II", big: bool = False) -> Blocks:
    """Where the builder put a picture's blocks and how long they are."""
    file = layout(*parts([picture], byteorder=byteorder, big=big), byteorder=byteorder, big=big)
    encoded = parts([picture], byteorder=byteorder, big=big)[1]
    return list(zip(file.blocks, map(len, encoded), strict=True))


# The grid: rows, columns, planes

SHAPES: dict[str, tuple[dict[str, Any], tuple[str, int, int, int, int, int]]] = {
    # options of the picture -> kind, block length and width, rows, columns, planes
    "one strip": ({}, ("strip", 20, 10, 1, 1, 1)),
    "strips": ({"rows_per_strip": 5}, ("strip", 5, 10, 4, 1, 1)),
    "strips, the last short": ({"rows_per_strip": 8}, ("strip", 8, 10, 3, 1, 1)),
    "strips of one row": ({"rows_per_strip": 1}, ("strip", 1, 10, 20, 1, 1)),
    "tiles": ({"tile": (16, 16)}, ("tile", 16, 16, 2, 1, 1)),
    "tiles, wide": ({"tile": (4, 32)}, ("tile", 4, 32, 5, 1, 1)),
    "tiles, several across": ({"tile": (8, 4)}, ("tile", 8, 4, 3, 3, 1)),
    "a tile larger than the image": ({"tile": (64, 32)}, ("tile", 64, 32, 1, 1, 1)),
}


@pytest.mark.parametrize(("options", "shape"), SHAPES.values(), ids=SHAPES)
@every_variant
def test_the_grid_covers_the_image(
    byteorder: str, big: bool, options: dict[str, Any], shape: tuple[Any, ...]
) -> None:
    data = image(GRAY, byteorder=byteorder, big=big, **options)
    grid = block_grid(read(data).ifds[0])
    assert (grid.image_length, grid.image_width) == (20, 10)
    found = (grid.kind, grid.block_length, grid.block_width, grid.rows, grid.columns, grid.planes)
    assert found == shape
    assert grid.count == grid.rows * grid.columns * grid.planes


@pytest.mark.parametrize("options", [options for options, _ in SHAPES.values()], ids=SHAPES)
@pytest.mark.parametrize("planar", [1, 2], ids=["chunky", "planar"])
@pytest.mark.parametrize("compression", [1, 8], ids=["uncompressed", "deflate"])
@every_variant
def test_blocks_are_where_the_writer_put_them(
    byteorder: str, big: bool, compression: int, planar: int, options: dict[str, Any]
) -> None:
    picture = Picture(RGB, planar=planar, compression=compression, **options)
    with no_warning():
        found = blocks_of(
            layout(
                *parts([picture], byteorder=byteorder, big=big), byteorder=byteorder, big=big
            ).data
        )
    assert found == written(picture, byteorder=byteorder, big=big)


@pytest.mark.parametrize("options", [options for options, _ in SHAPES.values()], ids=SHAPES)
@pytest.mark.parametrize("planar", [1, 2], ids=["chunky", "planar"])
def test_blocks_are_where_gdal_finds_them(planar: int, options: dict[str, Any]) -> None:
    data = image(RGB, planar=planar, **options)
    assert blocks_of(data) == blocks_by_gdal(data)


@every_file
def test_blocks_of_the_test_data_are_where_tifffile_finds_them(name: str) -> None:
    data = (TESTDATA / name).read_bytes()
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        expected = [
            (page.dataoffsets, page.databytecounts) for page in file.pages if page.dataoffsets
        ]
    with no_warning():
        found = [block_layout(ifd, file_size=len(data)) for ifd in read(data).ifds]
    pairs = [(tuple(layout.offsets), tuple(layout.byte_counts)) for layout in found]
    assert pairs == expected


@pytest.mark.long
@every_file
def test_blocks_of_the_test_data_have_the_shape_that_gdal_says(name: str) -> None:
    data = (TESTDATA / name).read_bytes()
    grid = block_grid(read(data).ifds[0])
    with rasterio.MemoryFile(data) as file, file.open() as image:
        assert (grid.block_length, grid.block_width) == image.block_shapes[0]
        assert (grid.image_length, grid.image_width) == image.shape
        assert grid.samples == image.count


# One image by its tags

TAGS = {
    item.tag: item
    for item in (
        entry(256, LONG, 10),
        entry(257, LONG, 20),
        entry(273, LONG, 8),
        entry(279, LONG, 200),
    )
}
"""10 x 20 pixels of one bit; put 8 bits into it with `EIGHT`."""

EIGHT = entry(258, SHORT, 8)


def ifd_of(*entries: Entry, without: Sequence[int] = (), **options: Any) -> ImageFileDirectory:
    """A directory of an image of 10 x 20 bytes, with other entries or without some."""
    tags = TAGS | {258: EIGHT} | {item.tag: item for item in entries}
    return one_ifd([tags[tag] for tag in sorted(tags) if tag not in without], **options)


# Sizes in bytes

ROW_BYTES: dict[str, tuple[int, int, int, int, int]] = {
    # bits, width, samples, planes -> bytes
    "8 bits": (8, 10, 1, 1, 10),
    "16 bits": (16, 10, 1, 1, 20),
    "64 bits, 3 samples": (64, 10, 3, 1, 240),
    "8 bits, 3 samples, planar": (8, 10, 3, 3, 10),
    "1 bit, 8 pixels": (1, 8, 1, 1, 1),
    "1 bit, 9 pixels": (1, 9, 1, 1, 2),
    "1 bit, 1 pixel": (1, 1, 1, 1, 1),
    "1 bit, 3 samples": (1, 3, 3, 1, 2),
    "1 bit, 3 samples, planar": (1, 3, 3, 3, 1),
    "2 bits": (2, 5, 1, 1, 2),
    "4 bits": (4, 3, 1, 1, 2),
    "6 bits, 3 samples": (6, 1, 3, 1, 3),
    "10 bits": (10, 3, 1, 1, 4),
    "12 bits, odd width": (12, 3, 1, 1, 5),
    "12 bits, even width": (12, 4, 1, 1, 6),
    "14 bits": (14, 4, 1, 1, 7),
    "24 bits": (24, 3, 1, 1, 9),
    "31 bits": (31, 2, 1, 1, 8),
}


def grid_of(**options: Any) -> BlockGrid:
    values: dict[str, Any] = {
        "kind": "strip",
        "image_length": 20,
        "image_width": 10,
        "samples": 1,
        "planes": 1,
        "block_length": 8,
        "block_width": 10,
        "bits": 8,
    }
    return BlockGrid(**(values | options))


@pytest.mark.parametrize(
    ("bits", "width", "samples", "planes", "expected"), ROW_BYTES.values(), ids=ROW_BYTES
)
def test_a_row_ends_at_a_whole_byte(
    bits: int, width: int, samples: int, planes: int, expected: int
) -> None:
    grid = grid_of(bits=bits, block_width=width, samples=samples, planes=planes)
    assert grid.row_bytes == expected
    assert grid.block_bytes == expected * 8


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 24, 31])
@pytest.mark.parametrize("planar", [1, 2], ids=["chunky", "planar"])
@pytest.mark.parametrize("tile", [None, (16, 16)], ids=["strip", "tile"])
def test_odd_bits_take_the_bytes_that_a_writer_needs(
    tile: tuple[int, int] | None, planar: int, bits: int
) -> None:
    pixels: NDArray[Any] = np.zeros((5, 7, 3), dtype="u4")
    data = image(pixels, bits=bits, planar=planar, tile=tile, photometric=2)
    found = block_layout(read(data).ifds[0])
    assert found.grid.bits == bits
    assert set(found.byte_counts) == {found.grid.row_bytes * found.grid.last_length}


def test_the_largest_sample_counts_where_bits_differ() -> None:
    ifd = ifd_of(entry(258, SHORT, [5, 6, 5]), entry(277, SHORT, 3))
    assert block_grid(ifd).bits == 6


@pytest.mark.parametrize(("planar", "expected"), [(1, 10 * 16 // 8), (2, 10 * 6 // 8 + 1)])
def test_a_row_of_pixels_has_the_bits_of_all_its_samples(planar: int, expected: int) -> None:
    ifd = ifd_of(entry(258, SHORT, [5, 6, 5]), entry(277, SHORT, 3), entry(284, SHORT, planar))
    assert block_grid(ifd).row_bytes == expected


@pytest.mark.parametrize(
    ("kind", "block_length", "last"),
    [("strip", 8, 4), ("strip", 5, 5), ("strip", 20, 20), ("strip", 19, 1), ("tile", 16, 16)],
)
def test_a_strip_ends_with_the_image_and_a_tile_does_not(
    kind: str, block_length: int, last: int
) -> None:
    assert grid_of(kind=kind, block_length=block_length).last_length == last


# Subsampled YCbCr: 10 x 20 pixels

DATA_UNITS: dict[tuple[int, int], int] = {
    # columns and rows of a data unit -> units across x down x (luminances + 2)
    (1, 1): 10 * 20 * 3,
    (2, 1): 5 * 20 * 4,
    (1, 2): 10 * 10 * 4,
    (2, 2): 5 * 10 * 6,
    (4, 1): 3 * 20 * 6,
    (4, 2): 3 * 10 * 10,
    (4, 4): 3 * 5 * 18,
}


def ycbcr_ifd(*entries: Entry, **options: Any) -> ImageFileDirectory:
    """A directory of a YCbCr image without byte counts."""
    bits, photometric, samples = (
        entry(258, SHORT, [8, 8, 8]),
        entry(262, SHORT, 6),
        entry(277, SHORT, 3),
    )
    return ifd_of(bits, photometric, samples, *entries, without=[279], **options)


@pytest.mark.parametrize(("unit", "expected"), DATA_UNITS.items(), ids=map(str, DATA_UNITS))
@every_variant
def test_a_strip_of_data_units_is_whole_units(
    byteorder: str, big: bool, unit: tuple[int, int], expected: int
) -> None:
    ifd = ycbcr_ifd(entry(530, SHORT, unit), byteorder=byteorder, big=big)
    assert derived(ifd).byte_counts.tolist() == [expected]


def test_the_last_strip_ends_with_a_whole_row_of_units() -> None:
    ifd = ycbcr_ifd(entry(530, SHORT, [2, 2]), entry(278, SHORT, 18), entry(273, SHORT, [300, 600]))
    assert derived(ifd).byte_counts.tolist() == [5 * 9 * 6, 5 * 1 * 6]


@pytest.mark.parametrize("entries", [[], [entry(530, SHORT, [1])], [entry(530, SHORT, [1, 1, 1])]])
def test_two_by_two_is_the_default(entries: list[Entry]) -> None:
    assert block_grid(ycbcr_ifd(*entries)).subsampling == (2, 2)


@pytest.mark.parametrize(
    "item",
    [entry(259, SHORT, 7), entry(284, SHORT, 2), entry(262, SHORT, 2), entry(277, SHORT, 1)],
    ids=["JPEG", "planar", "RGB", "one sample"],
)
def test_other_blocks_hold_no_data_units(item: Entry) -> None:
    assert block_grid(ycbcr_ifd(entry(530, SHORT, [2, 2]), item)).subsampling == (1, 1)


@pytest.mark.parametrize("unit", [[0, 1], [1, 0], [3, 2], [2, 8]])
def test_any_other_data_unit_is_an_error(unit: list[int]) -> None:
    with pytest.raises(FormatError, match=f"{unit[0]} and {unit[1]}") as caught:
        block_grid(ycbcr_ifd(entry(530, SHORT, unit)))
    assert (caught.value.tag, caught.value.ifd) == (530, "0")


# What makes no image

NO_IMAGE: dict[str, tuple[list[Entry], list[int], str]] = {
    "no width": ([], [256], "has no ImageWidth"),
    "no length": ([], [257], "has no ImageLength"),
    "width 0": ([entry(256, LONG, 0)], [], "0 x 20 pixels"),
    "length 0": ([entry(257, LONG, 0)], [], "10 x 0 pixels"),
    "a negative width": ([entry(256, SLONG, -10)], [], "-10 x 20 pixels"),
    "a negative length": ([entry(257, SLONG, -20)], [], "10 x -20 pixels"),
    "a width that is no whole number": ([entry(256, DOUBLE, 10.0)], [], "DOUBLE, where a whole"),
    "no offsets": ([], [273], "neither StripOffsets nor TileOffsets"),
    "offsets without values": ([entry(273, LONG, [])], [], "neither StripOffsets nor"),
    "offsets that are no whole numbers": ([entry(273, DOUBLE, 8.0)], [], "DOUBLE, where a whole"),
    "TileWidth alone": ([entry(322, SHORT, 16)], [], "TileWidth is 16 and TileLength is None"),
    "TileWidth 0": (
        [entry(322, SHORT, 0), entry(323, SHORT, 16)],
        [],
        "TileWidth is 0 and TileLength is 16",
    ),
    "TileLength 0": (
        [entry(322, SHORT, 16), entry(323, SHORT, 0)],
        [],
        "TileWidth is 16 and TileLength is 0",
    ),
    "a negative TileWidth": (
        [entry(322, SLONG, -16), entry(323, SHORT, 16)],
        [],
        "TileWidth is -16",
    ),
    "no samples": ([entry(277, SHORT, 0)], [], "SamplesPerPixel is 0"),
}


@pytest.mark.parametrize(("entries", "without", "message"), NO_IMAGE.values(), ids=NO_IMAGE)
@every_variant
def test_without_sizes_and_offsets_there_is_no_image(
    byteorder: str, big: bool, entries: list[Entry], without: list[int], message: str
) -> None:
    ifd = ifd_of(*entries, without=without, byteorder=byteorder, big=big)
    with pytest.raises(FormatError, match=message) as caught:
        block_layout(ifd)
    assert caught.value.ifd == "0"
    assert caught.value.tag is not None
    assert caught.value.offset is not None


@pytest.mark.parametrize("tag", [273, 279])
def test_arrays_past_the_files_end_are_truncated(tag: int) -> None:
    ifd = ifd_of(entry(278, SHORT, 8), entry(tag, LONG, [0] * 3, offset=9000))
    with pytest.raises(TruncatedError) as caught:
        block_layout(ifd)
    error = caught.value
    assert (error.tag, error.ifd, error.offset) == (tag, "0", 9000)


# RowsPerStrip

ONE_STRIP = {
    "absent": [],
    "the image's": [entry(278, SHORT, 20)],
    "one more": [entry(278, SHORT, 21)],
    "the largest SHORT": [entry(278, SHORT, 2**16 - 1)],
    "the default": [entry(278, LONG, 2**32 - 1)],
    "LONG8": [entry(278, LONG8, 2**64 - 1)],
}


@pytest.mark.parametrize("rows", ONE_STRIP.values(), ids=ONE_STRIP)
@every_variant
def test_so_many_rows_per_strip_are_one_strip(byteorder: str, big: bool, rows: list[Entry]) -> None:
    with no_warning():
        grid = block_grid(ifd_of(*rows, byteorder=byteorder, big=big))
    assert (grid.kind, grid.block_length, grid.rows, grid.last_length) == ("strip", 20, 1, 20)


@pytest.mark.parametrize("rows", [entry(278, LONG, 0), entry(278, SLONG, -1)])
def test_no_rows_per_strip_are_one_strip_with_a_warning(rows: Entry) -> None:
    with pytest.warns(TiffWarning, match="RowsPerStrip is 0; the image is read as one strip"):
        grid = block_grid(ifd_of(rows))
    assert (grid.block_length, grid.rows) == (20, 1)


def test_no_rows_per_strip_are_what_tifffile_takes_them_for() -> None:
    data = image(GRAY, extra_entries=[entry(278, LONG, 0)])
    found = block_layout(read(data).ifds[0])
    start, length = found.offsets[0], found.byte_counts[0]
    assert data[start : start + length] == tifffile.imread(io.BytesIO(data)).tobytes()


# Which tags, which field types


@pytest.mark.parametrize("field_type", [BYTE, SHORT, LONG, LONG8])
@every_variant
def test_arrays_keep_the_width_of_their_field_type(
    byteorder: str, big: bool, field_type: int
) -> None:
    ifd = ifd_of(
        entry(278, SHORT, 8),
        entry(273, field_type, [100, 180, 250]),
        entry(279, field_type, [80, 80, 40]),
        byteorder=byteorder,
        big=big,
    )
    found = block_layout(ifd)
    formats = {BYTE: "B", SHORT: "H", LONG: "I", LONG8: "Q"}
    assert found.offsets.format == found.byte_counts.format == formats[field_type]
    assert (found.offsets.tolist(), found.byte_counts.tolist()) == ([100, 180, 250], [80, 80, 40])


AT = [block_at(0), block_at(1)]
SWAPPED_TAGS: dict[str, dict[str, Any]] = {
    "tiles by StripOffsets": {
        "tile": (16, 16),
        "without": [324, 325],
        "extra_entries": [entry(273, LONG, AT), entry(279, LONG, [256, 256])],
    },
    "strips by TileOffsets": {
        "rows_per_strip": 10,
        "without": [273, 279],
        "extra_entries": [entry(324, LONG, AT), entry(325, LONG, [100, 100])],
    },
}


@pytest.mark.parametrize("options", SWAPPED_TAGS.values(), ids=SWAPPED_TAGS)
def test_either_tag_serves_either_kind_of_block(options: dict[str, Any]) -> None:
    data = image(GRAY, **options)
    with no_warning():
        assert blocks_of(data) == blocks_by_gdal(data)
    assert len({offset for offset, _ in blocks_of(data)}) == 2


# Arrays that are too short or too long


@pytest.mark.parametrize("tag", [273, 279])
def test_an_array_that_is_too_long_is_cut_off(tag: int) -> None:
    right = {273: [block_at(0), block_at(1), block_at(2)], 279: [80, 80, 40]}
    longer = entry(tag, LONG, [*right[tag], 77, 78])
    data = image(GRAY, rows_per_strip=8, extra_entries=[longer])
    with no_warning():
        assert blocks_of(data) == blocks_by_gdal(data)
    assert [count for _, count in blocks_of(data)] == [80, 80, 40]


@pytest.mark.parametrize("field_type", [SHORT, LONG])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_blocks_without_a_byte_count_are_missing(byteorder: str, field_type: int) -> None:
    shorter = [entry(279, field_type, [80, 80])]
    data = image(GRAY, rows_per_strip=8, extra_entries=shorter, byteorder=byteorder)
    with pytest.warns(TiffWarning, match="2 byte counts for 3 blocks; the others are missing"):
        found = blocks_of(data)
    assert found == blocks_by_gdal(data)
    assert found[2] == (0, 0)


def without_last_offset(byteorder: str, field_type: int) -> bytes:
    shorter = [entry(273, field_type, [block_at(0), block_at(1)])]
    return image(GRAY, rows_per_strip=8, extra_entries=shorter, byteorder=byteorder)


@pytest.mark.parametrize("field_type", [SHORT, LONG])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_too_few_offsets_are_a_warning(byteorder: str, field_type: int) -> None:
    data = without_last_offset(byteorder, field_type)
    with pytest.warns(TiffWarning, match="2 offsets for 3 blocks; the others are missing blocks"):
        found = blocks_of(data)
    assert found[:2] == blocks_by_gdal(data)[:2]


def test_blocks_without_an_offset_are_missing() -> None:
    assert blocks_of(without_last_offset("II", LONG))[2] == (0, 0)


# Byte counts that are absent


def derived(ifd: ImageFileDirectory, **options: Any) -> BlockLayout:
    """The layout of a directory whose byte counts have to be derived."""
    with pytest.warns(
        TiffWarning, match="ByteCounts is absent or wrong; the byte counts are derived"
    ):
        return block_layout(ifd, **options)


GEOMETRY: dict[str, tuple[dict[str, Any], list[int]]] = {
    "one strip": ({}, [600]),
    "strips": ({"rows_per_strip": 5}, [150] * 4),
    "strips, the last short": ({"rows_per_strip": 8}, [240, 240, 120]),
    "tiles": ({"tile": (16, 16)}, [768] * 2),
    "planar, one strip": ({"planar": 2}, [200] * 3),
    "planar strips, the last short": ({"planar": 2, "rows_per_strip": 8}, [80, 80, 40] * 3),
    "planar tiles": ({"planar": 2, "tile": (16, 16)}, [256] * 6),
}


@pytest.mark.parametrize(("options", "counts"), GEOMETRY.values(), ids=GEOMETRY)
@every_variant
def test_uncompressed_byte_counts_follow_from_the_geometry(
    byteorder: str, big: bool, options: dict[str, Any], counts: list[int]
) -> None:
    data = image(RGB, without=[279, 325], byteorder=byteorder, big=big, **options)
    assert derived(read(data).ifds[0]).byte_counts.tolist() == counts
    whole = image(RGB, byteorder=byteorder, big=big, **options)
    assert block_layout(read(whole).ifds[0]).byte_counts.tolist() == counts


@pytest.mark.parametrize("options", [{}, {"planar": 2}, {"tile": (32, 16)}])
@pytest.mark.parametrize("compression", [1, 5], ids=["uncompressed", "LZW"])
def test_one_block_without_a_byte_count_is_as_long_as_gdal_says(
    compression: int, options: dict[str, Any]
) -> None:
    pixels = RGB if "planar" in options else GRAY
    data = image(pixels, without=[279, 325], compression=compression, align=1, **options)
    assert blocks_of(data) == blocks_by_gdal(data)


@pytest.mark.parametrize("options", [options for options, _ in GEOMETRY.values()], ids=GEOMETRY)
@every_variant
def test_compressed_blocks_end_where_the_next_begins_or_the_file_ends(
    byteorder: str, big: bool, options: dict[str, Any]
) -> None:
    picture = Picture(RGB, compression=5, without=[279, 325], **options)
    directories, encoded = parts([picture], byteorder=byteorder, big=big)
    file = layout(directories, encoded, byteorder=byteorder, big=big, align=1)
    found = derived(read(file.data).ifds[0], file_size=len(file.data))
    assert found.offsets.tolist() == list(file.blocks)
    assert found.byte_counts.tolist() == list(map(len, encoded))


def test_compressed_blocks_may_lie_in_any_order() -> None:
    offsets = [300, 100, 0, 200, 100]
    ifd = ifd_of(
        entry(259, SHORT, 5), entry(278, SHORT, 4), entry(273, SHORT, offsets), without=[279]
    )
    found = derived(ifd, file_size=350)
    assert found.byte_counts.tolist() == [50, 100, 0, 100, 100]


def test_a_compressed_block_behind_the_files_end_is_lost_and_not_missing() -> None:
    # a count of 0 would be a missing block, which reads as the fill value without a word
    ifd = ifd_of(entry(259, SHORT, 5), entry(273, SHORT, 900), without=[279])
    assert derived(ifd, file_size=350).byte_counts.tolist() == [1]


def test_the_files_size_is_needed_where_nothing_else_says_how_long_a_block_is() -> None:
    ifd = ifd_of(entry(259, SHORT, 5), without=[279])
    with pytest.raises(FormatError, match="the size of the file is not known") as caught:
        block_layout(ifd)
    error = caught.value
    assert (error.tag, error.ifd, error.offset) == (Tag.StripByteCounts, "0", ifd.offset)


# Byte counts that look bad


def strip_counts(*counts: int) -> list[Entry]:
    return [entry(279, LONG, counts)]


BAD_COUNTS: dict[str, dict[str, Any]] = {
    "one strip, 0": {"extra_entries": strip_counts(0)},
    "one strip, less than the image": {"extra_entries": strip_counts(199)},
    "one strip, past the end": {"extra_entries": strip_counts(10_000)},
    "one compressed strip, 0": {"extra_entries": strip_counts(0), "compression": 8},
}


@pytest.mark.parametrize("options", BAD_COUNTS.values(), ids=BAD_COUNTS)
def test_a_count_that_libtiff_takes_as_wrong_is_derived(options: dict[str, Any]) -> None:
    data = image(GRAY, align=1, **options)
    with pytest.warns(
        TiffWarning, match="ByteCounts is absent or wrong; the byte counts are derived"
    ):
        found = blocks_of(data)
    assert found == blocks_by_gdal(data)
    whole = options | {"extra_entries": []}
    assert found == blocks_of(image(GRAY, align=1, **whole))


def test_one_compressed_strip_past_the_end_reaches_to_the_end() -> None:
    data = image(GRAY, align=1, compression=5, extra_entries=strip_counts(10_000))
    with pytest.warns(TiffWarning, match="derived"):
        ((start, count),) = blocks_of(data)
    assert start + count == len(data)


def test_three_uncompressed_strips_of_which_the_first_two_differ_are_derived() -> None:
    # libtiff: "some vendors fill the array with absolutely wrong values"
    data = image(GRAY, rows_per_strip=8, extra_entries=strip_counts(80, 70, 40))
    assert derived(read(data).ifds[0]).byte_counts.tolist() == [80, 80, 40]


GOOD_COUNTS: dict[str, dict[str, Any]] = {
    "one strip, more than the image": {"extra_entries": [entry(257, SHORT, 19)]},
    "one compressed strip, any count": {"extra_entries": strip_counts(9), "compression": 8},
    "one strip, missing": {"sparse": [0]},
    "one tile, missing": {"sparse": [0], "tile": (32, 16)},
    "two strips that differ": {"extra_entries": strip_counts(80, 110), "rows_per_strip": 10},
    "three strips, the third differs": {
        "extra_entries": strip_counts(80, 80, 30),
        "rows_per_strip": 8,
    },
    "three strips, all too small": {
        "extra_entries": strip_counts(70, 70, 40),
        "rows_per_strip": 8,
    },
    "three strips, the first missing": {
        "extra_entries": strip_counts(0, 80, 40),
        "rows_per_strip": 8,
    },
    "three strips, the second missing": {"sparse": [1], "rows_per_strip": 8},
    "three compressed strips that differ": {
        "extra_entries": strip_counts(10, 20, 30),
        "rows_per_strip": 8,
        "compression": 5,
    },
    "planar strips that differ": {
        "array": RGB,
        "planar": 2,
        "extra_entries": strip_counts(200, 190, 200),
    },
    "two tiles, the first missing": {
        "extra_entries": [entry(325, LONG, [0, 256])],
        "tile": (16, 16),
    },
    "three tiles that differ": {
        "extra_entries": [entry(325, LONG, [96, 90, 96])],
        "tile": (8, 12),
    },
}


@pytest.mark.parametrize("options", GOOD_COUNTS.values(), ids=GOOD_COUNTS)
def test_a_count_that_libtiff_takes_as_it_is_stays(options: dict[str, Any]) -> None:
    data = image(**({"array": GRAY} | options))
    with no_warning():
        assert blocks_of(data) == blocks_by_gdal(data)


@pytest.mark.parametrize("compression", [1, 5], ids=["uncompressed", "LZW"])
def test_a_single_tile_of_no_bytes_is_missing(compression: int) -> None:
    options: dict[str, Any] = {"tile": (32, 16), "compression": compression}
    data = image(GRAY, extra_entries=[entry(325, LONG, [0])], **options)
    assert blocks_by_gdal(data) == [(0, 0)]
    assert not tifffile.imread(io.BytesIO(data)).any()
    assert blocks_of(data) == [(0, 0)]


def test_a_single_tile_that_ends_with_the_image_keeps_its_count() -> None:
    # GDAL and tifffile read the rows that are there
    data = image(GRAY, tile=(32, 16), extra_entries=[entry(325, LONG, [20 * 16])])
    assert blocks_of(data) == blocks_by_gdal(data)


def test_a_subsampled_strip_keeps_its_count() -> None:
    # 2 x 2 pixels are 4 luminances and 2 chrominances: half of RGB
    data = image(
        RGB,
        photometric=6,
        encode=lambda block: block[:300],
        extra_entries=[entry(530, SHORT, [2, 2])],
    )
    assert blocks_by_gdal(data)[0][1] == 300
    assert blocks_of(data) == blocks_by_gdal(data)


# Sizes that no file has

HUGE: dict[str, tuple[Entry, ...]] = {
    "rows of 2^35 bytes": (
        entry(256, LONG, 2**32 - 1),
        entry(257, LONG, 2**32 - 1),
        entry(258, SHORT, 64),
    ),
    "2^32 bits": (entry(256, LONG, 2**32 - 1), entry(258, LONG, 2**32 - 1)),
    "rows of 2^64 bytes": (entry(256, LONG8, 2**64 - 1),),
    "negative bits": (entry(258, SLONG, -8),),
}


@pytest.mark.parametrize("entries", HUGE.values(), ids=HUGE)
def test_sizes_above_all_bounds_are_our_errors(entries: tuple[Entry, ...]) -> None:
    with pytest.raises(FormatError, match=r"blocks of \d+ x \d+ pixels of -?\d+ bits"):
        block_layout(ifd_of(*entries, without=[279]), file_size=1000)


def test_an_image_of_more_strips_than_the_limit_allows_is_our_error() -> None:
    ifd = ifd_of(entry(257, LONG8, 2**64 - 1))
    with pytest.raises(LimitError, match=r"strips of the image.*Limits\(blocks="):
        block_layout(ifd)


DAMAGE: dict[str, tuple[tuple[Entry, ...], list[int], type[TiffError], int | None, str]] = {
    # what is changed and left out, the class of the error, the tag that it names, its words
    "no pixels": ((entry(256, LONG, 0),), [], FormatError, 257, "0 x 20 pixels"),
    "no offsets": ((), [273], FormatError, 273, "the image has no pixels"),
    "no bits": ((entry(258, SHORT, 0),), [], FormatError, 258, "of 0 bits"),
    "negative bits": ((entry(258, SLONG, -8),), [279], FormatError, 258, "-8"),
    "blocks of 2^63 bytes": (
        (entry(256, LONG8, 2**62), entry(258, SHORT, 16)),
        [279],
        FormatError,
        258,
        "of 16 bits",
    ),
    "a tile of one size": ((entry(322, SHORT, 16),), [], FormatError, 323, "TileLength is None"),
    "tiles of several planes": (
        (
            *(entry(322, SHORT, 16), entry(323, SHORT, 16)),
            *(entry(32997, SHORT, 2), entry(32998, SHORT, 2)),
        ),
        [],
        UnsupportedError,
        32998,
        "tiles of 2 planes cannot be read",
    ),
    "more strips than allowed": (
        (entry(257, LONG8, 2**64 - 1),),
        [],
        LimitError,
        None,
        "strips of the image",
    ),
    "more lost offsets than allowed": (
        (entry(278, LONG, 1),),
        [],
        LimitError,
        None,
        "blocks without offsets",
    ),
    "offsets past the end": (
        (entry(278, SHORT, 8), entry(273, LONG, [0] * 3, offset=9000)),
        [],
        TruncatedError,
        273,
        "273",
    ),
    "counts and the file's size unknown": (
        (entry(259, SHORT, 8),),
        [279],
        FormatError,
        279,
        "size of the file is not known",
    ),
}


@pytest.mark.parametrize(
    ("entries", "without", "error", "tag", "words"), DAMAGE.values(), ids=DAMAGE
)
def test_each_kind_of_damage_has_its_class_of_error_and_names_the_tag(
    entries: tuple[Entry, ...],
    without: list[int],
    error: type[TiffError],
    tag: int | None,
    words: str,
) -> None:
    ifd = ifd_of(*entries, without=without)
    with pytest.raises(TiffError, match=words) as caught:
        block_layout(ifd, limits=Limits(missing_blocks=5))
    assert type(caught.value) is error
    assert caught.value.tag == tag
    assert caught.value.ifd == ifd.path
