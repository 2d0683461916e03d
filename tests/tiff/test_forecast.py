"""Where the next directories may lie: literals in, ranges out."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_tiff.tiff import ByteRange
from virtual_tiff.tiff.forecast import Forecast
from virtual_tiff.tiff.ghost import Ghost

SIZE = 400
"""Bytes of each directory."""


def seen(places: Iterable[int], ghost: Ghost | None = None) -> Forecast:
    forecast = Forecast(ghost)
    for offset in places:
        forecast.note(offset, SIZE, [])
    return forecast


def guessed(places: list[int], left: int | None = None) -> list[ByteRange]:
    """What is guessed when the last of these places is to be fetched."""
    *before, last = places
    (known, *guesses) = seen(before).ranges(last, left) or [(0, 0)]
    assert known[0] <= last < last + SIZE <= known[1]
    return guesses


def holds(guesses: list[ByteRange], places: Iterable[int]) -> bool:
    return all(
        start <= place < place + SIZE <= end
        for (start, end), place in zip(guesses, places, strict=False)
    )


def test_before_the_first_directory_nothing_is_known() -> None:
    assert Forecast().ranges(8) is None


FAR = 500_000

RULES: dict[str, tuple[list[int], list[int]]] = {
    "one distance": ([8, FAR], [2 * FAR - 8, 3 * FAR - 16]),
    "equal distances": ([8 + FAR * i for i in range(5)], [8 + FAR * i for i in range(5, 13)]),
    "backwards": ([10 * FAR, 9 * FAR, 8 * FAR], [7 * FAR, 6 * FAR]),
    "the first one is odd": (
        [8, 10_000, 10_000 + FAR, 10_000 + 2 * FAR],
        [10_000 + 3 * FAR, 10_000 + 4 * FAR],
    ),
    "another size from here on": (
        [0, FAR, 2 * FAR, 3 * FAR, 3 * FAR + 90_000, 3 * FAR + 180_000],
        [3 * FAR + 270_000, 3 * FAR + 360_000],
    ),
    "two in turn": (
        [0, 500_000, 600_000, 1_100_000, 1_200_000, 1_700_000],
        [1_800_000, 2_300_000, 2_400_000],
    ),
    "a little more or less": (
        [0, 100_100, 199_900, 300_050, 400_000, 499_800],
        [599_600, 699_400],
    ),
}


@pytest.mark.parametrize(("places", "following"), RULES.values(), ids=RULES)
def test_the_next_directories_are_guessed(places: list[int], following: list[int]) -> None:
    guesses = guessed(places)
    assert len(guesses) >= min(2, len(following))
    assert holds(guesses, following)


def test_without_a_rule_nothing_is_guessed() -> None:
    assert guessed([0, 700_000, 800_000, 3_000_000, 3_100_000, 5_500_000, 5_900_000]) == []


def test_no_more_is_guessed_than_is_wanted() -> None:
    places = [FAR * i for i in range(5)]
    assert [len(guessed(places, left)) for left in (0, 1, 3)] == [0, 1, 3]


def test_values_beside_a_directory_are_part_of_its_surroundings() -> None:
    forecast = Forecast()
    forecast.note(100_000, SIZE, [(99_000, 99_100), (100_400, 103_000), (900_000, 900_100)])
    start, end = forecast.around(500_000)
    assert (start, end >= 503_000, end < 510_000) == (499_000, True, True)


def rounds(places: list[int]) -> tuple[list[int], int]:
    """Walk a chain by its forecasts: the guesses of each round, and their bytes in all."""
    forecast, counts, nbytes = Forecast(), [], 0
    forecast.note(places[0], SIZE, [])
    at = 1
    while at < len(places):
        _, *guesses = forecast.ranges(places[at]) or [(0, 0)]
        counts.append(len(guesses))
        nbytes += sum(end - start for start, end in guesses)
        forecast.note(places[at], SIZE, [])
        at += 1
        for start, end in guesses:
            if at == len(places) or not start <= places[at] < places[at] + SIZE <= end:
                break
            forecast.note(places[at], SIZE, [])
            at += 1
    return counts, nbytes


def test_guesses_grow_while_they_come_true_up_to_a_bound() -> None:
    counts, _ = rounds([FAR * i for i in range(400)])
    assert counts[:3] == [8, 32, 60]
    assert set(counts[3:]) == {60}


def test_guesses_end_where_none_comes_true() -> None:
    forecast = Forecast()
    counts = []
    for number in range(10):  # each one has to be asked for, as if no guess had been fetched
        forecast.note(number * FAR, SIZE, [])
        counts.append(len(forecast.ranges((number + 1) * FAR) or ()) - 1)
    assert counts == [8, 1, 1, 0, 0, 0, 0, 0, 0, 0]


@given(st.lists(st.integers(0, 2**40), min_size=2, max_size=80))
def test_any_chain_is_guessed_within_bounds(places: list[int]) -> None:
    forecast = Forecast()
    for number, offset in enumerate(places):
        if number:
            known, *guesses = forecast.ranges(offset) or [(0, 0)]
            assert known[0] <= offset < known[1]
            assert len(guesses) <= 4096
            assert sum(end - start for start, end in guesses) <= 4 * 2**20
            assert all(0 <= start < end for start, end in guesses)
        forecast.note(offset, SIZE, [])


# The ghost area

IN_FRONT = Ghost(ifds_before_data=True, masks=False)


def test_a_ghost_area_tells_how_much_header_is_left() -> None:
    forecast = Forecast(IN_FRONT)
    forecast.note(200, SIZE, [(1000, 301_000)])
    assert forecast.ranges(301_000) == [(301_000, 301_000 + IN_FRONT.rest_of_header(300_000))]


def test_a_ghost_area_is_believed_a_few_times() -> None:
    forecast = Forecast(IN_FRONT)
    believed = []
    for number in range(10):
        forecast.note(number * FAR, SIZE, [(number * FAR + SIZE, number * FAR + 9000)])
        (start, end), *_ = forecast.ranges((number + 1) * FAR) or [(0, 0)]
        believed.append(end - start > IN_FRONT.rest_of_header(0))
    assert believed == [True] * 3 + [False] * 7


@pytest.mark.parametrize("ghost", [None, Ghost(ifds_before_data=False, masks=True)])
def test_without_a_layout_the_distances_hold(ghost: Ghost | None) -> None:
    assert len(seen([0, FAR], ghost).ranges(2 * FAR) or ()) > 2
