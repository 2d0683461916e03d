"""Blocks to chunks: the grid, and where each chunk's bytes are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.build import (
    LONG,
    LONG8,
    SHORT,
    SLONG,
    Directory,
    Entry,
    Picture,
    build,
    entry,
    every_variant,
    image,
    layout,
    parts,
)
from support.pixels import directory, values
from virtual_tiff.arrays.chunks import MERGED_BYTES, ChunkPlan, plan_chunks
from virtual_tiff.tiff import FormatError, block_layout

MIB = 2**20


def plan(
    data: bytes,
    *,
    uncompressed: bool = True,
    short_tiles: bool = False,
    merge_strips: bool = True,
    file_size: int | None = None,
) -> ChunkPlan:
    size = len(data) if file_size is None else file_size
    return plan_chunks(
        block_layout(directory(data), file_size=size),
        uncompressed=uncompressed,
        short_tiles=short_tiles,
        merge_strips=merge_strips,
        file_size=size,
    )


def described(
    length: int,
    width: int,
    offsets: list[int],
    counts: list[int],
    *more: Entry,
    tile: tuple[int, int] | None = None,
    compression: int = 1,
    field_type: int = LONG8,
) -> bytes:
    """A directory of single bytes whose blocks need not be there."""
    size = [entry(322, SHORT, tile[1]), entry(323, SHORT, tile[0])] if tile else []
    entries = [
        entry(256, LONG, width),
        entry(257, LONG, length),
        entry(258, SHORT, 8),
        entry(259, SHORT, compression),
        *size,
        entry(324 if tile else 273, field_type, offsets),
        entry(325 if tile else 279, LONG, counts),
        *more,
    ]
    return build([Directory(entries)], big=True)


def strips(length: int, rows: int, offsets: list[int], counts: list[int], **options: Any) -> bytes:
    """Rows of ten bytes."""
    return described(length, 10, offsets, counts, entry(278, LONG, rows), **options)


def run(length: int, row: int, rows_per_strip: int = 1, start: int = 1000) -> bytes:
    """Strips of rows of `row` bytes, one after another from `start`."""
    first = range(0, length, rows_per_strip)
    offsets = [start + at * row for at in first]
    counts = [min(rows_per_strip, length - at) * row for at in first]
    return described(length, row, offsets, counts, entry(278, LONG, rows_per_strip))


# ---- one chunk for each block


def test_strips_are_chunks_of_their_rows():
    found = plan(strips(20, 10, [500, 900], [100, 100]), file_size=2000)
    assert (found.length, found.width, found.last_length) == (10, 10, 10)
    assert found.offsets.tolist() == [[[500], [900]]]
    assert found.byte_counts.tolist() == [[[100], [100]]]


def test_tiles_are_chunks_of_their_size():
    data = described(20, 40, [100, 200, 300, 400], [512] * 4, tile=(16, 32))
    found = plan(data, file_size=2000)
    assert (found.length, found.width, found.last_length) == (16, 32, 16)
    assert found.offsets.tolist() == [[[100, 200], [300, 400]]]


def test_planes_come_first():
    samples = entry(277, SHORT, 2), entry(284, SHORT, 2), entry(258, SHORT, [8, 8])
    entries = [
        *(entry(tag, LONG, n) for tag, n in ((256, 10), (257, 20), (278, 10))),
        *samples,
        entry(273, LONG, [500, 700, 900, 1100]),
        entry(279, LONG, [100] * 4),
    ]
    found = plan(build([Directory(entries)]), file_size=2000)
    assert found.offsets.tolist() == [[[500], [700]], [[900], [1100]]]


def test_offsets_and_counts_are_numpy_arrays_of_64_bits():
    found = plan(strips(20, 10, [500, 900], [100, 100]), file_size=2000)
    assert {found.offsets.dtype, found.byte_counts.dtype} == {np.dtype("u8")}


@every_variant
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_every_variant_gives_the_offsets_of_the_file(
    byteorder: str, big: bool, tile: tuple[int, int] | None
):
    picture = Picture(values("u2", 40, 30), compression=8, rows_per_strip=7, tile=tile)
    directories, blocks = parts([picture], byteorder=byteorder, big=big)
    file = layout(directories, blocks, byteorder=byteorder, big=big)
    found = plan(file.data, uncompressed=False)
    assert tuple(found.offsets.ravel().tolist()) == file.blocks
    assert found.byte_counts.ravel().tolist() == [len(block) for block in blocks]


def test_offsets_beyond_4_gib_are_kept():
    far = [2**40, 2**62]
    assert plan(strips(20, 10, far, [100, 100]), file_size=2**63).offsets.ravel().tolist() == far


# ---- missing blocks


def test_a_missing_block_has_neither_offset_nor_count():
    found = plan(strips(30, 10, [500, 0, 900], [100, 0, 100]), file_size=2000)
    assert found.offsets.ravel().tolist() == [500, 0, 900]
    assert found.byte_counts.ravel().tolist() == [100, 0, 100]


def test_a_block_of_0_bytes_is_missing_wherever_it_is_said_to_lie():
    found = plan(strips(30, 10, [500, 700, 900], [100, 0, 100]), file_size=2000)
    assert found.offsets.ravel().tolist() == [500, 0, 900]


def test_negative_offsets_are_a_format_error():
    data = strips(20, 10, [500, -900], [100, 100], field_type=SLONG)
    with pytest.raises(FormatError, match=r"-900.*tag StripOffsets \(273\)"):
        plan(data, file_size=2000)


def test_negative_offsets_of_tiles_name_the_tag_of_tiles():
    data = described(16, 32, [500, -900], [256] * 2, tile=(16, 16), field_type=SLONG)
    with pytest.raises(FormatError, match="-900") as caught:
        plan(data, file_size=2000)
    assert caught.value.tag == 324


# ---- last strips and last tiles


def test_a_short_last_strip_says_its_rows():
    found = plan(strips(25, 10, [500, 700, 900], [100, 100, 50]), file_size=2000)
    assert (found.length, found.last_length) == (10, 5)


@pytest.mark.parametrize("uncompressed", [True, False])
def test_a_last_strip_that_divides_is_not_short(uncompressed: bool):
    data = strips(20, 10, [500, 900], [100, 100])
    found = plan(data, uncompressed=uncompressed, file_size=2000)
    assert (found.length, found.last_length) == (10, 10)


def test_a_compressed_last_strip_is_short_where_the_image_ends():
    data = strips(25, 10, [500, 700, 900], [33, 44, 22], compression=8)
    found = plan(data, uncompressed=False, file_size=2000)
    assert (found.last_length, found.byte_counts.ravel().tolist()) == (5, [33, 44, 22])


def test_uncompressed_bytes_behind_a_strip_are_cut_off():
    found = plan(strips(25, 10, [500, 700, 900], [120, 120, 120]), file_size=2000)
    assert found.byte_counts.ravel().tolist() == [100, 100, 50]


def test_compressed_bytes_are_never_cut_off():
    data = strips(25, 10, [500, 700, 900], [120, 120, 120], compression=8)
    found = plan(data, uncompressed=False, file_size=2000)
    assert found.byte_counts.ravel().tolist() == [120, 120, 120]


def test_a_count_that_is_too_small_is_not_believed_where_the_bytes_are_free():
    with pytest.warns(UserWarning, match="byte counts of 1 uncompressed strip are"):
        found = plan(strips(30, 10, [500, 700, 900], [100, 100, 99]), file_size=2000)
    assert (found.last_length, found.byte_counts.ravel().tolist()) == (10, [100, 100, 100])
    assert found.lost is None


def test_a_strip_amid_the_image_is_not_taken_for_the_short_last_one():
    found = plan(strips(25, 10, [500, 700, 900], [100, 50, 50]), file_size=2000)
    # the first two counts differ: libtiff derives them, all but those of two strips
    assert found.byte_counts.ravel().tolist() == [100, 100, 50]
    found = plan(strips(15, 10, [500, 590], [50, 50]), file_size=2000)
    assert found.byte_counts.ravel().tolist() == [50, 50]
    for blocks in (found.short, found.lost):
        np.testing.assert_array_equal(blocks, [[[True], [False]]])


@pytest.mark.parametrize("spacing", [99, 100])
@pytest.mark.parametrize(
    ("counts", "short"),
    [
        ([100, 100, 50], []),
        ([100, 100, 49], []),  # its 50 bytes are free
        ([100, 99, 50], [1]),
        ([50, 1, 50], [0, 1]),
        ([100, 100, 0], []),  # missing, not short
        ([120, 100, 60], []),
    ],
)
@pytest.mark.filterwarnings("ignore:the byte counts of .* are too small")
def test_uncompressed_blocks_of_too_few_bytes_before_the_next_are_short(
    counts: list[int], short: list[int], spacing: int
):
    # three planes, where libtiff trusts the counts
    data = described(
        25,
        10,
        [500 + spacing * number for number in range(9)],
        [100] * 2 + [50] + counts + [100] * 2 + [50],
        entry(277, SHORT, 3),
        entry(284, SHORT, 2),
        entry(278, SHORT, 10),
    )
    found = plan(data, file_size=5000)
    expected = [3 + number for number in short if spacing < 100]
    assert ([] if found.lost is None else np.flatnonzero(found.lost).tolist()) == expected


def test_uncompressed_tiles_may_end_where_the_image_does():
    data = described(20, 16, [500, 900], [256, 64], tile=(16, 16))
    found = plan(data, file_size=2000)
    assert (found.last_length, found.byte_counts.ravel().tolist()) == (4, [256, 64])


def test_uncompressed_tiles_that_are_whole_need_no_padding():
    data = described(20, 16, [500, 900], [256, 256], tile=(16, 16))
    assert plan(data, file_size=2000).last_length == 16


@pytest.mark.parametrize(("short_tiles", "last_length"), [(True, 4), (False, 16)])
def test_compressed_tiles_may_end_where_the_image_does_if_their_compression_does_so(
    short_tiles: bool, last_length: int
):
    data = described(20, 16, [500, 900], [80, 30], tile=(16, 16))
    found = plan(data, uncompressed=False, short_tiles=short_tiles, file_size=2000)
    assert found.last_length == last_length


# ---- merged strips


def test_strips_one_after_another_are_one_chunk():
    found = plan(strips(25, 10, [500, 600, 700], [100, 100, 50]), file_size=2000)
    assert (found.length, found.width, found.last_length) == (25, 10, 25)
    assert (found.offsets.tolist(), found.byte_counts.tolist()) == ([[[500]]], [[[250]]])


@pytest.mark.parametrize(
    "offsets",
    [[500, 601, 700], [500, 599, 700], [700, 600, 500], [500, 500, 500]],
    ids=["gap", "overlap", "backwards", "one place"],
)
def test_other_strips_stay_apart(offsets: list[int]):
    found = plan(strips(25, 10, offsets, [100, 100, 50]), file_size=2000)
    assert (found.length, found.offsets.ravel().tolist()) == (10, offsets)


def test_strips_stay_apart_if_told():
    data = strips(25, 10, [500, 600, 700], [100, 100, 50])
    assert plan(data, merge_strips=False, file_size=2000).length == 10


def test_compressed_strips_stay_apart():
    data = strips(25, 10, [500, 600, 700], [100, 100, 50])
    assert plan(data, uncompressed=False, file_size=2000).length == 10


def test_a_run_that_the_end_of_the_file_cuts_stays_apart():
    data = strips(25, 10, [500, 600, 700], [100, 100, 50])
    assert (plan(data, file_size=750).length, plan(data, file_size=749).length) == (25, 10)


def test_strips_of_which_one_is_missing_stay_apart():
    assert plan(strips(25, 10, [500, 0, 700], [100, 0, 50]), file_size=2000).length == 10


def test_the_planes_need_not_follow_each_other():
    entries = [
        *(entry(tag, LONG, n) for tag, n in ((256, 10), (257, 20), (278, 10))),
        *(entry(277, SHORT, 2), entry(284, SHORT, 2), entry(258, SHORT, [8, 8])),
        entry(273, LONG, [900, 1000, 500, 600]),
        entry(279, LONG, [100] * 4),
    ]
    found = plan(build([Directory(entries)]), file_size=2000)
    assert (found.length, found.offsets.tolist()) == (20, [[[900]], [[500]]])
    assert found.byte_counts.tolist() == [[[200]], [[200]]]


@pytest.mark.parametrize(
    ("length", "row", "rows"),
    [
        (800, 10_000, 800),  # 8,000,000 bytes: one chunk
        (838, 10_010, 838),  # 8,388,380 bytes: just one chunk
        (840, 10_000, 420),  # two halves
        (3000, 10_000, 750),  # the largest divisor below 8 MiB
        (10_000, 10_000, 625),
        (1009, 10_007, 1009),  # a prime: one chunk of 10 MB needs no codec of ours
        (2 * 1009, 10_007, 1009),
        (10 * 1009, 10_007, 10),  # 100,070 bytes are better than 10 MB
        (5003, 10_000, 1),  # a row, as a strip of libtiff
        (100_003, 1000, 8388),  # no divisor does: as many as fit into 8 MiB
        (1009 * 1013, 1040, 1013),  # two divisors, on either side of the square root
        (1013 * 1013, 1040, 1013),  # one divisor, which is the square root
        (3, 9 * MIB, 1),  # a row is a chunk at least
        (2, 8 * MIB, 1),
    ],
)
def test_rows_of_a_merged_chunk(length: int, row: int, rows: int):
    found = plan(run(length, row, 1 + length // 1000), file_size=2**40)
    assert found.length == rows


@pytest.mark.parametrize(
    ("length", "row"), [(840, 10_000), (1009, 10_007), (10_007, 1009), (3, 9 * MIB)]
)
@pytest.mark.parametrize("rows_per_strip", [1, 3, 2000])
def test_merged_chunks_cover_the_run_without_gap(length: int, row: int, rows_per_strip: int):
    found = plan(run(length, row, rows_per_strip), file_size=2**40)
    offsets, counts = found.offsets.ravel(), found.byte_counts.ravel()
    assert offsets[0] == 1000
    assert np.array_equal(offsets[1:], (offsets + counts)[:-1])
    assert counts.sum() == length * row
    assert found.last_length * row == counts[-1]


def test_chunks_have_1_to_8_mib():
    assert MERGED_BYTES == (MIB, 8 * MIB)


def test_a_plan_is_complete_and_cannot_be_changed():
    found = plan(image(values("u1", 5, 7)))
    with pytest.raises(AttributeError):
        found.length = 1  # type: ignore[misc]
