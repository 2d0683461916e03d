"""GeoKeys: numbers, text and lists of numbers; what cannot be found is left out with a warning."""

from __future__ import annotations

import io
from typing import Any

import pytest
import tifffile

from support.build import (
    ASCII,
    DOUBLE,
    LONG,
    SHORT,
    Entry,
    entry,
    every_variant,
)
from virtual_tiff.tiff import GeoKey, ImageFileDirectory, Tag, TiffWarning, parse_geokeys
from virtual_tiff.tiff.geokeys import key_name

from .reading import TESTDATA, every_file, no_warning, one_ifd, read, warned

HERE, DOUBLES, TEXT = 0, Tag.GeoDoubleParams, Tag.GeoAsciiParams
DIRECTORY = Tag.GeoKeyDirectory

type Row = tuple[int, int, int, int]
"""Key, the tag with its value, count, and the value or its index."""


def directory_of(*keys: Row, claimed: int | None = None) -> list[int]:
    """The numbers of a GeoKeyDirectory, version 1.1.0."""
    number = len(keys) if claimed is None else claimed
    return [1, 1, 0, number, *(n for key in keys for n in key)]


def geo_ifd(
    *keys: Row,
    doubles: list[float] | None = None,
    text: bytes | None = None,
    extra: list[int] | None = None,
    **options: Any,
) -> ImageFileDirectory:
    """A directory with GeoKeys; `extra` numbers stand behind the keys of the GeoKeyDirectory."""
    entries = [entry(DIRECTORY, SHORT, directory_of(*keys) + (extra or []))]
    if doubles is not None:
        entries.append(entry(DOUBLES, DOUBLE, doubles))
    if text is not None:
        entries.append(entry(TEXT, ASCII, text))
    return one_ifd(entries, **options)


# What is found


@every_variant
def test_a_short_is_in_the_directory_itself(byteorder: str, big: bool) -> None:
    ifd = geo_ifd((1024, HERE, 1, 2), (2048, HERE, 1, 4326), byteorder=byteorder, big=big)
    with no_warning():
        assert parse_geokeys(ifd) == {1024: 2, 2048: 4326}


@every_variant
def test_doubles_are_one_or_several(byteorder: str, big: bool) -> None:
    ifd = geo_ifd(
        (2057, DOUBLES, 1, 0),
        (2062, DOUBLES, 3, 1),
        doubles=[6378137.0, 1.5, -2.5, 0.0],
        byteorder=byteorder,
        big=big,
    )
    with no_warning():
        assert parse_geokeys(ifd) == {2057: 6378137.0, 2062: (1.5, -2.5, 0.0)}


@every_variant
def test_several_texts_share_one_string(byteorder: str, big: bool) -> None:
    ifd = geo_ifd(
        (1026, TEXT, 4, 0),
        (2049, TEXT, 7, 4),
        text=b"UTM|WGS 84|\0",
        byteorder=byteorder,
        big=big,
    )
    with no_warning():
        assert parse_geokeys(ifd) == {1026: "UTM", 2049: "WGS 84"}


@every_variant
def test_several_shorts_stand_behind_the_keys(byteorder: str, big: bool) -> None:
    ifd = geo_ifd((50000, DIRECTORY, 3, 8), extra=[7, 8, 9], byteorder=byteorder, big=big)
    with no_warning():
        assert parse_geokeys(ifd) == {50000: (7, 8, 9)}


def test_one_short_may_stand_behind_the_keys_too() -> None:
    assert parse_geokeys(geo_ifd((1024, DIRECTORY, 1, 8), extra=[7])) == {1024: 7}


def test_zero_is_a_value() -> None:
    ifd = geo_ifd((1024, HERE, 1, 0), (3082, DOUBLES, 1, 0), doubles=[0.0])
    assert parse_geokeys(ifd) == {1024: 0, 3082: 0.0}


def test_keys_that_nobody_knows_survive_as_their_number() -> None:
    assert parse_geokeys(geo_ifd((60000, HERE, 1, 5))) == {60000: 5}


def test_keys_may_stand_in_any_order() -> None:
    assert list(parse_geokeys(geo_ifd((3072, HERE, 1, 1), (1024, HERE, 1, 2)))) == [3072, 1024]


