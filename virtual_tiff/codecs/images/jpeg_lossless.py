"""Lossless JPEG (SOF3) whose Huffman tables libjpeg calls bogus: cameras write them into DNG.

libjpeg wants tables as ITU-T T.81 annex K.2 makes them, without the code of ones alone,
and with symbols that its samples can need. liblj92 takes the others too, but trusts what
it reads: so it gets a header of checked parts, and as much data as it could ask for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import imagecodecs
from numpy.typing import NDArray

from virtual_tiff.tiff import JpegFrame, JpegHeader

__all__ = ["decode_bogus_huffman", "lacks_selectors"]

_SOF3, _DHT = 0xC3, 0xC4
_MOST_SYMBOLS = 18
"""Numbers of bits from 0 to 16, and one that some cameras list and do not use."""
_BYTES_PER_SAMPLE = 4
"""At most: a code of 16 bits, and 16 more."""


def decode_bogus_huffman(data: bytes, header: JpegHeader) -> NDArray[Any]:
    """Decode a stream that libjpeg refuses for its tables."""
    frame, scan = JpegFrame.parse(header.frame or b""), header.scan or b""
    tables = dict(_tables(header.tables))
    count = len(frame.components)
    selectors = _selectors(header)
    fits = len(scan) == 2 + 6 + 2 * count and scan[4] == count and 1 <= scan[-3] <= 7
    plain = frame.marker == _SOF3 and not header.restart_interval and scan[-1] == 0
    if not fits or not plain or not selectors <= tables.keys():
        msg = "no decoder takes this lossless JPEG stream"
        raise ValueError(msg)
    clean = replace(header, tables=b"".join(tables.values())).encode()
    samples = frame.height * frame.width * count
    spare = bytes(_BYTES_PER_SAMPLE * samples + 64)
    decoded: NDArray[Any] = imagecodecs.ljpeg_decode(clean + data[header.nbytes :] + spare)
    return decoded


def lacks_selectors(header: JpegHeader) -> bool:
    """Return whether a scan of colours names fewer Huffman tables than its stream defines.

    libjpeg-turbo writes so: it codes chroma by a second table, and names the first for all.
    """
    components = len(JpegFrame.parse(header.frame or b"").components)
    return components == 3 and len(_selectors(header)) < len(dict(_tables(header.tables)))


def _selectors(header: JpegHeader) -> set[int]:
    count = len(JpegFrame.parse(header.frame or b"").components)
    return {byte >> 4 for byte in (header.scan or b"")[6 : 5 + 2 * count : 2]}


def _tables(segments: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the segment of each Huffman table that is one."""
    at = 0
    while at + 4 <= len(segments):
        end = at + 2 + int.from_bytes(segments[at + 2 : at + 4])
        if segments[at + 1] == _DHT:
            body = at + 4
            while body + 17 <= end:
                counts = segments[body + 1 : body + 17]
                after = body + 17 + sum(counts)
                if segments[body] < 4 and after <= end and _is_code(counts):
                    table = segments[body:after]
                    yield segments[body], b"\xff\xc4" + (len(table) + 2).to_bytes(2) + table
                body = after
        at = end


def _is_code(counts: bytes) -> bool:
    """Whether there are codes for so many symbols of each length, 1 to 16."""
    used = sum(count << (16 - length) for length, count in enumerate(counts, 1))
    return 0 < sum(counts) <= _MOST_SYMBOLS and used <= 1 << 16
