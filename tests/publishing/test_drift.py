"""What becomes of sources, who notices, and the document that says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import icechunk
import pytest

from support.scripts import load_script
from virtual_tiff.publishing.repository.checksums import checksum_of
from virtual_tiff.tiff import SourceState


@pytest.fixture(scope="module")
def script() -> Any:
    icechunk.set_logs_filter("error")
    return load_script("make_drift_table")


@pytest.fixture(scope="module")
def made(script: Any) -> str:
    document: str = script.document()
    return document


def cells(document: str) -> dict[tuple[str, str], str]:
    """The table by row and column."""
    table = document.partition("<!-- table")[2].partition("<!-- end")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line[:1] == "|"]
    head, _, *rows = lines
    return {
        (row[0], place): cell for row in rows for place, cell in zip(head[1:], row[1:], strict=True)
    }


@pytest.mark.long
def test_the_document_is_not_stale(script: Any, made: str) -> None:
    assert script.DOCUMENT.read_text(encoding="utf-8") == made


DRIFT = [
    "rewritten between parse and commit",
    "rewritten after the commit, same size",
    "rewritten, another size",
    "truncated",
    "removed",
]


def test_verify_detects_every_change_everywhere(made: str) -> None:
    said = {where: cell.split("; ")[0] for where, cell in cells(made).items() if where[0] in DRIFT}
    assert len(said) == 7 * len(DRIFT)
    assert {where: word for where, word in said.items() if word not in ("changed", "missing")} == {}


def test_icechunk_refuses_where_there_is_something_to_compare(made: str) -> None:
    blind = ("HTTP without Last-Modified", "HTTP that ignores conditions")
    read = {
        where: cell.split("; ")[1]
        for where, cell in cells(made).items()
        if where[0] in DRIFT and where[1] not in blind
    }
    assert set(read.values()) == {"refused", "error"}


def test_what_has_not_changed_is_read(made: str) -> None:
    found = {cell for (row, _), cell in cells(made).items() if row == "what it was"}
    assert found == {"unchanged; right"}


# ---- the rule

WHOLE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        (WHOLE, WHOLE),
        (WHOLE + timedelta(microseconds=1), WHOLE + timedelta(seconds=1)),
        (datetime(2026, 1, 2, 3, 59, 59, 999999, UTC), datetime(2026, 1, 2, 4, tzinfo=UTC)),
        (WHOLE.astimezone(timezone(timedelta(hours=5))), WHOLE),
        (datetime(1970, 1, 1, tzinfo=UTC), None),
        (datetime(1960, 1, 1, tzinfo=UTC), None),
        (datetime(2200, 1, 1, tzinfo=UTC), None),
        (None, None),
    ],
)
def test_a_time_is_rounded_up(modified: datetime | None, expected: datetime | None) -> None:
    state = SourceState(size=1, etag='"a"', last_modified=modified)
    assert checksum_of("https://h/a.tif", state) == expected


@pytest.mark.parametrize(
    ("url", "etag", "expected"),
    [
        ("s3://b/a.tif", '"a"', '"a"'),
        ("S3://b/a.tif", '"a"', '"a"'),
        ("s3://b/a.tif", 'W/"a"', WHOLE),
        ("s3://b/a.tif", None, WHOLE),
        ("s3://b/a.tif", "", WHOLE),
        ("gs://b/a.tif", '"a"', WHOLE),
        ("az://b/a.tif", '"a"', WHOLE),
        ("http://h/a.tif", '"a"', WHOLE),
        ("file:///a.tif", '"a"', WHOLE),
    ],
)
def test_an_etag_only_where_icechunk_honours_it(
    url: str, etag: str | None, expected: str | datetime
) -> None:
    state = SourceState(size=1, etag=etag, last_modified=WHOLE)
    assert checksum_of(url, state) == expected
