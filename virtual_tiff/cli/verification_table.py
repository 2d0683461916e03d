"""What `verify` has found, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from virtual_tiff.tiff.redaction import redacted

if TYPE_CHECKING:
    from virtual_tiff.publishing.verification import Verification

__all__ = ["lines"]


def lines(found: Verification) -> Iterator[str]:
    """Yield a line a source that is not unchanged, and a summary."""
    width = max((len(source.status) for source in found.differing), default=0)
    for source in found.differing:
        url = redacted(source.url)
        # a store's error names the url already
        reason = (source.error or "").removeprefix(f"{url}: ")
        yield f"{source.status:<{width}}  {url}  {reason}".rstrip()
    counts = ", ".join(f"{count} {status}" for status, count in found.counts.items() if count)
    yield f"{found.total} source{'' if found.total == 1 else 's'}: {counts or 'none'}"
    if not found.has_ledger:
        yield (
            "this repository does not say what its sources were when it was published, so a"
            " change cannot be told; Icechunk refuses to read from a changed source if the"
            " publisher gave each reference a checksum"
        )