TEXTS: dict[str, tuple[bytes, int, int, str]] = {
    # text, count, index -> what the key says
    "ended by a bar": (b"abc|\0", 4, 0, "abc"),
    "the bar not counted": (b"abc|\0", 3, 0, "abc"),
    "without a bar": (b"abc\0", 3, 0, "abc"),
    "the NUL counted": (b"abc\0", 4, 0, "abc"),
    "bar and NUL counted": (b"abc|\0", 5, 0, "abc"),
    "the absent last NUL counted": (b"abc|", 5, 0, "abc"),
    "a bar within": (b"a|b|\0", 4, 0, "a|b"),
    "blanks": (b" a |\0", 4, 0, " a "),
    "from the middle": (b"abc|de|\0", 3, 4, "de"),
    "empty": (b"abc|\0", 0, 1, ""),
    "a bar alone": (b"|\0", 1, 0, ""),
    "UTF-8, counted in bytes": ("é€|b|\0".encode(), 6, 0, "é€"),
    "behind UTF-8, the index in bytes": ("é€|b|\0".encode(), 2, 6, "b"),
    "Latin-1": ("Zürich|\0".encode("latin-1"), 7, 0, "Zürich"),
}


@pytest.mark.parametrize(("text", "count", "index", "said"), TEXTS.values(), ids=TEXTS)
def test_text_is_cut_by_bytes_and_loses_its_bar(
    text: bytes, count: int, index: int, said: str
) -> None:
    with no_warning():
        assert parse_geokeys(geo_ifd((1026, TEXT, count, index), text=text)) == {1026: said}


# What is not found

GOOD: Row = (1024, HERE, 1, 2)

LOST: dict[str, tuple[Row, str]] = {
    "a double behind the last": ((3082, DOUBLES, 1, 2), "has no 1 values at 2"),
    "doubles that reach too far": ((3082, DOUBLES, 3, 0), "has no 3 values at 0"),
    "no doubles": ((3082, DOUBLES, 0, 0), "has no 0 values at 0"),
    "text behind the end": ((3082, TEXT, 1, 5), "has no 1 values at 5"),
    "text that reaches too far": ((3082, TEXT, 6, 0), "has no 6 values at 0"),
    "shorts that reach too far": ((3082, DIRECTORY, 2, 11), "has no 2 values at 11"),
    "a tag that is absent": ((3082, 65000, 1, 0), "65000 has no 1 values at 0"),
    "a tag that is text": ((3082, Tag.Software, 1, 0), "ASCII, where a whole number is expected"),
}


@pytest.mark.parametrize(("key", "message"), LOST.values(), ids=LOST)
@every_variant
def test_a_key_whose_value_is_not_there_is_left_out_with_a_warning(
    byteorder: str, big: bool, key: Row, message: str
) -> None:
    entries = [
        entry(Tag.Software, ASCII, "x"),
        entry(DIRECTORY, SHORT, directory_of(key, GOOD)),
        entry(DOUBLES, DOUBLE, [1.0, 2.0]),
        entry(TEXT, ASCII, b"abc\0"),
    ]
    ifd = one_ifd(entries, byteorder=byteorder, big=big)
    with pytest.warns(TiffWarning, match=rf"ProjFalseEastingGeoKey \(3082\) is ignored.*{message}"):
        assert parse_geokeys(ifd) == {1024: 2}


@pytest.mark.parametrize("location", [DOUBLES, TEXT])
def test_parameters_that_are_absent_are_a_warning(location: int) -> None:
    ifd = geo_ifd((3082, location, 1, 0), (3083, location, 5, 70), GOOD)
    with pytest.warns(TiffWarning, match=r"GeoKey ProjFalseNorthingGeoKey \(3083\) is ignored"):
        assert set(parse_geokeys(ifd)) - {3082} == {1024}


@pytest.mark.parametrize(("location", "field_type"), [(DOUBLES, DOUBLE), (TEXT, ASCII)])
def test_parameters_past_the_files_end_are_a_warning(location: Tag, field_type: int) -> None:
    entries = [
        entry(DIRECTORY, SHORT, directory_of((3082, location, 1, 0), GOOD)),
        entry(location, field_type, bytes(24), offset=9000),
    ]
    ifd = one_ifd(entries)
    with pytest.warns(TiffWarning, match=r"\(3082\) is ignored.*past the end of the file"):
        assert parse_geokeys(ifd) == {1024: 2}


