"""What a user gives for coordinates, and how the value of one file is found in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from virtual_tiff.publishing.finding.lookups import (
    Lookup,
    lookup,
    lookups_of,
    plain,
    settled,
    time_lookup,
)
from virtual_tiff.sources.locations import Location

NAME = "s3://b/a.tif"


def at(url: str) -> Location:
    store: Any = None
    return Location(name=url, url=url, store=store, path="")


def value(of: Lookup, url: str = NAME) -> Any:
    return of.value(at(url), None)


def table(folder: Path, text: str, name: str = "v.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


# ------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME},5", f"url,value\n{NAME},5", f"URL,VALUE\n{NAME},5", f"url,level\n{NAME},5",
        f"# a comment, with a comma\n\n , \n{NAME} , 5 \n", f"url,other,value\n{NAME},1,5",
        f"{NAME},5\n{NAME},5",
    ],
)  # fmt: skip
def test_a_table_has_a_line_for_each_file(text: str, tmp_path: Path) -> None:
    found = lookup(table(tmp_path, text), "values")
    assert value(found) == "5"
    assert value(found, "s3://b/other.tif") is None
    assert found.texts


def test_a_value_may_begin_as_a_comment_does(tmp_path: Path) -> None:
    assert value(lookup(table(tmp_path, f"{NAME},#5"), "values")) == "#5"


def test_an_empty_table_has_no_values(tmp_path: Path) -> None:
    assert value(lookup(table(tmp_path, ""), "values")) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{NAME},5,6", "a line must have a url and a value, not"),
        (f"{NAME},value,6", "a line must have a url and a value, not"),
        ("url,level,area", r"has the columns url, level, area, and none of value"),
        (f"url,other,value\n{NAME},5", "a line must have a url and a value, not"),
        (",5", "a line must have a url and a value, not"),
    ],
)
def test_lines_that_are_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        lookup(table(tmp_path, text), "values")


def test_texts_of_a_table_may_be_numbers(tmp_path: Path) -> None:
    rows = f"url,level,band\n{NAME},007,B1"
    found = lookups_of(("level", "band", "y"), None, table(tmp_path, rows))
    assert list(found) == ["level", "band"]
    assert settled([value(found["level"])], found["level"], [NAME]) == [7]
    assert settled([value(found["band"])], found["band"], [NAME]) == ["B1"]


# -------------------------------------------------------------------- what a text names


def test_a_word_is_a_property_unless_there_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (
        r"no STAC item has a platform, and values 'platform' is neither a pattern with a group nor"
    )
    assert lookup("platform", "values").hint.startswith(words)
    assert time_lookup("datetime").hint == "no STAC item has a datetime"
    table(tmp_path, f"{NAME},5", "platform")
    assert value(lookup("platform", "values")) == "5"
    with pytest.raises(FileNotFoundError):
        lookup("other.csv", "values")


def test_a_format_may_be_no_regular_expression() -> None:
    time = datetime(2023, 1, 1, tzinfo=UTC)
    text = r"(?P<time>\d{4}\()=%Y("
    assert value(time_lookup(text), "s3://b/2023(.tif") == time
    assert value(lookups_of(("time", "n"), None, text)["time"], "s3://b/2023(.tif") == time
    with pytest.raises(ValueError, match=r"time '\(' is not a regular expression: missing \)"):
        time_lookup("(")
    with pytest.raises(ValueError, match=r"time must be one of 'tag', .* or a regular expression"):
        time_lookup("[")


@pytest.mark.parametrize(
    ("axes", "of_stac", "dimensions"),
    [
        (("time", "y"), True, ["time"]),
        (("time", "y"), False, []),
        (("n", "y"), True, []),
    ],
)
def test_items_of_stac_have_times(
    axes: tuple[str, ...], of_stac: bool, dimensions: list[str]
) -> None:
    assert list(lookups_of(axes, None, None, of_stac=of_stac)) == dimensions


@pytest.mark.parametrize(
    ("axes", "dimension"),
    [((), ""), (("y", "x"), "y"), (("x",), "x"), (("n",), "n"), (("n", "y", "x"), "n")],
)
def test_values_of_no_named_dimension_are_those_of_the_new_one(
    axes: tuple[str, ...], dimension: str
) -> None:
    assert list(lookups_of(axes, None, [1, 2])) == [dimension]


def test_time_and_values_of_one_dimension_contradict_each_other() -> None:
    for values in (r"(\d+)", {"time": r"(\d+)"}):
        with pytest.raises(ValueError, match="time and values both give the coordinates"):
            lookups_of(("time", "y"), r"(\d{8})", values)
    assert list(lookups_of(("time", "n"), r"(\d{8})", r"(\d+)")) == ["time", "n"]


def test_parts_of_a_time_are_those_of_the_first_dimension_of_times() -> None:
    pattern = r"(?P<year>\d{4})(?P<month>\d\d)_(?P<t>\d+)"
    found = lookups_of(("time", "t"), None, pattern)
    url = "s3://b/202302_5.tif"
    assert value(found["time"], url) == datetime(2023, 2, 1, tzinfo=UTC)
    assert value(found["t"], url) == "5"


# ------------------------------------------------------------------- what values mean


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0" * 99 + "7", 7),
        ("0" * 100 + "7", "0" * 100 + "7"),  # longer than any number that people write
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", "9223372036854775808"),
        ("1e308", 1e308),
        ("1e309", "1e309"),
    ],
)
def test_numbers_among_texts(text: str, number: Any) -> None:
    of_texts = Lookup(value=lambda *_: None, texts=True)
    (found,) = settled([text], of_texts, [NAME])
    assert (found, type(found)) == (number, type(number))
    assert settled([text], Lookup(value=lambda *_: None), [NAME]) == [text]


class Named(str):
    """A text of a user's own class."""

    __slots__ = ()
    item = "a name"


@pytest.mark.parametrize("given", [Named("a"), "a", 5, 5.5, -(2**63), 2**63 - 1])
def test_values_that_are_coordinates(given: Any) -> None:
    assert plain(given) is given


@pytest.mark.parametrize("given", [True, "", float("nan"), [1], 2**63, -(2**63) - 1, object(), 1j])
def test_values_that_are_none(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^a\.tif: (the|a) coordinate"):
        plain(given, "a.tif")
