"""The planner of chunk grids, judged by painting the pixels of every file one over the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning import grid
from virtual_tiff.publishing.planning.grid import (
    GridPlan,
    NotRegularError,
    Overlap,
    Tiles,
    plan_grid,
    run_lengths,
)

NOTHING = (-1, -1, -1)
"""The file, row and column that a pixel has which no file gives."""


def tiles(
    places: Sequence[tuple[int, int, int, int]],
    block: tuple[int, int],
    positions: Sequence[int] | None = None,
) -> Tiles:
    """Return files with (first row, first column, rows, columns)."""
    numbers = np.array(places, dtype=np.int64)
    starts = numbers[:, :2] - numbers[:, :2].min(axis=0)
    return Tiles(
        path="0",
        starts=starts,
        sizes=numbers[:, 2:],
        blocks=np.array([block] * len(places), dtype=np.int64),
        names=[f"file {n}" for n in range(len(places))],
        axes=("y", "x"),
        positions=None if positions is None else np.array(positions, dtype=np.int64),
    )


def painted(files: Tiles, overlap: Overlap) -> NDArray[np.int64]:
    """Return file, row and column of each pixel, as a VRT shows them."""
    rows, columns = (files.starts + files.sizes).max(axis=0)
    image = np.full((rows, columns, 3), NOTHING, dtype=np.int64)
    order = range(len(files.names))
    for n in reversed(order) if overlap == "first" else order:
        (row, column), (length, width) = files.starts[n], files.sizes[n]
        own = np.moveaxis(np.indices((length, width)), 0, -1)
        part = image[row : row + length, column : column + width]
        part[..., 0], part[..., 1:] = n, own
    return image


def shown(files: Tiles, plan: GridPlan) -> NDArray[np.int64]:
    """Return the same, as a reader of the plan's chunks sees them."""
    image = np.full((*plan.shape, 3), NOTHING, dtype=np.int64)
    edges: list[NDArray[Any]] = []
    for size, axis in zip(plan.shape, plan.chunks, strict=True):
        lengths = axis.lengths
        if lengths is None:
            lengths = np.full(-(-size // axis.block), axis.block)
        edges.append(np.concatenate([[0], np.cumsum(lengths)]))
        assert edges[-1][-1] >= size
    for piece, n in enumerate(plan.blocks.files.tolist()):
        for chunk in np.ndindex(*plan.blocks.counts[piece]):
            block = plan.blocks.first[piece] + chunk
            spans = []
            for axis in range(2):
                at = int(plan.blocks.origins[piece][axis] + chunk[axis])
                start, length = int(edges[axis][at]), int(np.diff(edges[axis])[at])
                size, offset = plan.chunks[axis].parts.get(length, (plan.chunks[axis].block, 0))
                assert size == plan.chunks[axis].block
                first = int(block[axis]) * size + offset
                length = min(length, plan.shape[axis] - start, int(files.sizes[n][axis]) - first)
                spans.append((start, first, length))
            (row, first_row, length), (column, first_column, width) = spans
            part = image[row : row + length, column : column + width]
            part[..., 0] = n
            part[..., 1:] = np.moveaxis(np.indices((length, width)), 0, -1)
            part[..., 1] += first_row
            part[..., 2] += first_column
    return image


CASES = {
    "blocks that fill no chunk": ([(0, 0, 10, 10), (0, 10, 10, 10), (10, 0, 10, 10)], (4, 4)),
    "shared pixels": ([(0, 0, 12, 12), (0, 10, 12, 12), (10, 0, 12, 12), (10, 10, 12, 12)],
                         (4, 4)),
    "overlaps of more than a block": ([(0, 0, 23, 23), (0, 16, 23, 23), (16, 0, 23, 23),
                                       (16, 16, 23, 23)], (4, 4)),
    "a gap": ([(0, 0, 10, 10), (0, 27, 10, 10)], (4, 4)),
    "columns of several widths": ([(0, 0, 9, 5), (0, 5, 9, 14), (9, 5, 3, 14)], (3, 4)),
    "the same place twice": ([(0, 0, 9, 9), (0, 0, 9, 9), (0, 9, 9, 9)], (4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("overlap", ["first", "last"])
@pytest.mark.parametrize("name", CASES)
def test_pixels_are_those_that_a_vrt_shows(name: str, overlap: Overlap) -> None:
    files = tiles(*CASES[name])
    plan = plan_grid(files, (0, 1), overlap=overlap)
    np.testing.assert_array_equal(shown(files, plan), painted(files, overlap))


@pytest.mark.parametrize("overlap", ["first", "last"])
@pytest.mark.parametrize("axis", [0, 1])
def test_files_that_overlap_along_one_dimension(axis: int, overlap: Overlap) -> None:
    places = [(0, at, 9, 9) if axis else (at, 0, 9, 9) for at in (0, 6, 18, 14)]
    files = tiles(places, (3, 3))
    plan = plan_grid(files, [axis], overlap=overlap)
    np.testing.assert_array_equal(shown(files, plan), painted(files, overlap))
    with pytest.raises(PublishError, match="file 1 and file 0 overlap in array 0"):
        plan_grid(files, [axis])


@pytest.mark.long
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_random_grids_are_right_or_refused(data: st.DataObject) -> None:
    widths = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))
    lengths = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))
    step = data.draw(st.integers(-2, 3))
    places = []
    row = 0
    for length in lengths:
        column = 0
        for width in widths:
            places.append((row, column, length, width))
            column += max(1, width + step)
        row += max(1, length + step)
    places = data.draw(st.permutations(places))
    places = places[: data.draw(st.integers(1, len(places)))]
    files = tiles(places, (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))))
    overlap: Overlap = data.draw(st.sampled_from(["error", "first", "last"]))
    try:
        plan = plan_grid(files, (0, 1), overlap=overlap)
    except PublishError:
        return
    np.testing.assert_array_equal(shown(files, plan), painted(files, overlap))


