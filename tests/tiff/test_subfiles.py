"""Which directory is an overview or a mask, and of which image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from support.build import ASCII, LONG, SHORT, Directory, build, directory_at, entry
from tiff.reading import read
from virtual_tiff.tiff import Tiff, full_images, is_full, kind_of

NEW, OLD = 254, 255


def page(length: int = 8, width: int = 8, *, subfile: int | None = None, **rest: Any) -> Directory:
    """A directory of an image of that size; `old` is SubfileType, `below` its SubIFDs."""
    extra = []
    if subfile is not None:
        extra.append(entry(NEW, LONG, subfile))
    if "old" in rest:
        extra.append(entry(OLD, SHORT, rest["old"]))
    if "below" in rest:
        extra.append(entry(330, LONG, [directory_at(number) for number in rest["below"]]))
    numbers = {256: width, 257: length, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: length, 279: 1}
    entries = [*extra, *(entry(tag, LONG, number) for tag, number in numbers.items())]
    return Directory(entries, next=rest.get("next"))


def tiff(*directories: Directory) -> Tiff:
    return read(build(list(directories)))


def owners(*directories: Directory) -> Mapping[str, str]:
    """The path of each overview and mask, to that of its image."""
    return {path: full.path for path, full in full_images(tiff(*directories).ifds).items()}


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({}, "image"),
        ({"subfile": 0}, "image"),
        ({"subfile": 1}, "overview"),
        ({"subfile": 2}, "page"),
        ({"subfile": 3}, "overview"),
        ({"subfile": 4}, "mask"),
        ({"subfile": 5}, "mask"),
        ({"subfile": 6}, "mask"),
        ({"subfile": 8}, "image"),  # DNG's depth map: bits that TIFF 6.0 does not have
        ({"subfile": 65537}, "overview"),  # DNG's alternative preview
        ({"old": 1}, "image"),
        ({"old": 2}, "overview"),
        ({"old": 3}, "page"),
        ({"old": 9}, "image"),
        ({"subfile": 0, "old": 2}, "image"),
        ({"subfile": 1, "old": 1}, "overview"),
    ],
)
def test_the_kind_of_a_directory(tags: dict[str, int], kind: str):
    (ifd,) = tiff(page(**tags)).ifds
    assert kind_of(ifd) == kind
    assert is_full(ifd) is (kind in {"image", "page"})


@pytest.mark.filterwarnings("ignore")
def test_a_kind_that_is_text_says_nothing():
    numbers = {256: 8, 257: 8, 273: 8, 279: 1}
    entries = [entry(NEW, ASCII, "abc"), *(entry(tag, LONG, n) for tag, n in numbers.items())]
    (ifd,) = read(build([Directory(entries)])).ifds
    assert kind_of(ifd) == "image"


def test_a_cog():
    chain = [page(64, 64), page(64, 64, subfile=4), page(32, 32, subfile=1)]
    chain += [page(32, 32, subfile=5), page(16, 16, subfile=1), page(16, 16, subfile=5)]
    assert owners(*chain) == dict.fromkeys("12345", "0")


def test_overviews_follow_their_image():
    """As tifffile and Bio-Formats write several images; GDAL gives all to the first."""
    chain = [page(64, 64), page(32, 32, subfile=1), page(48, 48), page(24, 24, subfile=1)]
    assert owners(*chain) == {"1": "0", "3": "2"}


def test_an_overview_that_is_larger_than_the_image_before_it_is_of_the_first():
    chain = [page(64, 64), page(8, 8), page(32, 32, subfile=1)]
    assert owners(*chain) == {"2": "0"}


def test_an_overview_that_is_larger_than_every_image_is_of_none():
    assert owners(page(8, 8), page(32, 32, subfile=1)) == {}


def test_an_overview_before_its_image_is_of_none():
    assert owners(page(8, 8, subfile=1), page(64, 64)) == {}


def test_overviews_in_subifds_are_of_their_parent():
    chain = [page(64, 64, below=[2, 3]), page(48, 48, next=0)]
    below = [page(32, 32, subfile=1, next=0), page(16, 16, subfile=1, next=0)]
    assert owners(*chain, *below) == {"0/0": "0", "0/1": "0"}


def test_an_overviews_mask_in_its_subifd_is_of_the_image():
    chain = [page(64, 64), page(32, 32, subfile=1, below=[2], next=0)]
    assert owners(*chain, page(32, 32, subfile=4, next=0)) == {"1": "0", "1/0": "0"}


def test_an_image_in_a_subifd_is_its_own():
    """A raw photograph: the first directory is a thumbnail, the image lies below it."""
    chain = [page(8, 8, subfile=1, below=[1], next=0)]
    assert owners(*chain, page(64, 64, subfile=0, next=0)) == {}


def test_a_directory_without_a_size_is_no_image():
    nothing = Directory([entry(305, ASCII, "no image at all")])
    found = tiff(page(64, 64), nothing, page(32, 32, subfile=1))
    assert [is_full(ifd) for ifd in found.ifds] == [True, False, False]
    assert {path: full.path for path, full in full_images(found.ifds).items()} == {"2": "0"}


@pytest.mark.parametrize(
    ("ifd", "full"), [(0, None), (1, "0"), (3, "2"), ("2/0", "2"), ("2/1", None)]
)
def test_one_directory_knows_its_image(ifd: int | str, full: str | None):
    """Asked for alone, a directory has the same image as in the whole file."""
    chain = [
        page(64, 64),
        page(32, 32, subfile=1),
        page(48, 48, below=[4, 5]),
        page(24, 24, subfile=1, next=0),
        page(48, 48, subfile=4, next=0),
        page(10, 10, subfile=0, next=0),
    ]
    found = read(build(chain), ifd=ifd).full_image
    assert (found and found.path) == full


@pytest.mark.long
def test_ten_thousand_overviews_cost_little():
    chain = [page(64, 64), *(page(32, 32, subfile=1) for _ in range(10_000))]
    assert len(owners(*chain)) == 10_000
