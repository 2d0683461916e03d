"""What is written follows the Zarr conventions that it declares."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import rasterio
import zarr_cm

from support.build import DOUBLE, SHORT, entry, image
from support.conventions import check, declared, released
from support.pixels import LOCAL, stored_metadata, values, virtual
from virtual_tiff import VirtualTIFF
from virtual_tiff.arrays.convention_entries import MULTISCALES, PROJ, SPATIAL
from virtual_tiff.arrays.multiscales import Level, multiscales_attributes
from virtual_tiff.metadata.transform import Affine

SPECIAL = Path(__file__).parent.parent.parent / "testdata" / "special"
PLACED = sorted([*SPECIAL.glob("geo_*.tif"), *SPECIAL.glob("cog*.tif")])

FULL = Affine(10, 0, 500_000, 0, -10, 4_000_000)
CODE = {"proj:code": "EPSG:32633"}


def levels(affine: Affine | None = FULL) -> list[Level]:
    sizes = [(100, 130), (50, 65), (25, 33)]
    return [
        Level(
            path=str(number),
            length=length,
            width=width,
            affine=affine and affine.scaled(130 / width, 100 / length),
            scale=(100 / length, 130 / width),
        )
        for number, (length, width) in enumerate(sizes)
    ]


def group(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


@pytest.mark.long
@pytest.mark.parametrize("path", PLACED, ids=lambda path: path.stem)
def test_arrays_of_files(path: Path):
    store = VirtualTIFF()(f"file://{path}", LOCAL)
    nodes = {name: stored_metadata(store, name) for name in store.group.arrays}
    found = {name: check(node) for name, node in nodes.items()}
    with rasterio.open(path) as dataset:
        expected = {"spatial"} if not dataset.transform.is_identity else set()
        expected |= {"proj"} if dataset.crs is not None else set()
    assert found["0"] == expected


def rotated() -> dict[str, Any]:
    """An array with a rotation, and a CRS of two codes."""
    keys = [1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32633, 4096, 0, 1, 5773]
    matrix = [1, 2, 0, 5, 3, -4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 1]
    data = image(
        values("u1", 10, 20),
        extra_entries=[entry(34264, DOUBLE, matrix), entry(34735, SHORT, keys)],
    )
    return stored_metadata(virtual(data))


def test_a_crs_of_two_codes_and_a_rotation():
    assert check(rotated()) == {"spatial", "proj"}


@pytest.mark.parametrize(
    ("affine", "proj", "expected"),
    [
        (FULL, CODE, {"multiscales", "spatial", "proj"}),
        (FULL, {"proj:wkt2": "LOCALCRS[…]"}, {"multiscales", "spatial", "proj"}),
        (Affine(1, 2, 3, 4, 5, 6), None, {"multiscales", "spatial"}),
        (None, None, {"multiscales"}),
    ],
    ids=["code", "wkt", "rotated", "nowhere"],
)
def test_levels(affine: Affine | None, proj: dict[str, Any] | None, expected: set[str]):
    node = group(multiscales_attributes(levels(affine), proj=proj))
    assert check(node) == expected
    for convention in expected:
        # the schemas of v0.1 have the whole object as constants
        assert released(convention) in node["attributes"]["zarr_conventions"]


def test_the_package_of_the_conventions_agrees():
    nodes = [rotated(), group(multiscales_attributes(levels(), proj=CODE))]
    for path in PLACED:
        store = VirtualTIFF(ifd=0)(f"file://{path}", LOCAL)
        nodes.append(stored_metadata(store))
    for node in nodes:
        for convention in declared(node):
            getattr(zarr_cm, convention).validate_node_metadata(node)


def test_one_level_is_a_pyramid_too():
    assert check(group(multiscales_attributes(levels()[:1]))) == {"multiscales", "spatial"}


def test_what_a_layout_says():
    attributes = multiscales_attributes(levels(), proj=CODE)
    full, half, quarter = attributes["multiscales"]["layout"]
    assert full == {
        "asset": "0",
        "transform": {"scale": [1.0, 1.0], "translation": [0.0, 0.0]},
        "spatial:shape": [100, 130],
        "spatial:transform": [10, 0, 500_000, 0, -10, 4_000_000],
    }
    assert half["derived_from"] == quarter["derived_from"] == "0"
    assert quarter["transform"]["scale"] == [4.0, 130 / 33]
    assert quarter["spatial:shape"] == [25, 33]
    expected = [1300 / 33, 0, 500_000, 0, -40, 4_000_000]
    assert quarter["spatial:transform"] == pytest.approx(expected, rel=1e-15)
    assert attributes["spatial:dimensions"] == ["y", "x"]
    assert attributes["spatial:bbox"] == [500_000, 3_999_000, 501_300, 4_000_000]
    assert attributes["proj:code"] == "EPSG:32633"


def test_the_group_itself_has_no_grid():
    # see the comment in the module: a draft forbids two of them, GDAL 3.13 stumbles on the third
    attributes = multiscales_attributes(levels(), proj=CODE)
    grid = {"spatial:transform", "spatial:shape", "spatial:registration"}
    assert not grid & set(attributes)


def test_levels_of_which_some_have_no_place_say_nothing_of_it():
    first, *others = levels()
    mixed = [first, *(replace(other, affine=None) for other in others)]
    attributes = multiscales_attributes(mixed)
    assert check(group(attributes)) == {"multiscales"}
    assert "spatial:shape" not in attributes["multiscales"]["layout"][0]


@pytest.mark.parametrize("path", ["", "/0", "0/", "../0", "0//1"])
def test_a_path_that_leaves_the_group_is_refused(path: str):
    with pytest.raises(ValueError, match="path within the group"):
        multiscales_attributes([Level(path=path, length=1, width=1, scale=(1, 1))])


def test_no_level_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        multiscales_attributes([])


def test_the_names_that_rioxarray_looks_for_stand_beside_the_new_ones():
    from rioxarray._convention import zarr as reader

    for entries, name in ((SPATIAL, "spatial:"), (PROJ, "proj:")):
        assert reader.has_convention_declared({"zarr_conventions": list(entries)}, name)
        assert entries[0] == released(name.strip(":"))
    assert list(MULTISCALES) == [released("multiscales")]


def _without(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(attributes: dict[str, Any]) -> None:
        found: Any = attributes
        for step in path[:-1]:
            found = found[step]
        del found[path[-1]]

    return change


def _with(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda attributes: attributes.update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        _without("multiscales"),
        _without("multiscales", "layout", 0, "asset"),
        _without("multiscales", "layout", 1, "transform"),
        _without("multiscales", "layout", 1, "spatial:transform"),
        _without("spatial:dimensions"),
        _without("proj:code"),
        _with("proj:code", "EPSG:32633+5773"),
        _with("proj:wkt2", 7),
        _with("spatial:bbox", [0, 1, 2]),
        _with("spatial:shape", [100, 130]),
        _with("spatial:registration", "centre"),
        _with("multiscales", {"layout": []}),
    ],
)
def test_the_check_sees_what_is_wrong(change: Callable[[dict[str, Any]], None]):
    attributes = copy.deepcopy(multiscales_attributes(levels(), proj=CODE))
    change(attributes)
    with pytest.raises(jsonschema.ValidationError):
        check(group(attributes))
