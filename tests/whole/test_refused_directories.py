"""A directory beyond the first that cannot be read does not take the file with it.

GDAL opens a file by its first directory and lists the others that it can open. So does every
layout; `info` says what is wrong with the others, and `ifd=` asks for one alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import tifffile
import zarr

from support.build import LONG, SHORT, Directory, Picture, build, directory_at, entry, parts
from support.locations import locate
from support.pixels import values, virtual
from support.warned import of_tiff
from virtual_tiff import Limits, TiffError, TiffWarning, publish
from virtual_tiff.info import inspect
from virtual_tiff.tiff import LimitError

LAYOUTS = ["flat", "nested", "pyramid", "stack"]
every_layout = pytest.mark.parametrize("layout", LAYOUTS)

PAGE = values("u1", 8, 9)


def refused(**options: Any) -> Picture:
    """A picture that is no page of the others' stack."""
    return Picture(values("u1", 16, 9), rows_per_strip=4, **options)


REFUSED: dict[str, tuple[Picture, Limits, str]] = {
    # the second page of three -> why it cannot be read
    "an unknown compression": (
        refused(extra_entries=[entry(259, SHORT, 999)]),
        Limits(),
        "999",
    ),
    "a width of 0": (refused(extra_entries=[entry(256, LONG, 0)]), Limits(), "0 x 16 pixels"),
    "a length of 0": (refused(extra_entries=[entry(257, LONG, 0)]), Limits(), "9 x 0 pixels"),
    "no offsets": (refused(without=[273]), Limits(), "no pixels"),
    "offsets that are no numbers": (
        refused(extra_entries=[entry(273, 11, [1.0] * 4)]),
        Limits(),
        "a whole number is expected",
    ),
    "a value past the end": (
        refused(extra_entries=[entry(273, LONG, [8] * 4, offset=10**6)]),
        Limits(),
        "past the end of the file",
    ),
    "no bits": (refused(extra_entries=[entry(258, SHORT, 0)]), Limits(), "0 bits"),
    "an unknown sample format": (
        refused(extra_entries=[entry(339, SHORT, 9)]),
        Limits(),
        "SampleFormat",
    ),
    "too many entries": (
        refused(extra_entries=[entry(40000 + n, SHORT, 1) for n in range(40)]),
        Limits(entries=30),
        "entries=30",
    ),
    "too many blocks": (refused(), Limits(blocks=3), "blocks=3"),
    "too large a block": (
        Picture(values("u1", 16, 9), compression=8),
        Limits(block_bytes=100),
        "block_bytes=100",
    ),
}

every_reason = pytest.mark.parametrize(("second", "limits", "why"), REFUSED.values(), ids=REFUSED)


def file(second: Picture) -> bytes:
    directories, blocks = parts([Picture(PAGE), second, Picture(PAGE + 1)])
    return build(directories, blocks)


def leaves(group: zarr.Group) -> dict[str, Any]:
    found = {}
    for name, member in group.members(max_depth=None):
        last = name.rpartition("/")[2]
        if isinstance(member, zarr.Array) and (
            last.replace(".", "").isdecimal() or last == "image"
        ):
            found[name] = member
    return found


def opened(data: bytes, layout: str, **options: Any) -> tuple[zarr.Group, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        store = virtual(data, ifd_layout=layout, **options)
        group = zarr.open_group(store, mode="r", zarr_format=3)
    return group, [str(w.message) for w in of_tiff(caught)]


@every_layout
@every_reason
def test_it_is_left_out_with_a_warning_and_the_others_keep_their_names(
    second: Picture, limits: Limits, why: str, layout: str, request: pytest.FixtureRequest
) -> None:
    group, told = opened(file(second), layout, limits=limits)
    assert any("IFD 1" in message and why in message for message in told), told
    kept = [PAGE] if "too many entries" in request.node.name else [PAGE, PAGE + 1]
    if layout == "stack":
        pixels = group["image"][...]
        np.testing.assert_array_equal(pixels, np.squeeze(np.stack(kept)))
        if len(kept) > 1:
            assert group["page"][...].tolist() == [0, 2]
        return
    found = leaves(group)
    names = ["0", "2"][: len(kept)]
    if layout == "flat":
        assert list(found) == names
    else:
        assert {name.partition("/")[0] for name in found} == set(names)
    for (_, array), expected in zip(sorted(found.items()), kept, strict=True):
        np.testing.assert_array_equal(array[...], expected)


@every_reason
def test_asked_for_alone_it_raises(second: Picture, limits: Limits, why: str) -> None:
    with pytest.raises(TiffError, match=why):
        virtual(file(second), ifd=1, limits=limits)


@every_reason
def test_the_others_can_be_asked_for_alone(second: Picture, limits: Limits, why: str) -> None:
    group, told = opened(file(second), "flat", ifd=0, limits=limits)
    np.testing.assert_array_equal(group["0"][...], PAGE)
    assert told == []


@every_layout
@every_reason
def test_as_the_first_it_raises(second: Picture, limits: Limits, why: str, layout: str) -> None:
    directories, blocks = parts([second, Picture(PAGE)])
    with pytest.raises(TiffError, match=why):
        opened(build(directories, blocks), layout, limits=limits)


@every_reason
async def test_info_marks_it(second: Picture, limits: Limits, why: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(file(second))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TiffWarning)
        (info,) = await inspect(locate([path], {}), limits=limits)
    assert info.error is None
    errors = {directory.path: directory.error for directory in info.directories}
    assert why in str(errors.pop("1"))
    assert set(errors.values()) == {None}


def test_gdal_opens_the_file_for_all_that(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(file(REFUSED["an unknown compression"][0]))
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), PAGE)


