"""Classic TIFFs above 4 GiB: NDPI, LSM, and those of other writers.

The files are sparse: they take some kilobytes of disk where the file system has holes.
"""

from __future__ import annotations

import asyncio
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from support.build import LONG, SHORT, UNDEFINED, Directory, Entry, build, entry
from support.locations import locate
from support.pixels import values
from virtual_tiff import TiffWarning, VirtualTIFF
from virtual_tiff.info import inspect
from virtual_tiff.tiff import FormatError, UnsupportedError

GIB4 = 2**32
LOCAL = ObjectStoreRegistry({"file://": LocalStore()})
PAGE = values("u1", 8, 9)


def has_holes(folder: Path) -> bool:
    probe = folder / "probe"
    with probe.open("wb") as file:
        file.truncate(GIB4)
    try:
        return probe.stat().st_blocks * 512 < 2**20
    finally:
        probe.unlink()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    if not has_holes(tmp_path):
        pytest.skip("the file system has no holes")
    return tmp_path / "large.tif"


def sparse(path: Path, head: bytes, parts: Sequence[tuple[int, bytes]], size: int = 0) -> None:
    with path.open("wb") as file:
        file.write(head)
        for offset, data in parts:
            assert offset >= len(head)
            file.seek(offset)
            file.write(data)
        file.truncate(max(size, *(offset + len(data) for offset, data in parts)))
    assert path.stat().st_blocks * 512 < 2**24


def opened(path: Path, **options: Any) -> zarr.Group:
    store = VirtualTIFF(**options)(path.as_uri(), LOCAL)
    return zarr.open_group(store, mode="r", zarr_format=3)


def page(
    offsets: Sequence[int], *more: Entry, array: Any = PAGE, rows: int | None = None
) -> Directory:
    """A directory of a page whose strips lie at `offsets`, modulo 2**32."""
    height, width = array.shape
    rows = rows or -(-height // len(offsets))
    entries = [
        entry(256, LONG, width),
        entry(257, LONG, height),
        entry(258, SHORT, 8),
        entry(259, SHORT, 1),
        entry(262, SHORT, 1),
        entry(273, LONG, [offset % GIB4 for offset in offsets]),
        entry(277, SHORT, 1),
        entry(278, LONG, rows),
        entry(279, LONG, [width * rows] * len(offsets)),
        *more,
    ]
    return Directory(sorted(entries, key=lambda item: item.tag))


# NDPI


def ndpi(
    path: Path,
    base: int,
    pages: Sequence[Any],
    *,
    strips: int = 1,
    high_arrays: bool = True,
    high_words: int | None = None,
    marked: bool = True,
) -> None:
    """Write uncompressed pages as Hamamatsu does: all from `base` on, directories behind pixels."""
    parts: list[tuple[int, bytes]] = []
    at, places = base, []
    for array in pages:
        places.append(at)
        parts.append((at, array.tobytes()))
        at += array.size + array.size % 2
    first = at
    for number, (array, start) in enumerate(zip(pages, places, strict=True)):
        height, width = array.shape
        rows = height // strips
        offsets = [start + n * rows * width for n in range(strips)]
        counts = [rows * width] * strips
        tags: list[tuple[int, int, int, Any]] = [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, 8),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (271, 2, 2, b"H\0"),
            (273, 4, strips, offsets),
            (277, 3, 1, 1),
            (278, 4, 1, rows),
            (279, 4, strips, counts),
        ]
        if strips > 1 and high_arrays:
            words = [offset >> 32 for offset in offsets]
            words = words if high_words is None else [1] * high_words
            tags.append((65324, 4, len(words), words))
        if marked:
            tags.append((65420, 4, 1, 1))
        tags.append((65422, 9, 1, -5 & 0xFFFFFFFF))
        count = len(tags)
        behind = at + 2 + 12 * count + 8 + 4 * count
        body, high, blob = struct.pack("<H", count), b"", b""
        for tag, kind, n, stated in tags:
            value = stated[0] if isinstance(stated, list) else stated
            if n > 1:
                value = behind + len(blob)
                low = [] if isinstance(stated, bytes) else [number % GIB4 for number in stated]
                blob += stated if isinstance(stated, bytes) else struct.pack(f"<{n}I", *low)
            body += struct.pack("<HHII", tag, kind, n, value % GIB4)
            high += struct.pack("<I", value >> 32)
        end = behind + len(blob)
        following = end if number + 1 < len(pages) else 0
        parts.append((at, body + struct.pack("<Q", following) + high + blob))
        at = end
    sparse(path, b"II*\0" + struct.pack("<Q", first), parts)


