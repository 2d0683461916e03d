"""What a JPEG stream says of itself before its first scan.

ITU-T T.81 annex B (markers and segments) and T.87 annex C (JPEG-LS). Nothing is decoded
here: a reader wants to know the size that a stream will have before it decodes it, and
old-style JPEG has to be put together from parts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from .errors import FormatError

__all__ = ["EOI", "Component", "Frame", "JpegHeader", "begins_with_marker", "segment"]

SOI, EOI = b"\xff\xd8", b"\xff\xd9"

_DHT, _DAC, _SOS, _DQT, _DRI, _APP0 = 0xC4, 0xCC, 0xDA, 0xDB, 0xDD, 0xE0
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {_DHT, 0xC8, _DAC}
"""SOF0 to SOF15, without DHT, JPG and DAC, whose codes lie among theirs; and JPEG-LS."""
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF, 0xF7}
_RESTARTS = range(0xD0, 0xD8)
_ALONE = {0x01, *_RESTARTS, 0xD8}
"""TEM, RST0 to RST7 and SOI: no length and no data follow."""
_EOI = 0xD9


class Component(NamedTuple):
    """One component of a frame."""

    identifier: int
    sampling: int
    """Horizontal factor in the high four bits, vertical in the low."""
    table: int
    """Which quantization table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The frame header: the size of the image in the stream."""

    marker: int
    precision: int
    """Bits of a sample."""
    height: int
    width: int
    components: tuple[Component, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a frame header from its whole segment.

        Raises
        ------
        FormatError
            If its length contradicts its number of components.
        """
        count = data[9] if len(data) > 9 else 0
        if count == 0 or len(data) != 10 + 3 * count:
            msg = (
                f"a JPEG frame header has {len(data) - 2} bytes, which does not fit {count} "
                "components"
            )
            raise FormatError(msg)
        precision, height, width = struct.unpack_from(">BHH", data, 4)
        return cls(
            marker=data[1],
            precision=precision,
            height=height,
            width=width,
            components=tuple(Component(*data[at : at + 3]) for at in range(10, len(data), 3)),
        )

    @property
    def lossless(self) -> bool:
        """Whether samples are predicted, not transformed."""
        return self.marker in _LOSSLESS

    @property
    def largest_sampling(self) -> tuple[int, int]:
        """Largest sampling factors, horizontal and vertical."""
        factors = [component.sampling for component in self.components]
        return max(f >> 4 for f in factors), max(f & 15 for f in factors)


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegHeader:
    """The segments of a stream, or of a part of one, up to its first scan."""

    tables: bytes = b""
    """Segments that define tables, whole and in their order: a later one replaces."""
    restart_interval: int | None = None
    frame: bytes | None = None
    """The frame header's segment, whole; of several the first."""
    scan: bytes | None = None
    """The scan header's segment, whole."""
    jfif: bool = False
    """Whether the stream says that it is JFIF, which is gray or YCbCr."""
    frame_at: int = 0
    """Where the frame header begins in the data."""
    nbytes: int = 0
    """Bytes from the data's start to the entropy-coded data, or to where the data ended."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the segments of a stream.

        Bytes that are no marker are skipped, as in libjpeg's next_marker; it ends at the
        scan, at EOI, or where the data end, be it within a segment.

        Raises
        ------
        FormatError
            If a segment is shorter than its own length.
        """
        found: dict[str, bytes | int | bool] = {}
        tables, at = b"", 0
        while (marker := _next_marker(data, at)) is not None:
            code, begin = marker
            at = begin + 2
            if code in _ALONE:
                continue
            if code == _EOI:
                break
            whole = _whole_segment(data, begin)
            if whole is None:
                break
            at = begin + len(whole)
            if code in (_DQT, _DHT, _DAC):
                tables += whole
            elif code == _DRI and len(whole) == 6:
                found["restart_interval"] = int.from_bytes(whole[4:])
            elif code in _FRAMES and "frame" not in found:
                found |= {"frame": whole, "frame_at": begin}
            elif code == _APP0 and whole[4:8] == b"JFIF":
                found["jfif"] = True
            elif code == _SOS:
                found["scan"] = whole
                break
        return cls(tables=tables, nbytes=at, **found)  # type: ignore[arg-type]

    def __or__(self, later: JpegHeader) -> JpegHeader:
        """Return both; what `later` has replaces what is here."""
        return replace(
            later,
            tables=self.tables + later.tables,
            restart_interval=_first(later.restart_interval, self.restart_interval),
            frame=_first(later.frame, self.frame),
            scan=_first(later.scan, self.scan),
        )

    def encode(self) -> bytes:
        """Return the stream's beginning, up to and with its scan header."""
        restart = b""
        if self.restart_interval:
            restart = segment(_DRI, struct.pack(">H", self.restart_interval))
        return SOI + self.tables + restart + (self.frame or b"") + (self.scan or b"")

    def resized(self, height: int, width: int) -> JpegHeader:
        """Return the header with another image size in its frame."""
        frame = self.frame or b""
        size = struct.pack(">HH", height, width)
        return replace(self, frame=frame[:5] + size + frame[9:])


def segment(marker: int, data: bytes) -> bytes:
    """Return a marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def begins_with_marker(data: bytes) -> bool:
    """Whether a stream's part begins with segments, not with entropy-coded data."""
    start = data[:16].lstrip(b"\xff")
    return data[:1] == b"\xff" and start[:1] != b"" and start[0] not in (0, *_RESTARTS)


def _next_marker(data: bytes, at: int) -> tuple[int, int] | None:
    """Return the next marker's code and where its last 0xFF is."""
    while (at := data.find(0xFF, at)) >= 0:
        while data[at : at + 1] == b"\xff":
            at += 1
        if at == len(data):
            return None
        if data[at]:
            return data[at], at - 1
    return None


def _whole_segment(data: bytes, begin: int) -> bytes | None:
    """Return a segment from its marker to its end; None if the data end before."""
    if begin + 4 > len(data):
        return None
    length = int.from_bytes(data[begin + 2 : begin + 4])
    if length < 2:
        msg = f"a JPEG segment states {length} bytes, fewer than the 2 of its length"
        raise FormatError(msg)
    whole = data[begin : begin + 2 + length]
    return whole if len(whole) == 2 + length else None


def _first[T](later: T | None, earlier: T | None) -> T | None:
    return earlier if later is None else later
