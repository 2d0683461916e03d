"""The checksum that Icechunk compares with a source at each read, so that it notices a change.

Icechunk takes one of two things a reference: an ETag, which it sends as `If-Match`, or a
time in whole seconds, which it sends as `If-Unmodified-Since`. Which of the two serves is a
matter of the scheme; `docs/drift.md` shows what comes of it, measured.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from virtual_tiff.sources.identity import known_time, strong_etag
from virtual_tiff.sources.urls import scheme_of
from virtual_tiff.tiff import SourceState

__all__ = ["checksum_of"]

_HONOUR_ETAGS = frozenset({"s3"})
"""Schemes that Icechunk reads by a client which sends ETags as they are.

To all others (2.3: `file`, `http`, `gs`, `az`) it sends them without their quotes. Servers that
compare literally, as RFC 9110 wants, then refuse an object that has not changed.
"""

_LAST = datetime.fromtimestamp(2**32 - 1, UTC)
"""Icechunk counts the seconds in 32 bits, without a sign."""


def checksum_of(url: str, state: SourceState) -> str | datetime | None:
    """Return the checksum of a reference to a source that was in this state when it was parsed.

    It is a strong ETag where Icechunk honours it: it notices a change within the second, and
    stands an upload of the same bytes. Else it is the time of the last modification, rounded up
    to the second, as a time that is rounded down would be older than the source itself. It is
    None if there is neither: then no reader notices a change.
    """
    etag = strong_etag(state)
    if etag is not None and scheme_of(url) in _HONOUR_ETAGS:
        return etag
    modified = known_time(state)
    if modified is None:
        return None
    whole = modified.replace(microsecond=0)
    whole += timedelta(seconds=whole != modified)
    return whole if whole <= _LAST else None
