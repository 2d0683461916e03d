"""Cubes of COGs in Chromium, from an Icechunk repository over HTTP: pixels, and three maps."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from rasterio.enums import Resampling
from rasterio.transform import from_bounds, from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from support.browser import ANY_ORIGIN, MAPS, PAGES, Browser, bundled, served
from support.http import HttpServer
from support.node import export_zarr
from support.s3 import S3, s3_process
from virtual_tiff.publishing import publish

pytestmark = pytest.mark.long

EXAMPLES = Path(__file__).parents[2] / "javascript" / "examples"
PICTURES = os.environ.get("VIRTUAL_TIFF_PICTURES")
"""A folder for the pictures of the pages."""

DAYS = ("2024-05-01", "2024-05-11", "2024-05-21")
SIZE = 512
CORNER = (600_000, 5_400_000)
PROJ4 = "+proj=utm +zone=32 +datum=WGS84 +units=m +no_defs"
LOW, HIGH = 0, 4000
COGS: dict[str, dict[str, Any]] = {
    "lzw": {"compress": "lzw", "predictor": 2, "dtype": "uint16", "count": 1},
    "deflate": {"compress": "deflate", "predictor": 2, "dtype": "uint16", "count": 1},
    "jpeg": {"compress": "jpeg", "dtype": "uint8", "count": 3, "quality": 90},
}


def landscape(number: int) -> NDArray[np.float64]:
    """Return hills of 50 to 3950: noise whose long waves are the highest. 0 would be missing."""
    rng = np.random.default_rng(number)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij"))
    waves = np.fft.rfft2(rng.normal(size=(SIZE, SIZE))) / (frequency + 0.004) ** 2
    hills = np.fft.irfft2(waves)
    return 50 + (hills - hills.min()) / np.ptp(hills) * (HIGH - 100)


_STOPS = (LOW, 1500, 2500, HIGH)
_COLOURS = ((60, 150, 160, 250), (120, 160, 120, 250), (70, 90, 80, 250))
"""Of colour images: red, green and blue at these heights."""


def cog(path: Path, number: int, **options: Any) -> None:
    """Write a COG with overviews, 20 m a pixel."""
    hills = landscape(number)
    bands = hills[np.newaxis]
    if options["count"] == 3:
        bands = np.stack([np.interp(hills, _STOPS, colour) for colour in _COLOURS])
    profile = {
        "driver": "COG",
        "crs": "EPSG:32632",
        "transform": from_origin(*CORNER, 20, 20),
        "width": SIZE,
        "height": SIZE,
        "blocksize": 128,
    }
    with rasterio.open(path, "w", **profile, **options) as dataset:
        dataset.write(bands.astype(options["dtype"]))


@pytest.fixture(scope="module")
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An example that is bundled once for all tests with it."""
    packages = PAGES if request.param == "stack" else MAPS
    return bundled(EXAMPLES / request.param, tmp_path_factory.mktemp("page"), packages)


def of(example: str) -> Any:
    return pytest.mark.parametrize("page", [example], indirect=True)


@dataclass(frozen=True)
class Cube:
    """A stack that is served, and its files."""

    query: dict[str, str]
    """Of the example pages."""
    paths: list[Path]
    plain: str = ""
    """The url of the cube as Zarr over HTTP."""

    def pixels(self, time: int, level: int = 0) -> NDArray[Any]:
        """What GDAL reads: (band, y, x)."""
        options = {"overview_level": level - 1} if level else {}
        with rasterio.open(self.paths[time], **options) as dataset:
            bands: NDArray[Any] = dataset.read()
        return bands


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[S3 | None]:
    """A bucket whose objects pages of other origins may read, if the test wants one."""
    if not request.param:
        yield None
        return
    with s3_process() as server:
        server.allow_pages()
        yield server


@contextmanager
def cube(folder: Path, codec: str, bucket: S3 | None = None, **options: Any) -> Iterator[Cube]:
    """Publish three COGs by their urls, and serve them and the repository.

    Those of a bucket are named by it, and referred to by urls of the web.
    """
    files = folder / "cogs"
    files.mkdir(parents=True)
    paths = [files / f"{day}.tif" for day in DAYS]
    for number, path in enumerate(paths):
        cog(path, number, **COGS[codec])
    with HttpServer(folder) as server:
        server.headers = ANY_ORIGIN
        urls = [f"{server.url}/cogs/{path.name}" for path in paths]
        if bucket is not None:
            for path in paths:
                bucket.make_public(bucket.upload(path, f"cogs/{path.name}"))
            urls = [bucket.url("cogs/")]
            place = {"endpoint": bucket.endpoint, "region": "us-east-1", **bucket.credentials()}
            options |= {"reference_as": "https", "store_options": place}
        time = r"(?P<time>\d{4}-\d\d-\d\d)"
        done = publish(urls, folder / "cube", concat="time", time=time, **options)
        array = done.arrays[0].path.rpartition("/")[2]
        query = {"repository": f"{server.url}/cube", "files": done.containers[0], "array": array}
        export_zarr(done.repository.readonly_session("main").store, folder / "plain")
        yield Cube(query, paths, f"{server.url}/plain/")


