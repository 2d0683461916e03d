"""References that move to other chunks: all that move are moved, and no other one stays."""

from __future__ import annotations

from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from virtual_tiff.publishing.planning.rearrange import Moves
from virtual_tiff.publishing.repository.mover import move

SHAPE = (6, 4)
NUMBERS = {
    "one is removed": ([0, 1, -1, 2, 3, 4], [0, 1, 2, 3]),
    "one is inserted": ([0, 1, 3, 4, 5, 6], [0, 1, 2, 3]),
    "one goes and one comes": ([-1, 0, 1, 3, 4, 5], [0, 1, 2, 3]),
    "both axes": ([1, 2, 3, 4, 5, 6], [-1, 0, 1, 2]),
    "another order": ([5, 3, 4, 0, 1, 2], [1, 0, 3, 2]),
    "the last ones are unknown": ([0, 2, 3], [0, 1, 2, 3]),
    "all stay": ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3]),
    "none stays": ([-1] * 6, [0, 1, 2, 3]),
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("case", NUMBERS)
def test_references_are_where_their_numbers_say(case: str, sparse: bool) -> None:
    numbers = [np.array(each, dtype=np.int64) for each in NUMBERS[case]]
    before = np.arange(1, 25).reshape(SHAPE)
    if sparse:
        before[[0, 2, 3, 5], [3, 1, 1, 0]] = 0
    expected = np.zeros((7, 4), dtype=before.dtype)
    for i, row in enumerate(numbers[0]):
        for j, column in enumerate(numbers[1]):
            if row >= 0 and column >= 0:
                expected[row, column] = before[i, j]
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    array: Any = zarr.create_array(
        session.store, name="a", shape=SHAPE, chunks=(1, 1), dtype="int64", fill_value=0
    )
    array[:] = before
    session.commit("before")
    session = repository.writable_session("main")
    move(session.store, (), {"a": Moves(numbers=numbers)}, {"a": (7, 4)})
    session.commit("after")
    after: Any = zarr.open_array(repository.readonly_session("main").store, path="a", mode="r")
    np.testing.assert_array_equal(after[:], expected)


def test_references_that_stay_are_not_written_again() -> None:
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    array: Any = zarr.create_array(session.store, name="a", shape=(100,), chunks=(1,), dtype="i8")
    array[:] = np.arange(1, 101)
    session.commit("before")
    session = repository.writable_session("main")
    numbers = [np.array([*range(98), -1, 98], dtype=np.int64)]
    move(session.store, (), {"a": Moves(numbers=numbers)}, {"a": (100,)})
    changed = session.status().updated_chunks["/a"]
    assert sorted(map(tuple, changed)) == [(98,), (99,)]
