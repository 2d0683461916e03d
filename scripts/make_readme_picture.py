"""Draw docs/images/cog-to-store.svg: where the parts of a COG lie, and the arrays of its store.

usage: python scripts/make_readme_picture.py [--check]

Everything is read from testdata/special/cog.tif: the places by the core, the pixels through the
store. `--check` exits with 1 if the picture is stale.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from _documents import write_or_check
from _pictures import image, png, rectangle, text
from numpy.typing import NDArray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from virtual_tiff import VirtualTIFF
from virtual_tiff.tiff import MemorySource, ReadAhead, Tiff, block_layout, read_tiff

ROOT = Path(__file__).parent.parent
FILE = ROOT / "testdata" / "special" / "cog.tif"
PICTURE = ROOT / "docs" / "images" / "cog-to-store.svg"

WIDTH, HEIGHT = 960, 470
TOP, BAR = 60, 380
"""Where the bar of the file begins, and how long it is."""
COLOURS = ["#3b6fb5", "#3f9c6b", "#d08a2e"]
GREY = "#9aa0a6"

HEAD = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"
 font-size="13" fill="#222">
<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">
<path d="M0 0 L6 3 L0 6 z" fill="#c0392b"/></marker></defs>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some bytes of the file."""

    offset: int
    length: int
    colour: str
    chunk: tuple[int, int, int] | None = None
    """Directory, row and column, if it is a block."""


def parts(tiff: Tiff) -> Iterator[Part]:
    """Yield the directories and blocks of a file."""
    for number, ifd in enumerate(tiff.walk()):
        yield Part(offset=ifd.offset, length=2 + 12 * len(list(ifd)) + 4, colour=GREY)
        layout = block_layout(ifd)
        shape = (layout.grid.rows, layout.grid.columns)
        places = zip(layout.offsets, layout.byte_counts, strict=True)
        for i, (offset, length) in enumerate(places):
            chunk = (number, i // shape[1], i % shape[1])
            yield Part(offset=offset, length=length, colour=COLOURS[number], chunk=chunk)


def grey(pixels: NDArray[Any]) -> str:
    """Return an array as a grey picture."""
    low, high = int(pixels.min()), int(pixels.max())
    return png(((pixels.astype("f8") - low) / (high - low) * 200 + 40).astype("u1"))


def bar(found: list[Part], size: int) -> Iterator[str]:
    """Yield the file: a bar from its first byte to its last."""
    scale = BAR / size
    yield text(40, 30, f"{FILE.name}, {size:,} bytes", font_weight="bold")
    yield rectangle(70, TOP, 90, BAR, fill="#e6e8eb", stroke="#666")
    for part in found:
        y, height = TOP + part.offset * scale, max(part.length * scale, 1)
        yield rectangle(70, y, 90, height, fill=part.colour, stroke="#fff", stroke_width=0.7)
    first = min(part.offset for part in found if part.chunk is not None)
    yield text(62, TOP + 10, "0", text_anchor="end")
    yield text(62, TOP + first * scale + 4, f"{first:,}", text_anchor="end")
    yield text(62, TOP + BAR, f"{size:,}", text_anchor="end")
    yield text(
        40,
        TOP + BAR + 22,
        "dark grey: directories, light grey: header and values of tags, colours: tiles",
    )


PLACES = [(350, 70, 5.0), (690, 70, 2.5), (690, 180, 1.25)]
"""Where each array is drawn, and how large a pixel of it is (of the overviews' chunks: 1)."""


def array(number: int, pixels: NDArray[Any], codecs: list[str]) -> Iterator[str]:
    """Yield an array of the store: its pixels, and its name."""
    x, y, scale = PLACES[number]
    length, width = pixels.shape
    yield image(x, y, width * scale, length * scale, grey(pixels))
    what = "image" if number == 0 else f"overview {number - 1}"
    label = f"array {number} ({what}), {length} x {width}"
    yield text(x, y - 8, label, fill=COLOURS[number], font_weight="bold")
    if number == 0:
        yield text(x, y + length * scale + 20, f"codecs: {', '.join(codecs)}")


def grid(number: int, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[str]:
    """Yield the edges of an array's chunks, within the array."""
    x, y, scale = PLACES[number]
    for row in range(0, shape[0], chunks[0]):
        for column in range(0, shape[1], chunks[1]):
            height, width = min(chunks[0], shape[0] - row), min(chunks[1], shape[1] - column)
            place = (x + column * scale, y + row * scale, width * scale, height * scale)
            yield rectangle(*place, fill="none", stroke=COLOURS[number], stroke_width=1.5)


def reference(part: Part, size: int, chunk: tuple[int, ...]) -> Iterator[str]:
    """Yield the line from a block of the file to its chunk, with what the store says of it."""
    number, row, column = part.chunk or (0, 0, 0)
    x, y, scale = PLACES[number]
    start = TOP + (part.offset + part.length / 2) * BAR / size
    end = (x + (column + 0.5) * chunk[1] * scale, y + (row + 0.5) * chunk[0] * scale)
    yield (
        f'<path d="M160 {start:.1f} C 250 {start:.1f}, 270 {end[1]:.1f}, {end[0]:.1f} {end[1]:.1f}"'
        ' fill="none" stroke="#c0392b" stroke-width="2" marker-end="url(#tip)"/>'
    )
    words = f"chunk {number}/c/{row}/{column} is offset {part.offset:,}, length {part.length:,}"
    yield text(350, 335, words, fill="#c0392b", font_weight="bold")
    yield text(350, 360, "The store holds such references and the arrays' metadata; pixels stay")
    yield text(350, 380, "in the file. GDAL's tags become CRS, coordinates, nodata and names.")


def picture() -> str:
    """Return the picture."""
    data = FILE.read_bytes()
    tiff = asyncio.run(read_tiff(ReadAhead(MemorySource(data))))
    found = list(parts(tiff))
    registry: ObjectStoreRegistry[Any] = ObjectStoreRegistry({"file://": LocalStore()})
    group = zarr.open_group(VirtualTIFF()(FILE.absolute().as_uri(), registry), mode="r")
    lines = [
        HEAD,
        rectangle(0, 0, WIDTH, HEIGHT, fill="#fff"),
        *bar(found, len(data)),
        text(350, 30, "the Zarr store", font_weight="bold"),
    ]
    for number in range(3):
        one: Any = group[str(number)]
        codecs = [step["name"] for step in one.metadata.to_dict()["codecs"]]
        lines += array(number, np.asarray(one[...]), codecs)
        lines += grid(number, one.shape, one.chunks)
    shown = next(part for part in found if part.chunk == (0, 1, 0))
    chunks: Any = group["0"]
    lines += [*reference(shown, len(data), chunks.chunks), "</svg>", ""]
    return "\n".join(lines)


def main() -> int:
    """Write the picture, or check it."""
    return write_or_check(PICTURE, picture, __doc__)


if __name__ == "__main__":
    sys.exit(main())
