"""Arrays of one chunk, written by hand: a codec's own bytes, read by zarrita with our module."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.node import ZarritaError, read_many

type CodecJSON = dict[str, Any]


def codec(name: str, **configuration: Any) -> CodecJSON:
    return {"name": name, "configuration": configuration}


BYTES = codec("bytes", endian="little")


@dataclass(frozen=True)
class Chunk:
    """A chunk, and what its codecs have to give: an array, or an error with these words."""

    codecs: Sequence[CodecJSON]
    data: bytes
    expected: NDArray[Any] | str
    dtype: str = "uint8"
    shape: tuple[int, ...] = (2, 4)


def read_chunks(
    chunks: Mapping[str, Chunk], folder: Path, *, canvas: bool = False
) -> dict[str, NDArray[Any] | ZarritaError]:
    """Read all in one process, by name."""
    for number, chunk in enumerate(chunks.values()):
        place = folder / str(number)
        block = place.joinpath("c", *["0"] * len(chunk.shape))
        block.parent.mkdir(parents=True)
        block.write_bytes(chunk.data)
        (place / "zarr.json").write_text(json.dumps(metadata(chunk)), encoding="utf-8")
    wanted = [(str(number), None) for number in range(len(chunks))]
    found = read_many(folder, wanted, codecs=True, canvas=canvas)
    return dict(zip(chunks, found, strict=True))


def metadata(chunk: Chunk) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": chunk.shape,
        "data_type": chunk.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk.shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": chunk.codecs,
        "attributes": {},
    }


def check(chunk: Chunk, found: NDArray[Any] | ZarritaError) -> None:
    """The array, or the error, is what is expected."""
    if isinstance(chunk.expected, str):
        assert isinstance(found, ZarritaError), found
        assert chunk.expected in str(found)
        return
    if isinstance(found, ZarritaError):
        raise found
    assert found.dtype == np.dtype(chunk.dtype)
    np.testing.assert_array_equal(found, chunk.expected)
