"""What the scripts share that draw a picture: parts of SVG, the same on every machine."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["image", "layered", "line", "png", "rectangle", "text"]


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


BOX, GAP, ROW, BEND = 34, 24, 92, 12
"""Of a diagram: height of a box, gap between boxes, distance of rows, width of a passing line."""


def layered(names: Mapping[str, str], arrows: Sequence[tuple[str, str]]) -> str:
    """Draw a graph without circles: each box is below all that have an arrow to it.

    An arrow over several rows passes through each by a point of its own, so that no line crosses
    a box. Boxes of a row are sorted by the mean place of their neighbours, which leaves few lines
    that cross each other.

    Parameters
    ----------
    names
        The text of each box, by its key.
    arrows
        Pairs of keys.

    Returns
    -------
    str
        The picture, as SVG.
    """
    above: dict[str, set[str]] = {
        key: {start for start, end in arrows if end == key} for key in names
    }
    depth: dict[str, int] = {}
    for key in TopologicalSorter(above).static_order():
        depth[key] = max((depth[start] + 1 for start in above[key]), default=0)
    paths: list[list[str]] = []
    for start, end in arrows:
        bends = [f"{start} {end} {row}" for row in range(depth[start] + 1, depth[end])]
        depth |= {bend: row for row, bend in enumerate(bends, depth[start] + 1)}
        paths.append([start, *bends, end])
    links = [pair for path in paths for pair in pairwise(path)]
    width = {key: 7.4 * len(names[key]) + 24 if key in names else BEND for key in depth}
    rows = [[key for key in depth if depth[key] == row] for row in range(max(depth.values()) + 1)]
    total = max(sum(width[key] + GAP for key in row) for row in rows) + GAP
    x = _places(rows, links, width, total)
    y = {key: 20 + ROW * row for key, row in depth.items()}
    height = ROW * len(rows) - 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:.0f} {height}"',
        f' width="{total:.0f}" font-family="sans-serif" font-size="13" fill="#222"><defs>',
        '<marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">',
        '<path d="M0 0 L7 3 L0 6 z" fill="#667"/></marker></defs>',
        rectangle(0, 0, total, height, fill="#fff"),
    ]
    for path in paths:
        steps = [f"M{x[path[0]]:.1f} {y[path[0]] + BOX}"]
        for one, other in pairwise(path):
            bottom, top = y[one] + BOX, y[other]
            middle = (bottom + top) / 2
            steps.append(f"C{x[one]:.1f} {middle} {x[other]:.1f} {middle} {x[other]:.1f} {top}")
            if other not in names:
                steps.append(f"V{top + BOX}")
        curve = " ".join(steps)
        lines.append(f'<path d="{curve}" fill="none" stroke="#667" marker-end="url(#tip)"/>')
    for key, name in names.items():
        left = x[key] - width[key] / 2
        box = {"rx": 4, "fill": "#e8eef7", "stroke": "#3b6fb5"}
        lines.append(rectangle(left, y[key], width[key], BOX, **box))
        lines.append(text(x[key], y[key] + 22, name, text_anchor="middle"))
    return "\n".join([*lines, "</svg>", ""])


def _places(
    rows: list[list[str]],
    links: Sequence[tuple[str, str]],
    width: Mapping[str, float],
    total: float,
) -> dict[str, float]:
    """Return the middle of each box: rows are centred, and sorted by their neighbours' middles."""

    def spread(row: list[str]) -> dict[str, float]:
        left = (total - sum(width[key] + GAP for key in row) + GAP) / 2
        middles = {}
        for key in row:
            middles[key] = left + width[key] / 2
            left += width[key] + GAP
        return middles

    x = {key: middle for row in rows for key, middle in spread(row).items()}
    for turn in range(12):
        for row in rows if turn % 2 == 0 else rows[::-1]:
            wanted = {}
            for key in row:
                near = [x[a] for a, b in links if b == key] + [x[b] for a, b in links if a == key]
                wanted[key] = sum(near) / len(near) if near else x[key]
            row.sort(key=wanted.__getitem__)
            x |= spread(row)
    return x


def _attributes(attributes: dict[str, object]) -> str:
    return "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
