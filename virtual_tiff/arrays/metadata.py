"""A directory to the complete Zarr v3 metadata of its array, as a plain dict.

Testable without zarr: what is written here is what `zarr.json` says.
"""

from __future__ import annotations

from typing import Any

from virtual_tiff import codec_table
from virtual_tiff.arrays.axes import Axes
from virtual_tiff.arrays.chunks import ChunkPlan
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.metadata import image_attributes as values
from virtual_tiff.tiff import BlockGrid, ImageFileDirectory, Photometric

__all__ = ["array_metadata", "json_float"]


def array_metadata(
    ifd: ImageFileDirectory,
    grid: BlockGrid,
    chunks: ChunkPlan,
    axes: Axes,
    attributes: JSON,
) -> JSON:
    """Return the metadata of the array of one image; its dimensions are called by their axes.

    `attributes` are what is known of the values. A data type or a decoding step that is missing is
    an UnsupportedError, which names the tag's value.
    """
    lengths = chunks.length, chunks.width, chunks.last_length
    shared = ifd.remembered(_metadata, grid, *lengths, axes)
    return shared | {"attributes": attributes | shared["attributes"]}


def _metadata(
    ifd: ImageFileDirectory,
    grid: BlockGrid,
    length: int,
    width: int,
    last_length: int,
    axes: Axes,
) -> JSON:
    """Return what follows from the tags alone; as attribute, what the codecs make of colours."""
    dtype = data_type(ifd)
    steps = codec_table.codecs(ifd, grid, dtype, length=length, last_length=last_length)
    if axes.samples_last:  # `transpose` brings them to the front
        steps = [step for step in steps if step["name"] != "transpose"]
    to_rgb = any(
        step["name"] in _TO_RGB or step["configuration"].get("colorspace_data") == "RGB"
        for step in steps
    )
    # whatever PhotometricInterpretation says
    colours = {"decoded_photometric_interpretation": int(Photometric.RGB)} if to_rgb else {}
    lengths = {"band": grid.samples, "y": grid.image_length, "x": grid.image_width}
    chunk_lengths = {"band": grid.block_samples, "y": length, "x": width}
    chunk_shape = axes.lengths(chunk_lengths)
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": axes.lengths(lengths),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk_shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _fill_value(ifd, dtype),
        "codecs": steps,
        "attributes": colours,
        "dimension_names": list(axes),
        "storage_transformers": [],
    }


_TO_RGB = {"virtual_tiff.ycbcr", "virtual_tiff.jpeg2k_ycbcr"}


def _fill_value(ifd: ImageFileDirectory, dtype: str) -> int | float | str | list[Any]:
    """Return what a missing block reads as, in JSON."""
    fill = values.missing_value(ifd, dtype)
    if dtype.startswith("complex"):
        return [json_float(fill.real), json_float(fill.imag)]
    return json_float(float(fill.real)) if dtype.startswith("float") else int(fill.real)


def json_float(number: float) -> float | str:
    """Return a number as Zarr v3 writes it in JSON."""
    if number != number:  # noqa: PLR0124 (NaN alone differs from itself)
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    return number
