"""The layout `stack`: what tifffile reads, along the axes that it names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr
from obstore.store import LocalStore

from support.build import Picture, images
from support.pixels import LOCAL, read, stored_metadata, virtual
from support.stacks import numbered, written
from virtual_tiff import TiffWarning, VirtualTIFF
from virtual_tiff.arrays.nodes import FileArray

RNG = np.random.default_rng(7)

OURS = {"T": "t", "C": "c", "Z": "z", "Y": "y", "X": "x", "S": "band", "I": "page", "Q": "page"}
"""tifffile's axes; the samples of a pixel are OME's channels."""


def stacked(path: Path, **options: Any) -> zarr.Group:
    store = VirtualTIFF(ifd_layout="stack", **options)(f"file://{path}", LOCAL)
    return zarr.open_group(store, mode="r")


def numbers(*shape: int, dtype: str = "uint8") -> np.ndarray[Any, Any]:
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


def ours(series: Any, level: int = 0, *, samples: str = "band") -> tuple[list[str], Any]:
    """The axes and the values of a series as we name and order them."""
    page = series.levels[level]
    names = [samples if axis == "S" else OURS[axis] for axis in page.axes]
    return names, page.asarray()


def agrees(array: zarr.Array, series: Any, level: int = 0, *, samples: str = "band") -> None:
    """The array has the axes of tifffile's, in whatever order, and its values."""
    names, want = ours(series, level, samples=samples)
    got = list(array.metadata.dimension_names)
    assert sorted(got) == sorted(names)
    np.testing.assert_array_equal(array[...], want.transpose([names.index(name) for name in got]))


