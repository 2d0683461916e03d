"""`virtual_tiff.crop`: a chunk is a part of its block, which its lengths say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore

from virtual_tiff.codecs.samples.crop import CropCodec

pytestmark = pytest.mark.usefixtures("rectilinear")

BLOCKS = np.arange(4 * 4 * 6, dtype="uint8").reshape(4, 4, 6)


def array(parts: list[dict[str, list[int]]]) -> Any:
    """Return an array of 5 rows and 9 columns, of four blocks of 4 x 6."""
    store = MemoryStore()
    crop = {"block_shape": [4, 6], "parts": parts}
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [5, 9],
        "data_type": "uint8",
        "chunk_grid": {
            "name": "rectilinear",
            "configuration": {"kind": "inline", "chunk_shapes": [[4, 1], [6, 3]]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "virtual_tiff.crop", "configuration": crop}, {"name": "bytes"}],
        "fill_value": 0,
        "attributes": {},
        "storage_transformers": [],
    }
    values = {"zarr.json": json.dumps(metadata).encode()}
    values |= {f"c/{n // 2}/{n % 2}": BLOCKS[n].tobytes() for n in range(4)}
    buffer = default_buffer_prototype().buffer
    for key, data in values.items():
        sync(store.set(key, buffer.from_bytes(data)))
    return zarr.open_array(store, mode="r")


@pytest.mark.parametrize(
    "pipeline", ["zarr.core.codec_pipeline.BatchedCodecPipeline", "FusedCodecPipeline"]
)
def test_a_chunk_is_the_first_pixels_of_its_block_or_those_that_its_length_names(
    pipeline: str,
) -> None:
    name = pipeline if "." in pipeline else f"zarr.core.codec_pipeline.{pipeline}"
    if not hasattr(zarr.core.codec_pipeline, name.rpartition(".")[2]):
        pytest.skip("this zarr has one pipeline")
    with zarr.config.set({"codec_pipeline.path": name}):
        whole = np.concatenate(
            [
                np.concatenate([BLOCKS[0], BLOCKS[1][:, :3]], axis=1),
                np.concatenate([BLOCKS[2][:1], BLOCKS[3][:1, :3]], axis=1),
            ]
        )
        np.testing.assert_array_equal(array([])[...], whole)
        last = np.concatenate(
            [
                np.concatenate([BLOCKS[0], BLOCKS[1][:, 2:5]], axis=1),
                np.concatenate([BLOCKS[2][3:], BLOCKS[3][3:, 2:5]], axis=1),
            ]
        )
        np.testing.assert_array_equal(array([{"1": [4, 3]}, {"3": [6, 2]}])[...], last)


def test_a_part_beyond_the_block_is_refused_when_it_is_read() -> None:
    with pytest.raises(ValueError, match="no part of its block"):
        array([{"1": [4, 4]}, {}])[4:]


@pytest.mark.parametrize(
    ("block_shape", "parts"),
    [([4, "6"], []), ([4, -6], []), ([4, 6], [{}]), ([4, 6], [{}, {"3": [1]}])],
)
def test_wrong_configurations_are_refused(block_shape: Any, parts: Any) -> None:
    with pytest.raises(ValueError, match="block_shape"):
        CropCodec(block_shape, parts)


def test_its_metadata_is_its_configuration() -> None:
    codec = CropCodec([4, 6], [{}, {"3": [6, 2]}])
    assert CropCodec.from_dict(codec.to_dict()) == codec
    assert json.loads(json.dumps(codec.to_dict()))["configuration"]["block_shape"] == [4, 6]
