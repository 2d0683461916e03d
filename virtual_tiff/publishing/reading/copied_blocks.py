"""The short blocks of a file, read, filled up and encoded anew: a portable store copies them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import imagecodecs
import numpy as np

from virtual_tiff.publishing.reading.portable import ShortBlocks
from virtual_tiff.publishing.reading.record import Block
from virtual_tiff.tiff import ByteSource, FormatError, TruncatedError

__all__ = ["copies"]


async def copies(short_blocks: Sequence[ShortBlocks], source: ByteSource) -> list[Block]:
    """Return copies of the blocks that are short; their references are taken out of the arrays.

    Parameters
    ----------
    short_blocks
        The blocks, by array.
    source
        The file.

    Raises
    ------
    TiffError
        If a block does not hold what the tags promise, or more would be copied than may be.
    OSError
        If the store cannot give the bytes.
    """
    if not short_blocks:
        return []
    data = await source.read_ranges([span for blocks in short_blocks for span in blocks.ranges])
    return await asyncio.to_thread(_encoded, short_blocks, data)


def _encoded(short_blocks: Sequence[ShortBlocks], data: Sequence[memoryview]) -> list[Block]:
    made: list[Block] = []
    rest = iter(data)
    for blocks in short_blocks:
        own = _of_array(blocks, list(islice(rest, len(blocks.chunks))))
        blocks.check(sum(len(block.data) for block in own))
        for numbers in (blocks.array.offsets, blocks.array.byte_counts):
            numbers.reshape(-1)[[block.chunk for block in own]] = 0
        made += own
    return made


def _of_array(blocks: ShortBlocks, data: Sequence[memoryview]) -> list[Block]:
    made = []
    for chunk, (start, end), stored in zip(blocks.chunks, blocks.ranges, data, strict=True):
        if len(stored) < end - start:
            msg = f"array {blocks.path}: the file ends within its last block"
            raise TruncatedError(msg, offset=start)
        pixels = _decoded(blocks, stored, start)
        if len(pixels) == blocks.size:
            continue  # a writer that has filled it up: the reference can stay
        if len(pixels) != blocks.last:
            msg = (
                f"array {blocks.path}: its last block holds {len(pixels)} bytes of pixels; the"
                f" tags promise {blocks.last}, or {blocks.size}"
            )
            raise FormatError(msg, offset=start)
        padded = b"".join([pixels, bytes(blocks.size - blocks.last)])
        made.append(Block(blocks.path, chunk, _ENCODERS[blocks.compression](padded)))
    return made


def _decoded(blocks: ShortBlocks, stored: memoryview, offset: int) -> bytes | memoryview:
    try:
        return _DECODERS[blocks.compression](stored, blocks.size)
    except Exception as error:  # imagecodecs' errors share no class
        msg = f"array {blocks.path}: its last block cannot be decoded: {error}"
        raise FormatError(msg, offset=offset) from error


def _inflated(stored: memoryview, most: int) -> bytes:
    decoder = zlib.decompressobj()
    pixels = decoder.decompress(stored, most + 1)
    if not decoder.eof:
        msg = "its stream holds more" if len(pixels) > most else "its stream ends early"
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
