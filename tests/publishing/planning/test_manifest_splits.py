"""Along how many chunks references are kept together, as a table of arrays and of lengths."""

from __future__ import annotations

from typing import Any

import pytest

from virtual_tiff.publishing.planning.splitting import Joined, manifest_splits


def array(names: str, *counts: int, new: int = 0, axes: tuple[str, ...] = ()) -> Joined:
    metadata: dict[str, Any] = {
        "shape": [count * 16 for count in counts],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [16] * len(counts)}},
        "dimension_names": names.split(),
    }
    return Joined(metadata, new, axes)


def uneven(names: str, *runs: list[Any], new: int = 0) -> Joined:
    metadata: dict[str, Any] = {
        "shape": [1] * len(runs),
        "chunk_grid": {"name": "rectilinear", "configuration": {"chunk_shapes": list(runs)}},
        "dimension_names": names.split(),
    }
    return Joined(metadata, new)


CASES = {
    "a small image has one manifest": ([array("y x", 8, 8)], {}),
    "as many references as a manifest takes": ([array("y x", 256, 128)], {}),
    "one row of chunks more": ([array("y x", 257, 128)], {"y": 129}),
    "a large image is halved along its longest axis": (
        [array("y x", 1024, 512)],
        {"y": 128, "x": 256},
    ),
    "a stack: what a manifest takes, along time alone": (
        [array("time y x", 1000, 8, 8, new=1)],
        {"time": 512},
    ),
    "a stack of images that fill a manifest each": (
        [array("time y x", 9, 256, 128, new=1)],
        {"time": 1},
    ),
    "a stack of larger images": (
        [array("time y x", 9, 256, 256, new=1)],
        {"time": 1, "y": 128},
    ),
    "of two new dimensions the last is kept together": (
        [array("run step y x", 50, 40, 8, 8, new=2)],
        {"run": 12, "step": 40},
    ),
    "of two new dimensions the last is too long": (
        [array("run step y x", 50, 4000, 8, 8, new=2)],
        {"run": 1, "step": 512},
    ),
    "tiles, which can grow along both axes": (
        [array("y x", 3, 3, axes=("y", "x"))],
        {"y": 192, "x": 96},
    ),
    "bands that are put together": (
        [array("band y x", 4, 8, 8, axes=("band",))],
        {"band": 512},
    ),
    "the largest image rules for what is smaller": (
        [array("time y x", 9, 8, 8, new=1), array("time y x", 9, 256, 256, new=1)],
        {"time": 1, "y": 128},
    ),
    "names apart": (
        [array("time y_1 x_1", 9, 8, 8, new=1), array("time y x", 9, 16, 16, new=1)],
        {"time": 128},
    ),
    "chunks of several lengths": (
        [uneven("time y x", [[1, 9]], [[16, 250], 7], [[16, 256]], new=1)],
        {"time": 1, "x": 128},
    ),
}


@pytest.mark.parametrize(("arrays", "expected"), CASES.values(), ids=CASES.keys())
def test_manifest_splits(arrays: list[Joined], expected: dict[str, int]) -> None:
    assert manifest_splits(arrays) == expected
