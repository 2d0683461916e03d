"""Which directories are levels of one image, judged by tifffile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from support.locations import locate
from virtual_tiff import VirtualTIFF
from virtual_tiff.info import inspect

LOCAL = ObjectStoreRegistry({"file://": LocalStore()})
APERIO = "Aperio Image Library v11.2.1\r\n"


def ramp(length: int, width: int, seed: int) -> NDArray[Any]:
    y, x = np.mgrid[:length, :width]
    bands = [x * 255 // width, y * 255 // length, np.full((length, width), seed)]
    return np.stack(bands, -1).astype("u1")


def slide(path: Path, *, sizes: list[tuple[int, int]], last: str = "both", thumbnail: bool = True):
    """Write an SVS as Aperio's document says: image, thumbnail, levels, label, macro."""
    with tifffile.TiffWriter(path) as writer:
        options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        tiled = options | {"tile": (64, 64), "compression": "zlib"}
        length, width = sizes[0]
        text = f"{APERIO}{width}x{length} (64x64) JPEG/RGB|AppMag = 20|MPP = 0.499"
        writer.write(ramp(length, width, 1), description=text, subfiletype=0, **tiled)
        if thumbnail:
            text = f"{APERIO}{width}x{length} -> 40x30"
            writer.write(ramp(30, 40, 2), description=text, rowsperstrip=16, **options)
        for n, size in enumerate(sizes[1:]):
            text = f"{APERIO}{width}x{length} -> {size[1]}x{size[0]}"
            writer.write(ramp(*size, 3 + n), description=text, **tiled)
        if last in ("both", "label"):
            text = f"{APERIO}label 30x32"
            writer.write(ramp(32, 30, 8), description=text, subfiletype=1, **options)
        if last in ("both", "macro"):
            # of the slide's proportions: the size does not tell that it is none of its levels
            text = f"{APERIO}macro {width // 8}x{length // 8}"
            macro = ramp(length // 8, width // 8, 9)
            writer.write(macro, description=text, subfiletype=9, rowsperstrip=16, **options)
    return path


def opened(path: Path, layout: str) -> zarr.Group:
    store = VirtualTIFF(ifd_layout=layout)(path.as_uri(), LOCAL)
    return zarr.open_group(store, mode="r")


def levels(group: Any, *, name: str = "image") -> list[tuple[int, ...]]:
    return [tuple(level[name].shape) for _, level in sorted(group.groups())]


def as_tifffile(path: Path) -> dict[str, list[tuple[int, ...]]]:
    """Return the levels of each image by its name, bands first."""
    with tifffile.TiffFile(path) as file:
        return {
            series.name.lower(): [(level.shape[-1], *level.shape[-3:-1]) for level in series.levels]
            for series in file.series
        }


SLIDES = {
    "one level": {"sizes": [(400, 600)]},
    "levels of one factor": {"sizes": [(1600, 1200), (400, 300), (100, 75)]},
    "levels of several factors, rounded down": {"sizes": [(1601, 1203), (400, 300), (200, 150)]},
    "no label": {"sizes": [(400, 600), (100, 150)], "last": "macro"},
    "no macro": {"sizes": [(400, 600), (100, 150)], "last": "label"},
    "neither": {"sizes": [(400, 600), (100, 150)], "last": ""},
}


@pytest.mark.long
@pytest.mark.parametrize("name", SLIDES)
def test_levels_and_associated_images_of_aperio(name: str, tmp_path: Path) -> None:
    path = slide(tmp_path / "a.svs", **SLIDES[name])  # type: ignore[arg-type]
    truth = as_tifffile(path)
    group: Any = opened(path, "pyramid")
    images = {key: levels(each) for key, each in group.groups()}
    assert {"baseline" if key == "0" else key: each for key, each in images.items()} == truth
    kinds = {key: each.attrs.get("associated_image") for key, each in group.groups()}
    assert kinds == {key: None if key == "0" else key for key in images}
    with tifffile.TiffFile(path) as file:
        for n, level in enumerate(file.series[0].levels):
            pixels = np.moveaxis(level.asarray(), -1, 0)
            np.testing.assert_array_equal(group[f"0/{n}/image"][...], pixels)


def test_a_slide_as_stacks(tmp_path: Path) -> None:
    path = slide(tmp_path / "a.svs", sizes=[(1600, 1200), (400, 300), (100, 75)])
    group: Any = opened(path, "stack")
    assert levels(group["0"]) == [(3, 1600, 1200), (3, 400, 300), (3, 100, 75)]
    alone = {key for key, each in group.groups() if "image" in each}
    assert alone == {"thumbnail", "label", "macro"} == set(group.group_keys()) - {"0"}


def test_overviews_of_a_slide_are_its_levels(tmp_path: Path) -> None:
    path = slide(tmp_path / "a.svs", sizes=[(1600, 1200), (400, 300), (100, 75)])
    store = VirtualTIFF(ifd_layout="pyramid", overviews=False)(path.as_uri(), LOCAL)
    group: Any = zarr.open_group(store, mode="r")
    assert levels(group["0"]) == [(3, 1600, 1200)]
    assert set(group.group_keys()) == {"0", "thumbnail", "label", "macro"}


async def test_info_says_which_images_a_slide_has(tmp_path: Path) -> None:
    path = slide(tmp_path / "a.svs", sizes=[(1600, 1200), (400, 300), (100, 75)])
    cog = Path(__file__).parents[2] / "testdata" / "special" / "cog.tif"
    slide_info, cog_info = await inspect(locate([path, cog]))
    assert slide_info.images is not None
    kind, images = slide_info.images.split(": ")
    assert kind == "Aperio SVS"
    assert images.split(", ") == ["image 0 with 3 levels", "thumbnail 1", "label 4", "macro 5"]
    assert cog_info.images is None  # its overviews say what they are


UNMARKED = {
    "halves": [(1024, 768), (512, 384), (256, 192)],
    "thirds": [(900, 600), (300, 200), (100, 66)],
    "odd lengths": [(1025, 767), (513, 384), (256, 192)],
    "two factors": [(1024, 768), (512, 384), (128, 96)],
    "no proportions": [(1024, 768), (512, 300)],
    "larger ones": [(512, 384), (1024, 768)],
    "equal ones": [(512, 384), (512, 384)],
}


@pytest.mark.parametrize("name", UNMARKED)
def test_levels_that_no_tag_marks(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for n, size in enumerate(UNMARKED[name]):
            writer.write(ramp(*size, n), tile=(128, 128), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as file:
        truth = [[level.shape[-3:-1] for level in each.levels] for each in file.series]
        if name == "equal ones":
            truth = [[size] for size in UNMARKED[name]]  # a series of two pages
    group: Any = opened(path, "pyramid")
    images = [group] if "0/image" in group else [each for _, each in sorted(group.groups())]
    assert [[shape[1:] for shape in levels(each)] for each in images] == truth


def test_strips_of_two_sizes_are_two_images(tmp_path: Path) -> None:
    """They are no pyramid: the levels of large images are tiled."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for size in ((512, 384), (256, 192)):
            writer.write(ramp(*size, 0), photometric="rgb", metadata=None)
    assert len(list(opened(path, "pyramid").groups())) == 2
    assert "0/image" not in opened(path, "pyramid")


def pages(path: Path, count: int, reduced: list[int]) -> Path:
    """Write equal pages, and then so many reduced images of each size."""
    with tifffile.TiffWriter(path) as writer:
        options: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
        for n in range(count):
            writer.write(np.full((64, 96), n, "u1"), **options)
        for level, number in enumerate(reduced, 1):
            for n in range(number):
                small = np.full((64 >> level, 96 >> level), 10 * level + n, "u1")
                writer.write(small, subfiletype=1, **options)
    return path


def test_reduced_images_are_those_of_as_many_pages(tmp_path: Path) -> None:
    path = pages(tmp_path / "a.tif", 3, [3, 3])
    group: Any = opened(path, "pyramid")
    for n in range(3):
        assert levels(group[str(n)]) == [(64, 96), (32, 48), (16, 24)]
        assert [group[f"{n}/{k}/image"][0, 0] for k in range(3)] == [n, 10 + n, 20 + n]
    stack: Any = opened(path, "stack")
    assert levels(stack) == [(3, 64, 96), (3, 32, 48), (3, 16, 24)]
    np.testing.assert_array_equal(stack["1/image"][:, 0, 0], [10, 11, 12])


def test_an_image_has_one_level_of_a_size(tmp_path: Path) -> None:
    """Two reduced images behind three pages: nothing says whose they are."""
    group: Any = opened(pages(tmp_path / "a.tif", 3, [2]), "pyramid")
    sizes = [levels(each) for _, each in sorted(group.groups())]
    assert sizes == [[(64, 96)], [(64, 96)], [(64, 96), (32, 48)], [(32, 48)]]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A pyramid whose second level is marked, and whose first is not."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for edge, kind in ((512, 0), (256, 0), (128, 1)):
            pixels = np.full((edge, edge), edge // 4, "u1")
            writer.write(pixels, tile=(64, 64), subfiletype=kind, metadata=None)
    return tmp_path / "a.tif"


@pytest.mark.parametrize("layout", ["pyramid", "stack"])
def test_what_reduces_a_level_reduces_its_image(layout: str, mixed: Path) -> None:
    group: Any = opened(mixed, layout)
    assert levels(group) == [(512, 512), (256, 256), (128, 128)]


@pytest.mark.parametrize(
    ("overviews", "names"), [(False, ["0"]), ((0,), ["0", "1"]), ((1,), ["0", "2"])]
)
def test_overviews_are_chosen_among_all_levels(overviews: Any, names: list[str], mixed: Path):
    store = VirtualTIFF(overviews=overviews)(mixed.as_uri(), LOCAL)
    arrays = zarr.open_group(store, mode="r").array_keys()
    assert sorted(name for name in arrays if name.isdecimal()) == names


def test_an_overview_of_a_slide_is_none_of_its_label(tmp_path: Path) -> None:
    path = slide(tmp_path / "a.svs", sizes=[(1600, 1200), (400, 300), (100, 75)])
    store = VirtualTIFF(ifd_layout="pyramid", overviews=(1,))(path.as_uri(), LOCAL)
    assert levels(zarr.open_group(store, mode="r")["0"]) == [(3, 1600, 1200), (3, 100, 75)]
