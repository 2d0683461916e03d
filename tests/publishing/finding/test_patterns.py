"""Regular expressions that are searched for in the names of files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from virtual_tiff.publishing.finding.patterns import Pattern, TimePattern, is_pattern
from virtual_tiff.sources.locations import Location


def at(url: str) -> Location:
    store: Any = None
    return Location(name=url, url=url, store=store, path="")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("(a)", True), ("(?P<a>b)", True), ("(?:a)", False), ("a.csv", False), ("(a", False)],
)
def test_a_pattern_has_a_group(text: str, pattern: bool) -> None:
    assert is_pattern(text) == pattern
    if not pattern:
        with pytest.raises(ValueError, match=r"^time '.*' (has no group|is not a regular expres)"):
            Pattern.of(text, "time")


@pytest.mark.parametrize(
    ("text", "url", "value"),
    [
        ("([a-z]+)", "s3://bucket/dir/name.tif", "name"),
        ("/([a-z]+)/", "s3://bucket/dir/name.tif", "dir"),
        ("^(b[a-z]+)/", "s3://bucket/dir/name.tif", "bucket"),
        ("(b)_?(c)?", "s3://x/ab.tif", "b"),
        ("(b)-(c)", "s3://x/ab-c.tif", "b_c"),
        ("(z*)", "s3://x/a.tif", None),
        ("(z+)", "s3://x/a.tif", None),
        # of a web server a query is no name, of a bucket it is a part of one
        (r"([a-z]+)$", "https://host/a.tif?sig=token", "tif"),
        (r"([a-z]+)$", "http://host/a.tif?x/y", "tif"),
        (r"([a-z]+)$", "s3://bucket/a.tif?sig=token", "token"),
        (r"\?([a-z]+)$", "file:///d/a?b", "b"),
        # names are those that people see
        ("(ä b)", "file:///d/%C3%A4%20b.tif", "ä b"),
        ("(%20)", "file:///d/a%20b.tif", None),
    ],
)
def test_what_a_pattern_finds(text: str, url: str, value: str | None) -> None:
    assert Pattern.of(text, "variable").value(at(url)) == value


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (
            "(a)",
            "variable '(a)' is not found in the name (a pattern with a / is searched in",
        ),
        ("/(a)", "variable '/(a)' is not found in the path"),
    ],
)
def test_the_error_says_where_it_was_searched_for(text: str, where: str) -> None:
    hint = Pattern.of(text, "variable").hint()
    assert hint.startswith(where)
    assert hint.endswith("path)" if text == "(a)" else "path")


JANUARY = datetime(2023, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name", "time"),
    [
        (r"_(\d{8})", "a_20230102", JANUARY),
        (r"_(?P<time>\d{8})", "a_20230102", JANUARY),
        (r"_(?P<date>\d{8})", "a_20230102", JANUARY),
        (r"_(\d{6})=%d%m%y", "a_020123", JANUARY),
        (r"(?P<year>\d{4})(?P<doy>\d{3})", "a_2023002", JANUARY),
        (r"(?P<year>\d{4})_(?P<day>\d\d)_(?P<month>\d\d)", "2023_02_01", JANUARY),
        (r"(\d+)=%d", "none", None),
    ],
)
def test_times(text: str, name: str, time: datetime | None) -> None:
    assert TimePattern.of(text).value(at(f"s3://b/{name}.tif")) == time


@pytest.mark.parametrize(
    "text",
    [
        r"(\d+)_(\d+)",
        r"(?P<other>\d+)",
        r"(?P<time>\d+)_(?P<date>\d+)",
        r"(?P<year>\d+)_(?P<time>\d+)",
        r"(?P<year>\d+)_(\d+)",
        r"(?P<year>\d+)=%Y",
        r"(?P<year>\d+)_(?P<month>\d+)=%Y",
    ],
)
def test_patterns_that_have_no_one_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"must have one group, as .* called year, month, day"):
        TimePattern.of(text)


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (
            r"_(\d{6})",
            "a_200102",
            r"^s3://b/a_200102\.tif: '200102' is not clearly a time;",
        ),
        (r"_(\d{6})=%d%m%y", "a_992313", r"'992313' is not a time of the form %d%m%y$"),
        (
            r"_(?P<year>\d{4})-(?P<month>\d\d)",
            "a_2023-13",
            r"^s3://b/a_2023-13\.tif: '_2023-13' is not a time$",
        ),
    ],
)
def test_texts_that_are_no_time(text: str, name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TimePattern.of(text).value(at(f"s3://b/{name}.tif"))


def test_a_secret_in_the_name_of_a_file_is_not_shown() -> None:
    with pytest.raises(ValueError, match="is not clearly a time") as caught:
        TimePattern.of(r"_(\d{6})").value(at("https://h/a_200102.tif?sig=hush"))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("(a)=%Y", ("(a)", "%Y")),
        ("(a)", ("(a)", None)),
        ("(a)=b", ("(a)=b", None)),  # no format: a part of the pattern
        ("a=%Y(b)", ("a=%Y(b)", None)),
        ("(a=b)=%Y", ("(a=b)", "%Y")),
    ],
)
def test_the_format_follows_the_last_sign(text: str, parts: tuple[str, str | None]) -> None:
    assert TimePattern.parted(text) == parts
