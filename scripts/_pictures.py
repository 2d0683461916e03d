"""What the scripts share that draw a picture: parts of SVG, the same on every machine."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["image", "line", "png", "rectangle", "text"]


def png(pixels: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]] = ()) -> str:
    """Return a picture as a data url; stored, so that it is the same everywhere.

    Parameters
    ----------
    pixels
        (y, x): grey, or numbers of colours.
    palette
        The colours; none for grey.
    """
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    length, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, length, 8, 3 if palette else 0, 0, 0, 0)
    stream = chunk(b"IHDR", header)
    if palette:
        stream += chunk(b"PLTE", bytes(value for colour in palette for value in colour))
    stream += chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + stream).decode()
    return f"data:image/png;base64,{data}"


def image(x: float, y: float, width: float, height: float, url: str) -> str:
    """Return a picture whose pixels are seen."""
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<image {size} preserveAspectRatio="none" image-rendering="pixelated" href="{url}"/>'


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """Return a line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}"{_attributes(attributes)}>{words}</text>'


def rectangle(x: float, y: float, width: float, height: float, **attributes: object) -> str:
    """Return a rectangle."""
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f"<rect {size}{_attributes(attributes)}/>"


def line(x: float, y: float, to_x: float, to_y: float, **attributes: object) -> str:
    """Return a straight line."""
    ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f"<line {ends}{_attributes(attributes)}/>"


def _attributes(attributes: dict[str, object]) -> str:
    return "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