def test_it_is_published_without_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(file(REFUSED["an unknown compression"][0]))
    with pytest.warns(TiffWarning, match="IFD 1 is left out"):
        publish([path], tmp_path / "cube", layout="group per file")
    storage = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    session = icechunk.Repository.open(storage).readonly_session("main")
    group = zarr.open_group(session.store, mode="r")
    names = {name.rpartition("/")[2] for name in dict(group.members(max_depth=None))}
    assert {"0", "2"} <= names
    assert "1" not in names


# Chains, SubIFDs, loops


def with_subifds(child: Picture, grandchild: Picture) -> bytes:
    directories, blocks = parts([Picture(PAGE), child, grandchild, Picture(PAGE + 1)])
    first, second, third, fourth = directories
    linked = [
        Directory([*first.entries, entry(330, LONG, [directory_at(1)])], next=directory_at(3)),
        Directory([*second.entries, entry(330, LONG, [directory_at(2)])], next=0),
        Directory(third.entries, next=0),
        Directory(fourth.entries, next=0),
    ]
    sorted_ = [Directory(sorted(d.entries, key=lambda e: e.tag), next=d.next) for d in linked]
    return build(sorted_, blocks)


@every_layout
def test_the_subifds_of_a_refused_directory_are_exposed(layout: str) -> None:
    half = values("u1", 4, 5)
    data = with_subifds(
        refused(extra_entries=[entry(259, SHORT, 999)]), Picture(half, rows_per_strip=4)
    )
    group, told = opened(data, layout)
    assert any("IFD 0/0 is left out" in message for message in told), told
    found = [array[...] for array in leaves(group).values()]
    assert any(pixels.shape == half.shape and (pixels == half).all() for pixels in found)


def test_a_subifd_that_is_too_deep_is_left_out() -> None:
    data = with_subifds(Picture(PAGE + 2), Picture(PAGE + 3))
    group, told = opened(data, "flat", limits=Limits(subifd_depth=1))
    assert list(leaves(group)) == ["0", "0.0", "1"]
    assert any("IFD 0/0/0 is left out" in message for message in told)
    with pytest.raises(LimitError, match="subifd_depth=1"):
        virtual(data, ifd="0/0/0", limits=Limits(subifd_depth=1))


@every_layout
async def test_a_loop_is_cut_and_marked(layout: str, tmp_path: Path) -> None:
    directories, blocks = parts([Picture(PAGE), Picture(PAGE + 1, next=directory_at(0))])
    data = build(directories, blocks)
    group, told = opened(data, layout)
    assert sum(array[...].size for array in leaves(group).values()) == 2 * PAGE.size
    assert any("IFD 2" in message and "shares its bytes" in message for message in told)
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    with pytest.warns(TiffWarning, match="IFD 2"):
        (info,) = await inspect(locate([path], {}))
    assert [directory.path for directory in info.directories] == ["0", "1", "2"]
    assert "shares its bytes" in str(info.directories[2].error)


@pytest.mark.long
def test_hundreds_of_refused_directories_are_a_few_warnings() -> None:
    bad = refused(extra_entries=[entry(259, SHORT, 999)])
    directories, blocks = parts([Picture(PAGE), *[bad] * 300])
    for layout in LAYOUTS:
        _, told = opened(build(directories, blocks), layout)
        assert len(told) < 30
        assert "IFD 300" in told[-1]


# Overviews, masks, planes


def reduced(array: Any, **options: Any) -> Picture:
    more = [*options.pop("extra_entries", []), entry(254, LONG, options.pop("kind", 1))]
    return Picture(array, extra_entries=more, **options)


def pyramid_file(bad: int) -> bytes:
    """An image with two overviews and a mask, of which one has an unknown compression."""
    sizes = [((8, 10), 0), ((4, 5), 1), ((2, 3), 1), ((8, 10), 4)]
    pictures = [
        reduced(
            values("u1", *size) if kind != 4 else np.ones(size, "u1"),
            kind=kind,
            photometric=4 if kind == 4 else 1,
            extra_entries=[entry(259, SHORT, 999)] if number == bad else [],
        )
        for number, (size, kind) in enumerate(sizes)
    ]
    return build(*parts(pictures))


@pytest.mark.parametrize("bad", [1, 2, 3])
def test_the_names_of_other_levels_and_masks_do_not_shift(bad: int) -> None:
    group, _ = opened(pyramid_file(bad), "flat")
    assert list(leaves(group)) == [str(n) for n in range(4) if n != bad]