# The directory itself


def test_no_directory_is_no_keys() -> None:
    with no_warning():
        assert parse_geokeys(one_ifd([entry(65000, SHORT, 1)])) == {}


def test_a_directory_of_no_keys_is_no_keys() -> None:
    with no_warning():
        assert parse_geokeys(geo_ifd()) == {}


SPOILT: dict[str, tuple[Entry, str]] = {
    "shorter than its header": (entry(DIRECTORY, SHORT, [1, 1, 0]), "it has only 3 numbers"),
    "text": (
        entry(DIRECTORY, ASCII, "1 1 0 1"),
        "ignored.*ASCII, where a whole number is expected",
    ),
    "doubles": (entry(DIRECTORY, DOUBLE, [1.0] * 8), "ignored.*DOUBLE, where a whole number"),
    "past the file's end": (
        entry(DIRECTORY, SHORT, [0] * 8, offset=9000),
        "ignored.*16 bytes lies past the end",
    ),
}


@pytest.mark.parametrize(("directory", "message"), SPOILT.values(), ids=SPOILT)
@every_variant
def test_a_directory_that_cannot_be_read_is_no_keys_and_a_warning(
    byteorder: str, big: bool, directory: Entry, message: str
) -> None:
    ifd = one_ifd([directory], byteorder=byteorder, big=big)
    with pytest.warns(TiffWarning, match=message):
        assert parse_geokeys(ifd) == {}


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
@pytest.mark.parametrize("claimed", [2, 65535])
def test_of_a_directory_that_is_cut_off_the_whole_keys_are_kept(claimed: int, cut: int) -> None:
    numbers = directory_of(GOOD, (2048, HERE, 1, 4326), claimed=claimed)[:-cut]
    ifd = one_ifd([entry(DIRECTORY, SHORT, numbers)])
    with pytest.warns(TiffWarning, match=f"ends before its {claimed} keys"):
        assert parse_geokeys(ifd) == {1024: 2}


def test_a_directory_of_longs_will_do() -> None:
    ifd = one_ifd([entry(DIRECTORY, LONG, directory_of((2048, HERE, 1, 4326)))])
    assert parse_geokeys(ifd) == {2048: 4326}


def test_every_key_that_is_left_out_has_a_warning_of_its_own() -> None:
    ifd = geo_ifd(*((key, DOUBLES, 1, 0) for key in (3082, 3083, 3084)))
    assert len(warned(lambda: parse_geokeys(ifd))) == 3


# Names


def test_a_keys_name_has_its_number() -> None:
    assert key_name(3072) == "ProjectedCRSGeoKey (3072)"
    assert key_name(60000) == "60000"


@pytest.mark.parametrize("key", GeoKey)
def test_the_numbers_of_geokeys_are_those_that_tifffile_has(key: GeoKey) -> None:
    assert key in {*tifffile.TIFF.GEO_KEYS, GeoKey.GeogTOWGS84GeoKey, GeoKey.CoordinateEpochGeoKey}


# Files


def geokeys_by_tifffile(data: bytes) -> dict[int, Any]:
    """GeoKeys by their number."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        found = file.pages[0].geotiff_tags or {}
    numbers = {key.name: int(key) for key in tifffile.TIFF.GEO_KEYS}
    return {numbers[name]: value for name, value in found.items() if name in numbers}


@every_file
def test_geokeys_of_the_test_data_are_those_that_tifffile_finds(name: str) -> None:
    data = (TESTDATA / name).read_bytes()
    with no_warning():
        assert parse_geokeys(read(data).ifds[0]) == geokeys_by_tifffile(data)


def test_the_test_data_has_georeferenced_files() -> None:
    keys = parse_geokeys(read((TESTDATA / "special/geo_degrees.tif").read_bytes()).ifds[0])
    assert keys[GeoKey.GeodeticCRSGeoKey] == 4326
    assert keys[GeoKey.GeodeticCitationGeoKey] == "WGS 84"
    assert keys[GeoKey.EllipsoidSemiMajorAxisGeoKey] == 6378137.0
