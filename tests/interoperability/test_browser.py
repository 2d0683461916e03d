"""Published cubes in headless Chromium: Icechunk as WebAssembly, zarrita and our codecs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from docs.fenced import blocks_of
from support.browser import ANY_ORIGIN, VIV, Browser, bundled, served
from support.http import HttpServer
from support.node import export_zarr
from support.scripts import load_script
from virtual_tiff.publishing import publish

SLIDES = load_script("make_slides")
EXAMPLES = Path(__file__).parents[2] / "javascript" / "examples"
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "slide-in-the-browser.md"
PICTURES = os.environ.get("VIRTUAL_TIFF_PICTURES")
"""A folder for the pictures of the pages."""

PIXELS = """(() => {
  const canvas = document.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.height, canvas.width, Array.from(data)];
})()"""


async def pixels(browser: Browser) -> NDArray[np.uint8]:
    height, width, data = await browser.value(PIXELS)
    return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]


def tutorial(path: Path) -> None:
    """Make the slide of the tutorial by its first block."""
    (block, *_) = blocks_of(TUTORIAL)
    code = block.text.replace('"slide.ome.tif"', repr(str(path)))
    exec(compile(code, str(TUTORIAL), "exec"), {})


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("slide.svs", SLIDES.svs),
        ("slide.ndpi", SLIDES.ndpi),
        ("qupath.ome.tif", SLIDES.qupath),
        ("slide.ome.tif", tutorial),
    ],
)
async def test_a_slide_in_the_browser(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    files = tmp_path / "data" / "slides"
    files.mkdir(parents=True)
    make(files / name)
    page = bundled(EXAMPLES / "slide", tmp_path / "page")
    with HttpServer(tmp_path / "data") as server, served(page) as site:
        server.headers = ANY_ORIGIN
        url = f"{server.url}/slides/{name}"
        done = publish([url], tmp_path / "data" / "cube", ifd_layout="stack")
        full = "/0/image"  # of an image with levels
        group = next(a.path.removesuffix(full) for a in done.arrays if a.path.endswith(full))
        query = {"repository": f"{server.url}/cube", "files": done.containers[0], "group": group}
        async with Browser(900, 600) as browser:
            await browser.open(f"{site}?{urlencode(query)}", until="document.title === 'drawn'")
            if PICTURES:
                await browser.screenshot(Path(PICTURES, f"{name}.png"))
            # the full resolution, a pixel of the slide for one of the screen
            await browser.value(
                "Object.assign(view, { size: slide.levels[0].pixel[1],"
                " left: slide.levels[0].corner[1], top: slide.levels[0].corner[0] }); draw()"
            )
            await browser.wait("document.title === 'drawn'")
            drawn = await pixels(browser)
            assert (await browser.value("slide.unit")) == "micrometer", browser.log
    with tifffile.TiffFile(files / name) as tiff:
        series: Any = tiff.series[0]
        image = series.asarray()
    if image.ndim == 3 and image.shape[0] in (3, 4):
        image = np.moveaxis(image, 0, -1)
    length, width = min(image.shape[0], 600), min(image.shape[1], 900)
    difference = np.abs(drawn[:length, :width].astype(int) - image[:length, :width])
    assert difference.mean() < 2, f"{difference.mean()} {browser.log}"
    assert np.quantile(difference, 0.99) <= 8


@pytest.mark.long
async def test_an_image_in_viv(tmp_path: Path) -> None:
    """viv reads OME-Zarr over plain HTTP: the cube's keys as they are, in a folder."""
    y, x = np.mgrid[0:256, 0:384]
    planes = [128 + 120 * np.sin((x + 40 * n) / 30) * np.cos(y / (20 + 5 * n)) for n in range(6)]
    stack = np.array(planes).reshape(2, 3, 256, 384).astype("u1")
    path = tmp_path / "cells.ome.tif"
    metadata = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP", "RFP"]}}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(stack, subifds=1, metadata=metadata, tile=(128, 128))
        writer.write(stack[..., ::2, ::2], subfiletype=1, tile=(128, 128))
    done = publish([path], "memory://", ifd_layout="stack")
    folder = tmp_path / "data"
    export_zarr(done.repository.readonly_session("main").store, folder)
    page = bundled(Path(__file__).parent / "viv", tmp_path / "page", VIV)
    with HttpServer(folder) as server, served(page) as site:
        server.headers = ANY_ORIGIN
        query = urlencode({"source": f"{server.url}/cells.ome"})
        async with Browser(600, 400) as browser:
            await browser.open(f"{site}?{query}", until="document.title === 'drawn'")
            picture = await browser.screenshot(Path(PICTURES or tmp_path, "viv.png"))
            with Image.open(picture) as drawn:
                assert np.asarray(drawn.convert("RGB")).std(axis=(0, 1)).min() > 20
            for level, factor in ((0, 1), (1, 2)):
                height, width, values = await browser.value(f"raster({level}, {{c: 1, z: 1}})")
                expected = stack[1, 1, ::factor, ::factor]
                np.testing.assert_array_equal(
                    np.array(values, "u1").reshape(height, width), expected
                )
            names = await browser.value("metadata.omero.channels.map(({ label }) => label)")
            assert names == ["DAPI", "GFP", "RFP"]
