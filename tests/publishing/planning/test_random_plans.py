"""Random placements of files: a plan shows each pixel of the right file, or is refused rightly.

The reference paints file over file, pixel by pixel, and `support.grids.said` decides whether
chunks can say the result. Nothing is written or read, so thousands are tried.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from support.grids import Overlap, Placed, said
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.grid import AxisChunks, GridPlan, Tiles, plan_grid

PLANS = int(os.environ.get("VIRTUAL_TIFF_PLANS", "1000"))
"""How many placements are tried."""

type Image = dict[tuple[int, ...], NDArray[np.int64]]
"""By position: (y, x, 3), the number of the file and the row and column in it; -1 for none."""


def random_files(rng: random.Random) -> list[Placed]:
    tiled = rng.random() < 0.7
    block = rng.choice([(4, 4), (4, 8), (8, 4), (5, 5)])
    count = (rng.randint(1, 3), rng.randint(1, 3))
    shape = (rng.randint(2, 20), rng.randint(2, 20))
    if rng.random() < 0.3:
        shape = (block[0] * rng.randint(1, 3), block[1] * rng.randint(1, 3))
    over = rng.choice([(0, 0), (0, 0), (1, 1), block, (rng.randint(-3, 4), rng.randint(-3, 4))])
    spacing = (max(1, shape[0] - over[0]), max(1, shape[1] - over[1]))
    files = [
        Placed(
            start=(row * spacing[0], column * spacing[1]),
            shape=shape,
            block=block,
            tiled=tiled,
            position=(position,),
        )
        for position in range(rng.choice([1, 1, 1, 2]))
        for row in range(count[0])
        for column in range(count[1])
        if rng.random() < 0.9
    ] or [Placed(start=(0, 0), shape=shape, block=block, tiled=tiled, position=(0,))]
    files = [changed(rng, file) for file in files]
    if rng.random() < 0.5:
        rng.shuffle(files)
    corner = [min(file.start[axis] for file in files) for axis in (0, 1)]
    return [
        replace(
            file,
            start=(file.start[0] - corner[0], file.start[1] - corner[1]),
            block=file.block if tiled else (file.block[0], file.shape[1]),
        )
        for file in files
    ]


def changed(rng: random.Random, file: Placed) -> Placed:
    """Move or shrink some files, and give some other blocks."""
    way = rng.random()
    if way < 0.05:
        row, column = (start + rng.randint(-3, 3) for start in file.start)
        return replace(file, start=(row, column))
    if way < 0.1:
        return replace(file, shape=(rng.randint(1, file.shape[0]), rng.randint(1, file.shape[1])))
    if way < 0.12:
        return replace(file, block=rng.choice([(4, 4), (8, 8)]))
    return file


def painted(files: list[Placed], overlap: Overlap) -> Image:
    """What a VRT of the files shows."""
    size = [max(file.start[axis] + file.shape[axis] for file in files) for axis in (0, 1)]
    image: Image = {}
    numbered = list(enumerate(files))
    for number, file in numbered[::-1] if overlap == "first" else numbered:
        cells = image.setdefault(file.position, np.full((*size, 3), -1))
        (row, column), (rows, columns) = file.start, file.shape
        window = cells[row : row + rows, column : column + columns]
        window[..., 0] = number
        window[..., 1:] = np.moveaxis(np.indices(file.shape), 0, -1)
    return image


def shown(files: list[Placed], plan: GridPlan) -> Image:
    """What a reader sees: each chunk the part of its block that its length says."""
    image: Image = {}
    edges = [
        [*range(0, length, axis.block), length]
        if axis.lengths is None
        else [0, *np.cumsum(axis.lengths).tolist()]
        for axis, length in zip(plan.chunks, plan.shape, strict=True)
    ]
    assert [each[-1] for each in edges] == list(plan.shape)
    for file in files:
        image.setdefault(file.position, np.full((*plan.shape, 3), -1))
    for piece, number in enumerate(plan.blocks.files.tolist()):
        file = files[number]
        cells = image[file.position]
        for step in np.ndindex(*plan.blocks.counts[piece].tolist()):
            slices, pixels = [], []
            for axis in (0, 1):
                chunk = int(plan.blocks.origins[piece, axis]) + step[axis]
                block = int(plan.blocks.first[piece, axis]) + step[axis]
                low, high = edges[axis][chunk : chunk + 2]
                first = first_pixel(plan.chunks[axis], high - low, encoded(file, axis, block))
                slices.append(slice(low, high))
                pixels.append(block * file.block[axis] + first + np.arange(high - low))
            window = cells[slices[0], slices[1]]
            assert (window == -1).all(), "two blocks have one chunk"
            window[..., 0] = number
            window[..., 1], window[..., 2] = np.meshgrid(*pixels, indexing="ij")
    return image


def encoded(file: Placed, axis: int, block: int) -> int:
    """Pixels of a block as it is stored."""
    length, size = file.shape[axis], file.block[axis]
    return size if file.tiled else min(size, length - block * size)


def first_pixel(chunks: AxisChunks, length: int, stored: int) -> int:
    """The pixel of a block that a chunk of a length begins with; the codec must know the block."""
    if chunks.lengths is None:  # a short last block is filled up
        return 0
    size, first = chunks.parts.get(length, (chunks.block, 0))
    assert size == stored
    return first


def trials(first: int, count: int) -> Iterator[tuple[int, str]]:
    """What came of each seed: `right`, `refused`, or what is wrong."""
    for seed in range(first, first + count):
        rng = random.Random(seed)
        files = random_files(rng)
        overlap: Overlap = rng.choice(["last", "first", "error"])
        rectilinear = rng.random() < 0.7
        yield seed, trial(files, overlap, rectilinear=rectilinear)


def trial(files: list[Placed], overlap: Overlap, *, rectilinear: bool) -> str:
    can = said(files, overlap=overlap, pad=False)
    possible = can.rectilinear if rectilinear else can.regular
    possible &= not (can.overlap and overlap == "error")
    tiles = Tiles(
        path="0",
        starts=np.array([file.start for file in files]),
        sizes=np.array([file.shape for file in files]),
        blocks=np.array([file.block for file in files]),
        names=[f"file {n}" for n in range(len(files))],
        axes=("y", "x"),
        positions=np.array([file.position[0] for file in files]),
    )
    short = (not files[0].tiled, False)
    try:
        plan = plan_grid(tiles, (0, 1), overlap=overlap, rectilinear=rectilinear, short=short)
    except PublishError as error:
        return f"refused wrongly: {error}" if possible and not can.cut else "refused"
    if not possible:
        return f"not refused: {can.why or 'an overlap, or no regular grid'}"
    regular = all(axis.lengths is None for axis in plan.chunks)
    if regular != can.regular:
        return f"regular: {regular}, reference {can.regular}"
    ours, theirs = shown(files, plan), painted(files, overlap)
    same = all(np.array_equal(ours[position], theirs[position]) for position in theirs)
    return "right" if same else "other pixels"


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, PLANS, 250))
def test_random_plans_are_right_or_refused_for_a_reason(first: int) -> None:
    results = dict(trials(first, min(250, PLANS - first)))
    wrong = {seed: text for seed, text in results.items() if text not in ("right", "refused")}
    assert not wrong
    assert min(Counter(results.values()).values()) > len(results) // 5