@pytest.mark.parametrize("base", [5000, GIB4 - 100, GIB4 + 4096, 2 * GIB4 + 50])
@pytest.mark.parametrize("strips", [1, 2])
@pytest.mark.parametrize("ifd", [None, 0, 1])
def test_an_ndpi_is_read_by_its_64_bit_addresses(
    base: int, strips: int, ifd: int | None, place: Path
) -> None:
    path = place.with_suffix(".ndpi")
    pages = [PAGE, PAGE[:4] + 100]
    ndpi(path, base, pages, strips=strips)
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == 2
        if strips == 1:
            for number, array in enumerate(pages):
                np.testing.assert_array_equal(tiff.pages[number].asarray(), array)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        group = opened(path, ifd=ifd)
    for number in [0, 1] if ifd is None else [ifd]:
        np.testing.assert_array_equal(group[str(number)][...], pages[number])
        if base > GIB4:
            assert group[str(number)].attrs["TIFFTAG_MAKE"] == "H"


def test_an_ndpi_says_so_and_costs_no_more_requests_than_its_places(place: Path) -> None:
    ndpi(place, GIB4 + 4096, [PAGE, PAGE])
    (info,) = asyncio.run(inspect(locate([place], {})))
    assert info.variant == "II NDPI"
    assert [directory.error for directory in info.directories] == [None, None]
    assert info.round_trips == 2


def test_strips_of_an_ndpi_without_high_words_are_refused(place: Path) -> None:
    ndpi(place, GIB4 + 4096, [PAGE], strips=2, high_arrays=False)
    with pytest.raises(FormatError, match="point to wrong places: the directory has no high words"):
        opened(place)


def test_what_looks_like_ndpi_without_its_tag_is_not_taken_for_one(place: Path) -> None:
    ndpi(place, GIB4 + 4096, [PAGE], marked=False)
    # its offsets are read as they stand, without their high words
    with pytest.raises(FormatError, match="the directory has no entries"):
        opened(place)


# LSM


def lsm_info(*, times: int = 1, positions: int = 1, mosaics: int = 1, nbytes: int = 512) -> Entry:
    info = bytearray(512)
    struct.pack_into("<Ii", info, 0, 0x00400494C, len(info))
    struct.pack_into("<5i", info, 8, 9, 8, 1, 1, times)
    struct.pack_into("<ii", info, 264, positions, mosaics)
    return entry(34412, UNDEFINED, bytes(info[:nbytes]))


def lsm(
    path: Path,
    pairs: int,
    *,
    step: int,
    written: Sequence[int] | None = None,
    thumbnail_first: bool = False,
    pages: int | None = None,
    size: int = 0,
    **lengths: int,
) -> dict[int, int]:
    """Write pairs of an image and its thumbnail, `step` bytes apart; return where they lie."""
    at, places = 2**20, {}
    for pair in written or range(pairs):
        for n in (1, 0) if thumbnail_first else (0, 1):
            places[2 * pair + n] = at
            at += 500
        at += step - 1000
    thumbnail = PAGE[:4, :3]
    directories = [
        page(
            [places[number]],
            *([entry(254, LONG, 1)] if number % 2 else []),
            *([lsm_info(**lengths)] if number == 0 else []),
            array=thumbnail if number % 2 else PAGE,
        )
        for number in range(2 * pairs)
    ][:pages]
    parts = [(offset, (thumbnail if n % 2 else PAGE + n).tobytes()) for n, offset in places.items()]
    sparse(path, build(directories), parts, size)
    return places