@of("stack")
@pytest.mark.parametrize(
    ("codec", "bucket"), [*((codec, False) for codec in COGS), ("lzw", True)], indirect=["bucket"]
)
async def test_pixels_of_a_cube_in_chromium(
    codec: str, bucket: S3 | None, page: Path, tmp_path: Path
) -> None:
    with cube(tmp_path / "data", codec, bucket, ifd_layout="pyramid") as made, served(page) as site:
        if bucket is not None:
            assert made.query["files"] == f"{bucket.endpoint}/{bucket.bucket}/cogs/"
        async with Browser(600, 560) as browser:
            await browser.open(
                f"{site}?{urlencode(made.query)}", until="document.title === 'drawn'"
            )
            if PICTURES:
                await browser.screenshot(Path(PICTURES, f"stack-{codec}.png"))
            assert await browser.value("levels.length") == 3
            assert await browser.value("document.querySelector('output').textContent") == DAYS[0]
            for level, time in ((0, 2), (1, 1), (2, 0)):
                read = "Array.from({ length: bands * height * width }, (_, n) => data[index("
                read += (
                    "Math.floor(n / width) % height, n % width, Math.floor(n / height / width))])"
                )
                values = await browser.value(
                    f"readImage(levels[{level}], {time}).then("
                    f"({{ data, height, width, bands, index }}) => {read})"
                )
                expected = made.pixels(time, level)
                difference = np.array(values).reshape(expected.shape) - expected.astype(float)
                # two decoders of JPEG round differently
                assert np.abs(difference).max() <= (8 if codec == "jpeg" else 0)
                assert np.abs(difference).mean() < 1


async def picture_of(
    browser: Browser, picture: Path, difference: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """Take pictures until one differs little, as tiles come one after another.

    Return the difference of each pixel's grey.
    """
    end = time.monotonic() + 60
    while True:
        with Image.open(await browser.screenshot(picture)) as image:
            of_pixels = difference(np.asarray(image.convert("L")).astype(float))
        if of_pixels.mean() < 2 or time.monotonic() > end:
            return of_pixels
        await asyncio.sleep(0.5)


def shades(values: NDArray[Any]) -> NDArray[Any]:
    """Return the grey of each pixel."""
    return np.clip((values - LOW) / (HIGH - LOW), 0, 1) * 255


@of("openlayers")
@pytest.mark.parametrize("layout", ["flat", "pyramid"])
@pytest.mark.parametrize("store", ["icechunk", "http"])
async def test_openlayers_shows_stacks_and_pyramids(
    store: str, layout: str, page: Path, tmp_path: Path
) -> None:
    with cube(tmp_path / "data", "lzw", ifd_layout=layout) as made, served(page) as site:
        query = made.query
        if store == "http":
            query = {"url": made.plain, "array": made.query["array"]}
        query |= {"time": "1", "low": str(LOW), "high": str(HIGH)}
        async with Browser(SIZE, SIZE) as browser:
            await browser.open(f"{site}?{urlencode(query)}", until="document.title === 'drawn'")
            assert await browser.value("source.getState()") == "ready", browser.log
            assert await browser.value("source.getProjection().getCode()") == "EPSG:32632"
            dimensions = "source.getDimensions().then((all) => all.time.size)"
            assert await browser.value(dimensions) == len(DAYS)
            # a pixel of the full image for each of the screen's
            await browser.value(
                "map.getView().setCenter([605120, 5394880]),"
                " map.getView().setResolution(20), map.render()"
            )
            part = np.s_[40:-60, 60:-20]  # without the buttons and the scale
            expected = shades(made.pixels(1)[0])[part]
            picture = Path(PICTURES or tmp_path, f"openlayers-{layout}.png")
            of_pixels = await picture_of(
                browser, picture, lambda grey: np.abs(grey[part] - expected)
            )
    assert of_pixels.mean() < 2
    assert of_pixels.max() < 12


MERCATOR_MAPS = {
    "zarr-layer": "map.getBounds().toArray().flat()",
    "deckgl": "viewport.getBounds()",
}
"""Maps that project, and how each says which part of the world it shows."""


def warped(path: Path, bounds: list[float]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the grey of a map of 600 x 600 pixels by GDAL, and where the file certainly is."""
    to = from_bounds(*transform_bounds("EPSG:4326", "EPSG:3857", *bounds), 600, 600)
    options: Any = {"crs": "EPSG:3857", "width": 600, "height": 600, "add_alpha": True}
    options |= {"transform": to, "resampling": Resampling.bilinear}
    with rasterio.open(path) as dataset, WarpedVRT(dataset, **options) as vrt:
        mask = Image.fromarray(vrt.dataset_mask()).filter(ImageFilter.MinFilter(13))
        return shades(vrt.read(1)), np.asarray(mask) > 0


@pytest.mark.parametrize("page", MERCATOR_MAPS, indirect=True)
@pytest.mark.parametrize("layout", ["flat", "pyramid"])
async def test_maps_that_project(
    layout: str, page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    example = request.node.callspec.params["page"]
    with cube(tmp_path / "data", "deflate", ifd_layout=layout) as made, served(page) as site:
        query = made.query | {"time": "1", "low": str(LOW), "high": str(HIGH), "proj4": PROJ4}
        async with Browser(600, 600) as browser:
            await browser.open(f"{site}?{urlencode(query)}", until="document.title === 'drawn'")
            bounds = await browser.value(MERCATOR_MAPS[example])
            expected, inside = warped(made.paths[1], bounds)

            def difference(grey: NDArray[Any]) -> NDArray[Any]:
                # zarr-layer projects in shaders: in the software that replaces a graphics card
                # here, sines and logarithms have so few digits that all is 10 pixels low
                shifted = (np.roll(grey, -n, axis=0) for n in range(15))
                return min((np.abs(each - expected)[inside] for each in shifted), key=np.mean)

            picture = Path(PICTURES or tmp_path, f"{example}-{layout}.png")
            of_pixels = await picture_of(browser, picture, difference)
    assert inside.mean() > 0.8
    assert of_pixels.mean() < 2
    assert np.quantile(of_pixels, 0.99) < 12