def test_files_of_several_times_do_not_overlap() -> None:
    files = tiles([(0, 0, 8, 8), (0, 0, 8, 8), (0, 8, 8, 8)], (4, 4), positions=[0, 1, 1])
    plan = plan_grid(files, (0, 1))
    assert all(axis.lengths is None for axis in plan.chunks)
    assert plan.blocks.counts.tolist() == [[2, 2]] * 3
    assert plan.blocks.origins.tolist() == [[0, 0], [0, 0], [0, 2]]


def test_a_file_that_others_cover_has_no_blocks() -> None:
    files = tiles([(0, 0, 8, 8), (0, 0, 8, 8)], (4, 4))
    assert plan_grid(files, (0, 1), overlap="last").blocks.files.tolist() == [1]
    assert plan_grid(files, (0, 1), overlap="first").blocks.files.tolist() == [0]


def test_what_is_left_of_a_file_may_be_several_rectangles() -> None:
    files = tiles([(0, 0, 12, 12), (4, 4, 8, 8)], (4, 4))
    plan = plan_grid(files, (0, 1), overlap="last", rectilinear=False)
    assert plan.blocks.files.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(shown(files, plan), painted(files, "last"))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([(0, 0, 8, 10), (0, 10, 8, 8)], "file 1: array 0 begins at 10 along x, within a chunk"),
        ([(0, 0, 8, 6), (0, 8, 8, 8)], "file 0: array 0 ends at 6 along x, within a chunk of 4"),
    ],
)
def test_what_a_regular_grid_cannot_have(
    places: list[tuple[int, int, int, int]], words: str
) -> None:
    with pytest.raises(NotRegularError, match=words):
        plan_grid(tiles(places, (4, 4)), (0, 1), rectilinear=False)


@pytest.mark.parametrize(
    ("places", "overlap", "words"),
    [
        ([(0, 0, 8, 8), (4, 4, 8, 8)], "error", "file 1 and file 0 overlap in array 0"),
        ([(0, 0, 9, 9), (3, 3, 3, 3)], "last", "must share their edges"),
        # the tile right of the first one is missing, and its overlap is shown in one row alone
        (
            [(0, 0, 10, 10), (9, 0, 10, 10), (9, 9, 10, 10)],
            "last",
            "has the edge of a chunk at 9 along x, and file 0 has none",
        ),
        ([(0, 0, 4, 6), (4, 2, 4, 4)], "last", "all tiles of a row must share|of a column must"),
    ],
)
def test_what_no_grid_shows(
    places: list[tuple[int, int, int, int]], overlap: Overlap, words: str
) -> None:
    with pytest.raises(PublishError, match=words):
        plan_grid(tiles(places, (4, 4)), (0, 1), overlap=overlap)


def test_a_short_last_block_needs_no_codec() -> None:
    files = tiles([(0, 0, 10, 8), (10, 0, 10, 8)], (4, 8))
    assert plan_grid(files, (0, 1)).cropped
    plan = plan_grid(files, (0, 1), short=(True, False))
    assert not plan.cropped
    assert plan.chunks[0].lengths is not None
    assert run_lengths(plan.chunks[0].lengths) == [[4, 2], 2, [4, 2], 2]


def test_chunks_of_one_length_that_would_show_different_parts_are_refused() -> None:
    # 3 pixels are the last ones of the second file's first block, and the first ones of its last
    files = tiles([(0, 0, 4, 11), (0, 10, 4, 11)], (4, 4))
    plan_grid(files, (0, 1), overlap="last")
    with pytest.raises(PublishError, match="a codec cannot tell them apart"):
        plan_grid(files, (0, 1), overlap="first")


def test_a_grid_of_too_many_chunks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their lengths are a list in the metadata."""
    monkeypatch.setattr(grid, "_MOST_CHUNKS", 5)
    near = tiles([(0, 0, 4, 10), (0, 10, 4, 20)], (4, 4))
    with pytest.raises(PublishError, match="more than 5 chunks along x"):
        plan_grid(near, (0, 1))
    far = tiles([(0, 0, 4, 3), (0, 100, 4, 3)], (4, 4))
    with pytest.raises(PublishError, match="lie more than 5 chunks apart"):
        plan_grid(far, (0, 1))


def test_blocks_of_several_sizes_have_no_regular_grid() -> None:
    files = replace(tiles([(0, 0, 8, 8), (0, 8, 8, 8)], (4, 4)), blocks=np.array([[4, 4], [4, 8]]))
    words = "file 1: array 0 has blocks of 8 pixels along x, and file 0 of 4"
    with pytest.raises(NotRegularError, match=words):
        plan_grid(files, (0, 1), rectilinear=False)
