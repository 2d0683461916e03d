"""What holds for any file: what was written is read, and what is broken ends in our errors."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.build import (
    ASCII,
    BYTE,
    DOUBLE,
    END,
    FLOAT,
    FRONT,
    IFD,
    IFD8,
    LONG,
    LONG8,
    RATIONAL,
    SBYTE,
    SCATTERED,
    SHORT,
    SLONG,
    SLONG8,
    SRATIONAL,
    SSHORT,
    UNDEFINED,
    VARIANTS,
    Directory,
    Picture,
    build,
    directory_at,
    entry,
    every_variant,
    layout,
    parts,
)
from virtual_tiff.tiff import (
    BlockLayout,
    ImageFileDirectory,
    Tag,
    Tiff,
    TiffError,
    block_layout,
    parse_geokeys,
)
from virtual_tiff.tiff.entry import numbers

from .reading import read

quick = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)

# Any directories

FORMATS = {
    BYTE: "B",
    SHORT: "H",
    LONG: "I",
    RATIONAL: "I",
    SBYTE: "b",
    UNDEFINED: "B",
    SSHORT: "h",
    SLONG: "i",
    SRATIONAL: "i",
    FLOAT: "f",
    DOUBLE: "d",
    IFD: "I",
    LONG8: "Q",
    SLONG8: "q",
    IFD8: "Q",
}


def any_number(code: str) -> st.SearchStrategy[Any]:
    """Numbers of a struct format."""
    if code in "fd":
        return st.floats(width=32 if code == "f" else 64, allow_nan=False)
    bits = 8 * struct.calcsize("=" + code)
    low = -(2 ** (bits - 1)) if code.islower() else 0
    return st.integers(low, low + 2**bits - 1)


def any_values(field_type: int) -> st.SearchStrategy[list[Any]]:
    """Values of a field type, a RATIONAL's as pairs."""
    one = any_number(FORMATS[field_type])
    pair = field_type in (RATIONAL, SRATIONAL)
    return st.lists(st.tuples(one, one) if pair else one, max_size=12)


type Written = tuple[int, int, list[Any]]
"""Tag, field type, values."""

any_tag = st.integers(0, 0xFFFF).filter(lambda tag: tag != Tag.SubIFDs)
any_entry: st.SearchStrategy[Written] = st.sampled_from(sorted(FORMATS)).flatmap(
    lambda field_type: st.tuples(any_tag, st.just(field_type), any_values(field_type))
)
any_entries = st.lists(any_entry, min_size=1, max_size=40, unique_by=lambda written: written[0])
any_directories = st.lists(any_entries, min_size=1, max_size=4)
any_file = st.fixed_dictionaries(
    {
        "order": st.sampled_from([FRONT, END, SCATTERED]),
        "gap": st.integers(0, 9),
        "align": st.sampled_from([1, 2, 8]),
    }
)
any_variant = st.sampled_from(VARIANTS)


def flat(values: list[Any]) -> list[Any]:
    """Pairs as the numbers in them."""
    return list(chain.from_iterable(v if isinstance(v, tuple) else (v,) for v in values))


def read_back(ifd: ImageFileDirectory) -> list[tuple[int, int, int, list[Any]]]:
    """Tag, field type, count and numbers of each entry, in their order."""
    return [
        (tag, found.field_type.code, found.count, numbers(found, ifd.variant).tolist())
        for tag, found in ifd.entries.items()
    ]


def directory_of(entries: Iterable[Written]) -> Directory:
    return Directory([entry(tag, field_type, list(values)) for tag, field_type, values in entries])


@pytest.mark.long
@quick
@given(directories=any_directories, variant=any_variant, options=any_file)
def test_what_is_written_is_read(
    directories: list[list[Written]], variant: tuple[str, bool], options: dict[str, Any]
) -> None:
    byteorder, big = variant
    data = build(
        list(map(directory_of, directories)), [b"xyz"], byteorder=byteorder, big=big, **options
    )
    assert [read_back(ifd) for ifd in read(data).ifds] == [
        [(tag, field_type, len(values), flat(values)) for tag, field_type, values in entries]
        for entries in directories
    ]


@pytest.mark.long
@quick
@given(text=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=5))
def test_any_text_is_read(text: list[str]) -> None:
    stored = b"".join(string.encode() + b"\0" for string in text)
    (ifd,) = read(build([Directory([entry(270, ASCII, stored)])])).ifds
    while text and not text[-1]:  # empty strings at the end are no different from filling
        text = text[:-1]
    assert ifd["ImageDescription"] == tuple(text or [""])


@pytest.mark.long
@quick
@given(entries=any_entries, seed=st.randoms(use_true_random=False), variant=any_variant)
def test_the_order_of_tags_does_not_matter(
    entries: list[Written], seed: random.Random, variant: tuple[str, bool]
) -> None:
    byteorder, big = variant
    shuffled = entries.copy()
    seed.shuffle(shuffled)
    files = (
        build([directory_of(order)], byteorder=byteorder, big=big) for order in (entries, shuffled)
    )
    first, second = (sorted(read_back(read(data).ifds[0])) for data in files)
    assert first == second


# A small file of every kind of thing

GEOKEYS = [
    entry(
        Tag.GeoKeyDirectory,
        SHORT,
        [1, 1, 0, 3, 1024, 0, 1, 2, 2057, 34736, 1, 0, 1026, 34737, 4, 0],
    ),
    entry(Tag.GeoDoubleParams, DOUBLE, [6378137.0]),
    entry(Tag.GeoAsciiParams, ASCII, b"UTM|\0"),
]


