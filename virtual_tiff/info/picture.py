"""A scene as SVG, written by hand, or as PNG, drawn by numpy."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.info.font import COLUMNS, GLYPHS, ROWS
from virtual_tiff.info.scene import WIDTH, Box, Label, Scene

__all__ = ["FORMATS", "check_format", "png", "svg"]

_SCALE = 2
"""Pixels of a PNG for one of the scene: screens are finer than the scene."""

_NOT_IN_XML = {0xFFFE: "?", 0xFFFF: "?"}
"""XML 1.0 has no way to say them; control characters are made visible before."""


def svg(scene: Scene) -> bytes:
    """Return the scene as an SVG document; what it says of the file is escaped."""
    return "\n".join(_lines(scene)).encode()


def _lines(scene: Scene) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{scene.height}"'
        f' viewBox="0 0 {WIDTH} {scene.height}" role="img" font-family="sans-serif">'
    )
    yield f"<title>{_text(scene.title)}</title>"
    yield '<rect width="100%" height="100%" fill="#ffffff"/>'
    for box in scene.boxes:
        yield (
            f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"'
            f' fill="{box.colour}"><title>{_text(box.title)}</title></rect>'
        )
    for label in scene.labels:
        anchor = ' text-anchor="end"' if label.right else ""
        yield (
            f'<text x="{label.x}" y="{label.y}" font-size="{label.size}"'
            f' fill="{label.colour}"{anchor}>{_text(label.text)}</text>'
        )
    yield "</svg>\n"


def _text(text: str) -> str:
    return escape(text.translate(_NOT_IN_XML))


def png(scene: Scene) -> bytes:
    """Return the scene as a PNG; its letters are those of ASCII."""
    import imagecodecs  # noqa: PLC0415 (takes long to load)

    sheet = np.full((scene.height * _SCALE, WIDTH * _SCALE, 3), 255, np.uint8)
    for box in scene.boxes:
        _fill(sheet, box)
    for label in scene.labels:
        _write(sheet, label)
    return bytes(imagecodecs.png_encode(sheet))


def _fill(sheet: NDArray[np.uint8], box: Box) -> None:
    rows = slice(box.y * _SCALE, (box.y + box.height) * _SCALE)
    sheet[rows, box.x * _SCALE : (box.x + box.width) * _SCALE] = _rgb(box.colour)


def _write(sheet: NDArray[np.uint8], label: Label) -> None:
    zoom = 3 if label.size > 14 else 2
    step = (COLUMNS + 1) * zoom
    codes = [ord(letter) if 32 <= ord(letter) < 127 else ord("?") for letter in label.text]
    left = label.x * _SCALE - (len(codes) * step if label.right else 0)
    top = label.y * _SCALE - (ROWS - 1) * zoom  # the lowest row is below the base line
    for i, code in enumerate(codes):
        glyph = np.kron(GLYPHS[code - 32], np.ones((zoom, zoom), bool))
        x = left + i * step
        part = sheet[top : top + ROWS * zoom, x : x + COLUMNS * zoom]
        part[glyph[:, : part.shape[1]]] = _rgb(label.colour)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


FORMATS = {".svg": svg, ".png": png}


def check_format(path: Path) -> None:
    """Refuse a file name whose ending is of no format.

    Raises
    ------
    ValueError
        If it is not; it lists those that are.
    """
    if path.suffix.lower() not in FORMATS:
        msg = f"a map is written as {' or '.join(FORMATS)}, not as {path.name!r}"
        raise ValueError(msg)
