"""Decoders of bytes that stop when the array's bytes are full, as libtiff does.

Photoshop and others write LZW data that go on beyond the block, and hostile data go on for
thousands of bytes for each of their own. Each decoder here is given memory of the size that
the array promises, so that it neither guesses nor copies; zlib streams are decoded by
libdeflate. Most decoders of imagecodecs fail where data go on: only then the data are looked
at again, to tell a surplus, which is cut off, from damage.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from virtual_tiff.codecs.base import ArraySpec, Buffer

__all__ = ["DECODERS", "BoundedDecoder", "Fresh"]

type _Bytes = NDArray[np.uint8]

_LZMA_MEMORY = 2**28
"""Bytes for the dictionary and the rest of the decoder; `xz -9` takes 65 MiB. A stream may ask
for 4 GiB."""

_ZSTD_SURPLUS = 2**15
"""Bytes that Zstandard data may go on beyond a small block; beyond a large one, as many again."""


class Fresh(np.ndarray[Any, Any]):
    """Memory that a decoder has just filled: the next decoder may overwrite it.

    numpy keeps the class in views and reshaped arrays, so it survives `bytes`.
    """


def _sized(
    decode: Callable[..., Any], surplus: Callable[[_Bytes, int], Any] | None = None
) -> Callable[[_Bytes, int], Any]:
    """Return a decoder into memory of the array's size, from one of imagecodecs with `out`.

    Where `decode` fails, `surplus` is asked for the array's bytes; it returns None if the data do
    not go on. A decoder that stops silently where its memory ends has none.
    """

    def decoder(data: _Bytes, size: int) -> Any:  # noqa: ANN401 (an array)
        out = np.empty(size, np.uint8)
        try:
            return out[: len(decode(data, out=out))]
        except RuntimeError:  # the class of imagecodecs' errors
            longer = None if surplus is None else surplus(data, size)
            if longer is None:
                raise
            return longer

    return decoder


def _zlib_surplus(data: _Bytes, size: int) -> _Bytes | None:
    try:  # one byte more than is wanted, so that damage is no surplus
        longer = zlib.decompressobj().decompress(data, size + 1)
    except zlib.error:
        return None
    return np.frombuffer(bytearray(longer[:size]), np.uint8) if len(longer) > size else None


def _zstd_surplus(data: _Bytes, size: int) -> Any:  # noqa: ANN401 (an array or None)
    # the decoder works a frame at a time, and more than this would not be bounded
    out: Any = np.empty(size + max(size, _ZSTD_SURPLUS), np.uint8)
    try:
        length = len(imagecodecs.zstd_decode(data, out=out))
    except imagecodecs.ZstdError:
        return None
    return out[:size] if length > size else None


def _packbits_surplus(data: _Bytes, size: int) -> Any:  # noqa: ANN401 (an array or None)
    """Decode up to the end of the run that fills the block."""
    codes = data.tobytes()
    at = length = 0
    while length < size:
        if at >= len(codes):
            return None
        header = codes[at]
        if header < 128:  # TIFF 6.0 section 9: the next header + 1 bytes as they are
            at += header + 2
            length += header + 1
        elif header > 128:  # the next byte, 257 - header times
            at += 2
            length += 257 - header
        else:
            at += 1
    if at > len(codes):
        return None
    out: Any = np.empty(length, np.uint8)
    imagecodecs.packbits_decode(codes[:at], out=out)
    return out[:size]


def _lzma(data: _Bytes, size: int) -> _Bytes:
    decoder = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    decoded = decoder.decompress(data, max_length=size + 1)
    if len(decoded) <= size and not decoder.eof and decoder.needs_input:
        msg = f"the LZMA data end after {len(decoded)} bytes, before their end marker"
        raise ValueError(msg)
    return np.frombuffer(bytearray(decoded[:size]), np.uint8)


DECODERS: dict[str, Callable[[_Bytes, int], Any]] = {
    "numcodecs.zlib": _sized(imagecodecs.deflate_decode, _zlib_surplus),
    "numcodecs.lzma": _lzma,
    "zstd": _sized(imagecodecs.zstd_decode, _zstd_surplus),
    "imagecodecs_lzw": _sized(imagecodecs.lzw_decode),
    "imagecodecs_packbits": _sized(imagecodecs.packbits_decode, _packbits_surplus),
}
"""Name of a codec to its decoder: from a block's bytes and a size to at most so many bytes."""


@dataclass(frozen=True)
class BoundedDecoder:
    """A codec of `DECODERS`, for blocks of TIFFs."""

    codec: dict[str, Any]
    """The metadata of the standard codec."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        size = prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        decoded = DECODERS[self.codec["name"]](chunk_data.as_numpy_array(), size)
        return chunk_spec.prototype.buffer.from_array_like(decoded.view(Fresh))