PLAIN = {
    "grey": ((5, 30, 40), {"photometric": "minisblack"}),
    "deflate": ((5, 30, 40), {"photometric": "minisblack", "compression": "zlib"}),
    "tiles": ((3, 30, 40), {"photometric": "minisblack", "tile": (16, 16)}),
    "chunky": ((5, 30, 40, 3), {"photometric": "rgb", "compression": "zlib", "rowsperstrip": 16}),
    "planar": ((5, 3, 30, 40), {"photometric": "rgb", "planarconfig": "separate"}),
    "predictor": (
        (2, 30, 40, 3),
        {"photometric": "rgb", "compression": "lzw", "predictor": True},
    ),
}


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("samples", ["first", "stored"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pages(kind: str, samples: str, byteorder: str, tmp_path: Path):
    shape, keywords = PLAIN[kind]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, numbers(*shape), byteorder=byteorder, **keywords)
    array = stacked(path, samples=samples)["image"]
    with tifffile.TiffFile(path) as tiff:
        agrees(array, tiff.series[0])
    if samples == "stored" and kind in ("chunky", "predictor"):
        assert array.metadata.dimension_names[-1] == "band"
        assert all(codec.to_dict()["name"] != "transpose" for codec in array.metadata.codecs)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_contiguous_imagej_stack_of_one_directory(byteorder: str, dtype: str, tmp_path: Path):
    path = tmp_path / "a.tif"
    data = numbers(4, 3, 2, 30, 40, dtype=dtype)
    tifffile.imwrite(path, data, imagej=True, byteorder=byteorder, metadata={"axes": "TZCYX"})
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == 1 or tiff.pages.is_multipage is not None
    group = stacked(path, page_axes="page")
    np.testing.assert_array_equal(group["image"][...], data.reshape(24, 30, 40))
    assert group["image"].metadata.dimension_names == ("page", "y", "x")
    frames = np.repeat(np.arange(4), 6)
    np.testing.assert_array_equal(group["frame"][...], frames)
    dataset = xr.open_zarr(group.store, zarr_format=3, consolidated=False)
    assert {"frame", "channel", "slice"} <= set(dataset["image"].coords)


OME = {
    "TZCYX": ((4, 3, 2, 30, 40), {"compression": "zlib"}),
    "CZYX": ((2, 3, 30, 40), {"tile": (16, 16)}),
    "YX": ((30, 40), {}),
    "TZYXS": ((3, 4, 30, 40, 3), {"photometric": "rgb", "compression": "zlib"}),
    "CYXS": ((2, 30, 40, 3), {"photometric": "rgb"}),
    "ZSYX": ((2, 3, 30, 40), {"photometric": "rgb", "planarconfig": "separate"}),
}


@pytest.mark.parametrize("axes", OME)
@pytest.mark.parametrize("bigtiff", [False, True])
def test_ome_axes(axes: str, bigtiff: bool, tmp_path: Path):
    shape, keywords = OME[axes]
    path = tmp_path / "a.ome.tif"
    data = numbers(*shape)
    tifffile.imwrite(path, data, ome=True, bigtiff=bigtiff, metadata={"axes": axes}, **keywords)
    group = stacked(path)
    array = group["image"]
    names = list(array.metadata.dimension_names)
    if axes == "CYXS":  # two channels of three samples are one axis, the samples faster
        want = data.transpose(0, 3, 1, 2).reshape(6, 30, 40)
        np.testing.assert_array_equal(array[...], want)
    else:
        with tifffile.TiffFile(path) as tiff:
            agrees(array, tiff.series[0], samples="c")
    multiscale = group.attrs["ome"]["multiscales"][0]
    assert [axis["name"] for axis in multiscale["axes"]] == names
    assert [dataset["path"] for dataset in multiscale["datasets"]] == ["image"]


def test_channels_have_their_names(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(path, numbers(2, 30, 40), ome=True, metadata=metadata)
    store = VirtualTIFF(ifd_layout="stack")(f"file://{path}", LOCAL)
    dataset = xr.open_zarr(store, zarr_format=3, consolidated=False)
    assert dataset["image"].sel(c="GFP").shape == (30, 40)


def write_pyramid(path: Path, data: np.ndarray[Any, Any], axes: str) -> None:
    options = {"tile": (16, 16), "compression": "zlib"}
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(data, subifds=2, metadata={"axes": axes}, **options)
        for step in (2, 4):
            tiff.write(data[..., ::step, ::step], subfiletype=1, **options)


def test_subifds_are_levels(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    write_pyramid(path, numbers(2, 3, 64, 96), "CZYX")
    group = stacked(path)
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    assert [dataset["path"] for dataset in datasets] == ["0/image", "1/image", "2/image"]
    with tifffile.TiffFile(path) as tiff:
        for level, dataset in enumerate(datasets):
            agrees(group[dataset["path"]], tiff.series[0], level)
            scale = dataset["coordinateTransformations"][0]["scale"]
            assert scale[-2:] == [2.0**level, 2.0**level]
    tree = xr.open_datatree(group.store, engine="zarr", zarr_format=3, consolidated=False)
    assert tree["2/image"].shape == (2, 3, 16, 24)


@pytest.mark.parametrize(("overviews", "kept"), [(False, [0]), ([1], [0, 2]), ([0, 1], [0, 1, 2])])
def test_overviews_of_a_stack_can_be_chosen(overviews: Any, kept: list[int], tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    write_pyramid(path, numbers(2, 3, 64, 96), "CZYX")
    group = stacked(path, overviews=overviews)
    arrays = [array for _, array in group.members(max_depth=2) if array.name.endswith("image")]
    arrays.sort(key=lambda array: -array.shape[-1])
    assert len(arrays) == len(kept)
    with tifffile.TiffFile(path) as tiff:
        for array, level in zip(arrays, kept, strict=True):
            agrees(array, tiff.series[0], level)
    with pytest.raises(ValueError, match="overviews"):
        stacked(path, overviews=[2])


def test_ome_zarr_models_accept_it(tmp_path: Path):
    from ome_zarr_models import v05

    path = tmp_path / "a.ome.tif"
    write_pyramid(path, numbers(2, 3, 64, 96), "CZYX")
    image = v05.Image.from_zarr(stacked(path))
    assert [dataset.path for dataset in image.ome_attributes.multiscales[0].datasets] == [
        "0/image",
        "1/image",
        "2/image",
    ]


def test_several_ome_images_are_a_group_each(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(numbers(3, 30, 40), metadata={"axes": "ZYX"})
        tiff.write(numbers(2, 20, 10), metadata={"axes": "CYX"})
    group = stacked(path)
    assert dict(group.attrs["ome"]) == {"version": "0.5", "bioformats2raw.layout": 3}
    with tifffile.TiffFile(path) as tiff:
        for number, series in enumerate(tiff.series):
            agrees(group[f"{number}/image"], series)


def test_pages_of_several_shapes_are_a_group_each(tmp_path: Path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for shape in ((30, 40), (20, 10), (30, 40)):
            tiff.write(numbers(*shape), metadata=None, contiguous=False)
    group = stacked(path)
    assert group["0/image"].shape == (2, 30, 40)
    assert group["1/image"].shape == (20, 10)


def test_strips_that_lie_together_in_one_page_alone_stay_strips(tmp_path: Path):
    path = tmp_path / "a.tif"
    pages = numbers(2, 64, 40)
    with tifffile.TiffWriter(path) as tiff:
        for page in pages:
            tiff.write(page, metadata=None, rowsperstrip=16, contiguous=False)
    with tifffile.TiffFile(path) as tiff:
        offsets = tiff.pages[1].tags["StripOffsets"]
        data = bytearray(path.read_bytes())
    # the last strip of the second page is moved to the end of the file
    first = offsets.value[3]
    data += data[first : first + 16 * 40]
    at = offsets.valueoffset + 3 * (4 if offsets.dtype == 4 else 2)
    size = 4 if offsets.dtype == 4 else 2
    data[at : at + size] = (len(data) - 16 * 40).to_bytes(size, "little")
    path.write_bytes(data)
    array = stacked(path)["image"]
    assert array.chunks == (1, 16, 40)
    np.testing.assert_array_equal(array[...], pages)


def test_a_window_of_a_stack(tmp_path: Path):
    path = tmp_path / "a.tif"
    data = numbers(3, 64, 96)
    tifffile.imwrite(path, data, photometric="minisblack", tile=(16, 16), compression="zlib")
    array = stacked(path, window=(16, 32, 32, 16))["image"]
    np.testing.assert_array_equal(array[...], data[:, 32:48, 16:48])


def test_a_page_that_cannot_be_read_is_left_out_by_its_name(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, numbers(2, 30, 40), photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[1].tags["Compression"]
    data = bytearray(path.read_bytes())
    data[tag.valueoffset : tag.valueoffset + 2] = (999).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.warns(TiffWarning, match=r"IFD 1 is left out.*999"):
        assert stacked(path)["image"].shape == (30, 40)


def write_levels(path: Path, levels: list[dict[str, Any]]) -> None:
    """Write a page for each of `levels`, with a SubIFD of half the size that is written so."""
    with tifffile.TiffWriter(path) as tiff:
        for keywords in levels:
            tiff.write(numbers(32, 48), subifds=1, photometric="minisblack", metadata=None)
            dtype = keywords.get("dtype", "uint8")
            small = numbers(16, 24, dtype=dtype)
            more = {name: value for name, value in keywords.items() if name != "dtype"}
            tiff.write(small, subfiletype=1, photometric="minisblack", metadata=None, **more)


def pages_and_names(path: Path) -> tuple[Any, set[str]]:
    """The stack of the pages, and the names of the groups beside it."""
    group = stacked(path)
    with tifffile.TiffFile(path) as tiff:
        full = [page.asarray() for page in tiff.pages]
    np.testing.assert_array_equal(group["0/image"][...], full)
    return group, set(group.group_keys())


def test_reduced_pages_of_which_one_is_stored_otherwise_are_no_level(tmp_path: Path):
    path = tmp_path / "a.tif"
    write_levels(path, [{"compression": "zlib"}, {"compression": "zlib"}])
    group, names = pages_and_names(path)
    assert names == {"0", "1"}
    assert group["1/image"].shape == (2, 16, 24)
    write_levels(path, [{"compression": "zlib"}, {"compression": "lzw"}])
    with pytest.warns(TiffWarning, match="IFD 0: reduced resolution 1 differs between the pages"):
        group, names = pages_and_names(path)
    assert names == {"0", "0.0", "1.0"}  # images of their own
    assert group["1.0/image"].shape == (16, 24)


def test_reduced_pages_of_another_type_are_no_level(tmp_path: Path):
    path = tmp_path / "a.tif"
    write_levels(path, [{"dtype": "uint16"}] * 2)
    group, names = pages_and_names(path)
    assert names == {"0", "0.0"}
    assert group["0.0/image"].shape == (2, 16, 24)


def test_an_image_none_of_whose_planes_can_be_read_is_left_out(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for shape in ((2, 30, 40), (2, 16, 24)):
            tiff.write(numbers(*shape), photometric="minisblack", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tiff:
        places = [tiff.pages[n].aspage().tags["Compression"].valueoffset for n in (2, 3)]
        expected = tiff.series[0].asarray()
    data = bytearray(path.read_bytes())
    for at in places:
        data[at : at + 2] = (999).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.warns(TiffWarning, match="left out"):
        group = stacked(path)
    arrays = [array for _, array in group.members(max_depth=3) if isinstance(array, zarr.Array)]
    assert [array.shape for array in arrays if array.ndim == 3] == [(2, 30, 40)]
    np.testing.assert_array_equal(next(a for a in arrays if a.ndim == 3)[...], expected)


def test_one_directory_alone_is_no_stack():
    with pytest.raises(ValueError, match="takes all directories"):
        VirtualTIFF(ifd=0, ifd_layout="stack")


def test_a_plane_that_the_file_does_not_hold_is_missing(tmp_path: Path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, numbers(3, 30, 40) | 1, ome=True, metadata={"axes": "ZYX"})
    data = path.read_bytes()
    path.write_bytes(data.replace(b'SizeZ="3"', b'SizeZ="5"'))
    array = stacked(path)["image"]
    assert array.shape == (5, 30, 40)
    assert array[3:].max() == 0
    assert array[:3].min() > 0


@pytest.mark.parametrize("cut", [0, 700])
def test_blocks_that_a_truncated_stack_has_lost(cut: int, tmp_path: Path):
    path = tmp_path / "a.tif"
    page = Picture(numbers(30, 40), rows_per_strip=10)
    data = images([page] * 3, order=("directories", "values", "blocks"))
    path.write_bytes(data[: len(data) - cut])
    parsing = VirtualTIFF(ifd_layout="stack", merge_strips=False).parse_nodes(
        LocalStore(tmp_path), "a.tif", url=path.as_uri()
    )
    nodes, _ = asyncio.run(parsing)
    (array,) = (each for each in nodes.arrays.values() if isinstance(each, FileArray))
    if not cut:
        assert array.lost is None
    else:
        assert array.lost is not None
        assert array.lost.reshape(3, 3).tolist() == [[False] * 3, [False] * 3, [False, True, True]]


def test_a_stack_without_coordinates_has_none() -> None:
    data = written(numbered(3, 8, 9), photometric="minisblack")
    with_them, without = (
        virtual(data, ifd_layout="stack", coordinates=wanted) for wanted in (True, False)
    )
    np.testing.assert_array_equal(
        read(data, "image", ifd_layout="stack", coordinates=False), numbered(3, 8, 9)
    )
    assert "coordinates" not in stored_metadata(without, "image")["attributes"]
    assert set(without.group.arrays) <= set(with_them.group.arrays)
