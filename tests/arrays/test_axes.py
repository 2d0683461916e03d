"""The axes of an image's array, and that these are carried with every array of a file."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from support.build import Picture, images
from support.pixels import virtual
from virtual_tiff.arrays.axes import Axes


@pytest.mark.parametrize(
    ("shape", "planar", "samples", "axes"),
    [
        ((5, 7), 1, "first", "yx"),
        ((5, 7), 1, "stored", "yx"),
        ((5, 7, 3), 1, "first", "byx"),
        ((5, 7, 3), 1, "stored", "yxb"),
        ((5, 7, 3), 2, "first", "byx"),
        ((5, 7, 3), 2, "stored", "byx"),
    ],
)
def test_the_dimensions_are_called_by_their_axes(
    shape: tuple[int, ...], planar: int, samples: str, axes: str
) -> None:
    data = images([Picture(np.zeros(shape, np.uint8), planar=planar)])
    array = virtual(data, samples=samples).group.arrays["0"]
    names: Any = array.metadata.dimension_names
    assert "".join(name[0] for name in names) == axes
    sizes = {"y": 5, "x": 7, "b": 3}
    assert array.shape == tuple(sizes[axis] for axis in axes)


@pytest.mark.parametrize(
    ("axes", "rows", "samples_last"),
    [("yx", 0, False), ("byx", 1, False), ("yxb", 0, True), ("tczyx", 3, False), ("tyxc", 1, True)],
)
def test_where_rows_and_samples_are(axes: str, rows: int, *, samples_last: bool) -> None:
    record = pickle.loads(pickle.dumps(Axes(axes)))
    assert (record.rows, record.samples_last) == (rows, samples_last)
    assert record.lengths({axis: number for number, axis in enumerate(axes)}) == [*range(len(axes))]
