"""Where bytes come from: memory, and the wrappers that read ahead and count."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from virtual_tiff.tiff import (
    ByteRange,
    CountingSource,
    MemorySource,
    ReadAhead,
    Reading,
    SourceState,
    TruncatedError,
)
from virtual_tiff.tiff import source as source_module

from .reading import run

DATA = bytes(range(256)) * 40
"""10,240 bytes; no two places within 256 bytes look alike."""


class Recorded(MemorySource):
    """Memory that keeps what it was asked for, batch by batch."""

    def __init__(self, data: bytes = DATA) -> None:
        super().__init__(data)
        self.batches: list[list[ByteRange]] = []

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        self.batches.append(list(ranges))
        return await super().read_ranges(ranges)


def ahead(*reads: list[ByteRange], head: int = 100, step: int = 50) -> list[list[ByteRange]]:
    """What a `ReadAhead` asks its source for, behind the head, when asked for `reads`."""
    inner = Recorded()
    wrapped = ReadAhead(inner, Reading(head=head, ahead=step))
    run(wrapped.read_ranges([(0, 1)]))
    for ranges in reads:
        assert run(wrapped.read_ranges(ranges)) == [DATA[start:end] for start, end in ranges]
    assert inner.batches[0] == [(0, head)]
    return inner.batches[1:]


# Memory

READS = {
    "nothing": ([], []),
    "one": ([(0, 3)], [b"abc"]),
    "several, in any order": ([(4, 6), (0, 2), (4, 6)], [b"ef", b"ab", b"ef"]),
    "past the end": ([(4, 100)], [b"ef"]),
    "behind the end": ([(6, 9), (100, 200)], [b"", b""]),
    "empty": ([(2, 2)], [b""]),
    "an offset above all bounds": ([(2**64 - 1, 2**64)], [b""]),
}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize(("ranges", "expected"), READS.values(), ids=READS)
def test_memory_gives_the_bytes_that_there_are(
    ranges: list[ByteRange], expected: list[bytes], kind: type[Any]
) -> None:
    found = run(MemorySource(kind(b"abcdef")).read_ranges(ranges))
    assert found == expected
    assert all(buffer.readonly for buffer in found)


def test_memory_has_a_size_and_nothing_else() -> None:
    assert MemorySource(b"abc").state == SourceState(size=3)
    state = MemorySource(b"").state
    assert (state.size, state.etag, state.last_modified, state.version) == (0, None, None, None)


# Counting


def test_counting_counts_batches_requests_and_bytes() -> None:
    counting = CountingSource(MemorySource(b"abcdef"))
    assert run(counting.read_ranges([(0, 2), (5, 9)])) == [b"ab", b"f"]
    assert run(counting.read_ranges([(1, 2)])) == [b"b"]
    assert (counting.batches, counting.requests, counting.bytes_read) == (2, 3, 4)


class Stateless(MemorySource):
    """A source that breaks its promise: no state, even after a read."""

    state = None  # type: ignore[assignment]


@pytest.mark.parametrize("wrap", [CountingSource, ReadAhead])
def test_a_wrapper_has_the_state_of_its_source(wrap: Any) -> None:
    assert wrap(MemorySource(b"abc")).state == SourceState(size=3)
    assert wrap(Stateless(b"abc")).state is None


def test_read_ahead_names_a_source_without_state() -> None:
    with pytest.raises(TypeError, match="Stateless must have a state after a read"):
        run(ReadAhead(Stateless(b"abc")).read_ranges([(0, 1)]))


# Read-ahead


def test_the_first_read_is_the_head_whatever_is_asked_for() -> None:
    inner = Recorded()
    run(ReadAhead(inner).read_ranges([(0, 16)]))
    assert inner.batches == [[(0, 32 * 1024)]]


@pytest.mark.parametrize(
    "ranges", [[], [(0, 100)], [(99, 100)], [(0, 1), (50, 60), (5, 5)]], ids=repr
)
def test_what_is_in_the_head_costs_no_request(ranges: list[ByteRange]) -> None:
    assert ahead(ranges) == []


FETCHES: dict[str, tuple[list[list[ByteRange]], list[list[ByteRange]]]] = {
    "a little more than asked": ([[(200, 210)]], [[(200, 250)]]),
    "no more where much is asked": ([[(200, 300)]], [[(200, 300)]]),
    "what was read ahead is there": ([[(200, 210)], [(210, 250)]], [[(200, 250)]]),
    "of one byte further, that byte and more": (
        [[(200, 210)], [(210, 251)]],
        [[(200, 250)], [(250, 300)]],
    ),
    "two places are one batch": ([[(200, 210), (900, 910)]], [[(200, 250), (900, 950)]]),
    "neighbours are one request": ([[(200, 210), (240, 260)]], [[(200, 290)]]),
    "touching ranges are one request": ([[(200, 210), (250, 260)]], [[(200, 300)]]),
    "a gap of one byte is kept": ([[(200, 210), (251, 260)]], [[(200, 250), (251, 301)]]),
    "in the order of the file": ([[(900, 910), (200, 210)]], [[(200, 250), (900, 950)]]),
    "the same twice": ([[(200, 210), (200, 210)]], [[(200, 250)]]),
    "one in another": ([[(200, 400), (250, 260)]], [[(200, 400)]]),
    "one longer than another": ([[(200, 210), (200, 400)]], [[(200, 400)]]),
    "only what is missing": ([[(10, 20), (200, 210)]], [[(200, 250)]]),
    "across the head's end": ([[(90, 110)]], [[(100, 150)]]),
    "not beyond the end": ([[(10_230, 10_235)]], [[(10_230, 10_240)]]),
    "nothing at the end": ([[(10_240, 10_250), (99_999, 100_000)]], []),
    "past the end": ([[(10_200, 99_999)], [(10_230, 99_999)]], [[(10_200, 10_240)]]),
    "across two that touch": (
        [[(200, 210)], [(250, 260)], [(240, 260)]],
        [[(200, 250)], [(250, 300)]],
    ),
    "across three, of which the middle is missing": (
        [[(200, 210)], [(300, 310)], [(240, 310)]],
        [[(200, 250)], [(300, 350)], [(250, 310)]],
    ),
    "an empty range": ([[(500, 500)]], []),
}


@pytest.mark.parametrize(("reads", "fetches"), FETCHES.values(), ids=FETCHES)
def test_read_ahead_fetches(reads: list[list[ByteRange]], fetches: list[list[ByteRange]]) -> None:
    assert ahead(*reads) == fetches


def test_a_span_around_others_takes_their_place() -> None:
    small: list[ByteRange] = [(1000, 1010), (1200, 1210), (1400, 1410)]
    reads: list[list[ByteRange]] = [small, [(900, 1600)], [*small, (901, 1599)]]
    assert ahead(*reads)[1:] == [[(900, 1600)]]


def test_an_empty_file_is_empty() -> None:
    inner = Recorded(b"")
    wrapped = ReadAhead(inner)
    for _ in range(2):
        assert run(wrapped.read_ranges([(0, 16), (8, 9)])) == [b"", b""]
    assert len(inner.batches) == 1


class Shrinking(Recorded):
    """A file that was made shorter after its first read."""

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        found = await super().read_ranges(ranges)
        return found if len(self.batches) == 1 else [buffer[:5] for buffer in found]


def test_fewer_bytes_than_promised_are_an_error_that_asks_why() -> None:
    wrapped = ReadAhead(Shrinking(), Reading(head=100, ahead=50))
    with pytest.raises(
        TruncatedError, match=r"200-210 were given only in part; the file may have changed"
    ) as caught:
        run(wrapped.read_ranges([(200, 210)]))
    assert caught.value.offset == 200


@pytest.mark.parametrize("name", ["head", "ahead", "piece", "guess"])
@pytest.mark.parametrize("value", [-1, 0.5, None])
def test_a_size_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a positive number of bytes"):
        Reading(**{name: value})


def test_only_guesses_may_be_none_at_all() -> None:
    ReadAhead(MemorySource(b""), Reading(guess=0))
    for name in ("head", "ahead", "piece"):
        with pytest.raises(ValueError, match=name):
            Reading(**{name: 0})


# Large ranges

PIECES: dict[str, tuple[list[ByteRange], list[ByteRange]]] = {
    "as large as a piece": ([(200, 300)], [(200, 300)]),
    "a little larger": ([(200, 301)], [(200, 251), (251, 301)]),
    "much larger": ([(200, 550)], [(200, 288), (288, 376), (376, 464), (464, 550)]),
    "two arrays side by side": ([(200, 350), (350, 500)], [(200, 300), (300, 400), (400, 500)]),
    "two arrays apart": (
        [(200, 350), (400, 500)],
        [(200, 275), (275, 350), (400, 500)],
    ),
    "partly in the head": ([(50, 250)], [(100, 175), (175, 250)]),
}


@pytest.mark.parametrize(("ranges", "fetched"), PIECES.values(), ids=PIECES)
def test_a_large_range_is_read_in_pieces_of_one_batch(
    ranges: list[ByteRange], fetched: list[ByteRange]
) -> None:
    inner = Recorded()
    wrapped = ReadAhead(inner, Reading(head=100, ahead=50, piece=100))
    found = run(wrapped.read_ranges(ranges))
    assert found == [DATA[start:end] for start, end in ranges]
    assert inner.batches == [[(0, 100)], fetched]


# Hints


def hinted(hints: list[ByteRange], *reads: list[ByteRange], **options: Any) -> Recorded:
    """What a source is asked for behind the head if `hints` precede the first of `reads`."""
    inner = Recorded()
    wrapped = ReadAhead(inner, Reading(head=100, ahead=50, **options))
    run(wrapped.read_ranges([(0, 1)]))
    wrapped.expect(hints)
    for ranges in reads:
        assert run(wrapped.read_ranges(ranges)) == [DATA[start:end] for start, end in ranges]
    assert inner.batches.pop(0) == [(0, 100)]
    return inner


HINTS: dict[str, tuple[list[ByteRange], list[list[ByteRange]], list[list[ByteRange]]]] = {
    "no more than asked": ([], [[(200, 210)]], [[(200, 210)]]),
    "along with what is asked": ([(300, 310)], [[(200, 210)]], [[(200, 210), (300, 310)]]),
    "and then it is there": (
        [(300, 310)],
        [[(200, 210)], [(300, 310)]],
        [[(200, 210), (300, 310)]],
    ),
    "around what is asked": ([(190, 250)], [[(200, 210)]], [[(190, 250)]]),
    "what is there already": ([(50, 60)], [[(200, 210)]], [[(200, 210)]]),
    "not past the end": (
        [(10_230, 10_300), (20_000, 20_001)],
        [[(200, 210)]],
        [[(200, 210), (10_230, 10_240)]],
    ),
    "not of their own": ([(300, 310)], [[(10, 20)]], []),
    "for one read alone": (
        [(300, 310)],
        [[(10, 20)], [(200, 210)]],
        [[(200, 250)]],
    ),
}


@pytest.mark.parametrize(("hints", "reads", "fetches"), HINTS.values(), ids=HINTS)
def test_hints_are_fetched(
    hints: list[ByteRange], reads: list[list[ByteRange]], fetches: list[list[ByteRange]]
) -> None:
    assert hinted(hints, *reads).batches == fetches


def test_without_a_budget_there_are_no_guesses() -> None:
    assert hinted([(300, 310)], [(200, 210)], guess=0).batches == [[(200, 210)]]


def test_the_last_guess_is_cut_at_the_bound() -> None:
    hints: list[ByteRange] = [(300, 310), (400, 410), (500, 510)]
    fetched = hinted(hints, [(200, 210)], guess=15).batches
    assert fetched == [[(200, 210), (300, 310), (400, 405)]]


def test_what_guesses_cost_in_vain_is_bounded() -> None:
    inner = CountingSource(MemorySource(DATA))
    wrapped = ReadAhead(inner, Reading(head=100, guess=100))
    for start in range(1000, 10_000, 100):
        wrapped.expect([(start + 50, start + 80)])
        run(wrapped.read_ranges([(start, start + 1)]))
    assert wrapped._guesses.outstanding == 100
    assert inner.bytes_read == 100 + 90 + 100


def test_guesses_that_come_true_are_not_counted() -> None:
    inner = Recorded()
    wrapped = ReadAhead(inner, Reading(head=100, guess=100))
    for start in range(1000, 10_000, 100):
        wrapped.expect([(start + 50, start + 80)])
        run(wrapped.read_ranges([(start, start + 1)]))
        assert wrapped._guesses.outstanding == 30
        run(wrapped.read_ranges([(start + 60, start + 61)]))
        assert wrapped._guesses.outstanding == 0
    assert len(inner.batches) == 1 + 90


@pytest.mark.parametrize(
    ("ranges", "held"),
    [
        ([], True),
        ([(0, 100)], True),
        ([(0, 101)], False),
        ([(200, 250)], True),
        ([(10, 20), (249, 250)], True),
        ([(10, 20), (249, 251)], False),
        ([(150, 160)], False),
        ([(99_999, 100_000)], True),
    ],
)
def test_what_is_held_needs_no_request(ranges: list[ByteRange], held: bool) -> None:
    inner = Recorded()
    wrapped = ReadAhead(inner, Reading(head=100, ahead=50))
    assert not wrapped.holds(ranges)
    run(wrapped.read_ranges([(0, 1), (200, 210)]))
    assert wrapped.holds(ranges) is held
    before = len(inner.batches)
    run(wrapped.read_ranges(ranges))
    assert (len(inner.batches) == before) is held


# What read-ahead forgets


def kept_bytes(wrapped: ReadAhead) -> int:
    return sum(map(len, wrapped._spans))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "_CACHE_BYTES", 1000)
    wrapped = ReadAhead(MemorySource(DATA), Reading(head=100, ahead=50))
    for start in range(0, len(DATA) - 100, 100):
        assert run(wrapped.read_ranges([(start, start + 10)])) == [DATA[start : start + 10]]
        assert kept_bytes(wrapped) <= 1000 + 50


def test_nothing_is_forgotten_below_the_bound() -> None:
    inner = Recorded()
    wrapped = ReadAhead(inner, Reading(head=100, ahead=50))
    places = [(start, start + 10) for start in range(0, len(DATA), 100)]
    for _ in range(2):
        for place in places:
            run(wrapped.read_ranges([place]))
    assert len(inner.batches) == len(places)


def test_a_batch_of_old_and_new_places_is_read_above_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source_module, "_CACHE_BYTES", 90)
    wrapped = ReadAhead(MemorySource(DATA), Reading(head=100, ahead=50))
    ranges = [(10, 20), (500, 510)]
    assert run(wrapped.read_ranges(ranges)) == [DATA[10:20], DATA[500:510]]


# Any reads at all

ranges_of_data = st.tuples(st.integers(0, len(DATA) + 100), st.integers(0, 2000) | st.just(0)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
batches_of_reads = st.lists(st.lists(ranges_of_data, max_size=6), max_size=8)
sizes = st.integers(1, 3000)


def through_read_ahead(
    reads: list[list[ByteRange]], *, head: int, step: int
) -> list[list[memoryview]]:
    wrapped = ReadAhead(
        MemorySource(DATA), Reading(head=head, ahead=step, piece=step + 100, guess=head)
    )
    found = []
    for number, ranges in enumerate(reads):
        if number % 2:  # the reads that follow, and some that do not
            later = [wanted for following in reads[number:] for wanted in following]
            wrapped.expect([*later, *((a + 500, b + 900) for a, b in ranges)])
        found.append(run(wrapped.read_ranges(ranges)))
    return found


def from_memory(reads: list[list[ByteRange]]) -> list[list[memoryview]]:
    memory = MemorySource(DATA)
    return [run(memory.read_ranges(ranges)) for ranges in reads]


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(reads=batches_of_reads, head=sizes, step=sizes)
def test_any_reads_give_the_bytes_of_the_source(
    reads: list[list[ByteRange]], head: int, step: int
) -> None:
    assert through_read_ahead(reads, head=head, step=step) == from_memory(reads)


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(reads=batches_of_reads, head=sizes, step=sizes)
@example(reads=[[(0, 10), (500, 510)]], head=400, step=50)
def test_any_reads_give_the_bytes_of_the_source_above_the_bound(
    reads: list[list[ByteRange]], head: int, step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "_CACHE_BYTES", 300)
        assert through_read_ahead(reads, head=head, step=step) == from_memory(reads)


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(reads=batches_of_reads, head=sizes, step=sizes)
def test_no_byte_is_fetched_twice_in_one_batch(
    reads: list[list[ByteRange]], head: int, step: int
) -> None:
    inner = Recorded()
    wrapped = ReadAhead(inner, Reading(head=head, ahead=step))
    for ranges in reads:
        run(wrapped.read_ranges(ranges))
    for batch in inner.batches:
        assert batch == sorted(batch)
        assert all(end < start for (_, end), (start, _) in pairwise(batch))
