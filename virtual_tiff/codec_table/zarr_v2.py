"""The codecs of Zarr v3 as filters and compressor of Zarr v2, which kerchunk references name.

Zarr v2 has no step between arrays but filters of numcodecs, which are registered by name. Four
things differ:

- `bytes` is not a codec: the data type says the byte order.
- `transpose` does not exist. The array is described in the order in which its chunks store it:
  (y, x, band) where it was (band, y, x). Pixels are equal; the names of the dimensions say which
  is which.
- A filter does not know the array. So `imagecodecs_delta` and others get shape and data type of a
  chunk in their configuration.
- A codec is known to zarr by numcodecs' registry. Those of imagecodecs get there by
  `imagecodecs.numcodecs.register_codecs()`; this package's have no counterpart, and an array that
  has one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from virtual_tiff.codec_table.description import CodecJSON

__all__ = ["NoZarrV2Error", "zarr_v2_chunks"]


class NoZarrV2Error(ValueError):
    """Something of an array that Zarr v2 cannot say."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Zarr v2 has no counterpart of {what}")


@dataclass(kw_only=True)
class ZarrV2Chunks:
    """How the chunks of an array are stored, in words of Zarr v2."""

    order: list[int]
    """The dimensions of the array in the order of Zarr v2."""
    shape: list[int]
    """Of a chunk, in this order."""
    dtype: np.dtype[Any]
    """Of the array; its byte order is the chunks'."""
    word: np.dtype[Any]
    """What a sample is to the codecs that come next: of complex numbers it may be an integer."""
    filters: list[dict[str, Any]] = field(default_factory=list)
    compressor: dict[str, Any] | None = None


def zarr_v2_chunks(
    codecs: Sequence[CodecJSON], chunk_shape: Sequence[int], data_type: str
) -> ZarrV2Chunks:
    """Return how Zarr v2 says the codecs of an array.

    Parameters
    ----------
    codecs
        As the array's metadata have them.
    chunk_shape
        Of a chunk.
    data_type
        Of the array, a number.

    Raises
    ------
    NoZarrV2Error
        If a codec has no counterpart; it names the codec.
    """
    endian = next((_configuration(c).get("endian") for c in codecs if c["name"] == "bytes"), None)
    dtype = np.dtype(data_type).newbyteorder(">" if endian == "big" else "<")
    chunks = ZarrV2Chunks(
        order=list(range(len(chunk_shape))), shape=list(chunk_shape), dtype=dtype, word=dtype
    )
    for codec in codecs:
        translate = _CODECS.get(codec["name"])
        if translate is None:
            raise NoZarrV2Error(_name(codec["name"]))
        translate(chunks, _configuration(codec))
    if chunks.filters and codecs[-1]["name"] in _COMPRESSORS:
        chunks.compressor = chunks.filters.pop()
    return chunks


def _name(codec: str) -> str:
    return f"the codec {codec}"


def _configuration(codec: CodecJSON) -> dict[str, Any]:
    return codec.get("configuration") or {}


type _Translation = Callable[[ZarrV2Chunks, dict[str, Any]], None]


def _bytes(_chunks: ZarrV2Chunks, _configuration: dict[str, Any]) -> None:
    """Do nothing: the data type says the byte order."""


def _transpose(chunks: ZarrV2Chunks, configuration: dict[str, Any]) -> None:
    if chunks.filters or chunks.word != chunks.dtype:
        raise NoZarrV2Error(_name("transpose between others"))
    order = configuration["order"]
    chunks.order = [chunks.order[n] for n in order]
    chunks.shape = [chunks.shape[n] for n in order]


def _view(chunks: ZarrV2Chunks, configuration: dict[str, Any]) -> None:
    # in a big-endian word the imaginary part is first, which no data type says
    if chunks.dtype.byteorder == ">":
        raise NoZarrV2Error(_name("virtual_tiff.view of big-endian words"))
    chunks.word = np.dtype(configuration["data_type"]).newbyteorder("<")


def _add(
    name: str, of_chunks: Callable[[ZarrV2Chunks], dict[str, Any]] = lambda _: {}
) -> _Translation:
    """Return the translation to a codec of numcodecs that may have to know the array as well."""

    def add(chunks: ZarrV2Chunks, configuration: dict[str, Any]) -> None:
        chunks.filters.append({"id": name, **of_chunks(chunks), **configuration})

    return add


_SAME = (
    *("imagecodecs_float24", "imagecodecs_eer", "imagecodecs_jpeg", "imagecodecs_jpeg2k"),
    *("imagecodecs_jpegxl", "imagecodecs_jpegxr", "imagecodecs_lerc", "imagecodecs_png"),
    "imagecodecs_webp",
)
"""Codecs of one name and configuration in both."""

_COMPRESSORS = {
    "imagecodecs_lzw": "imagecodecs_lzw",
    "imagecodecs_packbits": "imagecodecs_packbits",
    "numcodecs.lzma": "lzma",
    "numcodecs.zlib": "zlib",
    "virtual_tiff.reverse_bits": "imagecodecs_bitorder",
    "zstd": "zstd",
}
"""Codecs between bytes, to their names in numcodecs."""

_CODECS: dict[str, _Translation] = {
    "bytes": _bytes,
    "transpose": _transpose,
    "virtual_tiff.view": _view,
    "imagecodecs_delta": _add(
        "imagecodecs_delta", lambda chunks: {"shape": chunks.shape, "dtype": chunks.word.str}
    ),
    "imagecodecs_floatpred": _add(
        "imagecodecs_floatpred", lambda chunks: {"shape": chunks.shape, "dtype": chunks.dtype.str}
    ),
    "imagecodecs_packints": _add(
        "imagecodecs_packints", lambda chunks: {"dtype": chunks.dtype.str}
    ),
    **{name: _add(name) for name in _SAME},
    **{name: _add(other) for name, other in _COMPRESSORS.items()},
}