LSM: dict[str, tuple[int, dict[str, Any]]] = {
    "one wrap": (5, {"step": 2**30}),
    "several wraps": (8, {"step": 3 * 2**30}),
    "thumbnails first": (5, {"step": 2**30, "thumbnail_first": True}),
    "times": (5, {"step": 2**30, "times": 5}),
    "times alone, which do not matter": (5, {"step": 2**30, "times": 4}),
    "times and positions": (
        6,
        {"step": 2**30, "times": 3, "positions": 2, "written": [0, 3, 1, 4, 2, 5]},
    ),
    "times and mosaics": (
        6,
        {"step": 2**30, "times": 2, "mosaics": 3, "written": [0, 2, 4, 1, 3, 5]},
    ),
    "no more information than that": (
        6,
        {"step": 2**30, "times": 2, "mosaics": 3, "written": [0, 2, 4, 1, 3, 5], "nbytes": 272},
    ),
}


@pytest.mark.parametrize(("pairs", "options"), LSM.values(), ids=LSM)
def test_the_offsets_of_an_lsm_are_unwrapped_as_by_tifffile(
    pairs: int, options: dict[str, Any], place: Path
) -> None:
    path = place.with_suffix(".lsm")
    places = lsm(path, pairs, **options)
    with tifffile.TiffFile(path) as tiff:
        assert {n: p.dataoffsets[0] for n, p in enumerate(tiff.pages)} == places
    group = opened(path)
    for number in range(0, 2 * pairs, 2):
        np.testing.assert_array_equal(group[str(number)][...], PAGE + number)
        np.testing.assert_array_equal(opened(path, ifd=number)[str(number)][...], PAGE + number)


@pytest.mark.parametrize("counts", [[36], [36, 36, 36], [36, 0]], ids=str)
def test_byte_counts_that_do_not_fit_the_offsets_are_no_proof_of_wrong_places(
    counts: list[int], place: Path
) -> None:
    directory = page([2**20, GIB4 - 100])
    entries = [entry(279, LONG, counts) if e.tag == 279 else e for e in directory.entries]
    more = [page([2**21]), Directory(entries)]
    sparse(place, build(more), [(GIB4 - 100, bytes(36)), (2**21, PAGE.tobytes())], GIB4 + 2**20)
    np.testing.assert_array_equal(opened(place, ifd=0)["0"][...], PAGE)


@pytest.mark.parametrize("ifd", [2, 9])
def test_a_directory_that_a_large_file_does_not_have_is_an_error(ifd: int, place: Path) -> None:
    sparse(place, build([page([2**20]), page([2**21])]), [(GIB4 - 50, bytes(90))])
    with pytest.raises(FormatError, match=f"no IFD '?{ifd}'?"):
        opened(place, ifd=ifd)


def test_an_lsm_page_that_was_not_written_reads_as_the_fill_value(place: Path) -> None:
    places = lsm(place, 5, step=2**30)
    with tifffile.TiffFile(place) as tiff:
        tags = tiff.pages[6].aspage().tags
        assert tags["StripOffsets"].value == (places[6] % GIB4,)
        written = [tags[name].valueoffset for name in ("StripOffsets", "StripByteCounts")]
    with place.open("r+b") as file:
        for at in written:
            file.seek(at)
            file.write(bytes(4))
    group = opened(place)
    assert not np.any(group["6"][...])
    for number in (0, 2, 4, 8):
        np.testing.assert_array_equal(group[str(number)][...], PAGE + number)


def test_an_lsm_that_is_not_of_pairs_is_refused(place: Path) -> None:
    lsm(place, 5, step=2**30, pages=9)
    with pytest.raises(UnsupportedError, match="LSM file has 9 pages"):
        opened(place)


def test_an_lsm_whose_pages_were_written_in_an_unknown_order_is_refused(place: Path) -> None:
    lsm(place, 6, step=2**30, written=[5, 4, 3, 2, 1, 0])
    with pytest.raises(UnsupportedError, match="order of the pages is not known"):
        opened(place)


# Other writers


def test_strips_that_wrapped_within_an_image_are_refused(place: Path) -> None:
    offsets = [GIB4 - 36, GIB4 + 2**20]
    sparse(place, build([page(offsets)]), [(offset, bytes(36)) for offset in offsets])
    with pytest.raises(FormatError, match="decrease by 2 GiB or more from one block"):
        opened(place)


