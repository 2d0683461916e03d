"""Draw the pictures of docs/tutorials/dem-tiles.md and sentinel-2.md in docs/images/.

usage: python scripts/make_tutorial_pictures.py [--check]

Each page is run as its tests run it, block after block; what is drawn are the files and the arrays
that its blocks have made. `--check` exits with 1 if a picture is stale.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import zarr
from _documents import write_or_check_all
from _pictures import image, line, png, rectangle, text
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from docs.fenced import ROOT, blocks_of
from docs.running import Page, prepare

IMAGES = ROOT / "docs" / "images"
TUTORIALS = ROOT / "docs" / "tutorials"

BLUE, GREEN, ORANGE, RED, GREY = "#3b6fb5", "#3f9c6b", "#d08a2e", "#c0392b", "#9aa0a6"


def svg(width: int, height: int, lines: Iterator[str]) -> str:
    """Return a picture of its lines."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="13" fill="#222">'
    )
    return "\n".join([head, rectangle(0, 0, width, height, fill="#fff"), *lines, "</svg>", ""])


@contextmanager
def page_run(path: Path) -> Iterator[dict[str, Any]]:
    """Run a page in a folder of its own; gives the names that its blocks have made."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        os.chdir(folder)
        try:
            with zarr.config.set({"array.rectilinear_chunks": True}):
                page = Page(path.name)
                for block in blocks_of(path):
                    page.run(block)
                yield page.names
        finally:
            os.chdir(before)


# ------------------------------------------------------------------- a continent of DEM tiles

LEFT, TOP, DEGREE = 40, 50, 100
"""Where the map begins, and how large a degree is."""


def dem_grid(dem: Any, folder: Path) -> Iterator[str]:  # noqa: ANN401 (a DataArray)
    """Yield the tiles and the chunks of the whole, and one tile with its blocks."""
    yield text(LEFT, 30, "Tiles (blue) and the edges of chunks that they share", font_weight="bold")
    west, north = (round(float(dem[name][0])) for name in ("x", "y"))
    pixels = DEGREE * float(dem["x"][1] - dem["x"][0])
    height, width = dem.sizes["y"] * pixels, dem.sizes["x"] * pixels
    yield rectangle(LEFT, TOP, width, height, fill="#f4f5f6")
    names = []
    for path in sorted(folder.iterdir()):
        with rasterio.open(path) as file:
            x = LEFT + (file.bounds.left - west) * DEGREE
            y = TOP + (north - file.bounds.top) * DEGREE
        yield rectangle(x, y, DEGREE, DEGREE, fill="#dbe6f4")
        names.append((x + DEGREE / 2, y + DEGREE / 2, path.stem[4:]))
    rows, columns = (np.cumsum(lengths) * pixels for lengths in dem.chunks)
    for edge in [0, *columns.tolist()]:
        yield line(LEFT + edge, TOP, LEFT + edge, TOP + height, stroke=GREY, stroke_width=0.7)
    for edge in [0, *rows.tolist()]:
        yield line(LEFT, TOP + edge, LEFT + width, TOP + edge, stroke=GREY, stroke_width=0.7)
    for row in range(0, int(height), DEGREE):
        for column in range(0, int(width), DEGREE):
            place = (LEFT + column, TOP + row, DEGREE, DEGREE)
            yield rectangle(*place, fill="none", stroke=BLUE, stroke_width=1.5)
    for x, y, name in names:
        yield rectangle(x - 32, y - 8, 64, 16, fill="#dbe6f4")
        yield text(x, y + 4, name, text_anchor="middle", fill=BLUE, font_size=11)
    sizes = dem.chunks[1]
    yield text(LEFT, TOP + height + 22, f"Chunks along x: {', '.join(map(str, sizes[:6]))}, …")
    yield text(LEFT, TOP + height + 42, "Grey tiles have no file: their chunks are missing.")
    yield from _one_tile(700, TOP, sizes[0], sizes[0] + sizes[1])


def _one_tile(x: float, y: float, block: int, size: int) -> Iterator[str]:
    """Yield a tile with its stored blocks, twice as large as its pixels are many."""
    yield text(x, 30, "One tile and its stored blocks", font_weight="bold")
    whole, edge, seen = 2 * block, 2 * size, size - block
    dashed = {"fill": "#fbe9e7", "stroke": RED, "stroke_dasharray": "4 3"}
    for row in (0, whole):
        for column in (0, whole):
            yield rectangle(x + column, y + row, whole, whole, **dashed)
    yield rectangle(x, y, edge, edge, fill="#dbe6f4")
    yield line(x + whole, y, x + whole, y + edge, stroke=GREY)
    yield line(x, y + whole, x + edge, y + whole, stroke=GREY)
    yield rectangle(x, y, edge, edge, fill="none", stroke=BLUE, stroke_width=1.5)
    middle = {"text_anchor": "middle"}
    yield text(x + block, y + block, f"{block} x {block}", **middle)
    yield text(x + whole + seen, y + block, f"{block} x {seen}", **middle)
    yield text(x + block, y + whole + seen, f"{seen} x {block}", **middle)
    yield text(x + whole + seen, y + whole + seen, f"{seen} x {seen}", **middle)
    below = y + 2 * whole + 24
    yield text(x, below, f"The file stores four blocks of {block} x {block}.")
    yield text(x, below + 20, "What lies beyond the tile (red) is cropped", fill=RED)
    yield text(x, below + 40, "when a chunk is read.", fill=RED)


_HEIGHTS = [(0, 86, 135, 84), (500, 198, 201, 118), (1200, 196, 154, 82), (2000, 139, 94, 60)]
_HEIGHTS += [(2600, 245, 243, 240)]
"""Metres and colours between which the heights have theirs."""
_SEA, _NONE = (176, 205, 232), (244, 245, 246)


def _ramp(stops: Sequence[tuple[float, int, int, int]]) -> list[tuple[int, int, int]]:
    """Return 100 colours from the first to the last of some values with their colours."""
    table = np.array(stops)
    steps = np.linspace(table[0, 0], table[-1, 0], 100)
    channels = [np.interp(steps, table[:, 0], table[:, n]).astype(int) for n in (1, 2, 3)]
    return [(int(r), int(g), int(b)) for r, g, b in zip(*channels, strict=True)]


def _numbers(values: NDArray[Any], *, first: int) -> NDArray[np.uint8]:
    """Return the numbers of colours of values from 0 to 1; 0 of those that are missing."""
    numbers = np.clip(np.nan_to_num(values) * 99, 0, 99).astype("u1") + np.uint8(first)
    return np.where(np.isnan(values), 0, numbers).astype("u1")


def dem_heights(dem: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the heights, and what their colours mean."""
    metres = dem.values[::2, ::2]
    top = _HEIGHTS[-1][0]
    palette = [_NONE, _SEA, *_ramp(_HEIGHTS)]
    number = _numbers(metres / top, first=2)
    number[metres == 0] = 1
    height, width = number.shape
    yield text(LEFT, 30, "Heights in metres", font_weight="bold")
    yield image(LEFT, TOP, width * 1.7, height * 1.7, png(number, palette))
    yield rectangle(LEFT, TOP, width * 1.7, height * 1.7, fill="none", stroke=GREY)
    keys = [("no tile", _NONE), ("sea", _SEA)]
    keys += [(f"{n:,}", palette[2 + n * 99 // top]) for n in range(0, 2501, 500)]
    for n, (words, colour) in enumerate(keys):
        y = TOP + 10 + n * 26
        fill = f"rgb{colour}"
        yield rectangle(LEFT + width * 1.7 + 24, y, 26, 18, fill=fill, stroke=GREY)
        yield text(LEFT + width * 1.7 + 60, y + 14, words)


# --------------------------------------------------------------- Sentinel-2: one cube a tile


def scenes_grid(folder: Path) -> Iterator[str]:
    """Yield a table of dates and bands for each tile, with a box for each file."""
    names = sorted(path.stem.split("_") for path in folder.iterdir())
    tiles, dates, bands = (sorted({name[n] for name in names}) for n in range(3))
    tile, date, band = names[0]
    parts = [(tile, ORANGE), ("_", "#222"), (date, BLUE), ("_", "#222"), (band, GREEN)]
    spans = "".join(f'<tspan fill="{fill}">{words}</tspan>' for words, fill in parts)
    yield text(40, 34, f"{spans}.tif", font_size=18, font_weight="bold")
    yield text(430, 34, "group", fill=ORANGE, font_weight="bold")
    yield text(490, 34, "time", fill=BLUE, font_weight="bold")
    yield text(540, 34, "band", fill=GREEN, font_weight="bold")
    for n, tile in enumerate(tiles):
        left, top = 100 + n * 440, 100
        yield rectangle(left - 64, 56, 412, 196, fill="none", stroke=ORANGE, stroke_width=1.5)
        yield text(left - 52, 76, tile, fill=ORANGE, font_weight="bold")
        yield text(left, 243, f"array {tile}/0 (time, band, y, x)", fill=ORANGE)
        for column, date in enumerate(dates):
            middle = {"text_anchor": "middle", "fill": BLUE}
            yield text(left + column * 84 + 36, top - 6, date[:8], **middle)
        for row, band in enumerate(bands):
            yield text(left - 44, top + row * 44 + 24, band, fill=GREEN)
            for column, date in enumerate(dates):
                box = (left + column * 84, top + row * 44, 72, 36)
                if [tile, date, band] in names:
                    yield rectangle(*box, fill="#dbe6f4", stroke=BLUE)
                    continue
                yield rectangle(*box, fill="#fff", stroke=RED, stroke_dasharray="4 3")
                words = {"text_anchor": "middle", "fill": RED}
                yield text(box[0] + 36, box[1] + 22, "hole", **words)


def scenes_ndvi(tree: Any) -> Iterator[str]:  # noqa: ANN401 (a DataTree)
    """Yield the vegetation index of each tile and date."""
    palette = [_NONE, *_ramp([(0, 150, 98, 52), (0.5, 214, 196, 92), (1, 26, 105, 40)])]
    tiles = sorted(name for name in tree.children if "data" in tree[name].data_vars)
    side = 190
    for row, tile in enumerate(tiles):
        cube = tree[tile]["data"]
        red, infrared = cube.sel(band="B04").values, cube.sel(band="B08").values
        index = (infrared - red) / (infrared + red)
        y = 50 + row * (side + 24)
        yield text(30, y + side / 2, tile, fill=ORANGE, font_weight="bold")
        for column, values in enumerate(index[:, ::2, ::2]):
            x = 110 + column * (side + 12)
            yield image(x, y, side, side, png(_numbers(values, first=1), palette))
            yield rectangle(x, y, side, side, fill="none", stroke=GREY)
            if np.isnan(values).all():
                words = {"text_anchor": "middle", "fill": RED}
                yield text(x + side / 2, y + side / 2, "no file of B04", **words)
            if row == 0:
                date = str(cube["time"].values[column])[:10]
                yield text(x + side / 2, 36, date, text_anchor="middle", fill=BLUE)


# ------------------------------------------------------------------------------- the pictures


def pictures() -> dict[Path, str]:
    """Return the text of each picture."""
    with page_run(TUTORIALS / "dem-tiles.md") as names:
        dem = names["dem"]
        grid = svg(1000, 540, dem_grid(dem, Path("dem")))
        heights = svg(800, 480, dem_heights(dem))
    with page_run(TUTORIALS / "sentinel-2.md") as names:
        scenes = svg(920, 270, scenes_grid(Path("scenes")))
        ndvi = svg(940, 480, scenes_ndvi(names["tree"]))
    return {
        IMAGES / "dem-grid.svg": grid,
        IMAGES / "dem-heights.svg": heights,
        IMAGES / "sentinel-2-grid.svg": scenes,
        IMAGES / "sentinel-2-ndvi.svg": ndvi,
    }


def main() -> int:
    """Write the pictures, or check them."""
    return write_or_check_all(pictures, (__doc__ or "").partition("\n")[0])


if __name__ == "__main__":
    sys.exit(main())
