"""Where the next directories of a chain may lie.

A chain says where its next directory is and nothing of the one behind that: a hundred pages
between their pixels cost a hundred round trips, one after another. But pages of a kind are
as long as each other, so the distances seen so far tell where the next few directories are
likely to be, and those can be read along with the one that is known. A forecast is a hint
about which bytes to fetch together; nothing is ever decoded because of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import accumulate, islice, pairwise
from math import sqrt

from .ghost import Ghost
from .source import ByteRange

__all__ = ["Forecast"]

_NEAR = 64 * 1024
"""Values at most this far from their directory are read along with it."""

_SLACK = 512
"""Bytes by which a directory and its values may grow or move without being missed."""

_FIRST, _GROWTH, _MOST = 8, 4, 256
"""Guesses at first, by which factor they grow while all come true, and at most."""

_BYTES_A_GUESS = 16 * 1024
"""Bytes that the guesses of one read may cost on average: 4 MiB in all."""

_MOST_APART = 60
"""Ranges of one read that do not touch: each is a request of a batch, and all of a batch
are to be under way at a time."""

_GAP = 8 * 1024
"""Bytes between two directories that are rather read than asked around."""

_WIDEST = 2 * _NEAR
"""Bytes around a place that is guessed; where it would take more, nothing is known."""

_MOST_WINDOWS = 4096
"""Directories that are guessed at once where they lie side by side."""

_MISSES = 3
"""Forecasts of which nothing came true before they end: these pages follow no rule."""

_REMEMBERED = 13
"""Places of directories that are looked back at."""

_LONGEST_PERIOD = 4
"""Distances that may take turns: of image, mask, thumbnail and label, say."""


class Forecast:
    """The known directories of a chain, and where the next ones probably are.

    Parameters
    ----------
    ghost
        The file's ghost area, if it has one.
    """

    def __init__(self, ghost: Ghost | None = None) -> None:
        self._in_front = ghost if ghost is not None and ghost.ifds_before_data else None
        self._places: deque[int] = deque(maxlen=_REMEMBERED)
        self._before = 0
        self._behind = 0
        self._value_bytes = 0
        self._guesses = _FIRST
        self._open: list[ByteRange] = []
        self._seen = 0
        self._came_true = 0
        self._misses = 0
        self._reads_in_front = 0

    def note(self, offset: int, nbytes: int, values: Iterable[ByteRange]) -> None:
        """Take note of a directory of the chain that was read: where it begins, and its own size.

        `values` are where those of its values lie that are wanted and out of line.
        """
        self._places.append(offset)
        self._behind = max(self._behind, nbytes)
        self._value_bytes = 0
        for start, end in values:
            self._value_bytes += end - start
            if start >= offset - _NEAR and end <= offset + _NEAR:
                self._before = max(self._before, offset - start)
                self._behind = max(self._behind, end - offset)
        if 0 <= self._seen < len(self._open):
            start, end = self._open[self._seen]
            self._came_true += start <= offset < end
        self._seen += 1

    def around(self, offset: int, margin: int = 0) -> ByteRange:
        """Return a directory's place with its values', if it is like those before it."""
        start = offset - self._before - margin
        return max(0, start), offset + self._behind + margin + _SLACK

    def ranges(self, offset: int, left: int | None = None) -> list[ByteRange] | None:
        """Say what to read along with the next directory.

        Parameters
        ----------
        offset
            Where the next directory is: that is known, and it has to be fetched.
        left
            Directories behind it that are wanted; None where nobody knows how many.

        Returns
        -------
        list of ByteRange or None
            The likeliest first; None if nothing is known yet.
        """
        if not self._places:
            return None
        if self._in_front is not None and self._value_bytes and self._reads_in_front < _MISSES:
            self._reads_in_front += 1
            rest = self._in_front.rest_of_header(self._value_bytes)
            return [(offset, offset + max(rest, self._behind + _SLACK))]
        self._judge()
        places = [*self._places, offset]
        most = _MOST_WINDOWS if left is None else min(left, _MOST_WINDOWS)
        self._open = self._windows(places, most) if self._misses < _MISSES else []
        self._seen = -1  # the next one is the one that is known
        return [self.around(offset), *self._open]

    def _judge(self) -> None:
        """Guess more where all came true, and where not, as many as did."""
        if not self._open:
            return
        if self._came_true >= len(self._open):
            self._guesses = min(_GROWTH * self._guesses, _MOST)
        else:
            self._guesses = max(self._came_true, 1)
        self._misses = 0 if self._came_true else self._misses + 1
        self._came_true = 0

    def _windows(self, places: list[int], most: int) -> list[ByteRange]:
        """Return where the directories behind the last place may lie, within all bounds."""
        strides = [after - before for before, after in pairwise(places)]
        period, spread = _rhythm(strides)
        turns = [_typical(strides[-turn::-period]) for turn in range(period, 0, -1)]
        offsets = accumulate((turns[i % period] for i in range(most)), initial=places[-1])
        windows: list[ByteRange] = []
        left = max(self._guesses * _BYTES_A_GUESS, _WIDEST)
        apart, last = 0, self.around(places[-1])
        for step, offset in enumerate(islice(offsets, 1, None), start=1):
            # deviations add up as in a random walk: by the square root of the steps
            start, end = window = self.around(offset, _SLACK + int(spread * sqrt(step)))
            if last[1] < start <= last[1] + _GAP:
                window = last[1], end
            apart += start > last[1] + _GAP or end < last[0]
            left -= window[1] - window[0]
            hopeless = offset <= 0 or end - start > _WIDEST
            if hopeless or left < 0 or apart > min(self._guesses, _MOST_APART):
                break
            windows.append(window)
            last = window
        return windows


def _rhythm(strides: list[int]) -> tuple[int, int]:
    """Return after how many distances they recur, and by how much they then differ."""
    period, spread = 1, _deviation(strides, 1)
    for longer in range(2, _LONGEST_PERIOD + 1):
        # seen twice at least, and clearly better: chance makes longer periods fit too
        if len(strides) >= 2 * longer and 4 * _deviation(strides, longer) < spread:
            period, spread = longer, _deviation(strides, longer)
    return period, spread


def _typical(strides: list[int]) -> int:
    """Return the distance to expect, of those at the same turn, the last one first.

    The last one if it recurs, for pages may have changed their size for good; else the
    median, for what is odd about the last one would add up from page to page.
    """
    if len(strides) < 3 or abs(strides[0] - strides[1]) <= _SLACK:
        return strides[0]
    return sorted(strides)[len(strides) // 2]


def _deviation(strides: list[int], period: int) -> int:
    """Return twice the median difference to the distance one period before.

    The median, for one odd page (the first, with the file's description) is no rule.
    """
    differences = sorted(abs(a - b) for a, b in zip(strides, strides[period:], strict=False))
    return 2 * differences[(len(differences) - 1) // 2] if differences else 0
