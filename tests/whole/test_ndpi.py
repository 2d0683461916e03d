"""Hamamatsu's NDPI: restart intervals as chunks, judged by OpenSlide and tifffile."""

from __future__ import annotations

import asyncio
import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import pytest
import tifffile
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from PIL import Image

from support.locations import locate
from support.scripts import load_script
from tiff.test_large import has_holes
from virtual_tiff import TiffWarning, VirtualTIFF
from virtual_tiff.info import inspect

SLIDES = load_script("make_slides")
LOCAL = ObjectStoreRegistry({"file://": LocalStore()})


def opened(path: Path, **options: Any) -> Any:
    store = VirtualTIFF(**options)(path.as_uri(), LOCAL)
    return zarr.open_group(store, mode="r", zarr_format=3)


def rgb(array: Any) -> Any:
    return np.moveaxis(array[...], 0, -1)


@pytest.mark.parametrize("subsampling", [0, 1], ids=["4:4:4", "4:2:2"])
@pytest.mark.long
@pytest.mark.parametrize("base", [12, 2**32 + 4096])
def test_levels_are_those_of_openslide(subsampling: int, base: int, tmp_path: Path) -> None:
    if base > 2**32 and not has_holes(tmp_path):
        pytest.skip("the file system has no holes")
    path = tmp_path / "a.ndpi"
    SLIDES.ndpi(path, subsampling=subsampling, base=base)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        group = opened(path)
    assert [group[str(n)].chunks for n in range(3)] == [(3, 8, 256), (3, 8, 128), (3, 192, 256)]
    with openslide.OpenSlide(path) as slide:
        for n in range(3):
            size = slide.level_dimensions[n]
            judged = slide.read_region((0, 0), n, size).convert("RGB")
            np.testing.assert_array_equal(rgb(group[str(n)]), np.asarray(judged))
        macro = np.asarray(slide.associated_images["macro"].convert("RGB"))
        np.testing.assert_array_equal(rgb(group["3"]), macro)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_sizes_that_no_interval_divides(subsampling: int, tmp_path: Path) -> None:
    """The last row of MCUs goes on below the image; OpenSlide does not draw it."""
    path = tmp_path / "a.ndpi"
    stream = SLIDES.jpeg(SLIDES.scene(83, 315), restart=5, subsampling=subsampling)
    starts = SLIDES.intervals(stream)
    page = SLIDES.Page(width=315, length=83, stream=stream, lens=20.0, starts=starts)
    SLIDES.write_ndpi(path, [page])
    array = opened(path)["0"]
    mcu = [(8, 8), (8, 16), (16, 16)][subsampling]
    assert array.chunks == (3, mcu[0], 5 * mcu[1])
    judged = tifffile.imread(path).astype("i2")
    # which decodes the stream as a whole: chroma is smooth across intervals, too
    assert np.abs(rgb(array) - judged).max() <= (4 if subsampling else 0)


def larger(pixels: Any, surplus: int) -> Any:
    return np.pad(pixels, [(0, surplus), (0, surplus), (0, 0)], "edge")


@pytest.mark.parametrize("surplus", [1, 7])
def test_a_level_whose_jpeg_is_larger(surplus: int, tmp_path: Path) -> None:
    path = tmp_path / "a.ndpi"
    SLIDES.ndpi(path, surplus=surplus)
    array = opened(path)["2"]
    assert (array.shape, array.chunks) == ((3, 192, 256), (3, 192 + surplus, 256 + surplus))
    judged = Image.open(io.BytesIO(SLIDES.jpeg(larger(SLIDES.scene(192, 256), surplus))))
    np.testing.assert_array_equal(rgb(array), np.asarray(judged)[:192, :256])


def test_intervals_of_a_jpeg_that_is_wider(tmp_path: Path) -> None:
    """A pixel more may be an interval more in each row, which shows nothing of the image."""
    path = tmp_path / "a.ndpi"
    scene = SLIDES.scene(64, 257)
    stream = SLIDES.jpeg(scene, restart=1, subsampling=0)
    starts = SLIDES.intervals(stream)
    assert len(starts) == 8 * 33
    page = SLIDES.Page(width=256, length=64, stream=stream, lens=20.0, starts=starts)
    SLIDES.write_ndpi(path, [page])
    array = opened(path)["0"]
    assert array.chunks == (3, 8, 8)
    assert np.abs(rgb(array).astype("i2") - scene[:, :256]).max() < 30
    np.testing.assert_array_equal(rgb(array), np.asarray(Image.open(io.BytesIO(stream)))[:, :256])


WRONG = {
    "one too few": lambda page: replace(page, starts=page.starts[:-1]),
    "one too many": lambda page: replace(page, starts=[*page.starts, page.starts[-1] + 5]),
    "out of order": lambda page: replace(page, starts=page.starts[::-1]),
}