def small_parts(byteorder: str, big: bool) -> tuple[list[Directory], list[bytes]]:
    """Strips with GeoKeys and a SubIFD, then planar tiles."""
    gray = np.arange(60, dtype="u1").reshape(10, 6)
    rgb = np.arange(180, dtype="u1").reshape(10, 6, 3)
    child = Picture(gray[::2, ::2], compression=8)
    pictures = [
        Picture(
            gray,
            rows_per_strip=4,
            extra_entries=[*GEOKEYS, entry(Tag.SubIFDs, LONG, [directory_at(2)])],
        ),
        Picture(rgb, tile=(8, 8), planar=2, compression=5, next=0),
        child,
    ]
    return parts(pictures, byteorder=byteorder, big=big)


def small_file(byteorder: str, big: bool, **options: Any) -> bytes:
    return layout(*small_parts(byteorder, big), byteorder=byteorder, big=big, **options).data


def attempt(work: Callable[[], Any]) -> Any:
    """A result that can be compared, or the error; other errors pass through."""
    try:
        found = work()
    except TiffError as error:
        return type(error)
    return found.tobytes() if isinstance(found, memoryview) else found


TYPED = [name for name in vars(ImageFileDirectory) if name in Tag.__members__]


def everything(tiff: Tiff) -> dict[str, dict[Any, Any]]:
    """All that can be asked of every directory, by its path."""
    return {
        ifd.path: {
            **{tag: attempt(partial(ifd.__getitem__, tag)) for tag in ifd},
            **{name: attempt(partial(getattr, ifd, name)) for name in TYPED},
            "geokeys": attempt(partial(parse_geokeys, ifd)),
        }
        for ifd in tiff.walk()
    }


def blocks(tiff: Tiff) -> list[Any]:
    """The block layout of every directory, or its error."""
    size = tiff.state.size
    return [attempt(partial(block_layout, ifd, file_size=size)) for ifd in tiff.walk()]


def is_loss(found: Any, whole: Any) -> bool:
    """Whether a value is another one and not an error."""
    return found != whole and not (isinstance(found, type) and issubclass(found, TiffError))


ORDERS = {"in front": FRONT, "behind": END, "values behind": SCATTERED}


@pytest.mark.long
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@every_variant
def test_a_file_cut_off_at_any_byte_gives_an_error_or_the_same_values(
    byteorder: str, big: bool, order: Any
) -> None:
    data = small_file(byteorder, big, order=order)
    whole = everything(read(data))
    for length in range(len(data)):
        tiff = attempt(partial(read, data[:length]))
        if isinstance(tiff, Tiff):
            blocks(tiff)
            for path, values in everything(tiff).items():
                values.pop("geokeys")  # keys that cannot be found are left out, with a warning
                assert [name for name in values if is_loss(values[name], whole[path][name])] == []


mutations = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
)


def mutated(data: bytes, changes: list[tuple[float, int]]) -> bytes:
    """The file with some of its bytes changed; places are fractions of its length."""
    changed = bytearray(data)
    for place, byte in changes:
        changed[math.floor(place * len(data))] = byte
    return bytes(changed)


@pytest.mark.long
@settings(quick, max_examples=600)
@given(changes=mutations, variant=any_variant)
def test_changed_bytes_give_our_errors_and_no_others(
    changes: list[tuple[float, int]], variant: tuple[str, bool]
) -> None:
    data = mutated(small_file(*variant), changes)
    tiff = attempt(partial(read, data))
    if isinstance(tiff, Tiff):
        everything(tiff)
        blocks(tiff)


# Any geometry

EDGES = [-1, 0, 1, 2, 7, 8, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1]
GEOMETRY = [
    Tag.ImageWidth,
    Tag.ImageLength,
    Tag.BitsPerSample,
    Tag.SamplesPerPixel,
    Tag.RowsPerStrip,
    Tag.PlanarConfiguration,
    Tag.TileWidth,
    Tag.TileLength,
]
ARRAYS = [Tag.StripOffsets, Tag.StripByteCounts, Tag.TileOffsets, Tag.TileByteCounts]
IMAGE = {Tag.ImageWidth: 10, Tag.ImageLength: 10, Tag.StripOffsets: [8]}

any_geometry = st.tuples(
    st.dictionaries(st.sampled_from(GEOMETRY), st.sampled_from(EDGES), max_size=5),
    st.dictionaries(
        st.sampled_from(ARRAYS), st.lists(st.sampled_from(EDGES), max_size=5), max_size=3
    ),
    st.fixed_dictionaries({Tag.Compression: st.sampled_from([1, 5])}),
).map(lambda parts: IMAGE | parts[0] | parts[1] | parts[2])


@settings(quick, report_multiple_bugs=False)
@given(numbers=any_geometry, file_size=st.none() | st.sampled_from([0, 9, 1000]))
@example(numbers=IMAGE | {Tag.BitsPerSample: -1}, file_size=None)
def test_any_geometry_is_a_layout_or_our_error(
    numbers: dict[Tag, Any], file_size: int | None
) -> None:
    entries = [entry(tag, SLONG8, numbers[tag]) for tag in sorted(numbers)]
    (ifd,) = read(build([Directory(entries)])).ifds
    found = attempt(partial(block_layout, ifd, file_size=file_size))
    if isinstance(found, BlockLayout):
        assert len(found.offsets) == len(found.byte_counts) == found.grid.count
