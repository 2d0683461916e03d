"""Attributes in which stacked files differ, as plain data: coordinates, or left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from virtual_tiff.publishing.planning.differing_attributes import (
    ABSENT,
    StackedAttributes,
    bind,
    columns_along_one,
    named_columns,
    take,
)
from virtual_tiff.publishing.planning.plan import AttributeKey
from virtual_tiff.publishing.reading.record import Node

ARRAY, OTHER, GROUP = Node("array", "0"), Node("array", "1"), Node("group", "")
REFERENCE = Node("inline", "spatial_ref")


def key(name: str, node: Node = ARRAY) -> AttributeKey:
    return AttributeKey(node, name)


def taken(
    *of_files: dict[str, Any], stacked: StackedAttributes | None = None, before: int = 0
) -> StackedAttributes:
    """The attributes of an array of files, in their order, after so many files before."""
    stacked = stacked or StackedAttributes()
    files = [(before + n, {ARRAY: attributes}) for n, attributes in enumerate(of_files)]
    size = before + len(of_files)
    take(stacked, {ARRAY: ARRAY}, files, size=size, before=range(before))
    return stacked


# --------------------------------------------------------------------------------- take


def test_attributes_that_all_files_share_stay_attributes() -> None:
    stacked = taken({"a": 1, "b": "x"}, {"a": 1, "b": "y"})
    assert stacked.constant == {ARRAY: {"a": 1}}
    assert stacked.varying == {key("b"): ["x", "y"]}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1, True), (1, 1.0, False), (1, True, False), (0, False, False), ("1", 1, False),
        ([1, 2], [1, 2], True), ([1, 2], [2, 1], False), (0.5, 0.5, True),
    ],
)  # fmt: skip
def test_values_are_the_same_where_their_types_are(one: Any, other: Any, same: bool) -> None:
    stacked = taken({"a": one}, {"a": other})
    assert (stacked.varying == {}) == same
    assert stacked.constant[ARRAY] == ({"a": one} if same else {})


@pytest.mark.parametrize("first", [True, False])
def test_an_attribute_that_a_file_lacks_is_absent_there(first: bool) -> None:
    files = [{"a": 1}, {}] if first else [{}, {"a": 1}]
    assert taken(*files).varying == {key("a"): [1, ABSENT] if first else [ABSENT, 1]}
    assert repr(ABSENT) == "absent"


def test_scenes_are_always_coordinates() -> None:
    """The next scene may differ."""
    assert taken({"gcps": "x"}, {"gcps": "x"}).varying == {key("gcps"): ["x", "x"]}


def test_files_are_added_to_those_before() -> None:
    stacked = taken({"a": 1, "b": "x"}, {"a": 1, "b": "y"})
    taken({"a": 1, "b": "z"}, stacked=stacked, before=2)
    assert stacked.constant == {ARRAY: {"a": 1}}
    assert stacked.varying == {key("b"): ["x", "y", "z"]}
    taken({"a": 2, "c": 5}, stacked=stacked, before=3)
    assert stacked.constant == {ARRAY: {}}
    assert stacked.varying == {
        key("a"): [1, 1, 1, 2],
        key("b"): ["x", "y", "z", ABSENT],
        key("c"): [ABSENT, ABSENT, ABSENT, 5],
    }


def test_one_file_has_attributes_alone() -> None:
    stacked = taken({"a": 1, "gcps": "x"})
    assert (stacked.constant, stacked.varying) == ({ARRAY: {"a": 1}}, {key("gcps"): ["x"]})


def test_an_attribute_that_all_had_before_and_the_next_file_lacks() -> None:
    stacked = taken({"a": 1}, {"a": 1})
    assert taken({}, stacked=stacked, before=2).varying == {key("a"): [1, 1, ABSENT]}
    assert stacked.constant == {ARRAY: {}}


def test_a_file_that_is_replaced_may_lack_what_it_had() -> None:
    stacked = taken({"a": 1}, {"a": 2})
    take(stacked, {ARRAY: ARRAY}, [(1, {ARRAY: {}})], size=2, before=[0])
    assert stacked.varying == {key("a"): [1, ABSENT]}


def test_nodes_have_attributes_of_their_own() -> None:
    stacked = StackedAttributes()
    files = [(n, {ARRAY: {"a": n}, Node("array", "9"): {"a": 5, "b": n}}) for n in range(2)]
    take(stacked, {ARRAY: ARRAY, Node("array", "9"): OTHER}, files, size=2)
    assert stacked.varying == {key("a"): [0, 1], key("b", OTHER): [0, 1]}
    assert stacked.constant == {ARRAY: {}, OTHER: {"a": 5}}


def test_what_was_left_out_stays_so() -> None:
    stacked = StackedAttributes(left_out={key("a")})
    assert taken({"a": 1}, {"a": 2}, stacked=stacked).varying == {}


# ------------------------------------------------------------------------------ columns


def named(
    varying: dict[AttributeKey, list[Any]], *others: str, names: Any = (), changed: int = 0
) -> tuple[dict[str, tuple[str, list[Any]]], set[AttributeKey]]:
    """Coordinates (type and values) by path, and what is left out."""
    stacked = StackedAttributes(varying=varying)
    columns, _ = named_columns(stacked, "time", dict(names), others, changed)
    assert all(column.dimension == "time" for column in columns)
    return {c.path: (c.data_type, list(c.values)) for c in columns}, stacked.left_out


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], ("int64", [1, 2])),
        ([1, 2.5], ("float64", [1.0, 2.5])),
        (["a", "b"], ("string", ["a", "b"])),
        (["a", ABSENT], ("string", ["a", ""])),
        ([-(2**63), 2**63 - 1], ("int64", [-(2**63), 2**63 - 1])),
        ([0, 2**63], ("float64", [0.0, 2.0**63])),
        ([-(2**63) - 1, 0], ("float64", [-(2.0**63), 0.0])),
        ([1, "a"], None),
        ([True, False], None),
        ([1, True], None),
        ([[1], [2]], None),
        ([ABSENT, ABSENT], None),
    ],
)
def test_numbers_or_texts_are_coordinates(
    values: list[Any], expected: tuple[str, list[Any]] | None
) -> None:
    columns, left_out = named({key("a"): values})
    assert columns == ({} if expected is None else {"a": expected})
    assert left_out == ({key("a")} if expected is None else set())


def test_a_number_that_a_file_lacks_is_nan() -> None:
    columns, _ = named({key("a"): [1, ABSENT]})
    data_type, (one, lacking) = columns["a"]
    assert (data_type, one) == ("float64", 1.0)
    assert math.isnan(lacking)


@pytest.mark.parametrize("name", ["a b", "", "ä", "1a", "a/b"])
def test_a_name_that_cannot_be_listed_is_left_out(name: str) -> None:
    assert named({key(name): [1, 2]}) == ({}, {key(name)})


@pytest.mark.parametrize("name", ["a", "_a", "a:b.c-d", "A1"])
def test_names_of_coordinates(name: str) -> None:
    assert list(named({key(name): [1, 2]})[0]) == [name]


def test_arrays_with_the_same_values_share_a_coordinate() -> None:
    varying = {key("a"): [1, 2], key("a", OTHER): [1, 2]}
    assert named(dict(varying)) == ({"a": ("int64", [1, 2])}, set())
    varying[key("a", OTHER)] = [1, 3]
    assert named(varying) == ({"0_a": ("int64", [1, 2]), "1_a": ("int64", [1, 3])}, set())


def test_a_name_that_is_taken_gets_that_of_its_array_in_front() -> None:
    varying = {key("x"): [1, 2], key("b", GROUP): ["p", "q"]}
    assert list(named(dict(varying), "x", "b")[0]) == ["0_x", "_b"]
    # and if that is taken too, it is left out
    assert named(dict(varying), "x", "b", "0_x") == (
        {"_b": ("string", ["p", "q"])},
        {key("x")},
    )


def test_two_attributes_that_would_have_one_name() -> None:
    """`b_c` of the array `a`, and `c` of the array `a_b`, both with names that are taken."""
    varying = {
        key("b_c", Node("array", "a")): [1, 2],
        key("c", Node("array", "a_b")): [1, 3],
    }
    columns, left_out = named(dict(varying), "b_c", "c")
    assert columns == {"a_b_c": ("int64", [1, 2])}
    assert left_out == {key("c", Node("array", "a_b"))}
    varying[key("c", Node("array", "a_b"))] = [1, 2]
    assert named(varying, "b_c", "c") == ({"a_b_c": ("int64", [1, 2])}, set())


def test_groups_have_coordinates_of_their_own() -> None:
    varying = {key("a", Node("array", "g/0")): [1, 2], key("a", Node("group", "h")): [3, 4]}
    assert list(named(varying)[0]) == ["g/a", "h/a"]


def test_a_published_coordinate_keeps_its_name() -> None:
    """Also where a new array has it: that one is refused later."""
    stacked = StackedAttributes(varying={key("a"): [1, 2], key("b"): [3, 4]})
    columns, paths = named_columns(stacked, "time", {key("a"): "old"}, ["old"], 1)
    assert paths == {key("a"): "old", key("b"): "b"}
    # a coordinate that is new has all of its values written
    assert [(column.path, column.changed) for column in columns] == [("old", 1), ("b", 0)]


# --------------------------------------------------------------------------------- bind


def test_coordinates_are_listed_by_the_arrays_they_describe() -> None:
    def array(**attributes: Any) -> Any:
        return {"attributes": attributes}

    arrays = {
        "0": array(coordinates="spatial_ref", grid_mapping="spatial_ref"),
        "1": array(),
        "g/0": array(grid_mapping="spatial_ref"),
    }
    names = {
        key("a"): "a", key("b"): "spatial_ref", key("c", GROUP): "c", key("gcps", REFERENCE): "gcps"
    }  # fmt: skip
    bind(arrays, names)
    assert arrays["0"]["attributes"]["coordinates"] == "spatial_ref a c gcps"
    assert arrays["1"]["attributes"]["coordinates"] == "c"
    assert "coordinates" not in arrays["g/0"]["attributes"]


# -------------------------------------------------------------------- several dimensions


def along(values: dict[tuple[int, int], Any]) -> dict[str, tuple[int, list[Any]]]:
    """The attribute `a` of files at (time, band), as a coordinate along one of them."""
    positions = np.array(list(values), dtype=np.int64)
    loose = {n: {ARRAY: {} if value is ABSENT else {"a": value}}
             for n, value in enumerate(values.values())}  # fmt: skip
    found = columns_along_one(
        {ARRAY: ["a"]},
        loose,
        np.arange(len(values)),
        positions,
        (positions.max(axis=0) + 1).tolist(),
    )
    return {name: column for (_, name), column in found.items()}


def test_an_attribute_that_varies_along_one_dimension_alone() -> None:
    by_time = {(0, 0): 5, (0, 1): 5, (1, 0): 6, (1, 1): 6, (2, 1): 7}
    assert along(by_time) == {"a": (0, [5, 6, 7])}
    by_band = {(at, time): value for (time, at), value in by_time.items()}
    assert along(by_band) == {"a": (1, [5, 6, 7])}
    assert along({**by_time, (2, 0): 8}) == {}
    assert along({**by_time, (2, 0): ABSENT}) == {}


def test_positions_without_a_file_have_no_value() -> None:
    assert along({(0, 0): 5, (2, 1): 7}) == {"a": (0, [5, ABSENT, 7])}
