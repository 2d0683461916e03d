"""Which arrays and groups a file becomes; names, sizes and places of each layout together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rioxarray  # noqa: F401 (gives DataArrays `.rio`)
import xarray as xr

from support.build import (
    ASCII,
    DOUBLE,
    LONG,
    SHORT,
    Directory,
    Picture,
    build,
    entry,
    images,
    parts,
)
from support.pixels import LOCAL, values, virtual, zarr_array
from virtual_tiff import VirtualTIFF
from virtual_tiff.tiff import FormatError, TiffWarning

SPECIAL = Path(__file__).parent.parent.parent.parent / "testdata" / "special"
FILES = sorted(SPECIAL.glob("*.tif"))
LAYOUTS = ["flat", "nested", "pyramid"]
OVERVIEW, MASK = entry(254, LONG, 1), entry(254, LONG, 4)
PLACE = [
    entry(33550, DOUBLE, [10.0, 10.0, 0.0]),
    entry(33922, DOUBLE, [0.0, 0.0, 0.0, 500_000.0, 4_000_000.0, 0.0]),
    entry(34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633]),
]

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def tree(store: Any) -> xr.DataTree:
    return xr.open_datatree(
        store, engine="zarr", consolidated=False, zarr_format=3, mask_and_scale=False
    )


@every_file
@every_layout
def test_every_file_opens_in_every_layout(path: Path, layout: Any):
    store = VirtualTIFF(ifd_layout=layout)(path.as_uri(), LOCAL)
    if layout == "flat":
        assert xr.open_zarr(store).data_vars
    assert any(node.data_vars for node in tree(store).subtree)


@every_file
def test_all_layouts_place_an_image_alike(path: Path):
    found = []
    for layout, name in {"flat": "0", "nested": "0/0", "pyramid": "0/image"}.items():
        store = VirtualTIFF(ifd_layout=layout)(path.as_uri(), LOCAL)  # type: ignore[arg-type]
        try:
            array = tree(store)[name]
        except KeyError:  # several images
            array = tree(store)["0/0/image"]
        found.append((array.dims, array.shape, array.rio.crs, array.rio.transform(recalc=False)))
        assert ("x" in array.coords) is ("x" in xr.open_zarr(store)) or layout != "flat"
    assert found[0] == found[1] == found[2]


@every_layout
def test_a_directory_that_describes_no_image_is_left_out_with_a_warning(layout: Any):
    (picture,), blocks = parts([Picture(values("u1", 8, 9))])
    data = build([picture, Directory([entry(305, ASCII, "no image")])], blocks)
    with pytest.warns(TiffWarning, match="IFD 1 has no ImageWidth and ImageLength"):
        store = virtual(data, ifd_layout=layout)
    names = [name for node in tree(store).subtree for name in node.data_vars]
    assert len(names) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_without_any_image_is_refused(layout: Any):
    data = build([Directory([entry(305, ASCII, "no image")])])
    with pytest.raises(FormatError, match="describes no image"):
        virtual(data, ifd_layout=layout)


def test_the_names_of_dimensions_are_those_of_the_first_array_of_a_size():
    pages = [
        Picture(values("u1", 8, 10), extra_entries=PLACE),
        Picture(values("u1", 4, 5), extra_entries=[OVERVIEW]),
        Picture(values("u1", 8, 10), extra_entries=[MASK]),
        Picture(values("u1", 4, 5), extra_entries=[entry(254, LONG, 5)]),
    ]
    dataset = xr.open_zarr(virtual(images(pages)))
    assert [dataset[str(number)].dims for number in range(4)] == [
        ("y", "x"),
        ("y_1", "x_1"),
        ("y", "x"),
        ("y_1", "x_1"),
    ]
    assert set(dataset.coords) == {"x", "y", "spatial_ref", "x_1", "y_1"}
    assert dataset["3"].attrs["grid_mapping"] == "spatial_ref"
    assert dataset["3"].rio.resolution() == (20, -20)


def test_a_subifd_names_its_dimensions_by_its_path():
    dataset = xr.open_zarr(VirtualTIFF()((SPECIAL / "subifds.tif").as_uri(), LOCAL))
    assert [dataset[name].dims for name in ("0.0", "0.1")] == [
        ("y_0.0", "x_0.0"),
        ("y_0.1", "x_0.1"),
    ]


@pytest.mark.parametrize("ifd", [1, 2, "1", 3])
def test_one_directory_has_the_plain_names_and_the_place_of_its_image(ifd: int | str):
    pages = [
        Picture(values("u1", 8, 10), extra_entries=PLACE),
        Picture(values("u1", 4, 5), extra_entries=[OVERVIEW]),
        Picture(values("u1", 8, 10), extra_entries=[MASK]),
        Picture(values("u1", 4, 5), extra_entries=[entry(254, LONG, 5)]),
    ]
    data = images(pages)
    array = xr.open_zarr(virtual(data, ifd=ifd))[str(ifd)]
    assert array.dims == ("y", "x")
    assert array.rio.crs.to_epsg() == 32633
    size = 10 if ifd == 2 else 20
    assert (array.rio.resolution(), float(array.x[0])) == ((size, -size), 500_000 + size / 2)


def test_a_nested_group_says_of_itself_what_its_array_says():
    """As 0.5.0 did: a Dataset of one array carries that array's attributes."""
    store = VirtualTIFF(ifd_layout="nested")((SPECIAL / "cog_rgb_mask.tif").as_uri(), LOCAL)
    for group in store.group.groups.values():
        (array,) = (array for name, array in group.arrays.items() if name.isdecimal())
        expected = dict(array.metadata.attributes)
        for name in ("coordinates", "grid_mapping"):
            expected.pop(name, None)
        assert group.metadata.attributes == expected


def test_a_nested_group_holds_all_that_its_array_refers_to():
    store = VirtualTIFF(ifd_layout="nested")((SPECIAL / "cog_rgb_mask.tif").as_uri(), LOCAL)
    for group in store.group.groups.values():
        for array in group.arrays.values():
            listed = array.metadata.attributes.get("coordinates", "").split()
            assert set(listed) <= set(group.arrays)


@every_layout
def test_pixels_are_those_of_the_flat_layout(layout: Any):
    uri = (SPECIAL / "cog_rgb_mask.tif").as_uri()
    names = {"flat": ["0", "2"], "nested": ["0/0", "2/2"], "pyramid": ["0/image", "1/image"]}
    flat = VirtualTIFF()(uri, LOCAL)
    store = VirtualTIFF(ifd_layout=layout)(uri, LOCAL)
    for expected, name in zip(names["flat"], names[layout], strict=True):
        found = zarr_array(store, name)[...]
        np.testing.assert_array_equal(found, zarr_array(flat, expected)[...])


@pytest.mark.long
@every_layout
def test_a_thousand_pages_at_one_place_cost_one_set_of_axes(layout: Any):
    if layout != "flat":
        pytest.skip("groups share nothing")
    page = Picture(values("u1", 8, 10), extra_entries=PLACE)
    members = virtual(images([page] * 1000)).group.arrays
    assert len(members) == 1003
