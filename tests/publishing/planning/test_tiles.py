"""Variables of tiles and bands in one group: which attributes they share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from virtual_tiff.publishing.planning.names import NodeNames
from virtual_tiff.publishing.planning.plan import Dimension
from virtual_tiff.publishing.planning.tiles import _columns, _Differing, _shared
from virtual_tiff.publishing.reading.catalogue import Files
from virtual_tiff.publishing.reading.record import Node

GROUP, ARRAY = Node("group", ""), Node("array", "0")


def files(*loose: int) -> Files:
    numbers = np.arange(len(loose))
    return Files(numbers, np.zeros_like(numbers), np.array(loose), {})


def catalogue(*attributes: Any) -> Any:
    return SimpleNamespace(loose=lambda n: attributes[n])


def columns(*variables: str, node: Node, values: dict[str, list[Any]]) -> Any:
    """Coordinates, and what is left out, of an attribute `a` at two times of each variable."""
    attributes = [{node: {"a": value}} for name in variables for value in values[name]]
    differing = [
        _Differing(
            files(2 * n, 2 * n + 1),
            np.array([[0], [1]]),
            {node: node if node == GROUP else Node("array", name)},
            {node: ["a"]},
        )
        for n, name in enumerate(variables)
    ]
    times = Dimension(name="time", kind="int", values=[5, 6])
    arrays = {name: {"attributes": {}, "dimension_names": ["time", "y", "x"]} for name in variables}
    found, left_out = _columns(catalogue(*attributes), differing, [times], arrays, NodeNames())
    return {column.path: list(column.values) for column in found}, left_out, arrays


def test_attributes_of_arrays_are_coordinates_of_each_variable() -> None:
    found, left_out, arrays = columns(
        "red", "nir", node=ARRAY, values={"red": [1, 2], "nir": [3, 4]}
    )
    assert found == {"time": [5, 6], "red_a": [1, 2], "nir_a": [3, 4]}
    assert left_out == {}
    assert arrays["red"]["attributes"]["coordinates"] == "red_a"


def test_attributes_of_a_group_that_several_variables_share_are_left_out() -> None:
    values = {"red": [1, 2], "nir": [3, 4]}
    found, left_out, _ = columns("red", node=GROUP, values=values)
    assert (found, left_out) == ({"time": [5, 6], "a": [1, 2]}, {})
    found, left_out, _ = columns("red", "nir", node=GROUP, values=values)
    assert (found, left_out) == ({"time": [5, 6]}, {"": ("a",)})


def test_attributes_that_cannot_be_coordinates_are_left_out() -> None:
    found, left_out, _ = columns("red", node=ARRAY, values={"red": [[1], [2]]})
    assert (found, left_out) == ({"time": [5, 6]}, {"red": ("a",)})


def test_files_without_a_new_dimension_leave_out_what_differs() -> None:
    differing = [_Differing(files(0, 1), None, {ARRAY: Node("array", "b")}, {ARRAY: ("y", "x")})]
    found, left_out = _columns(catalogue({}, {}), differing, [], {}, NodeNames())
    assert (found, left_out) == ([], {"b": ("x", "y")})


def test_attributes_that_all_files_have_are_shared() -> None:
    attributes = [
        {ARRAY: {"same": 1, "other": 1, "lacking": 1}, GROUP: {"b": 2}},
        {ARRAY: {"same": 1, "other": 2}, GROUP: {"b": 2}},
        {ARRAY: {"same": 1, "other": 1, "more": 1}, Node("array", "1"): {"c": 3}},
    ]
    assert _shared(catalogue(*attributes), files(0, 1, 0, 2), ()) == {
        ARRAY: ({"same": 1}, ("lacking", "more", "other")),
        GROUP: ({}, ("b",)),
        Node("array", "1"): ({}, ("c",)),
    }
    assert _shared(catalogue(*attributes), files(1, 1), ())[GROUP] == ({"b": 2}, ())