@pytest.mark.parametrize(("bad", "scales"), [(1, [1, 4]), (2, [1, 2]), (3, [1, 2, 4])])
def test_a_pyramid_lists_the_levels_that_it_has(bad: int, scales: list[int]) -> None:
    group, _ = opened(pyramid_file(bad), "pyramid")
    levels: Any = group.attrs["multiscales"]["layout"]  # type: ignore[index, call-overload]
    assert [level["transform"]["scale"][0] for level in levels] == scales
    assert [level["asset"] for level in levels] == [str(n) for n in range(len(scales))]
    assert ("mask" in group["0"]) is (bad != 3)


def test_a_plane_of_an_ome_image_that_cannot_be_read_stays_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    data = np.arange(3 * 8 * 9, dtype="u1").reshape(3, 8, 9)
    tifffile.imwrite(path, data, metadata={"axes": "ZYX"}, compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[1].tags["Compression"]
    raw = bytearray(path.read_bytes())
    raw[tag.valueoffset : tag.valueoffset + 2] = (999).to_bytes(2, "little")
    group, told = opened(bytes(raw), "stack")
    np.testing.assert_array_equal(group["image"][...], data * np.array([1, 0, 1])[:, None, None])
    assert any("IFD 1 is left out" in message for message in told)


# What the file as a whole asks for


COUNTED: dict[str, tuple[Callable[[], bytes], int]] = {
    # what is made -> blocks of all directories
    "one image": (lambda: build(*parts([Picture(PAGE, rows_per_strip=1)])), 8),
    "pages": (lambda: build(*parts([Picture(PAGE + n, rows_per_strip=2) for n in range(3)])), 12),
    "strips apart in one page": (
        lambda: build(
            *parts(
                [
                    Picture(PAGE, rows_per_strip=4),
                    Picture(PAGE, rows_per_strip=4, sparse=[1]),
                    Picture(PAGE, rows_per_strip=4),
                    Picture(PAGE, rows_per_strip=4),
                ]
            )
        ),
        8,
    ),
    "overviews": (
        lambda: build(
            *parts(
                [
                    reduced(values("u1", 8, 10), kind=0, rows_per_strip=1),
                    reduced(values("u1", 4, 5), rows_per_strip=1),
                ]
            )
        ),
        12,
    ),
    "planes": (
        lambda: build(*parts([Picture(values("u1", 8, 9, 3), planar=2, rows_per_strip=4)])),
        6,
    ),
    "tiles": (lambda: build(*parts([Picture(values("u1", 40, 40), tile=(16, 16))])), 9),
}


@every_layout
@pytest.mark.parametrize("options", [{}, {"merge_strips": False}, {"samples": "stored"}], ids=str)
@pytest.mark.parametrize(("make", "blocks"), COUNTED.values(), ids=COUNTED)
def test_each_block_is_counted_once(
    make: Callable[[], bytes], blocks: int, layout: str, options: dict[str, Any]
) -> None:
    data = make()
    assert opened(data, layout, limits=Limits(blocks=blocks), **options)
    with pytest.raises(LimitError, match=f"blocks={blocks - 1}"):
        opened(data, layout, limits=Limits(blocks=blocks - 1), **options)


@every_layout
@pytest.mark.parametrize(
    ("options", "name"),
    [({"window": (0, 0, 9, 4)}, "pages"), ({"overviews": False}, "one image")],
    ids=str,
)
def test_a_selection_counts_each_block_once(
    options: dict[str, Any], name: str, layout: str
) -> None:
    make, blocks = COUNTED[name]
    assert opened(make(), layout, limits=Limits(blocks=blocks), **options)
    with pytest.raises(LimitError, match=f"blocks={blocks - 1}"):
        opened(make(), layout, limits=Limits(blocks=blocks - 1), **options)


@every_layout
def test_each_sample_is_counted_once(layout: str) -> None:
    data = build(*parts([Picture(values("u1", 8, 9, 3)) for _ in range(4)]))
    assert opened(data, layout, limits=Limits(samples=12))
    with pytest.raises(LimitError, match="samples=11"):
        opened(data, layout, limits=Limits(samples=11))


async def test_info_counts_each_block_once(tmp_path: Path) -> None:
    make, blocks = COUNTED["pages"]
    path = tmp_path / "a.tif"
    path.write_bytes(make())
    (info,) = await inspect(locate([path], {}), limits=Limits(blocks=blocks))
    assert [directory.error for directory in info.directories] == [None] * 3


def test_a_file_all_of_whose_images_are_refused_says_why() -> None:
    """Its first directory describes no image, and so cannot stand for the file."""
    directories, blocks = parts([refused(extra_entries=[entry(259, SHORT, 999)])])
    data = build([Directory([entry(305, 2, "no image")]), *directories], blocks)
    with pytest.raises(TiffError, match="999"), pytest.warns(TiffWarning, match="IFD 0 has no"):
        virtual(data)
