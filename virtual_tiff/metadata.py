"""A directory to the complete Zarr v3 metadata of its array, as a plain dict.

Testable without zarr: what is written here is what `zarr.json` says.
"""

from __future__ import annotations

from typing import Any

from virtual_tiff import codec_table, values
from virtual_tiff.chunks import ChunkPlan
from virtual_tiff.conventions import place_attributes
from virtual_tiff.dtypes import data_type
from virtual_tiff.tiff import BlockGrid, ImageFileDirectory, Photometric

__all__ = ["array_metadata"]

type JSON = dict[str, Any]


def array_metadata(
    ifd: ImageFileDirectory, grid: BlockGrid, chunks: ChunkPlan, dimension_names: list[str]
) -> JSON:
    """Return the metadata of the array of one image.

    Shape (y, x) for one sample a pixel, (band, y, x) for more.

    Raises
    ------
    UnsupportedError
        If the data type or a decoding step is missing; it names the tag's value.
    """
    dtype = data_type(ifd)
    steps = codec_table.codecs(
        ifd, grid, dtype, length=chunks.length, last_length=chunks.last_length
    )
    shape, chunk_shape = _shapes(grid, chunks)
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk_shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _fill_value(ifd, dtype),
        "codecs": steps,
        "attributes": {
            **values.attributes(ifd, dtype),
            **_decoded_photometric(steps),
            **place_attributes(ifd, dimension_names),
        },
        "dimension_names": dimension_names,
        "storage_transformers": [],
    }


def _shapes(grid: BlockGrid, chunks: ChunkPlan) -> tuple[list[int], list[int]]:
    shape = [grid.image_length, grid.image_width]
    chunk_shape = [chunks.length, chunks.width]
    if grid.samples > 1:
        return [grid.samples, *shape], [grid.block_samples, *chunk_shape]
    return shape, chunk_shape


def _decoded_photometric(steps: list[JSON]) -> JSON:
    """Say so where the codecs give RGB, whatever PhotometricInterpretation says."""
    to_rgb = any(
        step["name"] in _TO_RGB or step["configuration"].get("colorspace_data") == "RGB"
        for step in steps
    )
    return {"decoded_photometric_interpretation": int(Photometric.RGB)} if to_rgb else {}


_TO_RGB = {"virtual_tiff.ycbcr", "virtual_tiff.jpeg2k_ycbcr"}


def _fill_value(ifd: ImageFileDirectory, dtype: str) -> int | float | str | list[Any]:
    """Return what a missing block reads as, in JSON."""
    fill = values.missing_value(ifd, dtype)
    if dtype.startswith("complex"):
        return [_json_float(fill.real), _json_float(fill.imag)]
    return _json_float(float(fill.real)) if dtype.startswith("float") else int(fill.real)


def _json_float(number: float) -> float | str:
    """Return a number as Zarr v3 writes it in JSON."""
    if number != number:  # noqa: PLR0124 (NaN alone differs from itself)
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    return number
