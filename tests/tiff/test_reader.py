"""From a source to the directories: the chain, SubIFDs, what is broken, and what it costs."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from support.build import (
    ASCII,
    DOUBLE,
    END,
    FRONT,
    IFD,
    IFD8,
    LONG,
    LONG8,
    SCATTERED,
    SHORT,
    At,
    Directory,
    Entry,
    Order,
    Picture,
    build,
    directory_at,
    entry,
    every_variant,
    image,
    images,
    layout,
    many_tiles,
)
from virtual_tiff.tiff import (
    ByteRange,
    CountingSource,
    FormatError,
    ImageFileDirectory,
    LimitError,
    Limits,
    Loss,
    MemorySource,
    ReadAhead,
    Reading,
    SourceState,
    Tag,
    Tiff,
    TiffWarning,
    TruncatedError,
    block_layout,
    read_tiff,
)

from .reading import TESTDATA, every_file, no_warning, read, run, variant_of, warned

TAG = 65000


def page(number: int, *more: Entry, **options: Any) -> Directory:
    """A directory that says which one it is."""
    return Directory([*more, entry(TAG, SHORT, number)], **options)


def numbers_of(ifds: Sequence[ImageFileDirectory]) -> list[int | None]:
    """Which directories these are."""
    return [ifd.integer(TAG) for ifd in ifds]


def subifds(*targets: int | At, field_type: int = LONG) -> Entry:
    """The tag that points to SubIFDs."""
    return entry(Tag.SubIFDs, field_type, list(targets))


def counted(data: bytes, **options: Any) -> CountingSource:
    """Read a file without read-ahead; what that cost."""
    source = CountingSource(MemorySource(data))
    run(read_tiff(source, **options))
    return source


# The chain


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize("order", [FRONT, SCATTERED], ids=["values beside", "values behind"])
@every_variant
def test_the_chain_is_read_in_its_order(
    byteorder: str, big: bool, order: Order, count: int
) -> None:
    text = entry(270, ASCII, "a value that fits no entry")
    pages = [page(number, text) for number in range(count)]
    with no_warning():
        tiff = read(build(pages, byteorder=byteorder, big=big, order=order))
    assert numbers_of(tiff.ifds) == list(range(count))
    assert [ifd.path for ifd in tiff.ifds] == [str(number) for number in range(count)]
    assert {ifd.text(270) for ifd in tiff.ifds} == {"a value that fits no entry"}


@every_variant
def test_the_chain_may_run_backwards(byteorder: str, big: bool) -> None:
    pages = [page(0, next=0), page(1, next=directory_at(0)), page(2, next=directory_at(1))]
    data = build(pages, first=directory_at(2), byteorder=byteorder, big=big)
    with no_warning():
        assert numbers_of(read(data).ifds) == [2, 1, 0]


@pytest.mark.parametrize("at", [9, 11, 1001])
@every_variant
def test_a_directory_may_begin_at_an_odd_offset(byteorder: str, big: bool, at: int) -> None:
    at += 8 if big else 0
    with no_warning():
        (ifd,) = read(build([page(7, at=at)], byteorder=byteorder, big=big)).ifds
    assert (ifd.offset, ifd.integer(TAG)) == (at, 7)


@every_variant
def test_a_tiff_has_its_header_its_state_and_its_directories(byteorder: str, big: bool) -> None:
    file = layout([page(0), page(1)], byteorder=byteorder, big=big)
    tiff = read(file.data)
    assert tiff.header.variant is variant_of(byteorder, big)
    assert tiff.header.first_ifd_offset == file.directories[0]
    assert tiff.state == SourceState(size=len(file.data))
    assert tuple(ifd.offset for ifd in tiff.ifds) == file.directories


@pytest.mark.parametrize("count", [31, 32, 33, 34, 200])
@pytest.mark.parametrize("order", [FRONT, END], ids=["in front", "at the end"])
@every_variant
def test_a_directory_of_many_entries_is_read_whole(
    byteorder: str, big: bool, order: Order, count: int
) -> None:
    many = Directory([entry(40000 + number, SHORT, number) for number in range(count)])
    data = build([many, page(1)], [b"pixels" * 100], byteorder=byteorder, big=big, order=order)
    with no_warning():
        first, second = read(data).ifds
    assert [first.integer(40000 + number) for number in range(count)] == list(range(count))
    assert second.integer(TAG) == 1


@every_file
def test_the_directories_of_the_test_data_are_those_that_tifffile_finds(name: str) -> None:
    path = TESTDATA / name
    with tifffile.TiffFile(path) as file:
        expected = [(page.offset, {tag.code for tag in page.tags}) for page in file.pages]
        children = [[child.offset for child in page.pages or ()] for page in file.pages]
    with no_warning():
        tiff = read(path.read_bytes())
    assert [(ifd.offset, set(ifd)) for ifd in tiff.ifds] == expected
    assert [[child.offset for child in ifd.subifds] for ifd in tiff.ifds] == children


# SubIFDs


@pytest.mark.parametrize("field_type", [LONG, IFD, LONG8, IFD8])
@every_variant
def test_subifds_are_a_tree(byteorder: str, big: bool, field_type: int) -> None:
    def pointing(*targets: int) -> Entry:
        return subifds(*map(directory_at, targets), field_type=field_type)

    directories = [
        page(0, pointing(1, 2), next=directory_at(5)),
        page(1, pointing(3), next=0),
        page(2, next=0),
        page(3, pointing(4), next=0),
        page(4, next=0),
        page(5, pointing(6, 7, 8), next=0),
        *(page(number, next=0) for number in (6, 7, 8)),
    ]
    with no_warning():
        tiff = read(build(directories, byteorder=byteorder, big=big))
    walked = {ifd.path: ifd.integer(TAG) for ifd in tiff.walk()}
    assert walked == {
        "0": 0,
        "0/0": 1,
        "0/0/0": 3,
        "0/0/0/0": 4,
        "0/1": 2,
        "1": 5,
        "1/0": 6,
        "1/1": 7,
        "1/2": 8,
    }
    assert list(walked) == sorted(walked)
    assert numbers_of(tiff.ifds) == [0, 5]
    assert numbers_of(tiff.ifds[1].subifds) == [6, 7, 8]


def test_the_chain_of_a_subifd_is_not_followed() -> None:
    directories = [
        page(0, subifds(directory_at(1)), next=0),
        page(1, next=directory_at(2)),
        page(2, next=0),
    ]
    (ifd,) = read(build(directories)).ifds
    assert numbers_of(ifd.subifds) == [1]
    assert ifd.subifds[0].next_offset != 0


def test_a_subifd_at_offset_0_is_none_and_the_others_keep_their_number() -> None:
    directories = [page(0, subifds(0, directory_at(1)), next=0), page(1, next=0)]
    with no_warning():
        (ifd,) = read(build(directories)).ifds
    assert [child.path for child in ifd.subifds] == ["0/1"]


def test_a_tag_subifds_without_values_is_none() -> None:
    with no_warning():
        (ifd,) = read(build([page(0, subifds())])).ifds
    assert ifd.subifds == ()
    assert ifd.integers(Tag.SubIFDs) is None


@pytest.mark.parametrize(
    ("item", "name"), [(entry(330, ASCII, "12"), "ASCII"), (entry(330, DOUBLE, 8.0), "DOUBLE")]
)
def test_subifds_that_are_no_offsets_are_ignored_with_a_warning(item: Entry, name: str) -> None:
    with pytest.warns(TiffWarning, match=f"IFD 0: SubIFDs has the field type {name}"):
        (ifd,) = read(build([page(0, item)])).ifds
    assert ifd.subifds == ()


def test_subifds_past_the_files_end_are_lost_with_a_warning() -> None:
    lost = entry(330, LONG, [8] * 10, offset=9000)
    with pytest.warns(TiffWarning, match=r"SubIFDs \(330\) .* lies past the file's end"):
        first, second = read(build([page(0, lost), page(1)])).ifds
    assert first.subifds == ()
    assert second.integer(TAG) == 1


def test_a_broken_subifd_leaves_the_others() -> None:
    directories = [
        page(0, subifds(directory_at(1), 9000, directory_at(2)), next=directory_at(3)),
        *(page(number, next=0) for number in (1, 2, 3)),
    ]
    with pytest.warns(TiffWarning, match="IFD 0/1.*directory should begin at 9,000"):
        tiff = read(build(directories))
    assert [(ifd.path, ifd.integer(TAG)) for ifd in tiff.walk()] == [
        ("0", 0),
        ("0/0", 1),
        ("0/2", 2),
        ("1", 3),
    ]


@every_variant
def test_subifds_keep_their_order_however_many_entries_they_have(byteorder: str, big: bool) -> None:
    many = [entry(40000 + number, SHORT, 1) for number in range(40)]
    directories = [
        page(0, subifds(directory_at(1), directory_at(2)), next=0),
        page(1, *many, next=0),
        page(2, next=0),
    ]
    (ifd,) = read(build(directories, byteorder=byteorder, big=big)).ifds
    assert [child.path for child in ifd.subifds] == ["0/0", "0/1"]


# Cycles and overlaps


CYCLES: dict[str, tuple[list[Directory], dict[str, int]]] = {
    # directories -> path and number of those that are kept
    "a directory that follows itself": ([page(0, next=directory_at(0))], {"0": 0}),
    "two": ([page(0), page(1, next=directory_at(0))], {"0": 0, "1": 1}),
    "three": ([page(0), page(1), page(2, next=directory_at(0))], {"0": 0, "1": 1, "2": 2}),
    "to the middle": ([page(0), page(1), page(2, next=directory_at(1))], {"0": 0, "1": 1, "2": 2}),
    "a SubIFD that is its parent": ([page(0, subifds(directory_at(0)))], {"0": 0}),
    "a SubIFD that is its grandparent": (
        [page(0, subifds(directory_at(1)), next=0), page(1, subifds(directory_at(0)), next=0)],
        {"0": 0, "0/0": 1},
    ),
    "a SubIFD that is the next of the chain": (
        [page(0, subifds(directory_at(1))), page(1)],
        {"0": 0, "1": 1},
    ),
    "one SubIFD twice": (
        [page(0, subifds(directory_at(1), directory_at(1)), next=0), page(1, next=0)],
        {"0": 0, "0/0": 1},
    ),
}


@pytest.mark.parametrize(("directories", "kept"), CYCLES.values(), ids=CYCLES)
@every_variant
def test_a_directory_is_read_once(
    byteorder: str, big: bool, directories: list[Directory], kept: dict[str, int]
) -> None:
    data = build(directories, byteorder=byteorder, big=big)
    with pytest.warns(TiffWarning, match="shares its bytes with one that was read before"):
        tiff = read(data)
    assert {ifd.path: ifd.integer(TAG) for ifd in tiff.walk()} == kept


OVERLAPS: dict[str, list[Directory]] = {
    # the tag 1 of the second entry is the number of entries of the directory that begins there
    "begins in another": [Directory([entry(1, SHORT, 0)] * 3, next=directory_at(0) + 14)],
    "reaches into another": [page(0, at=30, next=8), page(1, at=8, count=3)],
}


@pytest.mark.parametrize("directories", OVERLAPS.values(), ids=OVERLAPS)
def test_a_directory_that_overlaps_another_is_refused(directories: list[Directory]) -> None:
    data = build(directories, first=directory_at(0))
    with pytest.warns(TiffWarning, match="IFD 1: this directory shares its bytes"):
        assert len(read(data).ifds) == 1


def test_directories_that_touch_are_two() -> None:
    size = 2 + 12 + 4
    with no_warning():
        tiff = read(build([page(0, at=8), page(1, at=8 + size), page(2, at=8 + 2 * size)]))
    assert numbers_of(tiff.ifds) == [0, 1, 2]


# What is broken behind the first directory


def broken_second(byteorder: str, big: bool, **options: Any) -> bytes:
    return build([page(0), page(1, **options)], byteorder=byteorder, big=big)


GARBAGE: dict[str, tuple[dict[str, Any], str]] = {
    "no entries": ({"count": 0}, "the directory has no entries"),
    "more entries than there are bytes": ({"count": 500}, "the directory has 500 entries"),
    "more entries than the limit": ({"count": 60_000}, "60,000 is above the limit entries=4,096"),
}


@pytest.mark.parametrize(("options", "message"), GARBAGE.values(), ids=GARBAGE)
@every_variant
def test_a_second_directory_that_is_garbage_is_a_warning_and_the_first_is_kept(
    byteorder: str, big: bool, options: dict[str, Any], message: str
) -> None:
    data = broken_second(byteorder, big, **options)
    with pytest.warns(
        TiffWarning, match=f"the chain of directories ends before IFD 1: .*{message}"
    ):
        assert numbers_of(read(data).ifds) == [0]


@pytest.mark.parametrize("target", [1, 5, 9000, 2**32 - 1])
@every_variant
def test_a_next_offset_that_leads_nowhere_is_a_warning(
    byteorder: str, big: bool, target: int
) -> None:
    data = build([page(0, next=target)], byteorder=byteorder, big=big)
    with pytest.warns(TiffWarning, match="the chain of directories ends before IFD 1"):
        assert numbers_of(read(data).ifds) == [0]


def test_a_next_offset_above_all_bounds_is_a_warning() -> None:
    with pytest.warns(TiffWarning, match="should begin at 18,446,744,073,709,551,615"):
        assert numbers_of(read(build([page(0, next=2**64 - 1)], big=True)).ifds) == [0]


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
@every_variant
def test_a_next_offset_may_be_cut_off_at_the_files_end(
    byteorder: str, big: bool, missing: int
) -> None:
    data = build([page(0), page(1)], byteorder=byteorder, big=big)
    with no_warning():
        tiff = read(data[:-missing])
    assert numbers_of(tiff.ifds) == [0, 1]
    assert tiff.ifds[1].next_offset == 0
    # the directory that would follow, if there is one
    assert tiff.losses == (Loss(ifd="2", what="the offset of IFD 2"),)


# What is broken in the first


FIRST: dict[str, tuple[Callable[[str, bool], bytes], type[Exception], str]] = {
    "there is none": (
        lambda byteorder, big: build([], byteorder=byteorder, big=big),
        FormatError,
        "the header has no offset of a directory",
    ),
    "past the file's end": (
        lambda byteorder, big: build([page(0)], first=9000, byteorder=byteorder, big=big),
        TruncatedError,
        r"should begin at 9,000, but the file has \d+ bytes",
    ),
    "no entries": (
        lambda byteorder, big: build([page(0, count=0)], byteorder=byteorder, big=big),
        FormatError,
        "the directory has no entries",
    ),
    "cut off": (
        lambda byteorder, big: build([page(0, count=9)], byteorder=byteorder, big=big),
        TruncatedError,
        "the directory has 9 entries",
    ),
    "too many entries": (
        lambda byteorder, big: build([page(0, count=5000)], byteorder=byteorder, big=big),
        LimitError,
        "entries of the directory: 5,000",
    ),
}


@pytest.mark.parametrize(("make", "kind", "message"), FIRST.values(), ids=FIRST)
@every_variant
def test_a_broken_first_directory_is_an_error(
    byteorder: str,
    big: bool,
    make: Callable[[str, bool], bytes],
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        read(make(byteorder, big))


@every_variant
def test_the_error_of_a_broken_directory_says_where_it_is(byteorder: str, big: bool) -> None:
    file = layout([page(0, count=0)], byteorder=byteorder, big=big, gap=50)
    with pytest.raises(FormatError) as caught:
        read(file.data)
    assert (caught.value.ifd, caught.value.offset) == ("0", file.directories[0])


@pytest.mark.parametrize(("big", "at"), [(False, 4), (True, 8)])
def test_a_header_without_a_directory_says_where_its_offset_is(big: bool, at: int) -> None:
    with pytest.raises(FormatError) as caught:
        read(build([], big=big))
    assert caught.value.offset == at


# One directory alone


@pytest.fixture
def family() -> bytes:
    """Three pages; the middle one has two children, the second of these one of its own."""
    text = entry(270, ASCII, "a value that fits no entry")
    return build(
        [
            page(0, text, next=directory_at(1)),
            page(1, text, subifds(directory_at(3), directory_at(4)), next=directory_at(2)),
            page(2, text, next=0),
            page(3, text, next=0),
            page(4, text, subifds(directory_at(5)), next=0),
            page(5, text, next=0),
        ]
    )


@pytest.mark.parametrize(
    ("wanted", "number"),
    [(0, 0), (1, 1), (2, 2), ("0", 0), ("2", 2), ("1/0", 3), ("1/1", 4), ("1/1/0", 5)],
)
def test_one_directory_is_read_alone(family: bytes, wanted: int | str, number: int) -> None:
    with no_warning():
        (ifd,) = read(family, ifd=wanted).ifds
    assert (ifd.path, ifd.integer(TAG)) == (str(wanted), number)
    assert ifd.text(270) == "a value that fits no entry"
    assert ifd.subifds == ()


@pytest.mark.parametrize("wanted", [3, -1, "0/0", "1/2", "1/0/0", "1/", "", "abc", "01"])
def test_a_directory_that_is_not_there_is_an_error_that_lists_what_is(
    family: bytes, wanted: int | str
) -> None:
    with pytest.raises(FormatError, match=f"the file has no IFD '{wanted}'; it has 0") as caught:
        read(family, ifd=wanted)
    shown = str(caught.value).partition("it has ")[2].split(", ")
    assert set(shown) <= {"0", "1", "2", "1/0", "1/1", "1/1/0"}


def test_a_long_list_is_cut_short() -> None:
    with pytest.raises(FormatError, match=r"it has 0, 1, .*, 19, …$"):
        read(build([page(number) for number in range(30)]), ifd=99)


def test_another_directory_need_not_be_sound() -> None:
    broken = [page(0, entry(270, ASCII, b"x" * 50, offset=9000)), page(1), page(2, count=0)]
    with no_warning():
        assert numbers_of(read(build(broken), ifd=1).ifds) == [1]


def test_the_directory_that_is_wanted_has_to_be_sound() -> None:
    with pytest.raises(FormatError, match="the directory has no entries") as caught:
        read(build([page(0), page(1, count=0)]), ifd=1)
    assert caught.value.ifd == "1"


def test_a_chain_that_ends_before_the_wanted_directory_says_both() -> None:
    data = build([page(0), page(1, count=0), page(2)])
    with (
        pytest.warns(TiffWarning, match="ends before IFD 1"),
        pytest.raises(FormatError, match="no IFD '2'; it has 0"),
    ):
        read(data, ifd=2)


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_values_of_the_directories_on_the_way_are_not_read(wanted: int) -> None:
    value = b"x" * 10_000
    data = build([page(number, entry(270, ASCII, value)) for number in range(3)])
    cost = counted(data, ifd=wanted)
    assert len(value) <= cost.bytes_read < 1.5 * len(value)


def test_the_first_of_many_pages_costs_as_much_as_the_only_one() -> None:
    text = entry(270, ASCII, "a value that fits no entry")
    one, many = ([page(number, text) for number in range(count)] for count in (1, 1000))
    costs = [counted(build(pages), ifd=0) for pages in (one, many)]
    assert [cost.batches for cost in costs] == [3, 3]
    assert [cost.requests for cost in costs] == [3, 3]


# Costs


def cost_of(data: bytes, **options: Any) -> CountingSource:
    """Read a file with read-ahead; what that cost."""
    source = CountingSource(MemorySource(data))
    run(read_tiff(ReadAhead(source), **options))
    return source


COGS = sorted(path.name for path in (TESTDATA / "special").glob("cog*.tif"))


@pytest.mark.parametrize("name", COGS)
def test_a_cog_is_one_request(name: str) -> None:
    cost = cost_of((TESTDATA / "special" / name).read_bytes())
    assert (cost.batches, cost.requests) == (1, 1)


PIXELS = np.zeros((600, 600), dtype="u1")
PYRAMID = [Picture(PIXELS[::step, ::step], tile=(16, 16)) for step in (1, 2, 4)]


@every_variant
def test_directories_in_front_of_the_pixels_are_one_request(byteorder: str, big: bool) -> None:
    data = images(PYRAMID, byteorder=byteorder, big=big, order=FRONT)
    assert len(data) > 10 * 32 * 1024
    cost = cost_of(data)
    assert (cost.batches, cost.requests) == (1, 1)
    assert cost.bytes_read == 32 * 1024


@every_variant
def test_directories_behind_the_pixels_are_two_requests(byteorder: str, big: bool) -> None:
    cost = cost_of(images(PYRAMID, byteorder=byteorder, big=big, order=END))
    assert cost.requests == 2


@every_variant
def test_directories_in_front_and_values_behind_are_two_requests(byteorder: str, big: bool) -> None:
    cost = cost_of(images(PYRAMID, byteorder=byteorder, big=big, order=SCATTERED))
    assert cost.requests == 2


def scattered(places: Iterable[int], *more: Entry) -> bytes:
    """A file with a directory at each of these offsets."""
    return build([page(number, *more, at=at) for number, at in enumerate(places)])


def equal_pages(count: int, far: int = 200_000) -> list[int]:
    return [8 + number * far for number in range(count)]


@pytest.mark.parametrize(("count", "batches"), [(1, 1), (2, 2), (10, 2), (11, 3), (100, 4)])
def test_directories_between_equal_pixels_are_few_batches(count: int, batches: int) -> None:
    cost = cost_of(scattered(equal_pages(count)))
    assert cost.batches == batches
    assert cost.bytes_read < 32 * 1024 + 4096 * (count + 8)


def test_a_hundred_directories_on_their_way_back_are_few_batches() -> None:
    data = scattered(reversed(equal_pages(100)))
    cost = cost_of(data)
    assert cost.batches <= 6
    assert [ifd.offset for ifd in read(data).ifds] == equal_pages(100)[::-1]


def varying(share: float, count: int = 100) -> list[int]:
    """Pages of 500 kB that vary by a share, as compressed ones do."""
    sizes = np.random.default_rng(6).normal(500_000, 500_000 * share, count)
    return [8 + 2 * int(at / 2) for at in np.cumsum(np.clip(sizes, 10_000, None))]


@pytest.mark.parametrize(
    ("share", "batches"), [(0.0, 6), (0.0005, 15), (0.01, 35), (0.05, 75), (0.5, 101)]
)
def test_a_hundred_directories_cost_little_however_their_pixels_vary(
    share: float, batches: int
) -> None:
    cost = cost_of(scattered(varying(share)))
    assert cost.batches <= batches
    assert cost.bytes_read < 10_000_000


def test_distances_that_take_turns_are_learned() -> None:
    turns = [400_000, 20_000, 90_000] * 40
    cost = cost_of(scattered([8, *(8 + int(at) for at in np.cumsum(turns))]))
    assert cost.batches <= 15
    assert cost.bytes_read < 1_000_000


def test_without_guesses_each_directory_is_a_batch() -> None:
    source = CountingSource(MemorySource(scattered(equal_pages(20))))
    run(read_tiff(ReadAhead(source, Reading(guess=0))))
    assert (source.batches, source.requests) == (20, 20)


def test_guesses_end_at_the_directory_that_is_wanted() -> None:
    data = scattered(equal_pages(100))
    assert [cost_of(data, ifd=ifd).requests for ifd in (0, 1, 5, 50)] == [1, 2, 6, 51]


@pytest.mark.long
def test_ten_thousand_small_pages_are_read_through() -> None:
    data = scattered(equal_pages(10_000, 1_000))
    cost = cost_of(data)
    assert cost.batches < 15
    assert cost.bytes_read < 1.05 * len(data)


def test_values_beside_scattered_directories_come_with_them() -> None:
    places = equal_pages(50)
    pages = [page(0, entry(270, ASCII, count=1000, offset=at + 500), at=at) for at in places]
    cost = cost_of(build(pages, trailing=bytes(10_000)))
    assert cost.batches <= 4
    assert cost.requests <= 55


def test_values_far_from_their_directories_are_one_batch_behind_all_of_them() -> None:
    text = entry(270, ASCII, "a value that fits no entry" * 100)
    source = CountingSource(MemorySource(scattered(equal_pages(100), text)))
    run(read_tiff(ReadAhead(source)))
    assert source.batches <= 5


# The same whatever is read at once


def everything(tiff: Tiff) -> list[tuple[str, int, dict[int | str, Any]]]:
    def plain(value: Any) -> Any:
        return value.tolist() if isinstance(value, memoryview) else value

    return [
        (ifd.path, ifd.offset, {tag: plain(value) for tag, value in ifd.items()})
        for ifd in tiff.walk()
    ]


def overlapping_subifds() -> bytes:
    """Two parents whose SubIFDs share bytes; one's tag is inline, the other's is far away."""
    first = page(0, subifds(directory_at(2), directory_at(3)), at=8)
    second = page(1, subifds(directory_at(2) + 6), at=90_000, next=0)
    return build([first, second, page(2, next=0, at=40_000), page(3, next=0, at=170_000)])


ANY_FILE: dict[str, bytes] = {
    "scattered": scattered(equal_pages(12, 9_000), entry(270, ASCII, "text" * 40)),
    "varying": scattered([8, 30_000, 70_000, 75_000, 140_000, 139_000, 250_000]),
    "SubIFDs that overlap": overlapping_subifds(),
    "a cycle": build([page(0), page(1, next=directory_at(0), at=50_000)]),
    "many entries": build(
        [
            page(0, *(entry(40000 + n, LONG, [n] * 9) for n in range(300)), at=60_000),
            page(1, at=200_000),
        ]
    ),
    "cog": (TESTDATA / "special" / "cog.tif").read_bytes(),
}


@settings(max_examples=30, deadline=None)
@given(
    head=st.integers(1, 70_000),
    ahead=st.integers(1, 70_000),
    piece=st.integers(50, 10_000),
    guess=st.sampled_from([0, 1000, 100_000, 10**7]),
)
@pytest.mark.parametrize("name", ANY_FILE)
def test_any_split_of_the_reads_gives_the_same(
    name: str, head: int, ahead: int, piece: int, guess: int
) -> None:
    data = ANY_FILE[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        split = ReadAhead(
            MemorySource(data), Reading(head=head, ahead=ahead, piece=piece, guess=guess)
        )
        assert everything(run(read_tiff(split))) == everything(read(data))


# The ghost area


GHOST = (
    b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\nLAYOUT=IFDS_BEFORE_DATA\n"
    b"BLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)


def with_ghost(levels: Iterable[int], ghost: bytes, far: int = 0) -> bytes:
    """Directories with arrays of so many tiles behind a ghost area, as GDAL writes a COG."""
    pages, at = [], 8 + len(ghost) + len(ghost) % 2
    for number, count in enumerate(levels):
        arrays = [entry(tag, LONG, np.arange(count, dtype="<u4").tobytes()) for tag in (324, 325)]
        behind = at + 2 + 12 * 3 + 4
        arrays = [
            entry(324, LONG, count=count, offset=behind),
            entry(325, LONG, count=count, offset=behind + 4 * count),
        ]
        pages.append(page(number, *arrays, at=at))
        at = behind + 8 * count + far
    data = bytearray(build(pages, trailing=bytes(at + 1_000_000)))
    data[8 : 8 + len(ghost)] = ghost
    return bytes(data)


LEVELS = [60_000, 15_000, 4_000, 1_000, 300]


def test_the_header_of_a_large_cog_is_two_batches() -> None:
    cost = cost_of(with_ghost(LEVELS, GHOST))
    assert cost.batches == 2
    assert cost.bytes_read < 1.1 * 8 * sum(LEVELS)


@pytest.mark.parametrize(
    "ghost",
    [
        b"",
        GHOST.replace(b"NO\n ", b"YES\n"),
        GHOST.replace(b"IFDS_BEFORE_DATA", b"SOMETHING_ELSES"),
    ],
    ids=["none", "edited", "another layout"],
)
def test_without_a_ghost_area_that_holds_it_is_read_step_by_step(ghost: bytes) -> None:
    assert cost_of(with_ghost(LEVELS, ghost)).batches > 2


@pytest.mark.parametrize("far", [100_000, 1_000_000])
def test_a_ghost_area_that_lies_costs_a_bounded_number_of_bytes_and_no_meaning(far: int) -> None:
    honest, lying = (with_ghost(LEVELS, ghost, far) for ghost in (b"", GHOST))
    places = [ifd.integers(Tag.TileOffsets).nbytes for ifd in read(lying).ifds]
    assert places == [ifd.integers(Tag.TileOffsets).nbytes for ifd in read(honest).ifds]
    wasted = cost_of(lying).bytes_read - 8 * sum(LEVELS)
    assert wasted < 4 * 2**20 + 100_000


# Batches and values


@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_chain_is_a_batch_for_each_directory_and_one_for_the_last_values(count: int) -> None:
    texts = [entry(tag, ASCII, "a value that fits no entry") for tag in (269, 270, 271)]
    cost = counted(build([page(number, *texts) for number in range(count)]))
    assert cost.batches == 1 + count + 1
    assert cost.requests == 1 + count + 3 * count


@pytest.mark.parametrize("count", [1, 3, 20])
def test_all_subifds_are_one_batch_and_all_their_values_another(count: int) -> None:
    text = entry(270, ASCII, "a value that fits no entry")
    targets = [directory_at(number + 1) for number in range(count)]
    parent = page(0, entry(330, LONG, [*targets, 0]), next=0)
    cost = counted(build([parent, *(page(n + 1, text, next=0) for n in range(count))]))
    assert cost.batches == len(["header", "parent", "SubIFDs", "children", "their values"])
    assert cost.requests == 3 + 2 * count


# A million tiles


@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_a_million_tiles_are_no_python_object_each(tmp_path: Path, byteorder: str) -> None:
    across = down = 1024
    source = MemorySource(
        many_tiles(tmp_path / "many.tif", across, down, byteorder=byteorder).read_bytes()
    )
    tracemalloc.start()
    ifd = run(read_tiff(source)).ifds[0]
    found = block_layout(ifd)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    arrays = across * down * (8 + 4)
    assert peak < 3 * arrays
    for tag in (Tag.TileOffsets, Tag.TileByteCounts):
        assert isinstance(ifd.integers(tag), memoryview)
    assert isinstance(found.offsets, memoryview)
    assert len(found.offsets) == len(found.byte_counts) == across * down
    assert set(found.byte_counts[::1000]) == {256}


# Sources that break their promise


class Stateless(MemorySource):
    """No state, even after a read."""

    state = None  # type: ignore[assignment]


def test_a_source_without_state_is_named() -> None:
    with pytest.raises(TypeError, match="Stateless must have a state after a read"):
        run(read_tiff(Stateless(build([page(0)]))))


class Shrunk(MemorySource):
    """A file that is said to be larger than it is, and that loses patience."""

    patience = 20

    @property
    def state(self) -> SourceState:
        return SourceState(size=100_000)

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        self.patience -= 1
        if not self.patience:
            message = "the reader asks for ever"
            raise RecursionError(message)
        return await super().read_ranges(ranges)


SHRUNK: dict[str, bytes] = {
    "within a directory of many entries": build(
        [Directory([entry(40000 + number, SHORT, 1) for number in range(40)])]
    )[:-100],
    "within a value": build([page(0, entry(270, LONG, range(100)))])[:-99],
}


def read_values(source: MemorySource) -> list[dict[int | str, Any]]:
    return [dict(ifd) for ifd in run(read_tiff(source)).walk()]


@pytest.mark.parametrize("data", SHRUNK.values(), ids=SHRUNK)
def test_a_source_that_gives_less_than_its_state_promised_is_our_error(data: bytes) -> None:
    with pytest.raises(TruncatedError, match="the file may have changed"):
        read_values(Shrunk(data))


def test_read_ahead_finds_out_that_a_source_gives_less() -> None:
    for data in SHRUNK.values():
        with pytest.raises(TruncatedError, match="the file may have changed"):
            run(read_tiff(ReadAhead(Shrunk(data))))


# Results


def test_reading_twice_gives_the_same(family: bytes) -> None:
    def content(tiff: Tiff) -> list[tuple[str, dict[int | str, Any]]]:
        return [(ifd.path, dict(ifd)) for ifd in tiff.walk()]

    assert content(read(family)) == content(read(family))


def test_limits_are_the_default_unless_given() -> None:
    data = build([Directory([entry(40000 + number, SHORT, 1) for number in range(5000)])])
    with pytest.raises(LimitError):
        read(data)
    with pytest.raises(LimitError):
        read(data, limits=None)
    assert len(read(data, limits=Limits(entries=5000)).ifds[0]) == 5000


def test_a_sound_file_is_read_in_silence() -> None:
    assert warned(lambda: read(image(PIXELS, tile=(16, 16)))) == []


async def test_it_works_in_a_running_event_loop(family: bytes) -> None:
    tiff = await read_tiff(ReadAhead(MemorySource(family)))
    assert numbers_of(list(tiff.walk())) == [0, 1, 3, 4, 5, 2]
