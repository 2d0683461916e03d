"""A source that reads no more of a file than the limits allow."""

from __future__ import annotations

from collections.abc import Sequence

from .limits import Limits
from .source import ByteRange, ByteSource, SourceState

__all__ = ["BoundedSource"]


class BoundedSource:
    """Counts requests and bytes, and asks for nothing that is above the limits.

    Wrap the store's own source in it, and that in `ReadAhead`: what `ReadAhead` reads beyond
    what is asked for counts too.
    """

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._requests = 0
        self._bytes = 0

    @property
    def state(self) -> SourceState | None:
        """The state of the wrapped source."""
        return self._source.state

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """See `ByteSource.read_ranges`.

        Raises
        ------
        LimitError
            If the file takes more requests or bytes than the limits allow.
        """
        self._requests += len(ranges)
        self._bytes += sum(end - start for start, end in ranges)
        self._limits.check("requests", self._requests, "requests to read the file", of_file=True)
        what = "bytes fetched from the file"
        self._limits.check("fetched_bytes", self._bytes, what, of_file=True)
        return await self._source.read_ranges(ranges)
