"""Errors and warnings: whose fault it is, and where to look."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path

import pytest

from support.build import SHORT, Directory, build, entry
from virtual_tiff.tiff import (
    FormatError,
    LimitError,
    MemorySource,
    TiffError,
    TiffWarning,
    TruncatedError,
    UnsupportedError,
    read_tiff,
)
from virtual_tiff.tiff.errors import source_name, warn

from .reading import warned

KINDS = [TiffError, FormatError, TruncatedError, UnsupportedError, LimitError]
PLACE = {"tag": 259, "ifd": "0/1", "offset": 8, "url": "s3://bucket/a.tif"}

every_kind = pytest.mark.parametrize("kind", KINDS)


def facts(error: TiffError) -> dict[str, object]:
    return {name: getattr(error, name) for name in PLACE}


# The classes


@every_kind
def test_every_error_is_a_tiff_error_and_a_value_error(kind: type[TiffError]) -> None:
    assert issubclass(kind, TiffError)
    assert issubclass(kind, ValueError)


def test_only_what_is_unsupported_is_not_implemented() -> None:
    assert [kind for kind in KINDS if issubclass(kind, NotImplementedError)] == [UnsupportedError]


def test_no_kind_is_another() -> None:
    kinds = KINDS[1:]
    assert [(a, b) for a in kinds for b in kinds if a is not b and issubclass(a, b)] == []


def test_a_warning_is_the_users_to_see() -> None:
    assert issubclass(TiffWarning, UserWarning)


# What an error says

SHOWN = {
    "nothing more": ({}, "broken"),
    "tag": ({"tag": 259}, "broken [tag Compression (259)]"),
    "unknown tag": ({"tag": 65000}, "broken [tag 65000]"),
    "ifd": ({"ifd": "0/1"}, "broken [IFD 0/1]"),
    "offset": ({"offset": 12345}, "broken [offset 12345]"),
    "offset 0": ({"offset": 0}, "broken [offset 0]"),
    "tag 0": ({"tag": 0}, "broken [tag 0]"),
    "url": ({"url": "s3://bucket/a.tif"}, "broken [s3://bucket/a.tif]"),
    "all": (PLACE, "broken [tag Compression (259), IFD 0/1, offset 8, s3://bucket/a.tif]"),
}


@pytest.mark.parametrize(("place", "text"), SHOWN.values(), ids=SHOWN)
@every_kind
def test_its_text_shows_what_is_known(
    kind: type[TiffError], place: dict[str, object], text: str
) -> None:
    assert str(kind("broken", **place)) == text  # type: ignore[arg-type]


@every_kind
def test_its_place_is_there_to_be_asked_for(kind: type[TiffError]) -> None:
    error = kind("broken", **PLACE)  # type: ignore[arg-type]
    assert error.message == "broken"
    assert facts(error) == PLACE


@every_kind
def test_what_is_not_known_is_none(kind: type[TiffError]) -> None:
    assert facts(kind("broken")) == dict.fromkeys(PLACE)


# locate


@pytest.mark.parametrize("name", PLACE)
def test_locate_fills_in_what_was_not_known(name: str) -> None:
    error = FormatError("broken").locate(**{name: PLACE[name]})  # type: ignore[arg-type]
    assert facts(error) == {**dict.fromkeys(PLACE), name: PLACE[name]}


def test_locate_keeps_what_is_known() -> None:
    error = FormatError("broken", **PLACE)  # type: ignore[arg-type]
    error.locate(tag=1, ifd="9", offset=99, url="elsewhere")
    assert facts(error) == PLACE


def test_locate_keeps_a_zero() -> None:
    error = FormatError("broken", tag=0, offset=0).locate(tag=1, offset=99)
    assert (error.tag, error.offset) == (0, 0)


def test_locate_gives_the_error_itself_and_its_text_follows() -> None:
    error = FormatError("broken")
    assert error.locate(ifd="2") is error
    assert error.locate(url="a.tif") is error
    assert str(error) == "broken [IFD 2, a.tif]"


# Across processes


@every_kind
def test_an_error_pickles_with_its_place(kind: type[TiffError]) -> None:
    error = kind("broken", **PLACE)  # type: ignore[arg-type]
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        assert facts(again) == PLACE


def test_a_located_error_pickles_with_what_was_filled_in() -> None:
    error = FormatError("broken", tag=259).locate(url="a.tif")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# Warnings


def test_a_warning_names_the_source_that_is_being_read() -> None:
    token = source_name.set("s3://bucket/a.tif")
    try:
        assert warned(lambda: warn("odd")) == ["s3://bucket/a.tif: odd"]
    finally:
        source_name.reset(token)


def test_a_warning_without_a_source_is_its_message() -> None:
    assert warned(lambda: warn("odd")) == ["odd"]


def test_no_source_is_named_unless_somebody_does() -> None:
    assert source_name.get() is None


async def test_a_warning_points_at_the_callers_own_line() -> None:
    data = build([Directory([entry(256, SHORT, 1), entry(256, SHORT, 1)])])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await read_tiff(MemorySource(data))
    assert [(Path(w.filename).name, w.category) for w in caught] == [
        ("test_errors.py", TiffWarning)
    ]
