"""Overviews of a file's arrays: which they are, and a template without some of them."""

from __future__ import annotations

from typing import Any

import pytest

from virtual_tiff.publishing.planning.overviews import overviews_of, paths_that_differ, without
from virtual_tiff.publishing.reading.record import Inline, Template

AXES = ("y", "x")


def image(length: int, width: int, step: float | tuple[float, ...] = 10, **more: Any) -> Any:
    """An array with its upper left corner at 0, 0 (or with a transform)."""
    transform = list(step) if isinstance(step, tuple) else [step, 0, 0, 0, -step, 0]
    attributes = {"spatial:transform": transform} | more.pop("attributes", {})
    names = {"dimension_names": ["y", "x"]}
    return {"shape": [length, width], "attributes": attributes} | names | more


def template(**changes: Any) -> Template:
    arrays = changes["arrays"]
    plain = {"groups": {"": {}}, "inline": {}, "axes": dict.fromkeys(arrays, AXES)}
    return Template(**(plain | changes))


@pytest.mark.parametrize(
    ("other", "overview"),
    [
        (image(50, 40, 20), True),
        (image(51, 41, 20), True),  # rounded up
        (image(100, 80), False),  # the image once more
        (image(100, 79), True),
        (image(99, 80), True),
        (image(98, 80), False),  # ends two of its pixels earlier
        (image(50, 40), False),  # a part of it
        (image(50, 40, (20, 0, 20, 0, -20, 0)), True),  # off by a pixel of its own
        (image(50, 40, (20, 0, 20.5, 0, -20, 0)), False),
        (image(50, 40, (20, 0, 0, 0, -20, -20.5)), False),
        # begins and ends within a pixel of its own, or ends by two of them later
        (image(49, 39, (20, 0, 20, 0, -20, -20)), True),
        (image(50, 41, (20, 0, 20, 0, -20, 0)), False),
        (image(51, 40, (20, 0, 0, 0, -20, -20)), False),
        (image(200, 160, 5), False),  # more pixels than the image: that is its overview
        (image(50, 160, (5, 0, 0, 0, -20, 0)), False),
        (image(50, 40, 20, attributes={"spatial:transform": None}), False),
    ],
)
def test_an_overview_has_fewer_pixels_of_the_same_place(other: Any, overview: bool) -> None:
    found = overviews_of(template(arrays={"0": image(100, 80), "1": other}))
    assert ("1" in found) == overview
    assert ("0" in found) == (other["shape"] == [200, 160])


def test_an_overview_of_a_rotated_image() -> None:
    rotated, coarse = (0, 10, 7, -10, 0, 9), (0, 20, 7, -20, 0, 9)
    arrays = {"0": image(100, 80, rotated), "1": image(50, 40, coarse)}
    assert overviews_of(template(arrays=arrays)) == {"1"}
    # by a column of its own along one axis of the world, and by more than one
    for off, overview in ((20, True), (20.5, False)):
        for moved in ((0, 20, 7 + off, -20, 0, 9), (0, 20, 7, -20, 0, 9 - off)):
            arrays["1"] = image(50, 40, moved)
            assert ("1" in overviews_of(template(arrays=arrays))) == overview
    # by a column at its begin, and by two at its end
    for size, moved in (((51, 40), (0, 20, 27, -20, 0, 9)), ((50, 41), (0, 20, 7, -20, 0, -11))):
        arrays["1"] = image(*size, moved)
        assert "1" not in overviews_of(template(arrays=arrays))


def test_steps_of_sheared_pixels_are_as_long_as_both_their_sides() -> None:
    arrays = {"0": image(100, 80, (10, 5, 0, 0, -10, 0))}
    for off, overview in ((30, True), (30.5, False)):
        arrays["1"] = image(50, 40, (20, 10, off, 0, -20, 0))
        assert ("1" in overviews_of(template(arrays=arrays))) == overview


def test_paths_that_differ() -> None:
    one = template(arrays={"0": image(100, 80), "1": image(50, 40, 20), "2": image(25, 20, 40)})
    other = template(arrays={"0": image(100, 80), "1": image(50, 41, 20), "3": image(9, 9)})
    assert paths_that_differ([one, other]) == {"1", "2", "3"}
    assert paths_that_differ([one, one, other]) == {"1", "2", "3"}
    assert paths_that_differ([one, one]) == set()


def coordinate(*names: str) -> Inline:
    return Inline({"dimension_names": list(names), "shape": [1] * len(names)}, "digest", names)


FLAT = template(
    arrays={
        "0": image(100, 80, attributes={"grid_mapping": "spatial_ref", "coordinates": "both"}),
        "1": image(
            50,
            40,
            20,
            dimension_names=["y_1", "x_1"],
            attributes={"grid_mapping": "spatial_ref_1", "coordinates": "both alone band"},
        ),
    },
    inline={
        **{name: coordinate(name) for name in ("y", "x", "y_1", "x_1", "unused")},
        **{name: coordinate() for name in ("spatial_ref", "spatial_ref_1", "both", "alone")},
    },
)


def test_coordinates_of_an_overview_alone_go_with_it() -> None:
    kept = without(FLAT, ["1"])
    assert list(kept.arrays) == list(kept.axes) == ["0"]
    assert sorted(kept.inline) == ["both", "spatial_ref", "unused", "x", "y"]
    assert kept.groups == {"": {}}


def test_a_template_that_lacks_what_is_dropped_stays_as_it_is() -> None:
    assert without(FLAT, ["2"]) is FLAT
    assert without(FLAT, []) is FLAT


def test_a_coordinate_shared_by_its_dimension_stays() -> None:
    arrays = {"0": image(100, 80), "1": image(50, 80, dimension_names=["y_1", "x"])}
    shared = template(arrays=arrays, inline={"x": coordinate("x"), "y_1": coordinate("y_1")})
    assert list(without(shared, ["1"]).inline) == ["x"]


def levels(*names: str) -> dict[str, Any]:
    layout = [{"asset": name, "scale": n} for n, name in enumerate(names)]
    return {"note": 1, "multiscales": {"version": "1", "layout": layout}}


def test_groups_of_overviews_are_left_out_and_no_longer_listed() -> None:
    arrays = {"0/image": image(100, 80), "1/image": image(50, 40, 20), "1/mask": image(50, 40, 20)}
    groups = {"": levels("0", "1"), "0": {"a": 1}, "1": {"a": 2}}
    inline = {path: coordinate("x") for path in ("0/x", "1/x", "1/unused")}
    pyramid = template(arrays=arrays, groups=groups, inline=inline)
    kept = without(pyramid, ["1/image", "1/mask"])
    assert kept.groups == {"": levels("0"), "0": {"a": 1}}
    assert list(kept.inline) == ["0/x"]
    # a mask alone leaves its group, and the coordinates of others there
    kept = without(pyramid, ["1/mask"])
    assert kept.groups == groups
    assert list(kept.inline) == ["0/x", "1/x", "1/unused"]


def test_levels_of_a_group_below_another() -> None:
    arrays = {"a/0/image": image(100, 80), "a/1/image": image(50, 40, 20)}
    groups = {"a": levels("0", "1"), "a/0": {}, "a/1": {}, "b": {"multiscales": {"layout": []}}}
    kept = without(template(arrays=arrays, groups=groups), ["a/1/image"])
    assert kept.groups == {"a": levels("0"), "a/0": {}, "b": {"multiscales": {"layout": []}}}
