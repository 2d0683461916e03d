"""Is it the same object? One answer for all parts of the package.

An object is asked for its state (size, ETag, time, version) again and again: for each part that is
read of one file, when a file is published a second time, when a cache is looked into, when a
published repository is verified. Stores tell the same state in different ways. A listing has
fractions of a second where a header has none; caches weaken an ETag, or append the encoding of a
body; a local ETag is made of the file's number on its disk, so a copy has another one. With several
rules a file would be changed for one and unchanged for another.

`same_object` compares, in this order, and the first that both states have decides:

1. the sizes: different ones are of different objects;
2. the versions, if they are equal: a version is never written to again;
3. the ETags. Different ones are of different objects, also weak ones (RFC 9110, 8.8.1). Equal ones
   are of one object; if either is weak or was marked by a cache, the times must agree too;
4. the times, to the second where either has no fraction;
5. the versions, if they are different.

Without any of these nothing is known, and nobody may take the object for the same. Two things
depend on the caller. The ETag of a local file is compared only within one read, where a file with
another number has been replaced; between two runs size and exact time decide, as Icechunk's do.
And within one read the times of equal ETags are not compared: the servers of one host may differ
in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from virtual_tiff.tiff import SourceState

__all__ = ["Comparison", "known_time", "same_object", "strong_etag"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two states of an object."""

    answer: Literal["same", "other", "unknown"]
    words: str | None = None
    """The difference, or the reason why there is no answer."""

    @property
    def same(self) -> bool:
        """Whether it is known to be the same object."""
        return self.answer == "same"

    @property
    def other(self) -> bool:
        """Whether it is known to be another object."""
        return self.answer == "other"


_SAME = Comparison("same")
_UNKNOWN = Comparison("unknown", "its size is the same, and there is no ETag or time to compare")


def same_object(  # noqa: PLR0911 (one for each rule)
    before: SourceState, now: SourceState, *, url: str, one_read: bool = False
) -> Comparison:
    """Compare the earlier and the present state of an object.

    The url tells whether it is a local file, whose ETag says something else than those of others.
    `one_read`: both states are of one reading of a file, whose parts must be of one object.
    """
    local = urlsplit(url).scheme.lower() == "file"
    if before.size != now.size:
        return Comparison("other", f"its size was {before.size:,} bytes and is {now.size:,} bytes")
    if before.version is not None and before.version == now.version:
        return _SAME
    certain = False
    if before.etag and now.etag and (one_read or not local):
        # the listings of Azure have no quotes
        if _MARKED.sub("", before.etag).strip('"') != _MARKED.sub("", now.etag).strip('"'):
            return Comparison("other", f"its ETag was {before.etag} and is {now.etag}")
        certain = True
        strong = strong_etag(now) is not None and before.etag.strip('"') == now.etag.strip('"')
        if one_read or strong:
            return _SAME
    earlier, later = known_time(before), known_time(now)
    if earlier is not None and later is not None:
        if not local and not (earlier.microsecond and later.microsecond):
            # a header has whole seconds where a listing of the same store has parts
            earlier, later = earlier.replace(microsecond=0), later.replace(microsecond=0)
        if earlier == later:
            return _SAME
        words = f"its time was {earlier.isoformat()} and is {later.isoformat()}"
        return Comparison("other", words)
    if certain:
        return _SAME
    if before.version is not None and now.version is not None:
        return Comparison("other", f"its version was {before.version} and is {now.version}")
    return _UNKNOWN


_MARKED = re.compile(r'^[Ww]/|(-{1,2}|;)(gzip|br|deflate|zstd)(?="$)')
"""The marks of caches on the ETag of a body that they compress, or might: nginx and Cloudflare
weaken it, Apache, Jetty and others append the encoding."""


def strong_etag(state: SourceState) -> str | None:
    """Return the ETag if it tells every change of the bytes (RFC 9110, 8.8.1); else None."""
    etag = state.etag
    return etag if etag and not etag.startswith(("W/", "w/")) else None


def known_time(state: SourceState) -> datetime | None:
    """Return the time of the last modification; None if the store has not told any.

    obstore gives the beginning of 1970 in place of an absent header.
    """
    modified = state.last_modified
    return modified if modified is not None and modified.timestamp() > 0 else None
