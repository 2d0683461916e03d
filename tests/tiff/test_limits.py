"""Each limit stops what it is about, says how to lift it, and can be lifted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pytest

from support.build import LONG, SHORT, UNDEFINED, Directory, build, directory_at, entry
from virtual_tiff.tiff import (
    BoundedSource,
    LimitError,
    Limits,
    MemorySource,
    TiffWarning,
    block_layout,
)

from .reading import one_ifd, read, run

TAG = entry(65000, SHORT, 1)


def pages(count: int) -> bytes:
    """A chain of directories."""
    return build([Directory([TAG])] * count)


def nested(depth: int) -> bytes:
    """A directory, its SubIFD, that one's SubIFD and so on."""
    pointers = [entry(330, LONG, directory_at(level + 1)) for level in range(depth)]
    return build([Directory([item], next=0) for item in (*pointers, TAG)])


def fan(count: int) -> bytes:
    """A directory with many SubIFDs, all of them the same one."""
    return build(
        [Directory([entry(330, LONG, [directory_at(1)] * count)], next=0), Directory([TAG], next=0)]
    )


def crowd(count: int) -> bytes:
    """A directory of many entries."""
    return build([Directory([entry(40000 + number, SHORT, 1) for number in range(count)])])


def tall(strips: int, offsets: int) -> Any:
    """A directory of an image of strips of one row; not all of them need an offset."""
    return one_ifd(
        [
            entry(256, LONG, 10),
            entry(257, LONG, strips),
            entry(258, SHORT, 8),
            entry(273, LONG, [8] * offsets),
            entry(278, SHORT, 1),
            entry(279, LONG, [10] * offsets),
        ]
    )


SHARING = build([Directory([entry(65000, UNDEFINED, count=900, offset=8)])] * 2) + bytes(900)
"""Two directories of which each has all of the file for its value."""