def test_a_strip_that_wrapped_into_the_header_is_refused(place: Path) -> None:
    offsets = [GIB4 - 36, GIB4]
    sparse(place, build([page(offsets)]), [(offset, bytes(36)) for offset in offsets])
    with pytest.raises(FormatError, match="within the header"):
        opened(place)


@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid", "stack"])
def test_pages_that_wrapped_are_left_out_and_the_others_are_read(layout: Any, place: Path) -> None:
    offsets = [2**20, 3 * 2**30, GIB4 + 2**20 + 500]
    directories = [page([offset]) for offset in offsets]
    parts = [(offset, (PAGE + n).tobytes()) for n, offset in enumerate(offsets)]
    sparse(place, build(directories), parts)
    with pytest.warns(TiffWarning, match="IFD 2 is left out.*from one page to the next"):
        group = opened(place, ifd_layout=layout)
    if layout == "stack":
        np.testing.assert_array_equal(group["image"][...], [PAGE, PAGE + 1])
    elif layout == "flat":
        np.testing.assert_array_equal(group["1"][...], PAGE + 1)
        assert "2" not in group
    with pytest.raises(FormatError, match="from one page to the next"):
        opened(place, ifd=2)
    np.testing.assert_array_equal(opened(place, ifd=1)["1"][...], PAGE + 1)


def test_an_overview_that_wrapped_onto_its_image_is_left_out(place: Path) -> None:
    half = PAGE[:4, :4]
    offsets = [2**20, GIB4 + 2**20 + 10]
    directories = [page(offsets[:1]), page(offsets[1:], entry(254, LONG, 1), array=half)]
    sparse(place, build(directories), [(offsets[0], PAGE.tobytes()), (offsets[1], half.tobytes())])
    with pytest.warns(TiffWarning, match="IFD 1 is left out.*shares its bytes"):
        assert "1" not in opened(place)


def test_the_overviews_of_a_sound_file_may_lie_before_its_image(place: Path) -> None:
    half = PAGE[:4, :4]
    at = GIB4 - 20
    directories = [page([at]), page([2**20], entry(254, LONG, 1), array=half)]
    sparse(place, build(directories), [(2**20, half.tobytes()), (at, PAGE.tobytes())])
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        group = opened(place)
    np.testing.assert_array_equal(group["0"][...], PAGE)
    np.testing.assert_array_equal(group["1"][...], half)


def test_equal_blocks_may_be_one(place: Path) -> None:
    at = GIB4 - 20
    directories = [page([at, at], array=PAGE[:4]), page([at], array=PAGE[:2])]
    sparse(place, build(directories), [(at, PAGE.tobytes())])
    np.testing.assert_array_equal(opened(place)["1"][...], PAGE[:2])


def test_four_gibibytes_that_nothing_refers_to_are_a_warning(place: Path) -> None:
    sparse(place, build([page([2**20])]), [(GIB4 + 2**20, PAGE.tobytes())])
    with pytest.warns(TiffWarning, match="no block of this classic TIFF.*BigTIFF"):
        opened(place)


def test_an_imagej_stack_above_4_gib_is_read_in_silence(place: Path) -> None:
    text = entry(270, 2, b"ImageJ=1.53\nimages=3\n\0")
    sparse(place, build([page([2**20], text)]), [(2**20, PAGE.tobytes())], GIB4 + 2**21)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        np.testing.assert_array_equal(opened(place)["0"][...], PAGE)


def test_a_bigtiff_is_not_looked_at(place: Path) -> None:
    at = GIB4 + 2**20
    directory = page([at])
    held = [item for item in directory.entries if item.tag != 273]
    wide = Directory(sorted([*held, entry(273, 16, at)], key=lambda item: item.tag))
    sparse(place, build([wide], big=True), [(at, PAGE.tobytes())])
    np.testing.assert_array_equal(opened(place)["0"][...], PAGE)


def test_high_words_that_do_not_fit_the_low_ones_are_no_places(place: Path) -> None:
    """A list of another length says nothing of these offsets."""
    ndpi(place, GIB4 + 4096, [PAGE], strips=2, high_words=3)
    with pytest.raises(FormatError, match="point to wrong places"):
        opened(place)
