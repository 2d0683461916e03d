"""One directory: defaults, tags by name and by number, and what can be wrong with one."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from support.build import (
    ASCII,
    BYTE,
    DOUBLE,
    FLOAT,
    IFD,
    IFD8,
    LONG,
    LONG8,
    RATIONAL,
    SBYTE,
    SHORT,
    SLONG,
    SLONG8,
    SRATIONAL,
    SSHORT,
    UNDEFINED,
    Directory,
    Entry,
    build,
    directory_at,
    entry,
    every_variant,
    layout,
)
from virtual_tiff.tiff import (
    FormatError,
    ImageFileDirectory,
    Tag,
    TiffWarning,
    TruncatedError,
)
from virtual_tiff.tiff.constants import FIELD_TYPES

from .reading import no_warning, one_ifd, read

# Attribute -> what TIFF 6.0 says of a directory without the tag.
DEFAULTS: dict[str, Any] = {
    "NewSubfileType": 0,
    "SubfileType": None,
    "BitsPerSample": (1,),
    "Compression": 1,
    "PhotometricInterpretation": None,
    "FillOrder": 1,
    "Orientation": 1,
    "SamplesPerPixel": 1,
    "RowsPerStrip": 2**32 - 1,
    "PlanarConfiguration": 1,
    "T4Options": 0,
    "T6Options": 0,
    "Predictor": 1,
    "TileWidth": None,
    "TileLength": None,
    "SampleFormat": (1,),
    "ExtraSamples": (),
}
REQUIRED = ["ImageWidth", "ImageLength"]
PER_SAMPLE = ["BitsPerSample", "SampleFormat"]
SINGLE = [*REQUIRED, *(name for name in DEFAULTS if not isinstance(DEFAULTS[name], tuple))]

WHOLE = [BYTE, SHORT, LONG, SBYTE, UNDEFINED, SSHORT, SLONG, IFD, LONG8, SLONG8, IFD8]
NOT_WHOLE = [ASCII, RATIONAL, SRATIONAL, FLOAT, DOUBLE]


def name_of(field_type: int) -> str:
    return FIELD_TYPES[field_type].name


EMPTY = entry(65000, SHORT, 1)
"""A tag that says nothing: a directory has to have one."""


# Defaults


def test_the_tables_here_name_every_typed_attribute() -> None:
    attributes = {name for name in vars(ImageFileDirectory) if name in Tag.__members__}
    assert attributes == {*DEFAULTS, *REQUIRED}


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items(), ids=DEFAULTS)
@every_variant
def test_an_absent_tag_has_the_specifications_default(
    byteorder: str, big: bool, name: str, default: Any
) -> None:
    assert getattr(one_ifd([EMPTY], byteorder=byteorder, big=big), name) == default


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items(), ids=DEFAULTS)
def test_a_tag_without_values_has_the_default_too(name: str, default: Any) -> None:
    assert getattr(one_ifd([entry(Tag[name], SHORT, [])]), name) == default


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("entries", [[], [()]], ids=["absent", "without values"])
def test_without_its_size_a_directory_is_no_image(name: str, entries: list[tuple[()]]) -> None:
    ifd = one_ifd([EMPTY, *(entry(Tag[name], SHORT, values) for values in entries)])
    with pytest.raises(FormatError, match=f"has no {name}") as caught:
        getattr(ifd, name)
    error = caught.value
    assert (error.tag, error.ifd, error.offset) == (Tag[name], "0", ifd.offset)


# Values


@pytest.mark.parametrize("name", [name for name in SINGLE if name != "SamplesPerPixel"])
def test_zero_is_a_value(name: str) -> None:
    assert getattr(one_ifd([entry(Tag[name], SHORT, 0)]), name) == 0


@pytest.mark.parametrize("name", [*PER_SAMPLE, "ExtraSamples"])
def test_zero_is_a_value_of_a_sample(name: str) -> None:
    assert getattr(one_ifd([entry(Tag[name], SHORT, 0)]), name) == (0,)


@pytest.mark.parametrize("field_type", WHOLE, ids=name_of)
@every_variant
def test_any_whole_number_will_do(byteorder: str, big: bool, field_type: int) -> None:
    entries = [entry(Tag[name], field_type, 3) for name in SINGLE]
    ifd = one_ifd(entries, byteorder=byteorder, big=big)
    assert {name: getattr(ifd, name) for name in SINGLE} == dict.fromkeys(SINGLE, 3)


@pytest.mark.parametrize("name", SINGLE)
def test_of_several_values_the_first_holds(name: str) -> None:
    assert getattr(one_ifd([entry(Tag[name], SHORT, [2, 9, 9])]), name) == 2


@pytest.mark.parametrize("name", [*SINGLE, *PER_SAMPLE, "ExtraSamples"])
@pytest.mark.parametrize("field_type", NOT_WHOLE, ids=name_of)
def test_another_field_type_is_an_error_with_its_place(field_type: int, name: str) -> None:
    tag = Tag[name]
    data = bytes(FIELD_TYPES[field_type].nbytes)
    file = layout([Directory([EMPTY, entry(tag, field_type, data)])])
    ifd = read(file.data).ifds[0]
    with pytest.raises(FormatError, match=f"{name_of(field_type)}, where a whole number") as caught:
        getattr(ifd, name)
    error = caught.value
    assert (error.tag, error.ifd, error.offset) == (tag, "0", file.values[0, tag])


def test_a_tag_of_the_wrong_field_type_can_still_be_looked_at() -> None:
    ifd = one_ifd([entry(Tag.ImageWidth, DOUBLE, [2.5])])
    assert ifd.floats(Tag.ImageWidth) == (2.5,)
    assert list(ifd["ImageWidth"]) == [2.5]


DESCRIBED = {
    "both": ([entry(256, SHORT, 1), entry(257, SHORT, 1)], True),
    "the width alone": ([entry(256, SHORT, 1)], False),
    "the length alone": ([entry(257, SHORT, 1)], False),
    "neither": ([EMPTY], False),
    "both of them 0": ([entry(256, SHORT, 0), entry(257, SHORT, 0)], True),
}


@pytest.mark.parametrize(("entries", "described"), DESCRIBED.values(), ids=DESCRIBED)
def test_a_directory_describes_an_image_if_it_has_both_sizes(
    entries: list[Entry], described: bool
) -> None:
    assert one_ifd(entries).describes_image is described


# Values of each sample

GOOD_SAMPLES: dict[str, tuple[int, list[int], tuple[int, ...]]] = {
    "one for one": (1, [8], (8,)),
    "one for many": (3, [16], (16, 16, 16)),
    "one each": (3, [5, 6, 5], (5, 6, 5)),
    "fewer that agree": (4, [8, 8, 8], (8, 8, 8, 8)),
    "more than samples": (2, [8, 8, 16], (8, 8)),
    "none": (3, [], (1, 1, 1)),
}
BAD_SAMPLES: dict[str, tuple[int, list[int]]] = {
    "two for three": (3, [8, 16]),
    "three for four": (4, [8, 8, 16]),
}


@pytest.mark.parametrize("name", PER_SAMPLE)
@pytest.mark.parametrize(
    ("samples", "written", "expected"), GOOD_SAMPLES.values(), ids=GOOD_SAMPLES
)
@every_variant
def test_each_sample_has_a_value(
    byteorder: str,
    big: bool,
    samples: int,
    written: list[int],
    expected: tuple[int, ...],
    name: str,
) -> None:
    entries = [entry(Tag.SamplesPerPixel, SHORT, samples), entry(Tag[name], SHORT, written)]
    assert getattr(one_ifd(entries, byteorder=byteorder, big=big), name) == expected


@pytest.mark.parametrize("name", PER_SAMPLE)
@pytest.mark.parametrize(("samples", "written"), BAD_SAMPLES.values(), ids=BAD_SAMPLES)
def test_fewer_values_than_samples_that_differ_are_an_error(
    samples: int, written: list[int], name: str
) -> None:
    ifd = one_ifd([entry(Tag.SamplesPerPixel, SHORT, samples), entry(Tag[name], SHORT, written)])
    with pytest.raises(FormatError, match=f"{len(written)} values for {samples} samples") as caught:
        getattr(ifd, name)
    assert (caught.value.tag, caught.value.ifd) == (Tag[name], "0")


@pytest.mark.parametrize(("field_type", "samples"), [(SHORT, 1), (SHORT, 65535), (LONG, 65535)])
def test_a_pixel_has_1_to_65535_samples(field_type: int, samples: int) -> None:
    ifd = one_ifd([entry(Tag.SamplesPerPixel, field_type, samples)])
    assert ifd.SamplesPerPixel == samples
    assert ifd.BitsPerSample == (1,) * samples


@pytest.mark.parametrize(
    ("field_type", "samples"), [(SHORT, 0), (LONG, 65536), (LONG8, 2**64 - 1), (SSHORT, -1)]
)
def test_any_other_number_of_samples_is_an_error(field_type: int, samples: int) -> None:
    ifd = one_ifd([entry(Tag.SamplesPerPixel, field_type, samples)])
    for name in ("SamplesPerPixel", *PER_SAMPLE):
        with pytest.raises(FormatError, match=f"SamplesPerPixel is {samples}") as caught:
            getattr(ifd, name)
        assert (caught.value.tag, caught.value.ifd) == (Tag.SamplesPerPixel, "0")


def test_extra_samples_are_all_given() -> None:
    assert one_ifd([entry(Tag.ExtraSamples, SHORT, [2, 0, 1])]).ExtraSamples == (2, 0, 1)


# By name, by number

ENTRIES = [
    entry(Tag.ImageWidth, LONG, 640),
    entry(Tag.BitsPerSample, SHORT, [8, 8, 8]),
    entry(Tag.ImageDescription, ASCII, b"a\0b\0"),
    entry(Tag.XResolution, RATIONAL, [(1, 2)]),
    entry(65000, UNDEFINED, b"\1\2\3"),
]
VALUES: dict[int, Any] = {
    256: [640],
    258: [8, 8, 8],
    270: ["a", "b"],
    282: [0.5],
    65000: [1, 2, 3],
}


@every_variant
def test_tags_are_a_mapping_in_the_files_order(byteorder: str, big: bool) -> None:
    ifd = one_ifd(ENTRIES, byteorder=byteorder, big=big)
    assert {tag: list(value) for tag, value in ifd.items()} == VALUES
    assert list(ifd) == list(ifd.keys()) == list(VALUES)
    assert len(ifd) == len(VALUES)


def test_a_tag_is_the_same_by_number_by_name_and_by_member() -> None:
    ifd = one_ifd(ENTRIES)
    assert list(ifd[258]) == list(ifd["BitsPerSample"]) == list(ifd[Tag.BitsPerSample]) == [8, 8, 8]


@pytest.mark.parametrize("tag", [256, "ImageWidth", Tag.ImageWidth, 65000])
def test_a_tag_that_is_there_is_in(tag: int | str) -> None:
    assert tag in one_ifd(ENTRIES)


@pytest.mark.parametrize("tag", [257, "ImageLength", Tag.ImageLength, "65000", "NoSuch", None, 2.5])
def test_what_is_not_there_is_not_in(tag: object) -> None:
    assert tag not in one_ifd(ENTRIES)


@pytest.mark.parametrize("tag", [257, "ImageLength", Tag.ImageLength, 65001])
def test_an_absent_tag_is_a_key_error_and_get_gives_none(tag: int | str) -> None:
    ifd = one_ifd(ENTRIES)
    assert ifd.get(tag) is None
    with pytest.raises(KeyError):
        ifd[tag]


@pytest.mark.parametrize("name", ["NoSuchTag", "imagewidth", "256", ""])
def test_an_unknown_name_is_a_key_error_that_says_what_to_do(name: str) -> None:
    ifd = one_ifd(ENTRIES)
    with pytest.raises(KeyError, match=f"there is no tag with the name '{name}'; use its number"):
        ifd[name]


# By kind of value


def test_absent_is_none_whatever_is_asked_for() -> None:
    ifd = one_ifd([EMPTY, entry(65001, DOUBLE, []), entry(65002, ASCII, b"")])
    for tag in (65001, 65002, 65003):
        answers = [
            ifd.integers(tag),
            ifd.integer(tag),
            ifd.floats(tag),
            ifd.text(tag),
            ifd.raw(tag),
        ]
        assert answers == [None] * 5


def test_integers_and_floats_of_the_same_tag() -> None:
    ifd = one_ifd([entry(65000, SHORT, [1, 2, 3])])
    found = ifd.integers(65000)
    assert isinstance(found, memoryview)
    assert found.tolist() == [1, 2, 3]
    assert ifd.integer(65000) == 1
    assert ifd.floats(65000) == (1.0, 2.0, 3.0)


def test_floats_of_rationals_are_quotients() -> None:
    assert one_ifd([entry(65000, RATIONAL, [(1, 2), (3, 4)])]).floats(65000) == (0.5, 0.75)


def test_text_joins_several_strings_by_line_ends() -> None:
    assert one_ifd([entry(65000, ASCII, b"a\0b\0")]).text(65000) == "a\nb"


@every_variant
def test_raw_is_the_value_as_the_file_has_it(byteorder: str, big: bool) -> None:
    ifd = one_ifd([entry(65000, SHORT, [0x0102])], byteorder=byteorder, big=big)
    assert ifd.raw(65000) == {"II": b"\2\1", "MM": b"\1\2"}[byteorder]


@pytest.mark.parametrize("method", ["integers", "integer", "floats", "text", "raw"])
@every_variant
def test_a_lost_value_is_a_truncated_error_with_its_place(
    byteorder: str, big: bool, method: str
) -> None:
    lost = entry(65000, BYTE, bytes(20), offset=5000)
    with pytest.warns(TiffWarning, match="past the file's end"):
        ifd = one_ifd([lost], byteorder=byteorder, big=big)
    with pytest.raises(TruncatedError, match="20 bytes lies past the end") as caught:
        getattr(ifd, method)(65000)
    error = caught.value
    assert (error.tag, error.ifd, error.offset) == (65000, "0", 5000)


def test_a_tag_whose_value_is_lost_is_there_all_the_same() -> None:
    ifd = one_ifd([entry(258, SHORT, [8] * 9, offset=5000)])
    assert 258 in ifd
    assert "BitsPerSample" in ifd
    for ask in (ifd.get, ifd.__getitem__):
        with pytest.raises(TruncatedError) as caught:
            ask(258)
        assert caught.value.ifd == "0"


@pytest.mark.parametrize(
    ("item", "method"),
    [
        (entry(65000, ASCII, "1"), "integers"),
        (entry(65000, FLOAT, 1.0), "integer"),
        (entry(65000, ASCII, "1"), "floats"),
        (entry(65000, LONG, 1), "text"),
    ],
)
def test_an_error_names_the_directory_that_the_tag_is_in(item: Entry, method: str) -> None:
    subifds = entry(Tag.SubIFDs, LONG, [directory_at(1)])
    file = layout([Directory([subifds], next=0), Directory([item], next=0)])
    (ifd,) = read(file.data).ifds[0].subifds
    with pytest.raises(FormatError) as caught:
        getattr(ifd, method)(65000)
    error = caught.value
    assert (error.tag, error.ifd, error.offset) == (65000, "0/0", file.values[1, 65000])


# The order of tags


@every_variant
def test_of_two_entries_for_one_tag_the_first_holds_with_a_warning(
    byteorder: str, big: bool
) -> None:
    entries = [entry(256, SHORT, 1), entry(257, SHORT, 5), entry(256, LONG, 2)]
    with pytest.warns(TiffWarning, match=r"IFD 0: tag ImageWidth \(256\) occurs twice"):
        ifd = one_ifd(entries, byteorder=byteorder, big=big)
    assert ifd.ImageWidth == 1
    assert list(ifd) == [256, 257]


@every_variant
def test_tags_in_any_order_are_read_in_silence(byteorder: str, big: bool) -> None:
    with no_warning():
        ifd = one_ifd(reversed(ENTRIES), byteorder=byteorder, big=big)
    assert {tag: list(value) for tag, value in ifd.items()} == VALUES
    assert list(ifd) == list(reversed(VALUES))


# What a directory is


@every_variant
def test_a_directory_knows_where_it_is_and_what_follows(byteorder: str, big: bool) -> None:
    file = layout([Directory(ENTRIES), Directory([EMPTY])], byteorder=byteorder, big=big)
    first, second = read(file.data).ifds
    assert (first.path, first.offset) == ("0", file.directories[0])
    assert first.next_offset == second.offset == file.directories[1]
    assert (second.path, second.next_offset, second.subifds) == ("1", 0, ())


@pytest.mark.parametrize("name", ["path", "entries", "ImageWidth", "BitsPerSample"])
def test_a_directory_cannot_be_changed(name: str) -> None:
    # Python 3.13.0 says TypeError for a name that is no field of a frozen, slotted dataclass
    with pytest.raises((FrozenInstanceError, TypeError)):
        setattr(one_ifd(ENTRIES), name, 1)


def test_its_tags_cannot_be_assigned() -> None:
    with pytest.raises(TypeError):
        one_ifd(ENTRIES)["ImageWidth"] = 1  # type: ignore[index]


def test_its_repr_says_where_it_is_without_its_values() -> None:
    text = repr(one_ifd(ENTRIES))
    assert "path='0'" in text
    assert "entries" not in text
    assert "640" not in text


@every_variant
def test_a_directory_pickles_with_its_subifds(byteorder: str, big: bool) -> None:
    subifds = entry(Tag.SubIFDs, IFD, [directory_at(1)])
    directories = [Directory([*ENTRIES, subifds], next=0), Directory(ENTRIES, next=0)]
    ifd = read(build(directories, byteorder=byteorder, big=big)).ifds[0]
    again: ImageFileDirectory = pickle.loads(pickle.dumps(ifd))
    assert dict(again) == dict(ifd)
    assert (again.path, again.offset, again.variant) == (ifd.path, ifd.offset, ifd.variant)
    assert again.ImageWidth == 640
    assert [dict(child) for child in again.subifds] == [dict(child) for child in ifd.subifds]


def test_a_directory_with_a_lost_value_pickles() -> None:
    ifd = one_ifd([entry(65000, LONG, range(9), offset=5000), *ENTRIES])
    again: ImageFileDirectory = pickle.loads(pickle.dumps(ifd))
    assert again.ImageWidth == 640
    with pytest.raises(TruncatedError, match="the value of 36 bytes lies past the end"):
        again[65000]
