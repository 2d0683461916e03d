"""The checksum of a reference: an ETag where Icechunk honours it, a whole second elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from virtual_tiff.publishing.repository.checksums import checksum_of
from virtual_tiff.tiff import SourceState

SECOND = datetime(2023, 1, 1, 12, tzinfo=UTC)
LAST = datetime.fromtimestamp(2**32 - 1, UTC)
TICK = timedelta(microseconds=1)


def state(etag: str | None = None, modified: datetime | None = None) -> SourceState:
    return SourceState(size=9, etag=etag, last_modified=modified, version=None)


@pytest.mark.parametrize("url", ["s3://b/a.tif", "S3://b/a.tif"])
def test_s3_has_strong_etags(url: str) -> None:
    assert checksum_of(url, state('"abc"', SECOND)) == '"abc"'
    assert checksum_of(url, state('"abc"')) == '"abc"'
    assert checksum_of(url, state('W/"abc"', SECOND)) == SECOND
    assert checksum_of(url, state(None, SECOND)) == SECOND


@pytest.mark.parametrize(
    "url", ["https://h/a.tif", "file:///a.tif", "gs://b/a.tif", "az://b/a.tif"]
)
def test_other_stores_have_times(url: str) -> None:
    assert checksum_of(url, state('"abc"', SECOND)) == SECOND
    assert checksum_of(url, state('"abc"')) is None


@pytest.mark.parametrize(
    ("modified", "checksum"),
    [
        (SECOND, SECOND),
        (SECOND + TICK, SECOND + timedelta(seconds=1)),
        (SECOND - TICK, SECOND),
        (LAST, LAST),
        (LAST - TICK, LAST),
        (LAST + TICK, None),  # Icechunk has no such time
        (LAST + timedelta(seconds=1), None),
    ],
)
def test_times_are_rounded_up_to_the_second(modified: datetime, checksum: datetime | None) -> None:
    assert checksum_of("file:///a.tif", state(None, modified)) == checksum
