"""Is it the same object? One table of cases, and all who ask answer by it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icechunk
import pytest
from obstore.store import LocalStore, MemoryStore

from support.scenes import dated
from virtual_tiff import verify
from virtual_tiff.publishing import publish
from virtual_tiff.publishing.finding.items import Item
from virtual_tiff.publishing.reading.record import Record
from virtual_tiff.publishing.reading.spool import Spool, microseconds
from virtual_tiff.publishing.verification import change
from virtual_tiff.sources.identity import same_object
from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.object_source import ChangedError, check_unchanged
from virtual_tiff.tiff import SourceState

DAY = datetime(2026, 11, 1, 12, 30, 15, tzinfo=UTC)
LATER = DAY + timedelta(seconds=9)
PART = DAY + timedelta(milliseconds=250)
NONE: dict[str, Any] = {"etag": None, "last_modified": None}

S3, HTTP, FILE = "s3://bucket/a.tif", "https://host/a.tif", "file:///data/a.tif"

CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], str, str]] = [
    # what it is, url, before, now, between two runs, within one read
    ("equal states", S3, {}, {}, "same", "same"),
    ("another size", S3, {}, {"size": 2}, "other", "other"),
    (
        "another size, the same ETag and version",
        S3,
        {"version": "1"},
        {"size": 2, "version": "1"},
        "other",
        "other",
    ),
    ("another ETag", S3, {}, {"etag": '"b"'}, "other", "other"),
    ("another ETag at the same time", HTTP, {}, {"etag": '"b"'}, "other", "other"),
    ("the same bytes uploaded again", S3, {}, {"last_modified": LATER}, "same", "same"),
    ("an ETag that a cache weakened", HTTP, {}, {"etag": 'W/"a"'}, "same", "same"),
    ("an ETag that Apache marked", HTTP, {}, {"etag": '"a-gzip"'}, "same", "same"),
    ("an ETag that Jetty marked", HTTP, {"etag": '"a--gzip"'}, {}, "same", "same"),
    ("an ETag with a marked weak one", HTTP, {"etag": '"a;br"'}, {"etag": 'W/"a"'}, "same", "same"),
    ("equal weak ETags", HTTP, {"etag": 'W/"a"'}, {"etag": 'W/"a"'}, "same", "same"),
    (
        "equal weak ETags, another time",
        HTTP,
        {"etag": 'W/"a"'},
        {"etag": 'W/"a"', "last_modified": LATER},
        "other",
        "same",
    ),
    (
        "equal weak ETags without a time",
        HTTP,
        {"etag": 'W/"a"'},
        {"etag": 'W/"a"', "last_modified": None},
        "same",
        "same",
    ),
    ("different weak ETags", HTTP, {"etag": 'W/"a"'}, {"etag": 'W/"b"'}, "other", "other"),
    ("a strong and another weak ETag", HTTP, {}, {"etag": 'W/"b"'}, "other", "other"),
    ("no ETag any more, the same time", HTTP, {}, {"etag": None}, "same", "same"),
    (
        "no ETag any more, another time",
        HTTP,
        {},
        {"etag": None, "last_modified": LATER},
        "other",
        "other",
    ),
    (
        "no ETags, another time",
        HTTP,
        {"etag": None},
        {"etag": None, "last_modified": LATER},
        "other",
        "other",
    ),
    (
        "a listing's time and a header's",
        HTTP,
        {"etag": None, "last_modified": PART},
        {"etag": None},
        "same",
        "same",
    ),
    (
        "times that differ within a second",
        HTTP,
        {"etag": None, "last_modified": PART},
        {"etag": None, "last_modified": PART + timedelta(milliseconds=1)},
        "other",
        "other",
    ),
    ("neither ETag nor time", HTTP, NONE, NONE, "unknown", "unknown"),
    ("a time that was not known", HTTP, NONE, {}, "unknown", "unknown"),
    (
        "the beginning of 1970 for no time",
        HTTP,
        {"etag": None},
        {"etag": None, "last_modified": datetime(1970, 1, 1, tzinfo=UTC)},
        "unknown",
        "unknown",
    ),
    (
        "a copy of a local file with its time",
        FILE,
        {"etag": '"1-5-1"'},
        {"etag": '"2-5-1"'},
        "same",
        "other",
    ),
    (
        "a local file written again",
        FILE,
        {"etag": '"1-5-1"'},
        {"etag": '"1-6-1"', "last_modified": LATER},
        "other",
        "other",
    ),
    ("a local file within the second", FILE, {"last_modified": PART}, {}, "other", "same"),
    (
        "a local file with its number and another time",
        FILE,
        {},
        {"last_modified": LATER},
        "other",
        "same",
    ),
]
VERSIONS = [
    ("the same version", S3, NONE | {"version": "1"}, NONE | {"version": "1"}, "same", "same"),
    ("another version", S3, NONE | {"version": "1"}, NONE | {"version": "2"}, "other", "other"),
    ("another version of the same bytes", S3, {"version": "1"}, {"version": "2"}, "same", "same"),
]
"""Ledgers have no versions."""

KNOWN: dict[str, Any] = {"size": 1, "etag": '"a"', "last_modified": DAY}
IDS = [case[0] for case in CASES]


def states(case: tuple[Any, ...]) -> tuple[SourceState, SourceState]:
    return SourceState(**KNOWN | case[2]), SourceState(**KNOWN | case[3])


@pytest.mark.parametrize("case", CASES + VERSIONS, ids=[*IDS, *(case[0] for case in VERSIONS)])
def test_the_table(case: tuple[Any, ...]) -> None:
    _, url, _, _, runs, read = case
    before, now = states(case)
    assert same_object(before, now, url=url).answer == runs
    assert same_object(now, before, url=url).answer == runs
    assert same_object(before, now, url=url, one_read=True).answer == read
    assert (same_object(before, now, url=url).words is None) == (runs == "same")


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_parser_joins_parts_by_the_table(case: tuple[Any, ...]) -> None:
    try:
        check_unchanged(*states(case), case[1])
        joined = True
    except ChangedError:
        joined = False
    assert joined == (case[5] != "other")


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_verify_answers_by_the_table(case: tuple[Any, ...]) -> None:
    answers = {"same": "unchanged", "other": "changed", "unknown": "unknown"}
    assert change(case[1], *states(case))[0] == answers[case[4]]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_publish_answers_by_the_table(case: tuple[Any, ...]) -> None:
    """Of a file in the ledger; it is published again unless it is known to be the same."""
    _, url, _, _, runs, _ = case
    before, now = states(case)
    with Spool(None) as spool:
        spool.add_items([item(url, now)])
        columns = (before.size, before.etag or "", microseconds(before.last_modified))
        spool.add_published([(0, url, *columns, "", "", 0)])
        spool.settle(replace=False)
        assert spool.count("unchanged" if runs == "same" else "changed") == 1


@pytest.mark.parametrize("case", CASES + VERSIONS, ids=lambda case: case[0])
def test_the_cache_answers_by_the_table(case: tuple[Any, ...], tmp_path: Path) -> None:
    _, url, _, _, runs, _ = case
    before, now = states(case)
    cache = tmp_path / "cache.sqlite"
    record = Record(url, before, '{"inline":[]}', "{}", (), b"", 0)
    with Spool(cache) as spool:
        spool.add_items([item(url, before)])
        spool.recall("")
        spool.add(0, record)
        spool.save()
    with Spool(cache) as spool:
        spool.add_items([item(url, now)])
        spool.recall("")
        spool.settle(replace=False)
        assert spool.count("read" if runs == "same" else "new") == 1


def item(url: str, state: SourceState) -> Item:
    return Item(Location(name=url, url=url, store=MemoryStore(), path="a.tif"), {}, None, state)


@pytest.fixture
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.mark.usefixtures("_quiet_icechunk")
def test_a_file_restored_with_its_time_is_unchanged_for_all(tmp_path: Path) -> None:
    path = dated(tmp_path / "scenes" / "a.tif", "2023-01-01", seed=1)
    os.utime(path, (1_700_000_000,) * 2)
    options: dict[str, Any] = {"concat": "time", "time": "tag"}
    publish([path], tmp_path / "cube", **options)
    before = LocalStore().head(str(path))["e_tag"]
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    os.utime(copy, (1_700_000_000,) * 2)
    copy.replace(path)
    assert LocalStore().head(str(path))["e_tag"] != before
    assert verify(tmp_path / "cube").counts["unchanged"] == 1
    again = publish([path], tmp_path / "cube", append=True, **options)
    assert (again.unchanged, again.changed) == (1, ())


def test_a_listing_of_azure_has_no_quotes() -> None:
    listed, asked = SourceState(size=1, etag="0x8D1"), SourceState(size=1, etag='"0x8D1"')
    assert same_object(listed, asked, url="az://c/1.tif").same
    assert same_object(asked, SourceState(size=1, etag="0x8D2"), url="az://c/1.tif").other