@pytest.mark.parametrize("name", WRONG)
def test_starts_that_are_not_those_of_the_stream(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ndpi"
    stream = SLIDES.jpeg(SLIDES.scene(64, 256), restart=4)
    starts = SLIDES.intervals(stream)
    page = SLIDES.Page(width=256, length=64, stream=stream, lens=20.0, starts=starts)
    SLIDES.write_ndpi(path, [WRONG[name](page)])
    with pytest.warns(TiffWarning, match="are not those of the JPEG stream"):
        array = opened(path)["0"]
    assert array.chunks == array.shape
    assert np.abs(rgb(array).astype("i2") - SLIDES.scene(64, 256)).mean() < 2


def test_intervals_that_do_not_divide_a_row_are_no_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.ndpi"
    stream = SLIDES.jpeg(SLIDES.scene(64, 256), restart=5)
    starts = SLIDES.intervals(stream)
    page = SLIDES.Page(width=256, length=64, stream=stream, lens=20.0, starts=starts)
    SLIDES.write_ndpi(path, [page])
    with pytest.warns(TiffWarning, match="are not those of the JPEG stream"):
        assert opened(path)["0"].chunks == (3, 64, 256)


def test_a_stream_without_a_header_opens_and_does_not_decode(tmp_path: Path) -> None:
    """The other levels of the slide can be read; of this one each chunk says what it lacks."""
    path = tmp_path / "a.ndpi"
    stream = b"\xff\xd8" + bytes(5000)
    page = SLIDES.Page(width=90_000, length=80_000, stream=stream, lens=20.0, starts=(100, 600))
    SLIDES.write_ndpi(path, [page])
    with pytest.warns(TiffWarning, match="has no header that can be read"):
        array = opened(path)["0"]
    assert array.chunks == (3, 16, 90_000)
    with pytest.raises(ValueError, match="not a JPEG stream"):
        array[0, 0, 0]


def test_damaged_intervals_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.ndpi"
    stream = SLIDES.jpeg(SLIDES.scene(64, 256), restart=4)
    starts = SLIDES.intervals(stream)
    # what is cut off ends without the marker of the next interval
    page = SLIDES.Page(width=256, length=64, stream=stream[:-60], lens=20.0, starts=starts)
    SLIDES.write_ndpi(path, [page])
    array = opened(path)["0"]
    assert array[0, 0, 0] == tifffile.imread(path)[0, 0, 0]
    with pytest.raises(ValueError, match="before its image does"):
        array[0, 63, 255]


def test_a_level_of_a_hundred_thousand_pixels(tmp_path: Path) -> None:
    """Its header says 0 x 0, as no JPEG is so large: intervals are all that can be decoded."""
    path = tmp_path / "a.ndpi"
    width, length, tile = 98_304, 80_000, (2048, 8)
    part = SLIDES.jpeg(SLIDES.scene(8, 2048), restart=128, subsampling=1)
    (begin,) = SLIDES.intervals(part)
    header = part[:begin]
    frame = header.index(b"\xff\xc0") + 5
    header = header[:frame] + bytes(4) + header[frame + 4 :]
    interval = part[begin:-2] + b"\xff\xd0"
    count = width // tile[0] * (length // tile[1])
    stream = header + interval
    starts = [len(header) + n * len(interval) for n in range(count)]
    page = SLIDES.Page(width=width, length=length, stream=stream, lens=20.0, starts=starts)
    SLIDES.write_ndpi(path, [replace(page, nbytes=starts[-1] + len(interval))])
    array = opened(path)["0"]
    assert (array.shape, array.chunks) == ((3, length, width), (3, 8, 2048))
    assert (
        np.abs(np.moveaxis(array[:, :8, :2048], 0, -1).astype("i2") - SLIDES.scene(8, 2048)).mean()
        < 3
    )


@pytest.mark.parametrize("label", ["", "A1", "Slide 7"])
@pytest.mark.parametrize("more", [0, 30], ids=["few tags", "many tags"])
def test_texts_stand_outside_of_the_directory(label: str, more: int, tmp_path: Path) -> None:
    """However short they are: a classic TIFF has those of 4 bytes in their entries."""
    path = tmp_path / "a.ndpi"
    texts = {65427: label, **{65500 + n: "x" for n in range(more)}}
    stream = SLIDES.jpeg(SLIDES.scene(64, 96))
    pages = [
        SLIDES.Page(width=96, length=64, stream=stream, lens=20.0 - n, texts=texts)
        for n in range(2)
    ]
    SLIDES.write_ndpi(path, pages)
    group = opened(path, ifd_layout="pyramid")["0"]
    assert group.attrs["slide_properties"].get("hamamatsu.Reference", "") == label
    assert opened(path, ifd=1)["1"].attrs["TIFFTAG_MAKE"] == "Hamamatsu"
    (info,) = asyncio.run(inspect(locate([path], {})))
    assert info.variant == "II NDPI"


def test_a_tiff_that_has_kept_the_tag_is_a_classic_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pixels = SLIDES.scene(64, 96)
    tags = [(65420, "I", 1, 1, True), (65427, "s", 0, "A1", True)]
    for _ in range(2):
        tifffile.imwrite(path, pixels, extratags=tags, append=True, metadata=None)
    group = opened(path)
    for n in range(2):
        np.testing.assert_array_equal(rgb(group[str(n)]), pixels)


def test_fluorescence_in_16_bits(tmp_path: Path) -> None:
    """The tags say RGB of 8 bits, and CaptureMode what is there."""
    path = tmp_path / "a.ndpi"
    y, x = np.mgrid[:64, :96]
    pixels = (y * 600 + x * 70).astype("u2")
    stream = imagecodecs.jpegxr_encode(pixels, level=100)
    pages = [SLIDES.Page(width=96, length=64, stream=stream, lens=20.0, gray=True)]
    pages.append(
        SLIDES.Page(width=96, length=64, stream=SLIDES.jpeg(SLIDES.scene(64, 96)), lens=-1)
    )
    SLIDES.write_ndpi(path, pages)
    group = opened(path)
    judged = tifffile.imread(path, key=0)
    assert (group["0"].dtype, group["0"].shape) == (judged.dtype, judged.shape)
    np.testing.assert_array_equal(group["0"][...], judged)
    assert group["1"].shape == (3, 64, 96)


def test_a_slide_is_opened_with_few_requests(tmp_path: Path) -> None:
    """Directories lie behind the pixels, headers in the streams: those of all levels at once."""
    path = tmp_path / "a.ndpi"
    SLIDES.ndpi(path, base=200_000)
    (info,) = asyncio.run(inspect(locate([path], {})))
    assert info.requests <= 10
    assert info.round_trips <= 4
