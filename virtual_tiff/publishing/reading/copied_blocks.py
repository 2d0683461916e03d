"""The short blocks of a file, read, filled up and encoded anew: a portable store copies them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np

from virtual_tiff.publishing.reading.portable import ShortBlocks
from virtual_tiff.publishing.reading.record import Block
from virtual_tiff.tiff import ByteSource, FormatError, TruncatedError

__all__ = ["copies"]


async def copies(short_blocks: Sequence[ShortBlocks], source: ByteSource) -> list[Block]:
    """Return copies of the blocks that are short; their references are taken out of the arrays.

    A `TiffError` says that a block does not hold what the tags promise, or that more would be
    copied than may be.
    """
    if not short_blocks:
        return []
    data = await source.read_ranges([span for blocks in short_blocks for span in blocks.ranges])
    return await asyncio.to_thread(_encoded, short_blocks, data)


def _encoded(short_blocks: Sequence[ShortBlocks], data: Sequence[memoryview]) -> list[Block]:
    copied: list[Block] = []
    rest = iter(data)
    for blocks in short_blocks:
        of_array: list[Block] = []
        for chunk, (start, end) in zip(blocks.chunks, blocks.ranges, strict=True):
            stored = next(rest)
            if len(stored) < end - start:
                msg = f"array {blocks.path}: the file ends within its last block"
                raise TruncatedError(msg, offset=start)
            try:
                pixels = _DECODERS[blocks.compression](stored, blocks.size)
            except Exception as error:  # imagecodecs' errors share no class
                msg = f"array {blocks.path}: its last block cannot be decoded: {error}"
                raise FormatError(msg, offset=start) from error
            if len(pixels) == blocks.size:
                continue  # a writer that has filled it up: the reference can stay
            if len(pixels) != blocks.last:
                msg = (
                    f"array {blocks.path}: its last block holds {len(pixels)} bytes of pixels; the"
                    f" tags promise {blocks.last}, or {blocks.size}"
                )
                raise FormatError(msg, offset=start)
            padded = b"".join([pixels, bytes(blocks.size - blocks.last)])
            of_array.append(Block(blocks.path, chunk, _ENCODERS[blocks.compression](padded)))
        blocks.check(sum(len(block.data) for block in of_array))
        for numbers in (blocks.array.offsets, blocks.array.byte_counts):
            numbers.reshape(-1)[[block.chunk for block in of_array]] = 0
        copied += of_array
    return copied


def _inflated(stored: memoryview, most: int) -> bytes:
    decoder = zlib.decompressobj()
    pixels = decoder.decompress(stored, most + 1)
    if not decoder.eof:
        msg = f"its stream {'holds more than a block' if len(pixels) > most else 'ends early'}"
        raise ValueError(msg)
    return pixels


def _unzstd(stored: memoryview, most: int) -> memoryview:
    out: Any = np.empty(most, np.uint8)  # a larger frame is an error
    return memoryview(imagecodecs.zstd_decode(stored, out=out))


_DECODERS: dict[str | None, Callable[[memoryview, int], bytes | memoryview]] = {
    None: lambda stored, _: stored,
    "numcodecs.zlib": _inflated,
    "zstd": _unzstd,
}
_ENCODERS: dict[str | None, Callable[[bytes], bytes]] = {
    None: lambda pixels: pixels,
    "numcodecs.zlib": lambda pixels: zlib.compress(pixels, 9),
    "zstd": lambda pixels: bytes(imagecodecs.zstd_encode(pixels, level=9)),
}
