"""Short blocks that are copied: what they must hold."""

from __future__ import annotations

import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest

from virtual_tiff.arrays.axes import Axes
from virtual_tiff.arrays.nodes import FileArray
from virtual_tiff.publishing.reading.copied_blocks import copies
from virtual_tiff.publishing.reading.portable import ShortBlocks
from virtual_tiff.tiff import FormatError, LimitError, TiffError, TruncatedError


class Bytes:
    """A file in memory, which may be shorter than its references."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def read_ranges(self, ranges: list[tuple[int, int]]) -> list[memoryview]:
        return [memoryview(self.data)[start:end] for start, end in ranges]


def short(*chunks: bytes, compression: str | None = None, most: int = 100) -> tuple[Any, Any]:
    """Blocks of 8 bytes of which the last of each column has 6, and the file that has them."""
    lengths = [len(chunk) for chunk in chunks]
    counts = np.array([[9] * len(chunks), lengths], dtype=np.uint64)
    ends = np.cumsum(lengths)
    offsets = np.array([[50] * len(chunks), ends - lengths], dtype=np.uint64)
    array = FileArray(metadata={}, offsets=offsets, byte_counts=counts, axes=Axes(("y", "x")))
    blocks = ShortBlocks(
        path="0", array=array, chunks=range(len(chunks), 2 * len(chunks)), size=8, last=6,
        compression=compression, most=most,
    )  # fmt: skip
    return blocks, Bytes(b"".join(chunks))


async def test_nothing_short_reads_nothing() -> None:
    source: Any = None
    assert await copies([], source) == []


CODECS: dict[str | None, tuple[Any, Any]] = {
    None: (bytes, bytes),
    "numcodecs.zlib": (zlib.compress, zlib.decompress),
    "zstd": (imagecodecs.zstd_encode, imagecodecs.zstd_decode),
}


@pytest.mark.parametrize("compression", CODECS)
async def test_a_short_block_is_filled_up_and_its_reference_goes(compression: str | None) -> None:
    encode, decode = CODECS[compression]
    # the writer has filled up the second one
    stored = [bytes(encode(pixels)) for pixels in (b"abcdef", b"ABCDEFGH")]
    blocks, source = short(*stored, compression=compression)
    (copied,) = await copies([blocks], source)
    assert (copied.path, copied.chunk) == ("0", 2)
    assert decode(copied.data) == b"abcdef\0\0"
    assert blocks.array.byte_counts.tolist() == [[9, 9], [0, len(stored[1])]]
    assert blocks.array.offsets.tolist() == [[50, 50], [0, len(stored[0])]]


async def refused(error: type[TiffError], words: str, blocks: Any, source: Any) -> None:
    with pytest.raises(error, match=words):
        await copies([blocks], source)


async def test_a_file_that_ends_within_its_last_block() -> None:
    blocks, source = short(b"abcdef")
    source.data = source.data[:5]
    words = "array 0: the file ends within its last block"
    await refused(TruncatedError, words, blocks, source)


@pytest.mark.parametrize("stored", [b"abcde", b"abcdefg", b"", b"abcdefghi"])
async def test_a_block_of_another_length(stored: bytes) -> None:
    blocks, source = short(stored)
    words = f"its last block holds {len(stored)} bytes of pixels; the tags promise 6, or 8"
    await refused(FormatError, words, blocks, source)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (zlib.compress(b"abcdef")[:-5], "its stream ends early"),
        (zlib.compress(b"abcdefghi"), "its last block holds 9 bytes of pixels"),
        (zlib.compress(b"abcdefghij"), "its stream holds more than a block"),
        (zlib.compress(bytes(9999)), "its stream holds more than a block"),
        (b"no stream", "incorrect header check"),
        (zlib.compress(b"abcdefg"), "holds 7 bytes of pixels"),
    ],
)
async def test_a_stream_that_is_no_block(stored: bytes, words: str) -> None:
    blocks, source = short(stored, compression="numcodecs.zlib")
    await refused(FormatError, words, blocks, source)


@pytest.mark.parametrize("most", [16, 15])
async def test_no_more_is_copied_than_may_be(most: int) -> None:
    blocks, source = short(b"abcdef", b"ghijkl", most=most)
    if most == 16:
        assert [copied.chunk for copied in await copies([blocks], source)] == [2, 3]
    else:
        words = r"takes 16 bytes; the limit is 15\. Raise inline_limit"
        await refused(LimitError, words, blocks, source)
