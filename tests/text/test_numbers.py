"""Numbers as people read them."""

from __future__ import annotations

import pytest

from virtual_tiff.text.numbers import by, counted, human_size, listed


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9_849, "9.8 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (2 * 10**9, "2.0 GB"),
        (3 * 10**15, "3,000.0 TB"),
    ],
)
def test_sizes_are_in_decimal_units(nbytes: int, text: str) -> None:
    assert human_size(nbytes) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 strips"), (1, "1 strip"), (2, "2 strips"), (12_345, "12,345 strips")],
)
def test_a_noun_is_in_the_plural_where_there_is_not_one(number: int, text: str) -> None:
    assert counted(number, "strip") == text


def test_lengths() -> None:
    assert by((3, 40, 60)) == "3 x 40 x 60"


def test_a_list_says_how_many_names_it_leaves_out() -> None:
    names = [f"{n}" for n in range(1500)]
    assert listed(names[:5]) == "0, 1, 2, 3, 4"
    assert listed(names[:6]) == "0, 1, 2, 3, 4 and 1 more"
    assert listed(names, 2) == "0, 1 and 1,498 more"