def fetch(limits: Limits) -> list[memoryview]:
    """Two requests of 30 bytes together."""
    source = BoundedSource(MemorySource(bytes(50)), limits)
    try:
        return run(source.read_ranges([(0, 10), (30, 50)]))
    except LimitError as error:
        raise error.locate(ifd="of no directory") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Work that needs a limit of `needs`, and not one less."""

    needs: int
    work: Callable[[Limits], Any]


CASES = {
    "directories": Case(needs=3, work=lambda limits: read(pages(3), limits=limits)),
    "entries": Case(needs=50, work=lambda limits: read(crowd(50), limits=limits)),
    "value_bytes": Case(
        needs=100,
        work=lambda limits: read(
            build([Directory([entry(65000 + n, SHORT, [1] * 25)]) for n in range(2)]),
            limits=limits,
        ),
    ),
    "shared_values": Case(
        needs=2 * 900 - len(SHARING), work=lambda limits: read(SHARING, limits=limits)
    ),
    "requests": Case(needs=2, work=fetch),
    "fetched_bytes": Case(needs=30, work=fetch),
    "subifd_depth": Case(
        needs=3, work=lambda limits: read(nested(3), limits=limits, ifd="0/0/0/0")
    ),
    "missing_blocks": Case(needs=12, work=lambda limits: block_layout(tall(20, 8), limits=limits)),
    "blocks": Case(needs=20, work=lambda limits: block_layout(tall(20, 20), limits=limits)),
}
"""Name of the limit -> what it is about."""

OF_OTHERS = {
    "block_bytes": "tests/whole/test_parser.py: how large a chunk is, the core does not decide",
    "samples": "tests/whole/test_hostile.py",
    "coordinates": "tests/whole/test_hostile.py",
    "geokeys": "tests/whole/test_hostile.py",
    "xml_bytes": "tests/metadata/test_safe_xml.py",
    "xml_depth": "tests/metadata/test_safe_xml.py",
    "xml_elements": "tests/metadata/test_safe_xml.py",
}
"""Where the other limits are tested."""

every_limit = pytest.mark.parametrize("name", CASES)


def test_every_limit_is_in_the_table() -> None:
    assert {*CASES, *OF_OTHERS} == {field.name for field in fields(Limits)}


@pytest.mark.parametrize(
    "name",
    CASES,
)
def test_one_less_than_is_needed_stops(name: str) -> None:
    case = CASES[name]
    with pytest.raises(LimitError) as caught:
        case.work(Limits(**{name: case.needs - 1}))
    message = str(caught.value)
    assert f"{case.needs} is above the limit {name}={case.needs - 1}" in message
    assert f"pass Limits({name}={case.needs})" in message
    assert caught.value.ifd is not None


@every_limit
def test_what_is_needed_is_enough(name: str) -> None:
    case = CASES[name]
    assert case.work(Limits(**{name: case.needs})) is not None


@every_limit
def test_the_default_lets_it_through(name: str) -> None:
    assert CASES[name].work(Limits()) is not None


def test_a_list_of_subifds_is_refused_before_they_are_read() -> None:
    with pytest.raises(LimitError, match="SubIFDs: 1,000 is above the limit directories=100"):
        read(fan(1000), limits=Limits(directories=100))


def test_the_limit_of_value_bytes_is_the_files_and_not_a_directorys() -> None:
    data = build([Directory([entry(65000, SHORT, [1] * 10)])] * 5)
    assert len(read(data, limits=Limits(value_bytes=100)).ifds) == 5
    with pytest.raises(LimitError, match="bytes of values: 100"):
        read(data, limits=Limits(value_bytes=99))


def test_values_within_their_entries_cost_nothing() -> None:
    assert read(pages(50), limits=Limits(value_bytes=1)).ifds[49].integer(65000) == 1


def test_a_lifted_depth_is_read() -> None:
    found = read(nested(100), limits=Limits(subifd_depth=100))
    assert len(list(found.walk())) == 101


def test_a_depth_that_recursion_cannot_bear_is_refused() -> None:
    with pytest.raises(ValueError, match="subifd_depth"):
        Limits(subifd_depth=101)


# Limits themselves

NO_LIMITS: list[Any] = [0, -1, True, 1.5, "1", None, float("inf")]


@pytest.mark.parametrize("value", NO_LIMITS, ids=repr)
@every_limit
def test_a_limit_is_a_positive_integer(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"Limits\({name}=…\) must be a positive integer"):
        Limits(**{name: value})


def test_limits_are_a_value() -> None:
    assert Limits(blocks=5) == Limits(blocks=5) != Limits()
    assert len({Limits(), Limits(), Limits(blocks=5)}) == 2


def test_the_message_groups_digits_and_the_advice_is_python() -> None:
    with pytest.raises(LimitError) as caught:
        Limits(blocks=1000).check("blocks", 1234567, "strips", ifd="0/1")
    assert str(caught.value) == (
        "strips: 1,234,567 is above the limit blocks=1,000; "
        "if the file is sound, pass Limits(blocks=1234567) [IFD 0/1]"
    )


@pytest.mark.parametrize("parent", [1, 2])
def test_a_list_of_subifds_above_the_limit_costs_only_its_own_directory(parent: int) -> None:
    """GDAL too opens a file by its first directory, whatever is wrong with the others."""
    crowded = Directory([entry(330, LONG, [8] * 101)])
    data = build([crowded if number == parent else Directory([TAG]) for number in range(4)])
    with pytest.warns(TiffWarning, match=rf"IFD {parent}: SubIFDs are left out.*directories=100"):
        tiff = read(data, limits=Limits(directories=100))
    assert [ifd.path for ifd in tiff.walk()] == ["0", "1", "2", "3"]


def test_as_many_subifds_as_the_limit_are_read() -> None:
    assert len(list(read(fan(99), limits=Limits(directories=100)).walk())) == 2
